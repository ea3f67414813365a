//! The revisions of a workload, oldest first.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::change::{Change, Request};
use super::completion::{self, Evidence};
use super::config::{self, Config, Held};
use super::difference;
use super::object::{self, annotation, int, text};
use super::template;
use super::workload::{Kind, Snapshot, Workload};
use crate::error::{Error, Result};

pub const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";
/// On a Deployment and its ReplicaSets: the revision's number.
pub const REVISION: &str = "deployment.kubernetes.io/revision";
pub(super) const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
/// On a ReplicaSet or ControllerRevision: we saw the rollout of this revision complete. The value is the owner's own name and
/// the time: kubectl's undo copies a ReplicaSet's annotations to the Deployment, whence the controller copies them to the next
/// ReplicaSet, and a mark that names another owner proves nothing.
pub const COMPLETED: &str = "rollsh.dev/completed";

/// One entry of a workload's history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Revision {
    pub revision: i64,
    pub change_cause: Option<String>,
    /// Container name to image.
    pub images: Map<String, Value>,
    /// RFC 3339.
    pub created: Option<String>,
    pub age_s: i64,
    /// Whether this is the template that is live now.
    pub current: bool,
    pub replicas: i64,
    pub ready: i64,
    /// The ReplicaSet or ControllerRevision that keeps it.
    pub owner: String,
    /// As the owner keeps it: a ReplicaSet's has the label `pod-template-hash` (`template::bare` is without).
    pub template: Value,
    /// Whether its rollout is known to have completed; `None`: not known.
    pub completed: Option<bool>,
    /// What is new in the template since the revision before, each a few words; empty for the oldest.
    pub changes: Vec<String>,
    /// What is known of the ConfigMaps and Secrets that the template refers to, where somebody looked (`config::fill`).
    pub config: Vec<Held>,
}

/// A revision's number, its owner and its template, for the decisions of this floor.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    pub number: i64,
    pub owner: &'a Value,
    pub template: Value,
    /// Its template is the live one, and it is the one that the controller uses for it.
    pub live: bool,
}

impl Entry<'_> {
    pub(super) fn name(&self) -> &str {
        object::name(self.owner)
    }

    /// All numbers that this revision has had, oldest first; an undo moves a revision to a new number.
    pub(super) fn numbers(&self) -> impl Iterator<Item = i64> {
        let former = annotation(self.owner, REVISION_HISTORY).unwrap_or_default();
        former.split(',').filter_map(|number| number.parse().ok()).chain([self.number])
    }
}

/// The controller's revision objects of this workload, out of a list.
pub fn owned<'a>(workload: &Workload, candidates: &'a [Value]) -> Vec<&'a Value> {
    candidates.iter().filter(|candidate| object::is_controlled_by(candidate, workload.uid())).collect()
}

/// The owner of the live template: the oldest ReplicaSet that has it, or the ControllerRevision with the highest number.
/// `None` while the controller has not made it.
pub(super) fn live_owner(snapshot: &Snapshot) -> Option<&Value> {
    let mut candidates = owned(&snapshot.workload, &snapshot.revisions);
    match snapshot.workload.kind() {
        Kind::Deployment => candidates.sort_by_key(|owner| (object::created(owner), object::name(owner))),
        Kind::StatefulSet | Kind::DaemonSet => candidates.sort_by_key(|owner| std::cmp::Reverse(int(&owner["revision"]))),
    }
    let live = template::canonical(snapshot.workload.template());
    candidates.into_iter().find(|owner| template_of(owner).is_some_and(|kept| template::canonical(&kept) == live))
}

fn template_of(owner: &Value) -> Option<Value> {
    if owner["data"].is_object() { template::of_revision_data(&owner["data"]) } else { Some(owner["spec"]["template"].clone()) }
}

/// The number that an owner has now; `None` when it is no number.
pub(super) fn number(owner: &Value) -> Option<i64> {
    if let Some(revision) = owner["revision"].as_i64() {
        return Some(revision);
    }
    annotation(owner, REVISION).map_or(Some(0), |text| text.parse().ok())
}

