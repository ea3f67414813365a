//! Our words beside kubectl's on the same real API server, cell by cell; ages may differ by the second between two commands.
//!
//! Runs where `ROLLSH_TEST_KUBECONFIG` and `ROLLSH_TEST_KUBECTL` name a cluster and a kubectl.

mod common;

use std::process::Command;

use common::Shell;

/// kubectl on the shell's namespace; `None` where there is no kubectl.
struct Kubectl {
    program: std::ffi::OsString,
    namespace: String,
}

impl Kubectl {
    fn of(shell: &Shell) -> Option<Self> {
        Some(Self { program: std::env::var_os("ROLLSH_TEST_KUBECTL")?, namespace: shell.namespace() })
    }

    fn says(&self, args: &str) -> String {
        let kubeconfig = common::kubeconfig().expect("a kubeconfig");
        let output =
            Command::new(&self.program).arg("--kubeconfig").arg(kubeconfig).args(["-n", &self.namespace]).args(args.split(' ')).output().expect("kubectl");
        assert!(output.status.success(), "kubectl {args}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }
}

fn both() -> Option<(Shell, Kubectl)> {
    let shell = Shell::real();
    let both = shell.and_then(|shell| Kubectl::of(&shell).map(|kubectl| (shell, kubectl)));
    if both.is_none() {
        common::skipped();
    }
    both
}

/// The cells of a printed table, ages taken out.
fn cells(text: &str) -> Vec<Vec<String>> {
    let is_age = |cell: &str| cell.ends_with(['s', 'm', 'h', 'd']) && cell.starts_with(|c: char| c.is_ascii_digit()) && !cell.contains('/');
    text.lines()
        .filter(|line| !line.is_empty())
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(|cell| if is_age(cell) { "AGE" } else { cell }.to_owned()).collect())
        .collect()
}

/// Compares our output with kubectl's until the two moments agree: pods that come and go between two commands are no difference.
fn agree(shell: &Shell, kubectl: &Kubectl, script: &str, args: &str) {
    let mut last = (Vec::new(), Vec::new());
    for _ in 0..5 {
        last = (cells(&shell.must(script)), cells(&kubectl.says(args)));
        if last.0 == last.1 {
            return;
        }
    }
    assert_eq!(last.0, last.1, "{script} and kubectl {args}");
}

#[test]
fn tables_agree_with_kubectl() {
    let Some((shell, kubectl)) = both() else { return };
    // Terminating pods of the last rollout go first.
    shell.must(r#"for n in 0..40 { if get("pods").len() == 3 { break; } sleep("250ms"); }"#);
    for (script, args) in [
        (r#"print(get("deploy,rs,pods"))"#, "get deploy,rs,pods"),
        (r#"print(get("deploy,rs,pods", #{wide: true}))"#, "get deploy,rs,pods -o wide"),
        (r#"print(get("pods", #{wide: true}))"#, "get pods -o wide"),
        (r#"print(get("deploy/web"))"#, "get deploy/web"),
        (r#"print(get("pods", #{selector: "app=web"}))"#, "get pods -l app=web"),
        (r#"print(get("pods", #{field_selector: "status.phase=Running"}))"#, "get pods --field-selector status.phase=Running"),
        (r#"print(get("nodes"))"#, "get nodes"),
        (r#"print(get("nodes", #{wide: true}))"#, "get nodes -o wide"),
        (r#"print(get("deploy", #{all_namespaces: true, selector: "app=web,nope=x"}))"#, "get deploy -A -l app=web,nope=x"),
        (r#"print(get("cm,sa"))"#, "get cm,sa"),
        (r#"print(get_deploy())"#, "get deploy"),
        (r#"print(get_pods())"#, "get pods"),
    ] {
        agree(&shell, &kubectl, script, args);
    }
}

#[test]
fn a_history_agrees_with_kubectl_before_and_after_an_undo() {
    let Some((shell, kubectl)) = both() else { return };
    let ours = || shell.must(r#"for r in history("deploy/web") { print(`${r.revision}|${r.change_cause ?? "<none>"}`) }"#);
    let theirs = || {
        let text = kubectl.says("rollout history deploy/web");
        text.lines()
            .skip(2)
            .filter(|line| !line.is_empty())
            .map(|line| line.split_once(' ').map(|(n, c)| format!("{n}|{}\n", c.trim())).expect("two cells"))
            .collect::<String>()
    };
    assert_eq!(ours(), theirs());
    shell.must(r#"undo("deploy/web"); wait("deploy/web", "60s")"#);
    assert_eq!(ours(), theirs());
    assert_eq!(ours(), "1|web 1: the shop opens\n3|web 3: faster checkout\n4|web 2: the new basket\n");
    // And the other way round: we understand what kubectl undid.
    kubectl.says("rollout undo deploy/web --to-revision=1");
    shell.must(r#"wait("deploy/web", "60s")"#);
    assert_eq!(ours(), theirs());
    assert_eq!(shell.must(r#"print(status("deploy/web").images.web)"#), "shop/web:1\n");
}

#[test]
fn every_status_message_of_a_rollout_is_kubectls() {
    let Some((shell, kubectl)) = both() else { return };
    let seen = shell.must(
        r#"
        let messages = [];
        set_image("deploy/web", "web=shop/web:4");
        watch("deploy/web", |s| { if !messages.contains(s.message) { messages.push(s.message); } });
        for m in messages { print(m) }
        "#,
    );
    shell.must(r#"set_image("deploy/web", "web=shop/web:5")"#);
    let said = kubectl.says("rollout status deploy/web --timeout=60s");
    let known = |message: &str| {
        message == "Waiting for deployment spec update to be observed..."
            || message == r#"deployment "web" successfully rolled out"#
            || message.starts_with(r#"Waiting for deployment "web" rollout to finish: "#)
    };
    assert!(seen.lines().count() > 3 && seen.lines().all(known), "{seen}");
    // The order of moments differs from rollout to rollout; the sentences do not.
    for line in said.lines().filter(|line| !line.contains("0 out of 3")) {
        assert!(known(line), "kubectl says {line:?}");
        let shape = |text: &str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
        assert!(seen.lines().any(|ours| shape(ours) == shape(line)), "kubectl says {line:?}, we said:\n{seen}");
    }
}

#[test]
fn the_status_of_each_moment_is_what_kubectl_says_then() {
    let Some((shell, kubectl)) = both() else { return };
    let ours = || shell.must(r#"print(status("deploy/web").message)"#);
    let theirs = || kubectl.says("rollout status deploy/web --watch=false");
    assert_eq!(ours(), theirs());
    shell.must(r#"set_image("deploy/web", "web=shop/web:6-neverready"); sleep("3s")"#);
    assert_eq!(ours(), theirs());
    shell.must(r#"undo("deploy/web"); wait("deploy/web", "60s"); patch("deploy/web", #{spec: #{paused: true}}); set_image("deploy/web", "web=shop/web:7"); sleep("2s")"#);
    assert_eq!(ours(), theirs());
}
