//! JSON values to Rhai values and back; errors to what `catch` gets and back.

use rhai::{Array, Dynamic, EvalAltResult, Map, Position};
use serde_json::Value;

use crate::error::{Error, ErrorKind};
use crate::session::{Halt, Stop};

/// A JSON value as a script sees it: `null` is `()`, whole numbers are integers.
pub fn dynamic(value: &Value) -> Dynamic {
    match value {
        Value::Null => Dynamic::UNIT,
        Value::Bool(it) => (*it).into(),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => integer.into(),
            None => number.as_f64().unwrap_or(f64::NAN).into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => Dynamic::from_array(items.iter().map(dynamic).collect::<Array>()),
        Value::Object(map) => Dynamic::from_map(map.iter().map(|(key, value)| (key.as_str().into(), dynamic(value))).collect::<Map>()),
    }
}

/// A serialisable value as a script sees it.
pub fn shape<T: serde::Serialize>(value: &T) -> Dynamic {
    // The shapes of this crate are plain structs with string keys: serialising them cannot fail.
    serde_json::to_value(value).as_ref().map_or(Dynamic::UNIT, dynamic)
}

/// A script's value as JSON; what has no JSON form becomes its text.
pub fn json(value: &Dynamic) -> Value {
    if value.is_unit() {
        return Value::Null;
    }
    if let Ok(it) = value.as_bool() {
        return it.into();
    }
    if let Ok(integer) = value.as_int() {
        return integer.into();
    }
    if let Ok(float) = value.as_float() {
        return serde_json::Number::from_f64(float).map_or(Value::Null, Value::Number);
    }
    if let Some(items) = value.read_lock::<Array>() {
        return Value::Array(items.iter().map(json).collect());
    }
    if let Some(map) = value.read_lock::<Map>() {
        return Value::Object(map.iter().map(|(key, value)| (key.to_string(), json(value))).collect());
    }
    if let Some(blob) = value.read_lock::<rhai::Blob>() {
        return Value::Array(blob.iter().map(|byte| (*byte).into()).collect());
    }
    if let Some(range) = value.read_lock::<std::ops::Range<i64>>() {
        return Value::String(format!("{}..{}", range.start, range.end));
    }
    value.to_string().into()
}

impl From<Error> for Box<EvalAltResult> {
    fn from(error: Error) -> Self {
        Box::new(EvalAltResult::ErrorRuntime(dynamic(&error.to_value()), Position::NONE))
    }
}

impl From<Halt> for Box<EvalAltResult> {
    /// A termination: no `catch` of a script sees it.
    fn from(halt: Halt) -> Self {
        Box::new(EvalAltResult::ErrorTerminated(Dynamic::from(halt), Position::NONE))
    }
}

impl From<Stop> for Box<EvalAltResult> {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Halt(halt) => halt.into(),
            Stop::Error(error) => error.into(),
        }
    }
}

/// The halt inside an error of the engine, however many calls deep.
pub fn halt(error: &EvalAltResult) -> Option<Halt> {
    match error {
        EvalAltResult::ErrorTerminated(token, _) => token.read_lock::<Halt>().map(|halt| *halt),
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) => halt(inner),
        _ => None,
    }
}

/// The error that an engine's error stands for: ours with its kind and facts, any other as `script`.
pub fn error(error: &EvalAltResult) -> Error {
    match error {
        EvalAltResult::ErrorInFunctionCall(_, _, inner, _) | EvalAltResult::ErrorInModule(_, inner, _) => self::error(inner),
        EvalAltResult::ErrorRuntime(thrown, _) => {
            let value = json(thrown);
            match Error::from_value(&value) {
                Some(error) => error,
                None => {
                    let message = match value {
                        Value::Null => "the script threw an error without a value".to_owned(),
                        Value::String(text) => text,
                        Value::Object(map) if map.get("message").is_some_and(Value::is_string) => map["message"].as_str().unwrap_or_default().to_owned(),
                        other => other.to_string(),
                    };
                    Error::script(message)
                }
            }
        }
        other => {
            // The words without the position, which the host shows in its own way.
            let text = other.to_string();
            let cut = text.rfind(" (line ").filter(|_| text.ends_with(')')).unwrap_or(text.len());
            let error = Error::new(ErrorKind::Script, lower_first(&text[..cut]));
            match other {
                EvalAltResult::ErrorDataRace(..) => {
                    error.hint("a closure cannot use the variable that it is called on: use a for loop, or copy the value first")
                }
                _ => error,
            }
        }
    }
}

fn lower_first(text: &str) -> String {
    let text = text.strip_prefix("Runtime error: ").unwrap_or(text);
    let mut chars = text.chars();
    match chars.next() {
        // An identifier or an acronym at the start keeps its case.
        Some(first) if chars.as_str().chars().next().is_some_and(|second| second.is_lowercase()) => first.to_lowercase().collect::<String>() + chars.as_str(),
        _ => text.to_owned(),
    }
}
