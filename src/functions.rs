//! What a script can call, as data: one struct literal a function, and loops over the table for everything else.

pub mod call;
pub mod change;
pub mod follow;
pub mod function;
pub mod help;
pub mod judge;
pub mod live;
pub mod look;
pub mod manifest;
pub mod rows;
pub mod session;
pub mod show;
pub mod sim;
pub mod speak;
pub mod value;

pub use function::{Function, Group};

use crate::error::Error;
pub use crate::error::nearest;

/// Every function, by help group.
pub const GROUPS: &[&Group] = &[&look::GROUP, &change::GROUP, &follow::GROUP, &judge::GROUP, &speak::GROUP, &session::GROUP, &sim::GROUP];

/// All functions in the order of the reference.
pub fn all() -> impl Iterator<Item = &'static Function> {
    GROUPS.iter().flat_map(|group| group.functions)
}

/// The function of a name.
pub fn find(name: &str) -> Option<&'static Function> {
    all().find(|function| function.name == name)
}

/// The error for a wrong number of arguments.
pub fn wrong_count(name: &str, fewest: usize, most: usize, given: usize) -> Error {
    let takes = match (fewest, most) {
        (1, 1) => "one argument".to_owned(),
        (fewest, most) if fewest == most => format!("{fewest} arguments"),
        (fewest, most) => format!("{fewest} to {most} arguments"),
    };
    Error::usage(format!("{name} takes {takes}, not {given}"))
}
