//! From a path and a query to what is asked for. All that is looked at of the world is which kinds it serves.

use super::kinds::{Kind, SubresourceFacts};
use super::world::World;

/// What a path names.
#[derive(Debug)]
pub enum Route {
    Paths,
    Version,
    /// `/healthz` and its kin, with the checks below it.
    Health {
        endpoint: &'static str,
        check: String,
    },
    Metrics,
    /// Who issues the tokens of service accounts, and with which keys.
    Issuer,
    Keys,
    /// `/api`
    CoreVersions,
    /// `/apis`
    Groups,
    Group(String),
    Resources {
        group: String,
        version: String,
    },
    OpenApi,
    /// A document by its path in the index.
    OpenApiDocument(String),
    OpenApiV2,
    /// `/sim`, and what is below it: steering the simulator.
    Steer(String),
    Place(Place),
    /// A path in a served group version that nothing is served at: a `Status` says so.
    NoResource,
    /// A part that an object of a custom kind does not have.
    NoPart {
        kind: Kind,
        name: String,
    },
    /// Any other path: plain text says so.
    Nothing,
}

/// A collection, an object or a part of one.
#[derive(Clone, Debug)]
pub struct Place {
    pub kind: Kind,
    /// Empty: all namespaces, or a kind outside of them.
    pub namespace: String,
    pub name: Option<String>,
    pub subresource: Option<&'static SubresourceFacts>,
}

impl Place {
    pub fn in_namespace(&self) -> Option<&str> {
        Some(self.namespace.as_str()).filter(|it| !it.is_empty())
    }
}

/// What `path` names, and whether it is one of the old `/watch/` paths.
pub fn route(world: &World, path: &str) -> (Route, bool) {
    let is_served = |group: &str, version: &str| is_served(world, group, version);
    let place = |group: &str, version: &str, rest: &[&str]| place(world, group, version, rest);
    if path.starts_with("//") {
        return (Route::Nothing, false);
    }
    // Documents are there under one name, other than what discovery tells of.
    let one_name = !path.ends_with('/');
    let parts: Vec<String> = path.trim_matches('/').split('/').map(decode).collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let route = match parts.as_slice() {
        [""] => Route::Paths,
        ["version"] => Route::Version,
        ["healthz", check @ ..] if one_name => Route::Health { endpoint: "healthz", check: check.join("/") },
        ["livez", check @ ..] if one_name => Route::Health { endpoint: "livez", check: check.join("/") },
        ["readyz", check @ ..] if one_name => Route::Health { endpoint: "readyz", check: check.join("/") },
        ["metrics"] if one_name => Route::Metrics,
        [".well-known", "openid-configuration"] => Route::Issuer,
        ["openid", "v1", "jwks"] => Route::Keys,
        ["api"] => Route::CoreVersions,
        ["apis"] => Route::Groups,
        ["api", version] if is_served("", version) => Route::Resources { group: String::new(), version: (*version).to_owned() },
        ["apis", group] if world.kinds().any(|it| it.group() == *group) => Route::Group((*group).to_owned()),
        ["apis", group, version] if is_served(group, version) => Route::Resources { group: (*group).to_owned(), version: (*version).to_owned() },
        ["sim"] => Route::Steer(String::new()),
        ["sim", what] => Route::Steer((*what).to_owned()),
        ["openapi", "v2"] if one_name => Route::OpenApiV2,
        ["openapi", "v3"] if one_name => Route::OpenApi,
        ["openapi", "v3", rest @ ..] => Route::OpenApiDocument(if one_name { rest.join("/") } else { String::new() }),
        ["api", version, "watch", rest @ ..] if is_served("", version) => return (place("", version, rest), true),
        ["api", version, rest @ ..] if is_served("", version) => place("", version, rest),
        ["apis", group, version, "watch", rest @ ..] if is_served(group, version) => return (place(group, version, rest), true),
        ["apis", group, version, rest @ ..] if is_served(group, version) => place(group, version, rest),
        // Whoever serves the group says that it has no such version.
        ["api", _, ..] => Route::NoResource,
        ["apis", group, _, ..] if Kind::all().any(|it| it.group() == *group) => Route::NoResource,
        _ => Route::Nothing,
    };
    (route, false)
}

fn is_served(world: &World, group: &str, version: &str) -> bool {
    world.kinds().any(|it| it.group() == group && it.version() == version)
}

