//! Where a rollout stands, in kubectl's sentence and in numbers; never an old pod or an old condition counted as success.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::deadline::{self, Deadline};
use super::history;
use super::object::{self, annotation, int, text};
use super::pod::{self, Outlook, Trouble};
pub use super::pod::{pod_ready, pod_restarts, pod_status};
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
    let wedge = if complete { None } else { unstick::wedge(snapshot).filter(|pod| pod::trouble(pod, patience, now).is_some_and(|it| it.is_doomed())) };
    let counts = Counts::of(workload);
    let phase = match deadline {
        _ if workload.paused() => Phase::Paused,
        _ if !is_observed(workload) => Phase::Unobserved,
        Deadline::Exceeded => Phase::Stalled,
        _ if complete => Phase::Complete,
        _ if wedge.is_some() => Phase::Stalled,
        _ => Phase::Progressing,
    };
    let waiting = |name: &str| pods.iter().find(|pod| pod.name == name).and_then(|pod| pod.reason.clone());
    let reason = match phase {
        _ if complete => doomed.first().and_then(|pod| pod.reason.clone()),
        Phase::Stalled if deadline == Deadline::Exceeded => Some(deadline::REASON.to_owned()),
        Phase::Stalled => wedge.and_then(|pod| waiting(object::name(pod))),
        Phase::Paused => Some("DeploymentPaused".to_owned()),
        _ => doomed.first().and_then(|pod| pod.reason.clone()).or_else(|| hindrance(workload)).or_else(|| newest_reason(&pods, live)),
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

/// The counts of a status that the controller keeps under different names for each kind.
struct Counts {
    replicas: i64,
    updated: i64,
    ready: i64,
    available: i64,
    unavailable: i64,
}

impl Counts {
    fn of(workload: &Workload) -> Self {
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

fn is_observed(workload: &Workload) -> bool {
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
fn sentence(snapshot: &Snapshot, exceeded: bool) -> (String, bool) {
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
