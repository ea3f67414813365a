//! The scenarios of StatefulSets and DaemonSets, 63 to 73 of SEMANTICS.md section 8, on the controllers themselves.

use super::history::number;
use super::object::{deleting, label, name};
use super::play::{Play, template};
use crate::sim::api::DeleteOptions;
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;

const STS: Kind = Kind::STATEFULSETS;
const DS: Kind = Kind::DAEMONSETS;
const PODS: Kind = Kind::PODS;

fn stateful(replicas: i64, change: impl FnOnce(&mut Value)) -> Play {
    let mut play = Play::small();
    let mut object = json!({
        "metadata": {"name": "db", "namespace": "default", "annotations": {"kubernetes.io/change-cause": "first"}},
        "spec": {
            "serviceName": "db", "replicas": replicas, "revisionHistoryLimit": 10, "podManagementPolicy": "OrderedReady",
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            "selector": {"matchLabels": {"app": "db"}}, "template": template("db", "shop/db:15"),
        },
    });
    change(&mut object);
    play.create(STS, object);
    play.wait(30.0);
    play.log(PODS);
    play
}

fn daemon(nodes: usize, change: impl FnOnce(&mut Value)) -> Play {
    let mut play = Play::seeded(0, nodes);
    let mut object = json!({
        "metadata": {"name": "agent", "namespace": "default", "annotations": {"deprecated.daemonset.template.generation": "1"}},
        "spec": {
            "revisionHistoryLimit": 10, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
            "selector": {"matchLabels": {"app": "agent"}}, "template": template("agent", "shop/agent:1"),
        },
    });
    change(&mut object);
    play.create(DS, object);
    play.wait(20.0);
    play.log(PODS);
    play
}

fn release(play: &mut Play, image: &str) {
    play.edit(DS, "agent", |object| {
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(image);
        let generation =
            object["metadata"]["annotations"]["deprecated.daemonset.template.generation"].as_str().and_then(|text| text.parse::<i64>().ok()).unwrap_or(0);
        object["metadata"]["annotations"]["deprecated.daemonset.template.generation"] = json!((generation + 1).to_string());
    });
}

fn image(pod: &Value) -> &str {
    pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default()
}

fn revisions(play: &Play) -> Vec<(i64, String)> {
    let mut revisions: Vec<(i64, String)> = play.all(Kind::CONTROLLERREVISIONS).iter().map(|it| (number(it), name(it).to_owned())).collect();
    revisions.sort();
    revisions
}

/// The order in which pods were made and were told to go, as `+NAME` and `-NAME`.
fn order(play: &mut Play) -> Vec<String> {
    let log = play.log(PODS);
    let mut order: Vec<String> = Vec::new();
    for entry in log {
        let pod = name(&entry.object).to_owned();
        match entry.change {
            crate::sim::store::Change::Added => order.push(format!("+{pod}")),
            crate::sim::store::Change::Deleted if entry.previous.as_deref().is_some_and(|before| !deleting(before)) => order.push(format!("-{pod}")),
            crate::sim::store::Change::Modified if deleting(&entry.object) && entry.previous.as_deref().is_some_and(|before| !deleting(before)) => {
                order.push(format!("-{pod}"))
            }
            _ => {}
        }
    }
    order
}

#[test]
fn a_stateful_set_makes_its_pods_one_after_the_other() {
    let mut play = Play::small();
    let before = stateful(3, |_| {});
    assert_eq!(before.status(STS, "db", "readyReplicas"), 3, "{}", before.get(STS, "db")["status"]);
    assert_eq!(before.pod_names(), ["db-0", "db-1", "db-2"]);
    let pod = before.get(PODS, "db-1");
    assert_eq!((label(&pod, "apps.kubernetes.io/pod-index"), label(&pod, "statefulset.kubernetes.io/pod-name")), (Some("1"), Some("db-1")));
    assert_eq!((pod["spec"]["hostname"].as_str(), pod["spec"]["subdomain"].as_str()), (Some("db-1"), Some("db")));
    assert_eq!(label(&pod, "controller-revision-hash"), before.get(STS, "db")["status"]["currentRevision"].as_str());
    assert_eq!(before.events("SuccessfulCreate")[0], "Create Pod db-0 in StatefulSet db successful");
    play.wait(1.0);
}

