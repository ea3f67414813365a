//! The lines of watches, each written once for all who read it.
//!
//! # Limits
//! Two megabytes of lines are kept, the newest ones; who is further behind has his own written.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;

use crate::sim::kinds::Kind;
use crate::sim::negotiate::Shape;
use crate::sim::shape::{Include, Shaper};

const MOST: usize = 2 * 1024 * 1024;

/// All that a line depends on; the version of the change first, so that the oldest lines come first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    version: u64,
    kind: Kind,
    change: &'static str,
    shape: Shape,
    include: Include,
    /// The version of the store at which a custom kind began to look as it does.
    since: u64,
    /// Of a table: whether it brings the columns, and when its ages are.
    table: Option<(bool, Timestamp)>,
}

impl Line {
    pub fn new(version: u64, change: &'static str, shaper: &Shaper, now: Timestamp, first: bool) -> Self {
        let shape = shaper.form.shape;
        let table = matches!(shape, Shape::Table(_)).then_some((first, now));
        let since = shaper.custom.as_ref().map_or(0, |it| it.since);
        Self { version, kind: shaper.kind, change, shape, include: shaper.include, since, table }
    }
}

/// The lines that were written last.
#[derive(Debug, Default)]
pub struct Lines {
    lines: BTreeMap<Line, Bytes>,
    size: usize,
}

impl Lines {
    /// The line, written if nobody did yet.
    pub fn get(&mut self, line: Line, write: impl FnOnce() -> Vec<u8>) -> Bytes {
        if let Some(known) = self.lines.get(&line) {
            return known.clone();
        }
        let written = Bytes::from(write());
        self.size += written.len();
        self.lines.insert(line, written.clone());
        while self.size > MOST {
            let Some((_, gone)) = self.lines.pop_first() else { break };
            self.size -= gone.len();
        }
        written
    }
}
