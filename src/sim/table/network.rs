//! The rows of Services, endpoints and ingresses.

use super::Row;
use crate::sim::json::{Value, json};

pub fn or_none(text: &str) -> String {
    if text.is_empty() { "<none>".to_owned() } else { text.to_owned() }
}

/// A map of labels as one text.
pub fn labels(map: &Value) -> String {
    let pairs = map.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()));
    or_none(&pairs.collect::<Vec<_>>().join(","))
}

/// The first three of a list, and how many more there are.
fn three(list: &[String], empty: &str) -> String {
    let shown = list.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(",");
    match list.len() {
        0 => empty.to_owned(),
        1..=3 => shown,
        count => format!("{shown} + {} more...", count - 3),
    }
}

/// Where a load balancer can be reached, each address once.
fn balancer(row: &Row<'_>) -> String {
    let mut places: Vec<&str> =
        row.list("/status/loadBalancer/ingress").iter().filter_map(|it| it["ip"].as_str().filter(|ip| !ip.is_empty()).or(it["hostname"].as_str())).collect();
    places.sort_unstable();
    places.dedup();
    places.join(",")
}

pub fn service(row: &Row<'_>) -> Vec<Value> {
    let external = row.joined("/spec/externalIPs");
    let outside = match row.text("/spec/type") {
        "ClusterIP" | "NodePort" => or_none(&external),
        "LoadBalancer" => {
            let parts: Vec<String> = [balancer(row), external].into_iter().filter(|it| !it.is_empty()).collect();
            if parts.is_empty() { "<pending>".to_owned() } else { parts.join(",") }
        }
        "ExternalName" => row.text("/spec/externalName").to_owned(),
        _ => "<unknown>".to_owned(),
    };
    let ports = row.list("/spec/ports").iter().map(|port| {
        let (number, protocol) = (port["port"].as_i64().unwrap_or(0), port["protocol"].as_str().unwrap_or_default());
        match port["nodePort"].as_i64().filter(|it| *it > 0) {
            Some(node) => format!("{number}:{node}/{protocol}"),
            None => format!("{number}/{protocol}"),
        }
    });
    vec![
        row.name(),
        row.text("/spec/type").into(),
        or_none(row.text("/spec/clusterIPs/0")).into(),
        outside.into(),
        or_none(&ports.collect::<Vec<_>>().join(",")).into(),
        row.age(),
        labels(&row.object["spec"]["selector"]).into(),
    ]
}

pub fn endpoints(row: &Row<'_>) -> Vec<Value> {
    let mut list = Vec::new();
    for subset in row.list("/subsets") {
        let addresses: Vec<&str> = subset["addresses"].as_array().into_iter().flatten().filter_map(|it| it["ip"].as_str()).collect();
        let ports = subset["ports"].as_array().unwrap_or_default();
        if ports.is_empty() {
            list.extend(addresses.iter().map(|it| (*it).to_owned()));
        }
        for port in ports {
            list.extend(addresses.iter().map(|it| format!("{it}:{}", port["port"])));
        }
    }
    let empty = if row.list("/subsets").is_empty() { "<none>" } else { "" };
    vec![row.name(), three(&list, empty).into(), row.age()]
}

pub fn endpoint_slice(row: &Row<'_>) -> Vec<Value> {
    let port = |port: &Value| port["port"].as_i64().map_or_else(|| port["name"].as_str().unwrap_or("*").to_owned(), |it| it.to_string());
    let ports: Vec<String> = row.list("/ports").iter().map(port).collect();
    let addresses = row.list("/endpoints").iter().flat_map(|it| it["addresses"].as_array().into_iter().flatten());
    let addresses: Vec<String> = addresses.filter_map(Value::as_str).map(str::to_owned).collect();
    vec![row.name(), row.text("/addressType").into(), three(&ports, "<unset>").into(), three(&addresses, "<unset>").into(), row.age()]
}

pub fn ingress(row: &Row<'_>) -> Vec<Value> {
    let hosts: Vec<&str> = row.list("/spec/rules").iter().map(|it| it["host"].as_str().unwrap_or_default()).collect();
    let named: Vec<&str> = hosts.iter().copied().filter(|it| !it.is_empty()).collect();
    let text = match (named.len(), hosts.len()) {
        (0, _) => "*".to_owned(),
        (3.., all) if all > 3 => format!("{} + {} more...", named[..3].join(","), all - 3),
        _ => named.join(","),
    };
    let ports = if row.list("/spec/tls").is_empty() { "80" } else { "80, 443" };
    vec![row.name(), or_none(row.text("/spec/ingressClassName")).into(), text.into(), balancer(row).into(), ports.into(), row.age()]
}

pub fn ingress_class(row: &Row<'_>) -> Vec<Value> {
    let is_default = row.object["metadata"]["annotations"]["ingressclass.kubernetes.io/is-default-class"] == "true";
    let name = row.text("/metadata/name");
    let parameters = &row.object["spec"]["parameters"];
    let text = |field: &str| parameters[field].as_str().unwrap_or_default();
    let shown = match (parameters.is_null(), text("apiGroup")) {
        (true, _) => "<none>".to_owned(),
        (_, "") => format!("{}/{}", text("kind"), text("name")),
        (_, group) => format!("{}.{group}/{}", text("kind"), text("name")),
    };
    let name = if is_default { format!("{name} (default)") } else { name.to_owned() };
    vec![json!(name), row.text("/spec/controller").into(), shown.into(), row.age()]
}

/// What an address belongs to.
pub fn parent(row: &Row<'_>) -> String {
    let parent = &row.object["spec"]["parentRef"];
    if parent.is_null() {
        return "<none>".to_owned();
    }
    let text = |field: &str| parent[field].as_str().unwrap_or_default();
    let resource = if text("group").is_empty() { text("resource").to_owned() } else { format!("{}.{}", text("resource"), text("group")) };
    [resource.to_lowercase().as_str(), text("namespace"), text("name")].iter().filter(|it| !it.is_empty()).copied().collect::<Vec<_>>().join("/")
}
