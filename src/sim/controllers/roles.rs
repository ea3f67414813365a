//! Cluster roles that are put together from others by their labels: `admin`, `edit` and `view`, and those of users.
//!
//! # Source
//! kubernetes 1.36.3 `pkg/controller/clusterroleaggregation/clusterroleaggregation_controller.go`.

use jiff::SignedDuration;

use super::client::{self, Component};
use super::object::{labels, list, name, selects};
use super::{Controller, Key, queue};
use crate::sim::api::{Caller, Subresource};
use crate::sim::failure::Result;
use crate::sim::fault;
use crate::sim::json::{Value, json};
use crate::sim::kinds::Kind;
use crate::sim::manage::Applied;
use crate::sim::store::LogEntry;
use crate::sim::world::World;

/// From a change to the reaction; the same each time, so that roles do not move the world's chance.
const LATENCY: SignedDuration = SignedDuration::from_millis(12);

/// A role that others may be put together from, or that is itself.
pub fn observe(world: &mut World, entry: &LogEntry) {
    let counts = |role: &Value| labels(role).is_some() || role["aggregationRule"].is_object();
    if !counts(&entry.object) && !entry.previous.as_deref().is_some_and(counts) {
        return;
    }
    let whole: Vec<Key> = world.list(Kind::CLUSTERROLES, None).filter(|it| it["aggregationRule"].is_object()).map(|it| Key::of(it)).collect();
    for key in whole {
        queue::add_after(world, Controller::RoleAggregation, &key, LATENCY);
    }
}

/// Gives a role the rules of all that it is put together from.
pub fn sync(world: &mut World, key: &Key) -> Result<()> {
    let Some(role) = client::get(world, Kind::CLUSTERROLES, "", &key.name) else { return Ok(()) };
    if !role["aggregationRule"].is_object() {
        return Ok(());
    }
    let mut rules: Vec<Value> = Vec::new();
    for selector in list(&role["aggregationRule"]["clusterRoleSelectors"]) {
        for part in world.list(Kind::CLUSTERROLES, None).filter(|it| name(it) != key.name && selects(selector, labels(it))) {
            for rule in list(&part["rules"]) {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
    }
    if rules == list(&role["rules"]) {
        return Ok(());
    }
    fault::before_component(world, Component::RoleAggregation.manager(), "patch", Kind::CLUSTERROLES)?;
    let body = json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": { "name": key.name }, "rules": rules }).to_string();
    let applied = Applied { body: body.as_bytes(), force: true, part: Subresource::Main };
    let caller = Caller { manager: "clusterrole-aggregation-controller".to_owned(), ..Component::RoleAggregation.caller() };
    world.apply(Kind::CLUSTERROLES, "", &key.name, &applied, &caller).map(|_| ())
}
