//! Sim: functions that steer the simulated cluster, for tests of scripts; on a real cluster they are errors.

use rhai::Dynamic;
use serde_json::{Map, Value, json};

use super::call::{Call, Handle};
use super::function::{Answer, Body, Example, Function, Group, Kind, Opt, Param};
use super::manifest;
use super::value::{dynamic, error, halt, json as plain};
use crate::error::{Error, ErrorKind, Result};
use crate::session::follow::{Following, Rules};
use crate::sim::Sim;

pub const GROUP: Group = Group { name: "sim", summary: "tests of scripts: steering the simulated cluster", functions: FUNCTIONS };

/// How long `sim::deploy` and its kin wait for their pods, in simulated seconds.
const SETTLED_S: u64 = 120;

const WORKLOAD_OPTIONS: &[Opt] = &[
    Opt { name: "image", kind: Kind::Text, summary: "default \"shop/NAME:1\"; the container has the workload's name" },
    Opt { name: "replicas", kind: Kind::Int, summary: "default 3; not for a DaemonSet" },
    Opt { name: "namespace", kind: Kind::Text, summary: "default: the session's" },
    Opt { name: "annotations", kind: Kind::Map, summary: "of the workload" },
    Opt { name: "spec", kind: Kind::Map, summary: "merged into the workload's spec" },
    Opt { name: "wait", kind: Kind::Bool, summary: "wait until its pods are ready; default true" },
];
const WORKLOAD: &[Param] = &[Param::new("name", Kind::Text), Param::optional("options", Kind::Options)];

const fn maker(name: &'static str, summary: &'static str, examples: &'static [Example], body: fn(&Call) -> Answer) -> Function {
    Function {
        name,
        params: WORKLOAD,
        options: WORKLOAD_OPTIONS,
        returns: "handle",
        summary,
        details: "",
        errors: &[ErrorKind::Usage, ErrorKind::Invalid],
        examples,
        source: "",
        body: Body::Flow(body),
    }
}

