//! `rollsh sim`: the simulated cluster for other clients, from flags to the end.

use std::path::Path;
use std::process::ExitCode;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use super::args::{Controllers, Global, Simulated, Speed};
use super::build;
use crate::clock::Clock;
use crate::error::{Error, Result, file_reason};
use crate::render::screen::Screen;
use crate::sim::serve::{self, Server, kubeconfig};
use crate::sim::state::{Saved, write_private};
use crate::sim::{Options, SCOPE, Sim, VERSION};

/// Threads for connections: what a request does is done under one lock, the rest is encryption.
const WORKERS: usize = 2;

/// How many nodes a cluster with controllers has.
const NODES: usize = 3;

/// The signals that end it, each with its exit code.
const ENDS: [(SignalKind, u8); 3] = [(SignalKind::interrupt(), 130), (SignalKind::terminate(), 143), (SignalKind::hangup(), 129)];

/// Serves until a signal ends it.
pub fn serve(global: &Global, options: &Simulated, screen: &Screen) -> Result<ExitCode> {
    if options.version {
        screen.print_line(&format!("Kubernetes {VERSION}"));
        return Ok(ExitCode::SUCCESS);
    }
    if options.about {
        screen.print(SCOPE);
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    let runtime = runtime.map_err(|error| Error::script(format!("cannot start the runtime: {error}")))?;
    let served = runtime.block_on(run(global, options, screen));
    // Tasks that still wait for clients have nothing more to do.
    runtime.shutdown_background();
    served.map(ExitCode::from)
}

async fn run(global: &Global, options: &Simulated, screen: &Screen) -> Result<u8> {
    let ended = ended()?;
    let clock = match options.speed {
        Speed::Times(1.0) => Clock::wall(),
        Speed::Times(times) => Clock::paced(times),
        Speed::Max => Clock::paced(1.0),
    };
    let sim = Sim::new(start(global, options)?, clock)?;
    steer(&sim, options)?;
    let server = Server::bind(sim.clone(), &serve::Options { port: options.port, plain: options.plain }, Clock::wall().now())?;
    // At the start already: better told now than at the end that it cannot be saved.
    save(&sim, options.save.as_deref())?;
    let written = match &options.write_kubeconfig {
        Some(file) => Some((file, server.write_kubeconfig(file)?)),
        None => {
            screen.print(server.kubeconfig());
            None
        }
    };
    tokio::spawn(sim.clone().live());
    if options.speed == Speed::Max {
        tokio::spawn(server.hurry());
    }
    let url = server.url().to_owned();
    screen.notice(&greeting(&url, options).into());
    let mut code = 0;
    server.run(async { code = ended.await }).await;
    let saved = save(&sim, options.save.as_deref());
    if let Some((file, written)) = written {
        kubeconfig::take_back(file, &written, &url)?;
    }
    saved.map(|()| code)
}

/// Waits for a signal and says which exit code it means.
fn ended() -> Result<impl Future<Output = u8>> {
    let mut signals = Vec::new();
    for (kind, code) in ENDS {
        signals.push((signal(kind).map_err(|error| Error::script(format!("cannot listen to signals: {error}")))?, code));
    }
    Ok(async move {
        let waiting = signals.iter_mut().map(|(signal, code)| {
            Box::pin(async {
                signal.recv().await;
                *code
            })
        });
        futures::future::select_all(waiting).await.0
    })
}

fn greeting(url: &str, options: &Simulated) -> String {
    let kubeconfig =
        options.write_kubeconfig.as_ref().map_or_else(|| "the kubeconfig is on standard output".to_owned(), |file| format!("kubeconfig {}", file.display()));
    let saved = options.save.as_ref().map(|file| format!(" and saves it to {}", file.display())).unwrap_or_default();
    format!("simulated Kubernetes {VERSION} at {url}; {kubeconfig}; Ctrl-C ends it{saved}")
}

fn start(global: &Global, options: &Simulated) -> Result<Options> {
    let controllers = options.controllers == Controllers::All;
    // A cluster that is to outlive its process has no file yet when it is started for the first time.
    let is_there = |path: &&Path| options.save.as_deref() != Some(*path) || path.exists();
    let paths: Vec<&Path> = options.with.iter().map(|it| it.as_path()).filter(is_there).collect();
    let beginning = if options.demo { Options::default() } else { build::beginning(&paths)? };
    if beginning.saved.is_some() && options.nodes.is_some() {
        return Err(Error::usage("--nodes and a saved cluster exclude each other").hint("a saved cluster has its nodes; kubectl delete and create change them"));
    }
    let nodes = options.nodes.map_or(if controllers { NODES } else { 0 }, usize::from);
    Ok(Options { seed: global.seed, nodes, controllers, ..beginning })
}

/// Behaviours and faults from files.
fn steer(sim: &Sim, options: &Simulated) -> Result<()> {
    for (file, what) in [(&options.behaviour, "--behaviour"), (&options.faults, "--faults")] {
        let Some(file) = file else { continue };
        let text = std::fs::read_to_string(file).map_err(|error| Error::usage(format!("cannot read {}: {}", file.display(), file_reason(&error))))?;
        let documents = crate::render::data::parse_yaml(&text).map_err(|error| Error::usage(format!("{}: {}", file.display(), error.message())))?;
        for document in documents {
            let steered = if what == "--faults" { sim.faults(&document) } else { sim.behaviours(&document) };
            steered.map_err(|error| {
                let named = Error::usage(format!("{}: {}", file.display(), error.message()));
                error.hints().iter().fold(named, |named, hint| named.hint(hint))
            })?;
        }
    }
    Ok(())
}

/// Saves the cluster, if it is to be saved; what is no saved cluster is not overwritten.
fn save(sim: &Sim, file: Option<&Path>) -> Result<()> {
    let Some(file) = file else { return Ok(()) };
    let present = std::fs::read(file).unwrap_or_default();
    let place = file.display().to_string();
    if !present.is_empty() && !std::str::from_utf8(&present).is_ok_and(Saved::is_one) {
        return Err(Error::usage(format!("{place} holds something else than a saved cluster and is not overwritten")).hint("name another file with --save"));
    }
    write_private(file, &sim.saved()).map_err(|error| Error::usage(format!("cannot save the cluster to {place}: {}", file_reason(&error))))
}
