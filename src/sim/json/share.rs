//! Making two values share what they have in common.

use super::{Array, Map, Value};

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
    if map.has_names_of(like) {
        return of_items(map.all(), like.all(), |values| Value::Object(Map::of_names(like.names().clone(), values.into_iter())));
    }
    let mut all = map.len() == like.len();
    let mut are_named_alike = all;
    let mut shared: Vec<(usize, Value)> = Vec::new();
    let mut others = like.iter().peekable();
    for (at, (name, value)) in map.iter().enumerate() {
        while others.next_if(|(other, _)| *other < name).is_some() {}
        let Some((_, other)) = others.next_if(|(other, _)| *other == name) else {
            (all, are_named_alike) = (false, false);
            continue;
        };
        match common(value, other) {
            Common::All if value.is_same(other) && !value.is_string() => {}
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
    if shared.is_empty() && !are_named_alike {
        return Common::Nothing;
    }
    let names = if are_named_alike { like.names() } else { map.names() };
    let mut values = map.all().to_vec();
    for (at, value) in shared {
        values[at] = value;
    }
    Common::Parts(Value::Object(Map::of_names(names.clone(), values.into_iter())))
}

fn of_arrays(items: &Array, like: &Array) -> Common {
    if items.is_same(like) {
        return Common::All;
    }
    of_items(items, like, |items| Value::Array(items.into()))
}

/// What lists of values have in common, or the values of maps with the same names.
fn of_items(items: &[Value], like: &[Value], whole: impl FnOnce(Vec<Value>) -> Value) -> Common {
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
    Common::Parts(whole(items))
}
