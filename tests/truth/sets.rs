//! Scenarios of ReplicaSets, StatefulSets and DaemonSets.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::server::Server;
use super::stage::{Event, STRATEGIC, count, image, is_deleting, is_ready, name, text, with_image};

async fn ready_pods(server: &Server, wanted: usize) -> Vec<Value> {
    server.when_all("pods", "ready", |it| it.len() == wanted && it.iter().all(|pod| is_ready(pod) && !is_deleting(pod))).await
}

async fn ready_set(server: &Server, replicas: i64) -> Vec<Value> {
    server.replica_set(replicas).await;
    server.when("replicasets", "bare", "ready", |it| count(&it["status"]["availableReplicas"]) == replicas).await;
    ready_pods(server, usize::try_from(replicas).expect("few")).await
}

/// Makes the set smaller by one and says which pod went.
async fn loses(server: &Server, before: &[Value]) -> String {
    loses_of(server, ("replicasets", "bare"), before).await
}

async fn loses_of(server: &Server, (plural, of): (&str, &str), before: &[Value]) -> String {
    server.scale(plural, of, i64::try_from(before.len()).expect("few") - 1).await;
    let after = server.when_all("pods", "one fewer", |it| it.iter().filter(|pod| !is_deleting(pod)).count() == before.len() - 1).await;
    let left: BTreeSet<&str> = after.iter().filter(|it| !is_deleting(it)).map(name).collect();
    before.iter().map(name).find(|it| !left.contains(it)).expect("one went").to_owned()
}

pub async fn scenario_63_a_pod_that_is_not_ready_goes_first(server: Server) {
    let pods = ready_set(&server, 3).await;
    let sick = name(&pods[1]).to_owned();
    let status = json!({ "status": { "conditions": [{ "type": "Ready", "status": "False" }] } });
    let answer = server.ask("PATCH", &format!("{}/status", server.at("pods", &sick)), STRATEGIC, &status.to_string()).await;
    assert_eq!(answer.code, 200, "{}", answer.message());
    server.when("replicasets", "bare", "one not ready", |it| count(&it["status"]["readyReplicas"]) == 2).await;
    assert_eq!(loses(&server, &pods).await, sick);
}

pub async fn scenario_64_the_cheapest_pod_goes_first(server: Server) {
    let pods = ready_set(&server, 3).await;
    let cheap = name(&pods[1]).to_owned();
    server.patch("pods", &cheap, json!({ "metadata": { "annotations": { "controller.kubernetes.io/pod-deletion-cost": "-1" } } })).await;
    // The controller reads its own cache: an event of the set says that it has seen the change.
    server.patch("replicasets", "bare", json!({ "spec": { "minReadySeconds": 1 } })).await;
    server
        .when("replicasets", "bare", "observed", |it| {
            it["status"]["observedGeneration"] == it["metadata"]["generation"] && count(&it["status"]["availableReplicas"]) == 3
        })
        .await;
    assert_eq!(loses(&server, &pods).await, cheap);
}

pub async fn scenario_65_the_node_with_two_pods_loses_one(server: Server) {
    // Pods of a set without a controller are not ranked by node.
    server.running(4, "shop/web:1", json!({})).await;
    let pods = ready_pods(&server, 4).await;
    let mut nodes: BTreeMap<&str, usize> = BTreeMap::new();
    for pod in &pods {
        *nodes.entry(text(&pod["spec"]["nodeName"])).or_default() += 1;
    }
    let gone = loses_of(&server, ("deployments", "web"), &pods).await;
    let node = pods.iter().find(|it| name(it) == gone).map(|it| text(&it["spec"]["nodeName"])).expect("it was there");
    let most = nodes.values().max().copied().expect("some node");
    assert!(most > 1 && nodes[node] == most, "{gone} on {node} went: {nodes:?}");
}

pub async fn scenario_66_a_pod_that_leaves_the_selector_is_replaced_and_stays(server: Server) {
    let pods = ready_set(&server, 2).await;
    let free = name(&pods[0]).to_owned();
    server.patch("pods", &free, json!({ "metadata": { "labels": { "app": "free" } } })).await;
    let after = ready_pods(&server, 3).await;
    let released = after.iter().find(|it| name(it) == free).expect("it stays");
    assert!(released["metadata"]["ownerReferences"].is_null());
    assert_eq!(after.iter().filter(|it| it["metadata"]["labels"]["app"] == "bare").count(), 2);
}

async fn ready_database(server: &Server, replicas: i64, spec: Value) -> Value {
    server.stateful_set(replicas, "shop/db:1", spec).await;
    server.updated(replicas).await
}

pub async fn scenario_68_a_stateful_set_in_order_stays_stuck_until_its_broken_pod_is_deleted(server: Server) {
    ready_database(&server, 2, json!({})).await;
    server.patch("statefulsets", "db", with_image("shop/db:2-neverready")).await;
    let broken = server.when("pods", "db-1", "the broken pod", |it| image(it) == "shop/db:2-neverready" && it["status"]["phase"] == "Running").await;
    server.patch("statefulsets", "db", with_image("shop/db:1")).await;
    server.when("statefulsets", "db", "observed", |it| it["status"]["observedGeneration"] == it["metadata"]["generation"]).await;
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    let still = server.object("pods", "db-1").await;
    assert_eq!((&still["metadata"]["uid"], is_deleting(&still)), (&broken["metadata"]["uid"], false));
    server.delete("pods", "db-1", json!({})).await;
    server.updated(2).await;
    assert_eq!(image(&server.object("pods", "db-1").await), "shop/db:1");
}

