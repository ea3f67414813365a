//! The numbers of a rolling update: surge, unavailable, and how a rollout is scaled. Counts in, counts out.

use crate::sim::json::Value;

/// A count or a percentage, resolved against a total.
///
/// # Source
/// `intstr.GetScaledValueFromIntOrPercent`. What is neither counts as 0; validation refuses it before.
pub fn scaled(value: &Value, total: i64, up: bool) -> i64 {
    match value {
        Value::Number(number) => number.as_i64().unwrap_or(0),
        Value::String(text) => {
            let percent: i64 = text.strip_suffix('%').and_then(|number| number.parse().ok()).unwrap_or(0);
            let product = percent.saturating_mul(total);
            if up { (product + 99).div_euclid(100) } else { product.div_euclid(100) }
        }
        _ => 0,
    }
}

/// Surge and unavailable of a Deployment at its present size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fenceposts {
    pub surge: i64,
    pub unavailable: i64,
}

/// The fenceposts of a Deployment; both are 0 for `Recreate`.
///
/// # Source
/// `deploymentutil.ResolveFenceposts`, `MaxSurge`, `MaxUnavailable`: surge is rounded up, unavailable down; when both come to nothing, one may be unavailable.
pub fn fenceposts(deployment: &Value) -> Fenceposts {
    let strategy = &deployment["spec"]["strategy"];
    if strategy["type"] != "RollingUpdate" {
        return Fenceposts { surge: 0, unavailable: 0 };
    }
    let desired = super::object::replicas(deployment);
    let surge = scaled(&strategy["rollingUpdate"]["maxSurge"], desired, true);
    let mut unavailable = scaled(&strategy["rollingUpdate"]["maxUnavailable"], desired, false);
    if surge == 0 && unavailable == 0 {
        unavailable = 1;
    }
    Fenceposts { surge, unavailable: if desired == 0 { 0 } else { unavailable.min(desired) } }
}

/// How large the new ReplicaSet may become now, given the sum of all sizes.
pub fn new_size(new: i64, total: i64, desired: i64, surge: i64) -> i64 {
    let most = desired + surge;
    if total >= most { new } else { new + (most - total).min(desired - new) }
}

/// One ReplicaSet in a rollout that is being scaled.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    pub size: i64,
    /// Its `max-replicas` annotation, or what the Deployment's status says where that is missing; 0 when neither is known.
    pub most_before: i64,
}

/// The sizes of the active ReplicaSets, in the given order (largest first), after a Deployment in mid-rollout was scaled.
///
/// # Source
/// The proportional part of `DeploymentController.scale`; leftovers of rounding go to the first.
pub fn proportional(shares: &[Share], desired: i64, surge: i64) -> Vec<i64> {
    let allowed = if desired > 0 { desired + surge } else { 0 };
    let add = allowed - shares.iter().map(|share| share.size).sum::<i64>();
    let mut added = 0;
    let mut sizes: Vec<i64> = shares
        .iter()
        .map(|share| {
            if share.size == 0 || add == 0 || add == added {
                return share.size;
            }
            let left = add - added;
            let part = fraction(*share, desired, surge);
            let part = if add > 0 { part.min(left) } else { part.max(left) };
            added += part;
            share.size + part
        })
        .collect();
    if add != 0
        && let Some(first) = sizes.first_mut()
    {
        *first = (*first + add - added).max(0);
    }
    sizes
}

fn fraction(share: Share, desired: i64, surge: i64) -> i64 {
    if desired == 0 {
        return -share.size;
    }
    if share.most_before == 0 {
        return 0;
    }
    // Half away from zero, in whole numbers: sizes are never negative here.
    let doubled = 2 * share.size * (desired + surge);
    (doubled + share.most_before) / (2 * share.most_before) - share.size
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::json::json;

    fn deployment(replicas: i64, surge: Value, unavailable: Value) -> Value {
        json!({"spec": {"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}}})
    }

    #[test]
    fn surge_is_rounded_up_and_unavailable_down() {
        for (replicas, surge, unavailable) in [(1, 1, 0), (2, 1, 0), (3, 1, 0), (4, 1, 1), (5, 2, 1), (8, 2, 2), (10, 3, 2), (100, 25, 25)] {
            let quarter = json!("25%");
            assert_eq!(fenceposts(&deployment(replicas, quarter.clone(), quarter)), Fenceposts { surge, unavailable }, "{replicas}");
        }
        assert_eq!(fenceposts(&deployment(4, json!("50%"), json!("50%"))), Fenceposts { surge: 2, unavailable: 2 });
        assert_eq!(fenceposts(&deployment(1, json!(0), json!("1%"))), Fenceposts { surge: 0, unavailable: 1 });
        assert_eq!(fenceposts(&deployment(2, json!(0), json!(7))), Fenceposts { surge: 0, unavailable: 2 });
        assert_eq!(fenceposts(&deployment(0, json!(1), json!(1))), Fenceposts { surge: 1, unavailable: 0 });
        assert_eq!(fenceposts(&json!({"spec": {"replicas": 3, "strategy": {"type": "Recreate"}}})), Fenceposts { surge: 0, unavailable: 0 });
    }

    #[test]
    fn a_new_replica_set_grows_within_the_surge() {
        for (new, total, desired, surge, expected) in
            [(0, 10, 10, 3, 3), (3, 11, 10, 3, 5), (5, 13, 10, 3, 5), (8, 11, 10, 3, 10), (0, 0, 3, 1, 3), (0, 3, 3, 1, 1)]
        {
            assert_eq!(new_size(new, total, desired, surge), expected, "{new} of {total}");
        }
    }

    #[test]
    fn a_rollout_is_scaled_in_proportion() {
        let shares = |sizes: &[(i64, i64)]| sizes.iter().map(|(size, most_before)| Share { size: *size, most_before: *most_before }).collect::<Vec<_>>();
        for (before, desired, surge, after) in [
            (shares(&[(8, 13), (5, 13)]), 15, 3, vec![11, 7]),
            (shares(&[(8, 13), (5, 13)]), 0, 3, vec![0, 0]),
            (shares(&[(8, 13), (5, 13)]), 5, 2, vec![4, 3]),
            (shares(&[(8, 13), (5, 13)]), 10, 3, vec![8, 5]),
            (shares(&[(5, 0), (5, 0)]), 20, 5, vec![20, 5]),
        ] {
            assert_eq!(proportional(&before, desired, surge), after, "to {desired}");
        }
    }
}
