//! The engine: limits, output, interrupts, and every function of the table registered for each number of arguments.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use rhai::module_resolvers::ModuleResolversCollection;
use rhai::{
    Dynamic, Engine, EvalAltResult, FLOAT, FuncRegistration, INT, ImmutableString, Map, Module, NativeCallContext, OptimizationLevel, Position, RhaiFunc,
};

use super::resolve::{Beside, Standard};
use crate::error::Error;
use crate::functions::call::{Call, Handle};
use crate::functions::change::made_value;
use crate::functions::function::{Answer, Body};
use crate::functions::value::dynamic;
use crate::functions::{Function, all, find, nearest, wrong_count};
use crate::session::Session;

/// Call depth: Rhai's defaults differ between debug and release, and a script must not pass in one and fail in the other.
const CALL_LEVELS: usize = 64;
/// What the engine thread needs for that many levels in a debug build (measured: 64 levels overflow 2 MiB there).
pub const STACK_SIZE: usize = 64 << 20;
const EXPRESSION_DEPTH: usize = 128;
/// A single string, array or map beyond this is a mistake that would take the machine down with it.
const STRING_BYTES: usize = 64 << 20;
const COLLECTION_ITEMS: usize = 4_000_000;

/// An engine of a session, for scripts in `folder` with the arguments `args`.
pub fn engine(session: &Session, folder: Option<&Path>, args: &Map) -> Engine {
    let mut engine = Engine::new();
    // Not `Full`: it would call our functions while it compiles.
    engine.set_optimization_level(OptimizationLevel::Simple);
    engine.set_max_call_levels(CALL_LEVELS);
    engine.set_max_expr_depths(EXPRESSION_DEPTH, EXPRESSION_DEPTH);
    engine.set_max_string_size(STRING_BYTES);
    engine.set_max_array_size(COLLECTION_ITEMS);
    engine.set_max_map_size(COLLECTION_ITEMS);

    let screen = session.screen().clone();
    engine.on_print(move |text| screen.print_line(text));
    let screen = session.screen().clone();
    engine.on_debug(move |text, source, position| {
        let place = source.map_or_else(|| position.to_string(), |source| format!("{source}:{position}"));
        screen.notice(&crate::render::screen::Text::plain(format!("{place}: {text}")));
    });
    let asked = session.clone();
    engine.on_progress(move |_| asked.halted().map(Dynamic::from));

    // Functions cannot see a scope's variables, and `args` is wanted in them too.
    let args = args.clone();
    #[expect(deprecated, reason = "Rhai marks the hook as volatile, not as going away")]
    engine.on_var(move |name, _, context| {
        let hidden = name != "args" || context.scope().contains("args");
        Ok(if hidden { None } else { Some(args.clone().into()) })
    });

    let mut resolvers = ModuleResolversCollection::new();
    resolvers.push(Standard::default());
    if let Some(folder) = folder {
        resolvers.push(Beside::new(folder));
    }
    engine.set_module_resolver(resolvers);

    engine.register_type_with_name::<Handle>("handle");
    engine.register_fn("to_string", |handle: &mut Handle| handle.to_string());
    engine.register_fn("to_debug", |handle: &mut Handle| handle.to_string());
    engine.register_fn("==", |one: Handle, other: Handle| one == other);
    engine.register_get("name", |handle: &mut Handle| handle.name.clone());
    engine.register_get("kind", |handle: &mut Handle| handle.kind.to_owned());
    engine.register_get("namespace", |handle: &mut Handle| handle.namespace.clone().map_or(Dynamic::UNIT, Dynamic::from));

    let mut global = Module::new();
    let mut modules: BTreeMap<&str, Module> = BTreeMap::new();
    for function in all() {
        match function.name.split_once("::") {
            None => register(&mut global, session, function, function.name),
            Some((module, name)) => register(modules.entry(module).or_default(), session, function, name),
        }
    }
    engine.register_global_module(global.into());
    for (name, module) in modules {
        engine.register_static_module(name, module.into());
    }
    #[expect(deprecated, reason = "Rhai marks the hook as volatile, not as going away")]
    engine.on_missing_function(|name, args, is_method, _| match explain_missing(name, args, is_method) {
        Some(error) => Err(error.into()),
        None => Ok(None),
    });
    engine
}

/// Registers a function for each number of arguments that it takes; with values of any type, since the definition checks them with better words.
fn register(module: &mut Module, session: &Session, function: &'static Function, name: &str) {
    let (fewest, most) = function.arity();
    for count in fewest..=most {
        add(module, session, function, name, &vec![TypeId::of::<Dynamic>(); count]);
    }
    // Rhai looks for exact types first and has a `sleep` (that nothing can end), a `print` and a `parse_json` of its own.
    let first: &[TypeId] = match name {
        "print" => &[
            TypeId::of::<rhai::Array>(),
            TypeId::of::<Map>(),
            TypeId::of::<ImmutableString>(),
            TypeId::of::<char>(),
            TypeId::of::<INT>(),
            TypeId::of::<FLOAT>(),
            TypeId::of::<bool>(),
        ],
        "sleep" => &[TypeId::of::<INT>(), TypeId::of::<FLOAT>()],
        "parse_json" => &[TypeId::of::<ImmutableString>()],
        _ => &[],
    };
    for kind in first {
        add(module, session, function, name, &[*kind]);
    }
}

