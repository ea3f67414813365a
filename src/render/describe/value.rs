//! Values as Go prints them: `%v`, times, selectors.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::render::words;

/// The text of a string; empty for anything else.
pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A whole number; 0 for anything else, as an absent field reads.
pub(super) fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(0)
}

pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn is_set(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    }
}

pub(super) fn or_none(text: &str) -> &str {
    if text.is_empty() { "<none>" } else { text }
}

pub(super) fn strings(value: &Value) -> Vec<&str> {
    list(value).iter().map(text).collect()
}

/// `%v`.
pub(super) fn go(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) => value.to_string(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => go_float(float),
            _ => number.to_string(),
        },
        Value::Array(items) => format!("[{}]", items.iter().map(go).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => format!("map[{}]", map.iter().map(|(key, value)| format!("{key}:{}", go(value))).collect::<Vec<_>>().join(" ")),
    }
}

/// `%v` of a float64: the shortest digits, with an exponent below 1e-4 and from 1e21.
fn go_float(float: f64) -> String {
    let size = float.abs();
    if size == 0.0 || (1e-4..1e21).contains(&size) {
        return float.to_string();
    }
    let text = format!("{float:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

/// A time of the API; `None` for an absent one.
pub(super) fn time(value: &Value) -> Option<Timestamp> {
    text(value).parse().ok()
}

/// `Sun, 22 Nov 2026 19:23:59 +0000`; an absent time is Go's zero time.
pub(super) fn rfc1123(value: &Value) -> String {
    let Some(time) = time(value) else { return "Mon, 01 Jan 0001 00:00:00 +0000".to_owned() };
    time.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S %z").to_string()
}

/// How long ago, as an age; `<unknown>` for an absent time.
pub(super) fn since(value: &Value, now: Timestamp) -> String {
    time(value).map_or_else(|| "<unknown>".to_owned(), |time| words::age(now.duration_since(time).as_secs()))
}

/// `labels.FormatLabels`: `a=1,b=2`, or `<none>`.
pub(super) fn format_labels(labels: &Value) -> String {
    let pairs: Vec<String> = labels.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={}", text(value))).collect();
    or_none(&pairs.join(",")).to_owned()
}

/// The text of a label selector: requirements sorted by key; empty for one that selects everything, or is absent.
pub(super) fn selector(selector: &Value) -> String {
    let mut requirements: Vec<(&str, String)> =
        selector["matchLabels"].as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), format!("{key}={}", text(value)))).collect();
    for it in list(&selector["matchExpressions"]) {
        let key = text(&it["key"]);
        let mut values = strings(&it["values"]);
        values.sort_unstable();
        let values = values.join(",");
        let requirement = match text(&it["operator"]) {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        };
        requirements.push((key, requirement));
    }
    requirements.sort_by_key(|(key, _)| *key);
    requirements.into_iter().map(|(_, requirement)| requirement).collect::<Vec<_>>().join(",")
}

/// `Kind/name` of the controlling owner.
pub(super) fn controller(object: &Value) -> Option<String> {
    let owner = list(&object["metadata"]["ownerReferences"]).iter().find(|owner| owner["controller"] == true)?;
    Some(format!("{}/{}", text(&owner["kind"]), text(&owner["name"])))
}

/// Whether the controlling owner has this uid.
pub(super) fn is_controlled_by(object: &Value, uid: &Value) -> bool {
    list(&object["metadata"]["ownerReferences"]).iter().any(|owner| owner["controller"] == true && owner["uid"] == *uid)
}

/// A number or a string, as ports and percentages are.
pub(super) fn int_or_string(value: &Value) -> String {
    value.as_str().map_or_else(|| number(value).to_string(), str::to_owned)
}

/// `host:port`, with brackets around an IPv6 address.
pub(super) fn join_host_port(host: &str, port: &str) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_printed_as_go_prints_them() {
        for (value, printed) in [
            (json!(null), "<nil>"),
            (json!("x"), "x"),
            (json!(true), "true"),
            (json!(12), "12"),
            (json!(0.5), "0.5"),
            (json!(2.0), "2"),
            (json!(1e21), "1e+21"),
            (json!(1.5e-7), "1.5e-07"),
            (json!(["a", 1]), "[a 1]"),
            (json!({"b": [1], "a": null}), "map[a:<nil> b:[1]]"),
        ] {
            assert_eq!(go(&value), printed);
        }
    }

    #[test]
    fn a_selector_is_sorted_by_key() {
        let it = json!({"matchLabels": {"b": "1"}, "matchExpressions": [
            {"key": "c", "operator": "In", "values": ["z", "y"]}, {"key": "a", "operator": "DoesNotExist"}, {"key": "d", "operator": "Exists"}, {"key": "e", "operator": "NotIn", "values": ["x"]}]});
        assert_eq!(selector(&it), "!a,b=1,c in (y,z),d,e notin (x)");
        assert_eq!(selector(&Value::Null), "");
    }

    #[test]
    fn times_are_kubectls() {
        assert_eq!(rfc1123(&json!("2026-11-22T19:23:59Z")), "Sun, 22 Nov 2026 19:23:59 +0000");
        assert_eq!(rfc1123(&json!("2026-11-02T09:03:05.123456Z")), "Mon, 02 Nov 2026 09:03:05 +0000");
        assert_eq!(rfc1123(&Value::Null), "Mon, 01 Jan 0001 00:00:00 +0000");
        assert_eq!(since(&Value::Null, Timestamp::UNIX_EPOCH), "<unknown>");
    }
}
