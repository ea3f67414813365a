//! Completion and hints from the names that are known without a request.

use std::collections::BTreeSet;

use crate::functions::function::Kind;
use crate::functions::{self, find};
use crate::script::check;

/// Keywords of the language that one starts a statement with.
const KEYWORDS: &[&str] =
    &["let", "const", "if", "else", "for", "in", "while", "loop", "fn", "return", "throw", "try", "catch", "import", "switch", "true", "false"];

pub struct Names {
    functions: BTreeSet<String>,
    variables: Vec<String>,
}

impl Names {
    pub fn of(engine: &rhai::Engine) -> Self {
        Self { functions: check::names(engine), variables: Vec::new() }
    }

    pub fn set_variables(&mut self, names: impl Iterator<Item = String>) {
        self.variables = names.collect();
    }

    /// Where the word before the cursor starts, and what it can become: our functions first, since they are what one is here for.
    pub fn complete(&self, line: &str, pos: usize) -> (usize, Vec<String>) {
        let (start, word) = word_before(line, pos);
        if inside_string(&line[..start]) {
            return kinds(line, pos);
        }
        let method = line[..start].ends_with('.');
        if word.is_empty() {
            // After a point stands what can be done with a target.
            let targets = functions::all().filter(|function| method && function.params.first().is_some_and(|first| first.kind == Kind::Target));
            return (pos, targets.map(|function| format!("{}(", function.name)).collect());
        }
        let ours = functions::all().map(|function| function.name).filter(|name| name.starts_with(word));
        let mut found: Vec<String> = ours.map(|name| format!("{name}(")).collect();
        if !method {
            found.extend(self.variables.iter().filter(|name| name.starts_with(word)).cloned());
            found.extend(KEYWORDS.iter().filter(|name| name.starts_with(word)).map(|name| (*name).to_owned()));
        }
        if found.is_empty() {
            found.extend(self.functions.iter().filter(|name| name.starts_with(word)).map(|name| format!("{name}(")));
        }
        found.dedup();
        (start, found)
    }

    /// The parameters of the function that was just opened.
    pub fn hint(&self, line: &str, pos: usize) -> Option<String> {
        if pos < line.len() {
            return None;
        }
        let name = line.strip_suffix('(')?;
        let (_, word) = word_before(name, name.len());
        let function = find(word)?;
        let signature = function.signature();
        signature.get(word.len() + 1..).map(str::to_owned)
    }
}

/// The kinds that a target can begin with, as the first word of a function's string.
fn kinds(line: &str, pos: usize) -> (usize, Vec<String>) {
    let before = &line[..pos];
    let start = before.rfind('"').map_or(pos, |quote| quote + 1);
    let word = &before[start..];
    if word.is_empty() || !line[..start - 1].trim_end().ends_with(['(', '[', ',']) {
        return (pos, Vec::new());
    }
    const KINDS: &[&str] = &["deploy/", "deployment/", "sts/", "statefulset/", "ds/", "daemonset/", "rs/", "pod/"];
    (start, KINDS.iter().filter(|kind| kind.starts_with(word)).map(|kind| (*kind).to_owned()).collect())
}

fn word_before(line: &str, pos: usize) -> (usize, &str) {
    let before = &line[..pos];
    let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    (start, &before[start..])
}

/// Whether a text ends inside of a string literal.
fn inside_string(before: &str) -> bool {
    let mut quote = None;
    let mut escaped = false;
    for c in before.chars() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '`' => quote = Some(c),
            _ => {}
        }
    }
    quote.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let mut names = Names { functions: BTreeSet::from(["to_upper".to_owned()]), variables: Vec::new() };
        names.set_variables(["webby".to_owned()].into_iter());
        names
    }

    #[test]
    fn functions_come_first_and_nothing_is_completed_inside_a_string() {
        assert_eq!(names().complete("get_r", 5), (0, vec!["get_rs(".to_owned()]));
        assert_eq!(names().complete("x.und", 5), (2, vec!["undo(".to_owned()]));
        assert_eq!(names().complete("web", 3), (0, vec!["webby".to_owned()]));
        assert_eq!(names().complete("to_u", 4), (0, vec!["to_upper(".to_owned()]));
        assert_eq!(names().complete("undo(\"get_r", 11).1, Vec::<String>::new());
    }

    #[test]
    fn a_string_begins_with_a_kind_and_a_method_is_of_a_target() {
        assert_eq!(names().complete("undo(\"st", 8), (6, vec!["sts/".to_owned(), "statefulset/".to_owned()]));
        assert_eq!(names().complete("wait([\"ds/agent\", \"dep", 22), (19, vec!["deploy/".to_owned(), "deployment/".to_owned()]));
        assert_eq!(names().complete("print(`st", 9).1, Vec::<String>::new());
        let (start, methods) = names().complete("w.", 2);
        assert!(start == 2 && methods.contains(&"undo(".to_owned()) && !methods.contains(&"print(".to_owned()), "{methods:?}");
    }

    #[test]
    fn an_opened_function_shows_its_parameters() {
        assert_eq!(names().hint("undo(", 5).as_deref(), Some("target, [revision], [options])"));
        assert_eq!(names().hint("nope(", 5), None);
    }
}
