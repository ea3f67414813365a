//! Server-side apply, and the ownership of fields that every write of an object changes.
//!
//! Not here: YAML bodies, defaults (the API server sets them on what comes back), the store. Entries of managers whose API version is not the object's are kept as they
//! are, since nothing here converts between versions.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use super::fields::typed::{Comparison, Place, check, compare, field_set, merge, without};
use super::fields::{Path, Set, go_json, same, show_path};
use super::schema::Type;
use super::schema::decode;
use crate::sim::json::{Map, Value, json};

mod direct;
mod managed;
pub mod scale;

use managed::{Managed, Owner};

/// Who writes, through which door, when.
#[derive(Clone, Copy, Debug)]
pub struct Writer<'a> {
    /// The field manager; empty is `unknown`.
    pub manager: &'a str,
    /// The group and version of the request, `apps/v1`.
    pub api_version: &'a str,
    /// `status`, `scale`, `ephemeralcontainers`, `resize`; empty for the object itself.
    pub subresource: &'a str,
    pub now: Timestamp,
}

/// Why an apply is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApplyFailure {
    /// 409 `Conflict`; each cause is of type `FieldManagerConflict`.
    Conflict { message: String, causes: Vec<ConflictCause> },
    /// 400 `BadRequest`
    BadRequest(String),
    /// 500 `InternalError`: what the server answers when the object does not fit its type
    Internal(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictCause {
    pub message: String,
    pub field: String,
}

impl fmt::Display for ApplyFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApplyFailure::Conflict { message, .. } | ApplyFailure::BadRequest(message) | ApplyFailure::Internal(message) => out.write_str(message),
        }
    }
}

/// At most so many managers that do not apply have entries of their own; the oldest are put together.
const MAX_UPDATE_MANAGERS: usize = 10;
/// kubectl's own apply may take what its client-side apply owned.
const KUBECTL: &str = "kubectl";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The object as a create, update or patch leaves it, with its `managedFields` brought up to date. `live` is `None` for a create.
///
/// Both objects are as their type holds them (`schema::decode`), the new one with its defaults, before admission and before the server resets fields (status, generation).
///
/// # Source
/// `FieldManager.Update` of apimachinery 0.36 `util/managedfields` with structured-merge-diff 6.3. It does not fail: where the server gives up, the object has no entries.
pub fn updated(ty: &'static Type, live: Option<&Value>, new: Value, writer: Writer<'_>) -> Value {
    let Some(entries) = direct::entries(ty, live, &new, writer) else { return updated_at_length(ty, live, &new, writer) };
    let mut object = new;
    if object["metadata"]["managedFields"].is_same(&entries) {
        return object;
    }
    if let Some(metadata) = metadata_of(&mut object) {
        match entries {
            Value::Null => metadata.remove("managedFields"),
            entries => metadata.insert("managedFields", entries),
        };
    }
    object
}

/// `updated`, whatever the entries are and wherever they come from.
fn updated_at_length(ty: &'static Type, live: Option<&Value>, new: &Value, writer: Writer<'_>) -> Value {
    let has_uid = live.is_some_and(|live| live["metadata"]["uid"].as_str().is_some_and(|uid| !uid.is_empty()));
    let managed = Managed::of_live_or_new(live, new, !writer.subresource.is_empty());
    let live = live.unwrap_or_else(|| ty.zero());
    // An object that had its entries taken away stays without, until somebody applies.
    if managed.entries.is_empty() && has_uid {
        return managed.written_to(new);
    }
    managed.update(ty, live, new, Owner::update(writer), writer).capped().written_to(new)
}

