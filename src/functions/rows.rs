//! Objects and server tables as the rows that scripts work with.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::render::table::Table;
use crate::render::words;
use crate::resource::Resource;
use crate::rollout::status;

/// The rows of a server's table: a key for each column, and what the metadata says.
pub fn of_table(resource: &Resource, table: &Value, now: Timestamp) -> Vec<Value> {
    let columns: Vec<String> =
        table["columnDefinitions"].as_array().into_iter().flatten().map(|column| key(column["name"].as_str().unwrap_or_default())).collect();
    let rows = table["rows"].as_array().into_iter().flatten();
    rows.map(|row| {
        let mut map: Map<String, Value> = columns.iter().cloned().zip(row["cells"].as_array().into_iter().flatten().cloned()).collect();
        let metadata = &row["object"]["metadata"];
        map.insert("kind".into(), resource.singular.as_ref().into());
        map.insert("name".into(), metadata["name"].clone());
        map.insert("namespace".into(), metadata["namespace"].clone());
        map.insert("labels".into(), labels(metadata));
        map.insert("age_s".into(), age_s(metadata, now));
        Value::Object(map)
    })
    .collect()
}

/// `Up-to-date` as `up_to_date`, so that a script can write `row.up_to_date`.
fn key(column: &str) -> String {
    column.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

fn labels(metadata: &Value) -> Value {
    metadata["labels"].as_object().map_or_else(|| json!({}), |labels| Value::Object(labels.clone()))
}

fn age_s(metadata: &Value, now: Timestamp) -> Value {
    seconds_since(metadata["creationTimestamp"].as_str(), now).map_or(Value::Null, Value::from)
}

fn seconds_since(time: Option<&str>, now: Timestamp) -> Option<i64> {
    let time: Timestamp = time?.parse().ok()?;
    Some(now.duration_since(time).as_secs())
}

/// An object as a row of its kind.
pub fn typed(resource: &Resource, object: &Value, now: Timestamp) -> Value {
    let (metadata, spec, state) = (&object["metadata"], &object["spec"], &object["status"]);
    let count = |value: &Value| value.as_i64().unwrap_or(0);
    let template_images = || images(&spec["template"]["spec"]);
    let revision = || metadata["annotations"]["deployment.kubernetes.io/revision"].as_str().and_then(|text| text.parse::<i64>().ok());
    let mut row = match resource.kind.as_ref() {
        "Deployment" => json!({
            "desired": spec["replicas"].as_i64().unwrap_or(1), "updated": count(&state["updatedReplicas"]), "ready": count(&state["readyReplicas"]),
            "available": count(&state["availableReplicas"]), "unavailable": count(&state["unavailableReplicas"]), "revision": revision(),
            "images": template_images(), "paused": spec["paused"].as_bool().unwrap_or(false), "generation": metadata["generation"],
        }),
        "ReplicaSet" => json!({
            "desired": spec["replicas"].as_i64().unwrap_or(1), "current": count(&state["replicas"]), "ready": count(&state["readyReplicas"]),
            "available": count(&state["availableReplicas"]), "revision": revision(), "images": template_images(), "owner": owner(metadata),
        }),
        "StatefulSet" => json!({
            "desired": spec["replicas"].as_i64().unwrap_or(1), "ready": count(&state["readyReplicas"]), "updated": count(&state["updatedReplicas"]),
            "current_revision": state["currentRevision"], "update_revision": state["updateRevision"], "images": template_images(), "generation": metadata["generation"],
        }),
        "DaemonSet" => json!({
            "desired": count(&state["desiredNumberScheduled"]), "current": count(&state["currentNumberScheduled"]), "ready": count(&state["numberReady"]),
            "updated": count(&state["updatedNumberScheduled"]), "available": count(&state["numberAvailable"]), "images": template_images(), "generation": metadata["generation"],
        }),
        "Pod" => pod(object),
        _ => json!({}),
    };
    if let Some(row) = row.as_object_mut() {
        row.insert("kind".into(), resource.singular.as_ref().into());
        row.insert("name".into(), metadata["name"].clone());
        row.insert("namespace".into(), metadata["namespace"].clone());
        row.insert("labels".into(), labels(metadata));
        row.insert("age_s".into(), age_s(metadata, now));
    }
    row
}

fn pod(object: &Value) -> Value {
    let (metadata, spec, state) = (&object["metadata"], &object["spec"], &object["status"]);
    let statuses = state["containerStatuses"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ready = state["conditions"].as_array().into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    let waiting =
        statuses.iter().find_map(|container| container["state"]["waiting"]["reason"].as_str().or_else(|| container["state"]["terminated"]["reason"].as_str()));
    json!({
        "phase": state["phase"], "status": status::pod_status(object), "ready": ready,
        "restarts": statuses.iter().map(|container| container["restartCount"].as_i64().unwrap_or(0)).sum::<i64>(),
        "reason": waiting, "images": images(spec), "node": spec["nodeName"], "ip": state["podIP"], "owner": owner(metadata),
    })
}

fn images(pod_spec: &Value) -> Value {
    let containers = pod_spec["containers"].as_array().into_iter().flatten();
    Value::Object(containers.filter_map(|container| Some((container["name"].as_str()?.to_owned(), container["image"].clone()))).collect())
}

/// `deployment/web`, of the controller that owns the object.
fn owner(metadata: &Value) -> Value {
    let owners = metadata["ownerReferences"].as_array().into_iter().flatten();
    let controller = owners.into_iter().find(|owner| owner["controller"] == true);
    controller.map_or(Value::Null, |owner| format!("{}/{}", owner["kind"].as_str().unwrap_or("").to_lowercase(), owner["name"].as_str().unwrap_or("")).into())
}

/// Events as kubectl prints them.
pub fn events_table(rows: &[Value], now: Timestamp) -> Table {
    let cells = rows.iter().map(|row| {
        let seen = seconds_since(row["last_seen"].as_str(), now).map_or_else(|| "<unknown>".to_owned(), words::age);
        vec![seen.into(), row["type"].clone(), row["reason"].clone(), row["object"].clone(), row["message"].clone()]
    });
    Table::of(&["Last Seen", "Type", "Reason", "Object", "Message"], cells.collect())
}
