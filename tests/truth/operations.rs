//! Random but seeded sequences of what clients do: good writes, odd ones and wrong ones, of the kinds that rollouts touch.
//!
//! An operation is data, so that a sequence can be cut short and sent to two servers. What comes of it is not known here.

use std::fmt;

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde_json::{Value, json};

use super::people;

/// What an operation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    pub plural: &'static str,
    pub name: &'static str,
}

impl Subject {
    pub fn kind(self) -> &'static str {
        match self.plural {
            "deployments" => "Deployment",
            "replicasets" => "ReplicaSet",
            "statefulsets" => "StatefulSet",
            "daemonsets" => "DaemonSet",
            "configmaps" => "ConfigMap",
            _ => "Pod",
        }
    }

    pub fn api_version(self) -> &'static str {
        if matches!(self.plural, "configmaps" | "pods") { "v1" } else { "apps/v1" }
    }

    pub fn is_workload(self) -> bool {
        self.api_version() == "apps/v1"
    }

    pub fn collection(self, namespace: &str) -> String {
        let root = if self.is_workload() { "/apis/apps/v1" } else { "/api/v1" };
        format!("{root}/namespaces/{namespace}/{}", self.plural)
    }
}

/// One thing that a client does.
#[derive(Clone, Debug)]
pub enum Operation {
    /// A request as it stands; `$RV` and `$UID` in the body are the object's own.
    Send { subject: Subject, method: &'static str, rest: String, content_type: &'static str, agent: &'static str, body: String },
    /// The object is read, edited as a merge patch says, and put back.
    Put { subject: Subject, rest: String, agent: &'static str, edit: Value },
    /// `kubectl rollout undo`, to a revision or, with 0, to the last but one.
    Undo { subject: Subject, to: i64, agent: &'static str },
    /// Something done to what a workload owns.
    Owned { subject: Subject, what: Owned },
}

/// What is done to an owned object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owned {
    DeletePod,
    EvictPod,
    DetachPod,
    DeleteNewestSet,
    DeleteOldestSet,
    ScaleSet,
}

impl Operation {
    pub fn subject(&self) -> Subject {
        match self {
            Operation::Send { subject, .. } | Operation::Put { subject, .. } | Operation::Undo { subject, .. } | Operation::Owned { subject, .. } => *subject,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Operation::Send { subject, method, rest, content_type, agent, body } => {
                write!(f, "{agent}: {method} {} {rest} {content_type} {body}", subject.plural)
            }
            Operation::Put { subject, rest, agent, edit } => write!(f, "{agent}: PUT {} {rest} edited by {edit}", subject.plural),
            Operation::Undo { subject, to, agent } => write!(f, "{agent}: undo {}/{} to {to}", subject.plural, subject.name),
            Operation::Owned { subject, what } => write!(f, "{what:?} of {}/{}", subject.plural, subject.name),
        }
    }
}

const AGENTS: &[&str] = &["kubectl/v1.36.3", "rollsh/1", "curl/8"];
const JSON: &str = "application/json";
const JSON_PATCH: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
pub const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

const SUBJECTS: &[Subject] = &[
    Subject { plural: "deployments", name: "web" },
    Subject { plural: "deployments", name: "web" },
    Subject { plural: "deployments", name: "api" },
    Subject { plural: "statefulsets", name: "db" },
    Subject { plural: "statefulsets", name: "db" },
    Subject { plural: "daemonsets", name: "agent" },
    Subject { plural: "replicasets", name: "bare" },
    Subject { plural: "configmaps", name: "conf" },
    Subject { plural: "pods", name: "solo" },
];

pub struct Dice(Pcg64Mcg);

impl Dice {
    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.0.next_u64() % bound as u64).expect("below a usize")
    }

    pub fn one<T: Clone>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())].clone()
    }

    /// Whether something happens that happens so many times in a hundred.
    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }
}

/// The operations of one seed: of every three seeds one writes mostly what people write, and one what no careful client would.
pub fn sequence(seed: u64, count: usize) -> Vec<Operation> {
    let mut dice = Dice(Pcg64Mcg::seed_from_u64(seed));
    let common = [15, 50, 90][usize::try_from(seed % 3).expect("below three")];
    // Few objects, so that many operations meet on each.
    let mut subjects: Vec<Subject> = Vec::new();
    while subjects.len() < 3 {
        let subject = dice.one(SUBJECTS);
        if !subjects.contains(&subject) {
            subjects.push(subject);
        }
    }
    let mut there: Vec<Subject> = Vec::new();
    let mut operations = Vec::new();
    while operations.len() < count {
        let subject = dice.one(&subjects);
        if !there.contains(&subject) && dice.percent(90) {
            let as_people = subject.is_workload() && dice.percent(common);
            operations.push(if as_people { people::create(&mut dice, subject) } else { create(&mut dice, subject) });
            there.push(subject);
            continue;
        }
        if there.contains(&subject) && dice.percent(4) {
            there.retain(|it| *it != subject);
            operations.push(delete(&mut dice, subject));
            continue;
        }
        let usual = if dice.percent(common) { people::change(&mut dice, subject) } else { None };
        operations.push(usual.unwrap_or_else(|| change(&mut dice, subject)));
    }
    operations
}

