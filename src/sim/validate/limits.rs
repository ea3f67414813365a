//! LimitRanges and ResourceQuotas.
//!
//! # Source
//! kubernetes 1.36.3 `pkg/apis/core/validation/validation.go`: `ValidateLimitRange`, `ValidateResourceQuota`. Where the real server goes through a map in an order
//! of chance, here it is that of the names.

use std::collections::BTreeSet;

use super::super::kinds::Kind;
use super::super::schema::quantity::Quantity;
use super::{Errors, entries, items, names, text};
use crate::sim::json::Value;

/// What a quota can count besides what has a slash in its name.
const COUNTED: [&str; 20] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
    "storage",
];
/// Those of them that are whole numbers.
const WHOLE: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];
/// Those that are about pods, and that a scope can narrow.
const OF_PODS: [&str; 10] = [
    "pods",
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];
const SCOPES: [&str; 7] =
    ["Terminating", "NotTerminating", "BestEffort", "NotBestEffort", "PriorityClass", "CrossNamespacePodAffinity", "VolumeAttributesClass"];

pub fn content(errors: &mut Errors, kind: Kind, object: &Value, old: Option<&Value>) {
    if kind == Kind::LIMITRANGES {
        return range(errors, &object["spec"]["limits"]);
    }
    quota(errors, &object["spec"]);
    for field in ["scopes", "scopeSelector"] {
        if let Some(old) = old {
            errors.immutable(&format!("spec.{field}"), &object["spec"][field], &old["spec"][field]);
        }
    }
}

fn size(sizes: &Value, name: &str) -> Option<Quantity> {
    sizes[name].as_str().and_then(|it| Quantity::parse(it).ok())
}

fn range(errors: &mut Errors, limits: &Value) {
    let mut types = BTreeSet::new();
    for (at, limit) in items(limits).iter().enumerate() {
        let field = format!("spec.limits[{at}]");
        let type_ = text(limit, "type");
        if !type_.contains('/') && !matches!(type_, "Container" | "Pod" | "PersistentVolumeClaim") {
            errors.invalid(format!("{field}.type"), type_, "must be a standard limit type or fully qualified");
        }
        if !types.insert(type_) {
            errors.push(super::FieldError::duplicate(format!("{field}.type"), type_));
        }
        if type_ == "Pod" {
            for part in ["default", "defaultRequest"] {
                if entries(&limit[part]).next().is_some() {
                    errors.forbidden(format!("{field}.{part}"), "may not be specified when `type` is 'Pod'");
                }
            }
        }
        if type_ == "PersistentVolumeClaim" && limit["min"]["storage"].is_null() && limit["max"]["storage"].is_null() {
            errors.required(format!("{field}.limits"), "either minimum or maximum storage value is required, but neither was provided");
        }
        let parts = ["min", "max", "default", "defaultRequest", "maxLimitRequestRatio"];
        let names: BTreeSet<String> = parts.iter().flat_map(|part| entries(&limit[*part])).map(|(name, _)| name.to_string()).collect();
        for name in names {
            bounds(errors, &field, limit, &name);
        }
    }
}

fn bounds(errors: &mut Errors, field: &str, limit: &Value, name: &str) {
    let of = |part: &str| size(&limit[part], name);
    let (min, max, default, request, ratio) = (of("min"), of("max"), of("default"), of("defaultRequest"), of("maxLimitRequestRatio"));
    let over = |one: &Option<Quantity>, other: &Option<Quantity>| matches!((one, other), (Some(one), Some(other)) if one.nano() > other.nano());
    let shown = |it: &Option<Quantity>| it.as_ref().map(ToString::to_string).unwrap_or_default();
    for (wrong, part, value, words, than) in [
        (over(&min, &max), "min", &min, ("min value", &min), ("max value", &max)),
        (over(&min, &request), "defaultRequest", &request, ("min value", &min), ("default request value", &request)),
        (over(&request, &max), "defaultRequest", &request, ("default request value", &request), ("max value", &max)),
        (over(&request, &default), "defaultRequest", &request, ("default request value", &request), ("default limit value", &default)),
        (over(&min, &default), "default", &min, ("min value", &min), ("default value", &default)),
        (over(&default, &max), "default", &max, ("default value", &default), ("max value", &max)),
    ] {
        if wrong {
            let detail = format!("{} {} is greater than {} {}", words.0, shown(words.1), than.0, shown(than.1));
            errors.invalid(format!("{field}.{part}[{name}]"), shown(value), detail);
        }
    }
    let Some(ratio) = ratio else { return };
    let part = format!("{field}.maxLimitRequestRatio[{name}]");
    if ratio.nano() < 1_000_000_000 {
        errors.invalid(part.clone(), ratio.to_string(), format!("ratio {ratio} is less than 1"));
    }
    if let (Some(min), Some(max)) = (min, max) {
        let most = max.nano() as f64 / min.nano() as f64;
        if ratio.nano() as f64 / 1e9 > most {
            errors.invalid(part, ratio.to_string(), format!("ratio {ratio} is greater than max/min = {most:.6}"));
        }
    }
}

