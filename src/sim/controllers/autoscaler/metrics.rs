//! What an autoscaler's metrics say: CPU and memory by pod, from the load that is set (`/sim/load`).
//!
//! Not here: metrics of objects, of pods and of other systems. No API serves them, as in a cluster where nobody installed one.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Target;
use crate::sim::controllers::Key;
use crate::sim::controllers::object::{list, name};
use crate::sim::controllers::pods::{is_active, is_ready};
use crate::sim::controllers::template::quantity;
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;
use crate::sim::selector::{Selector, label_selector_go};
use crate::sim::world::World;

/// Differences below a tenth are left alone.
const TOLERANCE: f64 = 0.1;

/// What the API of metrics says where nobody serves it.
const NO_RESOURCE_API: &str = "unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)";
const NO_CUSTOM_API: &str = "unable to fetch metrics from custom metrics API: no custom metrics API (custom.metrics.k8s.io) registered";

/// What one metric says.
pub(super) struct Measured {
    pub desired: i64,
    pub name: String,
    pub status: Value,
}

/// Why one metric says nothing.
pub(super) struct Failed {
    /// The reason of the event and of the condition.
    pub reason: &'static str,
    pub why: String,
    /// What the error says before that.
    prefix: String,
}

impl Failed {
    pub fn error(&self) -> String {
        format!("{}: {}", self.prefix, self.why)
    }
}

type Outcome = Result<Measured, Failed>;

/// # Source
/// `computeReplicasForMetric`, for each metric.
pub(super) fn measure_all(world: &World, key: &Key, scaler: &Value, target: &Target, selector: &Selector) -> Vec<Outcome> {
    let used = world.controllers.load.used.get(&(key.namespace.clone(), format!("{}/{}", target.kind.kind(), target.name)));
    let pods: Vec<Arc<Value>> =
        world.list(Kind::PODS, Some(&key.namespace)).filter(|pod| is_active(pod) && is_ready(pod) && selector.matches(Kind::PODS, pod)).cloned().collect();
    let measure = |metric: &Value| match metric["type"].as_str() {
        Some("Resource") => resource(metric, used, &pods, target.replicas()),
        Some("ContainerResource") => Err(container(&metric["containerResource"])),
        Some("Pods") => Err(of_pods(&metric["pods"])),
        Some("Object") => Err(of_object(&metric["object"], &key.namespace)),
        _ => Err(external(&metric["external"], &key.namespace)),
    };
    list(&scaler["spec"]["metrics"]).iter().map(measure).collect()
}

fn word(target: &Value) -> &'static str {
    if target["type"] == "Utilization" { "utilization" } else { "usage" }
}

fn of<'a>(metric: &'a Value, field: &str) -> &'a str {
    metric[field]["name"].as_str().unwrap_or_default()
}

fn container(source: &Value) -> Failed {
    let resource = source["name"].as_str().unwrap_or_default();
    Failed {
        reason: "FailedGetContainerResourceMetric",
        why: format!("failed to get {resource} {}: unable to get metrics for resource {resource}: {NO_RESOURCE_API}", word(&source["target"])),
        prefix: format!("failed to get {resource} container metric value"),
    }
}

fn of_pods(source: &Value) -> Failed {
    let why = format!("unable to get metric {}: {NO_CUSTOM_API}", of(source, "metric"));
    Failed { reason: "FailedGetPodsMetric", why, prefix: "failed to get pods metric value".to_owned() }
}

fn of_object(source: &Value, space: &str) -> Failed {
    let (kind, object) = (source["describedObject"]["kind"].as_str().unwrap_or_default(), of(source, "describedObject"));
    let why = format!("unable to get metric {}: {kind} on {space} {object}/{NO_CUSTOM_API}", of(source, "metric"));
    Failed { reason: "FailedGetObjectMetric", why, prefix: "failed to get object metric value".to_owned() }
}

fn external(source: &Value, space: &str) -> Failed {
    let metric = of(source, "metric");
    let selector = label_selector_go(&source["metric"]["selector"]);
    let api =
        format!("unable to fetch metrics from external metrics API: the server could not find the requested resource (get {metric}.external.metrics.k8s.io)");
    let inner = if source["target"]["averageValue"].is_null() {
        format!("failed to get external metric {metric}")
    } else {
        format!("failed to get {metric} external metric")
    };
    Failed {
        reason: "FailedGetExternalMetric",
        why: format!("unable to get external metric {space}/{metric}/{selector}: {api}"),
        prefix: format!("failed to get {metric} external metric value: {inner}"),
    }
}

fn resource(metric: &Value, used: Option<&BTreeMap<String, i128>>, pods: &[Arc<Value>], current: i64) -> Outcome {
    let resource = metric["resource"]["name"].as_str().unwrap_or_default();
    let target = &metric["resource"]["target"];
    let failed = |why: &str| Failed {
        reason: "FailedGetResourceMetric",
        why: format!("failed to get {resource} {}: {why}", word(target)),
        prefix: format!("failed to get {resource} resource metric value"),
    };
    let Some(each) = used.and_then(|used| used.get(resource)).copied() else {
        return Err(failed(&format!("unable to get metrics for resource {resource}: {NO_RESOURCE_API}")));
    };
    if pods.is_empty() {
        return Err(failed("did not receive metrics for targeted pods (pods might be unready)"));
    }
    let count = i128::try_from(pods.len()).unwrap_or(1);
    let text = |nano: i128| if resource == "cpu" { format!("{}m", nano / 1_000_000) } else { (nano / 1_000_000_000).to_string() };
    let (ratio, mut now, label) = if target["type"] == "Utilization" {
        let request = |pod: &Value| {
            list(&pod["spec"]["containers"])
                .iter()
                .map(|container| container["resources"]["requests"][resource].as_str().and_then(quantity))
                .sum::<Option<i128>>()
        };
        let Some(requested) = pods.iter().map(|pod| request(pod)).sum::<Option<i128>>().filter(|sum| *sum > 0) else {
            let pod = name(&pods[0]);
            let container = list(&pods[0]["spec"]["containers"])[0]["name"].as_str().unwrap_or_default();
            return Err(failed(&format!("missing request for {resource} in container {container} of Pod {pod}")));
        };
        let percent = each * count * 100 / requested;
        let wanted = target["averageUtilization"].as_i64().unwrap_or(80).max(1);
        (
            percent as f64 / wanted as f64,
            json!({"averageUtilization": i64::try_from(percent).unwrap_or(i64::MAX)}),
            "resource utilization (percentage of request)",
        )
    } else {
        let wanted = target["averageValue"].as_str().and_then(quantity).unwrap_or(1).max(1);
        (each as f64 / wanted as f64, json!({}), "resource")
    };
    now["averageValue"] = Value::from(text(each));
    let ready = i64::try_from(pods.len()).unwrap_or(i64::MAX);
    // Truncation is what the real one does after rounding up.
    #[expect(clippy::cast_possible_truncation, reason = "replica counts are far below 2^53")]
    let desired = if (ratio - 1.0).abs() <= TOLERANCE { current } else { (ratio * ready as f64).ceil() as i64 };
    let status = json!({"type": "Resource", "resource": {"name": resource, "current": now}});
    Ok(Measured { desired, name: format!("{resource} {label}"), status })
}
