//! What people do to workloads, as kubectl sends it: images good and bad, sizes, restarts, pauses, undos, causes, labels, applied files, pods deleted by hand.

use serde_json::{Value, json};

use super::operations::{Dice, Operation, Owned, STRATEGIC, Subject, merge, plain};

const KUBECTL: &str = "kubectl/v1.36.3";
const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";

fn patch(subject: Subject, part: &str, content_type: &'static str, body: &Value) -> Operation {
    Operation::Send { subject, method: "PATCH", rest: format!("/{}{part}", subject.name), content_type, agent: KUBECTL, body: body.to_string() }
}

fn of_template(body: Value) -> Value {
    json!({ "spec": { "template": body } })
}

/// `kubectl set image`.
fn set_image(dice: &mut Dice, subject: Subject) -> Operation {
    let tag = dice.one(&["1", "2", "3", "4", "5-missing", "6-neverready"]);
    let container = json!({ "name": "app", "image": format!("shop/{}:{tag}", subject.name) });
    let body = of_template(json!({ "spec": { "$setElementOrder/containers": [{ "name": "app" }], "containers": [container] } }));
    patch(subject, "?fieldManager=kubectl-set", STRATEGIC, &body)
}

/// `kubectl set env` and `kubectl set resources`.
fn set_more(dice: &mut Dice, subject: Subject) -> Operation {
    let mut container = json!({ "name": "app" });
    let value = dice.one(&["debug", "info"]);
    let all = [
        json!({ "$setElementOrder/env": [{ "name": "LOG" }], "env": [{ "name": "LOG", "value": value }] }),
        json!({ "env": [{ "name": "LOG", "$patch": "delete" }] }),
        json!({ "resources": { "limits": { "cpu": "200m", "memory": "128Mi" }, "requests": { "cpu": "100m" } } }),
        json!({ "resources": { "limits": { "cpu": "0.2" } } }),
    ];
    merge(&mut container, &dice.one(&all));
    let body = of_template(json!({ "spec": { "$setElementOrder/containers": [{ "name": "app" }], "containers": [container] } }));
    patch(subject, "?fieldManager=kubectl-set", STRATEGIC, &body)
}

fn restart(dice: &mut Dice, subject: Subject) -> Operation {
    let at = format!("2026-11-25T0{}:00:00Z", dice.below(10));
    let body = of_template(json!({ "metadata": { "annotations": { "kubectl.kubernetes.io/restartedAt": at } } }));
    patch(subject, "?fieldManager=kubectl-rollout", STRATEGIC, &body)
}

fn scale(dice: &mut Dice, subject: Subject) -> Operation {
    let replicas = dice.one(&[0, 1, 2, 3, 4, 5]);
    patch(subject, "/scale?fieldManager=kubectl", MERGE, &json!({ "spec": { "replicas": replicas } }))
}

