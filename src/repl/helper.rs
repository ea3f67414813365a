//! What rustyline asks while somebody types: it only forwards, and looks around in the cluster for names.

use std::borrow::Cow;

use rustyline::completion::Completer;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Result};

use super::complete::{Around, Names};
use super::{highlight, validate};
use crate::script::Host;
use crate::session::Session;

/// Names to complete and an engine to parse with.
pub struct Helper {
    session: Session,
    names: Names,
    parser: rhai::Engine,
    color: bool,
}

impl Helper {
    pub fn new(host: &Host) -> Self {
        Self { session: host.session().clone(), names: Names::of(host.engine()), parser: validate::parser(), color: host.session().screen().out.colored() }
    }

    /// Before each prompt: the variables that there are by now.
    pub fn refresh(&mut self, host: &Host) {
        self.names.set_variables(host.scope().iter().map(|(name, ..)| name.to_owned()));
    }
}

impl rustyline::Helper for Helper {}

impl Completer for Helper {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _ctx: &Context<'_>) -> Result<(usize, Vec<String>)> {
        Ok(self.names.complete(line, pos, &self.session))
    }
}

impl Around for Session {
    fn objects(&self, kind: &str, namespace: Option<&str>) -> Vec<String> {
        self.names_of(kind, namespace)
    }

    fn contexts(&self) -> Vec<String> {
        self.contexts().unwrap_or_default().into_iter().map(|entry| entry.name).collect()
    }
}

impl Hinter for Helper {
    type Hint = String;

    fn hint(&self, line: &str, pos: usize, _ctx: &Context<'_>) -> Option<String> {
        self.names.hint(line, pos)
    }
}

impl Validator for Helper {
    fn validate(&self, ctx: &mut ValidationContext) -> Result<ValidationResult> {
        let complete = validate::is_complete(&self.parser, ctx.input());
        Ok(if complete { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

impl Highlighter for Helper {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        highlight::hint(hint, self.color)
    }

    fn highlight_char(&self, _line: &str, _pos: usize, _kind: CmdKind) -> bool {
        false
    }
}
