//! Operations carried out on one server, with the requests that kubectl makes of them.

use serde_json::{Value, json};

use super::operations::{Operation, Owned, Subject, merge};
use super::server::{Answer, Ask, Server};

const JSON: &str = "application/json";

/// What a client decides without the server: the same on both sides, or the two held different things.
fn not_sent(why: &str) -> Answer {
    Answer { code: 0, warnings: Vec::new(), body: json!({ "message": why }) }
}

pub async fn carry_out(server: &Server, operation: &Operation) -> Answer {
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
            server.send(&Ask { method: "PUT", path, content_type: JSON, agent, body: object.to_string() }).await
        }
        Operation::Undo { subject, to, .. } => undo(server, *subject, *to).await,
        Operation::Owned { subject, what } => owned(server, *subject, *what).await,
    }
}

async fn items(server: &Server, path: &str) -> Vec<Value> {
    server.get(path).await.body["items"].as_array().cloned().unwrap_or_default()
}

fn is_owned(object: &Value, owner: &Value) -> bool {
    let owners = object["metadata"]["ownerReferences"].as_array();
    owners.into_iter().flatten().any(|it| it["controller"] == true && it["uid"] == owner["metadata"]["uid"])
}

/// The revisions of a workload with their numbers, in the order of kubectl's history.
async fn revisions(server: &Server, subject: Subject, live: &Value) -> Vec<(i64, Value)> {
    let of_deployment = subject.plural == "deployments";
    let all = items(server, &server.apps(if of_deployment { "replicasets" } else { "controllerrevisions" })).await;
    let number = |it: &Value| match of_deployment {
        true => it["metadata"]["annotations"]["deployment.kubernetes.io/revision"].as_str().and_then(|it| it.parse().ok()).unwrap_or(0),
        false => it["revision"].as_i64().unwrap_or(0),
    };
    let mut found: Vec<(i64, Value)> = all.into_iter().filter(|it| is_owned(it, live)).map(|it| (number(&it), it)).collect();
    found.sort_by_key(|(number, _)| *number);
    found
}

/// `kubectl rollout undo`.
async fn undo(server: &Server, subject: Subject, to: i64) -> Answer {
    let path = format!("{}/{}", subject.collection(&server.namespace), subject.name);
    let read = server.get(&path).await;
    if !read.is_good() {
        return read;
    }
    let live = read.body;
    let revisions = revisions(server, subject, &live).await;
    let chosen = match to {
        0 => revisions.len().checked_sub(2).and_then(|it| revisions.get(it)),
        to => revisions.iter().find(|(number, _)| *number == to),
    };
    let Some((_, revision)) = chosen else { return not_sent("no such revision") };
    if live["spec"]["paused"] == true {
        return not_sent("paused");
    }
    let (content_type, body) = if subject.plural == "deployments" {
        let mut template = revision["spec"]["template"].clone();
        template["metadata"]["labels"].as_object_mut().map(|it| it.remove("pod-template-hash"));
        if template == live["spec"]["template"] {
            return not_sent("skipped rollback");
        }
        let own = |key: &String| {
            key.starts_with("deployment.kubernetes.io/")
                || matches!(key.as_str(), "kubectl.kubernetes.io/last-applied-configuration" | "deprecated.deployment.rollback.revision")
        };
        let entries = |object: &Value| object["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
        let mut annotations: serde_json::Map<String, Value> = entries(&live).into_iter().filter(|(key, _)| own(key)).collect();
        annotations.extend(entries(revision).into_iter().filter(|(key, _)| !own(key)));
        let patch = json!([
            { "op": "replace", "path": "/spec/template", "value": template },
            { "op": "replace", "path": "/metadata/annotations", "value": annotations },
        ]);
        ("application/json-patch+json", patch.to_string())
    } else {
        ("application/strategic-merge-patch+json", revision["data"].to_string())
    };
    server.send(&Ask { method: "PATCH", path, content_type, agent: "kubectl/v1.36.3", body }).await
}

fn image(pod: &Value) -> &str {
    pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default()
}

/// Something done to an object that a workload owns; which one, is told by what both servers have in common.
async fn owned(server: &Server, subject: Subject, what: Owned) -> Answer {
    let live = server.get(&format!("{}/{}", subject.collection(&server.namespace), subject.name)).await.body;
    if matches!(what, Owned::DeleteNewestSet | Owned::DeleteOldestSet | Owned::ScaleSet) {
        let revisions = revisions(server, subject, &live).await;
        let chosen = if what == Owned::DeleteOldestSet { revisions.first() } else { revisions.last() };
        let Some((_, set)) = chosen else { return not_sent("no ReplicaSet") };
        let path = server.apps(&format!("replicasets/{}", set["metadata"]["name"].as_str().unwrap_or_default()));
        return match what {
            Owned::ScaleSet => {
                let ask = Ask {
                    method: "PATCH",
                    path: format!("{path}/scale"),
                    content_type: "application/merge-patch+json",
                    agent: "kubectl/v1.36.3",
                    body: json!({ "spec": { "replicas": 3 } }).to_string(),
                };
                server.send(&ask).await
            }
            _ => {
                let body = json!({ "propagationPolicy": "Background" }).to_string();
                server.send(&Ask { method: "DELETE", path, content_type: JSON, agent: "kubectl/v1.36.3", body }).await
            }
        };
    }
    let mut pods = items(server, &format!("{}?labelSelector=app%3D{}", server.core("pods"), subject.name)).await;
    pods.retain(|it| it["metadata"]["deletionTimestamp"].is_null() && it["metadata"]["ownerReferences"].is_array());
    pods.sort_by_cached_key(|pod| {
        let labels = &pod["metadata"]["labels"];
        let name = pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"].to_string();
        let ready = pod["status"]["conditions"].as_array().into_iter().flatten().any(|it| it["type"] == "Ready" && it["status"] == "True");
        (image(pod).to_owned(), labels["pod-template-hash"].to_string(), labels["controller-revision-hash"].to_string(), ready, name)
    });
    let Some(pod) = pods.first() else { return not_sent("no pod") };
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let path = server.core(&format!("pods/{name}"));
    let mut answer = match what {
        Owned::DetachPod => {
            let patch = json!({ "metadata": { "labels": { "app": "detached" } } }).to_string();
            server.send(&Ask { method: "PATCH", path, content_type: "application/merge-patch+json", agent: "kubectl/v1.36.3", body: patch }).await
        }
        Owned::EvictPod => {
            let body = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": name, "namespace": server.namespace } }).to_string();
            server.send(&Ask { method: "POST", path: format!("{path}/eviction"), content_type: JSON, agent: "kubectl/v1.36.3", body }).await
        }
        _ => {
            let body = json!({ "propagationPolicy": "Background" }).to_string();
            server.send(&Ask { method: "DELETE", path, content_type: JSON, agent: "kubectl/v1.36.3", body }).await
        }
    };
    // Which of several pods, and how far it was, is each server's own.
    if answer.is_good() && answer.body["kind"] == "Pod" {
        answer.body = json!({ "kind": "Pod" });
    }
    answer
}
