//! What a simulated cluster starts with.

use jiff::{SignedDuration, Timestamp};

use super::world::{Options, World};
use crate::error::Result;

/// How long before the present the cluster was made.
pub fn past(_options: &Options) -> SignedDuration {
    SignedDuration::from_hours(1)
}

/// Plays the past: everything that happened before `present`.
pub fn play(_world: &mut World, _options: &Options, _present: Timestamp) -> Result<()> {
    Ok(())
}
