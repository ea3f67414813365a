//! The rules that schemas must keep besides being structural.
//!
//! # Source
//! `ValidateCustomResourceDefinitionOpenAPISchema` of apiextensions-apiserver 0.36.

use crate::sim::json::Value;

use super::definition::Errors;
use super::rule;

#[derive(Clone)]
struct Context {
    is_root: bool,
    in_metadata: bool,
    /// Why there may be no default here.
    no_defaults: Option<String>,
    /// Whether the rules of expressions are to be read: where a schema is wrong they are not.
    rules: bool,
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn items(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_default()
}

pub fn check(errors: &mut Errors, schema: &Value, field: &str, sound: bool) {
    walk(errors, schema, field, &Context { is_root: true, in_metadata: false, no_defaults: None, rules: sound });
}

fn walk(errors: &mut Errors, schema: &Value, field: &str, context: &Context) {
    const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
    let before = errors.0.len();
    let ty = text(schema, "type");
    let inner = Context { is_root: false, ..context.clone() };
    let bare = Context { rules: false, ..inner.clone() };
    if !ty.is_empty() && !TYPES.contains(&ty) {
        errors.unsupported(format!("{field}.type"), ty, &TYPES);
    }
    if !schema["default"].is_null()
        && let Some(reason) = &context.no_defaults
    {
        errors.forbidden(format!("{field}.default"), &format!("must not be set {reason}"));
    }
    let there = |key: &str| schema.get(key).is_some_and(|it| !it.is_null());
    for key in ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] {
        if there(key) {
            errors.forbidden(format!("{field}.{key}"), &format!("{key} is not supported"));
        }
    }
    if ty == "null" {
        errors.forbidden(format!("{field}.type"), "type cannot be set to null, use nullable as an alternative");
    }
    if schema["items"].is_array() {
        errors.forbidden(format!("{field}.items"), "items must be a schema object and not an array");
    }
    if context.in_metadata && schema["x-kubernetes-embedded-resource"] == true {
        errors.forbidden(format!("{field}.x-kubernetes-embedded-resource"), "must not be used inside of resource meta");
    }
    if schema["uniqueItems"] == true {
        errors.forbidden(format!("{field}.uniqueItems"), "uniqueItems cannot be set to true since the runtime complexity becomes quadratic");
    }
    let additional = &schema["additionalProperties"];
    if !additional.is_null() {
        if schema["properties"].as_object().is_some_and(|it| !it.is_empty()) && *additional != true {
            errors.forbidden(format!("{field}.additionalProperties"), "additionalProperties and properties are mutual exclusive");
        }
        if additional.is_object() {
            let reason = context.in_metadata.then(|| "inside additionalProperties applying to object metadata".to_owned());
            let inner = Context { no_defaults: reason.or(context.no_defaults.clone()), ..inner.clone() };
            walk(errors, additional, &format!("{field}.additionalProperties"), &inner);
        }
    }
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let mut inner = inner.clone();
        let meta = matches!(name.as_str(), "metadata" | "kind" | "apiVersion");
        if meta && (context.is_root || schema["x-kubernetes-embedded-resource"] == true) {
            inner.in_metadata = true;
            if context.is_root {
                inner.no_defaults = Some(format!("in top-level {name}"));
            }
        }
        walk(errors, property, &format!("{field}.properties[{name}]"), &inner);
    }
    if schema["not"].is_object() {
        walk(errors, &schema["not"], &format!("{field}.not"), &bare);
    }
    for key in ["allOf", "oneOf", "anyOf"] {
        for (at, one) in items(&schema[key]).iter().enumerate() {
            walk(errors, one, &format!("{field}.{key}[{at}]"), &bare);
        }
    }
    if schema["items"].is_object() {
        walk(errors, &schema["items"], &format!("{field}.items"), &inner);
    }
    if schema["x-kubernetes-preserve-unknown-fields"] == false {
        errors.invalid(format!("{field}.x-kubernetes-preserve-unknown-fields"), false, "must be true or undefined");
    }
    lists_and_maps(errors, schema, field);
    rule::check(errors, schema, field, context.is_root, context.rules && errors.0.len() == before);
}

