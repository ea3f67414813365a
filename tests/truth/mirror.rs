//! What the real cluster holds, kept by one watch for each kind, so that hundreds of namespaces can be followed at the price of one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;
use tokio::time::Instant;

use super::pair::{COMPARED, is_known_bad};
use super::server::Server;

/// The objects of one namespace by kind and name, and when one of them last changed.
#[derive(Debug)]
struct Space {
    objects: BTreeMap<(&'static str, String), Value>,
    changed: Instant,
}

/// The copy, and the watches that keep it.
#[derive(Debug, Default)]
pub struct Mirror {
    spaces: Mutex<BTreeMap<String, Space>>,
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

impl Mirror {
    /// Follows the cluster that a server stands for, until the runtime ends.
    pub fn of(server: &Server) -> Arc<Self> {
        let mirror = Arc::new(Self::default());
        for plural in COMPARED {
            let (mirror, server) = (Arc::clone(&mirror), server.clone());
            tokio::spawn(async move {
                loop {
                    mirror.follow(&server, plural).await;
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            });
        }
        mirror
    }

    /// Lists a kind and watches it until the watch ends.
    async fn follow(&self, server: &Server, plural: &'static str) {
        let path = if matches!(plural, "pods" | "configmaps") { format!("/api/v1/{plural}") } else { format!("/apis/apps/v1/{plural}") };
        let list = server.get(&path).await;
        if !list.is_good() {
            return;
        }
        let mut there = BTreeSet::new();
        for item in list.body["items"].as_array().into_iter().flatten() {
            there.insert((text(item, "namespace").to_owned(), text(item, "name").to_owned()));
            self.put(plural, item.clone());
        }
        self.retain(plural, &there);
        let version = list.body["metadata"]["resourceVersion"].as_str().unwrap_or_default();
        let request = http::Request::builder().uri(format!("{path}?watch=1&timeoutSeconds=1800&resourceVersion={version}"));
        let request = request.header("accept", "application/json").header("user-agent", "mirror/1").body(Body::empty()).expect("a request");
        let Ok(response) = server.client().send(request).await else { return };
        let mut body = response.into_body().into_data_stream();
        let mut buffer: Vec<u8> = Vec::new();
        while let Some(Ok(chunk)) = body.next().await {
            buffer.extend_from_slice(&chunk);
            while let Some(end) = buffer.iter().position(|it| *it == b'\n') {
                let line: Vec<u8> = buffer.drain(..=end).collect();
                let Ok(mut event) = serde_json::from_slice::<Value>(&line) else { return };
                let object = event["object"].take();
                match event["type"].as_str() {
                    Some("ADDED" | "MODIFIED") => self.put(plural, object),
                    Some("DELETED") => self.remove(plural, text(&object, "namespace"), text(&object, "name")),
                    _ => return,
                }
            }
        }
    }

    fn put(&self, plural: &'static str, mut object: Value) {
        // A list has neither.
        object.as_object_mut().map(|it| (it.remove("kind"), it.remove("apiVersion")));
        let (namespace, name) = (text(&object, "namespace").to_owned(), text(&object, "name").to_owned());
        let mut spaces = self.spaces.lock().expect("no panic");
        let space = spaces.entry(namespace).or_insert_with(|| Space { objects: BTreeMap::new(), changed: Instant::now() });
        // A pod whose image never comes goes back and forth for ever.
        let rests = plural == "pods" && is_known_bad(&object) && space.objects.get(&(plural, name.clone())).is_some_and(is_known_bad);
        if !rests {
            space.changed = Instant::now();
        }
        space.objects.insert((plural, name), object);
    }

    fn remove(&self, plural: &'static str, namespace: &str, name: &str) {
        if let Some(space) = self.spaces.lock().expect("no panic").get_mut(namespace) {
            space.objects.remove(&(plural, name.to_owned()));
            space.changed = Instant::now();
        }
    }

    fn retain(&self, plural: &'static str, there: &BTreeSet<(String, String)>) {
        for (namespace, space) in self.spaces.lock().expect("no panic").iter_mut() {
            space.objects.retain(|(kind, name), _| *kind != plural || there.contains(&(namespace.clone(), name.clone())));
        }
    }

    /// What a namespace holds, and since when.
    pub fn look(&self, namespace: &str) -> (Vec<(&'static str, Value)>, Option<Instant>) {
        let spaces = self.spaces.lock().expect("no panic");
        let Some(space) = spaces.get(namespace) else { return (Vec::new(), None) };
        let objects = space.objects.iter().filter(|((_, name), _)| name != "kube-root-ca.crt");
        (objects.map(|((plural, _), object)| (*plural, object.clone())).collect(), Some(space.changed))
    }
}
