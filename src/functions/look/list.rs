//! Rows: `get` and the functions that list one kind.

use rhai::{Dynamic, EvalAltResult};
use serde_json::Value;

use super::order::Order;
use super::{OPTIONS, READ_ERRORS, TARGET, prefix};
use crate::cluster::read::{Include, Selection};
use crate::error::{Error, Result};
use crate::functions::call::Call;
use crate::functions::function::{Answer, Body, Example, Function, Kind, Opt, Param};
use crate::functions::rows;
use crate::functions::show::{block, printed, with_tables};
use crate::functions::value::dynamic;
use crate::render::table::{Layout, Table};
use crate::resource::{DAEMON_SET, DEPLOYMENT, EVENT, POD, REPLICA_SET, Resource, STATEFUL_SET, Target};
use crate::rollout::history;
use crate::session::follow;
use crate::session::view::{Block, Printed};

const LISTER: &[Param] = &[Param::optional("target", Kind::Target), OPTIONS];

const SELECTOR: Opt = Opt { name: "selector", kind: Kind::Text, summary: "label selector, as in \"app=web,tier!=cache\"" };
const FIELD_SELECTOR: Opt = Opt { name: "field_selector", kind: Kind::Text, summary: "field selector, as in \"status.phase=Running\"" };
const NAMESPACE: Opt = Opt { name: "namespace", kind: Kind::Text, summary: "another namespace than the session's" };
const ALL_NAMESPACES: Opt = Opt { name: "all_namespaces", kind: Kind::Bool, summary: "every namespace" };
const WIDE: Opt = Opt { name: "wide", kind: Kind::Bool, summary: "print kubectl's wide columns too" };
const SELECTION: &[Opt] = &[SELECTOR, FIELD_SELECTOR, NAMESPACE, ALL_NAMESPACES, WIDE];

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

