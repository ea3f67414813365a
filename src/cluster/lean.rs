//! Lists without the field sets of `managedFields`: who wrote when stays, which fields it was does not. They are up to half of an object.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Parses JSON as it is, but for `fieldsV1` below `managedFields`.
pub(super) fn parse(bytes: &[u8]) -> serde_json::Result<Value> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Lean { managed: false }.deserialize(&mut reader)?;
    reader.end()?;
    Ok(value)
}

#[derive(Clone, Copy)]
struct Lean {
    /// Whether this is an entry of `managedFields`, or all of them.
    managed: bool,
}

impl<'de> DeserializeSeed<'de> for Lean {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Lean {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if self.managed && key == "fieldsV1" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value_seed(Lean { managed: key == "managedFields" })?;
            entries.insert(key, value);
        }
        Ok(Value::Object(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_stays_but_the_field_sets() {
        let object = |managed: Value| {
            json!({
                "metadata": { "name": "größe \"x\"\n", "managedFields": managed },
                "spec": { "fieldsV1": { "a": [1, -2, 2.5, true, null, "", {}] }, "x": 18_446_744_073_709_551_615_u64 },
            })
        };
        let sent = object(json!([{ "manager": "kubectl", "time": "t", "fieldsV1": { "f:spec": {} } }, { "manager": "b" }]));
        let kept = object(json!([{ "manager": "kubectl", "time": "t" }, { "manager": "b" }]));
        assert_eq!(parse(json!({ "items": [sent] }).to_string().as_bytes()).expect("JSON"), json!({ "items": [kept] }));
        for bad in ["", "{", "{} x", "<html>"] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
