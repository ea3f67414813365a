//! Deletion: grace periods, finalizers, and what becomes of dependents.
//!
//! # Source
//! apiserver 1.36.3 `pkg/registry/rest/delete.go`, `generic/registry/store.go`; `pkg/registry/core/namespace/storage`.

use std::sync::Arc;

use jiff::Timestamp;

use super::admission;
use super::api::{Caller, DeleteOptions, Deleted, Propagation};
use super::controllers::definition::set_condition;
use super::failure::{Failure, Result};
use super::kinds::Kind;
use super::strategy;
use super::world::{World, stamp};
use crate::sim::json::{Value, json, literal};

const ORPHAN: &str = "orphan";
/// The finalizer under which the objects of a custom kind go with its definition.
pub const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";
const FOREGROUND: &str = "foregroundDeletion";

/// What a graceful deletion comes to.
enum Grace {
    /// The kind has none, or it is over.
    None,
    /// A deletion is under way, and this one does not shorten it.
    Pending,
    /// The object now has a deadline of so many seconds.
    Until(i64),
}

fn finalizers(object: &Value) -> Vec<String> {
    object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

impl World {
    /// Deletes an object as the API server does: grace periods and finalizers keep it for a while.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` for a precondition, `Forbidden` for a namespace that must stay.
    pub fn delete(&mut self, kind: Kind, namespace: &str, name: &str, options: &DeleteOptions, caller: &Caller) -> Result<Deleted> {
        let kind = kind.stored();
        let old = self.get(kind, namespace, name)?;
        preconditions(kind, name, &old, options)?;
        if kind == Kind::NAMESPACES {
            return self.delete_namespace(name, &old, caller);
        }
        if kind == Kind::CUSTOMRESOURCEDEFINITIONS {
            return Ok(self.delete_definition(&old, caller));
        }
        let mut object = Value::clone(&old);
        let grace = self.grace(kind, &mut object, options);
        if matches!(grace, Grace::Pending) {
            return Ok(Deleted { object: old, gone: false });
        }
        let wanted = wanted_finalizers(kind, &old, options);
        let keeps = !wanted.is_empty();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            if keeps {
                metadata.insert(literal!("finalizers"), json!(wanted));
            } else {
                metadata.remove("finalizers");
            }
        }
        let graceful = match grace {
            Grace::Until(seconds) => seconds > 0,
            _ => false,
        };
        if keeps && matches!(grace, Grace::None) {
            self.mark(&mut object);
        }
        if keeps || graceful {
            let object = if object == *old {
                old
            } else if caller.dry_run {
                Arc::new(object)
            } else {
                self.put(kind, object)
            };
            return Ok(Deleted { object, gone: false });
        }
        if caller.dry_run {
            return Ok(Deleted { object: Arc::new(object), gone: true });
        }
        let last = self.remove(kind, if kind.namespaced() { namespace } else { "" }, name, Some(object));
        Ok(Deleted { object: last.unwrap_or(old), gone: true })
    }

    /// Marks an object as being deleted, without a grace period.
    fn mark(&self, object: &mut Value) {
        let metadata = &mut object["metadata"];
        if metadata["deletionTimestamp"].is_null() {
            if let Some(generation) = metadata["generation"].as_i64().filter(|it| *it > 0) {
                metadata["generation"] = (generation + 1).into();
            }
            metadata["deletionTimestamp"] = self.stamp().into();
        } else if metadata["deletionTimestamp"].as_str().and_then(|it| it.parse::<Timestamp>().ok()).is_some_and(|it| it > self.now()) {
            metadata["deletionTimestamp"] = self.stamp().into();
        }
        metadata["deletionGracePeriodSeconds"] = json!(0);
    }

    /// Only pods end gracefully.
    fn grace(&self, kind: Kind, object: &mut Value, options: &DeleteOptions) -> Grace {
        if kind != Kind::PODS {
            return Grace::None;
        }
        let asked = options.grace_s.map(|it| if it < 0 { 1 } else { it });
        let after = |from: Timestamp, seconds: i64| from.saturating_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(from);
        let began = object["metadata"]["deletionTimestamp"].as_str().and_then(|it| it.parse::<Timestamp>().ok());
        if let Some(ends) = began {
            let has = object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
            if has == 0 {
                return Grace::None;
            }
            let Some(asked) = asked.filter(|it| *it < has) else { return Grace::Pending };
            // The period can only become shorter, and not end in the past.
            let mut end = after(ends, asked - has);
            let mut period = asked;
            if end < self.now() {
                end = self.now();
                period = period.min(1);
            }
            object["metadata"]["deletionTimestamp"] = stamp(end).into();
            object["metadata"]["deletionGracePeriodSeconds"] = period.into();
            return Grace::Until(period);
        }
        let mut period = asked.or(object["spec"]["terminationGracePeriodSeconds"].as_i64()).unwrap_or(0);
        let unscheduled = object["spec"]["nodeName"].as_str().is_none_or(str::is_empty);
        let ended = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        if unscheduled || ended {
            period = 0;
        }
        if period < 0 {
            period = 1;
        }
        let metadata = &mut object["metadata"];
        metadata["deletionTimestamp"] = stamp(after(self.now(), period)).into();
        metadata["deletionGracePeriodSeconds"] = period.into();
        if let Some(generation) = metadata["generation"].as_i64().filter(|it| *it > 0) {
            metadata["generation"] = (generation + 1).into();
        }
        Grace::Until(period)
    }

    /// A definition first takes all objects of its kind along; who does that is a controller.
    fn delete_definition(&mut self, old: &Arc<Value>, caller: &Caller) -> Deleted {
        let mut object = Value::clone(old);
        if object["metadata"]["deletionTimestamp"].is_null() {
            object["metadata"]["deletionTimestamp"] = self.stamp().into();
        }
        let mut kept = finalizers(&object);
        if !kept.iter().any(|it| it == CLEANUP) {
            kept.push(CLEANUP.to_owned());
        }
        object["metadata"]["finalizers"] = json!(kept);
        let words = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
        let now = self.stamp();
        set_condition(&mut object, "Terminating", "True", "InstanceDeletionPending", words, &now);
        let object = match () {
            () if object == **old => Arc::clone(old),
            () if caller.dry_run => Arc::new(object),
            () => self.put(Kind::CUSTOMRESOURCEDEFINITIONS, object),
        };
        Deleted { object, gone: false }
    }

    /// A namespace first takes everything in it along.
    fn delete_namespace(&mut self, name: &str, old: &Arc<Value>, caller: &Caller) -> Result<Deleted> {
        if admission::IMMORTAL.contains(&name) {
            return Err(Failure::forbidden(Kind::NAMESPACES, name, "this namespace may not be deleted"));
        }
        let mut object = Value::clone(old);
        let pending = object["spec"]["finalizers"].as_array().is_some_and(|it| !it.is_empty()) || !finalizers(&object).is_empty();
        if object["metadata"]["deletionTimestamp"].is_null() {
            object["metadata"]["deletionTimestamp"] = self.stamp().into();
            object["status"]["phase"] = "Terminating".into();
        }
        if caller.dry_run {
            return Ok(Deleted { object: Arc::new(object), gone: !pending });
        }
        if pending {
            let object = if object == **old { Arc::clone(old) } else { self.put(Kind::NAMESPACES, object) };
            return Ok(Deleted { object, gone: false });
        }
        let last = self.remove(Kind::NAMESPACES, "", name, Some(object));
        Ok(Deleted { object: last.unwrap_or_else(|| Arc::clone(old)), gone: true })
    }
}

