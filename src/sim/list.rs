//! Lists: which objects, as of which version, in which portions.
//!
//! # Source
//! apimachinery 1.36.3 `meta/internalversion/validation`, apiserver `storage/continue.go`, `storage/etcd3/store.go`.

use std::sync::Arc;

use super::base64::{decode_url, encode_url};
use super::custom::Custom;
use super::failure::{Failure, FieldError, Result};
use super::kinds::Kind;
use super::route::Query;
use super::schema::parse::parse;
use super::selector::Selector;
use super::store::Store;
use crate::sim::json::{Value, json};

/// The options of a list or a watch.
#[derive(Clone, Debug, Default)]
pub struct ListOptions {
    pub selector: Selector,
    pub watch: bool,
    pub bookmarks: bool,
    pub resource_version: String,
    pub version_match: String,
    pub timeout_s: Option<u64>,
    pub limit: usize,
    pub go_on: String,
    pub send_initial_events: Option<bool>,
}

impl ListOptions {
    /// # Errors
    /// `BadRequest` and `Invalid` as the server says them.
    pub fn parse(kind: Kind, custom: Option<&Arc<Custom>>, query: &Query) -> Result<Self> {
        let text = |key: &str| query.get(key).unwrap_or_default().to_owned();
        let number = |key: &str| match query.text(key) {
            None => Ok(None),
            Some(it) => it.parse::<i64>().map(Some).map_err(|_| Failure::bad_request(format!("strconv.ParseInt: parsing {it:?}: invalid syntax"))),
        };
        let options = Self {
            selector: Selector::parse(kind, custom, &text("labelSelector"), &text("fieldSelector"))?,
            watch: query.flag("watch"),
            bookmarks: query.flag("allowWatchBookmarks"),
            resource_version: text("resourceVersion"),
            version_match: text("resourceVersionMatch"),
            timeout_s: number("timeoutSeconds")?.and_then(|it| u64::try_from(it).ok()).filter(|it| *it > 0),
            limit: number("limit")?.and_then(|it| usize::try_from(it).ok()).unwrap_or(0),
            go_on: text("continue"),
            send_initial_events: query.get("sendInitialEvents").map(|_| query.flag("sendInitialEvents")),
        };
        let errors = options.errors();
        if errors.is_empty() { Ok(options) } else { Err(Failure::invalid_kind("meta.k8s.io", "ListOptions", "", errors)) }
    }

