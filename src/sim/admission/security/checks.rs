//! The checks of the pod security standards, in the order in which the real server names what they find.
//!
//! # Source
//! `k8s.io/pod-security-admission` 0.36 `policy/check_*.go`, in their newest versions.

use std::collections::BTreeSet;

use super::super::{items, text};
use crate::sim::json::Value;

/// What a check finds: a reason, and its details.
type Found = Option<(&'static str, String)>;

/// Capabilities that may be added under `baseline`.
const CAPABILITIES: [&str; 13] =
    ["AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"];
const SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];
const SELINUX_TYPES: [&str; 5] = ["", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"];
const VOLUMES: [&str; 9] = ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret"];

/// What a pod breaks of `baseline`, or of `restricted`, which has some checks of its own in place of those.
pub fn broken(spec: &Value, restricted: bool) -> Vec<(&'static str, String)> {
    let pod = Pod { spec, containers: ["initContainers", "containers", "ephemeralContainers"].iter().flat_map(|list| items(spec, list)).collect() };
    let mut found: Vec<Found> = vec![pod.app_armor()];
    if !restricted {
        found.push(pod.added_capabilities());
    }
    found.push(pod.host_namespaces());
    if !restricted {
        found.push(pod.host_paths());
    }
    found.extend([pod.host_ports(), pod.probe_hosts(), pod.privileged(), pod.proc_mounts(), pod.selinux()]);
    if !restricted {
        found.push(pod.unconfined());
    }
    found.extend([pod.sysctls(), pod.host_process()]);
    if restricted {
        let linux = spec["os"]["name"] != "windows";
        if linux {
            found.extend([pod.escalation(), pod.capabilities()]);
        }
        found.extend([pod.volumes(), pod.non_root(), pod.root_user()]);
        if linux {
            found.push(pod.seccomp());
        }
    }
    found.into_iter().flatten().collect()
}

struct Pod<'a> {
    spec: &'a Value,
    containers: Vec<&'a Value>,
}

fn quoted<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|it| format!("\"{it}\"")).collect::<Vec<_>>().join(", ")
}

/// `container "a"` or `containers "a", "b"`.
fn several(one: &str, many: &str, names: &[&str]) -> String {
    format!("{} {}", if names.len() == 1 { one } else { many }, quoted(names.iter().copied()))
}

fn containers(names: &[&str]) -> String {
    several("container", "containers", names)
}

/// Who sets something: the pod, containers, or both.
fn setters(pod: bool, names: &[&str]) -> Option<String> {
    let mut parts = Vec::new();
    if pod {
        parts.push("pod".to_owned());
    }
    if !names.is_empty() {
        parts.push(containers(names));
    }
    (!parts.is_empty()).then(|| parts.join(" and "))
}

