//! Two servers that are sent the same operations, and what they answer compared: after each operation the answer, and once all is quiet every object.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::carry::carry_out;
use super::likeness::{Likeness, differences};
use super::mirror::Mirror;
use super::operations::Operation;
use super::server::{Answer, Server};

/// The kinds whose objects are compared.
pub const COMPARED: &[&str] = &["deployments", "replicasets", "statefulsets", "daemonsets", "controllerrevisions", "pods", "configmaps"];

/// How long the real cluster must not change to count as quiet.
const QUIET: Duration = Duration::from_millis(250);
/// How long it must not change before a difference counts: a busy machine makes its controllers slow.
const SURELY_QUIET: Duration = Duration::from_secs(4);
/// After how long without a change something counts as stuck, not as busy.
const STUCK: Duration = Duration::from_secs(6);
/// How long the real cluster is given to become quiet.
const RESTLESS: Duration = Duration::from_secs(40);
/// In what steps the simulated one lives between two operations, and how many at most.
const STEP: Duration = Duration::from_secs(4);
const STEPS: usize = 15;

/// The first operation after which the two servers differ.
#[derive(Clone, Debug)]
pub struct Mismatch {
    pub at: usize,
    /// `answer` or `state`.
    pub of: &'static str,
    pub lines: Vec<String>,
}

/// A namespace of the real cluster that one thread works in, again and again.
pub struct Room {
    real: Server,
    mirror: Arc<Mirror>,
    wall: tokio::runtime::Handle,
}

impl Room {
    pub fn new(namespace: &str, mirror: &Arc<Mirror>, wall: &tokio::runtime::Handle) -> Self {
        Self { real: wall.block_on(Server::real(namespace)).expect("a kubeconfig"), mirror: Arc::clone(mirror), wall: wall.clone() }
    }

    pub fn end(&self) {
        self.wall.block_on(self.real.end());
    }

    /// Takes away what an earlier run left.
    fn clean(&self) {
        let deadline = Instant::now() + RESTLESS;
        let mut tries = 0_u32;
        loop {
            let (left, _) = self.mirror.look(&self.real.namespace);
            if left.is_empty() && tries > 0 {
                return;
            }
            assert!(Instant::now() < deadline, "{} does not become empty: {} objects", self.real.namespace, left.len());
            self.wall.block_on(async {
                // Owners before what they own, and all of it again while there is something: a controller may have made more.
                if tries.is_multiple_of(10) {
                    for plural in COMPARED {
                        let path = if matches!(*plural, "pods" | "configmaps") { self.real.core(plural) } else { self.real.apps(plural) };
                        let body = json!({ "gracePeriodSeconds": 0, "propagationPolicy": "Background" }).to_string();
                        let path = format!("{path}?fieldSelector=metadata.name!=kube-root-ca.crt");
                        self.real.ask("DELETE", &path, "application/json", &body).await;
                    }
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            });
            tries += 1;
        }
    }

    /// Sends the operations to a simulated cluster and to the real one, and tells where they differ: all refusals that do, and the first effect.
    pub fn run(&self, operations: &[Operation], seed: u64) -> Vec<Mismatch> {
        self.clean();
        let virtual_time = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        let simulated = virtual_time.block_on(Server::simulated(&self.real.namespace, seed));
        Pair { simulated, virtual_time, room: self }.compare_all(operations)
    }
}

struct Pair<'a> {
    simulated: Server,
    virtual_time: tokio::runtime::Runtime,
    room: &'a Room,
}

impl Pair<'_> {
    fn compare_all(&mut self, operations: &[Operation]) -> Vec<Mismatch> {
        let mut found = Vec::new();
        let mut likenesses = [Likeness::default(), Likeness::default()];
        for (at, operation) in operations.iter().enumerate() {
            let sent = Instant::now();
            let answers = [self.virtual_time.block_on(carry_out(&self.simulated, operation)), self.room.wall.block_on(carry_out(&self.room.real, operation))];
            for (likeness, answer) in likenesses.iter_mut().zip(&answers) {
                likeness.learn(&answer.body);
            }
            let [simulated, real] =
                [0, 1].map(|it| likenesses[it].of(&json!({ "code": answers[it].code, "warnings": answers[it].warnings, "body": answers[it].body })));
            let lines = differences(&simulated, &real);
            if !lines.is_empty() {
                found.push(Mismatch { at, of: "answer", lines });
                // Two refusals in different words change nothing.
                if answers.iter().any(Answer::is_good) {
                    return found;
                }
            }
            let changed = answers[1].is_good() && answers[1].code != 0 && !matches!(operation, Operation::Send { method: "GET", .. });
            if !changed {
                continue;
            }
            let simulated = self.virtual_time.block_on(settled(&self.simulated));
            let mut lines = Vec::new();
            for quiet in [QUIET, SURELY_QUIET] {
                let real = self.room.wall.block_on(quiet_for(quiet, sent, &self.room.mirror, &self.room.real.namespace));
                for (likeness, dump) in likenesses.iter_mut().zip([&simulated, &real]) {
                    dump.iter().for_each(|(_, object)| likeness.learn(object));
                }
                lines = differences(&by_name(&likenesses[0], &simulated), &by_name(&likenesses[1], &real));
                if lines.is_empty() {
                    break;
                }
            }
            if !lines.is_empty() {
                found.push(Mismatch { at, of: "state", lines });
                return found;
            }
        }
        found
    }
}

