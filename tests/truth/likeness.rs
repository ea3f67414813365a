//! What two servers' answers have in common: both are brought into one form, without what must differ, and compared field by field.

use std::collections::BTreeMap;

use serde_json::Value;

/// Brings answers of one server into the common form.
#[derive(Debug, Default)]
pub struct Likeness {
    /// What each uid stands for.
    uids: BTreeMap<String, String>,
}

/// Fields whose values are each server's own.
const OWN: &[&str] = &["resourceVersion", "nodeName", "podIP", "hostIP", "ip", "containerID", "imageID", "kubernetes.io/hostname", "ca.crt", "continue"];

fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20 && bytes[4] == b'-' && bytes[10] == b'T' && text.ends_with('Z') && bytes[..4].iter().all(u8::is_ascii_digit)
}

/// `bcdfghjklmnpqrstvwxz2456789`, five of them: what the server appends to a `generateName`.
fn is_random(part: &str) -> bool {
    part.len() == 5 && part.bytes().all(|it| b"bcdfghjklmnpqrstvwxz2456789".contains(&it))
}

fn without_random(name: &str) -> String {
    match name.rsplit_once('-') {
        Some((base, last)) if is_random(last) => format!("{base}-<random>"),
        _ => name.to_owned(),
    }
}

impl Likeness {
    /// Remembers what the uids in an object stand for.
    pub fn learn(&mut self, object: &Value) {
        match object {
            Value::Object(fields) => {
                if let (Some(uid), Some(name)) = (fields.get("uid").and_then(Value::as_str), fields.get("name").and_then(Value::as_str)) {
                    self.uids.entry(uid.to_owned()).or_insert_with(|| format!("<uid of {}>", without_random(name)));
                }
                fields.values().for_each(|it| self.learn(it));
            }
            Value::Array(items) => items.iter().for_each(|it| self.learn(it)),
            _ => {}
        }
    }

    /// The common form of an answer or an object.
    pub fn of(&self, value: &Value) -> Value {
        if let Some(statuses) = value["status"]["containerStatuses"].as_array() {
            // An image that never comes is an error now and a wait then.
            let waits = |it: &Value| matches!(it["state"]["waiting"]["reason"].as_str(), Some("ErrImagePull" | "ImagePullBackOff"));
            if statuses.iter().any(waits) {
                let mut pod = value.clone();
                pod["status"]["containerStatuses"] = Value::Null;
                if statuses.len() > 1 {
                    // The fake kubelet of the real cluster calls a pod running before all of its containers were.
                    pod["status"]["phase"] = "Pending".into();
                    let entries = pod["metadata"]["managedFields"].as_array_mut();
                    for status in entries.into_iter().flatten().filter_map(|it| it["fieldsV1"]["f:status"].as_object_mut()) {
                        status.remove("f:phase");
                    }
                }
                return self.of(&pod);
            }
        }
        if value["metadata"]["ownerReferences"][0]["kind"] == "Deployment"
            && value["metadata"]["generation"].is_number()
            && value["status"]["observedGeneration"] == value["metadata"]["generation"]
        {
            // How many steps a rollout takes is a matter of how many pods become ready at a time.
            let mut set = value.clone();
            set["status"]["observedGeneration"] = "<generation>".into();
            set["metadata"]["generation"] = "<generation>".into();
            return self.of(&set);
        }
        if value["type"] == "Progressing" && matches!(value["reason"].as_str(), Some("NewReplicaSetCreated" | "ReplicaSetUpdated")) {
            // Whether the controller looks at a new ReplicaSet before or after its first pods is a race that it runs on the real cluster.
            let mut condition = value.clone();
            condition["reason"] = "<progress>".into();
            condition["message"] = "<progress>".into();
            return self.of(&condition);
        }
        let is_edited_pod = value["spec"]["containers"].is_array() && value["metadata"]["generation"] != 1;
        match value {
            Value::Object(fields) if is_edited_pod => {
                // The fake kubelet of the real cluster does not follow the spec of a pod.
                let mut pod = fields.clone();
                pod.remove("status");
                pod["metadata"].as_object_mut().map(|it| it.remove("managedFields"));
                pod["metadata"]["generation"] = 1.into();
                let mut pod = self.of(&Value::Object(pod));
                pod["metadata"]["generation"] = value["metadata"]["generation"].clone();
                pod
            }
            Value::Object(fields) => {
                // The kubelet of the real cluster is a fake, which does not tell of init containers.
                let fields = fields.iter().filter(|(name, _)| !name.ends_with("initContainerStatuses")).map(|(name, value)| {
                    let value = match value {
                        Value::String(_) if OWN.contains(&name.as_str()) => Value::from(format!("<{name}>")),
                        Value::Array(entries) if name == "managedFields" => self.managed(entries),
                        // The managers of fields come in no order.
                        Value::Array(causes) if name == "causes" && causes[0]["reason"] == "FieldManagerConflict" => {
                            sorted(causes.iter().map(|it| self.of(it)).collect())
                        }
                        // One second more or less decides about their order.
                        Value::Array(conditions) if name == "conditions" => sorted(conditions.iter().map(|it| self.of(it)).collect()),
                        other => self.of(other),
                    };
                    (self.text(name), value)
                });
                Value::Object(fields.collect())
            }
            Value::Array(items) => Value::Array(items.iter().map(|it| self.of(it)).collect()),
            Value::String(text) => Value::String(self.text(text)),
            other => other.clone(),
        }
    }

