//! Rows against what kubectl printed on a real cluster, from the objects that it had at that moment.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::super::kinds::Kind;
use super::{cells, columns, conditions};
use crate::sim::json::{Value, json};

fn kind(plural: &str) -> Kind {
    Kind::all().find(|it| it.plural() == plural).expect("a served kind")
}

/// The printed tables by the word before each name, cell by cell below its heading.
fn printed(lines: &[Value]) -> BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>> {
    let mut tables: BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>> = BTreeMap::new();
    let mut headings: Vec<(String, usize)> = Vec::new();
    for line in lines.iter().filter_map(Value::as_str) {
        if line.starts_with("NAME ") {
            headings.clear();
            let mut at = 0;
            for word in line.split("  ").map(str::trim).filter(|it| !it.is_empty()) {
                let begin = at + line[at..].find(word).expect("it is in the line");
                headings.push((word.to_owned(), begin));
                at = begin + word.len();
            }
            continue;
        }
        if line.is_empty() {
            continue;
        }
        let cell = |at: usize| {
            let end = headings.get(at + 1).map_or(line.len(), |it| it.1.min(line.len()));
            line[headings[at].1.min(line.len())..end].trim().to_owned()
        };
        let (resource, name) = cell(0).split_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("kind/name");
        let row = (1..headings.len()).map(|at| (headings[at].0.clone(), cell(at))).collect();
        tables.entry(format!("{}s", resource.split('.').next().unwrap_or_default())).or_default().insert(name, row);
    }
    tables
}

/// Whether the rows computed at `now` are the printed ones.
fn agrees(kind: Kind, objects: &[Value], rows: &BTreeMap<String, BTreeMap<String, String>>, now: Timestamp) -> Result<(), String> {
    for object in objects {
        let name = object["metadata"]["name"].as_str().expect("a name");
        let Some(row) = rows.get(name) else { continue };
        let computed = cells(kind, object, now);
        assert_eq!(computed.len(), columns(kind).len(), "{kind:?}");
        for (column, value) in columns(kind).iter().zip(&computed) {
            let heading = column["name"].as_str().unwrap_or_default().to_uppercase();
            let mut shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            // A pull that fails flaps between the two, and the objects were read a moment later.
            if shown == "ErrImagePull" && heading == "STATUS" {
                shown = "ImagePullBackOff".to_owned();
            }
            if let Some(expected) = row.get(&heading).filter(|it| **it != shown) {
                return Err(format!("{kind:?} {name}: {heading} is {shown:?}, not {expected:?}"));
            }
        }
    }
    Ok(())
}

#[test]
fn rows_are_those_that_kubectl_printed_on_a_real_cluster() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("recorded.json")).expect("recorded cases");
    for case in cases {
        let tables = printed(case["shows"].as_array().expect("lines"));
        let mut compared = 0;
        for (plural, objects) in case["objects"].as_object().expect("objects") {
            let (kind, objects) = (kind(plural), objects.as_array().expect("a list"));
            let rows = tables.get(plural.as_str()).unwrap_or_else(|| panic!("{plural} was not printed in {}", case["file"]));
            assert!(objects.iter().any(|it| rows.contains_key(it["metadata"]["name"].as_str().unwrap_or_default())), "{plural} {}", case["file"]);
            let newest = objects.iter().filter_map(|it| it["metadata"]["creationTimestamp"].as_str()?.parse::<Timestamp>().ok()).max().expect("a time");
            // When kubectl asked is not recorded: within two minutes of the newest object, in tenths of seconds.
            let moments = (0..1200).map(|tenth| newest + SignedDuration::from_millis(100 * tenth));
            let answers: Vec<Result<(), String>> = moments.map(|now| agrees(kind, objects, rows, now)).collect();
            let words: Vec<&String> = answers.iter().filter_map(|it| it.as_ref().err()).collect();
            assert!(answers.iter().any(Result::is_ok), "{}: {plural}: {:?}", case["file"], words.last());
            compared += 1;
        }
        assert_eq!(compared, 3);
    }
}

