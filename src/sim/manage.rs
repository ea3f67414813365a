//! Managed fields at each write: who set what. The rules themselves stand in `apply`.

use std::sync::Arc;

use super::api::{Caller, Subresource};
use super::apply::{self, ApplyFailure, Writer};
use super::custom::Scale;
use super::failure::{Failure, Result};
use super::kinds::Kind;
use super::schema::decode::Strictness;
use super::strategy;
use super::world::World;
use super::yaml;
use crate::sim::json::{Map, Value, json, literal};

/// Whether a write's managed fields are yet to be found, or stand in the object already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entries {
    ToFind,
    Decided,
}

/// Notes the fields that a create or update sets; `old` is `None` for a create.
pub fn note(world: &World, kind: Kind, object: Value, old: Option<&Value>, part: Subresource, caller: &Caller) -> Value {
    let Some(ty) = world.type_of(kind) else { return keep(object, old) };
    let api_version = kind.api_version();
    let writer = Writer { manager: &caller.manager, api_version: &api_version, subresource: part.name(), now: world.now() };
    apply::updated(ty, old, object, writer)
}

/// The entries that are there stay as they are where the type of the kind is not known.
fn keep(mut object: Value, old: Option<&Value>) -> Value {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
        if let Some(entries) = old.and_then(|it| it["metadata"].get("managedFields")) {
            metadata.insert(literal!("managedFields"), entries.clone());
        }
    }
    object
}

fn failure(failure: ApplyFailure) -> Failure {
    match failure {
        ApplyFailure::Conflict { message, causes } => {
            let causes = causes.iter().map(|it| json!({ "reason": "FieldManagerConflict", "message": it.message, "field": it.field })).collect();
            Failure::new(409, "Conflict", message).causes(causes)
        }
        ApplyFailure::BadRequest(message) => Failure::bad_request(message),
        ApplyFailure::Internal(message) => Failure::new(500, "", message),
    }
}

/// Whether what is applied has members at all.
fn is_map(body: &Value) -> Result<()> {
    let what = match body {
        Value::Object(_) | Value::Null => return Ok(()),
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
    };
    let why = format!("json: cannot unmarshal {what} into Go value of type map[string]interface {{}}");
    Err(Failure::bad_request(format!("error decoding YAML: error unmarshaling JSON: while decoding JSON: {why}")))
}

/// An apply, as it is sent.
pub struct Applied<'a> {
    pub body: &'a [u8],
    pub force: bool,
    pub part: Subresource,
}

impl World {
    /// Applies a body to an object, which is made where it is not there.
    pub(super) fn apply(&mut self, kind: Kind, namespace: &str, name: &str, applied: &Applied<'_>, caller: &Caller) -> Result<Arc<Value>> {
        let body = yaml::parse(applied.body).map_err(|why| Failure::bad_request(format!("error decoding YAML: error converting YAML to JSON: {why}")))?;
        is_map(&body)?;
        let Some(ty) = self.type_of(kind) else { return Err(Failure::not_implemented(&format!("server-side apply of {}", kind.qualified()))) };
        let api_version = kind.api_version();
        let writer = Writer { manager: &caller.manager, api_version: &api_version, subresource: applied.part.name(), now: self.now() };
        let old = self.find(kind, namespace, name).cloned();
        if old.is_none() && applied.part != Subresource::Main {
            return Err(Failure::not_found(kind, name));
        }
        let live = old.as_ref().map(|it| self.view(kind, it));
        let mut merged = apply::apply(ty, live.as_deref(), &body, writer, applied.force).map_err(failure)?;
        self.note_duplicates(applied.body, caller)?;
        // Where there is nothing yet, the version only has to be one.
        let version = body["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        if !version.is_empty() && version.parse::<u64>().is_err() {
            return Err(Failure::new(500, "", format!("strconv.ParseUint: parsing {version:?}: invalid syntax")));
        }
        if kind.namespaced() && merged["metadata"]["namespace"].as_str().is_none_or(str::is_empty) {
            merged["metadata"]["namespace"] = namespace.into();
        }
        let given = merged["metadata"]["name"].as_str().unwrap_or_default();
        if given != name {
            return Err(Failure::bad_request(if given.is_empty() {
                format!("the name of the object ({name} based on URL) was undeterminable: name must be provided")
            } else {
                format!("the name of the object ({given}) does not match the name on the URL ({name})")
            }));
        }
        if kind.namespaced() && merged["metadata"]["namespace"] != namespace {
            return Err(Failure::bad_request("the namespace of the provided object does not match the namespace sent on the request"));
        }
        match old {
            Some(old) => {
                let object = self.read(kind, merged, Some(&old))?;
                self.replace(kind, &old, object, applied.part, caller, Entries::Decided)
            }
            None => {
                if merged["metadata"]["uid"].as_str().is_some_and(|it| !it.is_empty()) {
                    // Who names a uid means an object that was there.
                    let why = format!(
                        "uid mismatch: the provided object specified uid {}, and no existing object was found",
                        merged["metadata"]["uid"].as_str().unwrap_or_default()
                    );
                    return Err(Failure::conflict(kind, name, &why));
                }
                if let Some(metadata) = merged["metadata"].as_object_mut() {
                    metadata.remove("resourceVersion");
                }
                self.make(kind, merged, caller, Entries::Decided)
            }
        }
    }

