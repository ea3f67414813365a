//! The HTTP face, asked as clients ask.

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value, json};

use super::super::trial::Trial;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str, value: &str) -> Value {
    json!({ "metadata": { "name": name, "labels": { "v": value } }, "data": { "value": value } })
}

#[test]
fn an_object_is_made_read_listed_and_deleted() {
    let trial = Trial::new();
    let made = trial.good("POST", MAPS, map("a", "1"));
    assert_eq!((made["kind"].as_str(), made["metadata"]["namespace"].as_str()), (Some("ConfigMap"), Some("default")));
    assert_eq!(trial.good("GET", &format!("{MAPS}/a"), Value::Null), made);
    let list = trial.good("GET", MAPS, Value::Null);
    assert_eq!((list["kind"].as_str(), list["items"].as_array().map(Vec::len)), (Some("ConfigMapList"), Some(1)));
    assert!(list["items"][0]["kind"].is_null(), "items do not repeat their kind");
    let status = trial.good("DELETE", &format!("{MAPS}/a"), Value::Null);
    assert_eq!((status["status"].as_str(), status["details"]["kind"].as_str()), (Some("Success"), Some("configmaps")));
    assert_eq!(trial.bad("GET", &format!("{MAPS}/a"), Value::Null), (404, r#"configmaps "a" not found"#.to_owned()));
}

#[test]
fn wrong_requests_are_refused_as_the_real_server_refuses_them() {
    let trial = Trial::new();
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    for (method, path, body, code, message) in [
        ("GET", "/api/v1/nosuch", Value::Null, 404, "the server could not find the requested resource"),
        ("PUT", deployments, json!({}), 405, "the server does not allow this method on the requested resource"),
        ("GET", "/apis/apps/v1/namespaces/default/deployments/x", Value::Null, 404, r#"deployments.apps "x" not found"#),
        ("GET", "/api/v1/pods?fieldSelector=foo%3Dbar", Value::Null, 400, "field label not supported: foo"),
        (
            "POST",
            MAPS,
            json!({ "kind": "Foo", "apiVersion": "v1" }),
            400,
            r#"Foo in version "v1" cannot be handled as a ConfigMap: no kind "Foo" is registered for version "v1" in scheme "pkg/runtime/scheme.go:111""#,
        ),
        (
            "POST",
            MAPS,
            json!({ "metadata": { "name": "a", "namespace": "foo" } }),
            400,
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
        (
            "GET",
            "/api/v1/namespaces?includeObject=Foo",
            Value::Null,
            400,
            "Unable to convert to Table as requested: includeObject: Invalid value: \"Foo\": must be 'Metadata', 'Object', 'None', or empty",
        ),
    ] {
        assert_eq!(trial.bad(method, path, body), (code, message.to_owned()), "{method} {path}");
    }
    let (code, _, text) = trial.send("GET", "/apis/nosuch/v1", "", "", "");
    assert_eq!((code, text.as_str()), (404, "404 page not found\n"));
    let (code, _, text) = trial.send("POST", MAPS, "", "application/json", r#"{"a":"#);
    assert!(code == 400 && text.contains("json parse error: unexpected end of JSON input ({\\\"a\\\":)"), "{text}");
}

#[test]
fn a_watch_tells_what_enters_and_leaves_its_selection() {
    let trial = Trial::new();
    trial.good("POST", MAPS, map("a", "1"));
    let version = trial.good("GET", MAPS, Value::Null)["metadata"]["resourceVersion"].as_str().expect("a version").to_owned();
    let mut changed = trial.good("GET", &format!("{MAPS}/a"), Value::Null);
    changed["metadata"]["labels"]["v"] = "2".into();
    let changed = trial.good("PUT", &format!("{MAPS}/a"), changed);
    trial.good("DELETE", &format!("{MAPS}/a"), Value::Null);
    for (selector, expected) in [("v=1", &["DELETED 1"][..]), ("v=2", &["ADDED 2", "DELETED 2"]), ("", &["MODIFIED 2", "DELETED 2"]), ("v=3", &[])] {
        let path = format!("{MAPS}?watch=1&timeoutSeconds=5&resourceVersion={version}&labelSelector={selector}");
        let (_, _, text) = trial.send("GET", &path, "application/json", "", "");
        let lines: Vec<Value> = text.lines().map(|it| serde_json::from_str(it).expect("JSON")).collect();
        let shown: Vec<String> = lines
            .iter()
            .map(|it| format!("{} {}", it["type"].as_str().unwrap_or_default(), it["object"]["metadata"]["labels"]["v"].as_str().unwrap_or_default()))
            .collect();
        assert_eq!(shown, expected, "{selector}");
        if selector == "v=1" {
            assert_eq!(lines[0]["object"]["metadata"]["resourceVersion"], changed["metadata"]["resourceVersion"], "the version of the change");
        }
    }
}

#[test]
fn a_streaming_list_ends_with_a_bookmark_and_goes_on() {
    let trial = Trial::new();
    trial.good("POST", MAPS, map("a", "1"));
    let path = format!("{MAPS}?watch=1&timeoutSeconds=90&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
    let (_, _, text) = trial.send("GET", &path, "application/json", "", "");
    let lines: Vec<Value> = text.lines().map(|it| serde_json::from_str(it).expect("JSON")).collect();
    let kinds: Vec<&str> = lines.iter().filter_map(|it| it["type"].as_str()).collect();
    assert_eq!(kinds, ["ADDED", "BOOKMARK", "BOOKMARK", "BOOKMARK"]);
    assert_eq!(lines[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert!(lines[2]["object"]["metadata"]["annotations"].is_null());
}

#[test]
fn a_compacted_version_is_gone() {
    let trial = Trial::new();
    trial.good("POST", MAPS, map("a", "1"));
    trial.good("POST", MAPS, map("b", "1"));
    trial.sim.with(|world| world.store.compact());
    let (code, message) = trial.bad("GET", &format!("{MAPS}?watch=1&resourceVersion=1"), Value::Null);
    assert!(code == 410 && message.starts_with("too old resource version: 1 ("), "{message}");
}

#[test]
fn the_client_of_kube_works_on_it() {
    let trial = Trial::new();
    trial.good("POST", MAPS, map("a", "1"));
    let sim = trial.sim.clone();
    trial.runtime.block_on(async {
        let client = kube::Client::new(sim.service(), "default");
        let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
        assert_eq!(maps.get("a").await.expect("it is there").data.expect("data")["value"], "1");
        assert_eq!(maps.list(&ListParams::default().limit(1)).await.expect("a list").items.len(), 1);
        assert_eq!(client.apiserver_version().await.expect("a version").git_version, "v1.36.3");
        for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
            let mut events = Box::pin(watcher(maps.clone(), config).applied_objects());
            let seen = tokio::time::timeout(Duration::from_secs(5), events.next()).await.expect("in time").expect("an event").expect("no error");
            assert_eq!(seen.metadata.name.as_deref(), Some("a"));
        }
        let discovery = kube::Discovery::new(client).run_aggregated().await.expect("discovery");
        assert!(discovery.has_group("apps"));
    });
}

#[test]
fn discovery_is_served_in_both_forms() {
    let trial = Trial::new();
    let (_, headers, text) = trial.send("GET", "/apis", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList", "", "");
    assert_eq!(headers["content-type"], "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    assert!(text.contains(r#""name":"apps""#));
    let groups = trial.good("GET", "/apis", Value::Null);
    assert_eq!(
        groups["groups"][0],
        json!({ "name": "apps", "preferredVersion": { "groupVersion": "apps/v1", "version": "v1" }, "versions": [{ "groupVersion": "apps/v1", "version": "v1" }] })
    );
    let apps = trial.good("GET", "/apis/apps/v1", Value::Null);
    let names: Vec<&str> = apps["resources"].as_array().expect("a list").iter().filter_map(|it| it["name"].as_str()).collect();
    assert!(names.contains(&"deployments") && names.contains(&"deployments/scale"));
    for path in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(trial.send("GET", path, "", "", "").2, "ok");
    }
}
