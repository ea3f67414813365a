//! The hash of a pod template, as the real controllers compute it: what `pod-template-hash` and a DaemonSet's revisions carry.
//!
//! It is a sum over the printed Go struct, field after field, so it needs the shapes of the Go types (`schema::go_struct`).

use std::fmt::{self, Write};

use super::hash::safe_encode;
use crate::sim::json::Value;
use crate::sim::schema::go_struct;

const TEMPLATE: &str = "k8s.io/api/core/v1.PodTemplateSpec";

/// The hash of a template, and of the count of collisions that were met with it.
///
/// # Source
/// `controller.ComputeHash` of 1.36.3: FNV-1a over spew's `%#v` of the template, then the count in eight little-endian bytes.
///
/// # Limits
/// Quantities beyond 18 digits are printed in another form by the real one; their hash differs.
pub fn template_hash(template: &Value, collisions: Option<i64>) -> String {
    let mut sum = Sum::new();
    // Writing into a sum cannot fail.
    let _ = dump(&mut sum, template);
    if let Some(collisions) = collisions {
        sum.bytes(&u64::from(u32::try_from(collisions).unwrap_or(0)).to_le_bytes());
    }
    safe_encode(sum.0)
}

/// FNV-1a that is fed as a text is written.
struct Sum(u32);

impl Sum {
    const fn new() -> Self {
        Self(0x811c_9dc5)
    }

    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }
}

impl Write for Sum {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.bytes(text.as_bytes());
        Ok(())
    }
}

fn dump(out: &mut impl Write, template: &Value) -> fmt::Result {
    out.write_str("(v1.PodTemplateSpec)")?;
    bare(out, template, "v1.PodTemplateSpec", TEMPLATE)
}

/// A value without its type: what follows the type's name, and what stands in lists and maps.
fn bare(out: &mut impl Write, value: &Value, ty: &str, behind: &str) -> fmt::Result {
    if let Some(inner) = ty.strip_prefix('*') {
        return if value.is_null() { out.write_str("<nil>") } else { bare(out, value, inner, behind) };
    }
    if let Some(item) = ty.strip_prefix("[]").or_else(|| behind.strip_prefix("[]")) {
        let Some(items) = value.as_array().filter(|items| !items.is_empty()) else { return out.write_str("<nil>") };
        let behind = behind.strip_prefix("[]").unwrap_or(behind);
        out.write_char('[')?;
        for (at, value) in items.iter().enumerate() {
            separate(out, at)?;
            bare(out, value, item, behind)?;
        }
        return out.write_char(']');
    }
    if let Some(map) = [ty, behind].into_iter().find(|text| text.starts_with("map[")) {
        let Some(fields) = value.as_object().filter(|fields| !fields.is_empty()) else { return out.write_str("<nil>") };
        let item = map.split_once(']').map_or("", |(_, item)| item);
        out.write_str("map[")?;
        for (at, (key, value)) in fields.iter().enumerate() {
            separate(out, at)?;
            write!(out, "{key}:")?;
            bare(out, value, item, if behind.starts_with("map[") { "" } else { behind })?;
        }
        return out.write_char(']');
    }
    match ty {
        "resource.Quantity" => quantity(out, value.as_str().unwrap_or_default()),
        "intstr.IntOrString" => match value.as_str() {
            Some(text) => write!(out, "{{Type:(intstr.Type)1 IntVal:(int32)0 StrVal:(string){text}}}"),
            None => write!(out, "{{Type:(intstr.Type)0 IntVal:(int32){} StrVal:(string)}}", value.as_i64().unwrap_or(0)),
        },
        // A template carries no times; the zero one is all that is ever printed.
        "v1.Time" => out.write_str("{Time:(time.Time){wall:(uint64)0 ext:(int64)0 loc:(*time.Location)<nil>}}"),
        _ => match go_struct(behind) {
            Some(fields) => {
                out.write_char('{')?;
                for (at, field) in fields.iter().enumerate() {
                    separate(out, at)?;
                    write!(out, "{}:({})", field.name, field.ty)?;
                    let part = if field.inline { value } else { &value[field.json.as_str()] };
                    bare(out, if field.skipped { &Value::Null } else { part }, &field.ty, &field.behind)?;
                }
                out.write_char('}')
            }
            None => scalar(out, value, if behind.is_empty() { ty } else { behind }),
        },
    }
}

