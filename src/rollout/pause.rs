//! `pause` and `resume`: a paused Deployment starts no rollout for an edit of its template.

use serde_json::json;

use super::change::{Change, Request};
use super::workload::{Kind, Workload};
use crate::error::{Error, Result};

/// # Errors
/// `invalid` for another kind than a Deployment, and when it is paused already.
pub fn pause(workload: &Workload) -> Result<Change> {
    only_deployments(workload, "pausing")?;
    if workload.paused() {
        return Err(Error::invalid(format!("{} \"{}\" is already paused", workload.target().resource.qualified(), workload.name())).target(workload.target()));
    }
    Ok(Change::of("pause", workload, Request::StrategicPatch(json!({"spec": {"paused": true}})), "paused"))
}

/// # Errors
/// `invalid` for another kind than a Deployment, and when it is not paused.
pub fn resume(workload: &Workload) -> Result<Change> {
    only_deployments(workload, "resuming")?;
    if !workload.paused() {
        return Err(Error::invalid(format!("{} \"{}\" is not paused", workload.target().resource.qualified(), workload.name())).target(workload.target()));
    }
    Ok(Change::of("resume", workload, Request::StrategicPatch(json!({"spec": {"paused": null}})), "resumed"))
}

fn only_deployments(workload: &Workload, what: &str) -> Result<()> {
    let hint = match workload.kind() {
        Kind::Deployment => return Ok(()),
        Kind::StatefulSet => "only Deployments can be paused; set_strategy with a partition holds a StatefulSet midway",
        Kind::DaemonSet => "only Deployments can be paused",
    };
    let target = workload.target();
    Err(Error::invalid(format!("{} \"{}\" {what} is not supported", target.resource.qualified(), target.name)).hint(hint).target(target))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::sample::{deployment, recorded, workload};

    #[test]
    fn pause_and_resume_undo_each_other() {
        let before = workload(deployment("shop/web:1"));
        let paused = pause(&before).expect("it is not paused");
        assert_eq!(paused.done, "deployment.apps/web paused");
        let after = workload(paused.predicted().expect("fits"));
        assert!(after.paused());
        let resumed = resume(&after).expect("it is paused");
        assert_eq!((resumed.done.as_str(), resumed.predicted().expect("fits")), ("deployment.apps/web resumed", before.object().clone()));
        assert_eq!(pause(&after).expect_err("already").message(), "deployments.apps \"web\" is already paused");
        assert_eq!(resume(&before).expect_err("already").message(), "deployments.apps \"web\" is not paused");
    }

    #[test]
    fn only_deployments_can_be_paused() {
        let error = pause(&recorded("067-sts-v1").workload).expect_err("a StatefulSet");
        assert_eq!((error.kind().name(), error.message()), ("invalid", "statefulsets.apps \"db\" pausing is not supported"));
        let error = resume(&recorded("090-ds-v1").workload).expect_err("a DaemonSet");
        assert_eq!(error.message(), "daemonsets.apps \"agent\" resuming is not supported");
    }
}
