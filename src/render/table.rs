//! Tables in kubectl's layout, from the API server's own `Table` objects or from rows of our own.

use serde_json::Value;

/// One block of a printed answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// As the server writes it: `Up-to-date`.
    pub name: String,
    /// Over 0: wide output only.
    pub priority: i64,
}

#[derive(Clone, Debug, PartialEq)]
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
}

impl Table {
    /// The API server's `Table` object.
    pub fn from_server(_table: &Value) -> Self {
        todo!()
    }

    /// Rows of our own under column names.
    pub fn of(_columns: &[&str], _rows: Vec<Vec<Value>>) -> Self {
        todo!()
    }

    /// kubectl's text: header in capitals, minimum width 6, padding 3, a newline after each line; empty without rows.
    pub fn print(&self, _layout: &Layout) -> String {
        todo!()
    }
}
