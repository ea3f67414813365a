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
use super::object::{self, annotation, result_name};
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
    let mut change = Change::of("undo", workload, request, "rolled back");
    change.precondition = Some(Precondition::of(workload.object()));
    change.warnings = rival::warnings(workload);
    change.warnings.extend(evidence.map(|evidence| format!("revision {} is taken for good because {evidence}", entry.number)));
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

/// The words of a rollback that was not necessary, for those who print kubectl's own.
pub fn skipped(change: &Change) -> bool {
    change.does_nothing() && change.done.starts_with(&format!("{} skipped", result_name(&change.target)))
}
