//! `guard`: what runs under it is taken back when it does not end well.

use std::time::Duration;

use rhai::EvalAltResult;

use super::{closure, seconds};
use crate::error::{Error, ErrorKind};
use crate::functions::call::Call;
use crate::functions::change::keep_config;
use crate::functions::function::{Answer, Body, Example, Function, Kind, Opt, Param};
use crate::functions::value::{dynamic, error, halt};
use crate::resource::Target;
use crate::session::guard::Putting;
use crate::session::{Halt, Session};

/// The default progress deadline of a Deployment, as for `wait`.
const ROLLBACK_TIMEOUT: Duration = Duration::from_secs(600);

pub const GUARD: Function = Function {
    name: "guard",
    params: &[Param::new("targets", Kind::Targets), Param::optional("options", Kind::Options), Param::optional("body", Kind::Closure)],
    options: &[
        Opt { name: "timeout", kind: Kind::Duration, summary: "a deadline for the closure; default none" },
        Opt {
            name: "with_config",
            kind: Kind::Bool,
            summary: "put back the ConfigMaps and Secrets of each template too: a checkpoint of each target is made first",
        },
        Opt { name: "rollback_timeout", kind: Kind::Duration, summary: "how long to wait for each workload to be back; default \"10m\"" },
    ],
    returns: "what the closure returns",
    summary: "Runs a closure; when it throws, times out or is interrupted, puts every target back to the template it had at the start, and throws on.",
    details: "In reverse order, each rollout waited for before the next; with the template go the change cause, and the strategy (a partition) and the pause that \
              this run set; ConfigMaps and Secrets stay as they are, but for with_config: then they get back what they held at the start, whoever changed them, before their template does. A target that somebody else changed meanwhile is left alone. A StatefulSet is helped past the pods that the bad template broke, as by unstick. \
              The error gets rolled_back (true: something was put back and all is as it was; exit code 6 when nothing catches it) and rollback, an array of \
              #{target, result, message} with the result \"put back\", \"as it was\", \"left alone\" or \"failed\". Ctrl-C and SIGTERM cause the rollback and do not end it; \
              a second one does. exit(0) in the closure keeps what it did, exit of another number takes it back. \
              An API server that is away while things are put back is tried again until rollback_timeout. When the process dies, rollsh recover puts back what it left.",
    errors: &[ErrorKind::NotFound, ErrorKind::Usage, ErrorKind::Denied, ErrorKind::Timeout],
    examples: &[
        Example {
            script: r#"try { guard("deploy/web", || { set_image("deploy/web", "web=shop/web:4-crash"); wait("deploy/web") }) }
catch (e) { print(`${e.kind} ${e.rolled_back}`) }
print(status("deploy/web").images.web)"#,
            prints: "failed true\nshop/web:3\n",
        },
        Example {
            script: r#"try { guard(["ds/agent", "sts/db"], #{timeout: "5m"}, || { set_image("sts/db", "db=shop/db:17"); wait("sts/db"); throw "changed my mind" }) }
catch (e) { for one in e.rollback { print(`${one.target} ${one.result}`) } }"#,
            prints: "statefulset/db put back\ndaemonset/agent as it was\n",
        },
        Example {
            script: r#"let settings = |mode| apply(`{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {mode: ${mode}}}`, #{force: true});
settings.call("calm");
try { guard("deploy/web", #{with_config: true}, || { settings.call("wild"); set_image("deploy/web", "web=shop/web:4-crash"); wait("deploy/web") }) } catch {}
print(`${status("deploy/web").images.web} ${object("cm/web").data.mode}`)"#,
            prints: "shop/web:3 calm\n",
        },
        Example { script: r#"print(guard("deploy/web", || { set_image("deploy/web", "web=shop/web:4"); wait("deploy/web").outcome }))"#, prints: "complete\n" },
    ],
    source: "",
    body: Body::Flow(guard),
};

fn guard(call: &Call) -> Answer {
    let mut targets: Vec<Target> = Vec::new();
    for target in call.targets("targets")? {
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    if targets.is_empty() {
        return Err(Error::usage("guard has no target to guard").into());
    }
    let body = closure(call, "body")?;
    let timeout = call.option_duration("timeout")?;
    let limit = call.option_duration("rollback_timeout")?.unwrap_or(ROLLBACK_TIMEOUT);
    let session = call.session;
    let with_config = call.option_bool("with_config") == Some(true);
    if with_config {
        for target in &targets {
            keep_config(call, target, session.settings().dry_run)?;
        }
    }
    let guard = session.guard(&targets, with_config)?;
    let deadline = timeout.map(|timeout| (session.deadline(timeout), timeout));
    let thrown = match body.call(Vec::new()) {
        Ok(value) => {
            guard.keep()?;
            return Ok(value);
        }
        Err(thrown) if halt(&thrown) == Some(Halt::Exit(0)) => {
            guard.keep()?;
            return Err(thrown);
        }
        Err(thrown) => match deadline {
            Some((deadline, timeout)) if halt(&thrown) == Some(Halt::Deadline(deadline.id())) => {
                let message = format!("timed out after {}", seconds(timeout));
                unwound(session, Error::timeout(message).fact("timeout_s", timeout.as_secs_f64())).into()
            }
            _ => thrown,
        },
    };
    let puttings = guard.put_back(limit).unwrap_or_else(|error| {
        session.screen().warn(&crate::render::fault::error(&error));
        Vec::new()
    });
    Err(rethrown(session, thrown, &puttings))
}

/// What was thrown, with what became of the targets.
fn rethrown(session: &Session, thrown: Box<EvalAltResult>, puttings: &[Putting]) -> Box<EvalAltResult> {
    let rolled_back = puttings.iter().all(Putting::is_back) && puttings.iter().any(|putting| putting.result == "put back");
    let rollback = serde_json::to_value(puttings).unwrap_or_default();
    if halt(&thrown).is_some() {
        // A halt carries nothing; who turns it into an error asks for this.
        session.guards().unwind(rolled_back, rollback);
        return thrown;
    }
    let position = thrown.unwrap_inner().position();
    let mut known = error(&thrown);
    if puttings.iter().any(|putting| putting.result == "failed") && session.settings().state.is_some() {
        known = known.hint("not everything could be put back: rollsh recover tries again");
    }
    let mut value = known.fact("rolled_back", rolled_back).fact("rollback", rollback).to_value();
    if value.get("line").is_none() {
        value["line"] = position.line().into();
        value["column"] = position.position().into();
    }
    Box::new(EvalAltResult::ErrorRuntime(dynamic(&value), position))
}

/// An error that stands for a halt, with what guards inside did about it.
pub(super) fn unwound(session: &Session, error: Error) -> Error {
    match session.guards().take_unwound() {
        Some((rolled_back, rollback)) => error.fact("rolled_back", rolled_back).fact("rollback", rollback),
        None => error,
    }
}
