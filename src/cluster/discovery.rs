//! Names of kinds that not every cluster has: what the API server says that it serves, remembered per cluster.

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

use super::connect::Cluster;
use super::kubeconfig::nearest;
use super::read::get;
use super::request::{JSON, Subject};
use crate::error::{Error, Result};
use crate::resource::Resource;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// A kind that the API server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    pub resource: Resource,
    pub verbs: Vec<String>,
    pub categories: Vec<String>,
    /// Whether this is the version that the server prefers for its group.
    pub preferred: bool,
}

/// All kinds that the API server serves, in its order: the core group first.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    pub served: Vec<Served>,
}

impl Catalog {
    /// The kind that a name means: preferred versions first, then in the server's order.
    fn find(&self, name: &str) -> Option<&Resource> {
        let lower = name.to_lowercase();
        let fits = |served: &&Served| served.resource.answers_to(&lower) || served.resource.kind.to_lowercase() == lower;
        self.served.iter().filter(|served| served.preferred).find(fits).or_else(|| self.served.iter().find(fits)).map(|served| &served.resource)
    }

    fn find_kind(&self, api_version: &str, kind: &str) -> Option<&Resource> {
        self.served.iter().map(|served| &served.resource).find(|resource| resource.kind == kind && resource.api_version() == api_version)
    }
}

impl Cluster {
    /// The resource of a name: a known one without a request, others by discovery.
    ///
    /// # Errors
    /// `not_found` with the nearest names.
    pub async fn resource(&self, name: &str) -> Result<Resource> {
        if let Some(known) = Resource::known(name) {
            return Ok(known.clone());
        }
        if let Some(found) = self.find_served(|catalog| catalog.find(name)).await? {
            return Ok(found);
        }
        let catalog = self.served().await?;
        let names = catalog.served.iter().flat_map(|served| {
            let resource = &served.resource;
            [resource.plural.as_ref(), resource.singular.as_ref()].into_iter().chain(resource.short_names.iter().map(AsRef::as_ref))
        });
        let word = name.split('.').next().unwrap_or(name);
        let error = Error::not_found(format!("the server doesn't have a resource type {name:?}")).fact("context", self.context());
        Err(match nearest(word, names) {
            Some(near) => error.hint(format!("did you mean {near:?}?")),
            None => error.hint("`kubectl api-resources` lists the kinds that it has"),
        })
    }

    /// The resource of a manifest's `apiVersion` and `kind`.
    ///
    /// # Errors
    /// `not_found` when the server does not serve it: says whether another version or a nearly equal kind is there.
    pub async fn resource_of(&self, api_version: &str, kind: &str) -> Result<Resource> {
        let object = serde_json::json!({ "apiVersion": api_version, "kind": kind });
        if let Some(known) = Resource::of_object(&object) {
            return Ok(known.clone());
        }
        if let Some(found) = self.find_served(|catalog| catalog.find_kind(api_version, kind)).await? {
            return Ok(found);
        }
        let catalog = self.served().await?;
        let error = Error::not_found(format!("no matches for kind {kind:?} in version {api_version:?}")).fact("context", self.context());
        let elsewhere: Vec<String> = catalog.served.iter().filter(|served| served.resource.kind == kind).map(|served| served.resource.api_version()).collect();
        if !elsewhere.is_empty() {
            return Err(error.hint(format!("the server has this kind in {}", elsewhere.join(", "))));
        }
        let near = nearest(kind, catalog.served.iter().map(|served| served.resource.kind.as_ref())).map(str::to_owned);
        Err(match near {
            Some(near) => error.hint(format!("did you mean {near:?}?")),
            None => error.hint("its CustomResourceDefinition must be installed first"),
        })
    }

    /// All kinds that the server serves; asked for once.
    pub async fn served(&self) -> Result<Arc<Catalog>> {
        let mut slot = self.catalog().lock().await;
        if let Some(catalog) = slot.as_ref() {
            return Ok(catalog.clone());
        }
        let catalog = Arc::new(self.discover().await?);
        Ok(slot.insert(catalog).clone())
    }

