//! Label selectors as text, field selectors, and what they match.
//!
//! # Source
//! apimachinery 1.36.3 `pkg/labels/selector.go`, `pkg/fields/selector.go`; the fields of each kind from its conversion functions.

use std::iter::Peekable;
use std::str::Chars;
use std::sync::Arc;

use super::custom::Custom;
use super::failure::{Failure, FieldError, Result, quoted};
use super::kinds::Kind;
use super::names;
use crate::sim::json::{Map, Text, Value, json};

/// What a list or watch asks for: labels and fields.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<Term>,
    /// What the kind is, if it is a custom one.
    custom: Option<Arc<Custom>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    Greater,
    Less,
}

#[derive(Clone, Debug)]
struct Term {
    field: String,
    equal: bool,
    value: String,
}

impl Selector {
    /// # Errors
    /// `BadRequest` for a selector that does not parse, or a field that the kind cannot be selected by.
    pub fn parse(kind: Kind, custom: Option<&Arc<Custom>>, labels: &str, fields: &str) -> Result<Self> {
        let labels = Parser::new(labels).parse().map_err(Failure::bad_request)?;
        Ok(Self { labels, fields: parse_fields(kind, custom.map(|it| &**it), fields)?, custom: custom.cloned() })
    }

    pub fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    pub fn matches(&self, kind: Kind, object: &Value) -> bool {
        self.labels.iter().all(|it| it.matches(object["metadata"]["labels"].as_object()))
            && self.fields.iter().all(|it| (self.field(kind, object, &it.field) == it.value) == it.equal)
    }

    fn field(&self, kind: Kind, object: &Value, name: &str) -> String {
        self.custom.as_ref().and_then(|it| it.selected(object, name)).unwrap_or_else(|| field(kind, object, name))
    }
}

/// Whether a `metav1.LabelSelector` matches; an empty one matches all, an absent one nothing.
pub fn matches_labels(selector: &Value, labels: &Value) -> bool {
    let Some(selector) = selector.as_object() else { return false };
    let labels = labels.as_object();
    let equal = |(key, value): (&Text, &Value)| labels.and_then(|it| it.get(key)) == Some(value);
    let wanted = selector.get("matchLabels").and_then(Value::as_object).is_none_or(|it| it.iter().all(equal));
    let expression = |it: &Value| {
        let values = it["values"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let operator = match it["operator"].as_str() {
            Some("In") => Operator::In,
            Some("NotIn") => Operator::NotIn,
            Some("Exists") => Operator::Exists,
            Some("DoesNotExist") => Operator::DoesNotExist,
            _ => return false,
        };
        Requirement { key: it["key"].as_str().unwrap_or_default().to_owned(), operator, values }.matches(labels)
    };
    wanted && selector.get("matchExpressions").and_then(Value::as_array).is_none_or(|it| it.iter().all(expression))
}

/// A `metav1.LabelSelector` as the text that `scale` and tables show: sorted by key, joined with commas.
pub fn label_selector_text(selector: &Value) -> String {
    let mut parts: Vec<(String, String)> = Vec::new();
    for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
        parts.push((key.to_string(), format!("{key}={}", value.as_str().unwrap_or_default())));
    }
    for it in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = it["key"].as_str().unwrap_or_default().to_owned();
        let mut values: Vec<&str> = it["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let text = match it["operator"].as_str() {
            Some("In") => format!("{key} in ({})", values.join(",")),
            Some("NotIn") => format!("{key} notin ({})", values.join(",")),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.clone(),
        };
        parts.push((key, text));
    }
    parts.sort_by(|a, b| a.0.cmp(&b.0));
    parts.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",")
}

