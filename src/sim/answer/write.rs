//! Requests that write: what their options and bodies say, handed to `api`.

use std::borrow::Cow;

use http::StatusCode;

use super::super::api::{Caller, DeleteOptions, Patch, Propagation, Subresource, type_of};
use super::super::custom::Custom;
use super::super::failure::{Failure, FieldError, Result, quoted};
use super::super::kinds::Kind;
use super::super::list::{self, ListOptions};
use super::super::protobuf;
use super::super::route::Place;
use super::super::schema::decode::{self, Strictness};
use super::super::schema::parse::parse;
use super::super::shape::Shaper;
use super::super::world::World;
use super::super::yaml;
use super::{Answer, Asked, plain, success};
use crate::sim::json::Value;

/// Who writes and how, from the request.
///
/// # Errors
/// `Invalid` for options that are not allowed.
pub fn caller(asked: &Asked, options_kind: &str) -> Result<Caller> {
    let mut errors = Vec::new();
    let dry_run: Vec<&str> = asked.query.all("dryRun").filter(|it| !it.is_empty()).collect();
    if dry_run.iter().any(|it| *it != "All") {
        errors.push(FieldError::not_supported("dryRun", dry_run.clone(), &["All"]));
    }
    let manager = asked.query.get("fieldManager").unwrap_or_default();
    if manager.len() > 128 {
        errors.push(FieldError::too_long("fieldManager", 128));
    }
    if let Some((at, letter)) = manager.chars().enumerate().find(|(_, letter)| letter.is_control()) {
        errors.push(FieldError::invalid("fieldManager", manager, format!("invalid character U+{:04X} (at position {at})", u32::from(letter))));
    }
    let validation = asked.query.get("fieldValidation").unwrap_or_default();
    if !matches!(validation, "" | "Ignore" | "Warn" | "Strict") {
        errors.push(FieldError::not_supported("fieldValidation", validation, &["", "Ignore", "Strict", "Warn"]));
    }
    if !errors.is_empty() {
        return Err(Failure::invalid_kind("meta.k8s.io", options_kind, "", errors));
    }
    // Who names no manager is known by the first word of its user agent.
    let agent: String = asked.user_agent.split('/').next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(128).collect();
    let manager = if manager.is_empty() { agent } else { manager.to_owned() };
    let strictness = match validation {
        "Ignore" => Strictness::Ignore,
        "Strict" => Strictness::Strict,
        _ => Strictness::Warn,
    };
    Ok(Caller {
        manager: if manager.is_empty() { "unknown".to_owned() } else { manager },
        dry_run: asked.query.text("dryRun").is_some(),
        strictness,
        ..writer(asked)
    })
}

/// The media types that a body can have.
const ACCEPTED: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// The body of a request as a value, by its content type.
///
/// # Errors
/// `UnsupportedMediaType`, and `BadRequest` for what does not parse as the kind.
pub fn body(asked: &Asked, kind: &str) -> Result<Value> {
    match media(asked) {
        "" | "application/json" => serde_json::from_slice(&asked.body).map_err(|error| {
            let text = String::from_utf8_lossy(&asked.body);
            let why = if error.is_eof() { "unexpected end of JSON input".to_owned() } else { error.to_string() };
            Failure::bad_request(format!(
                "the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error: {why} ({text})"
            ))
        }),
        "application/yaml" | "application/apply-patch+yaml" => yaml::parse(&asked.body).map_err(|why| {
            let shown = decode::summary(&asked.body);
            Failure::bad_request(format!("the object provided is unrecognized (must be of type {kind}): {why} ({shown})"))
        }),
        protobuf::MEDIA => protobuf::read(&asked.body).map_err(|why| {
            let shown = decode::summary(&asked.body);
            Failure::bad_request(format!("the object provided is unrecognized (must be of type {kind}): {why} ({shown})"))
        }),
        _ => Err(unknown_media(ACCEPTED)),
    }
}

fn media(asked: &Asked) -> &str {
    asked.content_type.split(';').next().unwrap_or_default().trim()
}

/// The body of a request as a JSON document, for who looks at it closely: as it came where it is one.
///
/// # Errors
/// As `body`.
pub fn document<'a>(asked: &'a Asked, kind: &str) -> Result<Cow<'a, [u8]>> {
    Ok(match media(asked) {
        "" | "application/json" => Cow::Borrowed(&asked.body),
        _ => Cow::Owned(body(asked, kind)?.to_string().into_bytes()),
    })
}

