//! JSON patch (RFC 6902) with the API server's liberties and words: indices from the end, `replace` of an absent map member, no operation for `null`.
//!
//! Not the json-patch crate: that one is stricter than the server, and its errors are others.

use super::{MAX_OPERATIONS, PatchFailure, REJECTED};
use crate::sim::json::{Map, Value};

/// Applies a list of operations.
///
/// # Errors
/// `BadRequest` when the patch is not a list of maps; `TooLarge` above `MAX_OPERATIONS`; `Unprocessable` when an operation does not apply, a failed `test` included.
///
/// # Source
/// `Patch.Apply` of evanphx/json-patch 4.13 as the API server 1.36 calls it. Does not fail when `replace` or `test` names an absent member of a map:
/// `replace` then adds it, `test` compares with null.
pub fn json(original: &Value, operations: &Value) -> Result<Value, PatchFailure> {
    let list = match operations {
        Value::Array(list) => &**list,
        Value::Null => &[],
        other => return Err(PatchFailure::BadRequest(format!("json: cannot unmarshal {} into Go value of type jsonpatch.Patch", go_name(other)))),
    };
    let mut parsed = Vec::with_capacity(list.len());
    for operation in list {
        match operation {
            Value::Object(map) => parsed.push(Operation(map)),
            other => return Err(PatchFailure::BadRequest(format!("json: cannot unmarshal {} into Go value of type jsonpatch.Operation", go_name(other)))),
        }
    }
    if parsed.len() > MAX_OPERATIONS {
        return Err(PatchFailure::TooLarge(format!("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}", parsed.len())));
    }
    // What exactly does not apply, the server keeps to itself.
    apply_all(original, &parsed).map_err(|_| PatchFailure::Unprocessable(REJECTED.to_owned()))
}

fn apply_all(original: &Value, operations: &[Operation<'_>]) -> Result<Value, String> {
    let mut document = original.clone();
    for operation in operations {
        operation.apply(&mut document)?;
    }
    Ok(document)
}

const MISSING: &str = "missing value";

struct Operation<'a>(&'a Map);

