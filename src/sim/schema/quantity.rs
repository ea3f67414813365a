//! Quantities such as `100m` and `1Gi` in the form in which the server hands them out.
//!
//! Not here: comparing or adding them.

/// The canonical form of a quantity: `1000m` is `1`, `0.5` is `500m`, `1024Mi` is `1Gi`.
///
/// # Errors
/// The server's text for what is no quantity.
///
/// # Source
/// `ParseQuantity` and `CanonicalizeBytes` of apimachinery 0.36 `pkg/api/resource`.
///
/// # Limits
/// Numbers beyond 38 digits are refused as not numeric; the server caps them.
pub fn canonical(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        return Err(WRONG_FORM);
    }
    let parts = split(text).ok_or(WRONG_FORM)?;
    let suffix = Suffix::of(parts.suffix).ok_or(WRONG_SUFFIX)?;
    if text == "0" {
        return Ok("0".to_owned());
    }
    let shifted = format!("{}{}", parts.whole, parts.fraction);
    let mut mantissa: i128 = shifted.parse().map_err(|_| WRONG_NUMBER)?;
    let mut scale = -i32::try_from(parts.fraction.len()).map_err(|_| WRONG_NUMBER)?;
    // The server keeps the text where its fast path sees that it is canonical already.
    let digits = i32::try_from(shifted.len()).map_err(|_| WRONG_NUMBER)?;
    let kept = match suffix {
        Suffix::Decimal(exponent) | Suffix::Exponent(exponent) => {
            let scale = scale + exponent;
            digits <= 18 && scale >= NANO && scale % 3 == 0 && !shifted.ends_with("000") && !shifted.starts_with('0')
        }
        Suffix::Binary(exponent) => {
            // 3/10 of a power of two's exponent is about its count of digits.
            parts.fraction.is_empty()
                && 15 - digits - exponent * 3 / 10 > 0
                && mantissa & 7 != 0
                && mantissa.checked_mul(1 << exponent).is_some_and(|all| all <= MAX)
        }
    };
    if kept {
        return Ok(text.to_owned());
    }
    match suffix {
        Suffix::Decimal(exponent) | Suffix::Exponent(exponent) => scale += exponent,
        Suffix::Binary(exponent) => mantissa = mantissa.checked_mul(1 << exponent).ok_or(WRONG_NUMBER)?,
    }
    if matches!(suffix, Suffix::Binary(_)) && 10_i128.checked_pow(scale.unsigned_abs()).is_some_and(|unit| mantissa / unit > MAX) {
        (mantissa, scale) = (MAX, 0);
    }
    while scale < NANO {
        // What is too small to hold is rounded away from zero.
        mantissa = mantissa / 10 + i128::from(mantissa % 10 != 0);
        scale += 1;
    }
    if mantissa == 0 {
        return Ok("0".to_owned());
    }
    while mantissa % 10 == 0 {
        mantissa /= 10;
        scale += 1;
    }
    let sign = if parts.negative { "-" } else { "" };
    if matches!(suffix, Suffix::Binary(_)) && scale >= 0 {
        let mut whole = mantissa.checked_mul(10_i128.checked_pow(scale.unsigned_abs()).ok_or(WRONG_NUMBER)?).ok_or(WRONG_NUMBER)?;
        if whole >= 1024 {
            let mut power = 0;
            while whole % 1024 == 0 && power + 1 < BINARY.len() {
                whole /= 1024;
                power += 1;
            }
            return Ok(format!("{sign}{whole}{}", BINARY[power]));
        }
    }
    match scale.rem_euclid(3) {
        1 => (mantissa, scale) = (mantissa * 10, scale - 1),
        2 => (mantissa, scale) = (mantissa * 100, scale - 2),
        _ => {}
    }
    let unit = match suffix {
        Suffix::Exponent(_) if scale == 0 => String::new(),
        Suffix::Exponent(_) => format!("e{scale}"),
        _ => DECIMAL.iter().find(|(_, exponent)| *exponent == scale).map_or_else(String::new, |(unit, _)| (*unit).to_owned()),
    };
    Ok(format!("{sign}{mantissa}{unit}"))
}

const WRONG_FORM: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const WRONG_NUMBER: &str = "unable to parse numeric part of quantity";
const WRONG_SUFFIX: &str = "unable to parse quantity's suffix";
/// The smallest power of ten that a quantity holds.
const NANO: i32 = -9;
/// What the server caps quantities with binary units at.
const MAX: i128 = i64::MAX as i128;
const DECIMAL: &[(&str, i32)] = &[("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18)];
const BINARY: &[&str] = &["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

#[derive(Clone, Copy)]
enum Suffix {
    Decimal(i32),
    Exponent(i32),
    Binary(i32),
}

impl Suffix {
    fn of(text: &str) -> Option<Self> {
        if let Some((_, exponent)) = DECIMAL.iter().find(|(unit, _)| *unit == text) {
            return Some(Suffix::Decimal(*exponent));
        }
        if let Some(power) = BINARY.iter().position(|unit| *unit == text) {
            return i32::try_from(power * 10).ok().map(Suffix::Binary);
        }
        let exponent = text.strip_prefix(['e', 'E'])?;
        exponent.parse().ok().map(Suffix::Exponent)
    }
}

struct Parts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

fn split(text: &str) -> Option<Parts<'_>> {
    let negative = text.starts_with('-');
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let number = unsigned.trim_start_matches('0');
    let (whole, rest) = number.split_at(number.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(number.len()));
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(rest.len())),
        None => ("", rest),
    };
    let unit_end = rest.find(|letter: char| !"eEinumkKMGTP".contains(letter)).unwrap_or(rest.len());
    let exponent = &rest[unit_end..];
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if !exponent.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(Parts { negative, whole: if whole.is_empty() { "0" } else { whole }, fraction, suffix: rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_come_back_as_the_server_writes_them() {
        for (text, expected) in [
            ("0", "0"),
            ("00", "0"),
            ("0m", "0"),
            ("100m", "100m"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("0.5", "500m"),
            ("1.5", "1500m"),
            ("2", "2"),
            ("1000", "1k"),
            ("2000", "2k"),
            ("1024", "1024"),
            ("128974848", "128974848"),
            ("64Mi", "64Mi"),
            ("100Mi", "100Mi"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Mi", "512Ki"),
            ("0.5Ki", "512"),
            ("512Ki", "512Ki"),
            ("1e3", "1e3"),
            ("1000e0", "1e3"),
            ("1E", "1E"),
            ("0.1n", "1n"),
            ("-5", "-5"),
            ("-1000m", "-1"),
            ("+5", "+5"),
            ("1.Gi", "1.Gi"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(expected), "{text}");
        }
        assert_eq!(canonical("1x"), Err(WRONG_FORM));
        assert_eq!(canonical(""), Err(WRONG_FORM));
        assert_eq!(canonical("much"), Err(WRONG_FORM));
        assert_eq!(canonical("1mm"), Err(WRONG_SUFFIX));
        assert_eq!(canonical("1Mi5"), Err(WRONG_SUFFIX));
    }
}
