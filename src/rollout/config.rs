//! The ConfigMaps and Secrets that a template refers to: which they are, what they hold (as a hash), what is known of what they held when
//! an earlier revision was live, copies of them, and their way back.
//!
//! Kubernetes keeps no history of them, so what is known comes from evidence that we wrote ourselves: a note on the revision's own object,
//! made when its rollout was seen to complete, and the copies that a checkpoint made. Where there is neither, the object's own times
//! tell whether it can have changed.
//!
//! What counts as configuration is what containers read: `env`, `envFrom`, and the volumes `configMap`, `secret` and `projected`. Not
//! `imagePullSecrets` and not the credentials of storage drivers: they say how something is fetched, not what runs, and an old
//! credential that comes back is more likely to break a rollback than to heal it.

mod back;
mod copy;
mod known;

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::object::{items, text};
use super::template::go_json;
use crate::resource::{self, Resource, Target};

pub use back::{TAKEN_BACK, put_back, reversal};
pub use copy::{CHECKPOINT_OF, checkpoint};
pub use known::{Held, NOTE, fill, note, warnings};

/// One ConfigMap or Secret, in the namespace of the workload. Displays as `configmap/web`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    secret: bool,
    pub name: String,
}

impl Reference {
    pub fn resource(&self) -> &'static Resource {
        if self.secret { &resource::SECRET } else { &resource::CONFIG_MAP }
    }

    pub fn target(&self, namespace: &str) -> Target {
        Target::new(self.resource(), Some(namespace), &self.name)
    }

    fn of_word(word: &str) -> Option<Self> {
        let (kind, name) = word.split_once('/')?;
        let secret = match kind {
            "configmap" => false,
            "secret" => true,
            _ => return None,
        };
        Some(Self { secret, name: name.to_owned() })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.resource().singular, self.name)
    }
}

/// What a reference leads to now.
#[derive(Clone, Debug, PartialEq)]
pub enum Present {
    Object(Value),
    Absent,
    /// We may not read it; why.
    Unread(String),
}

/// What templates refer to as it is now, and the copies that were kept of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    pub present: BTreeMap<Reference, Present>,
    /// All copies of this workload's configuration, of all its revisions.
    pub copies: Vec<Value>,
}

impl Config {
    fn object(&self, reference: &Reference) -> Option<&Value> {
        match self.present.get(reference) {
            Some(Present::Object(object)) => Some(object),
            _ => None,
        }
    }

    fn hash_now(&self, reference: &Reference) -> Option<String> {
        self.object(reference).map(|object| hash(reference, object))
    }
}

/// What a template refers to, and of each whether a container needs it to start (it is not `optional` everywhere).
pub fn references(template: &Value) -> BTreeMap<Reference, bool> {
    let mut found = BTreeMap::new();
    let mut add = |secret: bool, source: &Value, field: &str| {
        let name = text(&source[field]);
        if !name.is_empty() {
            *found.entry(Reference { secret, name: name.to_owned() }).or_insert(false) |= source["optional"] != true;
        }
    };
    let spec = &template["spec"];
    for container in items(&spec["initContainers"]).iter().chain(items(&spec["containers"])) {
        for variable in items(&container["env"]) {
            add(false, &variable["valueFrom"]["configMapKeyRef"], "name");
            add(true, &variable["valueFrom"]["secretKeyRef"], "name");
        }
        for source in items(&container["envFrom"]) {
            add(false, &source["configMapRef"], "name");
            add(true, &source["secretRef"], "name");
        }
    }
    for volume in items(&spec["volumes"]) {
        add(false, &volume["configMap"], "name");
        add(true, &volume["secret"], "secretName");
        for source in items(&volume["projected"]["sources"]) {
            add(false, &source["configMap"], "name");
            add(true, &source["secret"], "name");
        }
    }
    found
}

/// How many hexadecimal digits of a hash are kept.
const DIGITS: usize = 10;

/// A short hash of what an object holds; labels and annotations do not count.
///
/// A Secret's is keyed with its uid, which only those know who may read the Secret: a plain hash, on an object that everybody may
/// read, would let them try out guesses. So a Secret that was deleted and made again has another hash, whatever it holds.
pub(super) fn hash(reference: &Reference, object: &Value) -> String {
    let key = if reference.secret { text(&object["metadata"]["uid"]) } else { "" };
    digest(&format!("{key}\n{}", go_json(&contents(object))))
}

fn digest(text: &str) -> String {
    let mut hash: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    hash.truncate(DIGITS);
    hash
}

/// The fields in which a ConfigMap or Secret holds what it holds.
const CONTENTS: [&str; 2] = ["data", "binaryData"];

