//! Whether an object fits the schema of its kind, in the words of the real server's validator.
//!
//! An update is forgiven what was wrong before and did not change.
//!
//! # Source
//! kube-openapi `pkg/validation/validate` and apiextensions-apiserver 0.36 `pkg/apiserver/validation`, the ratcheting validator included.

use crate::sim::json::Value;

use super::format;
use super::schema::{Additional, Checks, Schema};
use crate::sim::failure::{FieldError, Rule, quoted};

/// What one node found, and how many of its checks were made: of alternatives that all fail, the one that got furthest speaks.
#[derive(Default)]
struct Outcome {
    errors: Vec<FieldError>,
    made: usize,
}

impl Outcome {
    fn push(&mut self, error: FieldError) {
        self.errors.push(error);
    }

    fn add(&mut self, other: Outcome) {
        self.errors.extend(other.errors);
        self.made += other.made;
    }

    /// An error that names no field.
    fn say(&mut self, words: String) {
        self.push(FieldError::invalid("<nil>", "", words));
    }
}

/// All that is wrong with a value; `old` is what it replaces.
pub fn check(schema: &Schema, value: &Value, old: Option<&Value>, path: &str) -> Vec<FieldError> {
    walk(schema, value, old, path).errors
}

/// What a value is, in the words of schemas.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A number as Go's `%v` prints it.
pub fn go_number(number: f64) -> String {
    const PLAIN: std::ops::Range<f64> = 1e-5..1e21;
    if number == 0.0 || PLAIN.contains(&number.abs()) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |it| ('-', it));
    format!("{mantissa}e{sign}{digits:0>2}")
}

/// A path without the dot that paths below the root begin with.
fn field(path: &str) -> String {
    if path.is_empty() || path == "." { "<nil>".to_owned() } else { path.trim_start_matches('.').to_owned() }
}

fn walk(schema: &Schema, value: &Value, old: Option<&Value>, path: &str) -> Outcome {
    let mut outcome = Outcome::default();
    if old == Some(value) {
        return outcome;
    }
    kind(schema, value, path, &mut outcome);
    if value.is_null() {
        enumeration(&schema.checks, value, path, &mut outcome);
        return outcome;
    }
    alternatives(&schema.checks, value, old, path, &mut outcome);
    match value {
        Value::String(text) => string(&schema.checks, text, path, &mut outcome),
        Value::Number(_) => number(schema, value, path, &mut outcome),
        Value::Array(items) => list(schema, items, old, path, &mut outcome),
        _ => {}
    }
    enumeration(&schema.checks, value, path, &mut outcome);
    if let Value::Object(_) = value {
        object(schema, value, old, path, &mut outcome);
    }
    outcome.made += 1;
    outcome
}

fn kind(schema: &Schema, value: &Value, path: &str, outcome: &mut Outcome) {
    let expected = if schema.int_or_string { "integer,string" } else { schema.ty.as_str() };
    let format = schema.checks.format.as_str();
    if expected.is_empty() && format.is_empty() {
        return;
    }
    let wrong = |expected: &str, found: &str| {
        FieldError::new(Rule::TypeInvalid, field(path), found, format!("{path} in body must be of type {expected}: {}", quoted(found)).trim_start_matches('.'))
    };
    let found = type_of(value);
    let has = |ty: &str| expected.split(',').any(|it| it == ty);
    if value.is_null() {
        if !expected.is_empty() && !schema.nullable {
            outcome.push(wrong(expected, "null"));
        } else {
            outcome.made += 1;
        }
        return;
    }
    let whole = found == "number" && value.as_f64().is_some_and(|it| it.fract() == 0.0) && has("integer");
    let fits = has(found) || whole || (found == "integer" && has("number"));
    let sequence = matches!(found, "string" | "array");
    let own_format = match found {
        "integer" => "int64",
        "number" => "float64",
        _ => "",
    };
    if !(sequence || format.is_empty() || fits || own_format == format) {
        outcome.push(wrong(format, own_format));
    } else if !has("number") && !has("integer") && !format.is_empty() && sequence {
        outcome.made += 1;
    } else if !fits && !expected.is_empty() {
        outcome.push(wrong(expected, found));
    } else {
        outcome.made += 1;
    }
    outcome.made += 1;
}

