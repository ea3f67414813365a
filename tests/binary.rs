//! The program as its users start it: exit codes, flags, what goes to which stream.

mod common;

use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// The program in an environment without anybody's configuration.
fn rollsh() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollsh"));
    command.env_remove("KUBECONFIG").env("HOME", "/nonexistent").env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

fn run(args: &[&str]) -> Output {
    rollsh().args(args).output().expect("it starts")
}

fn stdin(args: &[&str], script: &str) -> Output {
    let mut child = rollsh().args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().expect("piped").write_all(script.as_bytes()).expect("written");
    child.wait_with_output().expect("it ends")
}

#[track_caller]
fn ends(output: &Output, code: i32, stderr: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "stdout: {}\nstderr: {text}", String::from_utf8_lossy(&output.stdout));
    assert!(text.contains(stderr), "{stderr:?} is not in {text:?}");
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn an_expression_needs_no_cluster_and_prints_its_value() {
    let output = run(&["eval", "1 + 1"]);
    ends(&output, 0, "");
    assert_eq!(out(&output), "2\n");
    assert_eq!(out(&run(&["eval", "-o", "json", "#{a: [1, ()]}"])), "{\n  \"a\": [\n    1,\n    null\n  ]\n}\n");
    assert_eq!(out(&run(&["eval", "-o", "yaml", "#{a: \"true\"}"])), "a: \"true\"\n");
    assert_eq!(out(&run(&["eval", "let x = 1;"])), "");
}

