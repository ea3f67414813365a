//! From a kubeconfig (several files, contexts, exec plugins), the in-cluster configuration or an in-process service to a lazily connected cluster.

use std::path::PathBuf;

use crate::clock::Clock;
use crate::error::Result;

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
#[derive(Clone)]
pub struct Cluster {}

impl Cluster {
    /// Reads the configuration files; makes no request.
    ///
    /// # Errors
    /// `unreachable` when there is no configuration at all or a file cannot be read or parsed (says which), `not_found` for an unknown context (with the nearest).
    pub fn configured(_connection: &Connection, _clock: Clock) -> Result<Self> {
        todo!()
    }

    /// A cluster behind an in-process service.
    pub fn in_process<S, B>(_service: S, _context: &str, _namespace: &str, _clock: Clock) -> Self
    where
        S: tower::Service<http::Request<kube::client::Body>, Response = http::Response<B>> + Send + Clone + 'static,
        S::Future: Send + 'static,
        S::Error: Into<tower::BoxError>,
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<tower::BoxError>,
    {
        todo!()
    }

    /// All contexts that the configuration has, in its order.
    pub fn contexts(_connection: &Connection) -> Result<Vec<ContextEntry>> {
        todo!()
    }

    pub fn context(&self) -> &str {
        todo!()
    }

    /// The context's own namespace, `default` when it names none.
    pub fn namespace(&self) -> &str {
        todo!()
    }

    /// The server's URL, for messages.
    pub fn server(&self) -> &str {
        todo!()
    }
}
