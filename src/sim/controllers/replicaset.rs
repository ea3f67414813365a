//! The ReplicaSet controller: as many pods as the spec says, and a status that counts them. ReplicationControllers are its older form.

use std::sync::Arc;

use jiff::Timestamp;

use super::client::{self, Component, Deletion};
use super::object::{
    condition, controller_of, deleting, generation, labels, name, namespace, observed_generation, owner_selects, put_count, replicas, selects, stamp, uid,
};
use super::pods::{first_to_delete, is_active, is_available, is_ready, is_terminating, next_available};
use super::template::pod_of;
use super::{Controller, Key, claim, queue};
use crate::sim::events;
use crate::sim::failure::{Failure, Result};
use crate::sim::json::{Map, Value, json, literal};
use crate::sim::kinds::Kind;
use crate::sim::world::World;

/// The most pods that one sync makes or deletes.
const BURST: usize = 500;

/// One of the two kinds that the controller looks after.
pub struct Form {
    kind: Kind,
    by: Component,
    controller: Controller,
    /// Whether its status tells how many pods are on their way out.
    counts_terminating: bool,
}

pub const SETS: Form = Form { kind: Kind::REPLICASETS, by: Component::ReplicaSet, controller: Controller::ReplicaSet, counts_terminating: true };
pub const CONTROLLERS: Form =
    Form { kind: Kind::REPLICATIONCONTROLLERS, by: Component::ReplicationController, controller: Controller::ReplicationController, counts_terminating: false };

/// # Source
/// `ReplicaSetController.syncReplicaSet` of 1.36.3, and its adapters for ReplicationControllers. Expectations are not kept: reads of this store are never
/// stale.
pub fn sync(world: &mut World, form: &Form, key: &Key) -> Result<()> {
    let Some(set) = client::get(world, form.kind, &key.namespace, &key.name) else { return Ok(()) };
    let active = claim::claim(world, form.by, form.kind, &set, Kind::PODS, is_active)?;
    let terminating = form
        .counts_terminating
        .then(|| client::owned(world, Kind::PODS, uid(&set)).iter().filter(|pod| is_terminating(pod) && owner_selects(&set, labels(pod))).count());
    let failure = if deleting(&set) { None } else { manage(world, form, &set, &active).err() };
    let now = world.now();
    let status = calculate(&set, &active, terminating, failure.as_ref(), now);
    let status = write_status(world, form, &set, status)?;
    if let Some(failure) = failure {
        return Err(failure);
    }
    let min_ready = min_ready(&set);
    if min_ready > 0 && status["readyReplicas"] != status["availableReplicas"] {
        let at = next_available(active.iter().map(AsRef::as_ref), min_ready, now);
        let at = at.unwrap_or_else(|| now.saturating_add(jiff::SignedDuration::from_secs(min_ready)).unwrap_or(now));
        queue::add_at(world, form.controller, key, at);
    }
    Ok(())
}

fn min_ready(set: &Value) -> i64 {
    set["spec"]["minReadySeconds"].as_i64().unwrap_or(0)
}

fn manage(world: &mut World, form: &Form, set: &Arc<Value>, active: &[Arc<Value>]) -> Result<()> {
    let desired = usize::try_from(replicas(set)).unwrap_or(0);
    if active.len() < desired {
        return make(world, form, set, (desired - active.len()).min(BURST));
    }
    let too_many = (active.len() - desired).min(BURST);
    if too_many == 0 {
        return Ok(());
    }
    let related = pods_of_siblings(world, set);
    let mut first = None;
    for pod in first_to_delete(active, &related, too_many, world.now()) {
        match delete_pod(world, form.by, set, &pod) {
            Err(failure) if !failure.is_not_found() => first = first.or(Some(failure)),
            _ => {}
        }
    }
    first.map_or(Ok(()), Err)
}

/// Makes pods in batches of 1, 2, 4, ...: a failure ends its batch and spares the rest.
fn make(world: &mut World, form: &Form, set: &Arc<Value>, count: usize) -> Result<()> {
    let (mut left, mut batch) = (count, 1);
    while left > 0 {
        let mut first = None;
        for _ in 0..batch.min(left) {
            if let Err(failure) = create_pod(world, form.by, set, pod_of(&set["spec"]["template"], set)) {
                first = first.or(Some(failure));
            }
        }
        if let Some(failure) = first {
            return Err(failure);
        }
        left -= batch.min(left);
        batch *= 2;
    }
    Ok(())
}

