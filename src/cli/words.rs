//! Whose word is whose: what follows a script's FILE is the script's, but for options of rollsh that the script does not ask for.
//!
//! clap alone takes what it knows up to the first word that it does not know, so that `--timeout` of a script would become the run's deadline, and
//! a `--dry-run` behind the script's arguments would be lost without a word. Not here: what the script's words become (`script::engine::arguments`).

use std::ffi::{OsStr, OsString};
use std::path::Path;

use clap::{Arg, Command, CommandFactory};

use super::args::Args;

/// The command line, with the words of rollsh before the script's FILE, and those of the script behind a `--`.
pub fn sorted(words: Vec<OsString>) -> Vec<OsString> {
    // What clap knows is made for these alone.
    if !words.iter().any(|word| *word == *"run" || *word == *"simulate") {
        return words;
    }
    let command = Args::command();
    let Some(at) = first_word(&words, 1, &[&command]) else { return words };
    let subcommand = words[at].to_str().filter(|name| matches!(*name, "run" | "simulate")).and_then(|name| command.find_subcommand(name));
    let Some(subcommand) = subcommand else { return words };
    let known = [&command, subcommand];
    let Some(file) = first_word(&words, at + 1, &known) else { return words };
    if file + 1 == words.len() {
        return words;
    }
    let asks = Asks::of(Path::new(&words[file]));
    let (own, its) = split(&words[file + 1..], &known, &asks);
    let head = words[..=at].iter().cloned();
    head.chain(own).chain(words[at + 1..=file].iter().cloned()).chain(["--".into()]).chain(its).collect()
}

/// The place of the first word that is neither an option nor the value of one.
fn first_word(words: &[OsString], from: usize, known: &[&Command]) -> Option<usize> {
    let mut at = from;
    while at < words.len() {
        let word = words[at].to_str().unwrap_or_default();
        if word == "--" {
            return None;
        }
        if !word.starts_with('-') || word == "-" {
            return Some(at);
        }
        let takes_next = option(word, known).is_some_and(|option| wants_value(option, word));
        at += if takes_next { 2 } else { 1 };
    }
    None
}

/// The option of rollsh that a word begins with.
fn option<'a>(word: &str, known: &[&'a Command]) -> Option<&'a Arg> {
    let mut all = known.iter().flat_map(|command| command.get_arguments());
    match word.strip_prefix("--") {
        Some(long) => {
            let name = long.split('=').next().unwrap_or_default();
            all.find(|arg| arg.get_long() == Some(name))
        }
        None => {
            let short = word.strip_prefix('-')?.chars().next()?;
            all.find(|arg| arg.get_short() == Some(short))
        }
    }
}

/// Whether the value of an option is the next word.
fn wants_value(option: &Arg, word: &str) -> bool {
    let alone = if word.starts_with("--") { !word.contains('=') } else { word.chars().count() == 2 };
    alone && option.get_action().takes_values() && !option.is_require_equals_set()
}

/// The words behind FILE: rollsh's own, and the script's.
fn split(words: &[OsString], known: &[&Command], asks: &Asks) -> (Vec<OsString>, Vec<OsString>) {
    let (mut own, mut its): (Vec<OsString>, Vec<OsString>) = (Vec::new(), Vec::new());
    let mut rest = words.iter().peekable();
    while let Some(word) = rest.next() {
        let text = word.to_str().unwrap_or_default();
        if text == "--" {
            // The first `--` only says that all is the script's; one behind its words is its own.
            its.extend((!its.is_empty()).then(|| word.clone()));
            its.extend(rest.by_ref().cloned());
            break;
        }
        let is_help = matches!(text, "--help" | "-h") && !asks.for_help();
        let of_rollsh = option(text, known).filter(|_| text.len() > 1 && !asks.for_word(text));
        if is_help {
            own.push(word.clone());
        } else if let Some(option) = of_rollsh {
            own.push(word.clone());
            if wants_value(option, text) {
                own.extend(rest.next().cloned());
            }
        } else {
            its.push(word.clone());
            // The value of the script's own option.
            if text.starts_with("--") && !text.contains('=') {
                its.extend(rest.next_if(|next| !starts_with_dashes(next)).cloned());
            }
        }
    }
    (own, its)
}

fn starts_with_dashes(word: &OsStr) -> bool {
    word.to_str().is_some_and(|word| word.starts_with("--"))
}

/// What a script asks for, as its text tells.
enum Asks {
    /// It cannot be read here, or takes its arguments as a whole.
    Everything,
    Named(String),
}

