//! A whole cluster as a file, and back: what `rollsh sim --save` writes, and what `--with` and `--sim` go on from.
//!
//! The file is JSON with one object of the cluster on each line: a header, what is not in objects (clock, chance, work that waits, what controllers and
//! kubelets remember, behaviours, faults, tokens, certificates), and the objects as they are stored. Not here: when it is written, and to where.
//!
//! # Limits
//! Not kept: the history of changes, so a watch or a page of a list from before gets a 410 and its client lists anew; connections; what clients asked for.

mod file;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use rand_pcg::Pcg64Mcg;
use serde::{Deserialize, Serialize};

pub use self::file::write_private;
pub(super) use self::wire::{bits, chance, pairs};
use super::VERSION;
use super::controllers::{self, Work};
use super::token::Tokens;
use super::world::{Sim, World};
use crate::error::{Error, Result};
use crate::sim::json::{Value, json};

const API_VERSION: &str = "sim.rollsh/v1";
const KIND: &str = "ClusterState";
/// The program that writes it.
const WRITER: &str = concat!("rollsh ", env!("CARGO_PKG_VERSION"));
/// The kind that adds kinds.
const DEFINITION: &str = "CustomResourceDefinition";
/// A file that begins with the kind's name within so many bytes was meant to be one, even where the rest is broken.
const BEGINNING: usize = 200;

/// A saved cluster, read but not yet alive; clones share the text.
#[derive(Clone, Debug)]
pub struct Saved {
    place: Arc<str>,
    text: Arc<str>,
    writer: Arc<str>,
    at: Timestamp,
}

#[derive(Deserialize)]
struct Header {
    #[serde(default, rename = "apiVersion")]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    metadata: Value,
}

/// What is not in objects, on its way out.
#[derive(Serialize)]
pub(super) struct Kept<'a> {
    pub now: Timestamp,
    pub skew: SignedDuration,
    #[serde(serialize_with = "chance::serialize")]
    pub rng: &'a Pcg64Mcg,
    #[serde(serialize_with = "chance::serialize")]
    pub uids: &'a Pcg64Mcg,
    pub queued: u64,
    #[serde(serialize_with = "pairs::serialize")]
    pub due: &'a BTreeMap<(Timestamp, u64), Work>,
    pub tokens: &'a Tokens,
    pub served: &'a Option<serde_json::Value>,
    pub controllers: &'a controllers::State,
}

/// The same on its way in.
#[derive(Deserialize)]
pub(super) struct Machinery {
    /// The cluster's time; how far it is ahead of its clock.
    pub now: Timestamp,
    pub skew: SignedDuration,
    #[serde(with = "chance")]
    pub rng: Pcg64Mcg,
    #[serde(with = "chance")]
    pub uids: Pcg64Mcg,
    pub queued: u64,
    #[serde(with = "pairs")]
    pub due: BTreeMap<(Timestamp, u64), Work>,
    pub tokens: Tokens,
    /// What the server that the cluster is behind keeps: its authority and its administrator's credentials.
    pub served: Option<serde_json::Value>,
    pub controllers: controllers::State,
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "resourceVersion")]
    version: u64,
    machinery: Machinery,
    items: Vec<Value>,
}

impl Saved {
    /// Reads a saved cluster; `None` where the text is something else, such as a manifest.
    ///
    /// # Errors
    /// `usage` for a saved cluster that is broken, or that another version wrote.
    pub fn read(place: &str, text: &str) -> Result<Option<Self>> {
        let begins = text.trim_start();
        if !begins.starts_with('{') {
            return Ok(None);
        }
        let header: Header = match serde_json::from_str(text) {
            Ok(header) => header,
            Err(error) if Self::is_one(begins) => {
                return Err(Error::usage(format!("{place} holds a saved cluster that is broken: {error}")).hint("it may have been cut off on its way"));
            }
            Err(_) => return Ok(None),
        };
        if header.kind != KIND {
            return Ok(None);
        }
        let writer = header.metadata["savedBy"].as_str().unwrap_or("another program");
        if header.api_version != API_VERSION {
            return Err(Error::usage(format!("{place} holds a saved cluster of the form {:?}, and this program reads {API_VERSION:?}", header.api_version))
                .hint(format!("it was written by {writer}; this is {WRITER}")));
        }
        let at = header.metadata["savedAt"].as_str().and_then(|it| it.parse().ok());
        let at = at.ok_or_else(|| Error::usage(format!("{place} holds a saved cluster that does not say when it was saved (metadata.savedAt)")))?;
        Ok(Some(Self { place: place.into(), text: text.into(), writer: writer.into(), at }))
    }

