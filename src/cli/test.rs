//! `rollsh test`: runs the tests of scripts and tells what came of them.

use std::path::PathBuf;
use std::process::ExitCode;

use super::args::Global;
use super::{build, signals};
use crate::error::{Error, Result, file_reason};
use crate::render::screen::{Screen, Text, Tone};
use crate::script::tester::{Plan, Tested, junit, test};
use crate::session::{Halt, Interrupts};
use crate::sim::Options;

/// What the command line asks for.
pub struct Wanted {
    pub paths: Vec<PathBuf>,
    pub junit: Option<PathBuf>,
    pub filter: Option<String>,
    pub jobs: Option<usize>,
}

/// Exit code 0 when all passed, 1 when one failed; `usage` when there is nothing to run.
pub fn run(global: &Global, screen: &Screen, wanted: &Wanted) -> Result<ExitCode> {
    let interrupts = Interrupts::default();
    signals::listen(&interrupts, false)?;
    let options = match &global.sim {
        Some(manifests) => build::options(global.seed, manifests.as_deref())?,
        None => Options { seed: global.seed, ..Options::empty() },
    };
    let jobs = wanted.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let plan = Plan { paths: wanted.paths.clone(), filter: wanted.filter.clone(), jobs, options, interrupts: interrupts.clone() };
    let results = test(&plan)?;
    for tested in &results {
        screen.show(&told(tested));
    }
    let failed = results.iter().filter(|tested| tested.failure.is_some()).count();
    let passed = results.len() - failed;
    if let Some(file) = &wanted.junit {
        std::fs::write(file, junit(&results)).map_err(|error| Error::usage(format!("cannot write {}: {}", file.display(), file_reason(&error))))?;
    }
    match interrupts.raised() {
        Some(Halt::Terminated) => return Ok(ExitCode::from(143)),
        Some(_) => return Ok(ExitCode::from(130)),
        None => {}
    }
    if results.is_empty() {
        let error = Error::usage("no tests were found");
        return Err(match &wanted.filter {
            Some(filter) => error.hint(format!("none has {filter:?} in its file or name")),
            None => error.hint("a test is a fn test_...() in a file that ends in _test.rhai"),
        });
    }
    screen.show(&Text::of(if failed == 0 { Tone::Good } else { Tone::Bad }, format!("{passed} passed, {failed} failed")));
    Ok(ExitCode::from(u8::from(failed > 0)))
}

fn told(tested: &Tested) -> Text {
    let name = format!("{} {}", tested.file.display(), tested.name);
    let Some(failure) = &tested.failure else { return Text::of(Tone::Good, "ok      ").and(name) };
    let mut text = Text::of(Tone::Bad, "FAILED  ").and(name);
    for (title, body) in [("", failure), ("stdout:", &tested.stdout), ("stderr:", &tested.stderr)] {
        if body.is_empty() {
            continue;
        }
        if !title.is_empty() {
            text.push(Tone::Dim, format!("\n  {title}"));
        }
        for line in body.trim_end().lines() {
            text.push(Tone::Plain, format!("\n  {line}"));
        }
    }
    text
}
