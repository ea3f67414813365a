//! Writes, and what they make of the entries: answers of a real API server, and the rules one by one.

use super::*;
use crate::sim::schema::{of, of_object};

const NOW: &str = "2026-11-22T10:00:00Z";
const LATER: &str = "2026-11-22T11:00:00Z";

fn writer<'a>(manager: &'a str, api_version: &'a str, subresource: &'a str, now: &str) -> Writer<'a> {
    Writer { manager, api_version, subresource, now: now.parse().unwrap() }
}

/// The entries in any order, all at one time: a recording's times are its own.
fn timeless(list: &Value) -> Vec<String> {
    let mut rows: Vec<String> = list
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| {
            let mut entry = entry.clone();
            if entry.get("time").is_some() {
                entry["time"] = "some".into();
            }
            entry.to_string()
        })
        .collect();
    rows.sort();
    rows
}

#[test]
fn entries_come_out_as_a_real_server_wrote_them() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("../data/test-apply.json")).unwrap();
    let mut failed = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let text = |key: &str| case[key].as_str().unwrap_or_default();
        let live = case.get("live");
        let api_version = text("apiVersion");
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let ty = of(group, version, text("kind")).unwrap();
        let writer = writer(text("manager"), api_version, text("subresource"), NOW);
        let entries = match text("how") {
            "apply" => match apply(ty, live, &case["body"], writer, case["force"] == true) {
                Ok(object) => object["metadata"]["managedFields"].clone(),
                Err(failure) => {
                    let mut fields: Vec<&str> = match &failure {
                        ApplyFailure::Conflict { causes, .. } => causes.iter().map(|cause| cause.field.as_str()).collect(),
                        _ => Vec::new(),
                    };
                    fields.sort_unstable();
                    let expected: Vec<&str> = case["causes"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
                    if failure.to_string() != text("message") || fields != expected {
                        failed.push(format!("case {at}: {failure}\n  expected {}", text("message")));
                    }
                    continue;
                }
            },
            "scale" => {
                let ty = of("autoscaling", "v1", "Scale").unwrap();
                let live = live.unwrap();
                let scale = |replicas: &Value| {
                    let metadata = json!({"name": "web", "uid": "1", "managedFields": scale::of_parent(live, api_version, &scale::REPLICAS)});
                    decode::typed(ty, &json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": metadata, "spec": {"replicas": replicas}})).unwrap()
                };
                let scaled = updated(ty, Some(&scale(&live["spec"]["replicas"])), scale(&case["replicas"]), Writer { api_version: "autoscaling/v1", ..writer });
                Value::from(scale::to_parent(live, &scaled, api_version, &scale::REPLICAS))
            }
            _ => {
                let mut object = updated(ty, live, case["new"].clone(), writer);
                assert_eq!(object, updated_at_length(ty, live, &case["new"], writer), "case {at}");
                if let Some(live) = live {
                    keep_times(live, &mut object);
                }
                object["metadata"]["managedFields"].clone()
            }
        };
        if timeless(&entries) != timeless(&case["managedFields"]) {
            failed.push(format!("case {at}, {}: {entries}\n  expected {}", text("how"), case["managedFields"]));
        }
    }
    assert!(failed.is_empty(), "{} of {}:\n{}", failed.len(), cases.len(), failed.join("\n"));
}

fn config_map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop"}, "data": data})
}

fn applied(live: Option<&Value>, data: Value, manager: &str, now: &str, force: bool) -> Result<Value, ApplyFailure> {
    apply(of("", "v1", "ConfigMap").unwrap(), live, &config_map(data), writer(manager, "v1", "", now), force).map(|mut object| {
        // The server gives the uid on create; it tells a live object from a new one.
        object["metadata"]["uid"] = "1".into();
        object
    })
}

