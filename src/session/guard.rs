//! Guarded workloads: what they were at the start, what this session made of them since, and how they are put back.
//!
//! What a process that dies would leave behind stands in a file of its own, one for each guard, locked while the process lives. Calling
//! closures is `functions`' business.

mod file;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Session;
use super::follow::{Following, Rules, lineage, not_a_workload, snapshot};
use super::make::Terms;
use super::wait::Stop;
use crate::error::{Error, ErrorKind, Result};
use crate::render::screen::Text;
use crate::resource::{Resource, Target};
use crate::rollout::change::{Change, Request};
use crate::rollout::config;
use crate::rollout::outcome::Ending;
use crate::rollout::restore::{Parts, restore};
use crate::rollout::undo::revision_of;
use crate::rollout::unstick;
use crate::rollout::workload::{Kind, Workload};

use file::{Line, Record};
pub use file::{Pending, pending};

/// How often a workload is looked at again when it was written between a look and our write.
const TRIES: usize = 5;
/// A pod that crashes is ready now and then: how long until one that was ready is looked at again.
const AGAIN: Duration = Duration::from_secs(1);

/// One guarded workload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    pub namespace: String,
    /// `deployment`.
    pub kind: String,
    pub name: String,
    pub uid: String,
    pub start: Parts,
    /// Whether the ConfigMaps and Secrets that its template referred to go back too, to what a checkpoint kept at the start.
    #[serde(default)]
    pub with_config: bool,
    /// What this run last made of it, and what it was about to make.
    #[serde(default)]
    pub ours: Vec<Parts>,
}

impl Kept {
    fn of(workload: &Workload, with_config: bool) -> Self {
        Self {
            namespace: workload.namespace().to_owned(),
            kind: workload.kind().resource().singular.to_string(),
            name: workload.name().to_owned(),
            uid: workload.uid().to_owned(),
            start: Parts::of(workload),
            with_config,
            ours: Vec::new(),
        }
    }

    pub fn target(&self) -> Result<Target> {
        let resource = Resource::known(&self.kind).ok_or_else(|| Error::invalid(format!("{:?} is no kind of a guarded workload", self.kind)))?;
        Ok(Target::new(resource, Some(&self.namespace), &self.name))
    }
}

/// What became of one guarded workload.
///
/// # Shape
/// `#{target, result, message}`; `result` is `as it was`, `put back`, `left alone` (somebody else changed it) or `failed`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Putting {
    pub target: String,
    pub result: &'static str,
    pub message: String,
}

impl Putting {
    pub fn is_back(&self) -> bool {
        matches!(self.result, "as it was" | "put back")
    }
}

/// The guards that are open in a session, innermost last.
#[derive(Default)]
pub struct Guards(Mutex<Open>);

#[derive(Default)]
struct Open {
    next: u64,
    records: Vec<(u64, Record)>,
    /// A second signal ended a rollback: those around it are not begun.
    given_up: bool,
    /// What was put back because of a halt, for the error that the halt becomes.
    unwound: Option<(bool, Value)>,
}

impl Guards {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what was put back because of a halt.
    pub(crate) fn unwind(&self, rolled_back: bool, rollback: Value) {
        self.lock().unwound = Some((rolled_back, rollback));
    }

    /// What was put back because of the halt that has just become an error.
    pub(crate) fn take_unwound(&self) -> Option<(bool, Value)> {
        self.lock().unwound.take()
    }

    /// Before a change is sent: what it is to make of a guarded workload is ours, also when the process dies before the answer.
    pub(super) fn intend(&self, change: &Change, dry_run: bool) -> Result<()> {
        if dry_run || Kind::of(&change.target.resource).is_none() {
            return Ok(());
        }
        let parts = change.predicted().ok().and_then(|after| Workload::new(after).ok()).map(|workload| Parts::of(&workload));
        self.note(&change.before, parts, false)
    }

    /// After it was sent.
    pub(super) fn done(&self, change: &Change, after: &Value, dry_run: bool) -> Result<()> {
        if dry_run || change.request == Request::Nothing {
            return Ok(());
        }
        let parts = Workload::new(after.clone()).ok().map(|workload| Parts::of(&workload));
        self.note(after, parts, true)
    }

