//! The patches of an API server as functions over JSON: RFC 6902 operations, RFC 7386 merges, strategic merges by schema.
//!
//! Not here: server-side apply (`apply`), decoding of the result by type (`schema::decode`), what a write does besides.

use std::fmt;

use crate::sim::json::{Map, Value};

mod operations;
pub mod request;
mod strategic;

/// A JSON patch may not have more operations than this, as in the API server's patch handler.
pub const MAX_OPERATIONS: usize = 10_000;

/// All that the server says of a patch that is well formed and does not apply.
const REJECTED: &str = "the server rejected our request due to an error in our request";

/// Why a patch cannot be applied, in the API server's words; the variant is the answer's kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PatchFailure {
    /// 400 `BadRequest`
    BadRequest(String),
    /// 413 `RequestEntityTooLarge`
    TooLarge(String),
    /// 422 `Invalid` without causes
    Unprocessable(String),
    /// 422 `Invalid` with one cause: `FieldValueInvalid` of the field `patch`, without a kind or a name
    Invalid { value: String, detail: String },
    /// 500 `InternalError`: the server does not foresee it
    Internal(String),
}

impl PatchFailure {
    /// What the server says.
    pub fn message(&self) -> String {
        match self {
            PatchFailure::BadRequest(text) | PatchFailure::TooLarge(text) | PatchFailure::Unprocessable(text) | PatchFailure::Internal(text) => text.clone(),
            PatchFailure::Invalid { .. } => format!(" \"\" is invalid: patch: {}", self.cause()),
        }
    }

    /// The message of the one cause of an `Invalid`; empty for others.
    pub fn cause(&self) -> String {
        match self {
            PatchFailure::Invalid { value, detail } => format!("Invalid value: {value:?}: {detail}"),
            _ => String::new(),
        }
    }
}

impl fmt::Display for PatchFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message())
    }
}

pub use operations::json;
pub use request::{PatchKind, Patched, request};
pub(crate) use strategic::go_print;
pub use strategic::strategic;

/// Merges by RFC 7386: null deletes, maps merge, all else is replaced.
///
/// # Errors
/// `BadRequest` when the patch is neither a map nor a list.
///
/// # Source
/// `MergePatch` of evanphx/json-patch 4.13: where the original has no map, nulls of the patch are dropped before it is taken.
pub fn merge(original: &Value, patch: &Value) -> Result<Value, PatchFailure> {
    match (original, patch) {
        (Value::Object(original), Value::Object(patch)) => {
            let mut merged = original.clone();
            merge_maps(&mut merged, patch);
            Ok(Value::Object(merged))
        }
        (_, Value::Object(_) | Value::Array(_)) => Ok(without_nulls(patch)),
        _ => Err(PatchFailure::BadRequest("Invalid JSON Patch".to_owned())),
    }
}

fn merge_maps(into: &mut Map, patch: &Map) {
    for (key, change) in patch {
        match (into.get_mut(key), change) {
            (_, Value::Null) => {
                into.remove(key);
            }
            (Some(Value::Object(present)), Value::Object(change)) => merge_maps(present, change),
            // A list that replaces a map keeps its nulls away; over a scalar or another list it is taken as it is.
            (Some(present), change) if !present.is_null() && !change.is_object() => {
                let taken = if present.is_object() { change.clone() } else { without_nulls(change) };
                into.insert(key.clone(), taken);
            }
            (_, change) => {
                into.insert(key.clone(), without_nulls(change));
            }
        }
    }
}

/// Drops null members of maps, at any depth; null items of lists stay.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key.clone(), without_nulls(value))).collect()),
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::json::json;

    use super::*;

    #[test]
    fn a_merge_deletes_by_null_merges_maps_and_replaces_all_else() {
        for (original, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!({"a": "foo"}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!({"a": 1}), json!([1, null, {"b": null}]), json!([1, null, {}])),
        ] {
            assert_eq!(merge(&original, &patch).unwrap(), expected, "{original} + {patch}");
        }
        for patch in [json!("bar"), json!(1), json!(null), json!(true)] {
            assert_eq!(merge(&json!({"a": 1}), &patch).unwrap_err(), PatchFailure::BadRequest("Invalid JSON Patch".to_owned()));
        }
    }
}
