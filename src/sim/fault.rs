//! Faults as data: what goes wrong, when, how often and for whom. The API server asks before each request, components before each write.
//!
//! Not here: how an answer is delayed or a stream is dropped; that is the server's, which carries a decision out.

use std::time::Duration;

use super::failure::{Failure, Result};
use super::image::duration_of;
use super::kinds::Kind;
use super::kubelet::node;
use super::world::World;
use crate::error::{Error, ErrorKind};
use crate::sim::json::Value;

/// What a request looks like to the rules.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: &'a str,
    /// `None`: no request for a kind (discovery, health).
    pub kind: Option<Kind>,
    pub namespace: &'a str,
    pub name: &'a str,
    pub user_agent: &'a str,
    pub user: &'a str,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// 409: the object was modified.
    Conflict,
    /// 503 with Retry-After.
    Unavailable,
    /// 429 with Retry-After.
    Throttle,
    /// The answer takes so long.
    Slow(Duration),
    /// A watch ends after so long.
    DropWatch(Duration),
    /// 410: the version is too old; a watch that is open gets it as its last event.
    Gone,
    /// Another writer changes the object first.
    Rival,
    /// 403.
    Forbid,
    /// The connection ends before the request took effect.
    CutBefore,
    /// The connection ends after the request took effect and before its answer.
    CutAfter,
    /// 403 as a quota says it, for creations.
    Quota,
}

impl Trouble {
    const NAMES: [&str; 11] = ["conflict", "unavailable", "throttle", "slow", "drop_watch", "gone", "rival", "forbid", "cut_before", "cut_after", "quota"];
}

/// One rule: which requests meet which trouble, how often.
#[derive(Clone, Debug)]
pub struct Rule {
    pub trouble: Trouble,
    /// Requests that match and pass unharmed before the trouble begins.
    pub after: u32,
    /// How many requests meet it; `None`: all that match.
    pub times: Option<u32>,
    /// In percent of the requests that match, drawn from the world's seed.
    pub chance: u32,
    pub verb: Option<String>,
    /// A kind's plural, singular or kind name.
    pub kind: Option<String>,
    pub name: Option<String>,
    /// A part of the user agent, the field manager or the user name.
    pub client: Option<String>,
}

/// The rules of one cluster.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Vec<Rule>,
}

/// What the server does with a request.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// The answer in place of the real one.
    pub fail: Option<Failure>,
    /// How long the answer waits first.
    pub delay: Duration,
    /// How long a watch lives, at most.
    pub drop_after: Option<Duration>,
    /// A watch that ends with a 410 event.
    pub gone: bool,
    /// The connection ends without an answer: before the request takes effect.
    pub cut_before: bool,
    /// The same, after it took effect.
    pub cut_after: bool,
}

/// Decides what happens to a request of a client.
pub fn before(world: &mut World, request: &RequestFacts<'_>) -> Decision {
    let mut decision = Decision::default();
    for trouble in met(world, request, false) {
        let failure = match trouble {
            Trouble::Slow(delay) => {
                decision.delay += delay;
                continue;
            }
            Trouble::DropWatch(after) => {
                decision.drop_after = Some(after);
                continue;
            }
            Trouble::Gone if request.verb == "watch" => {
                decision.gone = true;
                continue;
            }
            Trouble::CutBefore => {
                decision.cut_before = true;
                continue;
            }
            Trouble::CutAfter => {
                decision.cut_after = true;
                continue;
            }
            Trouble::Rival => {
                rival_writes(world, request);
                continue;
            }
            trouble => failure(&trouble, request),
        };
        decision.fail.get_or_insert(failure);
    }
    decision
}

/// Decides what happens to a write of a component of the cluster; only rules that name a client concern them.
///
/// # Errors
/// What the rule says.
pub fn before_component(world: &mut World, manager: &str, verb: &str, kind: Kind) -> Result<()> {
    if world.controllers.faults.rules.is_empty() {
        return Ok(());
    }
    let request = RequestFacts { verb, kind: Some(kind), namespace: "", name: "", user_agent: manager, user: manager };
    let trouble = met(world, &request, true)
        .into_iter()
        .find(|trouble| matches!(trouble, Trouble::Conflict | Trouble::Unavailable | Trouble::Throttle | Trouble::Forbid | Trouble::Quota));
    trouble.map_or(Ok(()), |trouble| Err(failure(&trouble, &request)))
}

