//! `set_image`, `set_env` and `set_resources`: edits of a template's containers.

use rhai::{Array, Dynamic, Map};

use super::{CONTAINER, OPTIONS, RETURNS, TARGET, WRITE_ERRORS, map, terms, workload};
use crate::error::{Error, Result};
use crate::functions::call::{Call, described};
use crate::functions::function::{Body, Example, Function, Kind, Param};
use crate::rollout::{env, image, resources};

pub const SET_IMAGE: Function = Function {
    name: "set_image",
    params: &[TARGET, Param::new("images", Kind::Any), OPTIONS],
    options: terms![],
    returns: RETURNS,
    summary: "Puts out new images: \"web=shop/web:2\", several as an array, or a map #{web: \"shop/web:2\"}; * means all containers.",
    details: "Init containers count too. The same image again changes nothing and sends nothing.",
    errors: WRITE_ERRORS,
    examples: &[
        Example { script: r#"print(set_image("deploy/web", "web=shop/web:4").changed)"#, prints: "true\n" },
        Example { script: r#"set_image("sts/db", "*=shop/db:17"); print(object("sts/db").spec.template.spec.containers[0].image)"#, prints: "shop/db:17\n" },
        Example { script: r#"try { set_image("ds/agent", "web=a:1") } catch (e) { print(e.hints[0]) }"#, prints: "its containers: agent\n" },
    ],
    source: "kubectl set image",
    body: Body::Change(|call| {
        let images = images(call)?;
        Ok(image::set_image(&workload(call)?, &images, None)?)
    }),
};

pub const SET_ENV: Function = Function {
    name: "set_env",
    params: &[TARGET, Param::new("variables", Kind::Map), OPTIONS],
    options: terms![CONTAINER],
    returns: RETURNS,
    summary: "Sets environment variables of the template, which starts a rollout; () as a value removes the variable.",
    details: "A variable that came from a ConfigMap, a Secret or a field gets the plain value in its place. Numbers and truth values become text.",
    errors: WRITE_ERRORS,
    examples: &[
        Example {
            script: r#"set_env("deploy/web", #{MODE: "dark"}); print(object("deploy/web").spec.template.spec.containers[0].env[0].value)"#,
            prints: "dark\n",
        },
        Example { script: r#"set_env("sts/db", #{A: 1}); print(set_env("sts/db", #{A: ()}).diff.contains("-        - name: A"))"#, prints: "true\n" },
    ],
    source: "kubectl set env",
    body: Body::Change(|call| Ok(env::set_env(&workload(call)?, &map(call, "variables"), call.option_text("container").as_deref())?)),
};

pub const SET_RESOURCES: Function = Function {
    name: "set_resources",
    params: &[TARGET, Param::new("resources", Kind::Map), OPTIONS],
    options: terms![CONTAINER],
    returns: RETURNS,
    summary: "Sets requests and limits of the template, as in #{limits: #{memory: \"256Mi\"}}, which starts a rollout; () removes an amount, or all.",
    details: "Amounts are compared by value: \"1000m\" in place of \"1\" changes nothing.",
    errors: WRITE_ERRORS,
    examples: &[
        Example {
            script: r#"set_resources("ds/agent", #{limits: #{memory: "64Mi"}}); print(object("ds/agent").spec.template.spec.containers[0].resources.limits.memory)"#,
            prints: "64Mi\n",
        },
        Example { script: r#"try { set_resources("deploy/web", #{limits: #{memory: "lots"}}) } catch (e) { print(e.kind) }"#, prints: "invalid\n" },
    ],
    source: "kubectl set resources",
    body: Body::Change(|call| Ok(resources::set_resources(&workload(call)?, &map(call, "resources"), call.option_text("container").as_deref())?)),
};

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
