//! Numbers: whole where they are written so.

use std::fmt;

/// A JSON number, which is never infinite.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Whole(i64),
    /// What no `i64` holds.
    Large(u64),
    Fraction(f64),
}

impl Number {
    /// `None` for what JSON cannot say: infinities, and what is no number.
    pub fn from_f64(number: f64) -> Option<Self> {
        number.is_finite().then_some(Number::Fraction(number))
    }

    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Number::Whole(number) => Some(*number),
            _ => None,
        }
    }

    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Number::Whole(number) => u64::try_from(*number).ok(),
            Number::Large(number) => Some(*number),
            Number::Fraction(_) => None,
        }
    }

    pub fn as_f64(&self) -> Option<f64> {
        Some(match self {
            #[expect(clippy::cast_precision_loss, reason = "what a fraction is asked for")]
            Number::Whole(number) => *number as f64,
            #[expect(clippy::cast_precision_loss, reason = "what a fraction is asked for")]
            Number::Large(number) => *number as f64,
            Number::Fraction(number) => *number,
        })
    }

    pub fn is_i64(&self) -> bool {
        matches!(self, Number::Whole(_))
    }

    pub fn is_f64(&self) -> bool {
        matches!(self, Number::Fraction(_))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Number::Whole(number) => number.fmt(out),
            Number::Large(number) => number.fmt(out),
            Number::Fraction(number) => match serde_json::Number::from_f64(*number) {
                Some(number) => number.fmt(out),
                None => out.write_str("null"),
            },
        }
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Number::Whole(number)
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        i64::try_from(number).map_or(Number::Large(number), Number::Whole)
    }
}
