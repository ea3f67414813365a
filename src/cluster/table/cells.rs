//! A table as text and nothing else, read from the API server's JSON without building values: twenty thousand rows are a few megabytes.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// A column as the API server defines it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// As the server writes it: `Up-to-date`.
    pub name: String,
    /// Over 0: wide output only.
    pub priority: i64,
    /// Whether it holds the object's name.
    pub is_name: bool,
}

/// The cells of a table as text, in one piece of memory.
///
/// # Limits
/// 4 GiB of text: more is an error while it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cells {
    /// Every column, also those whose cells were left out.
    pub columns: Vec<Definition>,
    text: String,
    /// Where each kept cell ends.
    ends: Vec<u32>,
    /// How many cells had been kept when each row ended.
    rows: Vec<u32>,
    /// From which row on the rows are of which namespace.
    namespaces: Vec<(usize, String)>,
    wide: bool,
}

impl Cells {
    /// A table to be filled; cells of wide columns are kept only where they are wanted.
    pub fn new(wide: bool) -> Self {
        Self { wide, ..Self::default() }
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The columns whose cells are there.
    pub fn shown(&self) -> impl Iterator<Item = &Definition> {
        self.columns.iter().filter(|column| self.wide || column.priority == 0)
    }

    /// Each row: its namespace (empty where it is not known) and its cells.
    pub fn rows(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &str>)> {
        let mut namespaces = self.namespaces.iter().peekable();
        let (mut namespace, mut first) = ("", 0);
        self.rows.iter().enumerate().map(move |(at, end)| {
            while let Some((_, name)) = namespaces.next_if(|(from, _)| *from <= at) {
                namespace = name;
            }
            let range = first as usize..*end as usize;
            first = *end;
            (namespace, range.map(|cell| &self.text[self.start(cell)..self.ends[cell] as usize]))
        })
    }

    fn start(&self, cell: usize) -> usize {
        cell.checked_sub(1).map_or(0, |before| self.ends[before] as usize)
    }

    /// Forgets all rows.
    pub(super) fn clear(&mut self) {
        *self = Self::new(self.wide);
    }

    /// Adds the rows of a `Table` in JSON, which are of the given namespace where they do not name their own.
    ///
    /// # Errors
    /// What is wrong with the JSON. Rows before that place may have been added.
    pub(super) fn read(&mut self, json: &[u8], namespace: Option<&str>) -> serde_json::Result<Head> {
        if let Some(namespace) = namespace {
            self.enter(namespace);
        }
        let mut reader = serde_json::Deserializer::from_slice(json);
        let head = TableSeed(self).deserialize(&mut reader)?;
        reader.end()?;
        Ok(head)
    }

    /// Adds the rows of another table, which has the same columns.
    pub(super) fn append(&mut self, other: &Cells) {
        if self.columns.is_empty() {
            self.columns.clone_from(&other.columns);
        }
        self.namespaces.extend(other.namespaces.iter().map(|(from, name)| (from + self.rows.len(), name.clone())));
        let (text, cells) = (self.text.len() as u32, self.ends.len() as u32);
        self.text.push_str(&other.text);
        self.ends.extend(other.ends.iter().map(|end| text + end));
        self.rows.extend(other.rows.iter().map(|end| cells + end));
    }

    fn enter(&mut self, namespace: &str) {
        if self.namespaces.last().is_none_or(|(_, name)| name != namespace) {
            self.namespaces.push((self.rows.len(), namespace.to_owned()));
        }
    }

    fn keeps(&self, column: usize) -> bool {
        self.wide || self.columns.get(column).is_none_or(|column| column.priority == 0)
    }

    fn end_cell<E: serde::de::Error>(&mut self) -> Result<(), E> {
        self.ends.push(u32::try_from(self.text.len()).map_err(|_| E::custom("a table of more than 4 GiB"))?);
        Ok(())
    }
}

/// What a page of a table says beside its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// Whether it is a table at all: a server may answer with plain objects.
    pub is_table: bool,
    pub token: Option<String>,
    /// How many objects follow this page, where the server counted them.
    pub remaining: Option<u64>,
}

struct TableSeed<'a>(&'a mut Cells);

impl<'de> DeserializeSeed<'de> for TableSeed<'_> {
    type Value = Head;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Head, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TableSeed<'_> {
    type Value = Head;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a Table")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Head, A::Error> {
        let mut head = Head::default();
        while let Some(key) = map.next_key::<Cow<str>>()? {
            match key.as_ref() {
                "kind" => head.is_table = map.next_value::<Cow<str>>()? == "Table",
                "metadata" => {
                    let metadata: Value = map.next_value()?;
                    head.token = metadata["continue"].as_str().filter(|token| !token.is_empty()).map(str::to_owned);
                    head.remaining = metadata["remainingItemCount"].as_u64();
                }
                "columnDefinitions" => {
                    let columns: Option<Vec<Value>> = map.next_value()?;
                    // Later pages have none, or the same again.
                    if self.0.columns.is_empty() {
                        self.0.columns = columns.unwrap_or_default().iter().map(definition).collect();
                        // As kubectl: the first column of format `name`, and no other.
                        let first = self.0.columns.iter().position(|column| column.is_name);
                        self.0.columns.iter_mut().enumerate().for_each(|(at, column)| column.is_name = first == Some(at));
                    }
                }
                "rows" => map.next_value_seed(Rows(self.0))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(head)
    }
}

