//! Resource quantities (`500m`, `1Gi`, `1e3`): parsed exactly, to be compared by value and checked before they are sent.

/// A quantity in billionths of its unit; `None` when the text is none.
pub(super) fn parse(text: &str) -> Option<i128> {
    let (sign, digits) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
    let (number, suffix) = digits.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
    let (factor, power) = match suffix {
        "" => (1, 9),
        "n" => (1, 0),
        "u" => (1, 3),
        "m" => (1, 6),
        "k" => (1, 12),
        "M" => (1, 15),
        "G" => (1, 18),
        "T" => (1, 21),
        "P" => (1, 24),
        "E" => (1, 27),
        "Ki" => (1 << 10, 9),
        "Mi" => (1 << 20, 9),
        "Gi" => (1 << 30, 9),
        "Ti" => (1 << 40, 9),
        "Pi" => (1 << 50, 9),
        "Ei" => (1 << 60, 9),
        exponent => (1, 9 + exponent.strip_prefix(['e', 'E'])?.parse::<i32>().ok()?),
    };
    let power = power - i32::try_from(fraction.len()).ok()?;
    let scaled = mantissa.checked_mul(factor)?;
    let value = if power >= 0 {
        scaled.checked_mul(10i128.checked_pow(power.unsigned_abs())?)?
    } else {
        // The API server rounds up what is finer than a billionth.
        let divisor = 10i128.checked_pow(power.unsigned_abs())?;
        scaled / divisor + i128::from(scaled % divisor != 0)
    };
    Some(sign * value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_amounts_are_equal_however_they_are_written() {
        for (a, b) in [
            ("1", "1000m"),
            ("0.5", "500m"),
            ("1Gi", "1024Mi"),
            ("1e3", "1k"),
            ("1.5Gi", "1536Mi"),
            ("2E", "2e18"),
            ("1000000n", "1m"),
            ("+5", "5"),
            (".5", "500m"),
        ] {
            assert_eq!(parse(a), parse(b), "{a} {b}");
            assert!(parse(a).is_some(), "{a}");
        }
        assert_ne!(parse("1G"), parse("1Gi"));
    }

    #[test]
    fn what_is_no_quantity_is_refused() {
        for bad in ["", "m", "1gb", "1 Gi", "1.2.3", "-", "1e", "1Kib", "one"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
