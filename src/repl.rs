//! The prompt: reads a statement, runs it, shows its value, until Ctrl-D or `exit`.

mod complete;
mod helper;
mod highlight;
pub(crate) mod kubectl;
mod place;
mod validate;

use std::path::PathBuf;
use std::process::ExitCode;

use etcetera::BaseStrategy;
use rustyline::error::ReadlineError;
use rustyline::history::{FileHistory, History};
use rustyline::{CompletionType, Config, Editor};

use crate::error::{Error, ErrorKind, Result};
use crate::functions::{Function, find, help, show};
use crate::render::fault;
use crate::render::screen::Text;
use crate::resource::Resource;
use crate::script::{Ended, Fault, Host};
use crate::session::{Halt, Session};
use helper::Helper;

/// How many lines of history are kept.
const HISTORY: usize = 10_000;

type Line = Editor<Helper, FileHistory>;

/// Runs a prompt until the user leaves it.
pub fn run(session: &Session) -> Result<ExitCode> {
    let mut host = Host::new(session, std::env::current_dir().ok().as_deref(), &crate::script::engine::arguments(&[]));
    let mut editor = editor(&host)?;
    let history = history_file();
    if let Some(file) = &history {
        // The first start has none.
        let _ = editor.load_history(file);
    }
    greet(session);
    let code = dialogue(&mut host, &mut editor, history.as_ref());
    Ok(code)
}

fn editor(host: &Host) -> Result<Line> {
    let failed = |error: ReadlineError| Error::script(format!("cannot use this terminal: {error}"));
    let config = Config::builder().history_ignore_space(true).completion_type(CompletionType::List).auto_add_history(false).build();
    let mut editor = Line::with_config(config).map_err(failed)?;
    editor.set_helper(Some(Helper::new(host)));
    editor.history_mut().set_max_len(HISTORY).map_err(failed)?;
    editor.history_mut().ignore_dups(true).map_err(failed)?;
    Ok(editor)
}

fn greet(session: &Session) {
    let place = if session.is_simulated() { "a simulated cluster".to_owned() } else { "your kubeconfig's cluster".to_owned() };
    session
        .screen()
        .notice(&Text::plain(format!("rollsh {} on {place}. help() lists the functions, Tab completes, Ctrl-D leaves.", env!("CARGO_PKG_VERSION"))));
}

fn dialogue(host: &mut Host, editor: &mut Line, history: Option<&PathBuf>) -> ExitCode {
    let session = host.session().clone();
    loop {
        let prompt = prompt(&session);
        let styled = highlight::prompt(&prompt, &session);
        if let Some(helper) = editor.helper_mut() {
            helper.refresh(host);
        }
        match editor.readline(&(prompt.as_str(), styled.as_str())) {
            Ok(line) if line.trim().is_empty() => {}
            Ok(line) => {
                if let (Ok(true), Some(file)) = (editor.add_history_entry(line.as_str()), history) {
                    // A history that cannot be written is no reason to stop a person on call.
                    let _ = editor.append_history(file);
                }
                match word(line.trim()) {
                    Some(Word::Leave) => return ExitCode::SUCCESS,
                    Some(Word::Help) => session.screen().print_line(&help::overview()),
                    Some(Word::About(function)) => session.screen().print_line(&help::about(function)),
                    None => {
                        session.interrupts().clear();
                        if let Some(code) = show_end(&session, host.line(&line), &line) {
                            return code;
                        }
                    }
                }
            }
            // Ctrl-C at the prompt drops the line, Ctrl-D leaves.
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => return ExitCode::SUCCESS,
            Err(ReadlineError::Signal(_)) => {}
            Err(error) => {
                session.screen().warn(&fault::error(&Error::script(format!("cannot read from the terminal: {error}"))));
                return ExitCode::from(1);
            }
        }
        match session.interrupts().raised() {
            Some(Halt::Terminated) => return ExitCode::from(143),
            // What ended the last line does not end a look around for names.
            Some(_) => session.interrupts().clear(),
            None => {}
        }
    }
}

/// Words that people type without parentheses.
enum Word {
    Help,
    About(&'static Function),
    Leave,
}

fn word(line: &str) -> Option<Word> {
    match line.trim_end_matches(';') {
        "help" | "?" => Some(Word::Help),
        "exit" | "quit" | "exit()" | "quit()" => Some(Word::Leave),
        line => find(line.strip_prefix("help ").or_else(|| line.strip_prefix("? "))?.trim()).map(Word::About),
    }
}

/// Shows how a line ended; the exit code when it ended the shell.
fn show_end(session: &Session, ended: Ended, line: &str) -> Option<ExitCode> {
    match ended {
        Ended::Value(value) if value.is_unit() => None,
        Ended::Value(value) => {
            show::show(session, &value);
            None
        }
        Ended::Failed(failed) => {
            let nearby = session.nearby(&failed.error);
            session.screen().warn(&hinted(failed, line).text_with(line, nearby.as_deref()));
            None
        }
        Ended::Halted(Halt::Exit(code)) => Some(ExitCode::from(u8::try_from(code).unwrap_or(1))),
        Ended::Halted(Halt::Terminated) => Some(ExitCode::from(143)),
        Ended::Halted(_) => {
            session.screen().warn(&Text::plain("interrupted"));
            None
        }
    }
}

/// With a hint for who typed what kubectl takes, or a target without its quotes.
fn hinted(fault: Fault, line: &str) -> Fault {
    if fault.error.kind() != ErrorKind::Usage && fault.error.kind() != ErrorKind::Script {
        return fault;
    }
    let hint = match (kubectl::meant(line), fault.error.message().strip_prefix("variable not found: ")) {
        (Some(call), _) => format!("that is kubectl's; here it is {call}"),
        (None, Some(kind)) if Resource::known(kind).is_some() => format!("a target stands in quotes, as in \"{kind}/web\""),
        _ => return fault,
    };
    Fault { error: fault.error.hint(hint), ..fault }
}

/// `prod/shop> `; only what is known without a request.
fn prompt(session: &Session) -> String {
    match (session.cluster(), session.namespace()) {
        (Ok(cluster), Ok(namespace)) => format!("{}/{namespace}> ", cluster.context()),
        _ => "rollsh> ".to_owned(),
    }
}

fn history_file() -> Option<PathBuf> {
    let strategy = etcetera::choose_base_strategy().ok()?;
    let folder = strategy.state_dir().unwrap_or_else(|| strategy.data_dir()).join("rollsh");
    std::fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}
