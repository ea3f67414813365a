//! What clients asked the server for, kept for tests.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::answer::Asked;
use crate::sim::json::{Value, json};

/// How many requests are kept.
const MOST: usize = 10_000;

/// The last requests.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    kept: VecDeque<Request>,
    named: u64,
}

#[derive(Clone, Debug)]
struct Request {
    at: Timestamp,
    method: String,
    path: String,
    query: String,
    user_agent: String,
    user: String,
    verb: &'static str,
    code: u16,
}

impl Requests {
    pub(super) fn note(&mut self, at: Timestamp, asked: &Asked, verb: &'static str, code: u16) {
        if self.kept.len() == MOST {
            self.kept.pop_front();
        }
        self.kept.push_back(Request {
            at,
            method: asked.method.to_string(),
            path: asked.path.clone(),
            query: asked.raw_query.clone(),
            user_agent: asked.user_agent.clone(),
            user: asked.identity.user.clone(),
            verb,
            code,
        });
    }

    /// A name for a request, as a uuid. Not from the cluster's chance: asking must not change what happens.
    pub(super) fn name(&mut self) -> String {
        self.named += 1;
        let [high, low] = [1, 2].map(|half| {
            let mixed = (self.named * 2 + half).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed ^ (mixed >> 27)
        });
        let (high, low) = ((high & !0xf000) | 0x4000, (low & !(3 << 62)) | (2 << 62));
        format!("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", high >> 32, (high >> 16) & 0xffff, high & 0xffff, low >> 48, low & 0xffff_ffff_ffff)
    }

    pub fn list(&self) -> Vec<Value> {
        let shown = |it: &Request| json!({ "at": it.at.to_string(), "method": it.method, "path": it.path, "query": it.query, "user_agent": it.user_agent, "user": it.user, "verb": it.verb, "code": it.code });
        self.kept.iter().map(shown).collect()
    }
}
