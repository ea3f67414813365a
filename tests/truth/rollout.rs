//! Scenarios of the Deployment controller.

use serde_json::{Value, json};

use super::server::Server;
use super::stage::{condition, count, image, is_deleting, is_ready, name, reason, revision, text, version, with_image};

/// What an event says without the name of the ReplicaSet: `up from 0 to 3`.
fn resized(messages: &[String]) -> Vec<String> {
    let short = |it: &String| {
        let words: Vec<&str> = it.split(' ').collect();
        format!("{} {}", words[1], words[5..].join(" "))
    };
    messages.iter().map(short).collect()
}

pub async fn scenario_43_ten_replicas_surge_by_three_and_miss_two(server: Server) {
    server.running(10, "shop/web:1", json!({})).await;
    let before = server.told("ScalingReplicaSet").await.len();
    server.release("shop/web:2").await;
    let told = resized(&server.told("ScalingReplicaSet").await[before..]);
    // The pods of the real cluster do not get ready all at once, so what comes after varies.
    assert_eq!(told[..3], ["up from 0 to 3", "down from 10 to 8", "up from 3 to 5"]);
    let sizes: Vec<i64> = server.sets().await.iter().map(|it| count(&it["spec"]["replicas"])).collect();
    assert_eq!(sizes, [0, 10]);
}

pub async fn scenario_44_three_replicas_are_never_fewer_and_never_more_than_four(server: Server) {
    server.running(3, "shop/web:1", json!({})).await;
    let by_name = |all: Vec<Value>| all.into_iter().map(|it| (name(&it).to_owned(), it)).collect::<std::collections::BTreeMap<String, Value>>();
    let (mut pods, mut sets) = (by_name(server.all("pods").await), by_name(server.sets().await));
    let from = server.now().await;
    server.release("shop/web:2").await;
    for event in server.since("pods", &from).await {
        if event.kind == "DELETED" {
            pods.remove(name(&event.object));
        } else {
            pods.insert(name(&event.object).to_owned(), event.object);
        }
        let ready = pods.values().filter(|it| !is_deleting(it) && is_ready(it)).count();
        assert!(ready >= 3, "{:?}", pods.keys());
    }
    // What is asked for: a set that shrinks may have its pod for a moment longer than the one that grows has its own.
    for event in server.since("replicasets", &from).await {
        sets.insert(name(&event.object).to_owned(), event.object);
        let wanted: i64 = sets.values().map(|it| count(&it["spec"]["replicas"])).sum();
        assert!((3..=4).contains(&wanted), "{:?}", sets.values().map(|it| &it["spec"]["replicas"]).collect::<Vec<_>>());
    }
}

pub async fn scenario_45_one_replica_without_surge_goes_before_it_comes(server: Server) {
    server.running(1, "shop/web:1", json!({ "strategy": { "rollingUpdate": { "maxSurge": 0, "maxUnavailable": "1%" } } })).await;
    let from = server.now().await;
    server.release("shop/web:2").await;
    let events = server.since("pods", &from).await;
    let first = |good: &dyn Fn(&super::stage::Event) -> bool| events.iter().position(good);
    let goes = first(&|it| is_deleting(&it.object) && image(&it.object) == "shop/web:1").expect("the old pod goes");
    let ready = first(&|it| image(&it.object) == "shop/web:2" && is_ready(&it.object)).expect("the new pod gets ready");
    assert!(goes < ready);
}

pub async fn scenario_46_half_of_four_surges_and_half_goes(server: Server) {
    server.running(4, "shop/web:1", json!({ "strategy": { "rollingUpdate": { "maxSurge": "50%", "maxUnavailable": "50%" } } })).await;
    let before = server.told("ScalingReplicaSet").await.len();
    server.release("shop/web:2").await;
    let told = resized(&server.told("ScalingReplicaSet").await[before..]);
    assert_eq!(told[..3], ["up from 0 to 2", "down from 4 to 2", "up from 2 to 4"]);
}

