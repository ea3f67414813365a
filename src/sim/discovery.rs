//! Discovery: which groups, versions and resources are served, aggregated and in the older form; and the version.

use sha2::Digest;

use super::base64;
use super::custom;
use super::health;
use super::kinds::{DISCOVERY, Kind};
use super::world::World;
use crate::sim::json::{Value, json};

/// What `/version` answers: indented and in this order whoever asks.
pub fn version() -> String {
    let members = [
        ("major", "1"),
        ("minor", "36"),
        ("emulationMajor", "1"),
        ("emulationMinor", "36"),
        ("minCompatibilityMajor", "1"),
        ("minCompatibilityMinor", "35"),
        ("gitVersion", super::VERSION),
        ("gitCommit", ""),
        ("gitTreeState", ""),
        ("buildDate", "1970-01-01T00:00:00Z"),
        ("goVersion", "go1.26.8"),
        ("compiler", "gc"),
        ("platform", "linux/amd64"),
    ];
    let lines: Vec<String> = members.iter().map(|(name, value)| format!("  {name:?}: {value:?}")).collect();
    format!("{{\n{}\n}}", lines.join(",\n"))
}

/// The aggregated form of `/api` or `/apis`.
pub fn aggregated(world: &World, core: bool) -> Value {
    let is_core = |group: &&Value| group["metadata"]["name"].is_null() == core;
    let mut groups: Vec<Value> = DISCOVERY["groups"].as_array().into_iter().flatten().filter(is_core).cloned().collect();
    if !core {
        groups.extend(custom::discovery::groups(&world.customs));
    }
    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": groups })
}

pub fn core_versions(host: &str) -> Value {
    json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": host }] })
}

pub fn groups(world: &World) -> Value {
    let mut names: Vec<&str> = Vec::new();
    for kind in DISCOVERY["groups"].as_array().into_iter().flatten().filter_map(|it| it["metadata"]["name"].as_str()) {
        names.push(kind);
    }
    names.extend(world.customs.groups());
    let groups: Vec<Value> = names.into_iter().map(|group| entry(world, group)).collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

fn entry(world: &World, group: &str) -> Value {
    let all = DISCOVERY["groups"].as_array().into_iter().flatten();
    let versions: Vec<Value> = all
        .filter(|it| it["metadata"]["name"] == group)
        .flat_map(|it| it["versions"].as_array().into_iter().flatten())
        .filter_map(|it| it["version"].as_str())
        .chain(world.customs.versions(group))
        .map(|version| json!({ "groupVersion": format!("{group}/{version}"), "version": version }))
        .collect();
    json!({ "name": group, "preferredVersion": versions.first(), "versions": versions })
}

pub fn group(world: &World, group: &str) -> Value {
    let mut entry = entry(world, group);
    entry["kind"] = "APIGroup".into();
    entry["apiVersion"] = "v1".into();
    entry
}

/// The resources of one group version, subresources among them.
pub fn resources(world: &World, group: &str, version: &str) -> Value {
    let mut resources = Vec::new();
    for kind in Kind::all().filter(|it| it.group() == group && it.version() == version) {
        let facts = kind.facts();
        let mut resource = json!({
            "name": facts.plural, "singularName": facts.singular, "namespaced": facts.namespaced, "kind": facts.kind, "verbs": facts.verbs,
        });
        if !facts.short_names.is_empty() {
            resource["shortNames"] = json!(facts.short_names);
        }
        if !facts.categories.is_empty() {
            resource["categories"] = json!(facts.categories);
        }
        if kind.has_verb("list") && kind != Kind::COMPONENTSTATUSES {
            resource["storageVersionHash"] = storage_hash(kind).into();
        }
        resources.push(resource);
        for part in &facts.subresources {
            let mut resource = json!({
                "name": format!("{}/{}", facts.plural, part.name), "singularName": "", "namespaced": facts.namespaced, "kind": part.kind, "verbs": part.verbs,
            });
            if part.group != group || part.version != version {
                resource["group"] = json!(part.group);
                resource["version"] = json!(part.version);
            }
            resources.push(resource);
        }
    }
    resources.extend(custom::discovery::resources(&world.customs, group, version));
    resources.sort_by(|one, other| one["name"].as_str().cmp(&other["name"].as_str()));
    if group.is_empty() {
        // The core group has kept the form in which lists of resources had no version of their own.
        return json!({ "kind": "APIResourceList", "groupVersion": version, "resources": resources });
    }
    json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": format!("{group}/{version}"), "resources": resources })
}

/// What changes when a kind is stored in another version than before.
///
/// # Source
/// `StorageVersionHash` of apiserver 0.36.3 `pkg/endpoints/discovery/storageversionhash.go`.
fn storage_hash(kind: Kind) -> String {
    let stored = kind.stored();
    let version = match kind.plural() {
        // Since they can still be read by the version before.
        "mutatingadmissionpolicies" | "mutatingadmissionpolicybindings" | "customresourcedefinitions" => "v1beta1",
        _ => stored.version(),
    };
    hash_of(stored.group(), version, stored.kind())
}

/// Tells clients when objects are stored in another version.
pub fn hash_of(group: &str, version: &str, kind: &str) -> String {
    let digest = sha2::Sha256::digest(format!("{group}/{version}/{kind}"));
    base64::encode(&digest[..8])
}

/// What `/` lists.
pub fn paths(world: &World) -> Value {
    let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned(), "/apis/".to_owned()];
    for kind in world.kinds().filter(|it| !it.group().is_empty()) {
        paths.push(format!("/apis/{}", kind.group()));
        paths.push(format!("/apis/{}", kind.api_version()));
    }
    paths.extend(health::paths());
    let rest = ["/.well-known/openid-configuration", "/metrics", "/openapi/v2", "/openapi/v3", "/openid/v1/jwks", "/version"];
    paths.extend(rest.map(str::to_owned));
    paths.sort();
    paths.dedup();
    json!({ "paths": paths })
}
