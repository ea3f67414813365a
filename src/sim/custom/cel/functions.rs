//! The functions of expressions: the language's own, and the libraries of Kubernetes for texts, lists, regular expressions, quantities, addresses and names.

use std::cmp::Ordering;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use super::Value;
use crate::sim::custom::{format, schema};
use crate::sim::schema::quantity::{self, Quantity};

/// All functions that are known, those of a library with its name before a dot.
pub const NAMES: [&str; 79] = [
    "size",
    "string",
    "int",
    "uint",
    "double",
    "bool",
    "type",
    "dyn",
    "duration",
    "timestamp",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "getFullYear",
    "getMonth",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getHours",
    "getMinutes",
    "getSeconds",
    "getMilliseconds",
    "orValue",
    "or",
    "value",
    "hasValue",
    "optional.of",
    "optional.none",
    "optional.ofNonZeroValue",
    "isSorted",
    "sum",
    "min",
    "max",
    "indexOf",
    "lastIndexOf",
    "charAt",
    "lowerAscii",
    "upperAscii",
    "replace",
    "split",
    "join",
    "substring",
    "trim",
    "reverse",
    "find",
    "findAll",
    "isURL",
    "url",
    "getScheme",
    "getHost",
    "getHostname",
    "getPort",
    "getEscapedPath",
    "isIP",
    "ip",
    "isCIDR",
    "cidr",
    "family",
    "isLoopback",
    "isUnspecified",
    "isCanonical",
    "ip.isCanonical",
    "isQuantity",
    "quantity",
    "isLessThan",
    "isGreaterThan",
    "compareTo",
    "isInteger",
    "asInteger",
    "asApproximateFloat",
    "sign",
    "math.greatest",
    "math.least",
    "math.abs",
    "flatten",
    "distinct",
    "slice",
];

/// Whether there is such a function; of those on a library's name, with it.
pub fn knows(name: &str) -> bool {
    NAMES.contains(&name)
}

/// Whether a name is that of a library and no value.
pub fn is_space(name: &str) -> bool {
    matches!(name, "optional" | "math" | "ip")
}

/// The type that a name stands for.
pub fn type_named(name: &str) -> Option<&'static str> {
    ["int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type"].into_iter().find(|it| *it == name)
}

/// Go's durations: `1h30m`.
pub fn duration(text: &str) -> Option<SignedDuration> {
    let (sign, mut rest) = text.strip_prefix('-').map_or((1.0, text), |rest| (-1.0, rest));
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        let unit_end = rest[end..].find(|c: char| c.is_ascii_digit() || c == '.').map_or(rest.len(), |it| it + end);
        nanos += number
            * match &rest[end..unit_end] {
                "ns" => 1.0,
                "us" | "µs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 6e10,
                "h" => 3.6e12,
                _ => return None,
            };
        rest = &rest[unit_end..];
    }
    Some(SignedDuration::from_nanos((sign * nanos) as i64))
}

/// A value as `string()` writes it.
pub fn text(value: &Value) -> Option<String> {
    Some(match value {
        Value::Text(text) => text.clone(),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => crate::sim::custom::check::go_number(*number),
        Value::Bool(is) => is.to_string(),
        Value::Time(time) => time.to_string(),
        Value::Duration(duration) => format!("{}s", duration.as_secs_f64()),
        Value::Type(name) => (*name).to_owned(),
        Value::Null => "null".to_owned(),
        _ => return None,
    })
}

fn whole(at: usize) -> Value {
    Value::Int(i64::try_from(at).unwrap_or(i64::MAX))
}

fn place(value: &Value, length: usize) -> Result<usize, String> {
    match value {
        Value::Int(at) => usize::try_from(*at).ok().filter(|at| *at <= length).ok_or_else(|| format!("index out of range: {at}")),
        _ => Err("no such overload".to_owned()),
    }
}

