//! What is told about rollouts: a status in one line, an outcome with its evidence, a history as a table.
//!
//! The sentences of `kubectl rollout status` come with the Status; what is said here is what stands around them.

use serde_json::Value;

use super::screen::{Text, Tone};
use super::table::Table;
use super::words;
use crate::rollout::config::Held;
use crate::rollout::history::Revision;
use crate::rollout::outcome::{Ending, Outcome};
use crate::rollout::status::{Phase, Pod, Status};

/// How much evidence an account shows; the Outcome itself has all of it.
const PODS: usize = 5;
const EVENTS: usize = 5;
const LOG_LINES: usize = 5;

pub(super) fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Unobserved => "unobserved",
        Phase::Progressing => "progressing",
        Phase::Complete => "complete",
        Phase::Paused => "paused",
        Phase::Stalled => "stalled",
        Phase::Missing => "missing",
    }
}

pub(super) fn ending_word(ending: Ending) -> &'static str {
    match ending {
        Ending::Complete => "complete",
        Ending::Stalled => "stalled",
        Ending::Failed => "failed",
        Ending::Timeout => "timeout",
        Ending::Superseded => "superseded",
        Ending::Deleted => "deleted",
        Ending::Stopped => "stopped",
        Ending::Paused => "paused",
    }
}

/// One line: `deployment/web progressing: Waiting for ... (1 doomed: web-876bbd6c5-fcq92 ImagePullBackOff)`.
pub fn status(status: &Status) -> Text {
    let word = phase_word(status.phase);
    let mut text = Text::of(Tone::Name, &status.target).and(" ").with(Tone::of_state(word), word);
    if !status.message.is_empty() {
        text.push(Tone::Plain, format!(": {}", status.message));
    }
    if let Some(first) = status.doomed.first() {
        let more = status.doomed.len() - 1;
        let others = if more > 0 { format!(" and {more} more") } else { String::new() };
        let why = first.reason.as_deref().unwrap_or(&first.status);
        text.push(Tone::Bad, format!(" ({} doomed: {} {why}{others})", status.doomed.len(), first.name));
    }
    text
}

/// An outcome in its own words, then why: pods with their reasons, the last warnings, the last log lines.
pub fn outcome(outcome: &Outcome) -> Text {
    let word = ending_word(outcome.outcome);
    let tone = if outcome.ok { Tone::Good } else { Tone::of_state(word) };
    let mut lines = vec![
        Text::of(Tone::Name, &outcome.target)
            .and(" ")
            .with(tone, word)
            .and(format!(
                " after {}{}",
                words::duration(outcome.elapsed_s),
                outcome.revision.map_or(String::new(), |revision| format!(", revision {revision}"))
            ))
            .and(if outcome.message.is_empty() { String::new() } else { format!(": {}", flat(&outcome.message)) }),
    ];
    if let Some(reason) = outcome.reason.as_deref().filter(|reason| !outcome.message.contains(*reason)) {
        lines.push(Text::of(Tone::Dim, "  reason: ").with(Tone::Bad, flat(reason)));
    }
    if let Some(evidence) = &outcome.evidence {
        let pods: Vec<&Pod> =
            outcome.status.doomed.iter().chain(outcome.status.pods.iter().filter(|pod| !pod.ready && pod.revision == outcome.status.revision)).collect();
        let mut named: Vec<&str> = Vec::new();
        for pod in pods {
            if named.len() < PODS && !named.contains(&pod.name.as_str()) {
                named.push(&pod.name);
                lines.push(pod_line(pod));
            }
        }
        lines.extend(last(&evidence["events"], EVENTS).into_iter().map(event_line));
        lines.extend(log_lines(&evidence["logs"]));
    }
    Text::of_lines(lines)
}

fn pod_line(pod: &Pod) -> Text {
    let state = pod.reason.as_deref().unwrap_or(&pod.status);
    let restarts = if pod.restarts > 0 { format!(", {}", words::count(pod.restarts, "restart")) } else { String::new() };
    let message = pod.message.as_deref().map_or(String::new(), |message| format!(": {}", flat(message)));
    Text::of(Tone::Dim, "  pod ").and(format!("{} ", pod.name)).with(Tone::of_state(state), state).and(format!("{restarts}{message}"))
}