/// A `metav1.LabelSelector` as Go prints it.
pub fn label_selector_go(selector: &Value) -> String {
    if selector.is_null() {
        return "nil".to_owned();
    }
    let labels = selector["matchLabels"].as_object().into_iter().flatten();
    let labels: String = labels.map(|(key, value)| format!("{key}: {},", value.as_str().unwrap_or_default())).collect();
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten().map(|it| {
        let values: Vec<&str> = it["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let (key, operator) = (it["key"].as_str().unwrap_or_default(), it["operator"].as_str().unwrap_or_default());
        format!("LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{}],}},", values.join(" "))
    });
    let expressions: String = expressions.collect();
    format!("&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}")
}

impl Requirement {
    fn matches(&self, labels: Option<&Map>) -> bool {
        let value = labels.and_then(|it| it.get(&self.key)).and_then(Value::as_str);
        let has = |value: &str| self.values.iter().any(|it| it == value);
        let number = |text: &str| text.parse::<i64>().ok();
        let limit = || self.values.first().and_then(|it| number(it));
        match self.operator {
            Operator::In => value.is_some_and(has),
            Operator::NotIn => !value.is_some_and(has),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::Greater => value.and_then(number).zip(limit()).is_some_and(|(value, limit)| value > limit),
            Operator::Less => value.and_then(number).zip(limit()).is_some_and(|(value, limit)| value < limit),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    In,
    NotIn,
    Not,
    Symbol(&'static str),
    Open,
    Close,
    Comma,
    Wrong(String),
    End,
}

impl Token {
    fn text(&self) -> String {
        match self {
            Token::Word(text) | Token::Wrong(text) => text.clone(),
            Token::In => "in".to_owned(),
            Token::NotIn => "notin".to_owned(),
            Token::Not => "!".to_owned(),
            Token::Symbol(text) => (*text).to_owned(),
            Token::Open => "(".to_owned(),
            Token::Close => ")".to_owned(),
            Token::Comma => ",".to_owned(),
            Token::End => String::new(),
        }
    }

    /// `in` and `notin` where a value stands are values.
    fn into_value(self) -> Token {
        match self {
            Token::In | Token::NotIn => Token::Word(self.text()),
            token => token,
        }
    }
}

fn is_special(c: char) -> bool {
    matches!(c, '=' | '!' | '(' | ')' | ',' | '>' | '<')
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn lex(chars: &mut Peekable<Chars<'_>>) -> Token {
    while chars.next_if(|c| is_blank(*c)).is_some() {}
    let Some(first) = chars.peek().copied() else { return Token::End };
    if !is_special(first) {
        let mut word = String::new();
        while let Some(c) = chars.next_if(|c| !is_special(*c) && !is_blank(*c)) {
            word.push(c);
        }
        return match word.as_str() {
            "in" => Token::In,
            "notin" => Token::NotIn,
            _ => Token::Word(word),
        };
    }
    chars.next();
    let mut then = |c: char| chars.next_if_eq(&c).is_some();
    match first {
        '=' if then('=') => Token::Symbol("=="),
        '=' => Token::Symbol("="),
        '!' if then('=') => Token::Symbol("!="),
        '!' => Token::Not,
        '>' => Token::Symbol(">"),
        '<' => Token::Symbol("<"),
        '(' => Token::Open,
        ')' => Token::Close,
        ',' => Token::Comma,
        other => Token::Wrong(format!("error expected: keyword found '{other}'")),
    }
}

struct Parser {
    tokens: std::vec::IntoIter<Token>,
}

impl Parser {
    fn new(text: &str) -> Self {
        let mut chars = text.chars().peekable();
        let mut tokens = Vec::new();
        loop {
            let token = lex(&mut chars);
            let end = token == Token::End;
            tokens.push(token);
            if end {
                return Self { tokens: tokens.into_iter() };
            }
        }
    }

    fn next(&mut self) -> Token {
        self.tokens.next().unwrap_or(Token::End)
    }

    fn next_value(&mut self) -> Token {
        self.next().into_value()
    }

    fn peek(&self) -> Token {
        self.tokens.as_slice().first().cloned().unwrap_or(Token::End).into_value()
    }

    fn parse(mut self) -> Result<Vec<Requirement>, String> {
        let mut requirements = Vec::new();
        loop {
            match self.peek() {
                Token::Word(_) | Token::Not => {
                    requirements.push(self.requirement().map_err(|it| format!("unable to parse requirement: {it}"))?);
                    match self.next_value() {
                        Token::End => break,
                        Token::Comma => {
                            let next = self.peek();
                            if !matches!(next, Token::Word(_) | Token::Not) {
                                return Err(format!("found '{}', expected: identifier after ','", next.text()));
                            }
                        }
                        other => return Err(format!("found '{}', expected: ',' or 'end of string'", other.text())),
                    }
                }
                Token::End => break,
                other => return Err(format!("found '{}', expected: !, identifier, or 'end of string'", other.text())),
            }
        }
        requirements.sort_by(|a: &Requirement, b| a.key.cmp(&b.key));
        Ok(requirements)
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let mut token = self.next_value();
        let absent = token == Token::Not;
        if absent {
            token = self.next_value();
        }
        let Token::Word(key) = token else { return Err(format!("found '{}', expected: identifier", token.text())) };
        let broken = names::label_key(&key);
        if !broken.is_empty() {
            return Err(FieldError::invalid("<nil>", key, broken.join("; ")).to_string());
        }
        if absent {
            return Ok(Requirement { key, operator: Operator::DoesNotExist, values: Vec::new() });
        }
        if matches!(self.peek(), Token::End | Token::Comma) {
            return Ok(Requirement { key, operator: Operator::Exists, values: Vec::new() });
        }
        let (operator, set) = match self.next() {
            Token::In => (Operator::In, true),
            Token::NotIn => (Operator::NotIn, true),
            Token::Symbol("=" | "==") => (Operator::In, false),
            Token::Symbol("!=") => (Operator::NotIn, false),
            Token::Symbol(">") => (Operator::Greater, false),
            Token::Symbol("<") => (Operator::Less, false),
            other => return Err(format!("found '{}', expected: in, notin, =, ==, !=, gt, lt", other.text())),
        };
        let values = if set { self.values()? } else { vec![self.exact_value()?] };
        for value in &values {
            if matches!(operator, Operator::Greater | Operator::Less) && value.parse::<i64>().is_err() {
                return Err(FieldError::invalid("values[0]", value.as_str(), "for 'Gt', 'Lt' operators, the value must be an integer").to_string());
            }
            let broken = names::label_value(value);
            if !broken.is_empty() {
                return Err(FieldError::invalid(format!("values[0][{key}]"), value.as_str(), broken.join("; ")).to_string());
            }
        }
        Ok(Requirement { key, operator, values })
    }

    fn exact_value(&mut self) -> Result<String, String> {
        if matches!(self.peek(), Token::End | Token::Comma) {
            return Ok(String::new());
        }
        match self.next_value() {
            Token::Word(value) => Ok(value),
            other => Err(format!("found '{}', expected: identifier", other.text())),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        match self.next_value() {
            Token::Open => {}
            other => return Err(format!("found '{}' expected: '('", other.text())),
        }
        let mut values = Vec::new();
        let mut value: Option<String> = None;
        loop {
            match self.next_value() {
                Token::Word(word) if value.is_none() => value = Some(word),
                Token::Comma => values.push(value.take().unwrap_or_default()),
                Token::Close => {
                    values.push(value.take().unwrap_or_default());
                    values.sort();
                    values.dedup();
                    return Ok(values);
                }
                other if value.is_some() => return Err(format!("found '{}', expected: ',' or ')'", other.text())),
                other => return Err(format!("found '{}', expected: ',', or identifier", other.text())),
            }
        }
    }
}

fn parse_fields(kind: Kind, custom: Option<&Custom>, text: &str) -> Result<Vec<Term>> {
    let mut terms = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            ',' => terms.push(String::new()),
            c => {
                let term = terms.last_mut().expect("never empty");
                term.push(c);
                if c == '\\' {
                    term.extend(chars.next());
                }
            }
        }
    }
    let mut parsed = Vec::new();
    for term in terms.iter().filter(|it| !it.is_empty()) {
        let cannot = || Failure::bad_request(format!("invalid selector: '{text}'; can't understand '{term}'"));
        let at = term.find(['!', '=']).ok_or_else(cannot)?;
        let (name, rest) = term.split_at(at);
        let (equal, value) = match (rest.strip_prefix("!="), rest.strip_prefix("=="), rest.strip_prefix('=')) {
            (Some(value), _, _) => (false, value),
            (_, Some(value), _) | (_, _, Some(value)) => (true, value),
            _ => return Err(cannot()),
        };
        if !selectable(kind, name) && !custom.is_some_and(|it| it.selectable.iter().any(|(field, _)| field == name)) {
            return Err(Failure::bad_request(unknown_field(kind, name)));
        }
        let name = if name == "spec.host" { "spec.nodeName" } else { name };
        parsed.push(Term { field: name.to_owned(), equal, value: unescape(value).map_err(Failure::bad_request)? });
    }
    Ok(parsed)
}

fn unescape(value: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                other => return Err(format!("invalid field selector: invalid escape sequence: \\{}", other.map(String::from).unwrap_or_default())),
            },
            ',' | '=' => return Err(format!("invalid field selector: unescaped character in value: {value}: {c}")),
            c => out.push(c),
        }
    }
    Ok(out)
}

/// The fields besides name and namespace that a kind can be selected by.
fn extra_fields(kind: Kind) -> Option<&'static [&'static str]> {
    Some(match kind {
        Kind::PODS => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
            "spec.host",
        ],
        Kind::NODES => &["spec.unschedulable"],
        Kind::REPLICATIONCONTROLLERS => &["status.replicas"],
        Kind::EVENTS => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        Kind::NEW_EVENTS => &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reason",
            "reportingController",
            "type",
        ],
        Kind::NAMESPACES => &["status.phase"],
        Kind::SECRETS => &["type"],
        Kind::SERVICES => &["spec.clusterIP", "spec.type"],
        Kind::JOBS => &["status.successful"],
        _ => return None,
    })
}

