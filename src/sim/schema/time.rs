//! Times as the server reads and writes them: RFC 3339, UTC, whole seconds or microseconds.

use jiff::Timestamp;

/// A time in whole seconds, UTC.
///
/// # Errors
/// The text of Go's `time.Parse`.
pub fn seconds(text: &str) -> Result<String, String> {
    Ok(read(text, "")?.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// A time in microseconds, UTC, six digits always.
///
/// # Errors
/// As `seconds`.
pub fn microseconds(text: &str) -> Result<String, String> {
    Ok(read(text, ".000000")?.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string())
}

/// Reads a time; `fraction` is the layout of the seconds' fraction, empty if one may stand there but need not.
fn read(text: &str, fraction: &str) -> Result<Timestamp, String> {
    let layout = format!("2006-01-02T15:04:05{fraction}Z07:00");
    let mut rest = text;
    for (element, separator) in [("2006", "-"), ("01", "-"), ("02", "T"), ("15", ":"), ("04", ":"), ("05", "")] {
        let cannot = |what: &str| format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {what:?}");
        let Some((number, after)) = rest.split_at_checked(element.len()).filter(|(number, _)| number.bytes().all(|byte| byte.is_ascii_digit())) else {
            return Err(cannot(element));
        };
        let value: u32 = number.parse().map_err(|_| cannot(element))?;
        let (name, range) = match element {
            "01" => ("month", 1..=12),
            "15" => ("hour", 0..=23),
            "04" => ("minute", 0..=59),
            "05" => ("second", 0..=59),
            _ => ("", 0..=9999),
        };
        if !range.contains(&value) {
            return Err(format!("parsing time {text:?}: {name} out of range"));
        }
        rest = after;
        if !separator.is_empty() {
            rest = rest.strip_prefix(separator).ok_or_else(|| format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {separator:?}"))?;
        }
    }
    let digits = rest.strip_prefix(['.', ',']).map(|behind| behind.bytes().take_while(u8::is_ascii_digit).count()).unwrap_or_default();
    if !fraction.is_empty() && digits + 1 < fraction.len() {
        return Err(format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as {fraction:?}"));
    }
    if digits > 0 {
        // A fraction with a layout has exactly its digits; others are read to their end.
        rest = &rest[1 + if fraction.is_empty() { digits } else { fraction.len() - 1 }..];
    }
    let zone_end = match rest.as_bytes() {
        [b'Z', ..] => 1,
        [b'+' | b'-', a, b, b':', c, d, ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()) => 6,
        _ => return Err(format!("parsing time {text:?} as {layout:?}: cannot parse {rest:?} as \"Z07:00\"")),
    };
    if rest.len() > zone_end {
        return Err(format!("parsing time {text:?}: extra text: {:?}", &rest[zone_end..]));
    }
    text.replace(',', ".").parse().map_err(|_| format!("parsing time {text:?}: day out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written_as_the_server_does() {
        assert_eq!(seconds("2026-11-22T10:11:12Z").as_deref(), Ok("2026-11-22T10:11:12Z"));
        assert_eq!(seconds("2026-11-22T10:11:12.345+02:00").as_deref(), Ok("2026-11-22T08:11:12Z"));
        assert_eq!(microseconds("2026-11-22T10:11:12.340000Z").as_deref(), Ok("2026-11-22T10:11:12.340000Z"));
        assert_eq!(
            microseconds("2026-11-22T10:11:12Z").unwrap_err(),
            r#"parsing time "2026-11-22T10:11:12Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000""#
        );
        for (text, expected) in [
            ("x", r#"parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006""#),
            ("2026-1-1", r#"parsing time "2026-1-1" as "2006-01-02T15:04:05Z07:00": cannot parse "1-1" as "01""#),
            ("2026-11-22", r#"parsing time "2026-11-22" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T""#),
            ("2026-13-22T10:11:12Z", r#"parsing time "2026-13-22T10:11:12Z": month out of range"#),
            ("2026-11-31T10:11:12Z", r#"parsing time "2026-11-31T10:11:12Z": day out of range"#),
            ("2026-11-22T10:11:12", r#"parsing time "2026-11-22T10:11:12" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "Z07:00""#),
            ("2026-11-22T10:11:12Zx", r#"parsing time "2026-11-22T10:11:12Zx": extra text: "x""#),
        ] {
            assert_eq!(seconds(text).unwrap_err(), expected);
        }
    }
}
