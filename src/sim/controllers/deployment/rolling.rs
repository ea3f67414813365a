//! `RollingUpdate`: one step of growing the new ReplicaSet or shrinking the old ones.

use std::sync::Arc;

use super::super::arithmetic::{fenceposts, new_size};
use super::super::object::{replicas, status_count};
use super::{Rollout, by_creation, is_active, revision, scale, status};
use crate::sim::failure::Result;
use crate::sim::json::Value;
use crate::sim::world::World;

/// # Source
/// `rolloutRolling`.
pub fn roll_out(world: &mut World, deployment: Value, sets: Vec<Arc<Value>>) -> Result<()> {
    let rollout = revision::find(world, deployment, sets, true)?;
    if grow(world, &rollout)? || shrink(world, &rollout) {
        return status::sync_rollout(world, rollout);
    }
    if status::is_complete(&rollout.deployment, &rollout.deployment["status"]) {
        scale::clean_up(world, &rollout)?;
    }
    status::sync_rollout(world, rollout)
}

fn grow(world: &mut World, rollout: &Rollout) -> Result<bool> {
    let Some(new) = &rollout.new else { return Ok(false) };
    let (size, desired) = (replicas(new), rollout.desired());
    let target = match size.cmp(&desired) {
        std::cmp::Ordering::Equal => return Ok(false),
        std::cmp::Ordering::Greater => desired,
        std::cmp::Ordering::Less => new_size(size, rollout.total(), desired, fenceposts(&rollout.deployment).surge),
    };
    Ok(scale::resize(world, &rollout.deployment, new, target, false)?.is_some())
}

/// Makes old ReplicaSets smaller, unhealthy pods first; true when one was. A failed write ends it quietly, as in the real controller: the next sync goes on.
fn shrink(world: &mut World, rollout: &Rollout) -> bool {
    let Some(new) = &rollout.new else { return false };
    let mut old: Vec<Arc<Value>> = rollout.old.iter().filter(|set| is_active(set)).cloned().collect();
    if old.is_empty() {
        return false;
    }
    by_creation(&mut old);
    let least = rollout.desired() - fenceposts(&rollout.deployment).unavailable;
    let not_yet = replicas(new) - status_count(new, "availableReplicas");
    let most = rollout.total() - least - not_yet;
    if most <= 0 {
        return false;
    }
    let mut done = 0;
    for set in &mut old {
        let unhealthy = replicas(set) - status_count(set, "availableReplicas");
        if done >= most {
            break;
        }
        if unhealthy == 0 {
            continue;
        }
        let by = (most - done).min(unhealthy);
        // A status that still counts pods of a larger size: the real controller takes that for an error and goes on at the next sync.
        if by < 0 {
            return false;
        }
        match scale::resize(world, &rollout.deployment, set, replicas(set) - by, false) {
            Ok(resized) => {
                done += by;
                if let Some(resized) = resized {
                    *set = resized;
                }
            }
            Err(_) => return false,
        }
    }
    // The statuses still count the pods that were just given up; the real controller does not correct for that either.
    let available: i64 = old.iter().chain([new]).map(|set| status_count(set, "availableReplicas")).sum();
    let mut budget = available - least;
    for set in &old {
        if budget <= 0 {
            break;
        }
        let by = replicas(set).min(budget);
        if by == 0 {
            continue;
        }
        if scale::resize(world, &rollout.deployment, set, replicas(set) - by, false).is_err() {
            return false;
        }
        budget -= by;
        done += by;
    }
    done > 0
}
