//! How tests and scripts steer a simulated cluster from outside: behaviours of images, faults, sleeping controllers.

use std::collections::BTreeSet;

use serde_json::Value;

use super::controllers::{autoscaler, queue};
use super::fault;
use super::image::Behaviour;
use super::kinds::Kind;
use super::world::{Sim, World};
use crate::error::{Error, ErrorKind, Result};

impl Sim {
    /// Creates objects as the administrator would.
    ///
    /// # Errors
    /// `invalid` when one is refused (says which and why); those before it exist then.
    pub fn create(&self, objects: &[Value]) -> Result<()> {
        self.with(|world| super::fixture::create_all(world, objects))
    }

    /// Stops the controllers, not the scheduler and the kubelets: what they would do waits.
    pub fn pause_controllers(&self) {
        self.with(queue::pause);
    }

    /// Lets the controllers go on with what waited.
    pub fn resume_controllers(&self) {
        self.with(queue::resume);
    }

    /// Makes the images that match `pattern` behave in another way; the last rule that matches wins. Containers that exist keep what they have.
    ///
    /// # Errors
    /// `usage` for an unknown key or a value of the wrong type.
    pub fn image(&self, pattern: &str, behaviour: &Value) -> Result<()> {
        let behaviour = Behaviour::from_value(&behaviour.into())?;
        self.with(|world| world.controllers.images.add(pattern, behaviour));
        Ok(())
    }

    /// Makes every image behave in another way that no pod template has named so far; the others keep what they do.
    ///
    /// # Errors
    /// As `image`.
    pub fn new_images(&self, behaviour: &Value) -> Result<()> {
        let behaviour = Behaviour::from_value(&behaviour.into())?;
        self.with(|world| {
            let images = named_images(world);
            let known: Vec<_> = images.into_iter().map(|image| (world.controllers.images.behaviour(&image), image)).collect();
            world.controllers.images.add("*", behaviour);
            for (former, image) in known {
                world.controllers.images.add(&image, former);
            }
        });
        Ok(())
    }

    /// The names of the nodes.
    pub fn nodes(&self) -> Vec<String> {
        self.look(|world| world.store.list(Kind::NODES, None).filter_map(|node| node["metadata"]["name"].as_str().map(str::to_owned)).collect())
    }

    /// Adds faults, as `sim::fault` describes them.
    ///
    /// # Errors
    /// `usage` for an unknown key or a value of the wrong type.
    pub fn fault(&self, fault: &Value) -> Result<()> {
        self.with(|world| fault::add(world, &fault.into()))
    }

    /// Sets what each pod of a workload (`Deployment/web`) uses from now on, for autoscalers: `cpu` or `memory`, as a quantity.
    ///
    /// # Errors
    /// `usage` when `used` is no quantity.
    pub fn load(&self, namespace: &str, workload: &str, resource: &str, used: &str) -> Result<()> {
        let known = self.with(|world| autoscaler::set_load(world, namespace, workload, resource, used));
        if known { Ok(()) } else { Err(Error::new(ErrorKind::Usage, format!("{used:?} is no quantity such as \"250m\" or \"64Mi\""))) }
    }
}

/// The images of all pods, and of the templates of what makes pods.
fn named_images(world: &World) -> BTreeSet<String> {
    const KINDS: [Kind; 5] = [Kind::PODS, Kind::DEPLOYMENTS, Kind::REPLICASETS, Kind::STATEFULSETS, Kind::DAEMONSETS];
    let mut images = BTreeSet::new();
    for kind in KINDS {
        for object in world.store.list(kind, None) {
            let spec = if kind == Kind::PODS { &object["spec"] } else { &object["spec"]["template"]["spec"] };
            let containers = ["containers", "initContainers"].into_iter().flat_map(|key| spec[key].as_array().into_iter().flatten());
            images.extend(containers.filter_map(|container| container["image"].as_str().map(str::to_owned)));
        }
    }
    images
}
