//! EndpointSlices and Endpoints: the addresses behind each Service that has a selector.
//!
//! One slice a Service and set of ports, of at most 100 endpoints each.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;

use super::client::{self, Component, Deletion};
use super::object::{deleting, label, labels, list, name, namespace, owner_reference, selects, stamp, text, uid};
use super::pods::{is_ready, is_terminal};
use super::{Controller, Key, mirror, object, queue};
use crate::sim::failure::Result;
use crate::sim::json::{Value, json, literal};
use crate::sim::kinds::Kind;
use crate::sim::store::{Change, LogEntry};
use crate::sim::world::World;

const BY: Component = Component::EndpointSlice;
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";
const SERVICE_NAME: &str = "kubernetes.io/service-name";
const TRIGGER: &str = "endpoints.kubernetes.io/last-change-trigger-time";
const HEADLESS: &str = "service.kubernetes.io/headless";
const SLICE: usize = 100;

fn selector(service: &Value) -> Option<Value> {
    (service["spec"]["type"] != "ExternalName" && service["spec"]["selector"].as_object().is_some_and(|selector| !selector.is_empty()))
        .then(|| json!({"matchLabels": service["spec"]["selector"]}))
}

/// The Services whose selector matches a pod with these labels.
pub fn services_of(world: &World, pod: &Value) -> Vec<Key> {
    let matching = world.list(Kind::SERVICES, Some(namespace(pod))).filter(|service| selector(service).is_some_and(|selector| selects(&selector, labels(pod))));
    matching.map(|service| Key::of(service)).collect()
}

/// From a change by somebody else to the reaction; the same each time, so that it does not move the world's chance.
const LATENCY: SignedDuration = SignedDuration::from_millis(15);

/// What somebody else did to slices and Endpoints is made good.
pub fn observe(world: &mut World, entry: &LogEntry) {
    let object = &entry.object;
    if entry.kind == Kind::ENDPOINTS {
        mirror::observe(world, entry);
    }
    let by_others = || list(&object["metadata"]["managedFields"]).iter().any(|it| it["manager"] != BY.manager());
    if entry.change == Change::Added || (entry.change == Change::Modified && !by_others()) {
        return;
    }
    let service = if entry.kind == Kind::ENDPOINTS { Some(name(object)) } else { label(object, SERVICE_NAME) };
    let Some(service) = service.and_then(|it| client::get(world, Kind::SERVICES, namespace(object), it)) else { return };
    let controller = if mirror::has_no_selector(&service) { Controller::Mirror } else { Controller::Endpoints };
    queue::add_after(world, controller, &Key::of(&service), LATENCY);
}

/// # Source
/// The endpointslice controller's `reconcile` and the endpoints controller's `syncService` of 1.36.3.
pub fn sync(world: &mut World, key: &Key) -> Result<()> {
    let Some(service) = client::get(world, Kind::SERVICES, &key.namespace, &key.name) else {
        return drop_endpoints(world, key);
    };
    let Some(selector) = selector(&service).filter(|_| !deleting(&service)) else { return Ok(()) };
    let pods = world.list(Kind::PODS, Some(&key.namespace)).filter(|pod| selects(&selector, labels(pod)));
    let pods: Vec<Arc<Value>> = pods.filter(|pod| !text(pod, &["status", "podIP"]).is_empty() && !is_terminal(pod)).cloned().collect();
    sync_slices(world, &service, &pods)?;
    sync_endpoints(world, &service, &pods)
}

/// The ports of the Service as numbers of a pod; a name that the pod does not know leaves the port out.
fn ports(service: &Value, pod: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    for port in list(&service["spec"]["ports"]) {
        let number = match &port["targetPort"] {
            Value::Number(number) => number.as_i64(),
            Value::String(wanted) => {
                let all = list(&pod["spec"]["containers"]).iter().flat_map(|container| list(&container["ports"]));
                all.filter(|it| it["name"] == wanted.as_str()).find_map(|it| it["containerPort"].as_i64())
            }
            _ => port["port"].as_i64(),
        };
        if let Some(number) = number {
            let protocol = port["protocol"].as_str().unwrap_or("TCP");
            let mut one = json!({"name": port["name"].as_str().unwrap_or_default(), "port": number, "protocol": protocol});
            if !port["appProtocol"].is_null() {
                one["appProtocol"] = port["appProtocol"].clone();
            }
            found.push(one);
        }
    }
    found
}

