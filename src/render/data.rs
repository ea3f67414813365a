//! JSON and YAML, out and in.
//!
//! What is written here needs no neutralising afterwards: characters that could mislead a terminal are escaped inside strings, so a file
//! made from the output still holds the same value.

use serde_json::Value;

use super::screen::neutralise;
use crate::error::{Error, Result};

mod emit;

/// Indented JSON, keys sorted, without a final newline.
pub fn json(value: &Value) -> String {
    harmless(format!("{value:#}"))
}

/// JSON on one line, without spaces.
pub fn compact(value: &Value) -> String {
    harmless(value.to_string())
}

/// Escapes what a terminal must not see; outside strings JSON has no such characters.
fn harmless(json: String) -> String {
    if json.bytes().all(|byte| matches!(byte, 0x20..0x7f | b'\n')) {
        return json;
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for letter in json.chars() {
        if letter == '\n' || (letter.is_ascii() && letter != '\u{7f}') || !emit::hidden(letter) {
            safe.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    safe
}

/// Block-style YAML as kubectl prints it, without a final newline: keys in kubectl's order, lists not indented below their key, texts of
/// several lines as `|`, strings quoted exactly when they would read as something else.
///
/// # Source
/// go.yaml.in/yaml 2.4.3. Unlike it, long lines are not folded, so that a diff shows one difference a line.
pub fn yaml(value: &Value) -> String {
    emit::yaml(value)
}

/// All documents of a YAML (or JSON) text; empty documents are left out.
///
/// # Errors
/// `invalid` with line and column.
///
/// # Source
/// Reads what kubectl reads: `yes` and `on` are booleans, `0644` is octal.
pub fn parse_yaml(text: &str) -> Result<Vec<Value>> {
    let options = serde_saphyr::options! { legacy_octal_numbers: true, with_snippet: false };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options).map_err(|error| refused(text, &error))?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

fn refused(text: &str, error: &serde_saphyr::Error) -> Error {
    let location = error.location().filter(|location| location.line() > 0);
    let said = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
    let said = said.lines().next().unwrap_or("not readable");
    let said = neutralise(said.split(" at line ").next().unwrap_or(said)).into_owned();
    let Some(location) = location else { return Error::invalid(format!("not valid YAML: {said}")) };
    let (line, column) = (location.line(), location.column());
    let invalid = Error::invalid(format!("not valid YAML at line {line}, column {column}: {said}")).fact("line", line).fact("column", column);
    match text.lines().nth(usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1)) {
        Some(source) if source.trim_start_matches(' ').starts_with('\t') => invalid.hint("YAML is indented with spaces, and this line begins with a tab"),
        _ => invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_is_kubectls() {
        let value = json!({
            "b": {"port10": 1, "port2": [], "Z": {}, "a-b": null, "aB": true},
            "a": [{"x": 1.5, "list": ["1", "true", "yes", "null", "", "plain text", "- dash", "a: b", "it's", "#no", "a #b", "-x", "*", "12:30"]}, [1, [2]], "two\nlines\n", "no end\nhere", "keep\n\n", " lead\nx"],
            "text": "line one\nline two\n",
            "time": "2026-11-22T19:23:59Z",
            "bad": "\u{1b}[31m\tx", "trail": "a \nb", "unicode": "größe 日本 👨\u{200d}👩", "rtl": "\u{202e}evil",
        });
        assert_eq!(
            yaml(&value),
            r#"a:
- list:
  - "1"
  - "true"
  - "yes"
  - "null"
  - ""
  - plain text
  - '- dash'
  - 'a: b'
  - it's
  - '#no'
  - 'a #b'
  - -x
  - '*'
  - "12:30"
  x: 1.5
- - 1
  - - 2
- |
  two
  lines
- |-
  no end
  here
- |+
  keep

- |2-
   lead
  x
b:
  Z: {}
  a-b: null
  aB: true
  port2: []
  port10: 1
bad: "\e[31m\tx"
rtl: "\u202Eevil"
text: |
  line one
  line two
time: "2026-11-22T19:23:59Z"
trail: "a \nb"
unicode: größe 日本 👨‍👩"#
        );
        assert_eq!(parse_yaml(&yaml(&value)).expect("our own YAML"), [value]);
    }

    #[test]
    fn the_recorded_objects_print_as_kubectl_printed_them() {
        let recorded = include_str!("../../tests/real/014-history-yaml.txt");
        let [object] = &parse_yaml(recorded).expect("kubectl's YAML")[..] else { panic!("one document") };
        assert_eq!(yaml(object) + "\n", recorded);
    }

    /// Every string over an alphabet that YAML gives meanings to comes back as itself, as a value, an item and a key.
    #[test]
    fn any_string_survives_yaml_and_json() {
        let alphabet = [
            "", " ", "\n", "\t", "a", "-", ":", "#", "'", "\"", "|", "0", "1", ".", "e", "~", "{", "\\", "?", "&", "%", "\u{1b}", "\u{85}", "\u{2028}",
            "\u{feff}", "é", "_", "x", "o", "+", ",", "]", "=", "<", "@", "`", "!", "\r",
        ];
        let mut strings: Vec<String> = Vec::new();
        for a in alphabet {
            for b in alphabet {
                for c in ["", " ", "\n", "a", ":", "#", "1", "-"] {
                    strings.push(format!("{a}{b}{c}"));
                }
                strings.push(format!("word{a}word{b}"));
                strings.push(format!("{a}\nword{b}\n"));
            }
        }
        for word in [
            "y",
            "N",
            "Yes",
            "NO",
            "On",
            "off",
            "NULL",
            "Null",
            "True",
            "FALSE",
            ".nan",
            ".NaN",
            "-.Inf",
            ".INF",
            "0x1F",
            "0o17",
            "0b11",
            "1_000",
            "1e3",
            "1E-3",
            "0644",
            "08",
            "1:30",
            "190:20:30.15",
            "2026-1-2",
            "2026-11-22",
            "2026-11-22 1:2:3",
            "<<",
            "---",
            "...",
            "--- a",
            "- - a",
            "Infinity",
            "nan",
            "123456789012345678901234567890",
            "-0",
            "+1",
            "1.",
            ".5",
            "5.e1",
        ] {
            strings.push(word.to_owned());
        }
        for string in strings {
            for value in [json!(string), json!([{"a": string, "b": {"c": [[string]]}}, {&string: 1}])] {
                let written = yaml(&value);
                let read = parse_yaml(&format!("{written}\n"));
                let expected = if value == json!("") { vec![json!("")] } else { vec![value.clone()] };
                assert_eq!(read.as_deref().ok(), Some(&expected[..]), "{value} as {written:?}");
                assert_eq!(neutralise(&written), written, "{value}");
                assert_eq!(serde_json::from_str::<Value>(&json(&value)).ok(), Some(value.clone()));
                assert_eq!(neutralise(&json(&value)), json(&value));
            }
        }
    }

    #[test]
    fn yaml_is_read_as_kubectl_reads_it() {
        for (text, value) in [
            (
                "a: yes\nb: off\nc: 0644\nd: 0x10\ne: 1e3\nf: 2026-11-22\ng: ~\nh: 1.5",
                json!({"a": true, "b": false, "c": 420, "d": 16, "e": 1000.0, "f": "2026-11-22", "g": null, "h": 1.5}),
            ),
            ("{\"a\": [1, \"x\"]}", json!({"a": [1, "x"]})),
            ("x: &a {k: v}\ny: *a\nz:\n  <<: *a\n  l: w", json!({"x": {"k": "v"}, "y": {"k": "v"}, "z": {"k": "v", "l": "w"}})),
            ("\u{feff}a: 1\r\nb: 2\r\n", json!({"a": 1, "b": 2})),
            ("1: a\ntrue: b", json!({"1": "a", "true": "b"})),
        ] {
            assert_eq!(parse_yaml(text).map_err(|error| error.to_string()), Ok(vec![value]), "{text}");
        }
    }

    #[test]
    fn a_file_may_hold_several_documents_and_empty_ones() {
        for (text, count) in [("", 0), ("---\n", 0), ("# only a comment\n", 0), ("a: 1\n---\nb: 2\n", 2), ("---\na: 1\n---\n---\n# none\n---\nb: 2\n...\n", 2)]
        {
            assert_eq!(parse_yaml(text).map(|documents| documents.len()).map_err(|error| error.to_string()), Ok(count), "{text:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_with_its_place() {
        for (text, message) in [
            ("a: 1\na: 2\n", "not valid YAML at line 2, column 1: duplicate mapping key `a` is not allowed here"),
            ("a: [1, 2\nb: 3\n", "not valid YAML at line 2, column 2: illegal placement of ':' indicator"),
            ("a:\n\t- b\n", "not valid YAML at line 2, column 2: tabs disallowed within this context (block indentation)"),
            ("a: b: c\n", "not valid YAML at line 1, column 5: mapping values are not allowed in this context"),
            ("a: *nowhere\n", "not valid YAML at line 1, column 4: reference to unknown value"),
            ("a: 1\n---\nb: 'open\n", "not valid YAML at line 3, column 4: unclosed quote"),
            ("a: .nan\n", "not valid YAML at line 1, column 4: value `.nan` is not a finite number"),
        ] {
            let error = parse_yaml(text).expect_err(text);
            assert_eq!(error.kind(), crate::error::ErrorKind::Invalid);
            assert_eq!(error.message(), message, "{text:?}");
        }
    }
}
