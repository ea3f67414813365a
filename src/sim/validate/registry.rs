//! What is checked of classes, certificate requests and admission.
//!
//! # Source
//! kubernetes 1.36.3 `pkg/apis/{scheduling,storage,node,certificates,admissionregistration}/validation/validation.go`.

use super::super::base64;
use super::super::kinds::Kind;
use super::super::names;
use super::{Errors, items, text};
use crate::sim::json::{Value, json};

/// The highest priority that is not the system's own.
const HIGHEST_PRIORITY: i64 = 1_000_000_000;

/// The classes that begin with `system-`, and their values.
const SYSTEM_CLASSES: [(&str, i64); 2] = [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

pub fn content(errors: &mut Errors, kind: Kind, object: &Value, old: Option<&Value>) {
    match kind {
        Kind::PRIORITYCLASSES => priority_class(errors, object, old),
        Kind::STORAGECLASSES => storage_class(errors, object, old),
        Kind::RUNTIMECLASSES => runtime_class(errors, object, old),
        Kind::CERTIFICATESIGNINGREQUESTS if old.is_none() => signing_request(errors, object),
        Kind::IPADDRESSES => address(errors, object, old),
        Kind::VALIDATINGWEBHOOKCONFIGURATIONS | Kind::MUTATINGWEBHOOKCONFIGURATIONS => webhooks(errors, object),
        _ => {}
    }
}

fn address(errors: &mut Errors, object: &Value, old: Option<&Value>) {
    let parent = &object["spec"]["parentRef"];
    if parent.is_null() {
        errors.required("spec.parentRef", "");
    } else {
        for (field, is_needed, check) in [
            ("group", false, names::dns_subdomain as names::Check),
            ("resource", true, names::path_segment),
            ("name", true, names::path_segment),
            ("namespace", false, names::path_segment),
        ] {
            match text(parent, field) {
                "" if is_needed => errors.required(format!("spec.parentRef.{field}"), ""),
                "" => {}
                value => errors.check(&format!("spec.parentRef.{field}"), value, check),
            }
        }
    }
    if let Some(old) = old {
        errors.immutable("spec.parentRef", parent, &old["spec"]["parentRef"]);
    }
}

fn priority_class(errors: &mut Errors, object: &Value, old: Option<&Value>) {
    let (name, value) = (text(&object["metadata"], "name"), object["value"].as_i64().unwrap_or(0));
    if let Some(old) = old {
        if object["value"] != old["value"] {
            errors.forbidden("value", "may not be changed in an update.");
        }
        errors.immutable("preemptionPolicy", &object["preemptionPolicy"], &old["preemptionPolicy"]);
        return;
    }
    if name.starts_with("system-") {
        let why = match SYSTEM_CLASSES.iter().find(|(known, _)| *known == name) {
            None => Some(format!("{name} is not a known system priority class")),
            Some((_, own)) if *own != value => Some(format!("value of {name} PriorityClass must be {own}")),
            Some(_) if object["globalDefault"] == true => Some(format!("globalDefault of {name} PriorityClass must be false")),
            Some(_) => None,
        };
        if let Some(why) = why {
            errors.forbidden("metadata.name", format!("priority class names with 'system-' prefix are reserved for system use only. error: {why}"));
        }
    } else if value > HIGHEST_PRIORITY {
        errors.forbidden("value", format!("maximum allowed value of a user defined priority is {HIGHEST_PRIORITY}"));
    }
    supported(errors, "preemptionPolicy", &object["preemptionPolicy"], &["PreemptLowerPriority", "Never"]);
}

fn supported(errors: &mut Errors, field: &str, value: &Value, known: &[&str]) {
    if !value.is_null() && !known.iter().any(|it| value == it) {
        errors.unsupported(field, value, known);
    }
}

fn storage_class(errors: &mut Errors, object: &Value, old: Option<&Value>) {
    if let Some(old) = old {
        for field in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
            errors.immutable(field, &object[field], &old[field]);
        }
        return;
    }
    match text(object, "provisioner") {
        "" => errors.required("provisioner", ""),
        provisioner => errors.check("provisioner", &provisioner.to_lowercase(), names::label_key),
    }
    supported(errors, "reclaimPolicy", &object["reclaimPolicy"], &["Delete", "Retain"]);
    supported(errors, "volumeBindingMode", &object["volumeBindingMode"], &["Immediate", "WaitForFirstConsumer"]);
}

fn runtime_class(errors: &mut Errors, object: &Value, old: Option<&Value>) {
    if let Some(old) = old {
        errors.immutable("handler", &object["handler"], &old["handler"]);
        return;
    }
    match text(object, "handler") {
        "" => errors.required("handler", ""),
        handler => errors.check("handler", handler, names::dns_label),
    }
}

fn signing_request(errors: &mut Errors, object: &Value) {
    let spec = &object["spec"];
    let bytes = base64::decode(text(spec, "request")).unwrap_or_default();
    let request = String::from_utf8_lossy(&bytes);
    if !request.contains("-----BEGIN CERTIFICATE REQUEST-----") {
        errors.invalid("spec.request", spec["request"].clone(), "PEM block type must be CERTIFICATE REQUEST");
    }
    if items(&spec["usages"]).is_empty() {
        errors.required("spec.usages", "");
    }
    match text(spec, "signerName") {
        "" => errors.required("spec.signerName", ""),
        signer if !signer.contains('/') => {
            errors.invalid("spec.signerName", signer, "must be a fully qualified domain and path of the form 'example.com/signer-name'");
        }
        _ => {}
    }
    if let Some(seconds) = spec["expirationSeconds"].as_i64().filter(|it| *it < 600) {
        errors.invalid("spec.expirationSeconds", json!(seconds), "may not specify a duration less than 600 seconds (10 minutes)");
    }
}

fn webhooks(errors: &mut Errors, object: &Value) {
    for (at, webhook) in items(&object["webhooks"]).iter().enumerate() {
        let field = |name: &str| format!("webhooks[{at}].{name}");
        let name = text(webhook, "name");
        if name.is_empty() {
            errors.required(field("name"), "");
        } else {
            errors.check(&field("name"), name, names::dns_subdomain);
            if name.split('.').count() < 3 {
                errors.invalid(field("name"), name, "should be a domain with at least three segments separated by dots");
            }
        }
        let known = ["None", "NoneOnDryRun"];
        if webhook["sideEffects"].is_null() {
            errors.required(field("sideEffects"), "must specify one of None, NoneOnDryRun");
        } else {
            supported(errors, &field("sideEffects"), &webhook["sideEffects"], &known);
        }
        if let Some(seconds) = webhook["timeoutSeconds"].as_i64().filter(|it| !(1..=30).contains(it)) {
            errors.invalid(field("timeoutSeconds"), json!(seconds), "the timeout value must be between 1 and 30 seconds");
        }
        let to = &webhook["clientConfig"];
        if to["url"].is_null() == to["service"].is_null() {
            errors.required(field("clientConfig"), "exactly one of url or service is required");
        }
        if items(&webhook["admissionReviewVersions"]).is_empty() {
            errors.required(field("admissionReviewVersions"), "must specify one of v1, v1beta1");
        }
    }
}
