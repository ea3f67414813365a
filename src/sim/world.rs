//! The world of one simulated cluster: store, time, one seed, and the queue of what is due. `Sim` is the handle that tasks share.
//!
//! Not here: what a write means (`api`) and what is done when something is due (`controllers`).

mod mould;
mod time;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use jiff::{SignedDuration, Timestamp};
use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tokio::sync::Notify;

pub use self::mould::Mould;
pub use self::time::{Skew, micro_stamp, stamp};
use super::address;
use super::controllers::{self, Work};
use super::custom::Customs;
use super::fixture;
use super::kinds::Kind;
use super::requests::Requests;
use super::server::Service;
use super::state::{Kept, Machinery, Saved};
use super::store::{Change, LogEntry, Store};
use super::token::Tokens;
use super::watch::Lines;
use crate::clock::Clock;
use crate::error::Result;
use crate::sim::json::Value;

/// How a simulated cluster starts.
#[derive(Clone, Debug)]
pub struct Options {
    pub seed: u64,
    pub nodes: usize,
    /// Manifests to start with; `None`: the small shop with a history.
    pub manifests: Option<Vec<serde_json::Value>>,
    /// A saved cluster that goes on, in place of a new one: it has its nodes already, and the manifests come on top. With a seed other than 0 it goes on
    /// differently than it would have.
    pub saved: Option<Saved>,
    /// Whether anything reacts to what is written; without, it is an API server alone.
    pub controllers: bool,
    /// Shared by clones, so that those who start many clusters alike make one.
    pub mould: Mould,
}

impl Options {
    /// A cluster with nothing of a user's in it.
    pub fn empty() -> Self {
        Self { manifests: Some(Vec::new()), ..Self::default() }
    }
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 0, nodes: 3, manifests: None, saved: None, controllers: true, mould: Mould::default() }
    }
}

/// The letters of generated names: no vowels and no look-alike digits, so that no word appears.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Everything that one simulated cluster is.
pub struct World {
    pub store: Store,
    pub controllers: controllers::State,
    pub tokens: Tokens,
    /// The kinds that definitions in the store add to the built-in ones.
    pub customs: Customs,
    /// What the present request's client is warned of.
    pub warnings: Vec<String>,
    /// What clients asked for, as far back as is kept.
    pub requests: Requests,
    /// What the server that it is behind wants to have again when the cluster is saved and goes on.
    pub served: Option<serde_json::Value>,
    /// How far the cluster's time is ahead of the clock that it was given.
    pub skew: Skew,
    now: Timestamp,
    rng: Pcg64Mcg,
    /// Where uids come from: apart, so that one object more does not change the names and delays of all others.
    uids: Pcg64Mcg,
    due: BTreeMap<(Timestamp, u64), Work>,
    queued: u64,
    /// Who waits for a change of a kind.
    wakers: BTreeMap<Kind, Waiting>,
    /// What watchers are told, for all of them.
    pub lines: Lines,
}

impl World {
    pub fn new(seed: u64, now: Timestamp) -> Self {
        Self {
            store: Store::default(),
            controllers: controllers::State::default(),
            tokens: Tokens::default(),
            customs: Customs::default(),
            warnings: Vec::new(),
            requests: Requests::default(),
            served: None,
            skew: Skew::default(),
            now,
            rng: Pcg64Mcg::seed_from_u64(seed),
            uids: Pcg64Mcg::seed_from_u64(!seed),
            due: BTreeMap::new(),
            queued: 0,
            wakers: BTreeMap::new(),
            lines: Lines::default(),
        }
    }

    /// Another one, with nobody who watches it, that goes on from here on its own as this one does.
    fn twin(&self) -> Self {
        let twin = Self {
            store: self.store.clone(),
            controllers: self.controllers.clone(),
            tokens: self.tokens.clone(),
            customs: self.customs.clone(),
            warnings: self.warnings.clone(),
            requests: self.requests.clone(),
            served: self.served.clone(),
            skew: Skew::default(),
            now: self.now,
            rng: self.rng.clone(),
            uids: self.uids.clone(),
            due: self.due.clone(),
            queued: self.queued,
            wakers: BTreeMap::new(),
            lines: Lines::default(),
        };
        twin.skew.set(self.skew.get());
        twin
    }

