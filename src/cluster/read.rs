//! Reading: objects, lists, logs, access reviews. Each request has a time limit.
//!
//! Tables are in `table`, names of kinds in `discovery`, what happens afterwards in `watch`.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::connect::Cluster;
use super::request::{Ask, JSON, Path, Subject, segment};
use crate::error::{Error, Result};
use crate::resource::{POD, Resource, Target};

/// How many objects come in one answer; kubectl's number.
pub(super) const PAGE: usize = 500;

/// Which objects of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// `None`: all namespaces.
    pub namespace: Option<String>,
    pub name: Option<String>,
    pub labels: Option<String>,
    pub fields: Option<String>,
}

impl Selection {
    /// The field selector, the name included.
    pub(super) fn fields(&self) -> Option<String> {
        let name = self.name.as_ref().map(|name| format!("metadata.name={name}"));
        match (name, self.fields.clone().filter(|fields| !fields.is_empty())) {
            (Some(name), Some(fields)) => Some(format!("{name},{fields}")),
            (name, fields) => name.or(fields),
        }
    }

    pub(super) fn labels(&self) -> Option<&str> {
        self.labels.as_deref().filter(|labels| !labels.is_empty())
    }
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

/// The path of a collection, with the namespace escaped.
pub(super) fn collection(resource: &Resource, namespace: Option<&str>) -> Result<String> {
    let namespace = namespace.filter(|_| resource.namespaced).map(|name| segment(name, "namespace")).transpose()?;
    Ok(resource.path(namespace.as_deref()))
}

/// The path of one object, with its names escaped.
pub(super) fn path_of(target: &Target) -> Result<String> {
    if target.resource.namespaced && target.namespace.is_none() {
        return Err(Error::usage(format!("{target} has no namespace")));
    }
    Ok(format!("{}/{}", collection(&target.resource, target.namespace.as_deref())?, segment(&target.name, &target.resource.singular)?))
}

/// The words for a request about one object.
pub(super) fn about(verb: &'static str, words: &str, target: &Target) -> Subject {
    let namespace = target.namespace.clone().filter(|_| target.resource.namespaced);
    Subject { words: format!("{words} {target}"), target: Some(target.to_string()), access: Some((verb, target.resource.qualified(), namespace)) }
}

/// The words for a request about many.
pub(super) fn about_all(verb: &'static str, resource: &Resource, selection: &Selection) -> Subject {
    let namespace = selection.namespace.clone().filter(|_| resource.namespaced);
    let words = match &selection.name {
        Some(name) => format!("{verb} {}/{name}", resource.singular),
        None => format!("{verb} {}", resource.plural),
    };
    Subject { words, target: None, access: Some((verb, resource.qualified(), namespace)) }
}

pub(super) fn get(path: String, accept: &'static str, subject: Subject) -> Ask {
    Ask { method: Method::GET, path, accept, content: None, subject }
}

/// A list, page by page: the items, and the version of the store that they are of.
pub(super) struct Listing {
    pub items: Vec<Value>,
    pub version: String,
}

impl Cluster {
    /// One object.
    ///
    /// # Errors
    /// `not_found`, `forbidden`, `unauthorized`, `unreachable`.
    pub async fn get(&self, target: &Target) -> Result<Value> {
        self.ask_json(&get(path_of(target)?, JSON, about("get", "get", target))).await
    }

    /// All objects of a selection (page by page, 500 a page), each with `apiVersion` and `kind` filled in.
    pub async fn list(&self, resource: &Resource, selection: &Selection) -> Result<Vec<Value>> {
        Ok(self.listing(resource, selection).await?.items)
    }

    /// A list with the version to watch from.
    pub(super) async fn listing(&self, resource: &Resource, selection: &Selection) -> Result<Listing> {
        let mut items: Vec<Value> = Vec::new();
        let version = self
            .pages(resource, selection, JSON, None, |mut page| {
                if let Some(Value::Array(found)) = page.get_mut("items").map(Value::take) {
                    items.extend(found);
                }
            })
            .await?;
        let (api_version, kind) = (resource.api_version(), resource.kind.as_ref());
        for item in &mut items {
            if let Some(object) = item.as_object_mut() {
                object.entry("apiVersion").or_insert_with(|| api_version.clone().into());
                object.entry("kind").or_insert_with(|| kind.into());
            }
        }
        Ok(Listing { items, version })
    }

