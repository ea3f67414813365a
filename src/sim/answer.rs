//! One request, one response: which face of the server is asked, and how the outcome is written.
//!
//! Not here: what writes mean (`api`), and how a request's bytes come and go (`server`).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, StatusCode, header};

use super::body::Body;
use super::controllers;
use super::custom;
use super::discovery;
use super::failure::{Failure, Result};
use super::fault;
use super::follow::Follow;
use super::health;
use super::identity::Identity;
use super::kinds::Kind;
use super::list::{self, ListOptions, parse_version};
use super::metrics;
use super::negotiate::{self, Form};
use super::openapi;
use super::route::{Place, Query, Route, decode, route};
use super::shape::{Include, Shaper};
use super::token;
use super::watch::Watch;
use super::world::{Sim, World};
use crate::sim::json::{Value, json};

mod authorize;
mod documents;
mod packed;
#[cfg(test)]
mod packed_tests;
mod parts;
mod reviews;
mod steer;
mod write;

/// A request, taken apart.
#[derive(Debug)]
pub struct Asked {
    pub method: Method,
    pub path: String,
    pub query: Query,
    pub raw_query: String,
    pub accept: String,
    pub content_type: String,
    pub user_agent: String,
    /// Under what name and port the client knows the server.
    pub host: String,
    /// The versions of an answer that the client has already.
    pub if_none_match: String,
    pub takes_gzip: bool,
    /// What the client calls the request; else it gets a name here.
    pub audit_id: String,
    /// The token that the client shows.
    pub bearer: Option<String>,
    /// Who is at the other end of the connection; in one process, whoever it likes to be.
    pub identity: Identity,
    /// Whom the request wants to be instead.
    pub impersonated: Impersonated,
    pub body: Bytes,
}

/// Whom a request wants to be instead of who it is; nobody where the user is empty.
#[derive(Debug, Default)]
pub struct Impersonated {
    pub user: String,
    pub groups: Vec<String>,
    pub uid: String,
    pub extra: BTreeMap<String, Vec<String>>,
}

impl Asked {
    pub fn new(head: &http::request::Parts, body: Bytes) -> Self {
        let header = |name| head.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
        // Several Accept headers mean the same as one with commas.
        let accept: Vec<&str> = head.headers.get_all(header::ACCEPT).iter().filter_map(|it| it.to_str().ok()).collect();
        Self {
            method: head.method.clone(),
            path: head.uri.path().to_owned(),
            query: Query::parse(head.uri.query()),
            raw_query: head.uri.query().unwrap_or_default().to_owned(),
            accept: accept.join(","),
            content_type: header(header::CONTENT_TYPE).to_ascii_lowercase(),
            user_agent: header(header::USER_AGENT),
            host: head.uri.authority().map_or_else(|| header(header::HOST), |it| it.as_str().to_owned()),
            if_none_match: header(header::IF_NONE_MATCH),
            takes_gzip: packed::takes_gzip(&head.headers),
            audit_id: header(header::HeaderName::from_static("audit-id")),
            bearer: bearer(&header(header::AUTHORIZATION)),
            identity: head.extensions.get::<Identity>().cloned().unwrap_or_else(Identity::administrator),
            impersonated: Impersonated {
                user: header(header::HeaderName::from_static("impersonate-user")),
                groups: head.headers.get_all("impersonate-group").iter().filter_map(|it| it.to_str().ok()).map(str::to_owned).collect(),
                uid: header(header::HeaderName::from_static("impersonate-uid")),
                extra: extra(&head.headers),
            },
            body,
        }
    }

    fn form(&self) -> Result<Form> {
        let mut form = negotiate::form(&self.accept)?;
        // Whoever reads with bare eyes gets lines, as from the real server.
        let bare = ["curl/", "Wget/", "Mozilla/"].iter().any(|it| self.user_agent.starts_with(it));
        form.pretty = if self.query.get("pretty").is_some() { self.query.flag("pretty") } else { bare };
        Ok(form)
    }

    fn is_read(&self) -> bool {
        self.method == Method::GET || self.method == Method::HEAD
    }
}

