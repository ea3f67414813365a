//! Scenarios of revisions and of going back to them.

use serde_json::{Value, json};

use super::server::Server;
use super::stage::{MERGE, STRATEGIC, count, image, name, revision, text, version, with_image};

const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const CAUSE: &str = "kubernetes.io/change-cause";

async fn three_revisions(server: &Server) {
    server.running(1, "shop/web:1", json!({})).await;
    server.release("shop/web:2").await;
    server.release("shop/web:3").await;
    assert_eq!(server.revisions().await, [1, 2, 3]);
}

pub async fn scenario_11_undo_makes_the_former_revision_the_newest(server: Server) {
    three_revisions(&server).await;
    let before: Vec<String> = server.sets().await.iter().map(|it| name(it).to_owned()).collect();
    server.undo(2).await;
    let web = server.rolled_out().await;
    assert_eq!((image(&web), revision(&web)), ("shop/web:2", 4));
    let sets = server.sets().await;
    assert_eq!(sets.iter().map(revision).collect::<Vec<_>>(), [1, 3, 4]);
    let newest = sets.last().expect("three sets");
    assert_eq!((name(newest), text(&newest["metadata"]["annotations"][HISTORY])), (before[1].as_str(), "2"));
}

pub async fn scenario_12_undo_again_goes_back_and_forth(server: Server) {
    three_revisions(&server).await;
    server.undo(2).await;
    server.rolled_out().await;
    server.undo(3).await;
    server.rolled_out().await;
    assert_eq!(server.revisions().await, [1, 4, 5]);
    server.undo(4).await;
    server.rolled_out().await;
    let sets = server.sets().await;
    assert_eq!(sets.iter().map(revision).collect::<Vec<_>>(), [1, 5, 6]);
    assert_eq!(text(&sets[2]["metadata"]["annotations"][HISTORY]), "2,4");
}

pub async fn scenario_16_without_a_history_limit_no_old_revision_is_left(server: Server) {
    server.running(1, "shop/web:1", json!({ "revisionHistoryLimit": 0 })).await;
    server.release("shop/web:2").await;
    let left = server.when_all("replicasets", "only the newest", |it| it.len() == 1).await;
    assert_eq!(revision(&left[0]), 2);
}

pub async fn scenario_20_an_annotation_that_is_deleted_stays_on_its_old_revision(server: Server) {
    server.running(1, "shop/web:1", json!({})).await;
    server.edit(json!({ "metadata": { "annotations": { "keep": "me" } } })).await;
    server.when_all("replicasets", "annotated", |it| it[0]["metadata"]["annotations"]["keep"] == "me").await;
    server.edit(json!({ "metadata": { "annotations": { "keep": null } } })).await;
    server.release("shop/web:2").await;
    let keeps: Vec<Value> = server.sets().await.iter().map(|it| it["metadata"]["annotations"]["keep"].clone()).collect();
    assert_eq!(keeps, [json!("me"), Value::Null]);
    let web = server.undo(1).await;
    assert_eq!(web["metadata"]["annotations"]["keep"], "me");
}

pub async fn scenario_23_an_undo_is_one_generation(server: Server) {
    server.running(1, "shop/web:1", json!({})).await;
    let before = server.release("shop/web:2").await;
    server.undo(1).await;
    let after = server.rolled_out().await;
    assert_eq!(count(&after["metadata"]["generation"]), count(&before["metadata"]["generation"]) + 1);
    assert_eq!(revision(&after), 3, "the controller's annotation is no generation");
}

pub async fn scenario_24_the_stored_template_has_no_hash(server: Server) {
    server.running(1, "shop/web:1", json!({})).await;
    server.release("shop/web:2").await;
    server.undo(1).await;
    let web = server.rolled_out().await;
    assert_eq!(web["spec"]["template"]["metadata"]["labels"], json!({ "app": "web" }));
    assert_eq!(server.revisions().await, [2, 3]);
}

pub async fn scenario_25_a_dry_run_stores_nothing(server: Server) {
    let before = server.running(1, "shop/web:1", json!({})).await;
    let path = format!("{}?dryRun=All", server.at("deployments", "web"));
    let answer = server.ask("PATCH", &path, STRATEGIC, &with_image("shop/web:2").to_string()).await;
    assert_eq!((answer.code, image(&answer.body)), (200, "shop/web:2"));
    assert_eq!(answer.body["metadata"]["generation"], 2);
    assert_eq!(version(&answer.body), version(&before));
    assert_eq!(server.object("deployments", "web").await, before);
}