/// The body as an object of the kind that the path names.
///
/// # Errors
/// `BadRequest` when it does not parse, is of another kind, or of another namespace.
pub fn object(world: &mut World, asked: &Asked, place: &Place, strictness: Strictness) -> Result<Value> {
    let kind = place.kind;
    let custom = world.customs.get(kind).cloned();
    let mut object = match (&custom, type_of(kind)) {
        (Some(custom), _) => {
            let (object, strict) = custom_object(custom, &document(asked, kind.kind())?, strictness)?;
            world.warnings.extend(strict);
            object
        }
        (None, Some(_)) => {
            let bytes = document(asked, kind.kind())?;
            let twice = if media(asked) == "application/yaml" && strictness != Strictness::Ignore { yaml::duplicates(&asked.body) } else { Vec::new() };
            // Who is strict hears of everything at once.
            let gentle = if twice.is_empty() { strictness } else { Strictness::Warn };
            let decoded = decode::body(kind.group(), kind.version(), kind.kind(), &bytes, gentle).map_err(Failure::bad_request)?;
            if strictness == Strictness::Strict && !twice.is_empty() {
                let all: Vec<String> = std::iter::once(yaml::strict_error(&twice)).chain(decoded.strict).collect();
                let (name, version) = (kind.kind(), kind.version());
                let why = decode::strict_error(&all);
                return Err(Failure::bad_request(format!("{name} in version {version:?} cannot be handled as a {name}: {why}")));
            }
            world.warnings.extend(twice.into_iter().chain(decoded.strict));
            decoded.object
        }
        (None, None) => {
            let object = body(asked, kind.kind())?;
            check_kind(&object, kind)?;
            object
        }
    };
    if !object["metadata"].is_object() {
        object["metadata"] = Value::Object(crate::sim::json::Map::new());
    }
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    if kind.namespaced() {
        if !namespace.is_empty() && namespace != place.namespace {
            return Err(Failure::bad_request("the namespace of the provided object does not match the namespace sent on the request"));
        }
        object["metadata"]["namespace"] = place.namespace.as_str().into();
    }
    Ok(object)
}

/// A body as an object of a custom kind, and what the strictness lets pass.
fn custom_object(custom: &Custom, document: &[u8], strictness: Strictness) -> Result<(Value, Vec<String>)> {
    let kind = custom.kind;
    let head = decode::head(kind.kind(), document).map_err(Failure::bad_request)?;
    let unrecognised = |why: String| {
        Failure::bad_request(format!("the object provided is unrecognized (must be of type {}): {why} ({})", kind.kind(), decode::summary(document)))
    };
    if head.kind.is_empty() {
        return Err(unrecognised(format!("Object 'Kind' is missing in '{}'", String::from_utf8_lossy(document))));
    }
    let cannot = |why: &str| {
        let version = head.api_version.rsplit('/').next().unwrap_or_default();
        Failure::bad_request(format!("{} in version {} cannot be handled as a {}: {why}", head.kind, quoted(version), kind.kind()))
    };
    let mut strict = head.tree.duplicates();
    let read = custom.read(head.tree.to_value()).map_err(|why| cannot(&why))?;
    strict.extend(read.unknown.iter().map(|field| format!("unknown field {}", quoted(field))));
    if strictness == Strictness::Strict && !strict.is_empty() {
        return Err(cannot(&decode::strict_error(&strict)));
    }
    if head.api_version != custom.api_version {
        let words = format!("the API version in the data ({}) does not match the expected API version ({})", head.api_version, custom.api_version);
        return Err(Failure::bad_request(words));
    }
    Ok((read.object, if strictness == Strictness::Ignore { Vec::new() } else { strict }))
}

fn unknown_media(accepted: &str) -> Failure {
    Failure::unsupported_media_type(format!("the body of the request was in an unknown format - accepted media types include: {accepted}"))
}

fn check_kind(object: &Value, kind: Kind) -> Result<()> {
    let (api_version, name) = (object["apiVersion"].as_str().unwrap_or_default(), object["kind"].as_str().unwrap_or_default());
    if (api_version.is_empty() || api_version == kind.api_version()) && (name.is_empty() || name == kind.kind()) {
        return Ok(());
    }
    let (shown, version) = (if name.is_empty() { kind.kind() } else { name }, kind.version());
    Err(Failure::bad_request(format!(
        "{shown} in version {} cannot be handled as a {}: no kind {} is registered for version {} in scheme \"pkg/runtime/scheme.go:111\"",
        quoted(version),
        kind.kind(),
        quoted(shown),
        quoted(if api_version.is_empty() { version } else { api_version })
    )))
}

pub fn create(world: &mut World, asked: &Asked, place: &Place, shaper: Shaper) -> Result<Answer> {
    let caller = caller(asked, "CreateOptions")?;
    let object = object(world, asked, place, caller.strictness)?;
    let created = world.create(place.kind, object, &caller)?;
    Ok(Answer::created(shaper.one(&created, world.now())?))
}

