//! Who may do what: roles and their bindings, looked up at each request.
//!
//! Not here: who somebody is (`identity`). Nothing is remembered between requests: a role that changes counts at once.
//!
//! # Source
//! kubernetes 1.36.3 `plugin/pkg/auth/authorizer/rbac/rbac.go`.

use std::sync::Arc;

use super::identity::Identity;
use super::kinds::Kind;
use super::world::World;
use crate::sim::json::Value;

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    pub verb: &'a str,
    pub what: What<'a>,
}

#[derive(Clone, Copy, Debug)]
pub enum What<'a> {
    /// `resource` with a part: `pods/log`.
    Resource {
        group: &'a str,
        resource: &'a str,
        namespace: &'a str,
        name: &'a str,
    },
    Path(&'a str),
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_default()
}

fn has(value: &Value, key: &str, wanted: &str) -> bool {
    items(value, key).iter().any(|it| it == wanted || it == "*")
}

/// Whether one of a binding's subjects is this somebody.
fn is_bound(binding: &Value, identity: &Identity) -> Option<String> {
    let place = text(&binding["metadata"], "namespace");
    items(binding, "subjects").iter().find_map(|subject| {
        let name = text(subject, "name");
        match text(subject, "kind") {
            "User" => (identity.user == name).then(|| format!("User \"{name}\"")),
            "Group" => identity.groups.iter().any(|it| it == name).then(|| format!("Group \"{name}\"")),
            "ServiceAccount" => {
                let namespace = Some(text(subject, "namespace")).filter(|it| !it.is_empty()).unwrap_or(place);
                (identity.user == format!("system:serviceaccount:{namespace}:{name}")).then(|| format!("ServiceAccount \"{name}/{namespace}\""))
            }
            _ => None,
        }
    })
}

/// Whether a rule lets somebody do what is wanted.
pub fn permits(rule: &Value, wanted: &Wanted<'_>) -> bool {
    if !has(rule, "verbs", wanted.verb) {
        return false;
    }
    match wanted.what {
        What::Path(path) => items(rule, "nonResourceURLs")
            .iter()
            .filter_map(Value::as_str)
            .any(|it| it == "*" || it == path || it.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix))),
        What::Resource { group, resource, name, .. } => {
            let part = resource.split_once('/').map(|(_, part)| format!("*/{part}"));
            let names = items(rule, "resourceNames");
            has(rule, "apiGroups", group)
                && items(rule, "resources").iter().filter_map(Value::as_str).any(|it| it == "*" || it == resource || part.as_deref() == Some(it))
                && (names.is_empty() || names.iter().any(|it| it == name))
        }
    }
}

/// The bindings that somebody has, each with its role and the words for it: those of the cluster, and those of a namespace.
fn bindings(world: &World, identity: &Identity, namespace: &str) -> Vec<(Arc<Value>, Arc<Value>, String)> {
    let mut all: Vec<(Kind, &Arc<Value>)> = world.list(Kind::CLUSTERROLEBINDINGS, None).map(|it| (Kind::CLUSTERROLEBINDINGS, it)).collect();
    if !namespace.is_empty() {
        all.extend(world.list(Kind::ROLEBINDINGS, Some(namespace)).map(|it| (Kind::ROLEBINDINGS, it)));
    }
    let mut found = Vec::new();
    for (kind, binding) in all {
        let Some(subject) = is_bound(binding, identity) else { continue };
        let reference = &binding["roleRef"];
        let role = match text(reference, "kind") {
            "ClusterRole" => world.find(Kind::CLUSTERROLES, "", text(reference, "name")),
            _ => world.find(Kind::ROLES, namespace, text(reference, "name")),
        };
        let Some(role) = role else { continue };
        let name = text(&binding["metadata"], "name");
        let place = if kind == Kind::ROLEBINDINGS { format!("{name}/{namespace}") } else { name.to_owned() };
        let why = format!("RBAC: allowed by {} \"{place}\" of {} \"{}\" to {subject}", kind.kind(), text(reference, "kind"), text(reference, "name"));
        found.push((Arc::clone(binding), Arc::clone(role), why));
    }
    found
}

/// Why somebody may do what is wanted; `None` when nobody said so.
pub fn allows(world: &World, identity: &Identity, wanted: &Wanted<'_>) -> Option<String> {
    if identity.is_administrator() {
        return Some(String::new());
    }
    let namespace = match wanted.what {
        What::Resource { namespace, .. } => namespace,
        What::Path(_) => "",
    };
    bindings(world, identity, namespace).into_iter().find(|(_, role, _)| items(role, "rules").iter().any(|it| permits(it, wanted))).map(|(_, _, why)| why)
}

/// All rules that somebody has in a namespace.
pub fn rules(world: &World, identity: &Identity, namespace: &str) -> Vec<Value> {
    let mut rules = Vec::new();
    for (_, role, _) in bindings(world, identity, namespace) {
        rules.extend(items(&role, "rules").iter().cloned());
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::json::json;

    #[test]
    fn a_rule_permits_what_it_names_and_no_more() {
        let rule = json!({ "verbs": ["get", "list"], "apiGroups": ["", "apps"], "resources": ["pods", "pods/log", "*/scale"], "resourceNames": ["web"] });
        let resource = |verb, group, resource, name| permits(&rule, &Wanted { verb, what: What::Resource { group, resource, namespace: "x", name } });
        assert!(resource("get", "", "pods", "web") && resource("get", "apps", "deployments/scale", "web") && resource("get", "", "pods/log", "web"));
        assert!(!resource("delete", "", "pods", "web") && !resource("get", "batch", "pods", "web"));
        assert!(!resource("get", "", "pods", "db") && !resource("list", "", "pods", "") && !resource("get", "", "pods/exec", "web"));
        let paths = json!({ "verbs": ["get"], "nonResourceURLs": ["/healthz", "/api/*"] });
        let path = |path| permits(&paths, &Wanted { verb: "get", what: What::Path(path) });
        assert!(path("/healthz") && path("/api/v1") && !path("/metrics"));
    }
}
