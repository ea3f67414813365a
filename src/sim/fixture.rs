//! What a simulated cluster starts with: its nodes, and the small shop or the given manifests, all lived through before the present.

use jiff::{SignedDuration, Timestamp};

use super::api::{Caller, Subresource};
use super::kinds::Kind;
use super::kubelet::node;
use super::world::{Options, World};
use crate::error::{Error, ErrorKind, Result};
use crate::sim::json::{Value, json};

/// How old the shop is.
const SHOP: SignedDuration = SignedDuration::from_hours(6);
/// How long given manifests have to settle.
const SETTLING: SignedDuration = SignedDuration::from_mins(10);

/// How long before the present the cluster was made.
pub fn past(options: &Options) -> SignedDuration {
    if options.manifests.is_some() { SETTLING } else { SHOP }
}

/// Plays the past: everything that happened before `present`.
///
/// # Errors
/// `invalid` when a manifest is refused: which, and why.
pub fn play(world: &mut World, options: &Options, present: Timestamp) -> Result<()> {
    node::boot(world, options.nodes);
    // Namespaces get what every namespace has before anything is put into them.
    pass(world, SignedDuration::from_secs(1));
    match &options.manifests {
        Some(manifests) => create_all(world, manifests),
        None => play_shop(world, present),
    }
}

fn pass(world: &mut World, time: SignedDuration) {
    let until = world.now().saturating_add(time).unwrap_or(world.now());
    world.run(until);
}

/// Who made what a cluster starts with: whoever types at it first then meets no field of a stranger's.
const MANAGER: &str = "rollsh";

fn administrator() -> Caller {
    Caller { user: "kubernetes-admin".to_owned(), ..Caller::component(MANAGER) }
}

pub(super) fn create_all(world: &mut World, manifests: &[serde_json::Value]) -> Result<()> {
    for (at, manifest) in manifests.iter().enumerate() {
        let manifest = Value::from(manifest);
        let items = if manifest["kind"] == "List" { manifest["items"].as_array().unwrap_or_default().to_vec() } else { vec![manifest] };
        for item in items {
            create(world, item).map_err(|error| Error::new(error.kind(), format!("manifest {}: {}", at + 1, error.message())))?;
        }
    }
    Ok(())
}

fn create(world: &mut World, mut object: Value) -> Result<()> {
    let words = |field: &Value| field.as_str().unwrap_or_default().to_owned();
    let (version, kind) = (words(&object["apiVersion"]), words(&object["kind"]));
    let name = words(&object["metadata"]["name"]);
    let served = world.kind_of(&version, &kind).ok_or_else(|| Error::new(ErrorKind::Invalid, format!("no kind {kind:?} in version {version:?} is served")))?;
    if served.namespaced() && object["metadata"]["namespace"].is_null() {
        object["metadata"]["namespace"] = Value::from("default");
    }
    let status = object["status"].clone();
    let refused = |failure: super::failure::Failure| Error::new(ErrorKind::Invalid, format!("{}/{name}: {failure}", served.singular()));
    let created = world.create(served, object, &administrator()).map_err(refused)?;
    // What a file defines is served before the next object of the file is made.
    if served == Kind::CUSTOMRESOURCEDEFINITIONS {
        pass(world, SignedDuration::from_secs(1));
    }
    // A node that somebody describes in a file has no kubelet that could report its status.
    if served == Kind::NODES && !status.is_null() {
        let mut copy = Value::clone(&created);
        copy["status"] = status;
        world.update(served, copy, Subresource::Status, &administrator()).map_err(refused)?;
    }
    Ok(())
}

/// Something that happened in the shop, so many minutes before the present.
struct Happening {
    minutes_ago: i64,
    what: What,
}

enum What {
    Create(Value),
    /// A new image and its change cause.
    Release {
        kind: Kind,
        name: &'static str,
        image: &'static str,
        cause: &'static str,
    },
}

