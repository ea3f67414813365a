//! Objects as typed Go clients send them: Kubernetes' protobuf, turned into JSON.
//!
//! The messages are data (`messages.txt`: a message a line, with its fields as `number:name:type`; `*` repeated, `{` a map from texts, `~` part of the message
//! that it stands in). Answers are never written in protobuf: every such client reads JSON too.
//!
//! # Source
//! `generated.proto` of k8s.io/api and k8s.io/apimachinery 0.36.3.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::Timestamp;

use super::world::{micro_stamp, stamp};
use crate::sim::json::{Map, Value, json};

/// The media type.
pub const MEDIA: &str = "application/vnd.kubernetes.protobuf";

/// What such a body begins with.
const MAGIC: &[u8; 4] = b"k8s\0";

/// How deep messages may stand in each other.
const DEEPEST: usize = 100;

struct Field {
    name: &'static str,
    kind: &'static str,
}

static MESSAGES: LazyLock<BTreeMap<&'static str, BTreeMap<u64, Field>>> = LazyLock::new(|| {
    let mut messages = BTreeMap::new();
    for line in include_str!("data/messages.txt").lines() {
        let mut words = line.split(' ');
        let Some(message) = words.next() else { continue };
        let fields = words.filter_map(|word| {
            let mut parts = word.splitn(3, ':');
            Some((parts.next()?.parse().ok()?, Field { name: parts.next()?, kind: parts.next()? }))
        });
        messages.insert(message, fields.collect());
    }
    messages
});

/// An object in protobuf as a value with its `apiVersion` and `kind`.
///
/// # Errors
/// What is wrong with the bytes, or that the kind is not known here.
pub fn read(bytes: &[u8]) -> Result<Value, String> {
    if bytes.is_empty() {
        return Err("empty data".to_owned());
    }
    if bytes == MAGIC.as_slice() {
        return Err("empty body".to_owned());
    }
    let rest = bytes.strip_prefix(MAGIC.as_slice()).ok_or("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for (number, wire) in fields(rest)? {
        match (number, wire) {
            (1, Wire::Bytes(of)) => {
                for (number, wire) in fields(of)? {
                    match (number, wire) {
                        (1, Wire::Bytes(text)) => api_version = utf8(text)?,
                        (2, Wire::Bytes(text)) => kind = utf8(text)?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(of)) => raw = of,
            _ => {}
        }
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    let area = if group.is_empty() { "core" } else { group.split('.').next().unwrap_or(group) };
    let message = if kind == "DeleteOptions" { "@m.DeleteOptions".to_owned() } else { format!("@{area}.{version}.{kind}") };
    if !MESSAGES.contains_key(message.as_str()) {
        return Err(format!("no kind {kind:?} is registered for version {api_version:?} in scheme \"pkg/runtime/scheme.go:111\""));
    }
    let mut object = message_value(&message, raw, 0)?;
    object["apiVersion"] = api_version.into();
    object["kind"] = kind.into();
    Ok(object)
}

enum Wire<'a> {
    Number(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
}

const CUT: &str = "unexpected EOF";

fn varint(bytes: &[u8], at: &mut usize) -> Result<u64, String> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at).ok_or(CUT)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("proto: integer overflow".to_owned())
}

fn fields(bytes: &[u8]) -> Result<Vec<(u64, Wire<'_>)>, String> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let tag = varint(bytes, &mut at)?;
        let mut take = |count: usize| {
            let end = at.checked_add(count).filter(|end| *end <= bytes.len()).ok_or(CUT)?;
            let part = &bytes[at..end];
            at = end;
            Ok::<_, String>(part)
        };
        let little = |part: &[u8]| part.iter().rev().fold(0u64, |sum, byte| (sum << 8) | u64::from(*byte));
        let wire = match tag & 7 {
            1 => Wire::Fixed(little(take(8)?)),
            5 => Wire::Fixed(little(take(4)?)),
            0 => Wire::Number(varint(bytes, &mut at)?),
            2 => {
                let count = usize::try_from(varint(bytes, &mut at)?).map_err(|_| CUT)?;
                let end = at.checked_add(count).filter(|end| *end <= bytes.len()).ok_or(CUT)?;
                let part = &bytes[at..end];
                at = end;
                Wire::Bytes(part)
            }
            other => return Err(format!("proto: illegal wireType {other}")),
        };
        out.push((tag >> 3, wire));
    }
    Ok(out)
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| "proto: string field contains invalid UTF-8".to_owned())
}

