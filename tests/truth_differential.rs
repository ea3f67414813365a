//! Random but seeded sequences of client operations, sent to the simulated cluster and to a real one: answers and objects must be the same.
//!
//! `ROLLSH_TRUTH_SEEDS` says how many sequences (10), or which (`40..90`); `ROLLSH_TRUTH_OPS` how long they are (30), `ROLLSH_TRUTH_JOBS` how many run at
//! a time (10), each in a namespace of its own; `ROLLSH_TRUTH_LASTS_S` ends the run early. A difference is printed with the shortest sequence that was found to
//! show it. What the real controllers leave to chance is none: a sequence after which the real cluster once in a while ends as the simulated one does, when both
//! are run again. Without a real cluster this test says that it is skipped.

#[path = "truth/carry.rs"]
mod carry;
#[path = "truth/likeness.rs"]
mod likeness;
#[path = "truth/mirror.rs"]
mod mirror;
#[path = "truth/operations.rs"]
mod operations;
#[path = "truth/pair.rs"]
mod pair;
#[path = "truth/people.rs"]
mod people;
#[path = "truth/server.rs"]
mod server;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mirror::Mirror;
use operations::Operation;
use pair::{Mismatch, Room};
use server::Server;

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

fn seeds() -> Range<u64> {
    let text = setting("ROLLSH_TRUTH_SEEDS", "10");
    let number = |text: &str| text.parse().expect("ROLLSH_TRUTH_SEEDS is a number or a range such as 40..90");
    match text.split_once("..") {
        Some((from, to)) => number(from)..number(to),
        None => 0..number(&text),
    }
}

/// A namespace that no other run uses.
fn namespace() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("truth-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// What a difference is about, so that the same one is told once only.
fn signature(mismatch: &Mismatch, operation: &Operation) -> String {
    let line = mismatch.lines.first().map(String::as_str).unwrap_or_default();
    let kind = if mismatch.of == "answer" { operation.subject().plural } else { "" };
    // Values and positions vary, the fields do not.
    let line: String = line.chars().filter(|it| !it.is_ascii_digit()).take(160).collect();
    format!("{} {kind} {line}", mismatch.of)
}

/// The shortest sequence that still shows a difference at its last operation; `None` where it is not seen again.
fn shorten(operations: &[Operation], wanted: &str, seed: u64, room: &Room) -> Option<(Vec<Operation>, Mismatch)> {
    let shows = |operations: &[Operation]| {
        let found = room.run(operations, seed);
        found.into_iter().find(|it| signature(it, &operations[it.at]) == wanted)
    };
    let mut shortest = operations.to_vec();
    let mut shown = shows(&shortest)?;
    let mut size = shortest.len().div_ceil(2);
    let mut tries = 0;
    while size > 0 && tries < 40 {
        let mut at = 0;
        while at + 1 < shortest.len() && tries < 40 {
            // The last operation shows the difference and stays.
            let end = (at + size).min(shortest.len() - 1);
            let mut shorter = shortest.clone();
            shorter.drain(at..end);
            tries += 1;
            match shows(&shorter) {
                Some(mismatch) => {
                    shorter.truncate(mismatch.at + 1);
                    (shortest, shown) = (shorter, mismatch);
                }
                None => at = end,
            }
        }
        size /= 2;
    }
    Some((shortest, shown))
}

/// How often a sequence is begun again before what comes after chance is given up.
const TRIES: u64 = 4;
/// Of two outcomes that are as likely, one hardly ever comes so often.
const CHANCES: u64 = 12;

/// Whether both clusters also end alike after these operations.
fn is_chance(operations: &[Operation], seed: u64, room: &Room) -> bool {
    (1..=CHANCES).any(|again| room.run(operations, seed + again).is_empty())
}

fn told(seed: u64, operations: &[Operation], mismatch: &Mismatch) -> String {
    let mut text = format!("\nseed {seed}: the {} differs (simulated | real) after\n", mismatch.of);
    for operation in operations {
        text.push_str(&format!("  {operation}\n"));
    }
    for line in mismatch.lines.iter().take(12) {
        text.push_str(&format!("    {line}\n"));
    }
    text
}

#[test]
#[expect(clippy::disallowed_macros, reason = "a long run by hand tells what it finds when it finds it")]
fn random_operations_have_the_same_effect_on_both_clusters() {
    if server::kubeconfig().is_none() {
        return server::skipped("the differential test");
    }
    let count: usize = setting("ROLLSH_TRUTH_OPS", "30").parse().expect("ROLLSH_TRUTH_OPS is a number");
    let jobs: usize = setting("ROLLSH_TRUTH_JOBS", "10").parse().expect("ROLLSH_TRUTH_JOBS is a number");
    let wall = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let mirror = wall.block_on(async { Mirror::of(&Server::real(&namespace()).await.expect("a kubeconfig")) });
    let lasts = Duration::from_secs(setting("ROLLSH_TRUTH_LASTS_S", "86400").parse().expect("ROLLSH_TRUTH_LASTS_S is a number"));
    let started = tokio::time::Instant::now();
    // How many sequences there were, and how many were not compared to their ends.
    let (ran, cut) = (AtomicU64::new(0), AtomicU64::new(0));
    let (next, range) = (AtomicU64::new(seeds().start), seeds());
    let (seen, found) = (Mutex::new(BTreeSet::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let room = Room::new(&namespace(), &mirror, wall.handle());
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= range.end || started.elapsed() > lasts {
                        return room.end();
                    }
                    let operations = operations::sequence(seed, count);
                    ran.fetch_add(1, Ordering::Relaxed);
                    for again in 1..=TRIES {
                        let mismatches = room.run(&operations, seed);
                        let mut chance = false;
                        for mismatch in mismatches {
                            let tried = &operations[..=mismatch.at];
                            let sign = signature(&mismatch, &operations[mismatch.at]);
                            if !seen.lock().expect("no panic").insert(sign.clone()) {
                                continue;
                            }
                            let Some((shortest, mismatch)) = shorten(tried, &sign, seed, &room).filter(|(shortest, _)| !is_chance(shortest, seed, &room))
                            else {
                                eprintln!("chance:{}", told(seed, &tried[mismatch.at..], &mismatch));
                                seen.lock().expect("no panic").remove(&sign);
                                chance = true;
                                continue;
                            };
                            let text = told(seed, &shortest, &mismatch);
                            eprintln!("{text}");
                            found.lock().expect("no panic").push(text);
                        }
                        // What comes after chance ended a run has not been compared yet.
                        if !chance {
                            break;
                        }
                        cut.fetch_add(u64::from(again == TRIES), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let found = found.into_inner().expect("no panic");
    eprintln!("{} sequences of {count} operations, {} of them cut short by chance", ran.into_inner(), cut.into_inner());
    assert!(found.is_empty(), "{} differences:\n{}", found.len(), found.join("\n"));
}
