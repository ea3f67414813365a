//! A rollout in the simulator beside the recording of the same rollout on a real control plane: per object, the same states in the same order.

use super::object::{list, name, replicas, status_count};
use super::play::Play;
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;

const REPLICA_SETS: &str = include_str!("../../../tests/recordings/watch-replicasets.jsonl");
const DEPLOYMENTS: &str = include_str!("../../../tests/recordings/watch-deployments.jsonl");

fn recorded(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON")["object"].clone()).collect()
}

/// The size and the counts of a ReplicaSet, in one line.
fn set_state(set: &Value) -> String {
    let count = |field| status_count(set, field);
    let counts = ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "terminatingReplicas"].map(count);
    format!("{} {counts:?} observed {}", replicas(set), set["metadata"]["generation"] == set["status"]["observedGeneration"])
}

/// The counts and conditions of a Deployment, in one line.
fn deployment_state(deployment: &Value) -> String {
    let count = |field| status_count(deployment, field);
    let counts = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas"].map(count);
    let conditions: Vec<String> =
        list(&deployment["status"]["conditions"]).iter().map(|it| format!("{}={}/{}", it["type"], it["status"], it["reason"])).collect();
    format!("{counts:?} {}", conditions.join(" "))
}

fn states(objects: &[Value], of: impl Fn(&Value) -> String) -> Vec<String> {
    let mut states: Vec<String> = objects.iter().map(of).collect();
    states.dedup();
    states
}

fn web(play: &mut Play) {
    play.create(
        Kind::DEPLOYMENTS,
        json!({
            "metadata": {"name": "web", "namespace": "default", "labels": {"app": "web"}, "annotations": {"kubernetes.io/change-cause": "initial: nginx 1.25"}},
            "spec": {
                "replicas": 3, "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{
                    "name": "nginx", "image": "nginx:1.25", "ports": [{"containerPort": 80}], "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}},
                    "readinessProbe": {"httpGet": {"path": "/", "port": 80}, "initialDelaySeconds": 1, "periodSeconds": 2},
                }]}},
            },
        }),
    );
    play.wait(20.0);
}

#[test]
fn a_rollout_passes_through_the_states_that_were_recorded() {
    // Which of two updates within milliseconds comes first is the seed's; this one meets them in the recorded order.
    let mut play = Play::seeded(1, 3);
    web(&mut play);
    let start = play.world.store.version();
    play.set_image(Kind::DEPLOYMENTS, "web", "nginx:1.26");
    play.wait(60.0);
    let played = |kind: Kind| -> Vec<Value> { play.world.store.since(kind, start).expect("a short past").map(|entry| Value::clone(&entry.object)).collect() };
    let sets = recorded(REPLICA_SETS);
    for set in ["web-5fc8c66687", "web-68b85755d"] {
        let of = |objects: &[Value]| states(&objects.iter().filter(|it| name(it) == set).cloned().collect::<Vec<_>>(), set_state);
        assert_eq!(of(&played(Kind::REPLICASETS)), of(&sets), "{set}");
    }
    assert_eq!(states(&played(Kind::DEPLOYMENTS), deployment_state), states(&recorded(DEPLOYMENTS), deployment_state));
}

/// What was recorded after a step: the workload, its ReplicaSets or ControllerRevisions, and its pods.
fn dump(step: &str) -> Value {
    let path = format!("{}/tests/recordings/{step}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{path}: {why}"))).expect("JSON")
}

/// A status without its times, and without the pods that were on their way out in the moment of the recording.
fn timeless(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let times = ["lastTransitionTime", "lastUpdateTime", "lastProbeTime", "startTime", "startedAt", "finishedAt", "terminatingReplicas"];
            fields
                .iter()
                .filter(|(key, _)| !times.contains(&key.as_str()))
                .map(|(key, value)| (key.clone(), timeless(value)))
                .collect::<crate::sim::json::Map>()
                .into()
        }
        Value::Array(items) => items.iter().map(timeless).collect(),
        value => value.clone(),
    }
}

/// Name, numbers and size of a revision; for a ControllerRevision its bytes too.
fn revision_of(revision: &Value) -> String {
    let annotation = |key: &str| super::object::annotation(revision, &format!("deployment.kubernetes.io/{key}")).unwrap_or("-").to_owned();
    let cause = super::object::annotation(revision, "kubernetes.io/change-cause").unwrap_or("-");
    if revision["kind"] == "ReplicaSet" {
        let status = timeless(&revision["status"]);
        return format!("{} {} ({}) {} {cause} {status}", name(revision), annotation("revision"), annotation("revision-history"), replicas(revision));
    }
    format!("{} {} {cause} {}", name(revision), revision["revision"], revision["data"])
}

