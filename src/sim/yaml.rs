//! YAML as a body of a request, with errors in the form of Go's: `yaml: line 2: ...`.

use super::schema::parse::MAX_DEPTH;
use crate::sim::json::Value;

/// Parses a document.
///
/// # Errors
/// Where and why it is none. The place is that of Go's parser, the words are not always.
pub fn parse(document: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(document).map_err(|_| "yaml: invalid leading UTF-8 octet".to_owned())?;
    let options = serde_saphyr::options! {
        legacy_octal_numbers: true,
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let said = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
        let said = said.lines().next().unwrap_or("not readable");
        let said = said.split(" at line ").next().unwrap_or(said);
        if said.contains("limits breached") {
            return "yaml: document contains excessive aliasing".to_owned();
        }
        if said == "recursion limit exceeded" {
            return format!("yaml: exceeded max depth of {MAX_DEPTH}");
        }
        let line = error.location().map_or(1, |it| it.line());
        // go-yaml's words, and its line, for a document that ends within brackets.
        if said.starts_with("unclosed bracket") {
            return format!("yaml: line {line}: did not find expected node content");
        }
        if line > 1 { format!("yaml: line {line}: {said}") } else { format!("yaml: {said}") }
    })
}
