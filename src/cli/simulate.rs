//! `rollsh simulate`: one script in many seeded worlds; what it did in them as text, JSON, YAML or a page of HTML.

mod html;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::args::{Format, Global, Worlds};
use super::run::{folder_of, problems, read_script};
use super::{build, signals};
use crate::error::{Error, Result, file_reason};
use crate::render::data;
use crate::render::screen::{Screen, Text, Tone};
use crate::render::words;
use crate::script::worlds::{Misfortune, Plan, World, simulate};
use crate::session::{Halt, Interrupts, Policy};

/// A run that has not ended by then never will: the longest deadline of a rollout that anybody sets, several times over.
const LIMIT: Duration = Duration::from_secs(24 * 3600);
/// How many seeds a line of the summary names.
const NAMED: usize = 6;

/// What the command line asks for.
pub struct Wanted {
    pub file: PathBuf,
    pub args: Vec<String>,
    pub worlds: Worlds,
}

/// Exit code 0 when no world is of concern, 1 when one is, and that of an interrupt.
pub fn run(global: &Global, screen: &Screen, wanted: &Wanted) -> Result<ExitCode> {
    let interrupts = Interrupts::default();
    signals::listen(&interrupts, false)?;
    let folder = folder_of(&wanted.file);
    let name = wanted.file.display().to_string();
    let text = read_script(&wanted.file)?;
    if let Some(problem) = problems(screen, &wanted.file, &text)?.first() {
        screen.warn(&problem.text(&text));
        return Ok(ExitCode::from(2));
    }
    let manifests = global.sim.as_ref().and_then(Option::as_deref);
    let first = global.seed;
    let plan = Plan {
        name: name.clone(),
        text,
        folder: folder.clone(),
        args: wanted.args.clone(),
        options: build::options(first, manifests)?,
        seeds: first..first.saturating_add(wanted.worlds.seeds),
        misfortunes: Misfortune::list(&wanted.worlds.faults)?,
        policy: Policy { read_only: global.read_only, yes: global.yes, all: false, allowed: global.allow.clone(), home: vec![folder] },
        limit: global.timeout.unwrap_or(LIMIT),
        jobs: std::thread::available_parallelism().map_or(1, usize::from),
        interrupts: interrupts.clone(),
    };
    let worlds = simulate(&plan)?;
    match global.output {
        Format::Json => screen.print_line(&data::json(&value(&worlds)?)),
        Format::Yaml => screen.print_line(&data::yaml(&value(&worlds)?)),
        Format::Text => {
            let whole = worlds.len() == 1 || global.verbose > 0;
            screen.show(&summary(&name, &wanted.args, &worlds));
            for world in worlds.iter().filter(|_| whole) {
                screen.show(&told(world));
            }
        }
    }
    if let Some(file) = &wanted.worlds.html {
        let page = html::page(&command(&name, &wanted.args), &worlds);
        std::fs::write(file, page).map_err(|error| Error::usage(format!("cannot write {}: {}", file.display(), file_reason(&error))))?;
    }
    Ok(match interrupts.raised() {
        Some(Halt::Terminated) => ExitCode::from(143),
        Some(_) => ExitCode::from(130),
        None => ExitCode::from(u8::from(worlds.iter().any(|world| world.concern.is_some()))),
    })
}

fn value(worlds: &[World]) -> Result<serde_json::Value> {
    serde_json::to_value(worlds).map_err(|error| Error::script(error.to_string()))
}

/// The script with its arguments, as it would be typed.
fn command(name: &str, args: &[String]) -> String {
    std::iter::once(name).chain(args.iter().map(String::as_str)).map(quoted).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// What an exit code says.
fn meaning(code: i64) -> &'static str {
    match code {
        0 => "done",
        1 => "the script failed, or says so",
        2 => "usage",
        3 => "denied",
        4 => "the cluster could not be reached",
        5 => "a rollout failed",
        6 => "a rollout failed and was rolled back",
        124 => "a deadline ran out",
        130 => "interrupted",
        143 => "terminated",
        _ => "the script's own",
    }
}

