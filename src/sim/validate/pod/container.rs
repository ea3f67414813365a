//! Containers: names and images, ports, environments, mounts, probes and hooks, resources.

use std::collections::BTreeSet;

use super::super::FieldError;
use super::{Errors, entries, items, names, security, text};
use crate::sim::json::Value;
use crate::sim::schema::quantity::Quantity;

pub fn containers(errors: &mut Errors, field: &str, spec: &Value, volumes: &BTreeSet<&str>) {
    let list = items(&spec["containers"]);
    if list.is_empty() {
        errors.required(field, "");
        return;
    }
    let mut seen = BTreeSet::new();
    for (at, container) in list.iter().enumerate() {
        let field = format!("{field}[{at}]");
        common(errors, &field, container, volumes);
        if !seen.insert(text(container, "name")) {
            errors.push(FieldError::duplicate(format!("{field}.name"), text(container, "name")));
        }
        running(errors, &field, container);
    }
    host_ports(errors, field, list);
}

/// What a container has that runs beside the others for as long as the pod.
fn running(errors: &mut Errors, field: &str, container: &Value) {
    for hook in ["postStart", "preStop"] {
        if !container["lifecycle"][hook].is_null() {
            handler(errors, &format!("{field}.lifecycle.{hook}"), &container["lifecycle"][hook]);
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let probe = &container[name];
        if probe.is_null() {
            continue;
        }
        let field = format!("{field}.{name}");
        handler(errors, &field, probe);
        for number in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"] {
            errors.not_negative(format!("{field}.{number}"), &probe[number]);
        }
        let grace = &probe["terminationGracePeriodSeconds"];
        if grace.as_i64().is_some_and(|it| it <= 0) {
            errors.invalid(format!("{field}.terminationGracePeriodSeconds"), grace.clone(), "must be greater than 0");
        }
        if name == "readinessProbe" {
            if !grace.is_null() {
                errors.invalid(format!("{field}.terminationGracePeriodSeconds"), grace.clone(), "must not be set for readinessProbes");
            }
        } else if probe["successThreshold"] != 1 {
            errors.invalid(format!("{field}.successThreshold"), probe["successThreshold"].clone(), "must be 1");
        }
    }
}

pub fn init_containers(errors: &mut Errors, field: &str, spec: &Value, volumes: &BTreeSet<&str>) {
    let mut seen: BTreeSet<&str> = items(&spec["containers"]).iter().map(|it| text(it, "name")).collect();
    for (at, container) in items(&spec["initContainers"]).iter().enumerate() {
        let all = field;
        let field = format!("{field}[{at}]");
        common(errors, &field, container, volumes);
        let sidecar = container["restartPolicy"] == "Always";
        let name = text(container, "name");
        if !name.is_empty() && !seen.insert(name) {
            errors.push(FieldError::duplicate(format!("{field}.name"), name));
        }
        host_ports(errors, all, std::slice::from_ref(container));
        if sidecar {
            running(errors, &field, container);
            continue;
        }
        for name in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
            if !container[name].is_null() {
                errors.forbidden(format!("{field}.{name}"), "may not be set for init containers without restartPolicy=Always");
            }
        }
    }
}

fn host_ports(errors: &mut Errors, field: &str, containers: &[Value]) {
    let mut taken = BTreeSet::new();
    for (at, container) in containers.iter().enumerate() {
        for (number, port) in items(&container["ports"]).iter().enumerate() {
            let Some(host) = port["hostPort"].as_i64().filter(|it| *it != 0) else { continue };
            let place = format!("{}/{}/{host}", text(port, "protocol"), text(port, "hostIP"));
            if !taken.insert(place.clone()) {
                errors.push(FieldError::duplicate(format!("{field}[{at}].ports[{number}].hostPort"), place));
            }
        }
    }
}

fn common(errors: &mut Errors, field: &str, container: &Value, volumes: &BTreeSet<&str>) {
    match text(container, "name") {
        "" => errors.required(format!("{field}.name"), ""),
        name => errors.check(&format!("{field}.name"), name, names::dns_label),
    }
    if text(container, "image").is_empty() {
        errors.required(format!("{field}.image"), "");
    }
    if !matches!(text(container, "terminationMessagePolicy"), "File" | "FallbackToLogsOnError") {
        errors.unsupported(format!("{field}.terminationMessagePolicy"), &container["terminationMessagePolicy"], &["File", "FallbackToLogsOnError"]);
    }
    ports(errors, &format!("{field}.ports"), &container["ports"]);
    environment(errors, field, container);
    mounts(errors, &format!("{field}.volumeMounts"), &container["volumeMounts"], volumes);
    match text(container, "imagePullPolicy") {
        "Always" | "IfNotPresent" | "Never" => {}
        "" => errors.required(format!("{field}.imagePullPolicy"), ""),
        _ => errors.unsupported(format!("{field}.imagePullPolicy"), &container["imagePullPolicy"], &["Always", "IfNotPresent", "Never"]),
    }
    resources(errors, &format!("{field}.resources"), &container["resources"]);
    for (at, device) in items(&container["volumeDevices"]).iter().enumerate().filter(|(_, device)| !volumes.contains(text(device, "name"))) {
        errors.push(FieldError::not_found(format!("{field}.volumeDevices[{at}].name"), text(device, "name")));
    }
    let restarts = text(container, "restartPolicy");
    if !matches!(restarts, "" | "Always" | "Never" | "OnFailure") {
        errors.unsupported(format!("{field}.restartPolicy"), &container["restartPolicy"], &["Always", "Never", "OnFailure"]);
    }
    for policy in items(&container["resizePolicy"]).iter().filter(|it| !matches!(text(it, "restartPolicy"), "NotRequired" | "RestartContainer")) {
        errors.unsupported(format!("{field}.resizePolicy"), &policy["restartPolicy"], &["NotRequired", "RestartContainer"]);
    }
    security::of_container(errors, &format!("{field}.securityContext"), &container["securityContext"]);
}

