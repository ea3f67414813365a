//! Seeing that an object is as its type holds it already, without reading it anew: what controllers write mostly is.
//!
//! It may be wrong only in one way: an object that it does not know to be whole is read as any other.

use super::scalar::illegal_base64;
use super::{is_struct_in_go, quantity, time};
use crate::sim::json::{Map, Number, Value};
use crate::sim::schema::{Field, Omit, Shape, Type};

/// Whether reading `object` into its type would give the same object.
pub(super) fn is_whole(ty: &'static Type, object: &Value) -> bool {
    look(ty, object).is_some()
}

/// `None` where reading would, or might, change the value; else whether it is Go's zero.
fn look(ty: &'static Type, value: &Value) -> Option<bool> {
    match (&ty.shape, value) {
        (_, Value::Null) => None,
        (Shape::Struct(fields), Value::Object(map)) => structure(&fields.fields, fields.sorted(), map),
        (Shape::Map(link), Value::Object(map)) => {
            let ty = link.ty();
            map.values().all(|value| look(ty, value).is_some()).then_some(map.is_empty())
        }
        (Shape::List(list), Value::Array(items)) => {
            let ty = list.item.ty();
            items.iter().all(|item| look(ty, item).is_some()).then_some(items.is_empty())
        }
        (Shape::Raw, _) => Some(false),
        (Shape::String, Value::String(text)) => Some(text.is_empty()),
        (Shape::Boolean, Value::Bool(is)) => Some(!is),
        (Shape::Int32, Value::Number(Number::Whole(whole))) => i32::try_from(*whole).is_ok().then_some(*whole == 0),
        (Shape::Int64, Value::Number(Number::Whole(whole))) => Some(*whole == 0),
        (Shape::Float, Value::Number(Number::Fraction(number))) => Some(*number == 0.0),
        (Shape::Bytes, Value::String(text)) => illegal_base64(text).is_none().then_some(text.is_empty()),
        (Shape::IntOrString, Value::String(_)) => Some(false),
        (Shape::IntOrString, Value::Number(Number::Whole(whole))) => i32::try_from(*whole).is_ok().then_some(*whole == 0),
        (Shape::Quantity, Value::String(text)) => quantity::canonical(text).is_ok_and(|it| it == text.as_str()).then_some(text == "0"),
        (Shape::Time, Value::String(text)) => time::seconds(text).is_ok_and(|it| it == text.as_str()).then_some(false),
        (Shape::MicroTime, Value::String(text)) => time::microseconds(text).is_ok_and(|it| it == text.as_str()).then_some(false),
        _ => None,
    }
}

/// Goes along the fields and the members at once: both are sorted by name.
fn structure(fields: &[Field], sorted: &[usize], map: &Map) -> Option<bool> {
    let mut members = map.iter().peekable();
    let mut zero = true;
    for field in sorted.iter().map(|at| &fields[*at]) {
        match members.next_if(|(name, _)| name.as_str() <= field.name.as_str()) {
            Some((name, value)) if name.as_str() == field.name.as_str() => zero &= member(field, value)?,
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

fn member(field: &Field, value: &Value) -> Option<bool> {
    if field.pointer {
        let is_nil = value.is_null() && field.omit == Omit::Never;
        return if is_nil { Some(true) } else { look(field.ty(), value).map(|_| false) };
    }
    let shape = &field.ty().shape;
    if value.is_null() {
        // Absent, and written nevertheless.
        let null_is_zero = matches!(shape, Shape::Map(_) | Shape::List(_) | Shape::Bytes | Shape::Raw | Shape::Time | Shape::MicroTime);
        return (null_is_zero && field.omit == Omit::Never).then_some(true);
    }
    let zero = look(field.ty(), value)?;
    let is_list = matches!(shape, Shape::Map(_) | Shape::List(_));
    let left_out = field.omit == Omit::Zero || (field.omit == Omit::Empty && !is_struct_in_go(field.ty()));
    (!zero || !(left_out || is_list)).then_some(zero)
}
