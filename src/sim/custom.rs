//! Custom kinds: what the CustomResourceDefinitions of one cluster make it serve.
//!
//! The definitions are objects of the store; what is here is drawn from them whenever one changes, and each cluster has its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::sim::json::Value;

use self::columns::Columns;
use self::path::Path;
use self::schema::Schema;
use super::kinds::Kind;
use super::schema::Type;

pub mod cel;
mod check;
pub mod coerce;
mod columns;
pub mod definition;
pub mod discovery;
mod format;
pub mod object;
pub mod openapi;
mod openapi_rules;
mod path;
mod rule;
mod schema;
mod structural;
mod types;
mod version;

/// A version of a custom kind, as it is served.
#[derive(Debug)]
pub struct Custom {
    pub kind: Kind,
    pub singular: String,
    pub list_kind: String,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub status: bool,
    /// Where the numbers of `scale` stand, if it is served.
    pub scale: Option<Scale>,
    pub served: bool,
    pub storage: bool,
    /// Whether the definition is being deleted: nothing new is made then.
    pub terminating: bool,
    /// What clients that ask for it are warned of.
    pub deprecation: Option<String>,
    /// Whether objects go from one version to another by a webhook, which is not called here.
    pub by_webhook: bool,
    pub api_version: String,
    /// The schema as it is written.
    pub source: Value,
    /// The schemas of all versions, by version.
    schemas: Arc<BTreeMap<String, Schema>>,
    /// The version of the store at which the kind began to look as it does.
    pub since: u64,
    /// How server-side apply sees it.
    pub ty: &'static Type,
    pub columns: Columns,
    /// The fields that objects can be selected by, and where they stand.
    pub selectable: Vec<(String, Path)>,
}

/// The paths of a `scale` subresource, as field names.
#[derive(Debug)]
pub struct Scale {
    pub spec_replicas: Vec<String>,
    pub status_replicas: Vec<String>,
    pub selector: Option<Vec<String>>,
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The names in a simple path: `.spec.replicas`.
fn names(path: &str) -> Vec<String> {
    path.trim_start_matches('.').split('.').map(str::to_owned).collect()
}

/// Whether a condition of a definition is true.
pub fn is_true(definition: &Value, condition: &str) -> bool {
    definition["status"]["conditions"].as_array().into_iter().flatten().any(|it| it["type"] == condition && it["status"] == "True")
}

impl Custom {
    fn new(definition: &Value, version: &Value, schemas: Arc<BTreeMap<String, Schema>>) -> Self {
        let (spec, accepted) = (&definition["spec"], &definition["status"]["acceptedNames"]);
        let namespaced = spec["scope"] == "Namespaced";
        let scale = &version["subresources"]["scale"];
        let status = version["subresources"]["status"].is_object();
        let source = version["schema"]["openAPIV3Schema"].clone();
        let list = |key: &str| version[key].as_array().unwrap_or_default();
        let selectable = list("selectableFields").iter().filter_map(|it| it["jsonPath"].as_str());
        Self {
            deprecation: (version["deprecated"] == true).then(|| deprecation(spec, version)),
            by_webhook: spec["conversion"]["strategy"] == "Webhook",
            api_version: format!("{}/{}", text(spec, "group"), text(version, "name")),
            ty: types::root(text(accepted, "kind"), status, &source, &schemas[text(version, "name")]),
            columns: Columns::new(list("additionalPrinterColumns")),
            selectable: selectable.filter_map(|it| Some((it.trim_start_matches('.').to_owned(), Path::parse(it).ok()?))).collect(),
            source,
            schemas,
            kind: Kind::custom(text(spec, "group"), text(version, "name"), text(&spec["names"], "plural"), text(accepted, "kind"), namespaced),
            singular: text(accepted, "singular").to_owned(),
            list_kind: text(accepted, "listKind").to_owned(),
            short_names: texts(&accepted["shortNames"]),
            categories: texts(&accepted["categories"]),
            status,
            scale: scale.is_object().then(|| Scale {
                spec_replicas: names(text(scale, "specReplicasPath")),
                status_replicas: names(text(scale, "statusReplicasPath")),
                selector: scale["labelSelectorPath"].as_str().filter(|it| !it.is_empty()).map(names),
            }),
            served: version["served"] == true,
            storage: version["storage"] == true,
            terminating: is_true(definition, "Terminating"),
            since: text(&definition["metadata"], "resourceVersion").parse().unwrap_or(0),
        }
    }

    fn schema(&self) -> &Schema {
        &self.schemas[self.kind.version()]
    }

    /// Whether objects look under this one as they did under another.
    fn looks_like(&self, other: &Custom) -> bool {
        self.source == other.source && self.kind == other.kind && (self.served, self.storage) == (other.served, other.storage)
    }

    /// The text at a field that objects can be selected by; `None` for any other field.
    pub fn selected(&self, object: &Value, field: &str) -> Option<String> {
        let (_, path) = self.selectable.iter().find(|(name, _)| name == field)?;
        Some(match path.find(object).first() {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.to_string(),
            Some(other) => other.to_string(),
        })
    }

    /// Whether this part of its objects is served.
    pub fn has_part(&self, part: &str) -> bool {
        match part {
            "status" => self.status,
            "scale" => self.scale.is_some(),
            _ => false,
        }
    }

