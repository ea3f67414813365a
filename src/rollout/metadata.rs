//! `annotate` and `label`: keys of any object's metadata, set or removed.

use serde_json::{Map, Value, json};

use super::change::{Change, Request};
use super::containers::plain;
use crate::error::{Error, Result};
use crate::resource::Target;

/// # Errors
/// `invalid`: a key that no annotation can have, a value that is no text, an empty map.
pub fn annotate(target: &Target, object: &Value, annotations: &Map<String, Value>) -> Result<Change> {
    change("annotate", "annotations", "annotated", target, object, annotations)
}

/// # Errors
/// `invalid`: a key or a value that no label can have, an empty map.
pub fn label(target: &Target, object: &Value, labels: &Map<String, Value>) -> Result<Change> {
    for (key, value) in labels {
        if let Some(text) = plain(key, value)?.filter(|text| !text.is_empty() && !is_name(text)) {
            return Err(Error::invalid(format!("{text:?} is no value for label {key:?}")).hint(NAME).target(target));
        }
    }
    change("label", "labels", "labeled", target, object, labels)
}

const NAME: &str = "at most 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends";

fn change(verb: &'static str, field: &str, done: &str, target: &Target, object: &Value, map: &Map<String, Value>) -> Result<Change> {
    if map.is_empty() {
        return Err(Error::invalid(format!("no {field} to change")).target(target));
    }
    let mut edits = Map::new();
    for (key, value) in map {
        if !is_key(key) {
            return Err(Error::invalid(format!("{key:?} is no key for {field}"))
                .hint(format!("a key is NAME or PREFIX/NAME; the name: {NAME}"))
                .target(target));
        }
        let value = plain(key, value)?.map_or(Value::Null, Value::String);
        let present = object["metadata"][field].get(key).unwrap_or(&Value::Null);
        if *present != value {
            edits.insert(key.clone(), value);
        }
    }
    if edits.is_empty() {
        return Ok(Change::new(verb, target.clone(), object, Request::Nothing, &format!("not {done}")));
    }
    let removes = edits.values().all(Value::is_null);
    let done = if verb == "label" && removes { "unlabeled" } else { done };
    Ok(Change::new(verb, target.clone(), object, Request::MergePatch(json!({"metadata": {field: edits}})), done))
}

/// A qualified name: `app`, `app.kubernetes.io/name`.
fn is_key(key: &str) -> bool {
    match key.split_once('/') {
        Some((prefix, name)) => is_name(name) && prefix.len() <= 253 && prefix.split('.').all(is_dns_label),
        None => is_name(key),
    }
}

fn is_name(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && ends(text.chars().next())
        && ends(text.chars().last())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

fn is_dns_label(text: &str) -> bool {
    is_name(text) && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::sample::{deployment, workload};

    fn web() -> (Target, Value) {
        let mut object = deployment("a");
        object["metadata"]["labels"] = json!({"tier": "front"});
        object["metadata"]["annotations"] = json!({"mine": "1"});
        (workload(object.clone()).target(), object)
    }

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().expect("a map").clone()
    }

    #[test]
    fn keys_are_set_and_removed_in_kubectls_words() {
        let (target, object) = web();
        let change = annotate(&target, &object, &map(json!({"mine": null, "a.b/c": 5, "gone": null}))).expect("a change");
        assert_eq!(change.request, Request::MergePatch(json!({"metadata": {"annotations": {"mine": null, "a.b/c": "5"}}})));
        assert_eq!(change.done, "deployment.apps/web annotated");
        for (labels, done) in [
            (json!({"tier": "back"}), "deployment.apps/web labeled"),
            (json!({"tier": null}), "deployment.apps/web unlabeled"),
            (json!({"tier": "front"}), "deployment.apps/web not labeled"),
        ] {
            assert_eq!(label(&target, &object, &map(labels)).expect("a change").done, done);
        }
    }

    #[test]
    fn what_no_key_or_value_can_be_is_refused() {
        let (target, object) = web();
        for bad in ["", "a b", "/x", "x/", "A.b/x/y", "UPPER.example/x", "-a", &"x".repeat(64)] {
            assert!(annotate(&target, &object, &map(json!({bad: "1"}))).is_err(), "{bad}");
        }
        for bad in ["a b", "a/b", "-", &"x".repeat(64)] {
            assert!(label(&target, &object, &map(json!({"tier": bad}))).is_err(), "{bad}");
        }
        for good in ["app.kubernetes.io/name", "kubernetes.io/change-cause", "A_b.c-D", "x"] {
            assert!(annotate(&target, &object, &map(json!({good: "any text, even this"}))).is_ok(), "{good}");
        }
        assert!(label(&target, &object, &map(json!({"tier": ""}))).is_ok(), "an empty label value is one");
        assert!(annotate(&target, &object, &Map::new()).is_err());
    }
}
