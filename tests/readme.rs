//! What the README shows works as it is written there.

mod common;

use std::process::Command;

const README: &str = include_str!("../README.md");

/// The contents of the fenced blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    README.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap_or_default().to_owned()).collect()
}

/// Each command line, without its prompt and comment.
fn commands() -> Vec<String> {
    let lines = blocks("console").concat();
    lines.lines().filter_map(|line| line.strip_prefix("$ ")).map(|line| line.split("  #").next().unwrap_or_default().trim().to_owned()).collect()
}

#[test]
fn every_command_on_the_simulator_runs() {
    let mut ran = 0;
    for command in commands() {
        let words = command.strip_prefix("cargo run --release -- ").or_else(|| command.strip_prefix("rollsh "));
        let Some(words) = words.filter(|words| words.contains("--sim run ") || words.starts_with("test ")) else { continue };
        let output = Command::new(env!("CARGO_BIN_EXE_rollsh")).args(words.split_whitespace()).output().expect("it starts");
        let expected = if words.contains("crash") { 6 } else { 0 };
        assert_eq!(output.status.code(), Some(expected), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        ran += 1;
    }
    assert_eq!(ran, 3, "the README's commands were not found");
}

#[test]
fn the_script_in_it_keeps_a_good_image_and_takes_back_a_bad_one() {
    let [script] = &blocks("rhai")[..] else { panic!("one script") };
    common::check(&format!("{script}\nprint(status(\"deploy/web\").images.web);"), "shop/web:9\n");
    let bad = script.replace("shop/web:9", "shop/web:9-badpull").replace("exit(6);", "");
    let printed = common::Shell::simulated(0).must(&format!("{bad}\nprint(status(\"deploy/web\").images.web);"));
    assert!(printed.starts_with("failed: ") && printed.ends_with("shop/web:3\n"), "{printed}");
}

#[test]
fn what_one_types_at_the_prompt_is_known_to_the_checker() {
    let typed: String = blocks("text")
        .concat()
        .lines()
        .filter_map(|line| line.strip_prefix("prod/shop> "))
        .map(|line| format!("{};\n", line.split("   ").next().unwrap_or_default().trim()))
        .collect();
    assert!(typed.lines().count() >= 6, "{typed}");
    let shell = common::Shell::simulated(0);
    let host = rollsh::script::Host::new(&shell.session, None, &rollsh::script::engine::arguments(&[]));
    let problems = rollsh::script::check::all(host.engine(), "README.md", &typed);
    assert!(problems.is_empty(), "{problems:?}");
}

#[test]
fn every_exit_code_is_in_the_help_too() {
    let output = Command::new(env!("CARGO_BIN_EXE_rollsh")).arg("--help").output().expect("it starts");
    // The help is wrapped to the terminal.
    let help = String::from_utf8_lossy(&output.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    for code in ["0 done", "1 script failed", "2 usage", "3 denied", "4 cluster not reached", "5 rollout failed", "6 failed and rolled back", "130", "143"] {
        assert!(help.contains(code), "{code} is not in the help");
    }
}

#[test]
fn the_shipped_scripts_check_without_a_problem() {
    let mut count = 0;
    for entry in std::fs::read_dir("scripts").expect("the folder") {
        let file = entry.expect("an entry").path();
        let output = Command::new(env!("CARGO_BIN_EXE_rollsh")).arg("check").arg(&file).output().expect("it starts");
        assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
        count += 1;
    }
    assert!(count >= 2);
}

#[test]
fn the_tour_tells_its_story() {
    let output = Command::new(env!("CARGO_BIN_EXE_rollsh")).args(["--sim", "run", "scripts/tour.rhai"]).output().expect("it starts");
    let story = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    for part in
        ["deployment.apps/web   3/3", "complete after", "failed: deployment/web: pod web-", "CrashLoopBackOff", "its log: ", "3 of 3 ready on shop/web:4"]
    {
        assert!(story.contains(part), "{part:?} is not in\n{story}");
    }
}
