//! Making a change: policy, intent in the journal, send or dry run, outcome in the journal. Every verb goes through here.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::Session;
use super::wait::{Halt, Stop};
use crate::cluster::Cluster;
use crate::cluster::read::Selection;
use crate::cluster::write::FIELD_MANAGER;
use crate::error::{Error, ErrorKind, Result};
use crate::journal::{Actor, Intent, Outcome};
use crate::render::screen::Text;
use crate::render::{diff, fault};
use crate::resource::Target;
use crate::rollout::change::{Change, Request};
use crate::rollout::history;
use crate::rollout::workload::{Snapshot, Workload};

/// How often a change is sent when its object's own controllers write in between: during a rollout they do several times a second.
const TRIES: usize = 8;

/// Conditions and ways of one call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Nothing is stored; the session's own `--dry-run` holds anyway.
    pub dry_run: bool,
    /// Refuse when the object is no longer at this generation.
    pub if_generation: Option<i64>,
    /// Refuse when the workload is no longer at this revision.
    pub if_revision: Option<i64>,
}

impl Terms {
    fn are_any(self) -> bool {
        self.if_generation.is_some() || self.if_revision.is_some()
    }
}

/// What came of a change.
///
/// # Shape
/// `#{verb, target, changed, dry_run, diff, generation}`; `diff` is a unified diff of what users write, empty when nothing changed. Of a
/// change that writes to several objects `diff` is of all of them, and `parts` has a Change for each.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Made {
    pub verb: String,
    pub target: String,
    pub changed: bool,
    pub dry_run: bool,
    pub diff: String,
    pub generation: Option<i64>,
    /// Of a change that writes to several objects: one for each, in the order in which they were written. Else absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Made>,
}

impl Session {
    /// Makes a change that was decided.
    ///
    /// # Errors
    /// `denied` by policy, `conflict` when the terms or the change's own precondition do not hold,
    /// and what the API server answers.
    pub fn make(&self, change: &Change, terms: Terms) -> Result<Made, Stop> {
        self.made(change, terms).map(|(made, _)| made)
    }

    /// The same, with the object after the change.
    pub(super) fn made(&self, change: &Change, terms: Terms) -> Result<(Made, Value), Stop> {
        self.check_terms(&change.target, &change.before, terms)?;
        self.policy().check_change(change)?;
        let dry_run = terms.dry_run || self.settings().dry_run;
        for warning in &change.warnings {
            self.screen().warn(&fault::warning(warning));
        }
        // What was checked just now must still hold when the write arrives.
        let pinned = (terms.are_any() && change.precondition.is_none() && change.before.is_object()).then(|| change.clone().pinned());
        let change = pinned.as_ref().unwrap_or(change);
        let after = self.written(change, dry_run)?;
        let diff = diff::of_change(&change.before, &after);
        let changed = !diff.is_empty();
        let mut said = change.done.clone();
        // The server may drop all that a patch says.
        if !changed && change.verb == "patch" && change.request != Request::Nothing {
            said.push_str(" (no change)");
        }
        if dry_run && change.request != Request::Nothing {
            said.push_str(" (server dry run)");
        }
        self.screen().notice(&Text::plain(said));
        let generation = after["metadata"]["generation"].as_i64();
        let made = Made { verb: change.verb.to_owned(), target: change.target.to_string(), changed, dry_run, diff, generation, parts: Vec::new() };
        Ok((made, after))
    }

