//! The scripts of `scripts/` do what their headers say, on the simulated shop and, where there is one, on a real control plane.

mod common;

use std::path::Path;

use common::{Ran, Shell};
use rollsh::script::{Ended, check};
use rollsh::session::Halt;

fn script(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name)).expect("the script is there")
}

fn code(ran: &Ran) -> i64 {
    match &ran.ended {
        Ended::Value(_) => 0,
        Ended::Halted(Halt::Exit(code)) => *code,
        Ended::Halted(halt) => panic!("halted: {halt:?}\n{}\n{}", ran.out, ran.err),
        Ended::Failed(fault) => panic!("failed at {:?}: {:?}\n{}\n{}", fault.position, fault.error, ran.out, ran.err),
    }
}

/// Runs a script on the simulated shop, and on a real one where there is a cluster: how it ends, a part of what it prints, and what is true then.
fn check(name: &str, args: &[&str], expected: i64, prints: &[&str], then: &str, is: &str) {
    let text = script(name);
    for shell in [Some(Shell::simulated(0)), Shell::real()].into_iter().flatten() {
        let ran = shell.run_with(&text, args);
        assert_eq!(code(&ran), expected, "{name} {args:?}\n{}\n{}", ran.out, ran.err);
        for part in prints {
            assert!(ran.out.contains(part) || ran.err.contains(part), "{name} {args:?} prints no {part:?}:\n{}\n{}", ran.out, ran.err);
        }
        assert_eq!(shell.must(then), is, "{name} {args:?}: {then}");
    }
}

const DB: &str = r#"let db = object("sts/db"); print(`${db.spec.template.spec.containers[0].image} ${db.spec.updateStrategy.rollingUpdate.partition} ${status("sts/db").phase}`)"#;
const BOTH: &str = r#"print(`${status("deploy/web").images.web} ${status("sts/db").images.db}`)"#;

#[test]
fn a_canary_of_a_stateful_set_goes_partition_by_partition() {
    let args = ["--target", "sts/db", "--image", "db=shop/db:17", "--steps", "1,50%,100%", "--bake", "1s"];
    let prints = ["step 1: 1 of 3 pods", "step 2: 2 of 3 pods", "step 3: 3 of 3 pods", "done: sts/db runs db=shop/db:17"];
    check("canary_statefulset.rhai", &args, 0, &prints, DB, "shop/db:17 0 complete\n");
}

#[test]
fn a_bad_canary_of_a_stateful_set_is_taken_back_before_it_reaches_the_second_pod() {
    let args = ["--target", "sts/db", "--image", "db=shop/db:17-badpull", "--timeout", "2m"];
    check("canary_statefulset.rhai", &args, 6, &["failed: ", "statefulset/db: put back"], DB, "shop/db:16 0 complete\n");
}

#[test]
fn a_canary_says_how_it_is_used() {
    check("canary_statefulset.rhai", &["--target", "sts/db"], 2, &["usage: canary_statefulset.rhai"], DB, "shop/db:16 0 complete\n");
}

#[test]
fn a_release_train_arrives_whole() {
    let args = ["sts/db", "db=shop/db:17", "deploy/web", "web=shop/web:4"];
    check("release_train.rhai", &args, 0, &["arrived: 2 workloads"], BOTH, "shop/web:4 shop/db:17\n");
}

#[test]
fn a_release_train_that_fails_takes_all_back() {
    let args = ["sts/db", "db=shop/db:17", "deploy/web", "web=shop/web:4-crash"];
    let prints = ["sts/db runs db=shop/db:17", "stopped: ", "deployment/web: put back", "statefulset/db: put back"];
    check("release_train.rhai", &args, 6, &prints, BOTH, "shop/web:3 shop/db:16\n");
}

