//! The DaemonSet controller: one pod on each node that is eligible, replaced a few nodes at a time.
//!
//! Revisions are in `revision`, the update in `rolling`.

mod revision;
mod rolling;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::arithmetic::scaled;
use super::client::{self, Component};
use super::nodes::{daemon_tolerations, matches, repels};
use super::object::{
    annotation, created, deleting, generation, label, list, name, namespace, observed_generation, selects_everything, status_count, text, uid,
};
use super::pods::{is_available, is_ready, is_terminal, phase};
use super::replicaset::{create_pod, delete_pod};
use super::template::pod_of;
use super::{Controller, Key, claim, queue};
use crate::sim::events;
use crate::sim::failure::Result;
use crate::sim::json::{Value, json, literal};
use crate::sim::kinds::Kind;
use crate::sim::world::World;

const BY: Component = Component::DaemonSet;
const HASH: &str = "controller-revision-hash";
const GENERATION: &str = "pod-template-generation";
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";
/// The most pods that one sync makes or deletes.
const BURST: usize = 250;

/// The pods of a set by the node that they are on or meant for.
type Placed = BTreeMap<String, Vec<Arc<Value>>>;

/// One sync of one set.
struct Sync {
    set: Arc<Value>,
    nodes: Vec<Arc<Value>>,
    hash: String,
    min_ready_s: i64,
    now: Timestamp,
}

/// # Source
/// `DaemonSetsController.syncDaemonSet` of 1.36.3. Expectations are not kept: reads of this store are never stale.
pub fn sync(world: &mut World, key: &Key) -> Result<()> {
    let Some(set) = client::get(world, Kind::DAEMONSETS, &key.namespace, &key.name) else { return Ok(()) };
    if selects_everything(&set["spec"]["selector"]) {
        events::warning(world, BY, &set, "SelectingAll", "This daemon set is selecting all pods. A non-empty selector is required.");
        return Ok(());
    }
    if deleting(&set) {
        return Ok(());
    }
    let (current, old) = revision::construct(world, &set)?;
    let hash = label(&current, HASH).unwrap_or_default().to_owned();
    let min_ready_s = set["spec"]["minReadySeconds"].as_i64().unwrap_or(0);
    let sync = Sync { nodes: client::list(world, Kind::NODES, None), set, hash, min_ready_s, now: world.now() };
    let placed = sync.place(world)?;
    let outcome = sync.update(world, &placed, &old);
    let status = sync.write_status(world, &placed);
    outcome?;
    let (ready, available) = status?;
    if min_ready_s > 0 && ready != available {
        queue::add_after(world, Controller::DaemonSet, key, SignedDuration::from_secs(min_ready_s));
    }
    Ok(())
}

/// Whether pods of the set may come to a node, and whether those that are there may stay.
///
/// # Source
/// `NodeShouldRunDaemonPod`.
fn eligible(set: &Value, node: &Value) -> (bool, bool) {
    let spec = &set["spec"]["template"]["spec"];
    let wanted = text(spec, &["nodeName"]);
    if !(wanted.is_empty() || wanted == name(node)) || !matches(spec, node) {
        return (false, false);
    }
    let tolerations = daemon_tolerations(spec);
    if repels(node, &tolerations, &["NoExecute", "NoSchedule"]) { (false, !repels(node, &tolerations, &["NoExecute"])) } else { (true, true) }
}

/// The node that a pod is on, or that its affinity names.
fn target(pod: &Value) -> Option<&str> {
    let node = text(pod, &["spec", "nodeName"]);
    if !node.is_empty() {
        return Some(node);
    }
    let terms = list(&pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]);
    terms.iter().flat_map(|term| list(&term["matchFields"])).find(|field| field["key"] == "metadata.name" && field["operator"] == "In")?["values"][0].as_str()
}

fn oldest_first(pods: &mut [Arc<Value>]) {
    let placed = |pod: &Value| !text(pod, &["spec", "nodeName"]).is_empty();
    pods.sort_by(|one, other| placed(other).cmp(&placed(one)).then_with(|| created(one).cmp(&created(other))).then_with(|| name(one).cmp(name(other))));
}

impl Sync {
    fn place(&self, world: &mut World) -> Result<Placed> {
        let mut placed = Placed::new();
        for pod in claim::claim(world, BY, Kind::DAEMONSETS, &self.set, Kind::PODS, |_| true)? {
            if is_terminal(&pod) && deleting(&pod) {
                continue;
            }
            if let Some(node) = target(&pod).map(str::to_owned) {
                placed.entry(node).or_default().push(pod);
            }
        }
        Ok(placed)
    }

