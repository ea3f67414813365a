//! `undo` and `checkpoint`: an earlier template put back, and with it the configuration that was kept.

use rhai::EvalAltResult;

use super::{OPTIONS, RETURNS, TARGET, made_value, settled, terms};
use crate::error::{Error, ErrorKind, Result};
use crate::functions::call::{Call, described};
use crate::functions::function::{Answer, Body, Example, Function, Kind, Opt, Param};
use crate::resource::Target;
use crate::rollout::config;
use crate::rollout::undo::{self, To};
use crate::rollout::workload::Snapshot;
use crate::session::make::Made;

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
        Opt { name: "with_config", kind: Kind::Bool, summary: "put back the ConfigMaps and Secrets too that checkpoint() kept for that revision" },
    ],
    returns: RETURNS,
    summary: "Goes back to an earlier template: the previous one, or a revision.",
    details: "The write carries the version that it was decided on: when somebody changed the workload meanwhile it is refused with conflict and nothing is overwritten. \
              Previous is relative to the template that is live now, so it never goes one too far back. Annotations that others put on the workload stay. \
              Who else manages the workload and will undo the undo (kubectl apply, Argo CD, Flux, Helm, an operator) is named in a warning; so is a ConfigMap or Secret \
              that the template refers to and that is not what it was. With with_config those are put back first, each on the condition that nobody changed it meanwhile: \
              all or none, and taken back when the template cannot be put back. Every write is rehearsed before the first is sent.",
    errors: &[ErrorKind::NotFound, ErrorKind::NoRevision, ErrorKind::Paused, ErrorKind::Conflict, ErrorKind::Denied, ErrorKind::Forbidden],
    examples: &[
        Example { script: r#"undo("deploy/web"); print(object("deploy/web").spec.template.spec.containers[0].image)"#, prints: "shop/web:2\n" },
        Example { script: r#"undo("sts/db"); print(object("sts/db").spec.template.spec.containers[0].image)"#, prints: "shop/db:15\n" },
        Example { script: r#"undo("ds/agent", 1); print(object("ds/agent").spec.template.spec.containers[0].image)"#, prints: "shop/agent:1\n" },
        Example { script: r#"try { undo("deploy/web", 9) } catch (e) { print(e.kind) }"#, prints: "no_revision\n" },
        Example { script: r#"pause("deploy/web"); undo("deploy/web", #{resume: true}); print(status("deploy/web").paused)"#, prints: "false\n" },
        Example {
            script: r#"set_image("deploy/web", "web=shop/web:4-badpull"); undo("deploy/web", #{to: "last_good"}); print(status("deploy/web").images.web)"#,
            prints: "shop/web:3\n",
        },
    ],
    source: "kubectl rollout undo, with a precondition",
    body: Body::Flow(undo_one),
};

fn undo_one(call: &Call) -> Answer {
    let target = call.target("target")?;
    let to = undo_to(call)?;
    let snapshot = call.lineage(&target)?;
    let mut change = match call.option_bool("resume") {
        Some(true) => undo::undo_and_resume(&snapshot, to)?,
        _ => undo::undo(&snapshot, to)?,
    };
    let chosen = undo::chosen(&snapshot, to)?;
    let with_config = call.option_bool("with_config") == Some(true);
    // A revision that is live already is asked about only when its configuration shall come back.
    let references = if with_config || !change.does_nothing() { config::references(&chosen.template) } else { Default::default() };
    let config = call.session.config(&snapshot.workload, references)?;
    if !with_config {
        change.warnings.extend(config::warnings(&snapshot, &chosen, &config));
        return Ok(made_value(call.session, &call.make(change)?));
    }
    let before = config::put_back(&snapshot, &chosen, &config)?;
    if change.does_nothing() && !before.is_empty() {
        change.warnings.push(format!(
            "the template of {target} stays, so no pod is replaced: what containers read at their start they read again after restart(\"{target}\")"
        ));
    }
    let change = change.with_cause(call.option_text("change_cause").as_deref());
    Ok(made_value(call.session, &call.session.make_together(&before, &change, call.terms())?))
}

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

pub const CHECKPOINT: Function = Function {
    name: "checkpoint",
    params: &[TARGET, OPTIONS],
    options: terms![],
    returns: "Change of the workload, which itself is not changed; parts has one for each copy",
    summary: "Keeps copies of the ConfigMaps and Secrets that the live template refers to, for undo(target, #{with_config: true}).",
    details: "What containers read counts: env, envFrom, and the volumes configMap, secret and projected; not imagePullSecrets. Each copy is an immutable object of the same kind beside \
              its original, has the label rollsh.dev/checkpoint-of with the workload's uid, and belongs to the live revision's ReplicaSet or ControllerRevision: it goes when the history limit \
              takes that. Again with nothing changed makes nothing new; of several for one revision the newest counts. Copies hold what their originals hold: whoever may read Secrets can read them.",
    errors: &[ErrorKind::NotFound, ErrorKind::NoRevision, ErrorKind::Denied, ErrorKind::Forbidden, ErrorKind::Unreachable],
    examples: &[
        Example {
            script: r#"let c = checkpoint("deploy/web"); print(`${c.changed} ${c.parts.len()} ${checkpoint("deploy/web").changed}`)"#,
            prints: "true 1 false\n",
        },
        Example {
            script: r#"let settings = |mode| apply(`{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {mode: ${mode}}}`);
settings.call("calm");
patch("ds/agent", #{spec: #{template: #{spec: #{containers: [#{name: "agent", image: "shop/agent:2", envFrom: [#{configMapRef: #{name: "settings"}}]}]}}}});
wait("ds/agent", "60s");
checkpoint("ds/agent");
settings.call("wild"); set_image("ds/agent", "agent=shop/agent:3"); wait("ds/agent", "60s");
undo("ds/agent", #{with_config: true});
print(`${status("ds/agent").images.agent} ${object("cm/settings").data.mode}`)"#,
            prints: "shop/agent:2 calm\n",
        },
    ],
    source: "kubectl has nothing like it",
    body: Body::Flow(checkpoint),
};

fn checkpoint(call: &Call) -> Answer {
    let target = call.target("target")?;
    let snapshot = settled(call, &target)?;
    let terms = call.terms();
    call.session.check_terms(&target, snapshot.workload.object(), terms)?;
    Ok(made_value(call.session, &kept(call, &snapshot, terms.dry_run)?))
}

fn kept(call: &Call, snapshot: &Snapshot, dry_run: bool) -> Result<Made, Box<EvalAltResult>> {
    let config = call.session.config(&snapshot.workload, config::references(snapshot.workload.template()))?;
    let copies = config::checkpoint(snapshot, &config, call.session.clock().now())?;
    Ok(call.session.make_checkpoint(&snapshot.workload, &copies, dry_run)?)
}

/// As `checkpoint`, for who goes on to change the workload.
pub fn keep_config(call: &Call, target: &Target, dry_run: bool) -> Result<(), Box<EvalAltResult>> {
    let snapshot = settled(call, target)?;
    kept(call, &snapshot, dry_run).map(|_| ())
}
