//! Where a rollout stands, in kubectl's sentence and in numbers; never an old pod or an old condition counted as success.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::workload::Snapshot;

/// How patient one is with pods of the newest revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How many restarts of a new pod mean that it is doomed.
    pub restarts: i64,
    /// How long an image may fail to be pulled before its pod is doomed, in seconds.
    pub pull_grace_s: i64,
}

impl Default for Patience {
    fn default() -> Self {
        Self { restarts: 3, pull_grace_s: 30 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    Unobserved,
    Progressing,
    Complete,
    Paused,
    Stalled,
    Missing,
}

/// The Status of CONTRACT 4.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    pub target: String,
    pub kind: String,
    pub name: String,
    pub namespace: String,
    pub phase: Phase,
    pub complete: bool,
    /// kubectl's `rollout status` sentence, without its newline.
    pub message: String,
    pub reason: Option<String>,
    pub revision: Option<i64>,
    pub generation: i64,
    pub observed_generation: i64,
    pub paused: bool,
    pub desired: i64,
    pub updated: i64,
    pub ready: i64,
    pub available: i64,
    pub unavailable: i64,
    pub old: i64,
    /// Of the pods of the newest revision only.
    pub restarts: i64,
    pub images: Map<String, Value>,
    pub pods: Vec<Pod>,
    /// Pods of the newest revision that will not become ready by themselves.
    pub doomed: Vec<Pod>,
}

/// The Pod of CONTRACT 4.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pod {
    pub name: String,
    pub revision: Option<i64>,
    pub phase: String,
    /// kubectl's STATUS column.
    pub status: String,
    pub ready: bool,
    pub restarts: i64,
    pub reason: Option<String>,
    pub message: Option<String>,
    pub image: Option<String>,
    pub node: Option<String>,
    pub age_s: i64,
}

/// The status of a workload as one moment showed it.
pub fn status(_snapshot: &Snapshot, _patience: Patience, _now: Timestamp) -> Status {
    todo!()
}

/// The status of a workload that does not exist.
pub fn missing(_target: &crate::resource::Target) -> Status {
    todo!()
}

/// kubectl's STATUS column of a pod (SEMANTICS 6.3).
pub fn pod_status(_pod: &Value) -> String {
    todo!()
}
