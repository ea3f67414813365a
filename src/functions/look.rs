//! Look: functions that read the cluster.

use rhai::Dynamic;
use serde_json::Value;

use super::call::Call;
use super::function::{Answer, Body, Example, Function, Group, Kind, Opt, Param};
use super::rows;
use super::show::{block, with_tables, with_text};
use super::value::{dynamic, shape};
use crate::cluster::read::{Include, LogOptions, Selection};
use crate::error::{Error, ErrorKind};
use crate::render::account;
use crate::render::table::{Layout, Table};
use crate::resource::{DAEMON_SET, DEPLOYMENT, EVENT, POD, REPLICA_SET, Resource, STATEFUL_SET, Target};
use crate::rollout::status::Patience;
use crate::rollout::{history, status};
use crate::session::follow;
use crate::session::view::Block;

pub const GROUP: Group = Group { name: "look", summary: "what runs, and what ran before", functions: FUNCTIONS };

const TARGET: Param = Param::new("target", Kind::Target);
const OPTIONS: Param = Param::optional("options", Kind::Options);

const LISTER: &[Param] = &[Param::optional("target", Kind::Target), OPTIONS];

const SELECTION: &[Opt] = &[
    Opt { name: "selector", kind: Kind::Text, summary: "label selector, as in \"app=web,tier!=cache\"" },
    Opt { name: "field_selector", kind: Kind::Text, summary: "field selector, as in \"status.phase=Running\"" },
    Opt { name: "namespace", kind: Kind::Text, summary: "another namespace than the session's" },
    Opt { name: "all_namespaces", kind: Kind::Bool, summary: "every namespace" },
    Opt { name: "wide", kind: Kind::Bool, summary: "print kubectl's wide columns too" },
];

const READ_ERRORS: &[ErrorKind] = &[ErrorKind::NotFound, ErrorKind::Forbidden, ErrorKind::Unauthorized, ErrorKind::Unreachable];

/// The functions that list one kind differ in the kind and the words only.
const fn lister(name: &'static str, summary: &'static str, details: &'static str, examples: &'static [Example], body: fn(&Call) -> Answer) -> Function {
    Function {
        name,
        params: LISTER,
        options: SELECTION,
        returns: "array of maps",
        summary,
        details,
        errors: READ_ERRORS,
        examples,
        source: "kubectl get",
        body: Body::Read(body),
    }
}

