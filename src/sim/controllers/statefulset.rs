//! The StatefulSet controller: pods with names that stay, made and replaced one after the other, or all at once.
//!
//! Identity of pods is in `pod`, revisions in `revision`, volume claims in `claims`.

mod claims;
mod pod;
mod revision;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use self::pod::{ordinal, ordinals, pod_revision};
use super::client::{self, Component, Deletion};
use super::object::{deleting, generation, list, name, namespace, observed_generation, put_count, replicas, status_count};
use super::pods::{is_available, is_ready, next_available, phase};
use super::{Controller, Key, claim, queue};
use crate::sim::events;
use crate::sim::failure::{Failure, Result};
use crate::sim::json::{Map, Value, literal};
use crate::sim::kinds::Kind;
use crate::sim::world::World;

const BY: Component = Component::StatefulSet;

/// A place in the set: the pod that is there, or the one that should be made.
#[derive(Clone)]
enum Place {
    Pod(Arc<Value>),
    Missing(Value),
}

impl Place {
    fn pod(&self) -> &Value {
        match self {
            Place::Pod(pod) => pod,
            Place::Missing(pod) => pod,
        }
    }

    fn is_there(&self) -> bool {
        matches!(self, Place::Pod(_))
    }
}

/// One sync of one set.
struct Sync {
    set: Arc<Value>,
    current: Arc<Value>,
    update: Arc<Value>,
    collisions: i64,
    min_ready_s: i64,
    now: Timestamp,
}

/// How far a step came.
#[derive(PartialEq)]
enum Step {
    Go,
    /// The rest waits for a later sync.
    Stop,
}

/// # Source
/// `StatefulSetController.sync` and `defaultStatefulSetControl` of 1.36.3; the gate MaxUnavailableStatefulSet is off, as by default.
pub fn sync(world: &mut World, key: &Key) -> Result<()> {
    let Some(set) = client::get(world, Kind::STATEFULSETS, &key.namespace, &key.name) else { return Ok(()) };
    let revisions = revision::list(world, &set)?;
    let pods = claim::claim(world, BY, Kind::STATEFULSETS, &set, Kind::PODS, |object| pod::is_member(&set, object))?;
    let (current, update, collisions) = revision::choose(world, &set, &revisions)?;
    let min_ready_s = set["spec"]["minReadySeconds"].as_i64().unwrap_or(0);
    let sync = Sync { set, current, update, collisions, min_ready_s, now: world.now() };
    let (status, failure) = sync.step(world, &pods);
    let written = sync.write_status(world, status.clone());
    revision::cut_history(world, &sync.set, &pods, &revisions, [name(&sync.current), name(&sync.update)])?;
    failure.map_or(Ok(()), Err)?;
    written?;
    if min_ready_s > 0 && status["readyReplicas"] != status["availableReplicas"] {
        let at = next_available(pods.iter().map(AsRef::as_ref), min_ready_s, sync.now);
        let at = at.unwrap_or_else(|| sync.now.saturating_add(SignedDuration::from_secs(min_ready_s)).unwrap_or(sync.now));
        queue::add_at(world, Controller::StatefulSet, key, at);
    }
    Ok(())
}

impl Sync {
    /// # Source
    /// `updateStatefulSet`: the status that it returns counts what was there before this step made or deleted anything, but for the deletion of an update.
    fn step(&self, world: &mut World, pods: &[Arc<Value>]) -> (Value, Option<Failure>) {
        let mut condemned: Vec<Arc<Value>> = Vec::new();
        let (start, end) = ordinals(&self.set);
        let mut places: Vec<Place> = (start..end).map(|ordinal| Place::Missing(pod::make(&self.set, &self.current, &self.update, ordinal))).collect();
        for pod in pods {
            match ordinal(pod) {
                Some(at) if (start..end).contains(&at) => places[usize::try_from(at - start).unwrap_or(0)] = Place::Pod(Arc::clone(pod)),
                Some(_) => condemned.push(Arc::clone(pod)),
                None => {}
            }
        }
        condemned.sort_by_key(|pod| std::cmp::Reverse(ordinal(pod)));
        let status = self.count(pods);
        if deleting(&self.set) {
            return (status, None);
        }
        // The one unhealthy pod that does not stand in the way of its own removal: the lowest in the set, else the lowest beyond it.
        let first_unavailable = places
            .iter()
            .filter(|place| self.is_unavailable(place.pod()))
            .map(|place| name(place.pod()).to_owned())
            .chain(condemned.iter().rev().filter(|pod| self.is_unavailable(pod)).map(|pod| name(pod).to_owned()))
            .next();
        let monotonic = self.set["spec"]["podManagementPolicy"] != "Parallel";
        let outcome = self.manage(world, &places, &condemned, first_unavailable.as_deref(), monotonic);
        match outcome {
            Err(failure) => (status, Some(failure)),
            Ok(Step::Stop) => (status, None),
            Ok(Step::Go) => self.roll(world, &places, status),
        }
    }

