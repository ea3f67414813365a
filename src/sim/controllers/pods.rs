//! What controllers ask about pods: active, ready, available, and which goes first when there are too many.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::object::{annotation, condition, created, deleting, list, text, time, uid};
use crate::sim::json::Value;

pub fn phase(pod: &Value) -> &str {
    text(pod, &["status", "phase"])
}

pub fn is_terminal(pod: &Value) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

pub fn is_active(pod: &Value) -> bool {
    !is_terminal(pod) && !deleting(pod)
}

pub fn is_terminating(pod: &Value) -> bool {
    !is_terminal(pod) && deleting(pod)
}

pub fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|ready| ready["status"] == "True")
}

/// When a ready pod became ready.
pub fn ready_since(pod: &Value) -> Option<Timestamp> {
    condition(pod, "Ready").filter(|ready| ready["status"] == "True").and_then(|ready| time(&ready["lastTransitionTime"]))
}

/// Whether a pod has been ready for `min_ready_s` seconds.
pub fn is_available(pod: &Value, min_ready_s: i64, now: Timestamp) -> bool {
    is_ready(pod)
        && (min_ready_s == 0 || ready_since(pod).is_some_and(|since| since.saturating_add(SignedDuration::from_secs(min_ready_s)).is_ok_and(|at| at <= now)))
}

/// When the first of the ready but not yet available pods becomes available.
pub fn next_available<'a>(pods: impl IntoIterator<Item = &'a Value>, min_ready_s: i64, now: Timestamp) -> Option<Timestamp> {
    pods.into_iter()
        .filter(|pod| !is_available(pod, min_ready_s, now))
        .filter_map(ready_since)
        .filter_map(|since| since.saturating_add(SignedDuration::from_secs(min_ready_s)).ok())
        .min()
}

pub fn node(pod: &Value) -> &str {
    text(pod, &["spec", "nodeName"])
}

/// What decides who is deleted first.
struct Candidate {
    pod: Arc<Value>,
    unassigned: bool,
    phase: u8,
    ready: bool,
    cost: i64,
    siblings: usize,
    ready_since: Option<Timestamp>,
    restarts: (i64, i64),
    created: Option<Timestamp>,
}

/// The `count` pods of `pods` to delete; `related` are the pods of all ReplicaSets of the same owner.
///
/// # Source
/// `getPodsToDelete` and `controller.ActivePodsWithRanks`; when all are to go, they are not ranked.
pub fn first_to_delete(pods: &[Arc<Value>], related: &[Arc<Value>], count: usize, now: Timestamp) -> Vec<Arc<Value>> {
    if count >= pods.len() {
        return pods.to_vec();
    }
    let mut on_node: BTreeMap<&str, usize> = BTreeMap::new();
    for pod in related.iter().filter(|pod| is_active(pod)) {
        *on_node.entry(node(pod)).or_default() += 1;
    }
    let mut candidates: Vec<Candidate> = pods
        .iter()
        .map(|pod| Candidate {
            unassigned: node(pod).is_empty(),
            phase: match phase(pod) {
                "Unknown" => 1,
                "Running" => 2,
                _ => 0,
            },
            ready: is_ready(pod),
            cost: annotation(pod, "controller.kubernetes.io/pod-deletion-cost").and_then(|cost| cost.parse().ok()).unwrap_or(0),
            siblings: on_node.get(node(pod)).copied().unwrap_or(0),
            ready_since: ready_since(pod),
            restarts: restarts(pod),
            created: created(pod),
            pod: Arc::clone(pod),
        })
        .collect();
    candidates.sort_by(|one, other| one.order(other, now));
    candidates.truncate(count);
    candidates.into_iter().map(|candidate| candidate.pod).collect()
}

impl Candidate {
    fn order(&self, other: &Self, now: Timestamp) -> Ordering {
        let ready_age = || match (self.ready, other.ready) {
            (true, true) if self.ready_since != other.ready_since => self.age_order(other, self.ready_since, other.ready_since, now),
            _ => Ordering::Equal,
        };
        let age = || if self.created == other.created { Ordering::Equal } else { self.age_order(other, self.created, other.created, now) };
        (other.unassigned.cmp(&self.unassigned))
            .then(self.phase.cmp(&other.phase))
            .then(self.ready.cmp(&other.ready))
            .then(self.cost.cmp(&other.cost))
            .then(other.siblings.cmp(&self.siblings))
            .then_with(ready_age)
            .then(other.restarts.cmp(&self.restarts))
            .then_with(age)
    }

