//! The nodes: what their kubelets say about them, and their heartbeats.
//!
//! Heartbeats are brought up to date when somebody looks, so that they cost nothing in a cluster that nobody watches.

use jiff::Timestamp;

use super::super::api::{Caller, Subresource};
use super::super::controllers::client::Component;
use super::super::controllers::object::{deleting, micro_stamp, name, stamp, text, time};
use super::super::controllers::{Controller, Key, Work, queue};
use super::super::kinds::Kind;
use super::super::world::World;
use super::{Outage, digest};
use crate::sim::json::{Value, json};

/// How often a kubelet renews its lease, and how often it writes its status.
const LEASE_PERIOD_S: i64 = 10;
const STATUS_PERIOD_S: i64 = 300;

const LEASES_NAMESPACE: &str = "kube-node-lease";

/// The kubelet's version, that of the API server.
const VERSION: &str = "v1.36.3";

/// Adds `count` ready nodes, `node-1` and on.
pub fn boot(world: &mut World, count: usize) {
    for number in 1..=count {
        let node = format!("node-{number}");
        let (now, now_micro) = (world.stamp(), world.micro_stamp());
        let caller = Component::Kubelet.caller();
        let object = node_object(&node, number);
        let Ok(created) = world.create(Kind::NODES, object, &caller) else { continue };
        let mut copy = Value::clone(&created);
        copy["status"] = status(&node, number, &now);
        let _ = world.update(Kind::NODES, copy, Subresource::Status, &caller);
        let owner = json!({"apiVersion": "v1", "kind": "Node", "name": node, "uid": created["metadata"]["uid"]});
        let lease = json!({
            "metadata": {"name": node, "namespace": LEASES_NAMESPACE, "ownerReferences": [owner]},
            "spec": {"holderIdentity": node, "leaseDurationSeconds": 40, "renewTime": now_micro},
        });
        let _ = world.create(Kind::LEASES, lease, &caller);
    }
}

fn node_object(node: &str, number: usize) -> Value {
    let labels = json!({
        "beta.kubernetes.io/arch": "amd64", "beta.kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": node, "kubernetes.io/os": "linux",
    });
    let (high, low) = (number / 256, number % 256);
    let range = format!("10.{}.{low}.0/24", 244 + high);
    json!({"metadata": {"name": node, "labels": labels, "annotations": {"node.alpha.kubernetes.io/ttl": "0"}}, "spec": {"podCIDR": range, "podCIDRs": [range]}})
}

fn status(node: &str, number: usize, now: &str) -> Value {
    let condition = |kind: &str, status: &str, reason: &str, message: &str| json!({"type": kind, "status": status, "lastHeartbeatTime": now, "lastTransitionTime": now, "reason": reason, "message": message});
    let capacity = json!({"cpu": "8", "ephemeral-storage": "100Gi", "hugepages-1Gi": "0", "hugepages-2Mi": "0", "memory": "32Gi", "pods": "110"});
    let id = |what: &str| {
        let digits = digest(&[what, node]);
        format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..32])
    };
    json!({
        "capacity": capacity, "allocatable": capacity,
        "conditions": [
            condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        ],
        "addresses": [{"type": "InternalIP", "address": format!("172.18.{}.{}", number / 250, number % 250 + 1)}, {"type": "Hostname", "address": node}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
        "nodeInfo": {
            "machineID": digest(&["machine", node])[..32], "systemUUID": id("system"), "bootID": id("boot"), "kernelVersion": "6.12.0-sim", "osImage": "Simulated Linux",
            "containerRuntimeVersion": "containerd://2.1.0", "kubeletVersion": VERSION, "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": "amd64",
        },
    })
}

/// Brings leases and node statuses to what running kubelets would have written by now. Called before they are read, and while they are watched.
pub fn heartbeat(world: &mut World) {
    let now = world.now();
    let nodes: Vec<String> = world.list(Kind::NODES, None).map(|node| name(node).to_owned()).collect();
    for node in nodes {
        if world.controllers.kubelets.down.contains_key(&node) {
            continue;
        }
        renew(world, &node, now);
        report(world, &node, now);
    }
}

/// Plans the next heartbeat of nodes that are watched, unless one is planned.
pub fn plan_heartbeat(world: &mut World) {
    if !world.controllers.kubelets.beats {
        world.controllers.kubelets.beats = true;
        world.schedule_after(jiff::SignedDuration::from_secs(LEASE_PERIOD_S), Work::Heartbeat);
    }
}

