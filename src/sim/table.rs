//! Tables: what `kubectl get` shows, row by row, as the API server computes it at the time of the answer.
//!
//! The columns are data (`tables.json`); the cells of each kind stand in the modules below.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::kinds::Kind;

/// The columns of each collection, by its path.
static COLUMNS: LazyLock<BTreeMap<String, Vec<Value>>> = LazyLock::new(|| {
    let mut tables: BTreeMap<String, Vec<Value>> = serde_json::from_str(include_str!("data/tables.json")).expect("tables.json maps paths to columns");
    for column in tables.values_mut().flatten() {
        for field in ["format", "description"] {
            if column[field].is_null() {
                column[field] = "".into();
            }
        }
    }
    tables
});

/// What a kind has that no table of its own was recorded for.
static PLAIN: LazyLock<Vec<Value>> = LazyLock::new(|| {
    vec![
        json!({ "name": "Name", "type": "string", "format": "name", "description": "", "priority": 0 }),
        json!({ "name": "Created At", "type": "date", "format": "", "description": "", "priority": 0 }),
    ]
});

pub fn columns(kind: Kind) -> &'static [Value] {
    COLUMNS.get(&kind.path()).unwrap_or(&PLAIN)
}

/// The cells of one object's row, one for each column.
pub fn cells(_kind: Kind, object: &Value, _now: Timestamp) -> Vec<Value> {
    vec![object["metadata"]["name"].clone()]
}

/// What a row says about its object besides the cells: of a pod, that it has ended.
pub fn conditions(kind: Kind, object: &Arc<Value>) -> Option<Value> {
    let phase = object["status"]["phase"].as_str().filter(|it| kind == Kind::PODS && matches!(*it, "Succeeded" | "Failed"))?;
    Some(json!([{ "type": "Completed", "status": "True", "reason": phase, "message": "The pod has completed." }]))
}