fn ports(errors: &mut Errors, field: &str, ports: &Value) {
    let mut seen = BTreeSet::new();
    for (at, port) in items(ports).iter().enumerate() {
        let field = format!("{field}[{at}]");
        let name = text(port, "name");
        if !name.is_empty() {
            let broken = names::port_name(name);
            if broken.is_empty() && !seen.insert(name) {
                errors.push(FieldError::duplicate(format!("{field}.name"), name));
            }
            broken.into_iter().for_each(|it| errors.invalid(format!("{field}.name"), name, it));
        }
        match port["containerPort"].as_i64().unwrap_or(0) {
            0 => errors.required(format!("{field}.containerPort"), ""),
            number => names::port_number(number).into_iter().for_each(|it| errors.invalid(format!("{field}.containerPort"), number, it)),
        }
        if let Some(number) = port["hostPort"].as_i64().filter(|it| *it != 0) {
            names::port_number(number).into_iter().for_each(|it| errors.invalid(format!("{field}.hostPort"), number, it));
        }
        match text(port, "protocol") {
            "TCP" | "UDP" | "SCTP" => {}
            "" => errors.required(format!("{field}.protocol"), ""),
            _ => errors.unsupported(format!("{field}.protocol"), &port["protocol"], &["SCTP", "TCP", "UDP"]),
        }
    }
}

/// A field of a pod that its environment can show.
fn field_path(errors: &mut Errors, field: &str, path: &str) {
    const SHOWN: [&str; 9] = [
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    ];
    const KNOWN: [&str; 5] = ["metadata.annotations", "metadata.labels", "spec.restartPolicy", "spec.schedulerName", "status.phase"];
    let at = format!("{field}.fieldPath");
    if let Some((base, key)) = path.strip_suffix("']").and_then(|it| it.split_once("['")) {
        match base {
            "metadata.annotations" => names::label_key(&key.to_lowercase()).into_iter().for_each(|it| errors.invalid(field, key.to_lowercase(), it)),
            "metadata.labels" => errors.check(field, key, names::label_key),
            _ => errors.invalid(at, path, format!("error converting fieldPath: field label does not support subscript: {path}")),
        }
        return;
    }
    let path = if path == "spec.host" { "spec.nodeName" } else { path };
    if KNOWN.contains(&path) {
        errors.unsupported(at, &path.into(), &SHOWN);
    } else if !SHOWN.contains(&path) {
        errors.invalid(at, path, format!("error converting fieldPath: field label not supported: {path}"));
    }
}

