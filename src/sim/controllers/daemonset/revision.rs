//! The revisions of a DaemonSet: found by their bytes, named by the hash of the template.

use std::sync::Arc;

use super::super::history::{number, patch_of, renumber};
use super::super::object::{label, name, namespace, owner_reference, uid};
use super::super::template_hash::template_hash;
use super::super::{claim, client};
use super::{BY, HASH};
use crate::sim::failure::Result;
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;
use crate::sim::world::World;

const REVISIONS: Kind = Kind::CONTROLLERREVISIONS;

/// The revision of the present template, made or renumbered where needed, and the others.
///
/// # Source
/// `constructHistory`.
pub fn construct(world: &mut World, set: &Value) -> Result<(Arc<Value>, Vec<Arc<Value>>)> {
    let patch = patch_of(set);
    let all = claim::claim(world, BY, Kind::DAEMONSETS, set, REVISIONS, |_| true)?;
    let (current, old): (Vec<_>, Vec<_>) = all.into_iter().partition(|revision| revision["data"] == patch);
    let next = old.iter().map(|revision| number(revision)).max().unwrap_or(0) + 1;
    let current = match current.len() {
        0 => snapshot(world, set, &patch, next)?,
        _ => keep_one(world, set, current)?,
    };
    if number(&current) < next {
        // The real controller goes on with the object from before.
        renumber(world, BY, &current, next)?;
    }
    Ok((current, old))
}

fn snapshot(world: &mut World, set: &Value, patch: &Value, next: i64) -> Result<Arc<Value>> {
    let collisions = set["status"]["collisionCount"].as_i64();
    let hash = template_hash(&set["spec"]["template"], collisions);
    let own_name = format!("{}-{hash}", name(set));
    let mut labels = set["spec"]["template"]["metadata"]["labels"].clone();
    labels[HASH] = Value::from(hash);
    let mut metadata = json!({"name": own_name, "namespace": set["metadata"]["namespace"], "labels": labels, "ownerReferences": [owner_reference(set)]});
    if set["metadata"]["annotations"].as_object().is_some_and(|annotations| !annotations.is_empty()) {
        metadata["annotations"] = set["metadata"]["annotations"].clone();
    }
    let revision = json!({"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": metadata, "data": patch, "revision": next});
    match client::create(world, BY, REVISIONS, revision) {
        Err(failure) if failure.is_already_exists() => {
            let existing = world.get(REVISIONS, namespace(set), &own_name)?;
            if existing["data"] == *patch {
                return Ok(existing);
            }
            let mut copy = Value::clone(&*world.get(Kind::DAEMONSETS, namespace(set), name(set))?);
            copy["status"]["collisionCount"] = Value::from(collisions.unwrap_or(0) + 1);
            client::update_status(world, BY, Kind::DAEMONSETS, copy)?;
            Err(failure)
        }
        outcome => outcome,
    }
}

/// Of several revisions with the same bytes the highest stays; pods of the others are relabelled.
fn keep_one(world: &mut World, set: &Value, mut same: Vec<Arc<Value>>) -> Result<Arc<Value>> {
    same.sort_by_key(|revision| number(revision));
    let Some(keep) = same.pop() else { return Err(crate::sim::failure::Failure::internal("no revision to keep")) };
    if same.is_empty() {
        return Ok(keep);
    }
    for pod in client::owned(world, Kind::PODS, uid(set)) {
        if label(&pod, HASH) != label(&keep, HASH) {
            let mut copy = Value::clone(&pod);
            copy["metadata"]["labels"][HASH] = keep["metadata"]["labels"][HASH].clone();
            client::update(world, BY, Kind::PODS, copy)?;
        }
    }
    for revision in same {
        client::delete(world, BY, REVISIONS, namespace(set), name(&revision), client::Deletion::default())?;
    }
    Ok(keep)
}

/// Deletes the lowest revisions beyond the limit, those that a pod still has excepted.
///
/// # Source
/// `cleanupHistory`.
pub fn cut_history(world: &mut World, set: &Value, old: &[Arc<Value>]) -> Result<()> {
    let Some(limit) = set["spec"]["revisionHistoryLimit"].as_i64().and_then(|limit| usize::try_from(limit).ok()) else { return Ok(()) };
    let excess = old.len().saturating_sub(limit);
    let pods = client::owned(world, Kind::PODS, uid(set));
    let mut unused: Vec<&Arc<Value>> = old.iter().filter(|revision| !pods.iter().any(|pod| label(pod, HASH) == label(revision, HASH))).collect();
    unused.sort_by_key(|revision| number(revision));
    for revision in unused.into_iter().take(excess) {
        client::delete(world, BY, REVISIONS, namespace(set), name(revision), client::Deletion::default())?;
    }
    Ok(())
}
