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

use std::process::ExitCode;

use clap::Parser;

use args::Args;

/// What `main` calls.
pub fn main() -> ExitCode {
    match Args::try_parse() {
        Ok(args) => run::run(args),
        Err(error) => {
            // Help and version are results and go to stdout with 0; a usage error goes to stderr with 2: clap knows which.
            let code = error.exit_code();
            let _ = error.print();
            ExitCode::from(u8::try_from(code).unwrap_or(2))
        }
    }
}