    /// All that is not in objects, for a file.
    pub(super) fn kept(&self) -> Kept<'_> {
        Kept {
            now: self.now,
            skew: self.skew.get(),
            rng: &self.rng,
            uids: &self.uids,
            queued: self.queued,
            due: &self.due,
            tokens: &self.tokens,
            served: &self.served,
            controllers: &self.controllers,
        }
    }

    /// A world without objects that goes on with what was kept.
    pub(super) fn woken(kept: Machinery) -> Self {
        let Machinery { now, skew, rng, uids, queued, due, tokens, served, controllers } = kept;
        let world = Self { rng, uids, queued, due, tokens, served, controllers, ..Self::new(0, now) };
        world.skew.set(skew);
        world
    }

    /// The world's time: that of the request or of the work that is being handled. Never goes back.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The present as a `metav1.Time`: whole seconds.
    pub fn stamp(&self) -> String {
        stamp(self.now)
    }

    /// The present as a `metav1.MicroTime`.
    pub fn micro_stamp(&self) -> String {
        micro_stamp(self.now)
    }

    /// Puts work into the queue; what is due at one time is done in the order in which it was put there.
    pub fn schedule(&mut self, at: Timestamp, work: Work) {
        self.queued += 1;
        self.due.insert((at.max(self.now), self.queued), work);
    }

    pub fn schedule_after(&mut self, delay: SignedDuration, work: Work) {
        let at = self.now.saturating_add(delay).unwrap_or(Timestamp::MAX);
        self.schedule(at, work);
    }

    /// Steps the world's time, back or forth, without living through what lies between: all that waits goes on waiting as long as it would have.
    pub fn step(&mut self, span: SignedDuration) {
        let moved = |at: Timestamp| at.saturating_add(span).unwrap_or(at);
        self.now = moved(self.now);
        let due = std::mem::take(&mut self.due);
        self.due = due
            .into_iter()
            .map(|((at, number), work)| {
                let work = match work {
                    Work::Sync { controller, key, at, later } => Work::Sync { controller, key, at: moved(at), later },
                    work => work,
                };
                ((moved(at), number), work)
            })
            .collect();
        controllers::queue::shift(&mut self.controllers.queue, span);
    }

    /// When the next work is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// Does what is due up to `until`, each at its own time, leaves the world at `until`, and says when the next is due.
    pub fn run(&mut self, until: Timestamp) -> Option<Timestamp> {
        while let Some(entry) = self.due.first_entry().filter(|it| it.key().0 <= until) {
            let ((at, _), work) = entry.remove_entry();
            self.now = self.now.max(at);
            controllers::work(self, work);
        }
        self.now = self.now.max(until);
        // Nobody reads what controllers were warned of.
        self.warnings.clear();
        self.next_due()
    }

    /// A random number below `bound`, from the world's one seed.
    pub fn random(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.rng.next_u64() % bound }
    }

    /// Some letters as the real server appends them to `generateName`.
    pub fn random_letters(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(LETTERS[usize::try_from(self.random(27)).expect("below 27")])).collect()
    }

    /// A random uid (UUID, version 4).
    pub fn uid(&mut self) -> String {
        let bits = (u128::from(self.uids.next_u64()) << 64) | u128::from(self.uids.next_u64());
        let bits = (bits & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
        let hex = format!("{bits:032x}");
        format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }

    /// All kinds that this cluster serves, each in every version.
    pub fn kinds(&self) -> impl Iterator<Item = Kind> {
        Kind::all().chain(self.customs.served().map(|it| it.kind))
    }

    /// The kind that is served under this path.
    pub fn served(&self, group: &str, version: &str, plural: &str) -> Option<Kind> {
        Kind::served(group, version, plural).or_else(|| self.customs.at(group, version, plural))
    }

    /// The kind of an object's `apiVersion` and `kind`, if this cluster serves it.
    pub fn kind_of(&self, api_version: &str, kind: &str) -> Option<Kind> {
        Kind::of(api_version, kind).or_else(|| self.customs.of(api_version, kind))
    }

    /// The kinds that objects are kept under: one for all versions of a kind.
    pub fn stored_kinds(&self) -> impl Iterator<Item = Kind> {
        Kind::all().filter(|it| *it == it.stored()).chain(self.customs.stored())
    }

    /// Stores an object, tells the watchers and the controllers.
    pub(super) fn put(&mut self, kind: Kind, object: Value) -> Arc<Value> {
        let entry = self.store.put(kind, object, self.now);
        let object = Arc::clone(&entry.object);
        self.changed(&entry);
        object
    }

    /// Removes an object, tells the watchers and the controllers.
    pub(super) fn remove(&mut self, kind: Kind, namespace: &str, name: &str, last: Option<Value>) -> Option<Arc<Value>> {
        let entry = self.store.remove(kind, namespace, name, last, self.now)?;
        let object = Arc::clone(&entry.object);
        self.changed(&entry);
        Some(object)
    }

    fn changed(&mut self, entry: &LogEntry) {
        self.wake(entry.kind);
        if entry.kind == Kind::CUSTOMRESOURCEDEFINITIONS {
            let definition = (entry.change != Change::Deleted).then_some(&*entry.object);
            let before: Vec<Kind> = self.customs.siblings_of(entry.name()).iter().map(|it| it.kind.stored()).collect();
            self.customs.learn(entry.name(), definition);
            for kind in before {
                self.wake(kind);
            }
            controllers::definition::observe(self, entry);
        }
        if entry.kind == Kind::SERVICES {
            address::observe(self, entry);
        }
        controllers::observe(self, entry);
    }

    fn wake(&mut self, kind: Kind) {
        let Some(waiting) = self.wakers.get_mut(&kind) else { return };
        waiting.round += 1;
        for waker in std::mem::take(&mut waiting.wakers) {
            waker.wake();
        }
    }

    /// Wakes once at the next change of a kind; who has a seat already waits on there.
    pub fn wake_on(&mut self, kind: Kind, waker: &Waker, seat: &mut Option<Seat>) {
        let Waiting { round, wakers } = self.wakers.entry(kind).or_default();
        match seat.filter(|it| it.round == *round).and_then(|it| wakers.get_mut(it.at)) {
            Some(waiting) => waiting.clone_from(waker),
            None => {
                *seat = Some(Seat { round: *round, at: wakers.len() });
                wakers.push(waker.clone());
            }
        }
        controllers::watched(self, kind);
    }

    /// Whether somebody waits for a change of a kind.
    pub fn is_watched(&self, kind: Kind) -> bool {
        self.wakers.get(&kind).is_some_and(|it| !it.wakers.is_empty())
    }
}

