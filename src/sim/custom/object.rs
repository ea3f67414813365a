//! The life of a custom object between a request and the store: read, prepared, judged, and shown in the version that is asked for.
//!
//! # Source
//! apiextensions-apiserver 0.36 `pkg/registry/customresource`, `pkg/apiserver/customresource_handler.go`.

use std::sync::Arc;

use crate::sim::json::{Map, Value};

use super::check;
use super::coerce;
use super::rule;
use super::schema::{Additional, Schema};
use super::{Custom, Scale};
use crate::sim::api::Subresource;
use crate::sim::failure::{FieldError, Rule};
use crate::sim::names;
use crate::sim::patch::go_print;
use crate::sim::validate;

/// An object that was read, and which of its fields nobody knows.
pub struct Read {
    pub object: Value,
    pub unknown: Vec<String>,
}

fn member<'a>(value: &'a Value, names: &[String]) -> Option<&'a Value> {
    names.iter().try_fold(value, |value, name| value.get(name))
}

impl Custom {
    /// Takes an object as its schema has it: unknown fields gone, defaults filled in.
    ///
    /// # Errors
    /// Go's words for what cannot be metadata.
    pub fn read(&self, mut object: Value) -> Result<Read, String> {
        coerce::settle_numbers(&mut object);
        let mut unknown = coerce::metadata(&mut object, "")?;
        if object["kind"] != self.kind.kind() {
            return Ok(Read { object, unknown });
        }
        let schema = self.schema();
        unknown.extend(coerce::prune(&mut object, schema, true));
        coerce::drop_nulls(&mut object, Some(schema));
        coerce::embedded(&mut object, schema, "", &mut unknown).map_err(|(field, value, why)| FieldError::invalid(field, value, why).to_string())?;
        coerce::fill(&mut object, schema);
        Ok(Read { object, unknown })
    }

    /// A stored object in this version.
    pub fn view(&self, object: &Arc<Value>) -> Arc<Value> {
        let version = object["apiVersion"].as_str().unwrap_or_default();
        let is_own = version == self.api_version;
        let written = object["metadata"]["resourceVersion"].as_str().and_then(|it| it.parse::<u64>().ok());
        // What was written under this schema fits it; what is older may not.
        let fits = written.is_none_or(|it| it > self.since);
        if is_own && fits {
            return Arc::clone(object);
        }
        let mut shown = Value::clone(object);
        if !fits {
            let of_version = version.rsplit('/').next().and_then(|it| self.schemas.get(it));
            let schema = of_version.unwrap_or_else(|| self.schema());
            coerce::prune(&mut shown, schema, true);
            coerce::drop_nulls(&mut shown, Some(schema));
            coerce::fill(&mut shown, schema);
        }
        if !is_own {
            shown["apiVersion"] = self.api_version.as_str().into();
            coerce::prune(&mut shown, self.schema(), true);
            coerce::drop_nulls(&mut shown, Some(self.schema()));
        }
        Arc::new(shown)
    }

    /// An object of any version in this one, which is the stored.
    pub fn to_stored(&self, mut object: Value) -> Value {
        if object["apiVersion"] != self.api_version.as_str() {
            object["apiVersion"] = self.api_version.as_str().into();
            coerce::prune(&mut object, self.schema(), true);
            coerce::drop_nulls(&mut object, Some(self.schema()));
            coerce::fill(&mut object, self.schema());
        }
        object
    }

    pub fn prepare_create(&self, object: &mut Value) {
        if self.status
            && let Some(map) = object.as_object_mut()
        {
            map.remove("status");
        }
        object["metadata"]["generation"] = 1.into();
    }

