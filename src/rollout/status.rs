//! Where a rollout stands, in kubectl's sentence and in numbers; never an old pod or an old condition counted as success.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::deadline::{self, Deadline};
use super::history;
use super::object::{self, annotation, int, text};
use super::pod::{self, Outlook, Trouble};
pub use super::pod::{pod_ready, pod_restarts, pod_status};
use super::sentence::{Counts, is_observed, sentence};
use super::template;
use super::unstick;
use super::workload::{Kind, Snapshot, Workload};

/// How patient one is with pods of the newest revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How many restarts of a new pod mean that it is doomed. More than the default also waits out CrashLoopBackOff until then.
    pub restarts: i64,
    /// How long an image may fail to be pulled before its pod is doomed, in seconds.
    pub pull_grace_s: i64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { restarts: 3, pull_grace_s: 30 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// The controller has not yet seen the present spec.
    Unobserved,
    Progressing,
    Complete,
    /// `spec.paused`, whether or not the live template is rolled out (`complete` says that).
    Paused,
    /// It exceeded its progress deadline, or it is an OrderedReady StatefulSet that waits for a broken pod of an older revision.
    Stalled,
    Missing,
}

impl Phase {
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Unobserved => "unobserved",
            Phase::Progressing => "progressing",
            Phase::Complete => "complete",
            Phase::Paused => "paused",
            Phase::Stalled => "stalled",
            Phase::Missing => "missing",
        }
    }
}

/// The Status of CONTRACT 4.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    pub target: String,
    pub kind: String,
    pub name: String,
    pub namespace: String,
    pub phase: Phase,
    pub complete: bool,
    /// kubectl's `rollout status` sentence, without its newline.
    pub message: String,
    /// What holds it up: the deadline, a doomed pod's reason, what the controller could not do, another pod's reason.
    pub reason: Option<String>,
    pub revision: Option<i64>,
    pub generation: i64,
    pub observed_generation: i64,
    pub paused: bool,
    pub desired: i64,
    pub updated: i64,
    pub ready: i64,
    pub available: i64,
    pub unavailable: i64,
    pub old: i64,
    /// Of the pods of the newest revision only.
    pub restarts: i64,
    pub images: Map<String, Value>,
    pub pods: Vec<Pod>,
    /// Pods of the newest revision that will not become ready by themselves.
    pub doomed: Vec<Pod>,
}

/// The Pod of CONTRACT 4.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pod {
    pub name: String,
    pub revision: Option<i64>,
    pub phase: String,
    /// kubectl's STATUS column.
    pub status: String,
    pub ready: bool,
    pub restarts: i64,
    pub reason: Option<String>,
    pub message: Option<String>,
    /// The image of the container in trouble, else of the first one.
    pub image: Option<String>,
    pub node: Option<String>,
    pub age_s: i64,
}

/// The status of a workload as one moment showed it.
pub fn status(snapshot: &Snapshot, patience: Patience, now: Timestamp) -> Status {
    look(snapshot, patience, now).0
}

/// The status, and when it may become another though no object changes.
pub(super) fn look(snapshot: &Snapshot, patience: Patience, now: Timestamp) -> (Status, Option<Timestamp>) {
    let workload = &snapshot.workload;
    let deadline = deadline::deadline(snapshot, now);
    let (message, complete) = sentence(snapshot, deadline == Deadline::Exceeded);
    let live = history::live_owner(snapshot);
    let (mut pods, mut doomed, mut restarts, mut look_again) = (Vec::new(), Vec::new(), 0, None);
    if let Deadline::LeftOver(telling) = deadline {
        look_again = telling;
    }
    for pod in snapshot.own_pods() {
        let owner = owner_of(snapshot, pod);
        let newest = owner.zip(live).is_some_and(|(owner, live)| object::uid(owner) == object::uid(live));
        let trouble = pod::trouble(pod, patience, now);
        let shown = shown(pod, owner.and_then(history::number), trouble.as_ref(), now);
        if newest {
            restarts += shown.restarts;
            match &trouble {
                Some(trouble) if trouble.is_doomed() && !is_replaced(snapshot, pod, live) => doomed.push(shown.clone()),
                Some(Trouble { outlook: Outlook::DoomedFrom(at), .. }) => look_again = Some(look_again.map_or(*at, |it: Timestamp| it.min(*at))),
                _ => {}
            }
        }
        pods.push(shown);
    }
    let wedge = if complete { None } else { unstick::wedge(snapshot).and_then(|pod| pod::trouble(pod, patience, now)) };
    if let Some(Trouble { outlook: Outlook::DoomedFrom(at), .. }) = &wedge {
        look_again = Some(look_again.map_or(*at, |it| it.min(*at)));
    }
    let counts = Counts::of(workload);
    let phase = match deadline {
        _ if workload.paused() => Phase::Paused,
        _ if !is_observed(workload) => Phase::Unobserved,
        Deadline::Exceeded => Phase::Stalled,
        _ if complete => Phase::Complete,
        _ if wedge.as_ref().is_some_and(Trouble::is_doomed) => Phase::Stalled,
        _ => Phase::Progressing,
    };
    let reason = match phase {
        _ if complete => doomed.first().and_then(|pod| pod.reason.clone()),
        Phase::Stalled if deadline == Deadline::Exceeded => Some(deadline::REASON.to_owned()),
        Phase::Paused => Some("DeploymentPaused".to_owned()),
        _ => wedge
            .map(|trouble| trouble.reason)
            .or_else(|| doomed.first().and_then(|pod| pod.reason.clone()))
            .or_else(|| hindrance(workload))
            .or_else(|| newest_reason(&pods, live)),
    };
    let target = workload.target();
    let status = Status {
        target: target.to_string(),
        kind: target.resource.kind.to_string(),
        name: workload.name().to_owned(),
        namespace: workload.namespace().to_owned(),
        phase,
        complete,
        message,
        reason,
        revision: revision(snapshot, live),
        generation: workload.generation(),
        observed_generation: workload.observed_generation(),
        paused: workload.paused(),
        desired: workload.desired(),
        updated: counts.updated,
        ready: counts.ready,
        available: counts.available,
        unavailable: counts.unavailable,
        old: (counts.replicas - counts.updated).max(0),
        restarts,
        images: template::images(workload.template()),
        pods,
        doomed,
    };
    (status, look_again)
}

