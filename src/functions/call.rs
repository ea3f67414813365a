//! One call of a function: its arguments fitted to the parameters, and what a body may ask of them.

use std::time::Duration;

use rhai::{Array, Dynamic, EvalAltResult, FnPtr, ImmutableString, Map, NativeCallContext};

use super::function::{Function, Kind};
use super::{value, wrong_count};
use crate::cluster::Cluster;
use crate::error::{Error, Result};
use crate::resource::{Resource, Target, Written};
use crate::rollout::change::Change;
use crate::rollout::workload::Snapshot;
use crate::session::make::{Made, Terms};
use crate::session::{Session, follow};

/// A workload handle: an identity that holds no state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Handle {
    pub kind: &'static str,
    pub namespace: Option<String>,
    pub name: String,
}

impl std::fmt::Display for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}/{}", self.kind, self.name),
            None => write!(f, "{}/{}", self.kind, self.name),
        }
    }
}

/// A call in progress.
pub struct Call<'a> {
    pub session: &'a Session,
    pub function: &'static Function,
    ctx: &'a NativeCallContext<'a>,
    /// One place a parameter; `None` for an optional one that was left out.
    args: Vec<Option<Dynamic>>,
    options: Map,
}

impl<'a> Call<'a> {
    /// Fits arguments to parameters: in order, an optional parameter being left out where the argument is not of its kind.
    ///
    /// # Errors
    /// `usage`: the number or a type is wrong, or an option is unknown (with the nearest known one).
    pub fn new(session: &'a Session, function: &'static Function, ctx: &'a NativeCallContext<'a>, given: Vec<Dynamic>) -> Result<Self> {
        let mut args = Vec::with_capacity(function.params.len());
        let count = given.len();
        let mut given = given.into_iter().peekable();
        let mut position = 0;
        let mut skipped: Vec<Kind> = Vec::new();
        for param in function.params {
            match given.peek() {
                Some(arg) if fits(arg, param.kind) => {
                    args.push(given.next());
                    position += 1;
                    skipped.clear();
                }
                Some(arg) if !param.optional => return Err(misfit(function, position, &[param.kind], arg)),
                Some(_) => {
                    args.push(None);
                    skipped.push(param.kind);
                }
                None if !param.optional => {
                    return Err(Error::usage(format!("{} misses its {} ({})", function.name, param.name, param.kind.words())).hint(function.signature()));
                }
                None => args.push(None),
            }
        }
        if let Some(extra) = given.next() {
            if skipped.is_empty() {
                return Err(wrong_count(function.name, function.arity().0, function.arity().1, count).hint(function.signature()));
            }
            return Err(misfit(function, position, &skipped, &extra));
        }
        let options = function
            .params
            .iter()
            .zip(&args)
            .find(|(param, _)| param.kind == Kind::Options)
            .and_then(|(_, arg)| arg.as_ref())
            .and_then(|arg| arg.read_lock::<Map>().map(|map| map.clone()))
            .unwrap_or_default();
        check_options(function, &options)?;
        Ok(Self { session, function, ctx, args, options })
    }

    /// The argument of a parameter, by name: the table names it, so a wrong name is a mistake of ours.
    pub fn arg(&self, name: &str) -> Option<&Dynamic> {
        let index = self.function.params.iter().position(|param| param.name == name)?;
        self.args[index].as_ref()
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.arg(name).and_then(text)
    }

    pub fn int(&self, name: &str) -> Option<i64> {
        self.arg(name).and_then(|arg| arg.as_int().ok())
    }

    pub fn duration(&self, name: &str) -> Result<Option<Duration>> {
        self.arg(name).map(duration).transpose()
    }

