//! JSON values that share what they have in common: a clone costs nothing, a change copies the path to it, and equal parts of two objects are one.
//!
//! The interface is that of `serde_json::Value`, down to the macro `json!`; members of a map are sorted by name. Objects of a cluster repeat each other, version
//! by version and pod by pod, which is why the simulator does not keep them as trees of their own. A map or a list is one allocation; the names of a map's
//! members stand apart, once for all stored maps that have the same ones.
//!
//! Not here: JSON texts (serde's part; `schema::parse` reads what clients send).

use std::fmt;
use std::sync::LazyLock;

use servo_arc::{Arc, ThinArc};

mod convert;
mod index;
mod macros;
mod map;
mod names;
mod number;
mod pool;
mod serial;
mod share;
mod write;

pub use arcstr;
pub use arcstr::ArcStr as Text;
pub(crate) use arcstr::literal;
pub use convert::ToJson;
pub use index::Index;
pub(crate) use macros::json;
pub use map::{Entry, Map};
pub use number::Number;
pub use pool::Pool;
pub use write::{Writer, indented};

#[cfg(test)]
mod tests;

/// A JSON value. Clones share their parts until one of them changes.
#[derive(Clone, Default)]
pub enum Value {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    String(Text),
    Array(Array),
    Object(Map),
}

/// The items of a JSON array, in one allocation; copied when changed while they are shared.
#[derive(Clone, Debug)]
pub struct Array(ThinArc<(), Value>);

impl Array {
    /// Whether both are one and the same, and not only equal.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Where the items stand, if others may share them.
    fn shared_at(&self) -> Option<usize> {
        (!self.0.is_unique()).then(|| self.address())
    }

    fn address(&self) -> usize {
        self.0.raw_ptr().addr().get()
    }

    /// Changes the list itself, and not only items of it.
    pub fn edit<T>(&mut self, edit: impl FnOnce(&mut Vec<Value>) -> T) -> T {
        let mut items = Vec::from(std::mem::take(self));
        let outcome = edit(&mut items);
        *self = items.into();
        outcome
    }
}

/// All arrays without items are one.
static EMPTY: LazyLock<Array> = LazyLock::new(|| Array(ThinArc::from_header_and_iter((), std::iter::empty())));

impl Default for Array {
    fn default() -> Self {
        EMPTY.clone()
    }
}

impl std::ops::Deref for Array {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        self.0.slice()
    }
}

impl std::ops::DerefMut for Array {
    fn deref_mut(&mut self) -> &mut [Value] {
        if !self.0.is_unique() {
            self.0 = ThinArc::from_header_and_iter((), self.0.slice().iter().cloned());
        }
        Arc::get_mut(&mut self.0).expect("the items are this array's own").slice_mut()
    }
}

impl PartialEq for Array {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || **self == **other
    }
}

impl From<Vec<Value>> for Array {
    fn from(items: Vec<Value>) -> Self {
        if items.is_empty() {
            return Self::default();
        }
        Self(ThinArc::from_header_and_iter((), items.into_iter()))
    }
}

impl From<Array> for Vec<Value> {
    fn from(mut items: Array) -> Self {
        match Arc::get_mut(&mut items.0) {
            Some(own) => own.slice_mut().iter_mut().map(std::mem::take).collect(),
            None => items.to_vec(),
        }
    }
}

impl FromIterator<Value> for Array {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        Vec::from_iter(items).into()
    }
}

impl IntoIterator for Array {
    type Item = Value;
    type IntoIter = std::vec::IntoIter<Value>;

    fn into_iter(self) -> Self::IntoIter {
        Vec::from(self).into_iter()
    }
}

impl<'a> IntoIterator for &'a Array {
    type Item = &'a Value;
    type IntoIter = std::slice::Iter<'a, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<'a> IntoIterator for &'a mut Array {
    type Item = &'a mut Value;
    type IntoIter = std::slice::IterMut<'a, Value>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter_mut()
    }
}

impl Value {
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    pub fn is_string(&self) -> bool {
        matches!(self, Value::String(_))
    }

