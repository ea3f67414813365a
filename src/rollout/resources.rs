//! `set_resources`: requests and limits of a template's containers.

use serde_json::{Map, Value};

use super::change::Change;
use super::containers::{self, plain};
use super::quantity;
use super::workload::Workload;
use crate::error::{Error, Result};

/// Sets `#{limits: #{cpu: "200m"}, requests: #{memory: "64Mi"}}` in all containers, init containers too, or in one. `()` as an amount
/// removes it, `()` in place of a map removes them all.
///
/// # Errors
/// `invalid`: an unknown container, a quantity that is none, a resource that no container has; `usage`: another key than `limits` and `requests`.
///
/// # Source
/// kubectl 1.36 `set resources`, which cannot remove.
pub fn set_resources(workload: &Workload, resources: &Map<String, Value>, container: Option<&str>) -> Result<Change> {
    let target = workload.target();
    if resources.is_empty() {
        return Err(Error::invalid("you must specify an update to requests or limits").target(target));
    }
    if let Some(container) = container {
        containers::must_exist(workload, container)?;
    }
    for (key, amounts) in resources {
        if !matches!(key.as_str(), "limits" | "requests") {
            return Err(Error::usage(format!("unknown key {key:?}"))
                .hint("limits and requests are the keys, as in #{limits: #{cpu: \"200m\"}}")
                .target(target));
        }
        let amounts = match amounts {
            Value::Null => continue,
            Value::Object(amounts) => amounts,
            _ => {
                return Err(Error::invalid(format!("{key} is no map of resources to quantities"))
                    .hint("write #{cpu: \"200m\", memory: \"64Mi\"}")
                    .target(target));
            }
        };
        for (resource, amount) in amounts {
            check(resource, amount).map_err(|error| error.target(&target))?;
        }
    }
    containers::change("set_resources", workload, "resource requirements updated", |it| {
        if container.is_some_and(|container| it["name"] != container) {
            return Ok(None);
        }
        edit(&it["resources"], resources)
    })
}

fn check(resource: &str, amount: &Value) -> Result<()> {
    let standard = matches!(resource, "cpu" | "memory" | "ephemeral-storage") || resource.starts_with("hugepages-");
    if !standard && !resource.contains('/') {
        return Err(
            Error::invalid(format!("{resource:?} is no resource of a container")).hint("cpu, memory, ephemeral-storage, hugepages-SIZE and VENDOR/NAME are")
        );
    }
    match plain(resource, amount)? {
        Some(text) if quantity::parse(&text).is_none_or(|amount| amount < 0) => {
            Err(Error::invalid(format!("{text:?} is no quantity of {resource}")).hint("quantities are written \"500m\", \"2\", \"64Mi\", \"1Gi\""))
        }
        _ => Ok(()),
    }
}

fn edit(present: &Value, resources: &Map<String, Value>) -> Result<Option<Value>> {
    let mut edits = Map::new();
    for (key, amounts) in resources {
        let Value::Object(amounts) = amounts else {
            if present[key].is_object() {
                edits.insert(key.clone(), Value::Null);
            }
            continue;
        };
        let mut changed = Map::new();
        for (resource, amount) in amounts {
            let old = plain(resource, present[key].get(resource).unwrap_or(&Value::Null))?;
            let new = plain(resource, amount)?;
            if old.as_deref().map(quantity::parse) != new.as_deref().map(quantity::parse) {
                changed.insert(resource.clone(), new.map_or(Value::Null, Value::String));
            }
        }
        if !changed.is_empty() {
            edits.insert(key.clone(), Value::Object(changed));
        }
    }
    Ok((!edits.is_empty()).then(|| serde_json::json!({"resources": edits})))
}
