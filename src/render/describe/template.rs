//! Pod templates and containers, in templates and in Pods.

use serde_json::Value;

use super::page::Page;
use super::quantity::Quantity;
use super::value::{go, int_or_string, is_set, join_host_port, list, number, or_none, rfc1123, selector, strings, text};
use super::volume;

pub(super) fn describe(page: &mut Page, template: &Value) {
    let (metadata, spec) = (&template["metadata"], &template["spec"]);
    page.write(0, "Pod Template:\n");
    page.labels("", "  Labels", &metadata["labels"]);
    if is_set(&metadata["annotations"]) {
        page.annotations("  Annotations", &metadata["annotations"]);
    }
    page.field_if_set(1, "Service Account", &spec["serviceAccountName"]);
    if is_set(&spec["initContainers"]) {
        containers(page, "Init Containers", list(&spec["initContainers"]), &[], None, "  ");
    }
    containers(page, "Containers", list(&spec["containers"]), &[], None, "  ");
    volume::describe(page, list(&spec["volumes"]), "  ");
    topology_spread(page, list(&spec["topologySpreadConstraints"]), "  ");
    page.field_if_set(1, "Priority Class Name", &spec["priorityClassName"]);
    page.labels("", "  Node-Selectors", &spec["nodeSelector"]);
    tolerations(page, "  Tolerations", list(&spec["tolerations"]));
    scheduling_group(page, &spec["schedulingGroup"], "  ");
}

/// `pod`: the Pod that the containers run in, whose name and namespace their environment may refer to; `None` for a template.
pub(super) fn containers(page: &mut Page, label: &str, containers: &[Value], statuses: &[Value], pod: Option<&Value>, space: &str) {
    page.write(0, format!("{space}{label}:{}\n", if containers.is_empty() { " <none>" } else { "" }));
    for container in containers {
        let status = statuses.iter().find(|status| status["name"] == container["name"]);
        basics(page, container, status, space);
        for (title, words) in [("Command", &container["command"]), ("Args", &container["args"])] {
            if is_set(words) {
                page.write(2, format!("{title}:\n"));
            }
            for line in list(words).iter().flat_map(|word| text(word).split('\n')) {
                page.write(3, format!("{line}\n"));
            }
        }
        if let Some(status) = status {
            state(page, "State", &status["state"]);
            if status["lastState"]["terminated"].is_object() {
                state(page, "Last State", &status["lastState"]);
            }
            page.field(2, "Ready", if status["ready"] == true { "True" } else { "False" });
            page.field(2, "Restart Count", number(&status["restartCount"]));
        }
        resources(page, &container["resources"], 2);
        for (title, probe) in [("Liveness", &container["livenessProbe"]), ("Readiness", &container["readinessProbe"]), ("Startup", &container["startupProbe"])]
        {
            if probe.is_object() {
                page.field(2, title, probe_words(probe));
            }
        }
        environment_from(page, list(&container["envFrom"]));
        environment(page, container, pod);
        mounts(page, container);
    }
}

fn basics(page: &mut Page, container: &Value, status: Option<&Value>, space: &str) {
    let name_indent = if space.is_empty() { "" } else { " " };
    page.write(1, format!("{name_indent}{}:\n", text(&container["name"])));
    if let Some(status) = status {
        page.field(2, "Container ID", text(&status["containerID"]));
    }
    page.field(2, "Image", text(&container["image"]));
    if let Some(status) = status {
        page.field(2, "Image ID", text(&status["imageID"]));
    }
    for (one, several, key) in [("Port", "Ports", "containerPort"), ("Host Port", "Host Ports", "hostPort")] {
        let ports = ports(list(&container["ports"]), key);
        page.field(2, if ports.contains(',') { several } else { one }, or_none(&ports));
    }
    let seccomp = &container["securityContext"]["seccompProfile"];
    if seccomp.is_object() {
        page.field(2, "SeccompProfile", text(&seccomp["type"]));
        if seccomp["type"] == "Localhost" {
            page.field(3, "LocalhostProfile", text(&seccomp["localhostProfile"]));
        }
    }
}

fn ports(ports: &[Value], key: &str) -> String {
    let words = ports.iter().map(|port| {
        let words = format!("{}/{}", number(&port[key]), text(&port["protocol"]));
        if is_set(&port["name"]) { format!("{words} ({})", text(&port["name"])) } else { words }
    });
    words.collect::<Vec<_>>().join(", ")
}

