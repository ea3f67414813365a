//! Frames as they look.

use super::bar::{Counts, cells, new_bar};
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
    let crash = Pod { message: Some("back-off 10s restarting failed container=web".to_owned()), ..pod("web-876bbd6c5-fcq92", 5, "CrashLoopBackOff", 3) };
    let (old, leaving) =
        (pod("web-5fc8c66687-2845m", 4, "Running", 0), Pod { status: "Terminating".to_owned(), ..pod("web-5fc8c66687-j9wvn", 4, "Running", 0) });
    let status = progressing(vec![old, leaving, pod("web-876bbd6c5-aaaaa", 5, "ContainerCreating", 0), crash.clone()], vec![crash]);
    let history = history();
    let scene = Scene { status: &status, history: &history, held_by: None, elapsed_s: 12.7, timeout_left_s: Some(587.3), progress_left_s: Some(600.0) };
    assert_eq!(
        drawn(&scene, 80, true),
        "deployment/web in shop  progressing  revision 5          12s, wait ends in 9m48s
  web shop/web:8 → shop/web:9
  Waiting for deployment \"web\" rollout to finish: 1 out of 3 new replicas have
  been updated...
  new ▒▒▒▒▒▒▒▒▒▒▒▒!!!!!!!!!!!!░░░░░░░░░░░░  0/3 ready, 1 starting, 1 doomed
  old ████████████▒▒▒▒▒▒▒▒▒▒▒▒░░░░░░░░░░░░  1 left, 1 terminating
  ! web-876bbd6c5-fcq92   new #5  CrashLoopBackOff    12s  3 restarts
      back-off 10s restarting failed container=web
  ○ web-876bbd6c5-aaaaa   new #5  ContainerCreating   12s
  ● web-5fc8c66687-2845m  old #4  Running             12s
  ◌ web-5fc8c66687-j9wvn  old #4  Terminating         12s
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
    let scene = Scene { status: &status, history: &[], held_by: None, elapsed_s: 1.0, timeout_left_s: None, progress_left_s: Some(30.2) };
    let text = drawn(&scene, 100, false);
    for line in [
        "1s, deadline in 31s\n",
        "  new =============?????????????.............  0/3 ready, 1 starting, 1 failing\n",
        "  ? web-a  new #5  ImagePullBackOff   12s\n      Back-off pulling image \"shop/web:9\"\n  o web-b  new #5  Running            12s  not ready\n",
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
    let scene = Scene { status: &status, history: &[], held_by: None, elapsed_s: 65.0, timeout_left_s: Some(10.0), progress_left_s: None };
    assert_eq!(
        drawn(&scene, 60, true),
        "deployment/web in shop  complete  revision 5            1m5s
  web shop/web:9
  deployment \"web\" successfully rolled out
  new ███████████████  3/3 ready
  old ░░░░░░░░░░░░░░░  none left
  ● web-0  new #5  Running   12s
  ● web-1  new #5  Running   12s
  ● web-2  new #5  Running   12s
"
    );
}

#[test]
fn the_pod_that_a_stateful_set_waits_for_comes_first_with_what_helps() {
    let waiting = Pod { ready: false, ..pod("db-2", 4, "Running", 0) };
    let mut status = progressing(vec![pod("db-0", 5, "Running", 0), pod("db-1", 5, "Running", 0), waiting], Vec::new());
    (status.target, status.name) = ("statefulset/db".to_owned(), "db".to_owned());
    let scene = Scene { status: &status, history: &[], held_by: Some("db-2"), elapsed_s: 65.0, timeout_left_s: None, progress_left_s: None };
    let text = drawn(&scene, 80, false);
    let told = "  ! db-2  old #4  Running   12s  not ready
      in its order the StatefulSet waits for this pod; unstick(\"sts/db\") deletes
      it
";
    assert!(text.contains(told), "{text}");
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
    let scenes = [&one, &two].map(|status| Scene { status, history: &[], held_by: None, elapsed_s: 1.0, timeout_left_s: None, progress_left_s: None });
    assert_eq!(
        Text::of_lines(summary_frame(&scenes, Canvas { columns: 80, unicode: false })).words(),
        "1 of 2 complete                                                               1s
! deployment/web  progressing !!!....... 0/3 ready, 1 doomed
    web-a: ImagePullBackOff: Back-off pulling image \"shop/web:9\"
* statefulset/db  complete    ########## 1/1 ready
"
    );
}
