//! The controllers: which of them a stored change concerns, and the queue of what they have to do.
//!
//! What each of them does stands in its own module; the scheduler and the kubelet have theirs beside this one.

pub mod arithmetic;
pub mod autoscaler;
pub mod claim;
pub mod client;
mod cronjob;
mod daemonset;
pub mod definition;
pub mod deployment;
mod disruption;
mod endpoints;
pub mod hash;
mod history;
mod job;
#[cfg(test)]
mod life_tests;
mod mirror;
#[cfg(test)]
mod more_tests;
mod namespace;
mod node;
pub mod nodes;
pub mod object;
#[cfg(test)]
pub mod play;
pub mod pods;
pub mod queue;
mod quota;
#[cfg(test)]
mod recording_tests;
pub mod replicaset;
mod roles;
#[cfg(test)]
mod rolling_tests;
#[cfg(test)]
mod set_tests;
mod statefulset;
pub mod template;
pub mod template_hash;
mod token;
mod volume;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use self::object::{controller_of, deleting, labels, name, namespace, owner_selects, text};
use super::events::{self, Recorder};
use super::fault::Faults;
use super::gc;
use super::image::Images;
use super::kinds::Kind;
use super::kubelet::{self, Kubelets};
use super::scheduler;
use super::store::{Change, LogEntry};
use super::world::World;
use crate::sim::json::Value;

pub use self::namespace::ROOT_CA_TEXT;
pub use kubelet::logs;

/// What the controllers remember between two syncs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    pub queue: queue::Queue,
    pub events: Recorder,
    pub images: Images,
    pub faults: Faults,
    pub kubelets: Kubelets,
    pub scheduler: scheduler::Cache,
    /// When each node last lost a failed pod of a DaemonSet, and how often.
    pub daemon_failures: BTreeMap<String, (Timestamp, u32)>,
    /// The objects that controllers adopt and that have no controller, by kind and namespace.
    #[serde(skip)]
    pub orphans: BTreeMap<(Kind, String), BTreeSet<String>>,
    /// What autoscalers measure, and what they recommended lately.
    pub load: autoscaler::Load,
    /// Set for an API server alone: nothing reacts to anything.
    pub off: bool,
}

/// The object that a sync is about; for the garbage collector, its uid is the name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    pub namespace: String,
    pub name: String,
}

impl Key {
    pub fn of(object: &Value) -> Self {
        Self { namespace: namespace(object).to_owned(), name: name(object).to_owned() }
    }
}

/// Whoever has a work queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Controller {
    Deployment,
    ReplicaSet,
    ReplicationController,
    StatefulSet,
    DaemonSet,
    Job,
    JobOrphan,
    CronJob,
    Endpoints,
    Mirror,
    Disruption,
    Autoscaler,
    Quota,
    Token,
    Node,
    Volume,
    Garbage,
    NamespaceEnd,
    ServiceAccount,
    RootCa,
    RoleAggregation,
    Scheduler,
    /// What accepts the names of custom kinds, establishes them and empties them; a part of the API server.
    Definition,
}

impl Controller {
    /// The least time from a change to the reaction, in microseconds; the most is twice as long.
    const fn latency_us(self) -> u64 {
        match self {
            Self::Deployment => 8_000,
            Self::ReplicaSet | Self::ReplicationController => 4_500,
            Self::StatefulSet | Self::DaemonSet | Self::Job | Self::JobOrphan | Self::CronJob => 8_000,
            Self::Endpoints | Self::Mirror | Self::Disruption | Self::Autoscaler | Self::Quota | Self::Token | Self::Node | Self::Volume => 10_000,
            Self::Garbage => 12_000,
            Self::NamespaceEnd | Self::ServiceAccount | Self::RootCa | Self::RoleAggregation => 10_000,
            Self::Scheduler => 5_000,
            Self::Definition => 4_000,
        }
    }

    /// Whether it is a part of the controller manager, and rests when that is paused.
    const fn pauses(self) -> bool {
        !matches!(self, Self::Scheduler | Self::Definition)
    }
}

/// Something to be done at a time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Work {
    /// A sync that was put into the queue for this time; another entry may have made it void.
    Sync {
        controller: Controller,
        key: Key,
        at: Timestamp,
        later: bool,
    },
    Kubelet(kubelet::Step),
    ExpireEvents,
    Heartbeat,
}

