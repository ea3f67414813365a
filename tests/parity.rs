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

/// Lines that we add to what kubectl says.
const ADDED: [&str; 2] = ["Changed:", "Config:"];

/// What two commands print, without what moves between them: ages, and the widths of columns that hold them.
fn still(text: &str) -> Vec<String> {
    let is_age = |word: &str| {
        let word = word.trim_start_matches('(').trim_end_matches(')');
        word.starts_with(|c: char| c.is_ascii_digit()) && word.ends_with(['s', 'm', 'h', 'd']) && word.chars().all(|c| c.is_ascii_digit() || "smhd".contains(c))
    };
    let line = |line: &str| {
        let words = line.split_whitespace().filter(|word| !is_age(word) && !word.starts_with("(x") && *word != "over");
        // A failing pull has one reason and the other in turn.
        words.map(|word| word.replace("ErrImagePull", "ImagePullBackOff")).collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).filter(|line| !line.is_empty() && !line.starts_with("----") && !ADDED.iter().any(|added| line.starts_with(added))).collect()
}

/// The same with the lines of an event table in one order: kubectl sorts more than twelve events of one second by no rule that holds.
fn comparable(text: &str) -> String {
    let mut lines = still(text);
    if let Some(events) = lines.iter().position(|line| line.starts_with("Events:")) {
        lines[events..].sort();
    }
    lines.join("\n") + "\n"
}

/// Compares until the two moments agree, five times at most; gives what differs.
fn differs(shell: &Shell, kubectl: &Kubectl, script: &str, args: &str) -> Option<String> {
    let mut last = String::new();
    for _ in 0..5 {
        let (ours, theirs) = (comparable(&shell.must(script)), comparable(&kubectl.says(args)));
        assert!(theirs.len() > 1, "kubectl {args} prints nothing");
        if ours == theirs {
            return None;
        }
        last = similar::TextDiff::from_lines(&theirs, &ours).unified_diff().context_radius(1).header("kubectl", "rollsh").to_string();
    }
    Some(format!("{script} and kubectl {args}:\n{last}"))
}

/// The three kinds, with the container that is given new images.
const KINDS: [(&str, &str); 3] = [("deploy/web", "web"), ("sts/db", "db"), ("ds/agent", "agent")];

/// All words about the three kinds, at one moment.
fn compare_all(shell: &Shell, kubectl: &Kubectl, moment: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (target, _) in KINDS {
        let mut compare = |script: String, args: String| found.extend(differs(shell, kubectl, &script, &args).map(|it| format!("{moment}: {it}")));
        compare(format!("print(describe({target:?}))"), format!("describe {target}"));
        compare(format!("print(status({target:?}).message)"), format!("rollout status {target} --watch=false"));
        compare(
            format!(
                r#"let all = history({target:?}); let kind = #{{deploy: "deployment", sts: "statefulset", ds: "daemonset"}}[{target:?}.split("/")[0]];
                print(`${{kind}}.apps/${{{target:?}.split("/")[1]}} `); print("REVISION  CHANGE-CAUSE"); for r in all {{ print(`${{r.revision}} ${{r.change_cause ?? "<none>"}}`) }}"#
            ),
            format!("rollout history {target}"),
        );
        let revisions = shell.must(&format!(r#"for r in history({target:?}) {{ print(r.revision) }}"#));
        for revision in revisions.lines() {
            compare(format!("print(history({target:?}, {revision}))"), format!("rollout history {target} --revision={revision}"));
        }
    }
    for kinds in ["deploy,rs,sts,ds,pods", "controllerrevisions"] {
        for (option, flag) in [("", ""), ("wide: true", " -o wide")] {
            let script = format!("print(get({kinds:?}, #{{{option}}}))");
            found.extend(differs(shell, kubectl, &script, &format!("get {kinds}{flag}")).map(|it| format!("{moment}: {it}")));
        }
    }
    found
}

/// The parity table: three kinds at five moments, in what kubectl says of them.
#[test]
fn all_words_about_all_three_kinds_are_kubectls_at_every_moment() {
    let Some((shell, kubectl)) = both() else { return };
    let set_all = |tag: &str| {
        for (target, container) in KINDS {
            shell.must(&format!(r#"set_image({target:?}, "{container}=shop/{container}:{tag}", #{{change_cause: "{container} {tag}"}})"#));
        }
    };
    let settle = || {
        shell.must(
            r#"wait(["deploy/web", "sts/db", "ds/agent"], "120s");
            for n in 0..80 { if get("pods").len() == status("deploy/web").desired + status("sts/db").desired + status("ds/agent").desired { break; } sleep("250ms"); }"#,
        );
    };
    let mut found = Vec::new();
    settle();
    found.extend(compare_all(&shell, &kubectl, "settled"));
    set_all("7-neverready");
    shell.must(r#"sleep("4s")"#);
    found.extend(compare_all(&shell, &kubectl, "midway"));
    set_all("8-badpull");
    // The StatefulSet waits for the pod of before.
    shell.must(r#"sleep("1s"); unstick("sts/db"); sleep("4s")"#);
    found.extend(compare_all(&shell, &kubectl, "stuck"));
    // We undo, as far back as it takes.
    shell.must(
        r#"undo("deploy/web", #{to: "last_good"}); undo("sts/db", #{to: "last_good"}); undo("ds/agent", #{to: "last_good"}); sleep("1s"); unstick("sts/db")"#,
    );
    settle();
    found.extend(compare_all(&shell, &kubectl, "after our undo"));
    // kubectl goes where our undo would go, from what we undid.
    let image = |target: &str| shell.must(&format!("print(status({target:?}).images.values()[0])"));
    for (target, _) in KINDS {
        let diff = shell.must(&format!(r#"print(undo({target:?}, #{{dry_run: true}}).diff)"#));
        kubectl.says(&format!("rollout undo {target}"));
        assert!(diff.contains(&format!("+      - image: {}", image(target))) || diff.contains(&format!("image: {}", image(target))), "{target}: {diff}");
    }
    shell.must(r#"sleep("3s")"#);
    found.extend(compare_all(&shell, &kubectl, "after kubectl's undo"));
    for (target, container) in KINDS {
        kubectl.says(&format!("rollout undo {target} --to-revision=1"));
        kubectl.says(&format!("set image {target} {container}=shop/{container}:9"));
        kubectl.says(&format!("rollout restart {target}"));
    }
    shell.must(r#"sleep("1s"); unstick("sts/db")"#);
    settle();
    found.extend(compare_all(&shell, &kubectl, "after kubectl's changes"));
    // And we go where kubectl would, from what it wrote.
    for (target, container) in KINDS {
        shell.must(&format!("undo({target:?})"));
        assert_eq!(image(target), format!("shop/{container}:9\n"), "{target}: the one before the restart");
    }
    settle();
    found.extend(compare_all(&shell, &kubectl, "after both"));
    assert!(found.is_empty(), "{} differences\n{}", found.len(), found.join("\n"));
}
