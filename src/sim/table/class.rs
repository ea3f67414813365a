//! The rows of classes, storage drivers, devices, certificate requests, flow control, aggregation and admission.

use super::Row;
use super::age;
use super::network::or_none;
use crate::sim::json::Value;

/// The annotations that make a class the one for claims that name none.
const DEFAULT_CLASS: [&str; 2] = ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

fn or_text<'a>(text: &'a str, otherwise: &'a str) -> &'a str {
    if text.is_empty() { otherwise } else { text }
}

/// The value at a pointer, or the word that the server prints for none.
fn or_dashes(row: &Row<'_>, pointer: &str) -> Value {
    row.object.pointer(pointer).filter(|it| !it.is_null()).cloned().unwrap_or_else(|| "<none>".into())
}

fn flag(row: &Row<'_>, pointer: &str, otherwise: bool) -> Value {
    row.object.pointer(pointer).and_then(Value::as_bool).unwrap_or(otherwise).into()
}

pub fn priority(row: &Row<'_>) -> Vec<Value> {
    vec![row.name(), row.number("/value").into(), flag(row, "/globalDefault", false), row.age(), row.text("/preemptionPolicy").into()]
}

pub fn storage(row: &Row<'_>) -> Vec<Value> {
    let annotations = &row.object["metadata"]["annotations"];
    let name = row.text("/metadata/name");
    let name = if DEFAULT_CLASS.iter().any(|it| annotations[*it] == "true") { format!("{name} (default)") } else { name.to_owned() };
    vec![
        name.into(),
        row.text("/provisioner").into(),
        or_text(row.text("/reclaimPolicy"), "Delete").into(),
        or_text(row.text("/volumeBindingMode"), "Immediate").into(),
        flag(row, "/allowVolumeExpansion", false),
        row.age(),
    ]
}

pub fn driver(row: &Row<'_>) -> Vec<Value> {
    let audiences = match row.object["spec"]["tokenRequests"].as_array() {
        Some(requests) => requests.iter().filter_map(|it| it["audience"].as_str()).collect::<Vec<_>>().join(","),
        None => "<unset>".to_owned(),
    };
    vec![
        row.name(),
        flag(row, "/spec/attachRequired", true),
        flag(row, "/spec/podInfoOnMount", false),
        flag(row, "/spec/storageCapacity", false),
        audiences.into(),
        flag(row, "/spec/requiresRepublish", false),
        or_none(&row.joined("/spec/volumeLifecycleModes")).into(),
        row.age(),
    ]
}

pub fn attachment(row: &Row<'_>) -> Vec<Value> {
    vec![
        row.name(),
        row.text("/spec/attacher").into(),
        row.text("/spec/source/persistentVolumeName").into(),
        row.text("/spec/nodeName").into(),
        flag(row, "/status/attached", false),
        row.age(),
    ]
}

/// How far a claim of devices has come.
pub fn claim_state(row: &Row<'_>) -> String {
    let deleted = !row.object["metadata"]["deletionTimestamp"].is_null();
    let allocated = row.object["status"]["allocation"].is_object();
    let mut states = Vec::new();
    if deleted {
        states.push("deleted");
    }
    if allocated {
        states.push("allocated");
        if row.size("/status/reservedFor") > 0 {
            states.push("reserved");
        }
    } else if !deleted {
        states.push("pending");
    }
    states.join(",")
}

pub fn slice(row: &Row<'_>) -> Vec<Value> {
    vec![row.name(), row.text("/spec/nodeName").into(), row.text("/spec/driver").into(), row.text("/spec/pool/name").into(), row.age()]
}

pub fn signing_request(row: &Row<'_>) -> Vec<Value> {
    let has = |kind: &str| row.list("/status/conditions").iter().any(|it| it["type"] == kind);
    let mut state = if has("Denied") {
        "Denied"
    } else if has("Approved") {
        "Approved"
    } else {
        "Pending"
    }
    .to_owned();
    if has("Failed") {
        state.push_str(",Failed");
    }
    if !row.text("/status/certificate").is_empty() {
        state.push_str(",Issued");
    }
    let duration = match row.object["spec"]["expirationSeconds"].as_i64() {
        Some(seconds) => age::human(jiff::SignedDuration::from_secs(seconds)),
        None => "<none>".to_owned(),
    };
    vec![row.name(), row.age(), or_text(row.text("/spec/signerName"), "<none>").into(), row.text("/spec/username").into(), duration.into(), state.into()]
}

pub fn flow_schema(row: &Row<'_>) -> Vec<Value> {
    let dangling = row.list("/status/conditions").iter().find(|it| it["type"] == "Dangling");
    vec![
        row.name(),
        row.text("/spec/priorityLevelConfiguration/name").into(),
        row.number("/spec/matchingPrecedence").into(),
        or_text(row.text("/spec/distinguisherMethod/type"), "<none>").into(),
        row.age(),
        dangling.and_then(|it| it["status"].as_str()).unwrap_or("?").into(),
    ]
}

pub fn priority_level(row: &Row<'_>) -> Vec<Value> {
    let limited = |field: &str| or_dashes(row, &format!("/spec/limited/{field}"));
    vec![
        row.name(),
        row.text("/spec/type").into(),
        limited("nominalConcurrencyShares"),
        limited("limitResponse/queuing/queues"),
        limited("limitResponse/queuing/handSize"),
        limited("limitResponse/queuing/queueLengthLimit"),
        row.age(),
    ]
}

/// # Source
/// kube-aggregator 0.36.3 `pkg/registry/apiservice/etcd/etcd.go`.
pub fn api_service(row: &Row<'_>) -> Vec<Value> {
    let service = &row.object["spec"]["service"];
    let text = |field: &str| service[field].as_str().unwrap_or_default();
    let served = if service.is_object() { format!("{}/{}", text("namespace"), text("name")) } else { "Local".to_owned() };
    let available = row.list("/status/conditions").iter().find(|it| it["type"] == "Available");
    let state = match available {
        None => "Unknown".to_owned(),
        Some(it) if it["status"] == "True" => "True".to_owned(),
        Some(it) => format!("{} ({})", it["status"].as_str().unwrap_or_default(), it["reason"].as_str().unwrap_or_default()),
    };
    vec![row.name(), served.into(), state.into(), row.age()]
}

pub fn admission_policy(row: &Row<'_>, rules: &str) -> Vec<Value> {
    let parameter = &row.object["spec"]["paramKind"];
    let text = |field: &str| parameter[field].as_str().unwrap_or_default();
    let parameter = if parameter.is_object() { format!("{}/{}", text("apiVersion"), text("kind")) } else { "<unset>".to_owned() };
    vec![row.name(), row.size(rules).into(), parameter.into(), row.age()]
}

pub fn admission_binding(row: &Row<'_>) -> Vec<Value> {
    let name = row.text("/spec/paramRef/name");
    let parameter = match row.text("/spec/paramRef/namespace") {
        _ if name.is_empty() => "<unset>".to_owned(),
        "" => format!("*/{name}"),
        namespace => format!("{namespace}/{name}"),
    };
    vec![row.name(), row.text("/spec/policyName").into(), parameter.into(), row.age()]
}