fn environment(errors: &mut Errors, field: &str, container: &Value) {
    for (at, variable) in items(&container["env"]).iter().enumerate() {
        let field = format!("{field}.env[{at}]");
        match text(variable, "name") {
            "" => errors.required(format!("{field}.name"), ""),
            name => errors.check(&format!("{field}.name"), name, names::environment_name),
        }
        let from = &variable["valueFrom"];
        if from.is_null() {
            continue;
        }
        let sources: Vec<_> = entries(from).filter(|(_, it)| !it.is_null()).collect();
        for (source, value) in &sources {
            let needed: &[&str] = match source.as_str() {
                "configMapKeyRef" | "secretKeyRef" => &["name", "key"],
                "fieldRef" => &["fieldPath"],
                "resourceFieldRef" => &["resource"],
                _ => &[],
            };
            for key in needed.iter().filter(|key| text(value, key).is_empty()) {
                errors.required(format!("{field}.valueFrom.{source}.{key}"), "");
            }
            if *source == "fieldRef" && !text(value, "fieldPath").is_empty() {
                field_path(errors, &format!("{field}.valueFrom.fieldRef"), text(value, "fieldPath"));
            }
        }
        let detail = match sources.len() {
            0 => "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`",
            _ if !text(variable, "value").is_empty() => "may not be specified when `value` is not empty",
            1 => continue,
            _ => "may not have more than one field specified at a time",
        };
        errors.invalid(format!("{field}.valueFrom"), "", detail);
    }
    for (at, source) in items(&container["envFrom"]).iter().enumerate() {
        let all = format!("{field}.envFrom");
        let field = format!("{field}.envFrom[{at}]");
        let given: Vec<&str> = ["configMapRef", "secretRef"].into_iter().filter(|it| !source[*it].is_null()).collect();
        for name in given.iter().filter(|it| text(&source[**it], "name").is_empty()) {
            errors.required(format!("{field}.{name}.name"), "");
        }
        match given.len() {
            0 => errors.invalid(all, "", "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => errors.invalid(all, "", "may not have more than one field specified at a time"),
        }
    }
}

fn mounts(errors: &mut Errors, field: &str, mounts: &Value, volumes: &BTreeSet<&str>) {
    let mut paths = BTreeSet::new();
    for (at, mount) in items(mounts).iter().enumerate() {
        let field = format!("{field}[{at}]");
        let (name, path) = (text(mount, "name"), text(mount, "mountPath"));
        if name.is_empty() {
            errors.required(format!("{field}.name"), "");
        }
        if !volumes.contains(name) {
            errors.push(FieldError::not_found(format!("{field}.name"), name));
        }
        if path.is_empty() {
            errors.required(format!("{field}.mountPath"), "");
        }
        if !paths.insert(path) {
            errors.invalid(format!("{field}.mountPath"), path, "must be unique");
        }
    }
}

fn handler(errors: &mut Errors, field: &str, handler: &Value) {
    const KINDS: [&str; 5] = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];
    let given: Vec<&str> = KINDS.into_iter().filter(|it| !handler[*it].is_null()).collect();
    for kind in given.iter().skip(1) {
        errors.forbidden(format!("{field}.{kind}"), "may not specify more than 1 handler type");
    }
    let Some(kind) = given.first() else {
        errors.required(field, "must specify a handler type");
        return;
    };
    let field = format!("{field}.{kind}");
    let action = &handler[*kind];
    match *kind {
        "exec" if items(&action["command"]).is_empty() => errors.required(format!("{field}.command"), ""),
        "httpGet" => {
            if text(action, "path").is_empty() {
                errors.required(format!("{field}.path"), "");
            }
            port_of(errors, &format!("{field}.port"), &action["port"]);
            if !matches!(text(action, "scheme"), "HTTP" | "HTTPS") {
                errors.unsupported(format!("{field}.scheme"), &action["scheme"], &["HTTP", "HTTPS"]);
            }
        }
        "tcpSocket" | "grpc" => port_of(errors, &format!("{field}.port"), &action["port"]),
        _ => {}
    }
}

fn port_of(errors: &mut Errors, field: &str, port: &Value) {
    match port {
        Value::String(name) => errors.check(field, name, names::port_name),
        port => {
            let number = port.as_i64().unwrap_or(0);
            names::port_number(number).into_iter().for_each(|it| errors.invalid(field, number, it));
        }
    }
}

fn resources(errors: &mut Errors, field: &str, resources: &Value) {
    let mut huge = false;
    for list in ["limits", "requests"] {
        for (name, value) in entries(&resources[list]) {
            let at = format!("{field}.{list}[{name}]");
            let standard = ["cpu", "memory", "ephemeral-storage"].contains(&name.as_str()) || name.starts_with("hugepages-");
            if !standard && !name.contains('/') {
                errors.invalid(at.as_str(), name.as_str(), "must be a standard resource type or fully qualified");
                errors.invalid(at.as_str(), name.as_str(), "must be a standard resource for containers");
            }
            let amount = amount_of(value);
            if amount < 0.0 {
                errors.invalid(at.as_str(), shown(value), "must be greater than or equal to 0");
            }
            // What a device plugin offers comes in whole pieces.
            if name.contains('/') && amount.fract() != 0.0 {
                errors.invalid(at.as_str(), shown(value), "must be an integer");
            }
            if let Some(page) = name.strip_prefix("hugepages-").map(|size| amount_of(&Value::from(size))) {
                huge = true;
                if amount <= 0.0 || amount % page != 0.0 {
                    errors.invalid(at.as_str(), shown(value), format!("{} is not positive integer multiple of {name}", shown(value)));
                }
            }
            let limit = &resources["limits"][name];
            if list == "requests" && !limit.is_null() && amount_of(value) > amount_of(limit) {
                errors.invalid(format!("{field}.requests"), shown(value), format!("must be less than or equal to {name} limit of {}", shown(limit)));
            }
        }
    }
    let has = |name: &str| ["limits", "requests"].iter().any(|list| !resources[*list][name].is_null());
    if huge && !has("cpu") && !has("memory") {
        errors.forbidden(field, "HugePages require cpu or memory");
    }
}

fn shown(quantity: &Value) -> String {
    quantity.as_str().map_or_else(|| quantity.to_string(), str::to_owned)
}

/// What a quantity amounts to, near enough to compare two of them.
pub fn amount_of(quantity: &Value) -> f64 {
    Quantity::parse(&shown(quantity)).map_or(0.0, |it| it.approximate())
}