/// `kubectl apply` of a file: made if it is not there, else patched with what the file says.
fn apply_file(dice: &mut Dice, subject: Subject, fresh: bool) -> Operation {
    let mut object = plain(dice, subject);
    let replicas = &object["spec"]["replicas"];
    if replicas.is_number() && dice.percent(50) {
        object["spec"].as_object_mut().map(|it| it.remove("replicas"));
    }
    let applied = format!("{object}\n");
    object["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] = applied.into();
    if fresh {
        let rest = "?fieldManager=kubectl-client-side-apply&fieldValidation=Strict".to_owned();
        return Operation::Send { subject, method: "POST", rest, content_type: JSON, agent: KUBECTL, body: object.to_string() };
    }
    object.as_object_mut().map(|it| (it.remove("apiVersion"), it.remove("kind")));
    object["metadata"].as_object_mut().map(|it| it.remove("name"));
    object["spec"]["template"]["spec"]["$setElementOrder/containers"] = json!([{ "name": "app" }]);
    patch(subject, "?fieldManager=kubectl-client-side-apply&fieldValidation=Strict", STRATEGIC, &object)
}

fn strategy(dice: &mut Dice, subject: Subject) -> Operation {
    let all = match subject.plural {
        "deployments" => vec![
            json!({ "strategy": { "$retainKeys": ["type"], "type": "Recreate" } }),
            json!({ "strategy": { "$retainKeys": ["type", "rollingUpdate"], "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } } }),
            json!({ "strategy": { "$retainKeys": ["type", "rollingUpdate"], "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 0, "maxUnavailable": "50%" } } }),
            json!({ "strategy": { "$retainKeys": ["type", "rollingUpdate"], "type": "RollingUpdate", "rollingUpdate": { "maxSurge": "100%", "maxUnavailable": "100%" } } }),
            json!({ "revisionHistoryLimit": 1 }),
            json!({ "revisionHistoryLimit": 3 }),
            json!({ "minReadySeconds": 2 }),
            json!({ "minReadySeconds": 0 }),
            json!({ "progressDeadlineSeconds": 900 }),
        ],
        "statefulsets" => vec![
            json!({ "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 1 } } }),
            json!({ "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 2 } } }),
            json!({ "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } } }),
            json!({ "updateStrategy": { "type": "OnDelete", "rollingUpdate": null } }),
            json!({ "ordinals": { "start": 1 } }),
            json!({ "ordinals": { "start": 0 } }),
            json!({ "minReadySeconds": 2 }),
            json!({ "revisionHistoryLimit": 1 }),
        ],
        _ => vec![
            json!({ "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": "50%", "maxSurge": 0 } } }),
            json!({ "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 0, "maxSurge": 1 } } }),
            json!({ "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": 1, "maxSurge": 0 } } }),
            json!({ "updateStrategy": { "type": "OnDelete", "rollingUpdate": null } }),
            json!({ "template": { "spec": { "nodeSelector": { "no": "such" } } } }),
            json!({ "template": { "spec": { "nodeSelector": null } } }),
            json!({ "minReadySeconds": 2 }),
            json!({ "revisionHistoryLimit": 1 }),
        ],
    };
    let body = json!({ "spec": dice.one(&all) });
    patch(subject, "?fieldManager=kubectl-edit", STRATEGIC, &body)
}

/// `kubectl annotate` and `kubectl label`.
fn mark(dice: &mut Dice, subject: Subject) -> Operation {
    let (manager, body) = dice.one(&[
        ("kubectl-annotate", json!({ "metadata": { "annotations": { "kubernetes.io/change-cause": "the first release" } } })),
        ("kubectl-annotate", json!({ "metadata": { "annotations": { "kubernetes.io/change-cause": "a better one" } } })),
        ("kubectl-annotate", json!({ "metadata": { "annotations": { "kubernetes.io/change-cause": null } } })),
        ("kubectl-annotate", json!({ "metadata": { "annotations": { "owner": "shop" } } })),
        ("kubectl-label", json!({ "metadata": { "labels": { "tier": "front" } } })),
        ("kubectl-label", json!({ "metadata": { "labels": { "tier": null } } })),
    ]);
    patch(subject, &format!("?fieldManager={manager}"), MERGE, &body)
}

/// A creation as people make it.
pub fn create(dice: &mut Dice, subject: Subject) -> Operation {
    apply_file(dice, subject, true)
}

/// A change as people make it; `None` where nobody does much with such an object.
pub fn change(dice: &mut Dice, subject: Subject) -> Option<Operation> {
    if !subject.is_workload() {
        return None;
    }
    let plural = subject.plural;
    Some(match dice.below(100) {
        0..28 => set_image(dice, subject),
        28..34 => set_more(dice, subject),
        34..40 => restart(dice, subject),
        40..50 if plural != "daemonsets" => scale(dice, subject),
        50..58 if plural == "deployments" => {
            let body = dice.one(&[json!({ "spec": { "paused": true } }), json!({ "spec": { "paused": null } })]);
            patch(subject, "?fieldManager=kubectl-rollout", STRATEGIC, &body)
        }
        58..68 if plural != "replicasets" => Operation::Undo { subject, to: dice.one(&[0, 0, 0, 1, 2, 3, 9]), agent: KUBECTL },
        68..74 => mark(dice, subject),
        74..80 => apply_file(dice, subject, false),
        80..88 if plural != "replicasets" => strategy(dice, subject),
        88..94 => Operation::Owned { subject, what: dice.one(&[Owned::DeletePod, Owned::DeletePod, Owned::EvictPod, Owned::DetachPod]) },
        94..100 if plural == "deployments" => Operation::Owned { subject, what: dice.one(&[Owned::DeleteNewestSet, Owned::DeleteOldestSet, Owned::ScaleSet]) },
        _ => set_image(dice, subject),
    })
}
