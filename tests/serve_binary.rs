//! `rollsh sim` as a process: its start, its kubeconfig, thousands of connections, its end.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rollsh::cluster::{Cluster, Connection};
use rollsh::resource::{DEPLOYMENT, Target};

struct Process {
    child: Child,
    greeting: String,
    folder: tempfile::TempDir,
}

impl Process {
    fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollsh"));
        command.arg("sim").arg("--write-kubeconfig").arg(folder.path().join("config")).args(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut greeting = String::new();
        BufReader::new(child.stderr.as_mut().expect("piped")).read_line(&mut greeting).expect("a line");
        Self { child, greeting, folder }
    }

    fn port(&self) -> u16 {
        let address = self.greeting.split("127.0.0.1:").nth(1).unwrap_or_else(|| panic!("no address in {:?}", self.greeting));
        address.split(';').next().and_then(|it| it.trim().parse().ok()).expect("a port")
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(sent.success());
    }

    fn resident_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
    }

    fn is_healthy(&self) -> bool {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port())).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        answer.ends_with("\r\n\r\nok")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_tells_where_it_is_and_ends_well_when_told() {
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let mut process = Process::start(&["--demo"]);
        let file = process.folder.path().join("config");
        assert_eq!(std::fs::metadata(&file).expect("written").permissions().mode() & 0o777, 0o600);
        assert!(process.greeting.contains(&file.display().to_string()) && process.greeting.contains("Ctrl-C"), "{}", process.greeting);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let connection = Connection { kubeconfig: Some(file), ..Connection::default() };
        let cluster = Cluster::configured(&connection, rollsh::clock::Clock::wall()).expect("a kubeconfig");
        let web = runtime.block_on(cluster.get(&Target::new(&DEPLOYMENT, Some("default"), "web"))).expect("TLS and certificate are good");
        assert_eq!(web["spec"]["replicas"], 3);
        process.signal(name);
        assert_eq!(process.child.wait().expect("it ends").code(), Some(code));
    }
}

#[test]
fn thousands_of_idle_connections_make_room_for_whoever_asks() {
    let process = Process::start(&["--plain"]);
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).expect("up to the hard limit is allowed");
    let most = limit.current.map_or(10_000, |it| usize::try_from(it).unwrap_or(10_000).saturating_sub(100).min(10_000));
    let mut open = Vec::new();
    for _ in 0..most {
        open.push(TcpStream::connect(("127.0.0.1", process.port())).expect("a connection"));
    }
    assert!(process.is_healthy());
    let resident = process.resident_mib();
    assert!(resident < 400, "{resident} MiB for {most} connections");
}

#[test]
fn its_version_is_the_api_servers() {
    let output = Command::new(env!("CARGO_BIN_EXE_rollsh")).args(["sim", "--version"]).output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "Kubernetes v1.36.3\n");
}

