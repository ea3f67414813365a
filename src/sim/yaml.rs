//! YAML as a body of a request, with errors in the form of Go's: `yaml: line 2: ...`.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Options, Spanned};

use super::failure::quoted;
use super::schema::parse::MAX_DEPTH;
use crate::sim::json::Value;

fn options(duplicate_keys: DuplicateKeyPolicy) -> Options {
    serde_saphyr::options! {
        legacy_octal_numbers: true,
        with_snippet: false,
        duplicate_keys: duplicate_keys,
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH },
    }
}

/// What a document has twice, where the last one counts: `line 7: key "a" already set in map`.
pub fn duplicates(document: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let Ok(text) = std::str::from_utf8(document) else { return found };
    // What cannot be read is told of by `parse`.
    let _ = serde_saphyr::with_deserializer_from_str_with_options(text, options(DuplicateKeyPolicy::PassThrough), |from| Search(&mut found).deserialize(from));
    found
}

/// Go's error for what a document has twice.
pub fn strict_error(duplicates: &[String]) -> String {
    format!("yaml: unmarshal errors:\n  {}", duplicates.join("\n  "))
}

/// Goes through a document and notes the keys that its maps have twice.
struct Search<'a>(&'a mut Vec<String>);

impl<'de> DeserializeSeed<'de> for Search<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Search<'_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a YAML value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element_seed(Search(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(key) = members.next_key::<Spanned<String>>()? {
            let line = key.referenced.line();
            if !seen.insert(key.value.clone()) {
                self.0.push(format!("line {line}: key {} already set in map", quoted(&key.value)));
            }
            members.next_value_seed(Search(self.0))?;
        }
        Ok(())
    }
}

/// Parses a document.
///
/// # Errors
/// Where and why it is none. The place is that of Go's parser, the words are not always.
pub fn parse(document: &[u8]) -> Result<Value, String> {
    let text = std::str::from_utf8(document).map_err(|_| "yaml: invalid leading UTF-8 octet".to_owned())?;
    serde_saphyr::from_str_with_options(text, options(DuplicateKeyPolicy::LastWins)).map_err(|error| {
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
