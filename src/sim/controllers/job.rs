//! The Job controller: pods that run to their end, counted once each, until enough of them succeeded or too many failed.
//!
//! Not here: pod failure policies, success policies, back-off per index; a Job that has one is run as if it had none. Counting is in `tracking`.

mod tracking;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::client::{self, Component, Deletion};
use super::object::{condition, deleting, label, list, name, namespace, time, uid};
use super::pods::{is_active, is_ready, is_terminating, phase};
use super::replicaset::{create_pod, delete_pod};
use super::template::pod_of;
use super::{Controller, Key, claim, queue};
use crate::sim::api::Propagation;
use crate::sim::events;
use crate::sim::failure::Result;
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;
use crate::sim::world::World;

const BY: Component = Component::Job;
/// The finalizer that keeps a pod until it was counted.
pub const TRACKING: &str = "batch.kubernetes.io/job-tracking";
const INDEX: &str = "batch.kubernetes.io/job-completion-index";
const FIRST_BACK_OFF: SignedDuration = SignedDuration::from_secs(10);
const LAST_BACK_OFF: SignedDuration = SignedDuration::from_mins(10);

/// One sync of one Job.
struct Sync {
    job: Value,
    pods: Vec<Arc<Value>>,
    active: i64,
    ready: i64,
    terminating: i64,
    succeeded: i64,
    failed: i64,
    /// How it ends, if it does: the type, reason and message of the condition.
    end: Option<End>,
    now: Timestamp,
}

#[derive(Clone)]
struct End {
    success: bool,
    reason: String,
    message: String,
}

fn end(success: bool, reason: &str, message: &str) -> End {
    End { success, reason: reason.to_owned(), message: message.to_owned() }
}

pub fn is_finished(job: &Value) -> bool {
    ["Complete", "Failed"].iter().any(|kind| condition(job, kind).is_some_and(|it| it["status"] == "True"))
}

fn count(job: &Value, field: &str) -> i64 {
    job["status"][field].as_i64().unwrap_or(0)
}

pub fn has_finalizer(pod: &Value) -> bool {
    list(&pod["metadata"]["finalizers"]).iter().any(|one| one == TRACKING)
}

/// A pod that ended badly; one that is being deleted counts as such too, since its replacement comes at once.
fn is_failed(job: &Value, pod: &Value) -> bool {
    phase(pod) == "Failed" || (deleting(pod) && phase(pod) != "Succeeded" && job["spec"]["podReplacementPolicy"] != "Failed")
}

/// # Source
/// `syncJob` of 1.36.3.
pub fn sync(world: &mut World, key: &Key) -> Result<()> {
    let Some(job) = client::get(world, Kind::JOBS, &key.namespace, &key.name) else { return Ok(()) };
    if is_finished(&job) {
        return expire(world, key, &job);
    }
    let now = world.now();
    let pods = claim::claim(world, BY, Kind::JOBS, &job, Kind::PODS, |_| true)?;
    let mut job = Value::clone(&job);
    if job["status"].is_null() {
        job["status"] = json!({});
    }
    let active: Vec<Arc<Value>> = pods.iter().filter(|pod| is_active(pod)).cloned().collect();
    let counted = |counts: &dyn Fn(&Value) -> bool| i64::try_from(pods.iter().filter(|pod| counts(pod)).count()).unwrap_or(i64::MAX);
    let mut sync = Sync {
        active: i64::try_from(active.len()).unwrap_or(i64::MAX),
        ready: i64::try_from(active.iter().filter(|pod| is_ready(pod)).count()).unwrap_or(i64::MAX),
        terminating: counted(&is_terminating),
        succeeded: count(&job, "succeeded") + counted(&|pod| has_finalizer(pod) && phase(pod) == "Succeeded"),
        failed: count(&job, "failed") + counted(&|pod| has_finalizer(pod) && is_failed(&job, pod)),
        end: None,
        job,
        pods,
        now,
    };
    let suspended = sync.job["spec"]["suspend"] == true;
    if sync.job["status"]["startTime"].is_null() && !suspended {
        sync.job["status"]["startTime"] = Value::from(super::object::stamp(now));
    }
    sync.end = sync.failure(world, key);
    let mut outcome = Ok(());
    let mut changed = false;
    if sync.end.is_some() {
        for pod in &active {
            outcome = outcome.and(sync.remove(world, pod));
        }
    } else if !deleting(&sync.job) {
        outcome = sync.manage(world, key, &active);
        let completions = sync.job["spec"]["completions"].as_i64();
        let enough = completions.map_or(sync.succeeded > 0, |completions| sync.succeeded >= completions);
        if enough && sync.active == 0 {
            sync.end = Some(end(true, "CompletionsReached", "Reached expected number of succeeded pods"));
        } else {
            changed = sync.note_suspension(world, suspended);
        }
    }
    tracking::write(world, sync, changed)?;
    outcome
}

