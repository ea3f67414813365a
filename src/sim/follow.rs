//! Logs: which lines of a container are asked for, and the stream that goes on while the container writes.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use tokio::time::Sleep;

use super::failure::{Failure, FieldError, Result};
use super::kinds::Kind;
use super::kubelet::log::{LogLine, logs};
use super::route::Query;
use super::world::{Sim, World};

/// How often a followed container is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Which lines are asked for, of which container.
#[derive(Clone, Debug)]
pub struct LogOptions {
    pub namespace: String,
    pub pod: String,
    pub container: Option<String>,
    pub previous: bool,
    pub follow: bool,
    tail: Option<usize>,
    since: Option<Since>,
    timestamps: bool,
    limit: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Since {
    Ago(i64),
    Time(Timestamp),
}

impl LogOptions {
    /// # Errors
    /// `BadRequest` for what is no number or time, `Invalid` for what is out of range.
    pub fn parse(namespace: &str, pod: &str, query: &Query) -> Result<Self> {
        let number = |key: &str| match query.text(key) {
            None => Ok(None),
            Some(it) => it.parse::<i64>().map(Some).map_err(|_| Failure::bad_request(format!("strconv.ParseInt: parsing {it:?}: invalid syntax"))),
        };
        let (tail, ago, limit) = (number("tailLines")?, number("sinceSeconds")?, number("limitBytes")?);
        let time = match query.text("sinceTime") {
            None => None,
            Some(it) => Some(it.parse::<Timestamp>().map_err(|_| Failure::bad_request(format!("parsing time {it:?} as RFC3339 failed")))?),
        };
        let mut errors = Vec::new();
        if tail.is_some_and(|it| it < 0) {
            errors.push(FieldError::invalid("tailLines", tail.unwrap_or_default(), "must be greater than or equal to 0"));
        }
        if limit.is_some_and(|it| it < 1) {
            errors.push(FieldError::invalid("limitBytes", limit.unwrap_or_default(), "must be greater than 0"));
        }
        match (ago, time) {
            (Some(_), Some(_)) => errors.push(FieldError::forbidden("", "at most one of `sinceTime` or `sinceSeconds` may be specified")),
            (Some(ago), None) if ago < 1 => errors.push(FieldError::invalid("sinceSeconds", ago, "must be greater than 0")),
            _ => {}
        }
        if !errors.is_empty() {
            return Err(Failure::invalid_kind("", "PodLogOptions", pod, errors));
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            container: query.text("container").map(str::to_owned),
            previous: query.flag("previous"),
            follow: query.flag("follow"),
            tail: tail.and_then(|it| usize::try_from(it).ok()),
            since: ago.map(Since::Ago).or(time.map(Since::Time)),
            timestamps: query.flag("timestamps"),
            limit: limit.and_then(|it| usize::try_from(it).ok()),
        })
    }

    fn lines(&self, world: &World) -> Result<Vec<LogLine>> {
        logs(world, &self.namespace, &self.pod, self.container.as_deref(), self.previous)
    }

    fn write(&self, lines: &[LogLine]) -> String {
        let mut out = String::new();
        for line in lines {
            if self.timestamps {
                out.push_str(&format!("{:.9} ", line.at));
            }
            out.push_str(&line.text);
            out.push('\n');
        }
        out
    }

    /// The lines so far, as they are answered, and how many there are in all.
    ///
    /// # Errors
    /// As `logs`.
    pub fn text(&self, world: &World) -> Result<(String, usize)> {
        let all = self.lines(world)?;
        let from = match self.since {
            Some(Since::Ago(seconds)) => world.now().saturating_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN),
            Some(Since::Time(time)) => time,
            None => Timestamp::MIN,
        };
        let begin = all.partition_point(|it| it.at < from);
        let begin = begin.max(all.len().saturating_sub(self.tail.unwrap_or(usize::MAX)));
        let mut text = self.write(&all[begin..]);
        if let Some(limit) = self.limit.filter(|it| *it < text.len()) {
            text.truncate((0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0));
        }
        Ok((text, all.len()))
    }
}

/// A log that goes on until its container ends or its pod is gone.
pub struct Follow {
    sim: Sim,
    options: LogOptions,
    first: Bytes,
    seen: usize,
    look: Pin<Box<Sleep>>,
    over: bool,
}

impl Follow {
    pub fn new(sim: &Sim, options: LogOptions, first: String, seen: usize) -> Self {
        Self { sim: sim.clone(), options, first: first.into(), seen, look: Box::pin(tokio::time::sleep(LOOK_EVERY)), over: false }
    }

    pub fn poll(&mut self, ctx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.first.is_empty() {
            return Poll::Ready(Some(std::mem::take(&mut self.first)));
        }
        loop {
            if self.over {
                return Poll::Ready(None);
            }
            if self.look.as_mut().poll(ctx).is_pending() {
                return Poll::Pending;
            }
            let next = self.look.deadline() + LOOK_EVERY;
            self.look.as_mut().reset(next);
            let (lines, ended) = self.sim.with(|world| (self.options.lines(world), has_ended(world, &self.options)));
            self.over = ended;
            let Ok(lines) = lines else {
                self.over = true;
                continue;
            };
            if lines.len() > self.seen {
                let text = self.options.write(&lines[self.seen..]);
                self.seen = lines.len();
                return Poll::Ready(Some(text.into()));
            }
        }
    }
}

fn has_ended(world: &World, options: &LogOptions) -> bool {
    let Some(pod) = world.find(Kind::PODS, &options.namespace, &options.pod) else { return true };
    let named = |status: &&crate::sim::json::Value| options.container.as_deref().is_none_or(|it| status["name"] == it);
    let statuses = ["containerStatuses", "initContainerStatuses"].into_iter().flat_map(|it| pod["status"][it].as_array().into_iter().flatten());
    statuses.filter(named).all(|it| it["state"]["running"].is_null())
}
