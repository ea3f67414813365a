//! How a run's end becomes output and an exit code.

use std::process::ExitCode;

use rhai::Dynamic;

use crate::error::Error;
use crate::functions::{show, value};
use crate::render::screen::Screen;
use crate::render::{data, fault};
use crate::script::Ended;
use crate::session::settings::Output;
use crate::session::{Halt, Session};

/// The exit code of an end, after telling what there is to tell.
pub fn code(session: &Session, ended: &Ended, script: &str) -> ExitCode {
    match ended {
        Ended::Value(_) => ExitCode::SUCCESS,
        Ended::Halted(halt) => halted(session.screen(), *halt),
        Ended::Failed(fault) => {
            session.screen().warn(&fault.text_with(script, session.nearby(&fault.error).as_deref()));
            ExitCode::from(fault.exit_code())
        }
    }
}

/// An error outside of any script.
pub fn error(screen: &Screen, error: &Error) -> ExitCode {
    screen.warn(&fault::error(error));
    ExitCode::from(error.kind().exit_code())
}

fn halted(screen: &Screen, halt: Halt) -> ExitCode {
    let (error, code) = match halt {
        Halt::Exit(code) => return ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Halt::Interrupted => (Error::interrupted("interrupted"), 130),
        Halt::Terminated => (Error::interrupted("terminated"), 143),
        Halt::Deadline(_) => (Error::timeout("the deadline of the run (--timeout) ran out"), 124),
    };
    screen.warn(&fault::error(&error));
    ExitCode::from(code)
}

/// A value as `eval` prints it.
pub fn print(session: &Session, shown: &Dynamic) {
    match session.settings().output {
        Output::Text if shown.is_unit() => {}
        Output::Text => show::show(session, shown),
        Output::Json => session.screen().print_line(&data::json(&value::json(shown))),
        Output::Yaml => session.screen().print_line(data::yaml(&value::json(shown)).trim_end_matches('\n')),
    }
}