impl Sync {
    fn failure(&self, world: &mut World, key: &Key) -> Option<End> {
        for (kind, success) in [("SuccessCriteriaMet", true), ("FailureTarget", false)] {
            if let Some(met) = condition(&self.job, kind).filter(|it| it["status"] == "True") {
                return Some(end(success, met["reason"].as_str().unwrap_or_default(), met["message"].as_str().unwrap_or_default()));
            }
        }
        let limit = self.job["spec"]["backoffLimit"].as_i64().unwrap_or(6);
        if self.failed > limit || self.restarts_exceed(limit) {
            return Some(end(false, "BackoffLimitExceeded", "Job has reached the specified backoff limit"));
        }
        let deadline = self.job["spec"]["activeDeadlineSeconds"].as_i64().filter(|_| self.job["spec"]["suspend"] != true)?;
        let at = time(&self.job["status"]["startTime"])?.saturating_add(SignedDuration::from_secs(deadline)).ok()?;
        if at <= self.now {
            return Some(end(false, "DeadlineExceeded", "Job was active longer than specified deadline"));
        }
        queue::add_at(world, Controller::Job, key, at);
        None
    }

    /// With `OnFailure`, restarts in place count as failures.
    fn restarts_exceed(&self, limit: i64) -> bool {
        if self.job["spec"]["template"]["spec"]["restartPolicy"] != "OnFailure" {
            return false;
        }
        let running = self.pods.iter().filter(|pod| matches!(phase(pod), "Running" | "Pending"));
        let statuses = running.flat_map(|pod| list(&pod["status"]["initContainerStatuses"]).iter().chain(list(&pod["status"]["containerStatuses"])));
        let restarts: i64 = statuses.filter_map(|status| status["restartCount"].as_i64()).sum();
        if limit == 0 { restarts > 0 } else { restarts >= limit }
    }

    fn remove(&mut self, world: &mut World, pod: &Value) -> Result<()> {
        match delete_pod(world, BY, &self.job, pod) {
            Err(failure) if !failure.is_not_found() => return Err(failure),
            _ => {}
        }
        self.active -= 1;
        self.terminating += 1;
        self.ready -= i64::from(is_ready(pod));
        Ok(())
    }

    /// Makes or removes pods; a Job whose pods failed waits longer each time.
    ///
    /// # Source
    /// `manageJob`.
    fn manage(&mut self, world: &mut World, key: &Key, active: &[Arc<Value>]) -> Result<()> {
        if self.job["spec"]["suspend"] == true {
            return active.iter().try_for_each(|pod| self.remove(world, pod));
        }
        let parallelism = self.job["spec"]["parallelism"].as_i64().unwrap_or(1);
        let wanted = match self.job["spec"]["completions"].as_i64() {
            None if self.succeeded > 0 => self.active,
            None => parallelism,
            Some(completions) => (completions - self.succeeded).clamp(0, parallelism.max(0)),
        };
        let surplus = usize::try_from(self.active - wanted).unwrap_or(0);
        if surplus > 0 {
            let doomed = super::pods::first_to_delete(active, active, surplus, self.now);
            return doomed.iter().try_for_each(|pod| self.remove(world, pod));
        }
        let terminating = if self.job["spec"]["podReplacementPolicy"] == "Failed" { self.terminating } else { 0 };
        let missing = usize::try_from(wanted - terminating - self.active).unwrap_or(0);
        if missing == 0 {
            return Ok(());
        }
        if let Some(at) = self.backs_off_until().filter(|at| *at > self.now) {
            queue::add_at(world, Controller::Job, key, at);
            return Ok(());
        }
        for index in self.missing_indexes(missing) {
            create_pod(world, BY, &self.job, self.pod(index))?;
            self.active += 1;
        }
        Ok(())
    }

    /// The earliest moment for the next pod: after the last failure, twice as long for each failure since a success.
    fn backs_off_until(&self) -> Option<Timestamp> {
        let finished = |pod: &Value| {
            let ends = list(&pod["status"]["containerStatuses"]).iter().filter_map(|it| time(&it["state"]["terminated"]["finishedAt"]));
            ends.max().or_else(|| time(&pod["metadata"]["deletionTimestamp"])).unwrap_or(self.now)
        };
        let last_success = self.pods.iter().filter(|pod| phase(pod) == "Succeeded").map(|pod| finished(pod)).max();
        let failures: Vec<Timestamp> =
            self.pods.iter().filter(|pod| phase(pod) == "Failed").map(|pod| finished(pod)).filter(|at| last_success.is_none_or(|last| *at > last)).collect();
        let last = failures.iter().max()?;
        let delay = FIRST_BACK_OFF.saturating_mul(1 << (failures.len() - 1).min(10)).min(LAST_BACK_OFF);
        last.saturating_add(delay).ok()
    }

