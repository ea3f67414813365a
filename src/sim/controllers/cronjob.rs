//! The CronJob controller: a Job at each moment of a schedule, and only so many of the finished ones kept.

use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::client::{self, Component, Deletion};
use super::job::is_finished;
use super::object::{condition, controlled_by, created, deleting, list, name, namespace, owner_reference, stamp, time, uid};
use super::{Controller, Key, queue};
use crate::sim::api::Propagation;
use crate::sim::cron::Schedule;
use crate::sim::events;
use crate::sim::failure::Result;
use crate::sim::json::{Value, json, literal};
use crate::sim::kinds::Kind;
use crate::sim::world::World;

const BY: Component = Component::CronJob;

/// # Source
/// `syncCronJob` of 1.36.3.
pub fn sync(world: &mut World, key: &Key) -> Result<()> {
    let Some(cron) = client::get(world, Kind::CRONJOBS, &key.namespace, &key.name) else { return Ok(()) };
    let jobs = client::owned(world, Kind::JOBS, uid(&cron));
    let mut cron = Value::clone(&cron);
    if cron["status"].is_null() {
        cron["status"] = json!({});
    }
    let before = cron["status"].clone();
    cut_history(world, &mut cron, &jobs);
    see_finished(world, &mut cron, &jobs);
    let next = if deleting(&cron) { None } else { start(world, &mut cron)? };
    if cron["status"] != before {
        client::update_status(world, BY, Kind::CRONJOBS, cron)?;
    }
    if let Some(next) = next {
        queue::add_at(world, Controller::CronJob, key, next.saturating_add(SignedDuration::from_millis(100)).unwrap_or(next));
    }
    Ok(())
}

fn active(cron: &Value) -> &[Value] {
    list(&cron["status"]["active"])
}

fn set_active(cron: &mut Value, active: Vec<Value>) {
    if let Some(status) = cron["status"].as_object_mut() {
        if active.is_empty() {
            status.remove("active");
        } else {
            status.insert(literal!("active"), Value::from(active));
        }
    }
}

fn forget(cron: &mut Value, job_uid: &str) {
    let left = active(cron).iter().filter(|it| it["uid"] != job_uid).cloned().collect();
    set_active(cron, left);
}

fn outcome(job: &Value) -> Option<&'static str> {
    ["Complete", "Failed"].into_iter().find(|kind| condition(job, kind).is_some_and(|it| it["status"] == "True"))
}

fn cut_history(world: &mut World, cron: &mut Value, jobs: &[Arc<Value>]) {
    for (kind, field) in [("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")] {
        let Some(limit) = cron["spec"][field].as_u64().and_then(|limit| usize::try_from(limit).ok()) else { continue };
        let mut finished: Vec<&Arc<Value>> = jobs.iter().filter(|job| outcome(job) == Some(kind) && !deleting(job)).collect();
        finished.sort_by_key(|job| (time(&job["status"]["startTime"]), name(job).to_owned()));
        let excess = finished.len().saturating_sub(limit);
        for job in finished.into_iter().take(excess) {
            delete_job(world, cron, job);
        }
    }
}

fn delete_job(world: &mut World, cron: &mut Value, job: &Value) -> bool {
    let deletion = Deletion { propagation: Some(Propagation::Background), ..Deletion::default() };
    if let Err(failure) = client::delete(world, BY, Kind::JOBS, namespace(job), name(job), deletion) {
        events::warning(world, BY, cron, "FailedDelete", &format!("Deleted job: {failure}"));
        return false;
    }
    forget(cron, uid(job));
    events::normal(world, BY, cron, "SuccessfulDelete", &format!("Deleted job {}", name(job)));
    true
}

fn see_finished(world: &mut World, cron: &mut Value, jobs: &[Arc<Value>]) {
    for job in jobs {
        let listed = active(cron).iter().any(|it| it["uid"] == uid(job));
        if listed && is_finished(job) {
            forget(cron, uid(job));
            let kind = outcome(job).unwrap_or_default();
            events::normal(world, BY, cron, "SawCompletedJob", &format!("Saw completed job: {}, condition: {kind}", name(job)));
        } else if !listed && !is_finished(job) {
            events::warning(world, BY, cron, "UnexpectedJob", &format!("Saw a job that the controller did not create or forgot: {}", name(job)));
        }
        let done = time(&job["status"]["completionTime"]).filter(|_| outcome(job) == Some("Complete"));
        if done.is_some_and(|done| time(&cron["status"]["lastSuccessfulTime"]).is_none_or(|last| done > last)) {
            cron["status"]["lastSuccessfulTime"] = job["status"]["completionTime"].clone();
        }
    }
    let missing: Vec<Value> = active(cron).iter().filter(|it| !jobs.iter().any(|job| it["uid"] == uid(job))).cloned().collect();
    for job in missing {
        let job_name = job["name"].as_str().unwrap_or_default();
        events::normal(world, BY, cron, "MissingJob", &format!("Active job went missing: {job_name}"));
        forget(cron, job["uid"].as_str().unwrap_or_default());
    }
}

