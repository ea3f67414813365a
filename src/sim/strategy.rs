//! What the server itself sets when an object is made or changed: generation, status, and what a part of an object may not touch.
//!
//! # Source
//! kubernetes 1.36.3 `pkg/registry/*/*/strategy.go`: `PrepareForCreate`, `PrepareForUpdate`, the policies on versions and on deletion.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::api::{Propagation, Subresource};
use super::custom::definition;
use super::kinds::Kind;
use super::schema::{self, decode};
use super::selector;
use crate::sim::json::{Map, Value, json, literal};

/// How many spellings of the deprecated counter there are: one.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// The empty status of each kind as its Go type writes it.
static EMPTY_STATUS: LazyLock<BTreeMap<Kind, Value>> = LazyLock::new(|| {
    Kind::all()
        .filter_map(|kind| {
            let ty = schema::of(kind.group(), kind.version(), kind.kind())?;
            let empty = decode::typed(ty, &json!({})).ok()?;
            Some((kind, empty.get("status")?.clone()))
        })
        .collect()
});

/// Whether changes of the spec are counted in `metadata.generation`.
fn counts_generations(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::PODS
            | Kind::DEPLOYMENTS
            | Kind::REPLICASETS
            | Kind::STATEFULSETS
            | Kind::DAEMONSETS
            | Kind::REPLICATIONCONTROLLERS
            | Kind::PODTEMPLATES
            | Kind::JOBS
            | Kind::CRONJOBS
            | Kind::PODDISRUPTIONBUDGETS
            | Kind::ENDPOINTSLICES
            | Kind::INGRESSES
            | Kind::INGRESSCLASSES
            | Kind::NETWORKPOLICIES
            | Kind::CUSTOMRESOURCEDEFINITIONS
            | Kind::DEVICECLASSES
            | Kind::FLOWSCHEMAS
            | Kind::MUTATINGADMISSIONPOLICIES
            | Kind::MUTATINGADMISSIONPOLICYBINDINGS
            | Kind::MUTATINGWEBHOOKCONFIGURATIONS
            | Kind::PRIORITYCLASSES
            | Kind::PRIORITYLEVELCONFIGURATIONS
            | Kind::RESOURCESLICES
            | Kind::VALIDATINGADMISSIONPOLICIES
            | Kind::VALIDATINGADMISSIONPOLICYBINDINGS
            | Kind::VALIDATINGWEBHOOKCONFIGURATIONS
    )
}

/// Whether an update without a resource version overwrites whatever is there.
pub fn allows_unconditional_update(kind: Kind) -> bool {
    let guarded = matches!(
        kind,
        Kind::LEASES
            | Kind::PODDISRUPTIONBUDGETS
            | Kind::APISERVICES
            | Kind::CSIDRIVERS
            | Kind::CUSTOMRESOURCEDEFINITIONS
            | Kind::CSINODES
            | Kind::RUNTIMECLASSES
            | Kind::VOLUMEATTACHMENTS
            | Kind::MUTATINGADMISSIONPOLICIES
            | Kind::MUTATINGADMISSIONPOLICYBINDINGS
            | Kind::MUTATINGWEBHOOKCONFIGURATIONS
            | Kind::VALIDATINGADMISSIONPOLICIES
            | Kind::VALIDATINGADMISSIONPOLICYBINDINGS
            | Kind::VALIDATINGWEBHOOKCONFIGURATIONS
    );
    !(guarded || (kind.group() == "storage.k8s.io" && kind.plural() == "csistoragecapacities"))
}

/// Whether an update makes an object that is not there.
pub fn allows_create_on_update(kind: Kind) -> bool {
    matches!(
        kind.stored(),
        Kind::EVENTS
            | Kind::SERVICES
            | Kind::ENDPOINTS
            | Kind::LIMITRANGES
            | Kind::LEASES
            | Kind::RUNTIMECLASSES
            | Kind::ROLES
            | Kind::ROLEBINDINGS
            | Kind::CLUSTERROLES
            | Kind::CLUSTERROLEBINDINGS
    )
}

/// What happens to dependents when a deletion does not say; `None` where the collector does not look at the kind.
pub fn default_propagation(kind: Kind) -> Option<Propagation> {
    match kind.stored() {
        Kind::EVENTS => None,
        Kind::JOBS | Kind::REPLICATIONCONTROLLERS => Some(Propagation::Orphan),
        _ => Some(Propagation::Background),
    }
}

