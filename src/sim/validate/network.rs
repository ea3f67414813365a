//! Ingresses and network policies.

use super::super::failure::Rule;
use super::super::kinds::Kind;
use super::{Errors, FieldError, items, label_selector, names, text};
use crate::sim::json::Value;

pub fn content(errors: &mut Errors, kind: Kind, object: &Value) {
    let spec = &object["spec"];
    if kind == Kind::INGRESSES { ingress(errors, spec) } else { policy(errors, spec) }
}

fn ingress(errors: &mut Errors, spec: &Value) {
    let rules = items(&spec["rules"]);
    if rules.is_empty() && spec["defaultBackend"].is_null() {
        errors.push(FieldError::literal(Rule::Invalid, "spec", "null".to_owned(), "either `defaultBackend` or `rules` must be specified"));
    }
    if !spec["defaultBackend"].is_null() {
        backend(errors, "spec.defaultBackend", &spec["defaultBackend"]);
    }
    for (at, rule) in rules.iter().enumerate() {
        let field = format!("spec.rules[{at}]");
        let host = text(rule, "host");
        match host.strip_prefix("*.") {
            _ if host.is_empty() => {}
            Some(below) => errors.check(&format!("{field}.host"), below, names::dns_subdomain),
            None if host.parse::<std::net::IpAddr>().is_ok() => errors.invalid(format!("{field}.host"), host, "must be a DNS name, not an IP address"),
            None => errors.check(&format!("{field}.host"), host, names::dns_subdomain),
        }
        let http = &rule["http"];
        if http.is_null() {
            continue;
        }
        let paths = items(&http["paths"]);
        if paths.is_empty() {
            errors.required(format!("{field}.http.paths"), "");
        }
        for (at, path) in paths.iter().enumerate() {
            ingress_path(errors, &format!("{field}.http.paths[{at}]"), path);
        }
    }
    let class = text(spec, "ingressClassName");
    if !class.is_empty() {
        errors.check("spec.ingressClassName", class, names::dns_subdomain);
    }
}

fn ingress_path(errors: &mut Errors, field: &str, path: &Value) {
    let location = text(path, "path");
    match text(path, "pathType") {
        "" => errors.required(format!("{field}.pathType"), "pathType must be specified"),
        "Exact" | "Prefix" => {
            if !location.starts_with('/') {
                errors.invalid(format!("{field}.path"), location, "must be an absolute path");
            }
            for part in ["//", "/./", "/../", "%2f", "%2F"].iter().filter(|part| location.contains(**part)) {
                errors.invalid(format!("{field}.path"), location, format!("must not contain '{part}'"));
            }
            for end in ["/..", "/."].iter().filter(|end| location.ends_with(**end)) {
                errors.invalid(format!("{field}.path"), location, format!("cannot end with '{end}'"));
            }
        }
        "ImplementationSpecific" => {
            if !location.is_empty() && !location.starts_with('/') {
                errors.invalid(format!("{field}.path"), location, "must be an absolute path");
            }
        }
        _ => errors.unsupported(format!("{field}.pathType"), &path["pathType"], &["Exact", "ImplementationSpecific", "Prefix"]),
    }
    backend(errors, &format!("{field}.backend"), &path["backend"]);
}

fn backend(errors: &mut Errors, field: &str, backend: &Value) {
    let (service, resource) = (&backend["service"], &backend["resource"]);
    if !service.is_null() && !resource.is_null() {
        return errors.invalid(field, "", "cannot set both resource and service backends");
    }
    if !resource.is_null() {
        return;
    }
    match text(service, "name") {
        "" => errors.required(format!("{field}.service.name"), ""),
        name => errors.check(&format!("{field}.service.name"), name, names::dns_label),
    }
    let (name, number) = (text(&service["port"], "name"), service["port"]["number"].as_i64().unwrap_or(0));
    if !name.is_empty() && number != 0 {
        errors.invalid(field, "", "cannot set both port name & port number");
    } else if !name.is_empty() {
        errors.check(&format!("{field}.service.port.name"), name, names::port_name);
    } else if number != 0 {
        names::port_number(number).into_iter().for_each(|it| errors.invalid(format!("{field}.service.port.number"), number, it));
    } else {
        errors.required(field, "port name or number is required");
    }
}

fn policy(errors: &mut Errors, spec: &Value) {
    label_selector(errors, "spec.podSelector", &spec["podSelector"]);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (at, rule) in items(&spec[direction]).iter().enumerate() {
            let field = format!("spec.{direction}[{at}]");
            for (at, port) in items(&rule["ports"]).iter().enumerate() {
                policy_port(errors, &format!("{field}.ports[{at}]"), port);
            }
            for (at, peer) in items(&rule[peers]).iter().enumerate() {
                policy_peer(errors, &format!("{field}.{peers}[{at}]"), peer);
            }
        }
    }
    let types = items(&spec["policyTypes"]);
    if types.len() > 2 {
        return errors.invalid("spec.policyTypes", spec["policyTypes"].clone(), "may not specify more than two policyTypes");
    }
    for (at, kind) in types.iter().enumerate().filter(|(_, kind)| *kind != "Ingress" && *kind != "Egress") {
        errors.unsupported(format!("spec.policyTypes[{at}]"), kind, &["Ingress", "Egress"]);
    }
}

fn policy_port(errors: &mut Errors, field: &str, port: &Value) {
    let protocol = text(port, "protocol");
    if !matches!(protocol, "" | "TCP" | "UDP" | "SCTP") {
        errors.unsupported(format!("{field}.protocol"), &port["protocol"], &["SCTP", "TCP", "UDP"]);
    }
    match &port["port"] {
        Value::Null => {
            if !port["endPort"].is_null() {
                errors.invalid(format!("{field}.endPort"), port["endPort"].clone(), "may not be specified when `port` is not specified");
            }
        }
        Value::String(name) => {
            if !port["endPort"].is_null() {
                errors.invalid(format!("{field}.endPort"), port["endPort"].clone(), "may not be specified when `port` is non-numeric");
            }
            errors.check(&format!("{field}.port"), name, names::port_name);
        }
        number => {
            let number = number.as_i64().unwrap_or(0);
            names::port_number(number).into_iter().for_each(|it| errors.invalid(format!("{field}.port"), number, it));
            if let Some(end) = port["endPort"].as_i64() {
                if end < number {
                    errors.invalid(format!("{field}.endPort"), number, "must be greater than or equal to `port`");
                }
                names::port_number(end).into_iter().for_each(|it| errors.invalid(format!("{field}.endPort"), end, it));
            }
        }
    }
}

fn policy_peer(errors: &mut Errors, field: &str, peer: &Value) {
    let selectors = ["podSelector", "namespaceSelector"];
    for selector in selectors {
        label_selector(errors, &format!("{field}.{selector}"), &peer[selector]);
    }
    let selects = selectors.iter().any(|it| !peer[*it].is_null());
    if !selects && peer["ipBlock"].is_null() {
        errors.required(field, "must specify a peer");
    } else if selects && !peer["ipBlock"].is_null() {
        errors.forbidden(field, "may not specify both ipBlock and another peer");
    }
}
