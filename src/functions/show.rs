//! How a value is printed: by `print`, by `eval` and at the prompt.

use std::hash::Hasher;

use fnv::FnvHasher;
use rhai::{Array, Dynamic, Map};

use super::value;
use crate::render::table::{Layout, Table};
use crate::render::{data, table};
use crate::session::Session;
use crate::session::view::Block;

/// A value's text without a final newline: its own view when it has one, rows as a table, maps as YAML, all else as Rhai prints it.
pub fn text(session: &Session, shown: &Dynamic) -> String {
    if let Some(blocks) = fingerprint(shown).and_then(|fingerprint| session.views().of(shown.tag(), fingerprint)) {
        return print_blocks(&blocks);
    }
    if let Some(items) = shown.read_lock::<Array>() {
        if !items.is_empty() && items.iter().all(Dynamic::is_map) {
            let rows: Vec<_> = items.iter().map(value::json).collect();
            return Table::of_maps(&rows, &[]).print(&Layout::default()).trim_end_matches('\n').to_owned();
        }
        return shown.to_string();
    }
    if shown.is_map() {
        return data::yaml(&value::json(shown));
    }
    shown.to_string()
}

/// Blocks as kubectl prints them: separated by an empty line.
pub fn print_blocks(blocks: &[Block]) -> String {
    let printed: Vec<String> = blocks.iter().map(|block| block.table.print(&block.layout)).filter(|text| !text.is_empty()).collect();
    printed.join("\n").trim_end_matches('\n').to_owned()
}

/// Gives a value a view.
pub fn with_view(session: &Session, mut shown: Dynamic, blocks: Vec<Block>) -> Dynamic {
    if let Some(fingerprint) = fingerprint(&shown) {
        let tag = session.views().keep(fingerprint, blocks);
        shown.set_tag(tag);
    }
    shown
}

/// A block of one table in the plain layout.
pub fn block(table: Table) -> Block {
    Block { table, layout: table::Layout::default() }
}

/// What tells whether an array is still the one that its view was made for: how many rows, and which.
fn fingerprint(shown: &Dynamic) -> Option<u64> {
    let items = shown.read_lock::<Array>()?;
    let mut hasher = FnvHasher::default();
    hasher.write_usize(items.len());
    for item in items.iter() {
        let Some(row) = item.read_lock::<Map>() else { continue };
        hasher.write_usize(row.len());
        for key in ["kind", "namespace", "name", "revision"] {
            if let Some(value) = row.get(key) {
                hasher.write(value.to_string().as_bytes());
            }
            hasher.write_u8(0);
        }
    }
    Some(hasher.finish())
}
