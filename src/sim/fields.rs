//! Sets of fields: who owns what, as `managedFields` of an object says it, with their JSON form (FieldsV1).
//!
//! Not here: what sets mean to writers (`apply`).

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::sim::json::{Map, Value, literal};
use crate::sim::schema::{Shape, Type};

pub mod typed;
pub mod written;

/// One step of a path into an object.
#[derive(Clone, Debug)]
pub enum Element {
    Field(String),
    /// A list's item by its keys, sorted by name.
    Key(Vec<(String, Value)>),
    /// A member of a list that is a set.
    Value(Value),
    Index(i64),
}

pub type Path = Vec<Element>;

/// A set of paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set {
    members: BTreeSet<Element>,
    children: BTreeMap<Element, Set>,
}

impl Element {
    pub fn field(name: &str) -> Self {
        Element::Field(name.to_owned())
    }

    /// The key in FieldsV1: `f:spec`, `k:{"name":"web"}`, `v:"x"`, `i:1`.
    pub fn to_key(&self) -> String {
        match self {
            Element::Field(name) => format!("f:{name}"),
            Element::Key(keys) => {
                let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{}:{}", go_json(&Value::from(name.as_str())), go_json(value))).collect();
                format!("k:{{{}}}", keys.join(","))
            }
            Element::Value(value) => format!("v:{}", go_json(value)),
            Element::Index(at) => format!("i:{at}"),
        }
    }

    /// Reads a key of FieldsV1; `None` for a kind of element that is not known and therefore skipped.
    ///
    /// # Errors
    /// A text for what has no known form.
    pub fn from_key(key: &str) -> Result<Option<Self>, String> {
        let Some((kind, rest)) = key.split_at_checked(2) else { return Err("key must be 2 characters long:".to_owned()) };
        if !kind.ends_with(':') {
            return Err(format!("missing colon: {key}"));
        }
        let json = || serde_json::from_str::<Value>(rest).map_err(|error| format!("{key}: {error}"));
        Ok(Some(match kind {
            "f:" => Element::field(rest),
            "v:" => Element::Value(json()?),
            "k:" => match json()? {
                Value::Object(map) => Element::Key(map.into_iter().map(|(name, value)| (name.to_string(), value)).collect()),
                _ => return Err(format!("{key}: expected a map of keys")),
            },
            "i:" => Element::Index(rest.parse().map_err(|_| format!("strconv.Atoi: parsing {rest:?}: invalid syntax"))?),
            _ => return Ok(None),
        }))
    }

    fn rank(&self) -> u8 {
        match self {
            Element::Field(_) => 0,
            Element::Key(_) => 1,
            Element::Value(_) => 2,
            Element::Index(_) => 3,
        }
    }
}

impl fmt::Display for Element {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Field(name) => write!(out, ".{name}"),
            Element::Key(keys) => {
                let keys: Vec<String> = keys.iter().map(|(name, value)| format!("{name}={}", show(value))).collect();
                write!(out, "[{}]", keys.join(","))
            }
            Element::Value(value) => write!(out, "[={}]", show(value)),
            Element::Index(at) => write!(out, "[{at}]"),
        }
    }
}

impl Ord for Element {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Element::Field(left), Element::Field(right)) => left.cmp(right),
            (Element::Key(left), Element::Key(right)) => {
                for ((left_name, left), (right_name, right)) in left.iter().zip(right) {
                    let order = left_name.cmp(right_name).then_with(|| compare_values(left, right));
                    if order != Ordering::Equal {
                        return order;
                    }
                }
                left.len().cmp(&right.len())
            }
            (Element::Value(left), Element::Value(right)) => compare_values(left, right),
            (Element::Index(left), Element::Index(right)) => left.cmp(right),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Element {}

/// A path as conflicts show it: `.spec.containers[name="web"].image`.
pub fn show_path(path: &[Element]) -> String {
    path.iter().map(Element::to_string).collect()
}

