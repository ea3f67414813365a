//! The live view of a rollout as lines: where it stands, new and old pods filling and draining, and who is in trouble.

mod bar;
#[cfg(test)]
mod tests;

use bar::{Counts, cells, new_bar, new_words, old_bar, old_words};

use crate::render::account;
use crate::render::screen::{Text, Tone};
use crate::render::tree::{ASCII, Glyphs, UNICODE, mark};
use crate::render::words;
use crate::rollout::history::Revision;
use crate::rollout::status::{Phase, Pod, Status};

/// How many pods in trouble tell why; the others usually say the same.
const EXPLAINED: usize = 3;

/// How many lines an explanation may take: the kubelet's are long, and what matters stands at both ends.
const EXPLANATION: usize = 2;

/// How many columns a pod's line needs beside the name: sign, revision, a state and an age.
const BESIDE_A_NAME: usize = 30;

/// One moment of a rollout that is followed.
#[derive(Clone, Debug)]
pub struct Scene<'a> {
    pub status: &'a Status,
    /// Tells the images that are being replaced; may be empty.
    pub history: &'a [Revision],
    /// The pod that keeps a StatefulSet from going on, if one does.
    pub held_by: Option<&'a str>,
    pub elapsed_s: f64,
    /// Until whoever waits gives up; `None`: never.
    pub timeout_left_s: Option<f64>,
    /// Until the cluster calls the rollout stalled; `None`: not known.
    pub progress_left_s: Option<f64>,
}

/// What can be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Canvas {
    pub columns: usize,
    /// `false`: ASCII only.
    pub unicode: bool,
}

impl Canvas {
    fn glyphs(self) -> &'static Glyphs {
        if self.unicode { &UNICODE } else { &ASCII }
    }
}

fn is_new(pod: &Pod, status: &Status) -> bool {
    pod.revision.is_some() && pod.revision == status.revision
}

fn is_doomed(pod: &Pod, status: &Status) -> bool {
    status.doomed.iter().any(|doomed| doomed.name == pod.name)
}

fn is_failing(pod: &Pod) -> bool {
    !pod.ready && Tone::of_state(&pod.status) == Tone::Bad
}

/// A rollout in full: header, kubectl's sentence, two bars, a line for each pod (those in trouble first).
pub fn rollout_frame(scene: &Scene, canvas: Canvas) -> Vec<Text> {
    let status = scene.status;
    let mut lines = vec![header(scene, canvas)];
    if let Some(images) = images(scene, canvas) {
        lines.push(Text::plain("  ").with_all(images));
    }
    // kubectl's sentence is a little longer than 80 columns.
    lines.extend(words::wrap(&status.message, canvas.columns.saturating_sub(2)).into_iter().map(|line| Text::plain(format!("  {line}"))));
    if status.phase == Phase::Paused {
        let text = format!("nothing is replaced until resume(\"{}\")", status.target);
        lines.push(Text::of(Tone::Watch, format!("  {}", words::cut(&text, canvas.columns.saturating_sub(2)))));
    }
    if status.phase != Phase::Missing {
        let counts = Counts::of(status);
        lines.push(
            Text::plain("  new ")
                .with_all(new_bar(counts, status.desired, cells(status.desired, canvas), canvas))
                .and("  ")
                .with_all(new_words(counts, status.desired)),
        );
        lines
            .push(Text::plain("  old ").with_all(old_bar(counts, status.desired, cells(status.desired, canvas), canvas)).and("  ").with_all(old_words(counts)));
    }
    lines.extend(pods(scene, canvas));
    lines.iter().map(|line| line.cut(canvas.columns)).collect()
}

