//! The YAML writer: which style a scalar needs, and in which order keys stand.

use std::cmp::Ordering;
use std::fmt::Write;

use serde_json::{Map, Value};

use crate::render::screen::lies;

pub(super) fn yaml(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => mapping(&mut text, map, 0),
        Value::Array(items) if !items.is_empty() => sequence(&mut text, items, 0),
        other => {
            scalar(&mut text, other, 0);
            text.push('\n');
        }
    }
    // Newlines at the end of a `|+` block belong to its value; only the last one is the line's own.
    text.pop();
    text
}

fn mapping(text: &mut String, map: &Map<String, Value>, indent: usize) {
    let mut entries: Vec<(&String, &Value)> = map.iter().collect();
    entries.sort_by(|(a, _), (b, _)| order(a, b));
    for (nth, (key, value)) in entries.into_iter().enumerate() {
        // The first key may stand behind the dash of a list.
        if nth > 0 || text.is_empty() || text.ends_with('\n') {
            text.extend(std::iter::repeat_n(' ', indent));
        }
        string(text, key, None);
        text.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                text.push('\n');
                mapping(text, inner, indent + 2);
            }
            Value::Array(items) if !items.is_empty() => {
                text.push('\n');
                sequence(text, items, indent);
            }
            other => {
                text.push(' ');
                scalar(text, other, indent + 2);
                text.push('\n');
            }
        }
    }
}

fn sequence(text: &mut String, items: &[Value], indent: usize) {
    for (nth, item) in items.iter().enumerate() {
        if nth > 0 || text.is_empty() || text.ends_with('\n') {
            text.extend(std::iter::repeat_n(' ', indent));
        }
        text.push_str("- ");
        match item {
            Value::Object(inner) if !inner.is_empty() => mapping(text, inner, indent + 2),
            Value::Array(inner) if !inner.is_empty() => sequence(text, inner, indent + 2),
            other => {
                scalar(text, other, indent + 2);
                text.push('\n');
            }
        }
    }
}

fn scalar(text: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(_) => text.push_str("{}"),
        Value::Array(_) => text.push_str("[]"),
        Value::String(value) => string(text, value, Some(indent)),
        Value::Null | Value::Bool(_) | Value::Number(_) => write!(text, "{value}").unwrap_or_default(),
    }
}

/// `indent`: of a block's lines; `None` for a key, which must stay on its line.
fn string(text: &mut String, value: &str, indent: Option<usize>) {
    let looks = Looks::of(value);
    if value.contains('\n') {
        match indent.filter(|_| looks.block) {
            Some(indent) => block(text, value, indent),
            None => double_quoted(text, value),
        }
    } else if resolves(value) {
        double_quoted(text, value);
    } else if looks.plain {
        text.push_str(value);
    } else if looks.single_quoted {
        text.push('\'');
        text.push_str(&value.replace('\'', "''"));
        text.push('\'');
    } else {
        double_quoted(text, value);
    }
}

fn block(text: &mut String, value: &str, indent: usize) {
    text.push('|');
    if value.starts_with([' ', '\n']) {
        text.push('2');
    }
    // `-`: no newline at the end, none: one, `+`: keep them all.
    if !value.ends_with('\n') {
        text.push('-');
    } else if value.ends_with("\n\n") || value == "\n" {
        text.push('+');
    }
    for line in value.strip_suffix('\n').unwrap_or(value).split('\n') {
        text.push('\n');
        if !line.is_empty() {
            text.extend(std::iter::repeat_n(' ', indent.max(2)));
            text.push_str(line);
        }
    }
}

fn double_quoted(text: &mut String, value: &str) {
    text.push('"');
    for letter in value.chars() {
        match letter {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            '\u{1b}' => text.push_str("\\e"),
            '\0' => text.push_str("\\0"),
            _ if !hidden(letter) => text.push(letter),
            _ if letter <= '\u{ff}' => write!(text, "\\x{:02X}", letter as u32).unwrap_or_default(),
            _ if letter <= '\u{ffff}' => write!(text, "\\u{:04X}", letter as u32).unwrap_or_default(),
            _ => write!(text, "\\U{:08X}", letter as u32).unwrap_or_default(),
        }
    }
    text.push('"');
}

/// Whether a character must be escaped: control characters, and what shows other text than is there.
pub(super) fn hidden(letter: char) -> bool {
    // Joiners and selectors are asked for beside a letter that needs them: a joiner in an emoji stays.
    letter.is_control() || lies(Some('\u{3b1}'), letter, Some('\u{3b1}'))
}

