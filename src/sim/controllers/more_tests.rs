//! Jobs, CronJobs, EndpointSlices, budgets, volumes and cordoned nodes, on the controllers themselves.

use super::object::{condition, deleting, list, name};
use super::play::Play;
use crate::sim::api::DeleteOptions;
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;
use crate::sim::store::Change;

fn job(play: &mut Play, image: &str, change: impl FnOnce(&mut Value)) {
    let mut object = json!({
        "metadata": {"name": "work", "namespace": "default"},
        "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": image}]}}},
    });
    change(&mut object);
    play.create(Kind::JOBS, object);
}

#[test]
fn a_job_counts_each_pod_once_and_passes_through_the_states_that_a_real_one_does() {
    let mut play = Play::small();
    play.log(Kind::JOBS);
    job(&mut play, "a:1", |job| job["spec"]["completions"] = json!(2));
    play.wait(30.0);
    let states: Vec<String> = play
        .log(Kind::JOBS)
        .iter()
        .map(|entry| {
            let status = &entry.object["status"];
            let uncounted = list(&status["uncountedTerminatedPods"]["succeeded"]).len();
            let conditions: Vec<&str> = list(&status["conditions"]).iter().filter_map(|it| it["type"].as_str()).collect();
            format!("active {} ready {} succeeded {} uncounted {uncounted} {}", status["active"], status["ready"], status["succeeded"], conditions.join(" "))
        })
        .collect();
    assert_eq!(
        states,
        [
            "active null ready null succeeded null uncounted 0 ",
            "active 1 ready 0 succeeded null uncounted 0 ",
            "active 1 ready 1 succeeded null uncounted 0 ",
            "active 1 ready 0 succeeded null uncounted 1 ",
            "active 1 ready 0 succeeded 1 uncounted 0 ",
            "active 1 ready 1 succeeded 1 uncounted 0 ",
            "active null ready 0 succeeded 1 uncounted 1 SuccessCriteriaMet",
            "active null ready 0 succeeded 2 uncounted 0 SuccessCriteriaMet Complete",
        ]
    );
    assert_eq!(play.pods().len(), 2);
    assert!(play.pods().iter().all(|pod| pod["status"]["phase"] == "Succeeded" && pod["metadata"]["finalizers"].is_null()));
    assert_eq!(play.events("Completed"), ["Job completed"]);
    play.delete(Kind::JOBS, "work", &DeleteOptions::default());
    play.wait(5.0);
    assert!(play.pods().is_empty() || play.pods().iter().all(|pod| pod["metadata"]["ownerReferences"].is_null()));
}

#[test]
fn a_job_whose_pods_fail_backs_off_and_gives_up_at_its_limit() {
    let mut play = Play::small();
    job(&mut play, "a:1-crash", |job| job["spec"]["backoffLimit"] = json!(2));
    play.wait(100.0);
    let job = play.get(Kind::JOBS, "work");
    let failed = condition(&job, "Failed").expect("a condition");
    assert_eq!((failed["reason"].as_str(), job["status"]["failed"].as_i64()), (Some("BackoffLimitExceeded"), Some(3)));
    assert_eq!(play.events("BackoffLimitExceeded"), ["Job has reached the specified backoff limit"]);
    assert_eq!(play.pods().len(), 3);
}

#[test]
fn an_indexed_job_has_one_pod_for_each_index() {
    let mut play = Play::small();
    job(&mut play, "a:1", |job| {
        job["spec"]["completions"] = json!(3);
        job["spec"]["parallelism"] = json!(2);
        job["spec"]["completionMode"] = json!("Indexed");
    });
    play.wait(30.0);
    let job = play.get(Kind::JOBS, "work");
    assert_eq!((job["status"]["completedIndexes"].as_str(), job["status"]["succeeded"].as_i64()), (Some("0-2"), Some(3)));
    assert!(play.pod_names()[0].starts_with("work-0-"), "{:?}", play.pod_names());
}

