//! `value["name"]` and `value[0]`.

use super::{Text, Value};

static NULL: Value = Value::Null;

/// What a value can be indexed by: the name of a member, or the position of an item.
pub trait Index {
    fn find<'a>(&self, value: &'a Value) -> Option<&'a Value>;
    fn find_mut<'a>(&self, value: &'a mut Value) -> Option<&'a mut Value>;
    /// Makes the place where there is none.
    fn place<'a>(&self, value: &'a mut Value) -> &'a mut Value;
}

impl Index for str {
    fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        value.as_object()?.get(self)
    }

    fn find_mut<'a>(&self, value: &'a mut Value) -> Option<&'a mut Value> {
        value.as_object_mut()?.get_mut(self)
    }

    fn place<'a>(&self, value: &'a mut Value) -> &'a mut Value {
        if value.is_null() {
            *value = Value::Object(super::Map::new());
        }
        match value {
            Value::Object(map) => &mut map[self],
            other => panic!("cannot access key {self:?} in {other:?}"),
        }
    }
}

impl Index for usize {
    fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        value.as_array()?.get(*self)
    }

    fn find_mut<'a>(&self, value: &'a mut Value) -> Option<&'a mut Value> {
        value.as_array_mut()?.get_mut(*self)
    }

    fn place<'a>(&self, value: &'a mut Value) -> &'a mut Value {
        match value {
            Value::Array(items) => &mut items[*self],
            other => panic!("cannot access index {self} of {other:?}"),
        }
    }
}

impl Index for String {
    fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        Index::find(self.as_str(), value)
    }

    fn find_mut<'a>(&self, value: &'a mut Value) -> Option<&'a mut Value> {
        Index::find_mut(self.as_str(), value)
    }

    fn place<'a>(&self, value: &'a mut Value) -> &'a mut Value {
        Index::place(self.as_str(), value)
    }
}

impl Index for Text {
    fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        Index::find(self.as_str(), value)
    }

    fn find_mut<'a>(&self, value: &'a mut Value) -> Option<&'a mut Value> {
        Index::find_mut(self.as_str(), value)
    }

    fn place<'a>(&self, value: &'a mut Value) -> &'a mut Value {
        Index::place(self.as_str(), value)
    }
}

impl<I: Index + ?Sized> Index for &I {
    fn find<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        (**self).find(value)
    }

    fn find_mut<'a>(&self, value: &'a mut Value) -> Option<&'a mut Value> {
        (**self).find_mut(value)
    }

    fn place<'a>(&self, value: &'a mut Value) -> &'a mut Value {
        (**self).place(value)
    }
}

impl<I: Index> std::ops::Index<I> for Value {
    type Output = Value;

    /// What is not there is null.
    fn index(&self, index: I) -> &Value {
        index.find(self).unwrap_or(&NULL)
    }
}

impl<I: Index> std::ops::IndexMut<I> for Value {
    fn index_mut(&mut self, index: I) -> &mut Value {
        index.place(self)
    }
}
