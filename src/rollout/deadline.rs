//! Whether a Deployment's `ProgressDeadlineExceeded` is about the rollout that is going on, or is left over from one before.
//!
//! # Limits
//! The condition says which ReplicaSet timed out, and when; nothing says when the live template became live. What can be decided:
//! - the spec is not yet observed: the condition is about an older one, whatever it says;
//! - it names the ReplicaSet of the live template, and that has never been live before (it has no `revision-history`): it is
//!   about this rollout;
//! - it names that ReplicaSet, which came back by an undo: it is about this rollout when it is not older than the last edit
//!   of the template (by the managed fields' times);
//! - it names another ReplicaSet: left over. The controller keeps such a condition until the new pods make their first progress.
//!
//! A condition that is left over becomes telling when it still stands a whole progress deadline after the last edit of the template:
//! any progress would have replaced it. Without managed fields that moment is not known, and it stays left over.

use jiff::Timestamp;
use serde_json::Value;

use super::history;
use super::object::{self, after, items, text, time};
use super::workload::{Kind, Snapshot, Workload};

pub(super) const REASON: &str = "ProgressDeadlineExceeded";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deadline {
    /// Not exceeded, as far as the condition says.
    Met,
    /// Left over from before; telling from this moment on, if it still stands then.
    LeftOver(Option<Timestamp>),
    /// The present rollout exceeded it.
    Exceeded,
}

pub(super) fn deadline(snapshot: &Snapshot, now: Timestamp) -> Deadline {
    let workload = &snapshot.workload;
    let Some(condition) = exceeded(workload) else { return Deadline::Met };
    if workload.generation() > workload.observed_generation() {
        return Deadline::LeftOver(None);
    }
    // Without the ReplicaSets nothing tells what the condition is about: believe it, as kubectl does.
    let known = !history::owned(workload, &snapshot.revisions).is_empty();
    let live = history::live_owner(snapshot);
    let edited = last_edit(workload);
    let present = match (named(text(&condition["message"])), live) {
        _ if !known => true,
        (Some(("ReplicaSet", name)), Some(live)) if name == object::name(live) => {
            let came_back = object::annotation(live, history::REVISION_HISTORY).is_some();
            let older = edited.zip(time(&condition["lastUpdateTime"])).is_some_and(|(edited, updated)| updated < edited);
            !(came_back && older)
        }
        (Some(("ReplicaSet", _)), _) => false,
        (_, live) => live.is_none(),
    };
    let telling = edited.map(|edited| after(edited, workload.spec()["progressDeadlineSeconds"].as_i64().unwrap_or(600)));
    if present || telling.is_some_and(|telling| telling <= now) { Deadline::Exceeded } else { Deadline::LeftOver(telling) }
}

/// How long until a Deployment's rollout that makes no further progress counts as stalled; `None` when it is not progressing.
pub fn left_s(workload: &Workload, now: Timestamp) -> Option<f64> {
    let condition = object::condition(workload.object(), "Progressing").filter(|_| workload.kind() == Kind::Deployment && !workload.paused())?;
    if condition["status"] != "True" || condition["reason"] == "NewReplicaSetAvailable" || workload.generation() > workload.observed_generation() {
        return None;
    }
    let limit = workload.spec()["progressDeadlineSeconds"].as_i64()?;
    let end = after(time(&condition["lastUpdateTime"])?, limit);
    Some(end.duration_since(now).as_secs_f64().max(0.0))
}

fn exceeded(workload: &Workload) -> Option<&Value> {
    let condition = object::condition(workload.object(), "Progressing").filter(|_| workload.kind() == Kind::Deployment)?;
    (condition["reason"] == REASON).then_some(condition)
}

/// Kind and name out of `ReplicaSet "web-1" has timed out progressing.`
pub(super) fn named(message: &str) -> Option<(&str, &str)> {
    let (kind, rest) = message.split_once(" \"")?;
    Some((kind, rest.split_once('"')?.0))
}

