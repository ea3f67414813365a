//! The kubelets: they play the pods of their nodes, container by container, as the images' behaviours say.
//!
//! What one container does is in `container`, what a pod's status then says in `status`, what its containers wrote in `log`. Volumes, real probes and real processes are not here.

mod admit;
mod command;
mod container;
pub mod log;
pub mod node;
mod status;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use self::log::logs;
use super::controllers::Work;
use super::controllers::client::{self, Component, Deletion};
use super::controllers::object::{annotation, deleting, list, name, namespace, text, uid};
use super::controllers::pods::is_terminal;
use super::events;
use super::image::{Behaviour, Refusal, START, full_name, tag};
use super::kinds::Kind;
use super::store::{Change, LogEntry};
use super::world::World;
use crate::sim::json::Value;

/// All pods that some kubelet plays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Kubelets {
    pods: BTreeMap<String, Run>,
    /// The last address given out on each node.
    addresses: BTreeMap<String, u32>,
    /// When the pods that have no node yet were made, to the nanosecond.
    born: BTreeMap<String, Timestamp>,
    /// For each node, when the pods that it starts last were made, and when it starts them.
    starting: BTreeMap<String, (Timestamp, Timestamp)>,
    /// The nodes whose kubelet is down, since when, and what it would have done meanwhile.
    down: BTreeMap<String, Outage>,
    /// Whether a heartbeat of watched nodes is planned.
    beats: bool,
}

/// A kubelet that does nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Outage {
    since: Timestamp,
    missed: Vec<Step>,
}

