//! The only source of `now()`: wall time, or tokio's paused clock counted from a fixed start.
//!
//! Nothing else may ask the system for the time (`clippy.toml` fences it), or one seed would not give the same run twice.

use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::time::Instant;

/// A clock that is cheap to clone; clones of a virtual clock show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    Wall,
    Virtual { start: Timestamp, origin: Instant, runtime: Handle },
}

impl Clock {
    pub fn wall() -> Self {
        Self(Source::Wall)
    }

    /// A clock that shows `start` now and moves with the paused time of `runtime`.
    ///
    /// # Limits
    /// `runtime` must be a current-thread runtime with paused time; with another, the clock follows the wall.
    pub fn paused(start: Timestamp, runtime: &Handle) -> Self {
        let _inside = runtime.enter();
        Self(Source::Virtual { start, origin: Instant::now(), runtime: runtime.clone() })
    }

    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the one place that may ask for the time")]
            Source::Wall => Timestamp::now(),
            Source::Virtual { start, origin, runtime } => {
                // The engine thread asks from outside the runtime, where tokio would answer with the wall's instant.
                let _inside = runtime.enter();
                let elapsed = Instant::now().duration_since(*origin);
                start.saturating_add(elapsed).unwrap_or(Timestamp::MAX)
            }
        }
    }

    /// Whether time moves only while somebody waits.
    pub fn is_virtual(&self) -> bool {
        matches!(self.0, Source::Virtual { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_virtual_clock_moves_only_while_somebody_waits() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let start: Timestamp = "2026-01-01T09:00:00Z".parse().expect("a time");
        let clock = Clock::paused(start, runtime.handle());
        assert_eq!(clock.now(), start);
        runtime.block_on(tokio::time::sleep(Duration::from_secs(600)));
        assert_eq!(clock.now().duration_since(start).as_secs(), 600);
    }
}
