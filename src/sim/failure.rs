//! A failed request as the API server answers it: a `Status` with the real words.
//!
//! Not here: what the fields of an object must look like (`validate`); this only knows how a broken rule is said.

use std::fmt;

use super::kinds::Kind;
use crate::sim::json::{Map, Value, json};

/// A failed request.
///
/// # Source
/// apimachinery 1.36.3 `pkg/api/errors/errors.go`.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure(Box<Status>);

#[derive(Clone, Debug, PartialEq)]
struct Status {
    code: u16,
    reason: &'static str,
    message: String,
    details: Map,
    /// Where a client can go on with an expired list.
    go_on: Option<String>,
}

pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Status { code, reason, message: message.into(), details: Map::new(), go_on: None }))
    }

    fn about(mut self, kind: Kind, name: &str) -> Self {
        self = self.detail("name", name).detail("group", kind.group()).detail("kind", kind.plural());
        self
    }

    /// Adds a detail; an empty text is left out, as Go's `omitempty` does.
    #[must_use]
    pub fn detail(mut self, key: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if value.as_str() != Some("") {
            self.0.details.insert(key.to_owned(), value);
        }
        self
    }

    pub fn causes(self, causes: Vec<Value>) -> Self {
        if causes.is_empty() { self } else { self.detail("causes", Value::from(causes)) }
    }

    pub fn not_found(kind: Kind, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} {} not found", kind.qualified(), quoted(name))).about(kind, name)
    }

    /// The answer to a path that nothing is served at.
    pub fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource")
    }

    /// The answer to a method that the path does not take.
    pub fn not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
    }

    pub fn already_exists(kind: Kind, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} {} already exists", kind.qualified(), quoted(name))).about(kind, name)
    }

    pub fn generate_name_conflict(kind: Kind, name: &str) -> Self {
        let message = format!("{} {} already exists, the server was not able to generate a unique name for the object", kind.qualified(), quoted(name));
        Self::new(409, "AlreadyExists", message).about(kind, name).detail("retryAfterSeconds", 1)
    }

    pub fn conflict(kind: Kind, name: &str, why: &str) -> Self {
        Self::new(409, "Conflict", format!("Operation cannot be fulfilled on {} {}: {why}", kind.qualified(), quoted(name))).about(kind, name)
    }

    /// The conflict of a write that was decided on an older version of the object.
    pub fn modified(kind: Kind, name: &str) -> Self {
        Self::conflict(kind, name, "the object has been modified; please apply your changes to the latest version and try again")
    }

    pub fn forbidden(kind: Kind, name: &str, why: &str) -> Self {
        let subject = if name.is_empty() { kind.qualified() } else { format!("{} {}", kind.qualified(), quoted(name)) };
        Self::new(403, "Forbidden", format!("{subject} is forbidden: {why}")).about(kind, name)
    }

    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    pub fn bad_request(why: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", why)
    }

    pub fn method_not_allowed(kind: Kind, action: &str) -> Self {
        let message = format!("{action} is not supported on resources of kind {}", quoted(&kind.qualified()));
        Self::new(405, "MethodNotAllowed", message).detail("group", kind.group()).detail("kind", kind.plural())
    }

    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// An expired list, with the token that goes on from what is there now.
    pub fn expired_list(token: String) -> Self {
        let mut failure = Self::expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the \
             continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects \
             that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
        );
        failure.0.go_on = Some(token);
        failure
    }

    pub fn unsupported_media_type(message: impl Into<String>) -> Self {
        Self::new(415, "UnsupportedMediaType", message)
    }

    pub fn not_acceptable(message: impl Into<String>) -> Self {
        Self::new(406, "NotAcceptable", message)
    }

    pub fn too_many_requests(message: impl Into<String>, retry_after_s: u32) -> Self {
        let failure = Self::new(429, "TooManyRequests", message);
        if retry_after_s == 0 { failure } else { failure.detail("retryAfterSeconds", retry_after_s) }
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message)
    }

    pub fn too_large(message: &str) -> Self {
        Self::new(413, "RequestEntityTooLarge", format!("Request entity too large: {message}"))
    }

    pub fn internal(why: &str) -> Self {
        Self::new(500, "InternalError", format!("Internal error occurred: {why}")).causes(vec![json!({ "message": why })])
    }

    /// What this simulator does not do, said as such.
    pub fn not_implemented(what: &str) -> Self {
        Self::new(501, "NotImplemented", format!("the simulated cluster does not implement {what}"))
    }

    /// A list or watch from a version that the store has not reached.
    pub fn too_large_resource_version(asked: u64, current: u64) -> Self {
        Self::new(504, "Timeout", format!("Timeout: Too large resource version: {asked}, current: {current}"))
            .causes(vec![json!({ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" })])
            .detail("retryAfterSeconds", 1)
    }

    /// An object whose fields break rules; at least one.
    pub fn invalid(kind: Kind, name: &str, errors: Vec<FieldError>) -> Self {
        Self::invalid_kind(kind.group(), kind.kind(), name, errors)
    }

    /// `invalid` for what is no kind of the store: options, scales, reviews.
    pub fn invalid_kind(group: &str, kind: &str, name: &str, errors: Vec<FieldError>) -> Self {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let mut said: Vec<String> = Vec::new();
        for error in &errors {
            let text = error.to_string();
            if !said.contains(&text) {
                said.push(text);
            }
        }
        let list = if said.len() == 1 { said.remove(0) } else { format!("[{}]", said.join(", ")) };
        let causes = errors.iter().map(|it| json!({ "reason": it.rule.reason(), "message": it.body(), "field": it.field })).collect();
        Self::new(422, "Invalid", format!("{qualified} {} is invalid: {list}", quoted(name)))
            .detail("name", name)
            .detail("group", group)
            .detail("kind", kind)
            .causes(causes)
    }

    pub fn code(&self) -> u16 {
        self.0.code
    }

    pub fn reason(&self) -> &'static str {
        self.0.reason
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn retry_after_s(&self) -> Option<u64> {
        self.0.details.get("retryAfterSeconds").and_then(Value::as_u64)
    }

    pub fn is_not_found(&self) -> bool {
        self.0.reason == "NotFound"
    }

    pub fn is_conflict(&self) -> bool {
        self.0.reason == "Conflict"
    }

    pub fn is_already_exists(&self) -> bool {
        self.0.reason == "AlreadyExists"
    }

    /// The `Status` body.
    pub fn to_value(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.0.message, "code": self.0.code,
        });
        if !self.0.reason.is_empty() {
            status["reason"] = self.0.reason.into();
        }
        if let Some(token) = &self.0.go_on {
            status["metadata"]["continue"] = token.as_str().into();
        }
        // What the server answers to a code alone has details, if empty ones.
        let generic = matches!(self.0.code, 403..=405 | 422) || self.0.message.starts_with(&format!("{}: ", self.0.code));
        if generic || !self.0.details.is_empty() {
            status["details"] = Value::Object(self.0.details.clone());
        }
        status
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Failure {}

/// A text in quotes as Go's `%q` writes it.
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Which rule a field breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    NotFound,
    Required,
    Duplicate,
    Invalid,
    NotSupported,
    Forbidden,
    TooLong,
    TooMany,
    Internal,
    TypeInvalid,
}

impl Rule {
    const fn reason(self) -> &'static str {
        match self {
            Rule::NotFound => "FieldValueNotFound",
            Rule::Required => "FieldValueRequired",
            Rule::Duplicate => "FieldValueDuplicate",
            Rule::Invalid => "FieldValueInvalid",
            Rule::NotSupported => "FieldValueNotSupported",
            Rule::Forbidden => "FieldValueForbidden",
            Rule::TooLong => "FieldValueTooLong",
            Rule::TooMany => "FieldValueTooMany",
            Rule::Internal => "InternalError",
            Rule::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Rule::NotFound => "Not found",
            Rule::Required => "Required value",
            Rule::Duplicate => "Duplicate value",
            Rule::Invalid | Rule::TypeInvalid => "Invalid value",
            Rule::NotSupported => "Unsupported value",
            Rule::Forbidden => "Forbidden",
            Rule::TooLong => "Too long",
            Rule::TooMany => "Too many",
            Rule::Internal => "Internal error",
        }
    }
}

/// One field that breaks a rule.
///
/// # Source
/// apimachinery 1.36.3 `pkg/util/validation/field/errors.go`.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldError {
    pub rule: Rule,
    pub field: String,
    pub value: Value,
    pub detail: String,
    /// Whether the value is a text that is shown as it is.
    literal: bool,
}

