//! The floor `cluster` against an API server: the simulated one, and a real one whose kubeconfig `ROLLSH_TEST_KUBECONFIG` names.
//!
//! Without a real one these tests say that they are skipped. They work in namespaces of their own.

use std::path::PathBuf;

use futures::StreamExt;
use rollsh::clock::Clock;
use rollsh::cluster::read::{Include, LogOptions, Selection};
use rollsh::cluster::watch::{Event, TableEvent};
use rollsh::cluster::{Cluster, Connection};
use rollsh::error::ErrorKind;
use rollsh::resource::{DEPLOYMENT, POD, Resource, Target};
use rollsh::rollout::change::{Change, Precondition, Request};
use rollsh::sim::{Options, Sim};
use serde_json::{Value, json};

/// Each scenario once in virtual time on the simulator, and once on the real API server.
macro_rules! scenarios {
    (both { $($both:ident,)* } real { $($real:ident,)* }) => {
        mod simulated {
            $(#[tokio::test(start_paused = true)]
            async fn $both() {
                super::$both(super::simulated_cluster()).await;
            })*
        }

        mod real {
            $(scenarios!(@real $both);)*
            $(scenarios!(@real $real);)*
        }
    };
    (@real $name:ident) => {
        #[tokio::test]
        async fn $name() {
            if let Some(cluster) = super::real_cluster(stringify!($name)) {
                super::$name(cluster).await;
            }
        }
    };
}

scenarios! {
    both {
        objects_lists_and_tables_are_the_servers,
        unknown_kinds_are_looked_up,
        reviews_say_what_is_allowed,
        a_watch_of_what_the_server_does_not_have_is_an_error,
        what_is_not_there_is_told_in_the_servers_words,
        every_form_of_a_write_holds_its_precondition,
        scaling_conflicts_of_fields_and_invalid_values_are_told,
        a_watch_tells_what_happens,
    }
    // The simulator has no container logs yet.
    real {
        the_log_of_a_pod_that_is_not_there_is_an_error,
    }
}

fn simulated_cluster() -> Cluster {
    let clock = Clock::paused("2026-01-01T09:00:00Z".parse().expect("a time"), &tokio::runtime::Handle::current());
    let sim = Sim::new(Options::default(), clock.clone()).expect("a simulated cluster");
    tokio::spawn(sim.clone().live());
    Cluster::in_process(sim.service(), "sim", "default", clock)
}

#[tokio::test(start_paused = true)]
async fn a_watch_of_the_simulator_tells_how_a_deleted_pod_is_replaced() {
    let cluster = simulated_cluster();
    let selection = Selection { namespace: Some("default".into()), labels: Some("app=web".into()), ..Selection::default() };
    let mut events = cluster.watch(&POD, &selection);
    let Some(Ok(Event::Listed(pods))) = events.next().await else { panic!("the list comes first") };
    let first = pods.first().expect("the shop has pods");
    let name = first["metadata"]["name"].as_str().expect("a name");
    let target = Target::new(&POD, Some("default"), name);
    cluster.send(&change(&target, Request::Delete { propagation: "Background" }, first), false).await.expect("a delete");
    let (mut deleted, mut replaced) = (false, false);
    while !(deleted && replaced) {
        match events.next().await.expect("endless").expect("no failure") {
            Event::Deleted(pod) => deleted |= pod["metadata"]["name"] == *name,
            Event::Applied(pod) => {
                let new = pods.iter().all(|known| known["metadata"]["name"] != pod["metadata"]["name"]);
                let ready = pod["status"]["conditions"].as_array().is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"));
                replaced |= new && ready;
            }
            Event::Listed(_) => panic!("nothing expired"),
        }
    }
}

/// The flags for the real cluster, or `None` when there is none.
#[expect(clippy::disallowed_macros, reason = "a skipped test must say so where a person reads it")]
fn connection(test: &str) -> Option<Connection> {
    let Some(path) = std::env::var_os("ROLLSH_TEST_KUBECONFIG") else {
        eprintln!("skipped: {test} needs a real API server; set ROLLSH_TEST_KUBECONFIG");
        return None;
    };
    Some(Connection { kubeconfig: Some(PathBuf::from(path)), ..Connection::default() })
}

fn real_cluster(test: &str) -> Option<Cluster> {
    Some(Cluster::configured(&connection(test)?, Clock::wall()).expect("the kubeconfig of the tests is right"))
}

