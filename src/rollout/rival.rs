//! Who else manages a workload, and may therefore take back what we do: client-side apply, GitOps tools, Helm, operators, autoscalers.

use serde_json::Value;

use super::object::{self, items, text};
use super::workload::Workload;
use crate::resource::Target;

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// One sentence for each rival that would undo a change of the template, naming it and what it will do.
pub fn warnings(workload: &Workload) -> Vec<String> {
    object_warnings(&workload.target(), workload.object())
}

/// The same for any object.
pub(super) fn object_warnings(target: &Target, object: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    if object::annotation(object, LAST_APPLIED).is_some() {
        warnings.push(format!("{target} is managed with `kubectl apply`: applying the same file again brings back what is taken back now"));
    }
    if let Some(sign) = argo_cd(object) {
        warnings.push(format!("{target} is managed by Argo CD ({sign}): it will restore what its repository says, so change it there too"));
    }
    if let Some(sign) =
        marked(object, &["kustomize.toolkit.fluxcd.io/", "helm.toolkit.fluxcd.io/"]).or_else(|| manager(object, &["kustomize-controller", "helm-controller"]))
    {
        warnings.push(format!("{target} is managed by Flux ({sign}): it will restore what its repository says, so change it there too"));
    }
    if let Some(sign) = helm(object) {
        warnings.push(format!("{target} belongs to a Helm release ({sign}): the next `helm upgrade` brings back what the chart says"));
    }
    if let Some(owner) = object::controller(object) {
        let owner = format!("{} {}", text(&owner["kind"]), text(&owner["name"]));
        warnings.push(format!("{target} is controlled by {owner}: its controller may restore what it wants"));
    }
    warnings
}

/// A sentence when an autoscaler was the last to set the replicas.
pub fn autoscaler_warning(workload: &Workload) -> Option<String> {
    let scaled = |entry: &&Value| {
        entry["subresource"] == "scale" && matches!(text(&entry["manager"]), "kube-controller-manager" | "horizontal-pod-autoscaler" | "keda-operator")
    };
    let by = items(&workload.object()["metadata"]["managedFields"]).iter().find(scaled)?;
    Some(format!("the replicas of {} are set by an autoscaler ({}): it will set them again", workload.target(), text(&by["manager"])))
}

/// A sentence when one of these HorizontalPodAutoscalers scales the target.
pub fn autoscaled(target: &Target, autoscalers: &[Value]) -> Option<String> {
    let scales = |autoscaler: &&Value| {
        let scaled = &autoscaler["spec"]["scaleTargetRef"];
        scaled["kind"] == target.resource.kind.as_ref() && scaled["name"] == target.name.as_str()
    };
    let found = autoscalers.iter().find(scales)?;
    let (least, most) = (found["spec"]["minReplicas"].as_i64().unwrap_or(1), &found["spec"]["maxReplicas"]);
    Some(format!("the replicas of {target} are set by an autoscaler (hpa/{}, from {least} to {most}): it will set them again", object::name(found)))
}

fn argo_cd(object: &Value) -> Option<String> {
    let instance = || {
        // Helm charts set this label too, and they name their manager.
        let name = object::label(object, "app.kubernetes.io/instance").filter(|_| object::label(object, "app.kubernetes.io/managed-by").is_none())?;
        manager(object, &["argocd-controller", "argocd-application-controller"]).map(|_| format!("label app.kubernetes.io/instance: {name}"))
    };
    marked(object, &["argocd.argoproj.io/"]).or_else(instance).or_else(|| manager(object, &["argocd-controller", "argocd-application-controller"]))
}

fn helm(object: &Value) -> Option<String> {
    // Flux's Helm controller says so itself, above.
    let release = object::annotation(object, "meta.helm.sh/release-name").map(|name| format!("release {name}"));
    let label = || (object::label(object, "app.kubernetes.io/managed-by") == Some("Helm")).then(|| "label app.kubernetes.io/managed-by: Helm".to_owned());
    release.or_else(label)
}

/// The first label or annotation under one of the prefixes.
fn marked(object: &Value, prefixes: &[&str]) -> Option<String> {
    let metadata = &object["metadata"];
    [("label", "labels"), ("annotation", "annotations")].into_iter().find_map(|(word, field)| {
        let keys = metadata[field].as_object()?;
        keys.keys().find(|key| prefixes.iter().any(|prefix| key.starts_with(prefix))).map(|key| format!("{word} {key}"))
    })
}

/// The first of these field managers that has written the object.
fn manager(object: &Value, names: &[&str]) -> Option<String> {
    let managers = items(&object["metadata"]["managedFields"]).iter().map(|entry| text(&entry["manager"]));
    managers.into_iter().find(|manager| names.contains(manager)).map(|manager| format!("field manager {manager}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_rival_is_named() {
        for (metadata, expected) in [
            (json!({}), ""),
            (json!({"annotations": {LAST_APPLIED: "{}"}}), "`kubectl apply`"),
            (
                json!({"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"}}),
                "Argo CD (annotation argocd.argoproj.io/tracking-id)",
            ),
            (
                json!({"labels": {"app.kubernetes.io/instance": "shop"}, "managedFields": [{"manager": "argocd-controller"}]}),
                "Argo CD (label app.kubernetes.io/instance: shop)",
            ),
            (json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}), "Flux (label kustomize.toolkit.fluxcd.io/name)"),
            (json!({"labels": {"helm.toolkit.fluxcd.io/name": "shop"}}), "Flux (label helm.toolkit.fluxcd.io/name)"),
            (json!({"labels": {"app.kubernetes.io/managed-by": "Helm", "app.kubernetes.io/instance": "shop"}}), "Helm release (label"),
            (json!({"annotations": {"meta.helm.sh/release-name": "shop"}}), "Helm release (release shop)"),
            (json!({"ownerReferences": [{"kind": "Rollout", "name": "web", "controller": true}]}), "controlled by Rollout web"),
        ] {
            let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata});
            object["metadata"]["name"] = "web".into();
            let warnings = warnings(&Workload::new(object).expect("a deployment"));
            assert_eq!(warnings.len(), usize::from(!expected.is_empty()), "{warnings:?}");
            assert!(warnings.iter().all(|warning| warning.contains(expected)), "{warnings:?} lacks {expected}");
        }
    }
}