/// Several rollouts: how many are complete, a line each, and the reason below those in trouble.
pub fn summary_frame(scenes: &[Scene], canvas: Canvas) -> Vec<Text> {
    let widest = scenes.iter().map(|scene| words::width(&scene.status.target)).max().unwrap_or(0);
    let complete = scenes.iter().filter(|scene| scene.status.complete).count();
    let mut lines = vec![spread(Text::of(Tone::Strong, format!("{complete} of {} complete", scenes.len())), times(scenes), canvas)];
    for scene in scenes {
        let (status, counts) = (scene.status, Counts::of(scene.status));
        let word = account::phase_word(status.phase);
        let (sign, tone) = mark(status.complete, !status.doomed.is_empty() || matches!(status.phase, Phase::Stalled | Phase::Missing), canvas.glyphs());
        let bar = new_bar(counts, status.desired, (canvas.columns / 8).clamp(6, 20), canvas);
        let mut line = Text::of(tone, sign)
            .and(" ")
            .with(Tone::Name, words::pad(&status.target, widest))
            .and("  ")
            .with(Tone::of_state(word), format!("{word:<11}"))
            .and(" ")
            .with_all(bar)
            .and(" ")
            .with_all(new_words(counts, status.desired));
        let old = counts.old + counts.old_failing;
        if old > 0 {
            line.push(Tone::Dim, format!(", {old} old left"));
        }
        lines.push(line);
        if let Some(pod) = status.doomed.first() {
            let text = format!("{}: {}", pod.name, told(pod, Some(pod.reason.as_deref().unwrap_or(&pod.status))));
            lines.push(Text::of(Tone::Bad, format!("    {}", words::squeeze(&text, canvas.columns.saturating_sub(4)))));
        }
    }
    lines.iter().map(|line| line.cut(canvas.columns)).collect()
}

/// How long it takes so far, and the nearest of the ends that it has: that is the one that counts.
fn times(scenes: &[Scene]) -> String {
    let open = || scenes.iter().filter(|scene| !scene.status.complete);
    let ends = open().flat_map(|scene| [(scene.timeout_left_s, "wait ends in"), (scene.progress_left_s, "deadline in")]);
    let nearest = ends.filter_map(|(left, what)| Some((left?, what))).min_by(|a, b| a.0.total_cmp(&b.0));
    let elapsed = words::duration(scenes.iter().map(|scene| scene.elapsed_s).fold(0.0, f64::max).floor());
    match nearest {
        Some((left, what)) => format!("{elapsed}, {what} {}", words::duration(left.max(0.0).ceil())),
        None => elapsed,
    }
}

/// One text at each edge.
fn spread(left: Text, right: String, canvas: Canvas) -> Text {
    let gap = canvas.columns.saturating_sub(left.width() + words::width(&right)).max(2);
    left.and(" ".repeat(gap)).with(Tone::Dim, right)
}

/// Target, phase and revision, and the times at the right edge. Where it is narrow, what is not new goes first.
fn header(scene: &Scene, canvas: Canvas) -> Text {
    let status = scene.status;
    let word = account::phase_word(status.phase);
    let right = times(std::slice::from_ref(scene));
    let left = |namespace: bool, revision: bool| {
        let place = if namespace { format!(" in {}", status.namespace) } else { String::new() };
        let text = Text::of(Tone::Name, &status.target).and(format!("{place}  ")).with(Tone::of_state(word), word);
        match status.revision.filter(|_| revision) {
            Some(revision) => text.and(format!("  revision {revision}")),
            None => text,
        }
    };
    let room = canvas.columns.saturating_sub(words::width(&right) + 2);
    let forms = [(true, true), (true, false), (false, false)].map(|(namespace, revision)| left(namespace, revision));
    match forms.into_iter().find(|form| form.width() <= room) {
        Some(form) => spread(form, right, canvas),
        None => left(false, false).with(Tone::Dim, format!("  {right}")),
    }
}

/// `web shop/web:8 → shop/web:9` for each container whose image changes, else the images that there are.
fn images(scene: &Scene, canvas: Canvas) -> Option<Text> {
    let status = scene.status;
    if status.images.is_empty() {
        return None;
    }
    // What is being replaced is what most of the old pods run: the newest other revision that still has pods.
    let has_pods = |it: &&Revision| it.replicas > 0 || status.pods.iter().any(|pod| pod.revision == Some(it.revision));
    let before = scene.history.iter().rev().filter(|it| !it.current && Some(it.revision) != status.revision).find(has_pods);
    let mut text = Text::new();
    for (nth, (container, image)) in status.images.iter().enumerate() {
        let image = image.as_str().unwrap_or_default();
        let was = before.and_then(|it| it.images.get(container)).and_then(|image| image.as_str()).filter(|was| *was != image);
        text.push(Tone::Plain, if nth > 0 { "  " } else { "" });
        text.push(Tone::Dim, format!("{container} "));
        if let Some(was) = was {
            text.push(Tone::Dim, format!("{was} {} ", canvas.glyphs().arrow));
        }
        text.push(Tone::Strong, image);
    }
    Some(text)
}