fn preconditions(kind: Kind, name: &str, old: &Value, options: &DeleteOptions) -> Result<()> {
    let refuse = |why: String| {
        // The real server names the kind here, not the resource.
        let qualified = if kind.group().is_empty() { kind.kind().to_owned() } else { format!("{}.{}", kind.kind(), kind.group()) };
        let message = format!("Operation cannot be fulfilled on {qualified} {}: {why}", super::failure::quoted(name));
        Err(Failure::new(409, "Conflict", message).detail("name", name).detail("group", kind.group()).detail("kind", kind.kind()))
    };
    let (uid, version) = (old["metadata"]["uid"].as_str().unwrap_or_default(), old["metadata"]["resourceVersion"].as_str().unwrap_or_default());
    if let Some(asked) = options.uid.as_deref().filter(|it| *it != uid) {
        return refuse(format!(
            "the UID in the precondition ({asked}) does not match the UID in record ({uid}). The object might have been deleted and then recreated"
        ));
    }
    if let Some(asked) = options.resource_version.as_deref().filter(|it| *it != version) {
        return refuse(format!(
            "the ResourceVersion in the precondition ({asked}) does not match the ResourceVersion in record ({version}). The object might have been modified"
        ));
    }
    Ok(())
}

/// The finalizers that an object has once its deletion was asked for: those it has, and the collector's as the policy says.
fn wanted_finalizers(kind: Kind, object: &Value, options: &DeleteOptions) -> Vec<String> {
    let has = finalizers(object);
    let default = strategy::default_propagation(kind);
    let policy = match (default, options.propagation) {
        (None, _) => None,
        (_, Some(asked)) => Some(asked),
        (Some(_), None) if has.iter().any(|it| it == ORPHAN) => Some(Propagation::Orphan),
        (Some(_), None) if has.iter().any(|it| it == FOREGROUND) => Some(Propagation::Foreground),
        (default, None) => default,
    };
    let mut wanted: Vec<String> = has.into_iter().filter(|it| it != ORPHAN && it != FOREGROUND).collect();
    match policy {
        Some(Propagation::Orphan) => wanted.push(ORPHAN.to_owned()),
        Some(Propagation::Foreground) => wanted.push(FOREGROUND.to_owned()),
        Some(Propagation::Background) | None => {}
    }
    wanted
}