/// Phase, readiness and container states of a pod, with its image in place of its name.
fn pod_of(pod: &Value) -> String {
    let status = &pod["status"];
    let mut conditions: Vec<String> = list(&status["conditions"]).iter().map(|it| format!("{}={}/{}", it["type"], it["status"], it["reason"])).collect();
    conditions.sort();
    let container = &list(&status["containerStatuses"])[0];
    let waiting = container["state"]["waiting"]["reason"].as_str().unwrap_or("-");
    let exit = &container["lastState"]["terminated"]["exitCode"];
    format!(
        "{} {} {} restarts {} waiting {waiting} last {exit} {}",
        container["image"],
        status["phase"],
        container["ready"],
        container["restartCount"],
        conditions.join(" ")
    )
}

struct Told<'a> {
    play: Play,
    kind: Kind,
    workload: &'a str,
    revisions: Kind,
}

/// A played workload beside its recording.
impl Told<'_> {
    fn same_as(&self, step: &str, pods_too: bool) {
        let dump = dump(step);
        assert_eq!(timeless(&self.play.get(self.kind, self.workload)["status"]), timeless(&dump["workload"]["status"]), "{step}: status");
        let sorted = |mut lines: Vec<String>| {
            lines.sort();
            lines
        };
        let own = |object: &Value| super::object::label(object, "app") == Some(self.workload) && !super::object::deleting(object);
        let lines = |objects: &[Value], of: fn(&Value) -> String| sorted(objects.iter().filter(|it| own(it)).map(of).collect());
        let played = |kind: Kind| self.play.all(kind).iter().map(|it| Value::clone(it)).collect::<Vec<_>>();
        assert_eq!(lines(&played(self.revisions), revision_of), lines(list(&dump["revisions"]), revision_of), "{step}: revisions");
        if pods_too {
            assert_eq!(lines(&played(Kind::PODS), pod_of), lines(list(&dump["pods"]), pod_of), "{step}: pods");
        }
    }

    fn cause(&mut self, cause: &str) {
        self.play.edit(self.kind, self.workload, |object| object["metadata"]["annotations"]["kubernetes.io/change-cause"] = json!(cause));
    }

    fn image(&mut self, image: &str) {
        self.play.set_image(self.kind, self.workload, image);
    }

    /// kubectl's undo: the template of a revision, and for a Deployment its change cause.
    fn undo(&mut self, to: i64) {
        if self.kind == Kind::DEPLOYMENTS {
            let set = self.play.replica_set(to);
            let mut template = set["spec"]["template"].clone();
            template["metadata"]["labels"].as_object_mut().expect("labels").remove("pod-template-hash");
            let cause = set["metadata"]["annotations"]["kubernetes.io/change-cause"].clone();
            self.play.edit(self.kind, self.workload, |object| {
                object["spec"]["template"] = template;
                object["metadata"]["annotations"]["kubernetes.io/change-cause"] = cause;
            });
            return;
        }
        let revision = self.play.all(Kind::CONTROLLERREVISIONS).into_iter().find(|it| super::history::number(it) == to).expect("the revision");
        self.play.edit(self.kind, self.workload, |object| object["spec"]["template"] = super::history::template_of(&revision));
    }
}

