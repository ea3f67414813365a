//! The life around the workloads: deletion and its propagation, namespaces, pods in all their states, the shop.

use jiff::Timestamp;

use super::object::{annotation, condition, deleting, name};
use super::play::{Play, probed};
use crate::sim::api::{DeleteOptions, Propagation};
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;
use crate::sim::kubelet::logs;
use crate::sim::store::Change;

const D: Kind = Kind::DEPLOYMENTS;
const PODS: Kind = Kind::PODS;

fn settled(replicas: i64, image: &str, change: impl FnOnce(&mut Value)) -> Play {
    let mut play = Play::small();
    play.deployment("web", replicas, image, change);
    play.wait(30.0);
    play
}

fn propagate(propagation: Propagation) -> DeleteOptions {
    DeleteOptions { propagation: Some(propagation), ..DeleteOptions::default() }
}

#[test]
fn orphaned_replica_sets_are_adopted_again_and_the_revision_goes_on() {
    let mut play = settled(2, "shop/web:1", |_| {});
    play.set_image(D, "web", "shop/web:2");
    play.wait(20.0);
    let pods = play.pod_names();
    play.delete(D, "web", &propagate(Propagation::Orphan));
    play.wait(5.0);
    assert!(play.find(D, "web").is_none());
    assert_eq!((play.sizes().len(), play.pod_names()), (2, pods.clone()));
    assert!(play.replica_set(2)["metadata"]["ownerReferences"].is_null());
    play.deployment("web", 2, "shop/web:3", |_| {});
    play.wait(20.0);
    assert_eq!(play.sizes(), [("1".to_owned(), 0), ("2".to_owned(), 0), ("3".to_owned(), 2)]);
}

#[test]
fn owners_in_a_circle_do_not_wait_for_each_other_for_ever() {
    let mut play = Play::small();
    let config = |name: &str| json!({ "metadata": { "name": name, "namespace": "default" } });
    let uids = ["a", "b", "c"].map(|name| play.create(Kind::CONFIGMAPS, config(name))["metadata"]["uid"].clone());
    for (name, owner, uid) in [("a", "c", &uids[2]), ("b", "a", &uids[0]), ("c", "b", &uids[1])] {
        play.edit(Kind::CONFIGMAPS, name, |it| {
            it["metadata"]["ownerReferences"] = json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": uid, "blockOwnerDeletion": true }]);
        });
    }
    play.delete(Kind::CONFIGMAPS, "a", &propagate(Propagation::Foreground));
    play.wait(5.0);
    assert_eq!(["a", "b", "c"].map(|name| play.find(Kind::CONFIGMAPS, name).is_some()), [false; 3]);
}

#[test]
fn in_the_background_the_owner_goes_first_and_in_the_foreground_last() {
    for (propagation, first) in [(Propagation::Background, D), (Propagation::Foreground, PODS)] {
        let mut play = settled(2, "shop/web:1", |_| {});
        play.delete(D, "web", &propagate(propagation));
        let mut gone = Vec::new();
        let before = play.world.store.version();
        play.wait(40.0);
        for kind in [D, Kind::REPLICASETS, PODS] {
            assert!(play.all(kind).is_empty(), "{kind:?}");
            for entry in play.world.store.since(kind, before.saturating_sub(3)).expect("a short past").filter(|entry| entry.change == Change::Deleted) {
                gone.push((entry.version, kind));
            }
        }
        gone.sort();
        assert_eq!(gone.first().map(|(_, kind)| *kind), Some(first), "{gone:?}");
    }
}

#[test]
fn a_deleted_pod_takes_its_time_while_its_replacement_comes_up() {
    let mut play = settled(1, "shop/web:1", |_| {});
    let old = play.pod_names()[0].clone();
    play.delete(PODS, &old, &DeleteOptions::default());
    play.wait(0.3);
    assert!(deleting(&play.get(PODS, &old)));
    assert_eq!(play.pods().len(), 2);
    play.wait(5.0);
    assert!(play.find(PODS, &old).is_none());
    assert_eq!(play.events("Killing"), ["Stopping container web"]);
}

#[test]
fn a_deleted_namespace_goes_away_with_all_that_is_in_it() {
    let mut play = Play::small();
    play.create(Kind::NAMESPACES, json!({"metadata": {"name": "shop"}}));
    play.wait(1.0);
    for kind in [Kind::SERVICEACCOUNTS, Kind::CONFIGMAPS] {
        assert_eq!(play.world.list(kind, Some("shop")).count(), 1, "{kind:?}");
    }
    let mut object = Value::clone(&play.deployment("web", 2, "shop/web:1", |_| {}));
    object["metadata"] = json!({"name": "web", "namespace": "shop"});
    play.create(D, object);
    play.wait(10.0);
    play.delete(Kind::NAMESPACES, "shop", &DeleteOptions::default());
    assert_eq!(play.get(Kind::NAMESPACES, "shop")["status"]["phase"], "Terminating");
    play.wait(20.0);
    assert!(play.find(Kind::NAMESPACES, "shop").is_none());
    assert_eq!(Kind::all().filter(|kind| kind.namespaced()).map(|kind| play.world.list(kind, Some("shop")).count()).sum::<usize>(), 0);
}

