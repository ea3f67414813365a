//! Requests for a part of an object: its status, its scale, a pod's binding, eviction and log.

use http::Method;
use serde_json::{Value, json};

use super::super::api::{DeleteOptions, Patch, Subresource, patch_failure};
use super::super::failure::{Failure, FieldError, Result};
use super::super::follow::{Follow, LogOptions};
use super::super::patch::request::{self, PatchKind};
use super::super::route::Place;
use super::super::schema::{self, decode};
use super::super::shape::Shaper;
use super::super::world::{Sim, World};
use super::{Answer, Asked, plain, write};

pub fn answer(sim: &Sim, world: &mut World, asked: &Asked, place: &Place, shaper: Shaper) -> Result<Answer> {
    let Some(part) = place.subresource else { return Err(Failure::no_such_path()) };
    let verb = match asked.method {
        Method::GET | Method::HEAD => "get",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::POST => "create",
        Method::DELETE => "delete",
        _ => "",
    };
    if !part.verbs.iter().any(|it| it == verb) {
        return Err(Failure::not_allowed());
    }
    match (part.name.as_str(), verb) {
        ("status", _) => face(world, asked, place, Subresource::Status, shaper),
        ("resize", _) => face(world, asked, place, Subresource::Resize, shaper),
        ("ephemeralcontainers", _) => face(world, asked, place, Subresource::EphemeralContainers, shaper),
        ("finalize", _) => face(world, asked, place, Subresource::Finalize, shaper),
        ("scale", _) => scale(world, asked, place, shaper),
        ("log", _) => log(sim, world, asked, place),
        ("binding", _) => bind(world, asked, place, shaper),
        ("eviction", _) => evict(world, asked, place, shaper),
        (name, _) => Err(Failure::not_implemented(&format!("{}/{name}", place.kind.qualified()))),
    }
}

fn face(world: &mut World, asked: &Asked, place: &Place, part: Subresource, shaper: Shaper) -> Result<Answer> {
    match asked.method {
        Method::PUT => write::update_part(world, asked, place, part, shaper),
        Method::PATCH => write::patch_part(world, asked, place, part, shaper),
        _ => {
            let object = world.get(place.kind, &place.namespace, place.name.as_deref().unwrap_or_default())?;
            Ok(Answer::ok(shaper.one(&object, world.now())?))
        }
    }
}

fn done() -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 })
}

fn bind(world: &mut World, asked: &Asked, place: &Place, shaper: Shaper) -> Result<Answer> {
    let caller = write::caller(asked, "CreateOptions")?;
    let body = write::body(asked, "Binding")?;
    let pod = place.name.as_deref().unwrap_or_default();
    let node = body["target"]["name"].as_str().unwrap_or_default();
    let kind = body["target"]["kind"].as_str().unwrap_or_default();
    let mut errors = Vec::new();
    if !matches!(kind, "" | "Node") {
        errors.push(FieldError::not_supported("target.kind", kind, &["Node", "<empty>"]));
    }
    if node.is_empty() {
        errors.push(FieldError::required("target.name", ""));
    }
    if !errors.is_empty() {
        return Err(Failure::invalid_kind("", "Binding", pod, errors));
    }
    world.bind(&place.namespace, pod, node, &caller)?;
    Ok(Answer::created(plain(&done(), shaper)))
}

fn evict(world: &mut World, asked: &Asked, place: &Place, shaper: Shaper) -> Result<Answer> {
    let mut caller = write::caller(asked, "CreateOptions")?;
    let body = write::body(asked, "Eviction")?;
    let pod = place.name.as_deref().unwrap_or_default();
    if body["metadata"]["name"].as_str().is_some_and(|it| it != pod) {
        return Err(Failure::bad_request("name in URL does not match name in Eviction object"));
    }
    let wanted = &body["deleteOptions"];
    caller.dry_run |= wanted["dryRun"].as_array().is_some_and(|it| !it.is_empty());
    let options = DeleteOptions {
        grace_s: wanted["gracePeriodSeconds"].as_i64(),
        uid: wanted["preconditions"]["uid"].as_str().map(str::to_owned),
        resource_version: wanted["preconditions"]["resourceVersion"].as_str().map(str::to_owned),
        ..DeleteOptions::default()
    };
    world.evict(&place.namespace, pod, &options, &caller)?;
    Ok(Answer::created(plain(&done(), shaper)))
}

fn scale(world: &mut World, asked: &Asked, place: &Place, shaper: Shaper) -> Result<Answer> {
    let name = place.name.as_deref().unwrap_or_default();
    let ty = schema::named("io.k8s.api.autoscaling.v1.Scale").ok_or_else(|| Failure::not_implemented("scales"))?;
    let before = world.scale(place.kind, &place.namespace, name)?;
    let (scale, caller) = match asked.method {
        Method::PUT => {
            let caller = write::caller(asked, "UpdateOptions")?;
            let decoded = decode::body("autoscaling", "v1", "Scale", &asked.body, caller.strictness).map_err(Failure::bad_request)?;
            world.warnings.extend(decoded.strict);
            (decoded.object, caller)
        }
        Method::PATCH => {
            let patch = write::read_patch(asked)?;
            let caller = write::caller(asked, "PatchOptions")?;
            let (how, body) = match &patch {
                Patch::Json(body) => (PatchKind::Json, body),
                Patch::Merge(body) => (PatchKind::Merge, body),
                Patch::Strategic(body) => (PatchKind::Strategic, body),
                Patch::Apply { .. } => return Err(Failure::not_implemented("server-side apply of scales")),
            };
            let patched = request::request(ty, how, &before, body, caller.strictness).map_err(patch_failure)?;
            world.warnings.extend(patched.warnings);
            (patched.object, caller)
        }
        _ => return Ok(Answer::ok(plain(&before, shaper))),
    };
    let given = scale["metadata"]["name"].as_str().unwrap_or_default();
    if given != name {
        let why = if given.is_empty() {
            format!("the name of the object ({name} based on URL) was undeterminable: name must be provided")
        } else {
            format!("the name of the object ({given}) does not match the name on the URL ({name})")
        };
        return Err(Failure::bad_request(why));
    }
    let written = world.write_scale(place.kind, &place.namespace, name, &scale, &caller)?;
    Ok(Answer::ok(plain(&written, shaper)))
}

fn log(sim: &Sim, world: &World, asked: &Asked, place: &Place) -> Result<Answer> {
    let options = LogOptions::parse(&place.namespace, place.name.as_deref().unwrap_or_default(), &asked.query)?;
    let (text, seen) = options.text(world)?;
    if options.follow {
        return Ok(Answer::Log(Box::new(Follow::new(sim, options, text, seen))));
    }
    Ok(Answer::Bytes { code: http::StatusCode::OK, content_type: "text/plain", bytes: text.into() })
}
