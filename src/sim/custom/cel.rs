//! The Common Expression Language, as far as the rules of custom kinds use it.
//!
//! # Limits
//! Types are checked before an expression runs as far as `types` can tell them, and no cost is counted. Functions that are not here are refused when a definition is written, never passed
//! over: `functions::NAMES` lists those that are.
//!
//! # Source
//! cel-spec `doc/langdef.md`, and the libraries that Kubernetes 1.36 adds (`staging/src/k8s.io/apiserver/pkg/cel/library`).

use std::cmp::Ordering;

use jiff::{SignedDuration, Timestamp};

use super::schema::Schema;
use crate::sim::json::Value as Json;

mod functions;
mod parse;
mod types;

pub use functions::duration;
pub use parse::{Broken, Expr, parse};
pub use types::{Checker, Type};

/// A value while an expression runs.
#[derive(Clone, Debug)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    List(Vec<Value>),
    /// The members in their order.
    Map(Vec<(Value, Value)>),
    Duration(SignedDuration),
    Time(Timestamp),
    Optional(Option<Box<Value>>),
    Type(&'static str),
}

impl Value {
    /// A JSON value as its schema has it.
    pub fn of(value: &Json, schema: Option<&Schema>) -> Self {
        let ty = schema.map_or("", |it| it.ty.as_str());
        match value {
            Json::Null => Self::Null,
            Json::Bool(is) => Self::Bool(*is),
            Json::Number(number) => match number.as_i64() {
                Some(whole) if ty != "number" => Self::Int(whole),
                _ => Self::Double(number.as_f64().unwrap_or_default()),
            },
            Json::String(text) => {
                let format = schema.map_or("", |it| it.checks.format.as_str());
                match format {
                    "date-time" | "datetime" => text.parse().map_or_else(|_| Self::Text(text.to_string()), Self::Time),
                    "date" => format!("{text}T00:00:00Z").parse().map_or_else(|_| Self::Text(text.to_string()), Self::Time),
                    "duration" => functions::duration(text).map_or_else(|| Self::Text(text.to_string()), Self::Duration),
                    _ => Self::Text(text.to_string()),
                }
            }
            Json::Array(items) => {
                let inner = schema.and_then(|it| it.items.as_deref());
                Self::List(items.iter().map(|item| Self::of(item, inner)).collect())
            }
            Json::Object(map) => {
                // In a struct a null is as good as absent; names that are no names of the language are spelled otherwise.
                let known = |key: &str| schema.is_some_and(|it| it.properties.contains_key(key));
                let shown = |key: &str| if known(key) { escaped(key) } else { key.to_owned() };
                let member = |(key, value): (&_, &_)| -> (Value, Value) {
                    let key: &str = AsRef::<str>::as_ref(key);
                    (Self::Text(shown(key)), Self::of(value, schema.and_then(|it| it.member(key))))
                };
                Self::Map(map.iter().filter(|(key, value)| !(value.is_null() && known(key))).map(|(key, value)| member((key, value))).collect())
            }
        }
    }

    fn ty(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Time(_) => "google.protobuf.Timestamp",
            Self::Optional(_) => "optional_type",
            Self::Type(_) => "type",
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Int(number) => Some(*number as f64),
            Self::Double(number) => Some(*number),
            _ => None,
        }
    }

    fn get(&self, key: &Value) -> Option<&Value> {
        match self {
            Self::Map(members) => members.iter().find(|(it, _)| it == key).map(|(_, value)| value),
            _ => None,
        }
    }

    fn compare(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(left), Self::Int(right)) => Some(left.cmp(right)),
            (Self::Text(left), Self::Text(right)) => Some(left.cmp(right)),
            (Self::Bool(left), Self::Bool(right)) => Some(left.cmp(right)),
            (Self::Duration(left), Self::Duration(right)) => Some(left.cmp(right)),
            (Self::Time(left), Self::Time(right)) => Some(left.cmp(right)),
            _ => self.number()?.partial_cmp(&other.number()?),
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::List(left), Self::List(right)) => left == right,
            (Self::Map(left), Self::Map(right)) => left.len() == right.len() && left.iter().all(|(key, value)| other.get(key) == Some(value)),
            (Self::Optional(left), Self::Optional(right)) => left == right,
            (Self::Type(left), Self::Type(right)) => left == right,
            _ => self.compare(other) == Some(Ordering::Equal),
        }
    }
}

