//! Watches: a stream that reads the log of changes from where it stands, and says nothing while there is nothing to say.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Sleep;

use super::failure::{Failure, Result};
use super::list::{ListOptions, parse_version};
use super::selector::Selector;
use super::shape::{Shaper, error_line};
use super::store::{Change, LogEntry, Store};
use super::world::{Seat, Sim, World};
use crate::sim::json::Value;

mod lines;

use lines::Line;
pub use lines::Lines;

/// How often an idle watch says up to where it is; the real server aims at about a minute.
const BOOKMARK_EVERY: Duration = Duration::from_secs(60);

/// A watch that names no timeout ends after 30 to 60 minutes.
const SHORTEST_S: u64 = 1800;

/// One running watch.
pub struct Watch {
    sim: Sim,
    shaper: Shaper,
    namespace: Option<String>,
    selector: Selector,
    bookmarks: bool,
    /// All changes up to this version were sent.
    sent: u64,
    /// What is to be sent before anything else.
    ready: VecDeque<Bytes>,
    seat: Option<Seat>,
    first: bool,
    end: Pin<Box<Sleep>>,
    bookmark: Pin<Box<Sleep>>,
    over: bool,
    /// Whether it ends by saying that its version is too old.
    gone: bool,
}

impl Watch {
    /// Starts a watch at the version that the options name.
    ///
    /// # Errors
    /// `BadRequest` for a broken version, `Expired` for one that is no longer kept.
    pub fn start(sim: &Sim, store: &Store, shaper: Shaper, namespace: Option<&str>, options: ListOptions) -> Result<Self> {
        let asked = parse_version(&options.resource_version)?;
        let now = sim.now();
        // Without a version, and with version 0, a watch begins with what is there.
        let begins_with_all = options.send_initial_events.unwrap_or(asked == 0);
        let mut initial = Vec::new();
        let mut first = true;
        let current = store.version();
        let mut sent = asked;
        if begins_with_all {
            if asked > current {
                return Err(Failure::too_large_resource_version(asked, current));
            }
            let present: Vec<&Arc<Value>> = store.list(shaper.kind.stored(), namespace).filter(|it| options.selector.matches(shaper.kind, it)).collect();
            initial = shaper.present(&present, now);
            first = present.is_empty();
            sent = current;
            if options.send_initial_events == Some(true) && options.bookmarks {
                initial.extend_from_slice(&shaper.bookmark(current, true, first));
                first = false;
            }
        } else if asked == 0 {
            sent = current;
        } else if asked < store.forgotten(shaper.kind.stored()) {
            return Err(too_old(asked, store));
        }
        // Spread like the server's own, but from the version: what a client asks must not move the world's random numbers.
        let timeout_s = options.timeout_s.unwrap_or(SHORTEST_S + current.wrapping_mul(7919) % SHORTEST_S);
        Ok(Self {
            sim: sim.clone(),
            shaper,
            namespace: namespace.map(str::to_owned),
            selector: options.selector,
            bookmarks: options.bookmarks,
            sent,
            ready: (!initial.is_empty()).then(|| initial.into()).into_iter().collect(),
            seat: None,
            first,
            end: Box::pin(tokio::time::sleep(Duration::from_secs(timeout_s))),
            bookmark: Box::pin(tokio::time::sleep(BOOKMARK_EVERY)),
            over: false,
            gone: false,
        })
    }

    /// Ends the watch early, as a fault has it: after a while, or with a version that is too old.
    pub fn limit(&mut self, after: Option<Duration>, gone: bool) {
        if let Some(after) = after {
            self.end = Box::pin(tokio::time::sleep(after));
            self.bookmarks = false;
        }
        self.gone = gone;
    }

    fn line(&mut self, lines: &mut Lines, entry: &LogEntry, now: jiff::Timestamp) -> Option<Bytes> {
        if self.namespace.as_deref().is_some_and(|it| it != entry.namespace()) {
            return None;
        }
        let matches = |object: &Arc<Value>| self.selector.matches(self.shaper.kind, object);
        let before = entry.previous.as_ref().is_some_and(matches);
        let after = entry.change != Change::Deleted && matches(&entry.object);
        let (change, object) = match (before, after) {
            (false, true) => ("ADDED", Arc::clone(&entry.object)),
            (true, true) => ("MODIFIED", Arc::clone(&entry.object)),
            (true, false) if entry.change == Change::Deleted => ("DELETED", Arc::clone(&entry.object)),
            (true, false) => {
                // It is still there but no longer looked for: the last that was, with the version of the change.
                let mut object = Value::clone(entry.previous.as_ref()?);
                object["metadata"]["resourceVersion"] = entry.version.to_string().into();
                ("DELETED", Arc::new(object))
            }
            (false, false) => return None,
        };
        let line = Line::new(entry.version, change, &self.shaper, now, self.first);
        let line = lines.get(line, || self.shaper.event(change, &object, now, self.first));
        self.first = false;
        Some(line)
    }

    /// The next bytes; `None` when the watch is over.
    pub fn poll(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if let Some(line) = self.ready.pop_front() {
            return Poll::Ready(Some(line));
        }
        if self.over {
            return Poll::Ready(None);
        }
        if self.gone {
            self.over = true;
            let sent = self.sent;
            return Poll::Ready(Some(self.sim.look(|world| error_line(&too_old(sent, &world.store))).into()));
        }
        let now = self.sim.now();
        let kind = self.shaper.kind.stored();
        let sim = self.sim.clone();
        let current = sim.look(|world| {
            let World { store, lines, .. } = world;
            match store.since(kind, self.sent) {
                Some(entries) => {
                    for entry in entries {
                        if let Some(line) = self.line(lines, entry, now) {
                            self.ready.push_back(line);
                        }
                    }
                    self.sent = self.sent.max(store.version());
                }
                None => {
                    self.ready.push_back(error_line(&too_old(self.sent, store)).into());
                    self.over = true;
                }
            }
            // A kind that is defined anew is another one: whoever watches it lists again.
            if let Some(custom) = &self.shaper.custom {
                self.over |= world.customs.get(custom.kind).is_none_or(|it| it.since != custom.since);
            }
            if self.ready.is_empty() && !self.over {
                world.wake_on(kind, ctx.waker(), &mut self.seat);
            }
            world.store.version()
        });
        if let Some(line) = self.ready.pop_front() {
            return Poll::Ready(Some(line));
        }
        if self.over {
            return Poll::Ready(None);
        }
        if self.end.as_mut().poll(ctx).is_ready() {
            self.over = true;
            return Poll::Ready(self.bookmarks.then(|| self.shaper.bookmark(current.max(self.sent), false, self.first).into()));
        }
        if self.bookmark.as_mut().poll(ctx).is_ready() {
            let next = self.bookmark.deadline() + BOOKMARK_EVERY;
            self.bookmark.as_mut().reset(next);
            if self.bookmarks {
                let line = self.shaper.bookmark(current.max(self.sent), false, self.first);
                self.first = false;
                return Poll::Ready(Some(line.into()));
            }
            // Looks at the new deadline, so that it is waited for.
            let _ = self.bookmark.as_mut().poll(ctx);
        }
        Poll::Pending
    }
}

fn too_old(asked: u64, store: &Store) -> Failure {
    Failure::expired(format!("too old resource version: {asked} ({})", store.version()))
}
