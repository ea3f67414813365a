//! What a real 1.36.3 answered to the same requests.

use crate::sim::json::{Value, json};
use crate::sim::trial::Trial;

const SPACE: &str = "/api/v1/namespaces/default";

fn pass(trial: &Trial, millis: u64) {
    trial.runtime.block_on(async { tokio::time::sleep(std::time::Duration::from_millis(millis)).await });
}

fn pod(name: &str, resources: Value) -> Value {
    json!({ "metadata": { "name": name }, "spec": { "containers": [{ "name": "c", "image": "a:1", "resources": resources }] } })
}

/// Makes something in the namespace, and says how that ended.
fn make(trial: &Trial, plural: &str, object: Value) -> String {
    let (code, answer) = trial.ask("POST", &format!("{SPACE}/{plural}"), object);
    if code < 300 { "made".to_owned() } else { answer["message"].as_str().unwrap_or_default().to_owned() }
}

fn used(trial: &Trial) -> Value {
    trial.good("GET", &format!("{SPACE}/resourcequotas/q"), Value::Null)["status"]["used"].clone()
}

#[test]
fn a_quota_counts_what_is_there_and_refuses_what_would_be_too_much() {
    let trial = Trial::new();
    let hard = json!({
        "pods": "2", "requests.cpu": "1", "limits.memory": "1Gi", "count/configmaps": "2", "services": "3", "services.nodeports": "1", "secrets": "1",
        "requests.storage": "5Gi", "count/deployments.apps": "1",
    });
    trial.good("POST", &format!("{SPACE}/resourcequotas"), json!({ "metadata": { "name": "q" }, "spec": { "hard": hard } }));
    pass(&trial, 100);
    assert_eq!(used(&trial)["count/configmaps"], "1", "kube-root-ca.crt");
    assert_eq!(make(&trial, "configmaps", json!({ "metadata": { "name": "a" } })), "made");
    let port = |number: u64| json!({ "name": format!("p{number}"), "port": number });
    let service = |name: &str, kind: &str| json!({ "metadata": { "name": name }, "spec": { "type": kind, "ports": [port(80)] } });
    assert_eq!(make(&trial, "services", service("s2", "NodePort")), "made");
    let claim = |name: &str, size: &str| json!({ "metadata": { "name": name }, "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": size } } } });
    assert_eq!(make(&trial, "persistentvolumeclaims", claim("v1", "4Gi")), "made");
    let big = json!({ "requests": { "cpu": "600m" }, "limits": { "memory": "700Mi" } });
    assert_eq!(make(&trial, "pods", pod("p1", big)), "made");
    for (plural, object, words) in [
        (
            "configmaps",
            json!({ "metadata": { "name": "b" } }),
            r#"configmaps "b" is forbidden: exceeded quota: q, requested: count/configmaps=1, used: count/configmaps=2, limited: count/configmaps=2"#,
        ),
        (
            "services",
            service("s3", "NodePort"),
            r#"services "s3" is forbidden: exceeded quota: q, requested: services.nodeports=1, used: services.nodeports=1, limited: services.nodeports=1"#,
        ),
        (
            "persistentvolumeclaims",
            claim("v2", "2Gi"),
            r#"persistentvolumeclaims "v2" is forbidden: exceeded quota: q, requested: requests.storage=2Gi, used: requests.storage=4Gi, limited: requests.storage=5Gi"#,
        ),
        ("pods", pod("p0", json!({})), r#"pods "p0" is forbidden: failed quota: q: must specify limits.memory for: c; requests.cpu for: c"#),
        (
            "pods",
            pod("p2", json!({ "requests": { "cpu": "500m" }, "limits": { "memory": "700Mi" } })),
            r#"pods "p2" is forbidden: exceeded quota: q, requested: limits.memory=700Mi,requests.cpu=500m, used: limits.memory=700Mi,requests.cpu=600m, limited: limits.memory=1Gi,requests.cpu=1"#,
        ),
    ] {
        assert_eq!(make(&trial, plural, object), words);
    }
    assert_eq!(make(&trial, "pods", pod("p2", json!({ "requests": { "cpu": "300m" }, "limits": { "memory": "100Mi" } }))), "made");
    assert_eq!((&used(&trial)["limits.memory"], &used(&trial)["requests.cpu"], &used(&trial)["pods"]), (&json!("800Mi"), &json!("900m"), &json!("2")));
    trial.good("DELETE", &format!("{SPACE}/pods/p1"), json!({ "gracePeriodSeconds": 0 }));
    pass(&trial, 100);
    assert_eq!((&used(&trial)["limits.memory"], &used(&trial)["requests.cpu"], &used(&trial)["pods"]), (&json!("100Mi"), &json!("300m"), &json!("1")));
    let dry = trial.ask("POST", &format!("{SPACE}/secrets?dryRun=All"), json!({ "metadata": { "name": "s" } }));
    assert_eq!((dry.0, &used(&trial)["secrets"]), (201, &json!("0")), "a dry run uses nothing");
}

