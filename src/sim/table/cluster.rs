//! The rows of nodes, volumes, claims, quotas and events.

use super::Row;
use super::network::or_none;
use crate::sim::json::{Value, json};

fn first<'a>(texts: &[&'a str]) -> &'a str {
    texts.iter().copied().find(|it| !it.is_empty()).unwrap_or_default()
}

pub fn event(row: &Row<'_>) -> Vec<Value> {
    let is_set = |pointer: &str| !row.text(pointer).is_empty();
    let began = row.since(if is_set("/firstTimestamp") { "/firstTimestamp" } else { "/eventTime" });
    let mut ended = if is_set("/lastTimestamp") { row.since("/lastTimestamp") } else { began.clone() };
    let mut count = row.number("/count").max(1);
    if !row.object["series"].is_null() {
        ended = row.since("/series/lastObservedTime");
        count = row.number("/series/count");
    }
    let kind = row.text("/involvedObject/kind").to_lowercase();
    let target = match row.text("/involvedObject/name") {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let component = first(&[row.text("/source/component"), row.text("/reportingComponent")]);
    let instance = first(&[row.text("/source/host"), row.text("/reportingInstance")]);
    let source = if instance.is_empty() { component.to_owned() } else { format!("{component}, {instance}") };
    vec![
        ended.into(),
        row.text("/type").into(),
        row.text("/reason").into(),
        target.into(),
        row.text("/involvedObject/fieldPath").into(),
        source.into(),
        row.text("/message").trim().into(),
        began.into(),
        count.into(),
        row.name(),
    ]
}

pub fn node(row: &Row<'_>) -> Vec<Value> {
    let ready = row.list("/status/conditions").iter().find(|it| it["type"] == "Ready");
    let mut status = ready.map_or("Unknown", |it| if it["status"] == "True" { "Ready" } else { "NotReady" }).to_owned();
    if row.object["spec"]["unschedulable"] == true {
        status.push_str(",SchedulingDisabled");
    }
    let mut roles: Vec<&str> = Vec::new();
    for (key, value) in row.object["metadata"]["labels"].as_object().into_iter().flatten() {
        let role = if key == "kubernetes.io/role" { value.as_str() } else { key.strip_prefix("node-role.kubernetes.io/") };
        roles.extend(role.filter(|it| !it.is_empty()));
    }
    roles.sort_unstable();
    roles.dedup();
    let address = |kind: &str| {
        let found = row.list("/status/addresses").iter().find(|it| it["type"] == kind);
        json!(found.and_then(|it| it["address"].as_str()).unwrap_or("<none>"))
    };
    let or_unknown = |text: &str| if text.is_empty() { "<unknown>".to_owned() } else { text.to_owned() };
    let mut kernel = or_unknown(row.text("/status/nodeInfo/kernelVersion"));
    let architecture = row.text("/status/nodeInfo/architecture");
    if !architecture.is_empty() {
        kernel = format!("{kernel} ({architecture})");
    }
    vec![
        row.name(),
        status.into(),
        or_none(&roles.join(",")).into(),
        row.age(),
        row.text("/status/nodeInfo/kubeletVersion").into(),
        address("InternalIP"),
        address("ExternalIP"),
        or_unknown(row.text("/status/nodeInfo/osImage")).into(),
        kernel.into(),
        or_unknown(row.text("/status/nodeInfo/containerRuntimeVersion")).into(),
    ]
}

fn modes(row: &Row<'_>, pointer: &str) -> String {
    let has = |name: &str| row.list(pointer).iter().any(|it| it == name);
    let short = [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    short.iter().filter(|(name, _)| has(name)).map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

fn phase(row: &Row<'_>) -> Value {
    if row.object["metadata"]["deletionTimestamp"].is_null() { row.text("/status/phase").into() } else { "Terminating".into() }
}

fn or_unset(text: &str) -> Value {
    if text.is_empty() { "<unset>".into() } else { text.into() }
}

fn class<'a>(row: &'a Row<'_>) -> &'a str {
    let annotation = row.object["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"].as_str();
    annotation.unwrap_or_else(|| row.text("/spec/storageClassName"))
}

pub fn volume(row: &Row<'_>) -> Vec<Value> {
    let claim = &row.object["spec"]["claimRef"];
    let text = |field: &str| claim[field].as_str().unwrap_or_default();
    let claim = if claim.is_null() { String::new() } else { format!("{}/{}", text("namespace"), text("name")) };
    vec![
        row.name(),
        first(&[row.text("/spec/capacity/storage"), "0"]).into(),
        modes(row, "/spec/accessModes").into(),
        row.text("/spec/persistentVolumeReclaimPolicy").into(),
        phase(row),
        claim.into(),
        class(row).into(),
        or_unset(row.text("/spec/volumeAttributesClassName")),
        row.text("/status/reason").into(),
        row.age(),
        or_unset(row.text("/spec/volumeMode")),
    ]
}

pub fn claim(row: &Row<'_>) -> Vec<Value> {
    let bound = !row.text("/spec/volumeName").is_empty();
    let if_bound = |text: String| if bound { Value::from(text) } else { "".into() };
    vec![
        row.name(),
        phase(row),
        row.text("/spec/volumeName").into(),
        if_bound(first(&[row.text("/status/capacity/storage"), "0"]).to_owned()),
        if_bound(modes(row, "/status/accessModes")),
        class(row).into(),
        or_unset(row.text("/spec/volumeAttributesClassName")),
        row.age(),
        or_unset(row.text("/spec/volumeMode")),
    ]
}

pub fn quota(row: &Row<'_>) -> Vec<Value> {
    let (mut requests, mut limits) = (Vec::new(), Vec::new());
    for (name, hard) in row.object["status"]["hard"].as_object().into_iter().flatten() {
        let used = row.object["status"]["used"][name].as_str().unwrap_or("0");
        let text = format!("{name}: {used}/{}", hard.as_str().unwrap_or_default());
        if name.starts_with("limits.") { limits.push(text) } else { requests.push(text) }
    }
    vec![row.name(), requests.join(", ").into(), limits.join(", ").into(), row.age()]
}

pub fn component(row: &Row<'_>) -> Vec<Value> {
    let healthy = row.list("/conditions").iter().find(|it| it["type"] == "Healthy");
    let text = |field: &str| json!(healthy.and_then(|it| it[field].as_str()).unwrap_or_default());
    let status = healthy.map_or("Unknown", |it| if it["status"] == "True" { "Healthy" } else { "Unhealthy" });
    vec![row.name(), status.into(), text("message"), text("error")]
}
