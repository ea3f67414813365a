//! The status of PodDisruptionBudgets: how many pods are healthy, how many must be, and how many may be evicted now.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::arithmetic::scaled;
use super::client::{self, Component};
use super::object::{controller_of, deleting, generation, labels, list, name, namespace, replicas, selects, stamp, time};
use super::pods::is_ready;
use super::{Controller, Key, queue};
use crate::sim::events;
use crate::sim::failure::Result;
use crate::sim::json::{Map, Value, json};
use crate::sim::kinds::Kind;
use crate::sim::world::World;

const BY: Component = Component::Disruption;
/// An eviction that did not delete its pod within this time is forgotten.
const DELETION_TIMEOUT: SignedDuration = SignedDuration::from_mins(2);

/// The budgets whose selector matches a pod.
pub fn budgets_of(world: &World, pod: &Value) -> Vec<Key> {
    let matching = world.list(Kind::PODDISRUPTIONBUDGETS, Some(namespace(pod))).filter(|budget| selects(&budget["spec"]["selector"], labels(pod)));
    matching.map(|budget| Key::of(budget)).collect()
}

/// # Source
/// `trySync` of the disruption controller 1.36.3.
pub fn sync(world: &mut World, key: &Key) -> Result<()> {
    let Some(budget) = client::get(world, Kind::PODDISRUPTIONBUDGETS, &key.namespace, &key.name) else { return Ok(()) };
    let now = world.now();
    let selector = &budget["spec"]["selector"];
    let active = world.list(Kind::PODS, Some(&key.namespace)).filter(|pod| selects(selector, labels(pod)) && !super::pods::is_terminal(pod));
    let pods: Vec<Arc<Value>> = active.cloned().collect();
    if pods.is_empty() {
        events::normal(world, BY, &budget, "NoPods", "No matching pods found");
    }
    let (expected, desired) = expectation(world, &budget, &pods);
    let (disrupted, recheck) = still_disrupted(&budget, &pods, now);
    let healthy = pods.iter().filter(|pod| !deleting(pod) && is_ready(pod) && !disrupted.contains_key(name(pod))).count();
    let healthy = i64::try_from(healthy).unwrap_or(i64::MAX);
    let allowed = if expected <= 0 { 0 } else { (healthy - desired).max(0) };
    let mut status = json!({
        "conditions": [condition(&budget, allowed, now)], "currentHealthy": healthy, "desiredHealthy": desired, "disruptionsAllowed": allowed, "expectedPods": expected,
        "observedGeneration": generation(&budget),
    });
    if !disrupted.is_empty() {
        status["disruptedPods"] = Value::Object(disrupted);
    }
    if budget["status"] != status {
        let mut copy = Value::clone(&budget);
        copy["status"] = status;
        client::update_status(world, BY, Kind::PODDISRUPTIONBUDGETS, copy)?;
    }
    if let Some(recheck) = recheck {
        queue::add_at(world, Controller::Disruption, key, recheck);
    }
    Ok(())
}

/// How many pods there should be, and how many of them must be healthy.
fn expectation(world: &World, budget: &Value, pods: &[Arc<Value>]) -> (i64, i64) {
    let (least, most) = (&budget["spec"]["minAvailable"], &budget["spec"]["maxUnavailable"]);
    if !most.is_null() {
        let expected = expected_scale(world, pods);
        return (expected, (expected - scaled(most, expected, true)).max(0));
    }
    match least {
        Value::String(_) => {
            let expected = expected_scale(world, pods);
            (expected, scaled(least, expected, true))
        }
        least => (i64::try_from(pods.len()).unwrap_or(i64::MAX), least.as_i64().unwrap_or(0)),
    }
}

/// The sizes of all workloads that the pods belong to.
fn expected_scale(world: &World, pods: &[Arc<Value>]) -> i64 {
    let mut sizes: BTreeMap<String, i64> = BTreeMap::new();
    for pod in pods {
        let Some(owner) = controller_of(pod).and_then(|owner| owner["uid"].as_str()).and_then(|uid| world.store.by_uid(uid)) else { continue };
        // A ReplicaSet stands for its Deployment.
        let above = controller_of(owner.1)
            .and_then(|owner| owner["uid"].as_str())
            .and_then(|uid| world.store.by_uid(uid))
            .filter(|(kind, _)| *kind == Kind::DEPLOYMENTS);
        let (_, workload) = above.unwrap_or(owner);
        sizes.insert(super::object::uid(workload).to_owned(), replicas(workload));
    }
    sizes.values().sum()
}

fn still_disrupted(budget: &Value, pods: &[Arc<Value>], now: Timestamp) -> (Map, Option<Timestamp>) {
    let mut disrupted = Map::new();
    let mut recheck = None;
    for (pod, since) in budget["status"]["disruptedPods"].as_object().into_iter().flatten() {
        let end = time(since).and_then(|since| since.saturating_add(DELETION_TIMEOUT).ok());
        let waits = pods.iter().any(|it| name(it) == pod && !deleting(it));
        if let Some(end) = end.filter(|end| waits && *end >= now) {
            recheck = Some(recheck.map_or(end, |earlier: Timestamp| earlier.min(end)));
            disrupted.insert(pod.clone(), since.clone());
        }
    }
    (disrupted, recheck)
}

fn condition(budget: &Value, allowed: i64, now: Timestamp) -> Value {
    let (status, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    let before = list(&budget["status"]["conditions"]).iter().find(|it| it["type"] == "DisruptionAllowed" && it["status"] == status);
    let since = before.map_or_else(|| Value::from(stamp(now)), |it| it["lastTransitionTime"].clone());
    json!({"type": "DisruptionAllowed", "status": status, "observedGeneration": generation(budget), "lastTransitionTime": since, "reason": reason, "message": ""})
}