async fn dump(server: &Server) -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    for plural in COMPARED {
        let path = if matches!(*plural, "pods" | "configmaps") { server.core(plural) } else { server.apps(plural) };
        let items = server.get(&path).await.body["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
        all.extend(items.into_iter().filter(|it| it["metadata"]["name"] != "kube-root-ca.crt").map(|it| (*plural, it)));
    }
    all
}

/// The objects by kind and name, those with random names in the order of their common form.
fn by_name(likeness: &Likeness, objects: &[(&'static str, Value)]) -> Value {
    let mut kinds: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (plural, object) in objects {
        let object = likeness.of(object);
        let key = format!("{plural}/{}", object["metadata"]["name"].as_str().unwrap_or_default());
        kinds.entry(key).or_default().push(object);
    }
    kinds.values_mut().for_each(|it| it.sort_by_cached_key(Value::to_string));
    json!(kinds)
}

fn versions(objects: &[(&'static str, Value)]) -> String {
    let of = |(plural, object): &(&'static str, Value)| {
        let rests = *plural == "pods" && is_known_bad(object);
        format!("{}={};", object["metadata"]["name"], if rests { &Value::Null } else { &object["metadata"]["resourceVersion"] })
    };
    objects.iter().map(of).collect()
}

/// What the simulated cluster holds once nothing changes any more.
async fn settled(server: &Server) -> Vec<(&'static str, Value)> {
    let mut before = dump(server).await;
    let mut same = 0;
    for _ in 0..STEPS {
        tokio::time::sleep(STEP).await;
        let now = dump(server).await;
        same = if versions(&now) == versions(&before) { same + 1 } else { 0 };
        if same > 2 || same > 0 && !is_busy_somewhere(&now) {
            return now;
        }
        before = now;
    }
    before
}

/// What the real cluster holds once it has been quiet for a while, as far as that can be seen.
async fn quiet_for(quiet: Duration, sent: Instant, mirror: &Mirror, namespace: &str) -> Vec<(&'static str, Value)> {
    let deadline = Instant::now() + RESTLESS;
    loop {
        let (objects, changed) = mirror.look(namespace);
        let since = changed.map_or(sent, |it| it.max(sent));
        let rests = since.elapsed() >= quiet && (!is_busy_somewhere(&objects) || since.elapsed() >= STUCK);
        if rests || Instant::now() > deadline {
            return objects;
        }
        let rest = quiet.saturating_sub(since.elapsed()).max(Duration::from_millis(50));
        tokio::time::sleep(rest).await;
    }
}

/// Whether a pod is as ill as its image makes it, and will stay so.
pub fn is_known_bad(pod: &Value) -> bool {
    let waits = |it: &Value| matches!(it["state"]["waiting"]["reason"].as_str(), Some("ErrImagePull" | "ImagePullBackOff"));
    let never = |it: &Value| it["image"].as_str().is_some_and(|it| it.contains("neverready")) && it["state"]["running"].is_object();
    pod["metadata"]["deletionTimestamp"].is_null() && pod["status"]["containerStatuses"].as_array().into_iter().flatten().any(|it| waits(it) || never(it))
}

fn is_busy_somewhere(all: &[(&'static str, Value)]) -> bool {
    all.iter().any(|(plural, object)| is_busy(plural, object, all))
}

fn is_busy(plural: &str, object: &Value, all: &[(&'static str, Value)]) -> bool {
    let (metadata, spec, status) = (&object["metadata"], &object["spec"], &object["status"]);
    let owners = metadata["ownerReferences"].as_array();
    let lost = owners.into_iter().flatten().any(|owner| owner["controller"] == true && !all.iter().any(|(_, it)| it["metadata"]["uid"] == owner["uid"]));
    let ends = metadata["deletionTimestamp"].is_string() && metadata["finalizers"].as_array().is_none_or(|it| it.iter().all(|one| one != "x/y"));
    if lost || ends {
        return true;
    }
    let count = |value: &Value| value.as_i64().unwrap_or(0);
    let ready = |pod: &Value| pod["status"]["conditions"].as_array().into_iter().flatten().any(|it| it["type"] == "Ready" && it["status"] == "True");
    let owned = |pod: &Value| pod["metadata"]["ownerReferences"].as_array().into_iter().flatten().any(|it| it["uid"] == metadata["uid"]);
    let pods: Vec<&Value> = all.iter().filter(|(plural, pod)| *plural == "pods" && owned(pod)).map(|(_, pod)| pod).collect();
    let told = count(if plural == "daemonsets" { &status["numberReady"] } else { &status["readyReplicas"] });
    let readied = pods.iter().filter(|it| ready(it)).count();
    if matches!(plural, "replicasets" | "statefulsets" | "daemonsets") && i64::try_from(readied).is_ok_and(|pods| pods != told) {
        return true;
    }
    let ill = pods.iter().any(|it| is_known_bad(it));
    match plural {
        "pods" => {
            let conditions = status["conditions"].as_array();
            let is = |kind: &str, value: &str| conditions.into_iter().flatten().any(|it| it["type"] == kind && it["status"] == value);
            !is("Ready", "True") && !is("PodScheduled", "False") && !is_known_bad(object)
        }
        "controllerrevisions" | "configmaps" => false,
        "daemonsets" => {
            count(&status["observedGeneration"]) != count(&metadata["generation"]) || count(&status["numberReady"]) != count(&status["numberAvailable"])
        }
        _ => {
            count(&status["observedGeneration"]) != count(&metadata["generation"])
                || count(&status["readyReplicas"]) != count(&status["availableReplicas"])
                || plural != "deployments" && count(&status["replicas"]) != count(&spec["replicas"]) && !ill
        }
    }
}
