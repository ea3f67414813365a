//! One request and its answer: headers, time limits, and the retries that a read may have.
//!
//! What a failure is called and what to advise is `failure`'s. Nothing here knows what it asks for.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::connect::Cluster;
use super::failure::Failure;
use crate::error::{Error, Result};

/// How long a read may take until its answer begins, retries included.
pub(super) const LIMIT: Duration = Duration::from_secs(5);

/// The same where a credential plugin may have to be asked again; kubectl has no limit at all.
const LIMIT_WITH_PLUGIN: Duration = Duration::from_secs(30);

/// How long a write may take: admission webhooks alone may take 30 s by the API's rules.
pub(super) const WRITE_LIMIT: Duration = Duration::from_secs(35);

/// How long an answer that has begun may pause.
const PAUSE_LIMIT: Duration = Duration::from_secs(10);

/// How large an answer may be: a page of 500 objects of the greatest size that etcd takes, 1.5 MiB.
const SIZE_LIMIT: usize = 750 << 20;

/// The first pause before a read is tried again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

pub(super) const JSON: &str = "application/json";

/// A request that is yet to be sent, and the words for it.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub method: Method,
    pub path: String,
    pub accept: &'static str,
    /// The content type and the body.
    pub content: Option<(&'static str, Bytes)>,
    pub subject: Subject,
}

/// What a request is about, for messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Subject {
    /// `get deployment/web`, `list pods`.
    pub words: String,
    /// `deployment/web`.
    pub target: Option<String>,
    /// The verb and the resource that RBAC knows, and the namespace.
    pub access: Option<(&'static str, String, Option<String>)>,
}

/// When an answer must have begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    end: Instant,
    limit: Duration,
}

impl Deadline {
    pub fn after(limit: Duration) -> Self {
        Self { end: Instant::now() + limit, limit }
    }

    pub fn leaves(self, pause: Duration) -> bool {
        Instant::now() + pause < self.end
    }
}

/// A path with its query.
pub(super) struct Path {
    text: String,
    first: bool,
}

impl Path {
    pub fn new(path: impl Into<String>) -> Self {
        Self { text: path.into(), first: true }
    }

    #[must_use]
    pub fn with(mut self, key: &str, value: impl AsRef<str>) -> Self {
        self.text.push(if self.first { '?' } else { '&' });
        self.first = false;
        self.text.push_str(key);
        self.text.push('=');
        escape(value.as_ref(), &mut self.text);
        self
    }

    #[must_use]
    pub fn maybe(self, key: &str, value: Option<impl AsRef<str>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    pub fn done(self) -> String {
        self.text
    }
}

/// One segment of a path: a name that somebody typed must not become a query or another path.
///
/// # Errors
/// `invalid` for what no API server takes as a name.
pub(super) fn segment(name: &str, what: &str) -> Result<String> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '%']) || name.chars().any(char::is_control) {
        return Err(Error::invalid(format!("{name:?} cannot be the name of a {what}")));
    }
    let mut text = String::with_capacity(name.len());
    escape(name, &mut text);
    Ok(text)
}

fn escape(text: &str, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => into.push(char::from(byte)),
            other => into.push_str(&format!("%{other:02X}")),
        }
    }
}

impl Cluster {
    /// Sends a read and gives the bytes of the answer; tries again within the limit when the server is busy or the connection breaks.
    pub(super) async fn ask(&self, ask: &Ask) -> Result<Bytes> {
        self.ask_raw(ask).await.map_err(|(failure, tries)| failure.into_error(self, &ask.subject, tries))
    }

    /// As `ask`, with the failure still to be told apart, and the number of tries.
    pub(super) async fn ask_raw(&self, ask: &Ask) -> Result<Bytes, (Failure, u32)> {
        // Making the client may run a plugin, which has a limit of its own.
        self.client().await.map_err(|error| (Failure::Local(error), 0))?;
        let deadline = Deadline::after(self.limit());
        let (mut pause, mut tries, mut renewed) = (FIRST_PAUSE, 0, false);
        loop {
            tries += 1;
            let failure = match self.once(ask, deadline).await {
                Ok(bytes) => return Ok(bytes),
                Err(failure) => failure,
            };
            if !renewed && self.has_plugin() && failure.is_unauthorized() {
                // A token may be revoked before its time; kubectl asks the plugin again too.
                renewed = true;
                self.forget_client().await;
                continue;
            }
            match failure.worth_another_try(pause) {
                Some(wait) if deadline.leaves(wait) => sleep(wait).await,
                _ => return Err((failure, tries)),
            }
            pause *= 2;
        }
    }

    pub(super) async fn ask_json(&self, ask: &Ask) -> Result<Value> {
        let bytes = self.ask(ask).await?;
        parse(&bytes).map_err(|failure| failure.into_error(self, &ask.subject, 1))
    }

    pub(super) fn limit(&self) -> Duration {
        if self.has_plugin() { LIMIT_WITH_PLUGIN } else { LIMIT }
    }

