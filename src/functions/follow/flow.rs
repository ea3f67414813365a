//! The flow of a script: `sleep`, `timeout`, `retry`, `every`, `confirm`, `abort`, `exit`.

use std::time::Duration;

use rhai::Dynamic;
use tokio::time::Instant;

use super::{closure, guard, seconds};
use crate::error::{Error, ErrorKind};
use crate::functions::call::Call;
use crate::functions::function::{Answer, Body, Example, Function, Kind, Opt, Param};
use crate::functions::value::{dynamic, error, halt};
use crate::session::Halt;

pub const SLEEP: Function = Function {
    name: "sleep",
    params: &[Param::new("duration", Kind::Duration)],
    options: &[],
    returns: "()",
    summary: "Waits; ends at once on Ctrl-C and when a deadline runs out.",
    details: "",
    errors: &[],
    examples: &[Example { script: r#"let t = now(); sleep("90s"); print(now() - t)"#, prints: "90.0\n" }],
    source: "",
    body: Body::Flow(|call| {
        let duration = call.duration("duration")?.unwrap_or_default();
        call.session.pause(duration)?;
        Ok(Dynamic::UNIT)
    }),
};

pub const TIMEOUT: Function = Function {
    name: "timeout",
    params: &[Param::new("duration", Kind::Duration), Param::new("body", Kind::Closure)],
    options: &[],
    returns: "what the closure returns",
    summary: "Runs a closure under a deadline; when it runs out, whatever the closure does ends and the error timeout is thrown here.",
    details: "No catch inside the closure sees it.",
    errors: &[ErrorKind::Timeout],
    examples: &[Example { script: r#"try { timeout("5s", || { sleep("1h") }) } catch (e) { print(e.kind) }"#, prints: "timeout\n" }],
    source: "",
    body: Body::Flow(|call| {
        let duration = call.duration("duration")?.unwrap_or_default();
        let body = closure(call, "body")?;
        let deadline = call.session.deadline(duration);
        let result = body.call(Vec::new());
        match result {
            Err(error) if halt(&error) == Some(Halt::Deadline(deadline.id())) => {
                let error = Error::timeout(format!("timed out after {}", seconds(duration))).fact("timeout_s", duration.as_secs_f64());
                Err(guard::unwound(call.session, error).into())
            }
            other => other,
        }
    }),
};

/// How often `retry` tries, how long it waits first, and at most.
const ATTEMPTS: i64 = 3;
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LAST_DELAY: Duration = Duration::from_secs(30);

pub const RETRY: Function = Function {
    name: "retry",
    params: &[Param::optional("options", Kind::Options), Param::optional("body", Kind::Closure)],
    options: &[
        Opt { name: "attempts", kind: Kind::Int, summary: "how often to try; default 3" },
        Opt { name: "delay", kind: Kind::Duration, summary: "how long to wait before the second try; default \"1s\", twice as long before each further one" },
        Opt { name: "max_delay", kind: Kind::Duration, summary: "how long to wait at most; default \"30s\"" },
        Opt { name: "when", kind: Kind::Closure, summary: "|error| bool: only such errors are worth another try" },
    ],
    returns: "what the closure returns",
    summary: "Runs a closure again when it throws; after the last try throws its error, with attempts in it.",
    details: "Ctrl-C, a deadline and exit are no errors, and end it at once.",
    errors: &[ErrorKind::Usage],
    examples: &[
        Example { script: r#"let n = 0; print(retry(#{attempts: 5, delay: "10ms"}, || { n += 1; if n < 3 { throw "not yet" } n }))"#, prints: "3\n" },
        Example { script: r#"try { retry(#{delay: "10ms"}, || { throw "no" }) } catch (e) { print(`${e.message} ${e.attempts}`) }"#, prints: "no 3\n" },
    ],
    source: "",
    body: Body::Flow(retry),
};

fn retry(call: &Call) -> Answer {
    let body = closure(call, "body")?;
    let attempts = call.option_int("attempts").unwrap_or(ATTEMPTS);
    if attempts < 1 {
        return Err(Error::usage(format!("option \"attempts\" of retry must be at least 1, not {attempts}")).into());
    }
    let mut delay = call.option_duration("delay")?.unwrap_or(FIRST_DELAY);
    let most = call.option_duration("max_delay")?.unwrap_or(LAST_DELAY);
    let when = call.option_closure("when");
    for attempt in 1.. {
        let thrown = match body.call(Vec::new()) {
            Err(thrown) if halt(&thrown).is_none() => thrown,
            other => return other,
        };
        let known = error(&thrown);
        let worth = match &when {
            Some(when) => when.call_with(dynamic(&known.to_value()))?.as_bool() == Ok(true),
            // A call that is wrong is wrong every time.
            None => known.kind() != ErrorKind::Usage,
        };
        if attempt == attempts || !worth {
            return Err(known.fact("attempts", attempt).into());
        }
        let wait = delay.min(most);
        call.wait(async {
            tokio::time::sleep(wait).await;
            Ok(())
        })?;
        delay = delay.saturating_mul(2);
    }
    Ok(Dynamic::UNIT)
}

pub const EVERY: Function = Function {
    name: "every",
    params: &[Param::new("period", Kind::Duration), Param::optional("body", Kind::Closure)],
    options: &[],
    returns: "how often it ran",
    summary: "Runs a closure at once and then once every period, with the count from 0 on, until it returns false.",
    details: "When the closure takes longer than the period, the turns that were missed are left out.",
    errors: &[ErrorKind::Usage],
    examples: &[Example { script: r#"print(every("100ms", |n| n < 4))"#, prints: "5\n" }],
    source: "",
    body: Body::Flow(every),
};

fn every(call: &Call) -> Answer {
    let period = call.duration("period")?.unwrap_or_default();
    if period.is_zero() {
        return Err(Error::usage("the period of every must be longer than 0").into());
    }
    let body = closure(call, "body")?;
    let mut due = call.wait(async { Ok(Instant::now()) })?;
    for count in 0_i64.. {
        if body.call_with(count.into())?.as_bool() == Ok(false) {
            return Ok((count + 1).into());
        }
        due = call.wait(async {
            let now = Instant::now();
            let mut next = due + period;
            if next < now {
                let missed = (now - due).as_nanos() / period.as_nanos();
                next = due + period.saturating_mul(u32::try_from(missed + 1).unwrap_or(u32::MAX));
            }
            tokio::time::sleep_until(next).await;
            Ok(next)
        })?;
    }
    Ok(Dynamic::UNIT)
}

pub const CONFIRM: Function = Function {
    name: "confirm",
    params: &[Param::new("text", Kind::Text)],
    options: &[],
    returns: "true",
    summary: "Asks the user a yes-or-no question; anything but yes is the error denied.",
    details: "--yes answers yes; without a terminal and without --yes it is an error.",
    errors: &[ErrorKind::Denied],
    // Tests answer as --yes does.
    examples: &[Example { script: r#"confirm("restart the shop?"); print(restart("deploy/web").changed)"#, prints: "true\n" }],
    source: "",
    body: Body::Flow(|call| {
        let text = call.text("text").unwrap_or_default();
        call.session.confirm(&text)?;
        Ok(true.into())
    }),
};

pub const ABORT: Function = Function {
    name: "abort",
    params: &[Param::new("reason", Kind::Text)],
    options: &[],
    returns: "nothing: it throws",
    summary: "Ends the script with a reason, as an error of the kind stopped that a catch may see.",
    details: "",
    errors: &[],
    examples: &[Example { script: r#"try { abort("not today") } catch (e) { print(`${e.kind}: ${e.message}`) }"#, prints: "stopped: not today\n" }],
    source: "",
    body: Body::Flow(|call| Err(Error::new(ErrorKind::Stopped, call.text("reason").unwrap_or_default()).into())),
};

pub const EXIT: Function = Function {
    name: "exit",
    params: &[Param::optional("code", Kind::Int)],
    options: &[],
    returns: "nothing: it ends the run",
    summary: "Ends the run with an exit code (0 to 255, default 0); no catch sees it.",
    details: "At the prompt it leaves the shell.",
    errors: &[],
    examples: &[Example { script: r#"print("before"); exit(0); print("after")"#, prints: "before\n" }],
    source: "",
    body: Body::Flow(|call| {
        let code = call.int("code").unwrap_or(0);
        if !(0..=255).contains(&code) {
            return Err(Error::usage(format!("exit code {code} is not between 0 and 255")).into());
        }
        Err(Halt::Exit(code).into())
    }),
};