    /// Prepares an object that is about to replace `old`: only what this face of it may touch differs afterwards.
    pub fn prepare_update(&self, object: &mut Value, old: &Value, part: Subresource) {
        if part == Subresource::Status {
            let (status, entries) = (object.get("status").cloned(), object["metadata"].get("managedFields").cloned());
            *object = old.clone();
            put(object, "status", status);
            put(&mut object["metadata"], "managedFields", entries);
            return;
        }
        if self.status {
            put(object, "status", old.get("status").cloned());
        }
        put(&mut object["metadata"], "generation", old["metadata"].get("generation").cloned());
        let content = |value: &'_ Value| -> Vec<(String, Value)> {
            value.as_object().into_iter().flatten().filter(|(key, _)| *key != "metadata").map(|(key, value)| (key.to_string(), value.clone())).collect()
        };
        if content(object) != content(old) {
            object["metadata"]["generation"] = (old["metadata"]["generation"].as_i64().unwrap_or(0) + 1).into();
        }
    }

    /// What is wrong with an object that is about to be made, or about to replace `old`.
    pub fn check(&self, object: &Value, old: Option<&Value>, part: Subresource) -> Vec<FieldError> {
        let mut errors = self.check_names(object);
        if !errors.is_empty() {
            return errors;
        }
        errors = validate::custom_metadata(self.kind, &object["metadata"], old.map(|it| &it["metadata"]));
        let schema = self.schema();
        if part == Subresource::Status {
            if let (Some(status), Some(schema)) = (object.get("status"), schema.properties.get("status")) {
                for mut error in check::check(schema, status, old.and_then(|it| it.get("status")), "") {
                    error.field = if error.field == "<nil>" { "status".to_owned() } else { format!("status.{}", error.field) };
                    errors.push(error);
                }
            }
        } else {
            errors.extend(check::check(schema, object, old, ""));
            errors.extend(self.scale.iter().flat_map(|it| it.check_spec(object)));
        }
        errors.extend(self.scale.iter().flat_map(|it| it.check_status(object)));
        if part != Subresource::Status {
            embedded(schema, object, "", &mut errors);
        }
        let lists = |object: &Value| {
            let mut found = Vec::new();
            unique(schema, object, "", &mut found);
            found
        };
        if old.is_none_or(|old| lists(old).is_empty()) {
            errors.extend(lists(object));
        }
        if schema.has_rules() {
            let blocks = |it: &FieldError| matches!(it.rule, Rule::NotSupported | Rule::Required | Rule::TooLong | Rule::TooMany | Rule::TypeInvalid);
            if errors.iter().any(blocks) {
                let words = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
                errors.push(FieldError::invalid("<nil>", Value::Null, words));
            } else {
                errors.extend(rule::evaluate(schema, object, old));
            }
        }
        errors
    }

    fn check_names(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Vec::new();
        for (key, wanted) in [("kind", self.kind.kind()), ("apiVersion", self.api_version.as_str())] {
            let given = object[key].as_str().unwrap_or_default();
            if given != wanted {
                errors.push(FieldError::invalid(key, given, format!("must be {wanted}")));
            }
        }
        errors
    }

    /// What is odd about the finalizers that a write adds.
    pub fn warnings(&self, object: &Value, old: Option<&Value>) -> Vec<String> {
        let finalizers = |object: &Value| -> Vec<String> {
            object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        let known = old.map(finalizers).unwrap_or_default();
        let mut added: Vec<String> = finalizers(object).into_iter().filter(|it| !known.contains(it)).collect();
        added.sort();
        added.dedup();
        let mut warnings = Vec::new();
        for name in added {
            warnings.extend(names::label_key(&name).into_iter().map(|broken| format!("metadata.finalizers: {name:?}: {broken}")));
            if name.contains('/') || matches!(name.as_str(), "orphan" | "foregroundDeletion" | "kubernetes") {
                continue;
            }
            let path = if name.contains('.') { " including a path (/)" } else { "" };
            warnings.push(format!(
                "metadata.finalizers: {name:?}: prefer a domain-qualified finalizer name{path} to avoid accidental conflicts with other finalizer writers"
            ));
        }
        warnings
    }
}

fn put(object: &mut Value, key: &str, value: Option<Value>) {
    let Some(map) = object.as_object_mut() else { return };
    match value {
        Some(value) => map.insert(key.to_owned(), value),
        None => map.remove(key),
    };
}

impl Scale {
    /// The number at a path.
    ///
    /// # Errors
    /// Go's words for what is no number.
    pub fn number(object: &Value, names: &[String]) -> Result<Option<i64>, String> {
        let path = |to: usize| names[..to].iter().map(|it| format!(".{it}")).collect::<String>();
        let mut found = object;
        for (at, name) in names.iter().enumerate() {
            match found {
                Value::Null => return Ok(None),
                Value::Object(map) => match map.get(name) {
                    Some(inner) => found = inner,
                    None => return Ok(None),
                },
                other => {
                    return Err(format!(
                        "{} accessor error: {} is of the type {}, expected map[string]interface{{}}",
                        path(at + 1),
                        go_print(other),
                        go_type(other)
                    ));
                }
            }
        }
        match found.as_i64() {
            Some(number) => Ok(Some(number)),
            None => Err(format!("{} accessor error: {} is of the type {}, expected int64", path(names.len()), go_print(found), go_type(found))),
        }
    }

    pub fn selector(&self, object: &Value) -> Option<String> {
        member(object, self.selector.as_deref()?)?.as_str().map(str::to_owned)
    }

