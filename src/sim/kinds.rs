//! The kinds that the API server serves: one table, read from the discovery of a real 1.36.3.
//!
//! A kind is data; what is particular to some kinds stands in `defaults`, `validate`, `strategy` and `cells`.

use std::cmp::Ordering;
use std::fmt;
use std::sync::LazyLock;

use crate::sim::json::Value;

mod interned;

/// A resource: an index into the table of built-in kinds, or into the names of custom ones. Cheap to copy; ordered as the table, then by group, version and
/// plural.
///
/// A custom kind is a name and no more: whether a cluster serves it, and what it looks like there, is that cluster's own (`custom`).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind(u32);

/// What discovery says about a resource.
#[derive(Debug)]
pub struct Facts {
    pub group: String,
    pub version: String,
    pub kind: String,
    pub plural: String,
    pub singular: String,
    pub short_names: Vec<String>,
    pub categories: Vec<String>,
    pub namespaced: bool,
    pub verbs: Vec<String>,
    pub subresources: Vec<SubresourceFacts>,
    /// The name of its type in `schemas.json`, if it has one there.
    pub schema: Option<String>,
}

impl Facts {
    /// What tells custom kinds apart.
    fn names(&self) -> (&str, &str, &str, &str, bool) {
        (&self.group, &self.version, &self.plural, &self.kind, self.namespaced)
    }
}

#[derive(Debug)]
pub struct SubresourceFacts {
    pub name: String,
    pub group: String,
    pub version: String,
    pub kind: String,
    pub verbs: Vec<String>,
}

pub static DISCOVERY: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(include_str!("data/discovery.json")).expect("discovery.json is JSON"));
pub static SCHEMAS: LazyLock<Value> = LazyLock::new(|| {
    let mut file: Value = serde_json::from_str(include_str!("data/schemas.json")).expect("schemas.json is JSON");
    file["schemas"].take()
});

static TABLE: LazyLock<Vec<Facts>> = LazyLock::new(|| {
    let served = read(&DISCOVERY);
    let (mut named, mut rest): (Vec<_>, Vec<_>) = served.into_iter().partition(|it| place(it).is_some());
    named.sort_by_key(place);
    named.append(&mut rest);
    named
});

fn place(facts: &Facts) -> Option<usize> {
    NAMED.iter().position(|(group, version, plural)| facts.group == *group && facts.version == *version && facts.plural == *plural)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}

fn read(discovery: &Value) -> Vec<Facts> {
    let mut table = Vec::new();
    let list = |value: &Value| value.as_array().unwrap_or_default().to_vec();
    for group in list(&discovery["groups"]) {
        for version in list(&group["versions"]) {
            for resource in list(&version["resources"]) {
                let (group, version) = (text(&group["metadata"]["name"]), text(&version["version"]));
                let own = |kind: &Value| {
                    // Discovery leaves the group and version out where they are the resource's own.
                    let (g, v) = (text(&kind["group"]), text(&kind["version"]));
                    if v.is_empty() { (group.clone(), version.clone(), text(&kind["kind"])) } else { (g, v, text(&kind["kind"])) }
                };
                let subresources = list(&resource["subresources"])
                    .iter()
                    .map(|it| {
                        let (group, version, kind) = own(&it["responseKind"]);
                        SubresourceFacts { name: text(&it["subresource"]), group, version, kind, verbs: texts(&it["verbs"]) }
                    })
                    .collect();
                let kind = own(&resource["responseKind"]).2;
                let schema = schema_of(&group, &version, &kind);
                table.push(Facts {
                    kind,
                    plural: text(&resource["resource"]),
                    singular: text(&resource["singularResource"]),
                    short_names: texts(&resource["shortNames"]),
                    categories: texts(&resource["categories"]),
                    namespaced: resource["scope"] == "Namespaced",
                    verbs: texts(&resource["verbs"]),
                    subresources,
                    schema,
                    group,
                    version,
                });
            }
        }
    }
    table
}