#[test]
fn every_kind_has_as_many_cells_as_columns() {
    for kind in Kind::all().filter(|it| it.has_verb("list")) {
        let row = cells(kind, &json!({ "metadata": { "name": "x", "creationTimestamp": "2026-01-01T00:00:00Z" } }), Timestamp::UNIX_EPOCH);
        // The real server gives addresses an age that has no column.
        let extra = usize::from(kind.plural() == "ipaddresses");
        assert_eq!(row.len(), columns(kind).len() + extra, "{kind:?}");
    }
}

#[test]
fn a_pod_is_summed_up_as_kubectl_shows_it() {
    let waiting = |reason: &str| json!({ "waiting": { "reason": reason } });
    let ended = |code: i64, reason: &str| json!({ "terminated": { "exitCode": code, "reason": reason } });
    let running = json!({ "running": {} });
    let now: Timestamp = "2026-01-01T00:10:00Z".parse().expect("a time");
    let status = |state: &Value, ready: bool, restarts: i64| json!({ "name": "a", "state": state, "ready": ready, "restartCount": restarts });
    let ready = json!([{ "type": "Ready", "status": "True" }]);
    for (pod, expected) in [
        (json!({ "status": { "phase": "Pending" } }), "0/1 Pending 0"),
        (json!({ "status": { "phase": "Failed", "reason": "Evicted" } }), "0/1 Evicted 0"),
        (json!({ "status": { "phase": "Running", "containerStatuses": [status(&running, true, 0)] } }), "1/1 Running 0"),
        (json!({ "status": { "phase": "Running", "containerStatuses": [status(&waiting("CrashLoopBackOff"), false, 3)] } }), "0/1 CrashLoopBackOff 3"),
        (json!({ "status": { "phase": "Succeeded", "containerStatuses": [status(&ended(0, "Completed"), false, 0)] } }), "0/1 Completed 0"),
        (json!({ "status": { "phase": "Failed", "containerStatuses": [status(&ended(3, ""), false, 0)] } }), "0/1 ExitCode:3 0"),
        (json!({ "status": { "phase": "Pending", "initContainerStatuses": [status(&running, false, 0)] } }), "0/1 Init:0/2 0"),
        (json!({ "status": { "phase": "Pending", "initContainerStatuses": [status(&ended(1, "Error"), false, 2)] } }), "0/1 Init:Error 2"),
        (
            json!({ "status": { "phase": "Running", "conditions": ready, "containerStatuses": [status(&ended(0, "Completed"), false, 0), status(&running, true, 0)] } }),
            "1/1 Running 0",
        ),
        (json!({ "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" }, "status": { "phase": "Running" } }), "0/1 Terminating 0"),
        (json!({ "metadata": { "deletionTimestamp": "2026-01-01T00:00:00Z" }, "status": { "phase": "Succeeded" } }), "0/1 Succeeded 0"),
        (
            json!({ "status": { "phase": "Running", "containerStatuses": [
                { "name": "a", "state": running, "ready": true, "restartCount": 2, "lastState": { "terminated": { "finishedAt": "2026-01-01T00:05:00Z" } } },
            ] } }),
            "1/1 Running 2 (5m ago)",
        ),
    ] {
        let mut pod = pod;
        pod["spec"] = json!({ "containers": [{ "name": "a" }], "initContainers": [{ "name": "x" }, { "name": "y" }] });
        let row = cells(Kind::PODS, &pod, now);
        let shown: Vec<&str> = row[1..4].iter().filter_map(Value::as_str).collect();
        assert_eq!(shown.join(" "), expected, "{pod}");
    }
    assert_eq!(conditions(Kind::PODS, &json!({ "status": { "phase": "Failed" } })).expect("an end")[0]["message"], "The pod failed.");
}