    pub fn closure(&self, name: &str) -> Option<Closure<'_>> {
        self.arg(name).and_then(|arg| arg.read_lock::<FnPtr>().map(|function| Closure { ctx: self.ctx, function: function.clone() }))
    }

    /// Array arguments as their items, anything else as one.
    pub fn items(&self, name: &str) -> Vec<Dynamic> {
        match self.arg(name) {
            Some(arg) => arg.read_lock::<Array>().map_or_else(|| vec![arg.clone()], |items| items.to_vec()),
            None => Vec::new(),
        }
    }

    pub fn option(&self, name: &str) -> Option<&Dynamic> {
        debug_assert!(self.function.options.iter().any(|option| option.name == name), "{name} is not an option of {}", self.function.name);
        self.options.get(name).filter(|value| !value.is_unit())
    }

    pub fn option_text(&self, name: &str) -> Option<String> {
        self.option(name).and_then(text)
    }

    pub fn option_int(&self, name: &str) -> Option<i64> {
        self.option(name).and_then(|value| value.as_int().ok())
    }

    pub fn option_bool(&self, name: &str) -> Option<bool> {
        self.option(name).and_then(|value| value.as_bool().ok())
    }

    pub fn option_duration(&self, name: &str) -> Result<Option<Duration>> {
        self.option(name).map(duration).transpose()
    }

    pub fn option_closure(&self, name: &str) -> Option<Closure<'_>> {
        self.option(name).and_then(|value| value.read_lock::<FnPtr>().map(|function| Closure { ctx: self.ctx, function: function.clone() }))
    }

    pub fn cluster(&self) -> Result<Cluster> {
        self.session.cluster()
    }

    /// Waits as `Session::wait`; the error is already the engine's.
    pub fn wait<T>(&self, future: impl Future<Output = Result<T>>) -> Result<T, Box<EvalAltResult>> {
        self.session.wait(future).map_err(Into::into)
    }

    /// The resource of a kind's name.
    pub fn resource(&self, name: &str) -> Result<Resource, Box<EvalAltResult>> {
        if let Some(known) = Resource::known(name) {
            return Ok(known.clone());
        }
        let cluster = self.cluster()?;
        self.wait(async { cluster.resource(name).await })
    }

    /// A target argument, looked up and with its namespace filled in.
    pub fn target(&self, name: &str) -> Result<Target, Box<EvalAltResult>> {
        match self.arg(name) {
            Some(arg) => self.target_of(arg),
            None => Err(Error::usage(format!("{} misses its {name}", self.function.name)).into()),
        }
    }

    pub fn target_of(&self, arg: &Dynamic) -> Result<Target, Box<EvalAltResult>> {
        let target = match arg.read_lock::<Handle>() {
            Some(handle) => {
                let resource = Resource::known(handle.kind).ok_or_else(|| Error::usage(format!("unknown kind {}", handle.kind)))?;
                Target::new(resource, handle.namespace.as_deref(), &handle.name)
            }
            None => {
                let text = text(arg).ok_or_else(|| {
                    Error::usage(format!("{} is not a target", described(arg))).hint("write kind/name or namespace/kind/name, as in \"deploy/web\"")
                })?;
                let written = Written::parse(&text)?;
                Target::new(&self.resource(written.kind)?, written.namespace, written.name)
            }
        };
        Ok(self.session.located(target)?)
    }

    /// The targets of an argument that is one target or an array of them.
    pub fn targets(&self, name: &str) -> Result<Vec<Target>, Box<EvalAltResult>> {
        self.items(name).iter().map(|item| self.target_of(item)).collect()
    }

    /// A workload with its revisions and pods.
    pub fn snapshot(&self, target: &Target) -> Result<Snapshot, Box<EvalAltResult>> {
        let cluster = self.cluster()?;
        self.wait(async { follow::snapshot(&cluster, target).await })
    }

    /// A workload with its revisions, for what need not know the pods of a Deployment.
    pub fn lineage(&self, target: &Target) -> Result<Snapshot, Box<EvalAltResult>> {
        let cluster = self.cluster()?;
        self.wait(async { follow::lineage(&cluster, target).await })
    }

    /// Makes a change on the terms that the call's options set, with the change cause in the same write.
    pub fn make(&self, change: Change) -> Result<Made, Box<EvalAltResult>> {
        let change = change.with_cause(self.option_text("change_cause").as_deref());
        Ok(self.session.make(&change, self.terms())?)
    }

    /// The conditions that every changing function takes as options.
    pub fn terms(&self) -> Terms {
        Terms {
            dry_run: self.option_bool("dry_run").unwrap_or(false),
            if_generation: self.option_int("if_generation"),
            if_revision: self.option_int("if_revision"),
        }
    }
}

/// A script's closure, to be called from a body.
pub struct Closure<'a> {
    ctx: &'a NativeCallContext<'a>,
    function: FnPtr,
}

impl Closure<'_> {
    pub fn call(&self, args: Vec<Dynamic>) -> Result<Dynamic, Box<EvalAltResult>> {
        self.function.call_raw(self.ctx, None, args)
    }

    /// Calls with one argument, or with none when the closure takes none.
    pub fn call_with(&self, arg: Dynamic) -> Result<Dynamic, Box<EvalAltResult>> {
        let result = self.call(vec![arg]);
        match &result {
            Err(error) if is_missing(error, self.function.fn_name()) => match self.call(Vec::new()) {
                Err(error) if is_missing(&error, self.function.fn_name()) => {
                    Err(Error::usage("the closure must take one parameter, or none").hint("write |it| ..., or || ...").into())
                }
                result => result,
            },
            _ => result,
        }
    }
}

