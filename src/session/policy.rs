//! What a session may do: changes at all, and the capabilities that a script was granted.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, Result};
use crate::rollout::change::{Change, Request};
use crate::rollout::config::TAKEN_BACK;

/// Something that a script may do only when it was granted (`--allow`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capability {
    /// HTTP requests, to any host or to one.
    Net(Option<String>),
    /// Reading files, any or below a path.
    Read(Option<PathBuf>),
    /// Writing files, any or below a path.
    Write(Option<PathBuf>),
    /// Environment variables, any or one.
    Env(Option<String>),
    /// Deleting objects.
    Delete,
}

impl std::str::FromStr for Capability {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        if value == Some("") {
            return Err(Error::usage(format!("--allow {text}: nothing after the `=`")));
        }
        match (name, value) {
            ("net", host) => Ok(Self::Net(host.map(str::to_owned))),
            ("read", path) => Ok(Self::Read(path.map(PathBuf::from))),
            ("write", path) => Ok(Self::Write(path.map(PathBuf::from))),
            ("env", name) => Ok(Self::Env(name.map(str::to_owned))),
            ("delete", None) => Ok(Self::Delete),
            ("delete", Some(_)) => Err(Error::usage("--allow delete takes no value")),
            _ => Err(Error::usage(format!("unknown capability {name:?}"))
                .hint("capabilities: net, net=HOST, read, read=PATH, write, write=PATH, env, env=NAME, delete")),
        }
    }
}

/// As on the command line.
impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Net(None) => f.write_str("net"),
            Self::Net(Some(host)) => write!(f, "net={host}"),
            Self::Read(None) => f.write_str("read"),
            Self::Read(Some(path)) => write!(f, "read={}", path.display()),
            Self::Write(None) => f.write_str("write"),
            Self::Write(Some(path)) => write!(f, "write={}", path.display()),
            Self::Env(None) => f.write_str("env"),
            Self::Env(Some(name)) => write!(f, "env={name}"),
            Self::Delete => f.write_str("delete"),
        }
    }
}

/// The rules of a session.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    pub read_only: bool,
    /// Answers every `confirm` with yes.
    pub yes: bool,
    /// Everything is granted: the REPL, where a person types.
    pub all: bool,
    pub allowed: Vec<Capability>,
    /// Folders whose manifests may be applied without a grant: the script's own, or the working directory.
    pub home: Vec<PathBuf>,
}

impl Policy {
    /// # Errors
    /// `denied` for any change with `--read-only`, and for a delete that was not granted.
    pub fn check_change(&self, change: &Change) -> Result<()> {
        if self.read_only && change.request != Request::Nothing {
            return Err(Error::denied(format!("{} changes {}, and this session is read-only", change.verb, change.target))
                .target(&change.target)
                .hint("run without --read-only, or with --dry-run in its place to see what would change"));
        }
        // What `unstick` deletes is made again at once by its controller; what is taken back was made a moment ago by the same call.
        if matches!(change.request, Request::Delete { .. }) && !["unstick", TAKEN_BACK].contains(&change.verb) {
            self.check(&Capability::Delete, change.verb, "delete")?;
        }
        Ok(())
    }

    /// # Errors
    /// `denied` when reading the path was not granted.
    pub fn check_read(&self, path: &Path, what: &str) -> Result<()> {
        self.check(&Capability::Read(Some(path.to_owned())), what, &format!("read={}", path.display()))
    }

    /// Like `check_read`; a manifest in the script's own folder, or below it, needs no grant.
    pub fn check_manifest(&self, path: &Path, what: &str) -> Result<()> {
        let path_now = resolved(path);
        if self.home.iter().any(|home| path_now.starts_with(resolved(home))) {
            return Ok(());
        }
        self.check_read(path, what)
    }

    pub fn check_write(&self, path: &Path, what: &str) -> Result<()> {
        self.check(&Capability::Write(Some(path.to_owned())), what, &format!("write={}", path.display()))
    }

    pub fn check_net(&self, host: &str, what: &str) -> Result<()> {
        self.check(&Capability::Net(Some(host.to_owned())), what, &format!("net={host}"))
    }

    pub fn check_env(&self, name: &str, what: &str) -> Result<()> {
        self.check(&Capability::Env(Some(name.to_owned())), what, &format!("env={name}"))
    }

    fn check(&self, wanted: &Capability, what: &str, flag: &str) -> Result<()> {
        if self.all || self.allowed.iter().any(|granted| covers(granted, wanted)) {
            return Ok(());
        }
        Err(Error::denied(format!("{what} needs a capability that was not granted")).fact("capability", flag).hint(format!("run with --allow {flag}")))
    }
}

fn covers(granted: &Capability, wanted: &Capability) -> bool {
    use Capability::{Delete, Env, Net, Read, Write};
    match (granted, wanted) {
        (Net(None), Net(_)) | (Read(None), Read(_)) | (Write(None), Write(_)) | (Env(None), Env(_)) | (Delete, Delete) => true,
        (Net(Some(granted)), Net(Some(wanted))) => granted.eq_ignore_ascii_case(wanted),
        (Env(Some(granted)), Env(Some(wanted))) => granted == wanted,
        (Read(Some(granted)), Read(Some(wanted))) | (Write(Some(granted)), Write(Some(wanted))) => resolved(wanted).starts_with(resolved(granted)),
        _ => false,
    }
}

/// The path without `.`, `..` and symbolic links as far as it exists, so that neither `a/../../etc` nor a link leads out of what was granted.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut existing = absolute.as_path();
    let mut rest = Vec::new();
    loop {
        if let Ok(real) = existing.canonicalize() {
            let mut whole = real;
            for part in rest.iter().rev() {
                match part {
                    Component::ParentDir => {
                        whole.pop();
                    }
                    Component::Normal(name) => whole.push(name),
                    _ => {}
                }
            }
            return whole;
        }
        match (existing.components().next_back(), existing.parent()) {
            (Some(last), Some(parent)) => {
                rest.push(last);
                existing = parent;
            }
            _ => return absolute,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_granted_path_covers_what_is_below_it_and_nothing_beside_it() {
        let policy = Policy { allowed: vec![Capability::Read(Some("/srv/books".into()))], ..Policy::default() };
        assert!(policy.check_read(Path::new("/srv/books/a/b.yaml"), "read_file").is_ok());
        for outside in ["/srv/books2/a", "/srv/books/../secret", "/etc/passwd"] {
            assert!(policy.check_read(Path::new(outside), "read_file").is_err(), "{outside}");
        }
    }

    #[test]
    fn a_capability_is_written_as_on_the_command_line() {
        assert_eq!("net=prom.example".parse::<Capability>().expect("a capability"), Capability::Net(Some("prom.example".into())));
        for bad in ["nett", "net=", "delete=web", ""] {
            assert!(bad.parse::<Capability>().is_err(), "{bad}");
        }
    }
}
