//! Tables in kubectl's layout, from the API server's own `Table` objects or from rows of our own.

pub mod long;

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::Value;

use super::data;
use super::screen::{Text, Tone, neutralise};
use super::words;

/// kubectl's tab writer: no column is narrower than this, padding included.
const MIN_WIDTH: usize = 6;
const PADDING: usize = 3;

/// One block of a printed answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// As the server writes it: `Up-to-date`.
    pub name: String,
    /// Over 0: wide output only.
    pub priority: i64,
    /// Whether it holds the object's name, which takes the prefix.
    pub is_name: bool,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    pub namespace: Option<String>,
    pub name: String,
    pub cells: Vec<Value>,
}

/// How to print.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    pub wide: bool,
    /// A NAMESPACE column first.
    pub namespaces: bool,
    /// `deployment.apps/` before each name.
    pub prefix: Option<String>,
    /// Cuts the widest cells until a line fits; kubectl never does.
    pub max_width: Option<usize>,
}

/// The widest that each column was, so that rows printed later stand below those printed before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Widths(Vec<usize>);

impl Table {
    /// The API server's `Table` object.
    pub fn from_server(table: &Value) -> Self {
        let definitions = table["columnDefinitions"].as_array().map_or(&[][..], Vec::as_slice);
        // As kubectl: the first column of format `name`, and no other.
        let name = definitions.iter().position(|column| column["format"] == "name" && column["type"] == "string");
        let columns = definitions.iter().enumerate().map(|(at, column)| Column {
            name: column["name"].as_str().unwrap_or_default().to_owned(),
            priority: column["priority"].as_i64().unwrap_or(0),
            is_name: name == Some(at),
        });
        let rows = table["rows"].as_array().map_or(&[][..], Vec::as_slice).iter().map(|row| {
            let cells = row["cells"].as_array().cloned().unwrap_or_default();
            let metadata = &row["object"]["metadata"];
            let cell = name.and_then(|at| cells.get(at)).and_then(Value::as_str);
            let name = metadata["name"].as_str().or(cell).unwrap_or_default().to_owned();
            Row { namespace: metadata["namespace"].as_str().map(str::to_owned), name, cells }
        });
        Self { columns: columns.collect(), rows: rows.collect() }
    }

    /// Rows of our own under column names; the column `name` takes the prefix, and `()` is shown as `<none>`.
    pub fn of(columns: &[&str], rows: Vec<Vec<Value>>) -> Self {
        let name = columns.iter().position(|column| column.eq_ignore_ascii_case("name"));
        let rows = rows.into_iter().map(|cells| {
            let cells: Vec<Value> = cells.into_iter().map(|cell| if cell.is_null() { "<none>".into() } else { cell }).collect();
            Row { namespace: None, name: name.and_then(|at| cells.get(at)).map(text).unwrap_or_default(), cells }
        });
        let rows = rows.collect();
        let columns = columns.iter().enumerate().map(|(at, column)| Column { name: (*column).to_owned(), priority: 0, is_name: name == Some(at) });
        Self { columns: columns.collect(), rows }
    }

    /// The values of a script's array: a row each, a column for each key of its maps (or only those asked for), `name` first.
    /// What is no map stands in a column VALUE of its own.
    pub fn of_maps(rows: &[Value], wanted: &[&str]) -> Self {
        let mut keys: Vec<&str> = wanted.to_vec();
        if keys.is_empty() {
            let all: BTreeSet<&str> = rows.iter().filter_map(Value::as_object).flat_map(|map| map.keys().map(String::as_str)).collect();
            keys = all.into_iter().collect();
            keys.sort_by_key(|key| place(key));
            if rows.iter().any(|row| !row.is_object()) {
                keys.push("value");
            }
        }
        let cells = |row: &Value| -> Vec<Value> {
            match row {
                Value::Object(map) => keys.iter().map(|key| map.get(*key).cloned().unwrap_or(Value::Null)).collect(),
                other => keys.iter().map(|key| if *key == "value" { other.clone() } else { Value::Null }).collect(),
            }
        };
        Self::of(&keys, rows.iter().map(cells).collect())
    }

