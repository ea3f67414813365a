//! The names of a map's members: sorted, and shared by all stored maps that have the same ones.

use std::cmp::Ordering;
use std::sync::OnceLock;

use super::Text;

/// How many places there are to look for a name in; a power of two.
const PLACES: usize = 64;

/// Fewer names are searched as fast, and with more the places would be too full.
const FEWEST_PLACED: usize = 3;
const MOST_PLACED: usize = PLACES / 2;

/// Sorted names, each once.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    list: Vec<Text>,
    /// The hash of all of them once they are settled; else 0.
    hash: u64,
    /// Where settled names are found without a search: one more than their position, 0 where there is none.
    places: Option<Box<[u8; PLACES]>>,
    /// How settled names are written before their values, once they were: `,"name":`.
    written: OnceLock<Box<[Box<[u8]>]>>,
}

/// The order of names; most differ in their first letter.
fn order(one: &str, other: &str) -> Ordering {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    match (one.first(), other.first()) {
        (Some(first), Some(second)) if first != second => first.cmp(second),
        _ => one.cmp(other),
    }
}

/// Where a name is looked for first: by what tells most names apart, its length and three of its letters.
#[inline]
fn place(name: &str) -> usize {
    let letters = name.as_bytes();
    let (Some(first), Some(last)) = (letters.first(), letters.last()) else { return 0 };
    let word = u32::from_le_bytes([*first, letters[letters.len() / 2], *last, 0]) ^ ((letters.len() as u32) << 24);
    (word.wrapping_mul(0x9e37_79b1) >> (u32::BITS - PLACES.trailing_zeros())) as usize
}

fn placed(list: &[Text]) -> Box<[u8; PLACES]> {
    let mut places = Box::new([0; PLACES]);
    for (number, name) in (1..).zip(list) {
        let mut at = place(name);
        while places[at] != 0 {
            at = (at + 1) % PLACES;
        }
        places[at] = number;
    }
    places
}

impl Names {
    pub fn with_capacity(count: usize) -> Self {
        Self { list: Vec::with_capacity(count), ..Self::default() }
    }

    pub fn from_sorted(list: Vec<Text>) -> Self {
        Self { list, ..Self::default() }
    }

    pub fn list(&self) -> &[Text] {
        &self.list
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The position of a name.
    #[inline]
    pub fn position(&self, name: &str) -> Option<usize> {
        let Some(places) = &self.places else { return self.search(name).ok() };
        let mut at = place(name);
        while let Some(found) = usize::from(places[at]).checked_sub(1) {
            if self.list[found] == *name {
                return Some(found);
            }
            at = (at + 1) % PLACES;
        }
        None
    }

    /// The position of a name, or the one that it would have.
    pub fn search(&self, name: &str) -> Result<usize, usize> {
        // Members mostly come in order.
        match self.list.last().map(|last| order(last, name)) {
            None | Some(Ordering::Less) => Err(self.list.len()),
            Some(Ordering::Equal) => Ok(self.list.len() - 1),
            Some(Ordering::Greater) => self.list.binary_search_by(|it| order(it, name)),
        }
    }

    pub fn insert(&mut self, at: usize, name: Text) {
        self.list.insert(at, name);
        self.unsettle();
    }

    pub fn remove(&mut self, at: usize) {
        self.list.remove(at);
        self.unsettle();
    }

    fn unsettle(&mut self) {
        (self.hash, self.places) = (0, None);
        self.written.take();
    }

    /// How each of the names is written before its value, once they are settled: `,"name":`.
    pub fn written(&self) -> Option<&[Box<[u8]>]> {
        let written = |name: &Text| format!(",{}:", serde_json::Value::from(name.as_str())).into_bytes().into();
        (self.hash != 0).then(|| &**self.written.get_or_init(|| self.list.iter().map(written).collect()))
    }

    /// The hash that they were settled with.
    pub fn settled(&self) -> Option<u64> {
        (self.hash != 0).then_some(self.hash)
    }

    /// These names for good: to be found fast, and known by a hash, which is not 0.
    pub fn settle(&self, hash: u64, own: impl FnMut(&Text) -> Text) -> Self {
        let list: Vec<Text> = self.list.iter().map(own).collect();
        let places = (FEWEST_PLACED..=MOST_PLACED).contains(&list.len()).then(|| placed(&list));
        Self { list, hash, places, written: OnceLock::new() }
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settled_names_are_found_where_they_are_and_no_others() {
        for count in [0, 1, FEWEST_PLACED, 5, MOST_PLACED, MOST_PLACED + 1, 300] {
            let mut list: Vec<Text> = (0..count).map(|at| Text::from(format!("name{at}"))).collect();
            list.sort();
            let names = Names::from_sorted(list);
            let settled = names.settle(1, Text::clone);
            for (at, name) in names.list().iter().enumerate() {
                assert_eq!((settled.position(name), names.position(name)), (Some(at), Some(at)), "{name} of {count}");
            }
            for name in ["", "name", "name-1", "nome0", "zzz"] {
                assert_eq!((settled.position(name), names.position(name)), (None, None), "{name:?} of {count}");
            }
        }
    }
}
