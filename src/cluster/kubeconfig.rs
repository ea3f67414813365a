//! Kubeconfig files as kubectl finds, merges and chooses from them; the in-cluster configuration where there are none.
//!
//! Only files are read here: certificates, tokens and plugins are looked at when the client is built (`connect`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use http::Uri;
use kube::config::{AuthInfo, Cluster as ClusterEntry, Kubeconfig, KubeconfigError};

use super::connect::{Connection, ContextEntry};
use crate::error::{Error, Result};
use crate::proxy::proxy_for;

/// The name that the in-cluster configuration goes by where a context's name is shown.
pub(super) const IN_CLUSTER: &str = "in-cluster";

/// What the choice of a configuration depends on outside the flags; an argument, so that sessions and tests may differ.
#[derive(Clone, Debug)]
pub(super) struct Environment {
    pub variables: BTreeMap<String, String>,
    pub home: Option<PathBuf>,
    /// Where a pod finds its token, its CA and its namespace.
    pub service_account: PathBuf,
}

impl Environment {
    pub fn of_process() -> Self {
        let text = |it: std::ffi::OsString| it.to_string_lossy().into_owned();
        Self {
            variables: std::env::vars_os().map(|(key, value)| (text(key), text(value))).collect(),
            home: std::env::home_dir(),
            service_account: PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount"),
        }
    }

    pub fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|value| !value.is_empty()).cloned()
    }
}

/// A context with all that it refers to.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub context: String,
    pub namespace: String,
    pub server: Uri,
    pub user: Option<String>,
    /// The cluster's own `proxy-url`, else what the environment prescribes.
    pub proxy: Option<String>,
    pub origin: Origin,
}

#[derive(Clone, Debug)]
pub(super) enum Origin {
    Files {
        files: Vec<PathBuf>,
        cluster: Box<ClusterEntry>,
        auth: Box<AuthInfo>,
    },
    /// The directory with the pod's token and CA.
    InCluster(PathBuf),
}

impl Origin {
    /// Where to look, for hints.
    pub fn describe(&self) -> String {
        match self {
            Origin::Files { files, .. } => listing(files),
            Origin::InCluster(_) => "the pod's service account".to_owned(),
        }
    }
}

struct Loaded {
    files: Vec<PathBuf>,
    missing: Vec<PathBuf>,
    config: Kubeconfig,
}

/// The context that the flags and the environment mean.
pub(super) fn choose(connection: &Connection, environment: &Environment) -> Result<Chosen> {
    let loaded = load(connection, environment)?;
    if loaded.config.contexts.is_empty() {
        let fits = connection.kubeconfig.is_none() && connection.context.as_deref().is_none_or(|name| name == IN_CLUSTER);
        return match in_cluster(connection, environment).filter(|_| fits) {
            Some(chosen) => chosen,
            None => Err(nothing_configured(&loaded)),
        };
    }
    let Loaded { files, config, .. } = loaded;
    let names = || config.contexts.iter().map(|entry| entry.name.as_str());
    let Some(wanted) = connection.context.as_deref().or(config.current_context.as_deref()) else {
        return Err(Error::unreachable(format!("{} names no current context", listing(&files)))
            .hint(format!("choose one with `--context`: {}", some_of(names())))
            .hint("or set it for good: `kubectl config use-context NAME`"));
    };
    let Some(context) = config.contexts.iter().find(|entry| entry.name == wanted).and_then(|entry| entry.context.as_ref()) else {
        let error = Error::not_found(format!("no context {wanted:?} in {}", listing(&files))).fact("context", wanted);
        return Err(match nearest(wanted, names()) {
            Some(name) => error.hint(format!("did you mean {name:?}?")),
            None => error.hint(format!("there are: {}", some_of(names()))),
        });
    };
    let broken = |what: String| Error::unreachable(format!("context {wanted:?} in {} {what}", listing(&files)));
    let clusters = || config.clusters.iter().map(|entry| entry.name.as_str());
    let cluster = config.clusters.iter().find(|entry| entry.name == context.cluster).and_then(|entry| entry.cluster.as_ref());
    let cluster = cluster.ok_or_else(|| {
        broken(format!("names the cluster {:?}, which is not there", context.cluster)).hint(format!("clusters that are there: {}", some_of(clusters())))
    })?;
    let user = context.user.clone().filter(|user| !user.is_empty());
    let mut auth = match &user {
        Some(user) => {
            let found = config.auth_infos.iter().find(|entry| &entry.name == user);
            let found = found.ok_or_else(|| broken(format!("names the user {user:?}, who is not there")))?;
            found.auth_info.clone().unwrap_or_default()
        }
        None => AuthInfo::default(),
    };
    if let Some(exec) = auth.exec.as_mut().filter(|exec| exec.provide_cluster_info) {
        exec.cluster = Some(cluster.try_into().map_err(|error: KubeconfigError| broken(format!("cannot be used: {error}")))?);
    }
    let server = cluster.server.as_deref().filter(|server| !server.is_empty());
    let server = server.ok_or_else(|| broken(format!("leads to the cluster {:?}, which has no `server`", context.cluster)))?;
    let server = server_url(server, cluster, &auth)
        .ok_or_else(|| broken(format!("has the server {server:?}, which is not a URL")).hint("write it as https://HOST:PORT"))?;
    Ok(Chosen {
        context: wanted.to_owned(),
        namespace: connection.namespace.clone().or_else(|| context.namespace.clone()).filter(|it| !it.is_empty()).unwrap_or_else(|| "default".to_owned()),
        user,
        proxy: cluster.proxy_url.clone().filter(|it| !it.is_empty()).or_else(|| proxy_for(&server, |name| environment.variable(name))),
        server,
        origin: Origin::Files { cluster: Box::new(cluster.clone()), auth: Box::new(auth), files },
    })
}

