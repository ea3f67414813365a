//! The one pod that keeps an OrderedReady StatefulSet from following its template, and the change that deletes just that pod.
//!
//! An OrderedReady StatefulSet goes through its pods from ordinal 0 and stops at the first that is not ready, before it looks at
//! templates. A pod that the old template broke therefore stays, also when the template was put back; only its deletion helps.

use jiff::Timestamp;
use serde_json::Value;

use super::change::{Change, Precondition, Request};
use super::history;
use super::object::{self, int, text};
use super::pod::{is_ready, trouble};
use super::status::Patience;
use super::workload::{Kind, Snapshot};
use crate::error::{Error, Result};
use crate::resource::POD;

/// The first pod that is not ready, which a StatefulSet of this kind waits for; `None` when it is about to make or delete that pod itself.
fn blocking(snapshot: &Snapshot) -> Option<(i64, &Value)> {
    let workload = &snapshot.workload;
    let ordered = workload.spec()["podManagementPolicy"] != "Parallel";
    if workload.kind() != Kind::StatefulSet || !ordered || workload.strategy_type() != "RollingUpdate" || workload.generation() > workload.observed_generation()
    {
        return None;
    }
    let pods = snapshot.own_pods();
    let start = int(&workload.spec()["ordinals"]["start"]);
    for ordinal in start..start.saturating_add(workload.desired()) {
        let name = format!("{}-{ordinal}", workload.name());
        let pod = pods.iter().find(|pod| object::name(pod) == name)?;
        if object::is_terminating(pod) || matches!(text(&pod["status"]["phase"]), "Failed" | "Succeeded") {
            return None;
        }
        if !is_ready(pod) {
            return Some((ordinal - start, pod));
        }
    }
    None
}

/// The pod that blocks and that deleting helps: it was made from another template than it would be made from now.
pub(super) fn wedge(snapshot: &Snapshot) -> Option<&Value> {
    let (index, pod) = blocking(snapshot)?;
    let workload = &snapshot.workload;
    let live = history::live_owner(snapshot)?;
    let held = index < int(&workload.strategy()["rollingUpdate"]["partition"]);
    let same_again = if held {
        object::label(pod, "controller-revision-hash") == workload.status()["currentRevision"].as_str()
    } else {
        history::is_pod_of_revision(pod, live)
    };
    (!same_again).then_some(pod)
}

/// The name of the pod that `unstick` would delete.
pub fn held_by(snapshot: &Snapshot) -> Option<String> {
    wedge(snapshot).map(|pod| object::name(pod).to_owned())
}

/// Deletes the one pod that keeps an OrderedReady StatefulSet from following its template, if it is still that very pod; nothing when there is none.
///
/// # Errors
/// `invalid` for another kind, and when the blocking pod already has the live template: then deleting it would not help.
pub fn unstick(snapshot: &Snapshot) -> Result<Change> {
    let workload = &snapshot.workload;
    let target = workload.target();
    if workload.kind() != Kind::StatefulSet {
        return Err(Error::invalid(format!("{target} does not get stuck on one pod")).hint("only OrderedReady StatefulSets do").target(target));
    }
    let Some(pod) = wedge(snapshot) else {
        // Whatever grace it may still have: it will not get another template by being deleted.
        let hopeless = |pod: &&Value| trouble(pod, Patience::default(), Timestamp::MAX).is_some_and(|it| it.is_doomed());
        let broken = blocking(snapshot).map(|(_, pod)| pod).filter(hopeless);
        return match broken {
            Some(pod) => Err(Error::invalid(format!("pod/{} is broken, but it has the live template: deleting it would not help", object::name(pod)))
                .hint(format!("put the template back first: undo(\"sts/{}\")", workload.name()))
                .target(target)),
            None => Ok(Change::of("unstick", workload, Request::Nothing, "is not stuck")),
        };
    };
    let mut change = Change::new("unstick", object::target(&POD, pod), pod, Request::Delete { propagation: "Background" }, "");
    change.done = format!("pod \"{}\" deleted from {} namespace", object::name(pod), workload.namespace());
    change.precondition = Some(Precondition::of(pod));
    Ok(change)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rollout::sample::{ago, recorded, third_live, with};

    #[test]
    fn the_pod_that_the_old_template_broke_is_deleted_and_only_if_it_is_still_that_pod() {
        let change = unstick(&recorded("083-sts-undo-stuck")).expect("it is stuck");
        assert_eq!((change.target.to_string().as_str(), &change.request), ("pod/db-2", &Request::Delete { propagation: "Background" }));
        assert_eq!(change.done, "pod \"db-2\" deleted from demo namespace");
        assert_eq!(change.precondition, Some(Precondition::of(&change.before)));
        assert!(!change.precondition.expect("set").resource_version.is_empty());
    }

    #[test]
    fn a_pod_that_the_live_template_broke_is_left_alone() {
        let error = unstick(&recorded("080-sts-stuck")).expect_err("it would come back broken");
        assert_eq!(error.message(), "pod/db-2 is broken, but it has the live template: deleting it would not help");
        assert_eq!(error.hints(), ["put the template back first: undo(\"sts/db\")"]);
    }

    #[test]
    fn a_stateful_set_that_moves_by_itself_is_not_stuck() {
        let wedged = recorded("083-sts-undo-stuck");
        let mut leaving = wedged.clone();
        leaving.pods.iter_mut().filter(|pod| pod["metadata"]["name"] == "db-2").for_each(|pod| pod["metadata"]["deletionTimestamp"] = ago(1).into());
        let mut gone = wedged.clone();
        gone.pods.retain(|pod| pod["metadata"]["name"] != "db-2");
        let parallel = with(&wedged, |object| object["spec"]["podManagementPolicy"] = "Parallel".into());
        let unobserved = with(&wedged, |object| object["metadata"]["generation"] = json!(99));
        for (why, snapshot) in
            [("complete", recorded("086-sts-recovered")), ("leaving", leaving), ("gone", gone), ("parallel", parallel), ("unobserved", unobserved)]
        {
            let change = unstick(&snapshot).expect("nothing to do");
            assert_eq!((change.request, change.done.as_str()), (Request::Nothing, "statefulset.apps/db is not stuck"), "{why}");
        }
    }

    #[test]
    fn a_pod_below_the_partition_would_come_back_as_it_is() {
        let held = with(&recorded("083-sts-undo-stuck"), |object| {
            object["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = json!(3);
            object["status"]["currentRevision"] = "db-68f7665db7".into();
        });
        assert_eq!(wedge(&held), None);
    }

    #[test]
    fn other_kinds_do_not_get_stuck_so() {
        assert_eq!(unstick(&third_live()).expect_err("a deployment").kind().name(), "invalid");
    }
}
