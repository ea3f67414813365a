//! Faults from the maps in which tests, files and clients give them.

use jiff::{SignedDuration, Timestamp};

use super::super::controllers::queue;
use super::super::image::duration_of;
use super::super::kinds::Kind;
use super::super::kubelet::node;
use super::super::world::World;
use super::{Rule, Trouble, is_called};
use crate::error::{Error, Result, nearest};
use crate::sim::json::{Map, Value, json, literal};

/// What is said besides the troubles themselves.
const COMMON: [&str; 16] = [
    "times",
    "after",
    "chance",
    "in",
    "for",
    "verb",
    "kind",
    "namespace",
    "name",
    "client",
    "retry_after",
    "controllers",
    "clear",
    "node_down",
    "node_up",
    "clock_skew",
];
const VERBS: [&str; 10] = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "read", "write"];

/// A fault as it was said; its times count from when it is added.
struct Said {
    clear: bool,
    paused: Option<bool>,
    nodes: Vec<(&'static str, String)>,
    skew: Option<SignedDuration>,
    begins: SignedDuration,
    lasts: Option<SignedDuration>,
    rules: Vec<Rule>,
}

fn usage(message: impl AsRef<str>) -> Error {
    Error::usage(format!("fault: {}", message.as_ref()))
}

/// Adds the rules of a `sim::fault` map: each trouble as a key, with `times`, `after` (so many pass first), `chance` (percent), `in` and `for` (times from
/// now), `verb`, `kind`, `namespace`, `name` and `client` for all of them; `controllers: "paused"` or `"running"`; `node_down` and `node_up: NAME`;
/// `clock_skew: "-5m"`; `clear: true` removes earlier rules first.
///
/// # Errors
/// `usage` for an unknown key or a value of the wrong type; nothing is added then.
pub fn add(world: &mut World, fault: &Value) -> Result<()> {
    check(world, fault)?;
    let said = read(fault)?;
    if said.clear {
        world.controllers.faults.rules.clear();
    }
    match said.paused {
        Some(true) => queue::pause(world),
        Some(false) => queue::resume(world),
        None => {}
    }
    for (key, name) in said.nodes {
        if key == "node_down" { node::go_down(world, &name) } else { node::come_up(world, &name) }
    }
    if let Some(skew) = said.skew {
        let before = world.skew.get();
        world.skew.set(skew);
        world.step(skew - before);
    }
    let now = world.now();
    let after = |span: SignedDuration| now.saturating_add(span).unwrap_or(Timestamp::MAX);
    for mut rule in said.rules {
        rule.from = (!said.begins.is_zero()).then(|| after(said.begins));
        rule.until = said.lasts.map(|lasts| after(said.begins.saturating_add(lasts)));
        world.controllers.faults.rules.push(rule);
    }
    Ok(())
}

/// Whether `add` would take it.
///
/// # Errors
/// As `add`.
pub fn check(world: &World, fault: &Value) -> Result<()> {
    for (key, name) in read(fault)?.nodes {
        if world.find(Kind::NODES, "", &name).is_none() {
            return Err(usage(format!("{key}: there is no node {name:?}")));
        }
    }
    Ok(())
}

fn word(fault: &Value, key: &str) -> Result<Option<String>> {
    match &fault[key] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.to_string())),
        other => Err(usage(format!("{key} must be a text, not {other}"))),
    }
}

fn count(fault: &Value, key: &str) -> Result<Option<u32>> {
    match &fault[key] {
        Value::Null => Ok(None),
        other => as_count(other).map(Some).ok_or_else(|| usage(format!("{key} must be a count, not {other}"))),
    }
}

fn as_count(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|count| u32::try_from(count).ok())
}

fn span(fault: &Value, key: &str) -> Result<Option<SignedDuration>> {
    match &fault[key] {
        Value::Null => Ok(None),
        given => {
            let span = duration_of(given).and_then(|it| SignedDuration::try_from(it).ok());
            span.map(Some).ok_or_else(|| usage(format!("{key} must be a duration such as \"30s\", not {given}")))
        }
    }
}