impl Set {
    /// The set of these paths of field names.
    pub fn of(paths: &[&[&str]]) -> Self {
        let mut set = Set::default();
        for path in paths {
            set.insert(&path.iter().map(|name| Element::field(name)).collect::<Vec<_>>());
        }
        set
    }

    pub fn insert(&mut self, path: &[Element]) {
        match path {
            [] => {}
            [last] => {
                self.members.insert(last.clone());
            }
            [first, rest @ ..] => self.children.entry(first.clone()).or_default().insert(rest),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.children.values().all(Set::is_empty)
    }

    pub fn has(&self, path: &[Element]) -> bool {
        match path {
            [] => false,
            [last] => self.members.contains(last),
            [first, rest @ ..] => self.children.get(first).is_some_and(|child| child.has(rest)),
        }
    }

    pub fn has_member(&self, element: &Element) -> bool {
        self.members.contains(element)
    }

    /// What the set holds below an element.
    pub fn below(&self, element: &Element) -> Option<&Set> {
        self.children.get(element)
    }

    pub fn union(&self, other: &Set) -> Set {
        let mut union = self.clone();
        union.members.extend(other.members.iter().cloned());
        for (element, child) in &other.children {
            let merged = match union.children.get(element) {
                Some(present) => present.union(child),
                None => child.clone(),
            };
            union.children.insert(element.clone(), merged);
        }
        union
    }

    pub fn intersection(&self, other: &Set) -> Set {
        let members = self.members.intersection(&other.members).cloned().collect();
        let both = |(element, child): (&Element, &Set)| Some((element.clone(), child.intersection(other.children.get(element)?)));
        let children = self.children.iter().filter_map(both).filter(|(_, child)| !child.is_empty()).collect();
        Set { members, children }
    }

    /// The paths that are not in `other`; children of a path stay when `other` has only the path itself.
    pub fn difference(&self, other: &Set) -> Set {
        let members = self.members.difference(&other.members).cloned().collect();
        let rest = |(element, child): (&Element, &Set)| match other.children.get(element) {
            None => Some((element.clone(), child.clone())),
            Some(taken) => Some((element.clone(), child.difference(taken))).filter(|(_, rest)| !rest.is_empty()),
        };
        Set { members, children: self.children.iter().filter_map(rest).collect() }
    }

    /// The paths that are neither in `other` nor below one of its paths.
    pub fn recursive_difference(&self, other: &Set) -> Set {
        let members = self.members.difference(&other.members).cloned().collect();
        let rest = |(element, child): (&Element, &Set)| match other.children.get(element) {
            _ if other.members.contains(element) => None,
            None => Some((element.clone(), child.clone())),
            Some(taken) => Some((element.clone(), child.recursive_difference(taken))).filter(|(_, rest)| !rest.is_empty()),
        };
        Set { members, children: self.children.iter().filter_map(rest).collect() }
    }

    /// Only what is one of `paths` or below it; an element `None` of a path stands for any.
    pub fn only_below(&self, paths: &[&[Option<&str>]]) -> Set {
        let matching = |element: &Element, step: Option<&str>| step.is_none_or(|name| *element == Element::field(name));
        let tails = |element: &Element| -> Vec<&[Option<&str>]> {
            paths.iter().filter_map(|path| path.split_first().filter(|(first, _)| matching(element, **first)).map(|(_, rest)| rest)).collect()
        };
        if paths.iter().any(|path| path.is_empty()) {
            return self.clone();
        }
        let members = self.members.iter().filter(|element| !tails(element).is_empty()).cloned().collect();
        let children =
            self.children.iter().map(|(element, child)| (element.clone(), child.only_below(&tails(element)))).filter(|(_, child)| !child.is_empty()).collect();
        Set { members, children }
    }

    /// Adds the structs' fields that have children here as members, so that differences reach them.
    pub fn with_named_fields(&self, ty: Option<&'static Type>) -> Set {
        let mut members = self.members.clone();
        let mut children = BTreeMap::new();
        for (element, child) in &self.children {
            let inner = match (element, ty.map(|ty| (ty, &ty.shape))) {
                (Element::Field(name), Some((ty, Shape::Struct(fields)))) => {
                    let field = ty.field(name);
                    if field.is_some() {
                        members.insert(element.clone());
                    }
                    field.map(|field| field.ty()).or(fields.rest.map(|link| link.ty()))
                }
                (Element::Field(_), Some((ty, Shape::Deduced))) => Some(ty),
                (Element::Field(_), Some((_, Shape::Map(link)))) => Some(link.ty()),
                (Element::Key(_), Some((_, Shape::List(list)))) => Some(list.item.ty()),
                _ => None,
            };
            children.insert(element.clone(), child.with_named_fields(inner));
        }
        Set { members, children }
    }

    /// All paths: the members of each level before what is below.
    pub fn paths(&self) -> Vec<Path> {
        let mut paths = Vec::new();
        self.collect(&mut Vec::new(), &mut paths);
        paths
    }

    fn collect(&self, prefix: &mut Path, into: &mut Vec<Path>) {
        for element in &self.members {
            prefix.push(element.clone());
            into.push(prefix.clone());
            prefix.pop();
        }
        for (element, child) in &self.children {
            prefix.push(element.clone());
            child.collect(prefix, into);
            prefix.pop();
        }
    }

    /// FieldsV1.
    pub fn to_json(&self) -> Value {
        Value::Object(self.to_map(false))
    }

    fn to_map(&self, with_self: bool) -> Map {
        let mut map = Map::new();
        if with_self && !(self.members.is_empty() && self.children.is_empty()) {
            map.insert(literal!("."), Value::Object(Map::new()));
        }
        for element in &self.members {
            map.insert(element.to_key(), Value::Object(Map::new()));
        }
        for (element, child) in &self.children {
            map.insert(element.to_key(), Value::Object(child.to_map(self.members.contains(element))));
        }
        map
    }

    /// Reads FieldsV1.
    ///
    /// # Errors
    /// A text for a key that has no known form.
    pub fn from_json(fields: &Value) -> Result<Set, String> {
        Ok(Set::read(fields)?.0.unwrap_or_default())
    }

    /// The children, and whether the path itself is a member: a leaf is.
    fn read(fields: &Value) -> Result<(Option<Set>, bool), String> {
        let mut is_member = false;
        let mut children: Option<Set> = None;
        for (key, value) in fields.as_object().into_iter().flatten() {
            if key == "." {
                is_member = true;
                continue;
            }
            let Some(element) = Element::from_key(key)? else { continue };
            let (below, child_is_member) = Set::read(value)?;
            let set = children.get_or_insert_default();
            if child_is_member {
                set.members.insert(element.clone());
            }
            if let Some(below) = below {
                set.children.insert(element, below);
            }
        }
        let is_member = is_member || children.is_none();
        Ok((children, is_member))
    }
}

/// A value in a path.
fn show(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(",")),
        Value::Object(map) => map.iter().map(|(key, value)| format!("{key}={}", show(value))).collect(),
        other => other.to_string(),
    }
}

