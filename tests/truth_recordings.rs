//! The templates that were recorded on a real control plane, given to the simulator: ReplicaSets and ControllerRevisions get the names that they had there.
//!
//! How their rollouts went is compared in `src/sim/controllers/recording_tests.rs`.

#[path = "truth/server.rs"]
mod server;
#[path = "truth/stage.rs"]
mod stage;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use server::Server;
use stage::{name, text};

/// A template as it was recorded: the kind and name of its workload, what was made from it, under which name.
type Recorded = BTreeMap<(String, String, String), (&'static str, Value)>;

fn gather(value: &Value, found: &mut Recorded) {
    let owner = &value["metadata"]["ownerReferences"][0];
    let mut note = |plural, template: &Value| {
        let key = (text(&owner["kind"]).to_owned(), text(&owner["name"]).to_owned(), name(value).to_owned());
        found.insert(key, (plural, template.clone()));
    };
    if value["data"]["spec"]["template"].is_object() {
        note("controllerrevisions", &value["data"]["spec"]["template"]);
    } else if owner["kind"] == "Deployment" {
        note("replicasets", &value["spec"]["template"]);
    }
    let below: Vec<&Value> = match value {
        Value::Object(fields) => fields.values().collect(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    below.into_iter().for_each(|it| gather(it, found));
}

fn recorded() -> Recorded {
    let mut found = Recorded::new();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings")).expect("the recordings") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|it| it == "json") {
            let dump: Value = serde_json::from_str(&std::fs::read_to_string(&path).expect("readable")).expect("JSON");
            gather(&dump, &mut found);
        }
    }
    found
}

#[tokio::test(start_paused = true)]
async fn recorded_templates_make_objects_of_the_recorded_names() {
    let recorded = recorded();
    assert!(recorded.len() > 8, "the recordings are not found any more: {:?}", recorded.keys());
    let server = Server::simulated("truth", 0).await;
    for ((kind, workload, wanted), (plural, mut template)) in recorded {
        template.as_object_mut().map(|it| it.remove("$patch"));
        template["metadata"]["labels"].as_object_mut().map(|it| it.remove("pod-template-hash"));
        let mut object = json!({
            "metadata": { "name": workload },
            "spec": { "replicas": 0, "serviceName": "db", "selector": { "matchLabels": template["metadata"]["labels"] }, "template": template },
        });
        let workloads = format!("{}s", kind.to_lowercase());
        for (field, kinds) in [("replicas", &["Deployment", "StatefulSet"][..]), ("serviceName", &["StatefulSet"])] {
            if !kinds.contains(&kind.as_str()) {
                object["spec"].as_object_mut().map(|it| it.remove(field));
            }
        }
        server.make(&workloads, object).await;
        let made = server.when_all(plural, &wanted, |it| it.len() == 1).await.remove(0);
        assert_eq!(name(&made), wanted, "{template}");
        if plural == "controllerrevisions" {
            let mut data = template.clone();
            data["$patch"] = "replace".into();
            assert_eq!(made["data"], json!({ "spec": { "template": data } }));
        }
        server.delete(&workloads, &workload, json!({ "propagationPolicy": "Background" })).await;
        server.when_all(plural, "gone", <[Value]>::is_empty).await;
    }
}
