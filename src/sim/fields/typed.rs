//! Walks over objects by their types: which fields they set, how two differ, how one merges into another, what is left without some fields.
//!
//! Not here: who owns the fields (`apply`).

use super::{Element, Path, Set, same, show_path};
use crate::sim::json::{Map, Value};
use crate::sim::schema::{Field, Link, List, ListKind, Shape, Type};

mod check;
mod difference;
mod merge;

pub use check::check;
pub use difference::{Mark, Node, difference};
pub use merge::{merge, without};

/// A place in a type: what stands there, and whether it is owned as a whole.
#[derive(Clone, Copy)]
pub struct Place {
    pub ty: &'static Type,
    atomic: bool,
}

impl Place {
    pub fn root(ty: &'static Type) -> Self {
        Place { ty, atomic: ty.atomic }
    }

    fn of_field(field: &Field) -> Self {
        Place { ty: field.ty(), atomic: field.atomic() }
    }

    fn of_link(link: Link) -> Self {
        Place::root(link.ty())
    }

    /// The place of a member of a struct or map; `None` for one that the struct does not have.
    fn member(self, name: &str) -> Option<Self> {
        match &self.ty.shape {
            Shape::Struct(fields) => self.ty.field(name).map(Place::of_field).or(fields.rest.map(Place::of_link)),
            Shape::Map(link) => Some(Place::of_link(*link)),
            Shape::Deduced => Some(self),
            _ => None,
        }
    }

    /// Whether the type itself names this member.
    fn declares(self, name: &str) -> bool {
        self.ty.field(name).is_some()
    }

    /// How values are walked that stand here: where the type says nothing, they do.
    fn kind_of(self, values: [Option<&Value>; 2]) -> Kind {
        match self.ty.shape {
            Shape::Deduced if values.iter().flatten().any(|it| it.is_object()) => Kind::Map,
            _ => self.kind(),
        }
    }

    /// What there is to go into in two values that stand here: two that are empty are as scalars.
    fn sides<'a>(self, left: Option<&'a Value>, right: Option<&'a Value>) -> Sides<'a> {
        match self.kind_of([left, right]) {
            Kind::Leaf => Sides::Leaf,
            Kind::Map => match (left.and_then(Value::as_object), right.and_then(Value::as_object)) {
                (left, right) if left.is_none_or(Map::is_empty) && right.is_none_or(Map::is_empty) => Sides::Leaf,
                (left, right) => Sides::Maps(left, right),
            },
            Kind::List(list) => {
                let items = |side: Option<&'a Value>| side.and_then(Value::as_array).unwrap_or_default();
                match (items(left), items(right)) {
                    ([], []) => Sides::Leaf,
                    (left, right) => Sides::Lists(list, left, right),
                }
            }
        }
    }

    fn kind(self) -> Kind {
        match &self.ty.shape {
            Shape::Struct(_) | Shape::Map(_) if self.atomic => Kind::Leaf,
            Shape::Struct(_) | Shape::Map(_) => Kind::Map,
            Shape::List(list) if list.kind == ListKind::Atomic => Kind::Leaf,
            Shape::List(list) => Kind::List(list),
            _ => Kind::Leaf,
        }
    }
}

/// Two values of one place, as far as they are gone into.
enum Sides<'a> {
    Leaf,
    Maps(Option<&'a Map>, Option<&'a Map>),
    Lists(&'static List, &'a [Value], &'a [Value]),
}

/// How a place is walked.
#[derive(Clone, Copy)]
enum Kind {
    /// A scalar, or what is owned as a whole.
    Leaf,
    Map,
    List(&'static List),
}

/// The element of an item of a list that is a set or has keys. Keys that the item leaves out have their defaults.
fn element_of(list: &'static List, item: &Value) -> Result<Element, String> {
    if list.keys.is_empty() {
        return match item {
            Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
            Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
            Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
            scalar => Ok(Element::Value(scalar.clone())),
        };
    }
    let map = match item {
        Value::Object(map) => map,
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let mut keys: Vec<(String, Value)> = Vec::new();
    for key in &list.keys {
        let default = || list.item.ty().field(key).and_then(|field| field.default.as_ref());
        if let Some(value) = map.get(key).or_else(default) {
            keys.push((key.clone(), value.clone()));
        }
    }
    if keys.is_empty() {
        let names: Vec<String> = list.keys.iter().map(|key| format!("{key:?}")).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have default values for any key fields)",
            names.join(" ")
        ));
    }
    keys.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(Element::Key(keys))
}

