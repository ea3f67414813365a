//! The garbage collector: what loses its owners goes, and what is deleted in the foreground or leaves orphans is seen through.

use std::sync::Arc;

use super::api::Propagation;
use super::controllers::client::{self, Component, Deletion};
use super::controllers::object::{deleting, list, name, namespace, uid};
use super::controllers::{Controller, Key, queue};
use super::failure::Result;
use super::kinds::Kind;
use super::store::{Change, LogEntry};
use super::world::World;
use crate::sim::json::{Value, json, literal};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    list(&object["metadata"]["finalizers"]).iter().any(|one| one == finalizer)
}

fn owners(object: &Value) -> &[Value] {
    list(&object["metadata"]["ownerReferences"])
}

/// What an owner reference points to.
#[derive(Clone, Copy, PartialEq)]
enum Owner {
    Alive,
    /// Being deleted in the foreground: it waits for its dependents.
    Waiting,
    Absent,
}

fn owner_state(world: &World, object: &Value, reference: &Value) -> Owner {
    let found = reference["uid"].as_str().and_then(|uid| world.store.by_uid(uid));
    let Some((kind, owner)) = found else { return Owner::Absent };
    // A reference with another name, kind or namespace points to nothing, whatever its uid.
    let matches =
        reference["kind"] == kind.kind() && reference["name"] == owner["metadata"]["name"] && (!kind.namespaced() || namespace(owner) == namespace(object));
    if !matches {
        Owner::Absent
    } else if deleting(owner) && has_finalizer(owner, FOREGROUND) {
        Owner::Waiting
    } else {
        Owner::Alive
    }
}

fn look_at(world: &mut World, uid: &str) {
    queue::add(world, Controller::Garbage, &Key { namespace: String::new(), name: uid.to_owned() });
}

/// Follows a stored change: whoever may have to go is looked at.
pub fn observe(world: &mut World, entry: &LogEntry) {
    let object = &entry.object;
    if entry.change == Change::Deleted {
        let dependents: Vec<String> = world.store.owned_by(uid(object)).map(|(_, dependent)| uid(dependent).to_owned()).collect();
        for dependent in dependents {
            look_at(world, &dependent);
        }
        look_at_waiting_owners(world, object);
        return;
    }
    let ends = deleting(object) && (has_finalizer(object, ORPHAN) || has_finalizer(object, FOREGROUND));
    if ends && entry.previous.as_deref().is_none_or(|before| !deleting(before) || before["metadata"]["finalizers"] != object["metadata"]["finalizers"]) {
        look_at(world, uid(object));
    }
    let owners_before = entry.previous.as_deref().map(|before| &before["metadata"]["ownerReferences"]);
    if owners_before.is_some_and(|before| *before == object["metadata"]["ownerReferences"]) {
        return;
    }
    if owners(object).iter().any(|owner| owner_state(world, object, owner) != Owner::Alive) {
        look_at(world, uid(object));
    }
    if let Some(before) = &entry.previous {
        look_at_waiting_owners(world, before);
    }
}

/// An owner that waits for its dependents may be done, now that this one is gone.
fn look_at_waiting_owners(world: &mut World, object: &Value) {
    let waiting: Vec<&str> =
        owners(object).iter().filter(|owner| owner_state(world, object, owner) == Owner::Waiting).filter_map(|owner| owner["uid"].as_str()).collect();
    for owner in waiting {
        look_at(world, owner);
    }
}

/// # Source
/// `attemptToDeleteItem`, `attemptToOrphan`, `processDeletingDependentsItem` of the garbage collector 1.36.3.
pub fn sync(world: &mut World, key: &Key) -> Result<()> {
    let Some((kind, object)) = world.store.by_uid(&key.name).map(|(kind, object)| (kind, Arc::clone(object))) else { return Ok(()) };
    if deleting(&object) {
        if has_finalizer(&object, ORPHAN) {
            return orphan(world, kind, &object);
        }
        if has_finalizer(&object, FOREGROUND) {
            return wait_for_dependents(world, kind, &object);
        }
        return Ok(());
    }
    collect(world, kind, &object)
}

fn dependents(world: &World, object: &Value) -> Vec<(Kind, Arc<Value>)> {
    let of = |dependent: &Value| owners(dependent).iter().any(|owner| owner["uid"] == uid(object) && owner_state(world, dependent, owner) != Owner::Absent);
    world.store.owned_by(uid(object)).filter(|(_, dependent)| of(dependent)).map(|(kind, dependent)| (kind, Arc::clone(dependent))).collect()
}