fn endpoint(service: &Value, pod: &Value) -> Value {
    let ready = is_ready(pod) || service["spec"]["publishNotReadyAddresses"] == true;
    let mut endpoint = json!({
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready && !deleting(pod), "serving": is_ready(pod) || (ready && !deleting(pod)), "terminating": deleting(pod)},
        "nodeName": pod["spec"]["nodeName"],
        "targetRef": {"kind": "Pod", "namespace": namespace(pod), "name": name(pod), "uid": uid(pod)},
    });
    if let Some(hostname) = hostname(service, pod) {
        endpoint["hostname"] = Value::from(hostname);
    }
    endpoint
}

fn hostname<'a>(service: &Value, pod: &'a Value) -> Option<&'a str> {
    pod["spec"]["hostname"].as_str().filter(|hostname| !hostname.is_empty() && pod["spec"]["subdomain"].as_str() == Some(name(service)))
}

fn sync_slices(world: &mut World, service: &Arc<Value>, pods: &[Arc<Value>]) -> Result<()> {
    let mut wanted: BTreeMap<String, (Vec<Value>, Vec<Value>)> = BTreeMap::new();
    for pod in pods {
        let ports = ports(service, pod);
        wanted.entry(Value::from(ports.clone()).to_string()).or_insert_with(|| (ports, Vec::new())).1.push(endpoint(service, pod));
    }
    let mut slices: Vec<Arc<Value>> = client::owned(world, Kind::ENDPOINTSLICES, uid(service))
        .into_iter()
        .filter(|slice| label(slice, MANAGED_BY) == Some(MANAGER) && slice["addressType"] == "IPv4")
        .collect();
    if wanted.is_empty() && slices.is_empty() {
        // Nothing behind the Service yet: an empty slice stands for it.
        return create_slice(world, service, Vec::new(), Vec::new());
    }
    if wanted.is_empty() {
        wanted.insert(String::new(), (Vec::new(), Vec::new()));
    }
    for (ports, mut endpoints) in wanted.into_values() {
        let same_ports = |slice: &Value| list(&slice["ports"]) == ports;
        let mut mine: Vec<Arc<Value>> = Vec::new();
        while let Some(at) = slices.iter().position(|slice| same_ports(slice) || (mine.is_empty() && list(&slice["endpoints"]).is_empty())) {
            mine.push(slices.remove(at));
        }
        // An endpoint stays in the slice in which it is, and in its place.
        let uid_of = |endpoint: &Value| endpoint["targetRef"]["uid"].as_str().unwrap_or_default().to_owned();
        let mut filled: Vec<(Arc<Value>, Vec<Value>)> = Vec::new();
        for slice in mine {
            let mut kept = Vec::new();
            for old in list(&slice["endpoints"]) {
                if let Some(at) = endpoints.iter().position(|new| uid_of(new) == uid_of(old)) {
                    kept.push(endpoints.remove(at));
                }
            }
            filled.push((slice, kept));
        }
        for (slice, mut kept) in filled {
            let room = SLICE.saturating_sub(kept.len()).min(endpoints.len());
            kept.extend(endpoints.drain(..room));
            update_slice(world, service, &slice, kept, &ports)?;
        }
        while !endpoints.is_empty() {
            let some = endpoints.drain(..SLICE.min(endpoints.len())).collect();
            create_slice(world, service, some, ports.clone())?;
        }
    }
    for slice in slices {
        client::delete(world, BY, Kind::ENDPOINTSLICES, namespace(&slice), name(&slice), Deletion::default())?;
    }
    Ok(())
}

