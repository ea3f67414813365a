//! Checking a script without running it: syntax, unknown functions, wrong numbers of arguments, undeclared variables, unknown option keys and imports.
//!
//! Only what is certain is a problem: what depends on a value's type is left to the run.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use rhai::{AST, ASTNode, Engine, Expr, FnCallExpr, Position, Stmt};

use super::fault::Fault;
use crate::error::Error;
use crate::functions::function::Kind;
use crate::functions::{self, Function, find, nearest};

/// Names that Rhai's evaluator answers itself, for any number of arguments.
const BUILT_IN: &[&str] = &["call", "curry", "Fn", "eval", "is_def_fn", "is_def_var", "is_shared", "type_of", "print", "debug", "this"];

/// Parses a script.
///
/// # Errors
/// A fault of the kind `usage` with the place.
pub fn parse(engine: &Engine, name: &str, text: &str) -> Result<AST, Fault> {
    // Rhai takes an open comment for one that ends with the file, and would silently run what stands before it.
    if let Some(position) = open_comment(text) {
        return Err(Fault { error: Error::usage("comment without an end").hint("close it with */"), source: name.to_owned(), position: Some(position) });
    }
    let text = blank_shebang(text);
    let mut ast = engine.compile(&text).map_err(|error| Fault::of_parse(&error, name, &text))?;
    ast.set_source(name);
    Ok(ast)
}

/// `#!` in the first line is for the operating system; as a comment of the same length it leaves every line and column as it is.
fn blank_shebang(text: &str) -> Cow<'_, str> {
    match text.strip_prefix("#!") {
        // `///` would be a documentation comment.
        Some(rest) => format!("//{}", rest.replacen('/', " ", usize::from(rest.starts_with('/')))).into(),
        None => text.into(),
    }
}

/// All problems of a parsed script, in the order of their places.
pub fn problems(engine: &Engine, ast: &AST, name: &str) -> Vec<Fault> {
    let mut known = Known::of(engine, ast);
    ast.walk(&mut |path| {
        known.learn(path);
        true
    });
    let mut found: Vec<(Position, Error)> = Vec::new();
    ast.walk(&mut |path| {
        match path.last() {
            Some(ASTNode::Expr(Expr::FnCall(call, position))) | Some(ASTNode::Stmt(Stmt::FnCall(call, position))) => {
                known.check_call(call, *position, false, &mut found)
            }
            Some(ASTNode::Expr(Expr::MethodCall(call, position))) => known.check_call(call, *position, true, &mut found),
            Some(ASTNode::Expr(Expr::Variable(variable, None, position))) if variable.0.is_none() && variable.2.is_empty() => {
                known.check_variable(&variable.1, *position, &mut found);
            }
            _ => {}
        }
        true
    });
    found.sort_by_key(|(position, _)| (position.line(), position.position()));
    found.dedup_by_key(|(position, _)| *position);
    found
        .into_iter()
        .map(|(position, error)| Fault { error, source: name.to_owned(), position: position.line().map(|line| (line, position.position().unwrap_or(1))) })
        .collect()
}

/// Everything that is wrong with a script's text.
pub fn all(engine: &Engine, name: &str, text: &str) -> Vec<Fault> {
    match parse(engine, name, text) {
        Ok(ast) => problems(engine, &ast, name),
        Err(fault) => vec![fault],
    }
}

/// The names that a script can use.
struct Known<'a> {
    engine: &'a Engine,
    /// Functions of the script itself: the numbers of arguments.
    own: BTreeMap<String, BTreeSet<usize>>,
    /// All functions: most scripts call only ours, and never need the list of Rhai's.
    functions: OnceCell<BTreeMap<String, BTreeSet<usize>>>,
    variables: BTreeSet<String>,
    /// What imported modules are called.
    modules: BTreeSet<String>,
    /// Keys of maps and properties: a map's closure is called like a method.
    properties: BTreeSet<String>,
}

impl<'a> Known<'a> {
    fn of(engine: &'a Engine, ast: &AST) -> Self {
        let mut own: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
        for function in ast.iter_functions() {
            own.entry(function.name.to_owned()).or_default().insert(function.params.len());
        }
        let variables = ast.iter_functions().flat_map(|function| function.params).map(|param| (*param).to_owned()).collect();
        Self { engine, own, functions: OnceCell::new(), variables, modules: BTreeSet::new(), properties: BTreeSet::new() }
    }

