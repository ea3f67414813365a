//! ConfigMaps, Secrets and PersistentVolumeClaims.

use serde_json::Value;

use super::Around;
use super::page::Page;
use super::value::{go, is_set, list, rfc1123, since, strings, text};

pub(super) fn config_map(page: &mut Page, object: &Value) {
    named(page, object);
    page.write(0, "\nData\n====\n");
    for (key, value) in object["data"].as_object().into_iter().flatten() {
        page.write(0, format!("{key}:\n----\n{}\n\n", text(value)));
    }
    page.write(0, "\nBinaryData\n====\n");
    for (key, value) in object["binaryData"].as_object().into_iter().flatten() {
        page.write(0, format!("{key}: {} bytes\n", decoded_length(text(value))));
    }
    page.write(0, "\n");
}

/// Sizes only: what a Secret holds is not printed.
pub(super) fn secret(page: &mut Page, object: &Value) {
    named(page, object);
    page.write(0, format!("\nType:\t{}\n", text(&object["type"])));
    page.write(0, "\nData\n====\n");
    for (key, value) in object["data"].as_object().into_iter().flatten() {
        page.field(0, key, format!("{} bytes", decoded_length(text(value))));
    }
}

fn named(page: &mut Page, object: &Value) {
    let metadata = &object["metadata"];
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.labels("", "Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
}

/// The number of bytes that a base64 text stands for.
fn decoded_length(base64: &str) -> usize {
    let digits = base64.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=').count();
    digits * 3 / 4
}

pub(super) fn claim(page: &mut Page, object: &Value, around: &Around) {
    claim_fields(page, object, true);
    let name = &object["metadata"]["name"];
    let uses = |pod: &&Value| {
        let by_volume = list(&pod["spec"]["volumes"]).iter().any(|volume| volume["persistentVolumeClaim"]["claimName"] == *name);
        let by_owner = list(&object["metadata"]["ownerReferences"]).iter().any(|owner| owner["kind"] == "Pod" && owner["uid"] == pod["metadata"]["uid"]);
        by_volume || by_owner
    };
    let mut pods: Vec<String> = around.pods.iter().flatten().filter(uses).map(|pod| text(&pod["metadata"]["name"]).to_owned()).collect();
    pods.sort();
    page.list("", "Used By", &pods);
    let conditions = list(&object["status"]["conditions"]);
    if !conditions.is_empty() {
        page.write(0, "Conditions:\n");
        page.write(1, "Type\tStatus\tLastProbeTime\tLastTransitionTime\tReason\tMessage\n");
        page.write(1, "----\t------\t-----------------\t------------------\t------\t-------\n");
    }
    for it in conditions {
        let (probed, changed) = (rfc1123(&it["lastProbeTime"]), rfc1123(&it["lastTransitionTime"]));
        page.write(1, format!("{} \t{} \t{probed} \t{changed} \t{} \t{}\n", text(&it["type"]), text(&it["status"]), text(&it["reason"]), text(&it["message"])));
    }
}

/// A claim, or the template of one in a Pod's volume.
pub(super) fn claim_fields(page: &mut Page, claim: &Value, whole: bool) {
    let (metadata, spec, status) = (&claim["metadata"], &claim["spec"], &claim["status"]);
    if whole {
        page.field(0, "Name", text(&metadata["name"]));
        page.field(0, "Namespace", text(&metadata["namespace"]));
    }
    page.field(0, "StorageClass", storage_class(claim));
    if whole && is_set(&metadata["deletionTimestamp"]) {
        page.field(0, "Status", format!("Terminating (lasts {})", since(&metadata["deletionTimestamp"], page.now)));
    } else if whole {
        page.field(0, "Status", text(&status["phase"]));
    }
    page.field(0, "Volume", text(&spec["volumeName"]));
    page.labels("", "Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    if whole {
        page.field(0, "Finalizers", format!("[{}]", strings(&metadata["finalizers"]).join(" ")));
    }
    let bound = is_set(&spec["volumeName"]);
    page.field(0, "Capacity", if bound { capacity(&status["capacity"]["storage"], "0") } else { String::new() });
    page.field(0, "Access Modes", if bound { access_modes(&status["accessModes"]) } else { String::new() });
    page.field_if_set(0, "VolumeMode", &spec["volumeMode"]);
    let source = &spec["dataSource"];
    if source.is_object() {
        page.write(0, "DataSource:\n");
        page.field_if_set(1, "APIGroup", &source["apiGroup"]);
        page.field(1, "Kind", text(&source["kind"]));
        page.field(1, "Name", text(&source["name"]));
    }
}

/// `RWO,ROX,RWX,RWOP`, each once, in this order.
fn access_modes(modes: &Value) -> String {
    let modes = strings(modes);
    let known = [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    known.iter().filter(|(mode, _)| modes.contains(mode)).map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

fn capacity(amount: &Value, otherwise: &str) -> String {
    if amount.is_null() { otherwise.to_owned() } else { go(amount) }
}

fn storage_class(claim: &Value) -> &str {
    let annotated = &claim["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"];
    annotated.as_str().unwrap_or_else(|| text(&claim["spec"]["storageClassName"]))
}

pub(super) fn claim_templates(page: &mut Page, templates: &[Value]) {
    page.write(0, if templates.is_empty() { "Volume Claims:\t<none>\n" } else { "Volume Claims:\n" });
    for template in templates {
        let (metadata, spec) = (&template["metadata"], &template["spec"]);
        page.field(1, "Name", text(&metadata["name"]));
        page.field(1, "StorageClass", storage_class(template));
        page.labels("  ", "Labels", &metadata["labels"]);
        page.labels("  ", "Annotations", &metadata["annotations"]);
        page.field(1, "Capacity", capacity(&spec["resources"]["requests"]["storage"], "<default>"));
        page.field(1, "Access Modes", format!("[{}]", strings(&spec["accessModes"]).join(" ")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secrets_size_is_that_of_its_bytes() {
        for (base64, bytes) in [("", 0), ("YQ==", 1), ("YWI=", 2), ("YWJj", 3), ("YWJjZA==", 4)] {
            assert_eq!(decoded_length(base64), bytes, "{base64}");
        }
    }
}
