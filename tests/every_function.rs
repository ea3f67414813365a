//! Every function that looks, changes or follows has an example in its definition and a scenario here, with good input and with bad: on the
//! simulator and, where there is one, on a real control plane.
//!
//! The scenarios of a group run one after the other in one shop, and each leaves it as useful as it found it.

mod common;

use std::collections::BTreeSet;

use common::Shell;
use rollsh::functions::function::Group;
use rollsh::functions::{change, follow, look};

/// The function, a script, and what it prints.
type Scenario = (&'static str, &'static str, &'static str);

const LOOK: &[Scenario] = &[
    (
        "get",
        r#"print(get("deploy,sts,ds").map(|r| r.name)); print(get("pods", #{selector: "app=db", field_selector: "status.phase=Running"}).len());
        print(get("deploy/web")[0].name);
        try { get("deploys") } catch (e) { print(`${e.kind} ${e.hints[0]}`) }
        try { get("pods", #{selector: "a=b=c"}) } catch (e) { print(`${e.kind} ${e.hints[0]}`) }
        try { get("pods", #{field_selector: "spec.x=1"}) } catch (e) { print(`${e.kind} ${e.hints[0]}`) }"#,
        "[\"web\", \"db\", \"agent\"]\n3\nweb\nnot_found did you mean \"deploy\"?\ninvalid the label selector was \"a=b=c\"\ninvalid the field selector was \"spec.x=1\"\n",
    ),
    (
        "get_deploy",
        r#"let d = get_deploy("deploy/web"); print(`${d[0].desired} ${d[0].updated} ${d[0].images.web}`);
        try { get_deploy("svc/web") } catch (e) { print(e.hints[0]) }"#,
        "3 3 shop/web:3\nkinds that roll out: deployment (deploy), statefulset (sts), daemonset (ds)\n",
    ),
    (
        "get_rs",
        r#"for r in get_rs("deploy/web") { print(`${r.revision} ${r.desired} ${r.owner}`) }
        print(get_rs("sts/db").len()); try { get_rs("deploy/none") } catch (e) { print(e.kind) }"#,
        "1 0 deployment/web\n2 0 deployment/web\n3 3 deployment/web\n0\nnot_found\n",
    ),
    (
        "get_pods",
        r#"print(get_pods("sts/db").map(|p| p.name)); try { get_pods("deploy/none") } catch (e) { print(e.kind) }"#,
        "[\"db-0\", \"db-1\", \"db-2\"]\nnot_found\n",
    ),
    ("get_sts", r#"print(get_sts()[0].ready); try { get_sts(5) } catch (e) { print(e.kind) }"#, "3\nusage\n"),
    ("get_ds", r#"let d = get_ds("ds/agent")[0]; print(d.ready == d.desired)"#, "true\n"),
    ("get_events", r#"print(get_events("deploy/web").len() > 0)"#, "true\n"),
    (
        "object",
        r#"print(object("sts/db").spec.serviceName); try { object("deploy") } catch (e) { print(e.kind) } try { object("foo/bar") } catch (e) { print(e.kind) }"#,
        "db\nusage\nnot_found\n",
    ),
    (
        "describe",
        r#"for w in ["deploy/web", "sts/db", "ds/agent", "pod/db-0", "cm/web"] { print(describe(w).split("\n")[0].contains(w.split("/")[1])) }
        try { describe("deploy/none") } catch (e) { print(e.kind) }"#,
        "true\ntrue\ntrue\ntrue\ntrue\nnot_found\n",
    ),
    ("tree", r#"print(tree("deploy/web").revisions.filter(|r| r.current)[0].pods.len()); try { tree("svc/web") } catch (e) { print(e.kind) }"#, "3\nusage\n"),
    (
        "history",
        r#"for w in ["deploy/web", "sts/db", "ds/agent"] { print(history(w).map(|r| `${r.revision} ${r.change_cause}`)) }
        print(history("deploy/web", 2).images.web);
        for bad in [9, 0, -1] { try { history("deploy/web", bad) } catch (e) { print(e.kind) } }"#,
        "[\"1 web 1: the shop opens\", \"2 web 2: the new basket\", \"3 web 3: faster checkout\"]\n[\"1 db 15: the first data\", \"2 db 16: the yearly upgrade\"]\n\
         [\"1 agent 1: watching over the shop\", \"2 agent 2: less memory\"]\nshop/web:2\nnot_found\nusage\nusage\n",
    ),
    (
        "status",
        r#"for w in ["deploy/web", "sts/db", "ds/agent"] { let s = status(w); print(`${s.phase} ${s.updated == s.desired} ${s.ready == s.desired}`) }
        print(status("deploy/none").phase); try { status("svc/web") } catch (e) { print(e.kind) }"#,
        "complete true true\ncomplete true true\ncomplete true true\nmissing\nusage\n",
    ),
    (
        "diff",
        r#"print(diff("deploy/web", 1, 2).contains("+  - ") || diff("deploy/web", 1, 2).contains("shop/web:2")); print(diff("sts/db", 2, "live") == "");
        print(diff("{apiVersion: v1, kind: ConfigMap, metadata: {name: web}, data: {CURRENCY: CHF}}").contains("+  CURRENCY: CHF"));
        try { diff("deploy/web", 9) } catch (e) { print(e.kind) } try { diff("deploy/web", "dead") } catch (e) { print(e.kind) } try { diff("none.yaml") } catch (e) { print(e.kind) }"#,
        "true\ntrue\ntrue\nnot_found\nusage\nnot_found\n",
    ),
    (
        "events",
        r#"let e = events("deploy/web"); print(e.len() > 0 && e[0].first_seen != ()); try { events("deploy/none") } catch (e) { print(e.kind) }"#,
        "true\nnot_found\n",
    ),
    (
        "logs",
        r#"print(logs("pod/db-0", #{tail: 1}).len() > 0); print(logs("sts/db", #{tail: 1}).contains("[db-1] "));
        for bad in [#{container: "nope"}, #{tail: -2}, #{since: "soon"}] { try { logs("sts/db", bad) } catch (e) { print(e.kind) } }"#,
        "true\ntrue\ninvalid\nusage\nusage\n",
    ),
    ("can", r#"print(can("patch", "deploy/web")); try { can("frobnicate", "deploy/web") } catch (e) { print(e.kind) }"#, "true\nusage\n"),
];

const CHANGE: &[Scenario] = &[
    (
        "set_image",
        r#"let c = set_image("deploy/web", "web=shop/web:4"); print(`${c.verb} ${c.target} ${c.changed} ${c.dry_run} ${c.diff.contains("+        image: shop/web:4")}`);
        print(set_image("deploy/web", #{web: "shop/web:4"}).changed); set_image("sts/db", ["db=shop/db:17"]); set_image("ds/agent", "*=shop/agent:3"); wait(["deploy/web", "sts/db", "ds/agent"], "120s");
        for bad in ["nope=a", "shop/web:2", "web=Shop/Web", "web="] { try { set_image("deploy/web", bad) } catch (e) { print(e.kind) } }
        try { set_image("svc/web", "web=a") } catch (e) { print(e.hints[0]) }"#,
        "set_image deployment/web true false true\nfalse\ninvalid\nusage\ninvalid\nusage\nkinds that roll out: deployment (deploy), statefulset (sts), daemonset (ds)\n",
    ),
    (
        "undo",
        r#"for w in ["deploy/web", "sts/db", "ds/agent"] { print(undo(w).changed) } wait(["deploy/web", "sts/db", "ds/agent"], "120s");
        print(`${status("deploy/web").images.web} ${status("sts/db").images.db} ${status("ds/agent").images.agent}`);
        try { undo("deploy/web", 99) } catch (e) { print(e.kind) } try { undo("deploy/web", #{to: "best"}) } catch (e) { print(e.kind) } try { undo("svc/web") } catch (e) { print(e.kind) }"#,
        "true\ntrue\ntrue\nshop/web:3 shop/db:16 shop/agent:2\nno_revision\nusage\nusage\n",
    ),
    (
        "checkpoint",
        r#"print(checkpoint("deploy/web").parts.len()); print(checkpoint("sts/db").changed); try { checkpoint("pod/db-0") } catch (e) { print(e.kind) }"#,
        "1\nfalse\nusage\n",
    ),
    (
        "pause",
        r#"print(pause("deploy/web").changed); try { pause("deploy/web") } catch (e) { print(e.kind) } try { pause("sts/db") } catch (e) { print(e.hints[0]) }"#,
        "true\ninvalid\nonly Deployments can be paused; set_strategy with a partition holds a StatefulSet midway\n",
    ),
    (
        "resume",
        r#"print(resume("deploy/web").changed); try { resume("deploy/web") } catch (e) { print(e.kind) } try { resume("ds/agent") } catch (e) { print(e.hints[0]) }"#,
        "true\ninvalid\nonly Deployments can be paused\n",
    ),
    (
        "restart",
        r#"for w in ["deploy/web", "sts/db", "ds/agent"] { restart(w); } print(wait(["deploy/web", "sts/db", "ds/agent"], "120s").len()); try { restart("rs/web") } catch (e) { print(e.kind) }"#,
        "3\nusage\n",
    ),
    (
        "scale",
        r#"scale("deploy/web", 4); print(wait("deploy/web", "60s").status.ready); scale("deploy/web", 3); scale("sts/db", 2); print(object("sts/db").spec.replicas); scale("sts/db", 3);
        wait(["deploy/web", "sts/db"], "60s");
        for bad in ["ds/agent", "pod/db-0"] { try { scale(bad, 2) } catch (e) { print(`${e.kind} ${e.hints[0].contains("StatefulSets")}`) } } try { scale("deploy/web", -1) } catch (e) { print(e.kind) }"#,
        "4\n2\ninvalid true\ninvalid true\ninvalid\n",
    ),
    (
        "set_env",
        r#"set_env("deploy/web", #{MODE: "dark", N: 1}); print(object("deploy/web").spec.template.spec.containers[0].env.map(|e| `${e.name}=${e.value}`)); set_env("deploy/web", #{MODE: (), N: ()});
        for bad in [#{"1 A=": "x"}, #{}, #{A: #{}}] { try { set_env("deploy/web", bad) } catch (e) { print(e.kind) } } try { set_env("deploy/web", #{A: 1}, #{container: "nope"}) } catch (e) { print(e.kind) }"#,
        "[\"MODE=dark\", \"N=1\"]\ninvalid\ninvalid\ninvalid\ninvalid\n",
    ),
    (
        "set_resources",
        r#"set_resources("sts/db", #{limits: #{memory: "1Gi"}}); print(object("sts/db").spec.template.spec.containers[0].resources.limits.memory); wait("sts/db", "60s");
        for bad in [#{limits: #{memory: "lots"}}, #{limit: #{}}, #{limits: #{mem: "1Gi"}}] { try { set_resources("sts/db", bad) } catch (e) { print(e.kind) } }"#,
        "1Gi\ninvalid\nusage\ninvalid\n",
    ),
    (
        "set_strategy",
        r#"set_strategy("deploy/web", #{max_surge: 1, max_unavailable: "0%", min_ready: "1s", progress_deadline: "5m"}); print(object("deploy/web").spec.progressDeadlineSeconds);
        for bad in [["ds/agent", #{partition: 1}], ["sts/db", #{max_surge: 1}], ["deploy/web", #{type: "OnDelete"}], ["deploy/web", #{max_surge: "lots"}], ["deploy/web", #{progress_deadline: "soon"}]] {
            try { set_strategy(bad[0], bad[1]) } catch (e) { print(`${e.kind} ${e.hints[0]}`.sub_string(0, 40)) } }"#,
        "300\ninvalid partition is a setting of: State\ninvalid max_surge is a setting of: Deplo\ninvalid types: RollingUpdate, Recreate\ninvalid write a whole number, 1, or a pe\nusage write a number with a unit, as in \n",
    ),
    (
        "annotate",
        r#"annotate("sts/db", #{"example.com/a": 1}); print(object("sts/db").metadata.annotations["example.com/a"]); print(annotate("sts/db", #{"example.com/a": ()}).changed);
        for bad in [#{"a b": "c"}, #{}, #{a: []}] { try { annotate("sts/db", bad) } catch (e) { print(e.kind) } }"#,
        "1\ntrue\ninvalid\ninvalid\ninvalid\n",
    ),
    (
        "label",
        r#"label("deploy/web", #{tier: "front"}); print(get("deploy", #{selector: "tier=front"}).len()); for bad in [#{a: "x y"}, #{"a/b/c": "x"}] { try { label("deploy/web", bad) } catch (e) { print(e.kind) } }
        try { label("deploy/none", #{a: "x"}) } catch (e) { print(e.kind) }"#,
        "1\ninvalid\ninvalid\nnot_found\n",
    ),
    (
        "apply",
        r#"let map = |name, v| `{apiVersion: v1, kind: ConfigMap, metadata: {name: ${name}, labels: {set: a}}, data: {v: "${v}"}}`;
        print(apply(map.call("one", 1) + "\n---\n" + map.call("two", 1)).map(|c| c.changed)); print(apply(map.call("two", 1), #{prune_selector: "set=a"}).map(|c| `${c.target} ${c.changed}`));
        for bad in ["", "a: [1\n", "hello: world\n", "{apiVersion: v1, kind: Foo, metadata: {name: a}}", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, dta: {}}", "none.yaml"] { try { apply(bad) } catch (e) { print(e.kind) } }"#,
        "[true, true]\n[\"configmap/two false\", \"configmap/one true\"]\nusage\ninvalid\ninvalid\nnot_found\ninvalid\nnot_found\n",
    ),
    (
        "patch",
        r#"print(patch("cm/web", #{data: #{CURRENCY: "CHF", BASKET_LIMIT: ()}}).changed); print(object("cm/web").data); try { patch("deploy/web", #{spec: #{selector: #{matchLabels: #{x: "y"}}}}) } catch (e) { print(e.kind) }
        try { patch("cm/none", #{}) } catch (e) { print(e.kind) }"#,
        "true\nCURRENCY: CHF\ninvalid\nnot_found\n",
    ),
    (
        "delete",
        r#"print(delete("cm/two").changed); try { delete("cm/two") } catch (e) { print(e.kind) } try { delete("cm/web", #{propagation: "x"}) } catch (e) { print(e.kind) }"#,
        "true\nnot_found\nusage\n",
    ),
    (
        "unstick",
        r#"print(unstick("sts/db").changed); try { unstick("deploy/web") } catch (e) { print(e.hints[0]) } try { unstick("sts/none") } catch (e) { print(e.kind) }"#,
        "false\nonly OrderedReady StatefulSets do\nnot_found\n",
    ),
];

const FOLLOW: &[Scenario] = &[
    (
        "wait",
        r#"set_image("deploy/web", "web=shop/web:4"); let o = wait("deploy/web", #{timeout: "60s"}); print(`${o.outcome} ${o.ok} ${o.target} ${o.status.images.web}`);
        try { wait("deploy/web", #{fail_if: |s| s.ready < 4}) } catch (e) { print(`${e.kind} ${e.outcome.outcome} ${e.outcome.reason}`) }
        for bad in ["soon", -5] { try { wait("deploy/web", bad) } catch (e) { print(e.kind) } } try { wait("svc/web") } catch (e) { print(e.kind) } try { wait(["deploy/web", 5]) } catch (e) { print(e.message) }"#,
        "complete true deployment/web shop/web:4\nfailed failed fail_if\nusage\nusage\nusage\nthe number 5 is not a target\n",
    ),
    (
        "watch",
        r#"set_image("sts/db", "db=shop/db:17"); let seen = 0; let o = watch("sts/db", "60s", |s| { seen += 1; }); print(`${o.outcome} ${seen > 1}`);
        restart("sts/db"); print(watch("sts/db", |s| false).outcome); wait("sts/db", "60s"); try { watch("deploy/none") } catch (e) { print(e.kind) }"#,
        "complete true\nstopped\nnot_found\n",
    ),
    (
        "guard",
        r#"print(guard(["deploy/web", "ds/agent"], || { set_image("ds/agent", "agent=shop/agent:3"); wait("ds/agent", "60s"); 7 }));
        try { guard("deploy/web", || { set_image("deploy/web", "web=shop/web:5-badpull"); wait("deploy/web", #{pull_grace: "1s"}) }) } catch (e) { print(`${e.kind} ${e.rolled_back}`) }
        print(`${status("deploy/web").images.web} ${status("ds/agent").images.agent}`); try { guard("svc/web", || 1) } catch (e) { print(e.kind) } try { guard("deploy/none", || 1) } catch (e) { print(e.kind) }"#,
        "7\nfailed true\nshop/web:4 shop/agent:3\nusage\nnot_found\n",
    ),
    (
        "for_each_workload",
        r#"print(for_each_workload("app in (web,db)", #{max: 2, waves: [1, "100%"]}, |w| { annotate(w, #{seen: "1"}).changed }).map(|r| `${r.target} ${r.value}`));
        let file = "/tmp/rollsh-every-function-state"; let n = 0;
        try { for_each_workload("", #{max: 1, state: file}, |w| { n += 1; if n == 2 { throw "no" } }) } catch (e) { print(`${e.kind} ${e.not_started.len()}`) }
        print(for_each_workload("", #{max: 1, state: file}, |w| 1).filter(|r| r.skipped).len());
        for bad in [#{max: 0}, #{waves: ["x"]}, #{stop_after: "lots"}, #{kinds: "svc"}] { try { for_each_workload("", bad, |w| 1) } catch (e) { print(e.kind) } }"#,
        "[\"deployment/web true\", \"statefulset/db true\"]\nfailed 1\n1\nusage\nusage\nusage\nusage\n",
    ),
    ("sleep", r#"sleep("10ms"); for bad in ["x", -1] { try { sleep(bad) } catch (e) { print(e.kind) } }"#, "usage\nusage\n"),
    (
        "timeout",
        r#"print(timeout("30s", || 5)); try { timeout("200ms", || sleep("20s")) } catch (e) { print(e.kind) } try { timeout("never", || 1) } catch (e) { print(e.kind) }"#,
        "5\ntimeout\nusage\n",
    ),
    (
        "retry",
        r#"let n = 0; print(retry(#{attempts: 3, delay: "10ms"}, || { n += 1; if n < 3 { throw "again" } n })); try { retry(#{attempts: 0}, || 1) } catch (e) { print(e.kind) }"#,
        "3\nusage\n",
    ),
    ("every", r#"let n = 0; every("10ms", |i| { n += 1; n < 3 }); print(n); try { every("0s", || false) } catch (e) { print(e.kind) }"#, "3\nusage\n"),
    (
        "parallel",
        r#"print(parallel(["deploy/web", "sts/db"], |w| status(w).phase).map(|r| r.value)); print(parallel([1], |a, b| a)[0].error.kind); try { parallel(5, |x| x) } catch (e) { print(e.kind) }"#,
        "[\"complete\", \"complete\"]\nusage\nusage\n",
    ),
    ("confirm", r#"confirm("sure?"); print("yes")"#, "yes\n"),
    (
        "abort",
        r#"try { abort("enough") } catch (e) { print(`${e.kind} ${e.message}`) } try { abort(5) } catch (e) { print(e.kind) }"#,
        "stopped enough\nusage\n",
    ),
    ("exit", r#"try { exit("x") } catch (e) { print(e.kind) } exit(0); print("never")"#, "usage\n"),
];

const TABLE: [(&Group, &[Scenario]); 3] = [(&look::GROUP, LOOK), (&change::GROUP, CHANGE), (&follow::GROUP, FOLLOW)];

#[test]
fn every_function_has_an_example_and_a_scenario() {
    for (group, scenarios) in TABLE {
        let functions: BTreeSet<&str> = group.functions.iter().map(|function| function.name).collect();
        let named: BTreeSet<&str> = scenarios.iter().map(|(name, ..)| *name).collect();
        assert_eq!(functions, named, "{}: every function has a scenario, and every scenario a function", group.name);
        let bare: Vec<&str> = group.functions.iter().filter(|function| function.examples.is_empty()).map(|function| function.name).collect();
        assert!(bare.is_empty(), "{bare:?} have no example");
        let idle: Vec<&str> = scenarios.iter().filter(|(name, script, _)| !script.contains(&format!("{name}("))).map(|(name, ..)| *name).collect();
        assert!(idle.is_empty(), "the scenarios of {idle:?} do not call them");
    }
}

/// Runs the scenarios of a group on both clusters, and tells of all that differ.
fn run(scenarios: &[Scenario]) {
    let mut faults = String::new();
    for (place, shell) in [("the simulator", Some(Shell::simulated(0))), ("the real control plane", Shell::real())] {
        let Some(shell) = shell else {
            common::skipped();
            continue;
        };
        for (name, script, prints) in scenarios {
            let _ = std::fs::remove_file("/tmp/rollsh-every-function-state");
            let ran = shell.run(script);
            if ran.out != *prints {
                faults.push_str(&format!("{name} on {place}\n  prints {:?}\n  not    {prints:?}\n  ended {:?}\n  {}\n", ran.out, ran.ended, ran.err));
            }
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

#[test]
fn what_looks_does_what_it_says() {
    run(LOOK);
}

#[test]
fn what_changes_does_what_it_says() {
    run(CHANGE);
}

#[test]
fn what_follows_does_what_it_says() {
    run(FOLLOW);
}
