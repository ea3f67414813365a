//! The entries of `managedFields`: reading, writing, and what updates and applies do to them.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;

use super::{
    Comparison, Conflict, MAX_UPDATE_MANAGERS, Place, Refused, Writer, check, compare, decode, field_set, merge, metadata_of, reset, same, show_kind, stripped,
    without,
};
use crate::sim::fields::Set;
use crate::sim::json::{Value, json, literal};
use crate::sim::schema::Type;

/// What tells entries apart: applies of one manager are one entry whatever their version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Owner {
    manager: String,
    updates: bool,
    /// Empty for applies.
    api_version: String,
    subresource: String,
}

impl Owner {
    pub(super) fn update(writer: Writer<'_>) -> Self {
        Owner { updates: true, api_version: writer.api_version.to_owned(), ..Owner::apply(writer) }
    }

    pub(super) fn apply(writer: Writer<'_>) -> Self {
        let manager = if writer.manager.is_empty() { "unknown" } else { writer.manager };
        Owner { manager: manager.to_owned(), updates: false, api_version: String::new(), subresource: writer.subresource.to_owned() }
    }

    /// Whether an entry, as it is written, is this owner's.
    pub(super) fn is_of(&self, entry: &Value) -> bool {
        let has = |field: &str, text: &str| entry[field].as_str().unwrap_or_default() == text;
        has("manager", &self.manager)
            && has("subresource", &self.subresource)
            && has("operation", if self.updates { "Update" } else { "Apply" })
            && (!self.updates || has("apiVersion", &self.api_version))
    }
}

/// As the server sorts them by their JSON, `{"manager":"a","operation":"Update","apiVersion":"v1","subresource":"scale"}`: conflicts name owners in this order.
impl Ord for Owner {
    fn cmp(&self, other: &Self) -> Ordering {
        let quoted = |left: &str, right: &str| left.bytes().chain([b'"']).cmp(right.bytes().chain([b'"']));
        quoted(&self.manager, &other.manager)
            .then(self.updates.cmp(&other.updates))
            .then_with(|| quoted(&self.api_version, &other.api_version))
            // A comma comes before the closing brace.
            .then(self.subresource.is_empty().cmp(&other.subresource.is_empty()))
            .then_with(|| quoted(&self.subresource, &other.subresource))
    }
}

impl PartialOrd for Owner {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.manager)?;
        if !self.subresource.is_empty() {
            write!(out, " with subresource {:?}", self.subresource)?;
        }
        if self.updates {
            write!(out, " using {}", self.api_version)?;
        }
        Ok(())
    }
}

/// One entry.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) set: Set,
    pub(super) api_version: String,
    pub(super) time: Option<String>,
}

/// All entries of an object.
#[derive(Clone, Debug, Default)]
pub(super) struct Managed {
    pub(super) entries: BTreeMap<Owner, Entry>,
}

impl Managed {
    /// Reads a `managedFields` list; absent and null are empty.
    ///
    /// # Errors
    /// The server's text for an entry that it cannot read.
    pub(super) fn read(list: &Value) -> Result<Self, String> {
        let mut managed = Managed::default();
        for (at, entry) in list.as_array().into_iter().flatten().enumerate() {
            let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
            let updates = match entry["operation"].as_str() {
                Some("Apply") => false,
                Some("Update") => true,
                _ => return Err("operation must be `Apply` or `Update`".to_owned()),
            };
            let api_version = text("apiVersion");
            if api_version.is_empty() {
                return Err("apiVersion must not be empty".to_owned());
            }
            match text("fieldsType").as_str() {
                "FieldsV1" => {}
                "" => return Err(format!("missing fieldsType in managed fields entry {at}")),
                other => return Err(format!("invalid fieldsType {other:?} in managed fields entry {at}")),
            }
            let owner = Owner {
                manager: text("manager"),
                updates,
                api_version: if updates { api_version.clone() } else { String::new() },
                subresource: text("subresource"),
            };
            let set = Set::from_json(&entry["fieldsV1"]).map_err(|why| format!("error decoding set: {why}"))?;
            managed.entries.insert(owner, Entry { set, api_version, time: entry["time"].as_str().map(str::to_owned) });
        }
        Ok(managed)
    }

