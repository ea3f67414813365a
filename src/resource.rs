//! Names of kinds and objects: `deploy`, `deployments.apps` and `shop/sts/db` to a group, a version and a path.
//!
//! Only the kinds that every cluster has stand here, so that the common ones cost no request; the others come from discovery (`cluster`).

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

use crate::error::{Error, Result};

/// A kind as the API server serves it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    pub group: Cow<'static, str>,
    pub version: Cow<'static, str>,
    pub kind: Cow<'static, str>,
    pub plural: Cow<'static, str>,
    pub singular: Cow<'static, str>,
    pub short_names: Cow<'static, [Cow<'static, str>]>,
    pub namespaced: bool,
}

const fn known(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    singular: &'static str,
    short_names: &'static [Cow<'static, str>],
    namespaced: bool,
) -> Resource {
    Resource {
        group: Cow::Borrowed(group),
        version: Cow::Borrowed(version),
        kind: Cow::Borrowed(kind),
        plural: Cow::Borrowed(plural),
        singular: Cow::Borrowed(singular),
        short_names: Cow::Borrowed(short_names),
        namespaced,
    }
}

macro_rules! short { ($($name:literal),*) => { &[$(Cow::Borrowed($name)),*] }; }

pub static DEPLOYMENT: Resource = known("apps", "v1", "Deployment", "deployments", "deployment", short!["deploy"], true);
pub static STATEFUL_SET: Resource = known("apps", "v1", "StatefulSet", "statefulsets", "statefulset", short!["sts"], true);
pub static DAEMON_SET: Resource = known("apps", "v1", "DaemonSet", "daemonsets", "daemonset", short!["ds"], true);
pub static REPLICA_SET: Resource = known("apps", "v1", "ReplicaSet", "replicasets", "replicaset", short!["rs"], true);
pub static CONTROLLER_REVISION: Resource = known("apps", "v1", "ControllerRevision", "controllerrevisions", "controllerrevision", short![], true);
pub static POD: Resource = known("", "v1", "Pod", "pods", "pod", short!["po"], true);
pub static CONFIG_MAP: Resource = known("", "v1", "ConfigMap", "configmaps", "configmap", short!["cm"], true);
pub static SECRET: Resource = known("", "v1", "Secret", "secrets", "secret", short![], true);
pub static HORIZONTAL_POD_AUTOSCALER: Resource =
    known("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "horizontalpodautoscaler", short!["hpa"], true);
pub static EVENT: Resource = known("", "v1", "Event", "events", "event", short!["ev"], true);
pub static NAMESPACE: Resource = known("", "v1", "Namespace", "namespaces", "namespace", short!["ns"], false);

/// The kinds that are the same on every supported cluster.
static KNOWN: &[&Resource] = &[
    &DEPLOYMENT,
    &STATEFUL_SET,
    &DAEMON_SET,
    &REPLICA_SET,
    &CONTROLLER_REVISION,
    &POD,
    &EVENT,
    &known("", "v1", "Service", "services", "service", short!["svc"], true),
    &CONFIG_MAP,
    &SECRET,
    &known("", "v1", "ServiceAccount", "serviceaccounts", "serviceaccount", short!["sa"], true),
    &NAMESPACE,
    &known("", "v1", "Node", "nodes", "node", short!["no"], false),
    &known("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "persistentvolumeclaim", short!["pvc"], true),
    &HORIZONTAL_POD_AUTOSCALER,
    &known("batch", "v1", "Job", "jobs", "job", short![], true),
    &known("batch", "v1", "CronJob", "cronjobs", "cronjob", short!["cj"], true),
    &known("", "v1", "PersistentVolume", "persistentvolumes", "persistentvolume", short!["pv"], false),
    &known("", "v1", "ResourceQuota", "resourcequotas", "resourcequota", short!["quota"], true),
    &known("", "v1", "LimitRange", "limitranges", "limitrange", short!["limits"], true),
    &known("networking.k8s.io", "v1", "Ingress", "ingresses", "ingress", short!["ing"], true),
    &known("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "networkpolicy", short!["netpol"], true),
    &known("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "poddisruptionbudget", short!["pdb"], true),
    &known("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", "endpointslice", short![], true),
    &known("coordination.k8s.io", "v1", "Lease", "leases", "lease", short![], true),
];

impl Resource {
    /// The kind that every cluster serves under this plural, singular, short or kind name, `deployments.apps` and
    /// `deployments.v1.apps` included; `None` means: ask discovery.
    pub fn known(name: &str) -> Option<&'static Resource> {
        let name = name.to_lowercase();
        KNOWN.iter().copied().find(|resource| resource.answers_to(&name))
    }

    /// The kinds that every supported cluster has, each once.
    pub fn common() -> impl Iterator<Item = &'static Resource> {
        KNOWN.iter().copied()
    }

    /// The resource of an object's own `apiVersion` and `kind`, when it is a known one.
    pub fn of_object(object: &Value) -> Option<&'static Resource> {
        let (api_version, kind) = (object["apiVersion"].as_str()?, object["kind"].as_str()?);
        KNOWN.iter().copied().find(|resource| resource.kind == kind && resource.api_version() == api_version)
    }

    /// Whether a (lower-case) name means this resource.
    pub fn answers_to(&self, name: &str) -> bool {
        let (word, rest) = name.split_once('.').map_or((name, None), |(word, rest)| (word, Some(rest)));
        let named = self.plural == word || self.singular == word || self.short_names.iter().any(|short| short == word);
        let group_fits = |rest: &str| rest == self.group || rest.strip_prefix(self.version.as_ref()).is_some_and(|group| group == format!(".{}", self.group));
        named && rest.is_none_or(group_fits)
    }

    /// `v1` or `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_string() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `pods` or `deployments.apps`, as the API server names it in messages.
    pub fn qualified(&self) -> String {
        if self.group.is_empty() { self.plural.to_string() } else { format!("{}.{}", self.plural, self.group) }
    }

    /// The path of the collection: all namespaces, or one.
    pub fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() { format!("/api/{}", self.version) } else { format!("/apis/{}/{}", self.group, self.version) };
        match namespace.filter(|_| self.namespaced) {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", self.plural),
            None => format!("{root}/{}", self.plural),
        }
    }
}

