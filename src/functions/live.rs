//! Live views: a rollout with its pods, and tables of kinds, redrawn when something changes.

use std::time::Duration;

use futures::StreamExt;
use rhai::Dynamic;
use serde_json::Value;
use tokio::time::Instant;

use super::call::Call;
use super::function::Answer;
use super::look::prefix;
use crate::clock::Clock;
use crate::cluster::read::{Include, Selection};
use crate::cluster::watch::TableEvent;
use crate::error::Error;
use crate::render::live::{Live, Scene, rollout_frame, summary_frame};
use crate::render::screen::Text;
use crate::render::table::{self, Layout, Table, Widths};
use crate::render::words;
use crate::resource::Resource;
use crate::rollout::status::Status;
use crate::session::Session;
use crate::session::follow::{Around, Following};

/// The live view of rollouts that are followed: one in full, several a line each.
pub struct Rollouts {
    live: Live,
    clock: Clock,
    started: jiff::Timestamp,
    limit: Option<Duration>,
    /// The newest look at each; none before the first.
    seen: Vec<Option<Seen>>,
    /// Whether the sentence of a complete rollout is said where there is no terminal: who waits for it hears of it otherwise.
    says_the_end: bool,
}

struct Seen {
    status: Status,
    around: Around,
    at: jiff::Timestamp,
}

impl Seen {
    /// The status with everybody as old as they are by now.
    fn aged(&self, now: jiff::Timestamp) -> (Status, &Around, Option<f64>) {
        let passed = now.duration_since(self.at);
        let mut status = self.status.clone();
        status.pods.iter_mut().for_each(|pod| pod.age_s += passed.as_secs());
        (status, &self.around, self.around.progress_left_s.map(|left| left - passed.as_secs_f64()))
    }
}

impl Rollouts {
    pub fn new(session: &Session, count: usize, limit: Option<Duration>) -> Self {
        let seen = std::iter::repeat_with(|| None).take(count).collect();
        Self { live: Live::new(session.screen()), clock: session.clock().clone(), started: session.clock().now(), limit, seen, says_the_end: false }
    }

    /// The sentence of a complete rollout is said too where there is no terminal.
    #[must_use]
    pub fn with_the_end(mut self) -> Self {
        self.says_the_end = true;
        self
    }

    pub fn in_place(&self) -> bool {
        self.live.in_place()
    }

    /// Shows a status: a frame on a terminal, kubectl's sentence elsewhere.
    pub fn show(&mut self, index: usize, following: &Following, status: &Status) {
        let is_news = self.seen[index].as_ref().is_none_or(|seen| seen.status.message != status.message);
        let around = if self.live.in_place() { following.around() } else { Around::default() };
        self.seen[index] = Some(Seen { status: status.clone(), around, at: self.clock.now() });
        if self.live.in_place() {
            self.redraw();
        } else if is_news && (self.says_the_end || !status.complete) {
            self.live.draw_or_say(&[], &Text::plain(status.message.clone()));
        }
    }

    /// Draws what was seen last as it is now: ages and what is left of the time go on when nothing happens.
    pub fn redraw(&mut self) {
        if !self.live.in_place() {
            return;
        }
        let now = self.clock.now();
        let elapsed_s = now.duration_since(self.started).as_secs_f64();
        let timeout_left_s = self.limit.map(|limit| limit.as_secs_f64() - elapsed_s);
        let aged: Vec<(Status, &Around, Option<f64>)> = self.seen.iter().flatten().map(|seen| seen.aged(now)).collect();
        let scenes: Vec<Scene> = aged
            .iter()
            .map(|(status, around, progress_left_s)| Scene {
                status,
                history: &around.history,
                held_by: around.held_by.as_deref(),
                elapsed_s,
                timeout_left_s,
                progress_left_s: *progress_left_s,
            })
            .collect();
        let frame = match scenes.as_slice() {
            [] => return,
            [one] if self.seen.len() == 1 => rollout_frame(one, self.live.canvas()),
            several => summary_frame(several, self.live.canvas()),
        };
        self.live.draw(&frame);
    }

    /// Leaves the last frame.
    pub fn finish(self) {
        self.live.finish();
    }
}

/// One block of a live table.
struct Watched {
    resource: Resource,
    table: Value,
    layout: Layout,
    widths: Widths,
    listed: bool,
}