const FUNCTIONS: &[Function] = &[
    Function {
        name: "get",
        params: &[Param::new("kinds", Kind::Text), OPTIONS],
        options: SELECTION,
        returns: "array of maps: kind, name, namespace, labels, age_s and a key for each column",
        summary: "Lists rows of one or several kinds (\"deploy,rs,pods\"), or of one target (\"deploy/web\"), printed as kubectl prints them.",
        details: "The columns and their values are the API server's own. In a row the column `UP-TO-DATE` is the key `up_to_date`.",
        errors: READ_ERRORS,
        examples: &[Example { script: r#"for row in get("deploy") { print(`${row.name} ${row.ready}`) }"#, prints: "web 3/3\n" }],
        source: "kubectl get",
        body: Body::Read(get),
    },
    lister(
        "get_deploy",
        "Lists Deployments.",
        "Rows: name, namespace, desired, updated, ready, available, unavailable, revision, images, paused, generation, labels, age_s.",
        &[Example { script: r#"let d = get_deploy()[0]; print(`${d.name} ${d.ready}/${d.desired} ${d.images.web}`)"#, prints: "web 3/3 shop/web:3\n" }],
        |call| list(call, &DEPLOYMENT),
    ),
    lister(
        "get_rs",
        "Lists ReplicaSets; of a workload: those that it owns.",
        "Rows: name, namespace, desired, current, ready, available, revision, images, owner, labels, age_s.",
        &[Example { script: r#"print(get_rs("deploy/web").map(|rs| rs.revision))"#, prints: "[1, 2, 3]\n" }],
        |call| list(call, &REPLICA_SET),
    ),
    lister(
        "get_pods",
        "Lists pods; of a workload: those that it owns.",
        "Rows: name, namespace, phase, status, ready, restarts, reason, images, node, ip, owner, labels, age_s.",
        &[Example { script: r#"print(get_pods("deploy/web").filter(|pod| pod.status == "Running").len())"#, prints: "3\n" }],
        |call| list(call, &POD),
    ),
    lister(
        "get_sts",
        "Lists StatefulSets.",
        "Rows: name, namespace, desired, ready, updated, current_revision, update_revision, images, generation, labels, age_s.",
        &[],
        |call| list(call, &STATEFUL_SET),
    ),
    lister(
        "get_ds",
        "Lists DaemonSets.",
        "Rows: name, namespace, desired, current, ready, updated, available, images, generation, labels, age_s.",
        &[],
        |call| list(call, &DAEMON_SET),
    ),
    lister(
        "get_events",
        "Lists events, oldest first; of a workload: its own and those of all it owns.",
        "Rows: type, reason, message, object, count, first_seen, last_seen, source.",
        &[],
        get_events,
    ),
    Function {
        name: "object",
        params: &[TARGET],
        options: &[],
        returns: "map",
        summary: "Reads a whole object as the API server has it.",
        details: "Field names are the API's own (camelCase). Some of them are reserved words of Rhai: write m[\"default\"].",
        errors: READ_ERRORS,
        examples: &[Example { script: r#"print(object("deploy/web").spec.replicas)"#, prints: "3\n" }],
        source: "GET of the object",
        body: Body::Read(|call| {
            let (cluster, target) = (call.cluster()?, call.target("target")?);
            Ok(dynamic(&call.wait(async { cluster.get(&target).await })?))
        }),
    },
    Function {
        name: "history",
        params: &[TARGET, Param::optional("revision", Kind::Int)],
        options: &[],
        returns: "array of maps, oldest first: revision, change_cause, images, created, age_s, current, replicas, ready, owner, template, completed",
        summary: "Lists the revisions of a workload with images, times and change causes; with a number: that one.",
        details: "`current` is the revision whose template is live now. `completed` is () where nothing tells whether the rollout ever completed.",
        errors: READ_ERRORS,
        examples: &[Example {
            script: r#"for r in history("deploy/web") { print(`${r.revision} ${r.images.web}`) }"#,
            prints: "1 shop/web:1\n2 shop/web:2\n3 shop/web:3\n",
        }],
        source: "kubectl rollout history",
        body: Body::Read(get_history),
    },
    Function {
        name: "status",
        params: &[TARGET],
        options: &[],
        returns: "Status",
        summary: "Tells where a rollout stands: phase, kubectl's sentence, counts, pods, and which of them are doomed.",
        details: "phase is unobserved, progressing, complete, paused, stalled or missing; a workload that does not exist is missing, not an error. \
                  An old pod or an old condition never counts as success.",
        errors: &[ErrorKind::Forbidden, ErrorKind::Unauthorized, ErrorKind::Unreachable],
        examples: &[Example { script: r#"print(status("deploy/web").phase)"#, prints: "complete\n" }],
        source: "kubectl rollout status --watch=false",
        body: Body::Read(|call| {
            let target = call.target("target")?;
            let cluster = call.cluster()?;
            let found = call.wait(async {
                match follow::snapshot(&cluster, &target).await {
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                    other => other.map(Some),
                }
            })?;
            let status = match found {
                Some(snapshot) => status::status(&snapshot, Patience::default(), call.session.clock().now()),
                None => status::missing(&target),
            };
            Ok(with_text(call.session, shape(&status), account::status(&status)))
        }),
    },
    Function {
        name: "events",
        params: &[TARGET],
        options: &[],
        returns: "array of maps, oldest first: type, reason, message, object, count, first_seen, last_seen, source",
        summary: "Lists the events of a workload and of all it owns.",
        details: "The API server forgets events after an hour unless it is told otherwise.",
        errors: READ_ERRORS,
        examples: &[],
        source: "kubectl events --for",
        body: Body::Read(get_events),
    },
    Function {
        name: "logs",
        params: &[TARGET, OPTIONS],
        options: &[
            Opt { name: "container", kind: Kind::Text, summary: "which container; default: the only one, or the first" },
            Opt { name: "tail", kind: Kind::Int, summary: "only the last lines of each pod" },
            Opt { name: "since", kind: Kind::Duration, summary: "only lines younger than this" },
            Opt { name: "previous", kind: Kind::Bool, summary: "of the container before the last restart" },
        ],
        returns: "string",
        summary: "Reads the log of a pod, or of all pods of a workload, each line of several pods with the pod's name before it.",
        details: "",
        errors: READ_ERRORS,
        examples: &[],
        source: "kubectl logs",
        body: Body::Read(logs),
    },
];

fn selection(call: &Call) -> Result<Selection, Error> {
    let namespace = match (call.option_bool("all_namespaces"), call.option_text("namespace")) {
        (Some(true), Some(_)) => return Err(Error::usage("all_namespaces and namespace exclude each other")),
        (Some(true), None) => None,
        (_, Some(namespace)) => Some(namespace),
        (_, None) => Some(call.session.namespace()?),
    };
    Ok(Selection { namespace, name: None, labels: call.option_text("selector"), fields: call.option_text("field_selector") })
}

fn get(call: &Call) -> Answer {
    let kinds = call.text("kinds").unwrap_or_default();
    let mut wanted: Vec<(Resource, Selection)> = Vec::new();
    if kinds.contains('/') {
        if call.option("selector").is_some() || call.option("field_selector").is_some() || call.option_bool("all_namespaces") == Some(true) {
            return Err(Error::usage("a selector, field_selector or all_namespaces cannot go with one object's name").into());
        }
        for one in kinds.split(',') {
            let mut target = call.target_of(&one.trim().into())?;
            if let Some(namespace) = call.option_text("namespace") {
                target = Target { namespace: Some(namespace), ..target };
            }
            wanted.push((target.resource.clone(), Selection { namespace: target.namespace.clone(), name: Some(target.name.clone()), ..Selection::default() }));
        }
    } else {
        let selection = selection(call)?;
        for kind in kinds.split(',').map(str::trim) {
            if kind.is_empty() {
                return Err(Error::usage(format!("an empty kind in {kinds:?}")).hint("write kinds as in \"deploy,rs,pods\"").into());
            }
            let resource = call.resource(kind)?;
            let namespace = selection.namespace.clone().filter(|_| resource.namespaced);
            wanted.push((resource, Selection { namespace, ..selection.clone() }));
        }
    }
    let cluster = call.cluster()?;
    let tables = call.wait(async {
        let requests = wanted.iter().map(|(resource, selection)| cluster.table(resource, selection, Include::Metadata));
        futures::future::try_join_all(requests).await
    })?;
    let several = wanted.iter().any(|(resource, _)| *resource != wanted[0].0);
    let now = call.session.clock().now();
    let (mut all, mut blocks) = (Vec::new(), Vec::new());
    for ((resource, selection), answer) in wanted.iter().zip(&tables) {
        all.extend(rows::of_table(resource, answer, now));
        let layout = Layout {
            wide: call.option_bool("wide").unwrap_or(false),
            namespaces: resource.namespaced && selection.namespace.is_none(),
            prefix: several.then(|| format!("{}/", prefix(resource))),
            ..Layout::default()
        };
        blocks.push(Block { table: Table::from_server(answer), layout });
    }
    if all.is_empty() {
        call.session.screen().notice(&crate::render::screen::Text::plain(match &wanted[0].1.namespace {
            Some(namespace) => format!("No resources found in {namespace} namespace."),
            None => "No resources found".to_owned(),
        }));
    }
    Ok(with_tables(call.session, Dynamic::from_array(all.iter().map(dynamic).collect()), blocks))
}

/// `deployment.apps`, or `pod`.
pub(super) fn prefix(resource: &Resource) -> String {
    if resource.group.is_empty() { resource.singular.to_string() } else { format!("{}.{}", resource.singular, resource.group) }
}

/// Objects of one kind as typed rows, printed as the server's table; with a target, those that it owns.
fn list(call: &Call, resource: &Resource) -> Answer {
    let now = call.session.clock().now();
    let cluster = call.cluster()?;
    let mut selection = selection(call)?;
    let mut owner_uids: Option<Vec<String>> = None;
    if call.arg("target").is_some() {
        let target = call.target("target")?;
        if target.resource == *resource {
            selection = Selection { namespace: target.namespace.clone(), name: Some(target.name.clone()), ..Selection::default() };
        } else {
            let snapshot = call.snapshot(&target)?;
            let mut uids = vec![snapshot.workload.uid().to_owned()];
            uids.extend(
                history::owned(&snapshot.workload, &snapshot.revisions).iter().filter_map(|owned| owned["metadata"]["uid"].as_str()).map(str::to_owned),
            );
            selection.namespace = target.namespace.clone();
            selection.labels = Some(match selection.labels {
                Some(labels) => format!("{},{labels}", snapshot.workload.selector()),
                None => snapshot.workload.selector(),
            });
            owner_uids = Some(uids);
        }
    }
    let mut table = call.wait(async { cluster.table(resource, &selection, Include::Object).await })?;
    if let (Some(uids), Some(rows)) = (&owner_uids, table["rows"].as_array_mut()) {
        rows.retain(|row| owners(&row["object"]).any(|uid| uids.iter().any(|owner| owner == uid)));
    }
    let mut data: Vec<Value> =
        table["rows"].as_array().map(|rows| rows.iter().map(|row| rows::typed(resource, &row["object"], now)).collect()).unwrap_or_default();
    if *resource == REPLICA_SET && owner_uids.is_some() {
        // Of one workload the order of its history says more than the alphabet of hashes.
        let mut order: Vec<usize> = (0..data.len()).collect();
        order.sort_by_key(|index| data[*index]["revision"].as_i64().unwrap_or(0));
        if let Some(rows) = table["rows"].as_array_mut() {
            *rows = order.iter().map(|index| rows[*index].clone()).collect();
        }
        data = order.iter().map(|index| data[*index].clone()).collect();
    }
    let layout = Layout { wide: call.option_bool("wide").unwrap_or(false), namespaces: selection.namespace.is_none(), ..Layout::default() };
    let blocks = vec![Block { table: Table::from_server(&table), layout }];
    Ok(with_tables(call.session, Dynamic::from_array(data.iter().map(dynamic).collect()), blocks))
}

fn owners(object: &Value) -> impl Iterator<Item = &str> {
    object["metadata"]["ownerReferences"].as_array().into_iter().flatten().filter_map(|owner| owner["uid"].as_str())
}

fn get_events(call: &Call) -> Answer {
    let cluster = call.cluster()?;
    let rows = if call.arg("target").is_some() {
        let target = call.target("target")?;
        call.wait(async {
            // An object that does not exist has no events: say so, rather than nothing.
            cluster.get(&target).await?;
            follow::events(&cluster, &target).await
        })?
    } else {
        let selection = selection(call)?;
        let mut all = call.wait(async { cluster.list(&EVENT, &selection).await })?;
        follow::sort_events(&mut all);
        all.iter().map(follow::event_row).collect()
    };
    let now = call.session.clock().now();
    let table = rows::events_table(&rows, now);
    Ok(with_tables(call.session, Dynamic::from_array(rows.iter().map(dynamic).collect()), vec![block(table)]))
}

fn get_history(call: &Call) -> Answer {
    let target = call.target("target")?;
    let snapshot = call.snapshot(&target)?;
    let now = call.session.clock().now();
    if let Some(number) = call.int("revision") {
        return Ok(shape(&history::revision(&snapshot, number, now)?));
    }
    let revisions = history::history(&snapshot, now);
    let table = account::history(&revisions);
    Ok(with_tables(call.session, Dynamic::from_array(revisions.iter().map(shape).collect()), vec![block(table)]))
}

fn logs(call: &Call) -> Answer {
    let target = call.target("target")?;
    let cluster = call.cluster()?;
    let options = LogOptions {
        container: call.option_text("container"),
        tail: call.option_int("tail"),
        since_s: call.option_duration("since")?.map(|since| i64::try_from(since.as_secs().max(1)).unwrap_or(i64::MAX)),
        previous: call.option_bool("previous").unwrap_or(false),
    };
    let namespace = target.namespace.clone().unwrap_or_default();
    if target.resource == POD {
        return Ok(call.wait(async { cluster.logs(&namespace, &target.name, &options).await })?.into());
    }
    let snapshot = call.snapshot(&target)?;
    let now = call.session.clock().now();
    let pods: Vec<String> = status::status(&snapshot, Patience::default(), now).pods.into_iter().map(|pod| pod.name).collect();
    let text = call.wait(async {
        let mut text = String::new();
        for pod in &pods {
            let log = match cluster.logs(&namespace, pod, &options).await {
                Ok(log) => log,
                // A container that never started has no log; the other pods' logs are still wanted.
                Err(error) if error.message().contains("waiting to start") => continue,
                Err(error) => return Err(error),
            };
            for line in log.lines() {
                if pods.len() > 1 {
                    text.push_str(&format!("[{pod}] "));
                }
                text.push_str(line);
                text.push('\n');
            }
        }
        Ok(text)
    })?;
    Ok(text.into())
}
