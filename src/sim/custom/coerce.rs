//! What becomes of a custom object on its way in and out: unknown fields go, nulls that mean nothing go, defaults come.
//!
//! # Source
//! apiextensions-apiserver 0.36 `pkg/apiserver/schema/{pruning,defaulting,objectmeta}`.

use crate::sim::json::{Map, Value};

use super::schema::{Additional, Schema};
use crate::sim::schema::decode::{self, Decoded};
use crate::sim::schema::parse::Tree;
use crate::sim::schema::{self as types, Type};

const META: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// The type of the metadata of every object.
pub fn metadata_type() -> &'static Type {
    types::named("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta").expect("the schemas know the metadata")
}

/// Takes away what the schema does not know; says which fields those were, sorted.
pub fn prune(object: &mut Value, schema: &Schema, is_root: bool) -> Vec<String> {
    let mut unknown = Vec::new();
    Pruner { path: String::new(), unknown: &mut unknown }.walk(object, Some(schema), schema.embedded || is_root, false);
    unknown.sort();
    unknown
}

struct Pruner<'a> {
    path: String,
    unknown: &'a mut Vec<String>,
}

impl Pruner<'_> {
    fn note(&mut self, key: &str) {
        if self.path.is_empty() {
            self.unknown.push(key.to_owned());
        } else {
            self.unknown.push(format!("{}.{key}", self.path));
        }
    }

    fn at(&mut self, step: &str, walk: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        if !step.starts_with('[') && length > 0 {
            self.path.push('.');
        }
        self.path.push_str(step);
        walk(self);
        self.path.truncate(length);
    }

    /// `keeping` inside of what keeps unknown fields, where only the known ones are looked into.
    fn walk(&mut self, value: &mut Value, schema: Option<&Schema>, embedded: bool, keeping: bool) {
        let keeping = schema.is_some_and(|it| it.preserves) || keeping;
        match value {
            Value::Object(map) => {
                let keys: Vec<String> = map.keys().map(ToString::to_string).collect();
                for key in keys {
                    if embedded && META.contains(&key.as_str()) {
                        continue;
                    }
                    let known = schema.and_then(|it| it.properties.get(&key));
                    let additional = schema.and_then(|it| it.additional.as_ref());
                    match (known, additional) {
                        (Some(inner), _) => self.inner(map, &key, Some(inner)),
                        (None, Some(Additional::Schema(inner))) => self.inner(map, &key, Some(inner)),
                        (None, Some(Additional::Allowed(_))) => self.inner(map, &key, None),
                        (None, None) if keeping => {}
                        (None, None) => {
                            if !self.path.is_empty() || !META.contains(&key.as_str()) {
                                self.note(&key);
                            }
                            map.remove(&key);
                        }
                    }
                }
            }
            Value::Array(items) => {
                let inner = schema.and_then(|it| it.items.as_deref());
                for (at, item) in items.iter_mut().enumerate() {
                    if keeping && inner.is_none() {
                        return;
                    }
                    self.at(&format!("[{at}]"), |it| it.walk(item, inner, inner.is_some_and(|it| it.embedded), keeping));
                }
            }
            _ => {}
        }
    }

    fn inner(&mut self, map: &mut Map, key: &str, schema: Option<&Schema>) {
        let Some(value) = map.get_mut(key) else { return };
        self.at(key, |it| it.walk(value, schema, schema.is_some_and(|it| it.embedded), false));
    }
}

