//! Custom resources, from their definition to their end: on the simulated cluster in virtual time always, and on the real control plane that
//! `ROLLSH_TEST_KUBECONFIG` names, each scenario with a group and a namespace of its own.

#[path = "truth/server.rs"]
mod server;

use serde_json::{Value, json};
use server::{Answer, Server, skipped};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// Each scenario once in virtual time, and once on the real control plane.
macro_rules! scenarios {
    ($($name:ident,)*) => {
        mod simulated {
            $(#[tokio::test(start_paused = true)]
            async fn $name() {
                super::$name(&super::Group::new(super::Server::simulated("custom", 0).await)).await;
            })*
        }

        mod real {
            $(#[tokio::test]
            async fn $name() {
                let namespace = format!("crd-{}-{}", std::process::id(), stringify!($name).replace('_', "-").chars().take(30).collect::<String>().trim_matches('-'));
                match super::Server::real(&namespace).await {
                    Some(server) => {
                        let group = super::Group::new(server);
                        super::$name(&group).await;
                        group.end().await;
                    }
                    None => super::skipped(stringify!($name)),
                }
            })*
        }
    };
}

scenarios! {
    a_kind_is_served_from_its_definition_to_its_end,
    definitions_that_break_a_rule_are_refused,
    objects_are_pruned_completed_and_judged,
    fields_that_nobody_knows_are_warned_of_or_refused,
    generations_count_all_but_metadata_and_status,
    patches_are_json_and_applies_merge_by_list_type,
    a_scale_is_read_and_written_where_the_definition_says,
    versions_are_views_of_the_same_objects,
    tables_and_field_selectors_follow_the_definition,
    names_are_given_to_who_comes_first,
    rules_are_run_at_each_write,
    what_was_wrong_before_is_forgiven,
    owners_take_their_objects_along,
    a_definition_that_changes_changes_what_is_read,
}

/// A group of kinds of this test alone.
struct Group {
    server: Server,
    name: String,
}

impl Group {
    fn new(server: Server) -> Self {
        let name = format!("{}.example.com", server.namespace);
        Self { server, name }
    }

    async fn end(&self) {
        let all = self.server.get(DEFINITIONS).await.body;
        for definition in all["items"].as_array().into_iter().flatten().filter(|it| it["spec"]["group"] == self.name.as_str()) {
            let path = format!("{DEFINITIONS}/{}", definition["metadata"]["name"].as_str().unwrap_or_default());
            self.server.ask("DELETE", &path, JSON, "").await;
        }
        self.server.end().await;
    }

    /// A definition of `widgets` with this one version, which the function may change.
    fn definition(&self, change: impl FnOnce(&mut Value)) -> Value {
        let mut definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": format!("widgets.{}", self.name) },
            "spec": {
                "group": self.name, "scope": "Namespaced", "names": { "plural": "widgets", "kind": "Widget" },
                "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": { "type": "object" } } }],
            },
        });
        change(&mut definition);
        definition
    }

    /// Defines widgets with this schema and waits until they are served.
    async fn define(&self, schema: &Value, change: impl FnOnce(&mut Value)) {
        let definition = self.definition(|it| {
            it["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema.clone();
            change(it);
        });
        self.create_definition(&definition).await;
    }

    async fn create_definition(&self, definition: &Value) {
        let made = self.server.ask("POST", DEFINITIONS, JSON, &definition.to_string()).await;
        assert!(made.is_good(), "{}", made.message());
        let path = self.widgets("v1");
        self.server.until("widgets are served", || async { self.server.get(&path).await.is_good().then_some(()) }).await;
    }

    fn widgets(&self, version: &str) -> String {
        format!("/apis/{}/{version}/namespaces/{}/widgets", self.name, self.server.namespace)
    }

    fn widget(&self, name: &str, spec: &Value) -> Value {
        json!({ "apiVersion": format!("{}/v1", self.name), "kind": "Widget", "metadata": { "name": name }, "spec": spec })
    }

    async fn create(&self, name: &str, spec: &Value, query: &str) -> Answer {
        self.server.ask("POST", &format!("{}{query}", self.widgets("v1")), JSON, &self.widget(name, spec).to_string()).await
    }

    async fn patch(&self, rest: &str, content_type: &'static str, body: &Value) -> Answer {
        self.server.ask("PATCH", &format!("{}/{rest}", self.widgets("v1")), content_type, &body.to_string()).await
    }

    async fn get(&self, rest: &str) -> Answer {
        self.server.get(&format!("{}/{rest}", self.widgets("v1"))).await
    }

    /// A refusal's message with the group left out.
    fn said(&self, answer: &Answer) -> String {
        answer.message().replace(&format!(".{}", self.name), "")
    }
}

fn spec_schema(spec: Value) -> Value {
    json!({ "type": "object", "properties": { "spec": spec, "status": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } })
}

