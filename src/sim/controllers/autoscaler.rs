//! The HorizontalPodAutoscaler, on the load that a test sets: CPU and memory by pod, as a share of what is requested or as a plain average.
//!
//! Not here: `behavior` blocks, and metrics of other kinds, of which no API tells anything (`metrics`).

mod metrics;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use self::metrics::{Failed, Measured};
use super::client::{self, Component};
use super::object::{list, name, stamp};
use super::template::quantity;
use super::{Controller, Key, queue};
use crate::sim::events;
use crate::sim::failure::{Failure, Result};
use crate::sim::fault;
use crate::sim::json::{Value, json, literal};
use crate::sim::kinds::Kind;
use crate::sim::selector::Selector;
use crate::sim::world::World;

const BY: Component = Component::Autoscaler;
/// How often an autoscaler looks (`--horizontal-pod-autoscaler-sync-period`).
const PERIOD: SignedDuration = SignedDuration::from_secs(15);
/// For so long the highest recommendation counts before anything is scaled down.
const STABLE: SignedDuration = SignedDuration::from_mins(5);
/// What autoscalers measure, and what they recommended lately.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
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

/// Wants a look at an autoscaler that is new or has changed: its queue knows no haste, and the look comes after a whole period.
pub fn enqueue(world: &mut World, key: &Key) {
    queue::add_after(world, Controller::Autoscaler, key, PERIOD);
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
    let error = step(world, key, &mut scaler);
    if scaler["status"] != before {
        client::update_status(world, BY, Kind::HORIZONTALPODAUTOSCALERS, scaler.clone())?;
    }
    if let Some(error) = error {
        events::warning(world, BY, &scaler, "FailedComputeMetricsReplicas", &error);
    }
    Ok(())
}

/// What is scaled: the kind, its name, and its `autoscaling/v1` Scale.
struct Target {
    kind: Kind,
    name: String,
    scale: Value,
}

impl Target {
    /// # Errors
    /// Why there is nothing to scale, in the words of an event.
    fn find(world: &World, space: &str, reference: &Value) -> std::result::Result<Self, String> {
        let kind_name = reference["kind"].as_str().unwrap_or_default();
        let name = name_of(reference);
        let group = reference["apiVersion"].as_str().and_then(|it| it.split_once('/')).map_or("", |(group, _)| group);
        let built_in = Kind::all().find(|it| it.group() == group && it.kind() == kind_name);
        let kind = built_in.or_else(|| world.customs.served().map(|it| it.kind).find(|it| it.group() == group && it.kind() == kind_name));
        let Some(kind) = kind else { return Err(format!("no matches for kind {kind_name:?} in group {group:?}")) };
        if kind.subresource("scale").is_none() && !world.customs.get(kind).is_some_and(|it| it.has_part("scale")) {
            return Err("the server could not find the requested resource".to_owned());
        }
        let scale = world.scale(kind, space, name).map_err(|failure| failure.message().to_owned())?;
        Ok(Self { kind, name: name.to_owned(), scale })
    }

    fn replicas(&self) -> i64 {
        self.scale["spec"]["replicas"].as_i64().unwrap_or(0)
    }

    fn selector(&self) -> &str {
        self.scale["status"]["selector"].as_str().unwrap_or_default()
    }

    fn resize(&self, world: &mut World, space: &str, replicas: i64) -> Result<()> {
        fault::before_component(world, BY.manager(), "update", self.kind)?;
        let mut scale = self.scale.clone();
        scale["spec"]["replicas"] = Value::from(replicas);
        world.write_scale(self.kind, space, &self.name, &scale, &BY.caller()).map(drop)
    }
}

fn name_of(reference: &Value) -> &str {
    reference["name"].as_str().unwrap_or_default()
}

