//! How values look when they are printed: the server's own tables, and the words for a status, are kept beside the data that a script works with.
//!
//! A value carries the number of its view as its tag; when the value no longer is what the view was made for, the view is not used.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::render::screen::Text;
use crate::render::table::{Layout, Table, lines_of_blocks};

/// How many views are remembered: an older value prints in the general way.
const REMEMBERED: usize = 256;

/// One printed block: a table and how it is laid out.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub table: Table,
    pub layout: Layout,
}

/// What a value looks like. Tables are laid out only when they are printed.
#[derive(Clone, Debug)]
pub enum View {
    Tables(Arc<Vec<Block>>),
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
        }
    }
}

/// The views of a session.
#[derive(Default)]
pub struct Views(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    next: i32,
    /// Number, fingerprint of the value, view.
    views: VecDeque<(i32, u64, View)>,
}

impl Views {
    /// Keeps a view; returns the tag for its value.
    pub fn keep(&self, fingerprint: u64, view: View) -> i32 {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.views.iter().find(|(number, print, _)| *number == tag && *print == fingerprint).map(|(_, _, view)| view.clone())
    }
}