fn query(dice: &mut Dice) -> String {
    let mut given = Vec::new();
    if dice.percent(10) {
        given.push(dice.one(&["dryRun=All", "dryRun=All", "dryRun=All", "dryRun=Some"]));
    }
    if dice.percent(20) {
        given.push(dice.one(&["fieldManager=one", "fieldManager=two", "fieldManager=kubectl-set", "fieldManager=kubectl-client-side-apply"]));
    }
    if dice.percent(20) {
        given.push(dice.one(&["fieldValidation=Strict", "fieldValidation=Warn", "fieldValidation=Ignore", "fieldValidation=Strict", "fieldValidation=Odd"]));
    }
    if given.is_empty() { String::new() } else { format!("?{}", given.join("&")) }
}

fn send(dice: &mut Dice, subject: Subject, method: &'static str, rest: &str, content_type: &'static str, body: &Value) -> Operation {
    let (query, agent) = (query(dice), dice.one(AGENTS));
    Operation::Send { subject, method, rest: format!("{rest}{query}"), content_type, agent, body: body.to_string() }
}

fn on(subject: Subject, part: &str) -> String {
    format!("/{}{part}", subject.name)
}

/// A whole object, as simple as can be.
pub fn plain(dice: &mut Dice, subject: Subject) -> Value {
    let name = subject.name;
    let labels = json!({ "app": name });
    let image = format!("shop/{name}:{}", dice.below(3) + 1);
    let pod = json!({ "containers": [{ "name": "app", "image": image }] });
    let mut object = json!({ "apiVersion": subject.api_version(), "kind": subject.kind(), "metadata": { "name": name, "labels": labels } });
    match subject.plural {
        "configmaps" => object["data"] = json!({ "one": "1", "two": "2" }),
        "pods" => object["spec"] = pod,
        plural => {
            object["spec"] = json!({ "selector": { "matchLabels": labels }, "template": { "metadata": { "labels": labels }, "spec": pod } });
            if plural != "daemonsets" {
                object["spec"]["replicas"] = dice.below(3).into();
            }
            if plural == "statefulsets" {
                object["spec"]["serviceName"] = "db".into();
            }
        }
    }
    object
}

/// Merges as RFC 7386 does; lists of containers by index, so that what is there stays.
pub fn merge(object: &mut Value, patch: &Value) {
    match (object, patch) {
        (object, Value::Object(fields)) => {
            if !object.is_object() {
                *object = json!({});
            }
            for (name, value) in fields {
                if value.is_null() {
                    object.as_object_mut().map(|it| it.remove(name));
                } else if name == "containers" && object[name].is_array() {
                    for (at, value) in value.as_array().into_iter().flatten().enumerate() {
                        if at < object[name].as_array().map_or(0, Vec::len) {
                            merge(&mut object[name][at], value);
                        } else if let Some(list) = object[name].as_array_mut() {
                            list.push(value.clone());
                        }
                    }
                } else {
                    merge(&mut object[name], value);
                }
            }
        }
        (object, value) => *object = value.clone(),
    }
}

fn within_template(subject: Subject, edit: Value) -> Value {
    if subject.plural == "pods" { edit } else { json!({ "spec": { "template": edit } }) }
}

fn container(fields: Value) -> Value {
    let mut container = json!({ "name": "app" });
    merge(&mut container, &fields);
    json!({ "spec": { "containers": [container] } })
}

