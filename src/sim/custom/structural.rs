//! Whether a schema is structural, and whether its defaults fit it.
//!
//! # Source
//! apiextensions-apiserver 0.36 `pkg/apiserver/schema/{validation,complete,convert}.go` and `defaulting/validation.go`.

use crate::sim::json::{Map, Text, Value, json};

use super::check;
use super::coerce;
use super::definition::Errors;
use super::schema::{self, Schema};
use crate::sim::failure::FieldError;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_default()
}

fn members(value: &Value) -> impl Iterator<Item = (&Text, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Why the server cannot even read a schema as a structural one.
pub fn unsupported(schema: &Value) -> Option<String> {
    let set = |key: &str| match schema.get(key) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Object(map)) => !map.is_empty(),
        Some(_) => true,
    };
    let keys = [("id", "id"), ("$schema", "schema"), ("$ref", "$ref"), ("patternProperties", "patternProperties"), ("dependencies", "dependencies")];
    let keys = keys.into_iter().chain([("additionalItems", "additionalItems"), ("definitions", "definitions")]);
    for (key, shown) in keys {
        if set(key) {
            return Some(format!("OpenAPIV3Schema '{shown}' is not supported"));
        }
    }
    if schema["x-kubernetes-preserve-unknown-fields"] == false {
        return Some("internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined".to_owned());
    }
    if schema["items"].is_array() {
        return Some("OpenAPIV3Schema 'items' must be a schema, but is an array".to_owned());
    }
    let single = ["items", "additionalProperties", "not"].into_iter().map(|key| &schema[key]).filter(|it| it.is_object());
    let lists = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|key| items(&schema[key]));
    single.chain(lists).chain(members(&schema["properties"]).map(|it| it.1)).find_map(unsupported)
}

/// What is not structural about a schema, sorted by its words.
pub fn check(schema: &Value, field: &str) -> Vec<FieldError> {
    let mut errors = Errors::default();
    invariants(&mut errors, schema, Level::Root, field);
    complete(&mut errors, schema, Some(schema), field, field);
    errors.0.sort_by_cached_key(FieldError::to_string);
    errors.0
}

fn is_either(schemas: &Value) -> bool {
    *schemas == json!([{ "type": "integer" }, { "type": "string" }])
}

fn invariants(errors: &mut Errors, schema: &Value, level: Level, field: &str) {
    let ty = text(schema, "type");
    let flag = |key: &str| schema[key] == true;
    let (embedded, preserves, either) =
        (flag("x-kubernetes-embedded-resource"), flag("x-kubernetes-preserve-unknown-fields"), flag("x-kubernetes-int-or-string"));
    if ty == "array" && !schema["items"].is_object() {
        errors.required(format!("{field}.items"), "must be specified");
    }
    if schema["items"].is_object() {
        invariants(errors, &schema["items"], Level::Item, &format!("{field}.items"));
    }
    for (name, inner) in members(&schema["properties"]) {
        invariants(errors, inner, Level::Field, &format!("{field}.properties[{name}]"));
    }
    let additional = &schema["additionalProperties"];
    if !additional.is_null() {
        if level == Level::Root {
            errors.forbidden(format!("{field}.additionalProperties"), "must not be used at the root");
        }
        if additional.is_object() {
            invariants(errors, additional, Level::Field, &format!("{field}.additionalProperties"));
        }
    }
    if either && preserves {
        errors.invalid(format!("{field}.x-kubernetes-preserve-unknown-fields"), true, "must be false if x-kubernetes-int-or-string is true");
    }
    if either && embedded {
        errors.invalid(format!("{field}.x-kubernetes-embedded-resource"), true, "must be false if x-kubernetes-int-or-string is true");
    }
    let first_is_either = items(&schema["allOf"]).first().is_some_and(|it| is_either(&it["anyOf"]));
    values(errors, schema, is_either(&schema["anyOf"]), first_is_either, field);
    let place = match level {
        Level::Root => "at the root",
        Level::Item => "for specified array items",
        Level::Field => "for specified object fields",
    };
    if embedded && ty != "object" {
        let words = "must be object if x-kubernetes-embedded-resource is true";
        if ty.is_empty() { errors.required(format!("{field}.type"), words) } else { errors.invalid(format!("{field}.type"), ty, words) }
    } else if ty.is_empty() && !either && !preserves {
        errors.required(format!("{field}.type"), &format!("must not be empty {place}"));
    }
    if embedded && !additional.is_null() {
        errors.forbidden(format!("{field}.additionalProperties"), "must not be used if x-kubernetes-embedded-resource is set");
    }
    if level == Level::Root && !ty.is_empty() && ty != "object" {
        errors.invalid(format!("{field}.type"), ty, "must be object at the root");
    }
    let own = level == Level::Root || embedded;
    for key in ["kind", "apiVersion"] {
        let inner = &schema["properties"][key];
        if own && inner.is_object() && inner["type"] != "string" {
            errors.invalid(format!("{field}.properties[{key}].type"), text(inner, "type"), "must be string");
        }
    }
    let metadata = &schema["properties"]["metadata"];
    if metadata.is_object() {
        metadata_of(errors, metadata, own, level, &format!("{field}.properties[metadata]"));
    }
    if embedded && !preserves && schema["properties"].as_object().is_none_or(Map::is_empty) {
        let words = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.required(format!("{field}.properties"), words);
    }
}

