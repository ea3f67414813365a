//! Ctrl-C and SIGTERM to the session's interrupts.
//!
//! A thread of its own with a runtime of its own: the session's may be the one whose clock stands still while a script computes.

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::{Error, Result};
use crate::session::Interrupts;

/// Starts to listen. The first signal ends what runs in an orderly way; a second one, when that takes too long, ends the process.
/// While a guard puts things back, the second one ends that, and the third the process. At a prompt no signal ends the process by force: the session is kept.
pub fn listen(interrupts: &Interrupts, prompt: bool) -> Result<()> {
    let interrupts = interrupts.clone();
    let (runtime, mut int, mut term) = heard().map_err(|error| Error::script(format!("cannot listen to signals: {error}")))?;
    let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async move {
            loop {
                let (code, raise): (i32, fn(&Interrupts)) = tokio::select! {
                    _ = int.recv() => (130, Interrupts::interrupt),
                    _ = term.recv() => (143, Interrupts::terminate),
                };
                if interrupts.unanswered() && !prompt {
                    end_now(code);
                }
                raise(&interrupts);
            }
        });
    });
    thread.map(drop).map_err(|error| Error::script(format!("cannot start a thread: {error}")))
}

/// The signals as they are from here on: one that comes before the thread runs is not lost, and does not end the process the hard way.
fn heard() -> std::io::Result<(Runtime, Signal, Signal)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let within = runtime.enter();
    let (int, term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    drop(within);
    Ok((runtime, int, term))
}

#[expect(clippy::disallowed_methods, reason = "the user asked twice: what still runs did not end when asked")]
fn end_now(code: i32) -> ! {
    std::process::exit(code)
}
