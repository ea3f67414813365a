//! PodDisruptionBudgets, autoscalers, roles and their bindings.

use super::super::failure::Rule;
use super::super::kinds::Kind;
use super::{Errors, FieldError, count_or_percent, items, label_selector, not_over_all, text};
use crate::sim::json::Value;

pub fn content(errors: &mut Errors, kind: Kind, object: &Value, old: Option<&Value>) {
    match kind {
        Kind::PODDISRUPTIONBUDGETS => {
            let spec = &object["spec"];
            if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() {
                let selector = if spec["selector"].is_null() { "null".to_owned() } else { spec["selector"].to_string() };
                let (least, most) = (&spec["minAvailable"], &spec["maxUnavailable"]);
                let shown = format!(
                    "{{\"MinAvailable\":{least},\"Selector\":{selector},\"MaxUnavailable\":{most},\"UnhealthyPodEvictionPolicy\":{}}}",
                    spec["unhealthyPodEvictionPolicy"]
                );
                errors.push(FieldError::literal(Rule::Invalid, "spec", shown, "minAvailable and maxUnavailable cannot be both set"));
            }
            for field in ["minAvailable", "maxUnavailable"] {
                if !spec[field].is_null() {
                    count_or_percent(errors, &format!("spec.{field}"), &spec[field]);
                    not_over_all(errors, &format!("spec.{field}"), &spec[field]);
                }
            }
            let evicts = &spec["unhealthyPodEvictionPolicy"];
            if !evicts.is_null() && evicts != "AlwaysAllow" && evicts != "IfHealthyBudget" {
                errors.unsupported("spec.unhealthyPodEvictionPolicy", evicts, &["AlwaysAllow", "IfHealthyBudget"]);
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
        errors.required("spec.maxReplicas", "must be set and greater than 0");
    }
    if most < least {
        errors.invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`");
    }
    for field in ["kind", "name"] {
        if text(&spec["scaleTargetRef"], field).is_empty() {
            errors.required(format!("spec.scaleTargetRef.{field}"), "");
        }
    }
    if text(&spec["scaleTargetRef"], "apiVersion").is_empty() {
        errors.invalid("spec.scaleTargetRef.apiVersion", "", "apiVersion must specify API group");
    }
    let metrics = items(&spec["metrics"]);
    for (at, metric) in metrics.iter().enumerate() {
        metric_of(errors, &format!("spec.metrics[{at}]"), metric);
    }
    if least == 0 && !metrics.iter().any(|it| matches!(text(it, "type"), "Object" | "External")) {
        errors.forbidden("spec.metrics", "must specify at least one Object or External metric to support scaling to zero replicas");
    }
    for way in ["scaleUp", "scaleDown"] {
        let rules = &spec["behavior"][way];
        let field = format!("spec.behavior.{way}");
        let window = &rules["stabilizationWindowSeconds"];
        match window.as_i64() {
            Some(seconds) if seconds < 0 => errors.invalid(format!("{field}.stabilizationWindowSeconds"), seconds, "must be greater than or equal to zero"),
            Some(seconds) if seconds > 3600 => errors.invalid(format!("{field}.stabilizationWindowSeconds"), seconds, "must be less than or equal to 3600"),
            _ => {}
        }
        let select = &rules["selectPolicy"];
        if !select.is_null() && !matches!(text(rules, "selectPolicy"), "Disabled" | "Max" | "Min") {
            errors.unsupported(format!("{field}.selectPolicy"), select, &["Disabled", "Max", "Min"]);
        }
    }
}

fn metric_of(errors: &mut Errors, field: &str, metric: &Value) {
    const SOURCES: [(&str, &str); 5] =
        [("ContainerResource", "containerResource"), ("External", "external"), ("Object", "object"), ("Pods", "pods"), ("Resource", "resource")];
    let kind = text(metric, "type");
    if kind.is_empty() {
        return errors.required(format!("{field}.type"), "must specify a metric source type");
    }
    let Some((_, member)) = SOURCES.iter().find(|(name, _)| *name == kind) else {
        return errors.unsupported(format!("{field}.type"), &metric["type"], &SOURCES.map(|(name, _)| name));
    };
    let source = &metric[*member];
    let field = format!("{field}.{member}");
    if source.is_null() {
        return errors.required(field, "must populate information for the given metric source");
    }
    if !member.ends_with("esource") {
        return;
    }
    if text(source, "name").is_empty() {
        errors.required(format!("{field}.name"), "must specify a resource name");
    }
    let target = &source["target"];
    match target["averageUtilization"].as_i64() {
        Some(percent) if percent < 1 => errors.invalid(format!("{field}.target.averageUtilization"), percent, "must be greater than 0"),
        None if target["averageValue"].is_null() => {
            errors.required(format!("{field}.target.averageUtilization"), "must set either a target raw value or a target utilization");
        }
        Some(_) if !target["averageValue"].is_null() => {
            errors.forbidden(format!("{field}.target.averageValue"), "may not set both a target raw value and a target utilization");
        }
        _ => {}
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
        if ["apiGroups", "resources", "resourceNames"].iter().any(|list| !items(&rule[*list]).is_empty()) {
            let detail = "rules cannot apply to both regular resources and non-resource URLs";
            errors.invalid(format!("{field}.nonResourceURLs"), rule["nonResourceURLs"].clone(), detail);
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
