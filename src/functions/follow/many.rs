//! Many at once: `parallel` and `for_each_workload`, whose closures take turns where they wait.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rhai::{Dynamic, EvalAltResult};
use serde_json::{Value, json};

use super::closure;
use crate::cluster::read::Selection;
use crate::error::{Error, ErrorKind, Result, file_reason};
use crate::functions::call::{Call, Closure, Handle, described};
use crate::functions::function::{Answer, Body, Example, Function, Kind, Opt, Param};
use crate::functions::value::{dynamic, error, halt, json as to_json};
use crate::resource::Resource;
use crate::rollout::workload::Kind as WorkloadKind;

/// How many at a time unless told otherwise, and at most: each takes a thread.
const MOST: i64 = 4;
const LIMIT: i64 = 256;

const MAX: Opt = Opt { name: "max", kind: Kind::Int, summary: "how many at a time; default 4" };

const TURNS: &str = "The closures take turns: one runs until it waits (wait, sleep, a request), then another goes on, so that waits overlap and variables that they share are safe.";

pub const PARALLEL: Function = Function {
    name: "parallel",
    params: &[Param::new("items", Kind::Array), Param::optional("options", Kind::Options), Param::optional("body", Kind::Closure)],
    options: &[MAX],
    returns: "array of #{ok, value, error}, in the order of the items",
    summary: "Calls a closure for each item, several at a time; what one throws is in its place of the result and ends none of the others.",
    details: TURNS,
    errors: &[ErrorKind::Usage],
    examples: &[
        Example {
            script: r#"for r in parallel([3, 1, 0], |n| { sleep(n * 0.1); 6 / n }) { print(if r.ok { r.value } else { r.error.kind }) }"#,
            prints: "2\n6\nscript\n",
        },
        Example {
            script: r#"print(parallel(["deploy/web", "sts/db", "ds/agent"], |w| { restart(w); wait(w).outcome }).map(|r| r.value))"#,
            prints: "[\"complete\", \"complete\", \"complete\"]\n",
        },
    ],
    source: "",
    body: Body::Flow(parallel),
};

type Ran = std::result::Result<Dynamic, Box<EvalAltResult>>;

fn most(call: &Call) -> Result<usize> {
    let most = call.option_int("max").unwrap_or(MOST);
    if !(1..=LIMIT).contains(&most) {
        return Err(Error::usage(format!("option \"max\" of {} must be from 1 to {LIMIT}, not {most}", call.function.name)));
    }
    Ok(usize::try_from(most).unwrap_or(1))
}

/// Runs the closure for each item. A halt ends all of them and is thrown on.
fn run(call: &Call, body: &Closure, items: &[Dynamic], goes_on: impl FnMut(usize, &Ran) -> bool) -> Result<Vec<Option<Ran>>, Box<EvalAltResult>> {
    let results = call.session.interleave(items.len(), most(call)?, |index| body.call_with(items[index].clone()), goes_on)?;
    if let Some(halted) = results.iter().position(|result| matches!(result, Some(Err(thrown)) if halt(thrown).is_some())) {
        return match results.into_iter().nth(halted).flatten() {
            Some(Err(thrown)) => Err(thrown),
            _ => Ok(Vec::new()),
        };
    }
    if let Some(halt) = call.session.halted() {
        return Err(halt.into());
    }
    Ok(results)
}

fn is_no_halt(ran: &Ran) -> bool {
    !matches!(ran, Err(thrown) if halt(thrown).is_some())
}

fn parallel(call: &Call) -> Answer {
    let body = closure(call, "body")?;
    let items = call.items("items");
    let results = run(call, &body, &items, |_, ran| is_no_halt(ran))?;
    Ok(Dynamic::from_array(results.into_iter().flatten().map(|ran| Dynamic::from_map(told(ran))).collect()))
}