/// What else is said of who a request wants to be: `Impersonate-Extra-scopes: a`, with the key percent-encoded.
fn extra(headers: &http::HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers {
        if let (Some(key), Ok(value)) = (name.as_str().strip_prefix("impersonate-extra-"), value.to_str()) {
            extra.entry(decode(key)).or_default().push(value.to_owned());
        }
    }
    extra
}

/// The token of an `Authorization` header.
fn bearer(header: &str) -> Option<String> {
    let (scheme, token) = header.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty()).then(|| token.trim().to_owned())
}

/// Finds out who asks: by the token that is shown, if one is, and by whom it wants to be.
fn authenticate(world: &World, asked: &mut Asked) -> Result<()> {
    if let Some(shown) = &asked.bearer {
        asked.identity = token::authenticate(world, shown, &[]).map_err(|_| Failure::unauthorized())?.0;
    }
    authorize::impersonate(world, asked)
}

/// What a request comes to, before it is written.
enum Answer {
    Bytes {
        code: StatusCode,
        content_type: &'static str,
        bytes: Bytes,
    },
    /// With headers of its own, which a client's cache goes by.
    Document {
        code: StatusCode,
        content_type: &'static str,
        bytes: Bytes,
        headers: Vec<(header::HeaderName, String)>,
    },
    Stream(Box<Watch>),
    Log(Box<Follow>),
}