    fn update(&self, world: &mut World, placed: &Placed, old: &[Arc<Value>]) -> Result<()> {
        let (make, delete) = self.wanted(world, placed);
        let busy = !make.is_empty() || !delete.is_empty();
        self.carry_out(world, &make, &delete)?;
        // With creations and deletions under way, the real controller waits until it saw them.
        if !busy && self.set["spec"]["updateStrategy"]["type"] == "RollingUpdate" {
            let (make, delete) = rolling::decide(self, placed);
            self.carry_out(world, &make, &delete)?;
        }
        revision::cut_history(world, &self.set, old)
    }

    /// The nodes that need a pod, and the pods that are too many, failed or out of place.
    ///
    /// # Source
    /// `podsShouldBeOnNode`.
    fn wanted(&self, world: &mut World, placed: &Placed) -> (Vec<String>, Vec<Arc<Value>>) {
        let (mut make, mut delete) = (Vec::new(), Vec::new());
        for node in &self.nodes {
            let (may_come, may_stay) = eligible(&self.set, node);
            let pods = placed.get(name(node)).map_or(&[][..], Vec::as_slice);
            if may_come && pods.is_empty() {
                make.push(name(node).to_owned());
                continue;
            }
            if !may_stay {
                delete.extend(pods.iter().filter(|pod| !deleting(pod)).cloned());
                continue;
            }
            let mut running: Vec<Arc<Value>> = Vec::new();
            for pod in pods.iter().filter(|pod| !deleting(pod)) {
                match phase(pod) {
                    "Failed" => {
                        if self.may_replace_failed(world, node) {
                            let text = format!("Found failed daemon pod {}/{} on node {}, will try to kill it", namespace(pod), name(pod), name(node));
                            events::warning(world, BY, &self.set, "FailedDaemonPod", &text);
                            delete.push(Arc::clone(pod));
                        }
                    }
                    "Succeeded" => {
                        let text = format!("Found succeeded daemon pod {}/{} on node {}, will try to delete it", namespace(pod), name(pod), name(node));
                        events::normal(world, BY, &self.set, "SucceededDaemonPod", &text);
                        delete.push(Arc::clone(pod));
                    }
                    _ => running.push(Arc::clone(pod)),
                }
            }
            oldest_first(&mut running);
            if scaled(&self.set["spec"]["updateStrategy"]["rollingUpdate"]["maxSurge"], 1, true) == 0 {
                delete.extend(running.into_iter().skip(1));
            } else if running.is_empty() && may_come {
                make.push(name(node).to_owned());
            } else {
                delete.extend(self.surplus(running));
            }
        }
        let known: Vec<&str> = self.nodes.iter().map(|node| name(node)).collect();
        for (_, pods) in placed.iter().filter(|(node, _)| !known.contains(&node.as_str())) {
            delete.extend(pods.iter().filter(|pod| text(pod, &["spec", "nodeName"]).is_empty() && !deleting(pod)).cloned());
        }
        (make, delete)
    }

    /// With surge, a node may have one old and one new pod; the old one goes when it is not ready, or when the new one is available.
    fn surplus(&self, running: Vec<Arc<Value>>) -> Vec<Arc<Value>> {
        if running.len() <= 1 {
            return Vec::new();
        }
        let (mut new, mut old) = (None, None);
        let mut delete = Vec::new();
        for pod in running {
            let place = if label(&pod, HASH) == Some(&self.hash) { &mut new } else { &mut old };
            match place {
                None => *place = Some(pod),
                Some(_) => delete.push(pod),
            }
        }
        if let (Some(new), Some(old)) = (new, old)
            && (!is_ready(&old) || is_available(&new, self.min_ready_s, self.now))
        {
            delete.push(old);
        }
        delete
    }

    /// Failed pods are replaced after 1 s, 2 s, 4 s, ... up to a quarter of an hour.
    fn may_replace_failed(&self, world: &mut World, node: &Value) -> bool {
        let place = format!("{}/{}/{}", uid(&self.set), observed_generation(&self.set), name(node));
        let (last, failures) = world.controllers.daemon_failures.get(&place).copied().unwrap_or((Timestamp::MIN, 0));
        let delay = SignedDuration::from_secs((1 << failures.min(10)).min(900));
        let next = last.saturating_add(delay).unwrap_or(last);
        if failures > 0 && next > self.now {
            queue::add_at(world, Controller::DaemonSet, &Key::of(&self.set), next);
            return false;
        }
        world.controllers.daemon_failures.insert(place, (self.now, failures + 1));
        true
    }

