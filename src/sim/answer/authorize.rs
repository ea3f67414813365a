//! Whether who asks may have what is asked for, and as whom.

use http::Method;

use super::super::access::{self, Wanted, What};
use super::super::failure::{Failure, Result, quoted};
use super::super::identity::Identity;
use super::super::route::{Place, Route};
use super::super::world::World;
use super::Asked;
use crate::sim::json::{Value, json};

/// The verb of a request for objects, as roles name it.
pub fn verb(asked: &Asked, place: &Place, watched: bool) -> &'static str {
    verb_of(asked, place.name.is_some(), watched)
}

fn verb_of(asked: &Asked, named: bool, watched: bool) -> &'static str {
    match (&asked.method, named) {
        (&Method::GET | &Method::HEAD, _) if watched || asked.query.flag("watch") => "watch",
        (&Method::GET | &Method::HEAD, true) => "get",
        (&Method::GET | &Method::HEAD, false) => "list",
        (&Method::POST, _) => "create",
        (&Method::PUT, _) => "update",
        (&Method::PATCH, _) => "patch",
        (&Method::DELETE, true) => "delete",
        (&Method::DELETE, false) => "deletecollection",
        _ => "",
    }
}

/// What a user is told that may not do what it wants.
fn refused(user: &str, verb: &str, group: &str, resource: &str, namespace: &str, name: &str) -> Failure {
    let scope = if namespace.is_empty() { "at the cluster scope".to_owned() } else { format!("in the namespace {}", quoted(namespace)) };
    let plural = resource.split('/').next().unwrap_or(resource);
    let qualified = if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") };
    let subject = if name.is_empty() { qualified } else { format!("{qualified} {}", quoted(name)) };
    let message = format!("{subject} is forbidden: User {} cannot {verb} resource {} in API group {} {scope}", quoted(user), quoted(resource), quoted(group));
    Failure::new(403, "Forbidden", message).detail("name", name).detail("group", group).detail("kind", plural)
}

/// The one name that a field selector leaves: a list or watch of it is allowed to whom a role allows that object.
fn chosen_name(selector: &str) -> Option<&str> {
    let name = selector.split(',').find_map(|term| term.trim().strip_prefix("metadata.name="))?;
    Some(name.strip_prefix('=').unwrap_or(name)).filter(|name| !name.is_empty())
}

/// # Errors
/// `Forbidden`.
pub fn check(world: &World, asked: &Asked, route: &Route, watched: bool) -> Result<()> {
    let identity = &asked.identity;
    if identity.is_administrator() {
        return Ok(());
    }
    let objects = match route {
        Route::Place(place) => Some(Objects::at(asked, place, watched)),
        Route::NoResource | Route::NoPart { .. } | Route::Nothing => Objects::unserved(asked),
        _ => None,
    };
    if let Some(Objects { verb, group, resource, namespace, name }) = &objects {
        let what = What::Resource { group, resource, namespace, name };
        return match access::allows(world, identity, &Wanted { verb, what }) {
            Some(_) => Ok(()),
            None => Err(refused(&identity.user, verb, group, resource, namespace, name)),
        };
    }
    let verb = asked.method.as_str().to_ascii_lowercase();
    match access::allows(world, identity, &Wanted { verb: &verb, what: What::Path(&asked.path) }) {
        Some(_) => Ok(()),
        None => {
            let message = format!("forbidden: User {} cannot {verb} path {}", quoted(&identity.user), quoted(&asked.path));
            Err(Failure::new(403, "Forbidden", message).detail("kind", ""))
        }
    }
}

/// What a request for objects is judged by.
struct Objects<'a> {
    verb: &'static str,
    group: &'a str,
    resource: String,
    namespace: &'a str,
    name: &'a str,
}

impl<'a> Objects<'a> {
    fn at(asked: &'a Asked, place: &'a Place, watched: bool) -> Self {
        let plural = place.kind.plural();
        let resource = place.subresource.map_or_else(|| plural.to_owned(), |part| format!("{plural}/{}", part.name));
        // A namespace stands in itself.
        let own = if plural == "namespaces" { place.name.as_deref().unwrap_or_default() } else { "" };
        let namespace = if own.is_empty() { place.namespace.as_str() } else { own };
        let chosen = || asked.query.text("fieldSelector").and_then(chosen_name);
        let name = place.name.as_deref().or_else(chosen).unwrap_or_default();
        Self { verb: verb(asked, place, watched), group: place.kind.group(), resource, namespace, name }
    }

