//! Judge: answers of other systems, time and assertions.

use std::collections::BTreeMap;
use std::sync::Arc;

use rhai::{Dynamic, EvalAltResult};

use super::call::Call;
use super::function::{Answer, Body, Example, Function, Group, Kind, Opt, Param};
use super::value::{dynamic, json};
use crate::error::{Error, ErrorKind, Result};
use crate::probe::http::{Permit, Request, http};
use crate::probe::prometheus::{Query, Reading, prometheus};

pub const GROUP: Group = Group { name: "judge", summary: "answers of other systems, time and assertions", functions: FUNCTIONS };

const HTTP: &[Opt] = &[
    Opt { name: "headers", kind: Kind::Map, summary: "headers to send, as in #{authorization: \"Bearer ...\"}" },
    Opt { name: "timeout", kind: Kind::Duration, summary: "for the whole exchange; default \"10s\"" },
    Opt { name: "follow_redirects", kind: Kind::Bool, summary: "default true; each host needs the capability" },
    Opt { name: "insecure", kind: Kind::Bool, summary: "take any certificate" },
];
const HTTP_RETURNS: &str = "map: status, body, json, headers, elapsed_s";
const HTTP_DETAILS: &str = "A script needs --allow net or net=HOST, for each host that it is sent on to as well. Any status is an answer, and no error. \
                            json is () when the body is none. Takes real time, on a simulated clock too. Proxies are taken from the environment.";
const NET_ERRORS: &[ErrorKind] = &[ErrorKind::Denied, ErrorKind::Unreachable, ErrorKind::Invalid, ErrorKind::Usage];

