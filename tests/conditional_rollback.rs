//! The main script, on the simulator and on a real control plane: what it tells, how it ends, what runs after it.

mod common;

use std::process::{Command, Output};

use common::Shell;

const SCRIPT: &str = "scripts/conditional_rollback.rhai";

fn rollsh(before: &[&str], args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rollsh")).args(before).args(["run", SCRIPT, "--target", "deploy/web"]).args(args).output().expect("it starts")
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Image, further arguments, exit code, what the account says.
const CASES: &[(&str, &[&str], i32, &[&str])] = &[
    ("web=shop/web:9", &[], 0, &["tried web=shop/web:9", "kept: deploy/web runs web=shop/web:9, 3 of 3 ready"]),
    ("web=shop/web:9-crash", &[], 6, &["CrashLoopBackOff", "log web-", "taken back: deploy/web runs web=shop/web:3, 3 of 3 ready"]),
    ("web=shop/web:9-badpull", &[], 6, &["ErrImagePull", "event Failed on pod/web-", "taken back: deploy/web runs web=shop/web:3, 3 of 3 ready"]),
    ("web=shop/web:9-neverready", &["--timeout", "30s"], 6, &["timed out after 30s", "taken back: deploy/web runs web=shop/web:3, 3 of 3 ready"]),
];

#[test]
fn it_keeps_what_is_good_and_takes_back_what_is_bad() {
    for (image, more, code, account) in CASES {
        let args = [&["--image", image], *more].concat();
        let output = rollsh(&["--sim"], &args);
        assert_eq!(output.status.code(), Some(*code), "{image}: {}{}", out(&output), String::from_utf8_lossy(&output.stderr));
        for words in *account {
            assert!(out(&output).contains(words), "{image}: {words:?} is not in\n{}", out(&output));
        }
        let again = rollsh(&["--sim"], &args);
        assert_eq!((output.stdout, output.stderr), (again.stdout, again.stderr), "{image}: one seed, one run");
    }
}

#[test]
fn it_says_what_is_missing() {
    let output = Command::new(env!("CARGO_BIN_EXE_rollsh")).args(["--sim", "run", SCRIPT]).output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("usage: "));
    let output = rollsh(&["--sim"], &["--image", "nope=shop/web:9"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("unable to find container named \"nope\""), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn it_does_the_same_on_a_real_control_plane() {
    let Some(kubeconfig) = common::kubeconfig() else {
        common::skipped();
        return;
    };
    std::thread::scope(|scope| {
        for case in CASES {
            let kubeconfig = kubeconfig.to_str().expect("text").to_owned();
            scope.spawn(move || on_a_real_one(&kubeconfig, case));
        }
    });
}

fn on_a_real_one(kubeconfig: &str, (image, more, code, account): &(&str, &[&str], i32, &[&str])) {
    let shell = Shell::real().expect("a cluster");
    shell.must(r#"annotate("deploy/web", #{"example.com/owner": "team-shop"})"#);
    let namespace = shell.namespace();
    let output = rollsh(&["--kubeconfig", kubeconfig, "-n", &namespace], &[&["--image", image], *more].concat());
    assert_eq!(output.status.code(), Some(*code), "{image}: {}{}", out(&output), String::from_utf8_lossy(&output.stderr));
    for words in *account {
        assert!(out(&output).contains(words), "{image}: {words:?} is not in\n{}", out(&output));
    }
    let Some(kubectl) = std::env::var_os("ROLLSH_TEST_KUBECTL") else { return };
    let kubectl = |args: &[&str]| {
        let output = Command::new(&kubectl).args(["--kubeconfig", kubeconfig, "-n", &namespace]).args(args).output().expect("kubectl");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let runs = if *code == 0 { "shop/web:9" } else { "shop/web:3" };
    assert_eq!(kubectl(&["get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[0].image} {.status.readyReplicas}"]), format!("{runs} 3"));
    assert_eq!(kubectl(&["get", "deploy", "web", "-o", r"jsonpath={.metadata.annotations.example\.com/owner}"]), "team-shop");
    let history = kubectl(&["rollout", "history", "deploy/web"]);
    if *code == 0 {
        assert!(history.contains("\n4         conditional rollback: web=shop/web:9\n"), "{history}");
    } else {
        // Revision 3 moved to the end under a new number.
        assert!(!history.contains("\n3  ") && history.contains("\n5         web 3: faster checkout\n"), "{history}");
    }
}
