//! Objects described in kubectl's layout, and pod templates in both of its forms. Objects in, text out: fetching what stands around an
//! object (`needs`) is the caller's.
//!
//! # Source
//! `describe.go` of kubectl 0.36.3. Times are printed in UTC, where kubectl takes the zone of the machine that it runs on; events of one
//! instant keep their order, where kubectl's sort mixes them.

mod events;
mod generic;
mod network;
mod node;
mod page;
mod pod;
mod quantity;
mod storage;
mod template;
mod value;
mod volume;
mod workload;

use jiff::Timestamp;
use serde_json::Value;

use page::Page;
use value::text;

/// What stands around an object, as far as its description tells it. What could not be fetched is left out.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// A Deployment's ReplicaSets; others may be among them.
    pub revisions: Vec<Value>,
    /// The pods of a controller's selector (others may be among them), on a Node, or in a claim's namespace. `None`: not allowed to see them.
    pub pods: Option<Vec<Value>>,
    /// Events about the object. `None`: the block is left out.
    pub events: Option<Vec<Value>>,
    /// The EndpointSlices of a Service.
    pub endpoint_slices: Vec<Value>,
    /// The Lease by which a Node says that it lives, or why it could not be read.
    pub lease: Option<Result<Value, String>>,
}

/// What to fetch before an object of this kind is described.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// ReplicaSets of the object's selector.
    Revisions,
    /// Pods of the object's selector.
    Pods,
    /// All pods of its namespace.
    PodsOfNamespace,
    /// Pods with `spec.nodeName` of this name that have not ended: field selector
    /// `spec.nodeName=NAME,status.phase!=Succeeded,status.phase!=Failed`, in all namespaces.
    PodsOfNode,
    /// EndpointSlices labelled `kubernetes.io/service-name=NAME`.
    EndpointSlices,
    /// The Lease of this name in `kube-node-lease`.
    Lease,
    /// Events with `involvedObject` name, namespace, kind and uid; for a Pod without kind, for a Node those with its name as uid too.
    Events,
}

/// What the description of a kind tells beside the object itself.
pub fn needs(group: &str, kind: &str) -> &'static [Need] {
    match (group, kind) {
        ("apps", "Deployment") => &[Need::Revisions, Need::Events],
        ("apps", "ReplicaSet" | "StatefulSet" | "DaemonSet") => &[Need::Pods, Need::Events],
        ("", "Service") => &[Need::EndpointSlices, Need::Events],
        ("", "Node") => &[Need::PodsOfNode, Need::Lease, Need::Events],
        ("", "PersistentVolumeClaim") => &[Need::PodsOfNamespace, Need::Events],
        ("", "Secret") => &[],
        _ => &[Need::Events],
    }
}

/// The text of `kubectl describe`, with a newline at its end.
pub fn describe(object: &Value, around: &Around, now: Timestamp) -> String {
    let group = text(&object["apiVersion"]).split_once('/').map_or("", |(group, _)| group);
    let mut page = Page::new(now);
    match (group, text(&object["kind"])) {
        ("apps", "Deployment") => workload::deployment(&mut page, object, around),
        ("apps", "ReplicaSet") => workload::replica_set(&mut page, object, around),
        ("apps", "StatefulSet") => workload::stateful_set(&mut page, object, around),
        ("apps", "DaemonSet") => workload::daemon_set(&mut page, object, around),
        ("batch", "Job") => workload::job(&mut page, object),
        ("batch", "CronJob") => workload::cron_job(&mut page, object),
        ("", "Pod") => pod::describe(&mut page, object),
        ("", "Node") => node::describe(&mut page, object, around),
        ("", "Service") => network::service(&mut page, object, around),
        ("", "ConfigMap") => storage::config_map(&mut page, object),
        ("", "Secret") => storage::secret(&mut page, object),
        ("", "PersistentVolumeClaim") => storage::claim(&mut page, object, around),
        _ => generic::describe(&mut page, object),
    }
    if let Some(events) = &around.events {
        events::block(&mut page, events);
    }
    page.aligned()
}

/// A pod template as `kubectl rollout history --revision` prints it: with tabs, not aligned. Aligned it is part of `describe`.
pub fn pod_template(template: &Value) -> String {
    let mut page = Page::new(Timestamp::UNIX_EPOCH);
    template::describe(&mut page, template);
    page.tabbed()
}

#[cfg(test)]
mod tests;