fn take_status(object: &mut Value, status: Option<&Value>) {
    let Some(map) = object.as_object_mut() else { return };
    match status {
        Some(status) if !status.is_null() => map.insert(literal!("status"), status.clone()),
        _ => map.remove("status"),
    };
}

/// Prepares an object that is about to be made.
pub fn prepare_create(kind: Kind, object: &mut Value, now: &str) {
    let has_status = kind.subresource("status").is_some();
    // A kubelet registers its node with a status; nobody else may say how an object fares while making it.
    if has_status && kind != Kind::NODES {
        take_status(object, EMPTY_STATUS.get(&kind));
    }
    if counts_generations(kind) {
        object["metadata"]["generation"] = json!(1);
    }
    match kind {
        Kind::PODS => object["status"] = json!({ "phase": "Pending", "qosClass": quality(&object["spec"]) }),
        Kind::PERSISTENTVOLUMECLAIMS => object["status"] = json!({ "phase": "Pending" }),
        Kind::PERSISTENTVOLUMES => object["status"] = json!({ "phase": "Pending", "lastPhaseTransitionTime": now }),
        Kind::NAMESPACES => {
            object["status"] = json!({ "phase": "Active" });
            let mut finalizers = object["spec"]["finalizers"].as_array().unwrap_or_default().to_vec();
            if !finalizers.iter().any(|it| it == "kubernetes") {
                finalizers.push("kubernetes".into());
            }
            object["spec"]["finalizers"] = Value::from(finalizers);
        }
        Kind::DAEMONSETS => object["metadata"]["annotations"][TEMPLATE_GENERATION] = "1".into(),
        Kind::JOBS => {
            let given = object["spec"]["template"]["metadata"]["labels"].clone();
            label_job(object);
            // A Job without labels of its own has those of its template, and in Go they are one map.
            let own = &object["metadata"]["labels"];
            if own.as_object().is_none_or(Map::is_empty) || *own == given {
                object["metadata"]["labels"] = object["spec"]["template"]["metadata"]["labels"].clone();
            }
        }
        Kind::CUSTOMRESOURCEDEFINITIONS => definition::store_version(object),
        // The server asks for the approval of what it signs itself apart from the request.
        Kind::CERTIFICATESIGNINGREQUESTS => object["status"] = json!({}),
        _ => {}
    }
}

/// The labels by which a Job knows its pods.
fn label_job(job: &mut Value) {
    if job["spec"]["manualSelector"] == true {
        return;
    }
    let (name, uid) = (job["metadata"]["name"].clone(), job["metadata"]["uid"].clone());
    if let Some(labels) = child(child(child(&mut job["spec"], "template"), "metadata"), "labels").as_object_mut() {
        for key in ["controller-uid", "batch.kubernetes.io/controller-uid"] {
            labels.entry(key).or_insert_with(|| uid.clone());
        }
        for key in ["job-name", "batch.kubernetes.io/job-name"] {
            labels.entry(key).or_insert_with(|| name.clone());
        }
    }
    let selector = child(child(&mut job["spec"], "selector"), "matchLabels");
    if selector["batch.kubernetes.io/controller-uid"].is_null() {
        selector["batch.kubernetes.io/controller-uid"] = uid;
    }
}

fn child<'a>(value: &'a mut Value, key: &str) -> &'a mut Value {
    if !value[key].is_object() {
        value[key] = Value::Object(Map::new());
    }
    &mut value[key]
}