/// Calls a function, on a value or on none.
///
/// # Errors
/// The words of a failure at run time.
pub fn call(name: &str, on: Option<Value>, arguments: &[Value]) -> Result<Value, String> {
    let wrong = || format!("no such overload: {name}");
    // A function of one value can be written either way.
    let (first, rest) = match on {
        Some(on) => (on, arguments),
        None => match arguments.split_first() {
            Some((first, rest)) => (first.clone(), rest),
            None if name == "optional.none" => return Ok(Value::Optional(None)),
            None => return Err(wrong()),
        },
    };
    match (name, &first, rest) {
        ("size", Value::Text(text), []) => Ok(whole(text.chars().count())),
        ("size", Value::List(items), []) => Ok(whole(items.len())),
        ("size", Value::Map(members), []) => Ok(whole(members.len())),
        ("type", value, []) => Ok(Value::Type(value.ty())),
        ("dyn", _, []) => Ok(first),
        ("string", value, []) => text(value).map(Value::Text).ok_or_else(wrong),
        ("int" | "uint" | "double" | "bool" | "duration" | "timestamp", value, []) => {
            convert(name, value).ok_or_else(|| format!("type conversion error from '{}' to '{name}'", value.ty()))
        }
        ("orValue", Value::Optional(inner), [other]) => Ok(inner.as_deref().unwrap_or(other).clone()),
        ("or", Value::Optional(inner), [other]) => Ok(if inner.is_some() { first.clone() } else { other.clone() }),
        ("hasValue", Value::Optional(inner), []) => Ok(Value::Bool(inner.is_some())),
        ("value", Value::Optional(inner), []) => inner.as_deref().cloned().ok_or_else(|| "optional.none() dereference".to_owned()),
        ("optional.of", _, []) => Ok(Value::Optional(Some(Box::new(first)))),
        ("optional.ofNonZeroValue", value, []) => Ok(Value::Optional((!is_zero(value)).then(|| Box::new(first.clone())))),
        (_, Value::Text(text), rest) => of_text(name, text, rest),
        (_, Value::List(items), rest) => of_list(name, items, rest),
        (_, Value::Time(time), rest) => of_time(name, *time, rest).ok_or_else(wrong),
        (_, Value::Duration(duration), []) => of_duration(name, *duration).ok_or_else(wrong),
        ("math.greatest" | "math.least" | "math.abs", _, rest) => {
            let all: Vec<Value> = std::iter::once(first.clone()).chain(rest.iter().cloned()).collect();
            match (name, &first) {
                ("math.abs", Value::Int(number)) => Ok(Value::Int(number.abs())),
                ("math.abs", Value::Double(number)) => Ok(Value::Double(number.abs())),
                _ => extreme(&all, name == "math.greatest"),
            }
        }
        _ => Err(wrong()),
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(is) => !is,
        Value::Int(number) => *number == 0,
        Value::Double(number) => *number == 0.0,
        Value::Text(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Map(members) => members.is_empty(),
        _ => false,
    }
}

fn convert(name: &str, value: &Value) -> Option<Value> {
    Some(match (name, value) {
        ("int" | "uint", Value::Int(number)) => Value::Int(*number),
        ("int" | "uint", Value::Double(number)) => Value::Int(number.trunc() as i64),
        ("int" | "uint", Value::Text(text)) => Value::Int(text.parse().ok()?),
        ("int", Value::Time(time)) => Value::Int(time.as_second()),
        ("double", Value::Text(text)) => Value::Double(text.parse().ok()?),
        ("double", value) => Value::Double(value.number()?),
        ("bool", Value::Bool(is)) => Value::Bool(*is),
        ("bool", Value::Text(text)) => Value::Bool(text.parse().ok()?),
        ("duration", Value::Duration(_)) | ("timestamp", Value::Time(_)) => value.clone(),
        ("duration", Value::Text(text)) => Value::Duration(duration(text)?),
        ("timestamp", Value::Text(text)) => Value::Time(text.parse().ok()?),
        ("timestamp", Value::Int(seconds)) => Value::Time(Timestamp::from_second(*seconds).ok()?),
        _ => return None,
    })
}

fn of_text(name: &str, text: &str, rest: &[Value]) -> Result<Value, String> {
    let wrong = || format!("no such overload: {name}");
    let pattern = |pattern: &str| schema::pattern(pattern).map_err(|why| format!("error parsing regexp: {why}"));
    let chars: Vec<char> = text.chars().collect();
    let found = |at: Option<usize>| at.map_or(Value::Int(-1), |at| whole(text[..at].chars().count()));
    Ok(match (name, rest) {
        ("contains", [Value::Text(part)]) => Value::Bool(text.contains(part)),
        ("startsWith", [Value::Text(part)]) => Value::Bool(text.starts_with(part)),
        ("endsWith", [Value::Text(part)]) => Value::Bool(text.ends_with(part)),
        ("matches", [Value::Text(it)]) => Value::Bool(pattern(it)?.is_match(text)),
        ("find", [Value::Text(it)]) => Value::Text(pattern(it)?.find(text).map_or_else(String::new, |it| it.as_str().to_owned())),
        ("findAll", [Value::Text(it)]) => Value::List(pattern(it)?.find_iter(text).map(|it| Value::Text(it.as_str().to_owned())).collect()),
        ("findAll", [Value::Text(it), Value::Int(most)]) => {
            let most = usize::try_from(*most).unwrap_or(usize::MAX);
            Value::List(pattern(it)?.find_iter(text).take(most).map(|it| Value::Text(it.as_str().to_owned())).collect())
        }
        ("indexOf", [Value::Text(part)]) => found(text.find(part.as_str())),
        ("lastIndexOf", [Value::Text(part)]) => found(text.rfind(part.as_str())),
        ("charAt", [at]) => Value::Text(chars.get(place(at, chars.len())?).map_or_else(String::new, char::to_string)),
        ("lowerAscii", []) => Value::Text(text.to_ascii_lowercase()),
        ("upperAscii", []) => Value::Text(text.to_ascii_uppercase()),
        ("trim", []) => Value::Text(text.trim().to_owned()),
        ("reverse", []) => Value::Text(chars.iter().rev().collect()),
        ("replace", [Value::Text(from), Value::Text(to)]) => Value::Text(text.replace(from, to)),
        ("replace", [Value::Text(from), Value::Text(to), Value::Int(most)]) => match usize::try_from(*most) {
            Ok(most) => Value::Text(text.replacen(from, to, most)),
            Err(_) => Value::Text(text.replace(from, to)),
        },
        ("split", [Value::Text(by)]) if by.is_empty() => Value::List(chars.iter().map(|it| Value::Text(it.to_string())).collect()),
        ("split", [Value::Text(by)]) => Value::List(text.split(by.as_str()).map(|it| Value::Text(it.to_owned())).collect()),
        ("substring", [from]) => Value::Text(chars[place(from, chars.len())?..].iter().collect()),
        ("substring", [from, to]) => {
            let (from, to) = (place(from, chars.len())?, place(to, chars.len())?);
            Value::Text(chars.get(from..to).ok_or_else(|| format!("invalid substring range. start: {from}, end: {to}"))?.iter().collect())
        }
        ("isURL", []) => Value::Bool(is_url(text)),
        ("url", []) if is_url(text) => Value::Text(text.to_owned()),
        ("url", []) => return Err(format!("URL parse error during conversion from string: parse {text:?}: invalid URI for request")),
        ("getScheme" | "getHost" | "getHostname" | "getPort" | "getEscapedPath", []) => Value::Text(url_part(name, text)),
        ("isIP", []) => Value::Bool(text.parse::<IpAddr>().is_ok()),
        ("isCIDR", []) => Value::Bool(format::is("cidr", text)),
        ("ip", []) if text.parse::<IpAddr>().is_ok() => Value::Text(text.to_owned()),
        ("ip", []) => return Err(format!("IP Address {text:?} parse error during conversion from string: ParseAddr({text:?}): unable to parse IP")),
        ("cidr", []) if format::is("cidr", text) => Value::Text(text.to_owned()),
        ("cidr", []) => return Err(format!("network address parse error during conversion from string: {text}")),
        ("ip.isCanonical" | "isCanonical", []) => Value::Bool(text.parse::<IpAddr>().is_ok_and(|it| it.to_string() == text)),
        ("family", []) => match text.parse::<IpAddr>() {
            Ok(IpAddr::V4(_)) => Value::Int(4),
            Ok(IpAddr::V6(_)) => Value::Int(6),
            Err(_) => return Err(wrong()),
        },
        ("isLoopback", []) => Value::Bool(text.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())),
        ("isUnspecified", []) => Value::Bool(text.parse::<IpAddr>().is_ok_and(|it| it.is_unspecified())),
        ("isQuantity", []) => Value::Bool(quantity::canonical(text).is_ok()),
        ("quantity", []) => Value::Text(quantity::canonical(text)?),
        ("isLessThan", [Value::Text(other)]) => Value::Bool(amounts(text, other)?.is_lt()),
        ("isGreaterThan", [Value::Text(other)]) => Value::Bool(amounts(text, other)?.is_gt()),
        ("compareTo", [Value::Text(other)]) => Value::Int(amounts(text, other)? as i64),
        ("sign", []) => Value::Int(amounts(text, "0")? as i64),
        ("asApproximateFloat", []) => Value::Double(amount(text)?),
        ("isInteger", []) => Value::Bool(amount(text)?.fract() == 0.0),
        ("asInteger", []) if amount(text)?.fract() == 0.0 => Value::Int(amount(text)? as i64),
        ("asInteger", []) => return Err("cannot convert value to integer".to_owned()),
        _ => return Err(wrong()),
    })
}