fn known(name: &str) -> &'static Resource {
    Resource::known(name).expect("a known kind")
}

async fn objects_lists_and_tables_are_the_servers(cluster: Cluster) {
    let namespace = cluster.get(&Target::new(known("ns"), None, "kube-system")).await.expect("kube-system is everywhere");
    assert_eq!(namespace["kind"], "Namespace");
    let all = cluster.list(known("ns"), &Selection::default()).await.expect("namespaces");
    assert!(all.iter().all(|object| object["kind"] == "Namespace" && object["apiVersion"] == "v1"));
    let one = Selection { name: Some("kube-system".into()), ..Selection::default() };
    assert_eq!(cluster.list(known("ns"), &one).await.expect("one").len(), 1);
    let table = cluster.table(known("ns"), &one, Include::None).await.expect("a table");
    let columns: Vec<_> =
        table["columnDefinitions"].as_array().expect("columns").iter().map(|column| column["name"].as_str().unwrap_or_default().to_owned()).collect();
    assert_eq!(columns, ["Name", "Status", "Age"]);
    assert_eq!(table["rows"][0]["cells"][0], "kube-system");
    let with = cluster.table(&DEPLOYMENT, &Selection::default(), Include::Metadata).await.expect("a table");
    assert_eq!(with["kind"], "Table");
}

async fn what_is_not_there_is_told_in_the_servers_words(cluster: Cluster) {
    let target = Target::new(&DEPLOYMENT, Some("default"), "no-such");
    let error = cluster.get(&target).await.expect_err("there is none");
    assert_eq!((error.kind(), error.message()), (ErrorKind::NotFound, "deployments.apps \"no-such\" not found"));
    assert_eq!(error.about(), Some("deployment/no-such"));
    let selection = Selection { namespace: Some("default".into()), name: Some("no-such".into()), ..Selection::default() };
    assert_eq!(cluster.table(&DEPLOYMENT, &selection, Include::None).await.expect_err("none").kind(), ErrorKind::NotFound);
    let bad = Selection { namespace: Some("default".into()), fields: Some("spec.nonsense=1".into()), ..Selection::default() };
    let error = cluster.list(&POD, &bad).await.expect_err("no such field");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
}

async fn the_log_of_a_pod_that_is_not_there_is_an_error(cluster: Cluster) {
    let error = cluster.logs("default", "no-such", &LogOptions::default()).await.expect_err("none");
    assert_eq!((error.kind(), error.message()), (ErrorKind::NotFound, "pods \"no-such\" not found"));
}

async fn unknown_kinds_are_looked_up(cluster: Cluster) {
    assert_eq!(cluster.resource("pdb").await.expect("a short name").kind, "PodDisruptionBudget");
    assert_eq!(cluster.resource("Lease").await.expect("a kind").plural, "leases");
    assert_eq!(cluster.resource("leases.coordination.k8s.io").await.expect("with its group").version, "v1");
    assert_eq!(cluster.resource_of("policy/v1", "PodDisruptionBudget").await.expect("a manifest's").plural, "poddisruptionbudgets");
    let error = cluster.resource("deploymets").await.expect_err("misspelt");
    assert_eq!((error.kind(), error.message()), (ErrorKind::NotFound, "the server doesn't have a resource type \"deploymets\""));
    assert_eq!(error.hints(), ["did you mean \"deployments\"?"]);
    let error = cluster.resource_of("policy/v1beta1", "PodDisruptionBudget").await.expect_err("gone");
    assert_eq!(error.hints(), ["the server has this kind in policy/v1"]);
}

async fn reviews_say_what_is_allowed(cluster: Cluster) {
    assert!(cluster.can("patch", &DEPLOYMENT, Some("default"), None).await.expect("a review"));
}

fn change(target: &Target, request: Request, before: &Value) -> Change {
    let metadata = &before["metadata"];
    let precondition =
        metadata["uid"].as_str().map(|uid| Precondition { uid: uid.into(), resource_version: metadata["resourceVersion"].as_str().expect("a version").into() });
    Change { verb: "patch", target: target.clone(), request, precondition, before: before.clone(), done: String::new(), warnings: Vec::new() }
}

/// A namespace of the test's own, made anew.
async fn namespace(cluster: &Cluster, name: &str) {
    let target = Target::new(known("ns"), None, name);
    let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
    cluster.send(&change(&target, Request::Apply { object, force: true }, &Value::Null), false).await.expect("a namespace");
}

