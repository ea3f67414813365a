//! Copies of configuration, kept for one revision: made by `checkpoint`, found again by their label.
//!
//! A copy is immutable, and owned by the revision's own object (a ReplicaSet or ControllerRevision): it goes when the history's limit
//! takes the revision. Its name is made of the revision's and of a hash of what it holds, so making it twice makes it once.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{CONTENTS, Config, Present, Reference, contents, digest, hash, is_immutable, map_of, references};
use crate::error::{Error, Result};
use crate::resource::Target;
use crate::rollout::change::{Change, Request};
use crate::rollout::history;
use crate::rollout::object::{self, annotation};
use crate::rollout::workload::Snapshot;

/// Label of every copy: the uid of the workload.
pub const CHECKPOINT_OF: &str = "rollsh.dev/checkpoint-of";
const COPY_OF: &str = "rollsh.dev/copy-of";
const REVISION: &str = "rollsh.dev/revision";
const HASH: &str = "rollsh.dev/hash";
const KEPT_AT: &str = "rollsh.dev/kept-at";
/// What a copy does not have as its original had it, as JSON: labels, type, immutable.
const ORIGINAL: &str = "rollsh.dev/original";
/// The type of a Secret's copy: no controller that acts on Secrets of a type shall act on it.
const SECRET_TYPE: &str = "rollsh.dev/checkpoint";
/// How much of a revision's name goes into a copy's, whose own limit is 253.
const LONGEST: usize = 220;

/// The changes that keep copies of all that the live template refers to; those that are kept already come to nothing.
///
/// # Errors
/// `no_revision` while the controller has made no revision of the live template, `forbidden` when something may not be read.
///
/// # Limits
/// Copies are as large as their originals, which the API server holds to 1 MiB.
pub fn checkpoint(snapshot: &Snapshot, config: &Config, now: Timestamp) -> Result<Vec<Change>> {
    let workload = &snapshot.workload;
    let target = workload.target();
    let owner = history::live_owner(snapshot).ok_or_else(|| {
        let error = Error::no_revision(format!("{target} has no revision of its live template yet, which copies could belong to")).target(&target);
        if workload.paused() { error.hint("it is paused: resume it first") } else { error.hint("its controller makes it in a moment: try again") }
    })?;
    let mut changes = Vec::new();
    let mut absent = Vec::new();
    for (reference, needed) in references(workload.template()) {
        match config.present.get(&reference) {
            Some(Present::Object(original)) => changes.push(keep(snapshot, owner, &reference, original, config, now)),
            Some(Present::Unread(why)) => {
                return Err(Error::forbidden(format!("{reference} cannot be read, so no copy can be kept: {why}")).target(&target));
            }
            Some(Present::Absent) | None if needed => absent.push(format!("{reference} is not there: there is nothing to keep of it")),
            Some(Present::Absent) | None => {}
        }
    }
    match changes.first_mut() {
        Some(first) => first.warnings = absent,
        None => {
            let mut change = Change::of("checkpoint", workload, Request::Nothing, "refers to no ConfigMap or Secret: nothing to keep");
            change.warnings = absent;
            changes.push(change);
        }
    }
    Ok(changes)
}

