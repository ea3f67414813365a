//! Who asks: a user and its groups, as certificates and tokens name them.
//!
//! Not here: what a user may do.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A user and its groups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub user: String,
    pub groups: Vec<String>,
    /// What showed it: the certificate.
    pub credential: Option<String>,
}

impl Identity {
    /// A user that showed who it is.
    pub fn authenticated(user: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().copied().chain(["system:authenticated"]).map(str::to_owned).collect();
        Self { user: user.to_owned(), groups, credential: None }
    }

    /// The user of the kubeconfig, who may do all.
    pub fn administrator() -> Self {
        Self::authenticated("kubernetes-admin", &["system:masters"])
    }

    /// Whoever shows nothing.
    pub fn anonymous() -> Self {
        Self { user: "system:anonymous".to_owned(), groups: vec!["system:unauthenticated".to_owned()], credential: None }
    }

    pub fn is_anonymous(&self) -> bool {
        self.user == "system:anonymous"
    }

    pub fn is_administrator(&self) -> bool {
        self.groups.iter().any(|it| it == "system:masters")
    }
}

/// The bearer tokens that are known, and whose they are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tokens(BTreeMap<String, Identity>);

impl Tokens {
    pub fn add(&mut self, token: &str, identity: Identity) {
        self.0.insert(token.to_owned(), identity);
    }

    pub fn remove(&mut self, token: &str) {
        self.0.remove(token);
    }

    pub fn find(&self, token: &str) -> Option<&Identity> {
        self.0.get(token)
    }
}