async fn missed_deadline(server: &Server, spec: Value) -> Value {
    let mut spec = spec;
    spec["progressDeadlineSeconds"] = 3.into();
    server.running(2, "shop/web:1", spec).await;
    server.edit(with_image("shop/web:2-neverready")).await;
    server.when("deployments", "web", "a missed deadline", |it| reason(it, "Progressing") == "ProgressDeadlineExceeded").await
}

pub async fn scenario_47_a_missed_deadline_is_told_and_changes_nothing(server: Server) {
    let web = missed_deadline(&server, json!({})).await;
    let progressing = condition(&web, "Progressing");
    let newest = server.sets().await.pop().expect("two sets");
    assert_eq!(progressing["status"], "False");
    assert_eq!(text(&progressing["message"]), format!("ReplicaSet \"{}\" has timed out progressing.", name(&newest)));
    assert_eq!(reason(&web, "Available"), "MinimumReplicasAvailable");
    let sizes: Vec<i64> = server.sets().await.iter().map(|it| count(&it["spec"]["replicas"])).collect();
    assert_eq!(sizes, [2, 1]);
}

pub async fn scenario_48_a_mended_image_ends_well_after_a_missed_deadline(server: Server) {
    missed_deadline(&server, json!({})).await;
    let web = server.release("shop/web:3").await;
    let progressing = condition(&web, "Progressing");
    assert_eq!((text(&progressing["status"]), reason(&web, "Progressing")), ("True", "NewReplicaSetAvailable"));
    assert_eq!(revision(&web), 3);
}

pub async fn scenario_49_an_undo_to_an_empty_revision_still_shows_the_missed_deadline(server: Server) {
    missed_deadline(&server, json!({ "strategy": { "type": "Recreate", "rollingUpdate": null } })).await;
    let undone = server.undo(1).await;
    server.rolled_out().await;
    let events = server.since("deployments", version(&undone)).await;
    let observed = events.iter().find(|it| it.object["status"]["observedGeneration"] == undone["metadata"]["generation"]).expect("it was observed");
    assert_eq!(reason(&observed.object, "Progressing"), "ProgressDeadlineExceeded");
    // Old pods that go count as progress, new ones that come do too.
    let mended = events.iter().find(|it| reason(&it.object, "Progressing") != "ProgressDeadlineExceeded").expect("it went well");
    assert_eq!(reason(&mended.object, "Progressing"), "ReplicaSetUpdated");
}

/// A rollout of ten that stalls at five new and eight old ones.
async fn halfway(server: &Server) {
    server.running(10, "shop/web:1", json!({ "strategy": { "rollingUpdate": { "maxSurge": 3, "maxUnavailable": 2 } } })).await;
    server.edit(with_image("shop/web:2-neverready")).await;
    let sizes = |all: &[Value], old: i64, new: i64| {
        let mut sizes: Vec<(i64, i64, i64)> = all.iter().map(|it| (revision(it), count(&it["spec"]["replicas"]), count(&it["status"]["replicas"]))).collect();
        sizes.sort_unstable();
        sizes == [(1, old, old), (2, new, new)]
    };
    server.when_all("replicasets", "eight old and five new", |it| sizes(it, 8, 5)).await;
}

async fn sizes_become(server: &Server, wanted: [i64; 2]) {
    let sizes = |all: &[Value]| {
        let mut sizes: Vec<(i64, i64)> = all.iter().map(|it| (revision(it), count(&it["spec"]["replicas"]))).collect();
        sizes.sort_unstable();
        sizes.iter().map(|it| it.1).collect::<Vec<_>>() == wanted
    };
    server.when_all("replicasets", &format!("{wanted:?}"), sizes).await;
}

pub async fn scenario_50_a_new_size_in_mid_rollout_is_shared_in_proportion(server: Server) {
    halfway(&server).await;
    let from = server.now().await;
    server.scale("deployments", "web", 15).await;
    let mut grown = std::collections::BTreeMap::new();
    server.when("deployments", "web", "its new size", |it| it["status"]["observedGeneration"] == it["metadata"]["generation"]).await;
    server
        .when_all("replicasets", "all resized", |it| it.iter().all(|set| set["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"] == "15"))
        .await;
    for event in server.since("replicasets", &from).await {
        let set = &event.object;
        if set["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"] == "15" {
            grown.entry(revision(set)).or_insert_with(|| count(&set["spec"]["replicas"]));
        }
    }
    assert_eq!(grown.into_iter().collect::<Vec<_>>(), [(1, 11), (2, 7)]);
}

