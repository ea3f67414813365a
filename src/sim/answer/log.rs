//! `pods/log`: what a container wrote, cut as the query asks. Following a log is not here yet: it is refused, not cut short.

use http::StatusCode;
use jiff::{SignedDuration, Timestamp};

use super::super::failure::{Failure, Result};
use super::super::kubelet::log::{LogLine, logs};
use super::super::route::{Place, Query};
use super::super::world::World;
use super::{Answer, Asked};

pub fn answer(world: &World, asked: &Asked, place: &Place) -> Result<Answer> {
    let query = &asked.query;
    if query.flag("follow") {
        return Err(Failure::not_implemented("followed logs"));
    }
    let pod = place.name.as_deref().unwrap_or_default();
    let lines = logs(world, &place.namespace, pod, query.get("container"), query.flag("previous"))?;
    Ok(Answer::text(StatusCode::OK, cut(lines, query, world.now())?))
}

fn cut(lines: Vec<LogLine>, query: &Query, now: Timestamp) -> Result<String> {
    let number = |name: &str, least: i64| match query.get(name).filter(|text| !text.is_empty()) {
        None => Ok(None),
        Some(text) => match text.parse::<i64>() {
            Ok(number) if number >= least => Ok(Some(number)),
            Ok(_) => Err(Failure::bad_request(format!("{name} must be greater than or equal to {least}"))),
            Err(_) => Err(Failure::bad_request(format!("{name} is not a number: {text:?}"))),
        },
    };
    let since = match (number("sinceSeconds", 1)?, query.get("sinceTime").filter(|text| !text.is_empty())) {
        (Some(_), Some(_)) => return Err(Failure::bad_request("at most one of sinceTime or sinceSeconds may be specified")),
        (Some(seconds), None) => now.checked_sub(SignedDuration::from_secs(seconds)).ok(),
        (None, Some(text)) => Some(text.parse().map_err(|_| Failure::bad_request(format!("sinceTime is not a time: {text:?}")))?),
        (None, None) => None,
    };
    let mut lines: Vec<LogLine> = lines.into_iter().filter(|line| since.is_none_or(|since| line.at >= since)).collect();
    if let Some(tail) = number("tailLines", 0)? {
        let first = lines.len().saturating_sub(usize::try_from(tail).unwrap_or(usize::MAX));
        lines.drain(..first);
    }
    let timestamps = query.flag("timestamps");
    let mut text: String = lines.iter().map(|line| if timestamps { format!("{:.9} {}\n", line.at, line.text) } else { format!("{}\n", line.text) }).collect();
    if let Some(limit) = number("limitBytes", 1)? {
        let mut end = usize::try_from(limit).unwrap_or(usize::MAX).min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    Ok(text)
}
