//! The rolling update of a DaemonSet: which old pods go now, and on which nodes a new one may come beside the old.

use std::sync::Arc;

use super::super::arithmetic::scaled;
use super::super::object::{deleting, name};
use super::super::pods::is_available;
use super::{Placed, Sync, eligible};
use crate::sim::json::Value;

type MaybePod<'a> = Option<&'a Arc<Value>>;

/// The new and the old pod of a node; `None` when there is more than one of either.
fn pair<'a>(sync: &Sync, pods: &'a [Arc<Value>]) -> Option<(MaybePod<'a>, MaybePod<'a>)> {
    let (new, old): (Vec<_>, Vec<_>) = pods.iter().filter(|pod| !deleting(pod)).partition(|pod| sync.is_updated(pod));
    (new.len() <= 1 && old.len() <= 1).then(|| (new.first().copied(), old.first().copied()))
}

/// The nodes to make a pod for, and the pods to delete.
///
/// # Source
/// `rollingUpdate`; the order of nodes, random there, is that of their names here.
pub fn decide(sync: &Sync, placed: &Placed) -> (Vec<String>, Vec<Arc<Value>>) {
    let mut placed = placed.clone();
    let mut desired = 0;
    for node in sync.nodes.iter().filter(|node| eligible(&sync.set, node).0) {
        desired += 1;
        placed.entry(name(node).to_owned()).or_default();
    }
    let block = &sync.set["spec"]["updateStrategy"]["rollingUpdate"];
    let surge = scaled(&block["maxSurge"], desired, true);
    let mut unavailable = scaled(&block["maxUnavailable"], desired, true);
    if desired > 0 && unavailable == 0 && surge == 0 {
        unavailable = 1;
    }
    if surge == 0 { (Vec::new(), replace(sync, &placed, unavailable)) } else { beside(sync, &placed, surge, desired) }
}

fn count(items: usize) -> i64 {
    i64::try_from(items).unwrap_or(i64::MAX)
}

fn at_most<T>(mut items: Vec<T>, most: i64) -> Vec<T> {
    items.truncate(usize::try_from(most).unwrap_or(0));
    items
}

fn replace(sync: &Sync, placed: &Placed, most: i64) -> Vec<Arc<Value>> {
    let available = |pod: &Value| is_available(pod, sync.min_ready_s, sync.now);
    let mut unavailable = 0;
    let (mut free, mut candidates) = (Vec::new(), Vec::new());
    for pods in placed.values() {
        match pair(sync, pods) {
            None | Some((None, None) | (Some(_), Some(_))) => unavailable += 1,
            Some((Some(new), None)) => unavailable += i64::from(!available(new)),
            Some((None, Some(old))) if !available(old) => {
                free.push(Arc::clone(old));
                unavailable += 1;
            }
            Some((None, Some(old))) if unavailable < most => candidates.push(Arc::clone(old)),
            Some((None, Some(_))) => {}
        }
    }
    free.extend(at_most(candidates, most - unavailable));
    free
}

fn beside(sync: &Sync, placed: &Placed, most: i64, desired: i64) -> (Vec<String>, Vec<Arc<Value>>) {
    let available = |pod: &Value| is_available(pod, sync.min_ready_s, sync.now);
    let runs_here = |node: &str| sync.nodes.iter().find(|it| name(it) == node).is_some_and(|node| eligible(&sync.set, node).0);
    let (mut surging, mut available_now) = (0, 0);
    let (mut free, mut candidates, mut delete, mut out_of_place) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (node, pods) in placed {
        let Some((new, old)) = pair(sync, pods) else {
            surging += 1;
            continue;
        };
        available_now += i64::from(old.or(new).is_some_and(|pod| available(pod)));
        match (new, old) {
            (_, None) => {}
            (None, Some(old)) => match (available(old), runs_here(node)) {
                (false, false) => delete.push(Arc::clone(old)),
                (false, true) => free.push(node.clone()),
                (true, false) => out_of_place.push(Arc::clone(old)),
                (true, true) if surging < most => candidates.push(node.clone()),
                (true, true) => {}
            },
            (Some(new), Some(_)) if !available(new) => surging += 1,
            (Some(_), Some(old)) => delete.push(Arc::clone(old)),
        }
    }
    let spare = (available_now - desired).clamp(0, count(out_of_place.len()));
    delete.extend(at_most(out_of_place, spare));
    free.extend(at_most(candidates, most - surging));
    (free, delete)
}