#[test]
fn several_values_with_words_of_their_own_are_a_line_each_and_deep_rows_are_no_table() {
    let outcomes = out(&run(&["--sim", "eval", r#"wait(["deploy/web", "sts/db"])"#]));
    let starts: Vec<&str> = outcomes.lines().map(|line| line.split(" after ").next().unwrap_or_default()).collect();
    assert_eq!(starts, ["deployment/web complete", "statefulset/db complete"], "{outcomes}");
    let deep = out(&run(&["eval", r#"let t = "x"; t.pad(100, "x"); [#{name: "a", deep: #{text: t}}]"#]));
    assert!(deep.starts_with("- deep:\n"), "{deep}");
}

#[test]
fn a_script_that_fails_ends_with_1_and_shows_its_line() {
    let output = stdin(&[], "let a = [];\nprint(\"one\");\nthrow \"no luck\";\n");
    ends(&output, 1, "error: no luck");
    ends(&output, 1, "stdin:3");
    assert_eq!(out(&output), "one\n");
}

#[test]
fn wrong_usage_ends_with_2() {
    ends(&run(&["--nonsense"]), 2, "--nonsense");
    ends(&run(&["run", "/nonexistent/x.rhai"]), 2, "no such file");
    ends(&run(&["--kubeconfig", "nowhere", "eval", "1"]), 2, "nowhere");
    ends(&run(&["--allow", "nett", "eval", "1"]), 2, "net");
    ends(&run(&["--timeout", "soon", "eval", "1"]), 2, "90s");
    ends(&stdin(&["--sim"], "let x = ;"), 2, "stdin:1");
    // Nothing of a script runs that does not check.
    let output = stdin(&["--sim"], "print(1);\nundoo(\"deploy/web\");\n");
    ends(&output, 2, "did you mean \"undo\"?");
    assert_eq!(out(&output), "");
}

#[test]
fn what_is_denied_ends_with_3() {
    let change = r#"set_image("deploy/web", "web=shop/web:4")"#;
    ends(&run(&["--sim", "--read-only", "eval", change]), 3, "read-only");
    ends(&run(&["--sim", "eval", r#"delete("deploy/web")"#]), 3, "--allow delete");
    ends(&run(&["--sim", "--allow", "delete", "eval", r#"delete("deploy/web")"#]), 0, "");
    ends(&run(&["--sim", "eval", r#"confirm("sure?")"#]), 3, "--yes");
    ends(&run(&["--sim", "--yes", "eval", r#"confirm("sure?")"#]), 0, "");
    ends(&run(&["--sim", "eval", r#"apply("/etc/hostname")"#]), 3, "--allow read");
}

#[test]
fn a_cluster_that_cannot_be_reached_ends_with_4() {
    ends(&run(&["eval", "get(\"pods\")"]), 4, "KUBECONFIG");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config");
    // A port that nothing listens on: bound once, then given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound").port();
    std::fs::write(&file, kubeconfig(port)).expect("written");
    let output = run(&["--kubeconfig", file.to_str().expect("text"), "eval", "get(\"pods\")"]);
    ends(&output, 4, &format!("127.0.0.1:{port}"));
    ends(&output, 4, "refused");
    // The context was found without asking the cluster.
    assert_eq!(out(&run(&["--kubeconfig", file.to_str().expect("text"), "eval", "context()"])), "here\n");
    ends(&run(&["--kubeconfig", file.to_str().expect("text"), "--context", "there", "eval", "1"]), 2, "contexts: here");
}

/// A black hole: it accepts connections and never answers.
#[test]
fn a_server_that_never_answers_is_given_up_within_five_seconds() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config");
    std::fs::write(&file, kubeconfig(listener.local_addr().expect("bound").port())).expect("written");
    // `timeout` of coreutils is the judge, so that a hanging program fails the test and does not hang it.
    let output = Command::new("timeout")
        .args(["7", env!("CARGO_BIN_EXE_rollsh"), "--kubeconfig", file.to_str().expect("text"), "eval", "get(\"pods\")"])
        .stdin(Stdio::null())
        .output()
        .expect("it starts");
    ends(&output, 4, "did not answer");
}

fn kubeconfig(port: u16) -> String {
    format!(
        "{{apiVersion: v1, kind: Config, current-context: here, clusters: [{{name: c, cluster: {{server: \"http://127.0.0.1:{port}\"}}}}], \
         users: [{{name: u, user: {{}}}}], contexts: [{{name: here, context: {{cluster: c, user: u}}}}]}}"
    )
}

#[test]
fn a_rollout_that_failed_uncaught_ends_with_5() {
    let script = "set_image(\"deploy/web\", \"web=shop/web:4-crash\");\nwait(\"deploy/web\");\n";
    let output = stdin(&["--sim"], script);
    ends(&output, 5, "CrashLoopBackOff");
    ends(&output, 5, "stdin:2");
}

#[test]
fn an_error_that_says_it_was_rolled_back_ends_with_6() {
    let script = r#"
        set_image("deploy/web", "web=shop/web:4-crash");
        try { wait("deploy/web") } catch (e) { undo("deploy/web"); wait("deploy/web"); e.rolled_back = true; throw e; }
    "#;
    ends(&stdin(&["--sim"], script), 6, "CrashLoopBackOff");
}

#[test]
fn a_deadline_that_runs_out_ends_with_124() {
    ends(&run(&["--sim", "--timeout", "30s", "eval", r#"sleep("1h")"#]), 124, "--timeout");
    ends(&stdin(&["--sim"], "set_image(\"deploy/web\", \"web=shop/web:4-neverready\"); wait(\"deploy/web\", \"10s\")"), 124, "timed out");
    ends(&stdin(&["--timeout", "200ms"], "loop { let x = 1; }"), 124, "--timeout");
    // No catch of the script sees it.
    ends(&stdin(&["--sim", "--timeout", "30s"], "try { sleep(3600) } catch (e) { exit(0) }"), 124, "--timeout");
}

#[test]
fn signals_end_a_run_with_130_and_143() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        // Wall time: on a simulated cluster the sleep would be over before the signal comes.
        for script in ["print(\"ready\"); sleep(3600)", "print(\"ready\"); loop { let x = 1; }", "print(\"ready\"); try { sleep(3600) } catch (e) { exit(0) }"]
        {
            let mut child = rollsh().arg("eval").arg(script).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
            let mut first = [0; 6];
            std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut first).expect("it runs");
            let killed = Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status().expect("kill");
            assert!(killed.success());
            ends(&child.wait_with_output().expect("it ends"), code, "");
        }
    }
}

#[test]
fn exit_ends_with_the_given_code_and_no_catch_sees_it() {
    assert_eq!(run(&["eval", "exit(42)"]).status.code(), Some(42));
    assert_eq!(stdin(&[], "try { exit(7) } catch (e) { exit(8) }").status.code(), Some(7));
    ends(&run(&["eval", "exit(256)"]), 2, "between 0 and 255");
}

#[test]
fn results_go_to_stdout_and_notices_to_stderr() {
    let output = stdin(&["--sim"], r#"notice("on the way"); print("result"); warn("careful")"#);
    assert_eq!(out(&output), "result\n");
    ends(&output, 0, "on the way\n");
    ends(&output, 0, "careful");
    let output = stdin(&["--sim", "-q"], r#"notice("on the way"); warn("careful")"#);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("on the way"));
    ends(&output, 0, "careful");
}

#[test]
fn a_dry_run_shows_the_diff_and_changes_nothing() {
    let script = r#"
        let change = set_image("deploy/web", "web=shop/web:4");
        print(change.diff.contains("+        image: shop/web:4"));
        print(change.dry_run);
        print(object("deploy/web").spec.template.spec.containers[0].image);
    "#;
    let output = stdin(&["--sim", "--dry-run"], script);
    ends(&output, 0, "(server dry run)");
    assert_eq!(out(&output), "true\ntrue\nshop/web:3\n");
}

#[test]
fn control_characters_never_reach_the_terminal() {
    let output = run(&["eval", r#"print("a\x1b[31mb\x07c")"#]);
    assert!(!output.stdout.contains(&0x1b) && !output.stdout.contains(&7), "{:?}", out(&output));
    let output = stdin(&["--sim"], r#"annotate("deploy/web", #{"example.com/x": "\x1b]0;owned\x07"}); print(object("deploy/web").metadata.annotations)"#);
    ends(&output, 0, "");
    assert!(!output.stdout.contains(&0x1b), "{:?}", out(&output));
}

#[test]
fn help_and_version_go_to_stdout() {
    let output = run(&["--version"]);
    assert_eq!(out(&output), format!("rollsh {}\n", env!("CARGO_PKG_VERSION")));
    for command in ["run", "eval", "check", "functions"] {
        assert!(out(&run(&[command, "--help"])).contains("Usage: rollsh"), "{command}");
    }
    assert!(out(&run(&["--help"])).contains("Exit codes"));
    assert!(out(&run(&["functions", "undo"])).starts_with("undo(target"));
    ends(&run(&["functions", "undoo"]), 2, "did you mean \"undo\"?");
}

#[test]
fn a_reader_that_goes_away_is_no_crash() {
    let shell = format!("{} eval 'for i in 0..100000 {{ print(i) }}' | head -1", env!("CARGO_BIN_EXE_rollsh"));
    let output = Command::new("sh").args(["-c", &shell]).output().expect("it starts");
    assert_eq!(out(&output), "0\n");
    assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn one_seed_is_one_run_to_the_byte_and_another_seed_another() {
    let run = |seed: &str| {
        let output = run(&["--sim", "--seed", seed, "run", "scripts/tour.rhai"]);
        ends(&output, 0, "");
        (output.stdout, output.stderr)
    };
    assert_eq!(run("7"), run("7"));
    assert_ne!(run("7").0, run("8").0);
}

/// Kept well above what it takes, and only against a hang: timings belong in benchmarks.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn ten_minutes_of_waiting_pass_at_once_on_a_virtual_clock() {
    let output = Command::new("timeout")
        .arg(PATIENCE.as_secs().to_string())
        .args([env!("CARGO_BIN_EXE_rollsh"), "--sim", "eval", r#"let t = now(); sleep("10h"); print(now() - t)"#])
        .output()
        .expect("it starts");
    assert_eq!(out(&output), "36000.0\n");
}

#[test]
fn a_journal_that_cannot_be_written_is_told_and_stops_no_change() {
    let Some(kubeconfig) = common::kubeconfig() else {
        common::skipped();
        return;
    };
    let shell = common::Shell::real().expect("a cluster");
    // HOME=/nonexistent, and a state folder that is a file.
    let output = rollsh()
        .env("XDG_STATE_HOME", env!("CARGO_BIN_EXE_rollsh"))
        .args(["--kubeconfig", kubeconfig.to_str().expect("text"), "-n", &shell.namespace()])
        .args(["eval", r#"annotate("deploy/web", #{"example.com/a": "b"}).changed"#])
        .output()
        .expect("it starts");
    ends(&output, 0, "this change is not in the journal");
    assert_eq!(out(&output), "true\n");
}

#[test]
fn the_reference_comes_as_text_markdown_data_and_definitions_for_editors() {
    assert!(out(&run(&["functions", "undo"])).starts_with("undo(target"));
    let json: serde_json::Value = serde_json::from_str(&out(&run(&["functions", "--format", "json"]))).expect("JSON");
    let undo = json.as_array().expect("an array").iter().find(|it| it["name"] == "undo").expect("undo");
    assert_eq!((&undo["access"], &undo["group"]), (&"change".into(), &"change".into()));
    assert!(out(&run(&["functions", "--format", "markdown", "wait"])).contains("| `timeout` |"));
    let definitions = out(&run(&["functions", "--format", "rhai"]));
    assert!(definitions.starts_with("module static;\n") && definitions.contains("\nfn get_rs() -> Array;\n"), "{definitions}");
    ends(&run(&["functions", "undoo", "--format", "json"]), 2, "undo");
}

#[test]
fn a_simulation_tells_what_a_script_did_in_many_worlds_and_one_seed_gives_one_world() {
    let script = "scripts/conditional_rollback.rhai";
    let words = ["simulate", script, "--seeds", "6", "--faults", "image,conflict", "--target", "deploy/web", "--image", "web=shop/web:9"];
    let json = [&["-o", "json"], &words[..]].concat();
    let (first, second) = (out(&run(&json)), out(&run(&json)));
    assert_eq!(first, second);
    let worlds: serde_json::Value = serde_json::from_str(&first).expect("JSON");
    let worlds = worlds.as_array().expect("an array");
    assert_eq!(worlds.len(), 6);
    for world in worlds {
        let crashed = world["stdout"].as_str().is_some_and(|text| text.contains("taken back"));
        assert_eq!(world["exit_code"] == 6, crashed, "{world}");
    }
    let output = run(&words);
    ends(&output, 0, "");
    assert!(out(&output).contains("in 6 worlds") && out(&output).contains("set_image done"), "{}", out(&output));
    ends(&run(&["simulate", script, "--faults", "conflikt"]), 2, "no fault \"conflikt\"");
}

#[test]
fn a_simulation_names_the_worlds_in_which_the_exit_code_lies() {
    let folder = tempfile::tempdir().expect("a folder");
    let (script, page) = (folder.path().join("hasty.rhai"), folder.path().join("worlds.html"));
    std::fs::write(&script, "set_image(\"deploy/web\", \"web=shop/web:9\"); // <no wait>\n").expect("written");
    let output = rollsh().args(["simulate", "--seeds", "1", "--faults", "none", "--html"]).arg(&page).arg(&script).output().expect("it starts");
    ends(&output, 1, "");
    assert!(out(&output).contains("seed 0  exit 0  ended as done and left deployment/web"), "{}", out(&output));
    let html = std::fs::read_to_string(&page).expect("written");
    assert!(html.contains("ended as done and left deployment/web") && !html.contains("<script"), "{html}");
}

#[test]
fn a_job_carries_the_modules_and_manifests_of_its_script_and_names_what_its_text_does_not_tell() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("written");
    std::fs::create_dir(folder.path().join("lib")).expect("made");
    write("lib/checks.rhai", "fn fine() { status(\"sts/db\").complete }\n");
    write("motd.yaml", "{apiVersion: v1, kind: ConfigMap, metadata: {name: motd}}\n");
    write("nightly.rhai", "import \"lib/checks\" as checks;\napply(\"motd.yaml\");\nprint(checks::fine());\nrestart(args.target);\n");
    let script = folder.path().join("nightly.rhai");
    let output = rollsh().args(["job", "-n", "shop", "--schedule", "0 3 * * *", "--image", "r.io/rollsh:1"]).arg(&script).output().expect("it starts");
    ends(&output, 0, "the target of restart is known only to the run");
    let text = out(&output);
    for part in [
        "kind: CronJob",
        "schedule: 0 3 * * *",
        "path: lib/checks.rhai",
        "lib_checks.rhai: |",
        "path: motd.yaml",
        "- statefulsets",
        "- configmaps",
        "image: r.io/rollsh:1",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
    ends(&rollsh().args(["job", "--schedule", "soon"]).arg(&script).output().expect("it starts"), 2, "no schedule");
    ends(&rollsh().args(["job", "--name", "Night_ly"]).arg(&script).output().expect("it starts"), 2, "cannot name a Job");
    write("nightly.rhai", "undoo(\"deploy/web\")");
    ends(&rollsh().arg("job").arg(&script).output().expect("it starts"), 2, "undoo");
}

#[test]
fn options_behind_a_script_are_the_scripts_when_it_asks_for_them_and_rollshs_otherwise() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("a.rhai");
    std::fs::write(&script, r#"print(args.timeout); undo("deploy/web"); print(status("deploy/web").images.web)"#).expect("written");
    let script = script.to_str().expect("text");
    assert_eq!(out(&run(&["run", script, "--timeout", "5m", "--sim", "--dry-run"])), "5m\nshop/web:3\n", "nothing was changed");
    assert_eq!(out(&run(&["run", script, "--sim", "--timeout", "5m"])), "5m\nshop/web:2\n");
}

#[test]
fn who_types_what_kubectl_takes_is_told_what_it_is_here() {
    ends(&run(&["rollout", "undo", "deploy/web"]), 2, r#"rollsh eval 'undo("deploy/web")'"#);
    ends(&run(&["release.rhai", "--target", "deploy/web"]), 2, "to run a script: rollsh run release.rhai --target deploy/web");
}

#[test]
fn check_finds_what_is_certain_to_fail_without_running_anything() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.rhai");
    for (script, told) in [
        ("undoo(\"deploy/web\");", "no function \"undoo\"\n"),
        ("wait();", "wait takes 1 to 3 arguments, not 0"),
        ("wait(\"deploy/web\", #{timeuot: 3});", "hint: did you mean \"timeout\"?"),
        ("print(tarket);", "no variable \"tarket\""),
        ("sim::fualt(#{unavailable: true});", "hint: did you mean \"sim::fault\"?"),
        ("sim::deploy(\"web\", #{replcas: 2});", "hint: did you mean \"replicas\"?"),
        ("sim::advance();", "sim::advance takes one argument, not 0"),
        ("canary::statefulset(\"sts/db\");", "no module \"canary\""),
        ("let fault = #{slow: \"1s\", for: \"3m\"};", "hint: for is a word of the language: as a key of a map it stands in quotes, \"for\""),
        ("print(1) /* open", "hint: close it with */"),
        ("import \"std/canary\" as canary; canary::statefulset(\"sts/db\");", ""),
        ("sim::fault(#{slow: \"1s\", \"for\": \"3m\"});", ""),
    ] {
        std::fs::write(&file, script).expect("written");
        let output = rollsh().arg("check").arg(&file).output().expect("it starts");
        ends(&output, if told.is_empty() { 0 } else { 2 }, told);
    }
}

#[test]
fn an_error_of_a_test_has_its_place_also_when_a_modules_function_threw_it() {
    let output = stdin(&["--sim"], "let x = 1;\nsim::advance(`${x} min`);\n");
    ends(&output, 2, " --> stdin:2:6\n");
}

#[test]
fn a_name_that_is_not_there_is_compared_with_those_that_are() {
    ends(&run(&["--sim", "eval", "undo(\"deploy/wbe\")"]), 1, "did you mean \"deployment/web\"?");
    ends(&run(&["--sim", "-n", "kube-system", "eval", "undo(\"deploy/web\")"]), 1, "there is one in another namespace: \"default/deployment/web\"");
    let output = run(&["--sim", "eval", "object(\"deploy/entirely-different\")"]);
    assert!(!String::from_utf8_lossy(&output.stderr).contains("did you mean"));
}

#[test]
fn verbose_runs_tell_of_every_request_beside_the_results() {
    let output = run(&["--sim", "-v", "eval", "undo(\"deploy/web\", #{dry_run: true}).dry_run"]);
    assert_eq!(out(&output), "true\n");
    ends(&output, 0, "GET /apis/apps/v1/namespaces/default/deployments/web 200 OK in ");
    ends(&output, 0, "PATCH /apis/apps/v1/namespaces/default/deployments/web?");
    assert!(!String::from_utf8_lossy(&run(&["--sim", "eval", "status(\"deploy/web\").phase"]).stderr).contains("GET "));
}
