//! What the scenarios stand on: workloads in short form, what becomes of them, and what happened on the way.

#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of it")]

use serde_json::{Value, json};

use super::server::{Answer, Server};

pub const STRATEGIC: &str = "application/strategic-merge-patch+json";
pub const MERGE: &str = "application/merge-patch+json";
pub const JSON_PATCH: &str = "application/json-patch+json";
pub const APPLY: &str = "application/apply-patch+yaml";

/// A change that a watch told of.
#[derive(Clone, Debug)]
pub struct Event {
    pub kind: String,
    pub object: Value,
}

/// A template whose one container is called `app`.
pub fn template(name: &str, image: &str) -> Value {
    json!({ "metadata": { "labels": { "app": name } }, "spec": { "terminationGracePeriodSeconds": 2, "containers": [{ "name": "app", "image": image }] } })
}

fn workload(kind: &str, name: &str, image: &str, spec: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": { "name": name },
        "spec": { "selector": { "matchLabels": { "app": name } }, "template": template(name, image) },
    });
    for (key, value) in spec.as_object().into_iter().flatten() {
        object["spec"][key] = value.clone();
    }
    object
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

pub fn count(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

pub fn name(object: &Value) -> &str {
    text(&object["metadata"]["name"])
}

pub fn version(object: &Value) -> &str {
    text(&object["metadata"]["resourceVersion"])
}

pub fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    object["status"]["conditions"].as_array().into_iter().flatten().find(|it| it["type"] == kind).unwrap_or(&Value::Null)
}

pub fn reason<'a>(object: &'a Value, kind: &str) -> &'a str {
    text(&condition(object, kind)["reason"])
}

pub fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready")["status"] == "True"
}

pub fn is_deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

pub fn revision(object: &Value) -> i64 {
    text(&object["metadata"]["annotations"]["deployment.kubernetes.io/revision"]).parse().unwrap_or(0)
}

pub fn image(object: &Value) -> &str {
    let spec = if object["spec"]["template"].is_null() { &object["spec"] } else { &object["spec"]["template"]["spec"] };
    text(&spec["containers"][0]["image"])
}

pub fn with_image(image: &str) -> Value {
    json!({ "spec": { "template": { "spec": { "containers": [{ "name": "app", "image": image }] } } } })
}

impl Server {
    fn collection(&self, plural: &str) -> String {
        match plural {
            "deployments" | "replicasets" | "statefulsets" | "daemonsets" | "controllerrevisions" => self.apps(plural),
            _ => self.core(plural),
        }
    }

    pub fn at(&self, plural: &str, name: &str) -> String {
        format!("{}/{name}", self.collection(plural))
    }

    /// Makes an object, which must be good.
    pub async fn make(&self, plural: &str, object: Value) -> Value {
        let answer = self.ask("POST", &self.collection(plural), "application/json", &object.to_string()).await;
        assert_eq!(answer.code, 201, "{}", answer.message());
        answer.body
    }

    pub async fn deployment(&self, replicas: i64, image: &str, spec: Value) -> Value {
        let mut object = workload("Deployment", "web", image, &spec);
        object["spec"]["replicas"] = replicas.into();
        self.make("deployments", object).await
    }

    /// The same, rolled out.
    pub async fn running(&self, replicas: i64, image: &str, spec: Value) -> Value {
        self.deployment(replicas, image, spec).await;
        self.rolled_out().await
    }

    pub async fn stateful_set(&self, replicas: i64, image: &str, spec: Value) -> Value {
        let mut object = workload("StatefulSet", "db", image, &spec);
        object["spec"]["replicas"] = replicas.into();
        object["spec"]["serviceName"] = "db".into();
        self.make("statefulsets", object).await
    }

    pub async fn daemon_set(&self, image: &str, spec: Value) -> Value {
        self.make("daemonsets", workload("DaemonSet", "agent", image, &spec)).await
    }

    pub async fn replica_set(&self, replicas: i64) -> Value {
        self.make("replicasets", workload("ReplicaSet", "bare", "shop/bare:1", &json!({ "replicas": replicas }))).await
    }

    pub async fn object(&self, plural: &str, name: &str) -> Value {
        let answer = self.get(&self.at(plural, name)).await;
        assert_eq!(answer.code, 200, "{}", answer.message());
        answer.body
    }

    pub async fn all(&self, plural: &str) -> Vec<Value> {
        self.get(&self.collection(plural)).await.body["items"].as_array().cloned().unwrap_or_default()
    }

    pub async fn is_gone(&self, plural: &str, name: &str) -> bool {
        self.get(&self.at(plural, name)).await.code == 404
    }

    pub async fn try_patch(&self, plural: &str, name: &str, content_type: &'static str, patch: &Value) -> Answer {
        self.ask("PATCH", &self.at(plural, name), content_type, &patch.to_string()).await
    }

    /// Patches an object strategically; returns it as it is then.
    pub async fn patch(&self, plural: &str, name: &str, patch: Value) -> Value {
        let answer = self.try_patch(plural, name, STRATEGIC, &patch).await;
        assert_eq!(answer.code, 200, "{}", answer.message());
        answer.body
    }

    pub async fn edit(&self, patch: Value) -> Value {
        self.patch("deployments", "web", patch).await
    }

