//! From a kubeconfig (several files, contexts, exec plugins), the in-cluster configuration or an in-process service to a lazily connected cluster.
//!
//! Which configuration is meant is `kubeconfig`'s; what a request looks like and how long it may take is `request`'s.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::Client;
use kube::client::{AuthError, Body, ConfigExt};
use tokio::sync::Mutex as AsyncMutex;
use tower::util::BoxService;
use tower::{BoxError, Layer, ServiceExt};

use super::discovery::Catalog;
use super::kubeconfig::{self, Chosen, Environment, Origin};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};

/// How long making a connection may take, TLS included. Less than `request::LIMIT`, so that what failed is known and not only that time ran out.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(4);

/// How long a credential plugin may take: some open a browser and wait for a person.
const PLUGIN_LIMIT: Duration = Duration::from_secs(120);

/// How many warnings are kept for an embedder that never takes them.
const WARNINGS: usize = 100;

/// Which cluster is meant: the flags that kubectl knows.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    pub kubeconfig: Option<PathBuf>,
    pub context: Option<String>,
    pub namespace: Option<String>,
}

/// A context of the kubeconfig.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContextEntry {
    pub name: String,
    pub cluster: Option<String>,
    pub server: Option<String>,
    pub user: Option<String>,
    pub namespace: Option<String>,
    pub current: bool,
}

/// One cluster as one user in one context; cheap to clone; connects on the first request.
///
/// # Limits
/// The client lives on the runtime of the first request: use one cluster on one runtime.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    context: String,
    namespace: String,
    server: String,
    user: Option<String>,
    clock: Clock,
    source: Source,
    client: AsyncMutex<Option<Client>>,
    catalog: AsyncMutex<Option<Arc<Catalog>>>,
    /// What the server warned of and nobody has shown yet.
    warnings: Mutex<Vec<String>>,
    /// Whether the server has ever answered.
    answered: AtomicBool,
    /// Who wants to hear of every request.
    observer: OnceLock<Observer>,
}

type Observer = Box<dyn Fn(String) + Send + Sync>;

enum Source {
    Configured(Box<Chosen>),
    /// Called on the first request, since a client must be made inside a runtime.
    Service(Mutex<Box<dyn FnMut() -> Client + Send>>),
}

impl Cluster {
    /// Reads the configuration files; makes no request.
    ///
    /// # Errors
    /// `unreachable` when there is no configuration at all or a file cannot be read or parsed (says which), `not_found` for an unknown context (with the nearest).
    pub fn configured(connection: &Connection, clock: Clock) -> Result<Self> {
        let chosen = kubeconfig::choose(connection, &Environment::of_process())?;
        Ok(Self::new(
            chosen.context.clone(),
            chosen.namespace.clone(),
            chosen.server.to_string().trim_end_matches('/').to_owned(),
            chosen.user.clone(),
            clock,
            Source::Configured(Box::new(chosen)),
        ))
    }

    /// A cluster behind an in-process service.
    pub fn in_process<S, B>(service: S, context: &str, namespace: &str, clock: Clock) -> Self
    where
        S: tower::Service<http::Request<kube::client::Body>, Response = http::Response<B>> + Send + Clone + 'static,
        S::Future: Send + 'static,
        S::Error: Into<tower::BoxError>,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<tower::BoxError>,
    {
        let default_namespace = namespace.to_owned();
        let make = move || Client::new(service.clone(), default_namespace.clone());
        Self::new(context.to_owned(), namespace.to_owned(), format!("in-process://{context}"), None, clock, Source::Service(Mutex::new(Box::new(make))))
    }

    fn new(context: String, namespace: String, server: String, user: Option<String>, clock: Clock, source: Source) -> Self {
        let (client, catalog) = (AsyncMutex::new(None), AsyncMutex::new(None));
        Self(Arc::new(Inner {
            context,
            namespace,
            server,
            user,
            clock,
            source,
            client,
            catalog,
            warnings: Mutex::default(),
            answered: AtomicBool::new(false),
            observer: OnceLock::new(),
        }))
    }

