//! How much of the process clients may have: connections, requests at a time, large bodies, answers that nobody fetches.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::super::failure::{Failure, Result};
use super::super::server::BODY_MOST;

/// Connections at a time, each of at most a few hundred KiB. Thousands of watches fit; past it, whoever does nothing for the longest makes room.
const CONNECTIONS_MOST: usize = 4096;

/// The part of all connections that leaves when there is no room.
const LEAVE_SHARE: usize = 64;

/// Files that the process needs beside connections.
const FILES_KEPT: usize = 64;

/// Requests that are being read or answered at a time, as `--max-requests-inflight` of the real server; watches do not count.
const REQUESTS_MOST: usize = 400;

/// Bodies above `SMALL_BODY` that are being read at a time.
const LARGE_BODIES_MOST: usize = 32;
const SMALL_BODY: usize = 64 * 1024;

/// Bytes of answers that wait for their clients.
const ANSWERS_MOST: usize = 256 * 1024 * 1024;

/// What all connections share.
pub struct Limits {
    connections_most: usize,
    connections: Mutex<BTreeMap<u64, Arc<Activity>>>,
    entered: AtomicU64,
    requests: Arc<Semaphore>,
    large_bodies: Semaphore,
    answers: AtomicUsize,
    /// Counts requests, so that one can see whether there were any.
    asked: AtomicU64,
}

impl Limits {
    /// The limits that this process can keep: sockets are files, and the system bounds those.
    pub fn of_process() -> Self {
        let mut limit = getrlimit(Resource::Nofile);
        let wanted = u64::try_from(CONNECTIONS_MOST + FILES_KEPT).unwrap_or(u64::MAX);
        if limit.current.is_some_and(|it| it < wanted) {
            let raised = limit.maximum.map_or(wanted, |most| most.min(wanted));
            if setrlimit(Resource::Nofile, Rlimit { current: Some(raised), ..limit }).is_ok() {
                limit.current = Some(raised);
            }
        }
        let files = limit.current.map_or(usize::MAX, |it| usize::try_from(it).unwrap_or(usize::MAX));
        Self::new(files.saturating_sub(FILES_KEPT).clamp(1, CONNECTIONS_MOST))
    }

    fn new(connections_most: usize) -> Self {
        Self {
            connections_most,
            connections: Mutex::default(),
            entered: AtomicU64::new(0),
            requests: Arc::new(Semaphore::new(REQUESTS_MOST)),
            large_bodies: Semaphore::new(LARGE_BODIES_MOST),
            answers: AtomicUsize::new(0),
            asked: AtomicU64::new(0),
        }
    }

    /// A place for one more connection, made by ending one that has nothing to do if need be; `None` when all are busy.
    pub fn enter(self: &Arc<Self>) -> Option<Place> {
        let mut connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if connections.len() >= self.connections_most {
            let mut idle: Vec<(Instant, u64)> = connections.iter().filter(|(_, it)| it.in_flight() == 0).map(|(id, it)| (it.last(), *id)).collect();
            idle.sort_unstable();
            // Several at a time: whoever came in a flood is not looked through for each that follows.
            idle.truncate(1 + self.connections_most / LEAVE_SHARE);
            if idle.is_empty() {
                return None;
            }
            for activity in idle.iter().filter_map(|(_, id)| connections.remove(id)) {
                activity.leave.notify_one();
            }
        }
        let id = self.entered.fetch_add(1, Ordering::Relaxed);
        let activity = Arc::new(Activity::new());
        connections.insert(id, Arc::clone(&activity));
        Some(Place { limits: Arc::clone(self), id, activity })
    }

    /// The right to have one more request answered.
    ///
    /// # Errors
    /// `TooManyRequests`.
    pub fn admit(&self) -> Result<OwnedSemaphorePermit> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let busy = || Failure::too_many_requests("Too many requests, please try again later.", 1);
        if self.answers.load(Ordering::Relaxed) > ANSWERS_MOST {
            return Err(busy());
        }
        Arc::clone(&self.requests).try_acquire_owned().map_err(|_| busy())
    }

    /// How many requests there were, and whether one is being answered now.
    pub fn asked(&self) -> (u64, bool) {
        (self.asked.load(Ordering::Relaxed), self.requests.available_permits() < REQUESTS_MOST)
    }

    /// Reads a body to its end.
    ///
    /// # Errors
    /// `RequestEntityTooLarge`; an error without a reason when the connection fails.
    pub async fn read(&self, mut body: hyper::body::Incoming) -> Result<Bytes> {
        let too_large = || Failure::too_large(&format!("limit is {BODY_MOST}"));
        let promised = hyper::body::Body::size_hint(&body).lower();
        if promised > BODY_MOST as u64 {
            return Err(too_large());
        }
        let mut read = BytesMut::new();
        let mut large = None;
        while let Some(frame) = body.frame().await {
            // As Go's reader says it: without a reason.
            let frame = frame.map_err(|error| Failure::new(500, "", error.to_string()))?;
            let Ok(bytes) = frame.into_data() else { continue };
            if read.len() + bytes.len() > BODY_MOST {
                return Err(too_large());
            }
            if read.len() + bytes.len() > SMALL_BODY && large.is_none() {
                large = self.large_bodies.acquire().await.ok();
            }
            read.extend_from_slice(&bytes);
        }
        Ok(read.freeze())
    }

    /// Notes an answer of so many bytes until what is returned is dropped.
    pub fn answer(self: &Arc<Self>, size: usize) -> Outstanding {
        self.answers.fetch_add(size, Ordering::Relaxed);
        Outstanding { limits: Arc::clone(self), size }
    }
}

