//! The scheduler: puts each pod on the node that fits and has the fewest of its siblings, or says why none fits.
//!
//! Not here: preemption, priorities, volumes that bind to nodes, inter-pod affinity.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::controllers::client::{self, Component};
use super::controllers::object::{controller_of, deleting, list, name, namespace, stamp, text};
use super::controllers::pods::is_terminal;
use super::controllers::template::quantity;
use super::controllers::{Controller, Key, nodes, queue};
use super::events;
use super::failure::Result;
use super::kinds::Kind;
use super::world::World;
use crate::sim::json::{Text, Value, json};

/// What the scheduler keeps: how full the nodes are, and who waits for room.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cache {
    #[serde(skip)]
    nodes: BTreeMap<String, Load>,
    #[serde(skip)]
    siblings: BTreeMap<String, BTreeMap<String, i64>>,
    /// What the nodes offer, in the order of their names.
    #[serde(skip)]
    offers: Vec<Offer>,
    waiting: BTreeSet<Key>,
}

/// What a node, as it was read, offers to pods: each pod looks at every node, and nodes hardly ever change.
#[derive(Clone, Debug)]
struct Offer {
    node: Arc<Value>,
    name: Text,
    /// What its pods ask for now.
    load: Load,
    cordoned: bool,
    tainted: bool,
    pods: i128,
    cpu: i128,
    memory: i128,
}

impl Offer {
    fn of(node: &Arc<Value>, loads: &BTreeMap<String, Load>) -> Self {
        let room = |resource: &str| node["status"]["allocatable"][resource].as_str().and_then(quantity).unwrap_or(0);
        Self {
            cordoned: node["spec"]["unschedulable"] == true,
            tainted: !list(&node["spec"]["taints"]).is_empty(),
            pods: room("pods"),
            cpu: room("cpu"),
            memory: room("memory"),
            load: loads.get(name(node)).copied().unwrap_or_default(),
            name: name(node).into(),
            node: Arc::clone(node),
        }
    }

    fn position(offers: &[Self], node: &str) -> Option<usize> {
        offers.binary_search_by(|offer| offer.name.as_str().cmp(node)).ok()
    }

    /// Reads anew what changed since; nodes come in the order of their names.
    fn refresh<'a>(offers: &mut Vec<Self>, nodes: impl Iterator<Item = &'a Arc<Value>>, loads: &BTreeMap<String, Load>) {
        let mut count = 0;
        for node in nodes {
            match offers.get_mut(count) {
                Some(offer) if Arc::ptr_eq(&offer.node, node) => {}
                Some(offer) => *offer = Self::of(node, loads),
                None => offers.push(Self::of(node, loads)),
            }
            count += 1;
        }
        offers.truncate(count);
    }
}

/// What the pods of a node ask for, quantities in nano units.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    pods: i64,
    cpu: i128,
    memory: i128,
}

fn asked(spec: &Value, resource: &str) -> i128 {
    let of = |container: &Value| container["resources"]["requests"][resource].as_str().and_then(quantity).unwrap_or(0);
    let (sidecars, inits): (Vec<&Value>, Vec<&Value>) = list(&spec["initContainers"]).iter().partition(|init| init["restartPolicy"] == "Always");
    let together = list(&spec["containers"]).iter().chain(sidecars).map(of).sum::<i128>();
    let first = inits.into_iter().map(of).max().unwrap_or(0);
    together.max(first) + spec["overhead"][resource].as_str().and_then(quantity).unwrap_or(0)
}

fn owner(pod: &Value) -> Option<&str> {
    controller_of(pod).and_then(|owner| owner["uid"].as_str())
}

