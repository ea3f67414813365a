//! The tables of custom kinds: which columns a definition asks for, and what stands in them.
//!
//! # Source
//! apiextensions-apiserver 0.36 `pkg/registry/customresource/tableconvertor`.

use crate::sim::json::{Value, json};
use jiff::Timestamp;

use super::path::Path;
use crate::sim::table::age;

const NAME: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
const CREATED: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// The columns of a kind, and where their cells come from.
#[derive(Debug)]
pub struct Columns {
    /// As a table names them, the name of the object first.
    pub definitions: Vec<Value>,
    cells: Vec<(String, Path)>,
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

impl Columns {
    pub fn new(columns: &[Value]) -> Self {
        let mut all =
            Self { definitions: vec![json!({ "name": "Name", "type": "string", "format": "name", "description": NAME, "priority": 0 })], cells: Vec::new() };
        let age = [json!({ "name": "Age", "type": "date", "description": CREATED, "jsonPath": ".metadata.creationTimestamp" })];
        for column in if columns.is_empty() { &age } else { columns } {
            let path = text(column, "jsonPath");
            // A column that cannot be read is the last that is looked at.
            let Ok(read) = Path::parse(path) else { break };
            let told = text(column, "description");
            let description = if told.is_empty() { format!("Custom resource definition column (in JSONPath format): {path}") } else { told.to_owned() };
            let ty = text(column, "type");
            all.definitions.push(json!({
                "name": column["name"], "type": ty, "format": text(column, "format"), "description": description,
                "priority": column["priority"].as_i64().unwrap_or(0),
            }));
            all.cells.push((ty.to_owned(), read));
        }
        all
    }

    pub fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let cell = |(ty, path): &(String, Path)| path.find(object).first().map_or(Value::Null, |it| cell(ty, it, now));
        std::iter::once(object["metadata"]["name"].clone()).chain(self.cells.iter().map(cell)).collect()
    }
}

fn cell(ty: &str, value: &Value, now: Timestamp) -> Value {
    match (ty, value) {
        (_, Value::Null) => Value::Null,
        ("string", Value::String(_)) | ("boolean", Value::Bool(_)) | ("number", Value::Number(_)) => value.clone(),
        ("string", other) => other.to_string().into(),
        ("integer", Value::Number(number)) => number.as_i64().map_or_else(|| number.as_f64().map_or(Value::Null, |it| Value::from(it as i64)), Value::from),
        ("date", Value::String(text)) => match text.parse::<Timestamp>() {
            Ok(_) => age::since(Some(value), now).into(),
            Err(_) => "<invalid>".into(),
        },
        _ => Value::Null,
    }
}
