//! The audit log of changes: the intent before each, its outcome after, one JSON line each, chained by hashes.
//!
//! Where the file stands and what happens when it cannot be written is the session's to decide.

mod chain;
mod file;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::rollout::change::{Change, Request};

pub use chain::Verdict;

/// Who runs this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    pub user: String,
    pub host: String,
}

impl Actor {
    /// From the environment and the system; `unknown` where neither tells.
    pub fn of_process() -> Self {
        let variable = |names: &[&str]| names.iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
        let system = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|text| text.trim().to_owned()).filter(|name| !name.is_empty());
        let unknown = || "unknown".to_owned();
        Self {
            user: variable(&["USER", "LOGNAME", "USERNAME"]).unwrap_or_else(unknown),
            host: system().or_else(|| variable(&["HOSTNAME", "COMPUTERNAME"])).unwrap_or_else(unknown),
        }
    }
}

/// What is about to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    #[serde(with = "time")]
    pub time: Timestamp,
    pub user: String,
    pub host: String,
    pub process: u32,
    pub context: String,
    pub server: String,
    /// `shop/deployment/web`.
    pub target: String,
    pub verb: String,
    pub dry_run: bool,
    /// `#{form, body, precondition}`; the contents of Secrets are left out.
    pub change: Value,
    /// The pod template before the change, `Null` where there is none.
    pub template: Value,
}

impl Intent {
    pub fn new(change: &Change, time: Timestamp, actor: &Actor, context: &str, server: &str, dry_run: bool) -> Self {
        let target = &change.target;
        let namespace = target.namespace.as_ref().filter(|_| target.resource.namespaced).map_or_else(String::new, |namespace| format!("{namespace}/"));
        Self {
            time,
            user: actor.user.clone(),
            host: actor.host.clone(),
            process: std::process::id(),
            context: context.to_owned(),
            server: server.to_owned(),
            target: format!("{namespace}{target}"),
            verb: change.verb.to_owned(),
            dry_run,
            change: written(change),
            template: change.before["spec"]["template"].clone(),
        }
    }
}

/// What became of an intent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    #[serde(with = "time")]
    pub time: Timestamp,
    /// `done`, `failed`, or `unknown` when the answer was lost.
    pub result: String,
    /// The error as a script sees it.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub error: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub generation: Value,
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub resource_version: Value,
}

impl Outcome {
    /// The outcome of a write that gave this object (`Null` after a delete) or this error.
    pub fn new(time: Timestamp, result: std::result::Result<&Value, &Error>) -> Self {
        match result {
            Ok(after) => {
                let metadata = &after["metadata"];
                Self {
                    time,
                    result: "done".into(),
                    error: Value::Null,
                    generation: metadata["generation"].clone(),
                    resource_version: metadata["resourceVersion"].clone(),
                }
            }
            Err(error) => {
                let lost = error.facts().get("arrived").is_some_and(|arrived| arrived == "unknown");
                let result = if lost { "unknown" } else { "failed" };
                Self { time, result: result.into(), error: error.to_value(), generation: Value::Null, resource_version: Value::Null }
            }
        }
    }
}

/// An intent with its outcome; none means that the process died in between, or is still at it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    pub id: u64,
    pub intent: Intent,
    pub outcome: Option<Outcome>,
}

/// A journal in a file or in memory; clones are the same journal.
///
/// # Limits
/// The chain shows edits, insertions and removals within the file. Whoever can write the file can also cut its end off, or write
/// all of it anew: keep `Verdict::head` elsewhere where that matters.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Store>);

#[derive(Debug)]
enum Store {
    File(PathBuf),
    Memory(Mutex<Vec<String>>),
}