/// Who waits for the next change of a kind.
#[derive(Default)]
struct Waiting {
    /// How often those who waited were woken.
    round: u64,
    wakers: Vec<Waker>,
}

/// Where somebody waits for the next change of a kind.
#[derive(Clone, Copy, Debug)]
pub struct Seat {
    round: u64,
    at: usize,
}

/// One simulated cluster; clones are the same cluster.
#[derive(Clone)]
pub struct Sim(Arc<Shared>);

struct Shared {
    world: Mutex<World>,
    clock: Clock,
    skew: Skew,
    /// Tells the driver that something may be due earlier than it thinks.
    sooner: Notify,
}

impl Sim {
    /// Builds the world and lets it live through its past, so that all is settled when the clock shows its present time.
    ///
    /// # Errors
    /// `invalid` when a manifest is refused (says which and why).
    pub fn new(options: Options, clock: Clock) -> Result<Self> {
        let present = clock.now();
        if let Some(saved) = &options.saved {
            return Self::woken(saved, &options, clock);
        }
        let make = || {
            let start = present.saturating_sub(fixture::past(&options)).unwrap_or(Timestamp::MIN);
            let mut world = World::new(options.seed, start);
            world.controllers.off = !options.controllers;
            super::bootstrap::lay(&mut world);
            fixture::play(&mut world, &options, present)?;
            world.run(present);
            Ok(world)
        };
        let world = if clock.is_virtual() { options.mould.cast(&options, present, make)? } else { make()? };
        Ok(Self::of(world, clock))
    }

    fn of(world: World, clock: Clock) -> Self {
        let skew = world.skew.clone();
        Self(Arc::new(Shared { world: Mutex::new(world), clock, skew, sooner: Notify::new() }))
    }

