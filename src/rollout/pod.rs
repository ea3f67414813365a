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

/// A kubelet's message without the pod's full name and uid, which whoever reads it knows, and without how the kubelet talks to its runtime.
fn plain(message: &str, pod: &str) -> String {
    let is_identity = |word: &&str| word.starts_with("pod=") && word.contains(pod);
    let message = message.split(' ').filter(|word| !is_identity(word)).collect::<Vec<_>>().join(" ");
    match message.split_once("rpc error: code = ").and_then(|(before, after)| Some((before, after.split_once(" desc = ")?.1))) {
        Some((before, what)) => format!("{before}{what}"),
        None => message,
    }
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
    let said = || waiting["message"].as_str().map(|message| plain(message, text(&pod["metadata"]["name"])));
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rollout::sample::{ago, crashed, now, pod as sample, recorded, replica_set, running, waiting};

    /// A pod of a phase with container states `[name, status]`, and what else its status says.
    fn pod(phase: &str, init: Value, containers: Value, more: Value) -> Value {
        let mut status = json!({"phase": phase, "initContainerStatuses": init, "containerStatuses": containers});
        json_patch::merge(&mut status, &more);
        json!({
            "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}, {"name": "j"}, {"name": "side", "restartPolicy": "Always"}]},
            "status": status
        })
    }

    #[test]
    fn the_columns_are_those_of_the_api_server() {
        let run = || json!({"ready": true, "state": {"running": {}}});
        let unready = || json!({"ready": false, "state": {"running": {}}});
        let wait = |reason: &str| json!({"state": {"waiting": {"reason": reason}}});
        let end = |code: i64, reason: &str| json!({"state": {"terminated": {"exitCode": code, "reason": reason}}});
        let side = || json!({"name": "side", "started": true, "ready": true, "restartCount": 2, "state": {"running": {}}});
        let initialized = json!({"conditions": [{"type": "Initialized", "status": "True"}]});
        let is_ready = json!({"conditions": [{"type": "Ready", "status": "True"}]});
        let none = json!([]);
        for (pod, status, ready) in [
            (pod("Pending", none.clone(), none.clone(), json!({})), "Pending", 0),
            (
                pod("Pending", none.clone(), none.clone(), json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]})),
                "SchedulingGated",
                0,
            ),
            (pod("Failed", none.clone(), none.clone(), json!({"reason": "Evicted"})), "Evicted", 0),
            (pod("Pending", json!([wait("PodInitializing")]), none.clone(), json!({})), "Init:0/3", 0),
            (pod("Pending", json!([end(0, "Completed"), wait("PodInitializing")]), none.clone(), json!({})), "Init:1/3", 0),
            (pod("Pending", json!([wait("ImagePullBackOff")]), none.clone(), json!({})), "Init:ImagePullBackOff", 0),
            (pod("Pending", json!([end(1, "Error")]), none.clone(), json!({})), "Init:Error", 0),
            (pod("Pending", json!([end(3, "")]), none.clone(), json!({})), "Init:ExitCode:3", 0),
            (pod("Pending", json!([{"state": {"terminated": {"exitCode": 137, "signal": 9}}}]), none.clone(), json!({})), "Init:Signal:9", 0),
            (pod("Running", json!([end(0, ""), end(0, ""), side()]), json!([run(), run()]), is_ready.clone()), "Running", 3),
            (pod("Pending", json!([side(), wait("CrashLoopBackOff")]), none.clone(), json!({})), "Init:CrashLoopBackOff", 1),
            (pod("Pending", none.clone(), json!([wait("ContainerCreating"), wait("ContainerCreating")]), json!({})), "ContainerCreating", 0),
            (pod("Running", none.clone(), json!([wait("CrashLoopBackOff"), run()]), json!({})), "CrashLoopBackOff", 1),
            (pod("Running", none.clone(), json!([wait("ErrImagePull"), wait("CrashLoopBackOff")]), json!({})), "ErrImagePull", 0),
            (pod("Running", none.clone(), json!([end(0, "Completed"), run()]), json!({})), "NotReady", 1),
            (pod("Running", none.clone(), json!([end(0, "Completed"), run()]), is_ready), "Running", 1),
            (pod("Running", none.clone(), json!([end(0, "Completed"), end(2, "Error")]), json!({})), "Error", 0),
            (pod("Succeeded", none.clone(), json!([end(0, "Completed"), end(0, "Completed")]), json!({})), "Completed", 0),
            (pod("Running", none.clone(), json!([end(137, "OOMKilled"), run()]), json!({})), "OOMKilled", 1),
            (pod("Running", none.clone(), json!([end(7, ""), run()]), json!({})), "ExitCode:7", 1),
            (pod("Running", json!([end(1, "Error")]), json!([unready(), run()]), initialized), "Init:Error", 1),
        ] {
            assert_eq!((pod_status(&pod).as_str(), pod_ready(&pod)), (status, (ready, 3)), "{}", pod["status"]);
        }
    }

    #[test]
    fn a_pod_on_its_way_out_says_so() {
        for (status, expected) in [
            (json!({"phase": "Running"}), "Terminating"),
            (json!({"phase": "Running", "reason": "NodeLost"}), "Unknown"),
            (json!({"phase": "Failed"}), "Failed"),
        ] {
            let pod = json!({"metadata": {"name": "p", "deletionTimestamp": ago(1)}, "spec": {}, "status": status});
            assert_eq!(pod_status(&pod), expected);
            assert_eq!(trouble(&pod, Patience::default(), now()), None, "what is leaving is nobody's trouble");
        }
    }

    #[test]
    fn restarts_come_with_the_time_of_the_last_one() {
        let recorded = recorded("041-deploy-crash");
        let crashing = recorded.pods.iter().find(|pod| pod_status(pod) == "CrashLoopBackOff").expect("one crashes");
        assert_eq!(pod_restarts(crashing), (1, "2026-11-22T19:25:07Z".parse().ok()));
        assert_eq!(pod_restarts(&sample("p", &replica_set(1, "i", 1), running())), (0, None));
    }

    /// Reason and outlook of a pod with this container, 100 s after it started.
    fn judged(container: Value, patience: Patience) -> (String, bool) {
        trouble(&sample("p", &replica_set(1, "i", 1), container), patience, now()).map(|it| (it.reason.clone(), it.is_doomed())).unwrap_or_default()
    }

    #[test]
    fn what_will_not_pass_by_itself_is_doomed() {
        let usual = Patience::default();
        let last = |container: Value, exit: i64, reason: &str, finished: i64| {
            let mut container = container;
            container["lastState"] = json!({"terminated": {"exitCode": exit, "reason": reason, "finishedAt": ago(finished)}});
            container
        };
        let restarted = |times: i64, ready: bool| json!({"ready": ready, "restartCount": times, "state": {"running": {}}});
        for (container, patience, reason, doomed) in [
            (running(), usual, "", false),
            (waiting("ContainerCreating", ""), usual, "ContainerCreating", false),
            (json!({"ready": false, "restartCount": 0, "state": {"running": {}}}), usual, "ContainersNotReady", false),
            (crashed(1), usual, "CrashLoopBackOff", true),
            (crashed(4), Patience { restarts: 5, ..usual }, "CrashLoopBackOff", false),
            (crashed(5), Patience { restarts: 5, ..usual }, "CrashLoopBackOff", true),
            (last(restarted(2, false), 1, "Error", 5), usual, "ContainersNotReady", false),
            (last(restarted(3, false), 1, "Error", 5), usual, "TooManyRestarts", true),
            (last(restarted(3, true), 1, "Error", 5), usual, "TooManyRestarts", true),
            (last(restarted(3, true), 1, "Error", 601), usual, "", false),
            (last(restarted(3, false), 137, "OOMKilled", 5), usual, "OOMKilled", true),
            (waiting("ImagePullBackOff", ""), usual, "ImagePullBackOff", true),
            (waiting("ErrImagePull", ""), Patience { pull_grace_s: 100, ..usual }, "ErrImagePull", true),
            (waiting("ErrImagePull", ""), Patience { pull_grace_s: 101, ..usual }, "ErrImagePull", false),
            (waiting("InvalidImageName", ""), usual, "InvalidImageName", true),
            (waiting("ErrImageNeverPull", ""), usual, "ErrImageNeverPull", true),
            (waiting("CreateContainerConfigError", ""), usual, "CreateContainerConfigError", true),
            (waiting("CreateContainerError", ""), usual, "CreateContainerError", true),
            (waiting("RunContainerError", ""), usual, "RunContainerError", true),
        ] {
            assert_eq!(judged(container.clone(), patience), (reason.to_owned(), doomed), "{container} {patience:?}");
        }
    }

    #[test]
    fn a_message_does_not_repeat_whose_it_is_and_how_the_kubelet_heard_of_it() {
        for (message, told) in [
            ("back-off 10s restarting failed container=web pod=web-1_shop(0d3c)", "back-off 10s restarting failed container=web"),
            (
                "Back-off pulling image \"web:9\": ErrImagePull: rpc error: code = NotFound desc = docker.io/web:9: not found",
                "Back-off pulling image \"web:9\": ErrImagePull: docker.io/web:9: not found",
            ),
            ("configmap \"web\" not found", "configmap \"web\" not found"),
        ] {
            assert_eq!(plain(message, "web-1"), told);
        }
    }

    #[test]
    fn an_init_container_can_doom_a_pod_too() {
        let mut pod = sample("p", &replica_set(1, "i", 1), waiting("PodInitializing", ""));
        pod["spec"]["initContainers"] = json!([{"name": "migrate", "image": "shop/migrate:1"}]);
        let mut init = crashed(1);
        init["name"] = "migrate".into();
        pod["status"]["initContainerStatuses"] = json!([init]);
        let trouble = trouble(&pod, Patience::default(), now()).expect("it crashes");
        assert_eq!((trouble.reason.as_str(), trouble.image.as_deref(), trouble.is_doomed()), ("CrashLoopBackOff", Some("shop/migrate:1"), true));
        assert_eq!(trouble.message.as_deref(), Some("back-off 10s restarting failed container=web (exit code 1)"));
    }

    #[test]
    fn the_pull_grace_counts_from_when_pulling_began() {
        let mut pod = sample("p", &replica_set(1, "i", 1), waiting("ErrImagePull", "not found"));
        pod["status"]["conditions"] = json!([{"type": "Initialized", "status": "True", "lastTransitionTime": ago(10)}]);
        let trouble = trouble(&pod, Patience::default(), now()).expect("it cannot be pulled");
        assert_eq!(trouble.outlook, Outlook::DoomedFrom(after(now(), 20)));
    }

    #[test]
    fn a_pod_that_waits_for_room_is_not_doomed_and_says_why_it_waits() {
        let mut pod = sample("p", &replica_set(1, "i", 1), waiting("", ""));
        pod["status"] = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}]});
        let trouble = trouble(&pod, Patience::default(), now()).expect("it waits");
        assert_eq!((trouble.reason.as_str(), trouble.message.as_deref(), trouble.outlook), ("Unschedulable", Some("0/3 nodes are available"), Outlook::Open));
    }

    #[test]
    fn a_failed_pod_is_doomed_unless_its_node_is_to_blame() {
        for (status, reason, doomed) in [
            (json!({"phase": "Failed"}), "Failed", true),
            (json!({"phase": "Failed", "reason": "UnexpectedAdmissionError"}), "UnexpectedAdmissionError", true),
            (json!({"phase": "Failed", "reason": "Evicted"}), "Evicted", false),
        ] {
            let pod = json!({"metadata": {"name": "p"}, "spec": {}, "status": status});
            let trouble = trouble(&pod, Patience::default(), now()).expect("it failed");
            assert_eq!((trouble.reason.as_str(), trouble.is_doomed()), (reason, doomed));
        }
    }
}
