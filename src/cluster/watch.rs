//! Watching a selection: the list first, then every change, through 410, dropped streams and server restarts.
//!
//! A loop of our own over the watch's lines and not `kube::runtime::watcher`: its back-off is random, and it carries no tables.

use std::collections::VecDeque;
use std::time::Duration;

use futures::{Stream, StreamExt};
use http::Method;
use http_body_util::BodyExt;
use kube::client::Body;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};

use super::connect::Cluster;
use super::failure::{Failure, the_server};
use super::read::{Include, Selection, about_all, collection};
use super::request::{Ask, Deadline, JSON, Path, Subject};
use super::table::TABLE;
use crate::error::{Error, ErrorKind, Result};
use crate::resource::Resource;

/// How long the server is asked to keep one watch; short, so that a connection which died silently is noticed soon.
const TIMEOUT_S: u64 = 60;

/// How long nothing may come before the connection counts as dead: the server itself ends the watch before.
const IDLE_LIMIT: Duration = Duration::from_secs(TIMEOUT_S + 5);

/// How long the server may be away before that is told.
const OUTAGE_LIMIT: Duration = Duration::from_secs(30);

/// The first pause before trying again; each further one is twice as long, up to `LAST_PAUSE`. No jitter: one seed, one run.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// A stream that lived this long had a working server behind it, even when nothing changed.
const ALIVE: Duration = Duration::from_secs(1);

/// How long one line may be; an object in etcd has at most 1.5 MiB.
const LINE_LIMIT: usize = 64 << 20;

/// What a watch tells.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Everything that there is, at the start and again after each re-list: what is not in it is gone.
    Listed(Vec<Value>),
    /// Added or changed.
    Applied(Value),
    Deleted(Value),
}

/// What a watch of a table tells. A row is `{cells, object}`; with `Include::Metadata` the object names it.
#[derive(Clone, Debug, PartialEq)]
pub enum TableEvent {
    /// The whole table, columns included, at the start and again after each re-list.
    Listed(Value),
    Applied(Value),
    Deleted(Value),
}

impl Cluster {
    /// Objects of a selection as they change. The stream does not end by itself; an `Err` item is a failure that
    /// watching again will not mend (forbidden, unauthorized, unreachable for longer than the request limit at the start,
    /// or for longer than 30 s later on). Who reads on after an `Err` gets further tries, one every 5 s.
    pub fn watch(&self, resource: &Resource, selection: &Selection) -> impl Stream<Item = Result<Event>> + Send + Unpin + use<> {
        let (api_version, kind) = (resource.api_version(), resource.kind.to_string());
        let named = move |mut object: Value| {
            if let Some(fields) = object.as_object_mut() {
                fields.entry("apiVersion").or_insert_with(|| api_version.clone().into());
                fields.entry("kind").or_insert_with(|| kind.clone().into());
            }
            object
        };
        let told = Watcher::new(self, resource, selection, None).stream();
        Box::pin(told.map(move |item| {
            item.map(|told| match told {
                Told::Listed(Value::Array(items)) => Event::Listed(items),
                Told::Listed(other) => Event::Listed(vec![other]),
                Told::Applied(object) => Event::Applied(named(object)),
                Told::Deleted(object) => Event::Deleted(named(object)),
            })
        }))
    }

    /// The API server's own table of a selection as it changes, cells computed by the server; as `watch` otherwise.
    pub fn watch_table(&self, resource: &Resource, selection: &Selection, include: Include) -> impl Stream<Item = Result<TableEvent>> + Send + Unpin + use<> {
        let cluster = self.clone();
        let rows = move |object: Value, make: fn(Value) -> TableEvent| {
            let mut table = cluster.tabled(object, include);
            match table["rows"].take() {
                Value::Array(rows) => rows.into_iter().map(make).collect(),
                _ => Vec::new(),
            }
        };
        let told = Watcher::new(self, resource, selection, Some(include)).stream();
        let events = told.map(move |item| match item {
            Ok(Told::Listed(table)) => vec![Ok(TableEvent::Listed(table))],
            Ok(Told::Applied(object)) => rows(object, TableEvent::Applied).into_iter().map(Ok).collect(),
            Ok(Told::Deleted(object)) => rows(object, TableEvent::Deleted).into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        });
        Box::pin(events.flat_map(futures::stream::iter))
    }
}

