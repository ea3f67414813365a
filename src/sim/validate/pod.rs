//! Pods and the templates that pods are made from.
//!
//! Judged are the fields that people write: containers (`container`), where a pod may run (`placing`), who it runs as (`security`), volumes, policies,
//! tolerations. The settings of single volume drivers are not.

use std::collections::BTreeSet;

mod container;
mod placing;
mod security;

pub(super) use container::amount_of;
pub(super) use placing::address;

use super::{Errors, annotations, entries, items, labels, names, text};
use crate::sim::json::Value;

/// A whole pod.
pub fn pod(errors: &mut Errors, object: &Value) {
    spec(errors, "spec", &object["spec"], false);
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for (at, container) in items(&object["spec"][list]).iter().enumerate() {
            let image = text(container, "image");
            if image.trim().len() != image.len() {
                errors.invalid(format!("spec.{list}[{at}].image"), image, "must not have leading or trailing whitespace");
            }
        }
    }
}

/// What only a new pod may not have.
pub fn only_on_create(errors: &mut Errors, object: &Value) {
    if !items(&object["spec"]["ephemeralContainers"]).is_empty() {
        errors.forbidden("spec.ephemeralContainers", "cannot be set on create");
    }
    if !text(&object["spec"], "nodeName").is_empty() && !items(&object["spec"]["schedulingGates"]).is_empty() {
        errors.forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared");
    }
}

/// A template within a workload.
pub fn template(errors: &mut Errors, field: &str, template: &Value) {
    labels(errors, &format!("{field}.labels"), &template["metadata"]["labels"]);
    annotations(errors, &format!("{field}.annotations"), &template["metadata"]["annotations"]);
    spec(errors, &format!("{field}.spec"), &template["spec"], true);
    if !items(&template["spec"]["ephemeralContainers"]).is_empty() {
        errors.forbidden(format!("{field}.spec.ephemeralContainers"), "ephemeral containers not allowed in pod template");
    }
}

fn spec(errors: &mut Errors, field: &str, spec: &Value, in_template: bool) {
    let at = |name: &str| format!("{field}.{name}");
    let volumes = volumes(errors, &at("volumes"), &spec["volumes"]);
    container::containers(errors, &at("containers"), spec, &volumes);
    container::init_containers(errors, &at("initContainers"), spec, &volumes);
    security::host_network(errors, &at("containers"), spec, in_template);
    match text(spec, "restartPolicy") {
        "Always" | "OnFailure" | "Never" => {}
        "" => errors.required(at("restartPolicy"), ""),
        _ => errors.unsupported(at("restartPolicy"), &spec["restartPolicy"], &["Always", "OnFailure", "Never"]),
    }
    match text(spec, "dnsPolicy") {
        "ClusterFirstWithHostNet" | "ClusterFirst" | "Default" | "None" => {}
        "" => errors.required(at("dnsPolicy"), ""),
        _ => errors.unsupported(at("dnsPolicy"), &spec["dnsPolicy"], &["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"]),
    }
    labels(errors, &at("nodeSelector"), &spec["nodeSelector"]);
    security::of_pod(errors, &at("securityContext"), spec);
    placing::affinity(errors, &at("affinity"), &spec["affinity"]);
    placing::readiness_gates(errors, &at("readinessGates"), &spec["readinessGates"]);
    dns_config(errors, &at("dnsConfig"), spec);
    spread(errors, &at("topologySpreadConstraints"), &spec["topologySpreadConstraints"]);
    for (name, check) in [("serviceAccountName", names::dns_subdomain as names::Check), ("nodeName", names::dns_subdomain)] {
        if !text(spec, name).is_empty() {
            errors.check(&at(name), text(spec, name), check);
        }
    }
    if let Some(deadline) = spec["activeDeadlineSeconds"].as_i64().filter(|it| !(1..=i64::from(i32::MAX)).contains(it)) {
        errors.invalid(at("activeDeadlineSeconds"), deadline, "must be between 1 and 2147483647, inclusive");
    }
    for name in ["hostname", "subdomain"] {
        if !text(spec, name).is_empty() {
            errors.check(&at(name), text(spec, name), names::dns_label);
        }
    }
    tolerations(errors, &at("tolerations"), &spec["tolerations"]);
    placing::host_aliases(errors, &at("hostAliases"), &spec["hostAliases"]);
    if !text(spec, "priorityClassName").is_empty() {
        errors.check(&at("priorityClassName"), text(spec, "priorityClassName"), names::dns_subdomain);
    }
    placing::os(errors, &at("os"), &spec["os"]);
}