const FUNCTIONS: &[Function] = &[
    Function {
        name: "sim::apply",
        params: &[Param::new("yaml", Kind::Text)],
        options: &[],
        returns: "()",
        summary: "Creates the objects of a YAML text in the simulated cluster.",
        details: "Nothing of it counts as a change of the script: no policy, no journal, no notice.",
        errors: &[ErrorKind::Usage, ErrorKind::Invalid],
        examples: &[Example {
            script: r#"sim::apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: motd}, data: {text: hello}}"); print(object("cm/motd").data.text)"#,
            prints: "hello\n",
        }],
        source: "",
        body: Body::Flow(|call| {
            let manifests = manifest::parse("the given text", &call.text("yaml").unwrap_or_default())?;
            let objects: Vec<Value> = manifests.into_iter().map(|(_, object)| object).collect();
            simulator(call)?.create(&objects)?;
            Ok(Dynamic::UNIT)
        }),
    },
    maker(
        "sim::deploy",
        "Creates a Deployment and waits until its pods are ready.",
        &[Example { script: r#"sim::deploy("api", #{replicas: 2}); print(status("deploy/api").ready)"#, prints: "2\n" }],
        |call| make(call, "Deployment", "deployment"),
    ),
    maker("sim::sts", "Creates a StatefulSet and waits until its pods are ready.", &[], |call| make(call, "StatefulSet", "statefulset")),
    maker("sim::ds", "Creates a DaemonSet and waits until its pods are ready.", &[], |call| make(call, "DaemonSet", "daemonset")),
    Function {
        name: "sim::image",
        params: &[Param::new("image", Kind::Text), Param::new("behaviour", Kind::Map)],
        options: &[],
        returns: "()",
        summary: "Says what containers of an image (or a pattern with *) do: ready_after, crash_after, exit_code, pull (\"ok\", \"error\", \"slow\"), never_ready, log.",
        details: "Until told otherwise an image runs and is ready after 1 s; a tag that contains crash, badpull or 404, neverready, slow behaves so. The last rule that matches wins.",
        errors: &[ErrorKind::Usage],
        examples: &[Example {
            script: r#"sim::image("shop/web:7", #{crash_after: "2s"}); set_image("deploy/web", "web=shop/web:7"); try { wait("deploy/web") } catch (e) { print(e.kind) }"#,
            prints: "failed\n",
        }],
        source: "",
        body: Body::Flow(|call| {
            let behaviour = call.arg("behaviour").map(plain).unwrap_or_default();
            simulator(call)?.image(&call.text("image").unwrap_or_default(), &behaviour)?;
            Ok(Dynamic::UNIT)
        }),
    },
    Function {
        name: "sim::fault",
        params: &[Param::new("fault", Kind::Map)],
        options: &[],
        returns: "()",
        summary: "Makes requests go wrong: conflict, unavailable, throttle, slow, drop_watch, gone, rival, forbid, cut (\"before\", \"middle\", \"after\"), quota.",
        details: "How often: times (or a count in place of true), after (so many pass first), chance (percent). When: in, for. Which: verb (read and write too), kind (with a part: \"pods/eviction\"), namespace, name, client (a part of the user agent, or the user). retry_after: seconds. controllers: \"paused\" and \"running\" stop and start the controllers; node_down and node_up name a node; clock_skew: \"-5m\" sets the cluster's clock apart; clear: true removes earlier faults.",
        errors: &[ErrorKind::Usage],
        examples: &[Example {
            script: r#"sim::fault(#{forbid: true, verb: "patch"}); try { undo("deploy/web") } catch (e) { print(e.kind) }"#,
            prints: "forbidden\n",
        }],
        source: "",
        body: Body::Flow(|call| {
            simulator(call)?.fault(&call.arg("fault").map(plain).unwrap_or_default())?;
            Ok(Dynamic::UNIT)
        }),
    },
    Function {
        name: "sim::advance",
        params: &[Param::new("duration", Kind::Duration)],
        options: &[],
        returns: "()",
        summary: "Lets simulated time pass.",
        details: "",
        errors: &[],
        examples: &[Example { script: r#"let t = now(); sim::advance("10m"); print(now() - t)"#, prints: "600.0\n" }],
        source: "",
        body: Body::Flow(|call| {
            simulator(call)?;
            let duration = call.duration("duration")?.unwrap_or_default();
            call.session.pause(duration)?;
            Ok(Dynamic::UNIT)
        }),
    },
    Function {
        name: "sim::requests",
        params: &[],
        options: &[],
        returns: "array of maps, oldest first: at, method, path, query, user_agent, user, verb, code",
        summary: "Lists what clients asked of the simulated cluster.",
        details: "",
        errors: &[],
        examples: &[Example { script: r#"object("deploy/web"); print(sim::requests().filter(|r| r.method == "GET").len())"#, prints: "1\n" }],
        source: "",
        body: Body::Shell(|call| Ok(Dynamic::from_array(simulator(call)?.requests().iter().map(dynamic).collect()))),
    },
    Function {
        name: "run",
        params: &[Param::new("file", Kind::Text), Param::optional("args", Kind::Any)],
        options: &[],
        returns: "map: exit_code, stdout, stderr",
        summary: "Runs a script, in a test, on the same simulated cluster; args are an array of words, or a map.",
        details: "The file is looked for beside the test, then in the working directory.",
        errors: &[ErrorKind::NotFound],
        examples: &[],
        source: "rollsh run",
        body: Body::Flow(|call| {
            let Some(runner) = call.session.runner() else {
                return Err(Error::usage("run works in tests only")
                    .hint("a test is a fn test_...() in a file that ends in _test.rhai, run by `rollsh test`")
                    .into());
            };
            let args = call.arg("args").map(plain).unwrap_or(Value::Null);
            let ran = runner(call.session, &call.text("file").unwrap_or_default(), &args)?;
            Ok(dynamic(&json!({ "exit_code": ran.exit_code, "stdout": ran.stdout, "stderr": ran.stderr })))
        }),
    },
    Function {
        name: "assert_throws",
        params: &[Param::new("kind", Kind::Text), Param::new("body", Kind::Closure)],
        options: &[],
        returns: "the error",
        summary: "Fails unless a closure throws an error of this kind.",
        details: "",
        errors: &[ErrorKind::Script],
        examples: &[Example { script: r#"print(assert_throws("no_revision", || undo("deploy/web", 9)).kind)"#, prints: "no_revision\n" }],
        source: "",
        body: Body::Flow(assert_throws),
    },
];

fn simulator(call: &Call) -> Result<Sim> {
    call.session
        .simulator()
        .ok_or_else(|| Error::usage(format!("{} needs a simulated cluster", call.function.name)).hint("run with --sim, or as a test with `rollsh test`"))
}

fn make(call: &Call, kind: &str, singular: &'static str) -> Answer {
    let name = call.text("name").unwrap_or_default();
    let namespace = match call.option_text("namespace") {
        Some(namespace) => namespace,
        None => call.session.namespace()?,
    };
    let labels = json!({ "app": name });
    let image = call.option_text("image").unwrap_or_else(|| format!("shop/{name}:1"));
    let mut spec = json!({
        "selector": { "matchLabels": labels },
        "template": { "metadata": { "labels": labels }, "spec": { "containers": [{ "name": name, "image": image }] } },
    });
    let replicas = call.option_int("replicas");
    match (kind, replicas) {
        ("DaemonSet", Some(_)) => return Err(Error::usage("a DaemonSet has no replicas: it has a pod on each node").into()),
        ("DaemonSet", None) => {}
        (_, replicas) => spec["replicas"] = replicas.unwrap_or(3).into(),
    }
    if kind == "StatefulSet" {
        spec["serviceName"] = name.clone().into();
    }
    if let Some(more) = call.option("spec").map(plain) {
        merge(&mut spec, &more);
    }
    let annotations = call.option("annotations").map(plain).unwrap_or_else(|| Value::Object(Map::new()));
    let object = json!({
        "apiVersion": "apps/v1", "kind": kind, "spec": spec,
        "metadata": { "name": name, "namespace": namespace, "labels": labels, "annotations": annotations },
    });
    simulator(call)?.create(&[object])?;
    let handle = Dynamic::from(Handle { kind: singular, namespace: Some(namespace), name });
    if call.option_bool("wait").unwrap_or(true) {
        let (cluster, target) = (call.cluster()?, call.target_of(&handle)?);
        let clock = call.session.clock();
        call.wait(async {
            let settled = async {
                let mut following = Following::start(&cluster, &target, Rules::default(), clock).await?;
                while following.next().await?.ending.is_none() {}
                Ok(())
            };
            // An image that never becomes ready may be just what the test is about.
            tokio::time::timeout(std::time::Duration::from_secs(SETTLED_S), settled).await.unwrap_or(Ok(()))
        })?;
    }
    Ok(handle)
}

/// Lays a map over another, maps into maps.
fn merge(under: &mut Value, over: &Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                merge(under.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (under, over) => *under = over.clone(),
    }
}

fn assert_throws(call: &Call) -> Answer {
    let wanted = call.text("kind").unwrap_or_default();
    if !ErrorKind::ALL.iter().any(|kind| kind.name() == wanted) {
        let kinds: Vec<&str> = ErrorKind::ALL.iter().map(|kind| kind.name()).collect();
        return Err(Error::usage(format!("no kind of error {wanted:?}")).hint(format!("kinds: {}", kinds.join(", "))).into());
    }
    let Some(body) = call.closure("body") else { return Err(Error::usage("assert_throws misses its closure").into()) };
    match body.call(Vec::new()) {
        Ok(_) => Err(Error::script(format!("assertion failed: nothing was thrown, expected {wanted}")).into()),
        Err(thrown) if halt(&thrown).is_some() => Err(thrown),
        Err(thrown) => {
            let thrown = error(&thrown);
            if thrown.kind().name() != wanted {
                return Err(Error::script(format!("assertion failed: thrown was {} ({}), expected {wanted}", thrown.kind(), thrown.message())).into());
            }
            Ok(dynamic(&thrown.to_value()))
        }
    }
}