    /// Managed fields are sorted by their times, which are each server's own: here they are told apart by who manages what.
    fn managed(&self, entries: &[Value]) -> Value {
        let key = |it: &Value| ["manager", "operation", "subresource", "apiVersion"].map(|key| it[key].as_str().unwrap_or_default()).join(" ");
        // One manager may have two entries: a size that it set through the scale before stands apart.
        let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for entry in entries {
            all.entry(key(entry)).or_default().push(self.of(entry));
        }
        Value::Object(all.into_iter().map(|(key, entries)| (key, sorted(entries))).collect())
    }

    fn text(&self, text: &str) -> String {
        if is_time(text) {
            return "<time>".to_owned();
        }
        if text.strip_prefix("fake-").unwrap_or(text).strip_prefix("node-").is_some_and(|it| it.bytes().all(|it| it.is_ascii_digit())) {
            return "<node>".to_owned();
        }
        if ["10.244.", "172.18.", "127.0.0."].iter().any(|it| text.strip_prefix("k:{\"ip\":\"").is_some_and(|ip| ip.starts_with(it))) {
            return "k:{ip}".to_owned();
        }
        // What follows are the server's own types, field by field: the simulator tells what is wrong, not how the types differ.
        let text =
            ["\n@@ ", "patch: Invalid value: \"{", "Invalid value: \"{\\\"apiVersion"].iter().fold(text, |text, it| text.split(it).next().unwrap_or_default());
        // Of several faults the last may be cut with what follows it.
        let text = if text.contains("pod updates may not change fields") { text.trim_end_matches([']', '\n', ' ']) } else { text };
        let mut text = text.to_owned();
        if let (Some(from), true) = (text.find("in record ("), text.contains("ResourceVersion")) {
            let end = text[from..].find(')').map_or(text.len(), |end| from + end);
            text.replace_range(from..end, "in record (<resourceVersion>");
        }
        if text.len() >= 36 {
            for (uid, stands_for) in &self.uids {
                if text.contains(uid.as_str()) {
                    text = text.replace(uid, stands_for);
                }
            }
        }
        if text.starts_with("kube-api-access-") {
            return "kube-api-access-<random>".to_owned();
        }
        if text.contains(' ') {
            // A sentence may name pods.
            return text.split(' ').map(word_without_random).collect::<Vec<_>>().join(" ");
        }
        word_without_random(&text)
    }
}

fn word_without_random(word: &str) -> String {
    let end = word.trim_end_matches(['"', '.', ',', ':', ')', ']']);
    format!("{}{}", without_random(end), &word[end.len()..])
}

fn sorted(mut items: Vec<Value>) -> Value {
    items.sort_by_cached_key(Value::to_string);
    Value::Array(items)
}

/// Where two values differ, as `path: simulated | real`.
pub fn differences(simulated: &Value, real: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", simulated, real, &mut found);
    found
}

fn compare(path: &str, simulated: &Value, real: &Value, found: &mut Vec<String>) {
    match (simulated, real) {
        (Value::Object(left), Value::Object(right)) => {
            let names: std::collections::BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for name in names {
                match (left.get(name), right.get(name)) {
                    (Some(left), Some(right)) => compare(&format!("{path}.{name}"), left, right, found),
                    (left, right) => found.push(format!("{path}.{name}: {} | {}", shown(left), shown(right))),
                }
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (at, (left, right)) in left.iter().zip(right).enumerate() {
                compare(&format!("{path}[{at}]"), left, right, found);
            }
        }
        (left, right) if left == right => {}
        (left, right) => found.push(format!("{path}: {} | {}", shown(Some(left)), shown(Some(right)))),
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or("(absent)".to_owned(), Value::to_string)
}
