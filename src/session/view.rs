//! How values look when they are printed: the server's own tables are kept beside the data that a script works with.
//!
//! A value carries the number of its view as its tag; when the value no longer is what the view was made for, the view is not used.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::render::table::{Layout, Table};

/// How many views are remembered: an older value prints in the general way.
const REMEMBERED: usize = 256;

/// One printed block: a table and how it is laid out.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    pub table: Table,
    pub layout: Layout,
}

/// A view and the fingerprint of the value that it was made for.
#[derive(Clone, Debug)]
pub struct View {
    pub fingerprint: u64,
    pub blocks: Arc<Vec<Block>>,
}

/// The views of a session.
#[derive(Default)]
pub struct Views(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    next: i32,
    views: VecDeque<(i32, View)>,
}

impl Views {
    /// Keeps a view; returns the tag for its value.
    pub fn keep(&self, fingerprint: u64, blocks: Vec<Block>) -> i32 {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.next = kept.next.checked_add(1).unwrap_or(1);
        let tag = kept.next;
        if kept.views.len() == REMEMBERED {
            kept.views.pop_front();
        }
        kept.views.push_back((tag, View { fingerprint, blocks: Arc::new(blocks) }));
        tag
    }

    /// The view of a value, when it still is the one that the view was made for.
    pub fn of(&self, tag: i32, fingerprint: u64) -> Option<Arc<Vec<Block>>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.views.iter().find(|(kept, view)| *kept == tag && view.fingerprint == fingerprint).map(|(_, view)| view.blocks.clone())
    }
}
