//! Running scripts: a file, an expression, or line after line at a prompt.

use std::path::Path;

use rhai::{AST, Dynamic, Engine, Expr, Map, Scope, Stmt};

use super::check;
use super::engine::engine;
use super::fault::Fault;
use crate::functions::find;
use crate::functions::function::Body;
use crate::functions::value::halt;
use crate::session::{Halt, Session};

/// What an input at a prompt is called in messages.
const PROMPT: &str = "prompt";

/// How a run ended.
#[derive(Debug)]
pub enum Ended {
    Value(Dynamic),
    Halted(Halt),
    Failed(Fault),
}

impl Ended {
    /// The exit code that a run with this end has.
    pub fn exit_code(&self) -> i64 {
        match self {
            Ended::Value(_) => 0,
            Ended::Halted(Halt::Exit(code)) => *code,
            Ended::Halted(Halt::Deadline(_)) => 124,
            Ended::Halted(Halt::Interrupted) => 130,
            Ended::Halted(Halt::Terminated) => 143,
            Ended::Failed(fault) => i64::from(fault.exit_code()),
        }
    }
}

/// An engine with its session and what a prompt has defined so far.
pub struct Host {
    engine: Engine,
    session: Session,
    scope: Scope<'static>,
    /// Functions and imports of earlier lines: Rhai forgets both between two evaluations.
    library: AST,
    imports: AST,
}

impl Host {
    pub fn new(session: &Session, folder: Option<&Path>, args: &Map) -> Self {
        Self { engine: engine(session, folder, args), session: session.clone(), scope: Scope::new(), library: AST::empty(), imports: AST::empty() }
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    pub fn scope(&self) -> &Scope<'static> {
        &self.scope
    }

    /// Parses and checks a whole script, then runs it. Nothing runs of a script that does not check.
    pub fn run(&mut self, name: &str, text: &str) -> Ended {
        self.checked(name, text, false)
    }

    /// As `run`, where the value will be shown to the user and nothing else be done with it.
    pub fn run_to_show(&mut self, name: &str, text: &str) -> Ended {
        self.checked(name, text, true)
    }

    fn checked(&mut self, name: &str, text: &str, to_show: bool) -> Ended {
        match check::parse(&self.engine, name, text) {
            Err(fault) => Ended::Failed(fault),
            Ok(ast) => match check::problems(&self.engine, &ast, name).into_iter().next() {
                Some(problem) => Ended::Failed(problem),
                None => {
                    self.session.views().promise_only_shown(to_show && is_one_call(&ast, &ast));
                    self.eval(&ast, name)
                }
            },
        }
    }

    /// One input at a prompt: sees and keeps variables, functions and imports. Its value will be shown and nothing else.
    pub fn line(&mut self, text: &str) -> Ended {
        let name = PROMPT;
        let ast = match self.engine.compile_with_scope(&self.scope, text) {
            Ok(ast) => ast,
            Err(error) => return Ended::Failed(Fault::of_parse(&error, name, text)),
        };
        let whole = self.imports.merge(&self.library).merge(&ast);
        self.session.views().promise_only_shown(is_one_call(&ast, &whole));
        let ended = self.eval(&whole, name);
        self.library = self.library.merge(&ast.clone_functions_only());
        if text.trim_start().starts_with("import ") && !matches!(ended, Ended::Failed(_)) {
            self.imports = self.imports.merge(&ast.clone_statements_only());
        }
        ended
    }

    fn eval(&mut self, ast: &AST, name: &str) -> Ended {
        match self.engine.eval_ast_with_scope::<Dynamic>(&mut self.scope, ast) {
            Ok(value) => Ended::Value(value),
            Err(error) => match halt(&error) {
                Some(halt) => Ended::Halted(halt),
                None => Ended::Failed(Fault::of_run(&error, name)),
            },
        }
    }
}

/// Whether a script is nothing but one call of a function that reads, with arguments that call nothing: then nobody but the user sees its value.
fn is_one_call(ast: &AST, whole: &AST) -> bool {
    let call = match ast.statements() {
        [Stmt::FnCall(call, _)] => call,
        [Stmt::Expr(expr)] => match expr.as_ref() {
            Expr::FnCall(call, _) => call,
            _ => return false,
        },
        _ => return false,
    };
    let reads = find(&call.name).is_some_and(|function| matches!(function.body, Body::Read(_)));
    reads && call.args.iter().all(Expr::is_constant) && whole.iter_functions().all(|function| function.name != call.name)
}
