//! What the tests of the simulator stand on: a cluster on a paused clock, asked over its HTTP face.

use http_body_util::{BodyExt, Full};
use jiff::Timestamp;
use tower::ServiceExt;

use super::{Options, Sim};
use crate::clock::Clock;
use crate::sim::json::Value;

/// A small cluster and the runtime that moves its time.
pub struct Trial {
    pub sim: Sim,
    pub runtime: tokio::runtime::Runtime,
}

impl Trial {
    /// A cluster with nothing of its own in it.
    pub fn new() -> Self {
        Self::of(Options::empty(), "2026-11-23T10:00:00Z".parse().expect("a time"))
    }

    /// A cluster on a clock that shows `start` now.
    pub fn of(options: Options, start: Timestamp) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let sim = Sim::new(options, Clock::paused(start, runtime.handle())).expect("a cluster");
        runtime.spawn(sim.clone().live());
        Self { sim, runtime }
    }

    /// Sends a request; the body is JSON unless `content_type` says otherwise.
    pub fn send(&self, method: &str, path: &str, accept: &str, content_type: &str, body: &str) -> (u16, http::HeaderMap, String) {
        let request = http::Request::builder().method(method).uri(path).header("user-agent", "trial/1").header("accept", accept);
        let request = request.header("content-type", content_type).body(Full::new(bytes::Bytes::from(body.to_owned()))).expect("a request");
        self.runtime.block_on(async {
            let response = self.sim.service().oneshot(request).await.expect("never fails");
            let (head, body) = response.into_parts();
            let bytes = body.collect().await.expect("never fails").to_bytes();
            (head.status.as_u16(), head.headers, String::from_utf8(bytes.to_vec()).expect("text"))
        })
    }

    pub fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let content_type = if method == "PATCH" { "application/strategic-merge-patch+json" } else { "application/json" };
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let (code, _, text) = self.send(method, path, "application/json", content_type, &body);
        (code, serde_json::from_str(&text).unwrap_or(Value::from(text)))
    }

    /// The answer to a request that succeeds.
    pub fn good(&self, method: &str, path: &str, body: Value) -> Value {
        let (code, answer) = self.ask(method, path, body);
        assert!(code < 300, "{method} {path}: {code} {}", answer["message"]);
        answer
    }

    /// Code and message of a request that fails.
    pub fn bad(&self, method: &str, path: &str, body: Value) -> (u16, String) {
        let (code, answer) = self.ask(method, path, body);
        assert!(code >= 400, "{method} {path} succeeded: {answer}");
        (code, answer["message"].as_str().unwrap_or_default().to_owned())
    }
}
