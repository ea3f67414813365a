//! What people miss in kubectl's rollout commands, each as a scenario that fails with what kubectl does.
//!
//! A comment names the public issue that a scenario answers, where there is one. Each runs on the simulator and, where there is one, on a
//! real control plane.

mod common;

use common::{Shell, check};

/// Runs a script on both clusters: what it prints, and what it says beside that.
fn says(script: &str, prints: &str, says: &[&str]) {
    let shells = [Some(Shell::simulated(0)), Shell::real()];
    for (shell, place) in shells.iter().zip(["on the simulator", "on the real control plane"]) {
        let Some(shell) = shell else { continue };
        let ran = shell.run(script);
        assert!(matches!(ran.ended, rollsh::script::Ended::Value(_)), "{place}: {:?}\n{}\n{}", ran.ended, ran.out, ran.err);
        assert_eq!(ran.out, prints, "{place}:\n{script}\n{}", ran.err);
        for part in says {
            assert!(ran.err.contains(part), "{place} nothing says {part:?}:\n{}", ran.err);
        }
    }
}

// undo that cannot hurt

/// kubectl's undo carries no precondition: it overwrites what was written since it looked.
#[test]
fn an_undo_on_a_condition_that_no_longer_holds_changes_nothing() {
    check(
        r#"
        for w in ["deploy/web", "sts/db", "ds/agent"] {
            let seen = object(w).metadata.generation;
            set_env(w, #{SOMEBODY: "else"});
            try { undo(w, #{if_generation: seen}) } catch (e) { print(e.kind) }
            print(object(w).spec.template.spec.containers[0].env[0].value);
        }
        "#,
        "conflict\nelse\nconflict\nelse\nconflict\nelse\n",
    );
}

/// Straight after a change kubectl's undo takes the second highest revision, which is one too far back while the controller sleeps.
#[test]
fn an_undo_straight_after_a_change_goes_back_one_template_and_not_two() {
    check(
        r#"
        set_image("deploy/web", "web=shop/web:4"); undo("deploy/web"); print(status("deploy/web").images.web);
        set_image("sts/db", "db=shop/db:17"); undo("sts/db"); print(status("sts/db").images.db);
        set_image("ds/agent", "agent=shop/agent:3"); undo("ds/agent"); print(status("ds/agent").images.agent);
        "#,
        "shop/web:3\nshop/db:16\nshop/agent:2\n",
    );
}

/// kubernetes/kubernetes#23087 made kubectl's undo replace the Deployment's annotations by the ReplicaSet's: what others put there since
/// is lost, and what they removed comes back.
#[test]
fn the_annotations_of_others_stay_as_they_are_through_an_undo() {
    check(
        r#"
        annotate("deploy/web", #{"example.com/first": "1"});
        set_image("deploy/web", "web=shop/web:4"); wait("deploy/web", "60s");
        annotate("deploy/web", #{"example.com/first": (), "example.com/second": "2"});
        undo("deploy/web"); wait("deploy/web", "60s");
        let annotations = object("deploy/web").metadata.annotations;
        print(annotations["example.com/first"]); print(annotations["example.com/second"]);
        "#,
        "\n2\n",
    );
}

/// kubernetes/kubernetes#23022: kubectl refuses, and leaves resuming (which rolls out what is to be undone) to the user.
#[test]
fn a_paused_deployment_is_refused_with_what_helps_or_resumed_in_the_same_write() {
    check(
        r#"
        set_image("deploy/web", "web=shop/web:4-badpull"); pause("deploy/web");
        try { undo("deploy/web") } catch (e) { print(`${e.kind}: ${e.hints[0]}`) }
        undo("deploy/web", #{resume: true});
        print(wait("deploy/web", "60s").status.images.web);
        "#,
        "paused: resume(\"deploy/web\") first, or undo(\"deploy/web\", #{resume: true})\nshop/web:3\n",
    );
}

/// kubernetes/kubectl#1302 and kubernetes/kubernetes#94698: after an undo the next `kubectl apply` brings it all back, and nothing says so.
#[test]
fn an_undo_names_kubectl_apply_as_the_rival_that_it_has() {
    says(
        r#"
        annotate("deploy/web", #{"kubectl.kubernetes.io/last-applied-configuration": "{}"});
        undo("deploy/web", #{dry_run: true});
        "#,
        "",
        &["deployment/web is managed with `kubectl apply`"],
    );
}

/// argoproj/argo-cd#15588: with self-healing on, what is taken back by hand comes again within seconds.
#[test]
fn an_undo_names_the_gitops_tools_and_helm_as_rivals() {
    says(
        r#"
        annotate("deploy/web", #{"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web"});
        label("sts/db", #{"kustomize.toolkit.fluxcd.io/name": "shop"});
        annotate("ds/agent", #{"meta.helm.sh/release-name": "shop"});
        for w in ["deploy/web", "sts/db", "ds/agent"] { undo(w, #{dry_run: true}); }
        "#,
        "",
        &[
            "deployment/web is managed by Argo CD (annotation argocd.argoproj.io/tracking-id)",
            "statefulset/db is managed by Flux (label kustomize.toolkit.fluxcd.io/name)",
            "daemonset/agent belongs to a Helm release (release shop)",
        ],
    );
}

/// An operator that owns a workload writes its template again: kubectl's undo does not look at owners.
#[test]
fn an_undo_names_the_operator_that_owns_the_workload() {
    says(
        r#"
        apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: database}}");
        let owner = object("cm/database").metadata.uid;
        patch("sts/db", #{metadata: #{ownerReferences: [#{apiVersion: "v1", kind: "ConfigMap", name: "database", uid: owner, controller: true}]}});
        undo("sts/db", #{dry_run: true});
        "#,
        "",
        &["statefulset/db is controlled by ConfigMap database: its controller may restore what it wants"],
    );
}

/// kubectl scales against an autoscaler without a word, and the autoscaler scales back.
#[test]
fn a_scale_names_the_autoscaler_that_owns_the_replicas() {
    says(
        r#"
        apply(`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: web}, spec: {minReplicas: 4, maxReplicas: 6,
            scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web},
            metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 80}}}]}}`);
        for n in 0..60 { if object("deploy/web").spec.replicas == 4 { break; } sleep("1s"); }
        scale("deploy/web", 2, #{dry_run: true});
        print(object("deploy/web").spec.replicas);
        "#,
        "4\n",
        &["the replicas of deployment/web are set by an autoscaler"],
    );
}

// last_good

/// kubectl's undo knows no good revision: after a bad one and another bad one it goes back to the first bad one.
#[test]
fn last_good_passes_over_what_never_completed_and_says_on_what_evidence() {
    says(
        r#"
        wait("deploy/web", "60s");
        for bad in ["4-badpull", "5-crash"] {
            set_image("deploy/web", `web=shop/web:${bad}`);
            try { wait("deploy/web", #{timeout: "60s", pull_grace: "1s"}) } catch (e) { print(e.kind) }
        }
        undo("deploy/web", #{to: "last_good"});
        print(wait("deploy/web", "60s").status.images.web);
        "#,
        "failed\nfailed\nshop/web:3\n",
        &["deployment.apps/web rolled back to revision 3: it was seen to complete at "],
    );
}

/// A restart makes a revision of its own: kubectl's undo then changes no image, only a timestamp.
#[test]
fn last_good_sees_through_a_restart() {
    check(
        r#"
        for image in ["web=shop/web:4", "web=shop/web:5"] { set_image("deploy/web", image); wait("deploy/web", "60s"); }
        restart("deploy/web"); wait("deploy/web", "60s");
        undo("deploy/web", #{to: "last_good"});
        print(wait("deploy/web", "60s").status.images.web);
        for image in ["agent=shop/agent:3", "agent=shop/agent:4"] { set_image("ds/agent", image); wait("ds/agent", "60s"); }
        restart("ds/agent"); wait("ds/agent", "60s");
        undo("ds/agent", #{to: "last_good"});
        print(wait("ds/agent", "60s").status.images.agent);
        "#,
        "shop/web:4\nshop/agent:3\n",
    );
}

#[test]
fn a_completed_rollout_is_remembered_on_its_own_revision_by_every_kind_of_wait() {
    check(
        r#"
        let mark = |w| { let owner = history(w).filter(|r| r.current)[0].owner; let kind = if w.contains("deploy") { "rs" } else { "controllerrevision" };
            let mark = object(`${kind}/${owner}`).metadata.annotations["rollsh.dev/completed"]; mark != () && mark.starts_with(owner) };
        set_image("deploy/web", "web=shop/web:4"); wait("deploy/web", "60s"); print(mark.call("deploy/web"));
        set_image("sts/db", "db=shop/db:17"); watch("sts/db", "60s"); print(mark.call("sts/db"));
        set_image("ds/agent", "agent=shop/agent:3"); wait("ds/agent", "60s"); print(mark.call("ds/agent"));
        // A guard that puts back sees the rollout of what it put back complete.
        try { guard("deploy/web", || { set_image("deploy/web", "web=shop/web:5"); throw "no"; }) } catch (e) { print(e.rolled_back) }
        print(history("deploy/web").filter(|r| r.current)[0].completed);
        "#,
        "true\ntrue\ntrue\ntrue\ntrue\n",
    );
}

#[test]
fn a_session_that_changes_nothing_remembers_nothing_and_is_quiet_about_it() {
    let shell = Shell::simulated(0);
    shell.must(r#"set_image("deploy/web", "web=shop/web:4")"#);
    let settings = rollsh::session::Settings { dry_run: true, ..rollsh::session::Settings::default() };
    let reader = shell.another(settings);
    assert_eq!(reader.must(r#"print(wait("deploy/web").outcome)"#), "complete\n");
    let mark = r#"let owner = history("deploy/web").filter(|r| r.current)[0].owner; print(object(`rs/${owner}`).metadata.annotations["rollsh.dev/completed"])"#;
    assert_eq!(shell.must(mark), "\n");
    // Not even the right to write it is needed.
    shell.must(r#"sim::fault(#{forbid: true, verb: "patch"})"#);
    let ran = shell.run(r#"print(wait("deploy/web").outcome)"#);
    assert_eq!((ran.out.as_str(), ran.err.contains("forbidden")), ("complete\n", false), "{}", ran.err);
}

// configuration

/// A workload of each kind that reads a ConfigMap and a Secret.
const CONFIGURED: &str = r#"
    fn settings(mode, key) {
        apply(`
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {mode: ${mode}}
---
apiVersion: v1
kind: Secret
metadata: {name: key}
stringData: {key: ${key}}
`);
    }
    fn holds() { `${object("cm/settings").data.mode} ${object("secret/key").data.key}` }
    fn configured(target, container, image) {
        patch(target, #{spec: #{template: #{spec: #{containers: [#{name: container, image: image,
            envFrom: [#{configMapRef: #{name: "settings"}}, #{secretRef: #{name: "key"}}]}]}}}});
        wait(target, "60s");
    }
    settings("calm", "one");
    configured("deploy/web", "web", "shop/web:4");
"#;

fn configured(script: &str) -> String {
    format!("{CONFIGURED}\n{script}")
}

/// kubernetes/kubernetes#22368, and argoproj/argo-rollouts#1297 for what it does to a rollback: the old template comes back, and reads the
/// new configuration.
#[test]
fn configuration_goes_back_with_the_template() {
    check(
        &configured(
            r#"
            configured("sts/db", "db", "shop/db:17");
            configured("ds/agent", "agent", "shop/agent:3");
            for w in ["deploy/web", "sts/db", "ds/agent"] { print(checkpoint(w).parts.len()); print(checkpoint(w).changed); }
            settings("wild", "two");
            set_image("deploy/web", "web=shop/web:5"); set_image("sts/db", "db=shop/db:18"); set_image("ds/agent", "agent=shop/agent:4");
            wait(["deploy/web", "sts/db", "ds/agent"], "120s");
            for w in ["deploy/web", "sts/db", "ds/agent"] {
                let made = undo(w, #{with_config: true});
                print(`${made.target} ${made.changed} ${holds()} ${status(w).images.values()[0]}`);
                settings("wild", "two");
            }
            "#,
        ),
        "2\nfalse\n2\nfalse\n2\nfalse\ndeployment/web true calm b25l shop/web:4\nstatefulset/db true calm b25l shop/db:17\ndaemonset/agent true calm b25l shop/agent:3\n",
    );
}

#[test]
fn an_undo_without_its_configuration_says_that_it_is_another_now() {
    says(
        &configured(
            r#"
            checkpoint("deploy/web");
            settings("wild", "one"); set_image("deploy/web", "web=shop/web:5"); wait("deploy/web", "60s");
            delete("secret/key");
            undo("deploy/web");
            "#,
        ),
        "",
        &[
            "configmap/settings is not what it was at revision 4 (",
            "secret/key is gone, and the pods of revision 4 cannot start without it: undo(\"deployment/web\", #{to: 4, with_config: true})",
        ],
    );
}

#[test]
fn what_a_rollout_completed_with_is_noted_and_the_history_shows_it() {
    check(
        &configured(
            r#"
            let noted = history("deploy/web")[-1].config;
            print(noted.map(|c| `${c.object} ${c.hash == c.now} ${c.changed} ${c.kept}`));
            settings("wild", "one");
            let noted = history("deploy/web")[-1].config;
            print(noted.map(|c| `${c.object} ${c.hash == c.now} ${c.changed}`));
            "#,
        ),
        "[\"configmap/settings true false \", \"secret/key true false \"]\n[\"configmap/settings false true\", \"secret/key true false\"]\n",
    );
}

#[test]
fn what_is_gone_is_made_again_and_an_immutable_one_is_not_fought_with() {
    check(
        &configured(
            r#"
            label("cm/settings", #{team: "shop"});
            checkpoint("deploy/web");
            delete("cm/settings"); delete("secret/key");
            set_image("deploy/web", "web=shop/web:5"); wait("deploy/web", "60s");
            print(undo("deploy/web", #{with_config: true}).parts.map(|p| p.target)); wait("deploy/web", "60s");
            print(`${holds()} ${object("cm/settings").metadata.labels.team} ${object("secret/key").type}`);
            delete("cm/settings");
            apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {mode: odd}, immutable: true}");
            set_image("deploy/web", "web=shop/web:6"); wait("deploy/web", "60s");
            try { undo("deploy/web", #{with_config: true}) } catch (e) { print(`${e.kind}: ${e.message}`) }
            print(status("deploy/web").images.web);
            "#,
        ),
        "[\"configmap/settings\", \"secret/key\", \"deployment/web\"]\ncalm b25l shop Opaque\n\
         invalid: configmap/settings is immutable and holds something else than at revision 6: nothing was put back\nshop/web:6\n",
    );
}

#[test]
fn an_undo_with_configuration_is_whole_or_not_at_all() {
    check(
        &configured(
            r#"
            settings("wild", "two"); set_image("deploy/web", "web=shop/web:5"); wait("deploy/web", "60s");
            // No copy was kept.
            try { undo("deploy/web", #{with_config: true}) } catch (e) { print(`${e.kind}: ${e.message}`) }
            print(`${holds()} ${status("deploy/web").images.web}`);
            // The condition of the workload does not hold.
            undo("deploy/web"); wait("deploy/web", "60s"); checkpoint("deploy/web");
            settings("odd", "three"); set_image("deploy/web", "web=shop/web:6");
            try { undo("deploy/web", #{with_config: true, if_generation: 1}) } catch (e) { print(e.kind) }
            print(`${holds()} ${status("deploy/web").images.web}`);
            // A dry run shows every diff, masks what is secret, and changes nothing.
            let dry = undo("deploy/web", #{with_config: true, dry_run: true});
            print(`${dry.diff.contains("--- configmap/settings before") && dry.diff.contains("+  mode: wild")} ${dry.diff.contains("*** (after)")} ${dry.diff.contains("dGhyZWU")} ${dry.diff.contains("shop/web:4")}`);
            print(`${holds()} ${status("deploy/web").images.web}`);
            "#,
        ),
        "not_found: no copy of configmap/settings, secret/key was kept for revision 4 of deployment/web: nothing was put back\nwild dHdv shop/web:5\n\
         conflict\nodd dGhyZWU= shop/web:6\ntrue true false true\nodd dGhyZWU= shop/web:6\n",
    );
}

/// The template cannot be written though the configuration could: what was put back is taken back.
#[test]
fn configuration_that_was_put_back_is_taken_back_when_the_template_cannot_be() {
    let shell = Shell::simulated(0);
    shell.must(&configured(r#"checkpoint("deploy/web"); settings("wild", "two"); set_image("deploy/web", "web=shop/web:5"); wait("deploy/web", "60s")"#));
    // The rehearsal passes; the write itself meets the fault.
    shell.must(r#"sim::fault(#{forbid: true, verb: "patch", kind: "Deployment", after: 1})"#);
    let ran = shell.run(r#"try { undo("deploy/web", #{with_config: true}) } catch (e) { print(`${e.kind} ${e.hints[-1]}`) }"#);
    assert_eq!(ran.out, "forbidden what was changed before it was taken back\n", "{}", ran.err);
    let now = r#"print(`${object("cm/settings").data.mode} ${object("secret/key").data.key} ${status("deploy/web").images.web}`)"#;
    assert_eq!(shell.must(now), "wild dHdv shop/web:5\n");
    let verbs = shell.must(r#"print(journal().filter(|e| e.verb == "undo" && !e.dry_run).map(|e| `${e.target} ${e.result}`))"#);
    assert_eq!(
        verbs,
        "[\"default/configmap/settings done\", \"default/secret/key done\", \"default/deployment/web failed\", \"default/secret/key done\", \"default/configmap/settings done\"]\n"
    );
}

/// Copies go with their revision, as the history limit takes it.
#[test]
fn copies_are_collected_with_the_revision_that_they_belong_to() {
    check(
        &configured(
            r#"
            patch("deploy/web", #{spec: #{revisionHistoryLimit: 1}});
            checkpoint("deploy/web");
            let kept = get("cm,secrets", #{selector: "app.kubernetes.io/managed-by=rollsh"}).len();
            for n in 5..8 { set_image("deploy/web", `web=shop/web:${n}`); wait("deploy/web", "60s"); }
            let left = kept;
            for n in 0..60 { left = get("cm,secrets", #{selector: "app.kubernetes.io/managed-by=rollsh"}).len(); if left == 0 { break; } sleep("1s"); }
            print(`${kept} ${left}`);
            "#,
        ),
        "2 0\n",
    );
}

// wait that ends

/// kubernetes/kubectl#738 and kubernetes/kubernetes#18568: kubectl waits for its timeout though the pods crash or their image is not there.
#[test]
fn a_wait_ends_when_the_rollout_is_doomed_and_says_why() {
    check(
        r#"
        for bad in [["deploy/web", "web=shop/web:4-crash"], ["sts/db", "db=shop/db:17-badpull"], ["ds/agent", "agent=shop/agent:3-crash"]] {
            set_image(bad[0], bad[1]);
            try { wait(bad[0], #{timeout: "90s", pull_grace: "1s"}) } catch (e) {
                let pod = e.outcome.status.doomed[0];
                // A failing pull has one reason and the other in turn.
                print(`${e.kind} ${if pod.reason == "ErrImagePull" { "ImagePullBackOff" } else { pod.reason }} ${e.outcome.evidence.events.len() > 0}`);
            }
        }
        "#,
        "failed CrashLoopBackOff true\nfailed ImagePullBackOff true\nfailed CrashLoopBackOff true\n",
    );
}

/// kubernetes/kubernetes#129959: kubectl's `--timeout` and the progress deadline end alike, with exit code 1.
#[test]
fn the_own_timeout_of_a_wait_is_another_end_than_the_progress_deadline() {
    check(
        r#"
        set_image("deploy/web", "web=shop/web:4-neverready");
        try { wait("deploy/web", "3s") } catch (e) { print(`${e.kind} ${e.outcome.status.phase}`) }
        set_strategy("deploy/web", #{progress_deadline: "3s"});
        try { wait("deploy/web", "60s") } catch (e) { print(`${e.kind} ${e.outcome.status.phase} ${e.outcome.reason}`) }
        "#,
        "timeout progressing\nstalled stalled ProgressDeadlineExceeded\n",
    );
}

/// kubernetes/kubernetes#64500: kubectl has no status for OnDelete but an error.
#[test]
fn a_wait_for_what_is_replaced_on_delete_ends_with_a_true_statement() {
    check(
        r#"
        set_strategy("sts/db", #{type: "OnDelete"}); set_strategy("ds/agent", #{type: "OnDelete"});
        set_image("sts/db", "db=shop/db:17"); set_image("ds/agent", "agent=shop/agent:3");
        for o in wait(["sts/db", "ds/agent"], "60s") { print(`${o.outcome} ${o.status.updated} ${o.message.contains("OnDelete") || o.message.contains("delete")}`); }
        "#,
        "complete 0 true\ncomplete 0 true\n",
    );
}

/// kubernetes/kubernetes#72212: waits for partitioned sets that never ended.
#[test]
fn a_wait_for_a_partitioned_set_ends_with_a_true_statement() {
    check(
        r#"
        set_strategy("sts/db", #{partition: 2}); set_image("sts/db", "db=shop/db:17");
        let o = wait("sts/db", "60s");
        print(`${o.outcome} ${o.status.updated} of ${o.status.desired}: ${o.message}`);
        set_strategy("sts/db", #{partition: 3}); set_image("sts/db", "db=shop/db:18");
        print(wait("sts/db", "60s").status.updated);
        "#,
        "complete 1 of 3: partitioned roll out complete: 1 new pods have been updated...\n0\n",
    );
}

/// kubernetes/kubernetes#72216 and kubernetes/kubectl#554: kubectl waits for one after the other, each with the whole timeout.
#[test]
fn many_targets_are_waited_for_at_once_and_the_first_that_fails_ends_it() {
    check(
        r#"
        for w in ["deploy/web", "sts/db", "ds/agent"] { restart(w); }
        print(wait(["deploy/web", "sts/db", "ds/agent"], "90s").map(|o| `${o.target} ${o.outcome}`));
        set_image("sts/db", "db=shop/db:17-slow"); set_image("deploy/web", "web=shop/web:4-crash");
        try { wait(["sts/db", "deploy/web"], "90s") } catch (e) { print(`${e.target} ${e.kind}`) }
        "#,
        "[\"deployment/web complete\", \"statefulset/db complete\", \"daemonset/agent complete\"]\ndeployment/web failed\n",
    );
}

/// kubectl follows whatever is there: another's template as if it were ours, a paused Deployment for ever.
#[test]
fn superseded_deleted_and_paused_are_ends_of_their_own() {
    check(
        r#"
        fn ends(image, meanwhile) {
            set_image("deploy/web", image);
            let ran = parallel([|| { wait("deploy/web", "60s") }, || { sleep("500ms"); meanwhile.call() }], |act| { act.call() });
            let e = ran[0].error;
            print(`${e.kind} ${e.outcome.outcome}`);
        }
        ends("web=shop/web:4-slow", || set_image("deploy/web", "web=shop/web:5-slow"));
        ends("web=shop/web:6-slow", || pause("deploy/web"));
        resume("deploy/web");
        ends("web=shop/web:7-slow", || delete("deploy/web"));
        "#,
        "superseded superseded\npaused paused\ndeleted deleted\n",
    );
}

/// Not every crash and pull error is the end: how many and how long are knobs, which kubectl has not.
#[test]
fn how_many_crashes_and_how_long_a_failing_pull_are_borne_is_a_knob() {
    check(
        r#"
        set_image("deploy/web", "web=shop/web:4-crash");
        try { wait("deploy/web", #{timeout: "90s", restarts: 1}) } catch (e) { print(`${e.kind} ${e.outcome.status.doomed[0].restarts >= 1}`) }
        try { wait("deploy/web", #{timeout: "6s", restarts: 9}) } catch (e) { print(e.kind) }
        set_image("deploy/web", "web=shop/web:4-badpull");
        try { wait("deploy/web", #{timeout: "6s", pull_grace: "5m"}) } catch (e) { print(e.kind) }
        try { wait("deploy/web", #{timeout: "60s", pull_grace: "1s"}) } catch (e) { print(e.kind) }
        "#,
        "failed true\ntimeout\ntimeout\nfailed\n",
    );
}

// StatefulSets and DaemonSets

/// kubernetes/kubernetes#67250 and #60164: the template is back, the broken pod stays, and the set waits for it for ever.
#[test]
fn unstick_deletes_the_one_pod_that_wedges_the_set_and_no_other() {
    check(
        r#"
        let uid = |pod| object(`pod/${pod}`).metadata.uid;
        let before = ["db-0", "db-1", "db-2"].map(|p| uid.call(p));
        set_image("sts/db", "db=shop/db:17-badpull");
        try { wait("sts/db", #{timeout: "60s", pull_grace: "1s"}) } catch (e) { print(e.kind) }
        undo("sts/db");
        let broken = uid.call("db-2");
        print(unstick("sts/db").target);
        print(wait("sts/db", "60s").outcome);
        let after = ["db-0", "db-1", "db-2"].map(|p| uid.call(p));
        print(`${before[0] == after[0]} ${before[1] == after[1]} ${broken == after[2]}`);
        print(unstick("sts/db").changed);
        "#,
        "failed\npod/db-2\ncomplete\ntrue true false\nfalse\n",
    );
}

/// kubernetes/kubernetes#86619: kubectl can hold neither a StatefulSet nor a DaemonSet midway.
#[test]
fn a_stateful_set_and_a_daemon_set_are_held_midway_and_go_on() {
    check(
        r#"
        set_strategy("sts/db", #{partition: 2}); set_image("sts/db", "db=shop/db:17"); wait("sts/db", "60s");
        print(get_pods("sts/db").filter(|p| object(`pod/${p.name}`).spec.containers[0].image == "shop/db:17").len());
        set_strategy("sts/db", #{partition: 0}); print(wait("sts/db", "60s").status.updated);
        // A DaemonSet stops replacing as soon as it is told to wait for deletions.
        set_strategy("ds/agent", #{min_ready: "2s"});
        set_image("ds/agent", "agent=shop/agent:3");
        watch("ds/agent", "60s", |s| s.phase == "unobserved" || s.updated < 1);
        set_strategy("ds/agent", #{type: "OnDelete"}); sleep("6s");
        let held = status("ds/agent");
        print(`${held.updated >= 1 && held.updated < held.desired || held.desired == 1} ${held.images.agent}`);
        set_strategy("ds/agent", #{type: "RollingUpdate"}); wait("ds/agent", "60s");
        let done = status("ds/agent"); print(done.updated == done.desired);
        "#,
        "1\n3\ntrue shop/agent:3\ntrue\n",
    );
}
