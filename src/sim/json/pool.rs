//! Equal parts of many values, kept once: whoever stores values lets them go through a pool first.
//!
//! # Limits
//! A pool remembers so many parts as it has places; what is rare makes room for what is frequent, so now and then a part is kept twice.

use servo_arc::Arc;

use super::names::Names;
use super::{Map, Number, Text, Value};

/// How many places a pool begins with, and how many it has at most.
const FEWEST: usize = 1 << 10;
const MOST: usize = 1 << 15;

/// Names are fewer than what has them.
const PLACES_PER_SHAPE: usize = 4;

/// The parts that came by, so that the next one that is equal is the same.
#[derive(Clone, Debug, Default)]
pub struct Pool {
    /// By hash; texts, lists and objects.
    places: Vec<(u64, Value)>,
    /// The names of maps, by their hash.
    shapes: Vec<Option<Arc<Names>>>,
    /// How many parts were put since the pool grew.
    put: usize,
    /// The addresses of lists and objects among them, which need not be looked at again.
    known: Vec<usize>,
}

impl Pool {
    /// Lets a value share what is equal to parts that came by before. What it has in common with `like`, which went through already, is not looked at.
    pub fn keep(&mut self, value: &mut Value, like: Option<&Value>) {
        self.kept(value, like);
    }

    /// `keep`, and the hash of the value as a part of another: of what went through, where it stands.
    fn kept(&mut self, value: &mut Value, like: Option<&Value>) -> u64 {
        match value {
            Value::Null => 4,
            Value::Bool(is) => 5 + u64::from(*is),
            Value::Number(number) => of_number(number),
            Value::String(text) => {
                let hash = of_text(text);
                // A literal takes no memory, wherever it stands.
                let is_known = Text::is_static(text) || like.and_then(Value::as_text).is_some_and(|like| Text::ptr_eq(like, text));
                if !is_known {
                    *text = self.text(hash, text);
                }
                hash
            }
            Value::Object(map) => {
                let like = like.and_then(Value::as_object);
                if !like.is_some_and(|like| like.is_same(map)) && !self.knows(map.address()) {
                    let mut hash = self.names(map);
                    let alike = like.filter(|like| like.has_names_of(map));
                    let names = map.names().clone();
                    for (at, (name, value)) in names.list().iter().zip(map.all_mut()).enumerate() {
                        let like = alike.map_or_else(|| like.and_then(|it| it.get(name)), |it| it.all().get(at));
                        hash = mixed(hash, self.kept(value, like));
                    }
                    *value = self.canonical(hash, value);
                }
                of_address(value)
            }
            Value::Array(items) => {
                let like = match like {
                    Some(Value::Array(like)) => Some(like),
                    _ => None,
                };
                if !like.is_some_and(|like| like.is_same(items)) && !self.knows(items.address()) {
                    let mut hash = mixed(2, items.len() as u64);
                    for (at, item) in items.iter_mut().enumerate() {
                        hash = mixed(hash, self.kept(item, like.and_then(|it| it.get(at))));
                    }
                    *value = self.canonical(hash, value);
                }
                of_address(value)
            }
        }
    }

    /// Lets a map have its names in common with others, and nothing but its members; gives the hash of the names.
    fn names(&mut self, map: &mut Map) -> u64 {
        let hash = map.names().settled().unwrap_or_else(|| {
            let hash = mixed(1, map.len() as u64);
            map.keys().fold(hash, |hash, name| mixed(hash, of_text(name))) | 1
        });
        let at = self.shape(hash);
        let known = self.shapes[at].as_ref().filter(|it| it.settled() == Some(hash));
        let names = match known {
            Some(names) if Arc::ptr_eq(names, map.names()) || names == map.names() => names.clone(),
            _ if map.names().settled().is_some() => {
                self.shapes[at] = Some(map.names().clone());
                map.names().clone()
            }
            _ => {
                let names = map.names().clone();
                let names = Arc::new(names.settle(hash, |name| if Text::is_static(name) { name.clone() } else { self.text(of_text(name), name) }));
                // The texts may have made the pool grow.
                let at = self.shape(hash);
                self.shapes[at] = Some(names.clone());
                names
            }
        };
        map.settle(names);
        hash
    }

    fn text(&mut self, hash: u64, text: &Text) -> Text {
        let at = self.place(hash);
        match &self.places[at] {
            (known, Value::String(other)) if *known == hash && other == text => other.clone(),
            _ => {
                self.put(at, hash, Value::String(text.clone()));
                text.clone()
            }
        }
    }

    fn canonical(&mut self, hash: u64, value: &Value) -> Value {
        let at = self.place(hash);
        let (known, other) = &self.places[at];
        if *known == hash && is_alike(value, other) {
            return other.clone();
        }
        self.put(at, hash, value.clone());
        let address = address(value);
        let slot = self.slot(address);
        self.known[slot] = address;
        value.clone()
    }

