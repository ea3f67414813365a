//! The live view in a terminal, as a person sees it: the frames that stay in the scrollback, at the two sizes that terminals have.
//!
//! The screens are kept beside this file (`snapshots/live__*.snap`); after a change look at them before you accept them.

use std::num::NonZero;
use std::sync::{Arc, Mutex};

use rollsh::render::screen::{Screen, Sink, Window};
use rollsh::script::{Ended, Host};
use rollsh::session::{Interrupts, Policy, Session, Settings};
use rollsh::sim::Options;

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (200, 50);

/// Runs a script on a simulated shop in a terminal; what the terminal shows at the end, scrolled-off lines included.
fn screen((columns, rows): (u16, u16), script: &str) -> String {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let sink = Sink::terminal(bytes.clone(), &Window::new(columns, rows), false);
    let session = Session::simulated(
        Options::default(),
        Settings::default(),
        Policy { all: true, ..Policy::default() },
        Screen::new(sink.clone(), sink, false),
        Interrupts::default(),
    )
    .expect("a session");
    let mut host = Host::new(&session, None, &rollsh::script::engine::arguments(&[]));
    let ended = host.run("screen", script);
    assert!(matches!(ended, Ended::Value(_)), "{ended:?}");
    let cells = |number: u16| NonZero::new(number).expect("a terminal has cells");
    let mut parser = vt100::Parser::new(cells(rows), cells(columns), 1000);
    // The kernel's side of a terminal does this to every newline.
    let written = String::from_utf8(bytes.lock().expect("no writer panicked").clone()).expect("text");
    parser.process(written.replace('\n', "\r\n").as_bytes());
    let mut lines: Vec<String> = Vec::new();
    let screen = parser.screen_mut();
    screen.set_scrollback(usize::MAX);
    for above in (1..=screen.scrollback()).rev() {
        screen.set_scrollback(above);
        lines.extend(screen.rows(0, columns).next());
    }
    screen.set_scrollback(0);
    lines.extend(screen.rows(0, columns));
    nameless(&lines)
}

/// Without the random ends of names, and what stands in their order in an order of its own: another draw is no other screen.
fn nameless(lines: &[String]) -> String {
    let random = regex::Regex::new("-[bcdfghjklmnpqrstvwxz2456789]{5}\\b").expect("a pattern");
    let mut lines: Vec<String> = lines.iter().map(|line| random.replace_all(line.trim_end(), "-xxxxx").into_owned()).collect();
    let is_pod = |line: &String| line.starts_with("  ● ") || line.starts_with("  ◌ ");
    lines.chunk_by_mut(|one, other| is_pod(one) && is_pod(other)).for_each(<[String]>::sort);
    lines.join("\n").trim_end().to_owned()
}

fn check(name: &str, script: &str) {
    for size in [SMALL, LARGE] {
        insta::assert_snapshot!(format!("{name}_{}x{}", size.0, size.1), screen(size, script));
    }
}

#[test]
fn a_good_rollout_fills_and_drains() {
    check("good", r#"set_image("deploy/web", "web=shop/web:4-slow"); watch("deploy/web", "30s"); watch("deploy/web")"#);
}

#[test]
fn a_crash_tells_who_is_doomed_and_why() {
    check("crash", r#"set_image("deploy/web", "web=shop/web:4-crash"); watch("deploy/web")"#);
}

#[test]
fn a_pull_error_tells_what_was_not_found() {
    check("pull_error", r#"set_image("deploy/web", "web=shop/web:4-badpull"); watch("deploy/web", "20s"); watch("deploy/web")"#);
}

#[test]
fn a_wedged_statefulset_tells_which_pod_holds_it_up() {
    check("wedge", r#"set_image("sts/db", "db=shop/db:17-crash"); watch("sts/db", #{fail_fast: false, timeout: "20s"}); undo("sts/db"); watch("sts/db")"#);
}

#[test]
fn several_rollouts_share_a_view() {
    check(
        "several",
        r#"set_image("deploy/web", "web=shop/web:4-badpull"); set_image("ds/agent", "agent=shop/agent:3-slow"); restart("sts/db");
           try { wait(["deploy/web", "ds/agent", "sts/db"], #{fail_fast: false, timeout: "35s"}) } catch {}"#,
    );
}

#[test]
fn a_daemonset_a_paused_deployment_and_a_near_deadline_are_understood() {
    insta::assert_snapshot!(
        "others_80x24",
        screen(
            SMALL,
            r#"set_image("ds/agent", "agent=shop/agent:3-slow"); watch("ds/agent", "30s");
               pause("deploy/web"); set_image("deploy/web", "web=shop/web:5"); watch("deploy/web", "3s");
               set_strategy("deploy/web", #{progress_deadline: 20}); set_image("deploy/web", "web=shop/web:6-neverready"); resume("deploy/web");
               watch("deploy/web", "18s"); watch("deploy/web")"#
        )
    );
}

#[test]
fn a_narrow_terminal_loses_what_matters_least() {
    insta::assert_snapshot!("narrow_40x20", screen((40, 20), r#"set_image("deploy/web", "web=shop/web:4-crash"); watch("deploy/web")"#));
}