#[test]
fn an_update_goes_from_the_highest_pod_down_and_moves_the_current_revision_at_the_end() {
    let mut play = stateful(3, |_| {});
    let first = play.get(STS, "db")["status"]["currentRevision"].clone();
    play.set_image(STS, "db", "shop/db:16");
    let mut currents = vec![first.clone()];
    for _ in 0..300 {
        play.wait(0.1);
        let status = play.get(STS, "db")["status"].clone();
        if currents.last() != Some(&status["currentRevision"]) {
            assert_eq!(status["updatedReplicas"], 3);
            currents.push(status["currentRevision"].clone());
        }
    }
    assert_eq!(order(&mut play), ["-db-2", "+db-2", "-db-1", "+db-1", "-db-0", "+db-0"]);
    assert_eq!(currents.len(), 2);
    assert_eq!(play.get(STS, "db")["status"]["updateRevision"], currents[1]);

    // Back again: the old revision moves up and keeps its name.
    play.set_image(STS, "db", "shop/db:15");
    play.wait(30.0);
    assert_eq!(revisions(&play).iter().map(|(number, _)| *number).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(revisions(&play)[1].1, first.as_str().unwrap_or_default());
}

#[test]
fn a_stateful_set_in_order_stays_stuck_after_its_template_is_put_back_until_the_broken_pod_is_deleted() {
    let mut play = stateful(3, |_| {});
    play.set_image(STS, "db", "shop/db:404");
    play.wait(30.0);
    play.set_image(STS, "db", "shop/db:15");
    play.wait(60.0);
    assert_eq!(image(&play.get(PODS, "db-2")), "shop/db:404");
    play.delete(PODS, "db-2", &DeleteOptions::default());
    play.wait(30.0);
    assert_eq!((play.status(STS, "db", "readyReplicas"), image(&play.get(PODS, "db-2"))), (3, "shop/db:15"));

    // All at once, it recovers by itself.
    let mut play = stateful(3, |object| object["spec"]["podManagementPolicy"] = json!("Parallel"));
    play.set_image(STS, "db", "shop/db:404");
    play.wait(30.0);
    play.set_image(STS, "db", "shop/db:15");
    play.wait(30.0);
    assert_eq!((play.status(STS, "db", "readyReplicas"), image(&play.get(PODS, "db-2"))), (3, "shop/db:15"));
}

#[test]
fn a_pod_below_the_partition_comes_back_at_the_current_revision() {
    let mut play = stateful(3, |object| object["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = json!(1));
    play.set_image(STS, "db", "shop/db:16");
    play.wait(30.0);
    let images = |play: &Play| play.pods().iter().map(|pod| image(pod).to_owned()).collect::<Vec<_>>();
    assert_eq!(images(&play), ["shop/db:15", "shop/db:16", "shop/db:16"]);
    play.delete(PODS, "db-0", &DeleteOptions::default());
    play.wait(20.0);
    assert_eq!(images(&play), ["shop/db:15", "shop/db:16", "shop/db:16"]);
    let status = play.get(STS, "db")["status"].clone();
    assert_ne!(status["currentRevision"], status["updateRevision"]);
    assert_eq!((status["currentReplicas"].clone(), status["updatedReplicas"].clone()), (json!(1), json!(2)));
}

#[test]
fn scaling_down_removes_one_pod_after_the_other_from_the_top() {
    let mut play = stateful(3, |_| {});
    play.scale(STS, "db", 1);
    for _ in 0..100 {
        play.wait(0.05);
        let going = play.pods().iter().filter(|pod| deleting(pod)).count();
        assert!(going <= 1);
    }
    assert_eq!(order(&mut play), ["-db-2", "-db-1"]);
    assert_eq!(play.pod_names(), ["db-0"]);
}

#[test]
fn on_delete_only_deleted_pods_come_back_changed() {
    let mut play = stateful(2, |object| object["spec"]["updateStrategy"] = json!({"type": "OnDelete"}));
    play.set_image(STS, "db", "shop/db:16");
    play.wait(20.0);
    assert_eq!(order(&mut play).len(), 0);
    play.delete(PODS, "db-0", &DeleteOptions::default());
    play.wait(20.0);
    assert_eq!((image(&play.get(PODS, "db-0")), image(&play.get(PODS, "db-1"))), ("shop/db:16", "shop/db:15"));
}

#[test]
fn claims_of_a_stateful_set_outlive_its_pods_or_go_with_them() {
    let claims = |object: &mut Value| {
        object["spec"]["volumeClaimTemplates"] =
            json!([{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]);
    };
    let mut play = stateful(2, claims);
    let names = |play: &Play| play.all(Kind::PERSISTENTVOLUMECLAIMS).iter().map(|claim| name(claim).to_owned()).collect::<Vec<_>>();
    assert_eq!(names(&play), ["data-db-0", "data-db-1"]);
    assert_eq!(play.get(PODS, "db-1")["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"], "data-db-1");
    play.scale(STS, "db", 1);
    play.wait(10.0);
    assert_eq!(names(&play), ["data-db-0", "data-db-1"]);

    let mut play = stateful(2, |object| {
        claims(object);
        object["spec"]["persistentVolumeClaimRetentionPolicy"] = json!({"whenScaled": "Delete", "whenDeleted": "Retain"});
    });
    play.scale(STS, "db", 1);
    play.wait(20.0);
    assert_eq!(names(&play), ["data-db-0"]);
}

#[test]
fn a_daemon_set_has_one_pod_on_each_node_and_follows_nodes() {
    let mut play = daemon(3, |_| {});
    let status = play.get(DS, "agent")["status"].clone();
    assert_eq!(
        (status["desiredNumberScheduled"].clone(), status["numberAvailable"].clone(), status["updatedNumberScheduled"].clone()),
        (json!(3), json!(3), json!(3)),
        "{status}"
    );
    let mut nodes: Vec<String> = play.pods().iter().map(|pod| pod["spec"]["nodeName"].as_str().unwrap_or_default().to_owned()).collect();
    nodes.sort();
    assert_eq!(nodes, ["node-1", "node-2", "node-3"]);
    let taint = json!([{"key": "dedicated", "value": "gpu", "effect": "NoExecute"}]);
    play.edit(Kind::NODES, "node-2", |node| node["spec"]["taints"] = taint);
    play.wait(5.0);
    assert_eq!((play.pods().len(), play.status(DS, "agent", "desiredNumberScheduled")), (2, 2));
    // A cordoned node keeps and even gets its pod.
    play.edit(Kind::NODES, "node-2", |node| {
        node["spec"] = json!({"unschedulable": true, "taints": [{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]})
    });
    play.wait(5.0);
    assert_eq!(play.pods().len(), 3);
}

#[test]
fn an_update_of_a_daemon_set_takes_as_many_nodes_at_a_time_as_may_be_unavailable() {
    let mut play = daemon(4, |object| object["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] = json!("30%"));
    release(&mut play, "shop/agent:2");
    let mut most = 0;
    for _ in 0..200 {
        play.wait(0.05);
        let now = play.world.now();
        let available = play.pods().iter().filter(|pod| !deleting(pod) && super::pods::is_available(pod, 0, now)).count();
        most = most.max(4 - available);
    }
    assert_eq!(most, 2);
    assert!(play.pods().iter().all(|pod| image(pod) == "shop/agent:2"));
    assert_eq!(play.status(DS, "agent", "updatedNumberScheduled"), 4);
    assert_eq!(revisions(&play).len(), 2);
}

#[test]
fn with_surge_the_new_pod_is_ready_before_the_old_one_goes() {
    let mut play = daemon(3, |object| object["spec"]["updateStrategy"]["rollingUpdate"] = json!({"maxSurge": 1, "maxUnavailable": 0}));
    release(&mut play, "shop/agent:2");
    for _ in 0..300 {
        play.wait(0.05);
        let pods = play.pods();
        let doubled = pods.iter().filter(|pod| !deleting(pod)).count().saturating_sub(3);
        let now = play.world.now();
        let nodes_served = pods
            .iter()
            .filter(|pod| !deleting(pod) && super::pods::is_available(pod, 0, now))
            .filter_map(|pod| pod["spec"]["nodeName"].as_str())
            .collect::<std::collections::BTreeSet<_>>();
        assert!(doubled <= 1 && nodes_served.len() == 3, "{doubled} doubled, served {nodes_served:?}");
    }
    assert!(play.pods().iter().all(|pod| image(pod) == "shop/agent:2"));
}

#[test]
fn a_daemon_set_that_is_put_back_reuses_its_revision() {
    let mut play = daemon(2, |_| {});
    let first = revisions(&play)[0].1.clone();
    release(&mut play, "shop/agent:404");
    play.wait(20.0);
    assert_eq!(play.status(DS, "agent", "numberUnavailable"), 1);
    release(&mut play, "shop/agent:1");
    play.wait(20.0);
    assert_eq!(play.status(DS, "agent", "numberAvailable"), 2);
    assert_eq!(revisions(&play).last(), Some(&(3, first)));
}
