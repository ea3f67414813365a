//! Going back to an earlier template: which one, and the change that does it, on the condition that nothing changed meanwhile.
//!
//! Safer than kubectl, each tested by name:
//! - the write is conditional on uid and resourceVersion, so a concurrent edit gives `conflict` and nothing is overwritten
//!   (kubectl sends no condition, and patches a workload that was deleted and created again);
//! - "previous" is relative to the template that is live now: straight after a template change, before the controller has
//!   made the new ReplicaSet, kubectl goes one revision too far back;
//! - of a Deployment only the template and the change cause are written; kubectl replaces the whole annotation map and
//!   so deletes what others put there, and brings back what they removed;
//! - who else manages the workload and will undo the undo is named.

use serde_json::{Value, json};

use super::change::{self, Change, Precondition, Request};
use super::completion;
use super::history::{self, Entry};
use super::object::{self, annotation};
use super::workload::{Kind, Snapshot};
use super::{pod, rival, template};
use crate::error::{Error, Result};

/// Where to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The newest revision whose template is not the live one.
    Previous,
    /// As in kubectl, 0 is the previous one.
    Revision(i64),
    /// The newest earlier revision whose rollout is known to have completed, seeing through restarts.
    LastGood,
}

/// The revision that an undo goes back to.
#[derive(Clone, Debug)]
pub struct Chosen {
    pub number: i64,
    /// Its own object: a ReplicaSet or ControllerRevision.
    pub owner: Value,
    pub template: Value,
}

/// The revision that `undo` goes back to.
///
/// # Errors
/// `no_revision` (with the revisions that there are in the hints).
pub fn chosen(snapshot: &Snapshot, to: To) -> Result<Chosen> {
    let entries = history::entries(snapshot);
    let (entry, _) = choose(snapshot, &entries, to)?;
    Ok(Chosen { number: entry.number, owner: entry.owner.clone(), template: entry.template.clone() })
}

/// The newest revision that has this template; `None` where the history limit took it.
pub fn revision_of(snapshot: &Snapshot, template: &Value) -> Option<Chosen> {
    let entries = history::entries(snapshot);
    let entry = entries.iter().filter(|entry| template::same(template, &entry.template)).max_by_key(|entry| entry.number)?;
    Some(Chosen { number: entry.number, owner: entry.owner.clone(), template: entry.template.clone() })
}

/// # Errors
/// `paused`, `no_revision` (with the revisions that there are in the hints).
pub fn undo(snapshot: &Snapshot, to: To) -> Result<Change> {
    decide(snapshot, to, false)
}

/// As `undo`, and a paused Deployment is resumed in the same write.
///
/// # Errors
/// `no_revision` (with the revisions that there are in the hints).
pub fn undo_and_resume(snapshot: &Snapshot, to: To) -> Result<Change> {
    decide(snapshot, to, true)
}

fn decide(snapshot: &Snapshot, to: To, resume: bool) -> Result<Change> {
    let workload = &snapshot.workload;
    let target = workload.target();
    let entries = history::entries(snapshot);
    let (entry, evidence) = choose(snapshot, &entries, to)?;
    if workload.paused() && !resume {
        return Err(Error::paused(format!("you cannot roll back a paused deployment: {target} is paused"))
            .hint(format!("resume(\"deploy/{0}\") first, or undo(\"deploy/{0}\", #{{resume: true}})", workload.name()))
            .target(target));
    }
    if template::same(&entry.template, workload.template()) {
        let done = format!("skipped rollback (current template already matches revision {})", entry.number);
        return Ok(Change::of("undo", workload, Request::Nothing, &done));
    }
    let request = match workload.kind() {
        Kind::Deployment => deployment_patch(snapshot, entry, resume),
        // The bytes that the controller made: it recognises them, and so does kubectl.
        Kind::StatefulSet | Kind::DaemonSet => Request::StrategicPatch(entry.owner["data"].clone()),
    };
    let done = match evidence {
        Some(evidence) => format!("rolled back to revision {}: {evidence}", entry.number),
        None => "rolled back".to_owned(),
    };
    let mut change = Change::of("undo", workload, request, &done);
    change.precondition = Some(Precondition::of(workload.object()));
    change.warnings = rival::warnings(workload);
    change.warnings.extend(what_stays(snapshot));
    Ok(change)
}

