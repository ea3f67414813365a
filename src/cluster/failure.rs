//! Why a request failed, and the words for it: a Status of the API server or a broken connection to our kinds, messages and hints.
//!
//! Never shows what a library prints for debugging. Whether to try again is decided by the callers, on what stands here.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use http::StatusCode;
use kube::client::AuthError;
use serde_json::{Value, json};

use super::connect::{CONNECT_LIMIT, Cluster};
use super::request::Subject;
use crate::error::{Error, ErrorKind};

/// Why there is no good answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server answered, with a refusal.
    Refused(Refusal),
    /// No answer, or none that can be understood.
    Silent { cause: Cause, sent: Sent },
    /// There is no client, or no such request: nothing was sent.
    Local(Error),
}

#[derive(Debug)]
pub(super) struct Refusal {
    pub code: u16,
    /// The `Status` object; `Null` when the body was something else.
    pub status: Value,
    /// The beginning of a body that is no `Status`.
    pub text: String,
    pub retry_after: Option<Duration>,
}

/// Whether the request can have reached the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    No,
    Perhaps,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    ConnectionRefused,
    UnknownHost,
    NoRoute(String),
    /// The server's certificate is not accepted: rustls' reason.
    Certificate(String),
    /// The server does not accept ours.
    ClientCertificate(String),
    Tls(String),
    Proxy(String),
    /// No answer within this time.
    TimedOut(Duration),
    Dropped(String),
    Credentials(String),
    Garbled(String),
    Other(String),
}

impl Failure {
    pub fn timed_out(limit: Duration) -> Self {
        Failure::Silent { cause: Cause::TimedOut(limit), sent: Sent::Perhaps }
    }

    pub fn dropped(reason: &str) -> Self {
        Failure::Silent { cause: Cause::Dropped(reason.to_owned()), sent: Sent::Perhaps }
    }

    pub fn garbled(reason: &str, bytes: &[u8]) -> Self {
        let start: String = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).chars().filter(|it| !it.is_control()).take(80).collect();
        Failure::Silent { cause: Cause::Garbled(format!("{reason}; it begins with {start:?}")), sent: Sent::Perhaps }
    }

    pub fn refused(code: StatusCode, body: &[u8], retry_after: Option<Duration>) -> Self {
        let status = serde_json::from_slice::<Value>(body).ok().filter(|status| status["kind"] == "Status").unwrap_or_default();
        let retry_after = retry_after.or_else(|| status["details"]["retryAfterSeconds"].as_u64().map(Duration::from_secs));
        let text = if status.is_null() {
            String::from_utf8_lossy(body).split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
        } else {
            String::new()
        };
        Failure::Refused(Refusal { code: code.as_u16(), status, text, retry_after })
    }

    /// The failure that an `ERROR` event of a watch carries.
    pub fn of_status(status: Value) -> Self {
        let code = status["code"].as_u64().and_then(|code| u16::try_from(code).ok()).unwrap_or(500);
        let retry_after = status["details"]["retryAfterSeconds"].as_u64().map(Duration::from_secs);
        Failure::Refused(Refusal { code, status, text: String::new(), retry_after })
    }

    pub fn of_kube(error: &kube::Error) -> Self {
        let (cause, sent) = classify(error);
        Failure::Silent { cause, sent }
    }

    pub fn code(&self) -> Option<u16> {
        match self {
            Failure::Refused(refusal) => Some(refusal.code),
            _ => None,
        }
    }

    pub fn is_unauthorized(&self) -> bool {
        self.code() == Some(401)
    }

    /// Whether the same request may get a good answer soon, and how long to wait before it; only for what changes nothing.
    pub fn worth_another_try(&self, pause: Duration) -> Option<Duration> {
        match self {
            Failure::Refused(refusal) => {
                let busy = matches!(refusal.code, 429 | 502 | 503 | 504) || (refusal.code >= 500 && refusal.retry_after.is_some());
                busy.then(|| refusal.retry_after.unwrap_or(pause).max(pause))
            }
            Failure::Silent { cause: Cause::Dropped(_), .. } => Some(pause),
            _ => None,
        }
    }

    pub fn into_error(self, cluster: &Cluster, subject: &Subject, tries: u32) -> Error {
        let error = match self {
            Failure::Local(error) => error,
            Failure::Refused(refusal) => refusal.into_error(cluster, subject),
            Failure::Silent { cause, .. } => cause.into_error(cluster, subject),
        };
        let error = if tries > 1 { error.fact("tries", tries) } else { error };
        match (error.about(), &subject.target) {
            (None, Some(target)) => error.target(target),
            _ => error,
        }
    }
}