pub async fn scenario_51_no_replicas_in_mid_rollout_empties_both_revisions(server: Server) {
    halfway(&server).await;
    server.scale("deployments", "web", 0).await;
    sizes_become(&server, [0, 0]).await;
}

pub async fn scenario_52_a_new_size_comes_before_a_new_template(server: Server) {
    server.running(2, "shop/web:1", json!({})).await;
    let from = server.now().await;
    let mut both = with_image("shop/web:2");
    both["spec"]["replicas"] = 4.into();
    server.edit(both).await;
    server.rolled_out().await;
    let events = server.since("replicasets", &from).await;
    let resized = events.iter().position(|it| revision(&it.object) == 1 && count(&it.object["spec"]["replicas"]) == 4).expect("the old one is resized");
    let made = events.iter().position(|it| it.kind == "ADDED").expect("the new one is made");
    assert!(resized < made);
}

pub async fn scenario_53_a_paused_deployment_is_resized_but_not_rolled_out(server: Server) {
    server.running(2, "shop/web:1", json!({})).await;
    server.edit(json!({ "spec": { "paused": true } })).await;
    server.edit(with_image("shop/web:2")).await;
    let web = server.when("deployments", "web", "observed", |it| it["status"]["observedGeneration"] == it["metadata"]["generation"]).await;
    let progressing = condition(&web, "Progressing");
    assert_eq!((text(&progressing["status"]), reason(&web, "Progressing")), ("Unknown", "DeploymentPaused"));
    assert_eq!(text(&progressing["message"]), "Deployment is paused");
    assert!(web["status"]["updatedReplicas"].is_null(), "{}", web["status"]);
    server.scale("deployments", "web", 3).await;
    let sets = server.when_all("replicasets", "resized", |it| it.iter().any(|set| count(&set["spec"]["replicas"]) == 3)).await;
    assert_eq!(sets.len(), 1);
}

pub async fn scenario_54_two_edits_in_a_pause_are_one_revision(server: Server) {
    server.running(1, "shop/web:1", json!({ "paused": false })).await;
    server.edit(json!({ "spec": { "paused": true } })).await;
    server.edit(with_image("shop/web:2")).await;
    server.edit(with_image("shop/web:3")).await;
    let resumed = server.edit(json!({ "spec": { "paused": null } })).await;
    assert!(resumed["spec"]["paused"].is_null());
    let web = server.rolled_out().await;
    assert_eq!((revision(&web), server.revisions().await.as_slice()), (2, &[1, 2][..]));
}

pub async fn scenario_55_recreate_waits_for_the_last_old_pod(server: Server) {
    server.running(2, "shop/web:1", json!({ "strategy": { "type": "Recreate" } })).await;
    let from = server.now().await;
    server.release("shop/web:2").await;
    let events = server.since("pods", &from).await;
    let gone = events.iter().rposition(|it| it.kind == "DELETED" && image(&it.object) == "shop/web:1").expect("the old ones go");
    let comes = events.iter().position(|it| it.kind == "ADDED" && image(&it.object) == "shop/web:2").expect("new ones come");
    assert!(gone < comes);
    assert_eq!(events.iter().filter(|it| it.kind == "DELETED").count(), 2);
}