/// The name in `schemas.json` of the type with this group, version and kind.
pub fn schema_of(group: &str, version: &str, kind: &str) -> Option<String> {
    let name = match group {
        "" => format!("io.k8s.api.core.{version}.{kind}"),
        "apiextensions.k8s.io" => format!("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.{version}.{kind}"),
        "apiregistration.k8s.io" => format!("io.k8s.kube-aggregator.pkg.apis.apiregistration.{version}.{kind}"),
        group => format!("io.k8s.api.{}.{version}.{kind}", group.split('.').next().unwrap_or(group)),
    };
    SCHEMAS.get(&name).map(|_| name)
}

macro_rules! named {
    ($($name:ident $group:literal $version:literal $plural:literal,)*) => {
        /// The kinds that code names, in the order of their constants.
        const NAMED: &[(&str, &str, &str)] = &[$(($group, $version, $plural)),*];
        named!(@ 0u32; $($name)*);
    };
    (@ $at:expr; $name:ident $($rest:ident)*) => {
        impl Kind { pub const $name: Kind = Kind($at); }
        named!(@ $at + 1; $($rest)*);
    };
    (@ $at:expr;) => {};
}

named! {
    DEPLOYMENTS "apps" "v1" "deployments",
    REPLICASETS "apps" "v1" "replicasets",
    STATEFULSETS "apps" "v1" "statefulsets",
    DAEMONSETS "apps" "v1" "daemonsets",
    CONTROLLERREVISIONS "apps" "v1" "controllerrevisions",
    PODS "" "v1" "pods",
    NODES "" "v1" "nodes",
    EVENTS "" "v1" "events",
    NAMESPACES "" "v1" "namespaces",
    SERVICES "" "v1" "services",
    CONFIGMAPS "" "v1" "configmaps",
    SECRETS "" "v1" "secrets",
    SERVICEACCOUNTS "" "v1" "serviceaccounts",
    ENDPOINTS "" "v1" "endpoints",
    PERSISTENTVOLUMECLAIMS "" "v1" "persistentvolumeclaims",
    PERSISTENTVOLUMES "" "v1" "persistentvolumes",
    REPLICATIONCONTROLLERS "" "v1" "replicationcontrollers",
    RESOURCEQUOTAS "" "v1" "resourcequotas",
    LIMITRANGES "" "v1" "limitranges",
    PODTEMPLATES "" "v1" "podtemplates",
    BINDINGS "" "v1" "bindings",
    COMPONENTSTATUSES "" "v1" "componentstatuses",
    NEW_EVENTS "events.k8s.io" "v1" "events",
    JOBS "batch" "v1" "jobs",
    CRONJOBS "batch" "v1" "cronjobs",
    HORIZONTALPODAUTOSCALERS "autoscaling" "v2" "horizontalpodautoscalers",
    HORIZONTALPODAUTOSCALERS_V1 "autoscaling" "v1" "horizontalpodautoscalers",
    LEASES "coordination.k8s.io" "v1" "leases",
    PODDISRUPTIONBUDGETS "policy" "v1" "poddisruptionbudgets",
    ENDPOINTSLICES "discovery.k8s.io" "v1" "endpointslices",
    INGRESSES "networking.k8s.io" "v1" "ingresses",
    INGRESSCLASSES "networking.k8s.io" "v1" "ingressclasses",
    NETWORKPOLICIES "networking.k8s.io" "v1" "networkpolicies",
    ROLES "rbac.authorization.k8s.io" "v1" "roles",
    ROLEBINDINGS "rbac.authorization.k8s.io" "v1" "rolebindings",
    CLUSTERROLES "rbac.authorization.k8s.io" "v1" "clusterroles",
    CLUSTERROLEBINDINGS "rbac.authorization.k8s.io" "v1" "clusterrolebindings",
    SELFSUBJECTACCESSREVIEWS "authorization.k8s.io" "v1" "selfsubjectaccessreviews",
    SUBJECTACCESSREVIEWS "authorization.k8s.io" "v1" "subjectaccessreviews",
    LOCALSUBJECTACCESSREVIEWS "authorization.k8s.io" "v1" "localsubjectaccessreviews",
    SELFSUBJECTRULESREVIEWS "authorization.k8s.io" "v1" "selfsubjectrulesreviews",
    SELFSUBJECTREVIEWS "authentication.k8s.io" "v1" "selfsubjectreviews",
    TOKENREVIEWS "authentication.k8s.io" "v1" "tokenreviews",
    CUSTOMRESOURCEDEFINITIONS "apiextensions.k8s.io" "v1" "customresourcedefinitions",
    APISERVICES "apiregistration.k8s.io" "v1" "apiservices",
    CERTIFICATESIGNINGREQUESTS "certificates.k8s.io" "v1" "certificatesigningrequests",
    CSIDRIVERS "storage.k8s.io" "v1" "csidrivers",
    CSINODES "storage.k8s.io" "v1" "csinodes",
    DEVICECLASSES "resource.k8s.io" "v1" "deviceclasses",
    FLOWSCHEMAS "flowcontrol.apiserver.k8s.io" "v1" "flowschemas",
    IPADDRESSES "networking.k8s.io" "v1" "ipaddresses",
    MUTATINGADMISSIONPOLICIES "admissionregistration.k8s.io" "v1" "mutatingadmissionpolicies",
    MUTATINGADMISSIONPOLICYBINDINGS "admissionregistration.k8s.io" "v1" "mutatingadmissionpolicybindings",
    MUTATINGWEBHOOKCONFIGURATIONS "admissionregistration.k8s.io" "v1" "mutatingwebhookconfigurations",
    PRIORITYCLASSES "scheduling.k8s.io" "v1" "priorityclasses",
    PRIORITYLEVELCONFIGURATIONS "flowcontrol.apiserver.k8s.io" "v1" "prioritylevelconfigurations",
    RESOURCECLAIMS "resource.k8s.io" "v1" "resourceclaims",
    RESOURCECLAIMTEMPLATES "resource.k8s.io" "v1" "resourceclaimtemplates",
    RESOURCESLICES "resource.k8s.io" "v1" "resourceslices",
    RUNTIMECLASSES "node.k8s.io" "v1" "runtimeclasses",
    SERVICECIDRS "networking.k8s.io" "v1" "servicecidrs",
    STORAGECLASSES "storage.k8s.io" "v1" "storageclasses",
    VALIDATINGADMISSIONPOLICIES "admissionregistration.k8s.io" "v1" "validatingadmissionpolicies",
    VALIDATINGADMISSIONPOLICYBINDINGS "admissionregistration.k8s.io" "v1" "validatingadmissionpolicybindings",
    VALIDATINGWEBHOOKCONFIGURATIONS "admissionregistration.k8s.io" "v1" "validatingwebhookconfigurations",
    VOLUMEATTACHMENTS "storage.k8s.io" "v1" "volumeattachments",
    VOLUMEATTRIBUTESCLASSES "storage.k8s.io" "v1" "volumeattributesclasses",
}

