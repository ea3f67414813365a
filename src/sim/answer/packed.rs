//! Large answers, packed with gzip for clients that take them so.
//!
//! Not here: watches and logs, which the real server does not pack either; in one process it is the client's choice as well.
//!
//! # Source
//! apiserver 0.36.3 `pkg/endpoints/handlers/responsewriters/writers.go` (`APIResponseCompression`).

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, header};

use super::super::body::Body;
use super::Asked;

/// Objects and lists of this size go as they are.
const MOST_UNPACKED: usize = 128 * 1024;

/// The only document that is packed, whatever its size.
const DOCUMENT: &str = "/openapi/v2";

/// Whether a client takes gzip. With a quality it is not understood: the real server does not look for one.
pub fn takes_gzip(headers: &HeaderMap) -> bool {
    let first = headers.get(header::ACCEPT_ENCODING).and_then(|it| it.to_str().ok()).unwrap_or_default();
    first.split(',').any(|it| it.trim() == "gzip")
}

/// The answer, packed if it is worth it and its client takes it so.
pub fn packed(response: http::Response<Body>, asked: &Asked) -> http::Response<Body> {
    let document = asked.path == DOCUMENT;
    let (mut head, body) = response.into_parts();
    if document {
        head.headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    let object = head.headers.get(header::CONTENT_TYPE).is_some_and(|it| it == "application/json" || it == "application/yaml");
    let wanted = asked.takes_gzip && (document || (object && !asked.path.starts_with("/openapi/")));
    let least = if document { 0 } else { MOST_UNPACKED };
    let Some(packed) = body.bytes().filter(|it| wanted && it.len() > least).and_then(gzip) else { return http::Response::from_parts(head, body) };
    head.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    if !document {
        head.headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
    http::Response::from_parts(head, Body::whole(packed))
}

/// At the least effort, as the real server does it.
fn gzip(bytes: &Bytes) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 8), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).ok().map(Bytes::from)
}
