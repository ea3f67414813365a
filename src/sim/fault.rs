//! Faults as data: what goes wrong, when, how often and for whom. The API server asks before each request, components before each write.
//!
//! Not here: how an answer is delayed or a stream is dropped; that is the server's, which carries a decision out.

mod read;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::read::{add, check};
use super::failure::{Failure, Result};
use super::kinds::Kind;
use super::world::World;
use crate::sim::json::Value;

/// What a request looks like to the rules.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: &'static str,
    /// `None`: no request for a kind (discovery, health).
    pub kind: Option<Kind>,
    /// The subresource, or nothing.
    pub part: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
    pub user_agent: &'a str,
    pub user: &'a str,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The connection ends in the middle of the answer.
    CutMiddle,
    /// 403 as a quota says it, for creations.
    Quota,
}

impl Trouble {
    const NAMES: [&str; 13] =
        ["conflict", "unavailable", "throttle", "slow", "drop_watch", "gone", "rival", "forbid", "cut", "cut_before", "cut_after", "cut_middle", "quota"];
}

/// One rule: which requests meet which trouble, how often.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rule {
    pub trouble: Trouble,
    /// Requests that match and pass unharmed before the trouble begins.
    pub after: u32,
    /// How many requests meet it; `None`: all that match.
    pub times: Option<u32>,
    /// In percent of the requests that match, drawn from the world's seed.
    pub chance: u32,
    /// One of the API's verbs, or `read` or `write` for those that do so.
    pub verb: Option<String>,
    /// A kind's plural, singular, short or kind name, `plural.group`, or one of these with a subresource: `pods/eviction`.
    pub kind: Option<String>,
    pub namespace: Option<String>,
    pub name: Option<String>,
    /// A part of the user agent, the field manager or the user name.
    pub client: Option<String>,
    /// When it begins, and when it is over.
    pub from: Option<Timestamp>,
    pub until: Option<Timestamp>,
    /// What Retry-After says where an answer has one.
    pub retry_after_s: u32,
}

/// The rules of one cluster.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
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
    /// The answer ends in its middle, and the connection with it.
    pub cut_middle: bool,
}

/// Decides what happens to a request of a client.
pub fn before(world: &mut World, request: &RequestFacts<'_>) -> Decision {
    let mut decision = Decision::default();
    for (trouble, retry_after_s) in met(world, request, false) {
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
            Trouble::CutMiddle => {
                decision.cut_middle = true;
                continue;
            }
            Trouble::Rival => {
                rival_writes(world, request);
                continue;
            }
            trouble => failure(&trouble, retry_after_s, request),
        };
        decision.fail.get_or_insert(failure);
    }
    decision
}

/// Decides what happens to a write of a component of the cluster; only rules that name a client concern them.
///
/// # Errors
/// What the rule says.
pub fn before_component(world: &mut World, manager: &str, verb: &'static str, kind: Kind) -> Result<()> {
    if world.controllers.faults.rules.is_empty() {
        return Ok(());
    }
    let request = RequestFacts { verb, kind: Some(kind), part: "", namespace: "", name: "", user_agent: manager, user: manager };
    let trouble = met(world, &request, true)
        .into_iter()
        .find(|(trouble, _)| matches!(trouble, Trouble::Conflict | Trouble::Unavailable | Trouble::Throttle | Trouble::Forbid | Trouble::Quota));
    trouble.map_or(Ok(()), |(trouble, retry_after_s)| Err(failure(&trouble, retry_after_s, &request)))
}

fn failure(trouble: &Trouble, retry_after_s: u32, request: &RequestFacts<'_>) -> Failure {
    match (trouble, request.kind) {
        (Trouble::Conflict, Some(kind)) => Failure::modified(kind, request.name),
        (Trouble::Throttle, _) => Failure::too_many_requests("Too many requests, please try again later.", retry_after_s),
        (Trouble::Gone, _) => Failure::expired("The resourceVersion for the provided list is too old."),
        (Trouble::Forbid, Some(kind)) => {
            let group = kind.group();
            let place = if request.namespace.is_empty() { "at the cluster scope".to_owned() } else { format!("in the namespace {:?}", request.namespace) };
            let why = format!("User {:?} cannot {} resource {:?} in API group {group:?} {place}", request.user, request.verb, kind.plural());
            Failure::forbidden(kind, request.name, &why)
        }
        (Trouble::Quota, Some(kind)) => Failure::forbidden(kind, request.name, "exceeded quota: fault, requested: pods=1, used: pods=1, limited: pods=1"),
        _ => Failure::unavailable("the server is currently unable to handle the request").detail("retryAfterSeconds", retry_after_s),
    }
}

