//! Whether who asks may have what is asked for.
//!
//! Whoever showed who it is may do all, others may ask for health and version only: roles are not looked at.

use http::Method;

use super::super::failure::{Failure, Result, quoted};
use super::super::route::{Place, Route};
use super::Asked;

/// The verb of a request for objects, as roles name it.
pub fn verb(asked: &Asked, place: &Place, watched: bool) -> &'static str {
    match (&asked.method, &place.name) {
        (&Method::GET | &Method::HEAD, _) if watched || asked.query.flag("watch") => "watch",
        (&Method::GET | &Method::HEAD, Some(_)) => "get",
        (&Method::GET | &Method::HEAD, None) => "list",
        (&Method::POST, _) => "create",
        (&Method::PUT, _) => "update",
        (&Method::PATCH, _) => "patch",
        (&Method::DELETE, Some(_)) => "delete",
        (&Method::DELETE, None) => "deletecollection",
        _ => "",
    }
}

/// # Errors
/// `Forbidden`.
pub fn check(asked: &Asked, route: &Route, watched: bool) -> Result<()> {
    if !asked.identity.is_anonymous() || matches!(route, Route::Health | Route::Version) {
        return Ok(());
    }
    let user = quoted(&asked.identity.user);
    let Route::Place(place) = route else {
        let method = asked.method.as_str().to_ascii_lowercase();
        return Err(Failure::new(403, "Forbidden", format!("forbidden: User {user} cannot {method} path {}", quoted(&asked.path))));
    };
    let mut resource = place.kind.plural().to_owned();
    if let Some(part) = place.subresource {
        resource = format!("{resource}/{}", part.name);
    }
    let scope = if place.namespace.is_empty() { "at the cluster scope".to_owned() } else { format!("in the namespace {}", quoted(&place.namespace)) };
    let why = format!("User {user} cannot {} resource {} in API group {} {scope}", verb(asked, place, watched), quoted(&resource), quoted(place.kind.group()));
    Err(Failure::forbidden(place.kind, place.name.as_deref().unwrap_or_default(), &why))
}