fn dns_config(errors: &mut Errors, field: &str, spec: &Value) {
    let config = &spec["dnsConfig"];
    let servers = items(&config["nameservers"]);
    if text(spec, "dnsPolicy") == "None" {
        if config.is_null() {
            return errors.required(field, "must provide `dnsConfig` when `dnsPolicy` is None");
        }
        if servers.is_empty() {
            return errors.required(format!("{field}.nameservers"), "must provide at least one DNS nameserver when `dnsPolicy` is None");
        }
    }
    if servers.len() > 3 {
        errors.invalid(format!("{field}.nameservers"), config["nameservers"].clone(), "must not have more than 3 nameservers");
    }
    for (at, server) in servers.iter().enumerate() {
        address(errors, &format!("{field}.nameservers[{at}]"), server.as_str().unwrap_or_default());
    }
    if items(&config["searches"]).len() > 32 {
        errors.invalid(format!("{field}.searches"), config["searches"].clone(), "must not have more than 32 search paths");
    }
    for (at, option) in items(&config["options"]).iter().enumerate() {
        if text(option, "name").is_empty() {
            errors.required(format!("{field}.options[{at}]"), "must not be empty");
        }
    }
}

/// The volumes that are good enough to be mounted.
fn volumes<'a>(errors: &mut Errors, field: &str, volumes: &'a Value) -> BTreeSet<&'a str> {
    let mut known = BTreeSet::new();
    for (at, volume) in items(volumes).iter().enumerate() {
        let before = errors.0.len();
        let field = format!("{field}[{at}]");
        let sources: Vec<_> = entries(volume).filter(|(key, value)| *key != "name" && !value.is_null()).map(|(key, _)| key).collect();
        for source in sources.iter().skip(1) {
            errors.forbidden(format!("{field}.{source}"), "may not specify more than 1 volume type");
        }
        if sources.is_empty() {
            errors.required(field.as_str(), "must specify a volume type");
        }
        for (source, key) in [("secret", "secretName"), ("configMap", "name"), ("persistentVolumeClaim", "claimName"), ("hostPath", "path")] {
            if !volume[source].is_null() && text(&volume[source], key).is_empty() {
                errors.required(format!("{field}.{source}.{key}"), "");
            }
        }
        for source in ["secret", "configMap"] {
            key_paths(errors, &format!("{field}.{source}.items"), &volume[source]["items"]);
        }
        let name = text(volume, "name");
        if name.is_empty() {
            errors.required(format!("{field}.name"), "");
        } else {
            errors.check(&format!("{field}.name"), name, names::dns_label);
        }
        if known.contains(name) {
            errors.push(super::FieldError::duplicate(format!("{field}.name"), name));
        }
        if errors.0.len() == before {
            known.insert(name);
        }
    }
    known
}

/// Which keys of an object become which files.
fn key_paths(errors: &mut Errors, field: &str, paths: &Value) {
    for (at, item) in items(paths).iter().enumerate() {
        let (key, path) = (text(item, "key"), text(item, "path"));
        if key.is_empty() {
            errors.required(format!("{field}[{at}].key"), "");
        }
        let at = format!("{field}[{at}].path");
        if path.is_empty() {
            errors.required(at, "");
        } else if path.starts_with('/') {
            errors.invalid(at, path, "must be a relative path");
        } else if path.split('/').any(|part| part == "..") {
            errors.invalid(at, path, "must not contain '..'");
        } else if path.starts_with("..") {
            errors.invalid(at, path, "must not start with '..'");
        }
    }
}

fn tolerations(errors: &mut Errors, field: &str, tolerations: &Value) {
    for (at, toleration) in items(tolerations).iter().enumerate() {
        let field = format!("{field}[{at}]");
        let (key, operator, value) = (text(toleration, "key"), text(toleration, "operator"), text(toleration, "value"));
        if !key.is_empty() {
            errors.check(&format!("{field}.key"), key, names::label_key);
        }
        if key.is_empty() && operator != "Exists" {
            errors.invalid(format!("{field}.operator"), operator, "operator must be Exists when `key` is empty, which means \"match all values and all keys\"");
        }
        if !toleration["tolerationSeconds"].is_null() && text(toleration, "effect") != "NoExecute" {
            errors.invalid(format!("{field}.effect"), text(toleration, "effect"), "effect must be 'NoExecute' when `tolerationSeconds` is set");
        }
        match operator {
            "Equal" | "" => errors.check(&format!("{field}.operator"), value, names::label_value),
            "Exists" if !value.is_empty() => errors.invalid(format!("{field}.operator"), value, "value must be empty when `operator` is 'Exists'"),
            "Exists" | "Lt" | "Gt" => {}
            _ => errors.unsupported(format!("{field}.operator"), &toleration["operator"], &["Equal", "Exists"]),
        }
        if !matches!(text(toleration, "effect"), "" | "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
            errors.unsupported(format!("{field}.effect"), &toleration["effect"], &["NoSchedule", "PreferNoSchedule", "NoExecute"]);
        }
    }
}

