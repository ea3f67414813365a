//! The values that the server fills in where a client leaves them out.
//!
//! Not here: defaults that the schema carries and zero values that Go writes (`schema::decode`), and what admission adds (`admission`).
//!
//! # Source
//! kubernetes 1.36.3 `pkg/apis/*/v1/defaults.go`.

use super::custom::definition;
use super::kinds::Kind;
use crate::sim::json::{Value, json};

mod pod;
mod registry;

/// Sets `object[key]` where it is absent.
fn fill(object: &mut Value, key: &str, value: impl Into<Value>) {
    if object[key].is_null() {
        object[key] = value.into();
    }
}

/// The items of a list that is there; an absent one stays absent.
fn present<'a>(object: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten()
}

/// The template of an object's spec, where it has one.
fn template(object: &mut Value) {
    if let Some(template) = object.get_mut("spec").and_then(|it| it.get_mut("template")) {
        pod::template(template);
    }
}

/// Fills in what the kind's defaults are.
pub fn set(kind: Kind, object: &mut Value) {
    match kind {
        Kind::PODS => {
            pod::spec(&mut object["spec"]);
            pod::pod(&mut object["spec"]);
        }
        Kind::DEPLOYMENTS => {
            template(object);
            deployment(&mut object["spec"]);
        }
        Kind::REPLICASETS => {
            template(object);
            fill(&mut object["spec"], "replicas", 1);
        }
        Kind::STATEFULSETS => {
            template(object);
            stateful_set(&mut object["spec"]);
        }
        Kind::DAEMONSETS => {
            template(object);
            daemon_set(&mut object["spec"]);
            // The server's own type has a counter here, which shows as an annotation.
            if !object["metadata"]["annotations"].is_object() {
                object["metadata"]["annotations"] = json!({});
            }
            fill(&mut object["metadata"]["annotations"], "deprecated.daemonset.template.generation", "0");
        }
        Kind::REPLICATIONCONTROLLERS => {
            if object["spec"]["template"].is_object() {
                template(object);
                let labels = object["spec"]["template"]["metadata"]["labels"].clone();
                if labels.is_object() {
                    fill(&mut object["spec"], "selector", labels.clone());
                    fill(&mut object["metadata"], "labels", labels);
                }
            }
            fill(&mut object["spec"], "replicas", 1);
        }
        Kind::PODTEMPLATES => object.get_mut("template").into_iter().for_each(pod::template),
        Kind::JOBS => {
            template(object);
            job(&mut object["spec"]);
            let labels = object["spec"]["template"]["metadata"]["labels"].clone();
            if labels.is_object() {
                fill(&mut object["metadata"], "labels", labels);
            }
        }
        Kind::CRONJOBS => cron_job(&mut object["spec"]),
        Kind::SERVICES => service(&mut object["spec"]),
        Kind::SECRETS => fill(object, "type", "Opaque"),
        Kind::NAMESPACES => {
            let name = object["metadata"]["name"].clone();
            if name.as_str().is_some_and(|it| !it.is_empty()) {
                if !object["metadata"]["labels"].is_object() {
                    object["metadata"]["labels"] = json!({});
                }
                object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
            }
        }
        Kind::NODES => {
            let capacity = object["status"]["capacity"].clone();
            if capacity.is_object() {
                fill(&mut object["status"], "allocatable", capacity);
            }
        }
        Kind::PERSISTENTVOLUMECLAIMS => claim(object),
        Kind::PERSISTENTVOLUMES => {
            fill(&mut object["spec"], "persistentVolumeReclaimPolicy", "Retain");
            fill(&mut object["spec"], "volumeMode", "Filesystem");
            if object["spec"]["hostPath"].is_object() {
                fill(&mut object["spec"]["hostPath"], "type", "");
            }
        }
        Kind::ENDPOINTS => {
            for subset in present(object, "subsets") {
                present(subset, "ports").for_each(|port| fill(port, "protocol", "TCP"));
            }
        }
        Kind::ENDPOINTSLICES => {
            for port in present(object, "ports") {
                fill(port, "name", "");
                fill(port, "protocol", "TCP");
            }
        }
        Kind::LIMITRANGES => present(&mut object["spec"], "limits").filter(|it| it["type"] == "Container").for_each(limit_range_item),
        Kind::HORIZONTALPODAUTOSCALERS => autoscaler(&mut object["spec"]),
        Kind::CUSTOMRESOURCEDEFINITIONS => definition::set_defaults(object),
        Kind::ROLEBINDINGS | Kind::CLUSTERROLEBINDINGS => binding(object),
        Kind::NETWORKPOLICIES => network_policy(&mut object["spec"]),
        Kind::INGRESSCLASSES if object["spec"]["parameters"].is_object() => fill(&mut object["spec"]["parameters"], "scope", "Cluster"),
        kind => registry::set(kind, object),
    }
}

