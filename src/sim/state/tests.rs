use super::super::trial::Trial;
use super::*;
use crate::sim::json::{Value, json};
use jiff::Timestamp;

const KINDS: &[&str] = &[
    "/apis/apps/v1/deployments",
    "/apis/apps/v1/replicasets",
    "/apis/apps/v1/statefulsets",
    "/apis/apps/v1/daemonsets",
    "/apis/apps/v1/controllerrevisions",
    "/apis/batch/v1/jobs",
    "/apis/batch/v1/cronjobs",
    "/apis/policy/v1/poddisruptionbudgets",
    "/apis/discovery.k8s.io/v1/endpointslices",
    "/api/v1/pods",
    "/api/v1/nodes",
    "/api/v1/namespaces",
    "/api/v1/services",
    "/api/v1/configmaps",
    "/api/v1/persistentvolumeclaims",
    "/api/v1/events",
    "/apis/coordination.k8s.io/v1/leases",
];

fn dump(trial: &Trial) -> Vec<String> {
    KINDS.iter().map(|path| trial.good("GET", path, Value::Null).to_string()).collect()
}

fn pass(trial: &Trial, seconds: u64) {
    trial.runtime.block_on(async { tokio::time::sleep(std::time::Duration::from_secs(seconds)).await });
}

fn woken(text: &str) -> Trial {
    let saved = Saved::read("a.json", text).expect("readable").expect("a saved cluster");
    let start = saved.at();
    Trial::of(crate::sim::Options { saved: Some(saved), ..crate::sim::Options::empty() }, start)
}

fn workload(kind: &str, name: &str, image: &str) -> Value {
    json!({
        "metadata": { "name": name },
        "spec": {
            "replicas": if kind == "daemonsets" { Value::Null } else { json!(3) }, "serviceName": if kind == "statefulsets" { json!(name) } else { Value::Null },
            "selector": { "matchLabels": { "app": name } },
            "template": { "metadata": { "labels": { "app": name } }, "spec": { "containers": [{ "name": "main", "image": image }] } },
        },
    })
}

fn path(kind: &str) -> String {
    format!("/apis/apps/v1/namespaces/default/{kind}")
}