fn metadata_of(errors: &mut Errors, metadata: &Value, own: bool, level: Level, field: &str) {
    if own && metadata["type"] != "object" {
        errors.invalid(format!("{field}.type"), text(metadata, "type"), "must be object");
    }
    if level != Level::Root {
        return;
    }
    // Words about it are nothing that it says.
    let plain = |key: &str| matches!(key, "type" | "default");
    let names = |value: &Value| members(value).all(|(name, _)| name == "name" || name == "generateName");
    let good = members(metadata).all(|(key, value)| plain(key) || (key == "properties" && names(value)));
    if !good {
        errors.forbidden(field, "must not specify anything other than name and generateName, but metadata is implicitly specified");
    }
}

/// What restricts values: alternatives may not say what an object looks like.
fn values(errors: &mut Errors, schema: &Value, skip_any: bool, skip_first: bool, field: &str) {
    if !skip_any {
        for (at, inner) in items(&schema["anyOf"]).iter().enumerate() {
            nested(errors, inner, false, &format!("{field}.anyOf[{at}]"));
        }
    }
    for (at, inner) in items(&schema["allOf"]).iter().enumerate() {
        nested(errors, inner, skip_first && at == 0, &format!("{field}.allOf[{at}]"));
    }
    for (at, inner) in items(&schema["oneOf"]).iter().enumerate() {
        nested(errors, inner, false, &format!("{field}.oneOf[{at}]"));
    }
    if schema["not"].is_object() {
        nested(errors, &schema["not"], false, &format!("{field}.not"));
    }
    let pattern = text(schema, "pattern");
    if !pattern.is_empty()
        && let Err(why) = schema::pattern(pattern)
    {
        errors.invalid(format!("{field}.pattern"), pattern, format!("must be a valid regular expression, but isn't: error parsing regexp: {why}"));
    }
}

fn nested(errors: &mut Errors, schema: &Value, skip_any: bool, field: &str) {
    values(errors, schema, skip_any, false, field);
    if schema["items"].is_object() {
        nested(errors, &schema["items"], false, &format!("{field}.items"));
    }
    for (name, inner) in members(&schema["properties"]) {
        nested(errors, inner, false, &format!("{field}.properties[{name}]"));
    }
    let set = |key: &str| match schema.get(key) {
        None | Some(Value::Null | Value::Bool(false)) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        Some(_) => true,
    };
    for (key, words) in [
        ("type", "must be empty to be structural"),
        ("additionalProperties", "must be undefined to be structural"),
        ("default", "must be undefined to be structural"),
        ("title", "must be empty to be structural"),
        ("description", "must be empty to be structural"),
        ("nullable", "must be false to be structural"),
        ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
        ("x-kubernetes-embedded-resource", "must be false to be structural"),
        ("x-kubernetes-int-or-string", "must be false to be structural"),
        ("x-kubernetes-list-map-keys", "must be empty to be structural"),
        ("x-kubernetes-list-type", "must be undefined to be structural"),
        ("x-kubernetes-map-type", "must be undefined to be structural"),
        ("x-kubernetes-validations", "must be empty to be structural"),
    ] {
        if set(key) {
            errors.forbidden(format!("{field}.{key}"), words);
        }
    }
    if schema["properties"]["metadata"].is_object() {
        errors.forbidden(format!("{field}.properties[metadata]"), "must not be specified in a nested context");
    }
}

/// What alternatives speak of must be there outside of them.
fn complete(errors: &mut Errors, schema: &Value, shape: Option<&Value>, shape_field: &str, field: &str) {
    let mut nested = |inner: &Value, field: String| complete_nested(errors, inner, shape, shape_field, &field);
    if schema["not"].is_object() {
        nested(&schema["not"], format!("{field}.not"));
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        for (at, inner) in items(&schema[key]).iter().enumerate() {
            nested(inner, format!("{field}.{key}[{at}]"));
        }
    }
}

fn complete_nested(errors: &mut Errors, schema: &Value, shape: Option<&Value>, shape_field: &str, field: &str) {
    let Some(present) = shape.filter(|it| it.is_object()) else {
        errors.required(shape_field, &format!("because it is defined in {field}"));
        return;
    };
    complete(errors, schema, shape, shape_field, field);
    if schema["items"].is_object() {
        complete_nested(errors, &schema["items"], present.get("items"), &format!("{shape_field}.items"), &format!("{field}.items"));
    }
    for (name, inner) in members(&schema["properties"]) {
        let (there, here) = (format!("{shape_field}.properties[{name}]"), format!("{field}.properties[{name}]"));
        complete_nested(errors, inner, present["properties"].get(name), &there, &here);
    }
}

/// Which defaults do not fit the schema that they are in.
pub fn check_defaults(schema: &Schema, field: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if let Some(default) = &schema.default {
        let field = format!("{field}.default");
        let mut pruned = default.clone();
        if !coerce::prune(&mut pruned, schema, schema.embedded).is_empty() || pruned != *default {
            errors.push(FieldError::invalid(field.clone(), default.clone(), "must not have unknown fields"));
        }
        for mut error in check::check(schema, default, None, "") {
            error.field = if error.field == "<nil>" { field.clone() } else { format!("{field}.{}", error.field) };
            errors.push(error);
        }
    }
    if let Some(inner) = &schema.items {
        errors.extend(check_defaults(inner, &format!("{field}.items")));
    }
    for (name, inner) in &schema.properties {
        errors.extend(check_defaults(inner, &format!("{field}.properties[{name}]")));
    }
    errors
}

/// The schema of the field at a simple path.
///
/// # Errors
/// The server's words for a path that leads nowhere.
pub fn at<'a>(schema: &'a Schema, path: &str) -> Result<&'a Schema, String> {
    let mut found = schema;
    for name in path.trim_start_matches('.').split('.') {
        found = found.member(name).ok_or_else(|| "does not refer to a valid field".to_owned())?;
    }
    Ok(found)
}
