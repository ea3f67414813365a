//! Sets compared with FieldsV1 as it is written, without reading it into a set.

use super::{Element, Set};
use crate::sim::json::{Map, Value};

/// Whether a path is a member, by what is written for it: a leaf is, and what says so.
fn is_member(written: &Value) -> bool {
    written.as_object().is_none_or(|map| map.contains_key(".") || map.is_empty())
}

fn written<'a>(fields: &'a Value, element: &Element) -> Option<&'a Value> {
    let map: &Map = fields.as_object()?;
    match element {
        Element::Field(name) => map.get(&format!("f:{name}")),
        other => map.get(&other.to_key()),
    }
}

impl Set {
    /// Whether a path of the set is a member of what is written.
    pub fn meets(&self, fields: &Value) -> bool {
        self.members.iter().any(|element| written(fields, element).is_some_and(is_member))
            || self.children.iter().any(|(element, child)| written(fields, element).is_some_and(|below| child.meets(below)))
    }

    /// Whether all paths of the set are members of what is written.
    pub fn is_within(&self, fields: &Value) -> bool {
        self.members.iter().all(|element| written(fields, element).is_some_and(is_member))
            && self.children.iter().all(|(element, child)| child.is_empty() || written(fields, element).is_some_and(|below| child.is_within(below)))
    }
}
