//! What a patch makes of an object, without a server: RFC 6902, RFC 7386, and strategic merge as far as our own changes use it.
//!
//! Not here: defaulting, validation and everything else that only the API server does.

use serde_json::{Map, Value};

use super::object::items;
use crate::error::{Error, Result};

/// Lists that are merged item by item, with the key of an item. Every other list is replaced.
const MERGE_KEYS: &[(&str, &str)] = &[
    ("containers", "name"),
    ("initContainers", "name"),
    ("ephemeralContainers", "name"),
    ("volumes", "name"),
    ("env", "name"),
    ("imagePullSecrets", "name"),
    ("ports", "containerPort"),
    ("volumeMounts", "mountPath"),
    ("volumeDevices", "devicePath"),
    ("ownerReferences", "uid"),
    ("conditions", "type"),
    ("topologySpreadConstraints", "topologyKey"),
    ("hostAliases", "ip"),
];

/// # Errors
/// `conflict` when a `test` operation fails, `invalid` for any other operation that cannot be done.
pub(super) fn json_patch(object: &Value, operations: &Value) -> Result<Value> {
    let operations: json_patch::Patch =
        serde_json::from_value(operations.clone()).map_err(|error| Error::invalid("not a list of JSON patch operations").source(error))?;
    let mut object = object.clone();
    json_patch::patch(&mut object, &operations).map_err(|error| match error.kind {
        json_patch::PatchErrorKind::TestFailed => Error::conflict("the object is no longer what the change was decided on").source(error),
        _ => Error::invalid(format!("the patch does not fit the object: {error}")),
    })?;
    Ok(object)
}

pub(super) fn merge_patch(object: &Value, patch: &Value) -> Value {
    let mut object = object.clone();
    json_patch::merge(&mut object, patch);
    object
}

pub(super) fn strategic(object: &Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else { return patch.clone() };
    if patch.get("$patch").is_some_and(|directive| directive == "replace") {
        return Value::Object(patch.iter().filter(|(key, _)| *key != "$patch").map(|(key, value)| (key.clone(), value.clone())).collect());
    }
    let mut merged = object.as_object().cloned().unwrap_or_default();
    for (key, value) in patch.iter().filter(|(key, _)| !key.starts_with('$')) {
        if value.is_null() {
            merged.remove(key);
            continue;
        }
        let before = merged.get(key).unwrap_or(&Value::Null);
        let order = items(patch.get(&format!("$setElementOrder/{key}")).unwrap_or(&Value::Null));
        let after = match (value, MERGE_KEYS.iter().find(|(list, _)| list == key)) {
            (Value::Array(changes), Some((_, id))) => merge_list(items(before), changes, id, order),
            _ => strategic(before, value),
        };
        merged.insert(key.clone(), after);
    }
    Value::Object(merged)
}

fn merge_list(before: &[Value], changes: &[Value], id: &str, order: &[Value]) -> Value {
    let mut list = before.to_vec();
    for change in changes {
        let at = list.iter().position(|item| item[id] == change[id]);
        match (at, change["$patch"] == "delete") {
            (Some(at), true) => drop(list.remove(at)),
            (None, true) => {}
            (Some(at), false) => list[at] = strategic(&list[at], change),
            (None, false) => list.push(strategic(&Value::Null, change)),
        }
    }
    let rank = |item: &Value| order.iter().position(|wanted| wanted[id] == item[id]).unwrap_or(usize::MAX);
    list.sort_by_key(rank);
    Value::Array(list)
}

/// What a server-side apply sets; what it would take away (fields applied before and now left out) only the server knows.
pub(super) fn applied(object: &Value, manifest: &Value) -> Value {
    match (object, manifest) {
        (Value::Object(before), Value::Object(manifest)) => {
            let mut after: Map<String, Value> = before.clone();
            for (key, value) in manifest {
                let old = before.get(key).unwrap_or(&Value::Null);
                let new = match (value, MERGE_KEYS.iter().find(|(list, _)| list == key)) {
                    (Value::Array(changes), Some((_, id))) if changes.iter().all(|item| item.get(id).is_some()) => {
                        let mut list = items(old).to_vec();
                        for change in changes {
                            match list.iter().position(|item| item[id] == change[id]) {
                                Some(at) => list[at] = applied(&list[at], change),
                                None => list.push(change.clone()),
                            }
                        }
                        Value::Array(list)
                    }
                    _ => applied(old, value),
                };
                after.insert(key.clone(), new);
            }
            Value::Object(after)
        }
        _ => manifest.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_strategic_patch_merges_lists_by_key_and_keeps_no_directive() {
        let object = json!({"containers": [{"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}]}, {"name": "b", "image": "b:1"}], "args": [1, 2], "gone": 1});
        let patch = json!({
            "$setElementOrder/containers": [{"name": "b"}, {"name": "a"}],
            "containers": [{"name": "a", "image": "a:2", "env": [{"name": "X", "$patch": "delete"}, {"name": "Y", "value": "2"}]}],
            "args": [3], "gone": null
        });
        assert_eq!(
            strategic(&object, &patch),
            json!({"containers": [{"name": "b", "image": "b:1"}, {"name": "a", "image": "a:2", "env": [{"name": "Y", "value": "2"}]}], "args": [3]})
        );
    }

    #[test]
    fn a_replace_directive_leaves_nothing_of_what_was() {
        assert_eq!(strategic(&json!({"t": {"old": 1}}), &json!({"t": {"$patch": "replace", "new": {"x": 1}}})), json!({"t": {"new": {"x": 1}}}));
    }

    #[test]
    fn a_failed_test_is_a_conflict_and_a_missing_path_is_invalid() {
        let object = json!({"a": 1});
        let kind = |operations| json_patch(&object, &operations).expect_err("refused").kind().name();
        assert_eq!(kind(json!([{"op": "test", "path": "/a", "value": 2}])), "conflict");
        assert_eq!(kind(json!([{"op": "replace", "path": "/b", "value": 2}])), "invalid");
    }

    #[test]
    fn an_apply_leaves_what_it_does_not_name() {
        let object = json!({"spec": {"replicas": 3, "containers": [{"name": "a", "image": "a:1"}, {"name": "b"}]}});
        let manifest = json!({"spec": {"containers": [{"name": "a", "image": "a:2"}]}});
        assert_eq!(applied(&object, &manifest), json!({"spec": {"replicas": 3, "containers": [{"name": "a", "image": "a:2"}, {"name": "b"}]}}));
    }
}