/// The last events that warn; when none does, the last ones.
fn last(events: &Value, count: usize) -> Vec<&Value> {
    let all = events.as_array().map_or(&[][..], Vec::as_slice);
    let warnings: Vec<&Value> = all.iter().filter(|event| event["type"] == "Warning").collect();
    let told = if warnings.is_empty() { all.iter().collect() } else { warnings };
    told[told.len().saturating_sub(count)..].to_vec()
}

/// An event as the API has it, or as a script gets it.
fn event_line(event: &Value) -> Text {
    let word = |key: &str| event[key].as_str().unwrap_or_default();
    let about = &event["involvedObject"];
    let object = match (about["kind"].as_str(), about["name"].as_str()) {
        (Some(kind), Some(name)) => format!("{}/{name}", kind.to_lowercase()),
        _ => word("object").to_owned(),
    };
    let times = event["count"].as_i64().filter(|count| *count > 1).map_or(String::new(), |count| format!(" (x{count})"));
    let tone = if word("type") == "Warning" { Tone::Watch } else { Tone::Plain };
    Text::of(Tone::Dim, "  event ").with(tone, word("reason")).and(format!(" {object}: {}{times}", flat(word("message"))))
}

fn log_lines(logs: &Value) -> Vec<Text> {
    let mut lines = Vec::new();
    for (pod, log) in logs.as_object().into_iter().flatten() {
        let log: Vec<&str> = log.as_str().unwrap_or_default().lines().collect();
        if !log.is_empty() {
            lines.push(Text::of(Tone::Dim, "  log of ").and(format!("{pod}:")));
            lines.extend(log[log.len().saturating_sub(LOG_LINES)..].iter().map(|line| Text::plain(format!("    {line}"))));
        }
    }
    lines
}

/// A message on one line: what a cluster says must not start a line of its own.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What `kubectl rollout history` prints after its first line: `REVISION  CHANGE-CAUSE`, columns two spaces apart.
pub fn history_of_kubectl(revisions: &[Revision]) -> String {
    if revisions.is_empty() {
        return "No rollout history found.".to_owned();
    }
    let width = revisions.iter().map(|it| it.revision.to_string().len()).max().unwrap_or(0).max("REVISION".len()) + 2;
    let mut text = format!("{:width$}CHANGE-CAUSE\n", "REVISION");
    for it in revisions {
        text.push_str(&format!("{:width$}{}\n", it.revision.to_string(), it.change_cause.as_deref().filter(|cause| !cause.is_empty()).unwrap_or("<none>")));
    }
    text
}

/// The history for people: kubectl's two columns, then images, age and state; the configuration where templates refer to some.
pub fn history(revisions: &[Revision]) -> Table {
    let refers = revisions.iter().any(|it| !it.config.is_empty());
    let rows = revisions.iter().map(|it| {
        let mut row = vec![
            it.revision.into(),
            it.change_cause.clone().filter(|cause| !cause.is_empty()).into(),
            images(&it.images).into(),
            it.created.as_ref().map(|_| words::age(it.age_s)).into(),
            state(it).into(),
        ];
        if refers {
            row.push(Some(it.config.iter().map(|held| self::held(held, it.current)).collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty()).into());
        }
        row
    });
    let mut columns = vec!["revision", "change-cause", "images", "age", "state"];
    if refers {
        columns.push("config");
    }
    Table::of(&columns, rows.collect())
}

/// What is known of a ConfigMap or Secret of a revision: `configmap/settings@3f2a1b9c01 (kept, changed since)`.
/// Of the current revision, where nothing was noted: what it holds now.
pub fn held(held: &Held, current: bool) -> String {
    let hash = held.hash.as_deref().or(held.now.as_deref().filter(|_| current)).unwrap_or("?");
    let mut notes = Vec::new();
    if held.kept.is_some() {
        notes.push("kept");
    }
    match held.changed {
        Some(true) if held.now.is_none() => notes.push("gone"),
        Some(true) => notes.push("changed since"),
        Some(false) | None => {}
    }
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    format!("{}@{hash}{notes}", held.object)
}

