//! Reading: objects, lists, logs, access reviews. Each request has a time limit.
//!
//! Tables are in `table`, names of kinds in `discovery`, what happens afterwards in `watch`.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::connect::Cluster;
use super::failure::Failure;
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

/// The request for a log.
pub(super) fn log_ask(namespace: &str, pod: &str, options: &LogOptions, follow: bool) -> Result<Ask> {
    let target = Target::new(&POD, Some(namespace), pod);
    let path = Path::new(format!("{}/log", path_of(&target)?))
        .maybe("container", options.container.as_deref())
        .maybe("tailLines", options.tail.map(|lines| lines.to_string()))
        .maybe("sinceSeconds", options.since_s.map(|seconds| seconds.to_string()))
        .maybe("previous", options.previous.then_some("true"))
        .maybe("follow", follow.then_some("true"));
    let mut subject = about("get", "read the log of", &target);
    subject.access = Some(("get", "pods/log".to_owned(), Some(namespace.to_owned())));
    Ok(get(path.done(), "*/*", subject))
}

/// How an answer becomes a value.
type Parse = fn(&[u8]) -> Result<Value, Failure>;

/// How the pages of a list are asked for.
pub(super) struct Form<'a> {
    pub accept: &'static str,
    pub include: Option<&'a str>,
    /// How many objects a page may have.
    pub size: usize,
    /// Where to go on, for a list that was begun already.
    pub token: Option<String>,
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

    /// All objects of a selection (page by page, 500 a page), each with `apiVersion` and `kind` filled in and without the field sets of its
    /// managed fields.
    pub async fn list(&self, resource: &Resource, selection: &Selection) -> Result<Vec<Value>> {
        Ok(self.listing_parsed(resource, selection, super::request::parse_lean).await?.items)
    }

    /// Names and labels of a selection, one page at most: enough to choose from.
    pub async fn metadata(&self, resource: &Resource, selection: &Selection) -> Result<Vec<Value>> {
        const METADATA: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json";
        let path = Path::new(collection(resource, selection.namespace.as_deref())?)
            .with("limit", PAGE.to_string())
            .maybe("labelSelector", selection.labels())
            .maybe("fieldSelector", selection.fields());
        let mut answer = self.ask_json(&get(path.done(), METADATA, about_all("list", resource, selection))).await?;
        Ok(match answer["items"].take() {
            Value::Array(items) => items,
            _ => Vec::new(),
        })
    }

    /// A list with the version to watch from; the objects are whole.
    pub(super) async fn listing(&self, resource: &Resource, selection: &Selection) -> Result<Listing> {
        self.listing_parsed(resource, selection, super::request::parse).await
    }

    async fn listing_parsed(&self, resource: &Resource, selection: &Selection, parse: Parse) -> Result<Listing> {
        let mut items: Vec<Value> = Vec::new();
        let version = self
            .pages(resource, selection, (JSON, parse), None, |mut page| {
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
    pub(super) async fn pages(
        &self,
        resource: &Resource,
        selection: &Selection,
        (accept, parse): (&'static str, Parse),
        include: Option<&str>,
        page: impl FnMut(Value),
    ) -> Result<String> {
        let mut pages: Vec<Value> = Vec::new();
        let form = Form { accept, include, size: PAGE, token: None };
        self.raw_pages(resource, selection, form, |part| {
            let Some(bytes) = part else {
                pages.clear();
                return Ok(None);
            };
            let answer = parse(bytes)?;
            let token = answer["metadata"]["continue"].as_str().filter(|token| !token.is_empty()).map(str::to_owned);
            pages.push(answer);
            Ok(token)
        })
        .await?;
        let version = pages.first().and_then(|first| first["metadata"]["resourceVersion"].as_str()).unwrap_or_default().to_owned();
        pages.into_iter().for_each(page);
        Ok(version)
    }

    /// Every page of a collection in turn, unread. What takes a page tells the continuation that stands in it; `None` in place of a page means:
    /// forget those before, the list begins anew.
    ///
    /// # Limits
    /// A list whose continuation has expired is begun anew, once and in one piece, as client-go does.
    pub(super) async fn raw_pages(
        &self,
        resource: &Resource,
        selection: &Selection,
        form: Form<'_>,
        mut take: impl FnMut(Option<&[u8]>) -> Result<Option<String>, Failure>,
    ) -> Result<()> {
        let path = collection(resource, selection.namespace.as_deref())?;
        let subject = about_all("list", resource, selection);
        let (mut token, mut whole): (Option<String>, bool) = (form.token, false);
        loop {
            let mut query = Path::new(path.clone())
                .maybe("labelSelector", selection.labels())
                .maybe("fieldSelector", selection.fields())
                .maybe("includeObject", form.include);
            if !whole {
                query = query.with("limit", form.size.to_string());
            }
            let ask = get(query.maybe("continue", token.as_deref()).done(), form.accept, subject.clone());
            let failed = |(failure, tries): (Failure, u32)| failure.into_error(self, &subject, tries);
            let answer = match self.ask_raw(&ask).await {
                Err((failure, _)) if failure.code() == Some(410) && token.is_some() && !whole => {
                    take(None).map_err(|failure| failed((failure, 1)))?;
                    (token, whole) = (None, true);
                    continue;
                }
                other => other.map_err(|(failure, tries)| {
                    let is_bad = failure.code() == Some(400);
                    let error = failed((failure, tries));
                    let selectors = [("label", selection.labels().map(str::to_owned)), ("field", selection.fields())];
                    selectors.into_iter().filter(|_| is_bad).fold(error, |error, (word, selector)| match selector {
                        Some(selector) => error.hint(format!("the {word} selector was {selector:?}")),
                        None => error,
                    })
                })?,
            };
            token = take(Some(&answer)).map_err(|failure| failed((failure, 1)))?;
            if token.is_none() {
                return Ok(());
            }
        }
    }

    /// The log of a container; of the only one, or the server's default, when none is named.
    ///
    /// # Errors
    /// `invalid` when the container has not started, or one must be named (the message lists them); `not_found` for the pod.
    pub async fn logs(&self, namespace: &str, pod: &str, options: &LogOptions) -> Result<String> {
        let bytes = self.ask(&log_ask(namespace, pod, options, false)?).await?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::scripted::{Reply, Scripted, Step, status};
    use crate::error::ErrorKind;
    use crate::resource::DEPLOYMENT;
    use std::io::ErrorKind as Io;
    use std::time::Duration;
    use tokio::time::Instant;

    fn web() -> Target {
        Target::new(&DEPLOYMENT, Some("shop"), "web")
    }

    fn page(version: &str, token: &str, names: &[&str]) -> Reply {
        let items: Vec<Value> = names.iter().map(|name| json!({ "metadata": { "name": name } })).collect();
        Reply::Json(200, json!({ "kind": "DeploymentList", "metadata": { "resourceVersion": version, "continue": token }, "items": items }))
    }

    async fn names(server: &Scripted) -> Vec<String> {
        let selection = Selection { namespace: Some("shop".into()), labels: Some("app=web".into()), ..Selection::default() };
        let found = server.cluster().list(&DEPLOYMENT, &selection).await.expect("a list");
        assert!(found.iter().all(|object| object["kind"] == "Deployment" && object["apiVersion"] == "apps/v1"));
        found.iter().map(|object| object["metadata"]["name"].as_str().expect("a name").to_owned()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_comes_page_by_page() {
        let server = Scripted::new([page("5", "more", &["a", "b"]), page("5", "", &["c"])]);
        assert_eq!(names(&server).await, ["a", "b", "c"]);
        let path = "GET /apis/apps/v1/namespaces/shop/deployments?labelSelector=app%3Dweb&limit=500";
        assert_eq!(server.lines(), [path.to_owned(), format!("{path}&continue=more")]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_continuation_that_expired_begins_the_list_anew_once() {
        let gone = || Reply::Json(410, status(410, "Expired", "The provided continue parameter is too old"));
        let server = Scripted::new([page("5", "more", &["a"]), gone(), page("9", "", &["b", "c"])]);
        assert_eq!(names(&server).await, ["b", "c"]);
        assert_eq!(server.lines()[2], "GET /apis/apps/v1/namespaces/shop/deployments?labelSelector=app%3Dweb");
        let server = Scripted::new([gone()]);
        let error = server.cluster().list(&DEPLOYMENT, &Selection::default()).await.expect_err("nothing to begin anew");
        assert_eq!(error.kind(), ErrorKind::Unreachable);
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_is_tried_again_while_the_server_is_busy() {
        let fine = || Reply::Json(200, json!({ "kind": "Deployment" }));
        for trouble in [Reply::Busy(503, 1), Reply::Busy(429, 2), Reply::Broken(Io::ConnectionReset), Reply::Stream(vec![Step::Text("{"), Step::Break])] {
            let server = Scripted::new([trouble.clone(), fine()]);
            let before = Instant::now();
            server.cluster().get(&web()).await.unwrap_or_else(|error| panic!("{trouble:?}: {error}"));
            assert_eq!(server.seen().len(), 2, "{trouble:?}");
            assert!(before.elapsed() >= Duration::from_millis(100));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_read_takes_longer_than_its_limit() {
        let busy = std::iter::repeat_n(Reply::Busy(503, 1), 20);
        let hanging = Reply::Stream(vec![Step::Text("{"), Step::Pause(Duration::from_secs(9)), Step::Text(" "), Step::Hang]);
        for (replies, limit) in [(busy.collect::<Vec<_>>(), 5), (vec![Reply::Silence], 5), (vec![Reply::Busy(503, 60)], 5), (vec![hanging], 20)] {
            let before = Instant::now();
            let error = Scripted::new(replies).cluster().get(&web()).await.expect_err("no answer");
            assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
            assert!(before.elapsed() <= Duration::from_secs(limit), "{:?} for {error}", before.elapsed());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_would_answer_otherwise_is_asked_once() {
        for trouble in [
            Reply::Json(404, status(404, "NotFound", "x")),
            Reply::Json(403, status(403, "Forbidden", "x")),
            Reply::Broken(Io::ConnectionRefused),
            Reply::Raw(200, "<html>"),
        ] {
            let server = Scripted::new([trouble.clone()]);
            server.cluster().get(&web()).await.expect_err("a failure");
            assert_eq!(server.seen().len(), 1, "{trouble:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_have_our_kinds_and_the_servers_words() {
        let with = |code: u16, reason: &str, message: &str, details: Value| {
            let mut status = status(code, reason, message);
            status["details"] = details;
            Reply::Json(code, status)
        };
        let cause = |field: &str, message: &str| json!({ "field": field, "message": message, "reason": "FieldValueInvalid" });
        let cases = [
            (
                with(404, "NotFound", "deployments.apps \"web\" not found", json!({ "name": "web", "kind": "deployments", "group": "apps" })),
                ErrorKind::NotFound,
                "deployments.apps \"web\" not found",
            ),
            (
                Reply::Raw(404, "404 page not found"),
                ErrorKind::NotFound,
                "the API server in-process://test (context \"test\") does not serve deployments.apps: cannot get deployment/web: 404 page not found",
            ),
            (with(409, "Conflict", "the object has been modified", json!({})), ErrorKind::Conflict, "the object has been modified"),
            (
                with(422, "Invalid", "x", json!({ "kind": "Deployment", "name": "web", "causes": [cause("spec.a", "Required value")] })),
                ErrorKind::Invalid,
                "The Deployment \"web\" is invalid: spec.a: Required value",
            ),
            (
                with(422, "Invalid", "x", json!({ "kind": "Deployment", "name": "web", "causes": [cause("a", "b"), cause("a", "b"), cause("c", "d")] })),
                ErrorKind::Invalid,
                "The Deployment \"web\" is invalid:\n* a: b\n* c: d",
            ),
            (
                with(400, "BadRequest", "strict decoding error: unknown field \"spec.foo\"", json!({})),
                ErrorKind::Invalid,
                "strict decoding error: unknown field \"spec.foo\"",
            ),
            (
                Reply::Json(401, status(401, "Unauthorized", "Unauthorized")),
                ErrorKind::Unauthorized,
                "the API server in-process://test (context \"test\") does not accept the credentials",
            ),
            (
                Reply::Json(500, status(500, "InternalError", "boom")),
                ErrorKind::Unreachable,
                "cannot get deployment/web: the API server in-process://test (context \"test\") failed: boom",
            ),
            (
                Reply::Raw(302, "moved"),
                ErrorKind::Unreachable,
                "cannot get deployment/web: the API server in-process://test (context \"test\") answered 302 Found: moved",
            ),
        ];
        for (reply, kind, message) in cases {
            let error = Scripted::new([reply]).cluster().get(&web()).await.expect_err("a refusal");
            assert_eq!((error.kind(), error.message()), (kind, message));
            assert_eq!(error.about(), Some("deployment/web"));
        }
        let forbidden = status(403, "Forbidden", "deployments.apps \"web\" is forbidden: User \"ann\" cannot get resource");
        let error = Scripted::new([Reply::Json(403, forbidden)]).cluster().get(&web()).await.expect_err("forbidden");
        assert!(error.hints()[0].starts_with("`kubectl auth can-i get deployments.apps -n shop`"), "{:?}", error.hints());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_without_tables_gets_name_and_age() {
        let made = jiff::Timestamp::UNIX_EPOCH.to_string();
        let items = json!([{ "metadata": { "name": "a", "creationTimestamp": made } }]);
        let server = Scripted::new([Reply::Json(200, json!({ "kind": "WidgetList", "metadata": { "resourceVersion": "7" }, "items": items }))]);
        let table = server.cluster().table(&DEPLOYMENT, &Selection::default(), Include::Metadata).await.expect("a table");
        assert_eq!((&table["rows"][0]["cells"][0], &table["metadata"]["resourceVersion"]), (&json!("a"), &json!("7")));
        assert_eq!(table["columnDefinitions"].as_array().map(Vec::len), Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn logs_are_asked_for_as_kubectl_does() {
        let server = Scripted::new([Reply::Raw(200, "one\ntwo\n")]);
        let options = LogOptions { container: Some("web".into()), tail: Some(20), since_s: Some(60), previous: true };
        assert_eq!(server.cluster().logs("shop", "web-1", &options).await.expect("a log"), "one\ntwo\n");
        assert_eq!(server.lines(), ["GET /api/v1/namespaces/shop/pods/web-1/log?container=web&tailLines=20&sinceSeconds=60&previous=true"]);
    }

    #[tokio::test]
    async fn a_black_hole_ends_as_unreachable_within_five_seconds() {
        let hole = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = hole.local_addr().expect("an address").port();
        for scheme in ["http", "https"] {
            let dir = tempfile::tempdir().expect("a directory");
            let file = dir.path().join("config");
            let config = format!(
                "current-context: c\nclusters: [{{name: c, cluster: {{server: '{scheme}://127.0.0.1:{port}'}}}}]\ncontexts: [{{name: c, context: {{cluster: c}}}}]\n"
            );
            std::fs::write(&file, config).expect("a file");
            let connection = crate::cluster::Connection { kubeconfig: Some(file), ..Default::default() };
            let cluster = Cluster::configured(&connection, crate::clock::Clock::wall()).expect("a configuration");
            let before = Instant::now();
            let error = cluster.get(&web()).await.expect_err("nobody answers");
            assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
            assert!(error.message().contains("did not answer within "), "{error}");
            assert!(before.elapsed() < Duration::from_millis(5500), "{:?}", before.elapsed());
        }
    }
}
