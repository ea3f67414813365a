//! A Deployment, StatefulSet or DaemonSet as the API server sent it, with the questions that rollouts ask of it.

use serde_json::Value;

use super::object::{self, int, items, text};
use crate::error::{Error, Result};
use crate::resource::{self, Resource, Target};

/// The kinds that roll out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet];

    /// `None` for a kind that does not roll out.
    pub fn of(resource: &Resource) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.resource().kind == resource.kind && kind.resource().group == resource.group)
    }

    pub fn resource(self) -> &'static Resource {
        match self {
            Kind::Deployment => &resource::DEPLOYMENT,
            Kind::StatefulSet => &resource::STATEFUL_SET,
            Kind::DaemonSet => &resource::DAEMON_SET,
        }
    }

    /// What keeps this kind's revisions: ReplicaSets or ControllerRevisions.
    pub fn revisions(self) -> &'static Resource {
        match self {
            Kind::Deployment => &resource::REPLICA_SET,
            Kind::StatefulSet | Kind::DaemonSet => &resource::CONTROLLER_REVISION,
        }
    }

    /// As kubectl writes it in the sentences of `rollout status`: `daemon set`.
    pub(super) fn words(self) -> &'static str {
        match self {
            Kind::Deployment => "deployment",
            Kind::StatefulSet => "statefulset",
            Kind::DaemonSet => "daemon set",
        }
    }
}

/// One workload object.
#[derive(Clone, Debug)]
pub struct Workload {
    kind: Kind,
    object: Value,
}

impl Workload {
    /// # Errors
    /// `invalid` when the object is of another kind.
    pub fn new(object: Value) -> Result<Self> {
        let Some(kind) = Resource::of_object(&object).and_then(Kind::of) else {
            let kind = text(&object["kind"]);
            let what = if kind.is_empty() { "an object without a kind".to_owned() } else { format!("{}/{}", kind.to_lowercase(), object::name(&object)) };
            return Err(Error::invalid(format!("{what} does not roll out")).hint("deployments, statefulsets and daemonsets do (apiVersion apps/v1)"));
        };
        object::named(&object)?;
        Ok(Self { kind, object })
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn object(&self) -> &Value {
        &self.object
    }

    pub fn target(&self) -> Target {
        object::target(self.kind.resource(), &self.object)
    }

    pub fn uid(&self) -> &str {
        object::uid(&self.object)
    }

    pub fn namespace(&self) -> &str {
        text(&self.object["metadata"]["namespace"])
    }

    pub fn name(&self) -> &str {
        object::name(&self.object)
    }

    pub fn generation(&self) -> i64 {
        int(&self.object["metadata"]["generation"])
    }

    pub fn observed_generation(&self) -> i64 {
        int(&self.status()["observedGeneration"])
    }

    pub fn template(&self) -> &Value {
        &self.spec()["template"]
    }

    pub fn spec(&self) -> &Value {
        &self.object["spec"]
    }

    pub fn status(&self) -> &Value {
        &self.object["status"]
    }

    /// Only Deployments can be paused.
    pub fn paused(&self) -> bool {
        self.kind == Kind::Deployment && self.spec()["paused"] == true
    }

    pub fn annotation(&self, key: &str) -> Option<&str> {
        object::annotation(&self.object, key)
    }

    pub fn change_cause(&self) -> Option<&str> {
        self.annotation(super::history::CHANGE_CAUSE).filter(|cause| !cause.is_empty())
    }

    /// How many pods there shall be; of a DaemonSet: on how many nodes.
    pub fn desired(&self) -> i64 {
        match self.kind {
            Kind::DaemonSet => int(&self.status()["desiredNumberScheduled"]),
            Kind::Deployment | Kind::StatefulSet => self.spec()["replicas"].as_i64().unwrap_or(1),
        }
    }

    /// `spec.strategy` of a Deployment, `spec.updateStrategy` of the others.
    pub fn strategy(&self) -> &Value {
        &self.spec()[self.strategy_field()]
    }

    pub(super) fn strategy_field(&self) -> &'static str {
        if self.kind == Kind::Deployment { "strategy" } else { "updateStrategy" }
    }

    /// `RollingUpdate`, `Recreate` or `OnDelete`.
    pub fn strategy_type(&self) -> &str {
        match text(&self.strategy()["type"]) {
            "" => "RollingUpdate",
            kind => kind,
        }
    }

    /// How many of the desired pods stay available during a rolling update; 0 when the strategy promises none.
    pub(super) fn min_available(&self) -> i64 {
        let desired = self.desired();
        let rolling = &self.strategy()["rollingUpdate"];
        match (self.kind, self.strategy_type()) {
            (Kind::Deployment, "RollingUpdate") => {
                let surge = resolve(&rolling["maxSurge"], desired, Round::Up).unwrap_or_else(|| percent(25, desired, Round::Up));
                let unavailable = resolve(&rolling["maxUnavailable"], desired, Round::Down).unwrap_or_else(|| percent(25, desired, Round::Down));
                let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
                (desired - unavailable).max(0)
            }
            (Kind::StatefulSet, "RollingUpdate") => (desired - resolve(&rolling["maxUnavailable"], desired, Round::Down).unwrap_or(1).max(1)).max(0),
            (Kind::DaemonSet, "RollingUpdate") => (desired - resolve(&rolling["maxUnavailable"], desired, Round::Up).unwrap_or(1)).max(0),
            _ => 0,
        }
    }

