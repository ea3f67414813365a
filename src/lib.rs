//! `rollsh`, the rollout shell for Kubernetes.

pub mod clock;
pub mod cluster;
pub mod error;
pub mod journal;
pub mod proxy;
pub mod render;
pub mod resource;
pub mod rollout;
pub mod sim;
