//! `delete`: an object, and by the garbage collector what it owns.

use serde_json::Value;

use super::change::{Change, Request};
use crate::error::{Error, Result};
use crate::resource::Target;

/// # Errors
/// `invalid`: a propagation policy that there is not.
pub fn delete(target: &Target, object: &Value, propagation: &str) -> Result<Change> {
    let Some(propagation) = ["Background", "Foreground", "Orphan"].into_iter().find(|known| known.eq_ignore_ascii_case(propagation)) else {
        return Err(Error::invalid(format!("{propagation:?} is no propagation policy")).hint("Background, Foreground and Orphan are").target(target));
    };
    let mut change = Change::new("delete", target.clone(), object, Request::Delete { propagation }, "");
    let kind = match target.resource.group.as_ref() {
        "" => target.resource.singular.to_string(),
        group => format!("{}.{group}", target.resource.singular),
    };
    let place = target.namespace.as_deref().map(|namespace| format!(" from {namespace} namespace")).unwrap_or_default();
    change.done = format!("{kind} \"{}\" deleted{place}", target.name);
    Ok(change)
}
