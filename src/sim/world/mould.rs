//! What a new cluster was made into, for the next one that starts alike: each test of a suite begins with a cluster of its own, most often the same one.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;

use super::{Options, World};
use crate::error::Result;

/// All that a new cluster depends on.
#[derive(PartialEq)]
struct Recipe {
    seed: u64,
    nodes: usize,
    manifests: Option<Vec<serde_json::Value>>,
    controllers: bool,
    present: Timestamp,
}

struct Last {
    recipe: Recipe,
    /// There from the second time on: most options make one cluster and no other.
    world: Option<World>,
}

/// Keeps the last cluster that was made twice from the same options and their clones, as it was when it was made. Only of virtual clocks: no two presents of a
/// real one are alike.
#[derive(Clone, Default)]
pub struct Mould(Arc<Mutex<Option<Last>>>);

impl fmt::Debug for Mould {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Mould")
    }
}

impl Mould {
    /// The world that `make` makes, or a twin of the one that it made before from the same.
    ///
    /// # Errors
    /// What `make` says.
    pub(super) fn cast(&self, options: &Options, present: Timestamp, make: impl FnOnce() -> Result<World>) -> Result<World> {
        let Options { seed, nodes, manifests, saved: _, controllers, mould: _ } = options.clone();
        let recipe = Recipe { seed, nodes, manifests, controllers, present };
        let is_known = {
            let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match last.as_ref().filter(|it| it.recipe == recipe) {
                Some(Last { world: Some(world), .. }) => return Ok(world.twin()),
                found => found.is_some(),
            }
        };
        let world = make()?;
        let kept = is_known.then(|| world.twin());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Last { recipe, world: kept });
        Ok(world)
    }
}
