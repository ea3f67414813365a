//! EndpointSlices that mirror the Endpoints which somebody writes for a Service without a selector.
//!
//! # Source
//! kubernetes 1.36.3 `pkg/controller/endpointslicemirroring`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use jiff::SignedDuration;

use super::client::{self, Component, Deletion};
use super::object::{annotation, deleting, label, list, name, namespace, owner_reference};
use super::{Controller, Key, queue};
use crate::sim::failure::Result;
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;
use crate::sim::store::LogEntry;
use crate::sim::world::World;

const BY: Component = Component::EndpointSlice;
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslicemirroring-controller.k8s.io";
const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// What is said of the Endpoints and not of their mirror.
const OWN: [&str; 2] = ["kubectl.kubernetes.io/last-applied-configuration", "endpoints.kubernetes.io/last-change-trigger-time"];

/// From a change to the reaction; the same each time, so that what hardly anybody has does not move the world's chance.
const LATENCY: SignedDuration = SignedDuration::from_millis(15);

/// Follows Services and Endpoints, where it is not the endpoints controller that writes these.
pub fn observe(world: &mut World, entry: &LogEntry) {
    let concerns = match entry.kind {
        Kind::SERVICES => has_no_selector(&entry.object) || entry.previous.as_deref().is_some_and(has_no_selector),
        _ => is_mirrored(&entry.object) || entry.previous.as_deref().is_some_and(is_mirrored),
    };
    if concerns {
        queue::add_after(world, Controller::Mirror, &Key::of(&entry.object), LATENCY);
    }
}

pub fn has_no_selector(service: &Value) -> bool {
    service["spec"]["selector"].as_object().is_none_or(|it| it.is_empty())
}

fn is_mirrored(endpoints: &Value) -> bool {
    label(endpoints, "endpoints.kubernetes.io/managed-by").is_none()
        && label(endpoints, "endpointslice.kubernetes.io/skip-mirror") != Some("true")
        && annotation(endpoints, "control-plane.alpha.kubernetes.io/leader").is_none()
}

/// Makes the slices of a Service what its Endpoints say.
pub fn sync(world: &mut World, key: &Key) -> Result<()> {
    let service = client::get(world, Kind::SERVICES, &key.namespace, &key.name).filter(|it| has_no_selector(it));
    let endpoints = client::get(world, Kind::ENDPOINTS, &key.namespace, &key.name).filter(|it| service.is_some() && is_mirrored(it) && !deleting(it));
    let of_service = |slice: &&Arc<Value>| label(slice, MANAGED_BY) == Some(MANAGER) && label(slice, SERVICE_NAME) == Some(&key.name);
    let mut slices: Vec<Arc<Value>> = world.list(Kind::ENDPOINTSLICES, Some(&key.namespace)).filter(of_service).cloned().collect();
    if let Some(endpoints) = &endpoints {
        for ((family, _), (ports, wanted)) in wanted(endpoints) {
            let same = |slice: &Arc<Value>| slice["addressType"] == family && list(&slice["ports"]) == ports;
            let slice = slices.iter().position(same).map(|at| slices.remove(at));
            write(world, endpoints, slice.as_deref(), family, wanted, ports)?;
        }
    }
    for slice in slices {
        client::delete(world, BY, Kind::ENDPOINTSLICES, namespace(&slice), name(&slice), Deletion::default())?;
    }
    Ok(())
}

/// Ports, and the endpoints behind them.
type Group = (Vec<Value>, Vec<Value>);

/// By kind of address and ports.
fn wanted(endpoints: &Value) -> BTreeMap<(&'static str, String), Group> {
    let mut groups: BTreeMap<(&'static str, String), Group> = BTreeMap::new();
    for subset in list(&endpoints["subsets"]) {
        let ports: Vec<Value> = list(&subset["ports"])
            .iter()
            .map(|port| {
                let mut port = port.clone();
                if port["name"].is_null() {
                    port["name"] = "".into();
                }
                port
            })
            .collect();
        for (field, ready) in [("addresses", true), ("notReadyAddresses", false)] {
            for address in list(&subset[field]) {
                let family = match address["ip"].as_str().and_then(|it| it.parse::<IpAddr>().ok()) {
                    Some(IpAddr::V4(_)) => "IPv4",
                    Some(IpAddr::V6(_)) => "IPv6",
                    None => continue,
                };
                let mut endpoint = json!({ "addresses": [address["ip"]], "conditions": { "ready": ready } });
                for field in ["hostname", "nodeName", "targetRef"] {
                    if !address[field].is_null() {
                        endpoint[field] = address[field].clone();
                    }
                }
                groups.entry((family, Value::from(ports.clone()).to_string())).or_insert_with(|| (ports.clone(), Vec::new())).1.push(endpoint);
            }
        }
    }
    groups
}

fn write(world: &mut World, endpoints: &Value, slice: Option<&Value>, family: &str, wanted: Vec<Value>, ports: Vec<Value>) -> Result<()> {
    let mut labels = endpoints["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    labels.insert(MANAGED_BY.to_owned(), MANAGER.into());
    labels.insert(SERVICE_NAME.to_owned(), name(endpoints).into());
    let mut annotations = endpoints["metadata"]["annotations"].as_object().cloned().unwrap_or_default();
    OWN.iter().for_each(|own| drop(annotations.remove(own)));
    let (labels, annotations) = (Value::Object(labels), if annotations.is_empty() { Value::Null } else { Value::Object(annotations) });
    let Some(slice) = slice else {
        let made = json!({
            "metadata": {
                "generateName": format!("{}-", name(endpoints)), "namespace": namespace(endpoints), "labels": labels, "annotations": annotations,
                "ownerReferences": [owner_reference(endpoints)],
            },
            "addressType": family, "endpoints": wanted, "ports": ports,
        });
        return match client::create(world, BY, Kind::ENDPOINTSLICES, made) {
            Err(failure) if client::namespace_is_terminating(&failure) => Ok(()),
            outcome => outcome.map(|_| ()),
        };
    };
    // An endpoint that stays keeps its place.
    let stays: Vec<Value> = list(&slice["endpoints"]).iter().filter(|it| wanted.contains(it)).cloned().collect();
    let new = wanted.into_iter().filter(|it| !stays.contains(it)).collect::<Vec<_>>();
    let mut copy = slice.clone();
    copy["endpoints"] = Value::from([stays, new].concat());
    copy["metadata"]["labels"] = labels;
    copy["metadata"]["annotations"] = annotations;
    if copy == *slice {
        return Ok(());
    }
    client::update(world, BY, Kind::ENDPOINTSLICES, copy).map(|_| ())
}