/// All contexts, in the order of the files.
pub(super) fn contexts(connection: &Connection, environment: &Environment) -> Result<Vec<ContextEntry>> {
    let loaded = load(connection, environment)?;
    if loaded.config.contexts.is_empty() {
        let fits = connection.kubeconfig.is_none();
        let chosen = in_cluster(&Connection::default(), environment).filter(|_| fits).ok_or_else(|| nothing_configured(&loaded))??;
        return Ok(vec![ContextEntry {
            name: chosen.context,
            cluster: None,
            server: Some(chosen.server.to_string().trim_end_matches('/').to_owned()),
            user: chosen.user,
            namespace: Some(chosen.namespace),
            current: true,
        }]);
    }
    let current = connection.context.as_deref().or(loaded.config.current_context.as_deref());
    let server_of = |name: &str| loaded.config.clusters.iter().find(|entry| entry.name == name)?.cluster.as_ref()?.server.clone();
    let entries = loaded.config.contexts.iter().map(|entry| {
        let context = entry.context.as_ref();
        ContextEntry {
            name: entry.name.clone(),
            cluster: context.map(|context| context.cluster.clone()),
            server: context.and_then(|context| server_of(&context.cluster)),
            user: context.and_then(|context| context.user.clone()).filter(|user| !user.is_empty()),
            namespace: context.and_then(|context| context.namespace.clone()).filter(|namespace| !namespace.is_empty()),
            current: current == Some(entry.name.as_str()),
        }
    });
    Ok(entries.collect())
}

fn load(connection: &Connection, environment: &Environment) -> Result<Loaded> {
    if let Some(path) = &connection.kubeconfig {
        let config = read(path)?.ok_or_else(|| {
            Error::unreachable(format!("there is no kubeconfig {}", path.display()))
                .hint("check the path that `--kubeconfig` gives")
                .hint("no cluster at hand? `--sim` starts a simulated one")
        })?;
        let mut merged = Kubeconfig::default();
        merge(&mut merged, config);
        return Ok(Loaded { files: vec![path.clone()], missing: Vec::new(), config: merged });
    }
    let mut paths: Vec<PathBuf> = match environment.variable("KUBECONFIG") {
        Some(list) => std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect(),
        None => environment.home.iter().map(|home| home.join(".kube/config")).collect(),
    };
    let mut seen = std::collections::BTreeSet::new();
    paths.retain(|path| seen.insert(path.clone()));
    let mut loaded = Loaded { files: Vec::new(), missing: Vec::new(), config: Kubeconfig::default() };
    for path in paths {
        match read(&path)? {
            Some(config) => {
                merge(&mut loaded.config, config);
                loaded.files.push(path);
            }
            None => loaded.missing.push(path),
        }
    }
    Ok(loaded)
}