    /// What is applied twice in one map is an error to who is strict, and a warning to others.
    fn note_duplicates(&mut self, body: &[u8], caller: &Caller) -> Result<()> {
        if caller.strictness == Strictness::Ignore {
            return Ok(());
        }
        let twice = yaml::duplicates(body);
        if caller.strictness == Strictness::Strict && !twice.is_empty() {
            let why = format!("error strict decoding YAML: error converting YAML to JSON: {}", yaml::strict_error(&twice));
            return Err(Failure::bad_request(why));
        }
        self.warnings.extend(twice);
        Ok(())
    }

    /// A workload seen through its `scale`.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn scale(&self, kind: Kind, namespace: &str, name: &str) -> Result<Value> {
        let object = self.get(kind, namespace, name)?;
        let custom = self.customs.get(kind).and_then(|it| it.scale.as_ref());
        if let Some(scale) = custom
            && Scale::number(&object, &scale.spec_replicas).is_ok_and(|it| it.is_none())
        {
            let path: String = scale.spec_replicas.iter().map(|it| format!(".{it}")).collect();
            return Err(Failure::internal(&format!("the spec replicas field {path:?} does not exist")));
        }
        Ok(without_entries(scale_of(kind, custom, &object)?))
    }

    /// Applies a size to a workload through its `scale`.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Invalid`, `BadRequest`.
    pub fn apply_scale(&mut self, kind: Kind, namespace: &str, name: &str, body: &[u8], force: bool, caller: &Caller) -> Result<Value> {
        let body = yaml::parse(body).map_err(|why| Failure::bad_request(format!("error decoding YAML: error converting YAML to JSON: {why}")))?;
        is_map(&body)?;
        let Some(ty) = super::schema::named("io.k8s.api.autoscaling.v1.Scale") else { return Err(Failure::not_implemented("scales")) };
        let before = scale_of(kind, self.customs.get(kind).and_then(|it| it.scale.as_ref()), &*self.get(kind, namespace, name)?)?;
        let writer = Writer { manager: &caller.manager, api_version: SCALE, subresource: "scale", now: self.now() };
        let scale = apply::apply(ty, Some(&before), &body, writer, force).map_err(failure)?;
        self.put_scale(kind, namespace, name, &scale, Entries::Decided, caller)
    }

    /// Writes a workload's size; `scale` is as its type holds it.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Invalid`.
    pub fn write_scale(&mut self, kind: Kind, namespace: &str, name: &str, scale: &Value, caller: &Caller) -> Result<Value> {
        self.put_scale(kind, namespace, name, scale, Entries::ToFind, caller)
    }

    fn put_scale(&mut self, kind: Kind, namespace: &str, name: &str, scale: &Value, entries: Entries, caller: &Caller) -> Result<Value> {
        let old = self.get(kind, namespace, name)?;
        let custom = self.customs.get(kind).cloned();
        let scale_paths = custom.as_ref().and_then(|it| it.scale.as_ref());
        let before = scale_of(kind, scale_paths, &old)?;
        let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
        // What a custom kind holds is judged as a whole.
        if replicas < 0 && !kind.is_custom() {
            let error = super::failure::FieldError::invalid("spec.replicas", replicas, "must be greater than or equal to 0");
            return Err(Failure::invalid_kind("autoscaling", "Scale", name, vec![error]));
        }
        let text = |object: &Value, field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (given, present) = (text(scale, "uid"), text(&old, "uid"));
        if !given.is_empty() && given != present {
            return Err(Failure::conflict(kind, name, &format!("Precondition failed: UID in precondition: {given}, UID in object meta: {present}")));
        }
        let version = text(scale, "resourceVersion");
        if !version.is_empty() && version != text(&old, "resourceVersion") {
            return Err(Failure::modified(kind, name));
        }
        let mut object = Value::clone(&*self.view(kind, &old));
        let path = replicas_path(scale_paths);
        let place = path.iter().fold(&mut object, |place, name| &mut place[*name]);
        *place = replicas.into();
        if let Some(ty) = super::schema::named("io.k8s.api.autoscaling.v1.Scale") {
            let writer = Writer { manager: &caller.manager, api_version: SCALE, subresource: "scale", now: self.now() };
            let noted = if entries == Entries::Decided {
                scale.clone()
            } else {
                let mut changed = before.clone();
                // None is left out of a Scale, and what is not there has no owner.
                match replicas {
                    0 => drop(changed["spec"].as_object_mut().map(|it| it.remove("replicas"))),
                    _ => changed["spec"]["replicas"] = replicas.into(),
                }
                apply::updated(ty, Some(&before), changed, writer)
            };
            let entries = apply::scale::to_parent(&old, &noted, &kind.api_version(), &path);
            if !entries.is_empty() {
                object["metadata"]["managedFields"] = Value::from(entries);
            }
        }
        let updated = self.replace(kind, &old, object, Subresource::Scale, caller, Entries::Decided)?;
        Ok(without_entries(scale_of(kind, scale_paths, &updated)?))
    }
}