    fn note(&self, object: &Value, parts: Option<Parts>, is_done: bool) -> Result<()> {
        let (Some(uid), Some(parts)) = (object["metadata"]["uid"].as_str(), parts) else { return Ok(()) };
        for (_, record) in &mut self.lock().records {
            if let Some(kept) = record.kept.iter_mut().find(|kept| kept.uid == uid) {
                if is_done {
                    kept.ours.clear();
                }
                kept.ours.push(parts.clone());
                let line = Line::Ours { uid: uid.to_owned(), ours: kept.ours.clone() };
                record.write(&line)?;
            }
        }
        Ok(())
    }
}

/// An open guard. Dropped without `keep` or `put_back` it leaves its file to `recover`, as a process that dies does.
pub struct Guard {
    session: Session,
    id: u64,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.session.guards().lock().records.retain(|(id, _)| *id != self.id);
    }
}

impl Session {
    /// Begins to guard workloads: reads what they are, and writes it where `recover` finds it. With `with_config`, a checkpoint of each must have been made.
    ///
    /// # Errors
    /// `usage` for what does not roll out, what the reads answer, `denied` when it cannot be written down.
    pub fn guard(&self, targets: &[Target], with_config: bool) -> Result<Guard, Stop> {
        if let Some(other) = targets.iter().find(|target| Kind::of(&target.resource).is_none()) {
            return Err(not_a_workload(other).into());
        }
        let cluster = self.cluster()?;
        let objects = self.wait(async { futures::future::try_join_all(targets.iter().map(|target| cluster.get(target))).await })?;
        let kept = objects.into_iter().map(|object| Workload::new(object).map(|workload| Kept::of(&workload, with_config))).collect::<Result<Vec<_>>>()?;
        let folder = self.settings().state.as_deref().filter(|_| !self.settings().dry_run && !self.policy().read_only);
        let mut guards = self.guards().lock();
        guards.next += 1;
        let id = guards.next;
        let record = Record::begin(folder, id, kept, self.clock().now(), cluster.context(), cluster.server())?;
        (guards.given_up, guards.unwound) = (false, None);
        guards.records.push((id, record));
        drop(guards);
        Ok(Guard { session: self.clone(), id })
    }

    /// What dead processes left behind in this session's state folder.
    ///
    /// # Errors
    /// `not_found` when the folder cannot be read.
    pub fn pending_guards(&self) -> Result<Vec<Pending>> {
        self.settings().state.as_deref().map_or_else(|| Ok(Vec::new()), pending)
    }

    /// Finishes what a dead process left behind; its file goes away when nothing is left to do.
    ///
    /// # Errors
    /// `conflict` when this session is on another cluster than the one that it is about.
    pub fn recover(&self, left: Pending, limit: Duration) -> Result<Vec<Putting>, Stop> {
        let cluster = self.cluster()?;
        if cluster.server() != left.server() {
            return Err(Error::conflict(format!("this guard is about {} (context {}), not about {}", left.server(), left.context(), cluster.server()))
                .hint(format!("run it with --context {}", left.context()))
                .into());
        }
        let puttings = self.put_back_all(left.kept(), limit);
        if puttings.iter().all(|putting| putting.result != "failed") {
            left.finish()?;
        }
        Ok(puttings)
    }

    /// In reverse order, each to its end before the next.
    fn put_back_all(&self, kept: &[Kept], limit: Duration) -> Vec<Putting> {
        let mut puttings = Vec::new();
        for one in kept.iter().rev() {
            let target = format!("{}/{}", one.kind, one.name);
            let failed = |message: String| Putting { target: target.clone(), result: "failed", message };
            let putting = match self.put_back_through_outages(one, limit) {
                Ok(putting) => putting,
                Err(Stop::Error(error)) if error.kind() == ErrorKind::NotFound => {
                    Putting { target: target.clone(), result: "left alone", message: format!("{target} is gone") }
                }
                Err(Stop::Error(error)) => failed(error.message().to_owned()),
                Err(Stop::Halt(_)) => {
                    self.guards().lock().given_up = true;
                    failed("interrupted".to_owned())
                }
            };
            if putting.result != "as it was" {
                let text = match putting.result {
                    "put back" => format!("guard: {}", putting.message),
                    result => format!("guard: {target} {result}: {}", putting.message),
                };
                self.screen().notice(&Text::plain(text));
            }
            puttings.push(putting);
        }
        puttings
    }

