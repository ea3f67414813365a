//! Recorded descriptions of a real control plane, to the byte.

use super::*;
use serde_json::json;

/// What kubectl printed, and the objects that it printed it from (without managedFields).
macro_rules! recordings {
    ($($number:literal)*) => { &[$(($number, include_str!(concat!("../../../tests/real/describe/", $number, ".json")))),*] };
}

#[test]
fn recorded_descriptions_come_out_to_the_byte() {
    let recordings: &[(&str, &str)] = recordings!("005" "031" "032" "042" "080" "103");
    for (number, recording) in recordings {
        let recording: Value = serde_json::from_str(recording).expect("a recording");
        let items = |key: &str| recording[key].as_array().expect("a list").clone();
        let around = Around { revisions: items("revisions"), pods: Some(items("pods")), events: Some(items("events")), ..Around::default() };
        let recorded = recording["text"].as_str().expect("a text");
        // Somewhere between two recordings kubectl looked at its clock: the ages of the events say when.
        let newest = items("events").iter().filter_map(|event| value::time(&event["lastTimestamp"])).max().expect("an event");
        let described: Vec<String> =
            (0..120).map(|seconds| describe(&recording["object"], &around, newest + jiff::SignedDuration::from_secs(seconds))).collect();
        if !described.iter().any(|text| without_ages(text) == without_ages(recorded)) {
            let diff = similar::TextDiff::from_lines(recorded, &described[0]).unified_diff().header("kubectl", "rollsh").to_string();
            panic!("{number}:\n{diff}");
        }
    }
}

/// The Age column of events depends on when one looks, and its width on its content.
fn without_ages(text: &str) -> String {
    let Some((head, events)) = text.split_once("Events:\n") else { return text.to_owned() };
    let from = events.lines().next().and_then(|header| header.find("Age")).expect("an Age column");
    let to = events.lines().next().and_then(|header| header.find("From")).expect("a From column");
    let events: Vec<String> = events
        .lines()
        .map(|line| {
            let age = &line[from..to];
            let times = age.split_once('(').map_or("", |(_, times)| times.split(' ').next().unwrap_or_default());
            format!("{}{times}|{}", &line[..from], &line[to..])
        })
        .collect();
    format!("{head}Events:\n{}", events.join("\n"))
}

