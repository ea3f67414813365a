//! What containers wrote: believable lines that follow from a container's image and times, and the words for when there are none.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::super::controllers::object::{list, name, text, uid};
use super::super::failure::{Failure, Result};
use super::super::kinds::Kind;
use super::super::world::World;
use super::{Container, State, tag};
use crate::sim::json::Value;

/// One line and the moment at which it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub at: Timestamp,
    pub text: String,
}

/// How many requests a running container has logged at most.
const REQUESTS: i64 = 20;

/// The lines of one container of a pod so far, oldest first; of its previous run where `previous` is set.
///
/// # Errors
/// `NotFound` for the pod; `BadRequest` with the kubelet's words when the container is not named, unknown or has not started.
pub fn logs(world: &World, namespace: &str, pod: &str, container: Option<&str>, previous: bool) -> Result<Vec<LogLine>> {
    let object = world.get(Kind::PODS, namespace, pod)?;
    let container = chosen(&object, container)?;
    if text(&object, &["spec", "nodeName"]).is_empty() {
        return Err(Failure::bad_request(format!("pod {pod} does not have a host assigned")));
    }
    let run = world.controllers.kubelets.pods.get(uid(&object));
    let Some(played) = run.and_then(|run| run.containers.iter().find(|it| it.name == container)) else {
        return Err(Failure::bad_request(format!("container {container:?} in pod {pod:?} is waiting to start: ContainerCreating")));
    };
    let now = world.now();
    let restarted = || Failure::bad_request(format!("previous terminated container {container:?} in pod {pod:?} not found"));
    if previous {
        let last = played.last.as_ref().ok_or_else(restarted)?;
        return Ok(lines(played, last.started, last.finished, Some(last.code)));
    }
    match (&played.state, &played.last) {
        (State::Running { since }, _) => Ok(lines(played, *since, now, None)),
        (State::Exited(exit), _) | (State::Waiting { .. }, Some(exit)) => Ok(lines(played, exit.started, exit.finished, Some(exit.code))),
        (State::Waiting { reason, .. }, None) => {
            let why = match reason.as_ref() {
                "ErrImagePull" => "image can't be pulled",
                "ImagePullBackOff" => "trying and failing to pull image",
                reason => reason,
            };
            Err(Failure::bad_request(format!("container {container:?} in pod {pod:?} is waiting to start: {why}")))
        }
    }
}

/// The container that a log request means: the one that it names, or the only one.
fn chosen(pod: &Value, container: Option<&str>) -> Result<String> {
    let names = |field: &str| list(&pod["spec"][field]).iter().filter_map(|it| it["name"].as_str()).collect::<Vec<_>>();
    let (main, init, ephemeral) = (names("containers"), names("initContainers"), names("ephemeralContainers"));
    match container.filter(|container| !container.is_empty()) {
        Some(container) if main.iter().chain(&init).chain(&ephemeral).any(|it| *it == container) => Ok(container.to_owned()),
        Some(container) => Err(Failure::bad_request(format!("container {container} is not valid for pod {}", name(pod)))),
        None => match main.as_slice() {
            [only] => Ok((*only).to_owned()),
            several => {
                let mut message = format!("a container name must be specified for pod {}, choose one of: [{}]", name(pod), several.join(" "));
                if !init.is_empty() {
                    message.push_str(&format!(" or one of the init containers: [{}]", init.join(" ")));
                }
                Err(Failure::bad_request(message))
            }
        },
    }
}

fn lines(container: &Container, started: Timestamp, until: Timestamp, exit: Option<i64>) -> Vec<LogLine> {
    let at = |after: Duration| started.saturating_add(SignedDuration::try_from(after).unwrap_or_default()).unwrap_or(started);
    let mut lines: Vec<LogLine> = Vec::new();
    let mut say = |at: Timestamp, text: &str| lines.push(LogLine { at, text: text.to_owned() });
    if let Some(log) = &container.behaviour.log {
        log.lines().for_each(|line| say(started, line));
        return lines;
    }
    say(started, &format!("starting {}", tag(&container.image)));
    say(started, "listening on :8080");
    let request = if container.behaviour.never_ready { "GET /healthz 503 warming up" } else { "GET / 200" };
    // One line a second; a container that crashes at once has no time for one.
    for second in 1..=REQUESTS {
        let moment = at(Duration::from_secs(second.unsigned_abs()));
        if moment > until {
            break;
        }
        say(moment, request);
    }
    match exit {
        Some(137) => {
            say(until, "fatal: out of memory");
            say(until, "exit status 137");
        }
        Some(code) if code != 0 => {
            say(until, "fatal: cannot open the database: connection refused");
            say(until, &format!("exit status {code}"));
        }
        _ => {}
    }
    lines
}