/// JSON as Go writes it: `<`, `>` and `&` escaped for HTML.
pub(crate) fn go_json(value: &Value) -> String {
    let plain = value.to_string();
    let mut text = String::with_capacity(plain.len());
    for letter in plain.chars() {
        match letter {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => text.push_str(&format!("\\u{:04x}", u32::from(letter))),
            other => text.push(other),
        }
    }
    text
}

/// Are the values the same? Whole numbers and fractions are compared as numbers.
pub fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => left == right,
            _ => left.as_f64() == right.as_f64(),
        },
        (Value::Array(left), Value::Array(right)) => left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right)),
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len() && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        _ => left == right,
    }
}

fn compare_values(left: &Value, right: &Value) -> Ordering {
    let rank = |value: &Value| match value {
        Value::Number(_) => 0,
        Value::String(_) => 1,
        Value::Bool(_) => 2,
        Value::Array(_) => 3,
        Value::Object(_) => 4,
        Value::Null => 5,
    };
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => match (left.as_i64(), right.as_i64()) {
            (Some(left), Some(right)) => left.cmp(&right),
            _ => left.as_f64().unwrap_or_default().total_cmp(&right.as_f64().unwrap_or_default()),
        },
        (Value::String(left), Value::String(right)) => left.cmp(right),
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Array(left), Value::Array(right)) => {
            left.iter().zip(right).map(|(left, right)| compare_values(left, right)).find(|order| order.is_ne()).unwrap_or(left.len().cmp(&right.len()))
        }
        (Value::Object(left), Value::Object(right)) => {
            let pairs = left.iter().zip(right);
            let order = pairs.map(|((left_key, left), (right_key, right))| left_key.cmp(right_key).then_with(|| compare_values(left, right)));
            order.into_iter().find(|order| order.is_ne()).unwrap_or(left.len().cmp(&right.len()))
        }
        _ => rank(left).cmp(&rank(right)),
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::json::json;

    use super::*;

    fn set(fields: Value) -> Set {
        Set::from_json(&fields).unwrap()
    }

    #[test]
    fn sets_are_read_and_written_as_fields_v1() {
        for fields in [
            json!({}),
            json!({"f:spec": {"f:replicas": {}}}),
            json!({"f:metadata": {"f:labels": {".": {}, "f:app": {}}, "f:finalizers": {".": {}, "v:\"a/b\"": {}}}}),
            json!({"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {".": {}, "f:image": {}, "f:ports": {".": {}, "k:{\"containerPort\":80,\"protocol\":\"TCP\"}": {".": {}, "f:containerPort": {}}}}}}}),
            json!({"f:a": {"i:3": {}, "v:true": {}, "v:1.5": {}}}),
        ] {
            assert_eq!(set(fields.clone()).to_json(), fields);
        }
        assert_eq!(Element::Value(json!("a<b>&")).to_key(), r#"v:"a\u003cb\u003e\u0026""#);
        assert_eq!(set(json!({"x:unknown": {}, "f:a": {}})), Set::of(&[&["a"]]));
        assert_eq!(Set::from_json(&json!({"fa": {}})).unwrap_err(), "missing colon: fa");
    }

    #[test]
    fn differences_keep_or_take_what_is_below() {
        let all = set(json!({"f:a": {".": {}, "f:b": {}, "f:c": {"f:d": {}}}, "f:e": {}}));
        assert_eq!(all.difference(&Set::of(&[&["a"], &["e"]])).to_json(), json!({"f:a": {"f:b": {}, "f:c": {"f:d": {}}}}));
        assert_eq!(all.recursive_difference(&Set::of(&[&["a"]])).to_json(), json!({"f:e": {}}));
        assert_eq!(all.recursive_difference(&Set::of(&[&["a", "c"]])).to_json(), json!({"f:a": {".": {}, "f:b": {}}, "f:e": {}}));
        assert_eq!(all.intersection(&Set::of(&[&["a", "b"], &["x"]])).to_json(), json!({"f:a": {"f:b": {}}}));
        assert_eq!(Set::of(&[&["a"]]).union(&Set::of(&[&["a", "b"]])).to_json(), json!({"f:a": {".": {}, "f:b": {}}}));
        assert_eq!(all.only_below(&[&[Some("a"), None]]).to_json(), json!({"f:a": {".": {}, "f:b": {}, "f:c": {"f:d": {}}}}));
        assert_eq!(all.only_below(&[&[Some("a"), None, Some("d")]]).to_json(), json!({"f:a": {".": {}, "f:b": {}, "f:c": {"f:d": {}}}}));
    }

    #[test]
    fn paths_read_as_conflicts_show_them() {
        let paths = set(json!({"f:spec": {"f:containers": {"k:{\"name\":\"a\"}": {"f:image": {}}}}, "f:metadata": {"f:finalizers": {"v:\"x\"": {}}}})).paths();
        let shown: Vec<String> = paths.iter().map(|path| show_path(path)).collect();
        assert_eq!(shown, [r#".metadata.finalizers[="x"]"#, r#".spec.containers[name="a"].image"#]);
    }
}
