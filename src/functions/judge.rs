//! Judge: time and assertions.

use rhai::Dynamic;

use super::call::Call;
use super::function::{Answer, Body, Example, Function, Group, Kind, Param};
use super::value::json;
use crate::error::{Error, ErrorKind};

pub const GROUP: Group = Group { name: "judge", summary: "time and assertions", functions: FUNCTIONS };

const FUNCTIONS: &[Function] = &[
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
