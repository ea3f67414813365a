//! The scenarios of rolling updates, 43 to 62 of SEMANTICS.md section 8, on the controllers themselves.

use super::object::{annotation, condition, deleting, name, replicas};
use super::play::{Play, probed};
use super::pods::{is_available, is_terminating};
use super::queue;
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;

const D: Kind = Kind::DEPLOYMENTS;

fn settled(replicas: i64, change: impl FnOnce(&mut Value)) -> Play {
    settled_with(0, replicas, change)
}

fn settled_with(seed: u64, replicas: i64, change: impl FnOnce(&mut Value)) -> Play {
    let mut play = Play::seeded(seed, 3);
    play.deployment("web", replicas, "shop/web:1", change);
    play.wait(30.0);
    assert_eq!(play.status(D, "web", "availableReplicas"), replicas, "{}", play.get(D, "web")["status"]);
    play.resizes();
    play
}

fn strategy(surge: Value, unavailable: Value) -> impl FnOnce(&mut Value) {
    move |object| object["spec"]["strategy"]["rollingUpdate"] = json!({"maxSurge": surge, "maxUnavailable": unavailable})
}

#[test]
fn a_rollout_steps_through_the_sizes_that_surge_and_unavailable_allow() {
    let quarter = || (json!("25%"), json!("25%"));
    for seed in 0..4 {
        for (replicas, (surge, unavailable), steps) in [
            (3, quarter(), vec!["0→1", "3→2", "1→2", "2→1", "2→3", "1→0"]),
            (10, quarter(), vec!["0→3", "10→8", "3→5", "8→5", "5→8", "5→3", "8→10", "3→0"]),
            (4, (json!(0), json!(1)), vec!["4→3", "0→1", "3→2", "1→2", "2→1", "2→3", "1→0", "3→4"]),
            (2, (json!(1), json!(0)), vec!["0→1", "2→1", "1→2", "1→0"]),
        ] {
            let mut play = settled_with(seed, replicas, strategy(surge, unavailable));
            play.set_image(D, "web", "shop/web:2");
            play.wait(60.0);
            assert_eq!(play.resizes(), steps, "{replicas} with seed {seed}");
            assert_eq!(play.condition(D, "web", "Progressing"), "True/NewReplicaSetAvailable");
        }
    }
}

#[test]
fn enough_pods_are_available_at_every_moment() {
    let mut play = settled(3, |_| {});
    play.set_image(D, "web", "shop/web:2");
    for _ in 0..200 {
        play.wait(0.05);
        let now = play.world.now();
        let pods = play.pods();
        let available = pods.iter().filter(|pod| is_available(pod, 0, now) && !deleting(pod)).count();
        let running = pods.iter().filter(|pod| !is_terminating(pod)).count();
        assert!(available >= 3 && running <= 4, "{available} available of {running}");
    }
    assert_eq!(play.sizes(), [("1".to_owned(), 0), ("2".to_owned(), 3)]);
}

#[test]
fn with_no_surge_and_a_percent_of_nothing_the_old_pod_goes_first() {
    let mut play = settled(1, strategy(json!(0), json!("1%")));
    play.set_image(D, "web", "shop/web:2");
    play.wait(30.0);
    assert_eq!(play.resizes(), ["1→0", "0→1"]);
}

#[test]
fn half_of_four_surges_and_is_missing_by_two() {
    let mut play = settled(4, strategy(json!("50%"), json!("50%")));
    play.set_image(D, "web", "shop/web:2");
    play.wait(0.2);
    assert_eq!(play.resizes(), ["0→2", "4→2", "2→4"]);
}

