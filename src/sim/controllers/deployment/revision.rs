//! Which ReplicaSet is the new one, its revision number and its annotations.

use std::sync::Arc;

use super::super::arithmetic::{fenceposts, new_size};
use super::super::client::{self, Component};
use super::super::object::{annotation, controlled_by, name, namespace, owner_reference, replicas, set_text};
use super::super::template::{TEMPLATE_HASH, equal_ignoring_hash};
use super::super::template_hash::template_hash;
use super::{Rollout, status};
use crate::sim::events;
use crate::sim::failure::{Failure, Result};
use crate::sim::json::{Map, Value, json};
use crate::sim::kinds::Kind;
use crate::sim::world::World;

pub const REVISION: &str = "deployment.kubernetes.io/revision";
pub const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
pub const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub const MOST: &str = "deployment.kubernetes.io/max-replicas";
pub const ROLLBACK: &str = "deprecated.deployment.rollback.revision";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The most characters that `revision-history` may have.
const HISTORY_LIMIT: usize = 2000;

/// Annotations that are about one object and are never copied between a Deployment and its ReplicaSets.
pub fn is_own(key: &str) -> bool {
    matches!(key, LAST_APPLIED | REVISION | REVISION_HISTORY | DESIRED | MOST | ROLLBACK)
}

/// A ReplicaSet's revision: 0 when it has none, `None` when it cannot be read.
pub fn revision(set: &Value) -> Option<i64> {
    annotation(set, REVISION).map_or(Some(0), |text| text.parse().ok())
}

/// Finds the new and the old ReplicaSets, and keeps the revision of the new one the highest; with `create`, makes the new one where it is missing.
///
/// # Source
/// `getAllReplicaSetsAndSyncRevision` and `getNewReplicaSet`.
pub fn find(world: &mut World, deployment: Value, sets: Vec<Arc<Value>>, create: bool) -> Result<Rollout> {
    let at = sets.iter().position(|set| equal_ignoring_hash(&set["spec"]["template"], &deployment["spec"]["template"]));
    let mut old = sets;
    let new = at.map(|at| old.remove(at));
    let mut rollout = Rollout { deployment, new, old };
    let next = rollout.old.iter().filter_map(|set| revision(set)).max().unwrap_or(0).max(0) + 1;
    if let Some(new) = rollout.new.take() {
        rollout.new = Some(keep_newest(world, &mut rollout.deployment, &new, next)?);
    } else if create {
        rollout.new = Some(make(world, &mut rollout, next)?);
    }
    Ok(rollout)
}

fn keep_newest(world: &mut World, deployment: &mut Value, set: &Arc<Value>, next: i64) -> Result<Arc<Value>> {
    let mut copy = Value::clone(set);
    let annotated = annotate(deployment, &mut copy, next);
    let min_ready = deployment["spec"]["minReadySeconds"].as_i64().unwrap_or(0);
    if annotated || copy["spec"]["minReadySeconds"].as_i64().unwrap_or(0) != min_ready {
        set_min_ready(&mut copy["spec"], min_ready);
        return client::update(world, Component::Deployment, Kind::REPLICASETS, copy);
    }
    let mut changed = set_revision(deployment, annotation(&copy, REVISION).unwrap_or_default());
    if status::deadline_s(deployment).is_some() && status::progressing(deployment).is_none() {
        let text = format!("Found new replica set {:?}", name(&copy));
        status::set(&mut deployment["status"], status::new("Progressing", "True", "FoundNewReplicaSet", &text, world.now()));
        changed = true;
    }
    if changed {
        client::update_status(world, Component::Deployment, Kind::DEPLOYMENTS, deployment.clone())?;
    }
    Ok(Arc::clone(set))
}

fn set_min_ready(spec: &mut Value, min_ready: i64) {
    if min_ready == 0 {
        if let Some(spec) = spec.as_object_mut() {
            spec.remove("minReadySeconds");
        }
    } else {
        spec["minReadySeconds"] = Value::from(min_ready);
    }
}

fn set_revision(deployment: &mut Value, revision: &str) -> bool {
    set_text(&mut deployment["metadata"]["annotations"], REVISION, revision)
}