/// # Source
/// kubectl 1.36 `polymorphichelpers/history.go`: a ReplicaSet without the annotation is revision 0, one with nonsense is left
/// out; of two with one number the newer counts, and the one of the live template before all.
pub(super) fn entries(snapshot: &Snapshot) -> Vec<Entry<'_>> {
    let live = live_owner(snapshot).map(object::uid);
    let mut owners = owned(&snapshot.workload, &snapshot.revisions);
    if snapshot.workload.kind() == Kind::Deployment {
        owners.sort_by_key(|owner| (Some(object::uid(owner)) == live, object::created(owner), object::name(owner)));
    }
    let mut entries: Vec<Entry> = Vec::new();
    for owner in owners {
        let (Some(number), Some(template)) = (number(owner), template_of(owner)) else { continue };
        entries.retain(|entry| entry.number != number);
        entries.push(Entry { number, owner, template, live: Some(object::uid(owner)) == live });
    }
    entries.sort_by_key(|entry| entry.number);
    entries
}

/// The history as `kubectl rollout history` counts it (SEMANTICS 1), sorted by number.
pub fn history(snapshot: &Snapshot, now: Timestamp) -> Vec<Revision> {
    let entries = entries(snapshot);
    let judgements = completion::judge(snapshot, &entries);
    let befores = std::iter::once(None).chain(entries.iter().map(Some));
    let revision = |((entry, judgement), before): ((&Entry, completion::Judgement), Option<&Entry>)| {
        let changes = before.map(|before| difference::between(&before.template, &entry.template)).unwrap_or_default();
        revision_of(snapshot, entry, judgement.completed, changes, now)
    };
    entries.iter().zip(judgements).zip(befores).map(revision).collect()
}

fn revision_of(snapshot: &Snapshot, entry: &Entry, completed: Option<bool>, changes: Vec<String>, now: Timestamp) -> Revision {
    let owner = entry.owner;
    let (replicas, ready) = match snapshot.workload.kind() {
        Kind::Deployment => (int(&owner["status"]["replicas"]), int(&owner["status"]["readyReplicas"])),
        Kind::StatefulSet | Kind::DaemonSet => {
            let pods = pods_of(snapshot, owner);
            let ready = pods.iter().filter(|pod| super::pod::is_ready(pod)).count();
            (pods.len().try_into().unwrap_or_default(), ready.try_into().unwrap_or_default())
        }
    };
    Revision {
        revision: entry.number,
        change_cause: annotation(owner, CHANGE_CAUSE).filter(|cause| !cause.is_empty()).map(str::to_owned),
        images: template::images(&entry.template),
        created: owner["metadata"]["creationTimestamp"].as_str().map(str::to_owned),
        age_s: object::age_s(owner, now),
        current: entry.live,
        replicas,
        ready,
        owner: entry.name().to_owned(),
        template: entry.template.clone(),
        completed,
        changes,
        config: Vec::new(),
    }
}

/// The pods of a revision: a ReplicaSet's own, or those labelled with the ControllerRevision.
pub(super) fn pods_of<'a>(snapshot: &'a Snapshot, owner: &Value) -> Vec<&'a Value> {
    let own = snapshot.own_pods().into_iter();
    match snapshot.workload.kind() {
        Kind::Deployment => own.filter(|pod| object::is_controlled_by(pod, object::uid(owner))).collect(),
        Kind::StatefulSet | Kind::DaemonSet => own.filter(|pod| is_pod_of_revision(pod, owner)).collect(),
    }
}

/// A StatefulSet's pods carry the ControllerRevision's whole name, a DaemonSet's only the hash in it.
pub(super) fn is_pod_of_revision(pod: &Value, revision: &Value) -> bool {
    let Some(hash) = object::label(pod, "controller-revision-hash") else { return false };
    hash == object::name(revision) || object::label(revision, "controller-revision-hash") == Some(hash)
}

/// One revision.
///
/// # Errors
/// `not_found` when there is none with that number, `usage` when it is not positive.
pub fn revision(snapshot: &Snapshot, revision: i64, now: Timestamp) -> Result<Revision> {
    let target = snapshot.workload.target();
    if revision <= 0 {
        return Err(Error::usage(format!("revision must be a positive integer: {revision}")).target(target));
    }
    let revisions = history(snapshot, now);
    let numbers = numbers(revisions.iter().map(|it| it.revision));
    revisions
        .into_iter()
        .find(|it| it.revision == revision)
        .ok_or_else(|| Error::not_found(format!("{target} has no revision {revision}")).hint(format!("its revisions: {numbers}")).target(&target))
}

/// `1, 3, 4`, for hints.
pub(super) fn numbers(revisions: impl Iterator<Item = i64>) -> String {
    let numbers: Vec<String> = revisions.map(|number| number.to_string()).collect();
    if numbers.is_empty() { "none".to_owned() } else { numbers.join(", ") }
}

