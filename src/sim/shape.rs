//! From stored objects to the bytes of an answer: objects, lists, tables, metadata, watch events.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;

use super::custom::Custom;
use super::failure::{Failure, Result};
use super::kinds::Kind;
use super::list::List;
use super::negotiate::{self, Form, Shape};
use super::table;
use super::views;
use crate::sim::json::{Value, Writer, json};

/// What a table's rows carry beside their cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    /// Whether it is not the objects that are written but their scales.
    pub scales: bool,
}

impl Shaper {
    fn view(&self, object: &Arc<Value>) -> Arc<Value> {
        if self.scales {
            return Arc::clone(object);
        }
        self.custom.as_ref().map_or_else(|| views::of(self.kind, object), |it| it.view(object))
    }

    fn columns(&self) -> &[Value] {
        if self.scales {
            return table::scale_columns();
        }
        self.custom.as_ref().map_or_else(|| table::columns(self.kind), |it| &it.columns.definitions)
    }

    fn cells(&self, object: &Arc<Value>, view: &Value, now: Timestamp) -> Vec<Value> {
        match &self.custom {
            _ if self.scales => table::scale_cells(view, now),
            Some(custom) => custom.columns.cells(view, now),
            None => table::cells(self.kind, object, now),
        }
    }

    /// # Errors
    /// `NotAcceptable` for a single object where a list was asked for.
    pub fn one(&self, object: &Arc<Value>, now: Timestamp) -> Result<(Bytes, &'static str)> {
        if self.form.shape == Shape::MetadataList {
            let name = if self.scales { "autoscaling.Scale".to_owned() } else { format!("{}.{}", self.package(), self.kind.kind()) };
            let message = format!("you requested PartialObjectMetadataList, but the requested object is not a list (*{name})");
            return Err(Failure::not_acceptable(message));
        }
        let view = self.view(object);
        let mut out = Writer::of_one();
        self.write(&mut out, &view, object, now, true);
        Ok(negotiate::formed(out.finish(), self.form))
    }

