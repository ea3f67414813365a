//! Following a rollout: the workload, its revisions and its pods, watched together; a verdict at each change, never by polling.

use std::collections::BTreeMap;
use std::pin::Pin;

use futures::stream::SelectAll;
use futures::{FutureExt, Stream, StreamExt};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::config;
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::cluster::read::{LogOptions, Selection};
use crate::cluster::watch::Event;
use crate::error::{Error, Result};
use crate::resource::{EVENT, POD, Target};
use crate::rollout::change::Change;
use crate::rollout::config::{Config, references};
use crate::rollout::deadline;
use crate::rollout::history::{self, Revision};
use crate::rollout::outcome::{Ending, Followed, Outcome, Verdict};
use crate::rollout::status::{Patience, Status};
use crate::rollout::unstick;
use crate::rollout::workload::{Kind, Snapshot, Workload};

/// How many pods' logs go into the evidence, and how many lines of each.
const LOGGED_PODS: usize = 3;
const LOG_LINES: i64 = 20;

/// How long the pods may be behind the workload that counts them.
const LAG: std::time::Duration = std::time::Duration::from_millis(500);

/// How to follow.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub patience: Patience,
    /// End as `failed` as soon as a new pod is doomed.
    pub fail_fast: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { patience: Patience::default(), fail_fast: true }
    }
}

/// What stands around a status that is followed.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// The revisions as last seen.
    pub history: Vec<Revision>,
    /// How long until the cluster calls the rollout stalled.
    pub progress_left_s: Option<f64>,
    /// The pod that an OrderedReady StatefulSet waits for, and that deleting would help.
    pub held_by: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Workload,
    Revisions,
    Pods,
}

type Changes = Pin<Box<dyn Stream<Item = (What, Result<Event>)> + Send>>;

/// A rollout that is being followed.
pub struct Following {
    cluster: Cluster,
    clock: Clock,
    target: Target,
    started: Timestamp,
    changes: SelectAll<Changes>,
    /// What each watch has shown so far, by uid; absent until its first list.
    seen: BTreeMap<What, BTreeMap<String, Value>>,
    followed: Followed,
    first: bool,
    last: Option<Verdict>,
}

