//! `rollsh sim`: the simulated cluster for other clients, from flags to the end.

use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use super::args::{Controllers, Global, Simulated, Speed};
use super::build;
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::functions::manifest;
use crate::render::screen::Screen;
use crate::sim::serve::{self, Server};
use crate::sim::{Options, Sim, VERSION};

/// Threads for connections: what a request does is done under one lock, the rest is encryption.
const WORKERS: usize = 2;

/// How many nodes a cluster with controllers has.
const NODES: usize = 3;

/// Serves until Ctrl-C or SIGTERM, which is the orderly end.
pub fn serve(global: &Global, options: &Simulated, screen: &Screen) -> Result<ExitCode> {
    if options.version {
        screen.print_line(&format!("Kubernetes {VERSION}"));
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    let runtime = runtime.map_err(|error| Error::script(format!("cannot start the runtime: {error}")))?;
    let served = runtime.block_on(run(global, options, screen));
    // Tasks that still wait for clients have nothing more to do.
    runtime.shutdown_background();
    served.map(|()| ExitCode::SUCCESS)
}

async fn run(global: &Global, options: &Simulated, screen: &Screen) -> Result<()> {
    let no_signals = |error: std::io::Error| Error::script(format!("cannot listen to signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(no_signals)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(no_signals)?;
    let clock = match options.speed {
        Speed::Times(1.0) => Clock::wall(),
        Speed::Times(times) => Clock::paced(times),
        Speed::Max => Clock::paced(1.0),
    };
    let sim = Sim::new(start(global, options)?, clock)?;
    let server = Server::bind(sim.clone(), &serve::Options { port: options.port, plain: options.plain }, Clock::wall().now())?;
    match &options.write_kubeconfig {
        Some(file) => server.write_kubeconfig(file)?,
        None => screen.print(server.kubeconfig()),
    }
    tokio::spawn(sim.clone().live());
    if options.speed == Speed::Max {
        tokio::spawn(server.hurry());
    }
    screen.notice(&greeting(server.url(), options.write_kubeconfig.as_deref()).into());
    server
        .run(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
        .await;
    Ok(())
}

fn greeting(url: &str, kubeconfig: Option<&Path>) -> String {
    let kubeconfig = kubeconfig.map_or_else(|| "the kubeconfig is on standard output".to_owned(), |file| format!("kubeconfig {}", file.display()));
    format!("simulated Kubernetes {VERSION} at {url}; {kubeconfig}; Ctrl-C ends it")
}

fn start(global: &Global, options: &Simulated) -> Result<Options> {
    let controllers = options.controllers == Controllers::All;
    let manifests = match &options.with {
        Some(path) => Some(read(path)?),
        None if options.demo => None,
        None => Some(Vec::new()),
    };
    let nodes = options.nodes.map_or(if controllers { NODES } else { 0 }, usize::from);
    Ok(Options { seed: global.seed, nodes, manifests, controllers })
}

fn read(path: &Path) -> Result<Vec<Value>> {
    manifest::read(path).map(|found| found.into_iter().map(|(_, object)| object).collect()).map_err(build::as_usage)
}