fn add(module: &mut Module, session: &Session, function: &'static Function, name: &str, types: &[TypeId]) {
    let session = session.clone();
    let body = move |ctx: Option<NativeCallContext>, args: &mut [&mut Dynamic]| {
        let Some(ctx) = ctx else { return Err(Error::usage("a function was called from outside of a script").into()) };
        let given = args.iter_mut().map(|arg| arg.flatten_clone()).collect();
        let position = ctx.call_position();
        invoke(&session, function, &ctx, given).map_err(|error| positioned(error, position))
    };
    // Volatile: the optimiser must not call it while it compiles.
    let body = RhaiFunc::Method { func: Arc::new(body), has_context: true, is_pure: true, is_volatile: true };
    FuncRegistration::new(name).in_global_namespace().set_into_module_raw(module, types, body);
}

fn invoke(session: &Session, function: &'static Function, ctx: &NativeCallContext, given: Vec<Dynamic>) -> Answer {
    let call = Call::new(session, function, ctx, given)?;
    match function.body {
        Body::Read(body) | Body::Flow(body) | Body::Shell(body) => body(&call),
        Body::Change(decide) => {
            let made = call.make(decide(&call)?)?;
            Ok(made_value(session, &made))
        }
    }
}

/// Writes line and column into an error of ours, so that `catch (e)` has them too; Rhai itself does not place what a module's function throws.
fn positioned(mut error: Box<EvalAltResult>, position: Position) -> Box<EvalAltResult> {
    if error.position().is_none() {
        error.set_position(position);
    }
    if let EvalAltResult::ErrorRuntime(thrown, _) = error.as_mut()
        && let Some(mut map) = thrown.write_lock::<Map>()
        && map.contains_key("kind")
        && !map.contains_key("line")
    {
        let number = |value: Option<usize>| value.and_then(|value| INT::try_from(value).ok()).map_or(Dynamic::UNIT, Dynamic::from);
        map.insert("line".into(), number(position.line()));
        map.insert("column".into(), number(position.position()));
    }
    error
}

/// What to say about a call that no function answers; `None`: Rhai's own words are as good.
fn explain_missing(name: &str, args: &[&mut Dynamic], is_method: bool) -> Option<Error> {
    if let Some(function) = find(name) {
        let (fewest, most) = function.arity();
        if (fewest..=most).contains(&args.len()) {
            return None;
        }
        return Some(wrong_count(name, fewest, most, args.len()).hint(function.signature()));
    }
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') || name.contains('$') {
        return None;
    }
    let types: Vec<String> = args.iter().map(|arg| crate::functions::call::described(arg)).collect();
    let error = match (is_method, types.split_first()) {
        (true, Some((object, rest))) => {
            Error::usage(format!("no function {name:?} for {object}{}", if rest.is_empty() { String::new() } else { format!(" with {}", rest.join(", ")) }))
        }
        (_, None) => Error::usage(format!("no function {name:?}")),
        (_, Some(_)) => Error::usage(format!("no function {name:?} for {}", types.join(", "))),
    };
    Some(match nearest(name, all().map(|function| function.name)) {
        Some(near) => error.hint(format!("did you mean {near:?}?")),
        None => error.hint("help() lists the functions"),
    })
}

/// The arguments of a script as `args` shows them: `--name value`, `--name=value`, a lone `--flag`, and `args.rest`.
pub fn arguments(given: &[String]) -> Map {
    let mut args = Map::new();
    let mut rest = rhai::Array::new();
    let mut given = given.iter().peekable();
    while let Some(word) = given.next() {
        match word.strip_prefix("--") {
            Some("") => {
                rest.extend(given.by_ref().map(|word| Dynamic::from(word.clone())));
            }
            Some(flag) => {
                let (name, value) = match flag.split_once('=') {
                    Some((name, value)) => (name, Dynamic::from(value.to_owned())),
                    None => match given.next_if(|next| !next.starts_with("--")) {
                        Some(value) => (flag, Dynamic::from(value.clone())),
                        None => (flag, true.into()),
                    },
                };
                args.insert(name.replace('-', "_").into(), value);
            }
            None => rest.push(word.clone().into()),
        }
    }
    args.insert("rest".into(), rest.into());
    args
}

/// A map from JSON as a script's `args`.
pub fn arguments_of(value: &serde_json::Value) -> Map {
    dynamic(value).try_cast::<Map>().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_become_keys_and_the_rest_an_array() {
        let words = ["--target", "deploy/web", "--image=web=shop/web:9", "--force", "--dry-run", "--", "--x", "y"].map(str::to_owned);
        let args = arguments(&words);
        let text = |key: &str| args[key].to_string();
        assert_eq!(text("target"), "deploy/web");
        assert_eq!(text("image"), "web=shop/web:9");
        assert_eq!((text("force"), text("dry_run")), ("true".into(), "true".into()));
        assert_eq!(text("rest"), r#"["--x", "y"]"#);
    }
}
