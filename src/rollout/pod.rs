//! What a pod shows of itself: kubectl's STATUS, READY and RESTARTS, and whether it is in trouble that will not pass.
//!
//! # Source
//! `printPod` of the API server 1.36 (`pkg/printers/internalversion/printers.go`), for the columns.

use jiff::Timestamp;
use serde_json::Value;

use super::object::{self, after, condition, int, items, text, time};
use super::status::Patience;

/// After so long without a crash the kubelet forgets earlier ones; in seconds.
const CRASHES_FORGOTTEN_S: i64 = 600;

/// Reasons of failed pods that lie with the node and not with the template: the controller makes another pod.
const NODE_REASONS: &[&str] = &["Evicted", "NodeLost", "NodeShutdown", "Preempting", "Shutdown", "Terminated"];

/// Why a container that waits will go on waiting until somebody changes something.
const LASTING: &[&str] = &[
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ImageInspectError",
    "InvalidImageName",
    "PostStartHookError",
    "PreCreateHookError",
    "PreStartHookError",
    "RunContainerError",
    "SignatureValidationFailed",
];

/// The columns of one pod, and what they are made from.
struct Columns {
    status: String,
    ready: usize,
    total: usize,
    restarts: i64,
    last_restart: Option<Timestamp>,
}

/// kubectl's STATUS column of a pod (SEMANTICS 6.3).
pub fn pod_status(pod: &Value) -> String {
    columns(pod).status
}

/// kubectl's READY column: how many containers are ready, of how many; sidecars count.
pub fn pod_ready(pod: &Value) -> (usize, usize) {
    let columns = columns(pod);
    (columns.ready, columns.total)
}

/// kubectl's RESTARTS column: how many, and when the last one was (`3 (20s ago)` is this with an age).
pub fn pod_restarts(pod: &Value) -> (i64, Option<Timestamp>) {
    let columns = columns(pod);
    (columns.restarts, columns.last_restart)
}

/// Whether the pod's condition Ready is true.
pub fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|ready| ready["status"] == "True")
}

fn columns(pod: &Value) -> Columns {
    let (spec, state) = (&pod["spec"], &pod["status"]);
    let phase = text(&state["phase"]);
    let sidecar = |name: &Value| items(&spec["initContainers"]).iter().any(|it| it["name"] == *name && it["restartPolicy"] == "Always");
    let mut status = text(&state["reason"]).to_owned();
    if status.is_empty() {
        status = phase.to_owned();
    }
    if condition(pod, "PodScheduled").is_some_and(|it| it["reason"] == "SchedulingGated") {
        status = "SchedulingGated".to_owned();
    }
    let total = items(&spec["containers"]).len() + items(&spec["initContainers"]).iter().filter(|it| it["restartPolicy"] == "Always").count();
    let (mut ready, mut restarts, mut last_restart) = (0, 0, None);
    let (mut sidecar_restarts, mut last_sidecar_restart) = (0, None);
    let mut initializing = false;
    for (at, container) in items(&state["initContainerStatuses"]).iter().enumerate() {
        restarts += int(&container["restartCount"]);
        let finished = time(&container["lastState"]["terminated"]["finishedAt"]);
        last_restart = last_restart.max(finished);
        let is_sidecar = sidecar(&container["name"]);
        if is_sidecar {
            sidecar_restarts += int(&container["restartCount"]);
            last_sidecar_restart = last_sidecar_restart.max(finished);
        }
        let terminated = &container["state"]["terminated"];
        let waiting = text(&container["state"]["waiting"]["reason"]);
        if terminated.is_object() && int(&terminated["exitCode"]) == 0 {
            continue;
        }
        if is_sidecar && container["started"] == true {
            ready += usize::from(container["ready"] == true);
            continue;
        }
        status = if terminated.is_object() {
            format!("Init:{}", ended(terminated))
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{at}/{}", items(&spec["initContainers"]).len())
        };
        initializing = true;
        break;
    }
    if !initializing || condition(pod, "Initialized").is_some_and(|it| it["status"] == "True") {
        (restarts, last_restart) = (sidecar_restarts, last_sidecar_restart);
        let (mut runs, mut failure) = (false, None);
        for container in items(&state["containerStatuses"]).iter().rev() {
            restarts += int(&container["restartCount"]);
            last_restart = last_restart.max(time(&container["lastState"]["terminated"]["finishedAt"]));
            let (waiting, terminated) = (text(&container["state"]["waiting"]["reason"]), &container["state"]["terminated"]);
            if !waiting.is_empty() {
                status = waiting.to_owned();
            } else if terminated.is_object() {
                status = ended(terminated);
                if int(&terminated["exitCode"]) != 0 {
                    failure = Some(status.clone());
                }
            } else if container["ready"] == true && container["state"]["running"].is_object() {
                runs = true;
                ready += 1;
            }
        }
        if status == "Completed" {
            status = match failure {
                _ if runs && is_ready(pod) => "Running".to_owned(),
                Some(failure) => failure,
                None if runs => "NotReady".to_owned(),
                None => status,
            };
        }
    }
    if object::is_terminating(pod) {
        if state["reason"] == "NodeLost" {
            status = "Unknown".to_owned();
        } else if !matches!(phase, "Succeeded" | "Failed") {
            status = "Terminating".to_owned();
        }
    }
    Columns { status, ready, total, restarts, last_restart }
}

