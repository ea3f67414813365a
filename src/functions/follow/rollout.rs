//! `wait` and `watch`: rollouts followed to their end.

use std::time::Duration;

use rhai::{Dynamic, EvalAltResult};
use tokio::time::Instant;

use super::seconds;
use crate::cluster::connect::Cluster;
use crate::error::{Error, ErrorKind, Result};
use crate::functions::call::Call;
use crate::functions::function::{Answer, Body, Example, Function, Kind, Opt, Param};
use crate::functions::live;
use crate::functions::show::with_text;
use crate::functions::value::{error, halt, shape};
use crate::render::account;
use crate::render::screen::Text;
use crate::resource::Target;
use crate::rollout::outcome::{Ending, Outcome, Verdict};
use crate::rollout::status::{Patience, Phase, Status};
use crate::session::Session;
use crate::session::follow::{Following, Rules};

/// How often a live view goes on by itself: its clock shows seconds.
const BEAT: Duration = Duration::from_secs(1);

/// kubectl has no such limit; ten minutes is the default progress deadline of a Deployment.
const WAIT_TIMEOUT: Duration = Duration::from_secs(600);

const TIMEOUT: Opt = Opt { name: "timeout", kind: Kind::Duration, summary: "how long to wait; default \"10m\" for wait, none for watch" };
const FAIL_FAST: Opt =
    Opt { name: "fail_fast", kind: Kind::Bool, summary: "end as soon as a new pod is doomed, or a Deployment that is waited for is paused; default true" };
const RESTARTS: Opt = Opt { name: "restarts", kind: Kind::Int, summary: "how many restarts of a new pod mean failure; default 3" };
const PULL_GRACE: Opt = Opt { name: "pull_grace", kind: Kind::Duration, summary: "how long an image may fail to be pulled; default \"30s\"" };

