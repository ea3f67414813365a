//! Inputs for the tests of this floor: recordings of a real control plane, and the smallest objects that show a point.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::workload::{Snapshot, Workload};

/// The moment at which all samples are looked at.
pub(super) fn now() -> Timestamp {
    "2026-11-22T20:00:00Z".parse().expect("a time")
}

pub(super) fn ago(seconds: i64) -> String {
    super::object::after(now(), -seconds).to_string()
}

fn file(name: &str) -> String {
    let path = format!("{}/tests/recordings/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What kubectl printed.
pub(super) fn printed(step: &str) -> String {
    file(&format!("{step}.txt"))
}

/// What the API server had.
pub(super) fn recorded(step: &str) -> Snapshot {
    let mut all: Value = serde_json::from_str(&file(&format!("{step}.json"))).expect("a recording");
    let mut list = |key: &str| all[key].as_array_mut().map(std::mem::take).expect("a list");
    let (revisions, pods) = (list("revisions"), list("pods"));
    Snapshot { workload: Workload::new(all["workload"].take()).expect("a workload"), revisions, pods }
}

pub(super) fn workload(object: Value) -> Workload {
    Workload::new(object).expect("a workload")
}

/// The same snapshot with another workload object.
pub(super) fn with(snapshot: &Snapshot, edit: impl FnOnce(&mut Value)) -> Snapshot {
    let mut object = snapshot.workload.object().clone();
    edit(&mut object);
    Snapshot { workload: workload(object), ..snapshot.clone() }
}

pub(super) fn template(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image}]}})
}

/// `deployment/web` in `shop` with three replicas, its rollout complete.
pub(super) fn deployment(image: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "web-uid", "resourceVersion": "100", "generation": 5},
        "spec": {
            "replicas": 3, "selector": {"matchLabels": {"app": "web"}}, "template": template(image), "progressDeadlineSeconds": 600,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}
        },
        "status": {"observedGeneration": 5, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3}
    })
}

fn owner(of: &Value) -> Value {
    json!([{"apiVersion": of["apiVersion"], "kind": of["kind"], "name": of["metadata"]["name"], "uid": of["metadata"]["uid"], "controller": true}])
}

/// `replicaset/web-N` with as many pods as it shall have, all available.
pub(super) fn replica_set(number: i64, image: &str, pods: i64) -> Value {
    let mut template = template(image);
    template["metadata"]["labels"]["pod-template-hash"] = format!("h{number}").into();
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": format!("web-{number}"), "namespace": "shop", "uid": format!("rs-{number}"), "resourceVersion": "90", "generation": 1,
            "creationTimestamp": ago(10_000 - number * 100), "ownerReferences": owner(&deployment(image)),
            "annotations": {"deployment.kubernetes.io/revision": number.to_string(), "deployment.kubernetes.io/desired-replicas": "3"}
        },
        "spec": {"replicas": pods, "template": template},
        "status": {"replicas": pods, "readyReplicas": pods, "availableReplicas": pods}
    })
}

/// A pod of an owner with the status of its one container.
pub(super) fn pod(name: &str, of: &Value, container: Value) -> Value {
    let ready = container["ready"] == true;
    let mut container = container;
    container["name"] = "web".into();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "resourceVersion": "80", "creationTimestamp": ago(100), "ownerReferences": owner(of)},
        "spec": {"nodeName": "node-1", "containers": [{"name": "web", "image": "shop/web:1"}]},
        "status": {
            "phase": "Running", "startTime": ago(100), "containerStatuses": [container],
            "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }, "reason": "ContainersNotReady", "message": "containers with unready status: [web]"}]
        }
    })
}

pub(super) fn running() -> Value {
    json!({"ready": true, "restartCount": 0, "state": {"running": {}}})
}

pub(super) fn waiting(reason: &str, message: &str) -> Value {
    json!({"ready": false, "restartCount": 0, "state": {"waiting": {"reason": reason, "message": message}}})
}

pub(super) fn crashed(restarts: i64) -> Value {
    json!({
        "ready": false, "restartCount": restarts,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container=web"}},
        "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": ago(20)}}
    })
}

/// `deployment/web` with an image that is live and its ReplicaSets: number, image, pods.
pub(super) fn web(image: &str, revisions: &[(i64, &str, i64)]) -> Snapshot {
    let revisions = revisions.iter().map(|(number, image, pods)| replica_set(*number, image, *pods)).collect();
    Snapshot { workload: workload(deployment(image)), revisions, pods: Vec::new() }
}

/// Three revisions, the third live and complete.
pub(super) fn third_live() -> Snapshot {
    web("shop/web:3", &[(1, "shop/web:1", 0), (2, "shop/web:2", 0), (3, "shop/web:3", 3)])
}

/// Revision 4 is live and stuck with one pod that does not become ready, the pods of 3 still carry the load.
pub(super) fn fourth_stuck(container: Value) -> Snapshot {
    let mut snapshot = web("shop/web:4", &[(2, "shop/web:2", 0), (3, "shop/web:3", 3), (4, "shop/web:4", 1)]);
    snapshot.revisions[2]["status"] = json!({"replicas": 1});
    snapshot.pods = vec![pod("web-4-a", &snapshot.revisions[2], container)];
    snapshot.pods.extend(["a", "b", "c"].map(|it| pod(&format!("web-3-{it}"), &snapshot.revisions[1], running())));
    with(&snapshot, |object| {
        object["status"] = json!({"observedGeneration": 5, "replicas": 4, "updatedReplicas": 1, "readyReplicas": 3, "availableReplicas": 3})
    })
}

/// A Progressing condition.
pub(super) fn progressing(reason: &str, message: &str, updated: &str) -> Value {
    json!([{"type": "Progressing", "status": "False", "reason": reason, "message": message, "lastUpdateTime": updated}])
}
