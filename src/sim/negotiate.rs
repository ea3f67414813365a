//! In which form a client wants its answer: the `Accept` header, and how a value becomes bytes.

use bytes::Bytes;
use serde::Serialize;

use super::failure::{Failure, Result};
use crate::sim::json::indented;

/// What the objects of an answer are turned into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    Object,
    /// A table, in the version that was asked for.
    Table(&'static str),
    Metadata,
    MetadataList,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    pub shape: Shape,
    pub yaml: bool,
    pub pretty: bool,
}

impl Default for Form {
    fn default() -> Self {
        Self { shape: Shape::Object, yaml: false, pretty: false }
    }
}

/// One entry of an `Accept` header.
struct Media<'a> {
    name: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Media<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let parameters = parts.filter_map(|it| it.split_once('=')).map(|(key, value)| (key.trim(), value.trim())).collect();
        Self { name, parameters }
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.parameters.iter().find(|(it, _)| *it == key).map(|(_, value)| *value)
    }

    fn quality(&self) -> u32 {
        let quality: f64 = self.get("q").and_then(|it| it.parse().ok()).unwrap_or(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to what fits")]
        let thousandths = (quality.clamp(0.0, 1.0) * 1000.0) as u32;
        thousandths
    }

    fn is_json(&self) -> bool {
        matches!(self.name, "application/json" | "*/*" | "application/*" | "")
    }

    fn is_yaml(&self) -> bool {
        self.name == "application/yaml"
    }
}

fn sorted(accept: &str) -> Vec<Media<'_>> {
    let mut media: Vec<Media<'_>> = accept.split(',').map(|it| Media::parse(it.trim())).collect();
    media.sort_by_key(|it| std::cmp::Reverse(it.quality()));
    media
}

/// The form that an `Accept` header asks for; the first entry that can be served wins.
///
/// # Errors
/// `NotAcceptable`. Protobuf is not served: a client that takes nothing else is told so.
pub fn form(accept: &str) -> Result<Form> {
    choose(accept, true)
}

/// The form of what has no table.
///
/// # Errors
/// `NotAcceptable`.
pub fn form_without_table(accept: &str) -> Result<Form> {
    const TAKEN: &str = "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf";
    choose(accept, false).map_err(|_| Failure::not_acceptable(TAKEN))
}

fn choose(accept: &str, tables: bool) -> Result<Form> {
    for media in sorted(accept) {
        if !media.is_json() && !media.is_yaml() {
            continue;
        }
        let (group, version) = (media.get("g"), media.get("v"));
        let shape = match (media.get("as"), group, version) {
            (None, ..) => Shape::Object,
            (Some("Table"), Some("meta.k8s.io"), Some("v1")) if tables => Shape::Table("v1"),
            (Some("Table"), Some("meta.k8s.io"), Some("v1beta1")) if tables => Shape::Table("v1beta1"),
            (Some("PartialObjectMetadata"), Some("meta.k8s.io"), Some("v1")) => Shape::Metadata,
            (Some("PartialObjectMetadataList"), Some("meta.k8s.io"), Some("v1")) => Shape::MetadataList,
            _ => continue,
        };
        return Ok(Form { shape, yaml: media.is_yaml(), pretty: false });
    }
    // A client that names types which nothing here is of fails earlier, with other words.
    let known = sorted(accept).iter().any(|it| it.is_json() || it.is_yaml() || it.name == "application/vnd.kubernetes.protobuf");
    Err(Failure::not_acceptable(if known {
        "only the following media types are accepted: application/json, application/yaml"
    } else {
        "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/json;stream=watch"
    }))
}

/// The media type of aggregated discovery.
pub const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Whether a client takes just this media type, or anything.
pub fn takes(accept: &str, media: &str) -> bool {
    sorted(accept).iter().any(|it| it.name == media || it.name == "*/*")
}

/// The media type of the older OpenAPI document in protobuf. What clients ask for has an `@` where this has its third dot.
pub const OPENAPI_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// Whether the protobuf form of an OpenAPI document comes before JSON in an `Accept` header.
pub fn wants_openapi_protobuf(accept: &str) -> bool {
    sorted(accept).iter().find_map(|it| {
        let protobuf = it.name.replace('@', ".") == OPENAPI_PROTOBUF;
        (protobuf || it.is_json()).then_some(protobuf)
    }) == Some(true)
}

/// Whether aggregated discovery comes before plain JSON in an `Accept` header.
pub fn wants_aggregated(accept: &str) -> bool {
    for media in sorted(accept) {
        if media.is_json() {
            match (media.get("as"), media.get("v")) {
                (Some("APIGroupDiscoveryList"), Some("v2")) => return true,
                (None, _) => return false,
                _ => {}
            }
        }
    }
    false
}

/// Indented JSON.
pub fn pretty<T: Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).expect("a JSON value can always be written")
}

/// An answer's bytes and its content type.
pub fn write<T: Serialize>(value: &T, form: Form) -> (Bytes, &'static str) {
    formed(serde_json::to_vec(value).expect("a JSON value can always be written"), form)
}

/// An answer that stands there as compact JSON, in the form that was asked for.
pub fn formed(mut json: Vec<u8>, form: Form) -> (Bytes, &'static str) {
    if form.yaml {
        let text = serde_saphyr::to_string(&serde_json::from_slice::<serde_json::Value>(&json).unwrap_or_default()).unwrap_or_default();
        return (Bytes::from(text), "application/yaml");
    }
    if form.pretty {
        json = indented(&json);
    }
    json.push(b'\n');
    (Bytes::from(json), "application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_form_that_can_be_served_wins() {
        for (accept, expected) in [
            ("", Some(Shape::Object)),
            ("*/*", Some(Shape::Object)),
            ("application/vnd.kubernetes.protobuf,application/json", Some(Shape::Object)),
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", Some(Shape::Table("v1"))),
            ("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json;q=0.8", Some(Shape::MetadataList)),
            ("application/json;as=Foo;g=meta.k8s.io;v=v1,application/json", Some(Shape::Object)),
            ("application/json;as=Foo;g=meta.k8s.io;v=v1", None),
            ("text/html", None),
            ("application/vnd.kubernetes.protobuf", None),
        ] {
            assert_eq!(form(accept).ok().map(|it| it.shape), expected, "{accept}");
        }
    }

    #[test]
    fn aggregated_discovery_is_served_where_it_is_asked_for_first() {
        let kubectl = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";
        assert!(wants_aggregated(kubectl));
        assert!(!wants_aggregated("application/json"));
        assert!(wants_openapi_protobuf("application/com.github.proto-openapi.spec.v2@v1.0+protobuf"));
        assert!(!wants_openapi_protobuf("application/json,application/com.github.proto-openapi.spec.v2@v1.0+protobuf"));
    }
}
