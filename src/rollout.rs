//! Pure decisions about rollouts: objects in, decisions out. No client, no async, no Rhai, no clock (`now` is an argument).

pub mod change;
pub mod history;
pub mod image;
pub mod outcome;
pub mod status;
pub mod undo;
pub mod workload;