/// A pod that is being played.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Run {
    namespace: String,
    name: String,
    node: String,
    ip: String,
    since: Timestamp,
    /// When its containers start, unless something holds them up: counted from the pod's creation, so that pods made together start together.
    starts: Timestamp,
    /// Init containers first, in order.
    containers: Vec<Container>,
    policy: Policy,
    /// Its containers were told to stop.
    killed: bool,
    /// A Job's pod, which ends by itself.
    of_job: bool,
    begun: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Policy {
    Always,
    OnFailure,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Role {
    Init,
    Sidecar,
    Main,
    /// Put into a pod that runs, to look at it.
    Ephemeral,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Container {
    name: String,
    image: String,
    role: Role,
    behaviour: Behaviour,
    probe: Option<Duration>,
    restarts: i64,
    /// Crashes since the last good run, which decide about the back-off.
    crashes: u32,
    pull_failures: u32,
    pulled: bool,
    state: State,
    last: Option<Exit>,
    ready: bool,
    /// Counts the steps that change what is planned for the container; a step from before is void.
    turn: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum State {
    Waiting { reason: Cow<'static, str>, message: String },
    Running { since: Timestamp },
    Exited(Exit),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Exit {
    code: i64,
    reason: Cow<'static, str>,
    started: Timestamp,
    finished: Timestamp,
    restarts: i64,
}

/// Something a kubelet does with a pod at a time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Step {
    uid: String,
    container: usize,
    turn: u32,
    what: What,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum What {
    Admit,
    /// Says that a change of the spec was seen.
    Look,
    Start,
    Pulled,
    PullBackOff,
    Ready,
    Unhealthy,
    Exit,
    BackOff,
    Restart,
    Kill,
}

const FIRST_BACK_OFF: Duration = Duration::from_secs(10);
const LAST_BACK_OFF: Duration = Duration::from_secs(300);
/// After such a long good run, the back-off begins anew.
const GOOD_RUN: SignedDuration = SignedDuration::from_mins(10);
/// How long a Job's container works.
const JOB: Duration = Duration::from_millis(1500);
/// How long an init container works.
const INIT: Duration = Duration::from_millis(300);
/// From the moment at which an ephemeral container is wanted until it starts.
const EPHEMERAL: Duration = Duration::from_millis(500);
/// From a change of a pod's spec until its status says which one was seen.
const LOOK: Duration = Duration::from_millis(50);
/// How long the shortest command runs.
const SHORTEST: Duration = Duration::from_millis(200);
const PROBE_PERIOD: Duration = Duration::from_secs(10);
/// The time between the starts of two pods on one node that were not made together.
const ONE_AFTER_THE_OTHER: SignedDuration = SignedDuration::from_millis(100);

fn back_off(failures: u32) -> Duration {
    FIRST_BACK_OFF.saturating_mul(1 << failures.min(6)).min(LAST_BACK_OFF)
}

/// A back-off as Go prints a duration: `10s`, `1m20s`, `5m0s`.
fn go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) }
}

fn plan(world: &mut World, uid: &str, container: usize, turn: u32, what: What, after: Duration) {
    let after = SignedDuration::try_from(after).unwrap_or(SignedDuration::MAX);
    world.schedule_after(after, Work::Kubelet(Step { uid: uid.to_owned(), container, turn, what }));
}

/// Follows a stored change of a pod.
pub fn observe(world: &mut World, entry: &LogEntry) {
    let pod = &entry.object;
    if entry.change == Change::Deleted {
        world.controllers.kubelets.pods.remove(uid(pod));
        world.controllers.kubelets.born.remove(uid(pod));
        return;
    }
    if text(pod, &["spec", "nodeName"]).is_empty() {
        let now = world.now();
        world.controllers.kubelets.born.entry(uid(pod).to_owned()).or_insert(now);
        return;
    }
    if !world.controllers.kubelets.pods.contains_key(uid(pod)) {
        if is_terminal(pod) && !deleting(pod) {
            return;
        }
        take_over(world, pod);
    }
    // A kubelet that is down learns nothing of this; when it comes back, it looks at all its pods.
    if world.controllers.kubelets.down.contains_key(text(pod, &["spec", "nodeName"])) {
        return;
    }
    if deleting(pod) {
        stop(world, pod);
    } else if entry.previous.as_deref().is_some_and(|before| before["spec"] != pod["spec"]) {
        follow_spec(world, pod);
    }
}

/// Begins to play a pod that was put on a node.
fn take_over(world: &mut World, pod: &Arc<Value>) {
    let node = text(pod, &["spec", "nodeName"]).to_owned();
    // Where there is no node, there is no kubelet.
    if world.find(Kind::NODES, "", &node).is_none() {
        return;
    }
    let mut containers: Vec<Container> = specs(pod).map(|(spec, role)| Container::new(world, spec, role)).collect();
    steer(world, pod, &mut containers);
    let now = world.now();
    let born = world.controllers.kubelets.born.remove(uid(pod)).unwrap_or(now);
    // A pod that waited long for a node still needs its time.
    let start = SignedDuration::try_from(START).unwrap_or_default();
    let starts = if now.duration_since(born) < start / 2 { born } else { now }.saturating_add(start).unwrap_or(now);
    // Pods that were made together start together; those that came after them, a moment later.
    let starts = match world.controllers.kubelets.starting.get(&node) {
        Some((last_born, last)) if *last_born != born => starts.max(last.saturating_add(ONE_AFTER_THE_OTHER).unwrap_or(starts)),
        Some((_, last)) => starts.max(*last),
        None => starts,
    };
    world.controllers.kubelets.starting.insert(node.clone(), (born, starts));
    let run = Run {
        starts,
        namespace: namespace(pod).to_owned(),
        name: name(pod).to_owned(),
        ip: String::new(),
        node,
        since: now,
        containers,
        policy: match text(pod, &["spec", "restartPolicy"]) {
            "Never" => Policy::Never,
            "OnFailure" => Policy::OnFailure,
            _ => Policy::Always,
        },
        killed: false,
        of_job: list(&pod["metadata"]["ownerReferences"]).iter().any(|owner| owner["kind"] == "Job"),
        begun: false,
    };
    world.controllers.kubelets.pods.insert(uid(pod).to_owned(), run);
    let delay = Duration::from_millis(20 + world.random(30));
    plan(world, uid(pod), 0, 0, What::Admit, delay);
}

/// The annotation by which a pod, or whoever makes it, says what its containers do: a map as `sim::image` takes it.
const BEHAVIOUR: &str = "sim.rollsh/behaviour";

fn steer(world: &mut World, pod: &Value, containers: &mut [Container]) {
    let Some(text) = annotation(pod, BEHAVIOUR) else { return };
    let wanted = serde_json::from_str::<Value>(text).map_err(|why| format!("not JSON: {why}"));
    match wanted.and_then(|wanted| Behaviour::from_value(&wanted).map_err(|why| why.message().to_owned())) {
        Ok(behaviour) => containers.iter_mut().for_each(|container| container.behaviour = behaviour.clone()),
        Err(why) => events::kubelet(world, pod, None, "Warning", "InvalidBehaviour", &format!("annotation {BEHAVIOUR}: {why}")),
    }
}

/// What a pod wants to run, in the order in which a run keeps it.
fn specs(pod: &Value) -> impl Iterator<Item = (&Value, Role)> {
    let init = |spec: &Value| if spec["restartPolicy"] == "Always" { Role::Sidecar } else { Role::Init };
    let of = |field: &str| list(&pod["spec"][field]).iter();
    let first = of("initContainers").map(move |spec| (spec, init(spec)));
    first.chain(of("containers").map(|spec| (spec, Role::Main))).chain(of("ephemeralContainers").map(|spec| (spec, Role::Ephemeral)))
}

/// What is said of an image counts; where nothing is, how the command ends.
fn behaviour(world: &World, spec: &Value, image: &str) -> Behaviour {
    let said = world.controllers.images.behaviour(image);
    if said != Behaviour::default() {
        return said;
    }
    match command::ending(spec) {
        // Nothing ends in no time.
        Some(command::Ending { after, code, log }) => Behaviour { crash_after: Some(after.max(SHORTEST)), exit_code: code, log: Some(log), ..said },
        None => said,
    }
}

impl Container {
    fn new(world: &World, spec: &Value, role: Role) -> Self {
        let image = text(spec, &["image"]).to_owned();
        Self {
            name: text(spec, &["name"]).to_owned(),
            behaviour: behaviour(world, spec, &image),
            image,
            role,
            probe: probe_delay(spec),
            restarts: 0,
            crashes: 0,
            pull_failures: 0,
            pulled: false,
            state: State::Waiting { reason: "ContainerCreating".into(), message: String::new() },
            last: None,
            ready: false,
            turn: 0,
        }
    }

    fn wait(&mut self, reason: &'static str, message: String) {
        self.state = State::Waiting { reason: reason.into(), message };
        self.ready = false;
    }

    fn runs(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// Whether the next container of the initialisation may start.
    fn has_initialised(&self) -> bool {
        match (&self.role, &self.state) {
            (Role::Sidecar, State::Running { .. }) => true,
            (Role::Init, State::Exited(exit)) => exit.code == 0,
            (Role::Main | Role::Ephemeral, _) => true,
            _ => false,
        }
    }

    /// When it passes its readiness check, counted from its start; `None`: never.
    fn ready_delay(&self) -> Option<Duration> {
        // What crashes within a second never passes a probe, whenever that is first asked.
        let crashes_first = self.probe.is_some() && self.behaviour.crash_after.is_some_and(|after| after <= Duration::from_secs(1));
        (!self.behaviour.never_ready && !crashes_first).then(|| self.behaviour.ready_after.max(self.probe.unwrap_or(Duration::ZERO)))
    }
}

/// The first moment at which a readiness probe can succeed.
fn probe_delay(spec: &Value) -> Option<Duration> {
    let probe = spec["readinessProbe"].as_object()?;
    let delay = probe.get("initialDelaySeconds").and_then(Value::as_u64).unwrap_or(0);
    Some(Duration::from_secs(delay).max(Duration::from_millis(500)))
}

/// Follows a change of a running pod's spec: images change, whose containers start again, and ephemeral containers come.
fn follow_spec(world: &mut World, pod: &Arc<Value>) {
    plan(world, uid(pod), 0, 0, What::Look, LOOK);
    for (at, (spec, role)) in specs(pod).enumerate() {
        let fresh = Container::new(world, spec, role);
        let Some(run) = world.controllers.kubelets.pods.get_mut(uid(pod)).filter(|run| !run.killed) else { return };
        let Some(container) = run.containers.get_mut(at) else {
            run.containers.push(fresh);
            next(world, pod, at, What::Start, EPHEMERAL);
            continue;
        };
        if container.image == fresh.image {
            continue;
        }
        let ran = container.runs();
        (container.image, container.behaviour, container.pull_failures, container.pulled) = (fresh.image, fresh.behaviour, 0, false);
        container.turn += 1;
        let (turn, container_name) = (container.turn, container.name.clone());
        if ran {
            let message = format!("Container {container_name} definition changed, will be restarted");
            events::kubelet(world, pod, Some(&container_name), "Normal", "Killing", &message);
        }
        plan(world, uid(pod), at, turn, if ran { What::Restart } else { What::Start }, Duration::from_millis(500));
    }
}

/// Tells the containers of a deleted pod to stop; after a while the pod goes.
fn stop(world: &mut World, pod: &Arc<Value>) {
    let Some(run) = world.controllers.kubelets.pods.get_mut(uid(pod)) else { return };
    if run.killed {
        return;
    }
    run.killed = true;
    let running: Vec<String> = run.containers.iter().filter(|container| container.runs()).map(|container| container.name.clone()).collect();
    for container in running {
        events::kubelet(world, pod, Some(&container), "Normal", "Killing", &format!("Stopping container {container}"));
    }
    let grace = pod["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(30);
    let delay = if grace == 0 { Duration::ZERO } else { Duration::from_millis(700 + world.random(300)) };
    plan(world, uid(pod), 0, 0, What::Kill, delay);
}

/// Does a step, if it still stands.
pub fn step(world: &mut World, step: Step) {
    let kubelets = &mut world.controllers.kubelets;
    let Some(run) = kubelets.pods.get(&step.uid) else { return };
    if let Some(outage) = kubelets.down.get_mut(&run.node) {
        return outage.missed.push(step);
    }
    let Some(run) = world.controllers.kubelets.pods.get(&step.uid) else { return };
    let Some(pod) = client::get(world, Kind::PODS, &run.namespace, &run.name).filter(|pod| uid(pod) == step.uid) else { return };
    match step.what {
        What::Kill => return kill(world, &pod),
        _ if run.killed => return,
        What::Admit => return admit(world, &pod),
        What::Look => return status::push(world, &pod),
        _ => {}
    }
    if run.containers.get(step.container).is_none_or(|container| container.turn != step.turn) {
        return;
    }
    let at = step.container;
    match step.what {
        What::Start => container::start(world, &pod, at),
        What::Pulled => container::pulled(world, &pod, at),
        What::PullBackOff => container::pull_back_off(world, &pod, at),
        What::Ready => {
            change(world, &pod, at, |container| container.ready = true);
            status::push(world, &pod);
        }
        What::Unhealthy => container::unhealthy(world, &pod, at),
        What::Exit => container::exit(world, &pod, at),
        What::BackOff => container::restart_back_off(world, &pod, at),
        What::Restart => container::restart(world, &pod, at),
        What::Admit | What::Kill | What::Look => {}
    }
}

/// Changes a container and returns its turn.
fn change<T>(world: &mut World, pod: &Value, at: usize, change: impl FnOnce(&mut Container) -> T) -> Option<T> {
    world.controllers.kubelets.pods.get_mut(uid(pod)).and_then(|run| run.containers.get_mut(at)).map(change)
}

/// Plans the container's next step, which makes earlier plans void.
fn next(world: &mut World, pod: &Value, at: usize, what: What, after: Duration) {
    let turn = change(world, pod, at, |container| {
        container.turn += 1;
        container.turn
    });
    if let Some(turn) = turn {
        plan(world, uid(pod), at, turn, what, after);
    }
}

fn admit(world: &mut World, pod: &Arc<Value>) {
    let now = world.now();
    if let Some((reason, message)) = admit::refusal(world, pod) {
        return admit::reject(world, pod, &reason, &message);
    }
    let Some(run) = world.controllers.kubelets.pods.get_mut(uid(pod)) else { return };
    run.since = now;
    let has_init = run.containers.iter().any(|container| matches!(container.role, Role::Init | Role::Sidecar));
    for container in &mut run.containers {
        let reason = if has_init { "PodInitializing" } else { "ContainerCreating" };
        container.wait(reason, String::new());
    }
    let stuck = run.containers.iter().any(|container| container.behaviour.refusal == Some(Refusal::Mount));
    let policy_done = is_terminal(pod);
    let delay = Duration::try_from(run.starts.duration_since(now)).unwrap_or_default();
    status::push(world, pod);
    if stuck {
        let message = "MountVolume.SetUp failed for volume \"config\" : configmap \"config\" not found";
        events::kubelet(world, pod, None, "Warning", "FailedMount", message);
        return;
    }
    if policy_done {
        return;
    }
    start_next(world, pod, delay);
}

/// Starts what may start now: the next init container, or all main containers.
fn start_next(world: &mut World, pod: &Arc<Value>, delay: Duration) {
    let Some(run) = world.controllers.kubelets.pods.get(uid(pod)) else { return };
    let untouched = |container: &Container| container.restarts == 0 && container.turn == 0 && matches!(container.state, State::Waiting { .. });
    let pending = run.containers.iter().position(|container| !container.has_initialised());
    let due: Vec<usize> = match pending {
        Some(at) => vec![at],
        None => (0..run.containers.len()).filter(|at| run.containers[*at].role == Role::Main).collect(),
    };
    let due: Vec<usize> = due.into_iter().filter(|at| untouched(&run.containers[*at])).collect();
    for at in due {
        next(world, pod, at, What::Start, delay);
    }
}

fn address(world: &mut World, pod: &Value) {
    let node = text(pod, &["spec", "nodeName"]).to_owned();
    let place = world.list(Kind::NODES, None).position(|it| name(it) == node).unwrap_or(0);
    let kubelets = &mut world.controllers.kubelets;
    let Some(run) = kubelets.pods.get_mut(uid(pod)) else { return };
    run.begun = true;
    if run.ip.is_empty() {
        let last = kubelets.addresses.entry(node).or_insert(1);
        *last = *last % 65_000 + 1;
        let (high, low) = (*last / 250, *last % 250 + 1);
        run.ip =
            format!("10.{}.{}.{}", 244 + (place + usize::try_from(high / 250).unwrap_or(0)) / 256, (place + usize::try_from(high).unwrap_or(0) * 7) % 256, low);
    }
}

fn kill(world: &mut World, pod: &Arc<Value>) {
    let now = world.now();
    let Some(run) = world.controllers.kubelets.pods.get_mut(uid(pod)) else { return };
    let mut ran = false;
    for container in &mut run.containers {
        if let State::Running { since } = container.state {
            container.state = State::Exited(Exit { code: 0, reason: "Completed".into(), started: since, finished: now, restarts: container.restarts });
            container.ready = false;
            ran = true;
        }
    }
    if ran {
        status::push(world, pod);
    }
    let deletion = Deletion { uid: Some(uid(pod).to_owned()), grace_s: Some(0), ..Deletion::default() };
    // Gone already, or back under another uid: then there is nothing left to do.
    let _ = client::delete(world, Component::Kubelet, Kind::PODS, namespace(pod), name(pod), deletion);
}

/// 64 hexadecimal digits that belong to some words: ids of containers and digests of images.
fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
