//! The schemas of custom kinds as OpenAPI v3 publishes them.
//!
//! # Source
//! apiextensions-apiserver 0.36 `pkg/controller/openapi/builder`.

use std::collections::BTreeMap;

use crate::sim::json::{Value, json};

use super::Custom;

const VERSION: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const KIND: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const METADATA: &str = "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
const INNER_VERSION: &str = "apiVersion defines the versioned schema of this representation of an object. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const INNER_KIND: &str = "kind is a string value representing the type of this object. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const LIST_METADATA: &str =
    "Standard list metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";

/// What every schema of a kind refers to.
pub const REFERRED: [&str; 3] =
    ["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta", "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"];

/// The name of the schema of a kind: `com.example.v1.Widget`.
pub fn name(custom: &Custom) -> String {
    let mut group: Vec<&str> = custom.kind.group().split('.').collect();
    group.reverse();
    format!("{}.{}.{}", group.join("."), custom.kind.version(), custom.kind.kind())
}

fn refer(name: &str, description: &str) -> Value {
    json!({ "description": description, "allOf": [{ "$ref": format!("#/components/schemas/{name}") }] })
}

/// Adds the schemas of a kind and of its lists.
pub fn describe(custom: &Custom, schemas: &mut BTreeMap<String, Value>) {
    let kind = custom.kind;
    let named = |kind_name: &str| json!([{ "group": kind.group(), "version": kind.version(), "kind": kind_name }]);
    let mut schema = published(&custom.source);
    schema["properties"]["apiVersion"] = json!({ "description": VERSION, "type": "string" });
    schema["properties"]["kind"] = json!({ "description": KIND, "type": "string" });
    schema["properties"]["metadata"] = refer(REFERRED[0], METADATA);
    schema["x-kubernetes-group-version-kind"] = named(kind.kind());
    let mut list = json!({
        "description": format!("{} is a list of {}", custom.list_kind, kind.kind()), "type": "object", "required": ["items"],
        "properties": {
            "apiVersion": { "description": VERSION, "type": "string" },
            "items": {
                "description": format!("List of {}. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md", kind.plural()),
                "type": "array", "items": { "$ref": format!("#/components/schemas/{}", name(custom)) },
            },
            "kind": { "description": KIND, "type": "string" },
            "metadata": refer(REFERRED[1], LIST_METADATA),
        },
        "x-kubernetes-group-version-kind": named(&custom.list_kind),
    });
    if !custom.selectable.is_empty() {
        let fields: Vec<Value> = custom.selectable.iter().map(|(field, _)| json!({ "fieldPath": field })).collect();
        schema["x-kubernetes-selectable-fields"] = json!(fields);
        list["x-kubernetes-selectable-fields"] = json!(fields);
    }
    schemas.insert(name(custom), schema);
    let list_name = name(custom);
    let stem = list_name.strip_suffix(kind.kind()).unwrap_or(&list_name);
    schemas.insert(format!("{stem}{}", custom.list_kind), list);
}

/// A schema with what its extensions mean spelled out.
fn published(schema: &Value) -> Value {
    let mut out = schema.clone();
    if schema["x-kubernetes-int-or-string"] == true && schema["anyOf"].is_null() && schema["allOf"].is_null() {
        out["anyOf"] = json!([{ "type": "integer" }, { "type": "string" }]);
    }
    if schema["x-kubernetes-embedded-resource"] == true {
        out["properties"]["apiVersion"] = json!({ "description": INNER_VERSION, "type": "string" });
        out["properties"]["kind"] = json!({ "description": INNER_KIND, "type": "string" });
        out["properties"]["metadata"] = refer(REFERRED[0], METADATA);
        let required = ["kind", "apiVersion"].into_iter().map(Value::from);
        let own = schema["required"].as_array().into_iter().flatten().filter(|it| *it != "kind" && *it != "apiVersion").cloned();
        out["required"] = own.chain(required).collect();
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        let own = schema["x-kubernetes-embedded-resource"] == true && matches!(name.as_str(), "apiVersion" | "kind" | "metadata");
        if !own {
            out["properties"][name] = published(inner);
        }
    }
    for key in ["items", "additionalProperties"] {
        if schema[key].is_object() {
            out[key] = published(&schema[key]);
        }
    }
    out
}