    /// All contexts that the configuration has, in its order.
    pub fn contexts(connection: &Connection) -> Result<Vec<ContextEntry>> {
        kubeconfig::contexts(connection, &Environment::of_process())
    }

    pub fn context(&self) -> &str {
        &self.0.context
    }

    /// The context's own namespace, `default` when it names none.
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// The server's URL, for messages.
    pub fn server(&self) -> &str {
        &self.0.server
    }

    /// The kubeconfig's name for the user, when it has one.
    pub fn user(&self) -> Option<&str> {
        self.0.user.as_deref()
    }

    /// What the API server warned of since this was last asked, each once: deprecated kinds, fields that it does not know.
    /// kubectl prints them as `Warning: ...`.
    pub fn take_warnings(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.warnings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Tells of every request from now on, one line each, as it is answered. The first who asks for it is told.
    pub fn observe(&self, observer: impl Fn(String) + Send + Sync + 'static) {
        // A second observer would hear what the first one does already.
        let _ = self.0.observer.set(Box::new(observer));
    }

    /// Says a line to the observer, if there is one.
    pub(super) fn observed(&self, line: impl FnOnce() -> String) {
        if let Some(observer) = self.0.observer.get() {
            observer(line());
        }
    }

    /// Whether the server has answered before, whatever it said: one that does not answer now is away for a while, and not misspelt.
    pub fn has_answered(&self) -> bool {
        self.0.answered.load(Ordering::Relaxed)
    }

    pub(super) fn answered(&self) {
        self.0.answered.store(true, Ordering::Relaxed);
    }

    pub(super) fn warned(&self, warning: String) {
        let mut warnings = self.0.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if !warnings.contains(&warning) && warnings.len() < WARNINGS {
            warnings.push(warning);
        }
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub(super) fn catalog(&self) -> &AsyncMutex<Option<Arc<Catalog>>> {
        &self.0.catalog
    }

    /// Where the configuration stands, for hints.
    pub(super) fn origin(&self) -> String {
        match &self.0.source {
            Source::Configured(chosen) => chosen.origin.describe(),
            Source::Service(_) => "this process".to_owned(),
        }
    }

    /// Whether a request may have to wait for a credential plugin.
    pub(super) fn has_plugin(&self) -> bool {
        matches!(&self.0.source, Source::Configured(chosen) if matches!(&chosen.origin, Origin::Files { auth, .. } if auth.exec.is_some() || auth.auth_provider.is_some()))
    }

    /// The client, made now when there is none yet or its certificate has expired.
    pub(super) async fn client(&self) -> Result<Client> {
        let mut slot = self.0.client.lock().await;
        let expired = |client: &Client| client.valid_until().is_some_and(|end| end.duration_since(self.0.clock.now()) < jiff::SignedDuration::from_secs(10));
        if let Some(client) = slot.as_ref().filter(|client| !expired(client)) {
            return Ok(client.clone());
        }
        let client = match &self.0.source {
            Source::Service(make) => (*make.lock().unwrap_or_else(PoisonError::into_inner))(),
            // A few small files at most.
            Source::Configured(chosen) if !self.has_plugin() => build(chosen)?,
            Source::Configured(chosen) => {
                let chosen = chosen.clone();
                // Plugins run as blocking child processes.
                let building = tokio::task::spawn_blocking(move || build(&chosen));
                match tokio::time::timeout(PLUGIN_LIMIT, building).await {
                    Ok(Ok(built)) => built?,
                    Ok(Err(error)) => return Err(Error::unreachable(format!("cannot set up the connection to {}: {error}", self.server()))),
                    Err(_) => {
                        let message = format!("the credential plugin of context {:?} did not answer within {} s", self.context(), PLUGIN_LIMIT.as_secs());
                        return Err(Error::new(ErrorKind::Unauthorized, message));
                    }
                }
            }
        };
        Ok(slot.insert(client).clone())
    }

    /// Forgets the client, so that the next request asks the credential plugin again.
    pub(super) async fn forget_client(&self) {
        *self.0.client.lock().await = None;
    }
}

/// Blocks on files and credential plugins; must run inside a runtime's context.
fn build(chosen: &Chosen) -> Result<Client> {
    let mut config = kube::Config::new(chosen.server.clone());
    config.default_namespace = chosen.namespace.clone();
    config.connect_timeout = Some(CONNECT_LIMIT);
    // Reads are retried by `request` within their limit; writes never are.
    config.default_retry = false;
    let unusable = |what: String| Error::unreachable(format!("context {:?} in {} cannot be used: {what}", chosen.context, chosen.origin.describe()));
    match &chosen.origin {
        Origin::Files { cluster, auth, .. } => {
            config.auth_info = (**auth).clone();
            config.accept_invalid_certs = cluster.insecure_skip_tls_verify == Some(true);
            config.tls_server_name = cluster.tls_server_name.clone().filter(|name| !name.is_empty());
            config.disable_compression = cluster.disable_compression == Some(true);
            if let Some(data) = cluster.certificate_authority_data.as_deref().filter(|data| !data.is_empty()) {
                let bytes = base64::engine::general_purpose::STANDARD.decode(data.trim());
                let bytes = bytes.map_err(|error| unusable(format!("its certificate-authority-data is not base64: {error}")))?;
                config.root_cert = Some(certificates(&bytes).map_err(|reason| unusable(format!("its certificate-authority-data {reason}")))?);
            } else if let Some(path) = cluster.certificate_authority.as_deref().filter(|path| !path.is_empty()) {
                let bytes = std::fs::read(path).map_err(|error| unusable(format!("cannot read its certificate-authority {path}: {error}")))?;
                config.root_cert = Some(certificates(&bytes).map_err(|reason| unusable(format!("its certificate-authority {path} {reason}")))?);
            }
        }
        Origin::InCluster(directory) => {
            let authority = directory.join("ca.crt");
            let bytes = std::fs::read(&authority).map_err(|error| unusable(format!("cannot read {}: {error}", authority.display())))?;
            config.root_cert = Some(certificates(&bytes).map_err(|reason| unusable(format!("{} {reason}", authority.display())))?);
            config.root_cert_file = Some(authority);
            config.auth_info.token_file = Some(directory.join("token").to_string_lossy().into_owned());
        }
    }
    if let Some(proxy) = &chosen.proxy {
        let parsed = proxy.parse().map_err(|error| unusable(format!("its proxy {proxy:?} is not a URL: {error}")))?;
        config.proxy_url = Some(parsed);
    }
    client_of(config).map_err(|error| match &error {
        kube::Error::Auth(problem) => credentials_failed(chosen, problem),
        other => unusable(other.to_string()).hint("check the files and data of its cluster and user"),
    })
}

/// A client whose small packets are sent at once: kube leaves Nagle's algorithm on, which holds a request on a resumed TLS connection back for 40 ms.
///
/// A proxy, and certificates of plugins, which expire, are kube's own business.
fn client_of(config: kube::Config) -> kube::Result<Client> {
    if config.proxy_url.is_some() || config.auth_info.exec.is_some() || config.auth_info.auth_provider.is_some() {
        return Client::try_from(config);
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    let mut connector = TimeoutConnector::new(config.rustls_https_connector_with_connector(tcp)?);
    connector.set_connect_timeout(config.connect_timeout);
    let transport = hyper_util::client::legacy::Builder::new(TokioExecutor::new()).build::<_, Body>(connector);
    let (auth, headers) = (config.auth_layer()?, config.extra_headers_layer()?);
    let service = headers.layer(transport).map_err(BoxError::from);
    let service = match auth {
        Some(auth) => BoxService::new(auth.layer(service).map_err(BoxError::from)),
        None => BoxService::new(service),
    };
    Ok(Client::new(config.base_uri_layer().layer(service), config.default_namespace))
}

/// The certificates of a PEM text, as DER.
fn certificates(pem: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let parts = pem::parse_many(pem).map_err(|error| format!("is not PEM: {error}"))?;
    let found: Vec<_> = parts.into_iter().filter(|part| part.tag() == "CERTIFICATE").map(pem::Pem::into_contents).collect();
    if found.is_empty() { Err("holds no certificate".to_owned()) } else { Ok(found) }
}

/// Never shows the plugin's output on stdout or its environment: those are credentials.
fn credentials_failed(chosen: &Chosen, problem: &AuthError) -> Error {
    let exec = match &chosen.origin {
        Origin::Files { auth, .. } => auth.exec.as_ref(),
        Origin::InCluster(_) => None,
    };
    let command = exec.and_then(|exec| exec.command.as_deref()).unwrap_or("the credential plugin");
    let what = match problem {
        AuthError::AuthExecStart(error) => format!("cannot run the credential plugin {command}: {error}"),
        AuthError::AuthExecRun { out, .. } => {
            let words = String::from_utf8_lossy(&out.stderr);
            match words.lines().rev().find(|line| !line.trim().is_empty()) {
                Some(line) => format!("the credential plugin {command} failed ({}): {}", out.status, line.trim()),
                None => format!("the credential plugin {command} failed ({})", out.status),
            }
        }
        AuthError::AuthExecParse(_) => format!("the credential plugin {command} printed no ExecCredential"),
        other => other.to_string(),
    };
    let mut error = Error::new(ErrorKind::Unauthorized, format!("no credentials for context {:?}: {what}", chosen.context));
    error = match exec.and_then(|exec| exec.install_hint.as_deref()).filter(|_| matches!(problem, AuthError::AuthExecStart(_))) {
        Some(hint) => error.hint(hint.trim()),
        None => error,
    };
    error.hint(format!("check the user of this context in {}", chosen.origin.describe()))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;
    use crate::resource::{POD, Target};

    /// A cluster whose user has this entry, behind an address that answers every request with its `Authorization`.
    fn cluster(user: &str) -> (tempfile::TempDir, Cluster) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut request = [0_u8; 4096];
                let count = stream.read(&mut request).expect("a request");
                let text = String::from_utf8_lossy(&request[..count]).to_lowercase();
                let sent = text.lines().find_map(|line| line.strip_prefix("authorization: ")).unwrap_or("nothing").to_owned();
                let revoked = sent == "bearer revoked";
                let (status, body) = if revoked {
                    ("401 Unauthorized", "{\"kind\":\"Status\",\"code\":401,\"message\":\"Unauthorized\"}".to_owned())
                } else {
                    ("200 OK", format!("{{\"sent\":\"{sent}\"}}"))
                };
                let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
            }
        });
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("config");
        let user = user.replace("DIR", &dir.path().display().to_string());
        let text = format!(
            "current-context: c\nclusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\nusers: [{{name: ann, user: {user}}}]\ncontexts: [{{name: c, context: {{cluster: c, user: ann}}}}]\n"
        );
        std::fs::write(&file, text).expect("a file");
        std::fs::write(dir.path().join("token"), "from-file").expect("a file");
        let connection = Connection { kubeconfig: Some(file), ..Connection::default() };
        let cluster = Cluster::configured(&connection, Clock::wall()).expect("a configuration");
        (dir, cluster)
    }

    async fn sent(cluster: &Cluster) -> Result<String> {
        let answer = cluster.get(&Target::new(&POD, Some("shop"), "a")).await?;
        Ok(answer["sent"].as_str().unwrap_or_default().to_owned())
    }

    fn plugin(script: &str) -> String {
        format!(
            "{{exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, args: ['-c', '{script}'], installHint: 'install sh'}}}}"
        )
    }

    const CREDENTIAL: &str = r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":{"token":"TOKEN"}}"#;

    #[tokio::test]
    async fn users_are_known_by_token_file_password_or_plugin() {
        let print = plugin(&format!("echo {}", CREDENTIAL.replace("TOKEN", "by-plugin").replace('"', "\\\"")));
        for (user, expected) in [
            ("{token: inline}", "bearer inline"),
            ("{tokenFile: token}", "bearer from-file"),
            ("{username: ann, password: pw}", "basic yw5uonb3"),
            ("{}", "nothing"),
            (&print, "bearer by-plugin"),
        ] {
            let (_dir, cluster) = cluster(user);
            assert_eq!(sent(&cluster).await.expect("an answer"), expected, "{user}");
        }
    }

    #[tokio::test]
    async fn a_plugin_is_asked_again_when_its_token_was_revoked() {
        let first = format!("echo {}", CREDENTIAL.replace("TOKEN", "revoked").replace('"', "\\\""));
        let second = format!("echo {}", CREDENTIAL.replace("TOKEN", "renewed").replace('"', "\\\""));
        let (_dir, cluster) = cluster(&plugin(&format!("if test -e DIR/once; then {second}; else touch DIR/once; {first}; fi")));
        assert_eq!(sent(&cluster).await.expect("an answer"), "bearer renewed");
    }

    #[tokio::test]
    async fn a_plugin_that_fails_is_named_with_its_last_words_and_no_secrets() {
        let cases = [
            (
                plugin("echo s3cret; echo first >&2; echo session has expired >&2; exit 3"),
                "no credentials for context \"c\": the credential plugin sh failed (exit status: 3): session has expired",
            ),
            (plugin("echo s3cret"), "no credentials for context \"c\": the credential plugin sh printed no ExecCredential"),
            (
                "{exec: {command: /no/such/plugin, installHint: get it}}".to_owned(),
                "no credentials for context \"c\": cannot run the credential plugin /no/such/plugin: No such file or directory (os error 2)",
            ),
        ];
        for (user, message) in cases {
            let (_dir, cluster) = cluster(&user);
            let error = sent(&cluster).await.expect_err("no credentials");
            assert_eq!((error.kind(), error.message()), (ErrorKind::Unauthorized, message));
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
            assert_eq!(error.hints().contains(&"get it".to_owned()), user.contains("no/such"), "{:?}", error.hints());
        }
    }

    #[tokio::test]
    async fn files_of_a_user_that_are_not_there_are_named() {
        let (_dir, cluster) = cluster("{client-certificate: gone.crt, client-key: gone.key}");
        let error = sent(&cluster).await.expect_err("no certificate");
        assert!(error.message().contains("gone.crt"), "{error}");
    }

    #[tokio::test]
    async fn a_proxy_of_the_cluster_is_used() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let proxy = listener.local_addr().expect("an address");
        let seen = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a connection");
            let mut request = [0_u8; 4096];
            let count = stream.read(&mut request).expect("a request");
            let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n");
            String::from_utf8_lossy(&request[..count]).into_owned()
        });
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("config");
        let text = format!(
            "current-context: c\nclusters: [{{name: c, cluster: {{server: 'https://api.example', proxy-url: 'http://{proxy}'}}}}]\ncontexts: [{{name: c, context: {{cluster: c}}}}]\n"
        );
        std::fs::write(&file, text).expect("a file");
        let connection = Connection { kubeconfig: Some(file), ..Connection::default() };
        let cluster = Cluster::configured(&connection, Clock::wall()).expect("a configuration");
        let error = sent(&cluster).await.expect_err("the proxy refuses");
        assert!(error.message().contains("the proxy on the way to the API server https://api.example"), "{error}");
        assert!(seen.join().expect("a request").starts_with("CONNECT api.example:443 HTTP/1.1\r\n"));
    }
}