fn keep(snapshot: &Snapshot, owner: &Value, reference: &Reference, original: &Value, config: &Config, now: Timestamp) -> Change {
    let namespace = snapshot.workload.namespace();
    let hash = hash(reference, original);
    let name = name_of(owner, reference, &hash);
    let target = Target::new(reference.resource(), Some(namespace), &name);
    let newest = newest(config, owner, reference);
    if let Some(copy) = newest.filter(|copy| is_copy_of(copy, &hash, original)) {
        return Change::new("checkpoint", target, copy, Request::Nothing, &format!("keeps {reference} already"));
    }
    // Of two checkpoints within one moment the second is the newer.
    let after = newest.and_then(kept_at).map_or(now, |kept| now.max(kept.checked_add(SignedDuration::from_millis(1)).unwrap_or(kept)));
    let kind = snapshot.workload.kind().revisions();
    let mut copy = json!({
        "apiVersion": "v1",
        "kind": reference.resource().kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"app.kubernetes.io/managed-by": "rollsh", CHECKPOINT_OF: snapshot.workload.uid()},
            "annotations": {
                COPY_OF: reference.to_string(),
                REVISION: object::name(owner),
                HASH: hash,
                KEPT_AT: after.to_string(),
                ORIGINAL: json!({"labels": map_of(&original["metadata"]["labels"]), "type": original["type"], "immutable": is_immutable(original)}).to_string(),
            },
            "ownerReferences": [{
                "apiVersion": kind.api_version(), "kind": kind.kind, "name": object::name(owner), "uid": object::uid(owner),
                "controller": false, "blockOwnerDeletion": false
            }],
        },
        "immutable": true,
    });
    for field in CONTENTS.iter().filter(|field| original[**field].is_object()) {
        copy[*field] = original[*field].clone();
    }
    if reference.secret {
        copy["type"] = SECRET_TYPE.into();
    }
    let before = config.copies.iter().find(|copy| object::name(copy) == name && copy["kind"] == reference.resource().kind.as_ref()).unwrap_or(&Value::Null);
    Change::new("checkpoint", target, before, Request::Apply { object: copy, force: true }, &format!("keeps {reference}"))
}

fn name_of(owner: &Value, reference: &Reference, hash: &str) -> String {
    let mut stem = object::name(owner);
    stem = stem.get(..LONGEST).unwrap_or(stem).trim_end_matches(['-', '.']);
    let word = if reference.secret { "secret" } else { "cm" };
    format!("{stem}-{word}-{}", digest(&format!("{}\n{reference}\n{hash}", object::uid(owner))))
}

/// The copy that was made last of this configuration for this revision.
pub(super) fn newest<'a>(config: &'a Config, owner: &Value, reference: &Reference) -> Option<&'a Value> {
    let (name, uid) = (reference.to_string(), object::uid(owner));
    let belongs = |copy: &&Value| {
        let owners = object::items(&copy["metadata"]["ownerReferences"]);
        copy["kind"] == reference.resource().kind.as_ref()
            && annotation(copy, COPY_OF) == Some(name.as_str())
            && !uid.is_empty()
            && owners.iter().any(|owner| owner["uid"] == uid)
    };
    config.copies.iter().filter(belongs).max_by_key(|copy| kept_at(copy))
}

pub(super) fn kept_at(copy: &Value) -> Option<Timestamp> {
    annotation(copy, KEPT_AT)?.parse().ok()
}

pub(super) fn kept_hash(copy: &Value) -> Option<&str> {
    annotation(copy, HASH)
}

/// Whether a copy is one of what an object holds now.
fn is_copy_of(copy: &Value, hash: &str, original: &Value) -> bool {
    kept_hash(copy) == Some(hash) && contents(copy) == contents(original)
}

