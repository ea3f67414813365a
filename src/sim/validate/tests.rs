//! Refusals and their words, as the real server says them.

use super::super::api::Subresource;
use super::super::defaults;
use super::super::kinds::Kind;
use super::{create, update};
use crate::sim::json::{Value, json};

fn deployment(change: impl FnOnce(&mut Value)) -> Value {
    let mut object = json!({
        "metadata": { "name": "web", "namespace": "default" },
        "spec": {
            "selector": { "matchLabels": { "app": "web" } },
            "template": { "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "web", "image": "web:1" }] } },
        },
    });
    change(&mut object);
    defaults::set(Kind::DEPLOYMENTS, &mut object);
    object
}

fn said(errors: Vec<super::FieldError>) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn a_deployment_is_refused_for_what_would_not_run() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 11] = [
        (|it| it["spec"]["replicas"] = json!(-1), "spec.replicas: Invalid value: -1: must be greater than or equal to 0"),
        (
            |it| it["spec"]["template"]["metadata"]["labels"] = json!({ "app": "db" }),
            r#"spec.template.metadata.labels: Invalid value: {"app":"db"}: `selector` does not match template `labels`"#,
        ),
        (|it| it["spec"]["selector"] = json!({}), "spec.selector: Invalid value: {}: empty selector is invalid for deployment"),
        (|it| it["spec"]["template"]["spec"]["containers"][0]["image"] = Value::Null, "spec.template.spec.containers[0].image: Required value"),
        (
            |it| it["spec"]["template"]["spec"]["restartPolicy"] = "Never".into(),
            r#"spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always""#,
        ),
        (
            |it| it["spec"]["strategy"] = json!({ "rollingUpdate": { "maxSurge": 0, "maxUnavailable": 0 } }),
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
        ),
        (
            |it| it["spec"]["strategy"] = json!({ "type": "Recreate", "rollingUpdate": {} }),
            "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
        ),
        (
            |it| it["spec"]["strategy"] = json!({ "type": "Foo" }),
            r#"spec.strategy: Unsupported value: {"Type":"Foo","RollingUpdate":null}: supported values: "Recreate", "RollingUpdate""#,
        ),
        (|it| it["spec"]["progressDeadlineSeconds"] = json!(0), "spec.progressDeadlineSeconds: Invalid value: 0: must be greater than minReadySeconds"),
        (
            |it| it["spec"]["strategy"] = json!({ "rollingUpdate": { "maxUnavailable": "101%" } }),
            r#"spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%"#,
        ),
        (
            |it| it["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = json!([{ "name": "x", "mountPath": "/x" }]),
            r#"spec.template.spec.containers[0].volumeMounts[0].name: Not found: "x""#,
        ),
    ];
    assert_eq!(said(create(Kind::DEPLOYMENTS, &deployment(|_| {}))), Vec::<String>::new());
    for (change, expected) in cases {
        assert_eq!(said(create(Kind::DEPLOYMENTS, &deployment(change))), [expected]);
    }
}

#[test]
fn names_are_judged_by_kind() {
    for (kind, name, good) in [
        (Kind::CONFIGMAPS, "a.b", true),
        (Kind::SERVICES, "1a", true),
        (Kind::SERVICES, "a.b", false),
        (Kind::NAMESPACES, "a.b", false),
        (Kind::CLUSTERROLES, "system:a", true),
    ] {
        let namespace = if kind.namespaced() { json!("default") } else { Value::Null };
        let object = json!({ "metadata": { "name": name, "namespace": namespace }, "spec": { "ports": [{ "port": 80, "protocol": "TCP", "targetPort": 80 }], "type": "ClusterIP", "sessionAffinity": "None" } });
        assert_eq!(create(kind, &object).is_empty(), good, "{kind:?} {name}: {:?}", said(create(kind, &object)));
    }
}

#[test]
fn what_identifies_an_object_cannot_change() {
    let old = deployment(|_| {});
    let new = deployment(|it| {
        it["spec"]["selector"] = json!({ "matchLabels": { "app": "db" } });
        it["spec"]["template"]["metadata"]["labels"] = json!({ "app": "db" });
    });
    assert_eq!(
        said(update(Kind::DEPLOYMENTS, &new, &old, Subresource::Main)),
        [r#"spec.selector: Invalid value: {"matchLabels":{"app":"db"}}: field is immutable"#]
    );
    let mut set = json!({ "metadata": { "name": "db", "namespace": "default" }, "spec": old["spec"] });
    defaults::set(Kind::STATEFULSETS, &mut set);
    let mut changed = set.clone();
    changed["spec"]["serviceName"] = "other".into();
    let errors = said(update(Kind::STATEFULSETS, &changed, &set, Subresource::Main));
    assert!(errors.iter().any(|it| it.starts_with("spec: Forbidden: updates to statefulset spec for fields other than")), "{errors:?}");
}
