//! One HTTP exchange, redirects included, in real time even where the session's time is virtual.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use ::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use base64::Engine as _;
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};
use crate::proxy::proxy_for;

/// How large an answer may be, 16 MiB: it becomes a string of a script.
pub const SIZE_LIMIT: usize = 16 << 20;

/// How many redirects are followed, as most clients do.
const REDIRECTS: usize = 10;

/// Says whether this URL may be asked; called again for every redirect.
pub type Permit = Arc<dyn Fn(&Uri) -> Result<()> + Send + Sync>;

/// What to ask.
#[derive(Clone)]
pub struct Request {
    pub method: String,
    pub url: String,
    pub headers: BTreeMap<String, String>,
    pub body: Option<Vec<u8>>,
    /// For the whole exchange.
    pub timeout: Duration,
    pub follow_redirects: bool,
    /// Takes any certificate.
    pub insecure: bool,
    pub permit: Permit,
}

impl Request {
    /// A `GET` within 10 s that follows redirects.
    pub fn get(url: impl Into<String>) -> Self {
        let permit: Permit = Arc::new(|_| Ok(()));
        Self {
            method: "GET".into(),
            url: url.into(),
            headers: BTreeMap::new(),
            body: None,
            timeout: Duration::from_secs(10),
            follow_redirects: true,
            insecure: false,
            permit,
        }
    }

    /// A `POST` of this body.
    pub fn post(url: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { method: "POST".into(), body: Some(body.into()), ..Self::get(url) }
    }
}

/// What came back, whatever its status.
///
/// # Shape
/// `#{status, body, json, headers, elapsed_s}`; header names in lower case, `json` is `()` when the body is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
    pub json: Value,
    pub headers: BTreeMap<String, String>,
    pub elapsed_s: f64,
}

impl Answer {
    pub fn to_value(&self) -> Value {
        json!({ "status": self.status, "body": self.body, "json": self.json, "headers": self.headers, "elapsed_s": self.elapsed_s })
    }
}

/// Sends a request and waits for the whole answer. Dropping the future ends it.
///
/// # Errors
/// `usage` for what is no URL, method or header; `unreachable` when no answer comes in time; `invalid` when it is too large;
/// whatever the permit says. A status of 400 and above is an answer.
///
/// # Limits
/// HTTP/1.1. TLS by the system's trust store. `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` count; `http` URLs go through a proxy by
/// `CONNECT` too.
pub async fn http(request: Request) -> Result<Answer> {
    let url = request.url.clone();
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let _end = stop.drop_guard();
    // A socket is idleness to a paused clock, which would jump ahead; a blocking task holds it, and a runtime of its own has real time.
    let work = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let result = runtime.block_on(async {
            tokio::select! {
                () = stopped.cancelled() => None,
                result = within(request) => Some(result),
            }
        });
        // Not waiting for a look-up of a name that nobody wants any more.
        runtime.shutdown_background();
        Ok::<_, io::Error>(result)
    });
    match work.await {
        Ok(Ok(Some(result))) => result,
        Ok(Ok(None)) => Err(Error::interrupted(format!("the request to {url} was given up"))),
        Ok(Err(error)) => Err(Error::unreachable(format!("cannot ask {url}: {error}"))),
        Err(error) => Err(Error::unreachable(format!("cannot ask {url}: {error}"))),
    }
}

async fn within(request: Request) -> Result<Answer> {
    let (limit, url) = (request.timeout, request.url.clone());
    match timeout(limit, follow(request)).await {
        Ok(result) => result,
        Err(_) => Err(Error::unreachable(format!("{url} did not answer within {} s", limit.as_secs_f64()))
            .hint("give it more time with the option `timeout`")
            .fact("url", url)),
    }
}

async fn follow(mut request: Request) -> Result<Answer> {
    let start = Instant::now();
    let mut uri = parse(&request.url)?;
    for _ in 0..=REDIRECTS {
        (request.permit)(&uri)?;
        let (status, headers, body) = exchange(&request, &uri).await?;
        let target = headers.get("location").filter(|_| request.follow_redirects && matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308));
        let Some(target) = target else {
            let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let body = String::from_utf8_lossy(&body).into_owned();
            return Ok(Answer { status: status.as_u16(), body, json, headers, elapsed_s: start.elapsed().as_secs_f64() });
        };
        let next = resolve(&uri, target)?;
        if next.authority() != uri.authority() || next.scheme() != uri.scheme() {
            // Credentials were meant for the first server only.
            request.headers.retain(|name, _| !["authorization", "cookie", "proxy-authorization"].contains(&name.to_lowercase().as_str()));
        }
        let keeps = matches!(status.as_u16(), 307 | 308) || matches!(request.method.as_str(), "GET" | "HEAD");
        if !keeps {
            request.method = "GET".into();
            request.body = None;
            request.headers.retain(|name, _| !name.to_lowercase().starts_with("content-"));
        }
        uri = next;
    }
    Err(Error::unreachable(format!("{} redirects more than {REDIRECTS} times", request.url)).fact("url", request.url))
}

