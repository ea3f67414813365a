//! The API server's HTTP face as a `tower::Service`.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::world::Sim;

/// The service to give to `kube::Client`, or to serve on a socket.
#[derive(Clone)]
pub struct Service {
    #[expect(dead_code, reason = "the next step answers requests from it")]
    sim: Sim,
}

impl Service {
    pub(super) fn new(sim: Sim) -> Self {
        Self { sim }
    }
}

/// A response body: whole, or a stream (watch, followed logs).
pub struct Body {}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _ctx: &mut Context<'_>) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Poll::Ready(None)
    }
}

impl<B> tower::Service<http::Request<B>> for Service
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Display,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _ctx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _request: http::Request<B>) -> Self::Future {
        todo!()
    }
}
