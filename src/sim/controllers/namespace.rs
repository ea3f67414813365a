//! Namespaces: what every one has, and their end with all that is in them.

use jiff::SignedDuration;

use super::client::{self, Component, Deletion};
use super::object::{deleting, list, name, stamp};
use super::{Controller, Key, queue};
use crate::sim::api::{Propagation, Subresource};
use crate::sim::failure::Result;
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;
use crate::sim::world::World;

const ROOT_CA: &str = "kube-root-ca.crt";
pub const ROOT_CA_TEXT: &str = include_str!("../data/ca.crt");
const ROOT_CA_ABOUT: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or \
                             kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";

/// Makes the ServiceAccount `default` of a namespace where it is missing.
pub fn sync_account(world: &mut World, key: &Key) -> Result<()> {
    if !is_active(world, &key.name) || world.find(Kind::SERVICEACCOUNTS, &key.name, "default").is_some() {
        return Ok(());
    }
    let account = json!({"metadata": {"name": "default", "namespace": key.name}});
    settle(client::create(world, Component::ServiceAccount, Kind::SERVICEACCOUNTS, account).map(|_| ()))
}

/// Makes the ConfigMap with the cluster's root certificate, or puts back what somebody changed in it.
pub fn sync_root_ca(world: &mut World, key: &Key) -> Result<()> {
    if !is_active(world, &key.name) {
        return Ok(());
    }
    let data = json!({ "ca.crt": ROOT_CA_TEXT });
    let about = json!({ "kubernetes.io/description": ROOT_CA_ABOUT });
    match client::get(world, Kind::CONFIGMAPS, &key.name, ROOT_CA) {
        None => {
            let map = json!({"metadata": {"name": ROOT_CA, "namespace": key.name, "annotations": about}, "data": data});
            settle(client::create(world, Component::RootCa, Kind::CONFIGMAPS, map).map(|_| ()))
        }
        Some(map) if map["data"] == data => Ok(()),
        Some(map) => {
            let mut copy = Value::clone(&map);
            copy["data"] = data;
            copy["metadata"]["annotations"] = about;
            client::update(world, Component::RootCa, Kind::CONFIGMAPS, copy).map(|_| ())
        }
    }
}

/// A namespace that ends, or that somebody was faster in, needs nothing more.
fn settle(outcome: Result<()>) -> Result<()> {
    match outcome {
        Err(failure) if failure.is_already_exists() || failure.is_not_found() || client::namespace_is_terminating(&failure) => Ok(()),
        outcome => outcome,
    }
}

fn is_active(world: &World, namespace: &str) -> bool {
    world.find(Kind::NAMESPACES, "", namespace).is_some_and(|it| !deleting(it) && it["status"]["phase"] != "Terminating")
}

/// Empties a deleted namespace, pods first, and lets it go when nothing is left.
///
/// # Source
/// `namespacedResourcesDeleter.Delete` of 1.36.3.
pub fn sync_end(world: &mut World, key: &Key) -> Result<()> {
    let Some(namespace) = client::get(world, Kind::NAMESPACES, "", &key.name) else { return Ok(()) };
    if !deleting(&namespace) || list(&namespace["spec"]["finalizers"]).iter().all(|one| one != "kubernetes") {
        return Ok(());
    }
    delete_kind(world, Kind::PODS, &key.name);
    let pods = world.list(Kind::PODS, Some(&key.name)).count();
    if pods == 0 {
        let kinds: Vec<Kind> = world.stored_kinds().filter(|kind| kind.namespaced() && kind.has_verb("delete")).collect();
        for kind in kinds {
            delete_kind(world, kind, &key.name);
        }
    }
    let left: Vec<(Kind, usize)> = world
        .stored_kinds()
        .filter(|kind| kind.namespaced())
        .map(|kind| (kind, world.list(kind, Some(&key.name)).count()))
        .filter(|(_, count)| *count > 0)
        .collect();
    if left.is_empty() {
        return finalize(world, &namespace);
    }
    report(world, &namespace, &left)?;
    // Pods that are being stopped take their time; the real controller asks again after half of their grace period.
    queue::add_after(world, Controller::NamespaceEnd, key, SignedDuration::from_secs(1));
    Ok(())
}

fn delete_kind(world: &mut World, kind: Kind, namespace: &str) {
    let doomed: Vec<String> = world.list(kind, Some(namespace)).filter(|object| !deleting(object)).map(|object| name(object).to_owned()).collect();
    for object in doomed {
        let deletion = Deletion { propagation: Some(Propagation::Background), ..Deletion::default() };
        // What could not be deleted is still there at the next look.
        let _ = client::delete(world, Component::Namespace, kind, namespace, &object, deletion);
    }
}

fn report(world: &mut World, namespace: &Value, left: &[(Kind, usize)]) -> Result<()> {
    let now = stamp(world.now());
    let words: Vec<String> = left.iter().map(|(kind, count)| format!("{}. has {count} resource instances", kind.qualified())).collect();
    let conditions = [
        ("NamespaceDeletionDiscoveryFailure", "False", "ResourcesDiscovered", "All resources successfully discovered".to_owned()),
        ("NamespaceDeletionGroupVersionParsingFailure", "False", "ParsedGroupVersions", "All legacy kube types successfully parsed".to_owned()),
        ("NamespaceDeletionContentFailure", "False", "ContentDeleted", "All content successfully deleted, may be waiting on finalization".to_owned()),
        ("NamespaceContentRemaining", "True", "SomeResourcesRemain", format!("Some resources are remaining: {}", words.join(", "))),
        ("NamespaceFinalizersRemaining", "False", "ContentHasNoFinalizers", "All content-preserving finalizers finished".to_owned()),
    ];
    let before = list(&namespace["status"]["conditions"]);
    let conditions: Vec<Value> = conditions
        .into_iter()
        .map(|(kind, status, reason, message)| {
            let same = before.iter().find(|it| it["type"] == kind && it["status"] == status && it["reason"] == reason && it["message"] == message.as_str());
            let since = same.map_or_else(|| Value::from(now.as_str()), |it| it["lastTransitionTime"].clone());
            json!({"type": kind, "status": status, "lastTransitionTime": since, "reason": reason, "message": message})
        })
        .collect();
    if before == conditions && namespace["status"]["phase"] == "Terminating" {
        return Ok(());
    }
    let mut copy = namespace.clone();
    copy["status"]["phase"] = Value::from("Terminating");
    copy["status"]["conditions"] = Value::from(conditions);
    client::update_status(world, Component::Namespace, Kind::NAMESPACES, copy).map(|_| ())
}

fn finalize(world: &mut World, namespace: &Value) -> Result<()> {
    let mut copy = namespace.clone();
    let left: Vec<Value> = list(&copy["spec"]["finalizers"]).iter().filter(|one| *one != "kubernetes").cloned().collect();
    copy["spec"]["finalizers"] = Value::from(left);
    match world.update(Kind::NAMESPACES, copy, Subresource::Finalize, &Component::Namespace.caller()) {
        Err(failure) if !failure.is_not_found() => Err(failure),
        _ => Ok(()),
    }
}
