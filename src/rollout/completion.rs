//! Whether the rollout of a revision is known to have completed, and on what evidence. Objects keep no record of that, so
//! this is inference: what is not certain enough stays "not known".
//!
//! Evidence for, strongest first:
//! 1. our own mark on the revision's object, made when we saw it complete (`history::COMPLETED`);
//! 2. the Deployment's Progressing condition with reason NewReplicaSetAvailable names the ReplicaSet (it stays so after the
//!    template was changed, until the controller gets to it); a StatefulSet's status names the revision as `currentRevision`
//!    and it is not its first (only completing a rollout moves that field);
//! 3. the revision has its full count of available pods at this moment: the ReplicaSet as many as its Deployment wanted
//!    when it last sized it;
//! 4. as an old revision it alone still carries the load that the strategy guarantees (`replicas - maxUnavailable`), no
//!    other old one has pods: a newer rollout got stuck on it;
//! 5. when the next ReplicaSet was created, all others were already at zero (their managed fields' times say since when), so
//!    this one alone carried the load. Only for rolling updates, only while no ReplicaSet has been cleaned up (or an older one is
//!    known good), only when there was an older one to replace.
//!
//! Evidence against: the live revision whose rollout is not complete, and the one that exceeded its progress deadline.
//!
//! # Limits
//! 3 and 4 take one moment for the whole: a pod without readiness probe that is about to crash counts. 5 takes the strategy of now
//! for the strategy of then. A rollout at zero replicas proves nothing here.

use std::fmt;

use serde_json::Value;

use super::history::{self, Entry};
use super::object::{self, annotation, int, items, text, time};
use super::workload::{Kind, Snapshot};
use super::{deadline, pod, sentence};

const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";

/// Why a rollout counts as completed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Evidence {
    Marked { at: String },
    Named { by: &'static str },
    Full { available: i64, desired: i64 },
    Carries { available: i64, desired: i64 },
    Relieved { by: i64 },
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Evidence::Marked { at } => write!(f, "it was seen to complete at {at}"),
            Evidence::Named { by } => write!(f, "{by} says so"),
            Evidence::Full { available, desired } => write!(f, "{available} of its {desired} pods are available"),
            Evidence::Carries { available, desired } => write!(f, "{available} of {desired} pods are still its own and available"),
            Evidence::Relieved { by } => write!(f, "it alone carried the load until revision {by} came"),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Judgement {
    pub completed: Option<bool>,
    pub evidence: Option<Evidence>,
}

/// One judgement for each entry, in their order.
pub(super) fn judge(snapshot: &Snapshot, entries: &[Entry]) -> Vec<Judgement> {
    let counts: Vec<Counts> = entries.iter().map(|entry| Counts::of(snapshot, entry)).collect();
    let mut known_good = false;
    let mut judgements = Vec::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate() {
        let evidence = evidence(snapshot, entries, &counts, at, known_good);
        known_good |= evidence.is_some();
        let completed = if evidence.is_some() { Some(true) } else { against(snapshot, entry).then_some(false) };
        judgements.push(Judgement { completed, evidence });
    }
    judgements
}

/// The pods of one revision: how many there are, how many shall be, how many are available, how many there were to be at last.
struct Counts {
    pods: i64,
    wanted: i64,
    available: i64,
    desired: i64,
}

impl Counts {
    fn of(snapshot: &Snapshot, entry: &Entry) -> Self {
        let owner = entry.owner;
        match snapshot.workload.kind() {
            Kind::Deployment => Self {
                pods: int(&owner["status"]["replicas"]),
                wanted: int(&owner["spec"]["replicas"]),
                available: int(&owner["status"]["availableReplicas"]),
                desired: annotation(owner, DESIRED).and_then(|text| text.parse().ok()).unwrap_or_else(|| snapshot.workload.desired()),
            },
            Kind::StatefulSet | Kind::DaemonSet => {
                let pods = history::pods_of(snapshot, owner);
                let available = pods.iter().filter(|pod| pod::is_ready(pod) && !object::is_terminating(pod)).count();
                let count = pods.len().try_into().unwrap_or_default();
                Self { pods: count, wanted: count, available: available.try_into().unwrap_or_default(), desired: snapshot.workload.desired() }
            }
        }
    }
}

fn evidence(snapshot: &Snapshot, entries: &[Entry], counts: &[Counts], at: usize, known_good: bool) -> Option<Evidence> {
    let (workload, entry, count) = (&snapshot.workload, &entries[at], &counts[at]);
    if let Some(time) = history::mark_time(entry.owner) {
        return Some(Evidence::Marked { at: time.to_owned() });
    }
    if let Some(by) = named(snapshot, entries, entry) {
        return Some(Evidence::Named { by });
    }
    if count.desired > 0 && count.available >= count.desired {
        return Some(Evidence::Full { available: count.available, desired: count.desired });
    }
    let alone = || entries.iter().zip(counts).all(|(other, count)| other.live || other.number == entry.number || (count.pods == 0 && count.wanted == 0));
    let least = workload.min_available();
    if !entry.live && least > 0 && count.available >= least && count.available == count.wanted && count.pods == count.wanted && alone() {
        return Some(Evidence::Carries { available: count.available, desired: workload.desired() });
    }
    relieved(snapshot, entries, at, count, known_good).map(|by| Evidence::Relieved { by })
}

fn named(snapshot: &Snapshot, entries: &[Entry], entry: &Entry) -> Option<&'static str> {
    let workload = &snapshot.workload;
    match workload.kind() {
        Kind::Deployment => {
            let condition = object::condition(workload.object(), "Progressing").filter(|it| it["reason"] == "NewReplicaSetAvailable")?;
            (deadline::named(text(&condition["message"])) == Some(("ReplicaSet", entry.name()))).then_some("the Deployment's condition NewReplicaSetAvailable")
        }
        Kind::StatefulSet => {
            let older = |other: &Entry| object::created(other.owner) < object::created(entry.owner);
            (workload.status()["currentRevision"] == entry.name() && entries.iter().any(older)).then_some("the StatefulSet's currentRevision")
        }
        Kind::DaemonSet => None,
    }
}

