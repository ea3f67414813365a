//! The one door for writes. Only `session::make` calls it.
//!
//! Policy, journal, dry-run settings and the words about a change are the session's; what to write was decided in `rollout`.

use bytes::Bytes;
use http::Method;
use serde_json::{Map, Value, json};
use tokio::time::sleep;

use super::connect::Cluster;
use super::failure::{Cause, Failure, Sent};
use super::read::{about, path_of};
use super::request::{Ask, Deadline, JSON, Path, WRITE_LIMIT, parse};
use crate::error::{Error, Result};
use crate::rollout::change::{Change, Precondition, Request};

/// Who writes, as it stands in `managedFields`.
pub const FIELD_MANAGER: &str = "rollsh";

/// The first pause before a connection that was refused is tried again.
const FIRST_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

impl Cluster {
    /// Sends a change; returns the object after it (`Null` after a delete). Never retried blindly.
    ///
    /// # Errors
    /// `conflict` when the precondition no longer holds, `invalid`, `forbidden`, `not_found`, `unreachable` (says that the write may have arrived).
    ///
    /// # Limits
    /// Sent again only when nothing of it can have arrived: the connection was refused, for at most 5 s, or the server wanted newer credentials.
    pub async fn send(&self, change: &Change, dry_run: bool) -> Result<Value> {
        if change.request == Request::Nothing {
            return Ok(change.before.clone());
        }
        let ask = prepare(change, dry_run)?;
        let answer = match self.send_once(&ask).await {
            Ok(answer) => answer,
            Err(failure) => return Err(self.refused(change, &ask, failure, dry_run).await),
        };
        match &change.request {
            Request::Delete { .. } => Ok(Value::Null),
            Request::Scale { .. } => Ok(self.scaled(change, &answer, dry_run).await),
            _ => parse(&answer).map_err(|failure| lost(failure.into_error(self, &ask.subject, 1), change)),
        }
    }

    async fn send_once(&self, ask: &Ask) -> Result<Bytes, Failure> {
        // Making the client may run a plugin, which has a limit of its own.
        self.client().await.map_err(Failure::Local)?;
        let (end, arriving) = (Deadline::after(WRITE_LIMIT), Deadline::after(self.limit()));
        let (mut pause, mut renewed) = (FIRST_PAUSE, false);
        loop {
            match self.once(ask, end).await {
                Err(failure) if !renewed && self.has_plugin() && failure.is_unauthorized() => {
                    renewed = true;
                    self.forget_client().await;
                }
                Err(Failure::Silent { cause: Cause::ConnectionRefused, sent: Sent::No }) if arriving.leaves(pause) => {
                    sleep(pause).await;
                    pause *= 2;
                }
                other => return other,
            }
        }
    }

    /// The object after a change of `/scale`, whose answer is a `Scale` only.
    async fn scaled(&self, change: &Change, answer: &[u8], dry_run: bool) -> Value {
        let scale: Value = serde_json::from_slice(answer).unwrap_or_default();
        if !dry_run && let Ok(after) = self.get(&change.target).await {
            return after;
        }
        let mut after = change.before.clone();
        if after["spec"].is_object() {
            after["spec"]["replicas"] = scale["spec"]["replicas"].clone();
        }
        after
    }

    /// The error for a change that was not made, or of which nobody knows.
    async fn refused(&self, change: &Change, ask: &Ask, failure: Failure, dry_run: bool) -> Error {
        let perhaps = match &failure {
            Failure::Local(_) => false,
            Failure::Silent { sent, .. } => *sent == Sent::Perhaps,
            Failure::Refused(refusal) => refusal.leaves_doubt(),
        };
        let outdated = failure.code() == Some(422) && is_about_the_precondition(&failure, change);
        let rivals = matches!(&failure, Failure::Refused(refusal) if refusal.code == 409 && refusal.status["details"]["causes"].as_array().is_none_or(Vec::is_empty) && refusal.status["reason"] == "Conflict");
        let error = failure.into_error(self, &ask.subject, 1);
        if perhaps {
            return if dry_run { error } else { lost(error, change) };
        }
        if outdated || (rivals && change.precondition.is_some()) {
            return self.outdated(change, error).await;
        }
        error
    }

