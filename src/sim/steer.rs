//! How tests and scripts steer a simulated cluster from outside: behaviours of images, faults, sleeping controllers.

use std::collections::BTreeSet;

use serde_json::Value;

use super::controllers::{autoscaler, queue};
use super::fault;
use super::image::Behaviour;
use super::kinds::Kind;
use super::world::{Sim, World};
use crate::error::{Error, ErrorKind, Result};

/// A behaviour of a list, without its image.
fn split(behaviour: &Value) -> Result<(String, Value)> {
    let mut rest = behaviour.clone();
    match rest.as_object_mut().and_then(|it| it.remove("image")) {
        Some(Value::String(image)) => Ok((image, rest)),
        _ => Err(Error::new(ErrorKind::Usage, "behaviours: each of a list has image, a text")),
    }
}

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

    /// Adds behaviours: a map of images or patterns to behaviours, in which the longer pattern wins, or a list of behaviours with `image`, in which the last wins.
    ///
    /// # Errors
    /// `usage` for an unknown key or a value of the wrong type.
    pub fn behaviours(&self, given: &Value) -> Result<()> {
        let mut rules: Vec<(String, Value)> = match given {
            Value::Object(map) => map.iter().map(|(image, behaviour)| (image.clone(), behaviour.clone())).collect(),
            Value::Array(list) => list.iter().map(split).collect::<Result<_>>()?,
            _ => return Err(Error::new(ErrorKind::Usage, "behaviours: neither a map of images to behaviours nor a list of behaviours, each with image")),
        };
        if given.is_object() {
            rules.sort_by_key(|(pattern, _)| pattern.len());
        }
        let read = |(pattern, behaviour): &(String, Value)| match Behaviour::from_value(&behaviour.into()) {
            Ok(read) => Ok((pattern.clone(), read)),
            Err(error) => {
                Err(error.hints().iter().fold(Error::new(ErrorKind::Usage, format!("{pattern}: {}", error.message())), |named, hint| named.hint(hint)))
            }
        };
        let rules: Vec<(String, Behaviour)> = rules.iter().map(read).collect::<Result<_>>()?;
        self.with(|world| rules.into_iter().for_each(|(pattern, behaviour)| world.controllers.images.add(&pattern, behaviour)));
        Ok(())
    }

    /// Adds faults: one map as of `sim::fault`, or a list of them; all or none.
    ///
    /// # Errors
    /// `usage` for an unknown key or a value of the wrong type.
    pub fn faults(&self, given: &Value) -> Result<()> {
        let list = match given {
            Value::Array(list) => list.as_slice(),
            one => std::slice::from_ref(one),
        };
        self.with(|world| {
            list.iter().try_for_each(|it| fault::check(world, &it.into()))?;
            list.iter().try_for_each(|it| fault::add(world, &it.into()))
        })
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