    /// Objects of which nobody knows whether there are any: that is found out later.
    ///
    /// # Source
    /// `RequestInfoFactory.NewRequestInfo`.
    fn unserved(asked: &'a Asked) -> Option<Self> {
        let parts: Vec<&str> = asked.path.trim_matches('/').split('/').collect();
        let (group, rest) = match parts.as_slice() {
            ["api", _, rest @ ..] => ("", rest),
            ["apis", group, _, rest @ ..] => (*group, rest),
            _ => return None,
        };
        let (watched, rest) = match rest {
            ["watch", rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, "status" | "finalize", ..] => (*namespace, rest),
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            ["namespaces", namespace] => (*namespace, rest),
            rest => ("", rest),
        };
        let plural = rest.first().filter(|it| !it.is_empty())?;
        let resource = rest.get(2).map_or_else(|| (*plural).to_owned(), |part| format!("{plural}/{part}"));
        let name = rest.get(1).copied().unwrap_or_default();
        Some(Self { verb: verb_of(asked, !name.is_empty(), watched), group, resource, namespace, name })
    }
}

/// Becomes whom the headers of a request name, if who asks may.
///
/// # Errors
/// `BadRequest` for groups without a user, `Forbidden`.
pub fn impersonate(world: &World, asked: &mut Asked) -> Result<()> {
    let wanted = &asked.impersonated;
    if wanted.user.is_empty() {
        if wanted.groups.is_empty() && wanted.uid.is_empty() && wanted.extra.is_empty() {
            return Ok(());
        }
        // As Go shows the type.
        let list = |texts: &[String]| format!("[]string{{{}}}", texts.iter().map(|it| quoted(it)).collect::<Vec<_>>().join(", "));
        let groups = if wanted.groups.is_empty() { "[]string(nil)".to_owned() } else { list(&wanted.groups) };
        let extra: Vec<String> = wanted.extra.iter().map(|(key, values)| format!("{}:{}", quoted(key), list(values))).collect();
        let extra = if extra.is_empty() { "map[string][]string(nil)".to_owned() } else { format!("map[string][]string{{{}}}", extra.join(", ")) };
        let shown = format!("&user.DefaultInfo{{Name:\"\", UID:{}, Groups:{groups}, Extra:{extra}}}", quoted(&wanted.uid));
        return Err(Failure::bad_request(format!("requested {shown} without impersonating a user name")));
    }
    let may_of = |group: &str, resource: &str, namespace: &str, name: &str| {
        let what = What::Resource { group, resource, namespace, name };
        match access::allows(world, &asked.identity, &Wanted { verb: "impersonate", what }) {
            Some(_) => Ok(()),
            None => Err(refused(&asked.identity.user, "impersonate", group, resource, namespace, name)),
        }
    };
    let may = |resource: &str, namespace: &str, name: &str| may_of("", resource, namespace, name);
    let account = wanted.user.strip_prefix("system:serviceaccount:").and_then(|it| it.split_once(':'));
    match account {
        Some((namespace, name)) => may("serviceaccounts", namespace, name)?,
        None => may("users", "", &wanted.user)?,
    }
    for group in &wanted.groups {
        may("groups", "", group)?;
    }
    if !wanted.uid.is_empty() {
        may_of("authentication.k8s.io", "uids", "", &wanted.uid)?;
    }
    for (key, values) in &wanted.extra {
        for value in values {
            may_of("authentication.k8s.io", &format!("userextras/{key}"), "", value)?;
        }
    }
    let mut groups = wanted.groups.clone();
    if let Some((namespace, _)) = account.filter(|_| groups.is_empty()) {
        groups.extend(["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]);
    }
    let known: Vec<&str> = groups.iter().map(String::as_str).filter(|it| *it != "system:authenticated").collect();
    let identity = if wanted.user == "system:anonymous" { Identity::anonymous() } else { Identity::authenticated(&wanted.user, &known) };
    asked.identity = Identity { uid: wanted.uid.clone(), extra: wanted.extra.clone(), ..identity };
    Ok(())
}

/// The status of a review that asks whether somebody may do something.
pub fn review(world: &World, spec: &Value, identity: &Identity) -> Value {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let resource = &spec["resourceAttributes"];
    let allowed = if resource.is_object() {
        let (verb, group, namespace, name) = (text(resource, "verb"), text(resource, "group"), text(resource, "namespace"), text(resource, "name"));
        let part = text(resource, "subresource");
        let plural = text(resource, "resource");
        let full = if part.is_empty() { plural } else { format!("{plural}/{part}") };
        access::allows(world, identity, &Wanted { verb: &verb, what: What::Resource { group: &group, resource: &full, namespace: &namespace, name: &name } })
    } else {
        let path = &spec["nonResourceAttributes"];
        access::allows(world, identity, &Wanted { verb: &text(path, "verb"), what: What::Path(&text(path, "path")) })
    };
    match allowed.as_deref() {
        Some("") => json!({ "allowed": true }),
        Some(why) => json!({ "allowed": true, "reason": why }),
        None => json!({ "allowed": false }),
    }
}