    /// kubectl's text: header in capitals, minimum width 6, padding 3, a newline after each line; empty without rows.
    pub fn print(&self, layout: &Layout) -> String {
        self.print_more(layout, &mut Widths::default(), true)
    }

    /// Like `print`, with columns at least as wide as before, and without the header where it was printed already: what `get -w` does.
    pub fn print_more(&self, layout: &Layout, widths: &mut Widths, header: bool) -> String {
        let mut text = String::new();
        for line in self.grid(layout, header).laid_out(widths) {
            for (cell, gap) in line {
                text.push_str(&cell.text);
                text.extend(std::iter::repeat_n(' ', gap));
            }
            text.push('\n');
        }
        text
    }

    /// The same lines with colour by meaning.
    pub fn lines(&self, layout: &Layout) -> Vec<Text> {
        let grid = self.grid(layout, true);
        let styled = |line: Vec<(Cell, usize)>| {
            let mut text = Text::new();
            for (cell, gap) in line {
                text.push(cell.tone, cell.text);
                text.push(Tone::Plain, " ".repeat(gap));
            }
            text
        };
        grid.laid_out(&mut Widths::default()).into_iter().map(styled).collect()
    }

    fn grid(&self, layout: &Layout, with_header: bool) -> Grid {
        let mut lines = Vec::with_capacity(self.rows.len() + 1);
        if self.rows.is_empty() {
            return Grid { lines };
        }
        let shown: Vec<(usize, &Column)> = self.columns.iter().enumerate().filter(|(_, column)| layout.wide || column.priority == 0).collect();
        if with_header {
            let namespace = layout.namespaces.then(|| Cell::new(Tone::Strong, "NAMESPACE".to_owned()));
            let names = shown.iter().map(|(_, column)| Cell::new(Tone::Strong, neutralise(&column.name.to_uppercase()).into_owned()));
            lines.push(namespace.into_iter().chain(names).collect());
        }
        for row in &self.rows {
            let namespace = layout.namespaces.then(|| Cell::new(Tone::Plain, one_line(row.namespace.as_deref().unwrap_or_default()).into_owned()));
            let cells = shown.iter().map_while(|(at, column)| {
                let mut text = text(row.cells.get(*at)?);
                if let Some(prefix) = layout.prefix.as_deref().filter(|_| column.is_name) {
                    text.insert_str(0, prefix);
                }
                let text = one_line(&text).into_owned();
                Some(Cell::new(tone(&column.name, &text), text))
            });
            lines.push(namespace.into_iter().chain(cells).collect());
        }
        let mut grid = Grid { lines };
        if let Some(columns) = layout.max_width {
            grid.shrink(columns);
        }
        grid
    }
}

/// Several tables as kubectl prints several kinds: an empty line between them, those without rows left out.
pub fn print_blocks(blocks: &[(&Table, Layout)]) -> String {
    let texts: Vec<String> = blocks.iter().map(|(table, layout)| table.print(layout)).filter(|text| !text.is_empty()).collect();
    texts.join("\n")
}

/// `print_blocks` with colour by meaning.
pub fn lines_of_blocks(blocks: &[(&Table, Layout)]) -> Vec<Text> {
    let mut lines: Vec<Text> = Vec::new();
    for (table, layout) in blocks.iter().filter(|(table, _)| !table.rows.is_empty()) {
        if !lines.is_empty() {
            lines.push(Text::new());
        }
        lines.append(&mut table.lines(layout));
    }
    lines
}

struct Cell {
    text: String,
    width: usize,
    tone: Tone,
}

impl Cell {
    fn new(tone: Tone, text: String) -> Self {
        Self { width: words::width(&text), text, tone }
    }
}

struct Grid {
    lines: Vec<Vec<Cell>>,
}

impl Grid {
    /// Each cell with the spaces that follow it; the last of a line has none.
    fn laid_out(self, widths: &mut Widths) -> Vec<Vec<(Cell, usize)>> {
        for line in &self.lines {
            let padded = line.len().saturating_sub(1);
            if widths.0.len() < padded {
                widths.0.resize(padded, MIN_WIDTH);
            }
            for (width, cell) in widths.0.iter_mut().zip(&line[..padded]) {
                *width = (*width).max(cell.width + PADDING);
            }
        }
        let gaps = |line: Vec<Cell>| {
            let last = line.len().saturating_sub(1);
            let gap = |(at, cell): (usize, Cell)| {
                let gap = if at == last { 0 } else { widths.0[at] - cell.width };
                (cell, gap)
            };
            line.into_iter().enumerate().map(gap).collect()
        };
        self.lines.into_iter().map(gaps).collect()
    }

