//! The identity of a StatefulSet's pods: name, labels, volumes, and the revision that they are made of.

use std::sync::Arc;

use super::super::client;
use super::super::history::template_of;
use super::super::object::{label, list, name, namespace, replicas, status_count};
use super::super::template::pod_of;
use super::{BY, claim_templates, claims};
use crate::sim::failure::Result;
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;
use crate::sim::world::World;

const REVISION: &str = "controller-revision-hash";
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";

/// The number at the end of a pod's name.
pub fn ordinal(pod: &Value) -> Option<i64> {
    let (_, digits) = name(pod).rsplit_once('-')?;
    digits.chars().all(|c| c.is_ascii_digit()).then(|| digits.parse::<i32>().ok().map(i64::from))?
}

/// The first ordinal of the set, and the one after its last.
pub fn ordinals(set: &Value) -> (i64, i64) {
    let start = set["spec"]["ordinals"]["start"].as_i64().unwrap_or(0);
    (start, start + replicas(set))
}

/// Whether a pod has a name that this set gives.
pub fn is_member(set: &Value, pod: &Value) -> bool {
    ordinal(pod).is_some() && name(pod).rsplit_once('-').is_some_and(|(parent, _)| parent == name(set))
}

pub fn pod_revision(pod: &Value) -> &str {
    label(pod, REVISION).unwrap_or_default()
}

/// The pod for a place: of the current revision below the partition, else of the update revision.
///
/// # Source
/// `newVersionedStatefulSetPod`.
pub fn make(set: &Value, current: &Arc<Value>, update: &Arc<Value>, ordinal: i64) -> Value {
    let strategy = &set["spec"]["updateStrategy"];
    let start = ordinals(set).0;
    let below = match &strategy["rollingUpdate"] {
        Value::Null => status_count(set, "currentReplicas"),
        block => block["partition"].as_i64().unwrap_or(0),
    };
    // The real condition lets a block decide whatever the type is; without one, the type must be RollingUpdate.
    let keeps = (!strategy["rollingUpdate"].is_null() || strategy["type"] == "RollingUpdate") && ordinal < start + below;
    let revision = if keeps { current } else { update };
    let mut pod = pod_of(&template_of(revision), set);
    pod["metadata"]["namespace"] = set["metadata"]["namespace"].clone();
    pod["metadata"]["name"] = Value::from(format!("{}-{ordinal}", name(set)));
    identify(&mut pod);
    pod["metadata"]["labels"][REVISION] = revision["metadata"]["name"].clone();
    pod["spec"]["hostname"] = pod["metadata"]["name"].clone();
    if let Some(service) = set["spec"]["serviceName"].as_str().filter(|service| !service.is_empty()) {
        pod["spec"]["subdomain"] = Value::from(service);
    }
    mount_claims(set, &mut pod);
    pod
}

fn identify(pod: &mut Value) {
    let pod_name = pod["metadata"]["name"].clone();
    let index = ordinal(pod).unwrap_or(0).to_string();
    pod["metadata"]["labels"][POD_NAME] = pod_name;
    pod["metadata"]["labels"][POD_INDEX] = Value::from(index);
}

fn mount_claims(set: &Value, pod: &mut Value) {
    let templates = claim_templates(set);
    if templates.is_empty() {
        return;
    }
    let at = ordinal(pod).unwrap_or(0);
    let mut volumes: Vec<Value> = templates
        .iter()
        .map(|template| json!({"name": template["metadata"]["name"], "persistentVolumeClaim": {"claimName": claims::claim_name(set, template, at)}}))
        .collect();
    let others = list(&pod["spec"]["volumes"]).iter().filter(|volume| templates.iter().all(|template| template["metadata"]["name"] != volume["name"]));
    volumes.extend(others.cloned());
    pod["spec"]["volumes"] = Value::from(volumes);
}

/// Puts the label with its own name back on a pod that lost it.
pub fn restore_identity(world: &mut World, set: &Value, pod: &Value) -> Result<()> {
    if label(pod, POD_NAME) == Some(name(pod)) || namespace(pod) != namespace(set) {
        return Ok(());
    }
    let mut copy = pod.clone();
    identify(&mut copy);
    let outcome = client::update(world, BY, Kind::PODS, copy);
    super::record(world, set, "Update", pod, &outcome);
    outcome.map(|_| ())
}