fn pods(scene: &Scene, canvas: Canvas) -> Vec<Text> {
    let (status, holding) = (scene.status, scene.held_by);
    let mut pods: Vec<&Pod> = status.pods.iter().collect();
    // Those in trouble first, as the end of a long list is cut off.
    let rank = |pod: &Pod| match (is_doomed(pod, status), is_new(pod, status), pod.ready) {
        (true, ..) => 0,
        _ if holding == Some(pod.name.as_str()) => 0,
        (_, true, false) if is_failing(pod) => 1,
        (_, true, false) => 2,
        (_, true, true) => 3,
        (_, false, _) if pod.status == "Terminating" => 5,
        _ => 4,
    };
    pods.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name)));
    let room = canvas.columns.saturating_sub(BESIDE_A_NAME).max(8);
    let name = pods.iter().map(|pod| words::width(&pod.name).min(room)).max().unwrap_or(0);
    let revision = pods.iter().map(|pod| number(pod).len()).max().unwrap_or(0);
    let state = pods.iter().map(|pod| words::width(&pod.status)).max().unwrap_or(0);
    let (mut lines, mut explained) = (Vec::new(), 0);
    for pod in pods {
        let (doomed, holds) = (is_doomed(pod, status), holding == Some(pod.name.as_str()));
        let (sign, tone) = sign(pod, doomed || holds, canvas);
        let (kind, tone_of_name) = if is_new(pod, status) { ("new", Tone::Plain) } else { ("old", Tone::Dim) };
        let mut line = Text::of(tone, format!("  {sign} "))
            .with(tone_of_name, format!("{}  {kind} {:<revision$}  ", words::pad(&words::cut_start(&pod.name, room), name), number(pod)))
            .with(Tone::of_state(&pod.status), words::pad(&pod.status, state))
            .with(Tone::Dim, format!("  {:>4}", words::age(pod.age_s)));
        if pod.restarts > 0 {
            line.push(Tone::Watch, format!("  {}", words::count(pod.restarts, "restart")));
        }
        if pod.status == "Running" && !pod.ready {
            line.push(Tone::Watch, "  not ready");
        }
        lines.push(line);
        if (doomed || holds || is_failing(pod)) && explained < EXPLAINED {
            explained += 1;
            let it = status.doomed.iter().find(|doomed| doomed.name == pod.name).unwrap_or(pod);
            // The line above shows the same word; what stands below must add something.
            let reason = it.reason.as_deref().filter(|reason| *reason != pod.status);
            lines.extend(explanation(it, reason, canvas));
        }
        if holds {
            let text = format!("in its order the StatefulSet waits for this pod; unstick(\"sts/{}\") deletes it", status.name);
            lines.extend(words::wrap(&text, canvas.columns.saturating_sub(6)).into_iter().map(|line| Text::of(Tone::Watch, format!("      {line}"))));
        }
    }
    lines
}

/// What stands before a pod; the bars use the same signs.
fn sign(pod: &Pod, doomed: bool, canvas: Canvas) -> (&'static str, Tone) {
    match () {
        () if doomed => mark(false, true, canvas.glyphs()),
        () if pod.status == "Terminating" => (if canvas.unicode { "◌" } else { "-" }, Tone::Dim),
        () if is_failing(pod) => ("?", Tone::Bad),
        () => mark(pod.ready, false, canvas.glyphs()),
    }
}

fn number(pod: &Pod) -> String {
    pod.revision.map_or("?".to_owned(), |revision| format!("#{revision}"))
}

/// Why a pod is in trouble, on a few lines below it.
fn explanation(pod: &Pod, reason: Option<&str>, canvas: Canvas) -> Vec<Text> {
    let room = canvas.columns.saturating_sub(6).max(20);
    let text = told(pod, reason);
    // A word that goes to the next line leaves a gap.
    let text = if words::width(&text) > room { words::squeeze(&text, room * EXPLANATION - room / 4) } else { text };
    let wrapped = words::wrap(&text, room).into_iter().filter(|line| !line.is_empty());
    wrapped.map(|line| Text::of(Tone::Bad, format!("      {line}"))).collect()
}

/// Reason and message, in one line.
fn told(pod: &Pod, reason: Option<&str>) -> String {
    let message = pod.message.as_deref().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    match (reason, message.is_empty()) {
        (Some(reason), true) => reason.to_owned(),
        (Some(reason), false) => format!("{reason}: {message}"),
        (None, _) => message,
    }
}
