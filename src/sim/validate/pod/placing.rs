//! Where a pod may run and what it waits for: affinities, gates, host aliases, its operating system.

use super::super::{Errors, names};
use super::{items, text};
use crate::sim::json::Value;

/// Affinities to nodes and to other pods.
pub fn affinity(errors: &mut Errors, field: &str, affinity: &Value) {
    let node = &affinity["nodeAffinity"];
    let required = &node["requiredDuringSchedulingIgnoredDuringExecution"];
    let at = format!("{field}.nodeAffinity");
    if !required.is_null() && items(&required["nodeSelectorTerms"]).is_empty() {
        errors.required(format!("{at}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"), "must have at least one node selector term");
    }
    for (index, preferred) in items(&node["preferredDuringSchedulingIgnoredDuringExecution"]).iter().enumerate() {
        weight(errors, &format!("{at}.preferredDuringSchedulingIgnoredDuringExecution[{index}].weight"), &preferred["weight"]);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let at = format!("{field}.{kind}");
        for (index, term) in items(&affinity[kind]["requiredDuringSchedulingIgnoredDuringExecution"]).iter().enumerate() {
            topology_key(errors, &format!("{at}.requiredDuringSchedulingIgnoredDuringExecution[{index}].topologyKey"), term);
        }
        for (index, preferred) in items(&affinity[kind]["preferredDuringSchedulingIgnoredDuringExecution"]).iter().enumerate() {
            let at = format!("{at}.preferredDuringSchedulingIgnoredDuringExecution[{index}]");
            weight(errors, &format!("{at}.weight"), &preferred["weight"]);
            topology_key(errors, &format!("{at}.podAffinityTerm.topologyKey"), &preferred["podAffinityTerm"]);
        }
    }
}

fn weight(errors: &mut Errors, field: &str, weight: &Value) {
    let weight = weight.as_i64().unwrap_or(0);
    if !(1..=100).contains(&weight) {
        errors.invalid(field, weight, "must be in the range 1-100");
    }
}

fn topology_key(errors: &mut Errors, field: &str, term: &Value) {
    let key = text(term, "topologyKey");
    if key.is_empty() {
        errors.required(field, "can not be empty");
    }
    errors.check(field, key, names::label_key);
}

/// Conditions that must hold before the pod counts as ready.
pub fn readiness_gates(errors: &mut Errors, field: &str, gates: &Value) {
    for (at, gate) in items(gates).iter().enumerate() {
        errors.check(&format!("{field}[{at}].conditionType"), text(gate, "conditionType"), names::label_key);
    }
}

/// Lines of the hosts file.
pub fn host_aliases(errors: &mut Errors, field: &str, aliases: &Value) {
    for (at, alias) in items(aliases).iter().enumerate() {
        address(errors, &format!("{field}[{at}].ip"), text(alias, "ip"));
        for (index, name) in items(&alias["hostnames"]).iter().enumerate() {
            errors.check(&format!("{field}[{at}].hostnames[{index}]"), name.as_str().unwrap_or_default(), names::dns_subdomain);
        }
    }
}

/// A text that must be an IP address.
pub fn address(errors: &mut Errors, field: &str, text: &str) {
    if text.parse::<std::net::IpAddr>().is_err() {
        errors.invalid(field, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
    }
}

/// The operating system that the pod is for.
pub fn os(errors: &mut Errors, field: &str, os: &Value) {
    match text(os, "name") {
        _ if os.is_null() => {}
        "" => errors.required(format!("{field}.name"), ""),
        "linux" | "windows" => {}
        _ => errors.unsupported(field, &os["name"], &["linux", "windows"]),
    }
}
