//! What every new cluster has: its namespaces and the Service through which pods reach the API server.

use std::sync::LazyLock;

use super::access;
use super::api::{Caller, Subresource};
use super::kinds::Kind;
use super::manage;
use super::world::World;
use crate::sim::json::{Value, json};

/// What a real server makes for itself: its API services, the two priority classes, flow control, the range of Services' addresses.
static OWN: LazyLock<Vec<Value>> = LazyLock::new(|| serde_json::from_str(include_str!("data/bootstrap.json")).expect("bootstrap.json is JSON"));

/// The namespaces of a new cluster, in the order in which the real server makes them.
const NAMESPACES: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "default"];

/// The first address of the range that Services have theirs from.
const ADDRESS: &str = "10.96.0.1";

/// Lays the ground that a cluster stands on.
pub fn lay(world: &mut World) {
    let server = Caller::component("kube-apiserver");
    for name in NAMESPACES {
        let namespace = json!({ "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": name } } });
        world.create(Kind::NAMESPACES, namespace, &server).expect("an empty store takes a namespace");
    }
    access::lay(world);
    lay_own(world);
    let labels = json!({ "component": "apiserver", "provider": "kubernetes" });
    let service = json!({
        "metadata": { "name": "kubernetes", "namespace": "default", "labels": labels },
        "spec": { "type": "ClusterIP", "clusterIP": ADDRESS, "ports": [{ "name": "https", "protocol": "TCP", "port": 443, "targetPort": 6443 }] },
    });
    world.create(Kind::SERVICES, service, &server).expect("an empty store takes a Service");
    let slice = json!({
        "metadata": { "name": "kubernetes", "namespace": "default", "labels": { "kubernetes.io/service-name": "kubernetes" } },
        "addressType": "IPv4", "endpoints": [{ "addresses": ["172.18.0.1"], "conditions": { "ready": true } }],
        "ports": [{ "name": "https", "port": 6443, "protocol": "TCP" }],
    });
    world.create(Kind::ENDPOINTSLICES, slice, &server).expect("an empty store takes an EndpointSlice");
}

/// These are whole already, so they go past what writes of clients go through.
fn lay_own(world: &mut World) {
    for object in OWN.iter() {
        let Some(kind) = Kind::of_object(object) else { continue };
        let mut object = object.clone();
        let status = object.as_object_mut().and_then(|it| it.remove("status"));
        object["metadata"]["uid"] = world.uid().into();
        let now = world.stamp();
        object["metadata"]["creationTimestamp"] = now.as_str().into();
        if kind.group() != "apiregistration.k8s.io" && kind != Kind::SERVICECIDRS {
            object["metadata"]["generation"] = json!(1);
        }
        let manager = if kind.group().starts_with("flowcontrol") { "api-priority-and-fairness-config-producer-v1" } else { "kube-apiserver" };
        let mut object = manage::note(world, kind, object, None, Subresource::Main, &Caller::component(manager));
        if let Some(mut status) = status {
            for condition in status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten() {
                condition["lastTransitionTime"] = now.as_str().into();
            }
            object["status"] = status;
        }
        world.put(kind, object);
    }
}