fn message_value(message: &str, bytes: &[u8], depth: usize) -> Result<Value, String> {
    if depth > DEEPEST {
        return Err("exceeded max depth".to_owned());
    }
    if let Some(special) = special(message, bytes, depth)? {
        return Ok(special);
    }
    let known = MESSAGES.get(message).ok_or_else(|| format!("unknown message {message}"))?;
    let mut object = Map::new();
    let mut lists: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (number, wire) in fields(bytes)? {
        // Fields that a newer client knows are left out, as Go leaves them out.
        let Some(field) = known.get(&number) else { continue };
        let kind = field.kind;
        if let Some(inner) = kind.strip_prefix('~') {
            let Wire::Bytes(bytes) = wire else { continue };
            if let Value::Object(map) = message_value(inner, bytes, depth + 1)? {
                object.extend(map);
            }
        } else if let Some(inner) = kind.strip_prefix('{') {
            let Wire::Bytes(bytes) = wire else { continue };
            let (key, value) = entry(inner, bytes, depth)?;
            if let Value::Object(map) = object.entry(field.name).or_insert_with(|| json!({})) {
                map.insert(key, value);
            }
        } else if let Some(inner) = kind.strip_prefix('*') {
            let values = match (inner, wire) {
                ("i", Wire::Bytes(packed)) => {
                    let mut at = 0;
                    let mut values = Vec::new();
                    while at < packed.len() {
                        values.push(json!(varint(packed, &mut at)?.cast_signed()));
                    }
                    values
                }
                (inner, wire) => vec![value(inner, wire, depth)?],
            };
            lists.entry(field.name).or_default().extend(values);
        } else {
            object.insert(field.name.to_owned(), value(kind, wire, depth)?);
        }
    }
    object.extend(lists.into_iter().map(|(name, items)| (name, Value::from(items))));
    Ok(Value::Object(object))
}

fn entry(kind: &str, bytes: &[u8], depth: usize) -> Result<(String, Value), String> {
    let mut key = String::new();
    let mut found = None;
    for (number, wire) in fields(bytes)? {
        match (number, wire) {
            (1, Wire::Bytes(text)) => key = utf8(text)?,
            (2, wire) => found = Some(value(kind, wire, depth)?),
            _ => {}
        }
    }
    let empty = match kind {
        "s" | "B" => json!(""),
        _ => json!({}),
    };
    Ok((key, found.unwrap_or(empty)))
}

fn value(kind: &str, wire: Wire<'_>, depth: usize) -> Result<Value, String> {
    Ok(match (kind, wire) {
        ("s", Wire::Bytes(text)) => Value::from(utf8(text)?),
        ("B", Wire::Bytes(bytes)) => Value::from(super::base64::encode(bytes)),
        ("b", Wire::Number(flag)) => Value::Bool(flag != 0),
        ("i", Wire::Number(number)) => json!(number.cast_signed()),
        ("d", Wire::Fixed(bits)) => json!(f64::from_bits(bits)),
        (message, Wire::Bytes(bytes)) if message.starts_with('@') => message_value(message, bytes, depth + 1)?,
        (kind, _) => return Err(format!("proto: wrong wireType for a field of type {kind}")),
    })
}

