//! The revisions of a StatefulSet: which is current, which is next, and how many are kept.

use std::sync::Arc;

use super::super::hash::{revision_hash, revision_name};
use super::super::history::{self, number, patch_of, renumber};
use super::super::object::{go_json, name, owner_reference};
use super::super::{claim, client};
use super::BY;
use super::pod::pod_revision;
use crate::sim::failure::Result;
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;
use crate::sim::world::World;

const HASH: &str = "controller.kubernetes.io/hash";

/// The revisions of the set, oldest first, orphans that match adopted.
pub fn list(world: &mut World, set: &Value) -> Result<Vec<Arc<Value>>> {
    let mut revisions = claim::claim(world, BY, Kind::STATEFULSETS, set, Kind::CONTROLLERREVISIONS, |_| true)?;
    history::sort(&mut revisions);
    Ok(revisions)
}

/// The current revision, the one of the present template, and the count of collisions; makes the second where it is missing.
///
/// # Source
/// `getStatefulSetRevisions`.
pub fn choose(world: &mut World, set: &Value, revisions: &[Arc<Value>]) -> Result<(Arc<Value>, Arc<Value>, i64)> {
    let mut collisions = set["status"]["collisionCount"].as_i64().unwrap_or(0);
    let next = revisions.last().map_or(0, |last| number(last)) + 1;
    let patch = patch_of(set);
    let update = match revisions.iter().rposition(|revision| revision["data"] == patch) {
        Some(at) if at + 1 == revisions.len() => Arc::clone(&revisions[at]),
        Some(at) => renumber(world, BY, &revisions[at], next)?,
        None => make(world, set, &patch, next, &mut collisions)?,
    };
    let current = revisions.iter().find(|revision| set["status"]["currentRevision"] == revision["metadata"]["name"]).cloned();
    Ok((current.unwrap_or_else(|| Arc::clone(&update)), update, collisions))
}

fn make(world: &mut World, set: &Value, patch: &Value, next: i64, collisions: &mut i64) -> Result<Arc<Value>> {
    let bytes = go_json(patch);
    loop {
        let hash = revision_hash(bytes.as_bytes(), *collisions);
        let own_name = revision_name(name(set), &hash);
        let mut labels = set["spec"]["template"]["metadata"]["labels"].clone();
        // The label keeps the hash of the first try, as the real controller's does.
        labels[HASH] = Value::from(revision_hash(bytes.as_bytes(), set["status"]["collisionCount"].as_i64().unwrap_or(0)));
        let mut metadata = json!({"name": own_name, "namespace": set["metadata"]["namespace"], "labels": labels, "ownerReferences": [owner_reference(set)]});
        if set["metadata"]["annotations"].as_object().is_some_and(|annotations| !annotations.is_empty()) {
            metadata["annotations"] = set["metadata"]["annotations"].clone();
        }
        let revision = json!({"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": metadata, "data": patch, "revision": next});
        match client::create(world, BY, Kind::CONTROLLERREVISIONS, revision) {
            Err(failure) if failure.is_already_exists() => {
                let existing = world.get(Kind::CONTROLLERREVISIONS, super::namespace(set), &own_name)?;
                if existing["data"] == *patch {
                    return Ok(existing);
                }
                *collisions += 1;
            }
            outcome => return outcome,
        }
    }
}

/// Deletes the oldest revisions beyond the limit that neither the set nor a pod refers to.
///
/// # Source
/// `truncateHistory`: the list is that from before this sync.
pub fn cut_history(world: &mut World, set: &Value, pods: &[Arc<Value>], revisions: &[Arc<Value>], live: [&str; 2]) -> Result<()> {
    let Some(limit) = set["spec"]["revisionHistoryLimit"].as_i64().and_then(|limit| usize::try_from(limit).ok()) else { return Ok(()) };
    let unused: Vec<&Arc<Value>> =
        revisions.iter().filter(|revision| !live.contains(&name(revision)) && !pods.iter().any(|pod| pod_revision(pod) == name(revision))).collect();
    let excess = unused.len().saturating_sub(limit);
    for revision in unused.into_iter().take(excess) {
        client::delete(world, BY, Kind::CONTROLLERREVISIONS, super::namespace(set), name(revision), super::Deletion::default())?;
    }
    Ok(())
}
