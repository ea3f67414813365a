//! The members of a JSON object, sorted by name.

use std::fmt;
use std::iter::{Zip, repeat_n};
use std::sync::LazyLock;

use servo_arc::{Arc, ThinArc};

use super::names::Names;
use super::{Text, Value};

/// The members of a JSON object, sorted by name; copied when changed while they are shared.
///
/// The values stand in one allocation; the names are kept apart from them, so that objects of one kind share them. There may be more room than
/// there are names: what is behind the last value is null.
#[derive(Clone)]
pub struct Map(ThinArc<Arc<Names>, Value>);

/// All maps without members are one, until they get some.
static EMPTY: LazyLock<Map> = LazyLock::new(|| {
    let names = Arc::new(Names::default());
    names.mark_as_intentionally_leaked();
    let values = ThinArc::from_header_and_iter(names, std::iter::empty());
    values.mark_as_intentionally_leaked();
    Map(values)
});

impl Default for Map {
    fn default() -> Self {
        EMPTY.clone()
    }
}

impl Map {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with_capacity(count: usize) -> Self {
        if count == 0 {
            return Self::new();
        }
        Self(ThinArc::from_header_and_iter(Arc::new(Names::with_capacity(count)), repeat_n(Value::Null, count)))
    }

    /// Values for these names, one for each and in their order.
    pub(super) fn of_names(names: Arc<Names>, values: impl ExactSizeIterator<Item = Value>) -> Self {
        debug_assert_eq!(names.len(), values.len(), "each name has a value");
        Self(ThinArc::from_header_and_iter(names, values))
    }

    /// Whether both are one and the same, and not only equal.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Where the members stand, if others may share them.
    pub(super) fn shared_at(&self) -> Option<usize> {
        (!self.0.is_unique()).then(|| self.address())
    }

    pub(super) fn address(&self) -> usize {
        self.0.raw_ptr().addr().get()
    }

    pub fn len(&self) -> usize {
        self.0.header.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    #[inline]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.header.position(name).map(|at| &self.0.slice()[at])
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value> {
        let at = self.0.header.position(name)?;
        Some(&mut self.all_mut()[at])
    }

    pub fn contains_key(&self, name: &str) -> bool {
        self.0.header.position(name).is_some()
    }

    /// Puts a member, and gives back what was there.
    pub fn insert(&mut self, name: impl Into<Text>, value: Value) -> Option<Value> {
        let name = name.into();
        match self.0.header.search(&name) {
            Ok(at) => Some(std::mem::replace(&mut self.all_mut()[at], value)),
            Err(at) => {
                *self.make(at, name) = value;
                None
            }
        }
    }

    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.0.header.position(name)?;
        let values = self.all_mut();
        values[at..].rotate_left(1);
        let value = values.last_mut().map(std::mem::take);
        self.change_names(|names| names.remove(at));
        value
    }