/// Makes a pod for `owner` and says so in an event; the end of a namespace is no failure.
pub fn create_pod(world: &mut World, by: Component, owner: &Value, mut pod: Value) -> Result<()> {
    pod["metadata"]["namespace"] = owner["metadata"]["namespace"].clone();
    match client::create(world, by, Kind::PODS, pod) {
        Ok(pod) => {
            events::normal(world, by, owner, "SuccessfulCreate", &format!("Created pod: {}", name(&pod)));
            Ok(())
        }
        Err(failure) if client::namespace_is_terminating(&failure) => Ok(()),
        Err(failure) => {
            events::warning(world, by, owner, "FailedCreate", &format!("Error creating: {failure}"));
            Err(failure)
        }
    }
}

/// Deletes a pod of `owner` and says so in an event.
pub fn delete_pod(world: &mut World, by: Component, owner: &Value, pod: &Value) -> Result<()> {
    match client::delete(world, by, Kind::PODS, namespace(pod), name(pod), Deletion::default()) {
        Ok(()) => {
            events::normal(world, by, owner, "SuccessfulDelete", &format!("Deleted pod: {}", name(pod)));
            Ok(())
        }
        Err(failure) if failure.is_not_found() => Err(failure),
        Err(failure) => {
            events::warning(world, by, owner, "FailedDelete", &format!("Error deleting: {failure}"));
            Err(failure)
        }
    }
}

/// The pods of all ReplicaSets that have the same controller; none for a set that has no controller, so that its pods' nodes do not count.
///
/// # Source
/// `getReplicaSetsWithSameController`.
fn pods_of_siblings(world: &World, set: &Value) -> Vec<Arc<Value>> {
    let Some(owner) = controller_of(set).and_then(|owner| owner["uid"].as_str()) else { return Vec::new() };
    client::owned(world, Kind::REPLICASETS, owner).iter().flat_map(|sibling| client::owned(world, Kind::PODS, uid(sibling))).collect()
}

/// # Source
/// `calculateStatus`: it counts the pods as they were before this sync made or deleted any.
fn calculate(set: &Value, active: &[Arc<Value>], terminating: Option<usize>, failure: Option<&Failure>, now: Timestamp) -> Value {
    let count = |counts: &dyn Fn(&Value) -> bool| i64::try_from(active.iter().filter(|pod| counts(pod)).count()).unwrap_or(i64::MAX);
    let template_labels = json!({"matchLabels": set["spec"]["template"]["metadata"]["labels"]});
    let mut status = Map::new();
    status.insert(literal!("replicas"), Value::from(active.len()));
    put_count(&mut status, "fullyLabeledReplicas", count(&|pod| selects(&template_labels, labels(pod))));
    put_count(&mut status, "readyReplicas", count(&is_ready));
    put_count(&mut status, "availableReplicas", count(&|pod| is_available(pod, min_ready(set), now)));
    if let Some(terminating) = terminating {
        status.insert(literal!("terminatingReplicas"), Value::from(terminating));
    }
    put_count(&mut status, "observedGeneration", observed_generation(set));
    let current = condition(set, "ReplicaFailure");
    let mut conditions: Vec<Value> = super::object::list(&set["status"]["conditions"]).to_vec();
    match (failure, current) {
        (Some(failure), None) => {
            let few = i64::try_from(active.len()).unwrap_or(i64::MAX) < replicas(set);
            let reason = if few { "FailedCreate" } else { "FailedDelete" };
            conditions.push(json!({
                "type": "ReplicaFailure", "status": "True", "lastTransitionTime": stamp(now), "reason": reason, "message": failure.message(),
            }));
        }
        (None, Some(_)) => conditions.retain(|condition| condition["type"] != "ReplicaFailure"),
        _ => {}
    }
    if !conditions.is_empty() {
        status.insert(literal!("conditions"), Value::from(conditions));
    }
    Value::Object(status)
}

fn write_status(world: &mut World, form: &Form, set: &Arc<Value>, mut status: Value) -> Result<Value> {
    if set["status"] == status && generation(set) == observed_generation(set) {
        return Ok(status);
    }
    status["observedGeneration"] = Value::from(generation(set));
    let mut copy = Value::clone(set);
    copy["status"] = status.clone();
    match client::update_status(world, form.by, form.kind, copy) {
        // One retry against the present version, as the real controller does.
        Err(failure) if failure.is_conflict() => {
            let mut fresh = Value::clone(&*world.get(form.kind, namespace(set), name(set))?);
            fresh["status"] = status.clone();
            client::update_status(world, form.by, form.kind, fresh)?;
        }
        other => {
            other?;
        }
    }
    Ok(status)
}
