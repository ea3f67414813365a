//! The status that a kubelet writes: phase, conditions and container statuses of a pod that it plays.

use std::sync::Arc;

use jiff::Timestamp;

use super::super::controllers::client::{self, Component};
use super::super::controllers::object::{condition, generation, list, stamp, text, uid};
use super::super::kinds::Kind;
use super::super::world::World;
use super::{Container, Exit, Policy, Role, Run, State, digest, full_name};
use crate::sim::json::{Map, Value, json, literal};

/// Writes the pod's status as it is now; the object may be older than the store's.
pub fn push(world: &mut World, pod: &Arc<Value>) {
    let Some(run) = world.controllers.kubelets.pods.get(uid(pod)) else { return };
    let Some(stored) = world.find(Kind::PODS, &run.namespace, &run.name).filter(|stored| uid(stored) == uid(pod)) else { return };
    let host = host_address(world, &run.node);
    let status = of(run, stored, &host, world.now());
    if stored["status"] == status {
        return;
    }
    let mut copy = Value::clone(stored);
    copy["status"] = status;
    // A refused status is written again with the next change.
    let _ = client::update_status(world, Component::Kubelet, Kind::PODS, copy);
}

fn host_address(world: &World, node: &str) -> String {
    let node = world.find(Kind::NODES, "", node);
    let address = node.and_then(|node| list(&node["status"]["addresses"]).iter().find(|address| address["type"] == "InternalIP"));
    address.map_or("127.0.0.1", |address| text(address, &["address"])).to_owned()
}

fn of(run: &Run, pod: &Value, host: &str, now: Timestamp) -> Value {
    let phase = phase(run);
    let mut status = pod["status"].as_object().cloned().unwrap_or_default();
    status.insert(literal!("observedGeneration"), Value::from(generation(pod)));
    status.insert(literal!("phase"), Value::from(phase));
    status.insert(literal!("conditions"), conditions(run, pod, phase, now));
    status.insert(literal!("hostIP"), Value::from(host));
    status.insert(literal!("hostIPs"), json!([{ "ip": host }]));
    if run.begun {
        let ip = if pod["spec"]["hostNetwork"] == true { host } else { &run.ip };
        status.insert(literal!("podIP"), Value::from(ip));
        status.insert(literal!("podIPs"), json!([{ "ip": ip }]));
    }
    status.insert(literal!("startTime"), Value::from(stamp(run.since)));
    for (field, roles) in
        [("initContainerStatuses", &[Role::Init, Role::Sidecar][..]), ("containerStatuses", &[Role::Main]), ("ephemeralContainerStatuses", &[Role::Ephemeral])]
    {
        let statuses: Vec<Value> = run.containers.iter().filter(|it| roles.contains(&it.role)).map(|it| container_status(it, uid(pod))).collect();
        if !statuses.is_empty() {
            status.insert(field.to_owned(), Value::from(statuses));
        }
    }
    Value::Object(status)
}

/// # Source
/// The kubelet's `getPhase`.
fn phase(run: &Run) -> &'static str {
    let main = || run.containers.iter().filter(|it| it.role == Role::Main);
    let failed_init = run.containers.iter().any(|it| it.role == Role::Init && matches!(&it.state, State::Exited(exit) if exit.code != 0));
    if failed_init && run.policy == Policy::Never {
        return "Failed";
    }
    let never_ran = |it: &Container| matches!(it.state, State::Waiting { .. }) && it.last.is_none();
    if run.containers.iter().any(|it| it.role != Role::Main && !it.has_initialised()) && main().all(never_ran) || main().any(never_ran) {
        return "Pending";
    }
    if main().any(Container::runs) || run.policy == Policy::Always {
        return "Running";
    }
    let ended = |it: &Container| matches!(it.state, State::Exited(_));
    let good = |it: &Container| matches!(&it.state, State::Exited(exit) if exit.code == 0);
    if main().all(good) {
        "Succeeded"
    } else if run.policy == Policy::Never && main().all(ended) {
        "Failed"
    } else {
        "Running"
    }
}