fn deployment(spec: &mut Value) {
    fill(spec, "replicas", 1);
    fill(spec, "strategy", json!({}));
    let strategy = &mut spec["strategy"];
    fill(strategy, "type", "RollingUpdate");
    if strategy["type"] == "RollingUpdate" {
        fill(strategy, "rollingUpdate", json!({}));
        fill(&mut strategy["rollingUpdate"], "maxUnavailable", "25%");
        fill(&mut strategy["rollingUpdate"], "maxSurge", "25%");
    }
    fill(spec, "revisionHistoryLimit", 10);
    fill(spec, "progressDeadlineSeconds", 600);
}

fn daemon_set(spec: &mut Value) {
    fill(spec, "updateStrategy", json!({}));
    let strategy = &mut spec["updateStrategy"];
    fill(strategy, "type", "RollingUpdate");
    if strategy["type"] == "RollingUpdate" {
        fill(strategy, "rollingUpdate", json!({}));
        fill(&mut strategy["rollingUpdate"], "maxUnavailable", 1);
        fill(&mut strategy["rollingUpdate"], "maxSurge", 0);
    }
    if strategy["rollingUpdate"].is_object() {
        // The server's own type has no pointers here, so that what is left out is a zero.
        fill(&mut strategy["rollingUpdate"], "maxUnavailable", 0);
        fill(&mut strategy["rollingUpdate"], "maxSurge", 0);
    }
    fill(spec, "revisionHistoryLimit", 10);
}

fn stateful_set(spec: &mut Value) {
    fill(spec, "podManagementPolicy", "OrderedReady");
    fill(spec, "updateStrategy", json!({}));
    let strategy = &mut spec["updateStrategy"];
    // Who writes the type but no block keeps no block: the controller tells the two apart.
    if strategy["type"].is_null() {
        strategy["type"] = "RollingUpdate".into();
        fill(strategy, "rollingUpdate", json!({}));
    }
    if strategy["type"] == "RollingUpdate" && strategy["rollingUpdate"].is_object() {
        fill(&mut strategy["rollingUpdate"], "partition", 0);
    }
    fill(spec, "persistentVolumeClaimRetentionPolicy", json!({}));
    fill(&mut spec["persistentVolumeClaimRetentionPolicy"], "whenDeleted", "Retain");
    fill(&mut spec["persistentVolumeClaimRetentionPolicy"], "whenScaled", "Retain");
    fill(spec, "replicas", 1);
    fill(spec, "revisionHistoryLimit", 10);
    for claim in present(spec, "volumeClaimTemplates") {
        fill(claim, "apiVersion", "v1");
        fill(claim, "kind", "PersistentVolumeClaim");
        self::claim(claim);
    }
}

fn claim(claim: &mut Value) {
    if claim["spec"].is_object() {
        fill(&mut claim["spec"], "volumeMode", "Filesystem");
    }
    fill(claim, "status", json!({}));
    fill(&mut claim["status"], "phase", "Pending");
}

fn job(spec: &mut Value) {
    if spec["completions"].is_null() && spec["parallelism"].is_null() {
        spec["completions"] = json!(1);
    }
    fill(spec, "parallelism", 1);
    let limit = if spec["backoffLimitPerIndex"].is_null() { 6 } else { i32::MAX };
    fill(spec, "backoffLimit", limit);
    fill(spec, "completionMode", "NonIndexed");
    fill(spec, "suspend", false);
    let replacement = if spec["podFailurePolicy"].is_null() { "TerminatingOrFailed" } else { "Failed" };
    fill(spec, "podReplacementPolicy", replacement);
    fill(spec, "manualSelector", false);
}

