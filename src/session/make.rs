//! Making a change: policy, intent in the journal, send or dry run, outcome in the journal. Every verb goes through here.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::Session;
use super::wait::Stop;
use crate::cluster::Cluster;
use crate::error::{Error, ErrorKind};
use crate::render::screen::Text;
use crate::render::{diff, fault};
use crate::rollout::change::{Change, Request};

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

/// What came of a change.
///
/// # Shape
/// `#{verb, target, changed, dry_run, diff, generation}`; `diff` is a unified diff of what users write, empty when nothing changed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Made {
    pub verb: String,
    pub target: String,
    pub changed: bool,
    pub dry_run: bool,
    pub diff: String,
    pub generation: Option<i64>,
}

impl Session {
    /// Makes a change that was decided.
    ///
    /// # Errors
    /// `denied` by policy, `conflict` when the terms or the change's own precondition do not hold, and what the API server answers.
    pub fn make(&self, change: &Change, terms: Terms) -> Result<Made, Stop> {
        self.check_terms(change, terms)?;
        self.policy().check_change(change)?;
        let dry_run = terms.dry_run || self.settings().dry_run;
        for warning in &change.warnings {
            self.screen().warn(&fault::warning(warning));
        }
        let after = if change.request == Request::Nothing { change.before.clone() } else { self.wait(send(&self.cluster()?, change, dry_run))? };
        let diff = diff::of_change(&change.before, &after);
        let changed = !diff.is_empty();
        let mut said = change.done.clone();
        if dry_run && change.request != Request::Nothing {
            said.push_str(" (server dry run)");
        }
        self.screen().notice(&Text::plain(said));
        let generation = after["metadata"]["generation"].as_i64();
        Ok(Made { verb: change.verb.to_owned(), target: change.target.to_string(), changed, dry_run, diff, generation })
    }

    fn check_terms(&self, change: &Change, terms: Terms) -> Result<(), Error> {
        let metadata = &change.before["metadata"];
        if let Some(wanted) = terms.if_generation {
            let found = metadata["generation"].as_i64().unwrap_or(0);
            if found != wanted {
                return Err(Error::conflict(format!("{} is at generation {found}, not {wanted}", change.target))
                    .target(&change.target)
                    .fact("generation", found));
            }
        }
        if let Some(wanted) = terms.if_revision {
            let found = metadata["annotations"]["deployment.kubernetes.io/revision"].as_str().and_then(|text| text.parse::<i64>().ok());
            if found != Some(wanted) {
                let shown = found.map_or_else(|| "no known revision".to_owned(), |found| format!("revision {found}"));
                return Err(Error::conflict(format!("{} is at {shown}, not {wanted}", change.target)).target(&change.target).fact("revision", found));
            }
        }
        Ok(())
    }
}

/// Sends a change; when only controllers wrote to the object since the decision, once more on what is there now.
///
/// # Errors
/// `conflict` when somebody else changed it: nothing was written then.
async fn send(cluster: &Cluster, change: &Change, dry_run: bool) -> Result<Value, Error> {
    let mut change = Cow::Borrowed(change);
    for _ in 1..TRIES {
        match cluster.send(&change, dry_run).await {
            Err(error) if error.kind() == ErrorKind::Conflict && change.precondition.is_some() => {
                let now = cluster.get(&change.target).await?;
                change = Cow::Owned(change.rebased(&now).ok_or(error)?);
            }
            other => return other,
        }
    }
    cluster.send(&change, dry_run).await
}
