//! Services.

use serde_json::Value;

use super::Around;
use super::page::Page;
use super::value::{format_labels, is_set, join_host_port, list, number, or_none, strings, text};

/// How many endpoints are named before the rest is counted.
const SHOWN: usize = 3;

pub(super) fn service(page: &mut Page, object: &Value, around: &Around) {
    let (metadata, spec) = (&object["metadata"], &object["spec"]);
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.labels("", "Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    page.field(0, "Selector", format_labels(&spec["selector"]));
    page.field(0, "Type", text(&spec["type"]));
    page.field_if_set(0, "IP Family Policy", &spec["ipFamilyPolicy"]);
    page.field(0, "IP Families", or_none(&strings(&spec["ipFamilies"]).join(",")));
    page.field(0, "IP", text(&spec["clusterIP"]));
    page.field(0, "IPs", or_none(&strings(&spec["clusterIPs"]).join(",")));
    if is_set(&spec["externalIPs"]) {
        page.field(0, "External IPs", strings(&spec["externalIPs"]).join(","));
    }
    page.field_if_set(0, "Desired LoadBalancer IP", &spec["loadBalancerIP"]);
    page.field_if_set(0, "External Name", &spec["externalName"]);
    let ingress = list(&object["status"]["loadBalancer"]["ingress"]);
    if !ingress.is_empty() {
        page.field(0, "LoadBalancer Ingress", ingress.iter().map(ingress_words).collect::<Vec<_>>().join(", "));
    }
    for port in list(&spec["ports"]) {
        let (name, protocol) = (text(&port["name"]), text(&port["protocol"]));
        let shown = if name.is_empty() { "<unset>" } else { name };
        page.field(0, "Port", format!("{shown}\t{}/{protocol}", number(&port["port"])));
        page.field(0, "TargetPort", format!("{}/{protocol}", super::value::int_or_string(&port["targetPort"])));
        page.field_if_set(0, "AppProtocol", &port["appProtocol"]);
        if number(&port["nodePort"]) != 0 {
            page.field(0, "NodePort", format!("{shown}\t{}/{protocol}", number(&port["nodePort"])));
        }
        page.field(0, "Endpoints", endpoints(&around.endpoint_slices, name));
    }
    page.field(0, "Session Affinity", text(&spec["sessionAffinity"]));
    page.field_if_set(0, "External Traffic Policy", &spec["externalTrafficPolicy"]);
    page.field_if_set(0, "Internal Traffic Policy", &spec["internalTrafficPolicy"]);
    if number(&spec["healthCheckNodePort"]) != 0 {
        page.field(0, "HealthCheck NodePort", number(&spec["healthCheckNodePort"]));
    }
    if is_set(&spec["loadBalancerSourceRanges"]) {
        page.field(0, "LoadBalancer Source Ranges", strings(&spec["loadBalancerSourceRanges"]).join(","));
    }
    page.field_if_set(0, "Traffic Distribution", &spec["trafficDistribution"]);
}

fn ingress_words(ingress: &Value) -> String {
    match (text(&ingress["ip"]), ingress["ipMode"].as_str()) {
        ("", _) => text(&ingress["hostname"]).to_owned(),
        (ip, Some(mode)) => format!("{ip} ({mode})"),
        (ip, None) => ip.to_owned(),
    }
}

/// The ready addresses behind a port. Slices without ports (headless services) give theirs without one.
fn endpoints(slices: &[Value], port_name: &str) -> String {
    if slices.is_empty() {
        return "<none>".to_owned();
    }
    let mut addresses: Vec<String> = Vec::new();
    for slice in slices {
        let ready = list(&slice["endpoints"]).iter().filter(|endpoint| endpoint["conditions"]["ready"] != false);
        let hosts: Vec<&str> = ready.map(|endpoint| text(&endpoint["addresses"][0])).collect();
        let ports = list(&slice["ports"]);
        if ports.is_empty() {
            addresses.extend(hosts.iter().map(|host| (*host).to_owned()));
        }
        for port in ports.iter().filter(|port| text(&port["name"]) == port_name) {
            let number = number(&port["port"]).to_string();
            addresses.extend(hosts.iter().map(|host| join_host_port(host, &number)));
        }
    }
    if addresses.len() > SHOWN {
        return format!("{} + {} more...", addresses[..SHOWN].join(","), addresses.len() - SHOWN);
    }
    addresses.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn endpoints_are_the_ready_addresses_and_a_count_of_the_rest() {
        let slice = |ready: &[bool]| {
            let endpoints: Vec<Value> =
                ready.iter().enumerate().map(|(nth, ready)| json!({"addresses": [format!("10.0.0.{nth}")], "conditions": {"ready": ready}})).collect();
            json!({"ports": [{"name": "http", "port": 80}], "endpoints": endpoints})
        };
        for (slices, shown) in [
            (vec![], "<none>"),
            (vec![slice(&[])], ""),
            (vec![slice(&[true, false, true])], "10.0.0.0:80,10.0.0.2:80"),
            (vec![slice(&[true, true, true])], "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80"),
            (vec![slice(&[true, true]), slice(&[true, true, true])], "10.0.0.0:80,10.0.0.1:80,10.0.0.0:80 + 2 more..."),
        ] {
            assert_eq!(endpoints(&slices, "http"), shown);
        }
        assert_eq!(endpoints(&[json!({"endpoints": [{"addresses": ["::1"]}]})], "http"), "::1");
        assert_eq!(endpoints(&[json!({"ports": [{"name": "http", "port": 80}], "endpoints": [{"addresses": ["::1"]}]})], "http"), "[::1]:80");
    }
}