fn spread(errors: &mut Errors, field: &str, constraints: &Value) {
    for (at, constraint) in items(constraints).iter().enumerate() {
        let field = format!("{field}[{at}]");
        let skew = constraint["maxSkew"].as_i64().unwrap_or(0);
        if skew <= 0 {
            errors.invalid(format!("{field}.maxSkew"), skew, "must be greater than zero");
        }
        if text(constraint, "topologyKey").is_empty() {
            errors.required(format!("{field}.topologyKey"), "can not be empty");
        }
        if !matches!(text(constraint, "whenUnsatisfiable"), "DoNotSchedule" | "ScheduleAnyway") {
            errors.unsupported(format!("{field}.whenUnsatisfiable"), &constraint["whenUnsatisfiable"], &["DoNotSchedule", "ScheduleAnyway"]);
        }
        super::label_selector(errors, &format!("{field}.labelSelector"), &constraint["labelSelector"]);
    }
}

/// What may change in a pod that is there: images, a shorter deadline, more tolerations, fewer gates.
pub fn update(errors: &mut Errors, object: &Value, old: &Value) {
    let (new, old) = (&object["spec"], &old["spec"]);
    for list in ["containers", "initContainers"] {
        if items(&new[list]).len() != items(&old[list]).len() {
            errors.forbidden(format!("spec.{list}"), "pod updates may not add or remove containers");
            return;
        }
        for (at, container) in items(&new[list]).iter().enumerate() {
            let image = text(container, "image");
            if image.is_empty() {
                errors.required(format!("spec.{list}[{at}].image"), "");
            }
            if image.trim().len() != image.len() {
                errors.invalid(format!("spec.{list}[{at}].image"), image, "must not have leading or trailing whitespace");
            }
        }
    }
    match (new["activeDeadlineSeconds"].as_i64(), old["activeDeadlineSeconds"].as_i64()) {
        (Some(new), _) if !(0..=i64::from(i32::MAX)).contains(&new) => {
            return errors.invalid("spec.activeDeadlineSeconds", new, "must be between 0 and 2147483647, inclusive");
        }
        (Some(new), Some(old)) if old < new => return errors.invalid("spec.activeDeadlineSeconds", new, "must be less than or equal to previous value"),
        (None, Some(_)) => errors.invalid("spec.activeDeadlineSeconds", Value::Null, "must not update from a positive integer to nil value"),
        _ => {}
    }
    let same = |old: &Value, new: &Value| entries(old).chain(entries(new)).all(|(key, _)| key == "tolerationSeconds" || old[key] == new[key]);
    if items(&old["tolerations"]).iter().any(|old| !items(&new["tolerations"]).iter().any(|new| same(old, new))) {
        errors.forbidden("spec.tolerations", "existing toleration can not be modified except its tolerationSeconds");
    } else {
        tolerations(errors, "spec.tolerations", &new["tolerations"]);
    }
    if items(&new["schedulingGates"]).iter().any(|it| !items(&old["schedulingGates"]).contains(it)) {
        errors.forbidden("spec.schedulingGates", "only deletion is allowed, but found new scheduling gate");
    }
    let mut masked = new.clone();
    for list in ["containers", "initContainers"] {
        for (container, before) in masked.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten().zip(items(&old[list])) {
            container["image"] = before["image"].clone();
        }
    }
    let gated = !items(&old["schedulingGates"]).is_empty();
    let fields: &[&str] = if gated {
        &["activeDeadlineSeconds", "tolerations", "schedulingGates", "nodeSelector"]
    } else {
        &["activeDeadlineSeconds", "tolerations", "schedulingGates"]
    };
    for field in fields {
        match old.get(*field) {
            Some(value) => masked[*field] = value.clone(),
            None => {
                masked.as_object_mut().map(|it| it.remove(field));
            }
        }
    }
    if masked != *old {
        errors.forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
             `spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)",
        );
    }
}