/// When somebody who has set a field of the template last wrote the workload: not before the live template became live.
fn last_edit(workload: &Workload) -> Option<Timestamp> {
    items(&workload.object()["metadata"]["managedFields"])
        .iter()
        .filter(|entry| text(&entry["subresource"]).is_empty() && entry["fieldsV1"]["f:spec"]["f:template"].is_object())
        .filter_map(|entry| time(&entry["time"]))
        .max()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rollout::sample::{ago, fourth_stuck, now, progressing, recorded, waiting, with};

    /// Revision 4 is live; the condition names this ReplicaSet, and the template was edited so long ago.
    fn stuck(names: &str, condition_age_s: i64, edited_s: Option<i64>) -> Snapshot {
        with(&fourth_stuck(waiting("ContainerCreating", "")), |object| {
            object["status"]["conditions"] = progressing(REASON, &format!("{names} has timed out progressing."), &ago(condition_age_s));
            if let Some(edited) = edited_s {
                object["metadata"]["managedFields"] = json!([
                    {"manager": "kubectl-set", "time": ago(edited), "fieldsV1": {"f:spec": {"f:template": {}}}},
                    {"manager": "kubectl-annotate", "time": ago(1), "fieldsV1": {"f:metadata": {}}},
                    {"manager": "kube-controller-manager", "subresource": "status", "time": ago(0), "fieldsV1": {"f:spec": {"f:template": {}}}}
                ]);
            }
        })
    }

    #[test]
    fn a_condition_about_the_live_replica_set_is_telling() {
        assert_eq!(deadline(&stuck("ReplicaSet \"web-4\"", 5, Some(605)), now()), Deadline::Exceeded);
        assert_eq!(deadline(&stuck("ReplicaSet \"web-4\"", 5, None), now()), Deadline::Exceeded);
        for step in ["029-deploy-deadline", "041-deploy-crash"] {
            assert_eq!(deadline(&recorded(step), now()), Deadline::Exceeded, "{step}");
        }
    }

    #[test]
    fn a_condition_left_over_from_before_an_undo_is_not_a_failure() {
        let telling = after(now(), 590);
        assert_eq!(deadline(&stuck("ReplicaSet \"web-3\"", 15, Some(10)), now()), Deadline::LeftOver(Some(telling)));
        assert_eq!(deadline(&stuck("ReplicaSet \"web-3\"", 15, None), now()), Deadline::LeftOver(None));
    }

    #[test]
    fn a_left_over_condition_that_outlives_a_whole_deadline_is_telling() {
        assert_eq!(deadline(&stuck("ReplicaSet \"web-3\"", 1000, Some(600)), now()), Deadline::Exceeded);
        assert_eq!(deadline(&stuck("ReplicaSet \"web-3\"", 1000, Some(599)), now()), Deadline::LeftOver(Some(after(now(), 1))));
    }

    #[test]
    fn a_condition_about_an_earlier_life_of_the_live_replica_set_is_left_over() {
        let mut snapshot = stuck("ReplicaSet \"web-4\"", 15, Some(10));
        snapshot.revisions[2]["metadata"]["annotations"][history::REVISION_HISTORY] = "1".into();
        assert_eq!(deadline(&snapshot, now()), Deadline::LeftOver(Some(after(now(), 590))));
    }

    #[test]
    fn a_condition_about_a_spec_that_is_not_observed_says_nothing() {
        let snapshot = with(&stuck("ReplicaSet \"web-4\"", 5, None), |object| object["metadata"]["generation"] = json!(6));
        assert_eq!(deadline(&snapshot, now()), Deadline::LeftOver(None));
    }

    #[test]
    fn without_replica_sets_the_condition_is_believed() {
        let mut snapshot = stuck("ReplicaSet \"web-3\"", 5, None);
        snapshot.revisions.clear();
        assert_eq!(deadline(&snapshot, now()), Deadline::Exceeded);
    }
}
