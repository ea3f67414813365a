//! The tokens in Secrets of the type `kubernetes.io/service-account-token`: made where they are missing, and gone with their account.
//!
//! # Source
//! kubernetes 1.36.3 `pkg/controller/serviceaccount/tokens_controller.go`.

use super::client::{self, Component, Deletion};
use super::object::{annotation, namespace, uid};
use super::{Controller, Key, queue};
use crate::sim::base64;
use crate::sim::failure::Result;
use crate::sim::json::Value;
use crate::sim::kinds::Kind;
use crate::sim::store::{Change, LogEntry};
use crate::sim::token::{self, Bound, Holder};
use crate::sim::world::World;

const TYPE: &str = "kubernetes.io/service-account-token";
const NAME: &str = "kubernetes.io/service-account.name";
const UID: &str = "kubernetes.io/service-account.uid";

/// Follows Secrets and accounts.
pub fn observe(world: &mut World, entry: &LogEntry) {
    let (object, gone) = (&entry.object, entry.change == Change::Deleted);
    match entry.kind {
        Kind::SECRETS if object["type"] == TYPE && gone => {
            let token = object["data"]["token"].as_str().and_then(base64::decode).and_then(|it| String::from_utf8(it).ok());
            if let Some(token) = token {
                world.tokens.remove(&token);
            }
        }
        Kind::SECRETS if object["type"] == TYPE => queue::add(world, Controller::Token, &Key::of(object)),
        Kind::SERVICEACCOUNTS if gone => {
            let secrets = world.list(Kind::SECRETS, Some(namespace(object))).filter(|it| it["type"] == TYPE);
            let secrets: Vec<Key> = secrets.map(|it| Key::of(it)).collect();
            secrets.iter().for_each(|key| queue::add(world, Controller::Token, key));
        }
        _ => {}
    }
}

/// Fills a Secret, or removes one whose account is gone.
pub fn sync(world: &mut World, key: &Key) -> Result<()> {
    let Some(secret) = client::get(world, Kind::SECRETS, &key.namespace, &key.name).filter(|it| it["type"] == TYPE) else { return Ok(()) };
    let name = annotation(&secret, NAME).unwrap_or_default().to_owned();
    let account = client::get(world, Kind::SERVICEACCOUNTS, &key.namespace, &name);
    let account = account.filter(|it| annotation(&secret, UID).is_none_or(|wanted| wanted == uid(it)));
    let Some(account) = account else {
        let deletion = Deletion { uid: Some(uid(&secret).to_owned()), ..Deletion::default() };
        return match client::delete(world, Component::ServiceAccount, Kind::SECRETS, &key.namespace, &key.name, deletion) {
            Err(failure) if !failure.is_not_found() => Err(failure),
            _ => Ok(()),
        };
    };
    let mut copy = Value::clone(&secret);
    copy["metadata"]["annotations"][UID] = uid(&account).into();
    for (field, text) in [("ca.crt", super::namespace::ROOT_CA_TEXT), ("namespace", key.namespace.as_str())] {
        copy["data"][field] = base64::encode(text.as_bytes()).into();
    }
    if copy["data"]["token"].as_str().is_none_or(str::is_empty) {
        let secret = Bound { holder: Holder::Secret, name: key.name.clone(), uid: uid(&secret).to_owned() };
        let token = token::issue_for_secret(world, &secret, &key.namespace, &name, uid(&account));
        copy["data"]["token"] = base64::encode(token.as_bytes()).into();
    }
    if copy == *secret {
        return Ok(());
    }
    client::update(world, Component::ServiceAccount, Kind::SECRETS, copy).map(|_| ())
}
