//! Strategic merge patches of named containers in a workload's template, as kubectl's `set` commands make them.

use serde_json::{Map, Value, json};

use super::change::{Change, Precondition, Request};
use super::object::{items, text};
use super::workload::Workload;
use crate::error::{Error, Result};

/// The change that merges into each container what `edit` says; nothing where it says nothing.
///
/// Conditional on the object that was looked at: merged by name, an edit of a container that somebody removed meanwhile would add it again.
pub(super) fn change(verb: &'static str, workload: &Workload, done: &str, mut edit: impl FnMut(&Value) -> Result<Option<Value>>) -> Result<Change> {
    let mut edits: Map<String, Value> = Map::new();
    for (field, container) in workload.containers() {
        let Some(mut body) = edit(container)? else { continue };
        body["name"] = container["name"].clone();
        let order: Vec<Value> = items(&workload.template()["spec"][field]).iter().map(|it| json!({"name": it["name"]})).collect();
        edits.insert(format!("$setElementOrder/{field}"), order.into());
        if let Some(list) = edits.entry(field).or_insert_with(|| json!([])).as_array_mut() {
            list.push(body);
        }
    }
    if edits.is_empty() {
        return Ok(Change::of(verb, workload, Request::Nothing, &format!("{done} (no change)")));
    }
    let mut change = Change::of(verb, workload, Request::StrategicPatch(json!({"spec": {"template": {"spec": edits}}})), done);
    change.precondition = Some(Precondition::of(workload.object()));
    Ok(change)
}

/// # Errors
/// `invalid` when the template has no container of this name; the hint names those that there are.
pub(super) fn must_exist(workload: &Workload, container: &str) -> Result<()> {
    if workload.containers().any(|(_, it)| it["name"] == container) {
        return Ok(());
    }
    let names: Vec<&str> = workload.containers().map(|(_, it)| text(&it["name"])).collect();
    Err(Error::invalid(format!("unable to find container named {container:?} in {}", workload.target()))
        .hint(format!("its containers: {}", names.join(", ")))
        .target(workload.target()))
}

/// A value as the text that it shall be: text, numbers and truth values; `None` is removal.
///
/// # Errors
/// `invalid` for anything else.
pub(super) fn plain(key: &str, value: &Value) -> Result<Option<String>> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Bool(_) | Value::Number(_) => Ok(Some(value.to_string())),
        Value::Array(_) | Value::Object(_) => {
            Err(Error::invalid(format!("the value of {key:?} is neither text nor a number")).hint("write it as text; () removes the key"))
        }
    }
}