fn ended(terminated: &Value) -> String {
    match (text(&terminated["reason"]), int(&terminated["signal"])) {
        ("", 0) => format!("ExitCode:{}", int(&terminated["exitCode"])),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

/// What keeps a pod from being ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub reason: String,
    pub message: Option<String>,
    pub image: Option<String>,
    pub outlook: Outlook,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    /// It will not pass by itself.
    Doomed,
    /// It counts as doomed from this moment on, if it is still there then.
    DoomedFrom(Timestamp),
    /// It may pass by itself.
    Open,
}

impl Trouble {
    pub(super) fn is_doomed(&self) -> bool {
        self.outlook == Outlook::Doomed
    }
}

/// What keeps the pod from being ready, the worst first; `None` for a pod that is fine or on its way out.
///
/// Doomed is: CrashLoopBackOff (at once, unless more restarts than the default are allowed); that many restarts, the last within the
/// ten minutes after which the kubelet forgets; ImagePullBackOff and ErrImagePull after the grace since pulling began;
/// what waits for an edit (InvalidImageName, CreateContainerConfigError, ...); phase Failed, unless the node is to blame. Being
/// unschedulable is not: room may come.
pub(super) fn trouble(pod: &Value, patience: Patience, now: Timestamp) -> Option<Trouble> {
    if object::is_terminating(pod) || pod["status"]["phase"] == "Succeeded" {
        return None;
    }
    let statuses = ["initContainerStatuses", "containerStatuses"].into_iter().flat_map(|field| items(&pod["status"][field]));
    let mut all: Vec<Trouble> = statuses.filter_map(|container| container_trouble(pod, container, patience, now)).collect();
    let rank = |trouble: &Trouble| match trouble.outlook {
        Outlook::Doomed => 0,
        Outlook::DoomedFrom(_) => 1,
        Outlook::Open => 2,
    };
    all.sort_by_key(rank);
    let worst = all.into_iter().next();
    if worst.as_ref().is_some_and(|worst| worst.outlook != Outlook::Open) {
        return worst;
    }
    pod_trouble(pod).or(worst).or_else(|| unready(pod))
}

fn container_trouble(pod: &Value, container: &Value, patience: Patience, now: Timestamp) -> Option<Trouble> {
    let waiting = &container["state"]["waiting"];
    let reason = text(&waiting["reason"]);
    let last = if container["state"]["terminated"].is_object() { &container["state"]["terminated"] } else { &container["lastState"]["terminated"] };
    let restarts = int(&container["restartCount"]);
    let name = text(&container["name"]);
    let found = |reason: &str, message: Option<String>, outlook| {
        let image = image_of(pod, name).or_else(|| container["image"].as_str()).map(str::to_owned);
        Some(Trouble { reason: reason.to_owned(), message, image, outlook })
    };
    let said = || waiting["message"].as_str().map(str::to_owned);
    let too_many = restarts >= patience.restarts.max(1);
    match reason {
        "CrashLoopBackOff" => {
            let outlook = if too_many || patience.restarts <= Patience::default().restarts { Outlook::Doomed } else { Outlook::Open };
            let message = match (said(), exit(last)) {
                (Some(said), Some(exit)) => Some(format!("{said} ({exit})")),
                (said, exit) => said.or(exit),
            };
            return found(reason, message, outlook);
        }
        "ImagePullBackOff" | "ErrImagePull" => {
            let doomed_from = pulling_since(pod).map(|since| after(since, patience.pull_grace_s));
            let outlook = match doomed_from {
                Some(at) if at > now => Outlook::DoomedFrom(at),
                _ => Outlook::Doomed,
            };
            return found(reason, said(), outlook);
        }
        reason if LASTING.contains(&reason) => return found(reason, said(), Outlook::Doomed),
        _ => {}
    }
    let failed = last.is_object() && int(&last["exitCode"]) != 0;
    let recent = !is_ready(pod) || time(&last["finishedAt"]).is_none_or(|finished| after(finished, CRASHES_FORGOTTEN_S) > now);
    if failed && too_many && recent {
        let reason = if last["reason"] == "OOMKilled" { "OOMKilled" } else { "TooManyRestarts" };
        let times = if restarts == 1 { "once".to_owned() } else { format!("{restarts} times") };
        let message = format!("container {name} restarted {times}{}", exit(last).map(|exit| format!(" ({exit})")).unwrap_or_default());
        return found(reason, Some(message), Outlook::Doomed);
    }
    if is_ready(pod) {
        return None;
    }
    if failed && container["state"]["terminated"].is_object() {
        return found(&ended(last), exit(last), Outlook::Open);
    }
    if reason.is_empty() { None } else { found(reason, said(), Outlook::Open) }
}

/// `exit code 137, OOMKilled`; `None` when the container has not ended.
fn exit(terminated: &Value) -> Option<String> {
    let code = terminated["exitCode"].as_i64()?;
    Some(match text(&terminated["reason"]) {
        "" | "Error" | "Completed" => format!("exit code {code}"),
        reason => format!("exit code {code}, {reason}"),
    })
}

fn pod_trouble(pod: &Value) -> Option<Trouble> {
    let status = &pod["status"];
    let said = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    if status["phase"] == "Failed" {
        let reason = said(&status["reason"]).unwrap_or_else(|| "Failed".to_owned());
        let outlook = if NODE_REASONS.contains(&reason.as_str()) { Outlook::Open } else { Outlook::Doomed };
        return Some(Trouble { reason, message: said(&status["message"]), image: None, outlook });
    }
    let scheduled = condition(pod, "PodScheduled").filter(|it| it["status"] == "False")?;
    Some(Trouble { reason: said(&scheduled["reason"])?, message: said(&scheduled["message"]), image: None, outlook: Outlook::Open })
}

fn unready(pod: &Value) -> Option<Trouble> {
    let ready = condition(pod, "Ready").filter(|it| it["status"] != "True")?;
    let said = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    Some(Trouble { reason: said(&ready["reason"])?, message: said(&ready["message"]), image: None, outlook: Outlook::Open })
}

/// Pulling begins when the pod has come to its node and its init containers are through.
fn pulling_since(pod: &Value) -> Option<Timestamp> {
    let initialized = condition(pod, "Initialized").filter(|it| it["status"] == "True").and_then(|it| time(&it["lastTransitionTime"]));
    let begun = time(&pod["status"]["startTime"]).max(initialized);
    begun.or_else(|| object::created(pod))
}

/// The image of a container as the pod's spec has it; of the first container when the name is unknown.
pub(super) fn image_of<'a>(pod: &'a Value, container: &str) -> Option<&'a str> {
    let spec = &pod["spec"];
    let mut all = items(&spec["containers"]).iter().chain(items(&spec["initContainers"]));
    let named = all.find(|it| it["name"] == container);
    named.or_else(|| items(&spec["containers"]).first())?["image"].as_str()
}
