//! Asking the world outside the cluster how things are: HTTP and Prometheus.
//!
//! Whether a script may ask is the session's to decide; it hands in a `Permit`, which redirects have to pass too.

pub mod http;
pub mod prometheus;

pub use self::http::{Answer, Permit, Request, http};
pub use self::prometheus::{Query, Reading, Sample, prometheus};

#[cfg(test)]
mod tests;
