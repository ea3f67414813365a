//! Errors, warnings and notices as a person reads them: `error: ...`, the place in the script with a caret, `hint: ...`.
//!
//! The words of an error are written where it is made; here is only how they look.

use super::screen::{Text, Tone, neutralise};
use super::words;
use crate::error::Error;

/// Columns of source shown around a place; a minified line is not dumped on the terminal.
const SHOWN: usize = 120;

/// A place in a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The file's name, or what stands for it: `<stdin>`.
    pub source: &'a str,
    /// The whole source.
    pub text: &'a str,
    /// From 1; 0: not known.
    pub line: usize,
    /// In characters, from 1; 0: the whole line.
    pub column: usize,
}

/// `error: message`, further lines of it indented, then the hints.
pub fn error(error: &Error) -> Text {
    with_hints(headline("error", Tone::Bad, error.message()), error.hints())
}

/// An error at a place of a script.
pub fn fault<H: AsRef<str>>(source_name: &str, source_text: &str, line: usize, column: usize, message: &str, hints: &[H]) -> Text {
    fault_in_calls(message, hints, &[Place { source: source_name, text: source_text, line, column }])
}

/// An error at a place, and the calls that led there, innermost first.
pub fn fault_in_calls<H: AsRef<str>>(message: &str, hints: &[H], places: &[Place]) -> Text {
    let mut text = headline("error", Tone::Bad, message);
    let places: Vec<&Place> = places.iter().filter(|place| place.line > 0).collect();
    let gutter = places.iter().map(|place| place.line.to_string().len()).max().unwrap_or(0);
    for (nth, place) in places.into_iter().enumerate() {
        let arrow = if nth == 0 { "-->" } else { "called from" };
        let column = if place.column > 0 { format!(":{}", place.column) } else { String::new() };
        text.push(Tone::Dim, format!("{:gutter$}{arrow} ", ""));
        text.push(Tone::Plain, format!("{}:{}{column}\n", one_line(place.source), place.line));
        if let Some(line) = place.text.lines().nth(place.line - 1) {
            quote(&mut text, line, place, gutter);
        }
    }
    with_hints(text, hints)
}

fn quote(text: &mut Text, line: &str, place: &Place, gutter: usize) {
    let letters: Vec<char> = line.chars().collect();
    let at = place.column.saturating_sub(1).min(letters.len());
    let from = if letters.len() <= SHOWN { 0 } else { at.saturating_sub(SHOWN / 2) };
    let to = letters.len().min(from + SHOWN);
    // A tab is one column to Rhai and several to a terminal; four spaces are the same to both.
    let shown = |part: &[char]| neutralise(&part.iter().collect::<String>().replace('\t', "    ")).into_owned();
    let (before, after) = (shown(&letters[from..at.clamp(from, to)]), shown(&letters[at.clamp(from, to)..to]));
    let cut_before = if from > 0 { "..." } else { "" };
    let cut_after = if to < letters.len() { "..." } else { "" };
    text.push(Tone::Dim, format!("{:gutter$} |\n{:>gutter$} | ", "", place.line));
    text.push(Tone::Plain, format!("{cut_before}{before}{after}{cut_after}\n"));
    text.push(Tone::Dim, format!("{:gutter$} | ", ""));
    if place.column > 0 {
        let start = at.clamp(from, to);
        let token = words::width(&shown(&letters[start..to.min(start + length(&letters[start..]))])).max(1);
        text.push(Tone::Bad, format!("{}{}", " ".repeat(words::width(cut_before) + words::width(&before)), "^".repeat(token)));
    }
    text.push(Tone::Plain, "\n");
}

/// How many characters the token takes that begins here.
fn length(letters: &[char]) -> usize {
    let part_of_word = |letter: &&char| letter.is_alphanumeric() || **letter == '_';
    let string_ends = |quote: char| {
        let mut escaped = false;
        letters.iter().skip(1).position(|letter| {
            let ends = *letter == quote && !escaped;
            escaped = *letter == '\\' && !escaped;
            ends
        })
    };
    match letters.first() {
        Some(quote @ ('"' | '`' | '\'')) => string_ends(*quote).map_or(1, |end| end + 2).min(60),
        _ => letters.iter().take_while(part_of_word).count().max(1),
    }
}

