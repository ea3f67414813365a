//! The volume claims of a StatefulSet's pods, and who owns them when the set shrinks or goes.

use super::super::client;
use super::super::object::{deleting, list, name, namespace, owner_reference, uid};
use super::pod::{ordinal, ordinals};
use super::{BY, claim_templates};
use crate::sim::events;
use crate::sim::failure::{Failure, Result};
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;
use crate::sim::world::World;

const CLAIMS: Kind = Kind::PERSISTENTVOLUMECLAIMS;

/// `CLAIM-SET-ORDINAL`.
pub fn claim_name(set: &Value, template: &Value, ordinal: i64) -> String {
    format!("{}-{}-{ordinal}", template["metadata"]["name"].as_str().unwrap_or_default(), name(set))
}

/// Makes the claims of a pod that are missing.
pub fn create(world: &mut World, set: &Value, pod: &Value) -> Result<()> {
    for template in claim_templates(set) {
        let own_name = claim_name(set, template, ordinal(pod).unwrap_or(0));
        match client::get(world, CLAIMS, namespace(set), &own_name) {
            Some(claim) if deleting(&claim) => return Err(Failure::internal(&format!("pvc {own_name} is being deleted"))),
            Some(_) => continue,
            None => {}
        }
        let mut claim = template.clone();
        claim["metadata"]["name"] = Value::from(own_name.as_str());
        claim["metadata"]["namespace"] = set["metadata"]["namespace"].clone();
        for (key, value) in set["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten() {
            claim["metadata"]["labels"][key] = value.clone();
        }
        if let Some(claim) = claim.as_object_mut() {
            claim.remove("status");
        }
        let outcome = client::create(world, BY, CLAIMS, claim);
        let (pod, set_name) = (name(pod), name(set));
        match &outcome {
            Ok(_) => events::normal(world, BY, set, "SuccessfulCreate", &format!("Create Claim {own_name} Pod {pod} in StatefulSet {set_name} success")),
            Err(failure) if failure.is_already_exists() => {}
            Err(failure) => {
                let text = format!("Create Claim {own_name} for Pod {pod} in StatefulSet {set_name} failed error: {failure}");
                events::warning(world, BY, set, "FailedCreate", &text);
            }
        }
        outcome?;
    }
    Ok(())
}

fn deletes(set: &Value, when: &str) -> bool {
    set["spec"]["persistentVolumeClaimRetentionPolicy"][when] == "Delete"
}

/// Whether a claim still belongs to an earlier pod of this name, and will go with it.
pub fn is_stale(world: &World, set: &Value, pod: &Value) -> bool {
    deletes(set, "whenScaled")
        && claim_templates(set).iter().any(|template| {
            let claim = client::get(world, CLAIMS, namespace(set), &claim_name(set, template, ordinal(pod).unwrap_or(0)));
            claim.is_some_and(|claim| {
                list(&claim["metadata"]["ownerReferences"]).iter().any(|owner| owner["kind"] == "Pod" && owner["name"] == name(pod) && owner["uid"] != uid(pod))
            })
        })
}

/// Makes the owners of a pod's claims those that the retention policy wants: the set, so that they go with it; the pod, once it is beyond the set.
///
/// # Source
/// `updateClaimOwnerRefForSetAndPod`.
pub fn keep_policy(world: &mut World, set: &Value, pod: &Value) -> Result<()> {
    for template in claim_templates(set) {
        let at = ordinal(pod).unwrap_or(0);
        let Some(claim) = client::get(world, CLAIMS, namespace(set), &claim_name(set, template, at)) else { continue };
        let (start, end) = ordinals(set);
        let beyond = !(start..end).contains(&at);
        let before = list(&claim["metadata"]["ownerReferences"]);
        // Another controller's claim is left alone.
        if before.iter().any(|owner| owner["controller"] == true && owner["uid"] != uid(set) && owner["uid"] != uid(pod)) {
            continue;
        }
        let mut owners: Vec<Value> = before.iter().filter(|owner| owner["uid"] != uid(set) && owner["uid"] != uid(pod)).cloned().collect();
        let pod_owns = deletes(set, "whenScaled") && beyond && !uid(pod).is_empty();
        if pod_owns {
            let mut object = pod.clone();
            object["apiVersion"] = json!("v1");
            object["kind"] = json!("Pod");
            owners.push(owner_reference(&object));
        } else if deletes(set, "whenDeleted") && !beyond || deletes(set, "whenDeleted") && !deletes(set, "whenScaled") {
            owners.push(owner_reference(set));
        }
        if owners == before {
            continue;
        }
        let mut copy = Value::clone(&claim);
        if owners.is_empty() {
            if let Some(metadata) = copy["metadata"].as_object_mut() {
                metadata.remove("ownerReferences");
            }
        } else {
            copy["metadata"]["ownerReferences"] = Value::from(owners);
        }
        client::update(world, BY, CLAIMS, copy)?;
    }
    Ok(())
}
