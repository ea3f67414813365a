//! OpenAPI v3: what kubectl asks for before it applies and when it explains.
//!
//! The prose of the fields is not here, and request bodies are left out on purpose: kubectl then merges the kinds it knows by its own types.

use std::collections::{BTreeMap, BTreeSet};

use super::custom;
use super::kinds::{Kind, SCHEMAS};
use super::world::World;
use crate::sim::json::{Map, Value, json};

/// The index of the documents.
pub fn index(world: &World) -> Value {
    let mut paths = Map::new();
    for kind in Kind::all() {
        let path = if kind.group().is_empty() { "api/v1".to_owned() } else { format!("apis/{}", kind.api_version()) };
        paths.insert(path.clone(), json!({ "serverRelativeURL": format!("/openapi/v3/{path}?hash=1.36.3") }));
    }
    for kind in world.customs.served().map(|it| it.kind) {
        let path = format!("apis/{}", kind.api_version());
        // The hash tells a client when its copy is old.
        let hash = world.customs.changed(kind.group(), kind.version());
        paths.insert(path.clone(), json!({ "serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}") }));
    }
    json!({ "paths": paths })
}

/// One group version's document: its paths, and the types that they speak of.
pub fn document(world: &World, group: &str, version: &str) -> Value {
    let mut paths = Map::new();
    let mut schemas = BTreeMap::new();
    for kind in world.kinds().filter(|it| it.group() == group && it.version() == version) {
        let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        let collection = if kind.namespaced() { format!("{root}/namespaces/{{namespace}}/{}", kind.plural()) } else { format!("{root}/{}", kind.plural()) };
        let mut of_collection = Map::new();
        let mut of_object = Map::new();
        for (verb, method, named) in [
            ("list", "get", false),
            ("create", "post", false),
            ("get", "get", true),
            ("update", "put", true),
            ("patch", "patch", true),
            ("delete", "delete", true),
        ] {
            if kind.has_verb(verb) {
                let target = if named { &mut of_object } else { &mut of_collection };
                target.insert(method.to_owned(), operation(kind, verb));
            }
        }
        for (path, operations) in [(collection.clone(), of_collection), (format!("{collection}/{{name}}"), of_object)] {
            if !operations.is_empty() {
                paths.insert(path, Value::Object(operations));
            }
        }
        if let Some(name) = kind.schema() {
            gather(name, &mut schemas);
        }
    }
    for custom in world.customs.served().filter(|it| it.kind.group() == group && it.kind.version() == version) {
        custom::openapi::describe(custom, &mut schemas);
        custom::openapi::REFERRED.iter().for_each(|name| gather(name, &mut schemas));
    }
    json!({ "openapi": "3.0.0", "info": { "title": "Kubernetes", "version": "1.36" }, "paths": paths, "components": { "schemas": schemas } })
}

fn operation(kind: Kind, verb: &str) -> Value {
    let parameter =
        |name: &str| json!({ "name": name, "in": "query", "schema": { "type": if name == "force" { "boolean" } else { "string" }, "uniqueItems": true } });
    let parameters: Vec<Value> = match verb {
        "create" | "update" => ["dryRun", "fieldManager", "fieldValidation"].map(parameter).to_vec(),
        "patch" => ["dryRun", "fieldManager", "fieldValidation", "force"].map(parameter).to_vec(),
        "list" => ["continue", "fieldSelector", "labelSelector", "limit", "resourceVersion", "watch"].map(parameter).to_vec(),
        _ => Vec::new(),
    };
    let action = match verb {
        "create" => "post",
        "update" => "put",
        verb => verb,
    };
    let content = kind.schema().map(|it| json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{it}") } } }));
    let response = match content {
        Some(content) => json!({ "description": "OK", "content": content }),
        None => json!({ "description": "OK" }),
    };
    json!({
        "parameters": parameters,
        "responses": { "200": response },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": { "group": kind.group(), "version": kind.version(), "kind": kind.kind() },
    })
}

/// Adds a type and all that it refers to.
fn gather(name: &str, schemas: &mut BTreeMap<String, Value>) {
    let mut open: BTreeSet<String> = BTreeSet::from([name.to_owned()]);
    while let Some(name) = open.pop_first() {
        let Some(schema) = SCHEMAS.get(&name).filter(|_| !schemas.contains_key(&name)) else { continue };
        let mut refers = Vec::new();
        schemas.insert(name, spelled(schema, &mut refers));
        open.extend(refers);
    }
}

/// A schema with its references as OpenAPI spells them.
fn spelled(schema: &Value, refers: &mut Vec<String>) -> Value {
    match schema {
        Value::Object(map) => {
            let mut out = Map::new();
            for (key, value) in map.iter().filter(|(key, _)| *key != "$ref") {
                out.insert(key.clone(), spelled(value, refers));
            }
            // A field may itself be called `$ref`; then it is a schema, not a name.
            match map.get("$ref") {
                Some(Value::String(name)) => {
                    refers.push(name.to_string());
                    let reference = json!({ "$ref": format!("#/components/schemas/{name}") });
                    if out.is_empty() {
                        return reference;
                    }
                    out.insert("allOf".to_owned(), json!([reference]));
                }
                Some(other) => {
                    out.insert("$ref".to_owned(), spelled(other, refers));
                }
                None => {}
            }
            Value::Object(out)
        }
        Value::Array(list) => Value::Array(list.iter().map(|it| spelled(it, refers)).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_all_that_it_refers_to() {
        for (group, version) in [("apps", "v1"), ("", "v1"), ("networking.k8s.io", "v1")] {
            let text = document(&World::new(0, jiff::Timestamp::UNIX_EPOCH), group, version).to_string();
            let document: Value = serde_json::from_str(&text).expect("JSON");
            let schemas = document["components"]["schemas"].as_object().expect("schemas");
            for part in text.split("#/components/schemas/").skip(1) {
                let name = part.split('"').next().expect("a name");
                assert!(schemas.contains_key(name), "{group}: {name}");
            }
        }
        let apps = document(&World::new(0, jiff::Timestamp::UNIX_EPOCH), "apps", "v1");
        let patch = &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
        assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Deployment");
        assert!(patch["parameters"].as_array().expect("a list").iter().any(|it| it["name"] == "fieldValidation"));
    }
}