    /// The entries that an update starts from: those in the request, if they can be read, else the live object's. A request with one empty entry resets them.
    pub(super) fn of_live_or_new(live: Option<&Value>, new: &Value, only_live: bool) -> Self {
        let of_live = || live.and_then(|live| Managed::read(&live["metadata"]["managedFields"]).ok()).unwrap_or_default();
        if only_live {
            return of_live();
        }
        match new["metadata"]["managedFields"].as_array() {
            Some([]) => Managed::default(),
            Some([only]) if only.as_object().is_some_and(crate::sim::json::Map::is_empty) => Managed::default(),
            _ => match Managed::read(&new["metadata"]["managedFields"]) {
                Ok(managed) if !managed.entries.is_empty() => managed,
                _ => of_live(),
            },
        }
    }

    /// The list as the server sorts it: applies first, then by time, manager, version and subresource.
    pub(super) fn to_list(&self) -> Vec<Value> {
        let mut sorted: Vec<(&Owner, &Entry)> = self.entries.iter().collect();
        sorted.sort_by_key(|(owner, entry)| {
            let seconds = entry.time.as_deref().and_then(|time| time.parse::<jiff::Timestamp>().ok()).map_or(0, jiff::Timestamp::as_second);
            (owner.updates, seconds, &owner.manager, &entry.api_version, &owner.subresource)
        });
        let write = |(owner, entry): (&Owner, &Entry)| {
            let operation = if owner.updates { "Update" } else { "Apply" };
            let mut row = json!({"manager": owner.manager, "operation": operation, "apiVersion": entry.api_version, "fieldsType": "FieldsV1", "fieldsV1": entry.set.to_json()});
            if let Some(time) = &entry.time {
                row["time"] = time.as_str().into();
            }
            if !owner.subresource.is_empty() {
                row["subresource"] = owner.subresource.as_str().into();
            }
            row
        };
        sorted.into_iter().map(write).collect()
    }

    /// The object with these entries.
    pub(super) fn written_to(&self, object: &Value) -> Value {
        let mut object = object.clone();
        if let Some(metadata) = metadata_of(&mut object) {
            let list = self.to_list();
            if list.is_empty() {
                metadata.remove("managedFields");
            } else {
                metadata.insert(literal!("managedFields"), Value::from(list));
            }
        }
        object
    }

    /// What an update from `live` to `new` makes of the entries: what changed is the writer's, and nobody else's.
    pub(super) fn update(mut self, ty: &'static Type, live: &Value, new: &Value, owner: Owner, writer: Writer<'_>) -> Self {
        // That the entries themselves differ is the server's own doing, which is not owned.
        let comparison = compare(ty, live, new).filtered(|set| reset(ty, writer.subresource, set));
        self.take(&comparison, None, writer.api_version);
        let own = stripped(&reset(ty, writer.subresource, &comparison.changed()));
        if !own.is_empty() {
            let before = self.entries.remove(&owner).map(|entry| entry.set).unwrap_or_default();
            let entry = Entry { set: own.union(&before), api_version: writer.api_version.to_owned(), time: Some(time(writer)) };
            self.entries.insert(owner, entry);
        }
        self
    }

    /// Takes what changed and what is gone from the entries of this version, all but `keep`.
    fn take(&mut self, comparison: &Comparison, keep: Option<&Owner>, api_version: &str) {
        let gone = comparison.changed();
        for (owner, entry) in &mut self.entries {
            if Some(owner) != keep && entry.api_version == api_version {
                entry.set = entry.set.difference(&entry.set.intersection(&gone)).difference(&comparison.removed);
            }
        }
        self.entries.retain(|_, entry| !entry.set.is_empty());
    }

    /// Puts the oldest of too many updaters together.
    pub(super) fn capped(mut self) -> Self {
        let mut updaters: Vec<(Option<String>, Owner)> =
            self.entries.iter().filter(|(owner, _)| owner.updates).map(|(owner, entry)| (entry.time.clone(), owner.clone())).collect();
        updaters.sort();
        let mut count = updaters.len();
        let mut first: BTreeMap<String, Owner> = BTreeMap::new();
        for (_, owner) in updaters {
            if count <= MAX_UPDATE_MANAGERS {
                break;
            }
            let version = owner.api_version.clone();
            let bucket = Owner { manager: "ancient-changes".to_owned(), updates: true, api_version: version.clone(), subresource: String::new() };
            let Some(oldest) = first.get(&version) else {
                first.insert(version, owner);
                continue;
            };
            if !self.entries.contains_key(&bucket)
                && let Some(entry) = self.entries.remove(oldest)
            {
                self.entries.insert(bucket.clone(), entry);
            }
            if owner != bucket
                && let Some(entry) = self.entries.remove(&owner)
            {
                let before = self.entries.remove(&bucket).map(|entry| entry.set).unwrap_or_default();
                self.entries.insert(bucket, Entry { set: entry.set.union(&before), ..entry });
            }
            count -= 1;
        }
        self
    }

