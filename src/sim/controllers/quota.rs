//! ResourceQuotas' status: how much of each quota is used, counted anew when a quota changes or when something in its namespace goes away.
//!
//! Not here: refusing what is too much (`admission::quota`), which also charges a quota at once for what it lets through.
//!
//! # Source
//! kubernetes 1.36.3 `pkg/controller/resourcequota/resource_quota_controller.go`.

use super::client::{self, Component};
use super::object::namespace;
use super::{Controller, Key, queue};
use crate::sim::admission::quota::{Usage, add_all, amounts, as_value, count_of, counts, in_scope, usage};
use crate::sim::failure::Result;
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;
use crate::sim::schema::quantity::{Format, Quantity};
use crate::sim::store::{Change, LogEntry};
use crate::sim::world::World;

/// Looks at the quotas of a namespace in which something became less.
pub fn observe(world: &mut World, entry: &LogEntry) {
    let (kind, object) = (entry.kind, &entry.object);
    if kind == Kind::RESOURCEQUOTAS && entry.change != Change::Deleted {
        let spec = |it: &Value| it["spec"].clone();
        if entry.previous.as_deref().is_none_or(|before| spec(before) != spec(object)) {
            queue::add(world, Controller::Quota, &Key::of(object));
        }
    }
    if !kind.namespaced() || entry.change == Change::Added || world.list(Kind::RESOURCEQUOTAS, Some(namespace(object))).next().is_none() {
        return;
    }
    let becomes_less = match entry.change {
        Change::Deleted => true,
        // A pod that ends, a Service of another type, a claim that grew.
        _ => {
            matches!(kind, Kind::PODS | Kind::SERVICES | Kind::PERSISTENTVOLUMECLAIMS)
                && entry.previous.as_deref().is_some_and(|before| usage(kind, before) != usage(kind, object))
        }
    };
    if !becomes_less {
        return;
    }
    let quotas: Vec<Key> = world.list(Kind::RESOURCEQUOTAS, Some(namespace(object))).filter(|it| concerns(it, kind)).map(|it| Key::of(it)).collect();
    quotas.iter().for_each(|key| queue::add(world, Controller::Quota, key));
}

fn concerns(quota: &Value, kind: Kind) -> bool {
    quota["spec"]["hard"].as_object().is_some_and(|hard| hard.into_iter().any(|(name, _)| counts(kind, name)))
}

/// Counts what a quota is about.
pub fn sync(world: &mut World, key: &Key) -> Result<()> {
    let Some(quota) = client::get(world, Kind::RESOURCEQUOTAS, &key.namespace, &key.name) else { return Ok(()) };
    let hard = quota["spec"]["hard"].clone();
    let limits = amounts(&hard);
    let mut all = Usage::new();
    let kinds: Vec<Kind> =
        world.stored_kinds().filter(|kind| kind.namespaced() && limits.keys().any(|name| counts(*kind, name) || *name == count_of(*kind))).collect();
    for kind in kinds {
        for object in client::list(world, kind, Some(&key.namespace)) {
            if in_scope(&quota, kind, &object) {
                add_all(&mut all, usage(kind, &object));
            }
        }
    }
    let none = || Quantity::of_nano(0, Format::DecimalSi);
    let used: Usage = limits.into_keys().map(|name| (name.clone(), all.remove(&name).unwrap_or_else(none))).collect();
    let status = json!({ "hard": hard, "used": as_value(&used) });
    if quota["status"] == status {
        return Ok(());
    }
    let mut copy = Value::clone(&quota);
    copy["status"] = status;
    match client::update_status(world, Component::ResourceQuota, Kind::RESOURCEQUOTAS, copy) {
        Err(failure) if !failure.is_not_found() => Err(failure),
        _ => Ok(()),
    }
}