pub async fn scenario_69_a_stateful_set_is_updated_from_the_top(server: Server) {
    let before = ready_database(&server, 3, json!({})).await;
    let from = server.now().await;
    server.patch("statefulsets", "db", with_image("shop/db:2")).await;
    server.when("statefulsets", "db", "a new revision", |it| it["status"]["updateRevision"] != before["status"]["updateRevision"]).await;
    server.updated(3).await;
    let events = server.since("pods", &from).await;
    let made: Vec<&str> = events.iter().filter(|it| it.kind == "ADDED").map(|it| name(&it.object)).collect();
    assert_eq!(made, ["db-2", "db-1", "db-0"]);
    for next in [("db-2", "db-1"), ("db-1", "db-0")] {
        let ready = events.iter().position(|it| name(&it.object) == next.0 && image(&it.object) == "shop/db:2" && is_ready(&it.object));
        let goes = events.iter().position(|it| name(&it.object) == next.1 && is_deleting(&it.object));
        assert!(ready < goes, "{next:?}");
    }
    for event in server.since("statefulsets", &from).await {
        let status = &event.object["status"];
        let moved = status["currentRevision"] != before["status"]["currentRevision"];
        assert!(!moved || count(&status["updatedReplicas"]) == 3, "{status}");
    }
}

pub async fn scenario_70_a_pod_below_the_partition_comes_back_as_it_was(server: Server) {
    ready_database(&server, 2, json!({ "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 1 } } })).await;
    server.patch("statefulsets", "db", with_image("shop/db:2")).await;
    server.when("pods", "db-1", "updated", |it| image(it) == "shop/db:2" && is_ready(it)).await;
    let old = server.object("pods", "db-0").await;
    server.delete("pods", "db-0", json!({})).await;
    let back = server.when("pods", "db-0", "back", |it| it["metadata"]["uid"] != old["metadata"]["uid"]).await;
    assert_eq!(image(&back), "shop/db:1");
    assert_eq!(back["metadata"]["labels"]["controller-revision-hash"], old["metadata"]["labels"]["controller-revision-hash"]);
}

pub async fn scenario_71_a_stateful_set_shrinks_one_by_one(server: Server) {
    ready_database(&server, 3, json!({})).await;
    let from = server.now().await;
    server.scale("statefulsets", "db", 1).await;
    server.when_all("pods", "one", |it| it.len() == 1).await;
    let events = server.since("pods", &from).await;
    let gone = events.iter().position(|it| name(&it.object) == "db-2" && it.kind == "DELETED").expect("db-2 goes");
    let goes = events.iter().position(|it| name(&it.object) == "db-1" && is_deleting(&it.object)).expect("db-1 goes");
    assert!(gone < goes);
}

/// How the pods of the three nodes fared, event by event.
fn by_node(before: Vec<Value>, events: Vec<Event>, mut look: impl FnMut(&BTreeMap<String, Value>)) {
    let mut pods: BTreeMap<String, Value> = before.into_iter().map(|it| (name(&it).to_owned(), it)).collect();
    for event in events {
        if event.kind == "DELETED" {
            pods.remove(name(&event.object));
        } else {
            pods.insert(name(&event.object).to_owned(), event.object);
        }
        look(&pods);
    }
}

async fn ready_agents(server: &Server, spec: Value) -> Vec<Value> {
    server.daemon_set("shop/agent:1", spec).await;
    server.when("daemonsets", "agent", "available", |it| count(&it["status"]["numberAvailable"]) == 3).await;
    ready_pods(server, 3).await
}

async fn new_agents(server: &Server) {
    server.patch("daemonsets", "agent", with_image("shop/agent:2")).await;
    server.when_all("pods", "updated", |it| it.len() == 3 && it.iter().all(|pod| image(pod) == "shop/agent:2" && is_ready(pod) && !is_deleting(pod))).await;
}

pub async fn scenario_72_a_daemon_set_may_miss_two_of_three_nodes(server: Server) {
    let before = ready_agents(&server, json!({ "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": "34%" } } })).await;
    let from = server.now().await;
    new_agents(&server).await;
    let mut fewest = 3;
    by_node(before, server.since("pods", &from).await, |pods| {
        fewest = fewest.min(pods.values().filter(|it| is_ready(it) && !is_deleting(it)).count());
    });
    assert_eq!(fewest, 1, "a third of three is rounded up to two");
}

pub async fn scenario_73_a_daemon_set_with_surge_keeps_every_node_served(server: Server) {
    let before = ready_agents(&server, json!({ "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } } })).await;
    let from = server.now().await;
    new_agents(&server).await;
    by_node(before, server.since("pods", &from).await, |pods| {
        let mut nodes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for pod in pods.values().filter(|it| !is_deleting(it)) {
            let term = &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"][0];
            let node = nodes.entry(text(&term["matchFields"][0]["values"][0])).or_default();
            node.0 += 1;
            node.1 += usize::from(is_ready(pod));
        }
        assert!(nodes.len() == 3 && nodes.values().all(|it| it.1 > 0), "{nodes:?}");
        assert!(nodes.values().filter(|it| it.0 > 1).count() <= 1, "{nodes:?}");
    });
}
