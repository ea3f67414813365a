//! What each fault does to a client that is served over a socket: what it gets, and what came of its request.

#[path = "common/served.rs"]
mod served;

use std::io::{Read, Write};

use serde_json::{Value, json};
use served::Served;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn served() -> Served {
    let served = served::empty(true);
    assert_eq!(served.ask("POST", MAPS, "application/json", json!({ "metadata": { "name": "a" } }).to_string().as_bytes()).0, 201);
    served
}

fn patch(served: &Served, value: &str) -> (u16, Value) {
    let body = json!({ "data": { "key": value } }).to_string();
    served.ask("PATCH", &format!("{MAPS}/a"), "application/merge-patch+json", body.as_bytes())
}

fn get(served: &Served) -> (u16, Value) {
    served.ask("GET", &format!("{MAPS}/a"), "", b"")
}

fn fault(served: &Served, fault: Value) {
    served.sim.fault(&fault).expect("a fault");
}

#[test]
fn a_conflict_is_a_write_that_came_too_late() {
    let served = served();
    fault(&served, json!({ "conflict": 1 }));
    assert_eq!(get(&served).0, 200, "reads meet none");
    let (code, status) = patch(&served, "x");
    assert_eq!((code, status["reason"].as_str()), (409, Some("Conflict")));
    let words =
        r#"Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again"#;
    assert_eq!(status["message"], words);
    assert!(get(&served).1["data"].is_null());
    assert_eq!(patch(&served, "x").0, 200, "once is once");
}

#[test]
fn a_server_that_is_unavailable_or_busy_says_when_to_come_again() {
    let served = served();
    for (what, code, reason, line) in
        [("unavailable", 503, "ServiceUnavailable", "503 Service Unavailable"), ("throttle", 429, "TooManyRequests", "429 Too Many Requests")]
    {
        fault(&served, json!({ "clear": true, what: 1, "retry_after": 2, "verb": "read" }));
        let (head, body) = served.raw(&served::request("GET", &format!("{MAPS}/a"), "", b""));
        let status: Value = serde_json::from_str(&body).expect("a status");
        assert!(head.starts_with(&format!("HTTP/1.1 {line}")) && head.to_ascii_lowercase().contains("\r\nretry-after: 2"), "{head}");
        assert_eq!((status["code"].as_u64(), status["reason"].as_str()), (Some(code), Some(reason)), "{status}");
        assert_eq!(get(&served).0, 200);
    }
}

#[test]
fn a_watch_is_dropped_cleanly_or_told_that_it_is_too_old() {
    let served = served();
    let watch = format!("{MAPS}?watch=1&timeoutSeconds=30");
    fault(&served, json!({ "drop_watch": "200ms", "times": 1 }));
    let (head, body) = served.raw(&served::request("GET", &watch, "", b""));
    assert!(head.starts_with("HTTP/1.1 200") && body.contains("\"ADDED\"") && body.ends_with("0\r\n\r\n"), "a proper end: {body}");
    fault(&served, json!({ "clear": true, "gone": 1 }));
    let (head, body) = served.raw(&served::request("GET", &watch, "", b""));
    assert!(head.starts_with("HTTP/1.1 200") && body.contains("\"type\":\"ERROR\"") && body.contains("\"code\":410"), "{body}");
    fault(&served, json!({ "clear": true, "gone": 1 }));
    let (code, status) = served.ask("GET", MAPS, "", b"");
    assert_eq!((code, status["reason"].as_str()), (410, Some("Expired")));
}

#[test]
fn a_connection_is_cut_before_or_after_the_write_or_in_its_answer() {
    let served = served();
    fault(&served, json!({ "cut": "before", "times": 1, "verb": "patch" }));
    assert_eq!(patch(&served, "before").0, 0, "no answer");
    assert!(get(&served).1["data"].is_null(), "and nothing came of it");
    fault(&served, json!({ "cut": "after", "times": 1, "verb": "patch" }));
    assert_eq!(patch(&served, "after").0, 0, "no answer");
    assert_eq!(get(&served).1["data"]["key"], "after", "but it was done");
    fault(&served, json!({ "cut": "middle", "times": 1, "verb": "patch" }));
    let body = json!({ "data": { "key": "middle" } }).to_string();
    let (head, body) = served.raw(&served::request("PATCH", &format!("{MAPS}/a"), "application/merge-patch+json", body.as_bytes()));
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let length: usize = head
        .lines()
        .find_map(|it| it.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned))
        .and_then(|it| it.parse().ok())
        .expect("a length");
    assert!(!body.is_empty() && body.len() < length, "{} of {length} bytes", body.len());
    assert_eq!(get(&served).1["data"]["key"], "middle");
    let codes: Vec<Value> = served.sim.requests().into_iter().filter(|it| it["method"] == "PATCH").map(|it| it["code"].clone()).collect();
    assert_eq!(codes, [0, 0, 200], "what the server knows of it");
}

#[test]
fn a_watch_is_cut_without_an_end() {
    let served = served();
    fault(&served, json!({ "cut": "middle", "verb": "watch" }));
    let (_, body) = served.raw(&served::request("GET", &format!("{MAPS}?watch=1&timeoutSeconds=30"), "", b""));
    assert!(body.contains("\"ADDED\"") && !body.ends_with("0\r\n\r\n"), "{body}");
}

