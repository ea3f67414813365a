//! The chain: each line carries the hash of the line before it and of itself.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// What the first line has in place of a hash before it.
const ROOT: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The end of a chain so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub sequence: u64,
    pub hash: String,
}

impl Link {
    /// The link of a whole, unaltered line.
    pub fn of(line: &str) -> Option<Self> {
        let (value, hash) = opened(line).ok()?;
        Some(Self { sequence: value["sequence"].as_u64()?, hash })
    }
}

/// The next line of a chain, without its line break, and its number.
pub(super) fn link(last: Option<Link>, make: impl FnOnce(u64) -> Value) -> (String, u64) {
    let sequence = last.as_ref().map_or(1, |last| last.sequence + 1);
    let mut value = make(sequence);
    value["sequence"] = sequence.into();
    value["previous"] = last.map_or_else(|| ROOT.to_owned(), |last| last.hash).into();
    let text = value.to_string();
    (format!("{HASH}{}\",{}", hash(&text), &text[1..]), sequence)
}

/// How every line begins. The hash stands first and is of the rest as it is written, so that checking it needs no rules about
/// the order of keys or the digits of numbers: `"{" + what follows the hash`.
const HASH: &str = "{\"hash\":\"";

fn hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A line as a value, and its hash, when it is the right one.
fn opened(line: &str) -> Result<(Value, String), String> {
    let value: Value = serde_json::from_str(line).map_err(|_| "it is not a whole entry".to_owned())?;
    let Some((claimed, rest)) = line.strip_prefix(HASH).and_then(|rest| rest.split_once("\",")) else { return Err("it has no hash".to_owned()) };
    if hash(&format!("{{{rest}")) == claimed { Ok((value, claimed.to_owned())) } else { Err("its text was altered: the hash does not fit".to_owned()) }
}

/// What a journal's chain is worth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Entries in good order.
    pub entries: usize,
    /// Lines that a crash left unfinished; the chain goes on past them.
    pub torn: Vec<usize>,
    /// The first line that does not fit, and why.
    pub broken: Option<(usize, String)>,
    /// The hash of the last line in good order.
    pub head: Option<String>,
}

impl Verdict {
    pub fn is_good(&self) -> bool {
        self.broken.is_none()
    }
}

/// Goes along the lines.
#[derive(Debug, Default)]
pub(super) struct Check {
    verdict: Verdict,
    last: Option<Link>,
    /// A line that is no entry; harmless when the next one fits to the line before it.
    odd: Option<(usize, String)>,
}

impl Check {
    pub fn line(&mut self, number: usize, line: &str) {
        if self.verdict.broken.is_some() || line.trim().is_empty() {
            return;
        }
        let (value, hash) = match opened(line) {
            Ok(opened) => opened,
            Err(reason) => {
                let torn = serde_json::from_str::<Value>(line).is_err();
                match (torn, &self.odd) {
                    (true, None) => self.odd = Some((number, reason)),
                    (true, Some(odd)) => self.verdict.broken = Some(odd.clone()),
                    (false, _) => self.verdict.broken = Some((number, reason)),
                }
                return;
            }
        };
        let (previous, sequence) = (value["previous"].as_str().unwrap_or_default(), value["sequence"].as_u64().unwrap_or_default());
        let (expected, next) = self.last.as_ref().map_or((ROOT, 1), |last| (last.hash.as_str(), last.sequence + 1));
        if previous != expected || sequence != next {
            let reason = format!("it does not follow the line before it: entry {sequence} stands where entry {next} belongs");
            self.verdict.broken = Some(self.odd.take().unwrap_or((number, reason)));
            return;
        }
        if let Some((torn, _)) = self.odd.take() {
            self.verdict.torn.push(torn);
        }
        self.verdict.entries += 1;
        self.verdict.head = Some(hash.clone());
        self.last = Some(Link { sequence, hash });
    }

    pub fn verdict(mut self) -> Verdict {
        // An unfinished last line is a crash's too: nothing was done on it, since it never was on the disk as a whole.
        if let (None, Some((torn, _))) = (&self.verdict.broken, self.odd.take()) {
            self.verdict.torn.push(torn);
        }
        self.verdict
    }
}
