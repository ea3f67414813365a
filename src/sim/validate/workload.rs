//! Deployments, ReplicaSets, StatefulSets, DaemonSets, ReplicationControllers, Jobs and CronJobs.

use super::super::failure::{FieldError, Rule};
use super::super::kinds::Kind;
use super::super::selector;
use super::{Errors, amount, bad_selector, count_or_percent, is_empty_selector, is_usable_selector, items, label_selector, names, not_over_all, pod, text};
use crate::sim::cron::Schedule;
use crate::sim::json::Value;

pub fn content(errors: &mut Errors, kind: Kind, object: &Value) {
    let spec = &object["spec"];
    match kind {
        Kind::DEPLOYMENTS => deployment(errors, spec),
        Kind::REPLICASETS => {
            errors.not_negative("spec.replicas", &spec["replicas"]);
            errors.not_negative("spec.minReadySeconds", &spec["minReadySeconds"]);
            required_selector(errors, spec, "deployment");
            replica_set_template(errors, spec, "invalid label selector");
        }
        Kind::STATEFULSETS => stateful_set(errors, spec),
        Kind::DAEMONSETS => daemon_set(errors, spec),
        Kind::REPLICATIONCONTROLLERS => {
            errors.not_negative("spec.minReadySeconds", &spec["minReadySeconds"]);
            if spec["selector"].as_object().is_none_or(crate::sim::json::Map::is_empty) {
                errors.required("spec.selector", "");
            }
            errors.not_negative("spec.replicas", &spec["replicas"]);
            if spec["template"].is_null() {
                errors.required("spec.template", "");
            } else {
                matching_labels(errors, &selector::of_map(&spec["selector"]), &spec["template"]);
                pod::template(errors, "spec.template", &spec["template"]);
                always(errors, spec, "ReplicationController");
            }
        }
        Kind::JOBS => job(errors, "spec", spec, true),
        Kind::CRONJOBS => cron_job(errors, spec),
        _ => {}
    }
}

fn required_selector(errors: &mut Errors, spec: &Value, of: &str) {
    if spec["selector"].is_null() {
        errors.required("spec.selector", "");
        return;
    }
    label_selector(errors, "spec.selector", &spec["selector"]);
    if is_empty_selector(&spec["selector"]) {
        bad_selector(errors, "spec.selector", &spec["selector"], format!("empty selector is invalid for {of}"));
    }
}

fn matching_labels(errors: &mut Errors, selector: &Value, template: &Value) {
    let labels = &template["metadata"]["labels"];
    // An absent selector selects nothing, an empty one is refused elsewhere.
    let judged = selector.is_null() || !is_empty_selector(selector);
    if judged && !selector::matches_labels(selector, labels) {
        errors.invalid("spec.template.metadata.labels", labels.clone(), "`selector` does not match template `labels`");
    }
}

fn replica_set_template(errors: &mut Errors, spec: &Value, unusable: &str) {
    if !is_usable_selector(&spec["selector"]) {
        return bad_selector(errors, "spec.selector", &spec["selector"], unusable);
    }
    matching_labels(errors, &spec["selector"], &spec["template"]);
    pod::template(errors, "spec.template", &spec["template"]);
    always(errors, spec, "ReplicaSet");
}

/// What a template may not say where pods are to run for ever.
fn always(errors: &mut Errors, spec: &Value, owner: &str) {
    let template = &spec["template"]["spec"];
    if template["restartPolicy"] != "Always" {
        errors.unsupported("spec.template.spec.restartPolicy", &template["restartPolicy"], &["Always"]);
    }
    if !template["activeDeadlineSeconds"].is_null() {
        errors.forbidden("spec.template.spec.activeDeadlineSeconds", format!("activeDeadlineSeconds in {owner} is not Supported"));
    }
}

/// A strategy as the server's own type prints it.
fn unknown_strategy(errors: &mut Errors, field: &str, strategy: &Value, supported: &[&str], rule: Rule) {
    let rolling = match &strategy["rollingUpdate"] {
        Value::Null => "null".to_owned(),
        rolling if field == "spec.updateStrategy" && rule == Rule::Invalid => {
            format!("{{\"Partition\":{},\"MaxUnavailable\":{}}}", rolling["partition"].as_i64().unwrap_or(0), rolling["maxUnavailable"])
        }
        rolling => {
            let amount = |name: &str| if rolling[name].is_null() { "0".to_owned() } else { rolling[name].to_string() };
            format!("{{\"MaxUnavailable\":{},\"MaxSurge\":{}}}", amount("maxUnavailable"), amount("maxSurge"))
        }
    };
    let shown = format!("{{\"Type\":{},\"RollingUpdate\":{rolling}}}", strategy["type"]);
    let list: Vec<String> = supported.iter().map(|it| format!("\"{it}\"")).collect();
    let detail =
        if rule == Rule::NotSupported { format!("supported values: {}", list.join(", ")) } else { format!("must be '{}' or '{}'", supported[0], supported[1]) };
    errors.push(FieldError::literal(rule, field, shown, detail));
}