/// Whether an error says that the closure itself does not exist with this number of arguments.
fn is_missing(error: &EvalAltResult, name: &str) -> bool {
    matches!(error, EvalAltResult::ErrorFunctionNotFound(signature, _) if signature.starts_with(name))
}

fn text(value: &Dynamic) -> Option<String> {
    value.read_lock::<ImmutableString>().map(|text| text.to_string())
}

/// Whether a value is of a kind.
fn fits(value: &Dynamic, kind: Kind) -> bool {
    match kind {
        Kind::Target => value.is_string() || value.is::<Handle>(),
        Kind::Targets => value.is_string() || value.is::<Handle>() || value.is_array(),
        Kind::Text => value.is_string() || value.is_char(),
        Kind::Int => value.is_int(),
        Kind::Number => value.is_int() || value.is_float(),
        Kind::Bool => value.is_bool(),
        Kind::Duration => value.is_string() || value.is_int() || value.is_float(),
        Kind::Array => value.is_array(),
        Kind::Map | Kind::Options => value.is_map(),
        Kind::Closure => value.is_fnptr(),
        Kind::Any => true,
    }
}

fn misfit(function: &Function, position: usize, wanted: &[Kind], given: &Dynamic) -> Error {
    let wanted = wanted.iter().map(|kind| kind.words()).collect::<Vec<_>>().join(" or ");
    Error::usage(format!("argument {} of {} must be {wanted}, not {}", position + 1, function.name, described(given))).hint(function.signature())
}

/// A value for an error message: its type, and itself when it is short.
pub fn described(value: &Dynamic) -> String {
    let kind = match value.type_name() {
        "()" => return "() (nothing)".to_owned(),
        "string" => "the string",
        "i64" => "the number",
        "f64" => "the number",
        "bool" => "the value",
        "array" => return "an array".to_owned(),
        "map" => return "a map".to_owned(),
        "Fn" => return "a closure".to_owned(),
        other => return format!("a value of type {other}"),
    };
    let shown = value::json(value).to_string();
    if shown.len() > 60 { kind.replace("the ", "a ") } else { format!("{kind} {shown}") }
}

fn check_options(function: &Function, options: &Map) -> Result<()> {
    for (key, value) in options {
        let option = function.check_option(key)?;
        if !value.is_unit() && !fits(value, option.kind) {
            return Err(Error::usage(format!("option {key:?} of {} must be {}, not {}", function.name, option.kind.words(), described(value))));
        }
    }
    Ok(())
}

/// A duration from a script: `"1h30m"`, `"250ms"`, or seconds.
///
/// # Errors
/// `usage` when it is not one, or is negative.
pub fn duration(value: &Dynamic) -> Result<Duration> {
    let bad = |shown: &str| {
        Error::usage(format!("{shown} is not a duration")).hint("write a number with a unit, as in \"250ms\", \"90s\", \"5m\" or \"1h30m\", or whole seconds")
    };
    if let Ok(seconds) = value.as_int() {
        return u64::try_from(seconds).map(Duration::from_secs).map_err(|_| bad(&seconds.to_string()));
    }
    if let Ok(seconds) = value.as_float() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| bad(&seconds.to_string()));
    }
    let text = text(value).unwrap_or_default();
    parse_duration(&text).ok_or_else(|| bad(&format!("{text:?}")))
}

/// Go's durations without the sign: a sequence of numbers with units.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut total = 0_f64;
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match &rest[..end] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86400.0,
            _ => return None,
        };
        total += number * unit;
        rest = &rest[end..];
        parts += 1;
    }
    (parts > 0).then(|| Duration::try_from_secs_f64(total).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_numbers_with_units_or_whole_seconds() {
        for (text, millis) in [("250ms", 250), ("90s", 90_000), ("5m", 300_000), ("1h30m", 5_400_000), ("1.5s", 1500), ("0", 0), ("2d", 172_800_000)] {
            assert_eq!(parse_duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "5", "m", "-5s", "5 minutes", "1h30", "5x"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
        assert_eq!(duration(&Dynamic::from(7_i64)).expect("seconds"), Duration::from_secs(7));
        assert!(duration(&Dynamic::from(-1_i64)).is_err());
    }
}