    /// Every page of a collection in turn; gives the version of the first.
    ///
    /// # Limits
    /// A list whose continuation has expired is begun anew, once and in one piece, as client-go does.
    pub(super) async fn pages(
        &self,
        resource: &Resource,
        selection: &Selection,
        accept: &'static str,
        include: Option<&str>,
        mut page: impl FnMut(Value),
    ) -> Result<String> {
        let path = collection(resource, selection.namespace.as_deref())?;
        let subject = about_all("list", resource, selection);
        let mut pages: Vec<Value> = Vec::new();
        let (mut token, mut whole): (Option<String>, bool) = (None, false);
        loop {
            let mut query =
                Path::new(path.clone()).maybe("labelSelector", selection.labels()).maybe("fieldSelector", selection.fields()).maybe("includeObject", include);
            if !whole {
                query = query.with("limit", PAGE.to_string());
            }
            let ask = get(query.maybe("continue", token.as_deref()).done(), accept, subject.clone());
            let answer = match self.ask_raw(&ask).await {
                Err((failure, _)) if failure.code() == Some(410) && token.is_some() && !whole => {
                    pages.clear();
                    (token, whole) = (None, true);
                    continue;
                }
                other => other.map_err(|(failure, tries)| failure.into_error(self, &subject, tries))?,
            };
            let answer = super::request::parse(&answer).map_err(|failure| failure.into_error(self, &subject, 1))?;
            token = answer["metadata"]["continue"].as_str().filter(|token| !token.is_empty()).map(str::to_owned);
            pages.push(answer);
            if token.is_none() {
                break;
            }
        }
        let version = pages.first().and_then(|first| first["metadata"]["resourceVersion"].as_str()).unwrap_or_default().to_owned();
        pages.into_iter().for_each(&mut page);
        Ok(version)
    }

    /// The log of a container; of the only one, or the server's default, when none is named.
    ///
    /// # Errors
    /// `invalid` when the container has not started, or one must be named (the message lists them); `not_found` for the pod.
    pub async fn logs(&self, namespace: &str, pod: &str, options: &LogOptions) -> Result<String> {
        let target = Target::new(&POD, Some(namespace), pod);
        let path = Path::new(format!("{}/log", path_of(&target)?))
            .maybe("container", options.container.as_deref())
            .maybe("tailLines", options.tail.map(|lines| lines.to_string()))
            .maybe("sinceSeconds", options.since_s.map(|seconds| seconds.to_string()))
            .maybe("previous", options.previous.then_some("true"));
        let mut subject = about("get", "read the log of", &target);
        subject.access = Some(("get", "pods/log".to_owned(), Some(namespace.to_owned())));
        let bytes = self.ask(&get(path.done(), "*/*", subject)).await?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether RBAC allows `verb` on the target (a SelfSubjectAccessReview).
    ///
    /// A review is created and never stored, which is why it is here and not behind the door for writes.
    pub async fn can(&self, verb: &str, resource: &Resource, namespace: Option<&str>, name: Option<&str>) -> Result<bool> {
        let mut attributes = json!({ "verb": verb, "group": resource.group, "version": resource.version, "resource": resource.plural });
        if let Some(namespace) = namespace.filter(|_| resource.namespaced) {
            attributes["namespace"] = namespace.into();
        }
        if let Some(name) = name {
            attributes["name"] = name.into();
        }
        let review = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": { "resourceAttributes": attributes } });
        let ask = Ask {
            method: Method::POST,
            path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews".to_owned(),
            accept: JSON,
            content: Some((JSON, Bytes::from(review.to_string()))),
            subject: Subject {
                words: format!("ask whether {verb} {} is allowed", resource.plural),
                target: None,
                access: Some(("create", "selfsubjectaccessreviews.authorization.k8s.io".to_owned(), None)),
            },
        };
        Ok(self.ask_json(&ask).await?["status"]["allowed"] == true)
    }
}
