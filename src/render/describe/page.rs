//! The page that a description is written on: text with tabs, and Go's tab writer that aligns it.

use jiff::Timestamp;
use serde_json::Value;

use super::value::{is_set, text};
use crate::render::words;

/// kubectl hides what only tools read.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Longer annotations take lines of their own, cut at this many bytes.
const LONGEST_ANNOTATION: usize = 140;
/// Of describe's tab writer.
const PADDING: usize = 2;

pub(super) struct Page {
    text: String,
    /// Levels added to every line: a claim inside a volume.
    pub(super) nested: usize,
    pub(super) now: Timestamp,
}

impl Page {
    pub(super) fn new(now: Timestamp) -> Self {
        Self { text: String::new(), nested: 0, now }
    }

    /// Text at a level of indentation, two spaces each; may be a part of a line.
    pub(super) fn write(&mut self, level: usize, text: impl AsRef<str>) {
        self.text.extend(std::iter::repeat_n("  ", level + self.nested));
        self.text.push_str(text.as_ref());
    }

    /// The rest of a line that was begun.
    pub(super) fn rest(&mut self, text: impl AsRef<str>) {
        self.text.push_str(text.as_ref());
    }

    /// `Name:<tab>value`.
    pub(super) fn field(&mut self, level: usize, name: &str, value: impl std::fmt::Display) {
        self.write(level, format!("{name}:\t{value}\n"));
    }

    /// A field that is left out when the value is absent or empty.
    pub(super) fn field_if_set(&mut self, level: usize, name: &str, value: &Value) {
        if is_set(value) {
            self.field(level, name, super::value::go(value));
        }
    }

    /// `title:` and `key=value` lines, sorted; `<none>` when there are none.
    pub(super) fn labels(&mut self, indent: &str, title: &str, labels: &Value) {
        let lines: Vec<String> = entries(labels).map(|(key, value)| format!("{key}={value}")).collect();
        self.list(indent, title, &lines);
    }

    /// `title:` and one line for each item, below each other.
    pub(super) fn list(&mut self, indent: &str, title: &str, lines: &[String]) {
        self.write(0, format!("{indent}{title}:\t"));
        if lines.is_empty() {
            self.write(0, "<none>\n");
        }
        for (nth, line) in lines.iter().enumerate() {
            if nth > 0 {
                self.write(0, indent);
                self.write(0, "\t");
            }
            self.write(0, format!("{line}\n"));
        }
    }

    /// Annotations; the title carries its own indentation.
    pub(super) fn annotations(&mut self, title: &str, annotations: &Value) {
        self.write(0, format!("{title}:\t"));
        let shown: Vec<(&str, &str)> = entries(annotations).filter(|(key, _)| *key != LAST_APPLIED).collect();
        if shown.is_empty() {
            self.write(0, "<none>\n");
        }
        for (nth, (key, value)) in shown.into_iter().enumerate() {
            if nth > 0 {
                self.write(0, "\t");
            }
            let value = value.strip_suffix('\n').unwrap_or(value);
            if value.len() + key.len() + 2 <= LONGEST_ANNOTATION && !value.contains('\n') {
                self.write(0, format!("{key}: {value}\n"));
                continue;
            }
            self.write(0, format!("{key}:\n"));
            for line in value.split('\n') {
                self.write(0, format!("\t  {}\n", shortened(line, LONGEST_ANNOTATION - 2)));
            }
        }
    }

    pub(super) fn tabbed(self) -> String {
        self.text
    }

    pub(super) fn aligned(self) -> String {
        align(&self.text)
    }
}

/// The entries of a map of strings, sorted by key.
fn entries(map: &Value) -> impl Iterator<Item = (&str, &str)> {
    map.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), text(value)))
}

pub(super) fn shortened(line: &str, bytes: usize) -> String {
    if line.len() <= bytes {
        return line.to_owned();
    }
    let end = (0..=bytes).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
    format!("{}...", &line[..end])
}

/// Go's `text/tabwriter` with minimum width 0 and padding 2: a column is a run of lines that all have a cell there which a tab ends.
/// Widths are what a terminal shows, where Go counts code points.
fn align(tabbed: &str) -> String {
    let lines: Vec<Vec<&str>> = tabbed.split_inclusive('\n').map(|line| line.strip_suffix('\n').unwrap_or(line).split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|cells| vec![0; cells.len() - 1]).collect();
    let columns = widths.iter().map(Vec::len).max().unwrap_or(0);
    for column in 0..columns {
        let mut start = 0;
        while start < lines.len() {
            let run = widths[start..].iter().take_while(|line| line.len() > column).count();
            let width = lines[start..start + run].iter().map(|cells| words::width(cells[column]) + PADDING).max().unwrap_or(0);
            for line in &mut widths[start..start + run] {
                line[column] = width;
            }
            start += run.max(1);
        }
    }
    let mut text = String::with_capacity(tabbed.len() * 2);
    for (cells, widths) in lines.iter().zip(&widths) {
        for (at, cell) in cells.iter().enumerate() {
            text.push_str(cell);
            if let Some(width) = widths.get(at) {
                text.extend(std::iter::repeat_n(' ', width - words::width(cell)));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_as_far_as_every_line_has_them() {
        for (tabbed, aligned) in [
            ("a:\tb\nlonger:\tc\n", "a:       b\nlonger:  c\n"),
            ("a:\tb\nno tab\nlonger:\tc\n", "a:  b\nno tab\nlonger:  c\n"),
            ("x\ty\tz\nxx\ty\nx\tyy\tz\n", "x   y  z\nxx  y\nx   yy  z\n"),
            ("a:\t\nbb:\t1\n", "a:   \nbb:  1\n"),
            ("日本:\tx\na:\ty\n", "日本:  x\na:     y\n"),
            ("", ""),
        ] {
            assert_eq!(align(tabbed), aligned, "{tabbed:?}");
        }
    }

    #[test]
    fn a_long_annotation_takes_lines_of_its_own() {
        let mut page = Page::new(Timestamp::UNIX_EPOCH);
        page.annotations("Annotations", &serde_json::json!({"a": "x\ny\n", "b": "é".repeat(80), "c": "short", LAST_APPLIED: "{}"}));
        assert_eq!(page.tabbed(), format!("Annotations:\ta:\n\t  x\n\t  y\n\tb:\n\t  {}...\n\tc: short\n", "é".repeat(69)));
    }
}
