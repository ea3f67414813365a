//! A patch request's body from bytes to the patched object of its type.
//!
//! Not here: server-side apply, whose body is YAML, and what the API server does to the object afterwards (defaults, validation, the store).

use super::strategic::{go_print, left_of};
use super::{PatchFailure, json, merge, strategic};
use crate::sim::json::Value;
use crate::sim::schema::decode::{self, Decoded, Strictness, strict_error};
use crate::sim::schema::parse::{Tree, parse};
use crate::sim::schema::{self, Type};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    Json,
    Merge,
    Strategic,
}

/// The patched object as its Go type holds it, and what the strictness lets pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Patched {
    pub object: Value,
    pub warnings: Vec<String>,
}

/// Applies a request's body to the live object.
///
/// # Errors
/// As `json`, `merge` and `strategic`; `BadRequest` for what is no JSON, `Invalid` for a result that its type cannot hold, or, when strict, that has unknown
/// or duplicate fields.
///
/// # Source
/// `applyJSPatch` and `strategicPatchObject` of the API server 1.36 `endpoints/handlers/patch.go`.
pub fn request(ty: &'static Type, kind: PatchKind, live: &Value, body: &[u8], strictness: Strictness) -> Result<Patched, PatchFailure> {
    patched(kind, body, strictness, |patch| match kind {
        PatchKind::Json | PatchKind::Merge => {
            let patched = if kind == PatchKind::Json { json(live, patch)? } else { merge(live, patch)? };
            Ok((of_its_kind(live, &patched).and_then(|()| decode::json(ty, &Tree::from(&patched))), patched.to_string()))
        }
        PatchKind::Strategic => Ok((decode::unstructured(ty, &strategic(ty, live, patch)?), go_print(&left_of(patch, live)))),
    })
}

/// Whether a patched object still says that it is what it was, as far as it says anything.
///
/// # Errors
/// The text of an `Invalid`.
fn of_its_kind(live: &Value, patched: &Value) -> Result<(), String> {
    let text = |object: &Value, name: &str| match &object[name] {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.to_string()),
        other => Err(format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go struct field .{name} of type string",
            Tree::from(other).go_name()
        )),
    };
    let (own_version, own_kind) = (text(live, "apiVersion")?, text(live, "kind")?);
    let given = |given: String, own: &str| if given.is_empty() { own.to_owned() } else { given };
    let (version, kind) = (given(text(patched, "apiVersion")?, &own_version), given(text(patched, "kind")?, &own_kind));
    if (version == own_version || own_version.is_empty()) && (kind == own_kind || own_kind.is_empty()) {
        return Ok(());
    }
    let parts = |version: &str| version.split_once('/').map_or((String::new(), version.to_owned()), |(group, version)| (group.to_owned(), version.to_owned()));
    let ((group, number), (own_group, _)) = (parts(&version), parts(&own_version));
    // The former versions of the workloads are still read.
    if kind == own_kind && own_group == "apps" && matches!(version.as_str(), "apps/v1beta1" | "apps/v1beta2" | "extensions/v1beta1") {
        return Ok(());
    }
    Err(if schema::of(&group, &number, &kind).is_some() {
        let package = own_group.split('.').next().filter(|name| !name.is_empty()).unwrap_or("core");
        format!("converting ({number}.{kind}) to ({package}.{own_kind}): unknown conversion")
    } else {
        format!("no kind {kind:?} is registered for version {version:?} in scheme \"pkg/runtime/scheme.go:111\"")
    })
}

/// The same for an object that no Go type holds; `read` takes what was patched, and says which fields nobody knows. Such a kind has no strategic merges.
///
/// # Errors
/// As `request`.
pub fn custom(
    kind: PatchKind,
    live: &Value,
    body: &[u8],
    strictness: Strictness,
    read: impl FnOnce(Value) -> Result<Decoded, String>,
) -> Result<Patched, PatchFailure> {
    patched(kind, body, strictness, |patch| {
        let patched = if kind == PatchKind::Json { json(live, patch)? } else { merge(live, patch)? };
        let shown = patched.to_string();
        Ok((read(patched), shown))
    })
}

fn patched(
    kind: PatchKind,
    body: &[u8],
    strictness: Strictness,
    apply: impl FnOnce(&Value) -> Result<(Result<Decoded, String>, String), PatchFailure>,
) -> Result<Patched, PatchFailure> {
    let tree = parse(body).map_err(|why| PatchFailure::BadRequest(unparsed(kind, strictness, why)))?;
    let patch = tree.to_value();
    let mut strict = Vec::new();
    if strictness != Strictness::Ignore {
        strict = match kind {
            PatchKind::Json => check_operations(&tree)?.into_iter().map(|error| format!("json patch {error}")).collect(),
            PatchKind::Merge => checked_map(&tree, "error decoding patch: ")?,
            PatchKind::Strategic => checked_map(&tree, "")?,
        };
    }
    let (decoded, shown) = apply(&patch)?;
    let invalid = |detail: String| PatchFailure::Invalid { value: shown.clone(), detail };
    let Decoded { object, strict: of_result } = decoded.map_err(invalid)?;
    strict.extend(of_result);
    match strictness {
        Strictness::Strict if !strict.is_empty() => Err(invalid(strict_error(&strict))),
        Strictness::Ignore => Ok(Patched { object, warnings: Vec::new() }),
        _ => Ok(Patched { object, warnings: strict }),
    }
}

