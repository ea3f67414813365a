//! The one place where native code waits: every wait ends on Ctrl-C, SIGTERM, the run's deadline and an enclosing `timeout`.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Session;
use super::strand::{self, Place};
use crate::error::{Error, Result};

/// Why a run ends that no script can catch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Halt {
    /// Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// The deadline with this number ran out; the call that set it turns the halt into an error.
    Deadline(u64),
    /// `exit(code)`.
    Exit(i64),
}

/// How a wait ended without its result.
#[derive(Debug)]
pub enum Stop {
    Halt(Halt),
    Error(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Ctrl-C and SIGTERM as a session sees them; clones are the same.
#[derive(Clone, Default)]
pub struct Interrupts(Arc<State>);

#[derive(Default)]
struct State {
    /// 0: none, 1: Ctrl-C, 2: SIGTERM. An atomic of its own, because a tight loop asks at every operation.
    signal: AtomicU8,
    /// How many came since the last `clear`, and how many of them a guard is answering.
    count: AtomicU32,
    answered: AtomicU32,
    token: Mutex<CancellationToken>,
}

impl Interrupts {
    /// Ends whatever the session is doing. Safe to call from any thread.
    pub fn interrupt(&self) {
        self.raise(1);
    }

    pub fn terminate(&self) {
        self.raise(2);
    }

    /// What was raised since the last `clear`.
    pub fn raised(&self) -> Option<Halt> {
        match self.0.signal.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(Halt::Interrupted),
            _ => Some(Halt::Terminated),
        }
    }

    /// Whether something was raised that nothing answers: another signal may end the process by force. While a guard puts things back
    /// the next signal ends that first.
    pub fn unanswered(&self) -> bool {
        self.count() > self.0.answered.load(Ordering::Relaxed)
    }

    /// Before the next line of a REPL.
    pub fn clear(&self) {
        *self.0.token.lock().unwrap_or_else(PoisonError::into_inner) = CancellationToken::new();
        self.0.signal.store(0, Ordering::Relaxed);
        self.0.answered.store(0, Ordering::Relaxed);
        self.0.count.store(0, Ordering::Relaxed);
    }

    /// Resolves with the next signal.
    pub fn token(&self) -> CancellationToken {
        self.0.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count(&self) -> u32 {
        self.0.count.load(Ordering::Relaxed)
    }

    fn raise(&self, signal: u8) {
        self.0.signal.fetch_max(signal, Ordering::Relaxed);
        self.0.count.fetch_add(1, Ordering::Relaxed);
        // The next one has a token of its own, for who goes on in spite of this one.
        let token = std::mem::take(&mut *self.0.token.lock().unwrap_or_else(PoisonError::into_inner));
        token.cancel();
    }
}

/// The deadlines in force, innermost last.
#[derive(Default)]
pub(crate) struct Deadlines(Mutex<Open>);

#[derive(Default)]
struct Open {
    next: u64,
    stack: Vec<Due>,
}

/// A deadline, and on which strand it was set: it holds there and on the strands that were started from there.
#[derive(Clone)]
struct Due {
    id: u64,
    at: Instant,
    strand: Vec<u64>,
}

impl Deadlines {
    /// The deadline that ends first; of equal ones the outermost, since the inner call ends with it.
    fn first(&self, strand: &Place) -> Option<(u64, Instant)> {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = |due: &&Due| due.id > strand.floor && strand.path.starts_with(&due.strand);
        open.stack.iter().filter(holds).map(|due| (due.id, due.at)).reduce(|first, next| if next.1 < first.1 { next } else { first })
    }
}

/// A deadline in force until it is dropped.
pub struct Deadline {
    session: Session,
    id: u64,
}

impl Deadline {
    pub fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for Deadline {
    fn drop(&mut self) {
        let mut open = self.session.deadlines().0.lock().unwrap_or_else(PoisonError::into_inner);
        open.stack.retain(|due| due.id != self.id);
    }
}

impl Session {
    /// Waits so long, or until something ends the wait.
    pub fn pause(&self, duration: Duration) -> Result<(), Stop> {
        self.wait(async {
            tokio::time::sleep(duration).await;
            Ok(())
        })
    }

    /// Waits for a future, or for what ends the wait.
    ///
    /// # Limits
    /// Blocks the calling thread: not for use inside the runtime's own tasks. A future that holds timers must be built inside the `async` block.
    pub fn wait<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T, Stop> {
        // The token before the question: a signal in between is then seen by one of the two.
        let token = self.interrupts().token();
        if let Some(halt) = self.halted() {
            return Err(Stop::Halt(halt));
        }
        let deadline = self.deadlines().first(&strand::place());
        self.drive(async {
            let over = async {
                match deadline {
                    Some((id, at)) => {
                        tokio::time::sleep_until(at).await;
                        id
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = token.cancelled() => Err(Stop::Halt(self.interrupts().raised().unwrap_or(Halt::Interrupted))),
                result = future => result.map_err(Stop::Error),
                id = over => Err(Stop::Halt(Halt::Deadline(id))),
            }
        })
    }

    /// What ends the run now, if anything: asked between two operations of a script.
    pub fn halted(&self) -> Option<Halt> {
        let raised = self.interrupts().raised();
        if raised.is_none() && self.deadlines().0.lock().unwrap_or_else(PoisonError::into_inner).stack.is_empty() {
            return None;
        }
        let place = strand::place();
        if let Some(halt) = raised.filter(|_| self.interrupts().count() > place.answered) {
            return Some(halt);
        }
        let (id, at) = self.deadlines().first(&place)?;
        let _inside = self.runtime().enter();
        (Instant::now() >= at).then_some(Halt::Deadline(id))
    }

    /// Runs what must go on in spite of the signals and deadlines that have come so far: a rollback is not ended by the Ctrl-C that
    /// caused it, but by the next one.
    pub fn shielded<T>(&self, body: impl FnOnce() -> T) -> T {
        let answered = self.interrupts().count();
        let floor = self.deadlines().0.lock().unwrap_or_else(PoisonError::into_inner).next;
        let known = self.interrupts().0.answered.fetch_max(answered, Ordering::Relaxed);
        let done = strand::shielded(answered, floor, body);
        self.interrupts().0.answered.store(known, Ordering::Relaxed);
        done
    }

    /// Sets a deadline for everything until the returned value is dropped.
    pub fn deadline(&self, after: Duration) -> Deadline {
        let at = {
            let _inside = self.runtime().enter();
            Instant::now().checked_add(after).unwrap_or_else(|| Instant::now() + FAR)
        };
        let mut open = self.deadlines().0.lock().unwrap_or_else(PoisonError::into_inner);
        open.next += 1;
        let id = open.next;
        open.stack.push(Due { id, at, strand: strand::place().path });
        Deadline { session: self.clone(), id }
    }
}

/// Thirty years: what a deadline beyond the clock's range comes to (the value tokio uses too).
const FAR: Duration = Duration::from_secs(86400 * 365 * 30);