fn alternatives(checks: &Checks, value: &Value, old: Option<&Value>, path: &str, outcome: &mut Outcome) {
    let shown = quoted(path);
    if !checks.any_of.is_empty() {
        let mut best: Option<Outcome> = None;
        let mut good = false;
        for schema in &checks.any_of {
            let found = walk(schema, value, old, path);
            if found.errors.is_empty() {
                outcome.made += found.made;
                good = true;
                break;
            }
            if best.as_ref().is_none_or(|it| found.made > it.made) {
                best = Some(found);
            }
        }
        if !good {
            outcome.say(format!("{shown} must validate at least one schema (anyOf)"));
            outcome.add(best.unwrap_or_default());
        }
    }
    if !checks.one_of.is_empty() {
        let mut best: Option<Outcome> = None;
        let mut first: Option<Outcome> = None;
        let mut good = 0;
        for schema in &checks.one_of {
            let found = walk(schema, value, old, path);
            if found.errors.is_empty() {
                good += 1;
                best = None;
                first.get_or_insert(found);
            } else if good == 0 && best.as_ref().is_none_or(|it| found.made > it.made) {
                best = Some(found);
            }
        }
        match good {
            1 => outcome.add(first.unwrap_or_default()),
            0 => outcome.say(format!("{shown} must validate one and only one schema (oneOf). Found none valid")),
            several => outcome.say(format!("{shown} must validate one and only one schema (oneOf). Found {several} valid alternatives")),
        }
        if good != 1 {
            outcome.add(best.unwrap_or_default());
        }
    }
    if !checks.all_of.is_empty() {
        let mut good = 0;
        for schema in &checks.all_of {
            let found = walk(schema, value, old, path);
            good += usize::from(found.errors.is_empty());
            outcome.add(found);
        }
        if good != checks.all_of.len() {
            let none = if good == 0 { ". None validated" } else { "" };
            outcome.say(format!("{shown} must validate all the schemas (allOf){none}"));
        }
    }
    if checks.not.as_ref().is_some_and(|it| walk(it, value, old, path).errors.is_empty()) {
        outcome.say(format!("{shown} must not validate the schema (not)"));
    }
    outcome.made += 1;
}

fn invalid(path: &str, value: impl Into<Value>, words: &str) -> FieldError {
    FieldError::invalid(field(path), value, format!("{path} in body {words}").trim_start_matches('.'))
}

fn string(checks: &Checks, text: &str, path: &str, outcome: &mut Outcome) {
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    if let Some(most) = checks.max_length.filter(|most| length > *most) {
        outcome.push(FieldError::too_long(field(path), usize::try_from(most).unwrap_or(0)));
    } else if let Some(least) = checks.min_length.filter(|least| length < *least) {
        outcome.push(invalid(path, text, &format!("should be at least {least} chars long")));
    } else if let Some(pattern) = checks.pattern.as_ref().filter(|it| it.regex.as_ref().is_none_or(|it| !it.is_match(text))) {
        outcome.push(invalid(path, text, &format!("should match '{}'", pattern.text)));
    }
    outcome.made += 1;
    if !checks.format.is_empty() && !format::is(&checks.format, text) {
        let words = format!("{path} in body must be of type {}: {}", checks.format, quoted(text));
        outcome.push(FieldError::new(Rule::TypeInvalid, field(path), text, words.trim_start_matches('.')));
    }
    outcome.made += usize::from(!checks.format.is_empty());
}

fn number(schema: &Schema, value: &Value, path: &str, outcome: &mut Outcome) {
    let checks = &schema.checks;
    let float = value.as_f64().unwrap_or_default();
    let fits = match (schema.ty.as_str(), checks.format.as_str()) {
        ("integer", "int32") => value.as_i64().is_some_and(|it| i32::try_from(it).is_ok()),
        ("integer", _) => value.as_i64().is_some(),
        (_, "float") => float.abs() <= f64::from(f32::MAX),
        _ => true,
    };
    if !fits {
        let path = path.trim_start_matches('.');
        outcome.say(match checks.format.as_str() {
            "" => format!("Checked value must be of type {} (default format) in {path}", schema.ty),
            format => format!("Checked value must be of type {} with format {format} in {path}", schema.ty),
        });
    }
    // Limits of whole numbers are cut to whole numbers.
    let limit = |it: f64| if value.as_i64().is_some() { it.trunc() } else { it };
    if let Some(factor) = checks.multiple_of.map(limit) {
        let multiple = if factor < 1.0 { 1.0 / factor * float } else { float / factor };
        if factor <= 0.0 {
            outcome.say(format!("factor MultipleOf declared for {path} must be positive: {}", go_number(factor)));
        } else if multiple.fract().abs() > 1e-9 {
            outcome.push(invalid(path, value.clone(), &format!("should be a multiple of {}", go_number(factor))));
        }
    }
    if let Some(least) = checks.minimum.map(limit) {
        let words = if checks.exclusive_minimum { "should be greater than" } else { "should be greater than or equal to" };
        if float < least || (checks.exclusive_minimum && float == least) {
            outcome.push(invalid(path, value.clone(), &format!("{words} {}", go_number(least))));
        }
    }
    if let Some(most) = checks.maximum.map(limit) {
        let words = if checks.exclusive_maximum { "should be less than" } else { "should be less than or equal to" };
        if float > most || (checks.exclusive_maximum && float == most) {
            outcome.push(invalid(path, value.clone(), &format!("{words} {}", go_number(most))));
        }
    }
    outcome.made += 1;
}

