//! kubectl, unchanged, prints on the simulated cluster what it prints on a real one.
//!
//! `tests/kubectl/*.txt` are transcripts of a real control plane: command lines and what they printed, with ages, random parts of names and the like masked.
//! `ROLLSH_TEST_KUBECTL` names kubectl 1.36; where `ROLLSH_TEST_KUBECONFIG` names a real cluster too, the transcripts are compared with that first, and
//! `ROLLSH_UPDATE=1` writes them anew from it. `ROLLSH_TRANSCRIPT=name` chooses one.
//!
//! A line `$ command` runs in `tests/kubectl/files` with `sh`; `$~ command` compares sorted lines; lines `## ...` are comments. The namespace is the transcript's
//! own and the kubeconfig's default.

#[path = "common/served.rs"]
mod served;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use regex::Regex;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubectl")
}

/// What differs from run to run and from cluster to cluster, and what stands in its place.
static MASKS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        // Whole lines that only one kind of cluster has.
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
        (r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "TIME"),
        (r#"(resourceVersion"?: ?)"\d+""#, "${1}\"VERSION\""),
        (r"\b(fake-)?node-\d\b", "NODE"),
        (r"\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b", "IP"),
        (r"containerd://[0-9a-f]+", "containerd://ID"),
        (r"(?i)(sha256[:=])[0-9a-f]{8,64}", "${1}DIGEST"),
        (r"https?://IP:\d+", "URL"),
        // Before ages: five letters may look like one.
        (r"-[bcdfghjklmnpqrstvwxz2456789]{5}\b", "-XXXXX"),
        // How many pods are on their way out just then.
        (r#"(terminatingReplicas"?: ?)\d+"#, "${1}N"),
        (r"\b\d+(\.\d+)?(ms|s|m|h|d)(\d+(s|m|h))?\b", "AGE"),
        (r"\bAGE \(x(\d+) over AGE\)", "AGE (x$1)"),
        (r"\bnodePort(\S*) \d{5}\b", "nodePort$1 PORT"),
        (r"\b3[0-2]\d{3}/", "PORT/"),
        (r"[ \t]+", " "),
        (r"(?m)^ | $", ""),
    ]
    .into_iter()
    .map(|(pattern, mask)| (Regex::new(pattern).expect("a pattern"), mask))
    .collect()
});

fn masked(text: &str) -> String {
    MASKS.iter().fold(text.to_owned(), |text, (pattern, mask)| pattern.replace_all(&text, *mask).into_owned())
}

/// One command of a transcript and what it printed.
struct Step {
    /// What stands before it: comments.
    before: String,
    line: String,
    sorted: bool,
    printed: String,
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut before = String::new();
    for line in text.lines() {
        let command = line.strip_prefix("$ ").map(|it| (it, false)).or_else(|| line.strip_prefix("$~ ").map(|it| (it, true)));
        match (command, steps.last_mut()) {
            (Some((line, sorted)), _) => {
                steps.push(Step { before: std::mem::take(&mut before), line: line.to_owned(), sorted, printed: String::new() });
            }
            (None, _) if line.starts_with("## ") => before = format!("{before}{line}\n"),
            (None, Some(step)) => step.printed = format!("{}{line}\n", step.printed),
            (None, None) => before = format!("{before}{line}\n"),
        }
    }
    for step in &mut steps {
        step.printed = step.printed.trim_end().to_owned();
    }
    steps
}

/// A cluster that kubectl talks to.
struct Target {
    kubectl: PathBuf,
    home: tempfile::TempDir,
    namespace: String,
}

impl Target {
    fn new(kubeconfig: &str, namespace: &str) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        fs::write(home.path().join("config"), kubeconfig).expect("written");
        let kubectl = PathBuf::from(std::env::var_os("ROLLSH_TEST_KUBECTL").expect("asked before"));
        let target = Self { kubectl, home, namespace: namespace.to_owned() };
        target.run(&format!("kubectl delete namespace {namespace} --ignore-not-found"));
        let made = target.run(&format!("kubectl create namespace {namespace} && kubectl config set-context --current --namespace={namespace}"));
        assert!(made.contains("created"), "{made}");
        target.run("for i in 1 2 3 4 5 6 7 8 9 10; do kubectl get serviceaccount default >/dev/null 2>&1 && exit; sleep 0.2; done");
        target
    }

    /// What a command line prints, errors after results, and its exit code unless that is 0.
    fn run(&self, line: &str) -> String {
        let path = std::env::join_paths(
            [self.kubectl.parent().expect("a folder").to_owned()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
        );
        let output = Command::new("timeout")
            .args(["90", "sh", "-c", line])
            .current_dir(folder().join("files"))
            .env("PATH", path.expect("a path"))
            .env("HOME", self.home.path())
            .env("KUBECONFIG", self.home.path().join("config"))
            .env("KUBECTL_EXTERNAL_DIFF", "diff -u -N --label live --label merged")
            .stdin(Stdio::null())
            .output()
            .expect("sh runs");
        let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
        for line in String::from_utf8_lossy(&output.stderr).lines() {
            let _ = writeln!(text, "! {line}");
        }
        match output.status.code() {
            Some(0) => {}
            code => {
                let _ = writeln!(text, "[exit {}]", code.unwrap_or(-1));
            }
        }
        text.replace(&self.home.path().display().to_string(), "HOME").trim_end().to_owned()
    }

    fn printed(&self, step: &Step) -> String {
        let printed = masked(&self.run(&step.line));
        // An empty line would be lost at the end of a block.
        let mut lines: Vec<&str> = printed.lines().collect();
        if step.sorted {
            lines.sort_unstable();
        }
        lines.join("\n").trim_end().to_owned()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.run(&format!("kubectl delete namespace {} --wait=false", self.namespace));
    }
}