/// The live object with what is applied merged in and its `managedFields` brought up to date; `live` is `None` if there is none yet.
///
/// When nothing changes but the entries, no time is touched. What comes back is as its type holds it, without defaults.
///
/// # Errors
/// `Conflict` when another manager owns a field that is applied with another value, unless forced; `BadRequest` for another kind or for entries in the applied object;
/// `Internal` for what does not fit the type.
///
/// # Source
/// `FieldManager.Apply` of apimachinery 0.36 `util/managedfields` with structured-merge-diff 6.3, the migration from client-side apply included.
pub fn apply(ty: &'static Type, live: Option<&Value>, applied: &Value, writer: Writer<'_>, force: bool) -> Result<Value, ApplyFailure> {
    check_kind(ty, applied, writer)?;
    let zero = ty.zero();
    let live = live.unwrap_or(zero);
    let mut managed =
        Managed::read(&live["metadata"]["managedFields"]).map_err(|why| ApplyFailure::Internal(format!("failed to decode managed fields: {why}")))?;
    if managed.entries.is_empty() {
        // What was there before belongs to somebody, so that applying over it can be a conflict.
        let before = Writer { manager: "before-first-apply", ..writer };
        managed = managed.update(ty, zero, live, Owner::update(before), before).capped();
    }
    let outcome = match managed.clone().apply(ty, live, applied, writer, force) {
        Err(Refused::Conflicts(conflicts)) if writer.manager == KUBECTL => match allowed_by_last_applied(ty, live, writer) {
            Some(allowed) => {
                let left: Vec<Conflict> = conflicts.into_iter().filter(|conflict| !allowed.has(&conflict.path)).collect();
                if left.is_empty() { managed.apply(ty, live, applied, writer, true) } else { Err(Refused::Conflicts(left)) }
            }
            None => Err(Refused::Conflicts(conflicts)),
        },
        other => other,
    };
    let (object, managed) = outcome.map_err(Refused::into_failure)?;
    let mut object = managed.written_to(&object.unwrap_or_else(|| live.clone()));
    if writer.manager == KUBECTL {
        refresh_last_applied(&mut object, applied);
    }
    Ok(object)
}

/// Takes the old entries' times where nothing but times has changed, so that writing what is there already is no change. To be called when the new object is complete.
///
/// # Source
/// `IgnoreManagedFieldsTimestampsTransformer` of the API server 1.36.
pub fn keep_times(old: &Value, new: &mut Value) {
    let (Some(before), Some(after)) = (old["metadata"]["managedFields"].as_array(), new["metadata"]["managedFields"].as_array()) else { return };
    let but = |key: &'static str, one: &Value, other: &Value| {
        let (Some(one), Some(other)) = (one.as_object(), other.as_object()) else { return one == other };
        let kept = |map: &'_ Map| map.len() - usize::from(map.contains_key(key));
        kept(one) == kept(other) && one.iter().all(|(name, value)| name == key || other.get(name) == Some(value))
    };
    let same_entries = before.len() == after.len() && before.iter().zip(after).all(|(before, after)| but("time", before, after));
    if same_entries && but("metadata", old, new) && but("managedFields", &old["metadata"], &new["metadata"]) {
        new["metadata"]["managedFields"] = old["metadata"]["managedFields"].clone();
    }
}

fn check_kind(ty: &'static Type, applied: &Value, writer: Writer<'_>) -> Result<(), ApplyFailure> {
    let text = |key: &str| applied[key].as_str().unwrap_or_default();
    if text("apiVersion") != writer.api_version || text("kind") != ty.go_name() {
        return Err(ApplyFailure::BadRequest(format!("invalid object type: {}", show_kind(applied))));
    }
    match applied["metadata"].get("managedFields") {
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(ApplyFailure::BadRequest("metadata.managedFields must be nil".to_owned())),
    }
}

/// A kind as Go prints it: `apps/v1, Kind=Deployment`.
fn show_kind(object: &Value) -> String {
    let text = |key: &str| object[key].as_str().unwrap_or_default();
    let api_version = text("apiVersion");
    let api_version = if api_version.contains('/') { api_version.to_owned() } else { format!("/{api_version}") };
    format!("{api_version}, Kind={}", text("kind"))
}

/// What kubectl's client-side apply set and still stands: kubectl may apply it without being in conflict.
fn allowed_by_last_applied(ty: &'static Type, live: &Value, writer: Writer<'_>) -> Option<Set> {
    let text = live["metadata"]["annotations"][LAST_APPLIED].as_str().filter(|text| !text.is_empty())?;
    let last: Value = serde_json::from_str(text).ok()?;
    if last["apiVersion"].as_str() != Some(writer.api_version) || check(ty, &last).is_err() {
        return None;
    }
    let Comparison { removed, modified, added } = compare(ty, &last, live);
    Some(field_set(Place::root(ty), &last).difference(&modified).difference(&added).difference(&removed))
}

/// Keeps the annotation of client-side apply true, for clients that go back to it.
fn refresh_last_applied(object: &mut Value, applied: &Value) {
    if object["metadata"]["annotations"][LAST_APPLIED].as_str().is_none_or(str::is_empty) {
        return;
    }
    let mut bare = applied.clone();
    if let Some(Value::Object(annotations)) = bare["metadata"].get_mut("annotations") {
        annotations.remove(LAST_APPLIED);
    }
    object["metadata"]["annotations"][LAST_APPLIED] = Value::from(format!("{}\n", go_json(&bare)));
}

