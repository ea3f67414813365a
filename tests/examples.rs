//! Every example in a function's definition is a test, on a fresh simulated shop and, where there is one, on a real API server.

mod common;

use std::collections::BTreeSet;

use common::Shell;
use rollsh::functions::{self, function::Kind};

/// Examples that speak of the simulated cluster itself or of its virtual clock.
const SIMULATED_ONLY: &[&str] = &["context", "contexts", "namespace", "now", "sleep", "delete"];

#[test]
fn every_example_prints_what_it_says() {
    let mut count = 0;
    for function in functions::all() {
        for example in function.examples {
            let printed = Shell::simulated(0).must(example.script);
            assert_eq!(printed, example.prints, "{}: {}", function.name, example.script);
            count += 1;
        }
    }
    assert!(count > 20, "only {count} examples were found");
}

#[test]
fn every_example_prints_the_same_on_a_real_cluster() {
    if common::kubeconfig().is_none() {
        common::skipped();
        return;
    }
    let examples: Vec<_> = functions::all()
        .filter(|function| !SIMULATED_ONLY.contains(&function.name))
        .flat_map(|function| function.examples.iter().map(move |example| (function.name, example)))
        .collect();
    // A real cluster takes its seconds: several at a time, each in a namespace of its own.
    std::thread::scope(|scope| {
        for share in examples.chunks(examples.len().div_ceil(8)) {
            scope.spawn(move || {
                for (name, example) in share {
                    let shell = Shell::real().expect("a cluster");
                    assert_eq!(shell.must(example.script), example.prints, "{name}: {}", example.script);
                }
            });
        }
    });
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