impl Operation<'_> {
    fn kind(&self) -> &str {
        self.0.get("op").and_then(Value::as_str).unwrap_or("unknown")
    }

    fn path(&self) -> Result<&str, String> {
        self.text("path", "operation missing path field")
    }

    fn from(&self) -> Result<&str, String> {
        self.text("from", "operation, missing from field")
    }

    fn text(&self, key: &str, absent: &str) -> Result<&str, String> {
        match self.0.get(key) {
            Some(Value::String(text)) => Ok(text.as_str()),
            None | Some(Value::Null) => Err(format!("{absent}: {MISSING}")),
            Some(other) => Err(format!("json: cannot unmarshal {} into Go value of type string", go_name(other))),
        }
    }

    /// The value; absent and null are one for all but `test`.
    fn value(&self) -> Value {
        self.0.get("value").cloned().unwrap_or(Value::Null)
    }

    fn apply(&self, document: &mut Value) -> Result<(), String> {
        match self.kind() {
            "add" => {
                let path = self.path().map_err(|_| format!("add operation failed to decode path: {MISSING}"))?;
                let at = Place::find(document, path).ok_or_else(|| format!("add operation does not apply: doc is missing path: \"{path}\": {MISSING}"))?;
                at.add(self.value()).map_err(|error| format!("error in add for path: '{path}': {error}"))
            }
            "remove" => {
                let path = self.path().map_err(|_| format!("remove operation failed to decode path: {MISSING}"))?;
                let at = Place::find(document, path).ok_or_else(|| format!("remove operation does not apply: doc is missing path: \"{path}\": {MISSING}"))?;
                at.remove().map_err(|error| format!("error in remove for path: '{path}': {error}"))
            }
            "replace" => self.replace(document),
            "move" => {
                let from = self.from().map_err(|error| format!("move operation failed to decode from: {error}"))?;
                let at = Place::find(document, from).ok_or_else(|| format!("move operation does not apply: doc is missing from path: {from}: {MISSING}"))?;
                let key = at.key.clone();
                let moved = at.get().map_err(|error| format!("error in move for path: '{key}': {error}"))?.cloned();
                at.remove().map_err(|error| format!("error in move for path: '{key}': {error}"))?;
                let path = self.path().map_err(|error| format!("move operation failed to decode path: {error}"))?;
                let at =
                    Place::find(document, path).ok_or_else(|| format!("move operation does not apply: doc is missing destination path: {path}: {MISSING}"))?;
                at.add(moved.unwrap_or(Value::Null)).map_err(|error| format!("error in move for path: '{path}': {error}"))
            }
            "test" => self.test(document),
            "copy" => {
                let from = self.from().map_err(|error| format!("copy operation failed to decode from: {error}"))?;
                let at = Place::find(document, from).ok_or_else(|| format!("copy operation does not apply: doc is missing from path: {from}: {MISSING}"))?;
                let copied = at.get().map_err(|error| format!("error in copy for from: '{from}': {error}"))?.cloned();
                let path = self.path().map_err(|_| format!("copy operation failed to decode path: {MISSING}"))?;
                let at =
                    Place::find(document, path).ok_or_else(|| format!("copy operation does not apply: doc is missing destination path: {path}: {MISSING}"))?;
                at.add(copied.unwrap_or(Value::Null)).map_err(|error| format!("error while adding value during copy: {error}"))
            }
            other => Err(format!("Unexpected kind: {other}")),
        }
    }

    fn replace(&self, document: &mut Value) -> Result<(), String> {
        let path = self.path().map_err(|error| format!("replace operation failed to decode path: {error}"))?;
        if path.is_empty() {
            let value = self.value();
            if !value.is_object() && !value.is_array() {
                // The odd end is the server's: it wraps an error that is not there.
                return Err("replace operation value must be object or array: %!w(<nil>)".to_owned());
            }
            *document = value;
            return Ok(());
        }
        let at = Place::find(document, path).ok_or_else(|| format!("replace operation does not apply: doc is missing path: {path}: {MISSING}"))?;
        at.get().map_err(|_| format!("replace operation does not apply: doc is missing key: {path}: {MISSING}"))?;
        at.set(self.value()).map_err(|error| format!("error in remove for path: '{path}': {error}"))
    }

    fn test(&self, document: &mut Value) -> Result<(), String> {
        let path = self.path().map_err(|error| format!("test operation failed to decode path: {error}"))?;
        let failed = || format!("testing value {path} failed: test failed");
        if path.is_empty() {
            return if *document == self.value() { Ok(()) } else { Err(failed()) };
        }
        let at = Place::find(document, path).ok_or_else(|| format!("test operation does not apply: is missing path: {path}: {MISSING}"))?;
        let present = at.get().map_err(|error| format!("error in test for path: '{path}': {error}"))?;
        if present.cloned().unwrap_or(Value::Null) == self.value() { Ok(()) } else { Err(failed()) }
    }
}

/// The map or list that a path's last part is in, and that part.
struct Place<'a> {
    container: &'a mut Value,
    key: String,
}

impl<'a> Place<'a> {
    fn find(document: &'a mut Value, path: &str) -> Option<Self> {
        let (parts, key) = path.rsplit_once('/')?;
        let mut container = document;
        for part in parts.split('/').skip(1) {
            let part = unescape(part);
            container = match container {
                Value::Object(map) => map.get_mut(&part)?,
                Value::Array(items) => {
                    let at = index(&part, items.len()).ok()?;
                    items.get_mut(at)?
                }
                _ => return None,
            };
            if !container.is_object() && !container.is_array() {
                return None;
            }
        }
        Some(Place { container, key: unescape(key) })
    }

    /// The value, `None` for an absent member of a map.
    fn get(&self) -> Result<Option<&Value>, String> {
        match &*self.container {
            Value::Object(map) => Ok(map.get(&self.key)),
            Value::Array(items) => {
                let at = index(&self.key, items.len())?;
                items.get(at).map(Some).ok_or_else(|| outside(at))
            }
            _ => Ok(None),
        }
    }

