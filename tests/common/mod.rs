//! One way to try scripts: on a simulated shop always, and on a real API server where `ROLLSH_TEST_KUBECONFIG` names one.

#![allow(dead_code, clippy::allow_attributes, reason = "each test binary uses a part of it")]

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use rollsh::clock::Clock;
use rollsh::cluster::Connection;
use rollsh::render::screen::Screen;
use rollsh::script::engine::{STACK_SIZE, arguments};
use rollsh::script::{Ended, Host};
use rollsh::session::{Halt, Interrupts, Parts, Policy, Session, Settings, Source, virtual_time};
use rollsh::sim::{Options, Sim};
use tokio::runtime::Runtime;

/// A session with what it has printed.
pub struct Shell {
    pub session: Session,
    pub sim: Option<Sim>,
    runtime: Arc<Runtime>,
    out: Arc<Mutex<Vec<u8>>>,
    err: Arc<Mutex<Vec<u8>>>,
}

/// What came of a script.
#[derive(Debug)]
pub struct Ran {
    pub ended: Ended,
    pub out: String,
    pub err: String,
}

/// A test may do all.
fn policy() -> Policy {
    Policy { all: true, yes: true, ..Policy::default() }
}

impl Shell {
    /// A fresh simulated shop on a virtual clock.
    pub fn simulated(seed: u64) -> Self {
        Self::simulated_with(seed, Settings::default(), policy())
    }

    /// The same with settings and a policy of its own.
    pub fn simulated_with(seed: u64, settings: Settings, policy: Policy) -> Self {
        let (runtime, clock) = virtual_time().expect("a runtime");
        let source = Source::simulated(Options { seed, ..Options::default() }, &runtime, &clock).expect("the shop");
        Self::new(runtime, clock, source, settings, policy)
    }

    /// Another session on the same cluster and clock: somebody else, or the same person later.
    pub fn another(&self, settings: Settings) -> Self {
        let (screen, out, err) = Screen::captured();
        let session = self.session.beside(settings, policy(), screen);
        Self { sim: session.simulator(), session, runtime: self.runtime.clone(), out, err }
    }

    /// Does something while a script runs, so many seconds of the cluster's time from now.
    pub fn after(&self, seconds: f64, act: impl FnOnce(&Session) + Send + 'static) {
        let session = self.session.clone();
        self.runtime.spawn(async move {
            tokio::time::sleep(std::time::Duration::from_secs_f64(seconds)).await;
            act(&session);
        });
    }

    fn new(runtime: Arc<Runtime>, clock: Clock, source: Source, settings: Settings, policy: Policy) -> Self {
        let (screen, out, err) = Screen::captured();
        let session = Session::new(Parts { runtime: runtime.clone(), clock, source, settings, policy, screen, interrupts: Interrupts::default(), ask: None });
        Self { sim: session.simulator(), session, runtime, out, err }
    }

    /// A namespace of its own on the real cluster, with the shop in it; `None` where there is no cluster.
    pub fn real() -> Option<Self> {
        let kubeconfig = kubeconfig()?;
        static NAMESPACES: AtomicU32 = AtomicU32::new(0);
        let namespace = format!("t{}-{}", std::process::id(), NAMESPACES.fetch_add(1, Ordering::Relaxed));
        let runtime = Arc::new(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime"));
        let connection = Connection { kubeconfig: Some(kubeconfig), namespace: Some(namespace.clone()), ..Connection::default() };
        let shell = Self::new(runtime, Clock::wall(), Source::Configured(connection), Settings::default(), policy());
        shell.must(&format!("apply(`{{apiVersion: v1, kind: Namespace, metadata: {{name: {namespace}}}}}`)"));
        shell.must(SHOP);
        Some(shell)
    }

    /// Runs a script to its end, on a thread with the stack that scripts need.
    pub fn run(&self, script: &str) -> Ran {
        self.run_with(script, &[])
    }

    pub fn run_with(&self, script: &str, args: &[&str]) -> Ran {
        let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let ended = std::thread::scope(|scope| {
            let run = || Host::new(&self.session, None, &arguments(&args)).run("test", script);
            std::thread::Builder::new().stack_size(STACK_SIZE).spawn_scoped(scope, run).expect("a thread").join().expect("no panic")
        });
        let take = |buffer: &Arc<Mutex<Vec<u8>>>| String::from_utf8(std::mem::take(&mut *buffer.lock().expect("not poisoned"))).expect("text");
        Ran { ended, out: take(&self.out), err: take(&self.err) }
    }

    /// Runs a script that must not fail; returns what it printed.
    pub fn must(&self, script: &str) -> String {
        let ran = self.run(script);
        match ran.ended {
            Ended::Value(_) | Ended::Halted(Halt::Exit(0)) => ran.out,
            other => panic!("{script}\nended with {other:?}\nout: {}\nerr: {}", ran.out, ran.err),
        }
    }

    pub fn namespace(&self) -> String {
        self.session.namespace().expect("a namespace")
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        if self.sim.is_none() && !std::thread::panicking() {
            let namespace = self.namespace();
            self.must(&format!("delete(\"ns/{namespace}\")"));
        }
    }
}

pub fn kubeconfig() -> Option<PathBuf> {
    std::env::var_os("ROLLSH_TEST_KUBECONFIG").map(PathBuf::from)
}

/// Says that a test did nothing for want of a cluster.
#[expect(clippy::disallowed_macros, reason = "a test that did nothing must say so")]
pub fn skipped() {
    eprintln!("skipped: ROLLSH_TEST_KUBECONFIG names no cluster");
}

/// What the simulated shop has, made on a real cluster: `deploy/web` with three healthy revisions, `sts/db` and `ds/agent` with two.
pub const SHOP: &str = r#"
    apply(`
apiVersion: v1
kind: ConfigMap
metadata: {name: web, labels: {app: web}}
data: {BASKET_LIMIT: "50", CURRENCY: EUR}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app: web}
  annotations: {kubernetes.io/change-cause: "web 1: the shop opens"}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "shop/web:1", envFrom: [{configMapRef: {name: web}}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: db
  labels: {app: db}
  annotations: {kubernetes.io/change-cause: "db 15: the first data"}
spec:
  serviceName: db
  replicas: 3
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: db, image: "shop/db:15"}
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: agent
  labels: {app: agent}
  annotations: {kubernetes.io/change-cause: "agent 1: watching over the shop"}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec:
      containers:
      - {name: agent, image: "shop/agent:1"}
`);
    wait(["deploy/web", "sts/db", "ds/agent"], "120s");
    set_image("sts/db", "db=shop/db:16", #{ change_cause: "db 16: the yearly upgrade" });
    set_image("ds/agent", "agent=shop/agent:2", #{ change_cause: "agent 2: less memory" });
    set_image("deploy/web", "web=shop/web:2", #{ change_cause: "web 2: the new basket" });
    wait("deploy/web", "60s");
    set_image("deploy/web", "web=shop/web:3", #{ change_cause: "web 3: faster checkout" });
    wait(["deploy/web", "sts/db", "ds/agent"], "120s");
"#;

/// Runs a script on a fresh shop, simulated and, where there is one, real, and compares what it prints.
pub fn check(script: &str, prints: &str) {
    let shell = Shell::simulated(0);
    assert_eq!(shell.must(script), prints, "on the simulator:\n{script}");
    if let Some(shell) = Shell::real() {
        assert_eq!(shell.must(script), prints, "on the real control plane:\n{script}");
    }
}