/// Builds again what is kept about stored objects to find them faster, after a saved cluster was read: whatever `observe` derives from objects alone.
pub fn index(world: &mut World) {
    for kind in [Kind::PODS, Kind::REPLICASETS, Kind::CONTROLLERREVISIONS] {
        for object in client::list(world, kind, None) {
            claim::note(world, kind, &object, false);
            if kind == Kind::PODS {
                scheduler::note_pod(world, None, Some(&object));
            }
        }
    }
}

/// Shows all objects to controllers that begin to run, as their first list does.
pub fn look_at_all(world: &mut World) {
    let (version, time) = (world.store.version(), world.now());
    for kind in Kind::all().filter(|kind| *kind == kind.stored()) {
        for object in client::list(world, kind, None) {
            observe(world, &LogEntry { version, time, kind, change: Change::Added, object, previous: None });
        }
    }
}

/// Called after each stored change.
pub fn observe(world: &mut World, entry: &LogEntry) {
    let (kind, object) = (entry.kind, &entry.object);
    if kind == Kind::EVENTS {
        if entry.change == Change::Added {
            events::note(world, object);
        }
        return;
    }
    if world.controllers.off || kind == Kind::LEASES {
        return;
    }
    let gone = entry.change == Change::Deleted;
    if matches!(kind, Kind::PODS | Kind::REPLICASETS | Kind::CONTROLLERREVISIONS) {
        claim::note(world, kind, object, gone);
    }
    gc::observe(world, entry);
    quota::observe(world, entry);
    token::observe(world, entry);
    match kind {
        Kind::DEPLOYMENTS => queue::add(world, Controller::Deployment, &Key::of(object)),
        Kind::REPLICASETS => {
            queue::add(world, Controller::ReplicaSet, &Key::of(object));
            wake_owners(world, entry, &[(Kind::DEPLOYMENTS, Controller::Deployment)]);
        }
        Kind::REPLICATIONCONTROLLERS => queue::add(world, Controller::ReplicationController, &Key::of(object)),
        Kind::STATEFULSETS => queue::add(world, Controller::StatefulSet, &Key::of(object)),
        Kind::DAEMONSETS => queue::add(world, Controller::DaemonSet, &Key::of(object)),
        Kind::JOBS => {
            queue::add(world, Controller::Job, &Key::of(object));
            wake_owners(world, entry, &[(Kind::CRONJOBS, Controller::CronJob)]);
        }
        Kind::CRONJOBS => queue::add(world, Controller::CronJob, &Key::of(object)),
        Kind::SERVICES => {
            queue::add(world, Controller::Endpoints, &Key::of(object));
            mirror::observe(world, entry);
        }
        Kind::ENDPOINTS | Kind::ENDPOINTSLICES => endpoints::observe(world, entry),
        Kind::PODDISRUPTIONBUDGETS => queue::add(world, Controller::Disruption, &Key::of(object)),
        Kind::HORIZONTALPODAUTOSCALERS => autoscaler::enqueue(world, &Key::of(object)),
        Kind::PERSISTENTVOLUMECLAIMS if gone => volume::reclaim(world, object),
        Kind::PERSISTENTVOLUMECLAIMS => {
            queue::add(world, Controller::Volume, &Key::of(object));
            scheduler::retry(world);
        }
        Kind::CONTROLLERREVISIONS => wake_owners(world, entry, &[(Kind::DAEMONSETS, Controller::DaemonSet)]),
        Kind::PODS => observe_pod(world, entry, gone),
        Kind::NODES => observe_node(world, entry),
        Kind::CLUSTERROLES => roles::observe(world, entry),
        Kind::NAMESPACES => {
            let key = Key { namespace: String::new(), name: name(object).to_owned() };
            let wanted = if deleting(object) { &[Controller::NamespaceEnd][..] } else { &[Controller::ServiceAccount, Controller::RootCa] };
            wanted.iter().for_each(|controller| queue::add(world, *controller, &key));
        }
        Kind::SERVICEACCOUNTS if gone && name(object) == "default" => wake_namespace(world, Controller::ServiceAccount, object),
        Kind::CONFIGMAPS if name(object) == "kube-root-ca.crt" => wake_namespace(world, Controller::RootCa, object),
        _ => {}
    }
}