    /// What an apply makes of the object, `None` if it stays, and of the entries.
    pub(super) fn apply(mut self, ty: &'static Type, live: &Value, applied: &Value, writer: Writer<'_>, force: bool) -> Result<(Option<Value>, Self), Refused> {
        let failed = |what: &str, why: String| Refused::internal(format!("{what} ({}): {why}", describe(applied)));
        check(ty, applied).map_err(|why| failed("failed to create typed patch object", why))?;
        let merged = merge(ty, live, applied).map_err(|why| Refused::internal(format!("failed to merge config: {why}")))?;
        let owner = Owner::apply(writer);
        let set = reset(ty, writer.subresource, &field_set(Place::root(ty), applied));
        let last = self.entries.get(&owner).cloned();
        let time_before = last.as_ref().and_then(|entry| entry.time.clone());
        self.entries.insert(owner.clone(), Entry { set, api_version: writer.api_version.to_owned(), time: time_before });
        let new = match last.filter(|entry| !entry.set.is_empty() && entry.api_version == writer.api_version) {
            Some(last) => self.prune(ty, &merged, &last.set, writer.api_version),
            None => merged,
        };
        let comparison = compare(ty, live, &new).filtered(|set| reset(ty, writer.subresource, set));
        if !force {
            let changed = comparison.changed();
            let conflicts: Vec<Conflict> = self
                .entries
                .iter()
                .filter(|(other, entry)| **other != owner && entry.api_version == writer.api_version)
                .flat_map(|(other, entry)| entry.set.intersection(&changed).paths().into_iter().map(|path| Conflict { owner: other.clone(), path }))
                .collect();
            if !conflicts.is_empty() {
                return Err(Refused::Conflicts(conflicts));
            }
        }
        self.take(&comparison, Some(&owner), writer.api_version);
        if let Some(entry) = self.entries.get_mut(&owner) {
            entry.set = stripped(&entry.set);
        }
        self.entries.retain(|_, entry| !entry.set.is_empty());
        if same(live, &new) {
            return Ok((None, self));
        }
        if let Some(entry) = self.entries.get_mut(&owner) {
            entry.time = Some(time(writer));
        }
        let typed = decode::unstructured(ty, &new).map_err(|why| {
            let kind = show_kind(&new);
            Refused::internal(format!(
                "failed to convert new object ({}) to proper version: unable to convert unstructured object to {kind}: {why}",
                describe(applied)
            ))
        })?;
        Ok((Some(typed.object), self))
    }

    /// Drops from the merged object what the manager applied before, applies no longer, and nobody else owns.
    fn prune(&self, ty: &'static Type, merged: &Value, last: &Set, api_version: &str) -> Value {
        let named = |set: &Set| set.with_named_fields(Some(ty));
        let fields_of = |object: &Value| named(&field_set(Place::root(ty), object));
        let pruned = without(ty, merged, &named(last));
        // Items that somebody owns come back, and with them the keys that hold them.
        let managed = self.entries.values().filter(|entry| entry.api_version == api_version).fold(Set::default(), |all, entry| all.union(&entry.set));
        let merged_set = fields_of(merged);
        let pruned = without(ty, merged, &merged_set.difference(&fields_of(&pruned).union(&named(&managed))));
        // So does what the last apply did not hold itself.
        without(ty, merged, &merged_set.difference(&fields_of(&pruned)).intersection(&named(last)))
    }
}

pub(super) fn time(writer: Writer<'_>) -> String {
    writer.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// An object as the server's errors name it: `shop/web; apps/v1, Kind=Deployment`.
fn describe(object: &Value) -> String {
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or_default();
    format!("{}/{}; {}", text("namespace"), text("name"), show_kind(object))
}