    fn knows(&self, address: usize) -> bool {
        !self.known.is_empty() && self.known[self.slot(address)] == address
    }

    fn slot(&self, address: usize) -> usize {
        (mixed(0, address as u64) >> 32) as usize & (self.known.len() - 1)
    }

    fn place(&mut self, hash: u64) -> usize {
        if self.put >= self.places.len() && self.places.len() < MOST {
            self.grow();
        }
        place(hash, self.places.len())
    }

    fn shape(&mut self, hash: u64) -> usize {
        if self.shapes.is_empty() {
            self.grow();
        }
        place(hash, self.shapes.len())
    }

    fn put(&mut self, at: usize, hash: u64, value: Value) {
        let (_, gone) = std::mem::replace(&mut self.places[at], (hash, value));
        self.put += 1;
        // Its address may soon be another's.
        let gone = address(&gone);
        let slot = self.slot(gone);
        if self.known[slot] == gone {
            self.known[slot] = 0;
        }
    }

    fn grow(&mut self) {
        let count = (self.places.len() * 4).clamp(FEWEST, MOST);
        let before = std::mem::replace(&mut self.places, vec![(0, Value::Null); count]);
        for (hash, value) in before {
            self.places[place(hash, count)] = (hash, value);
        }
        let before = std::mem::replace(&mut self.shapes, vec![None; count / PLACES_PER_SHAPE]);
        for names in before.into_iter().flatten() {
            let at = place(names.settled().unwrap_or_default(), self.shapes.len());
            self.shapes[at] = Some(names);
        }
        self.known.clear();
        self.known.resize(count, 0);
        self.put = 0;
    }
}

fn place(hash: u64, count: usize) -> usize {
    (hash >> 32) as usize & (count - 1)
}

fn address(value: &Value) -> usize {
    match value {
        Value::Object(map) => map.address(),
        Value::Array(items) => items.address(),
        _ => 0,
    }
}

fn mixed(hash: u64, with: u64) -> u64 {
    let product = (hash.rotate_left(23) ^ with).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ (product >> 29)
}

fn of_text(text: &str) -> u64 {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let hash = words.iter().fold(mixed(3, text.len() as u64), |hash, word| mixed(hash, u64::from_le_bytes(*word)));
    mixed(hash, rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)))
}

fn of_number(number: &Number) -> u64 {
    match number {
        Number::Whole(number) => mixed(7, number.cast_unsigned()),
        Number::Large(number) => mixed(8, *number),
        Number::Fraction(number) => mixed(9, number.to_bits()),
    }
}

fn of_address(value: &Value) -> u64 {
    mixed(10, address(value) as u64)
}

/// Whether two values have the same parts; not only equal ones where these are lists or objects.
fn is_alike(value: &Value, other: &Value) -> bool {
    let same = |(value, other): (&Value, &Value)| match (value, other) {
        (Value::Number(value), Value::Number(other)) => of_number(value) == of_number(other),
        _ => value.is_same(other),
    };
    match (value, other) {
        (Value::Object(map), Value::Object(other)) => (map.has_names_of(other) || map.names() == other.names()) && map.all().iter().zip(other.all()).all(same),
        (Value::Array(items), Value::Array(other)) => items.len() == other.len() && items.iter().zip(other).all(same),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::json::json;

    use super::*;

    #[test]
    fn equal_parts_of_values_become_the_same() {
        let object = |name: &str| {
            let text = format!(r#"{{ "name": "{name}", "spec": {{ "a": [1, {{}}], "b": "long text" }}, "empty": {{}}, "zero": [0.0, -0.0, 0, "0"] }}"#);
            serde_json::from_str::<Value>(&text).expect("JSON")
        };
        // Addresses decide who meets whom at a place, so that now and then a part is kept twice.
        let mut shared = 0;
        for _ in 0..20 {
            let mut pool = Pool::default();
            let mut kept = Vec::new();
            for name in ["x", "y", "x"] {
                let mut value = object(name);
                pool.keep(&mut value, kept.last());
                assert_eq!(value.to_string(), object(name).to_string());
                kept.push(value);
            }
            assert!(!kept[0].is_same(&kept[1]));
            let same = kept[0].is_same(&kept[2]) && kept[0]["spec"].is_same(&kept[1]["spec"]) && kept[0]["zero"].is_same(&kept[1]["zero"]);
            shared += usize::from(same && kept[0]["empty"].is_same(&kept[0]["spec"]["a"][1]));
        }
        assert!(shared >= 10, "equal parts were shared in {shared} of 20 pools");
    }

    #[test]
    fn a_pool_forgets_what_is_rare_and_never_mixes_anything_up() {
        let mut pool = Pool::default();
        for at in 0..(2 * MOST) {
            let mut value = json!({ "at": at, "text": format!("text {at}"), "frequent": [1, 2, 3] });
            let before = value.to_string();
            pool.keep(&mut value, None);
            assert_eq!(value.to_string(), before);
        }
        assert_eq!(pool.places.len(), MOST);
    }
}
