//! Requests for a part of an object: its status, its scale, a pod's binding, eviction and log.

use std::sync::Arc;

use http::Method;

use super::super::api::{DeleteOptions, Patch, Subresource, patch_failure};
use super::super::failure::{Failure, FieldError, Result};
use super::super::follow::{Follow, LogOptions};
use super::super::kinds::Kind;
use super::super::patch::request::{self, PatchKind};
use super::super::route::Place;
use super::super::schema::{self, decode};
use super::super::shape::Shaper;
use super::super::token::{self, Bound, Claims, Holder};
use super::super::world::{Sim, World};
use super::{Answer, Asked, plain, unkept, write};
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
        (name, _) => {
            world.get(place.kind, &place.namespace, place.name.as_deref().unwrap_or_default())?;
            Err(Failure::not_implemented(&format!("{}/{name}", place.kind.qualified())))
        }
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
    let shaper = Shaper { scales: true, ..shaper };
    let before = |world: &World| world.scale(place.kind, &place.namespace, name);
    let (scale, caller) = match asked.method {
        Method::PUT => {
            let caller = write::caller(asked, "UpdateOptions")?;
            let decoded = decode::body("autoscaling", "v1", "Scale", &write::document(asked, "Scale")?, caller.strictness).map_err(Failure::bad_request)?;
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
                    return Ok(Answer::ok(shaper.one(&Arc::new(written), world.now())?));
                }
            };
            let patched = request::request(ty, how, &before(world)?, body, caller.strictness).map_err(patch_failure)?;
            world.warnings.extend(patched.warnings);
            (patched.object, caller)
        }
        _ => return Ok(Answer::ok(shaper.one(&Arc::new(before(world)?), world.now())?)),
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
    Ok(Answer::ok(shaper.one(&Arc::new(written), world.now())?))
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
///
/// # Source
/// `TokenREST.Create`.
fn token(world: &mut World, asked: &Asked, place: &Place, shaper: Shaper) -> Result<Answer> {
    let caller = write::caller(asked, "CreateOptions")?;
    let name = place.name.as_deref().unwrap_or_default();
    let account = world.get(place.kind, &place.namespace, name)?;
    let mut request = write::body(asked, "TokenRequest")?;
    let invalid = |name: &str, error: FieldError| Failure::invalid_kind("authentication.k8s.io", "TokenRequest", name, vec![error]);
    if let Some(other) = request["metadata"]["name"].as_str().filter(|it| !it.is_empty() && *it != name) {
        return Err(invalid(name, FieldError::invalid("metadata.name", other, "must match the service account name if specified")));
    }
    if request["metadata"]["namespace"].as_str().is_some_and(|it| !it.is_empty() && it != place.namespace) {
        return Err(Failure::bad_request("the namespace of the provided object does not match the namespace sent on the request"));
    }
    let seconds = request["spec"]["expirationSeconds"].as_i64().unwrap_or(3600);
    let why = match seconds {
        ..600 => Some("may not specify a duration less than 10 minutes"),
        4_294_967_297.. => Some("may not specify a duration larger than 2^32 seconds"),
        _ => None,
    };
    if let Some(why) = why {
        return Err(invalid("", FieldError::invalid("spec.expirationSeconds", seconds, why)));
    }
    request["spec"]["expirationSeconds"] = seconds.into();
    let bound = bound_to(world, &place.namespace, name, &request["spec"]["boundObjectRef"])?;
    let managed = fields_of(&request["spec"]);
    let audiences: Vec<String> = request["spec"]["audiences"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let audiences = if audiences.is_empty() { vec![token::ISSUER.to_owned()] } else { audiences };
    request["spec"]["audiences"] = json!(audiences);
    if !request["spec"]["boundObjectRef"].is_object() {
        request["spec"]["boundObjectRef"] = Value::Null;
    }
    let mut claims = Claims::new(&place.namespace, &account, audiences, seconds, world);
    claims.bound = bound;
    let ends = token::ends(&claims);
    request["apiVersion"] = "authentication.k8s.io/v1".into();
    request["kind"] = "TokenRequest".into();
    let entry = json!({
        "manager": caller.manager, "operation": "Update", "apiVersion": "authentication.k8s.io/v1", "time": world.stamp(), "fieldsType": "FieldsV1",
        "fieldsV1": { "f:spec": managed }, "subresource": "token",
    });
    request["metadata"] =
        json!({ "name": name, "namespace": place.namespace, "uid": world.uid(), "creationTimestamp": world.stamp(), "managedFields": [entry] });
    request["status"] = json!({ "token": token::issue(world, claims, caller.dry_run), "expirationTimestamp": ends });
    unkept(asked, request, shaper)
}

/// What a token is bound to: an object, and the node of a pod.
fn bound_to(world: &World, namespace: &str, account: &str, reference: &Value) -> Result<Vec<Bound>> {
    if !reference.is_object() {
        return Ok(Vec::new());
    }
    let text = |field: &str| reference[field].as_str().unwrap_or_default();
    let bound = |holder: Holder| -> Result<Bound> {
        let kind = holder.kind();
        let object = world.get(kind, if kind.namespaced() { namespace } else { "" }, text("name"))?;
        Ok(Bound { holder, name: text("name").to_owned(), uid: object["metadata"]["uid"].as_str().unwrap_or_default().to_owned() })
    };
    let all: Vec<Bound> = match (text("apiVersion"), text("kind")) {
        ("v1", "Pod") => {
            let pod = world.get(Kind::PODS, namespace, text("name"))?;
            if pod["spec"]["serviceAccountName"] != account {
                let why = format!("cannot bind token for serviceaccount {account:?} to pod running with different serviceaccount name.");
                return Err(Failure::bad_request(why));
            }
            let node = pod["spec"]["nodeName"].as_str().and_then(|name| Some((name, world.find(Kind::NODES, "", name)?)));
            let node = node.map(|(name, it)| Bound {
                holder: Holder::Node,
                name: name.to_owned(),
                uid: it["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
            });
            [Some(bound(Holder::Pod)?), node].into_iter().flatten().collect()
        }
        ("v1", "Secret") => vec![bound(Holder::Secret)?],
        ("v1", "Node") => vec![bound(Holder::Node)?],
        (version, kind) => return Err(Failure::bad_request(format!("cannot bind token to object of type {version}, Kind={kind}"))),
    };
    let uid = text("uid");
    if !uid.is_empty() && all[0].uid != uid {
        let why =
            format!("the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated");
        let text = format!("Operation cannot be fulfilled on {} {:?}: {why}", text("kind"), text("name"));
        return Err(Failure::new(409, "Conflict", text));
    }
    Ok(all)
}

/// The fields of a request that are set, as managed fields name them.
fn fields_of(value: &Value) -> Value {
    let members = value.as_object().into_iter().flat_map(|it| it.iter()).filter(|(_, value)| !value.is_null());
    Value::Object(members.map(|(name, value)| (format!("f:{name}"), fields_of(value))).collect())
}