    pub async fn release(&self, image: &str) -> Value {
        self.edit(with_image(image)).await;
        self.rolled_out().await
    }

    pub async fn scale(&self, plural: &str, name: &str, replicas: i64) {
        let patch = json!({ "spec": { "replicas": replicas } });
        let answer = self.ask("PATCH", &format!("{}/scale", self.at(plural, name)), MERGE, &patch.to_string()).await;
        assert_eq!(answer.code, 200, "{}", answer.message());
    }

    pub async fn delete(&self, plural: &str, name: &str, options: Value) -> Answer {
        let answer = self.ask("DELETE", &self.at(plural, name), "application/json", &options.to_string()).await;
        assert_eq!(answer.code, 200, "{}", answer.message());
        answer
    }

    /// Waits until an object is as it should be.
    pub async fn when(&self, plural: &str, name: &str, what: &str, good: impl Fn(&Value) -> bool) -> Value {
        self.until(&format!("{plural}/{name}: {what}"), || async {
            let answer = self.get(&self.at(plural, name)).await;
            (answer.is_good() && good(&answer.body)).then_some(answer.body)
        })
        .await
    }

    pub async fn when_all(&self, plural: &str, what: &str, good: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        self.until(&format!("all {plural}: {what}"), || async {
            let all = self.all(plural).await;
            good(&all).then_some(all)
        })
        .await
    }

    /// The Deployment once its rollout is complete and its old pods are gone.
    pub async fn rolled_out(&self) -> Value {
        self.when("deployments", "web", "rolled out", |it| {
            let status = &it["status"];
            let all = count(&it["spec"]["replicas"]);
            let counts = ["replicas", "updatedReplicas", "availableReplicas"].iter().all(|key| count(&status[*key]) == all);
            status["observedGeneration"] == it["metadata"]["generation"]
                && counts
                && count(&status["terminatingReplicas"]) == 0
                && (reason(it, "Progressing") == "NewReplicaSetAvailable" || all == 0)
        })
        .await
    }

    /// A StatefulSet all of whose pods are ready and of its newest revision.
    pub async fn updated(&self, replicas: i64) -> Value {
        self.when("statefulsets", "db", "updated", |it| {
            let status = &it["status"];
            let all = ["replicas", "readyReplicas", "updatedReplicas"].iter().all(|key| count(&status[*key]) == replicas);
            status["observedGeneration"] == it["metadata"]["generation"] && all && status["currentRevision"] == status["updateRevision"]
        })
        .await
    }

    /// The ReplicaSets by revision.
    pub async fn sets(&self) -> Vec<Value> {
        let mut sets = self.all("replicasets").await;
        sets.sort_by_key(revision);
        sets
    }

    pub async fn revisions(&self) -> Vec<i64> {
        self.sets().await.iter().map(revision).collect()
    }

    /// What kubectl's `rollout undo` sends: the template of a ReplicaSet and its annotations.
    pub async fn undo(&self, to: i64) -> Value {
        let set = self.sets().await.into_iter().find(|it| revision(it) == to).expect("the revision is there");
        let live = self.object("deployments", "web").await;
        let own = |key: &String| key.starts_with("deployment.kubernetes.io/") || key.starts_with("kubectl.kubernetes.io/last-applied");
        let entries = |object: &Value| object["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
        let mut annotations: serde_json::Map<String, Value> = entries(&set).into_iter().filter(|(key, _)| !own(key)).collect();
        annotations.extend(entries(&live).into_iter().filter(|(key, _)| own(key)));
        let mut template = set["spec"]["template"].clone();
        template["metadata"]["labels"].as_object_mut().map(|it| it.remove("pod-template-hash"));
        let patch = json!([
            { "op": "replace", "path": "/spec/template", "value": template },
            { "op": "replace", "path": "/metadata/annotations", "value": annotations },
        ]);
        let answer = self.try_patch("deployments", "web", JSON_PATCH, &patch).await;
        assert_eq!(answer.code, 200, "{}", answer.message());
        answer.body
    }

    /// Everything that happened to the objects of a kind since a version.
    pub async fn since(&self, plural: &str, version: &str) -> Vec<Event> {
        let path = format!("{}?watch=1&timeoutSeconds=1&resourceVersion={version}", self.collection(plural));
        let answer = self.get(&path).await;
        let lines = match answer.body {
            Value::String(lines) => lines,
            Value::Null => String::new(),
            one => one.to_string(),
        };
        let event = |line: &str| {
            let mut event: Value = serde_json::from_str(line).expect("a line of JSON");
            Event { kind: text(&event["type"]).to_owned(), object: event["object"].take() }
        };
        lines.lines().filter(|it| !it.trim().is_empty()).map(event).collect()
    }

    /// The version of the store now.
    pub async fn now(&self) -> String {
        text(&self.get(&self.collection("pods")).await.body["metadata"]["resourceVersion"]).to_owned()
    }

    /// The messages of the Deployment's events with a reason, in order.
    pub async fn told(&self, reason: &str) -> Vec<String> {
        let mut events: Vec<Value> =
            self.all("events").await.into_iter().filter(|it| it["reason"] == reason && it["involvedObject"]["kind"] == "Deployment").collect();
        events.sort_by_key(|it| version(it).parse::<u64>().unwrap_or(0));
        events.iter().map(|it| text(&it["message"]).to_owned()).collect()
    }
}
