//! The work queues of the controllers: keys that wait for a sync, each at most once now and once later, and retries that back off.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use serde::{Deserialize, Serialize};

use super::{Controller, Key, Work};
use crate::sim::failure::Result;
use crate::sim::world::World;

type Entry = (Controller, Key);

/// What waits.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Queue {
    #[serde(with = "crate::sim::state::pairs")]
    soon: BTreeMap<Entry, Timestamp>,
    #[serde(with = "crate::sim::state::pairs")]
    later: BTreeMap<Entry, Timestamp>,
    #[serde(with = "crate::sim::state::pairs")]
    failures: BTreeMap<Entry, u32>,
    /// While the controllers are paused, what was due.
    held: Option<BTreeSet<Entry>>,
}

/// The first retry comes after this, each further one after twice the time before: client-go's limiter.
const FIRST_RETRY: SignedDuration = SignedDuration::from_millis(5);
const LAST_RETRY: SignedDuration = SignedDuration::from_secs(1000);

/// Wants a sync of `key` soon: after the few milliseconds in which a change reaches a controller.
pub fn add(world: &mut World, controller: Controller, key: &Key) {
    let entry = (controller, key.clone());
    if world.controllers.queue.soon.contains_key(&entry) {
        return;
    }
    let least = controller.latency_us();
    let latency = least + world.random(least);
    let at = world.now().saturating_add(SignedDuration::from_micros(i64::try_from(latency).unwrap_or(i64::MAX))).unwrap_or(Timestamp::MAX);
    world.controllers.queue.soon.insert(entry, at);
    world.schedule(at, Work::Sync { controller, key: key.clone(), at, later: false });
}

/// Wants a sync of `key` at a time; the earliest wish counts.
pub fn add_at(world: &mut World, controller: Controller, key: &Key, at: Timestamp) {
    let entry = (controller, key.clone());
    let at = at.max(world.now());
    if world.controllers.queue.later.get(&entry).is_some_and(|planned| *planned <= at) {
        return;
    }
    world.controllers.queue.later.insert(entry, at);
    world.schedule(at, Work::Sync { controller, key: key.clone(), at, later: true });
}

pub fn add_after(world: &mut World, controller: Controller, key: &Key, after: SignedDuration) {
    let at = world.now().saturating_add(after).unwrap_or(Timestamp::MAX);
    add_at(world, controller, key, at);
}

/// Whether a due entry still stands, and takes it out. Held back while the controllers are paused.
pub fn take(world: &mut World, controller: Controller, key: &Key, at: Timestamp, later: bool) -> bool {
    let queue = &mut world.controllers.queue;
    let entry = (controller, key.clone());
    let waiting = if later { &mut queue.later } else { &mut queue.soon };
    if waiting.get(&entry) != Some(&at) {
        return false;
    }
    waiting.remove(&entry);
    if controller.pauses()
        && let Some(held) = &mut queue.held
    {
        held.insert(entry);
        return false;
    }
    true
}

/// What a write of a sync takes on a real cluster, for as many writes as are not made side by side. The next sync of the key begins after them, and the
/// other controllers see before what was written.
const WRITE: SignedDuration = SignedDuration::from_millis(6);
const WRITES_MOST: u64 = 5;

/// After a sync that wrote `writes` times: forgets earlier failures, or plans the retry.
pub fn settle(world: &mut World, controller: Controller, key: &Key, writes: u64, outcome: &Result<()>) {
    let entry = (controller, key.clone());
    if outcome.is_ok() {
        world.controllers.queue.failures.remove(&entry);
    } else {
        let failures = world.controllers.queue.failures.entry(entry.clone()).or_default();
        let delay = FIRST_RETRY.saturating_mul(1 << (*failures).min(20)).min(LAST_RETRY);
        *failures += 1;
        add_after(world, controller, key, delay);
    }
    let busy = WRITE.saturating_mul(i32::try_from(writes.min(WRITES_MOST)).unwrap_or(0));
    let until = world.now().saturating_add(busy).unwrap_or(Timestamp::MAX);
    for later in [false, true] {
        let queue = &mut world.controllers.queue;
        let waiting = if later { &mut queue.later } else { &mut queue.soon };
        if let Some(at) = waiting.get_mut(&entry).filter(|at| **at < until) {
            *at = until;
            world.schedule(until, Work::Sync { controller, key: key.clone(), at: until, later });
        }
    }
}

/// Moves everything that waits by a span: a clock that was stepped, or a cluster that slept.
pub fn shift(queue: &mut Queue, span: SignedDuration) {
    for at in queue.soon.values_mut().chain(queue.later.values_mut()) {
        *at = at.saturating_add(span).unwrap_or(*at);
    }
}

/// Stops all controllers of the controller manager; what comes due waits.
pub fn pause(world: &mut World) {
    world.controllers.queue.held.get_or_insert_default();
}

/// Lets them go on with what waited.
pub fn resume(world: &mut World) {
    for (controller, key) in world.controllers.queue.held.take().into_iter().flatten() {
        add(world, controller, &key);
    }
}

pub fn is_paused(world: &World) -> bool {
    world.controllers.queue.held.is_some()
}
