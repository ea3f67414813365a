//! Tables that are only printed: cells without their objects, which are most of what a table weighs.
//!
//! What a table of bare cells cannot tell is the namespace of a row. Of all namespaces, a large table is therefore asked for namespace by namespace.

use futures::StreamExt;

use super::{Cells, TABLE, cells::Head, nowhere};
use crate::cluster::connect::Cluster;
use crate::cluster::failure::Failure;
use crate::cluster::read::{Form, Include, Selection, about, get, path_of};
use crate::cluster::request::{Path, parse};
use crate::error::Result;
use crate::resource::{NAMESPACE, Resource, Target};

/// How many rows of bare cells come in one answer: 5,000 weigh less than kubectl's 500 with their objects' metadata.
const BARE_PAGE: usize = 5000;

/// The first page of a table of all namespaces: enough for a small cluster, and little lost where it is not.
const FIRST_PAGE: usize = 100;

/// How many rows with their metadata cost as much as one more request (measured on kube-apiserver 1.36: a request 2 ms, a row 0.1 ms and 5 KiB).
const ROWS_A_REQUEST: usize = 20;

/// Up to how many namespaces are asked one by one where the server did not count the rows, as it does not with a selector.
const FEW_NAMESPACES: usize = 50;

/// How many requests run at a time.
const AT_A_TIME: usize = 4;

impl Cluster {
    /// A table as it is printed, without the objects; cells of wide columns only where they are wanted.
    ///
    /// # Limits
    /// Over all namespaces the rows of each namespace are of one moment, but not always of the same one.
    ///
    /// # Errors
    /// As `table`.
    pub async fn cells(&self, resource: &Resource, selection: &Selection, wide: bool) -> Result<Cells> {
        let everywhere = resource.namespaced && selection.namespace.is_none();
        let Some(name) = selection.name.as_deref() else {
            return if everywhere { self.cells_of_all(resource, selection, wide).await } else { self.cells_of(resource, selection, wide).await };
        };
        if everywhere {
            let cells = self.cells_with_metadata(resource, selection, wide, None).await?;
            return if cells.is_empty() { Err(nowhere(resource, name)) } else { Ok(cells) };
        }
        let target = Target::new(resource, selection.namespace.as_deref(), name);
        let path = Path::new(path_of(&target)?).with("includeObject", Include::None.name());
        let ask = get(path.done(), TABLE, about("get", "get", &target));
        let answer = self.ask(&ask).await?;
        let mut cells = Cells::new(wide);
        let taken = self.take(&mut cells, &answer, selection.namespace.as_deref(), Include::None);
        taken.map_err(|failure| failure.into_error(self, &ask.subject, 1))?;
        Ok(cells)
    }

    /// Of one namespace, or of a kind that has none.
    async fn cells_of(&self, resource: &Resource, selection: &Selection, wide: bool) -> Result<Cells> {
        let mut cells = Cells::new(wide);
        let form = Form { accept: TABLE, include: Some(Include::None.name()), size: BARE_PAGE, token: None };
        self.raw_pages(resource, selection, form, |page| match page {
            Some(page) => self.take(&mut cells, page, selection.namespace.as_deref(), Include::None).map(|head| head.token),
            None => {
                cells.clear();
                Ok(None)
            }
        })
        .await?;
        Ok(cells)
    }

    /// With the metadata of each object, as kubectl asks for it.
    async fn cells_with_metadata(&self, resource: &Resource, selection: &Selection, wide: bool, begun: Option<(Cells, String)>) -> Result<Cells> {
        let (mut cells, token) = begun.map_or_else(|| (Cells::new(wide), None), |(cells, token)| (cells, Some(token)));
        let form = Form { accept: TABLE, include: Some(Include::Metadata.name()), size: crate::cluster::read::PAGE, token };
        self.raw_pages(resource, selection, form, |page| match page {
            Some(page) => self.take(&mut cells, page, None, Include::Metadata).map(|head| head.token),
            None => {
                cells.clear();
                Ok(None)
            }
        })
        .await?;
        Ok(cells)
    }

    async fn cells_of_all(&self, resource: &Resource, selection: &Selection, wide: bool) -> Result<Cells> {
        let (first, namespaces) = futures::join!(self.first_page(resource, selection, wide), self.namespaces());
        let (cells, head) = first?;
        let Some(token) = head.token else { return Ok(cells) };
        // Who may list pods everywhere may not always list namespaces.
        let namespaces = namespaces.unwrap_or_default();
        let one_by_one = match head.remaining {
            Some(remaining) => remaining > (namespaces.len() * ROWS_A_REQUEST) as u64,
            None => namespaces.len() <= FEW_NAMESPACES,
        };
        if namespaces.is_empty() || !one_by_one {
            return self.cells_with_metadata(resource, selection, wide, Some((cells, token))).await;
        }
        drop(cells);
        let mut all = Cells::new(wide);
        let requests = namespaces.into_iter().map(|namespace| async move {
            let selection = Selection { namespace: Some(namespace), ..selection.clone() };
            self.cells_of(resource, &selection, wide).await
        });
        let mut parts = futures::stream::iter(requests).buffered(AT_A_TIME);
        while let Some(part) = parts.next().await {
            all.append(&part?);
        }
        Ok(all)
    }