fn failure(trouble: &Trouble, request: &RequestFacts<'_>) -> Failure {
    match (trouble, request.kind) {
        (Trouble::Conflict, Some(kind)) => Failure::modified(kind, request.name),
        (Trouble::Throttle, _) => Failure::too_many_requests("Too many requests, please try again later.", 1),
        (Trouble::Gone, _) => Failure::expired("The resourceVersion for the provided list is too old."),
        (Trouble::Forbid, Some(kind)) => {
            let group = kind.group();
            let place = if request.namespace.is_empty() { "at the cluster scope".to_owned() } else { format!("in the namespace {:?}", request.namespace) };
            let why = format!("User {:?} cannot {} resource {:?} in API group {group:?} {place}", request.user, request.verb, kind.plural());
            Failure::forbidden(kind, request.name, &why)
        }
        (Trouble::Quota, Some(kind)) => Failure::forbidden(kind, request.name, "exceeded quota: fault, requested: pods=1, used: pods=1, limited: pods=1"),
        _ => Failure::unavailable("the server is currently unable to handle the request").detail("retryAfterSeconds", 1),
    }
}

/// The troubles of the rules that match, each counted.
fn met(world: &mut World, request: &RequestFacts<'_>, component: bool) -> Vec<Trouble> {
    let mut met = Vec::new();
    for at in 0..world.controllers.faults.rules.len() {
        let rule = &world.controllers.faults.rules[at];
        if (component && rule.client.is_none()) || !rule.matches(request) || rule.times == Some(0) {
            continue;
        }
        if rule.after > 0 {
            world.controllers.faults.rules[at].after -= 1;
            continue;
        }
        let chance = u64::from(rule.chance);
        if chance < 100 && world.random(100) >= chance {
            continue;
        }
        let rule = &mut world.controllers.faults.rules[at];
        if let Some(times) = &mut rule.times {
            *times -= 1;
        }
        met.push(rule.trouble.clone());
    }
    met
}

impl Rule {
    /// A rule that every request meets, always.
    pub fn new(trouble: Trouble) -> Self {
        Self { trouble, after: 0, times: None, chance: 100, verb: None, kind: None, name: None, client: None }
    }

    fn matches(&self, request: &RequestFacts<'_>) -> bool {
        let writes = matches!(request.verb, "create" | "update" | "patch" | "delete" | "deletecollection");
        let applies = match self.trouble {
            // A trouble that is about writes, or about one verb, needs no `verb` to stay off the others.
            Trouble::Conflict | Trouble::Rival => matches!(request.verb, "update" | "patch" | "delete"),
            Trouble::DropWatch(_) => request.verb == "watch",
            Trouble::Gone => matches!(request.verb, "watch" | "list"),
            Trouble::Quota => request.verb == "create",
            Trouble::CutAfter => writes,
            _ => true,
        };
        let names = |kind: Kind, wanted: &str| {
            kind.plural() == wanted || kind.singular() == wanted || kind.kind() == wanted || kind.facts().short_names.iter().any(|short| short == wanted)
        };
        applies
            && self.verb.as_deref().is_none_or(|verb| verb == request.verb || (verb == "write" && writes))
            && self.kind.as_deref().is_none_or(|wanted| request.kind.is_some_and(|kind| names(kind, wanted)))
            && self.name.as_deref().is_none_or(|name| name == request.name)
            && self.client.as_deref().is_none_or(|client| request.user_agent.contains(client) || request.user.contains(client))
    }
}

/// Another writer touches the object: its version moves on, and an annotation shows who it was.
fn rival_writes(world: &mut World, request: &RequestFacts<'_>) {
    let Some(kind) = request.kind else { return };
    let Some(stored) = world.find(kind, request.namespace, request.name) else { return };
    let mut copy = Value::clone(stored);
    let count: u64 = copy["metadata"]["annotations"]["rival/edits"].as_str().and_then(|count| count.parse().ok()).unwrap_or(0);
    copy["metadata"]["annotations"]["rival/edits"] = Value::from((count + 1).to_string());
    // A rival that fails is no rival; the request then goes its way.
    let _ = world.update(kind, copy, super::api::Subresource::Main, &super::api::Caller::component("rival"));
}

