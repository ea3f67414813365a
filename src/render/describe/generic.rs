//! Any other kind: its fields by name, in words.

use serde_json::{Map, Value};

use super::page::Page;
use super::value::{go, text};

/// Said at the top, or of no use to a reader.
const SKIPPED: &[&str] = &[".metadata.managedFields", ".metadata.name", ".metadata.namespace", ".metadata.labels", ".metadata.annotations"];

pub(super) fn describe(page: &mut Page, object: &Value) {
    let metadata = &object["metadata"];
    page.field(0, "Name", text(&metadata["name"]));
    page.field(0, "Namespace", text(&metadata["namespace"]));
    page.labels("", "Labels", &metadata["labels"]);
    page.annotations("Annotations", &metadata["annotations"]);
    if let Some(content) = object.as_object() {
        fields(page, 0, content, "");
    }
}

fn fields(page: &mut Page, level: usize, content: &Map<String, Value>, path: &str) {
    for (name, value) in content {
        let path = format!("{path}.{name}");
        if SKIPPED.contains(&path.as_str()) {
            continue;
        }
        match value {
            Value::Object(inner) => {
                page.write(level, format!("{}:\n", label(name)));
                fields(page, level + 1, inner, &path);
            }
            Value::Array(items) => {
                page.write(level, format!("{}:\n", label(name)));
                for item in items {
                    match item {
                        Value::Object(inner) => fields(page, level + 1, inner, &path),
                        other => page.write(level + 1, format!("{}\n", go(other))),
                    }
                }
            }
            other => page.field(level, &label(name), go(other)),
        }
    }
}

/// `creationTimestamp` as `Creation Timestamp`; a name with other characters than letters and dashes stays as it is.
fn label(field: &str) -> String {
    if !field.chars().all(|letter| letter.is_alphabetic() || letter == '-') {
        return field.to_owned();
    }
    let mut parts = merged(camel_case(field));
    for part in &mut parts {
        if matches!(part.to_uppercase().as_str(), "API" | "URL" | "UID" | "GUID") {
            *part = part.to_uppercase();
        } else if part.to_lowercase() == *part {
            let mut letters = part.chars();
            *part = letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect());
        }
    }
    parts.join(" ")
}

/// Runs of lower-case and upper-case letters; the last of a run of capitals begins the word that follows.
fn camel_case(field: &str) -> Vec<String> {
    let class = |letter: char| {
        if letter.is_lowercase() {
            1
        } else if letter.is_uppercase() {
            2
        } else {
            3
        }
    };
    let mut runs: Vec<String> = Vec::new();
    for letter in field.chars() {
        match runs.last_mut() {
            Some(run) if run.chars().next().is_some_and(|first| class(first) == class(letter)) => run.push(letter),
            _ => runs.push(letter.to_string()),
        }
    }
    for at in 1..runs.len() {
        if runs[at].starts_with(char::is_lowercase)
            && runs[at - 1].starts_with(char::is_uppercase)
            && let Some(capital) = runs[at - 1].pop()
        {
            runs[at].insert(0, capital);
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// A run of two capitals or more stays with the word after it: `CIDRs`.
fn merged(parts: Vec<String>) -> Vec<String> {
    let mut merged: Vec<String> = Vec::new();
    let mut parts = parts.into_iter().peekable();
    while let Some(mut part) = parts.next() {
        let capitals = part.len() >= 2 && !part.chars().any(|letter| letter.is_alphabetic() && !letter.is_uppercase());
        if capitals && let Some(next) = parts.next_if(|next| next.starts_with(char::is_uppercase)) {
            part.push_str(&next);
        }
        merged.push(part);
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_named_in_words() {
        for (field, words) in [
            ("apiVersion", "API Version"),
            ("creationTimestamp", "Creation Timestamp"),
            ("uid", "UID"),
            ("podCIDRs", "Pod CIDRs"),
            ("clusterIP", "Cluster IP"),
            ("clusterIPs", "Cluster I Ps"),
            ("kind", "Kind"),
            ("my.example/key", "my.example/key"),
            ("foo-bar", "Foo - Bar"),
            ("x1", "x1"),
            ("Type", "Type"),
        ] {
            assert_eq!(label(field), words);
        }
    }
}