fn list(schema: &Schema, items: &[Value], old: Option<&Value>, path: &str, outcome: &mut Outcome) {
    if let Some(inner) = schema.items.as_deref() {
        for (at, item) in items.iter().enumerate() {
            outcome.add(walk(inner, item, same_item(schema, item, old), &format!("{path}[{at}]")));
        }
    }
    let size = i64::try_from(items.len()).unwrap_or(i64::MAX);
    if let Some(least) = schema.checks.min_items.filter(|least| size < *least) {
        outcome.push(invalid(path, size, &format!("should have at least {least} items")));
    }
    if let Some(most) = schema.checks.max_items.filter(|most| size > *most) {
        outcome.push(too_many(path, size, most));
    }
    outcome.made += 1;
}

fn too_many(path: &str, size: i64, most: i64) -> FieldError {
    let items = if most == 1 { "item" } else { "items" };
    FieldError::new(Rule::TooMany, field(path), size, format!("must have at most {most} {items}"))
}

/// The item of the old list that an item replaces: only lists with keys know.
pub fn same_item<'a>(schema: &Schema, item: &Value, old: Option<&'a Value>) -> Option<&'a Value> {
    if schema.list_type != "map" {
        return None;
    }
    let same = |other: &&Value| schema.list_keys.iter().all(|key| other.get(key) == item.get(key));
    old?.as_array()?.iter().find(same)
}

fn enumeration(checks: &Checks, value: &Value, path: &str, outcome: &mut Outcome) {
    if checks.enumeration.is_empty() {
        return;
    }
    let same = |one: &Value| one == value || (one.as_f64().is_some() && one.as_f64() == value.as_f64());
    if !checks.enumeration.iter().any(same) {
        let allowed: Vec<String> = checks.enumeration.iter().map(|it| it.as_str().map_or_else(|| it.to_string(), str::to_owned)).collect();
        let allowed: Vec<&str> = allowed.iter().map(String::as_str).collect();
        outcome.push(FieldError::not_supported(field(path), value.clone(), &allowed));
    }
    outcome.made += 1;
}

fn object(schema: &Schema, value: &Value, old: Option<&Value>, path: &str, outcome: &mut Outcome) {
    let Some(map) = value.as_object() else { return };
    let before = |key: &str| old.and_then(|it| it.get(key));
    let size = i64::try_from(map.len()).unwrap_or(i64::MAX);
    if let Some(least) = schema.checks.min_properties.filter(|least| size < *least) {
        outcome.push(invalid(path, size, &format!("should have at least {least} properties")));
    }
    if let Some(most) = schema.checks.max_properties.filter(|most| size > *most) {
        outcome.push(too_many(path, size, most));
    }
    for (key, member) in map.iter().filter(|(key, _)| !schema.properties.contains_key(key.as_str())) {
        match &schema.additional {
            Some(Additional::Schema(inner)) => outcome.add(walk(inner, member, before(key), &format!("{path}.{key}"))),
            Some(Additional::Allowed(false)) => {
                let words = format!("{path}.{key} in body is a forbidden property");
                outcome.push(FieldError::invalid(field(path), key.as_str(), words.trim_start_matches('.')));
            }
            _ => {}
        }
    }
    for (key, inner) in &schema.properties {
        if let Some(member) = map.get(key) {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            outcome.add(walk(inner, member, before(key), &path));
        }
    }
    for key in schema.checks.required.iter().filter(|key| !map.contains_key(key)) {
        outcome.push(FieldError::required(field(&format!("{path}.{key}")), ""));
    }
    outcome.made += 1;
}
