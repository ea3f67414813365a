//! Managed fields: who set what, kept at each write.

use serde_json::Value;

use super::api::{Caller, Subresource};
use super::kinds::Kind;

/// Notes the fields of a new object.
pub fn created(_kind: Kind, object: &mut Value, _caller: &Caller, _now: &str) {
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
}

/// Notes the fields that an update changed.
pub fn updated(_kind: Kind, object: &mut Value, old: &Value, _part: Subresource, _caller: &Caller, _now: &str) {
    let before = old["metadata"]["managedFields"].clone();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
        if !before.is_null() {
            metadata.insert("managedFields".to_owned(), before);
        }
    }
}

/// Whether nothing but the times in managed fields differs: such a write is none.
pub fn is_same(new: &Value, old: &Value) -> bool {
    if new == old {
        return true;
    }
    let timeless = |object: &Value| {
        let mut managed = object["metadata"]["managedFields"].clone();
        for entry in managed.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            entry.remove("time");
        }
        managed
    };
    let parts = |object: &Value, key: &str| object.get(key).cloned();
    let rest =
        |object: &Value| object.as_object().map(|it| it.iter().filter(|(key, _)| *key != "metadata").map(|(_, value)| value.clone()).collect::<Vec<_>>());
    let metadata = |object: &Value| {
        let mut metadata = parts(object, "metadata").unwrap_or_default();
        if let Some(map) = metadata.as_object_mut() {
            map.remove("managedFields");
        }
        metadata
    };
    rest(new) == rest(old) && metadata(new) == metadata(old) && timeless(new) == timeless(old)
}