    fn errors(&self) -> Vec<FieldError> {
        const MATCH: &str = "resourceVersionMatch";
        let mut errors = Vec::new();
        let mut forbid = |field: &str, why: &str| errors.push(FieldError::forbidden(field, why));
        let set = !self.version_match.is_empty();
        if self.watch {
            if self.send_initial_events.is_some() && self.version_match != "NotOlderThan" {
                forbid(MATCH, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
            }
            if set && self.send_initial_events.is_none() {
                forbid(MATCH, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
            }
            if set && !self.go_on.is_empty() {
                forbid(MATCH, "resourceVersionMatch is forbidden when continue is provided");
            }
            if set && self.version_match != "NotOlderThan" {
                errors.push(FieldError::not_supported(MATCH, self.version_match.as_str(), &["NotOlderThan"]));
            }
            return errors;
        }
        if set && self.resource_version.is_empty() {
            forbid(MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
        if set && !self.go_on.is_empty() {
            forbid(MATCH, "resourceVersionMatch is forbidden when continue is provided");
        }
        if self.version_match == "Exact" && self.resource_version == "0" {
            forbid(MATCH, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
        }
        if self.send_initial_events.is_some() {
            forbid("sendInitialEvents", "sendInitialEvents is forbidden for list");
        }
        if set && self.version_match != "Exact" && self.version_match != "NotOlderThan" {
            errors.push(FieldError::not_supported(MATCH, self.version_match.as_str(), &["Exact", "NotOlderThan", ""]));
        }
        errors
    }
}

/// A version as a client names it; 0 and unset are 0.
///
/// # Errors
/// `BadRequest` for what is no number.
pub fn parse_version(text: &str) -> Result<u64> {
    let refuse = |_| {
        let error = FieldError::invalid("resourceVersion", text, format!("strconv.ParseUint: parsing {text:?}: invalid syntax"));
        Failure::bad_request(format!("invalid resource version: {error}"))
    };
    if text.is_empty() { Ok(0) } else { text.parse().map_err(refuse) }
}

/// A list as of one version.
#[derive(Debug)]
pub struct List {
    pub items: Vec<Arc<Value>>,
    pub version: u64,
    pub go_on: Option<String>,
    pub remaining: Option<usize>,
}

impl List {
    pub fn metadata(&self) -> Value {
        let mut metadata = json!({ "resourceVersion": self.version.to_string() });
        if let Some(token) = &self.go_on {
            metadata["continue"] = token.as_str().into();
        }
        if let Some(remaining) = self.remaining {
            metadata["remainingItemCount"] = remaining.into();
        }
        metadata
    }
}

/// The objects of a kind that the options ask for.
///
/// # Errors
/// `BadRequest` for a broken token or version, `Expired` for one that is no longer kept, `Timeout` for one that is not reached yet.
pub fn list(store: &Store, kind: Kind, namespace: Option<&str>, options: &ListOptions) -> Result<List> {
    let asked = parse_version(&options.resource_version)?;
    let current = store.version();
    let (version, after) = if options.go_on.is_empty() {
        if asked > current {
            return Err(Failure::too_large_resource_version(asked, current));
        }
        // Without a match, a version together with a limit means exactly that version, for the sake of old clients.
        let exact = options.version_match == "Exact" || (options.version_match.is_empty() && options.limit > 0 && asked > 0);
        (if exact { asked } else { current }, None)
    } else {
        if !options.resource_version.is_empty() && options.resource_version != "0" {
            return Err(Failure::bad_request("specifying resource version is not allowed when using continue"));
        }
        let (version, after) = read_token(&options.go_on).map_err(|it| Failure::bad_request(format!("invalid continue token: {it}")))?;
        let after = namespace.map_or(after.clone(), |namespace| format!("{namespace}/{after}"));
        (version.unwrap_or(current), Some(after))
    };
    let expired = || match &after {
        Some(after) => Failure::expired_list(write_token(None, namespace, after)),
        None => Failure::expired("The resourceVersion for the provided list is too old."),
    };
    let past = if version < current { Some(store.undone(kind.stored(), version).ok_or_else(expired)?) } else { None };
    let limit = if options.limit == 0 { usize::MAX } else { options.limit };
    let mut items: Vec<Arc<Value>> = Vec::new();
    let mut last: Option<String> = None;
    let mut left = 0;
    let mut take = |key: &str, object: &Arc<Value>| {
        if !options.selector.matches(kind, object) {
            return true;
        }
        if items.len() < limit {
            items.push(Arc::clone(object));
            if limit < usize::MAX {
                last = Some(key.to_owned());
            }
            true
        } else {
            left += 1;
            // Only without selectors is it counted how many are left.
            options.selector.is_everything()
        }
    };
    let present = store.entries(kind.stored(), namespace, after.as_deref());
    match past {
        None => {
            for (key, object) in present {
                if !take(key, object) {
                    break;
                }
            }
        }
        Some(past) => {
            let prefix = namespace.map(|it| format!("{it}/")).unwrap_or_default();
            let wanted = |key: &str| key.starts_with(&prefix) && after.as_deref().is_none_or(|after| key > after);
            let mut then: std::collections::BTreeMap<&str, &Arc<Value>> = present.map(|(key, object)| (key.as_str(), object)).collect();
            for (key, object) in past.iter().filter(|(key, _)| wanted(key)) {
                match object {
                    Some(object) => then.insert(key, object),
                    None => then.remove(key.as_str()),
                };
            }
            for (key, object) in then {
                if !take(key, object) {
                    break;
                }
            }
        }
    }
    let go_on = last.filter(|_| left > 0).map(|last| write_token(Some(version), namespace, &last));
    let remaining = (go_on.is_some() && options.selector.is_everything()).then_some(left);
    Ok(List { items, version, go_on, remaining })
}

/// The token of a list that goes on after `key`; without a version it goes on in the present.
fn write_token(version: Option<u64>, namespace: Option<&str>, key: &str) -> String {
    let start = namespace.and_then(|it| key.strip_prefix(it)?.strip_prefix('/')).unwrap_or(key);
    let version = version.map_or(json!(-1), Value::from);
    encode_url(format!(r#"{{"v":"meta.k8s.io/v1","rv":{version},"start":{}}}"#, json!(format!("/{start}\0"))).as_bytes())
}

fn read_token(token: &str) -> Result<(Option<u64>, String), String> {
    let invalid = |why: &str| format!("continue key is not valid: {why}");
    let bytes = decode_url(token).ok_or_else(|| invalid(&format!("illegal base64 data at input byte {}", super::base64::illegal_url(token))))?;
    let value = parse(&bytes).map_err(|it| invalid(&it))?.to_value();
    if value["v"] != "meta.k8s.io/v1" {
        return Err(invalid(&format!("server does not recognize this encoded version {}", value["v"].as_str().unwrap_or_default())));
    }
    let start = value["start"].as_str().filter(|it| !it.is_empty()).ok_or_else(|| invalid("encoded start key empty (version meta.k8s.io/v1)"))?;
    let start = start.trim_start_matches('/').trim_end_matches('\0').to_owned();
    match value["rv"].as_i64() {
        Some(0) | None => Err(invalid("incorrect encoded start resourceVersion (version meta.k8s.io/v1)")),
        Some(version) => Ok((u64::try_from(version).ok(), start)),
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn store() -> Store {
        let mut store = Store::default();
        for name in ["a", "b", "c", "d", "e"] {
            store.put(Kind::PODS, json!({ "metadata": { "namespace": "x", "name": name, "uid": name, "labels": { "n": name } } }), Timestamp::UNIX_EPOCH);
        }
        store
    }

    fn ask(store: &Store, query: &str) -> Result<(String, List)> {
        let options = ListOptions::parse(Kind::PODS, None, &Query::parse(Some(query)))?;
        let list = list(store, Kind::PODS, Some("x"), &options)?;
        Ok((list.items.iter().filter_map(|it| it["metadata"]["name"].as_str()).collect(), list))
    }

    #[test]
    fn portions_show_one_version_whatever_happens_meanwhile() {
        let mut store = store();
        let (names, first) = ask(&store, "limit=2").expect("a list");
        assert_eq!((names.as_str(), first.remaining), ("ab", Some(3)));
        store.remove(Kind::PODS, "x", "c", None, Timestamp::UNIX_EPOCH);
        store.put(Kind::PODS, json!({ "metadata": { "namespace": "x", "name": "cc", "uid": "cc" } }), Timestamp::UNIX_EPOCH);
        let token = first.go_on.expect("more");
        let (names, second) = ask(&store, &format!("limit=5&continue={token}")).expect("a list");
        assert_eq!((names.as_str(), second.version, second.go_on), ("cde", 5, None));
        store.compact();
        let failure = ask(&store, &format!("limit=5&continue={token}")).expect_err("too old");
        assert_eq!(failure.code(), 410);
        let token = failure.to_value()["metadata"]["continue"].as_str().expect("a token").to_owned();
        assert_eq!(ask(&store, &format!("continue={token}")).expect("a list").0, "ccde");
    }

    #[test]
    fn versions_are_honoured() {
        let mut store = store();
        store.remove(Kind::PODS, "x", "c", None, Timestamp::UNIX_EPOCH);
        for (query, expected) in [
            ("", Ok("abde")),
            ("resourceVersion=0", Ok("abde")),
            ("resourceVersion=3&resourceVersionMatch=Exact", Ok("abc")),
            ("resourceVersion=3&resourceVersionMatch=NotOlderThan", Ok("abde")),
            ("resourceVersion=5&limit=4", Ok("abcd")),
            ("labelSelector=n%20in%20(a,e)&limit=1", Ok("a")),
            ("resourceVersion=99", Err(504)),
            ("resourceVersion=x", Err(400)),
            ("limit=x", Err(400)),
            ("continue=abc", Err(400)),
            ("resourceVersionMatch=Exact", Err(422)),
            ("sendInitialEvents=true", Err(422)),
            ("watch=1&sendInitialEvents=true", Err(422)),
        ] {
            let answer = ask(&store, query).map(|it| it.0).map_err(|it| it.code());
            assert_eq!(answer.as_deref().map_err(|it| *it), expected, "{query}");
        }
    }

    #[test]
    fn tokens_are_those_of_the_real_server() {
        assert_eq!(write_token(Some(664), None, "default"), "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NjY0LCJzdGFydCI6Ii9kZWZhdWx0XHUwMDAwIn0");
    }
}
