//! The row of a pod.

use super::Row;
use super::age;
use crate::sim::json::{Value, json};

/// What all containers together amount to.
struct Summary {
    ready: i64,
    total: i64,
    restarts: i64,
    last_restart: Option<String>,
    reason: String,
}

fn reason(state: &Value) -> String {
    let terminated = &state["terminated"];
    match (terminated["reason"].as_str().unwrap_or_default(), terminated["signal"].as_i64().unwrap_or(0)) {
        ("", 0) => format!("ExitCode:{}", terminated["exitCode"].as_i64().unwrap_or(0)),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

impl Summary {
    fn count_restarts(&mut self, status: &Value) {
        self.restarts += status["restartCount"].as_i64().unwrap_or(0);
        let finished = status["lastState"]["terminated"]["finishedAt"].as_str();
        if let Some(finished) = finished.filter(|it| self.last_restart.as_deref().is_none_or(|last| last < *it)) {
            self.last_restart = Some(finished.to_owned());
        }
    }
}

fn has_condition(row: &Row<'_>, name: &str) -> bool {
    row.list("/status/conditions").iter().any(|it| it["type"] == name && it["status"] == "True")
}

fn summary(row: &Row<'_>) -> Summary {
    let phase = row.text("/status/phase");
    let own = row.text("/status/reason");
    let inits = row.list("/spec/initContainers");
    let is_sidecar = |name: &Value| inits.iter().any(|it| it["name"] == *name && it["restartPolicy"] == "Always");
    let sidecars = inits.iter().filter(|it| it["restartPolicy"] == "Always").count();
    let mut all = Summary {
        ready: 0,
        total: i64::try_from(row.list("/spec/containers").len() + sidecars).unwrap_or(0),
        restarts: 0,
        last_restart: None,
        reason: if own.is_empty() { phase } else { own }.to_owned(),
    };
    if row.list("/status/conditions").iter().any(|it| it["type"] == "PodScheduled" && it["reason"] == "SchedulingGated") {
        all.reason = "SchedulingGated".to_owned();
    }
    let mut of_sidecars = Summary { ready: 0, total: 0, restarts: 0, last_restart: None, reason: String::new() };
    let mut initializing = false;
    for (at, status) in row.list("/status/initContainerStatuses").iter().enumerate() {
        all.count_restarts(status);
        let sidecar = is_sidecar(&status["name"]);
        if sidecar {
            of_sidecars.count_restarts(status);
        }
        let state = &status["state"];
        let waiting = state["waiting"]["reason"].as_str().unwrap_or_default();
        if !state["terminated"].is_null() && state["terminated"]["exitCode"].as_i64().unwrap_or(0) == 0 {
            continue;
        }
        if sidecar && status["started"] == true {
            all.ready += i64::from(status["ready"] == true);
            continue;
        }
        all.reason = if !state["terminated"].is_null() {
            format!("Init:{}", reason(state))
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{at}/{}", inits.len())
        };
        initializing = true;
        break;
    }
    if !initializing || has_condition(row, "Initialized") {
        all.restarts = of_sidecars.restarts;
        all.last_restart = of_sidecars.last_restart;
        running(row, &mut all);
    }
    all
}

/// Goes over the containers from the last to the first, so that the first one's word stands.
fn running(row: &Row<'_>, all: &mut Summary) {
    let mut runs = false;
    let mut failed = String::new();
    for status in row.list("/status/containerStatuses").iter().rev() {
        all.count_restarts(status);
        let state = &status["state"];
        let waiting = state["waiting"]["reason"].as_str().unwrap_or_default();
        if !waiting.is_empty() {
            all.reason = waiting.to_owned();
        } else if !state["terminated"].is_null() {
            all.reason = reason(state);
            if state["terminated"]["exitCode"].as_i64().unwrap_or(0) != 0 {
                failed.clone_from(&all.reason);
            }
        } else if status["ready"] == true && !state["running"].is_null() {
            runs = true;
            all.ready += 1;
        }
    }
    if all.reason == "Completed" {
        if runs && has_condition(row, "Ready") {
            all.reason = "Running".to_owned();
        } else if !failed.is_empty() {
            all.reason = failed;
        } else if runs {
            all.reason = "NotReady".to_owned();
        }
    }
}

pub fn cells(row: &Row<'_>) -> Vec<Value> {
    let mut all = summary(row);
    let terminal = matches!(row.text("/status/phase"), "Succeeded" | "Failed");
    if !row.object["metadata"]["deletionTimestamp"].is_null() {
        if row.text("/status/reason") == "NodeLost" {
            all.reason = "Unknown".to_owned();
        } else if !terminal {
            all.reason = "Terminating".to_owned();
        }
    }
    let restarts = match all.last_restart.filter(|_| all.restarts != 0) {
        Some(last) => format!("{} ({} ago)", all.restarts, age::since(Some(&Value::from(last)), row.now)).into(),
        None if all.restarts == 0 => json!("0"),
        None => all.restarts.to_string().into(),
    };
    // As it stands in the object, for the sake of large lists.
    let or_none = |pointer: &str| match row.object.pointer(pointer) {
        Some(Value::String(text)) if !text.is_empty() => Value::String(text.clone()),
        _ => json!("<none>"),
    };
    let gates = row.list("/spec/readinessGates");
    let gates = if gates.is_empty() {
        json!("<none>")
    } else {
        let passed = gates.iter().filter(|gate| gate["conditionType"].as_str().is_some_and(|it| has_condition(row, it))).count();
        format!("{passed}/{}", gates.len()).into()
    };
    vec![
        row.name(),
        json!(format!("{}/{}", all.ready, all.total)),
        all.reason.into(),
        restarts,
        row.age(),
        or_none("/status/podIPs/0/ip"),
        or_none("/spec/nodeName"),
        or_none("/status/nominatedNodeName"),
        gates,
    ]
}
