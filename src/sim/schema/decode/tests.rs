//! Documents and what the server makes of them.

use super::*;
use crate::sim::json::json;
use crate::sim::schema::of;

fn deployment() -> &'static Type {
    of("apps", "v1", "Deployment").unwrap()
}

#[test]
fn zero_values_are_written_or_left_out_as_the_go_struct_says() {
    for (kind, given, expected) in [
        (
            ("apps", "Deployment"),
            json!({"spec": {"replicas": 0, "minReadySeconds": 0, "paused": false, "foo": 1, "template": {"spec": {"containers": [{"name": "c", "ports": [{"protocol": null}]}]}}}, "metadata": {"labels": {}, "annotations": {"a": null}}}),
            json!({"metadata": {"annotations": {"a": ""}}, "status": {},
                "spec": {"replicas": 0, "selector": null, "strategy": {}, "template": {"metadata": {}, "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 0}], "resources": {}}]}}}}),
        ),
        (
            ("", "Pod"),
            json!({"spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1000m", "memory": 1024}}}]}, "status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-22T10:11:12.5Z"}]}}),
            json!({"metadata": {}, "spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1", "memory": "1024"}}}]},
                "status": {"conditions": [{"type": "Ready", "status": "True", "lastProbeTime": null, "lastTransitionTime": "2026-11-22T10:11:12Z"}]}}),
        ),
        (
            ("apps", "StatefulSet"),
            json!({}),
            json!({"metadata": {}, "spec": {"selector": null, "serviceName": "", "template": {"metadata": {}, "spec": {"containers": null}}, "updateStrategy": {}}, "status": {"availableReplicas": 0, "replicas": 0}}),
        ),
        (
            ("apps", "ControllerRevision"),
            json!({"data": {"b": 1, "a": null}, "revision": 0}),
            json!({"metadata": {}, "data": {"b": 1, "a": null}, "revision": 0}),
        ),
    ] {
        let ty = of(kind.0, "v1", kind.1).unwrap();
        assert_eq!(typed(ty, &given).unwrap(), expected, "{}", kind.1);
    }
}

#[test]
fn unknown_and_duplicate_fields_are_found_where_they_are() {
    let document = br#"{"spec":{"foo":1,"replicas":1,"replicas":2,"foo":3,"template":{"spec":{"containers":[{"name":"a"},{"bar":1,"name":"b","name":"c"}]}}},
        "metadata":{"labels":{"a":"1","a":"2"},"x":{}},"zzz":1}"#;
    let decoded = json(deployment(), &parse(document).unwrap()).unwrap();
    assert_eq!(
        strict_error(&decoded.strict),
        r#"strict decoding error: unknown field "spec.foo", duplicate field "spec.replicas", unknown field "spec.template.spec.containers[1].bar", duplicate field "spec.template.spec.containers[1].name", duplicate field "metadata.labels.a", unknown field "metadata.x", unknown field "zzz""#
    );
    assert_eq!(decoded.object["spec"]["replicas"], 2);
}

#[test]
fn wrong_types_are_refused_in_the_decoders_words() {
    for (document, expected) in [
        (r#"{"spec":{"replicas":"x"}}"#, "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"),
        (r#"{"spec":{"replicas":1.5}}"#, "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32"),
        (r#"{"spec":{"replicas":99999999999}}"#, "json: cannot unmarshal number 99999999999 into Go struct field DeploymentSpec.spec.replicas of type int32"),
        (r#"{"spec":{"replicas":true}}"#, "json: cannot unmarshal bool into Go struct field DeploymentSpec.spec.replicas of type int32"),
        (r#"{"spec":[]}"#, "json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec"),
        (r#"{"spec":{"paused":"x"}}"#, "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.paused of type bool"),
        (r#"{"spec":{"selector":"x"}}"#, "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.selector of type v1.LabelSelector"),
        (r#"{"metadata":{"labels":"x"}}"#, "json: cannot unmarshal string into Go struct field ObjectMeta.metadata.labels of type map[string]string"),
        (r#"{"metadata":{"labels":{"a":1}}}"#, "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string"),
        (
            r#"{"spec":{"template":{"spec":{"containers":{}}}}}"#,
            "json: cannot unmarshal object into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (
            r#"{"spec":{"template":{"spec":{"containers":[{"name":"a","imagePullPolicy":1}]}}}}"#,
            "json: cannot unmarshal number into Go struct field Container.spec.template.spec.containers.imagePullPolicy of type v1.PullPolicy",
        ),
        (
            r#"{"spec":{"strategy":{"rollingUpdate":{"maxSurge":true}}}}"#,
            "json: cannot unmarshal bool into Go struct field RollingUpdateDeployment.spec.strategy.rollingUpdate.maxSurge of type int32",
        ),
        (r#"{"metadata":{"creationTimestamp":5}}"#, "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string"),
        (
            r#"{"spec":{"template":{"spec":{"volumes":[{"configMap":1}]}}}}"#,
            "json: cannot unmarshal number into Go struct field Volume.spec.template.spec.volumes.VolumeSource.configMap of type v1.ConfigMapVolumeSource",
        ),
    ] {
        assert_eq!(json(deployment(), &parse(document.as_bytes()).unwrap()).unwrap_err(), expected, "{document}");
    }
}

#[test]
fn bodies_are_refused_in_the_handlers_words() {
    for (document, expected) in [
        (
            r#"{"kind":"Deployment","apiVersion":"apps/v1","spec":{"foo":1}}"#,
            r#"Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.foo""#,
        ),
        (
            "{",
            "the object provided is unrecognized (must be of type Deployment): couldn't get version/kind; json parse error: unexpected end of JSON input ({)",
        ),
        (
            "x: y",
            "the object provided is unrecognized (must be of type Deployment): couldn't get version/kind; json parse error: invalid character 'x' looking for beginning of value (783a2079)",
        ),
    ] {
        assert_eq!(body("apps", "v1", "Deployment", document.as_bytes(), Strictness::Strict).unwrap_err(), expected, "{document}");
    }
    let lenient = body("apps", "v1", "Deployment", br#"{"spec":{"foo":1}}"#, Strictness::Warn).unwrap();
    assert_eq!(lenient.strict, [r#"unknown field "spec.foo""#]);
    assert_eq!((&lenient.object["apiVersion"], &lenient.object["kind"]), (&json!("apps/v1"), &json!("Deployment")));
}
