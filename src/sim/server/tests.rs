//! The HTTP face, asked as clients ask.

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, ListParams};
use kube::runtime::{WatchStreamExt, watcher};

use super::super::identity::Identity;
use super::super::trial::Trial;
use crate::sim::json::{Value, json};

const SECRETS: &str = "/api/v1/namespaces/default/secrets";

fn secret(name: &str, value: &str) -> Value {
    json!({ "metadata": { "name": name, "labels": { "v": value } }, "data": { "value": "MQ==" } })
}

#[test]
fn an_object_is_made_read_listed_and_deleted() {
    let trial = Trial::new();
    let made = trial.good("POST", SECRETS, secret("a", "1"));
    assert_eq!((made["kind"].as_str(), made["metadata"]["namespace"].as_str()), (Some("Secret"), Some("default")));
    assert_eq!(trial.good("GET", &format!("{SECRETS}/a"), Value::Null), made);
    let list = trial.good("GET", SECRETS, Value::Null);
    assert_eq!((list["kind"].as_str(), list["items"].as_array().map(<[Value]>::len)), (Some("SecretList"), Some(1)));
    assert!(list["items"][0]["kind"].is_null(), "items do not repeat their kind");
    let status = trial.good("DELETE", &format!("{SECRETS}/a"), Value::Null);
    assert_eq!((status["status"].as_str(), status["details"]["kind"].as_str()), (Some("Success"), Some("secrets")));
    assert_eq!(trial.bad("GET", &format!("{SECRETS}/a"), Value::Null), (404, r#"secrets "a" not found"#.to_owned()));
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
            SECRETS,
            json!({ "kind": "Foo", "apiVersion": "v1" }),
            400,
            r#"Foo in version "v1" cannot be handled as a Secret: no kind "Foo" is registered for version "v1" in scheme "pkg/runtime/scheme.go:111""#,
        ),
        (
            "POST",
            SECRETS,
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
    let (code, _, text) = trial.send("POST", SECRETS, "", "application/json", r#"{"a":"#);
    assert!(code == 400 && text.contains("json parse error: unexpected end of JSON input ({\\\"a\\\":)"), "{text}");
}

#[test]
fn a_watch_tells_what_enters_and_leaves_its_selection() {
    let trial = Trial::new();
    trial.good("POST", SECRETS, secret("a", "1"));
    let version = trial.good("GET", SECRETS, Value::Null)["metadata"]["resourceVersion"].as_str().expect("a version").to_owned();
    let mut changed = trial.good("GET", &format!("{SECRETS}/a"), Value::Null);
    changed["metadata"]["labels"]["v"] = "2".into();
    let changed = trial.good("PUT", &format!("{SECRETS}/a"), changed);
    trial.good("DELETE", &format!("{SECRETS}/a"), Value::Null);
    for (selector, expected) in [("v=1", &["DELETED 1"][..]), ("v=2", &["ADDED 2", "DELETED 2"]), ("", &["MODIFIED 2", "DELETED 2"]), ("v=3", &[])] {
        let path = format!("{SECRETS}?watch=1&timeoutSeconds=5&resourceVersion={version}&labelSelector={selector}");
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
    trial.good("POST", SECRETS, secret("a", "1"));
    let path = format!("{SECRETS}?watch=1&timeoutSeconds=90&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true");
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
    trial.good("POST", SECRETS, secret("a", "1"));
    trial.good("POST", SECRETS, secret("b", "1"));
    trial.sim.with(|world| world.store.compact());
    let (code, message) = trial.bad("GET", &format!("{SECRETS}?watch=1&resourceVersion=1"), Value::Null);
    assert!(code == 410 && message.starts_with("too old resource version: 1 ("), "{message}");
}

#[test]
fn the_client_of_kube_works_on_it() {
    let trial = Trial::new();
    trial.good("POST", SECRETS, secret("a", "1"));
    let sim = trial.sim.clone();
    trial.runtime.block_on(async {
        let client = kube::Client::new(sim.service(), "default");
        let secrets: Api<Secret> = Api::default_namespaced(client.clone());
        assert_eq!(secrets.get("a").await.expect("it is there").data.expect("data")["value"].0, b"1");
        assert_eq!(secrets.list(&ListParams::default().limit(1)).await.expect("a list").items.len(), 1);
        assert_eq!(client.apiserver_version().await.expect("a version").git_version, "v1.36.3");
        for config in [watcher::Config::default(), watcher::Config::default().streaming_lists()] {
            let mut events = Box::pin(watcher(secrets.clone(), config).applied_objects());
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
        groups["groups"][1],
        json!({ "name": "apps", "preferredVersion": { "groupVersion": "apps/v1", "version": "v1" }, "versions": [{ "groupVersion": "apps/v1", "version": "v1" }] })
    );
    let apps = trial.good("GET", "/apis/apps/v1", Value::Null);
    let names: Vec<&str> = apps["resources"].as_array().expect("a list").iter().filter_map(|it| it["name"].as_str()).collect();
    assert!(names.contains(&"deployments") && names.contains(&"deployments/scale"));
    let hash = |at: &str| groups_hash(&trial, at);
    assert_eq!(hash("/apis/apps/v1#deployments"), "8aSe+NMegvE=");
    assert_eq!(hash("/apis/events.k8s.io/v1#events"), hash("/api/v1#events"));
    for path in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(trial.send("GET", path, "", "", "").2, "ok");
    }
}

/// The storage hash of a resource, `path#name`.
fn groups_hash(trial: &Trial, at: &str) -> String {
    let (path, name) = at.split_once('#').expect("a path and a name");
    let list = trial.good("GET", path, Value::Null);
    let found = list["resources"].as_array().expect("a list").iter().find(|it| it["name"] == name).expect("it is served").clone();
    found["storageVersionHash"].as_str().expect("a text").to_owned()
}

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

fn deployment(name: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": {
            "selector": { "matchLabels": { "app": name } },
            "template": { "metadata": { "labels": { "app": name } }, "spec": { "containers": [{ "name": "web", "image": "web:1" }] } },
        },
    })
}

#[test]
fn a_patch_of_each_kind_changes_what_it_says_and_a_patch_of_nothing_is_no_write() {
    let trial = Trial::new();
    trial.good("POST", DEPLOYMENTS, deployment("web"));
    let path = format!("{DEPLOYMENTS}/web");
    let patch = |media: &str, body: Value| {
        let (code, _, text) = trial.send("PATCH", &path, "application/json", media, &body.to_string());
        (code, serde_json::from_str::<Value>(&text).expect("JSON"))
    };
    let (_, scaled) = patch("application/merge-patch+json", json!({ "spec": { "replicas": 2 } }));
    assert_eq!((scaled["spec"]["replicas"].as_i64(), scaled["metadata"]["generation"].as_i64()), (Some(2), Some(2)));
    let (_, same) = patch("application/merge-patch+json", json!({ "spec": { "replicas": 2 } }));
    assert_eq!(same["metadata"]["resourceVersion"], scaled["metadata"]["resourceVersion"]);
    let container = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "web", "image": "web:2" }] } } } });
    let (_, set) = patch("application/strategic-merge-patch+json", container);
    assert_eq!(set["spec"]["template"]["spec"]["containers"][0]["image"], "web:2");
    assert_eq!(set["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"], "IfNotPresent");
    let (code, refused) = patch("application/json-patch+json", json!([{ "op": "test", "path": "/metadata/uid", "value": "x" }]));
    assert_eq!((code, refused["reason"].as_str()), (422, Some("Invalid")));
    let (code, refused) = patch("application/merge-patch+json", json!({ "metadata": { "resourceVersion": "1" }, "spec": { "paused": true } }));
    assert_eq!((code, refused["reason"].as_str()), (409, Some("Conflict")));
    let (code, refused) = patch("application/foo", json!({}));
    assert_eq!((code, refused["message"].as_str()), (415, Some("415: Unsupported Media Type")));
}

