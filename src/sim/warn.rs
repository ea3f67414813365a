//! What the server warns of in pods and pod templates that it takes.
//!
//! Not here: warnings of fields that it does not know (`schema::decode`), of deprecated labels, annotations and volume drivers, and of overlapping paths.
//!
//! # Source
//! kubernetes 1.36.3 `pkg/api/pod/warnings.go`, and `WarningsOnCreate` and `WarningsOnUpdate` of the kinds' strategies.

use std::collections::{BTreeMap, BTreeSet};

use super::custom::definition;
use super::failure::quoted;
use super::kinds::Kind;
use super::names;
use crate::sim::json::Value;

fn items(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// What is odd about an object that is made.
pub fn create(kind: Kind, object: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    let broken = names::dns_label(text(&object["metadata"], "name"));
    let place = match kind {
        Kind::PODS => "the Pod's hostname",
        Kind::DEPLOYMENTS | Kind::REPLICASETS | Kind::REPLICATIONCONTROLLERS | Kind::JOBS | Kind::CRONJOBS => "Pod names and hostnames",
        _ => "",
    };
    if !place.is_empty() && !broken.is_empty() {
        let said = broken.join(" ");
        warnings.push(format!("metadata.name: this is used in {place}, which can result in surprising behavior; a DNS label is recommended: [{said}]"));
    }
    match kind {
        Kind::PODS => warnings.extend(of_spec("spec", &object["spec"])),
        Kind::DEPLOYMENTS | Kind::REPLICASETS | Kind::STATEFULSETS | Kind::DAEMONSETS | Kind::REPLICATIONCONTROLLERS | Kind::JOBS => {
            warnings.extend(of_spec("spec.template.spec", &object["spec"]["template"]["spec"]));
        }
        _ => {}
    }
    warnings.extend(history(kind, object));
    if kind == Kind::CUSTOMRESOURCEDEFINITIONS {
        warnings.extend(definition::warnings(object, None));
    }
    warnings.extend(mountable(kind, object));
    warnings
}

/// An annotation of accounts that has a better way by now.
fn mountable(kind: Kind, object: &Value) -> Option<String> {
    const NAME: &str = "kubernetes.io/enforce-mountable-secrets";
    let words = || format!("metadata.annotations[{NAME}]: deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets");
    (kind == Kind::SERVICEACCOUNTS && !object["metadata"]["annotations"][NAME].is_null()).then(words)
}

/// What is odd about a workload whose spec is changed; nobody is warned of changes of pods.
pub fn update(kind: Kind, object: &Value, old: &Value) -> Vec<String> {
    let judged = match kind {
        Kind::DEPLOYMENTS | Kind::REPLICASETS | Kind::STATEFULSETS => object["metadata"]["generation"] != old["metadata"]["generation"],
        Kind::DAEMONSETS => object["spec"]["template"] != old["spec"]["template"],
        _ => false,
    };
    if kind == Kind::CUSTOMRESOURCEDEFINITIONS {
        return definition::warnings(object, Some(old));
    }
    let mut warnings = if judged { of_spec("spec.template.spec", &object["spec"]["template"]["spec"]) } else { Vec::new() };
    warnings.extend(history(kind, object));
    // Once is enough.
    warnings.extend(mountable(kind, object).filter(|_| mountable(kind, old).is_none()));
    warnings
}

fn history(kind: Kind, object: &Value) -> Option<String> {
    let endless = kind == Kind::STATEFULSETS && object["spec"]["revisionHistoryLimit"].as_i64().is_some_and(|it| it < 0);
    endless.then(|| "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended".to_owned())
}

fn of_spec(field: &str, spec: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    for (at, constraint) in items(&spec["topologySpreadConstraints"]).iter().enumerate() {
        if constraint["labelSelector"].is_null() {
            warnings.push(format!("{field}.topologySpreadConstraints[{at}].labelSelector: a null labelSelector results in matching no pod"));
        }
    }
    for (at, volume) in items(&spec["volumes"]).iter().enumerate() {
        if volume["gitRepo"].is_object() {
            warnings.push(format!("{field}.volumes[{at}].gitRepo: deprecated in v1.11, and disabled by default in v1.33+"));
        }
    }
    repeated(&mut warnings, &format!("{field}.hostAliases"), &spec["hostAliases"], "ip");
    repeated(&mut warnings, &format!("{field}.imagePullSecrets"), &spec["imagePullSecrets"], "name");
    for (at, secret) in items(&spec["imagePullSecrets"]).iter().enumerate() {
        if text(secret, "name").is_empty() {
            warnings.push(format!("{field}.imagePullSecrets[{at}].name: invalid empty name \"\""));
        }
    }
    let containers: Vec<(String, &Value)> = ["initContainers", "containers"]
        .into_iter()
        .flat_map(|list| items(&spec[list]).iter().enumerate().map(move |(at, it)| (format!("{field}.{list}[{at}]"), it)))
        .collect();
    for (field, container) in &containers {
        of_container(&mut warnings, field, container);
    }
    ports(&mut warnings, &containers);
    if spec["terminationGracePeriodSeconds"].as_i64().is_some_and(|it| it < 0) {
        warnings.push(format!("{field}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"));
    }
    for affinity in ["podAffinity", "podAntiAffinity"] {
        for (list, term) in [("requiredDuringSchedulingIgnoredDuringExecution", ""), ("preferredDuringSchedulingIgnoredDuringExecution", "podAffinityTerm")] {
            for (at, one) in items(&spec["affinity"][affinity][list]).iter().enumerate() {
                let (selector, below) =
                    if term.is_empty() { (&one["labelSelector"], String::new()) } else { (&one[term]["labelSelector"], format!(".{term}")) };
                if selector.is_null() {
                    warnings.push(format!("{field}.affinity.{affinity}.{list}[{at}]{below}.labelSelector: a null labelSelector results in matching no pod"));
                }
            }
        }
    }
    warnings
}

fn repeated(warnings: &mut Vec<String>, field: &str, list: &Value, key: &str) {
    let mut seen = BTreeSet::new();
    for (at, item) in items(list).iter().enumerate() {
        if !seen.insert(text(item, key)) {
            warnings.push(format!("{field}[{at}].{key}: duplicate {key} {}", quoted(text(item, key))));
        }
    }
}

fn of_container(warnings: &mut Vec<String>, field: &str, container: &Value) {
    for resource in ["memory", "ephemeral-storage"] {
        for list in ["limits", "requests"] {
            let Some(value) = container["resources"][list][resource].as_str() else { continue };
            // In its canonical form only a fraction has such a suffix.
            if value.ends_with(['m', 'u', 'n']) {
                warnings.push(format!("{field}.resources.{list}[{resource}]: fractional byte value {} is invalid, must be an integer", quoted(value)));
            }
        }
    }
    let mut seen = BTreeSet::new();
    for (at, variable) in items(&container["env"]).iter().enumerate() {
        let name = text(variable, "name");
        let reference = format!("$({name})");
        let value = text(variable, "value");
        let builds_on_it = variable["valueFrom"].is_null() && value != reference && value.contains(&reference);
        if !seen.insert(name) && !builds_on_it {
            warnings.push(format!("{field}.env[{at}]: hides previous definition of {}, which may be dropped when using apply", quoted(name)));
        }
    }
}

fn ports(warnings: &mut Vec<String>, containers: &[(String, &Value)]) {
    let all = || containers.iter().flat_map(|(field, it)| items(&it["ports"]).iter().enumerate().map(move |(at, port)| (format!("{field}.ports[{at}]"), port)));
    let mut seen: BTreeMap<(i64, &str), Vec<(String, &Value)>> = BTreeMap::new();
    for (field, port) in all() {
        let others = seen.entry((port["containerPort"].as_i64().unwrap_or(0), text(port, "protocol"))).or_default();
        let host = |port: &Value| port["hostPort"].as_i64().unwrap_or(0);
        for (other_field, other) in others.iter() {
            let (ip, other_ip) = (text(port, "hostIP"), text(other, "hostIP"));
            if ip == other_ip && host(port) == host(other) {
                warnings.push(format!("{field}: duplicate port definition with {other_field}"));
            } else if host(port) == 0 || host(other) == 0 {
                warnings.push(format!("{field}: overlapping port definition with {other_field}"));
            } else if host(port) == host(other) && ip.is_empty() != other_ip.is_empty() {
                warnings.push(format!("{field}: dangerously ambiguous port definition with {other_field}"));
            }
        }
        others.push((field, port));
    }
    let mut named: BTreeMap<&str, String> = BTreeMap::new();
    for (field, port) in all().filter(|(_, port)| !text(port, "name").is_empty()) {
        let name = text(port, "name");
        match named.get(name) {
            Some(other) => warnings
                .push(format!("{field}: duplicate port name {} with {other}, services and probes that select ports by name will use {other}", quoted(name))),
            None => {
                named.insert(name, field);
            }
        }
    }
}