/// A cluster in the middle of everything: a rollout, a crash loop, a Job, a node that is lost, a namespace that ends.
fn busy() -> Trial {
    let trial = Trial::new();
    for (kind, name, image) in [
        ("deployments", "web", "shop/web:1"),
        ("deployments", "bad", "shop/bad:1-crash"),
        ("deployments", "far", "shop/far:badpull"),
        ("statefulsets", "db", "shop/db:1"),
        ("daemonsets", "agent", "shop/agent:1"),
    ] {
        trial.good("POST", &path(kind), workload(kind, name, image));
    }
    let job = json!({ "metadata": { "name": "once" }, "spec": { "completions": 4, "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "a", "image": "a:1" }] } } } });
    trial.good("POST", "/apis/batch/v1/namespaces/default/jobs", job);
    let cron = json!({ "metadata": { "name": "often" }, "spec": { "schedule": "* * * * *", "jobTemplate": { "spec": { "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "a", "image": "a:1" }] } } } } } });
    trial.good("POST", "/apis/batch/v1/namespaces/default/cronjobs", cron);
    pass(&trial, 45);
    trial.sim.image("shop/web:2", &serde_json::json!({ "ready_after": "7s" })).expect("a behaviour");
    trial.sim.fault(&serde_json::json!({ "node_down": "node-3" })).expect("a fault");
    let image = |image: &str| json!({ "spec": { "template": { "spec": { "containers": [{ "name": "main", "image": image }] } } } });
    for (kind, name) in [("deployments", "web"), ("statefulsets", "db"), ("daemonsets", "agent")] {
        trial.good("PATCH", &format!("{}/{name}", path(kind)), image(&format!("shop/{name}:2")));
    }
    trial.good("DELETE", "/apis/batch/v1/namespaces/default/jobs/once", json!({ "propagationPolicy": "Foreground" }));
    pass(&trial, 3);
    trial
}

#[test]
fn a_cluster_that_was_saved_goes_on_as_if_it_never_had_been() {
    let first = busy();
    let text = first.sim.saved();
    let second = woken(&text);
    assert_eq!(second.sim.saved(), text, "saved again at once, it is the same");
    for step in [0, 1, 4, 20, 60, 200, 700] {
        for trial in [&first, &second] {
            pass(trial, step);
        }
        for (path, (one, other)) in KINDS.iter().zip(dump(&first).into_iter().zip(dump(&second))) {
            assert!(one == other, "{path} after {step} more seconds:\n{one}\n{other}");
        }
    }
    let web = second.good("GET", &format!("{}/web", path("deployments")), Value::Null);
    assert_eq!((&web["status"]["updatedReplicas"], &web["status"]["availableReplicas"]), (&json!(3), &json!(3)), "the rollout went on to its end");
}

#[test]
fn a_cluster_that_slept_goes_on_where_it_was_and_writes_nothing_because_of_it() {
    let first = busy();
    let text = first.sim.saved();
    let saved = Saved::read("a.json", &text).expect("readable").expect("a saved cluster");
    let later = saved.at().saturating_add(SignedDuration::from_hours(30)).expect("in range");
    let second = Trial::of(crate::sim::Options { saved: Some(saved), ..crate::sim::Options::empty() }, later);
    let versions = |trial: &Trial| trial.sim.look(|world| world.store.version());
    assert_eq!(versions(&first), versions(&second));
    assert_eq!(second.sim.now(), later);
    for path in &KINDS[..5] {
        assert_eq!(first.good("GET", path, Value::Null), second.good("GET", path, Value::Null), "{path}");
    }
    for trial in [&first, &second] {
        pass(trial, 2);
    }
    let phases = |trial: &Trial| {
        let pods = trial.good("GET", "/api/v1/pods", Value::Null);
        let shown = |pod: &Value| format!("{} {} {}", pod["metadata"]["name"], pod["status"]["phase"], pod["status"]["containerStatuses"][0]["restartCount"]);
        pods["items"].as_array().into_iter().flatten().map(shown).collect::<Vec<_>>()
    };
    assert_eq!(phases(&first), phases(&second), "two seconds later both are as far");
}

#[test]
fn a_clock_that_is_behind_a_saved_cluster_does_not_take_it_back() {
    let first = busy();
    let text = first.sim.saved();
    let saved = Saved::read("a.json", &text).expect("readable").expect("a saved cluster");
    let second = Trial::of(crate::sim::Options { saved: Some(saved), ..crate::sim::Options::empty() }, "2020-01-01T00:00:00Z".parse().expect("a time"));
    assert_eq!(first.sim.now(), second.sim.now());
    for trial in [&first, &second] {
        pass(trial, 30);
    }
    assert_eq!(dump(&first), dump(&second));
}

#[test]
fn what_was_before_is_gone_for_watches_and_lists_and_the_present_is_not() {
    let first = busy();
    let now = first.good("GET", "/api/v1/pods", Value::Null)["metadata"]["resourceVersion"].as_str().expect("a version").to_owned();
    let second = woken(&first.sim.saved());
    let watch = |version: &str| second.send("GET", &format!("/api/v1/pods?watch=1&timeoutSeconds=1&resourceVersion={version}"), "application/json", "", "");
    let (code, _, body) = watch("3");
    assert_eq!(code, 410, "{body}");
    assert!(body.contains("too old resource version: 3"), "{body}");
    let (code, _, body) = watch(&now);
    assert_eq!(code, 200, "a client that has seen all may go on: {body}");
}

#[test]
fn another_seed_goes_on_differently_and_no_uid_comes_twice() {
    let text = busy().sim.saved();
    let saved = Saved::read("a.json", &text).expect("readable").expect("a saved cluster");
    let names = |seed: u64| {
        let start = saved.at();
        let trial = Trial::of(crate::sim::Options { seed, saved: Some(saved.clone()), ..crate::sim::Options::empty() }, start);
        let made = trial.good("POST", "/api/v1/namespaces/default/configmaps", json!({ "metadata": { "generateName": "a-" } }));
        let uid = made["metadata"]["uid"].as_str().expect("a uid").to_owned();
        assert!(!text.contains(&uid));
        made["metadata"]["name"].clone()
    };
    assert_eq!(names(0), names(0));
    assert_ne!(names(0), names(1));
    assert_ne!(names(1), names(2));
}

#[test]
fn controllers_can_be_switched_on_for_what_an_api_server_alone_was_told() {
    let start: Timestamp = "2026-11-23T10:00:00Z".parse().expect("a time");
    let off = crate::sim::Options { controllers: false, nodes: 1, ..crate::sim::Options::empty() };
    let first = Trial::of(off.clone(), start);
    first.good("POST", &path("deployments"), workload("deployments", "web", "shop/web:1"));
    pass(&first, 5);
    let second = woken(&first.sim.saved());
    pass(&second, 5);
    assert_eq!(second.good("GET", &format!("{}/web", path("deployments")), Value::Null)["status"]["availableReplicas"], 3);
    let saved = Saved::read("a.json", &second.sim.saved()).expect("readable");
    let at = second.sim.now();
    let third = Trial::of(crate::sim::Options { saved, ..off }, at);
    third.good("DELETE", &format!("{}/web", path("deployments")), Value::Null);
    pass(&third, 60);
    assert_eq!(third.good("GET", "/api/v1/pods", Value::Null)["items"].as_array().map(<[Value]>::len), Some(3), "nobody collects them");
}

#[test]
fn what_is_no_saved_cluster_of_this_form_is_refused_politely() {
    let text = busy().sim.saved();
    let said = |text: &str| match Saved::read("state.json", text).and_then(|saved| saved.map(|it| it.wake().map(drop)).transpose()) {
        Ok(None) => "none".to_owned(),
        Ok(Some(())) => "good".to_owned(),
        Err(error) => format!("{} ({})", error.message(), error.hints().join("; ")),
    };
    assert_eq!(said(&text), "good");
    assert_eq!(said(r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}"#), "none");
    assert_eq!(said("kind: ClusterState"), "none");
    let cut = said(&text[..text.len() / 2]);
    assert!(cut.starts_with("state.json holds a saved cluster that is broken: ") && cut.contains("cut off"), "{cut}");
    let other = said(&text.replacen("sim.rollsh/v1", "sim.rollsh/v9", 1));
    assert!(other.contains("of the form \"sim.rollsh/v9\", and this program reads \"sim.rollsh/v1\"") && other.contains("rollsh 0."), "{other}");
    let foreign = said(&text.replacen("\"kind\":\"DaemonSet\"", "\"kind\":\"DemonSet\"", 1));
    assert!(foreign.contains("no kind \"DemonSet\" in version \"apps/v1\" is served"), "{foreign}");
    let lacking = said(&text.replacen("\"machinery\"", "\"machines\"", 1));
    assert!(lacking.contains("missing field `machinery`"), "{lacking}");
}

#[test]
fn kinds_that_a_cluster_defines_and_their_objects_are_carried_over() {
    let first = Trial::new();
    let schema = json!({ "type": "object", "properties": { "spec": { "type": "object", "properties": { "size": { "type": "integer" } } } } });
    let version = json!({ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } });
    let names = json!({ "plural": "widgets", "singular": "widget", "kind": "Widget" });
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": "widgets.example.com" },
        "spec": { "group": "example.com", "scope": "Namespaced", "names": names, "versions": [version] },
    });
    first.good("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition);
    pass(&first, 2);
    let widgets = "/apis/example.com/v1/namespaces/default/widgets";
    let widget = json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "a" }, "spec": { "size": 3 } });
    let made = first.good("POST", widgets, widget);
    let text = first.sim.saved();
    let second = woken(&text);
    assert_eq!(second.sim.saved(), text);
    assert_eq!(second.good("GET", &format!("{widgets}/a"), Value::Null), made);
    let wrong = json!({ "apiVersion": "example.com/v1", "kind": "Widget", "metadata": { "name": "b" }, "spec": { "size": "big" } });
    assert_eq!(second.bad("POST", widgets, wrong).0, 422, "the schema is known");
}