/// Adds the rules of a `sim::fault` map: each trouble as a key, with `times`, `after`, `chance`, `verb`, `kind`, `name` and `client` for all of them;
/// `controllers: "paused"` or `"running"`; `node_down: NAME` and `node_up: NAME`; `clear: true` removes earlier rules first.
///
/// # Errors
/// `usage` for an unknown key or a value of the wrong type.
pub fn add(world: &mut World, fault: &Value) -> crate::error::Result<()> {
    const COMMON: [&str; 11] = ["times", "after", "chance", "verb", "kind", "name", "client", "controllers", "clear", "node_down", "node_up"];
    let usage = |message: String| Error::new(ErrorKind::Usage, message);
    let fields = fault.as_object().ok_or_else(|| usage("fault: not a map".to_owned()))?;
    let word = |key: &str| match &fault[key] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.to_string())),
        other => Err(usage(format!("fault: {key} must be a text, not {other}"))),
    };
    let count = |key: &str| match &fault[key] {
        Value::Null => Ok(None),
        other => {
            other.as_u64().and_then(|count| u32::try_from(count).ok()).map(Some).ok_or_else(|| usage(format!("fault: {key} must be a count, not {other}")))
        }
    };
    if fault["clear"] == true {
        world.controllers.faults.rules.clear();
    }
    match word("controllers")?.as_deref() {
        None => {}
        Some("paused") => super::controllers::queue::pause(world),
        Some("running") => super::controllers::queue::resume(world),
        Some(other) => return Err(usage(format!("fault: controllers must be \"paused\" or \"running\", not {other:?}"))),
    }
    for (key, act) in [("node_down", node::go_down as fn(&mut World, &str)), ("node_up", node::come_up)] {
        if let Some(name) = word(key)? {
            if world.find(Kind::NODES, "", &name).is_none() {
                return Err(usage(format!("fault: {key}: there is no node {name:?}")));
            }
            act(world, &name);
        }
    }
    for (key, value) in fields {
        if COMMON.contains(&key.as_str()) {
            continue;
        }
        let mut times = count("times")?;
        let trouble = match key.as_str() {
            "slow" | "drop_watch" => {
                let duration = duration_of(value).ok_or_else(|| usage(format!("fault: {key} must be a duration such as \"2s\", not {value}")))?;
                if key == "slow" { Trouble::Slow(duration) } else { Trouble::DropWatch(duration) }
            }
            name if Trouble::NAMES.contains(&name) => {
                match value {
                    Value::Bool(true) => {}
                    Value::Bool(false) => continue,
                    // `conflict: 2` is short for two of them.
                    other => {
                        times = Some(
                            other
                                .as_u64()
                                .and_then(|count| u32::try_from(count).ok())
                                .ok_or_else(|| usage(format!("fault: {key} must be true or a count, not {other}")))?,
                        )
                    }
                }
                match name {
                    "conflict" => Trouble::Conflict,
                    "unavailable" => Trouble::Unavailable,
                    "throttle" => Trouble::Throttle,
                    "gone" => Trouble::Gone,
                    "rival" => Trouble::Rival,
                    "forbid" => Trouble::Forbid,
                    "cut_before" => Trouble::CutBefore,
                    "cut_after" => Trouble::CutAfter,
                    _ => Trouble::Quota,
                }
            }
            unknown => {
                return Err(usage(format!("fault: unknown key {unknown:?}")).hint(format!(
                    "the troubles are {}; the rest is {}",
                    Trouble::NAMES.join(", "),
                    COMMON.join(", ")
                )));
            }
        };
        let rule = Rule {
            trouble,
            after: count("after")?.unwrap_or(0),
            times,
            chance: count("chance")?.unwrap_or(100),
            verb: word("verb")?,
            kind: word("kind")?,
            name: word("name")?,
            client: word("client")?,
        };
        world.controllers.faults.rules.push(rule);
    }
    Ok(())
}

impl Faults {
    pub fn push(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    pub fn clear(&mut self) {
        self.rules.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::json::json;
    use jiff::Timestamp;

    fn request(verb: &str) -> RequestFacts<'_> {
        RequestFacts { verb, kind: Some(Kind::DEPLOYMENTS), namespace: "default", name: "web", user_agent: "kubectl/v1.36.3", user: "admin" }
    }

    #[test]
    fn a_rule_strikes_as_often_as_it_says_and_only_whom_it_names() {
        let mut world = World::new(0, Timestamp::UNIX_EPOCH);
        add(&mut world, &json!({"conflict": 2, "after": 1, "client": "kubectl"})).expect("a fault");
        let codes: Vec<Option<u16>> = (0..4).map(|_| before(&mut world, &request("patch")).fail.map(|failure| failure.code())).collect();
        assert_eq!(codes, [None, Some(409), Some(409), None]);
        add(&mut world, &json!({"clear": true, "unavailable": true, "kind": "deploy", "verb": "get"})).expect("a fault");
        assert!(before(&mut world, &request("list")).fail.is_none());
        let failure = before(&mut world, &request("get")).fail.expect("a failure");
        assert_eq!((failure.code(), failure.retry_after_s()), (503, Some(1)));
    }

    #[test]
    fn components_meet_only_the_faults_that_name_them() {
        let mut world = World::new(0, Timestamp::UNIX_EPOCH);
        add(&mut world, &json!({"quota": true})).expect("a fault");
        assert!(before_component(&mut world, "kube-controller-manager", "create", Kind::PODS).is_ok());
        add(&mut world, &json!({"quota": 1, "client": "kube-controller-manager", "kind": "pods"})).expect("a fault");
        assert!(before_component(&mut world, "kube-controller-manager", "create", Kind::PODS).is_err());
        assert!(before_component(&mut world, "kube-controller-manager", "create", Kind::PODS).is_ok());
    }

    #[test]
    fn unknown_faults_are_refused_by_name() {
        let mut world = World::new(0, Timestamp::UNIX_EPOCH);
        assert!(add(&mut world, &json!({"conflikt": 1})).is_err_and(|error| error.message().contains("conflikt")));
        assert!(add(&mut world, &json!({"slow": "soon"})).is_err());
        assert!(add(&mut world, &json!({"controllers": "asleep"})).is_err());
    }
}
