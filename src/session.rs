//! A session: the cluster in use, settings, policy, output and interrupts, shared by everything that one shell or one run does.
//!
//! Two sessions live side by side in one process; nothing here is global.

mod config;
pub mod follow;
pub mod guard;
pub mod make;
mod nearby;
pub mod policy;
pub mod settings;
mod strand;
mod together;
pub mod view;
pub mod wait;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use crate::clock::Clock;
use crate::cluster::{Cluster, Connection, ContextEntry};
use crate::error::{Error, Result};
use crate::journal::Journal;
use crate::render::screen::{Screen, Text, Tone};
use crate::resource::Target;
use crate::sim::{Options, Sim};

pub use policy::{Capability, Policy};
pub use settings::Settings;
pub use wait::{Halt, Interrupts, Stop};

/// The journal's file in the state folder.
const JOURNAL: &str = "journal.jsonl";

/// One session; clones are the same session.
#[derive(Clone)]
pub struct Session(Arc<Inner>);

struct Inner {
    runtime: Arc<Runtime>,
    clock: Clock,
    settings: Settings,
    policy: Policy,
    screen: Screen,
    interrupts: Interrupts,
    clusters: Mutex<Clusters>,
    deadlines: wait::Deadlines,
    views: view::Views,
    ask: Option<Ask>,
    journal: Journal,
    guards: guard::Guards,
    runner: OnceLock<Runner>,
}

/// Asks the user a question on the terminal; `None`: interrupted.
pub type Ask = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// Where clusters come from.
pub enum Source {
    /// The user's configuration, read when the first request needs it.
    Configured(Connection),
    /// A cluster behind an in-process service.
    InProcess(Cluster),
    /// A simulated cluster that scripts may steer.
    Simulated { cluster: Cluster, sim: Sim },
}

impl Source {
    /// A fresh simulated cluster that lives on `runtime`.
    ///
    /// # Errors
    /// `invalid` when a manifest is refused.
    pub fn simulated(options: Options, runtime: &Runtime, clock: &Clock) -> Result<Self> {
        // The client, when it is built, looks for the runtime that it will live on.
        let _inside = runtime.enter();
        let sim = Sim::new(options, clock.clone())?;
        let cluster = Cluster::in_process(sim.service(), "sim", "default", clock.clone());
        runtime.spawn(sim.clone().live());
        Ok(Self::Simulated { cluster, sim })
    }

    fn again(&self) -> Self {
        match self {
            Source::Configured(connection) => Source::Configured(connection.clone()),
            Source::InProcess(cluster) => Source::InProcess(cluster.clone()),
            Source::Simulated { cluster, sim } => Source::Simulated { cluster: cluster.clone(), sim: sim.clone() },
        }
    }
}

/// When a virtual clock starts: a fixed moment, so that one seed gives the same bytes on any day.
const VIRTUAL_START: &str = "2026-01-05T09:00:00Z";

/// A runtime whose time stands still while nobody waits, and the clock that follows it: for a saved cluster, from when it was saved.
pub fn virtual_time_of(options: &Options) -> Result<(Arc<Runtime>, Clock)> {
    let (runtime, clock) = virtual_time()?;
    let clock = options.saved.as_ref().map_or(clock, |saved| Clock::paused(saved.at(), runtime.handle()));
    Ok((runtime, clock))
}

/// A runtime whose time stands still while nobody waits, and the clock that follows it.
pub fn virtual_time() -> Result<(Arc<Runtime>, Clock)> {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
    let runtime = Arc::new(runtime.map_err(|error| Error::script(format!("cannot start the runtime: {error}")))?);
    let start = VIRTUAL_START.parse().map_err(|error| Error::script(format!("{VIRTUAL_START}: {error}")))?;
    let clock = Clock::paused(start, runtime.handle());
    Ok((runtime, clock))
}

/// What came of a script that another one ran.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RanScript {
    pub exit_code: i64,
    pub stdout: String,
    pub stderr: String,
}

/// Runs a script file with arguments (an array of words, or a map) on a session's cluster: the host above gives it, since it has the engine.
pub type Runner = Arc<dyn Fn(&Session, &str, &Value) -> Result<RanScript> + Send + Sync>;

struct Clusters {
    source: Source,
    /// The cluster in use, once something asked for it.
    current: Option<Cluster>,
    /// What `use_context` chose.
    context: Option<String>,
    /// What `-n` or `use_namespace` chose.
    namespace: Option<String>,
}

