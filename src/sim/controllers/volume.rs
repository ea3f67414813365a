//! Volume claims are bound at once, to volumes that are made for them: every simulated cluster has a default storage class, `standard`.

use super::client::{self, Component};
use super::object::{deleting, list, name, namespace, uid};
use super::{Key, object};
use crate::sim::events;
use crate::sim::failure::Result;
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;
use crate::sim::world::World;

const BY: Component = Component::Volume;
const CLASS: &str = "standard";

/// Makes a volume for a claim that has none, and binds the two.
pub fn sync(world: &mut World, key: &Key) -> Result<()> {
    let Some(claim) = client::get(world, Kind::PERSISTENTVOLUMECLAIMS, &key.namespace, &key.name) else { return Ok(()) };
    if deleting(&claim) || claim["status"]["phase"] == "Bound" {
        return Ok(());
    }
    let class = claim["spec"]["storageClassName"].as_str().unwrap_or(CLASS).to_owned();
    // An empty class asks for a volume that somebody made; there is nobody who would make one.
    if class.is_empty() && claim["spec"]["volumeName"].is_null() {
        events::normal(world, BY, &claim, "FailedBinding", "no persistent volumes available for this claim and no storage class is set");
        return Ok(());
    }
    let volume = claim["spec"]["volumeName"].as_str().map_or_else(|| format!("pvc-{}", uid(&claim)), str::to_owned);
    let capacity = claim["spec"]["resources"]["requests"].clone();
    if client::get(world, Kind::PERSISTENTVOLUMES, "", &volume).is_none() {
        let object = json!({
            "metadata": {"name": volume, "annotations": {"pv.kubernetes.io/provisioned-by": "simulated/volumes"}},
            "spec": {
                "capacity": capacity, "accessModes": claim["spec"]["accessModes"], "persistentVolumeReclaimPolicy": "Delete", "storageClassName": class, "volumeMode": "Filesystem",
                "claimRef": {
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace(&claim), "name": name(&claim), "uid": uid(&claim),
                    "resourceVersion": claim["metadata"]["resourceVersion"],
                },
                "hostPath": {"path": format!("/var/volumes/{volume}")},
            },
        });
        let created = client::create(world, BY, Kind::PERSISTENTVOLUMES, object)?;
        let mut copy = Value::clone(&created);
        copy["status"] = json!({"phase": "Bound", "lastPhaseTransitionTime": world.stamp()});
        client::update_status(world, BY, Kind::PERSISTENTVOLUMES, copy)?;
        events::normal(world, BY, &claim, "ProvisioningSucceeded", &format!("Successfully provisioned volume {volume}"));
    }
    let mut copy = Value::clone(&claim);
    copy["spec"]["volumeName"] = Value::from(volume.as_str());
    copy["spec"]["storageClassName"] = Value::from(class);
    let written = client::update(world, BY, Kind::PERSISTENTVOLUMECLAIMS, copy)?;
    let mut copy = Value::clone(&written);
    copy["status"] = json!({"phase": "Bound", "accessModes": claim["spec"]["accessModes"], "capacity": capacity});
    client::update_status(world, BY, Kind::PERSISTENTVOLUMECLAIMS, copy).map(|_| ())
}

/// Removes the volume that was made for a claim that is gone.
pub fn reclaim(world: &mut World, claim: &Value) {
    let Some(volume) = claim["spec"]["volumeName"].as_str() else { return };
    let Some(stored) = client::get(world, Kind::PERSISTENTVOLUMES, "", volume) else { return };
    if stored["spec"]["persistentVolumeReclaimPolicy"] == "Delete" && stored["spec"]["claimRef"]["uid"] == object::uid(claim) {
        let mut copy = Value::clone(&stored);
        // Its own protection ends with its claim.
        if !list(&copy["metadata"]["finalizers"]).is_empty()
            && let Some(metadata) = copy["metadata"].as_object_mut()
        {
            metadata.remove("finalizers");
            let _ = client::update(world, BY, Kind::PERSISTENTVOLUMES, copy);
        }
        let _ = client::delete(world, BY, Kind::PERSISTENTVOLUMES, "", volume, super::client::Deletion::default());
    }
}
