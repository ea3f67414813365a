//! Every word and number about a rollout that a person reads.

/// kubectl's age of a span in seconds (SEMANTICS 6.2).
pub fn age(_seconds: i64) -> String {
    todo!()
}
