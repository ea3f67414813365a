//! LimitRanges: the sizes that containers get where they name none, and those that are refused.
//!
//! # Source
//! kubernetes 1.36.3 `plugin/pkg/admission/limitranger/admission.go`. Where several sizes are wrong, the real server names them in an order of chance; here it
//! is that of their names.

use super::super::failure::{Failure, Result};
use super::super::kinds::Kind;
use super::super::schema::quantity::Quantity;
use super::super::world::World;
use super::{items, text};
use crate::sim::json::{Value, json};

const NOTE: &str = "kubernetes.io/limit-ranger";

fn ranges(world: &World, namespace: &str) -> Vec<std::sync::Arc<Value>> {
    world.list(Kind::LIMITRANGES, Some(namespace)).cloned().collect()
}

/// Gives the containers of a new pod the sizes that they do not name.
pub fn complete(world: &World, pod: &mut Value) {
    for range in ranges(world, text(&pod["metadata"], "namespace")) {
        let limits: Vec<&Value> = items(&range["spec"], "limits").iter().filter(|it| it["type"] == "Container").collect();
        let mut set = Vec::new();
        for (list, called) in [("containers", "container"), ("initContainers", "init container")] {
            for container in pod["spec"].get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                let name = text(container, "name").to_owned();
                for (from, to, word) in [("defaultRequest", "requests", "request"), ("default", "limits", "limit")] {
                    let mut names = Vec::new();
                    for (resource, size) in limits.iter().flat_map(|it| it[from].as_object().into_iter().flatten()) {
                        if container["resources"][to][resource.as_str()].is_null() {
                            if !container["resources"][to].is_object() {
                                container["resources"][to] = json!({});
                            }
                            container["resources"][to][resource.as_str()] = size.clone();
                            names.push(resource.to_string());
                        }
                    }
                    names.sort();
                    if !names.is_empty() {
                        set.push(format!("{} {word} for {called} {name}", names.join(", ")));
                    }
                }
            }
        }
        if !set.is_empty() {
            if !pod["metadata"]["annotations"].is_object() {
                pod["metadata"]["annotations"] = json!({});
            }
            pod["metadata"]["annotations"][NOTE] = format!("LimitRanger plugin set: {}", set.join("; ")).into();
        }
    }
}

/// Whether the sizes of a pod or a claim are within all ranges of its namespace.
///
/// # Errors
/// `Forbidden`, with everything that one of the ranges forbids.
pub fn check(world: &World, kind: Kind, object: &Value) -> Result<()> {
    let metadata = &object["metadata"];
    for range in ranges(world, text(metadata, "namespace")) {
        let mut wrong = Vec::new();
        for limit in items(&range["spec"], "limits") {
            match (text(limit, "type"), kind) {
                ("Container", Kind::PODS) => {
                    for container in items(&object["spec"], "containers").iter().chain(items(&object["spec"], "initContainers")) {
                        let resources = &container["resources"];
                        sizes(&mut wrong, "Container", limit, &|name| of(&resources["requests"], name), &|name| of(&resources["limits"], name));
                    }
                }
                ("Pod", Kind::PODS) => {
                    let sum = |field: &'static str| move |name: &str| of_pod(&object["spec"], field, name);
                    sizes(&mut wrong, "Pod", limit, &sum("requests"), &sum("limits"));
                }
                ("PersistentVolumeClaim", Kind::PERSISTENTVOLUMECLAIMS) => {
                    let asked = |name: &str| of(&object["spec"]["resources"]["requests"], name);
                    for (name, most) in bounds(limit, "max") {
                        match asked(&name) {
                            None => wrong.push(format!("maximum {name} usage per PersistentVolumeClaim is {most}.  No request is specified")),
                            Some(size) if size.nano() > most.nano() => {
                                wrong.push(format!("maximum {name} usage per PersistentVolumeClaim is {most}, but request is {size}"));
                            }
                            _ => {}
                        }
                    }
                    least(&mut wrong, "PersistentVolumeClaim", limit, &asked, &|_| None);
                }
                _ => {}
            }
        }
        let mut said: Vec<String> = Vec::new();
        for one in wrong {
            if !said.contains(&one) {
                said.push(one);
            }
        }
        match said.as_slice() {
            [] => {}
            [one] => return Err(Failure::forbidden(kind, text(metadata, "name"), one)),
            several => return Err(Failure::forbidden(kind, text(metadata, "name"), &format!("[{}]", several.join(", ")))),
        }
    }
    Ok(())
}