#[test]
fn restarts_go_in_order() {
    check("restart_in_order.rhai", &["ds/agent", "deploy/web"], 0, &["ds/agent restarted", "deploy/web restarted"], BOTH, "shop/web:3 shop/db:16\n");
    check("restart_in_order.rhai", &["--selector", "app=db"], 0, &["statefulset/db restarted"], BOTH, "shop/web:3 shop/db:16\n");
    check("restart_in_order.rhai", &[], 2, &["usage: "], BOTH, "shop/web:3 shop/db:16\n");
}

#[test]
fn a_restart_that_does_not_come_up_stops_the_others() {
    let text = script("restart_in_order.rhai");
    let shell = Shell::simulated(0);
    shell.must(r#"set_image("deploy/web", "web=shop/web:4-badpull")"#);
    let ran = shell.run_with(&text, &["deploy/web", "sts/db"]);
    assert_eq!(code(&ran), 5, "{}", ran.out);
    assert!(ran.out.contains("restarted 0 of 2; not touched: [\"sts/db\"]"), "{}", ran.out);
}

#[test]
fn a_watched_namespace_tells_what_moves() {
    let text = script("watch_namespace.rhai");
    let shell = Shell::simulated(0);
    shell.must(r#"set_image("deploy/web", "web=shop/web:4-badpull")"#);
    let ran = shell.run_with(&text, &["--during", "2m", "--every", "5s"]);
    assert_eq!(code(&ran), 5, "{}", ran.out);
    for part in ["0s deployment/web unobserved", "deployment/web progressing: Waiting for deployment", "ImagePullBackOff]"] {
        assert!(ran.out.contains(part), "no {part:?} in\n{}", ran.out);
    }
    let ran = Shell::simulated(0).run_with(&text, &["--during", "10s"]);
    assert_eq!((code(&ran), ran.out.as_str()), (0, ""));
}

#[test]
fn bad_rollouts_are_found_with_their_reasons() {
    let text = script("find_bad_rollouts.rhai");
    let shell = Shell::simulated(0);
    let ran = shell.run_with(&text, &[]);
    assert_eq!((code(&ran), ran.out.as_str()), (0, "no rollout is stuck\n"));
    shell.must(r#"set_image("deploy/web", "web=shop/web:4-badpull"); set_image("sts/db", "db=shop/db:17-crash"); sleep("60s")"#);
    let ran = shell.run_with(&text, &[]);
    assert_eq!(code(&ran), 5, "{}", ran.out);
    for part in ["deployment/web", "ImagePullBackOff", "statefulset/db", "CrashLoopBackOff"] {
        assert!(ran.out.contains(part), "no {part:?} in\n{}", ran.out);
    }
    if let Some(shell) = Shell::real() {
        shell.must(r#"set_image("deploy/web", "web=shop/web:4-badpull"); sleep("15s")"#);
        let namespace = shell.namespace();
        let ran = shell.run_with(&text, &["--namespace", &namespace]);
        assert_eq!(code(&ran), 5, "{}", ran.out);
        assert!(ran.out.contains("deployment/web"), "{}", ran.out);
    }
}

#[test]
fn a_bad_release_is_taken_back_and_a_good_one_kept() {
    let args = ["--target", "deploy/web", "--image", "web=shop/web:4", "--timeout", "2m"];
    check("conditional_rollback.rhai", &args, 0, &["kept: deploy/web runs web=shop/web:4, 3 of 3 ready"], BOTH, "shop/web:4 shop/db:16\n");
    let args = ["--target", "deploy/web", "--image", "web=shop/web:4-crash", "--timeout", "2m"];
    check("conditional_rollback.rhai", &args, 6, &["failed: ", "taken back: deploy/web runs web=shop/web:3"], BOTH, "shop/web:3 shop/db:16\n");
}

#[test]
fn the_tour_comes_to_its_end() {
    check("tour.rhai", &[], 0, &["the old pods still serve", "3 of 3 ready on shop/web:4"], BOTH, "shop/web:4 shop/db:16\n");
}

#[test]
fn a_namespace_in_trouble_is_watched_on_a_real_cluster_too() {
    let text = script("watch_namespace.rhai");
    let Some(shell) = Shell::real() else { return common::skipped() };
    shell.must(r#"set_image("deploy/web", "web=shop/web:4-crash")"#);
    let ran = shell.run_with(&text, &["--during", "25s", "--every", "1s"]);
    assert_eq!(code(&ran), 5, "{}", ran.out);
    assert!(ran.out.contains("deployment/web progressing: ") && ran.out.contains("CrashLoopBackOff]"), "{}", ran.out);
}

#[test]
fn every_script_has_help_and_refuses_what_it_does_not_know() {
    let scripts = ["canary_statefulset", "conditional_rollback", "find_bad_rollouts", "release_train", "restart_in_order", "tour", "watch_namespace"];
    let shell = Shell::simulated(0);
    for name in scripts {
        let text = script(&format!("{name}.rhai"));
        let help = shell.run_with(&text, &["--help"]);
        assert_eq!((code(&help), help.err.as_str()), (0, ""), "{name}");
        for part in ["usage: ", &format!("{name}.rhai"), "Exit codes: 0 "] {
            assert!(help.out.contains(part), "{name} --help has no {part:?}:\n{}", help.out);
        }
        let summary = text.lines().nth(1).expect("a header").trim_start_matches("// ");
        let first = help.out.lines().next().expect("a line").trim_end_matches('.');
        assert!(summary.starts_with(first), "{name}: {summary:?} and {first:?}");
        let unknown = shell.run_with(&text, &["--colour", "green"]);
        assert_eq!((code(&unknown), unknown.out.as_str()), (2, ""), "{name}");
        assert!(unknown.err.contains("there is no --colour") && unknown.err.contains("usage: "), "{name}: {}", unknown.err);
    }
    for (name, args) in [
        ("canary_statefulset", &["--target", "sts/db"][..]),
        ("canary_statefulset", &["--target", "sts/db", "--image", "db=a:1", "--prom", "http://x"]),
        ("conditional_rollback", &["--image", "web=a:1"]),
        ("find_bad_rollouts", &["--older", "soon"]),
        ("release_train", &["deploy/web"]),
        ("restart_in_order", &[]),
        ("watch_namespace", &["--during", "5x"]),
    ] {
        let ran = shell.run_with(&script(&format!("{name}.rhai")), args);
        assert_eq!(code(&ran), 2, "{name} {args:?}: {}", ran.err);
    }
    assert_eq!(shell.must(BOTH), "shop/web:3 shop/db:16\n", "nothing was changed");
}

#[test]
fn durations_of_arguments_are_read_as_those_of_options() {
    let shell = Shell::simulated(0);
    let read = r#"import "std/arguments" as arguments; for d in ["90s", "1h30m", "2d", "45", 7] { print(arguments::seconds(d, "")) }"#;
    assert_eq!(shell.must(read), "90\n5400\n172800\n45\n7\n");
    for bad in ["", "5x", "m", "1h30", "-5s"] {
        let ran = shell.run(&format!(r#"import "std/arguments" as arguments; print(arguments::seconds({bad:?}, ""))"#));
        assert_eq!((code(&ran), ran.out.as_str()), (2, ""), "{bad:?}");
    }
}

#[test]
fn every_script_checks_and_says_what_it_is_for() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    let shell = Shell::simulated(0);
    let host = rollsh::script::Host::new(&shell.session, Some(&folder), &rhai::Map::new());
    for entry in std::fs::read_dir(&folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("readable");
        let problems = check::all(host.engine(), &path.display().to_string(), &text);
        assert!(problems.is_empty(), "{}: {problems:?}", path.display());
        if !path.display().to_string().ends_with("_test.rhai") {
            assert!(text.starts_with("#!") && text.lines().nth(1).is_some_and(|line| line.starts_with("// ")), "{} has no header", path.display());
        }
    }
}