fn deployment(errors: &mut Errors, spec: &Value) {
    errors.not_negative("spec.replicas", &spec["replicas"]);
    required_selector(errors, spec, "deployment");
    replica_set_template(errors, spec, "invalid label selector");
    let strategy = &spec["strategy"];
    let field = "spec.strategy.rollingUpdate";
    match text(strategy, "type") {
        "Recreate" => {
            if !strategy["rollingUpdate"].is_null() {
                errors.forbidden(field, "may not be specified when strategy `type` is 'Recreate'");
            }
        }
        "RollingUpdate" => {
            let (unavailable, surge) = (&strategy["rollingUpdate"]["maxUnavailable"], &strategy["rollingUpdate"]["maxSurge"]);
            count_or_percent(errors, &format!("{field}.maxUnavailable"), unavailable);
            count_or_percent(errors, &format!("{field}.maxSurge"), surge);
            if amount(unavailable) == 0 && amount(surge) == 0 {
                errors.invalid(format!("{field}.maxUnavailable"), unavailable.clone(), "may not be 0 when `maxSurge` is 0");
            }
            not_over_all(errors, &format!("{field}.maxUnavailable"), unavailable);
        }
        _ => unknown_strategy(errors, "spec.strategy", strategy, &["Recreate", "RollingUpdate"], Rule::NotSupported),
    }
    errors.not_negative("spec.minReadySeconds", &spec["minReadySeconds"]);
    errors.not_negative("spec.revisionHistoryLimit", &spec["revisionHistoryLimit"]);
    if let Some(deadline) = spec["progressDeadlineSeconds"].as_i64() {
        errors.not_negative("spec.progressDeadlineSeconds", &spec["progressDeadlineSeconds"]);
        if deadline <= spec["minReadySeconds"].as_i64().unwrap_or(0) {
            errors.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds");
        }
    }
}

fn stateful_set(errors: &mut Errors, spec: &Value) {
    if !matches!(text(spec, "podManagementPolicy"), "OrderedReady" | "Parallel") {
        errors.invalid("spec.podManagementPolicy", spec["podManagementPolicy"].clone(), "must be 'OrderedReady' or 'Parallel'");
    }
    let strategy = &spec["updateStrategy"];
    let field = "spec.updateStrategy.rollingUpdate";
    let rolling = &strategy["rollingUpdate"];
    match text(strategy, "type") {
        "OnDelete" => {
            if !rolling.is_null() {
                let shown = format!("{{\"Partition\":{},\"MaxUnavailable\":{}}}", rolling["partition"].as_i64().unwrap_or(0), rolling["maxUnavailable"]);
                errors.push(FieldError::literal(Rule::Invalid, field, shown, "only allowed for updateStrategy 'RollingUpdate'"));
            }
        }
        "RollingUpdate" => {
            errors.not_negative(format!("{field}.partition"), &rolling["partition"]);
            if !rolling["maxUnavailable"].is_null() {
                let field = format!("{field}.maxUnavailable");
                count_or_percent(errors, &field, &rolling["maxUnavailable"]);
                if amount(&rolling["maxUnavailable"]) == 0 {
                    errors.invalid(field.as_str(), rolling["maxUnavailable"].clone(), "cannot be 0");
                }
                not_over_all(errors, &field, &rolling["maxUnavailable"]);
            }
        }
        _ => unknown_strategy(errors, "spec.updateStrategy", strategy, &["RollingUpdate", "OnDelete"], Rule::Invalid),
    }
    for field in ["whenDeleted", "whenScaled"] {
        let policy = &spec["persistentVolumeClaimRetentionPolicy"][field];
        if !policy.is_null() && policy != "Retain" && policy != "Delete" {
            errors.unsupported(format!("spec.persistentVolumeClaimRetentionPolicy.{field}"), policy, &["Retain", "Delete"]);
        }
    }
    errors.not_negative("spec.replicas", &spec["replicas"]);
    errors.not_negative("spec.minReadySeconds", &spec["minReadySeconds"]);
    errors.not_negative("spec.ordinals.start", &spec["ordinals"]["start"]);
    if !text(spec, "serviceName").is_empty() {
        errors.check("spec.serviceName", text(spec, "serviceName"), names::dns_label);
    }
    required_selector(errors, spec, "statefulset");
    if !is_usable_selector(&spec["selector"]) {
        bad_selector(errors, "spec.selector", &spec["selector"], "");
        return always(errors, spec, "StatefulSet");
    }
    matching_labels(errors, &spec["selector"], &spec["template"]);
    // The claims' volumes are there before the template's own.
    let mut template = spec["template"].clone();
    let mut volumes: Vec<Value> = Vec::new();
    for claim in items(&spec["volumeClaimTemplates"]) {
        let name = claim["metadata"]["name"].clone();
        volumes.push(crate::sim::json::json!({ "name": name, "persistentVolumeClaim": { "claimName": name } }));
    }
    // The controller names the hosts itself: what stands here is not even looked at.
    for unread in ["hostname", "subdomain"] {
        if !template["spec"][unread].is_null() {
            template["spec"][unread] = Value::Null;
        }
    }
    if !volumes.is_empty() {
        let own = items(&template["spec"]["volumes"]).iter().filter(|it| !volumes.iter().any(|claim| claim["name"] == it["name"])).cloned();
        let all: Vec<Value> = volumes.iter().cloned().chain(own).collect();
        template["spec"]["volumes"] = Value::from(all);
    }
    pod::template(errors, "spec.template", &template);
    // Once more, at the wrong place, as the server does.
    super::labels(errors, "spec.template.labels", &spec["template"]["metadata"]["labels"]);
    super::annotations(errors, "spec.template.annotations", &spec["template"]["metadata"]["annotations"]);
    always(errors, spec, "StatefulSet");
}