    /// Writes one object in the form that was asked for; the columns of a table where they are wanted.
    fn write<'a>(&self, out: &mut Writer<'a>, view: &'a Value, object: &'a Arc<Value>, now: Timestamp, columns: bool) {
        match self.form.shape {
            Shape::Object => out.value(view),
            Shape::Metadata | Shape::MetadataList => partial(out, "v1", &object["metadata"]),
            Shape::Table(version) => {
                let metadata = json!({ "resourceVersion": object["metadata"]["resourceVersion"] });
                self.table(out, version, &metadata, columns, &[(object, view)], now);
            }
        }
    }

    /// The name of the package that the server's own type of this kind stands in.
    fn package(&self) -> &str {
        match self.kind.group() {
            "" => "core",
            group => group.split('.').next().unwrap_or_default(),
        }
    }

    fn table<'a>(&self, out: &mut Writer<'a>, version: &str, metadata: &Value, columns: bool, objects: &[(&'a Arc<Value>, &'a Value)], now: Timestamp) {
        self.begin_table(out, version, metadata, columns);
        for (at, (object, view)) in objects.iter().enumerate() {
            if at > 0 {
                out.raw(",");
            }
            match self.include {
                Include::Object => ahead(out, at, objects),
                // Nobody reads the rest.
                Include::Nothing | Include::Metadata => ahead_at(out, at, objects, &["metadata", "status"]),
            }
            self.row(out, version, object, view, now);
        }
        out.raw("]}");
    }

    fn begin_table(&self, out: &mut Writer<'_>, version: &str, metadata: &Value, columns: bool) {
        out.raw(r#"{"kind":"Table","apiVersion":"meta.k8s.io/"#);
        out.raw(version);
        out.raw(r#"","metadata":"#);
        out.passing(metadata);
        out.raw(r#","columnDefinitions":"#);
        if columns {
            out.raw("[");
            for (at, column) in self.columns().iter().enumerate() {
                if at > 0 {
                    out.raw(",");
                }
                out.passing(column);
            }
            out.raw("]");
        } else {
            out.raw("null");
        }
        out.raw(r#","rows":["#);
    }

    fn row<'a>(&self, out: &mut Writer<'a>, version: &str, object: &'a Arc<Value>, view: &'a Value, now: Timestamp) {
        out.raw(r#"{"cells":["#);
        for (at, cell) in self.cells(object, view, now).iter().enumerate() {
            if at > 0 {
                out.raw(",");
            }
            out.passing(cell);
        }
        out.raw("]");
        if let Some(conditions) = table::conditions(self.kind, object) {
            out.raw(r#","conditions":"#);
            out.passing(&conditions);
        }
        out.raw(r#","object":"#);
        match self.include {
            Include::Nothing => out.raw("null"),
            Include::Metadata => partial(out, version, &object["metadata"]),
            Include::Object => out.value(view),
        }
        out.raw("}");
    }

    /// # Errors
    /// `NotAcceptable` for a list where a single object was asked for.
    pub fn list(&self, list: &List, now: Timestamp) -> Result<(Bytes, &'static str)> {
        if self.form.shape == Shape::Metadata {
            let message = format!("you requested PartialObjectMetadata, but the requested object is a list (*{}.{}List)", self.package(), self.kind.kind());
            return Err(Failure::not_acceptable(message));
        }
        let custom = self.custom.is_some();
        let views: Vec<Arc<Value>> = list.items.iter().map(|it| self.view(it)).collect();
        let mut objects: Vec<(&Arc<Value>, &Value)> = list.items.iter().zip(&views).map(|(object, view)| (object, &**view)).collect();
        let mut metadata = list.metadata();
        let mut out = Writer::of_many(objects.len());
        match self.form.shape {
            Shape::Object => {
                if custom && metadata["continue"].is_null() {
                    metadata["continue"] = "".into();
                }
                let kind = self.custom.as_ref().map_or_else(|| format!("{}List", self.kind.kind()), |it| it.list_kind.clone());
                begin_list(&mut out, &kind, &self.kind.api_version(), &metadata);
                for (at, (_, view)) in objects.iter().enumerate() {
                    out.raw(if at > 0 { "," } else { "" });
                    ahead(&out, at, &objects);
                    match view.as_object() {
                        // An object within a list does not repeat the kind that the list names; custom kinds are not so thrifty.
                        Some(map) if !custom => {
                            out.raw("{");
                            out.members(map.iter().filter(|(name, _)| *name != "kind" && *name != "apiVersion"));
                            out.raw("}");
                        }
                        _ => out.value(view),
                    }
                }
                out.raw("]}");
            }
            Shape::Metadata | Shape::MetadataList => {
                begin_list(&mut out, "PartialObjectMetadataList", "meta.k8s.io/v1", &metadata);
                for (at, (object, _)) in objects.iter().enumerate() {
                    out.raw(if at > 0 { "," } else { "" });
                    partial(&mut out, "v1", &object["metadata"]);
                }
                out.raw("]}");
            }
            Shape::Table(version) => {
                if self.kind == Kind::FLOWSCHEMAS {
                    // They are shown in the order in which they are tried.
                    objects.sort_by_key(|(it, _)| it["spec"]["matchingPrecedence"].as_i64());
                }
                self.table(&mut out, version, &metadata, true, &objects, now);
            }
        }
        Ok(negotiate::formed(out.finish(), self.form))
    }

    /// The lines with which a watch begins: what is there.
    pub fn present(&self, objects: &[&Arc<Value>], now: Timestamp) -> Vec<u8> {
        let views: Vec<Arc<Value>> = objects.iter().map(|it| self.view(it)).collect();
        let objects: Vec<(&Arc<Value>, &Value)> = objects.iter().zip(&views).map(|(object, view)| (*object, &**view)).collect();
        let mut out = Writer::of_many(objects.len());
        for (at, (object, view)) in objects.iter().enumerate() {
            ahead(&out, at, &objects);
            out.raw(ADDED);
            self.write(&mut out, view, object, now, at == 0);
            out.raw(END);
        }
        out.finish()
    }

    /// One line of a watch; the columns of a table are sent with the first only.
    pub fn event(&self, change: &str, object: &Arc<Value>, now: Timestamp, first: bool) -> Vec<u8> {
        let view = self.view(object);
        let mut out = begin_event(change);
        self.write(&mut out, &view, object, now, first);
        end_event(out)
    }

    /// A bookmark, which says up to where all events were sent.
    pub fn bookmark(&self, version: u64, ends_initial_events: bool, first: bool) -> Vec<u8> {
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        if ends_initial_events {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let object = json!({ "kind": self.kind.kind(), "apiVersion": self.kind.api_version(), "metadata": metadata });
        let mut out = begin_event("BOOKMARK");
        match self.form.shape {
            Shape::Object => out.value(&object),
            Shape::Metadata | Shape::MetadataList => partial(&mut out, "v1", &metadata),
            Shape::Table(table_version) => {
                self.begin_table(&mut out, table_version, &json!({ "resourceVersion": version.to_string() }), first);
                let object = json!({ "kind": "PartialObjectMetadata", "apiVersion": format!("meta.k8s.io/{table_version}"), "metadata": metadata });
                out.passing(&json!({ "cells": vec![Value::Null; self.columns().len()], "object": object }));
                out.raw("]}");
            }
        }
        end_event(out)
    }
}

/// How many objects are looked at before they are written.
const AHEAD: usize = 32;

fn ahead<'a>(out: &Writer<'a>, at: usize, objects: &[(&'a Arc<Value>, &'a Value)]) {
    if at.is_multiple_of(AHEAD) && objects.len() > 1 {
        out.look_ahead(objects[at..].iter().take(AHEAD).map(|(_, view)| *view));
    }
}

fn ahead_at<'a>(out: &Writer<'a>, at: usize, objects: &[(&'a Arc<Value>, &'a Value)], fields: &[&str]) {
    if at.is_multiple_of(AHEAD) && objects.len() > 1 {
        out.look_ahead(objects[at..].iter().take(AHEAD).flat_map(|(_, view)| fields.iter().filter_map(|field| view.get(*field))));
    }
}

/// An object of which only the metadata is written.
fn partial<'a>(out: &mut Writer<'a>, version: &str, metadata: &'a Value) {
    out.raw(r#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/"#);
    out.raw(version);
    out.raw(r#"","metadata":"#);
    out.value(metadata);
    out.raw("}");
}

/// A list up to its first item.
fn begin_list(out: &mut Writer<'_>, kind: &str, api_version: &str, metadata: &Value) {
    out.raw(r#"{"kind":"#);
    out.text(kind);
    out.raw(r#","apiVersion":"#);
    out.text(api_version);
    out.raw(r#","metadata":"#);
    out.passing(metadata);
    out.raw(r#","items":["#);
}

const ADDED: &str = r#"{"type":"ADDED","object":"#;
const END: &str = "}\n";

/// A line of a watch up to its object.
fn begin_event<'a>(change: &str) -> Writer<'a> {
    let mut out = Writer::of_one();
    out.raw(r#"{"type":""#);
    out.raw(change);
    out.raw(r#"","object":"#);
    out
}

fn end_event(mut out: Writer<'_>) -> Vec<u8> {
    out.raw(END);
    out.finish()
}

/// The line that ends a watch with a failure.
pub fn error_line(failure: &Failure) -> Vec<u8> {
    let mut out = begin_event("ERROR");
    out.passing(&failure.to_value());
    end_event(out)
}