impl Answer {
    fn ok((bytes, content_type): (Bytes, &'static str)) -> Self {
        Self::Bytes { code: StatusCode::OK, content_type, bytes }
    }

    fn created((bytes, content_type): (Bytes, &'static str)) -> Self {
        Self::Bytes { code: StatusCode::CREATED, content_type, bytes }
    }

    fn code(&self) -> u16 {
        match self {
            Self::Bytes { code, .. } | Self::Document { code, .. } => code.as_u16(),
            Self::Stream(_) | Self::Log(_) => 200,
        }
    }

    fn text(code: StatusCode, text: impl Into<String>) -> Self {
        let headers = vec![(header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned())];
        Self::Document { code, content_type: "text/plain; charset=utf-8", bytes: Bytes::from(text.into()), headers }
    }
}

fn response(answer: Answer, warnings: &[String], bodiless: bool) -> http::Response<Body> {
    let whole = |bytes| Body::whole(if bodiless { Bytes::new() } else { bytes });
    let mut own = Vec::new();
    let (code, content_type, body) = match answer {
        Answer::Bytes { code, content_type, bytes } => (code, content_type, whole(bytes)),
        Answer::Document { code, content_type, bytes, headers } => {
            own = headers;
            (code, content_type, whole(bytes))
        }
        Answer::Stream(watch) => (StatusCode::OK, "application/json", Body::watch(*watch)),
        Answer::Log(follow) => (StatusCode::OK, "text/plain", Body::follow(*follow)),
    };
    let mut response = http::Response::new(body);
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-cache, private"));
    for (name, value) in own {
        if let Ok(value) = header::HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    let mut told = std::collections::BTreeSet::new();
    for warning in warnings.iter().filter(|it| told.insert(it.as_str())) {
        let text: String = warning.chars().filter(|c| !c.is_control()).collect();
        if let Ok(value) = header::HeaderValue::from_str(&format!("299 - \"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))) {
            headers.append(header::WARNING, value);
        }
    }
    response
}

/// The response that tells of a failure.
pub fn failed(failure: &Failure) -> http::Response<Body> {
    failed_with(failure, &[])
}

fn failed_with(failure: &Failure, warnings: &[String]) -> http::Response<Body> {
    let (bytes, content_type) = negotiate::write(&failure.to_value(), Form::default());
    let code = StatusCode::from_u16(failure.code()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = response(Answer::Bytes { code, content_type, bytes }, warnings, false);
    if let Some(value) = failure.retry_after_s() {
        response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(value));
    }
    response
}

/// The response to what is no request, before anybody asks what for.
#[cfg(feature = "serve")]
pub fn refused(words: &'static str) -> http::Response<Body> {
    response(Answer::text(StatusCode::BAD_REQUEST, words), &[], false)
}

/// The connection ended without an answer, as a fault has it.
#[derive(Debug)]
pub struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("connection reset by peer")
    }
}

impl std::error::Error for Cut {}

/// Answers a request, unless a fault keeps it from being answered.
///
/// # Errors
/// `Cut` where a fault ends the connection.
pub async fn answer(sim: &Sim, mut asked: Asked) -> Result<http::Response<Body>, Cut> {
    let (known, (route, watched)) = sim.with(|world| (authenticate(world, &mut asked), route(world, &asked.path)));
    let asked = &asked;
    let verb = facts(asked, &route, watched).verb;
    if let Route::Steer(what) = &route {
        let checked = known.and_then(|()| sim.with(|world| authorize::check(world, asked, &route, watched)));
        let answer = checked.and_then(|()| steer::answer(sim, asked, what));
        return Ok(answer.map_or_else(|failure| failed(&failure), |answer| response(answer, &[], asked.method == Method::HEAD)));
    }
    let decision = sim.with(|world| fault::before(world, &facts(asked, &route, watched)));
    if !decision.delay.is_zero() {
        tokio::time::sleep(decision.delay).await;
    }
    if decision.cut_before {
        sim.with(|world| {
            let now = world.now();
            world.requests.note(now, asked, verb, 0);
        });
        return Err(Cut);
    }
    let (answer, warnings, audit_id) = sim.with(|world| {
        world.warnings.clear();
        let answer = match known.err().or(decision.fail) {
            Some(failure) => Err(failure),
            None => dispatch(sim, world, asked, route, watched),
        };
        let code = answer.as_ref().map_or_else(Failure::code, Answer::code);
        let now = world.now();
        world.requests.note(now, asked, verb, if decision.cut_after { 0 } else { code });
        let audit_id = if asked.audit_id.is_empty() { world.requests.name() } else { asked.audit_id.clone() };
        (answer, std::mem::take(&mut world.warnings), audit_id)
    });
    if decision.cut_after {
        return Err(Cut);
    }
    let mut response = match answer {
        Ok(Answer::Stream(mut watch)) => {
            watch.limit(decision.drop_after, decision.gone);
            response(Answer::Stream(watch), &warnings, false)
        }
        Ok(answer) => packed::packed(response(answer, &warnings, asked.method == Method::HEAD), asked),
        Err(failure) => failed_with(&failure, &warnings),
    };
    if let Ok(id) = header::HeaderValue::from_str(&audit_id) {
        response.headers_mut().insert("audit-id", id);
    }
    Ok(if decision.cut_middle { response.map(Body::torn) } else { response })
}

/// What a request looks like to the faults.
fn facts<'a>(asked: &'a Asked, route: &'a Route, watched: bool) -> fault::RequestFacts<'a> {
    let place = match route {
        Route::Place(place) => Some(place),
        _ => None,
    };
    fault::RequestFacts {
        verb: place.map_or("get", |it| authorize::verb(asked, it, watched)),
        kind: place.map(|it| it.kind),
        part: place.and_then(|it| it.subresource).map_or("", |it| it.name.as_str()),
        namespace: place.map_or("", |it| it.namespace.as_str()),
        name: place.and_then(|it| it.name.as_deref()).unwrap_or_default(),
        user_agent: &asked.user_agent,
        user: &asked.identity.user,
    }
}

fn dispatch(sim: &Sim, world: &mut World, asked: &Asked, route: Route, watched: bool) -> Result<Answer> {
    authorize::check(world, asked, &route, watched)?;
    if let Route::Place(place) = route {
        if asked.method == Method::HEAD {
            return Err(Failure::not_allowed());
        }
        return at_place(sim, world, asked, &place, watched);
    }
    // Who only wants the headers gets them of documents and of what tells of health alone.
    if asked.method == Method::HEAD && matches!(route, Route::Version | Route::Group(_) | Route::Resources { .. }) {
        return Err(Failure::not_allowed());
    }
    let any_method = matches!(route, Route::NoResource | Route::NoPart { .. } | Route::Nothing | Route::Health { .. } | Route::Groups);
    if !asked.is_read() && !any_method {
        return Err(Failure::not_allowed());
    }
    let plain = |value: Value| Ok(Answer::ok(negotiate::write(&value, Form { shape: negotiate::Shape::Object, ..asked.form()? })));
    let aggregated = |core: bool| {
        let (bytes, _) = negotiate::write(&discovery::aggregated(world, core), Form::default());
        Ok(documents::aggregated(asked, bytes))
    };
    let raw = |content_type, text: String| Ok(Answer::Bytes { code: StatusCode::OK, content_type, bytes: text.into() });
    let missing = || Ok(Answer::text(StatusCode::NOT_FOUND, "404 page not found\n"));
    match route {
        Route::Place(_) | Route::NoResource | Route::Steer(_) => Err(Failure::no_such_path()),
        Route::NoPart { kind, name } => {
            world.warnings.extend(world.customs.get(kind).and_then(|it| it.deprecation.clone()));
            Err(Failure::not_found(kind, &name))
        }
        Route::Nothing => missing(),
        // Whoever asks, this is indented.
        Route::Paths => raw("application/json", negotiate::pretty(&discovery::paths(world))),
        Route::Version => raw("application/json", discovery::version()),
        Route::Health { endpoint, check } => match health::answer(endpoint, &check, &asked.query) {
            Some(text) => Ok(Answer::text(StatusCode::OK, text)),
            None => missing(),
        },
        Route::Metrics => raw(metrics::MEDIA, metrics::text(world)),
        Route::Issuer => documents::only(asked, "application/json", documents::issuer(&asked.host)),
        Route::Keys => documents::only(asked, "application/jwk-set+json", documents::keys()),
        Route::CoreVersions if negotiate::wants_aggregated(&asked.accept) => aggregated(true),
        Route::Groups if negotiate::wants_aggregated(&asked.accept) => aggregated(false),
        Route::CoreVersions => plain(discovery::core_versions(&asked.host)),
        Route::Groups => plain(discovery::groups(world)),
        Route::Group(group) => plain(discovery::group(world, &group)),
        Route::Resources { group, version } => plain(discovery::resources(world, &group, &version)),
        // The real server forgets to say that it is JSON.
        Route::OpenApi => raw("text/plain; charset=utf-8", openapi::index(world).to_string()),
        Route::OpenApiDocument(path) => {
            asked.form()?;
            match openapi::document(world, &path) {
                Some(document) => Ok(documents::openapi(asked, &document, "application/json")),
                None => Ok(Answer::text(StatusCode::NOT_FOUND, "")),
            }
        }
        Route::OpenApiV2 if negotiate::wants_openapi_protobuf(&asked.accept) => {
            Ok(documents::openapi(asked, &openapi::version_2(true), negotiate::OPENAPI_PROTOBUF))
        }
        Route::OpenApiV2 => {
            asked.form()?;
            Ok(documents::openapi(asked, &openapi::version_2(false), "application/json"))
        }
    }
}

/// What the server warns of whenever a kind is asked for.
fn deprecation(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::ENDPOINTS => Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"),
        Kind::COMPONENTSTATUSES => Some("v1 ComponentStatus is deprecated in v1.19+"),
        _ => None,
    }
}

fn at_place(sim: &Sim, world: &mut World, asked: &Asked, place: &Place, watched: bool) -> Result<Answer> {
    let custom = world.customs.get(place.kind).cloned();
    if place.kind.is_custom() && custom.is_none() {
        return Err(Failure::no_such_path());
    }
    let warning = custom.as_ref().map_or_else(|| deprecation(place.kind).map(str::to_owned), |it| it.deprecation.clone());
    world.warnings.extend(warning);
    if let Some(custom) = custom.as_ref().filter(|it| it.by_webhook && !it.storage) {
        check_conversion(world, custom, asked)?;
    }
    let shaper = Shaper { kind: place.kind, custom, form: asked.form()?, include: Include::parse(asked.query.get("includeObject"))?, scales: false };
    if asked.is_read() {
        controllers::before_read(world, place.kind);
    }
    if place.subresource.is_some() {
        return parts::answer(sim, world, asked, place, shaper);
    }
    let Some(name) = place.name.as_deref() else { return at_collection(sim, world, asked, place, shaper, watched) };
    match asked.method {
        Method::GET if place.kind.has_verb("get") => {
            let version = parse_version(asked.query.get("resourceVersion").unwrap_or_default())?;
            if version > world.store.version() {
                return Err(Failure::too_large_resource_version(version, world.store.version()));
            }
            let object = match place.kind {
                Kind::COMPONENTSTATUSES => health::components().into_iter().find(|it| it["metadata"]["name"] == name),
                kind => world.find(kind, &place.namespace, name).cloned(),
            };
            let object = object.ok_or_else(|| Failure::not_found(place.kind, name))?;
            Ok(Answer::ok(shaper.one(&object, world.now())?))
        }
        Method::PUT if place.kind.has_verb("update") => write::update(world, asked, place, shaper),
        Method::PATCH if place.kind.has_verb("patch") => write::patch(world, asked, place, shaper),
        Method::POST if place.kind.is_custom() => write::create(world, asked, place, shaper),
        Method::DELETE if place.kind.has_verb("delete") => write::delete(world, asked, place, shaper),
        _ => Err(Failure::not_allowed()),
    }
}

/// # Errors
/// `InternalError` where an object would have to go from one version to another by a webhook, which is not called here.
fn check_conversion(world: &World, custom: &custom::Custom, asked: &Asked) -> Result<()> {
    if asked.is_read() && world.store.count(custom.kind.stored()) == 0 {
        return Ok(());
    }
    let from = world.customs.storage(custom.kind).map_or("", |it| it.kind.version());
    let kind = custom.kind;
    let why = format!("conversion webhook for {}/{from}, Kind={} failed: the simulated cluster calls no webhooks", kind.group(), kind.kind());
    Err(Failure::new(500, "", why))
}

fn at_collection(sim: &Sim, world: &mut World, asked: &Asked, place: &Place, shaper: Shaper, watched: bool) -> Result<Answer> {
    let kind = place.kind;
    match asked.method {
        Method::GET if kind.has_verb("list") => {
            let mut options = ListOptions::parse(kind, shaper.custom.as_ref(), &asked.query)?;
            if (options.watch || watched) && kind.has_verb("watch") {
                options.watch = true;
                let watch = Watch::start(sim, &world.store, shaper, place.in_namespace(), options)?;
                return Ok(Answer::Stream(Box::new(watch)));
            }
            let mut list = list::list(&world.store, kind, place.in_namespace(), &options)?;
            if kind == Kind::COMPONENTSTATUSES {
                list.items = health::components().into_iter().filter(|it| options.selector.matches(kind, it)).collect();
            }
            Ok(Answer::ok(shaper.list(&list, world.now())?))
        }
        // What is namespaced is made in a namespace; over all of them it can only be read.
        _ if kind.is_custom() && kind.namespaced() && place.namespace.is_empty() => Ok(Answer::text(StatusCode::NOT_FOUND, "404 page not found\n")),
        _ if kind.namespaced() && place.namespace.is_empty() && !reviews::is_review(kind) => Err(Failure::not_allowed()),
        Method::POST if kind.has_verb("create") && reviews::is_review(kind) => reviews::answer(world, asked, place, shaper),
        Method::PUT if kind.is_custom() => Err(Failure::bad_request("name must be provided")),
        Method::POST if kind.has_verb("create") => write::create(world, asked, place, shaper),
        Method::DELETE if kind.has_verb("deletecollection") => write::delete_collection(world, asked, place, shaper),
        _ => Err(Failure::not_allowed()),
    }
}

/// A value that is no object of the store, such as a `Status`.
fn plain(value: &Value, shaper: Shaper) -> (Bytes, &'static str) {
    negotiate::write(value, shaper.form)
}

/// What is answered and kept nowhere, whole or its metadata: there is no table of it.
fn unkept(asked: &Asked, value: Value, shaper: Shaper) -> Result<Answer> {
    let form = Form { pretty: shaper.form.pretty, ..negotiate::form_without_table(&asked.accept)? };
    let value = Arc::new(value);
    Ok(Answer::created(match form.shape {
        negotiate::Shape::Object => negotiate::write(value.as_ref(), form),
        _ => Shaper { form, ..shaper }.one(&value, jiff::Timestamp::UNIX_EPOCH)?,
    }))
}

/// The `Status` that tells of a success.
fn success(place: &Place, object: &Arc<Value>) -> Value {
    let mut details = json!({ "name": object["metadata"]["name"], "kind": place.kind.plural(), "uid": object["metadata"]["uid"] });
    if !place.kind.group().is_empty() {
        details["group"] = place.kind.group().into();
    }
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details })
}
