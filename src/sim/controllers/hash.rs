//! The hashes that names carry: FNV over bytes, written with the alphabet that spells no words.
//!
//! The dump of a pod template that feeds one of them is in `template_hash`.

/// The letters of generated names: no vowels and no digits that look like one, so that no word appears.
pub const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

const OFFSET: u32 = 0x811c_9dc5;
const PRIME: u32 = 0x0100_0193;

/// FNV-1a, 32 bit.
pub fn fnv32a(bytes: impl IntoIterator<Item = u8>) -> u32 {
    bytes.into_iter().fold(OFFSET, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(PRIME))
}

/// FNV-1, 32 bit: multiplies first.
pub fn fnv32(bytes: impl IntoIterator<Item = u8>) -> u32 {
    bytes.into_iter().fold(OFFSET, |sum, byte| sum.wrapping_mul(PRIME) ^ u32::from(byte))
}

/// The decimal digits of `sum`, each replaced by a letter of the alphabet.
pub fn safe_encode(sum: u32) -> String {
    sum.to_string().bytes().map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()])).collect()
}

/// The hash in the name of a StatefulSet's ControllerRevision.
///
/// # Source
/// `history.HashControllerRevision`: FNV-1 over the data's bytes, then the collision count as decimal text.
pub fn revision_hash(data: &[u8], collisions: i64) -> String {
    safe_encode(fnv32(data.iter().copied().chain(collisions.to_string().into_bytes())))
}

/// `PARENT-HASH`, with the parent's name cut so that the whole fits a label value's neighbourhood of 253 characters.
pub fn revision_name(parent: &str, hash: &str) -> String {
    let cut = parent.char_indices().nth(223).map_or(parent.len(), |(at, _)| at);
    format!("{}-{hash}", &parent[..cut])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_are_those_of_the_published_test_vectors() {
        assert_eq!(fnv32a(*b""), 0x811c_9dc5);
        assert_eq!(fnv32a(*b"foobar"), 0xbf9c_f968);
        assert_eq!(fnv32(*b"foobar"), 0x31f0_b262);
    }

    #[test]
    fn digits_become_letters() {
        assert_eq!(safe_encode(1_234_567_890), "56789bcdf4");
    }

    #[test]
    fn revision_names_are_those_of_the_recordings() {
        for (image, name) in [("postgres:15", "5f675f97bb"), ("postgres:16", "58b47b79cc")] {
            let data = format!(
                r#"{{"spec":{{"template":{{"$patch":"replace","metadata":{{"labels":{{"app":"db"}}}},"spec":{{"containers":[{{"image":"{image}","imagePullPolicy":"IfNotPresent","name":"pg","ports":[{{"containerPort":5432,"protocol":"TCP"}}],"resources":{{}},"terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File"}}],"dnsPolicy":"ClusterFirst","restartPolicy":"Always","schedulerName":"default-scheduler","securityContext":{{}},"terminationGracePeriodSeconds":30}}}}}}}}"#
            );
            assert_eq!(revision_hash(data.as_bytes(), 0), name);
        }
    }

    #[test]
    fn a_long_parent_is_cut_before_the_hash() {
        assert_eq!(revision_name("db", "77b8d69cf"), "db-77b8d69cf");
        assert_eq!(revision_name(&"a".repeat(300), "h").len(), 225);
    }
}
