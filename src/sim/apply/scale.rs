//! The entries of a workload seen through its `scale` subresource, and back.

use std::collections::BTreeMap;

use super::managed::{Entry, Managed, Owner};
use crate::sim::fields::{Element, Path, Set};
use crate::sim::json::Value;

const SCALE: &str = "autoscaling/v1";

/// Where the replicas stand in a Scale, and in every built-in kind.
pub const REPLICAS: [&str; 2] = ["spec", "replicas"];

fn path(names: &[&str]) -> Path {
    names.iter().map(|name| Element::field(name)).collect()
}

/// The `managedFields` of the Scale of a workload: the entries that own its replicas.
///
/// # Source
/// `ScaleHandler.ToSubresource` of apimachinery 0.36.
pub fn of_parent(parent: &Value, api_version: &str, replicas: &[&str]) -> Vec<Value> {
    let managed = Managed::read(&parent["metadata"]["managedFields"]).unwrap_or_default();
    let mut scale = Managed::default();
    for (owner, entry) in managed.entries {
        if entry.api_version == api_version && entry.set.has(&path(replicas)) {
            let set = Set::of(&[&REPLICAS]);
            scale.entries.insert(owner, Entry { set, api_version: SCALE.to_owned(), time: entry.time });
        }
    }
    scale.to_list()
}

/// The `managedFields` of a workload after a write of its Scale left `scale` with its entries.
///
/// What owned the replicas as an update comes back as an entry of its own without a time, and so does a new owner: the server tells owners apart by the version of the Scale
/// here, and finds no time for them.
///
/// # Source
/// `ScaleHandler.ToParent` of apimachinery 0.36.
pub fn to_parent(parent: &Value, scale: &Value, api_version: &str, replicas: &[&str]) -> Vec<Value> {
    let before = Managed::read(&parent["metadata"]["managedFields"]).unwrap_or_default();
    let mut of_scale = Managed::read(&scale["metadata"]["managedFields"]).unwrap_or_default();
    let times: BTreeMap<Owner, Option<String>> = before.entries.iter().map(|(owner, entry)| (owner.clone(), entry.time.clone())).collect();
    let own = Set::of(&[replicas]);
    let mut after = Managed::default();
    for (owner, entry) in before.entries {
        let owns = entry.set.has(&path(replicas)) && entry.api_version == api_version;
        if !owns || of_scale.entries.remove(&owner).is_some() {
            after.entries.insert(owner, entry);
            continue;
        }
        let set = entry.set.difference(&own);
        if !set.is_empty() {
            after.entries.insert(owner, Entry { set, ..entry });
        }
    }
    for (owner, entry) in of_scale.entries {
        if entry.set.has(&path(&REPLICAS)) {
            let time = times.get(&owner).cloned().flatten();
            after.entries.insert(owner, Entry { set: own.clone(), api_version: api_version.to_owned(), time });
        }
    }
    after.to_list()
}
