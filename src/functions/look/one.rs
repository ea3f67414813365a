//! One object or workload: `object`, `describe`, `status`, `tree`, `can`.

use rhai::{Array, Dynamic, EvalAltResult};
use serde_json::{Value, json};

use super::{READ_ERRORS, TARGET};
use crate::cluster::Cluster;
use crate::cluster::read::Selection;
use crate::error::{Error, ErrorKind, Result};
use crate::functions::call::Call;
use crate::functions::function::{Answer, Body, Example, Function, Kind, Param};
use crate::functions::nearest;
use crate::functions::show::with_text;
use crate::functions::value::{dynamic, shape};
use crate::render::account;
use crate::render::describe::{Around, Need, describe, needs};
use crate::render::screen::Text;
use crate::render::tree::Tree;
use crate::resource::{EVENT, POD, REPLICA_SET, Target};
use crate::rollout::status::{Patience, Status};
use crate::rollout::workload::label_selector;
use crate::rollout::{history, status};
use crate::session::follow;

pub const OBJECT: Function = Function {
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
};

pub const STATUS: Function = Function {
    name: "status",
    params: &[TARGET],
    options: &[],
    returns: "Status",
    summary: "Tells where a rollout stands: phase, kubectl's sentence, counts, pods, and which of them are doomed.",
    details: "phase is unobserved, progressing, complete, paused, stalled or missing; a workload that does not exist is missing, not an error. \
              An old pod or an old condition never counts as success.",
    errors: &[ErrorKind::Forbidden, ErrorKind::Unauthorized, ErrorKind::Unreachable],
    examples: &[
        Example { script: r#"print(status("deploy/web").phase)"#, prints: "complete\n" },
        Example { script: r#"print(status("sts/db").message.contains("3"))"#, prints: "true\n" },
        Example { script: r#"print(status("ds/no-such").phase)"#, prints: "missing\n" },
    ],
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
};

pub const DESCRIBE: Function = Function {
    name: "describe",
    params: &[TARGET],
    options: &[],
    returns: "string",
    summary: "Describes an object in kubectl's layout, with what stands around it: its pods, revisions, endpoints, events.",
    details: "Deployments, ReplicaSets, StatefulSets, DaemonSets, Pods, Nodes, Services, Jobs and more as kubectl has them; any other kind field by field. \
              Times are in UTC. What may not be read is left out.",
    errors: READ_ERRORS,
    examples: &[
        Example {
            script: r#"print(describe("deploy/web").split("\n").find(|line| line.starts_with("Replicas:")))"#,
            prints: "Replicas:               3 desired | 3 updated | 3 total | 3 available | 0 unavailable\n",
        },
        Example { script: r#"print(describe("sts/db").contains("Pods Status:"))"#, prints: "true\n" },
    ],
    source: "kubectl describe",
    body: Body::Read(describe_one),
};

fn describe_one(call: &Call) -> Answer {
    let target = call.target("target")?;
    let cluster = call.cluster()?;
    let (object, around) = call.wait(async {
        let object = cluster.get(&target).await?;
        let around = around(&cluster, &target, &object).await?;
        Ok((object, around))
    })?;
    Ok(describe(&object, &around, call.session.clock().now()).into())
}

/// What a description tells beside the object itself. What is forbidden is left out; a cluster that is away is an error.
async fn around(cluster: &Cluster, target: &Target, object: &Value) -> Result<Around> {
    let mut around = Around::default();
    let namespace = target.namespace.clone();
    let list = async |resource: &crate::resource::Resource, selection: Selection| match cluster.list(resource, &selection).await {
        Ok(objects) => Ok(Some(objects)),
        Err(error) if matches!(error.kind(), ErrorKind::Unreachable | ErrorKind::Unauthorized) => Err(error),
        Err(_) => Ok(None),
    };
    let selected = || Selection { namespace: namespace.clone(), labels: Some(label_selector(&object["spec"]["selector"])), ..Selection::default() };
    for need in needs(&target.resource.group, &target.resource.kind) {
        match need {
            Need::Revisions => around.revisions = list(&REPLICA_SET, selected()).await?.unwrap_or_default(),
            Need::Pods => around.pods = list(&POD, selected()).await?,
            Need::PodsOfNamespace => around.pods = list(&POD, Selection { namespace: namespace.clone(), ..Selection::default() }).await?,
            Need::PodsOfNode => {
                let fields = format!("spec.nodeName={},status.phase!=Succeeded,status.phase!=Failed", target.name);
                around.pods = list(&POD, Selection { fields: Some(fields), ..Selection::default() }).await?;
            }
            Need::EndpointSlices => {
                if let Ok(slices) = cluster.resource("endpointslices.discovery.k8s.io").await {
                    let labels = Some(format!("kubernetes.io/service-name={}", target.name));
                    around.endpoint_slices =
                        list(&slices, Selection { namespace: namespace.clone(), labels, ..Selection::default() }).await?.unwrap_or_default();
                }
            }
            Need::Lease => {
                let lease = match cluster.resource("leases.coordination.k8s.io").await {
                    Ok(leases) => cluster.get(&Target::new(&leases, Some("kube-node-lease"), &target.name)).await,
                    Err(error) => Err(error),
                };
                around.lease = Some(lease.map_err(|error| error.message().to_owned()));
            }
            Need::Events => around.events = events_about(target, object, &list).await?,
        }
    }
    Ok(around)
}

async fn events_about(
    target: &Target,
    object: &Value,
    list: &impl AsyncFn(&crate::resource::Resource, Selection) -> Result<Option<Vec<Value>>>,
) -> Result<Option<Vec<Value>>> {
    let (kind, uid) = (target.resource.kind.as_ref(), object["metadata"]["uid"].as_str().unwrap_or_default());
    let mut fields = vec![format!("involvedObject.name={}", target.name)];
    fields.extend(target.namespace.as_ref().map(|namespace| format!("involvedObject.namespace={namespace}")));
    if kind != "Pod" {
        fields.push(format!("involvedObject.kind={kind}"));
    }
    let of = |uid: &str| Selection {
        namespace: target.namespace.clone(),
        fields: Some([fields.join(","), format!("involvedObject.uid={uid}")].join(",")),
        ..Selection::default()
    };
    let mut events = list(&EVENT, of(uid)).await?;
    if kind == "Node"
        && let (Some(events), Some(more)) = (&mut events, list(&EVENT, of(&target.name)).await?)
    {
        events.extend(more);
    }
    Ok(events)
}

pub const TREE: Function = Function {
    name: "tree",
    params: &[TARGET],
    options: &[],
    returns: "map: target, phase, ready, desired, revisions; of each revision: revision, owner, images, change_cause, current, ready, replicas, pods",
    summary: "Shows a workload, its revisions and their pods with their state, as a picture; a script gets the same as nested maps, newest revision first.",
    details: "Pods of a revision that was cleaned up stand under the revision (). Doomed pods, those that will not become ready by themselves, are marked with !.",
    errors: READ_ERRORS,
    examples: &[
        Example { script: r#"for r in tree("deploy/web").revisions { print(`${r.revision} ${r.pods.len()}`) }"#, prints: "3 3\n2 0\n1 0\n" },
        Example { script: r#"print(tree("sts/db").revisions[0].pods.map(|pod| pod.name))"#, prints: "[\"db-0\", \"db-1\", \"db-2\"]\n" },
    ],
    source: "",
    body: Body::Read(tree),
};

fn tree(call: &Call) -> Answer {
    let target = call.target("target")?;
    let snapshot = call.snapshot(&target)?;
    let now = call.session.clock().now();
    let status = status::status(&snapshot, Patience::default(), now);
    let revisions = history::history(&snapshot, now);
    let screen = call.session.screen();
    let picture = Tree::of(&status, &revisions).draw(screen.columns(), screen.unicode);
    Ok(with_text(call.session, branches(&status, &revisions), Text::of_lines(picture)))
}

fn branches(status: &Status, revisions: &[history::Revision]) -> Dynamic {
    let pods = |of: &dyn Fn(Option<i64>) -> bool| -> Dynamic {
        let mut pods: Vec<_> = status.pods.iter().filter(|pod| of(pod.revision)).collect();
        pods.sort_by(|one, other| one.name.cmp(&other.name));
        Dynamic::from_array(pods.into_iter().map(shape).collect())
    };
    let mut all: Array = revisions
        .iter()
        .rev()
        .map(|it| {
            let value = json!({
                "revision": it.revision, "owner": it.owner, "images": it.images, "change_cause": it.change_cause, "current": it.current,
                "ready": it.ready, "replicas": it.replicas, "completed": it.completed,
            });
            with(dynamic(&value), "pods", pods(&|revision| revision == Some(it.revision)))
        })
        .collect();
    let unknown = |revision: Option<i64>| !revisions.iter().any(|it| Some(it.revision) == revision);
    if status.pods.iter().any(|pod| unknown(pod.revision)) {
        all.push(with(dynamic(&json!({ "revision": null, "owner": null, "current": false })), "pods", pods(&unknown)));
    }
    let top = json!({ "target": status.target, "phase": status.phase, "ready": status.ready, "desired": status.desired });
    with(dynamic(&top), "revisions", Dynamic::from_array(all))
}

fn with(map: Dynamic, key: &str, value: Dynamic) -> Dynamic {
    let mut map = map.try_cast::<rhai::Map>().unwrap_or_default();
    map.insert(key.into(), value);
    Dynamic::from_map(map)
}

pub const CAN: Function = Function {
    name: "can",
    params: &[Param::new("verb", Kind::Text), Param::new("target", Kind::Target)],
    options: &[],
    returns: "bool",
    summary: "Asks whether RBAC allows a verb on an object, on a kind (\"pods\"), or on a subresource (\"pods/log\").",
    details: "A verb of the API (get, list, watch, create, update, patch, delete, deletecollection), or a changing function of rollsh (\"undo\"), which stands for what it sends.",
    errors: &[ErrorKind::NotFound, ErrorKind::Usage, ErrorKind::Unauthorized, ErrorKind::Unreachable],
    examples: &[
        Example { script: r#"print(can("undo", "deploy/web"))"#, prints: "true\n" },
        Example { script: r#"print(can("list", "pods"))"#, prints: "true\n" },
        Example { script: r#"try { can("undoo", "deploy/web") } catch (e) { print(e.hints[0]) }"#, prints: "did you mean \"undo\"?\n" },
    ],
    source: "kubectl auth can-i",
    body: Body::Read(can),
};

const API_VERBS: &[&str] =
    &["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "impersonate", "bind", "escalate", "approve", "sign", "use", "*"];
/// What a function sends.
const SENT: &[(&str, &str)] = &[
    ("set_image", "patch"),
    ("undo", "patch"),
    ("pause", "patch"),
    ("resume", "patch"),
    ("restart", "patch"),
    ("scale", "patch"),
    ("set_env", "patch"),
    ("set_resources", "patch"),
    ("set_strategy", "patch"),
    ("annotate", "patch"),
    ("label", "patch"),
    ("apply", "patch"),
    ("unstick", "delete"),
];

fn can(call: &Call) -> Answer {
    let asked = call.text("verb").unwrap_or_default();
    let verb = match SENT.iter().find(|(name, _)| *name == asked) {
        Some((_, verb)) => *verb,
        None if API_VERBS.contains(&asked.as_str()) => asked.as_str(),
        None => {
            let error = Error::usage(format!("{asked:?} is no verb"));
            return Err(match nearest(&asked, API_VERBS.iter().copied().chain(SENT.iter().map(|(name, _)| *name))) {
                Some(near) => error.hint(format!("did you mean {near:?}?")),
                None => error.hint(format!("verbs: {}", API_VERBS.join(", "))),
            }
            .into());
        }
    };
    let (resource, namespace, name) = subject(call)?;
    let resource = match asked.as_str() {
        // The subresource has rules of its own.
        "scale" => sub(&resource, "scale"),
        // Of the StatefulSet's pods.
        "unstick" => POD.clone(),
        _ => resource,
    };
    let name = name.filter(|_| asked != "unstick");
    let cluster = call.cluster()?;
    Ok(call.wait(async { cluster.can(verb, &resource, namespace.as_deref(), name.as_deref()).await })?.into())
}

fn sub(resource: &crate::resource::Resource, subresource: &str) -> crate::resource::Resource {
    crate::resource::Resource { plural: format!("{}/{subresource}", resource.plural).into(), ..resource.clone() }
}

/// A kind, a kind with a subresource, or an object.
fn subject(call: &Call) -> Result<(crate::resource::Resource, Option<String>, Option<String>), Box<EvalAltResult>> {
    let text = call.text("target").unwrap_or_default();
    let subresources = ["log", "exec", "scale", "status", "eviction", "portforward", "attach"];
    if !text.is_empty() && !text.contains('/') {
        return Ok((call.resource(&text)?, Some(call.session.namespace()?), None));
    }
    if let Some((kind, subresource)) = text.split_once('/').filter(|(_, subresource)| subresources.contains(subresource)) {
        return Ok((sub(&call.resource(kind)?, subresource), Some(call.session.namespace()?), None));
    }
    let target = call.target("target")?;
    Ok((target.resource.clone(), target.namespace.clone(), Some(target.name)))
}