/// Who owns which keys of `data`, when: `a@10 x y`.
fn owners(object: &Value) -> Vec<String> {
    let row = |entry: &Value| {
        let keys: Vec<String> = entry["fieldsV1"]["f:data"].as_object().into_iter().flatten().map(|(key, _)| key.trim_start_matches("f:").to_owned()).collect();
        format!("{}@{} {}", entry["manager"].as_str().unwrap(), entry["time"].as_str().map_or("-", |time| &time[11..13]), keys.join(" "))
    };
    object["metadata"]["managedFields"].as_array().into_iter().flatten().map(row).collect()
}

#[test]
fn appliers_share_fight_for_and_give_up_fields() {
    let live = applied(None, json!({"x": "1", "y": "1"}), "a", NOW, false).unwrap();
    assert_eq!(owners(&live), ["a@10 x y"]);

    let shared = applied(Some(&live), json!({"x": "1", "z": "1"}), "b", LATER, false).unwrap();
    assert_eq!(owners(&shared), ["a@10 x y", "b@11 x z"]);

    let conflict = applied(Some(&shared), json!({"x": "2"}), "b", LATER, false).unwrap_err();
    assert_eq!(conflict.to_string(), "Apply failed with 1 conflict: conflict with \"a\": .data.x");

    let forced = applied(Some(&shared), json!({"x": "2"}), "b", LATER, true).unwrap();
    assert_eq!(owners(&forced), ["a@10 y", "b@11 x"]);
    assert_eq!(forced["data"], json!({"x": "2", "y": "1"}), "what b applied before and nobody else owns is gone");

    let given_up = applied(Some(&shared), json!({"z": "1"}), "b", LATER, false).unwrap();
    assert_eq!(given_up["data"], json!({"x": "1", "y": "1", "z": "1"}), "a still owns x");
}

#[test]
fn conflicts_name_a_managers_subresource_before_the_manager() {
    let deployment = |replicas: i64, image: &str| {
        let template = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "app", "image": image}]}});
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "a"}}, "template": template}})
    };
    let ty = of("apps", "v1", "Deployment").unwrap();
    let by = |subresource, now| writer("kubectl", "apps/v1", subresource, now);
    let created = updated(ty, None, deployment(1, "web:1"), by("", NOW));
    let mut scaled = created.clone();
    scaled["spec"]["replicas"] = 2.into();
    let scaled = updated(ty, Some(&created), scaled, by("scale", LATER));
    let conflict = apply(ty, Some(&scaled), &deployment(3, "web:2"), by("", LATER), false).unwrap_err().to_string();
    let owners: Vec<&str> = conflict.lines().filter(|it| it.contains("conflicts with")).collect();
    assert_eq!(
        owners,
        [r#"Apply failed with 2 conflicts: conflicts with "kubectl" with subresource "scale" using apps/v1:"#, r#"conflicts with "kubectl" using apps/v1:"#]
    );
}

#[test]
fn applying_what_is_there_touches_no_time() {
    let live = applied(None, json!({"x": "1"}), "a", NOW, false).unwrap();
    assert_eq!(applied(Some(&live), json!({"x": "1"}), "a", LATER, false).unwrap(), live);
}

#[test]
fn updates_take_what_they_change_and_never_conflict() {
    let live = applied(None, json!({"x": "1", "y": "1"}), "a", NOW, false).unwrap();
    let mut new = live.clone();
    new["data"] = json!({"x": "2", "z": "1"});
    let ty = of_object(&new).unwrap();
    let after = updated(ty, Some(&live), new.clone(), writer("edit", "v1", "", LATER));
    assert_eq!(owners(&after), ["edit@11 x z"], "y is gone, and nobody owns it");
    let conflict = applied(Some(&after), json!({"x": "3"}), "a", LATER, false).unwrap_err();
    assert_eq!(conflict.to_string(), "Apply failed with 1 conflict: conflict with \"edit\" using v1: .data.x");

    let mut same = after.clone();
    same = updated(ty, Some(&after), same.clone(), writer("other", "v1", "", LATER));
    assert_eq!(same, after);
}

