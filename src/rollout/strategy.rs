//! `set_strategy`: how fast a rollout goes, where it stops, and when it counts as stuck.

use serde_json::{Map, Value, json};

use super::change::{Change, Precondition, Request};
use super::merge;
use super::object::int;
use super::workload::{Kind, Workload};
use crate::error::{Error, Result};

/// What to set; `None` leaves as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Strategy {
    /// `RollingUpdate`, `Recreate` (Deployments) or `OnDelete` (StatefulSets and DaemonSets).
    pub kind: Option<String>,
    /// A count or a percentage; Deployments and DaemonSets.
    pub max_surge: Option<Value>,
    /// A count or a percentage.
    pub max_unavailable: Option<Value>,
    /// Ordinals below it keep their revision; StatefulSets.
    pub partition: Option<i64>,
    pub min_ready_s: Option<i64>,
    /// Deployments.
    pub progress_deadline_s: Option<i64>,
}

/// # Errors
/// `invalid`: a setting that this kind, or its strategy's type, does not have; a value out of range; an empty set; values that exclude each other.
pub fn set_strategy(workload: &Workload, strategy: &Strategy) -> Result<Change> {
    let spec = patch(workload, strategy).map_err(|error| error.target(workload.target()))?;
    let body = json!({"spec": spec});
    if merge::merge_patch(workload.object(), &body) == *workload.object() {
        return Ok(Change::of("set_strategy", workload, Request::Nothing, "strategy updated (no change)"));
    }
    let mut change = Change::of("set_strategy", workload, Request::MergePatch(body), "strategy updated");
    change.precondition = Some(Precondition::of(workload.object()));
    if strategy.max_unavailable.is_some() && workload.kind() == Kind::StatefulSet {
        change.warnings.push("max_unavailable of a StatefulSet has no effect unless the cluster enables the feature MaxUnavailableStatefulSet".to_owned());
    }
    Ok(change)
}

fn patch(workload: &Workload, strategy: &Strategy) -> Result<Value> {
    let kind = workload.kind();
    if *strategy == Strategy::default() {
        return Err(Error::invalid("no setting to change").hint("type, max_surge, max_unavailable, partition, min_ready and progress_deadline are settings"));
    }
    let only = |wanted: &[Kind], name: &str| {
        if wanted.contains(&kind) {
            return Ok(());
        }
        let kinds: Vec<&str> = wanted.iter().map(|kind| kind.resource().kind.as_ref()).collect();
        Err(Error::invalid(format!("{} has no {name}", workload.target())).hint(format!("{name} is a setting of: {}", kinds.join(", "))))
    };
    let mut rolling = Map::new();
    if let Some(surge) = &strategy.max_surge {
        only(&[Kind::Deployment, Kind::DaemonSet], "max_surge")?;
        rolling.insert("maxSurge".into(), share("max_surge", surge)?);
    }
    if let Some(unavailable) = &strategy.max_unavailable {
        rolling.insert("maxUnavailable".into(), share("max_unavailable", unavailable)?);
    }
    if let Some(partition) = strategy.partition {
        only(&[Kind::StatefulSet], "partition")?;
        rolling.insert("partition".into(), not_negative("partition", partition)?.into());
    }
    let mut spec = Map::new();
    let update = strategy.kind.as_deref().unwrap_or_else(|| workload.strategy_type());
    if let Some(wanted) = &strategy.kind {
        let known = if kind == Kind::Deployment { ["RollingUpdate", "Recreate"] } else { ["RollingUpdate", "OnDelete"] };
        if !known.contains(&wanted.as_str()) {
            return Err(Error::invalid(format!("{wanted:?} is no strategy of a {}", kind.resource().kind)).hint(format!("types: {}", known.join(", "))));
        }
        let whole = if wanted == "RollingUpdate" { json!({"type": wanted}) } else { json!({"type": wanted, "rollingUpdate": null}) };
        spec.insert(workload.strategy_field().into(), whole);
    }
    if !rolling.is_empty() {
        if update != "RollingUpdate" {
            let names: Vec<&String> = rolling.keys().collect();
            return Err(Error::invalid(format!("{} is updated by {update}, where {names:?} means nothing", workload.target()))
                .hint("they belong to the strategy RollingUpdate: #{type: \"RollingUpdate\"} sets it"));
        }
        let mut whole = workload.strategy()["rollingUpdate"].clone();
        json_patch::merge(&mut whole, &Value::Object(rolling.clone()));
        exclusive(kind, &whole)?;
        // The type is named too: without it the server would fill in a partition of its own where the block was absent.
        spec.insert(workload.strategy_field().into(), json!({"type": "RollingUpdate", "rollingUpdate": rolling}));
    }
    if let Some(seconds) = strategy.min_ready_s {
        spec.insert("minReadySeconds".into(), not_negative("min_ready", seconds)?.into());
    }
    if let Some(seconds) = strategy.progress_deadline_s {
        only(&[Kind::Deployment], "progress_deadline")?;
        spec.insert("progressDeadlineSeconds".into(), not_negative("progress_deadline", seconds)?.into());
    }
    let after = merge::merge_patch(workload.spec(), &Value::Object(spec.clone()));
    let (deadline, min_ready) = (after["progressDeadlineSeconds"].as_i64().unwrap_or(600), int(&after["minReadySeconds"]));
    if kind == Kind::Deployment && deadline <= min_ready {
        return Err(Error::invalid(format!("progress_deadline ({deadline} s) must be greater than min_ready ({min_ready} s)")));
    }
    Ok(Value::Object(spec))
}

