//! Pods.

use serde_json::Value;

use super::page::Page;
use super::value::{controller, is_set, list, number, rfc1123, since, text};
use super::{template, volume};

pub(super) fn describe(page: &mut Page, pod: &Value) {
    let (metadata, spec, status) = (&pod["metadata"], &pod["spec"], &pod["status"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.field_if_set(0, "Priority", &spec["priority"]);
    page.field_if_set(0, "Priority Class Name", &spec["priorityClassName"]);
    page.field_if_set(0, "Runtime Class Name", &spec["runtimeClassName"]);
    page.field_if_set(0, "Service Account", &spec["serviceAccountName"]);
    match text(&spec["nodeName"]) {
        "" => page.field(0, "Node", "<none>"),
        node => page.field(0, "Node", format!("{node}/{}", text(&status["hostIP"]))),
    }
    if is_set(&status["startTime"]) {
        page.field(0, "Start Time", rfc1123(&status["startTime"]));
    }
    page.labels("", "Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    if is_set(&metadata["deletionTimestamp"]) && !matches!(text(&status["phase"]), "Failed" | "Succeeded") {
        page.field(0, "Status", format!("Terminating (lasts {})", since(&metadata["deletionTimestamp"], page.now)));
        page.field(0, "Termination Grace Period", format!("{}s", number(&metadata["deletionGracePeriodSeconds"])));
    } else {
        page.field(0, "Status", text(&status["phase"]));
    }
    page.field_if_set(0, "Reason", &status["reason"]);
    page.field_if_set(0, "Message", &status["message"]);
    let seccomp = &spec["securityContext"]["seccompProfile"];
    if seccomp.is_object() {
        page.field(0, "SeccompProfile", text(&seccomp["type"]));
        if seccomp["type"] == "Localhost" {
            page.field(0, "LocalhostProfile", text(&seccomp["localhostProfile"]));
        }
    }
    page.field(0, "IP", text(&status["podIP"]));
    let ips = list(&status["podIPs"]);
    page.write(0, if ips.is_empty() { "IPs:\t<none>\n" } else { "IPs:\n" });
    for ip in ips {
        page.field(1, "IP", text(&ip["ip"]));
    }
    if let Some(controller) = controller(pod) {
        page.field(0, "Controlled By", controller);
    }
    page.field_if_set(0, "NominatedNodeName", &status["nominatedNodeName"]);
    if spec["resources"].is_object() {
        page.write(0, "Resources:\n");
        template::resources(page, &spec["resources"], 1);
    }
    for (title, key, statuses, always) in [
        ("Init Containers", "initContainers", "initContainerStatuses", false),
        ("Containers", "containers", "containerStatuses", true),
        ("Ephemeral Containers", "ephemeralContainers", "ephemeralContainerStatuses", false),
    ] {
        if always || is_set(&spec[key]) {
            template::containers(page, title, list(&spec[key]), list(&status[statuses]), Some(pod), "");
        }
    }
    conditions(page, spec, status);
    volume::describe(page, list(&spec["volumes"]), "");
    page.field(0, "QoS Class", text(&status["qosClass"]));
    page.labels("", "Node-Selectors", &spec["nodeSelector"]);
    template::tolerations(page, "Tolerations", list(&spec["tolerations"]));
    template::topology_spread(page, list(&spec["topologySpreadConstraints"]), "");
    template::scheduling_group(page, &spec["schedulingGroup"], "");
}

fn conditions(page: &mut Page, spec: &Value, status: &Value) {
    let conditions = list(&status["conditions"]);
    if is_set(&spec["readinessGates"]) {
        page.write(0, "Readiness Gates:\n  Type\tStatus\n");
        for gate in list(&spec["readinessGates"]) {
            let condition = conditions.iter().find(|condition| condition["type"] == gate["conditionType"]);
            let state = condition.map_or("<none>", |condition| text(&condition["status"]));
            page.write(1, format!("{} \t{state} \n", text(&gate["conditionType"])));
        }
    }
    if !conditions.is_empty() {
        page.write(0, "Conditions:\n  Type\tStatus\n");
        for condition in conditions {
            page.write(1, format!("{} \t{} \n", text(&condition["type"]), text(&condition["status"])));
        }
    }
}