fn unparsed(kind: PatchKind, strictness: Strictness, why: String) -> String {
    match kind {
        PatchKind::Json | PatchKind::Merge if strictness != Strictness::Ignore => format!("error decoding patch: {why}"),
        PatchKind::Merge => "Invalid JSON Patch".to_owned(),
        _ => why,
    }
}

fn checked_map(tree: &Tree, prefix: &str) -> Result<Vec<String>, PatchFailure> {
    match tree {
        Tree::Object(_) | Tree::Null => Ok(tree.duplicates()),
        other => Err(PatchFailure::BadRequest(format!("{prefix}json: cannot unmarshal {} into Go value of type map[string]interface {{}}", other.go_name()))),
    }
}

/// What the strict decoder finds in a list of operations.
fn check_operations(tree: &Tree) -> Result<Vec<String>, PatchFailure> {
    let refused = |why: String| Err(PatchFailure::BadRequest(format!("error decoding patch: json: cannot unmarshal {why}")));
    let operations = match tree {
        Tree::Array(operations) => operations.as_slice(),
        Tree::Null => &[],
        other => return refused(format!("{} into Go value of type []handlers.jsonPatchOp", other.go_name())),
    };
    let mut found = Vec::new();
    for (at, operation) in operations.iter().enumerate() {
        let members = match operation {
            Tree::Object(members) => members.as_slice(),
            Tree::Null => &[],
            other => return refused(format!("{} into Go value of type handlers.jsonPatchOp", other.go_name())),
        };
        for (index, (name, value)) in members.iter().enumerate() {
            match (name.as_str(), value) {
                ("op" | "path" | "from", Tree::String(_) | Tree::Null) | ("value", _) => {}
                ("op" | "path" | "from", other) => return refused(format!("{} into Go struct field jsonPatchOp.{name} of type string", other.go_name())),
                _ => found.push(format!("unknown field \"[{at}].{name}\"")),
            }
            if matches!(name.as_str(), "op" | "path" | "from" | "value") && members[..index].iter().any(|(other, _)| other == name) {
                found.push(format!("duplicate field \"[{at}].{name}\""));
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use crate::sim::json::json;

    use super::*;
    use crate::sim::schema::of;

    fn check(kind: PatchKind, body: &str, strictness: Strictness, expected: Result<&[&str], &str>) {
        let live = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 1, "selector": {}}});
        let actual = request(of("apps", "v1", "Deployment").unwrap(), kind, &live, body.as_bytes(), strictness);
        match (&actual, expected) {
            (Ok(patched), Ok(warnings)) => assert_eq!(patched.warnings, warnings, "{body}"),
            (Err(failure), Err(text)) => assert_eq!(failure.message(), text, "{body}"),
            _ => panic!("{body}: {actual:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn bodies_are_refused_or_warned_about_as_the_server_does() {
        use PatchKind::{Json, Merge, Strategic};
        use Strictness::{Ignore, Strict, Warn};
        check(Merge, r#"{"spec":{"replicas":2}}"#, Strict, Ok(&[]));
        check(Merge, r#"{"spec":{"foo":2}}"#, Warn, Ok(&[r#"unknown field "spec.foo""#]));
        check(Merge, r#"{"spec":{"foo":2}}"#, Ignore, Ok(&[]));
        check(Merge, "x", Strict, Err("error decoding patch: invalid character 'x' looking for beginning of value"));
        check(Merge, "x", Ignore, Err("Invalid JSON Patch"));
        check(Strategic, "x", Strict, Err("invalid character 'x' looking for beginning of value"));
        check(Strategic, "[]", Warn, Err("json: cannot unmarshal array into Go value of type map[string]interface {}"));
        check(
            Strategic,
            r#"{"spec":{"replicas":"x"}}"#,
            Strict,
            Err(r#" "" is invalid: patch: Invalid value: "map[spec:map[replicas:x]]": unrecognized type: int32"#),
        );
        check(
            Strategic,
            r#"{"spec":{"foo":1,"replicas":1,"replicas":2}}"#,
            Strict,
            Err(
                r#" "" is invalid: patch: Invalid value: "map[spec:map[foo:1 replicas:2]]": strict decoding error: duplicate field "spec.replicas", unknown field "spec.foo""#,
            ),
        );
        // What a merge takes from a patch is not shown any more.
        check(
            Strategic,
            r#"{"spec":{"foo":{"bar":{"$patch":"replace","x":1},"none":null}}}"#,
            Strict,
            Err(r#" "" is invalid: patch: Invalid value: "map[spec:map[foo:map[]]]": strict decoding error: unknown field "spec.foo""#),
        );
        check(Json, r#"[{"op":"add","path":"/spec/paused","value":true,"what":1}]"#, Warn, Ok(&[r#"json patch unknown field "[0].what""#]));
        check(Json, r#"{"op":"add"}"#, Strict, Err("error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"));
        check(Json, r#"[{"op":1}]"#, Strict, Err("error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string"));
        check(Json, r#"[{"op":"test","path":"/spec/replicas","value":5}]"#, Strict, Err("the server rejected our request due to an error in our request"));
    }
}