fn slice_labels(service: &Value) -> Value {
    let mut labels = service["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    labels.insert(MANAGED_BY.to_owned(), Value::from(MANAGER));
    labels.insert(SERVICE_NAME.to_owned(), service["metadata"]["name"].clone());
    if service["spec"]["clusterIP"] == "None" {
        labels.insert(HEADLESS.to_owned(), Value::from(""));
    }
    Value::Object(labels)
}

fn or_null(items: Vec<Value>) -> Value {
    if items.is_empty() { Value::Null } else { Value::from(items) }
}

fn create_slice(world: &mut World, service: &Value, endpoints: Vec<Value>, ports: Vec<Value>) -> Result<()> {
    let slice = json!({
        "metadata": {
            "generateName": format!("{}-", name(service)), "namespace": service["metadata"]["namespace"], "labels": slice_labels(service),
            "annotations": {TRIGGER: stamp(world.now())}, "ownerReferences": [owner_reference(service)],
        },
        "addressType": "IPv4", "endpoints": or_null(endpoints), "ports": or_null(ports),
    });
    match client::create(world, BY, Kind::ENDPOINTSLICES, slice) {
        Err(failure) if client::namespace_is_terminating(&failure) => Ok(()),
        outcome => outcome.map(|_| ()),
    }
}

fn update_slice(world: &mut World, service: &Value, slice: &Arc<Value>, endpoints: Vec<Value>, ports: &[Value]) -> Result<()> {
    let labels = slice_labels(service);
    if list(&slice["endpoints"]) == endpoints && list(&slice["ports"]) == ports && slice["metadata"]["labels"] == labels {
        return Ok(());
    }
    let mut copy = Value::clone(slice);
    copy["endpoints"] = or_null(endpoints);
    copy["ports"] = or_null(ports.to_vec());
    copy["metadata"]["labels"] = labels;
    copy["metadata"]["annotations"][TRIGGER] = Value::from(stamp(world.now()));
    client::update(world, BY, Kind::ENDPOINTSLICES, copy).map(|_| ())
}

fn drop_endpoints(world: &mut World, key: &Key) -> Result<()> {
    let Some(old) = client::get(world, Kind::ENDPOINTS, &key.namespace, &key.name) else { return Ok(()) };
    // The object of the API server's own Service is not ours.
    if object::label(&old, "endpoints.kubernetes.io/managed-by").is_none() {
        return Ok(());
    }
    client::delete(world, BY, Kind::ENDPOINTS, &key.namespace, &key.name, Deletion::default())
}

/// Ports, and the addresses of ready and of other pods behind them.
type Subset = (Vec<Value>, Vec<Value>, Vec<Value>);

fn sync_endpoints(world: &mut World, service: &Value, pods: &[Arc<Value>]) -> Result<()> {
    let mut subsets: BTreeMap<String, Subset> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| !deleting(pod)) {
        let ports = ports(service, pod);
        let ports: Vec<Value> = ports
            .into_iter()
            .map(|mut port| {
                if port["name"] == ""
                    && let Some(port) = port.as_object_mut()
                {
                    port.remove("name");
                }
                port
            })
            .collect();
        let mut address = json!({
            "ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"],
            "targetRef": {"kind": "Pod", "namespace": namespace(pod), "name": name(pod), "uid": uid(pod)},
        });
        if let Some(hostname) = hostname(service, pod) {
            address["hostname"] = Value::from(hostname);
        }
        let subset = subsets.entry(Value::from(ports.clone()).to_string()).or_insert_with(|| (ports, Vec::new(), Vec::new()));
        if is_ready(pod) || service["spec"]["publishNotReadyAddresses"] == true { subset.1.push(address) } else { subset.2.push(address) }
    }
    let subsets: Vec<Value> = subsets
        .into_values()
        .map(|(ports, mut ready, mut not_ready)| {
            let by_ip = |one: &Value, other: &Value| one["ip"].as_str().cmp(&other["ip"].as_str());
            ready.sort_by(by_ip);
            not_ready.sort_by(by_ip);
            let mut subset = crate::sim::json::Map::new();
            for (field, items) in [("addresses", ready), ("notReadyAddresses", not_ready), ("ports", ports)] {
                if !items.is_empty() {
                    subset.insert(field.to_owned(), Value::from(items));
                }
            }
            Value::Object(subset)
        })
        .collect();
    let mut labels = service["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    labels.insert(literal!("endpoints.kubernetes.io/managed-by"), Value::from("endpoint-controller"));
    if service["spec"]["clusterIP"] == "None" {
        labels.insert(HEADLESS.to_owned(), Value::from(""));
    }
    let labels = Value::Object(labels);
    let stored = client::get(world, Kind::ENDPOINTS, namespace(service), name(service));
    let same = |stored: &Value| list(&stored["subsets"]) == subsets && stored["metadata"]["labels"] == labels;
    if stored.as_deref().is_some_and(same) {
        return Ok(());
    }
    let mut copy = stored.as_deref().cloned().unwrap_or_else(|| json!({"metadata": {"name": name(service), "namespace": namespace(service)}}));
    copy["metadata"]["labels"] = labels;
    copy["metadata"]["annotations"][TRIGGER] = Value::from(stamp(world.now()));
    if let Some(copy) = copy.as_object_mut() {
        if subsets.is_empty() {
            copy.remove("subsets");
        } else {
            copy.insert(literal!("subsets"), Value::from(subsets));
        }
    }
    let outcome = if stored.is_some() { client::update(world, BY, Kind::ENDPOINTS, copy) } else { client::create(world, BY, Kind::ENDPOINTS, copy) };
    match outcome {
        Err(failure) if client::namespace_is_terminating(&failure) => Ok(()),
        outcome => outcome.map(|_| ()),
    }
}
