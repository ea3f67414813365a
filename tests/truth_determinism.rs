//! One seed twice is one life: the same objects and the same watches, byte for byte. And nothing in the simulator could make it otherwise.

#[path = "truth/server.rs"]
mod server;
#[path = "truth/stage.rs"]
mod stage;

use std::fs;
use std::path::{Path, PathBuf};

use rollsh::sim::Options;
use serde_json::json;
use server::{Ask, Server};
use stage::{count, with_image};

const WATCHED: &[&str] =
    &["/apis/apps/v1/deployments", "/apis/apps/v1/replicasets", "/apis/apps/v1/statefulsets", "/apis/apps/v1/daemonsets", "/api/v1/pods", "/api/v1/events"];
const DUMPED: &[&str] = &["/apis/apps/v1/controllerrevisions", "/api/v1/nodes", "/api/v1/namespaces", "/api/v1/configmaps", "/api/v1/serviceaccounts"];

fn get(path: String) -> Ask {
    Ask { method: "GET", path, content_type: "", agent: "truth/1", body: String::new() }
}

/// A life with rollouts that go well and ill, and all that was seen of it.
fn life(options: &Options) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let server = Server::simulated_as("truth", options.clone()).await;
        let watches = WATCHED.iter().map(|path| {
            let server = server.clone();
            tokio::spawn(async move { server.raw(&get(format!("{path}?watch=1&timeoutSeconds=120&resourceVersion=0")), "application/json").await.2 })
        });
        let watches: Vec<_> = watches.collect();
        server.running(3, "shop/web:1", json!({})).await;
        server.stateful_set(2, "shop/db:1", json!({})).await;
        server.daemon_set("shop/agent:1", json!({})).await;
        server.release("shop/web:2").await;
        server.edit(with_image("shop/web:3-crash")).await;
        server.when("deployments", "web", "stuck", |it| count(&it["status"]["unavailableReplicas"]) > 0).await;
        server.undo(1).await;
        server.rolled_out().await;
        server.updated(2).await;
        server.delete("statefulsets", "db", json!({ "propagationPolicy": "Foreground" })).await;
        let mut seen = String::new();
        for watch in watches {
            seen.push_str(&watch.await.expect("no panic"));
        }
        for path in WATCHED.iter().chain(DUMPED) {
            seen.push_str(&server.raw(&get((*path).to_owned()), "application/json").await.2);
        }
        seen
    })
}

#[test]
fn one_seed_twice_gives_the_same_objects_and_the_same_watches() {
    let of = |seed| Options { seed, ..Options::empty() };
    let (first, second) = (life(&of(7)), life(&of(7)));
    let differs = first.lines().zip(second.lines()).find(|(first, second)| first != second);
    assert_eq!(differs, None, "the first line that differs");
    assert_eq!(first.len(), second.len());
    assert!(first.lines().count() > 100, "nothing was seen of this life");
    // The third cluster of the same options is not made, but is the twin of one that was.
    let shared = of(7);
    assert!((0..3).all(|_| first == life(&shared)), "a twin lives otherwise");
    assert_ne!(first, life(&of(8)), "another seed, another life");
}

/// What would make two runs differ, and why.
const LEAKS: &[(&str, &str)] = &[
    ("SystemTime", "a wall clock"),
    ("std::time::Instant", "a wall clock"),
    ("Timestamp::now(", "a wall clock"),
    ("Zoned::now(", "a wall clock"),
    ("Clock::wall(", "a wall clock"),
    ("thread::", "a thread"),
    ("spawn_blocking", "a thread"),
    ("rayon", "threads"),
    ("HashMap", "an unordered map"),
    ("HashSet", "an unordered set"),
    ("RandomState", "an unordered map"),
    ("rand::rng(", "a second source of chance"),
    ("thread_rng", "a second source of chance"),
    ("getrandom", "a second source of chance"),
    ("FuturesUnordered", "an order of chance"),
];

/// The parts of the simulator that face the outside, where threads, clocks and keys are real: they decide nothing of what happens inside.
const OUTSIDE: &[&str] = &["serve.rs", "serve"];

/// The lines of a source that leak, tests and comments aside.
fn leaks(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()));
    lines.flat_map(|(at, line)| LEAKS.iter().filter(move |(word, _)| line.contains(word)).map(move |(word, why)| (at, *word, *why))).collect()
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn no_clock_no_thread_and_no_unordered_map_is_in_the_simulator() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sim");
    let mut files = vec![root.with_extension("rs")];
    sources(&root, &mut files);
    assert!(files.len() > 50, "the scan does not see the simulator any more");
    let mut found = Vec::new();
    for file in &files {
        let first = file.strip_prefix(&root).ok().and_then(|it| it.components().next()).map(|it| it.as_os_str().to_string_lossy().into_owned());
        if first.is_some_and(|first| OUTSIDE.contains(&first.as_str())) {
            continue;
        }
        let text = fs::read_to_string(file).expect("readable");
        found.extend(leaks(&text).into_iter().map(|(line, word, why)| format!("{}:{line}: {word} is {why}", file.display())));
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_scan_sees_what_leaks_and_passes_over_comments_and_tests() {
    let text = "use std::collections::HashMap;\n// a HashMap\nlet now = Timestamp::now();\n#[cfg(test)]\nmod tests {\n    std::thread::spawn(f);\n}\n";
    assert_eq!(leaks(text), [(1, "HashMap", "an unordered map"), (3, "Timestamp::now(", "a wall clock")]);
}