impl<'a> Pod<'a> {
    /// The names of the containers that something is true of.
    fn names(&self, holds: impl Fn(&Value) -> bool) -> Vec<&'a str> {
        self.containers.iter().filter(|it| holds(it)).map(|it| text(it, "name")).collect()
    }

    fn security(&self) -> &'a Value {
        &self.spec["securityContext"]
    }

    /// Users of the pod are not those of the node: what they may do inside concerns nobody outside.
    fn has_own_users(&self) -> bool {
        self.spec["hostUsers"] == false
    }

    fn app_armor(&self) -> Found {
        let is_bad = |security: &Value| security["appArmorProfile"]["type"] == "Unconfined";
        let who = setters(is_bad(self.security()), &self.names(|it| is_bad(&it["securityContext"])))?;
        Some(("forbidden AppArmor profile", format!("{who} must not set AppArmor profile type to \"Unconfined\"")))
    }

    fn added_capabilities(&self) -> Found {
        let (names, added) = self.adding(&CAPABILITIES)?;
        Some(("non-default capabilities", format!("{} must not include {added} in securityContext.capabilities.add", containers(&names))))
    }

    /// The containers that add other capabilities than some, and which.
    fn adding(&self, allowed: &[&str]) -> Option<(Vec<&'a str>, String)> {
        let added = |it: &'a Value| items(&it["securityContext"]["capabilities"], "add").iter().filter_map(Value::as_str).filter(|it| !allowed.contains(it));
        let bad: BTreeSet<&str> = self.containers.iter().flat_map(|it| added(it)).collect();
        let names = self.containers.iter().filter(|it| added(it).next().is_some()).map(|it| text(it, "name")).collect();
        (!bad.is_empty()).then(|| (names, quoted(bad)))
    }

    fn host_namespaces(&self) -> Found {
        let set: Vec<String> = ["hostNetwork", "hostPID", "hostIPC"].iter().filter(|it| self.spec[**it] == true).map(|it| format!("{it}=true")).collect();
        (!set.is_empty()).then(|| ("host namespaces", set.join(", ")))
    }

    fn host_paths(&self) -> Found {
        let names: Vec<&str> = items(self.spec, "volumes").iter().filter(|it| it["hostPath"].is_object()).map(|it| text(it, "name")).collect();
        (!names.is_empty()).then(|| ("hostPath volumes", several("volume", "volumes", &names)))
    }

    fn host_ports(&self) -> Found {
        let ports = |it: &Value| items(it, "ports").iter().filter_map(|it| it["hostPort"].as_i64()).filter(|it| *it != 0).collect::<Vec<_>>();
        let names = self.names(|it| !ports(it).is_empty());
        let all: BTreeSet<String> = self.containers.iter().flat_map(|it| ports(it)).map(|it| it.to_string()).collect();
        let (use_, port) = (if names.len() == 1 { "uses" } else { "use" }, if all.len() == 1 { "hostPort" } else { "hostPorts" });
        let list = all.into_iter().collect::<Vec<_>>().join(", ");
        (!names.is_empty()).then(|| ("hostPort", format!("{} {use_} {port} {list}", containers(&names))))
    }

    fn probe_hosts(&self) -> Found {
        let hosts = |it: &Value| {
            let probes = ["livenessProbe", "readinessProbe", "startupProbe"].map(|probe| it[probe].clone());
            let hooks = ["postStart", "preStop"].map(|hook| it["lifecycle"][hook].clone());
            let asked = probes.iter().chain(&hooks).flat_map(|it| ["httpGet", "tcpSocket"].map(|how| it[how]["host"].as_str().unwrap_or_default().to_owned()));
            asked.filter(|it| !it.is_empty()).collect::<Vec<_>>()
        };
        let names = self.names(|it| !hosts(it).is_empty());
        let all: BTreeSet<String> = self.containers.iter().flat_map(|it| hosts(it)).collect();
        let (use_, host) = (if names.len() == 1 { "uses" } else { "use" }, if all.len() == 1 { "host" } else { "hosts" });
        let list = quoted(all.iter().map(String::as_str));
        (!names.is_empty()).then(|| ("probe or lifecycle host", format!("{} {use_} probe or lifecycle {host} {list}", containers(&names))))
    }

    fn privileged(&self) -> Found {
        let names = self.names(|it| it["securityContext"]["privileged"] == true);
        (!names.is_empty()).then(|| ("privileged", format!("{} must not set securityContext.privileged=true", containers(&names))))
    }

    fn proc_mounts(&self) -> Found {
        let mount = |it: &Value| it["securityContext"]["procMount"].as_str().filter(|it| *it != "Default").map(str::to_owned);
        let names = self.names(|it| mount(it).is_some());
        let mounts: BTreeSet<String> = self.containers.iter().filter_map(|it| mount(it)).collect();
        let bad = !names.is_empty() && !self.has_own_users();
        let list = quoted(mounts.iter().map(String::as_str));
        bad.then(|| ("procMount", format!("{} must not set securityContext.procMount to {list}", containers(&names))))
    }

    fn selinux(&self) -> Found {
        let of = |security: &'a Value| &security["seLinuxOptions"];
        let is_bad = |security: &'a Value| {
            let options = of(security);
            !SELINUX_TYPES.contains(&text(options, "type")) || !text(options, "user").is_empty() || !text(options, "role").is_empty()
        };
        let bad: Vec<&'a Value> = self.containers.iter().copied().filter(|it| is_bad(&it["securityContext"])).collect();
        let names: Vec<&str> = bad.iter().map(|it| text(it, "name")).collect();
        let pod = is_bad(self.security());
        let who = setters(pod, &names)?;
        let all: Vec<&'a Value> = pod.then(|| self.security()).into_iter().chain(bad.iter().map(|it| &it["securityContext"])).map(of).collect();
        let types: BTreeSet<&str> = all.iter().map(|it| text(it, "type")).filter(|it| !SELINUX_TYPES.contains(it)).collect();
        let mut data = Vec::new();
        if !types.is_empty() {
            data.push(format!("{} {}", if types.len() == 1 { "type" } else { "types" }, quoted(types)));
        }
        for field in ["user", "role"] {
            if all.iter().any(|it| !text(it, field).is_empty()) {
                data.push(format!("{field} may not be set"));
            }
        }
        Some(("seLinuxOptions", format!("{who} set forbidden securityContext.seLinuxOptions: {}", data.join("; "))))
    }

    fn unconfined(&self) -> Found {
        let is_bad = |security: &Value| security["seccompProfile"]["type"] == "Unconfined";
        let who = setters(is_bad(self.security()), &self.names(|it| is_bad(&it["securityContext"])))?;
        Some(("seccompProfile", format!("{who} must not set securityContext.seccompProfile.type to \"Unconfined\"")))
    }

    fn sysctls(&self) -> Found {
        let bad: Vec<&str> = items(self.security(), "sysctls").iter().map(|it| text(it, "name")).filter(|it| !SYSCTLS.contains(it)).collect();
        (!bad.is_empty()).then(|| ("forbidden sysctls", bad.join(", ")))
    }

    fn host_process(&self) -> Found {
        let is_bad = |security: &Value| security["windowsOptions"]["hostProcess"] == true;
        let who = setters(is_bad(self.security()), &self.names(|it| is_bad(&it["securityContext"])))?;
        Some(("hostProcess", format!("{who} must not set securityContext.windowsOptions.hostProcess=true")))
    }

    fn escalation(&self) -> Found {
        let names = self.names(|it| it["securityContext"]["allowPrivilegeEscalation"] != false);
        let detail = || format!("{} must set securityContext.allowPrivilegeEscalation=false", containers(&names));
        (!names.is_empty()).then(|| ("allowPrivilegeEscalation != false", detail()))
    }

    fn capabilities(&self) -> Found {
        let keeping = self.names(|it| !items(&it["securityContext"]["capabilities"], "drop").iter().any(|it| it == "ALL"));
        let mut parts = Vec::new();
        if !keeping.is_empty() {
            parts.push(format!("{} must set securityContext.capabilities.drop=[\"ALL\"]", containers(&keeping)));
        }
        if let Some((names, added)) = self.adding(&["NET_BIND_SERVICE"]) {
            parts.push(format!("{} must not include {added} in securityContext.capabilities.add", containers(&names)));
        }
        (!parts.is_empty()).then(|| ("unrestricted capabilities", parts.join("; ")))
    }

    fn volumes(&self) -> Found {
        let kind = |volume: &Value| {
            let fields = volume.as_object().into_iter().flatten().map(|(field, _)| field.to_string());
            fields.filter(|it| it != "name" && !VOLUMES.contains(&it.as_str())).min()
        };
        let bad: Vec<&Value> = items(self.spec, "volumes").iter().filter(|it| kind(it).is_some()).collect();
        let names: Vec<&str> = bad.iter().map(|it| text(it, "name")).collect();
        let kinds: BTreeSet<String> = bad.iter().filter_map(|it| kind(it)).collect();
        let use_ = if names.len() == 1 { "uses" } else { "use" };
        let type_ = if kinds.len() == 1 { "type" } else { "types" };
        let list = quoted(kinds.iter().map(String::as_str));
        let detail = || format!("{} {use_} restricted volume {type_} {list}", several("volume", "volumes", &names));
        (!names.is_empty()).then(|| ("restricted volume types", detail()))
    }

    fn non_root(&self) -> Found {
        if self.has_own_users() {
            return None;
        }
        let of = |security: &Value| security["runAsNonRoot"].as_bool();
        let explicit = self.names(|it| of(&it["securityContext"]) == Some(false));
        let implicit = self.names(|it| of(&it["securityContext"]).is_none() && of(self.security()) != Some(true));
        const REASON: &str = "runAsNonRoot != true";
        if let Some(who) = setters(of(self.security()) == Some(false), &explicit) {
            return Some((REASON, format!("{who} must not set securityContext.runAsNonRoot=false")));
        }
        (!implicit.is_empty()).then(|| (REASON, format!("pod or {} must set securityContext.runAsNonRoot=true", containers(&implicit))))
    }

    fn root_user(&self) -> Found {
        if self.has_own_users() {
            return None;
        }
        let is_bad = |security: &Value| security["runAsUser"] == 0;
        let who = setters(is_bad(self.security()), &self.names(|it| is_bad(&it["securityContext"])))?;
        Some(("runAsUser=0", format!("{who} must not set runAsUser=0")))
    }

    fn seccomp(&self) -> Found {
        let of = |security: &Value| security["seccompProfile"]["type"].as_str().map(str::to_owned);
        let is_bad = |it: &Option<String>| it.as_deref().is_some_and(|it| it != "RuntimeDefault" && it != "Localhost");
        let pod = of(self.security());
        let explicit = self.names(|it| is_bad(&of(&it["securityContext"])));
        let implicit = self.names(|it| of(&it["securityContext"]).is_none() && pod.is_none());
        const REASON: &str = "seccompProfile";
        if let Some(who) = setters(is_bad(&pod), &explicit) {
            let all = std::iter::once(pod).chain(self.containers.iter().map(|it| of(&it["securityContext"])));
            let bad: BTreeSet<String> = all.filter(is_bad).flatten().collect();
            return Some((REASON, format!("{who} must not set securityContext.seccompProfile.type to {}", quoted(bad.iter().map(String::as_str)))));
        }
        let detail = || format!("pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"", containers(&implicit));
        (!implicit.is_empty()).then(|| (REASON, detail()))
    }
}
