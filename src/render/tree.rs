//! A workload, its revisions and their pods with their state, as one picture.
//!
//! The same as nested maps is made where functions are: this is only the drawing.

use super::account;
use super::screen::{Text, Tone};
use super::words;
use crate::rollout::history::Revision;
use crate::rollout::status::{Pod, Status};

/// A workload as a tree: the newest revision first, as that is where things happen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    /// `deployment/web`.
    pub target: String,
    pub ready: i64,
    pub desired: i64,
    pub phase: String,
    pub branches: Vec<Branch>,
}

/// A revision with its pods.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Branch {
    /// `None`: pods of no known revision.
    pub revision: Option<i64>,
    /// The ReplicaSet or ControllerRevision.
    pub owner: String,
    pub ready: i64,
    pub replicas: i64,
    pub images: String,
    pub change_cause: Option<String>,
    pub current: bool,
    pub pods: Vec<Leaf>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Leaf {
    pub name: String,
    pub status: String,
    pub ready: bool,
    pub restarts: i64,
    pub age_s: i64,
    /// Why it is not ready, as far as the status does not say it.
    pub message: Option<String>,
    /// It will not become ready by itself.
    pub doomed: bool,
}

impl Tree {
    /// The tree of a status and a history of the same moment.
    pub fn of(status: &Status, revisions: &[Revision]) -> Self {
        let leaves = |number: Option<i64>| -> Vec<Leaf> {
            let mut leaves: Vec<Leaf> = status.pods.iter().filter(|pod| pod.revision == number).map(|pod| Leaf::of(pod, status)).collect();
            leaves.sort_by(|a, b| a.name.cmp(&b.name));
            leaves
        };
        let mut branches: Vec<Branch> = revisions
            .iter()
            .rev()
            .map(|it| Branch {
                revision: Some(it.revision),
                owner: it.owner.clone(),
                ready: it.ready,
                replicas: it.replicas,
                images: account::images(&it.images),
                change_cause: it.change_cause.clone(),
                current: it.current,
                pods: leaves(Some(it.revision)),
            })
            .collect();
        // Pods whose revision was cleaned up, or is not known yet, are there all the same.
        let known = |pod: &&Pod| revisions.iter().any(|it| Some(it.revision) == pod.revision);
        let strangers: Vec<&Pod> = status.pods.iter().filter(|pod| !known(pod)).collect();
        if !strangers.is_empty() {
            let pods: Vec<Leaf> = strangers.iter().map(|pod| Leaf::of(pod, status)).collect();
            let ready = pods.iter().filter(|pod| pod.ready).count() as i64;
            branches.push(Branch { owner: "of no known revision".to_owned(), ready, replicas: pods.len() as i64, pods, ..Branch::default() });
        }
        Self { target: status.target.clone(), ready: status.ready, desired: status.desired, phase: account::phase_word(status.phase).to_owned(), branches }
    }

    /// The picture, a line each, cut to `columns`; `unicode: false` draws with ASCII.
    pub fn draw(&self, columns: usize, unicode: bool) -> Vec<Text> {
        let glyphs = if unicode { &UNICODE } else { &ASCII };
        let mut lines = vec![
            Text::of(Tone::Name, &self.target)
                .and("  ")
                .with(if self.ready < self.desired { Tone::Watch } else { Tone::Plain }, format!("{}/{} ready", self.ready, self.desired))
                .and("  ")
                .with(Tone::of_state(&self.phase), &self.phase),
        ];
        let pods = || self.branches.iter().flat_map(|branch| &branch.pods);
        let name = pods().map(|pod| words::width(&pod.name)).max().unwrap_or(0);
        let status = pods().map(|pod| words::width(&pod.status)).max().unwrap_or(0);
        for (nth, branch) in self.branches.iter().enumerate() {
            let (turn, trunk) = if nth + 1 == self.branches.len() { (glyphs.last, glyphs.blank) } else { (glyphs.fork, glyphs.trunk) };
            lines.push(Text::of(Tone::Dim, turn).with_all(branch.line()));
            for (nth, pod) in branch.pods.iter().enumerate() {
                let turn = if nth + 1 == branch.pods.len() { glyphs.last } else { glyphs.fork };
                lines.push(Text::of(Tone::Dim, format!("{trunk}{turn}")).with_all(pod.line(name, status, glyphs)));
            }
        }
        lines.iter().map(|line| line.cut(columns)).collect()
    }
}

