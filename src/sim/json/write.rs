//! Values as compact JSON in one buffer; what stands in it already is copied instead of written once more.
//!
//! The bytes are those that `serde_json` would write.

use std::marker::PhantomData;

use super::{Map, Number, Text, Value};

/// What is shorter is written as fast as it is found.
const SHORTEST: usize = 48;

/// How many parts are remembered; neighbours in a list share more than those that are far apart, so that few suffice.
const REMEMBERED: usize = 8192;

/// How many parts are remembered for each object of a small list.
const REMEMBERED_OF_EACH: usize = 64;

/// Where in the buffer a part stands that others may share.
#[derive(Clone, Copy, Default)]
struct Part {
    address: usize,
    start: usize,
    len: usize,
}

/// Writes values into one buffer.
///
/// What it is given by reference outlives it, so that one and the same part is never another one later.
pub struct Writer<'a> {
    out: Vec<u8>,
    /// By address; empty where nothing is to be remembered.
    parts: Vec<Part>,
    values: PhantomData<&'a Value>,
}

impl<'a> Writer<'a> {
    /// For one object, which repeats nothing.
    pub fn of_one() -> Self {
        Self { out: Vec::with_capacity(4096), parts: Vec::new(), values: PhantomData }
    }

    /// For so many objects that have parts in common.
    pub fn of_many(count: usize) -> Self {
        let remembered = count.saturating_mul(REMEMBERED_OF_EACH).clamp(1, REMEMBERED).next_power_of_two();
        Self { parts: vec![Part::default(); remembered], ..Self::of_one() }
    }

    /// Looks at values that are about to be written, all of them at once and level by level.
    ///
    /// The parts of one object lead to each other, so that writing it waits for memory at each step; those of many can be fetched at the same time. Large
    /// lists are written a third faster that way.
    pub fn look_ahead(&self, values: impl Iterator<Item = &'a Value>) {
        let mut level: Vec<&Value> = values.collect();
        let mut seen = 0;
        while !level.is_empty() {
            level.retain(|value| match value {
                Value::Object(map) => !self.has(map.address()),
                Value::Array(items) => !self.has(items.address()),
                _ => false,
            });
            seen += level.iter().map(|it| it.as_object().map_or(0, Map::len) + it.as_array().map_or(0, <[Value]>::len)).sum::<usize>();
            let mut next = Vec::with_capacity(level.len() * 4);
            for value in level {
                let members = value.as_object().into_iter().flat_map(Map::values);
                for part in members.chain(value.as_array().into_iter().flatten()) {
                    match part {
                        Value::String(text) => seen += text.len(),
                        Value::Object(_) | Value::Array(_) => next.push(part),
                        Value::Null | Value::Bool(_) | Value::Number(_) => {}
                    }
                }
            }
            level = next;
        }
        // What is looked at for nothing would not be looked at.
        std::hint::black_box(seen);
    }

    fn has(&self, address: usize) -> bool {
        self.parts.get(self.slot(address)).is_some_and(|it| it.address == address)
    }

    fn slot(&self, address: usize) -> usize {
        ((address >> 4).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (usize::BITS / 2)) & self.parts.len().saturating_sub(1)
    }

    pub fn finish(self) -> Vec<u8> {
        self.out
    }

    /// JSON as it stands.
    pub fn raw(&mut self, json: &str) {
        self.out.extend_from_slice(json.as_bytes());
    }

    pub fn text(&mut self, text: &str) {
        // Looked at whole: without a way out early that is many bytes at once.
        let plain = text.bytes().fold(true, |plain, it| plain & (it >= b' ') & (it != b'"') & (it != b'\\'));
        if plain {
            self.out.reserve(text.len() + 2);
            self.out.push(b'"');
            self.out.extend_from_slice(text.as_bytes());
            self.out.push(b'"');
        } else {
            serde_json::to_writer(&mut self.out, text).expect("a text can always be written");
        }
    }