/// `warning: ...`.
pub fn warning(message: &str) -> Text {
    headline("warning", Tone::Watch, message)
}

/// A notice stands for itself, without a label.
pub fn notice(message: &str) -> Text {
    Text::plain(message.trim_end_matches('\n')).and("\n")
}

fn headline(label: &str, tone: Tone, message: &str) -> Text {
    // What a cluster says must not start a line of its own that looks like ours.
    let message = message.trim_end().replace('\n', "\n  ");
    Text::of(tone, format!("{label}: ")).and(message + "\n")
}

fn with_hints<H: AsRef<str>>(mut text: Text, hints: &[H]) -> Text {
    for hint in hints {
        text.append(headline("hint", Tone::Name, hint.as_ref()));
    }
    text
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_is_wrong_and_what_to_do() {
        let it = Error::not_found("deployments.apps \"wbe\" not found").hint("did you mean deploy/web?").hint("get(\"deploy\") lists them");
        assert_eq!(error(&it).words(), "error: deployments.apps \"wbe\" not found\nhint: did you mean deploy/web?\nhint: get(\"deploy\") lists them\n");
    }

    #[test]
    fn a_message_of_several_lines_cannot_pass_for_several_messages() {
        assert_eq!(error(&Error::script("one\nhint: run this\n")).words(), "error: one\n  hint: run this\n");
        assert_eq!(warning("a\nb").words(), "warning: a\n  b\n");
        assert_eq!(notice("a\n").words(), "a\n");
    }

    #[test]
    fn a_fault_shows_the_line_and_points_at_the_word() {
        let source = "let a = 1;\n\tund(\"deploy/web\");\nlet s = \"a\\\"b\" + 日本;\n";
        for (line, column, shown) in [
            (2, 2, "error: m\n --> x.rhai:2:2\n  |\n2 |     und(\"deploy/web\");\n  |     ^^^\nhint: h\n"),
            (2, 6, "error: m\n --> x.rhai:2:6\n  |\n2 |     und(\"deploy/web\");\n  |         ^^^^^^^^^^^^\nhint: h\n"),
            (3, 18, "error: m\n --> x.rhai:3:18\n  |\n3 | let s = \"a\\\"b\" + 日本;\n  |                  ^^^^\nhint: h\n"),
            (1, 11, "error: m\n --> x.rhai:1:11\n  |\n1 | let a = 1;\n  |           ^\nhint: h\n"),
            (1, 0, "error: m\n --> x.rhai:1\n  |\n1 | let a = 1;\n  | \nhint: h\n"),
            (9, 1, "error: m\n --> x.rhai:9:1\nhint: h\n"),
            (0, 0, "error: m\nhint: h\n"),
        ] {
            assert_eq!(fault("x.rhai", source, line, column, "m", &["h"]).words(), shown, "{line}:{column}");
        }
    }

    #[test]
    fn the_calls_that_led_to_a_fault_follow_it() {
        let outer = format!("{}run();", "\n".repeat(9));
        let inner = "fn run() { throw 1 }";
        let places = [Place { source: "m.rhai", text: inner, line: 1, column: 12 }, Place { source: "x.rhai", text: &outer, line: 10, column: 1 }];
        assert_eq!(
            fault_in_calls::<&str>("1", &[], &places).words(),
            "error: 1\n  --> m.rhai:1:12\n   |\n 1 | fn run() { throw 1 }\n   |            ^^^^^\n  called from x.rhai:10:1\n   |\n10 | run();\n   | ^^^\n"
        );
    }

    #[test]
    fn a_line_without_end_is_shown_around_the_place() {
        let source = "x".repeat(5000);
        let text = fault::<&str>("x", &source, 1, 2500, "m", &[]).words();
        assert!(text.lines().all(|line| line.len() < 140), "{text}");
        assert_eq!(text.lines().nth(4).map(|line| line.find('^')), Some(Some(4 + 3 + 60)));
    }
}
