//! What rustyline asks while somebody types: it only forwards.

use std::borrow::Cow;

use rustyline::completion::Completer;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Result};

use super::complete::Names;
use super::{highlight, validate};
use crate::script::Host;

/// Names to complete and an engine to parse with; nothing here waits for a cluster.
pub struct Helper {
    names: Names,
    parser: rhai::Engine,
    color: bool,
}

impl Helper {
    pub fn new(host: &Host) -> Self {
        Self { names: Names::of(host.engine()), parser: validate::parser(), color: host.session().screen().out.colored() }
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
        Ok(self.names.complete(line, pos))
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
