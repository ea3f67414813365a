//! The HorizontalPodAutoscaler, on the load that a test sets: CPU and memory by pod, as a share of what is requested or as a plain average.
//!
//! Not here: other metrics and `behavior` blocks; a metric that is none of these is said to be unavailable.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::client::{self, Component};
use super::object::{labels, list, name, namespace, replicas, selects, stamp, status_count};
use super::pods::{is_active, is_ready};
use super::template::quantity;
use super::{Controller, Key, queue};
use crate::sim::events;
use crate::sim::failure::Result;
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;
use crate::sim::world::World;

const BY: Component = Component::Autoscaler;
/// How often an autoscaler looks (`--horizontal-pod-autoscaler-sync-period`).
const PERIOD: SignedDuration = SignedDuration::from_secs(15);
/// For so long the highest recommendation counts before anything is scaled down.
const STABLE: SignedDuration = SignedDuration::from_mins(5);
/// Differences below a tenth are left alone.
const TOLERANCE: f64 = 0.1;

/// What autoscalers measure, and what they recommended lately.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Load {
    /// By namespace and workload (`Deployment/web`): what each of its pods uses, by resource, in nano units.
    #[serde(with = "crate::sim::state::pairs")]
    used: BTreeMap<(String, String), BTreeMap<String, i128>>,
    #[serde(with = "crate::sim::state::pairs")]
    recommended: BTreeMap<Key, Vec<(Timestamp, i64)>>,
}

/// Sets what each pod of a workload uses from now on: `cpu` and `memory` as quantities.
pub fn set_load(world: &mut World, space: &str, workload: &str, resource: &str, used: &str) -> bool {
    let Some(used) = quantity(used) else { return false };
    world.controllers.load.used.entry((space.to_owned(), workload.to_owned())).or_default().insert(resource.to_owned(), used);
    true
}

/// What one metric says.
struct Measured {
    desired: i64,
    name: String,
    status: Value,
}

/// # Source
/// `reconcileAutoscaler` of 1.36.3 without behaviours.
pub fn sync(world: &mut World, key: &Key) -> Result<()> {
    let Some(scaler) = client::get(world, Kind::HORIZONTALPODAUTOSCALERS, &key.namespace, &key.name) else {
        world.controllers.load.recommended.remove(key);
        return Ok(());
    };
    queue::add_after(world, Controller::Autoscaler, key, PERIOD);
    let mut scaler = Value::clone(&scaler);
    if scaler["status"].is_null() {
        scaler["status"] = json!({});
    }
    let before = scaler["status"].clone();
    step(world, key, &mut scaler)?;
    if scaler["status"] != before {
        client::update_status(world, BY, Kind::HORIZONTALPODAUTOSCALERS, scaler)?;
    }
    Ok(())
}

fn step(world: &mut World, key: &Key, scaler: &mut Value) -> Result<()> {
    let now = world.now();
    let (kind_name, target_name) = (
        scaler["spec"]["scaleTargetRef"]["kind"].as_str().unwrap_or_default().to_owned(),
        scaler["spec"]["scaleTargetRef"]["name"].as_str().unwrap_or_default().to_owned(),
    );
    let kind = match kind_name.as_str() {
        "Deployment" => Kind::DEPLOYMENTS,
        "StatefulSet" => Kind::STATEFULSETS,
        "ReplicaSet" => Kind::REPLICASETS,
        _ => {
            let version = scaler["spec"]["scaleTargetRef"]["apiVersion"].as_str().unwrap_or_default();
            let why = match world.kind_of(version, &kind_name) {
                Some(kind) if kind.is_custom() => "the simulated cluster does not scale custom kinds by themselves".to_owned(),
                _ => format!("no matches for kind {kind_name:?}"),
            };
            no_scale(world, scaler, &why);
            return Ok(());
        }
    };
    let Some(target) = client::get(world, kind, &key.namespace, &target_name) else {
        let why = format!("{} {target_name:?} not found", kind.qualified());
        no_scale(world, scaler, &why);
        return Ok(());
    };
    set(scaler, "AbleToScale", "True", "SucceededGetScale", "the HPA controller was able to get the target's current scale", now);
    let current = replicas(&target);
    let (least, most) = (scaler["spec"]["minReplicas"].as_i64().unwrap_or(1), scaler["spec"]["maxReplicas"].as_i64().unwrap_or(1));
    scaler["status"]["currentReplicas"] = Value::from(status_count(&target, "replicas"));
    let (mut desired, mut reason) = (current, String::new());
    if current == 0 {
        set(scaler, "ScalingActive", "False", "ScalingDisabled", "scaling is disabled since the replica count of the target is zero", now);
        return finish(scaler, 0);
    } else if current > most {
        (desired, reason) = (most, "Current number of replicas above Spec.MaxReplicas".to_owned());
    } else if current < least {
        (desired, reason) = (least, "Current number of replicas below Spec.MinReplicas".to_owned());
    } else {
        let measured = match measure_all(world, scaler, &target, &kind_name, current) {
            Ok(measured) => measured,
            Err((why, metric)) => {
                events::warning(world, BY, scaler, "FailedGetResourceMetric", &why);
                events::warning(
                    world,
                    BY,
                    scaler,
                    "FailedComputeMetricsReplicas",
                    &format!("invalid metrics (1 invalid out of 1), first error is: failed to get {metric} resource metric value: {why}"),
                );
                let message = format!("the HPA was unable to compute the replica count: {why}");
                set(scaler, "ScalingActive", "False", "FailedGetResourceMetric", &message, now);
                return finish(scaler, current);
            }
        };
        scaler["status"]["currentMetrics"] = measured.iter().map(|it| it.status.clone()).collect();
        if let Some(highest) = measured.iter().rev().max_by_key(|it| it.desired) {
            let message = format!("the HPA was able to successfully calculate a replica count from {}", highest.name);
            set(scaler, "ScalingActive", "True", "ValidMetricFound", &message, now);
            desired = highest.desired;
            reason = if desired > current { format!("{} above target", highest.name) } else { "All metrics below target".to_owned() };
        }
        desired = stabilise(world, key, scaler, desired, now);
        desired = limit(scaler, current, desired, least, most, now);
    }
    if desired != current {
        let mut copy = Value::clone(&target);
        copy["spec"]["replicas"] = Value::from(desired);
        client::update(world, BY, kind, copy)?;
        set(scaler, "AbleToScale", "True", "SucceededRescale", &format!("the HPA controller was able to update the target scale to {desired}"), now);
        events::normal(world, BY, scaler, "SuccessfulRescale", &format!("New size: {desired}; reason: {reason}"));
        scaler["status"]["lastScaleTime"] = Value::from(stamp(now));
    }
    finish(scaler, desired)
}

