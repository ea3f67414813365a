//! `/healthz`, `/livez` and `/readyz`: the checks that the real server lists, all of which pass here.
//!
//! # Source
//! A 1.36.3 control plane; apiserver 0.36.3 `pkg/server/healthz/healthz.go`.

use std::fmt::Write as _;

use std::sync::Arc;

use super::route::Query;
use crate::sim::json::{Value, json};

/// The checks of each path, in their order.
const FIRST: [&str; 2] = ["ping", "log"];
const LIVE: [&str; 2] = ["loopback-serving-certificate", "etcd"];
const READY: [&str; 3] = ["etcd", "etcd-readiness", "informer-sync"];
const HOOKS: [&str; 31] = [
    "poststarthook/start-apiserver-admission-initializer",
    "poststarthook/generic-apiserver-start-informers",
    "poststarthook/priority-and-fairness-config-consumer",
    "poststarthook/priority-and-fairness-filter",
    "poststarthook/storage-object-count-tracker-hook",
    "poststarthook/start-apiextensions-informers",
    "poststarthook/start-apiextensions-controllers",
    "poststarthook/crd-informer-synced",
    "poststarthook/start-system-namespaces-controller",
    "poststarthook/peer-endpoint-reconciler-controller",
    "poststarthook/start-cluster-authentication-info-controller",
    "poststarthook/start-kube-apiserver-identity-lease-controller",
    "poststarthook/start-kube-apiserver-identity-lease-garbage-collector",
    "poststarthook/storage-readiness",
    "poststarthook/start-legacy-token-tracking-controller",
    "poststarthook/start-service-ip-repair-controllers",
    "poststarthook/rbac/bootstrap-roles",
    "poststarthook/scheduling/bootstrap-system-priority-classes",
    "poststarthook/priority-and-fairness-config-producer",
    "poststarthook/bootstrap-controller",
    "poststarthook/start-kubernetes-service-cidr-controller",
    "poststarthook/aggregator-reload-proxy-client-cert",
    "poststarthook/start-kube-aggregator-informers",
    "poststarthook/apiservice-status-local-available-controller",
    "poststarthook/apiservice-status-remote-available-controller",
    "poststarthook/apiservice-registration-controller",
    "poststarthook/apiservice-discovery-controller",
    "poststarthook/kube-apiserver-autoregistration",
    "autoregister-completion",
    "poststarthook/apiservice-openapi-controller",
    "poststarthook/apiservice-openapiv3-controller",
];

fn checks(endpoint: &str) -> Vec<&'static str> {
    let ready = endpoint == "readyz";
    let own: &[&str] = if ready { &READY } else { &LIVE };
    let last: &[&str] = if ready { &["shutdown"] } else { &[] };
    [&FIRST[..], own, &HOOKS, last].concat()
}

/// The paths below an endpoint and the endpoint itself, as `/` lists them.
pub fn paths() -> impl Iterator<Item = String> {
    ["healthz", "livez", "readyz"].into_iter().flat_map(|endpoint| {
        let below = checks(endpoint).into_iter().map(move |check| format!("/{endpoint}/{check}"));
        std::iter::once(format!("/{endpoint}")).chain(below)
    })
}

/// What an endpoint answers, or one check below it; `None` where there is no such check.
pub fn answer(endpoint: &str, check: &str, query: &Query) -> Option<String> {
    let all = checks(endpoint);
    if !check.is_empty() {
        return all.contains(&check).then(|| "ok".to_owned());
    }
    if query.get("verbose").is_none() {
        return Some("ok".to_owned());
    }
    let excluded: Vec<&str> = query.all("exclude").collect();
    let mut text = String::new();
    for check in &all {
        let state = if excluded.contains(check) { "excluded: ok" } else { "ok" };
        let _ = writeln!(text, "[+]{check} {state}");
    }
    let unknown: Vec<String> = excluded.iter().filter(|it| !all.contains(it)).map(|it| format!("{it:?}")).collect();
    if !unknown.is_empty() {
        let _ = writeln!(text, "warn: some health checks cannot be excluded: no matches for {}", unknown.join(","));
    }
    let _ = writeln!(text, "{endpoint} check passed");
    Some(text)
}

/// What `componentstatuses` lists: asked for each time, and kept nowhere.
pub fn components() -> Vec<Arc<Value>> {
    let component = |name: &str| {
        json!({
            "apiVersion": "v1", "kind": "ComponentStatus", "metadata": { "name": name, "creationTimestamp": null },
            "conditions": [{ "type": "Healthy", "status": "True", "message": "ok" }],
        })
    };
    ["scheduler", "controller-manager", "etcd-0"].map(component).map(Arc::new).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_are_listed_one_by_one_or_left_out() {
        let ask = |check: &str, query: &str| answer("readyz", check, &Query::parse(Some(query)));
        assert_eq!(ask("", ""), Some("ok".to_owned()));
        assert_eq!(ask("ping", ""), Some("ok".to_owned()));
        assert_eq!(ask("nope", ""), None);
        let verbose = ask("", "verbose&exclude=etcd").expect("a text");
        assert!(verbose.starts_with("[+]ping ok\n[+]log ok\n[+]etcd excluded: ok\n[+]etcd-readiness ok\n"), "{verbose}");
        assert!(verbose.ends_with("[+]shutdown ok\nreadyz check passed\n"), "{verbose}");
    }
}
