//! What the user set for a whole session.

use std::path::PathBuf;

/// How `eval` prints its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Output {
    #[default]
    Text,
    Json,
    Yaml,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    pub output: Output,
    /// Send every change with `dryRun=All`.
    pub dry_run: bool,
    /// Somebody types: results of a statement are shown, live views are drawn.
    pub interactive: bool,
    /// 0: normal; more: say more.
    pub verbose: u8,
    /// Where the journal and what `recover` needs are kept; `None`: in memory, as for a simulated cluster.
    pub state: Option<PathBuf>,
}
