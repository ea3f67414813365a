//! From flags to a session.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcetera::BaseStrategy;
use tokio::runtime::{Builder, Runtime};

use super::args::{Format, Global, When};
use super::{ask, signals};
use crate::clock::Clock;
use crate::cluster::{Cluster, Connection};
use crate::error::{Error, Result, file_reason};
use crate::functions::manifest;
use crate::render::screen::Screen;
use crate::session::settings::Output;
use crate::session::{Interrupts, Parts, Policy, Session, Settings, Source, virtual_time, virtual_time_of};
use crate::sim::Options;
use crate::sim::state::Saved;

/// What runs in the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// A person at a prompt: wall time, every capability.
    Prompt,
    /// A script from this folder: virtual time on a simulated cluster, capabilities as granted.
    Script(PathBuf),
}

/// How many worker threads a prompt needs: connections and watches, which go on while a person types.
const WORKERS: usize = 2;

pub fn screen(global: &Global) -> Screen {
    let color = match global.color {
        When::Auto => None,
        When::Always => Some(true),
        When::Never => Some(false),
    };
    Screen::process(color, global.quiet)
}

/// # Errors
/// `usage` for a kubeconfig, context or manifest that cannot be used.
pub fn session(global: &Global, used: &Use, screen: Screen) -> Result<Session> {
    let prompt = *used == Use::Prompt;
    let simulated = global.sim.as_ref().map(|start| simulated(global, start.as_deref())).transpose()?;
    let (runtime, clock) = match &simulated {
        Some(options) if !prompt => virtual_time_of(options)?,
        _ if prompt => (runtime(Builder::new_multi_thread().worker_threads(WORKERS))?, Clock::wall()),
        // A script waits where it stands: whatever runs meanwhile runs on its own thread, without a wake-up from one to another for each answer.
        _ => (runtime(&mut Builder::new_current_thread())?, Clock::wall()),
    };
    let interrupts = Interrupts::default();
    signals::listen(&interrupts, prompt)?;
    let source = match simulated {
        Some(options) => Source::simulated(options, &runtime, &clock)?,
        None => Source::Configured(connection(global)?),
    };
    let home = match used {
        Use::Prompt => Vec::new(),
        Use::Script(folder) => std::env::current_dir().into_iter().chain([folder.clone()]).collect(),
    };
    let session = Session::new(Parts {
        runtime,
        clock,
        source,
        settings: Settings {
            output: match global.output {
                Format::Text => Output::Text,
                Format::Json => Output::Json,
                Format::Yaml => Output::Yaml,
            },
            dry_run: global.dry_run,
            interactive: prompt,
            verbose: global.verbose,
            state: state(global),
        },
        policy: Policy { read_only: global.read_only, yes: global.yes, all: prompt, allowed: global.allow.clone(), home },
        screen,
        interrupts,
        ask: ask::terminal(),
    });
    if let (Some(namespace), Some(_)) = (&global.namespace, &global.sim) {
        session.use_namespace(namespace);
    }
    Ok(session)
}

/// Where the journal and open guards of real clusters are kept: `$XDG_STATE_HOME/rollsh`, or what the system has in its place.
fn state(global: &Global) -> Option<PathBuf> {
    if global.sim.is_some() {
        return None;
    }
    // Who has no home may still look and change; the journal then goes where root can write, or says that it cannot be written.
    let folder = etcetera::choose_base_strategy().map(|strategy| strategy.state_dir().unwrap_or_else(|| strategy.data_dir()));
    Some(folder.unwrap_or_else(|_| PathBuf::from("/var/lib")).join("rollsh"))
}

/// A session that reaches no cluster, for what only needs the functions.
pub fn without_cluster(screen: Screen) -> Result<Session> {
    let (runtime, clock) = virtual_time()?;
    Ok(Session::new(Parts {
        runtime,
        clock,
        source: Source::Configured(Connection::default()),
        settings: Settings::default(),
        policy: Policy { read_only: true, ..Policy::default() },
        screen,
        interrupts: Interrupts::default(),
        ask: None,
    }))
}

fn runtime(builder: &mut Builder) -> Result<Arc<Runtime>> {
    let runtime = builder.enable_all().build();
    Ok(Arc::new(runtime.map_err(|error| Error::script(format!("cannot start the runtime: {error}")))?))
}

fn simulated(global: &Global, start: Option<&Path>) -> Result<Options> {
    for (flag, given) in [("--kubeconfig", global.kubeconfig.is_some()), ("--context", global.context.is_some())] {
        if given {
            return Err(Error::usage(format!("{flag} and --sim exclude each other")));
        }
    }
    options(global.seed, start)
}

/// What a simulated cluster starts with: the shop, or what is in a file or folder.
pub fn options(seed: u64, start: Option<&Path>) -> Result<Options> {
    match start {
        Some(path) => Ok(Options { seed, ..beginning(&[path])? }),
        None => Ok(Options { seed, ..Options::default() }),
    }
}

/// What a simulated cluster starts with: the manifests of some files and folders, `-` for standard input, and at most one saved cluster among them.
pub fn beginning(paths: &[&Path]) -> Result<Options> {
    let mut options = Options::empty();
    for path in paths {
        let texts = if *path == Path::new("-") { vec![("standard input".to_owned(), standard_input()?)] } else { manifest::texts(path).map_err(as_usage)? };
        for (place, text) in texts {
            match Saved::read(&place, &text)? {
                Some(_) if options.saved.is_some() => {
                    return Err(Error::usage(format!("{place} holds a second saved cluster")).hint("a cluster goes on from one of them"));
                }
                Some(saved) => options.saved = Some(saved),
                None => {
                    let found = manifest::parse(&place, &text).map_err(as_usage)?;
                    options.manifests.get_or_insert_default().extend(found.into_iter().map(|(_, object)| object));
                }
            }
        }
    }
    Ok(options)
}

fn standard_input() -> Result<String> {
    std::io::read_to_string(std::io::stdin()).map_err(|error| Error::usage(format!("cannot read standard input: {}", file_reason(&error))))
}

/// What a flag names and cannot be used is a wrong flag.
pub fn as_usage(error: Error) -> Error {
    error.hints().iter().fold(Error::usage(error.message()), |usage, hint| usage.hint(hint))
}

/// A file that was named must be there, and a context that was named must be in it: better now than at the first request.
fn connection(global: &Global) -> Result<Connection> {
    let connection = Connection { kubeconfig: global.kubeconfig.clone(), context: global.context.clone(), namespace: global.namespace.clone() };
    if let Some(file) = &connection.kubeconfig
        && let Err(error) = std::fs::File::open(file)
    {
        return Err(Error::usage(format!("cannot read the kubeconfig {}: {}", file.display(), file_reason(&error)))
            .hint("check --kubeconfig, or try --sim for a simulated cluster"));
    }
    if let Some(context) = &connection.context {
        let entries = Cluster::contexts(&connection)?;
        if !entries.iter().any(|entry| entry.name == *context) {
            let known = entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>().join(", ");
            return Err(Error::usage(format!("no context {context:?} in the kubeconfig")).hint(format!("contexts: {known}")));
        }
    }
    Ok(connection)
}
