//! The reference, from the table of functions: as text here, in other formats below.

mod definition;
mod json;
mod markdown;

use std::fmt::Write;

use super::function::Function;
use super::{GROUPS, all};
use crate::render::data;

/// What the reference can be printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Markdown,
    Json,
    /// A definition file for editors.
    Rhai,
}

/// The whole reference, or one function of it.
pub fn reference(format: Format, function: Option<&'static Function>) -> String {
    let group = |function: &Function| GROUPS.iter().find(|group| group.functions.iter().any(|it| it.name == function.name));
    match (format, function) {
        (Format::Text, None) => overview(),
        (Format::Text, Some(function)) => about(function),
        (Format::Markdown, None) => markdown::page(GROUPS),
        (Format::Markdown, Some(function)) => markdown::section(function).trim_end().to_owned(),
        (Format::Json, None) => data::json(&json::list(GROUPS)),
        (Format::Json, Some(function)) => group(function).map_or_else(String::new, |group| data::json(&json::one(group, function))),
        (Format::Rhai, None) => definition::file(all()),
        (Format::Rhai, Some(function)) => definition::file(std::iter::once(function)),
    }
}

/// All functions by group, a line each.
pub fn overview() -> String {
    let mut text = String::new();
    let width = all().map(|function| function.name.len()).max().unwrap_or(0);
    for group in GROUPS {
        let _ = writeln!(text, "{} ({})", group.name, group.summary);
        for function in group.functions {
            let _ = writeln!(text, "  {:width$}  {}", function.name, function.summary);
        }
        text.push('\n');
    }
    text.push_str("help(\"undo\") tells all about one of them; Tab completes names.");
    text
}

/// Everything about one function.
pub fn about(function: &Function) -> String {
    let mut text = format!("{}\n\n{}\n", function.signature(), function.summary);
    if !function.details.is_empty() {
        let _ = writeln!(text, "{}", function.details);
    }
    let _ = writeln!(text, "\nreturns: {}", function.returns);
    if !function.options.is_empty() {
        let width = function.options.iter().map(|option| option.name.len()).max().unwrap_or(0);
        text.push_str("\noptions:\n");
        for option in function.options {
            let _ = writeln!(text, "  {:width$}  {}", option.name, option.summary);
        }
    }
    if !function.errors.is_empty() {
        let kinds: Vec<&str> = function.errors.iter().map(|kind| kind.name()).collect();
        let _ = writeln!(text, "\nerrors: {}", kinds.join(", "));
    }
    for example in function.examples {
        let _ = write!(text, "\nexample:\n  {}\n", example.script.replace('\n', "\n  "));
        for line in example.prints.lines() {
            let _ = writeln!(text, "  // {line}");
        }
    }
    if !function.source.is_empty() {
        let _ = write!(text, "\nlike: {}", function.source);
    }
    text.trim_end().to_owned()
}
