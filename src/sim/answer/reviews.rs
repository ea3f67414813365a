//! Reviews: questions about users and permissions, answered and not stored.

use serde_json::{Value, json};

use super::super::failure::Result;
use super::super::kinds::Kind;
use super::super::route::Place;
use super::super::shape::Shaper;
use super::super::world::World;
use super::{Answer, Asked, plain, write};

pub fn is_review(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::SELFSUBJECTACCESSREVIEWS
            | Kind::SUBJECTACCESSREVIEWS
            | Kind::LOCALSUBJECTACCESSREVIEWS
            | Kind::SELFSUBJECTRULESREVIEWS
            | Kind::SELFSUBJECTREVIEWS
            | Kind::TOKENREVIEWS
    )
}

/// Answers a review. There is one user, who may do all.
pub fn answer(world: &mut World, asked: &Asked, place: &Place, shaper: Shaper) -> Result<Answer> {
    let caller = write::caller(asked, "CreateOptions")?;
    let mut review = write::object(world, asked, place, caller.strictness)?;
    let user = json!({ "username": caller.user, "groups": caller.groups });
    review["apiVersion"] = place.kind.api_version().into();
    review["kind"] = place.kind.kind().into();
    review["status"] = match place.kind {
        Kind::SELFSUBJECTREVIEWS => json!({ "userInfo": user }),
        Kind::TOKENREVIEWS => json!({ "user": {}, "error": "[invalid bearer token, token lookup failed]" }),
        Kind::SELFSUBJECTRULESREVIEWS => json!({
            "resourceRules": [{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }],
            "nonResourceRules": [{ "verbs": ["*"], "nonResourceURLs": ["*"] }],
            "incomplete": false,
        }),
        _ => json!({ "allowed": true }),
    };
    if !review["metadata"].is_object() {
        review["metadata"] = json!({});
    }
    if place.kind == Kind::SELFSUBJECTREVIEWS {
        review["metadata"]["creationTimestamp"] = Value::String(world.stamp());
    }
    Ok(Answer::created(plain(&review, shaper)))
}
