//! The command line as data.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::error::Error;
use crate::functions::call::parse_duration;
use crate::session::Capability;

const AFTER: &str = "\
Examples:
  rollsh --sim run scripts/tour.rhai            a tour on a simulated cluster: nothing to install, nothing at risk
  rollsh --sim                                  a prompt on the same
  rollsh                                        a prompt on the cluster of your kubeconfig
  rollsh eval 'history(\"deploy/web\")'           one expression
  rollsh run scripts/conditional_rollback.rhai --target deploy/web --image web=shop/web:9

Exit codes: 0 done, 1 script failed, 2 usage, 3 denied, 4 cluster not reached, 5 rollout failed, 6 failed and rolled back,
124 a deadline ran out, 130 interrupted, 143 terminated, N from exit(N).";

/// The rollout shell for Kubernetes: look at rollouts, follow them, judge them, and take them back, by hand or by script.
///
/// Without a command: a prompt when standard input is a terminal, otherwise the script that comes on it.
#[derive(Debug, Parser)]
#[command(name = "rollsh", version, after_help = AFTER, max_term_width = 120)]
pub struct Args {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Debug, clap::Args)]
pub struct Global {
    /// The kubeconfig file, in place of KUBECONFIG and ~/.kube/config
    #[arg(long, value_name = "FILE", global = true)]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context to use
    #[arg(long, value_name = "NAME", global = true)]
    pub context: Option<String>,
    /// The namespace to use, in place of the context's
    #[arg(short, long, value_name = "NAME", global = true)]
    pub namespace: Option<String>,
    /// Use a simulated cluster: a small shop with a history, or what is in FILE (manifests, a directory of them, or a cluster that `rollsh sim --save` wrote)
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, global = true)]
    pub sim: Option<Option<PathBuf>>,
    /// Which simulated world: the same number gives the same run to the byte
    #[arg(long, value_name = "N", default_value_t = 0, global = true)]
    pub seed: u64,
    /// Refuse every change
    #[arg(long, global = true)]
    pub read_only: bool,
    /// Send every change with dryRun=All, show its diff, change nothing
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Grant a script a capability: net, net=HOST, read[=PATH], write[=PATH], env[=NAME], delete (repeatable)
    #[arg(long, value_name = "CAP", global = true, value_parser = capability)]
    pub allow: Vec<Capability>,
    /// Answer every confirm with yes
    #[arg(long, global = true)]
    pub yes: bool,
    /// A deadline for the whole run, as in 90s, 5m or 1h30m
    #[arg(long, value_name = "DURATION", global = true, value_parser = duration)]
    pub timeout: Option<Duration>,
    /// How eval prints its value
    #[arg(short, long, value_name = "FORMAT", default_value = "text", global = true)]
    pub output: Format,
    /// When to use colour; NO_COLOR is respected by auto
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true)]
    pub color: When,
    /// No notices
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say more: every request to the cluster, with its answer and how long it took
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a script
    ///
    /// What follows FILE is the script's: `--name value` and `--name=value` become args.name, a lone `--flag` is true, the rest is args.rest.
    /// An option of rollsh that the script does not ask for is rollsh's there too; after a `--` all is the script's.
    Run {
        /// The script; `-` reads it from standard input
        file: PathBuf,
        /// Arguments for the script
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Evaluate one expression and print its value
    Eval {
        /// The expression
        #[arg(allow_hyphen_values = true)]
        expr: String,
    },
    /// Parse and check scripts without running them and without a cluster
    Check {
        /// The scripts
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Serve the simulated cluster on loopback for other clients, until Ctrl-C
    ///
    /// Without --with and --demo it is an empty cluster with three nodes. Without --write-kubeconfig the kubeconfig goes to standard output. --about tells what is simulated and what is not.
    Sim(Simulated),
    /// Run every `fn test_*()` of every `*_test.rhai`, each in a fresh simulated cluster on a virtual clock
    ///
    /// The cluster is empty, unless --sim asks for the shop or --sim=FILE for manifests to start with.
    Test {
        /// Files and folders
        #[arg(default_value = ".")]
        paths: Vec<PathBuf>,
        /// Write the results as JUnit XML
        #[arg(long, value_name = "FILE")]
        junit: Option<PathBuf>,
        /// Only tests whose file or name contains this
        #[arg(long, value_name = "TEXT")]
        filter: Option<String>,
        /// How many at a time; default: as many as there are processors
        #[arg(long, value_name = "N")]
        jobs: Option<usize>,
    },
    /// Run a script in many seeded simulated worlds in which things go wrong, and tell what it did in them
    ///
    /// What follows FILE is the script's, as with run. The worlds start with the small shop, or with the manifests of
    /// --sim=FILE; their seeds count up from --seed; --timeout limits the simulated time of a run (default 24h). Exit code 1 when a world is of concern:
    /// an error that nothing caught, a run that did not end, an exit code of 0 or 6 with a changed workload that is not complete.
    Simulate {
        #[command(flatten)]
        worlds: Worlds,
        /// The script
        file: PathBuf,
        /// Arguments for the script
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Print the manifests that run a script in a cluster: Job or CronJob, ConfigMap, ServiceAccount, and the least Role that it needs
    ///
    /// The Role comes from the script's text and arguments; what these do not tell is named on standard error. --allow, --yes, --timeout, --read-only and
    /// --dry-run are handed on to the run; --namespace is where it runs (default: default).
    Job(Scheduled),
    /// The reference of the script functions
    Functions {
        /// One of them
        name: Option<String>,
        /// How it is printed; rhai is a definition file for editors
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: Reference,
    },
    /// List the audit journal and verify its chain
    Journal,
    /// Finish the guarded rollouts that a killed process left behind
    Recover,
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff)
    Man,
}

#[derive(Debug, clap::Args)]
pub struct Scheduled {
    /// The script
    pub file: PathBuf,
    /// A name for all objects; without: the script's
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// The image that holds this program
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// Run it again and again, as in "0 3 * * *": a CronJob in place of a Job
    #[arg(long, value_name = "CRON")]
    pub schedule: Option<String>,
    /// Arguments for the script, after --
    #[arg(last = true)]
    pub args: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub struct Worlds {
    /// How many worlds
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub seeds: u64,
    /// What may go wrong: all, none, or a list of image, conflict, unavailable, throttle, slow, drop_watch, gone, cut, rival, forbid, node_down
    #[arg(long, value_name = "LIST", default_value = "all")]
    pub faults: String,
    /// Write all worlds as a page of HTML
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Simulated {
    /// Write a kubeconfig for clients to FILE, readable for its owner alone
    ///
    /// Into a kubeconfig with other clusters the cluster, user and context `rollsh-sim` are put beside them as the current context, and taken out again at the end. What is no kubeconfig is not overwritten.
    #[arg(long, value_name = "FILE")]
    pub write_kubeconfig: Option<PathBuf>,
    /// The port on 127.0.0.1; without: any free one
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub port: u16,
    /// HTTP without TLS: whoever reaches the port may do all
    #[arg(long)]
    pub plain: bool,
    /// Start from what is in FILE: manifests (YAML or JSON, several documents, Lists; a file, a directory, or - for standard input), or a cluster that --save wrote (repeatable)
    ///
    /// A saved cluster goes on where it was: same uids, versions, tokens and certificates, so that with the same --port the same kubeconfig is good again. It slept meanwhile: what waited goes on waiting, ages follow the wall clock. Watches from before get a 410 and list anew.
    #[arg(long, value_name = "FILE", conflicts_with = "demo")]
    pub with: Vec<PathBuf>,
    /// Save the whole cluster to FILE, at the start and when Ctrl-C, SIGTERM or SIGHUP ends it, readable for its owner alone
    ///
    /// `kubectl get --raw /sim/state` reads the same at any time. With --with of the same FILE, which need not be there the first time, a cluster outlives its process.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Start from a small shop with a history: deploy/web, sts/db, ds/agent
    #[arg(long)]
    pub demo: bool,
    /// How many nodes; without: 3, or none where no controllers run
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(..=5000))]
    pub nodes: Option<u16>,
    /// Whether controllers, scheduler and kubelets run, or the API server alone
    #[arg(long, value_name = "WHICH", default_value = "all")]
    pub controllers: Controllers,
    /// How fast the cluster's time goes: 1 as on the wall, 60 a minute in a second, max from one event to the next
    #[arg(long, value_name = "X", default_value = "1", value_parser = speed)]
    pub speed: Speed,
    /// What images do, from FILE: a map of images, or of patterns with *, to behaviours as of `sim::image`; or a list of them, each with `image`
    #[arg(long, value_name = "FILE")]
    pub behaviour: Option<PathBuf>,
    /// What goes wrong, from FILE: faults as of `sim::fault`, one or a list; `kubectl create --raw /sim/faults -f FILE` adds some later
    #[arg(long, value_name = "FILE")]
    pub faults: Option<PathBuf>,
    /// Print what is simulated and what is not, how faults are made, and what is saved
    #[arg(long)]
    pub about: bool,
    /// Print the version of Kubernetes that is simulated, as its API server prints it
    #[arg(long)]
    pub version: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Controllers {
    All,
    None,
}

/// How fast the simulated cluster's time goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    Times(f64),
    Max,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Text,
    Json,
    Yaml,
}

/// What the reference of the functions is printed as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Reference {
    Text,
    Markdown,
    Json,
    Rhai,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    Auto,
    Always,
    Never,
}

