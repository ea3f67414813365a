//! The live API: connecting, reading, watching, and the one writer. Objects are JSON values; nothing here decides anything.

pub mod connect;
pub mod discovery;
mod failure;
mod kubeconfig;
mod lean;
pub mod logs;
pub mod read;
mod request;
#[cfg(test)]
mod scripted;
pub mod table;
pub mod watch;
pub mod write;

pub use connect::{Cluster, Connection, ContextEntry};