/// A field's name as expressions spell it.
///
/// # Source
/// `Escape` of apiserver 0.36 `pkg/cel/escaping.go`.
fn escaped(name: &str) -> String {
    const RESERVED: [&str; 17] =
        ["true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop", "package", "namespace"];
    if RESERVED.contains(&name) || matches!(name, "return" | "var" | "void" | "while") {
        return format!("__{name}__");
    }
    name.replace("__", "__underscores__").replace('.', "__dot__").replace('-', "__dash__").replace('/', "__slash__")
}

/// The names that are known while an expression runs, the innermost last.
pub type Names = Vec<(String, Value)>;

fn overload(operator: &str) -> String {
    format!("no such overload: {operator}")
}

/// What an expression comes to.
///
/// # Errors
/// The words of a failure at run time: `no such key: x`, `index out of bounds: 3`.
pub fn run(expr: &Expr, names: &mut Names) -> Result<Value, String> {
    match expr {
        Expr::Literal(value) => Ok(Value::of(value, None)),
        Expr::Double(number) => Ok(Value::Double(*number)),
        Expr::Name { name, .. } => match names.iter().rev().find(|(it, _)| it == name) {
            Some((_, value)) => Ok(value.clone()),
            None => functions::type_named(name).map(Value::Type).ok_or_else(|| format!("no such attribute(s): {name}")),
        },
        Expr::List(items) => items.iter().map(|it| run(it, names)).collect::<Result<_, _>>().map(Value::List),
        Expr::Map(members) => members.iter().map(|(key, value)| Ok((run(key, names)?, run(value, names)?))).collect::<Result<_, String>>().map(Value::Map),
        Expr::Field { of, name, optional, .. } => {
            let of = run(of, names)?;
            field(of, &Value::Text(name.clone()), *optional)
        }
        Expr::Index { of, index, optional } => {
            let (of, index) = (run(of, names)?, run(index, names)?);
            field(of, &index, *optional)
        }
        Expr::Has { of, name, .. } => {
            let of = run(of, names)?;
            let of = if let Value::Optional(inner) = of { inner.map_or(Value::Null, |it| *it) } else { of };
            Ok(Value::Bool(of.get(&Value::Text(name.clone())).is_some()))
        }
        Expr::Not(inner) => match run(inner, names)? {
            Value::Bool(is) => Ok(Value::Bool(!is)),
            _ => Err(overload("!_")),
        },
        Expr::Negative(inner) => match run(inner, names)? {
            Value::Int(number) => number.checked_neg().map(Value::Int).ok_or_else(|| "integer overflow".to_owned()),
            Value::Double(number) => Ok(Value::Double(-number)),
            _ => Err(overload("-_")),
        },
        Expr::Binary { operator, left, right, .. } if matches!(*operator, "&&" | "||") => either(operator == &"||", left, right, names),
        Expr::Binary { operator, left, right, .. } => binary(operator, run(left, names)?, run(right, names)?),
        Expr::Choice { condition, yes, no } => match run(condition, names)? {
            Value::Bool(true) => run(yes, names),
            Value::Bool(false) => run(no, names),
            _ => Err(overload("_?_:_")),
        },
        Expr::Macro { name, on, variable, second, body } => {
            let on = run(on, names)?;
            each(name, on, variable, second.as_deref(), body, names)
        }
        Expr::Call { on, name, arguments, .. } => {
            let namespace = match on.as_deref() {
                Some(Expr::Name { name: space, .. }) if functions::is_space(space) => Some(space.as_str()),
                _ => None,
            };
            let on = match (on, namespace) {
                (Some(on), None) => Some(run(on, names)?),
                _ => None,
            };
            // What an optional value falls back to is looked at only where it is needed.
            let arguments: Vec<Value> = arguments.iter().map(|it| run(it, names)).collect::<Result<_, _>>()?;
            let name = namespace.map_or_else(|| name.clone(), |space| format!("{space}.{name}"));
            functions::call(&name, on, &arguments)
        }
    }
}

fn field(of: Value, key: &Value, optional: bool) -> Result<Value, String> {
    if let Value::Optional(inner) = of {
        let found = match inner {
            Some(inner) => field(*inner, key, true)?,
            None => Value::Optional(None),
        };
        return Ok(found);
    }
    let found = match (&of, key) {
        (Value::List(items), key) => {
            let at = key.number().ok_or_else(|| overload("_[_]"))?;
            let found = if at >= 0.0 { items.get(at as usize).cloned() } else { None };
            if found.is_none() && !optional {
                return Err(format!("index out of bounds: {at}"));
            }
            found
        }
        (Value::Map(_), key) => {
            let found = of.get(key).cloned();
            if found.is_none() && !optional {
                return Err(format!("no such key: {}", functions::text(key).unwrap_or_default()));
            }
            found
        }
        _ => return Err(overload("_[_]")),
    };
    Ok(match (found, optional) {
        (found, true) => Value::Optional(found.map(Box::new)),
        (Some(found), false) => found,
        (None, false) => Value::Null,
    })
}

