//! The events that components record: made, counted up, combined and rationed as client-go's recorder does; forgotten after an hour.
//!
//! Not here: events that users write themselves, but for their expiry.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::api::{DeleteOptions, Subresource};
use super::controllers::Work;
use super::controllers::client::Component;
use super::controllers::object::{kind, micro_stamp, name, namespace, stamp, text, time};
use super::kinds::Kind;
use super::world::World;
use crate::sim::json::{Map, Text, Value, json, literal};

mod mark;

use mark::Mark;

/// How long the API server keeps an event (`--event-ttl`).
const KEPT: SignedDuration = SignedDuration::from_hours(1);
/// Within this time similar events are combined, from the tenth on.
const SIMILAR_FOR: SignedDuration = SignedDuration::from_mins(10);
const SIMILAR_MOST: usize = 10;
/// A source may say so much about one object at once, and one thing more every five minutes.
const BURST: f64 = 25.0;
const REFILL_PER_S: f64 = 1.0 / 300.0;

/// What the recorders remember.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Recorder {
    seen: BTreeMap<Mark, Seen>,
    similar: BTreeMap<Mark, Similar>,
    rations: BTreeMap<Mark, Ration>,
    expiry: BTreeSet<(Timestamp, Text, Text)>,
    expiry_planned: bool,
    last_nanos: i128,
    /// The present second as it is written, for all that is said in it.
    #[serde(skip)]
    second: (i64, Text),
}

