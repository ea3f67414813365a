//! The way back: the changes that give ConfigMaps and Secrets what a copy holds, and the changes that take such a change back.

use serde_json::{Value, json};

use super::{CONTENTS, Config, Present, Reference, contents, copy, hash, is_immutable, known, references};
use crate::error::{Error, ErrorKind, Result};
use crate::rollout::change::{self, Change, Precondition, Request};
use crate::rollout::rival;
use crate::rollout::undo::Chosen;
use crate::rollout::workload::Snapshot;

/// The changes that put back what a revision's configuration held, one for each object that holds something else now. Decided as a
/// whole: when one object cannot be put back, none is.
///
/// # Errors
/// `not_found` when no copy was kept of something that is not known to be unchanged; `invalid` when an object is immutable and holds
/// something else; `forbidden` when something may not be read.
pub fn put_back(snapshot: &Snapshot, chosen: &Chosen, config: &Config) -> Result<Vec<Change>> {
    let target = snapshot.workload.target();
    let namespace = snapshot.workload.namespace();
    let about = |error: Error| error.hint(format!("undo(\"{target}\", #{{to: {}}}) puts back the template alone", chosen.number)).target(&target);
    let (mut changes, mut missing, mut immutable) = (Vec::new(), Vec::new(), Vec::new());
    for (reference, needed) in references(&chosen.template) {
        let kept = copy::newest(config, &chosen.owner, &reference);
        match (config.present.get(&reference).unwrap_or(&Present::Absent), kept) {
            (Present::Unread(why), _) => {
                return Err(about(Error::new(ErrorKind::Forbidden, format!("{reference} cannot be read, so nothing was put back: {why}"))));
            }
            (Present::Object(object), Some(kept)) if contents(object) == contents(kept) => {}
            (Present::Object(object), Some(_)) if is_immutable(object) => immutable.push(reference),
            (Present::Object(object), Some(kept)) => changes.push(replaced(&reference, namespace, object, kept, chosen.number)),
            (Present::Absent, Some(kept)) => {
                let manifest = copy::original(kept, &reference, namespace);
                let request = Request::Apply { object: manifest, force: false };
                changes.push(Change::new("undo", reference.target(namespace), &Value::Null, request, &done(chosen.number)));
            }
            (Present::Object(object), None) => {
                let held = known::noted(&chosen.owner, &reference).map(|(hash, _)| hash);
                if held != Some(hash(&reference, object)) {
                    missing.push(reference.to_string());
                }
            }
            (Present::Absent, None) if needed => missing.push(reference.to_string()),
            (Present::Absent, None) => {}
        }
    }
    if !missing.is_empty() {
        let message = format!("no copy of {} was kept for revision {} of {target}: nothing was put back", missing.join(", "), chosen.number);
        return Err(about(
            Error::not_found(message).hint(format!("checkpoint(\"{target}\") keeps copies of what the live template refers to, for the next time")),
        ));
    }
    if let Some(first) = immutable.first() {
        let message = format!("{first} is immutable and holds something else than at revision {}: nothing was put back", chosen.number);
        return Err(about(Error::invalid(message).hint(format!("delete(\"{first}\"), then undo again: it is made anew as it was"))));
    }
    Ok(changes)
}

fn done(number: i64) -> String {
    format!("put back as it was at revision {number}")
}

fn replaced(reference: &Reference, namespace: &str, object: &Value, kept: &Value, number: i64) -> Change {
    let mut change = exchange(reference.target(namespace), object, kept, &done(number));
    change.warnings = rival::object_warnings(&change.target, object);
    change
}

/// The change that gives an object the contents of another, on the condition that it is still what was read.
fn exchange(target: crate::resource::Target, object: &Value, wanted: &Value, done: &str) -> Change {
    let mut operations = change::tests(object);
    for field in CONTENTS {
        let path = format!("/{field}");
        match (wanted[field].as_object().filter(|map| !map.is_empty()), object[field].is_object()) {
            (Some(map), _) => operations.push(json!({"op": "add", "path": path, "value": map})),
            (None, true) => operations.push(json!({"op": "remove", "path": path})),
            (None, false) => {}
        }
    }
    let mut change = Change::new("undo", target, object, Request::JsonPatch(Value::Array(operations)), done);
    change.precondition = Some(Precondition::of(object));
    change
}