/// A change of a pod template that is good on its own.
fn good_template(dice: &mut Dice) -> Value {
    let all = [
        container(json!({ "image": "shop/web:2" })),
        container(json!({ "image": "shop/web:3" })),
        container(json!({ "image": "shop/web" })),
        container(json!({ "image": "shop/web@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" })),
        container(json!({ "env": [{ "name": "A", "value": "1" }, { "name": "B", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }] })),
        container(json!({ "env": [{ "name": "B", "value": "2" }, { "name": "C" }] })),
        container(json!({ "env": [{ "name": "A", "valueFrom": { "configMapKeyRef": { "name": "conf", "key": "one", "optional": true } } }] })),
        container(json!({ "envFrom": [{ "configMapRef": { "name": "conf", "optional": true } }] })),
        container(json!({ "ports": [{ "containerPort": 8080 }] })),
        container(json!({ "ports": [{ "name": "http", "containerPort": 80, "protocol": "TCP" }, { "name": "dns", "containerPort": 53, "protocol": "UDP" }] })),
        container(json!({ "resources": { "requests": { "cpu": "0.1", "memory": "64Mi" }, "limits": { "memory": "0.5Gi" } } })),
        container(json!({ "resources": { "limits": { "cpu": "1000m", "memory": "1e6" } } })),
        container(json!({ "command": ["sh", "-c"], "args": ["sleep 1 && echo <&>"] })),
        container(json!({ "imagePullPolicy": "Always" })),
        container(json!({ "readinessProbe": { "httpGet": { "path": "/", "port": 80 } } })),
        container(json!({ "livenessProbe": { "tcpSocket": { "port": "http" }, "periodSeconds": 3 }, "ports": [{ "name": "http", "containerPort": 80 }] })),
        container(json!({ "startupProbe": { "exec": { "command": ["true"] }, "failureThreshold": 30 } })),
        container(json!({ "lifecycle": { "preStop": { "exec": { "command": ["sleep", "1"] } } } })),
        container(json!({ "securityContext": { "runAsNonRoot": true, "runAsUser": 1000, "capabilities": { "drop": ["ALL"] } } })),
        container(json!({ "workingDir": "/srv", "terminationMessagePolicy": "FallbackToLogsOnError" })),
        container(json!({ "volumeMounts": [{ "name": "tmp", "mountPath": "/tmp" }] })),
        json!({ "metadata": { "annotations": { "kubectl.kubernetes.io/restartedAt": "yesterday" } } }),
        json!({ "metadata": { "annotations": { "note": "<a&b>" } } }),
        json!({ "metadata": { "labels": { "tier": "front" } } }),
        json!({ "spec": { "terminationGracePeriodSeconds": 5 } }),
        json!({ "spec": { "nodeSelector": { "kubernetes.io/os": "linux" } } }),
        json!({ "spec": { "volumes": [{ "name": "tmp", "emptyDir": {} }] } }),
        json!({ "spec": { "volumes": [{ "name": "tmp", "emptyDir": { "medium": "Memory", "sizeLimit": "1Gi" } }, { "name": "c", "configMap": { "name": "conf", "optional": true } }] } }),
        json!({ "spec": { "volumes": [{ "name": "d", "downwardAPI": { "items": [{ "path": "labels", "fieldRef": { "fieldPath": "metadata.labels" } }] } }] } }),
        json!({ "spec": { "volumes": [{ "name": "h", "hostPath": { "path": "/tmp" } }, { "name": "s", "secret": { "secretName": "none", "optional": true } }] } }),
        json!({ "spec": { "tolerations": [{ "key": "a", "operator": "Exists" }, { "key": "b", "value": "c", "effect": "NoSchedule" }] } }),
        json!({ "spec": { "securityContext": { "runAsUser": 1, "fsGroup": 2 } } }),
        json!({ "spec": { "dnsPolicy": "None", "dnsConfig": { "nameservers": ["10.0.0.1"] } } }),
        json!({ "spec": { "hostAliases": [{ "ip": "10.1.2.3", "hostnames": ["a", "b"] }] } }),
        json!({ "spec": { "imagePullSecrets": [{ "name": "one" }, { "name": "two" }] } }),
        json!({ "spec": { "serviceAccountName": "default" } }),
        json!({ "spec": { "automountServiceAccountToken": false, "enableServiceLinks": false } }),
        json!({ "spec": { "initContainers": [{ "name": "init", "image": "shop/init:1" }] } }),
        json!({ "spec": { "containers": [{ "name": "app" }, { "name": "side", "image": "shop/side:1" }] } }),
        json!({ "spec": { "topologySpreadConstraints": [{ "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": { "matchLabels": { "app": "web" } } }] } }),
        json!({ "spec": { "affinity": { "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [{ "weight": 1, "podAffinityTerm": {
            "topologyKey": "kubernetes.io/hostname", "labelSelector": { "matchLabels": { "app": "web" } } } }] } } } }),
        json!({ "spec": { "priorityClassName": "system-node-critical" } }),
        json!({ "spec": { "hostname": "h", "subdomain": "s", "setHostnameAsFQDN": true } }),
        json!({ "spec": { "shareProcessNamespace": true, "hostPID": false } }),
    ];
    dice.one(&all)
}

