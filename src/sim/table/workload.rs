//! The rows of workloads, and of what watches over them.

use jiff::Timestamp;

use super::super::selector;
use super::{Row, age, network};
use crate::sim::json::{Value, json};

const CONTAINERS: &str = "/spec/template/spec/containers";

fn with_wide(mut cells: Vec<Value>, row: &Row<'_>, containers: &str, selector: Option<String>) -> Vec<Value> {
    cells.extend(row.containers(containers));
    cells.extend(selector.map(Value::from));
    cells
}

fn ready(row: &Row<'_>) -> Value {
    format!("{}/{}", row.number("/status/readyReplicas"), row.number("/spec/replicas")).into()
}

pub fn deployment(row: &Row<'_>) -> Vec<Value> {
    let cells = vec![row.name(), ready(row), row.number("/status/updatedReplicas").into(), row.number("/status/availableReplicas").into(), row.age()];
    with_wide(cells, row, CONTAINERS, Some(selector::label_selector_text(&row.object["spec"]["selector"])))
}

fn counts(row: &Row<'_>) -> Vec<Value> {
    vec![row.name(), row.number("/spec/replicas").into(), row.number("/status/replicas").into(), row.number("/status/readyReplicas").into(), row.age()]
}

pub fn replica_set(row: &Row<'_>) -> Vec<Value> {
    with_wide(counts(row), row, CONTAINERS, Some(row.selector()))
}

pub fn replication_controller(row: &Row<'_>) -> Vec<Value> {
    with_wide(counts(row), row, CONTAINERS, Some(network::labels(&row.object["spec"]["selector"])))
}

pub fn stateful_set(row: &Row<'_>) -> Vec<Value> {
    with_wide(vec![row.name(), ready(row), row.age()], row, CONTAINERS, None)
}

pub fn daemon_set(row: &Row<'_>) -> Vec<Value> {
    let mut cells = vec![row.name()];
    for count in ["desiredNumberScheduled", "currentNumberScheduled", "numberReady", "updatedNumberScheduled", "numberAvailable"] {
        cells.push(row.number(&format!("/status/{count}")).into());
    }
    cells.push(network::labels(&row.object["spec"]["template"]["spec"]["nodeSelector"]).into());
    cells.push(row.age());
    with_wide(cells, row, CONTAINERS, Some(row.selector()))
}

pub fn controller_revision(row: &Row<'_>) -> Vec<Value> {
    let controller = row.list("/metadata/ownerReferences").iter().find(|it| it["controller"] == true);
    let controller = controller.map_or("<none>".to_owned(), |it| {
        let text = |field: &str| it[field].as_str().unwrap_or_default();
        let kind = text("kind").to_lowercase();
        let kind = text("apiVersion").split_once('/').map_or(kind.clone(), |(group, _)| format!("{kind}.{group}"));
        format!("{kind}/{}", text("name"))
    });
    vec![row.name(), controller.into(), row.number("/revision").into(), row.age()]
}

pub fn job(row: &Row<'_>) -> Vec<Value> {
    let succeeded = row.number("/status/succeeded");
    let completions = match (row.object["spec"]["completions"].as_i64(), row.number("/spec/parallelism")) {
        (Some(completions), _) => format!("{succeeded}/{completions}"),
        (None, parallelism) if parallelism > 1 => format!("{succeeded}/1 of {parallelism}"),
        _ => format!("{succeeded}/1"),
    };
    let time = |pointer: &str| row.text(pointer).parse::<Timestamp>().ok();
    let took = time("/status/startTime").map_or(String::new(), |start| age::human(time("/status/completionTime").unwrap_or(row.now).duration_since(start)));
    let has = |name: &str| row.list("/status/conditions").iter().any(|it| it["type"] == name && it["status"] == "True");
    let deleted = !row.object["metadata"]["deletionTimestamp"].is_null();
    let status = match () {
        () if has("Complete") => "Complete",
        () if has("Failed") => "Failed",
        () if deleted => "Terminating",
        () if has("Suspended") => "Suspended",
        () if has("FailureTarget") => "FailureTarget",
        () if has("SuccessCriteriaMet") => "SuccessCriteriaMet",
        () => "Running",
    };
    with_wide(vec![row.name(), status.into(), completions.into(), took.into(), row.age()], row, CONTAINERS, Some(row.selector()))
}

