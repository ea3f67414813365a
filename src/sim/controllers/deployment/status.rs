//! What a Deployment's status says: counts, conditions, and whether its rollout makes progress.

use jiff::{SignedDuration, Timestamp};

use super::super::arithmetic::fenceposts;
use super::super::client::{self, Component};
use super::super::object::{condition, generation, list, name, observed_generation, put_count, replicas, stamp, status_count, time};
use super::super::{Controller, Key, queue};
use super::Rollout;
use super::scale::NO_LIMIT;
use crate::sim::failure::Result;
use crate::sim::json::{Map, Value, json, literal};
use crate::sim::kinds::Kind;
use crate::sim::world::World;

/// The progress deadline in seconds, if the Deployment has one.
pub fn deadline_s(deployment: &Value) -> Option<i64> {
    deployment["spec"]["progressDeadlineSeconds"].as_i64().filter(|deadline| *deadline != NO_LIMIT)
}

pub fn progressing(deployment: &Value) -> Option<&Value> {
    condition(deployment, "Progressing")
}

pub fn new(kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) -> Value {
    let now = stamp(now);
    json!({"type": kind, "status": status, "lastUpdateTime": now, "lastTransitionTime": now, "reason": reason, "message": message})
}

/// Sets a condition: nothing changes when status and reason stay; a changed one moves to the end.
///
/// # Source
/// `SetDeploymentCondition`.
pub fn set(status: &mut Value, mut condition: Value) {
    let conditions = list(&status["conditions"]);
    let mut kept: Vec<Value> = Vec::with_capacity(conditions.len() + 1);
    for current in conditions {
        if current["type"] != condition["type"] {
            kept.push(current.clone());
            continue;
        }
        if current["status"] == condition["status"] {
            if current["reason"] == condition["reason"] {
                return;
            }
            condition["lastTransitionTime"] = current["lastTransitionTime"].clone();
        }
    }
    kept.push(condition);
    status["conditions"] = Value::from(kept);
}

fn remove(status: &mut Value, kind: &str) {
    let Some(conditions) = status["conditions"].as_array_mut() else { return };
    conditions.edit(|it| it.retain(|condition| condition["type"] != kind));
    if conditions.is_empty()
        && let Some(status) = status.as_object_mut()
    {
        status.remove("conditions");
    }
}

/// Says in the Progressing condition that a Deployment is paused, or resumed; a deadline that is already exceeded stays.
///
/// # Source
/// `checkPausedConditions`.
pub fn note_pause(world: &mut World, deployment: &mut Value) -> Result<()> {
    if deadline_s(deployment).is_none() {
        return Ok(());
    }
    let reason = progressing(deployment).and_then(|condition| condition["reason"].as_str());
    if reason == Some("ProgressDeadlineExceeded") {
        return Ok(());
    }
    let (reason, message) = match (deployment["spec"]["paused"] == true, reason == Some("DeploymentPaused")) {
        (true, false) => ("DeploymentPaused", "Deployment is paused"),
        (false, true) => ("DeploymentResumed", "Deployment is resumed"),
        _ => return Ok(()),
    };
    set(&mut deployment["status"], new("Progressing", "Unknown", reason, message, world.now()));
    client::update_status(world, Component::Deployment, Kind::DEPLOYMENTS, deployment.clone()).map(|_| ())
}

/// Whether a status shows the finished rollout of the Deployment's present spec.
pub fn is_complete(deployment: &Value, status: &Value) -> bool {
    let count = |field: &str| status[field].as_i64().unwrap_or(0);
    let desired = replicas(deployment);
    ["updatedReplicas", "replicas", "availableReplicas"].iter().all(|field| count(field) == desired) && count("observedGeneration") >= generation(deployment)
}

fn makes_progress(old: &Value, new: &Value) -> bool {
    let grew = |field: &str| new[field].as_i64().unwrap_or(0) > old[field].as_i64().unwrap_or(0);
    let outdated = |status: &Value| status["replicas"].as_i64().unwrap_or(0) - status["updatedReplicas"].as_i64().unwrap_or(0);
    grew("updatedReplicas") || outdated(new) < outdated(old) || grew("readyReplicas") || grew("availableReplicas")
}

fn timed_out(condition: Option<&Value>, deadline_s: i64, now: Timestamp) -> bool {
    let Some(condition) = condition else { return false };
    match condition["reason"].as_str() {
        Some("NewReplicaSetAvailable") => false,
        Some("ProgressDeadlineExceeded") => true,
        _ => deadline_of(condition, deadline_s).is_some_and(|deadline| deadline < now),
    }
}

fn deadline_of(condition: &Value, deadline_s: i64) -> Option<Timestamp> {
    time(&condition["lastUpdateTime"])?.saturating_add(SignedDuration::from_secs(deadline_s)).ok()
}