fn selectable(kind: Kind, field: &str) -> bool {
    let namespaced = field == "metadata.namespace" && (kind.namespaced() || (extra_fields(kind).is_none() && !kind.is_custom()));
    field == "metadata.name" || namespaced || extra_fields(kind).is_some_and(|it| it.contains(&field))
}

fn unknown_field(kind: Kind, field: &str) -> String {
    match (kind, extra_fields(kind)) {
        (Kind::JOBS, _) => format!("field label {} not supported for Job", quoted(field)),
        (_, Some(_)) => format!("field label not supported: {field}"),
        _ if kind.is_custom() => format!("field label not supported: {field}"),
        (_, None) => format!("{} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"", quoted(field)),
    }
}

/// A field of an object as a field selector sees it.
fn field(kind: Kind, object: &Value, field: &str) -> String {
    let pointer = match (kind, field) {
        (Kind::EVENTS, "source") => {
            let component = object["source"]["component"].as_str().filter(|it| !it.is_empty());
            return component.or(object["reportingComponent"].as_str()).unwrap_or_default().to_owned();
        }
        // The stored form is the older one.
        (Kind::NEW_EVENTS, _) => match field.strip_prefix("regarding.") {
            Some(rest) => format!("/involvedObject/{rest}"),
            None if field == "reportingController" => "/reportingComponent".to_owned(),
            None => format!("/{}", field.replace('.', "/")),
        },
        (Kind::PODS, "status.podIPs") => "/status/podIP".to_owned(),
        (Kind::JOBS, "status.successful") => "/status/succeeded".to_owned(),
        _ => format!("/{}", field.replace('.', "/")),
    };
    match object.pointer(&pointer) {
        Some(Value::String(text)) => text.to_string(),
        Some(Value::Bool(flag)) => flag.to_string(),
        Some(Value::Number(number)) => number.to_string(),
        _ => match field {
            "spec.unschedulable" | "spec.hostNetwork" => "false".to_owned(),
            "status.replicas" | "status.successful" => "0".to_owned(),
            _ => String::new(),
        },
    }
}

/// `matchLabels` of a plain map, as ReplicationControllers and Services have it.
pub fn of_map(map: &Value) -> Value {
    json!({ "matchLabels": map })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_selectors_match_as_the_servers_do() {
        let object = json!({ "metadata": { "labels": { "app": "web", "tier": "front", "n": "7" } } });
        for (selector, expected) in [
            ("", true),
            ("app=web", true),
            ("app==web,tier!=back", true),
            ("app in (web,db)", true),
            ("app notin (web)", false),
            ("missing notin (web)", true),
            ("missing!=x", true),
            ("app", true),
            ("!app", false),
            ("!missing", true),
            ("app in (in, notin)", false),
            ("n>6,n<8", true),
            ("missing=", false),
        ] {
            let parsed = Selector::parse(Kind::PODS, None, selector, "").expect(selector);
            assert_eq!(parsed.matches(Kind::PODS, &object), expected, "{selector}");
        }
    }

    #[test]
    fn broken_selectors_are_refused_in_the_servers_words() {
        for (labels, fields, message) in [
            ("a b", "", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
            ("a in (x", "", "unable to parse requirement: found '', expected: ',' or ')'"),
            ("a,", "", "found '', expected: identifier after ','"),
            ("", "foo=bar", "field label not supported: foo"),
            ("", "foo", "invalid selector: 'foo'; can't understand 'foo'"),
        ] {
            let failure = Selector::parse(Kind::PODS, None, labels, fields).expect_err("broken");
            assert_eq!((failure.code(), failure.message()), (400, message));
        }
        let failure = Selector::parse(Kind::DEPLOYMENTS, None, "", "foo=bar").expect_err("unknown");
        assert_eq!(failure.message(), r#""foo" is not a known field selector: only "metadata.name", "metadata.namespace""#);
    }

    #[test]
    fn fields_select() {
        let pod = json!({ "metadata": { "name": "a", "namespace": "x" }, "spec": { "nodeName": "n1" }, "status": { "phase": "Running" } });
        for (selector, expected) in [
            ("metadata.name=a", true),
            ("metadata.name!=a", false),
            ("spec.nodeName=n1,status.phase!=Failed", true),
            ("spec.hostNetwork=false", true),
            ("metadata.namespace=y", false),
        ] {
            assert_eq!(Selector::parse(Kind::PODS, None, "", selector).expect(selector).matches(Kind::PODS, &pod), expected, "{selector}");
        }
    }

    #[test]
    fn a_label_selector_is_written_sorted() {
        let selector = json!({ "matchLabels": { "b": "1", "a": "2" }, "matchExpressions": [{ "key": "c", "operator": "In", "values": ["y", "x"] }] });
        assert_eq!(label_selector_text(&selector), "a=2,b=1,c in (x,y)");
    }
}
