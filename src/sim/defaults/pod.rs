//! The defaults of pods and of the templates that pods are made from.

use super::{fill, present};
use crate::sim::json::{Value, json};

pub fn template(template: &mut Value) {
    if template.is_object() {
        fill(template, "spec", json!({}));
        spec(&mut template["spec"]);
    }
}

/// What a pod and a template have in common.
pub fn spec(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    fill(spec, "dnsPolicy", "ClusterFirst");
    fill(spec, "restartPolicy", "Always");
    fill(spec, "securityContext", json!({}));
    fill(spec, "terminationGracePeriodSeconds", 30);
    fill(spec, "schedulerName", "default-scheduler");
    // The two names of one field.
    if spec["serviceAccountName"].is_null() && !spec["serviceAccount"].is_null() {
        spec["serviceAccountName"] = spec["serviceAccount"].clone();
    }
    if !spec["serviceAccountName"].is_null() {
        spec["serviceAccount"] = spec["serviceAccountName"].clone();
    } else if let Some(map) = spec.as_object_mut() {
        map.remove("serviceAccountName");
        map.remove("serviceAccount");
    }
    for list in ["containers", "initContainers", "ephemeralContainers"] {
        present(spec, list).for_each(container);
    }
    present(spec, "volumes").for_each(volume);
}

fn container(container: &mut Value) {
    let policy = if is_latest(container["image"].as_str().unwrap_or_default()) { "Always" } else { "IfNotPresent" };
    fill(container, "imagePullPolicy", policy);
    fill(container, "terminationMessagePath", "/dev/termination-log");
    fill(container, "terminationMessagePolicy", "File");
    fill(container, "resources", json!({}));
    present(container, "ports").for_each(|port| fill(port, "protocol", "TCP"));
    for variable in present(container, "env") {
        if variable["valueFrom"]["fieldRef"].is_object() {
            fill(&mut variable["valueFrom"]["fieldRef"], "apiVersion", "v1");
        }
        if variable["valueFrom"]["resourceFieldRef"].is_object() {
            fill(&mut variable["valueFrom"]["resourceFieldRef"], "divisor", "0");
        }
        tidy(variable, "valueFrom");
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(name).filter(|it| it.is_object()) {
            fill(probe, "timeoutSeconds", 1);
            fill(probe, "periodSeconds", 10);
            fill(probe, "successThreshold", 1);
            fill(probe, "failureThreshold", 3);
            handler(probe);
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(hook) = container.get_mut("lifecycle").and_then(|it| it.get_mut(hook)).filter(|it| it.is_object()) {
            handler(hook);
        }
    }
}

/// Takes away what looking at an absent child left behind.
fn tidy(object: &mut Value, key: &str) {
    if object[key].is_null()
        && let Some(map) = object.as_object_mut()
    {
        map.remove(key);
    }
}

fn handler(handler: &mut Value) {
    if let Some(get) = handler.get_mut("httpGet").filter(|it| it.is_object()) {
        fill(get, "path", "/");
        fill(get, "scheme", "HTTP");
    }
    if let Some(grpc) = handler.get_mut("grpc").filter(|it| it.is_object()) {
        fill(grpc, "service", "");
    }
}

fn volume(volume: &mut Value) {
    let has_source = volume.as_object().is_some_and(|it| it.iter().any(|(key, value)| key != "name" && !value.is_null()));
    if !has_source {
        volume["emptyDir"] = json!({});
    }
    for (source, mode) in [("secret", 420), ("configMap", 420), ("downwardAPI", 420), ("projected", 420)] {
        if let Some(source) = volume.get_mut(source).filter(|it| it.is_object()) {
            fill(source, "defaultMode", mode);
        }
    }
    if let Some(path) = volume.get_mut("hostPath").filter(|it| it.is_object()) {
        fill(path, "type", "");
    }
    let files = |source: &mut Value| {
        for item in present(source, "items") {
            if item["fieldRef"].is_object() {
                fill(&mut item["fieldRef"], "apiVersion", "v1");
            }
            if item["resourceFieldRef"].is_object() {
                fill(&mut item["resourceFieldRef"], "divisor", "0");
            }
            tidy(item, "fieldRef");
            tidy(item, "resourceFieldRef");
        }
    };
    if let Some(source) = volume.get_mut("downwardAPI") {
        files(source);
    }
    if let Some(projected) = volume.get_mut("projected") {
        for source in present(projected, "sources") {
            if let Some(source) = source.get_mut("downwardAPI") {
                files(source);
            }
            if let Some(token) = source.get_mut("serviceAccountToken").filter(|it| it.is_object()) {
                fill(token, "expirationSeconds", 3600);
            }
        }
    }
    if let Some(claim) =
        volume.get_mut("ephemeral").and_then(|it| it.get_mut("volumeClaimTemplate")).and_then(|it| it.get_mut("spec")).filter(|it| it.is_object())
    {
        fill(claim, "volumeMode", "Filesystem");
    }
}

/// Whether an image is always pulled anew: it has no tag or the tag `latest`, and no digest.
pub fn is_latest(image: &str) -> bool {
    let (name, digest) = image.split_once('@').map_or((image, false), |(name, _)| (name, true));
    let last = name.rsplit('/').next().unwrap_or(name);
    match last.split_once(':') {
        Some((_, tag)) => tag == "latest",
        None => !digest,
    }
}

/// What a pod has beyond a template.
pub fn pod(spec: &mut Value) {
    if spec["hostNetwork"] == true {
        for list in ["containers", "initContainers"] {
            for container in present(spec, list) {
                for port in present(container, "ports") {
                    if port["hostPort"].is_null() {
                        port["hostPort"] = port["containerPort"].clone();
                    }
                }
            }
        }
    }
    // The server reads what is less than none as the least.
    if spec["terminationGracePeriodSeconds"].as_i64().is_some_and(|it| it < 0) {
        spec["terminationGracePeriodSeconds"] = 1.into();
    }
    for list in ["containers", "initContainers"] {
        for container in present(spec, list) {
            for (key, value) in container["resources"]["limits"].as_object().cloned().into_iter().flatten() {
                fill(&mut container["resources"], "requests", json!({}));
                fill(&mut container["resources"]["requests"], &key, value);
            }
        }
    }
    fill(spec, "enableServiceLinks", true);
}