fn separate(out: &mut impl Write, at: usize) -> fmt::Result {
    if at > 0 { out.write_char(' ') } else { Ok(()) }
}

fn scalar(out: &mut impl Write, value: &Value, ty: &str) -> fmt::Result {
    match (value, ty) {
        (Value::String(text), _) => out.write_str(text),
        (Value::Null, "string") => Ok(()),
        (Value::Null, "bool") => out.write_str("false"),
        (Value::Null, _) => out.write_char('0'),
        (value, _) => write!(out, "{value}"),
    }
}

/// A quantity as the fields that Go's parser leaves in it: number, power of ten, kept text, format.
///
/// # Source
/// `resource.ParseQuantity`, its fast path.
fn quantity(out: &mut impl Write, text: &str) -> fmt::Result {
    let split = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(split);
    let (negative, number) = match number.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = format!("{whole}{fraction}");
    let value: i64 = digits.parse().unwrap_or(0);
    let binary = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].iter().position(|one| *one == suffix);
    let (format, factor, scale) = match (binary, suffix) {
        (Some(at), _) => ("BinarySI", 1_i64.checked_shl(10 * (u32::try_from(at).unwrap_or(0) + 1)).unwrap_or(1), 0),
        (None, "n") => ("DecimalSI", 1, -9),
        (None, "u") => ("DecimalSI", 1, -6),
        (None, "m") => ("DecimalSI", 1, -3),
        (None, "") => ("DecimalSI", 1, 0),
        (None, "k") => ("DecimalSI", 1, 3),
        (None, "M") => ("DecimalSI", 1, 6),
        (None, "G") => ("DecimalSI", 1, 9),
        (None, "T") => ("DecimalSI", 1, 12),
        (None, "P") => ("DecimalSI", 1, 15),
        (None, "E") => ("DecimalSI", 1, 18),
        (None, exponent) => ("DecimalExponent", 1, exponent[1..].parse::<i64>().unwrap_or(0)),
    };
    let scale = scale - i64::try_from(fraction.len()).unwrap_or(0);
    let kept = match text {
        "0" => true,
        _ if binary.is_some() => value & 7 != 0,
        _ => scale % 3 == 0 && !digits.ends_with("000") && !digits.starts_with('0'),
    };
    let value = value.saturating_mul(factor);
    let value = if negative { -value } else { value };
    let kept = if kept { text } else { "" };
    write!(
        out,
        "{{i:(resource.int64Amount){{value:(int64){value} scale:(resource.Scale){scale}}} d:(resource.infDecAmount){{Dec:(*inf.Dec)<nil>}} s:(string){kept} Format:(resource.Format){format}}}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Templates and the hashes that Go computes for them: `controller.ComputeHash` of 1.36.3, run on each.
    const CASES: &str = include_str!("../data/template-hashes.jsonl");

    #[test]
    fn templates_have_the_hashes_that_go_gives_them() {
        let mut count = 0;
        for case in CASES.lines() {
            let case: Value = serde_json::from_str(case).expect("a line of JSON");
            let hash = template_hash(&case["template"], case["collision"].as_i64());
            assert_eq!(Some(hash.as_str()), case["hash"].as_str(), "{}", printed(&case["template"]));
            count += 1;
        }
        assert!(count > 10, "{count}");
    }

    fn printed(template: &Value) -> String {
        let mut text = String::new();
        let _ = dump(&mut text, template);
        text
    }
}
