//! FieldsV1 changed as it is written, without reading it into a set: what a write does not change stays shared.

use std::sync::LazyLock;

use super::typed::{Mark, Node};
use crate::sim::json::{Map, Text, Value};

/// What says that a path with something below it is a member itself.
const SELF: &str = ".";

/// What a leaf is written as.
static LEAF: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));

/// What nobody owns: the server's own fields, at the top and in the metadata.
const SERVERS: [&str; 3] = ["f:apiVersion", "f:kind", "f:metadata"];
const SERVERS_METADATA: [&str; 9] =
    ["f:clusterName", "f:creationTimestamp", "f:generation", "f:managedFields", "f:name", "f:namespace", "f:resourceVersion", "f:selfLink", "f:uid"];

/// Where in an object a set begins.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Top,
    Metadata,
    Below,
}

impl Level {
    /// Whether a field of this level is the server's own.
    fn is_servers(self, key: &str) -> bool {
        match self {
            Level::Top => SERVERS.contains(&key),
            Level::Metadata => SERVERS_METADATA.contains(&key),
            Level::Below => false,
        }
    }

    fn below(self, key: &str) -> Self {
        if self == Level::Top && key == "f:metadata" { Level::Metadata } else { Level::Below }
    }
}

/// Whether somebody comes to own something by a change.
pub fn is_owned(nodes: &[Node]) -> bool {
    any(nodes, Level::Top)
}

fn any(nodes: &[Node], level: Level) -> bool {
    nodes.iter().any(|node| (node.mark == Mark::Changed && !level.is_servers(&node.key)) || any(&node.below, level.below(&node.key)))
}

/// What the one who changed something owns after it: what they had, without what is gone, with what they changed. `None` where that is what they had.
pub fn gained(fields: &Map, nodes: &[Node]) -> Option<Map> {
    edited(fields, nodes, true, Level::Top)
}

/// What others own after it: nothing of what was changed or is gone. `None` where that is what they had.
pub fn lost(fields: &Map, nodes: &[Node]) -> Option<Map> {
    edited(fields, nodes, false, Level::Top)
}

fn edited(fields: &Map, nodes: &[Node], gains: bool, level: Level) -> Option<Map> {
    let mut edits: Vec<(Text, Option<Value>)> = Vec::new();
    let mut members = fields.iter().peekable();
    for node in nodes {
        while members.next_if(|(key, _)| key.as_str() < node.key.as_str()).is_some() {}
        let present = members.next_if(|(key, _)| **key == node.key).map(|(_, value)| value);
        if let Some(edit) = edit(present, node, gains, level) {
            edits.push((node.key.clone(), edit));
        }
    }
    if edits.is_empty() {
        return None;
    }
    if edits.iter().all(|(key, edit)| edit.is_some() && fields.contains_key(key)) {
        let mut edited = fields.clone();
        edited.extend(edits.into_iter().filter_map(|(key, edit)| Some((key, edit?))));
        return Some(edited);
    }
    let mut members = fields.iter().peekable();
    let mut edited = Vec::with_capacity(fields.len() + edits.len());
    for (key, edit) in edits {
        while let Some((name, value)) = members.next_if(|(name, _)| name.as_str() < key.as_str()) {
            edited.push((name.clone(), value.clone()));
        }
        members.next_if(|(name, _)| **name == key);
        if let Some(value) = edit {
            edited.push((key, value));
        }
    }
    edited.extend(members.map(|(name, value)| (name.clone(), value.clone())));
    Some(edited.into())
}

/// What is written for a node instead of what is there: `None` where it stays, `Some(None)` where nothing is left.
fn edit(present: Option<&Value>, node: &Node, gains: bool, level: Level) -> Option<Option<Value>> {
    let none = Map::new();
    let map = present.and_then(Value::as_object);
    // A leaf is a member without saying so.
    let was_member = map.is_some_and(|it| it.is_empty() || it.contains_key(SELF));
    let is_member = match node.mark {
        Mark::Same => was_member,
        Mark::Removed => false,
        Mark::Changed => gains && !level.is_servers(&node.key),
    };
    let below = if node.below.is_empty() { None } else { edited(map.unwrap_or(&none), &node.below, gains, level.below(&node.key)) };
    if is_member == was_member && below.is_none() {
        return None;
    }
    let mut map = below.or_else(|| map.cloned()).unwrap_or_default();
    if map.is_empty() || (map.len() == 1 && map.contains_key(SELF)) {
        return Some(is_member.then(|| LEAF.clone()));
    }
    if map.contains_key(SELF) != is_member {
        match is_member {
            true => map.insert(crate::sim::json::arcstr::literal!("."), LEAF.clone()),
            false => map.remove(SELF),
        };
    }
    Some(Some(Value::Object(map)))
}
