//! A decided write as a value: what to send, on what condition, and the words for it. Sending it is `cluster`'s, with all checks `session`'s.

use serde_json::{Value, json};

use super::history::CHANGE_CAUSE;
use super::merge;
use super::object::{annotation, condition, result_name, text, uid};
use super::workload::Workload;
use crate::error::Result;
use crate::resource::Target;

/// What a change sends.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// RFC 6902 operations.
    JsonPatch(Value),
    /// RFC 7386.
    MergePatch(Value),
    /// A strategic merge patch; built-in kinds only.
    StrategicPatch(Value),
    /// Server-side apply with field manager `rollsh`; creates what is absent.
    Apply { object: Value, force: bool },
    /// A merge patch of `/scale`.
    Scale { replicas: i64 },
    /// `propagation` is `Background`, `Foreground` or `Orphan`.
    Delete { propagation: &'static str },
    /// Nothing to do: the object already is as wanted.
    Nothing,
}

/// What the object must still be when the write arrives; the API server checks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precondition {
    pub uid: String,
    pub resource_version: String,
}

impl Precondition {
    /// That the object is still exactly this one.
    pub fn of(object: &Value) -> Self {
        Self { uid: uid(object).to_owned(), resource_version: text(&object["metadata"]["resourceVersion"]).to_owned() }
    }
}

/// A write that was decided and not yet made.
#[derive(Clone, Debug)]
pub struct Change {
    /// The function's name: `undo`, `set_image`, ...
    pub verb: &'static str,
    pub target: Target,
    pub request: Request,
    /// Already part of a JSON patch's `test` operations where there is one; the writer adds it to the other forms.
    pub precondition: Option<Precondition>,
    /// The object that the decision was made on; `Null` when there was none.
    pub before: Value,
    /// One sentence in the past tense without a full stop, kubectl's words where it has them: `deployment.apps/web rolled back`.
    pub done: String,
    /// What the user should know before the change is made, each a sentence.
    pub warnings: Vec<String>,
}

impl Change {
    /// A change of `before`; `done` is what became of it, in kubectl's words: `image updated`.
    pub(super) fn new(verb: &'static str, target: Target, before: &Value, request: Request, done: &str) -> Self {
        let done = format!("{} {done}", result_name(&target));
        Self { verb, target, request, precondition: None, before: before.clone(), done, warnings: Vec::new() }
    }

    pub(super) fn of(verb: &'static str, workload: &Workload, request: Request, done: &str) -> Self {
        Self::new(verb, workload.target(), workload.object(), request, done)
    }

    /// Makes the change conditional on the object being exactly `before`, for changes that would else go through whatever
    /// happened meanwhile (`pause`, `scale`, `annotate`, ...): what `if_generation` and `if_revision` need to be safe.
    #[must_use]
    pub fn pinned(mut self) -> Self {
        if self.before.is_object() {
            self.precondition = Some(Precondition::of(&self.before));
        }
        self
    }

    /// Sets the change cause in the same write. Nothing is added to a change that does nothing or deletes.
    #[must_use]
    pub fn with_cause(mut self, cause: Option<&str>) -> Self {
        let Some(cause) = cause else { return self };
        let annotations = json!({"metadata": {"annotations": {CHANGE_CAUSE: cause}}});
        self.request = match self.request {
            Request::JsonPatch(Value::Array(mut operations)) => {
                let path = cause_path();
                operations.retain(|operation| operation["path"] != path.as_str() && operation["path"] != "/metadata/annotations");
                operations.extend(cause_operation(&self.before, Some(cause)));
                Request::JsonPatch(Value::Array(operations))
            }
            Request::MergePatch(body) => Request::MergePatch(over(body, &annotations)),
            Request::StrategicPatch(body) => Request::StrategicPatch(over(body, &annotations)),
            Request::Apply { object, force } => Request::Apply { object: over(object, &annotations), force },
            Request::Scale { replicas } => Request::MergePatch(over(annotations, &json!({"spec": {"replicas": replicas}}))),
            other => other,
        };
        self
    }

    pub fn does_nothing(&self) -> bool {
        self.request == Request::Nothing
    }

    /// The object as it would be, computed here: for a diff when no server can be asked. Lacks what only the server adds
    /// (defaults, a new generation and resourceVersion, the fields that an apply gives up). `Null` after a deletion.
    ///
    /// # Errors
    /// `invalid` when the patch does not fit `before`.
    pub fn predicted(&self) -> Result<Value> {
        let before = &self.before;
        Ok(match &self.request {
            Request::JsonPatch(operations) => merge::json_patch(before, operations)?,
            Request::MergePatch(body) => merge::merge_patch(before, body),
            Request::StrategicPatch(body) => merge::strategic(before, body),
            Request::Apply { object, .. } => merge::applied(before, object),
            Request::Scale { replicas } => merge::merge_patch(before, &json!({"spec": {"replicas": replicas}})),
            Request::Delete { .. } => Value::Null,
            Request::Nothing => before.clone(),
        })
    }

