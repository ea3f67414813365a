//! `apply`: manifests, server-side.

use std::path::Path;

use rhai::{Dynamic, EvalAltResult};
use serde_json::Value;

use super::{OPTIONS, WRITE_ERRORS, made_value, terms};
use crate::cluster::read::Selection;
use crate::cluster::write::FIELD_MANAGER;
use crate::error::{Error, ErrorKind, Result};
use crate::functions::call::Call;
use crate::functions::function::{Answer, Body, Example, Function, Kind, Opt, Param};
use crate::functions::manifest;
use crate::resource::{Resource, Target};
use crate::rollout::change::{Change, Request};
use crate::rollout::{apply, delete};
use crate::session::Stop;

pub const APPLY: Function = Function {
    name: "apply",
    params: &[Param::new("source", Kind::Text), OPTIONS],
    options: terms![
        Opt { name: "force", kind: Kind::Bool, summary: "take fields over from other field managers" },
        Opt {
            name: "prune_selector",
            kind: Kind::Text,
            summary: "then delete what this label selector fits, rollsh applied earlier and the source no longer has (needs --allow delete)"
        },
    ],
    returns: "Change, or an array of them when there are several objects",
    summary: "Applies manifests server-side, with field manager rollsh: a file, a directory, or YAML text.",
    details: "A directory means its .yaml, .yml and .json files in the order of their names. Everything is read and checked before anything is sent. \
              A script may read manifests beside itself; others need --allow read.",
    errors: WRITE_ERRORS,
    examples: &[
        Example {
            script: r#"apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: motd}, data: {text: hello}}"); print(object("cm/motd").data.text)"#,
            prints: "hello\n",
        },
        Example {
            script: r#"let cm = |name| `{apiVersion: v1, kind: ConfigMap, metadata: {name: ${name}, labels: {set: a}}}`;
apply(cm.call("one") + "\n---\n" + cm.call("two"));
for c in apply(cm.call("two"), #{prune_selector: "set=a"}) { print(`${c.target} ${c.changed}`) }"#,
            prints: "configmap/two false\nconfigmap/one true\n",
        },
    ],
    source: "kubectl apply --server-side",
    body: Body::Flow(apply_all),
};

fn apply_all(call: &Call) -> Answer {
    let source = call.text("source").unwrap_or_default();
    let force = call.option_bool("force").unwrap_or(false);
    let changes = decided(call, &source, force, "apply")?;
    let pruned = match call.option_text("prune_selector") {
        Some(selector) => left_over(call, &selector, &changes)?,
        None => Vec::new(),
    };
    let several = changes.len() + pruned.len() > 1;
    let mut made = Vec::new();
    for change in changes.into_iter().chain(pruned) {
        made.push(made_value(call.session, &call.make(change)?));
    }
    Ok(if several { Dynamic::from_array(made) } else { made.pop().unwrap_or_default() })
}

/// The changes that applying a source comes to, in its order; everything is read and checked before anything is sent.
fn decided(call: &Call, source: &str, force: bool, what: &str) -> Result<Vec<Change>, Box<EvalAltResult>> {
    let manifests = read_manifests(call, source, what)?;
    if manifests.is_empty() {
        return Err(Error::invalid(format!("nothing to {what}: no object in the source")).into());
    }
    let cluster = call.cluster()?;
    let decide = |(place, manifest): &manifest::Manifest| {
        let target = manifest_target(call, place, manifest)?;
        let before = call.wait(async {
            match cluster.get(&target).await {
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(Value::Null),
                other => other,
            }
        })?;
        Ok(apply::apply(&target, &before, manifest, force)?)
    };
    manifests.iter().map(decide).collect()
}

/// Each object of a source as it is, and as it would be when the source was applied.
pub fn desired(call: &Call, source: &str) -> Result<Vec<(Value, Value)>, Box<EvalAltResult>> {
    let changes = decided(call, source, true, "diff")?;
    changes
        .into_iter()
        .map(|change| {
            let after = match call.session.rehearse(&change) {
                Err(Stop::Error(error)) if error.kind() == ErrorKind::Forbidden => change.predicted()?,
                other => other?,
            };
            Ok((change.before, after))
        })
        .collect()
}

/// Whether a text is manifests, or names a file of them, and not a target.
pub fn is_manifest(text: &str) -> bool {
    let is_file = |ending: &str| text.to_lowercase().ends_with(ending);
    is_text(text) || [".yaml", ".yml", ".json"].into_iter().any(is_file) || Path::new(text).is_dir()
}

fn is_text(source: &str) -> bool {
    source.contains('\n') || source.contains(": ") || source.trim_start().starts_with('{')
}

/// Deletions of what the selector fits, rollsh applied earlier, and the source no longer has.
fn left_over(call: &Call, selector: &str, applied: &[Change]) -> Result<Vec<Change>, Box<EvalAltResult>> {
    if selector.trim().is_empty() {
        return Err(Error::usage("option \"prune_selector\" of apply is empty").hint("name the label of what belongs together, as in \"app=web\"").into());
    }
    // Before anything is applied: half of it would be worse than none.
    if let Some(change) = applied.first() {
        call.session.policy().check_change(&Change { request: Request::Delete { propagation: "Background" }, ..change.clone() })?;
    }
    let mut resources: Vec<Resource> = PRUNED.iter().filter_map(|kind| Resource::known(kind).cloned()).collect();
    let mut namespaces: Vec<Option<String>> = Vec::new();
    for change in applied {
        if !resources.contains(&change.target.resource) {
            resources.push(change.target.resource.clone());
        }
        if change.target.namespace.is_some() && !namespaces.contains(&change.target.namespace) {
            namespaces.push(change.target.namespace.clone());
        }
    }
    let cluster = call.cluster()?;
    let mut changes = Vec::new();
    for resource in &resources {
        let places = if resource.namespaced { namespaces.clone() } else { vec![None] };
        for namespace in places.into_iter().filter(|_| resource.namespaced || applied.iter().any(|change| change.target.resource == *resource)) {
            let selection = Selection { namespace, labels: Some(selector.to_owned()), ..Selection::default() };
            for object in call.wait(async { cluster.list(resource, &selection).await })? {
                let target = Target::new(resource, selection.namespace.as_deref(), object["metadata"]["name"].as_str().unwrap_or_default());
                if is_applied_by_us(&object) && !applied.iter().any(|change| change.target == target) {
                    let mut change = delete::delete(&target, &object, "Background")?;
                    change.verb = "apply";
                    change.done = change.done.replacen(" deleted", " pruned", 1);
                    changes.push(change.pinned());
                }
            }
        }
    }
    Ok(changes)
}

/// Kinds that are looked through for what is left over, beside those that are applied.
const PRUNED: &[&str] = &["configmaps", "secrets", "services", "serviceaccounts", "deployments", "statefulsets", "daemonsets", "jobs", "cronjobs"];

/// What other tools or people made is not ours to prune.
fn is_applied_by_us(object: &Value) -> bool {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    entries.into_iter().any(|entry| entry["manager"] == FIELD_MANAGER && entry["operation"] == "Apply")
}

fn manifest_target(call: &Call, place: &str, manifest: &Value) -> Result<Target, Box<EvalAltResult>> {
    let field = |value: &Value, name: &str| {
        value.as_str().filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(|| Error::invalid(format!("{place}: {name} is missing")))
    };
    let (api_version, kind) = (field(&manifest["apiVersion"], "apiVersion")?, field(&manifest["kind"], "kind")?);
    let name = field(&manifest["metadata"]["name"], "metadata.name")?;
    let resource = match Resource::of_object(manifest) {
        Some(known) => known.clone(),
        None => {
            let cluster = call.cluster()?;
            call.wait(async { cluster.resource_of(&api_version, &kind).await })?
        }
    };
    let target = Target::new(&resource, manifest["metadata"]["namespace"].as_str(), &name);
    Ok(call.session.located(target)?)
}

fn read_manifests(call: &Call, source: &str, what: &str) -> Result<Vec<manifest::Manifest>> {
    if source.trim().is_empty() {
        return Err(Error::usage(format!("nothing to {what}: the source is empty")).hint("a file, a directory, or YAML text"));
    }
    if is_text(source) {
        return manifest::parse("the given text", source);
    }
    let path = Path::new(source);
    call.session.policy().check_manifest(path, what)?;
    manifest::read(path)
}