/// Prepares an object that is about to replace `old`: only what this face of it may touch differs afterwards.
pub fn prepare_update(kind: Kind, object: &mut Value, old: &Value, part: Subresource, now: &str) {
    if !old["metadata"]["generation"].is_null() {
        object["metadata"]["generation"] = old["metadata"]["generation"].clone();
    } else if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("generation");
    }
    match part {
        Subresource::Status => prepare_status(kind, object, old, now),
        Subresource::Finalize => take_status(object, Some(&old["status"])),
        Subresource::Approval => {
            keep(object, old, "/spec");
            keep(object, old, "/status/certificate");
            let stamp = |condition: &mut Value| {
                let before = old["status"]["conditions"].as_array().into_iter().flatten().find(|it| it["type"] == condition["type"]);
                for field in ["lastTransitionTime", "lastUpdateTime"] {
                    if condition[field].is_null() {
                        condition[field] = before.map_or(Value::Null, |it| it[field].clone());
                    }
                    if condition[field].is_null() {
                        condition[field] = now.into();
                    }
                }
            };
            object["status"].get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten().for_each(stamp);
        }
        Subresource::EphemeralContainers => {
            let containers = object["spec"]["ephemeralContainers"].take();
            object["spec"] = old["spec"].clone();
            if !containers.is_null() {
                object["spec"]["ephemeralContainers"] = containers;
            }
            keep(object, old, "/status");
            count(object, old);
        }
        Subresource::Main | Subresource::Scale | Subresource::Resize => {
            if kind.subresource("status").is_some() {
                take_status(object, Some(&old["status"]));
            }
            if kind == Kind::CUSTOMRESOURCEDEFINITIONS {
                definition::store_version(object);
            }
            if kind == Kind::DAEMONSETS {
                count_templates(object, old);
            }
            if kind == Kind::PERSISTENTVOLUMECLAIMS && object["spec"]["volumeName"].is_null() && !old["spec"]["volumeName"].is_null() {
                object["spec"]["volumeName"] = old["spec"]["volumeName"].clone();
            }
            if counts_generations(kind) {
                count(object, old);
            }
        }
    }
}

fn keep(object: &mut Value, old: &Value, pointer: &str) {
    let (parent, key) = pointer.rsplit_once('/').unwrap_or(("", pointer));
    let Some(parent) = object.pointer_mut(parent).and_then(Value::as_object_mut) else { return };
    match old.pointer(pointer) {
        Some(value) => parent.insert(key.to_owned(), value.clone()),
        None => parent.remove(key),
    };
}

fn prepare_status(kind: Kind, object: &mut Value, old: &Value, now: &str) {
    keep(object, old, "/spec");
    match kind {
        Kind::DEPLOYMENTS => keep(object, old, "/metadata/labels"),
        Kind::PODS => {
            keep(object, old, "/metadata/ownerReferences");
            keep(object, old, "/metadata/deletionTimestamp");
            if object["status"]["qosClass"].is_null() {
                object["status"]["qosClass"] = old["status"]["qosClass"].clone();
            }
            if object["status"]["observedGeneration"].is_null() && !old["status"]["observedGeneration"].is_null() {
                object["status"]["observedGeneration"] = old["status"]["observedGeneration"].clone();
            }
        }
        Kind::PERSISTENTVOLUMES => {
            let moved = object["status"]["phase"] != old["status"]["phase"];
            let same_time = object["status"]["lastPhaseTransitionTime"] == old["status"]["lastPhaseTransitionTime"];
            if moved && (object["status"]["lastPhaseTransitionTime"].is_null() || same_time) {
                object["status"]["lastPhaseTransitionTime"] = now.into();
            } else if !moved {
                keep(object, old, "/status/lastPhaseTransitionTime");
            }
        }
        _ => {}
    }
}

/// Raises the generation where what counts has changed: of a Deployment the annotations too, since they are copied to its ReplicaSets; of the kinds
/// without a spec all of it.
fn count(object: &mut Value, old: &Value) {
    let kind = object["kind"].as_str().unwrap_or_default();
    let differs = match kind {
        "Deployment" => object["spec"] != old["spec"] || object["metadata"]["annotations"] != old["metadata"]["annotations"],
        "EndpointSlice" => {
            ["endpoints", "ports", "addressType"].iter().any(|it| object[*it] != old[*it]) || object["metadata"]["labels"] != old["metadata"]["labels"]
        }
        "PodTemplate" => object["template"] != old["template"],
        // Its value may not change, so nothing in it counts.
        "PriorityClass" => false,
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => object["webhooks"] != old["webhooks"],
        _ => object["spec"] != old["spec"],
    };
    if differs {
        object["metadata"]["generation"] = (old["metadata"]["generation"].as_i64().unwrap_or(0) + 1).into();
    }
}

/// The template generation of a DaemonSet is the server's own, whatever the client says.
fn count_templates(object: &mut Value, old: &Value) {
    let before: i64 = old["metadata"]["annotations"][TEMPLATE_GENERATION].as_str().and_then(|it| it.parse().ok()).unwrap_or(0);
    let now = if object["spec"]["template"] == old["spec"]["template"] { before } else { before + 1 };
    child(&mut object["metadata"], "annotations")[TEMPLATE_GENERATION] = now.to_string().into();
}

/// The selector of a workload as its Scale shows it.
pub fn scale_selector(kind: Kind, object: &Value) -> String {
    let selector = &object["spec"]["selector"];
    if kind == Kind::REPLICATIONCONTROLLERS { selector::label_selector_text(&selector::of_map(selector)) } else { selector::label_selector_text(selector) }
}