pub fn update(world: &mut World, asked: &Asked, place: &Place, shaper: Shaper) -> Result<Answer> {
    update_part(world, asked, place, Subresource::Main, shaper)
}

pub fn update_part(world: &mut World, asked: &Asked, place: &Place, part: Subresource, shaper: Shaper) -> Result<Answer> {
    let caller = caller(asked, "UpdateOptions")?;
    let mut object = object(world, asked, place, caller.strictness)?;
    let name = place.name.as_deref().unwrap_or_default();
    match object["metadata"]["name"].as_str().unwrap_or_default() {
        "" => return Err(Failure::bad_request(format!("the name of the object ({name} based on URL) was undeterminable: name must be provided"))),
        it if it != name => return Err(Failure::bad_request(format!("the name of the object ({it}) does not match the name on the URL ({name})"))),
        _ => {}
    }
    object["metadata"]["name"] = name.into();
    let updated = world.update(place.kind, object, part, &caller)?;
    Ok(Answer::ok(shaper.one(&updated, world.now())?))
}

/// The patch in a request's body.
///
/// # Errors
/// `UnsupportedMediaType`, and `BadRequest` for what does not parse.
pub fn read_patch(asked: &Asked) -> Result<Patch> {
    let media = asked.content_type.split(';').next().unwrap_or_default().trim();
    let force = asked.query.flag("force");
    let body = asked.body.to_vec();
    if force && media != "application/apply-patch+yaml" {
        let error = FieldError::forbidden("force", "may not be specified for non-apply patch");
        return Err(Failure::invalid_kind("meta.k8s.io", "PatchOptions", "", vec![error]));
    }
    match media {
        "application/json-patch+json" => Ok(Patch::Json(body)),
        "application/merge-patch+json" => Ok(Patch::Merge(body)),
        "application/strategic-merge-patch+json" => Ok(Patch::Strategic(body)),
        "application/apply-patch+yaml" => {
            if asked.query.text("fieldManager").is_none() {
                let error = FieldError::required("fieldManager", "is required for apply patch");
                return Err(Failure::invalid_kind("meta.k8s.io", "PatchOptions", "", vec![error]));
            }
            Ok(Patch::Apply { body, force })
        }
        _ => Err(Failure::unsupported_media_type("415: Unsupported Media Type")),
    }
}

pub fn patch(world: &mut World, asked: &Asked, place: &Place, shaper: Shaper) -> Result<Answer> {
    patch_part(world, asked, place, Subresource::Main, shaper)
}

pub fn patch_part(world: &mut World, asked: &Asked, place: &Place, part: Subresource, shaper: Shaper) -> Result<Answer> {
    let patch = read_patch(asked)?;
    let caller = caller(asked, "PatchOptions")?;
    let name = place.name.as_deref().unwrap_or_default();
    let was_there = world.find(place.kind, &place.namespace, name).is_some();
    let patched = world.patch(place.kind, &place.namespace, name, &patch, part, &caller)?;
    let written = shaper.one(&patched, world.now())?;
    Ok(if was_there { Answer::ok(written) } else { Answer::created(written) })
}

