//! Values to text: words, tables, trees, diffs, JSON, YAML, live views; and the one place that writes to a terminal.

pub mod account;
pub mod data;
pub mod describe;
pub mod diff;
pub mod fault;
pub mod live;
pub mod screen;
pub mod table;
pub mod text;
pub mod tree;
pub mod words;

pub use fault::fault;
