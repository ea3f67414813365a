//! Sizing ReplicaSets: one resize with its event, a scaled or paused Deployment, and the removal of old revisions.

use std::cmp::Reverse;
use std::sync::Arc;

use super::super::arithmetic::{Share, fenceposts, proportional};
use super::super::client::{self, Component, Deletion};
use super::super::object::{annotation, created, deleting, generation, name, namespace, observed_generation, replicas, status_count};
use super::revision::{DESIRED, MOST, annotate_sizes};
use super::{Rollout, is_active, revision, status};
use crate::sim::events;
use crate::sim::failure::Result;
use crate::sim::json::Value;
use crate::sim::kinds::Kind;
use crate::sim::world::World;

/// `2147483647` in a limit or a deadline means that there is none.
pub const NO_LIMIT: i64 = i32::MAX as i64;

/// The size that the Deployment had when this ReplicaSet was last sized.
pub fn desired_annotation(set: &Value) -> Option<i64> {
    count_annotation(set, DESIRED)
}

fn count_annotation(set: &Value, key: &str) -> Option<i64> {
    annotation(set, key)?.parse::<i64>().ok().filter(|count| (0..=NO_LIMIT).contains(count))
}

/// Gives a ReplicaSet another size; with `always`, also refreshes its annotations when the size stays. Returns the written one when its size changed.
///
/// # Source
/// `scaleReplicaSet`.
pub fn resize(world: &mut World, deployment: &Value, set: &Arc<Value>, size: i64, always: bool) -> Result<Option<Arc<Value>>> {
    let before = replicas(set);
    if before == size && !always {
        return Ok(None);
    }
    let mut copy = Value::clone(set);
    let annotated = annotate_sizes(deployment, &mut copy);
    if before == size && !annotated {
        return Ok(None);
    }
    copy["spec"]["replicas"] = Value::from(size);
    let written = client::update(world, Component::Deployment, Kind::REPLICASETS, copy)?;
    if before == size {
        return Ok(None);
    }
    let direction = if before < size { "up" } else { "down" };
    let text = format!("Scaled {direction} replica set {} from {before} to {size}", name(set));
    events::normal(world, Component::Deployment, deployment, "ScalingReplicaSet", &text);
    Ok(Some(written))
}

/// One sync of a Deployment that was scaled or is paused: sizes only, no template rollout.
///
/// # Source
/// `DeploymentController.sync`.
pub fn sync(world: &mut World, deployment: Value, sets: Vec<Arc<Value>>) -> Result<()> {
    let rollout = revision::find(world, deployment, sets, false)?;
    scale(world, &rollout)?;
    if rollout.deployment["spec"]["paused"] == true && super::rollback::requested(&rollout.deployment).is_none() {
        clean_up(world, &rollout)?;
    }
    status::sync(world, rollout)
}

fn scale(world: &mut World, rollout: &Rollout) -> Result<()> {
    let desired = rollout.desired();
    let mut active: Vec<&Arc<Value>> = rollout.all().filter(|set| is_active(set)).collect();
    if active.len() <= 1 {
        let newest = || rollout.old.iter().max_by(|one, other| created(one).cmp(&created(other)).then_with(|| name(one).cmp(name(other))));
        if let Some(only) = active.pop().or(rollout.new.as_ref()).or_else(newest) {
            resize(world, &rollout.deployment, only, desired, false)?;
        }
        return Ok(());
    }
    if rollout.new.as_deref().is_some_and(|new| is_saturated(new, desired)) {
        for old in rollout.old.iter().filter(|set| is_active(set)) {
            resize(world, &rollout.deployment, old, 0, false)?;
        }
        return Ok(());
    }
    if rollout.deployment["spec"]["strategy"]["type"] != "RollingUpdate" {
        return Ok(());
    }
    let surge = fenceposts(&rollout.deployment).surge;
    let allowed = if desired > 0 { desired + surge } else { 0 };
    // Largest first; among equals the newest grows and the oldest shrinks.
    active.sort_by_key(|set| name(set).to_owned());
    match allowed.cmp(&active.iter().map(|set| replicas(set)).sum()) {
        std::cmp::Ordering::Greater => active.sort_by_key(|set| (Reverse(replicas(set)), Reverse(created(set)))),
        std::cmp::Ordering::Less => active.sort_by_key(|set| (Reverse(replicas(set)), created(set))),
        std::cmp::Ordering::Equal => {}
    }
    let before = status_count(&rollout.deployment, "replicas");
    let shares: Vec<Share> =
        active.iter().map(|set| Share { size: replicas(set), most_before: count_annotation(set, MOST).filter(|most| *most != 0).unwrap_or(before) }).collect();
    for (set, size) in active.iter().zip(proportional(&shares, desired, surge)) {
        resize(world, &rollout.deployment, set, size, true)?;
    }
    Ok(())
}

fn is_saturated(new: &Value, desired: i64) -> bool {
    replicas(new) == desired && desired_annotation(new) == Some(desired) && status_count(new, "availableReplicas") == desired
}

/// Deletes the oldest revisions beyond the limit, those that still have a pod excepted.
///
/// # Source
/// `cleanupDeployment`: the spared ones use up the excess all the same.
pub fn clean_up(world: &mut World, rollout: &Rollout) -> Result<()> {
    let Some(limit) = rollout.deployment["spec"]["revisionHistoryLimit"].as_i64().filter(|limit| *limit != NO_LIMIT) else { return Ok(()) };
    let mut old: Vec<&Arc<Value>> = rollout.old.iter().filter(|set| !deleting(set)).collect();
    let excess = old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
    old.sort_by(|one, other| match (revision::revision(one), revision::revision(other)) {
        (Some(a), Some(b)) if a != b => a.cmp(&b),
        _ => created(one).cmp(&created(other)).then_with(|| name(one).cmp(name(other))),
    });
    for set in old.into_iter().take(excess) {
        if status_count(set, "replicas") != 0 || replicas(set) != 0 || generation(set) > observed_generation(set) {
            continue;
        }
        match client::delete(world, Component::Deployment, Kind::REPLICASETS, namespace(set), name(set), Deletion::default()) {
            Err(failure) if !failure.is_not_found() => return Err(failure),
            _ => {}
        }
    }
    Ok(())
}
