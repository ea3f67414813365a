//! What the HTTP face and the controllers call: reads, and writes with all rules that the API server has for them.
//!
//! Not here: HTTP, and what happens after a write (`controllers`).

use std::sync::Arc;

use serde_json::{Value, json};

use super::failure::{Failure, Result};
use super::kinds::Kind;
use super::world::World;

/// Who writes, and whether for real.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The field manager that the write is attributed to.
    pub manager: String,
    pub user: String,
    pub dry_run: bool,
}

impl Caller {
    /// A component of the cluster, which writes under its own name.
    pub fn component(name: &str) -> Self {
        Self { manager: name.to_owned(), user: format!("system:{name}"), dry_run: false }
    }
}

/// Which face of an object is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subresource {
    Main,
    Status,
    Scale,
    /// Pods: sizes of containers.
    Resize,
    EphemeralContainers,
    /// Namespaces: the finalizers of the spec.
    Finalize,
}

/// A patch by its media type.
#[derive(Clone, Debug)]
pub enum Patch {
    Json(Value),
    Merge(Value),
    Strategic(Value),
    Apply { body: Value, force: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    Background,
    Foreground,
    Orphan,
}

#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    pub grace_s: Option<i64>,
    pub propagation: Option<Propagation>,
    pub uid: Option<String>,
    pub resource_version: Option<String>,
}

/// A deletion that was accepted.
#[derive(Clone, Debug)]
pub struct Deleted {
    /// The last state, or the present one with its deletion timestamp.
    pub object: Arc<Value>,
    /// Whether the object is gone already; else finalizers or a grace period keep it.
    pub gone: bool,
}

impl World {
    /// # Errors
    /// `NotFound`.
    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Result<Arc<Value>> {
        self.find(kind, namespace, name).cloned().ok_or_else(|| Failure::not_found(kind, name))
    }

    pub fn find(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        self.store.get(kind.stored(), if kind.namespaced() { namespace } else { "" }, name)
    }

    /// The objects of a kind in the order of a list, of one namespace or of all.
    pub fn list(&self, kind: Kind, namespace: Option<&str>) -> impl Iterator<Item = &Arc<Value>> {
        self.store.list(kind.stored(), namespace)
    }

    /// Whatever names this uid among its owners.
    pub fn owned_by(&self, uid: &str) -> impl Iterator<Item = (Kind, &Arc<Value>)> {
        self.store.owned_by(uid)
    }

    /// Creates an object; its namespace and name (or `generateName`) are those in its metadata.
    ///
    /// # Errors
    /// `AlreadyExists`, `NotFound` and `Forbidden` for the namespace, `Invalid`.
    pub fn create(&mut self, kind: Kind, mut object: Value, caller: &Caller) -> Result<Arc<Value>> {
        object["apiVersion"] = kind.api_version().into();
        object["kind"] = kind.kind().into();
        let name = match object["metadata"]["name"].as_str() {
            Some(name) => name.to_owned(),
            None => format!("{}{}", object["metadata"]["generateName"].as_str().unwrap_or_default(), self.random_letters(5)),
        };
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        if self.find(kind, &namespace, &name).is_some() {
            return Err(Failure::already_exists(kind, &name));
        }
        object["metadata"]["name"] = name.into();
        object["metadata"]["uid"] = self.uid().into();
        object["metadata"]["creationTimestamp"] = self.stamp().into();
        object["metadata"]["generation"] = json!(1);
        Ok(if caller.dry_run { Arc::new(object) } else { self.put(kind.stored(), object) })
    }

    /// Replaces one face of the object that `object` names; with a resource version in its metadata only where that is the present one.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Invalid`.
    pub fn update(&mut self, kind: Kind, mut object: Value, subresource: Subresource, caller: &Caller) -> Result<Arc<Value>> {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (namespace, name, version) = (text("namespace"), text("name"), text("resourceVersion"));
        let old = self.get(kind, &namespace, &name)?;
        if !version.is_empty() && old["metadata"]["resourceVersion"] != version.as_str() {
            return Err(Failure::modified(kind, &name));
        }
        match subresource {
            Subresource::Main => object["status"] = old["status"].clone(),
            _ => object["spec"] = old["spec"].clone(),
        }
        for field in ["uid", "creationTimestamp", "generation", "resourceVersion"] {
            object["metadata"][field] = old["metadata"][field].clone();
        }
        if object["spec"] != old["spec"] {
            object["metadata"]["generation"] = (old["metadata"]["generation"].as_i64().unwrap_or(0) + 1).into();
        }
        if object == *old || caller.dry_run {
            return Ok(Arc::new(object));
        }
        Ok(self.put(kind.stored(), object))
    }

    /// Changes a part of an object.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Invalid`, `BadRequest`.
    pub fn patch(&mut self, _kind: Kind, _namespace: &str, _name: &str, _patch: &Patch, _subresource: Subresource, _caller: &Caller) -> Result<Arc<Value>> {
        Err(Failure::not_implemented("patches yet"))
    }

    /// Deletes an object as the API server does: grace periods and finalizers keep it for a while.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` for a precondition.
    pub fn delete(&mut self, kind: Kind, namespace: &str, name: &str, _options: &DeleteOptions, caller: &Caller) -> Result<Deleted> {
        let object = self.get(kind, namespace, name)?;
        if caller.dry_run {
            return Ok(Deleted { object, gone: true });
        }
        let last = self.remove(kind.stored(), if kind.namespaced() { namespace } else { "" }, name, None);
        Ok(Deleted { object: last.unwrap_or(object), gone: true })
    }

    /// Deletes a pod unless a PodDisruptionBudget needs it.
    ///
    /// # Errors
    /// `NotFound`, `TooManyRequests`.
    pub fn evict(&mut self, namespace: &str, pod: &str, options: &DeleteOptions, caller: &Caller) -> Result<Deleted> {
        self.delete(Kind::PODS, namespace, pod, options, caller)
    }

    /// Puts a pod on a node: what the scheduler does through `pods/binding`.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when it has a node already.
    pub fn bind(&mut self, namespace: &str, pod: &str, node: &str, _caller: &Caller) -> Result<Arc<Value>> {
        let old = self.get(Kind::PODS, namespace, pod)?;
        if old["spec"]["nodeName"].as_str().is_some_and(|it| !it.is_empty()) {
            return Err(Failure::conflict(Kind::PODS, pod, &format!("pod {pod} is already assigned to node {}", old["spec"]["nodeName"])));
        }
        let mut object = Value::clone(&old);
        object["spec"]["nodeName"] = node.into();
        Ok(self.put(Kind::PODS, object))
    }
}
