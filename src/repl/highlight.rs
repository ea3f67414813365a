//! Colours of the prompt line.

use std::borrow::Cow;

use nu_ansi_term::{Color, Style};

use crate::session::Session;

/// The prompt, coloured where colours are on: a policy that forbids changes shows in it.
pub fn prompt(prompt: &str, session: &Session) -> String {
    if !session.screen().out.colored() {
        return prompt.to_owned();
    }
    let color = if session.policy().read_only || session.settings().dry_run { Color::Yellow } else { Color::Cyan };
    color.bold().paint(prompt).to_string()
}

pub fn hint(hint: &str, color: bool) -> Cow<'_, str> {
    if color { Style::new().dimmed().paint(hint).to_string().into() } else { hint.into() }
}
