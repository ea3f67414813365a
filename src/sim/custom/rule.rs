//! `x-kubernetes-validations`: rules in the Common Expression Language, read with the schema and run at each write.
//!
//! # Source
//! apiextensions-apiserver 0.36 `pkg/apiserver/schema/cel`.

use super::cel::{self, Broken, Expr, Value};
use super::check::same_item;
use super::definition::Errors;
use super::schema::{Additional, Schema};
use crate::sim::failure::{FieldError, Rule as Broke};
use crate::sim::json::Value as Json;

/// A rule and what it says when it is broken.
#[derive(Clone, Debug)]
pub struct Rule {
    text: String,
    message: String,
    reason: String,
    field: String,
    /// Whether it runs without an old value too, which is then an optional one.
    optional_old: bool,
    uses_old: bool,
    program: Result<Expr, Broken>,
    message_program: Option<Expr>,
}

fn text(value: &Json, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

impl Rule {
    pub fn read(rule: &Json) -> Self {
        let program = cel::parse(&text(rule, "rule"));
        let message = text(rule, "messageExpression");
        Self {
            text: text(rule, "rule").trim().to_owned(),
            message: text(rule, "message").trim().to_owned(),
            reason: text(rule, "reason"),
            field: text(rule, "fieldPath"),
            optional_old: rule["optionalOldSelf"] == true,
            uses_old: program.as_ref().is_ok_and(|it| names(it).any(|name| name == "oldSelf")),
            message_program: if message.is_empty() { None } else { cel::parse(&message).ok() },
            program,
        }
    }

    fn shown(&self) -> &str {
        if self.message.is_empty() { &self.text } else { &self.message }
    }
}

/// The parts of an expression, itself among them.
fn parts(expr: &Expr) -> Vec<&Expr> {
    let mut found = vec![expr];
    let mut at = 0;
    while at < found.len() {
        let inner: Vec<&Expr> = match found[at] {
            Expr::Literal(_) | Expr::Double(_) | Expr::Name(_) => Vec::new(),
            Expr::List(items) => items.iter().collect(),
            Expr::Map(members) => members.iter().flat_map(|(key, value)| [key, value]).collect(),
            Expr::Field { of, .. } | Expr::Has { of, .. } => vec![of],
            Expr::Index { of, index, .. } => vec![of, index],
            Expr::Call { on, arguments, .. } => on.iter().map(|it| &**it).chain(arguments).collect(),
            Expr::Not(inner) | Expr::Negative(inner) => vec![inner],
            Expr::Binary { left, right, .. } => vec![left, right],
            Expr::Choice { condition, yes, no } => vec![condition, yes, no],
            Expr::Macro { on, body, .. } => std::iter::once(&**on).chain(body).collect(),
        };
        found.extend(inner);
        at += 1;
    }
    found
}

fn names(expr: &Expr) -> impl Iterator<Item = &str> {
    parts(expr).into_iter().filter_map(|it| if let Expr::Name(name) = it { Some(name.as_str()) } else { None })
}

/// Judges the rules of a schema as they are written; `sound` where the schema besides them is good, so that they can be read.
pub fn check(errors: &mut Errors, schema: &Json, field: &str, sound: bool) {
    const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
    let rules = schema["x-kubernetes-validations"].as_array().map_or(&[][..], Vec::as_slice);
    let before = errors.0.len();
    let broken_line = |it: &str| it.contains(['\n', '\r']);
    for (at, rule) in rules.iter().enumerate() {
        let field = format!("{field}.x-kubernetes-validations[{at}]");
        let (expression, message) = (text(rule, "rule"), text(rule, "message"));
        if expression.trim().is_empty() {
            errors.required(format!("{field}.rule"), "rule is not specified");
        } else if !message.is_empty() && message.trim().is_empty() {
            errors.invalid(format!("{field}.message"), message.as_str(), "must be non-empty if specified");
        } else if broken_line(message.trim()) {
            errors.invalid(format!("{field}.message"), message.as_str(), "must not contain line breaks");
        } else if broken_line(expression.trim()) && message.trim().is_empty() {
            errors.required(format!("{field}.message"), "message must be specified if rule contains line breaks");
        }
        let reason = text(rule, "reason");
        if !reason.is_empty() && !REASONS.contains(&reason.as_str()) {
            errors.unsupported(format!("{field}.reason"), reason.as_str(), &REASONS);
        }
        let path = text(rule, "fieldPath");
        if !path.is_empty() && super::structural::at(&Schema::read(schema), &path).is_err() {
            errors.invalid(format!("{field}.fieldPath"), path.as_str(), "must be a valid path");
        }
    }
    if !sound || errors.0.len() > before {
        return;
    }
    for (at, rule) in rules.iter().enumerate() {
        let field = format!("{field}.x-kubernetes-validations[{at}]");
        for key in ["rule", "messageExpression"] {
            let expression = text(rule, key);
            if expression.is_empty() {
                continue;
            }
            if let Some(Broken { at, why }) = compile(&expression, &Schema::read(schema)) {
                let words = if why.starts_with("the simulated cluster") { why } else { format!("compilation failed: {}", located(&expression, at, &why)) };
                errors.0.push(FieldError::literal(Broke::Invalid, format!("{field}.{key}"), shown(rule), words));
            }
        }
    }
}

/// A rule as the server's own type prints it.
fn shown(rule: &Json) -> String {
    let text = |key: &str| Json::from(text(rule, key)).to_string();
    format!(
        r#"{{"Rule":{},"Message":{},"MessageExpression":{},"Reason":{},"FieldPath":{},"OptionalOldSelf":{}}}"#,
        text("rule"),
        text("message"),
        text("messageExpression"),
        rule["reason"],
        text("fieldPath"),
        rule["optionalOldSelf"]
    )
}

/// An error with the line that it is in, as the real compiler shows it.
fn located(expression: &str, at: usize, why: &str) -> String {
    let at = at.min(expression.len());
    let line = expression[..at].matches('\n').count();
    let start = expression[..at].rfind('\n').map_or(0, |it| it + 1);
    let column = expression[start..at].chars().count();
    let shown = expression[start..].lines().next().unwrap_or_default();
    format!("ERROR: <input>:{}:{}: {why}\n | {shown}\n | {}^", line + 1, column + 1, ".".repeat(column))
}

/// What is wrong with an expression before it runs: its form, a field that the schema does not have, a function that nobody knows.
fn compile(expression: &str, schema: &Schema) -> Option<Broken> {
    let expr = match cel::parse(expression) {
        Ok(expr) => expr,
        Err(broken) => return Some(broken),
    };
    let mut bound: Vec<&str> = vec!["self", "oldSelf", "optional", "math", "ip"];
    for part in parts(&expr) {
        if let Expr::Macro { variable, second, .. } = part {
            bound.push(variable);
            bound.extend(second.as_deref());
        }
    }
    for part in parts(&expr) {
        match part {
            Expr::Name(name) if !bound.contains(&name.as_str()) && !cel::is_type(name) => {
                let at = expression.find(name.as_str()).unwrap_or(0);
                return Some(Broken { at, why: format!("undeclared reference to '{name}' (in container '')") });
            }
            Expr::Call { on, name, at, .. } => {
                let space = match on.as_deref() {
                    Some(Expr::Name(space)) if matches!(space.as_str(), "optional" | "math" | "ip") => format!("{space}."),
                    _ => String::new(),
                };
                let full = format!("{space}{name}");
                if !cel::knows(&full) {
                    return Some(Broken { at: *at, why: format!("the simulated cluster does not implement the function {full:?} of validation rules") });
                }
            }
            Expr::Field { name, at, .. } => {
                if let Some(Lookup::Missing) = lookup(part, schema) {
                    return Some(Broken { at: *at, why: format!("undefined field '{name}'") });
                }
            }
            _ => {}
        }
    }
    None
}

enum Lookup<'a> {
    Found(&'a Schema),
    Missing,
}

/// The schema of what `self.a.b` names; `None` where that cannot be told.
fn lookup<'a>(expr: &Expr, schema: &'a Schema) -> Option<Lookup<'a>> {
    match expr {
        Expr::Name(name) if name == "self" => Some(Lookup::Found(schema)),
        Expr::Field { of, name, .. } => {
            let Some(Lookup::Found(outer)) = lookup(of, schema) else { return None };
            let root = std::ptr::eq(outer, schema) && matches!(name.as_str(), "apiVersion" | "kind" | "metadata");
            if root || outer.ty != "object" || outer.additional.is_some() || outer.embedded {
                return None;
            }
            match outer.properties.iter().find(|(key, _)| cel::escaped(key) == *name) {
                Some((_, inner)) => Some(Lookup::Found(inner)),
                None => Some(Lookup::Missing),
            }
        }
        _ => None,
    }
}

