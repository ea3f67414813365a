//! Adoption and release: which objects a controller owns, by the owner reference and by its selector.

use std::sync::Arc;

use super::client::{self, Component};
use super::object::{controller_of, deleting, labels, list, name, namespace, owner_reference, owner_selects, uid};
use crate::sim::failure::Result;
use crate::sim::json::{Value, json, literal};
use crate::sim::kinds::Kind;
use crate::sim::world::World;

/// The ReplicaSets of a Deployment, after adopting orphans that its selector matches and releasing those that it no longer matches.
pub fn replica_sets(world: &mut World, deployment: &Value) -> Result<Vec<Arc<Value>>> {
    claim(world, Component::Deployment, Kind::DEPLOYMENTS, deployment, Kind::REPLICASETS, |_| true)
}

/// The claimed objects of `kind` that pass `counts`, which is asked before anything is adopted or released.
///
/// # Source
/// `BaseControllerRefManager.ClaimObject`.
pub fn claim(world: &mut World, by: Component, owner_kind: Kind, owner: &Value, kind: Kind, counts: impl Fn(&Value) -> bool) -> Result<Vec<Arc<Value>>> {
    let mut claimed = Vec::new();
    for object in client::owned(world, kind, uid(owner)) {
        if !counts(&object) {
            continue;
        }
        if owner_selects(owner, labels(&object)) {
            claimed.push(object);
        } else if !deleting(owner) {
            match release(world, by, kind, owner, &object) {
                Err(failure) if !failure.is_not_found() => return Err(failure),
                _ => {}
            }
        }
    }
    for object in orphans(world, kind, namespace(owner)) {
        if deleting(owner) || deleting(&object) || !counts(&object) || !owner_selects(owner, labels(&object)) || !client::still_alive(world, owner_kind, owner)
        {
            continue;
        }
        match adopt(world, by, kind, owner, &object) {
            Ok(object) => claimed.push(object),
            Err(failure) if failure.is_not_found() => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(claimed)
}

/// The objects of a kind in a namespace that have no controller.
pub fn orphans(world: &World, kind: Kind, namespace: &str) -> Vec<Arc<Value>> {
    let names = world.controllers.orphans.get(&(kind, namespace.to_owned()));
    names.into_iter().flatten().filter_map(|name| client::get(world, kind, namespace, name)).collect()
}

fn adopt(world: &mut World, by: Component, kind: Kind, owner: &Value, object: &Arc<Value>) -> Result<Arc<Value>> {
    let mut copy = Value::clone(object);
    let mut references = list(&copy["metadata"]["ownerReferences"]).to_vec();
    references.retain(|reference| reference["uid"] != owner["metadata"]["uid"]);
    references.push(owner_reference(owner));
    copy["metadata"]["ownerReferences"] = Value::from(references);
    client::update(world, by, kind, copy)
}

fn release(world: &mut World, by: Component, kind: Kind, owner: &Value, object: &Arc<Value>) -> Result<()> {
    let mut copy = Value::clone(object);
    let left: Vec<Value> =
        list(&copy["metadata"]["ownerReferences"]).iter().filter(|reference| reference["uid"] != owner["metadata"]["uid"]).cloned().collect();
    if let Some(metadata) = copy["metadata"].as_object_mut() {
        if left.is_empty() {
            metadata.remove("ownerReferences");
        } else {
            metadata.insert(literal!("ownerReferences"), json!(left));
        }
    }
    client::update(world, by, kind, copy).map(|_| ())
}

/// Keeps the index of orphans up to date with a stored change.
pub fn note(world: &mut World, kind: Kind, object: &Value, gone: bool) {
    let place = (kind, namespace(object).to_owned());
    if gone || controller_of(object).is_some() {
        if let Some(names) = world.controllers.orphans.get_mut(&place) {
            names.remove(name(object));
            if names.is_empty() {
                world.controllers.orphans.remove(&place);
            }
        }
    } else {
        world.controllers.orphans.entry(place).or_default().insert(name(object).to_owned());
    }
}
