//! Pod templates: when two are the same to a controller, and the bytes in which a ControllerRevision keeps one.

use serde_json::{Map, Value, json};

use super::object::{items, text};
use super::quantity;

const HASH_LABEL: &str = "pod-template-hash";
/// What `rollout restart` sets in the template, so that it differs.
pub const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// Fields whose Go type is a map, or a struct that is always written: absent and empty are the same. An empty *pointer*
/// (`securityContext: {}`, `emptyDir: {}`) is not the same as none, neither to a controller nor here.
const EMPTY_IS_ABSENT: &[&str] =
    &["annotations", "labels", "limits", "matchLabels", "metadata", "nodeSelector", "options", "overhead", "requests", "resources", "volumeAttributes"];

/// Fields that hold quantities, or maps of them.
const QUANTITIES: &[&str] = &["divisor", "limits", "overhead", "requests", "sizeLimit"];

/// A ReplicaSet's template as its Deployment has it: without the label `pod-template-hash`.
pub fn bare(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(HASH_LABEL);
    }
    template
}

/// Whether two templates are one to the controllers: without the hash label, nothing and empty alike, quantities by value.
///
/// # Source
/// `EqualIgnoreHash` of the Deployment controller (SEMANTICS 5A.2), which compares defaulted objects: so must the caller.
pub fn same(a: &Value, b: &Value) -> bool {
    a == b || canonical(a) == canonical(b)
}

/// As `same`, and a restart makes no difference.
pub fn same_but_restart(a: &Value, b: &Value) -> bool {
    without_restart(a) == without_restart(b)
}

pub(super) fn without_restart(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(annotations) = template.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(RESTARTED_AT);
    }
    canonical(&template)
}

/// A form that is equal exactly for templates that are the same.
pub(super) fn canonical(template: &Value) -> Value {
    reduce("", &bare(template)).unwrap_or(Value::Null)
}

fn reduce(key: &str, value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Array(list) if list.is_empty() => None,
        Value::Array(list) => Some(list.iter().map(|item| reduce("", item).unwrap_or(Value::Null)).collect()),
        Value::Object(map) => {
            let amounts = QUANTITIES.contains(&key);
            let map: Map<String, Value> = map
                .iter()
                .filter_map(|(name, value)| {
                    let value = if amounts { amount(value) } else { reduce(name, value) };
                    Some((name.clone(), value?))
                })
                .collect();
            (!map.is_empty() || !EMPTY_IS_ABSENT.contains(&key)).then_some(Value::Object(map))
        }
        other if QUANTITIES.contains(&key) => amount(other),
        other => Some(other.clone()),
    }
}

fn amount(value: &Value) -> Option<Value> {
    let written = match value {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some(quantity::parse(&written).map_or(written, |billionths| format!("{billionths}n")).into())
}

/// Container name to image; init containers too, since they can be set.
pub fn images(template: &Value) -> Map<String, Value> {
    let spec = &template["spec"];
    let all = items(&spec["initContainers"]).iter().chain(items(&spec["containers"]));
    all.map(|container| (text(&container["name"]).to_owned(), container["image"].clone())).collect()
}

/// What a ControllerRevision of this template holds as `data`: a strategic merge patch that replaces the whole template.
///
/// # Source
/// `getPatch` of the StatefulSet and DaemonSet controllers and of kubectl's rollbacker.
pub fn revision_data(template: &Value) -> Value {
    let mut template = template.as_object().cloned().unwrap_or_default();
    template.insert("$patch".into(), "replace".into());
    json!({"spec": {"template": template}})
}

/// The template out of a ControllerRevision's `data`; `None` when it holds none.
pub fn of_revision_data(data: &Value) -> Option<Value> {
    let mut template = data.pointer("/spec/template")?.as_object()?.clone();
    template.remove("$patch");
    Some(Value::Object(template))
}

/// JSON as Go writes a map: keys sorted, no spaces, `<`, `>`, `&` and two line separators escaped.
pub fn go_json(value: &Value) -> String {
    let plain = value.to_string();
    let mut escaped = String::with_capacity(plain.len());
    for c in plain.chars() {
        // None of these has a meaning in JSON outside of strings.
        match c {
            '<' => escaped.push_str("\\u003c"),
            '>' => escaped.push_str("\\u003e"),
            '&' => escaped.push_str("\\u0026"),
            '\u{2028}' => escaped.push_str("\\u2028"),
            '\u{2029}' => escaped.push_str("\\u2029"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(spec: Value) -> Value {
        json!({"metadata": {"labels": {"app": "web"}}, "spec": spec})
    }

    #[test]
    fn templates_are_the_same_when_a_controller_says_so() {
        let with_hash = json!({"metadata": {"labels": {"app": "web", "pod-template-hash": "6fbc6c6497"}}, "spec": {}});
        for (a, b) in [
            (with_hash, pod(json!({}))),
            (json!({"metadata": {"creationTimestamp": null, "annotations": {}}, "spec": {}}), json!({"spec": {}})),
            (pod(json!({"volumes": [], "nodeSelector": {}})), pod(json!({}))),
            (
                pod(json!({"containers": [{"name": "web", "resources": {"limits": {"cpu": "1000m", "memory": "1Gi"}}}]})),
                pod(json!({"containers": [{"name": "web", "resources": {"limits": {"cpu": 1, "memory": "1024Mi"}}}]})),
            ),
            (pod(json!({"containers": [{"name": "web", "resources": {}}]})), pod(json!({"containers": [{"name": "web"}]}))),
        ] {
            assert!(same(&a, &b), "{a} {b}");
        }
    }

    #[test]
    fn templates_differ_when_a_controller_says_so() {
        for (a, b) in [
            (pod(json!({"securityContext": {}})), pod(json!({}))),
            (pod(json!({"containers": [{"name": "web", "image": "a:1"}]})), pod(json!({"containers": [{"name": "web", "image": "a:2"}]}))),
            (pod(json!({"containers": [{"name": "web", "args": ["a", "b"]}]})), pod(json!({"containers": [{"name": "web", "args": ["b", "a"]}]}))),
            (json!({"metadata": {"annotations": {RESTARTED_AT: "x"}}}), json!({})),
        ] {
            assert!(!same(&a, &b), "{a} {b}");
        }
    }

    #[test]
    fn a_restart_alone_can_be_seen_through() {
        let restarted = json!({"metadata": {"annotations": {RESTARTED_AT: "x"}}, "spec": {"a": 1}});
        assert!(same_but_restart(&restarted, &json!({"spec": {"a": 1}})));
        assert!(!same_but_restart(&restarted, &json!({"spec": {"a": 2}})));
    }

    #[test]
    fn go_escapes_what_html_would_read() {
        assert_eq!(go_json(&json!({"b": "<a>&\u{2028}\"", "a": 1})), r#"{"a":1,"b":"\u003ca\u003e\u0026\u2028\""}"#);
    }
}