#[test]
fn it_tells_what_is_simulated_and_what_is_not() {
    let output = Command::new(env!("CARGO_BIN_EXE_rollsh")).args(["sim", "--about"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("\nNot simulated:\n") && said.contains("/sim/faults") && said.contains("--save FILE"), "{said}");
}

#[test]
fn what_cannot_be_is_a_usage_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let mine = folder.path().join("config");
    std::fs::write(&mine, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mine}\n").expect("written");
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).expect("written");
        file.display().to_string()
    };
    let mine = mine.display().to_string();
    let saved = r#"{"apiVersion":"sim.rollsh/v1","kind":"ClusterState","metadata":{"savedAt":"2026-01-05T09:00:00Z","savedBy":"rollsh 9"},"items":[]}"#;
    let (saved, broken) = (file("saved.json", saved), file("broken.json", &saved[..70]));
    let (faults, behaviours) = (file("faults.yaml", "- {conflikt: 2}"), file("behaviours.yaml", "shop/web: {ready_aftr: 2s}"));
    let nowhere = folder.path().join("no/where.json").display().to_string();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    for (arguments, words) in [
        (vec!["--write-kubeconfig", mine.as_str()], "holds something else than a kubeconfig and is not overwritten"),
        (vec!["--speed", "fast"], "write a number from 0.001 to 1000000, or max"),
        (vec!["--with", "nowhere.yaml"], "cannot read nowhere.yaml"),
        (vec!["--save", mine.as_str()], "holds something else than a saved cluster and is not overwritten"),
        (vec!["--save", nowhere.as_str()], "cannot save the cluster to"),
        (vec!["--with", broken.as_str()], "broken.json holds a saved cluster that is broken: "),
        (vec!["--with", saved.as_str()], "missing field `resourceVersion`"),
        (vec!["--with", saved.as_str()], "it was written by rollsh 9; this is rollsh 0."),
        (vec!["--with", saved.as_str(), "--nodes", "2"], "--nodes and a saved cluster exclude each other"),
        (vec!["--with", saved.as_str(), "--with", saved.as_str()], "holds a second saved cluster"),
        (vec!["--faults", faults.as_str()], "did you mean \"conflict\"?"),
        (vec!["--behaviour", behaviours.as_str()], "did you mean \"ready_after\"?"),
        (vec!["--behaviour", "nowhere.yaml"], "cannot read nowhere.yaml"),
        (vec!["--port", port.as_str()], "cannot listen on 127.0.0.1:"),
        (vec!["--port", "70000"], "70000"),
        (vec!["--nodes", "5001"], "5001"),
        (vec!["--controllers", "some"], "some"),
        (vec!["--demo", "--with", "x.yaml"], "cannot be used with"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_rollsh")).arg("sim").args(&arguments).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

/// Asks over plain HTTP; code and body.
fn ask(port: u16, method: &str, path: &str, token: Option<&str>, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
    let token = token.map(|it| format!("Authorization: Bearer {it}\r\n")).unwrap_or_default();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{token}Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer.as_str(), ""));
    (head.split(' ').nth(1).and_then(|it| it.parse().ok()).unwrap_or(0), body.to_owned())
}

#[test]
fn a_cluster_outlives_its_process_with_its_kubeconfig() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("cluster.json").display().to_string();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let manifest = folder.path().join("web.yaml");
    let pod = "containers: [{name: web, image: \"shop/web:1\"}]";
    let web = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec: {{selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}, spec: {{{pod}}}}}}}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: web}}\n"
    );
    std::fs::write(&manifest, web).expect("written");
    let mut first = Process::start(&["--with", &file, "--with", &manifest.display().to_string(), "--save", &file, "--behaviour", "/dev/null"]);
    let port = first.port();
    let read = |kubeconfig: std::path::PathBuf| {
        let connection = Connection { kubeconfig: Some(kubeconfig), ..Connection::default() };
        let cluster = Cluster::configured(&connection, rollsh::clock::Clock::wall()).expect("a kubeconfig");
        let object = runtime.block_on(cluster.get(&Target::new(&DEPLOYMENT, Some("default"), "web")));
        object.expect("TLS, certificate and token are good")
    };
    let web = read(first.folder.path().join("config"));
    assert!(first.greeting.contains("saves it to"), "{}", first.greeting);
    let kept = folder.path().join("config");
    std::fs::copy(first.folder.path().join("config"), &kept).expect("copied");
    first.signal("TERM");
    assert_eq!(first.child.wait().expect("it ends").code(), Some(143));
    let mode = std::fs::metadata(&file).expect("saved").permissions().mode() & 0o777;
    assert_eq!(mode, 0o600, "it holds keys");
    let second = Process::start(&["--with", &file, "--port", &port.to_string()]);
    assert_eq!(second.port(), port);
    assert_eq!(read(kept), web, "the same object through the old kubeconfig");
}

#[test]
fn a_kubeconfig_of_somebodys_gets_its_context_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("config");
    let before = "apiVersion: v1\nkind: Config\ncurrent-context: prod\nclusters: [{name: prod, cluster: {server: 'https://prod:6443'}}]\nusers: []\ncontexts: [{name: prod, context: {cluster: prod, user: ann}}]\n";
    std::fs::write(&file, before).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollsh"));
    command.args(["sim", "--write-kubeconfig"]).arg(&file).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let mut greeting = String::new();
    BufReader::new(child.stderr.as_mut().expect("piped")).read_line(&mut greeting).expect("a line");
    let text = || std::fs::read_to_string(&file).expect("there");
    assert!(text().contains("current-context: rollsh-sim") && text().contains("https://prod:6443"), "{}", text());
    assert!(Command::new("kill").arg("-INT").arg(child.id().to_string()).status().expect("kill runs").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert!(text().contains("current-context: prod") && !text().contains("rollsh-sim"), "{}", text());
}

