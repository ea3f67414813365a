//! The live view of a rollout as lines: where it stands, new and old pods filling and draining, and who is in trouble.

use crate::render::account;
use crate::render::screen::{Text, Tone};
use crate::render::tree::{ASCII, Glyphs, UNICODE, mark};
use crate::render::words;
use crate::rollout::history::Revision;
use crate::rollout::status::{Phase, Pod, Status};

/// How many pods in trouble tell why in full; the others usually say the same.
const EXPLAINED: usize = 3;

/// One moment of a rollout that is followed.
#[derive(Clone, Debug)]
pub struct Scene<'a> {
    pub status: &'a Status,
    /// Tells the images that are being replaced; may be empty.
    pub history: &'a [Revision],
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

/// How many pods there are of each sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    ready: i64,
    starting: i64,
    /// Not ready, and in a state that says so: not yet doomed, as it may still pass.
    failing: i64,
    doomed: i64,
    old: i64,
    leaving: i64,
}

impl Counts {
    fn of(status: &Status) -> Self {
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
                (false, _) => counts.old += 1,
            }
        }
        counts
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
    lines.extend(pods(status, canvas));
    lines.iter().map(|line| line.cut(canvas.columns)).collect()
}

/// Several rollouts: a line each, and the reason below those in trouble.
pub fn summary_frame(scenes: &[Scene], canvas: Canvas) -> Vec<Text> {
    let widest = scenes.iter().map(|scene| words::width(&scene.status.target)).max().unwrap_or(0);
    let mut lines = Vec::new();
    for scene in scenes {
        let (status, counts) = (scene.status, Counts::of(scene.status));
        let word = account::phase_word(status.phase);
        let (sign, tone) = mark(status.complete, !status.doomed.is_empty() || matches!(status.phase, Phase::Stalled | Phase::Missing), canvas.glyphs());
        let bar = new_bar(counts, status.desired, (canvas.columns / 8).clamp(6, 20), canvas);
        let line = Text::of(tone, sign)
            .and(" ")
            .with(Tone::Name, words::pad(&status.target, widest))
            .and("  ")
            .with(Tone::of_state(word), format!("{word:<11}"))
            .and(" ")
            .with_all(bar)
            .and(" ")
            .with_all(new_words(counts, status.desired));
        lines.push(line);
        if let Some(pod) = status.doomed.first() {
            lines.push(Text::plain("    ").with_all(trouble(pod)));
        }
    }
    lines.iter().map(|line| line.cut(canvas.columns)).collect()
}

