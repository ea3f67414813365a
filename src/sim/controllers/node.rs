//! What the cluster does about nodes: taints that follow a cordon, nodes whose kubelet is silent, and pods that a taint drives away.

use jiff::SignedDuration;

use super::client::{self, Component, Deletion};
use super::nodes::repels;
use super::object::{deleting, list, name, namespace, stamp, text, time};
use super::pods::{is_ready, is_terminal};
use super::{Controller, Key, queue};
use crate::sim::events;
use crate::sim::failure::Result;
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;
use crate::sim::kubelet::node as kubelet_node;
use crate::sim::world::World;

const BY: Component = Component::NodeLifecycle;
const CORDON: &str = "node.kubernetes.io/unschedulable";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

/// Puts the cordon's taint on a node, or takes it off, and lets pods go that its taints do not tolerate.
///
/// # Source
/// `doNoScheduleTaintingPass` of the node lifecycle controller, and the taint eviction controller.
pub fn sync(world: &mut World, key: &Key) -> Result<()> {
    let Some(node) = client::get(world, Kind::NODES, "", &key.name) else { return Ok(()) };
    note_silence(world, key, &node)?;
    let Some(node) = client::get(world, Kind::NODES, "", &key.name) else { return Ok(()) };
    let cordoned = node["spec"]["unschedulable"] == true;
    let taints = list(&node["spec"]["taints"]);
    if taints.iter().any(|taint| taint["key"] == CORDON) != cordoned {
        let mut left: Vec<Value> = taints.iter().filter(|taint| taint["key"] != CORDON).cloned().collect();
        if cordoned {
            left.push(json!({"key": CORDON, "effect": "NoSchedule", "timeAdded": world.stamp()}));
        }
        let mut copy = Value::clone(&node);
        if left.is_empty() {
            if let Some(spec) = copy["spec"].as_object_mut() {
                spec.remove("taints");
            }
        } else {
            copy["spec"]["taints"] = Value::from(left);
        }
        client::update(world, BY, Kind::NODES, copy)?;
    }
    evict(world, key)
}

/// Marks a node whose kubelet has been silent for too long, and its pods; takes the marks off when it speaks again.
///
/// # Source
/// `tryUpdateNodeHealth`, `processNoScheduleTaints` and `MarkPodsNotReady` of the node lifecycle controller.
fn note_silence(world: &mut World, key: &Key, node: &Value) -> Result<()> {
    let now = world.now();
    let lost = kubelet_node::down_since(world, &key.name).and_then(|since| since.saturating_add(kubelet_node::GRACE).ok()).is_some_and(|at| at <= now);
    let taints = list(&node["spec"]["taints"]);
    let marked = taints.iter().any(|taint| taint["key"] == UNREACHABLE);
    if lost == marked {
        return Ok(());
    }
    let mut copy = node.clone();
    if lost {
        for condition in copy["status"]["conditions"].as_array_mut().into_iter().flatten() {
            condition["status"] = Value::from("Unknown");
            condition["reason"] = Value::from("NodeStatusUnknown");
            condition["message"] = Value::from("Kubelet stopped posting node status.");
            condition["lastTransitionTime"] = Value::from(stamp(now));
        }
        copy = Value::clone(&*client::update_status(world, BY, Kind::NODES, copy)?);
        events::normal(world, BY, node, "NodeNotReady", &format!("Node {} status is now: NodeNotReady", key.name));
    }
    let mut left: Vec<Value> = taints.iter().filter(|taint| taint["key"] != UNREACHABLE).cloned().collect();
    if lost {
        left.extend(["NoSchedule", "NoExecute"].map(|effect| json!({"key": UNREACHABLE, "effect": effect, "timeAdded": stamp(now)})));
    }
    if left.is_empty() {
        if let Some(spec) = copy["spec"].as_object_mut() {
            spec.remove("taints");
        }
    } else {
        copy["spec"]["taints"] = Value::from(left);
    }
    client::update(world, BY, Kind::NODES, copy)?;
    if lost {
        mark_pods(world, &key.name)?;
    }
    Ok(())
}

fn mark_pods(world: &mut World, node: &str) -> Result<()> {
    let here: Vec<_> = world.list(Kind::PODS, None).filter(|pod| text(pod, &["spec", "nodeName"]) == node && is_ready(pod)).cloned().collect();
    for pod in here {
        let mut copy = Value::clone(&pod);
        let now = world.stamp();
        for condition in copy["status"]["conditions"].as_array_mut().into_iter().flatten().filter(|it| it["type"] == "Ready") {
            condition["status"] = Value::from("False");
            condition["lastTransitionTime"] = Value::from(now.as_str());
        }
        client::update_status(world, BY, Kind::PODS, copy)?;
        events::warning(world, BY, &pod, "NodeNotReady", "Node is not ready");
    }
    Ok(())
}

fn evict(world: &mut World, key: &Key) -> Result<()> {
    let Some(node) = client::get(world, Kind::NODES, "", &key.name) else { return Ok(()) };
    let driving: Vec<&Value> = list(&node["spec"]["taints"]).iter().filter(|taint| taint["effect"] == "NoExecute").collect();
    if driving.is_empty() {
        return Ok(());
    }
    let here = world.list(Kind::PODS, None).filter(|pod| text(pod, &["spec", "nodeName"]) == key.name && !deleting(pod) && !is_terminal(pod));
    let here: Vec<_> = here.cloned().collect();
    let now = world.now();
    for pod in here {
        let tolerations = list(&pod["spec"]["tolerations"]);
        if repels(&node, tolerations, &["NoExecute"]) {
            drive_away(world, &pod);
            continue;
        }
        // A toleration may end: after the least of the given seconds since the taint was put there.
        let ends = driving.iter().filter_map(|taint| {
            let seconds = tolerations
                .iter()
                .filter(|one| !repels(&json!({"spec": {"taints": [taint]}}), std::slice::from_ref(*one), &["NoExecute"]))
                .map(|one| one["tolerationSeconds"].as_i64());
            let seconds = seconds.collect::<Option<Vec<i64>>>()?.into_iter().min()?;
            let since = time(&taint["timeAdded"]).unwrap_or(now);
            since.saturating_add(SignedDuration::from_secs(seconds.max(0))).ok()
        });
        match ends.min() {
            Some(end) if end <= now => drive_away(world, &pod),
            Some(end) => queue::add_at(world, Controller::Node, key, end),
            None => {}
        }
    }
    Ok(())
}

fn drive_away(world: &mut World, pod: &Value) {
    events::normal(world, BY, pod, "TaintManagerEviction", &format!("Marking for deletion Pod {}/{}", namespace(pod), name(pod)));
    // What cannot be deleted now is looked at again with the next change of the node.
    let _ = client::delete(world, BY, Kind::PODS, namespace(pod), name(pod), Deletion::default());
}