fn wake_namespace(world: &mut World, controller: Controller, object: &Value) {
    queue::add(world, controller, &Key { namespace: String::new(), name: namespace(object).to_owned() });
}

/// A node that came, went or changed in what decides who may run on it; heartbeats change nothing.
fn observe_node(world: &mut World, entry: &LogEntry) {
    let decides = |node: &Value| {
        let conditions: Vec<Value> = object::list(&node["status"]["conditions"]).iter().map(|it| it["status"].clone()).collect();
        [node["spec"].clone(), node["metadata"]["labels"].clone(), node["status"]["allocatable"].clone(), Value::from(conditions)]
    };
    if entry.change == Change::Modified && entry.previous.as_deref().is_some_and(|before| decides(before) == decides(&entry.object)) {
        return;
    }
    queue::add(world, Controller::Node, &Key { namespace: String::new(), name: name(&entry.object).to_owned() });
    scheduler::retry(world);
    let sets: Vec<Key> = world.list(Kind::DAEMONSETS, None).map(|set| Key::of(set)).collect();
    for key in sets {
        queue::add(world, Controller::DaemonSet, &key);
    }
}

fn observe_pod(world: &mut World, entry: &LogEntry, gone: bool) {
    let pod = &entry.object;
    let owners = [
        (Kind::REPLICASETS, Controller::ReplicaSet),
        (Kind::REPLICATIONCONTROLLERS, Controller::ReplicationController),
        (Kind::STATEFULSETS, Controller::StatefulSet),
        (Kind::DAEMONSETS, Controller::DaemonSet),
        (Kind::JOBS, Controller::Job),
    ];
    wake_owners(world, entry, &owners);
    if job::has_finalizer(pod) && !gone {
        queue::add(world, Controller::JobOrphan, &Key::of(pod));
    }
    observe_what_selects(world, entry);
    if gone {
        // A Deployment that recreates waits for the last of its old pods.
        let owner = controller_of(pod).filter(|owner| owner["kind"] == "ReplicaSet").and_then(|owner| owner["uid"].as_str());
        let deployment = owner.and_then(|uid| world.store.by_uid(uid)).and_then(|(_, set)| controller_of(set)).and_then(|owner| owner["uid"].as_str());
        let deployment =
            deployment.and_then(|uid| world.store.by_uid(uid)).filter(|(_, it)| it["spec"]["strategy"]["type"] == "Recreate").map(|(_, it)| Key::of(it));
        if let Some(key) = deployment {
            queue::add(world, Controller::Deployment, &key);
        }
    }
    scheduler::note_pod(world, entry.previous.as_deref(), (!gone).then_some(pod));
    if !gone && scheduler::is_pending(pod) && entry.change == Change::Added {
        queue::add(world, Controller::Scheduler, &Key::of(pod));
    }
    kubelet::observe(world, entry);
}

/// Services and budgets look at the pods that they select, when something that they look at changed.
fn observe_what_selects(world: &mut World, entry: &LogEntry) {
    let seen = |pod: &Value| {
        let metadata = &pod["metadata"];
        let ready = object::condition(pod, "Ready").map(|it| it["status"].clone());
        (metadata["labels"].clone(), metadata["deletionTimestamp"].is_null(), pod["status"]["podIP"].clone(), ready, pods::is_terminal(pod))
    };
    let pod = &entry.object;
    if entry.change == Change::Modified && entry.previous.as_deref().is_some_and(|before| seen(before) == seen(pod)) {
        return;
    }
    let mut services = endpoints::services_of(world, pod);
    let mut budgets = disruption::budgets_of(world, pod);
    if let Some(before) = entry.previous.as_deref().filter(|before| before["metadata"]["labels"] != pod["metadata"]["labels"]) {
        services.extend(endpoints::services_of(world, before));
        budgets.extend(disruption::budgets_of(world, before));
    }
    services.into_iter().for_each(|key| queue::add(world, Controller::Endpoints, &key));
    budgets.into_iter().for_each(|key| queue::add(world, Controller::Disruption, &key));
}

