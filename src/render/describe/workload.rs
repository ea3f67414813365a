//! Deployments, ReplicaSets, StatefulSets, DaemonSets, Jobs and CronJobs.

use serde_json::Value;

use super::page::Page;
use super::value::{controller, format_labels, go, int_or_string, is_controlled_by, is_set, list, number, or_none, rfc1123, selector, text, time};
use super::{Around, storage, template};
use crate::render::words;
use crate::rollout::history;
use crate::rollout::workload::{Snapshot, Workload};

pub(super) fn deployment(page: &mut Page, object: &Value, around: &Around) {
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.field(0, "CreationTimestamp", rfc1123(&metadata["creationTimestamp"]));
    page.labels("", "Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    page.field(0, "Selector", selector(&spec["selector"]));
    page.field(
        0,
        "Replicas",
        format!(
            "{} desired | {} updated | {} total | {} available | {} unavailable",
            number(&spec["replicas"]),
            number(&status["updatedReplicas"]),
            number(&status["replicas"]),
            number(&status["availableReplicas"]),
            number(&status["unavailableReplicas"])
        ),
    );
    page.field(0, "StrategyType", text(&spec["strategy"]["type"]));
    page.field(0, "MinReadySeconds", number(&spec["minReadySeconds"]));
    let rolling = &spec["strategy"]["rollingUpdate"];
    if rolling.is_object() {
        page.field(
            0,
            "RollingUpdateStrategy",
            format!("{} max unavailable, {} max surge", int_or_string(&rolling["maxUnavailable"]), int_or_string(&rolling["maxSurge"])),
        );
    }
    template::describe(page, &spec["template"]);
    conditions(page, status);
    replica_sets(page, object, around);
}

fn replica_sets(page: &mut Page, object: &Value, around: &Around) {
    let mut owned: Vec<&Value> = around.revisions.iter().filter(|it| is_controlled_by(it, &object["metadata"]["uid"])).collect();
    if owned.is_empty() {
        return;
    }
    owned.sort_by_key(|it| (time(&it["metadata"]["creationTimestamp"]), text(&it["metadata"]["name"])));
    let live = Workload::new(object.clone()).ok().and_then(|workload| {
        let snapshot = Snapshot { workload, revisions: around.revisions.clone(), pods: Vec::new() };
        history::history(&snapshot, page.now).into_iter().find(|revision| revision.current).map(|revision| revision.owner)
    });
    let is_live = |it: &&&Value| live.as_deref() == it["metadata"]["name"].as_str();
    let words = |sets: Vec<&&Value>| {
        let words: Vec<String> = sets
            .iter()
            .map(|it| format!("{} ({}/{} replicas created)", text(&it["metadata"]["name"]), number(&it["status"]["replicas"]), number(&it["spec"]["replicas"])))
            .collect();
        or_none(&words.join(", ")).to_owned()
    };
    page.field(0, "OldReplicaSets", words(owned.iter().filter(|it| !is_live(it)).collect()));
    page.field(0, "NewReplicaSet", words(owned.iter().filter(is_live).collect()));
}

pub(super) fn replica_set(page: &mut Page, object: &Value, around: &Around) {
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.field(0, "Selector", or_none(&selector(&spec["selector"])));
    page.labels("", "Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    if let Some(controller) = controller(object) {
        page.field(0, "Controlled By", controller);
    }
    page.field(0, "Replicas", format!("{} current / {} desired", number(&status["replicas"]), number(&spec["replicas"])));
    pods(page, object, around);
    template::describe(page, &spec["template"]);
    conditions(page, status);
}

pub(super) fn stateful_set(page: &mut Page, object: &Value, around: &Around) {
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.field(0, "CreationTimestamp", rfc1123(&metadata["creationTimestamp"]));
    page.field(0, "Selector", selector(&spec["selector"]));
    page.labels("", "Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    page.field(0, "Replicas", format!("{} desired | {} total", number(&spec["replicas"]), number(&status["replicas"])));
    page.field(0, "Update Strategy", text(&spec["updateStrategy"]["type"]));
    let rolling = &spec["updateStrategy"]["rollingUpdate"];
    if let Some(partition) = rolling["partition"].as_i64() {
        page.field(1, "Partition", partition);
        if !rolling["maxUnavailable"].is_null() {
            page.field(1, "MaxUnavailable", int_or_string(&rolling["maxUnavailable"]));
        }
    }
    pods(page, object, around);
    template::describe(page, &spec["template"]);
    storage::claim_templates(page, list(&spec["volumeClaimTemplates"]));
}

pub(super) fn daemon_set(page: &mut Page, object: &Value, around: &Around) {
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.field(0, "Selector", selector(&spec["selector"]));
    page.field(0, "Node-Selector", format_labels(&spec["template"]["spec"]["nodeSelector"]));
    page.labels("", "Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    for (title, key) in [
        ("Desired Number of Nodes Scheduled", "desiredNumberScheduled"),
        ("Current Number of Nodes Scheduled", "currentNumberScheduled"),
        ("Number of Nodes Scheduled with Up-to-date Pods", "updatedNumberScheduled"),
        ("Number of Nodes Scheduled with Available Pods", "numberAvailable"),
        ("Number of Nodes Misscheduled", "numberMisscheduled"),
    ] {
        page.write(0, format!("{title}: {}\n", number(&status[key])));
    }
    pods(page, object, around);
    template::describe(page, &spec["template"]);
}

/// The pods that the object controls, by phase.
fn pods(page: &mut Page, object: &Value, around: &Around) {
    let Some(pods) = &around.pods else {
        page.field(0, "Pods Status", "error in fetching pods: not allowed to list pods");
        return;
    };
    let owned: Vec<&Value> = pods.iter().filter(|pod| is_controlled_by(pod, &object["metadata"]["uid"])).collect();
    let in_phase = |phase: &str| owned.iter().filter(|pod| pod["status"]["phase"] == phase).count();
    page.field(
        0,
        "Pods Status",
        format!("{} Running / {} Waiting / {} Succeeded / {} Failed", in_phase("Running"), in_phase("Pending"), in_phase("Succeeded"), in_phase("Failed")),
    );
}

fn conditions(page: &mut Page, status: &Value) {
    let conditions = list(&status["conditions"]);
    if conditions.is_empty() {
        return;
    }
    page.write(0, "Conditions:\n  Type\tStatus\tReason\n");
    page.write(1, "----\t------\t------\n");
    for it in conditions {
        page.write(1, format!("{} \t{}\t{}\n", text(&it["type"]), text(&it["status"]), text(&it["reason"])));
    }
}

pub(super) fn job(page: &mut Page, object: &Value) {
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.field(0, "Selector", selector(&spec["selector"]));
    page.labels("", "Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    if let Some(controller) = controller(object) {
        page.field(0, "Controlled By", controller);
    }
    page.field_if_set(0, "Parallelism", &spec["parallelism"]);
    page.field(0, "Completions", or_unset(&spec["completions"]));
    page.field_if_set(0, "Completion Mode", &spec["completionMode"]);
    page.field_if_set(0, "Suspend", &spec["suspend"]);
    page.field_if_set(0, "Backoff Limit", &spec["backoffLimit"]);
    page.field_if_set(0, "TTL Seconds After Finished", &spec["ttlSecondsAfterFinished"]);
    let (started, completed) = (&status["startTime"], &status["completionTime"]);
    if is_set(started) {
        page.field(0, "Start Time", rfc1123(started));
    }
    if is_set(completed) {
        page.field(0, "Completed At", rfc1123(completed));
    }
    if let (Some(started), Some(completed)) = (time(started), time(completed)) {
        page.field(0, "Duration", words::age(completed.duration_since(started).as_secs()));
    }
    if let Some(deadline) = spec["activeDeadlineSeconds"].as_i64() {
        page.field(0, "Active Deadline Seconds", format!("{deadline}s"));
    }
    let ready = status["ready"].as_i64().map_or(String::new(), |ready| format!(" ({ready} Ready)"));
    let (active, succeeded, failed) = (number(&status["active"]), number(&status["succeeded"]), number(&status["failed"]));
    page.field(0, "Pods Statuses", format!("{active} Active{ready} / {succeeded} Succeeded / {failed} Failed"));
    if spec["completionMode"] == "Indexed" {
        page.field(0, "Completed Indexes", indexes(text(&status["completedIndexes"])));
    }
    template::describe(page, &spec["template"]);
}

/// At most about 50 bytes, cut after a comma.
fn indexes(indexes: &str) -> String {
    match indexes.get(50..).and_then(|rest| rest.find(',')) {
        Some(comma) => format!("{}...", &indexes[..50 + comma + 1]),
        None => or_none(indexes).to_owned(),
    }
}

pub(super) fn cron_job(page: &mut Page, object: &Value) {
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.labels("", "Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    page.field(0, "Schedule", text(&spec["schedule"]));
    page.field(0, "Concurrency Policy", text(&spec["concurrencyPolicy"]));
    page.field(0, "Suspend", spec["suspend"].as_bool().map_or("<unset>", |suspend| if suspend { "True" } else { "False" }));
    page.field(0, "Time Zone", or_unset(&spec["timeZone"]));
    page.field(0, "Successful Job History Limit", or_unset(&spec["successfulJobsHistoryLimit"]));
    page.field(0, "Failed Job History Limit", or_unset(&spec["failedJobsHistoryLimit"]));
    page.field(0, "Starting Deadline Seconds", spec["startingDeadlineSeconds"].as_i64().map_or_else(|| "<unset>".to_owned(), |seconds| format!("{seconds}s")));
    let job = &spec["jobTemplate"]["spec"];
    page.field(0, "Selector", if job["selector"].is_object() { selector(&job["selector"]) } else { "<unset>".to_owned() });
    page.field(0, "Parallelism", or_unset(&job["parallelism"]));
    page.field(0, "Completions", or_unset(&job["completions"]));
    if let Some(deadline) = job["activeDeadlineSeconds"].as_i64() {
        page.field(0, "Active Deadline Seconds", format!("{deadline}s"));
    }
    template::describe(page, &job["template"]);
    let last = &status["lastScheduleTime"];
    page.field(0, "Last Schedule Time", if is_set(last) { rfc1123(last) } else { "<unset>".to_owned() });
    let active: Vec<&str> = list(&status["active"]).iter().map(|job| text(&job["name"])).collect();
    page.field(0, "Active Jobs", or_none(&active.join(", ")));
}

fn or_unset(value: &Value) -> String {
    if value.is_null() { "<unset>".to_owned() } else { go(value) }
}