    /// Whether a text was written as a saved cluster, readable or not.
    pub fn is_one(text: &str) -> bool {
        text.trim_start().as_bytes().iter().take(BEGINNING).copied().collect::<Vec<_>>().windows(KIND.len()).any(|it| it == KIND.as_bytes())
    }

    /// What the clock showed when it was saved.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    fn broken(&self, why: impl Display) -> Error {
        Error::usage(format!("{} holds a saved cluster that cannot be used: {why}", self.place))
            .hint(format!("it was written by {}; this is {WRITER}", self.writer))
    }

    /// The world as it was.
    pub(super) fn wake(&self) -> Result<World> {
        let document: Document = serde_json::from_str(&self.text).map_err(|error| self.broken(error))?;
        let mut world = World::woken(document.machinery);
        // What definitions add to the kinds must be known before objects of theirs are read.
        for item in document.items.iter().filter(|it| it["kind"] == DEFINITION) {
            world.customs.learn(item["metadata"]["name"].as_str().unwrap_or_default(), Some(item));
        }
        let mut objects = Vec::with_capacity(document.items.len());
        for (at, item) in document.items.into_iter().enumerate() {
            let metadata = &item["metadata"];
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (api_version, kind, name) = (word(&item["apiVersion"]), word(&item["kind"]), word(&metadata["name"]));
            let place = format!("items[{at}] ({kind} {name:?})");
            let of =
                world.kind_of(&api_version, &kind).ok_or_else(|| self.broken(format!("{place}: no kind {kind:?} in version {api_version:?} is served")))?;
            if name.is_empty() || word(&metadata["uid"]).is_empty() {
                return Err(self.broken(format!("{place}: it has no name or no uid")));
            }
            if of.namespaced() == word(&metadata["namespace"]).is_empty() {
                return Err(self.broken(format!("{place}: its namespace is {:?}", word(&metadata["namespace"]))));
            }
            if !word(&metadata["resourceVersion"]).parse::<u64>().is_ok_and(|it| it <= document.version) {
                return Err(self.broken(format!(
                    "{place}: its resourceVersion {} is not one of the cluster's {} versions",
                    metadata["resourceVersion"], document.version
                )));
            }
            objects.push((of.stored(), Arc::new(item)));
        }
        world.store.restore(objects, document.version);
        controllers::index(&mut world);
        Ok(world)
    }
}

/// The whole cluster as text.
fn text(world: &World) -> String {
    let mut out = String::from("{");
    let mut field = |name: &str, value: String| {
        out.push_str(&format!("\"{name}\":{value},\n"));
    };
    let at = world.now().saturating_sub(world.skew.get()).unwrap_or(world.now());
    field("apiVersion", json!(API_VERSION).to_string());
    field("kind", json!(KIND).to_string());
    field("metadata", json!({ "savedAt": at.to_string(), "savedBy": WRITER, "kubernetes": VERSION }).to_string());
    field("resourceVersion", world.store.version().to_string());
    field("machinery", serde_json::to_string(&world.kept()).expect("all keys are texts"));
    out.push_str("\"items\":[");
    let mut first = true;
    for object in world.stored_kinds().flat_map(|kind| world.store.list(kind, None)) {
        out.push_str(if first { "\n" } else { ",\n" });
        first = false;
        out.push_str(&object.to_string());
    }
    out.push_str("\n]}\n");
    out
}

impl Sim {
    /// The whole cluster at its present as text, to be read with `Saved::read`.
    ///
    /// # Limits
    /// It holds tokens and keys: whoever reads it may do all that its users may.
    pub fn saved(&self) -> String {
        self.with(|world| text(world))
    }
}