/// A file, with relative paths in it made absolute; `None` when it is not there.
fn read(path: &Path) -> Result<Option<Kubeconfig>> {
    match Kubeconfig::read_from(path) {
        Ok(config) => Ok(Some(config)),
        Err(KubeconfigError::ReadConfig(error, _)) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(KubeconfigError::ReadConfig(error, _)) => {
            Err(Error::unreachable(format!("cannot read kubeconfig {}: {error}", path.display())).hint("check the file and its permissions").source(error))
        }
        // Only the first line: the rest is an excerpt of the file, and the file holds secrets.
        Err(error) => {
            let text = match &error {
                KubeconfigError::Parse(error) => error.to_string(),
                other => other.to_string(),
            };
            let reason = text.lines().next().unwrap_or_default().trim_end_matches(['.', ':']).to_owned();
            Err(Error::unreachable(format!("kubeconfig {} is not valid: {reason}", path.display()))
                .hint("`kubectl config view --kubeconfig FILE` shows what kubectl makes of it"))
        }
    }
}

/// The first file to set a value wins, and entries are never mixed; an empty `current-context` sets nothing.
fn merge(into: &mut Kubeconfig, next: Kubeconfig) {
    for entry in next.clusters {
        if into.clusters.iter().all(|known| known.name != entry.name) {
            into.clusters.push(entry);
        }
    }
    for entry in next.auth_infos {
        if into.auth_infos.iter().all(|known| known.name != entry.name) {
            into.auth_infos.push(entry);
        }
    }
    for entry in next.contexts {
        if into.contexts.iter().all(|known| known.name != entry.name) {
            into.contexts.push(entry);
        }
    }
    if into.current_context.is_none() {
        into.current_context = next.current_context.filter(|name| !name.is_empty());
    }
}

/// `None` when this process does not run in a pod.
fn in_cluster(connection: &Connection, environment: &Environment) -> Option<Result<Chosen>> {
    let (host, port) = (environment.variable("KUBERNETES_SERVICE_HOST")?, environment.variable("KUBERNETES_SERVICE_PORT")?);
    if !environment.service_account.join("token").is_file() {
        return None;
    }
    let bracketed = if host.contains(':') { format!("[{host}]") } else { host };
    let url = format!("https://{bracketed}:{port}");
    let Ok(server) = url.parse::<Uri>() else {
        return Some(Err(Error::unreachable(format!("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT make {url:?}, which is not a URL"))));
    };
    let namespace = connection.namespace.clone().or_else(|| environment.variable("POD_NAMESPACE"));
    let namespace = namespace.or_else(|| std::fs::read_to_string(environment.service_account.join("namespace")).ok().map(|text| text.trim().to_owned()));
    Some(Ok(Chosen {
        context: IN_CLUSTER.to_owned(),
        namespace: namespace.filter(|it| !it.is_empty()).unwrap_or_else(|| "default".to_owned()),
        server,
        user: None,
        proxy: None,
        origin: Origin::InCluster(environment.service_account.clone()),
    }))
}

fn nothing_configured(loaded: &Loaded) -> Error {
    let message = match (&*loaded.files, &*loaded.missing) {
        ([], []) => "no cluster is configured: KUBECONFIG is not set and there is no home directory".to_owned(),
        ([], missing) => format!("no cluster is configured: there is no {}", listing(missing)),
        (files, _) => format!("no cluster is configured: {} has no contexts", listing(files)),
    };
    Error::unreachable(message).hint("set KUBECONFIG, or give `--kubeconfig FILE`").hint("no cluster at hand? `--sim` starts a simulated one")
}

/// kubectl takes `host:port` too, and then TLS is used exactly when something about TLS is configured.
fn server_url(text: &str, cluster: &ClusterEntry, auth: &AuthInfo) -> Option<Uri> {
    let secure = cluster.certificate_authority.is_some()
        || cluster.certificate_authority_data.is_some()
        || cluster.insecure_skip_tls_verify == Some(true)
        || auth.client_certificate.is_some()
        || auth.client_certificate_data.is_some();
    let full = match text.contains("://") {
        true => text.to_owned(),
        false => format!("{}://{text}", if secure { "https" } else { "http" }),
    };
    let url = full.trim_end_matches('/').parse::<Uri>().ok()?;
    (matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty())).then_some(url)
}