    /// Makes a change that nobody asked for and nobody misses: without a word, and not at all in a session that changes nothing.
    pub fn make_quietly(&self, change: &Change) -> Result<(), Stop> {
        if self.settings().dry_run || self.policy().check_change(change).is_err() {
            return Ok(());
        }
        match self.written(change, false) {
            Err(Stop::Halt(halt)) => Err(Stop::Halt(halt)),
            Err(Stop::Error(error)) if self.settings().verbose > 0 => {
                self.screen().notice(&Text::plain(format!("{} was not {}: {error}", change.target, change.verb)));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The object as the API server would make it: a dry run, which changes nothing and so needs no leave and leaves no trace.
    ///
    /// # Errors
    /// What the API server answers.
    pub fn rehearse(&self, change: &Change) -> Result<Value, Stop> {
        let cluster = self.cluster()?;
        self.wait(async { send(&cluster, change, true).await })
    }

    /// The object after the change, with intent and outcome in the journal.
    fn written(&self, change: &Change, dry_run: bool) -> Result<Value, Stop> {
        if change.request == Request::Nothing {
            return Ok(change.before.clone());
        }
        let cluster = self.cluster()?;
        let intent = Intent::new(change, self.clock().now(), &Actor::of_process(), cluster.context(), cluster.server(), dry_run);
        let id = self.journal().intend(&intent).map_err(|error| self.unrecorded(&error)).ok();
        self.guards().intend(change, dry_run)?;
        let sent = self.wait(async { send(&cluster, change, dry_run).await });
        for warning in cluster.take_warnings() {
            self.screen().warn(&fault::warning(&warning));
        }
        let now = self.clock().now();
        let outcome = match &sent {
            Ok(after) => Outcome::new(now, Ok(after)),
            Err(Stop::Error(error)) => Outcome::new(now, Err(error)),
            // The answer was not waited for: the write may have arrived.
            Err(Stop::Halt(halt)) => Outcome::new(now, Err(&unanswered(change, *halt))),
        };
        if let Some(Err(error)) = id.map(|id| self.journal().conclude(id, &outcome, !dry_run)) {
            self.unrecorded(&error);
        }
        if let Ok(after) = &sent {
            self.guards().done(change, after, dry_run)?;
        }
        sent
    }

    /// Says that a change is not in the journal. It is made all the same: a full disk must not keep a bad release running.
    fn unrecorded(&self, error: &Error) {
        self.screen().warn(&fault::warning(&format!("this change is not in the journal: {}", error.message())));
    }

    /// Whether the object still is what the terms say.
    ///
    /// # Errors
    /// `conflict` with what was found; `usage` for `if_revision` of what has no revisions.
    pub fn check_terms(&self, target: &Target, before: &Value, terms: Terms) -> Result<(), Stop> {
        if let Some(wanted) = terms.if_generation {
            let found = before["metadata"]["generation"].as_i64().unwrap_or(0);
            if found != wanted {
                return Err(Error::conflict(format!("{target} is at generation {found}, not {wanted}")).target(target).fact("generation", found).into());
            }
        }
        if let Some(wanted) = terms.if_revision {
            let found = self.revision_of(target, before)?;
            if found != Some(wanted) {
                let shown = found.map_or_else(|| "a template that its controller has made no revision of yet".to_owned(), |found| format!("revision {found}"));
                return Err(Error::conflict(format!("{target} is at {shown}, not {wanted}")).target(target).fact("revision", found).into());
            }
        }
        Ok(())
    }

    /// The number of the revision whose template is live. From the revisions themselves: a Deployment's own annotation lags behind its template.
    fn revision_of(&self, target: &Target, before: &Value) -> Result<Option<i64>, Stop> {
        let workload = Workload::new(before.clone())
            .map_err(|_| Error::usage(format!("{target} has no revisions for if_revision")).target(target).hint("if_generation holds for any kind"))?;
        let cluster = self.cluster()?;
        let owned = Selection { namespace: target.namespace.clone(), labels: Some(workload.selector()), ..Selection::default() };
        let revisions = self.wait(async { cluster.list(workload.kind().revisions(), &owned).await })?;
        let snapshot = Snapshot { workload, revisions, pods: Vec::new() };
        Ok(history::history(&snapshot, self.clock().now()).iter().find(|revision| revision.current).map(|revision| revision.revision))
    }
}

/// Sends a change; when only controllers wrote to the object since the decision, once more on what is there now.
///
/// # Errors
/// `conflict` when somebody else changed it: nothing was written then.
async fn send(cluster: &Cluster, change: &Change, dry_run: bool) -> Result<Value> {
    let mut change = Cow::Borrowed(change);
    for _ in 1..TRIES {
        match cluster.send(&change, dry_run).await {
            Err(error) if error.kind() == ErrorKind::Conflict && change.precondition.is_some() => {
                let now = cluster.get(&change.target).await?;
                change = Cow::Owned(change.rebased(&now).ok_or(error)?);
            }
            Err(error) if is_own_conflict(&change, &error) => change = Cow::Owned(forced(&change)),
            other => return other,
        }
    }
    cluster.send(&change, dry_run).await
}

fn unanswered(change: &Change, halt: Halt) -> Error {
    let why = match halt {
        Halt::Interrupted | Halt::Exit(_) => "interrupted",
        Halt::Terminated => "terminated",
        Halt::Deadline(_) => "the deadline ran out",
    };
    Error::interrupted(format!("{why} before the answer came; whether {} was changed is not known", change.target)).fact("arrived", "unknown")
}

/// Whether an apply was refused only because of fields that we ourselves set in another way before (`set_image`, then `apply`):
/// to the API server these are two owners, to the user they are one.
fn is_own_conflict(change: &Change, error: &Error) -> bool {
    let conflicts = error.facts().get("conflicts").and_then(Value::as_array);
    matches!(change.request, Request::Apply { force: false, .. })
        && conflicts.is_some_and(|conflicts| !conflicts.is_empty() && conflicts.iter().all(|conflict| conflict["manager"] == FIELD_MANAGER))
}

fn forced(change: &Change) -> Change {
    let mut change = change.clone();
    if let Request::Apply { force, .. } = &mut change.request {
        *force = true;
    }
    change
}
