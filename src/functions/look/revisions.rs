//! Revisions: `history` and `diff`.

use rhai::{Dynamic, EvalAltResult};
use serde_json::{Value, json};

use super::{READ_ERRORS, TARGET};
use crate::error::{Error, Result};
use crate::functions::call::{Call, described};
use crate::functions::change::{desired, is_manifest};
use crate::functions::function::{Answer, Body, Example, Function, Kind, Param};
use crate::functions::show::{block, rows_with_tables, with_text};
use crate::functions::value::shape;
use crate::render::screen::Text;
use crate::render::{account, describe, diff};
use crate::rollout::history::Revision;
use crate::rollout::object::result_name;
use crate::rollout::workload::{Kind as WorkloadKind, Snapshot};
use crate::rollout::{config, history, template};

pub const HISTORY: Function = Function {
    name: "history",
    params: &[TARGET, Param::optional("revision", Kind::Int)],
    options: &[],
    returns: "array of maps, oldest first: revision, change_cause, images, created, age_s, current, replicas, ready, owner, template, completed, changes, config",
    summary: "Lists the revisions of a workload with images, times and change causes; with a number: that one.",
    details: "`changes` says what is new in the template since the revision before. `current` is the revision whose template is live now. `completed` is () where nothing tells whether the rollout ever completed. \
              `config` has a map for each ConfigMap and Secret that the template refers to: object, hash, at, kept, now, changed. The hash is of what it held when we saw the rollout complete or made a checkpoint, \
              at that time; () where we did neither, since Kubernetes keeps no history of them. `kept` names the copy, `now` is the hash of what it holds now, `changed` whether that differs.",
    errors: READ_ERRORS,
    examples: &[
        Example {
            script: r#"for r in history("deploy/web") { print(`${r.revision} ${r.images.web}`) }"#,
            prints: "1 shop/web:1\n2 shop/web:2\n3 shop/web:3\n",
        },
        Example {
            script: r#"for r in history("sts/db") { print(`${r.revision} ${r.change_cause} ${r.changes}`) }"#,
            prints: "1 db 15: the first data []\n2 db 16: the yearly upgrade [\"image db: shop/db:15 -> shop/db:16\"]\n",
        },
        Example { script: r#"print(history("ds/agent", 1).images.agent)"#, prints: "shop/agent:1\n" },
        Example {
            script: r#"try { history("deploy/web", 9) } catch (e) { print(`${e.kind}: ${e.hints[0]}`) }"#,
            prints: "not_found: its revisions: 1, 2, 3\n",
        },
    ],
    source: "kubectl rollout history",
    body: Body::Read(get_history),
};

fn get_history(call: &Call) -> Answer {
    let target = call.target("target")?;
    let snapshot = call.lineage(&target)?;
    let now = call.session.clock().now();
    if let Some(number) = call.int("revision") {
        let mut found = [history::revision(&snapshot, number, now)?];
        with_config(call, &snapshot, &mut found)?;
        let [revision] = found;
        let mut text = format!("{} with revision #{number}\n{}", result_name(&target), describe::pod_template(&as_kubectl_prints(&snapshot, &revision)));
        for change in &revision.changes {
            text.push_str(&format!("Changed:\t{change}\n"));
        }
        for held in &revision.config {
            text.push_str(&format!("Config:\t{}\n", account::held(held, revision.current)));
        }
        return Ok(with_text(call.session, shape(&revision), Text::plain(text)));
    }
    let mut revisions = history::history(&snapshot, now);
    with_config(call, &snapshot, &mut revisions)?;
    let table = account::history(&revisions);
    Ok(rows_with_tables(call.session, || revisions.iter().map(shape).collect(), vec![block(table)]))
}

/// kubectl shows a Deployment's change cause as if it were an annotation of the template.
fn as_kubectl_prints(snapshot: &Snapshot, revision: &Revision) -> Value {
    let mut template = revision.template.clone();
    if let Some(cause) = revision.change_cause.as_ref().filter(|_| snapshot.workload.kind() == WorkloadKind::Deployment) {
        json_patch::merge(&mut template, &json!({"metadata": {"annotations": {history::CHANGE_CAUSE: cause}}}));
    }
    template
}

/// Looks at what the revisions' templates refer to; asks nothing where they refer to nothing.
fn with_config(call: &Call, snapshot: &Snapshot, revisions: &mut [Revision]) -> Result<(), Box<EvalAltResult>> {
    let references = revisions.iter().flat_map(|revision| config::references(&revision.template)).collect();
    let config = call.session.config(&snapshot.workload, references)?;
    config::fill(revisions, snapshot, &config);
    Ok(())
}

pub const DIFF: Function = Function {
    name: "diff",
    params: &[TARGET, Param::optional("from", Kind::Any), Param::optional("to", Kind::Any)],
    options: &[],
    returns: "string: a unified diff, empty when there is no difference",
    summary: "Shows what differs between two revisions' templates, or between a revision and \"live\"; of a file: what applying it would change.",
    details: "With one revision: from it to live. With none: from the revision before to live. A file, a directory or YAML text in place of the target \
              is compared with the live objects, as the API server would merge it (a dry run of apply; without the right to apply, as far as can be told without).",
    errors: READ_ERRORS,
    examples: &[
        Example { script: r#"let d = diff("deploy/web", 1, 3); print(d.contains("shop/web:1") && d.contains("shop/web:3"))"#, prints: "true\n" },
        Example { script: r#"print(diff("deploy/web", 3, "live") == "")"#, prints: "true\n" },
        Example { script: r#"print(diff("sts/db", 1).contains("+  - image: shop/db:16"))"#, prints: "true\n" },
        Example {
            script: r#"print(diff("{apiVersion: v1, kind: ConfigMap, metadata: {name: motd}, data: {text: hello}}").contains("+  text: hello"))"#,
            prints: "true\n",
        },
    ],
    source: "kubectl diff, and kubectl rollout history --revision twice",
    body: Body::Flow(diff_of),
};

fn diff_of(call: &Call) -> Answer {
    if let Some(source) = call.text("target").filter(|text| call.arg("from").is_none() && is_manifest(text)) {
        let mut text = String::new();
        for (before, after) in desired(call, &source)? {
            text.push_str(&diff::of_change(&before, &after));
        }
        return Ok(text.into());
    }
    let target = call.target("target")?;
    let snapshot = call.lineage(&target)?;
    let (from, to) = match (call.arg("from"), call.arg("to")) {
        (None, _) => (previous(&snapshot)?, (live(&snapshot), "live".to_owned())),
        (Some(from), None) => (side(call, &snapshot, from)?, (live(&snapshot), "live".to_owned())),
        (Some(from), Some(to)) => (side(call, &snapshot, from)?, side(call, &snapshot, to)?),
    };
    Ok(diff::unified(&from.0, &to.0, &format!("{target} {}", from.1), &format!("{target} {}", to.1)).into())
}

fn live(snapshot: &Snapshot) -> Value {
    template::bare(snapshot.workload.template())
}

/// The newest revision that is not the live one.
fn previous(snapshot: &Snapshot) -> Result<(Value, String), Box<EvalAltResult>> {
    let entries = history::history(snapshot, jiff::Timestamp::UNIX_EPOCH);
    let target = snapshot.workload.target();
    let before = entries.iter().rev().find(|entry| !template::same(&entry.template, snapshot.workload.template()));
    let before = before.ok_or_else(|| Error::no_revision(format!("{target} has no revision before the live one")).target(&target))?;
    Ok((template::bare(&before.template), format!("revision {}", before.revision)))
}

/// A revision's number, or `"live"`.
fn side(call: &Call, snapshot: &Snapshot, given: &Dynamic) -> Result<(Value, String), Box<EvalAltResult>> {
    if given.clone().into_string().is_ok_and(|text| text == "live") {
        return Ok((live(snapshot), "live".to_owned()));
    }
    let number =
        given.as_int().map_err(|_| Error::usage(format!("diff compares revisions, not {}", described(given))).hint("a revision's number, or \"live\""))?;
    let revision = history::revision(snapshot, number, call.session.clock().now())?;
    Ok((template::bare(&revision.template), format!("revision {number}")))
}