/// The options of a deletion, from the body or the query.
///
/// # Errors
/// `BadRequest` and `Invalid`.
pub fn delete_options(asked: &Asked) -> Result<(DeleteOptions, bool)> {
    let mut dry_run: Vec<String> = asked.query.all("dryRun").filter(|it| !it.is_empty()).map(str::to_owned).collect();
    let mut options = DeleteOptions { grace_s: asked.query.text("gracePeriodSeconds").and_then(|it| it.parse().ok()), ..DeleteOptions::default() };
    let mut propagation = asked.query.text("propagationPolicy").map(str::to_owned);
    let mut orphan = asked.query.get("orphanDependents").map(|_| asked.query.flag("orphanDependents"));
    if !asked.body.is_empty() {
        let body = delete_body(asked)?;
        options.grace_s = body["gracePeriodSeconds"].as_i64().or(options.grace_s);
        propagation = body["propagationPolicy"].as_str().map(str::to_owned).or(propagation);
        orphan = body["orphanDependents"].as_bool().or(orphan);
        options.uid = body["preconditions"]["uid"].as_str().map(str::to_owned);
        options.resource_version = body["preconditions"]["resourceVersion"].as_str().map(str::to_owned);
        dry_run.extend(body["dryRun"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
    }
    let mut errors = Vec::new();
    if propagation.is_some() && orphan.is_some() {
        let value = propagation.as_deref().unwrap_or_default();
        errors.push(FieldError::invalid("propagationPolicy", value, "orphanDependents and deletionPropagation cannot be both set"));
    }
    options.propagation = match propagation.as_deref() {
        None => orphan.map(|orphan| if orphan { Propagation::Orphan } else { Propagation::Background }),
        Some("Background") => Some(Propagation::Background),
        Some("Foreground") => Some(Propagation::Foreground),
        Some("Orphan") => Some(Propagation::Orphan),
        Some(other) => {
            errors.push(FieldError::not_supported("propagationPolicy", other, &["Foreground", "Background", "Orphan", "nil"]));
            None
        }
    };
    if dry_run.iter().any(|it| it != "All") {
        errors.push(FieldError::not_supported("dryRun", dry_run.clone(), &["All"]));
    }
    if errors.is_empty() { Ok((options, !dry_run.is_empty())) } else { Err(Failure::invalid_kind("meta.k8s.io", "DeleteOptions", "", errors)) }
}

fn delete_body(asked: &Asked) -> Result<Value> {
    let body = match media(asked) {
        "" | "application/json" => {
            let why = |why| Failure::bad_request(format!("couldn't get version/kind; json parse error: {why}"));
            parse(&asked.body).map_err(why)?.to_value()
        }
        protobuf::MEDIA => protobuf::read(&asked.body).map_err(Failure::bad_request)?,
        _ => body(asked, "DeleteOptions")?,
    };
    let kind = body["kind"].as_str().unwrap_or("DeleteOptions");
    if kind != "DeleteOptions" {
        let version = body["apiVersion"].as_str().unwrap_or_default();
        return Err(Failure::bad_request(format!(
            "no kind {} is registered for version {} in scheme \"pkg/runtime/scheme.go:111\"",
            quoted(kind),
            quoted(version)
        )));
    }
    Ok(body)
}

pub fn delete(world: &mut World, asked: &Asked, place: &Place, shaper: Shaper) -> Result<Answer> {
    let (options, dry_run) = delete_options(asked)?;
    let caller = Caller { dry_run, ..caller_of_delete(asked) };
    let deleted = world.delete(place.kind, &place.namespace, place.name.as_deref().unwrap_or_default(), &options, &caller)?;
    // A pod, and whatever is not gone yet, is answered with itself.
    if deleted.gone && !returns_itself(place.kind) {
        return Ok(Answer::ok(plain(&success(place, &deleted.object), shaper)));
    }
    Ok(Answer::ok(shaper.one(&deleted.object, world.now())?))
}

/// The kinds whose deletion is answered with the object even where it is gone at once.
fn returns_itself(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::PODS
            | Kind::SERVICES
            | Kind::SERVICEACCOUNTS
            | Kind::PERSISTENTVOLUMECLAIMS
            | Kind::PERSISTENTVOLUMES
            | Kind::RESOURCEQUOTAS
            | Kind::PODTEMPLATES
            | Kind::CSIDRIVERS
            | Kind::CSINODES
            | Kind::DEVICECLASSES
            | Kind::RESOURCECLAIMS
            | Kind::RESOURCECLAIMTEMPLATES
            | Kind::RESOURCESLICES
            | Kind::STORAGECLASSES
            | Kind::VOLUMEATTACHMENTS
            | Kind::VOLUMEATTRIBUTESCLASSES
    )
}

fn caller_of_delete(asked: &Asked) -> Caller {
    Caller { manager: asked.user_agent.split('/').next().unwrap_or_default().to_owned(), ..writer(asked) }
}

/// Whoever asks, as a writer.
fn writer(asked: &Asked) -> Caller {
    Caller { user: asked.identity.user.clone(), groups: asked.identity.groups.clone(), ..Caller::component("unknown") }
}

pub fn delete_collection(world: &mut World, asked: &Asked, place: &Place, shaper: Shaper) -> Result<Answer> {
    let (options, dry_run) = delete_options(asked)?;
    let caller = Caller { dry_run, ..caller_of_delete(asked) };
    let which = ListOptions::parse(place.kind, world.customs.get(place.kind), &asked.query)?;
    let mut list = list::list(&world.store, place.kind, place.in_namespace(), &which)?;
    for item in &mut list.items {
        let text = |field: &str| item["metadata"][field].as_str().unwrap_or_default().to_owned();
        match world.delete(place.kind, &text("namespace"), &text("name"), &options, &caller) {
            Ok(deleted) => *item = deleted.object,
            Err(failure) if failure.is_not_found() => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(Answer::Bytes { code: StatusCode::OK, bytes: shaper.list(&list, world.now())?.0, content_type: "application/json" })
}