/// One look; what it says in the end, when it could not tell how many replicas there should be.
fn step(world: &mut World, key: &Key, scaler: &mut Value) -> Option<String> {
    let now = world.now();
    let target = match Target::find(world, &key.namespace, &scaler["spec"]["scaleTargetRef"]) {
        Ok(target) => target,
        Err(why) => {
            no_scale(world, scaler, &why);
            return None;
        }
    };
    set(scaler, "AbleToScale", "True", "SucceededGetScale", "the HPA controller was able to get the target's current scale", now);
    let current = target.replicas();
    let (least, most) = (scaler["spec"]["minReplicas"].as_i64().unwrap_or(1), scaler["spec"]["maxReplicas"].as_i64().unwrap_or(1));
    let (mut desired, mut reason) = (current, String::new());
    let mut measured = Vec::new();
    let mut error = None;
    if current == 0 && least != 0 {
        set(scaler, "ScalingActive", "False", "ScalingDisabled", "scaling is disabled since the replica count of the target is zero", now);
    } else if current > most {
        (desired, reason) = (most, "Current number of replicas above Spec.MaxReplicas".to_owned());
    } else if current < least {
        (desired, reason) = (least, "Current number of replicas below Spec.MinReplicas".to_owned());
    } else {
        let decided = decide(world, key, scaler, &target);
        measured = decided.statuses;
        error = decided.error;
        let Some(recommended) = decided.replicas else {
            let desired = scaler["status"]["desiredReplicas"].as_i64().unwrap_or(0);
            write(scaler, current, desired, measured);
            return error;
        };
        reason = if recommended > current { format!("{} above target", decided.metric) } else { "All metrics below target".to_owned() };
        let stable = stabilise(world, key, scaler, recommended, now);
        desired = limit(scaler, current, stable, least, most, now);
    }
    if desired != current {
        if let Err(failure) = target.resize(world, &key.namespace, desired) {
            rescale_failed(world, scaler, desired, &reason, &failure);
            let desired = scaler["status"]["desiredReplicas"].as_i64().unwrap_or(0);
            write(scaler, current, desired, measured);
            return None;
        }
        set(scaler, "AbleToScale", "True", "SucceededRescale", &format!("the HPA controller was able to update the target scale to {desired}"), now);
        events::normal(world, BY, scaler, "SuccessfulRescale", &format!("New size: {desired}; reason: {reason}"));
        scaler["status"]["lastScaleTime"] = Value::from(stamp(now));
    }
    write(scaler, current, desired, measured);
    error
}

/// What the metrics say together.
struct Decided {
    /// `None` when they do not tell enough.
    replicas: Option<i64>,
    metric: String,
    statuses: Vec<Value>,
    error: Option<String>,
}

/// # Source
/// `computeReplicasForMetrics`.
fn decide(world: &mut World, key: &Key, scaler: &mut Value, target: &Target) -> Decided {
    let nothing = |error: String, statuses| Decided { replicas: None, metric: String::new(), statuses, error: Some(error) };
    let now = world.now();
    let selector = match selector(world, key, scaler, target) {
        Ok(selector) => selector,
        Err(why) => return nothing(why, Vec::new()),
    };
    let found = metrics::measure_all(world, key, scaler, target, &selector);
    let count = found.len();
    let mut statuses = Vec::with_capacity(count);
    let mut failures: Vec<Failed> = Vec::new();
    let mut best: Option<Measured> = None;
    for metric in found {
        match metric {
            Ok(measured) => {
                statuses.push(measured.status.clone());
                if best.as_ref().is_none_or(|best| measured.desired > best.desired) {
                    best = Some(measured);
                }
            }
            Err(failed) => {
                events::warning(world, BY, scaler, failed.reason, &failed.why);
                statuses.push(json!({"type": ""}));
                failures.push(failed);
            }
        }
    }
    let error = failures.first().map(|it| format!("invalid metrics ({} invalid out of {count}), first error is: {}", failures.len(), it.error()));
    // What is not known may ask for more replicas, so that nothing is scaled down without it.
    let Some(best) = best.filter(|best| failures.is_empty() || best.desired >= target.replicas()) else {
        if let Some(first) = failures.first() {
            set(scaler, "ScalingActive", "False", first.reason, &format!("the HPA was unable to compute the replica count: {}", first.why), now);
        }
        return nothing(error.unwrap_or_default(), statuses);
    };
    let message = format!("the HPA was able to successfully calculate a replica count from {}", best.name);
    set(scaler, "ScalingActive", "True", "ValidMetricFound", &message, now);
    Decided { replicas: Some(best.desired), metric: best.name, statuses, error }
}