fn definition(column: &Value) -> Definition {
    Definition {
        name: column["name"].as_str().unwrap_or_default().to_owned(),
        priority: column["priority"].as_i64().unwrap_or(0),
        is_name: column["format"] == "name" && column["type"] == "string",
    }
}

struct Rows<'a>(&'a mut Cells);

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an array of rows")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Row(self.0))?.is_some() {}
        Ok(())
    }
}

struct Row<'a>(&'a mut Cells);

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<str>>()? {
            match key.as_ref() {
                "cells" => map.next_value_seed(CellsOf(self.0))?,
                "object" => {
                    let object: Option<Named> = map.next_value()?;
                    if let Some(namespace) = object.and_then(|object| object.metadata.namespace) {
                        self.0.enter(&namespace);
                    }
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        let end = u32::try_from(self.0.ends.len()).map_err(|_| A::Error::custom("a table of too many cells"))?;
        self.0.rows.push(end);
        Ok(())
    }
}

/// What is wanted of a row's object: everything else in it is skipped unread.
#[derive(serde::Deserialize)]
struct Named<'a> {
    #[serde(borrow, default)]
    metadata: Namespace<'a>,
}

#[derive(Default, serde::Deserialize)]
struct Namespace<'a> {
    #[serde(borrow, default)]
    namespace: Option<Cow<'a, str>>,
}

struct CellsOf<'a>(&'a mut Cells);

impl<'de> DeserializeSeed<'de> for CellsOf<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for CellsOf<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("an array of cells")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        for column in 0.. {
            let there = if self.0.keeps(column) {
                let there = seq.next_element_seed(Cell(&mut self.0.text))?.is_some();
                if there {
                    self.0.end_cell()?;
                }
                there
            } else {
                seq.next_element::<IgnoredAny>()?.is_some()
            };
            if !there {
                break;
            }
        }
        Ok(())
    }
}

/// Writes a cell's text: text as it is, numbers as numbers, anything nested as compact JSON.
struct Cell<'a>(&'a mut String);

impl<'de> DeserializeSeed<'de> for Cell<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Cell<'_> {
    fn write(self, value: impl fmt::Display) {
        use fmt::Write;
        // Writing to a string does not fail.
        let _ = write!(self.0, "{value}");
    }
}

impl<'de> Visitor<'de> for Cell<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a cell")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.push_str(text);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.write(value);
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        self.write(value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        self.write(value);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.write(value);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Value>()? {
            items.push(item);
        }
        self.write(Value::Array(items));
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut entries = serde_json::Map::new();
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            entries.insert(key, value);
        }
        self.write(Value::Object(entries));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn page(token: &str, rows: Value) -> Vec<u8> {
        json!({
            "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": { "resourceVersion": "7", "continue": token, "remainingItemCount": 3 },
            "columnDefinitions": [
                { "name": "Name", "type": "string", "format": "name", "priority": 0 },
                { "name": "Node", "type": "string", "format": "", "priority": 1 },
                { "name": "Restarts", "type": "integer", "format": "", "priority": 0 },
            ],
            "rows": rows,
        })
        .to_string()
        .into_bytes()
    }

    fn shown(cells: &Cells) -> Vec<String> {
        cells.rows().map(|(namespace, row)| format!("{namespace}: {}", row.collect::<Vec<_>>().join("|"))).collect()
    }

    #[test]
    fn pages_become_one_table_of_text() {
        let mut cells = Cells::new(false);
        let object = json!({ "metadata": { "name": "x", "namespace": "shop", "labels": { "namespace": "none" } } });
        let first = page("more", json!([{ "cells": ["a\"b", "node", 2], "object": object }, { "cells": ["c", null, { "k": [1.5, true] }], "object": object }]));
        let head = cells.read(&first, None).expect("a table");
        assert_eq!(head, Head { is_table: true, token: Some("more".to_owned()), remaining: Some(3) });
        assert_eq!(cells.read(&page("", json!([{ "cells": ["d", "node", -1], "object": null }])), Some("b")).expect("a table").token, None);
        cells.read(&page("", Value::Null), Some("c")).expect("no rows");
        assert_eq!(shown(&cells), ["shop: a\"b|2", "shop: c|{\"k\":[1.5,true]}", "b: d|-1"]);
        assert_eq!(cells.shown().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["Name", "Restarts"]);
        let mut both = Cells::new(false);
        both.append(&cells);
        both.append(&cells);
        assert_eq!((both.len(), shown(&both)[3..].to_vec()), (6, shown(&cells)));
    }

    #[test]
    fn wide_columns_are_kept_where_they_are_wanted() {
        let mut cells = Cells::new(true);
        cells.read(&page("", json!([{ "cells": ["a", "node", 2] }])), None).expect("a table");
        assert_eq!((shown(&cells), cells.shown().count()), (vec![": a|node|2".to_owned()], 3));
    }

    #[test]
    fn what_is_no_table_is_told() {
        for (text, told) in
            [(r#"{"kind":"PodList","items":[{"rows":1}],"metadata":{}}"#, Some(false)), ("<html>", None), (r#"{"kind":"Table","rows":[{"#, None)]
        {
            assert_eq!(Cells::new(false).read(text.as_bytes(), None).ok().map(|head| head.is_table), told, "{text}");
        }
    }
}
