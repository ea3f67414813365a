//! The reference as a Rhai definition file (`*.d.rhai`), which editors read for completion and hover texts.
//!
//! Rhai's own generator is not used: it knows the registered types alone, which are `Dynamic` for all arguments here, since the definitions check them.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::functions::function::{Function, Kind};

/// One file for all the functions; those of a module stand in a block of its name.
pub fn file<'a>(functions: impl Iterator<Item = &'a Function>) -> String {
    let mut modules: BTreeMap<&str, Vec<&Function>> = BTreeMap::new();
    for function in functions {
        modules.entry(function.name.split_once("::").map_or("", |(module, _)| module)).or_default().push(function);
    }
    let mut text = String::from(
        "module static;\n\n/// The arguments of the script: `--name value` is `args.name`, a lone `--flag` is true, the rest is `args.rest`.\nconst args: Map;\n",
    );
    for (module, functions) in modules {
        let inner = functions.iter().map(|function| one(function)).collect::<Vec<_>>().join("\n");
        let _ = if module.is_empty() { write!(text, "\n{inner}") } else { write!(text, "\nmodule {module} {{\n{inner}}}\n") };
    }
    text.trim_end().to_owned()
}

/// A definition for each number of arguments that the function takes.
fn one(function: &Function) -> String {
    let (fewest, most) = function.arity();
    let name = function.name.rsplit_once("::").map_or(function.name, |(_, name)| name);
    let mut text = String::new();
    for count in fewest..=most {
        let params: Vec<String> = function.params[..count].iter().map(|param| format!("{}: {}", param.name, type_of(param.kind))).collect();
        let _ = writeln!(text, "{}fn {name}({}) -> {};", comment(function), params.join(", "), returned(function.returns));
    }
    text
}

fn comment(function: &Function) -> String {
    let mut lines = vec![function.summary.to_owned()];
    let mut part = |title: &str, body: Vec<String>| {
        if !body.is_empty() {
            lines.push(String::new());
            lines.extend((!title.is_empty()).then(|| title.to_owned()));
            lines.extend(body);
        }
    };
    part("", (!function.details.is_empty()).then(|| function.details.to_owned()).into_iter().collect());
    part("", vec![format!("Returns: {}", function.returns)]);
    part("Options:", function.options.iter().map(|option| format!("- `{}`: {}", option.name, option.summary)).collect());
    for example in function.examples {
        part("```rhai", example.script.lines().map(str::to_owned).chain(["```".to_owned()]).collect());
    }
    lines.iter().fold(String::new(), |text, line| format!("{text}{}\n", format!("/// {line}").trim_end()))
}

const fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "String",
        Kind::Int => "int",
        Kind::Bool => "bool",
        Kind::Array => "Array",
        Kind::Map | Kind::Options => "Map",
        Kind::Closure => "FnPtr",
        // A target is text or a handle, a duration text or a number.
        Kind::Target | Kind::Targets | Kind::Number | Kind::Duration | Kind::Any => "?",
    }
}

/// The type that the words of `returns` begin with, where they are sure of one.
fn returned(words: &str) -> &'static str {
    if words.contains(';') || words.contains(", or ") {
        return "?";
    }
    match words.split([' ', ':', ',']).next().unwrap_or_default() {
        "()" => "()",
        "string" => "String",
        "bool" | "true" => "bool",
        "array" => "Array",
        "map" | "Status" | "Change" | "Outcome" => "Map",
        _ => "?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_defined_for_each_number_of_arguments_and_in_its_module() {
        let text = file(crate::functions::all());
        for line in [
            "fn undo(target: ?) -> Map;",
            "fn undo(target: ?, revision: int) -> Map;",
            "module sim {",
            "fn advance(duration: ?) -> ();",
            "fn sleep(duration: ?) -> ();",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line} in\n{text}");
        }
    }

    #[test]
    fn what_may_be_one_or_the_other_has_no_type() {
        assert_eq!(returned("Change, or an array of them when there are several objects"), "?");
        assert_eq!(returned("string; () with follow"), "?");
        assert_eq!(returned("Change: verb, target, changed, dry_run, diff, generation"), "Map");
    }
}
