//! Which texts the API server takes as names, labels, keys and ports, and what it says about the others.
//!
//! # Source
//! apimachinery 1.36.3 `pkg/util/validation/validation.go` and `pkg/api/validate/content`.

/// A rule for a text: what it breaks, in the server's words; nothing when it is good.
pub type Check = fn(&str) -> Vec<String>;

fn longest(limit: usize) -> String {
    format!("must be no more than {limit} characters")
}

/// The words of the newer rules, which those of labels have moved to.
fn longest_bytes(limit: usize) -> String {
    format!("must be no more than {limit} bytes")
}

fn regex_error(message: &str, regex: &str, examples: &[&str]) -> String {
    let examples: Vec<String> = examples.iter().map(|it| format!("'{it}', ")).collect();
    format!("{message} (e.g. {}regex used for validation is '{regex}')", examples.join(" or "))
}

fn lower_or_digit(c: u8) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit()
}

/// Whether the text is one or more `inner` characters that begins with `first` and ends with `last`.
fn framed(text: &str, first: fn(u8) -> bool, inner: fn(u8) -> bool, last: fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    match bytes {
        [] => false,
        [one] => first(*one) && last(*one),
        [begin, middle @ .., end] => first(*begin) && last(*end) && middle.iter().all(|c| inner(*c)),
    }
}

fn is_label(text: &str) -> bool {
    framed(text, lower_or_digit, |c| lower_or_digit(c) || c == b'-', lower_or_digit)
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

pub fn dns_label(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > 63 {
        errors.push(longest(63));
    }
    if !is_label(text) {
        errors.push(if is_subdomain(text) {
            "must not contain dots".to_owned()
        } else {
            regex_error(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
                "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
                &["my-name", "123-abc"],
            )
        });
    }
    errors
}

pub fn dns_subdomain(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > 253 {
        errors.push(longest(253));
    }
    if !is_subdomain(text) {
        errors.push(regex_error(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
            r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
            &["example.com"],
        ));
    }
    errors
}

/// The names of Services.
pub fn dns_1035_label(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > 63 {
        errors.push(longest(63));
    }
    if !framed(text, |c| c.is_ascii_lowercase(), |c| lower_or_digit(c) || c == b'-', lower_or_digit) {
        errors.push(regex_error(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
            &["my-name", "abc-123"],
        ));
    }
    errors
}

/// The names of roles and their bindings, which may hold what other names may not.
pub fn path_segment(text: &str) -> Vec<String> {
    if text == "." || text == ".." {
        return vec![format!("may not be '{text}'")];
    }
    ["/", "%"].iter().filter(|it| text.contains(**it)).map(|it| format!("may not contain '{it}'")).collect()
}

/// The names of IPAddresses, which are what they are about.
pub fn address(text: &str) -> Vec<String> {
    match text.parse::<std::net::IpAddr>() {
        Err(_) => vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".to_owned()],
        Ok(address) if address.to_string() != text => vec![format!("must be in canonical form ({:?})", address.to_string())],
        Ok(_) => Vec::new(),
    }
}

fn is_word(text: &str) -> bool {
    let edge = |c: u8| c.is_ascii_alphanumeric();
    framed(text, edge, |c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.'), edge)
}

const WORD: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const WORD_REGEX: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

/// A label key; annotation keys and finalizers follow the same rule.
pub fn label_key(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let parts: Vec<&str> = text.split('/').collect();
    let word = || regex_error(WORD, WORD_REGEX, &["MyName", "my.name", "123-abc"]);
    let name = match parts.as_slice() {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                errors.push("prefix part must be non-empty".to_owned());
            } else {
                let told = dns_subdomain(prefix).into_iter().map(|it| if it == longest(253) { longest_bytes(253) } else { it });
                errors.extend(told.map(|it| format!("prefix part {it}")));
            }
            name
        }
        _ => return vec![format!("a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')", word())],
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > 63 {
        errors.push(format!("name part {}", longest_bytes(63)));
    }
    if !is_word(name) {
        errors.push(format!("name part {}", word()));
    }
    errors
}

pub fn label_value(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > 63 {
        errors.push(longest_bytes(63));
    }
    if !text.is_empty() && !is_word(text) {
        errors.push(regex_error(
            &format!("a valid label must be an empty string or {}", &WORD[5..]),
            &format!("({WORD_REGEX})?"),
            &["MyValue", "my_value", "12345"],
        ));
    }
    errors
}

/// The keys of ConfigMaps and Secrets.
pub fn config_key(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > 253 {
        errors.push(longest(253));
    }
    if text.is_empty() || !text.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.')) {
        errors.push(regex_error(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    match text {
        "." | ".." => errors.push(format!("must not be '{text}'")),
        _ if text.starts_with("..") => errors.push("must not start with '..'".to_owned()),
        _ => {}
    }
    errors
}

pub fn port_name(text: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if text.len() > 15 {
        errors.push(longest(15));
    }
    if text.is_empty() || !text.bytes().all(|c| lower_or_digit(c) || c == b'-') {
        errors.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !text.bytes().any(|c| c.is_ascii_lowercase()) {
        errors.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        errors.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        errors.push("must not begin or end with a hyphen".to_owned());
    }
    errors
}

pub fn port_number(port: i64) -> Vec<String> {
    if (1..=65535).contains(&port) { Vec::new() } else { vec!["must be between 1 and 65535, inclusive".to_owned()] }
}

pub fn environment_name(text: &str) -> Vec<String> {
    if text.is_empty() {
        return vec!["environment variable name must be non-empty".to_owned()];
    }
    let printable = text.bytes().all(|c| (0x20..0x7f).contains(&c) && c != b'=');
    if printable { Vec::new() } else { vec!["a valid environment variable name must consist only of printable ASCII characters other than '='".to_owned()] }
}

pub fn percent(text: &str) -> Vec<String> {
    let good = text.strip_suffix('%').is_some_and(|it| !it.is_empty() && it.bytes().all(|c| c.is_ascii_digit()));
    if good {
        return Vec::new();
    }
    vec![regex_error("a valid percent string must be a numeric string followed by an ending '%'", "[0-9]+%", &["1%", "93%"])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_judged_as_the_server_judges_it() {
        let long = "a".repeat(64);
        for (check, text, errors) in [
            (dns_subdomain as Check, "web-1.x", 0),
            (dns_subdomain, "Web", 1),
            (dns_subdomain, "-web", 1),
            (dns_subdomain, "", 1),
            (dns_label, "a.b", 1),
            (dns_label, &long, 1),
            (dns_1035_label, "1web", 1),
            (label_key, "app.kubernetes.io/name", 0),
            (label_key, "a/b/c", 1),
            (label_key, "/b", 1),
            (label_key, "a/", 2),
            (label_value, "", 0),
            (label_value, "a b", 1),
            (config_key, "..", 1),
            (port_name, "http", 0),
            (port_name, "80", 1),
            (path_segment, "system:x", 0),
            (path_segment, "a/b", 1),
        ] {
            assert_eq!(check(text).len(), errors, "{text:?}: {:?}", check(text));
        }
    }

    #[test]
    fn the_words_are_the_servers() {
        assert_eq!(
            dns_subdomain("Web"),
            [
                "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character \
                 (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            ]
        );
        assert_eq!(
            label_value("a b"),
            [
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character \
                 (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            ]
        );
    }
}