    /// Cuts the widest columns until the lines fit, but none below its header or 8.
    fn shrink(&mut self, columns: usize) {
        let count = self.lines.iter().map(Vec::len).max().unwrap_or(0);
        let widest = |grid: &Grid, at: usize| grid.lines.iter().filter_map(|line| line.get(at)).map(|cell| cell.width).max().unwrap_or(0);
        let mut widths: Vec<usize> = (0..count).map(|at| widest(self, at)).collect();
        let least: Vec<usize> = (0..count).map(|at| self.lines.first().and_then(|line| line.get(at)).map_or(0, |cell| cell.width).max(8)).collect();
        let total = |widths: &[usize]| {
            let last = widths.len().saturating_sub(1);
            widths.iter().enumerate().map(|(at, width)| if at == last { *width } else { MIN_WIDTH.max(width + PADDING) }).sum::<usize>()
        };
        let mut excess = total(&widths).saturating_sub(columns);
        while excess > 0 {
            let Some(at) = (0..count).filter(|at| widths[*at] > least[*at]).max_by_key(|at| widths[*at]) else { break };
            // Down to the next widest at once, not cell by cell.
            let next = (0..count).filter(|other| widths[*other] < widths[at]).map(|other| widths[other]).max().unwrap_or(0);
            let down = (widths[at] - next.max(least[at])).clamp(1, excess);
            widths[at] -= down;
            excess = total(&widths).saturating_sub(columns);
        }
        for line in &mut self.lines {
            for (cell, width) in line.iter_mut().zip(&widths).filter(|(cell, width)| cell.width > **width) {
                *cell = Cell::new(cell.tone, words::cut(&cell.text, *width));
            }
        }
    }
}

/// A value as a cell says it: text as it is, numbers as numbers, anything nested as compact JSON.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.as_f64().filter(|_| !number.is_i64() && !number.is_u64()).map_or_else(|| number.to_string(), |float| float.to_string()),
        Value::Bool(_) => value.to_string(),
        Value::Array(_) | Value::Object(_) => data::compact(value),
    }
}

/// A cell takes one line: cut at the first newline with `...`, as kubectl does; a tab would look like another column.
fn one_line(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, 0x20..0x7f)) {
        return Cow::Borrowed(text);
    }
    let end = text.find(['\u{c}', '\n', '\r']);
    let line = neutralise(&text[..end.unwrap_or(text.len())]).replace('\t', " ");
    Cow::Owned(if end.is_some() { line + "..." } else { line })
}

/// Where a key of a map stands among the columns: what identifies first, what fills lines last.
fn place(key: &str) -> (usize, &str) {
    const FIRST: &[&str] = &[
        "name",
        "namespace",
        "kind",
        "target",
        "revision",
        "phase",
        "status",
        "type",
        "ready",
        "desired",
        "current",
        "updated",
        "available",
        "restarts",
        "reason",
        "ok",
    ];
    const LAST: &[&str] = &["age_s", "node", "owner", "images", "change_cause", "selector", "labels", "annotations", "message", "template", "value"];
    match (FIRST.iter().position(|first| *first == key), LAST.iter().position(|last| *last == key)) {
        (Some(at), _) => (at, key),
        (_, Some(at)) => (FIRST.len() + 1 + at, key),
        _ => (FIRST.len(), key),
    }
}

