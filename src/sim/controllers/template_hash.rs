//! The hash of a pod template: what `pod-template-hash` and a DaemonSet's revisions carry.

use serde_json::Value;

use super::hash::{fnv32a, safe_encode};
use super::object::go_json;

/// The hash of a template, and of the count of collisions that were met with it.
pub fn template_hash(template: &Value, collisions: Option<i64>) -> String {
    let salt = collisions.map(|count| u64::try_from(count).unwrap_or(0).to_le_bytes());
    safe_encode(fnv32a(go_json(template).into_bytes().into_iter().chain(salt.into_iter().flatten())))
}