fn is_empty_map(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty)
}

/// The fields that an object sets.
pub fn field_set(place: Place, value: &Value) -> Set {
    let mut set = Set::default();
    collect(place, value, &mut Vec::new(), &mut set);
    set
}

fn collect(place: Place, value: &Value, path: &mut Path, set: &mut Set) {
    match (place.kind_of([Some(value), None]), value) {
        (Kind::Leaf, _) => set.insert(path),
        (Kind::Map, Value::Object(map)) => {
            for (key, value) in map {
                path.push(Element::field(key));
                if let Some(inner) = place.member(key) {
                    collect(inner, value, path, set);
                }
                // A struct's field is there if something in it is; a map's key is a thing of its own.
                if value.is_null() || is_empty_map(value) || !place.declares(key) {
                    set.insert(path);
                }
                path.pop();
            }
        }
        (Kind::List(list), Value::Array(items)) => {
            let elements: Vec<Option<Element>> = items.iter().map(|item| element_of(list, item).ok()).collect();
            for (element, item) in elements.iter().zip(items) {
                let Some(element) = element else { continue };
                path.push(element.clone());
                // Items with one key are owned together.
                if elements.iter().flatten().filter(|other| *other == element).count() == 1 {
                    collect(Place::of_link(list.item), item, path, set);
                }
                set.insert(path);
                path.pop();
            }
        }
        _ => {}
    }
}

/// How one object differs from another.
#[derive(Clone, Debug, Default)]
pub struct Comparison {
    pub removed: Set,
    pub modified: Set,
    pub added: Set,
}

impl Comparison {
    /// What became different or is there now.
    pub fn changed(&self) -> Set {
        self.modified.union(&self.added)
    }

    pub fn filtered(&self, filter: impl Fn(&Set) -> Set) -> Self {
        Comparison { removed: filter(&self.removed), modified: filter(&self.modified), added: filter(&self.added) }
    }
}

/// Compares two objects of one type.
pub fn compare(ty: &'static Type, left: &Value, right: &Value) -> Comparison {
    let mut comparison = Comparison::default();
    comparison.walk(Place::root(ty), Some(left), Some(right), &mut Vec::new());
    comparison
}

impl Comparison {
    fn walk(&mut self, place: Place, left: Option<&Value>, right: Option<&Value>, path: &mut Path) {
        // Versions of an object share what did not change.
        if let (Some(left), Some(right)) = (left, right)
            && left.is_same(right)
        {
            return;
        }
        let sides = place.sides(left, right);
        let is_leaf = matches!(sides, Sides::Leaf);
        match sides {
            Sides::Leaf => {}
            Sides::Maps(left, right) => self.walk_maps(place, left, right, path),
            Sides::Lists(list, left, right) => self.walk_lists(list, left, right, path),
        }
        match (left, right) {
            (None, _) => self.added.insert(path),
            (_, None) => self.removed.insert(path),
            (Some(left), Some(right)) if is_leaf && !same(left, right) => self.modified.insert(path),
            _ => {}
        }
    }

    fn walk_maps(&mut self, place: Place, left: Option<&Map>, right: Option<&Map>, path: &mut Path) {
        let none = Map::new();
        let (left, right) = (left.unwrap_or(&none), right.unwrap_or(&none));
        for key in left.keys().chain(right.keys().filter(|key| !left.contains_key(key))) {
            let Some(inner) = place.member(key) else { continue };
            path.push(Element::field(key));
            self.walk(inner, left.get(key), right.get(key), path);
            path.pop();
        }
    }

