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
