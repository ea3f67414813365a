//! Whether a rollout that is being followed has ended, and how.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::status::{Patience, Status};
use super::workload::Snapshot;
use crate::error::ErrorKind;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    Complete,
    Stalled,
    Failed,
    Timeout,
    Superseded,
    Deleted,
    Stopped,
}

impl Ending {
    /// The kind of the error that `wait` throws; `None` for `Complete`.
    pub fn error_kind(self) -> Option<ErrorKind> {
        todo!()
    }
}

/// The Outcome of CONTRACT 4.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    pub outcome: Ending,
    pub ok: bool,
    pub target: String,
    pub reason: Option<String>,
    pub message: String,
    pub elapsed_s: f64,
    pub revision: Option<i64>,
    pub status: Status,
    /// `#{pods, events, logs}`; `None` for `Complete`.
    pub evidence: Option<Value>,
}

/// What one look at a followed rollout says.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub status: Status,
    /// How it ended, with reason and message; `None`: it goes on.
    pub ending: Option<(Ending, Option<String>, String)>,
    /// When to look again though nothing changes: a pull grace that runs out, a stale condition that becomes telling.
    pub look_again: Option<Timestamp>,
}

/// A rollout being followed from a first look on.
#[derive(Clone, Debug)]
pub struct Followed {
    _started: Timestamp,
}

impl Followed {
    /// Starts with the first snapshot: its template, uid and generation are the rollout that is meant.
    pub fn start(_first: &Snapshot, _patience: Patience, _fail_fast: bool, _now: Timestamp) -> Self {
        todo!()
    }

    /// Looks at what is now; `None`: the workload is gone.
    pub fn look(&mut self, _snapshot: Option<&Snapshot>, _now: Timestamp) -> Verdict {
        todo!()
    }
}