#[test]
fn a_suspended_job_has_no_pods_and_a_finished_one_goes_after_its_time() {
    let mut play = Play::small();
    job(&mut play, "a:1", |job| {
        job["spec"]["suspend"] = json!(true);
        job["spec"]["ttlSecondsAfterFinished"] = json!(20);
    });
    play.wait(5.0);
    assert_eq!((play.pods().len(), play.condition(Kind::JOBS, "work", "Suspended")), (0, "True/JobSuspended".to_owned()));
    play.edit(Kind::JOBS, "work", |job| job["spec"]["suspend"] = json!(false));
    play.wait(10.0);
    assert_eq!(play.condition(Kind::JOBS, "work", "Complete"), "True/CompletionsReached");
    play.wait(30.0);
    assert!(play.find(Kind::JOBS, "work").is_none() && play.pods().is_empty());
}

#[test]
fn a_cron_job_starts_a_job_each_minute_and_keeps_three() {
    let mut play = Play::small();
    let template = json!({"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "a:1"}]}}}});
    play.create(Kind::CRONJOBS, json!({"metadata": {"name": "tick", "namespace": "default"}, "spec": {"schedule": "* * * * *", "jobTemplate": template}}));
    play.wait(56.5);
    assert_eq!(play.all(Kind::JOBS).iter().map(|job| name(job).to_owned()).collect::<Vec<_>>(), ["tick-29923801"]);
    assert_eq!(list(&play.get(Kind::CRONJOBS, "tick")["status"]["active"]).len(), 1);
    play.wait(605.0);
    assert_eq!(play.all(Kind::JOBS).len(), 3);
    let cron = play.get(Kind::CRONJOBS, "tick");
    assert_eq!((cron["status"]["lastScheduleTime"].as_str(), cron["status"]["active"].is_null()), (Some("2026-11-23T10:11:00Z"), true));
    assert!(play.events("SawCompletedJob")[0].starts_with("Saw completed job: tick-"));
}

#[test]
fn a_service_knows_the_addresses_behind_it() {
    let mut play = Play::small();
    play.create(
        Kind::SERVICES,
        json!({"metadata": {"name": "web", "namespace": "default"}, "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}}),
    );
    play.wait(1.0);
    let slices = |play: &Play| play.all(Kind::ENDPOINTSLICES).into_iter().filter(|slice| name(slice).starts_with("web-")).collect::<Vec<_>>();
    assert_eq!((slices(&play).len(), slices(&play)[0]["endpoints"].is_null()), (1, true));
    play.deployment("web", 2, "shop/web:1", |_| {});
    play.wait(10.0);
    let slice = slices(&play)[0].clone();
    assert_eq!(list(&slice["endpoints"]).len(), 2);
    assert_eq!(slice["ports"], json!([{"name": "http", "port": 8080, "protocol": "TCP"}]));
    assert!(list(&slice["endpoints"]).iter().all(|it| it["conditions"] == json!({"ready": true, "serving": true, "terminating": false})));
    assert_eq!(list(&play.get(Kind::ENDPOINTS, "web")["subsets"][0]["addresses"]).len(), 2);
    play.log(Kind::ENDPOINTSLICES);
    let pod = play.pod_names()[0].clone();
    play.delete(Kind::PODS, &pod, &DeleteOptions::default());
    play.wait(10.0);
    let terminating = play
        .log(Kind::ENDPOINTSLICES)
        .iter()
        .any(|entry| list(&entry.object["endpoints"]).iter().any(|it| it["conditions"]["terminating"] == true && it["conditions"]["ready"] == false));
    assert!(terminating);
    assert_eq!(list(&slices(&play)[0]["endpoints"]).len(), 2);
    play.delete(Kind::SERVICES, "web", &DeleteOptions::default());
    play.wait(1.0);
    assert!(slices(&play).is_empty() && play.find(Kind::ENDPOINTS, "web").is_none());
}

#[test]
fn a_budget_counts_who_may_go() {
    let mut play = Play::small();
    play.create(
        Kind::PODDISRUPTIONBUDGETS,
        json!({"metadata": {"name": "web", "namespace": "default"}, "spec": {"maxUnavailable": "50%", "selector": {"matchLabels": {"app": "web"}}}}),
    );
    play.deployment("web", 3, "shop/web:1", |_| {});
    play.wait(10.0);
    let status = |play: &Play| {
        let status = play.get(Kind::PODDISRUPTIONBUDGETS, "web")["status"].clone();
        ["expectedPods", "currentHealthy", "desiredHealthy", "disruptionsAllowed"].map(|field| status[field].as_i64().unwrap_or(-1))
    };
    assert_eq!(status(&play), [3, 3, 1, 2]);
    assert_eq!(play.condition(Kind::PODDISRUPTIONBUDGETS, "web", "DisruptionAllowed"), "True/SufficientPods");
    let pod = play.pod_names()[0].clone();
    play.delete(Kind::PODS, &pod, &DeleteOptions::default());
    play.wait(0.1);
    assert_eq!(status(&play), [3, 2, 1, 1]);
}

#[test]
fn claims_get_volumes_and_give_them_back() {
    let mut play = Play::small();
    play.create(
        Kind::PERSISTENTVOLUMECLAIMS,
        json!({"metadata": {"name": "data", "namespace": "default"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}),
    );
    play.wait(1.0);
    let claim = play.get(Kind::PERSISTENTVOLUMECLAIMS, "data");
    assert_eq!((claim["status"]["phase"].as_str(), claim["status"]["capacity"]["storage"].as_str()), (Some("Bound"), Some("1Gi")), "{claim}");
    assert_eq!(play.all(Kind::PERSISTENTVOLUMES).len(), 1);
    play.delete(Kind::PERSISTENTVOLUMECLAIMS, "data", &DeleteOptions::default());
    play.wait(1.0);
    assert!(play.find(Kind::PERSISTENTVOLUMECLAIMS, "data").is_none() && play.all(Kind::PERSISTENTVOLUMES).is_empty());
}

#[test]
fn a_cordoned_node_is_tainted_and_a_driving_taint_empties_it() {
    let mut play = Play::small();
    play.deployment("web", 3, "shop/web:1", |_| {});
    play.wait(10.0);
    play.edit(Kind::NODES, "node-1", |node| node["spec"]["unschedulable"] = json!(true));
    play.wait(1.0);
    assert_eq!(play.get(Kind::NODES, "node-1")["spec"]["taints"][0]["key"], "node.kubernetes.io/unschedulable");
    play.edit(Kind::NODES, "node-1", |node| {
        let taint = json!({"key": "gone", "effect": "NoExecute"});
        node["spec"]["taints"].as_array_mut().expect("taints").edit(|it| it.push(taint));
    });
    play.wait(10.0);
    let pods = play.pods();
    assert_eq!(pods.len(), 3);
    assert!(pods.iter().all(|pod| pod["spec"]["nodeName"] != "node-1" && !deleting(pod)));
    play.edit(Kind::NODES, "node-1", |node| node["spec"]["unschedulable"] = json!(false));
    play.wait(1.0);
    assert_eq!(list(&play.get(Kind::NODES, "node-1")["spec"]["taints"]).len(), 1);
    assert!(play.log(Kind::PODS).iter().any(|entry| entry.change == Change::Deleted));
}

#[test]
fn a_node_that_falls_silent_loses_its_pods_and_gets_its_marks_off_when_it_speaks_again() {
    let mut play = Play::small();
    play.deployment("web", 3, "shop/web:1", |_| {});
    play.wait(10.0);
    crate::sim::fault::add(&mut play.world, &json!({"node_down": "node-2"})).expect("a fault");
    play.wait(45.0);
    assert_eq!(play.condition(Kind::NODES, "node-2", "Ready"), "True/KubeletReady");
    play.wait(10.0);
    assert_eq!(play.condition(Kind::NODES, "node-2", "Ready"), "Unknown/NodeStatusUnknown");
    assert_eq!(play.status(Kind::DEPLOYMENTS, "web", "readyReplicas"), 2);
    play.wait(320.0);
    let there = |play: &Play| play.pods().iter().filter(|pod| pod["spec"]["nodeName"] == "node-2").map(|pod| deleting(pod)).collect::<Vec<_>>();
    assert_eq!((there(&play), play.status(Kind::DEPLOYMENTS, "web", "readyReplicas")), (vec![true], 3));
    crate::sim::fault::add(&mut play.world, &json!({"node_up": "node-2"})).expect("no fault");
    play.wait(5.0);
    assert_eq!((there(&play), play.condition(Kind::NODES, "node-2", "Ready")), (vec![], "True/KubeletReady".to_owned()));
    assert!(play.get(Kind::NODES, "node-2")["spec"]["taints"].is_null());
}

#[test]
fn an_autoscaler_follows_the_load_that_is_set() {
    let mut play = Play::small();
    play.deployment("web", 2, "shop/web:1", |object| object["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"requests": {"cpu": "100m"}}));
    let metric = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}});
    let spec =
        json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 1, "maxReplicas": 6, "metrics": [metric]});
    play.create(Kind::HORIZONTALPODAUTOSCALERS, json!({"metadata": {"name": "web", "namespace": "default"}, "spec": spec}));
    play.wait(20.0);
    let scaler = Kind::HORIZONTALPODAUTOSCALERS;
    assert_eq!(play.condition(scaler, "web", "ScalingActive"), "False/FailedGetResourceMetric");
    assert!(super::autoscaler::set_load(&mut play.world, "default", "Deployment/web", "cpu", "100m"));
    play.wait(20.0);
    assert_eq!(play.status(Kind::DEPLOYMENTS, "web", "replicas"), 4);
    assert_eq!(play.events("SuccessfulRescale"), ["New size: 4; reason: cpu resource utilization (percentage of request) above target"]);
    play.wait(60.0);
    assert_eq!((play.status(Kind::DEPLOYMENTS, "web", "replicas"), play.condition(scaler, "web", "ScalingLimited")), (6, "True/TooManyReplicas".to_owned()));
    assert!(super::autoscaler::set_load(&mut play.world, "default", "Deployment/web", "cpu", "10m"));
    play.wait(120.0);
    assert_eq!((play.status(Kind::DEPLOYMENTS, "web", "replicas"), play.condition(scaler, "web", "AbleToScale")), (6, "True/ScaleDownStabilized".to_owned()));
    // Six pods at a fifth of the target are 1.2, rounded up; the single one is enough only for the two that are left.
    play.wait(300.0);
    assert_eq!(play.status(Kind::DEPLOYMENTS, "web", "replicas"), 2);
    play.wait(330.0);
    assert_eq!(play.status(Kind::DEPLOYMENTS, "web", "replicas"), 1);
}

#[test]
fn a_role_that_is_put_together_follows_its_parts() {
    let mut play = Play::small();
    let can = |play: &Play, role: &str, resource: &str| {
        let role = play.get(Kind::CLUSTERROLES, role);
        list(&role["rules"]).iter().any(|rule| list(&rule["resources"]).iter().any(|it| *it == resource))
    };
    assert!(can(&play, "view", "pods/log") && can(&play, "edit", "pods/log") && can(&play, "admin", "rolebindings"));
    assert!(!can(&play, "view", "secrets") && can(&play, "edit", "secrets"));
    let part = json!({
        "metadata": {"name": "cron-viewer", "labels": {"rbac.authorization.k8s.io/aggregate-to-view": "true"}},
        "rules": [{"apiGroups": ["stable.example.com"], "resources": ["crontabs"], "verbs": ["get"]}],
    });
    play.create(Kind::CLUSTERROLES, part);
    play.wait(1.0);
    assert!(can(&play, "view", "crontabs") && can(&play, "edit", "crontabs") && can(&play, "admin", "crontabs"), "edit is made of view, and admin of edit");
    play.edit(Kind::CLUSTERROLES, "cron-viewer", |role| role["metadata"]["labels"] = json!({}));
    play.wait(1.0);
    assert!(!can(&play, "view", "crontabs") && !can(&play, "admin", "crontabs"));
}

#[test]
fn slices_mirror_the_endpoints_that_somebody_writes_for_a_service_without_a_selector() {
    let mut play = Play::small();
    play.create(Kind::SERVICES, json!({"metadata": {"name": "ext", "namespace": "default"}, "spec": {"ports": [{"name": "http", "port": 80}]}}));
    let endpoints = |ip: &str| {
        let subset = json!({"addresses": [{"ip": ip, "hostname": "h1"}], "notReadyAddresses": [{"ip": "10.1.2.5"}], "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}]});
        json!({"metadata": {"name": "ext", "namespace": "default", "labels": {"a": "b"}}, "subsets": [subset]})
    };
    play.create(Kind::ENDPOINTS, endpoints("10.1.2.3"));
    play.wait(1.0);
    let slices = |play: &Play| play.all(Kind::ENDPOINTSLICES).into_iter().filter(|it| name(it).starts_with("ext-")).collect::<Vec<_>>();
    let [slice] = slices(&play).try_into().expect("one slice");
    assert_eq!(slice["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"], "endpointslicemirroring-controller.k8s.io");
    assert_eq!((&slice["metadata"]["labels"]["a"], &slice["metadata"]["ownerReferences"][0]["kind"]), (&json!("b"), &json!("Endpoints")));
    let all = json!([
        {"addresses": ["10.1.2.3"], "conditions": {"ready": true}, "hostname": "h1"},
        {"addresses": ["10.1.2.5"], "conditions": {"ready": false}},
    ]);
    assert_eq!((&slice["endpoints"], &slice["ports"]), (&all, &json!([{"name": "http", "port": 8080, "protocol": "TCP"}])));

    play.edit(Kind::ENDPOINTS, "ext", |it| it["subsets"] = endpoints("10.1.2.9")["subsets"].clone());
    play.delete(Kind::ENDPOINTSLICES, name(&slice), &DeleteOptions::default());
    play.wait(1.0);
    let [again] = slices(&play).try_into().expect("a deleted mirror comes back");
    assert_eq!(again["endpoints"][0]["addresses"], json!(["10.1.2.9"]));

    play.edit(Kind::SERVICES, "ext", |it| it["spec"]["selector"] = json!({"app": "none"}));
    play.wait(1.0);
    assert!(slices(&play).iter().all(|it| it["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"));
}

#[test]
fn an_address_of_a_service_is_an_object_as_long_as_it_is_the_services() {
    let mut play = Play::small();
    let addresses =
        |play: &Play| play.all(Kind::IPADDRESSES).iter().map(|it| format!("{} of {}", name(it), it["spec"]["parentRef"]["name"])).collect::<Vec<_>>();
    let before = addresses(&play);
    assert_eq!(before, [r#"10.96.0.1 of "kubernetes""#]);
    let service = play.create(Kind::SERVICES, json!({"metadata": {"name": "a", "namespace": "default"}, "spec": {"ports": [{"port": 80}]}}));
    let own = format!("{} of \"a\"", service["spec"]["clusterIP"].as_str().expect("an address"));
    assert!(addresses(&play).contains(&own), "{own}");
    play.delete(Kind::SERVICES, "a", &DeleteOptions::default());
    assert_eq!(addresses(&play), before);
}

#[test]
fn slices_and_endpoints_that_somebody_deletes_come_back() {
    let mut play = Play::small();
    play.create(Kind::SERVICES, json!({"metadata": {"name": "a", "namespace": "default"}, "spec": {"selector": {"app": "a"}, "ports": [{"port": 80}]}}));
    play.deployment("a", 2, "a:1", |_| {});
    play.wait(10.0);
    let slices = |play: &Play| play.all(Kind::ENDPOINTSLICES).into_iter().filter(|it| name(it).starts_with("a-")).collect::<Vec<_>>();
    let before = slices(&play);
    play.delete(Kind::ENDPOINTSLICES, name(&before[0]), &DeleteOptions::default());
    play.delete(Kind::ENDPOINTS, "a", &DeleteOptions::default());
    play.wait(1.0);
    let after = slices(&play);
    assert_eq!((after.len(), &after[0]["endpoints"]), (1, &before[0]["endpoints"]));
    assert_eq!(list(&play.get(Kind::ENDPOINTS, "a")["subsets"]).len(), 1);
}

fn pod(name: &str, node: Option<&str>, spec: Value) -> Value {
    let mut pod = json!({"metadata": {"name": name, "namespace": "default"}, "spec": {"containers": [{"name": "c", "image": "a:1"}], "nodeName": node}});
    for (field, value) in spec.as_object().into_iter().flatten() {
        pod["spec"][field.as_str()] = value.clone();
    }
    pod
}

#[test]
fn a_kubelet_refuses_what_its_node_cannot_run() {
    let mut play = Play::small();
    let port = json!({"containers": [{"name": "c", "image": "a:1", "ports": [{"containerPort": 80, "hostPort": 8080}]}]});
    play.create(Kind::PODS, pod("first", Some("node-1"), port.clone()));
    play.wait(3.0);
    let greedy = json!({"containers": [{"name": "c", "image": "a:1", "resources": {"requests": {"cpu": "9"}}}]});
    for (spec, reason, message) in [
        (json!({"os": {"name": "windows"}}), "PodOSNotSupported", "Failed to admit pod as the OS field doesn't match node OS"),
        (greedy, "OutOfcpu", "Node didn't have enough resource: cpu, requested: 9000, used: 0, capacity: 8000"),
        (json!({"nodeSelector": {"disk": "ssd"}}), "NodeAffinity", "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"),
        (port.clone(), "NodePorts", "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports"),
    ] {
        play.create(Kind::PODS, pod("refused", Some("node-1"), spec));
        play.wait(3.0);
        let status = play.get(Kind::PODS, "refused")["status"].clone();
        assert_eq!((&status["phase"], &status["reason"]), (&json!("Failed"), &json!(reason)));
        assert_eq!(status["message"], format!("Pod was rejected: {message}"));
        play.delete(Kind::PODS, "refused", &DeleteOptions::default());
        play.wait(3.0);
        assert!(play.find(Kind::PODS, "refused").is_none(), "{reason}: what is refused can be deleted");
    }
    assert_eq!(play.get(Kind::PODS, "first")["status"]["phase"], "Running");

    for name in ["second", "third"] {
        play.create(Kind::PODS, pod(name, None, port.clone()));
        play.wait(1.0);
    }
    play.create(Kind::PODS, pod("fourth", None, port));
    play.wait(5.0);
    let waits = play.get(Kind::PODS, "fourth");
    let told = condition(&waits, "PodScheduled").expect("a condition")["message"].as_str().unwrap_or_default().to_owned();
    assert!(told.starts_with("0/3 nodes are available: 3 node(s) didn't have free ports for the requested pod ports. "), "{told}");
}

#[test]
fn an_ephemeral_container_starts_in_a_pod_that_runs_and_does_not_touch_its_readiness() {
    let mut play = Play::small();
    play.create(Kind::PODS, pod("a", None, Value::Null));
    play.wait(5.0);
    let mut changed = Value::clone(&play.get(Kind::PODS, "a"));
    changed["spec"]["ephemeralContainers"] = json!([{"name": "debugger", "image": "busybox"}]);
    play.world.update(Kind::PODS, changed, crate::sim::api::Subresource::EphemeralContainers, &Play::user()).expect("it may be added");
    play.wait(2.0);
    let pod = play.get(Kind::PODS, "a");
    let [status] = list(&pod["status"]["ephemeralContainerStatuses"]) else { panic!("no status: {}", pod["status"]) };
    assert!(status["name"] == "debugger" && status["state"]["running"].is_object() && status["ready"] == false && status["started"].is_null());
    assert_eq!((&condition(&pod, "Ready").expect("a condition")["status"], list(&pod["status"]["containerStatuses"]).len()), (&json!("True"), 1));
}

#[test]
fn a_kubelet_says_which_spec_of_a_pod_it_has_seen() {
    let mut play = Play::small();
    play.create(Kind::PODS, pod("a", None, json!({"activeDeadlineSeconds": 5000})));
    play.wait(5.0);
    play.edit(Kind::PODS, "a", |pod| pod["spec"]["activeDeadlineSeconds"] = json!(4000));
    play.wait(1.0);
    let pod = play.get(Kind::PODS, "a");
    assert_eq!((&pod["metadata"]["generation"], &pod["status"]["observedGeneration"]), (&json!(2), &json!(2)));
}
