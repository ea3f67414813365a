//! Going back to an earlier template: which one, and the change that does it, on the condition that nothing changed meanwhile.

use super::change::Change;
use super::workload::Snapshot;
use crate::error::Result;

/// Where to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// The newest revision whose template is not the live one.
    Previous,
    Revision(i64),
    /// The newest earlier revision whose rollout is known to have completed.
    LastGood,
}

/// # Errors
/// `paused`, `no_revision` (with the revisions that there are in the hints).
pub fn undo(_snapshot: &Snapshot, _to: To) -> Result<Change> {
    todo!()
}
