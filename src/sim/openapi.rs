//! OpenAPI: what kubectl asks for before it applies and when it explains, and what client generators read.
//!
//! The documents are those of a real 1.36.3, byte for byte and under their own hashes, packed into the program and unpacked when somebody asks. They
//! describe what a real server serves: what of it this one refuses is listed in the reference. Of their protobuf forms only that of the older version is
//! served, which kubectl asks for.
//!
//! # Source
//! `tests/truth/data/kinds.py` takes them; apiserver and kube-openapi 0.36.3 `pkg/handler3/handler.go` for redirects and caching.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::LazyLock;

use super::world::World;
use crate::sim::json::{Map, Value, json};
use bytes::Bytes;

mod custom;

/// Lines `path hash length`, an empty line, and the documents in that order.
const PACKED: &[u8] = include_bytes!("data/openapi.zst");

/// The paths under which the archive keeps the one document of the older version, in its two forms.
const V2: [&str; 2] = ["v2", "v2.pb"];

/// A document as it is sent.
#[derive(Clone, Debug)]
pub struct Document {
    /// What its URL carries as `hash`, and its `ETag`.
    pub hash: String,
    pub bytes: Bytes,
}

struct Archive {
    bytes: Bytes,
    entries: BTreeMap<String, (String, Range<usize>)>,
}

static ARCHIVE: LazyLock<Archive> = LazyLock::new(|| {
    let mut bytes = Vec::new();
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(PACKED).expect("the archive has a header");
    std::io::Read::read_to_end(&mut decoder, &mut bytes).expect("the archive is whole");
    let end = bytes.windows(2).position(|it| it == b"\n\n").expect("the list ends");
    let mut entries = BTreeMap::new();
    let mut at = end + 2;
    for line in String::from_utf8_lossy(&bytes[..end]).lines() {
        let mut words = line.split(' ');
        let mut next = || words.next().unwrap_or_default();
        let (path, hash, length) = (next(), next(), next().parse::<usize>().expect("a length"));
        entries.insert(path.to_owned(), (hash.to_owned(), at..at + length));
        at += length;
    }
    Archive { bytes: Bytes::from(bytes), entries }
});

/// The index of the documents.
pub fn index(world: &World) -> Value {
    let mut paths = Map::new();
    let mut add = |path: &str, hash: &str| paths.insert(path.to_owned(), json!({ "serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}") }));
    for (path, (hash, _)) in ARCHIVE.entries.iter().filter(|(path, _)| !V2.contains(&path.as_str())) {
        add(path, hash);
    }
    for kind in world.customs.served().map(|it| it.kind) {
        // The hash tells a client when its copy is old.
        add(&format!("apis/{}", kind.api_version()), &world.customs.changed(kind.group(), kind.version()).to_string());
    }
    json!({ "paths": paths })
}

/// The document of a path of the index, such as `apis/apps/v1`.
pub fn document(world: &World, path: &str) -> Option<Document> {
    recorded(path).or_else(|| custom::document(world, path))
}

fn recorded(path: &str) -> Option<Document> {
    let (hash, range) = ARCHIVE.entries.get(path)?;
    Some(Document { hash: hash.clone(), bytes: ARCHIVE.bytes.slice(range.clone()) })
}

/// Adds a type that all groups share, and all that it refers to.
fn gather(name: &str, schemas: &mut BTreeMap<String, Value>) {
    // Of the documents that have these types it is the shortest.
    static SHARED: LazyLock<Value> = LazyLock::new(|| {
        let document = recorded("apis/coordination.k8s.io/v1").expect("the archive has it");
        let mut document: Value = serde_json::from_slice(&document.bytes).expect("the document is JSON");
        document["components"]["schemas"].take()
    });
    let mut open: BTreeSet<String> = BTreeSet::from([name.to_owned()]);
    while let Some(name) = open.pop_first() {
        let Some(schema) = SHARED.get(&name).filter(|_| !schemas.contains_key(&name)) else { continue };
        let text = schema.to_string();
        let referred = text.split("#/components/schemas/").skip(1).filter_map(|it| it.split('"').next());
        open.extend(referred.map(str::to_owned));
        schemas.insert(name, schema.clone());
    }
}

/// The one document of the older version, as JSON or in protobuf.
pub fn version_2(protobuf: bool) -> Document {
    recorded(V2[usize::from(protobuf)]).expect("the archive has it")
}

#[cfg(test)]
mod tests {
    use super::super::kinds::Kind;
    use super::*;

    fn read(path: &str) -> Value {
        serde_json::from_slice(&recorded(path).unwrap_or_else(|| panic!("no {path}")).bytes).expect("JSON")
    }

    #[test]
    fn every_served_version_has_a_document_with_its_kinds() {
        let index = index(&World::new(0, jiff::Timestamp::UNIX_EPOCH));
        for kind in Kind::all() {
            let path = if kind.group().is_empty() { "api/v1".to_owned() } else { format!("apis/{}", kind.api_version()) };
            assert!(index["paths"][&path]["serverRelativeURL"].is_string(), "{path}");
        }
        let apps = read("apis/apps/v1");
        let patch = &apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
        assert_eq!(patch["x-kubernetes-group-version-kind"]["kind"], "Deployment");
        assert!(patch["parameters"].as_array().expect("a list").iter().any(|it| it["name"] == "fieldValidation"));
        let replicas = &apps["components"]["schemas"]["io.k8s.api.apps.v1.DeploymentSpec"]["properties"]["replicas"];
        assert!(replicas["description"].as_str().is_some_and(|it| it.starts_with("Number of desired pods.")), "{replicas}");
    }

    #[test]
    fn a_document_has_all_that_it_refers_to() {
        for path in ["apis/apps/v1", "api/v1", "apis/networking.k8s.io/v1"] {
            let text = String::from_utf8(recorded(path).expect("there").bytes.to_vec()).expect("text");
            let document: Value = serde_json::from_str(&text).expect("JSON");
            let schemas = document["components"]["schemas"].as_object().expect("schemas");
            for part in text.split("#/components/schemas/").skip(1) {
                let name = part.split('"').next().expect("a name");
                assert!(schemas.contains_key(name), "{path}: {name}");
            }
        }
    }

    #[test]
    fn the_older_version_has_the_hash_of_its_text() {
        use sha2::Digest;
        let document = version_2(false);
        let digest: String = sha2::Sha512::digest(&document.bytes).iter().map(|it| format!("{it:02X}")).collect();
        assert_eq!(document.hash, digest);
        assert!(document.bytes.starts_with(b"{\"swagger\":\"2.0\""));
        assert!(version_2(true).bytes.starts_with(b"\n\x032.0"));
    }
}
