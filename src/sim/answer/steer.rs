//! `/sim/...`: how a client of a served cluster steers it, with `kubectl get|create|replace|delete --raw`. No fault strikes these requests, and none is listed.
//!
//! A real API server has no such paths; they need the permission for their path (`nonResourceURLs`), which the administrator has.

use http::{Method, StatusCode};
use jiff::SignedDuration;

use super::super::failure::{Failure, Result};
use super::super::fault;
use super::super::image::duration_of;
use super::super::negotiate::{self, Form};
use super::super::world::Sim;
use super::super::yaml;
use super::{Answer, Asked};
use crate::error::Error;
use crate::sim::json::{Value, json};

/// What there is, and what each is for.
const PATHS: [(&str, &str); 6] = [
    ("/sim/faults", "what goes wrong, as sim::fault takes it: GET lists, POST adds one or a list, PUT replaces, DELETE clears"),
    ("/sim/images", "what images do, as --behaviour takes it: GET lists, POST adds, PUT replaces, DELETE clears"),
    ("/sim/requests", "what clients asked for, oldest first: GET lists, DELETE forgets"),
    ("/sim/clock", "the cluster's time: GET shows it, POST {advance: 10m} lets it pass"),
    ("/sim/load", "what pods use, for autoscalers: POST {namespace, workload: Deployment/web, resource: cpu, used: 250m}"),
    ("/sim/state", "the whole cluster, as --save writes it, with its keys: GET"),
];

/// Answers a request for one of these paths.
pub fn answer(sim: &Sim, asked: &Asked, what: &str) -> Result<Answer> {
    let (get, post, put, delete) = (asked.is_read(), asked.method == Method::POST, asked.method == Method::PUT, asked.method == Method::DELETE);
    let given = || yaml::parse(&asked.body).map_err(Failure::bad_request);
    match what {
        "" if get => Ok(shown(&json!({ "paths": PATHS.map(|(path, about)| json!({ "path": path, "about": about })) }))),
        "faults" if get || post || put || delete => {
            if post || put {
                let given = given()?;
                let list = given.as_array().unwrap_or(std::slice::from_ref(&given));
                sim.look(|world| list.iter().try_for_each(|it| fault::check(world, it))).map_err(|error| refused(&error))?;
            }
            if put || delete {
                sim.with(|world| world.controllers.faults.clear());
            }
            if post || put {
                sim.faults(&serde_json::Value::from(&given()?)).map_err(|error| refused(&error))?;
            }
            Ok(shown(&json!({ "faults": sim.with(|world| world.controllers.faults.shown(world.now())) })))
        }
        "images" if get || post || put || delete => {
            let before = sim.look(|world| world.controllers.images.clone());
            if put || delete {
                sim.with(|world| world.controllers.images = Default::default());
            }
            if post || put {
                sim.behaviours(&serde_json::Value::from(&given()?)).map_err(|error| {
                    sim.with(|world| world.controllers.images = before.clone());
                    refused(&error)
                })?;
            }
            Ok(shown(&json!({ "images": sim.look(|world| world.controllers.images.shown()) })))
        }
        "requests" if get || delete => {
            if delete {
                sim.with(|world| world.requests = Default::default());
            }
            Ok(shown(&json!({ "requests": sim.look(|world| world.requests.list()) })))
        }
        "clock" if get || post => {
            if post {
                let given = given()?;
                let span = duration_of(&given["advance"]).and_then(|it| SignedDuration::try_from(it).ok());
                let span =
                    span.filter(|it| *it <= LONGEST).ok_or_else(|| Failure::bad_request("advance must be a duration such as \"10m\", at most a year"))?;
                sim.advance(span);
            }
            Ok(shown(&json!({ "now": sim.now().to_string() })))
        }
        "load" if post => {
            let given = given()?;
            let word = |key: &str| given[key].as_str().ok_or_else(|| Failure::bad_request(format!("{key} must be a text")));
            sim.load(given["namespace"].as_str().unwrap_or("default"), word("workload")?, word("resource")?, word("used")?).map_err(|error| refused(&error))?;
            Ok(shown(&json!({})))
        }
        "state" if get => Ok(Answer::Bytes { code: StatusCode::OK, content_type: "application/json", bytes: sim.saved().into() }),
        "" | "faults" | "images" | "requests" | "clock" | "load" | "state" => Err(Failure::not_allowed()),
        _ => Err(Failure::no_such_path()),
    }
}

/// The most time that passes at once.
const LONGEST: SignedDuration = SignedDuration::from_hours(366 * 24);

fn refused(error: &Error) -> Failure {
    let hints = error.hints().iter().map(|hint| format!("; {hint}"));
    Failure::bad_request(std::iter::once(error.message().to_owned()).chain(hints).collect::<String>())
}

fn shown(value: &Value) -> Answer {
    let (mut bytes, content_type) = negotiate::write(value, Form { pretty: true, ..Form::default() });
    if !bytes.ends_with(b"\n") {
        bytes = [bytes.as_ref(), b"\n"].concat().into();
    }
    Answer::Bytes { code: StatusCode::OK, content_type, bytes }
}
