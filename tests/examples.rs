//! Every example in a function's definition is a test, on a fresh simulated shop and, where there is one, on a real API server.

mod common;

use std::collections::BTreeSet;
use std::sync::Mutex;

use common::Shell;
use rollsh::functions;
use rollsh::functions::function::{Body, Example, Kind};
use rollsh::script::Ended;
use rollsh::session::Halt;

/// Examples that speak of the simulated cluster itself or of its virtual clock.
const SIMULATED_ONLY: &[&str] = &["context", "contexts", "namespace", "now", "sleep", "delete", "assert_throws", "on"];

/// What examples of reading functions use to have something to read: they need a namespace of their own.
const CHANGING: &[&str] = &["set_", "undo(", "pause(", "scale(", "apply(", "annotate(", "restart(", "checkpoint("];

/// What is wrong with an example, if anything.
fn fault(shell: &Shell, name: &str, example: &Example) -> Option<String> {
    let ran = shell.run(example.script);
    let ended = match ran.ended {
        Ended::Value(_) | Ended::Halted(Halt::Exit(0)) => String::new(),
        other => format!("\n  ended: {other:?}\n  stderr: {}", ran.err),
    };
    (ran.out != example.prints || !ended.is_empty())
        .then(|| format!("{name}: {}\n  prints:  {:?}\n  not:     {:?}{ended}", example.script, ran.out, example.prints))
}

#[test]
fn every_example_prints_what_it_says() {
    let examples: Vec<_> = functions::all().flat_map(|function| function.examples.iter().map(move |example| (function.name, example))).collect();
    assert!(examples.len() > 100, "only {} examples were found", examples.len());
    let faults = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for share in examples.chunks(examples.len().div_ceil(4)) {
            let faults = &faults;
            scope.spawn(move || {
                for (name, example) in share {
                    faults.lock().expect("not poisoned").extend(fault(&Shell::simulated(0), name, example));
                }
            });
        }
    });
    let faults: Vec<String> = faults.into_inner().expect("not poisoned");
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), examples.len(), faults.join("\n"));
}

#[test]
fn every_example_prints_the_same_on_a_real_cluster() {
    if common::kubeconfig().is_none() {
        common::skipped();
        return;
    }
    let (reading, writing): (Vec<_>, Vec<_>) = functions::all()
        .filter(|function| !SIMULATED_ONLY.contains(&function.name) && !function.name.starts_with("sim::"))
        .flat_map(|function| function.examples.iter().map(move |example| (function, example)))
        .partition(|(function, example)| matches!(function.body, Body::Read(_) | Body::Shell(_)) && !CHANGING.iter().any(|verb| example.script.contains(verb)));
    let faults = Mutex::new(Vec::new());
    // A real cluster takes its seconds: several at a time, each that changes something in a namespace of its own.
    std::thread::scope(|scope| {
        let faults = &faults;
        scope.spawn(move || {
            let shell = Shell::real().expect("a cluster");
            let found: Vec<String> = reading.iter().filter_map(|(function, example)| fault(&shell, function.name, example)).collect();
            faults.lock().expect("not poisoned").extend(found);
        });
        for share in writing.chunks(writing.len().div_ceil(8)) {
            let share = share.to_vec();
            scope.spawn(move || {
                for (function, example) in share {
                    let found = fault(&Shell::real().expect("a cluster"), function.name, example);
                    faults.lock().expect("not poisoned").extend(found);
                }
            });
        }
    });
    let faults = faults.into_inner().expect("not poisoned");
    assert!(faults.is_empty(), "{}:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_definition_is_whole() {
    let mut names = BTreeSet::new();
    for function in functions::all() {
        let name = function.name;
        assert!(names.insert(name), "{name} is defined twice");
        assert!(function.summary.ends_with('.'), "{name}: a summary is a sentence");
        assert!(!function.returns.is_empty(), "{name} says what it returns");
        assert_eq!(function.params.iter().any(|param| param.kind == Kind::Options), !function.options.is_empty(), "{name}: options and their parameter");
        let mut options = BTreeSet::new();
        assert!(function.options.iter().all(|option| options.insert(option.name)), "{name} has an option twice");
        let optional_first = function.params.iter().position(|param| param.optional).unwrap_or(function.params.len());
        let required_last = function.params.iter().rposition(|param| !param.optional).map_or(0, |at| at + 1);
        assert!(required_last <= optional_first, "{name}: required parameters come first");
    }
}