fn told(ran: Ran) -> rhai::Map {
    let (ok, value, error) = match ran {
        Ok(value) => (true, value, Dynamic::UNIT),
        Err(thrown) => (false, Dynamic::UNIT, dynamic(&error(&thrown).to_value())),
    };
    [("ok".into(), ok.into()), ("value".into(), value), ("error".into(), error)].into_iter().collect()
}

pub const FOR_EACH_WORKLOAD: Function = Function {
    name: "for_each_workload",
    params: &[Param::new("selector", Kind::Text), Param::optional("options", Kind::Options), Param::optional("body", Kind::Closure)],
    options: &[
        MAX,
        Opt { name: "kinds", kind: Kind::Text, summary: "which kinds; default \"deploy,sts,ds\"" },
        Opt { name: "namespace", kind: Kind::Text, summary: "another namespace than the session's" },
        Opt { name: "all_namespaces", kind: Kind::Bool, summary: "every namespace" },
        Opt { name: "waves", kind: Kind::Array, summary: "how many are done at the end of each wave, as in [1, \"25%\", \"100%\"]; default: one wave" },
        Opt {
            name: "between",
            kind: Kind::Closure,
            summary: "|wave| ...: called after each wave but the last, with its number from 1 on; what it throws ends the run",
        },
        Opt { name: "stop_after", kind: Kind::Any, summary: "how many failures end the run: a count or a percentage of all, as in \"5%\"; default 1" },
        Opt {
            name: "state",
            kind: Kind::Text,
            summary: "a file that remembers which are done: a run that was ended goes on from there (needs --allow read and write)",
        },
    ],
    returns: "array of #{target, ok, value, error, skipped}; skipped: done by an earlier run, as the state file says",
    summary: "Calls a closure with a handle of each workload that a label selector (\"\": all) fits: some at a time, in waves, with a failure budget.",
    details: "When the budget is used up no further one is started, those that run are let to end, and the error failed is thrown, with results and not_started. \
              In the order of namespace, kind and name. The closures take turns as in parallel.",
    errors: &[ErrorKind::Failed, ErrorKind::Usage, ErrorKind::Denied, ErrorKind::Forbidden],
    examples: &[
        Example {
            script: r#"for r in for_each_workload("", #{max: 2}, |w| { restart(w); wait(w).status.ready > 0 }) { print(`${r.target} ${r.value}`) }"#,
            prints: "daemonset/agent true\ndeployment/web true\nstatefulset/db true\n",
        },
        Example {
            script: r#"try { for_each_workload("", #{max: 1, waves: [1]}, |w| throw `not ${w.name}`) } catch (e) { print(`${e.kind}, not started: ${e.not_started}`) }"#,
            prints: "failed, not started: [\"deployment/web\", \"statefulset/db\"]\n",
        },
    ],
    source: "",
    body: Body::Flow(for_each_workload),
};

/// A count, or a share of a whole in percent.
fn share(call: &Call, name: &str, value: &Dynamic, whole: usize) -> Result<usize> {
    let wrong =
        || Error::usage(format!("option {name:?} of {} cannot be {}", call.function.name, described(value))).hint("a count, 3, or a percentage, \"5%\"");
    if let Ok(count) = value.as_int() {
        return usize::try_from(count).map_err(|_| wrong());
    }
    let text = value.clone().into_string().map_err(|_| wrong())?;
    let percent: f64 =
        text.strip_suffix('%').and_then(|digits| digits.trim().parse().ok()).filter(|percent| (0.0..=100.0).contains(percent)).ok_or_else(wrong)?;
    // A share of something is at least one of it.
    Ok(((whole as f64 * percent / 100.0).ceil() as usize).max(usize::from(percent > 0.0)))
}