    async fn first_page(&self, resource: &Resource, selection: &Selection, wide: bool) -> Result<(Cells, Head)> {
        let (mut cells, mut head) = (Cells::new(wide), Head::default());
        let form = Form { accept: TABLE, include: Some(Include::Metadata.name()), size: FIRST_PAGE, token: None };
        self.raw_pages(resource, selection, form, |page| {
            if let Some(page) = page {
                head = self.take(&mut cells, page, None, Include::Metadata)?;
            }
            // The rest is asked for otherwise.
            Ok(None)
        })
        .await?;
        Ok((cells, head))
    }

    /// The names of all namespaces in the order in which the server lists what is in them.
    async fn namespaces(&self) -> Result<Vec<String>> {
        let cells = self.cells_of(&NAMESPACE, &Selection::default(), false).await?;
        let name = cells.columns.iter().position(|column| column.is_name).unwrap_or(0);
        let mut names: Vec<String> = cells.rows().filter_map(|(_, mut row)| row.nth(name)).map(str::to_owned).collect();
        // Its keys are `namespace/name`: `a-b/x` comes before `a/x`.
        names.sort_by(|one, other| one.bytes().chain([b'/']).cmp(other.bytes().chain([b'/'])));
        Ok(names)
    }

    /// Takes the rows of an answer, whatever the server made of the request.
    fn take(&self, cells: &mut Cells, answer: &[u8], namespace: Option<&str>, include: Include) -> Result<Head, Failure> {
        let head = cells.read(answer, namespace).map_err(|error| Failure::garbled(&error.to_string(), answer))?;
        if !head.is_table {
            let table = self.tabled(parse(answer)?, include).to_string();
            cells.read(table.as_bytes(), namespace).map_err(|error| Failure::garbled(&error.to_string(), answer))?;
        }
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::scripted::{Reply, Scripted, status};
    use crate::resource::POD;
    use serde_json::{Value, json};

    fn table(names: &[(&str, &str)], metadata: Value) -> Reply {
        let rows: Vec<Value> = names
            .iter()
            .map(|(namespace, name)| match *namespace {
                "" => json!({ "cells": [name], "object": null }),
                namespace => json!({ "cells": [name], "object": { "metadata": { "name": name, "namespace": namespace } } }),
            })
            .collect();
        let columns = json!([{ "name": "Name", "type": "string", "format": "name", "priority": 0 }]);
        Reply::Json(200, json!({ "kind": "Table", "metadata": metadata, "columnDefinitions": columns, "rows": rows }))
    }

    async fn printed(replies: impl IntoIterator<Item = Reply>) -> (Vec<String>, Vec<String>) {
        let server = Scripted::new(replies);
        let cells = server.cluster().cells(&POD, &Selection::default(), false).await.expect("a table");
        let rows = cells.rows().map(|(namespace, row)| format!("{namespace}/{}", row.collect::<String>())).collect();
        (rows, server.lines())
    }

    #[tokio::test(start_paused = true)]
    async fn a_small_table_of_all_namespaces_takes_one_page() {
        let (rows, lines) = printed([table(&[("a", "x"), ("b", "y")], json!({})), table(&[("", "a"), ("", "b")], json!({}))]).await;
        assert_eq!(rows, ["a/x", "b/y"]);
        assert_eq!(lines, ["GET /api/v1/pods?includeObject=Metadata&limit=100", "GET /api/v1/namespaces?includeObject=None&limit=5000"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_table_comes_namespace_by_namespace_without_metadata_and_in_the_servers_order() {
        let (rows, lines) = printed([
            table(&[("a-b", "x")], json!({ "continue": "more", "remainingItemCount": 2000 })),
            table(&[("", "a"), ("", "a-b")], json!({})),
            table(&[("", "x"), ("", "z")], json!({})),
            table(&[("", "y")], json!({})),
        ])
        .await;
        assert_eq!(rows, ["a-b/x", "a-b/z", "a/y"]);
        let of = |namespace: &str| format!("GET /api/v1/namespaces/{namespace}/pods?includeObject=None&limit=5000");
        assert_eq!(lines[2..], [of("a-b"), of("a")]);
    }

    #[tokio::test(start_paused = true)]
    async fn few_rows_in_many_namespaces_come_with_their_metadata() {
        let more = || table(&[("a", "x")], json!({ "continue": "more", "remainingItemCount": 1 }));
        let end = || table(&[("b", "y")], json!({}));
        let forbidden = Reply::Json(403, status(403, "Forbidden", "no"));
        for namespaces in [table(&[("", "a"), ("", "b")], json!({})), forbidden] {
            let (rows, lines) = printed([more(), namespaces, end()]).await;
            assert_eq!(rows, ["a/x", "b/y"]);
            assert_eq!(lines[2], "GET /api/v1/pods?includeObject=Metadata&limit=500&continue=more");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn one_object_and_a_server_without_tables_are_printed_too() {
        let server = Scripted::new([Reply::Json(200, json!({ "kind": "Pod", "metadata": { "name": "a" } }))]);
        let selection = Selection { namespace: Some("shop".into()), name: Some("a".into()), ..Selection::default() };
        let cells = server.cluster().cells(&POD, &selection, false).await.expect("a table");
        assert_eq!(cells.rows().map(|(_, row)| row.collect::<Vec<_>>().join(" ")).collect::<Vec<_>>(), ["a <unknown>"]);
        assert_eq!(server.lines(), ["GET /api/v1/namespaces/shop/pods/a?includeObject=None"]);
    }
}
