//! IPAddresses: one for each address that a Service has, kept by the API server itself.
//!
//! # Source
//! kubernetes 1.36.3 `pkg/registry/core/service/ipallocator/ipallocator.go`.

use std::net::IpAddr;

use super::api::{Caller, Subresource};
use super::kinds::Kind;
use super::manage;
use super::store::{Change, LogEntry};
use super::world::World;
use crate::sim::json::{Value, json};

fn addresses(service: &Value) -> impl Iterator<Item = &str> {
    service["spec"]["clusterIPs"].as_array().into_iter().flatten().filter_map(Value::as_str).filter(|it| it.parse::<IpAddr>().is_ok())
}

/// Follows what becomes of a Service.
pub fn observe(world: &mut World, entry: &LogEntry) {
    let service = &entry.object;
    let gone = entry.change == Change::Deleted;
    let had: Vec<&str> = entry.previous.as_deref().into_iter().flat_map(addresses).collect();
    let has: Vec<&str> = addresses(service).filter(|_| !gone).collect();
    for address in had.iter().filter(|it| !has.contains(it)) {
        world.remove(Kind::IPADDRESSES, "", address, None);
    }
    for address in has.iter().filter(|it| !had.contains(it)) {
        let family = if address.contains(':') { "IPv6" } else { "IPv4" };
        let object = json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "IPAddress",
            "metadata": {
                "name": *address, "uid": world.uid(), "creationTimestamp": world.stamp(),
                "labels": { "ipaddress.kubernetes.io/ip-family": family, "ipaddress.kubernetes.io/managed-by": "ipallocator.k8s.io" },
            },
            "spec": { "parentRef": { "resource": "services", "namespace": entry.namespace(), "name": entry.name() } },
        });
        let object = manage::note(world, Kind::IPADDRESSES, object, None, Subresource::Main, &Caller::component("kube-apiserver"));
        world.put(Kind::IPADDRESSES, object);
    }
}