/// The bit that tells custom kinds from built-in ones.
const CUSTOM: u32 = 1 << 31;

impl Ord for Kind {
    fn cmp(&self, other: &Self) -> Ordering {
        // The numbers of custom kinds are those in which the process met them, which must not decide what a cluster does first.
        match (self.is_custom(), other.is_custom()) {
            (true, true) if self != other => self.facts().names().cmp(&other.facts().names()),
            _ => self.0.cmp(&other.0),
        }
    }
}

impl PartialOrd for Kind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Kind {
    pub fn facts(self) -> &'static Facts {
        if self.is_custom() { interned::facts(self.0 & !CUSTOM) } else { &TABLE[self.0 as usize] }
    }

    /// All built-in kinds, the named ones first. What a cluster serves is `World::kinds`.
    pub fn all() -> impl Iterator<Item = Kind> {
        (0..TABLE.len()).map(|at| Kind(u32::try_from(at).expect("some hundred kinds")))
    }

    /// The custom kind of these names: with a version as one version of it is served, without as its objects are kept.
    pub fn custom(group: &str, version: &str, plural: &str, kind: &str, namespaced: bool) -> Kind {
        Kind(CUSTOM | interned::number(group, version, plural, kind, namespaced))
    }

    pub const fn is_custom(self) -> bool {
        self.0 & CUSTOM != 0
    }

    pub fn index(self) -> usize {
        if self.is_custom() { TABLE.len() + (self.0 & !CUSTOM) as usize } else { self.0 as usize }
    }

    /// The built-in kind that is served under this path.
    pub fn served(group: &str, version: &str, plural: &str) -> Option<Kind> {
        Self::all().find(|it| it.group() == group && it.version() == version && it.plural() == plural)
    }

    /// The built-in kind of an object's `apiVersion` and `kind`.
    pub fn of(api_version: &str, kind: &str) -> Option<Kind> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        Self::all().find(|it| it.group() == group && it.version() == version && it.kind() == kind)
    }

    /// The built-in kind of an object, from its own `apiVersion` and `kind`.
    pub fn of_object(object: &Value) -> Option<Kind> {
        Self::of(object["apiVersion"].as_str()?, object["kind"].as_str()?)
    }

    /// The kind that keeps the objects of this one: two versions of a kind are views of the same objects.
    pub fn stored(self) -> Kind {
        match self {
            Kind::NEW_EVENTS => Kind::EVENTS,
            Kind::HORIZONTALPODAUTOSCALERS_V1 => Kind::HORIZONTALPODAUTOSCALERS,
            kind if kind.is_custom() => Kind(CUSTOM | interned::stored(kind.0 & !CUSTOM)),
            kind => kind,
        }
    }

    pub fn group(self) -> &'static str {
        &self.facts().group
    }

    pub fn version(self) -> &'static str {
        &self.facts().version
    }

    pub fn kind(self) -> &'static str {
        &self.facts().kind
    }

    pub fn plural(self) -> &'static str {
        &self.facts().plural
    }

    pub fn singular(self) -> &'static str {
        &self.facts().singular
    }

    pub fn namespaced(self) -> bool {
        self.facts().namespaced
    }

    /// The name of its type in `schemas.json`.
    pub fn schema(self) -> Option<&'static str> {
        self.facts().schema.as_deref()
    }

    pub fn has_verb(self, verb: &str) -> bool {
        self.facts().verbs.iter().any(|it| it == verb)
    }

    pub fn subresource(self, name: &str) -> Option<&'static SubresourceFacts> {
        self.facts().subresources.iter().find(|it| it.name == name)
    }

    /// `v1` or `apps/v1`.
    pub fn api_version(self) -> String {
        if self.group().is_empty() { self.version().to_owned() } else { format!("{}/{}", self.group(), self.version()) }
    }

    /// `pods` or `deployments.apps`.
    pub fn qualified(self) -> String {
        if self.group().is_empty() { self.plural().to_owned() } else { format!("{}.{}", self.plural(), self.group()) }
    }

    /// The path of the collection over all namespaces, the key of `tables.json`.
    pub fn path(self) -> String {
        let root = if self.group().is_empty() { "/api" } else { "/apis" };
        format!("{root}/{}/{}", self.api_version(), self.plural())
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.qualified())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_names_a_served_kind() {
        for (at, (group, version, plural)) in NAMED.iter().enumerate() {
            assert_eq!(Kind::served(group, version, plural).map(Kind::index), Some(at), "{plural}.{group}");
        }
    }

    #[test]
    fn a_kind_knows_what_discovery_says() {
        let kind = Kind::DEPLOYMENTS;
        assert_eq!((kind.kind(), kind.singular(), kind.namespaced()), ("Deployment", "deployment", true));
        assert_eq!(kind.schema(), Some("io.k8s.api.apps.v1.Deployment"));
        assert_eq!(kind.subresource("scale").map(|it| (it.group.as_str(), it.kind.as_str())), Some(("autoscaling", "Scale")));
        assert_eq!(kind.facts().categories, ["all"]);
        assert_eq!(Kind::of("apps/v1", "Deployment"), Some(kind));
    }
}
