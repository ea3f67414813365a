//! `Recreate`: all old pods go before the first new one comes.

use std::sync::Arc;

use super::super::client;
use super::super::object::{status_count, uid};
use super::super::pods::is_terminal;
use super::{Rollout, is_active, revision, scale, status};
use crate::sim::failure::Result;
use crate::sim::json::Value;
use crate::sim::kinds::Kind;
use crate::sim::world::World;

/// # Source
/// `rolloutRecreate`.
pub fn roll_out(world: &mut World, deployment: Value, sets: Vec<Arc<Value>>) -> Result<()> {
    let pods_before: Vec<(String, Vec<Arc<Value>>)> = sets.iter().map(|set| (uid(set).to_owned(), client::owned(world, Kind::PODS, uid(set)))).collect();
    let mut rollout = revision::find(world, deployment, sets.clone(), false)?;
    let mut scaled = false;
    for set in rollout.old.iter().filter(|set| is_active(set)) {
        scaled |= scale::resize(world, &rollout.deployment, set, 0, false)?.is_some();
    }
    if scaled || old_pods_run(&rollout, &pods_before) {
        return status::sync_rollout(world, rollout);
    }
    if rollout.new.is_none() {
        rollout = revision::find(world, rollout.deployment, sets, true)?;
    }
    if let Some(new) = &rollout.new {
        scale::resize(world, &rollout.deployment, new, rollout.desired(), false)?;
    }
    if status::is_complete(&rollout.deployment, &rollout.deployment["status"]) {
        scale::clean_up(world, &rollout)?;
    }
    status::sync_rollout(world, rollout)
}

/// Whether a pod of an old revision is still there, terminating ones included.
fn old_pods_run(rollout: &Rollout, pods: &[(String, Vec<Arc<Value>>)]) -> bool {
    let new = rollout.new.as_deref().map(uid);
    rollout.old.iter().map(|set| status_count(set, "replicas")).sum::<i64>() > 0
        || pods.iter().any(|(owner, pods)| Some(owner.as_str()) != new && pods.iter().any(|pod| !is_terminal(pod)))
}
