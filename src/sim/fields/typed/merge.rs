//! Merging an applied object into the live one, and taking fields out of an object.

use super::{Element, Kind, List, Path, Place, Set, element_of, show_path};
use crate::sim::json::{Map, Value};
use crate::sim::schema::Type;

/// Merges `applied` into `live`: what it sets wins, lists with keys merge by item, other lists are replaced.
///
/// # Errors
/// A text when items of a list cannot be told apart.
pub fn merge(ty: &'static Type, live: &Value, applied: &Value) -> Result<Value, String> {
    let merged = walk(Place::root(ty), Some(live), Some(applied), &mut Vec::new())?;
    Ok(merged.unwrap_or(Value::Null))
}

fn walk(place: Place, left: Option<&Value>, right: Option<&Value>, path: &mut Path) -> Result<Option<Value>, String> {
    match place.kind_of([left, right]) {
        Kind::Leaf => Ok(right.or(left).cloned()),
        Kind::Map => {
            let none = Map::new();
            let (lefts, rights) = (left.and_then(Value::as_object).unwrap_or(&none), right.and_then(Value::as_object).unwrap_or(&none));
            if lefts.is_empty() && rights.is_empty() {
                return Ok(right.or(left).cloned());
            }
            let mut merged = Map::new();
            for key in lefts.keys().chain(rights.keys().filter(|key| !lefts.contains_key(key))) {
                let Some(inner) = place.member(key) else { continue };
                path.push(Element::field(key));
                if let Some(value) = walk(inner, lefts.get(key), rights.get(key), path)? {
                    merged.insert(key.clone(), value);
                }
                path.pop();
            }
            Ok((!merged.is_empty()).then_some(Value::Object(merged)))
        }
        Kind::List(list) => {
            let (lefts, rights) = (left.and_then(Value::as_array).unwrap_or_default(), right.and_then(Value::as_array).unwrap_or_default());
            if lefts.is_empty() && rights.is_empty() {
                return Ok(right.or(left).cloned());
            }
            let merged = Lists::new(list, lefts, rights, path)?.merge(path)?;
            Ok((!merged.is_empty()).then_some(Value::from(merged)))
        }
    }
}

/// Two lists while they merge, with the elements of their items.
struct Lists<'a> {
    list: &'static List,
    left: Vec<(Element, &'a Value)>,
    right: Vec<(Element, &'a Value)>,
}

impl<'a> Lists<'a> {
    fn new(list: &'static List, left: &'a [Value], right: &'a [Value], path: &Path) -> Result<Self, String> {
        let indexed = |items: &'a [Value]| -> Result<Vec<(Element, &'a Value)>, String> {
            let element =
                |(at, item)| element_of(list, item).map(|element| (element, item)).map_err(|error| format!("{}: element {at}: {error}", show_path(path)));
            items.iter().enumerate().map(element).collect()
        };
        let (left, right) = (indexed(left)?, indexed(right)?);
        for (at, (element, _)) in right.iter().enumerate() {
            if right[..at].iter().any(|(other, _)| other == element) {
                return Err(format!("{}: duplicate entries for key {element}", show_path(path)));
            }
        }
        Ok(Lists { list, left, right })
    }

    fn in_right(&self, element: &Element) -> Option<&'a Value> {
        self.right.iter().find(|(other, _)| other == element).map(|(_, item)| *item)
    }

    /// The live item; null if several have the element, which an applied one then replaces.
    fn in_left(&self, element: &Element) -> Option<&'a Value> {
        let mut found = self.left.iter().filter(|(other, _)| other == element);
        match (found.next(), found.next()) {
            (Some(_), Some(_)) => Some(&Value::Null),
            (first, _) => first.map(|(_, item)| *item),
        }
    }

    fn item(&self, element: &Element, left: Option<&Value>, right: Option<&Value>, path: &mut Path) -> Result<Option<Value>, String> {
        path.push(element.clone());
        let merged = walk(Place::of_link(self.list.item), left, right, path);
        path.pop();
        merged
    }

    /// Interleaves both lists: applied items in their order, live ones as near to their old neighbours as that allows.
    fn merge(&self, path: &mut Path) -> Result<Vec<Value>, String> {
        let mut out = Vec::new();
        let mut merged: Vec<&Element> = Vec::new();
        let mut shared = self.right.iter().map(|(element, _)| element).filter(|element| self.in_left(element).is_some()).peekable();
        let mut next_shared = shared.next();
        let (mut at_left, mut at_right) = (0, 0);
        while at_left < self.left.len() || at_right < self.right.len() {
            if let (Some((element, _)), Some((other, right))) = (self.left.get(at_left), self.right.get(at_right)) {
                if element == other {
                    merged.push(element);
                    out.extend(self.item(element, self.in_left(element), Some(right), path)?);
                    at_left += 1;
                    at_right += 1;
                    next_shared = shared.next();
                    continue;
                }
                // The live item stands before the next shared one, but is applied to stand later.
                if self.in_right(element).is_some() && next_shared.is_some_and(|next| next != element) {
                    at_left += 1;
                    continue;
                }
            }
            if let Some((element, left)) = self.left.get(at_left) {
                if self.in_right(element).is_none() {
                    out.extend(self.item(element, Some(left), None, path)?);
                    at_left += 1;
                    continue;
                }
                if merged.contains(&element) {
                    at_left += 1;
                }
            }
            if let Some((element, right)) = self.right.get(at_right) {
                merged.push(element);
                out.extend(self.item(element, self.in_left(element), Some(right), path)?);
                at_right += 1;
                if next_shared == Some(element) {
                    next_shared = shared.next();
                }
            }
        }
        Ok(out)
    }
}

/// The object without these fields.
pub fn without(ty: &'static Type, object: &Value, fields: &Set) -> Value {
    remove(Place::root(ty), object, fields)
}

fn remove(place: Place, value: &Value, fields: &Set) -> Value {
    let scalar = matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_));
    match (place.kind_of([Some(value), None]), value) {
        (Kind::Leaf, _) if scalar => value.clone(),
        (Kind::Map, Value::Object(map)) if !map.is_empty() => {
            let mut kept = Map::new();
            for (key, value) in map {
                let element = Element::field(key);
                if fields.has_member(&element) {
                    continue;
                }
                let below = fields.below(&element).filter(|below| !below.is_empty());
                let rest = match (below, place.member(key)) {
                    (Some(below), Some(inner)) => remove(inner, value, below),
                    _ => value.clone(),
                };
                kept.insert(key.clone(), rest);
            }
            if kept.is_empty() { Value::Null } else { Value::Object(kept) }
        }
        (Kind::List(list), Value::Array(items)) if !items.is_empty() => {
            let mut kept = Vec::new();
            for item in items {
                let Ok(element) = element_of(list, item) else {
                    kept.push(item.clone());
                    continue;
                };
                if fields.has_member(&element) {
                    continue;
                }
                match fields.below(&element).filter(|below| !below.is_empty()) {
                    Some(below) => kept.push(remove(Place::of_link(list.item), item, below)),
                    None => kept.push(item.clone()),
                }
            }
            if kept.is_empty() { Value::Null } else { Value::from(kept) }
        }
        _ => Value::Null,
    }
}