    fn functions(&self) -> &BTreeMap<String, BTreeSet<usize>> {
        self.functions.get_or_init(|| {
            let mut functions = self.own.clone();
            let native = self.engine.collect_fn_metadata(None, |function| Some((function.metadata.name.to_string(), function.metadata.num_params)), true);
            for (name, count) in native {
                functions.entry(name).or_default().insert(count);
            }
            functions
        })
    }

    fn learn(&mut self, path: &[ASTNode]) {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Var(var, ..))) => {
                self.variables.insert(var.0.name.to_string());
            }
            Some(ASTNode::Stmt(Stmt::Import(import, _))) => {
                self.modules.insert(import.1.name.to_string());
            }
            Some(ASTNode::Stmt(Stmt::For(each, _))) => {
                self.variables.insert(each.0.name.to_string());
                self.variables.extend(each.1.iter().map(|counter| counter.name.to_string()));
            }
            Some(ASTNode::Stmt(Stmt::TryCatch(flow, _))) => {
                if let Expr::Variable(caught, ..) = &flow.expr {
                    self.variables.insert(caught.1.to_string());
                }
            }
            Some(ASTNode::Expr(Expr::Map(map, _))) => self.properties.extend(map.0.iter().map(|(key, _)| key.name.to_string())),
            // A map of constants is folded into one by the optimiser.
            Some(ASTNode::Expr(Expr::DynamicConstant(value, _))) => {
                if let Some(map) = value.read_lock::<rhai::Map>() {
                    self.properties.extend(map.keys().map(ToString::to_string));
                }
            }
            Some(ASTNode::Expr(Expr::Property(property, _))) => {
                self.properties.insert(property.2.to_string());
            }
            _ => {}
        }
    }

    fn check_call(&self, call: &FnCallExpr, position: Position, is_method: bool, found: &mut Vec<(Position, Error)>) {
        let name = call.name.as_str();
        let is_word = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        if !call.namespace.is_empty() {
            return self.check_qualified(call, position, found);
        }
        if call.op_token.is_some() || !is_word || name.contains('$') || BUILT_IN.contains(&name) {
            return;
        }
        let given = call.args.len() + usize::from(is_method);
        if let Some(function) = find(name).filter(|_| !self.own.contains_key(name)) {
            let (fewest, most) = function.arity();
            if (fewest..=most).contains(&given) {
                check_options(function, &call.args, found);
                return;
            }
        }
        let Some(counts) = self.functions().get(name) else {
            // A closure in a variable or under a key of a map is called like this too.
            if !self.variables.contains(name) && !self.properties.contains(name) {
                let error = Error::usage(format!("no function {name:?}"));
                let hint = nearest(name, self.functions().keys().map(String::as_str).filter(|name| !name.contains('$')));
                found.push((
                    position,
                    match hint {
                        Some(near) => error.hint(format!("did you mean {near:?}?")),
                        None => error.hint("help() lists the functions"),
                    },
                ));
            }
            return;
        };
        // A script's own function called as a method has the object as `this`, beside its arguments.
        let fits = counts.contains(&given) || is_method && counts.contains(&call.args.len());
        if !fits {
            let (fewest, most) = (counts.first().copied().unwrap_or(0), counts.last().copied().unwrap_or(0));
            let error = functions::wrong_count(name, fewest, most, given);
            found.push((
                position,
                match find(name) {
                    Some(function) => error.hint(function.signature()),
                    None => error,
                },
            ));
        } else if let Some(function) = find(name) {
            check_options(function, &call.args, found);
        }
    }

    /// A call of a module's function: ours are known, those of imported ones are not, and there are no others.
    fn check_qualified(&self, call: &FnCallExpr, position: Position, found: &mut Vec<(Position, Error)>) {
        let Some(module) = call.namespace.path.first().map(|ident| ident.name.as_str()).filter(|module| !self.modules.contains(*module)) else { return };
        let name = format!("{module}::{}", call.name);
        let ours = || functions::all().map(|function| function.name).filter(|name| name.split_once("::").is_some_and(|(of, _)| of == module));
        if let Some(function) = find(&name) {
            let (fewest, most) = function.arity();
            if (fewest..=most).contains(&call.args.len()) {
                check_options(function, &call.args, found);
            } else {
                found.push((position, functions::wrong_count(&name, fewest, most, call.args.len()).hint(function.signature())));
            }
        } else if ours().next().is_some() {
            let error = Error::usage(format!("no function {name:?}"));
            found.push((
                position,
                match nearest(&name, ours()) {
                    Some(near) => error.hint(format!("did you mean {near:?}?")),
                    None => error.hint(format!("there are: {}", ours().collect::<Vec<_>>().join(", "))),
                },
            ));
        } else {
            found.push((position, Error::usage(format!("no module {module:?}")).hint(format!("import it first, as in: import \"std/canary\" as {module};"))));
        }
    }

    fn check_variable(&self, name: &str, position: Position, found: &mut Vec<(Position, Error)>) {
        // A bare function name is a function pointer; a variable that a closure captures looks undeclared inside of it.
        if name == "args" || name.contains('$') || self.variables.contains(name) || self.functions().contains_key(name) {
            return;
        }
        let error = Error::usage(format!("no variable {name:?}"));
        found.push((
            position,
            match nearest(name, self.variables.iter().map(String::as_str)) {
                Some(near) => error.hint(format!("did you mean {near:?}?")),
                None => error,
            },
        ));
    }
}