/// Where each wave ends, the last one with everything.
fn waves(call: &Call, whole: usize) -> Result<Vec<usize>> {
    let mut ends: Vec<usize> = Vec::new();
    let given = call.option("waves").and_then(|waves| waves.read_lock::<rhai::Array>().map(|waves| waves.to_vec())).unwrap_or_default();
    for wave in &given {
        let end = share(call, "waves", wave, whole)?.min(whole);
        if ends.last().is_some_and(|last| *last > end) {
            return Err(Error::usage(format!("the waves {} do not grow", to_json(&Dynamic::from_array(given.clone()))))
                .hint("each says how many are done at its end, as in [1, \"25%\", \"100%\"]"));
        }
        ends.push(end);
    }
    if ends.last() != Some(&whole) {
        ends.push(whole);
    }
    Ok(ends)
}

fn for_each_workload(call: &Call) -> Answer {
    let body = closure(call, "body")?;
    let between = call.option_closure("between");
    let handles = selected(call)?;
    let mut state = State::open(call)?;
    let ends = waves(call, handles.len())?;
    let budget = match call.option("stop_after") {
        Some(value) => share(call, "stop_after", value, handles.len())?.max(1),
        None => 1,
    };
    let mut failures = 0;
    let mut results: Vec<Value> = Vec::new();
    let mut begin = 0;
    for (wave, end) in ends.iter().enumerate() {
        let (part, open): (&[Handle], Vec<&Handle>) = (&handles[begin..*end], handles[begin..*end].iter().filter(|handle| !state.is_done(handle)).collect());
        let items: Vec<Dynamic> = open.iter().map(|handle| Dynamic::from((*handle).clone())).collect();
        let skipped: Vec<bool> = part.iter().map(|handle| state.is_done(handle)).collect();
        let open: Vec<Handle> = open.into_iter().cloned().collect();
        let mut unwritten = Ok(());
        let ran = run(call, &body, &items, |index, ran| {
            failures += usize::from(ran.is_err());
            if ran.is_ok() && unwritten.is_ok() {
                unwritten = state.add(&open[index]);
            }
            failures < budget && is_no_halt(ran) && unwritten.is_ok()
        })?;
        unwritten?;
        let mut ran = ran.into_iter();
        for (handle, skipped) in part.iter().zip(skipped) {
            let target = handle.to_string();
            if skipped {
                results.push(json!({ "target": target, "ok": true, "value": null, "error": null, "skipped": true }));
                continue;
            }
            let Some(one) = ran.next().flatten() else { continue };
            let mut row = to_json(&Dynamic::from_map(told(one)));
            (row["target"], row["skipped"]) = (target.into(), false.into());
            results.push(row);
        }
        if failures >= budget {
            let named = |row: &Value| row["target"].clone();
            let failed: Vec<String> = results.iter().filter(|row| row["ok"] == false).filter_map(|row| row["target"].as_str().map(str::to_owned)).collect();
            let told: Vec<Value> = results.iter().map(named).collect();
            let not_started: Vec<Value> = handles.iter().map(|handle| handle.to_string().into()).filter(|target| !told.contains(target)).collect();
            let message = format!("{} of {} workloads failed, as many as stop_after allows: {}", failed.len(), handles.len(), failed.join(", "));
            return Err(Error::new(ErrorKind::Failed, message).fact("results", results).fact("not_started", not_started).into());
        }
        begin = *end;
        if let Some(between) = between.as_ref().filter(|_| wave + 1 < ends.len()) {
            let _ = between.call_with(i64::try_from(wave + 1).unwrap_or(i64::MAX).into())?;
        }
    }
    state.finish()?;
    Ok(Dynamic::from_array(results.iter().map(dynamic).collect()))
}

