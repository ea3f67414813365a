//! Several changes made as one: all are checked and rehearsed before the first is sent, and when one fails, those before it are taken back.
//!
//! The API server has no transactions: between the first write and the last a reader can see some of them, and a process that dies there
//! leaves some of them made. The journal has each.

use serde_json::Value;

use super::Session;
use super::make::{Made, Terms};
use super::wait::Stop;
use crate::error::{Error, Result};
use crate::render::fault;
use crate::rollout::change::Change;
use crate::rollout::config::reversal;
use crate::rollout::workload::Workload;

/// The diffs of several objects as one, each with the name of its object.
fn joined(parts: &[Made]) -> String {
    let named = |part: &Made| part.diff.replacen("--- before\n+++ after\n", &format!("--- {0} before\n+++ {0} after\n", part.target), 1);
    parts.iter().map(named).collect()
}

impl Session {
    /// Makes changes in order, on terms that are about the last one: `before` are of ConfigMaps and Secrets.
    ///
    /// # Errors
    /// As `make`. Nothing was changed then, or what was changed was taken back; where that failed too the error says what is left, in
    /// words and as the fact `left`.
    pub fn make_together(&self, before: &[Change], last: &Change, terms: Terms) -> Result<Made, Stop> {
        self.check_terms(&last.target, &last.before, terms)?;
        for change in before.iter().chain([last]) {
            self.policy().check_change(change)?;
        }
        if !terms.dry_run && !self.settings().dry_run {
            for change in before.iter().chain([last]).filter(|change| !change.does_nothing()) {
                self.rehearse(change)?;
            }
        }
        let each = Terms { dry_run: terms.dry_run, ..Terms::default() };
        let mut done: Vec<(&Change, Value)> = Vec::new();
        let mut parts: Vec<Made> = Vec::new();
        for (change, terms) in before.iter().map(|change| (change, each)).chain([(last, terms)]) {
            match self.made(change, terms) {
                Ok((made, after)) => {
                    if made.changed && !made.dry_run {
                        done.push((change, after));
                    }
                    parts.push(made);
                }
                Err(stop) => return Err(self.taken_back(stop, &done)),
            }
        }
        let Some(made) = parts.last().cloned() else { return Err(Error::invalid("no change to make").into()) };
        if parts.len() == 1 {
            return Ok(made);
        }
        let changed = parts.iter().any(|part| part.changed);
        Ok(Made { changed, diff: joined(&parts), parts, ..made })
    }

    /// Makes the copies of a checkpoint; the Change is about the workload. Each copy stands for itself, so those that were made stay when
    /// another cannot be.
    ///
    /// # Errors
    /// As `make`.
    pub fn make_checkpoint(&self, workload: &Workload, copies: &[Change], dry_run: bool) -> Result<Made, Stop> {
        let terms = Terms { dry_run, ..Terms::default() };
        let mut parts = copies.iter().map(|copy| self.make(copy, terms)).collect::<Result<Vec<Made>, Stop>>()?;
        let target = workload.target().to_string();
        parts.retain(|part| part.target != target);
        Ok(Made {
            verb: "checkpoint".to_owned(),
            target,
            changed: parts.iter().any(|part| part.changed),
            dry_run: dry_run || self.settings().dry_run,
            diff: joined(&parts),
            generation: Some(workload.generation()),
            parts,
        })
    }

    /// Takes back what was made, in reverse order, in spite of the signals and deadlines so far; the error says what could not be.
    fn taken_back(&self, stop: Stop, done: &[(&Change, Value)]) -> Stop {
        let mut left = Vec::new();
        for (change, after) in done.iter().rev() {
            if let Err(trouble) = self.shielded(|| self.make(&reversal(change, after), Terms::default())) {
                let why = match trouble {
                    Stop::Error(error) => error.message().to_owned(),
                    Stop::Halt(_) => "interrupted".to_owned(),
                };
                self.screen().warn(&fault::warning(&format!("{} was changed and could not be taken back: {why}", change.target)));
                left.push(change.target.to_string());
            }
        }
        match stop {
            Stop::Error(error) if !left.is_empty() => {
                let hint = format!("changed and not taken back: {}", left.join(", "));
                Stop::Error(error.fact("left", left).hint(hint))
            }
            Stop::Error(error) if !done.is_empty() => Stop::Error(error.hint("what was changed before it was taken back")),
            other => other,
        }
    }
}