/// The change that remembers, on the live revision's own object, that its rollout is complete; `None` when it is not
/// complete, not known or already marked. `undo` to `last_good` reads the mark. `config` is what the live template refers to.
pub fn remember(snapshot: &Snapshot, config: &Config, now: Timestamp) -> Option<Change> {
    let owner = unremembered(snapshot, now)?;
    let mark = format!("{} {}", object::name(owner), super::restart::seconds(now));
    let target = object::target(snapshot.workload.kind().revisions(), owner);
    let mut annotations = json!({COMPLETED: mark});
    if let Some((key, note)) = config::note(owner, snapshot.workload.template(), config, now) {
        annotations[key] = note.into();
    }
    let body = json!({"metadata": {"annotations": annotations}});
    Some(Change::new("remember", target, owner, Request::MergePatch(body), "marked as completed"))
}

/// The live revision's own object, when its rollout is complete and it is not marked yet.
pub fn unremembered(snapshot: &Snapshot, now: Timestamp) -> Option<&Value> {
    let owner = live_owner(snapshot).filter(|owner| !is_marked(owner))?;
    super::status::status(snapshot, super::status::Patience::default(), now).complete.then_some(owner)
}

/// The operations that remove our own marks from a Deployment, whereto kubectl's undo copies them from a ReplicaSet: from there the
/// controller would write them over those of the next.
pub(super) fn strays(object: &Value) -> Vec<Value> {
    let marks = [COMPLETED, config::NOTE].into_iter().filter(|key| annotation(object, key).is_some());
    marks.map(|key| json!({"op": "remove", "path": format!("/metadata/annotations/{}", key.replace('/', "~1"))})).collect()
}

pub(super) fn is_marked(owner: &Value) -> bool {
    mark_time(owner).is_some()
}

/// When the owner was marked as completed; `None` too when the mark is another owner's.
pub(super) fn mark_time(owner: &Value) -> Option<&str> {
    let (name, time) = annotation(owner, COMPLETED)?.split_once(' ')?;
    (name == text(&owner["metadata"]["name"])).then_some(time)
}