/// An answer that its client has not fetched yet.
pub struct Outstanding {
    limits: Arc<Limits>,
    size: usize,
}

impl Drop for Outstanding {
    fn drop(&mut self) {
        self.limits.answers.fetch_sub(self.size, Ordering::Relaxed);
    }
}

/// One connection's place among all.
pub struct Place {
    limits: Arc<Limits>,
    id: u64,
    pub activity: Arc<Activity>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.limits.connections.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// What a connection does.
pub struct Activity {
    start: Instant,
    /// Milliseconds from `start` to the last sign of life.
    last_ms: AtomicU64,
    requests: AtomicUsize,
    /// Answers that are not streams and not fetched to their end.
    unfetched: AtomicUsize,
    begun: AtomicU64,
    /// Set when the connection has to make room.
    pub leave: Notify,
}

impl Activity {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            last_ms: AtomicU64::new(0),
            requests: AtomicUsize::new(0),
            unfetched: AtomicUsize::new(0),
            begun: AtomicU64::new(0),
            leave: Notify::new(),
        }
    }

    fn in_flight(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    fn last(&self) -> Instant {
        self.start + Duration::from_millis(self.last_ms.load(Ordering::Relaxed))
    }

    pub fn touch(&self) {
        self.last_ms.store(u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Notes a request until what is returned is dropped.
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.touch();
        InFlight { activity: Arc::clone(self), unfetched: false }
    }

    /// Whether nothing moved for too long.
    pub fn is_stale(&self, limits: &Patience) -> bool {
        let silent = self.last().elapsed();
        if self.unfetched.load(Ordering::Relaxed) > 0 {
            return silent > limits.stalled;
        }
        self.in_flight() == 0 && silent > if self.begun.load(Ordering::Relaxed) == 0 { limits.first } else { limits.idle }
    }
}

/// How long a connection may do nothing.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Before its first request.
    pub first: Duration,
    /// Between requests; as `net/http` is set up in the real server.
    pub idle: Duration,
    /// While it does not fetch its answer.
    pub stalled: Duration,
}

pub const PATIENCE: Patience = Patience { first: Duration::from_secs(32), idle: Duration::from_secs(90), stalled: Duration::from_secs(60) };

/// A request that is being answered.
pub struct InFlight {
    activity: Arc<Activity>,
    unfetched: bool,
}

impl InFlight {
    /// The answer is known and not a stream: whoever asked has to fetch it.
    pub fn answered(&mut self) {
        if !self.unfetched {
            self.unfetched = true;
            self.activity.unfetched.fetch_add(1, Ordering::Relaxed);
        }
        self.activity.touch();
    }

    pub fn touch(&self) {
        self.activity.touch();
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.unfetched {
            self.activity.unfetched.fetch_sub(1, Ordering::Relaxed);
        }
        self.activity.requests.fetch_sub(1, Ordering::Relaxed);
        self.activity.touch();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_does_nothing_for_the_longest_makes_room() {
        let limits = Arc::new(Limits::new(2));
        let first = limits.enter().expect("room");
        let busy = first.activity.begin();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let second = limits.enter().expect("room");
        let third = limits.enter().expect("the second leaves");
        second.activity.leave.notified().await;
        let _working = third.activity.begin();
        assert!(limits.enter().is_none(), "both are busy");
        drop(busy);
        assert!(limits.enter().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_stale_when_nothing_moves() {
        let activity = Arc::new(Activity::new());
        let pass = async |seconds| tokio::time::sleep(Duration::from_secs(seconds)).await;
        pass(33).await;
        assert!(activity.is_stale(&PATIENCE), "no request ever");
        let mut request = activity.begin();
        pass(1000).await;
        assert!(!activity.is_stale(&PATIENCE), "a watch may be silent");
        request.answered();
        pass(61).await;
        assert!(activity.is_stale(&PATIENCE), "an answer is not fetched");
        drop(request);
        pass(89).await;
        assert!(!activity.is_stale(&PATIENCE));
        pass(2).await;
        assert!(activity.is_stale(&PATIENCE), "idle");
    }
}