fn listing(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// At most eight names, for a hint.
pub(super) fn some_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    let all = names.len();
    names.truncate(8);
    match all {
        0 => "none".to_owned(),
        _ if all > names.len() => format!("{} and {} more", names.join(", "), all - names.len()),
        _ => names.join(", "),
    }
}

/// The name that a misspelt one most likely stands for.
pub(super) fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = names.map(|name| (strsim::jaro_winkler(&wanted.to_lowercase(), &name.to_lowercase()), name));
    let best = scored.filter(|(score, _)| *score > 0.8).max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    const ONE: &str = "
kind: Config
apiVersion: v1
current-context: ''
clusters: [{name: east, cluster: {server: 'https://east.example:6443'}}, {name: both, cluster: {server: 'https://first'}}]
users: [{name: ann, user: {token: t}}]
contexts: [{name: east, context: {cluster: east, user: ann, namespace: shop}}]
";
    const TWO: &str = "
current-context: west
clusters: [{name: west, cluster: {server: 'west.example:8443', insecure-skip-tls-verify: true}}, {name: both, cluster: {server: 'https://second'}}]
contexts: [{name: west, context: {cluster: west, user: ''}}, {name: both, context: {cluster: both}}, {name: dangling, context: {cluster: none}}, {name: ghost, context: {cluster: both, user: nobody}}]
";

    struct Place {
        dir: tempfile::TempDir,
        environment: Environment,
    }

    /// A home with these files, and KUBECONFIG listing them.
    fn place(files: &[(&str, &str)]) -> Place {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, text).expect("a file");
        }
        let list = std::env::join_paths(files.iter().map(|(name, _)| dir.path().join(name))).expect("paths").into_string().expect("text");
        let environment = Environment {
            variables: BTreeMap::from([("KUBECONFIG".to_owned(), list)]),
            home: Some(dir.path().to_owned()),
            service_account: dir.path().join("service-account"),
        };
        Place { dir, environment }
    }

    fn context(name: &str) -> Connection {
        Connection { context: Some(name.to_owned()), ..Connection::default() }
    }

    fn fails(result: Result<Chosen>, kind: ErrorKind, words: &[&str]) {
        let error = result.expect_err("it must fail");
        assert_eq!(error.kind(), kind, "{error}");
        let all = format!("{error} {}", error.hints().join(" "));
        for word in words {
            assert!(all.contains(word), "{word:?} is not in {all:?}");
        }
    }

    #[test]
    fn several_files_are_merged_and_the_first_to_say_something_wins() {
        let place = place(&[("one", ONE), ("missing-is-fine-too", "{}"), ("two", TWO)]);
        let chosen = choose(&Connection::default(), &place.environment).expect("the second file's current context");
        assert_eq!((chosen.context.as_str(), chosen.namespace.as_str(), chosen.server.to_string().as_str()), ("west", "default", "https://west.example:8443/"));
        assert_eq!(chosen.user, None);
        let both = choose(&context("both"), &place.environment).expect("an entry of both files");
        assert_eq!(both.server.host(), Some("first"));
        let names: Vec<_> =
            contexts(&Connection::default(), &place.environment).expect("contexts").into_iter().map(|entry| (entry.name, entry.current)).collect();
        assert_eq!(names, [("east".into(), false), ("west".into(), true), ("both".into(), false), ("dangling".into(), false), ("ghost".into(), false)]);
    }

    #[test]
    fn the_flags_come_before_the_context() {
        let place = place(&[("one", ONE)]);
        let flags = Connection { namespace: Some("other".into()), ..context("east") };
        assert_eq!(choose(&flags, &place.environment).expect("east").namespace, "other");
        assert_eq!(choose(&context("east"), &place.environment).expect("east").namespace, "shop");
    }

    #[test]
    fn without_kubeconfig_the_home_directory_is_looked_at() {
        let mut place = place(&[(".kube/config", TWO)]);
        place.environment.variables.clear();
        assert_eq!(choose(&Connection::default(), &place.environment).expect("home").context, "west");
    }

    #[test]
    fn relative_paths_are_relative_to_their_file() {
        let place = place(&[(
            "sub/one",
            "clusters: [{name: c, cluster: {server: 'https://x', certificate-authority: ca.crt}}]\ncontexts: [{name: c, context: {cluster: c}}]\n",
        )]);
        let Origin::Files { cluster, .. } = choose(&context("c"), &place.environment).expect("c").origin else { panic!("files") };
        assert_eq!(cluster.certificate_authority.as_deref(), place.dir.path().join("sub/ca.crt").to_str());
    }

    #[test]
    fn a_wrong_configuration_is_named_with_its_file() {
        let place = place(&[("one", ONE), ("two", TWO)]);
        fails(choose(&context("esat"), &place.environment), ErrorKind::NotFound, &["\"esat\"", "one", "did you mean \"east\""]);
        fails(choose(&context("zzz"), &place.environment), ErrorKind::NotFound, &["there are: east, west, both, dangling, ghost"]);
        fails(choose(&context("dangling"), &place.environment), ErrorKind::Unreachable, &["the cluster \"none\""]);
        fails(choose(&context("ghost"), &place.environment), ErrorKind::Unreachable, &["the user \"nobody\""]);
        let nowhere = Connection { kubeconfig: Some(place.dir.path().join("nowhere")), ..Connection::default() };
        fails(choose(&nowhere, &place.environment), ErrorKind::Unreachable, &["there is no kubeconfig", "nowhere", "--sim"]);
        let directory = Connection { kubeconfig: Some(place.dir.path().to_owned()), ..Connection::default() };
        fails(choose(&directory, &place.environment), ErrorKind::Unreachable, &["cannot read kubeconfig"]);
    }

    #[test]
    fn a_broken_file_is_named_and_its_secrets_are_not_shown() {
        let place = place(&[("broken", "users: [{name: a, user: {token: s3cret}}\nclusters: {\n")]);
        let error = choose(&Connection::default(), &place.environment).expect_err("not YAML");
        assert_eq!(error.kind(), ErrorKind::Unreachable);
        assert!(error.message().contains("broken is not valid: "), "{error}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }

    #[test]
    fn no_configuration_at_all_says_what_to_do() {
        let mut place = place(&[]);
        fails(choose(&Connection::default(), &place.environment), ErrorKind::Unreachable, &["there is no", ".kube/config", "KUBECONFIG", "--sim"]);
        place.environment.home = None;
        fails(choose(&Connection::default(), &place.environment), ErrorKind::Unreachable, &["no home directory"]);
        let mut empty = self::place(&[("empty", "")]);
        fails(choose(&Connection::default(), &empty.environment), ErrorKind::Unreachable, &["empty has no contexts", "--sim"]);
        fails(choose(&context("x"), &empty.environment), ErrorKind::Unreachable, &["empty has no contexts"]);
        empty.environment.variables = BTreeMap::from([("KUBECONFIG".into(), "/no/such:/nor/this".into())]);
        fails(choose(&Connection::default(), &empty.environment), ErrorKind::Unreachable, &["there is no /no/such, /nor/this"]);
        let none_current = self::place(&[("one", ONE)]);
        fails(choose(&Connection::default(), &none_current.environment), ErrorKind::Unreachable, &["names no current context", "--context", "east"]);
    }

    #[test]
    fn a_pod_finds_its_own_cluster() {
        let mut place = place(&[("service-account/token", "t"), ("service-account/namespace", "shop\n")]);
        place.environment.variables = BTreeMap::from([("KUBERNETES_SERVICE_HOST".into(), "fd00::1".into()), ("KUBERNETES_SERVICE_PORT".into(), "443".into())]);
        let chosen = choose(&Connection::default(), &place.environment).expect("in-cluster");
        assert_eq!((chosen.context.as_str(), chosen.namespace.as_str(), chosen.server.to_string().as_str()), ("in-cluster", "shop", "https://[fd00::1]:443/"));
        assert_eq!(contexts(&Connection::default(), &place.environment).expect("one").len(), 1);
        assert_eq!(choose(&context("in-cluster"), &place.environment).expect("by its name").context, "in-cluster");
    }
}
