//! Writes after which everybody owns what they owned before, which most writes of controllers are: only the time of the writer's entry moves.
//!
//! The entries are compared as they are written; what they share with those of other objects stays shared.

use super::managed::Owner;
use super::{MAX_UPDATE_MANAGERS, Writer, compare, reset, stripped};
use crate::sim::json::{Text, Value};
use crate::sim::schema::Type;

/// The entries of `new` after its update, where the sets of all owners stay; `None` where they do not, or where it is not known.
///
/// Must be what `Managed::update` makes of them.
pub(super) fn entries(ty: &'static Type, live: &Value, new: &Value, writer: Writer<'_>) -> Option<Value> {
    let of_live = &live["metadata"]["managedFields"];
    let list = of_live.as_array().filter(|it| !it.is_empty())?;
    if writer.subresource.is_empty() && !of_live.is_same(&new["metadata"]["managedFields"]) {
        return None;
    }
    if list.iter().filter(|it| it["operation"] == "Update").count() > MAX_UPDATE_MANAGERS {
        return None;
    }
    let comparison = compare(ty, live, new).filtered(|set| reset(ty, writer.subresource, set));
    let changed = comparison.changed();
    let own = stripped(&reset(ty, writer.subresource, &changed));
    let owner = Owner::update(writer);
    let mut at_own = None;
    for (at, entry) in list.iter().enumerate() {
        if owner.is_of(entry) {
            at_own = Some(at);
            if comparison.removed.meets(&entry["fieldsV1"]) || !own.is_within(&entry["fieldsV1"]) {
                return None;
            }
        } else if entry["apiVersion"] == writer.api_version && (changed.meets(&entry["fieldsV1"]) || comparison.removed.meets(&entry["fieldsV1"])) {
            return None;
        }
    }
    if own.is_empty() {
        return Some(of_live.clone());
    }
    let at_own = at_own?;
    let time = Value::from(super::managed::time(writer));
    if list[at_own]["time"] == time {
        return Some(of_live.clone());
    }
    let mut list = list.clone();
    list[at_own]["time"] = time;
    // As `Managed::to_list` has them.
    list.sort_by_cached_key(|entry| {
        let text = |field: &str| entry[field].as_text().cloned().unwrap_or_default();
        let seconds = entry["time"].as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok()).map_or(0, jiff::Timestamp::as_second);
        let key: (bool, i64, Text, Text, Text) = (entry["operation"] == "Update", seconds, text("manager"), text("apiVersion"), text("subresource"));
        key
    });
    Some(Value::from(list))
}
