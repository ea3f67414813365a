//! Session: contexts, namespaces, handles, help.

use rhai::Dynamic;
use serde_json::{Value, json};

use super::call::{Call, Handle};
use super::function::{Answer, Body, Example, Function, Group, Kind, Param};
use super::show::{block, with_tables};
use super::value::dynamic;
use super::{find, help, nearest};
use crate::error::{Error, ErrorKind};
use crate::render::table::Table;

pub const GROUP: Group = Group { name: "session", summary: "clusters, namespaces, workload handles, help", functions: FUNCTIONS };

const NAME: &[Param] = &[Param::new("name", Kind::Text)];
const NAMED: &[Param] = &[Param::new("name", Kind::Text), Param::optional("namespace", Kind::Text)];

const fn handle(name: &'static str, summary: &'static str, examples: &'static [Example], body: fn(&Call) -> Answer) -> Function {
    Function {
        name,
        params: NAMED,
        options: &[],
        returns: "handle",
        summary,
        details: "A handle is an identity and holds no state; every function that takes a target is a method of it.",
        errors: &[],
        examples,
        source: "",
        body: Body::Shell(body),
    }
}

const fn chooser(name: &'static str, summary: &'static str, source: &'static str, body: fn(&Call) -> Answer) -> Function {
    Function {
        name,
        params: NAME,
        options: &[],
        returns: "()",
        summary,
        details: "",
        errors: &[ErrorKind::NotFound],
        examples: &[],
        source,
        body: Body::Shell(body),
    }
}