fn lists_and_maps(errors: &mut Errors, schema: &Value, field: &str) {
    let ty = text(schema, "type");
    let mut typed = |wanted: &str, key: &str| {
        let words = format!("must be {wanted} if {key} is specified");
        if schema[key].is_string() && ty != wanted {
            if ty.is_empty() {
                errors.required(format!("{field}.type"), &words)
            } else {
                errors.invalid(format!("{field}.type"), ty, words)
            }
            return false;
        }
        true
    };
    typed("object", "x-kubernetes-map-type");
    let map_type = schema["x-kubernetes-map-type"].as_str();
    let list_fits = typed("array", "x-kubernetes-list-type");
    if let Some(map_type) = map_type.filter(|it| !matches!(*it, "atomic" | "granular")) {
        errors.unsupported(format!("{field}.x-kubernetes-map-type"), map_type, &["atomic", "granular"]);
    }
    let list_type = schema["x-kubernetes-list-type"].as_str();
    let item = &schema["items"];
    if list_fits && list_type == Some("set") && item.is_object() {
        let words = "must be atomic as item of a list with x-kubernetes-list-type=set";
        let (lists, maps) = (item["x-kubernetes-list-type"].as_str(), item["x-kubernetes-map-type"].as_str());
        match text(item, "type") {
            "array" if lists.is_some_and(|it| it != "atomic") => {
                errors.invalid(format!("{field}.items.x-kubernetes-list-type"), item["x-kubernetes-list-type"].clone(), words);
            }
            "object" if maps != Some("atomic") => {
                errors.invalid(format!("{field}.items.x-kubernetes-map-type"), item["x-kubernetes-list-type"].clone(), words);
            }
            _ => {}
        }
    }
    if let Some(list_type) = list_type.filter(|it| !matches!(*it, "atomic" | "set" | "map")) {
        errors.unsupported(format!("{field}.x-kubernetes-list-type"), list_type, &["atomic", "set", "map"]);
    }
    keys(errors, schema, list_type, field);
}

fn keys(errors: &mut Errors, schema: &Value, list_type: Option<&str>, field: &str) {
    let (keys, item) = (items(&schema["x-kubernetes-list-map-keys"]), &schema["items"]);
    if !keys.is_empty() && list_type != Some("map") {
        let words = "must be map if x-kubernetes-list-map-keys is non-empty";
        match list_type {
            None => errors.required(format!("{field}.x-kubernetes-list-type"), words),
            Some(other) => errors.invalid(format!("{field}.x-kubernetes-list-type"), other, words),
        }
    }
    if list_type == Some("map") {
        if keys.is_empty() {
            errors.required(format!("{field}.x-kubernetes-list-map-keys"), "must not be empty if x-kubernetes-list-type is map");
        }
        if item.is_null() {
            errors.required(format!("{field}.items"), "must have a schema if x-kubernetes-list-type is map");
        } else if item["type"] != "object" {
            errors.invalid(format!("{field}.items.type"), text(item, "type"), "must be object if parent array's x-kubernetes-list-type is map");
        } else {
            for (at, key) in keys.iter().enumerate() {
                let name = key.as_str().unwrap_or_default();
                let property = &item["properties"][name];
                let (whole, all) = (format!("{field}.x-kubernetes-list-map-keys"), &schema["x-kubernetes-list-map-keys"]);
                if !property.is_object() {
                    errors.invalid(whole.clone(), all.clone(), "entries must all be names of item properties");
                } else if matches!(text(property, "type"), "array" | "object") {
                    let words = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                    errors.invalid(format!("{field}.items.properties[{name}].type"), text(item, "type"), words);
                }
                if keys[..at].contains(key) {
                    errors.invalid(whole, all.clone(), "must not contain duplicate entries");
                }
            }
        }
    }
    if !item.is_object() || !matches!(list_type, Some("set" | "map")) {
        return;
    }
    if item["nullable"] == true {
        errors.forbidden(format!("{field}.items.nullable"), &format!("cannot be nullable when x-kubernetes-list-type is {}", list_type.unwrap_or_default()));
    }
    for key in keys.iter().filter(|_| list_type == Some("map")) {
        let name = key.as_str().unwrap_or_default();
        let property = &item["properties"][name];
        if !property.is_object() {
            continue;
        }
        let place = format!("{field}.items.properties[{name}]");
        if !items(&item["required"]).contains(key) && property["default"].is_null() {
            let words = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.required(format!("{place}.default"), words);
        }
        if property["nullable"] == true {
            errors.forbidden(format!("{place}.nullable"), "this property is in x-kubernetes-list-map-keys, so it cannot be nullable");
        }
    }
}
