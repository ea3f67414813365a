//! Pod security by the labels of a namespace: what `enforce` refuses and what `warn` warns of.
//!
//! # Limits
//! Every version of a level is judged as the newest one is. `audit` is read and checked, but there is no audit log that it could stand in. Nobody is exempt.
//!
//! # Source
//! `k8s.io/pod-security-admission` 0.36: `admission/admission.go`, `policy/registry.go`.

mod checks;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::super::failure::{Failure, FieldError, Result};
use super::super::kinds::Kind;
use super::super::world::World;
use super::text;
use crate::sim::json::Value;

const PREFIX: &str = "pod-security.kubernetes.io/";
const LEVELS: [&str; 3] = ["privileged", "baseline", "restricted"];
const MODES: [&str; 3] = ["enforce", "audit", "warn"];

/// How strict one mode of a namespace is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Policy {
    /// The place among the levels.
    level: usize,
    version: String,
}

impl Policy {
    fn of(namespace: &Value, mode: &str) -> Self {
        let label = |name: String| namespace["metadata"]["labels"][format!("{PREFIX}{name}").as_str()].as_str();
        // What is not understood is taken for the strictest.
        let level = label(mode.to_owned()).map_or(0, |it| LEVELS.iter().position(|level| *level == it).unwrap_or(LEVELS.len() - 1));
        Self { level, version: label(format!("{mode}-version")).unwrap_or("latest").to_owned() }
    }

    fn name(&self) -> String {
        format!("{}:{}", LEVELS[self.level], self.version)
    }

    /// What a pod of this spec breaks: each with its reason, and the details of it.
    fn broken(&self, spec: &Value) -> Vec<(&'static str, String)> {
        match self.level {
            0 => Vec::new(),
            level => checks::broken(spec, level == LEVELS.len() - 1),
        }
    }
}

fn words(broken: &[(&'static str, String)]) -> String {
    broken.iter().map(|(reason, detail)| format!("{reason} ({detail})")).collect::<Vec<_>>().join(", ")
}

/// Judges a pod, or what makes pods, that is about to be written.
///
/// # Errors
/// `Forbidden` for a pod that the namespace does not allow.
pub fn check(world: &mut World, kind: Kind, object: &Value) -> Result<()> {
    let spec = match kind {
        Kind::PODS => &object["spec"],
        Kind::PODTEMPLATES => &object["template"]["spec"],
        Kind::CRONJOBS => &object["spec"]["jobTemplate"]["spec"]["template"]["spec"],
        Kind::DEPLOYMENTS | Kind::REPLICASETS | Kind::STATEFULSETS | Kind::DAEMONSETS | Kind::JOBS | Kind::REPLICATIONCONTROLLERS => {
            &object["spec"]["template"]["spec"]
        }
        _ => return Ok(()),
    };
    let Some(namespace) = world.find(Kind::NAMESPACES, "", text(&object["metadata"], "namespace")) else { return Ok(()) };
    let (enforce, warn) = (Policy::of(namespace, "enforce"), Policy::of(namespace, "warn"));
    if kind == Kind::PODS {
        let broken = enforce.broken(spec);
        if !broken.is_empty() {
            let why = format!("violates PodSecurity \"{}\": {}", enforce.name(), words(&broken));
            return Err(Failure::forbidden(kind, text(&object["metadata"], "name"), &why));
        }
    }
    let broken = warn.broken(spec);
    if !broken.is_empty() {
        world.warnings.push(format!("would violate PodSecurity \"{}\": {}", warn.name(), words(&broken)));
    }
    Ok(())
}

/// Judges the labels of a namespace that is about to be written, and warns of the pods in it that a stricter level would refuse.
///
/// # Errors
/// `Invalid` for what is no level and no version.
pub fn check_namespace(world: &mut World, namespace: &Value, old: Option<&Value>) -> Result<()> {
    let errors = wrong_labels(namespace);
    let name = text(&namespace["metadata"], "name");
    if !errors.is_empty() {
        let said = |errors: &[FieldError]| errors.iter().map(ToString::to_string).collect::<Vec<_>>();
        // What was wrong before may stay.
        if old.is_none_or(|old| said(&wrong_labels(old)) != said(&errors)) {
            return Err(Failure::invalid(Kind::NAMESPACES, name, errors));
        }
        return Ok(());
    }
    let Some(old) = old else { return Ok(()) };
    let (before, after) = (Policy::of(old, "enforce"), Policy::of(namespace, "enforce"));
    if after == before || after.level == 0 || (after.version == before.version && after.level <= before.level) {
        return Ok(());
    }
    // By what is wrong with them: the first pod, and how many there are.
    let mut found: BTreeMap<String, (String, usize)> = BTreeMap::new();
    for pod in world.list(Kind::PODS, Some(name)) {
        let broken = after.broken(&pod["spec"]);
        if !broken.is_empty() {
            let reasons = broken.iter().map(|(reason, _)| *reason).collect::<Vec<_>>().join(", ");
            found.entry(reasons).or_insert_with(|| (text(&pod["metadata"], "name").to_owned(), 0)).1 += 1;
        }
    }
    let mut lines: Vec<String> = found
        .into_iter()
        .map(|(reasons, (pod, count))| match count {
            1 => format!("{pod}: {reasons}"),
            2 => format!("{pod} (and 1 other pod): {reasons}"),
            more => format!("{pod} (and {} other pods): {reasons}", more - 1),
        })
        .collect();
    lines.sort();
    if !lines.is_empty() {
        world.warnings.push(format!("existing pods in namespace \"{name}\" violate the new PodSecurity enforce level \"{}\"", after.name()));
        world.warnings.append(&mut lines);
    }
    Ok(())
}

fn wrong_labels(namespace: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let labels = &namespace["metadata"]["labels"];
    for mode in MODES {
        let field = |name: &str| format!("metadata.labels[{PREFIX}{name}]");
        if let Some(level) = labels[format!("{PREFIX}{mode}").as_str()].as_str().filter(|it| !LEVELS.contains(it)) {
            errors.push(FieldError::invalid(field(mode), level, format!("must be one of {}", LEVELS.join(", "))));
        }
        let name = format!("{mode}-version");
        if let Some(version) = labels[format!("{PREFIX}{name}").as_str()].as_str().filter(|it| !is_version(it)) {
            errors.push(FieldError::invalid(field(&name), version, "must be \"latest\" or \"v1.x\""));
        }
    }
    errors
}

fn is_version(text: &str) -> bool {
    let minor = |it: &str| it == "0" || (!it.starts_with('0') && !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit()));
    text == "latest" || text.strip_prefix("v1.").is_some_and(minor)
}