#[test]
fn pods_that_never_become_ready_exceed_the_deadline_and_change_nothing_else() {
    let mut play = settled(3, |object| object["spec"]["progressDeadlineSeconds"] = json!(60));
    play.set_image(D, "web", "shop/web:2-neverready");
    play.wait(55.0);
    assert_eq!(play.condition(D, "web", "Progressing"), "True/ReplicaSetUpdated");
    let sizes = play.sizes();
    play.wait(10.0);
    assert_eq!(play.condition(D, "web", "Progressing"), "False/ProgressDeadlineExceeded");
    let set = name(&play.replica_set(2)).to_owned();
    let deployment = play.get(D, "web");
    assert_eq!(condition(&deployment, "Progressing").expect("a condition")["message"], format!("ReplicaSet \"{set}\" has timed out progressing."));
    assert_eq!(play.sizes(), sizes);

    // Fixed by another image: a new ReplicaSet starts the clock again.
    play.log(D);
    play.set_image(D, "web", "shop/web:3");
    play.wait(30.0);
    let reason = |object: &Value| condition(object, "Progressing").expect("a condition")["reason"].as_str().unwrap_or_default().to_owned();
    let mut reasons: Vec<String> = play.log(D).iter().map(|entry| reason(&entry.object)).collect();
    reasons.dedup();
    assert_eq!(reasons, ["ProgressDeadlineExceeded", "NewReplicaSetCreated", "ReplicaSetUpdated", "NewReplicaSetAvailable"]);
    assert_eq!(play.condition(D, "web", "Progressing"), "True/NewReplicaSetAvailable");
    assert_eq!(play.condition(D, "web", "Available"), "True/MinimumReplicasAvailable");
}

#[test]
fn an_undo_to_an_empty_replica_set_keeps_the_exceeded_deadline_until_its_first_pod_counts() {
    let mut play = settled(3, |object| {
        object["spec"]["progressDeadlineSeconds"] = json!(60);
        object["spec"]["strategy"] = json!({"type": "Recreate"});
    });
    play.set_image(D, "web", "shop/web:2-neverready");
    play.wait(90.0);
    assert_eq!(play.condition(D, "web", "Progressing"), "False/ProgressDeadlineExceeded");
    play.log(D);
    play.set_image(D, "web", "shop/web:1");
    play.wait(10.0);
    let observed = |object: &Value| object["status"]["observedGeneration"] == object["metadata"]["generation"];
    let reason = |object: &Value| {
        condition(object, "Progressing").map(|it| format!("{}/{}", it["status"].as_str().unwrap_or_default(), it["reason"].as_str().unwrap_or_default()))
    };
    let mut reasons: Vec<String> = play.log(D).iter().filter(|entry| observed(&entry.object)).filter_map(|entry| reason(&entry.object)).collect();
    reasons.dedup();
    assert_eq!(reasons, ["False/ProgressDeadlineExceeded", "True/ReplicaSetUpdated", "True/NewReplicaSetAvailable"]);
}

/// A rollout of ten that stands at old 8, new 5 because the new pods are not ready.
fn halfway() -> Play {
    let mut play = settled(10, strategy(json!(3), json!(2)));
    play.set_image(D, "web", "shop/web:2-neverready");
    play.wait(30.0);
    assert_eq!(play.sizes(), [("1".to_owned(), 8), ("2".to_owned(), 5)]);
    play.resizes();
    play
}

#[test]
fn scaling_in_mid_rollout_is_shared_in_proportion() {
    let mut play = halfway();
    play.scale(D, "web", 15);
    play.wait(0.1);
    assert_eq!(play.sizes(), [("1".to_owned(), 11), ("2".to_owned(), 7)]);
    let mut play = halfway();
    play.scale(D, "web", 0);
    play.wait(0.1);
    assert_eq!(play.sizes(), [("1".to_owned(), 0), ("2".to_owned(), 0)]);
}

