//! Tables: what `kubectl get` shows, row by row, as the API server computes it at the time of the answer.
//!
//! The columns are data (`tables.json`); the cells of each kind stand in the modules below, wide ones always included: the client hides them.
//!
//! # Source
//! kubernetes 1.36.3 `pkg/printers/internalversion/printers.go`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;

use super::kinds::Kind;
use crate::sim::json::{Value, json};

pub(super) mod age;
mod class;
mod cluster;
mod config;
mod network;
mod pod;
mod workload;

/// The columns of each collection, by its path, and of `scale`.
static COLUMNS: LazyLock<BTreeMap<String, Vec<Value>>> = LazyLock::new(|| {
    let mut tables: BTreeMap<String, Vec<Value>> = serde_json::from_str(include_str!("data/tables.json")).expect("tables.json maps paths to columns");
    for column in tables.values_mut().flatten() {
        for field in ["format", "description"] {
            if column[field].is_null() {
                column[field] = "".into();
            }
        }
    }
    tables
});

/// What a kind has that no table of its own was recorded for.
static PLAIN: LazyLock<Vec<Value>> = LazyLock::new(|| {
    vec![
        json!({ "name": "Name", "type": "string", "format": "name", "description": "", "priority": 0 }),
        json!({ "name": "Created At", "type": "date", "format": "", "description": "", "priority": 0 }),
    ]
});

/// The columns of the `scale` of whatever kind.
pub fn scale_columns() -> &'static [Value] {
    COLUMNS.get("scale").unwrap_or(&PLAIN)
}

pub fn scale_cells(object: &Value, now: Timestamp) -> Vec<Value> {
    let row = Row { object, now };
    vec![row.name(), row.number("/spec/replicas").into(), row.number("/status/replicas").into(), row.age()]
}

pub fn columns(kind: Kind) -> &'static [Value] {
    COLUMNS.get(&kind.path()).unwrap_or(&PLAIN)
}

/// The cells of one object's row, one for each column.
pub fn cells(kind: Kind, object: &Value, now: Timestamp) -> Vec<Value> {
    let row = Row { object, now };
    match kind {
        Kind::PODS => pod::cells(&row),
        Kind::DEPLOYMENTS => workload::deployment(&row),
        Kind::REPLICASETS => workload::replica_set(&row),
        Kind::REPLICATIONCONTROLLERS => workload::replication_controller(&row),
        Kind::STATEFULSETS => workload::stateful_set(&row),
        Kind::DAEMONSETS => workload::daemon_set(&row),
        Kind::CONTROLLERREVISIONS => workload::controller_revision(&row),
        Kind::JOBS => workload::job(&row),
        Kind::CRONJOBS => workload::cron_job(&row),
        Kind::HORIZONTALPODAUTOSCALERS | Kind::HORIZONTALPODAUTOSCALERS_V1 => workload::autoscaler(&row),
        Kind::PODDISRUPTIONBUDGETS => workload::disruption_budget(&row),
        Kind::PODTEMPLATES => workload::pod_template(&row),
        Kind::EVENTS | Kind::NEW_EVENTS => cluster::event(&row),
        Kind::NODES => cluster::node(&row),
        Kind::NAMESPACES => vec![row.name(), row.text("/status/phase").into(), row.age()],
        Kind::PERSISTENTVOLUMES => cluster::volume(&row),
        Kind::PERSISTENTVOLUMECLAIMS => cluster::claim(&row),
        Kind::RESOURCEQUOTAS => cluster::quota(&row),
        Kind::COMPONENTSTATUSES => cluster::component(&row),
        Kind::CONFIGMAPS => vec![row.name(), (row.size("/data") + row.size("/binaryData")).into(), row.age()],
        Kind::SECRETS => vec![row.name(), row.text("/type").into(), row.size("/data").into(), row.age()],
        Kind::SERVICEACCOUNTS => vec![row.name(), row.age()],
        Kind::LEASES => vec![row.name(), row.text("/spec/holderIdentity").into(), row.age()],
        Kind::ROLEBINDINGS | Kind::CLUSTERROLEBINDINGS => config::binding(&row),
        Kind::SERVICES => network::service(&row),
        Kind::ENDPOINTS => network::endpoints(&row),
        Kind::ENDPOINTSLICES => network::endpoint_slice(&row),
        Kind::INGRESSES => network::ingress(&row),
        Kind::INGRESSCLASSES => network::ingress_class(&row),
        Kind::NETWORKPOLICIES => vec![row.name(), network::or_none(&super::selector::label_selector_text(&object["spec"]["podSelector"])).into(), row.age()],
        Kind::SERVICECIDRS => vec![row.name(), row.joined("/spec/cidrs").into(), row.age()],
        Kind::IPADDRESSES => vec![row.name(), network::parent(&row).into(), row.age()],
        Kind::PRIORITYCLASSES => class::priority(&row),
        Kind::STORAGECLASSES => class::storage(&row),
        Kind::RUNTIMECLASSES => vec![row.name(), row.text("/handler").into(), row.age()],
        Kind::VOLUMEATTRIBUTESCLASSES => vec![row.name(), row.text("/driverName").into(), row.age()],
        Kind::DEVICECLASSES | Kind::RESOURCECLAIMTEMPLATES => vec![row.name(), row.age()],
        Kind::CSIDRIVERS => class::driver(&row),
        Kind::CSINODES => vec![row.name(), row.size("/spec/drivers").into(), row.age()],
        Kind::VOLUMEATTACHMENTS => class::attachment(&row),
        Kind::RESOURCECLAIMS => vec![row.name(), class::claim_state(&row).into(), row.age()],
        Kind::RESOURCESLICES => class::slice(&row),
        Kind::CERTIFICATESIGNINGREQUESTS => class::signing_request(&row),
        Kind::FLOWSCHEMAS => class::flow_schema(&row),
        Kind::PRIORITYLEVELCONFIGURATIONS => class::priority_level(&row),
        Kind::APISERVICES => class::api_service(&row),
        Kind::MUTATINGWEBHOOKCONFIGURATIONS | Kind::VALIDATINGWEBHOOKCONFIGURATIONS => vec![row.name(), row.size("/webhooks").into(), row.age()],
        Kind::VALIDATINGADMISSIONPOLICIES => class::admission_policy(&row, "/spec/validations"),
        Kind::MUTATINGADMISSIONPOLICIES => class::admission_policy(&row, "/spec/mutations"),
        Kind::VALIDATINGADMISSIONPOLICYBINDINGS | Kind::MUTATINGADMISSIONPOLICYBINDINGS => class::admission_binding(&row),
        _ => vec![row.name(), object["metadata"]["creationTimestamp"].clone()],
    }
}