fn quota(errors: &mut Errors, spec: &Value) {
    for (name, amount) in entries(&spec["hard"]) {
        let (name, field): (&str, String) = (name, format!("spec.hard[{name}]"));
        errors.check(&field, name, names::label_key);
        let known = COUNTED.contains(&name) || ["hugepages-", "requests.hugepages-"].iter().any(|it| name.starts_with(it));
        if !name.contains('/') && !known {
            errors.invalid(field.clone(), name, "must be a standard resource type or fully qualified");
            errors.invalid(field.clone(), name, "must be a standard resource for quota");
        }
        let Some(amount) = amount.as_str().and_then(|it| Quantity::parse(it).ok()) else { continue };
        if amount.nano() < 0 {
            errors.invalid(field.clone(), amount.to_string(), "must be greater than or equal to 0");
        }
        if (WHOLE.contains(&name) || name.starts_with("count/")) && amount.nano() % 1_000_000_000 != 0 {
            errors.invalid(field, Quantity::of_nano(amount.nano(), amount.format).to_string(), "must be an integer");
        }
    }
    scopes(errors, spec);
    selector(errors, &spec["scopeSelector"], spec);
}

/// What a scope can narrow.
fn narrows(scope: &str, name: &str) -> bool {
    match scope {
        "BestEffort" => name == "pods",
        "VolumeAttributesClass" => matches!(name, "persistentvolumeclaims" | "requests.storage"),
        _ => OF_PODS.contains(&name),
    }
}

/// What is wrong with each scope that is named, and with all of them together.
fn wrong_scopes(named: &[&str], spec: &Value) -> Vec<&'static str> {
    let mut wrong = Vec::new();
    for scope in named {
        if !SCOPES.contains(scope) {
            wrong.push("unsupported scope");
        } else if entries(&spec["hard"]).any(|(name, _)| (COUNTED.contains(&&**name) || name.contains('/')) && !narrows(scope, name)) {
            wrong.push("unsupported scope applied to resource");
        }
    }
    for pair in [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]] {
        if pair.iter().all(|it| named.contains(it)) {
            wrong.push("conflicting scopes");
        }
    }
    wrong
}

fn scopes(errors: &mut Errors, spec: &Value) {
    let named: Vec<&str> = items(&spec["scopes"]).iter().filter_map(Value::as_str).collect();
    for wrong in wrong_scopes(&named, spec) {
        errors.invalid("spec.scopes", spec["scopes"].clone(), wrong);
    }
}

fn selector(errors: &mut Errors, selector: &Value, spec: &Value) {
    let field = "spec.scopeSelector.matchExpressions";
    let mut named = Vec::new();
    for one in items(&selector["matchExpressions"]) {
        let (scope, operator, values) = (text(one, "scopeName"), text(one, "operator"), items(&one["values"]));
        named.push(scope);
        if scope != "PriorityClass" && scope != "VolumeAttributesClass" && SCOPES.contains(&scope) && operator != "Exists" {
            let words = "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
            errors.invalid(format!("{field}.operator"), operator, words);
        }
        match operator {
            "In" | "NotIn" if values.is_empty() => {
                errors.required(format!("{field}.values"), "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                errors.invalid(
                    format!("{field}.values"),
                    one["values"].clone(),
                    "must be no value when `operator` is 'Exists' or 'DoesNotExist' for scope selector",
                );
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => errors.invalid(format!("{field}.operator"), other, "not a valid selector operator"),
        }
    }
    for wrong in wrong_scopes(&named, spec) {
        let place = if wrong == "conflicting scopes" { field.to_owned() } else { format!("{field}.scopeName") };
        errors.invalid(place, named.join(","), wrong);
    }
}