pub async fn scenario_57_an_old_template_written_again_is_its_old_revision(server: Server) {
    server.running(1, "shop/web:1", json!({})).await;
    server.release("shop/web:2").await;
    let before = server.sets().await;
    let web = server.release("shop/web:1").await;
    let after = server.sets().await;
    assert_eq!(revision(&web), 3);
    assert_eq!(after.iter().map(revision).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(name(&after[1]), name(&before[0]));
}

pub async fn scenario_58_a_taken_name_counts_as_a_collision(server: Server) {
    server.running(0, "shop/web:1", json!({})).await;
    let taken = name(&server.sets().await[0]).to_owned();
    server.delete("deployments", "web", json!({ "propagationPolicy": "Background" })).await;
    server.until("the set is gone", || async { server.is_gone("replicasets", &taken).await.then_some(()) }).await;
    let stranger = json!({
        "metadata": { "name": taken }, "spec": { "replicas": 0, "selector": { "matchLabels": { "app": "stranger" } }, "template": super::stage::template("stranger", "shop/s:1") },
    });
    server.make("replicasets", stranger).await;
    let web = server.running(1, "shop/web:1", json!({})).await;
    assert_eq!(web["status"]["collisionCount"], 1);
    let own: Vec<String> = server.all("replicasets").await.iter().map(|it| name(it).to_owned()).filter(|it| *it != taken).collect();
    assert_eq!(own.len(), 1);
    assert!(own[0].starts_with("web-"), "{own:?}");
}

pub async fn scenario_59_annotations_reach_the_newest_revision_without_a_rollout(server: Server) {
    let before = server.running(1, "shop/web:1", json!({})).await;
    let labelled = server.edit(json!({ "metadata": { "labels": { "team": "a" } } })).await;
    assert_eq!(labelled["metadata"]["generation"], before["metadata"]["generation"]);
    let annotated = server.edit(json!({ "metadata": { "annotations": { "note": "x" } } })).await;
    assert_eq!(count(&annotated["metadata"]["generation"]), count(&before["metadata"]["generation"]) + 1);
    let sets = server.when_all("replicasets", "annotated", |it| it[0]["metadata"]["annotations"]["note"] == "x").await;
    assert_eq!((sets.len(), revision(&sets[0])), (1, 1));
    assert!(sets[0]["metadata"]["labels"]["team"].is_null());
}

pub async fn scenario_60_pods_are_available_a_while_after_they_are_ready(server: Server) {
    server.deployment(1, "shop/web:1", json!({ "minReadySeconds": 3 })).await;
    let ready = server.when("deployments", "web", "a ready pod", |it| count(&it["status"]["readyReplicas"]) == 1).await;
    assert!(ready["status"]["availableReplicas"].is_null(), "{}", ready["status"]);
    let pod = server.all("pods").await.pop().expect("one pod");
    server.when("deployments", "web", "an available pod", |it| count(&it["status"]["availableReplicas"]) == 1).await;
    assert_eq!(version(&server.object("pods", name(&pod)).await), version(&pod), "nothing happened to the pod meanwhile");
}

pub async fn scenario_61_orphans_are_adopted_and_their_numbers_go_on(server: Server) {
    server.running(1, "shop/web:1", json!({})).await;
    server.release("shop/web:2").await;
    server.delete("deployments", "web", json!({ "propagationPolicy": "Orphan" })).await;
    server.until("the Deployment is gone", || async { server.is_gone("deployments", "web").await.then_some(()) }).await;
    assert!(server.all("replicasets").await.iter().all(|it| it["metadata"]["ownerReferences"].is_null()));
    let web = server.running(1, "shop/web:3", json!({})).await;
    assert_eq!(revision(&web), 3);
    let sets = server.sets().await;
    assert_eq!(sets.iter().map(revision).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(sets.iter().all(|it| it["metadata"]["ownerReferences"][0]["uid"] == web["metadata"]["uid"]));
}

pub async fn scenario_62_rollouts_that_are_overtaken_leave_no_gap(server: Server) {
    server.running(2, "shop/web:1", json!({})).await;
    server.edit(with_image("shop/web:2-neverready")).await;
    server.when_all("replicasets", "a second revision", |it| it.iter().any(|set| revision(set) == 2 && count(&set["status"]["replicas"]) == 1)).await;
    let from = server.now().await;
    let web = server.release("shop/web:3").await;
    assert_eq!((revision(&web), server.revisions().await.as_slice()), (3, &[1, 2, 3][..]));
    let shrunk =
        |wanted: i64, events: &[super::stage::Event]| events.iter().position(|it| revision(&it.object) == wanted && count(&it.object["spec"]["replicas"]) == 0);
    let events = server.since("replicasets", &from).await;
    assert!(shrunk(2, &events) < shrunk(1, &events), "the unready one is given up first");
}