/// A span that may be negative.
fn skew(given: &Value) -> Result<Option<SignedDuration>> {
    let wrong = || usage(format!("clock_skew must be a duration such as \"90s\" or \"-5m\", not {given}"));
    if given.is_null() {
        return Ok(None);
    }
    let seconds = given.as_i64().map(|it| it.to_string());
    let text = seconds.as_deref().or(given.as_str()).ok_or_else(wrong)?;
    let (negative, text) = text.strip_prefix('-').map_or((false, text.strip_prefix('+').unwrap_or(text)), |text| (true, text));
    let span = duration_of(&Value::from(text)).and_then(|it| SignedDuration::try_from(it).ok()).ok_or_else(wrong)?;
    // A hundred years are enough, and no sum with them overflows.
    let span = span.min(SignedDuration::from_hours(876_000));
    Ok(Some(if negative { -span } else { span }))
}

fn known_verb(verb: String) -> Result<String> {
    if VERBS.contains(&verb.as_str()) {
        return Ok(verb);
    }
    let error = usage(format!("no verb {verb:?}"));
    Err(match nearest(&verb, VERBS.into_iter()) {
        Some(near) => error.hint(format!("did you mean {near:?}?")),
        None => error.hint(format!("the verbs are {}", VERBS.join(", "))),
    })
}

/// A kind with a group in its name may come later, as a CustomResourceDefinition.
fn known_kind(name: String) -> Result<String> {
    let kind = name.split('/').next().unwrap_or_default();
    if kind.contains('.') || Kind::all().any(|it| is_called(it, kind)) {
        return Ok(name);
    }
    let error = usage(format!("no kind {kind:?}"));
    let names = Kind::all().flat_map(|it| [it.plural(), it.kind()]);
    Err(match nearest(kind, names) {
        Some(near) => error.hint(format!("did you mean {near:?}?")),
        None => error.hint("kubectl api-resources lists them; a kind of a CustomResourceDefinition is written as plural.group"),
    })
}

fn read(fault: &Value) -> Result<Said> {
    let fields = fault.as_object().ok_or_else(|| usage("not a map"))?;
    let paused = match word(fault, "controllers")?.as_deref() {
        None => None,
        Some("paused") => Some(true),
        Some("running") => Some(false),
        Some(other) => return Err(usage(format!("controllers must be \"paused\" or \"running\", not {other:?}"))),
    };
    let mut nodes = Vec::new();
    for key in ["node_down", "node_up"] {
        nodes.extend(word(fault, key)?.map(|name| (key, name)));
    }
    let clear = match &fault["clear"] {
        Value::Null => false,
        given => given.as_bool().ok_or_else(|| usage(format!("clear must be true or false, not {given}")))?,
    };
    let chance = count(fault, "chance")?.unwrap_or(100);
    if chance > 100 {
        return Err(usage(format!("chance must be a number from 0 to 100, not {chance}")));
    }
    let base = Rule {
        after: count(fault, "after")?.unwrap_or(0),
        times: count(fault, "times")?,
        chance,
        verb: word(fault, "verb")?.map(known_verb).transpose()?,
        kind: word(fault, "kind")?.map(known_kind).transpose()?,
        namespace: word(fault, "namespace")?,
        name: word(fault, "name")?,
        client: word(fault, "client")?,
        retry_after_s: count(fault, "retry_after")?.unwrap_or(1),
        ..Rule::new(Trouble::Conflict)
    };
    let mut said = Said {
        clear,
        paused,
        nodes,
        skew: skew(&fault["clock_skew"])?,
        begins: span(fault, "in")?.unwrap_or(SignedDuration::ZERO),
        lasts: span(fault, "for")?,
        rules: Vec::new(),
    };
    for (key, value) in fields.iter().filter(|(key, _)| !COMMON.contains(&key.as_str())) {
        said.rules.extend(rule(key, value, &base)?);
    }
    if said.rules.is_empty() && !(said.clear || said.paused.is_some() || !said.nodes.is_empty() || said.skew.is_some() || quiet(fields)) {
        return Err(usage("it says nothing of what goes wrong").hint(format!("the troubles are {}", Trouble::NAMES.join(", "))));
    }
    Ok(said)
}

/// Whether some trouble is named, though as one that does not happen.
fn quiet(fields: &Map) -> bool {
    fields.keys().any(|key| Trouble::NAMES.contains(&key.as_str()))
}

