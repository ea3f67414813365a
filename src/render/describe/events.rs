//! The Events block.

use serde_json::Value;

use super::page::Page;
use super::value::{is_set, number, since, text, time};

pub(super) fn block(page: &mut Page, events: &[Value]) {
    if events.is_empty() {
        page.field(0, "Events", "<none>");
        return;
    }
    let mut events: Vec<&Value> = events.iter().collect();
    // Events of the newer API have no lastTimestamp and stand first, as Go's zero time does.
    events.sort_by_key(|event| time(&event["lastTimestamp"]));
    page.write(0, "Events:\n  Type\tReason\tAge\tFrom\tMessage\n");
    page.write(1, "----\t------\t----\t----\t-------\n");
    for event in events {
        let source = if is_set(&event["source"]["component"]) { text(&event["source"]["component"]) } else { text(&event["reportingComponent"]) };
        let about = text(&event["involvedObject"]["fieldPath"]);
        let message = text(&event["message"]).trim();
        let message = if about.is_empty() { message.to_owned() } else { format!("{about}: {message}") };
        page.write(1, format!("{}\t{}\t{}\t{source}\t{message}\n", text(&event["type"]), text(&event["reason"]), age(page, event)));
    }
}

/// `5m`, or `10s (x3 over 5m)`.
fn age(page: &Page, event: &Value) -> String {
    let first = if is_set(&event["eventTime"]) { &event["eventTime"] } else { &event["firstTimestamp"] };
    let first = since(first, page.now);
    if event["series"].is_object() {
        let series = &event["series"];
        format!("{} (x{} over {first})", since(&series["lastObservedTime"], page.now), number(&series["count"]))
    } else if number(&event["count"]) > 1 {
        format!("{} (x{} over {first})", since(&event["lastTimestamp"], page.now), number(&event["count"]))
    } else {
        first
    }
}