#[test]
fn a_template_comes_out_with_kubectls_tabs() {
    let probe = json!({"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "initialDelaySeconds": 1, "timeoutSeconds": 1, "periodSeconds": 2, "successThreshold": 1, "failureThreshold": 3});
    let web = json!({
        "metadata": {"labels": {"app": "web", "pod-template-hash": "68b85755d"}, "annotations": {"kubernetes.io/change-cause": "nginx 1.26"}},
        "spec": {"containers": [{"name": "nginx", "image": "nginx:1.26", "ports": [{"containerPort": 80, "protocol": "TCP"}], "readinessProbe": probe,
            "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}}}]}
    });
    let db = json!({"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "pg", "image": "postgres:15", "ports": [{"containerPort": 5432, "protocol": "TCP"}]}]}});
    let agent = json!({"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [{"name": "agent", "image": "example.com/agent:1.1"}]}});
    for (template, head, recorded) in [
        (web, "deployment.apps/web with revision #2", include_str!("../../../tests/real/013-history-rev.txt")),
        (db, "statefulset.apps/db with revision #1", include_str!("../../../tests/real/072-sts-history-rev.txt")),
        (agent, "daemonset.apps/agent with revision #2", include_str!("../../../tests/real/095-ds-history-rev.txt")),
    ] {
        assert_eq!(format!("{head}\n{}\n", pod_template(&template)), recorded);
    }
}

#[test]
fn everything_that_a_container_can_have_is_told() {
    let template = json!({
        "metadata": {},
        "spec": {
            "serviceAccountName": "robot", "priorityClassName": "high", "nodeSelector": {"disk": "ssd", "arch": "arm64"},
            "tolerations": [{"operator": "Exists"}, {"key": "a", "value": "b", "effect": "NoExecute", "tolerationSeconds": 5}],
            "topologySpreadConstraints": [{"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 1, "labelSelector": {"matchLabels": {"app": "web"}}}, {"topologyKey": "host", "whenUnsatisfiable": "ScheduleAnyway", "maxSkew": 2}],
            "initContainers": [{"name": "init", "image": "busybox", "command": ["sh", "-c", "a\nb"], "args": ["x"]}],
            "containers": [{
                "name": "web", "image": "web:1",
                "ports": [{"containerPort": 80, "protocol": "TCP", "name": "http"}, {"containerPort": 53, "hostPort": 53, "protocol": "UDP"}],
                "securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "p.json"}},
                "resources": {"limits": {"memory": "64Mi"}, "requests": {"cpu": "50m"}},
                "livenessProbe": {"exec": {"command": ["cat", "/ok"]}, "periodSeconds": 10},
                "readinessProbe": {"tcpSocket": {"port": "http"}},
                "startupProbe": {"httpGet": {"port": 8080, "path": "healthz?x=1 y", "host": "::1"}},
                "envFrom": [{"configMapRef": {"name": "cm", "optional": true}}, {"prefix": "P_", "secretRef": {"name": "s"}}],
                "env": [
                    {"name": "A", "value": "1\n2"}, {"name": "B"},
                    {"name": "C", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
                    {"name": "D", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
                    {"name": "E", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
                    {"name": "F", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                    {"name": "G", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "k", "optional": true}}},
                ],
                "volumeMounts": [{"mountPath": "/z", "name": "data"}, {"mountPath": "/a", "name": "cfg", "readOnly": true, "subPath": "sub"}],
                "volumeDevices": [{"devicePath": "/dev/x", "name": "raw"}],
            }],
            "volumes": [
                {"name": "data", "persistentVolumeClaim": {"claimName": "c"}}, {"name": "cfg", "configMap": {"name": "cm"}}, {"name": "tmp", "emptyDir": {}},
                {"name": "host", "hostPath": {"path": "/h"}}, {"name": "odd", "newKind": {}},
                {"name": "down", "downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
                {"name": "csi", "csi": {"driver": "d", "volumeAttributes": {"a": "1", "b": "2"}}},
                {"name": "eph", "ephemeral": {"volumeClaimTemplate": {"metadata": {"labels": {"x": "y"}}, "spec": {"storageClassName": "fast", "volumeMode": "Block"}}}},
            ],
        }
    });
    assert_eq!(
        pod_template(&template).replace('\t', "→"),
        "Pod Template:
  Labels:→<none>
  Service Account:→robot
  Init Containers:
   init:
    Image:→busybox
    Port:→<none>
    Host Port:→<none>
    Command:
      sh
      -c
      a
      b
    Args:
      x
    Environment:→<none>
    Mounts:→<none>
  Containers:
   web:
    Image:→web:1
    Ports:→80/TCP (http), 53/UDP
    Host Ports:→0/TCP (http), 53/UDP
    SeccompProfile:→Localhost
      LocalhostProfile:→p.json
    Limits:
      memory:→64Mi
    Requests:
      cpu:→50m
    Liveness:→exec [cat /ok] delay=0s timeout=0s period=10s #success=0 #failure=0
    Readiness:→tcp-socket :http delay=0s timeout=0s period=0s #success=0 #failure=0
    Startup:→http-get //[::1]:8080/healthz%3Fx=1%20y delay=0s timeout=0s period=0s #success=0 #failure=0
    Environment Variables from:
      cm→ConfigMap→Optional: true
      s→Secret with prefix 'P_'→Optional: false
    Environment:
      A:→1
      →2
      B:→
      C:→ (v1:metadata.name)
      D:→64 (limits.memory)
      E:→node allocatable (limits.cpu)
      F:→<set to the key 'k' in secret 's'>→Optional: false
      G:→<set to the key 'k' of config map 'cm'>→Optional: true
    Mounts:
      /a from cfg (ro,path=\"sub\")
      /z from data (rw)
    Devices:
      /dev/x from raw
  Volumes:
   data:
    Type:→PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)
    ClaimName:→c
    ReadOnly:→false
   cfg:
    Type:→ConfigMap (a volume populated by a ConfigMap)
    Name:→cm
    Optional:→false
   tmp:
    Type:→EmptyDir (a temporary directory that shares a pod's lifetime)
    Medium:→
    SizeLimit:→<unset>
   host:
    Type:→HostPath (bare host directory volume)
    Path:→/h
    HostPathType:→<none>
   odd:
  <unknown>
   down:
    Type:→DownwardAPI (a volume populated by information about the pod)
    Items:
      metadata.labels -> p
   csi:
    Type:→CSI (a Container Storage Interface (CSI) volume source)
    Driver:→d
    FSType:→
    ReadOnly:→false
    VolumeAttributes:→    a=1
        →    b=2
   eph:
    Type:→EphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)
    StorageClass:→fast
    Volume:→
    Labels:→    x=y
    Annotations:→    <none>
    Capacity:→
    Access Modes:→
    VolumeMode:→Block
  Topology Spread Constraints:→host:ScheduleAnyway when max skew 2 is exceeded
  →zone:DoNotSchedule when max skew 1 is exceeded for selector app=web
  Priority Class Name:→high
  Node-Selectors:→arch=arm64
→disk=ssd
  Tolerations:→op=Exists
→a=b:NoExecute for 5s
"
    );
}

#[test]
fn other_kinds_are_told_by_the_names_of_their_fields() {
    let object = json!({
        "apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"name": "w", "namespace": "shop", "labels": {"a": "b"}, "creationTimestamp": "2026-11-22T19:23:59Z", "uid": "1", "managedFields": [{}]},
        "spec": {"size": 3, "ratio": 0.5, "on": true, "nothing": null, "tags": ["x", "y"], "parts": [{"name": "p", "port": 80}], "apiURL": "u"},
    });
    let around = Around { events: Some(Vec::new()), ..Around::default() };
    assert_eq!(
        describe(&object, &around, Timestamp::UNIX_EPOCH),
        "Name:         w
Namespace:    shop
Labels:       a=b
Annotations:  <none>
API Version:  example.com/v1
Kind:         Widget
Metadata:
  Creation Timestamp:  2026-11-22T19:23:59Z
  UID:                 1
Spec:
  API URL:  u
  Nothing:  <nil>
  On:       true
  Parts:
    Name:  p
    Port:  80
  Ratio:   0.5
  Size:    3
  Tags:
    x
    y
Events:  <none>
"
    );
}

#[test]
fn a_secret_is_told_by_sizes_only() {
    let object =
        json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": "s", "namespace": "shop"}, "data": {"password": "aHVudGVyMg=="}});
    let text = describe(&object, &Around::default(), Timestamp::UNIX_EPOCH);
    assert_eq!(text, "Name:         s\nNamespace:    shop\nLabels:       <none>\nAnnotations:  <none>\n\nType:  Opaque\n\nData\n====\npassword:  7 bytes\n");
}

#[test]
fn what_may_not_be_seen_is_said() {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}});
    assert!(describe(&node, &Around::default(), Timestamp::UNIX_EPOCH).contains("not authorized\n"));
    let set = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "r"}});
    assert!(describe(&set, &Around::default(), Timestamp::UNIX_EPOCH).contains("error in fetching pods"));
}