/// The number of the revision that relieved this one, which until then carried the load alone (5).
fn relieved(snapshot: &Snapshot, entries: &[Entry], at: usize, count: &Counts, known_good: bool) -> Option<i64> {
    let workload = &snapshot.workload;
    let entry = &entries[at];
    if workload.kind() != Kind::Deployment || workload.min_available() == 0 || count.desired == 0 {
        return None;
    }
    // A revision that was cleaned up may have carried the load instead: then some number is nobody's.
    let all: std::collections::BTreeSet<i64> = entries.iter().flat_map(Entry::numbers).collect();
    let complete = entries.last().is_some_and(|last| (1..=last.number).all(|number| all.contains(&number)));
    if !complete && !known_good {
        return None;
    }
    let created = object::created(entry.owner)?;
    let next = entry.numbers().find_map(|number| entries.iter().find(|other| other.numbers().next() == Some(number + 1)))?;
    let relief = object::created(next.owner)?;
    let others = || entries.iter().filter(|other| other.number != entry.number && object::created(other.owner).is_some_and(|made| made < relief));
    let replaced = others().any(|other| object::created(other.owner).is_some_and(|made| made < created));
    let idle = |other: &Entry| {
        int(&other.owner["spec"]["replicas"]) == 0 && int(&other.owner["status"]["replicas"]) == 0 && last_touched(other.owner).is_some_and(|at| at < relief)
    };
    (replaced && others().all(idle)).then_some(next.number)
}

/// The latest time at which anybody wrote the object: since then it has been as it is.
fn last_touched(object: &Value) -> Option<jiff::Timestamp> {
    items(&object["metadata"]["managedFields"]).iter().map(|entry| time(&entry["time"])).max().flatten()
}

