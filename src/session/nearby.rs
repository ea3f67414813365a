//! A look around for names: what was probably meant by one that is not there, and what one that is being typed can become.

use std::time::Duration;

use serde_json::Value;

use super::Session;
use crate::cluster::connect::Cluster;
use crate::cluster::read::Selection;
use crate::error::{Error, ErrorKind, nearest};
use crate::resource::Resource;

/// How long somebody waits for advice.
const LIMIT: Duration = Duration::from_secs(1);

impl Session {
    /// A hint for who misspelt a name or looked in the wrong namespace; nothing where nothing is near, or nobody may know.
    pub fn nearby(&self, error: &Error) -> Option<String> {
        if error.kind() != ErrorKind::NotFound {
            return None;
        }
        let (kind, name) = error.about()?.split_once('/')?;
        // Only where the server has said that there is no such object.
        let namespace = error.facts().get("namespace")?.as_str()?;
        let resource = Resource::known(kind)?;
        let cluster = self.cluster().ok()?;
        let advice = async { Ok(tokio::time::timeout(LIMIT, advice(&cluster, resource, namespace, name)).await.ok().flatten()) };
        self.wait(advice).ok().flatten()
    }

    /// The names of a kind's objects, one page at most, in a namespace or in the session's own; none where they are not known soon.
    pub fn names_of(&self, kind: &str, namespace: Option<&str>) -> Vec<String> {
        let (Ok(cluster), Ok(own)) = (self.cluster(), self.namespace()) else { return Vec::new() };
        let names = async {
            let resource = match Resource::known(kind) {
                Some(known) => known.clone(),
                None => cluster.resource(kind).await?,
            };
            let namespace = resource.namespaced.then(|| namespace.map_or(own, str::to_owned));
            cluster.metadata(&resource, &Selection { namespace, ..Selection::default() }).await
        };
        let found = self.wait(async { Ok(tokio::time::timeout(LIMIT, names).await) });
        let objects = found.ok().and_then(|it| it.ok()?.ok()).unwrap_or_default();
        objects.iter().filter_map(|object| object["metadata"]["name"].as_str().map(str::to_owned)).collect()
    }
}

async fn advice(cluster: &Cluster, resource: &Resource, namespace: &str, name: &str) -> Option<String> {
    let around = Selection { namespace: Some(namespace.to_owned()), ..Selection::default() };
    let elsewhere = Selection { name: Some(name.to_owned()), ..Selection::default() };
    let (around, elsewhere) = futures::join!(cluster.metadata(resource, &around), cluster.metadata(resource, &elsewhere));
    let text = |object: &Value, key: &str| object["metadata"][key].as_str().unwrap_or_default().to_owned();
    let around: Vec<String> = around.unwrap_or_default().iter().map(|object| text(object, "name")).collect();
    let kind = &resource.singular;
    if let Some(near) = nearest(name, around.iter().map(String::as_str)) {
        return Some(format!("did you mean \"{kind}/{near}\"?"));
    }
    let elsewhere = elsewhere.unwrap_or_default();
    let other = elsewhere.iter().map(|object| text(object, "namespace")).find(|other| other != namespace)?;
    Some(format!("there is one in another namespace: \"{other}/{kind}/{name}\""))
}