    pub fn value(&mut self, value: &'a Value) {
        let shared = match value {
            Value::Object(map) if !self.parts.is_empty() => map.shared_at(),
            Value::Array(items) if !self.parts.is_empty() => items.shared_at(),
            _ => None,
        };
        let Some(address) = shared else { return self.fresh(value) };
        let slot = self.slot(address);
        let known = self.parts[slot];
        if known.address == address {
            self.out.extend_from_within(known.start..known.start + known.len);
            return;
        }
        let start = self.out.len();
        self.fresh(value);
        let len = self.out.len() - start;
        if len >= SHORTEST {
            self.parts[slot] = Part { address, start, len };
        }
    }

    fn fresh(&mut self, value: &'a Value) {
        match value {
            Value::Object(map) => {
                self.out.push(b'{');
                match map.names().written() {
                    Some(names) => {
                        for (at, (name, value)) in names.iter().zip(map.all()).enumerate() {
                            self.out.extend_from_slice(&name[usize::from(at == 0)..]);
                            self.value(value);
                        }
                    }
                    None => self.members(map.iter()),
                }
                self.out.push(b'}');
            }
            Value::Array(items) => {
                self.out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        self.out.push(b',');
                    }
                    self.value(item);
                }
                self.out.push(b']');
            }
            scalar => self.scalar(scalar),
        }
    }

    /// The members of an object without its braces.
    pub fn members(&mut self, members: impl Iterator<Item = (&'a Text, &'a Value)>) {
        for (at, (name, value)) in members.enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            self.text(name);
            self.out.push(b':');
            self.value(value);
        }
    }

    /// A value that lives shorter than the writer: none of it is remembered.
    pub fn passing(&mut self, value: &Value) {
        match value {
            Value::Object(_) | Value::Array(_) => serde_json::to_writer(&mut self.out, value).expect("a JSON value can always be written"),
            scalar => self.scalar(scalar),
        }
    }

    fn scalar(&mut self, value: &Value) {
        match value {
            Value::Null => self.raw("null"),
            Value::Bool(true) => self.raw("true"),
            Value::Bool(false) => self.raw("false"),
            Value::String(text) => self.text(text),
            Value::Number(Number::Whole(number @ 0..=9)) => self.out.push(b'0' + u8::try_from(*number).unwrap_or_default()),
            other => serde_json::to_writer(&mut self.out, other).expect("a JSON value can always be written"),
        }
    }
}

/// Compact JSON, indented by two spaces.
pub fn indented(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.resize(out.len() + 2 * depth, b' ');
    };
    let (mut quoted, mut escaped) = (false, false);
    for (at, &byte) in json.iter().enumerate() {
        if quoted {
            out.push(byte);
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        let empty = at > 0 && matches!((json[at - 1], byte), (b'{', b'}') | (b'[', b']'));
        match byte {
            b'{' | b'[' => {
                out.push(byte);
                depth += 1;
                if !matches!((byte, json.get(at + 1)), (b'{', Some(b'}')) | (b'[', Some(b']'))) {
                    line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if !empty {
                    line(&mut out, depth);
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            other => {
                quoted = other == b'"';
                out.push(other);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use crate::sim::json::json;

    use super::*;

    #[test]
    fn what_is_shared_is_written_as_if_it_were_not() {
        let part = json!({ "labels": { "app": "web", "quoted": "a \"b\" \\ \n \u{1} ü" }, "list": [1, -5, 1.5, 12, null, true, {}, []] });
        let values: Vec<Value> = (0..3).map(|at| json!({ "at": at, "part": part, "again": [part, part["labels"], part["list"]] })).collect();
        let mut kept = values.clone();
        let mut pool = crate::sim::json::Pool::default();
        kept.iter_mut().for_each(|it| pool.keep(it, None));
        let values = [values, kept].concat();
        let mut writer = Writer::of_many(6);
        for value in &values {
            writer.value(value);
            writer.passing(value);
        }
        let expected: String = values.iter().flat_map(|it| [it.to_string(), it.to_string()]).collect();
        assert_eq!(String::from_utf8(writer.finish()).as_deref(), Ok(expected.as_str()));
    }

    #[test]
    fn indented_is_as_serde_indents() {
        let value = json!({ "a": {}, "b": [], "c": [1, { "d": "x: {\"[,]\\" }], "e": [[]], "f": { "g": null } });
        let text = indented(value.to_string().as_bytes());
        assert_eq!(String::from_utf8(text).as_deref(), Ok(format!("{value:#}").as_str()));
    }
}