    /// The same change on the condition of what is there `now`, when nothing that it was decided on has changed: only status,
    /// managed fields and the controller's revision number. `None`: somebody changed it, so decide again or give up.
    ///
    /// A controller that rolls out writes the status several times a second, and each write makes another resourceVersion;
    /// without this a change in the middle of a rollout would lose against its own controller again and again. A deletion
    /// is decided on whether a pod is ready, so that must not have changed either.
    pub fn rebased(&self, now: &Value) -> Option<Self> {
        let recovered = || condition(&self.before, "Ready").map(|it| &it["status"]) != condition(now, "Ready").map(|it| &it["status"]);
        if substance(&self.before) != substance(now) || (matches!(self.request, Request::Delete { .. }) && recovered()) {
            return None;
        }
        let mut change = self.clone();
        change.before = now.clone();
        if self.precondition.is_some() {
            let precondition = Precondition::of(now);
            if let Request::JsonPatch(Value::Array(operations)) = &mut change.request {
                for operation in operations.iter_mut().filter(|operation| operation["op"] == "test" && operation["path"] == "/metadata/resourceVersion") {
                    operation["value"] = precondition.resource_version.clone().into();
                }
            }
            change.precondition = Some(precondition);
        }
        Some(change)
    }
}

/// What decisions are made on: all but what controllers and the server write by themselves.
fn substance(object: &Value) -> Value {
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        metadata.remove("resourceVersion");
        let left = metadata.get_mut("annotations").and_then(Value::as_object_mut).map(|annotations| {
            annotations.remove(super::history::REVISION);
            annotations.len()
        });
        if left == Some(0) {
            metadata.remove("annotations");
        }
    }
    object
}

/// Lays `top` over `body`, maps into maps.
fn over(mut body: Value, top: &Value) -> Value {
    json_patch::merge(&mut body, top);
    body
}

fn cause_path() -> String {
    format!("/metadata/annotations/{}", CHANGE_CAUSE.replace('~', "~0").replace('/', "~1"))
}

/// The JSON patch operation that gives the object this change cause, or takes it away; none when it already is so.
pub(super) fn cause_operation(object: &Value, cause: Option<&str>) -> Option<Value> {
    let present = annotation(object, CHANGE_CAUSE);
    match cause {
        Some(cause) if present == Some(cause) => None,
        Some(cause) if object["metadata"]["annotations"].is_object() => Some(json!({"op": "add", "path": cause_path(), "value": cause})),
        Some(cause) => Some(json!({"op": "add", "path": "/metadata/annotations", "value": {CHANGE_CAUSE: cause}})),
        None if present.is_some() => Some(json!({"op": "remove", "path": cause_path()})),
        None => None,
    }
}

/// `test` operations for the precondition of a JSON patch.
pub(super) fn tests(object: &Value) -> Vec<Value> {
    let metadata = &object["metadata"];
    ["uid", "resourceVersion"].into_iter().map(|field| json!({"op": "test", "path": format!("/metadata/{field}"), "value": metadata[field]})).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::DEPLOYMENT;

    fn object() -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "uid": "u1", "resourceVersion": "7", "generation": 2, "annotations": {"mine": "1"}},
            "spec": {"replicas": 3}, "status": {"replicas": 3}
        })
    }

    fn change(request: Request) -> Change {
        let before = object();
        Change::new("patch", crate::rollout::object::target(&DEPLOYMENT, &before), &before, request, "patched")
    }

    #[test]
    fn a_change_cause_goes_into_the_same_write_whatever_its_form() {
        for request in [
            Request::MergePatch(json!({"spec": {"replicas": 5}})),
            Request::StrategicPatch(json!({"spec": {"replicas": 5}})),
            Request::JsonPatch(json!([{"op": "replace", "path": "/spec/replicas", "value": 5}])),
            Request::Apply { object: json!({"spec": {"replicas": 5}}), force: false },
            Request::Scale { replicas: 5 },
        ] {
            let after = change(request.clone()).with_cause(Some("why")).predicted().expect("fits");
            assert_eq!(after["spec"]["replicas"], 5, "{request:?}");
            assert_eq!(after["metadata"]["annotations"], json!({"mine": "1", CHANGE_CAUSE: "why"}), "{request:?}");
        }
    }

    #[test]
    fn a_status_write_in_between_does_not_hinder_a_change() {
        let mut operations = tests(&object());
        operations.push(json!({"op": "replace", "path": "/spec/replicas", "value": 5}));
        let mut change = change(Request::JsonPatch(operations.into()));
        change.precondition = Some(Precondition::of(&change.before));
        let mut now = object();
        now["metadata"]["resourceVersion"] = "8".into();
        now["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "4".into();
        now["status"]["replicas"] = 4.into();
        let sent = |change: &Change| match &change.request {
            Request::JsonPatch(operations) => merge::json_patch(&now, operations),
            other => panic!("{other:?}"),
        };
        assert_eq!(sent(&change).expect_err("the condition fails").kind().name(), "conflict");
        let again = change.rebased(&now).expect("nothing of substance changed");
        assert_eq!(sent(&again).expect("the condition holds")["spec"]["replicas"], 5);
    }

    #[test]
    fn a_rival_edit_is_never_rebased_over() {
        for (path, value) in
            [("/spec/replicas", json!(4)), ("/metadata/uid", json!("u2")), ("/metadata/annotations/mine", json!("2")), ("/metadata/generation", json!(3))]
        {
            let mut now = object();
            *now.pointer_mut(path).expect("there") = value;
            assert!(change(Request::Scale { replicas: 5 }).rebased(&now).is_none(), "{path}");
        }
    }

    #[test]
    fn a_pod_that_got_well_meanwhile_is_not_deleted() {
        let change = change(Request::Delete { propagation: "Background" });
        let at = |ready: &str| {
            let mut object = object();
            object["metadata"]["resourceVersion"] = "8".into();
            object["status"] = json!({"conditions": [{"type": "Ready", "status": ready}]});
            object
        };
        let broken = Change { before: at("False"), ..change };
        assert!(broken.rebased(&at("False")).is_some());
        assert!(broken.rebased(&at("True")).is_none());
    }
}
