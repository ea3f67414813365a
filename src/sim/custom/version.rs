//! The order of API versions: `v2` before `v1`, those before `v2beta1`, those before `v1alpha1`, and what is no such name last.
//!
//! # Source
//! `CompareKubeAwareVersionStrings` of apimachinery 0.36 `pkg/version/helpers.go`.

use std::cmp::Ordering;

/// Greater is to be preferred.
pub fn compare(left: &str, right: &str) -> Ordering {
    match (parse(left), parse(right)) {
        (Some(one), Some(other)) => one.cmp(&other),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        // Names sort the other way round, so that the first in the alphabet comes first.
        (None, None) => right.cmp(left),
    }
}

/// Maturity, major and minor.
fn parse(version: &str) -> Option<(u8, u64, u64)> {
    let rest = version.strip_prefix('v')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (major, rest) = rest.split_at(digits);
    let major = major.parse().ok()?;
    let minor = |text: &str| if text.bytes().all(|it| it.is_ascii_digit()) { text.parse().ok() } else { None };
    if rest.is_empty() {
        Some((2, major, 0))
    } else if let Some(beta) = rest.strip_prefix("beta") {
        Some((1, major, minor(beta)?))
    } else {
        Some((0, major, minor(rest.strip_prefix("alpha")?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_sort_by_maturity_then_number_then_name() {
        let mut versions = vec!["foo10", "v1alpha2", "v2", "v1beta1", "v1", "foo2", "v10", "v1beta10", "v1alpha1", "v11beta2"];
        versions.sort_by(|left, right| compare(right, left));
        assert_eq!(versions, ["v10", "v2", "v1", "v11beta2", "v1beta10", "v1beta1", "v1alpha2", "v1alpha1", "foo10", "foo2"]);
    }
}
