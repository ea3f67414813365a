//! ResourceQuotas: what objects use, which quotas that counts for, and what would be too much.
//!
//! Not here: bringing a quota's status up to date when something goes away (`controllers::quota`).
//!
//! # Limits
//! Pods are measured by the sizes of their containers and their overhead; devices and pod-level sizes are not counted.
//!
//! # Source
//! kubernetes 1.36.3 `staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go`, `pkg/quota/v1/evaluator/core`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::super::api::{Caller, Subresource};
use super::super::failure::{Failure, Result};
use super::super::kinds::Kind;
use super::super::schema::quantity::{Format, Quantity};
use super::super::world::World;
use super::limits::of_pod;
use super::{items, text};
use crate::sim::json::{Map, Value};

/// Amounts by the names that quotas have for them.
pub type Usage = BTreeMap<String, Quantity>;

/// What each container must name where a quota counts it.
const NAMED: [&str; 6] = ["cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];
const STORAGE_CLASS: &str = ".storageclass.storage.k8s.io/";

fn one() -> Quantity {
    Quantity::of_nano(1_000_000_000, Format::DecimalSi)
}

fn zero() -> Quantity {
    Quantity::of_nano(0, Format::DecimalSi)
}

fn add(usage: &mut Usage, name: impl Into<String>, amount: Quantity) {
    let name = name.into();
    let sum = usage.get(&name).map_or_else(|| amount.clone(), |it| it.plus(&amount));
    usage.insert(name, sum);
}

pub fn add_all(usage: &mut Usage, more: Usage) {
    for (name, amount) in more {
        add(usage, name, amount);
    }
}

/// What a quota calls the number of objects of a kind: `count/deployments.apps`.
pub fn count_of(kind: Kind) -> String {
    format!("count/{}", kind.qualified())
}

/// What an object uses.
pub fn usage(kind: Kind, object: &Value) -> Usage {
    let mut used = Usage::new();
    add(&mut used, count_of(kind), one());
    match kind {
        Kind::PODS => pod(&mut used, object),
        Kind::SERVICES => service(&mut used, object),
        Kind::PERSISTENTVOLUMECLAIMS => claim(&mut used, object),
        Kind::CONFIGMAPS | Kind::SECRETS | Kind::REPLICATIONCONTROLLERS | Kind::RESOURCEQUOTAS => add(&mut used, kind.plural(), one()),
        _ => {}
    }
    used
}

fn pod(used: &mut Usage, pod: &Value) {
    // What has ended uses nothing but its place in the store.
    if matches!(text(&pod["status"], "phase"), "Failed" | "Succeeded") {
        return;
    }
    add(used, "pods", one());
    let spec = &pod["spec"];
    let mut names: BTreeSet<(&str, String)> = BTreeSet::new();
    for container in ["initContainers", "containers"].iter().flat_map(|list| items(spec, list)) {
        for field in ["requests", "limits"] {
            names.extend(container["resources"][field].as_object().into_iter().flatten().map(|(name, _)| (field, name.to_string())));
        }
    }
    for (field, name) in names {
        let Some(mut amount) = of_pod(spec, field, &name) else { continue };
        if let Some(over) = spec["overhead"][name.as_str()].as_str().and_then(|it| Quantity::parse(it).ok()) {
            amount = amount.plus(&over);
        }
        let plain = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-");
        if field == "requests" && plain {
            add(used, name.clone(), amount.clone());
        }
        if field == "requests" || plain {
            add(used, format!("{field}.{name}"), amount);
        }
    }
}

fn service(used: &mut Usage, service: &Value) {
    add(used, "services", one());
    let spec = &service["spec"];
    let ports = i128::try_from(items(spec, "ports").len()).unwrap_or(0) * 1_000_000_000;
    match text(spec, "type") {
        "NodePort" => add(used, "services.nodeports", Quantity::of_nano(ports, Format::DecimalSi)),
        "LoadBalancer" => {
            add(used, "services.loadbalancers", one());
            if spec["allocateLoadBalancerNodePorts"] != false {
                add(used, "services.nodeports", Quantity::of_nano(ports, Format::DecimalSi));
            }
        }
        _ => {}
    }
}

fn claim(used: &mut Usage, claim: &Value) {
    let class = text(&claim["spec"], "storageClassName");
    let size = claim["spec"]["resources"]["requests"]["storage"].as_str().and_then(|it| Quantity::parse(it).ok());
    add(used, "persistentvolumeclaims", one());
    if !class.is_empty() {
        add(used, format!("{class}{STORAGE_CLASS}persistentvolumeclaims"), one());
    }
    if let Some(size) = size {
        if !class.is_empty() {
            add(used, format!("{class}{STORAGE_CLASS}requests.storage"), size.clone());
        }
        add(used, "requests.storage", size);
    }
}

/// Whether objects of a kind are what a name in a quota counts.
pub fn counts(kind: Kind, name: &str) -> bool {
    if name == count_of(kind) {
        return true;
    }
    match kind {
        Kind::PODS => {
            let sizes = name.strip_prefix("requests.").or(name.strip_prefix("limits."));
            name == "pods"
                || matches!(name, "cpu" | "memory" | "ephemeral-storage")
                || name.starts_with("hugepages-")
                || sizes.is_some_and(|it| it != "storage")
        }
        Kind::SERVICES => matches!(name, "services" | "services.nodeports" | "services.loadbalancers"),
        Kind::PERSISTENTVOLUMECLAIMS => matches!(name, "persistentvolumeclaims" | "requests.storage") || name.contains(STORAGE_CLASS),
        Kind::CONFIGMAPS | Kind::SECRETS | Kind::REPLICATIONCONTROLLERS | Kind::RESOURCEQUOTAS => name == kind.plural(),
        _ => false,
    }
}

/// Whether an object is in all scopes of a quota.
pub fn in_scope(quota: &Value, kind: Kind, object: &Value) -> bool {
    let spec = &quota["spec"];
    let named = items(spec, "scopes").iter().map(|it| (it.as_str().unwrap_or_default(), "Exists", &Value::Null));
    let chosen = items(&spec["scopeSelector"], "matchExpressions").iter().map(|it| (text(it, "scopeName"), text(it, "operator"), &it["values"]));
    let mut all = named.chain(chosen).peekable();
    if all.peek().is_some() && kind != Kind::PODS {
        return false;
    }
    all.all(|(scope, operator, values)| {
        let spec = &object["spec"];
        let ends = spec["activeDeadlineSeconds"].as_i64().is_some();
        match scope {
            "Terminating" => ends,
            "NotTerminating" => !ends,
            "BestEffort" => is_best_effort(spec),
            "NotBestEffort" => !is_best_effort(spec),
            "PriorityClass" => {
                let class = text(spec, "priorityClassName");
                let among = values.as_array().is_some_and(|it| it.iter().any(|it| it == class));
                match operator {
                    "In" => among,
                    "NotIn" => !among,
                    "DoesNotExist" => class.is_empty(),
                    _ => !class.is_empty(),
                }
            }
            "CrossNamespacePodAffinity" => crosses(&spec["affinity"]),
            _ => false,
        }
    })
}

fn is_best_effort(spec: &Value) -> bool {
    let names = |it: &Value| {
        ["requests", "limits"]
            .iter()
            .any(|field| it["resources"][*field].as_object().is_some_and(|sizes| sizes.into_iter().any(|(name, _)| matches!(&**name, "cpu" | "memory"))))
    };
    !["initContainers", "containers"].iter().flat_map(|list| items(spec, list)).any(names)
}

/// Whether an affinity looks at other namespaces.
fn crosses(affinity: &Value) -> bool {
    let kinds = [&affinity["podAffinity"], &affinity["podAntiAffinity"]];
    kinds.iter().any(|it| {
        let plain = items(it, "requiredDuringSchedulingIgnoredDuringExecution").iter();
        let weighed = items(it, "preferredDuringSchedulingIgnoredDuringExecution").iter().map(|it| &it["podAffinityTerm"]);
        plain.chain(weighed).any(|it| !items(it, "namespaces").is_empty() || it["namespaceSelector"].is_object())
    })
}

/// The amounts of a list of a quota.
pub fn amounts(list: &Value) -> Usage {
    let read = |(name, amount): (&_, &Value)| -> Option<(String, Quantity)> {
        let name: &str = name;
        Some((name.to_owned(), Quantity::parse(amount.as_str()?).ok()?))
    };
    list.as_object().into_iter().flatten().filter_map(|(name, amount)| read((&**name, amount))).collect()
}

pub fn as_value(usage: &Usage) -> Value {
    Value::Object(usage.iter().map(|(name, amount)| (name.as_str(), Value::from(amount.to_string()))).collect::<Map>())
}

/// Refuses what a quota of the namespace has no room for, and charges the quotas for what they have.
///
/// # Errors
/// `Forbidden`.
pub fn check(world: &mut World, kind: Kind, object: &Value, old: Option<&Value>, dry_run: bool) -> Result<()> {
    if !kind.namespaced() {
        return Ok(());
    }
    let namespace = text(&object["metadata"], "namespace");
    let quotas: Vec<Arc<Value>> = world.list(Kind::RESOURCEQUOTAS, Some(namespace)).cloned().collect();
    if quotas.is_empty() {
        return Ok(());
    }
    let name = text(&object["metadata"], "name");
    let refused = |why: String| Err(Failure::forbidden(kind, name, &why));
    let mut wanted = usage(kind, object);
    if let Some(old) = old {
        for (name, amount) in usage(kind, old) {
            let left = wanted.get(&name).map_or(0, Quantity::nano) - amount.nano();
            wanted.insert(name, Quantity::of_nano(left, amount.format));
        }
    }
    wanted.retain(|_, amount| amount.nano() != 0);
    let mut charged = Vec::new();
    for quota in quotas {
        let hard = amounts(&quota["status"]["hard"]);
        let ours: Vec<&String> = hard.keys().filter(|it| counts(kind, it)).collect();
        if ours.is_empty() || !in_scope(&quota, kind, object) {
            continue;
        }
        let called = text(&quota["metadata"], "name");
        if kind == Kind::PODS
            && old.is_none()
            && let Some(missing) = missing(&object["spec"], &ours)
        {
            return refused(format!("failed quota: {called}: must specify {missing}"));
        }
        let mut used = amounts(&quota["status"]["used"]);
        if ours.iter().any(|it| !used.contains_key(it.as_str())) {
            let names: Vec<&str> = ours.iter().map(|it| it.as_str()).collect();
            return refused(format!("status unknown for quota: {called}, resources: {}", names.join(",")));
        }
        let asked: Usage = wanted.iter().filter(|(name, _)| hard.contains_key(*name)).map(|(name, amount)| (name.clone(), amount.clone())).collect();
        if asked.is_empty() {
            continue;
        }
        let before = used.clone();
        add_all(&mut used, asked.clone());
        let over: Vec<&String> =
            asked.iter().filter(|(_, amount)| amount.nano() > 0).map(|(name, _)| name).filter(|it| used[*it].nano() > hard[*it].nano()).collect();
        if !over.is_empty() {
            let shown = |usage: &Usage| over.iter().map(|it| format!("{it}={}", usage.get(*it).cloned().unwrap_or_else(zero))).collect::<Vec<_>>().join(",");
            return refused(format!("exceeded quota: {called}, requested: {}, used: {}, limited: {}", shown(&asked), shown(&before), shown(&hard)));
        }
        charged.push((quota, used));
    }
    for (quota, used) in charged.into_iter().filter(|_| !dry_run) {
        let mut copy = Value::clone(&quota);
        copy["status"]["used"] = as_value(&used);
        world.update(Kind::RESOURCEQUOTAS, copy, Subresource::Status, &Caller::component("kube-apiserver"))?;
    }
    Ok(())
}

/// Which sizes the containers of a pod do not name though a quota counts them: `limits.memory for: a,b; requests.cpu for: a`.
fn missing(spec: &Value, counted: &[&String]) -> Option<String> {
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for container in ["containers", "initContainers"].iter().flat_map(|list| items(spec, list)) {
        for name in counted.iter().map(|it| it.as_str()).filter(|it| NAMED.contains(it)) {
            let (field, size) = name.split_once('.').unwrap_or(("requests", name));
            if container["resources"][field][size].is_null() {
                missing.entry(name).or_default().insert(text(container, "name"));
            }
        }
    }
    let shown = |(name, containers): (&str, BTreeSet<&str>)| format!("{name} for: {}", containers.into_iter().collect::<Vec<_>>().join(","));
    (!missing.is_empty()).then(|| missing.into_iter().map(shown).collect::<Vec<_>>().join("; "))
}