/// The keys of a literal options map: the argument in the options' own place, or the last one when all before it are given.
fn check_options(function: &'static Function, args: &[Expr], found: &mut Vec<(Position, Error)>) {
    let maps_before =
        function.params.iter().take_while(|param| param.kind != Kind::Options).filter(|param| matches!(param.kind, Kind::Map | Kind::Any)).count();
    if maps_before == function.params.iter().filter(|param| matches!(param.kind, Kind::Map | Kind::Any | Kind::Options)).count() {
        return;
    }
    let literal = |arg: &&Expr| matches!(arg, Expr::Map(..)) || matches!(arg, Expr::DynamicConstant(value, _) if value.is_map());
    // `set_image(t, #{web: "..."})` and `annotate(t, #{...})`: the first map is not the options.
    let required = function.params.iter().filter(|param| !param.optional).count();
    let Some(options) = args.iter().skip(if maps_before > 0 { required } else { 0 }).find(literal) else { return };
    let keys: Vec<(String, Position)> = match options {
        Expr::Map(map, _) => map.0.iter().map(|(key, _)| (key.name.to_string(), key.pos)).collect(),
        Expr::DynamicConstant(value, position) => {
            value.read_lock::<rhai::Map>().map(|map| map.keys().map(|key| (key.to_string(), *position)).collect()).unwrap_or_default()
        }
        _ => return,
    };
    for (key, position) in keys {
        if let Err(error) = function.check_option(&key) {
            found.push((position, error));
        }
    }
}

/// Where a `/*` stands that nothing closes, if one does. Strings are skipped, interpolation included.
pub fn open_comment(text: &str) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let (mut at, mut depth, mut opened) = (0, 0_usize, 0);
    let mut quote: Option<u8> = None;
    while at < bytes.len() {
        let (byte, next) = (bytes[at], bytes.get(at + 1).copied());
        match (quote, depth) {
            (Some(_), _) if byte == b'\\' && quote != Some(b'`') => at += 1,
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, 0) if byte == b'/' && next == Some(b'/') => at = text[at..].find('\n').map_or(bytes.len(), |end| at + end),
            (None, 0) if matches!(byte, b'"' | b'`') => quote = Some(byte),
            (None, _) if byte == b'/' && next == Some(b'*') => {
                if depth == 0 {
                    opened = at;
                }
                depth += 1;
                at += 1;
            }
            (None, 1..) if byte == b'*' && next == Some(b'/') => {
                depth -= 1;
                at += 1;
            }
            _ => {}
        }
        at += 1;
    }
    (depth > 0).then(|| {
        let before = &text[..opened];
        (before.matches('\n').count() + 1, before.chars().rev().take_while(|c| *c != '\n').count() + 1)
    })
}

/// Every name that a prompt can complete: ours, and Rhai's.
pub fn names(engine: &Engine) -> BTreeSet<String> {
    let native = engine.collect_fn_metadata(None, |function| Some(function.metadata.name.to_string()), true);
    let word = |name: &String| name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.contains('$');
    native.into_iter().filter(word).chain(functions::all().map(|function| function.name.to_owned())).collect()
}
