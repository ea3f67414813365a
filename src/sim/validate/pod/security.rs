//! Who a pod's containers run as, and the ports of pods that live in the network of their node.
//!
//! Profiles (seccomp, AppArmor, SELinux) and Windows options are not judged.

use super::super::{Errors, FieldError, Rule};
use super::{items, text};
use crate::sim::json::Value;

/// The ids that users and groups can have.
const IDS: std::ops::RangeInclusive<i64> = 0..=i32::MAX as i64;

fn id(errors: &mut Errors, field: String, value: &Value) {
    if let Some(value) = value.as_i64().filter(|it| !IDS.contains(it)) {
        errors.invalid(field, value, format!("must be between {} and {}, inclusive", IDS.start(), IDS.end()));
    }
}

/// The security context of a pod.
pub fn of_pod(errors: &mut Errors, field: &str, spec: &Value) {
    let context = &spec["securityContext"];
    for name in ["fsGroup", "runAsUser", "runAsGroup"] {
        id(errors, format!("{field}.{name}"), &context[name]);
    }
    for (at, group) in items(&context["supplementalGroups"]).iter().enumerate() {
        id(errors, format!("{field}.supplementalGroups[{at}]"), group);
    }
    if spec["shareProcessNamespace"] == true && spec["hostPID"] == true {
        errors.invalid(format!("{field}.shareProcessNamespace"), true, "ShareProcessNamespace and HostPID cannot both be enabled");
    }
    if !context["fsGroupChangePolicy"].is_null() && !matches!(text(context, "fsGroupChangePolicy"), "OnRootMismatch" | "Always") {
        errors.unsupported(format!("{field}.fsGroupChangePolicy"), &context["fsGroupChangePolicy"], &["Always", "OnRootMismatch"]);
    }
}

/// The security context of a container.
pub fn of_container(errors: &mut Errors, field: &str, context: &Value) {
    for name in ["runAsUser", "runAsGroup"] {
        id(errors, format!("{field}.{name}"), &context[name]);
    }
    if context["allowPrivilegeEscalation"] != false {
        return;
    }
    if context["privileged"] == true {
        let detail = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true";
        errors.push(FieldError::literal(Rule::Invalid, field, shown(context), detail));
    }
    if items(&context["capabilities"]["add"]).iter().any(|it| it == "CAP_SYS_ADMIN") {
        let detail = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN";
        errors.push(FieldError::literal(Rule::Invalid, field, shown(context), detail));
    }
}

/// A member of the server's own form, of the API's, and what is in it.
type Member = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// A security context as the server shows its own form of it.
fn shown(context: &Value) -> String {
    const MEMBERS: [Member; 12] = [
        ("Capabilities", "capabilities", &[("Add", "add"), ("Drop", "drop")]),
        ("Privileged", "privileged", &[]),
        ("SELinuxOptions", "seLinuxOptions", &[("User", "user"), ("Role", "role"), ("Type", "type"), ("Level", "level")]),
        ("WindowsOptions", "windowsOptions", &[]),
        ("RunAsUser", "runAsUser", &[]),
        ("RunAsGroup", "runAsGroup", &[]),
        ("RunAsNonRoot", "runAsNonRoot", &[]),
        ("ReadOnlyRootFilesystem", "readOnlyRootFilesystem", &[]),
        ("AllowPrivilegeEscalation", "allowPrivilegeEscalation", &[]),
        ("ProcMount", "procMount", &[]),
        ("SeccompProfile", "seccompProfile", &[("Type", "type"), ("LocalhostProfile", "localhostProfile")]),
        ("AppArmorProfile", "appArmorProfile", &[("Type", "type"), ("LocalhostProfile", "localhostProfile")]),
    ];
    let members = MEMBERS.iter().map(|(go, name, inner)| match &context[*name] {
        value if inner.is_empty() || value.is_null() => format!("{go:?}:{value}"),
        value => {
            // Texts of the SELinux options are no pointers: they are empty, not null.
            let empty = if *name == "seLinuxOptions" { "\"\"" } else { "null" };
            let text = |at: &str| if value[at].is_null() { empty.to_owned() } else { value[at].to_string() };
            let members: Vec<String> = inner.iter().map(|(go, name)| format!("{go:?}:{}", text(name))).collect();
            format!("{go:?}:{{{}}}", members.join(","))
        }
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// The ports of containers that share the network of their node: those of the node are those of the container. A template may leave that to the pod.
pub fn host_network(errors: &mut Errors, field: &str, spec: &Value, in_template: bool) {
    if spec["hostNetwork"] != true {
        return;
    }
    for (at, container) in items(&spec["containers"]).iter().enumerate() {
        for (number, port) in items(&container["ports"]).iter().enumerate() {
            let (host, own) = (port["hostPort"].as_i64().unwrap_or(0), port["containerPort"].as_i64().unwrap_or(0));
            if (!in_template || host != 0) && host != own {
                errors.invalid(format!("{field}[{at}].ports[{number}].hostPort"), host, "must match `containerPort` when `hostNetwork` is true");
            }
        }
    }
}