    fn check(object: &Value, names: &[String]) -> Vec<FieldError> {
        let field: String = names.iter().map(|it| format!(".{it}")).collect();
        match Self::number(object, names) {
            Err(why) => vec![FieldError::invalid(field, 0, why)],
            Ok(Some(number)) if number < 0 => vec![FieldError::invalid(field, number, "should be a non-negative integer")],
            Ok(Some(number)) if number > i64::from(i32::MAX) => {
                vec![FieldError::invalid(field, number, format!("should be less than or equal to {}", i32::MAX))]
            }
            Ok(_) => Vec::new(),
        }
    }

    fn check_spec(&self, object: &Value) -> Vec<FieldError> {
        Self::check(object, &self.spec_replicas)
    }

    fn check_status(&self, object: &Value) -> Vec<FieldError> {
        let mut errors = Self::check(object, &self.status_replicas);
        if let Some(names) = &self.selector
            && let Some(found) = member(object, names).filter(|it| !it.is_string())
        {
            let field: String = names.iter().map(|it| format!(".{it}")).collect();
            let words = format!("{field} accessor error: {} is of the type {}, expected string", go_print(found), go_type(found));
            errors.push(FieldError::invalid(field, "", words));
        }
        errors
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// Judges the objects inside of an object.
fn embedded(schema: &Schema, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let child = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(map) => {
            if schema.embedded && !path.is_empty() {
                for key in ["apiVersion", "kind"] {
                    match value[key].as_str() {
                        None => errors.push(FieldError::required(child(key), "")),
                        Some("") => errors.push(FieldError::invalid(child(key), "", "must not be empty")),
                        Some(kind) if key == "kind" => {
                            let broken = names::dns_1035_label(&kind.to_lowercase());
                            if !broken.is_empty() {
                                let words = format!("may have mixed case, but should otherwise match: {}", broken.join(","));
                                errors.push(FieldError::invalid(child(key), kind, words));
                            }
                        }
                        Some(version) if version.matches('/').count() > 1 => {
                            errors.push(FieldError::invalid(child(key), version, format!("unexpected GroupVersion string: {version}")));
                        }
                        Some(_) => {}
                    }
                }
                if map.contains_key("metadata") {
                    for mut error in validate::embedded_metadata(&value["metadata"]) {
                        error.field = child(&error.field);
                        errors.push(error);
                    }
                }
            }
            for (key, inner) in map {
                if let Some(schema) = schema.properties.get(key.as_str()) {
                    embedded(schema, inner, &child(key), errors);
                } else if let Some(Additional::Schema(schema)) = &schema.additional {
                    embedded(schema, inner, &format!("{path}[{key}]"), errors);
                }
            }
        }
        Value::Array(items) => {
            let Some(inner) = schema.items.as_deref() else { return };
            items.iter().enumerate().for_each(|(at, item)| embedded(inner, item, &format!("{path}[{at}]"), errors));
        }
        _ => {}
    }
}

/// The items that are in a set or under a key twice; each is named where it comes the second time.
fn unique(schema: &Schema, value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                if let Some(schema) = schema.properties.get(key.as_str()) {
                    unique(schema, inner, &if path.is_empty() { key.to_string() } else { format!("{path}.{key}") }, errors);
                } else if let Some(Additional::Schema(schema)) = &schema.additional {
                    unique(schema, inner, &format!("{path}[{key}]"), errors);
                }
            }
        }
        Value::Array(items) => {
            match schema.list_type.as_str() {
                "set" => repeated(items).for_each(|at| errors.push(FieldError::duplicate(format!("{path}[{at}]"), items[at].clone()))),
                "map" => {
                    if let Some(at) = items.iter().position(|it| !it.is_object() && !it.is_null()) {
                        let words = "must be an object for an array of list-type map";
                        errors.push(FieldError::invalid(format!("{path}[{at}]"), items[at].clone(), words));
                    } else {
                        let key = |item: &Value| -> Value {
                            schema.list_keys.iter().filter_map(|key| Some((key.clone(), item.get(key)?.clone()))).collect::<Map>().into()
                        };
                        let keys: Vec<Value> = items.iter().map(key).collect();
                        repeated(&keys).for_each(|at| errors.push(FieldError::duplicate(format!("{path}[{at}]"), keys[at].clone())));
                    }
                }
                _ => {}
            }
            let Some(inner) = schema.items.as_deref() else { return };
            items.iter().enumerate().for_each(|(at, item)| unique(inner, item, &format!("{path}[{at}]"), errors));
        }
        _ => {}
    }
}

/// Where items come for the second time.
fn repeated(items: &[Value]) -> impl Iterator<Item = usize> {
    (0..items.len()).filter(|at| items[..*at].iter().filter(|it| **it == items[*at]).count() == 1)
}
