//! The order of a merged list: what the patch names in the patch's order, what only the server has in the server's, interleaved as the server had it.

use super::{DIRECTIVE, Merged, find, key_of};
use crate::sim::json::Value;

/// By what items are found in a list.
#[derive(Clone, Copy)]
pub(super) enum Index<'a> {
    Item,
    Key(&'a str),
}

impl Index<'_> {
    fn of(self, list: &[Value], item: &Value) -> Option<usize> {
        match self {
            Index::Item => list.iter().position(|other| other == item),
            Index::Key(key) => list.iter().position(|other| other.get(key) == item.get(key)),
        }
    }
}

/// Splits into the items that `by` names and the others.
pub(super) fn partition(items: Vec<Value>, by: &[Value], merge_key: &str) -> Merged<(Vec<Value>, Vec<Value>)> {
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for item in items {
        let is_named = if merge_key.is_empty() { by.contains(&item) } else { find(by, merge_key, key_of(&item, merge_key)?)?.is_some() };
        if is_named { named.push(item) } else { others.push(item) }
    }
    Ok((named, others))
}

/// Sorts both lists by their orders and interleaves them.
pub(super) fn normalize(patch: Vec<Value>, server_only: Vec<Value>, patch_order: &[Value], server_order: &[Value], index: Index<'_>) -> Merged<Vec<Value>> {
    let patch = sort(patch, patch_order, index)?;
    let server_only = sort(server_only, server_order, index)?;
    let (mut left, mut right) = (server_only.into_iter().peekable(), patch.into_iter().peekable());
    let mut all = Vec::new();
    loop {
        let from_left = match (left.peek(), right.peek()) {
            (None, None) => return Ok(all),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(l), Some(r)) => matches!((index.of(server_order, l), index.of(server_order, r)), (Some(l), Some(r)) if l < r),
        };
        all.extend(if from_left { left.next() } else { right.next() });
    }
}

/// Sorts by the place in `order`. Items that the order lacks sort as the server's sort leaves them: each before its neighbour.
fn sort(items: Vec<Value>, order: &[Value], index: Index<'_>) -> Merged<Vec<Value>> {
    let mut deleted = Vec::new();
    let mut sorted = items;
    if let Index::Key(key) = index {
        for item in sorted.iter().chain(order) {
            key_of(item, key)?;
        }
        let is_delete = |item: &Value| item.get(DIRECTIVE).and_then(Value::as_str) == Some("delete");
        (deleted, sorted) = sorted.into_iter().partition(is_delete);
    }
    let before = |left: &Value, right: &Value| match (index.of(order, left), index.of(order, right)) {
        (Some(left), Some(right)) => left < right,
        _ => true,
    };
    for start in 1..sorted.len() {
        let mut at = start;
        while at > 0 && before(&sorted[at], &sorted[at - 1]) {
            sorted.swap(at, at - 1);
            at -= 1;
        }
    }
    sorted.extend(deleted);
    Ok(sorted)
}
