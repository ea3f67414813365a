//! The controllers: what they do when something changed, and when something is due.

use super::store::LogEntry;
use super::world::World;

/// What the controllers remember between two syncs.
#[derive(Debug, Default)]
pub struct State {}

/// Something to be done at a time.
#[derive(Clone, Debug)]
pub enum Work {}

/// Called after each stored change.
pub fn observe(_world: &mut World, _entry: &LogEntry) {}

/// Called when work is due.
pub fn work(_world: &mut World, work: Work) {
    match work {}
}