/// A quantity as a number.
fn amount(text: &str) -> Result<f64, String> {
    Ok(Quantity::parse(text)?.approximate())
}

fn amounts(left: &str, right: &str) -> Result<Ordering, String> {
    amount(left)?.partial_cmp(&amount(right)?).ok_or_else(|| "quantities cannot be compared".to_owned())
}

fn is_url(text: &str) -> bool {
    format::is("uri", text) && text.contains("://") || text.starts_with('/')
}

fn url_part(name: &str, text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let (host, path) = if scheme.is_empty() { ("", rest) } else { rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at)) };
    let host = host.rsplit('@').next().unwrap_or(host);
    let (hostname, port) = match host.rsplit_once(':') {
        Some((hostname, port)) if port.bytes().all(|it| it.is_ascii_digit()) => (hostname, port),
        _ => (host, ""),
    };
    match name {
        "getScheme" => scheme,
        "getHost" => host,
        "getHostname" => hostname.trim_start_matches('[').trim_end_matches(']'),
        "getPort" => port,
        _ => path.split('?').next().unwrap_or_default(),
    }
    .to_owned()
}

fn extreme(items: &[Value], greatest: bool) -> Result<Value, String> {
    let mut best: Option<&Value> = None;
    for item in items {
        let better = match best {
            None => true,
            Some(best) => {
                let order = item.compare(best).ok_or_else(|| "no such overload: min".to_owned())?;
                if greatest { order.is_gt() } else { order.is_lt() }
            }
        };
        if better {
            best = Some(item);
        }
    }
    best.cloned().ok_or_else(|| "min/max called on empty list".to_owned())
}

