//! The rollback that old clients ask for with an annotation; kubectl's undo does not come here.

use std::sync::Arc;

use super::super::client::{self, Component};
use super::super::object::annotation;
use super::super::template::{TEMPLATE_HASH, equal_ignoring_hash};
use super::revision::{self, ROLLBACK, is_own};
use crate::sim::events;
use crate::sim::failure::Result;
use crate::sim::json::Value;
use crate::sim::kinds::Kind;
use crate::sim::world::World;

/// The revision that the annotation asks for; 0 stands for the last one.
pub fn requested(deployment: &Value) -> Option<i64> {
    annotation(deployment, ROLLBACK)?.parse().ok()
}

/// # Source
/// `DeploymentController.rollback`.
pub fn roll_back(world: &mut World, deployment: Value, sets: Vec<Arc<Value>>, to: i64) -> Result<()> {
    let mut rollout = revision::find(world, deployment, sets, true)?;
    let revisions: Vec<i64> = rollout.all().filter_map(|set| revision::revision(set)).collect();
    let to = if to == 0 { second_highest(&revisions) } else { to };
    if to == 0 {
        events::warning(world, Component::Deployment, &rollout.deployment, "DeploymentRollbackRevisionNotFound", "Unable to find last revision.");
        return clear(world, rollout.deployment);
    }
    let Some(target) = rollout.all().find(|set| revision::revision(set) == Some(to)).cloned() else {
        let text = "Unable to find the revision to rollback to.";
        events::warning(world, Component::Deployment, &rollout.deployment, "DeploymentRollbackRevisionNotFound", text);
        return clear(world, rollout.deployment);
    };
    let name = rollout.name().to_owned();
    if equal_ignoring_hash(&rollout.deployment["spec"]["template"], &target["spec"]["template"]) {
        let text = format!("The rollback revision contains the same template as current deployment {name:?}");
        events::warning(world, Component::Deployment, &rollout.deployment, "DeploymentRollbackTemplateUnchanged", &text);
        return clear(world, rollout.deployment);
    }
    let before = rollout.deployment.clone();
    put_back(&mut rollout.deployment, &target);
    clear(world, rollout.deployment)?;
    events::normal(world, Component::Deployment, &before, "DeploymentRollback", &format!("Rolled back deployment {name:?} to revision {to}"));
    Ok(())
}

fn second_highest(revisions: &[i64]) -> i64 {
    let (mut first, mut second) = (0, 0);
    for revision in revisions {
        if *revision >= first {
            (first, second) = (*revision, first);
        } else if *revision > second {
            second = *revision;
        }
    }
    second
}

fn put_back(deployment: &mut Value, set: &Value) {
    let mut template = set["spec"]["template"].clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove(TEMPLATE_HASH);
    }
    deployment["spec"]["template"] = template;
    if let Some(annotations) = deployment["metadata"]["annotations"].as_object_mut() {
        annotations.retain(|key, _| is_own(key));
        for (key, value) in set["metadata"]["annotations"].as_object().into_iter().flatten().filter(|(key, _)| !is_own(key)) {
            annotations.insert(key.clone(), value.clone());
        }
    }
}

fn clear(world: &mut World, mut deployment: Value) -> Result<()> {
    if let Some(annotations) = deployment["metadata"]["annotations"].as_object_mut() {
        annotations.remove(ROLLBACK);
    }
    client::update(world, Component::Deployment, Kind::DEPLOYMENTS, deployment).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_revision_is_the_second_highest() {
        for (revisions, last) in [(vec![1, 2, 3], 2), (vec![3, 1], 1), (vec![4], 0), (vec![], 0), (vec![5, 9, 7], 7)] {
            assert_eq!(second_highest(&revisions), last, "{revisions:?}");
        }
    }
}
