//! What is written, in what order it is found again, and what `verify` sees.

use super::*;
use crate::resource::{DEPLOYMENT, Resource, Target};
use crate::rollout::change::Precondition;

fn change(target: Target, request: Request) -> Change {
    let before = json!({ "metadata": { "name": "web" }, "spec": { "template": { "spec": { "containers": [] } } } });
    let precondition = Some(Precondition { uid: "u".into(), resource_version: "7".into() });
    Change { verb: "undo", target, request, precondition, before, done: String::new(), warnings: Vec::new() }
}

fn intent() -> Intent {
    let actor = Actor { user: "ann".into(), host: "laptop".into() };
    let change = change(Target::new(&DEPLOYMENT, Some("shop"), "web"), Request::MergePatch(json!({ "spec": { "paused": true } })));
    Intent::new(&change, Timestamp::UNIX_EPOCH, &actor, "prod", "https://x", false)
}

fn done() -> Outcome {
    Outcome::new(Timestamp::UNIX_EPOCH, Ok(&json!({ "metadata": { "generation": 4, "resourceVersion": "9" } })))
}

fn filled(journal: &Journal) {
    for _ in 0..2 {
        let id = journal.intend(&intent()).expect("written");
        journal.conclude(id, &done(), true).expect("written");
    }
}

struct OnDisk {
    dir: tempfile::TempDir,
    journal: Journal,
}

fn on_disk() -> OnDisk {
    let dir = tempfile::tempdir().expect("a directory");
    let journal = Journal::at(dir.path().join("state/journal.jsonl"));
    OnDisk { dir, journal }
}

impl OnDisk {
    fn path(&self) -> PathBuf {
        self.dir.path().join("state/journal.jsonl")
    }

    fn text(&self) -> String {
        std::fs::read_to_string(self.path()).expect("the journal")
    }

    fn set(&self, text: &str) {
        std::fs::write(self.path(), text).expect("the journal");
    }
}

#[test]
fn an_intent_is_found_again_with_its_outcome() {
    let disk = on_disk();
    for journal in [Journal::memory(), disk.journal.clone()] {
        assert_eq!(journal.entries().expect("nothing yet"), []);
        let first = journal.intend(&intent()).expect("written");
        let second = journal.intend(&intent()).expect("written");
        let error = Error::conflict("changed").fact("arrived", "unknown");
        journal.conclude(second, &Outcome::new(Timestamp::UNIX_EPOCH, Err(&error)), true).expect("written");
        let entries = journal.entries().expect("two");
        assert_eq!(entries[0], Entry { id: first, intent: intent(), outcome: None });
        let outcome = entries[1].outcome.as_ref().expect("concluded");
        assert_eq!((outcome.result.as_str(), outcome.error["message"].as_str()), ("unknown", Some("changed")));
        journal.conclude(first, &done(), true).expect("written");
        assert_eq!(journal.entries().expect("two")[0].outcome, Some(done()));
        assert!(journal.verify().expect("readable").is_good());
    }
}

#[test]
fn an_entry_says_who_did_what_to_what_on_what_condition() {
    let journal = Journal::memory();
    journal.intend(&intent()).expect("written");
    let value = serde_json::to_value(&journal.entries().expect("one")[0]).expect("a value");
    let intent = &value["intent"];
    assert_eq!((&intent["time"], &intent["user"], &intent["host"]), (&json!("1970-01-01T00:00:00Z"), &json!("ann"), &json!("laptop")));
    assert_eq!(
        (&intent["context"], &intent["server"], &intent["target"], &intent["verb"]),
        (&json!("prod"), &json!("https://x"), &json!("shop/deployment/web"), &json!("undo"))
    );
    assert_eq!(
        intent["change"],
        json!({ "form": "merge_patch", "body": { "spec": { "paused": true } }, "precondition": { "uid": "u", "resource_version": "7" } })
    );
    assert_eq!(intent["template"], json!({ "spec": { "containers": [] } }));
}

