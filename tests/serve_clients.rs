//! Libraries that keep copies of the cluster, unchanged, under rollouts and dropped watches: in the end each holds what the cluster holds.
//!
//! kube-rs always; client-go where `ROLLSH_TEST_INFORMER` names the program built from `tests/clients/informer`; the Python client where `ROLLSH_TEST_PYTHON`
//! names an interpreter that has it. `ROLLSH_TEST_FOLLOW_S` says for how long, in seconds; a minute by hand, less in between.

#[path = "common/served.rs"]
mod served;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use http_body_util::{BodyExt, Full};
use kube::api::{Api, DynamicObject};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use serde_json::{Value, json};
use served::Served;
use tokio::time::{Instant, interval, timeout};
use tower::ServiceExt;

const KINDS: [(&str, &str, &str); 3] =
    [("apps/v1", "Deployment", "/apis/apps/v1/deployments"), ("apps/v1", "ReplicaSet", "/apis/apps/v1/replicasets"), ("v1", "Pod", "/api/v1/pods")];

/// Kind, namespace and name to resource version.
type Held = BTreeMap<String, String>;

fn lasting() -> Duration {
    Duration::from_secs(std::env::var("ROLLSH_TEST_FOLLOW_S").ok().and_then(|it| it.parse().ok()).unwrap_or(8))
}

async fn ask(served: &Served, method: &str, path: &str, body: Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = http::Request::builder().method(method).uri(path).header("user-agent", "driver/1");
    let request = request.header("content-type", if method == "PATCH" { "application/strategic-merge-patch+json" } else { "application/json" });
    let response = served.sim.service().oneshot(request.body(Full::new(bytes::Bytes::from(body))).expect("a request")).await.expect("no fault for the driver");
    let bytes = response.into_body().collect().await.expect("no fault for the driver").to_bytes();
    serde_json::from_slice(&bytes).expect("JSON")
}

/// What the cluster holds.
async fn truth(served: &Served) -> Held {
    let mut held = Held::new();
    for (_, kind, path) in KINDS {
        let list = ask(served, "GET", path, Value::Null).await;
        for item in list["items"].as_array().expect("items") {
            let text = |field: &str| item["metadata"][field].as_str().unwrap_or_default();
            held.insert(format!("{kind}/{}/{}", text("namespace"), text("name")), text("resourceVersion").to_owned());
        }
    }
    held
}

/// A shop in which a client's watches are dropped, cut and told that they are too old.
fn troubled(client: &str) -> Served {
    let served = served::shop(false);
    for fault in [
        json!({ "drop_watch": "500ms", "client": client }),
        json!({ "gone": true, "verb": "watch", "chance": 10, "client": client }),
        json!({ "cut_before": true, "chance": 5, "client": client }),
        json!({ "unavailable": true, "chance": 5, "client": client }),
    ] {
        served.sim.fault(&fault).expect("a fault");
    }
    served
}

/// Rollouts, scalings and deletions; then the troubles end.
async fn disturb(served: &Served, client: &str) {
    let end = Instant::now() + lasting();
    let mut tick = interval(Duration::from_millis(150));
    let web = "/apis/apps/v1/namespaces/default/deployments/web";
    for round in 0_u32.. {
        tick.tick().await;
        if Instant::now() > end {
            break;
        }
        match round % 5 {
            0 | 2 => {
                let containers = json!([{ "name": "web", "image": format!("shop/web:{}", 10 + round) }]);
                ask(served, "PATCH", web, json!({ "spec": { "template": { "spec": { "containers": containers } } } })).await;
            }
            1 => drop(ask(served, "PATCH", web, json!({ "spec": { "replicas": 2 + round % 7 } })).await),
            3 => {
                let pods = ask(served, "GET", "/api/v1/namespaces/default/pods", Value::Null).await;
                let names: Vec<&str> = pods["items"].as_array().into_iter().flatten().filter_map(|it| it["metadata"]["name"].as_str()).collect();
                if let Some(name) = names.get(round as usize % names.len().max(1)) {
                    ask(served, "DELETE", &format!("/api/v1/namespaces/default/pods/{name}"), Value::Null).await;
                }
            }
            _ => {
                let name = format!("short-{round}");
                let template = json!({ "metadata": { "labels": { "app": name } }, "spec": { "containers": [{ "name": "c", "image": "shop/short:1" }] } });
                let spec = json!({ "replicas": 2, "selector": { "matchLabels": { "app": name } }, "template": template });
                ask(served, "POST", "/apis/apps/v1/namespaces/default/deployments", json!({ "metadata": { "name": name }, "spec": spec })).await;
                if round > 10 {
                    ask(served, "DELETE", &format!("/apis/apps/v1/namespaces/default/deployments/short-{}", round - 10), Value::Null).await;
                }
            }
        }
    }
    served.sim.fault(&json!({ "clear": true })).expect("cleared");
    let requests = served.sim.requests();
    let of_client = |it: &&Value| it["user_agent"].as_str().is_some_and(|it| it.contains(client));
    let asked: Vec<String> = requests.iter().filter(of_client).map(|it| format!("{} {} {} {}", it["at"], it["path"], it["query"], it["code"])).collect();
    let count = asked.iter().filter(|it| it.contains("watch=")).count();
    assert!(count > 1, "the watches were to be dropped, and there were only {count}:\n{}", asked.join("\n"));
}