/// Wakes the controllers of an object: the one that it has, the one that it had, and those whose selector matches an orphan.
fn wake_owners(world: &mut World, entry: &LogEntry, kinds: &[(Kind, Controller)]) {
    let object = &entry.object;
    let owner = controller_of(object);
    let mut woken: Vec<(Controller, Key)> = Vec::new();
    let before = entry.previous.as_deref().and_then(controller_of);
    for reference in [owner, before.filter(|before| owner.is_none_or(|owner| owner["uid"] != before["uid"]))].into_iter().flatten() {
        for (kind, controller) in kinds {
            if reference["kind"] == kind.kind() {
                let name = text(reference, &["name"]);
                let alive = world.find(*kind, namespace(object), name).is_some_and(|it| it["metadata"]["uid"] == reference["uid"]);
                if alive {
                    woken.push((*controller, Key { namespace: namespace(object).to_owned(), name: name.to_owned() }));
                }
            }
        }
    }
    let unchanged = |before: &Value| before["metadata"]["labels"] == object["metadata"]["labels"] && controller_of(before).is_none();
    if owner.is_none() && entry.change != Change::Deleted && !entry.previous.as_deref().is_some_and(unchanged) {
        for (kind, controller) in kinds {
            let matching = world.list(*kind, Some(namespace(object))).filter(|it| owner_selects(it, labels(object)));
            woken.extend(matching.map(|it| (*controller, Key::of(it))));
        }
    }
    for (controller, key) in woken {
        queue::add(world, controller, &key);
    }
}

/// Called before objects of a kind are read by a client: what changes all the time is brought up to date then, and not before.
pub fn before_read(world: &mut World, kind: Kind) {
    if matches!(kind, Kind::NODES | Kind::LEASES) && !world.controllers.off {
        kubelet::node::heartbeat(world);
    }
}

/// Called when somebody begins to wait for a change of a kind: nodes that are watched beat by themselves.
pub fn watched(world: &mut World, kind: Kind) {
    if matches!(kind, Kind::NODES | Kind::LEASES) && !world.controllers.off {
        kubelet::node::plan_heartbeat(world);
    }
}

/// Called when work is due.
pub fn work(world: &mut World, work: Work) {
    match work {
        Work::Sync { controller, key, at, later } => {
            if !queue::take(world, controller, &key, at, later) {
                return;
            }
            let before = world.store.version();
            let outcome = match controller {
                Controller::Deployment => deployment::sync(world, &key),
                Controller::ReplicaSet => replicaset::sync(world, &replicaset::SETS, &key),
                Controller::ReplicationController => replicaset::sync(world, &replicaset::CONTROLLERS, &key),
                Controller::StatefulSet => statefulset::sync(world, &key),
                Controller::DaemonSet => daemonset::sync(world, &key),
                Controller::Job => job::sync(world, &key),
                Controller::JobOrphan => job::sync_orphan(world, &key),
                Controller::CronJob => cronjob::sync(world, &key),
                Controller::Endpoints => endpoints::sync(world, &key),
                Controller::Mirror => mirror::sync(world, &key),
                Controller::Disruption => disruption::sync(world, &key),
                Controller::Token => token::sync(world, &key),
                Controller::Quota => quota::sync(world, &key),
                Controller::Autoscaler => autoscaler::sync(world, &key),
                Controller::Node => node::sync(world, &key),
                Controller::Volume => volume::sync(world, &key),
                Controller::Garbage => gc::sync(world, &key),
                Controller::NamespaceEnd => namespace::sync_end(world, &key),
                Controller::ServiceAccount => namespace::sync_account(world, &key),
                Controller::RootCa => namespace::sync_root_ca(world, &key),
                Controller::RoleAggregation => roles::sync(world, &key),
                Controller::Scheduler => scheduler::sync(world, &key),
                Controller::Definition => definition::sync(world, &key),
            };
            let writes = world.store.version() - before;
            queue::settle(world, controller, &key, writes, &outcome);
        }
        Work::Kubelet(step) => kubelet::step(world, step),
        Work::ExpireEvents => events::expire(world),
        Work::Heartbeat => kubelet::node::beat(world),
    }
}
