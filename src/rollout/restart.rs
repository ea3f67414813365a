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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::sample::{deployment, now, recorded, workload};

    #[test]
    fn a_restart_changes_the_template_by_a_time_in_whole_seconds() {
        let change = restart(&workload(deployment("a")), now()).expect("a change");
        assert_eq!(change.done, "deployment.apps/web restarted");
        let after = change.predicted().expect("fits");
        assert_eq!(after["spec"]["template"]["metadata"]["annotations"][RESTARTED_AT], "2026-11-22T20:00:00Z");
        let again = restart(&workload(after), now()).expect_err("within one second");
        assert_eq!(again.message(), "deployment/web has already been restarted within the past second");
    }

    #[test]
    fn a_paused_deployment_cannot_be_restarted() {
        let error = restart(&recorded("048-deploy-paused").workload, now()).expect_err("it is paused");
        assert_eq!((error.kind().name(), error.hints()), ("paused", &["resume(\"deploy/web\")".to_owned()][..]));
    }

    #[test]
    fn stateful_sets_and_daemon_sets_restart_too() {
        for step in ["067-sts-v1", "090-ds-v1"] {
            assert!(restart(&recorded(step).workload, now()).expect("a change").done.ends_with(" restarted"));
        }
    }
}
