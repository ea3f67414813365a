//! Defaults against what a real server made of the same objects.

use super::super::kinds::Kind;
use super::{pod, set};
use crate::sim::json::{Value, json};

fn with_defaults(kind: Kind, mut object: Value) -> Value {
    set(kind, &mut object);
    object
}

#[test]
fn a_template_is_filled_in_as_by_the_real_server() {
    let template = json!({
        "metadata": { "labels": { "app": "web" } },
        "spec": { "containers": [{
            "image": "nginx:1.25", "name": "nginx", "ports": [{ "containerPort": 80 }],
            "readinessProbe": { "httpGet": { "path": "/", "port": 80 }, "initialDelaySeconds": 1, "periodSeconds": 2 },
            "resources": { "requests": { "cpu": "50m", "memory": "32Mi" } },
        }] },
    });
    let made = with_defaults(Kind::DEPLOYMENTS, json!({ "spec": { "selector": { "matchLabels": { "app": "web" } }, "replicas": 3, "template": template } }));
    let expected = json!({ "spec": {
        "replicas": 3, "selector": { "matchLabels": { "app": "web" } },
        "template": {
            "metadata": { "labels": { "app": "web" } },
            "spec": {
                "containers": [{
                    "name": "nginx", "image": "nginx:1.25", "ports": [{ "containerPort": 80, "protocol": "TCP" }],
                    "resources": { "requests": { "cpu": "50m", "memory": "32Mi" } },
                    "readinessProbe": {
                        "httpGet": { "path": "/", "port": 80, "scheme": "HTTP" }, "initialDelaySeconds": 1, "timeoutSeconds": 1, "periodSeconds": 2,
                        "successThreshold": 1, "failureThreshold": 3,
                    },
                    "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "imagePullPolicy": "IfNotPresent",
                }],
                "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst", "securityContext": {}, "schedulerName": "default-scheduler",
            },
        },
        "strategy": { "type": "RollingUpdate", "rollingUpdate": { "maxUnavailable": "25%", "maxSurge": "25%" } },
        "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600,
    } });
    assert_eq!(made, expected);
}

#[test]
fn the_strategy_of_a_stateful_set_is_filled_in_only_where_its_type_is_absent() {
    for (strategy, expected) in [
        (Value::Null, json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } })),
        (json!({ "type": "RollingUpdate" }), json!({ "type": "RollingUpdate" })),
        (json!({ "type": "OnDelete" }), json!({ "type": "OnDelete" })),
        (json!({ "type": "RollingUpdate", "rollingUpdate": {} }), json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } })),
    ] {
        let made = with_defaults(Kind::STATEFULSETS, json!({ "spec": { "updateStrategy": strategy } }));
        assert_eq!(made["spec"]["updateStrategy"], expected);
    }
}

#[test]
fn images_are_pulled_anew_only_where_their_tag_may_move() {
    for (image, latest) in [
        ("nginx", true),
        ("nginx:latest", true),
        ("nginx:1", false),
        ("host:5000/nginx", true),
        ("host:5000/nginx:2", false),
        ("nginx@sha256:abc", false),
        ("nginx:latest@sha256:abc", true),
    ] {
        assert_eq!(pod::is_latest(image), latest, "{image}");
    }
}

#[test]
fn what_is_absent_and_has_no_default_stays_absent() {
    let made = with_defaults(Kind::PODS, json!({ "spec": { "containers": [{ "name": "a", "image": "a:1" }] } }));
    let text = made.to_string();
    assert!(!text.contains("null"), "{text}");
}
