//! Real exchanges with a small server on loopback, in virtual time too.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::error::{Error, ErrorKind};

/// A server that gives each request the next of these answers, as they stand, and keeps what it was asked.
struct Server {
    address: String,
    seen: Arc<Mutex<Vec<String>>>,
}

fn server(answers: &[&str]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let answers: Vec<String> = answers.iter().map(|answer| answer.replace("SELF", &address)).collect();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = seen.clone();
    std::thread::spawn(move || {
        for answer in answers {
            let Ok((mut stream, _)) = listener.accept() else { return };
            let mut request = Vec::new();
            let mut byte = [0_u8; 1024];
            while !whole(&request) {
                match stream.read(&mut byte) {
                    Ok(0) | Err(_) => break,
                    Ok(count) => request.extend_from_slice(&byte[..count]),
                }
            }
            kept.lock().expect("no panic").push(String::from_utf8_lossy(&request).into_owned());
            if answer.is_empty() {
                // Holds the connection and says nothing, until the client gives up.
                let _ = stream.read(&mut byte);
                continue;
            }
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    Server { address, seen }
}

fn whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    body.len() >= length
}

fn reply(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n{body}", body.len())
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_told_whole_and_virtual_time_stands_still() {
    let server = server(&[&reply("503 Service Unavailable", "x-a: 1\r\nx-a: 2\r\n", "{\"ready\": false}")]);
    let before = tokio::time::Instant::now();
    let mut request = Request::get(format!("{}/healthz?full=1#part", server.address));
    request.headers.insert("X-Key".into(), "k".into());
    let answer = http(request).await.expect("an answer");
    assert_eq!((answer.status, answer.body.as_str(), &answer.json["ready"]), (503, "{\"ready\": false}", &serde_json::json!(false)));
    assert_eq!(answer.headers["x-a"], "1, 2");
    assert!(before.elapsed() < Duration::from_millis(1), "{:?}", before.elapsed());
    let seen = server.seen.lock().expect("no panic")[0].to_lowercase();
    assert!(seen.starts_with("get /healthz?full=1 http/1.1\r\n"), "{seen}");
    assert!(seen.contains("user-agent: rollsh/") && seen.contains("x-key: k"), "{seen}");
}

#[tokio::test]
async fn a_body_is_sent_with_its_kind() {
    let server = server(&[&reply("200 OK", "", ""), &reply("200 OK", "", "")]);
    http(Request::post(server.address.clone(), "{\"a\": 1}")).await.expect("an answer");
    http(Request::post(server.address.replace("http://", "http://ann:pw@"), "plain")).await.expect("an answer");
    let seen = server.seen.lock().expect("no panic");
    assert!(seen[0].starts_with("POST / HTTP/1.1") && seen[0].contains("application/json") && seen[0].ends_with("{\"a\": 1}"), "{}", seen[0]);
    assert!(seen[1].contains("text/plain") && seen[1].to_lowercase().contains("authorization: basic yw5uonb3"), "{}", seen[1]);
}

#[tokio::test]
async fn redirects_are_followed_as_far_as_the_permit_goes() {
    let away = reply("302 Found", "location: /there\r\n", "");
    let server = server(&[&away, &reply("200 OK", "", "here"), &away, &reply("307 Temporary Redirect", "location: http://elsewhere.example/\r\n", "")]);
    let answer = http(Request::post(server.address.clone(), "x")).await.expect("an answer");
    assert_eq!(answer.body, "here");
    assert!(server.seen.lock().expect("no panic")[1].starts_with("GET /there "));
    let mut stay = Request::get(server.address.clone());
    stay.follow_redirects = false;
    assert_eq!(http(stay).await.expect("an answer").status, 302);
    let mut bound = Request::get(server.address.clone());
    bound.permit = Arc::new(|uri| if uri.host() == Some("127.0.0.1") { Ok(()) } else { Err(Error::denied("not there")) });
    assert_eq!(http(bound).await.expect_err("elsewhere").kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn what_does_not_answer_is_unreachable() {
    let silent = server(&[""]);
    let mut request = Request::get(silent.address.clone());
    request.timeout = Duration::from_millis(200);
    let error = http(request).await.expect_err("silence");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.message().ends_with("did not answer within 0.2 s"), "{error}");
    let error = http(Request::get("http://127.0.0.1:1/")).await.expect_err("refused");
    assert_eq!((error.kind(), error.message()), (ErrorKind::Unreachable, "cannot reach http://127.0.0.1:1/: the connection was refused"));
    for bad in ["", "host/path", "ftp://host/", "http://", "http://a b/"] {
        assert_eq!(http(Request::get(bad)).await.expect_err(bad).kind(), ErrorKind::Usage, "{bad}");
    }
}

#[tokio::test]
async fn giving_up_ends_the_exchange_at_once() {
    let silent = server(&[""]);
    let before = tokio::time::Instant::now();
    let given_up = tokio::time::timeout(Duration::from_millis(100), http(Request::get(silent.address.clone()))).await;
    assert!(given_up.is_err());
    assert!(before.elapsed() < Duration::from_secs(2), "{:?}", before.elapsed());
}

#[tokio::test]
async fn prometheus_is_asked_by_a_form() {
    let body = "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"42\"]}}";
    let refusal = "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error: unexpected end of input\"}";
    let server = server(&[&reply("200 OK", "", body), &reply("400 Bad Request", "", refusal)]);
    let ask = |query: &str| prometheus(Query { query: query.into(), request: Request::get(format!("{}/", server.address)) });
    assert_eq!(ask("scalar(up)").await.expect("a number"), Reading::Number(42.0));
    let error = ask("sum(").await.expect_err("no query");
    assert_eq!((error.kind(), error.message()), (ErrorKind::Invalid, "prometheus refuses the query: parse error: unexpected end of input"));
    let seen = server.seen.lock().expect("no panic");
    assert!(seen[0].starts_with("POST /api/v1/query HTTP/1.1") && seen[0].ends_with("query=scalar%28up%29"), "{}", seen[0]);
}