/// Starts the Job that is due, if one is, and says when to look again.
fn start(world: &mut World, cron: &mut Value) -> Result<Option<Timestamp>> {
    let now = world.now();
    let zone = match cron["spec"]["timeZone"].as_str() {
        None => TimeZone::UTC,
        Some(wanted) => match TimeZone::get(wanted) {
            Ok(zone) => zone,
            Err(_) => {
                let text = format!("invalid timeZone: {wanted:?}: unknown time zone {wanted}");
                events::warning(world, BY, cron, "UnknownTimeZone", &text);
                return Ok(None);
            }
        },
    };
    if cron["spec"]["suspend"] == true {
        return Ok(None);
    }
    let text = cron["spec"]["schedule"].as_str().unwrap_or_default().to_owned();
    let schedule = match Schedule::parse(&text) {
        Ok(schedule) => schedule,
        Err(why) => {
            events::warning(world, BY, cron, "UnparseableSchedule", &format!("unparseable schedule: {text:?} : {why}"));
            return Ok(None);
        }
    };
    let next = schedule.next(now, &zone);
    let deadline = cron["spec"]["startingDeadlineSeconds"].as_i64();
    let mut since = time(&cron["status"]["lastScheduleTime"]).or_else(|| created(cron)).unwrap_or(now);
    if let Some(deadline) = deadline {
        since = since.max(now.saturating_sub(SignedDuration::from_secs(deadline)).unwrap_or(since));
    }
    let Some(due) = schedule.latest(since, now, &zone) else { return Ok(next) };
    if deadline.is_some_and(|deadline| due.saturating_add(SignedDuration::from_secs(deadline)).is_ok_and(|end| end < now)) {
        events::warning(world, BY, cron, "MissSchedule", &format!("Missed scheduled time to start a job: {}", due.strftime("%a, %d %b %Y %H:%M:%S UTC")));
        return Ok(next);
    }
    let job_name = format!("{}-{}", name(cron), due.as_second() / 60);
    if active(cron).iter().any(|it| it["name"] == job_name.as_str()) || time(&cron["status"]["lastScheduleTime"]) == Some(due) {
        return Ok(next);
    }
    if cron["spec"]["concurrencyPolicy"] == "Forbid" && !active(cron).is_empty() {
        let text = "Not starting job because prior execution is running and concurrency policy is Forbid";
        events::normal(world, BY, cron, "JobAlreadyActive", text);
        return Ok(next);
    }
    if cron["spec"]["concurrencyPolicy"] == "Replace" {
        for running in active(cron).to_vec() {
            if let Some(job) = client::get(world, Kind::JOBS, namespace(cron), running["name"].as_str().unwrap_or_default())
                && !delete_job(world, cron, &job)
            {
                return Ok(next);
            }
        }
    }
    create(world, cron, &job_name, due)?;
    Ok(next)
}

fn create(world: &mut World, cron: &mut Value, job_name: &str, due: Timestamp) -> Result<()> {
    let template = &cron["spec"]["jobTemplate"];
    let mut annotations = template["metadata"]["annotations"].clone();
    annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"] = Value::from(stamp(due));
    let mut metadata =
        json!({"name": job_name, "namespace": cron["metadata"]["namespace"], "annotations": annotations, "ownerReferences": [owner_reference(cron)]});
    if template["metadata"]["labels"].is_object() {
        metadata["labels"] = template["metadata"]["labels"].clone();
    }
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"]});
    let job = match client::create(world, BY, Kind::JOBS, job) {
        Ok(job) => {
            events::normal(world, BY, cron, "SuccessfulCreate", &format!("Created job {job_name}"));
            job
        }
        Err(failure) if failure.is_already_exists() => match client::get(world, Kind::JOBS, namespace(cron), job_name).filter(|job| controlled_by(job, cron)) {
            Some(job) => job,
            None => return Ok(()),
        },
        Err(failure) if client::namespace_is_terminating(&failure) => return Ok(()),
        Err(failure) => {
            events::warning(world, BY, cron, "FailedCreate", &format!("Error creating job: {failure}"));
            return Err(failure);
        }
    };
    let mut running = active(cron).to_vec();
    running.push(json!({
        "kind": "Job", "namespace": namespace(&job), "name": job_name, "uid": job["metadata"]["uid"], "apiVersion": "batch/v1", "resourceVersion": job["metadata"]["resourceVersion"],
    }));
    set_active(cron, running);
    cron["status"]["lastScheduleTime"] = Value::from(stamp(due));
    Ok(())
}