    /// A saved cluster goes on at the clock's present, or at its own where that is later. A cluster sleeps while it is not run: what waited goes on
    /// waiting, and what it remembers in objects has its age.
    fn woken(saved: &Saved, options: &Options, clock: Clock) -> Result<Self> {
        let mut world = saved.wake()?;
        let skew = world.skew.get();
        let slept = clock.now().saturating_add(skew).unwrap_or(world.now()).duration_since(world.now());
        if slept.is_negative() {
            world.skew.set(skew - slept);
        } else {
            world.step(slept);
        }
        if options.seed != 0 {
            world.rng = Pcg64Mcg::seed_from_u64(world.rng.next_u64() ^ options.seed);
            world.uids = Pcg64Mcg::seed_from_u64(world.uids.next_u64() ^ options.seed);
        }
        match (options.controllers, world.controllers.off) {
            (true, true) => {
                world.controllers.off = false;
                controllers::look_at_all(&mut world);
            }
            (false, false) => {
                world.controllers.off = true;
                world.due.clear();
                (world.controllers.queue, world.controllers.kubelets) = Default::default();
            }
            _ => {}
        }
        fixture::create_all(&mut world, options.manifests.as_deref().unwrap_or_default())?;
        Ok(Self::of(world, clock))
    }

    /// The API server.
    pub fn service(&self) -> Service {
        Service::new(self.clone())
    }

    /// Lets the cluster live: runs what is due and sleeps until the next, woken by writes. Never ends; to be spawned on the runtime that the clock follows.
    pub async fn live(self) {
        loop {
            let (now, next) = {
                let mut world = self.lock();
                let now = self.now();
                (now, world.run(now))
            };
            let sooner = self.0.sooner.notified();
            match next {
                None => sooner.await,
                Some(next) => {
                    let wait = self.0.clock.sleep_for(std::time::Duration::try_from(next.duration_since(now)).unwrap_or_default());
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = sooner => {}
                    }
                }
            }
        }
    }

    /// The present of the simulated cluster's clock.
    pub fn now(&self) -> Timestamp {
        let now = self.0.clock.now();
        now.saturating_add(self.0.skew.get()).unwrap_or(now)
    }

    /// Moves a paced clock to the time at which the next work is due; `false`: nothing is.
    #[cfg(feature = "serve")]
    pub(super) fn jump_to_next(&self) -> bool {
        let next = self.with(|world| world.next_due().map(|next| next.saturating_sub(world.skew.get()).unwrap_or(next)));
        next.map(|next| self.0.clock.jump(next)).is_some()
    }

    /// Lets time pass at once: everything that it brings happens.
    pub(super) fn advance(&self, span: SignedDuration) {
        let skew = self.0.skew.get();
        self.0.skew.set(skew.saturating_add(span));
        self.with(|_| ());
        self.0.sooner.notify_one();
    }

    /// What clients asked for, oldest first: `#{ at, method, path, query, user_agent, code }`, with code 0 where no answer came.
    pub fn requests(&self) -> Vec<serde_json::Value> {
        self.lock().requests.list().iter().map(serde_json::Value::from).collect()
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        // A panic of one request must not end the cluster for the others.
        self.0.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the world as it is, without doing what is due.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut self.lock())
    }

    /// Uses the world at its present: what was due before is done, and the driver learns what is due after.
    pub fn with<T>(&self, use_it: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.lock();
        let now = self.now();
        let before = world.run(now);
        let outcome = use_it(&mut world);
        let after = world.next_due();
        drop(world);
        if after.is_some_and(|after| before.is_none_or(|before| after < before)) {
            self.0.sooner.notify_one();
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_a_uuid_of_version_four_and_follows_the_seed() {
        let uid = |seed| World::new(seed, Timestamp::UNIX_EPOCH).uid();
        assert_eq!(uid(1), uid(1));
        assert_ne!(uid(1), uid(2));
        assert_eq!((uid(1).len(), &uid(1)[14..15]), (36, "4"));
        assert!("89ab".contains(&uid(1)[19..20]));
    }

    #[test]
    fn times_are_written_as_the_api_writes_them() {
        let time: Timestamp = "2026-11-22T19:23:59.123456789Z".parse().expect("a time");
        assert_eq!(stamp(time), "2026-11-22T19:23:59Z");
        assert_eq!(micro_stamp(time), "2026-11-22T19:23:59.123456Z");
    }
}
