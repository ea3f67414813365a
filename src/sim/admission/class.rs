//! What classes add to those who name them: priorities and runtimes of pods, the default storage of claims.
//!
//! # Source
//! kubernetes 1.36.3 `plugin/pkg/admission/{priority,runtimeclass,storage/storageclass/setdefault}`.

use std::sync::Arc;

use super::super::failure::{Failure, Result};
use super::super::kinds::Kind;
use super::super::world::World;
use super::{asked_name, text};
use crate::sim::json::Value;

/// The annotations that make a StorageClass the default one.
const DEFAULT_STORAGE: [&str; 2] = ["storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class"];

fn refused(pod: &Value, why: &str) -> Failure {
    Failure::forbidden(Kind::PODS, asked_name(&pod["metadata"]), why)
}

/// The class for pods that name none: of several that somebody raced in, the lowest.
fn default_priority(world: &World) -> Option<&Arc<Value>> {
    world.list(Kind::PRIORITYCLASSES, None).filter(|it| it["globalDefault"] == true).min_by_key(|it| it["value"].as_i64())
}

/// Gives a pod the priority of its class.
pub fn priority(world: &World, pod: &mut Value) -> Result<()> {
    let named = text(&pod["spec"], "priorityClassName");
    let class = match named {
        "" => default_priority(world),
        name => match world.find(Kind::PRIORITYCLASSES, "", name) {
            Some(class) => Some(class),
            None => return Err(refused(pod, &format!("no PriorityClass with name {name} was found"))),
        },
    };
    let value = class.map_or(0, |it| it["value"].as_i64().unwrap_or(0));
    let policy = class.map_or("PreemptLowerPriority", |it| text(it, "preemptionPolicy"));
    if let Some(given) = pod["spec"]["priority"].as_i64().filter(|it| *it != value) {
        let computed = format!("priority admission controller computed {value} from the given PriorityClass name");
        return Err(refused(pod, &format!("the integer value of priority ({given}) must not be provided in pod spec; {computed}")));
    }
    if let Some(given) = pod["spec"]["preemptionPolicy"].as_str().filter(|it| *it != policy) {
        let computed = format!("priority admission controller computed {policy} from the given PriorityClass name");
        return Err(refused(pod, &format!("the string value of PreemptionPolicy ({given}) must not be provided in pod spec; {computed}")));
    }
    let (name, policy) = (class.map(|it| it["metadata"]["name"].clone()), policy.to_owned());
    let spec = &mut pod["spec"];
    if let Some(name) = name {
        spec["priorityClassName"] = name;
    }
    spec["priority"] = value.into();
    if !policy.is_empty() {
        spec["preemptionPolicy"] = policy.into();
    }
    Ok(())
}

/// Only one class may be the one for pods that name none.
pub fn one_default_priority(world: &World, class: &Value) -> Result<()> {
    let other = default_priority(world).filter(|it| class["globalDefault"] == true && it["metadata"]["name"] != class["metadata"]["name"]);
    let Some(other) = other else { return Ok(()) };
    let why = format!("PriorityClass {} is already marked as default. Only one default can exist", text(&other["metadata"], "name"));
    Err(Failure::forbidden(Kind::PRIORITYCLASSES, asked_name(&class["metadata"]), &why))
}

/// Adds to a pod what the runtime that it names costs, and where it is.
pub fn runtime(world: &World, pod: &mut Value) -> Result<()> {
    let name = text(&pod["spec"], "runtimeClassName").to_owned();
    if name.is_empty() {
        if pod["spec"]["overhead"].is_object() {
            return Err(refused(pod, "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"));
        }
        return Ok(());
    }
    let Some(class) = world.find(Kind::RUNTIMECLASSES, "", &name).cloned() else {
        return Err(refused(pod, &format!("pod rejected: RuntimeClass {name:?} not found")));
    };
    let overhead = &class["overhead"]["podFixed"];
    if pod["spec"]["overhead"].is_object() && pod["spec"]["overhead"] != *overhead {
        return Err(refused(pod, "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"));
    }
    if overhead.is_object() {
        pod["spec"]["overhead"] = overhead.clone();
    }
    for (key, value) in class["scheduling"]["nodeSelector"].as_object().into_iter().flatten() {
        let own = &pod["spec"]["nodeSelector"][key.as_str()];
        if !own.is_null() && own != value {
            let (of_class, of_pod) = (value.as_str().unwrap_or_default(), own.as_str().unwrap_or_default());
            let why = format!("conflict: runtimeClass.scheduling.nodeSelector[{key}] = {of_class}; pod.spec.nodeSelector[{key}] = {of_pod}");
            return Err(refused(pod, &why));
        }
        pod["spec"]["nodeSelector"][key.as_str()] = value.clone();
    }
    let mut tolerations = pod["spec"]["tolerations"].as_array().unwrap_or_default().to_vec();
    for toleration in class["scheduling"]["tolerations"].as_array().into_iter().flatten() {
        if !tolerations.contains(toleration) {
            tolerations.push(toleration.clone());
        }
    }
    pod["spec"]["tolerations"] = Value::from(tolerations);
    Ok(())
}

/// Gives a claim that names no class the default one: of several the newest, then the first by name.
pub fn default_storage(world: &World, claim: &mut Value) {
    if !claim["spec"]["storageClassName"].is_null() || !claim["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"].is_null() {
        return;
    }
    let is_default = |it: &&Arc<Value>| DEFAULT_STORAGE.iter().any(|key| it["metadata"]["annotations"][*key] == "true");
    let newest = world.list(Kind::STORAGECLASSES, None).filter(is_default).min_by(|one, other| {
        let (one, other) = (&one["metadata"], &other["metadata"]);
        text(other, "creationTimestamp").cmp(text(one, "creationTimestamp")).then(text(one, "name").cmp(text(other, "name")))
    });
    if let Some(class) = newest {
        claim["spec"]["storageClassName"] = class["metadata"]["name"].clone();
    }
}