fn exclusive(kind: Kind, rolling: &Value) -> Result<()> {
    let zero = |field: &str| rolling.get(field).is_some_and(|value| matches!(value.as_str(), Some("0%" | "0")) || value.as_i64() == Some(0));
    let (surge, unavailable) = (&rolling["maxSurge"], &rolling["maxUnavailable"]);
    match kind {
        Kind::Deployment if zero("maxSurge") && zero("maxUnavailable") => {
            Err(Error::invalid("max_surge and max_unavailable may not both be 0: no pod could ever be replaced"))
        }
        Kind::DaemonSet if !zero("maxSurge") && !surge.is_null() && !zero("maxUnavailable") => {
            Err(Error::invalid(format!("a DaemonSet has either max_surge or max_unavailable, the other must be 0 (they would be {surge} and {unavailable})"))
                .hint("set both, as in #{max_surge: 1, max_unavailable: 0}"))
        }
        Kind::DaemonSet if zero("maxUnavailable") && (zero("maxSurge") || surge.is_null()) => {
            Err(Error::invalid("max_surge and max_unavailable may not both be 0: no pod could ever be replaced"))
        }
        Kind::StatefulSet if zero("maxUnavailable") => Err(Error::invalid("max_unavailable of a StatefulSet may not be 0")),
        _ => Ok(()),
    }
}

/// A count from 0 on, or a percentage.
fn share(name: &str, value: &Value) -> Result<Value> {
    let fits = match value {
        Value::String(text) => {
            text.strip_suffix('%').is_some_and(|digits| !digits.is_empty() && digits.len() < 6 && digits.chars().all(|c| c.is_ascii_digit()))
        }
        other => other.as_i64().is_some_and(|count| (0..=i64::from(i32::MAX)).contains(&count)),
    };
    let over = name == "max_unavailable" && value.as_str().and_then(|text| text.strip_suffix('%')?.parse::<i64>().ok()).is_some_and(|percent| percent > 100);
    if fits && !over {
        return Ok(value.clone());
    }
    Err(Error::invalid(format!("{value} is no {name}")).hint("write a whole number, 1, or a percentage, \"25%\" (of what is unavailable not over 100%)"))
}