fn tone(column: &str, cell: &str) -> Tone {
    match column.to_ascii_lowercase().as_str() {
        "status" | "phase" | "state" | "outcome" => Tone::of_state(cell),
        "ready" => match cell.split_once('/') {
            Some((ready, desired)) if ready != desired => Tone::Watch,
            _ => Tone::Plain,
        },
        "restarts" if !cell.is_empty() && cell != "0" => Tone::Watch,
        "type" if cell == "Warning" => Tone::Watch,
        "age" | "age_s" | "last seen" => Tone::Dim,
        _ => Tone::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of_server() -> Table {
        Table::from_server(&json!({
            "kind": "Table",
            "columnDefinitions": [
                {"name": "Name", "type": "string", "format": "name", "priority": 0},
                {"name": "Ready", "type": "string", "format": "", "priority": 0},
                {"name": "Restarts", "type": "integer", "format": "", "priority": 0},
                {"name": "Age", "type": "string", "format": "", "priority": 0},
                {"name": "Node", "type": "string", "format": "", "priority": 1},
            ],
            "rows": [
                {"cells": ["web-1", "1/1", 0, "3s", "node-1"], "object": {"metadata": {"name": "web-1", "namespace": "shop"}}},
                {"cells": ["a-longer-name", "0/1", 12, "10m", "<none>"], "object": {"metadata": {"name": "a-longer-name", "namespace": "a"}}},
            ]
        }))
    }

    #[test]
    fn a_table_is_laid_out_as_kubectl_does() {
        let table = of_server();
        for (layout, text) in [
            (Layout::default(), "NAME            READY   RESTARTS   AGE\nweb-1           1/1     0          3s\na-longer-name   0/1     12         10m\n"),
            (
                Layout { wide: true, namespaces: true, ..Layout::default() },
                "NAMESPACE   NAME            READY   RESTARTS   AGE   NODE\nshop        web-1           1/1     0          3s    node-1\na           a-longer-name   0/1     12         10m   <none>\n",
            ),
            (
                Layout { prefix: Some("pod/".to_owned()), ..Layout::default() },
                "NAME                READY   RESTARTS   AGE\npod/web-1           1/1     0          3s\npod/a-longer-name   0/1     12         10m\n",
            ),
        ] {
            assert_eq!(table.print(&layout), text);
        }
        assert_eq!(table.rows[0].namespace.as_deref(), Some("shop"));
        assert_eq!(Table { rows: Vec::new(), ..table }.print(&Layout::default()), "");
    }

    /// Takes each recorded answer of kubectl apart at its columns and asks for the same bytes again.
    #[test]
    fn recorded_tables_come_out_to_the_byte() {
        for recorded in [
            include_str!("../../tests/real/003-get.txt"),
            include_str!("../../tests/real/004-get-wide.txt"),
            include_str!("../../tests/real/010-get-mid-rollout.txt"),
            include_str!("../../tests/real/030-get-deadline.txt"),
            include_str!("../../tests/real/034-get-events.txt"),
            include_str!("../../tests/real/041-get-crash.txt"),
            include_str!("../../tests/real/079-sts-get-stuck.txt"),
            include_str!("../../tests/real/083-sts-get-after-undo.txt"),
            include_str!("../../tests/real/102-ds-get-stuck.txt"),
            include_str!("../../tests/real/106-ds-get-after-undo.txt"),
            include_str!("../../tests/real/111-get-all.txt"),
        ] {
            let tables: Vec<(Table, Layout)> = recorded.split("\n\n").map(taken_apart).collect();
            let blocks: Vec<(&Table, Layout)> = tables.iter().map(|(table, layout)| (table, layout.clone())).collect();
            assert_eq!(print_blocks(&blocks), recorded);
        }
    }

    fn taken_apart(block: &str) -> (Table, Layout) {
        let header = block.lines().next().expect("a header");
        // Headings are separated by three spaces or more; LAST SEEN and NOMINATED NODE hold one.
        let mut starts = vec![0];
        starts.extend((3..header.len()).filter(|at| header[..*at].ends_with("   ") && !header[*at..].starts_with(' ')));
        let cells = |line: &str| -> Vec<Value> {
            let ends = starts.iter().skip(1).copied().chain([line.len()]);
            starts.iter().zip(ends).map(|(start, end)| line[*start..end.min(line.len())].trim_end().into()).collect()
        };
        let columns: Vec<String> = cells(header).iter().map(|name| name.as_str().unwrap_or_default().to_lowercase()).collect();
        let mut rows: Vec<Vec<Value>> = block.lines().skip(1).map(cells).collect();
        let prefix = rows[0][0].as_str().and_then(|name| name.split_once('/')).map(|(kind, _)| format!("{kind}/")).filter(|_| header.starts_with("NAME"));
        if let Some(prefix) = &prefix {
            for row in &mut rows {
                row[0] = row[0].as_str().and_then(|name| name.strip_prefix(prefix.as_str())).expect("one kind a block").into();
            }
        }
        let table = Table::of(&columns.iter().map(String::as_str).collect::<Vec<_>>(), rows);
        (table, Layout { prefix, ..Layout::default() })
    }

    #[test]
    fn a_cell_is_one_harmless_line_and_wide_letters_count_twice() {
        let table =
            Table::of(&["message", "x"], vec![vec!["two\nlines".into(), 1.into()], vec!["日本".into(), 2.into()], vec!["\u{1b}[2J\ta".into(), 3.into()]]);
        assert_eq!(table.print(&Layout::default()), "MESSAGE   X\ntwo...    1\n日本      2\n^[[2J a   3\n");
    }

    #[test]
    fn cells_are_the_values_that_they_hold() {
        let cells = vec![json!(null), json!(1), json!(-2.5), json!(3.0), json!(true), json!(["a", 1]), json!({"k": "v"}), json!("")];
        let columns = ["a", "b", "c", "d", "e", "f", "g", "h"];
        assert_eq!(
            Table::of(&columns, vec![cells]).print(&Layout::default()),
            "A        B     C      D     E      F         G           H\n<none>   1     -2.5   3     true   [\"a\",1]   {\"k\":\"v\"}   \n"
        );
    }

    #[test]
    fn rows_printed_later_stand_below_those_printed_before() {
        let (table, mut widths) = (of_server(), Widths::default());
        let first = table.print_more(&Layout::default(), &mut widths, true);
        let later = Table { rows: vec![table.rows[0].clone()], ..table }.print_more(&Layout::default(), &mut widths, false);
        assert_eq!(first.lines().nth(1).map(|line| format!("{line}\n")), Some(later));
    }

    #[test]
    fn the_maps_of_a_script_become_rows() {
        let rows = [json!({"ready": 3, "name": "web", "zone": "a", "labels": {"app": "web"}}), json!({"name": "db", "age_s": 5})];
        assert_eq!(
            Table::of_maps(&rows, &[]).print(&Layout::default()),
            "NAME   READY    ZONE     AGE_S    LABELS\nweb    3        a        <none>   {\"app\":\"web\"}\ndb     <none>   <none>   5        <none>\n"
        );
        assert_eq!(Table::of_maps(&rows, &["zone", "name"]).print(&Layout::default()), "ZONE     NAME\na        web\n<none>   db\n");
        assert_eq!(Table::of_maps(&[json!(1), json!("x")], &[]).print(&Layout::default()), "VALUE\n1\nx\n");
        assert_eq!(Table::of_maps(&[], &[]).print(&Layout::default()), "");
    }

    #[test]
    fn a_table_for_people_can_be_made_to_fit() {
        let long = "x".repeat(100);
        let table = Table::of(&["name", "images", "message"], vec![vec!["web".into(), long.clone().into(), long.into()]]);
        for columns in [200, 80, 50, 30] {
            let text = table.print(&Layout { max_width: Some(columns), ..Layout::default() });
            assert!(text.lines().all(|line| line.len() <= columns), "{columns}: {text}");
        }
        assert!(table.print(&Layout { max_width: Some(10), ..Layout::default() }).contains("xxxxx..."), "no column goes below 8");
    }

    #[test]
    fn colour_follows_meaning_and_adds_no_words() {
        let table = Table::of(
            &["name", "ready", "status"],
            vec![vec!["a".into(), "0/1".into(), "CrashLoopBackOff".into()], vec!["b".into(), "1/1".into(), "Running".into()]],
        );
        let lines = table.lines(&Layout::default());
        assert_eq!(Text::of_lines(lines.clone()).written(false), table.print(&Layout::default()));
        assert!(lines[1].written(true).contains("\u{1b}[1;31mCrashLoopBackOff"));
        assert!(lines[2].written(true).contains("\u{1b}[32mRunning"));
    }
}