/// The messages that are written otherwise in JSON.
fn special(message: &str, bytes: &[u8], depth: usize) -> Result<Option<Value>, String> {
    const SCHEMA: &str = "@apiextensions.v1.JSONSchemaProps";
    let number = |wanted: u64| -> Result<i64, String> {
        Ok(fields(bytes)?
            .into_iter()
            .filter_map(|(number, wire)| match wire {
                Wire::Number(value) if number == wanted => Some(value.cast_signed()),
                _ => None,
            })
            .next_back()
            .unwrap_or(0))
    };
    let text = |wanted: u64| -> Result<&[u8], String> {
        Ok(fields(bytes)?
            .into_iter()
            .filter_map(|(number, wire)| match wire {
                Wire::Bytes(value) if number == wanted => Some(value),
                _ => None,
            })
            .next_back()
            .unwrap_or_default())
    };
    const SPECIAL: [&str; 15] = [
        "@a.api.resource.Quantity",
        "@a.util.intstr.IntOrString",
        "@m.Time",
        "@m.MicroTime",
        "@a.runtime.RawExtension",
        "@m.FieldsV1",
        "@m.Duration",
        "@authorization.v1.ExtraValue",
        "@authentication.v1.ExtraValue",
        "@certificates.v1.ExtraValue",
        "@m.Verbs",
        "@apiextensions.v1.JSON",
        "@apiextensions.v1.JSONSchemaPropsOrArray",
        "@apiextensions.v1.JSONSchemaPropsOrBool",
        "@apiextensions.v1.JSONSchemaPropsOrStringArray",
    ];
    if !SPECIAL.contains(&message) {
        return Ok(None);
    }
    Ok(Some(match message {
        "@a.api.resource.Quantity" => Value::from(utf8(text(1)?)?),
        "@a.util.intstr.IntOrString" if number(1)? == 0 => json!(number(2)?),
        "@a.util.intstr.IntOrString" => Value::from(utf8(text(3)?)?),
        "@m.Time" | "@m.MicroTime" => {
            let (seconds, nanos) = (number(1)?, i32::try_from(number(2)?).unwrap_or(0));
            match Timestamp::new(seconds, nanos) {
                _ if seconds == 0 && nanos == 0 => Value::Null,
                Ok(time) if message == "@m.Time" => Value::from(stamp(time)),
                Ok(time) => Value::from(micro_stamp(time)),
                Err(error) => return Err(error.to_string()),
            }
        }
        "@a.runtime.RawExtension" | "@m.FieldsV1" | "@apiextensions.v1.JSON" => match text(1)? {
            [] => Value::Null,
            raw => serde_json::from_slice(raw).map_err(|it| it.to_string())?,
        },
        // One of several things, the one that is there.
        "@apiextensions.v1.JSONSchemaPropsOrArray" | "@apiextensions.v1.JSONSchemaPropsOrBool" | "@apiextensions.v1.JSONSchemaPropsOrStringArray" => {
            let mut list = Vec::new();
            for (number, wire) in fields(bytes)? {
                match (message, number, wire) {
                    ("@apiextensions.v1.JSONSchemaPropsOrBool", 1, _) => {}
                    ("@apiextensions.v1.JSONSchemaPropsOrBool", 2, Wire::Bytes(schema)) | (_, 1, Wire::Bytes(schema)) => {
                        return message_value(SCHEMA, schema, depth + 1).map(Some);
                    }
                    ("@apiextensions.v1.JSONSchemaPropsOrArray", 2, Wire::Bytes(schema)) => list.push(message_value(SCHEMA, schema, depth + 1)?),
                    (_, 2, Wire::Bytes(name)) => list.push(Value::from(utf8(name)?)),
                    _ => {}
                }
            }
            if message.ends_with("Bool") { Value::Bool(number(1)? != 0) } else { Value::from(list) }
        }
        "@m.Duration" => json!(format!("{}ns", number(1)?)),
        // Lists of texts that have a type of their own in Go.
        "@authorization.v1.ExtraValue" | "@authentication.v1.ExtraValue" | "@certificates.v1.ExtraValue" | "@m.Verbs" => {
            let items = fields(bytes)?.into_iter().filter_map(|(_, wire)| match wire {
                Wire::Bytes(text) => Some(utf8(text).map(Value::from)),
                _ => None,
            });
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        _ => return Ok(None),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).expect("short")];
        out.extend_from_slice(bytes);
        out
    }

    fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let of = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), field(1, &of), field(2, raw)].concat()
    }

    #[test]
    fn an_object_is_read_with_its_maps_lists_and_odd_types() {
        let metadata = [field(1, b"web"), field(11, &[field(1, b"app"), field(2, b"web")].concat())].concat();
        // containerPort 80 of a port, image and name of a container.
        let container = [field(1, b"web"), field(2, b"web:1"), field(6, &[3 << 3, 80])].concat();
        let limits = field(1, &[field(1, b"cpu"), field(2, &field(1, b"100m"))].concat());
        let container = [container, field(8, &limits)].concat();
        let volume = [field(1, b"v"), field(2, &field(2, &[]))].concat();
        let pod = [field(1, &metadata), field(2, &[field(1, &volume), field(2, &container)].concat())].concat();
        let object = read(&envelope("v1", "Pod", &pod)).expect("a pod");
        assert_eq!(
            object,
            json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "web", "labels": { "app": "web" } },
                "spec": {
                    "volumes": [{ "name": "v", "emptyDir": {} }],
                    "containers": [{ "name": "web", "image": "web:1", "ports": [{ "containerPort": 80 }], "resources": { "limits": { "cpu": "100m" } } }],
                },
            })
        );
    }

    #[test]
    fn broken_bytes_are_refused() {
        for bytes in [&b"{}"[..], b"k8s\0\x0a\xff", b"k8s\0\x0a\x7f", b"k8s\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"] {
            assert!(read(bytes).is_err(), "{bytes:?}");
        }
        assert!(read(&envelope("v1", "Foo", b"")).expect_err("unknown").contains("no kind \"Foo\" is registered"));
    }
}
