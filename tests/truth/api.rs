//! Scenarios of the API server: writes, watches, pages, applies, deletions.

use serde_json::{Value, json};

use super::server::{Answer, Ask, Server};
use super::stage::{APPLY, MERGE, STRATEGIC, count, name, text, version};

async fn config(server: &Server, name: &str, value: &str) -> Value {
    server.make("configmaps", json!({ "metadata": { "name": name, "labels": { "v": value } }, "data": { "v": value } })).await
}

async fn apply(server: &Server, manager: &str, force: bool, object: &Value) -> Answer {
    let path = format!("{}?fieldManager={manager}&force={force}", server.at("deployments", "web"));
    server.send(&Ask { method: "PATCH", path, content_type: APPLY, agent: "truth/1", body: object.to_string() }).await
}

fn applied(replicas: i64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" },
        "spec": { "replicas": replicas, "selector": { "matchLabels": { "app": "web" } }, "template": super::stage::template("web", "shop/web:1") },
    })
}

pub async fn scenario_80_applying_the_same_again_writes_nothing(server: Server) {
    assert_eq!(apply(&server, "one", false, &applied(0)).await.code, 201);
    let before = server.when("deployments", "web", "observed", |it| it["status"]["observedGeneration"] == 1 && !it["status"]["conditions"][1].is_null()).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let again = apply(&server, "one", false, &applied(0)).await;
    assert_eq!((again.code, version(&again.body)), (200, version(&server.object("deployments", "web").await)));
    assert_eq!(again.body["metadata"]["generation"], before["metadata"]["generation"]);
}

pub async fn scenario_81_a_stale_put_is_a_conflict(server: Server) {
    let mut stale = config(&server, "c", "1").await;
    server.patch("configmaps", "c", json!({ "data": { "v": "2" } })).await;
    stale["data"]["v"] = "3".into();
    let answer = server.ask("PUT", &server.at("configmaps", "c"), "application/json", &stale.to_string()).await;
    assert_eq!((answer.code, text(&answer.body["reason"])), (409, "Conflict"));
    let words =
        "Operation cannot be fulfilled on configmaps \"c\": the object has been modified; please apply your changes to the latest version and try again";
    assert_eq!(answer.message(), words);
    assert_eq!(answer.body["details"], json!({ "name": "c", "kind": "configmaps" }));
}

pub async fn scenario_82_a_status_that_says_nothing_new_is_no_write(server: Server) {
    server.running(1, "shop/web:1", json!({})).await;
    let web = server.object("deployments", "web").await;
    let answer = server.ask("PUT", &format!("{}/status", server.at("deployments", "web")), "application/json", &web.to_string()).await;
    assert_eq!((answer.code, version(&answer.body)), (200, version(&web)));
    assert!(server.since("deployments", version(&web)).await.is_empty());
}

pub async fn scenario_83_a_watch_begins_after_its_version(server: Server) {
    let first = config(&server, "a", "1").await;
    let second = config(&server, "b", "1").await;
    let events = server.since("configmaps", version(&first)).await;
    assert_eq!(events.iter().map(|it| (it.kind.as_str(), name(&it.object))).collect::<Vec<_>>(), [("ADDED", "b")]);
    assert_eq!(version(&events[0].object), version(&second));
    assert!(server.since("configmaps", version(&second)).await.is_empty());
}