    /// Containers and init containers with their field's name, as the template lists them.
    pub(super) fn containers(&self) -> impl Iterator<Item = (&'static str, &Value)> {
        let spec = &self.template()["spec"];
        ["initContainers", "containers"].into_iter().flat_map(move |field| items(&spec[field]).iter().map(move |container| (field, container)))
    }

    /// `spec.selector` as the label selector text that a list request takes.
    pub fn selector(&self) -> String {
        label_selector(&self.spec()["selector"])
    }
}

/// A `LabelSelector`, or a plain map of labels as a Service has it, as the text that a list request takes.
pub fn label_selector(selector: &Value) -> String {
    let labels = selector["matchLabels"].as_object().into_iter().flatten().map(|(key, value)| format!("{key}={}", text(value)));
    let expressions = items(&selector["matchExpressions"]).iter().map(|expression| {
        let key = text(&expression["key"]);
        let values = items(&expression["values"]).iter().map(text).collect::<Vec<_>>().join(",");
        match text(&expression["operator"]) {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        }
    });
    labels.chain(expressions).collect::<Vec<_>>().join(",")
}

#[derive(Clone, Copy)]
enum Round {
    Up,
    Down,
}

fn percent(percent: i64, total: i64, round: Round) -> i64 {
    let hundredths = percent.saturating_mul(total);
    match round {
        Round::Up => hundredths.div_euclid(100) + i64::from(hundredths.rem_euclid(100) > 0),
        Round::Down => hundredths.div_euclid(100),
    }
}

/// A count, or a percentage of `total`; `None` when it is neither.
fn resolve(value: &Value, total: i64, round: Round) -> Option<i64> {
    match value {
        Value::String(text) => Some(percent(text.strip_suffix('%')?.parse().ok()?, total, round)),
        other => other.as_i64(),
    }
}

/// A workload, the revision objects and the pods that it owns (also indirectly), as one moment showed them.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub workload: Workload,
    /// ReplicaSets or ControllerRevisions; others than the workload's own may be among them and are left out of account.
    pub revisions: Vec<Value>,
    /// Pods; others than the workload's own may be among them and are left out of account.
    pub pods: Vec<Value>,
}

impl Snapshot {
    /// A workload that has nothing yet, or whose revisions and pods were not asked for.
    pub fn of(workload: Workload) -> Self {
        Self { workload, revisions: Vec::new(), pods: Vec::new() }
    }

    /// The workload's own pods, by name; a Deployment's through its ReplicaSets.
    pub fn own_pods(&self) -> Vec<&Value> {
        let owners: Vec<&str> = match self.workload.kind() {
            Kind::Deployment => super::history::owned(&self.workload, &self.revisions).into_iter().map(object::uid).collect(),
            Kind::StatefulSet | Kind::DaemonSet => vec![self.workload.uid()],
        };
        let mut pods: Vec<&Value> = self.pods.iter().filter(|pod| owners.iter().any(|uid| object::is_controlled_by(pod, uid))).collect();
        pods.sort_by_key(|pod| object::name(pod));
        pods
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(spec: Value) -> Workload {
        Workload::new(json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"}, "spec": spec}))
            .expect("a deployment")
    }

    #[test]
    fn what_does_not_roll_out_is_no_workload() {
        for (object, message) in [
            (json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "web-1"}}), "replicaset/web-1 does not roll out"),
            (json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}}), "service/web does not roll out"),
            (json!({}), "an object without a kind does not roll out"),
            (json!({"apiVersion": "apps/v1", "kind": "Deployment"}), "metadata.name is missing"),
        ] {
            assert_eq!(Workload::new(object).expect_err("refused").message(), message);
        }
    }

    #[test]
    fn a_selector_becomes_the_text_of_a_list_request() {
        let workload = deployment(json!({"selector": {"matchLabels": {"b": "2", "a": "1"}, "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["x", "y"]}, {"key": "env", "operator": "NotIn", "values": ["dev"]},
            {"key": "app", "operator": "Exists"}, {"key": "old", "operator": "DoesNotExist"}]}}));
        assert_eq!(workload.selector(), "a=1,b=2,tier in (x,y),env notin (dev),app,!old");
    }

    #[test]
    fn the_available_minimum_follows_the_rounding_rules() {
        for (replicas, rolling, expected) in [
            (3, json!({}), 3),
            (4, json!({}), 3),
            (10, json!({}), 8),
            (1, json!({"maxSurge": 0, "maxUnavailable": "1%"}), 0),
            (4, json!({"maxSurge": "50%", "maxUnavailable": "50%"}), 2),
        ] {
            let workload = deployment(json!({"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling}}));
            assert_eq!(workload.min_available(), expected, "{replicas} {rolling}");
        }
        assert_eq!(deployment(json!({"replicas": 3, "strategy": {"type": "Recreate"}})).min_available(), 0);
    }
}
