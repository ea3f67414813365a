//! What each command does.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::CommandFactory;
use rhai::Map;

use super::args::{Args, Command, Global, Reference};
use super::build::{self, Use};
use super::{end, job, records, sim, simulate, test};
use crate::error::{Error, Result, file_reason};
use crate::functions::{self, help, nearest};
use crate::render::screen::Screen;
use crate::repl;
use crate::script::engine::{STACK_SIZE, arguments};
use crate::script::{Ended, Fault, Host, check};
use crate::session::settings::Output;

/// Runs the command, on a thread with the stack that deep scripts need.
pub fn run(args: Args) -> ExitCode {
    let screen = build::screen(&args.global);
    let on_thread = screen.clone();
    let thread = std::thread::Builder::new()
        .name("engine".to_owned())
        .stack_size(STACK_SIZE)
        .spawn(move || dispatch(args, &on_thread).unwrap_or_else(|error| end::error(&on_thread, &error)));
    match thread.map(std::thread::JoinHandle::join) {
        Ok(Ok(code)) => code,
        // The panic's own message is on stderr already.
        Ok(Err(_)) => ExitCode::from(1),
        Err(error) => end::error(&screen, &Error::script(format!("cannot start a thread: {error}"))),
    }
}

fn dispatch(args: Args, screen: &Screen) -> Result<ExitCode> {
    let global = &args.global;
    match args.command {
        None if std::io::stdin().is_terminal() => repl::run(&build::session(global, &Use::Prompt, screen.clone())?),
        None => script(global, screen, Path::new("-"), &arguments(&[])),
        Some(Command::Run { file, args }) => script(global, screen, &file, &arguments(&args)),
        Some(Command::Eval { expr }) => {
            let session = build::session(global, &Use::Script(PathBuf::from(".")), screen.clone())?;
            let _deadline = global.timeout.map(|timeout| session.deadline(timeout));
            let mut host = Host::new(&session, Some(Path::new(".")), &arguments(&[]));
            let ended = match session.settings().output {
                Output::Text => host.run_to_show("eval", &expr),
                Output::Json | Output::Yaml => host.run("eval", &expr),
            };
            if let Ended::Value(value) = &ended {
                end::print(&session, value);
            }
            let code = end::code(&session, &ended, &expr);
            leave(host);
            Ok(code)
        }
        Some(Command::Check { files }) => check_files(screen, &files),
        Some(Command::Sim(options)) => sim::serve(global, &options, screen),
        Some(Command::Test { paths, junit, filter, jobs }) => test::run(global, screen, &test::Wanted { paths, junit, filter, jobs }),
        Some(Command::Simulate { file, args, worlds }) => simulate::run(global, screen, &simulate::Wanted { file, args, worlds }),
        Some(Command::Job(wanted)) => job::run(global, screen, &wanted),
        Some(Command::Journal) => records::journal(global, screen),
        Some(Command::Recover) => records::recover(global, screen),
        Some(Command::Functions { name, format }) => {
            screen.print_line(&reference(name.as_deref(), format)?);
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Completions { shell }) => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "rollsh", &mut text);
            screen.print_line(String::from_utf8_lossy(&text).trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Man) => {
            let mut text = Vec::new();
            clap_mangen::Man::new(Args::command()).render(&mut text).map_err(|error| Error::script(error.to_string()))?;
            screen.print_line(String::from_utf8_lossy(&text).trim_end());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn reference(name: Option<&str>, format: Reference) -> Result<String> {
    let format = match format {
        Reference::Text => help::Format::Text,
        Reference::Markdown => help::Format::Markdown,
        Reference::Json => help::Format::Json,
        Reference::Rhai => help::Format::Rhai,
    };
    let Some(name) = name else { return Ok(help::reference(format, None)) };
    if let Some(function) = functions::find(name) {
        return Ok(help::reference(format, Some(function)));
    }
    let error = Error::usage(format!("no function {name:?}"));
    Err(match nearest(name, functions::all().map(|function| function.name)) {
        Some(near) => error.hint(format!("did you mean {near:?}?")),
        None => error.hint("rollsh functions lists them"),
    })
}

/// Runs a script from a file, or from standard input for `-`.
fn script(global: &Global, screen: &Screen, file: &Path, args: &Map) -> Result<ExitCode> {
    let stdin = file == Path::new("-");
    let name = if stdin { "stdin".to_owned() } else { file.display().to_string() };
    let text = if stdin {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|error| Error::usage(format!("cannot read the script from standard input: {error}")))?;
        text
    } else {
        read_script(file)?
    };
    let folder = folder_of(file);
    let session = build::session(global, &Use::Script(folder.clone()), screen.clone())?;
    let _deadline = global.timeout.map(|timeout| session.deadline(timeout));
    let mut host = Host::new(&session, Some(&folder), args);
    let ended = host.run(&name, &text);
    let code = end::code(&session, &ended, &text);
    leave(host);
    Ok(code)
}

/// The process ends now: taking the engine, the session and its connections apart piece by piece would only take time.
fn leave(host: Host) {
    std::mem::forget(host);
}

fn check_files(screen: &Screen, files: &[PathBuf]) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for file in files {
        let text = read_script(file)?;
        for problem in problems(screen, file, &text)? {
            screen.warn(&problem.text(&text));
            code = ExitCode::from(2);
        }
    }
    Ok(code)
}

/// What is wrong with a script, found without a cluster.
pub fn problems(screen: &Screen, file: &Path, text: &str) -> Result<Vec<Fault>> {
    let host = Host::new(&build::without_cluster(screen.clone())?, Some(&folder_of(file)), &Map::new());
    Ok(check::all(host.engine(), &file.display().to_string(), text))
}

pub fn read_script(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|error| Error::usage(format!("cannot read {}: {}", file.display(), file_reason(&error))))
}

/// A script on standard input has no folder; it works in the current one.
pub fn folder_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}