#[test]
fn a_new_size_comes_before_a_new_template_of_the_same_write() {
    let mut play = settled(3, |_| {});
    play.edit(D, "web", |object| {
        object["spec"]["replicas"] = json!(6);
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!("shop/web:2");
    });
    play.wait(30.0);
    let resizes = play.resizes();
    assert_eq!(resizes[..2], ["3→6", "0→2"], "{resizes:?}");
    assert_eq!(play.sizes(), [("1".to_owned(), 0), ("2".to_owned(), 6)]);
}

#[test]
fn a_paused_deployment_rolls_nothing_out_but_can_be_scaled() {
    let mut play = settled(3, |_| {});
    play.edit(D, "web", |object| object["spec"]["paused"] = json!(true));
    play.wait(1.0);
    assert_eq!(play.condition(D, "web", "Progressing"), "Unknown/DeploymentPaused");
    play.set_image(D, "web", "shop/web:2");
    play.wait(5.0);
    assert_eq!((play.sizes(), play.status(D, "web", "updatedReplicas")), (vec![("1".to_owned(), 3)], 0));
    play.scale(D, "web", 5);
    play.wait(5.0);
    assert_eq!(play.sizes(), [("1".to_owned(), 5)]);
    // Two edits while paused make one revision.
    play.set_image(D, "web", "shop/web:3");
    play.edit(D, "web", |object| object["spec"]["paused"] = json!(false));
    play.wait(0.03);
    play.wait(30.0);
    assert_eq!(play.sizes(), [("1".to_owned(), 0), ("2".to_owned(), 5)]);
    assert_eq!(play.condition(D, "web", "Progressing"), "True/NewReplicaSetAvailable");
}

#[test]
fn recreate_makes_no_new_pod_before_the_last_old_one_is_gone() {
    let mut play = settled(3, |object| object["spec"]["strategy"] = json!({"type": "Recreate"}));
    play.set_image(D, "web", "shop/web:2");
    for _ in 0..200 {
        play.wait(0.05);
        let pods = play.pods();
        let new = pods.iter().filter(|pod| pod["spec"]["containers"][0]["image"] == "shop/web:2").count();
        assert!(new == 0 || new == pods.len(), "{new} new of {}", pods.len());
    }
    assert_eq!(play.resizes(), ["3→0", "0→3"]);
    assert_eq!(play.status(D, "web", "availableReplicas"), 3);
}

#[test]
fn the_history_is_cut_at_its_limit_but_what_has_pods_stays() {
    let mut play = settled(1, |object| object["spec"]["revisionHistoryLimit"] = json!(10));
    for number in 2..=6 {
        play.set_image(D, "web", &format!("shop/web:{number}"));
        play.wait(20.0);
    }
    assert_eq!(play.sizes().len(), 6);
    // The oldest still has a pod: it is spared, and uses up its place among those to go all the same.
    queue::pause(&mut play.world);
    let first = name(&play.replica_set(1)).to_owned();
    play.edit(Kind::REPLICASETS, &first, |set| set["spec"]["replicas"] = json!(1));
    let (new, old) = (play.replica_set(6), (1..=5).map(|revision| play.replica_set(revision)).collect());
    let mut deployment = Value::clone(&play.get(D, "web"));
    deployment["spec"]["revisionHistoryLimit"] = json!(2);
    super::deployment::scale::clean_up(&mut play.world, &super::deployment::Rollout { deployment, new: Some(new), old }).expect("no failure");
    let revisions: Vec<String> = play.sizes().into_iter().map(|(revision, _)| revision).collect();
    assert_eq!(revisions, ["1", "4", "5", "6"]);
}