fn choose<'a, 'b>(snapshot: &Snapshot, entries: &'b [Entry<'a>], to: To) -> Result<(&'b Entry<'a>, Option<String>)> {
    let workload = &snapshot.workload;
    let target = workload.target();
    let numbers = || history::numbers(entries.iter().map(|entry| entry.number));
    let live = template::canonical(workload.template());
    match to {
        To::Previous | To::Revision(0) => {
            let previous = entries.iter().rev().find(|entry| template::canonical(&entry.template) != live);
            previous.map(|entry| (entry, None)).ok_or_else(|| {
                let message = match workload.kind() {
                    Kind::Deployment => format!("no rollout history found for deployment \"{}\"", workload.name()),
                    Kind::StatefulSet | Kind::DaemonSet => format!("no last revision to roll back to for {target}"),
                };
                let mut error = Error::no_revision(message).hint(format!("its revisions: {}", numbers())).target(&target);
                if workload.spec()["revisionHistoryLimit"] == 0 {
                    error = error.hint("its revisionHistoryLimit is 0, so its controller keeps no earlier ones");
                }
                error
            })
        }
        To::Revision(number) => entries.iter().find(|entry| entry.number == number).map(|entry| (entry, None)).ok_or_else(|| {
            Error::no_revision(format!("unable to find specified revision {number} in history of {target}"))
                .hint(format!("its revisions: {}", numbers()))
                .target(&target)
        }),
        To::LastGood => {
            let live = template::without_restart(workload.template());
            let before = entries.iter().find(|entry| entry.live).map_or(i64::MAX, |entry| entry.number);
            let judgements = completion::judge(snapshot, entries);
            let mut candidates = entries.iter().zip(judgements).rev();
            let good = candidates
                .find(|(entry, judgement)| entry.number < before && judgement.completed == Some(true) && template::without_restart(&entry.template) != live);
            good.map(|(entry, judgement)| (entry, judgement.evidence.map(|evidence| evidence.to_string()))).ok_or_else(|| {
                Error::no_revision(format!("no earlier revision of {target} is known to have completed"))
                    .hint(format!("its revisions: {}", numbers()))
                    .hint(format!("undo(\"{target}\") goes to the previous one, whatever became of it"))
                    .target(&target)
            })
        }
    }
}

fn deployment_patch(snapshot: &Snapshot, entry: &Entry, resume: bool) -> Request {
    let object = snapshot.workload.object();
    let mut operations = change::tests(object);
    operations.push(json!({"op": "replace", "path": "/spec/template", "value": template::bare(&entry.template)}));
    let cause = annotation(entry.owner, history::CHANGE_CAUSE).filter(|cause| !cause.is_empty());
    operations.extend(change::cause_operation(object, cause));
    operations.extend(history::strays(object));
    if resume && snapshot.workload.paused() {
        operations.push(json!({"op": "remove", "path": "/spec/paused"}));
    }
    Request::JsonPatch(Value::Array(operations))
}