    pub fn is_boolean(&self) -> bool {
        matches!(self, Value::Bool(_))
    }

    pub fn is_number(&self) -> bool {
        matches!(self, Value::Number(_))
    }

    pub fn is_array(&self) -> bool {
        matches!(self, Value::Array(_))
    }

    pub fn is_object(&self) -> bool {
        matches!(self, Value::Object(_))
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(is) => Some(*is),
            _ => None,
        }
    }

    pub fn as_i64(&self) -> Option<i64> {
        self.as_number().and_then(Number::as_i64)
    }

    pub fn as_u64(&self) -> Option<u64> {
        self.as_number().and_then(Number::as_u64)
    }

    pub fn as_f64(&self) -> Option<f64> {
        self.as_number().and_then(Number::as_f64)
    }

    pub fn as_number(&self) -> Option<&Number> {
        match self {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        self.as_text().map(Text::as_str)
    }

    /// The text, which a copy of it would share.
    pub fn as_text(&self) -> Option<&Text> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    pub fn as_array_mut(&mut self) -> Option<&mut Array> {
        match self {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    pub fn as_object(&self) -> Option<&Map> {
        match self {
            Value::Object(map) => Some(map),
            _ => None,
        }
    }

    pub fn as_object_mut(&mut self) -> Option<&mut Map> {
        match self {
            Value::Object(map) => Some(map),
            _ => None,
        }
    }

    /// The member or item; `None` where there is none.
    pub fn get<I: Index>(&self, index: I) -> Option<&Value> {
        index.find(self)
    }

    pub fn get_mut<I: Index>(&mut self, index: I) -> Option<&mut Value> {
        index.find_mut(self)
    }

    /// What a JSON pointer (`/spec/containers/0`) leads to.
    pub fn pointer(&self, pointer: &str) -> Option<&Value> {
        if pointer.is_empty() {
            return Some(self);
        }
        let mut steps = pointer.strip_prefix('/')?.split('/');
        steps.try_fold(self, |value, step| match value {
            Value::Object(map) if step.contains('~') => map.get(&unescaped(step)),
            Value::Object(map) => map.get(step),
            Value::Array(items) => items.get(position(step)?),
            _ => None,
        })
    }

    pub fn pointer_mut(&mut self, pointer: &str) -> Option<&mut Value> {
        if pointer.is_empty() {
            return Some(self);
        }
        let mut steps = pointer.strip_prefix('/')?.split('/');
        steps.try_fold(self, |value, step| match value {
            Value::Object(map) => map.get_mut(&unescaped(step)),
            Value::Array(items) => items.get_mut(position(step)?),
            _ => None,
        })
    }

    /// The value, leaving null in its place.
    pub fn take(&mut self) -> Value {
        std::mem::take(self)
    }

    /// Whether both are one and the same, and not only equal: true without looking into them. Scalars are compared.
    pub fn is_same(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Object(one), Value::Object(other)) => one.is_same(other),
            (Value::Array(one), Value::Array(other)) => one.is_same(other),
            (Value::Object(_) | Value::Array(_), _) | (_, Value::Object(_) | Value::Array(_)) => false,
            _ => self == other,
        }
    }
}

fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

fn position(step: &str) -> Option<usize> {
    if step.starts_with('+') || (step.starts_with('0') && step.len() != 1) { None } else { step.parse().ok() }
}

impl fmt::Debug for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => out.write_str("Null"),
            Value::Bool(is) => write!(out, "Bool({is})"),
            Value::Number(number) => write!(out, "Number({number})"),
            Value::String(text) => write!(out, "String({text:?})"),
            Value::Array(items) => {
                out.write_str("Array ")?;
                fmt::Debug::fmt(&**items, out)
            }
            Value::Object(map) => {
                out.write_str("Object ")?;
                fmt::Debug::fmt(map, out)
            }
        }
    }
}

/// Compact JSON; with `{:#}` on lines of its own each.
impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = if out.alternate() { serde_json::to_string_pretty(self) } else { serde_json::to_string(self) };
        out.write_str(&text.map_err(|_| fmt::Error)?)
    }
}
