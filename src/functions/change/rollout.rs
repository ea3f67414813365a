//! How a rollout goes: `pause`, `resume`, `restart`, `scale`, `set_strategy`, `unstick`.

use rhai::EvalAltResult;

use super::{OPTIONS, RETURNS, TARGET, WRITE_ERRORS, made_value, object_of, settled, terms, workload};
use crate::cluster::read::Selection;
use crate::error::{Error, ErrorKind, Result};
use crate::functions::call::Call;
use crate::functions::function::{Answer, Body, Example, Function, Kind, Opt, Param};
use crate::functions::value::json;
use crate::resource::{HORIZONTAL_POD_AUTOSCALER, Target};
use crate::rollout::strategy::{self, Strategy};
use crate::rollout::{pause, restart, rival, scale, unstick};
use crate::session::make::Terms;

pub const PAUSE: Function = Function {
    name: "pause",
    params: &[TARGET, OPTIONS],
    options: terms![],
    returns: RETURNS,
    summary: "Pauses a Deployment: later edits of its template start no rollout until `resume`.",
    details: "Pods already being replaced stay as they are, old and new ones side by side. Only Deployments can be paused; set_strategy with a partition holds a StatefulSet midway.",
    errors: WRITE_ERRORS,
    examples: &[
        Example { script: r#"pause("deploy/web"); print(status("deploy/web").paused)"#, prints: "true\n" },
        Example { script: r#"try { pause("ds/agent") } catch (e) { print(e.hints[0]) }"#, prints: "only Deployments can be paused\n" },
    ],
    source: "kubectl rollout pause",
    body: Body::Change(|call| Ok(pause::pause(&workload(call)?)?)),
};

pub const RESUME: Function = Function {
    name: "resume",
    params: &[TARGET, OPTIONS],
    options: terms![],
    returns: RETURNS,
    summary: "Resumes a paused Deployment: what was edited meanwhile starts to roll out, as one rollout.",
    details: "",
    errors: WRITE_ERRORS,
    examples: &[Example {
        script: r#"pause("deploy/web"); set_image("deploy/web", "web=shop/web:4"); resume("deploy/web"); print(wait("deploy/web").outcome)"#,
        prints: "complete\n",
    }],
    source: "kubectl rollout resume",
    body: Body::Change(|call| Ok(pause::resume(&workload(call)?)?)),
};

pub const RESTART: Function = Function {
    name: "restart",
    params: &[TARGET, OPTIONS],
    options: terms![],
    returns: RETURNS,
    summary: "Replaces all pods of a workload by new ones, as a rollout: the template gets an annotation with the time.",
    details: "Refuses a paused Deployment, and a second restart within the same second.",
    errors: &[ErrorKind::NotFound, ErrorKind::Paused, ErrorKind::Invalid, ErrorKind::Conflict, ErrorKind::Denied, ErrorKind::Forbidden],
    examples: &[
        Example { script: r#"restart("deploy/web"); print(wait("deploy/web").outcome)"#, prints: "complete\n" },
        Example { script: r#"restart("ds/agent"); print(wait("ds/agent").outcome)"#, prints: "complete\n" },
    ],
    source: "kubectl rollout restart",
    body: Body::Change(|call| Ok(restart::restart(&workload(call)?, call.session.clock().now())?)),
};

pub const SCALE: Function = Function {
    name: "scale",
    params: &[TARGET, Param::new("replicas", Kind::Int), OPTIONS],
    options: terms![],
    returns: RETURNS,
    summary: "Sets how many pods there shall be, of a Deployment, a StatefulSet, a ReplicaSet or anything that has a scale.",
    details: "Warns when an autoscaler will set the number again. A DaemonSet has no replicas.",
    errors: WRITE_ERRORS,
    examples: &[
        Example { script: r#"scale("deploy/web", 5); print(wait("deploy/web").status.ready)"#, prints: "5\n" },
        Example { script: r#"try { scale("ds/agent", 2) } catch (e) { print(e.message) }"#, prints: "daemonset/agent has no replicas\n" },
    ],
    source: "kubectl scale",
    body: Body::Change(|call| {
        let target = call.target("target")?;
        let replicas = call.int("replicas").unwrap_or_default();
        let mut change = scale::scale(&target, &object_of(call, &target)?, replicas)?;
        if !change.does_nothing()
            && let Some(warning) = autoscaled(call, &target)?
        {
            change.warnings = vec![warning];
        }
        Ok(change)
    }),
};

/// Who may not look is not warned, and scales all the same.
fn autoscaled(call: &Call, target: &Target) -> Result<Option<String>, Box<EvalAltResult>> {
    let cluster = call.cluster()?;
    let all = Selection { namespace: target.namespace.clone(), ..Selection::default() };
    let found = call.wait(async { Ok(cluster.list(&HORIZONTAL_POD_AUTOSCALER, &all).await.unwrap_or_default()) })?;
    Ok(rival::autoscaled(target, &found))
}

const SHARE: &str = "a count, 1, or a percentage, \"25%\"";

pub const SET_STRATEGY: Function = Function {
    name: "set_strategy",
    params: &[TARGET, Param::new("options", Kind::Options)],
    options: terms![
        Opt {
            name: "type",
            kind: Kind::Text,
            summary: "\"RollingUpdate\", \"Recreate\" (Deployment) or \"OnDelete\" (StatefulSet, DaemonSet): holds a rollout midway"
        },
        Opt { name: "max_surge", kind: Kind::Any, summary: "how many pods over the desired number (Deployment, DaemonSet): a count or a percentage" },
        Opt { name: "max_unavailable", kind: Kind::Any, summary: "how many pods may be missing: a count or a percentage" },
        Opt { name: "partition", kind: Kind::Int, summary: "pods with a lower ordinal keep their revision (StatefulSet): holds a rollout midway" },
        Opt { name: "min_ready", kind: Kind::Duration, summary: "how long a new pod must be ready before it counts" },
        Opt { name: "progress_deadline", kind: Kind::Duration, summary: "how long without progress until a rollout counts as stalled (Deployment)" },
    ],
    returns: RETURNS,
    summary: "Sets how fast a rollout goes, where it stops, and when it counts as stuck.",
    details: "A setting that the kind does not have is refused, with the kinds that have it. Starts no rollout by itself.",
    errors: WRITE_ERRORS,
    examples: &[
        Example {
            script: r#"set_strategy("deploy/web", #{max_surge: 1, max_unavailable: 0}); print(object("deploy/web").spec.strategy.rollingUpdate.maxSurge)"#,
            prints: "1\n",
        },
        Example {
            script: r#"set_strategy("sts/db", #{partition: 2}); set_image("sts/db", "db=shop/db:17"); print(wait("sts/db").status.updated)"#,
            prints: "1\n",
        },
        Example {
            script: r#"set_strategy("ds/agent", #{type: "OnDelete"}); set_image("ds/agent", "agent=shop/agent:3"); print(wait("ds/agent").status.updated)"#,
            prints: "0\n",
        },
        Example {
            script: r#"try { set_strategy("deploy/web", #{partition: 1}) } catch (e) { print(e.hints[0]) }"#,
            prints: "partition is a setting of: StatefulSet\n",
        },
    ],
    source: "a patch of spec.strategy or spec.updateStrategy; kubectl has no verb for it",
    body: Body::Change(|call| Ok(strategy::set_strategy(&workload(call)?, &settings(call)?)?)),
};

fn settings(call: &Call) -> Result<Strategy> {
    let seconds = |name: &str| -> Result<Option<i64>> {
        let Some(duration) = call.option_duration(name)? else { return Ok(None) };
        if duration.subsec_nanos() != 0 {
            return Err(Error::usage(format!("option {name:?} of set_strategy takes whole seconds, not {}", duration.as_secs_f64())));
        }
        Ok(Some(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)))
    };
    let share = |name: &str| -> Result<Option<serde_json::Value>> {
        match call.option(name) {
            Some(value) if value.is_int() || value.is_string() => Ok(Some(json(value))),
            Some(value) => Err(Error::usage(format!("option {name:?} of set_strategy cannot be {}", crate::functions::call::described(value))).hint(SHARE)),
            None => Ok(None),
        }
    };
    Ok(Strategy {
        kind: call.option_text("type"),
        max_surge: share("max_surge")?,
        max_unavailable: share("max_unavailable")?,
        partition: call.option_int("partition"),
        min_ready_s: seconds("min_ready")?,
        progress_deadline_s: seconds("progress_deadline")?,
    })
}

pub const UNSTICK: Function = Function {
    name: "unstick",
    params: &[TARGET, OPTIONS],
    options: terms![],
    returns: "Change, of the pod that was deleted; of the StatefulSet, unchanged, when nothing was stuck",
    summary: "Deletes the one broken pod that keeps an OrderedReady StatefulSet from following its own rollback, and only that pod.",
    details: "Such a StatefulSet waits for a pod to become ready before it looks at templates, so a pod that an earlier template broke stays after `undo`. \
              The delete holds only for that very pod; a pod that already has the live template is left alone, since deleting it would not help. Needs no --allow delete: its controller makes the pod again.",
    errors: WRITE_ERRORS,
    examples: &[
        Example { script: r#"print(unstick("sts/db").changed)"#, prints: "false\n" },
        Example {
            script: r#"set_image("sts/db", "db=shop/db:17-badpull"); try { wait("sts/db", #{pull_grace: "2s"}) } catch (e) { undo("sts/db") }
print(unstick("sts/db").target); print(wait("sts/db").outcome)"#,
            prints: "pod/db-2\ncomplete\n",
        },
        Example { script: r#"try { unstick("deploy/web") } catch (e) { print(e.hints[0]) }"#, prints: "only OrderedReady StatefulSets do\n" },
    ],
    source: "kubectl delete pod, of the right one",
    body: Body::Flow(unstick_one),
};

/// The terms are about the StatefulSet, the change is about its pod.
fn unstick_one(call: &Call) -> Answer {
    let target = call.target("target")?;
    // Before, nothing tells which pods are in its way.
    let snapshot = settled(call, &target)?;
    let terms = call.terms();
    call.session.check_terms(&snapshot.workload.target(), snapshot.workload.object(), terms)?;
    let change = unstick::unstick(&snapshot)?;
    Ok(made_value(call.session, &call.session.make(&change, Terms { dry_run: terms.dry_run, ..Terms::default() })?))
}
