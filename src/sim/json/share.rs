//! Making two values share what they have in common.

use super::{Array, Map, Text, Value};

/// What a value has in common with another.
enum Common {
    All,
    /// The value, with the parts that the other has too taken from there.
    Parts(Value),
    Nothing,
}

impl Value {
    /// Takes over from `like` every part that is equal there, so that both keep it once. The value stays what it is.
    pub fn share_with(&mut self, like: &Value) {
        match common(self, like) {
            Common::All => self.clone_from(like),
            Common::Parts(shared) => *self = shared,
            Common::Nothing => {}
        }
    }
}

fn common(value: &Value, like: &Value) -> Common {
    match (value, like) {
        (Value::Object(map), Value::Object(like)) => of_maps(map, like),
        (Value::Array(items), Value::Array(like)) => of_arrays(items, like),
        (value, like) if value == like => Common::All,
        _ => Common::Nothing,
    }
}

fn of_maps(map: &Map, like: &Map) -> Common {
    if map.is_same(like) {
        return Common::All;
    }
    let mut all = map.len() == like.len();
    let mut shared: Vec<(usize, Text, Value)> = Vec::new();
    let mut others = like.members().iter().peekable();
    for (at, (name, value)) in map.members().iter().enumerate() {
        while others.next_if(|(other, _)| other < name).is_some() {}
        let Some((name, other)) = others.next_if(|(other, _)| other == name) else {
            all = false;
            continue;
        };
        match common(value, other) {
            Common::All if value.is_same(other) && !value.is_string() => {}
            Common::All => shared.push((at, name.clone(), other.clone())),
            Common::Parts(parts) => {
                all = false;
                shared.push((at, name.clone(), parts));
            }
            Common::Nothing => all = false,
        }
    }
    if all {
        return Common::All;
    }
    if shared.is_empty() {
        return Common::Nothing;
    }
    let mut members = map.members().to_vec();
    for (at, name, value) in shared {
        members[at] = (name, value);
    }
    Common::Parts(Value::Object(Map::from_sorted(members)))
}

fn of_arrays(items: &Array, like: &Array) -> Common {
    if items.is_same(like) {
        return Common::All;
    }
    let mut all = items.len() == like.len();
    let mut shared: Vec<(usize, Value)> = Vec::new();
    for (at, (item, other)) in items.iter().zip(like).enumerate() {
        match common(item, other) {
            Common::All if item.is_same(other) && !item.is_string() => {}
            Common::All => shared.push((at, other.clone())),
            Common::Parts(parts) => {
                all = false;
                shared.push((at, parts));
            }
            Common::Nothing => all = false,
        }
    }
    if all {
        return Common::All;
    }
    if shared.is_empty() {
        return Common::Nothing;
    }
    let mut items = items.to_vec();
    for (at, item) in shared {
        items[at] = item;
    }
    Common::Parts(Value::Array(items.into()))
}