/// Runs a transcript; the steps that printed something else.
fn differences(target: &Target, steps: &[Step]) -> Vec<String> {
    let mut found = Vec::new();
    for step in steps {
        let printed = target.printed(step);
        if printed != step.printed {
            let diff = similar::TextDiff::from_lines(&step.printed, &printed).unified_diff().context_radius(2).header("real", "here").to_string();
            found.push(format!("$ {}\n{diff}", step.line));
        }
    }
    found
}

fn transcripts() -> Vec<(String, PathBuf)> {
    let only = std::env::var("ROLLSH_TRANSCRIPT").ok();
    let entries = fs::read_dir(folder()).expect("the folder is there").map(|it| it.expect("an entry").path());
    let mut files: Vec<(String, PathBuf)> = entries
        .filter(|it| it.extension().is_some_and(|ending| ending == "txt"))
        .map(|it| (it.file_stem().expect("a name").to_string_lossy().into_owned(), it))
        .filter(|(name, _)| only.as_ref().is_none_or(|only| only == name))
        .collect();
    files.sort();
    files
}

fn update(target: &Target, steps: &[Step], file: &Path) {
    let mut text = String::new();
    for step in steps {
        let mark = if step.sorted { "$~" } else { "$" };
        let printed = target.printed(step);
        let _ = writeln!(text, "{}{mark} {}\n{printed}{}", step.before, step.line, if printed.is_empty() { "" } else { "\n" });
    }
    fs::write(file, text.trim_end().to_owned() + "\n").expect("written");
}

#[expect(clippy::disallowed_macros, reason = "a test that did nothing must say so")]
#[test]
fn kubectl_prints_what_it_prints_on_a_real_cluster() {
    if std::env::var_os("ROLLSH_TEST_KUBECTL").is_none() {
        eprintln!("skipped: ROLLSH_TEST_KUBECTL names no kubectl");
        return;
    }
    let real = std::env::var_os("ROLLSH_TEST_KUBECONFIG").map(|it| fs::read_to_string(it).expect("readable"));
    let updates = std::env::var_os("ROLLSH_UPDATE").is_some();
    let mut found = Vec::new();
    let files = transcripts();
    assert!(!files.is_empty(), "no transcripts");
    for (name, file) in files {
        let namespace = format!("kubectl-{name}");
        if let Some(real) = &real {
            let target = Target::new(real, &namespace);
            let steps = steps(&fs::read_to_string(&file).expect("readable"));
            if updates {
                update(&target, &steps, &file);
            } else {
                found.extend(differences(&target, &steps).into_iter().map(|it| format!("{name}, on the real cluster: {it}")));
            }
        }
        let served = served::empty(false);
        let target = Target::new(&served.kubeconfig, &namespace);
        let steps = steps(&fs::read_to_string(&file).expect("readable"));
        found.extend(differences(&target, &steps).into_iter().map(|it| format!("{name}: {it}")));
    }
    assert!(found.is_empty(), "{} differences\n{}", found.len(), found.join("\n"));
}

#[test]
fn masks_hide_what_differs_and_nothing_else() {
    for (text, expected) in [
        ("web-7bc7f8774-x2bcd   1/1  Running 0   2m3s", "web-7bc7f8774-XXXXX 1/1 Running 0 AGE"),
        ("Normal Pulled 5s (x3 over 10m) kubelet", "Normal Pulled AGE (x3) kubelet"),
        ("IP: 10.244.1.7  Node: fake-node-1/127.0.0.1", "IP: IP Node: NODE/IP"),
        ("deployment.apps/web created", "deployment.apps/web created"),
        ("  resourceVersion: \"123\"", "resourceVersion: \"VERSION\""),
    ] {
        assert_eq!(masked(text), expected);
    }
}