fn state(page: &mut Page, title: &str, state: &Value) {
    if let Some(running) = state.get("running").filter(|it| it.is_object()) {
        page.field(2, title, "Running");
        page.field(3, "Started", rfc1123(&running["startedAt"]));
    } else if let Some(terminated) = state.get("terminated").filter(|it| it.is_object() && !state["waiting"].is_object()) {
        page.field(2, title, "Terminated");
        page.field_if_set(3, "Reason", &terminated["reason"]);
        page.field_if_set(3, "Message", &terminated["message"]);
        page.field(3, "Exit Code", number(&terminated["exitCode"]));
        if number(&terminated["signal"]) > 0 {
            page.field(3, "Signal", number(&terminated["signal"]));
        }
        page.field(3, "Started", rfc1123(&terminated["startedAt"]));
        page.field(3, "Finished", rfc1123(&terminated["finishedAt"]));
    } else {
        page.field(2, title, "Waiting");
        page.field_if_set(3, "Reason", &state["waiting"]["reason"]);
    }
}

pub(super) fn resources(page: &mut Page, resources: &Value, level: usize) {
    for (title, amounts) in [("Limits", &resources["limits"]), ("Requests", &resources["requests"])] {
        if is_set(amounts) {
            page.write(level, format!("{title}:\n"));
        }
        for (name, amount) in amounts.as_object().into_iter().flatten() {
            page.field(level + 1, name, go(amount));
        }
    }
}

fn probe_words(probe: &Value) -> String {
    let count = |key: &str| number(&probe[key]);
    let attributes = format!(
        "delay={}s timeout={}s period={}s #success={} #failure={}",
        count("initialDelaySeconds"),
        count("timeoutSeconds"),
        count("periodSeconds"),
        count("successThreshold"),
        count("failureThreshold")
    );
    if probe["exec"].is_object() {
        format!("exec [{}] {attributes}", strings(&probe["exec"]["command"]).join(" "))
    } else if probe["httpGet"].is_object() {
        format!("http-get {} {attributes}", url(&probe["httpGet"]))
    } else if probe["tcpSocket"].is_object() {
        let socket = &probe["tcpSocket"];
        format!("tcp-socket {}:{} {attributes}", text(&socket["host"]), int_or_string(&socket["port"]))
    } else if probe["grpc"].is_object() {
        format!("grpc <pod>:{} {} {attributes}", number(&probe["grpc"]["port"]), text(&probe["grpc"]["service"]))
    } else {
        format!("unknown {attributes}")
    }
}

/// Go's `url.URL.String()`.
fn url(get: &Value) -> String {
    let scheme = text(&get["scheme"]).to_lowercase();
    let host = join_host_port(text(&get["host"]), &int_or_string(&get["port"]));
    let path = text(&get["path"]);
    let slash = if path.is_empty() || path.starts_with('/') { "" } else { "/" };
    let mut escaped = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    let colon = if scheme.is_empty() { "" } else { ":" };
    format!("{scheme}{colon}//{host}{slash}{escaped}")
}

fn environment_from(page: &mut Page, sources: &[Value]) {
    if !sources.is_empty() {
        page.write(2, "Environment Variables from:\n");
    }
    for source in sources {
        let (from, of) = if source["configMapRef"].is_object() { ("ConfigMap", &source["configMapRef"]) } else { ("Secret", &source["secretRef"]) };
        let from = if of.is_object() { from } else { "" };
        let prefix = if is_set(&source["prefix"]) { format!(" with prefix '{}'", text(&source["prefix"])) } else { String::new() };
        page.write(3, format!("{}\t{from}{prefix}\tOptional: {}\n", text(&of["name"]), of["optional"] == true));
    }
}

fn environment(page: &mut Page, container: &Value, pod: Option<&Value>) {
    let variables = list(&container["env"]);
    page.write(2, format!("Environment:{}\n", if variables.is_empty() { "\t<none>" } else { "" }));
    for variable in variables {
        let (name, from) = (text(&variable["name"]), &variable["valueFrom"]);
        if !from.is_object() {
            for (nth, line) in text(&variable["value"]).split('\n').enumerate() {
                let name = if nth == 0 { format!("{name}:") } else { String::new() };
                page.write(3, format!("{name}\t{line}\n"));
            }
        } else if from["fieldRef"].is_object() {
            let (version, path) = (text(&from["fieldRef"]["apiVersion"]), text(&from["fieldRef"]["fieldPath"]));
            // kubectl resolves these two and no others.
            let value = match (pod, path) {
                (Some(pod), "metadata.name") => text(&pod["metadata"]["name"]),
                (Some(pod), "metadata.namespace") => text(&pod["metadata"]["namespace"]),
                _ => "",
            };
            page.field(3, name, format!("{value} ({version}:{path})"));
        } else if from["resourceFieldRef"].is_object() {
            let of = &from["resourceFieldRef"];
            page.field(3, name, format!("{} ({})", resource_value(of, container), text(&of["resource"])));
        } else if from["secretKeyRef"].is_object() {
            let of = &from["secretKeyRef"];
            let words = format!("<set to the key '{}' in secret '{}'>", text(&of["key"]), text(&of["name"]));
            page.field(3, name, format!("{words}\tOptional: {}", of["optional"] == true));
        } else if from["configMapKeyRef"].is_object() {
            let of = &from["configMapKeyRef"];
            let words = format!("<set to the key '{}' of config map '{}'>", text(&of["key"]), text(&of["name"]));
            page.field(3, name, format!("{words}\tOptional: {}", of["optional"] == true));
        }
    }
}