pub fn cron_job(row: &Row<'_>) -> Vec<Value> {
    let last = row.object.pointer("/status/lastScheduleTime").filter(|it| !it.is_null());
    let suspend = match row.object["spec"]["suspend"].as_bool() {
        Some(true) => "True",
        Some(false) => "False",
        None => "<unset>",
    };
    let cells = vec![
        row.name(),
        row.text("/spec/schedule").into(),
        network::or_none(row.text("/spec/timeZone")).into(),
        suspend.into(),
        row.size("/status/active").into(),
        last.map_or("<none>".to_owned(), |_| row.since("/status/lastScheduleTime")).into(),
        row.age(),
    ];
    let selector = network::or_none(&selector::label_selector_text(&row.object["spec"]["jobTemplate"]["spec"]["selector"]));
    with_wide(cells, row, "/spec/jobTemplate/spec/template/spec/containers", Some(selector))
}

/// A quantity or a percentage, as it is written.
fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.to_string()),
        other => Some(other.to_string()),
    }
}

fn metric(spec: &Value, current: &Value) -> String {
    let unknown = || "<unknown>".to_owned();
    let (source, named) = match spec["type"].as_str().unwrap_or_default() {
        "External" => ("external", false),
        "Pods" => ("pods", false),
        "Object" => ("object", false),
        "Resource" => ("resource", true),
        "ContainerResource" => ("containerResource", true),
        _ => return "<unknown type>".to_owned(),
    };
    let (target, now) = (&spec[source]["target"], &current[source]["current"]);
    if named {
        let name = spec[source]["name"].as_str().unwrap_or_default();
        return match shown(&target["averageValue"]) {
            Some(target) => format!("{name}: {}/{target}", shown(&now["averageValue"]).unwrap_or_else(unknown)),
            None => {
                let percent = |value: &Value| value.as_i64().map(|it| format!("{it}%"));
                let target = percent(&target["averageUtilization"]).unwrap_or_else(|| "<auto>".to_owned());
                format!("{name}: {}/{target}", percent(&now["averageUtilization"]).unwrap_or_else(unknown))
            }
        };
    }
    match shown(&target["averageValue"]) {
        Some(target) if source == "pods" => format!("{}/{target}", shown(&now["averageValue"]).unwrap_or_else(unknown)),
        Some(target) => format!("{}/{target} (avg)", shown(&now["averageValue"]).unwrap_or_else(unknown)),
        None => format!("{}/{}", shown(&now["value"]).unwrap_or_else(unknown), shown(&target["value"]).unwrap_or_default()),
    }
}

pub fn autoscaler(row: &Row<'_>) -> Vec<Value> {
    let current = row.list("/status/currentMetrics");
    let specs = row.list("/spec/metrics");
    let mut metrics: Vec<String> = specs.iter().enumerate().map(|(at, it)| metric(it, current.get(at).unwrap_or(&Value::Null))).collect();
    let more = metrics.len().saturating_sub(2);
    metrics.truncate(2);
    let text = match (metrics.is_empty(), more) {
        (true, _) => "<none>".to_owned(),
        (_, 0) => metrics.join(", "),
        (_, more) => format!("{} + {more} more...", metrics.join(", ")),
    };
    let target = &row.object["spec"]["scaleTargetRef"];
    let reference = format!("{}/{}", target["kind"].as_str().unwrap_or_default(), target["name"].as_str().unwrap_or_default());
    let least = row.object["spec"]["minReplicas"].as_i64().map_or("<unset>".to_owned(), |it| it.to_string());
    vec![
        row.name(),
        reference.into(),
        text.into(),
        least.into(),
        row.number("/spec/maxReplicas").into(),
        row.number("/status/currentReplicas").into(),
        row.age(),
    ]
}

pub fn disruption_budget(row: &Row<'_>) -> Vec<Value> {
    let limit = |field: &str| json!(shown(&row.object["spec"][field]).unwrap_or_else(|| "N/A".to_owned()));
    vec![row.name(), limit("minAvailable"), limit("maxUnavailable"), row.number("/status/disruptionsAllowed").into(), row.age()]
}

pub fn pod_template(row: &Row<'_>) -> Vec<Value> {
    let [names, images] = row.containers("/template/spec/containers");
    vec![row.name(), names, images, network::labels(&row.object["template"]["metadata"]["labels"]).into()]
}
