//! Two versions of one kind: what is stored in one form and served in another.
//!
//! Events are stored as `v1` and also served as `events.k8s.io/v1`; autoscalers are stored as `autoscaling/v2` and also served as `v1`, where what has no
//! place in the older form stands in annotations.

use std::sync::Arc;

use super::kinds::Kind;
use crate::sim::json::{Map, Value, json, literal};

/// The names of an event's fields: stored, and in the newer form.
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const CURRENT_METRICS: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";

/// A stored object as the kind shows it.
pub fn of(kind: Kind, object: &Arc<Value>) -> Arc<Value> {
    match kind {
        Kind::NEW_EVENTS => Arc::new(renamed(object, kind, |(old, new)| (old, new))),
        Kind::HORIZONTALPODAUTOSCALERS_V1 => Arc::new(older_autoscaler(object)),
        _ => Arc::clone(object),
    }
}

/// An object in the form in which it is stored, from the form of the kind.
pub fn to_stored(kind: Kind, object: Value) -> Value {
    match kind {
        Kind::NEW_EVENTS => renamed(&object, kind.stored(), |(old, new)| (new, old)),
        Kind::HORIZONTALPODAUTOSCALERS_V1 => newer_autoscaler(object),
        _ => object,
    }
}

fn renamed(object: &Value, kind: Kind, direction: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str)) -> Value {
    let mut map = object.as_object().cloned().unwrap_or_default();
    for (from, to) in EVENT_FIELDS.map(direction) {
        if let Some(value) = map.remove(from) {
            map.insert(to.to_owned(), value);
        }
    }
    map.insert(literal!("apiVersion"), kind.api_version().into());
    Value::Object(map)
}

/// Whether a metric is the one that the older form has a field for.
fn is_processor(metric: &Value) -> bool {
    metric["type"] == "Resource" && metric["resource"]["name"] == "cpu"
}

fn annotate(object: &mut Value, key: &str, value: &Value) {
    if value.is_null() || value.as_array().is_some_and(<[Value]>::is_empty) {
        return;
    }
    if !object["metadata"]["annotations"].is_object() {
        object["metadata"]["annotations"] = json!({});
    }
    object["metadata"]["annotations"][key] = value.to_string().into();
}

fn older_autoscaler(object: &Value) -> Value {
    let mut out = object.clone();
    out["apiVersion"] = Kind::HORIZONTALPODAUTOSCALERS_V1.api_version().into();
    let (spec, status) = (&object["spec"], &object["status"]);
    let mut older = Map::new();
    for field in ["scaleTargetRef", "minReplicas", "maxReplicas"] {
        if let Some(value) = spec.get(field) {
            older.insert(field.to_owned(), value.clone());
        }
    }
    let (processor, others): (Vec<Value>, Vec<Value>) = spec["metrics"].as_array().unwrap_or_default().to_vec().into_iter().partition(is_processor);
    if let Some(target) = processor.first().and_then(|it| it["resource"]["target"]["averageUtilization"].as_i64()) {
        older.insert(literal!("targetCPUUtilizationPercentage"), target.into());
    }
    out["spec"] = Value::Object(older);
    let mut now = Map::new();
    for field in ["observedGeneration", "lastScaleTime"] {
        if let Some(value) = status.get(field) {
            now.insert(field.to_owned(), value.clone());
        }
    }
    for field in ["currentReplicas", "desiredReplicas"] {
        now.insert(field.to_owned(), status[field].as_i64().unwrap_or(0).into());
    }
    let (current, other_current): (Vec<Value>, Vec<Value>) =
        status["currentMetrics"].as_array().unwrap_or_default().to_vec().into_iter().partition(is_processor);
    if let Some(current) = current.first().and_then(|it| it["resource"]["current"]["averageUtilization"].as_i64()) {
        now.insert(literal!("currentCPUUtilizationPercentage"), current.into());
    }
    out["status"] = Value::Object(now);
    annotate(&mut out, METRICS, &Value::from(others));
    annotate(&mut out, CURRENT_METRICS, &Value::from(other_current));
    annotate(&mut out, BEHAVIOR, &spec["behavior"]);
    annotate(&mut out, CONDITIONS, &status["conditions"]);
    out
}

fn newer_autoscaler(mut object: Value) -> Value {
    object["apiVersion"] = Kind::HORIZONTALPODAUTOSCALERS.api_version().into();
    let mut take = |key: &str| {
        let annotations = object["metadata"]["annotations"].as_object_mut()?;
        let text = annotations.remove(key)?;
        serde_json::from_str::<Value>(text.as_str()?).ok()
    };
    let (metrics, behavior, current, conditions) = (take(METRICS), take(BEHAVIOR), take(CURRENT_METRICS), take(CONDITIONS));
    let target = object["spec"].as_object_mut().and_then(|it| it.remove("targetCPUUtilizationPercentage"));
    let mut all = metrics.and_then(|it| it.as_array().map(<[Value]>::to_vec)).unwrap_or_default();
    if let Some(target) = target.as_ref().and_then(Value::as_i64) {
        all.insert(0, json!({ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": target } } }));
    }
    if !all.is_empty() {
        object["spec"]["metrics"] = Value::from(all);
    }
    if let Some(behavior) = behavior {
        object["spec"]["behavior"] = behavior;
    }
    let now = object["status"].as_object_mut().and_then(|it| it.remove("currentCPUUtilizationPercentage"));
    let mut all = current.and_then(|it| it.as_array().map(<[Value]>::to_vec)).unwrap_or_default();
    if let Some(now) = now.as_ref().and_then(Value::as_i64) {
        all.insert(0, json!({ "type": "Resource", "resource": { "name": "cpu", "current": { "averageUtilization": now } } }));
    }
    if !all.is_empty() {
        object["status"]["currentMetrics"] = Value::from(all);
    }
    if let Some(conditions) = conditions {
        object["status"]["conditions"] = conditions;
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_two_forms() {
        let stored = json!({ "apiVersion": "v1", "kind": "Event", "involvedObject": { "name": "a" }, "message": "m", "count": 2, "reason": "R" });
        let shown = of(Kind::NEW_EVENTS, &Arc::new(stored.clone()));
        assert_eq!(
            *shown,
            json!({ "apiVersion": "events.k8s.io/v1", "kind": "Event", "regarding": { "name": "a" }, "note": "m", "deprecatedCount": 2, "reason": "R" })
        );
        assert_eq!(to_stored(Kind::NEW_EVENTS, Value::clone(&shown)), stored);
    }

    #[test]
    fn an_autoscaler_comes_back_from_its_older_form_whole() {
        let metric = |name: &str| json!({ "type": "Resource", "resource": { "name": name, "target": { "type": "Utilization", "averageUtilization": 50 } } });
        let stored = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "a", "annotations": {} },
            "spec": { "maxReplicas": 3, "metrics": [metric("cpu"), metric("memory")], "behavior": { "scaleUp": {} } },
            "status": { "currentReplicas": 0, "desiredReplicas": 0 },
        });
        let shown = of(Kind::HORIZONTALPODAUTOSCALERS_V1, &Arc::new(stored.clone()));
        assert_eq!(shown["spec"], json!({ "maxReplicas": 3, "targetCPUUtilizationPercentage": 50 }));
        assert_eq!(to_stored(Kind::HORIZONTALPODAUTOSCALERS_V1, Value::clone(&shown)), stored);
    }
}
