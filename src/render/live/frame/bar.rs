//! The two bars of a rollout, new pods filling and old ones draining, and the words beside them.

use super::{Canvas, is_doomed, is_failing, is_new};
use crate::render::screen::{Text, Tone};
use crate::rollout::status::Status;

/// How many pods there are of each sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub ready: i64,
    pub starting: i64,
    /// Not ready, and in a state that says so: not yet doomed, as it may still pass.
    pub failing: i64,
    pub doomed: i64,
    pub old: i64,
    /// Of the old template and in a state that says that it is not ready.
    pub old_failing: i64,
    pub leaving: i64,
}

impl Counts {
    pub fn of(status: &Status) -> Self {
        if status.pods.is_empty() {
            let ready = status.available.min(status.updated);
            return Self { ready, starting: status.updated - ready, old: status.old, ..Self::default() };
        }
        let mut counts = Self::default();
        for pod in &status.pods {
            let leaving = pod.status == "Terminating";
            match (is_new(pod, status), is_doomed(pod, status)) {
                (true, true) => counts.doomed += 1,
                (true, false) if leaving => counts.leaving += 1,
                (true, false) if pod.ready => counts.ready += 1,
                (true, false) if is_failing(pod) => counts.failing += 1,
                (true, false) => counts.starting += 1,
                (false, _) if leaving => counts.leaving += 1,
                (false, _) if is_failing(pod) => counts.old_failing += 1,
                (false, _) => counts.old += 1,
            }
        }
        counts
    }
}

/// Cells of a bar; narrow terminals get a narrow bar, and a few pods get few cells, each pod the same number.
pub(super) fn cells(desired: i64, canvas: Canvas) -> usize {
    let room = canvas.columns.saturating_sub(44).clamp(8, 40);
    let desired = usize::try_from(desired.max(1)).unwrap_or(usize::MAX);
    if desired >= room { room } else { room / desired * desired }
}

/// A bar of parts; a part that is there at all has at least one cell, and the bar is full only when the parts make up the whole.
fn bar(parts: &[(i64, Tone, &str)], whole: i64, cells: usize, canvas: Canvas) -> Text {
    let total: i64 = parts.iter().map(|(count, ..)| count).sum();
    let scale = whole.max(total).max(1) as usize;
    let (mut text, mut used, mut before) = (Text::new(), 0, 0);
    for (count, tone, glyph) in parts.iter().filter(|(count, ..)| *count > 0) {
        before += *count as usize;
        let end = (before * cells / scale).max(used + 1).min(cells);
        text.push(*tone, glyph.repeat(end - used));
        used = end;
    }
    text.with(Tone::Dim, if canvas.unicode { "░" } else { "." }.repeat(cells - used))
}

pub(super) fn new_bar(counts: Counts, desired: i64, cells: usize, canvas: Canvas) -> Text {
    let [ready, starting] = if canvas.unicode { ["█", "▒"] } else { ["#", "="] };
    bar(
        &[(counts.ready, Tone::Good, ready), (counts.starting, Tone::Watch, starting), (counts.failing, Tone::Bad, "?"), (counts.doomed, Tone::Bad, "!")],
        desired,
        cells,
        canvas,
    )
}

pub(super) fn old_bar(counts: Counts, desired: i64, cells: usize, canvas: Canvas) -> Text {
    let [old, leaving] = if canvas.unicode { ["█", "▒"] } else { ["#", "="] };
    bar(&[(counts.old, Tone::Plain, old), (counts.old_failing, Tone::Bad, "?"), (counts.leaving, Tone::Dim, leaving)], desired, cells, canvas)
}

pub(super) fn new_words(counts: Counts, desired: i64) -> Text {
    let mut text = Text::plain(format!("{}/{desired} ready", counts.ready));
    if counts.starting > 0 {
        text.push(Tone::Watch, format!(", {} starting", counts.starting));
    }
    if counts.failing > 0 {
        text.push(Tone::Bad, format!(", {} failing", counts.failing));
    }
    if counts.doomed > 0 {
        text.push(Tone::Bad, format!(", {} doomed", counts.doomed));
    }
    text
}

pub(super) fn old_words(counts: Counts) -> Text {
    let left = counts.old + counts.old_failing;
    if left + counts.leaving == 0 {
        return Text::of(Tone::Dim, "none left");
    }
    let mut parts: Vec<(Tone, String)> = Vec::new();
    if left > 0 {
        parts.push((Tone::Plain, format!("{left} left")));
    }
    if counts.old_failing > 0 {
        parts.push((Tone::Bad, format!("{} failing", counts.old_failing)));
    }
    if counts.leaving > 0 {
        parts.push((Tone::Dim, format!("{} terminating", counts.leaving)));
    }
    let mut text = Text::new();
    for (nth, (tone, part)) in parts.into_iter().enumerate() {
        text.push(Tone::Plain, if nth > 0 { ", " } else { "" });
        text.push(tone, part);
    }
    text
}
