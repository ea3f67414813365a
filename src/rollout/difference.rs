//! What differs between two pod templates, in a few words each.

use serde_json::Value;

use super::object::{items, text};
use super::template::{self, RESTARTED_AT};

/// Longer values are cut: the whole is in a diff.
const LONGEST: usize = 60;

/// What is new in `after`: `image web: shop/web:1 -> shop/web:2`, `env MODE of web: dark -> light`, `restarted`.
pub fn between(before: &Value, after: &Value) -> Vec<String> {
    let (before, after) = (template::canonical(before), template::canonical(after));
    let mut found = Vec::new();
    let stamp = |template: &Value| template["metadata"]["annotations"].get(RESTARTED_AT).cloned();
    if stamp(&after).is_some() && stamp(&before) != stamp(&after) {
        found.push("restarted".to_owned());
    }
    for field in ["initContainers", "containers"] {
        containers(&before["spec"][field], &after["spec"][field], &mut found);
    }
    for (what, path) in [("annotation", "annotations"), ("label", "labels")] {
        let skip = |key: &str| key == RESTARTED_AT;
        keys(&before["metadata"][path], &after["metadata"][path], skip, |key| format!("{what} {key}"), &mut found);
    }
    let is_container = |key: &str| key == "initContainers" || key == "containers";
    keys(&before["spec"], &after["spec"], is_container, str::to_owned, &mut found);
    found
}

fn containers(before: &Value, after: &Value, found: &mut Vec<String>) {
    let name = |container: &Value| text(&container["name"]).to_owned();
    for container in items(after) {
        let name = name(container);
        let Some(old) = items(before).iter().find(|old| old["name"] == container["name"]) else {
            found.push(format!("container {name} added with {}", text(&container["image"])));
            continue;
        };
        changed(&old["image"], &container["image"], &format!("image {name}"), found);
        named(&old["env"], &container["env"], |variable| format!("env {variable} of {name}"), found);
        for kind in ["requests", "limits"] {
            let (old, new) = (&old["resources"][kind], &container["resources"][kind]);
            keys(old, new, |_| false, |amount| format!("{kind} {amount} of {name}"), found);
        }
        let told = |key: &str| matches!(key, "name" | "image" | "env" | "resources");
        keys(old, container, told, |key| format!("{key} of {name}"), found);
    }
    for old in items(before).iter().filter(|old| !items(after).iter().any(|container| container["name"] == old["name"])) {
        found.push(format!("container {} removed", name(old)));
    }
}

/// Lists whose items have names.
fn named(before: &Value, after: &Value, what: impl Fn(&str) -> String, found: &mut Vec<String>) {
    let plain = |item: &Value| {
        if item["valueFrom"].is_null() { item["value"].as_str().map_or(Value::String(String::new()), Value::from) } else { item["valueFrom"].clone() }
    };
    for item in items(after) {
        let old = items(before).iter().find(|old| old["name"] == item["name"]).map_or(Value::Null, plain);
        changed(&old, &plain(item), &what(text(&item["name"])), found);
    }
    for old in items(before).iter().filter(|old| !items(after).iter().any(|item| item["name"] == old["name"])) {
        changed(&plain(old), &Value::Null, &what(text(&old["name"])), found);
    }
}

/// Maps, key by key.
fn keys(before: &Value, after: &Value, skip: impl Fn(&str) -> bool, what: impl Fn(&str) -> String, found: &mut Vec<String>) {
    let all = |value: &Value| value.as_object().map(|map| map.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
    let mut names = all(before);
    names.extend(all(after));
    names.sort();
    names.dedup();
    for name in names.iter().filter(|name| !skip(name)) {
        changed(&before[name.as_str()], &after[name.as_str()], &what(name), found);
    }
}

fn changed(before: &Value, after: &Value, what: &str, found: &mut Vec<String>) {
    if before == after {
        return;
    }
    found.push(match (before, after) {
        (_, Value::Null) => format!("{what} removed"),
        (Value::Null, new) => short(new).map_or_else(|| format!("{what} added"), |new| format!("{what} added: {new}")),
        (old, new) => match (short(old), short(new)) {
            (Some(old), Some(new)) => format!("{what}: {old} -> {new}"),
            _ => format!("{what} changed"),
        },
    });
}

/// A value in words; `None` for what is nested.
fn short(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) => return None,
        other => other.to_string(),
    };
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(if flat.chars().count() > LONGEST { flat.chars().take(LONGEST).chain("...".chars()).collect() } else { flat })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn template(change: impl FnOnce(&mut Value)) -> Value {
        let mut template = json!({
            "metadata": {"labels": {"app": "web"}},
            "spec": {"terminationGracePeriodSeconds": 30, "containers": [{
                "name": "web", "image": "shop/web:1", "env": [{"name": "MODE", "value": "dark"}], "resources": {"limits": {"memory": "128Mi"}}
            }]},
        });
        change(&mut template);
        template
    }

    #[test]
    fn each_difference_has_its_words() {
        let container = "/spec/containers/0";
        for (path, value, expected) in [
            ("", json!(null), ""),
            ("/image", json!("shop/web:2"), "image web: shop/web:1 -> shop/web:2"),
            ("/env", json!([{"name": "MODE", "value": "light"}]), "env MODE of web: dark -> light"),
            ("/env", json!([{"name": "MODE", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]), "env MODE of web changed"),
            ("/env", json!([]), "env MODE of web removed"),
            ("/resources", json!({"limits": {"memory": "131072Ki"}}), ""),
            ("/resources", json!({"limits": {"memory": "1Gi"}, "requests": {"cpu": "1"}}), "requests cpu of web added: 1000000000n, limits memory"),
            ("/command", json!(["sh"]), "command of web added"),
        ] {
            let after = template(|template| {
                if !path.is_empty() {
                    template.pointer_mut(container).expect("there")[&path[1..]] = value;
                }
            });
            let found = between(&template(|_| ()), &after).join(", ");
            assert!(if expected.is_empty() { found.is_empty() } else { found.starts_with(expected) }, "{path}: {found}");
        }
    }

    #[test]
    fn restarts_labels_and_containers_are_told() {
        let after = template(|template| {
            template["metadata"]["annotations"] = json!({RESTARTED_AT: "2026-11-22T20:00:00Z"});
            template["metadata"]["labels"]["tier"] = "front".into();
            template["spec"]["containers"] = json!([{"name": "proxy", "image": "proxy:1"}]);
            template["spec"]["terminationGracePeriodSeconds"] = 5.into();
        });
        assert_eq!(
            between(&template(|_| ()), &after),
            ["restarted", "container proxy added with proxy:1", "container web removed", "label tier added: front", "terminationGracePeriodSeconds: 30 -> 5"]
        );
    }
}
