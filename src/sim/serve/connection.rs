//! One connection: who is at its other end, its requests one after the other or side by side, and its end when nothing moves.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use http::{Request, Response, header};
use http_body_util::Full;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::Service as _;

use super::super::answer;
use super::super::failure::Failure;
use super::super::identity::{CREDENTIAL, Identity};
use super::super::server::{Body, Cut, Service};
use super::limits::{Activity, InFlight, Limits, Outstanding, PATIENCE, Place};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long the head of a request may take, as in the real server.
const HEAD: Duration = Duration::from_secs(32);
/// How long a request may take, body and answer; `--request-timeout` of the real server.
const REQUEST: Duration = Duration::from_secs(60);
/// The largest head of a request.
const HEAD_MOST: usize = 128 * 1024;
const HEADERS_MOST: usize = 256;
/// Streams of one HTTP/2 connection, as in the real server.
const STREAMS_MOST: u32 = 100;
/// How often a connection is looked after.
const LOOK: Duration = Duration::from_secs(5);
/// A piece of an answer; the next one is handed out when this one is on its way.
const PIECE: usize = 64 * 1024;
/// How a TLS connection begins: a handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// Whom the server knows at the other end.
pub struct Known {
    certificates: BTreeMap<Vec<u8>, Identity>,
    others: Identity,
}

impl Known {
    /// Whoever comes is the administrator.
    pub fn everybody() -> Self {
        Self { certificates: BTreeMap::new(), others: Identity::administrator() }
    }

    /// Whoever shows one of these certificates; others are anonymous until they show a token.
    pub fn by_certificate(certificates: impl IntoIterator<Item = (Vec<u8>, Identity)>) -> Self {
        let with_credential = |(der, identity): (Vec<u8>, Identity)| {
            let digest: String = Sha256::digest(&der).iter().map(|byte| format!("{byte:02x}")).collect();
            (der, Identity { extra: [(CREDENTIAL.to_owned(), vec![format!("X509SHA256={digest}")])].into(), ..identity })
        };
        Self { certificates: certificates.into_iter().map(with_credential).collect(), others: Identity::anonymous() }
    }

    /// Who shows this certificate, and whether that settles it: a token counts only where no certificate does.
    fn who(&self, certificate: Option<&[u8]>) -> (Identity, bool) {
        match certificate.and_then(|it| self.certificates.get(it)) {
            Some(identity) => (identity.clone(), true),
            None => (self.others.clone(), false),
        }
    }
}

/// What serving one connection needs.
pub struct Peer {
    pub tls: Option<TlsAcceptor>,
    pub known: Arc<Known>,
    pub service: Service,
    pub limits: Arc<Limits>,
}

impl Peer {
    /// Serves a connection to its end.
    pub async fn serve(self, socket: TcpStream, place: Place, ending: CancellationToken) {
        // Small answers must not wait for the other side's acknowledgement.
        let _ = socket.set_nodelay(true);
        let Some(tls) = self.tls.clone() else {
            let identity = self.known.who(None);
            return self.requests(socket, identity, place, ending).await;
        };
        let shaken = tokio::select! {
            shaken = tokio::time::timeout(HANDSHAKE, shake(&tls, socket)) => shaken,
            () = place.activity.leave.notified() => return,
        };
        let Ok(Some(stream)) = shaken else { return };
        let certificate = stream.get_ref().1.peer_certificates().and_then(|it| it.first()).map(|it| it.as_ref().to_vec());
        let identity = self.known.who(certificate.as_deref());
        self.requests(stream, identity, place, ending).await;
    }

    async fn requests<I>(self, stream: I, (identity, settled): (Identity, bool), place: Place, ending: CancellationToken)
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Arc::clone(&place.activity);
        let (service, limits) = (self.service, self.limits);
        let on_request = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(identity.clone());
            if settled {
                request.headers_mut().remove(header::AUTHORIZATION);
            }
            let (service, limits, activity) = (service.clone(), Arc::clone(&limits), Arc::clone(&activity));
            async move { answer(service, limits, &activity, request).await }
        });
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD).max_buf_size(HEAD_MOST).max_headers(HEADERS_MOST).half_close(true);
        let http2 = &mut builder.http2();
        http2.timer(TokioTimer::new()).max_concurrent_streams(STREAMS_MOST).max_header_list_size(HEAD_MOST as u32);
        http2.keep_alive_interval(Duration::from_secs(30)).keep_alive_timeout(Duration::from_secs(20)).max_send_buf_size(4 * PIECE);
        let connection = builder.serve_connection(TokioIo::new(stream), on_request);
        tokio::pin!(connection);
        let mut look = tokio::time::interval(LOOK);
        let mut leaving = false;
        loop {
            tokio::select! {
                _ = connection.as_mut() => return,
                () = place.activity.leave.notified() => return,
                () = ending.cancelled(), if !leaving => {
                    connection.as_mut().graceful_shutdown();
                    leaving = true;
                }
                _ = look.tick() => {
                    if place.activity.is_stale(&PATIENCE) {
                        return;
                    }
                }
            }
        }
    }
}

