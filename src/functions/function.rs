//! The type of a function's definition, and what is derived from it: signatures, arities, the reference.

use rhai::{Dynamic, EvalAltResult};

use super::call::Call;
use super::nearest;
use crate::error::{Error, ErrorKind, Result};
use crate::rollout::change::Change;

pub type Answer = std::result::Result<Dynamic, Box<EvalAltResult>>;

/// Functions that belong together in the help.
pub struct Group {
    pub name: &'static str,
    pub summary: &'static str,
    pub functions: &'static [Function],
}

/// A script function, whole: what is registered, checked, completed, explained and tested comes from here.
pub struct Function {
    pub name: &'static str,
    pub params: &'static [Param],
    /// The keys that the options map takes, when a parameter is `Kind::Options`.
    pub options: &'static [Opt],
    pub returns: &'static str,
    /// One sentence, third person.
    pub summary: &'static str,
    /// Further sentences: limits, what surprises.
    pub details: &'static str,
    pub errors: &'static [ErrorKind],
    pub examples: &'static [Example],
    /// What upstream command or API this answers to.
    pub source: &'static str,
    pub body: Body,
}

/// What a function may do, and how it does it.
pub enum Body {
    /// Reads the cluster; returns a value.
    Read(fn(&Call) -> Answer),
    /// Decides a change, which the host then makes.
    Change(fn(&Call) -> Result<Change, Box<EvalAltResult>>),
    /// Waits, and may call closures.
    Flow(fn(&Call) -> Answer),
    /// Settings and output only.
    Shell(fn(&Call) -> Answer),
}

#[derive(Clone, Copy)]
pub struct Param {
    pub name: &'static str,
    pub kind: Kind,
    pub optional: bool,
}

impl Param {
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, optional: false }
    }

    pub const fn optional(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, optional: true }
    }
}

/// What an argument or an option may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `"deploy/web"`, or a handle.
    Target,
    /// A target, or an array of targets.
    Targets,
    Text,
    Int,
    Number,
    Bool,
    /// `"90s"`, or whole seconds.
    Duration,
    Array,
    Map,
    /// The options map; its keys are the function's options.
    Options,
    Closure,
    Any,
}

impl Kind {
    pub const fn words(self) -> &'static str {
        match self {
            Kind::Target => "a target such as \"deploy/web\"",
            Kind::Targets => "a target such as \"deploy/web\", or an array of targets",
            Kind::Text => "a string",
            Kind::Int => "a whole number",
            Kind::Number => "a number",
            Kind::Bool => "true or false",
            Kind::Duration => "a duration such as \"90s\"",
            Kind::Array => "an array",
            Kind::Map => "a map",
            Kind::Options => "a map of options",
            Kind::Closure => "a closure",
            Kind::Any => "any value",
        }
    }
}

/// One key of an options map.
pub struct Opt {
    pub name: &'static str,
    pub kind: Kind,
    pub summary: &'static str,
}

/// A script and what it prints, on the simulated shop. Every example is a test.
pub struct Example {
    pub script: &'static str,
    pub prints: &'static str,
}

impl Function {
    /// How few and how many arguments it takes.
    pub fn arity(&self) -> (usize, usize) {
        (self.params.iter().filter(|param| !param.optional).count(), self.params.len())
    }

    /// `undo(target, [revision], [options])`.
    pub fn signature(&self) -> String {
        let params: Vec<String> = self.params.iter().map(|param| if param.optional { format!("[{}]", param.name) } else { param.name.to_owned() }).collect();
        format!("{}({})", self.name, params.join(", "))
    }

    /// The option of a name.
    ///
    /// # Errors
    /// `usage` with the nearest known one.
    pub fn check_option(&self, name: &str) -> Result<&'static Opt> {
        if let Some(option) = self.options.iter().find(|option| option.name == name) {
            return Ok(option);
        }
        let error = Error::usage(format!("{} has no option {name:?}", self.name));
        let names = || self.options.iter().map(|option| option.name);
        Err(match nearest(name, names()) {
            Some(near) => error.hint(format!("did you mean {near:?}?")),
            None if self.options.is_empty() => error.hint("it takes no options"),
            None => error.hint(format!("options: {}", names().collect::<Vec<_>>().join(", "))),
        })
    }

    /// Whether it can change or delete something.
    pub fn changes(&self) -> bool {
        // Those that make several changes, or choose what to change while they run, take the same conditions.
        matches!(self.body, Body::Change(_)) || self.options.iter().any(|option| option.name == "if_generation")
    }
}
