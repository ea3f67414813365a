//! ConfigMaps, Secrets, ControllerRevisions, claims, Nodes, Leases and Events.

use super::super::kinds::Kind;
use super::pod::amount_of;
use super::{Errors, FieldError, entries, items, names, text};
use crate::sim::json::Value;

/// The largest size of all data together.
const DATA_MOST: usize = 1024 * 1024;

pub fn content(errors: &mut Errors, kind: Kind, object: &Value, old: Option<&Value>) {
    match kind {
        Kind::CONFIGMAPS => config_map(errors, object, old),
        Kind::SECRETS => secret(errors, object, old),
        Kind::CONTROLLERREVISIONS => {
            errors.not_negative("revision", &object["revision"]);
            if let Some(old) = old {
                errors.immutable("data", &object["data"], &old["data"]);
            }
        }
        Kind::PERSISTENTVOLUMECLAIMS => claim(errors, object, old),
        Kind::NODES => node(errors, object),
        Kind::LEASES => {
            let spec = &object["spec"];
            if spec["leaseDurationSeconds"].as_i64().is_some_and(|it| it <= 0) {
                errors.invalid("spec.leaseDurationSeconds", spec["leaseDurationSeconds"].clone(), "must be greater than 0");
            }
            errors.not_negative("spec.leaseTransitions", &spec["leaseTransitions"]);
            if spec["holderIdentity"] == "" {
                errors.invalid("spec.holderIdentity", "", "must not be empty");
            }
        }
        Kind::EVENTS => event(errors, object),
        _ => {}
    }
}

/// What only a new ControllerRevision must have.
pub fn revision_data(errors: &mut Errors, object: &Value) {
    match &object["data"] {
        Value::Object(_) => {}
        Value::Null => errors.required("data", "data is mandatory"),
        _ => errors.required("data", "data must be a valid JSON object"),
    }
}

fn frozen(errors: &mut Errors, object: &Value, old: Option<&Value>, fields: &[&str]) {
    const WHY: &str = "field is immutable when `immutable` is set";
    let Some(old) = old.filter(|it| it["immutable"] == true) else { return };
    if object["immutable"] != true {
        errors.forbidden("immutable", WHY);
    }
    for field in fields.iter().filter(|it| object[**it] != old[**it]) {
        errors.forbidden(*field, WHY);
    }
}

fn size(value: &Value) -> usize {
    value.as_str().map_or(0, str::len)
}

fn config_map(errors: &mut Errors, object: &Value, old: Option<&Value>) {
    frozen(errors, object, old, &["data", "binaryData"]);
    let mut total = 0;
    for field in ["data", "binaryData"] {
        for (key, value) in entries(&object[field]) {
            errors.check(&format!("{field}[{key}]"), key, names::config_key);
            if field == "data" && !object["binaryData"][key].is_null() {
                errors.invalid(format!("data[{key}]"), key.as_str(), "duplicate of key present in binaryData");
            }
            total += size(value);
        }
    }
    if total > DATA_MOST {
        errors.push(FieldError::too_long("", DATA_MOST));
    }
}

fn secret(errors: &mut Errors, object: &Value, old: Option<&Value>) {
    if let Some(old) = old {
        errors.immutable("type", &object["type"], &old["type"]);
    }
    frozen(errors, object, old, &["data"]);
    let mut total = 0;
    for (key, value) in entries(&object["data"]) {
        errors.check(&format!("data[{key}]"), key, names::config_key);
        total += size(value) / 4 * 3;
    }
    if total > DATA_MOST {
        errors.push(FieldError::too_long("data", DATA_MOST));
    }
    let has = |key: &str| !object["data"][key].is_null();
    let needed: &[&str] = match text(object, "type") {
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => &["username", "password"],
        _ => &[],
    };
    for key in needed.iter().filter(|it| !has(it)) {
        errors.required(format!("data[{key}]"), "");
    }
    for key in [".dockercfg", ".dockerconfigjson"].iter().filter(|key| needed.contains(key)) {
        let text = object["data"][*key].as_str().and_then(crate::sim::base64::decode);
        if let Some(why) = text.and_then(|text| crate::sim::schema::parse::parse(&text).err()) {
            errors.invalid(format!("data[{key}]"), "<secret contents redacted>", why);
        }
    }
    let account = "kubernetes.io/service-account.name";
    if text(object, "type") == "kubernetes.io/service-account-token" && text(&object["metadata"]["annotations"], account).is_empty() {
        errors.required(format!("metadata.annotations[{account}]"), "");
    }
}

fn claim(errors: &mut Errors, object: &Value, old: Option<&Value>) {
    let spec = &object["spec"];
    if items(&spec["accessModes"]).is_empty() {
        errors.required("spec.accessModes", "at least 1 access mode is required");
    }
    for mode in items(&spec["accessModes"]) {
        if !matches!(mode.as_str(), Some("ReadWriteOnce" | "ReadOnlyMany" | "ReadWriteMany" | "ReadWriteOncePod")) {
            errors.unsupported("spec.accessModes", mode, &["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"]);
        }
    }
    match &spec["resources"]["requests"]["storage"] {
        Value::Null => errors.required("spec.resources[storage]", ""),
        size if amount_of(size) <= 0.0 => {
            errors.invalid("spec.resources[storage]", size.clone(), "must be greater than zero");
        }
        _ => {}
    }
    if let Some(old) = old {
        let fixed = |spec: &Value| {
            let mut rest = spec.as_object().cloned().unwrap_or_default();
            ["resources", "volumeName", "volumeAttributesClassName"].iter().for_each(|it| {
                rest.remove(it);
            });
            rest
        };
        let mut before = fixed(&old["spec"]);
        // A claim without a class may be given one later.
        if before.get("storageClassName").is_none() && spec["storageClassName"].is_string() {
            before.insert("storageClassName".to_owned(), spec["storageClassName"].clone());
        }
        if fixed(spec) != before {
            errors.forbidden("spec", "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims");
        }
    }
}

fn node(errors: &mut Errors, object: &Value) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (at, taint) in items(&object["spec"]["taints"]).iter().enumerate() {
        let field = format!("spec.taints[{at}]");
        errors.check(&format!("{field}.key"), text(taint, "key"), names::label_key);
        errors.check(&format!("{field}.value"), text(taint, "value"), names::label_value);
        let effect = text(taint, "effect");
        match effect {
            "NoSchedule" | "PreferNoSchedule" | "NoExecute" => {}
            "" => errors.required(format!("{field}.effect"), ""),
            _ => errors.unsupported(format!("{field}.effect"), &taint["effect"], &["NoSchedule", "PreferNoSchedule", "NoExecute"]),
        }
        let place = (text(taint, "key"), effect);
        if seen.contains(&place) {
            errors.push(FieldError::duplicate(field, taint.clone()));
        }
        seen.push(place);
    }
}

fn event(errors: &mut Errors, object: &Value) {
    let involved = &object["involvedObject"];
    let (own, named) = (text(&object["metadata"], "namespace"), text(involved, "namespace"));
    // What is outside of namespaces has its events in one of two.
    let fits = if named.is_empty() { own == "default" || own == "kube-system" } else { own == named };
    if !fits {
        errors.invalid("involvedObject.namespace", named, "does not match event.namespace");
    }
}
