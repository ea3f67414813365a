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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::change::Request;
    use crate::rollout::sample::{deployment, workload};

    fn web() -> Workload {
        let mut object = deployment("shop/web:1");
        object["spec"]["template"]["spec"]["containers"] = json!([
            {"name": "web", "image": "a", "env": [{"name": "A", "value": "1"}, {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
            {"name": "proxy", "image": "b"}
        ]);
        workload(object)
    }

    fn after(variables: Value, container: Option<&str>) -> [Value; 2] {
        let change = set_env(&web(), variables.as_object().expect("a map"), container).expect("a change");
        assert!(change.does_nothing() || change.done == "deployment.apps/web env updated", "{}", change.done);
        let after = change.predicted().expect("fits");
        [0, 1].map(|at| after["spec"]["template"]["spec"]["containers"][at]["env"].clone())
    }

    #[test]
    fn variables_are_set_replaced_and_removed_in_all_containers() {
        assert_eq!(
            after(json!({"A": "2", "S": "plain", "N": 5}), None),
            [
                json!([{"name": "A", "value": "2"}, {"name": "S", "value": "plain"}, {"name": "N", "value": "5"}]),
                json!([{"name": "A", "value": "2"}, {"name": "N", "value": "5"}, {"name": "S", "value": "plain"}])
            ]
        );
        assert_eq!(after(json!({"A": null, "S": null}), None), [json!([]), Value::Null]);
    }

    #[test]
    fn one_container_can_be_meant() {
        assert_eq!(after(json!({"B": "1"}), Some("proxy"))[1], json!([{"name": "B", "value": "1"}]));
        assert_eq!(after(json!({"B": "1"}), Some("proxy"))[0], web().template()["spec"]["containers"][0]["env"]);
    }

    #[test]
    fn what_is_so_already_is_nothing_to_do() {
        let variables = json!({"A": "1", "NOT": null});
        assert_eq!(set_env(&web(), variables.as_object().expect("a map"), Some("web")).expect("nothing").request, Request::Nothing);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (variables, container, message) in [
            (json!({}), None, "at least one environment variable must be provided"),
            (json!({"A=B": "1"}), None, "\"A=B\" is no name for an environment variable"),
            (json!({"A": {"b": 1}}), None, "the value of \"A\" is neither text nor a number"),
            (json!({"A": "1"}), Some("zz"), "unable to find container named \"zz\" in deployment/web"),
        ] {
            let error = set_env(&web(), variables.as_object().expect("a map"), container).expect_err("refused");
            assert_eq!((error.kind().name(), error.message()), ("invalid", message));
        }
    }
}
