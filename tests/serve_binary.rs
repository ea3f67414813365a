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
    for name in ["INT", "TERM"] {
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
        assert_eq!(process.child.wait().expect("it ends").code(), Some(0));
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
fn what_cannot_be_is_a_usage_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let mine = folder.path().join("config");
    std::fs::write(&mine, "apiVersion: v1\nkind: Config\n").expect("written");
    let mine = mine.display().to_string();
    for (arguments, words) in [
        (vec!["--write-kubeconfig", mine.as_str()], "holds something else and is not overwritten"),
        (vec!["--speed", "fast"], "write a number from 0.001 to 1000000, or max"),
        (vec!["--with", "nowhere.yaml"], "cannot read nowhere.yaml"),
        (vec!["--demo", "--with", "x.yaml"], "cannot be used with"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_rollsh")).arg("sim").args(&arguments).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}
