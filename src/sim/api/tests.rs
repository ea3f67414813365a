//! Objects against what a real server made of the same requests.

use super::super::trial::Trial;
use crate::sim::json::{Value, json};

/// What differs between two values, by path.
fn differences(path: &str, left: &Value, right: &Value, out: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|it| !a.contains_key(it))) {
                differences(&format!("{path}.{key}"), &left[key], &right[key], out);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}[{at}]"), a, b, out);
            }
        }
        (a, b) if a == b => {}
        (a, b) => out.push(format!("{path}: {a} instead of {b}")),
    }
}

/// Random parts of names are not compared.
fn masked(value: &Value) -> Value {
    let text = value.to_string();
    let mut out = String::new();
    for (at, part) in text.split("kube-api-access-").enumerate() {
        if at == 0 {
            out.push_str(part);
        } else {
            out.push_str("kube-api-access-xxxxx");
            out.push_str(&part[5..]);
        }
    }
    serde_json::from_str(&out).expect("JSON")
}

#[test]
fn objects_are_made_as_a_real_server_made_them() {
    let trial = Trial::new();
    trial.good("POST", "/api/v1/namespaces", json!({ "metadata": { "name": "demo" } }));
    let cases: Vec<Value> = serde_json::from_str(include_str!("recorded.json")).expect("recorded cases");
    for case in cases {
        let text = |key: &str| case[key].as_str().unwrap_or_default().to_owned();
        let sent = match case["sent_text"].as_str() {
            Some(applied) => {
                let mut sent: Value = serde_json::from_str(applied).expect("JSON");
                if sent["metadata"]["annotations"].is_null() {
                    sent["metadata"]["annotations"] = json!({});
                }
                sent["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = applied.into();
                sent
            }
            None => case["sent"].clone(),
        };
        let root = if text("path") == "pods" { "/api/v1" } else { "/apis/apps/v1" };
        let made = trial.good("POST", &format!("{root}/namespaces/demo/{}?fieldManager={}", text("path"), text("manager")), sent);
        let mut managed = made["metadata"]["managedFields"].clone();
        for entry in managed.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            entry.remove("time");
        }
        let shown = json!({
            "spec": made["spec"], "managed": managed, "generation": made["metadata"]["generation"],
            "labels": made["metadata"]["labels"], "annotations": made["metadata"]["annotations"],
        });
        let expected = json!({
            "spec": case["spec"], "managed": case["managed"], "generation": case["generation"], "labels": case["labels"], "annotations": case["annotations"],
        });
        let mut out = Vec::new();
        differences("", &masked(&shown), &masked(&expected), &mut out);
        assert_eq!(out, Vec::<String>::new(), "{}", text("of"));
    }
}

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

fn web(replicas: i64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": {
            "replicas": replicas, "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "web", "image": "web:1" }] } },
        },
    })
}

#[test]
fn an_apply_makes_owns_conflicts_and_takes() {
    let trial = Trial::new();
    let apply = |query: &str, body: &Value| {
        let (code, _, text) = trial.send("PATCH", &format!("{DEPLOYMENTS}/web?{query}"), "application/json", "application/apply-patch+yaml", &body.to_string());
        (code, serde_json::from_str::<Value>(&text).expect("JSON"))
    };
    let (code, made) = apply("fieldManager=a", &web(2));
    assert_eq!((code, made["metadata"]["generation"].as_i64()), (201, Some(1)));
    let (code, same) = apply("fieldManager=a", &web(2));
    assert_eq!((code, &same["metadata"]["uid"]), (200, &made["metadata"]["uid"]));
    let (code, refused) = apply("fieldManager=b", &web(3));
    assert_eq!((code, refused["message"].as_str()), (409, Some(r#"Apply failed with 1 conflict: conflict with "a": .spec.replicas"#)));
    assert_eq!(refused["details"]["causes"][0]["reason"], "FieldManagerConflict");
    let (code, taken) = apply("fieldManager=b&force=true", &web(3));
    assert_eq!((code, taken["spec"]["replicas"].as_i64()), (200, Some(3)));
    assert_eq!(apply("fieldManager=b", &json!({ "apiVersion": "v1", "kind": "Foo" })).0, 400);
    assert_eq!(apply("", &web(1)).0, 422);
}

#[test]
fn a_workload_is_sized_through_its_scale() {
    let trial = Trial::new();
    trial.good("POST", DEPLOYMENTS, web(2));
    let path = format!("{DEPLOYMENTS}/web/scale");
    let scale = trial.good("GET", &path, Value::Null);
    assert_eq!((scale["kind"].as_str(), scale["spec"]["replicas"].as_i64(), scale["status"]["selector"].as_str()), (Some("Scale"), Some(2), Some("app=web")));
    let (code, _, text) = trial.send("PATCH", &path, "application/json", "application/merge-patch+json", r#"{"spec":{"replicas":5}}"#);
    assert_eq!(code, 200, "{text}");
    let object = trial.good("GET", &format!("{DEPLOYMENTS}/web"), Value::Null);
    assert_eq!((object["spec"]["replicas"].as_i64(), object["metadata"]["generation"].as_i64()), (Some(5), Some(2)));
    let mut negative = trial.good("GET", &path, Value::Null);
    negative["spec"]["replicas"] = json!(-1);
    assert_eq!(
        trial.bad("PUT", &path, negative),
        (422, r#"Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"#.to_owned())
    );
    assert_eq!(trial.bad("GET", "/apis/apps/v1/namespaces/default/daemonsets/x/scale", Value::Null).0, 404);
}