fn header(scene: &Scene, canvas: Canvas) -> Text {
    let status = scene.status;
    let word = account::phase_word(status.phase);
    let mut left = Text::of(Tone::Name, &status.target).and(format!(" in {}  ", status.namespace)).with(Tone::of_state(word), word);
    if let Some(revision) = status.revision {
        left.push(Tone::Plain, format!("  revision {revision}"));
    }
    let mut times = vec![words::duration(scene.elapsed_s.floor())];
    // The nearer of the two ends is the one that counts.
    let ends = [(scene.timeout_left_s, "gives up in"), (scene.progress_left_s, "deadline in")];
    let nearest = ends.into_iter().filter_map(|(left, what)| Some((left?, what))).min_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((left, what)) = nearest.filter(|_| !status.complete) {
        times.push(format!("{what} {}", words::duration(left.max(0.0).ceil())));
    }
    let right = times.join(", ");
    let gap = canvas.columns.saturating_sub(left.width() + words::width(&right)).max(2);
    left.and(" ".repeat(gap)).with(Tone::Dim, right)
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

/// Cells of a bar; narrow terminals get a narrow bar, and a few pods get few cells, each pod the same number.
fn cells(desired: i64, canvas: Canvas) -> usize {
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

fn new_bar(counts: Counts, desired: i64, cells: usize, canvas: Canvas) -> Text {
    let [ready, starting] = if canvas.unicode { ["█", "▒"] } else { ["#", "="] };
    bar(
        &[(counts.ready, Tone::Good, ready), (counts.starting, Tone::Watch, starting), (counts.failing, Tone::Bad, "?"), (counts.doomed, Tone::Bad, "!")],
        desired,
        cells,
        canvas,
    )
}

fn old_bar(counts: Counts, desired: i64, cells: usize, canvas: Canvas) -> Text {
    let [old, leaving] = if canvas.unicode { ["█", "▒"] } else { ["#", "="] };
    bar(&[(counts.old, Tone::Plain, old), (counts.leaving, Tone::Dim, leaving)], desired, cells, canvas)
}

fn new_words(counts: Counts, desired: i64) -> Text {
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

fn old_words(counts: Counts) -> Text {
    match (counts.old, counts.leaving) {
        (0, 0) => Text::of(Tone::Dim, "none left"),
        (old, 0) => Text::plain(format!("{old} left")),
        (0, leaving) => Text::of(Tone::Dim, format!("{leaving} terminating")),
        (old, leaving) => Text::plain(format!("{old} left")).with(Tone::Dim, format!(", {leaving} terminating")),
    }
}

fn pods(status: &Status, canvas: Canvas) -> Vec<Text> {
    let mut pods: Vec<&Pod> = status.pods.iter().collect();
    // Those in trouble first, as the end of a long list is cut off.
    let rank = |pod: &Pod| match (is_doomed(pod, status), is_new(pod, status), pod.ready) {
        (true, ..) => 0,
        (_, true, false) if is_failing(pod) => 1,
        (_, true, false) => 2,
        (_, true, true) => 3,
        (_, false, _) if pod.status == "Terminating" => 5,
        _ => 4,
    };
    pods.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name)));
    let name = pods.iter().map(|pod| words::width(&pod.name)).max().unwrap_or(0);
    let revision = pods.iter().map(|pod| number(pod).len()).max().unwrap_or(0);
    let state = pods.iter().map(|pod| words::width(&pod.status)).max().unwrap_or(0);
    let (mut lines, mut explained) = (Vec::new(), 0);
    for pod in pods {
        let doomed = is_doomed(pod, status);
        let (sign, tone) = mark(pod.ready, doomed, canvas.glyphs());
        let beside = if is_new(pod, status) { Tone::Plain } else { Tone::Dim };
        let mut line = Text::of(tone, format!("  {sign} "))
            .with(beside, format!("{}  {:<revision$}  ", words::pad(&pod.name, name), number(pod)))
            .with(Tone::of_state(&pod.status), words::pad(&pod.status, state))
            .with(Tone::Dim, format!("  {:>4}", words::age(pod.age_s)));
        if pod.restarts > 0 {
            line.push(Tone::Watch, format!("  {}", words::count(pod.restarts, "restart")));
        }
        if pod.status == "Running" && !pod.ready {
            line.push(Tone::Watch, "  not ready");
        }
        lines.push(line);
        if (doomed || is_failing(pod)) && explained < EXPLAINED {
            explained += 1;
            let told = status.doomed.iter().find(|doomed| doomed.name == pod.name).unwrap_or(pod);
            // The line above shows the same word; what stands below must add something.
            let reason = told.reason.as_deref().filter(|reason| *reason != pod.status);
            if reason.is_some() || told.message.is_some() {
                lines.push(Text::plain("      ").with_all(why(told, reason)));
            }
        }
    }
    lines
}

fn number(pod: &Pod) -> String {
    pod.revision.map_or("?".to_owned(), |revision| format!("#{revision}"))
}

fn trouble(pod: &Pod) -> Text {
    Text::plain(format!("{} ", pod.name)).with_all(why(pod, Some(pod.reason.as_deref().unwrap_or(&pod.status))))
}

