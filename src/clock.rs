//! The only source of `now()`: wall time, wall time that runs faster or jumps, or tokio's paused clock counted from a fixed start.
//!
//! Nothing else may ask the system for the time (`clippy.toml` fences it), or one seed would not give the same run twice.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::Handle;
use tokio::time::Instant;

/// A clock that is cheap to clone; clones of a virtual clock show the same time.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    Wall,
    Paced(Arc<Mutex<Pace>>),
    Virtual { start: Timestamp, origin: Instant, runtime: Handle },
}

/// What a paced clock showed at an instant, and how many of its seconds pass in one of the wall's.
#[derive(Debug)]
struct Pace {
    shown: Timestamp,
    at: Instant,
    factor: f64,
}

impl Pace {
    fn now(&self) -> Timestamp {
        self.shown.saturating_add(scaled(self.at.elapsed(), self.factor)).unwrap_or(Timestamp::MAX)
    }
}

/// A span times a factor; the longest span where that is too long.
fn scaled(span: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(span.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

impl Clock {
    pub fn wall() -> Self {
        Self(Source::Wall)
    }

    /// A clock that shows the wall's time now, runs `factor` times as fast from then on, and can be moved forward.
    pub fn paced(factor: f64) -> Self {
        Self(Source::Paced(Arc::new(Mutex::new(Pace { shown: Self::wall().now(), at: Instant::now(), factor }))))
    }

    /// Moves a paced clock forward to `time`; never back. Others do not move.
    pub fn jump(&self, time: Timestamp) {
        if let Source::Paced(pace) = &self.0 {
            let mut pace = pace.lock().unwrap_or_else(PoisonError::into_inner);
            if pace.now() < time {
                (pace.shown, pace.at) = (time, Instant::now());
            }
        }
    }

    /// How long to sleep for `span` of this clock's time to pass.
    pub fn sleep_for(&self, span: Duration) -> Duration {
        match &self.0 {
            Source::Paced(pace) => scaled(span, pace.lock().unwrap_or_else(PoisonError::into_inner).factor.recip()),
            _ => span,
        }
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
            Source::Paced(pace) => pace.lock().unwrap_or_else(PoisonError::into_inner).now(),
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

    #[test]
    fn a_virtual_clock_moves_only_while_somebody_waits() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let start: Timestamp = "2026-01-01T09:00:00Z".parse().expect("a time");
        let clock = Clock::paused(start, runtime.handle());
        assert_eq!(clock.now(), start);
        // A sleep built outside of the runtime would ask for its clock at once.
        runtime.block_on(async { tokio::time::sleep(Duration::from_secs(600)).await });
        assert_eq!(clock.now().duration_since(start).as_secs(), 600);
    }

    #[tokio::test(start_paused = true)]
    async fn a_paced_clock_runs_faster_and_jumps_forward_only() {
        let clock = Clock::paced(60.0);
        let start = clock.now();
        tokio::time::sleep(Duration::from_secs(10)).await;
        assert_eq!(clock.now().duration_since(start).as_secs(), 600);
        assert_eq!(clock.sleep_for(Duration::from_secs(60)), Duration::from_secs(1));
        clock.jump(start);
        clock.jump(start.saturating_add(Duration::from_secs(700)).expect("in range"));
        assert_eq!(clock.now().duration_since(start).as_secs(), 700);
    }
}