fn config_map(namespace: &str, name: &str, value: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": namespace }, "data": { "key": value } })
}

async fn put(cluster: &Cluster, target: &Target, value: &str) -> Value {
    let object = config_map(target.namespace.as_deref().expect("a namespace"), &target.name, value);
    cluster.send(&change(target, Request::Apply { object, force: true }, &Value::Null), false).await.expect("it is applied")
}

async fn every_form_of_a_write_holds_its_precondition(cluster: Cluster) {
    namespace(&cluster, "cluster-write").await;
    let target = Target::new(known("cm"), Some("cluster-write"), "forms");
    let first = put(&cluster, &target, &format!("{:?}", std::process::id())).await;
    let patch = |value: &str| json!({ "data": { "key": value } });
    let tested = |object: &Value, value: &str| {
        json!([
            { "op": "test", "path": "/metadata/uid", "value": object["metadata"]["uid"] },
            { "op": "test", "path": "/metadata/resourceVersion", "value": object["metadata"]["resourceVersion"] },
            { "op": "replace", "path": "/data/key", "value": value },
        ])
    };
    // A dry run answers as if, and leaves the version.
    let dry = cluster.send(&change(&target, Request::MergePatch(patch("dry")), &first), true).await.expect("a dry run");
    assert_eq!(dry["data"]["key"], "dry");
    let second = cluster.send(&change(&target, Request::MergePatch(patch("two")), &first), false).await.expect("a merge patch");
    let third = cluster.send(&change(&target, Request::StrategicPatch(patch("three")), &second), false).await.expect("a strategic patch");
    assert_eq!(cluster.take_warnings(), Vec::<String>::new());
    cluster.send(&change(&target, Request::MergePatch(json!({ "spec": { "x": 1 } })), &third), true).await.expect("a dry run");
    assert_eq!(cluster.take_warnings(), ["unknown field \"spec\""]);
    let fourth = cluster.send(&change(&target, Request::JsonPatch(tested(&third, "four")), &third), false).await.expect("a JSON patch");
    assert_eq!(fourth["data"]["key"], "four");
    assert!(fourth["metadata"]["managedFields"].as_array().expect("owners").iter().any(|entry| entry["manager"] == "rollsh"));
    let mut foreign = fourth.clone();
    foreign["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000".into();
    foreign["metadata"]["resourceVersion"] = fourth["metadata"]["resourceVersion"].clone();
    for (stale, words) in [(&first, "changed since it was read"), (&foreign, "was deleted and created anew")] {
        let forms = [
            Request::MergePatch(patch("x")),
            Request::StrategicPatch(patch("x")),
            Request::JsonPatch(tested(stale, "x")),
            Request::Delete { propagation: "Background" },
            Request::Apply { object: config_map("cluster-write", "forms", "x"), force: true },
        ];
        for form in forms {
            let error = cluster.send(&change(&target, form.clone(), stale), false).await.expect_err("the precondition does not hold");
            assert_eq!(error.kind(), ErrorKind::Conflict, "{form:?}: {error}");
            assert!(error.message().contains(words), "{form:?}: {error}");
        }
    }
    assert_eq!(cluster.get(&target).await.expect("it is there")["data"]["key"], "four");
    let gone = cluster.send(&change(&target, Request::Delete { propagation: "Background" }, &fourth), false).await.expect("a delete");
    assert_eq!(gone, Value::Null);
    assert_eq!(cluster.get(&target).await.expect_err("it is gone").kind(), ErrorKind::NotFound);
}

fn deployment(name: &str, image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name, "namespace": "cluster-write" },
        "spec": { "replicas": 1, "selector": { "matchLabels": { "app": name } }, "template": {
            "metadata": { "labels": { "app": name } }, "spec": { "containers": [{ "name": "web", "image": image }] } } },
    })
}