const FUNCTIONS: &[Function] = &[
    Function {
        name: "http_get",
        params: &[Param::new("url", Kind::Text), Param::optional("options", Kind::Options)],
        options: HTTP,
        returns: HTTP_RETURNS,
        summary: "Asks a web server.",
        details: HTTP_DETAILS,
        errors: NET_ERRORS,
        examples: &[Example { script: r#"try { http_get("http://127.0.0.1:1/") } catch (e) { print(e.kind) }"#, prints: "unreachable\n" }],
        source: "",
        body: Body::Flow(|call| ask(call, request(call, "http_get", Request::get)?)),
    },
    Function {
        name: "http_post",
        params: &[Param::new("url", Kind::Text), Param::new("body", Kind::Any), Param::optional("options", Kind::Options)],
        options: HTTP,
        returns: HTTP_RETURNS,
        summary: "Sends a body to a web server: text as it is, a map or an array as JSON.",
        details: HTTP_DETAILS,
        errors: NET_ERRORS,
        examples: &[Example { script: r#"try { http_post("ftp://example.com/", #{text: "rolled back"}) } catch (e) { print(e.kind) }"#, prints: "usage\n" }],
        source: "",
        body: Body::Flow(|call| {
            let given = call.arg("body").cloned().unwrap_or_default();
            let body = if given.is_map() || given.is_array() { json(&given).to_string() } else { given.to_string() };
            ask(call, request(call, "http_post", |url| Request::post(url, body))?)
        }),
    },
    Function {
        name: "prom",
        params: &[Param::new("url", Kind::Text), Param::new("query", Kind::Text), Param::optional("options", Kind::Options)],
        options: HTTP,
        returns: "a number, or an array of #{labels, value}",
        summary: "Asks Prometheus for the present value of a query: a number when it is one without labels, else all samples.",
        details: "The URL is the server's own. A script needs --allow net or net=HOST. No sample at all is an empty array.",
        errors: NET_ERRORS,
        examples: &[Example {
            script: r#"try { prom("http://127.0.0.1:1", "up") } catch (e) { print(`${e.kind} ${e.url}`) }"#,
            prints: "unreachable http://127.0.0.1:1/api/v1/query\n",
        }],
        source: "",
        body: Body::Flow(prom),
    },
    Function {
        name: "now",
        params: &[],
        options: &[],
        returns: "number",
        summary: "Tells the time in seconds since 1970 (with milliseconds): the simulated cluster's on --sim.",
        details: "",
        errors: &[],
        examples: &[Example { script: r#"let t = now(); sleep("1500ms"); print(now() - t)"#, prints: "1.5\n" }],
        source: "",
        body: Body::Shell(|call| Ok((call.session.clock().now().as_millisecond() as f64 / 1000.0).into())),
    },
    Function {
        name: "assert",
        params: &[Param::new("condition", Kind::Bool), Param::optional("text", Kind::Text)],
        options: &[],
        returns: "()",
        summary: "Throws when a condition does not hold.",
        details: "",
        errors: &[ErrorKind::Script],
        examples: &[Example { script: r#"try { assert(1 > 2, "order") } catch (e) { print(e.message) }"#, prints: "assertion failed: order\n" }],
        source: "",
        body: Body::Shell(|call| {
            if call.arg("condition").is_some_and(|condition| condition.as_bool() == Ok(true)) {
                return Ok(Dynamic::UNIT);
            }
            let text = call.text("text").map_or_else(|| "assertion failed".to_owned(), |text| format!("assertion failed: {text}"));
            Err(Error::script(text).into())
        }),
    },
    Function {
        name: "assert_eq",
        params: &[Param::new("found", Kind::Any), Param::new("expected", Kind::Any), Param::optional("text", Kind::Text)],
        options: &[],
        returns: "()",
        summary: "Throws when two values differ, and shows both.",
        details: "Maps and arrays are compared by what is in them.",
        errors: &[ErrorKind::Script],
        examples: &[Example {
            script: r#"assert_eq(#{a: [1, 2]}, #{a: [1, 2]}); try { assert_eq(1, 2) } catch (e) { print(e.message) }"#,
            prints: "found 1, expected 2\n",
        }],
        source: "",
        body: Body::Shell(assert_eq),
    },
];

/// A request with the call's options, which may go only where the policy allows.
fn request(call: &Call, what: &'static str, make: impl FnOnce(String) -> Request) -> Result<Request> {
    let mut request = make(call.text("url").unwrap_or_default());
    if let Some(headers) = call.option("headers").and_then(|headers| headers.read_lock::<rhai::Map>().map(|map| map.clone())) {
        let header = |(name, value): (rhai::Identifier, Dynamic)| match value.into_string() {
            Ok(value) => Ok((name.to_string(), value)),
            Err(kind) => Err(Error::usage(format!("the header {name:?} must be a string, not a value of type {kind}"))),
        };
        request.headers = headers.into_iter().map(header).collect::<Result<BTreeMap<_, _>>>()?;
    }
    if let Some(timeout) = call.option_duration("timeout")? {
        request.timeout = timeout;
    }
    request.follow_redirects = call.option_bool("follow_redirects").unwrap_or(request.follow_redirects);
    request.insecure = call.option_bool("insecure").unwrap_or(request.insecure);
    let policy = call.session.policy().clone();
    let permit: Permit = Arc::new(move |uri| policy.check_net(uri.host().unwrap_or_default(), what));
    request.permit = permit;
    Ok(request)
}

fn ask(call: &Call, request: Request) -> Answer {
    let answer = call.wait(http(request))?;
    Ok(dynamic(&answer.to_value()))
}

fn prom(call: &Call) -> Answer {
    let query = Query { query: call.text("query").unwrap_or_default(), request: request(call, "prom", Request::get)? };
    let reading: std::result::Result<Reading, Box<EvalAltResult>> = call.wait(prometheus(query));
    Ok(match reading? {
        Reading::Number(number) => number.into(),
        Reading::Samples(samples) => {
            let sample = |sample: &crate::probe::prometheus::Sample| {
                let labels = sample.labels.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect::<rhai::Map>();
                Dynamic::from_map([("labels".into(), Dynamic::from_map(labels)), ("value".into(), sample.value.into())].into_iter().collect())
            };
            Dynamic::from_array(samples.iter().map(sample).collect())
        }
    })
}

fn assert_eq(call: &Call) -> Answer {
    let of = |name| call.arg(name).map(json).unwrap_or_default();
    let (found, expected) = (of("found"), of("expected"));
    if found == expected || numbers_equal(&found, &expected) {
        return Ok(Dynamic::UNIT);
    }
    let text = call.text("text").map_or_else(String::new, |text| format!("{text}: "));
    Err(Error::script(format!("{text}found {found}, expected {expected}")).fact("found", found).fact("expected", expected).into())
}

/// `3 == 3.0`, as Rhai's own `==` has it.
fn numbers_equal(found: &serde_json::Value, expected: &serde_json::Value) -> bool {
    match (found.as_f64(), expected.as_f64()) {
        (Some(found), Some(expected)) => found == expected,
        _ => false,
    }
}
