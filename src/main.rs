//! The `rollsh` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    rollsh::cli::main()
}
