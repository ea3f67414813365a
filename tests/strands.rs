//! Closures that take turns: their waits overlap, their deadlines are their own, one Ctrl-C ends them all.

mod common;

use common::Shell;
use rollsh::script::Ended;
use rollsh::session::Halt;

fn prints(script: &str, expected: &str) {
    assert_eq!(Shell::simulated(0).must(script), expected, "{script}");
}

#[test]
fn waits_overlap_as_far_as_max_allows() {
    let script = |max| format!(r#"let t = now(); parallel([1, 1, 1, 1], #{{max: {max}}}, |n| sleep(n)); print(now() - t)"#);
    for (max, elapsed) in [(4, "1.0\n"), (2, "2.0\n"), (1, "4.0\n")] {
        prints(&script(max), elapsed);
    }
}

#[test]
fn a_deadline_holds_on_its_own_strand_and_below() {
    prints(
        r#"for r in parallel([1, 2], |n| timeout(n, || { sleep("1500ms"); n })) { print(if r.ok { `${r.value}` } else { r.error.kind }) }
           try { timeout("1s", || parallel([1, 2], |n| sleep(10))) } catch (e) { print(e.kind) }"#,
        "timeout\n2\ntimeout\n",
    );
}

#[test]
fn variables_are_shared_and_nothing_is_lost() {
    prints(r#"let sum = 0; parallel([1, 2, 3, 4, 5, 6], |n| { sleep("10ms"); sum += n; }); print(sum)"#, "21\n");
}

#[test]
fn strands_within_strands_take_turns_too() {
    prints(
        r#"let t = now(); let r = parallel([1, 2], |n| parallel([10, 20], |m| { sleep(1); n * m }).map(|r| r.value)); print(r.map(|r| r.value)); print(now() - t)"#,
        "[[10, 20], [20, 40]]\n1.0\n",
    );
}

#[test]
fn ctrl_c_ends_all_strands_at_once() {
    let shell = Shell::simulated(0);
    shell.after(2.0, |session| session.interrupts().interrupt());
    let ran = shell.run(r#"parallel([1, 2, 3, 4, 5, 6], |n| { print(n); sleep("1h") })"#);
    assert!(matches!(ran.ended, Ended::Halted(Halt::Interrupted)), "{:?}", ran.ended);
    assert_eq!(ran.out, "1\n2\n3\n4\n");
}

#[test]
fn the_same_seed_takes_the_same_turns() {
    let script = r#"parallel(["deploy/web", "sts/db", "ds/agent"], |w| { restart(w); watch(w, |s| print(`${now()} ${w} ${s.message}`)) })"#;
    let first = Shell::simulated(7).must(script);
    assert!(first.lines().count() > 10, "{first}");
    assert_eq!(Shell::simulated(7).must(script), first);
}

#[test]
fn a_run_over_workloads_goes_on_where_it_was_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state.json");
    let shell = Shell::simulated(0);
    let script = |bad: &str| {
        format!(
            r#"try {{ for r in for_each_workload("", #{{max: 1, state: "{}"}}, |w| {{ if w.name == "{bad}" {{ throw "bad" }} print(w.name) }}) {{ print(`${{r.target}} ${{r.skipped}}`) }} }} catch (e) {{ print(e.kind) }}"#,
            state.display()
        )
    };
    assert_eq!(shell.must(&script("web")), "agent\nfailed\n");
    assert_eq!(shell.must(&script("none")), "web\ndb\ndaemonset/agent true\ndeployment/web false\nstatefulset/db false\n");
    assert!(!state.exists(), "all are done: the next run is a new one");
}

#[test]
fn waves_and_budgets_are_counts_or_percentages() {
    prints(
        r#"let seen = []; for_each_workload("", #{waves: [1, "100%"], between: |wave| seen.push(`wave ${wave}`)}, |w| seen.push(w.name)); print(seen)"#,
        "[\"agent\", \"wave 1\", \"web\", \"db\"]\n",
    );
    prints(r#"try { for_each_workload("", #{stop_after: "100%", max: 1}, |w| throw w.name) } catch (e) { print(e.results.len()) }"#, "3\n");
    for bad in [r#"waves: ["100%", 1]"#, r#"waves: ["x"]"#, "stop_after: -1", r#"kinds: "svc""#, "max: 0"] {
        prints(&format!(r#"try {{ for_each_workload("", #{{{bad}}}, |w| 1) }} catch (e) {{ print(e.kind) }}"#), "usage\n");
    }
}
