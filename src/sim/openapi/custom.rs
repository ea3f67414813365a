//! The documents of custom kinds, made from their definitions when somebody asks.

use std::collections::BTreeMap;

use super::super::custom::openapi::{REFERRED, describe};
use super::super::kinds::Kind;
use super::super::world::World;
use super::{Document, gather};
use crate::sim::json::{Map, Value, json};

/// The document of one version of a group of custom kinds, `apis/example.com/v1`.
pub fn document(world: &World, path: &str) -> Option<Document> {
    let (group, version) = path.strip_prefix("apis/")?.split_once('/')?;
    let mut customs = world.customs.served().filter(|it| it.kind.group() == group && it.kind.version() == version).peekable();
    customs.peek()?;
    let (mut paths, mut schemas) = (Map::new(), BTreeMap::new());
    for custom in customs {
        describe_paths(custom.kind, &mut paths);
        describe(custom, &mut schemas);
        REFERRED.iter().for_each(|name| gather(name, &mut schemas));
    }
    let document = json!({ "openapi": "3.0.0", "info": { "title": "Kubernetes", "version": "1.36" }, "paths": paths, "components": { "schemas": schemas } });
    Some(Document { hash: world.customs.changed(group, version).to_string(), bytes: document.to_string().into() })
}

fn describe_paths(kind: Kind, paths: &mut Map) {
    let root = format!("/apis/{}", kind.api_version());
    let collection = if kind.namespaced() { format!("{root}/namespaces/{{namespace}}/{}", kind.plural()) } else { format!("{root}/{}", kind.plural()) };
    let (mut of_collection, mut of_object) = (Map::new(), Map::new());
    for (verb, method, named) in
        [("list", "get", false), ("create", "post", false), ("get", "get", true), ("update", "put", true), ("patch", "patch", true), ("delete", "delete", true)]
    {
        let target = if named { &mut of_object } else { &mut of_collection };
        target.insert(method.to_owned(), operation(kind, verb));
    }
    for (path, operations) in [(collection.clone(), of_collection), (format!("{collection}/{{name}}"), of_object)] {
        paths.insert(path, Value::Object(operations));
    }
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
    json!({
        "parameters": parameters,
        "responses": { "200": { "description": "OK" } },
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": { "group": kind.group(), "version": kind.version(), "kind": kind.kind() },
    })
}