    /// Looks a kind up, and asks the server again when an old answer does not have it: it may have been installed since.
    async fn find_served(&self, find: impl Fn(&Catalog) -> Option<&Resource>) -> Result<Option<Resource>> {
        let fresh = self.catalog().lock().await.is_none();
        let catalog = self.served().await?;
        if let Some(found) = find(&catalog) {
            return Ok(Some(found.clone()));
        }
        if fresh {
            return Ok(None);
        }
        *self.catalog().lock().await = None;
        Ok(find(&*self.served().await?).cloned())
    }

    async fn discover(&self) -> Result<Catalog> {
        let mut catalog = Catalog::default();
        for root in ["/api", "/apis"] {
            let answer = self.ask_json(&get(root.to_owned(), AGGREGATED, subject())).await?;
            match answer["kind"].as_str() {
                Some("APIGroupDiscoveryList") => aggregated(&answer, &mut catalog),
                _ => self.legacy(root, &answer, &mut catalog).await?,
            }
        }
        Ok(catalog)
    }

    /// One request a group version, as before 1.26.
    async fn legacy(&self, root: &str, answer: &Value, catalog: &mut Catalog) -> Result<()> {
        let mut versions: Vec<(String, String, bool)> = Vec::new();
        for version in strings(&answer["versions"]) {
            versions.push((String::new(), version, true));
        }
        for group in array(&answer["groups"]) {
            let name = text(&group["name"]);
            for version in array(&group["versions"]) {
                versions.push((name.clone(), text(&version["version"]), version["version"] == group["preferredVersion"]["version"]));
            }
        }
        for (group, version, preferred) in versions {
            let path = if group.is_empty() { format!("{root}/{version}") } else { format!("{root}/{group}/{version}") };
            // An aggregated API whose server is away must not hide all the others.
            let Ok(list) = self.ask_json(&get(path, JSON, subject())).await else { continue };
            for entry in array(&list["resources"]).iter().filter(|entry| !text(&entry["name"]).contains('/')) {
                let singular = Some(text(&entry["singularName"])).filter(|name| !name.is_empty()).unwrap_or_else(|| text(&entry["kind"]).to_lowercase());
                catalog.served.push(Served {
                    resource: Resource {
                        group: Cow::Owned(group.clone()),
                        version: Cow::Owned(version.clone()),
                        kind: Cow::Owned(text(&entry["kind"])),
                        plural: Cow::Owned(text(&entry["name"])),
                        singular: Cow::Owned(singular),
                        short_names: strings(&entry["shortNames"]).into_iter().map(Cow::Owned).collect::<Vec<_>>().into(),
                        namespaced: entry["namespaced"] == true,
                    },
                    verbs: strings(&entry["verbs"]),
                    categories: strings(&entry["categories"]),
                    preferred,
                });
            }
        }
        Ok(())
    }
}

fn subject() -> Subject {
    Subject { words: "ask for the kinds that it serves".to_owned(), target: None, access: None }
}

fn aggregated(answer: &Value, catalog: &mut Catalog) {
    for group in array(&answer["items"]) {
        let name = text(&group["metadata"]["name"]);
        // The first version of a group is the preferred one.
        for (place, version) in array(&group["versions"]).iter().enumerate() {
            for entry in array(&version["resources"]) {
                let kind = &entry["responseKind"];
                let singular = Some(text(&entry["singularResource"])).filter(|name| !name.is_empty()).unwrap_or_else(|| text(&kind["kind"]).to_lowercase());
                catalog.served.push(Served {
                    resource: Resource {
                        group: Cow::Owned(name.clone()),
                        version: Cow::Owned(text(&version["version"])),
                        kind: Cow::Owned(text(&kind["kind"])),
                        plural: Cow::Owned(text(&entry["resource"])),
                        singular: Cow::Owned(singular),
                        short_names: strings(&entry["shortNames"]).into_iter().map(Cow::Owned).collect::<Vec<_>>().into(),
                        namespaced: entry["scope"] == "Namespaced",
                    },
                    verbs: strings(&entry["verbs"]),
                    categories: strings(&entry["categories"]),
                    preferred: place == 0,
                });
            }
        }
    }
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn strings(value: &Value) -> Vec<String> {
    array(value).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}
