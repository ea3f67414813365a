//! From stored objects to the bytes of an answer: objects, lists, tables, metadata, watch events.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::custom::Custom;
use super::failure::{Failure, Result};
use super::kinds::Kind;
use super::list::List;
use super::negotiate::{self, Form, Shape};
use super::table;
use super::views;
use crate::sim::json::{Value, json};

/// What a table's rows carry beside their cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Include {
    Nothing,
    Metadata,
    Object,
}

impl Include {
    /// # Errors
    /// `BadRequest` in the server's words.
    pub fn parse(text: Option<&str>) -> Result<Self> {
        match text {
            None | Some("" | "Metadata") => Ok(Include::Metadata),
            Some("Object") => Ok(Include::Object),
            Some("None") => Ok(Include::Nothing),
            Some(other) => Err(Failure::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: must be 'Metadata', 'Object', 'None', or empty"
            ))),
        }
    }
}

/// Writes the objects of one kind in the form that a client asked for.
#[derive(Clone, Debug)]
pub struct Shaper {
    pub kind: Kind,
    /// What the kind is, if it is a custom one.
    pub custom: Option<Arc<Custom>>,
    pub form: Form,
    pub include: Include,
}

/// An object within a list, which does not repeat the kind that the list names.
struct Item {
    object: Arc<Value>,
    /// Custom kinds are not so thrifty.
    whole: bool,
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Some(map) = self.object.as_object().filter(|_| !self.whole) else { return self.object.serialize(serializer) };
        let mut out = serializer.serialize_map(None)?;
        for (key, value) in map.iter().filter(|(key, _)| *key != "kind" && *key != "apiVersion") {
            out.serialize_entry(key, value)?;
        }
        out.end()
    }
}

/// A list whose items are written one after the other.
struct Written<'a, I> {
    kind: &'a str,
    api_version: &'a str,
    metadata: Value,
    items: I,
}

struct Items<I>(I);

impl<T: Serialize, I: Iterator<Item = T> + Clone> Serialize for Items<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_seq(None)?;
        for item in self.0.clone() {
            out.serialize_element(&item)?;
        }
        out.end()
    }
}

impl<T: Serialize, I: Iterator<Item = T> + Clone> Serialize for Written<'_, I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(Some(4))?;
        out.serialize_entry("kind", self.kind)?;
        out.serialize_entry("apiVersion", self.api_version)?;
        out.serialize_entry("metadata", &self.metadata)?;
        out.serialize_entry("items", &Items(self.items.clone()))?;
        out.end()
    }
}

/// A table whose rows are written one after the other.
struct WrittenTable<'a, I> {
    api_version: String,
    metadata: Value,
    columns: Option<&'a [Value]>,
    rows: I,
}

impl<T: Serialize, I: Iterator<Item = T> + Clone> Serialize for WrittenTable<'_, I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        out.serialize_entry("kind", "Table")?;
        out.serialize_entry("apiVersion", &self.api_version)?;
        out.serialize_entry("metadata", &self.metadata)?;
        out.serialize_entry("columnDefinitions", &self.columns)?;
        out.serialize_entry("rows", &Items(self.rows.clone()))?;
        out.end()
    }
}

/// An object of which only the metadata is written.
struct Metadata<'a> {
    kind: bool,
    version: &'a str,
    metadata: &'a Value,
}

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        if self.kind {
            out.serialize_entry("kind", "PartialObjectMetadata")?;
            out.serialize_entry("apiVersion", self.version)?;
        }
        out.serialize_entry("metadata", self.metadata)?;
        out.end()
    }
}

struct Row<'a> {
    shaper: &'a Shaper,
    version: &'static str,
    object: &'a Arc<Value>,
    now: Timestamp,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(None)?;
        out.serialize_entry("cells", &self.shaper.cells(self.object, self.now))?;
        if let Some(conditions) = table::conditions(self.shaper.kind, self.object) {
            out.serialize_entry("conditions", &conditions)?;
        }
        match self.shaper.include {
            Include::Nothing => out.serialize_entry("object", &Value::Null)?,
            Include::Metadata => {
                let version = format!("meta.k8s.io/{}", self.version);
                out.serialize_entry("object", &Metadata { kind: true, version: &version, metadata: &self.object["metadata"] })?;
            }
            Include::Object => out.serialize_entry("object", &*self.shaper.view(self.object))?,
        }
        out.end()
    }
}

impl Shaper {
    fn view(&self, object: &Arc<Value>) -> Arc<Value> {
        self.custom.as_ref().map_or_else(|| views::of(self.kind, object), |it| it.view(object))
    }

    fn columns(&self) -> &[Value] {
        self.custom.as_ref().map_or_else(|| table::columns(self.kind), |it| &it.columns.definitions)
    }

    fn cells(&self, object: &Arc<Value>, now: Timestamp) -> Vec<Value> {
        match &self.custom {
            Some(custom) => custom.columns.cells(&custom.view(object), now),
            None => table::cells(self.kind, object, now),
        }
    }

