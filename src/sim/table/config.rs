//! The rows of role bindings.

use super::Row;
use crate::sim::json::Value;

pub fn binding(row: &Row<'_>) -> Vec<Value> {
    let subjects = |kind: &str| {
        let named = row.list("/subjects").iter().filter(|it| it["kind"] == kind).map(|it| {
            let (namespace, name) = (it["namespace"].as_str().unwrap_or_default(), it["name"].as_str().unwrap_or_default());
            if kind == "ServiceAccount" && !namespace.is_empty() { format!("{namespace}/{name}") } else { name.to_owned() }
        });
        Value::from(named.collect::<Vec<_>>().join(", "))
    };
    let role = format!("{}/{}", row.text("/roleRef/kind"), row.text("/roleRef/name"));
    vec![row.name(), role.into(), row.age(), subjects("User"), subjects("Group"), subjects("ServiceAccount")]
}
