//! A decided write as a value: what to send, on what condition, and the words for it. Sending it is `cluster`'s, with all checks `session`'s.

use serde_json::Value;

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