/// On what evidence the rollout of a revision counts as completed, as words; `None` when there is none.
pub fn evidence(snapshot: &Snapshot, revision: i64) -> Option<String> {
    let entries = entries(snapshot);
    let at = entries.iter().position(|entry| entry.number == revision)?;
    completion::judge(snapshot, &entries).swap_remove(at).evidence.as_ref().map(Evidence::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::sample::{now, printed, recorded, third_live, web, with};
    use crate::rollout::status::Patience;

    /// kubectl's table, from our revisions.
    fn table(snapshot: &Snapshot) -> String {
        let revisions = history(snapshot, now());
        let rows = revisions.iter().map(|it| format!("{:<10}{}\n", it.revision, it.change_cause.as_deref().unwrap_or("<none>")));
        format!("{:<10}CHANGE-CAUSE\n{}", "REVISION", rows.collect::<String>())
    }

    #[test]
    fn the_history_is_the_one_that_kubectl_printed() {
        for (step, text) in [
            ("010-deploy-v3-mid", "012-history"),
            ("021-deploy-undone", "021-history-after-undo"),
            ("056-deploy-final", "053-history-final"),
            ("070-sts-v2", "071-sts-history"),
            ("076-sts-undone", "076-sts-history-after-undo"),
            ("086-sts-recovered", "086-sts-history-final"),
            ("093-ds-v2", "094-ds-history"),
            ("099-ds-undone", "099-ds-history-after-undo"),
            ("107-ds-recovered", "107-ds-history-final"),
        ] {
            let printed = printed(text);
            let (_, body) = printed.split_once('\n').expect("a first line with the name");
            assert_eq!(table(&recorded(step)), body.trim_end_matches('\n').to_owned() + "\n", "{step}");
        }
    }

    #[test]
    fn the_current_revision_is_the_one_whose_template_is_live() {
        for (step, current) in [
            ("010-deploy-v3-mid", Some(3)),
            ("021-deploy-undone", Some(4)),
            ("029-deploy-deadline", Some(6)),
            ("048-deploy-paused", None),
            ("083-sts-undo-stuck", Some(5)),
            ("099-ds-undone", Some(3)),
            ("103-ds-stuck", Some(4)),
        ] {
            let current_now = history(&recorded(step), now()).iter().find(|it| it.current).map(|it| it.revision);
            assert_eq!(current_now, current, "{step}");
        }
    }

    #[test]
    fn an_undo_moves_a_revision_to_a_new_number_and_remembers_the_old_one() {
        let snapshot = recorded("021-deploy-undone");
        let entries = entries(&snapshot);
        let moved = entries.iter().find(|entry| entry.live).expect("one is live");
        assert_eq!(moved.numbers().collect::<Vec<_>>(), [2, 4]);
    }

    #[test]
    fn numbers_are_sorted_as_numbers() {
        let snapshot = web("i:12", &[(12, "i:12", 3), (9, "i:9", 0), (10, "i:10", 0)]);
        assert_eq!(history(&snapshot, now()).iter().map(|it| it.revision).collect::<Vec<_>>(), [9, 10, 12]);
    }

    #[test]
    fn a_replica_set_without_a_number_is_revision_0_and_one_with_nonsense_is_left_out() {
        let mut snapshot = third_live();
        snapshot.revisions[0]["metadata"]["annotations"] = json!({});
        snapshot.revisions[1]["metadata"]["annotations"][REVISION] = "abc".into();
        assert_eq!(history(&snapshot, now()).iter().map(|it| it.revision).collect::<Vec<_>>(), [0, 3]);
    }

    #[test]
    fn only_what_the_uid_owns_counts() {
        let mut snapshot = third_live();
        snapshot.revisions[0]["metadata"]["ownerReferences"][0]["uid"] = "the web before this one".into();
        snapshot.revisions[1]["metadata"]["ownerReferences"][0]["controller"] = false.into();
        assert_eq!(history(&snapshot, now()).iter().map(|it| it.revision).collect::<Vec<_>>(), [3]);
        let stranger = with(&snapshot, |object| object["metadata"]["uid"] = "another".into());
        assert_eq!(history(&stranger, now()), []);
    }

    #[test]
    fn an_unknown_revision_is_not_found_and_the_hint_names_those_that_there_are() {
        let error = revision(&third_live(), 9, now()).expect_err("there is no revision 9");
        assert_eq!(
            (error.kind().name(), error.message(), error.hints()),
            ("not_found", "deployment/web has no revision 9", &["its revisions: 1, 2, 3".to_owned()][..])
        );
        assert_eq!(revision(&third_live(), -2, now()).expect_err("negative").kind().name(), "usage");
        assert_eq!(revision(&third_live(), 2, now()).expect("there").owner, "web-2");
    }

    #[test]
    fn a_controller_revision_holds_the_bytes_that_we_would_make_of_its_template() {
        for step in ["070-sts-v2", "076-sts-undone", "086-sts-recovered", "093-ds-v2", "107-ds-recovered"] {
            let snapshot = recorded(step);
            let owner = live_owner(&snapshot).expect("a revision of the live template");
            let made = template::go_json(&template::revision_data(snapshot.workload.template()));
            assert_eq!(made, template::go_json(&owner["data"]), "{step}");
        }
    }

    #[test]
    fn pods_are_counted_by_revision() {
        let revisions = history(&recorded("080-sts-stuck"), now());
        let counts: Vec<_> = revisions.iter().map(|it| (it.revision, it.replicas, it.ready)).collect();
        assert_eq!(counts, [(2, 0, 0), (3, 2, 2), (4, 1, 0)]);
        let revisions = history(&recorded("103-ds-stuck"), now());
        let counts: Vec<_> = revisions.iter().map(|it| (it.revision, it.replicas, it.ready)).collect();
        assert_eq!(counts, [(2, 0, 0), (3, 2, 2), (4, 1, 0)]);
    }

    #[test]
    fn a_complete_rollout_is_remembered_once_on_its_own_revision() {
        let mut snapshot = third_live();
        let change = remember(&snapshot, &Config::default(), now()).expect("it is complete");
        assert_eq!(change.target.to_string(), "replicaset/web-3");
        snapshot.revisions[2] = change.predicted().expect("fits");
        assert!(remember(&snapshot, &Config::default(), now()).is_none(), "it is marked already");
        assert_eq!(evidence(&snapshot, 3).as_deref(), Some("it was seen to complete at 2026-11-22T20:00:00Z"));
        let stuck = crate::rollout::sample::fourth_stuck(crate::rollout::sample::crashed(3));
        assert!(!crate::rollout::status::status(&stuck, Patience::default(), now()).complete);
        assert!(remember(&stuck, &Config::default(), now()).is_none());
    }
}