async fn exchange(request: &Request, uri: &Uri) -> Result<(StatusCode, BTreeMap<String, String>, Vec<u8>)> {
    let wrong = |what: String| Error::usage(format!("cannot ask {}: {what}", request.url));
    let method = Method::from_bytes(request.method.to_uppercase().as_bytes()).map_err(|_| wrong(format!("{:?} is no method", request.method)))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let mut builder = ::http::Request::builder()
        .method(method)
        .uri(path)
        .header(header::USER_AGENT, concat!("rollsh/", env!("CARGO_PKG_VERSION")))
        .header(header::ACCEPT, "*/*");
    let headers = builder.headers_mut().ok_or_else(|| wrong("its path is none".to_owned()))?;
    if let Some((credentials, _)) = uri.authority().and_then(|authority| authority.as_str().rsplit_once('@')) {
        let value = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(credentials));
        headers.insert(header::AUTHORIZATION, HeaderValue::try_from(value).map_err(|_| wrong("its credentials are no header".to_owned()))?);
    }
    if let Some(body) = &request.body {
        let kind = if serde_json::from_slice::<Value>(body).is_ok() { "application/json" } else { "text/plain; charset=utf-8" };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    for (name, value) in &request.headers {
        let name = HeaderName::try_from(name.as_str()).map_err(|_| wrong(format!("{name:?} is no header")))?;
        let value = HeaderValue::try_from(value.as_str()).map_err(|_| wrong(format!("the header {name:?} has a value with control characters")))?;
        headers.insert(name, value);
    }
    let built = builder.body(Body::from(request.body.clone().unwrap_or_default())).map_err(|error| wrong(error.to_string()))?;
    let failed = |error: &(dyn std::error::Error + 'static)| {
        let (what, hint) = reason(error);
        let told = Error::unreachable(format!("cannot reach {}: {what}", without_credentials(uri))).fact("url", request.url.clone());
        hint.into_iter().fold(told, Error::hint)
    };
    let response = client(uri, request.insecure)?.send(built).await.map_err(|error| failed(&error))?;
    let (head, mut body) = response.into_parts();
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|error| failed(&error))?.into_data() {
            if all.len() + data.len() > SIZE_LIMIT {
                return Err(Error::invalid(format!("the answer of {} is larger than {} MiB", without_credentials(uri), SIZE_LIMIT >> 20)));
            }
            all.extend_from_slice(&data);
        }
    }
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        found.entry(name.to_string()).and_modify(|all| all.push_str(&format!(", {value}"))).or_insert(value);
    }
    Ok((head.status, found, all))
}

/// kube's client without anything of Kubernetes in it: TLS by the system's store and proxies are in the tree with it already.
fn client(uri: &Uri, insecure: bool) -> Result<kube::Client> {
    let (scheme, authority) = (uri.scheme_str().unwrap_or("http"), uri.authority().map_or("", |authority| authority.as_str()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let base: Uri = format!("{scheme}://{host}").parse().map_err(|_| Error::usage(format!("{host:?} is no host")))?;
    let proxy = proxy_for(&base, |name| std::env::var(name).ok());
    let mut config = kube::Config::new(base);
    config.accept_invalid_certs = insecure;
    config.default_retry = false;
    config.connect_timeout = None;
    if let Some(proxy) = proxy {
        config.proxy_url = Some(proxy.parse().map_err(|_| Error::usage(format!("the proxy {proxy:?} is no URL")).hint("check HTTPS_PROXY and HTTP_PROXY"))?);
    }
    kube::Client::try_from(config).map_err(|error| Error::unreachable(format!("cannot ask {uri}: {error}")))
}

fn parse(url: &str) -> Result<Uri> {
    let wrong = || Error::usage(format!("{url:?} is no URL")).hint("write http://HOST/PATH or https://HOST/PATH, with blanks as %20");
    let uri: Uri = url.split('#').next().unwrap_or_default().parse().map_err(|_| wrong())?;
    let fits = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty());
    if fits { Ok(uri) } else { Err(wrong()) }
}

/// Where a redirect leads.
fn resolve(from: &Uri, target: &str) -> Result<Uri> {
    let (scheme, authority) = (from.scheme_str().unwrap_or("http"), from.authority().map_or("", |authority| authority.as_str()));
    let path = from.path();
    let full = if target.contains("://") {
        target.to_owned()
    } else if target.starts_with("//") {
        format!("{scheme}:{target}")
    } else if target.starts_with('/') {
        format!("{scheme}://{authority}{target}")
    } else if target.starts_with('?') {
        format!("{scheme}://{authority}{path}{target}")
    } else {
        format!("{scheme}://{authority}{}/{target}", path.rsplit_once('/').map_or("", |(directory, _)| directory))
    };
    parse(&full)
}

fn without_credentials(uri: &Uri) -> String {
    let text = uri.to_string();
    match uri.authority().and_then(|authority| authority.as_str().rsplit_once('@')) {
        Some((credentials, _)) => text.replacen(&format!("{credentials}@"), "", 1),
        None => text,
    }
}

/// The innermost cause in plain words, and what to check.
fn reason(error: &(dyn std::error::Error + 'static)) -> (String, Option<&'static str>) {
    let (mut text, mut kinds, mut next) = (String::new(), Vec::new(), Some(error));
    let mut certificate = None;
    while let Some(link) = next {
        text = link.to_string();
        if let Some((_, what)) = text.split_once("invalid peer certificate: ") {
            certificate = Some(what.to_owned());
        }
        let io = link.downcast_ref::<io::Error>();
        kinds.extend(io.map(io::Error::kind));
        let wrapped = io.and_then(io::Error::get_ref).map(|inner| inner as &(dyn std::error::Error + 'static));
        next = wrapped.or_else(|| link.source());
    }
    if let Some(what) = certificate {
        return (format!("its certificate is not accepted: {what}"), Some("`insecure: true` takes any certificate"));
    }
    match kinds.last() {
        Some(io::ErrorKind::ConnectionRefused) => ("the connection was refused".to_owned(), Some("does something listen on this host and port?")),
        _ if text.contains("failed to lookup address") => ("the host is not known".to_owned(), Some("check the name, DNS and VPN")),
        _ => (text, None),
    }
}