fn of_list(name: &str, items: &[Value], rest: &[Value]) -> Result<Value, String> {
    let wrong = || format!("no such overload: {name}");
    Ok(match (name, rest) {
        ("isSorted", []) => Value::Bool(items.windows(2).all(|pair| pair[0].compare(&pair[1]).is_some_and(Ordering::is_le))),
        ("sum", []) if items.iter().all(|it| matches!(it, Value::Double(_))) && !items.is_empty() => {
            Value::Double(items.iter().filter_map(Value::number).sum())
        }
        ("sum", []) => {
            let add = |sum: Value, item: &Value| super::binary("+", sum, item.clone());
            match items.split_first() {
                Some((first, rest)) => rest.iter().try_fold(first.clone(), add)?,
                None => Value::Int(0),
            }
        }
        ("min" | "math.least", []) => extreme(items, false)?,
        ("max" | "math.greatest", []) => extreme(items, true)?,
        ("indexOf", [item]) => items.iter().position(|it| it == item).map_or(Value::Int(-1), whole),
        ("lastIndexOf", [item]) => items.iter().rposition(|it| it == item).map_or(Value::Int(-1), whole),
        ("join", rest) => {
            let by = match rest {
                [] => "",
                [Value::Text(by)] => by.as_str(),
                _ => return Err(wrong()),
            };
            let texts: Option<Vec<String>> = items.iter().map(|it| if let Value::Text(text) = it { Some(text.clone()) } else { None }).collect();
            Value::Text(texts.ok_or_else(wrong)?.join(by))
        }
        ("reverse", []) => Value::List(items.iter().rev().cloned().collect()),
        ("slice", [from, to]) => {
            let (from, to) = (place(from, items.len())?, place(to, items.len())?);
            Value::List(items.get(from..to).ok_or_else(|| format!("cannot slice({from}, {to})"))?.to_vec())
        }
        ("flatten", []) => {
            let flat = |it: &Value| if let Value::List(inner) = it { inner.clone() } else { vec![it.clone()] };
            Value::List(items.iter().flat_map(flat).collect())
        }
        ("distinct", []) => {
            let mut seen: Vec<Value> = Vec::new();
            items.iter().for_each(|it| {
                if !seen.contains(it) {
                    seen.push(it.clone());
                }
            });
            Value::List(seen)
        }
        _ => return Err(wrong()),
    })
}

fn of_time(name: &str, time: Timestamp, rest: &[Value]) -> Option<Value> {
    let zone = match rest {
        [] => "UTC",
        [Value::Text(zone)] => zone,
        _ => return None,
    };
    let local = time.in_tz(zone).ok()?;
    let number: i64 = match name {
        "getFullYear" => local.year().into(),
        "getMonth" => i64::from(local.month()) - 1,
        "getDate" => local.day().into(),
        "getDayOfMonth" => i64::from(local.day()) - 1,
        "getDayOfWeek" => local.weekday().to_sunday_zero_offset().into(),
        "getDayOfYear" => i64::from(local.day_of_year()) - 1,
        "getHours" => local.hour().into(),
        "getMinutes" => local.minute().into(),
        "getSeconds" => local.second().into(),
        "getMilliseconds" => local.millisecond().into(),
        _ => return None,
    };
    Some(Value::Int(number))
}

fn of_duration(name: &str, duration: SignedDuration) -> Option<Value> {
    Some(Value::Int(match name {
        "getHours" => duration.as_hours(),
        "getMinutes" => duration.as_mins(),
        "getSeconds" => duration.as_secs(),
        "getMilliseconds" => i64::from(duration.subsec_millis()),
        _ => return None,
    }))
}
