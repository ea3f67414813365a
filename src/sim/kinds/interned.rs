//! The names of custom kinds, each kept once for the life of the process.
//!
//! Names never change, so two clusters that define the same kind share its number and nothing else. Not here: what a cluster serves (`custom`).
//!
//! # Limits
//! A name is never given back: some hundred bytes for each kind and version that any cluster of this process ever defined.

use std::sync::{PoisonError, RwLock};

use super::{Facts, SubresourceFacts};

/// A custom kind, and the number of the one without a version that keeps its objects.
#[derive(Clone, Copy)]
struct Entry {
    facts: &'static Facts,
    stored: u32,
}

static NAMES: RwLock<Vec<Entry>> = RwLock::new(Vec::new());

/// The verbs that every custom kind has.
const VERBS: [&str; 8] = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const PART_VERBS: [&str; 3] = ["get", "patch", "update"];

fn entry(number: u32) -> Entry {
    NAMES.read().unwrap_or_else(PoisonError::into_inner)[number as usize]
}

pub fn facts(number: u32) -> &'static Facts {
    entry(number).facts
}

/// The number of the kind that keeps the objects of this one.
pub fn stored(number: u32) -> u32 {
    entry(number).stored
}

pub fn number(group: &str, version: &str, plural: &str, kind: &str, namespaced: bool) -> u32 {
    let wanted = (group, version, plural, kind, namespaced);
    let find = |names: &[Entry]| names.iter().position(|it| it.facts.names() == wanted);
    let known = find(&NAMES.read().unwrap_or_else(PoisonError::into_inner));
    let at = known.unwrap_or_else(|| {
        let stored = (!version.is_empty()).then(|| number(group, "", plural, kind, namespaced));
        let mut names = NAMES.write().unwrap_or_else(PoisonError::into_inner);
        // Another thread may have been faster.
        find(&names).unwrap_or_else(|| {
            let facts = Box::leak(Box::new(new(group, version, plural, kind, namespaced)));
            let own = u32::try_from(names.len()).expect("fewer kinds than memory has room for");
            names.push(Entry { facts, stored: stored.unwrap_or(own) });
            names.len() - 1
        })
    });
    u32::try_from(at).expect("fewer kinds than memory has room for")
}

fn new(group: &str, version: &str, plural: &str, kind: &str, namespaced: bool) -> Facts {
    let texts = |list: &[&str]| list.iter().map(|it| (*it).to_owned()).collect();
    let part = |name: &str, group: &str, version: &str, kind: &str| SubresourceFacts {
        name: name.to_owned(),
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        verbs: texts(&PART_VERBS),
    };
    Facts {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        singular: kind.to_lowercase(),
        short_names: Vec::new(),
        categories: Vec::new(),
        namespaced,
        verbs: texts(&VERBS),
        // Those that a kind can have; the cluster knows which it has.
        subresources: vec![part("status", group, version, kind), part("scale", "autoscaling", "v1", "Scale")],
        schema: None,
    }
}
