//! How discovery names custom kinds, in both of its forms.

use super::super::discovery::hash_of;
use super::{Custom, Customs};
use crate::sim::json::{Value, json};

/// The groups of custom kinds, for the aggregated form.
pub fn groups(customs: &Customs) -> Vec<Value> {
    let versions = |group: &str| -> Vec<Value> {
        customs
            .versions(group)
            .into_iter()
            .map(|version| {
                let resources: Vec<Value> = sorted(customs, group, version).into_iter().map(aggregated).collect();
                json!({ "version": version, "resources": resources, "freshness": "Current" })
            })
            .collect()
    };
    customs.groups().into_iter().map(|group| json!({ "metadata": { "name": group }, "versions": versions(group) })).collect()
}

fn sorted<'a>(customs: &'a Customs, group: &str, version: &str) -> Vec<&'a Custom> {
    let mut all: Vec<&Custom> = customs.served().map(|it| &**it).filter(|it| it.kind.group() == group && it.kind.version() == version).collect();
    all.sort_by_key(|it| it.kind.plural());
    all
}

fn aggregated(custom: &Custom) -> Value {
    let kind = custom.kind;
    let own = json!({ "group": kind.group(), "version": kind.version(), "kind": kind.kind() });
    let mut resource = json!({
        "resource": kind.plural(), "responseKind": own, "scope": if kind.namespaced() { "Namespaced" } else { "Cluster" },
        "singularResource": custom.singular, "verbs": custom.verbs(),
    });
    name(custom, &mut resource);
    let parts: Vec<Value> = parts(custom).map(|part| json!({ "subresource": part.0, "responseKind": part.1, "verbs": PART_VERBS })).collect();
    if !parts.is_empty() {
        resource["subresources"] = parts.into();
    }
    resource
}

const PART_VERBS: [&str; 3] = ["get", "patch", "update"];

/// The parts of a kind that are served, with the kinds that they show.
fn parts(custom: &Custom) -> impl Iterator<Item = (&'static str, Value)> {
    let kind = custom.kind;
    let own = json!({ "group": kind.group(), "version": kind.version(), "kind": kind.kind() });
    let status = custom.status.then_some(("status", own));
    let scale = custom.scale.is_some().then(|| ("scale", json!({ "group": "autoscaling", "version": "v1", "kind": "Scale" })));
    status.into_iter().chain(scale)
}

fn name(custom: &Custom, resource: &mut Value) {
    for (field, names) in [("shortNames", &custom.short_names), ("categories", &custom.categories)] {
        if !names.is_empty() {
            resource[field] = json!(names);
        }
    }
}

/// The resources of one group version, for the older form.
pub fn resources(customs: &Customs, group: &str, version: &str) -> Vec<Value> {
    let mut resources = Vec::new();
    for custom in sorted(customs, group, version) {
        let kind = custom.kind;
        let mut resource = json!({
            "name": kind.plural(), "singularName": custom.singular, "namespaced": kind.namespaced(), "kind": kind.kind(), "verbs": custom.verbs(),
        });
        name(custom, &mut resource);
        let stored = customs.storage(kind).map_or(kind, |it| it.kind);
        resource["storageVersionHash"] = hash_of(stored.group(), stored.version(), stored.kind()).into();
        resources.push(resource);
        for (part, shown) in parts(custom) {
            let mut resource = json!({
                "name": format!("{}/{part}", kind.plural()), "singularName": "", "namespaced": kind.namespaced(), "kind": shown["kind"], "verbs": PART_VERBS,
            });
            if part == "scale" {
                resource["group"] = shown["group"].clone();
                resource["version"] = shown["version"].clone();
            }
            resources.push(resource);
        }
    }
    resources
}
