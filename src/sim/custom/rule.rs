//! `x-kubernetes-validations`: rules in the Common Expression Language, read with the schema and run at each write.
//!
//! # Source
//! apiextensions-apiserver 0.36 `pkg/apiserver/schema/cel`.

use super::cel::{self, Broken, Checker, Expr, Type, Value};
use super::check::same_item;
use super::definition::Errors;
use super::schema::{Additional, Schema};
use crate::sim::failure::{FieldError, Rule as Broke};
use crate::sim::fields::go_json;
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
            Expr::Literal(_) | Expr::Double(_) | Expr::Name { .. } => Vec::new(),
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
    parts(expr).into_iter().filter_map(|it| if let Expr::Name { name, .. } = it { Some(name.as_str()) } else { None })
}

/// Judges the rules of a schema as they are written; `sound` where the schema besides them is good, so that they can be read.
pub fn check(errors: &mut Errors, schema: &Json, field: &str, is_root: bool, sound: bool) {
    const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
    let rules = schema["x-kubernetes-validations"].as_array().unwrap_or_default();
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
    let read = Schema::read(schema);
    for (at, rule) in rules.iter().enumerate() {
        let field = format!("{field}.x-kubernetes-validations[{at}]");
        for key in ["rule", "messageExpression"] {
            let expression = text(rule, key);
            if expression.is_empty() {
                continue;
            }
            for words in compile(&expression, &read, is_root, rule["optionalOldSelf"] == true, key == "rule") {
                errors.0.push(FieldError::literal(Broke::Invalid, format!("{field}.{key}"), shown(rule), words));
            }
        }
    }
}

/// A rule as the server's own type prints it.
fn shown(rule: &Json) -> String {
    let text = |key: &str| go_json(&Json::from(text(rule, key)));
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
fn compile(expression: &str, schema: &Schema, is_root: bool, optional_old: bool, is_rule: bool) -> Vec<String> {
    let told = |broken: &[Broken]| {
        let (own, others): (Vec<&Broken>, Vec<&Broken>) = broken.iter().partition(|it| it.why.starts_with("the simulated cluster"));
        let mut words: Vec<String> = own.iter().map(|it| it.why.clone()).collect();
        let lines: Vec<String> = others.iter().map(|it| located(expression, it.at, &it.why)).collect();
        if !lines.is_empty() {
            words.push(format!("compilation failed: {}", lines.join("\n")));
        }
        words
    };
    let expr = match cel::parse(expression) {
        Ok(expr) => expr,
        Err(broken) => return told(&[broken]),
    };
    let own = if is_root { Type::Object { schema, is_root } } else { Type::of(schema) };
    let old = if optional_old { Type::Dyn } else { own.clone() };
    let mut checker = Checker { names: vec![("self".to_owned(), own), ("oldSelf".to_owned(), old)], broken: Vec::new() };
    let outcome = checker.check(&expr);
    if !checker.broken.is_empty() {
        return told(&checker.broken);
    }
    match outcome {
        Type::Bool | Type::Dyn if is_rule => Vec::new(),
        Type::Text | Type::Dyn if !is_rule => Vec::new(),
        _ if is_rule => vec!["cel expression must evaluate to a bool".to_owned()],
        _ => vec!["messageExpression must evaluate to a string".to_owned()],
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