/// Asks until the copy is what the cluster holds.
async fn agree(served: &Served, who: &str, mut held: impl AsyncFnMut() -> Held) {
    let mut tick = interval(Duration::from_millis(100));
    let mut last = (Held::new(), Held::new());
    let agreed = timeout(Duration::from_secs(60), async {
        loop {
            tick.tick().await;
            last = (held().await, truth(served).await);
            if last.0 == last.1 {
                return;
            }
        }
    });
    if agreed.await.is_err() {
        let (held, truth) = last;
        let wrong: Vec<_> = held.iter().filter(|(key, version)| truth.get(*key) != Some(version)).collect();
        let missing: Vec<_> = truth.keys().filter(|key| !held.contains_key(*key)).collect();
        panic!("{who} holds {wrong:?} otherwise and lacks {missing:?}");
    }
}

async fn client(served: &Served) -> kube::Client {
    let kubeconfig = Kubeconfig::from_yaml(&served.kubeconfig).expect("a kubeconfig");
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.expect("a configuration");
    // kube-rs gives no name, and the faults are for it alone.
    config.headers.push((http::header::USER_AGENT, http::HeaderValue::from_static("follower/1")));
    kube::Client::try_from(config).expect("a client")
}

fn resource(api_version: &str, kind: &str) -> ApiResource {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

fn key(kind: &str, object: &DynamicObject) -> String {
    format!("{kind}/{}/{}", object.metadata.namespace.as_deref().unwrap_or_default(), object.metadata.name.as_deref().unwrap_or_default())
}

fn reflectors_agree(config: watcher::Config) {
    let served = troubled("follower");
    served.runtime.block_on(async {
        let client = client(&served).await;
        let mut stores = Vec::new();
        for (api_version, kind, _) in KINDS {
            let resource = resource(api_version, kind);
            let writer = reflector::store::Writer::<DynamicObject>::new(resource.clone());
            stores.push((kind, writer.as_reader()));
            let watched = watcher(Api::<DynamicObject>::all_with(client.clone(), &resource), config.clone());
            let kept = reflector::reflector(writer, watched).default_backoff();
            tokio::spawn(kept.for_each(|_| std::future::ready(())));
        }
        disturb(&served, "follower").await;
        let held = async || {
            let objects = stores.iter().flat_map(|(kind, store)| store.state().into_iter().map(move |it| (kind, it)));
            objects.map(|(kind, it)| (key(kind, &it), it.metadata.resource_version.clone().unwrap_or_default())).collect()
        };
        agree(&served, "the reflector", held).await;
    });
}

#[test]
fn reflectors_that_list_and_watch_end_with_the_clusters_state() {
    reflectors_agree(watcher::Config::default());
}

#[test]
fn reflectors_with_streaming_lists_end_with_the_clusters_state() {
    reflectors_agree(watcher::Config::default().streaming_lists());
}

#[test]
fn a_controller_reconciles_the_last_state_of_each_deployment() {
    let served = troubled("follower");
    served.runtime.block_on(async {
        let api = Api::<DynamicObject>::all_with(client(&served).await, &resource("apps/v1", "Deployment"));
        let seen: Arc<Mutex<Held>> = Arc::default();
        let reconcile = |object: Arc<DynamicObject>, seen: Arc<Mutex<Held>>| async move {
            let version = object.metadata.resource_version.clone().unwrap_or_default();
            seen.lock().expect("not poisoned").insert(key("Deployment", &object), version);
            Ok::<_, std::convert::Infallible>(Action::await_change())
        };
        let controller = Controller::new_with(api, watcher::Config::default(), resource("apps/v1", "Deployment"));
        let running = controller.run(reconcile, |_, _, _| Action::await_change(), Arc::clone(&seen));
        tokio::spawn(running.for_each(|_| std::future::ready(())));
        disturb(&served, "follower").await;
        let held = async || {
            let mut held = seen.lock().expect("not poisoned").clone();
            let truth = truth(&served).await;
            // A controller is not told of deletions, and here it looks at nothing else.
            held.retain(|key, _| truth.contains_key(key));
            held.extend(truth.into_iter().filter(|(key, _)| !key.starts_with("Deployment/")));
            held
        };
        agree(&served, "the controller", held).await;
    });
}

/// Follows with a program that prints what it holds for each line that it gets.
fn program_agrees(mut command: Command, client: &str) {
    let served = troubled(client);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config");
    std::fs::write(&file, &served.kubeconfig).expect("written");
    let mut child = command.arg(&file).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let (mut input, mut output) = (child.stdin.take().expect("piped"), BufReader::new(child.stdout.take().expect("piped")));
    served.runtime.block_on(async {
        disturb(&served, client).await;
        let held = async || {
            let mut line = String::new();
            input.write_all(b"\n").and_then(|()| input.flush()).expect("it reads");
            output.read_line(&mut line).expect("it answers");
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
        };
        agree(&served, client, held).await;
    });
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}

#[expect(clippy::disallowed_macros, reason = "a test that did nothing must say so")]
fn named(variable: &str) -> Option<std::ffi::OsString> {
    let found = std::env::var_os(variable);
    if found.is_none() {
        eprintln!("skipped: {variable} names no program");
    }
    found
}

#[test]
fn informers_of_client_go_end_with_the_clusters_state() {
    let Some(program) = named("ROLLSH_TEST_INFORMER") else { return };
    program_agrees(Command::new(program), "informer");
}

#[test]
fn watches_of_the_python_client_end_with_the_clusters_state() {
    let Some(python) = named("ROLLSH_TEST_PYTHON") else { return };
    let mut command = Command::new(python);
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/follow.py"));
    program_agrees(command, "OpenAPI-Generator");
}