fn resource_value(of: &Value, container: &Value) -> String {
    let asked = text(&of["resource"]);
    let Some((side, name)) = asked.split_once('.') else { return String::new() };
    let known = matches!(name, "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
    if !known || !matches!(side, "limits" | "requests") {
        return String::new();
    }
    let amount = Quantity::parse(&container["resources"][side][name]).per(Quantity::parse(&of["divisor"]), name == "cpu");
    if amount == 0 && matches!(asked, "limits.cpu" | "limits.memory") { "node allocatable".to_owned() } else { amount.to_string() }
}

fn mounts(page: &mut Page, container: &Value) {
    let mut mounts: Vec<&Value> = list(&container["volumeMounts"]).iter().collect();
    mounts.sort_by_key(|mount| text(&mount["mountPath"]));
    page.write(2, format!("Mounts:{}\n", if mounts.is_empty() { "\t<none>" } else { "" }));
    for mount in &mounts {
        let mut flags = if mount["readOnly"] == true { "ro".to_owned() } else { "rw".to_owned() };
        if is_set(&mount["subPath"]) {
            flags.push_str(&format!(",path={:?}", text(&mount["subPath"])));
        }
        page.write(3, format!("{} from {} ({flags})\n", text(&mount["mountPath"]), text(&mount["name"])));
    }
    let mut devices: Vec<&Value> = list(&container["volumeDevices"]).iter().collect();
    devices.sort_by_key(|device| text(&device["devicePath"]));
    if !devices.is_empty() {
        page.write(2, format!("Devices:{}\n", if mounts.is_empty() { "\t<none>" } else { "" }));
    }
    for device in devices {
        page.write(3, format!("{} from {}\n", text(&device["devicePath"]), text(&device["name"])));
    }
}

pub(super) fn tolerations(page: &mut Page, title: &str, tolerations: &[Value]) {
    let mut tolerations: Vec<&Value> = tolerations.iter().collect();
    tolerations.sort_by_key(|toleration| text(&toleration["key"]));
    let line = |it: &&Value| {
        let (key, value, effect) = (text(&it["key"]), text(&it["value"]), text(&it["effect"]));
        let mut line = key.to_owned();
        if !value.is_empty() {
            line.push_str(&format!("={value}"));
        }
        if !effect.is_empty() {
            line.push_str(&format!(":{effect}"));
        }
        if it["operator"] == "Exists" && value.is_empty() {
            line.push_str(if key.is_empty() && effect.is_empty() { "op=Exists" } else { " op=Exists" });
        }
        if let Some(seconds) = it["tolerationSeconds"].as_i64() {
            line.push_str(&format!(" for {seconds}s"));
        }
        line
    };
    page.list("", title, &tolerations.iter().map(line).collect::<Vec<_>>());
}

pub(super) fn topology_spread(page: &mut Page, constraints: &[Value], space: &str) {
    let mut constraints: Vec<&Value> = constraints.iter().collect();
    constraints.sort_by_key(|constraint| text(&constraint["topologyKey"]));
    for (nth, it) in constraints.iter().enumerate() {
        page.write(0, if nth == 0 { format!("{space}Topology Spread Constraints:\t") } else { format!("{space}\t") });
        page.rest(format!("{}:{} when max skew {} is exceeded", text(&it["topologyKey"]), text(&it["whenUnsatisfiable"]), number(&it["maxSkew"])));
        if it["labelSelector"].is_object() {
            page.rest(format!(" for selector {}", or_none(&selector(&it["labelSelector"]))));
        }
        page.rest("\n");
    }
}

pub(super) fn scheduling_group(page: &mut Page, group: &Value, space: &str) {
    if group.is_object() {
        page.write(0, format!("{space}SchedulingGroup:\n"));
        page.field(1, "PodGroupName", text(&group["podGroupName"]));
    }
}
