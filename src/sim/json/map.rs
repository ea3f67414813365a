//! The members of a JSON object, sorted by name.

use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, LazyLock};

use super::{Text, Value};

/// The members of a JSON object, sorted by name; copied when changed while they are shared.
///
/// Objects of a cluster have few members, so that a sorted list is smaller than a tree and as fast.
#[derive(Clone)]
pub struct Map(Arc<Vec<(Text, Value)>>);

/// All maps without members are one, until they get some.
static EMPTY: LazyLock<Map> = LazyLock::new(|| Map(Arc::default()));

impl Default for Map {
    fn default() -> Self {
        EMPTY.clone()
    }
}

/// The order of names; most differ in their first letter.
fn order(one: &str, other: &str) -> Ordering {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    match (one.first(), other.first()) {
        (Some(first), Some(second)) if first != second => first.cmp(second),
        _ => one.cmp(other),
    }
}

impl Map {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with_capacity(count: usize) -> Self {
        if count == 0 { Self::new() } else { Self(Arc::new(Vec::with_capacity(count))) }
    }

    /// Members that are in order already and have each name once.
    pub(super) fn from_sorted(members: Vec<(Text, Value)>) -> Self {
        Self(Arc::new(members))
    }

    /// Whether both are one and the same, and not only equal.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Where the members stand, if others may share them.
    pub(super) fn shared_at(&self) -> Option<usize> {
        (Arc::strong_count(&self.0) > 1).then(|| self.address())
    }

    pub(super) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(key, _)| order(key, name))
    }

    pub fn get(&self, name: &str) -> Option<&Value> {
        self.find(name).ok().map(|at| &self.0[at].1)
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        let at = self.find(name).ok()?;
        Some(&mut self.members_mut()[at].1)
    }

    pub fn contains_key(&self, name: &str) -> bool {
        self.find(name).is_ok()
    }

    /// Puts a member, and gives back what was there.
    pub fn insert(&mut self, name: impl Into<Text>, value: Value) -> Option<Value> {
        let name = name.into();
        // Members mostly come in order.
        let at = match self.0.last() {
            Some((last, _)) if *last >= name => self.find(&name),
            _ => Err(self.0.len()),
        };
        match at {
            Ok(at) => Some(std::mem::replace(&mut self.members_mut()[at].1, value)),
            Err(at) => {
                self.members_mut().insert(at, (name, value));
                None
            }
        }
    }

    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.find(name).ok()?;
        Some(self.members_mut().remove(at).1)
    }

    pub fn entry(&mut self, name: impl Into<Text>) -> Entry<'_> {
        let name = name.into();
        Entry { at: self.find(&name), name, map: self }
    }

    pub fn iter(&self) -> Iter<'_> {
        self.into_iter()
    }

    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&Text, &mut Value)> + ExactSizeIterator {
        self.members_mut().iter_mut().map(|(name, value)| (&*name, value))
    }

    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &Text> + ExactSizeIterator {
        self.0.iter().map(|(name, _)| name)
    }

    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Value> + ExactSizeIterator {
        self.0.iter().map(|(_, value)| value)
    }

    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Value> + ExactSizeIterator {
        self.members_mut().iter_mut().map(|(_, value)| value)
    }

    pub fn retain(&mut self, mut keep: impl FnMut(&Text, &mut Value) -> bool) {
        self.members_mut().retain_mut(|(name, value)| keep(name, value));
    }

    pub(super) fn members(&self) -> &[(Text, Value)] {
        &self.0
    }

    pub(super) fn members_mut(&mut self) -> &mut Vec<(Text, Value)> {
        Arc::make_mut(&mut self.0)
    }
}

/// A member that is or is not there.
pub struct Entry<'a> {
    map: &'a mut Map,
    name: Text,
    at: Result<usize, usize>,
}

impl<'a> Entry<'a> {
    pub fn or_insert(self, value: Value) -> &'a mut Value {
        self.or_insert_with(|| value)
    }

    pub fn or_insert_with(self, value: impl FnOnce() -> Value) -> &'a mut Value {
        let members = self.map.members_mut();
        let at = match self.at {
            Ok(at) => at,
            Err(at) => {
                members.insert(at, (self.name, value()));
                at
            }
        };
        &mut members[at].1
    }
}

pub type Iter<'a> = std::iter::Map<std::slice::Iter<'a, (Text, Value)>, fn(&(Text, Value)) -> (&Text, &Value)>;

impl<'a> IntoIterator for &'a Map {
    type Item = (&'a Text, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.0.iter().map(|(name, value)| (name, value))
    }
}

impl IntoIterator for Map {
    type Item = (Text, Value);
    type IntoIter = std::vec::IntoIter<(Text, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        Arc::unwrap_or_clone(self.0).into_iter()
    }
}

impl<K: Into<Text>> Extend<(K, Value)> for Map {
    fn extend<I: IntoIterator<Item = (K, Value)>>(&mut self, members: I) {
        for (name, value) in members {
            self.insert(name, value);
        }
    }
}

impl<K: Into<Text>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(members: I) -> Self {
        let members = members.into_iter();
        let mut map = Map::with_capacity(members.size_hint().0);
        map.extend(members);
        map
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.0 == other.0
    }
}

impl std::ops::Index<&str> for Map {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        self.get(name).unwrap_or(&Value::Null)
    }
}

impl std::ops::IndexMut<&str> for Map {
    fn index_mut(&mut self, name: &str) -> &mut Value {
        // A name that is there is not copied.
        let found = self.find(name);
        let members = self.members_mut();
        let at = found.unwrap_or_else(|at| {
            members.insert(at, (name.into(), Value::Null));
            at
        });
        &mut members[at].1
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self.iter()).finish()
    }
}
