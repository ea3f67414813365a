//! `scale`: how many pods there shall be.

use serde_json::Value;

use super::change::{Change, Request};
use super::rival;
use super::workload::Workload;
use crate::error::{Error, Result};
use crate::resource::Target;

/// Scales a workload or anything else that has a scale subresource.
///
/// # Errors
/// `invalid`: a negative count, a DaemonSet.
pub fn scale(target: &Target, object: &Value, replicas: i64) -> Result<Change> {
    if replicas < 0 {
        return Err(Error::invalid(format!("{replicas} is no number of replicas")).hint("it must be greater than or equal to 0").target(target));
    }
    if target.resource.kind == "DaemonSet" {
        return Err(Error::invalid(format!("{target} has no replicas"))
            .hint("a DaemonSet runs one pod on each node that its template fits; Deployments, StatefulSets and ReplicaSets can be scaled")
            .target(target));
    }
    let request = if object["spec"]["replicas"] == replicas { Request::Nothing } else { Request::Scale { replicas } };
    let mut change = Change::new("scale", target.clone(), object, request, "scaled");
    if !change.does_nothing() {
        change.warnings.extend(Workload::new(object.clone()).ok().as_ref().and_then(rival::autoscaler_warning));
    }
    Ok(change)
}