#[test]
fn a_template_edited_back_by_hand_reuses_its_replica_set_and_moves_its_revision() {
    let mut play = settled(2, |_| {});
    let first = name(&play.replica_set(1)).to_owned();
    play.set_image(D, "web", "shop/web:2");
    play.wait(20.0);
    play.set_image(D, "web", "shop/web:1");
    play.wait(20.0);
    let set = play.replica_set(3);
    assert_eq!((name(&set), annotation(&set, "deployment.kubernetes.io/revision-history")), (first.as_str(), Some("1")));
    assert_eq!(play.sizes(), [("2".to_owned(), 0), ("3".to_owned(), 2)]);
    assert_eq!(annotation(&play.get(D, "web"), "deployment.kubernetes.io/revision"), Some("3"));
    play.set_image(D, "web", "shop/web:2");
    play.wait(20.0);
    play.set_image(D, "web", "shop/web:1");
    play.wait(20.0);
    assert_eq!(annotation(&play.replica_set(5), "deployment.kubernetes.io/revision-history"), Some("1,3"));
}

#[test]
fn a_name_that_is_taken_by_a_stranger_counts_as_a_collision() {
    let mut play = settled(1, |_| {});
    queue::pause(&mut play.world);
    play.set_image(D, "web", "shop/web:2");
    let deployment = play.get(D, "web");
    let hash = super::template_hash::template_hash(&deployment["spec"]["template"], None);
    let mut stranger = Value::clone(&play.replica_set(1));
    stranger["metadata"] = json!({"name": format!("web-{hash}"), "namespace": "default", "labels": {"app": "other", "pod-template-hash": "x"}});
    stranger["spec"] = json!({"replicas": 0, "selector": {"matchLabels": {"app": "other"}}, "template": super::play::template("other", "other:1")});
    stranger["spec"]["template"]["metadata"]["labels"] = json!({"app": "other"});
    stranger.as_object_mut().expect("an object").remove("status");
    play.create(Kind::REPLICASETS, stranger);
    queue::resume(&mut play.world);
    play.wait(20.0);
    assert_eq!(play.status(D, "web", "collisionCount"), 1);
    let set = play.replica_set(2);
    assert_eq!(name(&set), format!("web-{}", super::template_hash::template_hash(&deployment["spec"]["template"], Some(1))));
}

#[test]
fn annotations_reach_the_newest_revision_without_a_rollout() {
    let mut play = settled(2, |_| {});
    play.set_image(D, "web", "shop/web:2");
    play.wait(20.0);
    play.edit(D, "web", |object| object["metadata"]["annotations"]["kubernetes.io/change-cause"] = json!("because"));
    play.edit(D, "web", |object| object["metadata"]["labels"] = json!({"team": "shop"}));
    play.wait(5.0);
    assert_eq!(annotation(&play.replica_set(2), "kubernetes.io/change-cause"), Some("because"));
    assert_eq!(annotation(&play.replica_set(1), "kubernetes.io/change-cause"), None);
    assert_eq!(play.sizes(), [("1".to_owned(), 0), ("2".to_owned(), 2)]);
}

#[test]
fn pods_become_available_after_their_minimum_of_ready_time_without_a_further_change() {
    let mut play = Play::small();
    play.deployment("web", 2, "shop/web:1", |object| object["spec"]["minReadySeconds"] = json!(10));
    play.wait(8.0);
    assert_eq!((play.status(D, "web", "readyReplicas"), play.status(D, "web", "availableReplicas")), (2, 0));
    play.wait(5.0);
    assert_eq!(play.status(D, "web", "availableReplicas"), 2);
}

#[test]
fn a_rollout_that_is_overtaken_gives_up_its_unready_pods_first() {
    let mut play = settled(4, probed);
    play.set_image(D, "web", "shop/web:2-crash");
    play.wait(20.0);
    let stuck = play.sizes();
    assert_eq!(stuck, [("1".to_owned(), 3), ("2".to_owned(), 2)]);
    play.resizes();
    play.set_image(D, "web", "shop/web:3");
    play.wait(0.1);
    assert_eq!(play.sizes()[0], ("1".to_owned(), 3), "{:?}", play.sizes());
    assert_eq!(play.sizes()[1].1, 0, "{:?}", play.sizes());
    play.wait(30.0);
    assert_eq!(play.sizes(), [("1".to_owned(), 0), ("2".to_owned(), 0), ("3".to_owned(), 4)]);
}