    /// What can be asked of it.
    pub fn verbs(&self) -> &'static [&'static str] {
        if self.terminating {
            &["delete", "deletecollection", "get", "list", "watch"]
        } else {
            &["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]
        }
    }
}

/// The words about a version that should no longer be used.
fn deprecation(spec: &Value, version: &Value) -> String {
    if let Some(own) = version["deprecationWarning"].as_str() {
        return own.to_owned();
    }
    let (group, kind, name) = (text(spec, "group"), text(&spec["names"], "kind"), text(version, "name"));
    let versions = spec["versions"].as_array().into_iter().flatten();
    let good = versions.filter(|it| it["served"] == true && it["deprecated"] != true).map(|it| text(it, "name"));
    let newer = good.filter(|it| version::compare(it, name).is_gt()).max_by(|left, right| version::compare(left, right));
    let instead = newer.map(|newer| format!("; use {group}/{newer} {kind}")).unwrap_or_default();
    format!("{group}/{name} {kind} is deprecated{instead}")
}

/// All custom kinds of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Customs {
    /// The versions of each definition, by its name: `widgets.example.com`.
    definitions: BTreeMap<String, Vec<Arc<Custom>>>,
    /// The versions by the index of their kinds; under the one without a version, the version that is stored.
    by_kind: BTreeMap<usize, Arc<Custom>>,
}

impl Customs {
    /// Takes in a definition that was written; `None` when it is gone.
    pub fn learn(&mut self, name: &str, definition: Option<&Value>) {
        let before = self.definitions.remove(name).unwrap_or_default();
        for old in &before {
            self.by_kind.remove(&old.kind.index());
            self.by_kind.remove(&old.kind.stored().index());
        }
        // What was accepted once stays served, whatever becomes of its names.
        let Some(definition) = definition.filter(|it| is_true(it, "NamesAccepted") || is_true(it, "Established")) else { return };
        let versions = definition["spec"]["versions"].as_array().unwrap_or_default();
        let schemas = versions.iter().map(|it| (text(it, "name").to_owned(), Schema::read(&it["schema"]["openAPIV3Schema"])));
        let schemas = Arc::new(schemas.collect::<BTreeMap<_, _>>());
        let mut versions: Vec<Custom> = versions.iter().map(|version| Custom::new(definition, version, Arc::clone(&schemas))).collect();
        // Conditions and names come and go without a change of what objects look like.
        if versions.len() == before.len() && versions.iter().zip(&before).all(|(new, old)| new.looks_like(old)) {
            versions.iter_mut().zip(&before).for_each(|(new, old)| new.since = old.since);
        }
        let versions: Vec<Arc<Custom>> = versions.into_iter().map(Arc::new).collect();
        for custom in &versions {
            self.by_kind.insert(custom.kind.index(), Arc::clone(custom));
            if custom.storage {
                self.by_kind.insert(custom.kind.stored().index(), Arc::clone(custom));
            }
        }
        self.definitions.insert(name.to_owned(), versions);
    }

    /// All versions of the kind that a definition of this name defines.
    pub fn siblings_of(&self, name: &str) -> &[Arc<Custom>] {
        self.definitions.get(name).map_or(&[], Vec::as_slice)
    }

    /// The version in which the objects of a kind are kept.
    pub fn storage(&self, kind: Kind) -> Option<&Arc<Custom>> {
        self.by_kind.get(&kind.stored().index())
    }

    /// What is known of a custom kind; of one without a version, what the stored version is.
    pub fn get(&self, kind: Kind) -> Option<&Arc<Custom>> {
        if kind.is_custom() { self.by_kind.get(&kind.index()) } else { None }
    }

    /// All versions that are served.
    pub fn served(&self) -> impl Iterator<Item = &Arc<Custom>> {
        self.definitions.values().flatten().filter(|it| it.served)
    }

    /// The kind that is served under this path.
    pub fn at(&self, group: &str, version: &str, plural: &str) -> Option<Kind> {
        let versions = self.definitions.get(&format!("{plural}.{group}"))?;
        versions.iter().find(|it| it.served && it.kind.version() == version).map(|it| it.kind)
    }

    /// The kind of an object's `apiVersion` and `kind`.
    pub fn of(&self, api_version: &str, kind: &str) -> Option<Kind> {
        let (group, version) = api_version.split_once('/')?;
        // An object may be kept in a version that is no longer served.
        self.definitions.values().flatten().map(|it| it.kind).find(|it| it.group() == group && it.version() == version && it.kind() == kind)
    }

    /// The groups of the kinds that are served, by name.
    pub fn groups(&self) -> Vec<&'static str> {
        let mut groups: Vec<&str> = self.served().map(|it| it.kind.group()).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// The versions of a group that are served, the one that clients should prefer first.
    pub fn versions(&self, group: &str) -> Vec<&'static str> {
        let mut versions: Vec<&str> = self.served().map(|it| it.kind).filter(|it| it.group() == group).map(Kind::version).collect();
        versions.sort_by(|left, right| version::compare(right, left));
        versions.dedup();
        versions
    }

    /// The version of the store at which a kind of this group and version was last defined anew.
    pub fn changed(&self, group: &str, version: &str) -> u64 {
        self.served().filter(|it| it.kind.group() == group && it.kind.version() == version).map(|it| it.since).max().unwrap_or(0)
    }

    /// The version-less kinds: what keeps the objects of each definition.
    pub fn stored(&self) -> impl Iterator<Item = Kind> {
        self.definitions.values().filter_map(|it| it.first()).map(|it| it.kind.stored())
    }
}
