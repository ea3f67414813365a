//! The JSON paths that definitions name: of printed columns and of fields that can be selected by.
//!
//! # Limits
//! Fields, `['quoted fields']`, indices, slices, `*`, `..` and filters that compare with one operator, as in `[?(@.type=="Ready")]`.
//!
//! # Source
//! client-go 0.36 `util/jsonpath`.

use crate::sim::json::Value;

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Index(i64),
    Slice(Option<i64>, Option<i64>),
    All,
    Deep,
    Filter { left: Side, operator: &'static str, right: Side },
}

/// One side of a filter.
#[derive(Clone, Debug, PartialEq)]
enum Side {
    Path(Vec<Step>),
    Literal(Value),
}

/// A path that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Path(Vec<Step>);

impl Path {
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix('$').or(text.strip_prefix('@')).unwrap_or(text);
        steps(rest).map(Path)
    }

    /// All that it leads to.
    pub fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        follow(&self.0, value)
    }
}

fn steps(text: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("..") {
            steps.push(Step::Deep);
            rest = after;
            if !rest.starts_with('[') {
                rest = name(rest, &mut steps);
            }
        } else if let Some(after) = rest.strip_prefix('.') {
            rest = name(after, &mut steps);
        } else if let Some(after) = rest.strip_prefix('[') {
            let end = closing(after).ok_or_else(|| "unterminated array".to_owned())?;
            steps.push(bracket(&after[..end])?);
            rest = &after[end + 1..];
        } else {
            rest = name(rest, &mut steps);
        }
    }
    Ok(steps)
}

/// The name at the beginning; a backslash keeps a dot in it.
fn name<'a>(text: &'a str, steps: &mut Vec<Step>) -> &'a str {
    let mut found = String::new();
    let mut chars = text.char_indices();
    let mut end = text.len();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => found.extend(chars.next().map(|it| it.1)),
            '.' | '[' => {
                end = at;
                break;
            }
            c => found.push(c),
        }
    }
    match found.as_str() {
        "" => {}
        "*" => steps.push(Step::All),
        _ => steps.push(Step::Field(found)),
    }
    &text[end..]
}

/// Where the bracket that is open closes, quotes and inner brackets left aside.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut quote = None;
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some(at),
            (None, ']') => depth -= 1,
            _ => {}
        }
    }
    None
}

fn unquoted(text: &str) -> Option<String> {
    let inner = ['\'', '"'].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))?;
    Some(inner.replace("\\\"", "\"").replace("\\'", "'"))
}

fn bracket(text: &str) -> Result<Step, String> {
    let text = text.trim();
    if let Some(filter) = text.strip_prefix("?(").and_then(|it| it.strip_suffix(')')) {
        return filter_of(filter);
    }
    if text == "*" {
        return Ok(Step::All);
    }
    if let Some(name) = unquoted(text) {
        return Ok(Step::Field(name));
    }
    let number = |text: &str| text.trim().parse::<i64>().map_err(|_| format!("invalid array index {text}"));
    match text.split_once(':') {
        Some((from, to)) => {
            let end = |text: &str| if text.trim().is_empty() { Ok(None) } else { number(text).map(Some) };
            Ok(Step::Slice(end(from)?, end(to)?))
        }
        None => number(text).map(Step::Index),
    }
}

fn filter_of(text: &str) -> Result<Step, String> {
    const OPERATORS: [&str; 6] = ["==", "!=", "<=", ">=", "<", ">"];
    let side = |text: &str| -> Result<Side, String> {
        let text = text.trim();
        if let Some(rest) = text.strip_prefix('@') {
            return steps(rest).map(Side::Path);
        }
        if let Some(text) = unquoted(text) {
            return Ok(Side::Literal(text.into()));
        }
        serde_json::from_str(text).map(Side::Literal).map_err(|_| format!("unrecognized identifier {text}"))
    };
    let found = OPERATORS.iter().find_map(|operator| text.split_once(operator).map(|(left, right)| (left, *operator, right)));
    match found {
        Some((left, operator, right)) => Ok(Step::Filter { left: side(left)?, operator, right: side(right)? }),
        None => Ok(Step::Filter { left: side(text)?, operator: "exists", right: Side::Literal(Value::Null) }),
    }
}