/// `||` and `&&`: one side can decide alone, even where the other fails.
fn either(or: bool, left: &Expr, right: &Expr, names: &mut Names) -> Result<Value, String> {
    let truth = |value: Result<Value, String>| match value {
        Ok(Value::Bool(is)) => Ok(is),
        Ok(_) => Err(overload(if or { "_||_" } else { "_&&_" })),
        Err(why) => Err(why),
    };
    let first = truth(run(left, names));
    if first == Ok(or) {
        return Ok(Value::Bool(or));
    }
    let second = truth(run(right, names));
    match (first, second) {
        (_, Ok(is)) if is == or => Ok(Value::Bool(or)),
        (Ok(_), Ok(_)) => Ok(Value::Bool(!or)),
        (Err(why), _) | (_, Err(why)) => Err(why),
    }
}

fn binary(operator: &str, left: Value, right: Value) -> Result<Value, String> {
    let shown = match operator {
        "in" => "@in".to_owned(),
        operator => format!("_{operator}_"),
    };
    let wrong = || overload(&shown);
    let overflow = || "integer overflow".to_owned();
    match operator {
        "==" => return Ok(Value::Bool(left == right)),
        "!=" => return Ok(Value::Bool(left != right)),
        "<" | "<=" | ">" | ">=" => {
            let order = left.compare(&right).ok_or_else(wrong)?;
            return Ok(Value::Bool(match operator {
                "<" => order.is_lt(),
                "<=" => order.is_le(),
                ">" => order.is_gt(),
                _ => order.is_ge(),
            }));
        }
        "in" => {
            return match &right {
                Value::List(items) => Ok(Value::Bool(items.contains(&left))),
                Value::Map(_) => Ok(Value::Bool(right.get(&left).is_some())),
                _ => Err(wrong()),
            };
        }
        _ => {}
    }
    match (operator, left, right) {
        ("+", Value::Int(left), Value::Int(right)) => left.checked_add(right).map(Value::Int).ok_or_else(overflow),
        ("-", Value::Int(left), Value::Int(right)) => left.checked_sub(right).map(Value::Int).ok_or_else(overflow),
        ("*", Value::Int(left), Value::Int(right)) => left.checked_mul(right).map(Value::Int).ok_or_else(overflow),
        ("/", Value::Int(_), Value::Int(0)) => Err("division by zero".to_owned()),
        ("%", Value::Int(_), Value::Int(0)) => Err("modulus by zero".to_owned()),
        ("/", Value::Int(left), Value::Int(right)) => left.checked_div(right).map(Value::Int).ok_or_else(overflow),
        ("%", Value::Int(left), Value::Int(right)) => left.checked_rem(right).map(Value::Int).ok_or_else(overflow),
        ("+", Value::Double(left), Value::Double(right)) => Ok(Value::Double(left + right)),
        ("-", Value::Double(left), Value::Double(right)) => Ok(Value::Double(left - right)),
        ("*", Value::Double(left), Value::Double(right)) => Ok(Value::Double(left * right)),
        ("/", Value::Double(left), Value::Double(right)) => Ok(Value::Double(left / right)),
        ("+", Value::Text(left), Value::Text(right)) => Ok(Value::Text(format!("{left}{right}"))),
        ("+", Value::List(mut left), Value::List(right)) => {
            left.extend(right);
            Ok(Value::List(left))
        }
        ("+", Value::Duration(left), Value::Duration(right)) => left.checked_add(right).map(Value::Duration).ok_or_else(overflow),
        ("-", Value::Duration(left), Value::Duration(right)) => left.checked_sub(right).map(Value::Duration).ok_or_else(overflow),
        ("+", Value::Time(time), Value::Duration(by)) | ("+", Value::Duration(by), Value::Time(time)) => {
            time.checked_add(by).map(Value::Time).map_err(|_| overflow())
        }
        ("-", Value::Time(time), Value::Duration(by)) => time.checked_sub(by).map(Value::Time).map_err(|_| overflow()),
        ("-", Value::Time(left), Value::Time(right)) => Ok(Value::Duration(left.duration_since(right))),
        _ => Err(wrong()),
    }
}