/// Follows a stored change of a pod: counts it on its node, and lets those who wait for room try again when one left.
pub fn note_pod(world: &mut World, before: Option<&Value>, after: Option<&Value>) {
    let (before, after) = (before.filter(|pod| counts(pod)), after.filter(|pod| counts(pod)));
    if before.is_some() == after.is_some() {
        return;
    }
    let cache = &mut world.controllers.scheduler;
    let freed = after.is_none();
    let Some(pod) = after.or(before) else { return };
    let sign = if freed { -1 } else { 1 };
    let node = text(pod, &["spec", "nodeName"]);
    let load = cache.nodes.entry(node.to_owned()).or_default();
    load.pods += sign;
    load.cpu += i128::from(sign) * asked(&pod["spec"], "cpu");
    load.memory += i128::from(sign) * asked(&pod["spec"], "memory");
    if let Some(at) = Offer::position(&cache.offers, node) {
        cache.offers[at].load = *load;
    }
    if let Some(owner) = owner(pod) {
        let on_nodes = cache.siblings.entry(owner.to_owned()).or_default();
        let count = on_nodes.entry(node.to_owned()).or_default();
        *count += sign;
        if *count <= 0 {
            on_nodes.remove(node);
        }
        if on_nodes.is_empty() {
            cache.siblings.remove(owner);
        }
    }
    if freed {
        retry(world);
    }
}

/// A resource of which a node has not enough, in the units in which it is counted: thousandths of a CPU, bytes, pods.
pub struct Lack {
    pub resource: &'static str,
    pub requested: i128,
    pub used: i128,
    pub capacity: i128,
}

/// What a node lacks for a pod that is counted on it already.
pub fn lack(world: &World, pod: &Value, node: &Value) -> Option<Lack> {
    const NANO: i128 = 1_000_000_000;
    let room = |resource: &str| node["status"]["allocatable"][resource].as_str().and_then(quantity).unwrap_or(0);
    let load = world.controllers.scheduler.nodes.get(name(node)).copied().unwrap_or_default();
    let (cpu, memory) = (asked(&pod["spec"], "cpu"), asked(&pod["spec"], "memory"));
    let lacks = [
        ("pods", NANO, i128::from(load.pods) * NANO, room("pods"), NANO),
        ("cpu", cpu, load.cpu, room("cpu"), NANO / 1000),
        ("memory", memory, load.memory, room("memory"), NANO),
    ];
    let found = lacks.into_iter().find(|(_, asked, load, room, _)| *asked > 0 && load > room);
    found.map(|(resource, asked, load, room, unit)| Lack { resource, requested: asked / unit, used: (load - asked) / unit, capacity: room / unit })
}

/// The ports of the host that a pod wants: address, protocol, number.
fn host_ports(pod: &Value) -> impl Iterator<Item = (&str, &str, i64)> {
    let containers = ["initContainers", "containers"].into_iter().flat_map(|field| list(&pod["spec"][field]));
    containers.flat_map(|container| list(&container["ports"])).filter_map(|port| {
        let address = port["hostIP"].as_str().filter(|it| !it.is_empty()).unwrap_or("0.0.0.0");
        port["hostPort"].as_i64().filter(|number| *number > 0).map(|number| (address, port["protocol"].as_str().unwrap_or("TCP"), number))
    })
}

/// Whether another pod on the node has a port of the host that this pod wants.
pub fn ports_are_taken(world: &World, pod: &Value, node: &str) -> bool {
    if host_ports(pod).next().is_none() {
        return false;
    }
    let on_node = |other: &Value| counts(other) && text(other, &["spec", "nodeName"]) == node && other["metadata"]["uid"] != pod["metadata"]["uid"];
    let clash = |other: &Value| {
        host_ports(other).any(|(address, protocol, number)| {
            let same = |wanted: &str| wanted == address || wanted == "0.0.0.0" || address == "0.0.0.0";
            host_ports(pod).any(|(wanted, over, port)| port == number && over == protocol && same(wanted))
        })
    };
    world.list(Kind::PODS, None).any(|other| on_node(other) && clash(other))
}

fn counts(pod: &Value) -> bool {
    !text(pod, &["spec", "nodeName"]).is_empty() && !is_terminal(pod)
}

/// Lets all pods that found no node try again: a node or a pod changed.
pub fn retry(world: &mut World) {
    for key in std::mem::take(&mut world.controllers.scheduler.waiting) {
        queue::add(world, Controller::Scheduler, &key);
    }
}