    fn set(self, value: Value) -> Result<(), String> {
        match self.container {
            Value::Object(map) => {
                map.insert(self.key, value);
            }
            Value::Array(items) => {
                let at = index(&self.key, items.len())?;
                *items.get_mut(at).ok_or_else(|| outside(at))? = value;
            }
            _ => {}
        }
        Ok(())
    }

    fn add(self, value: Value) -> Result<(), String> {
        match self.container {
            Value::Object(map) => {
                map.insert(self.key, value);
            }
            Value::Array(items) if self.key == "-" => items.edit(|items| items.push(value)),
            Value::Array(items) => {
                let wanted = number(&self.key).map_err(|error| format!("value was not a proper array index: '{}': {error}", self.key))?;
                // One place more than the list has: an addition may stand behind the last.
                let at = from_end(wanted, items.len() + 1)?;
                if at > items.len() {
                    return Err(outside(at));
                }
                items.edit(|items| items.insert(at, value));
            }
            _ => {}
        }
        Ok(())
    }

    fn remove(self) -> Result<(), String> {
        match self.container {
            Value::Object(map) => match map.remove(&self.key) {
                Some(_) => Ok(()),
                None => Err(format!("Unable to remove nonexistent key: {}: {MISSING}", self.key)),
            },
            Value::Array(items) => {
                let at = index(&self.key, items.len())?;
                if at >= items.len() {
                    return Err(outside(at));
                }
                items.edit(|items| items.remove(at));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn unescape(part: &str) -> String {
    part.replace("~1", "/").replace("~0", "~")
}

fn outside(at: impl std::fmt::Display) -> String {
    format!("Unable to access invalid index: {at}: invalid index referenced")
}

fn number(key: &str) -> Result<i64, String> {
    key.parse().map_err(|_| format!("strconv.Atoi: parsing {key:?}: invalid syntax"))
}

fn from_end(at: i64, length: usize) -> Result<usize, String> {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let counted = if at < 0 { at + length } else { at };
    usize::try_from(counted).map_err(|_| outside(at))
}

fn index(key: &str, length: usize) -> Result<usize, String> {
    from_end(number(key)?, length)
}

/// The word of Go's JSON errors for a kind of value.
pub(super) fn go_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::json::json;

    use super::*;

    #[test]
    fn operations_apply_as_the_server_applies_them() {
        for (original, operations, expected) in [
            (json!({"a": 1}), json!([{"op": "add", "path": "/b", "value": {"c": null}}]), json!({"a": 1, "b": {"c": null}})),
            (json!({"a": [1, 2]}), json!([{"op": "add", "path": "/a/-", "value": 3}]), json!({"a": [1, 2, 3]})),
            (json!({"a": [1, 2]}), json!([{"op": "add", "path": "/a/0", "value": 3}]), json!({"a": [3, 1, 2]})),
            (json!({"a": [1, 2]}), json!([{"op": "add", "path": "/a/2", "value": 3}]), json!({"a": [1, 2, 3]})),
            (json!({"a": [1, 2]}), json!([{"op": "add", "path": "/a/-1", "value": 3}]), json!({"a": [1, 2, 3]})),
            (json!({"a": [1, 2]}), json!([{"op": "remove", "path": "/a/-1"}]), json!({"a": [1]})),
            (
                json!({"a": {"x/y": 1, "m~n": 2}}),
                json!([{"op": "remove", "path": "/a/x~1y"}, {"op": "replace", "path": "/a/m~0n", "value": 3}]),
                json!({"a": {"m~n": 3}}),
            ),
            (json!({"a": 1}), json!([{"op": "replace", "path": "/b", "value": 2}]), json!({"a": 1, "b": 2})),
            (json!({"a": 1}), json!([{"op": "test", "path": "/b", "value": null}, {"op": "test", "path": "/b"}]), json!({"a": 1})),
            (json!({"a": 1}), json!([{"op": "replace", "path": "", "value": {"b": 1}}]), json!({"b": 1})),
            (json!({"a": {"b": 1}}), json!([{"op": "move", "from": "/a/b", "path": "/c"}]), json!({"a": {}, "c": 1})),
            (json!({"a": {"b": 1}}), json!([{"op": "copy", "from": "/a", "path": "/c"}]), json!({"a": {"b": 1}, "c": {"b": 1}})),
            (json!({"a": 1}), json!([{"op": "test", "path": "/a", "value": 1}, {"op": "remove", "path": "/a"}]), json!({})),
            (json!({"a": 1}), json!(null), json!({"a": 1})),
        ] {
            assert_eq!(json(&original, &operations).unwrap(), expected, "{original} with {operations}");
        }
    }

    #[test]
    fn what_does_not_apply_is_refused_without_a_word_on_why() {
        let original = json!({"a": [1], "b": {"c": 1}, "s": "text"});
        for (operations, expected) in [
            (json!([{"op": "test", "path": "/b/c", "value": 2}]), "testing value /b/c failed: test failed"),
            (json!([{"op": "remove", "path": "/x"}]), "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value"),
            (json!([{"op": "remove", "path": "/x/y"}]), "remove operation does not apply: doc is missing path: \"/x/y\": missing value"),
            (json!([{"op": "add", "path": "/x/y", "value": 1}]), "add operation does not apply: doc is missing path: \"/x/y\": missing value"),
            (json!([{"op": "add", "path": "/s/y", "value": 1}]), "add operation does not apply: doc is missing path: \"/s/y\": missing value"),
            (json!([{"op": "replace", "path": "/x/y", "value": 1}]), "replace operation does not apply: doc is missing path: /x/y: missing value"),
            (json!([{"op": "replace", "path": "/a/5", "value": 1}]), "replace operation does not apply: doc is missing key: /a/5: missing value"),
            (json!([{"op": "add", "path": "/a/5", "value": 1}]), "error in add for path: '/a/5': Unable to access invalid index: 5: invalid index referenced"),
            (json!([{"op": "remove", "path": "/a/5"}]), "error in remove for path: '/a/5': Unable to access invalid index: 5: invalid index referenced"),
            (
                json!([{"op": "add", "path": "/a/x", "value": 1}]),
                "error in add for path: '/a/x': value was not a proper array index: 'x': strconv.Atoi: parsing \"x\": invalid syntax",
            ),
            (json!([{"op": "move", "from": "/x/y", "path": "/z"}]), "move operation does not apply: doc is missing from path: /x/y: missing value"),
            (json!([{"op": "add", "value": 1}]), "add operation failed to decode path: missing value"),
            (json!([{"op": "frob", "path": "/a"}]), "Unexpected kind: frob"),
            (json!([{"path": "/a"}]), "Unexpected kind: unknown"),
        ] {
            let list: Vec<Operation> = operations.as_array().unwrap().iter().map(|operation| Operation(operation.as_object().unwrap())).collect();
            assert_eq!(apply_all(&original, &list).unwrap_err(), expected, "{operations}");
            assert_eq!(json(&original, &operations).unwrap_err(), PatchFailure::Unprocessable(REJECTED.to_owned()), "{operations}");
        }
        assert_eq!(json(&original, &json!({"op": "add"})).unwrap_err().message(), "json: cannot unmarshal object into Go value of type jsonpatch.Patch");
        assert_eq!(json(&original, &json!(["add"])).unwrap_err().message(), "json: cannot unmarshal string into Go value of type jsonpatch.Operation");
        let many: Vec<Value> = (0..=MAX_OPERATIONS).map(|_| json!({"op": "test", "path": "/s", "value": "text"})).collect();
        assert_eq!(
            json(&original, &Value::from(many)).unwrap_err(),
            PatchFailure::TooLarge("The allowed maximum operations in a JSON patch is 10000, got 10001".to_owned())
        );
    }
}
