//! How times are written, and how far a cluster's time is from its clock's.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp, Unit};

/// How far a cluster's time is ahead of its clock: who asks for the time need not have the world. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Skew(Arc<AtomicI64>);

impl Skew {
    pub fn get(&self) -> SignedDuration {
        SignedDuration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    pub fn set(&self, skew: SignedDuration) {
        // 292 years either way are enough.
        self.0.store(i64::try_from(skew.as_nanos()).unwrap_or(if skew.is_negative() { i64::MIN } else { i64::MAX }), Ordering::Relaxed);
    }
}

/// A time in whole seconds, as `metav1.Time` is written.
pub fn stamp(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

/// A time in microseconds, as `metav1.MicroTime` is written.
pub fn micro_stamp(time: Timestamp) -> String {
    let whole = time.round(jiff::TimestampRound::new().smallest(Unit::Microsecond).mode(jiff::RoundMode::Trunc)).unwrap_or(time);
    format!("{whole:.6}")
}
