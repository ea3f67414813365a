//! `patch`: a merge patch (RFC 7386) of any object.

use serde_json::Value;

use super::change::{Change, Request};
use super::merge;
use crate::error::{Error, Result};
use crate::resource::Target;

/// Maps are merged, `()` removes, everything else, lists included, is replaced.
///
/// # Errors
/// `invalid` when the patch is no map, or would give the object another identity.
pub fn patch(target: &Target, object: &Value, body: &Value) -> Result<Change> {
    if !body.is_object() {
        return Err(Error::invalid("a patch is a map").hint("as in #{spec: #{replicas: 3}}").target(target));
    }
    for path in ["/apiVersion", "/kind", "/metadata/name", "/metadata/namespace", "/metadata/uid"] {
        if body.pointer(path).is_some_and(|value| object.pointer(path) != Some(value)) {
            return Err(Error::invalid(format!("a patch cannot change {}", path[1..].replace('/', "."))).target(target));
        }
    }
    let unchanged = merge::merge_patch(object, body) == *object;
    let (request, done) = if unchanged { (Request::Nothing, "patched (no change)") } else { (Request::MergePatch(body.clone()), "patched") };
    Ok(Change::new("patch", target.clone(), object, request, done))
}