    /// Younger first, by the power of two of the age; within one power the smaller uid, so that the choice is fair and stable.
    fn age_order(&self, other: &Self, one: Option<Timestamp>, two: Option<Timestamp>, now: Timestamp) -> Ordering {
        let (Some(one), Some(two)) = (one, two) else { return two.is_none().cmp(&one.is_none()) };
        bucket(one, now).cmp(&bucket(two, now)).then_with(|| uid(&self.pod).cmp(uid(&other.pod)))
    }
}

fn bucket(since: Timestamp, now: Timestamp) -> i64 {
    let nanos = now.as_nanosecond() - since.as_nanosecond();
    if nanos > 0 { i64::from(127 - nanos.leading_zeros()) } else { -1 }
}

/// The most restarts of one container, and of one sidecar.
fn restarts(pod: &Value) -> (i64, i64) {
    let most = |statuses: &Value, counts: &dyn Fn(&Value) -> bool| {
        list(statuses).iter().filter(|status| counts(status)).filter_map(|status| status["restartCount"].as_i64()).max().unwrap_or(0)
    };
    let sidecar = |status: &Value| list(&pod["spec"]["initContainers"]).iter().any(|init| init["name"] == status["name"] && init["restartPolicy"] == "Always");
    (most(&pod["status"]["containerStatuses"], &|_| true), most(&pod["status"]["initContainerStatuses"], &sidecar))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::json::json;

    fn pod(name: &str, node: &str, phase: &str, ready: Option<&str>) -> Value {
        let conditions = match ready {
            Some(since) => json!([{"type": "Ready", "status": "True", "lastTransitionTime": since}]),
            None => json!([{"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:00Z"}]),
        };
        json!({"metadata": {"name": name, "uid": name, "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"nodeName": node}, "status": {"phase": phase, "conditions": conditions}})
    }

    fn first(pods: &[Value], count: usize) -> Vec<String> {
        let pods: Vec<Arc<Value>> = pods.iter().cloned().map(Arc::new).collect();
        let now = "2026-01-01T01:00:00Z".parse().expect("a time");
        first_to_delete(&pods, &pods, count, now).iter().map(|pod| super::super::object::name(pod).to_owned()).collect()
    }

    #[test]
    fn pending_and_unready_pods_go_first() {
        let long_ready = Some("2026-01-01T00:00:10Z");
        let pods = [
            pod("a", "n1", "Running", long_ready),
            pod("b", "n2", "Running", None),
            pod("c", "n3", "Running", long_ready),
            pod("d", "n4", "Pending", None),
            pod("e", "", "Pending", None),
        ];
        assert_eq!(first(&pods, 3), ["e", "d", "b"]);
    }

    #[test]
    fn a_lower_deletion_cost_goes_first() {
        let ready = Some("2026-01-01T00:00:10Z");
        let mut cheap = pod("b", "n2", "Running", ready);
        cheap["metadata"]["annotations"] = json!({"controller.kubernetes.io/pod-deletion-cost": "-1"});
        assert_eq!(first(&[pod("a", "n1", "Running", ready), cheap, pod("c", "n3", "Running", ready)], 1), ["b"]);
    }

    #[test]
    fn a_doubled_up_node_loses_one() {
        let ready = Some("2026-01-01T00:00:10Z");
        let pods = [pod("a", "n1", "Running", ready), pod("c", "n2", "Running", ready), pod("b", "n2", "Running", ready)];
        assert_eq!(first(&pods, 1), ["c"]);
    }

    #[test]
    fn ages_count_by_powers_of_two() {
        let pods = [
            pod("b", "n1", "Running", Some("2026-01-01T00:00:10Z")),
            pod("a", "n2", "Running", Some("2026-01-01T00:00:20Z")),
            pod("z", "n3", "Running", Some("2026-01-01T00:59:50Z")),
        ];
        assert_eq!(first(&pods, 2), ["z", "a"]);
    }

    #[test]
    fn more_restarts_go_first() {
        let ready = Some("2026-01-01T00:00:10Z");
        let mut restarted = pod("b", "n2", "Running", ready);
        restarted["status"]["containerStatuses"] = json!([{"name": "web", "restartCount": 2}]);
        assert_eq!(first(&[pod("a", "n1", "Running", ready), restarted], 1), ["b"]);
    }

    #[test]
    fn a_pod_is_available_after_its_minimum_of_ready_time() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let ready = pod("a", "n1", "Running", Some("2026-01-01T00:00:10Z"));
        assert!(is_available(&ready, 0, at("2026-01-01T00:00:10Z")));
        assert!(!is_available(&ready, 10, at("2026-01-01T00:00:19Z")));
        assert!(is_available(&ready, 10, at("2026-01-01T00:00:20Z")));
        assert_eq!(next_available([&ready], 10, at("2026-01-01T00:00:12Z")), Some(at("2026-01-01T00:00:20Z")));
    }
}
