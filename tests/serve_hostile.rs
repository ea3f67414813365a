//! Clients that mean no good, or know no better: each gets a proper answer, and the others do not notice.

#[path = "common/served.rs"]
mod served;

use std::io::{Read, Write};

use serde_json::json;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str) -> Vec<u8> {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name } }).to_string().into_bytes()
}

/// Code, reason and the beginning of the message of each answer.
#[test]
fn each_broken_request_gets_a_status() {
    let served = served::empty(true);
    let nested = |open: &str, count: usize| [br#"{"kind":"ConfigMap","metadata":{"name":"deep"},"data":"#.as_slice(), open.repeat(count).as_bytes()].concat();
    let bomb = (b'a'..b'i').fold("a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned(), |text, letter| {
        let (letter, next) = (char::from(letter), char::from(letter + 1));
        format!("{text}{next}: &{next} [{}]\n", vec![format!("*{letter}"); 9].join(","))
    });
    let json = "application/json";
    let unrecognized = "the object provided is unrecognized (must be of type ConfigMap): ";
    for (method, path, content_type, body, code, reason, message) in [
        ("POST", MAPS, json, vec![b' '; 4 << 20], 413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728".to_owned()),
        (
            "POST",
            MAPS,
            json,
            b"{".to_vec(),
            400,
            "BadRequest",
            format!("{unrecognized}couldn't get version/kind; json parse error: unexpected end of JSON input"),
        ),
        (
            "POST",
            MAPS,
            json,
            b"[]".to_vec(),
            400,
            "BadRequest",
            format!("{unrecognized}couldn't get version/kind; json parse error: json: cannot unmarshal array"),
        ),
        (
            "POST",
            MAPS,
            json,
            nested("[", 100_000),
            400,
            "BadRequest",
            format!("{unrecognized}couldn't get version/kind; json parse error: invalid character '[' exceeded max depth"),
        ),
        (
            "POST",
            MAPS,
            json,
            nested("{\"a\":", 100_000),
            400,
            "BadRequest",
            format!("{unrecognized}couldn't get version/kind; json parse error: invalid character '{{' exceeded max depth"),
        ),
        ("POST", MAPS, "application/yaml", b"a: [".to_vec(), 400, "BadRequest", format!("{unrecognized}yaml: ")),
        ("POST", MAPS, "application/yaml", vec![b'['; 100_000], 400, "BadRequest", format!("{unrecognized}yaml: exceeded max depth of ")),
        ("POST", MAPS, "application/yaml", bomb.into_bytes(), 400, "BadRequest", format!("{unrecognized}yaml: document contains excessive aliasing")),
        ("POST", MAPS, "text/plain", map("a"), 415, "UnsupportedMediaType", "the body of the request was in an unknown format".to_owned()),
        (
            "PATCH",
            "/api/v1/namespaces/default/configmaps/kube-root-ca.crt?fieldManager=x",
            "application/apply-patch+yaml",
            vec![b'{'; 100_000],
            400,
            "BadRequest",
            "error decoding YAML: ".to_owned(),
        ),
        (
            "PATCH",
            "/api/v1/namespaces/default/configmaps/kube-root-ca.crt",
            "application/merge-patch+json",
            nested("[", 100_000),
            400,
            "BadRequest",
            String::new(),
        ),
        (
            "PATCH",
            "/api/v1/namespaces/default/configmaps/kube-root-ca.crt",
            "application/strategic-merge-patch+json",
            nested("[", 100_000),
            400,
            "BadRequest",
            String::new(),
        ),
        (
            "PATCH",
            "/api/v1/namespaces/default/configmaps/kube-root-ca.crt",
            "application/json-patch+json",
            vec![b'['; 100_000],
            400,
            "BadRequest",
            String::new(),
        ),
        (
            "DELETE",
            "/api/v1/namespaces/default/configmaps/kube-root-ca.crt",
            json,
            vec![b'['; 100_000],
            400,
            "BadRequest",
            "couldn't get version/kind; json parse error: ".to_owned(),
        ),
        ("BREW", MAPS, json, Vec::new(), 405, "MethodNotAllowed", "the server does not allow this method on the requested resource".to_owned()),
        ("PUT", MAPS, json, map("a"), 405, "MethodNotAllowed", "the server does not allow".to_owned()),
        ("GET", "/apis/apps/v1/namespaces/default/nothings", json, Vec::new(), 404, "NotFound", "the server could not find the requested resource".to_owned()),
        ("GET", "/api/v1/namespaces/default/configmaps?labelSelector=a%20b", json, Vec::new(), 400, "BadRequest", "unable to parse requirement: ".to_owned()),
        ("GET", "/api/v1/namespaces/default/configmaps?continue=xx", json, Vec::new(), 400, "BadRequest", "invalid continue token: ".to_owned()),
    ] {
        let (found, status) = served.ask(method, path, content_type, &body);
        let place = format!("{method} {path} {}", String::from_utf8_lossy(&body[..body.len().min(60)]));
        assert_eq!((found, status["reason"].as_str(), status["kind"].as_str()), (code, Some(reason), Some("Status")), "{place}: {status}");
        let words = status["message"].as_str().unwrap_or_default();
        assert!(words.starts_with(&message), "{place}: {words}");
    }
    let (code, list) = served.ask("GET", MAPS, json, b"");
    assert_eq!((code, list["items"].as_array().map(Vec::len)), (200, Some(1)), "nothing was made of it: {list}");
}

#[test]
fn what_is_no_http_is_refused_and_closed() {
    let served = served::empty(true);
    let endless = [b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: ".as_slice(), &vec![b'y'; 2 << 20]].concat();
    let many = format!("GET /healthz HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(5000));
    for (bytes, code) in [
        (b"\x00\x01\x02 no http\r\n\r\n".to_vec(), "400"),
        (b"GET /healthz HTTP/1.1\r\n\r\n".to_vec(), "400"),
        (b"GET /api/v1/namespaces/%zz/pods HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".to_vec(), "400"),
        (endless, "431"),
        (many.into_bytes(), "431"),
    ] {
        let begins = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
        let mut stream = served.connect();
        let _ = stream.write_all(&bytes);
        let mut answer = [0; 12];
        // A server that closes while bytes are on their way may lose its answer to the reset.
        if stream.read_exact(&mut answer).is_ok() {
            assert_eq!(&String::from_utf8_lossy(&answer)[9..], code, "{begins}");
        }
    }
    assert_eq!(served.ask("GET", "/healthz", "", b"").0, 200);
}

#[test]
fn a_body_of_a_hundred_mebibytes_is_refused_before_it_comes() {
    let served = served::empty(true);
    let head = format!("POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", 100 << 20);
    let (head, body) = served.raw(head.as_bytes());
    assert!(head.starts_with("HTTP/1.1 413 Request Entity Too Large"), "{head}");
    assert!(body.contains("limit is 3145728"), "{body}");
}

#[test]
fn a_body_in_endless_chunks_is_refused_at_the_limit() {
    let served = served::empty(true);
    let mut stream = served.connect();
    let head = format!("POST {MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("sent");
    let chunk = [b"10000\r\n".as_slice(), &[b' '; 0x10000], b"\r\n"].concat();
    let mut sent = 0_usize;
    // The server stops to read at some time; until then the chunks go on.
    while sent < 100 << 20 && stream.write_all(&chunk).is_ok() {
        sent += 0x10000;
    }
    assert!(sent < 50 << 20, "the server took {sent} bytes");
    assert_eq!(served.ask("GET", "/healthz", "", b"").0, 200);
}

#[test]
fn half_requests_keep_nobody_waiting_and_change_nothing() {
    let served = served::empty(true);
    let whole = served::request("POST", MAPS, "application/json", &map("half"));
    // Cut everywhere: in the method, in the head, before the body and in it.
    let cuts = [1, 10, whole.len() / 2, whole.len() - 30, whole.len() - 1];
    let open: Vec<_> = (0..200)
        .map(|number| {
            let mut stream = served.connect();
            stream.write_all(&whole[..cuts[number % cuts.len()]]).expect("sent");
            stream
        })
        .collect();
    let (code, made) = served.ask("POST", MAPS, "application/json", &map("whole"));
    assert_eq!(code, 201, "{made}");
    drop(open);
    let (code, list) = served.ask("GET", MAPS, "application/json", b"");
    let names: Vec<&str> = list["items"].as_array().into_iter().flatten().filter_map(|it| it["metadata"]["name"].as_str()).collect();
    assert_eq!((code, names), (200, vec!["kube-root-ca.crt", "whole"]));
}

#[test]
fn an_http_client_is_told_that_the_server_speaks_tls() {
    let served = served::empty(false);
    let (head, body) = served.raw(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!((head.as_str(), body.as_str()), ("HTTP/1.0 400 Bad Request", "Client sent an HTTP request to an HTTPS server.\n"));
}

#[test]
fn whoever_shows_nothing_is_anonymous_and_a_wrong_token_is_refused() {
    let served = served::empty(true);
    let ask = |token: &str| {
        let (head, body) = served.raw(format!("GET /api/v1/pods HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\r\n").as_bytes());
        (head.split(' ').nth(1).unwrap_or_default().to_owned(), body)
    };
    let (code, body) = ask("guessed");
    assert_eq!(code, "401", "{body}");
    assert!(body.contains(r#""message":"Unauthorized""#), "{body}");
    let token = served.kubeconfig.lines().find_map(|line| line.trim().strip_prefix("token: ")).expect("a token");
    assert_eq!(ask(token).0, "200");
}

#[test]
fn what_steers_the_simulator_is_no_softer() {
    let served = served::empty(true);
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
    for path in ["/sim/faults", "/sim/images", "/sim/clock"] {
        for (body, code) in [
            (vec![b' '; 4 << 20], 413),
            (vec![b'['; 100_000], 400),
            (bomb.as_bytes().to_vec(), 400),
            (b"{".to_vec(), 400),
            (b"\xff\xfe".to_vec(), 400),
            (b"7".to_vec(), 400),
            (b"[7]".to_vec(), 400),
        ] {
            let (found, status) = served.ask("POST", path, "", &body);
            let begins = String::from_utf8_lossy(&body[..body.len().min(20)]).into_owned();
            assert_eq!((found, status["kind"].as_str()), (code, Some("Status")), "{path} {begins}: {status}");
        }
    }
    assert_eq!(served.ask("GET", "/sim/faults", "", b"").1, json!({ "faults": [] }), "nothing came of it");
    assert_eq!(served.ask("POST", "/sim/clock", "", b"{advance: 100000000h}").0, 400);
}

#[test]
fn a_compressed_body_is_not_blown_up() {
    let served = served::empty(true);
    // As the real server, it never unpacks a request: what is in there does not matter, only that nobody looks.
    let squeezed = [&[0x1f_u8, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3], [0xed_u8, 0xc1].repeat(5000).as_slice()].concat();
    let head = format!(
        "POST {MAPS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        squeezed.len()
    );
    let (head, body) = served.raw(&[head.as_bytes(), &squeezed].concat());
    assert!(head.starts_with("HTTP/1.1 400") && body.contains("\"BadRequest\""), "{head} {body}");
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

#[test]
fn floods_of_http2_frames_end_with_their_connection() {
    let served = served::empty(true);
    // GET / of host x.
    let get = [0x82, 0x86, 0x84, 0x41, 0x01, b'x'];
    let preface = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(4, 0, 0, &[])].concat();
    let resets = |at: u32| [frame(1, 5, 2 * at + 1, &get), frame(3, 0, 2 * at + 1, &8_u32.to_be_bytes())].concat();
    let endless_head = |at: u32| if at == 0 { frame(1, 1, 1, &get) } else { frame(9, 0, 1, &[0x40, 0x01, b'a', 0x01, b'b'].repeat(1000)) };
    let pings = |_: u32| frame(6, 0, 0, &[0; 8]);
    let settings = |_: u32| frame(4, 0, 0, &[0, 4, 0, 0, 255, 255]);
    let garbage = |_: u32| frame(0xee, 0xff, 7, &[0; 1000]);
    type Flood<'a> = &'a dyn Fn(u32) -> Vec<u8>;
    let floods: [(&str, Flood<'_>); 5] =
        [("resets", &resets), ("an endless head", &endless_head), ("pings", &pings), ("settings", &settings), ("unknown frames", &garbage)];
    for (what, flood) in floods {
        let mut stream = served.connect();
        stream.set_write_timeout(Some(std::time::Duration::from_secs(2))).expect("a timeout");
        stream.write_all(&preface).expect("sent");
        for at in 0..20_000 {
            // The server closes, or reads no more.
            if stream.write_all(&flood(at)).is_err() {
                break;
            }
        }
        assert_eq!(served.ask("GET", "/healthz", "", b"").0, 200, "after {what}");
    }
}