fn play_shop(world: &mut World, present: Timestamp) -> Result<()> {
    for Happening { minutes_ago, what } in shop() {
        let at = present.saturating_sub(SignedDuration::from_mins(minutes_ago)).unwrap_or(present);
        world.run(at);
        match what {
            What::Create(object) => create(world, object)?,
            What::Release { kind, name, image, cause } => release(world, kind, name, image, cause)?,
        }
    }
    Ok(())
}

fn release(world: &mut World, kind: Kind, name: &str, image: &str, cause: &str) -> Result<()> {
    let refused = |failure: super::failure::Failure| Error::new(ErrorKind::Invalid, format!("{}/{name}: {failure}", kind.singular()));
    let mut object = Value::clone(&*world.get(kind, "default", name).map_err(refused)?);
    object["spec"]["template"]["spec"]["containers"][0]["image"] = Value::from(image);
    object["metadata"]["annotations"]["kubernetes.io/change-cause"] = Value::from(cause);
    world.update(kind, object, Subresource::Main, &administrator()).map_err(refused)?;
    Ok(())
}

fn shop() -> Vec<Happening> {
    let happened = |minutes_ago, what| Happening { minutes_ago, what };
    let release = |kind, name, image, cause| What::Release { kind, name, image, cause };
    vec![
        happened(355, What::Create(configuration())),
        happened(355, What::Create(service())),
        happened(354, What::Create(web())),
        happened(350, What::Create(database_service())),
        happened(350, What::Create(database())),
        happened(345, What::Create(agent())),
        happened(240, release(Kind::DEPLOYMENTS, "web", "shop/web:2", "web 2: the new basket")),
        happened(200, release(Kind::STATEFULSETS, "db", "shop/db:16", "db 16: the yearly upgrade")),
        happened(150, release(Kind::DAEMONSETS, "agent", "shop/agent:2", "agent 2: less memory")),
        happened(45, release(Kind::DEPLOYMENTS, "web", "shop/web:3", "web 3: faster checkout")),
    ]
}

fn probe(path: &str) -> Value {
    json!({"httpGet": {"path": path, "port": 8080}, "periodSeconds": 2})
}

fn web() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "labels": {"app": "web"}, "annotations": {"kubernetes.io/change-cause": "web 1: the shop opens"}},
        "spec": {
            "replicas": 3, "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{
                    "name": "web", "image": "shop/web:1", "ports": [{"name": "http", "containerPort": 8080}],
                    "envFrom": [{"configMapRef": {"name": "web"}}],
                    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
                    "readinessProbe": probe("/healthz"),
                }]},
            },
        },
    })
}

fn database() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "db", "labels": {"app": "db"}, "annotations": {"kubernetes.io/change-cause": "db 15: the first data"}},
        "spec": {
            "serviceName": "db", "replicas": 3, "selector": {"matchLabels": {"app": "db"}},
            "template": {
                "metadata": {"labels": {"app": "db"}},
                "spec": {"containers": [{
                    "name": "db", "image": "shop/db:15", "ports": [{"name": "sql", "containerPort": 5432}],
                    "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
                }]},
            },
        },
    })
}

fn agent() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"name": "agent", "labels": {"app": "agent"}, "annotations": {"kubernetes.io/change-cause": "agent 1: watching over the shop"}},
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "template": {
                "metadata": {"labels": {"app": "agent"}},
                "spec": {"containers": [{"name": "agent", "image": "shop/agent:1", "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}}}]},
            },
        },
    })
}

fn service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    })
}

fn database_service() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "db", "labels": {"app": "db"}},
        "spec": {"clusterIP": "None", "selector": {"app": "db"}, "ports": [{"name": "sql", "port": 5432}]},
    })
}

fn configuration() -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "web", "labels": {"app": "web"}},
        "data": {"BASKET_LIMIT": "50", "CURRENCY": "EUR"},
    })
}