fn conditions(run: &Run, pod: &Value, phase: &str, now: Timestamp) -> Value {
    let waiting_inits: Vec<&str> = run.containers.iter().filter(|it| !it.has_initialised()).map(|it| it.name.as_str()).collect();
    let unready: Vec<&str> = run.containers.iter().filter(|it| matches!(it.role, Role::Main | Role::Sidecar) && !it.ready).map(|it| it.name.as_str()).collect();
    let done = matches!(phase, "Succeeded" | "Failed");
    let (ready, reason, message) = match phase {
        "Succeeded" => ("False", "PodCompleted", String::new()),
        "Failed" => ("False", "PodFailed", String::new()),
        _ if unready.is_empty() && waiting_inits.is_empty() => ("True", "", String::new()),
        _ => ("False", "ContainersNotReady", format!("containers with unready status: [{}]", unready.join(" "))),
    };
    let (initialised, init_reason, init_message) = match (waiting_inits.is_empty(), phase) {
        (true, "Succeeded") => ("True", "PodCompleted", String::new()),
        (true, _) => ("True", "", String::new()),
        (false, _) => ("False", "ContainersNotInitialized", format!("containers with incomplete status: [{}]", waiting_inits.join(" "))),
    };
    let gates = list(&pod["spec"]["readinessGates"]).iter().filter_map(|gate| gate["conditionType"].as_str());
    let missing: Vec<&str> = gates.filter(|gate| condition(pod, gate).is_none_or(|have| have["status"] != "True")).collect();
    let (pod_ready, pod_reason, pod_message) = if ready == "True" && !missing.is_empty() {
        let words: Vec<String> = missing.iter().map(|gate| format!("corresponding condition of pod readiness gate {gate:?} does not exist.")).collect();
        ("False", "ReadinessGatesNotReady", words.join(", "))
    } else {
        (ready, reason, message.clone())
    };
    let own = [
        ("PodReadyToStartContainers", if done { "False" } else { "True" }, "", String::new()),
        ("Initialized", initialised, init_reason, init_message),
        ("Ready", pod_ready, pod_reason, pod_message),
        ("ContainersReady", ready, reason, message),
    ];
    let mut conditions: Vec<Value> = own.iter().map(|(kind, status, reason, message)| one(pod, kind, status, reason, message, now)).collect();
    // Conditions of others, PodScheduled above all, stay as they are.
    conditions.extend(list(&pod["status"]["conditions"]).iter().filter(|have| own.iter().all(|(kind, ..)| have["type"] != *kind)).cloned());
    Value::from(conditions)
}

/// A condition whose time of transition moves only when its status changes.
fn one(pod: &Value, kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) -> Value {
    let before = condition(pod, kind).filter(|before| before["status"] == status);
    let since = before.map_or_else(|| Value::from(stamp(now)), |before| before["lastTransitionTime"].clone());
    let mut condition = json!({"type": kind, "observedGeneration": generation(pod), "status": status, "lastProbeTime": null, "lastTransitionTime": since});
    for (field, value) in [("reason", reason), ("message", message)] {
        if !value.is_empty() {
            condition[field] = Value::from(value);
        }
    }
    condition
}

fn container_status(container: &Container, pod: &str) -> Value {
    let known = container.last.is_some() || !matches!(container.state, State::Waiting { .. });
    let mut status = Map::new();
    status.insert(literal!("name"), Value::from(container.name.as_str()));
    status.insert(literal!("state"), state(&container.state, container, pod));
    status.insert(literal!("lastState"), container.last.as_ref().map_or_else(|| json!({}), |exit| terminated(exit, container, pod)));
    // An init container that finished well counts as ready.
    let finished = container.role == Role::Init && container.has_initialised();
    status.insert(literal!("ready"), Value::from(container.ready || finished));
    status.insert(literal!("restartCount"), Value::from(container.restarts));
    let full = full_name(&container.image);
    status.insert(literal!("image"), Value::from(if known { full.clone() } else { container.image.clone() }));
    status.insert(literal!("imageID"), Value::from(if known { image_id(&full) } else { String::new() }));
    if !matches!(container.state, State::Waiting { .. }) {
        status.insert(literal!("containerID"), Value::from(container_id(container, pod, container.restarts)));
    } else if let Some(last) = &container.last {
        status.insert(literal!("containerID"), Value::from(container_id(container, pod, last.restarts)));
    }
    // Nobody asks an ephemeral container how it is.
    if container.role != Role::Ephemeral {
        status.insert(literal!("started"), Value::from(container.runs()));
    }
    Value::Object(status)
}

fn image_id(full: &str) -> String {
    let last = full.rfind('/').map_or(0, |slash| slash + 1);
    let repository = full[last..].find(':').map_or(full, |colon| &full[..last + colon]);
    format!("{repository}@sha256:{}", digest(&[full]))
}

fn container_id(container: &Container, pod: &str, restarts: i64) -> String {
    format!("containerd://{}", digest(&[pod, &container.name, &restarts.to_string()]))
}

fn state(state: &State, container: &Container, pod: &str) -> Value {
    match state {
        State::Waiting { reason, message } if message.is_empty() => json!({"waiting": {"reason": reason}}),
        State::Waiting { reason, message } => json!({"waiting": {"reason": reason, "message": message}}),
        State::Running { since } => json!({"running": {"startedAt": stamp(*since)}}),
        State::Exited(exit) => terminated(exit, container, pod),
    }
}

fn terminated(exit: &Exit, container: &Container, pod: &str) -> Value {
    json!({"terminated": {
        "exitCode": exit.code, "reason": exit.reason, "startedAt": stamp(exit.started), "finishedAt": stamp(exit.finished),
        "containerID": container_id(container, pod, exit.restarts),
    }})
}
