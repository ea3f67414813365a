//! The part of the API server that sees definitions of custom kinds through: their names are accepted, they are established, and their objects go with them.
//!
//! # Source
//! apiextensions-apiserver 0.36 `pkg/controller/{status,establish,finalizer}`.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::object::{deleting, list, name, text};
use super::{Controller, Key, queue};
use crate::sim::api::{Caller, DeleteOptions, Subresource};
use crate::sim::delete::CLEANUP;
use crate::sim::failure::Result;
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;
use crate::sim::store::{Change, LogEntry};
use crate::sim::world::World;

/// How often it is looked whether the last object is gone.
const EMPTY_EVERY: SignedDuration = SignedDuration::from_secs(5);

fn key_of(definition: &Value) -> Key {
    Key { namespace: String::new(), name: name(definition).to_owned() }
}

/// Follows a stored change of a definition. When one goes, its names are free for the others of its group.
pub fn observe(world: &mut World, entry: &LogEntry) {
    if entry.change != Change::Deleted {
        queue::add(world, Controller::Definition, &key_of(&entry.object));
    }
    let names = |object: &Value| object["status"]["acceptedNames"].clone();
    let moved = entry.change == Change::Deleted || entry.previous.as_deref().is_some_and(|it| names(it) != names(&entry.object));
    if moved {
        let group = entry.object["spec"]["group"].clone();
        let others = world.list(Kind::CUSTOMRESOURCEDEFINITIONS, None).filter(|it| it["spec"]["group"] == group && name(it) != entry.name());
        let others: Vec<Key> = others.map(|it| key_of(it)).collect();
        others.iter().for_each(|key| queue::add(world, Controller::Definition, key));
    }
}

/// Sets a condition of a definition; its time moves where its status does.
pub fn set_condition(definition: &mut Value, kind: &str, status: &str, reason: &str, message: &str, now: &str) {
    let mut conditions = list(&definition["status"]["conditions"]).to_vec();
    let mut condition = json!({ "type": kind, "status": status, "lastTransitionTime": now, "reason": reason, "message": message });
    match conditions.iter_mut().find(|it| it["type"] == kind) {
        Some(old) => {
            if old["status"] == status && !old["lastTransitionTime"].is_null() {
                condition["lastTransitionTime"] = old["lastTransitionTime"].clone();
            }
            *old = condition;
        }
        None => conditions.push(condition),
    }
    definition["status"]["conditions"] = Value::from(conditions);
}

fn condition<'a>(definition: &'a Value, kind: &str) -> Option<&'a Value> {
    list(&definition["status"]["conditions"]).iter().find(|it| it["type"] == kind)
}

fn is_true(definition: &Value, kind: &str) -> bool {
    condition(definition, kind).is_some_and(|it| it["status"] == "True")
}

/// One step towards what a definition is to become; what it writes brings the next.
pub fn sync(world: &mut World, key: &Key) -> Result<()> {
    let Some(definition) = world.find(Kind::CUSTOMRESOURCEDEFINITIONS, "", &key.name).cloned() else { return Ok(()) };
    if deleting(&definition) && list(&definition["metadata"]["finalizers"]).iter().any(|it| it == CLEANUP) {
        return finish(world, key, &definition);
    }
    let mut copy = Value::clone(&definition);
    let now = world.stamp();
    if definition["spec"]["names"] != definition["status"]["acceptedNames"] {
        accept(world, &mut copy, &now);
    }
    if copy == *definition && is_true(&copy, "NamesAccepted") && !is_true(&copy, "Established") {
        set_condition(&mut copy, "Established", "True", "InitialNamesAccepted", "the initial names have been accepted", &now);
    }
    if copy == *definition { Ok(()) } else { write(world, copy) }
}

fn write(world: &mut World, definition: Value) -> Result<()> {
    match world.update(Kind::CUSTOMRESOURCEDEFINITIONS, definition, Subresource::Status, &Caller::component("kube-apiserver")) {
        Err(failure) if !failure.is_not_found() && !failure.is_conflict() => Err(failure),
        _ => Ok(()),
    }
}

