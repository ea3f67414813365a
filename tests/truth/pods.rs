//! Scenarios of pods that fare badly, and of their end.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::server::Server;
use super::stage::{count, is_deleting, name, text, version};

async fn solo(server: &Server, image: &str) -> Value {
    server.make("pods", json!({ "metadata": { "name": "solo" }, "spec": { "containers": [{ "name": "app", "image": image }] } })).await
}

fn waits_for(pod: &Value) -> &str {
    text(&pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"])
}

pub async fn scenario_74_a_bad_image_stays_pending_between_two_reasons(server: Server) {
    let made = solo(&server, "shop/solo:badpull").await;
    server.when("pods", "solo", "backed off", |it| waits_for(it) == "ImagePullBackOff").await;
    server.when("pods", "solo", "tried again", |it| waits_for(it) == "ErrImagePull").await;
    let mut reasons = BTreeSet::new();
    for event in server.since("pods", version(&made)).await {
        assert_eq!(event.object["status"]["phase"], "Pending");
        reasons.insert(waits_for(&event.object).to_owned());
    }
    assert!(reasons.contains("ErrImagePull") && reasons.contains("ImagePullBackOff"), "{reasons:?}");
}

pub async fn scenario_75_a_crash_loops_while_the_pod_runs(server: Server) {
    solo(&server, "shop/solo:crash").await;
    let pod = server.when("pods", "solo", "backed off", |it| waits_for(it) == "CrashLoopBackOff").await;
    let status = &pod["status"]["containerStatuses"][0];
    assert_eq!(pod["status"]["phase"], "Running");
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 1);
    assert_eq!(status["lastState"]["terminated"]["reason"], "Error");
    assert!(text(&status["state"]["waiting"]["message"]).starts_with("back-off 10s restarting failed container=app pod=solo_"), "{status}");
    let before = count(&status["restartCount"]);
    server.when("pods", "solo", "restarted", |it| count(&it["status"]["containerStatuses"][0]["restartCount"]) > before).await;
}

pub async fn scenario_76_a_deleted_pod_is_replaced_before_it_is_gone(server: Server) {
    server.running(1, "shop/web:1", json!({})).await;
    let pod = server.all("pods").await.pop().expect("one pod");
    let answer = server.delete("pods", name(&pod), json!({})).await;
    assert!(is_deleting(&answer.body), "a pod is answered with itself");
    assert_eq!(answer.body["metadata"]["deletionGracePeriodSeconds"], 2);
    server.when_all("pods", "only the new one", |it| it.len() == 1 && name(&it[0]) != name(&pod)).await;
    let events = server.since("pods", version(&pod)).await;
    let comes = events.iter().position(|it| it.kind == "ADDED").expect("a new one comes");
    let gone = events.iter().position(|it| it.kind == "DELETED").expect("the old one goes");
    assert!(comes < gone);
}
