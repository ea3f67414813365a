//! Any object: `annotate`, `label`, `patch`, `delete`.

use super::{OPTIONS, RETURNS, TARGET, WRITE_ERRORS, map, object_of, terms};
use crate::error::Error;
use crate::functions::function::{Body, Example, Function, Kind, Opt, Param};
use crate::functions::value::json;
use crate::rollout::{delete, metadata, patch};

pub const ANNOTATE: Function = Function {
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
        let before = object_of(call, &target)?;
        Ok(metadata::annotate(&target, &before, &map(call, "annotations"))?)
    }),
};

pub const LABEL: Function = Function {
    name: "label",
    params: &[TARGET, Param::new("labels", Kind::Map), OPTIONS],
    options: terms![],
    returns: RETURNS,
    summary: "Sets labels of an object, not of its template: no rollout starts; () as a value removes the key.",
    details: "",
    errors: WRITE_ERRORS,
    examples: &[
        Example { script: r#"label("deploy/web", #{tier: "front"}); print(get("deploy", #{selector: "tier=front"})[0].name)"#, prints: "web\n" },
        Example { script: r#"try { label("sts/db", #{tier: "not a value"}) } catch (e) { print(e.kind) }"#, prints: "invalid\n" },
    ],
    source: "kubectl label --overwrite",
    body: Body::Change(|call| {
        let target = call.target("target")?;
        Ok(metadata::label(&target, &object_of(call, &target)?, &map(call, "labels"))?)
    }),
};

pub const PATCH: Function = Function {
    name: "patch",
    params: &[TARGET, Param::new("patch", Kind::Map), OPTIONS],
    options: terms![],
    returns: RETURNS,
    summary: "Merges a map into an object: () removes a key, arrays are replaced whole.",
    details: "Keys are the API's own (camelCase).",
    errors: WRITE_ERRORS,
    examples: &[Example { script: r#"patch("deploy/web", #{spec: #{minReadySeconds: 5}}); print(object("deploy/web").spec.minReadySeconds)"#, prints: "5\n" }],
    source: "kubectl patch --type=merge",
    body: Body::Change(|call| {
        let target = call.target("target")?;
        let body = call.arg("patch").map(json).unwrap_or_default();
        let before = object_of(call, &target)?;
        Ok(patch::patch(&target, &before, &body)?)
    }),
};

pub const DELETE: Function = Function {
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
        let before = object_of(call, &target)?;
        Ok(delete::delete(&target, &before, propagation)?)
    }),
};
