//! A rollout in the simulator beside the recording of the same rollout on a real control plane: per object, the same states in the same order.

use serde_json::{Value, json};

use super::object::{list, name, replicas, status_count};
use super::play::Play;
use crate::sim::kinds::Kind;

const REPLICA_SETS: &str = include_str!("../../../tests/recordings/watch-replicasets.jsonl");
const DEPLOYMENTS: &str = include_str!("../../../tests/recordings/watch-deployments.jsonl");

fn recorded(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON")["object"].clone()).collect()
}

/// The size and the counts of a ReplicaSet, in one line.
fn set_state(set: &Value) -> String {
    let count = |field| status_count(set, field);
    let counts = ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "terminatingReplicas"].map(count);
    format!("{} {counts:?} observed {}", replicas(set), set["metadata"]["generation"] == set["status"]["observedGeneration"])
}

/// The counts and conditions of a Deployment, in one line.
fn deployment_state(deployment: &Value) -> String {
    let count = |field| status_count(deployment, field);
    let counts = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas"].map(count);
    let conditions: Vec<String> =
        list(&deployment["status"]["conditions"]).iter().map(|it| format!("{}={}/{}", it["type"], it["status"], it["reason"])).collect();
    format!("{counts:?} {}", conditions.join(" "))
}

fn states(objects: &[Value], of: impl Fn(&Value) -> String) -> Vec<String> {
    let mut states: Vec<String> = objects.iter().map(of).collect();
    states.dedup();
    states
}

fn web(play: &mut Play) {
    play.create(
        Kind::DEPLOYMENTS,
        json!({
            "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}, "annotations": {"kubernetes.io/change-cause": "initial: nginx 1.25"}},
            "spec": {
                "replicas": 3, "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{
                    "name": "nginx", "image": "nginx:1.25", "ports": [{"containerPort": 80}], "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}},
                    "readinessProbe": {"httpGet": {"path": "/", "port": 80}, "initialDelaySeconds": 1, "periodSeconds": 2},
                }]}},
            },
        }),
    );
    play.wait(20.0);
}

#[test]
fn a_rollout_passes_through_the_states_that_were_recorded() {
    let mut play = Play::small();
    web(&mut play);
    let start = play.world.store.version();
    play.set_image(Kind::DEPLOYMENTS, "web", "nginx:1.26");
    play.wait(60.0);
    let played = |kind: Kind| -> Vec<Value> { play.world.store.since(kind, start).expect("a short past").map(|entry| Value::clone(&entry.object)).collect() };
    let sets = recorded(REPLICA_SETS);
    for set in ["web-5fc8c66687", "web-68b85755d"] {
        let of = |objects: &[Value]| states(&objects.iter().filter(|it| name(it) == set).cloned().collect::<Vec<_>>(), set_state);
        assert_eq!(of(&played(Kind::REPLICASETS)), of(&sets), "{set}");
    }
    assert_eq!(states(&played(Kind::DEPLOYMENTS), deployment_state), states(&recorded(DEPLOYMENTS), deployment_state));
}
