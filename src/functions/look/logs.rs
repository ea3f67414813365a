//! `logs`: of a pod, or of all pods of a workload, once or as they come.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;

use futures::stream::SelectAll;
use futures::{Stream, StreamExt};
use rhai::Dynamic;
use serde_json::Value;

use super::{OPTIONS, READ_ERRORS, TARGET};
use crate::cluster::Cluster;
use crate::cluster::read::{LogOptions, Selection};
use crate::cluster::watch::Event;
use crate::error::{Error, ErrorKind, Result};
use crate::functions::call::Call;
use crate::functions::function::{Answer, Body, Example, Function, Kind, Opt};
use crate::resource::{POD, Target};
use crate::rollout::status::{self, Patience};
use crate::rollout::workload::{Kind as WorkloadKind, Workload};

pub const LOGS: Function = Function {
    name: "logs",
    params: &[TARGET, OPTIONS],
    options: &[
        Opt { name: "container", kind: Kind::Text, summary: "which container; default: the only one, or the first" },
        Opt { name: "tail", kind: Kind::Int, summary: "only the last lines of each pod" },
        Opt { name: "since", kind: Kind::Duration, summary: "only lines younger than this" },
        Opt { name: "previous", kind: Kind::Bool, summary: "of the container before the last restart" },
        Opt { name: "follow", kind: Kind::Bool, summary: "print lines as they come, also of pods that come later, until Ctrl-C or a deadline" },
    ],
    returns: "string; () with follow",
    summary: "Reads the log of a pod, or of all pods of a workload, each line of several pods with the pod's name before it.",
    details: "A followed container that restarts is followed further. Control characters in logs are made visible.",
    errors: READ_ERRORS,
    examples: &[
        Example { script: r#"print(logs("deploy/web", #{tail: 1}).split("\n").filter(|line| line.starts_with("[web-")).len() >= 3)"#, prints: "true\n" },
        Example { script: r#"print(logs("pod/db-0", #{tail: 1}).len() > 0)"#, prints: "true\n" },
        Example { script: r#"try { logs("pod/no-such") } catch (e) { print(e.kind) }"#, prints: "not_found\n" },
    ],
    source: "kubectl logs",
    body: Body::Flow(logs),
};

fn logs(call: &Call) -> Answer {
    let target = call.target("target")?;
    let cluster = call.cluster()?;
    let options = LogOptions {
        container: call.option_text("container"),
        tail: call.option_int("tail"),
        since_s: call.option_duration("since")?.map(|since| i64::try_from(since.as_secs().max(1)).unwrap_or(i64::MAX)),
        previous: call.option_bool("previous").unwrap_or(false),
    };
    if call.option_bool("follow") == Some(true) {
        if options.previous {
            return Err(Error::usage("logs cannot follow what was before the last restart").hint("leave out follow or previous").into());
        }
        return follow(call, &cluster, &target, &options);
    }
    if options.tail.is_some_and(|tail| tail < -1) {
        return Err(Error::usage(format!("option \"tail\" of logs must be a number of lines, not {}", options.tail.unwrap_or_default()))
            .hint("-1 means all")
            .into());
    }
    let namespace = target.namespace.clone().unwrap_or_default();
    if target.resource == POD {
        return Ok(call.wait(async { cluster.logs(&namespace, &target.name, &options).await })?.into());
    }
    let snapshot = call.snapshot(&target)?;
    let now = call.session.clock().now();
    let mut pods: Vec<String> = status::status(&snapshot, Patience::default(), now).pods.into_iter().map(|pod| pod.name).collect();
    pods.sort();
    let text = call.wait(async {
        let mut text = String::new();
        // When no pod has a log, the first refusal tells why.
        let (mut told, mut refused) = (false, None);
        for pod in &pods {
            let log = match cluster.logs(&namespace, pod, &options).await {
                Ok(log) => log,
                // A container that never started has no log; the other pods' logs are still wanted. A pod may be gone since.
                Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::NotFound) && pods.len() > 1 => {
                    refused.get_or_insert(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            told = true;
            for line in log.lines() {
                if pods.len() > 1 {
                    text.push_str(&format!("[{pod}] "));
                }
                text.push_str(line);
                text.push('\n');
            }
        }
        match refused {
            Some(error) if !told => Err(error),
            _ => Ok(text),
        }
    })?;
    Ok(text.into())
}

/// What a followed log tells: a line of a pod, or that its stream ended.
enum Told {
    Line(String, Result<String>),
    End(String),
}

type Lines = Pin<Box<dyn Stream<Item = Told> + Send>>;

fn follow(call: &Call, cluster: &Cluster, target: &Target, options: &LogOptions) -> Answer {
    let (selection, owner) = if target.resource == POD {
        call.wait(async { cluster.get(target).await })?;
        (Selection { namespace: target.namespace.clone(), fields: Some(format!("metadata.name={}", target.name)), ..Selection::default() }, None)
    } else {
        if WorkloadKind::of(&target.resource).is_none() {
            return Err(crate::session::follow::not_a_workload(target).into());
        }
        let workload = Workload::new(call.wait(async { cluster.get(target).await })?)?;
        (Selection { namespace: target.namespace.clone(), labels: Some(workload.selector()), ..Selection::default() }, Some(workload))
    };
    let mut pods = cluster.watch(&POD, &selection);
    let mut lines: SelectAll<Lines> = SelectAll::new();
    let mut open: BTreeSet<String> = BTreeSet::new();
    // How many restarts of a pod have been followed to their end.
    let mut ended: BTreeMap<String, i64> = BTreeMap::new();
    let mut restarts: BTreeMap<String, i64> = BTreeMap::new();
    loop {
        enum Next {
            Pods(Option<Result<Event>>),
            Log(Told),
        }
        let next = call.wait(async {
            tokio::select! {
                biased;
                Some(told) = lines.next(), if !lines.is_empty() => Ok(Next::Log(told)),
                event = pods.next() => Ok(Next::Pods(event)),
            }
        })?;
        let seen = match next {
            Next::Log(Told::Line(pod, line)) => {
                match line {
                    Ok(line) if owner.is_some() => call.session.screen().print_line(&format!("[{pod}] {line}")),
                    Ok(line) => call.session.screen().print_line(&line),
                    // The container was not there yet, or is not any more: the pod's next change tells.
                    Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::NotFound) => {}
                    Err(error) => return Err(error.into()),
                }
                if call.session.screen().closed() {
                    return Ok(Dynamic::UNIT);
                }
                continue;
            }
            Next::Log(Told::End(pod)) => {
                open.remove(&pod);
                ended.insert(pod.clone(), restarts.get(&pod).copied().unwrap_or(0));
                continue;
            }
            Next::Pods(None) => return Err(Error::unreachable(format!("watching the pods of {target} ended")).into()),
            Next::Pods(Some(event)) => match event? {
                Event::Listed(objects) => objects,
                Event::Applied(object) => vec![object],
                Event::Deleted(_) if target.resource == POD => return Ok(Dynamic::UNIT),
                Event::Deleted(_) => continue,
            },
        };
        for pod in seen.iter().filter(|pod| owner.as_ref().is_none_or(|owner| is_of(owner, pod))) {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let count = status::pod_restarts(pod).0;
            restarts.insert(name.clone(), count);
            let again = ended.get(&name).is_some_and(|done| *done < count);
            if has_started(pod) && !open.contains(&name) && (again || !ended.contains_key(&name)) {
                // What stood in the log before the restart was printed already.
                let options = if again { LogOptions { tail: None, since_s: None, ..options.clone() } } else { options.clone() };
                open.insert(name.clone());
                lines.push(stream(cluster, target, name, options));
            }
        }
    }
}

fn stream(cluster: &Cluster, target: &Target, pod: String, options: LogOptions) -> Lines {
    let (cluster, namespace) = (cluster.clone(), target.namespace.clone().unwrap_or_default());
    let name = pod.clone();
    let opened = async move {
        match cluster.log_lines(&namespace, &name, &options).await {
            Ok(lines) => lines.left_stream(),
            Err(error) => futures::stream::once(async move { Err(error) }).right_stream(),
        }
    };
    let end = pod.clone();
    let lines = futures::stream::once(opened).flatten().map(move |line| Told::Line(pod.clone(), line));
    Box::pin(lines.chain(futures::stream::once(async move { Told::End(end) })))
}

/// Whether a pod of the workload's selector belongs to it. A Deployment's new ReplicaSets have uids that are not known yet.
fn is_of(workload: &Workload, pod: &Value) -> bool {
    let owners = pod["metadata"]["ownerReferences"].as_array().into_iter().flatten();
    let mut controllers = owners.filter(|owner| owner["controller"] == true);
    controllers.any(|owner| match workload.kind() {
        WorkloadKind::Deployment => {
            let name = owner["name"].as_str().unwrap_or_default();
            owner["kind"] == "ReplicaSet" && name.rsplit_once('-').is_some_and(|(base, _)| base == workload.name())
        }
        WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => owner["uid"] == workload.uid(),
    })
}

/// Whether there is a log to follow.
fn has_started(pod: &Value) -> bool {
    let statuses = pod["status"]["containerStatuses"].as_array().into_iter().flatten();
    statuses.into_iter().any(|container| container["state"]["running"].is_object() || container["state"]["terminated"].is_object())
}
