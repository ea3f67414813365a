//! What the cluster keeps: objects by kind, one sequence of resource versions, and the log of what changed.
//!
//! Not here: who may write and what a write means (`api`). Objects are shared, never copied; every index is kept by the change, so that a change costs
//! the same in a large cluster as in a small one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::kinds::Kind;
use crate::sim::json::{Pool, Text, Value};

/// How long a change can be read back: etcd is compacted every five minutes, and keeps what is younger.
const HISTORY: SignedDuration = SignedDuration::from_mins(10);

/// How many changes are kept at most; 16 times what a watch cache of the real server starts with, so a burst of a large rollout fits.
const HISTORY_MOST: usize = 100_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Added,
    Modified,
    Deleted,
}

/// One change: the object after it (for a deletion: the last state, with the version of the deletion) and before it.
#[derive(Clone, Debug)]
pub struct LogEntry {
    pub version: u64,
    pub time: Timestamp,
    pub kind: Kind,
    pub change: Change,
    pub object: Arc<Value>,
    pub previous: Option<Arc<Value>>,
}

impl LogEntry {
    pub fn namespace(&self) -> &str {
        text(&self.object, "namespace")
    }

    pub fn name(&self) -> &str {
        text(&self.object, "name")
    }
}

fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// The place of an object among those of its kind: `namespace/name`, or `name` outside of namespaces. Sorts as the real server lists.
pub fn key(namespace: &str, name: &str) -> String {
    if namespace.is_empty() { name.to_owned() } else { format!("{namespace}/{name}") }
}

fn key_of(object: &Value) -> String {
    key(text(object, "namespace"), text(object, "name"))
}

fn owners(object: &Value) -> impl Iterator<Item = &Text> {
    object["metadata"]["ownerReferences"].as_array().into_iter().flatten().filter_map(|it| it["uid"].as_text())
}

/// Lets a new state keep what it has in common with the one before, and with other objects.
fn share(pool: &mut Pool, before: Option<&Value>, object: &mut Value) {
    if let Some(before) = before {
        object.share_with(before);
    }
    pool.keep(object, before);
}

type Objects = BTreeMap<Text, Arc<Value>>;

/// All objects, and the recent past.
#[derive(Clone, Debug, Default)]
pub struct Store {
    version: u64,
    /// The last version of each kind whose change can no longer be read back.
    dropped: BTreeMap<Kind, u64>,
    /// Versions up to this one were compacted for all kinds.
    compacted: u64,
    kinds: Vec<Objects>,
    by_owner: BTreeMap<Text, BTreeSet<(Kind, Text)>>,
    by_uid: BTreeMap<Text, (Kind, Text)>,
    log: VecDeque<LogEntry>,
    /// What objects have in common is kept once.
    pool: Pool,
}

impl Store {
    /// The version of the last change, of whatever kind.
    pub fn version(&self) -> u64 {
        self.version
    }

