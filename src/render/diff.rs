//! Unified diffs of values, as YAML.

use serde_json::Value;

/// A unified diff of two values; empty when they are equal.
pub fn unified(_before: &Value, _after: &Value, _before_name: &str, _after_name: &str) -> String {
    todo!()
}

/// The diff of a change: like `unified`, without what the server writes itself (managedFields, resourceVersion, generation, status, ...).
pub fn of_change(_before: &Value, _after: &Value) -> String {
    todo!()
}
