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
    // Of the kinds that every cluster has these scale; of others the server knows.
    let built_in = ["", "apps", "batch", "autoscaling", "policy"].contains(&target.resource.group.as_ref());
    if built_in && !["Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"].contains(&target.resource.kind.as_ref()) {
        return Err(Error::invalid(format!("{target} has no replicas"))
            .hint("Deployments, StatefulSets, ReplicaSets and ReplicationControllers can be scaled, and custom resources that have a scale")
            .target(target));
    }
    let request = if object["spec"]["replicas"] == replicas { Request::Nothing } else { Request::Scale { replicas } };
    let mut change = Change::new("scale", target.clone(), object, request, "scaled");
    if !change.does_nothing() {
        change.warnings.extend(Workload::new(object.clone()).ok().as_ref().and_then(rival::autoscaler_warning));
    }
    Ok(change)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rollout::sample::{deployment, recorded, workload};

    #[test]
    fn scaling_says_what_kubectl_says_and_sends_only_what_is_new() {
        let object = deployment("a");
        let target = workload(object.clone()).target();
        let change = scale(&target, &object, 5).expect("a change");
        assert_eq!((&change.request, change.done.as_str()), (&Request::Scale { replicas: 5 }, "deployment.apps/web scaled"));
        assert_eq!(change.predicted().expect("fits")["spec"]["replicas"], 5);
        assert_eq!(scale(&target, &object, 3).expect("as it is").request, Request::Nothing);
        assert_eq!(scale(&target, &object, -1).expect_err("negative").kind().name(), "invalid");
    }

    #[test]
    fn an_autoscaler_that_will_scale_again_is_named() {
        let mut object = deployment("a");
        object["metadata"]["managedFields"] = json!([{"manager": "kube-controller-manager", "subresource": "scale"}]);
        let target = workload(object.clone()).target();
        assert!(scale(&target, &object, 5).expect("a change").warnings[0].contains("autoscaler (kube-controller-manager)"));
    }

    #[test]
    fn a_daemon_set_has_no_replicas() {
        let set = recorded("090-ds-v1").workload;
        assert_eq!(scale(&set.target(), set.object(), 5).expect_err("refused").message(), "daemonset/agent has no replicas");
    }
}
