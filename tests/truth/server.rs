//! One way to ask either server, the simulated one in virtual time or the real one that `ROLLSH_TEST_KUBECONFIG` names: raw requests, raw answers.
//!
//! What a good answer is, is not said here.

#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of it")]

use std::path::PathBuf;
use std::time::Duration;

use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use rollsh::clock::Clock;
use rollsh::sim::{Options, Sim};
use serde_json::{Value, json};

/// Where the simulated cluster's time begins.
pub const START: &str = "2026-11-23T10:00:00Z";

/// How long a state is waited for: on the real cluster as well as in virtual time.
const PATIENCE: Duration = Duration::from_secs(90);

/// A request, as a client writes it.
#[derive(Clone, Debug)]
pub struct Ask {
    pub method: &'static str,
    pub path: String,
    pub content_type: &'static str,
    /// Who asks: the part before `/` becomes the field manager.
    pub agent: &'static str,
    pub body: String,
}

/// What a server answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub code: u16,
    pub warnings: Vec<String>,
    pub body: Value,
}

impl Answer {
    pub fn is_good(&self) -> bool {
        self.code < 300
    }

    pub fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or_default()
    }
}

/// A server and the namespace to work in.
#[derive(Clone)]
pub struct Server {
    client: Client,
    pub namespace: String,
    pub real: bool,
}

pub fn kubeconfig() -> Option<PathBuf> {
    std::env::var_os("ROLLSH_TEST_KUBECONFIG").map(PathBuf::from)
}

/// Says that a test did nothing for want of a cluster.
#[expect(clippy::disallowed_macros, reason = "a test that did nothing must say so")]
pub fn skipped(test: &str) {
    eprintln!("SKIPPED: {test} compares with a real control plane; set ROLLSH_TEST_KUBECONFIG to its kubeconfig");
}

impl Server {
    /// A fresh simulated cluster on the runtime that this is called in, whose time is paused.
    pub async fn simulated(namespace: &str, seed: u64) -> Self {
        Self::simulated_as(namespace, Options { seed, ..Options::empty() }).await
    }

    /// The same as options say.
    pub async fn simulated_as(namespace: &str, options: Options) -> Self {
        let clock = Clock::paused(START.parse().expect("a time"), &tokio::runtime::Handle::current());
        let sim = Sim::new(options, clock).expect("a cluster");
        tokio::spawn(sim.clone().live());
        let server = Self { client: Client::new(sim.service(), namespace), namespace: namespace.to_owned(), real: false };
        server.begin().await;
        server
    }

    /// The real cluster, where there is one.
    pub async fn real(namespace: &str) -> Option<Self> {
        let config = Kubeconfig::read_from(kubeconfig()?).expect("the kubeconfig of the tests");
        let config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.expect("a usable kubeconfig");
        let client = Client::try_from(config).expect("a client");
        let server = Self { client, namespace: namespace.to_owned(), real: true };
        server.begin().await;
        Some(server)
    }

    /// Makes the namespace and waits until it has what every namespace has.
    async fn begin(&self) {
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": self.namespace } });
        let answer = self.ask("POST", "/api/v1/namespaces", "application/json", &namespace.to_string()).await;
        assert!(answer.is_good(), "the namespace {}: {}", self.namespace, answer.message());
        for path in ["serviceaccounts/default", "configmaps/kube-root-ca.crt"] {
            self.until("what every namespace has", || async { self.get(&self.core(path)).await.is_good().then_some(()) }).await;
        }
    }

    /// Takes the namespace away; does not wait for its end.
    pub async fn end(&self) {
        if self.real {
            self.ask("DELETE", &format!("/api/v1/namespaces/{}", self.namespace), "application/json", "").await;
        }
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The path of something in the core group.
    pub fn core(&self, rest: &str) -> String {
        format!("/api/v1/namespaces/{}/{rest}", self.namespace)
    }

    /// The path of something in the group apps.
    pub fn apps(&self, rest: &str) -> String {
        format!("/apis/apps/v1/namespaces/{}/{rest}", self.namespace)
    }

    pub async fn send(&self, ask: &Ask) -> Answer {
        let (code, headers, text) = self.raw(ask, "application/json").await;
        let warnings = headers.get_all("warning").iter().filter_map(|it| it.to_str().ok()).map(str::to_owned).collect();
        Answer { code, warnings, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    /// The answer as it came.
    pub async fn raw(&self, ask: &Ask, accept: &str) -> (u16, http::HeaderMap, String) {
        let request = http::Request::builder().method(ask.method).uri(&ask.path).header("accept", accept).header("user-agent", ask.agent);
        let request = request.header("content-type", ask.content_type).body(Body::from(ask.body.clone().into_bytes())).expect("a request");
        let response = self.client.send(request).await.expect("an answer");
        let (head, body) = response.into_parts();
        let bytes = body.collect().await.expect("a whole body").to_bytes();
        (head.status.as_u16(), head.headers, String::from_utf8_lossy(&bytes).into_owned())
    }

    pub async fn ask(&self, method: &'static str, path: &str, content_type: &'static str, body: &str) -> Answer {
        self.send(&Ask { method, path: path.to_owned(), content_type, agent: "truth/1", body: body.to_owned() }).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "application/json", "").await
    }

    /// Waits for something to be there.
    pub async fn until<T, F>(&self, what: &str, mut look: impl FnMut() -> F) -> T
    where
        F: Future<Output = Option<T>>,
    {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(tokio::time::Instant::now() < deadline, "waited in vain for {what}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
