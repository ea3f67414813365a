//! What every new cluster has: its namespaces, roles and accounts, and the Service through which pods reach the API server.

use std::sync::LazyLock;

use super::api::{Caller, Subresource};
use super::controllers::ROOT_CA_TEXT;
use super::kinds::Kind;
use super::manage;
use super::world::World;
use crate::sim::json::{Value, json};

/// What a real server makes for itself: its API services, the two priority classes, flow control, the range of Services' addresses.
static OWN: LazyLock<Vec<Value>> = LazyLock::new(|| serde_json::from_str(include_str!("data/bootstrap.json")).expect("bootstrap.json is JSON"));

/// Roles and who has them, in the order in which a real server makes them. Those that are put together from others have no rules yet.
static ROLES: LazyLock<Vec<Value>> = LazyLock::new(|| serde_json::from_str(include_str!("data/roles.json")).expect("roles.json is JSON"));

/// The controllers that have an account, which the controller manager makes for them.
const CONTROLLERS: [&str; 34] = [
    "attachdetach-controller",
    "certificate-controller",
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "daemon-set-controller",
    "deployment-controller",
    "device-taint-eviction-controller",
    "disruption-controller",
    "endpoint-controller",
    "endpointslice-controller",
    "endpointslicemirroring-controller",
    "ephemeral-volume-controller",
    "expand-controller",
    "generic-garbage-collector",
    "horizontal-pod-autoscaler",
    "job-controller",
    "legacy-service-account-token-cleaner",
    "namespace-controller",
    "node-controller",
    "persistent-volume-binder",
    "pv-protection-controller",
    "pvc-protection-controller",
    "replicaset-controller",
    "replication-controller",
    "resource-claim-controller",
    "resourcequota-controller",
    "root-ca-cert-publisher",
    "service-account-controller",
    "service-cidrs-controller",
    "statefulset-controller",
    "ttl-after-finished-controller",
    "ttl-controller",
    "validatingadmissionpolicy-status-controller",
    "volumeattributesclass-protection-controller",
];

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
    lay_own(world, &OWN);
    lay_own(world, &ROLES);
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
    lay_configuration(world);
    if !world.controllers.off {
        for name in CONTROLLERS {
            let account = json!({ "metadata": { "name": name, "namespace": "kube-system" } });
            world.create(Kind::SERVICEACCOUNTS, account, &Caller::component("kube-controller-manager")).expect("an empty store takes an account");
        }
    }
}

/// What the server tells other servers of itself: whom it trusts, and since when it watches tokens of the old form.
fn lay_configuration(world: &mut World) {
    let trusted = json!({
        "client-ca-file": ROOT_CA_TEXT,
        "requestheader-allowed-names": "[\"front-proxy-client\"]",
        "requestheader-client-ca-file": ROOT_CA_TEXT,
        "requestheader-extra-headers-prefix": "[\"X-Remote-Extra-\"]",
        "requestheader-group-headers": "[\"X-Remote-Group\"]",
        "requestheader-username-headers": "[\"X-Remote-User\"]",
    });
    let since = json!({ "since": world.stamp()[..10] });
    for (name, data) in [("extension-apiserver-authentication", trusted), ("kube-apiserver-legacy-service-account-token-tracking", since)] {
        let map = json!({ "metadata": { "name": name, "namespace": "kube-system" }, "data": data });
        world.create(Kind::CONFIGMAPS, map, &Caller::component("kube-apiserver")).expect("an empty store takes a ConfigMap");
    }
}

/// These are whole already, so they go past what writes of clients go through.
fn lay_own(world: &mut World, objects: &[Value]) {
    for object in objects {
        let Some(kind) = Kind::of_object(object) else { continue };
        let mut object = object.clone();
        let status = object.as_object_mut().and_then(|it| it.remove("status"));
        object["metadata"]["uid"] = world.uid().into();
        let now = world.stamp();
        object["metadata"]["creationTimestamp"] = now.as_str().into();
        if matches!(kind.group(), "flowcontrol.apiserver.k8s.io" | "scheduling.k8s.io") {
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