#[test]
fn two_entries_of_one_writer_become_the_one_with_a_time() {
    let entry = |field: &str, time: Option<&str>| {
        let mut entry =
            json!({ "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": { "f:data": { field: {} } }, "manager": "make", "operation": "Update" });
        if let Some(time) = time {
            entry["time"] = time.into();
        }
        entry
    };
    // As a write through `scale` leaves them.
    let mut live = config_map(json!({"x": "1", "y": "1"}));
    live["metadata"]["uid"] = "1".into();
    live["metadata"]["managedFields"] = json!([entry("f:x", None), entry("f:y", Some(NOW))]);
    let mut new = live.clone();
    new["data"]["z"] = "1".into();
    let ty = of_object(&new).unwrap();
    let after = updated(ty, Some(&live), new.clone(), writer("edit", "v1", "", LATER));
    assert_eq!(after, updated_at_length(ty, Some(&live), &new, writer("edit", "v1", "", LATER)));
    let managers: Vec<&str> = after["metadata"]["managedFields"].as_array().unwrap().iter().map(|it| it["manager"].as_str().unwrap()).collect();
    assert_eq!(managers, ["make", "edit"]);
}

#[test]
fn an_object_without_entries_stays_without_until_somebody_applies() {
    let mut live = config_map(json!({"x": "1"}));
    live["metadata"]["uid"] = "1".into();
    let mut new = live.clone();
    new["data"]["x"] = "2".into();
    assert_eq!(owners(&updated(of_object(&new).unwrap(), Some(&live), new.clone(), writer("edit", "v1", "", NOW))), Vec::<String>::new());
    let conflict = applied(Some(&live), json!({"x": "2"}), "a", NOW, false).unwrap_err();
    assert_eq!(conflict.to_string(), "Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: .data.x");
}

#[test]
fn an_empty_entry_in_a_request_resets_them_all() {
    let live = applied(None, json!({"x": "1"}), "a", NOW, false).unwrap();
    let mut new = live.clone();
    new["metadata"]["managedFields"] = json!([{}]);
    let after = updated(of_object(&new).unwrap(), Some(&live), new.clone(), writer("edit", "v1", "", LATER));
    assert_eq!(after["metadata"].get("managedFields"), None);
}

#[test]
fn the_oldest_of_many_updaters_are_put_together() {
    let mut live = config_map(json!({}));
    for at in 0..12 {
        let mut new = live.clone();
        new["metadata"]["uid"] = "1".into();
        new["data"][format!("k{at:02}")] = "1".into();
        let now = format!("2026-11-22T10:00:{at:02}Z");
        let (manager, before) = (format!("m{at:02}"), (at > 0).then_some(&live));
        live = updated(of_object(&new).unwrap(), before, new.clone(), writer(&manager, "v1", "", &now));
    }
    let owners = owners(&live);
    assert_eq!(owners.len(), MAX_UPDATE_MANAGERS);
    assert_eq!(owners[0], "ancient-changes@10 . k00 k01 k02");
    assert_eq!(owners[9], "m11@10 k11");
}

#[test]
fn what_is_not_the_kind_or_does_not_fit_it_is_refused() {
    let ty = of("", "v1", "ConfigMap").unwrap();
    let refused = |object: Value| apply(ty, None, &object, writer("a", "v1", "", NOW), false).unwrap_err();
    let mut other = config_map(json!({}));
    other["kind"] = "Secret".into();
    assert_eq!(refused(other), ApplyFailure::BadRequest("invalid object type: /v1, Kind=Secret".to_owned()));
    let mut with_entries = config_map(json!({}));
    with_entries["metadata"]["managedFields"] = json!([]);
    assert_eq!(refused(with_entries), ApplyFailure::BadRequest("metadata.managedFields must be nil".to_owned()));
    let mut unknown = config_map(json!({}));
    unknown["spec"] = json!({});
    let text = "failed to create typed patch object (shop/c; /v1, Kind=ConfigMap): .spec: field not declared in schema";
    assert_eq!(refused(unknown), ApplyFailure::Internal(text.to_owned()));
}