    pub fn entry(&mut self, name: impl Into<Text>) -> Entry<'_> {
        let name = name.into();
        Entry { at: self.0.header.search(&name), name, map: self }
    }

    pub fn iter(&self) -> Iter<'_> {
        self.into_iter()
    }

    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (Text, &mut Value)> + ExactSizeIterator {
        let names = self.0.header.list().to_vec();
        names.into_iter().zip(self.all_mut())
    }

    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &Text> + ExactSizeIterator {
        self.0.header.list().iter()
    }

    pub fn values(&self) -> impl DoubleEndedIterator<Item = &Value> + ExactSizeIterator {
        self.all().iter()
    }

    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Value> + ExactSizeIterator {
        self.all_mut().iter_mut()
    }

    pub fn retain(&mut self, mut keep: impl FnMut(&Text, &mut Value) -> bool) {
        let kept: Vec<bool> = self.iter_mut().map(|(name, value)| keep(&name, value)).collect();
        if kept.contains(&false) {
            let members = std::mem::take(self).into_iter().zip(kept);
            *self = members.filter_map(|(member, keep)| keep.then_some(member)).collect();
        }
    }

    /// The names, which maps with the same ones may share.
    pub(super) fn names(&self) -> &Arc<Names> {
        &self.0.header
    }

    /// Takes names that are equal to its own, and gives up what room is not used.
    pub(super) fn settle(&mut self, names: Arc<Names>) {
        let count = self.len();
        match Arc::get_mut(&mut self.0) {
            Some(own) if own.len() == count => own.header = names,
            Some(own) => {
                let values = own.slice_mut()[..count].iter_mut().map(std::mem::take);
                self.0 = ThinArc::from_header_and_iter(names, values);
            }
            None => *self = Self::of_names(names, self.all().iter().cloned()),
        }
    }

    /// Whether the names of both are the same ones, and not only equal.
    pub fn has_names_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0.header, &other.0.header)
    }

    /// All values, in the order of their names.
    pub(super) fn all(&self) -> &[Value] {
        &self.0.slice()[..self.len()]
    }

    pub(super) fn all_mut(&mut self) -> &mut [Value] {
        let count = self.len();
        self.own(count);
        &mut Arc::get_mut(&mut self.0).expect("the members are this map's own").slice_mut()[..count]
    }

    /// Sees to it that nobody shares the members and that there is room for so many.
    fn own(&mut self, room: usize) {
        if self.0.len() >= room && self.0.is_unique() {
            return;
        }
        let names = Arc::clone(&self.0.header);
        let count = names.len();
        let rest = repeat_n(Value::Null, room - count);
        self.0 = match Arc::get_mut(&mut self.0) {
            Some(own) => {
                let values = own.slice_mut()[..count].iter_mut().map(std::mem::take);
                ThinArc::from_header_and_iter_with_size(names, values.chain(rest), room)
            }
            None => ThinArc::from_header_and_iter_with_size(names, self.all().iter().cloned().chain(rest), room),
        };
    }

    /// Changes the names; the values are this map's own already.
    fn change_names(&mut self, change: impl FnOnce(&mut Names)) {
        let Some(members) = Arc::get_mut(&mut self.0) else { return };
        change(Arc::make_mut(&mut members.header));
    }

    /// Makes a place for a name that is not there, at the position that it is to have.
    fn make(&mut self, at: usize, name: Text) -> &mut Value {
        let count = self.len();
        if self.0.len() <= count || !self.0.is_unique() {
            // One that is shared mostly gets one member and no more.
            self.own(if self.0.is_unique() { (count * 2).max(4) } else { count + 1 });
        }
        self.change_names(|names| names.insert(at, name));
        let values = self.all_mut();
        values[at..].rotate_right(1);
        &mut values[at]
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
        match self.at {
            Ok(at) => &mut self.map.all_mut()[at],
            Err(at) => {
                let place = self.map.make(at, self.name);
                *place = value();
                place
            }
        }
    }
}

pub type Iter<'a> = Zip<std::slice::Iter<'a, Text>, std::slice::Iter<'a, Value>>;

impl<'a> IntoIterator for &'a Map {
    type Item = (&'a Text, &'a Value);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.0.header.list().iter().zip(self.all())
    }
}

impl IntoIterator for Map {
    type Item = (Text, Value);
    type IntoIter = Zip<std::vec::IntoIter<Text>, std::vec::IntoIter<Value>>;

    fn into_iter(mut self) -> Self::IntoIter {
        let names = self.0.header.list().to_vec();
        let values = match Arc::get_mut(&mut self.0) {
            Some(own) => own.slice_mut()[..names.len()].iter_mut().map(std::mem::take).collect(),
            None => self.all().to_vec(),
        };
        names.into_iter().zip(values)
    }
}

impl<K: Into<Text>> Extend<(K, Value)> for Map {
    fn extend<I: IntoIterator<Item = (K, Value)>>(&mut self, members: I) {
        for (name, value) in members {
            self.insert(name, value);
        }
    }
}

/// The last member of a name counts.
impl From<Vec<(Text, Value)>> for Map {
    fn from(mut members: Vec<(Text, Value)>) -> Self {
        if members.is_empty() {
            return Self::new();
        }
        if !members.is_sorted_by(|one, other| one.0 < other.0) {
            // Equal names stay in their order, so that the last is the first after turning it round.
            members.reverse();
            members.sort_by(|one, other| one.0.cmp(&other.0));
            members.dedup_by(|one, other| one.0 == other.0);
        }
        let mut names = Vec::with_capacity(members.len());
        let values = members.into_iter().map(|(name, value)| {
            names.push(name);
            value
        });
        let mut map = Self(ThinArc::from_header_and_iter(Arc::default(), values));
        map.change_names(|own| *own = Names::from_sorted(names));
        map
    }
}

impl<K: Into<Text>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(members: I) -> Self {
        Vec::from_iter(members.into_iter().map(|(name, value)| (name.into(), value))).into()
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || ((self.has_names_of(other) || self.names() == other.names()) && self.all() == other.all())
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
        match self.0.header.position(name) {
            Some(at) => &mut self.all_mut()[at],
            None => match self.0.header.search(name) {
                Ok(at) => &mut self.all_mut()[at],
                Err(at) => self.make(at, name.into()),
            },
        }
    }
}

impl fmt::Debug for Map {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self.iter()).finish()
    }
}