/// The rules that an object breaks; `old` is what it replaces.
pub fn evaluate(schema: &Schema, object: &Json, old: Option<&Json>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    walk(schema, object, old, "", &mut errors);
    errors
}

fn walk(schema: &Schema, value: &Json, old: Option<&Json>, path: &str, errors: &mut Vec<FieldError>) {
    if value.is_null() || !schema.has_rules() {
        return;
    }
    for rule in &schema.rules {
        apply(rule, schema, value, old, path, errors);
    }
    let child = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Json::Array(items) => {
            let Some(inner) = schema.items.as_deref() else { return };
            for (at, item) in items.iter().enumerate() {
                walk(inner, item, same_item(schema, item, old), &format!("{path}[{at}]"), errors);
            }
        }
        Json::Object(map) => {
            for (key, member) in map.iter() {
                let before = old.and_then(|it| it.get(key.as_str()));
                if let Some(inner) = schema.properties.get(key.as_str()) {
                    walk(inner, member, before, &child(key), errors);
                } else if let Some(Additional::Schema(inner)) = &schema.additional {
                    walk(inner, member, before, &format!("{path}[{key}]"), errors);
                }
            }
        }
        _ => {}
    }
}

fn apply(rule: &Rule, schema: &Schema, value: &Json, old: Option<&Json>, path: &str, errors: &mut Vec<FieldError>) {
    let field = if path.is_empty() { "<nil>".to_owned() } else { path.to_owned() };
    let Ok(program) = &rule.program else { return };
    if rule.uses_old && old.is_none() && !rule.optional_old {
        return;
    }
    let before = match (old, rule.optional_old) {
        (Some(old), true) => Value::Optional(Some(Box::new(Value::of(old, Some(schema))))),
        (None, true) => Value::Optional(None),
        (Some(old), false) => Value::of(old, Some(schema)),
        (None, false) => Value::Null,
    };
    let mut names = vec![("self".to_owned(), Value::of(value, Some(schema))), ("oldSelf".to_owned(), before)];
    match cel::run(program, &mut names) {
        Ok(Value::Bool(true)) => return,
        Ok(_) => {}
        Err(why) => {
            let words = if why.starts_with("no such overload") {
                format!("'{why}': call arguments did not match a supported operator, function or macro signature for rule: {}", rule.shown())
            } else {
                format!("{why} evaluating rule: {}", rule.shown())
            };
            errors.push(FieldError::invalid(field, schema.ty.as_str(), words));
            return;
        }
    }
    // What was wrong before and did not change is forgiven.
    if !rule.uses_old && old == Some(value) {
        return;
    }
    let told = rule.message_program.as_ref().and_then(|it| cel::run(it, &mut names).ok());
    let words = match told {
        Some(Value::Text(text)) if !text.trim().is_empty() => text,
        _ if !rule.message.is_empty() => rule.message.clone(),
        _ => format!("failed rule: {}", rule.text),
    };
    let inner = rule.field.trim_start_matches('.');
    let field = match (inner.is_empty(), path.is_empty()) {
        (true, _) => field,
        (false, true) => inner.to_owned(),
        (false, false) => format!("{path}.{inner}"),
    };
    errors.push(match rule.reason.as_str() {
        "FieldValueForbidden" => FieldError::forbidden(field, words),
        "FieldValueRequired" => FieldError::required(field, words),
        reason => {
            let broke = if reason == "FieldValueDuplicate" { Broke::Duplicate } else { Broke::Invalid };
            if matches!(schema.ty.as_str(), "object" | "array") {
                FieldError::bare(broke, field, words)
            } else {
                FieldError::new(broke, field, value.clone(), words)
            }
        }
    });
}