pub const WAIT: Function = Function {
    name: "wait",
    params: &[Param::new("targets", Kind::Targets), Param::optional("timeout", Kind::Duration), Param::optional("options", Kind::Options)],
    options: &[
        TIMEOUT,
        FAIL_FAST,
        RESTARTS,
        PULL_GRACE,
        Opt { name: "fail_if", kind: Kind::Closure, summary: "|status| bool: ends it as failed as soon as it is true; what it throws is the reason" },
    ],
    returns: "Outcome; an array of them for an array of targets",
    summary: "Waits until a rollout ends, and throws unless it is complete: at once when it is doomed, with the reason.",
    details: "Driven by watches. Only the template that is live when it starts counts: a later change of it ends the wait as superseded; that a Deployment is paused before its rollout is complete ends it as paused. \
              A rollout that is seen to complete is remembered on its revision's own object, for undo to last_good. \
              An API server that has answered before and goes away is waited for until the timeout. \
              The error carries the Outcome, with pods, events and log lines as evidence, as e.outcome.",
    errors: &[ErrorKind::Stalled, ErrorKind::Failed, ErrorKind::Timeout, ErrorKind::Superseded, ErrorKind::Deleted, ErrorKind::Paused, ErrorKind::NotFound],
    examples: &[
        Example { script: r#"set_image("deploy/web", "web=shop/web:4"); print(wait("deploy/web").outcome)"#, prints: "complete\n" },
        Example {
            script: r#"try { wait("deploy/web", #{fail_if: |s| s.ready < 4}) } catch (e) { print(`${e.kind} ${e.outcome.reason}`) }"#,
            prints: "failed fail_if\n",
        },
        Example {
            script: r#"set_image("deploy/web", "web=shop/web:4-crash"); try { wait("deploy/web", "5m") } catch (e) { print(`${e.kind}: ${e.outcome.status.doomed[0].reason}`) }"#,
            prints: "failed: CrashLoopBackOff\n",
        },
    ],
    source: "kubectl rollout status, ending when the rollout is doomed",
    body: Body::Flow(wait),
};

pub const WATCH: Function = Function {
    name: "watch",
    params: &[
        Param::new("what", Kind::Target),
        Param::optional("timeout", Kind::Duration),
        Param::optional("options", Kind::Options),
        Param::optional("callback", Kind::Closure),
    ],
    options: &[
        TIMEOUT,
        FAIL_FAST,
        RESTARTS,
        PULL_GRACE,
        Opt { name: "selector", kind: Kind::Text, summary: "of a live table: label selector" },
        Opt { name: "namespace", kind: Kind::Text, summary: "of a live table: another namespace" },
        Opt { name: "wide", kind: Kind::Bool, summary: "of a live table: kubectl's wide columns too" },
    ],
    returns: "Outcome; () for a live table",
    summary: "Follows a rollout: the callback gets a Status at each change, and ends it by returning false. Does not throw when the rollout fails.",
    details: "With no callback on a terminal: a live view, until the rollout ends or Ctrl-C; elsewhere a line a change. \
              watch(\"deploy,rs,pods\") is a live table of kinds, refreshed by events, until Ctrl-C or the timeout. \
              An API server that goes away is waited for where there is a timeout; without one, 30 s.",
    errors: &[ErrorKind::NotFound, ErrorKind::Forbidden, ErrorKind::Unreachable],
    examples: &[Example {
        script: r#"set_image("deploy/web", "web=shop/web:4"); let seen = 0; let o = watch("deploy/web", |s| { seen += 1; }); print(`${o.outcome} ${seen > 3}`)"#,
        prints: "complete true\n",
    }],
    source: "kubectl rollout status, kubectl get -w",
    body: Body::Flow(watch),
};

fn rules(call: &Call) -> Result<Rules> {
    let defaults = Rules::default();
    let restarts = call.option_int("restarts").unwrap_or(defaults.patience.restarts);
    if restarts < 1 {
        return Err(Error::usage(format!("option \"restarts\" must be at least 1, not {restarts}")));
    }
    let pull_grace_s = call.option_duration("pull_grace")?.map_or(defaults.patience.pull_grace_s, |grace| i64::try_from(grace.as_secs()).unwrap_or(i64::MAX));
    Ok(Rules { patience: Patience { restarts, pull_grace_s }, fail_fast: call.option_bool("fail_fast").unwrap_or(defaults.fail_fast) })
}

fn time_limit(call: &Call) -> Result<Option<Duration>> {
    match (call.duration("timeout")?, call.option_duration("timeout")?) {
        (Some(_), Some(_)) => Err(Error::usage(format!("{} was given two timeouts", call.function.name))),
        (lone, option) => Ok(lone.or(option)),
    }
}

/// What a look at a status, beside the verdict's own, makes of the rollout.
type Judge<'a> = dyn FnMut(usize, &Following, &Status) -> Result<Option<(Ending, Option<String>, String)>, Box<EvalAltResult>> + 'a;

/// Follows targets until each has ended, the first bad ending, or the time limit. Outcomes are in the order of the targets; those after a bad ending are missing.
fn follow_all(
    call: &Call,
    targets: &[Target],
    limit: Option<Duration>,
    mut view: Option<&mut live::Rollouts>,
    judge: &mut Judge,
) -> Result<Vec<Option<Outcome>>, Box<EvalAltResult>> {
    let session = call.session;
    let cluster = call.cluster()?;
    let rules = rules(call)?;
    let until = call.wait(async { Ok(limit.and_then(|limit| Instant::now().checked_add(limit))) })?;
    let mut outage = Outage::default();
    let mut following: Vec<Following> = loop {
        let started = call.wait(async {
            let starts = targets.iter().map(|target| Following::start(&cluster, target, rules, session.clock()));
            Ok(futures::future::try_join_all(starts).await)
        })?;
        match started {
            Err(error) if outage.is_to_be_waited_for(&error, &cluster, until) => {
                outage.say(session, error);
                session.pause(AGAIN)?;
            }
            other => break other?,
        }
    };
    let mut outcomes: Vec<Option<Outcome>> = vec![None; targets.len()];
    while outcomes.iter().any(Option::is_none) {
        let beats = view.as_ref().is_some_and(|view| view.in_place());
        let ended = match next_verdict(call, &mut following, &outcomes, until, beats)? {
            Next::Away(error) if outage.is_to_be_waited_for(&error, &cluster, until) => {
                outage.say(session, error);
                continue;
            }
            Next::Away(error) => return Err(error.into()),
            Next::Beat => {
                view.iter_mut().for_each(|view| view.redraw());
                continue;
            }
            Next::Verdict(index, verdict) => {
                outage.is_over(session);
                view.iter_mut().for_each(|view| view.show(index, &following[index], &verdict.status));
                let judged = judge(index, &following[index], &verdict.status)?;
                // A condition that holds outweighs completeness; any other ending tells more than the condition.
                let ended = match (verdict.ending, judged) {
                    (Some((Ending::Complete, ..)), Some(judged)) if judged.0 == Ending::Failed => Some(judged),
                    (ending, judged) => ending.or(judged),
                };
                match ended {
                    Some((ending, reason, message)) => vec![(index, verdict.status, ending, reason, message)],
                    None => continue,
                }
            }
            Next::TimedOut => {
                view.iter_mut().for_each(|view| view.redraw());
                timed_out(targets, &following, &outcomes, limit.unwrap_or_default(), &outage)
            }
        };
        for (index, status, ending, reason, message) in ended {
            let outcome = call.wait(async { Ok(following[index].outcome(status, ending, reason, message).await) })?;
            let bad = !outcome.ok;
            if ending == Ending::Complete
                && let Some(mark) = call.wait(async { Ok(following[index].remember().await) })?
            {
                session.make_quietly(&mark)?;
            }
            outcomes[index] = Some(outcome);
            if bad {
                return Ok(outcomes);
            }
        }
    }
    Ok(outcomes)
}

/// How long until a server that is away is asked again.
const AGAIN: Duration = Duration::from_secs(1);

/// The API server being away while rollouts are followed: they go on without it, and so does who waits, until the time limit.
#[derive(Default)]
struct Outage(Option<Error>);

impl Outage {
    /// Whether the failure is one that passes, and there is time left to see it pass. Without a time limit nobody would ever be told.
    fn is_to_be_waited_for(&self, error: &Error, cluster: &Cluster, until: Option<Instant>) -> bool {
        error.kind() == ErrorKind::Unreachable && cluster.has_answered() && until.is_some_and(|until| Instant::now() + AGAIN < until)
    }

    fn say(&mut self, session: &Session, error: Error) {
        if self.0.is_none() {
            session.screen().notice(&Text::plain(format!("{}; waiting for it", error.message())));
        }
        self.0 = Some(error);
    }

    fn is_over(&mut self, session: &Session) {
        if self.0.take().is_some() {
            session.screen().notice(&Text::plain("the API server answers again".to_owned()));
        }
    }
}

enum Next {
    Verdict(usize, Box<Verdict>),
    /// The server is away for longer than a watch bridges by itself; following can go on.
    Away(Error),
    /// A second in which nothing happened.
    Beat,
    TimedOut,
}

fn next_verdict(
    call: &Call,
    following: &mut [Following],
    outcomes: &[Option<Outcome>],
    until: Option<Instant>,
    beats: bool,
) -> Result<Next, Box<EvalAltResult>> {
    call.wait(async {
        let open = following.iter_mut().enumerate().filter(|(index, _)| outcomes[*index].is_none());
        let nexts: Vec<_> = open.map(|(index, one)| Box::pin(async move { one.next().await.map(|verdict| Next::Verdict(index, Box::new(verdict))) })).collect();
        let first = async { futures::future::select_all(nexts).await.0 };
        let beat = beats.then(|| Instant::now() + BEAT);
        let next = match (until, beat) {
            (Some(until), Some(beat)) if beat < until => tokio::time::timeout_at(beat, first).await.unwrap_or(Ok(Next::Beat)),
            (None, Some(beat)) => tokio::time::timeout_at(beat, first).await.unwrap_or(Ok(Next::Beat)),
            (Some(until), _) => tokio::time::timeout_at(until, first).await.unwrap_or(Ok(Next::TimedOut)),
            (None, None) => first.await,
        };
        next.or_else(|error| if error.kind() == ErrorKind::Unreachable { Ok(Next::Away(error)) } else { Err(error) })
    })
}

type Ended = (usize, Status, Ending, Option<String>, String);

fn timed_out(targets: &[Target], following: &[Following], outcomes: &[Option<Outcome>], limit: Duration, outage: &Outage) -> Vec<Ended> {
    let open = (0..targets.len()).filter(|index| outcomes[*index].is_none());
    open.map(|index| {
        let status = following[index].last_status().cloned().unwrap_or_else(|| crate::rollout::status::missing(&targets[index]));
        let message = match &outage.0 {
            Some(error) => format!("timed out after {}: {}; the last that was seen: {}", seconds(limit), error.message(), status.message),
            None => format!("timed out after {}: {}", seconds(limit), status.message),
        };
        (index, status, Ending::Timeout, None, message)
    })
    .collect()
}

fn wait(call: &Call) -> Answer {
    let targets = call.targets("targets")?;
    let several = call.arg("targets").is_some_and(Dynamic::is_array);
    if targets.is_empty() {
        return Ok(Dynamic::from_array(Vec::new()));
    }
    let limit = time_limit(call)?.unwrap_or(WAIT_TIMEOUT);
    let fail_if = call.option_closure("fail_if");
    let session = call.session;
    let fail_fast = rules(call)?.fail_fast;
    let mut view = live::Rollouts::new(session, targets.len(), Some(limit));
    let mut judge =
        |_: usize, _: &Following, status: &Status| {
            if fail_fast && status.phase == Phase::Paused && !status.complete {
                let message = format!("{} is paused: its rollout goes on when it is resumed ({})", status.target, status.message);
                return Ok(Some((Ending::Paused, Some("Paused".to_owned()), message)));
            }
            let Some(fail_if) = &fail_if else { return Ok(None) };
            match fail_if.call_with(shape(status)) {
                Ok(verdict) => Ok((verdict.as_bool() == Ok(true))
                    .then(|| (Ending::Failed, Some("fail_if".to_owned()), format!("{}: the given condition holds", status.target)))),
                Err(thrown) if halt(&thrown).is_some() => Err(thrown),
                Err(thrown) => {
                    let thrown = error(&thrown);
                    match thrown.kind() {
                        // A mistake in the closure is no judgement of the rollout.
                        ErrorKind::Usage => Err(thrown.into()),
                        _ => Ok(Some((Ending::Failed, Some("fail_if".to_owned()), thrown.message().to_owned()))),
                    }
                }
            }
        };
    let outcomes = follow_all(call, &targets, Some(limit), Some(&mut view), &mut judge);
    // The last frame stays, also when something ended the wait.
    view.finish();
    let outcomes = outcomes?;
    if let Some((target, outcome)) =
        targets.iter().zip(&outcomes).find_map(|(target, outcome)| outcome.as_ref().filter(|outcome| !outcome.ok).map(|outcome| (target, outcome)))
    {
        return Err(thrown(target, outcome).into());
    }
    let mut outcomes: Vec<Dynamic> = outcomes.iter().flatten().map(|outcome| shown(session, outcome)).collect();
    Ok(if several { Dynamic::from_array(outcomes) } else { outcomes.pop().unwrap_or_default() })
}

/// The error of a rollout that did not complete.
fn thrown(target: &Target, outcome: &Outcome) -> Error {
    let kind = outcome.outcome.error_kind().unwrap_or(ErrorKind::Failed);
    let mut error = Error::new(kind, format!("{target}: {}", outcome.message)).target(target);
    if let Ok(value) = serde_json::to_value(outcome) {
        error = error.fact("reason", outcome.reason.clone()).fact("outcome", value);
    }
    match kind {
        ErrorKind::Paused => error.hint(format!("resume(\"{target}\")")),
        // A wedge says itself what helps.
        ErrorKind::Stalled | ErrorKind::Failed if outcome.message.contains("unstick(") => error,
        ErrorKind::Stalled | ErrorKind::Failed => error.hint(format!("undo(\"{target}\") puts the previous template back")),
        _ => error,
    }
}

fn watch(call: &Call) -> Answer {
    let what = call.arg("what").cloned().unwrap_or_default();
    let callback = call.closure("callback");
    if what.clone().into_string().is_ok_and(|text| !text.contains('/')) {
        if callback.is_some() {
            return Err(Error::usage("a live table takes no callback").hint("watch one target, as in watch(\"deploy/web\", |s| ...)").into());
        }
        return live::table(call, &what.into_string().unwrap_or_default(), time_limit(call)?);
    }
    let target = call.target_of(&what)?;
    let limit = time_limit(call)?;
    let outcome = match callback {
        Some(callback) => {
            let mut judge = |_: usize, _: &Following, status: &Status| {
                let answer = callback.call_with(shape(status))?;
                Ok((answer.as_bool() == Ok(false)).then(|| (Ending::Stopped, None, "the callback ended the watch".to_owned())))
            };
            follow_all(call, std::slice::from_ref(&target), limit, None, &mut judge)?
        }
        None => {
            let mut view = live::Rollouts::new(call.session, 1, limit).with_the_end();
            let followed = follow_all(call, std::slice::from_ref(&target), limit, Some(&mut view), &mut |_, _, _| Ok(None));
            // The last frame stays, also when Ctrl-C ended the watch.
            view.finish();
            followed?
        }
    };
    let outcome = outcome.into_iter().flatten().next();
    Ok(outcome.as_ref().map_or(Dynamic::UNIT, |outcome| shown(call.session, outcome)))
}

fn shown(session: &Session, outcome: &Outcome) -> Dynamic {
    with_text(session, shape(outcome), account::outcome(outcome))
}
