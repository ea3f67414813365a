//! The API server's HTTP face as a `tower::Service`: takes a request whole, hands it to `answer`.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};

pub use super::body::Body;

pub use super::answer::Cut;
use super::answer::{self, Asked};
use super::failure::Failure;
use super::world::Sim;

/// The largest body that is read, as the real server's.
pub(super) const BODY_MOST: usize = 3 * 1024 * 1024;

/// The service to give to `kube::Client`, or to serve on a socket.
#[derive(Clone)]
pub struct Service {
    sim: Sim,
}

impl Service {
    pub(super) fn new(sim: Sim) -> Self {
        Self { sim }
    }
}

impl<B> tower::Service<http::Request<B>> for Service
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Display,
{
    type Response = http::Response<Body>;
    type Error = Cut;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Cut>> + Send>>;

    fn poll_ready(&mut self, _ctx: &mut Context<'_>) -> Poll<Result<(), Cut>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let sim = self.sim.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = match read(body).await {
                Ok(body) => body,
                Err(failure) => return Ok(answer::failed(&failure)),
            };
            answer::answer(&sim, Asked::new(&head, body)).await
        })
    }
}

async fn read<B>(body: B) -> Result<Bytes, Failure>
where
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: std::fmt::Display,
{
    // `Limited` wants an error that is one; the body's need only be shown.
    let body = body.map_err(|error| std::io::Error::other(error.to_string()));
    match Limited::new(Box::pin(body), BODY_MOST).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(Failure::too_large(&format!("limit is {BODY_MOST}"))),
        Err(error) => Err(Failure::bad_request(error.to_string())),
    }
}

#[cfg(test)]
mod tests;
