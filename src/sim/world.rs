//! The world of one simulated cluster: store, controllers, nodes, due work, one seed.

use jiff::Timestamp;
use serde_json::Value;

use super::server::Service;
use crate::clock::Clock;
use crate::error::Result;

/// How a simulated cluster starts.
#[derive(Clone, Debug)]
pub struct Options {
    pub seed: u64,
    pub nodes: usize,
    /// Manifests to start with; `None`: the small shop with a history.
    pub manifests: Option<Vec<Value>>,
}

impl Default for Options {
    fn default() -> Self {
        Self { seed: 0, nodes: 3, manifests: None }
    }
}

/// One simulated cluster; clones are the same cluster.
#[derive(Clone)]
pub struct Sim {}

impl Sim {
    /// Builds the world and lets it live through its past, so that all is settled when the clock shows its present time.
    ///
    /// # Errors
    /// `invalid` when a manifest is refused (says which and why).
    pub fn new(_options: Options, _clock: Clock) -> Result<Self> {
        todo!()
    }

    /// The API server.
    pub fn service(&self) -> Service {
        todo!()
    }

    /// Lets the cluster live: runs what is due and sleeps until the next, woken by writes. Never ends; to be spawned on the runtime that the clock follows.
    pub async fn live(self) {
        todo!()
    }

    /// The present of the simulated cluster's clock.
    pub fn now(&self) -> Timestamp {
        todo!()
    }
}
