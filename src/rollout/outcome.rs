//! Whether a rollout that is being followed has ended, and how.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::object::{self, text};
use super::status::{self, Patience, Phase, Status};
use super::template;
use super::workload::Snapshot;
use crate::error::ErrorKind;
use crate::resource::Target;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    Complete,
    Stalled,
    Failed,
    Timeout,
    Superseded,
    Deleted,
    Stopped,
}

impl Ending {
    /// The kind of the error that `wait` throws; `None` for `Complete`.
    pub fn error_kind(self) -> Option<ErrorKind> {
        match self {
            Ending::Complete => None,
            Ending::Stalled => Some(ErrorKind::Stalled),
            Ending::Failed => Some(ErrorKind::Failed),
            Ending::Timeout => Some(ErrorKind::Timeout),
            Ending::Superseded => Some(ErrorKind::Superseded),
            Ending::Deleted => Some(ErrorKind::Deleted),
            Ending::Stopped => Some(ErrorKind::Stopped),
        }
    }
}

/// The Outcome of CONTRACT 4.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    pub outcome: Ending,
    pub ok: bool,
    pub target: String,
    pub reason: Option<String>,
    pub message: String,
    pub elapsed_s: f64,
    pub revision: Option<i64>,
    pub status: Status,
    /// `#{pods, events, logs}`; `None` for `Complete`.
    pub evidence: Option<Value>,
}

/// How a rollout ended, with reason and message.
pub type Ended = (Ending, Option<String>, String);

/// What one look at a followed rollout says.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    pub status: Status,
    /// How it ended, with reason and message; `None`: it goes on.
    pub ending: Option<Ended>,
    /// When to look again though nothing changes: a pull grace that runs out, a stale condition that becomes telling.
    pub look_again: Option<Timestamp>,
}

/// A rollout being followed from a first look on.
///
/// It is the rollout of the template that was live at the start. Later edits of anything but the template (replicas, strategy,
/// annotations) belong to it; another template ends it as superseded; the same template again is the same rollout. Looks that are
/// older than the start (a watch may deliver them) say nothing.
///
/// A paused Deployment does not end by being paused: it may be resumed. `phase` says it, the caller's own timeout ends it.
#[derive(Clone, Debug)]
pub struct Followed {
    target: Target,
    uid: String,
    generation: i64,
    template: Value,
    images: Map<String, Value>,
    patience: Patience,
    fail_fast: bool,
    started: Timestamp,
}

impl Followed {
    /// Starts with the first snapshot: its template, uid and generation are the rollout that is meant.
    pub fn start(first: &Snapshot, patience: Patience, fail_fast: bool, now: Timestamp) -> Self {
        let workload = &first.workload;
        Self {
            target: workload.target(),
            uid: workload.uid().to_owned(),
            generation: workload.generation(),
            template: template::canonical(workload.template()),
            images: template::images(workload.template()),
            patience,
            fail_fast,
            started: now,
        }
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// Looks at what is now; `None`: the workload is gone.
    pub fn look(&mut self, snapshot: Option<&Snapshot>, now: Timestamp) -> Verdict {
        let gone = |message: String| Verdict { status: status::missing(&self.target), ending: Some((Ending::Deleted, None, message)), look_again: None };
        let Some(snapshot) = snapshot else { return gone(format!("{} has been deleted", self.target)) };
        let workload = &snapshot.workload;
        if workload.uid() != self.uid {
            return gone(format!("{} has been deleted, and another of the same name created", self.target));
        }
        if object::is_terminating(workload.object()) {
            return gone(format!("{} is being deleted", self.target));
        }
        let (mut status, look_again) = status::look(snapshot, self.patience, now);
        if workload.generation() < self.generation {
            (status.phase, status.complete) = (Phase::Unobserved, false);
            return Verdict { status, ending: None, look_again: None };
        }
        let ending = self.ending(snapshot, &status);
        Verdict { status, ending, look_again }
    }

    fn ending(&self, snapshot: &Snapshot, status: &Status) -> Option<Ended> {
        if template::canonical(snapshot.workload.template()) != self.template {
            return Some((Ending::Superseded, None, self.superseded(snapshot, status)));
        }
        let doomed = doomed(status);
        if status.phase == Phase::Stalled && snapshot.workload.kind() == super::workload::Kind::Deployment {
            let message = match &doomed {
                Some((_, why)) => format!("{}: {why}", status.message),
                None => status.message.clone(),
            };
            return Some((Ending::Stalled, status.reason.clone(), message));
        }
        if self.fail_fast {
            if let Some((reason, message)) = doomed {
                return Some((Ending::Failed, Some(reason), message));
            }
            if status.phase == Phase::Stalled {
                return Some((Ending::Stalled, status.reason.clone(), self.wedged(snapshot, status)));
            }
        }
        status.complete.then(|| (Ending::Complete, None, status.message.clone()))
    }

    fn superseded(&self, snapshot: &Snapshot, status: &Status) -> String {
        let new = template::images(snapshot.workload.template());
        let images: Vec<String> =
            new.iter().filter(|(name, image)| self.images.get(*name) != Some(image)).map(|(name, image)| format!("{name}={}", text(image))).collect();
        let what = if images.is_empty() { String::new() } else { format!(" ({})", images.join(", ")) };
        let revision = status.revision.map(|revision| format!(", revision {revision}")).unwrap_or_default();
        format!("another template change of {} arrived while waiting{what}{revision}", self.target)
    }

    fn wedged(&self, snapshot: &Snapshot, status: &Status) -> String {
        let name = super::unstick::wedge(snapshot).map(object::name).unwrap_or_default();
        let revision = status.pods.iter().find(|pod| pod.name == name).and_then(|pod| pod.revision);
        let of = revision.map(|revision| format!(" of revision {revision}")).unwrap_or_default();
        let reason = status.reason.as_deref().unwrap_or("not ready");
        format!("pod {name}{of}: {reason}, and {} waits for it before it goes on; unstick(\"sts/{}\") deletes it", self.target, self.target.name)
    }

    /// The words for a caller's own timeout.
    pub fn timed_out(&self, status: &Status, now: Timestamp) -> Ended {
        let message = format!("{} is not complete after {}s: {}", self.target, now.duration_since(self.started).as_secs(), status.message);
        let why = doomed(status).map(|(_, why)| format!(" ({why})")).unwrap_or_default();
        (Ending::Timeout, status.reason.clone(), format!("{message}{why}"))
    }

    /// The Outcome of an ending.
    pub fn outcome(&self, status: Status, (outcome, reason, message): Ended, evidence: Option<Value>, now: Timestamp) -> Outcome {
        Outcome {
            outcome,
            ok: outcome == Ending::Complete,
            target: self.target.to_string(),
            reason,
            message,
            elapsed_s: now.duration_since(self.started).as_secs_f64(),
            revision: status.revision,
            status,
            evidence: evidence.filter(|_| outcome != Ending::Complete),
        }
    }
}

/// Reason and words of the first doomed pod: `pod web-abc: CrashLoopBackOff, back-off 10s restarting ... (exit code 1)`.
fn doomed(status: &Status) -> Option<(String, String)> {
    let pod = status.doomed.first()?;
    let reason = pod.reason.clone().unwrap_or_else(|| pod.status.clone());
    let said = pod.message.as_deref().map(|message| format!(", {message}")).unwrap_or_default();
    let more = match status.doomed.len() - 1 {
        0 => String::new(),
        1 => ", and one more pod".to_owned(),
        more => format!(", and {more} more pods"),
    };
    Some((reason.clone(), format!("pod {}: {reason}{said}{more}", pod.name)))
}
