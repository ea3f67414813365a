//! Headers and packing, against what a real 1.36 server was seen to send.

use std::io::Read;

use http_body_util::{BodyExt, Full};
use tower::ServiceExt;

use crate::sim::json::{Value, json};
use crate::sim::trial::Trial;

/// The headers of an answer, and its bytes.
fn get(trial: &Trial, method: &str, path: &str, takes: &str) -> (u16, http::HeaderMap, Vec<u8>) {
    let request = http::Request::builder().method(method).uri(path).header("accept-encoding", takes);
    let request = request.body(Full::new(bytes::Bytes::new())).expect("a request");
    trial.runtime.block_on(async {
        let (head, body) = trial.sim.service().oneshot(request).await.expect("never fails").into_parts();
        (head.status.as_u16(), head.headers, body.collect().await.expect("never fails").to_bytes().to_vec())
    })
}

fn all<'a>(headers: &'a http::HeaderMap, name: &str) -> Vec<&'a str> {
    headers.get_all(name).iter().filter_map(|it| it.to_str().ok()).collect()
}

#[test]
fn large_objects_are_packed_for_clients_that_take_them_so() {
    let trial = Trial::new();
    let maps = "/api/v1/namespaces/default/configmaps";
    for (name, size) in [("large", 131_072), ("small", 100_000)] {
        trial.good("POST", maps, json!({ "metadata": { "name": name }, "data": { "text": "x".repeat(size) } }));
    }
    for (path, takes, packed) in [
        (format!("{maps}/large"), "gzip", true),
        (format!("{maps}/large"), "deflate, gzip", true),
        (format!("{maps}/large"), "", false),
        // As the real server, which does not know qualities.
        (format!("{maps}/large"), "gzip;q=1.0", false),
        (format!("{maps}/small"), "gzip", false),
        (maps.to_owned(), "gzip", true),
        ("/openapi/v3/api/v1".to_owned(), "gzip", false),
    ] {
        let (_, headers, bytes) = get(&trial, "GET", &path, takes);
        assert_eq!(all(&headers, "content-encoding"), if packed { vec!["gzip"] } else { vec![] }, "{path} {takes}");
        assert_eq!(all(&headers, "vary").contains(&"Accept-Encoding"), packed, "{path} {takes}");
        if packed {
            let mut text = String::new();
            flate2::read::GzDecoder::new(bytes.as_slice()).read_to_string(&mut text).expect("gzip");
            assert_eq!(text.as_bytes(), get(&trial, "GET", &path, "").2, "{path}");
        }
    }
    let (_, headers, _) = get(&trial, "GET", "/openapi/v2", "gzip");
    assert_eq!((all(&headers, "content-encoding"), all(&headers, "vary")), (vec!["gzip"], vec!["Accept", "Accept-Encoding"]));
}

#[test]
fn answers_have_the_headers_of_the_real_ones() {
    let trial = Trial::new();
    let (code, headers, _) = get(&trial, "GET", "/healthz", "gzip");
    assert_eq!((code, all(&headers, "x-content-type-options")), (200, vec!["nosniff"]));
    let ids: Vec<String> = (0..2).map(|_| get(&trial, "GET", "/version", "").1["audit-id"].to_str().expect("text").to_owned()).collect();
    assert!(ids[0] != ids[1] && ids[0].len() == 36);
    for (path, code) in [("/api/v1/namespaces", 405), ("/api/v1/namespaces/default", 405), ("/version", 405), ("/api/v1", 405), ("/healthz", 200)] {
        assert_eq!(get(&trial, "HEAD", path, "").0, code, "{path}");
    }
    assert_eq!(trial.good("GET", "/api/v1/namespaces/default", Value::Null)["kind"], "Namespace");
}