/// A heartbeat that was planned; the next one is planned only while somebody still watches.
pub fn beat(world: &mut World) {
    world.controllers.kubelets.beats = false;
    heartbeat(world);
    if world.is_watched(Kind::NODES) || world.is_watched(Kind::LEASES) {
        plan_heartbeat(world);
    }
}

/// The last multiple of `period_s` after `since` that is not in the future.
fn last_beat(since: Timestamp, period_s: i64, now: Timestamp) -> Option<Timestamp> {
    let passed = now.duration_since(since).as_secs();
    let beats = passed / period_s;
    (beats > 0).then(|| since.saturating_add(jiff::SignedDuration::from_secs(beats * period_s)).unwrap_or(now))
}

fn renew(world: &mut World, node: &str, now: Timestamp) {
    let Some(lease) = world.find(Kind::LEASES, LEASES_NAMESPACE, node) else { return };
    let Some(beat) = time(&lease["spec"]["renewTime"]).and_then(|since| last_beat(since, LEASE_PERIOD_S, now)) else { return };
    let mut copy = Value::clone(lease);
    copy["spec"]["renewTime"] = Value::from(micro_stamp(beat));
    let _ = world.update(Kind::LEASES, copy, Subresource::Main, &Caller::component("kubelet"));
}

fn report(world: &mut World, node: &str, now: Timestamp) {
    let Some(object) = world.find(Kind::NODES, "", node) else { return };
    let conditions = object["status"]["conditions"].as_array().unwrap_or_default().to_vec();
    let Some(ready) = conditions.iter().find(|condition| condition["type"] == "Ready" && condition["status"] == "True") else { return };
    let Some(beat) = time(&ready["lastHeartbeatTime"]).and_then(|since| last_beat(since, STATUS_PERIOD_S, now)) else { return };
    // Only nodes that some kubelet of ours plays beat; one that a user made stays as it is.
    if text(object, &["status", "nodeInfo", "osImage"]) != "Simulated Linux" {
        return;
    }
    let mut copy = Value::clone(object);
    for condition in copy["status"]["conditions"].as_array_mut().into_iter().flatten() {
        condition["lastHeartbeatTime"] = Value::from(stamp(beat));
    }
    let _ = world.update(Kind::NODES, copy, Subresource::Status, &Caller::component("kubelet"));
}

/// A node whose kubelet says nothing for so long is taken for lost (`--node-monitor-grace-period`).
pub const GRACE: jiff::SignedDuration = jiff::SignedDuration::from_secs(50);

/// Since when a node's kubelet is down.
pub fn down_since(world: &World, node: &str) -> Option<Timestamp> {
    world.controllers.kubelets.down.get(node).map(|outage| outage.since)
}

/// Stops a node's kubelet: its pods run on, but nobody says so, and nobody starts or stops any.
pub fn go_down(world: &mut World, node: &str) {
    heartbeat(world);
    let since = world.now();
    world.controllers.kubelets.down.entry(node.to_owned()).or_insert_with(|| Outage { since, missed: Vec::new() });
    let key = Key { namespace: String::new(), name: node.to_owned() };
    queue::add_after(world, Controller::Node, &key, GRACE);
}

/// Starts a node's kubelet again: it reports, and catches up with what it missed.
pub fn come_up(world: &mut World, node: &str) {
    let Some(outage) = world.controllers.kubelets.down.remove(node) else { return };
    let now = world.now();
    if let Some(object) = world.find(Kind::NODES, "", node) {
        let number = world.list(Kind::NODES, None).position(|it| name(it) == node).unwrap_or(0) + 1;
        let before = object["status"]["conditions"].clone();
        let mut copy = Value::clone(object);
        let mut fresh = status(node, number, &stamp(now));
        for condition in fresh["conditions"].as_array_mut().into_iter().flatten() {
            let same = before.as_array().into_iter().flatten().find(|it| it["type"] == condition["type"] && it["status"] == condition["status"]);
            if let Some(same) = same {
                condition["lastTransitionTime"] = same["lastTransitionTime"].clone();
            }
        }
        copy["status"]["conditions"] = fresh["conditions"].take();
        let _ = world.update(Kind::NODES, copy, Subresource::Status, &Component::Kubelet.caller());
    }
    renew(world, node, now);
    for step in outage.missed {
        world.schedule(now, Work::Kubelet(step));
    }
    let here: Vec<_> = world.list(Kind::PODS, None).filter(|pod| text(pod, &["spec", "nodeName"]) == node).cloned().collect();
    for pod in here {
        if deleting(&pod) {
            super::stop(world, &pod);
        } else {
            super::status::push(world, &pod);
        }
    }
}
