//! The journal's file: append under a lock, on the disk before anything else happens, and read back.
//!
//! What changed nothing need not outlive a power cut, and is not waited for.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use serde_json::Value;

use super::chain::{Link, link};
use crate::error::{Error, Result};

/// How much is read from the end to find the last entry; more when that holds none.
const TAIL: u64 = 64 << 10;

/// Appends an entry and gives its number.
pub(super) fn append(path: &Path, durable: bool, make: impl FnOnce(u64) -> Value) -> Result<u64> {
    write(path, durable, make).map_err(|error| {
        Error::denied(format!("cannot write the journal {}: {error}", path.display()))
            .hint("free some space, or mend the permissions of the file and its directory")
            .source(error)
    })
}

fn write(path: &Path, durable: bool, make: impl FnOnce(u64) -> Value) -> io::Result<u64> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        make_directory(parent)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    // Released when the file is closed, also when the process dies.
    file.lock()?;
    let new = file.metadata()?.len() == 0;
    let (last, whole) = tail(&mut file)?;
    let (line, sequence) = link(last, make);
    // One write: a crash leaves a torn line at worst, which the next writer keeps as a line of its own.
    let text = format!("{}{line}\n", if whole { "" } else { "\n" });
    file.write_all(text.as_bytes())?;
    if !durable {
        return Ok(sequence);
    }
    file.sync_all()?;
    #[cfg(unix)]
    if let (true, Some(parent)) = (new, path.parent()) {
        // The name of a new file is on the disk only when its directory is.
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        File::open(parent)?.sync_all()?;
    }
    Ok(sequence)
}

fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// The last whole entry, and whether the file ends with a line break.
fn tail(file: &mut File) -> io::Result<(Option<Link>, bool)> {
    let length = file.metadata()?.len();
    let mut size = TAIL;
    loop {
        let start = length.saturating_sub(size);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        Read::by_ref(file).take(length - start).read_to_end(&mut bytes)?;
        let whole = bytes.last().is_none_or(|byte| *byte == b'\n');
        let lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        // The first piece may be the end of a line that began before.
        let skip = usize::from(start > 0);
        let found = lines[skip..].iter().rev().find_map(|line| Link::of(std::str::from_utf8(line).ok()?));
        if found.is_some() || start == 0 {
            return Ok((found, whole));
        }
        size *= 8;
    }
}

pub(super) fn each_line(path: &Path, mut see: impl FnMut(usize, &str)) -> Result<()> {
    let failed = |error: io::Error| Error::not_found(format!("cannot read the journal {}: {error}", path.display())).source(error);
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    // Not between the two halves of a line that another process is writing.
    file.lock_shared().map_err(failed)?;
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if reader.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            break;
        }
        see(number, String::from_utf8_lossy(&line).trim_end_matches('\n'));
    }
    Ok(())
}