/// A field that another manager owns with another value.
#[derive(Clone, Debug)]
struct Conflict {
    owner: Owner,
    path: Path,
}

enum Refused {
    Conflicts(Vec<Conflict>),
    Failure(ApplyFailure),
}

impl Refused {
    fn internal(text: String) -> Self {
        Refused::Failure(ApplyFailure::Internal(text))
    }

    fn into_failure(self) -> ApplyFailure {
        match self {
            Refused::Failure(failure) => failure,
            Refused::Conflicts(conflicts) => {
                let cause = |conflict: &Conflict| ConflictCause { message: format!("conflict with {}", conflict.owner), field: show_path(&conflict.path) };
                ApplyFailure::Conflict { message: conflict_message(&conflicts), causes: conflicts.iter().map(cause).collect() }
            }
        }
    }
}

fn conflict_message(conflicts: &[Conflict]) -> String {
    if let [only] = conflicts {
        return format!("Apply failed with 1 conflict: conflict with {}: {}", only.owner, show_path(&only.path));
    }
    let mut by_owner: BTreeMap<&Owner, Vec<String>> = BTreeMap::new();
    for conflict in conflicts {
        by_owner.entry(&conflict.owner).or_default().push(format!("- {}", show_path(&conflict.path)));
    }
    let lines: Vec<String> = by_owner.into_iter().flat_map(|(owner, paths)| std::iter::once(format!("conflicts with {owner}:")).chain(paths)).collect();
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

/// The fields that a write through a door cannot change, since the server takes them from elsewhere.
enum Reset {
    Nothing,
    /// What stands at these paths.
    Below(&'static [&'static [&'static str]]),
    /// All that does not stand at these paths; `None` in a path stands for any element.
    AllBut(&'static [&'static [Option<&'static str>]]),
}

fn resets(ty: &Type, subresource: &str) -> Reset {
    const WITH_STATUS: &[&str] = &[
        "Deployment",
        "ReplicaSet",
        "StatefulSet",
        "DaemonSet",
        "Pod",
        "Node",
        "Namespace",
        "Service",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "ResourceQuota",
        "ReplicationController",
        "Job",
        "CronJob",
        "HorizontalPodAutoscaler",
        "PodDisruptionBudget",
        "CustomResourceDefinition",
    ];
    if let Some(custom) = ty.custom {
        return match subresource {
            "status" => Reset::Below(&[&["metadata"], &["spec"]]),
            _ if custom.has_status => Reset::Below(&[&["status"]]),
            _ => Reset::Nothing,
        };
    }
    let kind = ty.go_name();
    match (subresource, kind) {
        ("ephemeralcontainers", "Pod") => Reset::AllBut(&[&[Some("spec"), Some("ephemeralContainers")]]),
        ("resize", "Pod") => Reset::AllBut(&[
            &[Some("spec"), Some("containers"), None, Some("resources")],
            &[Some("spec"), Some("containers"), None, Some("resizePolicy")],
            &[Some("spec"), Some("initContainers"), None, Some("resources")],
            &[Some("spec"), Some("initContainers"), None, Some("resizePolicy")],
        ]),
        _ if !WITH_STATUS.contains(&kind) => Reset::Nothing,
        ("" | "finalize", _) => Reset::Below(&[&["status"]]),
        ("status", "Deployment") => Reset::Below(&[&["spec"], &["metadata", "labels"]]),
        ("status", "Pod") => Reset::Below(&[&["spec"], &["metadata", "deletionTimestamp"], &["metadata", "ownerReferences"]]),
        ("status", _) => Reset::Below(&[&["spec"]]),
        _ => Reset::Nothing,
    }
}

/// The set without what is reset.
fn reset(ty: &Type, subresource: &str, set: &Set) -> Set {
    match resets(ty, subresource) {
        Reset::Nothing => set.clone(),
        Reset::Below(paths) => set.recursive_difference(&Set::of(paths)),
        Reset::AllBut(paths) => set.only_below(paths),
    }
}

/// What nobody owns: the server's own fields.
fn stripped(set: &Set) -> Set {
    set.difference(&Set::of(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ]))
}

fn metadata_of(object: &mut Value) -> Option<&mut Map> {
    object.as_object_mut()?.entry("metadata").or_insert_with(|| json!({})).as_object_mut()
}

#[cfg(test)]
mod tests;
