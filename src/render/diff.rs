//! Unified diffs of values, as YAML.

use serde_json::{Map, Value};
use similar::TextDiff;

use super::data;
use super::screen::{Text, Tone};

/// Lines of context around a difference, as `diff -u` has them.
const CONTEXT: usize = 3;

/// A unified diff of two values; empty when they are equal. An absent value is `Null`.
pub fn unified(before: &Value, after: &Value, before_name: &str, after_name: &str) -> String {
    if before == after {
        return String::new();
    }
    of_texts(&lines(before), &lines(after), before_name, after_name)
}

/// A unified diff of two texts; empty when they are equal.
pub fn of_texts(before: &str, after: &str, before_name: &str, after_name: &str) -> String {
    if before == after {
        return String::new();
    }
    TextDiff::from_lines(before, after).unified_diff().context_radius(CONTEXT).header(before_name, after_name).to_string()
}

fn lines(value: &Value) -> String {
    if value.is_null() { String::new() } else { data::yaml(value) + "\n" }
}

/// The diff of a change: like `unified`, without what the server writes itself (managedFields, resourceVersion, generation, status, ...).
/// The contents of Secrets are masked: what differs is still seen, what it is not.
///
/// # Source
/// kubectl 1.36 `diff.go`, `Masker`.
pub fn of_change(before: &Value, after: &Value) -> String {
    let (mut before, mut after) = (without_server_fields(before), without_server_fields(after));
    if before["kind"] == "Secret" || after["kind"] == "Secret" {
        mask(&mut before, &mut after);
    }
    unified(&before, &after, "before", "after")
}

fn mask(before: &mut Value, after: &mut Value) {
    for field in ["data", "stringData"] {
        let keys: Vec<String> = [&*before, &*after].iter().filter_map(|side| side[field].as_object()).flat_map(|map| map.keys().cloned()).collect();
        for key in keys {
            let differ = before[field].get(&key).is_some() && after[field].get(&key).is_some() && before[field][&key] != after[field][&key];
            for (side, when) in [(&mut *before, " (before)"), (&mut *after, " (after)")] {
                if let Some(value) = side.get_mut(field).and_then(|map| map.get_mut(&key)).filter(|value| !is_mask(value)) {
                    *value = format!("***{}", if differ { when } else { "" }).into();
                }
            }
        }
    }
}

/// A key that is on both sides is come to twice.
fn is_mask(value: &Value) -> bool {
    value.as_str().is_some_and(|text| matches!(text, "***" | "*** (before)" | "*** (after)"))
}

/// An object without the fields that say when and by whom it was written, which differ after every write and mean nothing to a reader.
pub fn without_server_fields(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(top) = object.as_object_mut() {
        top.remove("status");
        if let Some(metadata) = top.get_mut("metadata").and_then(Value::as_object_mut) {
            strip(metadata);
        }
    }
    object
}

fn strip(metadata: &mut Map<String, Value>) {
    for field in ["managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"] {
        metadata.remove(field);
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        // kubectl's copy of what was last applied repeats the whole object on one line.
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
}

/// A unified diff with colours; the signs at the line starts say the same.
pub fn styled(diff: &str) -> Text {
    let mut text = Text::new();
    for line in diff.split_inclusive('\n') {
        let tone = match line.as_bytes().first() {
            _ if line.starts_with("+++") || line.starts_with("---") => Tone::Strong,
            Some(b'+') => Tone::Good,
            Some(b'-') => Tone::Bad,
            Some(b'@') => Tone::Name,
            Some(b'\\') => Tone::Dim,
            _ => Tone::Plain,
        };
        text.push(tone, line);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(image: &str, generation: i64) -> Value {
        json!({
            "metadata": {
                "name": "web", "generation": generation, "resourceVersion": generation.to_string(), "managedFields": [{"manager": "kubectl"}],
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "team": "shop"}
            },
            "spec": {"replicas": 3, "template": {"spec": {"containers": [{"image": image, "name": "web"}]}}},
            "status": {"replicas": generation}
        })
    }

    #[test]
    fn the_diff_of_a_change_shows_what_was_meant_and_nothing_else() {
        assert_eq!(
            of_change(&deployment("shop/web:1", 3), &deployment("shop/web:2", 4)),
            "--- before\n+++ after\n@@ -7,5 +7,5 @@\n   template:\n     spec:\n       containers:\n-      - image: shop/web:1\n+      - image: shop/web:2\n         name: web\n"
        );
        assert_eq!(of_change(&deployment("shop/web:1", 3), &deployment("shop/web:1", 4)), "");
    }

    #[test]
    fn the_contents_of_a_secret_are_masked_and_what_differs_is_seen() {
        let secret = |data: Value| json!({"kind": "Secret", "metadata": {"name": "key"}, "data": data});
        let diff = of_change(&secret(json!({"a": "MQ==", "b": "Mg==", "gone": "Mw=="})), &secret(json!({"a": "MQ==", "b": "NA==", "new": "NQ=="})));
        assert_eq!(
            diff,
            "--- before\n+++ after\n@@ -1,7 +1,7 @@\n data:\n   a: '***'\n-  b: '*** (before)'\n-  gone: '***'\n+  b: '*** (after)'\n+  new: '***'\n kind: Secret\n metadata:\n   name: key\n"
        );
        assert!(!of_change(&Value::Null, &secret(json!({"a": "MQ=="}))).contains("MQ=="));
    }

    #[test]
    fn an_absent_value_is_all_added_or_all_removed() {
        assert_eq!(unified(&Value::Null, &json!({"a": 1}), "none", "new"), "--- none\n+++ new\n@@ -0,0 +1 @@\n+a: 1\n");
        assert_eq!(unified(&json!({"a": 1}), &Value::Null, "old", "none"), "--- old\n+++ none\n@@ -1 +0,0 @@\n-a: 1\n");
        assert_eq!(unified(&json!([1]), &json!([1]), "a", "b"), "");
    }

    #[test]
    fn colours_follow_the_signs() {
        let text = styled("--- a\n+++ b\n@@ -1 +1 @@\n-x\n+y\n z\n");
        assert_eq!(text.words(), "--- a\n+++ b\n@@ -1 +1 @@\n-x\n+y\n z\n");
        let tones: Vec<_> = text.0.iter().map(|(style, _)| *style).collect();
        assert_eq!(tones, [Tone::Strong, Tone::Strong, Tone::Name, Tone::Bad, Tone::Good, Tone::Plain].map(Tone::style));
    }
}