/// Copies the Deployment's annotations to the new ReplicaSet and raises its revision; true when something changed.
///
/// # Source
/// `SetNewReplicaSetAnnotations`: nothing is removed, and a revision that is no number stops the rest.
fn annotate(deployment: &Value, set: &mut Value, next: i64) -> bool {
    let mut changed = false;
    for (key, value) in deployment["metadata"]["annotations"].as_object().into_iter().flatten() {
        if !is_own(key) {
            changed |= set_text(&mut set["metadata"]["annotations"], key, value.as_str().unwrap_or_default());
        }
    }
    let before = annotation(set, REVISION).map(str::to_owned);
    let number = match before.as_deref() {
        None | Some("") => 0,
        Some(text) => match text.parse::<i64>() {
            Ok(number) => number,
            // The real controller reports no change then, whatever it copied.
            Err(_) => return false,
        },
    };
    if number < next {
        let annotations = &mut set["metadata"]["annotations"];
        changed |= set_text(annotations, REVISION, &next.to_string());
        if let Some(before) = before {
            let history = annotations[REVISION_HISTORY].as_str().unwrap_or_default();
            if let Some(history) = lengthened(history, &before, HISTORY_LIMIT) {
                annotations[REVISION_HISTORY] = Value::from(history);
            }
        }
    }
    changed
}

/// The history with one more number, older ones dropped from the front to stay within the limit; `None` when even that does not fit.
fn lengthened(history: &str, revision: &str, limit: usize) -> Option<String> {
    if history.is_empty() {
        return Some(revision.to_owned());
    }
    let numbers: Vec<&str> = history.split(',').collect();
    let mut length = history.len() + revision.len() + 1;
    let mut start = 0;
    while length > limit && start < numbers.len() {
        length -= numbers[start].len() + 1;
        start += 1;
    }
    (length <= limit).then(|| numbers[start..].iter().copied().chain([revision]).collect::<Vec<_>>().join(","))
}

/// Writes how large the rollout may be into a ReplicaSet's annotations.
pub fn annotate_sizes(deployment: &Value, set: &mut Value) -> bool {
    let desired = replicas(deployment);
    let most = desired + fenceposts(deployment).surge;
    let annotations = &mut set["metadata"]["annotations"];
    set_text(annotations, DESIRED, &desired.to_string()) | set_text(annotations, MOST, &most.to_string())
}

fn make(world: &mut World, rollout: &mut Rollout, next: i64) -> Result<Arc<Value>> {
    let wanted = blueprint(rollout, next);
    let size = replicas(&wanted);
    let set_name = name(&wanted).to_owned();
    let deployment = &mut rollout.deployment;
    let (created, existed) = match client::create(world, Component::Deployment, Kind::REPLICASETS, wanted) {
        Ok(created) => (created, false),
        Err(failure) if failure.is_already_exists() => match existing(world, deployment, &set_name) {
            Some(set) => (set, true),
            None => {
                let collisions = deployment["status"]["collisionCount"].as_i64().unwrap_or(0);
                deployment["status"]["collisionCount"] = Value::from(collisions + 1);
                // The failure that matters is the first; the next sync tries the new name.
                let _ = client::update_status(world, Component::Deployment, Kind::DEPLOYMENTS, deployment.clone());
                return Err(failure);
            }
        },
        Err(failure) if client::namespace_is_terminating(&failure) => return Err(failure),
        Err(failure) => {
            return Err(could_not_create(world, deployment, &set_name, failure));
        }
    };
    if !existed && size > 0 {
        let text = format!("Scaled up replica set {set_name} from 0 to {size}");
        events::normal(world, Component::Deployment, deployment, "ScalingReplicaSet", &text);
    }
    let mut changed = set_revision(deployment, &next.to_string());
    if !existed && status::deadline_s(deployment).is_some() {
        let text = format!("Created new replica set {set_name:?}");
        status::set(&mut deployment["status"], status::new("Progressing", "True", "NewReplicaSetCreated", &text, world.now()));
        changed = true;
    }
    if changed {
        client::update_status(world, Component::Deployment, Kind::DEPLOYMENTS, deployment.clone())?;
    }
    Ok(created)
}

fn could_not_create(world: &mut World, deployment: &mut Value, set_name: &str, failure: Failure) -> Failure {
    let text = format!("Failed to create new replica set {set_name:?}: {failure}");
    if status::deadline_s(deployment).is_some() {
        status::set(&mut deployment["status"], status::new("Progressing", "False", "ReplicaSetCreateError", &text, world.now()));
        // A failure to say so is the smaller problem.
        let _ = client::update_status(world, Component::Deployment, Kind::DEPLOYMENTS, deployment.clone());
    }
    events::warning(world, Component::Deployment, deployment, "ReplicaSetCreateError", &text);
    failure
}

