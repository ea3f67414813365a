//! What an image makes its pods do: behaviours as data, matched by image. Playing them is the kubelet's work.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result, nearest};
use crate::sim::json::{Map, Value, literal};

/// How pulling an image ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pull {
    #[default]
    Ok,
    /// `ErrImagePull`, then `ImagePullBackOff`.
    Error,
    /// Comes, after 30 seconds.
    Slow,
}

/// What keeps a container from being made at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// `InvalidImageName`.
    Name,
    /// `CreateContainerConfigError`.
    Config,
    /// Stays `ContainerCreating`: a volume that never mounts.
    Mount,
}

/// What a container of some image does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behaviour {
    /// From the start of the container until it passes its readiness check.
    pub ready_after: Duration,
    /// From the start of the container until it exits; `None`: it runs until it is stopped.
    pub crash_after: Option<Duration>,
    pub exit_code: i64,
    pub pull: Pull,
    pub never_ready: bool,
    pub refusal: Option<Refusal>,
    /// What the container writes, in place of the simulator's lines.
    pub log: Option<String>,
}

/// Fakelet's `--delay`: the time from the binding of a pod to the start of its containers.
pub const START: Duration = Duration::from_secs(1);
/// How long a slow pull takes.
pub const SLOW_PULL: Duration = Duration::from_secs(30);

impl Default for Behaviour {
    fn default() -> Self {
        Self { ready_after: Duration::ZERO, crash_after: None, exit_code: 0, pull: Pull::Ok, never_ready: false, refusal: None, log: None }
    }
}

/// A behaviour and the images that show it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Rule {
    pattern: String,
    behaviour: Behaviour,
}

/// The behaviours of one cluster; the last rule that matches an image wins, and without one its tag decides.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Images {
    rules: Vec<Rule>,
}

impl Images {
    pub fn add(&mut self, pattern: &str, behaviour: Behaviour) {
        self.rules.push(Rule { pattern: pattern.to_owned(), behaviour });
    }

    /// The rules as `--behaviour` takes them.
    pub fn shown(&self) -> Vec<Value> {
        let millis = |it: Duration| Value::from(format!("{}ms", it.as_millis()));
        let shown = |rule: &Rule| {
            let Behaviour { ready_after, crash_after, exit_code, pull, never_ready, refusal: _, log } = &rule.behaviour;
            let mut map = Map::new();
            map.insert(literal!("image"), rule.pattern.as_str().into());
            if !ready_after.is_zero() {
                map.insert("ready_after".to_owned(), millis(*ready_after + START));
            }
            if let Some(after) = crash_after {
                map.insert("crash_after".to_owned(), millis(*after));
            }
            map.insert("exit_code".to_owned(), (*exit_code).into());
            map.insert(
                "pull".to_owned(),
                if *pull == Pull::Ok {
                    "ok"
                } else if *pull == Pull::Slow {
                    "slow"
                } else {
                    "error"
                }
                .into(),
            );
            map.insert("never_ready".to_owned(), (*never_ready).into());
            if let Some(log) = log {
                map.insert(literal!("log"), log.as_str().into());
            }
            Value::Object(map)
        };
        self.rules.iter().map(shown).collect()
    }

    pub fn behaviour(&self, image: &str) -> Behaviour {
        let rule = self.rules.iter().rev().find(|rule| matches(&rule.pattern, image));
        rule.map_or_else(|| by_tag(image), |rule| rule.behaviour.clone())
    }
}

/// Whether an image matches a pattern: `*` stands for any text; a pattern without a tag stands for every tag.
fn matches(pattern: &str, image: &str) -> bool {
    fn glob(pattern: &[u8], text: &[u8]) -> bool {
        // Greedy with one point to come back to: linear enough for hostile patterns too.
        let (mut p, mut t, mut back) = (0, 0, None);
        while t < text.len() {
            if pattern.get(p) == Some(&b'*') {
                back = Some((p, t));
                p += 1;
            } else if pattern.get(p) == Some(&text[t]) {
                p += 1;
                t += 1;
            } else if let Some((star, from)) = back {
                p = star + 1;
                t = from + 1;
                back = Some((star, t));
            } else {
                return false;
            }
        }
        pattern[p..].iter().all(|byte| *byte == b'*')
    }
    glob(pattern.as_bytes(), image.as_bytes()) || (tag_of(pattern).is_none() && glob(pattern.as_bytes(), without_tag(image).as_bytes()))
}

