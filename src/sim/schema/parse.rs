//! JSON as the server reads it: members in their order, repeated ones too, numbers as written, Go's words for what is no JSON.

use crate::sim::json::{Map, Number, Value};

/// A parsed document that has lost nothing.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Null,
    Bool(bool),
    Number(String),
    String(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// How deep a document may be nested. Go's scanner says 10,000; what reads the tree here goes down by recursion, on the stack of a thread.
pub const MAX_DEPTH: usize = 256;

/// Parses a whole document.
///
/// # Errors
/// The text of Go's `encoding/json` for the first byte that does not fit.
pub fn parse(document: &[u8]) -> Result<Tree, String> {
    let mut parser = Parser { rest: document, at: 0, depth: 0 };
    parser.space();
    let tree = parser.value("looking for beginning of value")?;
    parser.space();
    match parser.peek() {
        None => Ok(tree),
        Some(_) => Err(parser.unexpected("after top-level value")),
    }
}

impl Tree {
    /// The member's value; the last one of a repeated member.
    pub fn get(&self, name: &str) -> Option<&Tree> {
        match self {
            Tree::Object(members) => members.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value),
            _ => None,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Tree::Null)
    }

    /// The value, with the last of repeated members. Whole numbers are integers, as the server keeps them.
    pub fn to_value(&self) -> Value {
        match self {
            Tree::Null => Value::Null,
            Tree::Bool(is) => Value::Bool(*is),
            Tree::Number(text) => number(text),
            Tree::String(text) => Value::from(text.clone()),
            Tree::Array(items) => Value::Array(items.iter().map(Tree::to_value).collect()),
            Tree::Object(members) => {
                let mut map = Map::new();
                for (key, value) in members {
                    map.insert(key.clone(), value.to_value());
                }
                Value::Object(map)
            }
        }
    }

    /// What Go's errors call such a value.
    pub fn go_name(&self) -> &'static str {
        match self {
            Tree::Null => "null",
            Tree::Bool(_) => "bool",
            Tree::Number(_) => "number",
            Tree::String(_) => "string",
            Tree::Array(_) => "array",
            Tree::Object(_) => "object",
        }
    }

    /// The paths of repeated members, `duplicate field "spec.replicas"` each, for a document that is decoded without a type.
    pub fn duplicates(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.find_duplicates("", &mut found);
        found
    }

    fn find_duplicates(&self, path: &str, found: &mut Vec<String>) {
        match self {
            Tree::Array(items) => items.iter().enumerate().for_each(|(at, item)| item.find_duplicates(&format!("{path}[{at}]"), found)),
            Tree::Object(members) => {
                for (at, (key, value)) in members.iter().enumerate() {
                    let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    if members[..at].iter().any(|(other, _)| other == key) {
                        let text = format!("duplicate field {inner:?}");
                        if !found.contains(&text) {
                            found.push(text);
                        }
                    }
                    value.find_duplicates(&inner, found);
                }
            }
            _ => {}
        }
    }
}

impl From<&Value> for Tree {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Tree::Null,
            Value::Bool(is) => Tree::Bool(*is),
            Value::Number(number) => Tree::Number(number.to_string()),
            Value::String(text) => Tree::String(text.to_string()),
            Value::Array(items) => Tree::Array(items.iter().map(Tree::from).collect()),
            Value::Object(map) => Tree::Object(map.iter().map(|(key, value)| (key.to_string(), Tree::from(value))).collect()),
        }
    }
}

fn number(text: &str) -> Value {
    if !text.contains('.')
        && let Ok(whole) = text.parse::<i64>()
    {
        return Value::Number(whole.into());
    }
    text.parse::<f64>().ok().and_then(Number::from_f64).map_or(Value::Null, Value::Number)
}