    fn is_indexed(&self) -> bool {
        self.job["spec"]["completionMode"] == "Indexed"
    }

    /// For an indexed Job the lowest indexes that neither run nor are done; else nothing in particular, as often.
    fn missing_indexes(&self, missing: usize) -> Vec<Option<i64>> {
        if !self.is_indexed() {
            return vec![None; missing];
        }
        let taken: Vec<i64> = self.pods.iter().filter(|pod| is_active(pod) || phase(pod) == "Succeeded").filter_map(|pod| index(pod)).collect();
        let done = tracking::indexes(self.job["status"]["completedIndexes"].as_str().unwrap_or_default());
        let all = 0..self.job["spec"]["completions"].as_i64().unwrap_or(0);
        all.filter(|at| !taken.contains(at) && !done.contains(at)).take(missing).map(Some).collect()
    }

    fn pod(&self, index: Option<i64>) -> Value {
        let mut pod = pod_of(&self.job["spec"]["template"], &self.job);
        let mut finalizers = list(&pod["metadata"]["finalizers"]).to_vec();
        finalizers.push(Value::from(TRACKING));
        pod["metadata"]["finalizers"] = Value::from(finalizers);
        let Some(index) = index else { return pod };
        let text = index.to_string();
        pod["metadata"]["generateName"] = Value::from(format!("{}-{index}-", name(&self.job)));
        pod["metadata"]["labels"][INDEX] = Value::from(text.as_str());
        pod["metadata"]["annotations"][INDEX] = Value::from(text);
        if pod["spec"]["hostname"].is_null() {
            pod["spec"]["hostname"] = Value::from(format!("{}-{index}", name(&self.job)));
        }
        let variable = json!({"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": {"fieldPath": format!("metadata.labels['{INDEX}']")}}});
        for field in ["initContainers", "containers"] {
            for container in pod["spec"][field].as_array_mut().into_iter().flatten() {
                let mut env = list(&container["env"]).to_vec();
                if !env.iter().any(|one| one["name"] == variable["name"]) {
                    env.push(variable.clone());
                }
                container["env"] = Value::from(env);
            }
        }
        if pod["spec"]["initContainers"].is_null()
            && let Some(spec) = pod["spec"].as_object_mut()
        {
            spec.remove("initContainers");
        }
        pod
    }

    /// Says in a condition that the Job is suspended, or goes on; true when that is news.
    fn note_suspension(&mut self, world: &mut World, suspended: bool) -> bool {
        let before = condition(&self.job, "Suspended").map(|it| it["status"] == "True");
        let (status, reason, message, event) = match (suspended, before) {
            (true, None | Some(false)) => ("True", "JobSuspended", "Job suspended", "Suspended"),
            (false, Some(true)) => ("False", "JobResumed", "Job resumed", "Resumed"),
            _ => return false,
        };
        events::normal(world, BY, &self.job, event, message);
        tracking::set_condition(&mut self.job, "Suspended", status, reason, message, self.now);
        if suspended {
            if let Some(status) = self.job["status"].as_object_mut() {
                status.remove("startTime");
            }
        } else {
            self.job["status"]["startTime"] = Value::from(super::object::stamp(self.now));
        }
        true
    }
}

fn index(pod: &Value) -> Option<i64> {
    label(pod, INDEX)?.parse().ok()
}

/// Deletes a finished Job when its time to live is over.
fn expire(world: &mut World, key: &Key, job: &Value) -> Result<()> {
    let Some(ttl) = job["spec"]["ttlSecondsAfterFinished"].as_i64().filter(|_| !deleting(job)) else { return Ok(()) };
    let finished = ["Complete", "Failed"].iter().find_map(|kind| condition(job, kind)).and_then(|it| time(&it["lastTransitionTime"]));
    let Some(at) = finished.and_then(|finished| finished.saturating_add(SignedDuration::from_secs(ttl)).ok()) else { return Ok(()) };
    if at > world.now() {
        queue::add_at(world, Controller::Job, key, at);
        return Ok(());
    }
    let deletion = Deletion { uid: Some(uid(job).to_owned()), propagation: Some(Propagation::Foreground), ..Deletion::default() };
    client::delete(world, BY, Kind::JOBS, namespace(job), name(job), deletion)
}

/// Lets a pod go whose Job is gone: nobody will count it any more.
pub fn sync_orphan(world: &mut World, key: &Key) -> Result<()> {
    let Some(pod) = client::get(world, Kind::PODS, &key.namespace, &key.name).filter(|pod| has_finalizer(pod)) else { return Ok(()) };
    let owner = super::object::controller_of(&pod).and_then(|owner| owner["uid"].as_str());
    if owner.is_some_and(|uid| world.store.by_uid(uid).is_some_and(|(_, job)| !is_finished(job))) {
        return Ok(());
    }
    tracking::release(world, &pod)
}
