//! The only place that writes to a terminal, a pipe or a captured buffer; what came from a cluster or a script is neutralised here.

use std::io::Write;
use std::sync::{Arc, Mutex};

/// A text with styles, built by `render`; its strings are neutralised when they are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text(pub Vec<(nu_ansi_term::Style, String)>);

/// Where a stream goes.
#[derive(Clone)]
pub struct Sink {
    pub writer: Arc<Mutex<dyn Write + Send>>,
    pub terminal: bool,
}

/// Results to one sink, all else to the other.
#[derive(Clone)]
pub struct Screen {
    pub out: Sink,
    pub err: Sink,
    pub color: bool,
    pub quiet: bool,
}

impl Screen {
    /// The process's own stdout and stderr. `color`: `None` means by terminal and `NO_COLOR`.
    pub fn process(_color: Option<bool>, _quiet: bool) -> Self {
        todo!()
    }

    /// Captured in memory: two buffers to read from.
    pub fn captured() -> (Self, Arc<Mutex<Vec<u8>>>, Arc<Mutex<Vec<u8>>>) {
        todo!()
    }

    /// A result: text to stdout, neutralised.
    pub fn print(&self, _text: &str) {
        todo!()
    }

    /// Progress or a notice: to stderr, neutralised, silent with `quiet`.
    pub fn notice(&self, _text: &Text) {
        todo!()
    }

    /// A warning or an error: to stderr, neutralised, never silent.
    pub fn warn(&self, _text: &Text) {
        todo!()
    }

    /// Columns and rows of the terminal on stdout; `None` when it is none.
    pub fn size(&self) -> Option<(u16, u16)> {
        todo!()
    }
}

/// Control characters, bidirectional overrides and the like made visible; newline and tab stay.
pub fn neutralise(_text: &str) -> std::borrow::Cow<'_, str> {
    todo!()
}
