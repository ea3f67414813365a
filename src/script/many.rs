//! Many runs at once, each on a thread with the stack that deep scripts need; results come in the order of what was run.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::engine::STACK_SIZE;
use crate::error::{Error, Result};
use crate::session::Interrupts;

/// Runs `body` for each item, `jobs` at a time. After an interrupt nothing new is begun, and what was not run has no result.
pub fn each<T: Sync, R: Send>(items: &[T], jobs: usize, interrupts: &Interrupts, body: impl Fn(&T) -> R + Sync) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<Option<R>>> = Mutex::new(items.iter().map(|_| None).collect());
    std::thread::scope(|scope| -> Result<()> {
        for _ in 0..jobs.clamp(1, items.len().max(1)) {
            let work = || {
                while interrupts.raised().is_none() {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    let result = body(item);
                    results.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(result);
                }
            };
            std::thread::Builder::new()
                .name("run".to_owned())
                .stack_size(STACK_SIZE)
                .spawn_scoped(scope, work)
                .map_err(|error| Error::script(format!("cannot start a thread: {error}")))?;
        }
        Ok(())
    })?;
    Ok(results.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect())
}
