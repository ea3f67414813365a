//! Follow: functions that wait, and may call closures while they do.

mod flow;
mod guard;
mod many;
mod rollout;

use std::time::Duration;

use super::call::{Call, Closure};
use super::function::{Function, Group};
use crate::error::{Error, Result};

pub const GROUP: Group = Group { name: "follow", summary: "waiting, watching, guarding, deadlines, many at once", functions: FUNCTIONS };

const FUNCTIONS: &[Function] = &[
    rollout::WAIT,
    rollout::WATCH,
    guard::GUARD,
    many::FOR_EACH_WORKLOAD,
    many::PARALLEL,
    flow::SLEEP,
    flow::TIMEOUT,
    flow::RETRY,
    flow::EVERY,
    flow::CONFIRM,
    flow::ABORT,
    flow::EXIT,
];

fn closure<'a>(call: &'a Call, name: &str) -> Result<Closure<'a>> {
    call.closure(name).ok_or_else(|| Error::usage(format!("{} misses its {name}", call.function.name)))
}

fn seconds(duration: Duration) -> String {
    if duration.subsec_millis() == 0 { crate::render::words::age(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)) } else { format!("{duration:?}") }
}
