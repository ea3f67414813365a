//! Two servers that are sent the same operations, and what they answer compared: after each operation the answer, and once all is quiet every object.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::likeness::{Likeness, differences};
use super::operations::{Operation, merge};
use super::server::{Answer, Ask, Server};

/// The kinds whose objects are compared, with where they are read.
const COMPARED: &[&str] = &["deployments", "replicasets", "statefulsets", "daemonsets", "controllerrevisions", "pods", "configmaps"];

/// How long the real cluster must not change to count as quiet.
const QUIET: Duration = Duration::from_millis(700);
/// How long the real cluster is given to become quiet.
const RESTLESS: Duration = Duration::from_secs(25);
/// How long the simulated one lives between two operations.
const LIFE: Duration = Duration::from_secs(30);

/// The first operation after which the two servers differ.
#[derive(Clone, Debug)]
pub struct Mismatch {
    pub at: usize,
    /// `answer` or `state`.
    pub of: &'static str,
    pub lines: Vec<String>,
}

/// Sends the operations to a simulated cluster and to the real one, and tells where they differ: all refusals that do, and the first effect.
pub fn run(operations: &[Operation], seed: u64, namespace: &str, real: &tokio::runtime::Handle) -> Vec<Mismatch> {
    let virtual_time = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    let mut pair = Pair {
        simulated: virtual_time.block_on(Server::simulated(namespace, seed)),
        real: real.block_on(Server::real(namespace)).expect("a kubeconfig"),
        virtual_time,
        wall: real.clone(),
    };
    let found = pair.compare_all(operations);
    pair.wall.block_on(pair.real.end());
    found
}

struct Pair {
    simulated: Server,
    virtual_time: tokio::runtime::Runtime,
    real: Server,
    wall: tokio::runtime::Handle,
}

impl Pair {
    fn compare_all(&mut self, operations: &[Operation]) -> Vec<Mismatch> {
        let mut found = Vec::new();
        let mut likenesses = [Likeness::default(), Likeness::default()];
        for (at, operation) in operations.iter().enumerate() {
            let answers = [self.virtual_time.block_on(carry_out(&self.simulated, operation)), self.wall.block_on(carry_out(&self.real, operation))];
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
            let changed = answers[1].is_good() && !matches!(operation, Operation::Send { method: "GET", .. });
            if !changed {
                continue;
            }
            self.virtual_time.block_on(async { tokio::time::sleep(LIFE).await });
            if operation.subject().plural != "configmaps" {
                self.wall.block_on(quiet(&self.real));
            }
            let dumps = [self.virtual_time.block_on(dump(&self.simulated)), self.wall.block_on(dump(&self.real))];
            for (likeness, dump) in likenesses.iter_mut().zip(&dumps) {
                dump.iter().for_each(|(_, object)| likeness.learn(object));
            }
            let [simulated, real] = [0, 1].map(|it| by_name(&likenesses[it], &dumps[it]));
            let lines = differences(&simulated, &real);
            if !lines.is_empty() {
                found.push(Mismatch { at, of: "state", lines });
                return found;
            }
        }
        found
    }
}

async fn carry_out(server: &Server, operation: &Operation) -> Answer {
    let collection = operation.subject().collection(&server.namespace);
    match operation {
        Operation::Send { subject, method, rest, content_type, agent, body } => {
            let mut body = body.clone();
            if body.contains("$RV") || body.contains("$UID") {
                let object = server.get(&format!("{collection}/{}", subject.name)).await.body;
                let text = |field: &str| object["metadata"][field].as_str().unwrap_or("0").to_owned();
                body = body.replace("$RV", &text("resourceVersion")).replace("$UID", &text("uid"));
            }
            server.send(&Ask { method, path: format!("{collection}{rest}"), content_type, agent, body }).await
        }
        Operation::Put { rest, agent, edit, .. } => {
            let path = format!("{collection}{rest}");
            let read = server.get(path.split('?').next().unwrap_or_default()).await;
            if !read.is_good() {
                return read;
            }
            let mut object = read.body;
            merge(&mut object, edit);
            server.send(&Ask { method: "PUT", path, content_type: "application/json", agent, body: object.to_string() }).await
        }
    }
}

async fn list(server: &Server, plural: &str) -> Vec<Value> {
    let path = if matches!(plural, "pods" | "configmaps") { server.core(plural) } else { server.apps(plural) };
    server.get(&path).await.body["items"].as_array().cloned().unwrap_or_default()
}

async fn dump(server: &Server) -> Vec<(&'static str, Value)> {
    let mut all = Vec::new();
    for plural in COMPARED {
        let items = list(server, plural).await.into_iter().filter(|it| it["metadata"]["name"] != "kube-root-ca.crt");
        all.extend(items.map(|it| (*plural, it)));
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

/// Waits until nothing changes any more, as far as that can be seen.
async fn quiet(server: &Server) {
    let deadline = tokio::time::Instant::now() + RESTLESS;
    let (mut since, mut before) = (tokio::time::Instant::now(), String::new());
    loop {
        let mut versions = String::new();
        let mut all = Vec::new();
        for plural in &COMPARED[..6] {
            for object in list(server, plural).await {
                versions.push_str(&format!("{} ", object["metadata"]["resourceVersion"]));
                all.push((*plural, object));
            }
        }
        let now = tokio::time::Instant::now();
        if versions != before || all.iter().any(|(plural, object)| is_busy(plural, object, &all)) {
            (since, before) = (now, versions);
        }
        if now - since >= QUIET || now > deadline {
            return;
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
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
    let pods = all.iter().filter(|(plural, pod)| *plural == "pods" && owned(pod) && ready(pod)).count();
    let told = count(if plural == "daemonsets" { &status["numberReady"] } else { &status["readyReplicas"] });
    if matches!(plural, "replicasets" | "statefulsets" | "daemonsets") && i64::try_from(pods).is_ok_and(|pods| pods != told) {
        return true;
    }
    match plural {
        "pods" => {
            let conditions = status["conditions"].as_array();
            let is = |kind: &str, value: &str| conditions.into_iter().flatten().any(|it| it["type"] == kind && it["status"] == value);
            !is("Ready", "True") && !is("PodScheduled", "False")
        }
        "controllerrevisions" => false,
        "daemonsets" => {
            count(&status["observedGeneration"]) != count(&metadata["generation"]) || count(&status["numberReady"]) != count(&status["numberAvailable"])
        }
        _ => {
            count(&status["observedGeneration"]) != count(&metadata["generation"])
                || count(&status["readyReplicas"]) != count(&status["availableReplicas"])
                || plural != "deployments" && count(&status["replicas"]) != count(&spec["replicas"])
        }
    }
}
