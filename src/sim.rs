//! The simulated cluster: an API server and the controllers, in process, deterministic, on the clock that it is given.
//!
//! It never imports `rollout`: it is an independent witness and must not share a bug with what it checks.

pub mod api;
mod bootstrap;
pub mod controllers;
pub mod failure;
mod fixture;
pub mod kinds;
pub mod patch;
pub mod schema;
pub mod server;
pub mod store;
pub mod world;

pub use server::Service;
pub use world::{Options, Sim};