fn selected(call: &Call) -> Result<Vec<Handle>, Box<EvalAltResult>> {
    let everywhere = call.option_bool("all_namespaces") == Some(true);
    let namespace = match (everywhere, call.option_text("namespace")) {
        (true, Some(_)) => return Err(Error::usage("all_namespaces and namespace exclude each other").into()),
        (true, None) => None,
        (false, Some(namespace)) => Some(namespace),
        (false, None) => Some(call.session.namespace()?),
    };
    let shown = call.option_text("namespace").is_some() || everywhere;
    let selection = Selection { namespace, labels: call.text("selector").filter(|selector| !selector.is_empty()), ..Selection::default() };
    let kinds = call.option_text("kinds").unwrap_or_else(|| "deploy,sts,ds".to_owned());
    let mut resources: Vec<&'static Resource> = Vec::new();
    for kind in kinds.split(',').map(str::trim) {
        let known = WorkloadKind::ALL.into_iter().map(WorkloadKind::resource).find(|resource| resource.answers_to(&kind.to_lowercase()));
        resources.push(known.ok_or_else(|| {
            Error::usage(format!("{kind:?} in option \"kinds\" does not roll out"))
                .hint("kinds that roll out: deployment (deploy), statefulset (sts), daemonset (ds)")
        })?);
    }
    let cluster = call.cluster()?;
    let lists = call.wait(async { futures::future::try_join_all(resources.iter().map(|resource| cluster.list(resource, &selection))).await })?;
    let mut handles: Vec<Handle> = Vec::new();
    for (resource, objects) in resources.iter().zip(&lists) {
        for object in objects {
            let (namespace, name) = (object["metadata"]["namespace"].as_str(), object["metadata"]["name"].as_str().unwrap_or_default());
            handles.push(Handle { kind: kind_of(resource), namespace: namespace.filter(|_| shown).map(str::to_owned), name: name.to_owned() });
        }
    }
    handles.sort_by(|one, other| (&one.namespace, one.kind, &one.name).cmp(&(&other.namespace, other.kind, &other.name)));
    Ok(handles)
}

/// The singular, which lives as long as the table of kinds.
fn kind_of(resource: &'static Resource) -> &'static str {
    resource.singular.as_ref()
}

/// Which workloads an earlier run has done.
struct State {
    path: Option<PathBuf>,
    done: BTreeSet<String>,
    session_namespace: String,
}

impl State {
    fn open(call: &Call) -> Result<Self> {
        let session_namespace = call.session.namespace()?;
        let Some(path) = call.option_text("state").map(PathBuf::from) else { return Ok(Self { path: None, done: BTreeSet::new(), session_namespace }) };
        call.session.policy().check_read(&path, call.function.name)?;
        call.session.policy().check_write(&path, call.function.name)?;
        let done = match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                Error::invalid(format!("{} is no state of for_each_workload: {error}", path.display())).hint("name another file, or remove it to begin anew")
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeSet::new(),
            Err(error) => return Err(Error::not_found(format!("cannot read {}: {}", path.display(), file_reason(&error)))),
        };
        Ok(Self { path: Some(path), done, session_namespace })
    }

    fn key(&self, handle: &Handle) -> String {
        format!("{}/{}/{}", handle.namespace.as_deref().unwrap_or(&self.session_namespace), handle.kind, handle.name)
    }

    fn is_done(&self, handle: &Handle) -> bool {
        self.done.contains(&self.key(handle))
    }

    /// Writes it down at once: the next moment may be the run's last.
    fn add(&mut self, handle: &Handle) -> Result<()> {
        self.done.insert(self.key(handle));
        self.write()
    }

    fn write(&self) -> Result<()> {
        let Some(path) = &self.path else { return Ok(()) };
        let failed = |error: std::io::Error| Error::denied(format!("cannot write {}: {}", path.display(), file_reason(&error)));
        // Whole or not at all: a torn state would make the next run begin anew.
        let beside = beside(path);
        std::fs::write(&beside, json!(self.done).to_string()).map_err(failed)?;
        std::fs::rename(&beside, path).map_err(failed)
    }

    /// All are done: the next run is a new one.
    fn finish(&self) -> Result<()> {
        let Some(path) = self.path.as_ref().filter(|path| path.exists()) else { return Ok(()) };
        std::fs::remove_file(path).map_err(|error| Error::denied(format!("cannot remove {}: {}", path.display(), file_reason(&error))))
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}