/// What both kinds of watch tell: the list (an array of objects, or a table), then the objects of events.
enum Told {
    Listed(Value),
    Applied(Value),
    Deleted(Value),
}

enum State {
    List,
    /// Changes after this version are yet to be asked for.
    Open(String),
    Reading {
        version: String,
        lines: Lines,
        since: Instant,
    },
}

struct Watcher {
    cluster: Cluster,
    resource: Resource,
    selection: Selection,
    include: Option<Include>,
    subject: Subject,
    state: State,
    /// Whether a list has ever come: until then an unreachable server is an error at once.
    listed: bool,
    /// Failures in a row.
    failures: u32,
    outage: Option<Instant>,
    /// A pause that is due before the next step.
    pause: Option<Duration>,
    renewed: bool,
}

impl Watcher {
    fn new(cluster: &Cluster, resource: &Resource, selection: &Selection, include: Option<Include>) -> Self {
        Self {
            cluster: cluster.clone(),
            resource: resource.clone(),
            selection: selection.clone(),
            include,
            subject: about_all("watch", resource, selection),
            state: State::List,
            listed: false,
            failures: 0,
            outage: None,
            pause: None,
            renewed: false,
        }
    }

    fn stream(self) -> impl Stream<Item = Result<Told>> + Send + 'static {
        futures::stream::unfold(self, |mut watcher| async move {
            let item = watcher.next().await;
            Some((item, watcher))
        })
    }

    async fn next(&mut self) -> Result<Told> {
        loop {
            if let Some(pause) = self.pause.take() {
                sleep(pause).await;
            }
            match std::mem::replace(&mut self.state, State::List) {
                State::List => match self.list().await {
                    Ok((list, version)) => {
                        self.state = State::Open(version);
                        (self.listed, self.outage) = (true, None);
                        return Ok(Told::Listed(list));
                    }
                    Err(error) => self.failed(error)?,
                },
                State::Open(version) => match self.open(&version).await {
                    Ok(lines) => self.state = State::Reading { version, lines, since: Instant::now() },
                    Err(failure) => {
                        self.state = State::Open(version);
                        self.broken(failure).await?;
                    }
                },
                State::Reading { mut version, mut lines, since } => match lines.next().await {
                    Ok(Some(line)) => match read_event(&line) {
                        Ok((kind, object)) => {
                            if let Some(newer) = object["metadata"]["resourceVersion"].as_str() {
                                version = newer.to_owned();
                            }
                            self.state = State::Reading { version, lines, since };
                            (self.failures, self.outage, self.renewed) = (0, None, false);
                            match kind {
                                Kind::Applied => return Ok(Told::Applied(object)),
                                Kind::Deleted => return Ok(Told::Deleted(object)),
                                Kind::Bookmark => {}
                            }
                        }
                        Err(failure) => {
                            self.state = State::Open(version);
                            self.broken(failure).await?;
                        }
                    },
                    // The server ends every watch in time; one that ends at once, again and again, is a failure like others.
                    Ok(None) if since.elapsed() >= ALIVE => {
                        (self.failures, self.outage) = (0, None);
                        self.state = State::Open(version);
                    }
                    Ok(None) => {
                        self.state = State::Open(version);
                        self.broken(Failure::dropped("the watch ended at once")).await?;
                    }
                    Err(failure) => {
                        if since.elapsed() >= ALIVE {
                            (self.failures, self.outage) = (0, None);
                        }
                        self.state = State::Open(version);
                        self.broken(failure).await?;
                    }
                },
            }
        }
    }

    /// The whole selection, and the version that it is of.
    async fn list(&mut self) -> Result<(Value, String)> {
        match self.include {
            None => {
                let listing = self.cluster.listing(&self.resource, &self.selection).await?;
                Ok((Value::Array(listing.items), listing.version))
            }
            Some(include) => {
                // By field selector, since one that is not there yet is no error for a watch.
                let mut selection = self.selection.clone();
                selection.fields = selection.fields();
                selection.name = None;
                let table = self.cluster.table(&self.resource, &selection, include).await?;
                let version = table["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
                Ok((table, version))
            }
        }
    }

    async fn open(&mut self, version: &str) -> Result<Lines, Failure> {
        let path = collection(&self.resource, self.selection.namespace.as_deref()).map_err(Failure::Local)?;
        let path = Path::new(path)
            .with("watch", "true")
            .with("allowWatchBookmarks", "true")
            .with("timeoutSeconds", TIMEOUT_S.to_string())
            .maybe("resourceVersion", Some(version).filter(|version| !version.is_empty()))
            .maybe("labelSelector", self.selection.labels())
            .maybe("fieldSelector", self.selection.fields())
            .maybe("includeObject", self.include.map(Include::name));
        let accept = if self.include.is_some() { TABLE } else { JSON };
        let ask = Ask { method: Method::GET, path: path.done(), accept, content: None, subject: self.subject.clone() };
        self.cluster.client().await.map_err(Failure::Local)?;
        let body = self.cluster.open(&ask, Deadline::after(self.cluster.limit())).await?;
        Ok(Lines { body, buffer: Vec::new(), ready: VecDeque::new() })
    }

    /// What to do about a watch that was refused or broke: list again, try again, or tell.
    async fn broken(&mut self, failure: Failure) -> Result<()> {
        if failure.code() == Some(410) {
            self.state = State::List;
            self.wait_longer();
            return Ok(());
        }
        if failure.is_unauthorized() && self.cluster.has_plugin() && !self.renewed {
            self.renewed = true;
            self.cluster.forget_client().await;
            return Ok(());
        }
        let error = failure.into_error(&self.cluster, &self.subject, 1);
        self.failed(error)
    }

    fn failed(&mut self, error: Error) -> Result<()> {
        let lasting = error.kind() != ErrorKind::Unreachable;
        if lasting || !self.listed {
            self.pause = Some(LAST_PAUSE);
            return Err(error);
        }
        self.wait_longer();
        let since = *self.outage.get_or_insert_with(Instant::now);
        if since.elapsed() < OUTAGE_LIMIT {
            return Ok(());
        }
        self.outage = Some(Instant::now());
        let message = format!("{} has not answered for {} s: {error}", the_server(&self.cluster), OUTAGE_LIMIT.as_secs());
        let told = error.hints().iter().fold(Error::unreachable(message), |told, hint| told.hint(hint.clone()));
        Err(told.fact("server", self.cluster.server()).fact("context", self.cluster.context()))
    }

    fn wait_longer(&mut self) {
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16));
        self.failures += 1;
        self.pause = Some(doubled.min(LAST_PAUSE));
    }
}