/// A change of a pod template that no server takes, or takes in its own way.
fn bad_template(dice: &mut Dice) -> Value {
    let all = [
        container(json!({ "image": "" })),
        container(json!({ "image": " shop/web:1" })),
        container(json!({ "imagePullPolicy": "Sometimes" })),
        container(json!({ "ports": [{ "containerPort": 0 }] })),
        container(json!({ "ports": [{ "containerPort": 80, "protocol": "tcp" }, { "name": "Http_", "containerPort": 70000 }] })),
        container(json!({ "ports": [{ "name": "a", "containerPort": 1 }, { "name": "a", "containerPort": 2 }] })),
        container(json!({ "env": [{ "value": "1" }] })),
        container(json!({ "env": [{ "name": "A", "value": "1" }, { "name": "A", "value": "2" }] })),
        container(json!({ "env": [{ "name": "A", "value": "1", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } }] })),
        container(json!({ "env": [{ "name": "A", "valueFrom": { "fieldRef": { "fieldPath": "metadata.nope" } } }] })),
        container(json!({ "env": [{ "name": "A", "value": 1 }] })),
        container(json!({ "resources": { "requests": { "cpu": "2" }, "limits": { "cpu": "1" } } })),
        container(json!({ "resources": { "requests": { "cpu": "lots" } } })),
        container(json!({ "resources": { "requests": { "memory": "-1" } } })),
        container(json!({ "resources": { "limits": { "gold": "1" } } })),
        container(json!({ "volumeMounts": [{ "name": "nowhere", "mountPath": "/x" }] })),
        container(json!({ "volumeMounts": [{ "name": "tmp", "mountPath": "" }, { "name": "tmp", "mountPath": "" }] })),
        container(json!({ "readinessProbe": {} })),
        container(json!({ "readinessProbe": { "httpGet": { "port": 0 }, "periodSeconds": -1 } })),
        container(json!({ "livenessProbe": { "exec": {}, "successThreshold": 2 } })),
        container(json!({ "readinessProbe": { "httpGet": { "port": "http" }, "tcpSocket": { "port": 1 } } })),
        container(json!({ "lifecycle": { "preStop": {} } })),
        container(json!({ "securityContext": { "runAsUser": -1 } })),
        container(json!({ "terminationMessagePolicy": "Never" })),
        container(json!({ "comand": ["sh"] })),
        json!({ "spec": { "containers": [{ "name": "UPPER", "image": "x" }] } }),
        json!({ "spec": { "containers": [{ "name": "app", "image": "x" }, { "name": "app", "image": "y" }] } }),
        json!({ "spec": { "containers": [{ "image": "x" }] } }),
        json!({ "spec": { "containers": [] } }),
        json!({ "spec": { "containers": null } }),
        json!({ "spec": { "containers": "app" } }),
        json!({ "spec": { "initContainers": [{ "name": "app", "image": "x" }] } }),
        json!({ "spec": { "restartPolicy": "Never" } }),
        json!({ "spec": { "restartPolicy": "Sometimes" } }),
        json!({ "spec": { "dnsPolicy": "None" } }),
        json!({ "spec": { "dnsPolicy": "Some" } }),
        json!({ "spec": { "terminationGracePeriodSeconds": -5 } }),
        json!({ "spec": { "terminationGracePeriodSeconds": "5" } }),
        json!({ "spec": { "activeDeadlineSeconds": 5 } }),
        json!({ "spec": { "activeDeadlineSeconds": -1 } }),
        json!({ "spec": { "nodeSelector": { "a b": "c" } } }),
        json!({ "spec": { "nodeSelector": { "a": 1 } } }),
        json!({ "spec": { "volumes": [{ "name": "x" }] } }),
        json!({ "spec": { "volumes": [{ "name": "x", "emptyDir": {} }, { "name": "x", "emptyDir": {} }] } }),
        json!({ "spec": { "volumes": [{ "name": "x", "emptyDir": {}, "hostPath": { "path": "/" } }] } }),
        json!({ "spec": { "volumes": [{ "name": "X!", "configMap": {} }] } }),
        json!({ "spec": { "tolerations": [{ "operator": "Exists", "value": "x" }, { "key": "a", "operator": "Maybe" }, { "effect": "Explode" }] } }),
        json!({ "spec": { "hostNetwork": true, "containers": [{ "name": "app", "ports": [{ "containerPort": 80, "hostPort": 81 }] }] } }),
        json!({ "spec": { "topologySpreadConstraints": [{ "maxSkew": 0, "topologyKey": "", "whenUnsatisfiable": "Explode" }] } }),
        json!({ "spec": { "securityContext": { "runAsUser": -1, "fsGroup": -1 } } }),
        json!({ "spec": { "serviceAccountName": "Not A Name" } }),
        json!({ "spec": { "hostname": "Not.A.Label" } }),
        json!({ "spec": { "nodeName": "no such/node" } }),
        json!({ "spec": { "hostNetwork": true } }),
        json!({ "spec": { "priorityClassName": "no-such-class" } }),
        json!({ "metadata": { "labels": { "app": "other" } } }),
        json!({ "metadata": { "labels": { "tier": "a b" } } }),
        json!({ "metadata": { "labels": { "-x": "y" } } }),
        json!({ "metadata": { "annotations": { "a b": "c" } } }),
        json!({ "metadata": { "labels": { "n": 1 } } }),
        json!({ "metadata": { "labels": "none" } }),
        json!({ "spec": { "contaners": [] } }),
    ];
    dice.one(&all)
}