fn tag_of(image: &str) -> Option<&str> {
    let image = image.split('@').next().unwrap_or(image);
    let last = image.rfind('/').map_or(0, |slash| slash + 1);
    image[last..].split_once(':').map(|(_, tag)| tag)
}

fn without_tag(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    tag_of(image).map_or(image, |tag| &image[..image.len() - tag.len() - 1])
}

/// The tag that the logs and the registry's words speak of.
pub fn tag(image: &str) -> &str {
    tag_of(image).unwrap_or("latest")
}

/// What the words in a tag mean, until a rule says otherwise.
fn by_tag(image: &str) -> Behaviour {
    let tag = tag(image);
    let has = |words: &[&str]| words.iter().any(|word| tag.contains(word));
    let plain = Behaviour::default();
    if has(&["badpull", "missing", "notfound", "badtag", "404"]) {
        Behaviour { pull: Pull::Error, ..plain }
    } else if has(&["oom"]) {
        Behaviour { crash_after: Some(Duration::from_millis(800)), exit_code: 137, ..plain }
    } else if has(&["crash"]) {
        Behaviour { crash_after: Some(Duration::from_millis(800)), exit_code: 1, ..plain }
    } else if has(&["badname"]) {
        Behaviour { refusal: Some(Refusal::Name), ..plain }
    } else if has(&["cfgerr"]) {
        Behaviour { refusal: Some(Refusal::Config), ..plain }
    } else if has(&["neverready", "notready"]) {
        Behaviour { never_ready: true, ..plain }
    } else if has(&["slow"]) {
        Behaviour { ready_after: Duration::from_secs(20) - START, ..plain }
    } else if has(&["stuck"]) {
        Behaviour { refusal: Some(Refusal::Mount), ..plain }
    } else {
        plain
    }
}

/// An image with its registry and library, as container statuses and the runtime's errors write it.
pub fn full_name(image: &str) -> String {
    match image.split_once('/') {
        None => format!("docker.io/library/{image}"),
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => image.to_owned(),
        Some(_) => format!("docker.io/{image}"),
    }
}

impl Behaviour {
    /// Reads the map of `sim::image`: `ready_after`, `crash_after`, `exit_code`, `pull`, `never_ready`, `log`.
    ///
    /// # Errors
    /// `usage` for an unknown key or a value of the wrong type.
    pub fn from_value(value: &Value) -> Result<Self> {
        const KEYS: [&str; 6] = ["ready_after", "crash_after", "exit_code", "pull", "never_ready", "log"];
        let wrong = |key: &str, wanted: &str| Error::new(ErrorKind::Usage, format!("image behaviour: {key} must be {wanted}, not {}", value[key]));
        let fields = value.as_object().ok_or_else(|| Error::new(ErrorKind::Usage, "image behaviour: not a map"))?;
        if let Some(unknown) = fields.keys().find(|key| !KEYS.contains(&key.as_str())) {
            let error = Error::new(ErrorKind::Usage, format!("image behaviour: unknown key {unknown:?}"));
            return Err(match nearest(unknown, KEYS.into_iter()) {
                Some(near) => error.hint(format!("did you mean {near:?}?")),
                None => error.hint(format!("the keys are {}", KEYS.join(", "))),
            });
        }
        let duration = |key: &str| match &value[key] {
            Value::Null => Ok(None),
            given => duration_of(given).map(Some).ok_or_else(|| wrong(key, "a duration such as \"20s\"")),
        };
        let crash_after = duration("crash_after")?;
        Ok(Self {
            // `ready_after` counts from the pod's start as a user sees it, so the time that starting takes is part of it.
            ready_after: duration("ready_after")?.map_or(Duration::ZERO, |after| after.saturating_sub(START)),
            crash_after,
            exit_code: match &value["exit_code"] {
                Value::Null => i64::from(crash_after.is_some()),
                given => given.as_i64().filter(|code| (0..=255).contains(code)).ok_or_else(|| wrong("exit_code", "a number from 0 to 255"))?,
            },
            pull: match &value["pull"] {
                Value::Null => Pull::Ok,
                Value::String(text) if text == "ok" => Pull::Ok,
                Value::String(text) if text == "error" => Pull::Error,
                Value::String(text) if text == "slow" => Pull::Slow,
                _ => return Err(wrong("pull", "\"ok\", \"error\" or \"slow\"")),
            },
            never_ready: match &value["never_ready"] {
                Value::Null => false,
                given => given.as_bool().ok_or_else(|| wrong("never_ready", "true or false"))?,
            },
            refusal: None,
            log: match &value["log"] {
                Value::Null => None,
                given => Some(given.as_str().ok_or_else(|| wrong("log", "a text"))?.to_owned()),
            },
        })
    }
}

