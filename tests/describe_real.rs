//! Descriptions and tables beside kubectl's own, on the real API server whose kubeconfig `ROLLSH_TEST_KUBECONFIG` names.
//!
//! kubectl is `ROLLSH_TEST_KUBECTL`, or the one in `bin` beside the kubeconfig, or the one on the path. Without a real API server these
//! tests say that they are skipped. They work in namespaces of their own.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rollsh::clock::Clock;
use rollsh::cluster::read::{Include, Selection};
use rollsh::cluster::{Cluster, Connection};
use rollsh::render::describe::{Around, Need, describe, needs};
use rollsh::render::table::{Layout, Table, print_blocks};
use serde_json::Value;

/// kubectl in a namespace that goes when the test does.
struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    namespace: &'static str,
}

impl Kubectl {
    #[expect(clippy::disallowed_macros, reason = "a skipped test must say so where a person reads it")]
    fn of_tests(test: &str, namespace: &'static str) -> Option<Self> {
        let Some(kubeconfig) = std::env::var_os("ROLLSH_TEST_KUBECONFIG").map(PathBuf::from) else {
            eprintln!("skipped: {test} needs a real API server; set ROLLSH_TEST_KUBECONFIG");
            return None;
        };
        let beside = kubeconfig.parent().map(|parent| parent.join("bin/kubectl")).filter(|path| path.exists());
        let program = std::env::var_os("ROLLSH_TEST_KUBECTL").map(PathBuf::from).or(beside).unwrap_or_else(|| "kubectl".into());
        let kubectl = Self { program, kubeconfig, namespace };
        // What an earlier run left behind would be in the way.
        kubectl.run(&["delete", "namespace", namespace, "--ignore-not-found", "--timeout=60s"], "");
        kubectl.run(&["create", "namespace", namespace], "");
        Some(kubectl)
    }

    fn try_run(&self, args: &[&str], stdin: &str) -> Result<String, String> {
        let mut child = Command::new(&self.program)
            .args(["--namespace", self.namespace, "--kubeconfig"])
            .arg(&self.kubeconfig)
            .args(args)
            .env("TZ", "UTC")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl runs");
        child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("kubectl reads");
        let output = child.wait_with_output().expect("kubectl ends");
        if output.status.success() {
            Ok(String::from_utf8(output.stdout).expect("kubectl prints UTF-8"))
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }

    fn run(&self, args: &[&str], stdin: &str) -> String {
        self.try_run(args, stdin).unwrap_or_else(|error| panic!("kubectl {args:?}: {error}"))
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.run(&[args, &["-o", "json"]].concat(), "")).expect("kubectl prints JSON")
    }

    fn items(&self, args: &[&str]) -> Vec<Value> {
        let list = self.json(args);
        // A list of one name is the object itself.
        list["items"].as_array().cloned().unwrap_or_else(|| vec![list.clone()])
    }

    /// What `describe` needs, fetched as kubectl fetches it.
    fn around(&self, object: &Value) -> Around {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (name, uid, kind) = (text("/metadata/name"), text("/metadata/uid"), text("/kind"));
        let group = text("/apiVersion").split_once('/').map_or("", |(group, _)| group);
        let mut around = Around::default();
        for need in needs(group, kind) {
            match need {
                Need::Revisions => around.revisions = self.items(&["get", "replicasets"]),
                Need::Pods | Need::PodsOfNamespace => around.pods = Some(self.items(&["get", "pods"])),
                Need::PodsOfNode => {
                    let selector = format!("--field-selector=spec.nodeName={name},status.phase!=Succeeded,status.phase!=Failed");
                    around.pods = Some(self.items(&["get", "pods", "-A", &selector]));
                }
                Need::EndpointSlices => around.endpoint_slices = self.items(&["get", "endpointslices", "-l", &format!("kubernetes.io/service-name={name}")]),
                Need::Lease => {
                    around.lease = self
                        .try_run(&["-n", "kube-node-lease", "get", "lease", name, "-o", "json"], "")
                        .ok()
                        .map(|lease| Ok(serde_json::from_str(&lease).expect("JSON")))
                }
                Need::Events => {
                    let mut events = self.items(&["get", "events", "-A", &format!("--field-selector=involvedObject.name={name},involvedObject.uid={uid}")]);
                    if kind == "Node" {
                        events.extend(self.items(&["get", "events", "-A", &format!("--field-selector=involvedObject.name={name},involvedObject.uid={name}")]));
                    }
                    around.events = Some(events);
                }
            }
        }
        around
    }

    /// The server's own Table of a kind, as our own client asks for it.
    fn table(&self, plural: &str) -> Value {
        let connection = Connection { kubeconfig: Some(self.kubeconfig.clone()), ..Connection::default() };
        tokio::runtime::Runtime::new().expect("a runtime").block_on(async {
            let cluster = Cluster::configured(&connection, Clock::wall()).expect("the kubeconfig of the tests is right");
            let resource = cluster.resource(plural).await.expect("a known kind");
            let selection = Selection { namespace: Some(self.namespace.to_owned()), ..Selection::default() };
            cluster.table(&resource, &selection, Include::None).await.expect("a table")
        })
    }
}