    pub fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        self.objects(kind)?.get(key(namespace, name).as_str())
    }

    pub fn by_uid(&self, uid: &str) -> Option<(Kind, &Arc<Value>)> {
        let (kind, key) = self.by_uid.get(uid)?;
        Some((*kind, self.objects(*kind)?.get(key)?))
    }

    fn objects(&self, kind: Kind) -> Option<&Objects> {
        self.kinds.get(kind.index())
    }

    /// The objects of a kind in key order, of one namespace or of all.
    pub fn list(&self, kind: Kind, namespace: Option<&str>) -> impl Iterator<Item = &Arc<Value>> {
        self.entries(kind, namespace, None).map(|(_, object)| object)
    }

    /// The same with their keys, from the one after `after` on.
    pub fn entries(&self, kind: Kind, namespace: Option<&str>, after: Option<&str>) -> impl Iterator<Item = (&Text, &Arc<Value>)> {
        let prefix = namespace.map(|it| format!("{it}/"));
        let from = match (after, &prefix) {
            (Some(after), _) => Bound::Excluded(Text::from(after)),
            (None, Some(prefix)) => Bound::Included(Text::from(prefix.as_str())),
            (None, None) => Bound::Unbounded,
        };
        self.objects(kind)
            .into_iter()
            .flat_map(move |objects| objects.range::<Text, _>((from.clone(), Bound::Unbounded)))
            .take_while(move |(key, _)| prefix.as_ref().is_none_or(|prefix| key.starts_with(prefix.as_str())))
    }

    pub fn count(&self, kind: Kind) -> usize {
        self.objects(kind).map_or(0, BTreeMap::len)
    }

    /// Whatever names this uid among its owners.
    pub fn owned_by(&self, uid: &str) -> impl Iterator<Item = (Kind, &Arc<Value>)> {
        self.by_owner.get(uid).into_iter().flatten().filter_map(|(kind, key)| Some((*kind, self.objects(*kind)?.get(key)?)))
    }

    /// What differed at `version`: the key and the object that was there then, for every key of the kind that changed since.
    ///
    /// `None` when that version is no longer in the log.
    pub fn undone(&self, kind: Kind, version: u64) -> Option<BTreeMap<String, Option<Arc<Value>>>> {
        if version < self.forgotten(kind) {
            return None;
        }
        let mut past = BTreeMap::new();
        for entry in self.log.iter().rev().take_while(|it| it.version > version).filter(|it| it.kind == kind) {
            past.insert(key_of(&entry.object), entry.previous.clone());
        }
        Some(past)
    }

    /// The changes of a kind after `version`, oldest first; `None` when some of them are gone from the log.
    pub fn since(&self, kind: Kind, version: u64) -> Option<impl Iterator<Item = &LogEntry>> {
        if version < self.forgotten(kind) {
            return None;
        }
        let from = self.log.partition_point(|it| it.version <= version);
        Some(self.log.range(from..).filter(move |it| it.kind == kind))
    }

    /// The version up to which changes of a kind cannot be read back. Each kind has its own, as each has its own watch cache in the real server: a quiet
    /// kind can be watched from long ago.
    pub fn forgotten(&self, kind: Kind) -> u64 {
        self.dropped.get(&kind).copied().unwrap_or(0).max(self.compacted)
    }

    /// Keeps `object` in place of what is there, with the next version, and logs it.
    pub fn put(&mut self, kind: Kind, mut object: Value, time: Timestamp) -> LogEntry {
        self.version += 1;
        object["metadata"]["resourceVersion"] = Value::from(self.version.to_string());
        let key = key_of(&object);
        if self.kinds.len() <= kind.index() {
            self.kinds.resize_with(kind.index() + 1, Objects::new);
        }
        let stored = self.kinds[kind.index()].get_mut(key.as_str());
        share(&mut self.pool, stored.as_deref().map(|it| &**it), &mut object);
        let object = Arc::new(object);
        let previous = stored.map(|it| std::mem::replace(it, Arc::clone(&object)));
        let same = |field: &str, previous: &Value| object["metadata"][field] == previous["metadata"][field];
        if !previous.as_deref().is_some_and(|it| same("ownerReferences", it) && same("uid", it)) {
            let key = Text::from(key);
            match &previous {
                Some(previous) => self.forget(kind, &key, previous),
                None => {
                    self.kinds[kind.index()].insert(key.clone(), Arc::clone(&object));
                }
            }
            self.index(kind, &key, &object);
        }
        let change = if previous.is_some() { Change::Modified } else { Change::Added };
        self.record(LogEntry { version: self.version, time, kind, change, object, previous })
    }

    /// Takes an object away and logs its last state with the version of the deletion; `last` where the last state is not the stored one.
    pub fn remove(&mut self, kind: Kind, namespace: &str, name: &str, last: Option<Value>, time: Timestamp) -> Option<LogEntry> {
        let key = Text::from(key(namespace, name));
        let previous = self.kinds.get_mut(kind.index())?.remove(&key)?;
        self.forget(kind, &key, &previous);
        self.by_uid.remove(text(&previous, "uid"));
        self.version += 1;
        let mut object = last.unwrap_or_else(|| Value::clone(&previous));
        object["metadata"]["resourceVersion"] = Value::from(self.version.to_string());
        share(&mut self.pool, Some(&previous), &mut object);
        let entry = LogEntry { version: self.version, time, kind, change: Change::Deleted, object: Arc::new(object), previous: Some(previous) };
        Some(self.record(entry))
    }

    fn index(&mut self, kind: Kind, key: &Text, object: &Value) {
        for uid in owners(object) {
            self.by_owner.entry(uid.clone()).or_default().insert((kind, key.clone()));
        }
        if let Some(uid) = object["metadata"]["uid"].as_text() {
            self.by_uid.insert(uid.clone(), (kind, key.clone()));
        }
    }

    fn forget(&mut self, kind: Kind, key: &Text, object: &Value) {
        for uid in owners(object) {
            if let Some(owned) = self.by_owner.get_mut(uid) {
                owned.remove(&(kind, key.clone()));
                if owned.is_empty() {
                    self.by_owner.remove(uid);
                }
            }
        }
    }

    fn record(&mut self, entry: LogEntry) -> LogEntry {
        self.log.push_back(entry.clone());
        let old = entry.time.saturating_sub(HISTORY).unwrap_or(Timestamp::MIN);
        while self.log.len() > HISTORY_MOST || self.log.front().is_some_and(|it| it.time < old) {
            if let Some(gone) = self.log.pop_front() {
                self.dropped.insert(gone.kind, gone.version);
            }
        }
        entry
    }

    /// Fills an empty store with what another one held; its past is not known here.
    pub fn restore(&mut self, objects: impl IntoIterator<Item = (Kind, Arc<Value>)>, version: u64) {
        for (kind, object) in objects {
            let key = Text::from(key_of(&object));
            if self.kinds.len() <= kind.index() {
                self.kinds.resize_with(kind.index() + 1, Objects::new);
            }
            let mut object = Arc::unwrap_or_clone(object);
            share(&mut self.pool, None, &mut object);
            self.index(kind, &key, &object);
            self.kinds[kind.index()].insert(key, Arc::new(object));
        }
        (self.version, self.compacted) = (version, version);
    }

    /// Forgets all changes up to now, as a compaction does.
    pub fn compact(&mut self) {
        self.log.clear();
        self.compacted = self.version;
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::json::json;

    use super::*;

    fn pod(namespace: &str, name: &str, owner: &str) -> Value {
        json!({ "metadata": { "namespace": namespace, "name": name, "uid": format!("uid-{name}"), "ownerReferences": [{ "uid": owner }] } })
    }

    fn names<'a>(objects: impl Iterator<Item = &'a Arc<Value>>) -> Vec<&'a str> {
        objects.map(|it| text(it, "name")).collect()
    }

    #[test]
    fn lists_are_in_key_order_and_indexes_follow_the_change() {
        let mut store = Store::default();
        let time = Timestamp::UNIX_EPOCH;
        for (namespace, name) in [("b", "x"), ("a", "z"), ("a", "y"), ("a-1", "w")] {
            store.put(Kind::PODS, pod(namespace, name, "o"), time);
        }
        // The key sorts, not the namespace: `-` comes before `/`.
        assert_eq!(names(store.list(Kind::PODS, None)), ["w", "y", "z", "x"]);
        assert_eq!(names(store.list(Kind::PODS, Some("a"))), ["y", "z"]);
        assert_eq!(store.owned_by("o").count(), 4);
        store.put(Kind::PODS, pod("a", "y", "p"), time);
        store.remove(Kind::PODS, "b", "x", None, time);
        assert_eq!((store.owned_by("o").count(), store.owned_by("p").count()), (2, 1));
        assert_eq!(store.version(), 6);
    }

    #[test]
    fn the_past_can_be_read_back_until_it_is_compacted() {
        let mut store = Store::default();
        let time = Timestamp::UNIX_EPOCH;
        store.put(Kind::PODS, pod("a", "x", "o"), time);
        store.put(Kind::PODS, pod("a", "y", "o"), time);
        store.remove(Kind::PODS, "a", "x", None, time);
        let past = store.undone(Kind::PODS, 1).expect("still in the log");
        assert!(past["a/x"].is_some() && past["a/y"].is_none());
        assert_eq!(store.since(Kind::PODS, 1).map(|it| it.map(|it| it.change).collect()), Some(vec![Change::Added, Change::Deleted]));
        store.compact();
        assert!(store.since(Kind::PODS, 1).is_none() && store.since(Kind::PODS, 3).is_some());
    }
}
