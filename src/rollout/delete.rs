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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::POD;
    use crate::rollout::sample::{deployment, workload};

    #[test]
    fn a_deletion_has_kubectls_words_and_a_known_policy() {
        let object = deployment("a");
        let target = workload(object.clone()).target();
        let change = delete(&target, &object, "background").expect("a change");
        assert_eq!(
            (&change.request, change.done.as_str()),
            (&Request::Delete { propagation: "Background" }, "deployment.apps \"web\" deleted from shop namespace")
        );
        assert_eq!(change.predicted().expect("gone"), Value::Null);
        let pod = Target::new(&POD, Some("shop"), "p");
        assert_eq!(delete(&pod, &Value::Null, "Orphan").expect("a change").done, "pod \"p\" deleted from shop namespace");
        assert!(delete(&target, &object, "Later").is_err());
    }
}
