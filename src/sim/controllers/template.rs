//! Pod templates: whether two mean the same, and the pod that one makes. Defaulting is the API server's work and done before.

use std::borrow::Cow;

use jiff::Timestamp;

use super::object::{list, owner_reference};
use crate::sim::json::{Value, json};

pub const TEMPLATE_HASH: &str = "pod-template-hash";

/// Whether two templates are the same but for the hash label.
///
/// # Source
/// `deploymentutil.EqualIgnoreHash`: Go's semantic equality, where absent and empty are one, and quantities and times are compared by value.
pub fn equal_ignoring_hash(one: &Value, other: &Value) -> bool {
    same(&without_hash(one), &without_hash(other), Field::Plain)
}

fn without_hash(template: &Value) -> Cow<'_, Value> {
    if template["metadata"]["labels"].get(TEMPLATE_HASH).is_none() {
        return Cow::Borrowed(template);
    }
    let mut template = template.clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove(TEMPLATE_HASH);
    }
    Cow::Owned(template)
}

/// What the strings below a field are.
#[derive(Clone, Copy, PartialEq)]
enum Field {
    Plain,
    /// A map from resource names to quantities.
    Quantities,
    Quantity,
    Time,
}

impl Field {
    fn below(self, key: &str) -> Self {
        match (self, key) {
            (Self::Quantities, _) => Self::Quantity,
            (_, "limits" | "requests" | "overhead") => Self::Quantities,
            (_, "sizeLimit" | "divisor" | "storage") => Self::Quantity,
            (_, "creationTimestamp" | "deletionTimestamp") => Self::Time,
            _ => Self::Plain,
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
        _ => false,
    }
}

fn same(one: &Value, other: &Value, field: Field) -> bool {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            a.iter().all(|(key, value)| same(value, b.get(key).unwrap_or(&Value::Null), field.below(key)))
                && b.iter().all(|(key, value)| a.contains_key(key) || is_empty(value))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b, field)),
        (Value::String(a), Value::String(b)) if a != b => match field {
            Field::Quantity => quantity(a).is_some_and(|a| quantity(b) == Some(a)),
            Field::Time => a.parse::<Timestamp>().ok().is_some_and(|a| b.parse::<Timestamp>().ok() == Some(a)),
            _ => false,
        },
        (a, b) => a == b || (is_empty(a) && is_empty(b)),
    }
}

/// A quantity in nano units, so that `1000m`, `1` and `1e0` are the same number; `None` when it is none.
pub fn quantity(text: &str) -> Option<i128> {
    let text = text.trim();
    let split = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (digits, suffix) = text.split_at(split);
    let nano: i128 = match suffix {
        "" => 1_000_000_000,
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        "k" => 1_000_000_000_000,
        "M" => 1_000_000_000_000_000,
        "G" => 1_000_000_000_000_000_000,
        "T" => 10i128.pow(21),
        "P" => 10i128.pow(24),
        "E" => 10i128.pow(27),
        "Ki" => 1_000_000_000 << 10,
        "Mi" => 1_000_000_000 << 20,
        "Gi" => 1_000_000_000 << 30,
        "Ti" => 1_000_000_000 << 40,
        "Pi" => 1_000_000_000 << 50,
        "Ei" => 1_000_000_000 << 60,
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            match u32::try_from(power) {
                Ok(power) if power <= 18 => 1_000_000_000 * 10i128.pow(power),
                Err(_) if power >= -9 => 1_000_000_000 / 10i128.pow(power.unsigned_abs()),
                _ => return None,
            }
        }
    };
    let (negative, digits) = match digits.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, digits.strip_prefix('+').unwrap_or(digits)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.len() > 18 {
        return None;
    }
    let number = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<i128>().ok() };
    let value = number(whole)?.checked_mul(nano)? + number(fraction)?.checked_mul(nano)? / 10i128.pow(u32::try_from(fraction.len()).ok()?);
    Some(if negative { -value } else { value })
}

/// The pod that a template makes for its owner; the API server picks the last letters of its name.
pub fn pod_of(template: &Value, owner: &Value) -> Value {
    let mut metadata = json!({"generateName": prefix(super::object::name(owner)), "ownerReferences": [owner_reference(owner)]});
    for field in ["labels", "annotations", "finalizers"] {
        let value = &template["metadata"][field];
        if !is_empty(value) {
            metadata[field] = value.clone();
        }
    }
    // As its type holds it, so that it need not be read.
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"], "status": {}})
}

/// `NAME-`, or the bare name where the dash would make it an invalid prefix.
fn prefix(owner: &str) -> String {
    if owner.len() >= 253 { owner.to_owned() } else { format!("{owner}-") }
}

/// The names of the containers in a pod spec, in order.
pub fn container_names(spec: &Value) -> impl Iterator<Item = &str> {
    list(&spec["containers"]).iter().filter_map(|container| container["name"].as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_equal_when_they_mean_the_same() {
        let template = |labels: Value, spec: Value| json!({"metadata": {"labels": labels}, "spec": spec});
        let plain = template(json!({"app": "web"}), json!({"containers": [{"name": "web", "image": "a:1"}]}));
        for (other, equal) in [
            (template(json!({"app": "web", "pod-template-hash": "x"}), json!({"containers": [{"name": "web", "image": "a:1"}]})), true),
            (template(json!({"app": "web"}), json!({"containers": [{"name": "web", "image": "a:1", "resources": {}, "env": []}], "volumes": []})), true),
            (template(json!({"app": "web"}), json!({"containers": [{"name": "web", "image": "a:2"}]})), false),
            (template(json!({"app": "web", "x": "y"}), json!({"containers": [{"name": "web", "image": "a:1"}]})), false),
        ] {
            assert_eq!(equal_ignoring_hash(&plain, &other), equal, "{other}");
            assert_eq!(equal_ignoring_hash(&other, &plain), equal, "{other}");
        }
        let cpu = |cpu: &str| json!({"spec": {"containers": [{"name": "web", "resources": {"limits": {"cpu": cpu}}}]}});
        assert!(equal_ignoring_hash(&cpu("1000m"), &cpu("1")));
        assert!(!equal_ignoring_hash(&cpu("1001m"), &cpu("1")));
    }

    #[test]
    fn quantities_compare_by_value() {
        for (one, other) in [("1", "1000m"), ("1Gi", "1024Mi"), ("1e3", "1k"), ("0.5", "500m"), ("-1.5", "-1500m"), ("128974848", "123Mi")] {
            assert_eq!(quantity(one), quantity(other), "{one} {other}");
        }
        assert_eq!(quantity("ten"), None);
        assert_eq!(quantity(""), None);
    }
}
