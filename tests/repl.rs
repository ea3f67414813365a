//! The prompt in a terminal: what one types and what one then reads, Ctrl-C and Ctrl-D.

use std::io::{Read, Write};
use std::num::NonZero;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, ExitStatus, NativePtySystem, PtySize, PtySystem};

/// How long to look for something on the screen before the test fails; no test depends on it otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

/// Only against a hang, and only ever compared with `PATIENCE`.
#[expect(clippy::disallowed_methods, reason = "a terminal lives in wall time")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "a terminal lives in wall time")]
fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}

const ROWS: NonZero<u16> = NonZero::new(40).unwrap();
const COLUMNS: NonZero<u16> = NonZero::new(120).unwrap();

struct Terminal {
    screen: Arc<Mutex<vt100::Parser>>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn portable_pty::Child + Send + Sync>,
    _home: tempfile::TempDir,
}

impl Terminal {
    fn start(args: &[&str]) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let pair = NativePtySystem::default().openpty(PtySize { rows: ROWS.get(), cols: COLUMNS.get(), pixel_width: 0, pixel_height: 0 }).expect("a terminal");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_rollsh"));
        command.args(args);
        command.cwd(env!("CARGO_MANIFEST_DIR"));
        for (name, value) in [("TERM", "xterm-256color"), ("HOME", home.path().to_str().expect("text"))] {
            command.env(name, value);
        }
        for name in ["KUBECONFIG", "NO_COLOR", "XDG_STATE_HOME", "XDG_DATA_HOME"] {
            command.env_remove(name);
        }
        if let Some(kubeconfig) = std::env::var_os("ROLLSH_TEST_KUBECONFIG").filter(|_| !args.contains(&"--sim")) {
            command.env("KUBECONFIG", kubeconfig);
        }
        let child = pair.slave.spawn_command(command).expect("it starts");
        let mut reader = pair.master.try_clone_reader().expect("a reader");
        let keys = pair.master.take_writer().expect("a writer");
        let screen = Arc::new(Mutex::new(vt100::Parser::new(ROWS, COLUMNS, 2000)));
        let seen = screen.clone();
        std::thread::spawn(move || {
            // The terminal must live as long as somebody reads it.
            let _master = pair.master;
            let mut buffer = [0; 4096];
            while let Ok(read) = reader.read(&mut buffer) {
                if read == 0 {
                    break;
                }
                seen.lock().expect("not poisoned").process(&buffer[..read]);
            }
        });
        Self { screen, keys, child, _home: home }
    }

    fn shows(&self) -> String {
        self.screen.lock().expect("not poisoned").screen().contents()
    }

    #[track_caller]
    fn wait_for(&self, what: &str) {
        self.wait_until(what, |screen| screen.contains(what));
    }

    #[track_caller]
    fn wait_until(&self, what: &str, holds: impl Fn(&str) -> bool) {
        let start = now();
        loop {
            let screen = self.shows();
            if holds(&screen) {
                return;
            }
            assert!(now().duration_since(start) < PATIENCE, "{what:?} did not come:\n{screen}");
            pause();
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("written");
        self.keys.flush().expect("written");
    }

    /// Types a line and waits until the prompt is back.
    #[track_caller]
    fn enter(&mut self, line: &str) {
        let waits = |screen: &str| screen.lines().last().is_some_and(|line| line.trim_end().ends_with('>'));
        // Keys that come while a line still runs would be echoed by the terminal itself.
        self.wait_until("the prompt", waits);
        let prompts = |screen: &str| screen.lines().filter(|line| line.contains("> ") || line.ends_with('>')).count();
        self.press("\x0c");
        self.wait_until("an empty screen", |screen| prompts(screen) == 1);
        self.press(line);
        self.press("\r");
        self.wait_until("the next prompt", |screen| prompts(screen) >= 2 && waits(screen));
    }

    fn ended(&mut self) -> ExitStatus {
        self.child.wait().expect("it ends")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}

const CTRL_C: &str = "\x03";
const CTRL_D: &str = "\x04";

fn shop() -> Terminal {
    let terminal = Terminal::start(&["--sim"]);
    terminal.wait_for("sim/default>");
    terminal
}

#[test]
fn what_one_looks_at_is_printed_as_kubectl_prints_it() {
    let mut terminal = shop();
    terminal.enter("get_rs(\"deploy/web\")");
    terminal.wait_for("DESIRED   CURRENT   READY   AGE");
    terminal.enter("history(\"deploy/web\")");
    terminal.wait_for("CHANGE-CAUSE");
    terminal.wait_for("shop/web:2");
    terminal.enter("get(\"deploy,rs,pods\")");
    terminal.wait_for("deployment.apps/web");
    terminal.wait_for("pod/web-");
    terminal.enter("status(\"deploy/web\").phase");
    terminal.wait_for("complete");
}

#[test]
fn an_undo_shows_its_diff_and_the_session_goes_on() {
    let mut terminal = shop();
    terminal.enter("undo(\"deploy/web\")");
    terminal.wait_for("deployment.apps/web rolled back");
    terminal.wait_for("image: shop/web:2");
    terminal.enter("wait(\"deploy/web\").outcome");
    terminal.wait_for("complete");
}

#[test]
fn ctrl_c_ends_what_runs_and_keeps_the_session() {
    let mut terminal = shop();
    terminal.enter("let kept = 41");
    terminal.enter("set_image(\"deploy/web\", \"web=shop/web:4-neverready\")");
    for running in ["loop {}", "wait(\"deploy/web\")", "watch(\"deploy/web\")", "watch(\"deploy,rs,pods\")", "sleep(\"1h\")"] {
        terminal.press("\x0c");
        terminal.wait_until("an empty screen", |screen| !screen.contains("interrupted"));
        terminal.press(running);
        terminal.press("\r");
        match running {
            "watch(\"deploy/web\")" => terminal.wait_for("new replicas have been updated"),
            "watch(\"deploy,rs,pods\")" => terminal.wait_for("NAME"),
            _ => (0..10).for_each(|_| pause()),
        }
        terminal.press(CTRL_C);
        terminal.wait_for("interrupted");
    }
    terminal.enter("kept + 1");
    terminal.wait_for("42");
}

#[test]
fn ctrl_c_at_the_prompt_drops_the_line_and_ctrl_d_leaves() {
    let mut terminal = shop();
    terminal.press("abort(\"never\"");
    terminal.wait_for("abort(\"never\"");
    terminal.press(CTRL_C);
    terminal.enter("1 + 1");
    terminal.wait_for("2");
    terminal.press(CTRL_D);
    assert_eq!(terminal.ended().exit_code(), 0);
}

#[test]
fn exit_leaves_with_its_code() {
    let mut terminal = shop();
    terminal.press("exit(3)\r");
    assert_eq!(terminal.ended().exit_code(), 3);
}

#[test]
fn an_input_that_is_not_whole_goes_on_in_the_next_line() {
    let mut terminal = shop();
    for line in ["fn double(x) {", "x * 2", "}"] {
        terminal.press(line);
        terminal.press("\r");
    }
    terminal.wait_until("the next prompt", |screen| screen.matches("sim/default>").count() == 2);
    terminal.enter("double(21)");
    terminal.wait_for("42");
}

#[test]
fn tab_completes_a_functions_name() {
    let mut terminal = shop();
    terminal.press("get_dep\t");
    terminal.wait_for("get_deploy(");
}

#[test]
fn tab_completes_the_name_of_an_object_of_the_cluster() {
    let mut shop = shop();
    shop.press("status(\"deploy/we\t\").phase\r");
    shop.wait_until("the phase", |screen| screen.lines().any(|line| line.trim() == "complete"));
}

#[test]
fn an_error_shows_where_and_what_to_do() {
    let mut terminal = shop();
    terminal.enter("undoo(\"deploy/web\")");
    terminal.wait_for("no function \"undoo\"");
    terminal.wait_for("hint: did you mean \"undo\"?");
    terminal.enter("wait(\"deploy/web\", #{timout: 5})");
    terminal.wait_for("did you mean \"timeout\"?");
}