/// Which styles a value allows, as the Go emitter's analysis decides it.
struct Looks {
    plain: bool,
    single_quoted: bool,
    block: bool,
}

impl Looks {
    fn of(value: &str) -> Self {
        let special = value.chars().any(|letter| letter != '\n' && hidden(letter));
        let edges = value.starts_with([' ', '\n']) || value.ends_with([' ', '\n']);
        let (space_break, break_space) = (value.contains(" \n"), value.contains("\n "));
        Self {
            plain: !(special || edges || space_break || break_space || value.contains('\n') || has_indicators(value)),
            single_quoted: !(special || space_break || break_space),
            block: !(special || space_break || value.ends_with(' ')),
        }
    }
}

fn has_indicators(value: &str) -> bool {
    let blank_after = |at: usize| value[at..].chars().nth(1).is_none_or(|next| matches!(next, ' ' | '\t' | '\n'));
    let first = match value.chars().next() {
        Some('#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`') => true,
        Some('?' | ':' | '-') => blank_after(0),
        _ => false,
    };
    let inside = value.char_indices().skip(1).any(|(at, letter)| match letter {
        ':' => blank_after(at),
        '#' => value[..at].ends_with([' ', '\t', '\n']),
        _ => false,
    });
    first || inside || value.starts_with("---") || value.starts_with("...")
}

/// Whether a plain scalar of these letters would be read as something else than this string, by YAML 1.1 or 1.2.
fn resolves(value: &str) -> bool {
    const WORDS: &[&str] = &[
        "",
        "~",
        "null",
        "true",
        "false",
        "y",
        "n",
        "yes",
        "no",
        "on",
        "off",
        ".nan",
        ".inf",
        "+.inf",
        "-.inf",
        "<<",
        "=",
        "nan",
        "inf",
        "+inf",
        "-inf",
        "infinity",
        "+infinity",
        "-infinity",
    ];
    WORDS.contains(&value.to_ascii_lowercase().as_str()) || is_number(value) || is_timestamp(value)
}

fn is_number(value: &str) -> bool {
    let plain = value.replace('_', "");
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    let radix = |prefixes: [&str; 2], radix: u32| {
        prefixes
            .iter()
            .any(|prefix| unsigned.strip_prefix(prefix).is_some_and(|digits| !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix))))
    };
    if radix(["0x", "0X"], 16) || radix(["0o", "0O"], 8) || radix(["0b", "0B"], 2) {
        return true;
    }
    // Base 60, which YAML 1.1 had: 12:30:45.
    let mut parts = value.strip_prefix(['+', '-']).unwrap_or(value).split(':');
    let digits = |part: &str| part.starts_with(|c: char| c.is_ascii_digit()) && part.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_' || byte == b'.');
    if value.contains(':') && parts.all(digits) {
        return true;
    }
    // `1.`, `.5`, `1e3`, `+1.5E-7`; a lone `e` or `.` is a word.
    unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.') && unsigned.contains(|c: char| c.is_ascii_digit()) && unsigned.parse::<f64>().is_ok()
}

fn is_timestamp(value: &str) -> bool {
    let Some((year, rest)) = value.split_once('-') else { return false };
    let dated = |text: &str| text.split(['-', 'T', 't', ' ', ':', '.', 'Z', 'z', '+']).all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit()) && rest.contains('-') && dated(rest)
}

/// kubectl's order of keys: letters by letter, numbers inside by value (`port2` before `port10`), everything else before letters.
fn order(a: &str, b: &str) -> Ordering {
    let (left, right): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = left.iter().zip(&right).position(|(l, r)| l != r) else { return left.len().cmp(&right.len()) };
    let (l, r) = (left[at], right[at]);
    match (l.is_alphabetic(), r.is_alphabetic()) {
        (true, true) => return l.cmp(&r),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let number = |letters: &[char]| -> (u128, usize) {
        let digits: String = letters[at..].iter().take_while(|letter| letter.is_ascii_digit()).collect();
        // A zero that differs counts with the digits before it, so that `10` and `1a` keep their places.
        (digits.parse().unwrap_or(0), digits.len())
    };
    let carried = (l == '0' || r == '0') && left[..at].iter().rev().take_while(|letter| letter.is_ascii_digit()).any(|letter| *letter != '0');
    let ((ln, ld), (rn, rd)) = (number(&left), number(&right));
    let scaled = |value: u128, digits: usize| if carried { value + 10u128.saturating_pow(digits as u32) } else { value };
    scaled(ln, ld).cmp(&scaled(rn, rd)).then(ld.cmp(&rd)).then(l.cmp(&r))
}