/// The rule of one key; none where it says `false`.
fn rule(key: &str, value: &Value, base: &Rule) -> Result<Option<Rule>> {
    if !Trouble::NAMES.contains(&key) {
        let error = usage(format!("unknown key {key:?}"));
        let all = format!("the troubles are {}; the rest is {}", Trouble::NAMES.join(", "), COMMON.join(", "));
        return Err(match nearest(key, Trouble::NAMES.into_iter().chain(COMMON)) {
            Some(near) => error.hint(format!("did you mean {near:?}?")),
            None => error.hint(all),
        });
    }
    let mut rule = base.clone();
    rule.trouble = match key {
        "slow" | "drop_watch" => {
            let duration = duration_of(value).ok_or_else(|| usage(format!("{key} must be a duration such as \"2s\", not {value}")))?;
            if key == "slow" { Trouble::Slow(duration) } else { Trouble::DropWatch(duration) }
        }
        "cut" if value.is_string() => match value.as_str() {
            Some("before") => Trouble::CutBefore,
            Some("middle") => Trouble::CutMiddle,
            Some("after") => Trouble::CutAfter,
            _ => return Err(usage(format!("cut must be \"before\", \"middle\" or \"after\", not {value}"))),
        },
        _ => {
            match value {
                Value::Bool(true) => {}
                Value::Bool(false) => return Ok(None),
                // `conflict: 2` is short for two of them.
                other => rule.times = Some(as_count(other).ok_or_else(|| usage(format!("{key} must be true or a count, not {other}")))?),
            }
            match key {
                "conflict" => Trouble::Conflict,
                "unavailable" => Trouble::Unavailable,
                "throttle" => Trouble::Throttle,
                "gone" => Trouble::Gone,
                "rival" => Trouble::Rival,
                "forbid" => Trouble::Forbid,
                "cut_after" => Trouble::CutAfter,
                "cut_middle" => Trouble::CutMiddle,
                "quota" => Trouble::Quota,
                _ => Trouble::CutBefore,
            }
        }
    };
    Ok(Some(rule))
}

fn seconds(span: SignedDuration) -> String {
    if span.subsec_millis() == 0 { format!("{}s", span.as_secs()) } else { format!("{}ms", span.as_millis()) }
}

impl Rule {
    /// The rule as a map that `add` takes; its times count from `now`.
    pub(super) fn shown(&self, now: Timestamp) -> Value {
        let mut shown = Map::new();
        let duration = |it: &std::time::Duration| json!(format!("{}ms", it.as_millis()));
        let often = self.times.map_or(json!(true), |it| json!(it));
        let (key, value) = match &self.trouble {
            Trouble::Conflict => ("conflict", often),
            Trouble::Unavailable => ("unavailable", often),
            Trouble::Throttle => ("throttle", often),
            Trouble::Slow(delay) => ("slow", duration(delay)),
            Trouble::DropWatch(after) => ("drop_watch", duration(after)),
            Trouble::Gone => ("gone", often),
            Trouble::Rival => ("rival", often),
            Trouble::Forbid => ("forbid", often),
            Trouble::CutBefore => ("cut_before", often),
            Trouble::CutAfter => ("cut_after", often),
            Trouble::CutMiddle => ("cut_middle", often),
            Trouble::Quota => ("quota", often),
        };
        shown.insert(key.to_owned(), value);
        if matches!(self.trouble, Trouble::Slow(_) | Trouble::DropWatch(_))
            && let Some(times) = self.times
        {
            shown.insert(literal!("times"), json!(times));
        }
        for (key, number, usual) in [("after", self.after, 0), ("chance", self.chance, 100), ("retry_after", self.retry_after_s, 1)] {
            if number != usual {
                shown.insert(key.to_owned(), json!(number));
            }
        }
        for (key, word) in [("verb", &self.verb), ("kind", &self.kind), ("namespace", &self.namespace), ("name", &self.name), ("client", &self.client)] {
            if let Some(word) = word {
                shown.insert(key.to_owned(), json!(word));
            }
        }
        let from = self.from.filter(|from| *from > now).unwrap_or(now);
        if from > now {
            shown.insert(literal!("in"), json!(seconds(from.duration_since(now))));
        }
        if let Some(until) = self.until {
            shown.insert(literal!("for"), json!(seconds(until.duration_since(from))));
        }
        Value::Object(shown)
    }
}