#[test]
fn another_tool_steers_it_and_no_fault_strikes_that() {
    let folder = tempfile::tempdir().expect("a folder");
    let faults = folder.path().join("faults.yaml");
    std::fs::write(&faults, "- {unavailable: true, retry_after: 3}\n- {slow: 1ms, verb: list}\n").expect("written");
    let process = Process::start(&["--plain", "--faults", &faults.display().to_string()]);
    let port = process.port();
    let (code, body) = ask(port, "GET", "/api/v1/pods", None, "");
    assert_eq!(code, 503, "{body}");
    let (code, body) = ask(port, "GET", "/sim/faults", None, "");
    assert_eq!(code, 200, "{body}");
    assert!(body.contains("\"retry_after\": 3") && body.contains("\"slow\": \"1ms\""), "{body}");
    let (code, body) = ask(port, "POST", "/sim/faults", None, "{conflikt: 1}");
    assert_eq!((code, body.contains("did you mean")), (400, true), "{body}");
    assert_eq!(ask(port, "PUT", "/sim/faults", None, "forbid: true\nverb: delete\n").0, 200);
    assert_eq!(ask(port, "GET", "/api/v1/pods", None, "").0, 200);
    assert_eq!(ask(port, "DELETE", "/api/v1/namespaces/default/pods/a", None, "").0, 403);
    assert_eq!(ask(port, "DELETE", "/sim/faults", None, "").0, 200);
    assert_eq!(ask(port, "DELETE", "/api/v1/namespaces/default/pods/a", None, "").0, 404);
    assert_eq!(ask(port, "POST", "/sim/images", None, "shop/web: {ready_after: 5s}").0, 200);
    let (_, body) = ask(port, "GET", "/sim/images", None, "");
    assert!(body.contains("\"ready_after\": \"5000ms\""), "{body}");
    let (_, body) = ask(port, "GET", "/sim/requests", None, "");
    assert!(body.contains("\"code\": 503") && !body.contains("/sim/"), "{body}");
    let (code, body) = ask(port, "POST", "/sim/clock", None, "{advance: 2h}");
    assert_eq!(code, 200, "{body}");
    let (_, body) = ask(port, "GET", "/sim/state", None, "");
    assert!(body.contains("ClusterState"), "{body}");
    assert_eq!(ask(port, "GET", "/sim/nothing", None, "").0, 404);
    assert_eq!(ask(port, "PATCH", "/sim/faults", None, "").0, 405);
}

#[test]
fn a_script_runs_with_the_least_role_that_job_prints_for_it_and_that_role_allows_no_more() {
    let process = Process::start(&["--demo", "--speed", "max"]);
    let file = |name: &str| process.folder.path().join(name);
    let rollsh = |config: &str, args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollsh"));
        command.args(["--kubeconfig".as_ref(), file(config).as_os_str()]).args(args).env("XDG_STATE_HOME", file("state")).output().expect("it starts")
    };
    let args = ["--target", "deploy/web", "--image", "web=shop/web:9-crash"];
    let printed = rollsh("config", &[&["job", "scripts/conditional_rollback.rhai", "--"], &args[..]].concat());
    std::fs::write(file("job.yaml"), &printed.stdout).expect("written");
    let applied = rollsh("config", &["--allow", "read", "eval", &format!("apply({:?}).len()", file("job.yaml").display().to_string())]);
    assert_eq!(String::from_utf8_lossy(&applied.stdout), "5\n", "{}", String::from_utf8_lossy(&applied.stderr));

    let config = std::fs::read_to_string(file("config")).expect("written");
    let user = config.find("    client-certificate-data:").expect("a user");
    let (before, after) = config.split_at(user);
    std::fs::write(file("account"), format!("{before}    as: system:serviceaccount:default:conditional-rollback\n{after}")).expect("written");
    let ran = rollsh("account", &[&["run", "scripts/conditional_rollback.rhai"], &args[..]].concat());
    let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert_eq!(ran.status.code(), Some(6), "{told}");
    for beyond in ["delete(\"deploy/web\")", "restart(\"sts/db\")", "object(\"cm/web\")"] {
        let refused = rollsh("account", &["--allow", "delete", "eval", beyond]);
        assert_eq!(refused.status.code(), Some(3), "{beyond}: {}", String::from_utf8_lossy(&refused.stderr));
    }
}
