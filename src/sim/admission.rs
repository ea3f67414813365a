//! What admission adds to an object, or refuses: the namespace it goes into, a pod's service account, tolerations and priority, a Service's address; then
//! LimitRanges, pod security and quotas.
//!
//! Objects are completed first and judged when they are valid, as the real server's mutating and validating admission do.
//!
//! # Source
//! kubernetes 1.36.3 `plugin/pkg/admission/{namespace/lifecycle,serviceaccount,defaulttolerationseconds}`, `pkg/registry/core/service`.

mod account;
mod class;
mod limits;
pub mod quota;
mod security;
#[cfg(test)]
mod tests;

use super::api::Subresource;
use super::failure::{Failure, FieldError, Result};
use super::kinds::Kind;
use super::world::World;
use crate::sim::json::{Value, json};

/// Namespaces that cannot be deleted.
pub const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The name that was asked for: a generated one is made only after admission.
fn asked_name(metadata: &Value) -> &str {
    let (name, base) = (text(metadata, "name"), text(metadata, "generateName"));
    if !base.is_empty() && name.starts_with(base) { base } else { name }
}

fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_default()
}

/// Judges a valid object that is about to be made.
///
/// # Errors
/// `Forbidden`, and `Invalid` for labels of namespaces.
pub fn check_create(world: &mut World, kind: Kind, object: &Value, dry_run: bool) -> Result<()> {
    if kind == Kind::NAMESPACES {
        return security::check_namespace(world, object, None);
    }
    if matches!(kind, Kind::PODS | Kind::PERSISTENTVOLUMECLAIMS) {
        limits::check(world, kind, object)?;
    }
    security::check(world, kind, object)?;
    quota::check(world, kind, object, None, dry_run)
}

/// Judges a valid object that is about to replace another.
///
/// # Errors
/// As `check_create`.
pub fn check_update(world: &mut World, kind: Kind, part: Subresource, object: &Value, old: &Value, dry_run: bool) -> Result<()> {
    match (kind, part) {
        (Kind::NAMESPACES, Subresource::Main) => security::check_namespace(world, object, Some(old)),
        (Kind::PODS, Subresource::EphemeralContainers) => security::check(world, kind, object),
        (Kind::PODS, Subresource::Resize) => quota::check(world, kind, object, Some(old), dry_run),
        (Kind::PERSISTENTVOLUMECLAIMS, Subresource::Main) => {
            limits::check(world, kind, object)?;
            quota::check(world, kind, object, Some(old), dry_run)
        }
        (Kind::SERVICES, Subresource::Main) => quota::check(world, kind, object, Some(old), dry_run),
        (Kind::PODS, _) | (_, Subresource::Status | Subresource::Scale | Subresource::Finalize) => Ok(()),
        _ => security::check(world, kind, object),
    }
}

/// Whether something may be made in a namespace.
///
/// # Errors
/// `NotFound` for a namespace that is not there, `Forbidden` for one that is being deleted.
pub fn check_namespace(world: &World, kind: Kind, namespace: &str, name: &str) -> Result<()> {
    if !kind.namespaced() {
        return Ok(());
    }
    let Some(found) = world.find(Kind::NAMESPACES, "", namespace) else { return Err(Failure::not_found(Kind::NAMESPACES, namespace)) };
    if found["metadata"]["deletionTimestamp"].is_null() {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let cause = json!({ "reason": "NamespaceTerminating", "message": format!("namespace {namespace} is being terminated"), "field": "metadata.namespace" });
    Err(Failure::forbidden(kind, name, &why).causes(vec![cause]))
}

/// Completes an object that is about to be made.
///
/// # Errors
/// `Forbidden` and `Invalid`.
pub fn admit_create(world: &mut World, kind: Kind, object: &mut Value) -> Result<()> {
    match kind {
        Kind::PODS => {
            limits::complete(world, object);
            account::complete(world, object)?;
            tolerations(&mut object["spec"]);
            class::priority(world, object)?;
            class::runtime(world, object)
        }
        Kind::PRIORITYCLASSES => class::one_default_priority(world, object),
        Kind::PERSISTENTVOLUMECLAIMS => {
            class::default_storage(world, object);
            Ok(())
        }
        Kind::SERVICES => allocate(world, object, None),
        _ => Ok(()),
    }
}

/// Completes an object that is about to replace another.
///
/// # Errors
/// `Invalid`.
pub fn admit_update(world: &mut World, kind: Kind, object: &mut Value, old: &Value) -> Result<()> {
    match kind {
        Kind::PODS => {
            tolerations(&mut object["spec"]);
            for field in ["priority", "preemptionPolicy"] {
                if object["spec"][field].is_null() && !old["spec"][field].is_null() {
                    object["spec"][field] = old["spec"][field].clone();
                }
            }
            Ok(())
        }
        Kind::PRIORITYCLASSES => class::one_default_priority(world, object),
        Kind::SERVICES => allocate(world, object, Some(old)),
        _ => Ok(()),
    }
}

/// A pod stays five minutes on a node that is lost, unless it says otherwise.
fn tolerations(spec: &mut Value) {
    let mut list = spec["tolerations"].as_array().unwrap_or_default().to_vec();
    for taint in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerated = |it: &Value| {
            let (key, effect) = (text(it, "key"), text(it, "effect"));
            (key == taint || key.is_empty()) && (effect == "NoExecute" || effect.is_empty())
        };
        if !list.iter().any(tolerated) {
            list.push(json!({ "key": taint, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 }));
        }
    }
    spec["tolerations"] = Value::from(list);
}