pub async fn scenario_84_a_streamed_list_ends_with_a_bookmark(server: Server) {
    config(&server, "a", "1").await;
    let query = "watch=1&timeoutSeconds=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&labelSelector=v";
    let (code, _, lines) = server
        .raw(
            &Ask { method: "GET", path: format!("{}?{query}", server.core("configmaps")), content_type: "", agent: "truth/1", body: String::new() },
            "application/json",
        )
        .await;
    let events: Vec<Value> = lines.lines().map(|it| serde_json::from_str(it).expect("JSON")).collect();
    assert_eq!((code, text(&events[0]["type"]), name(&events[0]["object"])), (200, "ADDED", "a"));
    assert_eq!(events[1]["type"], "BOOKMARK");
    assert_eq!(events[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    let number = |it: &Value| version(it).parse::<u64>().expect("a version");
    assert!(number(&events[1]["object"]) >= number(&events[0]["object"]));
}

pub async fn scenario_85_what_leaves_a_selection_is_deleted_from_it(server: Server) {
    let made = config(&server, "a", "1").await;
    let changed = server.patch("configmaps", "a", json!({ "metadata": { "labels": { "v": "2" } } })).await;
    for (selector, expected) in [("v%3D1", "DELETED"), ("v%3D2", "ADDED"), ("v", "MODIFIED")] {
        let path = format!("{}?watch=1&timeoutSeconds=1&resourceVersion={}&labelSelector={selector}", server.core("configmaps"), version(&made));
        let answer = server.get(&path).await;
        assert_eq!(text(&answer.body["type"]), expected, "{selector}");
        assert_eq!(version(&answer.body["object"]), version(&changed), "{selector}");
    }
}

pub async fn scenario_86_pages_are_of_one_moment(server: Server) {
    for each in ["a", "b", "c", "d", "e"] {
        config(&server, each, "page").await;
    }
    // The server counts what remains only where nothing is selected, so what it made itself is among them.
    let path = format!("{}?limit=2", server.core("configmaps"));
    let first = server.get(&path).await.body;
    assert_eq!(first["metadata"]["remainingItemCount"], 4);
    config(&server, "bb", "page").await;
    let mut names: Vec<String> = first["items"].as_array().into_iter().flatten().map(|it| name(it).to_owned()).collect();
    let mut page = first.clone();
    for remaining in [json!(2), Value::Null] {
        page = server.get(&format!("{path}&continue={}", text(&page["metadata"]["continue"]))).await.body;
        assert_eq!(page["metadata"]["remainingItemCount"], remaining);
        assert_eq!(page["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
        names.extend(page["items"].as_array().into_iter().flatten().map(|it| name(it).to_owned()));
    }
    assert_eq!(names, ["a", "b", "c", "d", "e", "kube-root-ca.crt"]);
    assert_eq!(text(&page["metadata"]["continue"]), "");
}

pub async fn scenario_87_a_second_applier_conflicts_or_takes_over(server: Server) {
    assert_eq!(apply(&server, "one", false, &applied(0)).await.code, 201);
    let other = json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web" }, "spec": { "replicas": 1 } });
    let refused = apply(&server, "two", false, &other).await;
    assert_eq!((refused.code, refused.message()), (409, "Apply failed with 1 conflict: conflict with \"one\": .spec.replicas"));
    let cause = json!([{ "reason": "FieldManagerConflict", "message": "conflict with \"one\"", "field": ".spec.replicas" }]);
    assert_eq!(refused.body["details"]["causes"], cause);
    let forced = apply(&server, "two", true, &other).await;
    assert_eq!((forced.code, count(&forced.body["spec"]["replicas"])), (200, 1));
    let owners: Vec<&str> = forced.body["metadata"]["managedFields"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|it| it["fieldsV1"]["f:spec"]["f:replicas"].is_object())
        .map(|it| text(&it["manager"]))
        .collect();
    assert_eq!(owners, ["two"]);
}

pub async fn scenario_88_a_strategic_patch_touches_one_container_only(server: Server) {
    let mut template = super::stage::template("web", "shop/web:1");
    template["spec"]["containers"] =
        json!([{ "name": "app", "image": "shop/web:1", "env": [{ "name": "A", "value": "1" }] }, { "name": "side", "image": "shop/side:1" }]);
    server.deployment(0, "shop/web:1", json!({ "template": template })).await;
    let patch = json!({ "spec": { "template": { "spec": {
        "$setElementOrder/containers": [{ "name": "app" }, { "name": "side" }], "containers": [{ "name": "side", "image": "shop/side:2" }],
    } } } });
    let web = server.edit(patch).await;
    let containers = web["spec"]["template"]["spec"]["containers"].as_array().expect("two");
    let seen: Vec<(&str, &str)> = containers.iter().map(|it| (text(&it["name"]), text(&it["image"]))).collect();
    assert_eq!(seen, [("app", "shop/web:1"), ("side", "shop/side:2")]);
    assert_eq!(containers[0]["env"][0]["value"], "1");
    assert!(!web["spec"].to_string().contains('$'), "{}", web["spec"]);
}

pub async fn scenario_89_retained_keys_drop_the_others(server: Server) {
    server.deployment(0, "shop/web:1", json!({})).await;
    let refused = server.try_patch("deployments", "web", STRATEGIC, &json!({ "spec": { "strategy": { "type": "Recreate" } } })).await;
    assert_eq!(refused.code, 422);
    let words = "Deployment.apps \"web\" is invalid: spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'";
    assert_eq!(refused.message(), words);
    let web = server.edit(json!({ "spec": { "strategy": { "$retainKeys": ["type"], "type": "Recreate" } } })).await;
    assert_eq!(web["spec"]["strategy"], json!({ "type": "Recreate" }));
}

pub async fn scenario_90_dependents_follow_or_outlive_their_owner(server: Server) {
    for policy in ["Background", "Foreground", "Orphan"] {
        let web = server.running(1, "shop/web:1", json!({})).await;
        let from = server.now().await;
        let answer = server.delete("deployments", "web", json!({ "propagationPolicy": policy })).await;
        if policy == "Background" {
            assert_eq!((text(&answer.body["kind"]), text(&answer.body["status"])), ("Status", "Success"));
            assert_eq!(answer.body["details"]["uid"], web["metadata"]["uid"]);
        } else {
            let finalizer = if policy == "Orphan" { "orphan" } else { "foregroundDeletion" };
            assert_eq!(answer.body["metadata"]["finalizers"], json!([finalizer]), "answered with itself");
        }
        server.until("the Deployment is gone", || async { server.is_gone("deployments", "web").await.then_some(()) }).await;
        if policy == "Orphan" {
            let sets = server.all("replicasets").await;
            assert!(sets.len() == 1 && sets[0]["metadata"]["ownerReferences"].is_null(), "{sets:?}");
            continue;
        }
        server.when_all("pods", "gone", <[Value]>::is_empty).await;
        server.when_all("replicasets", "gone", <[Value]>::is_empty).await;
        let gone = |events: Vec<super::stage::Event>| {
            events.into_iter().find(|it| it.kind == "DELETED").map(|it| version(&it.object).parse::<u64>().expect("a version"))
        };
        let (deployment, set) = (gone(server.since("deployments", &from).await), gone(server.since("replicasets", &from).await));
        assert_eq!(deployment < set, policy == "Background", "{policy}: the Deployment at {deployment:?}, its set at {set:?}");
    }
}

pub async fn scenario_91_a_dry_run_makes_up_a_name_and_keeps_nothing(server: Server) {
    let path = format!("{}?dryRun=All", server.core("configmaps"));
    let answer = server.ask("POST", &path, "application/json", &json!({ "metadata": { "generateName": "made-up-" } }).to_string()).await;
    assert_eq!(answer.code, 201);
    assert_eq!((name(&answer.body).len(), text(&answer.body["metadata"]["generateName"])), ("made-up-".len() + 5, "made-up-"));
    assert!(server.is_gone("configmaps", name(&answer.body)).await);
    let (method, wrong) = ("POST", format!("{}?dryRun=Some", server.core("configmaps")));
    let refused = server.ask(method, &wrong, "application/json", "{}").await;
    assert_eq!((refused.code, text(&refused.body["reason"])), (422, "Invalid"));
}

pub async fn scenario_95_a_scale_that_expects_another_version_is_a_conflict(server: Server) {
    server.running(1, "shop/web:1", json!({})).await;
    let path = format!("{}/scale", server.at("deployments", "web"));
    let mut scale = server.get(&path).await.body;
    assert_eq!((text(&scale["kind"]), text(&scale["apiVersion"]), text(&scale["status"]["selector"])), ("Scale", "autoscaling/v1", "app=web"));
    server.edit(json!({ "metadata": { "labels": { "team": "a" } } })).await;
    scale["spec"]["replicas"] = 0.into();
    let refused = server.ask("PUT", &path, "application/json", &scale.to_string()).await;
    assert_eq!((refused.code, text(&refused.body["reason"])), (409, "Conflict"));
    let answer = server.ask("PATCH", &path, MERGE, &json!({ "spec": { "replicas": 0 } }).to_string()).await;
    assert_eq!((answer.code, version(&answer.body)), (200, version(&server.object("deployments", "web").await)));
    assert!(answer.body["spec"]["replicas"].is_null(), "none is not written: {}", answer.body["spec"]);
}