#[test]
fn a_deployment_goes_through_its_recorded_life() {
    let mut play = Play::small();
    web(&mut play);
    let mut told = Told { play, kind: Kind::DEPLOYMENTS, workload: "web", revisions: Kind::REPLICASETS };
    told.same_as("002-deploy-v1", true);
    told.image("nginx:1.26");
    told.cause("nginx 1.26");
    told.play.wait(20.0);
    told.same_as("008-deploy-v2", true);
    told.image("nginx:1.27");
    told.cause("nginx 1.27");
    told.play.wait(0.2);
    told.same_as("010-deploy-v3-mid", false);
    told.play.wait(20.0);
    told.undo(2);
    told.play.wait(20.0);
    told.same_as("021-deploy-undone", true);
    told.undo(1);
    told.play.wait(20.0);
    told.play.edit(Kind::DEPLOYMENTS, "web", |object| object["spec"]["progressDeadlineSeconds"] = json!(10));
    told.image("nginx:missing-1.99");
    told.cause("broken: nginx missing-1.99");
    told.play.wait(13.2);
    told.same_as("029-deploy-deadline", false);
    told.undo(5);
    told.play.wait(5.0);
    told.same_as("038-deploy-recovered", true);
    told.image("nginx:crash-1.0");
    told.play.wait(11.0);
    told.same_as("041-deploy-crash", true);
    told.undo(7);
    told.play.wait(5.0);
    told.play.edit(Kind::DEPLOYMENTS, "web", |object| object["spec"]["paused"] = json!(true));
    told.image("nginx:1.28");
    told.play.wait(5.0);
    told.same_as("048-deploy-paused", true);
    told.play.edit(Kind::DEPLOYMENTS, "web", |object| object["spec"]["paused"] = json!(false));
    told.play.wait(20.0);
    let restarted = dump("056-deploy-final")["workload"]["spec"]["template"]["metadata"]["annotations"].clone();
    told.play.edit(Kind::DEPLOYMENTS, "web", |object| object["spec"]["template"]["metadata"]["annotations"] = restarted);
    told.play.wait(20.0);
    told.play.scale(Kind::DEPLOYMENTS, "web", 5);
    told.play.wait(10.0);
    told.play.edit(Kind::DEPLOYMENTS, "web", |object| object["spec"]["progressDeadlineSeconds"] = json!(600));
    told.play.wait(5.0);
    told.same_as("056-deploy-final", true);
}

#[test]
fn a_stateful_set_goes_through_its_recorded_life() {
    let mut play = Play::small();
    play.create(
        Kind::STATEFULSETS,
        json!({
            "metadata": {"name": "db", "namespace": "default", "labels": {"app": "db"}, "annotations": {"kubernetes.io/change-cause": "initial: pg 15"}},
            "spec": {
                "serviceName": "db", "replicas": 3, "selector": {"matchLabels": {"app": "db"}},
                "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "pg", "image": "postgres:15", "ports": [{"containerPort": 5432}]}]}},
            },
        }),
    );
    play.wait(20.0);
    let mut told = Told { play, kind: Kind::STATEFULSETS, workload: "db", revisions: Kind::CONTROLLERREVISIONS };
    told.same_as("067-sts-v1", true);
    told.image("postgres:16");
    told.play.wait(0.5);
    told.cause("pg 16");
    told.play.wait(20.0);
    told.same_as("070-sts-v2", true);
    told.undo(1);
    told.play.wait(20.0);
    told.same_as("076-sts-undone", true);
    told.image("postgres:missing-99");
    told.play.wait(12.0);
    told.same_as("080-sts-stuck", false);
    told.undo(3);
    told.play.wait(12.0);
    told.same_as("083-sts-undo-stuck", false);
    told.play.delete(Kind::PODS, "db-2", &crate::sim::api::DeleteOptions::default());
    told.play.wait(10.0);
    told.same_as("086-sts-recovered", true);
}

#[test]
fn a_daemon_set_goes_through_its_recorded_life() {
    let mut play = Play::small();
    play.create(
        Kind::DAEMONSETS,
        json!({
            "metadata": {"name": "agent", "namespace": "default", "labels": {"app": "agent"}, "annotations": {"kubernetes.io/change-cause": "initial: agent 1.0"}},
            "spec": {
                "selector": {"matchLabels": {"app": "agent"}},
                "template": {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [{"name": "agent", "image": "example.com/agent:1.0"}]}},
            },
        }),
    );
    play.wait(10.0);
    let mut told = Told { play, kind: Kind::DAEMONSETS, workload: "agent", revisions: Kind::CONTROLLERREVISIONS };
    told.same_as("090-ds-v1", true);
    told.image("example.com/agent:1.1");
    told.play.wait(0.5);
    told.cause("agent 1.1");
    told.play.wait(20.0);
    told.same_as("093-ds-v2", true);
    told.undo(1);
    told.play.wait(20.0);
    told.same_as("099-ds-undone", true);
    told.image("example.com/agent:missing-2.0");
    told.play.wait(12.0);
    told.same_as("103-ds-stuck", false);
    told.undo(3);
    told.play.wait(10.0);
    told.same_as("107-ds-recovered", true);
}
