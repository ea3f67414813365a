//! The formats of strings that schemas can ask for.
//!
//! # Source
//! kube-openapi `pkg/validation/strfmt`.

use crate::sim::names;

fn is_hex(text: &str) -> bool {
    text.bytes().all(|it| it.is_ascii_hexdigit())
}

fn digits(text: &str) -> Option<Vec<u32>> {
    text.chars().map(|it| it.to_digit(10)).collect()
}

/// Whether a text has a format; any text has one that is not known.
pub fn is(format: &str, text: &str) -> bool {
    match format.replace('-', "").as_str() {
        "datetime" => is_time(text),
        "date" => is_date(text),
        "duration" => is_duration(text),
        "byte" => is_base64(text),
        "ipv4" => text.parse::<std::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<std::net::Ipv6Addr>().is_ok(),
        "cidr" => is_cidr(text),
        "mac" => is_mac(text),
        "uri" => is_uri(text),
        "email" => is_email(text),
        "hostname" => is_hostname(text),
        "uuid" => is_uuid(text, None),
        "uuid3" => is_uuid(text, Some('3')),
        "uuid4" => is_uuid(text, Some('4')),
        "uuid5" => is_uuid(text, Some('5')),
        "bsonobjectid" => text.len() == 24 && is_hex(text),
        "hexcolor" => Some(text.strip_prefix('#').unwrap_or(text)).is_some_and(|it| matches!(it.len(), 3 | 6) && is_hex(it)),
        "rgbcolor" => is_rgb(text),
        "ssn" => is_ssn(text),
        "creditcard" => is_card(text),
        "isbn" => is_isbn10(text) || is_isbn13(text),
        "isbn10" => is_isbn10(text),
        "isbn13" => is_isbn13(text),
        "k8sshortname" => names::dns_label(text).is_empty(),
        "k8slongname" => names::dns_subdomain(text).is_empty(),
        _ => true,
    }
}

fn is_base64(text: &str) -> bool {
    let bare = text.trim_end_matches('=');
    text.len().is_multiple_of(4) && text.len() - bare.len() <= 2 && bare.bytes().all(|it| it.is_ascii_alphanumeric() || matches!(it, b'+' | b'/'))
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
}

/// A time with a zone, as RFC 3339 has it; the seconds may have a fraction.
fn is_time(text: &str) -> bool {
    let Some((date, rest)) = text.split_at_checked(10) else { return false };
    is_date(date) && rest.starts_with(['T', 't']) && text.to_ascii_uppercase().parse::<jiff::Timestamp>().is_ok()
}

/// Go's durations, and numbers with a word: `1h30m`, `3 days`.
fn is_duration(text: &str) -> bool {
    const UNITS: [&str; 8] = ["ns", "us", "µs", "ms", "s", "m", "h", "μs"];
    const WORDS: [&str; 15] = ["nano", "micro", "milli", "sec", "second", "min", "minute", "hr", "hour", "day", "week", "wk", "d", "w", "µ"];
    let split = |text: &str| -> Option<(usize, usize)> {
        let number = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let rest = &text[number..];
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        Some((number, number + unit))
    };
    let mut rest = text.trim_start_matches(['-', '+']);
    if rest == "0" {
        return true;
    }
    if let Some((number, _)) = split(rest).filter(|(number, _)| *number > 0) {
        let word = rest[number..].trim().to_lowercase();
        if WORDS.contains(&word.as_str()) || word.strip_suffix('s').is_some_and(|it| WORDS.contains(&it)) {
            return true;
        }
    }
    while !rest.is_empty() {
        match split(rest) {
            Some((number, end)) if number > 0 && UNITS.contains(&&rest[number..end]) => rest = &rest[end..],
            _ => return false,
        }
    }
    !text.is_empty()
}

fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else { return false };
    let most = match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(_)) => 32,
        Ok(std::net::IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.parse::<u8>().is_ok_and(|it| it <= most)
}

fn is_mac(text: &str) -> bool {
    let parts: Vec<&str> = if text.contains(':') { text.split(':').collect() } else { text.split('-').collect() };
    matches!(parts.len(), 6 | 8 | 20) && parts.iter().all(|it| it.len() == 2 && is_hex(it))
}

