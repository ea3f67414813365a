//! Putting a workload back to what it was at some moment, unless somebody else changed it meanwhile.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::change::{self, Change, Precondition, Request};
use super::template;
use super::workload::{Kind, Workload};
use crate::error::{Error, Result};

/// What is put back of a workload: what decides which pods run. Not the replicas, which autoscalers move, nor labels and annotations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parts {
    pub template: Value,
    pub strategy: Value,
    pub paused: bool,
    pub change_cause: Option<String>,
}

impl Parts {
    pub fn of(workload: &Workload) -> Self {
        Self {
            template: template::bare(workload.template()),
            strategy: workload.strategy().clone(),
            paused: workload.paused(),
            change_cause: workload.change_cause().map(str::to_owned),
        }
    }

    fn has_template_of(&self, workload: &Workload) -> bool {
        template::same(&self.template, workload.template())
    }
}

/// The change that puts back the template, and with it the change cause, and strategy and pause as far as they are still as `ours` left
/// them; nothing when all is as at the start. `ours` are states that our own writes made, or were to make.
///
/// # Errors
/// `conflict` when the template is neither the one of the start nor one of ours: somebody else changed it.
pub fn restore(workload: &Workload, start: &Parts, ours: &[Parts]) -> Result<Change> {
    let target = workload.target();
    let mut operations = Vec::new();
    if !start.has_template_of(workload) {
        if !ours.iter().any(|parts| parts.has_template_of(workload)) {
            return Err(Error::conflict(format!("somebody else changed the template of {target} meanwhile: it is left alone")).target(target));
        }
        operations.push(json!({"op": "replace", "path": "/spec/template", "value": start.template}));
        operations.extend(change::cause_operation(workload.object(), start.change_cause.as_deref()));
    }
    let live = Parts::of(workload);
    if live.strategy != start.strategy && ours.iter().any(|parts| parts.strategy == live.strategy) {
        let path = format!("/spec/{}", workload.strategy_field());
        operations.push(json!({"op": if start.strategy.is_null() { "remove" } else { "add" }, "path": path, "value": start.strategy}));
    }
    if live.paused != start.paused && workload.kind() == Kind::Deployment && ours.iter().any(|parts| parts.paused == live.paused) {
        operations.push(json!({"op": if start.paused { "add" } else { "remove" }, "path": "/spec/paused", "value": true}));
    }
    if operations.is_empty() {
        return Ok(Change::of("guard", workload, Request::Nothing, "is as it was"));
    }
    let mut all = change::tests(workload.object());
    all.append(&mut operations);
    let mut change = Change::of("guard", workload, Request::JsonPatch(Value::Array(all)), "put back");
    change.precondition = Some(Precondition::of(workload.object()));
    Ok(change)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;
    use crate::rollout::image::set_image;
    use crate::rollout::pause::pause;
    use crate::rollout::sample::{deployment, recorded, workload};
    use crate::rollout::strategy::{Strategy, set_strategy};

    fn with_image(workload: &Workload, container: &str, image: &str) -> Workload {
        let change = set_image(workload, &[(container.to_owned(), image.to_owned())], Some("ours")).expect("a change");
        Workload::new(change.predicted().expect("fits")).expect("a workload")
    }

    #[test]
    fn what_we_changed_is_put_back_whole() {
        let before = workload(deployment("shop/web:1"));
        let start = Parts::of(&before);
        let changed = with_image(&before, "web", "shop/web:2");
        let changed = Workload::new(pause(&changed).expect("a change").predicted().expect("fits")).expect("a workload");
        let change = restore(&changed, &start, &[Parts::of(&changed)]).expect("ours");
        let mut after = change.predicted().expect("fits");
        // The map that held nothing but the cause.
        if after["metadata"]["annotations"] == json!({}) {
            after["metadata"].as_object_mut().expect("a map").remove("annotations");
        }
        assert_eq!(after, *before.object());
        assert_eq!(restore(&before, &start, &[]).expect("as it was").request, Request::Nothing);
    }

    #[test]
    fn a_template_of_somebody_else_is_left_alone() {
        let before = workload(deployment("shop/web:1"));
        let ours = with_image(&before, "web", "shop/web:2");
        let theirs = with_image(&ours, "web", "shop/web:3");
        let error = restore(&theirs, &Parts::of(&before), &[Parts::of(&ours)]).expect_err("theirs");
        assert_eq!(error.kind(), ErrorKind::Conflict);
    }

    #[test]
    fn a_partition_that_we_set_is_put_back_and_one_that_somebody_else_set_is_not() {
        let before = recorded("067-sts-v1").workload;
        let partition = |partition| {
            let strategy = Strategy { partition: Some(partition), ..Strategy::default() };
            Workload::new(set_strategy(&before, &strategy).expect("a change").predicted().expect("fits")).expect("a workload")
        };
        let (ours, theirs) = (partition(2), partition(1));
        let after = restore(&ours, &Parts::of(&before), &[Parts::of(&ours)]).expect("ours").predicted().expect("fits");
        assert_eq!(after["spec"]["updateStrategy"], before.object()["spec"]["updateStrategy"]);
        assert_eq!(restore(&theirs, &Parts::of(&before), &[Parts::of(&ours)]).expect("not ours").request, Request::Nothing);
    }
}
