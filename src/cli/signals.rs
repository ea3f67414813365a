//! Ctrl-C and SIGTERM to the session's interrupts.
//!
//! A thread of its own with a runtime of its own: the session's may be the one whose clock stands still while a script computes.

use tokio::signal::unix::{SignalKind, signal};

use crate::error::{Error, Result};
use crate::session::Interrupts;

/// Starts to listen. The first signal ends what runs in an orderly way; a second one, when that takes too long, ends the process.
/// While a guard puts things back, the second one ends that, and the third the process. At a prompt no signal ends the process by force: the session is kept.
pub fn listen(interrupts: &Interrupts, prompt: bool) -> Result<()> {
    let interrupts = interrupts.clone();
    let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(move || -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async move {
            let (mut int, mut term) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
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
        })
    });
    thread.map(drop).map_err(|error| Error::script(format!("cannot start a thread: {error}")))
}

#[expect(clippy::disallowed_methods, reason = "the user asked twice: what still runs did not end when asked")]
fn end_now(code: i32) -> ! {
    std::process::exit(code)
}