/// What a row says about its object besides the cells: of a pod, that it has ended.
pub fn conditions(kind: Kind, object: &Value) -> Option<Value> {
    let phase = object["status"]["phase"].as_str().filter(|_| kind == Kind::PODS)?;
    let message = match phase {
        "Succeeded" => "The pod has completed successfully.",
        "Failed" => "The pod failed.",
        _ => return None,
    };
    Some(json!([{ "type": "Completed", "status": "True", "reason": phase, "message": message }]))
}

/// One object on its way into a row.
struct Row<'a> {
    object: &'a Value,
    now: Timestamp,
}

impl Row<'_> {
    fn name(&self) -> Value {
        self.object["metadata"]["name"].clone()
    }

    /// The text at a JSON pointer; empty where there is none.
    fn text(&self, pointer: &str) -> &str {
        self.object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    fn number(&self, pointer: &str) -> i64 {
        self.object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
    }

    fn size(&self, pointer: &str) -> usize {
        match self.object.pointer(pointer) {
            Some(Value::Object(map)) => map.len(),
            Some(Value::Array(list)) => list.len(),
            _ => 0,
        }
    }

    fn list(&self, pointer: &str) -> &[Value] {
        self.object.pointer(pointer).and_then(Value::as_array).unwrap_or_default()
    }

    fn joined(&self, pointer: &str) -> String {
        self.list(pointer).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
    }

    fn age(&self) -> Value {
        self.since("/metadata/creationTimestamp").into()
    }

    /// How long ago the time at a pointer was.
    fn since(&self, pointer: &str) -> String {
        age::since(self.object.pointer(pointer), self.now)
    }

    fn selector(&self) -> String {
        network::or_none(&super::selector::label_selector_text(&self.object["spec"]["selector"]))
    }

    /// Names and images of the containers at a pointer.
    fn containers(&self, pointer: &str) -> [Value; 2] {
        let column = |field: &str| self.list(pointer).iter().map(|it| it[field].as_str().unwrap_or_default()).collect::<Vec<_>>().join(",");
        [column("name").into(), column("image").into()]
    }
}

#[cfg(test)]
mod tests;
