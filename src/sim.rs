//! The simulated cluster: an API server and the controllers, in process, deterministic, on the clock that it is given.
//!
//! It never imports `rollout`: it is an independent witness and must not share a bug with what it checks.
//!
#![doc = include_str!("sim/scope.md")]

mod access;
mod address;
mod admission;
mod answer;
pub mod api;
pub mod apply;
mod base64;
mod body;
mod bootstrap;
pub mod controllers;
mod cron;
mod custom;
mod defaults;
mod delete;
mod discovery;
pub mod events;
mod evict;
pub mod failure;
pub mod fault;
pub mod fields;
mod fixture;
mod follow;
mod gc;
mod health;
pub mod identity;
pub mod image;
pub mod json;
pub mod kinds;
mod kubelet;
mod list;
mod manage;
mod metrics;
mod names;
mod negotiate;
mod openapi;
pub mod patch;
mod protobuf;
mod requests;
mod route;
mod scheduler;
pub mod schema;
mod selector;
#[cfg(feature = "serve")]
pub mod serve;
pub mod server;
mod shape;
pub mod state;
mod steer;
pub mod store;
mod strategy;
mod table;
mod token;
#[cfg(test)]
mod trial;
mod validate;
mod views;
mod warn;
mod watch;
pub mod world;
mod yaml;

pub use server::Service;
pub use world::{Mould, Options, Sim};

/// What is simulated and what is not, as users read it (Markdown).
pub const SCOPE: &str = include_str!("sim/scope.md");

/// The version of Kubernetes that is simulated.
pub const VERSION: &str = "v1.36.3";