    fn carry_out(&self, world: &mut World, make: &[String], delete: &[Arc<Value>]) -> Result<()> {
        let mut failure = None;
        let (mut left, mut batch) = (&make[..make.len().min(BURST)], 1);
        while !left.is_empty() && failure.is_none() {
            let (now, rest) = left.split_at(batch.min(left.len()));
            for node in now {
                if let Err(one) = create_pod(world, BY, &self.set, self.pod_for(node)) {
                    failure = failure.or(Some(one));
                }
            }
            (left, batch) = (rest, batch * 2);
        }
        for pod in delete.iter().take(BURST) {
            match delete_pod(world, BY, &self.set, pod) {
                Err(one) if !one.is_not_found() => failure = failure.or(Some(one)),
                _ => {}
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// # Source
    /// `CreatePodTemplate`, `ReplaceDaemonSetPodNodeNameNodeAffinity`.
    fn pod_for(&self, node: &str) -> Value {
        let mut pod = pod_of(&self.set["spec"]["template"], &self.set);
        if let Some(generation) = annotation(&self.set, TEMPLATE_GENERATION) {
            pod["metadata"]["labels"][GENERATION] = Value::from(generation);
        }
        pod["metadata"]["labels"][HASH] = Value::from(self.hash.as_str());
        pod["spec"]["tolerations"] = Value::from(daemon_tolerations(&pod["spec"]));
        pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"] =
            json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}]);
        pod
    }

    fn is_updated(&self, pod: &Value) -> bool {
        let generation = annotation(&self.set, TEMPLATE_GENERATION);
        (generation.is_some() && label(pod, GENERATION) == generation) || (!self.hash.is_empty() && label(pod, HASH) == Some(&self.hash))
    }

    /// Writes what the pods were before this sync made or deleted any; says how many were ready and available.
    ///
    /// # Source
    /// `updateDaemonSetStatus`.
    fn write_status(&self, world: &mut World, placed: &Placed) -> Result<(i64, i64)> {
        let (mut desired, mut current, mut misscheduled, mut ready, mut updated, mut available) = (0, 0, 0, 0, 0, 0);
        for node in &self.nodes {
            let mut pods = placed.get(name(node)).cloned().unwrap_or_default();
            if !eligible(&self.set, node).0 {
                misscheduled += i64::from(!pods.is_empty());
                continue;
            }
            desired += 1;
            oldest_first(&mut pods);
            let Some(oldest) = pods.first() else { continue };
            current += 1;
            ready += i64::from(is_ready(oldest));
            available += i64::from(is_available(oldest, self.min_ready_s, self.now));
            updated += i64::from(self.is_updated(oldest));
        }
        let counts = [
            ("desiredNumberScheduled", desired),
            ("currentNumberScheduled", current),
            ("numberMisscheduled", misscheduled),
            ("numberReady", ready),
            ("updatedNumberScheduled", updated),
            ("numberAvailable", available),
            ("numberUnavailable", desired - available),
        ];
        if counts.iter().all(|(field, count)| status_count(&self.set, field) == *count) && observed_generation(&self.set) >= generation(&self.set) {
            return Ok((ready, available));
        }
        // The real controller retries on a conflict against the present version.
        let Some(fresh) = client::get(world, Kind::DAEMONSETS, namespace(&self.set), name(&self.set)) else { return Ok((ready, available)) };
        let mut copy = Value::clone(&fresh);
        if copy["status"].is_null() {
            copy["status"] = json!({});
        }
        if let Some(status) = copy["status"].as_object_mut() {
            status.insert(literal!("observedGeneration"), Value::from(generation(&self.set)));
            for (field, count) in counts {
                // The first four are always written; the others are left out at 0.
                if matches!(field, "desiredNumberScheduled" | "currentNumberScheduled" | "numberMisscheduled" | "numberReady") {
                    status.insert(field.to_owned(), Value::from(count));
                } else {
                    super::object::put_count(status, field, count);
                }
            }
        }
        client::update_status(world, BY, Kind::DAEMONSETS, copy)?;
        Ok((ready, available))
    }
}