#[test]
fn a_replica_set_that_a_quota_stops_goes_on_when_there_is_room() {
    let trial = Trial::new();
    trial.good("POST", &format!("{SPACE}/resourcequotas"), json!({ "metadata": { "name": "q" }, "spec": { "hard": { "pods": "1" } } }));
    pass(&trial, 100);
    let template = json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "containers": [{ "name": "c", "image": "a:1" }] } });
    let web = json!({ "metadata": { "name": "web" }, "spec": { "replicas": 2, "selector": { "matchLabels": { "a": "b" } }, "template": template } });
    trial.good("POST", "/apis/apps/v1/namespaces/default/deployments", web);
    pass(&trial, 3000);
    let status = || trial.good("GET", "/apis/apps/v1/namespaces/default/deployments/web", Value::Null)["status"].clone();
    assert_eq!(status()["readyReplicas"], 1);
    let failure = status()["conditions"].as_array().and_then(|it| it.iter().find(|it| it["type"] == "ReplicaFailure").cloned()).unwrap_or_default();
    let words = failure["message"].as_str().unwrap_or_default();
    assert!(words.contains("is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"), "{failure}");
    trial.good("PATCH", &format!("{SPACE}/resourcequotas/q"), json!({ "spec": { "hard": { "pods": "2" } } }));
    pass(&trial, 120_000);
    assert_eq!(status()["readyReplicas"], 2);
}

