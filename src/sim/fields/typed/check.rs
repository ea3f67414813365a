//! Checks an applied object against its type: it may leave out anything, but what it has must fit.

use super::{Element, Field, Link, ListKind, Path, Shape, Type, element_of, show_path};
use crate::sim::json::Value;

/// Checks an object that is applied.
///
/// # Errors
/// All that does not fit, in the server's words: `.spec.foo: field not declared in schema`; several after `errors:`, a line each.
pub fn check(ty: &'static Type, object: &Value) -> Result<(), String> {
    let mut found = Vec::new();
    walk(ty, object, &mut Vec::new(), &mut found);
    match found.as_slice() {
        [] => Ok(()),
        [only] => Err(only.clone()),
        several => Err(format!("errors:\n  {}", several.join("\n  "))),
    }
}

fn walk(ty: &'static Type, value: &Value, path: &mut Path, found: &mut Vec<String>) {
    let mut wrong = |why: String| found.push(if path.is_empty() { why } else { format!("{}: {why}", show_path(path)) });
    match (&ty.shape, value) {
        (Shape::Raw | Shape::Deduced, _) | (_, Value::Null) => {}
        (Shape::Struct(fields), Value::Object(map)) => {
            for (key, value) in map {
                path.push(Element::field(key));
                let field = ty.field(key).map(Field::ty).or(fields.rest.map(Link::ty));
                match field {
                    Some(inner) => walk(inner, value, path, found),
                    None => found.push(format!("{}: field not declared in schema", show_path(path))),
                }
                path.pop();
                // The server reads no further in this map; where it began is chance there and the first name here.
                if field.is_none() {
                    return;
                }
            }
        }
        (Shape::Map(link), Value::Object(map)) => {
            for (key, value) in map {
                path.push(Element::field(key));
                walk(link.ty(), value, path, found);
                path.pop();
            }
        }
        (Shape::List(list), Value::Array(items)) => {
            let mut seen: Vec<Element> = Vec::new();
            for (at, item) in items.iter().enumerate() {
                let element = match list.kind {
                    ListKind::Atomic => Element::Index(i64::try_from(at).unwrap_or(i64::MAX)),
                    _ => match element_of(list, item) {
                        Ok(element) => element,
                        Err(why) => {
                            found.push(format!("{}: element {at}: {why}", show_path(path)));
                            return;
                        }
                    },
                };
                if seen.contains(&element) {
                    found.push(format!("{}: duplicate entries for key {element}", show_path(path)));
                }
                path.push(element.clone());
                walk(list.item.ty(), item, path, found);
                path.pop();
                seen.push(element);
            }
        }
        (Shape::Struct(_) | Shape::Map(_), other) => wrong(format!("expected map, got {}", pointer(other))),
        (Shape::List(_), other) => wrong(format!("expected list, got {}", pointer(other))),
        (Shape::Int32 | Shape::Int64 | Shape::Float, Value::Number(_))
        | (Shape::String | Shape::Bytes, Value::String(_))
        | (Shape::Boolean, Value::Bool(_)) => {}
        (Shape::Int32 | Shape::Int64 | Shape::Float, other) => wrong(format!("expected numeric (int or float), got {}", go_type(other))),
        (Shape::String | Shape::Bytes, other) => wrong(format!("expected string, got &value.valueUnstructured{{Value:{}}}", go_syntax(other))),
        (Shape::Boolean, other) => wrong(format!("expected boolean, got {}", pointer(other))),
        (_, Value::Array(_) | Value::Object(_)) => wrong(format!("expected any scalar, got {}", pointer(value))),
        _ => {}
    }
}

/// A value behind a pointer as Go's `%v` prints it.
fn pointer(value: &Value) -> String {
    format!("&{{{}}}", crate::sim::patch::go_print(value))
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// A value as Go's `%#v` prints it.
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::String(text) => format!("{text:?}"),
        Value::Array(items) => format!("[]interface {{}}{{{}}}", items.iter().map(go_syntax).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            format!("map[string]interface {{}}{{{}}}", map.iter().map(|(key, value)| format!("{key:?}:{}", go_syntax(value))).collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