/// The troubles of the rules that match, each counted.
fn met(world: &mut World, request: &RequestFacts<'_>, component: bool) -> Vec<(Trouble, u32)> {
    let mut met = Vec::new();
    let now = world.now();
    for at in 0..world.controllers.faults.rules.len() {
        let rule = &world.controllers.faults.rules[at];
        if (component && rule.client.is_none())
            || !rule.matches(request)
            || rule.times == Some(0)
            || rule.from.is_some_and(|it| now < it)
            || rule.until.is_some_and(|it| now >= it)
        {
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
        met.push((rule.trouble.clone(), rule.retry_after_s));
    }
    met
}

impl Rule {
    /// A rule that every request meets, always.
    pub fn new(trouble: Trouble) -> Self {
        Self {
            trouble,
            after: 0,
            times: None,
            chance: 100,
            verb: None,
            kind: None,
            namespace: None,
            name: None,
            client: None,
            from: None,
            until: None,
            retry_after_s: 1,
        }
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
        let named = |wanted: &str| {
            let (kind, part) = wanted.split_once('/').map_or((wanted, None), |(kind, part)| (kind, Some(part)));
            request.kind.is_some_and(|it| is_called(it, kind)) && part.is_none_or(|it| it == request.part)
        };
        applies
            && self.verb.as_deref().is_none_or(|verb| verb == request.verb || (verb == "write" && writes) || (verb == "read" && !writes))
            && self.kind.as_deref().is_none_or(named)
            && self.namespace.as_deref().is_none_or(|it| it == request.namespace)
            && self.name.as_deref().is_none_or(|name| name == request.name)
            && self.client.as_deref().is_none_or(|client| request.user_agent.contains(client) || request.user.contains(client))
    }
}

/// Whether a kind has this name: plural, singular, short, `Kind` or `plural.group`.
fn is_called(kind: Kind, name: &str) -> bool {
    let same = |known: &str| known.eq_ignore_ascii_case(name);
    same(kind.plural()) || same(kind.singular()) || same(kind.kind()) || kind.qualified() == name || kind.facts().short_names.iter().any(|short| short == name)
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

impl Faults {
    pub fn push(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// The rules that can still strike, each as `sim::fault` takes it.
    pub fn shown(&self, now: Timestamp) -> Vec<Value> {
        let stands = |it: &&Rule| it.times != Some(0) && it.until.is_none_or(|until| now < until);
        self.rules.iter().filter(stands).map(|it| it.shown(now)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::json::json;
    use jiff::Timestamp;

    fn request(verb: &'static str) -> RequestFacts<'static> {
        RequestFacts { verb, kind: Some(Kind::DEPLOYMENTS), part: "", namespace: "default", name: "web", user_agent: "kubectl/v1.36.3", user: "admin" }
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
    fn a_rule_has_its_time_its_place_and_its_part() {
        let mut world = World::new(0, Timestamp::UNIX_EPOCH);
        add(&mut world, &json!({"forbid": true, "in": "10s", "for": "5s", "namespace": "default", "verb": "write"})).expect("a fault");
        let codes: Vec<bool> = [0, 9, 10, 14, 15]
            .map(|second| {
                world.run(Timestamp::from_second(second).expect("a time"));
                before(&mut world, &request("patch")).fail.is_some()
            })
            .to_vec();
        assert_eq!(codes, [false, false, true, true, false]);
        add(&mut world, &json!({"clear": true, "unavailable": true, "retry_after": 7, "kind": "deployments.apps/scale"})).expect("a fault");
        assert!(before(&mut world, &request("patch")).fail.is_none());
        let failure = before(&mut world, &RequestFacts { part: "scale", ..request("patch") }).fail.expect("a failure");
        assert_eq!(failure.retry_after_s(), Some(7));
        add(&mut world, &json!({"clear": true, "conflict": 3, "kind": "deploy", "client": "kubectl", "after": 1, "chance": 50, "for": "1m"})).expect("a fault");
        let shown = world.controllers.faults.shown(world.now());
        assert_eq!(shown, [json!({"conflict": 3, "kind": "deploy", "client": "kubectl", "after": 1, "chance": 50, "for": "60s"})]);
        let mut other = World::new(0, world.now());
        add(&mut other, &shown[0]).expect("what is shown can be read");
    }

    #[test]
    fn unknown_faults_are_refused_by_name() {
        let mut world = World::new(0, Timestamp::UNIX_EPOCH);
        let mut said = |fault: Value| {
            let error = add(&mut world, &fault).expect_err("no fault");
            format!("{}; {}", error.message(), error.hints().join("; "))
        };
        for (fault, words) in [
            (json!({"conflikt": 1}), "unknown key \"conflikt\"; did you mean \"conflict\"?"),
            (json!({"nodedown": "a"}), "did you mean \"node_down\"?"),
            (json!({"xyzzy": 1}), "the troubles are conflict, "),
            (json!({"slow": "soon"}), "slow must be a duration such as \"2s\", not \"soon\""),
            (json!({"controllers": "asleep"}), "controllers must be \"paused\" or \"running\""),
            (json!({"forbid": true, "verb": "pach"}), "no verb \"pach\"; did you mean \"patch\"?"),
            (json!({"forbid": true, "kind": "deploymnets"}), "no kind \"deploymnets\"; did you mean \"deployments\"?"),
            (json!({"conflict": -1}), "conflict must be true or a count, not -1"),
            (json!({"cut": "sideways"}), "cut must be \"before\", \"middle\" or \"after\""),
            (json!({"chance": 101, "cut": true}), "chance must be a number from 0 to 100, not 101"),
            (json!({"clock_skew": "later"}), "clock_skew must be a duration such as \"90s\" or \"-5m\""),
            (json!({"node_down": "node-9"}), "node_down: there is no node \"node-9\""),
            (json!({"verb": "get"}), "says nothing of what goes wrong"),
            (json!([1]), "not a map"),
        ] {
            let said = said(fault);
            assert!(said.contains(words), "{said}");
        }
    }
}