/// `the API server https://... (context "prod")`.
pub(super) fn the_server(cluster: &Cluster) -> String {
    format!("the API server {} (context {:?})", cluster.server(), cluster.context())
}

impl Refusal {
    fn message(&self) -> &str {
        self.status["message"].as_str().unwrap_or_default()
    }

    /// The API server answers 500 where apply meets a field that it does not know (1.36), before it stores anything.
    fn is_bad_apply(&self) -> bool {
        self.code == 500 && self.message().starts_with("failed to create typed patch object")
    }

    /// Whether a write may have been made all the same: of a failure within the server one cannot tell, but webhooks and the
    /// reading of a patch come before anything is stored.
    pub fn leaves_doubt(&self) -> bool {
        self.code >= 500 && self.code != 501 && !self.message().contains("webhook") && !self.is_bad_apply()
    }

    fn into_error(self, cluster: &Cluster, subject: &Subject) -> Error {
        let server = the_server(cluster);
        if self.status.is_null() && !matches!(self.code, 401 | 403 | 404 | 429) {
            let words = if self.text.is_empty() { String::new() } else { format!(": {}", self.text) };
            let name = StatusCode::from_u16(self.code).ok().and_then(|code| code.canonical_reason()).unwrap_or_default();
            let message = format!("cannot {}: {server} answered {} {name}{words}", subject.words, self.code);
            return Error::unreachable(message)
                .hint("this is not an answer of an API server: a proxy or a load balancer may stand in between")
                .fact("code", self.code);
        }
        let message = match self.message() {
            "" if self.text.is_empty() => format!("cannot {}: {server} answered {}", subject.words, self.code),
            "" => format!("cannot {}: {}", subject.words, self.text),
            words => words.to_owned(),
        };
        let error = match self.code {
            401 => {
                let who = cluster.user().map_or_else(String::new, |user| format!(" of user {user:?}"));
                Error::new(ErrorKind::Unauthorized, format!("{server} does not accept the credentials{who}"))
                    .hint("log in again: a token or a certificate may have expired or been revoked")
                    .hint(format!("the user of this context stands in {}", cluster.origin()))
            }
            403 => forbidden(message, subject),
            404 => not_found(message, &self.status, cluster, subject),
            409 => self.conflict(message),
            410 => Error::unreachable(format!("cannot {}: {message}", subject.words)).hint("the cluster changes faster than it can be read: try again"),
            _ if self.is_bad_apply() => self.invalid(message),
            400 | 405 | 406 | 413 | 415 | 422 | 501 => self.invalid(message),
            429 => Error::unreachable(format!("cannot {}: {server} is busy: {message}", subject.words)).hint("try again in a while"),
            _ => Error::unreachable(format!("cannot {}: {server} failed: {message}", subject.words)),
        };
        let error = error.fact("code", self.code);
        match self.status["reason"].as_str() {
            Some(reason) if !reason.is_empty() => error.fact("reason", reason),
            _ => error,
        }
    }

