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
    /// The Deployment is paused, and its rollout not complete.
    Paused,
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
            Ending::Paused => Some(ErrorKind::Paused),
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
/// A paused Deployment does not end by being paused, since it may be resumed: `phase` says it, and who does not want to wait for that ends it.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rollout::object::after;
    use crate::rollout::sample::{ago, crashed, fourth_stuck, now, progressing, recorded, running, third_live, waiting, web, with};

    /// What becomes of a rollout that starts as `first` and then is `next`.
    fn followed(first: &Snapshot, next: Option<&Snapshot>, fail_fast: bool) -> Verdict {
        Followed::start(first, Patience::default(), fail_fast, now()).look(next, now())
    }

    fn end(verdict: Verdict) -> (Ending, Option<String>, String) {
        verdict.ending.expect("it has ended")
    }

    #[test]
    fn a_rollout_that_is_complete_ends_so() {
        let (ending, reason, message) = end(followed(&third_live(), Some(&third_live()), true));
        assert_eq!((ending, reason, message.as_str()), (Ending::Complete, None, "deployment \"web\" successfully rolled out"));
    }

    #[test]
    fn a_change_that_is_not_observed_is_not_complete() {
        let unobserved = with(&third_live(), |object| object["metadata"]["generation"] = json!(6));
        assert_eq!(followed(&unobserved, Some(&unobserved), true).ending, None);
    }

    #[test]
    fn a_look_from_before_the_start_says_nothing() {
        let start = with(&web("shop/web:4", &[(3, "shop/web:3", 3)]), |object| object["metadata"]["generation"] = json!(6));
        let verdict = followed(&start, Some(&third_live()), true);
        assert_eq!((verdict.ending, verdict.status.phase, verdict.status.complete), (None, Phase::Unobserved, false));
    }

    #[test]
    fn another_template_supersedes_and_is_named() {
        let next = with(&fourth_stuck(running()), |object| object["metadata"]["generation"] = json!(6));
        let (ending, _, message) = end(followed(&third_live(), Some(&next), true));
        assert_eq!(ending, Ending::Superseded);
        assert_eq!(message, "another template change of deployment/web arrived while waiting (web=shop/web:4), revision 4");
    }

    #[test]
    fn a_scale_an_annotation_or_the_same_template_written_otherwise_supersedes_nothing() {
        let next = with(&third_live(), |object| {
            object["metadata"]["generation"] = json!(8);
            object["metadata"]["annotations"] = json!({"mine": "1"});
            object["spec"]["replicas"] = json!(5);
            object["spec"]["template"]["metadata"]["annotations"] = json!({});
        });
        assert_eq!(followed(&third_live(), Some(&next), true).ending, None);
    }

    #[test]
    fn a_deleted_workload_ends_it_and_so_does_another_of_its_name() {
        let again = with(&third_live(), |object| object["metadata"]["uid"] = "another".into());
        let leaving = with(&third_live(), |object| object["metadata"]["deletionTimestamp"] = ago(1).into());
        for (next, words) in [
            (None, "deployment/web has been deleted"),
            (Some(&again), "deployment/web has been deleted, and another of the same name created"),
            (Some(&leaving), "deployment/web is being deleted"),
        ] {
            let verdict = followed(&third_live(), next, true);
            assert_eq!(verdict.status.phase, Phase::Missing);
            assert_eq!(end(verdict), (Ending::Deleted, None, words.to_owned()));
        }
    }

    #[test]
    fn a_doomed_pod_fails_it_at_once_or_not_as_one_likes() {
        let stuck = fourth_stuck(crashed(1));
        let (ending, reason, message) = end(followed(&stuck, Some(&stuck), true));
        assert_eq!((ending, reason.as_deref()), (Ending::Failed, Some("CrashLoopBackOff")));
        assert_eq!(message, "pod web-4-a: CrashLoopBackOff, back-off 10s restarting failed container=web (exit code 1)");
        assert_eq!(followed(&stuck, Some(&stuck), false).ending, None);
    }

    #[test]
    fn a_pull_error_has_its_grace_and_then_fails_it() {
        let mut stuck = fourth_stuck(waiting("ErrImagePull", "not found"));
        stuck.pods[0]["status"]["startTime"] = ago(10).into();
        let mut followed = Followed::start(&stuck, Patience::default(), true, now());
        let verdict = followed.look(Some(&stuck), now());
        assert_eq!((verdict.ending, verdict.look_again), (None, Some(after(now(), 20))));
        let (ending, reason, message) = end(followed.look(Some(&stuck), after(now(), 20)));
        assert_eq!((ending, reason.as_deref(), message.as_str()), (Ending::Failed, Some("ErrImagePull"), "pod web-4-a: ErrImagePull, not found"));
    }

    #[test]
    fn an_exceeded_deadline_stalls_it_and_names_the_pod() {
        let (ending, reason, message) = end(followed(&recorded("041-deploy-crash"), Some(&recorded("041-deploy-crash")), true));
        assert_eq!((ending, reason.as_deref()), (Ending::Stalled, Some("ProgressDeadlineExceeded")));
        assert!(
            message.starts_with("deployment \"web\" exceeded its progress deadline: pod web-59b79579b6-wtkpv: CrashLoopBackOff, back-off 10s"),
            "{message}"
        );
    }

    #[test]
    fn a_stale_deadline_condition_does_not_end_it_until_it_is_telling() {
        let undone = with(&third_live(), |object| {
            object["status"]["conditions"] = progressing("ProgressDeadlineExceeded", "ReplicaSet \"web-2\" has timed out progressing.", &ago(100));
            object["status"]["updatedReplicas"] = json!(1);
            object["metadata"]["managedFields"] = json!([{"manager": "rollsh", "time": ago(10), "fieldsV1": {"f:spec": {"f:template": {}}}}]);
        });
        let mut followed = Followed::start(&undone, Patience::default(), true, now());
        let verdict = followed.look(Some(&undone), now());
        assert_eq!((verdict.ending, verdict.look_again), (None, Some(after(now(), 590))));
        assert_eq!(end(followed.look(Some(&undone), after(now(), 590))).0, Ending::Stalled);
    }

    #[test]
    fn a_paused_deployment_goes_on_until_it_is_complete() {
        let paused = recorded("048-deploy-paused");
        let verdict = followed(&paused, Some(&paused), true);
        assert_eq!((verdict.ending, verdict.status.phase), (None, Phase::Paused));
        let done = with(&third_live(), |object| object["spec"]["paused"] = true.into());
        assert_eq!(end(followed(&done, Some(&done), true)).0, Ending::Complete);
    }

    #[test]
    fn a_stateful_set_that_waits_for_an_old_broken_pod_is_stalled_and_says_what_helps() {
        let wedged = recorded("083-sts-undo-stuck");
        let (ending, reason, message) = end(followed(&wedged, Some(&wedged), true));
        assert_eq!((ending, reason.as_deref()), (Ending::Stalled, Some("ImagePullBackOff")));
        assert_eq!(message, "pod db-2 of revision 4: ImagePullBackOff, and statefulset/db waits for it before it goes on; unstick(\"sts/db\") deletes it");
        assert_eq!(followed(&wedged, Some(&wedged), false).ending, None);
        // Straight after the pod was made it may still get well.
        let made = "2026-11-22T19:26:05Z".parse().expect("a time");
        let verdict = Followed::start(&wedged, Patience::default(), true, made).look(Some(&wedged), made);
        assert_eq!((verdict.ending, verdict.status.reason.as_deref(), verdict.look_again), (None, Some("ImagePullBackOff"), Some(after(made, 30))));
    }

    #[test]
    fn an_update_on_delete_ends_with_a_true_statement() {
        let on_delete = with(&recorded("086-sts-recovered"), |object| {
            object["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
            object["status"]["updatedReplicas"] = json!(1);
        });
        let (ending, _, message) = end(followed(&on_delete, Some(&on_delete), true));
        assert_eq!(ending, Ending::Complete);
        assert_eq!(message, "statefulset \"db\" updates pods on delete: 1 of 3 pods have the new template, the others get it when they are deleted");
    }

    #[test]
    fn a_timeout_tells_where_it_stood() {
        let stuck = fourth_stuck(crashed(1));
        let mut followed = Followed::start(&stuck, Patience::default(), false, now());
        let later = after(now(), 30);
        let verdict = followed.look(Some(&stuck), later);
        let ended = followed.timed_out(&verdict.status, later);
        assert_eq!(
            ended.2,
            "deployment/web is not complete after 30s: Waiting for deployment \"web\" rollout to finish: 1 out of 3 new replicas have been updated... \
             (pod web-4-a: CrashLoopBackOff, back-off 10s restarting failed container=web (exit code 1))"
        );
        let outcome = followed.outcome(verdict.status, ended, Some(json!({})), later);
        assert_eq!((outcome.ok, outcome.elapsed_s, outcome.revision, outcome.evidence.is_some()), (false, 30.0, Some(4), true));
        assert_eq!(serde_json::to_value(outcome.outcome).expect("a word"), "timeout");
        assert_eq!(outcome.outcome.error_kind(), Some(ErrorKind::Timeout));
    }
}
