//! Whether an input is whole, or goes on in the next line.

use rhai::{Engine, ParseErrorType};

use crate::script::check;

/// An engine that only parses.
pub fn parser() -> Engine {
    let mut engine = Engine::new_raw();
    engine.set_max_expr_depths(0, 0);
    engine
}

/// An input goes on when it parses up to its end and misses something there.
pub fn is_complete(parser: &Engine, input: &str) -> bool {
    if check::open_comment(input).is_some() {
        return false;
    }
    let Err(error) = parser.compile(input) else { return true };
    let position = error.position();
    match error.err_type() {
        ParseErrorType::UnexpectedEOF => false,
        // Only a backtick string spans lines; a plain one that is not closed never will be.
        ParseErrorType::BadInput(rhai::LexError::UnterminatedString) => input.matches('`').count().is_multiple_of(2),
        _ => {
            let lines = input.lines().count();
            let last = input.lines().next_back().map_or(0, |line| line.chars().count());
            let at_end = position.line().is_some_and(|line| line > lines || line == lines && position.position().unwrap_or(0) > last);
            !(at_end || position.is_none())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_goes_on_only_when_its_end_is_missing() {
        let parser = parser();
        for open in ["if x {", "undo(", "let x =", "#{ a: 1,", "`text", "get(\"pods\"", "fn f(a) {\n  a", "/* why", "[1,", "x."] {
            assert!(!is_complete(&parser, open), "{open:?} goes on");
        }
        for whole in ["1 + 1", "undo(\"deploy/web\")", "let x = 1;", "}", "\"open", "let = 5", "// note", "if true { 1 }", "`text`", "1 +* 2"] {
            assert!(is_complete(&parser, whole), "{whole:?} is whole");
        }
    }
}
