//! Pods that a real 1.36.3 refused, and its words.

use super::*;
use crate::sim::json::json;
use crate::sim::trial::Trial;

fn said(spec: &Value, restricted: bool) -> String {
    words(&checks::broken(spec, restricted))
}

#[test]
fn a_pod_is_told_all_that_the_baseline_forbids() {
    let first = json!({
        "hostNetwork": true, "hostPID": true, "hostIPC": true, "volumes": [{ "name": "h", "hostPath": { "path": "/" } }, { "name": "nf", "nfs": { "server": "a", "path": "/b" } }],
        "containers": [
            { "name": "c", "securityContext": {
                "privileged": true, "allowPrivilegeEscalation": true, "runAsUser": 0, "capabilities": { "add": ["SYS_ADMIN", "NET_BIND_SERVICE", "CHOWN"] },
                "seccompProfile": { "type": "Unconfined" }, "seLinuxOptions": { "type": "foo", "user": "u", "role": "r" } },
              "ports": [{ "containerPort": 80, "hostPort": 80 }, { "containerPort": 81, "hostPort": 81 }] },
            { "name": "d", "ports": [{ "containerPort": 82, "hostPort": 82 }] },
        ],
    });
    assert_eq!(
        said(&first, false),
        r#"non-default capabilities (container "c" must not include "SYS_ADMIN" in securityContext.capabilities.add), host namespaces (hostNetwork=true, hostPID=true, hostIPC=true), hostPath volumes (volume "h"), hostPort (containers "c", "d" use hostPorts 80, 81, 82), privileged (container "c" must not set securityContext.privileged=true), seLinuxOptions (container "c" set forbidden securityContext.seLinuxOptions: type "foo"; user may not be set; role may not be set), seccompProfile (container "c" must not set securityContext.seccompProfile.type to "Unconfined")"#
    );
    let second = json!({
        "hostUsers": false,
        "securityContext": { "seLinuxOptions": { "type": "bad" }, "seccompProfile": { "type": "Unconfined" }, "appArmorProfile": { "type": "Unconfined" },
            "sysctls": [{ "name": "a.b" }, { "name": "net.ipv4.tcp_keepalive_time" }, { "name": "c.d" }] },
        "containers": [
            { "name": "c", "securityContext": { "procMount": "Unmasked", "runAsNonRoot": false, "capabilities": { "add": ["NET_RAW"] } } },
            { "name": "d", "securityContext": { "capabilities": { "add": ["NET_RAW", "SYS_TIME"] }, "seLinuxOptions": { "type": "bad2" } } },
        ],
    });
    assert_eq!(
        said(&second, false),
        r#"forbidden AppArmor profile (pod must not set AppArmor profile type to "Unconfined"), non-default capabilities (containers "c", "d" must not include "NET_RAW", "SYS_TIME" in securityContext.capabilities.add), seLinuxOptions (pod and container "d" set forbidden securityContext.seLinuxOptions: types "bad", "bad2"), seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined"), forbidden sysctls (a.b, c.d)"#
    );
    let windows = json!({ "hostNetwork": true, "securityContext": { "windowsOptions": { "hostProcess": true } }, "containers": [{ "name": "c" }] });
    let words = "host namespaces (hostNetwork=true), hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)";
    assert_eq!(said(&windows, false), words);
    let hosts = json!({ "containers": [
        { "name": "c", "livenessProbe": { "tcpSocket": { "host": "1.2.3.4", "port": 80 } }, "lifecycle": { "preStop": { "httpGet": { "host": "h.com", "port": 80 } } } },
        { "name": "d", "readinessProbe": { "httpGet": { "host": "x", "port": 80 } } },
    ] });
    assert_eq!(said(&hosts, false), r#"probe or lifecycle host (containers "c", "d" use probe or lifecycle hosts "1.2.3.4", "h.com", "x")"#);
}

#[test]
fn a_pod_is_told_all_that_the_restricted_level_forbids() {
    let good = json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
    for (spec, expected) in [
        (
            json!({ "containers": [{ "name": "c" }, { "name": "d" }], "initContainers": [{ "name": "i" }] }),
            r#"allowPrivilegeEscalation != false (containers "i", "c", "d" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (containers "i", "c", "d" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or containers "i", "c", "d" must set securityContext.runAsNonRoot=true), seccompProfile (pod or containers "i", "c", "d" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")"#,
        ),
        (
            json!({ "securityContext": { "runAsUser": 0, "runAsNonRoot": false, "sysctls": [{ "name": "kernel.msgmax" }], "seccompProfile": { "type": "Unconfined" } }, "containers": [{ "name": "c", "securityContext": good }] }),
            r#"forbidden sysctls (kernel.msgmax), runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false), runAsUser=0 (pod must not set runAsUser=0), seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")"#,
        ),
        (
            json!({ "securityContext": { "runAsNonRoot": true }, "containers": [
                { "name": "c", "securityContext": { "capabilities": { "drop": ["ALL"], "add": ["CHOWN"] }, "seccompProfile": { "type": "Unconfined" } } },
                { "name": "d", "securityContext": { "capabilities": { "add": ["KILL"] } } },
            ] }),
            r#"allowPrivilegeEscalation != false (containers "c", "d" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "d" must set securityContext.capabilities.drop=["ALL"]; containers "c", "d" must not include "CHOWN", "KILL" in securityContext.capabilities.add), seccompProfile (container "c" must not set securityContext.seccompProfile.type to "Unconfined")"#,
        ),
        (
            json!({ "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } }, "containers": [{ "name": "c", "securityContext": good }],
                "volumes": [{ "name": "a", "emptyDir": {} }, { "name": "b", "hostPath": {} }, { "name": "d", "nfs": {} }, { "name": "e", "gitRepo": {} }] }),
            r#"restricted volume types (volumes "b", "d", "e" use restricted volume types "gitRepo", "hostPath", "nfs")"#,
        ),
        (
            json!({ "os": { "name": "windows" }, "containers": [{ "name": "c" }] }),
            r#"runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true)"#,
        ),
        (
            json!({ "hostUsers": false, "securityContext": { "seccompProfile": { "type": "RuntimeDefault" } }, "containers": [{ "name": "c", "securityContext": { "runAsUser": 0, "runAsNonRoot": false, "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } } }] }),
            "",
        ),
    ] {
        assert_eq!(said(&spec, true), expected);
    }
}

#[test]
fn the_labels_of_a_namespace_refuse_and_warn() {
    let trial = Trial::new();
    let label = |labels: Value| trial.ask("PATCH", "/api/v1/namespaces/default", json!({ "metadata": { "labels": labels } }));
    let pods = "/api/v1/namespaces/default/pods";
    let pod = |name: &str| json!({ "metadata": { "name": name }, "spec": { "containers": [{ "name": "c", "image": "a:1", "securityContext": { "privileged": true } }] } });
    let warnings = |method: &str, path: &str, body: Value| {
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let (_, headers, _) = trial.send(method, path, "application/json", kind, &body.to_string());
        headers.get_all("warning").iter().filter_map(|it| it.to_str().ok().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(label(json!({ "pod-security.kubernetes.io/warn": "baseline" })).0, 200);
    let words = r#"299 - "would violate PodSecurity \"baseline:latest\": privileged (container \"c\" must not set securityContext.privileged=true)""#;
    for name in ["a", "b"] {
        assert_eq!(warnings("POST", pods, pod(name)), [words]);
    }
    let (code, answer) = label(json!({ "pod-security.kubernetes.io/enforce": "bogus", "pod-security.kubernetes.io/enforce-version": "nine" }));
    let message = r#"Namespace "default" is invalid: [metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "bogus": must be one of privileged, baseline, restricted, metadata.labels[pod-security.kubernetes.io/enforce-version]: Invalid value: "nine": must be "latest" or "v1.x"]"#;
    assert_eq!((code, answer["message"].as_str()), (422, Some(message)));
    let told = warnings("PATCH", "/api/v1/namespaces/default", json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "baseline" } } }));
    let expected = [
        r#"299 - "existing pods in namespace \"default\" violate the new PodSecurity enforce level \"baseline:latest\"""#,
        r#"299 - "a (and 1 other pod): privileged""#,
    ];
    assert_eq!(told, expected);
    let refused = r#"pods "c" is forbidden: violates PodSecurity "baseline:latest": privileged (container "c" must not set securityContext.privileged=true)"#;
    assert_eq!(trial.bad("POST", pods, pod("c")), (403, refused.to_owned()));
}
