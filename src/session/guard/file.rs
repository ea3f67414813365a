//! The file of a guard: JSON lines, each on the disk before what it tells of happens; locked by the process that guards.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Kept;
use crate::error::{Error, Result, file_reason};
use crate::rollout::restore::Parts;

const FOLDER: &str = "guards";

/// A line of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line {
    /// The first one.
    Begin { version: u32, time: String, process: u32, context: String, server: String, kept: Vec<Kept> },
    /// What our own writes made of one of them.
    Ours { uid: String, ours: Vec<Parts> },
}

/// What is kept of an open guard, in memory and, with a state folder, on the disk.
pub(super) struct Record {
    pub kept: Vec<Kept>,
    file: Option<(PathBuf, File)>,
}

fn denied(path: &Path, error: &std::io::Error) -> Error {
    Error::denied(format!("cannot write {}: {}", path.display(), file_reason(error)))
        .hint("a guard writes down what `rollsh recover` needs if this process dies: mend the permissions of the folder, or free some space")
}

impl Record {
    pub fn begin(folder: Option<&Path>, id: u64, kept: Vec<Kept>, now: Timestamp, context: &str, server: &str) -> Result<Self> {
        let Some(folder) = folder else { return Ok(Self { kept, file: None }) };
        let folder = folder.join(FOLDER);
        let process = std::process::id();
        let path = folder.join(format!("{}-{process}-{id}.jsonl", now.strftime("%Y%m%dT%H%M%S%3fZ")));
        let failed = |error: std::io::Error| denied(&path, &error);
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&folder).map_err(failed)?;
        let mut options = OpenOptions::new();
        options.append(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        let first = Line::Begin { version: 1, time: now.to_string(), process, context: context.to_owned(), server: server.to_owned(), kept: kept.clone() };
        let mut record = Self { kept, file: Some((path.clone(), file)) };
        record.write(&first)?;
        // The name of a new file is on the disk only when its folder is.
        #[cfg(unix)]
        File::open(&folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        Ok(record)
    }

    pub fn write(&mut self, line: &Line) -> Result<()> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        let text = serde_json::to_string(line).map_err(|error| Error::script(format!("cannot write down a guard: {error}")))?;
        file.write_all(format!("{text}\n").as_bytes()).and_then(|()| file.sync_all()).map_err(|error| denied(path, &error))
    }

    pub fn finish(self) -> Result<()> {
        self.file.map_or(Ok(()), |(path, _)| remove(&path))
    }
}

fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path).map_err(|error| {
        Error::denied(format!("cannot remove {}: {}", path.display(), file_reason(&error)))
            .hint("remove it by hand: it would put back what is good, the next time somebody runs `rollsh recover`")
    })
}

/// A guard whose process is dead. Holds its lock, so that two recoveries do not meet.
#[derive(Debug)]
pub struct Pending {
    path: PathBuf,
    _locked: File,
    time: String,
    context: String,
    server: String,
    kept: Vec<Kept>,
}

impl Pending {
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// When it began, RFC 3339.
    pub fn time(&self) -> &str {
        &self.time
    }

    pub fn context(&self) -> &str {
        &self.context
    }

    pub fn server(&self) -> &str {
        &self.server
    }

    pub fn kept(&self) -> &[Kept] {
        &self.kept
    }

    /// Nothing is left to do.
    ///
    /// # Errors
    /// `denied` when the file cannot be removed.
    pub fn finish(self) -> Result<()> {
        remove(&self.path)
    }
}

/// The guards of dead processes in a state folder, oldest first. A file that its process died over before the first line was whole guards nothing.
///
/// # Errors
/// `not_found` when the folder is there and cannot be read, `invalid` for a file that is no guard's.
pub fn pending(state: &Path) -> Result<Vec<Pending>> {
    let folder = state.join(FOLDER);
    let unreadable = |path: &Path, error: &std::io::Error| Error::not_found(format!("cannot read {}: {}", path.display(), file_reason(error)));
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(&folder, &error)),
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "jsonl"));
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let file = File::open(&path).map_err(|error| unreadable(&path, &error))?;
        match file.try_lock() {
            Ok(()) => {}
            // Its process lives.
            Err(TryLockError::WouldBlock) => continue,
            Err(TryLockError::Error(error)) => return Err(unreadable(&path, &error)),
        }
        let text = std::fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
        if let Some(pending) = read(path, file, &text)? {
            found.push(pending);
        }
    }
    Ok(found)
}

fn read(path: PathBuf, locked: File, text: &str) -> Result<Option<Pending>> {
    let mut pending: Option<Pending> = None;
    let mut locked = Some(locked);
    for line in text.split_inclusive('\n') {
        // The last line of a process that died while it wrote.
        if !line.ends_with('\n') {
            break;
        }
        let line: Line = serde_json::from_str(line).map_err(|error| {
            Error::invalid(format!("{} is no guard's file: {error}", path.display())).hint("look at it, and remove it when it is of no use")
        })?;
        match (line, &mut pending, locked.take()) {
            (Line::Begin { time, context, server, kept, .. }, None, Some(file)) => {
                pending = Some(Pending { path: path.clone(), _locked: file, time, context, server, kept });
            }
            (Line::Ours { uid, ours }, Some(pending), _) => {
                pending.kept.iter_mut().filter(|kept| kept.uid == uid).for_each(|kept| kept.ours.clone_from(&ours));
            }
            _ => return Err(Error::invalid(format!("{} is no guard's file", path.display())).hint("look at it, and remove it when it is of no use")),
        }
    }
    if pending.is_none() {
        remove(&path)?;
    }
    Ok(pending)
}