fn daemon_set(errors: &mut Errors, spec: &Value) {
    label_selector(errors, "spec.selector", &spec["selector"]);
    let labels = &spec["template"]["metadata"]["labels"];
    if is_usable_selector(&spec["selector"]) && !selector::matches_labels(&spec["selector"], labels) {
        errors.invalid("spec.template.metadata.labels", labels.clone(), "`selector` does not match template `labels`");
    }
    if !spec["selector"].is_null() && is_empty_selector(&spec["selector"]) {
        bad_selector(errors, "spec.selector", &spec["selector"], "empty selector is invalid for daemonset");
    }
    pod::template(errors, "spec.template", &spec["template"]);
    always(errors, spec, "DaemonSet");
    errors.not_negative("spec.minReadySeconds", &spec["minReadySeconds"]);
    let strategy = &spec["updateStrategy"];
    match text(strategy, "type") {
        "OnDelete" => {}
        "RollingUpdate" => {
            let field = "spec.updateStrategy.rollingUpdate";
            let (unavailable, surge) = (&strategy["rollingUpdate"]["maxUnavailable"], &strategy["rollingUpdate"]["maxSurge"]);
            count_or_percent(errors, &format!("{field}.maxUnavailable"), unavailable);
            count_or_percent(errors, &format!("{field}.maxSurge"), surge);
            not_over_all(errors, &format!("{field}.maxUnavailable"), unavailable);
            not_over_all(errors, &format!("{field}.maxSurge"), surge);
            match (amount(unavailable) != 0, amount(surge) != 0) {
                (true, true) => errors.invalid(format!("{field}.maxSurge"), surge.clone(), "may not be set when maxUnavailable is non-zero"),
                (false, false) => errors.required(format!("{field}.maxUnavailable"), "cannot be 0 when maxSurge is 0"),
                _ => {}
            }
        }
        _ => unknown_strategy(errors, "spec.updateStrategy", strategy, &["RollingUpdate", "OnDelete"], Rule::NotSupported),
    }
    errors.not_negative("spec.revisionHistoryLimit", &spec["revisionHistoryLimit"]);
}

