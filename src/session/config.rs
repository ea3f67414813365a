//! Reading the configuration that a workload refers to, and the copies that were kept of it.

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream};

use super::Session;
use super::wait::Stop;
use crate::cluster::Cluster;
use crate::cluster::read::Selection;
use crate::error::{ErrorKind, Result};
use crate::resource::{CONFIG_MAP, SECRET};
use crate::rollout::config::{CHECKPOINT_OF, Config, Present, Reference};
use crate::rollout::workload::Workload;

/// How many are read at a time.
const AT_A_TIME: usize = 8;

impl Session {
    /// What these references lead to, and all copies of the workload's configuration. Asks nothing where there are no references.
    ///
    /// # Errors
    /// What the reads answer; that something is absent or may not be read is no error.
    pub fn config(&self, workload: &Workload, references: BTreeMap<Reference, bool>) -> Result<Config, Stop> {
        if references.is_empty() {
            return Ok(Config::default());
        }
        let cluster = self.cluster()?;
        self.wait(async {
            let copies = Selection {
                namespace: Some(workload.namespace().to_owned()),
                labels: Some(format!("{CHECKPOINT_OF}={}", workload.uid())),
                ..Selection::default()
            };
            let (present, maps, secrets) =
                futures::join!(present(&cluster, workload, references), cluster.list(&CONFIG_MAP, &copies), cluster.list(&SECRET, &copies));
            let mut config = Config { present: present?, copies: Vec::new() };
            for found in [maps, secrets] {
                match found {
                    Ok(found) => config.copies.extend(found),
                    Err(error) if error.kind() == ErrorKind::Forbidden => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(config)
        })
    }
}

/// What references lead to.
pub(super) async fn present(cluster: &Cluster, workload: &Workload, references: BTreeMap<Reference, bool>) -> Result<BTreeMap<Reference, Present>> {
    let one = |reference: Reference| async move {
        let present = match cluster.get(&reference.target(workload.namespace())).await {
            Ok(object) => Present::Object(object),
            Err(error) if error.kind() == ErrorKind::NotFound => Present::Absent,
            Err(error) if error.kind() == ErrorKind::Forbidden => Present::Unread(error.message().to_owned()),
            Err(error) => return Err(error),
        };
        Ok((reference, present))
    };
    stream::iter(references.into_keys().map(one)).buffer_unordered(AT_A_TIME).try_collect().await
}
