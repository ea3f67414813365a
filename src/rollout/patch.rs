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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rollout::sample::{deployment, workload};

    #[test]
    fn a_patch_merges_and_says_when_it_changes_nothing() {
        let object = deployment("a");
        let target = workload(object.clone()).target();
        let change = patch(&target, &object, &json!({"spec": {"replicas": 5, "progressDeadlineSeconds": null}})).expect("a change");
        let after = change.predicted().expect("fits");
        assert_eq!(
            (change.done.as_str(), &after["spec"]["replicas"], after["spec"].get("progressDeadlineSeconds")),
            ("deployment.apps/web patched", &json!(5), None)
        );
        let same = patch(&target, &object, &json!({"spec": {"replicas": 3}})).expect("nothing");
        assert_eq!((same.request, same.done.as_str()), (Request::Nothing, "deployment.apps/web patched (no change)"));
    }

    #[test]
    fn an_identity_cannot_be_patched() {
        let object = deployment("a");
        let target = workload(object.clone()).target();
        assert_eq!(patch(&target, &object, &json!({"metadata": {"name": "other"}})).expect_err("refused").message(), "a patch cannot change metadata.name");
        assert!(patch(&target, &object, &json!({"metadata": {"name": "web"}, "spec": {"replicas": 1}})).is_ok());
        assert!(patch(&target, &object, &json!([1])).is_err());
    }
}
