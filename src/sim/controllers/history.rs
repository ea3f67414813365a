//! ControllerRevisions: the templates that StatefulSets and DaemonSets had, as patches that bring them back.

use std::sync::Arc;

use super::client::{self, Component};
use super::object::{created, name};
use crate::sim::failure::Result;
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;
use crate::sim::world::World;

pub fn number(revision: &Value) -> i64 {
    revision["revision"].as_i64().unwrap_or(0)
}

/// Oldest first.
pub fn sort(revisions: &mut [Arc<Value>]) {
    revisions.sort_by(|one, other| number(one).cmp(&number(other)).then_with(|| created(one).cmp(&created(other))).then_with(|| name(one).cmp(name(other))));
}

/// The patch that restores the workload's present template: all of it, and nothing else.
///
/// # Source
/// `getPatch` of both controllers.
pub fn patch_of(workload: &Value) -> Value {
    let mut template = workload["spec"]["template"].clone();
    template["$patch"] = Value::from("replace");
    json!({"spec": {"template": template}})
}

/// The template that a revision keeps.
pub fn template_of(revision: &Value) -> Value {
    let mut template = revision["data"]["spec"]["template"].clone();
    if let Some(template) = template.as_object_mut() {
        template.remove("$patch");
    }
    template
}

/// Gives an existing revision a higher number; its name, labels and annotations stay.
pub fn renumber(world: &mut World, by: Component, revision: &Arc<Value>, number: i64) -> Result<Arc<Value>> {
    if self::number(revision) == number {
        return Ok(Arc::clone(revision));
    }
    let mut copy = Value::clone(revision);
    copy["revision"] = Value::from(number);
    client::update(world, by, Kind::CONTROLLERREVISIONS, copy)
}