fn place(world: &World, group: &str, version: &str, rest: &[&str]) -> Route {
    let (namespace, rest) = match rest {
        // `namespaces/x/status` is a part of the Namespace, `namespaces/x/pods` is not.
        ["namespaces", namespace, plural, ..] if group.is_empty() && (*plural == "status" || *plural == "finalize") => {
            ("", [&["namespaces", namespace], &rest[2..]].concat())
        }
        ["namespaces", namespace, _, ..] => (*namespace, rest[2..].to_vec()),
        _ => ("", rest.to_vec()),
    };
    let Some(kind) = rest.first().and_then(|plural| world.served(group, version, plural)) else {
        // A group of custom kinds has nobody who would say it in a `Status`.
        return if Kind::all().any(|it| it.group() == group && it.version() == version) { Route::NoResource } else { Route::Nothing };
    };
    let nothing = || if kind.is_custom() { Route::Nothing } else { Route::NoResource };
    if !namespace.is_empty() && !kind.namespaced() {
        return nothing();
    }
    let subresource = match rest.get(2) {
        None => None,
        Some(name) => match kind.subresource(name).filter(|_| world.customs.get(kind).is_none_or(|it| it.has_part(name))) {
            Some(subresource) => Some(subresource),
            None if kind.is_custom() => return Route::NoPart { kind, name: rest.get(1).copied().unwrap_or_default().to_owned() },
            None => return Route::NoResource,
        },
    };
    let tail = rest.get(3..).unwrap_or_default();
    if !tail.is_empty() && subresource.is_none_or(|it| it.name != "proxy") {
        return nothing();
    }
    if rest.len() > 1 && namespace.is_empty() && kind.namespaced() {
        return nothing();
    }
    Route::Place(Place { kind, namespace: namespace.to_owned(), name: rest.get(1).map(|it| (*it).to_owned()), subresource })
}

/// Text with its percent escapes resolved; what is no escape stays as it is.
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten().and_then(|it| u8::from_str_radix(it, 16).ok());
        match hex {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The parameters of a request, in their order.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    pub fn parse(query: Option<&str>) -> Self {
        let pairs = query.unwrap_or_default().split('&').filter(|it| !it.is_empty());
        let text = |it: &str| decode(&it.replace('+', " "));
        Self(pairs.map(|pair| pair.split_once('=').map_or_else(|| (text(pair), String::new()), |(key, value)| (text(key), text(value)))).collect())
    }

    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(it, _)| it == key).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter that is there and not empty.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).filter(|it| !it.is_empty())
    }

    pub fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(it, _)| it == key).map(|(_, value)| value.as_str())
    }

    /// A flag as the server reads it: there, and neither `false` nor `0`.
    pub fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|it| !it.eq_ignore_ascii_case("false") && it != "0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(path: &str) -> String {
        match route(&World::new(0, jiff::Timestamp::UNIX_EPOCH), path) {
            (Route::Place(it), watch) => {
                let part = it.subresource.map(|it| format!("/{}", it.name)).unwrap_or_default();
                format!("{:?} in {:?} named {:?}{part}{}", it.kind, it.namespace, it.name.as_deref().unwrap_or_default(), if watch { " watched" } else { "" })
            }
            (other, _) => format!("{other:?}"),
        }
    }

    #[test]
    fn paths_name_collections_objects_and_parts() {
        for (path, expected) in [
            ("/api/v1/pods", r#"pods in "" named """#),
            ("/api/v1/namespaces/a/pods/b/log", r#"pods in "a" named "b"/log"#),
            ("/api/v1/namespaces", r#"namespaces in "" named """#),
            ("/api/v1/namespaces/a", r#"namespaces in "" named "a""#),
            ("/api/v1/namespaces/a/status", r#"namespaces in "" named "a"/status"#),
            ("/apis/apps/v1/namespaces/a/deployments/b/scale", r#"deployments.apps in "a" named "b"/scale"#),
            ("/apis/apps/v1/watch/namespaces/a/deployments", r#"deployments.apps in "a" named "" watched"#),
            ("/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Ax", r#"clusterroles.rbac.authorization.k8s.io in "" named "system:x""#),
            ("/apis/apps/v1/nosuch", "NoResource"),
            ("/apis/apps/v1/namespaces/a/deployments/b/foo", "NoResource"),
            ("/apis/nosuch/v1", "Nothing"),
            ("/apis/apps", r#"Group("apps")"#),
            ("/sim/faults", r#"Steer("faults")"#),
        ] {
            assert_eq!(shown(path), expected, "{path}");
        }
    }

    #[test]
    fn parameters_are_read_as_the_server_reads_them() {
        let query = Query::parse(Some("watch=1&labelSelector=a%20in%20(x%2Cy)&allowWatchBookmarks=false&x+y&stdin"));
        assert_eq!(query.text("labelSelector"), Some("a in (x,y)"));
        assert!(query.flag("watch") && query.flag("stdin") && query.flag("x y"));
        assert!(!query.flag("allowWatchBookmarks") && !query.flag("missing"));
    }
}
