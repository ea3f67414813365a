//! Whether a pod may run on a node: selectors, affinity, taints.

use super::object::{list, name};
use crate::sim::json::{Value, json};

/// Whether the node matches the pod's node selector and its required node affinity.
pub fn matches(spec: &Value, node: &Value) -> bool {
    let label = |key: &str| node["metadata"]["labels"][key].as_str();
    let selected = spec["nodeSelector"].as_object().is_none_or(|wanted| wanted.iter().all(|(key, value)| label(key) == value.as_str()));
    let terms = &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
    selected && (terms.is_null() || list(terms).iter().any(|term| term_matches(term, node)))
}

fn term_matches(term: &Value, node: &Value) -> bool {
    let (expressions, fields) = (list(&term["matchExpressions"]), list(&term["matchFields"]));
    // A term without requirements selects nothing.
    (!expressions.is_empty() || !fields.is_empty())
        && expressions.iter().all(|wanted| holds(wanted, wanted["key"].as_str().and_then(|key| node["metadata"]["labels"][key].as_str())))
        && fields.iter().all(|wanted| holds(wanted, (wanted["key"] == "metadata.name").then(|| name(node))))
}

fn holds(wanted: &Value, value: Option<&str>) -> bool {
    let among = || value.is_some_and(|value| list(&wanted["values"]).iter().any(|one| one == value));
    let number = || Some((value?.parse::<i64>().ok()?, wanted["values"][0].as_str()?.parse::<i64>().ok()?));
    match wanted["operator"].as_str() {
        Some("In") => among(),
        Some("NotIn") => !among(),
        Some("Exists") => value.is_some(),
        Some("DoesNotExist") => value.is_none(),
        Some("Gt") => number().is_some_and(|(value, limit)| value > limit),
        Some("Lt") => number().is_some_and(|(value, limit)| value < limit),
        _ => false,
    }
}

/// Whether the node has a taint with one of these effects that the tolerations do not cover.
pub fn repels(node: &Value, tolerations: &[Value], effects: &[&str]) -> bool {
    list(&node["spec"]["taints"])
        .iter()
        .filter(|taint| effects.iter().any(|effect| taint["effect"] == *effect))
        .any(|taint| !tolerations.iter().any(|toleration| tolerates(toleration, taint)))
}

fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (effect, key) = (text(&toleration["effect"]), text(&toleration["key"]));
    if (!effect.is_empty() && taint["effect"] != effect.as_str()) || (!key.is_empty() && taint["key"] != key.as_str()) {
        return false;
    }
    match toleration["operator"].as_str() {
        Some("Exists") => true,
        _ => !key.is_empty() && text(&toleration["value"]) == text(&taint["value"]),
    }
}

/// The tolerations that every pod of a DaemonSet has.
///
/// # Source
/// `AddOrUpdateDaemonPodTolerations`.
pub fn daemon_tolerations(spec: &Value) -> Vec<Value> {
    let mut tolerations = list(&spec["tolerations"]).to_vec();
    let mut wanted = vec![
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
        ("node.kubernetes.io/disk-pressure", "NoSchedule"),
        ("node.kubernetes.io/memory-pressure", "NoSchedule"),
        ("node.kubernetes.io/pid-pressure", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
    ];
    if spec["hostNetwork"] == true {
        wanted.push(("node.kubernetes.io/network-unavailable", "NoSchedule"));
    }
    for (key, effect) in wanted {
        let toleration = json!({"key": key, "operator": "Exists", "effect": effect});
        match tolerations.iter_mut().find(|have| have["key"] == key && have["effect"] == effect && have["operator"] == "Exists") {
            Some(have) => *have = toleration,
            None => tolerations.push(toleration),
        }
    }
    tolerations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_match_selectors_and_affinity() {
        let node = json!({"metadata": {"name": "node-1", "labels": {"disk": "ssd", "cores": "8"}}});
        let affinity = |term: Value| json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}});
        for (spec, fits) in [
            (json!({}), true),
            (json!({"nodeSelector": {"disk": "ssd"}}), true),
            (json!({"nodeSelector": {"disk": "hdd"}}), false),
            (affinity(json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]})), true),
            (affinity(json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-2"]}]})), false),
            (affinity(json!({"matchExpressions": [{"key": "cores", "operator": "Gt", "values": ["4"]}]})), true),
            (affinity(json!({"matchExpressions": [{"key": "disk", "operator": "NotIn", "values": ["ssd"]}]})), false),
            (affinity(json!({})), false),
        ] {
            assert_eq!(matches(&spec, &node), fits, "{spec}");
        }
    }

    #[test]
    fn taints_repel_what_does_not_tolerate_them() {
        let node = json!({"spec": {"taints": [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]}});
        for (tolerations, repelled) in [
            (json!([]), true),
            (json!([{"key": "gpu", "operator": "Equal", "value": "yes", "effect": "NoSchedule"}]), false),
            (json!([{"key": "gpu", "value": "no"}]), true),
            (json!([{"operator": "Exists"}]), false),
            (json!([{"key": "gpu", "operator": "Exists", "effect": "NoExecute"}]), true),
        ] {
            assert_eq!(repels(&node, list(&tolerations), &["NoSchedule", "NoExecute"]), repelled, "{tolerations}");
        }
        assert!(!repels(&node, &[], &["NoExecute"]));
        assert!(daemon_tolerations(&json!({})).iter().any(|one| one["key"] == "node.kubernetes.io/unschedulable"));
    }
}