/// The change that takes back one of `put_back`'s, which made `after`; holds only while nobody else has written to the object.
pub fn reversal(change: &Change, after: &Value) -> Change {
    if change.before.is_object() {
        return exchange(change.target.clone(), after, &change.before, "taken back");
    }
    let mut back = Change::new(TAKEN_BACK, change.target.clone(), after, Request::Delete { propagation: "Background" }, "taken back");
    back.precondition = Some(Precondition::of(after));
    back
}

/// The verb of a deletion that takes back what was made a moment ago: policy lets it pass.
pub const TAKEN_BACK: &str = "take back";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::config::checkpoint;
    use crate::rollout::config::tests_support::{config, referring, secret};
    use crate::rollout::sample::now;
    use crate::rollout::undo::{To, chosen};

    /// A shop whose live revision was kept with settings a, which then changed to b.
    fn kept_and_changed() -> (Snapshot, Config, Chosen) {
        let snapshot = referring();
        let mut before = config(&[("settings", "a")]);
        before.copies = checkpoint(&snapshot, &before, now()).expect("copies").iter().map(|it| it.predicted().expect("fits")).collect();
        let mut after = config(&[("settings", "b")]);
        after.copies = before.copies;
        let chosen = chosen(&snapshot, To::Revision(3)).expect("it is live");
        (snapshot, after, chosen)
    }

    fn reference(word: &str) -> Reference {
        Reference::of_word(word).expect("a reference")
    }

    #[test]
    fn what_changed_is_put_back_on_the_condition_that_it_is_still_so() {
        let (snapshot, config, chosen) = kept_and_changed();
        let changes = put_back(&snapshot, &chosen, &config).expect("a copy of each");
        assert_eq!(changes.len(), 1, "the Secret holds what it held");
        let change = &changes[0];
        assert_eq!(change.target.to_string(), "configmap/settings");
        let after = change.predicted().expect("fits");
        assert_eq!(after["data"], json!({"mode": "a"}));
        assert_eq!(after.get("binaryData"), None, "what was added since goes");
        assert!(change.precondition.is_some());
        let back = reversal(change, &after).predicted().expect("fits");
        assert_eq!((&back["data"], &back["binaryData"]), (&json!({"mode": "b"}), &json!({"new": "bmV3"})));
    }

    #[test]
    fn what_is_gone_is_made_again_and_what_made_it_can_be_taken_back() {
        let (snapshot, mut config, chosen) = kept_and_changed();
        config.present.insert(reference("secret/key"), Present::Absent);
        let changes = put_back(&snapshot, &chosen, &config).expect("a copy of each");
        let made = changes[1].predicted().expect("fits");
        assert_eq!((&made["metadata"]["name"], &made["data"], &made["type"]), (&json!("key"), &json!({"k": "k"}), &json!("Opaque")));
        assert_eq!(reversal(&changes[1], &made).request, Request::Delete { propagation: "Background" });
    }

    #[test]
    fn nothing_is_put_back_when_something_cannot_be() {
        let (snapshot, config, chosen) = kept_and_changed();
        let error = |edit: &dyn Fn(&mut Config)| {
            let mut config = config.clone();
            edit(&mut config);
            let error = put_back(&snapshot, &chosen, &config).expect_err("refused");
            (error.kind().name(), error.message().to_owned())
        };
        let none = error(&|config| config.copies.clear());
        assert_eq!(none, ("not_found", "no copy of configmap/settings, secret/key was kept for revision 3 of deployment/web: nothing was put back".to_owned()));
        let immutable = error(&|config| {
            let mut object = secret("other");
            object["immutable"] = true.into();
            config.present.insert(reference("secret/key"), Present::Object(object));
        });
        assert_eq!(immutable, ("invalid", "secret/key is immutable and holds something else than at revision 3: nothing was put back".to_owned()));
        assert_eq!(error(&|config| drop(config.present.insert(reference("secret/key"), Present::Unread("no".into())))).0, "forbidden");
    }

    #[test]
    fn what_is_known_to_be_unchanged_needs_no_copy() {
        let (mut snapshot, mut config, _) = kept_and_changed();
        config.copies.clear();
        let note = crate::rollout::config::note(&snapshot.revisions[2], snapshot.workload.template(), &config, now()).expect("a note");
        snapshot.revisions[2]["metadata"]["annotations"][note.0] = note.1.into();
        let chosen = chosen(&snapshot, To::Revision(3)).expect("it is live");
        assert!(put_back(&snapshot, &chosen, &config).expect("all is as it was").is_empty());
    }
}
