//! The reference as one page of Markdown.

use std::fmt::Write;

use crate::functions::function::{Function, Group, Param};

/// A page: the groups as sections, their functions as subsections.
pub fn page(groups: &[&Group]) -> String {
    let mut text = String::from("# Functions\n");
    for group in groups {
        let _ = write!(text, "\n## {}\n\n{}\n", capitalised(group.name), capitalised(group.summary));
        for function in group.functions {
            text.push('\n');
            text.push_str(&section(function));
        }
    }
    text.trim_end().to_owned()
}

/// One function: its signature as the heading.
pub fn section(function: &Function) -> String {
    let mut text = format!("### `{}`\n\n{}", function.signature(), escaped(function.summary));
    if !function.details.is_empty() {
        let _ = write!(text, " {}", escaped(function.details));
    }
    let _ = write!(text, "\n\nReturns: {}\n", escaped(function.returns));
    if !function.params.is_empty() {
        text.push_str("\n| parameter | what it takes |\n|---|---|\n");
        for Param { name, kind, optional } in function.params {
            let _ = writeln!(text, "| `{name}` | {}{} |", cell(kind.words()), if *optional { " (optional)" } else { "" });
        }
    }
    if !function.options.is_empty() {
        text.push_str("\n| option | what it takes | meaning |\n|---|---|---|\n");
        for option in function.options {
            let _ = writeln!(text, "| `{}` | {} | {} |", option.name, cell(option.kind.words()), cell(option.summary));
        }
    }
    if !function.errors.is_empty() {
        let kinds: Vec<String> = function.errors.iter().map(|kind| format!("`{}`", kind.name())).collect();
        let _ = write!(text, "\nErrors: {}\n", kinds.join(", "));
    }
    for example in function.examples {
        let _ = write!(text, "\n```rhai\n{}\n", example.script);
        for line in example.prints.lines() {
            let _ = writeln!(text, "// {line}");
        }
        text.push_str("```\n");
    }
    if !function.source.is_empty() {
        let _ = write!(text, "\nLike: {}\n", escaped(function.source));
    }
    text
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// Prose in which a browser must not look for tags, nor Markdown for emphasis.
fn escaped(text: &str) -> String {
    text.replace('<', "&lt;").replace('*', "\\*").replace('_', "\\_")
}

fn cell(text: &str) -> String {
    escaped(text).replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_tells_all_and_a_bar_does_not_break_its_tables() {
        let function = crate::functions::find("wait").expect("there");
        let text = section(function);
        assert!(text.starts_with("### `wait(targets, [timeout], [options])`"), "{text}");
        assert!(text.contains("| `fail_if` | a closure |"), "{text}");
        let broken: Vec<&str> = text.lines().filter(|line| line.starts_with("| ") && line.replace("\\|", "").matches('|').count() > 4).collect();
        assert!(broken.is_empty(), "{broken:?}");
    }
}