#[test]
fn secrets_stay_out() {
    let actor = Actor { user: "ann".into(), host: "laptop".into() };
    let secret = Target::new(Resource::known("secret").expect("known"), Some("shop"), "s");
    let object = json!({ "kind": "Secret", "data": { "key": "aHVudGVyMg==" }, "stringData": { "other": "hunter2" },
        "metadata": { "annotations": { "kubectl.kubernetes.io/last-applied-configuration": "hunter2" } } });
    for request in [
        Request::Apply { object: object.clone(), force: false },
        Request::MergePatch(object),
        Request::JsonPatch(json!([{ "op": "add", "path": "/data/x", "value": "hunter2" }])),
    ] {
        let text = Intent::new(&change(secret.clone(), request), Timestamp::UNIX_EPOCH, &actor, "c", "s", false).change.to_string();
        assert!(!text.contains("hunter2") && !text.contains("aHVudGVyMg=="), "{text}");
    }
}

#[test]
fn the_first_line_that_does_not_fit_is_named() {
    let disk = on_disk();
    filled(&disk.journal);
    let text = disk.text();
    let lines: Vec<&str> = text.lines().collect();
    let verdict = disk.journal.verify().expect("readable");
    assert_eq!((verdict.entries, verdict.is_good(), verdict.torn.is_empty()), (4, true, true));

    let altered = lines[1].replace("done", "sane");
    let cases = [
        (vec![lines[0], &altered, lines[2], lines[3]], Some((2, "altered"))),
        (vec![lines[0], lines[2], lines[3]], Some((2, "entry 3 stands where entry 2 belongs"))),
        (vec![lines[1], lines[2], lines[3]], Some((1, "entry 2 stands where entry 1 belongs"))),
        (vec![lines[0], lines[2], lines[1], lines[3]], Some((2, "entry 3"))),
        (vec![lines[0], lines[1], lines[1], lines[2]], Some((3, "entry 2 stands where entry 3 belongs"))),
        (vec![lines[0], "{\"forged\": true}", lines[1]], Some((2, "no hash"))),
        (vec![lines[0], "garbage", "garbage", lines[1]], Some((2, "not a whole entry"))),
        (vec![lines[0], "garbage", lines[2]], Some((2, "not a whole entry"))),
        (vec![lines[0], "", lines[1]], None),
    ];
    for (lines, expected) in cases {
        disk.set(&format!("{}\n", lines.join("\n")));
        let broken = disk.journal.verify().expect("readable").broken;
        match (&broken, expected) {
            (None, None) => {}
            (Some((line, reason)), Some((expected, words))) if *line == expected && reason.contains(words) => {}
            _ => panic!("{broken:?}, expected {expected:?}"),
        }
    }
}

#[test]
fn a_line_that_a_crash_tore_is_kept_and_the_chain_goes_on() {
    let disk = on_disk();
    filled(&disk.journal);
    let text = disk.text();
    disk.set(&text[..text.len() - 40]);
    let verdict = disk.journal.verify().expect("readable");
    assert_eq!((verdict.entries, verdict.torn.as_slice(), verdict.is_good()), (3, [4].as_slice(), true));
    let id = disk.journal.intend(&intent()).expect("written");
    assert_eq!(id, 4, "the torn line does not count");
    let verdict = disk.journal.verify().expect("readable");
    assert_eq!((verdict.entries, verdict.torn.as_slice(), verdict.is_good()), (4, [4].as_slice(), true));
}

#[test]
fn many_writers_share_one_file() {
    let disk = on_disk();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5).for_each(|_| filled(&Journal::at(disk.path()))));
        }
    });
    let verdict = disk.journal.verify().expect("readable");
    assert_eq!((verdict.entries, verdict.broken), (80, None));
    assert!(disk.journal.entries().expect("readable").iter().all(|entry| entry.outcome.is_some()));
}

#[test]
fn entries_larger_than_the_tail_are_found() {
    let disk = on_disk();
    let mut large = intent();
    large.template = json!("x".repeat(300_000));
    for _ in 0..2 {
        disk.journal.intend(&large).expect("written");
    }
    assert_eq!(disk.journal.verify().expect("readable").entries, 2);
}

#[test]
fn what_cannot_be_written_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let error = Journal::at(dir.path()).intend(&intent()).expect_err("a directory is no file");
    assert_eq!(error.kind(), crate::error::ErrorKind::Denied);
    assert!(error.message().starts_with("cannot write the journal "), "{error}");
}

#[cfg(unix)]
#[test]
fn only_the_user_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let disk = on_disk();
    filled(&disk.journal);
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&disk.path()), mode(&disk.dir.path().join("state"))), (0o600, 0o700));
}
