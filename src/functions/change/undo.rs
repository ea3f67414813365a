//! `undo`: an earlier template put back.

use super::{OPTIONS, RETURNS, TARGET, terms};
use crate::error::{Error, ErrorKind, Result};
use crate::functions::call::{Call, described};
use crate::functions::function::{Body, Example, Function, Kind, Opt, Param};
use crate::rollout::undo::{self, To};

pub const UNDO: Function = Function {
    name: "undo",
    params: &[TARGET, Param::optional("revision", Kind::Int), OPTIONS],
    options: terms![
        Opt {
            name: "to",
            kind: Kind::Any,
            summary: "a revision, \"previous\", or \"last_good\": the newest earlier revision whose rollout is known to have completed"
        },
        Opt { name: "resume", kind: Kind::Bool, summary: "resume a paused Deployment in the same write, in place of refusing it" },
    ],
    returns: RETURNS,
    summary: "Goes back to an earlier template: the previous one, or a revision.",
    details: "The write carries the version that it was decided on: when somebody changed the workload meanwhile it is refused with conflict and nothing is overwritten. \
              Previous is relative to the template that is live now, so it never goes one too far back. Annotations that others put on the workload stay. \
              Who else manages the workload and will undo the undo (kubectl apply, Argo CD, Flux, Helm, an operator) is named in a warning.",
    errors: &[ErrorKind::NotFound, ErrorKind::NoRevision, ErrorKind::Paused, ErrorKind::Conflict, ErrorKind::Denied, ErrorKind::Forbidden],
    examples: &[
        Example { script: r#"undo("deploy/web"); print(object("deploy/web").spec.template.spec.containers[0].image)"#, prints: "shop/web:2\n" },
        Example { script: r#"undo("sts/db"); print(object("sts/db").spec.template.spec.containers[0].image)"#, prints: "shop/db:15\n" },
        Example { script: r#"undo("ds/agent", 1); print(object("ds/agent").spec.template.spec.containers[0].image)"#, prints: "shop/agent:1\n" },
        Example { script: r#"try { undo("deploy/web", 9) } catch (e) { print(e.kind) }"#, prints: "no_revision\n" },
        Example { script: r#"pause("deploy/web"); undo("deploy/web", #{resume: true}); print(status("deploy/web").paused)"#, prints: "false\n" },
    ],
    source: "kubectl rollout undo, with a precondition",
    body: Body::Change(|call| {
        let target = call.target("target")?;
        let to = undo_to(call)?;
        let snapshot = call.snapshot(&target)?;
        Ok(match call.option_bool("resume") {
            Some(true) => undo::undo_and_resume(&snapshot, to)?,
            _ => undo::undo(&snapshot, to)?,
        })
    }),
};

fn undo_to(call: &Call) -> Result<To> {
    let option = call.option("to").cloned();
    match (call.int("revision"), option) {
        (Some(_), Some(_)) => Err(Error::usage("undo takes a revision or the option \"to\", not both")),
        (Some(revision), None) => Ok(To::Revision(revision)),
        (None, None) => Ok(To::Previous),
        (None, Some(to)) => match (to.as_int(), to.clone().into_string().as_deref()) {
            (Ok(revision), _) => Ok(To::Revision(revision)),
            (_, Ok("previous")) => Ok(To::Previous),
            (_, Ok("last_good")) => Ok(To::LastGood),
            _ => Err(Error::usage(format!("option \"to\" of undo cannot be {}", described(&to))).hint("a revision, \"previous\" or \"last_good\"")),
        },
    }
}
