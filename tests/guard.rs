//! What a guard does when things end badly: thrown errors, deadlines, Ctrl-C, SIGTERM, rivals, and a process that dies.

mod common;

use std::path::Path;
use std::time::Duration;

use common::{Ran, Shell};
use rollsh::resource::{DEPLOYMENT, STATEFUL_SET, Target};
use rollsh::script::Ended;
use rollsh::session::{Halt, Policy, Settings};

const LIMIT: Duration = Duration::from_secs(600);

fn web() -> Target {
    Target::new(&DEPLOYMENT, Some("default"), "web")
}

fn shell() -> Shell {
    Shell::simulated(0)
}

fn in_folder(folder: &Path) -> Shell {
    Shell::simulated_with(0, settings(folder), Policy { all: true, yes: true, ..Policy::default() })
}

fn settings(folder: &Path) -> Settings {
    Settings { state: Some(folder.to_owned()), ..Settings::default() }
}

fn image(shell: &Shell) -> String {
    shell.session.interrupts().clear();
    shell.must(r#"print(object("deploy/web").spec.template.spec.containers[0].image)"#)
}

fn failed(ran: &Ran) -> &rollsh::error::Error {
    match &ran.ended {
        Ended::Failed(fault) => &fault.error,
        other => panic!("ended with {other:?}: {}", ran.err),
    }
}

const SLOW: &str = r#"guard("deploy/web", || { set_image("deploy/web", "web=shop/web:4-slow"); wait("deploy/web") })"#;

#[test]
fn ctrl_c_puts_everything_back_before_the_run_ends() {
    let shell = shell();
    shell.after(5.0, |session| session.interrupts().interrupt());
    let ran = shell.run(SLOW);
    assert!(matches!(ran.ended, Ended::Halted(Halt::Interrupted)), "{:?}", ran.ended);
    assert!(ran.err.contains("guard: deployment/web put back, and its rollout is complete"), "{}", ran.err);
    assert_eq!(image(&shell), "shop/web:3\n");
    assert_eq!(shell.must(r#"print(status("deploy/web").phase)"#), "complete\n");
}

#[test]
fn sigterm_puts_everything_back_before_the_run_ends() {
    let shell = shell();
    shell.after(5.0, |session| session.interrupts().terminate());
    assert!(matches!(shell.run(SLOW).ended, Ended::Halted(Halt::Terminated)));
    assert_eq!(image(&shell), "shop/web:3\n");
}

#[test]
fn a_second_ctrl_c_ends_the_rollback_and_recover_finishes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let shell = in_folder(folder.path());
    shell.must(r#"set_image("deploy/web", "web=shop/web:4-slow"); wait("deploy/web")"#);
    // The way back takes a minute.
    shell.after(60.0, |session| session.interrupts().interrupt());
    shell.after(70.0, |session| session.interrupts().interrupt());
    let ran = shell.run(r#"guard("deploy/web", || { set_image("deploy/web", "web=shop/web:5"); wait("deploy/web"); sleep("1h") })"#);
    assert!(matches!(ran.ended, Ended::Halted(Halt::Interrupted)), "{:?}", ran.ended);
    assert!(ran.err.contains("guard: deployment/web failed: interrupted"), "{}", ran.err);
    shell.session.interrupts().clear();
    let later = shell.another(settings(folder.path()));
    let mut left = later.session.pending_guards().expect("a folder");
    assert_eq!(left.len(), 1);
    let puttings = later.session.recover(left.remove(0), LIMIT).expect("the same cluster");
    assert!(puttings.iter().all(|putting| putting.is_back()), "{puttings:?}");
    assert_eq!(later.session.pending_guards().expect("a folder").len(), 0);
    assert_eq!(image(&later), "shop/web:4-slow\n");
}

#[test]
fn a_guard_within_a_guard_that_is_given_up_is_given_up_too() {
    let shell = shell();
    shell.must(r#"set_image("deploy/web", "web=shop/web:4-slow"); wait("deploy/web")"#);
    shell.after(60.0, |session| session.interrupts().interrupt());
    shell.after(70.0, |session| session.interrupts().interrupt());
    let script = r#"guard("sts/db", || { set_image("sts/db", "db=shop/db:17"); guard("deploy/web", || { set_image("deploy/web", "web=shop/web:5"); wait("deploy/web"); sleep("1h") }) })"#;
    let ran = shell.run(script);
    assert!(matches!(ran.ended, Ended::Halted(Halt::Interrupted)));
    shell.session.interrupts().clear();
    assert_eq!(shell.must(r#"print(status("sts/db").images.db)"#), "shop/db:17\n");
}

#[test]
fn the_process_dies_and_recover_puts_back_what_it_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let shell = in_folder(folder.path());
    let db = Target::new(&STATEFUL_SET, Some("default"), "db");
    let guard = shell.session.guard(&[web(), db], false).expect("both are there");
    shell.must(r#"set_strategy("sts/db", #{partition: 2}); set_image("sts/db", "db=shop/db:17-badpull"); set_image("deploy/web", "web=shop/web:4")"#);
    let later = shell.another(settings(folder.path()));
    assert_eq!(later.session.pending_guards().expect("a folder").len(), 0, "its process still lives");
    drop(guard);
    let left = later.session.pending_guards().expect("a folder").remove(0);
    assert_eq!((left.context(), left.kept().len()), ("sim", 2));
    let puttings = later.session.recover(left, LIMIT).expect("the same cluster");
    let told: Vec<String> = puttings.iter().map(|putting| format!("{} {}", putting.target, putting.result)).collect();
    assert_eq!(told, ["statefulset/db put back", "deployment/web put back"]);
    assert_eq!(image(&later), "shop/web:3\n");
    let script = r#"let db = object("sts/db"); print(db.spec.template.spec.containers[0].image); print(db.spec.updateStrategy.rollingUpdate.partition); print(status("sts/db").phase)"#;
    assert_eq!(later.must(script), "shop/db:16\n0\ncomplete\n");
}

#[test]
fn configuration_goes_back_with_the_template_also_when_the_process_dies_between_the_two() {
    let folder = tempfile::tempdir().expect("a folder");
    let shell = in_folder(folder.path());
    let settings_are = |mode: &str| format!("apply(`{{apiVersion: v1, kind: ConfigMap, metadata: {{name: web}}, data: {{mode: {mode}}}}}`, #{{force: true}});");
    shell.must(&format!(r#"{} checkpoint("deploy/web")"#, settings_are("calm")));
    let guard = shell.session.guard(&[web()], true).expect("it is there");
    shell.must(&format!(r#"{} set_image("deploy/web", "web=shop/web:4")"#, settings_are("wild")));
    drop(guard);
    let later = shell.another(settings(folder.path()));
    // A recovery that died after it had put back the configuration.
    later.must(&settings_are("calm"));
    let left = later.session.pending_guards().expect("a folder").remove(0);
    assert_eq!(later.session.recover(left, LIMIT).expect("the same cluster")[0].result, "put back");
    let now = r#"print(`${status("deploy/web").images.web} ${object("cm/web").data.mode}`)"#;
    assert_eq!(later.must(now), "shop/web:3 calm\n");

    // What changed is the configuration alone.
    let guard = later.session.guard(&[web()], true).expect("it is there");
    later.must(&settings_are("wild"));
    let [putting] = guard.put_back(LIMIT).expect("its file").try_into().expect("one target");
    assert!(putting.result == "put back" && putting.message.contains("has its configuration back; its template had stayed"), "{putting:?}");
    assert_eq!(later.must(now), "shop/web:3 calm\n");
}

#[test]
fn a_bad_release_goes_even_where_its_configuration_cannot() {
    let shell = shell();
    let guard = shell.session.guard(&[web()], true).expect("it is there");
    shell.must(
        "apply(`{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {mode: wild}}`, #{force: true}); set_image(\"deploy/web\", \"web=shop/web:4\")",
    );
    let [putting] = guard.put_back(LIMIT).expect("no file").try_into().expect("one target");
    assert_eq!(putting.result, "failed");
    assert!(putting.message.starts_with("deployment/web has its template back, but not its configuration: no copy of configmap/web was kept"), "{putting:?}");
    assert_eq!(image(&shell), "shop/web:3\n");
}

#[test]
fn what_somebody_else_changed_meanwhile_is_left_alone() {
    let shell = shell();
    let guard = shell.session.guard(&[web()], false).expect("it is there");
    shell.must(r#"set_image("deploy/web", "web=shop/web:4")"#);
    shell.another(Settings::default()).must(r#"set_image("deploy/web", "web=shop/web:hotfix")"#);
    let puttings = guard.put_back(LIMIT).expect("no file");
    assert_eq!(puttings[0].result, "left alone");
    assert!(puttings[0].message.contains("somebody else changed the template of deployment/web"), "{puttings:?}");
    assert_eq!(image(&shell), "shop/web:hotfix\n");
}

#[test]
fn what_was_deleted_and_created_again_is_left_alone() {
    let shell = shell();
    let guard = shell.session.guard(&[web()], false).expect("it is there");
    shell.must(
        r#"let web = object("deploy/web"); delete("deploy/web"); sleep("5s");
        apply(json(#{apiVersion: "apps/v1", kind: "Deployment", metadata: #{name: "web"}, spec: web.spec}))"#,
    );
    assert_eq!(guard.put_back(LIMIT).expect("no file")[0].result, "left alone");
}

#[test]
fn a_deadline_of_the_guard_and_one_around_it_tell_what_was_put_back() {
    let script = |open: &str, close: &str| {
        format!(
            r#"try {{ {open} set_image("deploy/web", "web=shop/web:4-neverready"); wait("deploy/web") {close} }} catch (e) {{ print(`${{e.kind}} ${{e.rolled_back}}`) }}"#
        )
    };
    for (open, close) in [(r#"guard("deploy/web", #{timeout: "20s"}, || {"#, "})"), (r#"timeout("20s", || { guard("deploy/web", || {"#, "}) })")] {
        let shell = shell();
        assert_eq!(shell.must(&script(open, close)), "timeout true\n", "{open}");
        assert_eq!(image(&shell), "shop/web:3\n");
    }
}

#[test]
fn nothing_changed_is_nothing_rolled_back() {
    let script = r#"guard("deploy/web", || { throw "no" })"#;
    let ran = shell().run(script);
    assert_eq!(failed(&ran).facts()["rolled_back"], false);
    let Ended::Failed(fault) = &ran.ended else { panic!("it throws") };
    assert_eq!((fault.exit_code(), fault.position), (1, Some((1, 26))));
}

#[test]
fn what_was_taken_back_whole_ends_the_run_with_6() {
    let ran = shell().run(r#"guard("deploy/web", || { set_image("deploy/web", "web=shop/web:4-crash"); wait("deploy/web") })"#);
    let Ended::Failed(fault) = &ran.ended else { panic!("it throws") };
    assert_eq!((fault.error.kind().name(), fault.exit_code()), ("failed", 6));
}

#[test]
fn exit_of_0_keeps_and_exit_of_another_number_takes_back() {
    for (code, kept) in [(0, "shop/web:4\n"), (3, "shop/web:3\n")] {
        let shell = shell();
        let ran = shell.run(&format!(r#"guard("deploy/web", || {{ set_image("deploy/web", "web=shop/web:4"); exit({code}) }})"#));
        assert!(matches!(ran.ended, Ended::Halted(Halt::Exit(ended)) if ended == code));
        assert_eq!(image(&shell), kept);
    }
}

#[test]
fn a_stateful_set_is_helped_past_the_pods_that_the_bad_template_broke() {
    let script = r#"
        try {
            guard("sts/db", || { set_image("sts/db", "db=shop/db:17-badpull"); wait("sts/db") })
        } catch (e) { print(`${e.kind} ${e.rolled_back}`) }
        let s = status("sts/db"); print(`${s.phase} ${s.images.db}`)"#;
    common::check(script, "failed true\ncomplete shop/db:16\n");
}

#[test]
fn a_guard_that_cannot_be_written_down_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("guards"), "a file where a folder belongs").expect("written");
    let ran = in_folder(folder.path()).run(r#"guard("deploy/web", || { set_image("deploy/web", "web=shop/web:4") })"#);
    assert_eq!(failed(&ran).kind().name(), "denied");
    assert!(failed(&ran).hints()[0].contains("rollsh recover"), "{:?}", failed(&ran));
}

#[test]
fn every_change_stands_in_the_journal_before_it_is_sent_and_after() {
    let folder = tempfile::tempdir().expect("a folder");
    let shell = in_folder(folder.path());
    shell.must(r#"set_image("deploy/web", "web=shop/web:4"); try { undo("deploy/web", 77) } catch (e) {}; scale("deploy/web", 4, #{dry_run: true})"#);
    let entries = shell.session.journal().entries().expect("readable");
    let told: Vec<String> = entries
        .iter()
        .map(|it| format!("{} {} {} {}", it.intent.verb, it.intent.target, it.intent.dry_run, it.outcome.as_ref().map_or("", |outcome| &outcome.result)))
        .collect();
    assert_eq!(told, ["set_image default/deployment/web false done", "scale default/deployment/web true done"]);
    assert_eq!(entries[0].intent.template["spec"]["containers"][0]["image"], "shop/web:3");
    assert!(folder.path().join("journal.jsonl").exists());
}

#[test]
fn a_full_disk_keeps_no_bad_release_running() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("journal.jsonl")).expect("made");
    let shell = in_folder(folder.path());
    let ran = shell.run(r#"undo("deploy/web")"#);
    assert!(matches!(ran.ended, Ended::Value(_)), "{ran:?}");
    assert!(ran.err.contains("this change is not in the journal: cannot write the journal"), "{}", ran.err);
    assert_eq!(image(&shell), "shop/web:2\n");
}

#[test]
fn a_server_that_is_away_for_minutes_keeps_no_bad_release_running() {
    let shell = shell();
    let ran = shell.run(
        r#"guard("deploy/web", || {
            set_image("deploy/web", "web=shop/web:4-crash");
            sleep("20s");
            sim::fault(#{unavailable: true, "for": "3m"});
            throw "it crashes";
        })"#,
    );
    let error = failed(&ran);
    assert_eq!(error.facts().get("rolled_back"), Some(&true.into()), "{}", ran.err);
    assert!(ran.err.contains("the server is currently unable to handle the request; trying again for 600 s"), "{}", ran.err);
    assert_eq!(image(&shell), "shop/web:3\n");
    assert_eq!(shell.must(r#"print(status("deploy/web").phase)"#), "complete\n");
}

#[test]
fn a_server_that_stays_away_is_said_and_left_to_recover() {
    let folder = tempfile::tempdir().expect("a folder");
    let shell = in_folder(folder.path());
    let ran = shell.run(
        r#"guard("deploy/web", #{rollback_timeout: "1m"}, || {
            set_image("deploy/web", "web=shop/web:4-crash");
            sleep("20s");
            sim::fault(#{unavailable: true, "for": "3m"});
            throw "it crashes";
        })"#,
    );
    assert!(failed(&ran).hints().iter().any(|hint| hint.contains("rollsh recover")), "{:?}", failed(&ran));
    shell.must(r#"sleep("3m")"#);
    let later = shell.another(settings(folder.path()));
    let left = later.session.pending_guards().expect("a folder").remove(0);
    assert!(later.session.recover(left, LIMIT).expect("the same cluster").iter().all(|putting| putting.is_back()));
    assert_eq!(image(&later), "shop/web:3\n");
}

#[test]
fn a_wait_lasts_through_an_outage_and_tells_of_it() {
    let shell = shell();
    let ran = shell.run(
        r#"set_image("deploy/web", "web=shop/web:4-slow");
        sim::fault(#{unavailable: true, "in": "10s", "for": "140s"});
        print(wait("deploy/web", "5m").outcome)"#,
    );
    assert_eq!(ran.out, "complete\n", "{}", ran.err);
    assert!(ran.err.contains("; waiting for it\n") && ran.err.contains("the API server answers again\n"), "{}", ran.err);
    let ran = shell.run(
        r#"set_image("deploy/web", "web=shop/web:5-slow");
        sim::fault(#{unavailable: true, "in": "10s", "for": "1h"});
        wait("deploy/web", "3m")"#,
    );
    let message = failed(&ran).message();
    assert!(message.contains("timed out after 3m: the API server") && message.contains("; the last that was seen: Waiting for deployment"), "{message}");
}