impl Drop for Kubectl {
    fn drop(&mut self) {
        // A test that failed leaves its objects to be looked at.
        if !std::thread::panicking() {
            self.run(&["delete", "namespace", self.namespace, "--wait=false"], "");
        }
    }
}

/// A text without what moves between two looks: ages, and the width of the columns that hold them.
fn settled(text: &str) -> String {
    let mut settled = String::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_age = |word: &str| word.ends_with(['s', 'm', 'h', 'd']) && word.starts_with(|c: char| c.is_ascii_digit()) || word == "<unknown>";
        if words.iter().any(|word| is_age(word)) || line.starts_with("  ----") || line.starts_with("  Type ") || line.contains("RenewTime:") {
            settled.push_str(&words.iter().filter(|word| !is_age(word) && !word.contains(':')).copied().collect::<Vec<_>>().join(" "));
        } else {
            settled.push_str(line);
        }
        settled.push('\n');
    }
    settled
}

#[test]
fn descriptions_are_kubectls() {
    let Some(kubectl) = Kubectl::of_tests("descriptions_are_kubectls", "render-describe") else { return };
    kubectl.run(&["apply", "--server-side", "-f", "-"], include_str!("describe_real.yaml"));
    kubectl.run(&["rollout", "status", "deploy/web", "--timeout=60s"], "");
    kubectl.run(&["rollout", "status", "sts/db", "--timeout=60s"], "");
    kubectl.run(&["wait", "job/once", "--for=condition=complete", "--timeout=60s"], "");
    kubectl.run(&["wait", "pod/rich", "--for=condition=Ready", "--timeout=60s"], "");
    let pods = kubectl.items(&["get", "pods"]);
    let sets = kubectl.items(&["get", "replicasets"]);
    let named = |objects: &[Value], kind: &str| -> Vec<String> {
        objects.iter().map(|it| format!("{kind}/{}", it["metadata"]["name"].as_str().expect("a name"))).collect()
    };
    let mut targets: Vec<String> = [
        "deploy/web",
        "sts/db",
        "ds/agent",
        "job/once",
        "cronjob/nightly",
        "svc/web",
        "svc/headless",
        "cm/web",
        "secret/web",
        "pvc/data",
        "pdb/web",
        "sa/robot",
        "node/fake-node-1",
    ]
    .map(str::to_owned)
    .to_vec();
    targets.extend(named(&pods, "pod"));
    targets.extend(named(&sets, "rs"));
    // Kinds that have a layout of their own in kubectl and a generic one here are only looked at for not failing.
    let generic = ["pdb/web", "sa/robot"];
    let mut differences = String::new();
    for target in targets {
        let mut last = String::new();
        // The cluster lives on between two looks; the first pair that agrees counts.
        let agreed = (0..4).any(|_| {
            let object = kubectl.json(&["get", &target]);
            let ours = describe(&object, &kubectl.around(&object), Clock::wall().now());
            let theirs = kubectl.run(&["describe", &target], "");
            last = similar::TextDiff::from_lines(settled(&theirs), settled(&ours)).unified_diff().header("kubectl", "rollsh").to_string();
            last.is_empty() || generic.contains(&target.as_str())
        });
        if !agreed {
            differences.push_str(&format!("{target}\n{last}\n"));
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn tables_are_kubectls() {
    let Some(kubectl) = Kubectl::of_tests("tables_are_kubectls", "render-tables") else { return };
    kubectl.run(&["apply", "--server-side", "-f", "-"], include_str!("describe_real.yaml"));
    kubectl.run(&["rollout", "status", "deploy/web", "--timeout=60s"], "");
    let kinds = [
        ("deployments.apps", "deployment.apps/"),
        ("replicasets.apps", "replicaset.apps/"),
        ("pods", "pod/"),
        ("services", "service/"),
        ("cronjobs.batch", "cronjob.batch/"),
    ];
    for wide in [false, true] {
        let agreed = (0..4).any(|_| {
            let tables: Vec<(Table, Layout)> = kinds
                .iter()
                .map(|(plural, prefix)| {
                    let layout = Layout { wide, prefix: Some((*prefix).to_owned()), ..Layout::default() };
                    (Table::from_server(&kubectl.table(plural)), layout)
                })
                .collect();
            let blocks: Vec<(&Table, Layout)> = tables.iter().map(|(table, layout)| (table, layout.clone())).collect();
            let ours = print_blocks(&blocks);
            let kinds = kinds.map(|(plural, _)| plural).join(",");
            let mut args = vec!["get", &kinds];
            args.extend(wide.then_some(["-o", "wide"]).into_iter().flatten());
            // Seconds may pass between the two.
            ours == kubectl.run(&args, "")
        });
        assert!(agreed, "wide: {wide}");
    }
}