/// What an object holds; nothing and empty alike.
fn contents(object: &Value) -> Value {
    let field = |name: &&str| object[*name].as_object().filter(|map| !map.is_empty()).map(|map| ((*name).to_owned(), Value::Object(map.clone())));
    Value::Object(CONTENTS.iter().filter_map(field).collect::<Map<String, Value>>())
}

fn is_immutable(object: &Value) -> bool {
    object["immutable"] == true
}

/// `json!({})` where a map is absent.
fn map_of(value: &Value) -> Value {
    if value.is_object() { value.clone() } else { json!({}) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_containers_read_is_found_and_nothing_else() {
        let template = json!({"spec": {
            "imagePullSecrets": [{"name": "registry"}],
            "initContainers": [{"name": "init", "envFrom": [{"configMapRef": {"name": "from-init"}}]}],
            "containers": [{
                "name": "web",
                "env": [
                    {"name": "A", "value": "plain"},
                    {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "by-key", "key": "b"}}},
                    {"name": "C", "valueFrom": {"secretKeyRef": {"name": "token", "key": "c", "optional": true}}},
                    {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
                ],
                "envFrom": [{"secretRef": {"name": "all"}}, {"configMapRef": {"name": "perhaps", "optional": true}}]
            }],
            "volumes": [
                {"name": "a", "configMap": {"name": "files"}}, {"name": "b", "secret": {"secretName": "tls"}}, {"name": "c", "emptyDir": {}},
                {"name": "d", "csi": {"driver": "x", "nodePublishSecretRef": {"name": "driver"}}},
                {"name": "e", "projected": {"sources": [{"configMap": {"name": "perhaps"}}, {"secret": {"name": "parts"}}, {"serviceAccountToken": {"path": "t"}}]}}
            ]
        }});
        let found: Vec<(String, bool)> = references(&template).into_iter().map(|(reference, needed)| (reference.to_string(), needed)).collect();
        let expected = [
            ("configmap/by-key", true),
            ("configmap/files", true),
            ("configmap/from-init", true),
            // Optional as variables, needed as a volume.
            ("configmap/perhaps", true),
            ("secret/all", true),
            ("secret/parts", true),
            ("secret/tls", true),
            ("secret/token", false),
        ];
        assert_eq!(found, expected.map(|(name, needed)| (name.to_owned(), needed)));
    }

    #[test]
    fn a_hash_is_of_what_an_object_holds() {
        let map = Reference { secret: false, name: "a".into() };
        let one = json!({"metadata": {"uid": "1", "labels": {"x": "y"}}, "data": {"k": "v"}, "binaryData": {}});
        let same = json!({"metadata": {"uid": "2"}, "data": {"k": "v"}});
        assert_eq!(hash(&map, &one), hash(&map, &same));
        assert_ne!(hash(&map, &one), hash(&map, &json!({"data": {"k": "w"}})));
        assert_eq!(hash(&map, &one).len(), DIGITS);
    }

    #[test]
    fn the_hash_of_a_secret_cannot_be_guessed_without_its_uid() {
        let secret = Reference { secret: true, name: "a".into() };
        let one = |uid: &str| json!({"metadata": {"uid": uid}, "data": {"pin": "MTIzNA=="}});
        assert_ne!(hash(&secret, &one("1")), hash(&secret, &one("2")));
    }
}

#[cfg(test)]
mod tests_support {
    use super::*;
    use crate::rollout::sample::third_live;
    use crate::rollout::workload::{Snapshot, Workload};

    /// `deployment/web` at revision 3, whose template reads `configmap/settings` and `secret/key`.
    pub fn referring() -> Snapshot {
        let mut snapshot = third_live();
        let sources = json!([{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "key"}}]);
        let mut object = snapshot.workload.object().clone();
        object["spec"]["template"]["spec"]["containers"][0]["envFrom"] = sources.clone();
        snapshot.workload = Workload::new(object).expect("a workload");
        snapshot.revisions[2]["spec"]["template"]["spec"]["containers"][0]["envFrom"] = sources;
        snapshot
    }

    pub fn secret(value: &str) -> Value {
        json!({"kind": "Secret", "metadata": {"name": "key", "uid": "s"}, "type": "Opaque", "data": {"k": value}})
    }

    /// These ConfigMaps, with one value each, and `secret/key`.
    pub fn config(maps: &[(&str, &str)]) -> Config {
        let mut config = Config::default();
        for (name, value) in maps {
            let mut object = json!({"kind": "ConfigMap", "metadata": {"name": name, "uid": "m", "resourceVersion": "7"}, "data": {"mode": value}});
            if *value == "b" {
                object["binaryData"] = json!({"new": "bmV3"});
            }
            config.present.insert(Reference { secret: false, name: (*name).to_owned() }, Present::Object(object));
        }
        config.present.insert(Reference { secret: true, name: "key".into() }, Present::Object(secret("k")));
        config
    }
}
