//! Pods and the templates that pods are made from.
//!
//! Judged are the fields that people write: containers with their images, ports, environments, mounts, probes and resources, volumes, policies,
//! tolerations. The settings of single volume drivers, security contexts and affinities are not.

use std::collections::BTreeSet;

mod placing;
mod security;

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
    containers(errors, &at("containers"), spec, &volumes);
    init_containers(errors, &at("initContainers"), spec, &volumes);
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
        let server = server.as_str().unwrap_or_default();
        if server.parse::<std::net::IpAddr>().is_err() {
            errors.invalid(format!("{field}.nameservers[{at}]"), server, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
        }
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

fn containers(errors: &mut Errors, field: &str, spec: &Value, volumes: &BTreeSet<&str>) {
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
            errors.push(super::FieldError::duplicate(format!("{field}.name"), text(container, "name")));
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

fn init_containers(errors: &mut Errors, field: &str, spec: &Value, volumes: &BTreeSet<&str>) {
    let mut seen: BTreeSet<&str> = items(&spec["containers"]).iter().map(|it| text(it, "name")).collect();
    for (at, container) in items(&spec["initContainers"]).iter().enumerate() {
        let all = field;
        let field = format!("{field}[{at}]");
        common(errors, &field, container, volumes);
        let sidecar = container["restartPolicy"] == "Always";
        let name = text(container, "name");
        if !name.is_empty() && !seen.insert(name) {
            errors.push(super::FieldError::duplicate(format!("{field}.name"), name));
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
                errors.push(super::FieldError::duplicate(format!("{field}[{at}].ports[{number}].hostPort"), place));
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
        errors.push(super::FieldError::not_found(format!("{field}.volumeDevices[{at}].name"), text(device, "name")));
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
                errors.push(super::FieldError::duplicate(format!("{field}.name"), name));
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
            errors.push(super::FieldError::not_found(format!("{field}.name"), name));
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
fn amount_of(quantity: &Value) -> f64 {
    let text = shown(quantity);
    let end = text.find(|c: char| c.is_ascii_alphabetic() && c != 'e' && c != 'E').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let unit = match suffix {
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "Ki" => 1024.0,
        "Mi" => 1_048_576.0,
        "Gi" => 1_073_741_824.0,
        "Ti" => 1_099_511_627_776.0,
        "Pi" => 1_125_899_906_842_624.0,
        _ => 1.0,
    };
    // `1E` and `1Ei` begin like an exponent.
    match number.strip_suffix(['E', 'e']) {
        Some(number) => number.parse::<f64>().unwrap_or(0.0) * 1e18,
        None => number.parse::<f64>().unwrap_or(0.0) * unit,
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