/// Reason and message on one line. The kubelet repeats the pod's full name and uid, which the line above says.
fn why(pod: &Pod, reason: Option<&str>) -> Text {
    let mut text = Text::of(Tone::Bad, reason.unwrap_or_default());
    if let Some(message) = &pod.message {
        let is_identity = |word: &&str| word.starts_with("pod=") && word.contains(pod.name.as_str());
        let message = message.split_whitespace().filter(|word| !is_identity(word)).collect::<Vec<_>>().join(" ");
        text.push(Tone::Plain, if reason.is_some() { format!(": {message}") } else { message });
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::account::tests::{pod, progressing, revision};

    fn drawn(scene: &Scene, columns: usize, unicode: bool) -> String {
        let lines = rollout_frame(scene, Canvas { columns, unicode });
        assert!(lines.iter().all(|line| line.width() <= columns));
        assert_eq!(lines.iter().all(|line| line.words().is_ascii()), !unicode);
        Text::of_lines(lines).words()
    }

    fn history() -> [Revision; 2] {
        [revision(4, "web-5fc8c66687", "shop/web:8", 2, 2, false), revision(5, "web-876bbd6c5", "shop/web:9", 2, 0, true)]
    }

    #[test]
    fn a_rollout_in_trouble_can_be_read_without_a_manual() {
        let crash = Pod {
            message: Some("back-off 10s restarting failed container=web pod=web-876bbd6c5-fcq92_shop(016709db-2c08)".to_owned()),
            ..pod("web-876bbd6c5-fcq92", 5, "CrashLoopBackOff", 3)
        };
        let (old, leaving) =
            (pod("web-5fc8c66687-2845m", 4, "Running", 0), Pod { status: "Terminating".to_owned(), ..pod("web-5fc8c66687-j9wvn", 4, "Running", 0) });
        let status = progressing(vec![old, leaving, pod("web-876bbd6c5-aaaaa", 5, "ContainerCreating", 0), crash.clone()], vec![crash]);
        let history = history();
        let scene = Scene { status: &status, history: &history, elapsed_s: 12.7, timeout_left_s: Some(587.3), progress_left_s: Some(600.0) };
        assert_eq!(
            drawn(&scene, 80, true),
            "deployment/web in shop  progressing  revision 5           12s, gives up in 9m48s
  web shop/web:8 → shop/web:9
  Waiting for deployment \"web\" rollout to finish: 1 out of 3 new replicas have
  been updated...
  new ▒▒▒▒▒▒▒▒▒▒▒▒!!!!!!!!!!!!░░░░░░░░░░░░  0/3 ready, 1 starting, 1 doomed
  old ████████████▒▒▒▒▒▒▒▒▒▒▒▒░░░░░░░░░░░░  1 left, 1 terminating
  ! web-876bbd6c5-fcq92   #5  CrashLoopBackOff    12s  3 restarts
      back-off 10s restarting failed container=web
  ○ web-876bbd6c5-aaaaa   #5  ContainerCreating   12s
  ● web-5fc8c66687-2845m  #4  Running             12s
  ● web-5fc8c66687-j9wvn  #4  Terminating         12s
"
        );
        let ascii = drawn(&scene, 60, false);
        assert!(ascii.contains("  new ====!!!!....  0/3 ready, 1 starting, 1 doomed") || ascii.contains("  new =====!!!!!.....  0/3"), "{ascii}");
    }

    #[test]
    fn a_pod_that_fails_but_may_still_pass_is_told_apart() {
        let failing = pod("web-a", 5, "ImagePullBackOff", 0);
        let waiting = Pod { ready: false, ..pod("web-b", 5, "Running", 0) };
        let status = progressing(vec![waiting, failing], Vec::new());
        let scene = Scene { status: &status, history: &[], elapsed_s: 1.0, timeout_left_s: None, progress_left_s: Some(30.2) };
        let text = drawn(&scene, 100, false);
        for line in [
            "1s, deadline in 31s\n",
            "  new =============?????????????.............  0/3 ready, 1 starting, 1 failing\n",
            "  o web-a  #5  ImagePullBackOff   12s\n      Back-off pulling image \"shop/web:9\"\n  o web-b  #5  Running            12s  not ready\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }

    #[test]
    fn a_rollout_that_is_done_says_so_and_waits_for_nothing() {
        let mut status = progressing((0..3).map(|nth| pod(&format!("web-{nth}"), 5, "Running", 0)).collect(), Vec::new());
        status.phase = Phase::Complete;
        status.complete = true;
        status.message = "deployment \"web\" successfully rolled out".to_owned();
        let scene = Scene { status: &status, history: &[], elapsed_s: 65.0, timeout_left_s: Some(10.0), progress_left_s: None };
        assert_eq!(
            drawn(&scene, 60, true),
            "deployment/web in shop  complete  revision 5            1m5s
  web shop/web:9
  deployment \"web\" successfully rolled out
  new ███████████████  3/3 ready
  old ░░░░░░░░░░░░░░░  none left
  ● web-0  #5  Running   12s
  ● web-1  #5  Running   12s
  ● web-2  #5  Running   12s
"
        );
    }

    #[test]
    fn a_bar_is_full_only_when_everything_is_there() {
        let canvas = Canvas { columns: 80, unicode: false };
        for (ready, starting, doomed, desired, shown) in [
            (0, 0, 0, 3, "...................................."),
            (3, 0, 0, 3, "####################################"),
            (1, 0, 0, 1000, "#..................................."),
            (999, 0, 0, 1000, "###################################."),
            (999, 0, 1, 1000, "###################################!"),
            (2, 2, 0, 3, "##################=================="),
            (0, 0, 0, 0, "...................................."),
        ] {
            let counts = Counts { ready, starting, doomed, ..Counts::default() };
            assert_eq!(new_bar(counts, desired, cells(desired, canvas), canvas).words(), shown, "{ready} {starting} {doomed} of {desired}");
        }
    }

    #[test]
    fn several_rollouts_take_a_line_each() {
        let bad = pod("web-a", 5, "ImagePullBackOff", 0);
        let one = progressing(vec![bad.clone()], vec![bad]);
        let mut two = progressing(vec![pod("db-0", 5, "Running", 0)], Vec::new());
        (two.target, two.desired, two.phase, two.complete) = ("statefulset/db".to_owned(), 1, Phase::Complete, true);
        let scenes = [&one, &two].map(|status| Scene { status, history: &[], elapsed_s: 1.0, timeout_left_s: None, progress_left_s: None });
        assert_eq!(
            Text::of_lines(summary_frame(&scenes, Canvas { columns: 80, unicode: false })).words(),
            "! deployment/web  progressing !!!....... 0/3 ready, 1 doomed
    web-a ImagePullBackOff: Back-off pulling image \"shop/web:9\"
* statefulset/db  complete    ########## 1/1 ready
"
        );
    }
}
