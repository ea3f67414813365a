//! `rollsh job`: the manifests that run a script in a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

use rhai::Map;
use serde_json::{Value, json};

use super::args::{Global, Scheduled};
use super::build;
use super::run::{folder_of, problems, read_script};
use crate::error::{Error, Result, file_reason};
use crate::render::data;
use crate::render::screen::{Screen, Text, Tone};
use crate::render::words;
use crate::script::Host;
use crate::script::needs::{Needs, needs};

/// A ConfigMap holds a mebibyte, and some of it is names.
const MOST_BYTES: usize = 1_000_000;
/// How long a finished Job is kept, for its logs to be read: a day.
const KEPT_S: u64 = 86_400;
const SCRIPTS: &str = "/scripts";
const STATE: &str = "/state";

pub fn run(global: &Global, screen: &Screen, wanted: &Scheduled) -> Result<ExitCode> {
    let text = read_script(&wanted.file)?;
    if let Some(problem) = problems(screen, &wanted.file, &text)?.first() {
        screen.warn(&problem.text(&text));
        return Ok(ExitCode::from(2));
    }
    let folder = folder_of(&wanted.file);
    let file = wanted.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let host = Host::new(&build::without_cluster(screen.clone())?, Some(&folder), &Map::new());
    let needs = needs(host.engine(), &folder, &file, &text, &wanted.args).map_err(build::as_usage)?;
    let name = named(wanted, &file)?;
    if let Some(schedule) = wanted.schedule.as_deref().filter(|schedule| !schedule.starts_with('@') && schedule.split_whitespace().count() != 5) {
        return Err(Error::usage(format!("--schedule {schedule:?} is no schedule")).hint("write five fields, as in \"0 3 * * *\", or @daily"));
    }
    // A subject must name its namespace, so all of it does.
    let home = global.namespace.as_deref().unwrap_or("default");
    let (data, items) = scripts(&needs, &file, text)?;
    let mut documents = vec![json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(&name, Some(home)) })];
    documents.extend(roles(&needs, &name, home));
    documents.push(json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(&name, Some(home)), "data": data }));
    documents.push(job(global, wanted, &metadata(&name, Some(home)), &file, &items));
    let printed: Vec<String> = documents.iter().map(data::yaml).collect();
    screen.print_line(&printed.iter().map(|document| document.trim_end()).collect::<Vec<_>>().join("\n---\n"));
    if wanted.image.is_none() {
        screen.notice(&Text::of(Tone::Watch, format!("the image {} must hold this program: build and push it, or name another with --image", image(wanted))));
    }
    for unknown in needs.unknown.iter().collect::<BTreeSet<_>>() {
        screen.notice(&Text::of(Tone::Watch, unknown.clone()));
    }
    Ok(ExitCode::SUCCESS)
}

/// The objects' name: a DNS label of at most 52 characters, since a CronJob appends eleven.
fn named(wanted: &Scheduled, file: &str) -> Result<String> {
    let name = wanted.name.clone().unwrap_or_else(|| {
        let stem = file.strip_suffix(".rhai").unwrap_or(file).to_lowercase();
        let mut name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        name.truncate(52);
        name.trim_matches('-').to_owned()
    });
    let fits = |name: &str| {
        !name.is_empty()
            && name.len() <= 52
            && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && !name.starts_with('-')
            && !name.ends_with('-')
    };
    if fits(&name) {
        Ok(name)
    } else {
        Err(Error::usage(format!("{name:?} cannot name a Job")).hint("--name: lower-case letters, digits and dashes, 52 at most"))
    }
}