    /// # Errors
    /// `NotAcceptable` for a single object where a list was asked for.
    pub fn one(&self, object: &Arc<Value>, now: Timestamp) -> Result<(Bytes, &'static str)> {
        Ok(match self.form.shape {
            Shape::Object => negotiate::write(&*self.view(object), self.form),
            Shape::Metadata => {
                let metadata = Metadata { kind: true, version: "meta.k8s.io/v1", metadata: &object["metadata"] };
                negotiate::write(&metadata, self.form)
            }
            Shape::MetadataList => {
                let message =
                    format!("you requested PartialObjectMetadataList, but the requested object is not a list (*{}.{})", self.package(), self.kind.kind());
                return Err(Failure::not_acceptable(message));
            }
            Shape::Table(version) => {
                let metadata = json!({ "resourceVersion": object["metadata"]["resourceVersion"] });
                negotiate::write(&self.table(version, metadata, Some(self.columns()), std::slice::from_ref(object), now), self.form)
            }
        })
    }

    /// The name of the package that the server's own type of this kind stands in.
    fn package(&self) -> &str {
        match self.kind.group() {
            "" => "core",
            group => group.split('.').next().unwrap_or_default(),
        }
    }

    fn table<'a>(
        &'a self,
        version: &'static str,
        metadata: Value,
        columns: Option<&'a [Value]>,
        objects: &'a [Arc<Value>],
        now: Timestamp,
    ) -> impl Serialize + 'a {
        let rows = objects.iter().map(move |object| Row { shaper: self, version, object, now });
        WrittenTable { api_version: format!("meta.k8s.io/{version}"), metadata, columns, rows }
    }

    /// # Errors
    /// `NotAcceptable` for a list where a single object was asked for.
    pub fn list(&self, list: &List, now: Timestamp) -> Result<(Bytes, &'static str)> {
        Ok(match self.form.shape {
            Shape::Object => {
                let items = list.items.iter().map(|object| Item { object: self.view(object), whole: self.custom.is_some() });
                let own = self.custom.as_ref().map(|it| it.list_kind.clone());
                let (kind, api_version) = (own.unwrap_or_else(|| format!("{}List", self.kind.kind())), self.kind.api_version());
                let mut metadata = list.metadata();
                if self.custom.is_some() && metadata["continue"].is_null() {
                    metadata["continue"] = "".into();
                }
                negotiate::write(&Written { kind: &kind, api_version: &api_version, metadata, items }, self.form)
            }
            Shape::MetadataList => {
                let items = list.items.iter().map(|it| Metadata { kind: self.custom.is_some(), version: "meta.k8s.io/v1", metadata: &it["metadata"] });
                let list = Written { kind: "PartialObjectMetadataList", api_version: "meta.k8s.io/v1", metadata: list.metadata(), items };
                negotiate::write(&list, self.form)
            }
            Shape::Metadata => {
                let message = format!("you requested PartialObjectMetadata, but the requested object is a list (*{}.{}List)", self.package(), self.kind.kind());
                return Err(Failure::not_acceptable(message));
            }
            Shape::Table(version) => {
                let mut items = std::borrow::Cow::Borrowed(&list.items);
                if self.kind == Kind::FLOWSCHEMAS {
                    // They are shown in the order in which they are tried.
                    items.to_mut().sort_by_key(|it| it["spec"]["matchingPrecedence"].as_i64());
                }
                negotiate::write(&self.table(version, list.metadata(), Some(self.columns()), &items, now), self.form)
            }
        })
    }

    /// One line of a watch; the columns of a table are sent with the first only.
    pub fn event(&self, change: &str, object: &Arc<Value>, now: Timestamp, first: bool) -> Vec<u8> {
        let mut line = match self.form.shape {
            Shape::Object => event_line(change, &*self.view(object)),
            Shape::Metadata | Shape::MetadataList => event_line(change, &Metadata { kind: true, version: "meta.k8s.io/v1", metadata: &object["metadata"] }),
            Shape::Table(version) => {
                let metadata = json!({ "resourceVersion": object["metadata"]["resourceVersion"] });
                let columns = first.then(|| self.columns());
                event_line(change, &self.table(version, metadata, columns, std::slice::from_ref(object), now))
            }
        };
        line.push(b'\n');
        line
    }

    /// A bookmark, which says up to where all events were sent.
    pub fn bookmark(&self, version: u64, ends_initial_events: bool, first: bool) -> Vec<u8> {
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        if ends_initial_events {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let mut line = match self.form.shape {
            Shape::Object => event_line("BOOKMARK", &json!({ "kind": self.kind.kind(), "apiVersion": self.kind.api_version(), "metadata": metadata })),
            Shape::Metadata | Shape::MetadataList => event_line("BOOKMARK", &Metadata { kind: true, version: "meta.k8s.io/v1", metadata: &metadata }),
            Shape::Table(table_version) => {
                let object = json!({ "kind": "PartialObjectMetadata", "apiVersion": format!("meta.k8s.io/{table_version}"), "metadata": metadata });
                let rows = [json!({ "cells": vec![Value::Null; self.columns().len()], "object": object })];
                let columns = first.then(|| self.columns());
                let metadata = json!({ "resourceVersion": version.to_string() });
                event_line("BOOKMARK", &WrittenTable { api_version: format!("meta.k8s.io/{table_version}"), metadata, columns, rows: rows.iter() })
            }
        };
        line.push(b'\n');
        line
    }
}

fn event_line<T: Serialize>(change: &str, object: &T) -> Vec<u8> {
    let mut line = format!(r#"{{"type":"{change}","object":"#).into_bytes();
    serde_json::to_writer(&mut line, object).expect("a JSON value can always be written");
    line.push(b'}');
    line
}

/// The line that ends a watch with a failure.
pub fn error_line(failure: &Failure) -> Vec<u8> {
    let mut line = event_line("ERROR", &failure.to_value());
    line.push(b'\n');
    line
}