    /// Says what became of the object that a change was decided on.
    async fn outdated(&self, change: &Change, refusal: Error) -> Error {
        let target = &change.target;
        let decided = &change.before["metadata"];
        let version =
            change.precondition.as_ref().map(|it| it.resource_version.as_str()).or_else(|| decided["resourceVersion"].as_str()).unwrap_or("unknown").to_owned();
        let uid = change.precondition.as_ref().map(|it| it.uid.as_str()).or_else(|| decided["uid"].as_str());
        let again = "nothing was changed: look at it again, then decide again";
        let found = match self.get(target).await {
            Ok(found) => found,
            Err(error) => {
                let message = format!("{target} is no longer as it was read at version {version}; what changed is not known: {error}");
                return Error::conflict(message).hint(again).target(target).fact("decided_on", json!({ "resource_version": version }));
            }
        };
        let now = &found["metadata"];
        let (now_uid, now_version) = (now["uid"].as_str().unwrap_or_default(), now["resourceVersion"].as_str().unwrap_or_default());
        let message = if uid.is_some_and(|uid| uid != now_uid) {
            format!("{target} was deleted and created anew since it was read")
        } else if now_version != version {
            format!("{target} changed since it was read: it was at version {version} and is at {now_version}{}", by_whom(now))
        } else {
            // The version is as it was, so the patch itself does not fit.
            return refusal;
        };
        Error::conflict(message)
            .hint(again)
            .target(target)
            .fact("decided_on", json!({ "resource_version": version, "generation": decided["generation"] }))
            .fact("found", json!({ "resource_version": now_version, "generation": now["generation"] }))
    }
}

/// A write whose answer was lost: nobody may send it again without looking.
fn lost(error: Error, change: &Change) -> Error {
    let message = format!("{}; whether {} was changed is not known", error.message(), change.target);
    let kept = error.hints().iter().fold(Error::new(error.kind(), message), |told, hint| told.hint(hint.clone()));
    let kept = error.facts().iter().fold(kept, |told, (key, value)| told.fact(key, value.clone()));
    let namespace = change.target.namespace.as_ref().map_or_else(String::new, |namespace| format!("{namespace}/"));
    kept.hint(format!("it was not sent again; look first: object(\"{namespace}{}\")", change.target)).target(&change.target).fact("arrived", "unknown")
}

/// The API server says only "the server rejected our request" when a `test` operation fails, and names the field when a merge changes the uid.
fn is_about_the_precondition(failure: &Failure, change: &Change) -> bool {
    let Failure::Refused(refusal) = failure else { return false };
    let causes = refusal.status["details"]["causes"].as_array().map(Vec::as_slice).unwrap_or_default();
    match &change.request {
        Request::JsonPatch(operations) => {
            let tests = operations.as_array().is_some_and(|operations| operations.iter().any(|operation| operation["op"] == "test"));
            tests
                && refusal.status["details"]["kind"].as_str().unwrap_or_default().is_empty()
                && causes.iter().all(|cause| cause["field"].as_str().unwrap_or_default().is_empty())
        }
        _ => change.precondition.is_some() && causes.iter().any(|cause| cause["field"] == "metadata.uid"),
    }
}

/// ` (last by kubectl-edit at 10:00)`, when the object tells.
fn by_whom(metadata: &Value) -> String {
    let entries = metadata["managedFields"].as_array().map(Vec::as_slice).unwrap_or_default();
    let latest = entries.iter().filter_map(|entry| Some((entry["time"].as_str()?, entry["manager"].as_str()?))).max();
    latest.map_or_else(String::new, |(time, manager)| format!(" (last by {manager} at {time})"))
}