const SCALE: &str = "autoscaling/v1";

/// A Scale is answered without its entries: the server makes them for the time of a write only.
fn without_entries(mut scale: Value) -> Value {
    scale["metadata"].as_object_mut().map(|it| it.remove("managedFields"));
    scale
}

/// Where the replicas of a kind stand.
fn replicas_path(custom: Option<&Scale>) -> Vec<&str> {
    custom.map_or_else(|| apply::scale::REPLICAS.to_vec(), |it| it.spec_replicas.iter().map(String::as_str).collect())
}

/// The `autoscaling/v1` Scale of a workload.
fn scale_of(kind: Kind, custom: Option<&Scale>, object: &Value) -> Result<Value> {
    let mut metadata = Map::new();
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object["metadata"].get(field) {
            metadata.insert(field.to_owned(), value.clone());
        }
    }
    let entries = apply::scale::of_parent(object, &kind.api_version(), &replicas_path(custom));
    if !entries.is_empty() {
        metadata.insert(literal!("managedFields"), Value::from(entries));
    }
    let (replicas, present, selector) = match custom {
        Some(scale) => {
            let number = |names: &[String]| Scale::number(object, names).map_err(|why| Failure::internal(&why));
            (number(&scale.spec_replicas)?, number(&scale.status_replicas)?, scale.selector(object).unwrap_or_default())
        }
        None => (object["spec"]["replicas"].as_i64(), object["status"]["replicas"].as_i64(), strategy::scale_selector(kind, object)),
    };
    let mut spec = Map::new();
    if let Some(replicas) = replicas.filter(|it| *it != 0) {
        spec.insert(literal!("replicas"), replicas.into());
    }
    let mut status = json!({ "replicas": present.unwrap_or(0) });
    if !selector.is_empty() {
        status["selector"] = selector.into();
    }
    Ok(json!({ "kind": "Scale", "apiVersion": SCALE, "metadata": metadata, "spec": spec, "status": status }))
}