#[test]
fn a_scope_narrows_what_a_quota_counts() {
    let trial = Trial::new();
    let quota = |name: &str, spec: Value| trial.ask("POST", &format!("{SPACE}/resourcequotas"), json!({ "metadata": { "name": name }, "spec": spec }));
    assert_eq!(quota("q", json!({ "hard": { "pods": "1" }, "scopes": ["BestEffort"] })).0, 201);
    let high = json!({ "matchExpressions": [{ "scopeName": "PriorityClass", "operator": "In", "values": ["system-node-critical"] }] });
    assert_eq!(quota("high", json!({ "hard": { "pods": "0" }, "scopeSelector": high })).0, 201);
    pass(&trial, 100);
    assert_eq!(make(&trial, "pods", pod("a", json!({ "requests": { "cpu": "1m" } }))), "made");
    assert_eq!(make(&trial, "pods", pod("b", json!({}))), "made");
    let over = r#"pods "c" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"#;
    assert_eq!(make(&trial, "pods", pod("c", json!({}))), over);
    let mut important = pod("d", json!({ "requests": { "cpu": "1m" } }));
    important["spec"]["priorityClassName"] = "system-node-critical".into();
    let over = r#"pods "d" is forbidden: exceeded quota: high, requested: pods=1, used: pods=0, limited: pods=0"#;
    assert_eq!(make(&trial, "pods", important), over);
    for (spec, words) in [
        (
            json!({ "hard": { "pods": "1" }, "scopes": ["Terminating", "NotTerminating"] }),
            r#"spec.scopes: Invalid value: ["Terminating","NotTerminating"]: conflicting scopes"#,
        ),
        (
            json!({ "hard": { "requests.cpu": "1" }, "scopes": ["BestEffort"] }),
            r#"spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource"#,
        ),
        (json!({ "hard": { "pods": "1.5" } }), r#"spec.hard[pods]: Invalid value: "1500m": must be an integer"#),
        (
            json!({ "hard": { "foo": "1" } }),
            r#"[spec.hard[foo]: Invalid value: "foo": must be a standard resource type or fully qualified, spec.hard[foo]: Invalid value: "foo": must be a standard resource for quota]"#,
        ),
    ] {
        let (code, answer) = quota("bad", spec);
        assert_eq!((code, answer["message"].as_str()), (422, Some(format!("ResourceQuota \"bad\" is invalid: {words}").as_str())));
    }
}

#[test]
fn a_limit_range_gives_sizes_and_refuses_those_beyond_its_bounds() {
    let trial = Trial::new();
    let limits = json!([
        { "type": "Container", "default": { "cpu": "500m", "memory": "256Mi" }, "defaultRequest": { "cpu": "250m" }, "max": { "cpu": "1", "memory": "1Gi" },
          "min": { "cpu": "100m", "memory": "64Mi" }, "maxLimitRequestRatio": { "cpu": "3" } },
        { "type": "Pod", "max": { "cpu": "2", "memory": "1500Mi" }, "min": { "cpu": "150m" } },
        { "type": "PersistentVolumeClaim", "min": { "storage": "1Gi" }, "max": { "storage": "5Gi" } },
    ]);
    trial.good("POST", &format!("{SPACE}/limitranges"), json!({ "metadata": { "name": "lr" }, "spec": { "limits": limits } }));
    let made = trial.good("POST", &format!("{SPACE}/pods"), pod("b", json!({ "requests": { "cpu": "300m" } })));
    let words = "LimitRanger plugin set: memory request for container c; cpu, memory limit for container c";
    assert_eq!(made["metadata"]["annotations"]["kubernetes.io/limit-ranger"], words);
    let sizes = json!({ "limits": { "cpu": "500m", "memory": "256Mi" }, "requests": { "cpu": "300m", "memory": "256Mi" } });
    assert_eq!(made["spec"]["containers"][0]["resources"], sizes);
    let claim =
        |size: &str| json!({ "metadata": { "name": "v" }, "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": size } } } });
    let mut three = pod("f", json!({ "limits": { "cpu": "1", "memory": "1Gi" } }));
    let one = three["spec"]["containers"][0].clone();
    let named = |name: &str, resources: Value| {
        let mut copy = one.clone();
        (copy["name"], copy["resources"]) = (name.into(), resources);
        copy
    };
    three["spec"]["containers"] = json!([one, named("e", json!({ "limits": { "cpu": "1", "memory": "1Gi" } })), named("f", json!({}))]);
    for (plural, object, words) in [
        (
            "pods",
            pod("d", json!({ "limits": { "cpu": "2", "memory": "2Gi" } })),
            r#"pods "d" is forbidden: [maximum cpu usage per Container is 1, but limit is 2, maximum memory usage per Container is 1Gi, but limit is 2Gi, maximum memory usage per Pod is 1500Mi, but limit is 2Gi]"#,
        ),
        (
            "pods",
            pod("e", json!({ "limits": { "cpu": "900m" }, "requests": { "cpu": "200m" } })),
            r#"pods "e" is forbidden: cpu max limit to request ratio per Container is 3, but provided ratio is 4.500000"#,
        ),
        (
            "pods",
            three,
            r#"pods "f" is forbidden: [maximum cpu usage per Pod is 2, but limit is 2500m, maximum memory usage per Pod is 1500Mi, but limit is 2304Mi]"#,
        ),
        (
            "persistentvolumeclaims",
            claim("512Mi"),
            r#"persistentvolumeclaims "v" is forbidden: minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 512Mi"#,
        ),
        (
            "persistentvolumeclaims",
            claim("6Gi"),
            r#"persistentvolumeclaims "v" is forbidden: maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 6Gi"#,
        ),
    ] {
        assert_eq!(make(&trial, plural, object), words);
    }
    let bad = json!({ "metadata": { "name": "bad" }, "spec": { "limits": [
        { "type": "Container", "default": { "cpu": "500m" }, "defaultRequest": { "cpu": "700m" }, "max": { "cpu": "400m" }, "min": { "cpu": "600m" }, "maxLimitRequestRatio": { "cpu": "0.5" } },
        { "type": "Pod", "default": { "cpu": 1 } },
    ] } });
    let words = "LimitRange \"bad\" is invalid: [spec.limits[0].min[cpu]: Invalid value: \"600m\": min value 600m is greater than max value 400m, \
        spec.limits[0].defaultRequest[cpu]: Invalid value: \"700m\": default request value 700m is greater than max value 400m, \
        spec.limits[0].defaultRequest[cpu]: Invalid value: \"700m\": default request value 700m is greater than default limit value 500m, \
        spec.limits[0].default[cpu]: Invalid value: \"600m\": min value 600m is greater than default value 500m, \
        spec.limits[0].default[cpu]: Invalid value: \"400m\": default value 500m is greater than max value 400m, \
        spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: \"500m\": ratio 500m is less than 1, \
        spec.limits[1].default: Forbidden: may not be specified when `type` is 'Pod']";
    assert_eq!(make(&trial, "limitranges", bad), words);
}

