//! The service account of a pod: which it is, the token that its containers find, and what it keeps the pod from using.
//!
//! # Source
//! kubernetes 1.36.3 `plugin/pkg/admission/serviceaccount/admission.go`.

use super::super::failure::{Failure, Result};
use super::super::kinds::Kind;
use super::super::world::World;
use super::{asked_name, items, text};
use crate::sim::json::{Value, json};

/// Where pods find the token of their service account.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Says that pods of an account may use only the secrets that it lists.
const MOUNTABLE: &str = "kubernetes.io/enforce-mountable-secrets";

/// Marks a pod that a kubelet made from a file of its own.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// Gives a new pod its account, and with it what the account brings.
///
/// # Errors
/// `Forbidden` for an account that is not there, and for what it keeps the pod from.
pub fn complete(world: &mut World, pod: &mut Value) -> Result<()> {
    if !pod["metadata"]["annotations"][MIRROR].is_null() {
        return mirror(pod);
    }
    let namespace = text(&pod["metadata"], "namespace").to_owned();
    let named = text(&pod["spec"], "serviceAccountName").to_owned();
    let account = if named.is_empty() { "default".to_owned() } else { named };
    let found = world.find(Kind::SERVICEACCOUNTS, &namespace, &account).cloned();
    // The real server waits a moment for the account of a namespace that was just made; here it comes as soon as the controllers run.
    if found.is_none() && account != "default" {
        let why = format!("error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found");
        return Err(Failure::forbidden(Kind::PODS, asked_name(&pod["metadata"]), &why));
    }
    let spec = &mut pod["spec"];
    spec["serviceAccountName"] = account.as_str().into();
    spec["serviceAccount"] = account.as_str().into();
    let found = found.unwrap_or_default();
    if spec["imagePullSecrets"].as_array().is_none_or(<[Value]>::is_empty) && found["imagePullSecrets"].as_array().is_some_and(|it| !it.is_empty()) {
        spec["imagePullSecrets"] = found["imagePullSecrets"].clone();
    }
    let mounts_token = spec["automountServiceAccountToken"].as_bool().or(found["automountServiceAccountToken"].as_bool()).unwrap_or(true);
    if mounts_token {
        mount_token(world, spec);
    }
    if found["metadata"]["annotations"][MOUNTABLE].as_str().is_some_and(|it| matches!(it, "true" | "1" | "t" | "T" | "TRUE" | "True")) {
        mountable(pod, &found, &account)?;
    }
    Ok(())
}

/// A pod that a kubelet made by itself gets nothing, and may name nothing.
fn mirror(pod: &Value) -> Result<()> {
    let refused = |what: &str| Err(Failure::forbidden(Kind::PODS, asked_name(&pod["metadata"]), &format!("a mirror pod may not reference {what}")));
    if !text(&pod["spec"], "serviceAccountName").is_empty() {
        return refused("service accounts");
    }
    if !secrets(&pod["spec"]).is_empty() {
        return refused("secrets");
    }
    Ok(())
}

/// The secrets that a pod uses, each with the words for how.
fn secrets(spec: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for volume in items(spec, "volumes") {
        found.extend(volume["secret"]["secretName"].as_str().map(|name| (name.to_owned(), "volume with".to_owned())));
    }
    for (list, called) in [("initContainers", "init container"), ("containers", "container"), ("ephemeralContainers", "ephemeral container")] {
        for container in items(spec, list) {
            let who = format!("{called} {}", text(container, "name"));
            for variable in items(container, "env") {
                let name = variable["valueFrom"]["secretKeyRef"]["name"].as_str();
                found.extend(name.map(|name| (name.to_owned(), format!("{who} with envVar {} referencing", text(variable, "name")))));
            }
            for source in items(container, "envFrom") {
                found.extend(source["secretRef"]["name"].as_str().map(|name| (name.to_owned(), format!("{who} with envFrom referencing"))));
            }
        }
    }
    found
}

/// Refuses what an account that says so does not list among its secrets.
fn mountable(pod: &Value, account: &Value, name: &str) -> Result<()> {
    let lists = |field: &str, secret: &str| items(account, field).iter().any(|it| it["name"] == secret);
    let refused = |why: String| Err(Failure::forbidden(Kind::PODS, asked_name(&pod["metadata"]), &why));
    for (secret, how) in secrets(&pod["spec"]) {
        if !lists("secrets", &secret) {
            return refused(format!("{how} secret.secretName=\"{secret}\" is not allowed because service account {name} does not reference that secret"));
        }
    }
    for (at, secret) in items(&pod["spec"], "imagePullSecrets").iter().enumerate() {
        let secret = text(secret, "name");
        if !lists("imagePullSecrets", secret) {
            return refused(format!(
                "imagePullSecrets[{at}].name=\"{secret}\" is not allowed because service account {name} does not reference that imagePullSecret"
            ));
        }
    }
    Ok(())
}

fn mount_token(world: &mut World, spec: &mut Value) {
    let has_token = |mount: &Value| mount["mountPath"] == TOKEN_PATH;
    let lists = ["initContainers", "containers"];
    let lacking = |container: &Value| !container["volumeMounts"].as_array().is_some_and(|it| it.iter().any(has_token));
    let any = lists.iter().any(|list| spec[*list].as_array().is_some_and(|it| it.iter().any(lacking)));
    if !any {
        return;
    }
    let given = spec["volumes"]
        .as_array()
        .and_then(|it| it.iter().filter_map(|it| it["name"].as_str()).find(|it| it.starts_with("kube-api-access-")))
        .map(str::to_owned);
    let name = given.clone().unwrap_or_else(|| format!("kube-api-access-{}", world.random_letters(5)));
    for list in lists {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if lacking(container) {
                let mut mounts = container["volumeMounts"].as_array().unwrap_or_default().to_vec();
                mounts.push(json!({ "name": name, "readOnly": true, "mountPath": TOKEN_PATH }));
                container["volumeMounts"] = Value::from(mounts);
            }
        }
    }
    if given.is_none() {
        let mut volumes = spec["volumes"].as_array().unwrap_or_default().to_vec();
        volumes.push(json!({ "name": name, "projected": { "defaultMode": 420, "sources": [
            { "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } },
            { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
            { "downwardAPI": { "items": [{ "path": "namespace", "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } }] } },
        ] } }));
        spec["volumes"] = Value::from(volumes);
    }
}
