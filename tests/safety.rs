//! What kubectl does not promise: nothing of anybody is overwritten, nothing goes a revision too far, no old condition counts.
//!
//! Each scenario runs on the simulator and, where there is one, on a real control plane.

mod common;

use common::{Shell, check};
use rollsh::rollout::undo::{To, undo};
use rollsh::session::Stop;
use rollsh::session::follow::snapshot;
use rollsh::session::make::Terms;

/// Both clusters, one after the other.
fn everywhere(scenario: impl Fn(&Shell)) {
    scenario(&Shell::simulated(0));
    match Shell::real() {
        Some(shell) => scenario(&shell),
        None => common::skipped(),
    }
}

/// SEMANTICS 2.5: `kubectl rollout undo` sends no precondition, and the last writer wins.
#[test]
fn a_rival_edit_between_decision_and_write_gives_conflict_and_loses_nothing() {
    everywhere(|shell| {
        let session = &shell.session;
        let cluster = session.cluster().expect("a cluster");
        let resource = rollsh::resource::Resource::known("deploy").expect("known");
        let target = session.located(rollsh::resource::Target::new(resource, None, "web")).expect("located");
        let decided_on = session.wait(async { snapshot(&cluster, &target).await }).expect("a snapshot");
        let change = undo(&decided_on, To::Previous).expect("a change");
        shell.must(r#"set_image("deploy/web", "web=shop/web:rival"); annotate("deploy/web", #{"example.com/rival": "was here"});"#);
        let refused = session.make(&change, Terms::default());
        assert!(matches!(&refused, Err(Stop::Error(error)) if error.kind() == rollsh::error::ErrorKind::Conflict), "{refused:?}");
        let left =
            shell.must(r#"let o = object("deploy/web"); print(o.spec.template.spec.containers[0].image); print(o.metadata.annotations["example.com/rival"]);"#);
        assert_eq!(left, "shop/web:rival\nwas here\n");
    });
}

/// SEMANTICS 2.5: right after a template change the highest revision is still the one that runs, and kubectl goes back one too many.
#[test]
fn undo_with_the_controller_asleep_goes_back_exactly_one_template() {
    let shell = Shell::simulated(0);
    shell.sim.as_ref().expect("the simulator").pause_controllers();
    let script = r#"
        set_image("deploy/web", "web=shop/web:4");
        undo("deploy/web");
        print(object("deploy/web").spec.template.spec.containers[0].image);
    "#;
    assert_eq!(shell.must(script), "shop/web:3\n");
}

#[test]
fn an_undone_undo_toggles_as_kubectls() {
    check(
        r#"
        undo("deploy/web"); wait("deploy/web", "60s");
        print(history("deploy/web").map(|r| r.revision));
        undo("deploy/web"); wait("deploy/web", "60s");
        print(history("deploy/web").map(|r| r.revision));
        print(status("deploy/web").images.web);
        "#,
        "[1, 3, 4]\n[1, 4, 5]\nshop/web:3\n",
    );
}

#[test]
fn undo_leaves_the_annotations_of_others_alone_and_brings_its_cause_back() {
    check(
        r#"
        annotate("deploy/web", #{"example.com/owner": "team-shop"});
        undo("deploy/web"); wait("deploy/web", "60s");
        let annotations = object("deploy/web").metadata.annotations;
        print(annotations["example.com/owner"]);
        print(annotations["kubernetes.io/change-cause"]);
        "#,
        "team-shop\nweb 2: the new basket\n",
    );
}

/// SEMANTICS 5A.7: the condition of the failed rollout outlives the undo, and a good rollback reads as a failure.
#[test]
fn a_deadline_exceeded_before_an_undo_is_not_the_undos_failure() {
    check(
        r#"
        patch("deploy/web", #{spec: #{progressDeadlineSeconds: 4}});
        set_image("deploy/web", "web=shop/web:4-neverready");
        try { wait("deploy/web", #{timeout: "60s"}) } catch (e) { print(e.kind) }
        undo("deploy/web");
        print(status("deploy/web").phase != "stalled");
        print(wait("deploy/web", "60s").outcome);
        "#,
        "stalled\ntrue\ncomplete\n",
    );
}

#[test]
fn a_superseding_change_ends_a_wait_as_superseded() {
    check(
        r#"
        set_image("deploy/web", "web=shop/web:4-slow");
        try {
            wait("deploy/web", #{ timeout: "60s", fail_if: |s| { set_image("deploy/web", "web=shop/web:5-slow"); false } });
        } catch (e) { print(e.kind) }
        "#,
        "superseded\n",
    );
}

#[test]
fn a_scale_is_no_superseding_change() {
    check(
        r#"
        set_image("deploy/web", "web=shop/web:4");
        let o = wait("deploy/web", #{ timeout: "60s", fail_if: |s| { if s.desired == 3 { patch("deploy/web", #{spec: #{replicas: 4}}); } false } });
        print(`${o.outcome} ${o.status.desired}`);
        "#,
        "complete 4\n",
    );
}

#[test]
fn a_deleted_deployment_ends_a_wait_as_deleted() {
    check(
        r#"
        set_image("deploy/web", "web=shop/web:4-slow");
        let asked = false;
        try {
            wait("deploy/web", #{ timeout: "60s", fail_if: |s| { if !asked { asked = true; delete("deploy/web"); } false } });
        } catch (e) { print(e.kind) }
        "#,
        "deleted\n",
    );
}

/// The question behind most `kubectl rollout status` reports: straight after a change the old pods are still a success.
#[test]
fn straight_after_a_change_the_old_pods_are_no_success() {
    check(
        r#"
        set_image("deploy/web", "web=shop/web:4-slow");
        print(status("deploy/web").complete);
        set_image("deploy/web", "web=shop/web:3");
        "#,
        "false\n",
    );
}

#[test]
fn undo_takes_the_newest_revision_that_ever_completed_for_last_good() {
    check(
        r#"
        set_image("deploy/web", "web=shop/web:4-crash");
        try { wait("deploy/web", "60s") } catch (e) { print(e.kind) }
        set_image("deploy/web", "web=shop/web:5-crash");
        try { wait("deploy/web", "60s") } catch (e) { print(e.kind) }
        undo("deploy/web", #{to: "last_good"});
        print(wait("deploy/web", "60s").status.images.web);
        "#,
        "failed\nfailed\nshop/web:3\n",
    );
}

#[test]
fn a_paused_deployment_is_not_undone() {
    check(
        r#"
        patch("deploy/web", #{spec: #{paused: true}});
        try { undo("deploy/web") } catch (e) { print(e.kind); print(e.hints.len() > 0) }
        "#,
        "paused\ntrue\n",
    );
}

#[test]
fn a_wait_tells_its_own_timeout_from_the_deadline_of_the_rollout() {
    check(
        r#"
        set_image("deploy/web", "web=shop/web:4-neverready");
        try { wait("deploy/web", "4s") } catch (e) { print(e.kind); print(e.outcome.status.phase) }
        "#,
        "timeout\nprogressing\n",
    );
}

#[test]
fn what_we_set_ourselves_is_no_stranger_to_our_own_apply() {
    check(
        r#"
        const MANIFEST = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: mine}, spec: {replicas: 1, selector: {matchLabels: {app: mine}},
            template: {metadata: {labels: {app: mine}}, spec: {containers: [{name: mine, image: "shop/mine:1"}]}}}}`;
        apply(MANIFEST);
        set_image("deploy/mine", "mine=shop/mine:2");
        print(apply(MANIFEST).changed);
        print(status("deploy/mine").images.mine);
        "#,
        "true\nshop/mine:1\n",
    );
}
