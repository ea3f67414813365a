//! The API server's own tables: what `kubectl get` prints, cell by cell.
//!
//! How a table looks on a screen is `render`'s. A server that makes no tables gets NAME and AGE, as kubectl does.
//! What is only printed is read by `printed`, in a tenth of the bytes.

mod cells;
mod printed;

pub use cells::{Cells, Definition};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::connect::Cluster;
use super::read::{Include, Selection, get};
use super::request::Path;
use crate::error::{Error, Result};
use crate::resource::{Resource, Target};

/// What kubectl asks for: a table, or plain objects from a server that makes none.
pub(super) const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

impl Include {
    pub(super) fn name(self) -> &'static str {
        match self {
            Include::None => "None",
            Include::Metadata => "Metadata",
            Include::Object => "Object",
        }
    }
}

impl Cluster {
    /// The API server's own table of a selection: the `Table` object, pages put together.
    /// With `selection.name` the one object of that name, `not_found` when there is none.
    pub async fn table(&self, resource: &Resource, selection: &Selection, include: Include) -> Result<Value> {
        let one = selection.name.as_deref().filter(|_| !resource.namespaced || selection.namespace.is_some());
        if let Some(name) = one {
            let target = Target::new(resource, selection.namespace.as_deref(), name);
            let path = Path::new(super::read::path_of(&target)?).with("includeObject", include.name());
            let answer = self.ask_json(&get(path.done(), TABLE, super::read::about("get", "get", &target))).await?;
            return Ok(self.tabled(answer, include));
        }
        let mut whole: Option<Value> = None;
        let version = self
            .pages(resource, selection, (TABLE, super::request::parse), Some(include.name()), |page| {
                let mut page = self.tabled(page, include);
                match &mut whole {
                    None => whole = Some(page),
                    Some(table) => {
                        if let (Some(rows), Some(Value::Array(more))) = (table["rows"].as_array_mut(), page.get_mut("rows").map(Value::take)) {
                            rows.extend(more);
                        }
                    }
                }
            })
            .await?;
        let mut table = whole.unwrap_or_else(|| plain(&[], include, self.clock().now()));
        table["metadata"] = json!({ "resourceVersion": version });
        if let (Some(name), Some([])) = (&selection.name, table["rows"].as_array().map(Vec::as_slice)) {
            return Err(nowhere(resource, name));
        }
        Ok(table)
    }

    /// The answer as a table, whatever the server made of the request.
    pub(super) fn tabled(&self, mut answer: Value, include: Include) -> Value {
        if answer["kind"] == "Table" {
            if !answer["rows"].is_array() {
                answer["rows"] = json!([]);
            }
            return answer;
        }
        let objects = match answer.get_mut("items").map(Value::take) {
            Some(Value::Array(items)) => items,
            Some(_) => Vec::new(),
            None => vec![answer],
        };
        plain(&objects, include, self.clock().now())
    }
}

fn nowhere(resource: &Resource, name: &str) -> Error {
    Error::not_found(format!("{} {name:?} not found", resource.qualified())).hint("looked in all namespaces")
}

/// NAME and AGE.
fn plain(objects: &[Value], include: Include, now: Timestamp) -> Value {
    let rows: Vec<Value> = objects.iter().map(|object| row(object, include, now)).collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {},
        "columnDefinitions": [
            { "name": "Name", "type": "string", "format": "name", "description": "", "priority": 0 },
            { "name": "Age", "type": "string", "format": "", "description": "", "priority": 0 },
        ],
        "rows": rows,
    })
}

fn row(object: &Value, include: Include, now: Timestamp) -> Value {
    let metadata = &object["metadata"];
    let age = metadata["creationTimestamp"]
        .as_str()
        .and_then(|text| text.parse::<Timestamp>().ok())
        .map_or_else(|| "<unknown>".to_owned(), |made| age(now.duration_since(made).as_secs()));
    let cells = json!([metadata["name"].as_str().unwrap_or_default(), age]);
    match include {
        Include::None => json!({ "cells": cells }),
        Include::Metadata => json!({ "cells": cells, "object": { "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata } }),
        Include::Object => json!({ "cells": cells, "object": object }),
    }
}

/// # Source
/// `HumanDuration` of `k8s.io/apimachinery/pkg/util/duration`.
fn age(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    let two = |big: i64, unit: &str, small: i64, small_unit: &str| if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{small}{small_unit}") };
    match () {
        () if seconds < -1 => "<invalid>".to_owned(),
        () if seconds < 0 => "0s".to_owned(),
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if hours < 192 => two(days, "d", hours % 24, "h"),
        () if days < 730 => format!("{days}d"),
        () if days < 8 * 365 => two(years, "y", days % 365, "d"),
        () => format!("{years}y"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_kubectls() {
        for (seconds, expected) in [
            (-2, "<invalid>"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (121, "2m1s"),
            (600, "10m"),
            (179 * 60, "179m"),
            (3 * 3600, "3h"),
            (7 * 3600 + 60, "7h1m"),
            (47 * 3600, "47h"),
            (49 * 3600, "2d1h"),
            (192 * 3600, "8d"),
            (729 * 86400, "729d"),
            (731 * 86400, "2y1d"),
            (9 * 365 * 86400, "9y"),
        ] {
            assert_eq!(age(seconds), expected, "{seconds}");
        }
    }
}