#[test]
fn the_status_has_a_face_of_its_own() {
    let trial = Trial::new();
    let mut object = trial.good("POST", DEPLOYMENTS, deployment("web"));
    assert_eq!(object["status"], json!({}));
    object["spec"]["replicas"] = json!(7);
    object["status"] = json!({ "replicas": 1, "observedGeneration": 1 });
    object["metadata"]["annotations"] = json!({ "deployment.kubernetes.io/revision": "1" });
    let written = trial.good("PUT", &format!("{DEPLOYMENTS}/web/status"), object);
    assert_eq!((written["spec"]["replicas"].as_i64(), written["status"]["replicas"].as_i64()), (Some(1), Some(1)));
    assert_eq!(written["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
    assert_eq!(written["metadata"]["generation"], 1);
}

#[test]
fn dry_runs_answer_and_store_nothing() {
    let trial = Trial::new();
    let before = trial.good("GET", SECRETS, Value::Null)["metadata"]["resourceVersion"].clone();
    let made = trial.good("POST", &format!("{SECRETS}?dryRun=All"), secret("a", "1"));
    assert!(made["metadata"]["uid"].is_string());
    let after = trial.good("GET", SECRETS, Value::Null);
    assert_eq!((after["items"].as_array().map(<[Value]>::len), &after["metadata"]["resourceVersion"]), (Some(0), &before));
    assert_eq!(
        trial.bad("POST", &format!("{SECRETS}?dryRun=Foo"), secret("a", "1")),
        (422, r#"CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Foo"]: supported values: "All""#.to_owned())
    );
}

#[test]
fn a_finalizer_keeps_an_object_until_it_is_dropped() {
    let trial = Trial::new();
    let path = format!("{SECRETS}/a");
    let mut object = secret("a", "1");
    object["metadata"]["finalizers"] = json!(["x.y/z"]);
    let made = trial.good("POST", SECRETS, object);
    let uid = made["metadata"]["uid"].as_str().expect("a uid");
    assert_eq!(
        trial.bad("DELETE", &path, json!({ "preconditions": { "uid": "foo" } })),
        (
            409,
            format!(
                r#"Operation cannot be fulfilled on Secret "a": the UID in the precondition (foo) does not match the UID in record ({uid}). The object might have been deleted and then recreated"#
            )
        )
    );
    let mut marked = trial.good("DELETE", &path, Value::Null);
    assert_eq!((marked["kind"].as_str(), marked["metadata"]["deletionGracePeriodSeconds"].as_i64()), (Some("Secret"), Some(0)));
    marked["metadata"]["finalizers"] = json!(["x.y/z", "new.y/z"]);
    let (code, message) = trial.bad("PUT", &path, marked.clone());
    assert_eq!(
        (code, message.as_str()),
        (
            422,
            r#"Secret "a" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"new.y/z"}"#
        )
    );
    marked["metadata"]["finalizers"] = json!([]);
    trial.good("PUT", &path, marked);
    assert_eq!(trial.ask("GET", &path, Value::Null).0, 404);
}

#[test]
fn a_generated_name_has_five_letters_more() {
    let trial = Trial::new();
    let made = trial.good("POST", SECRETS, json!({ "metadata": { "generateName": "a-" } }));
    let name = made["metadata"]["name"].as_str().expect("a name");
    assert!(name.len() == 7 && name.starts_with("a-"), "{name}");
    assert_eq!(made["metadata"]["generateName"], "a-");
}

#[test]
fn unknown_fields_are_refused_warned_of_or_ignored() {
    let trial = Trial::new();
    let body = json!({ "metadata": { "name": "x", "foo": 1 }, "bar": 2 });
    let ask = |validation: &str| {
        trial.send("POST", &format!("{SECRETS}?dryRun=All&fieldValidation={validation}"), "application/json", "application/json", &body.to_string())
    };
    let (code, _, text) = ask("Strict");
    assert!(
        code == 400 && text.contains(r#"strict decoding error: unknown field \"metadata.foo\", unknown field \"bar\""#)
            || text.contains(r#"unknown field \"bar\", unknown field \"metadata.foo\""#),
        "{text}"
    );
    let (code, headers, _) = ask("Warn");
    let warnings: Vec<&str> = headers.get_all("warning").iter().filter_map(|it| it.to_str().ok()).collect();
    assert!(code == 201 && warnings.contains(&r#"299 - "unknown field \"bar\"""#), "{warnings:?}");
    assert!(ask("Ignore").1.get("warning").is_none());
}

#[test]
fn nothing_is_made_where_there_is_no_namespace() {
    let trial = Trial::new();
    let path = "/api/v1/namespaces/nosuch/secrets";
    assert_eq!(trial.bad("POST", path, secret("a", "1")), (404, r#"namespaces "nosuch" not found"#.to_owned()));
    assert_eq!(
        trial.bad("DELETE", "/api/v1/namespaces/default", Value::Null),
        (403, r#"namespaces "default" is forbidden: this namespace may not be deleted"#.to_owned())
    );
}

#[test]
fn a_log_is_served_whole_in_part_and_as_it_grows() {
    let trial = Trial::new();
    let pod = json!({ "metadata": { "name": "web" }, "spec": { "containers": [{ "name": "web", "image": "web:1" }] } });
    trial.good("POST", "/api/v1/namespaces/default/pods", pod);
    trial.runtime.block_on(async { tokio::time::sleep(Duration::from_secs(10)).await });
    let log = |query: &str| trial.send("GET", &format!("/api/v1/namespaces/default/pods/web/log?{query}"), "", "", "");
    let (code, headers, whole) = log("");
    assert_eq!((code, headers["content-type"].to_str().ok()), (200, Some("text/plain")), "{whole}");
    assert!(whole.starts_with("starting 1\n"), "{whole}");
    let last = whole.lines().last().expect("a line");
    assert_eq!(log("tailLines=1").2, format!("{last}\n"));
    assert!(log("tailLines=1&timestamps=true").2.starts_with("2026-11-23T10:00:"));
    assert_eq!(log("container=nope").0, 400);
    assert_eq!(log("tailLines=-1").0, 422);
    let sim = trial.sim.clone();
    let grown = trial.runtime.block_on(async {
        let request =
            http::Request::get("/api/v1/namespaces/default/pods/web/log?follow=true").body(http_body_util::Empty::<bytes::Bytes>::new()).expect("a request");
        let mut body = tower::ServiceExt::oneshot(sim.service(), request).await.expect("an answer").into_body();
        let mut text = String::new();
        while text.len() <= whole.len() {
            let frame = tokio::time::timeout(Duration::from_secs(60), http_body_util::BodyExt::frame(&mut body)).await.expect("in time").expect("more");
            text.push_str(std::str::from_utf8(&frame.expect("a frame").into_data().expect("data")).expect("text"));
        }
        text
    });
    assert!(grown.starts_with(&whole), "{grown}");
}

#[test]
fn faults_meet_the_requests_that_they_are_for() {
    let trial = Trial::new();
    trial.good("POST", SECRETS, secret("a", "1"));
    trial.sim.fault(&json!({ "unavailable": true, "times": 1, "verb": "list" }).into()).expect("a fault");
    let (code, headers, _) = trial.send("GET", SECRETS, "", "", "");
    assert_eq!((code, headers["retry-after"].to_str().ok()), (503, Some("1")));
    assert_eq!(trial.send("GET", SECRETS, "", "", "").0, 200);
    trial.sim.fault(&json!({ "cut_after": true, "times": 1, "verb": "delete" }).into()).expect("a fault");
    let cut = trial.runtime.block_on(async {
        let request = http::Request::delete(format!("{SECRETS}/a")).body(http_body_util::Empty::<bytes::Bytes>::new()).expect("a request");
        tower::ServiceExt::oneshot(trial.sim.service(), request).await.err().map(|it| it.to_string())
    });
    assert_eq!(cut.as_deref(), Some("connection reset by peer"));
    assert_eq!(trial.ask("GET", &format!("{SECRETS}/a"), Value::Null).0, 404, "it took effect");
    let codes: Vec<u64> = trial.sim.requests().iter().filter_map(|it| it["code"].as_u64()).collect();
    assert_eq!(codes, [201, 503, 200, 0, 404]);
}

#[test]
fn a_slow_answer_comes_as_late_as_it_was_said_and_whole() {
    let trial = Trial::new();
    trial.sim.fault(&serde_json::json!({ "slow": "90s", "verb": "list", "client": "trial" })).expect("a fault");
    let before = trial.sim.now();
    trial.good("GET", SECRETS, Value::Null);
    assert_eq!(trial.sim.now().duration_since(before).as_secs(), 90);
    trial.good("GET", "/api/v1/namespaces/default", Value::Null);
    assert_eq!(trial.sim.now().duration_since(before).as_secs(), 90, "others do not wait");
}

#[test]
fn steering_needs_the_permission_for_its_path() {
    let trial = Trial::new();
    for (identity, code) in [(Identity::anonymous(), 403), (Identity::authenticated("ann", &[]), 403), (Identity::administrator(), 200)] {
        let mut request = http::Request::get("/sim/state").body(http_body_util::Empty::<bytes::Bytes>::new()).expect("a request");
        request.extensions_mut().insert(identity);
        let response = trial.runtime.block_on(tower::ServiceExt::oneshot(trial.sim.service(), request)).expect("an answer");
        assert_eq!(response.status().as_u16(), code);
    }
}

#[test]
fn a_user_may_do_what_its_roles_say() {
    let trial = Trial::new();
    let role = json!({ "metadata": { "name": "reader" }, "rules": [{ "verbs": ["get", "list"], "apiGroups": [""], "resources": ["secrets"] }] });
    trial.good("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles", role);
    let binding = json!({
        "metadata": { "name": "joe" }, "roleRef": { "kind": "Role", "name": "reader" }, "subjects": [{ "kind": "User", "name": "joe" }],
    });
    trial.good("POST", "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", binding);
    let as_joe = |method: &str, path: &str, body: Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let request = http::Request::builder().method(method).uri(path).header("impersonate-user", "joe").header("content-type", "application/json");
        let request = request.body(http_body_util::Full::new(bytes::Bytes::from(body))).expect("a request");
        trial.runtime.block_on(async {
            let response = tower::ServiceExt::oneshot(trial.sim.service(), request).await.expect("an answer");
            let (head, body) = response.into_parts();
            let bytes = http_body_util::BodyExt::collect(body).await.expect("a body").to_bytes();
            (head.status.as_u16(), serde_json::from_slice::<Value>(&bytes).unwrap_or_default())
        })
    };
    assert_eq!(as_joe("GET", SECRETS, Value::Null).0, 200);
    for (method, path, message) in [
        ("GET", "/api/v1/secrets", r#"secrets is forbidden: User "joe" cannot list resource "secrets" in API group "" at the cluster scope"#),
        (
            "DELETE",
            "/api/v1/namespaces/default/secrets/a",
            r#"secrets "a" is forbidden: User "joe" cannot delete resource "secrets" in API group "" in the namespace "default""#,
        ),
        (
            "GET",
            "/apis/apps/v1/namespaces/default/deployments",
            r#"deployments.apps is forbidden: User "joe" cannot list resource "deployments" in API group "apps" in the namespace "default""#,
        ),
        ("GET", "/metrics", r#"forbidden: User "joe" cannot get path "/metrics""#),
    ] {
        let (code, answer) = as_joe(method, path, Value::Null);
        assert_eq!((code, answer["message"].as_str()), (403, Some(message)));
    }
    let review = |verb: &str| json!({ "spec": { "resourceAttributes": { "verb": verb, "resource": "secrets", "namespace": "default" } } });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let (_, answer) = as_joe("POST", path, review("list"));
    assert_eq!(answer["status"], json!({ "allowed": true, "reason": r#"RBAC: allowed by RoleBinding "joe/default" of Role "reader" to User "joe""# }));
    assert_eq!(as_joe("POST", path, review("delete")).1["status"], json!({ "allowed": false }));
    assert_eq!(as_joe("GET", "/apis", Value::Null).0, 200, "discovery is everybody's");
}

#[test]
fn what_the_list_of_what_is_not_simulated_names_is_refused() {
    let trial = Trial::new();
    let pod = json!({ "metadata": { "name": "web" }, "spec": { "containers": [{ "name": "web", "image": "shop/web:1" }] } });
    trial.good("POST", "/api/v1/namespaces/default/pods", pod);
    for part in ["exec", "attach", "portforward", "proxy"] {
        assert!(crate::sim::SCOPE.contains(part.trim_end_matches("forward")));
        let (code, answer) = trial.ask("GET", &format!("/api/v1/namespaces/default/pods/web/{part}"), Value::Null);
        assert!(code >= 400 && answer["kind"] == "Status", "{part}: {code} {answer}");
    }
}

#[test]
fn a_deletion_is_read_in_protobuf_as_typed_clients_send_it() {
    let trial = Trial::new();
    trial.good("POST", "/api/v1/namespaces/default/secrets", json!({ "metadata": { "name": "one" } }));
    let path = "/api/v1/namespaces/default/secrets/one";
    let send = |body: &str| trial.send("DELETE", path, "application/json", "application/vnd.kubernetes.protobuf", body);
    let (code, _, text) = send("{}");
    assert!(code == 400 && text.contains("expected prefix [107 56 115 0]"), "{text}");
    let (code, _, text) = send("k8s\0\x0a\x13\x0a\x02v1\x12\x0dDeleteOptions\x12\x02\x08\x00");
    assert!(code == 200 && text.contains("Success"), "{text}");
    assert_eq!(trial.ask("GET", path, Value::Null).0, 404);
}

#[test]
fn a_dry_run_of_a_creation_passes_over_a_version_and_a_real_one_does_not() {
    let trial = Trial::new();
    let path = "/api/v1/namespaces/default/configmaps";
    let one = |name: &str| json!({ "metadata": { "name": name, "resourceVersion": "5" } });
    trial.good("POST", &format!("{path}?dryRun=All"), one("one"));
    assert_eq!(trial.bad("POST", path, one("one")), (500, "resourceVersion should not be set on objects to be created".to_owned()));
    assert_eq!(trial.bad("POST", path, one("One")).0, 422, "what it is comes first");
}

#[test]
fn a_size_is_read_in_protobuf() {
    let trial = Trial::new();
    let template = json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "a:1" }] } });
    let spec = json!({ "replicas": 1, "selector": { "matchLabels": { "a": "b" } }, "template": template });
    trial.good("POST", "/apis/apps/v1/namespaces/default/deployments", json!({ "metadata": { "name": "web" }, "spec": spec }));
    // Of the name `web` and three replicas.
    let body = "k8s\0\x0a\x17\x0a\x0eautoscaling/v1\x12\x05Scale\x12\x0b\x0a\x05\x0a\x03web\x12\x02\x08\x03";
    let path = "/apis/apps/v1/namespaces/default/deployments/web/scale";
    let (code, _, text) = trial.send("PUT", path, "application/json", "application/vnd.kubernetes.protobuf", body);
    assert!(code == 200 && text.contains(r#""replicas":3"#), "{text}");
}

#[test]
fn paths_that_lead_nowhere_are_told_apart_by_who_would_serve_them() {
    let trial = Trial::new();
    let answer = |path: &str| {
        let (code, head, text) = trial.send("GET", path, "application/json", "", "");
        (code, head["content-type"].to_str().unwrap_or_default().starts_with("application/json"), text)
    };
    for path in ["/apis/apps/v2", "/apis/apps/v1beta1/deployments", "/api/v2/pods", "/api//v1"] {
        let (code, is_status, text) = answer(path);
        assert!(code == 404 && is_status && text.contains("the server could not find the requested resource"), "{path}: {text}");
    }
    for path in ["/apis/nope/v1", "//api/v1", "/healthz/", "/metrics/", "/nope"] {
        assert_eq!(answer(path), (404, false, "404 page not found\n".to_owned()), "{path}");
    }
    assert_eq!(answer("/openapi/v3/nope").2, "");
    let (code, _, text) = answer("/openid/v1/jwks");
    assert!(code == 406 && text.contains("Available representations: application/jwk-set+json"), "{text}");
    assert_eq!(trial.bad("GET", "/api/v1/namespaces/default/pods/none/exec?command=ls", Value::Null), (404, r#"pods "none" not found"#.to_owned()));
}

#[test]
fn a_review_has_no_table() {
    let trial = Trial::new();
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let send = |accept: &str| {
        let body = r#"{"spec":{"nonResourceAttributes":{"path":"/","verb":"get"}}}"#;
        let (code, _, text) = trial.send("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", accept, "application/json", body);
        (code, text)
    };
    assert_eq!(send(table).0, 406);
    assert!(send(&format!("{table},application/json")).1.contains(r#""allowed":true"#));
    assert!(send("application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io").1.contains(r#""kind":"PartialObjectMetadata""#));
}

#[test]
fn a_scale_has_a_table_of_its_own() {
    let trial = Trial::new();
    let sets = "/apis/apps/v1/namespaces/default/replicasets";
    let template = json!({ "metadata": { "labels": { "app": "a" } }, "spec": { "containers": [{ "name": "c", "image": "a:1" }] } });
    let set = json!({ "metadata": { "name": "a" }, "spec": { "replicas": 3, "selector": { "matchLabels": { "app": "a" } }, "template": template } });
    trial.good("POST", sets, set);
    let send = |shape: &str| {
        let accept = format!("application/json;as={shape};v=v1;g=meta.k8s.io");
        serde_json::from_str::<serde_json::Value>(&trial.send("GET", &format!("{sets}/a/scale"), &accept, "", "").2).expect("JSON")
    };
    let table = send("Table");
    let names: Vec<&str> = table["columnDefinitions"].as_array().expect("columns").iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(names, ["Name", "Desired", "Available", "Age"]);
    let row = &table["rows"][0];
    assert_eq!((&row["cells"][0], &row["cells"][1], &row["object"]["metadata"]["name"]), (&"a".into(), &3.into(), &"a".into()));
    assert_eq!(send("PartialObjectMetadata")["metadata"]["name"], "a");
    let refused = "you requested PartialObjectMetadataList, but the requested object is not a list (*autoscaling.Scale)";
    assert_eq!(send("PartialObjectMetadataList")["message"], refused);
}

#[test]
fn what_yaml_has_twice_is_an_error_to_who_is_strict_and_a_warning_to_others() {
    let trial = Trial::new();
    let body = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: one\ndata:\n  a: \"1\"\n  a: \"2\"\n  b: \"3\"\n  b: \"4\"\n";
    let path = "/api/v1/namespaces/default/configmaps";
    let twice = r#"line 7: key \"a\" already set in map\n  line 9: key \"b\" already set in map"#;
    for (method, path, media) in
        [("POST", path.to_owned(), "application/yaml"), ("PATCH", format!("{path}/one?fieldManager=x"), "application/apply-patch+yaml")]
    {
        let send = |validation: &str| {
            let sign = if path.contains('?') { '&' } else { '?' };
            trial.send(method, &format!("{path}{sign}dryRun=All&fieldValidation={validation}"), "application/json", media, body)
        };
        let (code, _, text) = send("Strict");
        assert!(code == 400 && text.contains(twice), "{text}");
        let (code, head, text) = send("Warn");
        assert!(code == 201 && text.contains(r#"{"a":"2","b":"4"}"#), "{text}");
        assert_eq!(head.get_all("warning").iter().count(), 2);
        assert_eq!(send("Ignore").1.get_all("warning").iter().count(), 0);
    }
}

#[test]
fn who_a_request_wants_to_be_has_a_uid_and_more_and_may_ask_for_what_is_not_served() {
    let trial = Trial::new();
    let send = |path: &str, headers: &[(&str, &str)]| {
        let mut request = http::Request::builder().method("POST").uri(path).header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        trial.runtime.block_on(async {
            let request = request.body(http_body_util::Full::new(bytes::Bytes::from("{}"))).expect("a request");
            let response = tower::ServiceExt::oneshot(trial.sim.service(), request).await.expect("never fails");
            let (head, body) = response.into_parts();
            let bytes = http_body_util::BodyExt::collect(body).await.expect("never fails").to_bytes();
            (head.status.as_u16(), serde_json::from_slice::<Value>(&bytes).expect("JSON"))
        })
    };
    let reviews = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let jane = [("impersonate-user", "jane"), ("impersonate-uid", "u1"), ("impersonate-extra-x%2fy", "b")];
    let (_, review) = send(reviews, &jane);
    let info = json!({ "username": "jane", "uid": "u1", "groups": ["system:authenticated"], "extra": { "x/y": ["b"] } });
    assert_eq!(review["status"]["userInfo"], info);
    let (code, refusal) = send(reviews, &jane[1..]);
    assert_eq!((code, refusal["message"].as_str().is_some_and(|it| it.ends_with("without impersonating a user name"))), (400, true));
    assert_eq!(send("/apis/authentication.k8s.io/v1alpha1/selfsubjectreviews", &jane).0, 404, "everybody may ask who they are");
    assert_eq!(send("/apis/apps/v9/deployments", &jane).0, 403);
}
