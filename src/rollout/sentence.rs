//! kubectl's sentence about a rollout, from the counts that its controller keeps. What pods and conditions add is `status`'s.

use super::history;
use super::object::{int, text};
use super::workload::{Kind, Snapshot, Workload};

/// The counts of a status that the controller keeps under different names for each kind.
pub(super) struct Counts {
    pub replicas: i64,
    pub updated: i64,
    pub ready: i64,
    pub available: i64,
    pub unavailable: i64,
}

impl Counts {
    pub(super) fn of(workload: &Workload) -> Self {
        let status = workload.status();
        let count = |field: &str| int(&status[field]);
        match workload.kind() {
            Kind::Deployment | Kind::StatefulSet => Self {
                replicas: count("replicas"),
                updated: count("updatedReplicas"),
                ready: count("readyReplicas"),
                available: count("availableReplicas"),
                unavailable: status["unavailableReplicas"].as_i64().unwrap_or_else(|| (workload.desired() - count("availableReplicas")).max(0)),
            },
            Kind::DaemonSet => Self {
                replicas: count("currentNumberScheduled"),
                updated: count("updatedNumberScheduled"),
                ready: count("numberReady"),
                available: count("numberAvailable"),
                unavailable: count("numberUnavailable"),
            },
        }
    }
}

pub(super) fn is_observed(workload: &Workload) -> bool {
    workload.observed_generation() > 0 && workload.generation() <= workload.observed_generation()
}

/// Whether the rollout of the live template is complete, whatever an older condition says.
pub(super) fn is_complete(snapshot: &Snapshot) -> bool {
    sentence(snapshot, false).1
}