/// The macros over lists and maps.
fn each(name: &str, on: Value, variable: &str, second: Option<&str>, body: &[Expr], names: &mut Names) -> Result<Value, String> {
    // One variable is the item of a list or the key of a map; two are the index or key, and the value.
    let items: Vec<(Value, Value)> = match on {
        Value::List(items) if second.is_some() => {
            items.into_iter().enumerate().map(|(at, it)| (Value::Int(i64::try_from(at).unwrap_or(i64::MAX)), it)).collect()
        }
        Value::List(items) => items.into_iter().map(|it| (it.clone(), it)).collect(),
        Value::Map(members) => members,
        _ => return Err(overload("iteration")),
    };
    let with = |first: &Value, value: &Value, expr: &Expr, names: &mut Names| {
        let length = names.len();
        names.push((variable.to_owned(), first.clone()));
        if let Some(second) = second {
            names.push((second.to_owned(), value.clone()));
        }
        let outcome = run(expr, names);
        names.truncate(length);
        outcome
    };
    let holds = |outcome: Result<Value, String>| match outcome {
        Ok(Value::Bool(is)) => Ok(is),
        Ok(_) => Err(overload(name)),
        Err(why) => Err(why),
    };
    let (test, make) = (&body[0], body.last().unwrap_or(&body[0]));
    match name {
        "all" | "exists" => {
            let decides = name == "exists";
            let mut failed = None;
            for (first, value) in &items {
                match holds(with(first, value, test, names)) {
                    Ok(is) if is == decides => return Ok(Value::Bool(decides)),
                    Ok(_) => {}
                    Err(why) => failed = failed.or(Some(why)),
                }
            }
            failed.map_or(Ok(Value::Bool(!decides)), Err)
        }
        "exists_one" | "existsOne" => {
            let mut count = 0;
            for (first, value) in &items {
                count += usize::from(holds(with(first, value, test, names))?);
            }
            Ok(Value::Bool(count == 1))
        }
        _ => {
            let mut kept = Vec::new();
            for (first, value) in &items {
                if (name == "filter" || body.len() == 2) && !holds(with(first, value, test, names))? {
                    continue;
                }
                kept.push(if name == "filter" { first.clone() } else { with(first, value, make, names)? });
            }
            Ok(Value::List(kept))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::json::json;

    fn eval(text: &str) -> String {
        let object = json!({ "size": 3, "name": "abc", "tags": ["a", "b"], "labels": { "x": "y" }, "ports": [{ "n": 1 }, { "n": 2 }], "none": null });
        let expr = match parse(text) {
            Ok(expr) => expr,
            Err(broken) => return format!("{}: {}", broken.at, broken.why),
        };
        match run(&expr, &mut vec![("self".to_owned(), Value::of(&object, None))]) {
            Ok(value) => functions::text(&value).unwrap_or_else(|| format!("{value:?}")),
            Err(why) => why,
        }
    }

    #[test]
    fn expressions_come_to_what_the_language_says() {
        for (text, expected) in [
            ("self.size > 2 && self.size <= 3", "true"),
            ("self.size % 2 == 1 ? 'odd' : 'even'", "odd"),
            ("size(self.tags) + self.tags.size()", "4"),
            ("self.tags.all(t, t.size() == 1)", "true"),
            ("self.ports.exists(p, p.n == 2) && !self.ports.exists(p, p.n == 3)", "true"),
            ("self.ports.map(p, p.n)[1]", "2"),
            ("self.ports.filter(p, p.n > 1).size()", "1"),
            ("self.ports.exists_one(p, p.n == 1)", "true"),
            ("'x' in self.labels && 'b' in self.tags", "true"),
            ("has(self.size) && !has(self.more)", "true"),
            ("self.more == 1", "no such key: more"),
            ("self.tags[5]", "index out of bounds: 5"),
            ("self.more == 1 || self.size == 3", "true"),
            ("self.?more.orValue(7)", "7"),
            ("self.?size.hasValue()", "true"),
            ("self.name.startsWith('a') && self.name.matches('^[a-z]+$')", "true"),
            ("self.labels.all(k, v, k == 'x' && v == 'y')", "true"),
            ("duration('1h') > duration('30m')", "true"),
            ("timestamp('2026-01-01T00:00:00Z') < timestamp('2026-01-02T00:00:00Z')", "true"),
            ("string(1) + 'x'", "1x"),
            ("1 / 0", "division by zero"),
            ("self.name + 1", "no such overload: _+_"),
            (
                "self.size &&",
                "12: Syntax error: mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
            ),
            ("[1, 2, 3].sum()", "6"),
            ("'a-b'.split('-').join('+')", "a+b"),
        ] {
            assert_eq!(eval(text), expected, "{text}");
        }
    }
}