pub async fn scenario_26_a_stateful_set_that_is_put_back_reuses_its_revision(server: Server) {
    server.stateful_set(1, "shop/db:1", json!({})).await;
    let first = server.updated(1).await;
    server.patch("statefulsets", "db", with_image("shop/db:2")).await;
    server.when("statefulsets", "db", "a second revision", |it| it["status"]["updateRevision"] != first["status"]["updateRevision"]).await;
    server.updated(1).await;
    let numbers = |all: &[Value]| {
        let mut all: Vec<(i64, String)> = all.iter().map(|it| (count(&it["revision"]), name(it).to_owned())).collect();
        all.sort();
        all
    };
    let before = server.all("controllerrevisions").await;
    assert_eq!(numbers(&before).iter().map(|it| it.0).collect::<Vec<_>>(), [1, 2]);
    let old = before.iter().find(|it| it["revision"] == 1).expect("the first");
    // As kubectl does: the bytes of the old revision are the patch.
    server.patch("statefulsets", "db", old["data"].clone()).await;
    server.when("statefulsets", "db", "the first again", |it| it["status"]["updateRevision"] == first["status"]["updateRevision"]).await;
    server.updated(1).await;
    let after = numbers(&server.all("controllerrevisions").await);
    assert_eq!(after.iter().map(|it| it.0).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(after[1].1, name(old));
}

pub async fn scenario_28_a_daemon_set_that_is_put_back_to_what_it_is_does_not_change(server: Server) {
    server.daemon_set("shop/agent:1", json!({})).await;
    server.when("daemonsets", "agent", "ready", |it| count(&it["status"]["numberReady"]) == 3).await;
    let revisions = server.when_all("controllerrevisions", "one", |it| it.len() == 1).await;
    let before = server.object("daemonsets", "agent").await;
    let after = server.patch("daemonsets", "agent", revisions[0]["data"].clone()).await;
    assert_eq!(version(&after), version(&before));
}

pub async fn scenario_29_a_stateful_set_takes_the_cause_with_its_template_only(server: Server) {
    server.stateful_set(1, "shop/db:1", json!({})).await;
    server.updated(1).await;
    server.patch("statefulsets", "db", json!({ "metadata": { "annotations": { CAUSE: "too late" } } })).await;
    let mut together = with_image("shop/db:2");
    together["metadata"]["annotations"][CAUSE] = "in time".into();
    server.patch("statefulsets", "db", together).await;
    let all = server.when_all("controllerrevisions", "two", |it| it.len() == 2).await;
    let cause = |number: i64| all.iter().find(|it| it["revision"] == number).map(|it| it["metadata"]["annotations"][CAUSE].clone());
    assert_eq!((cause(1), cause(2)), (Some(Value::Null), Some(json!("in time"))));
}

pub async fn scenario_30_a_late_cause_reaches_the_newest_revision_only(server: Server) {
    server.running(1, "shop/web:1", json!({})).await;
    server.release("shop/web:2").await;
    let answer = server.try_patch("deployments", "web", MERGE, &json!({ "metadata": { "annotations": { CAUSE: "late" } } })).await;
    assert!(answer.is_good());
    let newest = |all: &[Value]| all.iter().any(|it| revision(it) == 2 && it["metadata"]["annotations"][CAUSE] == "late");
    let all = server.when_all("replicasets", "the cause on the newest", newest).await;
    assert!(all.iter().all(|it| revision(it) == 2 || it["metadata"]["annotations"][CAUSE].is_null()));
}

pub async fn scenario_38_a_stateful_set_without_a_strategy_gets_a_partition(server: Server) {
    let db = server.stateful_set(0, "shop/db:1", json!({})).await;
    assert_eq!(db["spec"]["updateStrategy"], json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } }));
}

pub async fn scenario_39_a_stateful_set_that_names_its_strategy_gets_none(server: Server) {
    let db = server.stateful_set(0, "shop/db:1", json!({ "updateStrategy": { "type": "RollingUpdate" } })).await;
    assert_eq!(db["spec"]["updateStrategy"], json!({ "type": "RollingUpdate" }));
}
