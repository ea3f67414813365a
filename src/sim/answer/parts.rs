//! Requests for a part of an object: its status, its scale, a pod's binding, eviction and log.

use http::Method;

use super::super::api::{DeleteOptions, Patch, Subresource, patch_failure};
use super::super::base64;
use super::super::failure::{Failure, FieldError, Result};
use super::super::follow::{Follow, LogOptions};
use super::super::identity::Identity;
use super::super::patch::request::{self, PatchKind};
use super::super::route::Place;
use super::super::schema::{self, decode};
use super::super::shape::Shaper;
use super::super::world::{Sim, World};
use super::{Answer, Asked, plain, write};
use crate::sim::json::{Value, json};

pub fn answer(sim: &Sim, world: &mut World, asked: &Asked, place: &Place, shaper: Shaper) -> Result<Answer> {
    let Some(part) = place.subresource else { return Err(Failure::no_such_path()) };
    let verb = match asked.method {
        Method::GET => "get",
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
        ("approval", _) => face(world, asked, place, Subresource::Approval, shaper),
        ("finalize", _) => face(world, asked, place, Subresource::Finalize, shaper),
        ("scale", _) => scale(world, asked, place, shaper),
        ("log", _) => log(sim, world, asked, place),
        ("token", _) => token(world, asked, place, shaper),
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
    let before = |world: &World| world.scale(place.kind, &place.namespace, name);
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
                Patch::Apply { body, force } => {
                    let written = world.apply_scale(place.kind, &place.namespace, name, body, *force, &caller)?;
                    return Ok(Answer::ok(plain(&written, shaper)));
                }
            };
            let patched = request::request(ty, how, &before(world)?, body, caller.strictness).map_err(patch_failure)?;
            world.warnings.extend(patched.warnings);
            (patched.object, caller)
        }
        _ => return Ok(Answer::ok(plain(&before(world)?, shaper))),
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

/// Gives out a token of a service account, which this server then knows.
fn token(world: &mut World, asked: &Asked, place: &Place, shaper: Shaper) -> Result<Answer> {
    let caller = write::caller(asked, "CreateOptions")?;
    let name = place.name.as_deref().unwrap_or_default();
    let account = world.get(place.kind, &place.namespace, name)?;
    let mut request = write::body(asked, "TokenRequest")?;
    let seconds = request["spec"]["expirationSeconds"].as_i64().unwrap_or(3600);
    if seconds < 600 {
        let error = FieldError::invalid("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes");
        return Err(Failure::invalid_kind("authentication.k8s.io", "TokenRequest", "", vec![error]));
    }
    let issuer = super::documents::ISSUER;
    let audiences = match request["spec"]["audiences"].as_array().filter(|it| !it.is_empty()) {
        Some(audiences) => json!(audiences),
        None => json!([issuer]),
    };
    let now = world.now();
    let expires = now.saturating_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(now);
    let user = format!("system:serviceaccount:{}:{name}", place.namespace);
    let header = json!({ "alg": "RS256", "kid": "simulated" });
    let claims = json!({
        "aud": audiences, "exp": expires.as_second(), "iat": now.as_second(), "nbf": now.as_second(), "iss": issuer, "sub": user, "jti": world.uid(),
        "kubernetes.io": { "namespace": place.namespace, "serviceaccount": { "name": name, "uid": account["metadata"]["uid"] } },
    });
    let part = |value: &Value| base64::encode_url(value.to_string().as_bytes());
    // Nobody else checks it, so the signature is but a random text.
    let token = format!("{}.{}.{}", part(&header), part(&claims), world.random_letters(43));
    if !caller.dry_run {
        let groups = ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{}", place.namespace)];
        world.tokens.add(&token, Identity::authenticated(&user, &[&groups[0], &groups[1]]));
    }
    request["apiVersion"] = "authentication.k8s.io/v1".into();
    request["kind"] = "TokenRequest".into();
    request["metadata"] = json!({ "name": name, "namespace": place.namespace, "creationTimestamp": world.stamp() });
    request["spec"]["audiences"] = audiences;
    request["spec"]["expirationSeconds"] = seconds.into();
    request["status"] = json!({ "token": token, "expirationTimestamp": super::super::world::stamp(expires) });
    Ok(Answer::created(plain(&request, shaper)))
}
