//! What an uncaught error of a script is to its user: the error, where it was thrown, and the exit code.

use rhai::{EvalAltResult, ParseError, ParseErrorType, Position};

use crate::error::Error;
use crate::functions::value;
use crate::render::fault;
use crate::render::screen::Text;

/// An error with its place.
#[derive(Debug)]
pub struct Fault {
    pub error: Error,
    /// The script's name, as the user gave it.
    pub source: String,
    /// Line and column, from 1.
    pub position: Option<(usize, usize)>,
}

impl Fault {
    pub fn of_run(thrown: &EvalAltResult, source: &str) -> Self {
        let position = innermost(thrown);
        let source = module(thrown).unwrap_or(source).to_owned();
        Self { error: value::error(thrown), source, position: numbers(position) }
    }

    pub fn of_parse(error: &ParseError, source: &str, text: &str) -> Self {
        let told = Error::usage(error.err_type().to_string());
        let position = numbers(error.position());
        let told = match (error.err_type(), position.and_then(|place| word_at(text, place))) {
            (ParseErrorType::PropertyExpected, Some(word)) => {
                told.hint(format!("{word} is a word of the language: as a key of a map it stands in quotes, {word:?}"))
            }
            _ => told,
        };
        Self { error: told, source: source.to_owned(), position }
    }

    /// `e.rolled_back`: a guard put everything back.
    pub fn exit_code(&self) -> u8 {
        if self.error.facts().get("rolled_back").is_some_and(|value| value == true) {
            return 6;
        }
        self.error.kind().exit_code()
    }

    /// The error with the source line and a caret.
    pub fn text(&self, script: &str) -> Text {
        self.text_with(script, None)
    }

    /// The same with one more hint.
    pub fn text_with(&self, script: &str, hint: Option<&str>) -> Text {
        let (line, column) = self.position.unwrap_or((0, 0));
        let hints: Vec<&str> = self.error.hints().iter().map(String::as_str).chain(hint).collect();
        fault::fault(&self.source, script, line, column, self.error.message(), &hints)
    }
}

/// The word at a place, lines and columns from 1.
fn word_at(text: &str, (line, column): (usize, usize)) -> Option<&str> {
    let line = text.lines().nth(line.checked_sub(1)?)?;
    let (start, _) = line.char_indices().nth(column.checked_sub(1)?)?;
    let rest = &line[start..];
    let end = rest.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(rest.len());
    Some(&rest[..end]).filter(|word| !word.is_empty())
}

/// Where the error was thrown, rather than where the function that threw it was called.
fn innermost(error: &EvalAltResult) -> Position {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, outer) | EvalAltResult::ErrorInModule(_, inner, outer) => match innermost(inner) {
            position if position.is_none() => *outer,
            position => position,
        },
        other => other.position(),
    }
}

/// The module in which the error was thrown, when it was not the script itself.
fn module(error: &EvalAltResult) -> Option<&str> {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, source, inner, _) => module(inner).or_else(|| Some(source.as_str()).filter(|source| !source.is_empty())),
        EvalAltResult::ErrorInModule(name, inner, _) => module(inner).or(Some(name.as_str())),
        _ => None,
    }
}

fn numbers(position: Position) -> Option<(usize, usize)> {
    Some((position.line()?, position.position().unwrap_or(1)))
}