    /// Sends a request once; the answer must begin before the deadline.
    pub(super) async fn once(&self, ask: &Ask, deadline: Deadline) -> Result<Bytes, Failure> {
        let body = self.open(ask, deadline).await?;
        collect(body, SIZE_LIMIT).await
    }

    /// Sends a request once and gives the body of a good answer, unread.
    pub(super) async fn open(&self, ask: &Ask, deadline: Deadline) -> Result<Body, Failure> {
        let client = self.client().await.map_err(Failure::Local)?;
        let mut builder = Request::builder().method(ask.method.clone()).uri(&ask.path);
        builder = builder.header(header::ACCEPT, ask.accept).header(header::USER_AGENT, concat!("rollsh/", env!("CARGO_PKG_VERSION")));
        if let Some((kind, _)) = &ask.content {
            builder = builder.header(header::CONTENT_TYPE, *kind);
        }
        let content = ask.content.as_ref().map_or_else(Body::empty, |(_, bytes)| Body::from(bytes.clone()));
        let request = builder.body(content).map_err(|error| Failure::Local(Error::invalid(format!("cannot {}: {error}", ask.subject.words))))?;
        let sent = Instant::now();
        let answered = timeout_at(deadline.end, client.send(request)).await;
        self.observed(|| {
            let what = match &answered {
                Ok(Ok(response)) => response.status().to_string(),
                Ok(Err(error)) => format!("failed: {error}"),
                Err(_) => "no answer".to_owned(),
            };
            format!("{} {} {what} in {} ms", ask.method, ask.path, sent.elapsed().as_millis())
        });
        let response = match answered {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Failure::of_kube(&error)),
            Err(_) => return Err(Failure::timed_out(deadline.limit)),
        };
        self.answered();
        let warnings = response.headers().get_all(header::WARNING).iter().filter_map(|value| warning(value.to_str().ok()?));
        warnings.for_each(|warning| self.warned(warning));
        if response.status().is_success() {
            return Ok(response.into_body());
        }
        let (head, body) = response.into_parts();
        let retry_after = head.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok()).map(Duration::from_secs);
        // The status line alone is an answer: a body that breaks must not hide it.
        let bytes = collect(body, 1 << 20).await.unwrap_or_default();
        Err(Failure::refused(head.status, &bytes, retry_after))
    }
}

/// The text of a `Warning` header: `299 - "text"`.
fn warning(header: &str) -> Option<String> {
    let quoted = header.strip_prefix("299 ")?.split_once(' ')?.1.trim().strip_prefix('"')?;
    let mut text = String::new();
    let mut letters = quoted.chars();
    loop {
        match letters.next()? {
            '"' => return Some(text),
            '\\' => text.push(letters.next()?),
            other => text.push(other),
        }
    }
}

pub(super) fn parse(bytes: &[u8]) -> Result<Value, Failure> {
    serde_json::from_slice(bytes).map_err(|error| Failure::garbled(&error.to_string(), bytes))
}

/// As `parse`, without the field sets of `managedFields`.
pub(super) fn parse_lean(bytes: &[u8]) -> Result<Value, Failure> {
    super::lean::parse(bytes).map_err(|error| Failure::garbled(&error.to_string(), bytes))
}

async fn collect(mut body: Body, limit: usize) -> Result<Bytes, Failure> {
    let mut all: Vec<u8> = Vec::new();
    loop {
        match timeout(PAUSE_LIMIT, body.frame()).await {
            Err(_) => return Err(Failure::timed_out(PAUSE_LIMIT)),
            Ok(None) => return Ok(Bytes::from(all)),
            Ok(Some(Err(error))) => return Err(Failure::of_kube(&error)),
            Ok(Some(Ok(frame))) => {
                if let Ok(data) = frame.into_data() {
                    if all.len() + data.len() > limit {
                        return Err(Failure::Local(
                            Error::unreachable(format!("the answer is larger than {} MiB", limit >> 20)).hint("narrow it with a selector"),
                        ));
                    }
                    all.extend_from_slice(&data);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_typed_cannot_change_the_request() {
        assert_eq!(segment("web?dryRun=All", "deployment").expect("escaped"), "web%3FdryRun%3DAll");
        assert_eq!(segment("system:node", "role").expect("escaped"), "system%3Anode");
        for bad in ["", ".", "..", "a/b", "a%2Fb", "a\nb"] {
            assert!(segment(bad, "pod").is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_warning_is_unquoted() {
        assert_eq!(warning(r#"299 - "unknown field \"spec.x\"""#).as_deref(), Some("unknown field \"spec.x\""));
        for other in ["", "199 - \"x\"", "299 -", "299 - \"open"] {
            assert_eq!(warning(other), None, "{other}");
        }
    }

    #[test]
    fn a_query_is_escaped() {
        let path = Path::new("/api/v1/pods").with("labelSelector", "a in (b,c)").maybe("limit", None::<&str>).with("x", "1").done();
        assert_eq!(path, "/api/v1/pods?labelSelector=a%20in%20%28b%2Cc%29&x=1");
    }
}
