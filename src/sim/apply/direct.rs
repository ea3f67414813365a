//! What most writes make of the entries, worked out on them as they are written: of what a write does not change, nothing is read, and it stays shared.

use super::managed::Owner;
use super::{MAX_UPDATE_MANAGERS, Reset, Writer, resets};
use crate::sim::fields::typed::difference;
use crate::sim::fields::written::{gained, is_owned, lost};
use crate::sim::json::{Map, Text, Value, json};
use crate::sim::schema::Type;

/// The entries of `new` after its update; `None` where that takes a closer look. Must be what `Managed::update` makes of them.
///
/// The entries that it starts from were written by the server and stand as it writes them; those that a request brings are read first.
pub(super) fn entries(ty: &'static Type, live: Option<&Value>, new: &Value, writer: Writer<'_>) -> Option<Value> {
    let of_new = &new["metadata"]["managedFields"];
    let present = match live {
        None if of_new.is_null() => &[][..],
        None => return None,
        Some(live) => {
            let of_live = &live["metadata"]["managedFields"];
            if writer.subresource.is_empty() && of_live != of_new {
                return None;
            }
            of_live.as_array().filter(|it| !it.is_empty())?
        }
    };
    // A write of a size leaves an entry without a time, which may be of a manager that has one already: the two become one when they are read.
    if present.iter().any(|it| it["time"].is_null()) || present.iter().filter(|it| it["operation"] == "Update").count() >= MAX_UPDATE_MANAGERS {
        return None;
    }
    let skip = match resets(ty, writer.subresource) {
        Reset::Nothing => &[][..],
        Reset::Below(paths) => paths,
        Reset::AllBut(_) => return None,
    };
    let nodes = difference(ty, live.unwrap_or_else(|| ty.zero()), new, skip)?;
    let owner = Owner::update(writer);
    let is_owned = is_owned(&nodes);
    let time = is_owned.then(|| Value::from(super::managed::time(writer)));
    let (mut list, mut has_own, mut is_new) = (Vec::with_capacity(present.len() + 1), false, false);
    for entry in present {
        let fields = entry["fieldsV1"].as_object()?;
        let is_own = owner.is_of(entry);
        let after = match () {
            () if is_own => gained(fields, &nodes),
            () if entry["apiVersion"] == writer.api_version => lost(fields, &nodes),
            () => None,
        };
        has_own |= is_own;
        let mut entry = entry.clone();
        if let Some(after) = after {
            is_new = true;
            if after.is_empty() {
                continue;
            }
            entry["fieldsV1"] = Value::Object(after);
        }
        if is_own
            && let Some(time) = &time
            && entry["time"] != *time
        {
            is_new = true;
            entry["time"] = time.clone();
        }
        list.push(entry);
    }
    if let Some(time) = time.filter(|_| !has_own) {
        is_new = true;
        let manager = if writer.manager.is_empty() { "unknown" } else { writer.manager };
        let fields = gained(&Map::new(), &nodes)?;
        let mut entry =
            json!({ "apiVersion": writer.api_version, "fieldsType": "FieldsV1", "fieldsV1": fields, "manager": manager, "operation": "Update", "time": time });
        if !writer.subresource.is_empty() {
            entry["subresource"] = writer.subresource.into();
        }
        list.push(entry);
    }
    if let (false, Some(live)) = (is_new, live) {
        return Some(live["metadata"]["managedFields"].clone());
    }
    if list.len() > 1 {
        // As `Managed::to_list` has them.
        list.sort_by_cached_key(|entry| {
            let text = |field: &str| entry[field].as_text().cloned().unwrap_or_default();
            let seconds = entry["time"].as_str().and_then(|time| time.parse::<jiff::Timestamp>().ok()).map_or(0, jiff::Timestamp::as_second);
            let key: (bool, i64, Text, Text, Text) = (entry["operation"] == "Update", seconds, text("manager"), text("apiVersion"), text("subresource"));
            key
        });
    }
    Some(if list.is_empty() { Value::Null } else { Value::from(list) })
}
