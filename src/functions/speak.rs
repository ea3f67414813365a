//! Speak: output, formats, files and the environment.

use std::path::Path;

use rhai::{Array, Dynamic, Map};
use serde_json::Value;

use super::call::Call;
use super::function::{Answer, Body, Example, Function, Group, Kind, Param};
use super::show::{self, block, with_tables};
use super::value::{dynamic, json};
use crate::error::{Error, ErrorKind, file_reason};
use crate::render::data;
use crate::render::fault;
use crate::render::screen::Text;
use crate::render::table::Table;

pub const GROUP: Group = Group { name: "speak", summary: "output, formats, files", functions: FUNCTIONS };

const VALUE: &[Param] = &[Param::new("value", Kind::Any)];
const TEXT: &[Param] = &[Param::new("text", Kind::Text)];

const fn formatter(name: &'static str, summary: &'static str, examples: &'static [Example], body: fn(&Call) -> Answer) -> Function {
    Function {
        name,
        params: VALUE,
        options: &[],
        returns: "string",
        summary,
        details: "Without a final newline.",
        errors: &[],
        examples,
        source: "",
        body: Body::Shell(body),
    }
}

const fn parser(name: &'static str, summary: &'static str, details: &'static str, examples: &'static [Example], body: fn(&Call) -> Answer) -> Function {
    Function {
        name,
        params: TEXT,
        options: &[],
        returns: "any value",
        summary,
        details,
        errors: &[ErrorKind::Invalid],
        examples,
        source: "",
        body: Body::Shell(body),
    }
}