/// The object that a copy was made of, as a manifest.
pub(super) fn original(copy: &Value, reference: &Reference, namespace: &str) -> Value {
    let kept: Value = annotation(copy, ORIGINAL).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let mut object = json!({
        "apiVersion": "v1",
        "kind": reference.resource().kind,
        "metadata": {"name": reference.name, "namespace": namespace},
    });
    if kept["labels"].as_object().is_some_and(|labels| !labels.is_empty()) {
        object["metadata"]["labels"] = kept["labels"].clone();
    }
    for field in CONTENTS.iter().filter(|field| copy[**field].is_object()) {
        object[*field] = copy[*field].clone();
    }
    if kept["type"].is_string() {
        object["type"] = kept["type"].clone();
    }
    if kept["immutable"] == true {
        object["immutable"] = true.into();
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::config::tests_support::{config, referring, secret};
    use crate::rollout::sample::now;

    fn made(changes: &[Change]) -> Vec<Value> {
        changes.iter().map(|change| change.predicted().expect("fits")).collect()
    }

    #[test]
    fn a_copy_belongs_to_the_live_revisions_own_object() {
        let snapshot = referring();
        let changes = checkpoint(&snapshot, &config(&[("settings", "a")]), now()).expect("copies");
        let copies = made(&changes);
        assert_eq!(changes.len(), 2);
        for copy in &copies {
            let name = object::name(copy);
            assert!(name.starts_with("web-3-") && name.len() < 253, "{name}");
            assert_eq!(copy["metadata"]["ownerReferences"][0]["name"], "web-3");
            assert_eq!((&copy["immutable"], &copy["metadata"]["labels"][CHECKPOINT_OF]), (&json!(true), &json!("web-uid")));
        }
        assert_eq!((&copies[0]["kind"], &copies[0]["data"]), (&json!("ConfigMap"), &json!({"mode": "a"})));
        assert_eq!((&copies[1]["kind"], &copies[1]["type"]), (&json!("Secret"), &json!(SECRET_TYPE)));
    }

    #[test]
    fn the_same_again_makes_nothing_new_and_the_newest_counts() {
        let snapshot = referring();
        let reference = Reference::of_word("configmap/settings").expect("a reference");
        let owner = &snapshot.revisions[2];
        let mut config = config(&[("settings", "a")]);
        for (value, expected) in [("a", 2), ("a", 0), ("b", 1), ("a", 1), ("a", 0)] {
            let object = json!({"kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"mode": value}});
            config.present.insert(reference.clone(), Present::Object(object));
            let changes = checkpoint(&snapshot, &config, now()).expect("copies");
            let new: Vec<Value> = made(&changes.into_iter().filter(|change| !change.does_nothing()).collect::<Vec<_>>());
            assert_eq!(new.len(), expected, "{value}");
            config.copies.retain(|old| new.iter().all(|new| object::name(new) != object::name(old)));
            config.copies.extend(new);
            assert_eq!(newest(&config, owner, &reference).expect("a copy")["data"]["mode"], value);
        }
        assert_eq!(config.copies.len(), 3, "two of the ConfigMap, one of the Secret");
    }

    #[test]
    fn a_copy_gives_back_its_original() {
        let snapshot = referring();
        let mut config = config(&[("settings", "a")]);
        let key = Reference::of_word("secret/key").expect("a reference");
        let mut original_secret = secret("k");
        original_secret["immutable"] = true.into();
        original_secret["metadata"]["labels"] = json!({"app": "web"});
        config.present.insert(key.clone(), Present::Object(original_secret));
        let copies = made(&checkpoint(&snapshot, &config, now()).expect("copies"));
        let back = original(&copies[1], &key, "shop");
        let expected = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": true, "data": {"k": "k"},
            "metadata": {"name": "key", "namespace": "shop", "labels": {"app": "web"}}
        });
        assert_eq!(back, expected);
    }

    #[test]
    fn what_cannot_be_kept_is_said() {
        let snapshot = referring();
        let mut config = config(&[("settings", "a")]);
        config.present.insert(Reference::of_word("secret/key").expect("one"), Present::Absent);
        let changes = checkpoint(&snapshot, &config, now()).expect("copies");
        assert_eq!(changes[0].warnings, ["secret/key is not there: there is nothing to keep of it"]);
        config.present.insert(Reference::of_word("secret/key").expect("one"), Present::Unread("no".into()));
        assert_eq!(checkpoint(&snapshot, &config, now()).expect_err("refused").kind().name(), "forbidden");
        let plain = crate::rollout::sample::third_live();
        let nothing = checkpoint(&plain, &Config::default(), now()).expect("nothing");
        assert!(nothing.len() == 1 && nothing[0].does_nothing(), "{nothing:?}");
        let mut asleep = referring();
        asleep.revisions.pop();
        assert_eq!(checkpoint(&asleep, &config, now()).expect_err("refused").kind().name(), "no_revision");
    }
}
