//! Change: functions that decide a `Change`, which the host then makes with policy, dry run and journal.

use std::path::Path;

use rhai::{Array, Dynamic, EvalAltResult, Map};
use serde_json::Value;

use super::call::{Call, described};
use super::function::{Answer, Body, Example, Function, Group, Kind, Opt, Param};
use super::manifest;
use super::show::with_text;
use super::value::{json, shape};
use crate::error::{Error, ErrorKind, Result};
use crate::render::diff;
use crate::render::screen::{Text, Tone};
use crate::resource::{Resource, Target};
use crate::rollout::change::Change;
use crate::rollout::undo::To;
use crate::rollout::workload::Workload;
use crate::rollout::{apply, delete, image, metadata, patch, undo};
use crate::session::Session;
use crate::session::make::Made;

pub const GROUP: Group = Group { name: "change", summary: "new images, going back, annotations, manifests", functions: FUNCTIONS };

const TARGET: Param = Param::new("target", Kind::Target);
const OPTIONS: Param = Param::optional("options", Kind::Options);

/// The options that every changing function takes: the array must be written out, since constants cannot be joined.
macro_rules! terms {
    ($($more:expr),* $(,)?) => {
        &[
            $($more,)*
            Opt { name: "dry_run", kind: Kind::Bool, summary: "send it with dryRun=All: show the diff, change nothing" },
            Opt { name: "if_generation", kind: Kind::Int, summary: "refuse with conflict when the object is at another generation" },
            Opt { name: "if_revision", kind: Kind::Int, summary: "refuse with conflict when the workload is at another revision" },
        ]
    };
}

const CHANGE_CAUSE: Opt = Opt { name: "change_cause", kind: Kind::Text, summary: "what history shows for the new revision" };
const RETURNS: &str = "Change: verb, target, changed, dry_run, diff, generation";
const WRITE_ERRORS: &[ErrorKind] =
    &[ErrorKind::NotFound, ErrorKind::Conflict, ErrorKind::Invalid, ErrorKind::Denied, ErrorKind::Forbidden, ErrorKind::Unauthorized, ErrorKind::Unreachable];