/// The TLS handshake; whoever speaks HTTP is told so, as Go's server does.
async fn shake(tls: &TlsAcceptor, mut socket: TcpStream) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    let mut first = [0_u8; 1];
    match socket.peek(&mut first).await {
        Ok(1) if first[0] == TLS_HANDSHAKE => tls.accept(socket).await.ok(),
        Ok(1) if first[0].is_ascii_uppercase() => {
            let _ = socket.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n").await;
            let _ = socket.shutdown().await;
            None
        }
        _ => None,
    }
}

async fn answer(service: Service, limits: Arc<Limits>, activity: &Arc<Activity>, request: Request<Incoming>) -> Result<Response<Served>, Cut> {
    let mut in_flight = activity.begin();
    let admitted = limits.admit();
    let response = match &admitted {
        Ok(_) => {
            let timed = tokio::time::timeout(REQUEST, call(service, &limits, request));
            match AssertUnwindSafe(timed).catch_unwind().await {
                // A fault ends the connection.
                Ok(Ok(Err(cut))) => return Err(cut),
                Ok(Ok(Ok(response))) => response,
                Ok(Err(_)) => answer::failed(&Failure::new(
                    504,
                    "Timeout",
                    format!("Timeout: request did not complete within requested timeout - {}s", REQUEST.as_secs()),
                )),
                Err(_) => answer::failed(&Failure::internal("this request caused the simulated API server to panic")),
            }
        }
        Err(failure) => answer::failed(failure),
    };
    drop(admitted);
    let size = http_body::Body::size_hint(response.body()).exact();
    if size.is_some() {
        in_flight.answered();
    }
    let outstanding = limits.answer(size.map_or(0, |it| usize::try_from(it).unwrap_or(usize::MAX)));
    Ok(response.map(|body| Served { body, rest: Bytes::new(), in_flight, _outstanding: outstanding }))
}

async fn call(mut service: Service, limits: &Limits, request: Request<Incoming>) -> Result<Response<Body>, Cut> {
    let (head, body) = request.into_parts();
    if !has_valid_escapes(head.uri.path()) {
        return Ok(answer::refused("400 Bad Request"));
    }
    if head.version == http::Version::HTTP_11 && !head.headers.contains_key(header::HOST) {
        return Ok(answer::refused("400 Bad Request: missing required Host header"));
    }
    let body = match limits.read(body).await {
        Ok(body) => body,
        Err(failure) => {
            let mut response = answer::failed(&failure);
            // The rest of the body is not read.
            if head.version < http::Version::HTTP_2 {
                response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
                if failure.code() == 413 {
                    // The code has two names, and Go has the older one.
                    response.extensions_mut().insert(hyper::ext::ReasonPhrase::from_static(b"Request Entity Too Large"));
                }
            }
            return Ok(response);
        }
    };
    service.call(Request::from_parts(head, Full::new(body))).await
}

/// Whether each percent sign is followed by two hexadecimal digits.
fn has_valid_escapes(path: &str) -> bool {
    path.split('%').skip(1).all(|rest| rest.len() >= 2 && rest.bytes().take(2).all(|it| it.is_ascii_hexdigit()))
}

/// An answer on its way, in pieces.
struct Served {
    body: Body,
    rest: Bytes,
    in_flight: InFlight,
    _outstanding: Outstanding,
}

impl http_body::Body for Served {
    type Data = Bytes;
    type Error = <Body as http_body::Body>::Error;

    fn poll_frame(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.rest.is_empty() {
            match Pin::new(&mut self.body).poll_frame(ctx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => self.rest = bytes,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                other => return other,
            }
        }
        self.in_flight.touch();
        let piece = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.body.size_hint();
        let rest = self.rest.len() as u64;
        if rest > 0 {
            match hint.exact() {
                Some(exact) => hint = SizeHint::with_exact(exact + rest),
                None => hint.set_lower(hint.lower() + rest),
            }
        }
        hint
    }
}
