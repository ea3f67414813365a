//! The schema of a custom kind, read once from its definition.
//!
//! A schema is structural: what an object looks like stands outside of `allOf`, `anyOf`, `oneOf` and `not`, which only restrict it further. Whether that is so
//! was checked when the definition was written (`definition`).

use std::collections::BTreeMap;

use crate::sim::json::Value;
use regex::Regex;

use super::rule::Rule;

/// One node of a schema.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    /// `object`, `array`, `string`, `integer`, `number`, `boolean`, or empty.
    pub ty: String,
    pub nullable: bool,
    pub default: Option<Value>,
    pub properties: BTreeMap<String, Schema>,
    pub additional: Option<Additional>,
    pub items: Option<Box<Schema>>,
    /// `x-kubernetes-preserve-unknown-fields`
    pub preserves: bool,
    /// `x-kubernetes-embedded-resource`
    pub embedded: bool,
    pub int_or_string: bool,
    /// `x-kubernetes-list-type`: `atomic`, `set`, `map`, or empty.
    pub list_type: String,
    pub list_keys: Vec<String>,
    /// Whether `x-kubernetes-map-type` is `atomic`.
    pub atomic: bool,
    pub checks: Checks,
    /// `x-kubernetes-validations`
    pub rules: Vec<Rule>,
}

/// What members beside the properties are.
#[derive(Clone, Debug)]
pub enum Additional {
    Allowed(bool),
    Schema(Box<Schema>),
}

/// What restricts the values of a node.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    /// A format that is known, for a type that has it.
    pub format: String,
    pub pattern: Option<Pattern>,
    pub maximum: Option<f64>,
    pub exclusive_maximum: bool,
    pub minimum: Option<f64>,
    pub exclusive_minimum: bool,
    pub multiple_of: Option<f64>,
    pub max_length: Option<i64>,
    pub min_length: Option<i64>,
    pub max_items: Option<i64>,
    pub min_items: Option<i64>,
    pub max_properties: Option<i64>,
    pub min_properties: Option<i64>,
    pub required: Vec<String>,
    pub enumeration: Vec<Value>,
    pub all_of: Vec<Schema>,
    pub any_of: Vec<Schema>,
    pub one_of: Vec<Schema>,
    pub not: Option<Box<Schema>>,
}

/// A regular expression, and how it was written.
#[derive(Clone, Debug)]
pub struct Pattern {
    pub text: String,
    /// Absent where it is none; a definition with such a pattern is refused.
    pub regex: Option<Regex>,
}

/// The formats of strings that are looked at, with dashes left out.
const STRING_FORMATS: [&str; 26] = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "k8sshortname",
    "k8slongname",
];

/// Whether a format says something about values of a type.
pub fn knows_format(ty: &str, format: &str) -> bool {
    match ty {
        "" | "string" => STRING_FORMATS.contains(&format.replace('-', "").as_str()),
        "integer" => matches!(format, "int32" | "int64"),
        "number" => matches!(format, "float" | "double"),
        _ => false,
    }
}

/// A regular expression of Go's syntax.
///
/// # Errors
/// Why it is none.
pub fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| {
        let said = error.to_string();
        let said = said.lines().last().unwrap_or_default().trim_start_matches("error: ");
        match said {
            "unclosed character class" => format!("missing closing ]: `{}`", &text[text.rfind('[').unwrap_or(0)..]),
            "unclosed group" => format!("missing closing ): `{text}`"),
            "unopened group" => format!("unexpected ): `{text}`"),
            said => said.to_owned(),
        }
    })
}

fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn schemas(value: &Value) -> Vec<Schema> {
    value.as_array().into_iter().flatten().map(Schema::read).collect()
}

impl Schema {
    /// Reads a schema, whatever it is worth.
    pub fn read(schema: &Value) -> Self {
        let ty = text(schema, "type");
        let flag = |key: &str| schema[key] == true;
        let count = |key: &str| schema[key].as_i64();
        let number = |key: &str| schema[key].as_f64();
        let format = Some(text(schema, "format")).filter(|it| knows_format(&ty, it)).unwrap_or_default();
        let pattern = schema["pattern"].as_str().filter(|it| !it.is_empty());
        Self {
            nullable: flag("nullable"),
            default: schema.get("default").filter(|it| !it.is_null()).cloned(),
            properties: schema["properties"].as_object().into_iter().flatten().map(|(name, it)| (name.to_string(), Self::read(it))).collect(),
            additional: match schema.get("additionalProperties") {
                None | Some(Value::Null) => None,
                Some(Value::Bool(allowed)) => Some(Additional::Allowed(*allowed)),
                Some(inner) => Some(Additional::Schema(Box::new(Self::read(inner)))),
            },
            items: schema.get("items").filter(|it| it.is_object()).map(|it| Box::new(Self::read(it))),
            preserves: flag("x-kubernetes-preserve-unknown-fields"),
            embedded: flag("x-kubernetes-embedded-resource"),
            int_or_string: flag("x-kubernetes-int-or-string"),
            list_type: text(schema, "x-kubernetes-list-type"),
            list_keys: texts(&schema["x-kubernetes-list-map-keys"]),
            atomic: schema["x-kubernetes-map-type"] == "atomic",
            checks: Checks {
                format,
                pattern: pattern.map(|text| Pattern { text: text.to_owned(), regex: self::pattern(text).ok() }),
                maximum: number("maximum"),
                exclusive_maximum: flag("exclusiveMaximum"),
                minimum: number("minimum"),
                exclusive_minimum: flag("exclusiveMinimum"),
                multiple_of: number("multipleOf"),
                max_length: count("maxLength"),
                min_length: count("minLength"),
                max_items: count("maxItems"),
                min_items: count("minItems"),
                max_properties: count("maxProperties"),
                min_properties: count("minProperties"),
                required: texts(&schema["required"]),
                enumeration: schema["enum"].as_array().unwrap_or_default().to_vec(),
                all_of: schemas(&schema["allOf"]),
                any_of: schemas(&schema["anyOf"]),
                one_of: schemas(&schema["oneOf"]),
                not: schema.get("not").filter(|it| it.is_object()).map(|it| Box::new(Self::read(it))),
            },
            rules: schema["x-kubernetes-validations"].as_array().into_iter().flatten().map(Rule::read).collect(),
            ty,
        }
    }

    /// The schema of a member, by its name or as one of the others.
    pub fn member(&self, name: &str) -> Option<&Schema> {
        self.properties.get(name).or(match &self.additional {
            Some(Additional::Schema(schema)) => Some(schema),
            _ => None,
        })
    }

    /// Whether a rule stands anywhere in it.
    pub fn has_rules(&self) -> bool {
        let inner = match &self.additional {
            Some(Additional::Schema(schema)) => Some(&**schema),
            _ => None,
        };
        !self.rules.is_empty() || self.properties.values().chain(self.items.as_deref()).chain(inner).any(Schema::has_rules)
    }
}
