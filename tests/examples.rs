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

/// What a request asks of RBAC: verb, group, resource with subresource, namespace, name.
fn asked(request: &serde_json::Value) -> Option<(&'static str, String, String, String, String)> {
    let text = |key: &str| request[key].as_str().unwrap_or_default();
    let parts: Vec<&str> = text("path").split('/').filter(|part| !part.is_empty()).collect();
    let (group, rest) = match &parts[..] {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return None,
    };
    let (namespace, rest) = match rest {
        ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
        rest => ("", rest),
    };
    let (resource, name) = match rest {
        [] => return None,
        [resource] => ((*resource).to_owned(), ""),
        [resource, name] => ((*resource).to_owned(), *name),
        [resource, name, sub, ..] => (format!("{resource}/{sub}"), *name),
    };
    let verb = match text("method") {
        "GET" if text("query").contains("watch=true") => "watch",
        "GET" if name.is_empty() => "list",
        "GET" => "get",
        "PATCH" => "patch",
        "DELETE" => "delete",
        _ => "create",
    };
    // A field selector by name is what RBAC takes for a name in lists and watches.
    let chosen = text("query").split('&').find_map(|part| part.strip_prefix("fieldSelector=metadata.name%3D")).unwrap_or(name);
    Some((verb, group.to_owned(), resource, namespace.to_owned(), chosen.to_owned()))
}

#[test]
fn the_least_role_of_each_example_covers_what_it_asks() {
    let examples: Vec<_> = functions::all()
        .filter(|function| !function.name.starts_with("sim::"))
        .flat_map(|function| function.examples.iter().map(move |example| (function.name, example)))
        .filter(|(_, example)| !example.script.contains("sim::"))
        .collect();
    let (missing, seen) = (Mutex::new(Vec::new()), Mutex::new(0));
    std::thread::scope(|scope| {
        for share in examples.chunks(examples.len().div_ceil(4)) {
            let (missing, seen) = (&missing, &seen);
            scope.spawn(move || {
                for (name, example) in share {
                    let (found, count) = beyond_the_role(name, example);
                    missing.lock().expect("not poisoned").extend(found);
                    *seen.lock().expect("not poisoned") += count;
                }
            });
        }
    });
    let (missing, seen) = (missing.into_inner().expect("not poisoned"), seen.into_inner().expect("not poisoned"));
    assert!(seen > 300, "only {seen} requests were seen");
    assert!(missing.is_empty(), "{}:\n{}", missing.len(), missing.join("\n"));
}

/// What is read where it may be, and whose refusal changes nothing: the configuration that a template refers to.
const OPTIONAL: &[&str] = &["configmaps", "secrets"];

/// The requests of an example that its least Role does not cover, and how many it made.
fn beyond_the_role(name: &str, example: &Example) -> (Vec<String>, usize) {
    let shell = Shell::simulated(0);
    let host = rollsh::script::Host::new(&shell.session, None, &rollsh::script::engine::arguments(&[]));
    let Ok(needs) = rollsh::script::needs::needs(host.engine(), std::path::Path::new("."), "example", example.script, &[]) else { return (Vec::new(), 0) };
    shell.run(example.script);
    let asked: Vec<_> = shell.sim.as_ref().expect("simulated").requests().iter().filter_map(asked).collect();
    let covered = |(verb, group, resource, namespace, object): &(&'static str, String, String, String, String)| {
        needs.verbs.iter().any(|(it, verbs)| {
            it.group == *group
                && it.resource == *resource
                && verbs.contains(verb)
                && (!it.namespaced || it.namespace.as_deref().unwrap_or("default") == namespace)
                && it.name.as_ref().is_none_or(|name| name == object)
        })
    };
    // Every account may ask what it may do; and where the text does not tell, the needs say so.
    let free = |group: &str, resource: &str| group == "authorization.k8s.io" || !needs.unknown.is_empty() || OPTIONAL.contains(&resource);
    let beyond = asked.iter().filter(|it| !covered(it) && !free(&it.1, &it.2)).map(|it| format!("{name}: {} {} {}: {}", it.0, it.2, it.4, example.script));
    (beyond.collect(), asked.len())
}