enum Kind {
    Applied,
    Deleted,
    Bookmark,
}

fn read_event(line: &[u8]) -> Result<(Kind, Value), Failure> {
    let mut event = super::request::parse(line)?;
    let object = event["object"].take();
    match event["type"].as_str() {
        Some("ADDED" | "MODIFIED") => Ok((Kind::Applied, object)),
        Some("DELETED") => Ok((Kind::Deleted, object)),
        Some("BOOKMARK") => Ok((Kind::Bookmark, object)),
        Some("ERROR") => Err(Failure::of_status(object)),
        _ if event["kind"] == "Status" => Err(Failure::of_status(event)),
        _ => Err(Failure::garbled("this is no event of a watch", line)),
    }
}

/// The lines of a body as they come.
struct Lines {
    body: Body,
    buffer: Vec<u8>,
    ready: VecDeque<Vec<u8>>,
}

impl Lines {
    /// `None` at the end. What stands after the last line break is dropped: the connection broke within it.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Ok(Some(line));
            }
            let frame = match timeout(IDLE_LIMIT, self.body.frame()).await {
                Err(_) => return Err(Failure::dropped("nothing came for longer than the server may be silent")),
                Ok(None) => return Ok(None),
                Ok(Some(Err(error))) => return Err(Failure::of_kube(&error)),
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(data) = frame.into_data() else { continue };
            for part in data.split_inclusive(|byte| *byte == b'\n') {
                self.buffer.extend_from_slice(part);
                if self.buffer.last() == Some(&b'\n') {
                    let line = std::mem::take(&mut self.buffer);
                    if !line.trim_ascii().is_empty() {
                        self.ready.push_back(line);
                    }
                } else if self.buffer.len() > LINE_LIMIT {
                    return Err(Failure::garbled("a line of the watch is too long", &self.buffer));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::scripted::{Reply, Scripted, Step, status};
    use crate::resource::POD;
    use serde_json::json;

    fn list(version: &str, names: &[&str]) -> Reply {
        let items: Vec<Value> = names.iter().map(|name| pod(name, version)).collect();
        Reply::Json(200, json!({ "kind": "PodList", "apiVersion": "v1", "metadata": { "resourceVersion": version }, "items": items }))
    }

    fn pod(name: &str, version: &str) -> Value {
        json!({ "metadata": { "name": name, "resourceVersion": version } })
    }

    fn event(kind: &str, name: &str, version: &str) -> Step {
        Step::Line(json!({ "type": kind, "object": pod(name, version) }))
    }

    fn gone() -> Value {
        status(410, "Expired", "too old resource version: 1 (9)")
    }

    fn words(item: &Result<Event>) -> String {
        let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        match item {
            Ok(Event::Listed(objects)) => format!("listed {}", objects.iter().map(name).collect::<Vec<_>>().join(",")),
            Ok(Event::Applied(object)) => format!("applied {}", name(object)),
            Ok(Event::Deleted(object)) => format!("deleted {}", name(object)),
            Err(error) => format!("{}: {error}", error.kind()),
        }
    }

    /// What a watch of this server tells first.
    async fn check(replies: Vec<Reply>, expected: &[&str]) -> Scripted {
        let server = Scripted::new(replies);
        let selection = Selection { namespace: Some("shop".into()), ..Selection::default() };
        let told = server.cluster().watch(&POD, &selection).take(expected.len());
        let told: Vec<String> = told.map(|item| words(&item)).collect().await;
        assert_eq!(told, expected);
        server
    }

    fn versions(server: &Scripted) -> Vec<String> {
        let version =
            |line: &String| line.split("resourceVersion=").nth(1).map_or("list".to_owned(), |rest| rest.split('&').next().unwrap_or_default().to_owned());
        server.lines().iter().map(version).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_lists_and_then_tells_every_change() {
        let changes = vec![event("ADDED", "b", "6"), event("MODIFIED", "a", "7"), event("DELETED", "a", "8"), Step::Hang];
        let server = check(vec![list("5", &["a"]), Reply::Stream(changes)], &["listed a", "applied b", "applied a", "deleted a"]).await;
        assert_eq!(
            server.lines(),
            [
                "GET /api/v1/namespaces/shop/pods?limit=500",
                "GET /api/v1/namespaces/shop/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds=60&resourceVersion=5"
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn it_goes_on_from_the_last_version_when_the_stream_ends_or_breaks() {
        let replies = vec![
            list("5", &[]),
            Reply::Stream(vec![event("ADDED", "a", "6"), Step::Line(json!({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "9"}}}))]),
            Reply::Stream(vec![event("ADDED", "b", "10"), Step::Break]),
            Reply::Broken(std::io::ErrorKind::ConnectionRefused),
            Reply::Busy(503, 1),
            Reply::Stream(vec![Step::Text("{\"type\":\"ADD"), Step::Break]),
            Reply::Stream(vec![
                Step::Text("{\"type\":\"ADDED\","),
                Step::Text("\"object\":{\"metadata\":{\"name\":\"c\",\"resourceVersion\":\"11\"}}}\n\n"),
                Step::Hang,
            ]),
        ];
        let server = check(replies, &["listed ", "applied a", "applied b", "applied c"]).await;
        assert_eq!(versions(&server), ["list", "5", "9", "10", "10", "10", "10"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_version_that_is_too_old_means_listing_again() {
        let error = Step::Line(json!({ "type": "ERROR", "object": gone() }));
        let replies = vec![
            list("1", &["a"]),
            Reply::Stream(vec![error]),
            list("9", &["b"]),
            Reply::Json(410, gone()),
            list("12", &["c"]),
            Reply::Stream(vec![Step::Hang]),
        ];
        let server = check(replies, &["listed a", "listed b", "listed c"]).await;
        assert_eq!(versions(&server), ["list", "1", "list", "9", "list"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_died_silently_is_noticed() {
        let before = Instant::now();
        let replies = vec![list("1", &[]), Reply::Stream(vec![Step::Hang]), Reply::Silence, Reply::Stream(vec![event("ADDED", "a", "2"), Step::Hang])];
        check(replies, &["listed ", "applied a"]).await;
        assert!(before.elapsed() < Duration::from_secs(80), "{:?}", before.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_watching_again_will_not_mend_is_told() {
        let no = |code, reason: &str| Reply::Json(code, status(code, reason, "pods is forbidden: User \"ann\" cannot watch resource"));
        check(vec![no(403, "Forbidden")], &["forbidden: pods is forbidden: User \"ann\" cannot watch resource"]).await;
        check(
            vec![list("1", &[]), no(403, "Forbidden"), no(403, "Forbidden")],
            &["listed ", "forbidden: pods is forbidden: User \"ann\" cannot watch resource"],
        )
        .await;
        check(
            vec![Reply::Broken(std::io::ErrorKind::ConnectionRefused)],
            &["unreachable: cannot list pods: the API server in-process://test (context \"test\") refused the connection"],
        )
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_told_after_thirty_seconds_and_survived() {
        let mut replies = vec![list("1", &["a"])];
        replies.extend(vec![Reply::Broken(std::io::ErrorKind::ConnectionRefused); 12]);
        replies.push(Reply::Stream(vec![event("ADDED", "b", "2"), Step::Hang]));
        let refused = "unreachable: the API server in-process://test (context \"test\") has not answered for 30 s: cannot watch pods: the API server in-process://test (context \"test\") refused the connection";
        let before = Instant::now();
        check(replies, &["listed a", refused, "applied b"]).await;
        assert!(before.elapsed() > OUTAGE_LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_ends_every_watch_at_once_is_not_asked_in_a_tight_loop() {
        let mut replies = vec![list("1", &[])];
        replies.extend(vec![Reply::Stream(vec![]); 8]);
        replies.push(Reply::Stream(vec![event("ADDED", "a", "2"), Step::Hang]));
        let before = Instant::now();
        check(replies, &["listed ", "applied a"]).await;
        assert!(before.elapsed() > Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn a_watched_table_tells_rows() {
        let table = |version: &str, rows: Value| json!({ "kind": "Table", "metadata": { "resourceVersion": version }, "columnDefinitions": [{"name": "Name"}], "rows": rows });
        let row = |name: &str| json!({ "cells": [name], "object": { "metadata": { "name": name } } });
        let changes = vec![
            Step::Line(json!({ "type": "ADDED", "object": table("2", json!([row("b")])) })),
            Step::Line(json!({ "type": "BOOKMARK", "object": table("4", json!([row("")])) })),
            Step::Line(json!({ "type": "DELETED", "object": table("5", json!([row("a")])) })),
        ];
        let server = Scripted::new([Reply::Json(200, table("1", json!([row("a")]))), Reply::Stream(changes), Reply::Silence]);
        let selection = Selection { namespace: Some("shop".into()), name: Some("a".into()), ..Selection::default() };
        let told: Vec<_> = server.cluster().watch_table(&POD, &selection, Include::Metadata).take(3).map(|item| item.expect("no failure")).collect().await;
        let TableEvent::Listed(listed) = &told[0] else { panic!("{told:?}") };
        assert_eq!(listed["columnDefinitions"][0]["name"], "Name");
        assert_eq!(told[1..], [TableEvent::Applied(row("b")), TableEvent::Deleted(row("a"))]);
        assert!(
            server.lines().iter().all(|line| line.contains("fieldSelector=metadata.name%3Da") && line.contains("includeObject=Metadata")),
            "{:?}",
            server.lines()
        );
    }
}
