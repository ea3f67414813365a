//! How a Job's pods are counted: noted first, then freed of their finalizer, then added up, so that none is counted twice or lost.

use jiff::Timestamp;

use super::super::client;
use super::super::object::{condition, list, put_count, stamp, uid};
use super::super::pods::phase;
use super::{BY, Sync, TRACKING, has_finalizer, is_failed};
use crate::sim::events;
use crate::sim::failure::Result;
use crate::sim::json::{Value, json, literal};
use crate::sim::kinds::Kind;
use crate::sim::world::World;

/// Writes the status in the steps of the real controller.
///
/// # Source
/// `trackJobStatusAndRemoveFinalizers`.
pub fn write(world: &mut World, mut sync: Sync, mut changed: bool) -> Result<()> {
    let before = sync.job["status"].clone();
    let succeeded: Vec<_> = sync.pods.iter().filter(|pod| has_finalizer(pod) && phase(pod) == "Succeeded").cloned().collect();
    let failed: Vec<_> = sync.pods.iter().filter(|pod| has_finalizer(pod) && phase(pod) != "Succeeded" && is_failed(&sync.job, pod)).cloned().collect();
    let pending = !succeeded.is_empty() || !failed.is_empty();
    if let Some(status) = sync.job["status"].as_object_mut() {
        put_count(status, "active", sync.active);
        status.insert(literal!("ready"), json!(sync.ready));
        status.insert(literal!("terminating"), json!(sync.terminating));
        let mut uncounted = crate::sim::json::Map::new();
        for (field, pods) in [("succeeded", &succeeded), ("failed", &failed)] {
            if !pods.is_empty() {
                uncounted.insert(field.to_owned(), pods.iter().map(|pod| json!(uid(pod))).collect());
            }
        }
        status.insert(literal!("uncountedTerminatedPods"), Value::Object(uncounted));
    }
    // The end is announced together with the last uncounted pods, or at once where there are none.
    if let Some(end) = sync.end.clone() {
        let kind = if end.success { "SuccessCriteriaMet" } else { "FailureTarget" };
        changed |= set_condition(&mut sync.job, kind, "True", &end.reason, &end.message, sync.now);
    }
    let finishes_now = sync.end.is_some() && sync.terminating == 0;
    if pending || (changed && !finishes_now) {
        sync.job = flush(world, sync.job)?;
        for pod in succeeded.iter().chain(&failed) {
            match release(world, pod) {
                Err(failure) if !failure.is_not_found() => return Err(failure),
                _ => {}
            }
        }
    }
    if pending {
        let indexed = sync.is_indexed();
        let done: Vec<i64> = succeeded.iter().filter_map(|pod| super::index(pod)).collect();
        let Some(status) = sync.job["status"].as_object_mut() else { return Ok(()) };
        for (field, pods) in [("succeeded", &succeeded), ("failed", &failed)] {
            let total = status.get(field).and_then(Value::as_i64).unwrap_or(0) + i64::try_from(pods.len()).unwrap_or(0);
            put_count(status, field, total);
        }
        if indexed {
            let mut all = indexes(status.get("completedIndexes").and_then(Value::as_str).unwrap_or_default());
            all.extend(done);
            all.sort_unstable();
            all.dedup();
            put_count(status, "succeeded", i64::try_from(all.len()).unwrap_or(0));
            status.insert(literal!("completedIndexes"), Value::from(ranges(&all)));
        }
        status.insert(literal!("uncountedTerminatedPods"), json!({}));
    }
    if finishes_now && let Some(end) = sync.end.clone() {
        let kind = if end.success { "Complete" } else { "Failed" };
        set_condition(&mut sync.job, kind, "True", &end.reason, &end.message, sync.now);
        if end.success {
            sync.job["status"]["completionTime"] = Value::from(stamp(sync.now));
        }
        let job = flush(world, sync.job)?;
        if end.success {
            events::normal(world, BY, &job, "Completed", "Job completed");
        } else {
            events::warning(world, BY, &job, &end.reason, &end.message);
        }
        return Ok(());
    }
    if pending || sync.job["status"] != before {
        flush(world, sync.job)?;
    }
    Ok(())
}

fn flush(world: &mut World, job: Value) -> Result<Value> {
    client::update_status(world, BY, Kind::JOBS, job).map(|written| Value::clone(&written))
}

/// Takes the finalizer off a pod that was counted.
pub fn release(world: &mut World, pod: &Value) -> Result<()> {
    let Some(fresh) = client::get(world, Kind::PODS, super::namespace(pod), super::name(pod)).filter(|fresh| uid(fresh) == uid(pod) && has_finalizer(fresh))
    else {
        return Ok(());
    };
    let mut copy = Value::clone(&fresh);
    let left: Vec<Value> = list(&copy["metadata"]["finalizers"]).iter().filter(|one| *one != TRACKING).cloned().collect();
    if let Some(metadata) = copy["metadata"].as_object_mut() {
        if left.is_empty() {
            metadata.remove("finalizers");
        } else {
            metadata.insert(literal!("finalizers"), json!(left));
        }
    }
    client::update(world, BY, Kind::PODS, copy).map(|_| ())
}

/// Sets a condition of a Job; true when it was not so before.
pub fn set_condition(job: &mut Value, kind: &str, status: &str, reason: &str, message: &str, now: Timestamp) -> bool {
    if condition(job, kind).is_some_and(|it| it["status"] == status && it["reason"] == reason) {
        return false;
    }
    let now = stamp(now);
    let fresh = json!({"type": kind, "status": status, "lastProbeTime": now, "lastTransitionTime": now, "reason": reason, "message": message});
    let mut conditions = list(&job["status"]["conditions"]).to_vec();
    match conditions.iter_mut().find(|it| it["type"] == kind) {
        Some(place) => *place = fresh,
        None => conditions.push(fresh),
    }
    job["status"]["conditions"] = Value::from(conditions);
    true
}

/// `1,3-5,7` as numbers.
pub fn indexes(text: &str) -> Vec<i64> {
    let parts = text.split(',').filter(|part| !part.is_empty());
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    parts.filter_map(range).flatten().collect()
}

/// Numbers in order as `1,3-5,7`; two neighbours stay apart by a comma.
fn ranges(indexes: &[i64]) -> String {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    for index in indexes {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == *index => *last = *index,
            _ => runs.push((*index, *index)),
        }
    }
    let texts: Vec<String> = runs
        .into_iter()
        .map(|(first, last)| match last - first {
            0 => first.to_string(),
            1 => format!("{first},{last}"),
            _ => format!("{first}-{last}"),
        })
        .collect();
    texts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_written_as_ranges() {
        for (numbers, text) in [(vec![], ""), (vec![0], "0"), (vec![0, 1], "0,1"), (vec![0, 1, 2, 5, 7, 8, 9], "0-2,5,7-9")] {
            assert_eq!(ranges(&numbers), text);
            assert_eq!(indexes(text), numbers);
        }
    }
}