fn orphan(world: &mut World, kind: Kind, object: &Value) -> Result<()> {
    for (kind, dependent) in dependents(world, object) {
        let left = owners(&dependent).iter().filter(|owner| owner["uid"] != uid(object)).cloned().collect();
        match keep_owners(world, kind, &dependent, left) {
            Err(failure) if !failure.is_not_found() => return Err(failure),
            _ => {}
        }
    }
    drop_finalizer(world, kind, object, ORPHAN)
}

fn wait_for_dependents(world: &mut World, kind: Kind, object: &Value) -> Result<()> {
    let dependents = dependents(world, object);
    let blocks = |dependent: &Value| owners(dependent).iter().any(|owner| owner["uid"] == uid(object) && owner["blockOwnerDeletion"] == true);
    if !dependents.iter().any(|(_, dependent)| blocks(dependent)) {
        return drop_finalizer(world, kind, object, FOREGROUND);
    }
    for (_, dependent) in dependents.iter().filter(|(_, dependent)| !deleting(dependent)) {
        look_at(world, uid(dependent));
    }
    Ok(())
}

fn collect(world: &mut World, kind: Kind, object: &Value) -> Result<()> {
    if owners(object).is_empty() {
        return Ok(());
    }
    let states: Vec<Owner> = owners(object).iter().map(|owner| owner_state(world, object, owner)).collect();
    if states.contains(&Owner::Alive) {
        if states.iter().all(|state| *state == Owner::Alive) {
            return Ok(());
        }
        let alive = owners(object).iter().zip(&states).filter(|(_, state)| **state == Owner::Alive).map(|(owner, _)| owner.clone()).collect();
        return keep_owners(world, kind, object, alive);
    }
    let dependents = if states.contains(&Owner::Waiting) { dependents(world, object) } else { Vec::new() };
    if dependents.iter().any(|(_, it)| deleting(it) && has_finalizer(it, FOREGROUND)) {
        // It may wait for an owner that waits for it: such a circle is opened here.
        unblock_owners(world, kind, object)?;
    }
    let propagation = if !dependents.is_empty() || has_finalizer(object, FOREGROUND) {
        Propagation::Foreground
    } else if has_finalizer(object, ORPHAN) {
        Propagation::Orphan
    } else {
        Propagation::Background
    };
    let deletion = Deletion { uid: Some(uid(object).to_owned()), propagation: Some(propagation), ..Deletion::default() };
    match client::delete(world, Component::Garbage, kind, namespace(object), name(object), deletion) {
        Err(failure) if !failure.is_not_found() => Err(failure),
        _ => Ok(()),
    }
}

/// Its owners do not wait for it any more.
fn unblock_owners(world: &mut World, kind: Kind, object: &Value) -> Result<()> {
    let mut left = owners(object).to_vec();
    for owner in left.iter_mut().filter(|owner| owner["blockOwnerDeletion"] == true) {
        owner["blockOwnerDeletion"] = false.into();
    }
    if left == owners(object) { Ok(()) } else { keep_owners(world, kind, object, left) }
}

fn keep_owners(world: &mut World, kind: Kind, object: &Value, left: Vec<Value>) -> Result<()> {
    let mut copy = object.clone();
    if let Some(metadata) = copy["metadata"].as_object_mut() {
        if left.is_empty() {
            metadata.remove("ownerReferences");
        } else {
            metadata.insert(literal!("ownerReferences"), json!(left));
        }
    }
    client::update(world, Component::Garbage, kind, copy).map(|_| ())
}

fn drop_finalizer(world: &mut World, kind: Kind, object: &Value, finalizer: &str) -> Result<()> {
    let mut copy = object.clone();
    let left: Vec<Value> = list(&copy["metadata"]["finalizers"]).iter().filter(|one| *one != finalizer).cloned().collect();
    if let Some(metadata) = copy["metadata"].as_object_mut() {
        if left.is_empty() {
            metadata.remove("finalizers");
        } else {
            metadata.insert(literal!("finalizers"), json!(left));
        }
    }
    match client::update(world, Component::Garbage, kind, copy) {
        Err(failure) if !failure.is_not_found() => Err(failure),
        _ => Ok(()),
    }
}