/// Whether a pod is the scheduler's to place.
pub fn is_pending(pod: &Value) -> bool {
    text(pod, &["spec", "nodeName"]).is_empty()
        && !deleting(pod)
        && !is_terminal(pod)
        && matches!(text(pod, &["spec", "schedulerName"]), "" | "default-scheduler")
}

pub fn sync(world: &mut World, key: &Key) -> Result<()> {
    let Some(pod) = client::get(world, Kind::PODS, &key.namespace, &key.name) else { return Ok(()) };
    if !is_pending(&pod) {
        return Ok(());
    }
    if !list(&pod["spec"]["schedulingGates"]).is_empty() {
        return Ok(());
    }
    let verdict = match missing_claim(world, &pod) {
        Some(claim) => Err(format!("persistentvolumeclaim {claim:?} not found. not found")),
        None => choose(world, &pod),
    };
    match verdict {
        Ok(node) => {
            world.bind(&key.namespace, &key.name, &node, &Component::Scheduler.caller())?;
            let message = format!("Successfully assigned {}/{} to {node}", key.namespace, key.name);
            events::scheduler(world, &pod, "Normal", "Scheduled", "Binding", &message);
            Ok(())
        }
        Err(why) => {
            let count = world.list(Kind::NODES, None).count();
            let message = if count == 0 { "no nodes available to schedule pods".to_owned() } else { format!("0/{count} nodes are available: {why}") };
            world.controllers.scheduler.waiting.insert(key.clone());
            events::scheduler(world, &pod, "Warning", "FailedScheduling", "Scheduling", &message);
            unschedulable(world, &pod, &message)
        }
    }
}

fn missing_claim(world: &World, pod: &Value) -> Option<String> {
    let claims = list(&pod["spec"]["volumes"]).iter().filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str());
    claims.filter(|claim| world.find(Kind::PERSISTENTVOLUMECLAIMS, namespace(pod), claim).is_none()).map(str::to_owned).next()
}

/// The best node, or the reasons why there is none, as the real scheduler counts them.
fn choose(world: &mut World, pod: &Value) -> Result<Text, String> {
    let spec = &pod["spec"];
    let (cpu, memory) = (asked(spec, "cpu"), asked(spec, "memory"));
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let (mut hopeless, mut victims) = (0, 0);
    let mut fitting: Vec<(i64, i64, usize)> = Vec::new();
    // A pod that names its node by affinity is looked at on that node alone; the others did not pass the plugin.
    let named = named_node(spec);
    let cache = &mut world.controllers.scheduler;
    Offer::refresh(&mut cache.offers, world.store.list(Kind::NODES, None), &cache.nodes);
    let all = cache.offers.len();
    if let Some(named) = &named
        && Offer::position(&cache.offers, named).is_none()
    {
        return Err(format!("{all} node(s) didn't satisfy plugin(s) [NodeAffinity]. {}", preemption(all, all, 0)));
    }
    let mut siblings = vec![0; all];
    for (node, count) in owner(pod).and_then(|owner| cache.siblings.get(owner)).into_iter().flatten() {
        if let Some(at) = Offer::position(&cache.offers, node) {
            siblings[at] = *count;
        }
    }
    let tolerations = list(&spec["tolerations"]);
    let is_choosy = !spec["nodeSelector"].is_null() || !spec["affinity"].is_null();
    let taken: Vec<bool> = match host_ports(pod).next() {
        Some(_) => world.controllers.scheduler.offers.iter().map(|offer| ports_are_taken(world, pod, &offer.name)).collect(),
        None => Vec::new(),
    };
    let cache = &world.controllers.scheduler;
    for (at, (offer, siblings)) in cache.offers.iter().zip(siblings).enumerate() {
        let node = &offer.node;
        if named.as_deref().is_some_and(|named| named != offer.name) {
            *reasons.entry("node(s) didn't satisfy plugin(s) [NodeAffinity]".to_owned()).or_default() += 1;
            hopeless += 1;
            continue;
        }
        if offer.cordoned && !tolerates_cordon(tolerations) {
            *reasons.entry("node(s) were unschedulable".to_owned()).or_default() += 1;
            hopeless += 1;
        } else if offer.tainted && nodes::repels(node, tolerations, &["NoSchedule", "NoExecute"]) {
            *reasons.entry("node(s) had untolerated taint(s)".to_owned()).or_default() += 1;
            hopeless += 1;
        } else if is_choosy && !nodes::matches(spec, node) {
            *reasons.entry("node(s) didn't match Pod's node affinity/selector".to_owned()).or_default() += 1;
            hopeless += 1;
        } else if taken.get(at) == Some(&true) {
            *reasons.entry("node(s) didn't have free ports for the requested pod ports".to_owned()).or_default() += 1;
            victims += 1;
        } else {
            let load = offer.load;
            let mut short = Vec::new();
            let mut never = false;
            if i128::from(load.pods + 1) * 1_000_000_000 > offer.pods {
                short.push("Too many pods");
            }
            for (asked, load, room, reason) in [(cpu, load.cpu, offer.cpu, "Insufficient cpu"), (memory, load.memory, offer.memory, "Insufficient memory")] {
                if asked > 0 && load + asked > room {
                    short.push(reason);
                    never |= asked > room;
                }
            }
            if short.is_empty() {
                fitting.push((siblings, load.pods, at));
                continue;
            }
            for reason in short {
                *reasons.entry(reason.to_owned()).or_default() += 1;
            }
            if never { hopeless += 1 } else { victims += 1 }
        }
    }
    let Some(least) = fitting.iter().map(|(siblings, pods, _)| (*siblings, *pods)).min() else {
        let mut counted: Vec<String> = reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        counted.sort();
        return Err(format!("{}. {}", counted.join(", "), preemption(all, hopeless, victims)));
    };
    fitting.retain(|(siblings, pods, _)| (*siblings, *pods) == least);
    let chosen = usize::try_from(world.random(fitting.len() as u64)).unwrap_or(0);
    let (.., at) = fitting[chosen];
    Ok(world.controllers.scheduler.offers[at].name.clone())
}