/// Takes the names that nobody else of the group has.
fn accept(world: &World, definition: &mut Value, now: &str) {
    let (wanted, had) = (definition["spec"]["names"].clone(), definition["status"]["acceptedNames"].clone());
    let mut resources: BTreeSet<String> = BTreeSet::new();
    let mut kinds: BTreeSet<String> = BTreeSet::new();
    for other in world.list(Kind::CUSTOMRESOURCEDEFINITIONS, None).filter(|it| it["spec"]["group"] == definition["spec"]["group"]) {
        let names = &other["status"]["acceptedNames"];
        resources.extend(["plural", "singular"].map(|it| text(names, &[it]).to_owned()));
        resources.extend(list(&names["shortNames"]).iter().filter_map(Value::as_str).map(str::to_owned));
        kinds.extend(["kind", "listKind"].map(|it| text(names, &[it]).to_owned()));
    }
    let mut accepted = had.clone();
    let mut refused: Option<(&str, String)> = None;
    let taken = |name: &str, own: &str, used: &BTreeSet<String>| (name != own && used.contains(name)).then(|| format!("{name:?} is already in use"));
    for (field, reason, used) in [("plural", "PluralConflict", &resources), ("singular", "SingularConflict", &resources)] {
        match taken(text(&wanted, &[field]), text(&had, &[field]), used) {
            Some(why) => refused = Some((reason, why)),
            None => accepted[field] = wanted[field].clone(),
        }
    }
    if wanted["shortNames"] != had["shortNames"] {
        let own = list(&had["shortNames"]);
        let fresh = list(&wanted["shortNames"]).iter().filter(|it| !own.contains(it)).filter_map(Value::as_str);
        let broken: Vec<String> = fresh.filter_map(|it| taken(it, "", &resources)).collect();
        match broken.as_slice() {
            [] => put(&mut accepted, "shortNames", &wanted["shortNames"]),
            [only] => refused = Some(("ShortNamesConflict", only.clone())),
            several => refused = Some(("ShortNamesConflict", format!("[{}]", several.join(", ")))),
        }
    }
    for (field, reason) in [("kind", "KindConflict"), ("listKind", "ListKindConflict")] {
        match taken(text(&wanted, &[field]), text(&had, &[field]), &kinds) {
            Some(why) => refused = Some((reason, why)),
            None => accepted[field] = wanted[field].clone(),
        }
    }
    put(&mut accepted, "categories", &wanted["categories"]);
    definition["status"]["acceptedNames"] = accepted;
    match &refused {
        Some((reason, why)) => set_condition(definition, "NamesAccepted", "False", reason, why, now),
        None => set_condition(definition, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now),
    }
    if is_true(definition, "Established") {
        return;
    }
    if refused.is_none() {
        set_condition(definition, "Established", "False", "Installing", "the initial names have been accepted", now);
    } else if condition(definition, "Established").is_none() {
        set_condition(definition, "Established", "False", "NotAccepted", "not all names are accepted", now);
    }
}

fn put(object: &mut Value, key: &str, value: &Value) {
    let Some(map) = object.as_object_mut() else { return };
    if value.is_null() {
        map.remove(key);
    } else {
        map.insert(key, value.clone());
    }
}

/// Deletes all objects of a kind whose definition is being deleted, and lets the definition go when none is left.
fn finish(world: &mut World, key: &Key, definition: &Value) -> Result<()> {
    let now = world.stamp();
    let mut copy = definition.clone();
    let stored = world.customs.siblings_of(&key.name).first().map(|it| it.kind.stored());
    if let Some(kind) = stored.filter(|_| is_true(definition, "Established")) {
        let all: Vec<(String, String)> = world.list(kind, None).map(|it| (text(it, &["metadata", "namespace"]).to_owned(), name(it).to_owned())).collect();
        for (namespace, name) in all {
            // What could not be deleted is still there at the next look.
            let _ = world.delete(kind, &namespace, &name, &DeleteOptions::default(), &Caller::component("kube-apiserver"));
        }
        if world.list(kind, None).count() > 0 {
            let words = "CustomResource deletion is in progress";
            set_condition(&mut copy, "Terminating", "True", "InstanceDeletionInProgress", words, &now);
            queue::add_after(world, Controller::Definition, key, EMPTY_EVERY);
            return if copy == *definition { Ok(()) } else { write(world, copy) };
        }
        set_condition(&mut copy, "Terminating", "False", "InstanceDeletionCompleted", "removed all instances", &now);
    } else {
        set_condition(&mut copy, "Terminating", "False", "NeverEstablished", "resource was never established", &now);
    }
    let left: Vec<Value> = list(&copy["metadata"]["finalizers"]).iter().filter(|it| **it != CLEANUP).cloned().collect();
    copy["metadata"]["finalizers"] = Value::from(left);
    write(world, copy)
}
