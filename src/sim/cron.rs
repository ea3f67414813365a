//! Cron schedules: five fields, `@hourly` and the like, or `@every 90m`, to the next moment in a time zone.

use std::num::{IntErrorKind, ParseIntError};

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::sim::custom::cel;

/// A parsed schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Schedule {
    Fields(Fields),
    /// Whole seconds from one moment to the next.
    Every(i64),
}

/// One bit for each value that a field may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Where both day fields are restricted, one of them suffices.
    any_day: bool,
}

/// How far ahead a next moment is looked for: 29 February comes within eight years.
const HORIZON_DAYS: i64 = 366 * 8;

impl Schedule {
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(delay) = text.strip_prefix("@every ") {
            let delay = cel::duration(delay).ok_or_else(|| format!("failed to parse duration {text}: time: invalid duration {delay:?}"))?;
            return Ok(Self::Every(delay.as_secs().max(1)));
        }
        let text = match text {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            text if text.starts_with('@') => return Err(format!("unrecognized descriptor: {text}")),
            text => text,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
        };
        const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
        const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
        let restricted = |field: &str| !field.starts_with('*') && !field.starts_with('?');
        Ok(Self::Fields(Fields {
            minutes: field(minutes, 0, 59, &[])?,
            hours: field(hours, 0, 23, &[])?,
            days: field(days, 1, 31, &[])?,
            months: field(months, 1, 12, &MONTHS)?,
            weekdays: field(weekdays, 0, 6, &WEEKDAYS)?,
            any_day: restricted(days) && restricted(weekdays),
        }))
    }

    /// The first moment after `after`.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match self {
            Self::Fields(fields) => fields.next(after, zone),
            Self::Every(seconds) => Timestamp::from_second(after.as_second().checked_add(*seconds)?).ok(),
        }
    }

    /// The last moment that is not after `now` and is after `since`.
    pub fn latest(&self, since: Timestamp, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        // From a short time back, so that a schedule that was missed for months is not counted through.
        let mut window = SignedDuration::from_mins(2);
        loop {
            let start = now.saturating_sub(window).unwrap_or(since).max(since);
            let mut latest = None;
            let mut at = start;
            while let Some(next) = self.next(at, zone).filter(|next| *next <= now) {
                latest = Some(next);
                at = next;
            }
            if latest.is_some() || start == since {
                return latest;
            }
            window = window.saturating_mul(30);
        }
    }
}

impl Fields {
    fn has_day(&self, date: Date) -> bool {
        let day = self.days & (1 << date.day()) != 0;
        let weekday = self.weekdays & (1 << date.weekday().to_sunday_zero_offset()) != 0;
        self.months & (1 << date.month()) != 0 && if self.any_day { day || weekday } else { day && weekday }
    }

    fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let mut date = after.to_zoned(zone.clone()).date();
        for _ in 0..HORIZON_DAYS {
            if self.has_day(date) {
                for hour in (0..24).filter(|hour| self.hours & (1 << hour) != 0) {
                    for minute in (0..60).filter(|minute| self.minutes & (1 << minute) != 0) {
                        let time = Time::new(hour, minute, 0, 0).ok()?;
                        let at = date.to_datetime(time).to_zoned(zone.clone()).ok()?.timestamp();
                        if at > after {
                            return Some(at);
                        }
                    }
                }
            }
            date = date.checked_add(1.day()).ok()?;
        }
        None
    }
}

fn field(text: &str, least: u32, most: u32, names: &[&str]) -> Result<u64, String> {
    text.split(',').filter(|part| !part.is_empty()).try_fold(0, |bits, part| Ok(bits | range(part, least, most, names)?))
}

/// The values of one range, in the order of robfig/cron's checks and in its words.
fn range(text: &str, least: u32, most: u32, names: &[&str]) -> Result<u64, String> {
    let number = |text: &str| -> Result<u32, String> {
        if let Some(at) = names.iter().position(|name| text.eq_ignore_ascii_case(name)) {
            return Ok(u32::try_from(at).unwrap_or(0) + least);
        }
        text.parse().map_err(|error: ParseIntError| {
            let why = if *error.kind() == IntErrorKind::PosOverflow { "value out of range" } else { "invalid syntax" };
            format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: {why}")
        })
    };
    let parts: Vec<&str> = text.split('/').collect();
    let (first, last) = match parts[0].split('-').collect::<Vec<_>>().as_slice() {
        ["*" | "?", ..] => (least, most),
        [one] => (number(one)?, if parts.len() > 1 { most } else { number(one)? }),
        [first, last] => (number(first)?, number(last)?),
        _ => return Err(format!("too many hyphens: {text}")),
    };
    let step = match parts.as_slice() {
        [_] => 1,
        [_, step] => number(step)?,
        _ => return Err(format!("too many slashes: {text}")),
    };
    // Sunday may be written as 7 by nobody: the real parser refuses it as well.
    if first < least {
        return Err(format!("beginning of range ({first}) below minimum ({least}): {text}"));
    }
    if last > most {
        return Err(format!("end of range ({last}) above maximum ({most}): {text}"));
    }
    if first > last {
        return Err(format!("beginning of range ({first}) beyond end of range ({last}): {text}"));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {text}"));
    }
    Ok((first..=last).step_by(usize::try_from(step).unwrap_or(1)).fold(0, |bits, value| bits | 1 << value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_come_due_as_crontabs_say() {
        let after: Timestamp = "2026-11-23T10:07:30Z".parse().expect("a time");
        for (schedule, next) in [
            ("* * * * *", "2026-11-23T10:08:00Z"),
            ("*/15 * * * *", "2026-11-23T10:15:00Z"),
            ("@hourly", "2026-11-23T11:00:00Z"),
            ("30 9 * * *", "2026-11-24T09:30:00Z"),
            ("0 0 1 * *", "2026-12-01T00:00:00Z"),
            ("0 12 * * sat,SUN", "2026-11-28T12:00:00Z"),
            ("0 0 13 * 5", "2026-11-27T00:00:00Z"),
            ("0 0 29 2 *", "2028-02-29T00:00:00Z"),
            ("1,,2 * * * *", "2026-11-23T11:01:00Z"),
            ("@every 90m", "2026-11-23T11:37:30Z"),
        ] {
            assert_eq!(Schedule::parse(schedule).expect("a schedule").next(after, &TimeZone::UTC).expect("a time").to_string(), next, "{schedule}");
        }
        for wrong in ["* * * *", "60 * * * *", "* * * * 7", "a * * * *", "*/0 * * * *", "5-1 * * * *", "@every x", "@never"] {
            assert!(Schedule::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_latest_missed_moment_counts() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let hourly = Schedule::parse("@hourly").expect("a schedule");
        assert_eq!(hourly.latest(at("2026-01-01T00:00:00Z"), at("2026-11-23T10:07:30Z"), &TimeZone::UTC), Some(at("2026-11-23T10:00:00Z")));
        assert_eq!(hourly.latest(at("2026-11-23T10:01:00Z"), at("2026-11-23T10:07:30Z"), &TimeZone::UTC), None);
    }
}
