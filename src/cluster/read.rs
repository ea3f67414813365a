//! Reading: objects, lists, tables, logs, discovery, access reviews. Each request has a time limit.

use serde_json::Value;

use super::connect::Cluster;
use crate::error::Result;
use crate::resource::{Resource, Target};

/// Which objects of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// `None`: all namespaces.
    pub namespace: Option<String>,
    pub name: Option<String>,
    pub labels: Option<String>,
    pub fields: Option<String>,
}

/// How much of each object comes with a table's row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Include {
    None,
    Metadata,
    Object,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    pub container: Option<String>,
    pub tail: Option<i64>,
    pub since_s: Option<i64>,
    pub previous: bool,
}

impl Cluster {
    /// One object.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `unauthorized`, `unreachable`.
    pub async fn get(&self, _target: &Target) -> Result<Value> {
        todo!()
    }

    /// All objects of a selection (page by page, 500 a page), each with `apiVersion` and `kind` filled in.
    pub async fn list(&self, _resource: &Resource, _selection: &Selection) -> Result<Vec<Value>> {
        todo!()
    }

    /// The API server's own table of a selection: the `Table` object, pages put together.
    /// With `selection.name` the one object of that name, `not_found` when there is none.
    pub async fn table(&self, _resource: &Resource, _selection: &Selection, _include: Include) -> Result<Value> {
        todo!()
    }

    pub async fn logs(&self, _namespace: &str, _pod: &str, _options: &LogOptions) -> Result<String> {
        todo!()
    }

    /// The resource of a name: a known one without a request, others by discovery.
    ///
    /// # Errors
    /// `not_found` with the nearest names.
    pub async fn resource(&self, _name: &str) -> Result<Resource> {
        todo!()
    }

    /// The resource of a manifest's `apiVersion` and `kind`.
    pub async fn resource_of(&self, _api_version: &str, _kind: &str) -> Result<Resource> {
        todo!()
    }

    /// Whether RBAC allows `verb` on the target (a SelfSubjectAccessReview).
    pub async fn can(&self, _verb: &str, _resource: &Resource, _namespace: Option<&str>, _name: Option<&str>) -> Result<bool> {
        todo!()
    }
}