    /// A server that is away for a moment must not keep a bad release running: until the limit is over, it is tried again.
    fn put_back_through_outages(&self, kept: &Kept, limit: Duration) -> Result<Putting, Stop> {
        let started = self.clock().now();
        let (mut written, mut told) = (false, false);
        loop {
            let left = limit.saturating_sub(self.clock().now().duration_since(started).unsigned_abs());
            match self.put_back(kept, if written { left.max(AGAIN) } else { limit }, &mut written) {
                Err(Stop::Error(error)) if error.kind() == ErrorKind::Unreachable && self.cluster()?.has_answered() && left > AGAIN => {
                    if !told {
                        told = true;
                        self.screen().notice(&Text::plain(format!("guard: {}; trying again for {} s", error.message(), left.as_secs())));
                    }
                    self.pause(AGAIN)?;
                }
                other => return other,
            }
        }
    }

    /// The changes that give back the configuration of the start.
    fn config_of_start(&self, kept: &Kept, target: &Target) -> Result<Vec<Change>, Stop> {
        let cluster = self.cluster()?;
        let snapshot = self.wait(async { lineage(&cluster, target).await })?;
        let chosen = revision_of(&snapshot, &kept.start.template).ok_or_else(|| {
            Error::not_found(format!("no revision of {target} has the template of the start any more, and so no copies of its configuration"))
        })?;
        let config = self.config(&snapshot.workload, config::references(&chosen.template))?;
        Ok(config::put_back(&snapshot, &chosen, &config)?)
    }

    /// `written`: whether a template was sent that may have arrived, in this try or one before.
    fn put_back(&self, kept: &Kept, limit: Duration, written: &mut bool) -> Result<Putting, Stop> {
        let target = kept.target()?;
        let said = target.to_string();
        let cluster = self.cluster()?;
        let mut tries = 0;
        let (workload, trouble, only_config) = loop {
            let workload = Workload::new(self.wait(async { cluster.get(&target).await })?)?;
            if workload.uid() != kept.uid {
                let message = format!("{target} was deleted, and another of the same name created");
                return Ok(Putting { target: said, result: "left alone", message });
            }
            let change = match restore(&workload, &kept.start, &kept.ours) {
                Ok(change) => change,
                Err(error) => return Ok(Putting { target: said, result: "left alone", message: error.message().to_owned() }),
            };
            // A bad release goes even where its configuration cannot.
            let (config, trouble) = match kept.with_config.then(|| self.config_of_start(kept, &target)) {
                None => (Vec::new(), None),
                Some(Ok(config)) => (config, None),
                Some(Err(Stop::Error(error))) if error.kind() != ErrorKind::Unreachable => (Vec::new(), Some(error)),
                Some(Err(stop)) => return Err(stop),
            };
            if change.does_nothing() && config.is_empty() && (*written || trouble.is_some()) {
                break (workload, trouble, false);
            }
            if change.does_nothing() && config.is_empty() {
                return Ok(Putting { target: said, result: "as it was", message: change.done });
            }
            *written = true;
            // What goes alone needs no rehearsal.
            let made = if config.is_empty() { self.make(&change, Terms::default()) } else { self.make_together(&config, &change, Terms::default()) };
            match made {
                Err(Stop::Error(error)) if error.kind() == ErrorKind::Conflict && tries < TRIES => tries += 1,
                made => {
                    made?;
                    break (workload, trouble, change.does_nothing());
                }
            }
        };
        let back = if kept.with_config { "its template and its configuration" } else { "its template" };
        let stays_paused = kept.start.paused && workload.kind() == Kind::Deployment;
        if let Some(trouble) = trouble {
            if !stays_paused {
                self.settle(&target, limit)?;
            }
            let message = format!("{target} has its template back, but not its configuration: {}", trouble.message());
            return Err(Error::new(ErrorKind::Failed, message).into());
        }
        if stays_paused {
            return Ok(Putting { message: format!("{target} has {back} back, and is paused as it was"), target: said, result: "put back" });
        }
        self.settle(&target, limit)?;
        let message = if only_config {
            format!(
                "{target} has its configuration back; its template had stayed: what containers read at their start they read again after restart(\"{target}\")"
            )
        } else {
            format!("{target} put back, and its rollout is complete")
        };
        Ok(Putting { message, target: said, result: "put back" })
    }