impl Journal {
    /// A journal in this file, which is made with the first entry; other processes may write to it too.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(Arc::new(Store::File(path.into())))
    }

    /// A journal that ends with the process: for simulated clusters and tests.
    pub fn memory() -> Self {
        Self(Arc::new(Store::Memory(Mutex::new(Vec::new()))))
    }

    pub fn path(&self) -> Option<&Path> {
        match &*self.0 {
            Store::File(path) => Some(path),
            Store::Memory(_) => None,
        }
    }

    /// Writes an intent, and returns only when it is on the disk, unless it is a dry run. Gives the number that its outcome is written under.
    ///
    /// # Errors
    /// `denied` when it cannot be written.
    pub fn intend(&self, intent: &Intent) -> Result<u64> {
        self.append(!intent.dry_run, |sequence| json!({ "entry": "intent", "id": sequence, "intent": intent }))
    }

    /// Writes what became of an intent; `durable`: and returns only when it is on the disk.
    ///
    /// # Errors
    /// `denied` when it cannot be written.
    pub fn conclude(&self, id: u64, outcome: &Outcome, durable: bool) -> Result<()> {
        self.append(durable, |_| json!({ "entry": "outcome", "id": id, "outcome": outcome })).map(drop)
    }

    /// All changes, oldest first. Lines that are no entries are passed over: `verify` tells about them.
    ///
    /// # Errors
    /// `not_found` when the file is there and cannot be read. A file that is not there has no entries.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let mut entries: BTreeMap<u64, Entry> = BTreeMap::new();
        self.each_line(|_, line| {
            let Ok(mut value) = serde_json::from_str::<Value>(line) else { return };
            let Some(id) = value["id"].as_u64() else { return };
            if let Ok(intent) = serde_json::from_value(value["intent"].take()) {
                entries.insert(id, Entry { id, intent, outcome: None });
            } else if let (Ok(outcome), Some(entry)) = (serde_json::from_value(value["outcome"].take()), entries.get_mut(&id)) {
                entry.outcome = Some(outcome);
            }
        })?;
        Ok(entries.into_values().collect())
    }

    /// Checks the chain from its first line to its last.
    ///
    /// # Errors
    /// As `entries`. A broken chain is no error but a verdict.
    pub fn verify(&self) -> Result<Verdict> {
        let mut check = chain::Check::default();
        self.each_line(|number, line| check.line(number, line))?;
        Ok(check.verdict())
    }

    fn append(&self, durable: bool, make: impl FnOnce(u64) -> Value) -> Result<u64> {
        match &*self.0 {
            Store::File(path) => file::append(path, durable, make),
            Store::Memory(lines) => {
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                let last = lines.last().and_then(|line| chain::Link::of(line));
                let (line, sequence) = chain::link(last, make);
                lines.push(line);
                Ok(sequence)
            }
        }
    }

    fn each_line(&self, mut see: impl FnMut(usize, &str)) -> Result<()> {
        match &*self.0 {
            Store::File(path) => file::each_line(path, see),
            Store::Memory(lines) => {
                let lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                lines.iter().enumerate().for_each(|(place, line)| see(place + 1, line));
                Ok(())
            }
        }
    }
}

/// What is sent, without the contents of Secrets: a journal is copied and mailed around.
fn written(change: &Change) -> Value {
    let (form, mut body) = match &change.request {
        Request::JsonPatch(operations) => ("json_patch", operations.clone()),
        Request::MergePatch(body) => ("merge_patch", body.clone()),
        Request::StrategicPatch(body) => ("strategic_patch", body.clone()),
        Request::Apply { object, force } => (if *force { "apply_by_force" } else { "apply" }, object.clone()),
        Request::Scale { replicas } => ("scale", json!({ "replicas": replicas })),
        Request::Delete { propagation } => ("delete", json!({ "propagation": propagation })),
        Request::Nothing => ("nothing", Value::Null),
    };
    if change.target.resource.kind == "Secret" {
        body = match form {
            "json_patch" | "merge_patch" | "strategic_patch" => json!("(left out: it may hold a secret)"),
            _ => without_secrets(body),
        };
    }
    let precondition = change.precondition.as_ref().map(|it| json!({ "uid": it.uid, "resource_version": it.resource_version }));
    json!({ "form": form, "body": body, "precondition": precondition })
}

fn without_secrets(mut object: Value) -> Value {
    for field in ["data", "stringData"] {
        if let Some(entries) = object.get_mut(field).and_then(Value::as_object_mut) {
            entries.values_mut().for_each(|value| *value = "(left out)".into());
        }
    }
    // kubectl keeps a copy of the whole manifest in an annotation.
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    object
}

mod time {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests;
