//! The Rhai host: the engine with our functions, running scripts, checking them, telling what went wrong.

pub mod check;
pub mod engine;
pub mod fault;
mod many;
pub mod needs;
pub mod resolve;
pub mod run;
pub mod tester;
pub mod worlds;

pub use fault::Fault;
pub use run::{Ended, Host};
