//! What clients asked the server for, kept for tests.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::answer::Asked;
use crate::sim::json::{Value, json};

/// How many requests are kept.
const MOST: usize = 10_000;

/// The last requests.
#[derive(Debug, Default)]
pub struct Requests(VecDeque<Request>);

#[derive(Debug)]
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
        if self.0.len() == MOST {
            self.0.pop_front();
        }
        self.0.push_back(Request {
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

    pub fn list(&self) -> Vec<Value> {
        let shown = |it: &Request| json!({ "at": it.at.to_string(), "method": it.method, "path": it.path, "query": it.query, "user_agent": it.user_agent, "user": it.user, "verb": it.verb, "code": it.code });
        self.0.iter().map(shown).collect()
    }
}
