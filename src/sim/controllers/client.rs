//! How controllers read and write: through the API server's own rules, each under its component's name.

use std::sync::Arc;

use super::object::{controller_of, deleting};
use crate::sim::api::{Caller, DeleteOptions, Propagation, Subresource};
use crate::sim::failure::{Failure, Result};
use crate::sim::fault;
use crate::sim::json::Value;
use crate::sim::kinds::Kind;
use crate::sim::world::World;

/// A part of the control plane that writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    Deployment,
    ReplicaSet,
    ReplicationController,
    StatefulSet,
    DaemonSet,
    Job,
    CronJob,
    EndpointSlice,
    Disruption,
    Autoscaler,
    ResourceQuota,
    Garbage,
    Namespace,
    ServiceAccount,
    RootCa,
    RoleAggregation,
    Volume,
    NodeLifecycle,
    Scheduler,
    Kubelet,
}

impl Component {
    /// The source that its events name.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Deployment => "deployment-controller",
            Self::ReplicaSet => "replicaset-controller",
            Self::ReplicationController => "replication-controller",
            Self::StatefulSet => "statefulset-controller",
            Self::DaemonSet => "daemonset-controller",
            Self::Job => "job-controller",
            Self::CronJob => "cronjob-controller",
            Self::EndpointSlice => "endpoint-slice-controller",
            Self::Disruption => "controllermanager",
            Self::ResourceQuota => "resourcequota-controller",
            Self::Autoscaler => "horizontal-pod-autoscaler",
            Self::Garbage => "garbage-collector-controller",
            Self::Namespace => "namespace-controller",
            Self::ServiceAccount => "service-account-controller",
            Self::RootCa => "root-ca-certificate-publisher",
            Self::RoleAggregation => "clusterrole-aggregation-controller",
            Self::Volume => "persistentvolume-controller",
            Self::NodeLifecycle => "node-controller",
            Self::Scheduler => "default-scheduler",
            Self::Kubelet => "kubelet",
        }
    }

    /// The field manager of its writes: the program that it is a part of.
    pub const fn manager(self) -> &'static str {
        match self {
            Self::Scheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
            _ => "kube-controller-manager",
        }
    }

    pub fn caller(self) -> Caller {
        let user = match self {
            Self::Scheduler => "system:kube-scheduler".to_owned(),
            Self::Kubelet => "system:node:node-1".to_owned(),
            component => format!("system:serviceaccount:kube-system:{}", component.source()),
        };
        Caller { user, ..Caller::component(self.manager()) }
    }
}

pub fn get(world: &World, kind: Kind, namespace: &str, name: &str) -> Option<Arc<Value>> {
    world.find(kind, namespace, name).cloned()
}

/// The objects of a kind whose controller is `uid`, in the order of their names.
pub fn owned(world: &World, kind: Kind, uid: &str) -> Vec<Arc<Value>> {
    world
        .owned_by(uid)
        .filter(|(of, object)| *of == kind && controller_of(object).is_some_and(|owner| owner["uid"] == uid))
        .map(|(_, object)| Arc::clone(object))
        .collect()
}

pub fn list(world: &World, kind: Kind, namespace: Option<&str>) -> Vec<Arc<Value>> {
    world.list(kind, namespace).cloned().collect()
}

/// # Errors
/// As the API server's, and what a fault says.
pub fn create(world: &mut World, by: Component, kind: Kind, object: Value) -> Result<Arc<Value>> {
    fault::before_component(world, by.manager(), "create", kind)?;
    world.create(kind, object, &by.caller())
}

/// Writes the main face of an object; the resource version that it was read with must still be the present one.
///
/// # Errors
/// As the API server's.
pub fn update(world: &mut World, by: Component, kind: Kind, object: Value) -> Result<Arc<Value>> {
    fault::before_component(world, by.manager(), "update", kind)?;
    world.update(kind, object, Subresource::Main, &by.caller())
}

/// # Errors
/// As the API server's.
pub fn update_status(world: &mut World, by: Component, kind: Kind, object: Value) -> Result<Arc<Value>> {
    fault::before_component(world, by.manager(), "update", kind)?;
    world.update(kind, object, Subresource::Status, &by.caller())
}

/// What a deletion asks for, besides the object.
#[derive(Clone, Debug, Default)]
pub struct Deletion {
    pub uid: Option<String>,
    pub resource_version: Option<String>,
    pub grace_s: Option<i64>,
    pub propagation: Option<Propagation>,
}

/// # Errors
/// As the API server's.
pub fn delete(world: &mut World, by: Component, kind: Kind, namespace: &str, name: &str, deletion: Deletion) -> Result<()> {
    fault::before_component(world, by.manager(), "delete", kind)?;
    let Deletion { uid, resource_version, grace_s, propagation } = deletion;
    let options = DeleteOptions { grace_s, propagation, uid, resource_version };
    world.delete(kind, namespace, name, &options, &by.caller()).map(|_| ())
}

/// Whether a creation failed because its namespace goes away: then there is nothing to retry and nothing to report.
pub fn namespace_is_terminating(failure: &Failure) -> bool {
    let causes = &failure.to_value()["details"]["causes"];
    failure.code() == 403 && causes.as_array().is_some_and(|causes| causes.iter().any(|cause| cause["reason"] == "NamespaceTerminating"))
}

/// Whether the object is still there under its uid and not being deleted: asked before something is adopted.
pub fn still_alive(world: &World, kind: Kind, object: &Value) -> bool {
    get(world, kind, super::object::namespace(object), super::object::name(object))
        .is_some_and(|fresh| fresh["metadata"]["uid"] == object["metadata"]["uid"] && !deleting(&fresh))
}
