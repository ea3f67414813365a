//! The revisions of a workload, oldest first.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::workload::{Snapshot, Workload};
use crate::error::Result;

/// One entry of a workload's history.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Revision {
    pub revision: i64,
    pub change_cause: Option<String>,
    /// Container name to image.
    pub images: Map<String, Value>,
    /// RFC 3339.
    pub created: Option<String>,
    pub age_s: i64,
    /// Whether this is the template that is live now.
    pub current: bool,
    pub replicas: i64,
    pub ready: i64,
    /// The ReplicaSet or ControllerRevision that keeps it.
    pub owner: String,
    pub template: Value,
    /// Whether its rollout is known to have completed; `None`: not known.
    pub completed: Option<bool>,
}

/// The history as `kubectl rollout history` counts it (SEMANTICS 1), sorted by number.
pub fn history(_snapshot: &Snapshot, _now: Timestamp) -> Vec<Revision> {
    todo!()
}

/// One revision.
///
/// # Errors
/// `not_found` when there is none with that number, `usage` when it is not positive.
pub fn revision(_snapshot: &Snapshot, _revision: i64, _now: Timestamp) -> Result<Revision> {
    todo!()
}

/// The controller's revision objects of this workload, out of a list.
pub fn owned<'a>(_workload: &Workload, _candidates: &'a [Value]) -> Vec<&'a Value> {
    todo!()
}