/// What will not follow the template by itself.
fn what_stays(snapshot: &Snapshot) -> Option<String> {
    let workload = &snapshot.workload;
    if workload.strategy_type() == "OnDelete" {
        return Some(format!("{} replaces a pod only when somebody deletes it: its pods stay as they are", workload.target()));
    }
    if workload.kind() != Kind::StatefulSet || workload.spec()["podManagementPolicy"] == "Parallel" {
        return None;
    }
    let broken = snapshot.own_pods().into_iter().find(|pod| !pod::is_ready(pod) && !object::is_terminating(pod))?;
    Some(format!(
        "pod/{} is not ready, and an OrderedReady StatefulSet waits for it whatever its template says: unstick(\"sts/{}\") deletes it",
        object::name(broken),
        workload.name()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::rollout::merge;
    use crate::rollout::object::text;
    use crate::rollout::sample::{crashed, fourth_stuck, recorded, template as sample_template, third_live, web, with};

    fn image(change: &Change) -> String {
        let after = change.predicted().expect("the patch fits");
        text(&after["spec"]["template"]["spec"]["containers"][0]["image"]).to_owned()
    }

    fn operations(change: &Change) -> &[Value] {
        match &change.request {
            Request::JsonPatch(Value::Array(operations)) => operations,
            other => panic!("no JSON patch: {other:?}"),
        }
    }

    #[test]
    fn an_undo_gives_the_template_that_kubectls_undo_gave() {
        // 010 is revision 3 rolling out; kubectl's undo from there is what 021 shows.
        let change = undo(&recorded("010-deploy-v3-mid"), To::Previous).expect("there is a revision 2");
        let (ours, kubectls) = (change.predicted().expect("fits"), recorded("021-deploy-undone"));
        assert_eq!(ours["spec"]["template"], *kubectls.workload.template());
        assert_eq!(object::annotation(&ours, history::CHANGE_CAUSE), kubectls.workload.change_cause());
        assert_eq!(change.done, "deployment.apps/web rolled back");
    }

    #[test]
    fn an_undone_undo_toggles_as_kubectls() {
        assert_eq!(image(&undo(&recorded("010-deploy-v3-mid"), To::Previous).expect("back to 2")), "nginx:1.26");
        assert_eq!(image(&undo(&recorded("021-deploy-undone"), To::Previous).expect("3 is the second highest now")), "nginx:1.27");
        for step in ["076-sts-undone", "099-ds-undone"] {
            let undone = recorded(step);
            assert_eq!(image(&undo(&undone, To::Previous).expect("back again")), image(&undo(&undone, To::Revision(2)).expect("2 is the other one")), "{step}");
        }
    }

    #[test]
    fn undo_with_the_controller_asleep_goes_back_exactly_one_template() {
        // Image 4 was set, and there is no ReplicaSet of it yet: kubectl would take the second highest number, 2.
        let asleep = web("shop/web:4", &[(1, "shop/web:1", 0), (2, "shop/web:2", 0), (3, "shop/web:3", 3)]);
        assert_eq!(image(&undo(&asleep, To::Previous).expect("back to 3")), "shop/web:3");
    }

    #[test]
    fn undo_after_an_undo_that_the_controller_has_not_seen_goes_forth_again() {
        let asleep = web("shop/web:2", &[(1, "shop/web:1", 0), (2, "shop/web:2", 0), (3, "shop/web:3", 3)]);
        assert_eq!(image(&undo(&asleep, To::Previous).expect("forth to 3")), "shop/web:3");
    }

    #[test]
    fn a_rival_edit_between_decision_and_write_gives_a_conflict_and_loses_nothing() {
        let change = undo(&third_live(), To::Previous).expect("back to 2");
        assert_eq!(
            operations(&change)[..2],
            [json!({"op": "test", "path": "/metadata/uid", "value": "web-uid"}), json!({"op": "test", "path": "/metadata/resourceVersion", "value": "100"})]
        );
        for (path, value) in [("/metadata/resourceVersion", "101"), ("/metadata/uid", "another")] {
            let mut now = change.before.clone();
            *now.pointer_mut(path).expect("there") = value.into();
            let patch = Value::Array(operations(&change).to_vec());
            assert_eq!(merge::json_patch(&now, &patch).expect_err("refused").kind(), ErrorKind::Conflict, "{path}");
        }
        assert_eq!(change.precondition, Some(Precondition { uid: "web-uid".into(), resource_version: "100".into() }));
    }

    #[test]
    fn other_peoples_annotations_stay_and_removed_ones_do_not_come_back() {
        let mut snapshot = with(&third_live(), |object| {
            object["metadata"]["annotations"] = json!({"keep": "me", history::REVISION: "3", history::CHANGE_CAUSE: "three"});
        });
        snapshot.revisions[1]["metadata"]["annotations"]["removed-since"] = "x".into();
        snapshot.revisions[1]["metadata"]["annotations"][history::CHANGE_CAUSE] = "two".into();
        let after = undo(&snapshot, To::Previous).expect("back to 2").predicted().expect("fits");
        assert_eq!(after["metadata"]["annotations"], json!({"keep": "me", history::REVISION: "3", history::CHANGE_CAUSE: "two"}));
    }

    #[test]
    fn marks_of_ours_that_kubectl_copied_to_the_deployment_go_away() {
        let snapshot = with(&third_live(), |object| {
            object["metadata"]["annotations"] = json!({"keep": "me", history::COMPLETED: "web-1 x", super::super::config::NOTE: "web-1 x configmap/a=1"});
        });
        let after = undo(&snapshot, To::Previous).expect("back to 2").predicted().expect("fits");
        assert_eq!(after["metadata"]["annotations"], json!({"keep": "me"}));
    }

    #[test]
    fn the_change_cause_is_the_target_revisions_also_where_there_was_none() {
        let cause = |before: Value, revisions: Option<&str>| {
            let mut snapshot = with(&third_live(), |object| object["metadata"]["annotations"] = before);
            if let Some(cause) = revisions {
                snapshot.revisions[1]["metadata"]["annotations"][history::CHANGE_CAUSE] = cause.into();
            }
            let change = undo(&snapshot, To::Previous).expect("back to 2");
            let annotations = change.predicted().expect("fits")["metadata"]["annotations"].clone();
            (annotations, operations(&change).len())
        };
        assert_eq!(cause(Value::Null, None), (Value::Null, 3));
        assert_eq!(cause(Value::Null, Some("two")), (json!({history::CHANGE_CAUSE: "two"}), 4));
        assert_eq!(cause(json!({"a": "b"}), Some("two")), (json!({"a": "b", history::CHANGE_CAUSE: "two"}), 4));
        assert_eq!(cause(json!({history::CHANGE_CAUSE: "three"}), None), (json!({}), 4));
        assert_eq!(cause(json!({history::CHANGE_CAUSE: "two"}), Some("two")), (json!({history::CHANGE_CAUSE: "two"}), 3));
    }

    #[test]
    fn the_template_that_is_put_back_has_no_hash_label() {
        let after = undo(&third_live(), To::Previous).expect("back to 2").predicted().expect("fits");
        assert_eq!(after["spec"]["template"], sample_template("shop/web:2"));
    }

    #[test]
    fn a_revision_that_is_live_already_is_nothing_to_do() {
        for (snapshot, number, done) in [
            (recorded("021-deploy-undone"), 4, "deployment.apps/web skipped rollback (current template already matches revision 4)"),
            (recorded("076-sts-undone"), 3, "statefulset.apps/db skipped rollback (current template already matches revision 3)"),
            (recorded("099-ds-undone"), 3, "daemonset.apps/agent skipped rollback (current template already matches revision 3)"),
        ] {
            let change = undo(&snapshot, To::Revision(number)).expect("it is there");
            assert_eq!((change.request, change.done.as_str()), (Request::Nothing, done));
        }
    }

    #[test]
    fn the_bytes_of_a_controller_revision_are_sent_as_the_controller_made_them() {
        for (step, number, cause) in [("086-sts-recovered", 4, "initial: pg 15"), ("107-ds-recovered", 4, "agent 1.1")] {
            let snapshot = recorded(step);
            let change = undo(&snapshot, To::Revision(number)).expect("it is there");
            let owner = snapshot
                .revisions
                .iter()
                .find(|owner| owner["revision"] == number && object::is_controlled_by(owner, snapshot.workload.uid()))
                .expect("it is there");
            assert_eq!(change.request, Request::StrategicPatch(owner["data"].clone()), "{step}");
            let after = change.predicted().expect("fits");
            assert_eq!(template::go_json(&template::revision_data(&after["spec"]["template"])), template::go_json(&owner["data"]), "{step}");
            assert_eq!(change.precondition, Some(Precondition::of(snapshot.workload.object())), "{step}");
            assert!(snapshot.workload.change_cause().is_some(), "{cause}");
        }
    }

    #[test]
    fn there_may_be_nothing_to_go_back_to() {
        let one = web("i:1", &[(1, "i:1", 3)]);
        let limited = with(&one, |object| object["spec"]["revisionHistoryLimit"] = json!(0));
        for (snapshot, to, message) in [
            (&one, To::Previous, "no rollout history found for deployment \"web\""),
            (&limited, To::Previous, "no rollout history found for deployment \"web\""),
            (&one, To::Revision(77), "unable to find specified revision 77 in history of deployment/web"),
            (&one, To::Revision(-1), "unable to find specified revision -1 in history of deployment/web"),
            (&recorded("067-sts-v1"), To::Revision(0), "no last revision to roll back to for statefulset/db"),
            (&third_live(), To::LastGood, "no earlier revision of deployment/web is known to have completed"),
        ] {
            let error = undo(snapshot, to).expect_err("refused");
            assert_eq!((error.kind(), error.message()), (ErrorKind::NoRevision, message));
            assert!(error.hints()[0].starts_with("its revisions: 1"), "{:?}", error.hints());
        }
    }

    #[test]
    fn a_paused_deployment_is_refused_or_resumed_in_the_same_write() {
        let paused = with(&third_live(), |object| object["spec"]["paused"] = true.into());
        let error = undo(&paused, To::Previous).expect_err("it is paused");
        assert_eq!(error.kind(), ErrorKind::Paused);
        assert!(error.hints()[0].contains("resume(\"deploy/web\")"), "{:?}", error.hints());
        let change = undo_and_resume(&paused, To::Previous).expect("resumed");
        assert_eq!((image(&change).as_str(), change.predicted().expect("fits")["spec"].get("paused")), ("shop/web:2", None));
    }

    #[test]
    fn last_good_is_the_newest_that_completed_and_says_on_what_evidence() {
        // 3 was set and never got ready, then 4.
        let mut snapshot = fourth_stuck(crashed(2));
        snapshot.revisions[0]["metadata"]["annotations"][history::COMPLETED] = "web-2 2026-11-22T17:00:00Z".into();
        snapshot.revisions[1]["status"] = json!({});
        snapshot.revisions[1]["spec"]["replicas"] = json!(0);
        let change = undo(&snapshot, To::LastGood).expect("2 was seen to complete");
        assert_eq!(image(&change), "shop/web:2");
        assert_eq!(change.done, "deployment.apps/web rolled back to revision 2: it was seen to complete at 2026-11-22T17:00:00Z");
        assert_eq!(image(&undo(&snapshot, To::Previous).expect("3 is the previous")), "shop/web:3");
    }

    #[test]
    fn last_good_sees_through_a_restart() {
        let mut snapshot = web("shop/web:2", &[(1, "shop/web:1", 0), (2, "shop/web:2", 3), (3, "shop/web:2", 1)]);
        let restarted = json!({template::RESTARTED_AT: "2026-11-22T19:00:00Z"});
        snapshot.revisions[2]["spec"]["template"]["metadata"]["annotations"] = restarted.clone();
        snapshot.revisions[0]["metadata"]["annotations"][history::COMPLETED] = "web-1 2026-11-22T17:00:00Z".into();
        let snapshot = with(&snapshot, |object| object["spec"]["template"]["metadata"]["annotations"] = restarted);
        assert_eq!(image(&undo(&snapshot, To::LastGood).expect("1 differs by more than a restart")), "shop/web:1");
        assert_eq!(image(&undo(&snapshot, To::Previous).expect("the one before the restart")), "shop/web:2");
    }

    #[test]
    fn what_will_not_follow_by_itself_is_said_before() {
        let warnings = |snapshot: &Snapshot| undo(snapshot, To::Previous).expect("back").warnings.join("\n");
        let stuck = warnings(&recorded("080-sts-stuck"));
        assert!(stuck.contains("pod/db-2 is not ready") && stuck.contains("unstick(\"sts/db\")"), "{stuck}");
        assert!(stuck.contains("kubectl apply"), "{stuck}");
        let on_delete = with(&recorded("099-ds-undone"), |object| object["spec"]["updateStrategy"] = json!({"type": "OnDelete"}));
        assert!(warnings(&on_delete).contains("only when somebody deletes it"));
    }
}
