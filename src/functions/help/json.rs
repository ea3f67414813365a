//! The reference as data, for other programs.

use serde_json::{Value, json};

use crate::functions::function::{Body, Function, Group};

/// An array of all functions.
///
/// # Shape
/// `{name, group, signature, params: [{name, takes, optional}], options: [{name, takes, summary}], returns, summary, details, errors: [kind],
/// examples: [{script, prints}], like, access}`; `access` is `"read"`, `"change"`, `"flow"` or `"shell"`.
pub fn list(groups: &[&Group]) -> Value {
    groups.iter().flat_map(|group| group.functions.iter().map(|function| one(group, function))).collect()
}

/// One function, in the same shape.
pub fn one(group: &Group, function: &Function) -> Value {
    json!({
        "name": function.name,
        "group": group.name,
        "signature": function.signature(),
        "params": function.params.iter().map(|it| json!({ "name": it.name, "takes": it.kind.words(), "optional": it.optional })).collect::<Value>(),
        "options": function.options.iter().map(|it| json!({ "name": it.name, "takes": it.kind.words(), "summary": it.summary })).collect::<Value>(),
        "returns": function.returns,
        "summary": function.summary,
        "details": function.details,
        "errors": function.errors.iter().map(|kind| kind.name()).collect::<Value>(),
        "examples": function.examples.iter().map(|it| json!({ "script": it.script, "prints": it.prints })).collect::<Value>(),
        "like": function.source,
        "access": match function.body {
            _ if function.changes() => "change",
            Body::Read(_) => "read",
            Body::Change(_) => "change",
            Body::Flow(_) => "flow",
            Body::Shell(_) => "shell",
        },
    })
}