impl Recorder {
    fn stamp(&mut self, now: Timestamp) -> Text {
        if self.second.1.is_empty() || self.second.0 != now.as_second() {
            self.second = (now.as_second(), stamp(now).into());
        }
        self.second.1.clone()
    }
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Seen {
    /// Its texts are those of the event that was stored.
    name: Text,
    count: i64,
    first: Text,
    at: Timestamp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Similar {
    /// In order, each once.
    messages: Vec<Text>,
    at: Timestamp,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Ration {
    #[serde(with = "super::state::bits")]
    left: f64,
    at: Timestamp,
}

/// Something to say about an object.
struct Said<'a> {
    by: Component,
    /// The node of a kubelet; empty for the others.
    host: &'a str,
    object: &'a Value,
    /// The part of the object that it is about, as `spec.containers{web}`.
    field_path: Option<String>,
    kind: &'static str,
    reason: &'a str,
    message: String,
}

pub fn normal(world: &mut World, by: Component, object: &Value, reason: &str, message: &str) {
    record(world, Said { by, host: "", object, field_path: None, kind: "Normal", reason, message: message.to_owned() });
}

pub fn warning(world: &mut World, by: Component, object: &Value, reason: &str, message: &str) {
    record(world, Said { by, host: "", object, field_path: None, kind: "Warning", reason, message: message.to_owned() });
}

/// An event of the kubelet of the pod's node, about the pod or about one of its containers.
pub fn kubelet(world: &mut World, pod: &Value, container: Option<&str>, kind: &'static str, reason: &str, message: &str) {
    let has = |field: &str, name: &str| super::controllers::object::list(&pod["spec"][field]).iter().any(|container| container["name"] == name);
    let field_path = container.map(|name| {
        let field = ["initContainers", "ephemeralContainers"].into_iter().find(|field| has(field, name)).unwrap_or("containers");
        format!("spec.{field}{{{name}}}")
    });
    let host = text(pod, &["spec", "nodeName"]);
    record(world, Said { by: Component::Kubelet, host, object: pod, field_path, kind, reason, message: message.to_owned() });
}

fn reference(object: &Value, field_path: Option<&str>) -> Value {
    let mut reference = json!({"kind": kind(object), "name": name(object), "uid": object["metadata"]["uid"], "apiVersion": object["apiVersion"], "resourceVersion": object["metadata"]["resourceVersion"]});
    if !namespace(object).is_empty() {
        reference["namespace"] = Value::from(namespace(object));
    }
    if let Some(field_path) = field_path {
        reference["fieldPath"] = Value::from(field_path);
    }
    reference
}

/// `NAME.<hex nanoseconds>`, with later nanoseconds where two would be the same.
fn event_name(world: &mut World, object: &Value) -> Text {
    let now = world.now().as_nanosecond();
    let last = &mut world.controllers.events.last_nanos;
    *last = (*last + 1).max(now);
    format!("{}.{last:x}", name(object)).into()
}

/// # Source
/// client-go `EventCorrelator.EventCorrelate` and `recordEvent`.
fn record(world: &mut World, said: Said<'_>) {
    let now = world.now();
    let place = format!(
        "{}|{}|{}|{}|{}|{}",
        said.by.source(),
        said.host,
        kind(said.object),
        namespace(said.object),
        name(said.object),
        text(said.object, &["metadata", "uid"])
    );
    let mut message = Text::from(said.message);
    let mut key = Mark::of(&format!("{place}|{}|{}|{}|{message}", said.field_path.as_deref().unwrap_or_default(), said.kind, said.reason));
    let similar_key = Mark::of(&format!("{place}|{}|{}", said.kind, said.reason));
    let similar = world.controllers.events.similar.entry(similar_key).or_insert_with(|| Similar { messages: Vec::with_capacity(1), at: now });
    if now.duration_since(similar.at) > SIMILAR_FOR {
        similar.messages.clear();
    }
    similar.at = now;
    if let Err(at) = similar.messages.binary_search(&message) {
        similar.messages.insert(at, message.clone());
    }
    if similar.messages.len() >= SIMILAR_MOST {
        similar.messages.remove(0);
        message = format!("(combined from similar events): {message}").into();
        key = similar_key;
    }
    let before = world.controllers.events.seen.get(&key).map(|seen| (seen.name.clone(), seen.count, seen.first.clone()));
    let (event, count, first) = match before {
        Some((event, count, first)) => (event, count + 1, first),
        None => (event_name(world, said.object), 1, world.controllers.events.stamp(now)),
    };
    world.controllers.events.seen.insert(key, Seen { name: event.clone(), count, first: first.clone(), at: now });
    if !within_ration(&mut world.controllers.events, Mark::of(&place), now) {
        return;
    }
    let caller = said.by.caller();
    let space = if namespace(said.object).is_empty() { "default" } else { namespace(said.object) };
    if count > 1
        && let Some(stored) = world.find(Kind::EVENTS, space, &event)
    {
        let mut copy = Value::clone(stored);
        copy["count"] = Value::from(count);
        copy["lastTimestamp"] = Value::from(world.controllers.events.stamp(now));
        copy["message"] = Value::from(message);
        // A recorder gives up quietly: an event is never worth a failed sync.
        let _ = world.update(Kind::EVENTS, copy, Subresource::Main, &caller);
        return;
    }
    let mut source = Map::new();
    source.insert(literal!("component"), Value::from(said.by.source()));
    if !said.host.is_empty() {
        source.insert(literal!("host"), Value::from(said.host));
    }
    let object = json!({
        "kind": "Event", "apiVersion": "v1", "metadata": {"name": event, "namespace": space},
        "involvedObject": reference(said.object, said.field_path.as_deref()), "reason": said.reason, "message": message, "source": source,
        "firstTimestamp": first, "lastTimestamp": world.controllers.events.stamp(now), "count": count, "type": said.kind, "eventTime": null,
        "reportingComponent": said.by.source(), "reportingInstance": said.host,
    });
    let _ = world.create(Kind::EVENTS, object, &caller);
}

fn within_ration(recorder: &mut Recorder, place: Mark, now: Timestamp) -> bool {
    let ration = recorder.rations.entry(place).or_insert(Ration { left: BURST, at: now });
    let passed = now.duration_since(ration.at).as_secs_f64();
    ration.left = (ration.left + passed * REFILL_PER_S).min(BURST);
    ration.at = now;
    if ration.left < 1.0 {
        return false;
    }
    ration.left -= 1.0;
    true
}

/// An event of the scheduler, in the newer form: a time and an action in place of counts; a repetition lengthens its series.
pub fn scheduler(world: &mut World, pod: &Value, kind: &'static str, reason: &str, action: &str, message: &str) {
    let now = world.now();
    let key = Mark::of(&format!("default-scheduler|{}|{kind}|{reason}|{action}|{message}", text(pod, &["metadata", "uid"])));
    let caller = Component::Scheduler.caller();
    let before = world
        .controllers
        .events
        .seen
        .get(&key)
        .filter(|seen| now.duration_since(seen.at) < SignedDuration::from_mins(6))
        .map(|seen| (seen.name.clone(), seen.count));
    if let Some((event, count)) = before
        && let Some(stored) = world.find(Kind::EVENTS, namespace(pod), &event)
    {
        let mut copy = Value::clone(stored);
        copy["series"] = json!({"count": count + 1, "lastObservedTime": micro_stamp(now)});
        let first = world.controllers.events.stamp(now);
        world.controllers.events.seen.insert(key, Seen { name: event, count: count + 1, first, at: now });
        let _ = world.update(Kind::EVENTS, copy, Subresource::Main, &caller);
        return;
    }
    let event = event_name(world, pod);
    let first = world.controllers.events.stamp(now);
    world.controllers.events.seen.insert(key, Seen { name: event.clone(), count: 1, first, at: now });
    let object = json!({
        "kind": "Event", "apiVersion": "v1", "metadata": {"name": event, "namespace": namespace(pod)},
        "involvedObject": reference(pod, None), "reason": reason, "message": message, "source": {},
        "firstTimestamp": null, "lastTimestamp": null, "type": kind, "eventTime": micro_stamp(now), "action": action,
        "reportingComponent": "default-scheduler", "reportingInstance": "default-scheduler-control-plane",
    });
    let _ = world.create(Kind::EVENTS, object, &caller);
}

/// Plans the end of an event that was stored.
pub fn note(world: &mut World, event: &Value) {
    let at = world.now().saturating_add(KEPT).unwrap_or(Timestamp::MAX);
    let recorder = &mut world.controllers.events;
    let own = |field: &str| event["metadata"][field].as_text().cloned().unwrap_or_default();
    recorder.expiry.insert((at, own("namespace"), own("name")));
    plan(world);
}

fn plan(world: &mut World) {
    let recorder = &mut world.controllers.events;
    if recorder.expiry_planned {
        return;
    }
    if let Some((at, _, _)) = recorder.expiry.first() {
        let at = *at;
        recorder.expiry_planned = true;
        world.schedule(at, Work::ExpireEvents);
    }
}

/// Removes the events whose hour is over; one that was counted up meanwhile gets another hour from then.
pub fn expire(world: &mut World) {
    let now = world.now();
    world.controllers.events.expiry_planned = false;
    while world.controllers.events.expiry.first().is_some_and(|(at, _, _)| *at <= now) {
        let Some((_, space, event)) = world.controllers.events.expiry.pop_first() else { break };
        let Some(stored) = world.find(Kind::EVENTS, &space, &event) else { continue };
        let last = [&stored["series"]["lastObservedTime"], &stored["lastTimestamp"], &stored["eventTime"], &stored["metadata"]["creationTimestamp"]];
        let last = last.into_iter().find_map(time).unwrap_or(now);
        let end = last.saturating_add(KEPT).unwrap_or(now);
        // Times are kept in whole seconds; half a second is not worth another round.
        if end > now && last < now && now.duration_since(last) < KEPT - SignedDuration::from_secs(1) {
            world.controllers.events.expiry.insert((end, space, event));
        } else {
            let _ = world.delete(Kind::EVENTS, &space, &event, &DeleteOptions::default(), &super::api::Caller::component("kube-apiserver"));
        }
    }
    let old = |at: Timestamp| now.duration_since(at) > KEPT;
    let recorder = &mut world.controllers.events;
    recorder.seen.retain(|_, seen| !old(seen.at));
    recorder.similar.retain(|_, similar| !old(similar.at));
    recorder.rations.retain(|_, ration| now.duration_since(ration.at) < KEPT * 3);
    plan(world);
}