#[test]
fn an_account_keeps_its_pods_from_what_it_does_not_list() {
    let trial = Trial::new();
    let account = json!({ "metadata": { "name": "strict", "annotations": { "kubernetes.io/enforce-mountable-secrets": "true" } }, "automountServiceAccountToken": false, "imagePullSecrets": [] });
    trial.good("POST", &format!("{SPACE}/serviceaccounts"), account);
    let container = json!({ "name": "c", "image": "a:1" });
    let with = |name: &str, spec: Value| {
        let mut pod = json!({ "metadata": { "name": name }, "spec": { "serviceAccountName": "strict", "containers": [container] } });
        for (field, value) in spec.as_object().into_iter().flatten() {
            pod["spec"][&**field] = value.clone();
        }
        pod
    };
    let made = trial.good("POST", &format!("{SPACE}/pods"), with("a", json!({})));
    assert!(made["spec"]["volumes"].is_null(), "{made}");
    let made = trial.good("POST", &format!("{SPACE}/pods"), with("b", json!({ "automountServiceAccountToken": true })));
    assert_eq!(made["spec"]["volumes"][0]["projected"]["sources"][0]["serviceAccountToken"]["path"], "token");
    let variable = json!([{ "name": "c", "image": "a:1", "env": [{ "name": "A", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k" } } }] }]);
    for (object, words) in [
        (
            with("c", json!({ "serviceAccountName": "none" })),
            r#"pods "c" is forbidden: error looking up service account default/none: serviceaccount "none" not found"#,
        ),
        (
            with("e", json!({ "volumes": [{ "name": "v", "secret": { "secretName": "s" } }] })),
            r#"pods "e" is forbidden: volume with secret.secretName="s" is not allowed because service account strict does not reference that secret"#,
        ),
        (
            with("e2", json!({ "containers": variable })),
            r#"pods "e2" is forbidden: container c with envVar A referencing secret.secretName="s" is not allowed because service account strict does not reference that secret"#,
        ),
        (
            with("e3", json!({ "imagePullSecrets": [{ "name": "x" }] })),
            r#"pods "e3" is forbidden: imagePullSecrets[0].name="x" is not allowed because service account strict does not reference that imagePullSecret"#,
        ),
    ] {
        assert_eq!(make(&trial, "pods", object), words);
    }
    let mut mirror = with("m", json!({}));
    mirror["metadata"]["annotations"] = json!({ "kubernetes.io/config.mirror": "abc" });
    assert_eq!(make(&trial, "pods", mirror), r#"pods "m" is forbidden: a mirror pod may not reference service accounts"#);
}

#[test]
fn a_token_in_a_secret_is_good_for_as_long_as_its_account() {
    let trial = Trial::new();
    trial.good("POST", &format!("{SPACE}/serviceaccounts"), json!({ "metadata": { "name": "robot" } }));
    let secret = |name: &str, account: &str| json!({ "metadata": { "name": name, "annotations": { "kubernetes.io/service-account.name": account } }, "type": "kubernetes.io/service-account-token" });
    assert_eq!(make(&trial, "secrets", secret("good", "robot")), "made");
    assert_eq!(make(&trial, "secrets", secret("lost", "nobody")), "made");
    pass(&trial, 200);
    let filled = trial.good("GET", &format!("{SPACE}/secrets/good"), Value::Null);
    let token = filled["data"]["token"].as_str().and_then(crate::sim::base64::decode).expect("a token");
    let token = String::from_utf8(token).expect("text");
    assert_eq!(filled["data"]["namespace"], "ZGVmYXVsdA==");
    assert_eq!(trial.ask("GET", &format!("{SPACE}/secrets/lost"), Value::Null).0, 404, "its account is not there");
    let known = || {
        let review = json!({ "spec": { "token": token } });
        trial.good("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]["user"]["username"].clone()
    };
    assert_eq!(known(), "system:serviceaccount:default:robot");
    trial.good("DELETE", &format!("{SPACE}/serviceaccounts/robot"), Value::Null);
    pass(&trial, 200);
    assert_eq!(trial.ask("GET", &format!("{SPACE}/secrets/good"), Value::Null).0, 404, "it went with its account");
    assert!(known().is_null());
}