const FUNCTIONS: &[Function] = &[
    Function {
        name: "set_image",
        params: &[TARGET, Param::new("images", Kind::Any), OPTIONS],
        options: terms![CHANGE_CAUSE],
        returns: RETURNS,
        summary: "Puts out new images: \"web=shop/web:2\", several as an array, or a map #{web: \"shop/web:2\"}; * means all containers.",
        details: "Init containers count too. The same image again changes nothing and sends nothing.",
        errors: WRITE_ERRORS,
        examples: &[Example { script: r#"print(set_image("deploy/web", "web=shop/web:4").changed)"#, prints: "true\n" }],
        source: "kubectl set image",
        body: Body::Change(|call| {
            let target = call.target("target")?;
            let images = images(call)?;
            let workload = workload(call, &target)?;
            Ok(image::set_image(&workload, &images, call.option_text("change_cause").as_deref())?)
        }),
    },
    Function {
        name: "undo",
        params: &[TARGET, Param::optional("revision", Kind::Int), OPTIONS],
        options: terms![Opt {
            name: "to",
            kind: Kind::Any,
            summary: "a revision, \"previous\", or \"last_good\": the newest earlier revision whose rollout is known to have completed"
        },],
        returns: RETURNS,
        summary: "Goes back to an earlier template: the previous one, or a revision.",
        details: "The write carries the version that it was decided on: when somebody changed the workload meanwhile it is refused with conflict and nothing is overwritten. \
                  Previous is relative to the template that is live now, so it never goes one too far back. Annotations that others put on the workload stay.",
        errors: &[ErrorKind::NotFound, ErrorKind::NoRevision, ErrorKind::Paused, ErrorKind::Conflict, ErrorKind::Denied, ErrorKind::Forbidden],
        examples: &[
            Example { script: r#"undo("deploy/web"); print(object("deploy/web").spec.template.spec.containers[0].image)"#, prints: "shop/web:2\n" },
            Example { script: r#"try { undo("deploy/web", 9) } catch (e) { print(e.kind) }"#, prints: "no_revision\n" },
        ],
        source: "kubectl rollout undo, with a precondition",
        body: Body::Change(|call| {
            let target = call.target("target")?;
            let to = undo_to(call)?;
            Ok(undo::undo(&call.snapshot(&target)?, to)?)
        }),
    },
    Function {
        name: "annotate",
        params: &[TARGET, Param::new("annotations", Kind::Map), OPTIONS],
        options: terms![],
        returns: RETURNS,
        summary: "Sets annotations; () as a value removes the key.",
        details: "",
        errors: WRITE_ERRORS,
        examples: &[Example {
            script: r#"annotate("deploy/web", #{"example.com/owner": "shop"}); print(object("deploy/web").metadata.annotations["example.com/owner"])"#,
            prints: "shop\n",
        }],
        source: "kubectl annotate --overwrite",
        body: Body::Change(|call| {
            let target = call.target("target")?;
            let entries = call.arg("annotations").map(json).and_then(|value| value.as_object().cloned()).unwrap_or_default();
            let before = object(call, &target)?;
            Ok(metadata::annotate(&target, &before, &entries)?)
        }),
    },
    Function {
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
    },
    Function {
        name: "patch",
        params: &[TARGET, Param::new("patch", Kind::Map), OPTIONS],
        options: terms![],
        returns: RETURNS,
        summary: "Merges a map into an object: () removes a key, arrays are replaced whole.",
        details: "Keys are the API's own (camelCase).",
        errors: WRITE_ERRORS,
        examples: &[Example {
            script: r#"patch("deploy/web", #{spec: #{minReadySeconds: 5}}); print(object("deploy/web").spec.minReadySeconds)"#,
            prints: "5\n",
        }],
        source: "kubectl patch --type=merge",
        body: Body::Change(|call| {
            let target = call.target("target")?;
            let body = call.arg("patch").map(json).unwrap_or_default();
            let before = object(call, &target)?;
            Ok(patch::patch(&target, &before, &body)?)
        }),
    },
    Function {
        name: "delete",
        params: &[TARGET, OPTIONS],
        options: terms![Opt { name: "propagation", kind: Kind::Text, summary: "\"background\" (default), \"foreground\" or \"orphan\"" }],
        returns: RETURNS,
        summary: "Deletes an object and, unless told otherwise, what it owns.",
        details: "A script needs --allow delete.",
        errors: WRITE_ERRORS,
        examples: &[Example { script: r#"delete("deploy/web"); print(status("deploy/web").phase)"#, prints: "missing\n" }],
        source: "kubectl delete",
        body: Body::Change(|call| {
            let target = call.target("target")?;
            let propagation = match call.option_text("propagation").as_deref() {
                None | Some("background") => "Background",
                Some("foreground") => "Foreground",
                Some("orphan") => "Orphan",
                Some(other) => {
                    return Err(Error::usage(format!("unknown propagation {other:?}")).hint("one of \"background\", \"foreground\", \"orphan\"").into());
                }
            };
            let before = object(call, &target)?;
            Ok(delete::delete(&target, &before, propagation)?)
        }),
    },
];

fn workload(call: &Call, target: &Target) -> Result<Workload, Box<EvalAltResult>> {
    if crate::rollout::workload::Kind::of(&target.resource).is_none() {
        return Err(crate::session::follow::not_a_workload(target).into());
    }
    Ok(Workload::new(object(call, target)?)?)
}

fn object(call: &Call, target: &Target) -> Result<Value, Box<EvalAltResult>> {
    let cluster = call.cluster()?;
    call.wait(async { cluster.get(target).await })
}

/// `"web=shop/web:2"`, an array of such, or a map.
fn images(call: &Call) -> Result<Vec<(String, String)>> {
    let Some(given) = call.arg("images") else { return Ok(Vec::new()) };
    if let Some(map) = given.read_lock::<Map>() {
        let pair = |(name, image): (&rhai::Identifier, &Dynamic)| match image.clone().into_string() {
            Ok(image) => Ok((name.to_string(), image)),
            Err(_) => Err(Error::usage(format!("the image of {name} must be a string, not {}", described(image)))),
        };
        return map.iter().map(pair).collect();
    }
    let one = |item: &Dynamic| {
        let text = item.clone().into_string().map_err(|_| Error::usage(format!("an image must be a string \"container=image\", not {}", described(item))))?;
        match text.split_once('=') {
            Some((name, image)) if !name.is_empty() && !image.is_empty() => Ok((name.to_owned(), image.to_owned())),
            _ => {
                Err(Error::usage(format!("{text:?} does not say which container")).hint("write container=image, as in \"web=shop/web:2\", or *=image for all"))
            }
        }
    };
    match given.read_lock::<Array>() {
        Some(items) => items.iter().map(one).collect(),
        None => Ok(vec![one(given)?]),
    }
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
    for change in &changes {
        made.push(made_value(call.session, &call.session.make(change, call.terms())?));
    }
    match made.len() {
        1 => Ok(made.remove(0)),
        _ => Ok(Dynamic::from_array(made)),
    }
}

/// A change that was made, as a script sees it, and as its diff when it is shown.
pub fn made_value(session: &Session, made: &Made) -> Dynamic {
    let text = if made.diff.is_empty() { Text::of(Tone::Dim, "unchanged") } else { diff::styled(&made.diff) };
    with_text(session, shape(made), text)
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
