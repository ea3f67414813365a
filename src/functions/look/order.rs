//! `sort_by`: rows of a table in another order than the server's.

use std::cmp::Ordering;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::functions::nearest;

/// What rows are sorted by.
pub struct Order {
    key: String,
    /// A field of the object and not a column.
    pub is_field: bool,
    downwards: bool,
}

impl Order {
    /// `restarts`, `-age`, `spec.replicas`, and kubectl's own `.spec.replicas` and `{.spec.replicas}`.
    ///
    /// # Errors
    /// `usage` when it names nothing.
    pub fn parse(text: &str) -> Result<Self> {
        let (downwards, rest) = text.trim().strip_prefix('-').map_or((false, text.trim()), |rest| (true, rest));
        let braced = rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(rest);
        let key = braced.trim_start_matches('.');
        if key.is_empty() {
            return Err(Error::usage(format!("{text:?} is nothing to sort by")).hint("a column, as in \"restarts\", or a field, as in \"spec.replicas\""));
        }
        let is_field = key.contains('.') || braced.starts_with('.');
        let key = if is_field { key.to_owned() } else { key.to_lowercase().replace('-', "_") };
        Ok(Self { key, is_field, downwards })
    }

    /// Sorts the rows of the server's table and, alike, what scripts see of them. What has no such value comes last.
    ///
    /// # Errors
    /// `usage` when no row has such a column; the nearest one is in the hint.
    pub fn sort(&self, table: &mut Value, data: &mut Vec<Value>) -> Result<()> {
        let Some(rows) = table["rows"].as_array().cloned() else { return Ok(()) };
        if let Some(first) = data.first().and_then(Value::as_object).filter(|first| !self.is_field && self.key != "age" && !first.contains_key(&self.key)) {
            let error = Error::usage(format!("there is no column {:?} to sort by", self.key));
            return Err(match nearest(&self.key, first.keys().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean {near:?}?")),
                None => error.hint(format!("columns: {}", first.keys().cloned().collect::<Vec<_>>().join(", "))),
            });
        }
        let value = |index: usize| match (self.is_field, self.key.as_str()) {
            (true, path) => path.split('.').fold(&rows[index]["object"], |value, key| &value[key]),
            // The column is rounded text.
            (false, "age") => &data[index]["age_s"],
            (false, key) => &data[index][key],
        };
        let mut order: Vec<usize> = (0..data.len().min(rows.len())).collect();
        order.sort_by(|one, other| {
            let (one, other) = (value(*one), value(*other));
            match (one.is_null(), other.is_null()) {
                (false, false) if self.downwards => compare(other, one),
                (false, false) => compare(one, other),
                (one, other) => one.cmp(&other),
            }
        });
        table["rows"] = order.iter().map(|index| rows[*index].clone()).collect();
        *data = order.iter().map(|index| data[*index].clone()).collect();
        Ok(())
    }
}

/// Numbers as numbers, also at the start of a text (`3 (2m ago)`, `1/3`); else as text.
fn compare(one: &Value, other: &Value) -> Ordering {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let number = |value: &Value| {
        let text = text(value);
        text[..text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != '-').unwrap_or(text.len())].parse::<f64>().ok()
    };
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one.total_cmp(&other),
        _ => text(one).cmp(&text(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sorted(by: &str) -> Vec<String> {
        let data = [("b", json!("10 (2m ago)"), json!(1)), ("a", json!("9"), json!(null)), ("c", json!("0"), json!(3))];
        let mut table = json!({ "rows": data.iter().map(|(name, _, replicas)| json!({ "object": { "metadata": { "name": name }, "spec": { "replicas": replicas } } })).collect::<Vec<_>>() });
        let mut rows: Vec<Value> = data.iter().map(|(name, restarts, _)| json!({ "name": name, "restarts": restarts })).collect();
        Order::parse(by)
            .and_then(|order| order.sort(&mut table, &mut rows))
            .map_or_else(|error| vec![error.to_string()], |()| rows.iter().map(|row| row["name"].as_str().unwrap_or_default().to_owned()).collect())
    }

    #[test]
    fn rows_are_sorted_by_columns_and_fields_numbers_as_numbers_and_nothing_last() {
        for (by, expected) in [
            ("name", &["a", "b", "c"][..]),
            ("-name", &["c", "b", "a"]),
            ("restarts", &["c", "a", "b"]),
            ("spec.replicas", &["b", "c", "a"]),
            ("-.spec.replicas", &["c", "b", "a"]),
            ("{.metadata.name}", &["a", "b", "c"]),
            ("restart", &["there is no column \"restart\" to sort by"]),
        ] {
            assert_eq!(sorted(by), expected, "{by}");
        }
    }
}