const FUNCTIONS: &[Function] = &[
    handle("deploy", "Makes a handle of a Deployment.", &[Example { script: r#"print(deploy("web").status().ready)"#, prints: "3\n" }], |call| {
        make_handle(call, "deployment")
    }),
    handle("sts", "Makes a handle of a StatefulSet.", &[], |call| make_handle(call, "statefulset")),
    handle("ds", "Makes a handle of a DaemonSet.", &[], |call| make_handle(call, "daemonset")),
    Function {
        name: "context",
        params: &[],
        options: &[],
        returns: "string",
        summary: "Tells the context in use.",
        details: "",
        errors: &[ErrorKind::NotFound, ErrorKind::Unreachable],
        examples: &[Example { script: r#"print(context())"#, prints: "sim\n" }],
        source: "kubectl config current-context",
        body: Body::Shell(|call| Ok(call.cluster()?.context().into())),
    },
    Function {
        name: "contexts",
        params: &[],
        options: &[],
        returns: "array of maps: name, cluster, server, user, namespace, current",
        summary: "Lists the contexts of the configuration.",
        details: "",
        errors: &[ErrorKind::Unreachable],
        examples: &[Example { script: r#"print(contexts()[0].name)"#, prints: "sim\n" }],
        source: "kubectl config get-contexts",
        body: Body::Shell(|call| {
            let entries = call.session.contexts()?;
            let rows = entries.iter().map(|entry| {
                dynamic(&json!({
                    "name": entry.name, "cluster": entry.cluster, "server": entry.server, "user": entry.user, "namespace": entry.namespace, "current": entry.current,
                }))
            });
            Ok(Dynamic::from_array(rows.collect()))
        }),
    },
    chooser(
        "use_context",
        "Changes the cluster in use, and the namespace to that context's own.",
        "kubectl config use-context, for this session only",
        |call| {
            call.session.use_context(&call.text("name").unwrap_or_default())?;
            Ok(Dynamic::UNIT)
        },
    ),
    Function {
        name: "namespace",
        params: &[],
        options: &[],
        returns: "string",
        summary: "Tells the namespace that targets without one are looked for in.",
        details: "",
        errors: &[ErrorKind::Unreachable],
        examples: &[Example { script: r#"print(namespace())"#, prints: "default\n" }],
        source: "",
        body: Body::Shell(|call| Ok(call.session.namespace()?.into())),
    },
    chooser(
        "use_namespace",
        "Changes the namespace that targets without one are looked for in.",
        "kubectl config set-context --current --namespace, for this session only",
        |call| {
            let name = call.text("name").unwrap_or_default();
            if name.is_empty() || name.len() > 63 || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
                return Err(Error::usage(format!("{name:?} is not a namespace's name")).hint("lower-case letters, digits and -").into());
            }
            call.session.use_namespace(&name);
            Ok(Dynamic::UNIT)
        },
    ),
    Function {
        name: "on",
        params: &[Param::new("context", Kind::Text), Param::new("body", Kind::Closure)],
        options: &[],
        returns: "what the closure returns",
        summary: "Runs a closure against another cluster: the context and its namespace hold until it ends, however it ends.",
        details: "Not inside parallel or for_each_workload, whose closures share one context.",
        errors: &[ErrorKind::NotFound, ErrorKind::Usage, ErrorKind::Unreachable],
        examples: &[Example {
            script: r#"print(on("sim", || { use_namespace("kube-system"); namespace() }) + " " + namespace())"#,
            prints: "kube-system default\n",
        }],
        source: "kubectl --context",
        body: Body::Flow(|call| {
            let body = call.closure("body").ok_or_else(|| Error::usage("on misses its body"))?;
            let _back = call.session.borrow_context(&call.text("context").unwrap_or_default())?;
            body.call(Vec::new())
        }),
    },
    Function {
        name: "journal",
        params: &[],
        options: &[],
        returns: "array of maps, oldest first: id, time, user, host, context, server, target, verb, dry_run, change, template, result, error",
        summary: "Lists the changes that were made from this machine, each with who, where, what and what came of it.",
        details: "On a simulated cluster: of this session. result is done, failed, unknown (the answer was lost), or () when the process died in between. \
                  What a change wrote into a Secret is left out.",
        errors: &[ErrorKind::NotFound],
        examples: &[Example {
            script: r#"scale("deploy/web", 4); let e = journal()[-1]; print(`${e.verb} ${e.change.body.replicas} ${e.result}`)"#,
            prints: "scale 4 done\n",
        }],
        source: "",
        body: Body::Shell(journal),
    },
    Function {
        name: "help",
        params: &[Param::optional("name", Kind::Text)],
        options: &[],
        returns: "()",
        summary: "Prints what there is, or all about one function.",
        details: "",
        errors: &[ErrorKind::NotFound],
        examples: &[],
        source: "",
        body: Body::Shell(show_help),
    },
];

fn journal(call: &Call) -> Answer {
    let entries = call.session.journal().entries()?;
    let rows: Vec<Value> = entries
        .iter()
        .map(|entry| {
            let mut row = serde_json::to_value(&entry.intent).unwrap_or_default();
            row["id"] = entry.id.into();
            row["result"] = entry.outcome.as_ref().map_or(Value::Null, |outcome| outcome.result.as_str().into());
            row["error"] = entry.outcome.as_ref().map_or(Value::Null, |outcome| outcome.error.clone());
            row
        })
        .collect();
    let columns = ["time", "user", "context", "target", "verb", "dry_run", "result"];
    let cells = rows.iter().map(|row| columns.iter().map(|column| row[*column].clone()).collect());
    let table = Table::of(&columns, cells.collect());
    Ok(with_tables(call.session, Dynamic::from_array(rows.iter().map(dynamic).collect()), vec![block(table)]))
}

fn make_handle(call: &Call, kind: &'static str) -> Answer {
    let name = call.text("name").unwrap_or_default();
    if name.is_empty() || name.contains('/') {
        return Err(Error::usage(format!("{name:?} is not the name of a {kind}"))
            .hint(format!("write the name alone, as in {}(\"web\")", call.function.name))
            .into());
    }
    Ok(Dynamic::from(Handle { kind, namespace: call.text("namespace"), name }))
}

fn show_help(call: &Call) -> Answer {
    let text = match call.text("name") {
        None => help::overview(),
        Some(name) => {
            let name = name.trim_end_matches("()").to_owned();
            match find(&name) {
                Some(function) => help::about(function),
                None => {
                    let error = Error::not_found(format!("no function {name:?}"));
                    return Err(match nearest(&name, super::all().map(|function| function.name)) {
                        Some(near) => error.hint(format!("did you mean {near:?}?")),
                        None => error.hint("help() lists them"),
                    }
                    .into());
                }
            }
        }
    };
    call.session.screen().print_line(&text);
    Ok(Dynamic::UNIT)
}