/// The context from before, which comes back.
pub struct BorrowedContext {
    session: Session,
    before: (Option<Cluster>, Option<String>, Option<String>),
}

impl Drop for BorrowedContext {
    fn drop(&mut self) {
        let mut clusters = self.session.clusters();
        (clusters.current, clusters.context, clusters.namespace) = std::mem::take(&mut self.before);
    }
}

/// What a session is made of; see `Session::new`.
pub struct Parts {
    /// For virtual time: a current-thread runtime with paused time, which `clock` follows.
    pub runtime: Arc<Runtime>,
    pub clock: Clock,
    pub source: Source,
    pub settings: Settings,
    pub policy: Policy,
    pub screen: Screen,
    pub interrupts: Interrupts,
    /// How `confirm` reaches the user; `None`: there is no terminal.
    pub ask: Option<Ask>,
}

impl Session {
    pub fn new(parts: Parts) -> Self {
        let namespace = match &parts.source {
            Source::Configured(connection) => connection.namespace.clone(),
            Source::InProcess(_) | Source::Simulated { .. } => None,
        };
        let journal = parts.settings.state.as_ref().map_or_else(Journal::memory, |folder| Journal::at(folder.join(JOURNAL)));
        Self(Arc::new(Inner {
            runtime: parts.runtime,
            clock: parts.clock,
            settings: parts.settings,
            policy: parts.policy,
            screen: parts.screen,
            interrupts: parts.interrupts,
            clusters: Mutex::new(Clusters { source: parts.source, current: None, context: None, namespace }),
            deadlines: wait::Deadlines::default(),
            views: view::Views::default(),
            ask: parts.ask,
            journal,
            guards: guard::Guards::default(),
            runner: OnceLock::new(),
        }))
    }

    /// A session on a fresh simulated cluster in virtual time: time stands still while a script computes, and one seed gives one run.
    ///
    /// # Errors
    /// `invalid` when a manifest is refused.
    pub fn simulated(options: Options, settings: Settings, policy: Policy, screen: Screen, interrupts: Interrupts) -> Result<Self> {
        let (runtime, clock) = virtual_time_of(&options)?;
        let source = Source::simulated(options, &runtime, &clock)?;
        Ok(Self::new(Parts { runtime, clock, source, settings, policy, screen, interrupts, ask: None }))
    }

    /// Another session on the same cluster and clock, with an output and rules of its own.
    pub fn beside(&self, settings: Settings, policy: Policy, screen: Screen) -> Self {
        let clusters = self.clusters();
        let source = clusters.source.again();
        drop(clusters);
        let parts = Parts {
            runtime: self.0.runtime.clone(),
            clock: self.clock().clone(),
            source,
            settings,
            policy,
            screen,
            interrupts: self.interrupts().clone(),
            ask: None,
        };
        Self::new(parts)
    }

    /// The simulated cluster, where it may be steered.
    pub fn simulator(&self) -> Option<Sim> {
        match &self.clusters().source {
            Source::Simulated { sim, .. } => Some(sim.clone()),
            Source::InProcess(_) | Source::Configured(_) => None,
        }
    }

    /// How this session runs another script, where it can: see `Runner`.
    pub fn runner(&self) -> Option<&Runner> {
        self.0.runner.get()
    }

    /// Sets the runner, once.
    pub fn set_runner(&self, runner: Runner) {
        // A second one is refused: a test has one way to run scripts.
        let _ = self.0.runner.set(runner);
    }

    /// Whether the cluster lives in this process.
    pub fn is_simulated(&self) -> bool {
        !matches!(self.clusters().source, Source::Configured(_))
    }

    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub fn policy(&self) -> &Policy {
        &self.0.policy
    }

    pub fn screen(&self) -> &Screen {
        &self.0.screen
    }

    pub fn interrupts(&self) -> &Interrupts {
        &self.0.interrupts
    }

    pub fn views(&self) -> &view::Views {
        &self.0.views
    }

    /// What was changed: in the state folder, or, without one, in memory.
    pub fn journal(&self) -> &Journal {
        &self.0.journal
    }

    pub(crate) fn guards(&self) -> &guard::Guards {
        &self.0.guards
    }

    pub(crate) fn deadlines(&self) -> &wait::Deadlines {
        &self.0.deadlines
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.0.runtime
    }

