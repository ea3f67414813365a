//! `restart`: an annotation in the template, so that every pod is replaced.

use jiff::Timestamp;
use serde_json::json;

use super::change::{Change, Request};
use super::template::RESTARTED_AT;
use super::workload::Workload;
use crate::error::{Error, Result};

/// # Errors
/// `paused`; `invalid` when it was restarted within this same second, since nothing would change.
pub fn restart(workload: &Workload, now: Timestamp) -> Result<Change> {
    let target = workload.target();
    if workload.paused() {
        return Err(Error::paused(format!("{} \"{}\" can't restart paused deployment (resume it first)", target.resource.qualified(), target.name))
            .hint(format!("resume(\"deploy/{}\")", target.name))
            .target(target));
    }
    let stamp = seconds(now);
    if workload.template()["metadata"]["annotations"][RESTARTED_AT] == stamp.as_str() {
        return Err(Error::invalid(format!("{target} has already been restarted within the past second"))
            .hint("wait before restarting it again")
            .target(target));
    }
    let patch = json!({"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: stamp}}}}});
    let mut change = Change::of("restart", workload, Request::StrategicPatch(patch), "restarted");
    if workload.strategy_type() == "OnDelete" {
        change.warnings.push(format!("{target} replaces a pod only when somebody deletes it: no pod restarts by itself"));
    }
    Ok(change)
}

/// RFC 3339 in UTC with whole seconds.
pub(super) fn seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