/// What a clock can follow: slower than a thousandth stands still, faster than a million times is `max`.
const SPEEDS: std::ops::RangeInclusive<f64> = 0.001..=1_000_000.0;

fn speed(text: &str) -> Result<Speed, String> {
    if text == "max" {
        return Ok(Speed::Max);
    }
    text.parse().ok().filter(|times| SPEEDS.contains(times)).map(Speed::Times).ok_or_else(|| "write a number from 0.001 to 1000000, or max".to_owned())
}

fn capability(text: &str) -> Result<Capability, String> {
    text.parse().map_err(|error: Error| std::iter::once(error.message()).chain(error.hints().iter().map(String::as_str)).collect::<Vec<_>>().join("; "))
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).or_else(|| text.parse().ok().map(Duration::from_secs)).ok_or_else(|| "write a number with a unit, as in 90s, 5m or 1h30m".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn what_follows_the_script_is_the_scripts_own() {
        let args = Args::try_parse_from(["rollsh", "--sim", "run", "a.rhai", "--target", "deploy/web", "--timeout", "30s"]).expect("valid");
        assert_eq!(args.global.timeout, None);
        assert!(matches!(args.command, Some(Command::Run { args, .. }) if args == ["--target", "deploy/web", "--timeout", "30s"]));
    }
}