    fn manage(&self, world: &mut World, places: &[Place], condemned: &[Arc<Value>], first_unavailable: Option<&str>, monotonic: bool) -> Result<Step> {
        let mut failure = None;
        for place in places {
            match self.keep(world, place, monotonic) {
                Ok(Step::Stop) if monotonic => return Ok(Step::Stop),
                Err(one) if monotonic => return Err(one),
                Err(one) => failure = failure.or(Some(one)),
                Ok(_) => {}
            }
        }
        failure.map_or(Ok(()), Err)?;
        for pod in condemned {
            claims::keep_policy(world, &self.set, pod)?;
        }
        let mut failure = None;
        for pod in condemned {
            match self.condemn(world, pod, first_unavailable, monotonic) {
                Ok(Step::Stop) if monotonic => return Ok(Step::Stop),
                Err(one) if monotonic => return Err(one),
                Err(one) => failure = failure.or(Some(one)),
                Ok(_) => {}
            }
        }
        failure.map_or(Ok(Step::Go), Err)
    }

    /// # Source
    /// `processReplica`.
    fn keep(&self, world: &mut World, place: &Place, monotonic: bool) -> Result<Step> {
        let pod = place.pod();
        if place.is_there() && matches!(phase(pod), "Failed" | "Succeeded") {
            if !deleting(pod) {
                delete(world, &self.set, pod)?;
            }
            return Ok(Step::Stop);
        }
        if !place.is_there() {
            if claims::is_stale(world, &self.set, pod) {
                return Ok(Step::Stop);
            }
            create(world, &self.set, pod)?;
            // All at once: what follows is about pods that exist.
            return Ok(if monotonic { Step::Stop } else { Step::Go });
        }
        if phase(pod) == "Pending" {
            claims::create(world, &self.set, pod)?;
        }
        let waits = deleting(pod) || !is_running_and_ready(pod) || !is_available(pod, self.min_ready_s, self.now);
        if monotonic && waits {
            return Ok(Step::Stop);
        }
        claims::keep_policy(world, &self.set, pod)?;
        pod::restore_identity(world, &self.set, pod)?;
        Ok(Step::Go)
    }

    /// # Source
    /// `processCondemned`.
    fn condemn(&self, world: &mut World, pod: &Arc<Value>, first_unavailable: Option<&str>, monotonic: bool) -> Result<Step> {
        if deleting(pod) {
            return Ok(if monotonic { Step::Stop } else { Step::Go });
        }
        let healthy = is_running_and_ready(pod) && is_available(pod, self.min_ready_s, self.now);
        if monotonic && !healthy && first_unavailable != Some(name(pod)) {
            return Ok(Step::Stop);
        }
        delete(world, &self.set, pod)?;
        Ok(Step::Stop)
    }

    /// Replaces one pod of another revision, from the highest down.
    fn roll(&self, world: &mut World, places: &[Place], mut status: Value) -> (Value, Option<Failure>) {
        let strategy = &self.set["spec"]["updateStrategy"];
        if strategy["type"] == "OnDelete" {
            return (status, None);
        }
        let partition = usize::try_from(strategy["rollingUpdate"]["partition"].as_i64().unwrap_or(0)).unwrap_or(0);
        for place in places.iter().skip(partition).rev() {
            let pod = place.pod();
            if pod_revision(pod) != name(&self.update) && !deleting(pod) {
                if let Err(failure) = delete(world, &self.set, pod) {
                    return (status, Some(failure));
                }
                let left = status["currentReplicas"].as_i64().unwrap_or(0) - 1;
                if let Some(status) = status.as_object_mut() {
                    put_count(status, "currentReplicas", left);
                }
                return (status, None);
            }
            if self.is_unavailable(pod) {
                return (status, None);
            }
        }
        (status, None)
    }

    fn is_unavailable(&self, pod: &Value) -> bool {
        deleting(pod) || !is_available(pod, self.min_ready_s, self.now)
    }