fn not_negative(name: &str, value: i64) -> Result<i64> {
    if (0..=i64::from(i32::MAX)).contains(&value) {
        Ok(value)
    } else {
        Err(Error::invalid(format!("{value} is no {name}")).hint("it must be greater than or equal to 0"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rollout::sample::{deployment, recorded, workload};

    fn set(object: &Value, strategy: Strategy) -> Result<Value> {
        set_strategy(&workload(object.clone()), &strategy).map(|change| change.predicted().expect("fits")["spec"].clone())
    }

    #[test]
    fn settings_go_where_the_kind_has_them() {
        let web = deployment("a");
        let spec =
            set(&web, Strategy { max_surge: Some(json!(2)), min_ready_s: Some(5), progress_deadline_s: Some(60), ..Strategy::default() }).expect("a change");
        assert_eq!(spec["strategy"], json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 2, "maxUnavailable": "25%"}}));
        assert_eq!((&spec["minReadySeconds"], &spec["progressDeadlineSeconds"]), (&json!(5), &json!(60)));
        let db = recorded("086-sts-recovered").workload;
        let spec = set(db.object(), Strategy { partition: Some(2), ..Strategy::default() }).expect("a change");
        assert_eq!(spec["updateStrategy"], json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}));
        let agent = recorded("107-ds-recovered").workload;
        let both = Strategy { max_surge: Some(json!(1)), max_unavailable: Some(json!(0)), ..Strategy::default() };
        assert_eq!(set(agent.object(), both).expect("a change")["updateStrategy"]["rollingUpdate"], json!({"maxSurge": 1, "maxUnavailable": 0}));
    }

    #[test]
    fn a_setting_that_is_so_already_is_nothing_to_do() {
        let same = Strategy { max_surge: Some(json!("25%")), progress_deadline_s: Some(600), ..Strategy::default() };
        assert_eq!(set_strategy(&workload(deployment("a")), &same).expect("nothing").request, Request::Nothing);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let mut recreate = deployment("a");
        recreate["spec"]["strategy"] = json!({"type": "Recreate"});
        let (web, db, agent) = (deployment("a"), recorded("086-sts-recovered").workload, recorded("107-ds-recovered").workload);
        let none = Strategy::default();
        for (object, strategy, message) in [
            (&web, none.clone(), "no setting to change"),
            (&web, Strategy { partition: Some(1), ..none.clone() }, "deployment/web has no partition"),
            (db.object(), Strategy { max_surge: Some(json!(1)), ..none.clone() }, "statefulset/db has no max_surge"),
            (agent.object(), Strategy { progress_deadline_s: Some(9), ..none.clone() }, "daemonset/agent has no progress_deadline"),
            (&web, Strategy { max_surge: Some(json!("lots")), ..none.clone() }, "\"lots\" is no max_surge"),
            (&web, Strategy { max_unavailable: Some(json!("101%")), ..none.clone() }, "\"101%\" is no max_unavailable"),
            (&web, Strategy { max_surge: Some(json!(-1)), ..none.clone() }, "-1 is no max_surge"),
            (
                &web,
                Strategy { max_surge: Some(json!(0)), max_unavailable: Some(json!("0%")), ..none.clone() },
                "max_surge and max_unavailable may not both be 0: no pod could ever be replaced",
            ),
            (&web, Strategy { min_ready_s: Some(600), ..none.clone() }, "progress_deadline (600 s) must be greater than min_ready (600 s)"),
            (
                agent.object(),
                Strategy { max_surge: Some(json!(1)), ..none.clone() },
                "a DaemonSet has either max_surge or max_unavailable, the other must be 0 (they would be 1 and 1)",
            ),
            (db.object(), Strategy { partition: Some(-1), ..none.clone() }, "-1 is no partition"),
            (&recreate, Strategy { max_surge: Some(json!(1)), ..none }, "deployment/web is updated by Recreate, where [\"maxSurge\"] means nothing"),
        ] {
            let error = set(object, strategy).expect_err("refused");
            assert_eq!((error.kind().name(), error.message()), ("invalid", message));
        }
    }
}