/// A change of something outside of the template.
fn outside(dice: &mut Dice, subject: Subject) -> Value {
    let common = [
        json!({ "metadata": { "labels": { "team": "a" } } }),
        json!({ "metadata": { "labels": { "team": "b", "x": "y" } } }),
        json!({ "metadata": { "labels": { "team": null } } }),
        json!({ "metadata": { "annotations": { "kubernetes.io/change-cause": "because" } } }),
        json!({ "metadata": { "annotations": { "note": "1" } } }),
        json!({ "metadata": { "annotations": { "note": "2", "other": "3" } } }),
        json!({ "metadata": { "annotations": { "note": null } } }),
        json!({ "metadata": { "annotations": null } }),
        json!({ "metadata": { "labels": { "team": "-" } } }),
        json!({ "metadata": { "labels": { "bad key": "x" } } }),
        json!({ "metadata": { "annotations": { "": "x" } } }),
        json!({ "metadata": { "name": "other" } }),
        json!({ "metadata": { "namespace": "other" } }),
        json!({ "metadata": { "uid": "11111111-2222-3333-4444-555555555555" } }),
        json!({ "metadata": { "generation": 77 } }),
        json!({ "metadata": { "creationTimestamp": "2001-01-01T00:00:00Z" } }),
        json!({ "metadata": { "creationTimestamp": "soon" } }),
        json!({ "metadata": { "resourceVersion": "1" } }),
        json!({ "metadata": { "resourceVersion": "x" } }),
        json!({ "metadata": { "resourceVersion": null } }),
        json!({ "metadata": { "generateName": "other-" } }),
        json!({ "metadata": { "finalizers": ["bad"] } }),
        json!({ "metadata": { "managedFields": [] } }),
        json!({ "metadata": { "managedFields": [{}] } }),
        json!({ "metadata": { "ownerReferences": [{ "apiVersion": "v1", "kind": "ConfigMap", "name": "x" }] } }),
        json!({ "metadata": { "selfLink": "/x", "unknown": 1 } }),
        json!({ "unknown": { "deep": [1] } }),
        json!({ "kind": "Other" }),
        json!({ "apiVersion": "v9" }),
        json!({ "status": { "replicas": 77, "observedGeneration": 99 } }),
        json!({ "spec": { "unknown": true } }),
        json!({}),
    ];
    let own: Vec<Value> = match subject.plural {
        "configmaps" => vec![
            json!({ "data": { "one": "one" } }),
            json!({ "data": { "two": null, "three": "3" } }),
            json!({ "data": null }),
            json!({ "data": { "bad key": "x" } }),
            json!({ "data": { "n": 1 } }),
            json!({ "binaryData": { "b": "aGVsbG8=" } }),
            json!({ "binaryData": { "b": "not base64" } }),
            json!({ "binaryData": { "one": "aGVsbG8=" } }),
            json!({ "immutable": false }),
        ],
        "pods" => vec![
            container(json!({ "image": "shop/solo:9" })),
            container(json!({ "image": "shop/solo:9" })),
            json!({ "spec": { "activeDeadlineSeconds": 1000 } }),
            json!({ "spec": { "tolerations": [{ "key": "new", "operator": "Exists" }] } }),
            json!({ "spec": { "restartPolicy": "Never" } }),
            json!({ "spec": { "terminationGracePeriodSeconds": 7 } }),
            json!({ "spec": { "hostname": "x" } }),
        ],
        plural => {
            let mut all = vec![
                json!({ "spec": { "minReadySeconds": 1 } }),
                json!({ "spec": { "minReadySeconds": -1 } }),
                json!({ "spec": { "selector": { "matchLabels": { "app": "x" } } } }),
                json!({ "spec": { "selector": null } }),
                json!({ "spec": { "selector": { "matchExpressions": [{ "key": "app", "operator": "In" }] } } }),
                json!({ "spec": { "template": null } }),
            ];
            if plural != "daemonsets" {
                all.extend([
                    json!({ "spec": { "replicas": 0 } }),
                    json!({ "spec": { "replicas": 1 } }),
                    json!({ "spec": { "replicas": 2 } }),
                    json!({ "spec": { "replicas": 2 } }),
                    json!({ "spec": { "replicas": null } }),
                    json!({ "spec": { "replicas": -1 } }),
                    json!({ "spec": { "replicas": "2" } }),
                    json!({ "spec": { "replicas": 1.5 } }),
                ]);
            }
            if plural != "replicasets" {
                all.extend([
                    json!({ "spec": { "revisionHistoryLimit": 1 } }),
                    json!({ "spec": { "revisionHistoryLimit": 0 } }),
                    json!({ "spec": { "revisionHistoryLimit": -1 } }),
                ]);
            }
            match plural {
                "deployments" => all.extend([
                    json!({ "spec": { "paused": true } }),
                    json!({ "spec": { "paused": null } }),
                    json!({ "spec": { "paused": false } }),
                    json!({ "spec": { "paused": null } }),
                    json!({ "spec": { "progressDeadlineSeconds": 900 } }),
                    json!({ "spec": { "progressDeadlineSeconds": 0 } }),
                    json!({ "spec": { "progressDeadlineSeconds": 2147483647 } }),
                    json!({ "spec": { "strategy": { "type": "Recreate", "rollingUpdate": null } } }),
                    json!({ "spec": { "strategy": { "type": "Recreate" } } }),
                    json!({ "spec": { "strategy": { "type": "RollingUpdate" } } }),
                    json!({ "spec": { "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 0, "maxUnavailable": 1 } } } }),
                    json!({ "spec": { "strategy": { "rollingUpdate": { "maxSurge": "50%", "maxUnavailable": 0 } } } }),
                    json!({ "spec": { "strategy": { "rollingUpdate": { "maxSurge": 0, "maxUnavailable": 0 } } } }),
                    json!({ "spec": { "strategy": { "rollingUpdate": { "maxSurge": "x", "maxUnavailable": "101%" } } } }),
                    json!({ "spec": { "strategy": { "type": "Other" } } }),
                    json!({ "spec": { "strategy": null } }),
                ]),
                "statefulsets" => all.extend([
                    json!({ "spec": { "updateStrategy": { "type": "OnDelete", "rollingUpdate": null } } }),
                    json!({ "spec": { "updateStrategy": { "type": "OnDelete" } } }),
                    json!({ "spec": { "updateStrategy": { "type": "RollingUpdate" } } }),
                    json!({ "spec": { "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "partition": 1 } } } }),
                    json!({ "spec": { "updateStrategy": { "rollingUpdate": { "partition": -1 } } } }),
                    json!({ "spec": { "updateStrategy": { "type": "Other" } } }),
                    json!({ "spec": { "updateStrategy": null } }),
                    json!({ "spec": { "podManagementPolicy": "Parallel" } }),
                    json!({ "spec": { "serviceName": "other" } }),
                    json!({ "spec": { "ordinals": { "start": 1 } } }),
                    json!({ "spec": { "ordinals": { "start": -1 } } }),
                    json!({ "spec": { "persistentVolumeClaimRetentionPolicy": { "whenDeleted": "Delete" } } }),
                    json!({ "spec": { "persistentVolumeClaimRetentionPolicy": { "whenScaled": "Never" } } }),
                ]),
                "daemonsets" => all.extend([
                    json!({ "spec": { "updateStrategy": { "type": "OnDelete", "rollingUpdate": null } } }),
                    json!({ "spec": { "updateStrategy": { "type": "OnDelete" } } }),
                    json!({ "spec": { "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 0 } } } }),
                    json!({ "spec": { "updateStrategy": { "rollingUpdate": { "maxSurge": 1, "maxUnavailable": 1 } } } }),
                    json!({ "spec": { "updateStrategy": { "rollingUpdate": { "maxUnavailable": "34%" } } } }),
                    json!({ "spec": { "updateStrategy": { "rollingUpdate": { "maxUnavailable": 0 } } } }),
                    json!({ "spec": { "updateStrategy": { "type": "Other" } } }),
                ]),
                _ => {}
            }
            all
        }
    };
    if dice.percent(40) { dice.one(&common) } else { dice.one(&own) }
}

/// An edit of an object as a merge patch whose containers are merged.
fn edit(dice: &mut Dice, subject: Subject) -> Value {
    let templated = subject.plural != "configmaps" && subject.plural != "pods";
    match dice.below(100) {
        0..45 if templated => {
            let template = good_template(dice);
            within_template(subject, template)
        }
        45..55 if subject.plural != "configmaps" => {
            let template = bad_template(dice);
            within_template(subject, template)
        }
        _ => outside(dice, subject),
    }
}

fn create(dice: &mut Dice, subject: Subject) -> Operation {
    let mut object = plain(dice, subject);
    if dice.percent(40) && subject.plural != "configmaps" {
        let template = good_template(dice);
        merge(&mut object, &within_template(subject, template));
    }
    if dice.percent(30) {
        let change = edit(dice, subject);
        merge(&mut object, &change);
    }
    match dice.below(10) {
        0..3 => apply_of(dice, subject, &object),
        3 => {
            // Without its kind, as some clients send.
            object.as_object_mut().map(|it| it.remove("kind"));
            send(dice, subject, "POST", "", JSON, &object)
        }
        _ => send(dice, subject, "POST", "", JSON, &object),
    }
}

fn apply_of(dice: &mut Dice, subject: Subject, object: &Value) -> Operation {
    let manager = dice.one(&["one", "two", "kubectl"]);
    let force = dice.one(&["", "&force=true", "&force=true", "&force=false"]);
    let dry = if dice.percent(8) { "&dryRun=All" } else { "" };
    let validation = dice.one(&["", "&fieldValidation=Strict", "&fieldValidation=Warn"]);
    let rest = format!("/{}?fieldManager={manager}{force}{dry}{validation}", subject.name);
    Operation::Send { subject, method: "PATCH", rest, content_type: APPLY, agent: "kubectl/v1.36.3", body: object.to_string() }
}

/// What an applier says: a part of the object, not always the same.
fn apply(dice: &mut Dice, subject: Subject) -> Operation {
    let mut object = plain(dice, subject);
    if dice.percent(50) {
        // One who cares for little only.
        object = json!({ "apiVersion": subject.api_version(), "kind": subject.kind(), "metadata": { "name": subject.name } });
    }
    for _ in 0..dice.below(3) {
        let change = edit(dice, subject);
        merge(&mut object, &change);
    }
    apply_of(dice, subject, &object)
}

fn json_patch(dice: &mut Dice, subject: Subject) -> Value {
    let template = if subject.plural == "pods" { "/spec" } else { "/spec/template/spec" };
    let all = [
        json!([{ "op": "replace", "path": format!("{template}/containers/0/image"), "value": "shop/web:2" }]),
        json!([{ "op": "test", "path": "/metadata/resourceVersion", "value": "$RV" }, { "op": "add", "path": "/metadata/labels/json", "value": "patch" }]),
        json!([{ "op": "test", "path": "/metadata/resourceVersion", "value": "1" }, { "op": "add", "path": "/metadata/labels/json", "value": "patch" }]),
        json!([{ "op": "replace", "path": "/metadata/resourceVersion", "value": "1" }]),
        json!([{ "op": "add", "path": "/metadata/labels/json", "value": "patch" }]),
        json!([{ "op": "remove", "path": "/metadata/labels/json" }]),
        json!([{ "op": "replace", "path": "/metadata/labels/nope", "value": "x" }]),
        json!([{ "op": "add", "path": "/metadata/annotations", "value": { "note": "json" } }]),
        json!([{ "op": "replace", "path": "/metadata/annotations", "value": { "note": "json" } }]),
        json!([{ "op": "remove", "path": "/metadata/annotations" }]),
        json!([{ "op": "add", "path": format!("{template}/containers/0/env"), "value": [{ "name": "J", "value": "1" }] }]),
        json!([{ "op": "add", "path": format!("{template}/containers/0/env/-"), "value": { "name": "K", "value": "1" } }]),
        json!([{ "op": "remove", "path": format!("{template}/containers/0/env/0") }]),
        json!([{ "op": "remove", "path": format!("{template}/containers/7") }]),
        json!([{ "op": "copy", "from": "/metadata/labels/app", "path": "/metadata/labels/copied" }]),
        json!([{ "op": "move", "from": "/metadata/labels/copied", "path": "/metadata/labels/moved" }]),
        json!([{ "op": "replace", "path": "/spec/replicas", "value": 2 }]),
        json!([{ "op": "replace", "path": "/spec/replicas", "value": "two" }]),
        json!([{ "op": "add", "path": "/spec/nope", "value": 1 }]),
        json!([{ "op": "frob", "path": "/spec", "value": 1 }]),
        json!([{ "op": "add", "value": 1 }]),
        json!([{ "path": "/spec" }]),
        json!([]),
        json!({ "op": "add" }),
    ];
    dice.one(&all)
}

fn strategic(dice: &mut Dice, subject: Subject) -> Value {
    let templated = [
        json!({ "spec": { "$setElementOrder/containers": [{ "name": "app" }], "containers": [{ "name": "app", "image": "shop/web:2" }] } }),
        json!({ "spec": { "$setElementOrder/containers": [{ "name": "side" }, { "name": "app" }], "containers": [{ "name": "side", "image": "shop/side:2" }] } }),
        json!({ "spec": { "containers": [{ "name": "side", "image": "shop/side:2" }] } }),
        json!({ "spec": { "containers": [{ "name": "side", "$patch": "delete" }] } }),
        json!({ "spec": { "containers": [{ "$patch": "replace" }, { "name": "app", "image": "shop/web:3" }] } }),
        json!({ "spec": { "containers": [{ "name": "app", "env": [{ "name": "S", "value": "1" }] }] } }),
        json!({ "spec": { "containers": [{ "name": "app", "env": [{ "name": "A", "$patch": "delete" }] }] } }),
        json!({ "spec": { "containers": [{ "name": "app", "ports": [{ "containerPort": 8080, "name": "web" }] }] } }),
        json!({ "spec": { "containers": [{ "image": "shop/web:2" }] } }),
        json!({ "spec": { "$patch": "replace", "containers": [{ "name": "app", "image": "shop/web:1" }] } }),
        json!({ "spec": { "$patch": "explode" } }),
        json!({ "spec": { "volumes": [{ "name": "tmp", "$retainKeys": ["name", "emptyDir"], "emptyDir": {} }] } }),
        json!({ "spec": { "volumes": [{ "name": "tmp", "$retainKeys": ["name"], "hostPath": { "path": "/" } }] } }),
        json!({ "spec": { "tolerations": null, "nodeSelector": null } }),
        json!({ "spec": { "imagePullSecrets": [{ "name": "one", "$patch": "delete" }, { "name": "three" }] } }),
        json!({ "metadata": { "annotations": { "kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z" } } }),
    ];
    let outside = [
        json!({ "spec": { "strategy": { "$retainKeys": ["type"], "type": "Recreate" } } }),
        json!({ "spec": { "strategy": { "$patch": "replace", "type": "Recreate" } } }),
        json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["x/y"] } }),
        json!({ "metadata": { "labels": { "$patch": "replace", "app": subject.name, "only": "this" } } }),
        json!({ "metadata": { "labels": { "$patch": "delete" } } }),
        json!({ "metadata": { "resourceVersion": "$RV", "labels": { "locked": "yes" } } }),
        json!({ "metadata": { "uid": "$UID", "labels": { "same": "uid" } } }),
        json!({ "status": { "conditions": [{ "type": "Mine", "status": "True" }] } }),
    ];
    if dice.percent(65) && subject.plural != "configmaps" {
        let template = dice.one(&templated);
        return within_template(subject, template);
    }
    dice.one(&outside)
}

fn scale(dice: &mut Dice, subject: Subject) -> Operation {
    let body = dice.one(&[
        json!({ "spec": { "replicas": 2 } }),
        json!({ "spec": { "replicas": 1 } }),
        json!({ "spec": { "replicas": 0 } }),
        json!({ "spec": { "replicas": -1 } }),
        json!({ "spec": null }),
        json!({ "spec": { "replicas": "x" } }),
        json!({ "metadata": { "resourceVersion": "1" }, "spec": { "replicas": 1 } }),
        json!({ "metadata": { "name": "x" } }),
        json!({ "metadata": { "labels": { "a": "b" } } }),
    ]);
    match dice.below(10) {
        0 => send(dice, subject, "GET", &on(subject, "/scale"), JSON, &Value::Null),
        1..4 => Operation::Put { subject, rest: on(subject, "/scale"), agent: "kubectl/v1.36.3", edit: body },
        4 => {
            let scale = json!({ "apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": { "name": subject.name }, "spec": { "replicas": 1 } });
            let rest = format!("/{}/scale?fieldManager=one{}", subject.name, dice.one(&["", "&force=true"]));
            Operation::Send { subject, method: "PATCH", rest, content_type: APPLY, agent: "kubectl/v1.36.3", body: scale.to_string() }
        }
        _ => {
            let content_type = dice.one(&[MERGE, MERGE, STRATEGIC]);
            send(dice, subject, "PATCH", &on(subject, "/scale"), content_type, &body)
        }
    }
}

fn status(dice: &mut Dice, subject: Subject) -> Operation {
    // What no controller of the kind writes again at once: else the two of them race.
    let edit = dice.one(&[
        json!({ "metadata": { "annotations": { "by": "status" } } }),
        json!({ "metadata": { "labels": { "by": "status" } } }),
        json!({ "spec": { "replicas": 5 } }),
        json!({ "status": { "unknown": 1 } }),
        json!({ "status": { "replicas": -1 } }),
        json!({ "status": { "replicas": "x" } }),
        json!({ "status": { "observedGeneration": -1 } }),
        json!({}),
    ]);
    if dice.percent(50) {
        return Operation::Put { subject, rest: on(subject, "/status"), agent: dice.one(AGENTS), edit };
    }
    let content_type = dice.one(&[MERGE, STRATEGIC]);
    send(dice, subject, "PATCH", &on(subject, "/status"), content_type, &edit)
}

fn delete(dice: &mut Dice, subject: Subject) -> Operation {
    let body = dice.one(&[
        Value::Null,
        json!({ "propagationPolicy": "Background" }),
        json!({ "propagationPolicy": "Background" }),
        json!({ "propagationPolicy": "Foreground" }),
        json!({ "propagationPolicy": "Orphan" }),
        json!({ "gracePeriodSeconds": 0 }),
        json!({ "preconditions": { "uid": "$UID" } }),
        json!({ "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background", "preconditions": { "resourceVersion": "$RV" } }),
    ]);
    let body = if body.is_null() { String::new() } else { body.to_string() };
    Operation::Send { subject, method: "DELETE", rest: on(subject, ""), content_type: JSON, agent: dice.one(AGENTS), body }
}

fn wrong(dice: &mut Dice, subject: Subject) -> Operation {
    let (method, rest, content_type, body) = dice.one(&[
        ("POST", String::new(), JSON, "{"),
        ("POST", String::new(), JSON, ""),
        ("POST", String::new(), JSON, "[]"),
        ("POST", String::new(), JSON, "\"text\""),
        ("POST", String::new(), JSON, r#"{"metadata":{"name":"x"},"metadata":{"name":"y"}}"#),
        ("POST", String::new(), "text/plain", "{}"),
        ("POST", on(subject, ""), JSON, "{}"),
        ("PUT", on(subject, ""), JSON, "{}"),
        ("PUT", String::new(), JSON, "{}"),
        ("PATCH", on(subject, ""), JSON, "{}"),
        ("PATCH", on(subject, ""), MERGE, "[]"),
        ("PATCH", on(subject, ""), MERGE, "null"),
        ("PATCH", on(subject, ""), STRATEGIC, "{"),
        ("PATCH", on(subject, ""), STRATEGIC, ""),
        ("PATCH", on(subject, ""), STRATEGIC, r#"{"spec":{"replicas":{}}}"#),
        ("PATCH", on(subject, "?fieldManager=one"), APPLY, "{}"),
        ("PATCH", on(subject, ""), APPLY, "{}"),
        ("PATCH", on(subject, "?fieldManager=one"), APPLY, "a: b: c"),
        ("PATCH", on(subject, "?force=true"), MERGE, "{}"),
        ("PATCH", String::new(), MERGE, "{}"),
        ("GET", on(subject, "/nope"), JSON, ""),
        ("GET", on(subject, ""), JSON, ""),
        ("GET", "/nobody".to_owned(), JSON, ""),
        ("DELETE", "/nobody".to_owned(), JSON, ""),
        ("PATCH", "/nobody".to_owned(), MERGE, "{}"),
        ("DELETE", on(subject, ""), JSON, r#"{"preconditions":{"uid":"11111111-2222-3333-4444-555555555555"}}"#),
        ("DELETE", on(subject, ""), JSON, r#"{"preconditions":{"resourceVersion":"1"}}"#),
        ("DELETE", on(subject, ""), JSON, r#"{"propagationPolicy":"Sometimes"}"#),
        ("DELETE", on(subject, ""), JSON, r#"{"propagationPolicy":"Orphan","orphanDependents":true}"#),
        ("DELETE", on(subject, ""), JSON, r#"{"dryRun":["All"]}"#),
        ("DELETE", on(subject, "?dryRun=All"), JSON, ""),
        ("DELETE", on(subject, ""), JSON, r#"{"gracePeriodSeconds":-5,"dryRun":["All"]}"#),
        ("DELETE", on(subject, ""), JSON, "{"),
        ("GET", "?labelSelector=a%20b%20c".to_owned(), JSON, ""),
        ("GET", "?fieldSelector=spec.nope=1".to_owned(), JSON, ""),
        ("GET", "?fieldSelector=metadata.name=web".to_owned(), JSON, ""),
        ("GET", "?labelSelector=app%20in%20(web,db),!x".to_owned(), JSON, ""),
        ("GET", "?limit=-1".to_owned(), JSON, ""),
        ("GET", "?limit=1".to_owned(), JSON, ""),
        ("GET", "?continue=e30".to_owned(), JSON, ""),
        ("GET", "?resourceVersion=x".to_owned(), JSON, ""),
        ("GET", "?resourceVersionMatch=Exact".to_owned(), JSON, ""),
        ("GET", "?resourceVersion=1&resourceVersionMatch=Odd".to_owned(), JSON, ""),
        ("GET", "?sendInitialEvents=true".to_owned(), JSON, ""),
    ]);
    Operation::Send { subject, method, rest, content_type, agent: dice.one(AGENTS), body: body.to_owned() }
}

fn change(dice: &mut Dice, subject: Subject) -> Operation {
    match dice.below(100) {
        0..18 => {
            let edit = edit(dice, subject);
            let query = query(dice);
            Operation::Put { subject, rest: format!("/{}{query}", subject.name), agent: dice.one(AGENTS), edit }
        }
        18..36 => {
            let edit = edit(dice, subject);
            send(dice, subject, "PATCH", &on(subject, ""), STRATEGIC, &edit)
        }
        36..46 => {
            let patch = strategic(dice, subject);
            send(dice, subject, "PATCH", &on(subject, ""), STRATEGIC, &patch)
        }
        46..54 => {
            let edit = edit(dice, subject);
            send(dice, subject, "PATCH", &on(subject, ""), MERGE, &edit)
        }
        54..62 => {
            let patch = json_patch(dice, subject);
            send(dice, subject, "PATCH", &on(subject, ""), JSON_PATCH, &patch)
        }
        62..80 => apply(dice, subject),
        80..87 => scale(dice, subject),
        87..91 => status(dice, subject),
        91..93 => create(dice, subject),
        _ => wrong(dice, subject),
    }
}
