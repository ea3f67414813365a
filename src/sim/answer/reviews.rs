//! Reviews: questions about users and permissions, answered and not stored.

use super::super::access;
use super::super::api::Subresource;
use super::super::failure::{Failure, FieldError, Result};
use super::super::identity::Identity;
use super::super::kinds::Kind;
use super::super::manage;
use super::super::route::Place;
use super::super::shape::Shaper;
use super::super::token;
use super::super::world::World;
use super::{Answer, Asked, authorize, unkept, write};
use crate::sim::json::{Value, json};

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

/// Answers a review.
pub fn answer(world: &mut World, asked: &Asked, place: &Place, shaper: Shaper) -> Result<Answer> {
    let caller = write::caller(asked, "CreateOptions")?;
    let mut review = write::object(world, asked, place, caller.strictness)?;
    review["apiVersion"] = place.kind.api_version().into();
    review["kind"] = place.kind.kind().into();
    // What is asked of oneself is nobody's to manage.
    if !matches!(place.kind, Kind::SELFSUBJECTRULESREVIEWS | Kind::SELFSUBJECTREVIEWS) {
        review = manage::note(world, place.kind, review, None, Subresource::Main, &caller);
    }
    let spec = review["spec"].clone();
    let text = |key: &str| spec[key].as_str().unwrap_or_default();
    review["status"] = match place.kind {
        Kind::SELFSUBJECTREVIEWS => json!({ "userInfo": asked.identity.info() }),
        Kind::TOKENREVIEWS if text("token").is_empty() => {
            return Err(Failure::bad_request("token is required for TokenReview in authentication"));
        }
        Kind::TOKENREVIEWS => {
            let audiences: Vec<String> = spec["audiences"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
            match token::authenticate(world, text("token"), &audiences) {
                Ok((known, audiences)) => json!({ "authenticated": true, "user": known.info(), "audiences": audiences }),
                Err(why) if why.is_empty() => json!({ "user": {} }),
                Err(why) => json!({ "user": {}, "error": why }),
            }
        }
        Kind::SELFSUBJECTRULESREVIEWS => rules(world, &asked.identity, text("namespace")),
        Kind::SELFSUBJECTACCESSREVIEWS => authorize::review(world, &spec, &asked.identity),
        _ => {
            let groups: Vec<String> = spec["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
            if text("user").is_empty() && groups.is_empty() {
                let error = FieldError::invalid("spec.user", "", "at least one of user or group must be specified");
                return Err(Failure::invalid(place.kind, "", vec![error]));
            }
            let mut somebody = Identity::authenticated(text("user"), &[]);
            somebody.groups = groups;
            authorize::review(world, &spec, &somebody)
        }
    };
    if !review["metadata"].is_object() {
        review["metadata"] = json!({});
    }
    if place.kind == Kind::SELFSUBJECTREVIEWS {
        review["metadata"]["creationTimestamp"] = Value::from(world.stamp());
    }
    unkept(asked, review, shaper)
}

/// All that somebody may do in a namespace.
fn rules(world: &World, identity: &Identity, namespace: &str) -> Value {
    let all = access::rules(world, identity, namespace);
    let (paths, resources): (Vec<Value>, Vec<Value>) = all.into_iter().partition(|it| it["nonResourceURLs"].is_array());
    json!({ "resourceRules": resources, "nonResourceRules": paths, "incomplete": false })
}