/// A pod's quality of service: what its containers' requests and limits make of it.
///
/// # Source
/// `pkg/apis/core/helper/qos/qos.go`.
pub fn quality(spec: &Value) -> &'static str {
    const RESOURCES: [&str; 2] = ["cpu", "memory"];
    let containers: Vec<&Value> = ["containers", "initContainers"].iter().flat_map(|it| spec[*it].as_array().into_iter().flatten()).collect();
    let is_zero = |value: &Value| value.as_str().is_none_or(|it| it.trim_start_matches(['0', '.']).chars().next().is_none_or(|c| !c.is_ascii_digit()));
    let set = |container: &Value, which: &str, resource: &str| !is_zero(&container["resources"][which][resource]);
    let mut any = false;
    let mut guaranteed = true;
    for container in &containers {
        for resource in RESOURCES {
            any |= set(container, "requests", resource) || set(container, "limits", resource);
            let resources = &container["resources"];
            guaranteed &= set(container, "limits", resource) && resources["requests"][resource] == resources["limits"][resource];
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quality_of_a_pod_follows_its_resources() {
        let full = json!({ "cpu": "1", "memory": "1Gi" });
        for (resources, expected) in [
            (json!({}), "BestEffort"),
            (json!({ "requests": { "cpu": "50m" } }), "Burstable"),
            (json!({ "limits": full, "requests": full }), "Guaranteed"),
            (json!({ "limits": { "cpu": "1" }, "requests": { "cpu": "1" } }), "Burstable"),
            (json!({ "requests": { "cpu": "0" } }), "BestEffort"),
        ] {
            assert_eq!(quality(&json!({ "containers": [{ "resources": resources }] })), expected);
        }
    }

    #[test]
    fn a_job_without_labels_has_those_of_its_template() {
        for (labels, template, expected) in
            [(Value::Null, Value::Null, "web"), (json!({ "a": "b" }), json!({ "a": "b" }), "web"), (json!({ "own": "x" }), json!({ "a": "b" }), "")]
        {
            let mut job = json!({
                "metadata": { "name": "web", "uid": "u", "labels": labels }, "spec": { "template": { "metadata": { "labels": template }, "spec": {} } },
            });
            prepare_create(Kind::JOBS, &mut job, "now");
            assert_eq!(job["metadata"]["labels"]["job-name"].as_str().unwrap_or_default(), expected, "{job}");
        }
    }

    #[test]
    fn the_generation_counts_what_controllers_must_react_to() {
        let old =
            json!({ "kind": "Deployment", "metadata": { "generation": 3, "labels": { "a": "b" } }, "spec": { "replicas": 1 }, "status": { "replicas": 1 } });
        let generation = |kind: Kind, part: Subresource, change: &dyn Fn(&mut Value)| {
            let mut object = old.clone();
            object["kind"] = kind.kind().into();
            change(&mut object);
            prepare_update(kind, &mut object, &old, part, "now");
            (object["metadata"]["generation"].as_i64(), object["spec"]["replicas"].as_i64(), object["status"]["replicas"].as_i64())
        };
        let scale = |it: &mut Value| it["spec"]["replicas"] = json!(2);
        let annotate = |it: &mut Value| it["metadata"]["annotations"] = json!({ "x": "y" });
        let label = |it: &mut Value| it["metadata"]["labels"] = json!({ "x": "y" });
        let report = |it: &mut Value| it["status"]["replicas"] = json!(9);
        assert_eq!(generation(Kind::DEPLOYMENTS, Subresource::Main, &scale), (Some(4), Some(2), Some(1)));
        assert_eq!(generation(Kind::DEPLOYMENTS, Subresource::Main, &annotate).0, Some(4));
        assert_eq!(generation(Kind::REPLICASETS, Subresource::Main, &annotate).0, Some(3));
        assert_eq!(generation(Kind::DEPLOYMENTS, Subresource::Main, &label).0, Some(3));
        assert_eq!(generation(Kind::DEPLOYMENTS, Subresource::Main, &report), (Some(3), Some(1), Some(1)));
        assert_eq!(generation(Kind::DEPLOYMENTS, Subresource::Status, &report), (Some(3), Some(1), Some(9)));
        assert_eq!(generation(Kind::DEPLOYMENTS, Subresource::Status, &scale), (Some(3), Some(1), Some(1)));
    }
}