    /// Waits until the rollout is complete, and helps a StatefulSet past pods that the bad template broke.
    fn settle(&self, target: &Target, limit: Duration) -> Result<(), Stop> {
        let deadline = self.deadline(limit);
        let over = |stop| match stop {
            Stop::Halt(super::Halt::Deadline(id)) if id == deadline.id() => {
                Error::timeout(format!("{target} has its template back, but its rollout is not complete after {} s", limit.as_secs())).into()
            }
            other => other,
        };
        loop {
            let cluster = self.cluster()?;
            let mut following = self.wait(async { Following::start(&cluster, target, Rules::default(), self.clock()).await }).map_err(over)?;
            let (ending, message) = loop {
                let verdict = match self.wait(async { following.next().await }) {
                    Err(Stop::Halt(super::Halt::Deadline(id))) if id == deadline.id() => {
                        return Err(
                            Error::timeout(format!("{target} has its template back, but its rollout is not complete after {} s", limit.as_secs())).into()
                        );
                    }
                    other => other?,
                };
                if let Some((ending, _, message)) = verdict.ending {
                    break (ending, message);
                }
            };
            match ending {
                Ending::Complete => {
                    if let Some(mark) = self.wait(async { Ok(following.remember().await) })? {
                        self.make_quietly(&mark)?;
                    }
                    return Ok(());
                }
                Ending::Stalled | Ending::Failed if target.resource.kind == "StatefulSet" => {
                    let snapshot = self.wait(async { snapshot(&cluster, target).await }).map_err(over)?;
                    let change = unstick::unstick(&snapshot)?;
                    if change.does_nothing() && ending == Ending::Failed {
                        return Err(Error::new(ErrorKind::Failed, format!("{target} has its template back, but: {message}")).into());
                    }
                    if change.does_nothing() {
                        self.pause(AGAIN).map_err(over)?;
                    } else {
                        self.make(&change, Terms::default()).map_err(over)?;
                    }
                }
                other => {
                    let kind = other.error_kind().unwrap_or(ErrorKind::Failed);
                    return Err(Error::new(kind, format!("{target} has its template back, but: {message}")).into());
                }
            }
        }
    }
}

impl Guard {
    /// All is well: nothing is put back, and nothing is left for `recover`.
    ///
    /// # Errors
    /// `denied` when the file cannot be removed: it would undo good work later.
    pub fn keep(self) -> Result<()> {
        self.end()
    }

    /// Puts everything back, in reverse order, and waits for that, in spite of the signals and deadlines so far. What could not be put
    /// back stays in the file for `recover`.
    ///
    /// # Errors
    /// `denied` when the file cannot be removed.
    pub fn put_back(self, limit: Duration) -> Result<Vec<Putting>> {
        let kept = self.kept();
        if self.session.guards().lock().given_up {
            let given_up = |one: &Kept| Putting { target: format!("{}/{}", one.kind, one.name), result: "failed", message: "interrupted".to_owned() };
            return Ok(kept.iter().rev().map(given_up).collect());
        }
        let puttings = self.session.shielded(|| self.session.put_back_all(&kept, limit));
        if puttings.iter().all(|putting| putting.result != "failed") {
            self.end()?;
        }
        Ok(puttings)
    }

    fn kept(&self) -> Vec<Kept> {
        self.session.guards().lock().records.iter().find(|(id, _)| *id == self.id).map(|(_, record)| record.kept.clone()).unwrap_or_default()
    }

    fn end(&self) -> Result<()> {
        let mut guards = self.session.guards().lock();
        match guards.records.iter().position(|(id, _)| *id == self.id) {
            Some(at) => guards.records.remove(at).1.finish(),
            None => Ok(()),
        }
    }
}
