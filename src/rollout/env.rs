//! `set_env`: environment variables of a template's containers.

use serde_json::{Map, Value, json};

use super::change::Change;
use super::containers::{self, plain};
use super::object::items;
use super::workload::Workload;
use crate::error::{Error, Result};

/// Sets variables in all containers, init containers too, or in one; `()` removes. A variable that came from a ConfigMap, a Secret or a
/// field gets the plain value in its place.
///
/// # Errors
/// `invalid`: an unknown container, a name that no variable can have, a value that is no text, an empty map.
///
/// # Source
/// kubectl 1.36 `set env`.
pub fn set_env(workload: &Workload, variables: &Map<String, Value>, container: Option<&str>) -> Result<Change> {
    if variables.is_empty() {
        return Err(Error::invalid("at least one environment variable must be provided").target(workload.target()));
    }
    if let Some(container) = container {
        containers::must_exist(workload, container)?;
    }
    for (name, value) in variables {
        if name.is_empty() || name.contains('=') || name.chars().any(|c| !c.is_ascii() || c.is_ascii_control()) {
            return Err(Error::invalid(format!("{name:?} is no name for an environment variable")).hint("letters, digits and _ do").target(workload.target()));
        }
        plain(name, value)?;
    }
    containers::change("set_env", workload, "env updated", |it| {
        if container.is_some_and(|container| it["name"] != container) {
            return Ok(None);
        }
        edit(items(&it["env"]), variables)
    })
}

fn edit(env: &[Value], variables: &Map<String, Value>) -> Result<Option<Value>> {
    let mut edits = Vec::new();
    let mut order: Vec<&Value> = env.iter().map(|it| &it["name"]).collect();
    let names: Vec<Value> = variables.keys().map(|name| name.as_str().into()).collect();
    for (name, value) in names.iter().zip(variables.values()) {
        let present = env.iter().find(|it| it["name"] == *name);
        match (plain(name.as_str().unwrap_or_default(), value)?, present) {
            (None, None) => {}
            (None, Some(_)) => {
                edits.push(json!({"name": name, "$patch": "delete"}));
                order.retain(|it| *it != name);
            }
            (Some(value), Some(present)) if present["valueFrom"].is_object() => edits.push(json!({"name": name, "value": value, "valueFrom": null})),
            // The API leaves an empty value out.
            (Some(value), Some(present)) if present["value"].as_str().unwrap_or_default() == value => {}
            (Some(value), Some(_)) => edits.push(json!({"name": name, "value": value})),
            (Some(value), None) => {
                edits.push(json!({"name": name, "value": value}));
                order.push(name);
            }
        }
    }
    if edits.is_empty() {
        return Ok(None);
    }
    let order: Vec<Value> = order.into_iter().map(|name| json!({"name": name})).collect();
    Ok(Some(json!({"env": edits, "$setElementOrder/env": order})))
}