fn cron_job(spec: &mut Value) {
    // Of a template within a template only the pod's own defaults are set.
    if let Some(template) = spec.pointer_mut("/jobTemplate/spec/template") {
        pod::template(template);
    }
    fill(spec, "concurrencyPolicy", "Allow");
    fill(spec, "suspend", false);
    fill(spec, "successfulJobsHistoryLimit", 3);
    fill(spec, "failedJobsHistoryLimit", 1);
}

fn service(spec: &mut Value) {
    fill(spec, "sessionAffinity", "None");
    if spec["sessionAffinity"] == "ClientIP" {
        if spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"].is_null() {
            spec["sessionAffinityConfig"] = json!({ "clientIP": { "timeoutSeconds": 10800 } });
        }
    } else if let Some(map) = spec.as_object_mut().filter(|it| it["sessionAffinity"] == "None") {
        map.remove("sessionAffinityConfig");
    }
    fill(spec, "type", "ClusterIP");
    for port in present(spec, "ports") {
        fill(port, "protocol", "TCP");
        if port["targetPort"].is_null() || port["targetPort"] == 0 || port["targetPort"] == "" {
            port["targetPort"] = port["port"].clone();
        }
    }
    let outside = spec["type"] == "LoadBalancer" || spec["type"] == "NodePort";
    let named = spec["type"] == "ClusterIP" && spec["externalIPs"].as_array().is_some_and(|it| !it.is_empty());
    if outside || named {
        fill(spec, "externalTrafficPolicy", "Cluster");
    }
    if outside || spec["type"] == "ClusterIP" {
        fill(spec, "internalTrafficPolicy", "Cluster");
    }
    if spec["type"] == "LoadBalancer" {
        fill(spec, "allocateLoadBalancerNodePorts", true);
    }
}

fn limit_range_item(item: &mut Value) {
    let merge = |item: &mut Value, to: &str, from: &str| {
        for (key, value) in item[from].as_object().cloned().into_iter().flatten() {
            fill(item, to, json!({}));
            fill(&mut item[to], &key, value);
        }
    };
    merge(item, "default", "max");
    merge(item, "defaultRequest", "default");
    merge(item, "defaultRequest", "min");
}

fn autoscaler(spec: &mut Value) {
    fill(spec, "minReplicas", 1);
    if spec["metrics"].as_array().is_none_or(<[Value]>::is_empty) {
        spec["metrics"] = json!([{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } } }]);
    }
    if !spec["behavior"].is_object() {
        return;
    }
    let percent = json!({ "type": "Percent", "value": 100, "periodSeconds": 15 });
    let pods = json!({ "type": "Pods", "value": 4, "periodSeconds": 15 });
    for (rules, policies) in [("scaleUp", json!([pods, percent])), ("scaleDown", json!([percent]))] {
        fill(&mut spec["behavior"], rules, json!({}));
        let rules_of = &mut spec["behavior"][rules];
        fill(rules_of, "selectPolicy", "Max");
        fill(rules_of, "policies", policies);
        if rules == "scaleUp" {
            fill(rules_of, "stabilizationWindowSeconds", 0);
        }
    }
}

fn binding(object: &mut Value) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    if object["roleRef"].is_object() {
        fill(&mut object["roleRef"], "apiGroup", GROUP);
        if object["roleRef"]["apiGroup"] == "" {
            object["roleRef"]["apiGroup"] = GROUP.into();
        }
    }
    for subject in present(object, "subjects").filter(|it| it["kind"] == "User" || it["kind"] == "Group") {
        fill(subject, "apiGroup", GROUP);
    }
}

fn network_policy(spec: &mut Value) {
    if spec["policyTypes"].as_array().is_none_or(<[Value]>::is_empty) {
        let egress = spec["egress"].as_array().is_some_and(|it| !it.is_empty());
        spec["policyTypes"] = if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) };
    }
    for rules in ["ingress", "egress"] {
        for rule in present(spec, rules) {
            present(rule, "ports").for_each(|port| fill(port, "protocol", "TCP"));
        }
    }
}

#[cfg(test)]
mod tests;
