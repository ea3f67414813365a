//! Sums and shares of resource quantities, printed in the API's canonical form. Only what a Node's description needs.

use std::collections::BTreeMap;

use serde_json::Value;

use super::value::text;

/// An amount in billionths, and whether it was written with a binary suffix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Quantity {
    nano: i128,
    binary: bool,
}

pub(super) type Resources = BTreeMap<String, Quantity>;

const NANO: i128 = 1_000_000_000;

impl Quantity {
    pub(super) fn parse(value: &Value) -> Self {
        let written = value.as_i64().map_or_else(|| text(value).to_owned(), |number| number.to_string());
        let end = written.find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c))).unwrap_or(written.len());
        let (number, suffix) = written.split_at(end);
        let (factor, binary) = match suffix {
            "" => (NANO, false),
            "n" => (1, false),
            "u" => (1_000, false),
            "m" => (1_000_000, false),
            "k" => (NANO * 1_000, false),
            "M" => (NANO * 1_000_000, false),
            "G" => (NANO * NANO, false),
            "T" => (NANO * NANO * 1_000, false),
            "P" => (NANO * NANO * 1_000_000, false),
            "E" => (NANO * NANO * NANO, false),
            "Ki" => (NANO << 10, true),
            "Mi" => (NANO << 20, true),
            "Gi" => (NANO << 30, true),
            "Ti" => (NANO << 40, true),
            "Pi" => (NANO << 50, true),
            "Ei" => (NANO << 60, true),
            exponent => {
                let power: u32 = exponent.trim_start_matches(['e', 'E', '+']).parse().unwrap_or(0);
                (NANO.saturating_mul(10i128.saturating_pow(power.min(20))), false)
            }
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits: i128 = format!("{whole}{fraction}").parse().unwrap_or(0);
        Self { nano: digits.saturating_mul(factor) / 10i128.saturating_pow(u32::try_from(fraction.len()).unwrap_or(0)), binary }
    }

    pub(super) fn add(&mut self, other: Self) {
        // As in Go: nothing yet has no format of its own.
        if self.nano == 0 {
            self.binary = other.binary;
        }
        self.nano += other.nano;
    }

    pub(super) fn max(self, other: Self) -> Self {
        if other.nano > self.nano { other } else { self }
    }

    /// Whole units, rounded up.
    pub(super) fn units(self) -> i128 {
        self.nano.div_euclid(NANO) + i128::from(self.nano.rem_euclid(NANO) != 0)
    }

    /// Thousandths, rounded up.
    pub(super) fn milli(self) -> i128 {
        self.nano.div_euclid(1_000_000) + i128::from(self.nano.rem_euclid(1_000_000) != 0)
    }

    /// How many of `divisor` this makes, rounded up; counted in thousandths for CPU.
    pub(super) fn per(self, divisor: Self, cpu: bool) -> i128 {
        let divisor = if divisor.nano == 0 { Self { nano: NANO, binary: false } } else { divisor };
        let (amount, by) = if cpu { (self.milli(), divisor.milli()) } else { (self.units(), divisor.units()) };
        amount.div_euclid(by) + i128::from(amount.rem_euclid(by) != 0)
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.nano == 0 {
            return f.write_str("0");
        }
        if self.binary && self.nano.abs() >= 1024 * NANO {
            let (mut amount, mut nth) = (self.units(), 0);
            while amount % 1024 == 0 && nth < 6 {
                amount /= 1024;
                nth += 1;
            }
            return write!(f, "{amount}{}", ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][nth]);
        }
        let (mut amount, mut nth) = (self.nano, 0);
        while amount % 1000 == 0 && nth < 9 {
            amount /= 1000;
            nth += 1;
        }
        write!(f, "{amount}{}", ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"][nth])
    }
}

pub(super) fn resources(value: &Value) -> Resources {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.clone(), Quantity::parse(value))).collect()
}

pub(super) fn add(sum: &mut Resources, more: &Resources) {
    for (name, quantity) in more {
        sum.entry(name.clone()).or_default().add(*quantity);
    }
}

pub(super) fn raise(most: &mut Resources, other: &Resources) {
    for (name, quantity) in other {
        let entry = most.entry(name.clone()).or_insert(*quantity);
        *entry = entry.max(*quantity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sums_are_printed_in_canonical_form() {
        for (a, b, sum) in [
            (json!("50m"), json!("50m"), "100m"),
            (json!("500m"), json!("500m"), "1"),
            (json!("1"), json!("250m"), "1250m"),
            (json!("32Mi"), json!("32Mi"), "64Mi"),
            (json!("512Mi"), json!("512Mi"), "1Gi"),
            (json!("1Gi"), json!("1Mi"), "1025Mi"),
            (json!("1Ki"), json!("0"), "1Ki"),
            (json!("100"), json!("1Ki"), "1124"),
            (json!("0"), json!("1Ki"), "1Ki"),
            (json!("1k"), json!("11k"), "12k"),
            (json!(2), json!("1.5"), "3500m"),
            (json!("1e3"), json!("0"), "1k"),
            (json!("1500M"), json!("500M"), "2G"),
            (json!("0"), json!(null), "0"),
        ] {
            let mut total = Quantity::parse(&a);
            total.add(Quantity::parse(&b));
            assert_eq!(total.to_string(), sum, "{a} + {b}");
        }
    }

    #[test]
    fn a_container_sees_its_resources_in_units_of_the_divisor() {
        for (quantity, divisor, cpu, seen) in [
            ("250m", "0", true, 1),
            ("250m", "1m", true, 250),
            ("1", "0", true, 1),
            ("64Mi", "0", false, 67_108_864),
            ("64Mi", "1Mi", false, 64),
            ("65Mi", "1Gi", false, 1),
        ] {
            assert_eq!(Quantity::parse(&json!(quantity)).per(Quantity::parse(&json!(divisor)), cpu), seen, "{quantity} by {divisor}");
        }
    }
}
