//! The Deployment controller: one sync of one Deployment, as the real one does it, with the writes in the same order.
//!
//! Sizes are decided in `rolling`, `recreate` and `scale`; revisions in `revision`; what the status says in `status`.

pub mod recreate;
pub mod revision;
pub mod rollback;
pub mod rolling;
pub mod scale;
pub mod status;

use std::sync::Arc;

use super::client::{self, Component};
use super::object::{created, deleting, generation, name, observed_generation, replicas, selects_everything};
use super::{Key, claim};
use crate::sim::events;
use crate::sim::failure::Result;
use crate::sim::json::Value;
use crate::sim::kinds::Kind;
use crate::sim::world::World;

/// The Deployment of one sync with its ReplicaSets. `deployment` stays as it was read, so that a second write of one sync meets the same conflict as the real controller's.
pub struct Rollout {
    pub deployment: Value,
    pub new: Option<Arc<Value>>,
    /// Oldest first.
    pub old: Vec<Arc<Value>>,
}

impl Rollout {
    /// All ReplicaSets, the old ones first.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Value>> {
        self.old.iter().chain(&self.new)
    }

    pub fn total(&self) -> i64 {
        self.all().map(|set| replicas(set)).sum()
    }

    pub fn desired(&self) -> i64 {
        replicas(&self.deployment)
    }

    pub fn name(&self) -> &str {
        name(&self.deployment)
    }
}

pub fn is_active(set: &Value) -> bool {
    replicas(set) > 0
}

pub fn by_creation(sets: &mut [Arc<Value>]) {
    sets.sort_by(|one, other| created(one).cmp(&created(other)).then_with(|| name(one).cmp(name(other))));
}

/// Brings one Deployment a step further.
///
/// # Source
/// `DeploymentController.syncDeployment` of 1.36.3.
pub fn sync(world: &mut World, key: &Key) -> Result<()> {
    let Some(stored) = client::get(world, Kind::DEPLOYMENTS, &key.namespace, &key.name) else { return Ok(()) };
    let mut deployment = Value::clone(&stored);
    if selects_everything(&deployment["spec"]["selector"]) {
        let text = "This deployment is selecting all pods. A non-empty selector is required.";
        events::warning(world, Component::Deployment, &deployment, "SelectingAll", text);
        if observed_generation(&deployment) < generation(&deployment) {
            deployment["status"]["observedGeneration"] = Value::from(generation(&deployment));
            client::update_status(world, Component::Deployment, Kind::DEPLOYMENTS, deployment)?;
        }
        return Ok(());
    }
    let mut sets = claim::replica_sets(world, &deployment)?;
    by_creation(&mut sets);
    if deleting(&deployment) {
        let rollout = revision::find(world, deployment, sets, false)?;
        return status::sync(world, rollout);
    }
    status::note_pause(world, &mut deployment)?;
    if deployment["spec"]["paused"] == true {
        return scale::sync(world, deployment, sets);
    }
    if let Some(to) = rollback::requested(&deployment) {
        return rollback::roll_back(world, deployment, sets, to);
    }
    // Like the real one, this look-up may write an annotation, and the steps after it then meet a conflict and come back.
    let rollout = revision::find(world, deployment, sets.clone(), false)?;
    let scaling = rollout.all().filter(|set| is_active(set)).any(|set| scale::desired_annotation(set).is_some_and(|desired| desired != rollout.desired()));
    let deployment = rollout.deployment;
    if scaling {
        return scale::sync(world, deployment, sets);
    }
    match deployment["spec"]["strategy"]["type"].as_str() {
        Some("Recreate") => recreate::roll_out(world, deployment, sets),
        _ => rolling::roll_out(world, deployment, sets),
    }
}
