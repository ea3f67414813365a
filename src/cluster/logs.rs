//! A container's log as it grows.

use std::time::Duration;

use futures::{Stream, StreamExt};
use http_body_util::BodyExt;
use kube::client::Body;

use super::connect::Cluster;
use super::failure::Failure;
use super::read::{LogOptions, log_ask};
use super::request::{Ask, Deadline};
use crate::error::Result;

/// How long a log's first answer may take, as for other reads.
const LIMIT: Duration = Duration::from_secs(10);
/// A line beyond this is given in pieces.
const LINE_LIMIT: usize = 1 << 20;

impl Cluster {
    /// The lines of a log, those that there are and each new one, until the container ends.
    ///
    /// # Errors
    /// As `logs`; an item is an error when the stream breaks.
    pub async fn log_lines(&self, namespace: &str, pod: &str, options: &LogOptions) -> Result<impl Stream<Item = Result<String>> + Send + use<>> {
        let ask: Ask = log_ask(namespace, pod, options, true)?;
        let body = self.open(&ask, Deadline::after(LIMIT)).await.map_err(|failure| failure.into_error(self, &ask.subject, 1))?;
        let (cluster, subject) = (self.clone(), ask.subject);
        let lines = Lines { body, buffer: Vec::new(), over: false };
        let told = futures::stream::unfold(lines, |mut lines| async move { lines.next().await.map(|line| (line, lines)) });
        Ok(told.map(move |line| line.map_err(|failure| failure.into_error(&cluster, &subject, 1))).boxed())
    }
}

struct Lines {
    body: Body,
    buffer: Vec<u8>,
    over: bool,
}

impl Lines {
    async fn next(&mut self) -> Option<Result<String, Failure>> {
        loop {
            let end = self.buffer.iter().position(|byte| *byte == b'\n');
            if let Some(end) = end.or_else(|| (self.buffer.len() > LINE_LIMIT).then_some(LINE_LIMIT)) {
                let rest = self.buffer.split_off(end);
                let line = std::mem::replace(&mut self.buffer, rest);
                if self.buffer.first() == Some(&b'\n') {
                    self.buffer.remove(0);
                }
                return Some(Ok(String::from_utf8_lossy(&line).into_owned()));
            }
            if self.over {
                let last = std::mem::take(&mut self.buffer);
                return (!last.is_empty()).then(|| Ok(String::from_utf8_lossy(&last).into_owned()));
            }
            match self.body.frame().await {
                None => self.over = true,
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.buffer.extend_from_slice(&data);
                    }
                }
                Some(Err(error)) => {
                    self.over = true;
                    return Some(Err(Failure::of_kube(&error)));
                }
            }
        }
    }
}