fn metadata(name: &str, namespace: Option<&str>) -> Value {
    let mut metadata = json!({ "name": name, "labels": { "app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "rollsh" } });
    if let Some(namespace) = namespace {
        metadata["namespace"] = namespace.into();
    }
    metadata
}

/// The data of the ConfigMap, and the paths that its keys are mounted at.
fn scripts(needs: &Needs, file: &str, text: String) -> Result<(BTreeMap<String, String>, Vec<Value>)> {
    let key = |path: &str| path.replace(|c: char| !c.is_ascii_alphanumeric() && !"-_.".contains(c), "_");
    let mut data = BTreeMap::from([(key(file), text)]);
    let mut items = vec![json!({ "key": key(file), "path": file })];
    for (path, place) in &needs.files {
        let text = std::fs::read_to_string(place).map_err(|error| Error::usage(format!("cannot read {}: {}", place.display(), file_reason(&error))))?;
        data.insert(key(path), text);
        items.push(json!({ "key": key(path), "path": path }));
    }
    let bytes: usize = data.values().map(String::len).sum();
    if bytes > MOST_BYTES {
        return Err(Error::usage(format!("the script and its files have {bytes} bytes, and a ConfigMap holds {MOST_BYTES}")));
    }
    Ok((data, items))
}

/// A Role and its binding in each namespace that the script names, and a ClusterRole for what is in none.
fn roles(needs: &Needs, name: &str, home: &str) -> Vec<Value> {
    // What may be done with the same verbs to one kind stands in one rule.
    type Rules<'a> = BTreeMap<(&'a str, &'a str, Vec<&'a str>), BTreeSet<&'a str>>;
    let mut places: BTreeMap<Option<&str>, Rules<'_>> = BTreeMap::new();
    for (object, verbs) in &needs.verbs {
        let place = object.namespaced.then(|| object.namespace.as_deref().unwrap_or(home));
        let names = places.entry(place).or_default().entry((&object.group, &object.resource, verbs.iter().copied().collect())).or_default();
        match &object.name {
            Some(name) => drop(names.insert(name)),
            // An empty name stands for all of them.
            None => drop(names.insert("")),
        }
    }
    let mut documents = Vec::new();
    for (place, rules) in places {
        let rules: Vec<Value> = rules
            .into_iter()
            .map(|((group, resource, verbs), names)| {
                let mut rule = json!({ "apiGroups": [group], "resources": [resource], "verbs": verbs });
                if !names.contains("") {
                    rule["resourceNames"] = json!(names);
                }
                rule
            })
            .collect();
        let (kind, binding) = if place.is_some() { ("Role", "RoleBinding") } else { ("ClusterRole", "ClusterRoleBinding") };
        let api = "rbac.authorization.k8s.io";
        let metadata = metadata(name, place);
        documents.push(json!({ "apiVersion": format!("{api}/v1"), "kind": kind, "metadata": metadata, "rules": rules }));
        documents.push(json!({
            "apiVersion": format!("{api}/v1"), "kind": binding, "metadata": metadata,
            "roleRef": { "apiGroup": api, "kind": kind, "name": name },
            "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": home }],
        }));
    }
    documents
}

fn image(wanted: &Scheduled) -> String {
    wanted.image.clone().unwrap_or_else(|| format!("rollsh:{}", env!("CARGO_PKG_VERSION")))
}

/// The program's arguments: what was given here for the run, the script, and its own.
fn command(global: &Global, wanted: &Scheduled, file: &str) -> Vec<String> {
    let mut command: Vec<String> = Vec::new();
    command.extend(global.allow.iter().map(|capability| format!("--allow={capability}")));
    for (flag, given) in [("--yes", global.yes), ("--read-only", global.read_only), ("--dry-run", global.dry_run)] {
        command.extend(given.then(|| flag.to_owned()));
    }
    command.extend(global.timeout.map(|timeout| format!("--timeout={}", words::duration(timeout.as_secs_f64()))));
    command.extend(["run".to_owned(), format!("{SCRIPTS}/{file}")]);
    command.extend(wanted.args.iter().cloned());
    command
}

fn job(global: &Global, wanted: &Scheduled, metadata: &Value, file: &str, items: &[Value]) -> Value {
    let (name, labels) = (&metadata["name"], &metadata["labels"]);
    let pod = json!({
        "serviceAccountName": name,
        // The exit code tells what happened; a second try would be another rollout.
        "restartPolicy": "Never",
        "securityContext": { "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": { "type": "RuntimeDefault" } },
        "containers": [{
            "name": "rollsh",
            "image": image(wanted),
            "command": ["rollsh"],
            "args": command(global, wanted, file),
            "workingDir": SCRIPTS,
            "env": [{ "name": "XDG_STATE_HOME", "value": STATE }],
            "resources": { "requests": { "cpu": "10m", "memory": "32Mi" }, "limits": { "memory": "128Mi" } },
            "securityContext": { "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] } },
            "volumeMounts": [{ "name": "scripts", "mountPath": SCRIPTS, "readOnly": true }, { "name": "state", "mountPath": STATE }],
        }],
        "volumes": [{ "name": "scripts", "configMap": { "name": name, "items": items } }, { "name": "state", "emptyDir": {} }],
    });
    let job = json!({ "backoffLimit": 0, "ttlSecondsAfterFinished": KEPT_S, "template": { "metadata": { "labels": labels }, "spec": pod } });
    match &wanted.schedule {
        None => json!({ "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": job }),
        Some(schedule) => json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata,
            // Two runs at a time would fight over the same workload.
            "spec": { "schedule": schedule, "concurrencyPolicy": "Forbid", "jobTemplate": { "spec": job } },
        }),
    }
}
