//! PodDisruptionBudgets, autoscalers, roles and their bindings.

use super::super::kinds::Kind;
use super::{Errors, count_or_percent, items, label_selector, not_over_all, text};
use crate::sim::json::Value;

pub fn content(errors: &mut Errors, kind: Kind, object: &Value, old: Option<&Value>) {
    match kind {
        Kind::PODDISRUPTIONBUDGETS => {
            let spec = &object["spec"];
            if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() {
                errors.invalid("spec", spec.clone(), "minAvailable and maxUnavailable cannot be both set");
            }
            for field in ["minAvailable", "maxUnavailable"] {
                if !spec[field].is_null() {
                    count_or_percent(errors, &format!("spec.{field}"), &spec[field]);
                    not_over_all(errors, &format!("spec.{field}"), &spec[field]);
                }
            }
            label_selector(errors, "spec.selector", &spec["selector"]);
        }
        Kind::HORIZONTALPODAUTOSCALERS => autoscaler(errors, &object["spec"]),
        Kind::ROLES | Kind::CLUSTERROLES => {
            for (at, rule) in items(&object["rules"]).iter().enumerate() {
                rule_of(errors, &format!("rules[{at}]"), rule, kind == Kind::ROLES);
            }
        }
        _ => binding(errors, kind, object, old),
    }
}

fn autoscaler(errors: &mut Errors, spec: &Value) {
    let (least, most) = (spec["minReplicas"].as_i64().unwrap_or(1), spec["maxReplicas"].as_i64().unwrap_or(0));
    if least < 1 {
        errors.invalid("spec.minReplicas", least, "must be greater than or equal to 1");
    }
    if most < 1 {
        errors.invalid("spec.maxReplicas", most, "must be greater than 0");
    }
    if most < least {
        errors.invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`");
    }
    for field in ["kind", "name"] {
        if text(&spec["scaleTargetRef"], field).is_empty() {
            errors.required(format!("spec.scaleTargetRef.{field}"), "");
        }
    }
}

fn rule_of(errors: &mut Errors, field: &str, rule: &Value, namespaced: bool) {
    if items(&rule["verbs"]).is_empty() {
        errors.required(format!("{field}.verbs"), "verbs must contain at least one value");
    }
    if !items(&rule["nonResourceURLs"]).is_empty() {
        if namespaced {
            errors.invalid(format!("{field}.nonResourceURLs"), rule["nonResourceURLs"].clone(), "namespaced rules cannot apply to non-resource URLs");
        }
        return;
    }
    if items(&rule["apiGroups"]).is_empty() {
        errors.required(format!("{field}.apiGroups"), "resource rules must supply at least one api group");
    }
    if items(&rule["resources"]).is_empty() {
        errors.required(format!("{field}.resources"), "resource rules must supply at least one resource");
    }
}

fn binding(errors: &mut Errors, kind: Kind, object: &Value, old: Option<&Value>) {
    let role = &object["roleRef"];
    if text(role, "apiGroup") != "rbac.authorization.k8s.io" {
        errors.unsupported("roleRef.apiGroup", &role["apiGroup"], &["rbac.authorization.k8s.io"]);
    }
    let kinds: &[&str] = if kind == Kind::ROLEBINDINGS { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    if !kinds.contains(&text(role, "kind")) {
        errors.unsupported("roleRef.kind", &role["kind"], kinds);
    }
    if text(role, "name").is_empty() {
        errors.required("roleRef.name", "");
    }
    for (at, subject) in items(&object["subjects"]).iter().enumerate() {
        let field = format!("subjects[{at}]");
        if text(subject, "name").is_empty() {
            errors.required(format!("{field}.name"), "");
        }
        match text(subject, "kind") {
            "ServiceAccount" if kind == Kind::CLUSTERROLEBINDINGS && text(subject, "namespace").is_empty() => errors.required(format!("{field}.namespace"), ""),
            "ServiceAccount" | "User" | "Group" => {}
            _ => errors.unsupported(format!("{field}.kind"), &subject["kind"], &["ServiceAccount", "User", "Group"]),
        }
    }
    if old.is_some_and(|it| it["roleRef"] != *role) {
        errors.invalid("roleRef", role.clone(), "cannot change roleRef");
    }
}
