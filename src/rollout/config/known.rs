//! What is known of what a revision's configuration held: from copies, from notes on the revision's own object, from times.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{Config, Present, Reference, copy, references};
use crate::rollout::history::{self, Revision};
use crate::rollout::object::{self, annotation, items, time};
use crate::rollout::restart::seconds;
use crate::rollout::undo::Chosen;
use crate::rollout::workload::Snapshot;

/// On a ReplicaSet or ControllerRevision: what its configuration held when its rollout was seen to complete, as
/// `OWNER TIME configmap/a=HASH,secret/b=HASH`. The owner's own name is part of it for the reason that it is part of `history::COMPLETED`.
pub const NOTE: &str = "rollsh.dev/config";

/// What is known of one ConfigMap or Secret of a revision.
///
/// # Shape
/// `#{object, hash, at, kept, now, changed}`: `hash` is of what it held at the time `at` while the revision was live, from our own notes and
/// copies, `()` where there are none; `kept` is the name of the copy; `now` the hash of what it holds now, `()` when it is gone or may not be
/// read; `changed` whether it holds something else now, `()` when that is not known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Held {
    pub object: String,
    pub hash: Option<String>,
    pub at: Option<String>,
    pub kept: Option<String>,
    pub now: Option<String>,
    pub changed: Option<bool>,
}

/// The note for a revision whose rollout is complete now, as key and value of an annotation; `None` when there is nothing to note.
/// What may not be read is left out.
pub fn note(owner: &Value, template: &Value, config: &Config, now: Timestamp) -> Option<(&'static str, String)> {
    let hashes = references(template).into_keys().filter_map(|reference| Some(format!("{reference}={}", config.hash_now(&reference)?)));
    let hashes: Vec<String> = hashes.collect();
    (!hashes.is_empty()).then(|| (NOTE, format!("{} {} {}", object::name(owner), seconds(now), hashes.join(","))))
}

/// The hash and the time that a note on an owner has for a reference.
pub(super) fn noted(owner: &Value, reference: &Reference) -> Option<(String, String)> {
    let mut words = annotation(owner, NOTE)?.splitn(3, ' ');
    let (name, time, hashes) = (words.next()?, words.next()?, words.next()?);
    if name != object::name(owner) {
        return None;
    }
    let mut pairs = hashes.split(',').filter_map(|pair| pair.split_once('='));
    let hash = pairs.find(|(word, _)| Reference::of_word(word).as_ref() == Some(reference))?.1;
    Some((hash.to_owned(), time.to_owned()))
}

fn held(config: &Config, owner: &Value, reference: &Reference) -> Held {
    let kept = copy::newest(config, owner, reference);
    let from_copy = kept.and_then(|copy| Some((copy::kept_hash(copy)?.to_owned(), seconds(copy::kept_at(copy)?))));
    let (hash, at) = from_copy.or_else(|| noted(owner, reference)).unzip();
    let present = config.object(reference);
    let now = config.hash_now(reference);
    let changed = match (kept, present, config.present.get(reference)) {
        (Some(copy), Some(object), _) => Some(super::contents(copy) != super::contents(object)),
        (_, None, Some(Present::Absent)) => hash.is_some().then_some(true),
        _ => hash.as_ref().zip(now.as_ref()).map(|(then, now)| then != now),
    };
    Held { object: reference.to_string(), hash, at, kept: kept.map(|copy| object::name(copy).to_owned()), now, changed }
}

/// Writes into the revisions what is known of their configuration.
pub fn fill(revisions: &mut [Revision], snapshot: &Snapshot, config: &Config) {
    let owners = history::owned(&snapshot.workload, &snapshot.revisions);
    for revision in revisions {
        let Some(owner) = owners.iter().find(|owner| object::name(owner) == revision.owner) else { continue };
        revision.config = references(&revision.template).keys().map(|reference| held(config, owner, reference)).collect();
    }
}

/// What somebody should know before a template is put back whose configuration is not put back with it: one sentence for each object
/// that is not, or may not be, what it was.
pub fn warnings(snapshot: &Snapshot, chosen: &Chosen, config: &Config) -> Vec<String> {
    let target = snapshot.workload.target();
    let number = chosen.number;
    let one = |(reference, needed): (Reference, bool)| {
        let held = held(config, &chosen.owner, &reference);
        let helps = match held.kept {
            Some(_) => format!("undo(\"{target}\", #{{to: {number}, with_config: true}}) puts it back too"),
            None => "no copy of it was kept".to_owned(),
        };
        match config.present.get(&reference) {
            Some(Present::Absent) if needed => Some(format!("{reference} is gone, and the pods of revision {number} cannot start without it: {helps}")),
            Some(Present::Absent) if held.hash.is_some() => Some(format!("{reference} is gone since revision {number} was live: {helps}")),
            Some(Present::Unread(_)) if held.hash.is_some() => {
                Some(format!("{reference} may not be read: whether it changed since revision {number} is not known"))
            }
            Some(Present::Object(object)) => match (held.changed, held.at) {
                (Some(true), Some(at)) => Some(format!("{reference} is not what it was at revision {number} ({at}): {helps}")),
                (Some(_), _) => None,
                _ => written_after(object, &chosen.owner).map(|at| {
                    format!("{reference} was written at {at}, after revision {number} was made: what it held then is not known, and stays as it is now")
                }),
            },
            _ => None,
        }
    };
    references(&chosen.template).into_iter().filter_map(one).collect()
}