fn job(errors: &mut Errors, field: &str, spec: &Value, with_selector: bool) {
    for name in ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished", "backoffLimitPerIndex", "maxFailedIndexes"] {
        errors.not_negative(format!("{field}.{name}"), &spec[name]);
    }
    let mode = text(spec, "completionMode");
    if !matches!(mode, "" | "NonIndexed" | "Indexed") {
        errors.unsupported(format!("{field}.completionMode"), &spec["completionMode"], &["NonIndexed", "Indexed"]);
    }
    if mode == "Indexed" && spec["completions"].is_null() {
        errors.required(format!("{field}.completions"), "when completion mode is Indexed");
    }
    job_ends(errors, field, spec, mode == "Indexed");
    if with_selector {
        if spec["selector"].is_null() {
            errors.required(format!("{field}.selector"), "");
        } else {
            label_selector(errors, &format!("{field}.selector"), &spec["selector"]);
        }
        let generated = spec["selector"]["matchLabels"].as_object().map_or(0, |labels| labels.len());
        if spec["manualSelector"] != true && !spec["selector"].is_null() && (generated != 1 || !spec["selector"]["matchExpressions"].is_null()) {
            errors.invalid(format!("{field}.selector"), spec["selector"].clone(), "`selector` not auto-generated");
        }
        let labels = &spec["template"]["metadata"]["labels"];
        if spec["selector"].is_null() || !selector::matches_labels(&spec["selector"], labels) {
            errors.invalid(format!("{field}.template.metadata.labels"), labels.clone(), "`selector` does not match template `labels`");
        }
    }
    pod::template(errors, &format!("{field}.template"), &spec["template"]);
    let policy = &spec["template"]["spec"]["restartPolicy"];
    match policy.as_str().unwrap_or_default() {
        "" | "Always" => errors.required(format!("{field}.template.spec.restartPolicy"), "valid values: \"OnFailure\", \"Never\""),
        "OnFailure" | "Never" => {}
        _ => errors.unsupported(format!("{field}.template.spec.restartPolicy"), policy, &["OnFailure", "Never"]),
    }
}

