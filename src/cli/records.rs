//! `rollsh journal` and `rollsh recover`: what was changed, and what a killed process left half done.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use super::args::{Format, Global};
use super::build::{self, Use};
use crate::error::{Error, ErrorKind, Result};
use crate::journal::Entry;
use crate::render::data;
use crate::render::fault;
use crate::render::screen::{Screen, Text, Tone};
use crate::render::table::{Layout, Table};
use crate::session::Stop;

/// How long each workload may take to be back: the default progress deadline of a Deployment.
const ROLLBACK_TIMEOUT: Duration = Duration::from_secs(600);

/// Lists the journal and checks its chain; exit code 1 when the chain is broken.
pub fn journal(global: &Global, screen: &Screen) -> Result<ExitCode> {
    let session = build::session(global, &Use::Script(PathBuf::from(".")), screen.clone())?;
    let journal = session.journal();
    let entries = journal.entries()?;
    let verdict = journal.verify()?;
    match global.output {
        Format::Text => screen.print(&table(&entries).print(&Layout::default())),
        Format::Json => screen.print_line(&data::json(&as_value(&entries))),
        Format::Yaml => screen.print_line(&data::yaml(&as_value(&entries))),
    }
    let place = journal.path().map_or_else(|| "memory".to_owned(), |path| path.display().to_string());
    if let Some((line, why)) = &verdict.broken {
        screen.warn(&fault::error(&Error::invalid(format!("{place}, line {line}: {why}")).hint("what stands after it cannot be trusted either")));
        return Ok(ExitCode::from(1));
    }
    screen.notice(&Text::of(Tone::Dim, format!("{}: {} lines in good order", place, verdict.entries)));
    Ok(ExitCode::SUCCESS)
}

fn as_value(entries: &[Entry]) -> Value {
    json!(entries)
}

fn table(entries: &[Entry]) -> Table {
    let rows = entries.iter().map(|entry| {
        let intent = &entry.intent;
        let result = entry.outcome.as_ref().map_or("no outcome", |outcome| outcome.result.as_str());
        let verb = if intent.dry_run { format!("{} (dry run)", intent.verb) } else { intent.verb.clone() };
        vec![
            format!("{:.0}", intent.time).into(),
            intent.user.clone().into(),
            intent.context.clone().into(),
            verb.into(),
            intent.target.clone().into(),
            result.into(),
        ]
    });
    Table::of(&["Time", "User", "Context", "Verb", "Target", "Result"], rows.collect())
}

/// Puts back what the guards of dead processes were about; exit code 5 when something could not be put back.
pub fn recover(global: &Global, screen: &Screen) -> Result<ExitCode> {
    let session = build::session(global, &Use::Script(PathBuf::from(".")), screen.clone())?;
    let pending = session.pending_guards()?;
    if pending.is_empty() {
        screen.notice(&Text::plain("nothing to recover"));
        return Ok(ExitCode::SUCCESS);
    }
    let mut code = ExitCode::SUCCESS;
    for left in pending {
        screen.notice(&Text::plain(format!("guard of {} on {}", left.time(), left.context())));
        match session.recover(left, ROLLBACK_TIMEOUT) {
            Ok(puttings) => {
                for putting in &puttings {
                    screen.print_line(&format!("{} {}", putting.target, putting.result));
                    if putting.result == "failed" {
                        code = ExitCode::from(ErrorKind::Failed.exit_code());
                    }
                }
            }
            // Another guard may be about the cluster that this session is on.
            Err(Stop::Error(error)) if error.kind() == ErrorKind::Conflict => {
                screen.warn(&fault::error(&error));
                code = ExitCode::from(ErrorKind::Failed.exit_code());
            }
            Err(Stop::Error(error)) => return Err(error),
            Err(Stop::Halt(_)) => return Ok(ExitCode::from(130)),
        }
    }
    Ok(code)
}
