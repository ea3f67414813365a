//! Change: functions that decide a `Change`, which the host then makes with policy, dry run and journal.

mod apply;
mod object;
mod rollout;
mod template;
mod undo;

use std::time::Duration;

use rhai::{Dynamic, EvalAltResult};
use serde_json::{Map, Value};

use super::call::Call;
use super::function::{Function, Group, Kind, Opt, Param};
use super::show::with_text;
use super::value::{json, shape};
use crate::error::{ErrorKind, Result};
use crate::render::diff;
use crate::render::screen::{Text, Tone};
use crate::resource::Target;
use crate::rollout::status::Phase;
use crate::rollout::workload::{Snapshot, Workload};
use crate::session::Session;
use crate::session::follow::{Following, Rules};
use crate::session::make::Made;

pub const GROUP: Group = Group { name: "change", summary: "new images, going back, how fast and how many, manifests", functions: FUNCTIONS };

const FUNCTIONS: &[Function] = &[
    template::SET_IMAGE,
    undo::UNDO,
    undo::CHECKPOINT,
    rollout::PAUSE,
    rollout::RESUME,
    rollout::RESTART,
    rollout::SCALE,
    template::SET_ENV,
    template::SET_RESOURCES,
    rollout::SET_STRATEGY,
    object::ANNOTATE,
    object::LABEL,
    apply::APPLY,
    object::PATCH,
    object::DELETE,
    rollout::UNSTICK,
];

const TARGET: Param = Param::new("target", Kind::Target);
const OPTIONS: Param = Param::optional("options", Kind::Options);

/// The options that every changing function takes: the array must be written out, since constants cannot be joined.
macro_rules! terms {
    ($($more:expr),* $(,)?) => {
        &[
            $($more,)*
            crate::functions::function::Opt {
                name: "change_cause",
                kind: crate::functions::function::Kind::Text,
                summary: "what history shows for the revision: kept on the workload, in the same write",
            },
            crate::functions::function::Opt {
                name: "dry_run",
                kind: crate::functions::function::Kind::Bool,
                summary: "send it with dryRun=All: show the diff, change nothing",
            },
            crate::functions::function::Opt {
                name: "if_generation",
                kind: crate::functions::function::Kind::Int,
                summary: "refuse with conflict when the object is at another generation",
            },
            crate::functions::function::Opt {
                name: "if_revision",
                kind: crate::functions::function::Kind::Int,
                summary: "refuse with conflict when the workload is at another revision",
            },
        ]
    };
}
use terms;

pub use apply::{desired, is_manifest};
pub use undo::keep_config;

const CONTAINER: Opt = Opt { name: "container", kind: Kind::Text, summary: "only this container; default: all, init containers too" };
const RETURNS: &str = "Change: verb, target, changed, dry_run, diff, generation";
const WRITE_ERRORS: &[ErrorKind] =
    &[ErrorKind::NotFound, ErrorKind::Conflict, ErrorKind::Invalid, ErrorKind::Denied, ErrorKind::Forbidden, ErrorKind::Unauthorized, ErrorKind::Unreachable];

/// The workload of the parameter `target`.
fn workload(call: &Call) -> Result<Workload, Box<EvalAltResult>> {
    let target = call.target("target")?;
    if crate::rollout::workload::Kind::of(&target.resource).is_none() {
        return Err(crate::session::follow::not_a_workload(&target).into());
    }
    Ok(Workload::new(object_of(call, &target)?)?)
}

/// How long the controller may take to see a template that was written just now.
const OBSERVED: Duration = Duration::from_secs(10);

/// The workload with its revisions and pods, once its controller has seen its template.
fn settled(call: &Call, target: &Target) -> Result<Snapshot, Box<EvalAltResult>> {
    let snapshot = call.snapshot(target)?;
    if snapshot.workload.observed_generation() >= snapshot.workload.generation() {
        return Ok(snapshot);
    }
    let cluster = call.cluster()?;
    call.wait(async {
        let mut following = Following::start(&cluster, target, Rules::default(), call.session.clock()).await?;
        let seen = async {
            while following.next().await?.status.phase == Phase::Unobserved {}
            Ok(())
        };
        tokio::time::timeout(OBSERVED, seen).await.unwrap_or(Ok(()))
    })?;
    call.snapshot(target)
}

fn object_of(call: &Call, target: &Target) -> Result<Value, Box<EvalAltResult>> {
    let cluster = call.cluster()?;
    call.wait(async { cluster.get(target).await })
}

/// A map argument as JSON.
fn map(call: &Call, name: &str) -> Map<String, Value> {
    call.arg(name).map(json).and_then(|value| value.as_object().cloned()).unwrap_or_default()
}

/// A change that was made, as a script sees it, and as its diff when it is shown.
pub fn made_value(session: &Session, made: &Made) -> Dynamic {
    let text = if made.diff.is_empty() { Text::of(Tone::Dim, "unchanged") } else { diff::styled(&made.diff) };
    with_text(session, shape(made), text)
}