    /// The cluster in use; reads the configuration the first time.
    ///
    /// # Errors
    /// `unreachable` without a configuration, `not_found` for an unknown context.
    pub fn cluster(&self) -> Result<Cluster> {
        let mut clusters = self.clusters();
        if let Some(cluster) = &clusters.current {
            return Ok(cluster.clone());
        }
        let cluster = match &clusters.source {
            Source::InProcess(cluster) | Source::Simulated { cluster, .. } => cluster.clone(),
            Source::Configured(connection) => {
                let context = clusters.context.clone().or_else(|| connection.context.clone());
                // A client, when it is built, looks for the runtime that it will live on.
                let _inside = self.runtime().enter();
                Cluster::configured(&Connection { context, ..connection.clone() }, self.clock().clone())?
            }
        };
        if self.settings().verbose > 0 {
            let screen = self.screen().clone();
            cluster.observe(move |line| screen.warn(&Text::of(Tone::Dim, line)));
        }
        clusters.current = Some(cluster.clone());
        Ok(cluster)
    }

    /// The namespace that a target without one is looked for in.
    pub fn namespace(&self) -> Result<String> {
        let chosen = self.clusters().namespace.clone();
        match chosen {
            Some(namespace) => Ok(namespace),
            None => Ok(self.cluster()?.namespace().to_owned()),
        }
    }

    pub fn use_namespace(&self, namespace: &str) {
        self.clusters().namespace = Some(namespace.to_owned());
    }

    pub fn contexts(&self) -> Result<Vec<ContextEntry>> {
        let clusters = self.clusters();
        match &clusters.source {
            Source::Configured(connection) => {
                let chosen = clusters.context.clone().or_else(|| connection.context.clone());
                let mut entries = Cluster::contexts(connection)?;
                if let Some(chosen) = chosen {
                    for entry in &mut entries {
                        entry.current = entry.name == chosen;
                    }
                }
                Ok(entries)
            }
            Source::InProcess(cluster) | Source::Simulated { cluster, .. } => Ok(vec![ContextEntry {
                name: cluster.context().to_owned(),
                cluster: Some(cluster.context().to_owned()),
                server: Some(cluster.server().to_owned()),
                user: None,
                namespace: Some(cluster.namespace().to_owned()),
                current: true,
            }]),
        }
    }

    /// Changes the cluster in use, and with it the namespace to the context's own.
    ///
    /// # Errors
    /// `not_found` for an unknown context; the session then stays where it is.
    pub fn use_context(&self, name: &str) -> Result<()> {
        let entries = self.contexts()?;
        if !entries.iter().any(|entry| entry.name == name) {
            let known = entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Error::not_found(format!("no context {name:?}")).hint(format!("contexts: {known}")));
        }
        let mut clusters = self.clusters();
        if matches!(clusters.source, Source::Configured(_)) {
            clusters.current = None;
            clusters.context = Some(name.to_owned());
        }
        clusters.namespace = None;
        Ok(())
    }

    /// Changes the context, and back when the returned value is dropped.
    ///
    /// # Errors
    /// `not_found` for an unknown context; `usage` on a strand, since the others would be on that cluster too.
    pub fn borrow_context(&self, name: &str) -> Result<BorrowedContext> {
        if strand::is_one() {
            return Err(Error::usage("another context cannot be used inside parallel or for_each_workload: their closures share one")
                .hint("turn it round: on(context, || parallel(...))"));
        }
        let before = {
            let clusters = self.clusters();
            (clusters.current.clone(), clusters.context.clone(), clusters.namespace.clone())
        };
        self.use_context(name)?;
        Ok(BorrowedContext { session: self.clone(), before })
    }

    /// Asks a yes-or-no question.
    ///
    /// # Errors
    /// `denied` when the answer is not yes, or when nobody can be asked and `--yes` was not given.
    pub fn confirm(&self, question: &str) -> Result<(), Stop> {
        if self.policy().yes {
            return Ok(());
        }
        let Some(ask) = &self.0.ask else {
            return Err(Error::denied(format!("nobody can be asked: {question}")).hint("run with --yes to answer yes, or at a terminal").into());
        };
        match ask(&format!("{question} [y/N] ")) {
            None => Err(Stop::Halt(Halt::Interrupted)),
            Some(answer) if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") => Ok(()),
            Some(_) => Err(Error::denied(format!("not confirmed: {question}")).into()),
        }
    }

    /// Fills in the session's namespace where a target of a namespaced kind has none.
    pub fn located(&self, mut target: Target) -> Result<Target> {
        if !target.resource.namespaced {
            target.namespace = None;
        } else if target.namespace.is_none() {
            target.namespace = Some(self.namespace()?);
        }
        Ok(target)
    }

    fn clusters(&self) -> MutexGuard<'_, Clusters> {
        self.0.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
