//! Pure decisions about rollouts: objects in, decisions out. No client, no async, no Rhai, no clock (`now` is an argument).

pub mod apply;
pub mod change;
mod completion;
pub mod config;
mod containers;
pub mod deadline;
pub mod delete;
pub mod difference;
pub mod env;
pub mod history;
pub mod image;
mod merge;
pub mod metadata;
pub mod object;
pub mod outcome;
pub mod patch;
pub mod pause;
mod pod;
mod quantity;
pub mod resources;
pub mod restart;
pub mod restore;
pub mod rival;
#[cfg(test)]
mod sample;
pub mod scale;
mod sentence;
pub mod status;
pub mod strategy;
pub mod template;
pub mod undo;
pub mod unstick;
pub mod workload;