const FUNCTIONS: &[Function] = &[
    Function {
        name: "print",
        params: &[Param::optional("value", Kind::Any)],
        options: &[],
        returns: "()",
        summary: "Prints a value and a newline to standard output: rows as a table, maps as YAML, control characters made visible.",
        details: "",
        errors: &[],
        examples: &[Example { script: r#"print("3 of " + 3)"#, prints: "3 of 3\n" }],
        source: "",
        // Rhai itself hands the returned text to the engine's print handler, which is the screen.
        body: Body::Shell(|call| Ok(call.arg("value").map_or_else(String::new, |value| show::text(call.session, value)).into())),
    },
    Function {
        name: "table",
        params: &[Param::new("rows", Kind::Array), Param::optional("columns", Kind::Array)],
        options: &[],
        returns: "the rows, printed as a table of these columns",
        summary: "Lays out an array of maps as a table; columns choose the keys and their order.",
        details: "",
        errors: &[ErrorKind::Usage],
        examples: &[Example { script: r#"print(table([#{a: 1, b: "x"}, #{a: 2, b: "y"}], ["b", "a"]))"#, prints: "B     A\nx     1\ny     2\n" }],
        source: "",
        body: Body::Shell(table),
    },
    formatter(
        "json",
        "Writes a value as indented JSON.",
        &[Example { script: r#"print(json(#{a: [1, ()]}))"#, prints: "{\n  \"a\": [\n    1,\n    null\n  ]\n}\n" }],
        |call| Ok(data::json(&call.arg("value").map(json).unwrap_or_default()).into()),
    ),
    formatter("yaml", "Writes a value as YAML.", &[Example { script: r#"print(yaml(#{a: [1, "1"]}))"#, prints: "a:\n- 1\n- \"1\"\n" }], |call| {
        Ok(data::yaml(&call.arg("value").map(json).unwrap_or_default()).into())
    }),
    parser("parse_json", "Reads JSON text.", "", &[Example { script: r#"print(parse_json(`[1, 2]`).len())"#, prints: "2\n" }], |call| {
        let text = call.text("text").unwrap_or_default();
        let value: Value = serde_json::from_str(&text).map_err(|error| Error::invalid(format!("not JSON: {error}")))?;
        Ok(dynamic(&value))
    }),
    parser(
        "parse_yaml",
        "Reads YAML text: the document, or an array of them when there are several.",
        "",
        &[Example { script: r#"print(parse_yaml("a: [1, 2]").a.len())"#, prints: "2\n" }],
        |call| {
            let mut documents = data::parse_yaml(&call.text("text").unwrap_or_default())?;
            Ok(match documents.len() {
                0 => Dynamic::UNIT,
                1 => dynamic(&documents.remove(0)),
                _ => dynamic(&Value::Array(documents)),
            })
        },
    ),
    Function {
        name: "notice",
        params: &[Param::new("text", Kind::Any)],
        options: &[],
        returns: "()",
        summary: "Tells progress on standard error; silent with --quiet.",
        details: "",
        errors: &[],
        examples: &[],
        source: "",
        body: Body::Shell(|call| {
            let text = call.arg("text").map_or_else(String::new, |value| show::text(call.session, value));
            call.session.screen().notice(&Text::plain(text));
            Ok(Dynamic::UNIT)
        }),
    },
    Function {
        name: "warn",
        params: &[Param::new("text", Kind::Any)],
        options: &[],
        returns: "()",
        summary: "Warns on standard error.",
        details: "",
        errors: &[],
        examples: &[],
        source: "",
        body: Body::Shell(|call| {
            let text = call.arg("text").map_or_else(String::new, |value| show::text(call.session, value));
            call.session.screen().warn(&fault::warning(&text));
            Ok(Dynamic::UNIT)
        }),
    },
    Function {
        name: "read_file",
        params: &[Param::new("path", Kind::Text)],
        options: &[],
        returns: "string",
        summary: "Reads a text file.",
        details: "A script needs --allow read or read=PATH.",
        errors: &[ErrorKind::NotFound, ErrorKind::Denied, ErrorKind::Invalid],
        examples: &[Example {
            script: r#"try { read_file("/no/such/file") } catch (e) { print(`${e.kind}: ${e.path}`) }"#,
            prints: "not_found: /no/such/file\n",
        }],
        source: "",
        body: Body::Shell(read_file),
    },
    Function {
        name: "write_file",
        params: &[Param::new("path", Kind::Text), Param::new("text", Kind::Any)],
        options: &[],
        returns: "()",
        summary: "Writes a text file, in place of what is there; a map or an array as JSON.",
        details: "A script needs --allow write or write=PATH. The folder must be there.",
        errors: &[ErrorKind::NotFound, ErrorKind::Denied],
        examples: &[Example { script: r#"try { write_file("/no/such/folder/file", "x") } catch (e) { print(e.kind) }"#, prints: "not_found\n" }],
        source: "",
        body: Body::Shell(write_file),
    },
    Function {
        name: "env",
        params: &[Param::new("name", Kind::Text)],
        options: &[],
        returns: "string; () when it is not set",
        summary: "Reads an environment variable.",
        details: "A script needs --allow env or env=NAME.",
        errors: &[ErrorKind::Denied],
        examples: &[Example { script: r#"print(env("ROLLSH_NO_SUCH_VARIABLE") == ())"#, prints: "true\n" }],
        source: "",
        body: Body::Shell(|call| {
            let name = call.text("name").unwrap_or_default();
            call.session.policy().check_env(&name, "env")?;
            Ok(std::env::var(&name).map_or(Dynamic::UNIT, Dynamic::from))
        }),
    },
];

fn read_file(call: &Call) -> Answer {
    let path = call.text("path").unwrap_or_default();
    call.session.policy().check_read(Path::new(&path), "read_file")?;
    match std::fs::read(&path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(text.into()),
            Err(_) => Err(Error::invalid(format!("{path} is not text")).fact("path", path).into()),
        },
        Err(error) => Err(Error::not_found(format!("cannot read {path}: {}", file_reason(&error))).fact("path", path).into()),
    }
}

fn write_file(call: &Call) -> Answer {
    let path = call.text("path").unwrap_or_default();
    call.session.policy().check_write(Path::new(&path), "write_file")?;
    let given = call.arg("text").cloned().unwrap_or_default();
    let text = if given.is_map() || given.is_array() { data::json(&json(&given)) } else { given.to_string() };
    match std::fs::write(&path, text) {
        Ok(()) => Ok(Dynamic::UNIT),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Error::not_found(format!("cannot write {path}: {}", file_reason(&error))).fact("path", path).into())
        }
        Err(error) => Err(Error::denied(format!("cannot write {path}: {}", file_reason(&error))).fact("path", path).into()),
    }
}

fn table(call: &Call) -> Answer {
    let rows = call.arg("rows").cloned().unwrap_or_default();
    let maps: Vec<Value> = rows.read_lock::<Array>().map(|rows| rows.iter().map(json).collect()).unwrap_or_default();
    if let Some(position) = maps.iter().position(|row| !row.is_object()) {
        return Err(Error::usage(format!("row {} of the table is not a map", position + 1)).into());
    }
    let columns: Option<Vec<String>> = match call.arg("columns").and_then(|columns| columns.read_lock::<Array>().map(|columns| columns.to_vec())) {
        Some(columns) => {
            let named = columns.into_iter().map(|column| column.into_string().map_err(|kind| Error::usage(format!("a column must be a string, not {kind}"))));
            Some(named.collect::<Result<_, _>>()?)
        }
        None => None,
    };
    let laid_out = match &columns {
        None => Table::of_maps(&maps, &[]),
        Some(columns) => {
            let names: Vec<&str> = columns.iter().map(String::as_str).collect();
            Table::of(&names, maps.iter().map(|row| columns.iter().map(|column| row[column.as_str()].clone()).collect()).collect())
        }
    };
    let rows = Dynamic::from_array(maps.iter().map(dynamic).filter(Dynamic::is::<Map>).collect());
    Ok(with_tables(call.session, rows, vec![block(laid_out)]))
}