impl FieldError {
    pub fn new(rule: Rule, field: impl Into<String>, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self { rule, field: field.into(), value: value.into(), detail: detail.into(), literal: false }
    }

    /// An error that shows its value as Go prints one of its own structs.
    pub fn literal(rule: Rule, field: impl Into<String>, shown: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { literal: true, ..Self::new(rule, field, shown.into(), detail) }
    }

    /// An error that shows no value.
    pub fn bare(rule: Rule, field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { literal: true, ..Self::new(rule, field, Value::Null, detail) }
    }

    pub fn required(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Rule::Required, field, "", detail)
    }

    pub fn invalid(field: impl Into<String>, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(Rule::Invalid, field, value, detail)
    }

    pub fn forbidden(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(Rule::Forbidden, field, "", detail)
    }

    pub fn duplicate(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(Rule::Duplicate, field, value, "")
    }

    pub fn not_found(field: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::new(Rule::NotFound, field, value, "")
    }

    pub fn not_supported(field: impl Into<String>, value: impl Into<Value>, supported: &[&str]) -> Self {
        let list: Vec<String> = supported.iter().map(|it| quoted(it)).collect();
        Self::new(Rule::NotSupported, field, value, format!("supported values: {}", list.join(", ")))
    }

    pub fn too_long(field: impl Into<String>, limit: usize) -> Self {
        Self::new(Rule::TooLong, field, "", format!("may not be more than {limit} bytes"))
    }

    /// The message without the field's name.
    pub fn body(&self) -> String {
        let mut text = self.rule.words().to_owned();
        let shows_value = !matches!(self.rule, Rule::Required | Rule::Forbidden | Rule::TooLong | Rule::Internal);
        if shows_value {
            match &self.value {
                Value::Null if self.literal => {}
                Value::String(shown) if self.literal => text.push_str(&format!(": {shown}")),
                Value::String(value) => text.push_str(&format!(": {}", quoted(value))),
                value => text.push_str(&format!(": {value}")),
            }
        }
        if !self.detail.is_empty() {
            text.push_str(&format!(": {}", self.detail));
        }
        text
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_said_in_the_api_servers_words() {
        let name = FieldError::invalid("spec.replicas", -1, "must be greater than or equal to 0");
        let kind = FieldError::not_supported("spec.type", "Round", &["A", "B"]);
        for (failure, code, message) in [
            (Failure::not_found(Kind::DEPLOYMENTS, "x"), 404, r#"deployments.apps "x" not found"#),
            (Failure::not_found(Kind::PODS, "x"), 404, r#"pods "x" not found"#),
            (
                Failure::invalid(Kind::DEPLOYMENTS, "x", vec![name.clone()]),
                422,
                r#"Deployment.apps "x" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"#,
            ),
            (
                Failure::invalid(Kind::PODS, "x", vec![name.clone(), kind, name]),
                422,
                r#"Pod "x" is invalid: [spec.replicas: Invalid value: -1: must be greater than or equal to 0, spec.type: Unsupported value: "Round": supported values: "A", "B"]"#,
            ),
        ] {
            assert_eq!((failure.code(), failure.message()), (code, message));
        }
    }
}
