//! Strands: closures of one script that take turns on one engine. One runs at a time; another gets its turn where one waits.
//!
//! No two strands ever run at once, so a script has no data races, and on a virtual clock the order is the same in every run.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures::task::AtomicWaker;

use super::Session;
use super::wait::Stop;
use crate::error::Error;

/// What a strand's thread needs for scripts that call deep; only what is used of it takes memory.
const STACK_SIZE: usize = 64 << 20;

/// Where a thread stands among strands: which signals and deadlines reach it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    /// The strands that it runs in, outermost first.
    pub path: Vec<u64>,
    /// How many signals are being answered and do not count any more.
    pub answered: u32,
    /// Deadlines up to this number do not count any more.
    pub floor: u64,
}

thread_local! {
    static PLACE: RefCell<Place> = RefCell::default();
    static TURN: RefCell<Option<Arc<Turn>>> = const { RefCell::new(None) };
}

pub(super) fn place() -> Place {
    PLACE.with_borrow(Clone::clone)
}

/// Whether this thread is a strand.
pub(super) fn is_one() -> bool {
    TURN.with_borrow(Option::is_some)
}

pub(super) fn shielded<T>(answered: u32, floor: u64, body: impl FnOnce() -> T) -> T {
    let before = place();
    PLACE.set(Place { path: before.path.clone(), answered, floor });
    let done = body();
    PLACE.set(before);
    done
}

/// Whose turn it is, the strand's or its starter's.
#[derive(Default)]
struct Turn {
    state: Mutex<Whose>,
    changed: Condvar,
}

#[derive(Default)]
enum Whose {
    #[default]
    Starter,
    Strand(Waker),
    Over,
}

impl Turn {
    /// Lets the strand run until it waits again; `true`: it is over.
    fn give(&self, waker: Waker) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = Whose::Strand(waker);
        self.changed.notify_all();
        loop {
            match *state {
                Whose::Starter => return false,
                Whose::Over => return true,
                Whose::Strand(_) => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// On the strand: waits for its turn.
    fn take(&self) -> Waker {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match &*state {
                Whose::Strand(waker) => return waker.clone(),
                _ => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// On the strand: gives the turn back.
    fn back(&self, state: Whose) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        self.changed.notify_all();
    }
}

/// Ends a strand's turn also when its closure panics, or its starter would wait for ever.
struct Over(Arc<Turn>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.back(Whose::Over);
    }
}

/// Wakes the starter, and tells it which strand can go on.
#[derive(Default)]
struct Ready {
    ready: AtomicBool,
    starter: Arc<AtomicWaker>,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.ready.store(true, Ordering::Release);
        self.starter.wake();
    }
}

impl Session {
    /// Runs a future to its end on the session's runtime, or, on a strand, turn by turn.
    pub(super) fn drive<T>(&self, future: impl Future<Output = T>) -> T {
        let Some(turn) = TURN.with_borrow(Clone::clone) else { return self.runtime().block_on(future) };
        let mut future = pin!(future);
        loop {
            // The runtime is driven by the thread that started the strands; here its timers only have to be found.
            let waker = turn.take();
            let polled = {
                let _inside = self.runtime().enter();
                future.as_mut().poll(&mut Context::from_waker(&waker))
            };
            match polled {
                Poll::Ready(done) => return done,
                Poll::Pending => turn.back(Whose::Starter),
            }
        }
    }

    /// Runs `run(0)` to `run(count - 1)` as strands, at most `most` at a time, and gives what they gave, in order. After a signal or a
    /// deadline, or when `goes_on` says no to a result, no further one is started: its place is `None`.
    ///
    /// # Errors
    /// `script` when a thread cannot be started.
    pub fn interleave<T: Send>(
        &self,
        count: usize,
        most: usize,
        run: impl Fn(usize) -> T + Sync,
        mut goes_on: impl FnMut(usize, &T) -> bool,
    ) -> Result<Vec<Option<T>>, Stop> {
        let done: Vec<Mutex<Option<T>>> = (0..count).map(|_| Mutex::new(None)).collect();
        let here = place();
        let mut failed: Option<Error> = None;
        std::thread::scope(|scope| {
            let starter = Arc::new(AtomicWaker::new());
            let mut strands: Vec<(usize, Arc<Turn>, Arc<Ready>)> = Vec::new();
            let mut next = 0;
            let mut open = true;
            self.drive(std::future::poll_fn(|cx| {
                starter.register(cx.waker());
                loop {
                    while open && next < count && strands.len() < most.max(1) {
                        if self.halted().is_some() {
                            open = false;
                            break;
                        }
                        let (turn, ready) = (Arc::new(Turn::default()), Arc::new(Ready { ready: AtomicBool::new(true), starter: starter.clone() }));
                        let (mine, index, run, slot) = (turn.clone(), next, &run, &done[next]);
                        let mut place = here.clone();
                        place.path.push(index as u64);
                        let body = move || {
                            let _over = Over(mine.clone());
                            mine.take();
                            TURN.set(Some(mine.clone()));
                            PLACE.set(place);
                            let result = run(index);
                            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                        };
                        match std::thread::Builder::new().name(format!("strand {index}")).stack_size(STACK_SIZE).spawn_scoped(scope, body) {
                            Ok(_) => strands.push((index, turn, ready)),
                            Err(error) => {
                                failed = Some(Error::script(format!("cannot start a thread: {error}")));
                                open = false;
                                break;
                            }
                        }
                        next += 1;
                    }
                    let Some(at) = strands.iter().position(|(_, _, ready)| ready.ready.swap(false, Ordering::AcqRel)) else { break };
                    let (index, turn, ready) = &strands[at];
                    if turn.give(Waker::from(ready.clone())) {
                        open &= done[*index].lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|result| goes_on(*index, result));
                        strands.remove(at);
                    }
                }
                if strands.is_empty() { Poll::Ready(()) } else { Poll::Pending }
            }));
        });
        match failed {
            Some(error) => Err(error.into()),
            None => Ok(done.into_iter().map(|slot| slot.into_inner().unwrap_or_else(PoisonError::into_inner)).collect()),
        }
    }
}
