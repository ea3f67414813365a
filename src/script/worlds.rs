//! One script in many seeded worlds in which things go wrong, and what it did in each: `rollsh simulate`.
//!
//! How the worlds are told to a person is the command line's.

mod misfortune;

use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use serde_json::json;

use super::many;
use super::run::{Ended, Host};
use crate::cluster::read::Selection;
use crate::error::{Error, Result};
use crate::render::screen::{Screen, captured_text};
use crate::render::words;
use crate::resource::{DAEMON_SET, DEPLOYMENT, STATEFUL_SET, Target};
use crate::rollout::status::{Patience, Phase, Status, status};
use crate::session::{Halt, Interrupts, Policy, Session, Settings, follow};
use crate::sim::Options;

pub use misfortune::Misfortune;

/// What to run, and how.
#[derive(Clone)]
pub struct Plan {
    pub name: String,
    pub text: String,
    /// Where the script's imports and manifests are looked for.
    pub folder: PathBuf,
    /// The script's arguments, as on a command line.
    pub args: Vec<String>,
    /// What each world starts with; its seed is replaced.
    pub options: Options,
    pub seeds: Range<u64>,
    /// What may go wrong.
    pub misfortunes: Vec<Misfortune>,
    pub policy: Policy,
    /// How much simulated time a run may take.
    pub limit: Duration,
    /// How many at a time.
    pub jobs: usize,
    pub interrupts: Interrupts,
}

/// One world, and what the script did in it.
#[derive(Clone, Debug, Serialize)]
pub struct World {
    pub seed: u64,
    /// What went wrong in it, in words.
    pub faults: Vec<String>,
    pub exit_code: i64,
    /// The error that nothing caught.
    pub error: Option<String>,
    pub changes: Vec<Step>,
    /// The workloads when the script had ended, and all troubles with the API server with it.
    pub workloads: Vec<Left>,
    pub stdout: String,
    pub stderr: String,
    pub simulated_s: f64,
    pub requests: usize,
    /// Why a person should look at this world; absent where all is as it should be.
    pub concern: Option<String>,
}

/// A change that the script tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// Seconds after the script's start.
    pub at_s: f64,
    pub verb: String,
    pub target: String,
    /// `done`, or the kind of the error, or `unknown` when the answer was lost.
    pub result: String,
}

/// A workload as the script left it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Left {
    pub target: String,
    pub phase: Phase,
    pub message: String,
    pub images: Vec<String>,
    /// Whether the script tried to change it.
    pub touched: bool,
}

/// Runs a script in all the worlds of a plan, in the order of their seeds. After an interrupt only those that were run are there.
///
/// # Errors
/// `invalid` when the manifests that the worlds start with are refused.
pub fn simulate(plan: &Plan) -> Result<Vec<World>> {
    let seeds: Vec<u64> = plan.seeds.clone().collect();
    many::each(&seeds, plan.jobs, &plan.interrupts, |seed| live(plan, *seed))?.into_iter().collect()
}

fn live(plan: &Plan, seed: u64) -> Result<World> {
    let (screen, out, err) = Screen::captured();
    let options = Options { seed, ..plan.options.clone() };
    let session = Session::simulated(options, Settings::default(), plan.policy.clone(), screen, plan.interrupts.clone())?;
    let Some(sim) = session.simulator() else { return Err(Error::script("a simulated session has no simulator")) };
    let faults = misfortune::befall(&sim, seed, &plan.misfortunes)?;
    let started = session.clock().now();
    let ended = {
        let _deadline = session.deadline(plan.limit);
        Host::new(&session, Some(&plan.folder), &super::engine::arguments(&plan.args)).run(&plan.name, &plan.text)
    };
    let simulated_s = session.clock().now().duration_since(started).as_secs_f64();
    let requests = sim.requests().len();
    let changes = changes(&session, started)?;
    // What is left is looked at by somebody who meets no faults.
    sim.fault(&json!({ "clear": true, "controllers": "running" }))?;
    let observer = session.beside(Settings::default(), Policy::default(), Screen::captured().0);
    let workloads = workloads(&observer, &changes)?;
    let error = match &ended {
        Ended::Failed(fault) => {
            session.screen().warn(&fault.text(&plan.text));
            Some(format!("{}: {}", fault.error.kind().name(), fault.error.message()))
        }
        Ended::Value(_) | Ended::Halted(_) => None,
    };
    let exit_code = ended.exit_code();
    let concern = concern(plan, &ended, exit_code, &workloads);
    let (stdout, stderr) = (captured_text(&out), captured_text(&err));
    Ok(World { seed, faults, exit_code, error, changes, workloads, stdout, stderr, simulated_s, requests, concern })
}

fn changes(session: &Session, started: jiff::Timestamp) -> Result<Vec<Step>> {
    let told = |entry: crate::journal::Entry| Step {
        at_s: entry.intent.time.duration_since(started).as_secs_f64(),
        verb: entry.intent.verb,
        target: entry.intent.target,
        result: match entry.outcome {
            None => "unknown".to_owned(),
            Some(outcome) => match outcome.error["kind"].as_str() {
                Some(kind) if outcome.result != "unknown" => kind.to_owned(),
                _ => outcome.result,
            },
        },
    };
    Ok(session.journal().entries()?.into_iter().map(told).collect())
}

fn workloads(session: &Session, changes: &[Step]) -> Result<Vec<Left>> {
    let cluster = session.cluster()?;
    let found = session.wait(async {
        let mut found = Vec::new();
        for kind in [&DEPLOYMENT, &STATEFUL_SET, &DAEMON_SET] {
            for object in cluster.list(kind, &Selection::default()).await? {
                let word = |key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
                let target = Target::new(kind, Some(&word("namespace")), &word("name"));
                found.push(follow::snapshot(&cluster, &target).await?);
            }
        }
        Ok(found)
    });
    let found = found.map_err(|stop| match stop {
        crate::session::Stop::Error(error) => error,
        crate::session::Stop::Halt(_) => Error::interrupted("interrupted"),
    })?;
    let left = |snapshot: crate::rollout::workload::Snapshot| {
        let Status { target, namespace, phase, message, images, .. } = status(&snapshot, Patience::default(), session.clock().now());
        let touched = changes.iter().any(|step| step.target == format!("{namespace}/{target}"));
        Left {
            target,
            phase,
            message,
            images: images.iter().filter_map(|(container, image)| Some(format!("{container}={}", image.as_str()?))).collect(),
            touched,
        }
    };
    Ok(found.into_iter().map(left).collect())
}

/// What a person should look at: a script that broke, that never ended, or whose exit code tells something else than what it left behind.
fn concern(plan: &Plan, ended: &Ended, exit_code: i64, workloads: &[Left]) -> Option<String> {
    match ended {
        Ended::Halted(Halt::Deadline(_)) => return Some(format!("had not ended after {} of simulated time", words::duration(plan.limit.as_secs_f64()))),
        Ended::Failed(fault) if matches!(fault.exit_code(), 1 | 2) => return Some(format!("nothing caught: {}", fault.error.message())),
        _ => {}
    }
    let unfinished = workloads.iter().find(|left| left.touched && !matches!(left.phase, Phase::Complete | Phase::Paused | Phase::Missing))?;
    match exit_code {
        0 => Some(format!("ended as done and left {} {}", unfinished.target, unfinished.phase.name())),
        6 => Some(format!("ended as rolled back and left {} {}", unfinished.target, unfinished.phase.name())),
        _ => None,
    }
}
