//! Look: functions that read the cluster.

mod list;
mod logs;
mod one;
mod order;
mod revisions;

use super::function::{Function, Group, Kind, Param};
use crate::error::ErrorKind;
use crate::resource::Resource;

pub const GROUP: Group = Group { name: "look", summary: "what runs, and what ran before", functions: FUNCTIONS };

const FUNCTIONS: &[Function] = &[
    list::GET,
    list::GET_DEPLOY,
    list::GET_RS,
    list::GET_PODS,
    list::GET_STS,
    list::GET_DS,
    list::GET_EVENTS,
    one::OBJECT,
    one::DESCRIBE,
    one::TREE,
    revisions::HISTORY,
    one::STATUS,
    revisions::DIFF,
    list::EVENTS,
    logs::LOGS,
    one::CAN,
];

const TARGET: Param = Param::new("target", Kind::Target);
const OPTIONS: Param = Param::optional("options", Kind::Options);

const READ_ERRORS: &[ErrorKind] = &[ErrorKind::NotFound, ErrorKind::Forbidden, ErrorKind::Unauthorized, ErrorKind::Unreachable];

/// `deployment.apps`, or `pod`.
pub(super) fn prefix(resource: &Resource) -> String {
    if resource.group.is_empty() { resource.singular.to_string() } else { format!("{}.{}", resource.singular, resource.group) }
}