/// `watch("deploy,rs,pods")`: tables of kinds, redrawn in place on a terminal; elsewhere each changed row is printed once more, as `kubectl get -w` does.
pub fn table(call: &Call, kinds: &str, limit: Option<Duration>) -> Answer {
    let cluster = call.cluster()?;
    let namespace = match call.option_text("namespace") {
        Some(namespace) => namespace,
        None => call.session.namespace()?,
    };
    let mut watched = Vec::new();
    for kind in kinds.split(',').map(str::trim) {
        if kind.is_empty() {
            return Err(Error::usage(format!("an empty kind in {kinds:?}")).hint("write kinds as in \"deploy,rs,pods\"").into());
        }
        watched.push(call.resource(kind)?);
    }
    let several = watched.iter().any(|resource| *resource != watched[0]);
    let wide = call.option_bool("wide").unwrap_or(false);
    let mut watched: Vec<Watched> = watched
        .into_iter()
        .map(|resource| {
            let layout = Layout { wide, namespaces: false, prefix: several.then(|| format!("{}/", prefix(&resource))), ..Layout::default() };
            Watched { resource, table: Value::Null, layout, widths: Widths::default(), listed: false }
        })
        .collect();
    let mut live = Live::of_results(call.session.screen());
    if live.in_place() {
        watched.iter_mut().for_each(|one| one.layout.max_width = Some(live.columns()));
    }
    let streams = watched.iter().enumerate().map(|(index, one)| {
        let selection =
            Selection { namespace: Some(namespace.clone()).filter(|_| one.resource.namespaced), labels: call.option_text("selector"), ..Selection::default() };
        Box::pin(cluster.watch_table(&one.resource, &selection, Include::Metadata).map(move |event| (index, event)))
    });
    let mut events = futures::stream::select_all(streams);
    let until = call.wait(async { Ok(limit.and_then(|limit| Instant::now().checked_add(limit))) })?;
    loop {
        let next = call.wait(async {
            let first = async { events.next().await.ok_or_else(|| Error::unreachable("the watch ended")) };
            match until {
                Some(until) => tokio::time::timeout_at(until, first).await.ok().transpose(),
                None => first.await.map(Some),
            }
        });
        let (index, event) = match next {
            Ok(Some(event)) => event,
            Ok(None) => break,
            Err(error) => return Err(error),
        };
        let one = &mut watched[index];
        let changed = take(&mut one.table, event?);
        one.listed = true;
        if live.in_place() {
            if watched.iter().all(|one| one.listed) {
                live.draw(&frame(&watched, call.session.clock().now()));
            }
        } else if let Some(rows) = changed {
            let header = one.widths == Widths::default();
            let part = Table { rows, ..Table::from_server(&one.table) };
            call.session.screen().print_line(part.print_more(&one.layout, &mut one.widths, header).trim_end_matches('\n'));
        }
        if call.session.screen().closed() {
            break;
        }
    }
    live.finish();
    Ok(Dynamic::UNIT)
}

fn frame(watched: &[Watched], now: jiff::Timestamp) -> Vec<Text> {
    let tables: Vec<(Table, Layout)> = watched
        .iter()
        .map(|one| {
            let mut table = one.table.clone();
            refresh_ages(&mut table, now);
            (Table::from_server(&table), one.layout.clone())
        })
        .collect();
    let blocks: Vec<(&Table, Layout)> = tables.iter().map(|(table, layout)| (table, layout.clone())).collect();
    table::lines_of_blocks(&blocks)
}

/// Takes an event into the table; returns the rows to print where nothing is redrawn.
fn take(table: &mut Value, event: TableEvent) -> Option<Vec<table::Row>> {
    let name = |row: &Value| (row["object"]["metadata"]["namespace"].clone(), row["object"]["metadata"]["name"].clone());
    match event {
        TableEvent::Listed(listed) => {
            *table = listed;
            Some(Table::from_server(table).rows).filter(|rows| !rows.is_empty())
        }
        TableEvent::Applied(row) => {
            let one = Table::from_server(&serde_json::json!({ "columnDefinitions": table["columnDefinitions"], "rows": [row] })).rows;
            let rows = table["rows"].as_array_mut()?;
            match rows.iter_mut().find(|known| name(known) == name(&row)) {
                Some(known) => *known = row,
                None => {
                    rows.push(row);
                    rows.sort_by_key(|row| name(row).1.as_str().map(str::to_owned));
                }
            }
            Some(one)
        }
        TableEvent::Deleted(row) => {
            table["rows"].as_array_mut()?.retain(|known| name(known) != name(&row));
            None
        }
    }
}

/// The server counted the ages when it sent a row; a row that did not change since would stand still.
fn refresh_ages(table: &mut Value, now: jiff::Timestamp) {
    let column = table["columnDefinitions"].as_array().and_then(|columns| columns.iter().position(|column| column["name"] == "Age"));
    let (Some(column), Some(rows)) = (column, table["rows"].as_array_mut()) else { return };
    for row in rows {
        let created: Option<jiff::Timestamp> = row["object"]["metadata"]["creationTimestamp"].as_str().and_then(|time| time.parse().ok());
        if let (Some(created), Some(cell)) = (created, row["cells"].get_mut(column)) {
            *cell = words::age(now.duration_since(created).as_secs()).into();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_live_table_takes_changes_by_name() {
        let row = |name: &str, ready: &str| json!({ "cells": [name, ready], "object": { "metadata": { "name": name, "namespace": "shop" } } });
        let mut table = json!({ "columnDefinitions": [{ "name": "Name", "priority": 0 }, { "name": "Ready", "priority": 0 }], "rows": [row("b", "0/1")] });
        assert!(take(&mut table, TableEvent::Applied(row("a", "0/1"))).is_some());
        assert!(take(&mut table, TableEvent::Applied(row("b", "1/1"))).is_some());
        assert_eq!(table["rows"], json!([row("a", "0/1"), row("b", "1/1")]));
        assert!(take(&mut table, TableEvent::Deleted(row("a", "0/1"))).is_none());
        assert_eq!(table["rows"], json!([row("b", "1/1")]));
    }
}