impl Following {
    /// Reads the workload and starts to watch it and all that it owns.
    ///
    /// # Errors
    /// `not_found`, `usage` for a kind that does not roll out, and what the reads answer.
    pub async fn start(cluster: &Cluster, target: &Target, rules: Rules, clock: &Clock) -> Result<Self> {
        let started = clock.now();
        let snapshot = snapshot(cluster, target).await?;
        let workload = &snapshot.workload;
        let namespace = target.namespace.clone();
        let own = Selection { namespace: namespace.clone(), fields: Some(format!("metadata.name={}", target.name)), ..Selection::default() };
        let owned = Selection { namespace, labels: Some(workload.selector()), ..Selection::default() };
        let streams: [Changes; 3] = [
            Box::pin(cluster.watch(&target.resource, &own).map(|event| (What::Workload, event))),
            Box::pin(cluster.watch(workload.kind().revisions(), &owned).map(|event| (What::Revisions, event))),
            Box::pin(cluster.watch(&POD, &owned).map(|event| (What::Pods, event))),
        ];
        let followed = Followed::start(&snapshot, rules.patience, rules.fail_fast, clock.now());
        Ok(Self {
            cluster: cluster.clone(),
            clock: clock.clone(),
            target: target.clone(),
            started,
            changes: futures::stream::select_all(streams),
            seen: BTreeMap::new(),
            followed,
            first: true,
            last: None,
        })
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Seconds since the start.
    pub fn elapsed_s(&self) -> f64 {
        let span = self.clock.now().duration_since(self.started);
        (span.as_secs_f64() * 1000.0).round() / 1000.0
    }

    /// The verdict after the next change that a person could see; the first call answers as soon as everything was listed.
    /// Once a verdict has an ending, it is the last.
    pub async fn next(&mut self) -> Result<Verdict> {
        loop {
            self.take_changes().await?;
            if self.seen.len() < 3 {
                continue;
            }
            let mut verdict = self.look()?;
            if matches!(verdict.ending, Some((Ending::Complete, ..))) {
                verdict = self.caught_up(verdict).await?;
            }
            let news = self.first || verdict.ending.is_some() || self.last.as_ref().is_none_or(|last| !same(&last.status, &verdict.status));
            self.first = false;
            self.last = Some(verdict.clone());
            if news {
                return Ok(verdict);
            }
        }
    }

    fn look(&mut self) -> Result<Verdict> {
        let snapshot = self.snapshot()?;
        Ok(self.followed.look(snapshot.as_ref(), self.clock.now()))
    }

    /// The verdict of a rollout that is complete, with the pods as its status counts them: the workload's own watch may be a moment ahead.
    async fn caught_up(&mut self, verdict: Verdict) -> Result<Verdict> {
        let lags = |verdict: &Verdict| verdict.status.pods.iter().filter(|pod| pod.ready).count() < usize::try_from(verdict.status.ready).unwrap_or(0);
        let mut newest = verdict.clone();
        let catching_up = async {
            while lags(&newest) {
                self.take_changes().await?;
                newest = self.look()?;
            }
            Ok(())
        };
        // Whoever may not see pods has the verdict all the same.
        match tokio::time::timeout(LAG, catching_up).await {
            Ok(Err(error)) => Err(error),
            _ if matches!(newest.ending, Some((Ending::Complete, ..))) => Ok(newest),
            _ => Ok(verdict),
        }
    }

    /// The newest status seen, for an ending that comes from outside (a timeout).
    pub fn last_status(&self) -> Option<&Status> {
        self.last.as_ref().map(|verdict| &verdict.status)
    }

    /// What a person sees of it beside the status.
    pub fn around(&self) -> Around {
        match self.snapshot() {
            Ok(Some(snapshot)) => {
                let now = self.clock.now();
                Around {
                    history: history::history(&snapshot, now),
                    progress_left_s: deadline::left_s(&snapshot.workload, now),
                    held_by: unstick::held_by(&snapshot),
                }
            }
            _ => Around::default(),
        }
    }

    /// The change that remembers that the rollout is complete, where it is and nothing remembers it yet. Reads the configuration that
    /// the template refers to, as far as it may.
    pub async fn remember(&self) -> Option<Change> {
        let snapshot = self.snapshot().ok()??;
        history::unremembered(&snapshot, self.clock.now())?;
        let present = config::present(&self.cluster, &snapshot.workload, references(snapshot.workload.template())).await.unwrap_or_default();
        history::remember(&snapshot, &Config { present, copies: Vec::new() }, self.clock.now())
    }

    /// Waits for a change, or for the moment at which looking again tells something new; takes all changes that are there at once,
    /// so that a verdict is never made of half an answer.
    async fn take_changes(&mut self) -> Result<()> {
        let look_again = self.last.as_ref().and_then(|verdict| verdict.look_again);
        let wait = look_again.map(|at| at.duration_since(self.clock.now()).max(jiff::SignedDuration::ZERO).unsigned_abs());
        let due = async {
            match wait {
                // A moment later, so that "longer than" holds when we look.
                Some(wait) => tokio::time::sleep(wait + std::time::Duration::from_millis(1)).await,
                None => std::future::pending().await,
            }
        };
        let first = tokio::select! {
            biased;
            change = self.changes.next() => change,
            () = due => return Ok(()),
        };
        let mut next = first;
        loop {
            let Some((what, event)) = next else {
                return Err(Error::unreachable(format!("watching {} ended", self.target)).target(&self.target));
            };
            self.take(what, event?);
            match self.changes.next().now_or_never() {
                Some(more) => next = more,
                None => return Ok(()),
            }
        }
    }

    fn take(&mut self, what: What, event: Event) {
        match event {
            Event::Listed(objects) => {
                self.seen.insert(what, objects.into_iter().map(|object| (uid(&object), object)).collect());
            }
            Event::Applied(object) => {
                self.seen.entry(what).or_default().insert(uid(&object), object);
            }
            Event::Deleted(object) => {
                self.seen.entry(what).or_default().remove(&uid(&object));
            }
        }
    }

    fn snapshot(&self) -> Result<Option<Snapshot>> {
        let all = |what| self.seen.get(&what).map(|objects| objects.values().cloned().collect::<Vec<Value>>()).unwrap_or_default();
        match all(What::Workload).pop() {
            Some(object) => Ok(Some(Snapshot { workload: Workload::new(object)?, revisions: all(What::Revisions), pods: all(What::Pods) })),
            None => Ok(None),
        }
    }

    /// The outcome of an ending, with the evidence gathered now.
    pub async fn outcome(&self, status: Status, ending: Ending, reason: Option<String>, message: String) -> Outcome {
        let elapsed_s = self.elapsed_s();
        let evidence = match ending {
            Ending::Complete => None,
            _ => Some(evidence(&self.cluster, &self.target, &status, self.started).await),
        };
        Outcome {
            outcome: ending,
            ok: ending == Ending::Complete,
            target: self.target.to_string(),
            reason,
            message,
            elapsed_s,
            revision: status.revision,
            status,
            evidence,
        }
    }
}

/// A workload with its revisions and pods, read once.
///
/// # Errors
/// `not_found`, `usage` for a kind that does not roll out.
pub async fn snapshot(cluster: &Cluster, target: &Target) -> Result<Snapshot> {
    let kind = Kind::of(&target.resource).ok_or_else(|| not_a_workload(target))?;
    let workload = Workload::new(cluster.get(target).await?)?;
    let owned = Selection { namespace: target.namespace.clone(), labels: Some(workload.selector()), ..Selection::default() };
    let (revisions, pods) = futures::join!(cluster.list(kind.revisions(), &owned), cluster.list(&POD, &owned));
    Ok(Snapshot { workload, revisions: revisions?, pods: pods? })
}

/// A workload with its revisions, read once; with its pods only where the revisions do not count them, which those of a Deployment do.
///
/// # Errors
/// As `snapshot`.
pub async fn lineage(cluster: &Cluster, target: &Target) -> Result<Snapshot> {
    if Kind::of(&target.resource) != Some(Kind::Deployment) {
        return snapshot(cluster, target).await;
    }
    let workload = Workload::new(cluster.get(target).await?)?;
    let owned = Selection { namespace: target.namespace.clone(), labels: Some(workload.selector()), ..Selection::default() };
    let revisions = cluster.list(workload.kind().revisions(), &owned).await?;
    Ok(Snapshot { workload, revisions, pods: Vec::new() })
}

/// The error for a target of a kind that does not roll out.
pub fn not_a_workload(target: &Target) -> Error {
    Error::usage(format!("{target} does not roll out")).target(target).hint("kinds that roll out: deployment (deploy), statefulset (sts), daemonset (ds)")
}

/// Whether two statuses look the same to a person who does not count seconds.
fn same(one: &Status, other: &Status) -> bool {
    let ageless = |status: &Status| {
        let mut status = status.clone();
        for pod in status.pods.iter_mut().chain(&mut status.doomed) {
            pod.age_s = 0;
        }
        status
    };
    ageless(one) == ageless(other)
}

/// What there is to know at this moment: the pods, the events of the workload and all it owns, the last log lines.
/// What cannot be read is left out and named, because evidence must never hide the failure it is about.
async fn evidence(cluster: &Cluster, target: &Target, status: &Status, started: Timestamp) -> Value {
    let newest = status.revision;
    let mut pods: Vec<_> = status.pods.iter().filter(|pod| !pod.ready && pod.revision == newest).collect();
    if pods.is_empty() {
        pods = status.doomed.iter().collect();
    }
    let mut logs = serde_json::Map::new();
    for pod in pods.iter().take(LOGGED_PODS) {
        let namespace = target.namespace.as_deref().unwrap_or("default");
        let mut text = String::new();
        for previous in [true, false] {
            if previous && pod.restarts == 0 {
                continue;
            }
            let options = LogOptions { tail: Some(LOG_LINES), previous, ..LogOptions::default() };
            let lines = cluster.logs(namespace, &pod.name, &options).await.unwrap_or_default();
            if !lines.is_empty() && !text.contains(&lines) {
                text.push_str(&lines);
                if !text.ends_with('\n') {
                    text.push('\n');
                }
            }
        }
        if !text.is_empty() {
            logs.insert(pod.name.clone(), text.into());
        }
    }
    let events = match events(cluster, target).await {
        Ok(mut events) => {
            events.retain(|event| is_of(event, status, started));
            Value::Array(events)
        }
        Err(error) => json!([{ "type": "Warning", "reason": "EventsNotRead", "message": error.message(), "object": target.to_string() }]),
    };
    json!({ "pods": pods, "events": events, "logs": logs })
}

/// Whether an event belongs to the rollout at hand: not to pods of an earlier one, and not seen for the last time before it began.
fn is_of(event: &Value, status: &Status, started: Timestamp) -> bool {
    let pod_fits = match event["object"].as_str().and_then(|object| object.strip_prefix("pod/")) {
        Some(name) => status.pods.iter().any(|pod| pod.name == name && pod.revision == status.revision),
        None => true,
    };
    // Events carry whole seconds.
    let recent = event["last_seen"].as_str().and_then(|seen| seen.parse::<Timestamp>().ok()).is_none_or(|seen| seen.as_second() >= started.as_second());
    pod_fits && recent
}

/// Events of a workload, its revisions and its pods, oldest first, as rows of plain data.
///
/// # Shape
/// `#{type, reason, message, object, count, first_seen, last_seen, source}`; times RFC 3339.
pub async fn events(cluster: &Cluster, target: &Target) -> Result<Vec<Value>> {
    let in_namespace = Selection { namespace: target.namespace.clone(), ..Selection::default() };
    let all = cluster.list(&EVENT, &in_namespace).await?;
    let kind = &target.resource.kind;
    let prefix = format!("{}-", target.name);
    let about = |event: &Value| {
        let object = &event["involvedObject"];
        let (its_kind, name) = (object["kind"].as_str().unwrap_or(""), object["name"].as_str().unwrap_or(""));
        (its_kind == kind && name == target.name)
            || (its_kind == "Pod" || its_kind == "ReplicaSet") && name.starts_with(&prefix) && owned_name(kind, &prefix, its_kind, name)
    };
    let mut events: Vec<Value> = all.iter().filter(|event| about(event)).cloned().collect();
    sort_events(&mut events);
    Ok(events.iter().map(event_row).collect())
}

/// Oldest first, by when each was seen last; of one second, in the order in which they were written.
pub fn sort_events(events: &mut [Value]) {
    events.sort_by_cached_key(|event| {
        let version = event["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse::<u64>().ok());
        (last_seen(event).get(..19).unwrap_or_default().to_owned(), version)
    });
}

/// Whether a name that starts like the workload's is of the form that its controller gives: events outlive their objects, so uids are no help,
/// and `web-admin-...` must not pass for a pod of `web`.
fn owned_name(kind: &str, prefix: &str, its_kind: &str, name: &str) -> bool {
    let parts = name[prefix.len()..].split('-').count();
    match (kind, its_kind) {
        ("Deployment", "ReplicaSet") | ("StatefulSet" | "DaemonSet", "Pod") => parts == 1,
        ("Deployment", "Pod") => parts == 2,
        _ => parts == 1,
    }
}

fn last_seen(event: &Value) -> &str {
    ["lastTimestamp", "eventTime", "firstTimestamp"]
        .iter()
        .find_map(|key| event[key].as_str())
        .or_else(|| event["metadata"]["creationTimestamp"].as_str())
        .unwrap_or("")
}

/// An event as plain data: see `events`.
pub fn event_row(event: &Value) -> Value {
    let object = &event["involvedObject"];
    let name = object["name"].as_str().unwrap_or("");
    let first = ["firstTimestamp", "eventTime"].iter().find_map(|key| event[key].as_str());
    json!({
        "type": event["type"],
        "reason": event["reason"],
        "message": event["message"],
        "object": format!("{}/{name}", object["kind"].as_str().unwrap_or("").to_lowercase()),
        "count": event["count"].as_i64().filter(|count| *count > 0).unwrap_or(1),
        "first_seen": first,
        "last_seen": last_seen(event),
        "source": event["source"]["component"].as_str().or_else(|| event["reportingComponent"].as_str()),
    })
}

fn uid(object: &Value) -> String {
    object["metadata"]["uid"].as_str().unwrap_or_default().to_owned()
}