fn finish(scaler: &mut Value, desired: i64) -> Result<()> {
    scaler["status"]["desiredReplicas"] = Value::from(desired);
    scaler["status"]["observedGeneration"] = scaler["metadata"]["generation"].clone();
    if scaler["status"]["observedGeneration"].is_null()
        && let Some(status) = scaler["status"].as_object_mut()
    {
        status.remove("observedGeneration");
    }
    Ok(())
}

fn no_scale(world: &mut World, scaler: &mut Value, why: &str) {
    let now = world.now();
    events::warning(world, BY, scaler, "FailedGetScale", why);
    set(scaler, "AbleToScale", "False", "FailedGetScale", &format!("the HPA controller was unable to get the target's current scale: {why}"), now);
    scaler["status"]["desiredReplicas"] = Value::from(scaler["status"]["desiredReplicas"].as_i64().unwrap_or(0));
}

fn measure_all(world: &World, scaler: &Value, target: &Value, kind: &str, current: i64) -> std::result::Result<Vec<Measured>, (String, String)> {
    let used = world.controllers.load.used.get(&(namespace(target).to_owned(), format!("{kind}/{}", name(target))));
    let pods: Vec<Arc<Value>> = world
        .list(Kind::PODS, Some(namespace(target)))
        .filter(|pod| is_active(pod) && is_ready(pod) && selects(&target["spec"]["selector"], labels(pod)))
        .cloned()
        .collect();
    list(&scaler["spec"]["metrics"]).iter().map(|metric| measure(metric, used, &pods, current)).collect()
}

fn measure(metric: &Value, used: Option<&BTreeMap<String, i128>>, pods: &[Arc<Value>], current: i64) -> std::result::Result<Measured, (String, String)> {
    let resource = metric["resource"]["name"].as_str().unwrap_or_default();
    let target = &metric["resource"]["target"];
    let failed = |why: &str| {
        let what = if target["type"] == "Utilization" { "utilization" } else { "usage" };
        (format!("failed to get {resource} {what}: {why}"), resource.to_owned())
    };
    let unavailable = "unable to get metrics for resource";
    let Some(each) = used.and_then(|used| used.get(resource)).copied().filter(|_| metric["type"] == "Resource") else {
        let why = format!(
            "{unavailable} {resource}: unable to fetch metrics from resource metrics API: the server could not find the requested resource (get pods.metrics.k8s.io)"
        );
        return Err(failed(&why));
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

/// The highest recommendation of the last minutes, so that a short lull scales nothing down.
fn stabilise(world: &mut World, key: &Key, scaler: &mut Value, desired: i64, now: Timestamp) -> i64 {
    let recent = world.controllers.load.recommended.entry(key.clone()).or_default();
    recent.retain(|(at, _)| now.duration_since(*at) < STABLE);
    recent.push((now, desired));
    let highest = recent.iter().map(|(_, size)| *size).max().unwrap_or(desired);
    if highest == desired {
        set(scaler, "AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size", now);
    } else {
        set(
            scaler,
            "AbleToScale",
            "True",
            "ScaleDownStabilized",
            "recent recommendations were higher than current one, applying the highest recent recommendation",
            now,
        );
    }
    highest
}

fn limit(scaler: &mut Value, current: i64, desired: i64, least: i64, most: i64, now: Timestamp) -> i64 {
    let step = (2 * current).max(4);
    let (allowed, status, reason, message) = if desired > most.min(step) {
        if most > step {
            (step, "True", "ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
        } else {
            (most, "True", "TooManyReplicas", "the desired replica count is more than the maximum replica count")
        }
    } else if desired < least {
        (least, "True", "TooFewReplicas", "the desired replica count is less than the minimum replica count")
    } else {
        (desired, "False", "DesiredWithinRange", "the desired count is within the acceptable range")
    };
    set(scaler, "ScalingLimited", status, reason, message, now);
    allowed
}

fn set(scaler: &mut Value, kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) {
    let mut conditions = list(&scaler["status"]["conditions"]).to_vec();
    let before = conditions.iter().find(|it| it["type"] == kind && it["status"] == status);
    let since = before.map_or_else(|| Value::from(stamp(now)), |it| it["lastTransitionTime"].clone());
    let fresh = json!({"type": kind, "status": status, "lastTransitionTime": since, "reason": reason, "message": message});
    match conditions.iter_mut().find(|it| it["type"] == kind) {
        Some(place) => *place = fresh,
        None => conditions.push(fresh),
    }
    scaler["status"]["conditions"] = Value::from(conditions);
}