struct Parser<'a> {
    rest: &'a [u8],
    at: usize,
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<u8> {
        self.rest.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn unexpected(&self, place: &str) -> String {
        match self.peek() {
            None => "unexpected end of JSON input".to_owned(),
            Some(byte) => format!("invalid character {} {place}", quoted(byte)),
        }
    }

    fn value(&mut self, place: &str) -> Result<Tree, String> {
        match self.peek() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => Ok(Tree::String(self.string()?)),
            Some(b't') => self.literal("true", Tree::Bool(true)),
            Some(b'f') => self.literal("false", Tree::Bool(false)),
            Some(b'n') => self.literal("null", Tree::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.unexpected(place)),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Tree, String>) -> Result<Tree, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.unexpected("exceeded max depth"));
        }
        self.at += 1;
        let tree = read(self);
        self.depth -= 1;
        tree
    }

    fn object(&mut self) -> Result<Tree, String> {
        let mut members = Vec::new();
        self.space();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(Tree::Object(members));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("looking for beginning of object key string"));
            }
            let key = self.string()?;
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.unexpected("after object key"));
            }
            self.at += 1;
            self.space();
            let value = self.value("looking for beginning of value")?;
            members.push((key, value));
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') => {
                    self.at += 1;
                    return Ok(Tree::Object(members));
                }
                _ => return Err(self.unexpected("after object key:value pair")),
            }
        }
    }

    fn array(&mut self) -> Result<Tree, String> {
        let mut items = Vec::new();
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(Tree::Array(items));
        }
        loop {
            self.space();
            items.push(self.value("looking for beginning of value")?);
            self.space();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') => {
                    self.at += 1;
                    return Ok(Tree::Array(items));
                }
                _ => return Err(self.unexpected("after array element")),
            }
        }
    }

    fn literal(&mut self, word: &str, tree: Tree) -> Result<Tree, String> {
        for letter in word.bytes() {
            if self.peek() != Some(letter) {
                return Err(self.unexpected(&format!("in literal {word} (expecting {})", quoted(letter))));
            }
            self.at += 1;
        }
        Ok(tree)
    }

    fn digits(&mut self) -> bool {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at > start
    }

    fn number(&mut self) -> Result<Tree, String> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        match self.peek() {
            // A leading zero ends the whole part; a digit behind it is a second value.
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => {
                self.digits();
            }
            _ => return Err(self.unexpected("in numeric literal")),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if !self.digits() {
                return Err(self.unexpected("after decimal point in numeric literal"));
            }
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            if !self.digits() {
                return Err(self.unexpected("in exponent of numeric literal"));
            }
        }
        Ok(Tree::Number(String::from_utf8_lossy(&self.rest[start..self.at]).into_owned()))
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut bytes = Vec::new();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(String::from_utf8_lossy(&bytes).into_owned());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape(&mut bytes)?;
                }
                Some(byte) if byte >= 0x20 => {
                    bytes.push(byte);
                    self.at += 1;
                }
                _ => return Err(self.unexpected("in string literal")),
            }
        }
    }

    fn escape(&mut self, into: &mut Vec<u8>) -> Result<(), String> {
        let plain = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => byte,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                self.at += 1;
                let mut unit = self.hex()?;
                if (0xd800..0xdc00).contains(&unit) && self.rest[self.at..].starts_with(b"\\u") {
                    let before = self.at;
                    self.at += 2;
                    let low = self.hex()?;
                    if (0xdc00..0xe000).contains(&low) {
                        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                    } else {
                        self.at = before;
                    }
                }
                let letter = char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER);
                into.extend(letter.encode_utf8(&mut [0; 4]).bytes());
                return Ok(());
            }
            _ => return Err(self.unexpected("in string escape code")),
        };
        into.push(plain);
        self.at += 1;
        Ok(())
    }

    fn hex(&mut self) -> Result<u32, String> {
        let mut unit = 0;
        for _ in 0..4 {
            match self.peek().and_then(|byte| char::from(byte).to_digit(16)) {
                Some(digit) => unit = unit * 16 + digit,
                None => return Err(self.unexpected("in \\u hexadecimal character escape")),
            }
            self.at += 1;
        }
        Ok(unit)
    }
}

/// A byte as Go's syntax errors quote it.
fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        b'\\' => r"'\\'".to_owned(),
        b'\n' => r"'\n'".to_owned(),
        b'\r' => r"'\r'".to_owned(),
        b'\t' => r"'\t'".to_owned(),
        0x07 => r"'\a'".to_owned(),
        0x08 => r"'\b'".to_owned(),
        0x0b => r"'\v'".to_owned(),
        0x0c => r"'\f'".to_owned(),
        byte if byte < 0x20 || byte == 0x7f => format!("'\\x{byte:02x}'"),
        byte if (0x80..0xa0).contains(&byte) || byte == 0xad => format!("'\\u{byte:04x}'"),
        byte => format!("'{}'", char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use crate::sim::json::json;

    use super::*;

    #[test]
    fn documents_keep_order_repetition_and_numbers() {
        let tree = parse(br#" {"b": [1, -2.50, 1e3, true, null], "a": "x\u00e9\ud83d\ude00\n", "b": {}} "#).unwrap();
        let Tree::Object(members) = &tree else { panic!("{tree:?}") };
        assert_eq!(members.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), ["b", "a", "b"]);
        assert_eq!(tree.to_value(), json!({"a": "xé😀\n", "b": {}}));
        assert_eq!(tree.duplicates(), [r#"duplicate field "b""#]);
        assert_eq!(members[0].1.to_value(), json!([1, -2.5, 1000.0, true, null]));
        assert_eq!(parse(br#"{"a":[{"x":1,"x":2,"x":3}]}"#).unwrap().duplicates(), [r#"duplicate field "a[0].x""#]);
    }

    #[test]
    fn what_is_no_json_is_refused_in_gos_words() {
        for (document, expected) in [
            ("", "unexpected end of JSON input"),
            ("{", "unexpected end of JSON input"),
            ("{\"a\"", "unexpected end of JSON input"),
            ("x", "invalid character 'x' looking for beginning of value"),
            ("{a}", "invalid character 'a' looking for beginning of object key string"),
            ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\":1 2}", "invalid character '2' after object key:value pair"),
            ("[1 2]", "invalid character '2' after array element"),
            ("[1,]", "invalid character ']' looking for beginning of value"),
            ("{} x", "invalid character 'x' after top-level value"),
            ("01", "invalid character '1' after top-level value"),
            ("-x", "invalid character 'x' in numeric literal"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("1ex", "invalid character 'x' in exponent of numeric literal"),
            ("trux", "invalid character 'x' in literal true (expecting 'e')"),
            ("\"a\nb\"", "invalid character '\\n' in string literal"),
            ("\"\\x\"", "invalid character 'x' in string escape code"),
            ("\"\\u12g4\"", "invalid character 'g' in \\u hexadecimal character escape"),
            ("'a'", "invalid character '\\'' looking for beginning of value"),
            (&"[".repeat(100_000), "invalid character '[' exceeded max depth"),
        ] {
            assert_eq!(parse(document.as_bytes()).unwrap_err(), expected, "{document:?}");
        }
    }
}