/// The status of a workload that does not exist.
pub fn missing(target: &crate::resource::Target) -> Status {
    Status {
        target: target.to_string(),
        kind: target.resource.kind.to_string(),
        name: target.name.clone(),
        namespace: target.namespace.clone().unwrap_or_default(),
        phase: Phase::Missing,
        complete: false,
        message: format!("{} \"{}\" not found", target.resource.qualified(), target.name),
        reason: Some("NotFound".to_owned()),
        revision: None,
        generation: 0,
        observed_generation: 0,
        paused: false,
        desired: 0,
        updated: 0,
        ready: 0,
        available: 0,
        unavailable: 0,
        old: 0,
        restarts: 0,
        images: Map::new(),
        pods: Vec::new(),
        doomed: Vec::new(),
    }
}

/// The number of the live template; without revision objects what the Deployment's own annotation says.
fn revision(snapshot: &Snapshot, live: Option<&Value>) -> Option<i64> {
    match live {
        Some(owner) => history::number(owner),
        None if snapshot.revisions.is_empty() => annotation(snapshot.workload.object(), history::REVISION)?.parse().ok(),
        None => None,
    }
}

/// The ReplicaSet or ControllerRevision that a pod was made from.
fn owner_of<'a>(snapshot: &'a Snapshot, pod: &Value) -> Option<&'a Value> {
    let mut owners = history::owned(&snapshot.workload, &snapshot.revisions).into_iter();
    match snapshot.workload.kind() {
        Kind::Deployment => owners.find(|owner| object::is_controlled_by(pod, object::uid(owner))),
        Kind::StatefulSet | Kind::DaemonSet => owners.find(|owner| history::is_pod_of_revision(pod, owner)),
    }
}

fn shown(pod: &Value, revision: Option<i64>, trouble: Option<&Trouble>, now: Timestamp) -> Pod {
    Pod {
        name: object::name(pod).to_owned(),
        revision,
        phase: text(&pod["status"]["phase"]).to_owned(),
        status: pod_status(pod),
        ready: pod::is_ready(pod),
        restarts: pod_restarts(pod).0,
        reason: trouble.map(|it| it.reason.clone()),
        message: trouble.and_then(|it| it.message.clone()),
        image: trouble.and_then(|it| it.image.clone()).or_else(|| pod::image_of(pod, "").map(str::to_owned)),
        node: pod["spec"]["nodeName"].as_str().map(str::to_owned),
        age_s: object::age_s(pod, now),
    }
}

/// A failed pod stays as an object; once its ReplicaSet has made another in its place it says nothing about the rollout.
fn is_replaced(snapshot: &Snapshot, pod: &Value, live: Option<&Value>) -> bool {
    let ended = |pod: &Value| matches!(text(&pod["status"]["phase"]), "Failed" | "Succeeded");
    let Some(live) = live.filter(|_| snapshot.workload.kind() == Kind::Deployment && ended(pod)) else { return false };
    let active = history::pods_of(snapshot, live).into_iter().filter(|pod| !ended(pod) && !object::is_terminating(pod)).count();
    i64::try_from(active).is_ok_and(|active| active >= int(&live["spec"]["replicas"]))
}

