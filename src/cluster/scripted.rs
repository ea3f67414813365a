//! An API server for tests that answers by a script: each request gets the next reply, and is remembered.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use kube::client::Body;
use serde_json::{Value, json};

use super::connect::Cluster;
use crate::clock::Clock;

type Answer = UnsyncBoxBody<Bytes, std::io::Error>;

/// What the body of a reply does next.
#[derive(Clone, Debug)]
pub enum Step {
    Line(Value),
    Text(&'static str),
    Pause(Duration),
    /// The connection breaks.
    Break,
    /// Nothing comes any more, and the connection stays.
    Hang,
}

#[derive(Clone, Debug)]
pub enum Reply {
    Json(u16, Value),
    /// As `Json`, with `Retry-After` in seconds.
    Busy(u16, u64),
    Raw(u16, &'static str),
    Stream(Vec<Step>),
    /// No answer at all.
    Silence,
    /// The service itself fails, as a connection that breaks before the answer.
    Broken(std::io::ErrorKind),
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub content_type: String,
    pub body: Value,
}

#[derive(Clone, Default)]
pub struct Scripted {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Scripted {
    pub fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        Self { replies: Arc::new(Mutex::new(replies.into_iter().collect())), seen: Arc::default() }
    }

    pub fn cluster(&self) -> Cluster {
        let this = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let this = this.clone();
            async move { this.answer(request).await }
        });
        Cluster::in_process(service, "test", "shop", Clock::wall())
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no panic").clone()
    }

    /// The method and path of every request.
    pub fn lines(&self) -> Vec<String> {
        self.seen().into_iter().map(|seen| format!("{} {}", seen.method, seen.path)).collect()
    }

    async fn answer(&self, request: Request<Body>) -> Result<Response<Answer>, std::io::Error> {
        let (head, body) = request.into_parts();
        let bytes = body.collect().await.expect("a request's body is whole").to_bytes();
        self.seen.lock().expect("no panic").push(Seen {
            method: head.method.to_string(),
            path: head.uri.to_string(),
            content_type: head.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned(),
            body: serde_json::from_slice(&bytes).unwrap_or_default(),
        });
        let reply = self.replies.lock().expect("no panic").pop_front().unwrap_or(Reply::Silence);
        let answer = |code: u16| Response::builder().status(code).header("content-type", "application/json");
        Ok(match reply {
            Reply::Json(code, value) => answer(code).body(whole(value.to_string())),
            Reply::Busy(code, seconds) => answer(code).header("retry-after", seconds).body(whole(status(code, "ServiceUnavailable", "busy").to_string())),
            Reply::Raw(code, text) => answer(code).body(whole(text.to_owned())),
            Reply::Stream(steps) => answer(200).body(stream(steps)),
            Reply::Silence => std::future::pending().await,
            Reply::Broken(kind) => return Err(std::io::Error::new(kind, "scripted")),
        }
        .expect("a reply is well formed"))
    }
}

fn whole(text: String) -> Answer {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync()
}

fn stream(steps: Vec<Step>) -> Answer {
    let frames = futures::stream::iter(steps).filter_map(|step| async move {
        match step {
            Step::Line(value) => Some(Ok(Bytes::from(format!("{value}\n")))),
            Step::Text(text) => Some(Ok(Bytes::from(text))),
            Step::Pause(pause) => {
                tokio::time::sleep(pause).await;
                None
            }
            Step::Break => Some(Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "scripted"))),
            Step::Hang => std::future::pending().await,
        }
    });
    StreamBody::new(frames.map(|chunk| chunk.map(Frame::data))).boxed_unsync()
}

/// A `Status` of the API server.
pub fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code })
}
