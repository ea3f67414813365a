//! What every new cluster has: its namespaces and the Service through which pods reach the API server.

use serde_json::json;

use super::api::Caller;
use super::kinds::Kind;
use super::world::World;

/// The namespaces of a new cluster, in the order in which the real server makes them.
const NAMESPACES: [&str; 4] = ["kube-system", "kube-public", "kube-node-lease", "default"];

/// Lays the ground that a cluster stands on.
pub fn lay(world: &mut World) {
    let server = Caller::component("kube-apiserver");
    for name in NAMESPACES {
        let namespace = json!({ "metadata": { "name": name, "labels": { "kubernetes.io/metadata.name": name } }, "spec": { "finalizers": ["kubernetes"] }, "status": { "phase": "Active" } });
        world.create(Kind::NAMESPACES, namespace, &server).expect("an empty store takes a namespace");
    }
}
