//! How values look when they are printed: the server's own tables, and the words for a status, are kept beside the data that a script works with.
//!
//! A value carries the number of its view as its tag; when the value no longer is what the view was made for, the view is not used.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::cluster::table::Cells;
use crate::render::screen::{Screen, Text, Tone};
use crate::render::table::{Column, Layout, Table, lines_of_blocks, long};

/// How many views are remembered: an older value prints in the general way.
const REMEMBERED: usize = 256;

/// One printed block: a table and how it is laid out.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub table: Table,
    pub layout: Layout,
}

/// A table of which only the text was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Printed {
    pub cells: Cells,
    pub layout: Layout,
}

/// What a value looks like. Tables are laid out only when they are printed.
#[derive(Clone, Debug)]
pub enum View {
    Tables(Arc<Vec<Block>>),
    Printed(Arc<Vec<Printed>>),
    Text(Text),
}

impl View {
    /// The view as lines without a final newline.
    pub fn text(&self) -> Text {
        match self {
            View::Text(text) => text.clone(),
            View::Tables(blocks) => {
                let blocks: Vec<(&Table, Layout)> =
                    blocks.iter().filter(|block| !block.table.rows.is_empty()).map(|block| (&block.table, block.layout.clone())).collect();
                Text::of_lines(lines_of_blocks(&blocks))
            }
            View::Printed(blocks) => {
                let mut text = Text::new();
                write(blocks, &mut |tone, piece| text.push(tone, piece));
                text
            }
        }
    }

    /// Shows the view as a result: a long table line by line.
    pub fn show(&self, screen: &Screen) {
        match self {
            View::Printed(blocks) => {
                let mut pieces = screen.pieces();
                write(blocks, &mut |tone, piece| pieces.put(tone, piece));
            }
            View::Tables(_) | View::Text(_) => {
                let text = self.text();
                if !text.is_empty() {
                    screen.show(&text);
                }
            }
        }
    }
}

/// As kubectl prints several kinds: an empty line between them, those without rows left out.
fn write(blocks: &[Printed], put: &mut dyn FnMut(Tone, &str)) {
    for (nth, block) in blocks.iter().filter(|block| !block.cells.is_empty()).enumerate() {
        if nth > 0 {
            put(Tone::Plain, "\n");
        }
        let columns: Vec<Column> =
            block.cells.shown().map(|column| Column { name: column.name.clone(), priority: column.priority, is_name: column.is_name }).collect();
        long::write(&columns, || block.cells.rows(), &block.layout, put);
    }
}

/// The views of a session.
#[derive(Default)]
pub struct Views {
    kept: Mutex<Kept>,
    only_shown: AtomicBool,
}

#[derive(Default)]
struct Kept {
    next: i32,
    /// Number, fingerprint of the value, view.
    views: VecDeque<(i32, u64, View)>,
}

impl Views {
    /// Says of the next call of a function whether its value will be shown and nothing else: rows that no script looks at need not be made.
    pub fn promise_only_shown(&self, promised: bool) {
        self.only_shown.store(promised, Ordering::Relaxed);
    }

    /// Whether the value of the call at hand will only be shown; the promise holds for one call.
    pub fn only_shown(&self) -> bool {
        self.only_shown.swap(false, Ordering::Relaxed)
    }

    /// Keeps a view; returns the tag for its value.
    pub fn keep(&self, fingerprint: u64, view: View) -> i32 {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.next = kept.next.checked_add(1).unwrap_or(1);
        let tag = kept.next;
        if kept.views.len() == REMEMBERED {
            kept.views.pop_front();
        }
        kept.views.push_back((tag, fingerprint, view));
        tag
    }

    /// The view of a value, when it still is the one that the view was made for.
    pub fn of(&self, tag: i32, fingerprint: u64) -> Option<View> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.views.iter().find(|(number, print, _)| *number == tag && *print == fingerprint).map(|(_, _, view)| view.clone())
    }
}