#[test]
fn a_rival_changes_the_object_first() {
    let served = served();
    let mut mine = get(&served).1;
    fault(&served, json!({ "rival": 1 }));
    mine["data"] = json!({ "key": "mine" });
    let put = |object: &Value| served.ask("PUT", &format!("{MAPS}/a"), "application/json", object.to_string().as_bytes());
    let (code, status) = put(&mine);
    assert_eq!((code, status["reason"].as_str()), (409, Some("Conflict")), "{status}");
    let theirs = get(&served).1;
    assert_eq!(theirs["metadata"]["annotations"]["rival/edits"], "1");
    mine["metadata"]["resourceVersion"] = theirs["metadata"]["resourceVersion"].clone();
    assert_eq!(put(&mine).0, 200);
}

#[test]
fn whoever_is_forbidden_or_over_a_quota_is_told_so() {
    let served = served();
    fault(&served, json!({ "forbid": true, "verb": "delete", "namespace": "default" }));
    let (code, status) = served.ask("DELETE", &format!("{MAPS}/a"), "", b"");
    assert_eq!((code, status["reason"].as_str()), (403, Some("Forbidden")));
    assert!(status["message"].as_str().is_some_and(|it| it.starts_with("configmaps \"a\" is forbidden: ")), "{status}");
    fault(&served, json!({ "quota": 1, "kind": "cm" }));
    let (code, status) = served.ask("POST", MAPS, "application/json", json!({ "metadata": { "name": "b" } }).to_string().as_bytes());
    assert_eq!(code, 403);
    assert!(status["message"].as_str().is_some_and(|it| it.contains("exceeded quota: ")), "{status}");
}

#[test]
fn paused_controllers_do_nothing_until_they_go_on() {
    let served = served();
    fault(&served, json!({ "controllers": "paused" }));
    let spec = json!({ "selector": { "matchLabels": { "a": "b" } }, "template": { "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "a", "image": "a:1" }] } } });
    let web = json!({ "metadata": { "name": "web" }, "spec": spec }).to_string();
    assert_eq!(served.ask("POST", "/apis/apps/v1/namespaces/default/deployments", "application/json", web.as_bytes()).0, 201);
    let advance = |text: &str| assert_eq!(served.ask("POST", "/sim/clock", "", text.as_bytes()).0, 200);
    let pods = || served.ask("GET", "/api/v1/namespaces/default/pods", "", b"").1["items"].as_array().map_or(0, Vec::len);
    advance("{advance: 1m}");
    assert_eq!(pods(), 0);
    fault(&served, json!({ "controllers": "running" }));
    advance("{advance: 1m}");
    assert_eq!(pods(), 1);
}

#[test]
fn a_node_that_is_down_is_not_ready_and_loses_its_pods() {
    let served = served();
    let ready = || {
        let node = served.ask("GET", "/api/v1/nodes/node-2", "", b"").1;
        let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().find(|it| it["type"] == "Ready").map(|it| it["status"].clone()).unwrap_or_default()
    };
    assert_eq!(ready(), "True");
    fault(&served, json!({ "node_down": "node-2" }));
    served.ask("POST", "/sim/clock", "", b"{advance: 2m}");
    assert_eq!(ready(), "Unknown");
    fault(&served, json!({ "node_up": "node-2" }));
    served.ask("POST", "/sim/clock", "", b"{advance: 1m}");
    assert_eq!(ready(), "True");
}

#[test]
fn a_skewed_clock_stamps_another_time_and_nothing_happens_because_of_it() {
    let served = served();
    let made = |name: &str| {
        let (code, made) = served.ask("POST", MAPS, "application/json", json!({ "metadata": { "name": name } }).to_string().as_bytes());
        assert_eq!(code, 201);
        made["metadata"]["creationTimestamp"].as_str().and_then(|it| it.parse::<jiff::Timestamp>().ok()).expect("a time")
    };
    let hour = |from: jiff::Timestamp, to: jiff::Timestamp| (to.duration_since(from).as_secs() as f64 / 3600.0).round();
    let first = made("b");
    fault(&served, json!({ "clock_skew": "3h" }));
    let ahead = made("c");
    fault(&served, json!({ "clock_skew": "-2h" }));
    let behind = made("d");
    fault(&served, json!({ "clock_skew": 0 }));
    let right = made("e");
    assert_eq!([ahead, behind, right].map(|it| hour(first, it)), [3.0, -2.0, 0.0]);
    let (_, list) = served.ask("GET", "/api/v1/namespaces/default/events", "", b"");
    assert_eq!(list["items"].as_array().map(Vec::len), Some(0), "{list}");
}

#[test]
fn what_was_asked_is_listed_with_who_asked_it() {
    let served = served();
    let head = format!("GET {MAPS}?limit=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUser-Agent: curious/7\r\n\r\n");
    let mut stream = served.connect();
    stream.write_all(head.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    let last = served.sim.requests().pop().expect("a request");
    assert_eq!((&last["path"], &last["query"], &last["user_agent"], &last["code"]), (&json!(MAPS), &json!("limit=1"), &json!("curious/7"), &json!(200)));
    assert!(last["user"] == "kubernetes-admin" && last["verb"] == "list", "{last}");
}