fn prepare(change: &Change, dry_run: bool) -> Result<Ask> {
    let (target, precondition) = (&change.target, change.precondition.as_ref());
    let path = path_of(target)?;
    let dry = dry_run.then_some("All");
    let patch = |path: String| Path::new(path).with("fieldManager", FIELD_MANAGER).maybe("dryRun", dry);
    let ask = |method, path: Path, kind, body: &Value, verb, words, resource: String| {
        let mut subject = about(verb, words, target);
        if let Some((_, named, _)) = &mut subject.access {
            *named = resource;
        }
        Ask { method, path: path.done(), accept: JSON, content: Some((kind, Bytes::from(body.to_string()))), subject }
    };
    let name = target.resource.qualified();
    Ok(match &change.request {
        Request::Nothing => return Err(Error::invalid(format!("there is nothing to send for {target}"))),
        Request::JsonPatch(operations) => ask(Method::PATCH, patch(path), "application/json-patch+json", operations, "patch", "change", name),
        Request::MergePatch(body) => ask(Method::PATCH, patch(path), "application/merge-patch+json", &held(body, precondition)?, "patch", "change", name),
        Request::StrategicPatch(body) => {
            ask(Method::PATCH, patch(path), "application/strategic-merge-patch+json", &held(body, precondition)?, "patch", "change", name)
        }
        Request::Apply { object, force } => {
            let path = patch(path).with("force", if *force { "true" } else { "false" }).with("fieldValidation", "Strict");
            ask(Method::PATCH, path, "application/apply-patch+yaml", &held(object, precondition)?, "patch", "apply", name)
        }
        Request::Scale { replicas } => {
            let body = held(&json!({ "spec": { "replicas": replicas } }), precondition)?;
            ask(Method::PATCH, patch(format!("{path}/scale")), "application/merge-patch+json", &body, "patch", "scale", format!("{name}/scale"))
        }
        Request::Delete { propagation } => {
            let mut options = json!({ "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation });
            if let Some(precondition) = precondition {
                options["preconditions"] = json!({ "uid": precondition.uid, "resourceVersion": precondition.resource_version });
            }
            if dry_run {
                options["dryRun"] = json!(["All"]);
            }
            ask(Method::DELETE, Path::new(path), JSON, &options, "delete", "delete", name)
        }
    })
}

/// The body with the precondition in its metadata, where the API server checks it.
fn held(body: &Value, precondition: Option<&Precondition>) -> Result<Value> {
    let mut body = body.clone();
    let Some(precondition) = precondition else { return Ok(body) };
    let fields = body.as_object_mut().ok_or_else(|| Error::invalid("a patch must be a map"))?;
    let metadata = fields.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    let metadata = metadata.as_object_mut().ok_or_else(|| Error::invalid("the metadata of a patch must be a map"))?;
    metadata.insert("uid".to_owned(), precondition.uid.clone().into());
    metadata.insert("resourceVersion".to_owned(), precondition.resource_version.clone().into());
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::scripted::{Reply, Scripted, Step, status};
    use crate::error::ErrorKind;
    use crate::resource::{DEPLOYMENT, Target};
    use std::io::ErrorKind as Io;
    use tokio::time::Instant;

    fn change(request: Request) -> Change {
        Change {
            verb: "undo",
            target: Target::new(&DEPLOYMENT, Some("shop"), "web"),
            request,
            precondition: Some(Precondition { uid: "u".into(), resource_version: "7".into() }),
            before: web("u", "7"),
            done: String::new(),
            warnings: Vec::new(),
        }
    }

    fn web(uid: &str, version: &str) -> Value {
        json!({ "kind": "Deployment", "metadata": { "name": "web", "uid": uid, "resourceVersion": version, "generation": 3 }, "spec": { "replicas": 1 } })
    }

    fn tested() -> Request {
        Request::JsonPatch(json!([{ "op": "test", "path": "/metadata/resourceVersion", "value": "7" }]))
    }

    async fn sent(change: &Change, dry_run: bool, replies: Vec<Reply>) -> (Scripted, Result<Value>) {
        let server = Scripted::new(replies);
        let result = server.cluster().send(change, dry_run).await;
        (server, result)
    }

    #[tokio::test(start_paused = true)]
    async fn each_form_is_sent_with_its_precondition() {
        let held = json!({ "uid": "u", "resourceVersion": "7" });
        let path = "/apis/apps/v1/namespaces/shop/deployments/web";
        let body = json!({ "spec": { "paused": true } });
        let with = |extra: Value| json!({ "metadata": extra, "spec": { "paused": true } });
        let cases = [
            (
                tested(),
                format!("PATCH {path}?fieldManager=rollsh"),
                "application/json-patch+json",
                json!([{ "op": "test", "path": "/metadata/resourceVersion", "value": "7" }]),
            ),
            (Request::MergePatch(body.clone()), format!("PATCH {path}?fieldManager=rollsh"), "application/merge-patch+json", with(held.clone())),
            (Request::StrategicPatch(body.clone()), format!("PATCH {path}?fieldManager=rollsh"), "application/strategic-merge-patch+json", with(held.clone())),
            (
                Request::Apply { object: body.clone(), force: true },
                format!("PATCH {path}?fieldManager=rollsh&force=true&fieldValidation=Strict"),
                "application/apply-patch+yaml",
                with(held.clone()),
            ),
            (
                Request::Scale { replicas: 4 },
                format!("PATCH {path}/scale?fieldManager=rollsh"),
                "application/merge-patch+json",
                json!({ "metadata": held, "spec": { "replicas": 4 } }),
            ),
            (
                Request::Delete { propagation: "Background" },
                format!("DELETE {path}"),
                "application/json",
                json!({ "apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background", "preconditions": held }),
            ),
        ];
        for (request, line, content_type, body) in cases {
            let (server, result) = sent(&change(request), false, vec![Reply::Json(200, web("u", "8")), Reply::Json(200, web("u", "8"))]).await;
            let expected = if line.starts_with("DELETE") { Value::Null } else { web("u", "8") };
            assert_eq!(result.expect("it is taken"), expected);
            let seen = &server.seen()[0];
            assert_eq!((&server.lines()[0], seen.content_type.as_str(), &seen.body), (&line, content_type, &body));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_dry_run_says_so_in_every_form() {
        for request in [tested(), Request::MergePatch(json!({})), Request::StrategicPatch(json!({})), Request::Apply { object: json!({}), force: false }] {
            let (server, _) = sent(&change(request), true, vec![Reply::Json(200, web("u", "7"))]).await;
            assert!(server.lines()[0].contains("dryRun=All"), "{:?}", server.lines());
        }
        let (server, _) = sent(&change(Request::Delete { propagation: "Background" }), true, vec![Reply::Json(200, web("u", "7"))]).await;
        assert_eq!(server.seen()[0].body["dryRun"], json!(["All"]));
        let (server, result) =
            sent(&change(Request::Scale { replicas: 4 }), true, vec![Reply::Json(200, json!({ "kind": "Scale", "spec": { "replicas": 4 } }))]).await;
        assert_eq!((server.seen().len(), &result.expect("taken")["spec"]["replicas"]), (1, &json!(4)));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_to_do_sends_nothing() {
        let (server, result) = sent(&change(Request::Nothing), false, vec![]).await;
        assert_eq!(result.expect("nothing"), web("u", "7"));
        assert!(server.seen().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_whose_answer_is_lost_is_never_sent_again() {
        let gone = [
            Reply::Silence,
            Reply::Broken(Io::ConnectionReset),
            Reply::Stream(vec![Step::Text("{"), Step::Break]),
            Reply::Busy(503, 1),
            Reply::Json(504, status(504, "Timeout", "request did not complete")),
            Reply::Json(500, status(500, "InternalError", "etcdserver: leader changed")),
            Reply::Raw(502, "bad gateway"),
            Reply::Raw(200, "<html>"),
        ];
        for reply in gone {
            let (server, result) = sent(&change(tested()), false, vec![reply.clone(), Reply::Json(200, web("u", "8"))]).await;
            let error = result.expect_err("nobody knows");
            assert_eq!((server.seen().len(), error.kind()), (1, ErrorKind::Unreachable), "{reply:?}");
            assert!(error.message().ends_with("; whether deployment/web was changed is not known"), "{error}");
            assert_eq!(error.facts()["arrived"], "unknown");
            assert!(error.hints().iter().any(|hint| hint.contains("object(\"shop/deployment/web\")")), "{:?}", error.hints());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_cannot_have_arrived_is_sent_again_within_the_limit() {
        let refused = Reply::Broken(Io::ConnectionRefused);
        let (server, result) = sent(&change(tested()), false, vec![refused.clone(), refused.clone(), Reply::Json(200, web("u", "8"))]).await;
        assert_eq!((server.seen().len(), result.is_ok()), (3, true));
        let before = Instant::now();
        let (_, result) = sent(&change(tested()), false, vec![refused; 50]).await;
        let error = result.expect_err("still refused");
        assert!(error.message().ends_with("refused the connection"), "{error}");
        assert!(before.elapsed().as_secs() <= 5);
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_before_anything_is_stored_leave_no_doubt() {
        for reply in [
            Reply::Json(500, status(500, "InternalError", "failed calling webhook \"x\"")),
            Reply::Json(403, status(403, "Forbidden", "no")),
            Reply::Busy(429, 1),
        ] {
            let (server, result) = sent(&change(tested()), false, vec![reply]).await;
            let error = result.expect_err("refused");
            assert_eq!(server.seen().len(), 1);
            assert!(!error.message().contains("not known"), "{error}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_precondition_that_no_longer_holds_is_a_conflict_that_says_what_changed() {
        let mut rejected = status(422, "Invalid", "the server rejected our request due to an error in our request");
        rejected["details"] = json!({});
        let rejected = Reply::Json(422, rejected);
        let mut immutable = status(422, "Invalid", "x");
        immutable["details"] = json!({ "kind": "Deployment", "name": "web", "causes": [{ "field": "metadata.uid", "message": "field is immutable" }] });
        let mut now = web("u", "9");
        now["metadata"]["managedFields"] =
            json!([{ "manager": "kubectl-edit", "time": "2026-01-01T00:00:00Z" }, { "manager": "helm", "time": "2025-01-01T00:00:00Z" }]);
        let modified = Reply::Json(409, status(409, "Conflict", "the object has been modified"));
        let merge = || Request::MergePatch(json!({}));
        let cases = [
            (
                tested(),
                rejected.clone(),
                Reply::Json(200, now.clone()),
                "deployment/web changed since it was read: it was at version 7 and is at 9 (last by kubectl-edit at 2026-01-01T00:00:00Z)",
            ),
            (tested(), rejected.clone(), Reply::Json(200, web("other", "9")), "deployment/web was deleted and created anew since it was read"),
            (
                merge(),
                modified,
                Reply::Json(200, now),
                "deployment/web changed since it was read: it was at version 7 and is at 9 (last by kubectl-edit at 2026-01-01T00:00:00Z)",
            ),
            (merge(), Reply::Json(422, immutable), Reply::Json(200, web("other", "9")), "deployment/web was deleted and created anew since it was read"),
        ];
        for (request, reply, then, message) in cases {
            let (_, result) = sent(&change(request), false, vec![reply, then]).await;
            let error = result.expect_err("outdated");
            assert_eq!((error.kind(), error.message()), (ErrorKind::Conflict, message));
        }
        // The version is as it was: the patch does not fit, and saying "conflict" would send people round in circles.
        let (_, result) = sent(&change(tested()), false, vec![rejected, Reply::Json(200, web("u", "7"))]).await;
        assert_eq!(result.expect_err("invalid").kind(), ErrorKind::Invalid);
    }

    #[tokio::test(start_paused = true)]
    async fn fields_of_others_are_named_with_their_owner() {
        let mut conflict = status(409, "Conflict", "Apply failed with 1 conflict: conflict with \"helm\" using apps/v1: .spec.replicas");
        conflict["details"] =
            json!({ "causes": [{ "reason": "FieldManagerConflict", "message": "conflict with \"helm\" using apps/v1", "field": ".spec.replicas" }] });
        let (_, result) = sent(&change(Request::Apply { object: json!({}), force: false }), false, vec![Reply::Json(409, conflict)]).await;
        let error = result.expect_err("owned by helm");
        assert_eq!(error.kind(), ErrorKind::Conflict);
        assert_eq!(error.facts()["conflicts"], json!([{ "field": ".spec.replicas", "manager": "helm" }]));
        assert!(error.hints()[0].contains("force: true"), "{:?}", error.hints());
    }
}
