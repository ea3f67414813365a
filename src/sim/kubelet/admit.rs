//! What a kubelet refuses to run, although somebody put it on its node.
//!
//! # Source
//! kubernetes 1.36.3 `pkg/kubelet/lifecycle/predicate.go`.

use std::sync::Arc;

use super::super::controllers::client::{self, Component};
use super::super::controllers::nodes;
use super::super::controllers::object::{generation, label, list, stamp, text, uid};
use super::super::events;
use super::super::kinds::Kind;
use super::super::scheduler;
use super::super::world::World;
use crate::sim::json::Value;

const OS: &str = "kubernetes.io/os";

/// The reason and the message, if the pod is refused.
pub fn refusal(world: &World, pod: &Value) -> Option<(String, String)> {
    let because = |reason: &str, message: String| Some((reason.to_owned(), message));
    let failed = |predicate: &str, why: &str| because(predicate, format!("Predicate {predicate} failed: {why}"));
    let node = world.find(Kind::NODES, "", text(pod, &["spec", "nodeName"]))?;
    if label(pod, OS).is_some_and(|wanted| wanted != "linux") {
        return because("PodOSSelectorNodeLabelDoesNotMatch", "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label".to_owned());
    }
    if pod["spec"]["os"].is_object() && pod["spec"]["os"]["name"] != "linux" {
        return because("PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS".to_owned());
    }
    if let Some(lack) = scheduler::lack(world, pod, node) {
        let scheduler::Lack { resource, requested, used, capacity } = lack;
        let message = format!("Node didn't have enough resource: {resource}, requested: {requested}, used: {used}, capacity: {capacity}");
        return because(&format!("OutOf{resource}"), message);
    }
    if !nodes::matches(&pod["spec"], node) {
        return failed("NodeAffinity", "node(s) didn't match Pod's node affinity/selector");
    }
    if scheduler::ports_are_taken(world, pod, text(node, &["metadata", "name"])) {
        return failed("NodePorts", "node(s) didn't have free ports for the requested pod ports");
    }
    if nodes::repels(node, list(&pod["spec"]["tolerations"]), &["NoExecute"]) {
        return failed("TaintToleration", "node(s) had untolerated taint(s)");
    }
    None
}

/// Says so, and forgets the pod.
pub fn reject(world: &mut World, pod: &Arc<Value>, reason: &str, message: &str) {
    world.controllers.kubelets.pods.remove(uid(pod));
    events::kubelet(world, pod, None, "Warning", reason, message);
    let mut copy = Value::clone(pod);
    let status = &mut copy["status"];
    status["observedGeneration"] = generation(pod).into();
    status["phase"] = "Failed".into();
    status["reason"] = reason.into();
    status["message"] = format!("Pod was rejected: {message}").into();
    if status["startTime"].is_null() {
        status["startTime"] = stamp(world.now()).into();
    }
    // Gone already, or changed by somebody who will be answered: then there is nothing left to say.
    let _ = client::update_status(world, Component::Kubelet, Kind::PODS, copy);
}