/// What Go takes for the URI of a request: absolute, or a path.
fn is_uri(text: &str) -> bool {
    if text.is_empty() || text.bytes().any(|it| it <= b' ' || it == 0x7f) {
        return false;
    }
    if text.starts_with('/') || text == "*" {
        return true;
    }
    let scheme = text.split(':').next().unwrap_or_default();
    text.contains(':') && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn is_email(text: &str) -> bool {
    let inner = text.rsplit_once('<').and_then(|(_, rest)| rest.strip_suffix('>')).unwrap_or(text);
    let Some((local, domain)) = inner.rsplit_once('@') else { return false };
    let bad = |c: char| c.is_whitespace() || "<>@,;:\\\"[]()".contains(c);
    !local.is_empty() && !domain.is_empty() && !local.contains(bad) && !domain.contains(bad) && !local.starts_with('.') && !local.ends_with('.')
}

fn is_hostname(text: &str) -> bool {
    let label = |it: &str| {
        !it.is_empty() && it.len() <= 63 && !it.starts_with('-') && !it.ends_with('-') && it.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    let text = text.strip_suffix('.').unwrap_or(text);
    text.len() <= 255 && text.split('.').all(label)
}

fn is_uuid(text: &str, version: Option<char>) -> bool {
    let bare: String = text.chars().filter(|it| *it != '-').collect();
    let third = || bare.chars().nth(12);
    let variant = || bare.chars().nth(16).is_some_and(|it| "89abAB".contains(it));
    bare.len() == 32
        && is_hex(&bare)
        && match version {
            None => true,
            Some('3') => third() == Some('3'),
            Some(version) => third() == Some(version) && variant(),
        }
}

fn is_rgb(text: &str) -> bool {
    let Some(inner) = text.strip_prefix("rgb(").and_then(|it| it.strip_suffix(')')) else { return false };
    let parts: Vec<&str> = inner.split(',').map(str::trim).collect();
    parts.len() == 3 && parts.iter().all(|it| it.parse::<u8>().is_ok())
}

fn is_ssn(text: &str) -> bool {
    let bare: String = text.chars().filter(|it| !matches!(it, '-' | ' ')).collect();
    bare.len() == 9 && digits(&bare).is_some()
}

fn is_card(text: &str) -> bool {
    let bare: String = text.chars().filter(char::is_ascii_digit).collect();
    let Some(all) = digits(&bare).filter(|it| (13..=16).contains(&it.len())) else { return false };
    let double = |it: u32| if it > 4 { it * 2 - 9 } else { it * 2 };
    let sum: u32 = all.iter().rev().enumerate().map(|(at, it)| if at % 2 == 1 { double(*it) } else { *it }).sum();
    sum.is_multiple_of(10)
}

fn is_isbn10(text: &str) -> bool {
    let bare: Vec<char> = text.chars().filter(|it| !matches!(it, '-' | ' ')).collect();
    let value = |(at, it): (usize, &char)| if at == 9 && matches!(it, 'X' | 'x') { Some(10) } else { it.to_digit(10) };
    let values: Option<Vec<u32>> = bare.iter().enumerate().map(value).collect();
    values.filter(|it| it.len() == 10).is_some_and(|it| it.iter().zip((1..=10).rev()).map(|(value, weight)| value * weight).sum::<u32>() % 11 == 0)
}

fn is_isbn13(text: &str) -> bool {
    let bare: String = text.chars().filter(|it| !matches!(it, '-' | ' ')).collect();
    let values = digits(&bare).filter(|it| it.len() == 13);
    values.is_some_and(|it| it.iter().enumerate().map(|(at, it)| if at % 2 == 0 { *it } else { it * 3 }).sum::<u32>() % 10 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_their_formats_or_not() {
        for (format, good, bad) in [
            ("date-time", "2026-11-25T01:02:03Z", "2026-11-25"),
            ("date-time", "2026-11-25T01:02:03.5+02:00", "yesterday"),
            ("date", "2026-11-25", "2026-13-25"),
            ("duration", "1h30m", "1 parsec"),
            ("ipv4", "10.0.0.1", "10.0.0"),
            ("ipv6", "::1", "10.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("uri", "https://example.com/x", "example"),
            ("email", "a@b.c", "a.b.c"),
            ("hostname", "a-b.example.com", "-a"),
            ("uuid", "12345678-1234-4234-8234-123456789012", "1234"),
            ("byte", "aGVsbG8=", "%"),
            ("mac", "01:02:03:04:05:06", "01:02"),
            ("k8s-short-name", "abc", "a.b"),
        ] {
            assert!(is(format, good), "{format}: {good}");
            assert!(!is(format, bad), "{format}: {bad}");
        }
        assert!(is("whatever", "anything"));
    }
}
