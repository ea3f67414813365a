//! Long tables: rows that stand elsewhere as text are measured once and written once, line by line.

use super::super::screen::{Tone, neutralise};
use super::super::words;
use super::{Column, Layout, MIN_WIDTH, PADDING, one_line, tone};

/// Writes rows of text in kubectl's layout; each row comes with its namespace. Nothing at all without rows.
pub fn write<'a, Rows, Cells>(columns: &[Column], rows: impl Fn() -> Rows, layout: &Layout, put: &mut dyn FnMut(Tone, &str))
where
    Rows: Iterator<Item = (&'a str, Cells)>,
    Cells: Iterator<Item = &'a str>,
{
    if rows().next().is_none() {
        return;
    }
    let prefix = layout.prefix.as_deref().unwrap_or_default();
    let heads: Vec<String> = layout
        .namespaces
        .then(|| "NAMESPACE".to_owned())
        .into_iter()
        .chain(columns.iter().map(|column| neutralise(&column.name.to_uppercase()).into_owned()))
        .collect();
    let first = usize::from(layout.namespaces);
    // The last cell of a line is not padded, and its width does not matter.
    let mut widths: Vec<usize> = heads.iter().map(|head| MIN_WIDTH.max(words::width(head) + PADDING)).collect();
    for (namespace, cells) in rows() {
        if layout.namespaces {
            widths[0] = widths[0].max(words::width(&one_line(namespace)) + PADDING);
        }
        for ((at, column), cell) in columns.iter().enumerate().zip(cells) {
            let prefixed = if column.is_name { words::width(prefix) } else { 0 };
            let width = &mut widths[first + at];
            *width = (*width).max(prefixed + words::width(&one_line(cell)) + PADDING);
        }
    }
    let mut line = Line { put, gap: 0 };
    for (head, width) in heads.iter().zip(&widths) {
        line.cell(Tone::Strong, &[head], *width);
    }
    line.end();
    for (namespace, cells) in rows() {
        if layout.namespaces {
            line.cell(Tone::Plain, &[&one_line(namespace)], widths[0]);
        }
        for ((at, column), cell) in columns.iter().enumerate().zip(cells) {
            let cell = one_line(cell);
            let parts = [if column.is_name { prefix } else { "" }, &cell];
            line.cell(tone(&column.name, &cell), &parts, widths[first + at]);
        }
        line.end();
    }
}

/// A line in the making; the gap after a cell is written only before another one.
struct Line<'a> {
    put: &'a mut dyn FnMut(Tone, &str),
    gap: usize,
}

impl Line<'_> {
    fn cell(&mut self, tone: Tone, parts: &[&str], width: usize) {
        const SPACES: &str = "                                                                ";
        while self.gap > 0 {
            let some = self.gap.min(SPACES.len());
            (self.put)(Tone::Plain, &SPACES[..some]);
            self.gap -= some;
        }
        let mut used = 0;
        for part in parts.iter().filter(|part| !part.is_empty()) {
            used += words::width(part);
            (self.put)(tone, part);
        }
        self.gap = width.saturating_sub(used);
    }

    fn end(&mut self) {
        self.gap = 0;
        (self.put)(Tone::Plain, "\n");
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Row, Table};
    use super::*;
    use serde_json::Value;

    #[test]
    fn a_long_table_is_the_same_text_as_a_short_one() {
        let rows = [("shop", ["web-1", "1/1", "Running", "3s"]), ("a", ["größe-日本", "0/1", "two\nlines\tand", "x"]), ("b", ["x", "1/1", "\u{1b}[2J", "10m"])];
        let columns: Vec<Column> =
            ["Name", "Ready", "Status", "Age"].iter().map(|name| Column { name: (*name).to_owned(), priority: 0, is_name: *name == "Name" }).collect();
        let table = Table {
            columns: columns.clone(),
            rows: rows
                .iter()
                .map(|(namespace, cells)| Row {
                    namespace: Some((*namespace).to_owned()),
                    name: cells[0].to_owned(),
                    cells: cells.iter().map(|cell| Value::from(*cell)).collect(),
                })
                .collect(),
        };
        for (namespaces, prefix) in [(false, None), (true, Some("pod/".to_owned()))] {
            let layout = Layout { namespaces, prefix, ..Layout::default() };
            let mut text = String::new();
            write(&columns, || rows.iter().map(|(namespace, cells)| (*namespace, cells.iter().copied())), &layout, &mut |_, piece| text.push_str(piece));
            assert_eq!(text, table.print(&layout));
        }
    }

    #[test]
    fn a_table_without_rows_has_no_header() {
        let none: [(&str, [&str; 1]); 0] = [];
        let mut text = String::new();
        let rows = || none.iter().map(|(namespace, cells)| (*namespace, cells.iter().copied()));
        write(&[Column::default()], rows, &Layout::default(), &mut |_, piece| text.push_str(piece));
        assert_eq!(text, "");
    }
}