fn follow<'a>(steps: &[Step], value: &'a Value) -> Vec<&'a Value> {
    let mut found = vec![value];
    for step in steps {
        found = found.into_iter().flat_map(|value| one(step, value)).collect();
    }
    found
}

fn one<'a>(step: &Step, value: &'a Value) -> Vec<&'a Value> {
    let items = value.as_array().unwrap_or_default();
    let place = |at: i64| if at < 0 { at + i64::try_from(items.len()).unwrap_or(0) } else { at };
    match step {
        Step::Field(name) => value.get(name).into_iter().collect(),
        Step::Index(at) => usize::try_from(place(*at)).ok().and_then(|at| items.get(at)).into_iter().collect(),
        Step::Slice(from, to) => {
            let edge = |at: i64| usize::try_from(place(at)).unwrap_or(0).min(items.len());
            let (from, to) = (from.map_or(0, edge), to.map_or(items.len(), edge));
            items.get(from..to).into_iter().flatten().collect()
        }
        Step::All => match value {
            Value::Object(map) => map.values().collect(),
            _ => items.iter().collect(),
        },
        Step::Deep => {
            let inner = one(&Step::All, value);
            std::iter::once(value).chain(inner.into_iter().flat_map(|it| one(&Step::Deep, it))).collect()
        }
        Step::Filter { left, operator, right } => items.iter().filter(|item| holds(item, left, operator, right)).collect(),
    }
}

fn holds(item: &Value, left: &Side, operator: &str, right: &Side) -> bool {
    let of = |side: &Side| match side {
        Side::Path(steps) => follow(steps, item).first().map(|it| (*it).clone()),
        Side::Literal(value) => Some(value.clone()),
    };
    let Some(left) = of(left) else { return false };
    if operator == "exists" {
        return true;
    }
    let Some(right) = of(right) else { return false };
    let order = match (&left, &right) {
        (Value::String(left), Value::String(right)) => left.partial_cmp(right),
        (Value::Number(_), Value::Number(_)) => left.as_f64().partial_cmp(&right.as_f64()),
        _ => (left == right).then_some(std::cmp::Ordering::Equal),
    };
    match operator {
        "==" => order.is_some_and(std::cmp::Ordering::is_eq),
        "!=" => order.is_none_or(std::cmp::Ordering::is_ne),
        "<" => order.is_some_and(std::cmp::Ordering::is_lt),
        ">" => order.is_some_and(std::cmp::Ordering::is_gt),
        "<=" => order.is_some_and(std::cmp::Ordering::is_le),
        _ => order.is_some_and(std::cmp::Ordering::is_ge),
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::json::json;

    use super::*;

    #[test]
    fn a_path_leads_to_what_it_names() {
        let object =
            json!({ "spec": { "size": 3, "a.b": 1, "ports": [{ "n": "x", "p": 1 }, { "n": "y", "p": 2 }] }, "metadata": { "labels": { "k.io/x": "v" } } });
        for (path, expected) in [
            (".spec.size", json!([3])),
            (".spec.ports[0].n", json!(["x"])),
            (".spec.ports[-1].n", json!(["y"])),
            (".spec.ports[*].p", json!([1, 2])),
            (".spec.ports[0:1].p", json!([1])),
            (r#".spec.ports[?(@.n=="y")].p"#, json!([2])),
            (".spec.ports[?(@.p>1)].n", json!(["y"])),
            (".spec.ports[?(@.q)].n", json!([])),
            (r".metadata.labels.k\.io/x", json!(["v"])),
            (".metadata.labels['k.io/x']", json!(["v"])),
            ("..p", json!([1, 2])),
            (".nothing", json!([])),
        ] {
            let path = Path::parse(path).expect(path);
            assert_eq!(json!(path.find(&object)), expected, "{path:?}");
        }
        assert!(Path::parse(".a[").is_err() && Path::parse(".a[x]").is_err());
    }
}
