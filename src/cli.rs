//! The command: flags to a session, a session to a REPL, a run or an expression, its end to an exit code.

pub mod args;
mod ask;
mod build;
mod end;
mod job;
mod records;
mod run;
mod signals;
mod sim;
mod simulate;
mod test;
mod words;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::repl::kubectl;
use args::Args;

/// What `main` calls.
pub fn main() -> ExitCode {
    let words = words::sorted(std::env::args_os().collect());
    match Args::try_parse_from(&words) {
        Ok(args) => run::run(args),
        Err(mut error) => {
            advise(&mut error, &words);
            // Help and version are results and go to stdout with 0; a usage error goes to stderr with 2: clap knows which.
            let code = error.exit_code();
            let _ = error.print();
            ExitCode::from(u8::try_from(code).unwrap_or(2))
        }
    }
}

/// For who types what kubectl takes, or a script without `run`.
fn advise(error: &mut clap::Error, words: &[OsString]) {
    let (ErrorKind::InvalidSubcommand, Some(ContextValue::String(wrong))) = (error.kind(), error.get(ContextKind::InvalidSubcommand)) else { return };
    let Some(at) = words.iter().position(|word| *word == **wrong) else { return };
    let line: Vec<&str> = words[at..].iter().filter_map(|word| word.to_str()).collect();
    let meant = match kubectl::meant(&line.join(" ")) {
        Some(call) => format!("that is kubectl's; here it is: rollsh eval '{call}'"),
        None if wrong.ends_with(".rhai") => format!("to run a script: rollsh run {}", line.join(" ")),
        None => return,
    };
    error.remove(ContextKind::SuggestedSubcommand);
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![meant.into()]));
}
