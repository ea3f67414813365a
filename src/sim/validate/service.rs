//! Services.

use std::collections::BTreeSet;

use super::{Errors, FieldError, items, labels, names, pod, text};
use crate::sim::json::Value;

pub fn content(errors: &mut Errors, object: &Value, old: Option<&Value>) {
    let spec = &object["spec"];
    let kind = text(spec, "type");
    let headless = text(spec, "clusterIP") == "None";
    let ports = items(&spec["ports"]);
    if ports.is_empty() && !headless && kind != "ExternalName" {
        errors.required("spec.ports", "");
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => errors.invalid("spec.clusterIPs[0]", "None", format!("may not be set to 'None' for {kind} services")),
        "ExternalName" => external_name(errors, spec),
        _ => {}
    }
    let mut seen = BTreeSet::new();
    for (at, port) in ports.iter().enumerate() {
        service_port(errors, &format!("spec.ports[{at}]"), port, ports.len() > 1, &mut seen);
    }
    labels(errors, "spec.selector", &spec["selector"]);
    addresses(errors, spec, kind);
    match text(spec, "sessionAffinity") {
        "ClientIP" => {
            let timeout = &spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"];
            if timeout.as_i64().is_none_or(|it| !(1..=86400).contains(&it)) {
                errors.invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", timeout.clone(), "must be greater than 0 and less than 86400");
            }
        }
        "None" => {}
        _ => errors.unsupported("spec.sessionAffinity", &spec["sessionAffinity"], &["ClientIP", "None"]),
    }
    if let Some(old) = old
        && kind != "ExternalName"
        && old["spec"]["type"] != "ExternalName"
        && old["spec"]["clusterIP"] != spec["clusterIP"]
    {
        errors.invalid("spec.clusterIPs[0]", spec["clusterIPs"].clone(), "may not change once set");
    }
    if !matches!(kind, "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName") {
        errors.unsupported("spec.type", &spec["type"], &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    }
    port_clashes(errors, kind, ports);
    if !spec["allocateLoadBalancerNodePorts"].is_null() && kind != "LoadBalancer" {
        errors.forbidden("spec.allocateLoadBalancerNodePorts", "may only be used when `type` is 'LoadBalancer'");
    }
    let policy = text(spec, "externalTrafficPolicy");
    let outside = matches!(kind, "NodePort" | "LoadBalancer") || !items(&spec["externalIPs"]).is_empty();
    if !policy.is_empty() && !outside {
        errors.invalid("spec.externalTrafficPolicy", policy, "may only be set for externally-accessible services");
    } else if outside && !matches!(policy, "Cluster" | "Local") {
        errors.unsupported("spec.externalTrafficPolicy", &spec["externalTrafficPolicy"], &["Cluster", "Local"]);
    }
}

/// Addresses and families: this cluster has IPv4 alone.
fn addresses(errors: &mut Errors, spec: &Value, kind: &str) {
    for (at, address) in items(&spec["externalIPs"]).iter().enumerate() {
        pod::address(errors, &format!("spec.externalIPs[{at}]"), address.as_str().unwrap_or_default());
    }
    for (field, supported) in
        [("internalTrafficPolicy", &["Cluster", "Local"] as &[&str]), ("trafficDistribution", &["PreferClose", "PreferSameZone", "PreferSameNode"])]
    {
        if !spec[field].is_null() && !supported.contains(&text(spec, field)) {
            errors.unsupported(format!("spec.{field}"), &spec[field], supported);
        }
    }
    if kind != "ExternalName" {
        let families = ["PreferDualStack", "RequireDualStack", "SingleStack"];
        if !spec["ipFamilyPolicy"].is_null() && !families.contains(&text(spec, "ipFamilyPolicy")) {
            errors.unsupported("spec.ipFamilyPolicy", &spec["ipFamilyPolicy"], &families);
        }
        let given = text(spec, "clusterIP");
        if !matches!(given, "" | "None") {
            pod::address(errors, "spec.clusterIPs[0]", given);
        }
        for (at, family) in items(&spec["ipFamilies"]).iter().enumerate().filter(|(_, family)| *family == "IPv6") {
            if given.is_empty() || given == "None" {
                errors.invalid(format!("spec.ipFamilies[{at}]"), family.clone(), "not configured on this cluster");
            } else {
                errors.invalid(format!("spec.clusterIPs[{at}]"), given, format!("expected an IPv6 value as indicated by `ipFamilies[{at}]`"));
            }
        }
    }
    let balanced = kind == "LoadBalancer";
    if let Some(port) = spec["healthCheckNodePort"].as_i64().filter(|port| *port != 0)
        && !(balanced && text(spec, "externalTrafficPolicy") == "Local")
    {
        let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        errors.invalid("spec.healthCheckNodePort", port, detail);
    }
    if !spec["loadBalancerClass"].is_null() && !balanced {
        errors.forbidden("spec.loadBalancerClass", "may only be used when `type` is 'LoadBalancer'");
    }
}

fn external_name(errors: &mut Errors, spec: &Value) {
    for field in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if !spec[field].is_null() {
            errors.forbidden(format!("spec.{field}"), "may not be set for ExternalName services");
        }
    }
    match text(spec, "externalName").trim_end_matches('.') {
        "" => errors.required("spec.externalName", ""),
        name => errors.check("spec.externalName", name, names::dns_subdomain),
    }
}

fn service_port<'a>(errors: &mut Errors, field: &str, port: &'a Value, named: bool, seen: &mut BTreeSet<&'a str>) {
    let name = text(port, "name");
    if name.is_empty() {
        if named {
            errors.required(format!("{field}.name"), "");
        }
    } else {
        errors.check(&format!("{field}.name"), name, names::dns_label);
        if !seen.insert(name) {
            errors.push(FieldError::duplicate(format!("{field}.name"), name));
        }
    }
    let number = port["port"].as_i64().unwrap_or(0);
    names::port_number(number).into_iter().for_each(|it| errors.invalid(format!("{field}.port"), number, it));
    if !matches!(text(port, "protocol"), "TCP" | "UDP" | "SCTP") {
        errors.unsupported(format!("{field}.protocol"), &port["protocol"], &["SCTP", "TCP", "UDP"]);
    }
    match &port["targetPort"] {
        Value::String(name) => errors.check(&format!("{field}.targetPort"), name, names::port_name),
        target => {
            let number = target.as_i64().unwrap_or(0);
            names::port_number(number).into_iter().for_each(|it| errors.invalid(format!("{field}.targetPort"), number, it));
        }
    }
}

fn port_clashes(errors: &mut Errors, kind: &str, ports: &[Value]) {
    let mut node_ports = BTreeSet::new();
    let mut numbers = BTreeSet::new();
    for (at, port) in ports.iter().enumerate() {
        if let Some(number) = port["nodePort"].as_i64().filter(|it| *it != 0) {
            if kind == "ClusterIP" {
                errors.forbidden(format!("spec.ports[{at}].nodePort"), "may not be used when `type` is 'ClusterIP'");
            }
            if !node_ports.insert((text(port, "protocol"), number)) {
                errors.push(FieldError::duplicate(format!("spec.ports[{at}].nodePort"), number));
            }
        }
        if !numbers.insert((text(port, "protocol"), port["port"].as_i64())) {
            let shown =
                format!("{{\"Name\":\"\",\"Protocol\":{},\"AppProtocol\":null,\"Port\":{},\"TargetPort\":0,\"NodePort\":0}}", port["protocol"], port["port"]);
            errors.push(FieldError::literal(super::super::failure::Rule::Duplicate, format!("spec.ports[{at}]"), shown, ""));
        }
    }
}