/// What the controller could not do: create pods, or the ReplicaSet itself.
fn hindrance(workload: &Workload) -> Option<String> {
    let failure = object::condition(workload.object(), "ReplicaFailure").filter(|it| it["status"] == "True");
    let progress = object::condition(workload.object(), "Progressing").filter(|it| it["reason"] == "ReplicaSetCreateError");
    Some(text(&failure.or(progress)?["reason"]).to_owned())
}

fn newest_reason(pods: &[Pod], live: Option<&Value>) -> Option<String> {
    let number = live.and_then(history::number);
    pods.iter().filter(|pod| pod.revision == number && !pod.ready).find_map(|pod| pod.reason.clone())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rollout::sample::{ago, crashed, fourth_stuck, now, progressing, recorded, running, third_live, waiting, with};

    fn seen(snapshot: &Snapshot) -> Status {
        status(snapshot, Patience::default(), now())
    }

    #[test]
    fn recorded_rollouts_stand_where_kubectl_said() {
        use Phase::*;
        for (step, phase, revision, message, reason) in [
            ("002-deploy-v1", Complete, Some(1), "deployment \"web\" successfully rolled out", None),
            (
                "010-deploy-v3-mid",
                Progressing,
                Some(3),
                "Waiting for deployment \"web\" rollout to finish: 1 out of 3 new replicas have been updated...",
                Some("ContainersNotReady"),
            ),
            ("021-deploy-undone", Complete, Some(4), "deployment \"web\" successfully rolled out", None),
            ("029-deploy-deadline", Stalled, Some(6), "deployment \"web\" exceeded its progress deadline", Some("ProgressDeadlineExceeded")),
            ("038-deploy-recovered", Complete, Some(7), "deployment \"web\" successfully rolled out", None),
            ("041-deploy-crash", Stalled, Some(8), "deployment \"web\" exceeded its progress deadline", Some("ProgressDeadlineExceeded")),
            (
                "048-deploy-paused",
                Paused,
                None,
                "Waiting for deployment \"web\" rollout to finish: 0 out of 3 new replicas have been updated...",
                Some("DeploymentPaused"),
            ),
            ("056-deploy-final", Complete, Some(11), "deployment \"web\" successfully rolled out", None),
            ("067-sts-v1", Complete, Some(1), "partitioned roll out complete: 3 new pods have been updated...", None),
            ("080-sts-stuck", Progressing, Some(4), "Waiting for 1 pods to be ready...", Some("ErrImagePull")),
            ("083-sts-undo-stuck", Stalled, Some(5), "Waiting for 1 pods to be ready...", Some("ImagePullBackOff")),
            ("086-sts-recovered", Complete, Some(5), "partitioned roll out complete: 3 new pods have been updated...", None),
            ("090-ds-v1", Complete, Some(1), "daemon set \"agent\" successfully rolled out", None),
            (
                "103-ds-stuck",
                Progressing,
                Some(4),
                "Waiting for daemon set \"agent\" rollout to finish: 1 out of 3 new pods have been updated...",
                Some("ErrImagePull"),
            ),
            ("107-ds-recovered", Complete, Some(5), "daemon set \"agent\" successfully rolled out", None),
        ] {
            let snapshot = recorded(step);
            // Some seconds after what the recording shows last, when no pull has yet failed for long; later for the wedge.
            let at = if step == "083-sts-undo-stuck" { now() } else { latest(&snapshot) };
            let status = status(&snapshot, Patience::default(), at);
            assert_eq!((status.phase, status.revision, status.message.as_str(), status.reason.as_deref()), (phase, revision, message, reason), "{step}");
            assert_eq!(status.complete, phase == Complete, "{step}");
        }
    }

    fn latest(snapshot: &Snapshot) -> Timestamp {
        let pods = snapshot.pods.iter().filter_map(object::created);
        object::after(pods.max().expect("there are pods"), 5)
    }

    #[test]
    fn a_stale_deadline_condition_is_no_failure() {
        let undone = with(&third_live(), |object| {
            object["status"]["conditions"] = progressing("ProgressDeadlineExceeded", "ReplicaSet \"web-2\" has timed out progressing.", &ago(100));
            object["status"]["updatedReplicas"] = json!(1);
        });
        let status = seen(&undone);
        assert_eq!((status.phase, status.reason.as_deref()), (Phase::Progressing, None));
        assert_eq!(status.message, "Waiting for deployment \"web\" rollout to finish: 1 out of 3 new replicas have been updated...");
    }

    #[test]
    fn old_pods_that_are_ready_are_no_success() {
        let status = seen(&fourth_stuck(waiting("ContainerCreating", "")));
        assert_eq!((status.phase, status.complete, status.ready, status.updated, status.old), (Phase::Progressing, false, 3, 1, 3));
    }

    #[test]
    fn a_change_that_the_controller_has_not_seen_is_not_complete() {
        let status = seen(&with(&third_live(), |object| object["metadata"]["generation"] = json!(6)));
        assert_eq!((status.phase, status.complete), (Phase::Unobserved, false));
        let fresh = with(&third_live(), |object| drop(object["status"].take()));
        assert_eq!(seen(&fresh).phase, Phase::Unobserved);
    }

    #[test]
    fn paused_is_a_phase_whether_or_not_the_rollout_is_complete() {
        let paused = with(&third_live(), |object| object["spec"]["paused"] = true.into());
        assert_eq!((seen(&paused).phase, seen(&paused).complete), (Phase::Paused, true));
        let edited = with(&paused, |object| {
            object["spec"]["template"]["spec"]["containers"][0]["image"] = "shop/web:9".into();
            object["spec"]["replicas"] = json!(0);
            object["status"] = json!({"observedGeneration": 5});
        });
        assert!(!seen(&edited).complete, "kubectl calls this rolled out");
    }

    #[test]
    fn restarts_and_doomed_are_of_the_newest_revision_only() {
        let mut snapshot = fourth_stuck(crashed(2));
        snapshot.pods.push(crate::rollout::sample::pod("web-3-z", &snapshot.revisions[1], crashed(7)));
        let status = seen(&snapshot);
        assert_eq!((status.restarts, status.doomed.len()), (2, 1));
        let pod = &status.doomed[0];
        assert_eq!((pod.name.as_str(), pod.revision, pod.reason.as_deref()), ("web-4-a", Some(4), Some("CrashLoopBackOff")));
        assert_eq!(pod.message.as_deref(), Some("back-off 10s restarting failed container=web (exit code 1)"));
        assert_eq!(status.pods.iter().map(|pod| pod.name.as_str()).collect::<Vec<_>>(), ["web-3-a", "web-3-b", "web-3-c", "web-3-z", "web-4-a"]);
        assert_eq!(status.reason.as_deref(), Some("CrashLoopBackOff"));
    }

    #[test]
    fn pods_of_others_are_left_out() {
        let status = seen(&recorded("103-ds-stuck"));
        assert!(status.pods.iter().all(|pod| pod.name.starts_with("agent-")), "{:?}", status.pods);
        assert_eq!(status.pods.iter().map(|pod| pod.revision).collect::<Vec<_>>(), [Some(3), Some(3), Some(4)]);
    }

    #[test]
    fn a_failed_pod_that_was_replaced_dooms_nothing() {
        let mut snapshot = fourth_stuck(running());
        let mut failed = crate::rollout::sample::pod("web-4-dead", &snapshot.revisions[2], running());
        failed["status"] = json!({"phase": "Failed", "reason": "UnexpectedAdmissionError"});
        snapshot.pods.push(failed);
        assert_eq!(seen(&snapshot).doomed, []);
        snapshot.pods.retain(|pod| pod["metadata"]["name"] != "web-4-a");
        assert_eq!(seen(&snapshot).doomed.len(), 1);
    }

    #[test]
    fn what_the_controller_cannot_do_is_the_reason() {
        let quota = with(&third_live(), |object| {
            object["status"]["updatedReplicas"] = json!(1);
            object["status"]["conditions"] = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate"}]);
        });
        assert_eq!(seen(&quota).reason.as_deref(), Some("FailedCreate"));
    }

    #[test]
    fn a_missing_workload_has_a_status_too() {
        let status = missing(&third_live().workload.target());
        assert_eq!((status.phase, status.message.as_str()), (Phase::Missing, "deployments.apps \"web\" not found"));
    }

    #[test]
    fn a_status_is_the_map_of_the_contract() {
        let map = serde_json::to_value(seen(&third_live())).expect("a map");
        let keys: Vec<&str> = map.as_object().expect("a map").keys().map(String::as_str).collect();
        let mut wanted = [
            "target",
            "kind",
            "name",
            "namespace",
            "phase",
            "complete",
            "message",
            "reason",
            "revision",
            "generation",
            "observed_generation",
            "paused",
            "desired",
            "updated",
            "ready",
            "available",
            "unavailable",
            "old",
            "restarts",
            "images",
            "pods",
            "doomed",
        ];
        wanted.sort_unstable();
        assert_eq!(keys, wanted);
        assert_eq!(map["phase"], "complete");
        assert_eq!(map["images"], json!({"web": "shop/web:3"}));
    }
}
