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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rollout::change::Request;
    use crate::rollout::sample::{deployment, workload};

    fn set(resources: Value) -> Result<Change> {
        let mut object = deployment("shop/web:1");
        object["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m"}});
        set_resources(&workload(object), resources.as_object().expect("a map"), None)
    }

    #[test]
    fn amounts_are_set_and_removed() {
        for (resources, expected) in [
            (json!({"limits": {"cpu": "2"}}), json!({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "100m"}})),
            (json!({"requests": {"memory": "64Mi"}}), json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "64Mi"}})),
            (json!({"limits": {"cpu": null}, "requests": null}), json!({"limits": {"memory": "1Gi"}})),
            (json!({"limits": {"cpu": 3}}), json!({"limits": {"cpu": "3", "memory": "1Gi"}, "requests": {"cpu": "100m"}})),
        ] {
            let change = set(resources).expect("a change");
            assert_eq!(change.done, "deployment.apps/web resource requirements updated");
            assert_eq!(change.predicted().expect("fits")["spec"]["template"]["spec"]["containers"][0]["resources"], expected);
        }
    }

    #[test]
    fn the_same_amount_written_otherwise_is_nothing_to_do() {
        assert_eq!(set(json!({"limits": {"cpu": "1000m", "memory": "1024Mi"}})).expect("nothing").request, Request::Nothing);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (resources, kind, message) in [
            (json!({}), "invalid", "you must specify an update to requests or limits"),
            (json!({"limit": {"cpu": "1"}}), "usage", "unknown key \"limit\""),
            (json!({"limits": "1"}), "invalid", "limits is no map of resources to quantities"),
            (json!({"limits": {"cpu": "1 core"}}), "invalid", "\"1 core\" is no quantity of cpu"),
            (json!({"limits": {"cpu": "-1"}}), "invalid", "\"-1\" is no quantity of cpu"),
            (json!({"limits": {"cpus": "1"}}), "invalid", "\"cpus\" is no resource of a container"),
        ] {
            let error = set(resources).expect_err("refused");
            assert_eq!((error.kind().name(), error.message()), (kind, message));
        }
    }
}
