//! Bearer tokens: those of users, and those of service accounts, which are good for an audience, for a time, and as long as what they are bound to is there.
//!
//! # Source
//! kubernetes 1.36.3 `pkg/serviceaccount/claims.go`, `pkg/serviceaccount/jwt.go`.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::failure::quoted;
use super::identity::Identity;
use super::json::{Value, json};
use super::kinds::Kind;
use super::world::World;
use super::{base64, world};

/// Who signs, and for whom a token is good that names nobody.
pub const ISSUER: &str = "https://kubernetes.default.svc";

/// What a token of a service account says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    pub namespace: String,
    pub account: String,
    pub account_uid: String,
    /// Of a token in a Secret: nobody in particular.
    pub audiences: Vec<String>,
    /// Of a token in a Secret: never.
    pub expires: Option<Timestamp>,
    /// Its own number.
    pub id: Option<String>,
    pub bound: Vec<Bound>,
}

/// What a token can be bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Holder {
    Pod,
    Secret,
    Node,
}

impl Holder {
    pub fn kind(self) -> Kind {
        match self {
            Self::Pod => Kind::PODS,
            Self::Secret => Kind::SECRETS,
            Self::Node => Kind::NODES,
        }
    }

    /// As claims name it.
    fn word(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Secret => "secret",
            Self::Node => "node",
        }
    }
}

/// Something that must be there as long as the token is good.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bound {
    pub holder: Holder,
    pub name: String,
    pub uid: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum Known {
    User(Identity),
    Account(Claims),
}

/// The bearer tokens that are known, and whose they are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tokens(BTreeMap<String, Known>);

impl Tokens {
    /// A token that shows a user, for ever.
    pub fn add(&mut self, token: &str, identity: Identity) {
        self.0.insert(token.to_owned(), Known::User(identity));
    }

    pub fn remove(&mut self, token: &str) {
        self.0.remove(token);
    }
}

impl Claims {
    /// A token for an hour or so.
    pub fn new(namespace: &str, account: &Value, audiences: Vec<String>, seconds: i64, world: &mut World) -> Self {
        let text = |field: &str| account["metadata"][field].as_str().unwrap_or_default().to_owned();
        Self {
            namespace: namespace.to_owned(),
            account: text("name"),
            account_uid: text("uid"),
            audiences,
            expires: world.now().saturating_add(SignedDuration::from_secs(seconds)).ok(),
            id: Some(world.uid()),
            bound: Vec::new(),
        }
    }

    fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.account)
    }

    /// Who shows it.
    fn identity(&self) -> Identity {
        let groups = ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{}", self.namespace)];
        let mut identity = Identity::authenticated(&self.user(), &[&groups[0], &groups[1]]);
        identity.uid.clone_from(&self.account_uid);
        let mut extra = |key: &str, value: &str| identity.extra.insert(format!("authentication.kubernetes.io/{key}"), vec![value.to_owned()]);
        if let Some(id) = &self.id {
            extra("credential-id", &format!("JTI={id}"));
        }
        for bound in self.bound.iter().filter(|it| it.holder != Holder::Secret) {
            extra(&format!("{}-name", bound.holder.word()), &bound.name);
            extra(&format!("{}-uid", bound.holder.word()), &bound.uid);
        }
        identity
    }

    /// What a token says of itself, between its header and its signature.
    fn payload(&self, now: Timestamp) -> Value {
        let mut about = json!({ "namespace": self.namespace, "serviceaccount": { "name": self.account, "uid": self.account_uid } });
        for bound in &self.bound {
            about[bound.holder.word()] = json!({ "name": bound.name, "uid": bound.uid });
        }
        json!({
            "aud": self.audiences, "exp": self.expires.map(Timestamp::as_second), "iat": now.as_second(), "nbf": now.as_second(), "iss": ISSUER,
            "sub": self.user(), "jti": self.id, "kubernetes.io": about,
        })
    }

    /// Why it is not good, if it is not.
    fn check(&self, world: &World) -> Result<(), String> {
        if self.expires.is_some_and(|at| at < world.now()) {
            return Err("service account token has expired".to_owned());
        }
        let uid = |kind: Kind, name: &str| {
            let namespace = if kind.namespaced() { self.namespace.as_str() } else { "" };
            world.find(kind, namespace, name).map(|it| it["metadata"]["uid"].as_str().unwrap_or_default().to_owned())
        };
        match uid(Kind::SERVICEACCOUNTS, &self.account) {
            None => return Err(format!("serviceaccounts {} not found", quoted(&self.account))),
            Some(uid) if uid != self.account_uid => return Err(format!("service account UID ({uid}) does not match claim ({})", self.account_uid)),
            Some(_) => {}
        }
        // The node of a pod is told and not asked for.
        let asked = self.bound.iter().filter(|it| it.holder != Holder::Node || self.bound.len() == 1);
        for bound in asked {
            match uid(bound.holder.kind(), &bound.name) {
                None => return Err("service account token has been invalidated".to_owned()),
                Some(uid) if uid != bound.uid => {
                    let (kind, claim) = match bound.holder {
                        Holder::Pod => ("pod", "service account pod ref claim"),
                        Holder::Secret => ("secret", "service account secret ref claim"),
                        Holder::Node => ("node", "service account node ref claim"),
                    };
                    return Err(format!("{kind} UID ({uid}) does not match {claim} ({})", bound.uid));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

/// A text in the form of a signed token. Nobody else checks it, so the signature is but a random text.
fn signed(world: &mut World, payload: &Value) -> String {
    let part = |value: &Value| base64::encode_url(value.to_string().as_bytes());
    let header = json!({ "alg": "RS256", "kid": "simulated" });
    format!("{}.{}.{}", part(&header), part(payload), world.random_letters(43))
}

/// A token that this server then knows, unless it is only tried.
pub fn issue(world: &mut World, claims: Claims, dry_run: bool) -> String {
    let payload = claims.payload(world.now());
    let token = signed(world, &payload);
    if !dry_run {
        world.tokens.0.insert(token.clone(), Known::Account(claims));
    }
    token
}

/// The token in a Secret of a service account.
pub fn issue_for_secret(world: &mut World, secret: &Bound, namespace: &str, account: &str, account_uid: &str) -> String {
    let claims = Claims {
        namespace: namespace.to_owned(),
        account: account.to_owned(),
        account_uid: account_uid.to_owned(),
        audiences: Vec::new(),
        expires: None,
        id: None,
        bound: vec![secret.clone()],
    };
    let payload = json!({
        "iss": "kubernetes/serviceaccount", "kubernetes.io/serviceaccount/namespace": namespace, "kubernetes.io/serviceaccount/secret.name": secret.name,
        "kubernetes.io/serviceaccount/service-account.name": account, "kubernetes.io/serviceaccount/service-account.uid": account_uid, "sub": claims.user(),
    });
    let token = signed(world, &payload);
    world.tokens.0.insert(token.clone(), Known::Account(claims));
    token
}

/// Whose token it is, and for which of the audiences it is good; those of this server where none are named.
///
/// # Errors
/// Why it shows nobody; an empty text where it is only not for these audiences.
pub fn authenticate(world: &World, token: &str, audiences: &[String]) -> Result<(Identity, Vec<String>), String> {
    let own = [ISSUER.to_owned()];
    let wanted = if audiences.is_empty() { &own } else { audiences };
    let good_for = |has: &[String]| -> Vec<String> { wanted.iter().filter(|it| has.contains(it)).cloned().collect() };
    match world.tokens.0.get(token) {
        None => Err("invalid bearer token".to_owned()),
        Some(Known::User(identity)) => match good_for(&own) {
            good if good.is_empty() => Err(String::new()),
            good => Ok((identity.clone(), good)),
        },
        Some(Known::Account(claims)) => {
            let invalid = |why: String| format!("[invalid bearer token, {why}]");
            let has = if claims.audiences.is_empty() { &own } else { claims.audiences.as_slice() };
            let good = good_for(has);
            if good.is_empty() {
                return Err(invalid(format!("token audiences {} is invalid for the target audiences {}", listed(has), listed(wanted))));
            }
            claims.check(world).map_err(invalid)?;
            Ok((claims.identity(), good))
        }
    }
}

/// `["a" "b"]`.
fn listed(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|it| quoted(it)).collect();
    format!("[{}]", quoted.join(" "))
}

/// When it ends, as the server writes times.
pub fn ends(claims: &Claims) -> Option<String> {
    claims.expires.map(world::stamp)
}

#[cfg(test)]
mod tests {
    use super::super::trial::Trial;
    use super::*;

    const SPACE: &str = "/api/v1/namespaces/default";
    const REVIEWS: &str = "/apis/authentication.k8s.io/v1/tokenreviews";

    fn trial() -> Trial {
        let trial = Trial::new();
        trial.good("POST", &format!("{SPACE}/serviceaccounts"), json!({ "metadata": { "name": "robot" } }));
        trial
    }

    fn token(trial: &Trial, spec: Value) -> String {
        let request = trial.good("POST", &format!("{SPACE}/serviceaccounts/robot/token"), json!({ "spec": spec }));
        request["status"]["token"].as_str().expect("a token").to_owned()
    }

    /// The audiences that a token is good for, or why it is not.
    fn reviewed(trial: &Trial, token: &str, audiences: Value) -> Value {
        let status = trial.good("POST", REVIEWS, json!({ "spec": { "token": token, "audiences": audiences } }))["status"].clone();
        if status["authenticated"] == true { status["audiences"].clone() } else { status["error"].clone() }
    }

    #[test]
    fn a_token_is_good_for_its_audiences_alone() {
        let trial = trial();
        let (own, others) = (token(&trial, json!({})), token(&trial, json!({ "audiences": ["api", "b"] })));
        assert_eq!(reviewed(&trial, &own, Value::Null), json!([ISSUER]));
        assert_eq!(reviewed(&trial, &others, json!(["b", "api", "c"])), json!(["b", "api"]));
        assert_eq!(
            reviewed(&trial, &others, Value::Null),
            format!(r#"[invalid bearer token, token audiences ["api" "b"] is invalid for the target audiences ["{ISSUER}"]]"#)
        );
        assert_eq!(reviewed(&trial, "a.b.c", Value::Null), "invalid bearer token");
        assert_eq!(trial.bad("POST", REVIEWS, json!({ "spec": {} })), (400, "token is required for TokenReview in authentication".to_owned()));
    }

    #[test]
    fn a_token_ends_with_its_account_and_with_what_it_is_bound_to() {
        let trial = trial();
        trial.good("POST", &format!("{SPACE}/secrets"), json!({ "metadata": { "name": "it" } }));
        let (free, bound) = (token(&trial, json!({})), token(&trial, json!({ "boundObjectRef": { "apiVersion": "v1", "kind": "Secret", "name": "it" } })));
        trial.good("DELETE", &format!("{SPACE}/secrets/it"), Value::Null);
        assert_eq!(reviewed(&trial, &bound, Value::Null), "[invalid bearer token, service account token has been invalidated]");
        assert_eq!(reviewed(&trial, &free, Value::Null), json!([ISSUER]));
        trial.good("DELETE", &format!("{SPACE}/serviceaccounts/robot"), Value::Null);
        assert_eq!(reviewed(&trial, &free, Value::Null), r#"[invalid bearer token, serviceaccounts "robot" not found]"#);
        trial.good("POST", &format!("{SPACE}/serviceaccounts"), json!({ "metadata": { "name": "robot" } }));
        let why = reviewed(&trial, &free, Value::Null);
        assert!(why.as_str().is_some_and(|it| it.starts_with("[invalid bearer token, service account UID (")), "{why}");
    }

    #[test]
    fn a_token_is_refused_for_a_time_or_an_object_that_it_cannot_have() {
        let trial = trial();
        let refused = |spec: Value| trial.bad("POST", &format!("{SPACE}/serviceaccounts/robot/token"), json!({ "spec": spec })).1;
        assert!(refused(json!({ "expirationSeconds": 599 })).ends_with("may not specify a duration less than 10 minutes"));
        assert!(refused(json!({ "expirationSeconds": 1_u64 << 33 })).ends_with("may not specify a duration larger than 2^32 seconds"));
        let to = |version: &str, kind: &str| refused(json!({ "boundObjectRef": { "apiVersion": version, "kind": kind, "name": "q" } }));
        assert_eq!(to("v1", "Pod"), r#"pods "q" not found"#);
        assert_eq!(to("apps/v1", "Deployment"), "cannot bind token to object of type apps/v1, Kind=Deployment");
    }

    #[test]
    fn a_token_ends_at_its_time() {
        let trial = trial();
        let short = token(&trial, json!({ "expirationSeconds": 600 }));
        trial.runtime.block_on(async { tokio::time::sleep(std::time::Duration::from_secs(601)).await });
        assert_eq!(reviewed(&trial, &short, Value::Null), "[invalid bearer token, service account token has expired]");
    }
}
