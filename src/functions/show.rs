//! How a value is printed: by `print`, by `eval` and at the prompt.

use std::hash::Hasher;

use fnv::FnvHasher;
use rhai::{Array, Dynamic, Map};
use serde_json::Value;

use super::value;
use crate::render::data;
use crate::render::screen::Text;
use crate::render::table::{Layout, Table};
use crate::session::Session;
use crate::session::view::{Block, Printed, View};

/// A value's text without a final newline.
pub fn text(session: &Session, shown: &Dynamic) -> String {
    let words = styled(session, shown).words();
    words.trim_end_matches('\n').to_owned()
}

/// A value as a person sees it: its own view when it has one, rows as a table, maps as YAML, all else as Rhai prints it.
pub fn styled(session: &Session, shown: &Dynamic) -> Text {
    if let Some(view) = view(session, shown) {
        return view.text();
    }
    if let Some(items) = shown.read_lock::<Array>()
        && !items.is_empty()
        && items.iter().all(Dynamic::is_map)
    {
        // As several outcomes, each in its own words.
        if let Some(views) = items.iter().map(|item| view(session, item)).collect::<Option<Vec<_>>>() {
            return Text::of_lines(views.iter().flat_map(|view| view.text().lines()));
        }
        let rows: Vec<_> = items.iter().map(value::json).collect();
        return Text::plain(if fits_cells(&rows) { Table::of_maps(&rows, &[]).print(&Layout::default()) } else { data::yaml(&rows.into()) });
    }
    if shown.is_map() {
        return Text::plain(data::yaml(&value::json(shown)));
    }
    Text::plain(shown.to_string())
}

/// How long a map or an array may be in a cell of a table, as JSON.
const CELL: usize = 80;

/// Whether rows can be read as a table: what is nested in them is short.
fn fits_cells(rows: &[Value]) -> bool {
    let nested = rows.iter().filter_map(Value::as_object).flat_map(|row| row.values()).filter(|value| value.is_object() || value.is_array());
    nested.map(|value| value.to_string().len()).all(|length| length <= CELL)
}

/// Shows a value as a result, a line or more; nothing where there is nothing to see.
pub fn show(session: &Session, shown: &Dynamic) {
    match view(session, shown) {
        Some(view) => view.show(session.screen()),
        None => {
            let text = styled(session, shown);
            if !text.is_empty() {
                session.screen().show(&text);
            }
        }
    }
}

fn view(session: &Session, shown: &Dynamic) -> Option<View> {
    if shown.tag() == 0 {
        return None;
    }
    session.views().of(shown.tag(), fingerprint(shown)?)
}

/// An empty array that looks like tables, for a value that is only shown.
pub fn printed(session: &Session, blocks: Vec<Printed>) -> Dynamic {
    with_view(session, Dynamic::from_array(Vec::new()), View::Printed(blocks.into()))
}

/// A value with the look of tables; `rows` are made only where a script may look at them.
pub fn rows_with_tables(session: &Session, rows: impl FnOnce() -> Array, blocks: Vec<Block>) -> Dynamic {
    let rows = if session.views().only_shown() { Array::new() } else { rows() };
    with_tables(session, Dynamic::from_array(rows), blocks)
}

/// Gives a value the look of server tables.
pub fn with_tables(session: &Session, shown: Dynamic, blocks: Vec<Block>) -> Dynamic {
    with_view(session, shown, View::Tables(blocks.into()))
}

/// Gives a value a look in words.
pub fn with_text(session: &Session, shown: Dynamic, text: Text) -> Dynamic {
    with_view(session, shown, View::Text(text))
}

fn with_view(session: &Session, mut shown: Dynamic, view: View) -> Dynamic {
    if let Some(fingerprint) = fingerprint(&shown) {
        let tag = session.views().keep(fingerprint, view);
        shown.set_tag(tag);
    }
    shown
}

/// A block of one table in the plain layout.
pub fn block(table: Table) -> Block {
    Block { table, layout: Layout::default() }
}

/// What tells whether a value is still the one that its view was made for: of an array how many rows and which, of a map its plain entries.
fn fingerprint(shown: &Dynamic) -> Option<u64> {
    let mut hasher = FnvHasher::default();
    let mut entry = |key: &str, value: Option<&Dynamic>| {
        hasher.write(key.as_bytes());
        match value {
            Some(value) if !value.is_map() && !value.is_array() => hasher.write(value.to_string().as_bytes()),
            Some(_) => hasher.write_u8(1),
            None => hasher.write_u8(2),
        }
        hasher.write_u8(0);
    };
    if let Some(map) = shown.read_lock::<Map>() {
        for (key, value) in map.iter() {
            entry(key, Some(value));
        }
    } else {
        let items = shown.read_lock::<Array>()?;
        entry(&items.len().to_string(), None);
        for item in items.iter() {
            let Some(row) = item.read_lock::<Map>() else { continue };
            for key in ["kind", "namespace", "name", "revision"] {
                entry(key, row.get(key));
            }
        }
    }
    Some(hasher.finish())
}