impl Branch {
    fn line(&self) -> Text {
        let tone = if self.current { Tone::Strong } else { Tone::Plain };
        let number = self.revision.map_or("?".to_owned(), |revision| format!("#{revision}"));
        let counts = if self.ready < self.replicas { Tone::Watch } else { Tone::Plain };
        let mut text = Text::of(tone, format!("{number} {}", self.owner)).and("  ").with(counts, format!("{}/{}", self.ready, self.replicas));
        if !self.images.is_empty() {
            text.push(Tone::Plain, format!("  {}", self.images));
        }
        if self.current {
            text.push(Tone::Good, "  (current)");
        }
        if let Some(cause) = self.change_cause.as_deref().filter(|cause| !cause.is_empty()) {
            text.push(Tone::Dim, format!("  {}", cause.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
        text
    }
}

impl Leaf {
    fn of(pod: &Pod, status: &Status) -> Self {
        Self {
            name: pod.name.clone(),
            status: pod.status.clone(),
            ready: pod.ready,
            restarts: pod.restarts,
            age_s: pod.age_s,
            message: pod.message.clone().or_else(|| pod.reason.clone().filter(|reason| *reason != pod.status)),
            doomed: status.doomed.iter().any(|doomed| doomed.name == pod.name),
        }
    }

    fn line(&self, name: usize, status: usize, glyphs: &Glyphs) -> Text {
        let (mark, tone) = mark(self.ready, self.doomed, glyphs);
        let mut text = Text::of(tone, mark)
            .and(format!(" {}  ", words::pad(&self.name, name)))
            .with(Tone::of_state(&self.status), words::pad(&self.status, status))
            .with(Tone::Dim, format!("  {:>4}", words::age(self.age_s)));
        if self.restarts > 0 {
            text.push(Tone::Watch, format!("  {}", words::count(self.restarts, "restart")));
        }
        if let Some(message) = self.message.as_deref().filter(|_| !self.ready) {
            text.push(Tone::Plain, format!("  {}", message.split_whitespace().collect::<Vec<_>>().join(" ")));
        }
        text
    }
}

/// The sign before a pod; it says without colour what colour says.
pub(super) fn mark(ready: bool, doomed: bool, glyphs: &Glyphs) -> (&'static str, Tone) {
    match (doomed, ready) {
        (true, _) => ("!", Tone::Bad),
        (_, true) => (glyphs.full, Tone::Good),
        _ => (glyphs.empty, Tone::Watch),
    }
}

pub(super) struct Glyphs {
    pub fork: &'static str,
    pub last: &'static str,
    pub trunk: &'static str,
    pub blank: &'static str,
    /// A pod that is ready, and one that is not yet.
    pub full: &'static str,
    pub empty: &'static str,
    pub arrow: &'static str,
}

pub(super) static UNICODE: Glyphs = Glyphs { fork: "├─ ", last: "└─ ", trunk: "│  ", blank: "   ", full: "●", empty: "○", arrow: "→" };
pub(super) static ASCII: Glyphs = Glyphs { fork: "|- ", last: "`- ", trunk: "|  ", blank: "   ", full: "*", empty: "o", arrow: "->" };

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::account::tests::{pod, progressing, revision};

    fn tree() -> Tree {
        let bad = pod("web-876bbd6c5-fcq92", 5, "ImagePullBackOff", 0);
        let slow = Pod { ready: false, ..pod("web-876bbd6c5-aaaaa", 5, "Running", 2) };
        let status = progressing(
            vec![pod("web-5fc8c66687-2845m", 4, "Running", 0), bad.clone(), slow, pod("web-5fc8c66687-j9wvn", 4, "Running", 0), pod("odd", 1, "Running", 0)],
            vec![bad],
        );
        let revisions = [
            revision(3, "web-68b85755d", "shop/web:3", 0, 0, false),
            revision(4, "web-5fc8c66687", "shop/web:4", 2, 2, false),
            revision(5, "web-876bbd6c5", "shop/web:9", 2, 0, true),
        ];
        Tree::of(&status, &revisions)
    }

    #[test]
    fn a_workload_its_revisions_and_pods_stand_in_one_picture() {
        let drawn = Text::of_lines(tree().draw(200, true)).words();
        assert_eq!(
            drawn,
            "deployment/web  3/3 ready  progressing
├─ #5 web-876bbd6c5  0/2  shop/web:9  (current)  release 5
│  ├─ ○ web-876bbd6c5-aaaaa   Running            12s  2 restarts
│  └─ ! web-876bbd6c5-fcq92   ImagePullBackOff   12s  Back-off pulling image \"shop/web:9\"
├─ #4 web-5fc8c66687  2/2  shop/web:4
│  ├─ ● web-5fc8c66687-2845m  Running            12s
│  └─ ● web-5fc8c66687-j9wvn  Running            12s
├─ #3 web-68b85755d  0/0  shop/web:3  release 3
└─ ? of no known revision  1/1
   └─ ● odd                   Running            12s
"
        );
    }

    #[test]
    fn the_picture_can_be_drawn_with_ascii_and_in_few_columns() {
        let lines = tree().draw(40, false);
        assert!(lines.iter().all(|line| line.words().is_ascii() && line.width() <= 40));
        assert_eq!(lines[3].words(), "|  `- ! web-876bbd6c5-fcq92   ImagePu...");
    }
}