/// One object by kind, namespace and name. Displays as `deployment/web`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    pub resource: Resource,
    /// Always set for a namespaced kind once the session has filled in its own.
    pub namespace: Option<String>,
    pub name: String,
}

impl Target {
    pub fn new(resource: &Resource, namespace: Option<&str>, name: &str) -> Self {
        Self { resource: resource.clone(), namespace: namespace.map(str::to_owned), name: name.to_owned() }
    }

    /// `/apis/apps/v1/namespaces/shop/deployments/web`.
    pub fn path(&self) -> String {
        format!("{}/{}", self.resource.path(self.namespace.as_deref()), self.name)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.resource.singular, self.name)
    }
}

/// `kind/name` or `namespace/kind/name`, taken apart but not yet looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written<'a> {
    pub namespace: Option<&'a str>,
    pub kind: &'a str,
    pub name: &'a str,
}

impl<'a> Written<'a> {
    /// # Errors
    /// `usage` when the text is not of either form, or a part of it is empty.
    pub fn parse(text: &'a str) -> Result<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let written = match parts.as_slice() {
            [kind, name] => Some(Self { namespace: None, kind, name }),
            [namespace, kind, name] => Some(Self { namespace: Some(namespace), kind, name }),
            _ => None,
        };
        written
            .filter(|it| !it.kind.is_empty() && !it.name.is_empty() && it.namespace != Some(""))
            .ok_or_else(|| Error::usage(format!("{text:?} is not a target")).hint("write kind/name or namespace/kind/name, as in \"deploy/web\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_answers_to_all_names_that_kubectl_knows() {
        for name in ["deploy", "deployment", "deployments", "Deployment", "deployments.apps", "deployment.v1.apps"] {
            assert_eq!(Resource::known(name), Some(&DEPLOYMENT), "{name}");
        }
        assert_eq!(Resource::known("deployments.batch"), None);
    }

    #[test]
    fn a_target_has_two_or_three_parts() {
        assert_eq!(Written::parse("shop/sts/db").expect("three parts"), Written { namespace: Some("shop"), kind: "sts", name: "db" });
        for bad in ["web", "deploy/", "/web", "a/b/c/d", "/deploy/web"] {
            assert!(Written::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_are_the_api_servers() {
        assert_eq!(Target::new(&DEPLOYMENT, Some("shop"), "web").path(), "/apis/apps/v1/namespaces/shop/deployments/web");
        assert_eq!(Target::new(&POD, Some("shop"), "a").path(), "/api/v1/namespaces/shop/pods/a");
    }
}