/// Drops nulls where the schema has neither a default nor a word for them.
pub fn drop_nulls(value: &mut Value, schema: Option<&Schema>) {
    match value {
        Value::Object(map) => {
            let meaningless =
                |key: &str, value: &Value| value.is_null() && schema.and_then(|it| it.member(key)).is_some_and(|it| !it.nullable && it.default.is_none());
            map.retain(|key, value| !meaningless(key, value));
            for (key, value) in map.iter_mut() {
                drop_nulls(value, schema.and_then(|it| it.member(&key)));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| drop_nulls(item, schema.and_then(|it| it.items.as_deref()))),
        _ => {}
    }
}

/// Fills in the defaults of the schema.
pub fn fill(value: &mut Value, schema: &Schema) {
    match value {
        Value::Object(map) => {
            for (key, inner) in &schema.properties {
                let Some(default) = &inner.default else { continue };
                if map.get(key).is_none_or(|it| it.is_null() && !inner.nullable) {
                    map.insert(key.clone(), default.clone());
                }
            }
            for (key, value) in map.iter_mut() {
                if let Some(inner) = schema.member(&key) {
                    if value.is_null() && !inner.nullable && !schema.properties.contains_key(key.as_str()) {
                        *value = inner.default.clone().unwrap_or_default();
                    }
                    fill(value, inner);
                }
            }
        }
        Value::Array(items) => {
            let Some(inner) = schema.items.as_deref() else { return };
            for item in items.iter_mut() {
                if item.is_null() && !inner.nullable {
                    *item = inner.default.clone().unwrap_or_default();
                }
                fill(item, inner);
            }
        }
        _ => {}
    }
}

/// Reads the metadata of an object as the server's own type; fields that it does not know are named with their paths.
///
/// # Errors
/// Go's words for what does not fit.
pub fn metadata(object: &mut Value, path: &str) -> Result<Vec<String>, String> {
    let Some(given) = object.get("metadata") else { return Ok(Vec::new()) };
    let Decoded { object: read, strict } = decode::json(metadata_type(), &Tree::from(given))?;
    let prefix = if path.is_empty() { "metadata".to_owned() } else { format!("{path}.metadata") };
    let unknown = strict.iter().filter_map(|it| it.split('"').nth(1)).map(|field| format!("{prefix}.{field}")).collect();
    object["metadata"] = read;
    Ok(unknown)
}

/// Reads the metadata of objects within the object; the path of the first that does not fit is with the error.
///
/// # Errors
/// The path, the value and why.
pub fn embedded(value: &mut Value, schema: &Schema, path: &str, unknown: &mut Vec<String>) -> Result<(), (String, Value, String)> {
    let child = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(_) => {
            if schema.embedded && !path.is_empty() {
                for key in ["apiVersion", "kind"] {
                    if value.get(key).is_some_and(|it| !it.is_string()) {
                        return Err((child(key), value[key].clone(), "must be a string".to_owned()));
                    }
                }
                match metadata(value, path) {
                    Ok(fields) => unknown.extend(fields),
                    Err(why) => return Err((child("metadata"), value["metadata"].clone(), why)),
                }
                if value["metadata"]["creationTimestamp"].is_null()
                    && let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut)
                {
                    metadata.remove("creationTimestamp");
                }
            }
            for (key, inner) in value.as_object_mut().into_iter().flat_map(|it| it.iter_mut()) {
                if let Some(schema) = schema.properties.get(key.as_str()) {
                    embedded(inner, schema, &child(&key), unknown)?;
                } else if let Some(Additional::Schema(schema)) = &schema.additional {
                    embedded(inner, schema, &format!("{path}[{key}]"), unknown)?;
                }
            }
            Ok(())
        }
        Value::Array(items) => {
            let Some(inner) = schema.items.as_deref() else { return Ok(()) };
            items.iter_mut().enumerate().try_for_each(|(at, item)| embedded(item, inner, &format!("{path}[{at}]"), unknown))
        }
        _ => Ok(()),
    }
}

/// Writes whole numbers as such, as Go does: `1.0` is `1`.
pub fn settle_numbers(value: &mut Value) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap_or_default();
            if float.fract() == 0.0 && float.abs() <= EXACT {
                *value = Value::from(float as i64);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(settle_numbers),
        Value::Object(map) => map.values_mut().for_each(settle_numbers),
        _ => {}
    }
}
