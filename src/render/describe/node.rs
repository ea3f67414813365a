//! Nodes.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Around;
use super::page::Page;
use super::quantity::{Quantity, Resources, add, raise, resources};
use super::value::{go, is_set, list, rfc1123, since, strings, text};

pub(super) fn describe(page: &mut Page, node: &Value, around: &Around) {
    let (metadata, spec, status) = (&node["metadata"], &node["spec"], &node["status"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Roles", roles(&metadata["labels"]));
    page.labels("", "Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    page.field(0, "CreationTimestamp", rfc1123(&metadata["creationTimestamp"]));
    let mut taints: Vec<&Value> = list(&spec["taints"]).iter().collect();
    taints.sort_by_key(|taint| format!("{},{}", text(&taint["effect"]), text(&taint["key"])));
    page.list("", "Taints", &taints.into_iter().map(taint).collect::<Vec<_>>());
    page.field(0, "Unschedulable", spec["unschedulable"] == true);
    match &around.lease {
        Some(Ok(lease)) => {
            let time = |value: &Value| if is_set(value) { rfc1123(value) } else { "<unset>".to_owned() };
            page.write(0, "Lease:\n");
            page.field(1, "HolderIdentity", lease["spec"]["holderIdentity"].as_str().unwrap_or("<unset>"));
            page.field(1, "AcquireTime", time(&lease["spec"]["acquireTime"]));
            page.field(1, "RenewTime", time(&lease["spec"]["renewTime"]));
        }
        Some(Err(why)) => page.field(0, "Lease", format!("Failed to get lease: {why}")),
        None => {}
    }
    let conditions = list(&status["conditions"]);
    if !conditions.is_empty() {
        page.write(0, "Conditions:\n  Type\tStatus\tLastHeartbeatTime\tLastTransitionTime\tReason\tMessage\n");
        page.write(1, "----\t------\t-----------------\t------------------\t------\t-------\n");
    }
    for it in conditions {
        let (seen, changed) = (rfc1123(&it["lastHeartbeatTime"]), rfc1123(&it["lastTransitionTime"]));
        page.write(1, format!("{} \t{} \t{seen} \t{changed} \t{} \t{}\n", text(&it["type"]), text(&it["status"]), text(&it["reason"]), text(&it["message"])));
    }
    page.write(0, "Addresses:\n");
    for address in list(&status["addresses"]) {
        page.field(1, text(&address["type"]), text(&address["address"]));
    }
    for (title, amounts) in [("Capacity", &status["capacity"]), ("Allocatable", &status["allocatable"])] {
        if is_set(amounts) {
            page.write(0, format!("{title}:\n"));
        }
        for (name, amount) in amounts.as_object().into_iter().flatten() {
            page.field(1, name, go(amount));
        }
    }
    page.write(0, "System Info:\n");
    for (title, key) in [
        ("Machine ID", "machineID"),
        ("System UUID", "systemUUID"),
        ("Boot ID", "bootID"),
        ("Kernel Version", "kernelVersion"),
        ("OS Image", "osImage"),
        ("Operating System", "operatingSystem"),
        ("Architecture", "architecture"),
        ("Container Runtime Version", "containerRuntimeVersion"),
        ("Kubelet Version", "kubeletVersion"),
    ] {
        page.field(1, title, text(&status["nodeInfo"][key]));
    }
    page.field_if_set(0, "PodCIDR", &spec["podCIDR"]);
    if is_set(&spec["podCIDRs"]) {
        page.field(0, "PodCIDRs", strings(&spec["podCIDRs"]).join(","));
    }
    page.field_if_set(0, "ProviderID", &spec["providerID"]);
    match &around.pods {
        Some(pods) => usage(page, status, pods),
        None => page.field(0, "Pods", "not authorized"),
    }
}

fn roles(labels: &Value) -> String {
    let role = |(key, value): (&String, &Value)| match key.strip_prefix("node-role.kubernetes.io/") {
        Some(role) => (!role.is_empty()).then(|| role.to_owned()),
        None => (key == "kubernetes.io/role" && is_set(value)).then(|| text(value).to_owned()),
    };
    let roles: BTreeSet<String> = labels.as_object().into_iter().flatten().filter_map(role).collect();
    super::value::or_none(&roles.into_iter().collect::<Vec<_>>().join(",")).to_owned()
}

fn taint(taint: &Value) -> String {
    let (key, value, effect) = (text(&taint["key"]), text(&taint["value"]), text(&taint["effect"]));
    match (value, effect) {
        ("", "") => key.to_owned(),
        (value, "") => format!("{key}={value}:"),
        ("", effect) => format!("{key}:{effect}"),
        (value, effect) => format!("{key}={value}:{effect}"),
    }
}

fn usage(page: &mut Page, status: &Value, pods: &[Value]) {
    let allocatable = resources(if is_set(&status["allocatable"]) { &status["allocatable"] } else { &status["capacity"] });
    page.field(0, "Non-terminated Pods", format!("({} in total)", pods.len()));
    page.write(1, "Namespace\tName\t\tCPU Requests\tCPU Limits\tMemory Requests\tMemory Limits\tAge\n");
    page.write(1, "---------\t----\t\t------------\t----------\t---------------\t-------------\t---\n");
    let (mut requests, mut limits) = (Resources::new(), Resources::new());
    for pod in pods {
        let (asked, limited) = (of_pod(pod, "requests", true), of_pod(pod, "limits", true));
        let cell = |amounts: &Resources, name: &str| share(amounts, &allocatable, name);
        page.write(
            1,
            format!(
                "{}\t{}\t\t{}\t{}\t{}\t{}\t{}\n",
                text(&pod["metadata"]["namespace"]),
                text(&pod["metadata"]["name"]),
                cell(&asked, "cpu"),
                cell(&limited, "cpu"),
                cell(&asked, "memory"),
                cell(&limited, "memory"),
                since(&pod["metadata"]["creationTimestamp"], page.now)
            ),
        );
        add(&mut requests, &of_pod(pod, "requests", false));
        add(&mut limits, &of_pod(pod, "limits", false));
    }
    page.write(0, "Allocated resources:\n  (Total limits may be over 100 percent, i.e., overcommitted.)\n");
    page.write(1, "Resource\tRequests\tLimits\n");
    page.write(1, "--------\t--------\t------\n");
    let huge = allocatable.keys().filter(|name| name.starts_with("hugepages-")).map(String::as_str);
    for name in ["cpu", "memory", "ephemeral-storage"].into_iter().chain(huge) {
        page.write(1, format!("{name}\t{}\t{}\n", share(&requests, &allocatable, name), share(&limits, &allocatable, name)));
    }
    let known = |name: &&String| matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage" | "pods") || name.starts_with("hugepages-");
    for name in allocatable.keys().filter(|name| !known(name)) {
        let amount = |of: &Resources| of.get(name).copied().unwrap_or_default();
        page.write(1, format!("{name}\t{}\t{}\n", amount(&requests), amount(&limits)));
    }
}

/// `100m (5%)`: an amount and its share of what there is.
fn share(amounts: &Resources, allocatable: &Resources, name: &str) -> String {
    let (amount, of) = (amounts.get(name).copied().unwrap_or_default(), allocatable.get(name).copied().unwrap_or_default());
    let parts = |quantity: Quantity| if name == "cpu" { quantity.milli() } else { quantity.units() };
    let percent = if parts(of) == 0 { 0 } else { (parts(amount) as f64 / parts(of) as f64 * 100.0) as i64 };
    format!("{amount} ({percent}%)")
}

/// What a Pod asks for or is limited to: its containers together, or what its init containers need one after another if that is more,
/// or what the Pod itself says; and its overhead.
///
/// # Source
/// `PodRequests` and `PodLimits` of component-helpers 0.36.
fn of_pod(pod: &Value, side: &str, with_status: bool) -> Resources {
    let spec = &pod["spec"];
    let of_container = |container: &Value, statuses: &str| {
        let mut amounts = resources(&container["resources"][side]);
        let status = list(&pod["status"][statuses]).iter().find(|status| status["name"] == container["name"]);
        if let Some(status) = status.filter(|status| with_status && status["resources"].is_object()) {
            // While a Pod is resized in place it holds the larger of what it has and what it will have.
            raise(&mut amounts, &resources(&status["resources"][side]));
            if side == "requests" {
                raise(&mut amounts, &resources(&status["allocatedResources"]));
            }
        }
        amounts
    };
    let mut sum = Resources::new();
    for container in list(&spec["containers"]) {
        add(&mut sum, &of_container(container, "containerStatuses"));
    }
    let (mut sidecars, mut most) = (Resources::new(), Resources::new());
    for container in list(&spec["initContainers"]) {
        if container["restartPolicy"] == "Always" {
            let amounts = of_container(container, "initContainerStatuses");
            add(&mut sum, &amounts);
            add(&mut sidecars, &amounts);
            raise(&mut most, &sidecars);
        } else {
            let mut amounts = resources(&container["resources"][side]);
            add(&mut amounts, &sidecars);
            raise(&mut most, &amounts);
        }
    }
    raise(&mut sum, &most);
    for (name, amount) in resources(&spec["resources"][side]) {
        if matches!(name.as_str(), "cpu" | "memory") || name.starts_with("hugepages-") {
            sum.insert(name, amount);
        }
    }
    for (name, amount) in resources(&spec["overhead"]) {
        // A Pod without a limit has none, overhead or not.
        if side == "requests" || sum.contains_key(&name) {
            add(&mut sum, &Resources::from([(name, amount)]));
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_asks_for_its_containers_together_or_for_its_greediest_start() {
        let requests = |cpu: &str| json!({"requests": {"cpu": cpu}});
        for (spec, cpu) in [
            (json!({"containers": [{"resources": requests("100m")}, {"resources": requests("150m")}]}), "250m"),
            (json!({"containers": [{"resources": requests("100m")}], "initContainers": [{"resources": requests("1")}]}), "1"),
            (
                json!({"containers": [{"resources": requests("100m")}], "initContainers": [{"restartPolicy": "Always", "resources": requests("50m")}, {"resources": requests("200m")}]}),
                "250m",
            ),
            (json!({"containers": [{"resources": requests("100m")}], "overhead": {"cpu": "10m"}}), "110m"),
            (json!({"containers": [{"resources": requests("100m")}], "resources": requests("2")}), "2"),
        ] {
            assert_eq!(of_pod(&json!({"spec": spec}), "requests", true)["cpu"].to_string(), cpu, "{spec}");
        }
    }

    #[test]
    fn roles_and_taints_are_kubectls() {
        assert_eq!(
            roles(&json!({"node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/control-plane": "", "kubernetes.io/role": "edge"})),
            "control-plane,edge,worker"
        );
        assert_eq!(roles(&Value::Null), "<none>");
        assert_eq!(taint(&json!({"key": "a", "effect": "NoSchedule"})), "a:NoSchedule");
        assert_eq!(taint(&json!({"key": "a", "value": "b", "effect": "NoSchedule"})), "a=b:NoSchedule");
    }
}