/// A duration as scripts write it: whole seconds, or `"250ms"`, `"90s"`, `"5m"`, `"1h30m"`.
pub fn duration_of(value: &Value) -> Option<Duration> {
    if let Some(seconds) = value.as_u64() {
        return Some(Duration::from_secs(seconds));
    }
    let mut rest = value.as_str().filter(|text| !text.is_empty())?;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(&rest[digits..], |end| &rest[digits..digits + end]);
        let millis = match unit {
            "ms" => 1,
            "s" | "" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        total += Duration::from_millis(number.checked_mul(millis)?);
        rest = &rest[digits + unit.len()..];
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::json::json;

    #[test]
    fn the_words_in_a_tag_choose_the_behaviour() {
        let images = Images::default();
        for (image, check) in [
            ("shop/web:9", Behaviour::default()),
            ("shop/web:9-crash", Behaviour { crash_after: Some(Duration::from_millis(800)), exit_code: 1, ..Behaviour::default() }),
            ("shop/web:9-oom", Behaviour { crash_after: Some(Duration::from_millis(800)), exit_code: 137, ..Behaviour::default() }),
            ("shop/web:9-badpull", Behaviour { pull: Pull::Error, ..Behaviour::default() }),
            ("localhost:5000/web:404", Behaviour { pull: Pull::Error, ..Behaviour::default() }),
            ("shop/web:9-neverready", Behaviour { never_ready: true, ..Behaviour::default() }),
            ("shop/web:slow", Behaviour { ready_after: Duration::from_secs(19), ..Behaviour::default() }),
            ("crash/web:1", Behaviour::default()),
        ] {
            assert_eq!(images.behaviour(image), check, "{image}");
        }
    }

    #[test]
    fn the_last_rule_that_matches_wins() {
        let mut images = Images::default();
        images.add("shop/*", Behaviour { never_ready: true, ..Behaviour::default() });
        images.add("shop/web", Behaviour { exit_code: 3, ..Behaviour::default() });
        assert!(images.behaviour("shop/db:1").never_ready);
        assert_eq!(images.behaviour("shop/web:1-crash").exit_code, 3);
        assert!(images.behaviour("other:badpull").pull == Pull::Error);
        images.add("shop/web:2", Behaviour::default());
        assert_eq!(images.behaviour("shop/web:2"), Behaviour::default());
        assert_eq!(images.behaviour("shop/web:20").exit_code, 3);
    }

    #[test]
    fn a_behaviour_is_read_from_a_map_and_unknown_keys_are_refused() {
        let behaviour = Behaviour::from_value(&json!({"ready_after": "5s", "crash_after": 2, "pull": "slow", "log": "hello"})).expect("a behaviour");
        assert_eq!(behaviour.ready_after, Duration::from_secs(4));
        assert_eq!(behaviour.crash_after, Some(Duration::from_secs(2)));
        assert_eq!(behaviour.exit_code, 1);
        assert!(Behaviour::from_value(&json!({"ready_afer": 1})).is_err_and(|error| error.message().contains("ready_afer")));
        assert!(Behaviour::from_value(&json!({"pull": 7})).is_err());
    }

    #[test]
    fn durations_are_read_as_scripts_write_them() {
        for (text, seconds) in [
            (json!("1h30m"), Some(5400.0)),
            (json!("250ms"), Some(0.25)),
            (json!(7), Some(7.0)),
            (json!("7"), Some(7.0)),
            (json!("5x"), None),
            (json!(""), None),
        ] {
            assert_eq!(duration_of(&text).map(|duration| duration.as_secs_f64()), seconds, "{text}");
        }
    }

    #[test]
    fn short_image_names_grow_their_registry() {
        for (image, full) in
            [("nginx:1", "docker.io/library/nginx:1"), ("shop/web:1", "docker.io/shop/web:1"), ("r.io/a:1", "r.io/a:1"), ("localhost/a", "localhost/a")]
        {
            assert_eq!(full_name(image), full);
        }
    }
}