#[test]
fn a_set_whose_status_still_counts_pods_of_a_larger_size_is_not_made_larger() {
    let mut play = settled(4, strategy(json!(0), json!("50%")));
    let old = play.replica_set(1);
    play.set_image(D, "web", "shop/web:2");
    // As another writer's scaling, of which neither controller has heard yet.
    play.edit(Kind::REPLICASETS, name(&old), |set| set["spec"]["replicas"] = json!(3));
    let (deployment, sets) = (play.get(D, "web"), play.all(Kind::REPLICASETS));
    // The first sync of a template writes the status twice, and the second time on a version that is gone: it comes again.
    let outcome = super::deployment::rolling::roll_out(&mut play.world, Value::clone(&deployment), sets);
    assert!(outcome.is_err_and(|failure| failure.is_conflict()));
    assert_eq!(play.sizes(), [("1".to_owned(), 3), ("2".to_owned(), 1)]);
}

#[test]
fn a_crashing_image_stalls_a_rollout_of_ten_at_five_new_and_eight_old() {
    let mut play = settled(10, probed);
    play.set_image(D, "web", "shop/web:2-crash");
    play.wait(60.0);
    assert_eq!(play.sizes(), [("1".to_owned(), 8), ("2".to_owned(), 5)]);
    assert!(play.events("ScalingReplicaSet").contains(&format!("Scaled down replica set {} from 10 to 8", name(&play.replica_set(1)))));
}

#[test]
fn a_failed_creation_shows_as_a_condition_and_ends_the_batch() {
    let mut play = settled(1, |_| {});
    crate::sim::fault::add(&mut play.world, &json!({"quota": true, "after": 1, "client": "kube-controller-manager", "kind": "pods"})).expect("a fault");
    play.scale(D, "web", 8);
    play.wait(0.1);
    assert_eq!(play.condition(Kind::REPLICASETS, name(&play.replica_set(1)), "ReplicaFailure"), "True/FailedCreate");
    play.wait(0.1);
    assert_eq!(play.pods().len(), 2);
    crate::sim::fault::add(&mut play.world, &json!({"clear": true})).expect("no fault");
    play.wait(700.0);
    assert_eq!(play.pods().len(), 8);
    assert_eq!(play.condition(D, "web", "ReplicaFailure"), "none");
}

#[test]
fn a_pod_that_leaves_the_selector_is_released_and_replaced() {
    let mut play = settled(2, |_| {});
    let pod = play.pod_names()[0].clone();
    play.edit(Kind::PODS, &pod, |pod| pod["metadata"]["labels"]["app"] = json!("aside"));
    play.wait(5.0);
    assert_eq!(play.pods().len(), 3);
    assert!(play.get(Kind::PODS, &pod)["metadata"]["ownerReferences"].is_null());
    let set = play.replica_set(1);
    assert_eq!((replicas(&set), set["status"]["replicas"].clone()), (2, json!(2)));
    // Back in the selector it is adopted, and one pod is too many.
    play.edit(Kind::PODS, &pod, |pod| pod["metadata"]["labels"]["app"] = json!("web"));
    play.wait(5.0);
    assert_eq!(play.pods().len(), 2);
}

#[test]
fn one_seed_gives_the_same_cluster_twice_and_another_seed_another() {
    let dump = |seed| {
        let mut play = Play::seeded(seed, 3);
        play.deployment("web", 5, "shop/web:1", |_| {});
        play.wait(20.0);
        play.set_image(D, "web", "shop/web:2-crash");
        play.wait(120.0);
        let mut dump = String::new();
        for kind in Kind::all() {
            for object in play.world.list(kind, None) {
                dump.push_str(&object.to_string());
            }
        }
        dump
    };
    assert_eq!(dump(7), dump(7));
    assert_ne!(dump(7), dump(8));
}