/// Gives a Service its address in the cluster, and its ports on the nodes.
fn allocate(world: &mut World, service: &mut Value, old: Option<&Value>) -> Result<()> {
    let name = text(&service["metadata"], "name").to_owned();
    let uid = text(&service["metadata"], "uid").to_owned();
    let spec = &mut service["spec"];
    let kind = text(spec, "type").to_owned();
    if kind == "ExternalName" {
        // What it had as another type and nobody speaks of goes with that type.
        if let (Some(old), Some(spec)) = (old.filter(|old| old["spec"]["type"] != "ExternalName"), spec.as_object_mut()) {
            for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                if spec.get(field) == old["spec"].get(field) {
                    spec.remove(field);
                }
            }
        }
        return Ok(());
    }
    let invalid = |field: &str, value: Value, detail: &str| Err(Failure::invalid(Kind::SERVICES, &name, vec![FieldError::invalid(field, value, detail)]));
    if old.is_none() && matches!(text(spec, "clusterIP"), "" | "None") {
        let families = spec["ipFamilies"].as_array().unwrap_or_default();
        if let Some(at) = families.iter().position(|family| family == "IPv6") {
            return invalid(&format!("spec.ipFamilies[{at}]"), "IPv6".into(), "not configured on this cluster");
        }
    }
    if let Some(old) = old {
        if !spec["clusterIP"].is_null() && spec["clusterIP"] != old["spec"]["clusterIP"] && spec["clusterIPs"] == old["spec"]["clusterIPs"] {
            spec["clusterIPs"] = json!([spec["clusterIP"]]);
        }
        // Who leaves the address out means the one that is there.
        for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "healthCheckNodePort"] {
            if spec[field].is_null() && !old["spec"][field].is_null() {
                spec[field] = old["spec"][field].clone();
            } else if spec[field].is_null()
                && let Some(map) = spec.as_object_mut()
            {
                map.remove(field);
            }
        }
    }
    if spec["clusterIP"].is_null() {
        let address = match spec["clusterIPs"][0].as_str() {
            Some(address) => address.to_owned(),
            None => free_address(world),
        };
        spec["clusterIP"] = address.into();
    } else if let Some(address) = spec["clusterIP"].as_str().filter(|it| *it != "None" && old.is_none()) {
        let taken = world.list(Kind::SERVICES, None).any(|it| it["spec"]["clusterIP"] == address && it["metadata"]["uid"] != uid.as_str());
        if let Ok(std::net::IpAddr::V4(given)) = address.parse()
            && given.octets()[..2] != [10, 96]
        {
            let detail =
                format!("failed to allocate IP {address}: the provided IP ({address}) is not in the valid range. The range of valid IPs is 10.96.0.0/16");
            return invalid("spec.clusterIPs", json!([address]), &detail);
        }
        if taken {
            let detail = "failed to allocate IP ".to_owned() + address + ": provided IP is already allocated";
            return Err(Failure::invalid(Kind::SERVICES, &name, vec![FieldError::invalid("spec.clusterIPs", json!([address]), detail)]));
        }
    }
    if spec["clusterIPs"].is_null() {
        spec["clusterIPs"] = json!([spec["clusterIP"]]);
    }
    let headless_without_selector = spec["clusterIP"] == "None" && spec["selector"].as_object().is_none_or(crate::sim::json::Map::is_empty);
    if spec["ipFamilyPolicy"].is_null() {
        spec["ipFamilyPolicy"] = if headless_without_selector { "RequireDualStack".into() } else { "SingleStack".into() };
    }
    if spec["ipFamilies"].is_null() {
        spec["ipFamilies"] = if headless_without_selector { json!(["IPv4", "IPv6"]) } else { json!(["IPv4"]) };
    }
    let allocates = kind == "NodePort" || (kind == "LoadBalancer" && spec["allocateLoadBalancerNodePorts"] != false);
    if !allocates {
        return Ok(());
    }
    let mut taken: Vec<i64> = Vec::new();
    for other in world.list(Kind::SERVICES, None).filter(|it| it["metadata"]["uid"] != uid.as_str()) {
        taken.extend(other["spec"]["ports"].as_array().into_iter().flatten().filter_map(|it| it["nodePort"].as_i64()));
    }
    let before = |port: &Value| {
        let ports = old.and_then(|it| it["spec"]["ports"].as_array()).into_iter().flatten();
        ports.filter(|it| it["port"] == port["port"] && it["protocol"] == port["protocol"]).find_map(|it| it["nodePort"].as_i64())
    };
    for (at, port) in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten().enumerate() {
        let number = match port["nodePort"].as_i64().filter(|it| *it != 0) {
            Some(number) => {
                if taken.contains(&number) {
                    let error = FieldError::invalid(format!("spec.ports[{at}].nodePort"), number, "provided port is already allocated");
                    return Err(Failure::invalid(Kind::SERVICES, &name, vec![error]));
                }
                number
            }
            None => before(port).unwrap_or_else(|| {
                loop {
                    let number = 30000 + i64::try_from(world.random(2768)).expect("below 2768");
                    if !taken.contains(&number) {
                        break number;
                    }
                }
            }),
        };
        taken.push(number);
        port["nodePort"] = number.into();
    }
    Ok(())
}

/// An address of 10.96.0.0/16 that no Service has.
fn free_address(world: &mut World) -> String {
    loop {
        let bits = 0x0a60_0000 + u32::try_from(world.random(0xfffe) + 1).expect("below 2^16");
        let address = std::net::Ipv4Addr::from(bits).to_string();
        if !world.list(Kind::SERVICES, None).any(|it| it["spec"]["clusterIP"] == address.as_str()) {
            return address;
        }
    }
}
