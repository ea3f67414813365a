//! What every new cluster has: its namespaces and the Service through which pods reach the API server.

use super::access;
use super::api::Caller;
use super::kinds::Kind;
use super::world::World;
use crate::sim::json::json;

/// The namespaces of a new cluster, in the order in which the real server makes them.
const NAMESPACES: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "default"];

/// The first address of the range that Services have theirs from.
const ADDRESS: &str = "10.96.0.1";

/// Lays the ground that a cluster stands on.
pub fn lay(world: &mut World) {
    let server = Caller::component("kube-apiserver");
    for name in NAMESPACES {
        let namespace = json!({ "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": name } }, "spec": { "finalizers": ["kubernetes"] } });
        world.create(Kind::NAMESPACES, namespace, &server).expect("an empty store takes a namespace");
    }
    access::lay(world);
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
