//! What may go wrong in a simulated world, drawn from its seed.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::functions::nearest;
use crate::sim::Sim;

/// A class of trouble; the seed draws how it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfortune {
    /// Images that no pod ran before crash, never become ready, are slow, or cannot be pulled.
    Image,
    Conflict,
    Unavailable,
    Throttle,
    Slow,
    DropWatch,
    Gone,
    /// Connections end in the middle of a request: before it took effect, or after.
    Cut,
    /// Somebody else writes first.
    Rival,
    Forbid,
    /// A node falls silent.
    NodeDown,
}

impl Misfortune {
    pub const ALL: [(&'static str, Self); 11] = [
        ("image", Self::Image),
        ("conflict", Self::Conflict),
        ("unavailable", Self::Unavailable),
        ("throttle", Self::Throttle),
        ("slow", Self::Slow),
        ("drop_watch", Self::DropWatch),
        ("gone", Self::Gone),
        ("cut", Self::Cut),
        ("rival", Self::Rival),
        ("forbid", Self::Forbid),
        ("node_down", Self::NodeDown),
    ];

    /// Reads a list with commas: names, `all`, or `none`.
    ///
    /// # Errors
    /// `usage` with the nearest known name.
    pub fn list(text: &str) -> Result<Vec<Self>> {
        let names = || Self::ALL.iter().map(|(name, _)| *name);
        match text {
            "all" => return Ok(Self::ALL.iter().map(|(_, it)| *it).collect()),
            "none" => return Ok(Vec::new()),
            _ => {}
        }
        let one = |name: &str| {
            Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, it)| *it).ok_or_else(|| {
                let error = Error::usage(format!("no fault {name:?}"));
                match nearest(name, names()) {
                    Some(near) => error.hint(format!("did you mean {near:?}?")),
                    None => error.hint(format!("faults: all, none, or some of {}", names().collect::<Vec<_>>().join(","))),
                }
            })
        };
        text.split(',').map(|name| one(name.trim())).collect()
    }
}

/// Lets the troubles of a seed befall a fresh world, and says in words what they are.
///
/// Of new images every second world's misbehave; of the other classes none, one or two strike. All draws come from the seed, apart from the world's own.
pub fn befall(sim: &Sim, seed: u64, possible: &[Misfortune]) -> Result<Vec<String>> {
    let mut dice = Dice(Pcg64Mcg::seed_from_u64(seed ^ 0x6d69_7366_6f72_7475));
    let mut told = Vec::new();
    if possible.contains(&Misfortune::Image) && dice.below(2) == 0 {
        let (behaviour, words) = dice.behaviour();
        sim.new_images(&behaviour)?;
        told.push(words);
    }
    let mut others: Vec<Misfortune> = possible.iter().copied().filter(|it| *it != Misfortune::Image).collect();
    for _ in 0..dice.below(3) {
        if others.is_empty() {
            break;
        }
        let at = usize::try_from(dice.below(others.len() as u64)).unwrap_or(0);
        let (fault, words) = dice.fault(others.swap_remove(at), sim);
        sim.fault(&fault)?;
        told.push(words);
    }
    Ok(told)
}

struct Dice(Pcg64Mcg);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound.max(1)
    }

    fn behaviour(&mut self) -> (Value, String) {
        match self.below(5) {
            0 | 1 => {
                let seconds = [1, 3, 20, 90][usize::try_from(self.below(4)).unwrap_or(0)];
                let code = 1 + self.below(3);
                (json!({ "crash_after": seconds, "exit_code": code }), format!("new images crash after {seconds} s with exit code {code}"))
            }
            2 => (json!({ "never_ready": true }), "new images never become ready".to_owned()),
            3 => {
                let seconds = 15 + self.below(180);
                (json!({ "ready_after": seconds }), format!("new images are ready after {seconds} s"))
            }
            _ => (json!({ "pull": "error" }), "new images cannot be pulled".to_owned()),
        }
    }

    fn fault(&mut self, misfortune: Misfortune, sim: &Sim) -> (Value, String) {
        let (after, times) = (self.below(12), 1 + self.below(3));
        // An answer or a write that goes wrong once is met by every script; one that goes wrong for good ends it.
        let rest = |name: &str, words: &str| (json!({ name: times, "after": after }), format!("{words}: {times} of the requests after the first {after}"));
        match misfortune {
            Misfortune::Image => (json!({}), String::new()),
            Misfortune::Conflict => {
                let after = after % 2;
                (json!({ "conflict": times, "after": after }), format!("{times} writes after the first {after} meet a conflict"))
            }
            Misfortune::Unavailable => rest("unavailable", "the API server is unavailable"),
            Misfortune::Throttle => rest("throttle", "the API server throttles"),
            Misfortune::Slow => {
                let seconds = 1 + self.below(4);
                (
                    json!({ "slow": seconds, "after": after, "times": times * 3 }),
                    format!("{} answers after the first {after} take {seconds} s longer", times * 3),
                )
            }
            Misfortune::DropWatch => {
                let seconds = 1 + self.below(10);
                (json!({ "drop_watch": seconds, "times": times * 3 }), format!("{} watches end after {seconds} s", times * 3))
            }
            // A list of the present is never too old.
            Misfortune::Gone => (json!({ "gone": times, "verb": "watch", "after": after % 4 }), format!("{times} watches find their version gone")),
            Misfortune::Cut if self.below(2) == 0 => rest("cut_before", "connections end before the request took effect"),
            Misfortune::Cut => {
                let after = after % 2;
                (json!({ "cut_after": 1, "after": after }), format!("the connection ends after write {} took effect, before its answer", after + 1))
            }
            Misfortune::Rival => {
                let after = after % 3;
                (json!({ "rival": 1, "after": after }), format!("somebody else writes before write {}", after + 1))
            }
            Misfortune::Forbid => {
                let verb = ["get", "list", "watch", "patch"][usize::try_from(self.below(4)).unwrap_or(0)];
                (json!({ "forbid": true, "verb": verb, "after": after }), format!("after {after} of them, {verb} is forbidden"))
            }
            Misfortune::NodeDown => {
                let nodes = sim.nodes();
                match nodes.get(usize::try_from(self.below(nodes.len() as u64)).unwrap_or(0)) {
                    Some(node) => (json!({ "node_down": node }), format!("the node {node} falls silent")),
                    None => (json!({}), "no node is there that could fall silent".to_owned()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_listed_by_name_and_a_wrong_one_is_named() {
        assert_eq!(Misfortune::list("image, cut").expect("two"), [Misfortune::Image, Misfortune::Cut]);
        assert_eq!(Misfortune::list("all").expect("all").len(), Misfortune::ALL.len());
        assert!(Misfortune::list("none").expect("none").is_empty());
        let error = Misfortune::list("conflikt").expect_err("unknown");
        assert!(error.message().contains("conflikt") && error.hints()[0].contains("conflict"), "{error:?}");
    }
}
