//! `apply`: manifests, server-side.

use std::path::Path;

use rhai::{Dynamic, EvalAltResult};
use serde_json::Value;

use super::{OPTIONS, WRITE_ERRORS, made_value, terms};
use crate::error::{Error, ErrorKind, Result};
use crate::functions::call::Call;
use crate::functions::function::{Answer, Body, Example, Function, Kind, Opt, Param};
use crate::functions::manifest;
use crate::resource::{Resource, Target};
use crate::rollout::apply;
use crate::rollout::change::Change;

pub const APPLY: Function = Function {
    name: "apply",
    params: &[Param::new("source", Kind::Text), OPTIONS],
    options: terms![Opt { name: "force", kind: Kind::Bool, summary: "take fields over from other field managers" }],
    returns: "Change, or an array of them when there are several objects",
    summary: "Applies manifests server-side, with field manager rollsh: a file, a directory, or YAML text.",
    details: "A directory means its .yaml, .yml and .json files in the order of their names. Everything is read and checked before anything is sent. \
              A script may read manifests beside itself; others need --allow read.",
    errors: WRITE_ERRORS,
    examples: &[Example {
        script: r#"apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: motd}, data: {text: hello}}"); print(object("cm/motd").data.text)"#,
        prints: "hello\n",
    }],
    source: "kubectl apply --server-side",
    body: Body::Flow(apply_all),
};

fn apply_all(call: &Call) -> Answer {
    let source = call.text("source").unwrap_or_default();
    let manifests = read_manifests(call, &source)?;
    if manifests.is_empty() {
        return Err(Error::invalid("nothing to apply: no object in the source").into());
    }
    let cluster = call.cluster()?;
    let force = call.option_bool("force").unwrap_or(false);
    let changes: Vec<Change> = manifests
        .iter()
        .map(|(place, manifest)| {
            let target = manifest_target(call, place, manifest)?;
            let before = call.wait(async {
                match cluster.get(&target).await {
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(Value::Null),
                    other => other,
                }
            })?;
            Ok(apply::apply(&target, &before, manifest, force)?)
        })
        .collect::<Result<_, Box<EvalAltResult>>>()?;
    let mut made = Vec::new();
    for change in changes {
        made.push(made_value(call.session, &call.make(change)?));
    }
    match made.len() {
        1 => Ok(made.remove(0)),
        _ => Ok(Dynamic::from_array(made)),
    }
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

fn read_manifests(call: &Call, source: &str) -> Result<Vec<manifest::Manifest>> {
    let is_text = source.contains('\n') || source.contains(": ") || source.trim_start().starts_with('{');
    if is_text {
        return manifest::parse("the given text", source);
    }
    let path = Path::new(source);
    call.session.policy().check_manifest(path, "apply")?;
    manifest::read(path)
}