    /// kubectl's words for what the server does not take.
    fn invalid(&self, message: String) -> Error {
        let details = &self.status["details"];
        let causes = self.causes();
        let (kind, name) = (details["kind"].as_str().unwrap_or_default(), details["name"].as_str().unwrap_or_default());
        if self.code != 422 || self.status["reason"] != "Invalid" || details.is_null() {
            return Error::invalid(message).fact("causes", causes);
        }
        let mut words = match (kind, name) {
            ("", "") if causes.is_empty() => format!("the request is invalid: {}", elided(&message)),
            ("", "") => "the request is invalid".to_owned(),
            _ => format!("The {kind} {name:?} is invalid"),
        };
        let mut lines: Vec<String> = Vec::new();
        for cause in &causes {
            let (field, text) = (cause["field"].as_str().unwrap_or_default(), cause["message"].as_str().unwrap_or_default());
            let text = elided(text);
            let line = if field.is_empty() { text } else { format!("{field}: {text}") };
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
        match lines.as_slice() {
            [] => {}
            [line] => words.push_str(&format!(": {line}")),
            _ => words.push_str(&format!(":\n* {}", lines.join("\n* "))),
        }
        Error::invalid(words).fact("causes", causes)
    }

    fn conflict(&self, message: String) -> Error {
        let fields: Vec<Value> = self.causes().into_iter().filter(|cause| cause["reason"] == "FieldManagerConflict").collect();
        if fields.is_empty() {
            let error = Error::conflict(message);
            return match self.status["reason"].as_str() {
                Some("AlreadyExists") => error,
                _ => error.hint("somebody else changed it meanwhile: look at it again, then decide again"),
            };
        }
        let owned = fields.iter().map(|cause| {
            let words = cause["message"].as_str().unwrap_or_default();
            let manager = words.split('"').nth(1).unwrap_or_default();
            json!({ "field": cause["field"], "manager": manager })
        });
        let owned: Vec<Value> = owned.collect();
        Error::conflict(message)
            .hint("`force: true` takes these fields over; leaving them out of what is applied leaves them to their owner")
            .fact("conflicts", owned)
    }

    fn causes(&self) -> Vec<Value> {
        let causes = self.status["details"]["causes"].as_array().map(Vec::as_slice).unwrap_or_default();
        causes.iter().map(|cause| json!({ "field": cause["field"].as_str().unwrap_or_default(), "message": cause["message"].as_str().unwrap_or_default(), "reason": cause["reason"].as_str().unwrap_or_default() })).collect()
    }
}

/// How much of a value that the server quotes is shown, in characters: it may quote a whole object.
const QUOTED: usize = 80;

/// A message of the server with its long quoted values cut.
fn elided(message: &str) -> String {
    let (mut short, mut quoted, mut escaped) = (String::with_capacity(message.len()), None::<usize>, false);
    for letter in message.chars() {
        match (&mut quoted, letter) {
            (None, '"') => quoted = Some(0),
            (None, _) => {}
            (Some(count), '"') if !escaped => {
                if *count > QUOTED {
                    short.push('…');
                }
                quoted = None;
            }
            (Some(count), _) => {
                *count += 1;
                escaped = letter == '\\' && !escaped;
                if *count > QUOTED {
                    continue;
                }
            }
        }
        short.push(letter);
    }
    short
}

fn forbidden(message: String, subject: &Subject) -> Error {
    let anonymous = message.contains("\"system:anonymous\"");
    let by_rbac = message.contains(" cannot ");
    let mut error = Error::forbidden(message);
    if anonymous {
        error = error.hint("no credentials were sent: the context's user has none");
    }
    match &subject.access {
        Some((verb, resource, namespace)) if by_rbac => {
            let (place, role) = match namespace {
                Some(namespace) => (format!(" -n {namespace}"), "Role"),
                None => (" --all-namespaces".to_owned(), "ClusterRole"),
            };
            error.hint(format!("`kubectl auth can-i {verb} {resource}{place}` asks the same; a {role} with the verb {verb:?} on {resource:?} would allow it"))
        }
        _ => error,
    }
}

fn not_found(message: String, status: &Value, cluster: &Cluster, subject: &Subject) -> Error {
    let named = status["details"]["name"].as_str().is_some_and(|name| !name.is_empty());
    if !named {
        let what = subject.access.as_ref().map_or(subject.words.as_str(), |(_, resource, _)| resource.as_str());
        return Error::not_found(format!("{} does not serve {what}: {message}", the_server(cluster)));
    }
    let error = Error::not_found(message);
    match &subject.access {
        Some((_, _, Some(namespace))) => {
            error.hint(format!("looked in namespace {namespace:?} of context {:?}", cluster.context())).fact("namespace", namespace.as_str())
        }
        _ => error.hint(format!("looked in context {:?}", cluster.context())),
    }
}

impl Cause {
    fn into_error(self, cluster: &Cluster, subject: &Subject) -> Error {
        let (server, origin) = (the_server(cluster), cluster.origin());
        let cannot = format!("cannot {}", subject.words);
        let host = cluster.server().split("://").last().unwrap_or_default().split('/').next().unwrap_or_default().to_owned();
        let (kind, message, hints): (ErrorKind, String, Vec<String>) = match self {
            Cause::ConnectionRefused => (
                ErrorKind::Unreachable,
                format!("{cannot}: {server} refused the connection"),
                vec![format!("is the cluster running, and are host and port right? They stand in {origin}")],
            ),
            Cause::UnknownHost => (
                ErrorKind::Unreachable,
                format!("{cannot}: the host of {server} is not known"),
                vec![format!("check the name {host:?} in {origin}, DNS and VPN")],
            ),
            Cause::NoRoute(reason) => {
                (ErrorKind::Unreachable, format!("{cannot}: there is no way to {server}: {reason}"), vec!["check network and VPN".to_owned()])
            }
            Cause::Certificate(reason) => {
                let (what, hint) = certificate_words(&reason, &origin);
                (ErrorKind::Unreachable, format!("{cannot}: the certificate of {server} {what}"), vec![hint])
            }
            Cause::ClientCertificate(reason) => (
                ErrorKind::Unauthorized,
                format!("{server} does not accept the client certificate: {reason}"),
                vec![format!("it may have expired: check the user of this context in {origin}")],
            ),
            Cause::Tls(reason) => (
                ErrorKind::Unreachable,
                format!("{cannot}: no TLS with {server}: {reason}"),
                vec![format!("does something else listen there, or plain HTTP? Check `server` in {origin}")],
            ),
            Cause::Proxy(reason) => (
                ErrorKind::Unreachable,
                format!("{cannot}: the proxy on the way to {server} failed: {reason}"),
                vec!["check HTTPS_PROXY, NO_PROXY and `proxy-url` of the cluster".to_owned()],
            ),
            Cause::TimedOut(limit) => (
                ErrorKind::Unreachable,
                format!("{cannot}: {server} did not answer within {} s", limit.as_secs()),
                vec![format!("check VPN, firewall and the address in {origin}")],
            ),
            Cause::Dropped(reason) => (
                ErrorKind::Unreachable,
                format!("{cannot}: the connection to {server} broke: {reason}"),
                vec!["the API server or something in between may be restarting: try again".to_owned()],
            ),
            Cause::Credentials(reason) => (
                ErrorKind::Unauthorized,
                format!("no credentials for context {:?}: {reason}", cluster.context()),
                vec![format!("check the user of this context in {origin}")],
            ),
            Cause::Garbled(reason) => (
                ErrorKind::Unreachable,
                format!("{cannot}: the answer of {server} cannot be read: {reason}"),
                vec!["is this an API server, or something in between that answers for it?".to_owned()],
            ),
            Cause::Other(reason) => (
                ErrorKind::Unreachable,
                format!("{cannot}: {server} cannot be reached: {reason}"),
                vec![format!("check the cluster of this context in {origin}")],
            ),
        };
        let error = hints.into_iter().fold(Error::new(kind, message), Error::hint);
        error.fact("server", cluster.server()).fact("context", cluster.context())
    }
}

/// What is wrong with a certificate, and what to check, from rustls' reason.
fn certificate_words(reason: &str, origin: &str) -> (String, String) {
    let lower = reason.to_lowercase();
    if lower.contains("not valid yet") || lower.contains("notvalidyet") {
        ("is not valid yet".to_owned(), "check this machine's clock".to_owned())
    } else if lower.contains("expired") {
        ("has expired".to_owned(), "the server needs a new certificate; check this machine's clock too".to_owned())
    } else if lower.contains("unknownissuer") || lower.contains("unknown issuer") || lower.contains("badsignature") || lower.contains("caused by") {
        (
            "is signed by an authority that is not trusted".to_owned(),
            format!("the certificate-authority of this cluster in {origin} must be the one that signed it; or another server answers at this address"),
        )
    } else if lower.contains("not valid for name") || lower.contains("notvalidforname") {
        let names = reason.split_once("only valid for ").map(|(_, names)| format!(", but for {}", names.trim())).unwrap_or_default();
        (format!("is not for this name{names}"), format!("use one of its names in `server`, or name it in `tls-server-name`, in {origin}"))
    } else {
        (format!("is not accepted: {reason}"), format!("check the cluster of this context in {origin}"))
    }
}

/// Walks the chain of an error for its innermost cause, and tells whether the connection was ever made.
fn classify(error: &(dyn StdError + 'static)) -> (Cause, Sent) {
    let mut sent = Sent::Perhaps;
    let mut texts: Vec<String> = Vec::new();
    let mut kinds: Vec<io::ErrorKind> = Vec::new();
    let mut credentials = None;
    let mut next = Some(error);
    while let Some(link) = next {
        if link.downcast_ref::<hyper_util::client::legacy::Error>().is_some_and(hyper_util::client::legacy::Error::is_connect) {
            sent = Sent::No;
        }
        if let Some(problem) = link.downcast_ref::<AuthError>() {
            credentials = Some(match problem {
                AuthError::AuthExecRun { out, .. } => format!("the credential plugin failed ({})", out.status),
                other => other.to_string(),
            });
        }
        if let Some(problem) = link.downcast_ref::<io::Error>() {
            kinds.push(problem.kind());
        }
        texts.push(link.to_string());
        // An io::Error hides the error that it wraps from `source`.
        let wrapped = link.downcast_ref::<io::Error>().and_then(io::Error::get_ref).map(|inner| inner as &(dyn StdError + 'static));
        next = wrapped.or_else(|| link.source());
    }
    if let Some(reason) = credentials {
        return (Cause::Credentials(reason), Sent::No);
    }
    let last = texts.last().cloned().unwrap_or_default();
    let find = |needle: &str| texts.iter().rev().find(|text| text.contains(needle)).cloned();
    let has = |kind: io::ErrorKind| kinds.contains(&kind);
    let cause = if let Some(text) = find("invalid peer certificate") {
        Cause::Certificate(text.rsplit("invalid peer certificate: ").next().unwrap_or(&text).to_owned())
    } else if let Some(text) = find("received fatal alert") {
        let alert = text.rsplit("received fatal alert: ").next().unwrap_or_default().to_owned();
        let ours = alert.to_lowercase().contains("certificate") || alert.contains("UnknownCA") || alert.contains("AccessDenied");
        if ours { Cause::ClientCertificate(alert) } else { Cause::Tls(alert) }
    } else if has(io::ErrorKind::ConnectionRefused) {
        sent = Sent::No;
        Cause::ConnectionRefused
    } else if find("dns error").is_some() || find("failed to lookup address").is_some() {
        Cause::UnknownHost
    } else if let Some(text) = find("tunnel error").or_else(|| find("SOCKS")) {
        Cause::Proxy(if text == last { text } else { format!("{text}: {last}") })
    } else if has(io::ErrorKind::TimedOut) {
        Cause::TimedOut(CONNECT_LIMIT)
    } else if has(io::ErrorKind::HostUnreachable) || has(io::ErrorKind::NetworkUnreachable) {
        Cause::NoRoute(last)
    } else if has(io::ErrorKind::InvalidData) || find("corrupt message").is_some() {
        Cause::Tls(last)
    } else if [io::ErrorKind::ConnectionReset, io::ErrorKind::ConnectionAborted, io::ErrorKind::BrokenPipe, io::ErrorKind::UnexpectedEof].into_iter().any(has)
        || find("connection closed before message completed").is_some()
        || find("error reading a body from connection").is_some()
        || find("connection error").is_some()
    {
        Cause::Dropped(last)
    } else {
        Cause::Other(last)
    };
    (cause, sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(kind: io::ErrorKind, text: &str) -> Cause {
        classify(&kube::Error::Service(Box::new(io::Error::new(kind, text.to_owned())))).0
    }

    #[test]
    fn the_innermost_cause_is_found() {
        assert_eq!(chain(io::ErrorKind::ConnectionRefused, "x"), Cause::ConnectionRefused);
        assert_eq!(chain(io::ErrorKind::Other, "dns error: nope"), Cause::UnknownHost);
        assert_eq!(chain(io::ErrorKind::InvalidData, "invalid peer certificate: UnknownIssuer"), Cause::Certificate("UnknownIssuer".into()));
        assert_eq!(chain(io::ErrorKind::InvalidData, "received fatal alert: CertificateExpired"), Cause::ClientCertificate("CertificateExpired".into()));
        assert_eq!(chain(io::ErrorKind::ConnectionReset, "reset by peer"), Cause::Dropped("reset by peer".into()));
        assert_eq!(chain(io::ErrorKind::TimedOut, "deadline"), Cause::TimedOut(CONNECT_LIMIT));
    }

    #[test]
    fn a_certificate_that_is_refused_says_what_to_check() {
        for (reason, words) in [
            ("certificate expired: verification time 1 (UNIX), but certificate is not valid after 0", "has expired"),
            ("certificate not valid yet: verification time 0", "not valid yet"),
            ("UnknownIssuer", "not trusted"),
            ("certificate not valid for name \"a\"; certificate is only valid for DnsName(\"b\")", "but for DnsName(\"b\")"),
            ("Revoked", "is not accepted: Revoked"),
        ] {
            let (what, hint) = certificate_words(reason, "FILE");
            assert!(what.contains(words), "{what}");
            assert!(!hint.is_empty());
        }
    }

    #[test]
    fn a_quoted_object_does_not_bury_what_is_wrong_with_it() {
        let object = r#"{\"spec\":{\"replicas\":\"x\"}}"#.repeat(50);
        let said = format!("patch: Invalid value: \"{object}\": json: cannot unmarshal string into \"int32\"");
        let told = elided(&said);
        assert!(told.starts_with(r#"patch: Invalid value: "{\"spec\":{\"replicas\""#), "{told}");
        assert!(told.ends_with("…\": json: cannot unmarshal string into \"int32\"") && told.chars().count() < 200, "{told}");
        assert_eq!(elided("short \"as\" it \"is"), "short \"as\" it \"is");
    }
}