async fn a_kind_is_served_from_its_definition_to_its_end(group: &Group) {
    let server = &group.server;
    let schema = spec_schema(json!({ "type": "object", "description": "What is wanted.", "properties": { "size": { "type": "integer" } } }));
    group
        .define(&schema, |it| {
            it["spec"]["names"]["shortNames"] = json!(["wg"]);
            it["spec"]["names"]["categories"] = json!(["all"]);
            it["spec"]["versions"][0]["subresources"] = json!({ "status": {} });
        })
        .await;
    let path = format!("{DEFINITIONS}/widgets.{}", group.name);
    let definition = server
        .until("it is established", || async {
            let body = server.get(&path).await.body;
            body["status"]["conditions"].as_array()?.iter().any(|it| it["type"] == "Established" && it["status"] == "True").then_some(body)
        })
        .await;
    let mut conditions = definition["status"]["conditions"].clone();
    conditions.as_array_mut().expect("conditions").iter_mut().for_each(|it| drop(it.as_object_mut().map(|it| it.remove("lastTransitionTime"))));
    assert_eq!(
        conditions,
        json!([
            { "type": "NamesAccepted", "status": "True", "reason": "NoConflicts", "message": "no conflicts found" },
            { "type": "Established", "status": "True", "reason": "InitialNamesAccepted", "message": "the initial names have been accepted" },
        ])
    );
    assert_eq!(definition["spec"]["names"]["singular"], "widget");
    assert_eq!(definition["spec"]["conversion"], json!({ "strategy": "None" }));
    assert_eq!(definition["status"]["acceptedNames"]["listKind"], "WidgetList");
    assert_eq!(definition["status"]["storedVersions"], json!(["v1"]));
    let list = server
        .until("discovery knows it", || async {
            let list = server.get(&format!("/apis/{}/v1", group.name)).await;
            list.is_good().then_some(list.body)
        })
        .await;
    let names: Vec<&str> = list["resources"].as_array().expect("resources").iter().filter_map(|it| it["name"].as_str()).collect();
    assert_eq!(names, ["widgets", "widgets/status"]);
    assert_eq!((&list["resources"][0]["shortNames"], &list["resources"][0]["categories"]), (&json!(["wg"]), &json!(["all"])));
    let document = server
        .until("the schema is published", || async {
            let document = server.get(&format!("/openapi/v3/apis/{}/v1", group.name)).await;
            document.is_good().then_some(document.body)
        })
        .await;
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    let published = schemas.values().find(|it| it["x-kubernetes-group-version-kind"][0]["kind"] == "Widget").expect("the schema of widgets");
    assert_eq!(published["properties"]["spec"]["description"], "What is wanted.");
    assert!(published["properties"]["metadata"].is_object());
    assert_eq!(server.get(&format!("/apis/{}/v1/nothing", group.name)).await.code, 404);

    let made = group.create("a", &json!({ "size": 1 }), "").await;
    assert_eq!((made.code, &made.body["kind"], &made.body["metadata"]["generation"]), (201, &json!("Widget"), &json!(1)));
    let list = server.get(&group.widgets("v1")).await.body;
    assert_eq!((&list["kind"], &list["items"][0]["kind"]), (&json!("WidgetList"), &json!("Widget")));
    let gone = server.ask("DELETE", &path, JSON, "").await.body;
    assert_eq!(gone["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    server.until("the definition is gone", || async { (server.get(&path).await.code == 404).then_some(()) }).await;
    server.until("discovery forgets it", || async { (server.get(&format!("/apis/{}", group.name)).await.code == 404).then_some(()) }).await;
    assert_eq!(server.get(&group.widgets("v1")).await.code, 404);
}

async fn definitions_that_break_a_rule_are_refused(group: &Group) {
    let schema = |it: &mut Value, schema: Value| it["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema;
    let property = |it: &mut Value, property: Value| {
        it["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = json!({ "type": "object", "properties": { "a": property } });
    };
    const A: &str = "spec.validation.openAPIV3Schema.properties[a]";
    type Change<'a> = Box<dyn FnOnce(&mut Value) + 'a>;
    let cases: Vec<(Change<'_>, String)> = vec![
        (
            Box::new(|it| it["spec"]["names"]["plural"] = json!("gadgets")),
            format!("metadata.name: Invalid value: \"widgets.{}\": must be spec.names.plural+\".\"+spec.group", group.name),
        ),
        (Box::new(|it| it["spec"]["scope"] = json!("Far")), "spec.scope: Unsupported value: \"Far\": supported values: \"Cluster\", \"Namespaced\"".to_owned()),
        (
            Box::new(|it| drop(it["spec"]["versions"][0].as_object_mut().map(|it| it.remove("schema")))),
            "spec.versions[0].schema.openAPIV3Schema: Required value".to_owned(),
        ),
        (Box::new(|it| schema(it, json!({}))), "spec.validation.openAPIV3Schema.type: Required value: must not be empty at the root".to_owned()),
        (Box::new(|it| property(it, json!({ "description": "x" }))), format!("{A}.type: Required value: must not be empty for specified object fields")),
        (Box::new(|it| property(it, json!({ "type": "array" }))), format!("{A}.items: Required value: must be specified")),
        (
            Box::new(|it| property(it, json!({ "type": "text" }))),
            format!("{A}.type: Unsupported value: \"text\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\""),
        ),
        (
            Box::new(|it| property(it, json!({ "type": "integer", "anyOf": [{ "type": "integer" }] }))),
            format!("{A}.anyOf[0].type: Forbidden: must be empty to be structural"),
        ),
        (
            Box::new(|it| property(it, json!({ "type": "object", "properties": { "x": { "type": "string" } }, "additionalProperties": { "type": "string" } }))),
            format!("{A}.additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"),
        ),
        (
            Box::new(|it| property(it, json!({ "type": "integer", "default": "x" }))),
            format!("{A}.default: Invalid value: \"string\":  in body must be of type integer: \"string\""),
        ),
        (
            Box::new(|it| property(it, json!({ "type": "string", "pattern": "[" }))),
            format!("{A}.pattern: Invalid value: \"[\": must be a valid regular expression, but isn't: error parsing regexp: missing closing ]: `[`"),
        ),
        (
            Box::new(|it| property(it, json!({ "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"],
                "items": { "type": "object", "properties": { "n": { "type": "string" } } } }))),
            format!("{A}.items.properties[n].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"),
        ),
        (
            Box::new(|it| it["spec"]["versions"][0]["subresources"] = json!({ "scale": { "specReplicasPath": "spec.n", "statusReplicasPath": ".status.n" } })),
            "spec.subresources.scale.specReplicasPath: Invalid value: \"spec.n\": must be a simple json path starting with .".to_owned(),
        ),
        (
            Box::new(|it| it["spec"]["versions"][0]["additionalPrinterColumns"] = json!([{ "name": "A", "type": "text", "jsonPath": ".a" }])),
            "spec.additionalPrinterColumns[0].type: Invalid value: \"text\": must be one of boolean,date,integer,number,string".to_owned(),
        ),
        (
            Box::new(|it| it["spec"]["preserveUnknownFields"] = json!(true)),
            "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead".to_owned(),
        ),
    ];
    for (change, words) in cases {
        let answer = group.server.ask("POST", &format!("{DEFINITIONS}?dryRun=All"), JSON, &group.definition(change).to_string()).await;
        assert_eq!((answer.code, answer.message().split_once(" is invalid: ").map(|it| it.1)), (422, Some(words.as_str())));
    }
    let two = group.definition(|it| it["spec"]["versions"][0]["storage"] = json!(false));
    let answer = group.server.ask("POST", &format!("{DEFINITIONS}?dryRun=All"), JSON, &two.to_string()).await;
    assert!(answer.message().contains("must have exactly one version marked as storage version"), "{}", answer.message());
}

async fn objects_are_pruned_completed_and_judged(group: &Group) {
    let schema = spec_schema(json!({
        "type": "object", "required": ["size"],
        "properties": {
            "size": { "type": "integer", "minimum": 1, "maximum": 10 },
            "replicas": { "type": "integer", "format": "int32", "default": 1 },
            "color": { "type": "string", "enum": ["red", "green"], "default": "red" },
            "name": { "type": "string", "pattern": "^[a-z]+$", "minLength": 2, "maxLength": 5 },
            "port": { "x-kubernetes-int-or-string": true },
            "when": { "type": "string", "format": "date-time" },
            "note": { "type": "string", "nullable": true },
            "labels": { "type": "object", "additionalProperties": { "type": "string" } },
            "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
            "pod": { "type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true },
            "tags": { "type": "array", "items": { "type": "string" }, "x-kubernetes-list-type": "set", "maxItems": 3 },
            "ports": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": { "type": "object", "required": ["name"], "properties": { "name": { "type": "string" }, "protocol": { "type": "string", "default": "TCP" } } },
            },
            "either": { "type": "object", "properties": { "a": { "type": "string" }, "b": { "type": "string" } }, "oneOf": [{ "required": ["a"] }, { "required": ["b"] }] },
        },
    }));
    group.define(&schema, |_| ()).await;
    let whole = json!({ "size": 2.0, "note": null, "name": null, "foo": 1, "free": { "x": { "y": [1] } }, "ports": [{ "name": "p", "zip": 1 }],
        "pod": { "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" }, "spec": { "x": 1 } } });
    let made = group.create("a", &whole, "").await;
    assert_eq!(
        made.body["spec"],
        json!({ "size": 2, "note": null, "replicas": 1, "color": "red", "free": { "x": { "y": [1] } }, "ports": [{ "name": "p", "protocol": "TCP" }],
            "pod": { "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" }, "spec": { "x": 1 } } })
    );
    for (spec, words) in [
        (json!({}), "spec.size: Required value"),
        (json!({ "size": "big" }), r#"spec.size: Invalid value: "string": spec.size in body must be of type integer: "string""#),
        (json!({ "size": 0 }), "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"),
        (json!({ "size": 11 }), "spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10"),
        (json!({ "size": 1, "color": "blue" }), r#"spec.color: Unsupported value: "blue": supported values: "red", "green""#),
        (json!({ "size": 1, "name": "A1" }), r#"spec.name: Invalid value: "A1": spec.name in body should match '^[a-z]+$'"#),
        (json!({ "size": 1, "name": "a" }), r#"spec.name: Invalid value: "a": spec.name in body should be at least 2 chars long"#),
        (json!({ "size": 1, "name": "abcdef" }), "spec.name: Too long: may not be more than 5 bytes"),
        (json!({ "size": 1, "port": true }), r#"spec.port: Invalid value: "boolean": spec.port in body must be of type integer,string: "boolean""#),
        (json!({ "size": 1, "when": "soon" }), r#"spec.when: Invalid value: "soon": spec.when in body must be of type date-time: "soon""#),
        (json!({ "size": 1, "labels": { "a": 1 } }), r#"spec.labels.a: Invalid value: "integer": spec.labels.a in body must be of type string: "integer""#),
        (json!({ "size": 1, "pod": {} }), "[spec.pod.apiVersion: Required value, spec.pod.kind: Required value]"),
        (json!({ "size": 1, "tags": ["a", "a"] }), r#"spec.tags[1]: Duplicate value: "a""#),
        (json!({ "size": 1, "tags": ["a", "b", "c", "d"] }), "spec.tags: Too many: 4: must have at most 3 items"),
        (json!({ "size": 1, "ports": [{ "name": "a" }, { "name": "a" }] }), r#"spec.ports[1]: Duplicate value: {"name":"a"}"#),
        (json!({ "size": 1, "ports": [{}] }), "spec.ports[0].name: Required value"),
        (
            json!({ "size": 1, "either": {} }),
            "[<nil>: Invalid value: \"\": \"spec.either\" must validate one and only one schema (oneOf). Found none valid, spec.either.a: Required value]",
        ),
        (
            json!({ "size": 1, "either": { "a": "x", "b": "y" } }),
            "<nil>: Invalid value: \"\": \"spec.either\" must validate one and only one schema (oneOf). Found 2 valid alternatives",
        ),
    ] {
        let answer = group.create("b", &spec, "?dryRun=All").await;
        assert_eq!((answer.code, group.said(&answer)), (422, format!("Widget \"b\" is invalid: {words}")), "{spec}");
    }
    let other = json!({ "apiVersion": format!("{}/v1", group.name), "kind": "Wodget", "metadata": { "name": "b" } });
    let answer = group.server.ask("POST", &group.widgets("v1"), JSON, &other.to_string()).await;
    assert_eq!((answer.code, group.said(&answer).as_str()), (422, "Wodget \"b\" is invalid: kind: Invalid value: \"Wodget\": must be Widget"));
    let broken = json!({ "apiVersion": format!("{}/v1", group.name), "kind": "Widget", "metadata": { "name": "b", "labels": { "a": 1 } } });
    let answer = group.server.ask("POST", &group.widgets("v1"), JSON, &broken.to_string()).await;
    let words = "Widget in version \"v1\" cannot be handled as a Widget: json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string";
    assert_eq!((answer.code, answer.message()), (400, words));
}

async fn fields_that_nobody_knows_are_warned_of_or_refused(group: &Group) {
    let schema =
        spec_schema(json!({ "type": "object", "properties": { "size": { "type": "integer" }, "list": { "type": "array", "items": { "type": "object" } } } }));
    group.define(&schema, |_| ()).await;
    let spec = json!({ "size": 1, "foo": 1, "list": [{ "bar": 1 }] });
    let warned = group.create("a", &spec, "?dryRun=All").await;
    assert_eq!(warned.warnings, [r#"299 - "unknown field \"spec.foo\"""#, r#"299 - "unknown field \"spec.list[0].bar\"""#]);
    assert!(group.create("a", &spec, "?dryRun=All&fieldValidation=Ignore").await.warnings.is_empty());
    let refused = group.create("a", &spec, "?fieldValidation=Strict").await;
    let words = "Widget in version \"v1\" cannot be handled as a Widget: strict decoding error: unknown field \"spec.foo\", unknown field \"spec.list[0].bar\"";
    assert_eq!((refused.code, refused.message()), (400, words));
    assert_eq!(group.create("a", &json!({ "size": 1 }), "").await.code, 201);
    let refused = group.patch("a?fieldValidation=Strict", MERGE, &json!({ "spec": { "foo": 1 } })).await;
    assert!(refused.code == 422 && refused.message().ends_with("strict decoding error: unknown field \"spec.foo\""), "{}", refused.message());
}

async fn generations_count_all_but_metadata_and_status(group: &Group) {
    let schema = spec_schema(json!({ "type": "object", "properties": { "size": { "type": "integer" } } }));
    group.define(&schema, |it| it["spec"]["versions"][0]["subresources"] = json!({ "status": {} })).await;
    let generation = |answer: &Answer| answer.body["metadata"]["generation"].as_i64();
    let mut object = group.widget("a", &json!({ "size": 1 }));
    object["status"] = json!({ "phase": "Up" });
    let made = group.server.ask("POST", &group.widgets("v1"), JSON, &object.to_string()).await;
    assert!(made.body["status"].is_null());
    assert_eq!(generation(&group.patch("a", MERGE, &json!({ "metadata": { "labels": { "a": "b" } } })).await), Some(1));
    assert_eq!(generation(&group.patch("a", MERGE, &json!({ "spec": { "size": 2 } })).await), Some(2));
    let status = group.patch("a/status", MERGE, &json!({ "status": { "phase": "Up" }, "spec": { "size": 9 }, "metadata": { "labels": { "c": "d" } } })).await;
    assert_eq!((generation(&status), &status.body["spec"]["size"], &status.body["status"]["phase"]), (Some(2), &json!(2), &json!("Up")));
    assert_eq!(status.body["metadata"]["labels"], json!({ "a": "b" }));
    let main = group.patch("a", MERGE, &json!({ "status": { "phase": "Down" } })).await;
    assert_eq!((generation(&main), &main.body["status"]["phase"]), (Some(2), &json!("Up")));
    let mut whole = group.get("a").await.body;
    whole["metadata"].as_object_mut().map(|it| it.remove("resourceVersion"));
    let answer = group.server.ask("PUT", &format!("{}/a", group.widgets("v1")), JSON, &whole.to_string()).await;
    assert_eq!(
        (answer.code, answer.message().split_once("is invalid: ").map(|it| it.1)),
        (422, Some("metadata.resourceVersion: Invalid value: 0: must be specified for an update"))
    );
}

async fn patches_are_json_and_applies_merge_by_list_type(group: &Group) {
    let item = json!({ "type": "object", "required": ["name"], "properties": { "name": { "type": "string" }, "number": { "type": "integer" } } });
    let schema = spec_schema(json!({ "type": "object", "properties": {
        "size": { "type": "integer" },
        "ports": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": item },
        "tags": { "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string" } },
        "atoms": { "type": "array", "items": { "type": "string" } },
        "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
    } }));
    group.define(&schema, |_| ()).await;
    assert_eq!(group.create("a", &json!({ "size": 1 }), "").await.code, 201);
    let strategic = group.patch("a", "application/strategic-merge-patch+json", &json!({ "spec": { "size": 2 } })).await;
    let words = "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
    assert_eq!((strategic.code, strategic.message()), (415, words));
    let patched = group.patch("a", "application/json-patch+json", &json!([{ "op": "replace", "path": "/spec/size", "value": 5 }])).await;
    assert_eq!(patched.body["spec"]["size"], 5);
    let apply = |manager: &str, spec: Value| {
        let object = group.widget("s", &spec);
        let rest = format!("s?fieldManager={manager}");
        async move { group.patch(&rest, APPLY, &object).await }
    };
    let one = apply("one", json!({ "size": 2, "ports": [{ "name": "http", "number": 80 }], "tags": ["a"], "atoms": ["x"], "free": { "q": { "w": 1 } } })).await;
    assert_eq!(one.code, 201, "{}", one.message());
    assert_eq!(
        one.body["metadata"]["managedFields"][0]["fieldsV1"],
        json!({ "f:spec": {
            "f:size": {}, "f:atoms": {}, "f:tags": { "v:\"a\"": {} }, "f:free": { "f:q": { ".": {}, "f:w": {} } },
            "f:ports": { "k:{\"name\":\"http\"}": { ".": {}, "f:name": {}, "f:number": {} } },
        } })
    );
    let two = apply("two", json!({ "ports": [{ "name": "more", "number": 1 }], "tags": ["b"] })).await;
    assert_eq!((&two.body["spec"]["ports"][1]["name"], &two.body["spec"]["tags"]), (&json!("more"), &json!(["a", "b"])));
    let rival = apply("two", json!({ "size": 3 })).await;
    assert_eq!((rival.code, rival.message()), (409, "Apply failed with 1 conflict: conflict with \"one\": .spec.size"));
    let less = apply("one", json!({ "size": 2, "atoms": ["x"] })).await;
    assert_eq!(less.body["spec"], json!({ "size": 2, "atoms": ["x"], "ports": [{ "name": "more", "number": 1 }], "tags": ["b"] }));
    let wrong = apply("one", json!({ "foo": 1 })).await;
    assert!(wrong.code == 500 && wrong.message().ends_with(".spec.foo: field not declared in schema"), "{}", wrong.message());
}

async fn a_scale_is_read_and_written_where_the_definition_says(group: &Group) {
    let schema = spec_schema(json!({ "type": "object", "properties": { "pods": { "type": "object", "properties": { "count": { "type": "integer" } } } } }));
    let scale = json!({ "specReplicasPath": ".spec.pods.count", "statusReplicasPath": ".status.ready", "labelSelectorPath": ".status.selector" });
    group.define(&schema, |it| it["spec"]["versions"][0]["subresources"] = json!({ "status": {}, "scale": scale })).await;
    assert_eq!(group.create("a", &json!({ "pods": { "count": 2 } }), "").await.code, 201);
    group.patch("a/status", MERGE, &json!({ "status": { "ready": 1, "selector": "app=a" } })).await;
    let scale = group.get("a/scale").await.body;
    assert_eq!(
        (&scale["kind"], &scale["spec"], &scale["status"]),
        (&json!("Scale"), &json!({ "replicas": 2 }), &json!({ "replicas": 1, "selector": "app=a" }))
    );
    let written = group.patch("a/scale", MERGE, &json!({ "spec": { "replicas": 5 } })).await;
    assert_eq!((written.code, &written.body["spec"]["replicas"]), (200, &json!(5)));
    let object = group.get("a").await.body;
    assert_eq!((&object["spec"]["pods"]["count"], &object["metadata"]["generation"]), (&json!(5), &json!(2)));
    let refused = group.patch("a/scale", MERGE, &json!({ "spec": { "replicas": -1 } })).await;
    let words = "Widget \"a\" is invalid: .spec.pods.count: Invalid value: -1: should be a non-negative integer";
    assert_eq!((refused.code, group.said(&refused).as_str()), (422, words));
    assert_eq!(group.create("b", &json!({}), "").await.code, 201);
    let none = group.get("b/scale").await;
    assert_eq!((none.code, none.message()), (500, "Internal error occurred: the spec replicas field \".spec.pods.count\" does not exist"));
}

async fn versions_are_views_of_the_same_objects(group: &Group) {
    let schema = spec_schema(json!({ "type": "object", "properties": { "size": { "type": "integer" } } }));
    let old = json!({ "name": "v1beta1", "served": true, "storage": false, "deprecated": true,
        "schema": { "openAPIV3Schema": { "type": "object", "x-kubernetes-preserve-unknown-fields": true } } });
    group.define(&schema, |it| it["spec"]["versions"].as_array_mut().expect("versions").push(old)).await;
    assert_eq!(group.create("a", &json!({ "size": 1 }), "").await.code, 201);
    let seen = group.server.get(&format!("{}/a", group.widgets("v1beta1"))).await;
    assert_eq!(seen.body["apiVersion"], format!("{}/v1beta1", group.name));
    assert_eq!(seen.warnings, [format!("299 - \"{0}/v1beta1 Widget is deprecated; use {0}/v1 Widget\"", group.name)]);
    let made = json!({ "apiVersion": format!("{}/v1beta1", group.name), "kind": "Widget", "metadata": { "name": "b" }, "spec": { "size": 7, "junk": 1 } });
    assert_eq!(group.server.ask("POST", &group.widgets("v1beta1"), JSON, &made.to_string()).await.code, 201);
    let seen = group.get("b").await.body;
    assert_eq!((&seen["apiVersion"], &seen["spec"]), (&json!(format!("{}/v1", group.name)), &json!({ "size": 7 })));
    assert_eq!(seen["metadata"]["managedFields"][0]["apiVersion"], format!("{}/v1beta1", group.name));
    let groups =
        group.server.until("discovery", || async { Some(group.server.get(&format!("/apis/{}", group.name)).await).filter(Answer::is_good) }).await.body;
    assert_eq!((&groups["preferredVersion"]["version"], groups["versions"].as_array().map(Vec::len)), (&json!("v1"), Some(2)));
    assert_eq!(group.server.get(&format!("{}/a/status", group.widgets("v1beta1"))).await.code, 404);
}

async fn tables_and_field_selectors_follow_the_definition(group: &Group) {
    let schema = spec_schema(json!({ "type": "object", "properties": { "size": { "type": "integer" }, "color": { "type": "string" } } }));
    group
        .define(&schema, |it| {
            it["spec"]["versions"][0]["selectableFields"] = json!([{ "jsonPath": ".spec.color" }]);
            it["spec"]["versions"][0]["additionalPrinterColumns"] = json!([
                { "name": "Size", "type": "integer", "jsonPath": ".spec.size" },
                { "name": "Color", "type": "string", "jsonPath": ".spec.color", "priority": 1 },
                { "name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status" },
            ]);
        })
        .await;
    assert_eq!(group.create("a", &json!({ "size": 1, "color": "red" }), "").await.code, 201);
    let mut ready = group.widget("b", &json!({ "size": 2, "color": "green" }));
    ready["status"] = json!({ "conditions": [{ "type": "Other", "status": "False" }, { "type": "Ready", "status": "True" }] });
    assert_eq!(group.server.ask("POST", &group.widgets("v1"), JSON, &ready.to_string()).await.code, 201);
    let ask = server::Ask { method: "GET", path: group.widgets("v1"), content_type: JSON, agent: "truth/1", body: String::new() };
    let (_, _, text) = group.server.raw(&ask, "application/json;as=Table;v=v1;g=meta.k8s.io").await;
    let table: Value = serde_json::from_str(&text).expect("a table");
    let columns: Vec<(&str, i64)> =
        table["columnDefinitions"].as_array().expect("columns").iter().filter_map(|it| Some((it["name"].as_str()?, it["priority"].as_i64()?))).collect();
    assert_eq!(columns, [("Name", 0), ("Size", 0), ("Color", 1), ("Ready", 0)]);
    assert_eq!((&table["rows"][0]["cells"], &table["rows"][1]["cells"]), (&json!(["a", 1, "red", null]), &json!(["b", 2, "green", "True"])));
    let green = group.server.get(&format!("{}?fieldSelector=spec.color%3Dgreen", group.widgets("v1"))).await.body;
    assert_eq!((green["items"].as_array().map(Vec::len), &green["items"][0]["metadata"]["name"]), (Some(1), &json!("b")));
    let other = group.server.get(&format!("{}?fieldSelector=spec.size%3D1", group.widgets("v1"))).await;
    assert_eq!((other.code, other.message()), (400, "field label not supported: spec.size"));
}

async fn names_are_given_to_who_comes_first(group: &Group) {
    group.define(&json!({ "type": "object" }), |it| it["spec"]["names"]["shortNames"] = json!(["wg"])).await;
    let mut rival = group.definition(|it| it["spec"]["names"] = json!({ "plural": "gadgets", "kind": "Widget", "shortNames": ["wg"] }));
    rival["metadata"]["name"] = json!(format!("gadgets.{}", group.name));
    assert_eq!(group.server.ask("POST", DEFINITIONS, JSON, &rival.to_string()).await.code, 201);
    let path = format!("{DEFINITIONS}/gadgets.{}", group.name);
    let condition = |kind: &'static str| {
        let path = path.clone();
        async move {
            let body = group.server.get(&path).await.body;
            body["status"]["conditions"].as_array()?.iter().find(|it| it["type"] == kind).cloned()
        }
    };
    let names = group.server.until("a verdict on the names", || condition("NamesAccepted")).await;
    assert_eq!(
        (&names["status"], &names["reason"], &names["message"]),
        (&json!("False"), &json!("ListKindConflict"), &json!("\"WidgetList\" is already in use"))
    );
    let established = condition("Established").await.expect("a condition");
    assert_eq!((&established["status"], &established["reason"]), (&json!("False"), &json!("NotAccepted")));
    assert_eq!(group.server.get(&format!("/apis/{}/v1/gadgets", group.name)).await.code, 404);
    group.server.ask("DELETE", &format!("{DEFINITIONS}/widgets.{}", group.name), JSON, "").await;
    group.server.until("the names are free", || async { condition("Established").await.filter(|it| it["status"] == "True") }).await;
}

async fn rules_are_run_at_each_write(group: &Group) {
    let schema = spec_schema(json!({
        "type": "object",
        "properties": {
            "min": { "type": "integer" }, "max": { "type": "integer" },
            "name": { "type": "string", "x-kubernetes-validations": [{ "rule": "self == oldSelf", "message": "name is immutable" }] },
            "hosts": { "type": "array", "maxItems": 5, "items": { "type": "string", "maxLength": 20 } },
        },
        "x-kubernetes-validations": [
            { "rule": "!has(self.min) || !has(self.max) || self.min <= self.max", "message": "min is over max" },
            { "rule": "!has(self.hosts) || self.hosts.all(h, h.endsWith('.com'))", "messageExpression": "'not all of ' + 'them' + ' end in .com'",
              "reason": "FieldValueForbidden", "fieldPath": ".hosts" },
        ],
    }));
    group.define(&schema, |_| ()).await;
    assert_eq!(group.create("a", &json!({ "min": 1, "max": 2, "name": "x", "hosts": ["a.com"] }), "").await.code, 201);
    for (spec, words) in [
        (json!({ "min": 3, "max": 2 }), "spec: Invalid value: min is over max"),
        (json!({ "hosts": ["a.com", "b.org"] }), "spec.hosts: Forbidden: not all of them end in .com"),
        (
            json!({ "min": "x", "max": 2 }),
            "[spec.min: Invalid value: \"string\": spec.min in body must be of type integer: \"string\", <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation]",
        ),
    ] {
        let answer = group.create("b", &spec, "?dryRun=All").await;
        assert_eq!((answer.code, group.said(&answer)), (422, format!("Widget \"b\" is invalid: {words}")), "{spec}");
    }
    let renamed = group.patch("a", MERGE, &json!({ "spec": { "name": "y" } })).await;
    assert_eq!((renamed.code, group.said(&renamed).as_str()), (422, "Widget \"a\" is invalid: spec.name: Invalid value: \"y\": name is immutable"));
    let broken = group.definition(|it| {
        let rules = json!([{ "rule": "self.nothing > 1" }]);
        it["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = json!({ "type": "object", "x-kubernetes-validations": rules });
    });
    let answer = group.server.ask("POST", &format!("{DEFINITIONS}?dryRun=All"), JSON, &broken.to_string()).await;
    assert!(
        answer.message().contains("compilation failed: ERROR: <input>:1:5: undefined field 'nothing'\n | self.nothing > 1\n | ....^"),
        "{}",
        answer.message()
    );
}

async fn what_was_wrong_before_is_forgiven(group: &Group) {
    let schema = spec_schema(json!({ "type": "object", "properties": { "size": { "type": "integer" }, "name": { "type": "string" } } }));
    group.define(&schema, |_| ()).await;
    assert_eq!(group.create("a", &json!({ "size": 50, "name": "x" }), "").await.code, 201);
    let path = format!("{DEFINITIONS}/widgets.{}", group.name);
    let change = json!([{ "op": "add", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size/maximum", "value": 10 }]);
    assert_eq!(group.server.ask("PATCH", &path, "application/json-patch+json", &change.to_string()).await.code, 200);
    group.server.until("the new limit counts", || async { (group.create("b", &json!({ "size": 50 }), "?dryRun=All").await.code == 422).then_some(()) }).await;
    assert_eq!(group.patch("a", MERGE, &json!({ "spec": { "name": "y" } })).await.code, 200);
    let refused = group.patch("a", MERGE, &json!({ "spec": { "size": 51 } })).await;
    assert_eq!(refused.code, 422);
}

async fn owners_take_their_objects_along(group: &Group) {
    let server = &group.server;
    group.define(&json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true }), |_| ()).await;
    let owner = group.create("owner", &json!({}), "").await.body;
    let reference = |of: &Value| json!([{ "apiVersion": of["apiVersion"], "kind": of["kind"], "name": of["metadata"]["name"], "uid": of["metadata"]["uid"] }]);
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "owned", "ownerReferences": reference(&owner) } });
    let map = server.ask("POST", &server.core("configmaps"), JSON, &map.to_string()).await.body;
    let mut below = group.widget("below", &json!({}));
    below["metadata"]["ownerReferences"] = reference(&map);
    assert_eq!(server.ask("POST", &group.widgets("v1"), JSON, &below.to_string()).await.code, 201);
    server.ask("DELETE", &format!("{}/owner", group.widgets("v1")), JSON, "").await;
    server.until("what is owned is gone", || async { (server.get(&server.core("configmaps/owned")).await.code == 404).then_some(()) }).await;
    server.until("what that owned is gone", || async { (group.get("below").await.code == 404).then_some(()) }).await;
}

async fn a_definition_that_changes_changes_what_is_read(group: &Group) {
    let schema = spec_schema(json!({ "type": "object", "properties": { "size": { "type": "integer" }, "old": { "type": "string" } } }));
    group.define(&schema, |_| ()).await;
    assert_eq!(group.create("a", &json!({ "size": 1, "old": "x" }), "").await.code, 201);
    let path = format!("{DEFINITIONS}/widgets.{}", group.name);
    let properties = json!({ "size": { "type": "integer" }, "color": { "type": "string", "default": "red" } });
    let change = json!([{ "op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties", "value": properties }]);
    assert_eq!(group.server.ask("PATCH", &path, "application/json-patch+json", &change.to_string()).await.code, 200);
    let seen = group
        .server
        .until("the default is there", || async {
            let seen = group.get("a").await.body;
            (seen["spec"]["color"] == "red").then_some(seen)
        })
        .await;
    assert_eq!((&seen["spec"], &seen["metadata"]["generation"]), (&json!({ "size": 1, "color": "red" }), &json!(1)));
    let refused = group.server.ask("PATCH", &path, MERGE, &json!({ "spec": { "scope": "Cluster" } }).to_string()).await;
    assert!(refused.message().ends_with("spec.scope: Invalid value: \"Cluster\": field is immutable"), "{}", refused.message());
}