/// The ReplicaSet that already has the name, if it is this Deployment's and has the same template.
fn existing(world: &World, deployment: &Value, set_name: &str) -> Option<Arc<Value>> {
    let set = client::get(world, Kind::REPLICASETS, namespace(deployment), set_name)?;
    (controlled_by(&set, deployment) && equal_ignoring_hash(&deployment["spec"]["template"], &set["spec"]["template"])).then_some(set)
}

fn blueprint(rollout: &Rollout, next: i64) -> Value {
    let deployment = &rollout.deployment;
    let mut template = deployment["spec"]["template"].clone();
    let hash = template_hash(&template, deployment["status"]["collisionCount"].as_i64());
    template["metadata"]["labels"][TEMPLATE_HASH] = Value::from(hash.as_str());
    let mut selector = deployment["spec"]["selector"].clone();
    selector["matchLabels"][TEMPLATE_HASH] = Value::from(hash.as_str());
    let size = match deployment["spec"]["strategy"]["type"].as_str() {
        Some("Recreate") => rollout.desired(),
        _ => new_size(0, rollout.total(), rollout.desired(), fenceposts(deployment).surge),
    };
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {
            "name": set_name(rollout.name(), &hash), "namespace": deployment["metadata"]["namespace"],
            "labels": template["metadata"]["labels"], "annotations": Map::new(), "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {"replicas": size, "selector": selector, "template": template},
    });
    set_min_ready(&mut set["spec"], deployment["spec"]["minReadySeconds"].as_i64().unwrap_or(0));
    annotate(deployment, &mut set, next);
    annotate_sizes(deployment, &mut set);
    set
}

/// `NAME-HASH` within the 253 characters of a name.
fn set_name(deployment: &str, hash: &str) -> String {
    let most = 253 - hash.len() - 1;
    let cut = deployment.char_indices().nth(most).map_or(deployment.len(), |(at, _)| at);
    format!("{}-{hash}", &deployment[..cut])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotations(value: &Value) -> Value {
        json!({"metadata": {"annotations": value}})
    }

    #[test]
    fn the_new_replica_set_gets_the_next_revision_and_keeps_its_old_numbers() {
        for (before, next, after) in [
            (json!({}), 1, json!({"deployment.kubernetes.io/revision": "1"})),
            (
                json!({"deployment.kubernetes.io/revision": "2"}),
                4,
                json!({"deployment.kubernetes.io/revision": "4", "deployment.kubernetes.io/revision-history": "2"}),
            ),
            (
                json!({"deployment.kubernetes.io/revision": "4", "deployment.kubernetes.io/revision-history": "1,2"}),
                6,
                json!({"deployment.kubernetes.io/revision": "6", "deployment.kubernetes.io/revision-history": "1,2,4"}),
            ),
            (json!({"deployment.kubernetes.io/revision": "7"}), 6, json!({"deployment.kubernetes.io/revision": "7"})),
            (json!({"deployment.kubernetes.io/revision": "abc"}), 6, json!({"deployment.kubernetes.io/revision": "abc"})),
        ] {
            let mut set = annotations(&before);
            annotate(&annotations(&json!({})), &mut set, next);
            assert_eq!(set["metadata"]["annotations"], after);
        }
    }

    #[test]
    fn a_deployments_annotations_reach_the_new_replica_set_but_never_leave_it() {
        let deployment = annotations(&json!({"kubernetes.io/change-cause": "two", "deployment.kubernetes.io/revision": "9", "a": "b"}));
        let mut set = annotations(&json!({"kubernetes.io/change-cause": "one", "gone": "stays", "deployment.kubernetes.io/revision": "3"}));
        assert!(annotate(&deployment, &mut set, 3));
        assert_eq!(
            set["metadata"]["annotations"],
            json!({"kubernetes.io/change-cause": "two", "gone": "stays", "a": "b", "deployment.kubernetes.io/revision": "3"})
        );
        assert!(!annotate(&deployment, &mut set, 3));
    }

    #[test]
    fn the_history_of_numbers_is_cut_at_the_front() {
        assert_eq!(lengthened("10,11,12", "13", 8).as_deref(), Some("11,12,13"));
        assert_eq!(lengthened("10", "123456789", 5), None);
        assert_eq!(lengthened("", "1", 5).as_deref(), Some("1"));
    }

    #[test]
    fn a_long_deployment_name_is_cut() {
        assert_eq!(set_name("web", "5fc8c66687"), "web-5fc8c66687");
        assert_eq!(set_name(&"a".repeat(253), "5fc8c66687").len(), 253);
    }
}