/// When an object was last written as far as it tells, if that was after the owner was made.
fn written_after(object: &Value, owner: &Value) -> Option<String> {
    let made = object::created(owner)?;
    let created = object::created(object);
    let written = items(&object["metadata"]["managedFields"]).iter().filter_map(|entry| time(&entry["time"])).max();
    // What an immutable object holds is what it was made with.
    let last = if super::is_immutable(object) { created } else { written.max(created) };
    last.filter(|last| *last > made).map(seconds)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::rollout::config::checkpoint;
    use crate::rollout::config::tests_support::{config, referring};
    use crate::rollout::sample::{ago, now};
    use crate::rollout::undo::{To, chosen};

    fn settings() -> Reference {
        Reference::of_word("configmap/settings").expect("a reference")
    }

    #[test]
    fn a_note_is_read_back_and_proves_nothing_on_another_owner() {
        let mut snapshot = referring();
        let config = config(&[("settings", "a")]);
        let (key, value) = note(&snapshot.revisions[2], snapshot.workload.template(), &config, now()).expect("a note");
        snapshot.revisions[2]["metadata"]["annotations"][key] = value.clone().into();
        assert_eq!(noted(&snapshot.revisions[2], &settings()), config.hash_now(&settings()).map(|hash| (hash, "2026-11-22T20:00:00Z".to_owned())));
        snapshot.revisions[1]["metadata"]["annotations"][key] = value.into();
        assert_eq!(noted(&snapshot.revisions[1], &settings()), None);
    }

    #[test]
    fn a_history_shows_hashes_where_something_is_known() {
        let snapshot = referring();
        let mut now_a = config(&[("settings", "a")]);
        let shown = |config: &Config| {
            let mut revisions = history::history(&snapshot, now());
            fill(&mut revisions, &snapshot, config);
            revisions.pop().expect("the live one").config
        };
        let held = shown(&now_a);
        assert_eq!((held[0].object.as_str(), &held[0].hash, held[0].changed), ("configmap/settings", &None, None));
        assert!(held[0].now.is_some());
        now_a.copies = checkpoint(&snapshot, &now_a, now()).expect("copies").iter().map(|it| it.predicted().expect("fits")).collect();
        let held = shown(&now_a);
        assert_eq!((held[0].hash == held[0].now, held[0].changed, held[0].kept.is_some()), (true, Some(false), true));
        let mut now_b = config(&[("settings", "b")]);
        now_b.copies = now_a.copies;
        assert_eq!(shown(&now_b)[0].changed, Some(true));
    }

    #[test]
    fn an_undo_warns_of_what_it_leaves_as_it_is() {
        let snapshot = referring();
        let chosen = chosen(&snapshot, To::Revision(3)).expect("it is live");
        let mut changed = config(&[("settings", "b")]);
        let said = |config: &Config| warnings(&snapshot, &chosen, config).join("\n");
        assert_eq!(said(&changed), "", "nothing tells that it changed");
        let object = |edit: Value| {
            let mut object = json!({"kind": "ConfigMap", "metadata": {"name": "settings", "creationTimestamp": ago(90_000)}, "data": {"mode": "b"}});
            json_patch::merge(&mut object, &edit);
            Present::Object(object)
        };
        let written = json!({"metadata": {"managedFields": [{"time": ago(60)}]}});
        changed.present.insert(settings(), object(written.clone()));
        assert!(said(&changed).contains("configmap/settings was written at 2026-11-22T19:59:00Z, after revision 3 was made"), "{}", said(&changed));
        let mut frozen = written;
        frozen["immutable"] = true.into();
        changed.present.insert(settings(), object(frozen));
        assert_eq!(said(&changed), "", "it cannot have changed");
        let before = config(&[("settings", "a")]);
        changed.copies = checkpoint(&snapshot, &before, now()).expect("copies").iter().map(|it| it.predicted().expect("fits")).collect();
        assert!(said(&changed).contains("is not what it was at revision 3 (2026-11-22T20:00:00Z): undo(\"deployment/web\", #{to: 3, with_config: true})"));
        changed.present.insert(settings(), Present::Absent);
        assert!(said(&changed).contains("configmap/settings is gone, and the pods of revision 3 cannot start"), "{}", said(&changed));
    }
}