    fn walk_lists(&mut self, list: &'static List, left: &[Value], right: &[Value], path: &mut Path) {
        let (left, right) = (grouped(list, left), grouped(list, right));
        let of = |groups: &[(Element, Vec<Value>)], element: &Element| {
            groups.iter().find(|(other, _)| other == element).map(|(_, items)| items.clone()).unwrap_or_default()
        };
        let all = left.iter().chain(right.iter().filter(|(element, _)| !left.iter().any(|(other, _)| other == element)));
        for (element, _) in all {
            let (lefts, rights) = (of(&left, element), of(&right, element));
            path.push(element.clone());
            let item = Place::of_link(list.item);
            match (lefts.as_slice(), rights.as_slice()) {
                ([] | [_], [] | [_]) => self.walk(item, lefts.first(), rights.first(), path),
                ([_, _, ..], [_, _, ..]) => {
                    if lefts.len() != rights.len() || !lefts.iter().zip(&rights).all(|(left, right)| same(left, right)) {
                        self.modified.insert(path);
                    }
                }
                ([_, _, ..], _) => {
                    // Several items become one: all of them go, and the one is new.
                    if !rights.is_empty() {
                        self.walk(item, None, rights.first(), path);
                    }
                    self.removed.insert(path);
                }
                (_, _) => {
                    if !lefts.is_empty() {
                        self.walk(item, lefts.first(), None, path);
                    }
                    self.added.insert(path);
                }
            }
            path.pop();
        }
    }
}

/// The items by their elements, in the order in which elements first occur.
fn grouped(list: &'static List, items: &[Value]) -> Vec<(Element, Vec<Value>)> {
    let mut groups: Vec<(Element, Vec<Value>)> = Vec::new();
    for item in items {
        let Ok(element) = element_of(list, item) else { continue };
        match groups.iter_mut().find(|(other, _)| *other == element) {
            Some((_, group)) => group.push(item.clone()),
            None => groups.push((element, vec![item.clone()])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use crate::sim::json::json;

    use super::*;
    use crate::sim::schema::of;

    fn deployment() -> &'static Type {
        of("apps", "v1", "Deployment").unwrap()
    }

    #[test]
    fn objects_set_fields_down_to_scalars_and_what_is_atomic() {
        let object = json!({"metadata": {"labels": {"app": "web"}, "annotations": {}, "finalizers": ["a/b"]},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}, "strategy": {},
                "template": {"spec": {"nodeSelector": {"a": "b"}, "containers": [{"name": "c", "args": ["x"], "resources": {"limits": {"cpu": "1"}}, "ports": [{"containerPort": 80}]}]}}}});
        let expected = json!({
            "f:metadata": {"f:annotations": {}, "f:labels": {"f:app": {}}, "f:finalizers": {"v:\"a/b\"": {}}},
            "f:spec": {"f:replicas": {}, "f:selector": {}, "f:strategy": {},
                "f:template": {"f:spec": {"f:nodeSelector": {}, "f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:name": {}, "f:args": {},
                    "f:resources": {"f:limits": {"f:cpu": {}}},
                    "f:ports": {"k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}}}}},
        });
        assert_eq!(field_set(Place::root(deployment()), &object).to_json(), expected);
    }

    #[test]
    fn objects_are_compared_field_by_field() {
        let left = json!({"spec": {"replicas": 1, "paused": true, "template": {"spec": {"containers": [{"name": "a", "image": "x"}, {"name": "b"}]}}}});
        let right = json!({"spec": {"replicas": 2, "template": {"metadata": {"labels": {"l": "1"}}, "spec": {"containers": [{"name": "c"}, {"name": "a", "image": "x"}]}}}});
        let comparison = compare(deployment(), &left, &right);
        assert_eq!(comparison.modified.to_json(), json!({"f:spec": {"f:replicas": {}}}));
        assert_eq!(
            comparison.removed.to_json(),
            json!({"f:spec": {"f:paused": {}, "f:template": {"f:spec": {"f:containers": {"k:{\"name\":\"b\"}": {".": {}, "f:name": {}}}}}}})
        );
        assert_eq!(
            comparison.added.to_json(),
            json!({"f:spec": {"f:template": {"f:metadata": {".": {}, "f:labels": {".": {}, "f:l": {}}}, "f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:name": {}}}}}}})
        );
    }
}
