//! The one error of the crate: a kind, facts and hints; its words are written where the error is made, its look in `render`.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Of some names, the one that was probably meant.
pub fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (strsim::damerau_levenshtein(wanted, name), name))
        .filter(|(distance, name)| *distance <= (wanted.len().max(name.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident $name:literal $exit:literal,)*) => {
        /// What went wrong, as scripts branch on it and as the exit code is picked from it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorKind { $($(#[$doc])* $variant,)* }

        impl ErrorKind {
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$variant,)*];

            /// The word that a script sees as `e.kind`.
            pub const fn name(self) -> &'static str {
                match self { $(ErrorKind::$variant => $name,)* }
            }

            /// The process's exit code when nothing caught the error.
            pub const fn exit_code(self) -> u8 {
                match self { $(ErrorKind::$variant => $exit,)* }
            }
        }
    };
}

kinds! {
    /// No such object, revision, context, function or file.
    NotFound "not_found" 1,
    /// The object is no longer what the change was decided on.
    Conflict "conflict" 1,
    /// The API server, or our own check before it, refuses a value.
    Invalid "invalid" 1,
    /// Our own policy says no: `--read-only`, a missing capability, a refused confirmation.
    Denied "denied" 3,
    /// The cluster's RBAC says no.
    Forbidden "forbidden" 3,
    /// The cluster does not accept the credentials.
    Unauthorized "unauthorized" 4,
    /// The cluster cannot be reached, or does not answer in time.
    Unreachable "unreachable" 4,
    /// The Deployment is paused.
    Paused "paused" 1,
    /// There is no such revision, or none to go back to.
    NoRevision "no_revision" 1,
    /// The rollout exceeded its progress deadline.
    Stalled "stalled" 5,
    /// The rollout is doomed, or judged bad.
    Failed "failed" 5,
    /// Another template change arrived while waiting.
    Superseded "superseded" 5,
    /// The workload was deleted while waiting.
    Deleted "deleted" 5,
    /// A deadline ran out.
    Timeout "timeout" 124,
    /// Ctrl-C or SIGTERM.
    Interrupted "interrupted" 130,
    /// A callback ended the wait, or `abort`.
    Stopped "stopped" 1,
    /// The call is wrong: a type, an option, a number of arguments, a flag.
    Usage "usage" 2,
    /// The script itself failed: its own `throw`, or an error of the language.
    Script "script" 1,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for ErrorKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// An error with its kind, a message without prefix or full stop, hints and facts.
///
/// # Shape
/// `#{ kind, message, hints, target }` and the facts, each under its own key; the script host adds `line` and `column`.
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    hints: Vec<String>,
    target: Option<String>,
    facts: Map<String, Value>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), hints: Vec::new(), target: None, facts: Map::new(), source: None }))
    }

    /// Adds a piece of advice: what to check, or what to type.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hints.push(hint.into());
        self
    }

    /// Names the object that this is about, as `deployment/web`.
    #[must_use]
    pub fn target(mut self, target: impl fmt::Display) -> Self {
        self.0.target = Some(target.to_string());
        self
    }

    /// Adds a fact of the kind, which a script reads as `e.<key>`.
    #[must_use]
    pub fn fact(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.facts.insert(key.to_owned(), value.into());
        self
    }

    #[must_use]
    pub fn source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }

    pub fn about(&self) -> Option<&str> {
        self.0.target.as_deref()
    }

    pub fn facts(&self) -> &Map<String, Value> {
        &self.0.facts
    }

    /// The map that `catch (e)` gets, without the position.
    pub fn to_value(&self) -> Value {
        let mut map = self.0.facts.clone();
        map.insert("kind".into(), self.kind().name().into());
        map.insert("message".into(), self.message().into());
        map.insert("hints".into(), self.hints().into());
        map.insert("target".into(), self.about().into());
        Value::Object(map)
    }

    /// The error that a map of `to_value`'s shape stands for: what a script caught and threw again.
    pub fn from_value(value: &Value) -> Option<Self> {
        let map = value.as_object()?;
        let name = map.get("kind")?.as_str()?;
        let kind = ErrorKind::ALL.iter().copied().find(|kind| kind.name() == name)?;
        let mut error = Self::new(kind, map.get("message")?.as_str()?);
        if let Some(hints) = map.get("hints").and_then(Value::as_array) {
            error.0.hints = hints.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        }
        error.0.target = map.get("target").and_then(Value::as_str).map(str::to_owned);
        let shape = ["kind", "message", "hints", "target"];
        error.0.facts = map.iter().filter(|(key, _)| !shape.contains(&key.as_str())).map(|(k, v)| (k.clone(), v.clone())).collect();
        Some(error)
    }
}

/// Why a file could not be used, in words: `no such file or directory`.
pub fn file_reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = words.chars();
    chars.next().map(|first| first.to_lowercase().collect::<String>() + chars.as_str()).unwrap_or_default()
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

macro_rules! constructors {
    ($($name:ident $variant:ident,)*) => {
        impl Error {
            $(pub fn $name(message: impl Into<String>) -> Self { Self::new(ErrorKind::$variant, message) })*
        }
    };
}

constructors! {
    not_found NotFound,
    conflict Conflict,
    invalid Invalid,
    denied Denied,
    forbidden Forbidden,
    unreachable Unreachable,
    paused Paused,
    no_revision NoRevision,
    timeout Timeout,
    interrupted Interrupted,
    usage Usage,
    script Script,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_survives_the_way_through_a_script_and_back() {
        let error = Error::conflict("deployment/web changed").hint("look again").target("deployment/web").fact("generation", 4);
        let back = Error::from_value(&error.to_value()).expect("the shape is ours");
        assert_eq!(back.to_value(), error.to_value());
        assert_eq!(back.kind(), ErrorKind::Conflict);
    }

    #[test]
    fn every_kind_has_a_name_of_its_own() {
        let mut names: Vec<_> = ErrorKind::ALL.iter().map(|kind| kind.name()).collect();
        names.dedup();
        assert_eq!(names.len(), ErrorKind::ALL.len());
    }
}
