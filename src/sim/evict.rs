//! Eviction: the deletion of a pod that asks its PodDisruptionBudget first.
//!
//! # Source
//! kubernetes 1.36.3 `pkg/registry/core/pod/storage/eviction.go`.

use std::sync::Arc;

use super::api::{Caller, DeleteOptions, Deleted};
use super::failure::{Failure, Result};
use super::kinds::Kind;
use super::selector::matches_labels;
use super::world::World;
use crate::sim::json::{Value, json};

/// How many pods may be on their way out before a budget is used again.
const DISRUPTED_MOST: usize = 2000;

impl World {
    /// Deletes a pod unless a PodDisruptionBudget needs it.
    ///
    /// # Errors
    /// `NotFound`, `TooManyRequests` where the budget is used up, `InternalError` for more than one budget.
    pub fn evict(&mut self, namespace: &str, pod: &str, options: &DeleteOptions, caller: &Caller) -> Result<Deleted> {
        let object = self.get(Kind::PODS, namespace, pod)?;
        let phase = object["status"]["phase"].as_str().unwrap_or_default();
        let unguarded = matches!(phase, "Succeeded" | "Failed" | "Pending") || !object["metadata"]["deletionTimestamp"].is_null();
        if !unguarded {
            let selects = |it: &&Arc<Value>| matches_labels(&it["spec"]["selector"], &object["metadata"]["labels"]);
            let budgets: Vec<Arc<Value>> = self.list(Kind::PODDISRUPTIONBUDGETS, Some(namespace)).filter(selects).cloned().collect();
            match budgets.as_slice() {
                [] => {}
                [budget] => self.use_budget(budget, &object, pod, caller)?,
                _ => return Err(Failure::internal("This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.")),
            }
        }
        self.delete(Kind::PODS, namespace, pod, options, caller)
    }

    fn use_budget(&mut self, budget: &Arc<Value>, object: &Value, pod: &str, caller: &Caller) -> Result<()> {
        let status = &budget["status"];
        let count = |field: &str| status[field].as_i64().unwrap_or(0);
        let name = budget["metadata"]["name"].as_str().unwrap_or_default();
        let ready = object["status"]["conditions"].as_array().into_iter().flatten().any(|it| it["type"] == "Ready" && it["status"] == "True");
        if !ready {
            let healthy = count("currentHealthy") >= count("desiredHealthy") && count("desiredHealthy") > 0;
            if budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow" || healthy {
                return Ok(());
            }
        }
        let refuse = |why: String, retry_after_s: u32| {
            let cause = json!({ "reason": "DisruptionBudget", "message": why });
            Err(Failure::too_many_requests("Cannot evict pod as it would violate the pod's disruption budget.", retry_after_s).causes(vec![cause]))
        };
        if count("observedGeneration") < budget["metadata"]["generation"].as_i64().unwrap_or(0) {
            return refuse(format!("The disruption budget {name} is still being processed by the server."), 10);
        }
        if count("disruptionsAllowed") < 0 {
            return Err(Failure::forbidden(Kind::PODDISRUPTIONBUDGETS, name, "pdb disruptions allowed is negative"));
        }
        if status["disruptedPods"].as_object().is_some_and(|it| it.len() > DISRUPTED_MOST) {
            return Err(Failure::forbidden(Kind::PODDISRUPTIONBUDGETS, name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller"));
        }
        if count("disruptionsAllowed") == 0 {
            return refuse(
                format!("The disruption budget {name} needs {} healthy pods and has {} currently", count("desiredHealthy"), count("currentHealthy")),
                0,
            );
        }
        if caller.dry_run {
            return Ok(());
        }
        let mut used = Value::clone(budget);
        used["status"]["disruptionsAllowed"] = (count("disruptionsAllowed") - 1).into();
        used["status"]["disruptedPods"][pod] = self.stamp().into();
        self.put(Kind::PODDISRUPTIONBUDGETS, used);
        Ok(())
    }
}
