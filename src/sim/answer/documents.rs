//! Answers that clients keep: under an `ETag`, and for good where the URL carries the hash of what it leads to.
//!
//! # Source
//! kube-openapi `pkg/handler3/handler.go`, apiserver 0.36.3 `pkg/endpoints/discovery/aggregated/etag.go`.

use bytes::Bytes;
use http::{StatusCode, header};
use sha2::Digest;

use super::super::failure::{Failure, Result};
use super::super::negotiate;
use super::super::openapi::Document;
use super::super::token::ISSUER;
use super::{Answer, Asked};
use crate::sim::json::json;

fn has(asked: &Asked, tag: &str) -> bool {
    asked.if_none_match.split(',').map(str::trim).any(|it| it == "*" || it.trim_start_matches("W/") == tag)
}

/// An answer under a tag, or the word that the client has it already.
fn tagged(asked: &Asked, content_type: &'static str, tag: String, bytes: Bytes, mut headers: Vec<(header::HeaderName, String)>) -> Answer {
    let (code, bytes) = if has(asked, &tag) { (StatusCode::NOT_MODIFIED, Bytes::new()) } else { (StatusCode::OK, bytes) };
    headers.push((header::VARY, "Accept".to_owned()));
    headers.push((header::ETAG, tag));
    Answer::Document { code, content_type, bytes, headers }
}

/// Aggregated discovery.
pub fn aggregated(asked: &Asked, bytes: Bytes) -> Answer {
    let digest: String = sha2::Sha512::digest(&bytes).iter().map(|it| format!("{it:02X}")).collect();
    tagged(asked, negotiate::AGGREGATED, format!("\"{digest}\""), bytes, vec![(header::CACHE_CONTROL, "public".to_owned())])
}

/// An OpenAPI document; under another hash than its own, the way to it.
pub fn openapi(asked: &Asked, document: &Document, content_type: &'static str) -> Answer {
    let tag = format!("\"{}\"", document.hash);
    let wanted = asked.query.text("hash").unwrap_or_default();
    if wanted.is_empty() || asked.path == "/openapi/v2" {
        return tagged(asked, content_type, tag, document.bytes.clone(), Vec::new());
    }
    if wanted != document.hash {
        let place = format!("{}?hash={}", asked.path, document.hash);
        let headers = vec![(header::LOCATION, place), (header::ETAG, tag), (header::VARY, "Accept".to_owned())];
        return Answer::Document { code: StatusCode::MOVED_PERMANENTLY, content_type: "application/json", bytes: Bytes::new(), headers };
    }
    let forever = vec![(header::CACHE_CONTROL, "public, immutable".to_owned())];
    tagged(asked, content_type, tag, document.bytes.clone(), forever)
}

/// A document that there is in one form only.
///
/// # Errors
/// `NotAcceptable`.
pub fn only(asked: &Asked, content_type: &'static str, text: String) -> Result<Answer> {
    if asked.accept.is_empty() || negotiate::takes(&asked.accept, content_type) {
        return Ok(Answer::Bytes { code: StatusCode::OK, content_type, bytes: text.into() });
    }
    Err(Failure::not_acceptable(format!("406: Not Acceptable\n\nAvailable representations: {content_type}")))
}

/// Who issues tokens, for those who check them.
pub fn issuer(host: &str) -> String {
    json!({
        "issuer": ISSUER, "jwks_uri": format!("https://{host}/openid/v1/jwks"), "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
    .to_string()
}

/// No keys: the tokens are known to this server, and nobody else can check them.
pub fn keys() -> String {
    json!({ "keys": [] }).to_string()
}