impl Asks {
    fn of(file: &Path) -> Self {
        // A pipe could be read only once.
        if !file.is_file() {
            return Asks::Everything;
        }
        let Ok(text) = std::fs::read_to_string(file) else { return Asks::Everything };
        // `std/arguments` names what it takes.
        if !text.contains("std/arguments") && takes_all(&text) { Asks::Everything } else { Asks::Named(text) }
    }

    /// `std/arguments` gives help too.
    fn for_help(&self) -> bool {
        self.for_word("--help") || matches!(self, Asks::Named(text) if text.contains("std/arguments"))
    }

    fn for_word(&self, word: &str) -> bool {
        let Asks::Named(text) = self else { return true };
        let mentions = |form: &str| places(text, form).next().is_some();
        match word.strip_prefix("--") {
            Some(long) => {
                let name = long.split('=').next().unwrap_or_default();
                let key = name.replace('-', "_");
                mentions(&format!("--{name}"))
                    || ["args.", "args?."].iter().any(|of| mentions(&format!("{of}{key}")))
                    || [name, &key].iter().any(|name| text.contains(&format!("\"{name}\"")))
            }
            None => mentions("args.rest"),
        }
    }
}

/// Whether `args` is used otherwise than for one of its members.
fn takes_all(text: &str) -> bool {
    places(text, "args").any(|end| !text[end..].trim_start().starts_with(['.', '[', '?']))
}

/// Where a word ends that stands alone.
fn places<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let of_name = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(word).filter_map(move |(start, _)| {
        let end = start + word.len();
        let is_alone = !text[..start].ends_with(of_name) && !text[end..].starts_with(|next| of_name(next) || next == '-');
        is_alone.then_some(end)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(script: &str, line: &str) -> String {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("a.rhai");
        std::fs::write(&file, script).expect("written");
        let name = file.to_str().expect("text");
        let words = line.replace("FILE", name).split(' ').map(OsString::from).collect();
        let sorted: Vec<String> = sorted(words).into_iter().map(|word| word.into_string().expect("text")).collect();
        sorted.join(" ").replace(name, "FILE")
    }

    #[test]
    fn what_a_script_asks_for_is_its_own_also_where_rollsh_has_the_same() {
        let script = "print(args.timeout); print(args.dry_run); for target in args.rest {}";
        assert_eq!(sort(script, "rollsh --sim run FILE --timeout 5m --dry-run x"), "rollsh --sim run FILE -- --timeout 5m --dry-run x");
        assert_eq!(sort(script, "rollsh --timeout 1h run FILE -n x"), "rollsh --timeout 1h run FILE -- -n x");
        assert_eq!(sort("show(args)", "rollsh run FILE --sim --seed 3"), "rollsh run FILE -- --sim --seed 3");
    }

    #[test]
    fn what_a_script_does_not_ask_for_is_rollshs_wherever_it_stands() {
        let script = "print(args.target)";
        assert_eq!(sort(script, "rollsh run FILE --target deploy/web --dry-run"), "rollsh run --dry-run FILE -- --target deploy/web");
        assert_eq!(sort(script, "rollsh run FILE --sim --target deploy/web"), "rollsh run --sim FILE -- --target deploy/web");
        assert_eq!(sort(script, "rollsh run FILE -n shop --context=prod --help"), "rollsh run -n shop --context=prod --help FILE --");
        assert_eq!(sort(script, "rollsh --sim simulate FILE --seeds 9 --target a"), "rollsh --sim simulate --seeds 9 FILE -- --target a");
    }

    #[test]
    fn help_is_the_scripts_where_it_has_some() {
        assert_eq!(sort("import \"std/arguments\" as arguments; arguments::check(args, `--help`)", "rollsh run FILE --help"), "rollsh run FILE -- --help");
        assert_eq!(sort("print(args.target)", "rollsh run FILE --help"), "rollsh run --help FILE --");
    }

    #[test]
    fn dashes_alone_leave_all_that_follows_to_the_script() {
        assert_eq!(sort("print(args.target)", "rollsh run FILE -- --dry-run"), "rollsh run FILE -- --dry-run");
        assert_eq!(sort("print(args.target)", "rollsh run FILE a -- --dry-run"), "rollsh run FILE -- a -- --dry-run");
    }

    #[test]
    fn other_commands_are_left_as_they_are() {
        for line in ["rollsh", "rollsh --sim", "rollsh eval run", "rollsh -o json eval x -q", "rollsh run", "rollsh run -- a --sim", "rollsh --sim run FILE"] {
            assert_eq!(sort("", line), line);
        }
    }
}
