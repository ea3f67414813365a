//! Defaults of classes, storage drivers, devices, flow control and admission.

use super::super::kinds::Kind;
use super::{fill, present};
use crate::sim::json::{Value, json};

/// The port of a Service that is called over HTTPS.
const HTTPS: i64 = 443;

pub fn set(kind: Kind, object: &mut Value) {
    match kind {
        Kind::PRIORITYCLASSES => fill(object, "preemptionPolicy", "PreemptLowerPriority"),
        Kind::STORAGECLASSES => {
            fill(object, "reclaimPolicy", "Delete");
            fill(object, "volumeBindingMode", "Immediate");
        }
        Kind::CSIDRIVERS => driver(&mut object["spec"]),
        Kind::FLOWSCHEMAS if object["spec"]["matchingPrecedence"].as_i64().unwrap_or(0) == 0 => object["spec"]["matchingPrecedence"] = json!(1000),
        Kind::PRIORITYLEVELCONFIGURATIONS => priority_level(&mut object["spec"]),
        Kind::RESOURCECLAIMS => devices(&mut object["spec"]["devices"]),
        Kind::RESOURCECLAIMTEMPLATES => devices(&mut object["spec"]["spec"]["devices"]),
        Kind::APISERVICES if object["spec"]["service"].is_object() => fill(&mut object["spec"]["service"], "port", HTTPS),
        Kind::VALIDATINGWEBHOOKCONFIGURATIONS | Kind::MUTATINGWEBHOOKCONFIGURATIONS => {
            let mutating = kind == Kind::MUTATINGWEBHOOKCONFIGURATIONS;
            present(object, "webhooks").for_each(|it| webhook(it, mutating));
        }
        Kind::VALIDATINGADMISSIONPOLICIES | Kind::MUTATINGADMISSIONPOLICIES => {
            let spec = &mut object["spec"];
            fill(spec, "failurePolicy", "Fail");
            matched(&mut spec["matchConstraints"]);
        }
        Kind::VALIDATINGADMISSIONPOLICYBINDINGS | Kind::MUTATINGADMISSIONPOLICYBINDINGS => matched(&mut object["spec"]["matchResources"]),
        _ => {}
    }
}

fn driver(spec: &mut Value) {
    fill(spec, "attachRequired", true);
    for field in ["podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"] {
        fill(spec, field, false);
    }
    fill(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    if spec["volumeLifecycleModes"].as_array().is_none_or(<[Value]>::is_empty) {
        spec["volumeLifecycleModes"] = json!(["Persistent"]);
    }
}

fn priority_level(spec: &mut Value) {
    if spec["exempt"].is_object() {
        fill(&mut spec["exempt"], "nominalConcurrencyShares", 0);
        fill(&mut spec["exempt"], "lendablePercent", 0);
    }
    let Some(limited) = spec.get_mut("limited").filter(|it| it.is_object()) else { return };
    fill(limited, "nominalConcurrencyShares", 30);
    fill(limited, "lendablePercent", 0);
    let Some(queuing) = limited.get_mut("limitResponse").and_then(|it| it.get_mut("queuing")).filter(|it| it.is_object()) else { return };
    for (field, value) in [("handSize", 8), ("queues", 64), ("queueLengthLimit", 50)] {
        if queuing[field].as_i64().unwrap_or(0) == 0 {
            queuing[field] = value.into();
        }
    }
}

fn devices(devices: &mut Value) {
    let one = |request: &mut Value| {
        fill(request, "allocationMode", "ExactCount");
        if request["allocationMode"] == "ExactCount" && request["count"].as_i64().unwrap_or(0) == 0 {
            request["count"] = json!(1);
        }
    };
    for request in present(devices, "requests") {
        request.get_mut("exactly").filter(|it| it.is_object()).into_iter().for_each(one);
        present(request, "firstAvailable").for_each(one);
    }
}

fn selectors(value: &mut Value) {
    fill(value, "matchPolicy", "Equivalent");
    fill(value, "namespaceSelector", json!({}));
    fill(value, "objectSelector", json!({}));
}

fn webhook(webhook: &mut Value, mutating: bool) {
    fill(webhook, "failurePolicy", "Fail");
    selectors(webhook);
    fill(webhook, "timeoutSeconds", 10);
    if mutating {
        fill(webhook, "reinvocationPolicy", "Never");
    }
    present(webhook, "rules").for_each(|rule| fill(rule, "scope", "*"));
    if let Some(service) = webhook.get_mut("clientConfig").and_then(|it| it.get_mut("service")).filter(|it| it.is_object()) {
        fill(service, "port", HTTPS);
    }
}

fn matched(resources: &mut Value) {
    if !resources.is_object() {
        return;
    }
    selectors(resources);
    for rules in ["resourceRules", "excludeResourceRules"] {
        present(resources, rules).for_each(|rule| fill(rule, "scope", "*"));
    }
}