/// kubectl's sentence, and whether it means that the rollout is done.
///
/// # Source
/// kubectl 1.36 `polymorphichelpers/rollout_status.go` (SEMANTICS 3.2 to 3.4). Differs in this: a left-over deadline condition is passed
/// over; a paused Deployment whose template has no ReplicaSet yet is never done, even with no replicas; where kubectl
/// refuses (update on delete) there is a sentence of our own, and done means that the controller has nothing left to do by itself.
pub(super) fn sentence(snapshot: &Snapshot, exceeded: bool) -> (String, bool) {
    let workload = &snapshot.workload;
    let (status, name, kind) = (workload.status(), workload.name(), workload.kind().words());
    let Counts { replicas, updated, ready, available, .. } = Counts::of(workload);
    let desired = workload.desired();
    if !is_observed(workload) {
        return (format!("Waiting for {kind} spec update to be observed..."), false);
    }
    match workload.kind() {
        Kind::Deployment => {
            if exceeded {
                return (format!("deployment \"{name}\" exceeded its progress deadline"), false);
            }
            let waiting = format!("Waiting for deployment \"{name}\" rollout to finish:");
            if updated < desired {
                return (format!("{waiting} {updated} out of {desired} new replicas have been updated..."), false);
            }
            if replicas > updated {
                return (format!("{waiting} {} old replicas are pending termination...", replicas - updated), false);
            }
            if available < updated {
                return (format!("{waiting} {available} of {updated} updated replicas are available..."), false);
            }
            let held_back = workload.paused() && !snapshot.revisions.is_empty() && history::live_owner(snapshot).is_none();
            if held_back {
                return (format!("{waiting} it is paused, and its template has not been rolled out..."), false);
            }
            (format!("deployment \"{name}\" successfully rolled out"), true)
        }
        Kind::StatefulSet | Kind::DaemonSet if workload.strategy_type() == "OnDelete" => {
            if ready < desired {
                return (format!("Waiting for {} pods to be ready...", desired - ready), false);
            }
            let left = if updated < desired { ", the others get it when they are deleted" } else { "" };
            (format!("{kind} \"{name}\" updates pods on delete: {updated} of {desired} pods have the new template{left}"), true)
        }
        Kind::StatefulSet => {
            if ready < desired {
                return (format!("Waiting for {} pods to be ready...", desired - ready), false);
            }
            let rolling = &workload.strategy()["rollingUpdate"];
            if rolling.is_object() {
                let share = desired - int(&rolling["partition"]);
                if updated < share {
                    return (format!("Waiting for partitioned roll out to finish: {updated} out of {share} new pods have been updated..."), false);
                }
                return (format!("partitioned roll out complete: {updated} new pods have been updated..."), true);
            }
            let revision = text(&status["currentRevision"]);
            if status["updateRevision"] != revision {
                let revision = text(&status["updateRevision"]);
                return (format!("waiting for statefulset rolling update to complete {updated} pods at revision {revision}..."), false);
            }
            (format!("statefulset rolling update complete {} pods at revision {revision}...", int(&status["currentReplicas"])), true)
        }
        Kind::DaemonSet => {
            let waiting = format!("Waiting for daemon set \"{name}\" rollout to finish:");
            if updated < desired {
                return (format!("{waiting} {updated} out of {desired} new pods have been updated..."), false);
            }
            if available < desired {
                return (format!("{waiting} {available} of {desired} updated pods are available..."), false);
            }
            (format!("daemon set \"{name}\" successfully rolled out"), true)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::rollout::sample::{third_live, with, workload};

    #[test]
    fn a_deployment_goes_through_the_sentences_of_kubectl() {
        let numbers = |generation: i64, updated: i64, replicas: i64, available: i64| {
            with(&third_live(), |object| {
                object["metadata"]["generation"] = generation.into();
                object["status"] = json!({"observedGeneration": 5, "replicas": replicas, "updatedReplicas": updated, "availableReplicas": available});
            })
        };
        for (snapshot, message) in [
            (numbers(6, 3, 3, 3), "Waiting for deployment spec update to be observed..."),
            (numbers(5, 2, 4, 3), "Waiting for deployment \"web\" rollout to finish: 2 out of 3 new replicas have been updated..."),
            (numbers(5, 3, 4, 4), "Waiting for deployment \"web\" rollout to finish: 1 old replicas are pending termination..."),
            (numbers(5, 3, 3, 2), "Waiting for deployment \"web\" rollout to finish: 2 of 3 updated replicas are available..."),
            (numbers(5, 3, 3, 3), "deployment \"web\" successfully rolled out"),
        ] {
            assert_eq!(sentence(&snapshot, false), (message.to_owned(), message.ends_with("rolled out")));
        }
    }

    #[test]
    fn a_stateful_set_goes_through_the_sentences_of_kubectl() {
        let set = |strategy: Value, more: Value| {
            let mut status = json!({"observedGeneration": 2, "replicas": 5, "readyReplicas": 5, "updatedReplicas": 3, "currentReplicas": 2, "currentRevision": "db-1", "updateRevision": "db-2"});
            json_patch::merge(&mut status, &more);
            let object = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "generation": 2}, "spec": {"replicas": 5, "updateStrategy": strategy, "template": {}}, "status": status});
            Snapshot::of(workload(object))
        };
        let partition = |partition: i64| json!({"type": "RollingUpdate", "rollingUpdate": {"partition": partition}});
        for (snapshot, message, complete) in [
            (set(partition(0), json!({"observedGeneration": 0})), "Waiting for statefulset spec update to be observed...", false),
            (set(partition(0), json!({"observedGeneration": 1})), "Waiting for statefulset spec update to be observed...", false),
            (set(partition(0), json!({"readyReplicas": 4})), "Waiting for 1 pods to be ready...", false),
            (set(partition(0), json!({})), "Waiting for partitioned roll out to finish: 3 out of 5 new pods have been updated...", false),
            (set(partition(2), json!({})), "partitioned roll out complete: 3 new pods have been updated...", true),
            (set(partition(9), json!({"updatedReplicas": 0})), "partitioned roll out complete: 0 new pods have been updated...", true),
            (set(json!({"type": "RollingUpdate"}), json!({})), "waiting for statefulset rolling update to complete 3 pods at revision db-2...", false),
            (
                set(json!({"type": "RollingUpdate"}), json!({"currentRevision": "db-2", "currentReplicas": 5})),
                "statefulset rolling update complete 5 pods at revision db-2...",
                true,
            ),
            (set(json!({"type": "OnDelete"}), json!({"readyReplicas": 3})), "Waiting for 2 pods to be ready...", false),
            (
                set(json!({"type": "OnDelete"}), json!({})),
                "statefulset \"db\" updates pods on delete: 3 of 5 pods have the new template, the others get it when they are deleted",
                true,
            ),
            (
                set(json!({"type": "OnDelete"}), json!({"updatedReplicas": 5})),
                "statefulset \"db\" updates pods on delete: 5 of 5 pods have the new template",
                true,
            ),
        ] {
            assert_eq!(sentence(&snapshot, false), (message.to_owned(), complete));
        }
    }

    #[test]
    fn a_daemon_set_goes_through_the_sentences_of_kubectl() {
        let set = |observed: i64, updated: i64, available: i64| {
            let status = json!({"observedGeneration": observed, "desiredNumberScheduled": 3, "currentNumberScheduled": 3, "updatedNumberScheduled": updated, "numberAvailable": available});
            let object = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent", "generation": 2}, "spec": {"template": {}}, "status": status});
            sentence(&Snapshot::of(workload(object)), false)
        };
        for (said, message) in [
            (set(1, 3, 3), "Waiting for daemon set spec update to be observed..."),
            (set(2, 1, 3), "Waiting for daemon set \"agent\" rollout to finish: 1 out of 3 new pods have been updated..."),
            (set(2, 3, 2), "Waiting for daemon set \"agent\" rollout to finish: 2 of 3 updated pods are available..."),
            (set(2, 3, 3), "daemon set \"agent\" successfully rolled out"),
        ] {
            assert_eq!(said, (message.to_owned(), message.ends_with("rolled out")));
        }
    }
}
