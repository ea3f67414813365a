//! The type of a custom kind as server-side apply sees it: which members there are, and how lists and maps merge.
//!
//! # Limits
//! A type is kept for the life of the process, once for each schema that any cluster of it ever served: whoever walks over fields may hold on to it.
//!
//! # Source
//! kube-openapi `pkg/schemaconv/openapi.go`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::sim::json::Value;
use sha2::{Digest, Sha256};

use super::coerce::metadata_type;
use super::schema::{Additional, Schema};
use crate::sim::schema::{CustomFacts, Field, Link, List, ListKind, Shape, Struct, Type};

/// The types by what they were made of. What is in here never changes, so that clusters share nothing that one of them could see of another.
static TYPES: Mutex<BTreeMap<[u8; 32], &'static Type>> = Mutex::new(BTreeMap::new());

static DEDUCED: Type = Type::of_shape(Shape::Deduced);
static TEXT: Type = Type::of_shape(Shape::String);
static WHOLE: Type = Type::of_shape(Shape::Int64);
static NUMBER: Type = Type::of_shape(Shape::Float);
static TRUTH: Type = Type::of_shape(Shape::Boolean);

/// The type of a kind with this schema.
pub fn root(kind: &str, has_status: bool, source: &Value, schema: &Schema) -> &'static Type {
    let key: [u8; 32] = Sha256::digest(format!("{kind} {has_status} {source}")).into();
    let mut types = TYPES.lock().unwrap_or_else(PoisonError::into_inner);
    types.entry(key).or_insert_with(|| {
        let mut fields = vec![Field::custom("apiVersion", Link::to(&TEXT), None), Field::custom("kind", Link::to(&TEXT), None)];
        fields.push(Field::custom("metadata", Link::to(metadata_type()), None));
        let known = ["apiVersion", "kind", "metadata"];
        fields.extend(schema.properties.iter().filter(|(name, _)| !known.contains(&name.as_str())).map(|(name, it)| field(name, it, schema.preserves)));
        let shape = Shape::Struct(Struct::new(fields, rest(schema, schema.preserves)));
        leak(Type { go: kind.to_owned(), custom: Some(CustomFacts { has_status }), ..Type::of_shape(shape) })
    })
}

fn leak(ty: Type) -> &'static Type {
    Box::leak(Box::new(ty))
}

fn field(name: &str, schema: &Schema, keeping: bool) -> Field {
    Field::custom(name, Link::to(build(schema, keeping)), schema.default.clone())
}

/// What members are that no property names; `keeping` inside of what keeps unknown fields.
fn rest(schema: &Schema, keeping: bool) -> Option<Link> {
    match &schema.additional {
        Some(Additional::Schema(inner)) => Some(Link::to(build(inner, keeping))),
        Some(Additional::Allowed(true)) => Some(Link::to(&DEDUCED)),
        Some(Additional::Allowed(false)) => None,
        None if keeping || (schema.properties.is_empty() && !schema.embedded) => Some(Link::to(&DEDUCED)),
        None => None,
    }
}

fn build(schema: &Schema, keeping: bool) -> &'static Type {
    let keeping = keeping || schema.preserves;
    match schema.ty.as_str() {
        "string" => &TEXT,
        "integer" => &WHOLE,
        "number" => &NUMBER,
        "boolean" => &TRUTH,
        "array" => {
            let kind = match schema.list_type.as_str() {
                "map" => ListKind::Map,
                "set" => ListKind::Set,
                _ => ListKind::Atomic,
            };
            let item = schema.items.as_deref().map_or(&DEDUCED, |it| build(it, keeping));
            leak(Type::of_shape(Shape::List(List { item: Link::to(item), kind, keys: schema.list_keys.clone() })))
        }
        "object" => {
            let mut fields: Vec<Field> = schema.properties.iter().map(|(name, it)| field(name, it, keeping)).collect();
            if schema.embedded {
                fields.retain(|it| !matches!(it.name.as_str(), "apiVersion" | "kind" | "metadata"));
                fields.extend(["apiVersion", "kind"].map(|name| Field::custom(name, Link::to(&TEXT), None)));
                fields.push(Field::custom("metadata", Link::to(metadata_type()), None));
            }
            let rest = rest(schema, keeping);
            let shape = match (fields.is_empty(), rest) {
                (true, Some(link)) => Shape::Map(link),
                _ => Shape::Struct(Struct::new(fields, rest)),
            };
            leak(Type { atomic: schema.atomic, ..Type::of_shape(shape) })
        }
        _ => &DEDUCED,
    }
}
