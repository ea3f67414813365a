//! Reading objects: names, owners, labels, counts and times as the controllers ask for them. Nothing here reads or writes the store.

use jiff::Timestamp;

use crate::sim::json::{Map, Value, json};
use crate::sim::kinds::Kind;

pub fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

pub fn namespace(object: &Value) -> &str {
    object["metadata"]["namespace"].as_str().unwrap_or_default()
}

pub fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

pub fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap_or_default()
}

pub fn generation(object: &Value) -> i64 {
    object["metadata"]["generation"].as_i64().unwrap_or(0)
}

pub fn observed_generation(object: &Value) -> i64 {
    object["status"]["observedGeneration"].as_i64().unwrap_or(0)
}

pub fn deleting(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["labels"][key].as_str()
}

pub fn labels(object: &Value) -> Option<&Map> {
    object["metadata"]["labels"].as_object()
}

pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"][key].as_str()
}

/// `spec.replicas`, 1 where it is absent as the server's default says.
pub fn replicas(object: &Value) -> i64 {
    object["spec"]["replicas"].as_i64().unwrap_or(1)
}

/// A count in the status; an absent one is 0.
pub fn status_count(object: &Value, field: &str) -> i64 {
    object["status"][field].as_i64().unwrap_or(0)
}

/// The text at a path, empty where it is absent.
pub fn text<'a>(object: &'a Value, path: &[&str]) -> &'a str {
    path.iter().fold(object, |value, key| &value[*key]).as_str().unwrap_or_default()
}

pub fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_default()
}

pub fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

pub fn created(object: &Value) -> Option<Timestamp> {
    time(&object["metadata"]["creationTimestamp"])
}

/// A moment as the API writes it: RFC 3339 in UTC with whole seconds.
pub fn stamp(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// A moment as events and leases write it: with six digits of a second.
pub fn micro_stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// The owner reference that is marked as the controller.
pub fn controller_of(object: &Value) -> Option<&Value> {
    list(&object["metadata"]["ownerReferences"]).iter().find(|owner| owner["controller"] == true)
}

pub fn controlled_by(object: &Value, owner: &Value) -> bool {
    controller_of(object).is_some_and(|reference| reference["uid"] == owner["metadata"]["uid"])
}

/// The reference that makes `owner` the controller of what carries it.
pub fn owner_reference(owner: &Value) -> Value {
    json!({
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    })
}

pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(&object["status"]["conditions"]).iter().find(|condition| condition["type"] == kind)
}

/// Sets a string in a map that may not be there yet; true when something changed.
pub fn set_text(map: &mut Value, key: &str, value: &str) -> bool {
    if map[key].as_str() == Some(value) {
        return false;
    }
    map[key] = Value::from(value);
    true
}

/// Sets a count, or leaves the field out when it is 0, as Go's `omitempty` does.
pub fn put_count(map: &mut Map, key: &str, count: i64) {
    if count == 0 {
        map.remove(key);
    } else {
        map.insert(key.to_owned(), Value::from(count));
    }
}

/// Whether a label selector (`matchLabels` and `matchExpressions`) matches. An absent selector matches nothing, an empty one everything.
pub fn selects(selector: &Value, labels: Option<&Map>) -> bool {
    if selector.is_null() {
        return false;
    }
    let value_of = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
    let equal = selector["matchLabels"].as_object().is_none_or(|wanted| wanted.iter().all(|(key, value)| value_of(key) == value.as_str()));
    equal
        && list(&selector["matchExpressions"]).iter().all(|expression| {
            let value = value_of(expression["key"].as_str().unwrap_or_default());
            let among = || value.is_some_and(|value| list(&expression["values"]).iter().any(|one| one == value));
            match expression["operator"].as_str() {
                Some("In") => among(),
                Some("NotIn") => !among(),
                Some("Exists") => value.is_some(),
                Some("DoesNotExist") => value.is_none(),
                _ => false,
            }
        })
}

/// Whether the selector of a workload matches: that of a ReplicationController is a plain map, and an empty one is none.
pub fn owner_selects(owner: &Value, labels: Option<&Map>) -> bool {
    let selector = &owner["spec"]["selector"];
    if kind(owner) != Kind::REPLICATIONCONTROLLERS.kind() {
        return selects(selector, labels);
    }
    selector.as_object().is_some_and(|wanted| !wanted.is_empty() && wanted.iter().all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value)))
}

/// Whether a selector has no requirement at all: such a selector is refused by controllers that own pods.
pub fn selects_everything(selector: &Value) -> bool {
    selector.is_object() && selector["matchLabels"].as_object().is_none_or(Map::is_empty) && list(&selector["matchExpressions"]).is_empty()
}

/// JSON as Go's encoder writes it: sorted keys, no spaces, and `<`, `>`, `&` escaped for HTML.
pub fn go_json(value: &Value) -> String {
    let plain = value.to_string();
    if !plain.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return plain;
    }
    let mut out = String::with_capacity(plain.len() + 16);
    for c in plain.chars() {
        match c {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_match_as_the_server_matches() {
        let labels = json!({"app": "web", "tier": "front"});
        let labels = labels.as_object();
        for (selector, matches) in [
            (json!({"matchLabels": {"app": "web"}}), true),
            (json!({"matchLabels": {"app": "db"}}), false),
            (json!({}), true),
            (Value::Null, false),
            (json!({"matchExpressions": [{"key": "app", "operator": "In", "values": ["db", "web"]}]}), true),
            (json!({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}), true),
            (json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}), false),
            (json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "zone", "operator": "Exists"}]}), false),
        ] {
            assert_eq!(selects(&selector, labels), matches, "{selector}");
        }
    }

    #[test]
    fn times_have_whole_seconds() {
        let at: Timestamp = "2026-11-22T19:24:03.901234Z".parse().expect("a time");
        assert_eq!(stamp(at), "2026-11-22T19:24:03Z");
        assert_eq!(micro_stamp(at), "2026-11-22T19:24:03.901234Z");
    }

    #[test]
    fn json_is_escaped_as_go_escapes_it() {
        assert_eq!(go_json(&json!({"b": "a<b>&c", "a": 1})), r#"{"a":1,"b":"a\u003cb\u003e\u0026c"}"#);
    }
}