pub const GET: Function = Function {
    name: "get",
    params: &[Param::new("kinds", Kind::Text), OPTIONS],
    options: &[
        SELECTOR,
        FIELD_SELECTOR,
        NAMESPACE,
        ALL_NAMESPACES,
        WIDE,
        Opt {
            name: "sort_by",
            kind: Kind::Text,
            summary: "a column (\"restarts\"), \"age\", or a field of the object (\"spec.replicas\"); with - before it: downwards",
        },
    ],
    returns: "array of maps: kind, name, namespace, labels, age_s and a key for each column",
    summary: "Lists rows of one or several kinds (\"deploy,rs,pods\"), or of one target (\"deploy/web\"), printed as kubectl prints them.",
    details: "Any kind that the server knows, by any of its names, CustomResources included; \"all\" is what kubectl means by it. The columns and their values are the API server's own. In a row the column `UP-TO-DATE` is the key `up_to_date`.",
    errors: READ_ERRORS,
    examples: &[
        Example { script: r#"for row in get("deploy") { print(`${row.name} ${row.ready}`) }"#, prints: "web 3/3\n" },
        Example {
            script: r#"for row in get("deploy,sts", #{sort_by: "-name"}) { print(`${row.kind}/${row.name}`) }"#,
            prints: "deployment/web\nstatefulset/db\n",
        },
        Example { script: r#"print(get("rs", #{selector: "app=web", sort_by: "spec.replicas"}).map(|rs| rs.desired))"#, prints: "[0, 0, 3]\n" },
        Example { script: r#"try { get("deployd") } catch (e) { print(`${e.kind}: ${e.hints[0]}`) }"#, prints: "not_found: did you mean \"deploy\"?\n" },
    ],
    source: "kubectl get",
    body: Body::Read(get),
};

pub const GET_DEPLOY: Function = lister(
    "get_deploy",
    "Lists Deployments.",
    "Rows: name, namespace, desired, updated, ready, available, unavailable, revision, images, paused, generation, labels, age_s.",
    &[Example { script: r#"let d = get_deploy()[0]; print(`${d.name} ${d.ready}/${d.desired} ${d.images.web}`)"#, prints: "web 3/3 shop/web:3\n" }],
    |call| list(call, &DEPLOYMENT),
);

pub const GET_RS: Function = lister(
    "get_rs",
    "Lists ReplicaSets; of a workload: those that it owns.",
    "Rows: name, namespace, desired, current, ready, available, revision, images, owner, labels, age_s.",
    &[Example { script: r#"print(get_rs("deploy/web").map(|rs| rs.revision))"#, prints: "[1, 2, 3]\n" }],
    |call| list(call, &REPLICA_SET),
);

pub const GET_PODS: Function = lister(
    "get_pods",
    "Lists pods; of a workload: those that it owns.",
    "Rows: name, namespace, phase, status, ready, restarts, reason, images, node, ip, owner, labels, age_s.",
    &[Example { script: r#"print(get_pods("deploy/web").filter(|pod| pod.status == "Running").len())"#, prints: "3\n" }],
    |call| list(call, &POD),
);

pub const GET_STS: Function = lister(
    "get_sts",
    "Lists StatefulSets.",
    "Rows: name, namespace, desired, ready, updated, current_revision, update_revision, images, generation, labels, age_s.",
    &[Example { script: r#"let s = get_sts()[0]; print(`${s.name} ${s.ready}/${s.desired} ${s.images.db}`)"#, prints: "db 3/3 shop/db:16\n" }],
    |call| list(call, &STATEFUL_SET),
);

pub const GET_DS: Function = lister(
    "get_ds",
    "Lists DaemonSets.",
    "Rows: name, namespace, desired, current, ready, updated, available, images, generation, labels, age_s.",
    &[Example { script: r#"let d = get_ds()[0]; print(`${d.name} ${d.ready == d.desired} ${d.images.agent}`)"#, prints: "agent true shop/agent:2\n" }],
    |call| list(call, &DAEMON_SET),
);

pub const GET_EVENTS: Function = lister(
    "get_events",
    "Lists events, oldest first; of a workload: its own and those of all it owns.",
    "Rows: type, reason, message, object, count, first_seen, last_seen, source.",
    &[Example { script: r#"restart("ds/agent"); wait("ds/agent"); print(get_events("ds/agent").some(|e| e.reason == "SuccessfulCreate"))"#, prints: "true\n" }],
    get_events,
);

pub const EVENTS: Function = Function {
    name: "events",
    params: &[TARGET],
    options: &[],
    returns: "array of maps, oldest first: type, reason, message, object, count, first_seen, last_seen, source",
    summary: "Lists the events of a workload and of all it owns.",
    details: "The API server forgets events after an hour unless it is told otherwise.",
    errors: READ_ERRORS,
    examples: &[Example {
        script: r#"restart("sts/db"); wait("sts/db"); sleep("3s"); print(events("sts/db").some(|e| e.object == "statefulset/db" && e.reason == "SuccessfulCreate"))"#,
        prints: "true\n",
    }],
    source: "kubectl events --for",
    body: Body::Read(get_events),
};

/// What kubectl means by `all`: the kinds of that category.
fn everything(call: &Call) -> Result<Vec<Resource>, Box<EvalAltResult>> {
    let cluster = call.cluster()?;
    let catalog = call.wait(async { cluster.served().await })?;
    let in_all = catalog.served.iter().filter(|served| served.preferred && served.categories.iter().any(|category| category == "all"));
    Ok(in_all.map(|served| served.resource.clone()).collect())
}

fn selection(call: &Call) -> Result<Selection> {
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
            let resources = if kind == "all" { everything(call)? } else { vec![call.resource(kind)?] };
            for resource in resources {
                let namespace = selection.namespace.clone().filter(|_| resource.namespaced);
                wanted.push((resource, Selection { namespace, ..selection.clone() }));
            }
        }
    }
    let several = wanted.iter().any(|(resource, _)| *resource != wanted[0].0);
    if call.session.views().only_shown() && call.option("sort_by").is_none() {
        return print(call, &wanted, several);
    }
    let order = call.option_text("sort_by").map(|by| Order::parse(&by)).transpose()?;
    // A field of the object must come with the row.
    let include = if order.as_ref().is_some_and(|order| order.is_field) { Include::Object } else { Include::Metadata };
    let cluster = call.cluster()?;
    let mut tables = call.wait(async {
        let requests = wanted.iter().map(|(resource, selection)| cluster.table(resource, selection, include));
        futures::future::try_join_all(requests).await
    })?;
    let now = call.session.clock().now();
    let (mut all, mut blocks) = (Vec::new(), Vec::new());
    for ((resource, selection), answer) in wanted.iter().zip(&mut tables) {
        let mut data = rows::of_table(resource, answer, now);
        if let Some(order) = &order {
            order.sort(answer, &mut data)?;
        }
        all.extend(data);
        let layout = layout(call, resource, selection, several);
        blocks.push(Block { table: Table::from_server(answer), layout });
    }
    if all.is_empty() {
        say_nothing_found(call, &wanted[0].1);
    }
    Ok(with_tables(call.session, Dynamic::from_array(all.iter().map(dynamic).collect()), blocks))
}

fn layout(call: &Call, resource: &Resource, selection: &Selection, several: bool) -> Layout {
    Layout {
        wide: call.option_bool("wide").unwrap_or(false),
        namespaces: resource.namespaced && selection.namespace.is_none(),
        prefix: several.then(|| format!("{}/", prefix(resource))),
        ..Layout::default()
    }
}

fn say_nothing_found(call: &Call, selection: &Selection) {
    call.session.screen().notice(&crate::render::screen::Text::plain(match &selection.namespace {
        Some(namespace) => format!("No resources found in {namespace} namespace."),
        None => "No resources found".to_owned(),
    }));
}

/// Tables that nobody but the user looks at: text is read and no objects.
fn print(call: &Call, wanted: &[(Resource, Selection)], several: bool) -> Answer {
    let cluster = call.cluster()?;
    let wide = call.option_bool("wide").unwrap_or(false);
    let tables = call.wait(async {
        let requests = wanted.iter().map(|(resource, selection)| cluster.cells(resource, selection, wide));
        futures::future::try_join_all(requests).await
    })?;
    let blocks: Vec<Printed> =
        wanted.iter().zip(tables).map(|((resource, selection), cells)| Printed { cells, layout: layout(call, resource, selection, several) }).collect();
    if blocks.iter().all(|block| block.cells.is_empty()) {
        say_nothing_found(call, &wanted[0].1);
    }
    Ok(printed(call.session, blocks))
}

/// Objects of one kind as typed rows, printed as the server's table; with a target, those that it owns.
fn list(call: &Call, resource: &Resource) -> Answer {
    let now = call.session.clock().now();
    let cluster = call.cluster()?;
    let mut selection = selection(call)?;
    let mut owner_uids: Option<Vec<String>> = None;
    if call.session.views().only_shown() && call.arg("target").is_none() {
        return print(call, &[(resource.clone(), selection)], false);
    }
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
