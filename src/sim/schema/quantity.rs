//! Quantities such as `100m` and `1Gi` in the form in which the server hands them out.
//!
//! Not here: what they measure.

use std::fmt;

/// A quantity as the server's own type holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    pub amount: Amount,
    /// The text, where it was seen to be canonical when it was read.
    pub text: Option<String>,
    pub format: Format,
}

/// A number: `value` times ten to the power of `scale`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    Small {
        value: i64,
        scale: i32,
    },
    /// Beyond what the small form holds exactly; `scale` counts the digits of the fraction, the other way round.
    Large {
        value: i128,
        scale: i32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    DecimalExponent,
    BinarySi,
    DecimalSi,
}

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
    Quantity::parse(text).map(|quantity| quantity.to_text())
}

impl fmt::Display for Quantity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.to_text())
    }
}

impl Quantity {
    /// Reads a quantity.
    ///
    /// # Errors
    /// As `canonical`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err(WRONG_FORM);
        }
        if text == "0" {
            return Ok(Quantity { amount: Amount::Small { value: 0, scale: 0 }, text: Some(text.to_owned()), format: Format::DecimalSi });
        }
        let parts = split(text).ok_or(WRONG_FORM)?;
        let suffix = Suffix::of(parts.suffix).ok_or(WRONG_SUFFIX)?;
        let shifted = format!("{}{}", parts.whole, parts.fraction);
        let sign = if parts.negative { -1 } else { 1 };
        let number: i128 = shifted.parse().map_err(|_| WRONG_NUMBER)?;
        let digits = i32::try_from(shifted.len()).map_err(|_| WRONG_NUMBER)?;
        let places = i32::try_from(parts.fraction.len()).map_err(|_| WRONG_NUMBER)?;
        // How many digits are left of those that the small form holds for sure; none for fractions of binary units.
        let (precision, factor, exponent, mut format) = match suffix {
            Suffix::Decimal(exponent) => (SMALL_DIGITS - digits, 1, exponent, Format::DecimalSi),
            Suffix::Exponent(exponent) => (SMALL_DIGITS - digits, 1, exponent, Format::DecimalExponent),
            // 3/10 of a power of two's exponent is about its count of digits.
            Suffix::Binary(power) if parts.fraction.is_empty() => (15 - digits - power * 3 / 10 - 1, 1 << power, 0, Format::BinarySi),
            Suffix::Binary(power) => (-1, 1_i128 << power, 0, Format::BinarySi),
        };
        let scale = exponent - places;
        if precision >= 0
            && scale >= NANO
            && let Some(value) = number.checked_mul(factor).and_then(|value| i64::try_from(value).ok())
        {
            let kept = match format {
                Format::BinarySi => number & 7 != 0,
                _ => scale % 3 == 0 && !shifted.ends_with("000") && !shifted.starts_with('0'),
            };
            return Ok(Quantity { amount: Amount::Small { value: sign as i64 * value, scale }, text: kept.then(|| text.to_owned()), format });
        }
        let mut value = number.checked_mul(factor).ok_or(WRONG_NUMBER)?;
        let mut scale = -scale;
        if value != 0 {
            // What is too small to hold is rounded away from zero.
            while scale > -NANO {
                value = value / 10 + i128::from(value % 10 != 0);
                scale -= 1;
            }
            let up = 10_i128.checked_pow((-NANO - scale).unsigned_abs()).ok_or(WRONG_NUMBER)?;
            (value, scale) = (value.checked_mul(up).ok_or(WRONG_NUMBER)?, -NANO);
        }
        if format == Format::BinarySi {
            let unit = 10_i128.pow(scale.unsigned_abs());
            if value / unit > MAX {
                (value, scale) = (MAX, 0);
            } else if value > 0 && value < unit {
                format = Format::DecimalSi;
            }
        }
        Ok(Quantity { amount: Amount::Large { value: sign * value, scale }, text: None, format })
    }

    /// The number in billionths; what is smaller is not kept anywhere.
    pub fn nano(&self) -> i128 {
        let (value, scale) = match self.amount {
            Amount::Small { value, scale } => (i128::from(value), scale),
            Amount::Large { value, scale } => (value, -scale),
        };
        let power = 10_i128.saturating_pow((scale - NANO).unsigned_abs());
        if scale >= NANO { value.saturating_mul(power) } else { value / power }
    }

    /// The number, near enough to compare two of them.
    pub fn approximate(&self) -> f64 {
        self.nano() as f64 / 1e9
    }

    /// A number of billionths.
    pub fn of_nano(value: i128, format: Format) -> Self {
        Self { amount: Amount::Large { value, scale: -NANO }, text: None, format }
    }

    /// The sum, in the form of the first unless that is nothing.
    pub fn plus(&self, other: &Self) -> Self {
        Self::of_nano(self.nano().saturating_add(other.nano()), if self.nano() == 0 { other.format } else { self.format })
    }

    fn to_text(&self) -> String {
        if let Some(text) = &self.text {
            return text.clone();
        }
        let (value, mut scale) = match self.amount {
            Amount::Small { value, scale } => (i128::from(value), scale),
            Amount::Large { value, scale } => (value, -scale),
        };
        let sign = if value < 0 { "-" } else { "" };
        let mut mantissa = value.abs();
        if mantissa == 0 {
            return "0".to_owned();
        }
        while mantissa % 10 == 0 {
            mantissa /= 10;
            scale += 1;
        }
        if self.format == Format::BinarySi && scale >= 0 {
            let mut whole = mantissa.saturating_mul(10_i128.saturating_pow(scale.unsigned_abs()));
            if whole >= 1024 {
                let mut power = 0;
                while whole % 1024 == 0 && power + 1 < BINARY.len() {
                    whole /= 1024;
                    power += 1;
                }
                return format!("{sign}{whole}{}", BINARY[power]);
            }
        }
        match scale.rem_euclid(3) {
            1 => (mantissa, scale) = (mantissa * 10, scale - 1),
            2 => (mantissa, scale) = (mantissa * 100, scale - 2),
            _ => {}
        }
        let unit = match self.format {
            Format::DecimalExponent if scale == 0 => String::new(),
            Format::DecimalExponent => format!("e{scale}"),
            _ => DECIMAL.iter().find(|(_, exponent)| *exponent == scale).map_or_else(String::new, |(unit, _)| (*unit).to_owned()),
        };
        format!("{sign}{mantissa}{unit}")
    }
}

const WRONG_FORM: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const WRONG_NUMBER: &str = "unable to parse numeric part of quantity";
const WRONG_SUFFIX: &str = "unable to parse quantity's suffix";
/// As many digits fit the small form whatever they are.
const SMALL_DIGITS: i32 = 18;
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