/// What ends a Job: its indexes, its policies, who manages it.
fn job_ends(errors: &mut Errors, field: &str, spec: &Value, indexed: bool) {
    let at = |name: &str| format!("{field}.{name}");
    if !indexed {
        for name in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            if name == "maxFailedIndexes" && !spec[name].is_null() && spec["backoffLimitPerIndex"].is_null() {
                errors.required(at("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
            }
            if !spec[name].is_null() {
                errors.invalid(at(name), spec[name].clone(), "requires indexed completion mode");
            }
        }
        if !spec["successPolicy"].is_null() {
            let shown = if items(&spec["successPolicy"]["rules"]).is_empty() { "{\"Rules\":[]}".to_owned() } else { spec["successPolicy"].to_string() };
            errors.push(FieldError::literal(Rule::Invalid, at("successPolicy"), shown, "requires indexed completion mode"));
        }
    }
    for (index, rule) in items(&spec["podFailurePolicy"]["rules"]).iter().enumerate() {
        let rule_at = format!("{field}.podFailurePolicy.rules[{index}]");
        let known = ["Count", "FailIndex", "FailJob", "Ignore"];
        if !known.contains(&text(rule, "action")) {
            errors.unsupported(format!("{rule_at}.action"), &rule["action"], &known);
        }
        let (codes, conditions) = (!rule["onExitCodes"].is_null(), !items(&rule["onPodConditions"]).is_empty());
        if codes && conditions {
            let detail = "specifying both OnExitCodes and OnPodConditions is not supported";
            errors.push(FieldError::literal(Rule::Invalid, rule_at.as_str(), detail.to_owned(), ""));
        } else if !codes && !conditions {
            let detail = "specifying one of OnExitCodes and OnPodConditions is required";
            errors.push(FieldError::literal(Rule::Invalid, rule_at.as_str(), detail.to_owned(), ""));
        }
    }
    if !spec["podReplacementPolicy"].is_null() && !matches!(text(spec, "podReplacementPolicy"), "Failed" | "TerminatingOrFailed") {
        errors.unsupported(at("podReplacementPolicy"), &spec["podReplacementPolicy"], &["Failed", "TerminatingOrFailed"]);
    }
    if !spec["managedBy"].is_null() && !text(spec, "managedBy").contains('/') {
        errors.invalid(at("managedBy"), spec["managedBy"].clone(), "must be a domain-prefixed path (such as \"acme.io/foo\")");
    }
}

fn cron_job(errors: &mut Errors, spec: &Value) {
    let schedule = text(spec, "schedule");
    if schedule.is_empty() {
        errors.required("spec.schedule", "");
    } else if let Some(why) = unreadable_schedule(schedule) {
        errors.invalid("spec.schedule", schedule, why);
    }
    if let Some(zone) = spec["timeZone"].as_str() {
        if zone.is_empty() {
            errors.invalid("spec.timeZone", zone, "timeZone must be nil or non-empty string");
        } else if jiff::tz::TimeZone::get(zone).is_err() {
            errors.invalid("spec.timeZone", zone, format!("unknown time zone {zone}"));
        }
    }
    errors.not_negative("spec.startingDeadlineSeconds", &spec["startingDeadlineSeconds"]);
    let policy = &spec["concurrencyPolicy"];
    if !matches!(text(spec, "concurrencyPolicy"), "Allow" | "Forbid" | "Replace") {
        errors.unsupported("spec.concurrencyPolicy", policy, &["Allow", "Forbid", "Replace"]);
    }
    job(errors, "spec.jobTemplate.spec", &spec["jobTemplate"]["spec"], false);
    errors.not_negative("spec.successfulJobsHistoryLimit", &spec["successfulJobsHistoryLimit"]);
    errors.not_negative("spec.failedJobsHistoryLimit", &spec["failedJobsHistoryLimit"]);
}

/// Why a schedule is not one.
fn unreadable_schedule(schedule: &str) -> Option<String> {
    if ["TZ=", "CRON_TZ="].iter().any(|zone| schedule.contains(zone)) {
        return Some("cannot use TZ or CRON_TZ in schedule, use timeZone field instead".to_owned());
    }
    Schedule::parse(schedule).err()
}

/// What may not change.
pub fn update(errors: &mut Errors, kind: Kind, object: &Value, old: &Value) {
    let (new_spec, old_spec) = (&object["spec"], &old["spec"]);
    match kind {
        Kind::DEPLOYMENTS | Kind::REPLICASETS | Kind::DAEMONSETS if new_spec["selector"] != old_spec["selector"] => {
            bad_selector(errors, "spec.selector", &new_spec["selector"], "field is immutable");
        }
        Kind::STATEFULSETS => {
            const MAY: [&str; 7] =
                ["replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit", "persistentVolumeClaimRetentionPolicy", "minReadySeconds"];
            let rest = |spec: &Value| {
                let mut rest = spec.as_object().cloned().unwrap_or_default();
                MAY.iter().for_each(|it| {
                    rest.remove(it);
                });
                rest
            };
            // What it is cannot change, so that how it looks is no matter any more.
            errors.forget("spec.serviceName");
            if rest(new_spec) != rest(old_spec) {
                errors.forbidden(
                    "spec",
                    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', \
                     'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
                );
            }
        }
        Kind::JOBS => {
            for field in ["completions", "selector", "template", "completionMode", "podFailurePolicy", "backoffLimitPerIndex"] {
                let suspended = field == "template" && old_spec["suspend"] == true;
                let elastic = field == "completions" && new_spec["completionMode"] == "Indexed" && new_spec["completions"] == new_spec["parallelism"];
                if !suspended && !elastic {
                    errors.immutable(&format!("spec.{field}"), &new_spec[field], &old_spec[field]);
                }
            }
        }
        _ => {}
    }
}

/// The counts of a status.
pub fn status(errors: &mut Errors, kind: Kind, object: &Value, old: &Value) {
    let status = &object["status"];
    let count = |name: &str| status[name].as_i64().unwrap_or(0);
    let counts: &[&str] = match kind {
        Kind::DEPLOYMENTS => &[
            "observedGeneration",
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
            "unavailableReplicas",
            "terminatingReplicas",
            "collisionCount",
        ],
        Kind::REPLICASETS | Kind::REPLICATIONCONTROLLERS => {
            &["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration", "terminatingReplicas"]
        }
        Kind::STATEFULSETS => &["replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas", "observedGeneration", "collisionCount"],
        Kind::DAEMONSETS => &[
            "currentNumberScheduled",
            "numberMisscheduled",
            "desiredNumberScheduled",
            "numberReady",
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
            "collisionCount",
        ],
        Kind::PODS => {
            if let Some(generation) = status["observedGeneration"].as_i64().filter(|it| *it < 0) {
                errors.invalid("status.observedGeneration", generation, "must be a non-negative integer");
            }
            return;
        }
        _ => return,
    };
    for name in counts {
        errors.not_negative(format!("status.{name}"), &status[*name]);
    }
    let of_all: &[&str] = match kind {
        Kind::DEPLOYMENTS => &["updatedReplicas", "readyReplicas", "availableReplicas"],
        Kind::STATEFULSETS => &["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"],
        Kind::DAEMONSETS => &[],
        _ => &["fullyLabeledReplicas", "readyReplicas", "availableReplicas"],
    };
    for name in of_all.iter().filter(|it| count(it) > count("replicas")) {
        errors.invalid(format!("status.{name}"), count(name), "cannot be greater than status.replicas");
    }
    if !of_all.is_empty() && count("availableReplicas") > count("readyReplicas") {
        let detail = if kind == Kind::STATEFULSETS { "cannot be greater than status.readyReplicas" } else { "cannot be greater than readyReplicas" };
        errors.invalid("status.availableReplicas", count("availableReplicas"), detail);
    }
    if count("collisionCount") < old["status"]["collisionCount"].as_i64().unwrap_or(0) {
        errors.invalid("status.collisionCount", count("collisionCount"), "cannot be decremented");
    }
}
