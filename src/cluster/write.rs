//! The one door for writes. Only `session::make` calls it.

use serde_json::Value;

use super::connect::Cluster;
use crate::error::Result;
use crate::rollout::change::Change;

impl Cluster {
    /// Sends a change; returns the object after it (`Null` after a delete). Never retried blindly.
    ///
    /// # Errors
    /// `conflict` when the precondition no longer holds, `invalid`, `forbidden`, `not_found`, `unreachable` (says that the write may have arrived).
    pub async fn send(&self, _change: &Change, _dry_run: bool) -> Result<Value> {
        todo!()
    }
}
