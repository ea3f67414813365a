//! `rollsh`, the rollout shell for Kubernetes: rollout functions for [Rhai](https://rhai.rs) scripts, at a prompt, in a pipeline or in a
//! simulated cluster.
//!
//! # Embedding
//!
//! A session has a cluster, settings, a policy and an output of its own; any number live side by side. This one runs a script on a simulated
//! shop, on a clock of its own:
//!
//! ```
//! use rollsh::render::screen::Screen;
//! use rollsh::script::{Ended, Host};
//! use rollsh::session::{Interrupts, Policy, Session, Settings};
//! use rollsh::sim::Options;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (screen, out, _err) = Screen::captured();
//! let session = Session::simulated(Options::default(), Settings::default(), Policy::default(), screen, Interrupts::default())?;
//! let mut host = Host::new(&session, None, &rollsh::script::engine::arguments(&[]));
//! let ended = host.run("release", r#"
//!     set_image("deploy/web", "web=shop/web:4");
//!     print(wait("deploy/web").outcome);
//! "#);
//! assert!(matches!(ended, Ended::Value(_)));
//! assert_eq!(out.lock().unwrap().as_slice(), b"complete\n");
//! # Ok(())
//! # }
//! ```
//!
//! On a real cluster it is `Session::new` with `Source::Configured`, a multi-thread runtime and `Clock::wall()`.
//!
//! A session blocks the thread that uses it: from async code, give it a thread of its own (`std::thread`, with a stack of
//! [`script::engine::STACK_SIZE`]). The version of `k8s-openapi` is the embedder's choice: depend on this crate without default features and
//! enable one of its `v1_*` features.
//!
//! # The map
//!
//! A house with eight floors. A module imports only from lower floors; neighbours on a floor do not know each other (`tests/architecture.rs`).
//!
//! | floor | modules | what is there |
//! |---|---|---|
//! | 7 | `cli` | flags to a session, a session's end to an exit code; `main.rs` calls only this |
//! | 6 | `repl` | the prompt |
//! | 5 | `script` | the Rhai host: engine, faults, modules, checker, runner |
//! | 4 | `functions` | what a script can call, as data |
//! | 3 | `session` | clusters in use, settings, policy, making changes, following rollouts, waiting |
//! | 2 | `cluster`, `journal`, `render`, `probe` | the live API, the audit log, values to text, http and prometheus |
//! | 1 | `rollout`, `sim` | pure decisions, the simulated cluster |
//! | 0 | `error`, `clock`, `resource`, `proxy` | words that all floors share |
//!
//! # Invariants
//!
//! 1. **A decision is a value.** `rollout::*` returns a [`rollout::change::Change`]; making it is someone else's work, so that dry run, diff,
//!    policy and journal apply to every verb.
//! 2. **One door for writes.** Only `cluster/write.rs` sends a write; only `session/make.rs` calls it.
//! 3. **One definition a function.** A script function is one struct literal in `functions`; registration, argument checks, completion, help,
//!    the checker and the example tests are loops over that table.
//! 4. **Every wait can be ended.** Native functions wait through [`session::Session::wait`] alone.
//! 5. **Real and simulated differ only in the `tower::Service` that `kube::Client` is given.**
//! 6. **`sim` and `rollout` never import each other**: the simulator is an independent witness.
//! 7. **The simulator is deterministic**: one seed, ordered maps, a clock that it is given, no threads.
//! 8. **Cluster text is hostile.** Only `render/screen.rs` writes to a terminal, and it neutralises control characters.
//! 9. **No process-wide state.**
//! 10. Rhai types appear on floors 4 and up only; rustyline and clap in `repl` and `cli` only.
//!
//! Deliberately absent: anything installed in the cluster, a daemon, a second way to write, a trait over "real or simulated".

#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod error;
pub mod functions;
pub mod journal;
pub mod probe;
pub mod proxy;
pub mod render;
#[cfg(feature = "cli")]
pub mod repl;
pub mod resource;
pub mod rollout;
pub mod script;
pub mod session;
pub mod sim;