fn against(snapshot: &Snapshot, entry: &Entry) -> bool {
    let workload = &snapshot.workload;
    let timed_out = workload.kind() == Kind::Deployment
        && object::condition(workload.object(), "Progressing")
            .is_some_and(|it| it["reason"] == deadline::REASON && deadline::named(text(&it["message"])) == Some(("ReplicaSet", entry.name())));
    let unfinished = entry.live && workload.generation() <= workload.observed_generation() && !sentence::is_complete(snapshot);
    timed_out || unfinished
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rollout::history::history;
    use crate::rollout::sample::{ago, crashed, fourth_stuck, now, progressing, recorded, third_live, web, with};

    fn completed(snapshot: &Snapshot) -> Vec<(i64, Option<bool>)> {
        history(snapshot, now()).iter().map(|it| (it.revision, it.completed)).collect()
    }

    #[test]
    fn what_completed_is_read_from_the_recordings_and_what_broke_is_never_called_good() {
        for (step, expected) in [
            ("002-deploy-v1", &[(1, Some(true))][..]),
            ("008-deploy-v2", &[(1, None), (2, Some(true))]),
            // Revision 1 was at zero before 3 came, so 2 alone carried the load.
            ("010-deploy-v3-mid", &[(1, None), (2, Some(true)), (3, Some(false))]),
            ("029-deploy-deadline", &[(3, None), (4, None), (5, Some(true)), (6, Some(false))]),
            ("041-deploy-crash", &[(3, None), (4, None), (6, None), (7, Some(true)), (8, Some(false))]),
            ("080-sts-stuck", &[(2, None), (3, Some(true)), (4, Some(false))]),
            ("086-sts-recovered", &[(2, None), (4, None), (5, Some(true))]),
            ("103-ds-stuck", &[(2, None), (3, Some(true)), (4, Some(false))]),
            ("107-ds-recovered", &[(2, None), (4, None), (5, Some(true))]),
        ] {
            assert_eq!(completed(&recorded(step)), expected, "{step}");
        }
    }

    #[test]
    fn each_evidence_has_its_words() {
        let evidence = |snapshot: &Snapshot, number| history::evidence(snapshot, number).unwrap_or_default();
        assert_eq!(evidence(&third_live(), 3), "3 of its 3 pods are available");
        let named = with(&third_live(), |object| {
            object["status"]["conditions"] = progressing("NewReplicaSetAvailable", "ReplicaSet \"web-2\" has successfully progressed.", &ago(50));
        });
        assert_eq!(evidence(&named, 2), "the Deployment's condition NewReplicaSetAvailable says so");
        assert_eq!(evidence(&recorded("010-deploy-v3-mid"), 2), "3 of its 3 pods are available");
        assert_eq!(evidence(&recorded("103-ds-stuck"), 3), "2 of 3 pods are still its own and available");
        assert_eq!(evidence(&recorded("080-sts-stuck"), 4), "");
    }

    #[test]
    fn an_old_revision_that_alone_carries_the_load_completed() {
        let ten = |middle: i64| {
            let mut snapshot = web("i:3", &[(1, "i:1", middle), (2, "i:2", 8), (3, "i:3", 5)]);
            for owner in &mut snapshot.revisions {
                owner["metadata"]["annotations"][DESIRED] = "10".into();
            }
            snapshot.revisions[2]["status"]["availableReplicas"] = json!(0);
            with(&snapshot, |object| {
                object["spec"]["replicas"] = json!(10);
                object["status"] = json!({"observedGeneration": 5, "replicas": 13, "updatedReplicas": 5, "availableReplicas": 8});
            })
        };
        assert_eq!(completed(&ten(0)), [(1, None), (2, Some(true)), (3, Some(false))]);
        assert_eq!(completed(&ten(2)), [(1, None), (2, None), (3, Some(false))], "another old one has pods too");
    }

    /// 1, 2 and 3 came one after the other; 3 is live and complete. `times` are when each was written last, in seconds before now.
    fn one_after_the_other(times: [i64; 3]) -> Snapshot {
        let mut snapshot = third_live();
        for (owner, seconds) in snapshot.revisions.iter_mut().zip(times) {
            owner["metadata"]["managedFields"] = json!([{"manager": "kube-controller-manager", "time": ago(seconds)}]);
        }
        snapshot
    }

    #[test]
    fn a_revision_whose_forerunners_were_idle_when_its_successor_came_completed() {
        // web-3 was made 9700 s ago.
        assert_eq!(completed(&one_after_the_other([9_750, 9_650, 10])), [(1, None), (2, Some(true)), (3, Some(true))]);
        assert_eq!(completed(&one_after_the_other([9_690, 9_650, 10])), [(1, None), (2, None), (3, Some(true))], "1 may still have carried the load");
    }

    #[test]
    fn nothing_is_inferred_from_idle_forerunners_when_one_may_have_been_cleaned_up() {
        let mut snapshot = one_after_the_other([9_750, 9_650, 10]);
        for (owner, number) in snapshot.revisions.iter_mut().zip(["2", "3", "4"]) {
            owner["metadata"]["annotations"][history::REVISION] = number.into();
        }
        assert_eq!(completed(&snapshot), [(2, None), (3, None), (4, Some(true))]);
        snapshot.revisions[0]["metadata"]["annotations"][history::COMPLETED] = "web-1 2026-11-22T17:00:00Z".into();
        assert_eq!(completed(&snapshot), [(2, Some(true)), (3, Some(true)), (4, Some(true))]);
    }

    #[test]
    fn a_mark_that_names_another_owner_proves_nothing() {
        // kubectl's undo copies it to the Deployment, the controller from there to the next ReplicaSet.
        let mut snapshot = fourth_stuck(crashed(2));
        snapshot.revisions[2]["metadata"]["annotations"][history::COMPLETED] = "web-3 2026-11-22T17:00:00Z".into();
        assert_eq!(completed(&snapshot), [(2, None), (3, Some(true)), (4, Some(false))]);
    }
}
