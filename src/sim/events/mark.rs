//! What stands for a text that is only ever compared: sixteen bytes in place of some hundred.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The hash of a text (FNV-1a of 128 bits); texts that differ are taken to have different ones.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u128);

impl Mark {
    pub fn of(text: &str) -> Self {
        let hash = text.bytes().fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash: u128, byte| {
            (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        });
        Self(hash)
    }
}

impl fmt::Debug for Mark {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:032x}", self.0)
    }
}

impl Serialize for Mark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{self:?}"))
    }
}

impl<'de> Deserialize<'de> for Mark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // Older files have the texts themselves.
        let hash = if text.len() == 32 { u128::from_str_radix(&text, 16).ok() } else { None };
        Ok(hash.map_or_else(|| Self::of(&text), Self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_comes_back_from_a_file_and_texts_of_older_files_become_marks() {
        let mark = Mark::of("kubelet|node-1|Pod|default|web");
        let written = serde_json::to_string(&mark).expect("JSON");
        for text in [written.as_str(), r#""kubelet|node-1|Pod|default|web""#] {
            assert_eq!(serde_json::from_str::<Mark>(text).expect("a mark"), mark, "{text}");
        }
        // As the function is published.
        assert_eq!(format!("{:?}", Mark::of("a")), "d228cb696f1a8caf78912b704e4a8964");
    }
}
