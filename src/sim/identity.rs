//! Who asks: a user and its groups, as certificates and tokens name them.
//!
//! Not here: what a user may do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::json::{Value, json};

/// A user and its groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub user: String,
    pub groups: Vec<String>,
    /// Of a service account: its own; else empty.
    pub uid: String,
    /// What else is known, above all what showed it.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// The key under which it is told what showed a user.
pub const CREDENTIAL: &str = "authentication.kubernetes.io/credential-id";

impl Identity {
    /// A user that showed who it is.
    pub fn authenticated(user: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().copied().chain(["system:authenticated"]).map(str::to_owned).collect();
        Self { user: user.to_owned(), groups, uid: String::new(), extra: BTreeMap::new() }
    }

    /// The user of the kubeconfig, who may do all.
    pub fn administrator() -> Self {
        Self::authenticated("kubernetes-admin", &["system:masters"])
    }

    /// Whoever shows nothing.
    pub fn anonymous() -> Self {
        let groups = vec!["system:unauthenticated".to_owned()];
        Self { user: "system:anonymous".to_owned(), groups, uid: String::new(), extra: BTreeMap::new() }
    }

    /// As `UserInfo` has it, without what is empty.
    pub fn info(&self) -> Value {
        let mut info = json!({ "username": self.user, "groups": self.groups });
        if !self.uid.is_empty() {
            info["uid"] = self.uid.as_str().into();
        }
        if !self.extra.is_empty() {
            info["extra"] = json!(self.extra);
        }
        info
    }

    pub fn is_anonymous(&self) -> bool {
        self.user == "system:anonymous"
    }

    pub fn is_administrator(&self) -> bool {
        self.groups.iter().any(|it| it == "system:masters")
    }
}