/// The selector of the target's pods, if they are this autoscaler's alone.
///
/// # Source
/// `validateAndParseSelector`.
fn selector(world: &mut World, key: &Key, scaler: &mut Value, target: &Target) -> std::result::Result<Selector, String> {
    let now = world.now();
    if target.selector().is_empty() {
        let why = "selector is required";
        events::warning(world, BY, scaler, "SelectorRequired", why);
        set(scaler, "ScalingActive", "False", "InvalidSelector", "the HPA target's scale is missing a selector", now);
        return Err(why.to_owned());
    }
    let selector = match Selector::parse(Kind::PODS, None, target.selector(), "") {
        Ok(selector) => selector,
        Err(failure) => {
            let why = format!("couldn't convert selector into a corresponding internal selector object: {}", failure.message());
            events::warning(world, BY, scaler, "InvalidSelector", &why);
            set(scaler, "ScalingActive", "False", "InvalidSelector", &why, now);
            return Err(why);
        }
    };
    let others = rivals(world, key, &selector);
    if others.len() > 1 {
        let why = format!("pods by selector {} are controlled by multiple HPAs: [{}]", target.selector(), others.join(" "));
        events::warning(world, BY, scaler, "AmbiguousSelector", &why);
        set(scaler, "ScalingActive", "False", "AmbiguousSelector", &why, now);
        return Err(why);
    }
    Ok(selector)
}

/// The autoscalers that look after any of the pods that are selected: this one, and others that have found their target.
fn rivals(world: &World, key: &Key, selector: &Selector) -> Vec<String> {
    let pods: Vec<_> = world.list(Kind::PODS, Some(&key.namespace)).filter(|pod| selector.matches(Kind::PODS, pod)).collect();
    let looks_after = |scaler: &Value| {
        let target = Target::find(world, &key.namespace, &scaler["spec"]["scaleTargetRef"]).ok()?;
        let theirs = Selector::parse(Kind::PODS, None, target.selector(), "").ok().filter(|it| !it.is_everything())?;
        pods.iter().any(|pod| theirs.matches(Kind::PODS, pod)).then_some(())
    };
    let known = |scaler: &Value| name(scaler) == key.name || list(&scaler["status"]["conditions"]).iter().any(|it| it["type"] == "ScalingActive");
    let scalers = world.list(Kind::HORIZONTALPODAUTOSCALERS, Some(&key.namespace)).filter(|it| known(it));
    scalers.filter(|it| looks_after(it).is_some()).map(|it| format!("{}/{}", key.namespace, name(it))).collect()
}

fn write(scaler: &mut Value, current: i64, desired: i64, metrics: Vec<Value>) {
    let Some(status) = scaler["status"].as_object_mut() else { return };
    match current {
        0 => drop(status.remove("currentReplicas")),
        _ => drop(status.insert(literal!("currentReplicas"), Value::from(current))),
    }
    status.insert(literal!("desiredReplicas"), Value::from(desired));
    status.insert(literal!("currentMetrics"), if metrics.is_empty() { Value::Null } else { Value::from(metrics) });
}

fn no_scale(world: &mut World, scaler: &mut Value, why: &str) {
    let now = world.now();
    events::warning(world, BY, scaler, "FailedGetScale", why);
    set(scaler, "AbleToScale", "False", "FailedGetScale", &format!("the HPA controller was unable to get the target's current scale: {why}"), now);
    scaler["status"]["desiredReplicas"] = Value::from(scaler["status"]["desiredReplicas"].as_i64().unwrap_or(0));
}

fn rescale_failed(world: &mut World, scaler: &mut Value, desired: i64, reason: &str, failure: &Failure) {
    let now = world.now();
    events::warning(world, BY, scaler, "FailedRescale", &format!("New size: {desired}; reason: {reason}; error: {}", failure.message()));
    let message = format!("the HPA controller was unable to update the target scale: {}", failure.message());
    set(scaler, "AbleToScale", "False", "FailedUpdateScale", &message, now);
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
