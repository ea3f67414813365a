//! Base64: with padding as JSON has bytes, and in its form for URLs.

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn write(bytes: &[u8], digits: &[u8; 64]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = (u32::from(chunk[0]) << 16) | (u32::from(*chunk.get(1).unwrap_or(&0)) << 8) | u32::from(*chunk.get(2).unwrap_or(&0));
        for at in 0..=chunk.len() {
            out.push(char::from(digits[(word >> (18 - 6 * at)) as usize & 63]));
        }
    }
    out
}

/// As JSON has bytes.
pub fn encode(bytes: &[u8]) -> String {
    let mut out = write(bytes, STANDARD);
    while !out.len().is_multiple_of(4) {
        out.push('=');
    }
    out
}

/// For URLs, without padding.
pub fn encode_url(bytes: &[u8]) -> String {
    write(bytes, URL)
}

/// The bytes of a text as JSON has them; `None` for what is none.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let in_urls = |c: char| match c {
        '+' => '-',
        '/' => '_',
        c => c,
    };
    let text: String = text.trim_end_matches('=').chars().filter(|c| !c.is_ascii_whitespace()).map(in_urls).collect();
    decode_url(&text)
}

/// Where Go finds that a text is none of the form for URLs.
pub fn illegal_url(text: &str) -> usize {
    text.bytes().position(|byte| !URL.contains(&byte)).unwrap_or(text.len().saturating_sub(1))
}

/// The bytes of a text in the form for URLs; `None` for what is none.
pub fn decode_url(text: &str) -> Option<Vec<u8>> {
    if text.len() % 4 == 1 {
        return None;
    }
    let mut out = Vec::new();
    for chunk in text.as_bytes().chunks(4) {
        let mut word = 0u32;
        for at in 0..4 {
            let digit = match chunk.get(at) {
                Some(c) => u32::try_from(URL.iter().position(|it| it == c)?).ok()?,
                None => 0,
            };
            word = (word << 6) | digit;
        }
        out.extend_from_slice(&word.to_be_bytes()[1..chunk.len()]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_there_and_back() {
        for (bytes, text) in [(&b""[..], ""), (b"f", "Zg=="), (b"fo", "Zm8="), (b"foo", "Zm9v"), (b"foob", "Zm9vYg==")] {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode_url(&encode_url(bytes)).as_deref(), Some(bytes));
            assert_eq!(decode(text).as_deref(), Some(bytes));
        }
        assert_eq!(decode_url("a!"), None);
    }
}