/// A size of a list of sizes.
fn of(sizes: &Value, name: &str) -> Option<Quantity> {
    sizes[name].as_str().and_then(|it| Quantity::parse(it).ok())
}

/// What all containers of a pod have together, or its greatest init container alone where that has more.
pub fn of_pod(spec: &Value, field: &str, name: &str) -> Option<Quantity> {
    let (sidecars, inits): (Vec<&Value>, Vec<&Value>) = items(spec, "initContainers").iter().partition(|it| it["restartPolicy"] == "Always");
    let mut together: Option<Quantity> = None;
    for container in items(spec, "containers").iter().chain(sidecars) {
        if let Some(size) = of(&container["resources"][field], name) {
            together = Some(together.map_or(size.clone(), |it| it.plus(&size)));
        }
    }
    let first = inits.into_iter().filter_map(|it| of(&it["resources"][field], name)).max_by_key(Quantity::nano);
    match (together, first) {
        (Some(together), Some(first)) => Some(if first.nano() > together.nano() { first } else { together }),
        (together, first) => together.or(first),
    }
}

fn bounds(limit: &Value, which: &str) -> Vec<(String, Quantity)> {
    let all = limit[which].as_object().into_iter().flatten();
    all.filter_map(|(name, size)| Some((name.to_string(), Quantity::parse(size.as_str()?).ok()?))).collect()
}

type Size<'a> = &'a dyn Fn(&str) -> Option<Quantity>;

fn sizes(wrong: &mut Vec<String>, per: &str, limit: &Value, request: Size<'_>, most: Size<'_>) {
    least(wrong, per, limit, request, most);
    for (name, bound) in bounds(limit, "max") {
        match (request(&name), most(&name)) {
            (_, None) => wrong.push(format!("maximum {name} usage per {per} is {bound}.  No limit is specified")),
            (_, Some(limit)) if limit.nano() > bound.nano() => wrong.push(format!("maximum {name} usage per {per} is {bound}, but limit is {limit}")),
            (Some(request), _) if request.nano() > bound.nano() => wrong.push(format!("maximum {name} usage per {per} is {bound}, but request is {request}")),
            _ => {}
        }
    }
    for (name, bound) in bounds(limit, "maxLimitRequestRatio") {
        let head = format!("{name} max limit to request ratio per {per} is {bound}, but");
        let some = |it: Option<Quantity>| it.map(|it| it.nano()).filter(|it| *it != 0);
        match (some(request(&name)), some(most(&name))) {
            (None, _) => wrong.push(format!("{head} no request is specified or request is 0")),
            (_, None) => wrong.push(format!("{head} no limit is specified or limit is 0")),
            (Some(request), Some(limit)) => {
                let ratio = limit as f64 / request as f64;
                if ratio * 1e9 > bound.nano() as f64 {
                    wrong.push(format!("{head} provided ratio is {ratio:.6}"));
                }
            }
        }
    }
}

fn least(wrong: &mut Vec<String>, per: &str, limit: &Value, request: Size<'_>, most: Size<'_>) {
    for (name, bound) in bounds(limit, "min") {
        match (request(&name), most(&name)) {
            (None, _) => wrong.push(format!("minimum {name} usage per {per} is {bound}.  No request is specified")),
            (Some(request), _) if request.nano() < bound.nano() => wrong.push(format!("minimum {name} usage per {per} is {bound}, but request is {request}")),
            (_, Some(limit)) if limit.nano() < bound.nano() => wrong.push(format!("minimum {name} usage per {per} is {bound}, but limit is {limit}")),
            _ => {}
        }
    }
}