/// # Source
/// `calculateStatus`.
fn calculate(rollout: &Rollout, now: Timestamp) -> Value {
    let deployment = &rollout.deployment;
    let sum = |field: &str| rollout.all().map(|set| status_count(set, field)).sum::<i64>();
    let available = sum("availableReplicas");
    let mut status = Map::new();
    put_count(&mut status, "observedGeneration", generation(deployment));
    put_count(&mut status, "replicas", sum("replicas"));
    put_count(&mut status, "updatedReplicas", rollout.new.as_deref().map_or(0, |new| status_count(new, "replicas")));
    put_count(&mut status, "readyReplicas", sum("readyReplicas"));
    put_count(&mut status, "availableReplicas", available);
    put_count(&mut status, "unavailableReplicas", (rollout.total() - available).max(0));
    if let Some(terminating) = terminating(rollout) {
        status.insert(literal!("terminatingReplicas"), Value::from(terminating));
    }
    for field in ["collisionCount", "conditions"] {
        if !deployment["status"][field].is_null() {
            status.insert(field.to_owned(), deployment["status"][field].clone());
        }
    }
    let mut status = Value::Object(status);
    let condition = if available >= rollout.desired() - fenceposts(deployment).unavailable {
        new("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now)
    } else {
        new("Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.", now)
    };
    set(&mut status, condition);
    status
}

/// The terminating pods of all ReplicaSets; unknown as soon as one that was observed does not say.
fn terminating(rollout: &Rollout) -> Option<i64> {
    let mut sum = 0;
    for set in rollout.all() {
        match set["status"]["terminatingReplicas"].as_i64() {
            Some(count) => sum += count,
            None if observed_generation(set) == 0 => {}
            None => return None,
        }
    }
    Some(sum)
}

/// Writes the status without judging progress: after scaling, while paused, while being deleted.
pub fn sync(world: &mut World, rollout: Rollout) -> Result<()> {
    let status = calculate(&rollout, world.now());
    write(world, rollout.deployment, status).map(|_| ())
}

/// Writes the status of a rollout and judges its progress; plans the look at its deadline when nothing changed.
///
/// # Source
/// `syncRolloutStatus`, `requeueStuckDeployment`.
pub fn sync_rollout(world: &mut World, rollout: Rollout) -> Result<()> {
    let now = world.now();
    let mut status = calculate(&rollout, now);
    let current = progressing(&rollout.deployment).cloned();
    match deadline_s(&rollout.deployment) {
        None => remove(&mut status, "Progressing"),
        Some(deadline) => judge(&rollout, &mut status, current.as_ref(), deadline, now),
    }
    match failure(&rollout) {
        Some(failure) => set(&mut status, failure),
        None => remove(&mut status, "ReplicaFailure"),
    }
    let deployment = rollout.deployment;
    let key = Key::of(&deployment);
    let (Some(deadline), Some(current)) = (deadline_s(&deployment), current) else { return write(world, deployment, status).map(|_| ()) };
    let settled = is_complete(&deployment, &status) || current["reason"] == "ProgressDeadlineExceeded";
    if !write(world, deployment, status)? && !settled {
        // One second more, against the skew of times that are kept in whole seconds.
        let at = deadline_of(&current, deadline).unwrap_or(now).max(now);
        queue::add_at(world, Controller::Deployment, &key, at.saturating_add(SignedDuration::from_secs(1)).unwrap_or(at));
    }
    Ok(())
}

fn judge(rollout: &Rollout, status: &mut Value, current: Option<&Value>, deadline_s: i64, now: Timestamp) {
    let over = status["replicas"].as_i64().unwrap_or(0) == status["updatedReplicas"].as_i64().unwrap_or(0)
        && current.is_some_and(|current| current["reason"] == "NewReplicaSetAvailable");
    if over {
        return;
    }
    let who = rollout.new.as_deref().map_or_else(|| format!("Deployment {:?}", rollout.name()), |new| format!("ReplicaSet {:?}", name(new)));
    if is_complete(&rollout.deployment, status) {
        set(status, new("Progressing", "True", "NewReplicaSetAvailable", &format!("{who} has successfully progressed."), now));
    } else if makes_progress(&rollout.deployment["status"], status) {
        let mut condition = new("Progressing", "True", "ReplicaSetUpdated", &format!("{who} is progressing."), now);
        if let Some(current) = current {
            if current["status"] == "True" {
                condition["lastTransitionTime"] = current["lastTransitionTime"].clone();
            }
            // Removed first, or the same reason would keep the old update time.
            remove(status, "Progressing");
        }
        set(status, condition);
    } else if timed_out(condition(&json!({ "status": status }), "Progressing"), deadline_s, now) {
        set(status, new("Progressing", "False", "ProgressDeadlineExceeded", &format!("{who} has timed out progressing."), now));
    }
}

/// A ReplicaSet's failure to make or delete pods, as the Deployment's condition: the new ReplicaSet's first.
fn failure(rollout: &Rollout) -> Option<Value> {
    let of = |set: &Value| condition(set, "ReplicaFailure").cloned();
    let mut failure = rollout.new.as_deref().and_then(of).or_else(|| rollout.old.iter().find_map(|set| of(set)))?;
    failure["lastUpdateTime"] = failure["lastTransitionTime"].clone();
    Some(failure)
}

/// Writes a status that differs from the stored one; true when it did.
fn write(world: &mut World, mut deployment: Value, status: Value) -> Result<bool> {
    if deployment["status"] == status {
        return Ok(false);
    }
    deployment["status"] = status;
    client::update_status(world, Component::Deployment, Kind::DEPLOYMENTS, deployment)?;
    Ok(true)
}
