//! Seeing that an object is as its type holds it already, without reading it anew: what controllers write mostly is.
//!
//! It may be wrong only in one way: an object that it does not know to be whole is read as any other.

use std::cmp::Ordering;

use super::scalar::illegal_base64;
use super::{is_struct_in_go, quantity, time};
use crate::sim::json::{Map, Number, Text, Value};
use crate::sim::schema::{Field, Omit, Shape, Type};

/// Whether reading `object` into its type would give the same object; `like` is one of which that is known.
pub(super) fn is_whole(ty: &'static Type, object: &Value, like: Option<&Value>) -> bool {
    look(ty, object, like).is_some()
}

/// `None` where reading would, or might, change the value; else whether it is Go's zero.
fn look(ty: &'static Type, value: &Value, like: Option<&Value>) -> Option<bool> {
    if like.is_some_and(|like| (value.is_object() || value.is_array()) && value.is_same(like)) {
        debug_assert!(look(ty, value, None).is_some(), "a {} was kept that is not whole: {value}", ty.go);
        return Some(is_zero(ty, value));
    }
    match (&ty.shape, value) {
        (_, Value::Null) => None,
        (Shape::Struct(fields), Value::Object(map)) => structure(&fields.fields, fields.sorted(), map, like.and_then(Value::as_object)),
        (Shape::Map(link), Value::Object(map)) => {
            let (ty, like) = (link.ty(), like.and_then(Value::as_object));
            map.iter().all(|(name, value)| look(ty, value, like.and_then(|it| it.get(name))).is_some()).then_some(map.is_empty())
        }
        (Shape::List(list), Value::Array(items)) => {
            let (ty, like) = (list.item.ty(), like.and_then(Value::as_array));
            let is_whole = |(at, item)| look(ty, item, like.and_then(|it| it.get(at))).is_some();
            items.iter().enumerate().all(is_whole).then_some(items.is_empty())
        }
        (Shape::Raw, _) => Some(false),
        (Shape::String, Value::String(text)) => Some(text.is_empty()),
        (Shape::Boolean, Value::Bool(is)) => Some(!is),
        (Shape::Int32, Value::Number(Number::Whole(whole))) => i32::try_from(*whole).is_ok().then_some(*whole == 0),
        (Shape::Int64, Value::Number(Number::Whole(whole))) => Some(*whole == 0),
        (Shape::Float, Value::Number(Number::Whole(whole))) => Some(*whole == 0),
        (Shape::Float, Value::Number(Number::Fraction(number))) => (number.fract() != 0.0).then_some(false),
        (Shape::Bytes, Value::String(text)) => illegal_base64(text).is_none().then_some(text.is_empty()),
        (Shape::IntOrString, Value::String(_)) => Some(false),
        (Shape::IntOrString, Value::Number(Number::Whole(whole))) => i32::try_from(*whole).is_ok().then_some(*whole == 0),
        (Shape::Quantity, Value::String(text)) => quantity::canonical(text).is_ok_and(|it| it == text.as_str()).then_some(text == "0"),
        (Shape::Time, Value::String(text)) => time::seconds(text).is_ok_and(|it| it == text.as_str()).then_some(false),
        (Shape::MicroTime, Value::String(text)) => time::microseconds(text).is_ok_and(|it| it == text.as_str()).then_some(false),
        _ => None,
    }
}

/// Whether a value that its type holds is Go's zero: as `look` has it, without looking further than it takes.
fn is_zero(ty: &'static Type, value: &Value) -> bool {
    match (&ty.shape, value) {
        (Shape::Struct(_), Value::Object(map)) => map.iter().all(|(name, value)| match ty.field(name) {
            Some(field) if field.pointer => value.is_null(),
            Some(field) => value.is_null() || is_zero(field.ty(), value),
            None => false,
        }),
        (Shape::Map(_), Value::Object(map)) => map.is_empty(),
        (Shape::List(_), Value::Array(items)) => items.is_empty(),
        _ => look(ty, value, None) == Some(true),
    }
}

/// Goes along the fields and the members at once: both are sorted by name.
fn structure(fields: &[Field], sorted: &[usize], map: &Map, like: Option<&Map>) -> Option<bool> {
    let mut members = map.iter().peekable();
    let mut likes = like.into_iter().flatten().peekable();
    let mut zero = true;
    for field in sorted.iter().map(|at| &fields[*at]) {
        let order = members.peek().map(|(name, _)| if Text::ptr_eq(name, &field.name) { Ordering::Equal } else { name.as_str().cmp(&field.name) });
        match order.and_then(|order| if order.is_le() { Some((order, members.next()?.1)) } else { None }) {
            Some((Ordering::Equal, value)) => {
                while likes.next_if(|(name, _)| name.as_str() < field.name.as_str()).is_some() {}
                let like = likes.next_if(|(name, _)| **name == field.name).map(|(_, like)| like);
                zero &= member(field, value, like)?;
            }
            // Not known to the type.
            Some(_) => return None,
            None if field.pointer && field.omit == Omit::Never => return None,
            None if field.pointer => {}
            None if field.omit == Omit::Zero || (field.omit == Omit::Empty && !is_struct_in_go(field.ty())) => {}
            None => return None,
        }
    }
    members.next().is_none().then_some(zero)
}

fn member(field: &Field, value: &Value, like: Option<&Value>) -> Option<bool> {
    if field.pointer {
        let is_nil = value.is_null() && field.omit == Omit::Never;
        return if is_nil { Some(true) } else { look(field.ty(), value, like).map(|_| false) };
    }
    let shape = &field.ty().shape;
    let left_out = field.omit == Omit::Zero || (field.omit == Omit::Empty && !is_struct_in_go(field.ty()));
    if value.is_null() {
        // Absent, and written nevertheless.
        let null_is_zero = matches!(shape, Shape::Map(_) | Shape::List(_) | Shape::Bytes | Shape::Raw | Shape::Time | Shape::MicroTime);
        return (null_is_zero && !left_out).then_some(true);
    }
    let zero = look(field.ty(), value, like)?;
    let is_list = matches!(shape, Shape::Map(_) | Shape::List(_));
    (!zero || !(left_out || is_list)).then_some(zero)
}
