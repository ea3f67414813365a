//! A Deployment, StatefulSet or DaemonSet as the API server sent it, with the questions that rollouts ask of it.

use serde_json::Value;

use crate::error::Result;
use crate::resource::{Resource, Target};

/// The kinds that roll out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
}

impl Kind {
    /// `None` for a kind that does not roll out.
    pub fn of(_resource: &Resource) -> Option<Kind> {
        todo!()
    }

    pub fn resource(self) -> &'static Resource {
        todo!()
    }

    /// What keeps this kind's revisions: ReplicaSets or ControllerRevisions.
    pub fn revisions(self) -> &'static Resource {
        todo!()
    }
}

/// One workload object.
#[derive(Clone, Debug)]
pub struct Workload {
    kind: Kind,
    object: Value,
}

impl Workload {
    /// # Errors
    /// `invalid` when the object is of another kind.
    pub fn new(_object: Value) -> Result<Self> {
        todo!()
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn object(&self) -> &Value {
        &self.object
    }

    pub fn target(&self) -> Target {
        todo!()
    }

    pub fn uid(&self) -> &str {
        todo!()
    }

    pub fn namespace(&self) -> &str {
        todo!()
    }

    pub fn name(&self) -> &str {
        todo!()
    }

    pub fn generation(&self) -> i64 {
        todo!()
    }

    pub fn template(&self) -> &Value {
        todo!()
    }

    /// `spec.selector` as the label selector text that a list request takes.
    pub fn selector(&self) -> String {
        todo!()
    }
}

/// A workload, the revision objects and the pods that it owns (also indirectly), as one moment showed them.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub workload: Workload,
    /// ReplicaSets or ControllerRevisions; others than the workload's own may be among them and are left out of account.
    pub revisions: Vec<Value>,
    /// Pods; others than the workload's own may be among them and are left out of account.
    pub pods: Vec<Value>,
}