pub(super) fn images(images: &serde_json::Map<String, Value>) -> String {
    images.values().filter_map(Value::as_str).collect::<Vec<_>>().join(",")
}

fn state(revision: &Revision) -> Option<String> {
    let mut parts = Vec::new();
    if revision.current {
        parts.push("current".to_owned());
    }
    if revision.replicas > 0 {
        parts.push(format!("{}/{} ready", revision.ready, revision.replicas));
    }
    match revision.completed {
        Some(true) => parts.push("completed".to_owned()),
        Some(false) if revision.current => parts.push("not complete".to_owned()),
        Some(false) => parts.push("never completed".to_owned()),
        None => {}
    }
    (!parts.is_empty()).then(|| parts.join(", "))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::render::table::Layout;
    use serde_json::{Map, json};

    pub(in crate::render) fn pod(name: &str, revision: i64, status: &str, restarts: i64) -> Pod {
        let ready = status == "Running";
        Pod {
            name: name.to_owned(),
            revision: Some(revision),
            phase: if ready { "Running" } else { "Pending" }.to_owned(),
            status: status.to_owned(),
            ready,
            restarts,
            reason: (!ready).then(|| status.to_owned()),
            message: (status == "ImagePullBackOff").then(|| "Back-off pulling image \"shop/web:9\"".to_owned()),
            image: Some("shop/web:9".to_owned()),
            node: Some("node-1".to_owned()),
            age_s: 12,
        }
    }

    pub(in crate::render) fn progressing(pods: Vec<Pod>, doomed: Vec<Pod>) -> Status {
        let updated = pods.iter().filter(|pod| pod.revision == Some(5)).count() as i64;
        let ready = pods.iter().filter(|pod| pod.ready).count() as i64;
        Status {
            target: "deployment/web".to_owned(),
            kind: "Deployment".to_owned(),
            name: "web".to_owned(),
            namespace: "shop".to_owned(),
            phase: Phase::Progressing,
            complete: false,
            message: "Waiting for deployment \"web\" rollout to finish: 1 out of 3 new replicas have been updated...".to_owned(),
            reason: None,
            revision: Some(5),
            generation: 7,
            observed_generation: 7,
            paused: false,
            desired: 3,
            updated,
            ready,
            available: ready,
            unavailable: 1,
            old: pods.len() as i64 - updated,
            restarts: 0,
            images: Map::from_iter([("web".to_owned(), json!("shop/web:9"))]),
            pods,
            doomed,
        }
    }

    pub(in crate::render) fn revision(number: i64, owner: &str, image: &str, replicas: i64, ready: i64, current: bool) -> Revision {
        Revision {
            revision: number,
            change_cause: (number % 2 == 1).then(|| format!("release {number}")),
            images: Map::from_iter([("web".to_owned(), json!(image))]),
            created: Some("2026-11-22T19:23:59Z".to_owned()),
            age_s: 3600 - number,
            current,
            replicas,
            ready,
            owner: owner.to_owned(),
            template: Value::Null,
            completed: (!current).then_some(true),
            changes: Vec::new(),
            config: Vec::new(),
        }
    }

    #[test]
    fn a_history_tells_what_is_known_of_configuration() {
        let held = |hash: Option<&str>, kept: bool, now: Option<&str>, changed: Option<bool>| Held {
            object: "configmap/settings".into(),
            hash: hash.map(str::to_owned),
            at: None,
            kept: kept.then(|| "web-3-cm-1".into()),
            now: now.map(str::to_owned),
            changed,
        };
        for (held, current, expected) in [
            (held(None, false, Some("bb"), None), false, "configmap/settings@?"),
            (held(None, false, Some("bb"), None), true, "configmap/settings@bb"),
            (held(Some("aa"), true, Some("bb"), Some(true)), false, "configmap/settings@aa (kept, changed since)"),
            (held(Some("aa"), false, Some("aa"), Some(false)), false, "configmap/settings@aa"),
            (held(Some("aa"), true, None, Some(true)), true, "configmap/settings@aa (kept, gone)"),
        ] {
            assert_eq!(super::held(&held, current), expected);
        }
    }

    #[test]
    fn a_status_takes_one_line() {
        let bad = pod("web-a", 5, "ImagePullBackOff", 0);
        assert_eq!(
            status(&progressing(vec![bad.clone()], vec![bad.clone(), bad])).words(),
            "deployment/web progressing: Waiting for deployment \"web\" rollout to finish: 1 out of 3 new replicas have been updated... (2 doomed: web-a ImagePullBackOff and 1 more)"
        );
    }

    #[test]
    fn an_outcome_tells_why_with_evidence() {
        let bad = pod("web-a", 5, "ImagePullBackOff", 0);
        let status = progressing(vec![bad.clone(), pod("web-b", 5, "CrashLoopBackOff", 2), pod("old", 4, "Running", 0)], vec![bad]);
        let failed = Outcome {
            outcome: Ending::Failed,
            ok: false,
            target: "deployment/web".to_owned(),
            reason: Some("ImagePullBackOff".to_owned()),
            message: "1 pod of revision 5 will not become ready".to_owned(),
            elapsed_s: 31.2,
            revision: Some(5),
            evidence: Some(json!({
                "pods": [],
                "events": [
                    {"type": "Normal", "reason": "Pulling", "message": "quiet", "object": "pod/web-a"},
                    {"type": "Warning", "reason": "Failed", "message": "Error:\nErrImagePull", "involvedObject": {"kind": "Pod", "name": "web-a"}, "count": 3},
                ],
                "logs": {"web-b": "1\n2\n3\n4\n5\n\u{1b}[31mpanic\n", "web-a": ""}
            })),
            status,
        };
        assert_eq!(
            outcome(&failed).words(),
            "deployment/web failed after 31s, revision 5: 1 pod of revision 5 will not become ready
  reason: ImagePullBackOff
  pod web-a ImagePullBackOff: Back-off pulling image \"shop/web:9\"
  pod web-b CrashLoopBackOff, 2 restarts
  event Failed pod/web-a: Error: ErrImagePull (x3)
  log of web-b:
    2
    3
    4
    5
    \u{1b}[31mpanic
"
        );
        let done = Outcome {
            outcome: Ending::Complete,
            ok: true,
            reason: None,
            evidence: None,
            elapsed_s: 4.0,
            message: "deployment \"web\" successfully rolled out".to_owned(),
            ..failed
        };
        assert_eq!(outcome(&done).words(), "deployment/web complete after 4s, revision 5: deployment \"web\" successfully rolled out\n");
    }

    #[test]
    fn a_history_is_kubectls_with_more_beside_it() {
        let revisions = [
            revision(3, "web-a", "shop/web:1", 0, 0, false),
            revision(4, "web-b", "shop/web:2", 2, 2, false),
            Revision { completed: Some(false), ..revision(10, "web-c", "shop/web:3", 2, 1, true) },
        ];
        assert_eq!(history_of_kubectl(&revisions), "REVISION  CHANGE-CAUSE\n3         release 3\n4         <none>\n10        <none>\n");
        assert_eq!(history_of_kubectl(&[]), "No rollout history found.");
        assert_eq!(
            history(&revisions).print(&Layout::default()),
            "REVISION   CHANGE-CAUSE   IMAGES       AGE   STATE
3          release 3      shop/web:1   59m   completed
4          <none>         shop/web:2   59m   2/2 ready, completed
10         <none>         shop/web:3   59m   current, 1/2 ready, not complete
"
        );
    }

    #[test]
    fn every_recorded_history_prints_the_same() {
        let recorded = include_str!("../../tests/real/012-history.txt");
        let mut lines = recorded.lines().skip(1).take_while(|line| !line.is_empty());
        let header = lines.next().expect("a header");
        let revisions: Vec<Revision> = lines
            .map(|line| {
                let (number, cause) = line.split_once(' ').expect("two columns");
                Revision { change_cause: Some(cause.trim().to_owned()), ..revision(number.parse().expect("a number"), "", "", 0, 0, false) }
            })
            .collect();
        assert_eq!(header, "REVISION  CHANGE-CAUSE");
        assert_eq!(format!("deployment.apps/web \n{}\n", history_of_kubectl(&revisions)), recorded);
    }
}
