//! What the tests of the controllers stand on: a world with nodes, objects in short form, time that is moved by hand, and what happened meanwhile.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::client::{self, Component};
use super::object::{name, replicas};
use crate::sim::api::{Caller, DeleteOptions, Subresource};
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;
use crate::sim::kubelet::node;
use crate::sim::store::LogEntry;
use crate::sim::world::World;

/// A small cluster without anything of its own in it.
pub struct Play {
    pub world: World,
    seen: u64,
}

impl Play {
    pub fn small() -> Self {
        Self::seeded(0, 3)
    }

    pub fn seeded(seed: u64, nodes: usize) -> Self {
        let mut play = Self::bare(seed, "2026-11-23T10:00:00Z".parse().expect("a time"));
        node::boot(&mut play.world, nodes);
        play.wait(5.0);
        play.seen = play.world.store.version();
        play
    }

    /// A cluster without nodes.
    pub fn bare(seed: u64, start: Timestamp) -> Self {
        let mut world = World::new(seed, start);
        crate::sim::bootstrap::lay(&mut world);
        Self { world, seen: 0 }
    }

    pub fn user() -> Caller {
        Caller { user: "kubernetes-admin".to_owned(), ..Caller::component("kubectl") }
    }

    pub fn wait(&mut self, seconds: f64) {
        let until = self.world.now().saturating_add(SignedDuration::from_secs_f64(seconds)).expect("a time");
        self.world.run(until);
    }

    pub fn create(&mut self, kind: Kind, object: Value) -> Arc<Value> {
        self.world.create(kind, object, &Self::user()).expect("the object is good")
    }

    pub fn get(&self, kind: Kind, name: &str) -> Arc<Value> {
        self.find(kind, name).unwrap_or_else(|| panic!("no {kind:?} {name}"))
    }

    pub fn find(&self, kind: Kind, name: &str) -> Option<Arc<Value>> {
        client::get(&self.world, kind, if kind.namespaced() { "default" } else { "" }, name)
    }

    pub fn all(&self, kind: Kind) -> Vec<Arc<Value>> {
        client::list(&self.world, kind, kind.namespaced().then_some("default"))
    }

    /// Changes an object as a user's update does.
    pub fn edit(&mut self, kind: Kind, name: &str, change: impl FnOnce(&mut Value)) -> Arc<Value> {
        let mut object = Value::clone(&self.get(kind, name));
        change(&mut object);
        self.world.update(kind, object, Subresource::Main, &Self::user()).expect("the change is good")
    }

    pub fn set_image(&mut self, kind: Kind, name: &str, image: &str) {
        self.edit(kind, name, |object| object["spec"]["template"]["spec"]["containers"][0]["image"] = Value::from(image));
    }

    pub fn scale(&mut self, kind: Kind, name: &str, replicas: i64) {
        self.edit(kind, name, |object| object["spec"]["replicas"] = Value::from(replicas));
    }

    pub fn delete(&mut self, kind: Kind, name: &str, options: &DeleteOptions) {
        let namespace = if kind.namespaced() { "default" } else { "" };
        self.world.delete(kind, namespace, name, options, &Self::user()).expect("it can be deleted");
    }

    /// A Deployment with the defaults that the server would give it, and what `change` makes of it.
    pub fn deployment(&mut self, name: &str, replicas: i64, image: &str, change: impl FnOnce(&mut Value)) -> Arc<Value> {
        let mut object = json!({
            "metadata": {"name": name, "namespace": "default", "annotations": {}},
            "spec": {
                "replicas": replicas, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
                "selector": {"matchLabels": {"app": name}}, "template": template(name, image),
            },
        });
        change(&mut object);
        self.create(Kind::DEPLOYMENTS, object)
    }

    /// The changes of one kind since the last time this was asked.
    pub fn log(&mut self, kind: Kind) -> Vec<LogEntry> {
        let log: Vec<LogEntry> = self.world.store.since(kind, self.seen).expect("a short past").cloned().collect();
        self.seen = self.world.store.version();
        log
    }

    /// The sizes that ReplicaSets were given since the last time this was asked, as `FROM→TO` in order.
    pub fn resizes(&mut self) -> Vec<String> {
        let sizes = self.log(Kind::REPLICASETS).into_iter().filter_map(|entry| {
            let before = entry.previous.as_deref().map_or(0, replicas);
            let after = replicas(&entry.object);
            (before != after).then(|| format!("{before}→{after}"))
        });
        sizes.collect()
    }

    /// Name and size of the Deployment's ReplicaSets, by revision.
    pub fn sizes(&self) -> Vec<(String, i64)> {
        let mut sets = self.all(Kind::REPLICASETS);
        sets.sort_by_key(|set| super::deployment::revision::revision(set));
        sets.iter().map(|set| (revision(set), replicas(set))).collect()
    }

    pub fn replica_set(&self, wanted: i64) -> Arc<Value> {
        let set = self.all(Kind::REPLICASETS).into_iter().find(|set| super::deployment::revision::revision(set) == Some(wanted));
        set.unwrap_or_else(|| panic!("no revision {wanted} in {:?}", self.sizes()))
    }

    /// The messages of the events with a reason, in order.
    pub fn events(&self, reason: &str) -> Vec<String> {
        let mut events: Vec<Arc<Value>> = self.all(Kind::EVENTS).into_iter().filter(|event| event["reason"] == reason).collect();
        events.sort_by_key(|event| event["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse::<u64>().ok()));
        events.iter().map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect()
    }

    pub fn pods(&self) -> Vec<Arc<Value>> {
        self.all(Kind::PODS)
    }

    pub fn pod_names(&self) -> Vec<String> {
        self.pods().iter().map(|pod| name(pod).to_owned()).collect()
    }

    /// `STATUS/REASON` of a condition.
    pub fn condition(&self, kind: Kind, name: &str, condition: &str) -> String {
        let object = self.get(kind, name);
        super::object::condition(&object, condition)
            .map_or("none".to_owned(), |it| format!("{}/{}", it["status"].as_str().unwrap_or_default(), it["reason"].as_str().unwrap_or_default()))
    }

    pub fn status(&self, kind: Kind, name: &str, field: &str) -> i64 {
        super::object::status_count(&self.get(kind, name), field)
    }

    /// Writes a pod's status as a kubelet would.
    pub fn write_pod_status(&mut self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut pod = Value::clone(&self.get(Kind::PODS, name));
        change(&mut pod);
        client::update_status(&mut self.world, Component::Kubelet, Kind::PODS, pod).expect("the status is good");
    }
}

fn revision(set: &Value) -> String {
    super::object::annotation(set, super::deployment::revision::REVISION).unwrap_or("-").to_owned()
}

pub fn template(app: &str, image: &str) -> Value {
    json!({"metadata": {"labels": {"app": app}}, "spec": {"restartPolicy": "Always", "containers": [{"name": app, "image": image}]}})
}

/// The same with a readiness probe, so that a crashing container is never ready.
pub fn probed(object: &mut Value) {
    object["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = json!({"httpGet": {"path": "/", "port": 80}, "initialDelaySeconds": 1});
}
