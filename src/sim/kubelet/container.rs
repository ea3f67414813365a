//! The life of one container: pulled, started, ready, ended, and started again after a back-off.

use std::sync::Arc;
use std::time::Duration;

use super::super::controllers::object::{name, namespace, uid};
use super::super::events;
use super::super::image::{Pull, Refusal, SLOW_PULL, full_name};
use super::super::world::World;
use super::{Exit, GOOD_RUN, INIT, JOB, PROBE_PERIOD, Policy, Role, State, What, address, back_off, change, go_duration, next, plan, start_next, status};
use crate::sim::json::Value;

fn pull_error(image: &str) -> String {
    let full = full_name(image);
    format!("rpc error: code = NotFound desc = failed to pull and unpack image \"{full}\": failed to resolve reference \"{full}\": {full}: not found")
}

pub fn start(world: &mut World, pod: &Arc<Value>, at: usize) {
    address(world, pod);
    let Some((container, image, behaviour, pulled)) = change(world, pod, at, |it| (it.name.clone(), it.image.clone(), it.behaviour.clone(), it.pulled)) else {
        return;
    };
    match behaviour.refusal {
        Some(Refusal::Name) => {
            let message = format!("Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": invalid reference format");
            events::kubelet(world, pod, Some(&container), "Warning", "InspectFailed", &message);
            change(world, pod, at, |it| it.wait("InvalidImageName", message));
            return status::push(world, pod);
        }
        Some(Refusal::Config) => {
            events::kubelet(world, pod, Some(&container), "Warning", "Failed", "Error: configmap \"app-config\" not found");
            change(world, pod, at, |it| it.wait("CreateContainerConfigError", "configmap \"app-config\" not found".to_owned()));
            return status::push(world, pod);
        }
        Some(Refusal::Mount) => return,
        None => {}
    }
    match behaviour.pull {
        Pull::Error => {
            let why = pull_error(&image);
            events::kubelet(world, pod, Some(&container), "Normal", "Pulling", &format!("Pulling image \"{image}\""));
            events::kubelet(world, pod, Some(&container), "Warning", "Failed", &format!("Failed to pull image \"{image}\": {why}"));
            events::kubelet(world, pod, Some(&container), "Warning", "Failed", "Error: ErrImagePull");
            change(world, pod, at, |it| it.wait("ErrImagePull", why));
            status::push(world, pod);
            next(world, pod, at, What::PullBackOff, Duration::from_secs(1));
        }
        Pull::Slow if !pulled => {
            events::kubelet(world, pod, Some(&container), "Normal", "Pulling", &format!("Pulling image \"{image}\""));
            status::push(world, pod);
            next(world, pod, at, What::Pulled, SLOW_PULL);
        }
        _ => {
            let first = change(world, pod, at, |it| it.restarts == 0 || it.behaviour.crash_after.is_some()).unwrap_or(true);
            if first {
                let seconds = SLOW_PULL.as_secs();
                let message = if behaviour.pull == Pull::Slow {
                    format!("Successfully pulled image \"{image}\" in {seconds}s ({seconds}s including waiting). Image size: 52428800 bytes.")
                } else {
                    format!("Container image \"{image}\" already present on machine and can be accessed by the pod")
                };
                events::kubelet(world, pod, Some(&container), "Normal", "Pulled", &message);
                events::kubelet(world, pod, Some(&container), "Normal", "Created", "Container created");
                events::kubelet(world, pod, Some(&container), "Normal", "Started", "Container started");
            }
            run(world, pod, at);
        }
    }
}

/// The container runs: from here its behaviour decides when it becomes ready and when it ends.
fn run(world: &mut World, pod: &Arc<Value>, at: usize) {
    let now = world.now();
    let Some(kubelet) = world.controllers.kubelets.pods.get_mut(uid(pod)) else { return };
    let ends_by_itself = kubelet.of_job && kubelet.policy != Policy::Always;
    let Some(container) = kubelet.containers.get_mut(at) else { return };
    container.turn += 1;
    let turn = container.turn;
    container.state = State::Running { since: now };
    let ready = container.ready_delay();
    let is_probed = !matches!(container.role, Role::Init | Role::Ephemeral);
    container.ready = ready == Some(Duration::ZERO) && is_probed;
    let (role, crash, never) = (container.role, container.behaviour.crash_after, container.behaviour.never_ready);
    let ends = match role {
        Role::Init => Some(crash.unwrap_or(INIT)),
        Role::Main if ends_by_itself => Some(crash.unwrap_or(JOB)),
        _ => crash,
    };
    let later = ready.filter(|after| !after.is_zero() && is_probed);
    status::push(world, pod);
    if let Some(after) = later {
        plan(world, uid(pod), at, turn, What::Ready, after);
    }
    if never && is_probed {
        plan(world, uid(pod), at, turn, What::Unhealthy, Duration::from_secs(1));
    }
    if let Some(after) = ends {
        plan(world, uid(pod), at, turn, What::Exit, after);
    }
    if role == Role::Sidecar {
        start_next(world, pod, Duration::from_millis(50));
    }
}

pub fn pulled(world: &mut World, pod: &Arc<Value>, at: usize) {
    change(world, pod, at, |container| container.pulled = true);
    start(world, pod, at);
}

pub fn pull_back_off(world: &mut World, pod: &Arc<Value>, at: usize) {
    let Some((container, image, failures)) = change(world, pod, at, |it| {
        it.pull_failures += 1;
        (it.name.clone(), it.image.clone(), it.pull_failures - 1)
    }) else {
        return;
    };
    events::kubelet(world, pod, Some(&container), "Normal", "BackOff", &format!("Back-off pulling image \"{image}\""));
    events::kubelet(world, pod, Some(&container), "Warning", "Failed", "Error: ImagePullBackOff");
    change(world, pod, at, |it| it.wait("ImagePullBackOff", format!("Back-off pulling image \"{image}\": ErrImagePull: {}", pull_error(&image))));
    status::push(world, pod);
    next(world, pod, at, What::Start, back_off(failures));
}

pub fn unhealthy(world: &mut World, pod: &Arc<Value>, at: usize) {
    let Some((container, turn)) = change(world, pod, at, |it| (it.name.clone(), it.turn)) else { return };
    events::kubelet(world, pod, Some(&container), "Warning", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503");
    plan(world, uid(pod), at, turn, What::Unhealthy, PROBE_PERIOD);
}

pub fn exit(world: &mut World, pod: &Arc<Value>, at: usize) {
    let now = world.now();
    let Some(kubelet) = world.controllers.kubelets.pods.get_mut(uid(pod)) else { return };
    let policy = kubelet.policy;
    let Some(container) = kubelet.containers.get_mut(at) else { return };
    let State::Running { since } = container.state else { return };
    let code = if container.behaviour.crash_after.is_some() { container.behaviour.exit_code } else { 0 };
    let reason = match code {
        0 => "Completed",
        137 => "OOMKilled",
        _ => "Error",
    };
    container.state = State::Exited(Exit { code, reason: reason.into(), started: since, finished: now, restarts: container.restarts });
    container.ready = false;
    container.turn += 1;
    if now.duration_since(since) >= GOOD_RUN {
        container.crashes = 0;
    }
    let again = match (container.role, policy) {
        (Role::Sidecar, _) => true,
        (Role::Init, Policy::Never) => false,
        (Role::Init, _) => code != 0,
        (Role::Main, Policy::Always) => true,
        (Role::Main, Policy::OnFailure) => code != 0,
        (Role::Main, Policy::Never) | (Role::Ephemeral, _) => false,
    };
    let (role, crashes) = (container.role, container.crashes);
    container.crashes += u32::from(again);
    status::push(world, pod);
    if again {
        // The first restart comes at once; from then on the kubelet backs off.
        if crashes == 0 {
            next(world, pod, at, What::Restart, Duration::from_millis(700))
        } else {
            next(world, pod, at, What::BackOff, Duration::from_millis(300))
        }
    } else if role == Role::Init && code == 0 {
        start_next(world, pod, Duration::from_millis(50));
    }
}

pub fn restart_back_off(world: &mut World, pod: &Arc<Value>, at: usize) {
    let Some((container, delay)) = change(world, pod, at, |it| {
        if let State::Exited(exit) = &it.state {
            it.last = Some(exit.clone());
        }
        (it.name.clone(), back_off(it.crashes.saturating_sub(2)))
    }) else {
        return;
    };
    let place = format!("{}_{}({})", name(pod), namespace(pod), uid(pod));
    events::kubelet(world, pod, Some(&container), "Warning", "BackOff", &format!("Back-off restarting failed container {container} in pod {place}"));
    let message = format!("back-off {} restarting failed container={container} pod={place}", go_duration(delay));
    change(world, pod, at, |it| it.wait("CrashLoopBackOff", message));
    status::push(world, pod);
    next(world, pod, at, What::Restart, delay);
}

pub fn restart(world: &mut World, pod: &Arc<Value>, at: usize) {
    let now = world.now();
    change(world, pod, at, |it| {
        match &it.state {
            State::Exited(exit) => it.last = Some(exit.clone()),
            State::Running { since } => it.last = Some(Exit { code: 0, reason: "Completed".into(), started: *since, finished: now, restarts: it.restarts }),
            State::Waiting { .. } => {}
        }
        it.restarts += 1;
    });
    start(world, pod, at);
}