fn tone(code: i64) -> Tone {
    match code {
        0 => Tone::Good,
        5 | 6 => Tone::Watch,
        _ => Tone::Bad,
    }
}

fn seeds<'a>(worlds: impl Iterator<Item = &'a World>) -> String {
    let all: Vec<String> = worlds.map(|world| world.seed.to_string()).collect();
    if all.len() <= NAMED { all.join(", ") } else { format!("{}, ...", all[..NAMED].join(", ")) }
}

fn summary(name: &str, args: &[String], worlds: &[World]) -> Text {
    let count = |number: usize, noun: &str| words::count(i64::try_from(number).unwrap_or(i64::MAX), noun);
    let mut text = Text::plain(format!("{} in {}\n", command(name, args), count(worlds.len(), "world")));
    let mut by_code: BTreeMap<i64, Vec<&World>> = BTreeMap::new();
    for world in worlds {
        by_code.entry(world.exit_code).or_default().push(world);
    }
    text.push(Tone::Dim, format!("\nexit  worlds  {:38}  seeds", ""));
    for (code, alike) in &by_code {
        text.push(tone(*code), format!("\n{code:>4}"));
        text.push(Tone::Plain, format!("  {:>6}  {:38}  {}", alike.len(), meaning(*code), seeds(alike.iter().copied())));
    }
    let mut verbs: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for step in worlds.iter().flat_map(|world| &world.changes) {
        *verbs.entry((&step.verb, &step.result)).or_default() += 1;
    }
    if !verbs.is_empty() {
        text.push(Tone::Plain, "\n\nchanges");
        for ((verb, result), times) in verbs {
            text.push(Tone::Plain, format!("\n{times:>6}  {verb} {result}"));
        }
    }
    let of_concern: Vec<&World> = worlds.iter().filter(|world| world.concern.is_some()).collect();
    if of_concern.is_empty() {
        text.push(Tone::Plain, "\n\nin every world the exit code told what was left behind");
        return text;
    }
    text.push(Tone::Plain, format!("\n\n{} to look at", count(of_concern.len(), "world")));
    for world in &of_concern {
        text.push(Tone::Bad, format!("\n  seed {}", world.seed));
        text.push(Tone::Plain, format!("  exit {}  {}", world.exit_code, world.concern.as_deref().unwrap_or_default()));
        text.push(Tone::Dim, format!("\n      {}", if world.faults.is_empty() { "nothing went wrong".to_owned() } else { world.faults.join("; ") }));
    }
    if worlds.len() > 1 {
        text.push(Tone::Plain, format!("\n\none of them whole: rollsh --seed {} simulate --seeds 1 {}", of_concern[0].seed, command(name, args)));
    }
    text
}

/// One world whole.
fn told(world: &World) -> Text {
    let mut text = Text::plain(format!("\nseed {}: ", world.seed));
    text.push(tone(world.exit_code), format!("exit {} ({})", world.exit_code, meaning(world.exit_code)));
    text.push(Tone::Plain, format!(", after {} of simulated time and {} requests", words::duration(world.simulated_s), world.requests));
    for fault in &world.faults {
        text.push(Tone::Plain, format!("\n  fault   {fault}"));
    }
    for step in &world.changes {
        text.push(Tone::Plain, format!("\n  {:>7}  {} {}: {}", words::duration(step.at_s), step.verb, step.target, step.result));
    }
    for left in world.workloads.iter().filter(|left| left.touched) {
        text.push(Tone::Plain, format!("\n  left    {} {} with {}: {}", left.target, left.phase.name(), left.images.join(", "), left.message));
    }
    for (title, body) in [("stdout", &world.stdout), ("stderr", &world.stderr)] {
        for (at, line) in body.lines().enumerate() {
            text.push(Tone::Dim, format!("\n  {}", if at == 0 { title } else { "      " }));
            text.push(Tone::Plain, format!("  {line}"));
        }
    }
    text
}