async fn scaling_conflicts_of_fields_and_invalid_values_are_told(cluster: Cluster) {
    namespace(&cluster, "cluster-write").await;
    let target = Target::new(&DEPLOYMENT, Some("cluster-write"), "web");
    let apply = |object: Value, force| change(&target, Request::Apply { object, force }, &Value::Null);
    cluster.send(&apply(deployment("web", "shop/web:1"), true), false).await.expect("a deployment");
    // The controllers write its status meanwhile, so the version is read right before each try.
    let mut scaled = None;
    for _ in 0..20 {
        let now = cluster.get(&target).await.expect("it is there");
        match cluster.send(&change(&target, Request::Scale { replicas: 2 }, &now), false).await {
            Ok(after) => scaled = Some(after),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict, "{error}"),
        }
        if scaled.is_some() {
            break;
        }
    }
    assert_eq!(scaled.expect("scaled at last")["spec"]["replicas"], 2);
    let mut stale = cluster.get(&target).await.expect("it is there");
    stale["metadata"]["resourceVersion"] = "1".into();
    let error = cluster.send(&change(&target, Request::Scale { replicas: 3 }, &stale), false).await.expect_err("stale");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");

    // Another manager owns the image now.
    let patch = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "web", "image": "shop/web:2" }] } } } });
    cluster.send(&change(&target, Request::StrategicPatch(patch), &Value::Null), false).await.expect("a patch by the same name, but as an update");
    let error = cluster.send(&apply(deployment("web", "shop/web:3"), false), false).await.expect_err("the image is the update's");
    assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
    assert_eq!(error.facts()["conflicts"][0]["manager"], "rollsh", "{:?}", error.facts());
    cluster.send(&apply(deployment("web", "shop/web:3"), true), false).await.expect("by force");

    let mut wrong = deployment("web", "shop/web:3");
    wrong["spec"]["replicas"] = (-1).into();
    let error = cluster.send(&apply(wrong, true), false).await.expect_err("fewer than none");
    assert!(error.message().starts_with("The Deployment \"web\" is invalid: spec.replicas: Invalid value: -1: "), "{error}");
    let mut unknown = deployment("web", "shop/web:3");
    unknown["spec"]["replcas"] = 1.into();
    let error = cluster.send(&apply(unknown, true), false).await.expect_err("a misspelt field");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    assert!(error.message().contains("replcas"), "{error}");
    cluster.send(&change(&target, Request::Delete { propagation: "Background" }, &Value::Null), false).await.expect("a delete");
}

async fn a_watch_tells_what_happens(cluster: Cluster) {
    namespace(&cluster, "cluster-watch").await;
    let target = Target::new(known("cm"), Some("cluster-watch"), "watched");
    let selection = Selection { namespace: Some("cluster-watch".into()), name: Some("watched".into()), ..Selection::default() };
    let mut objects = cluster.watch(known("cm"), &selection);
    let mut rows = cluster.watch_table(known("cm"), &selection, Include::Metadata);
    let start = put(&cluster, &target, "zero").await;
    cluster.send(&change(&target, Request::Delete { propagation: "Background" }, &start), false).await.expect("a clean start");
    assert_eq!(objects.next().await.expect("endless").expect("a list"), Event::Listed(vec![]));
    let TableEvent::Listed(table) = rows.next().await.expect("endless").expect("a table") else { panic!("the table comes first") };
    assert_eq!(table["columnDefinitions"][1]["name"], "Data");

    let made = put(&cluster, &target, "one").await;
    let changed = put(&cluster, &target, "two").await;
    cluster.send(&change(&target, Request::Delete { propagation: "Background" }, &changed), false).await.expect("a delete");
    for expected in [Event::Applied(made), Event::Applied(changed.clone())] {
        assert_eq!(objects.next().await.expect("endless").expect("an event"), expected);
    }
    let Event::Deleted(last) = objects.next().await.expect("endless").expect("an event") else { panic!("it was deleted") };
    assert_eq!(last["data"]["key"], "two");
    for _ in 0..2 {
        let TableEvent::Applied(row) = rows.next().await.expect("endless").expect("a row") else { panic!("it was put") };
        assert_eq!((&row["cells"][0], &row["cells"][1], &row["object"]["metadata"]["name"]), (&json!("watched"), &json!(1), &json!("watched")));
    }
    assert!(matches!(rows.next().await, Some(Ok(TableEvent::Deleted(_)))));
}

async fn a_watch_of_what_the_server_does_not_have_is_an_error(cluster: Cluster) {
    let widgets = Resource {
        group: "nowhere.example".into(),
        version: "v1".into(),
        kind: "Widget".into(),
        plural: "widgets".into(),
        singular: "widget".into(),
        short_names: vec![].into(),
        namespaced: true,
    };
    let error = cluster.watch(&widgets, &Selection::default()).next().await.expect("endless").expect_err("no such kind");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}