    fn count(&self, pods: &[Arc<Value>]) -> Value {
        let count = |counts: &dyn Fn(&Value) -> bool| i64::try_from(pods.iter().filter(|pod| counts(pod)).count()).unwrap_or(i64::MAX);
        let of = |revision: &Value| count(&|pod| !deleting(pod) && pod_revision(pod) == name(revision));
        let mut status = Map::new();
        put_count(&mut status, "observedGeneration", generation(&self.set));
        status.insert(literal!("replicas"), Value::from(pods.len()));
        put_count(&mut status, "readyReplicas", count(&is_running_and_ready));
        put_count(&mut status, "currentReplicas", of(&self.current));
        put_count(&mut status, "updatedReplicas", of(&self.update));
        status.insert(literal!("currentRevision"), self.current["metadata"]["name"].clone());
        status.insert(literal!("updateRevision"), self.update["metadata"]["name"].clone());
        status.insert(literal!("collisionCount"), Value::from(self.collisions));
        let available = count(&|pod| is_running_and_ready(pod) && is_available(pod, self.min_ready_s, self.now));
        status.insert(literal!("availableReplicas"), Value::from(available));
        Value::Object(status)
    }

    /// # Source
    /// `updateStatefulSetStatus`, `completeRollingUpdate`, `inconsistentStatus`.
    fn write_status(&self, world: &mut World, mut status: Value) -> Result<()> {
        let desired = replicas(&self.set);
        let get = |status: &Value, field: &str| status[field].as_i64().unwrap_or(0);
        let done = ["updatedReplicas", "readyReplicas", "replicas"].iter().all(|field| get(&status, field) == desired);
        if self.set["spec"]["updateStrategy"]["type"] == "RollingUpdate" && done {
            if let Some(status) = status.as_object_mut() {
                put_count(status, "currentReplicas", desired);
            }
            status["currentRevision"] = status["updateRevision"].clone();
        }
        let counts = ["replicas", "currentReplicas", "readyReplicas", "updatedReplicas", "availableReplicas"];
        let same = get(&status, "observedGeneration") <= observed_generation(&self.set)
            && counts.iter().all(|field| get(&status, field) == status_count(&self.set, field))
            && ["currentRevision", "updateRevision"].iter().all(|field| status[field] == self.set["status"][field]);
        if same {
            return Ok(());
        }
        // The real updater retries on a conflict against the present version, so that of the read is not insisted on.
        let Some(fresh) = client::get(world, Kind::STATEFULSETS, namespace(&self.set), name(&self.set)) else { return Ok(()) };
        let mut copy = Value::clone(&fresh);
        copy["status"] = status;
        client::update_status(world, BY, Kind::STATEFULSETS, copy).map(|_| ())
    }
}

fn is_running_and_ready(pod: &Value) -> bool {
    phase(pod) == "Running" && is_ready(pod)
}

/// Says in an event how an act on a pod went.
fn record<T>(world: &mut World, set: &Value, verb: &str, pod: &Value, outcome: &Result<T>) {
    let (pod, set_name) = (name(pod), name(set));
    match outcome {
        Ok(_) => events::normal(world, BY, set, &format!("Successful{verb}"), &format!("{verb} Pod {pod} in StatefulSet {set_name} successful")),
        Err(failure) => {
            events::warning(world, BY, set, &format!("Failed{verb}"), &format!("{verb} Pod {pod} in StatefulSet {set_name} failed error: {failure}"))
        }
    }
}

fn create(world: &mut World, set: &Value, pod: &Value) -> Result<()> {
    if let Err(failure) = claims::create(world, set, pod) {
        let outcome: Result<()> = Err(failure);
        record(world, set, "Create", pod, &outcome);
        return outcome;
    }
    let outcome = client::create(world, BY, Kind::PODS, pod.clone());
    if outcome.as_ref().is_err_and(Failure::is_already_exists) {
        return outcome.map(|_| ());
    }
    if outcome.as_ref().is_err_and(client::namespace_is_terminating) {
        return Ok(());
    }
    claims::keep_policy(world, set, pod)?;
    record(world, set, "Create", pod, &outcome);
    outcome.map(|_| ())
}

fn delete(world: &mut World, set: &Value, pod: &Value) -> Result<()> {
    let outcome = match client::delete(world, BY, Kind::PODS, namespace(pod), name(pod), Deletion::default()) {
        Err(failure) if failure.is_not_found() => Ok(()),
        outcome => outcome,
    };
    record(world, set, "Delete", pod, &outcome);
    outcome
}

/// The volume claim templates of a set.
fn claim_templates(set: &Value) -> &[Value] {
    list(&set["spec"]["volumeClaimTemplates"])
}