fn preemption(all: usize, hopeless: usize, victims: usize) -> String {
    let mut parts = Vec::new();
    if victims > 0 {
        parts.push(format!("{victims} No preemption victims found for incoming pod"));
    }
    if hopeless > 0 {
        parts.push(format!("{hopeless} Preemption is not helpful for scheduling"));
    }
    parts.sort();
    format!("no new claims to deallocate, preemption: 0/{all} nodes are available: {}.", parts.join(", "))
}

fn tolerates_cordon(tolerations: &[Value]) -> bool {
    let cordoned = json!({"spec": {"taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]}});
    !nodes::repels(&cordoned, tolerations, &["NoSchedule"])
}

/// The node that the required affinity asks for by its name, as pods of DaemonSets do.
fn named_node(spec: &Value) -> Option<String> {
    let terms = list(&spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]);
    let [term] = terms else { return None };
    let field = list(&term["matchFields"]).first().filter(|field| field["key"] == "metadata.name" && field["operator"] == "In")?;
    field["values"][0].as_str().map(str::to_owned)
}

fn unschedulable(world: &mut World, pod: &Value, message: &str) -> Result<()> {
    let mut copy = Value::clone(pod);
    let now = stamp(world.now());
    let before = list(&copy["status"]["conditions"]).iter().find(|condition| condition["type"] == "PodScheduled").cloned();
    if before.as_ref().is_some_and(|before| before["reason"] == "Unschedulable" && before["message"] == message) {
        return Ok(());
    }
    let since = before.filter(|before| before["status"] == "False").map_or_else(|| Value::from(now), |before| before["lastTransitionTime"].clone());
    let condition = json!({
        "type": "PodScheduled", "observedGeneration": copy["metadata"]["generation"], "status": "False", "lastProbeTime": null, "lastTransitionTime": since,
        "reason": "Unschedulable", "message": message,
    });
    let mut conditions = list(&copy["status"]["conditions"]).to_vec();
    conditions.retain(|condition| condition["type"] != "PodScheduled");
    conditions.push(condition);
    copy["status"]["conditions"] = Value::from(conditions);
    client::update_status(world, Component::Scheduler, Kind::PODS, copy).map(|_| ())
}
