//! How two objects of one type differ, as a tree over what differs alone: what most writes are decided by.
//!
//! It says the same as `compare`, in the form in which FieldsV1 is changed (`fields::written`), and says nothing where that form cannot: items of a list
//! that cannot be told apart.

use std::cmp::Ordering;

use super::{Element, Place, Sides, element_of, same};
use crate::sim::json::{Map, Number, Text, Value};
use crate::sim::schema::{List, Shape, Type};

/// What became of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// Only what is below it differs.
    Same,
    /// It is there now, or has another value.
    Changed,
    Removed,
}

/// A field or item that differs.
#[derive(Debug)]
pub struct Node {
    /// As FieldsV1 has it: `f:spec`.
    pub key: Text,
    pub mark: Mark,
    /// In the order of their keys.
    pub below: Vec<Node>,
}

/// Lists up to this length are looked through for items that occur twice.
const SHORT: usize = 16;

/// How `right` differs from `left`, but for what stands at the paths of `skip`; `None` where a tree cannot say it.
pub fn difference(ty: &'static Type, left: &Value, right: &Value, skip: &[&[&str]]) -> Option<Vec<Node>> {
    let mut walk = Walk { is_odd: false };
    let found = walk.values(Place::root(ty), Some(left), Some(right), skip);
    (!walk.is_odd).then(|| found.map_or_else(Vec::new, |(_, below)| below))
}

/// The members of a place, asked for in the order of their names.
struct Members {
    place: Place,
    at: usize,
}

impl Members {
    fn find(&mut self, name: &Text) -> Option<(Place, Text)> {
        let named = |place: Place| (place, Text::from(format!("f:{name}")));
        match &self.place.ty.shape {
            Shape::Struct(fields) => {
                let sorted = &fields.sorted()[self.at..];
                let past = sorted.partition_point(|at| fields.fields[*at].name.as_str() < name.as_str());
                self.at += past;
                match sorted.get(past).map(|at| &fields.fields[*at]).filter(|field| field.name == *name) {
                    Some(field) => Some((Place::of_field(field), field.key.clone())),
                    None => fields.rest.map(|link| named(Place::of_link(link))),
                }
            }
            _ => self.place.member(name).map(named),
        }
    }
}

struct Walk {
    /// Items of a list cannot be told apart.
    is_odd: bool,
}

impl Walk {
    fn values(&mut self, place: Place, left: Option<&Value>, right: Option<&Value>, skip: &[&[&str]]) -> Option<(Mark, Vec<Node>)> {
        let sides = place.sides(left, right);
        let is_leaf = matches!(sides, Sides::Leaf);
        let below = match sides {
            Sides::Leaf => Vec::new(),
            Sides::Maps(left, right) => self.maps(place, left, right, skip),
            Sides::Lists(list, left, right) => self.lists(list, left, right),
        };
        let mark = match (left, right) {
            (None, _) => Mark::Changed,
            (_, None) => Mark::Removed,
            (Some(left), Some(right)) if is_leaf && !same(left, right) => Mark::Changed,
            _ => Mark::Same,
        };
        (mark != Mark::Same || !below.is_empty()).then_some((mark, below))
    }

