//! Questions that any Kubernetes object answers: annotations, labels, owner, times, numbers. Nothing here knows about rollouts.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::resource::{Resource, Target};

pub(super) fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["annotations"].get(key)?.as_str()
}

pub(super) fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object["metadata"]["labels"].get(key)?.as_str()
}

pub(super) fn name(object: &Value) -> &str {
    text(&object["metadata"]["name"])
}

pub(super) fn uid(object: &Value) -> &str {
    text(&object["metadata"]["uid"])
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub(super) fn int(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

pub(super) fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

pub(super) fn time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

pub(super) fn created(object: &Value) -> Option<Timestamp> {
    time(&object["metadata"]["creationTimestamp"])
}

pub(super) fn age_s(object: &Value, now: Timestamp) -> i64 {
    created(object).map_or(0, |created| now.duration_since(created).as_secs())
}

pub(super) fn after(start: Timestamp, seconds: i64) -> Timestamp {
    start.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// The owner reference with `controller: true`.
pub(super) fn controller(object: &Value) -> Option<&Value> {
    items(&object["metadata"]["ownerReferences"]).iter().find(|owner| owner["controller"] == true)
}

/// Owned by uid: an object of the same name that was deleted and created again owns nothing of the old one's.
pub(super) fn is_controlled_by(object: &Value, uid: &str) -> bool {
    !uid.is_empty() && controller(object).is_some_and(|owner| owner["uid"] == uid)
}

pub(super) fn is_terminating(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    items(&object["status"]["conditions"]).iter().find(|condition| condition["type"] == kind)
}

/// The name in kubectl's results: `deployment.apps/web`, `pod/web-1`.
pub fn result_name(target: &Target) -> String {
    match target.resource.group.as_ref() {
        "" => format!("{}/{}", target.resource.singular, target.name),
        group => format!("{}.{group}/{}", target.resource.singular, target.name),
    }
}

/// The target of an object of a resource.
pub(super) fn target(resource: &Resource, object: &Value) -> Target {
    Target::new(resource, object["metadata"]["namespace"].as_str().filter(|_| resource.namespaced), name(object))
}

/// Refuses an object that has no name, for which no request could be made.
pub(super) fn named(object: &Value) -> Result<&str> {
    match name(object) {
        "" => Err(Error::invalid("metadata.name is missing").hint("every object of a cluster has a name: is this one whole?")),
        name => Ok(name),
    }
}
