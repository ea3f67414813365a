//! Reading what is neither struct nor map nor list.

use super::{Coded, Decoder, Words, quantity, time, zero};
use crate::sim::custom::coerce::settle_numbers;
use crate::sim::json::{Number, Value};
use crate::sim::schema::parse::Tree;
use crate::sim::schema::{Shape, Type};

impl Decoder {
    pub(super) fn scalar(&mut self, ty: &'static Type, tree: &Tree) -> Result<Coded, String> {
        match (&ty.shape, tree) {
            (Shape::String, Tree::String(text)) => Ok(Coded { zero: text.is_empty(), json: text.as_str().into() }),
            (Shape::Boolean, Tree::Bool(is)) => Ok(Coded { zero: !is, json: (*is).into() }),
            (Shape::Int32 | Shape::Int64, Tree::Number(text)) => self.integer(ty, text, tree),
            (Shape::Float, Tree::Number(text)) => match text.parse::<f64>().ok().and_then(Number::from_f64) {
                Some(number) => {
                    let mut json = Value::Number(number);
                    settle_numbers(&mut json);
                    Ok(Coded { zero: json == 0, json })
                }
                None => self.mismatch(ty, &format!("number {text}"), tree),
            },
            (Shape::Bytes, Tree::String(text)) => match illegal_base64(text) {
                None => Ok(Coded { zero: text.is_empty(), json: text.as_str().into() }),
                Some(at) if self.words == Words::Unstructured => Err(format!("error decoding from json: illegal base64 data at input byte {at}")),
                Some(at) => {
                    self.saved.get_or_insert(format!("illegal base64 data at input byte {at}"));
                    Ok(zero(ty))
                }
            },
            (Shape::IntOrString, Tree::String(text)) => Ok(Coded { zero: false, json: text.as_str().into() }),
            (Shape::IntOrString, Tree::Number(text)) => match text.parse::<i32>() {
                Ok(whole) => Ok(Coded { zero: whole == 0, json: whole.into() }),
                Err(_) => Err(self.in_context(&format!("number {text}"), "int32")),
            },
            (Shape::IntOrString, other) => Err(self.in_context(other.go_name(), "int32")),
            (Shape::Quantity, Tree::String(text) | Tree::Number(text)) => {
                let canonical = quantity::canonical(text.trim())?;
                Ok(Coded { zero: canonical == "0", json: canonical.into() })
            }
            (Shape::Quantity, _) => Err(quantity::canonical("?").err().unwrap_or_default().to_owned()),
            (Shape::Time, Tree::String(text)) => Ok(Coded { zero: false, json: time::seconds(text)?.into() }),
            (Shape::MicroTime, Tree::String(text)) => Ok(Coded { zero: false, json: time::microseconds(text)?.into() }),
            (Shape::Time | Shape::MicroTime, other) => Err(self.in_context(other.go_name(), "string")),
            (_, other) => self.mismatch(ty, other.go_name(), tree),
        }
    }

    fn integer(&mut self, ty: &'static Type, text: &str, tree: &Tree) -> Result<Coded, String> {
        let whole = match self.words {
            Words::Json => text.parse::<i64>().ok(),
            // After a merge a number such as 2.0 is a fraction that happens to be whole.
            Words::Unstructured => {
                text.parse::<i64>().ok().or_else(|| text.parse::<f64>().ok().filter(|number| number.fract() == 0.0).map(|number| number as i64))
            }
        };
        match whole {
            // This decoder cuts what is too large, as Go's conversion does.
            Some(whole) if self.words == Words::Unstructured && matches!(ty.shape, Shape::Int32) => {
                let cut = whole as i32;
                Ok(Coded { zero: cut == 0, json: cut.into() })
            }
            Some(whole) if matches!(ty.shape, Shape::Int64) || i32::try_from(whole).is_ok() => Ok(Coded { zero: whole == 0, json: whole.into() }),
            _ => self.mismatch(ty, &format!("number {text}"), tree),
        }
    }
}

/// Where Go's decoder of standard base64 stops; `None` if it does not.
pub(super) fn illegal_base64(text: &str) -> Option<usize> {
    let kept: Vec<(usize, u8)> = text.bytes().enumerate().filter(|(_, byte)| !matches!(byte, b'\r' | b'\n')).collect();
    let data_end = kept.iter().position(|(_, byte)| *byte == b'=').unwrap_or(kept.len());
    for (at, byte) in &kept[..data_end] {
        if !byte.is_ascii_alphanumeric() && !matches!(byte, b'+' | b'/') {
            return Some(*at);
        }
    }
    let padding = &kept[data_end..];
    match (data_end % 4, padding) {
        (0, []) | (2, [(_, b'='), (_, b'=')]) | (3, [(_, b'=')]) => None,
        (_, []) => Some(text.len() - data_end % 4),
        (_, [(at, _), ..]) => Some(*at),
    }
}