#[test]
fn the_default_account_and_the_root_certificate_come_back() {
    let mut play = Play::small();
    play.delete(Kind::SERVICEACCOUNTS, "default", &DeleteOptions::default());
    play.edit(Kind::CONFIGMAPS, "kube-root-ca.crt", |map| map["data"] = json!({}));
    play.wait(1.0);
    assert!(play.find(Kind::SERVICEACCOUNTS, "default").is_some());
    assert!(play.get(Kind::CONFIGMAPS, "kube-root-ca.crt")["data"]["ca.crt"].as_str().is_some_and(|text| text.starts_with("-----BEGIN")));
}

/// The waiting reason, or the state, of the only container of the only pod.
fn state(play: &Play) -> String {
    let pod = &play.pods()[0];
    let state = &pod["status"]["containerStatuses"][0]["state"];
    ["waiting", "terminated"]
        .iter()
        .find_map(|kind| state[*kind]["reason"].as_str())
        .unwrap_or(if state["running"].is_object() { "running" } else { "none" })
        .to_owned()
}

#[test]
fn a_bad_image_alternates_between_error_and_back_off_and_stays_pending() {
    let mut play = Play::small();
    play.deployment("web", 1, "shop/web:404", |_| {});
    let mut states = Vec::new();
    for _ in 0..1200 {
        play.wait(0.1);
        if let Some(state) = (!play.pods().is_empty()).then(|| state(&play))
            && states.last() != Some(&state)
        {
            states.push(state);
        }
    }
    assert_eq!(states[..5], ["ContainerCreating", "ErrImagePull", "ImagePullBackOff", "ErrImagePull", "ImagePullBackOff"]);
    assert_eq!(play.pods()[0]["status"]["phase"], "Pending");
    let pod = play.pod_names()[0].clone();
    let failure = logs(&play.world, "default", &pod, None, false).expect_err("no logs");
    assert_eq!(failure.message(), format!("container \"web\" in pod \"{pod}\" is waiting to start: trying and failing to pull image"));
}

