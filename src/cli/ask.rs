//! Questions to the user on the terminal.

use std::io::IsTerminal;
use std::sync::Arc;

use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use crate::session::Ask;

/// `None` when there is no terminal to ask on.
pub fn terminal() -> Option<Ask> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return None;
    }
    Some(Arc::new(|question: &str| match DefaultEditor::new().and_then(|mut editor| editor.readline(question)) {
        Ok(answer) => Some(answer),
        Err(ReadlineError::Interrupted) => None,
        // The end of input is no yes.
        Err(_) => Some(String::new()),
    }))
}
