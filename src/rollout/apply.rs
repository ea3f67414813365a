//! `apply`: a manifest, as server-side apply.

use serde_json::{Map, Value};

use super::change::{Change, Request};
use super::object::{named, text};
use crate::error::{Error, Result};
use crate::resource::{Resource, Target};

/// What the server writes itself; manifests that were read from a cluster have it, and apply refuses it or takes it for a condition.
const SERVERS: &[&str] =
    &["creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"];

/// Where a manifest of a resource belongs; `namespace` is for one that names none.
///
/// # Errors
/// `invalid`: no name, `generateName`, a namespace on what has none.
pub fn target(resource: &Resource, manifest: &Value, namespace: &str) -> Result<Target> {
    let metadata = &manifest["metadata"];
    if metadata["name"].is_null() && metadata["generateName"].is_string() {
        return Err(Error::invalid("a manifest with generateName cannot be applied").hint("give it a metadata.name"));
    }
    let name = named(manifest)?;
    let namespace = match text(&metadata["namespace"]) {
        "" => namespace,
        own => own,
    };
    Ok(Target::new(resource, resource.namespaced.then_some(namespace), name))
}

/// `before` is the object as it is, `Null` when there is none.
///
/// # Errors
/// `invalid` when the manifest is no object of that kind.
pub fn apply(target: &Target, before: &Value, manifest: &Value, force: bool) -> Result<Change> {
    let resource = &target.resource;
    let Value::Object(fields) = manifest else {
        return Err(Error::invalid("a manifest is a map").target(target));
    };
    if manifest["apiVersion"] != resource.api_version() || manifest["kind"] != resource.kind.as_ref() || manifest["metadata"]["name"] != target.name.as_str() {
        return Err(Error::invalid(format!("the manifest is not one of {target}")).target(target));
    }
    let mut fields: Map<String, Value> = fields.clone();
    let mut dropped: Vec<String> = fields.remove("status").map(|_| "status".to_owned()).into_iter().collect();
    if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
        let theirs = SERVERS.iter().filter(|field| metadata.remove(**field).is_some_and(|value| !value.is_null()));
        dropped.extend(theirs.map(|field| format!("metadata.{field}")));
        if let Some(namespace) = &target.namespace {
            metadata.insert("namespace".into(), namespace.as_str().into());
        }
    }
    let mut change = Change::new("apply", target.clone(), before, Request::Apply { object: Value::Object(fields), force }, "serverside-applied");
    if !dropped.is_empty() {
        change.warnings.push(format!("the manifest of {target} has fields that only the server writes, and they are left out: {}", dropped.join(", ")));
    }
    Ok(change)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::resource::DEPLOYMENT;
    use crate::rollout::sample::deployment;

    #[test]
    fn a_manifest_goes_to_its_own_namespace_or_to_the_sessions() {
        let manifest = |metadata: Value| json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata});
        let namespace = |metadata: Value| target(&DEPLOYMENT, &manifest(metadata), "here").map(|it| it.namespace.unwrap_or_default());
        assert_eq!(namespace(json!({"name": "web"})).expect("a target"), "here");
        assert_eq!(namespace(json!({"name": "web", "namespace": "there"})).expect("a target"), "there");
        assert_eq!(namespace(json!({"generateName": "web-"})).expect_err("refused").message(), "a manifest with generateName cannot be applied");
        assert_eq!(namespace(json!({})).expect_err("refused").message(), "metadata.name is missing");
    }

    #[test]
    fn what_only_the_server_writes_is_left_out_and_said() {
        let manifest = deployment("shop/web:2");
        let target = target(&DEPLOYMENT, &manifest, "here").expect("a target");
        let change = apply(&target, &deployment("shop/web:1"), &manifest, false).expect("a change");
        let Request::Apply { object, force: false } = &change.request else { panic!("{:?}", change.request) };
        assert_eq!(object["metadata"], json!({"name": "web", "namespace": "shop"}));
        assert_eq!(object.get("status"), None);
        assert_eq!(
            change.warnings,
            [
                "the manifest of deployment/web has fields that only the server writes, and they are left out: status, metadata.generation, metadata.resourceVersion, metadata.uid"
            ]
        );
        assert_eq!(change.done, "deployment.apps/web serverside-applied");
        assert_eq!(change.predicted().expect("fits")["spec"]["template"]["spec"]["containers"][0]["image"], "shop/web:2");
    }

    #[test]
    fn a_manifest_of_another_kind_is_refused() {
        let target = Target::new(&DEPLOYMENT, Some("shop"), "web");
        assert!(apply(&target, &Value::Null, &json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}}), false).is_err());
        assert!(apply(&target, &Value::Null, &json!("text"), false).is_err());
    }
}