    /// Goes along both maps at once: both are sorted by name.
    fn maps(&mut self, place: Place, left: Option<&Map>, right: Option<&Map>, skip: &[&[&str]]) -> Vec<Node> {
        let mut members = Members { place, at: 0 };
        let mut found = Vec::new();
        let (mut lefts, mut rights) = (left.into_iter().flatten().peekable(), right.into_iter().flatten().peekable());
        loop {
            let order = match (lefts.peek(), rights.peek()) {
                (None, None) => return found,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((left, _)), Some((right, _))) if Text::ptr_eq(left, right) => Ordering::Equal,
                (Some((left, _)), Some((right, _))) => left.cmp(right),
            };
            let left = if order.is_le() { lefts.next() } else { None };
            let right = if order.is_ge() { rights.next() } else { None };
            let Some((name, _)) = left.or(right) else { return found };
            let (left, right) = (left.map(|(_, value)| value), right.map(|(_, value)| value));
            // Versions of an object share what did not change.
            if let (Some(left), Some(right)) = (left, right)
                && left.is_same(right)
            {
                continue;
            }
            if skip.iter().any(|path| matches!(path, [only] if *only == name.as_str())) {
                continue;
            }
            let Some((inner, key)) = members.find(name) else { continue };
            let deeper = |path: &&'_ [&'_ str]| -> bool { path.len() > 1 && path[0] == name.as_str() };
            let below = if skip.iter().any(deeper) {
                let skip: Vec<&[&str]> = skip.iter().filter(|path| deeper(path)).map(|path| &path[1..]).collect();
                self.values(inner, left, right, &skip)
            } else {
                self.values(inner, left, right, &[])
            };
            if let Some((mark, below)) = below {
                found.push(Node { key, mark, below });
            }
        }
    }

    fn lists(&mut self, list: &'static List, left: &[Value], right: &[Value]) -> Vec<Node> {
        let place = Place::of_link(list.item);
        let mut found = Vec::new();
        if are_aligned(list, left, right) {
            for (left, right) in left.iter().zip(right).filter(|(left, right)| !left.is_same(right)) {
                if let Some((mark, below)) = self.values(place, Some(left), Some(right), &[]) {
                    let Some(key) = self.key_of(list, left) else { continue };
                    found.push(Node { key, mark, below });
                }
            }
            found.sort_by(|one, other| one.key.cmp(&other.key));
            return found;
        }
        let (lefts, rights) = (self.by_key(list, left), self.by_key(list, right));
        let (mut lefts, mut rights) = (lefts.into_iter().peekable(), rights.into_iter().peekable());
        loop {
            let order = match (lefts.peek(), rights.peek()) {
                (None, None) => return found,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((left, _)), Some((right, _))) => left.cmp(right),
            };
            let left = if order.is_le() { lefts.next() } else { None };
            let right = if order.is_ge() { rights.next() } else { None };
            let (left, right, key) = match (left, right) {
                (Some((key, left)), right) => (Some(left), right.map(|(_, right)| right), key),
                (None, Some((key, right))) => (None, Some(right), key),
                (None, None) => return found,
            };
            if let (Some(left), Some(right)) = (left, right)
                && left.is_same(right)
            {
                continue;
            }
            if let Some((mark, below)) = self.values(place, left, right, &[]) {
                found.push(Node { key, mark, below });
            }
        }
    }

    /// The items in the order of their keys; those without one are no part of any set.
    fn by_key<'a>(&mut self, list: &'static List, items: &'a [Value]) -> Vec<(Text, &'a Value)> {
        let mut keyed: Vec<(Text, &Value)> = items.iter().filter_map(|item| Some((self.key_of(list, item)?, item))).collect();
        keyed.sort_by(|one, other| one.0.cmp(&other.0));
        self.is_odd |= keyed.windows(2).any(|pair| pair[0].0 == pair[1].0);
        keyed
    }

    fn key_of(&mut self, list: &'static List, item: &Value) -> Option<Text> {
        if let Some(key) = plain_key(list, item) {
            return Some(key);
        }
        let element = element_of(list, item).ok()?;
        // Numbers that are equal can be written in two ways.
        let is_fraction = |value: &Value| matches!(value, Value::Number(Number::Fraction(_)));
        self.is_odd |= match &element {
            Element::Key(keys) => keys.iter().any(|(_, value)| is_fraction(value)),
            Element::Value(value) => is_fraction(value),
            Element::Field(_) | Element::Index(_) => false,
        };
        Some(element.to_key().into())
    }
}

/// Whether two short lists have the same items in the same places, each once, by their one key.
fn are_aligned(list: &List, left: &[Value], right: &[Value]) -> bool {
    let [key] = list.keys.as_slice() else { return false };
    if left.len() != right.len() || left.len() > SHORT {
        return false;
    }
    let name = |item: &'_ Value| item.get(key.as_str()).and_then(Value::as_text).cloned();
    let mut seen: Vec<Text> = Vec::with_capacity(left.len());
    left.iter().zip(right).all(|(left, right)| match (name(left), name(right)) {
        (Some(left), Some(right)) if left == right && !seen.contains(&left) => {
            seen.push(left);
            true
        }
        _ => false,
    })
}

/// The key of an item that has one key, which is a text without anything to escape: as `Element::to_key` writes it.
fn plain_key(list: &List, item: &Value) -> Option<Text> {
    let is_plain = |text: &str| text.bytes().all(|c| matches!(c, b' '..=b'~') && !matches!(c, b'"' | b'\\' | b'<' | b'>' | b'&'));
    let (key, value) = match (list.keys.as_slice(), item) {
        ([], Value::String(text)) => (None, text),
        ([key], Value::Object(map)) => (Some(key), map.get(key)?.as_text()?),
        _ => return None,
    };
    if !is_plain(value) {
        return None;
    }
    Some(match key {
        None => format!("v:\"{value}\"").into(),
        Some(key) => format!("k:{{\"{key}\":\"{value}\"}}").into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::json::json;
    use crate::sim::schema::of;

    fn shown(nodes: &[Node]) -> Value {
        nodes.iter().map(|node| (node.key.clone(), json!({ "mark": format!("{:?}", node.mark), "below": shown(&node.below) }))).collect::<Map>().into()
    }

    #[test]
    fn a_difference_is_a_tree_over_what_differs() {
        let ty = of("apps", "v1", "Deployment").unwrap();
        let left = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"replicas": 1, "paused": true, "template": {"spec": {"containers": [{"name": "a", "image": "x"}]}}}});
        let right = json!({"metadata": {"labels": {"a": "c"}}, "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "b"}, {"name": "a", "image": "x"}]}}}});
        let below = |below: Value| json!({ "mark": "Same", "below": below });
        let leaf = |mark: &str| json!({ "mark": mark, "below": {} });
        let expected = json!({ "f:spec": below(json!({
            "f:paused": leaf("Removed"), "f:replicas": leaf("Changed"),
            "f:template": below(json!({ "f:spec": below(json!({ "f:containers": below(json!({
                "k:{\"name\":\"b\"}": { "mark": "Changed", "below": { "f:name": leaf("Changed") } },
            })) })) })),
        })) });
        assert_eq!(shown(&difference(ty, &left, &right, &[&["metadata", "labels"]]).unwrap()), expected);
        let twice = json!({"spec": {"template": {"spec": {"containers": [{"name": "a"}, {"name": "a"}]}}}});
        assert!(difference(ty, &left, &twice, &[]).is_none());
        assert!(difference(ty, &left, &twice, &[&["spec"]]).is_some());
    }
}