#[test]
fn a_crashing_container_restarts_at_once_and_then_backs_off_twice_as_long_each_time() {
    let mut play = Play::small();
    play.deployment("web", 1, "shop/web:1-crash", probed);
    let (mut seen, mut last) = (Vec::new(), 0);
    for tenth in 0..3000 {
        play.wait(0.1);
        let Some(pod) = play.pods().pop() else { continue };
        let restarts = pod["status"]["containerStatuses"][0]["restartCount"].as_i64().unwrap_or(0);
        if restarts != last {
            seen.push(tenth / 10);
            last = restarts;
        }
    }
    let gaps: Vec<i64> = seen.windows(2).map(|pair| pair[1] - pair[0]).collect();
    for (gap, expected) in gaps.iter().zip([11, 21, 41, 81]) {
        assert!((expected - 1..=expected + 2).contains(gap), "{gaps:?}");
    }
    let pod = play.pods()[0].clone();
    assert_eq!((pod["status"]["phase"].as_str(), state(&play).as_str()), (Some("Running"), "CrashLoopBackOff"));
    assert_eq!(pod["status"]["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 1);
    assert_eq!(condition(&pod, "Ready").expect("a condition")["reason"], "ContainersNotReady");
    let lines = logs(&play.world, "default", name(&pod), None, true).expect("logs");
    assert_eq!(lines.last().map(|line| line.text.as_str()), Some("exit status 1"));
    assert!(play.events("BackOff").iter().any(|message| message.starts_with("Back-off restarting failed container web in pod web-")));
}

#[test]
fn images_behave_as_they_are_told() {
    let mut play = Play::small();
    let behaviour = crate::sim::image::Behaviour::from_value(&json!({"ready_after": "5s", "log": "hello\nworld"})).expect("a behaviour");
    play.world.controllers.images.add("shop/web:*", behaviour);
    play.deployment("web", 1, "shop/web:1-crash", |_| {});
    play.wait(4.9);
    assert_eq!((state(&play).as_str(), play.status(D, "web", "readyReplicas")), ("running", 0));
    play.wait(0.3);
    assert_eq!(play.status(D, "web", "readyReplicas"), 1);
    let text: Vec<String> = logs(&play.world, "default", &play.pod_names()[0], Some("web"), false).expect("logs").into_iter().map(|line| line.text).collect();
    assert_eq!(text, ["hello", "world"]);
}

#[test]
fn a_pod_that_fits_nowhere_says_why_and_is_placed_once_it_fits() {
    let mut play = Play::small();
    play.deployment("web", 1, "shop/web:1", |object| object["spec"]["template"]["spec"]["nodeSelector"] = json!({"disk": "ssd"}));
    play.wait(2.0);
    let pod = play.pods()[0].clone();
    let scheduled = condition(&pod, "PodScheduled").expect("a condition");
    let why = "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/3 nodes are available: 3 \
               Preemption is not helpful for scheduling.";
    assert_eq!((scheduled["reason"].as_str(), scheduled["message"].as_str()), (Some("Unschedulable"), Some(why)));
    play.edit(Kind::NODES, "node-2", |node| node["metadata"]["labels"]["disk"] = json!("ssd"));
    play.wait(5.0);
    assert_eq!(play.pods()[0]["spec"]["nodeName"], "node-2");
    assert_eq!(play.status(D, "web", "availableReplicas"), 1);
}

#[test]
fn init_containers_run_first_and_one_after_the_other() {
    let mut play = Play::small();
    let inits = json!([{"name": "one", "image": "a:1"}, {"name": "two", "image": "a:1"}]);
    play.deployment("web", 1, "shop/web:1", |object| object["spec"]["template"]["spec"]["initContainers"] = inits);
    play.wait(0.5);
    assert_eq!(state(&play), "PodInitializing");
    play.wait(3.0);
    let pod = play.pods()[0].clone();
    assert_eq!(play.status(D, "web", "readyReplicas"), 1, "{}", pod["status"]);
    for at in 0..2 {
        assert_eq!(pod["status"]["initContainerStatuses"][at]["state"]["terminated"]["reason"], "Completed");
    }
}

#[test]
fn events_are_forgotten_after_an_hour() {
    let mut play = settled(1, "shop/web:1", |_| {});
    assert!(!play.all(Kind::EVENTS).is_empty());
    play.wait(3700.0);
    assert!(play.all(Kind::EVENTS).is_empty());
}

#[test]
fn the_shop_has_a_history_of_three_healthy_revisions() {
    let options = crate::sim::Options::default();
    let present: Timestamp = "2026-11-23T10:00:00Z".parse().expect("a time");
    let start = present.saturating_sub(crate::sim::fixture::past(&options)).expect("a time");
    let mut play = Play::bare(0, start);
    crate::sim::fixture::play(&mut play.world, &options, present).expect("a shop");
    play.world.run(present);
    let causes: Vec<String> =
        (1..=3).map(|revision| annotation(&play.replica_set(revision), "kubernetes.io/change-cause").unwrap_or_default().to_owned()).collect();
    assert_eq!(causes, ["web 1: the shop opens", "web 2: the new basket", "web 3: faster checkout"]);
    assert_eq!((play.status(D, "web", "availableReplicas"), play.condition(D, "web", "Progressing")), (3, "True/NewReplicaSetAvailable".to_owned()));
    assert_eq!(play.status(Kind::STATEFULSETS, "db", "updatedReplicas"), 3);
    assert_eq!(play.status(Kind::DAEMONSETS, "agent", "updatedNumberScheduled"), 3);
    assert_eq!(play.all(Kind::CONTROLLERREVISIONS).len(), 4);
    assert!(play.events("ScalingReplicaSet").len() >= 6);
}
#[test]
fn a_pods_annotation_steers_its_containers() {
    let mut play = Play::small();
    play.deployment("web", 1, "shop/web:1-crash", |object| {
        object["spec"]["template"]["metadata"]["annotations"] = json!({"sim.rollsh/behaviour": "{\"ready_after\": \"3s\", \"log\": \"steered\"}"});
    });
    play.wait(2.5);
    assert_eq!((state(&play).as_str(), play.status(D, "web", "readyReplicas")), ("running", 0));
    play.wait(1.0);
    assert_eq!(play.status(D, "web", "readyReplicas"), 1);
    play.deployment("odd", 1, "shop/web:1", |object| {
        object["spec"]["template"]["metadata"]["annotations"] = json!({"sim.rollsh/behaviour": "{\"reddy_after\": 3}"});
    });
    play.wait(5.0);
    assert_eq!(play.status(D, "odd", "readyReplicas"), 1);
    assert!(play.events("InvalidBehaviour")[0].contains("reddy_after"));
}

#[test]
fn nodes_beat_when_somebody_looks() {
    let mut play = Play::small();
    let renewed =
        |play: &Play| play.world.find(Kind::LEASES, "kube-node-lease", "node-1").expect("a lease")["spec"]["renewTime"].as_str().unwrap_or_default().to_owned();
    let first = renewed(&play);
    play.wait(1000.0);
    assert_eq!(renewed(&play), first);
    super::before_read(&mut play.world, Kind::LEASES);
    assert_eq!(renewed(&play), "2026-11-23T10:16:40.000000Z");
    // While somebody watches, they beat by themselves.
    let waker = std::task::Waker::noop();
    play.world.wake_on(Kind::LEASES, waker, &mut None);
    play.wait(10.0);
    assert_eq!(renewed(&play), "2026-11-23T10:16:50.000000Z");
    let version = play.world.store.version();
    play.wait(1000.0);
    assert_eq!(play.world.store.version(), version);
}
