//! What a script will ask of an API server, read from its text: the least Role that it can run with, and the files that it brings.
//!
//! A target that only the run knows counts as each target that the script's text or its arguments name, and where there is none, as any workload of the namespace.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rhai::{ASTNode, Engine, Expr, FnCallExpr, Stmt};

use super::check;
use super::resolve::{Beside, Standard};
use crate::error::{Error, Result, file_reason};
use crate::functions::{find, function, manifest};
use crate::resource::{CONFIG_MAP, CONTROLLER_REVISION, DAEMON_SET, DEPLOYMENT, EVENT, POD, REPLICA_SET, Resource, SECRET, STATEFUL_SET};

/// What may be done to what.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object {
    /// `None`: the namespace that the run is in.
    pub namespace: Option<String>,
    pub group: String,
    /// A plural, with its subresource: `pods/log`.
    pub resource: String,
    /// `None`: all of them.
    pub name: Option<String>,
    /// Whether the kind lives in namespaces, and the script stays in one.
    pub namespaced: bool,
}

/// What a script needs.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    pub verbs: BTreeMap<Object, BTreeSet<&'static str>>,
    /// The script's own files, by the name that it knows them by: imports and manifests.
    pub files: BTreeMap<String, PathBuf>,
    /// What the text does not tell, for a person to add.
    pub unknown: Vec<String>,
}

/// A set of requests that functions have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// The object itself, with these verbs.
    Own(&'static [&'static str]),
    /// Its scale.
    Scale,
    /// Its revisions and pods.
    Owned(&'static [&'static str]),
    /// A note on the revision that completed.
    Remember,
    Events,
    Logs,
    Pods(&'static [&'static str]),
    Config,
    /// The workloads of all kinds.
    Workloads,
    Rivals,
}

const LOOK: &[Ask] = &[Ask::Own(&["get"]), Ask::Owned(&["list"])];
const EDIT: &[Ask] = &[Ask::Own(&["get", "patch"])];
const FOLLOW: &[Ask] = &[Ask::Own(&["get", "list", "watch"]), Ask::Owned(&["list", "watch"]), Ask::Remember, Ask::Events, Ask::Logs];

/// What a function asks for; its own definition says what it takes.
fn asks(name: &str) -> &'static [Ask] {
    match name {
        "object" => &[Ask::Own(&["get"])],
        "status" | "history" | "diff" | "tree" => LOOK,
        "describe" => &[Ask::Own(&["get"]), Ask::Owned(&["list"]), Ask::Events],
        "events" => &[Ask::Own(&["get"]), Ask::Events],
        "logs" => &[Ask::Own(&["get"]), Ask::Owned(&["list"]), Ask::Pods(&["get", "list"]), Ask::Logs],
        "get_deploy" | "get_rs" | "get_pods" | "get_sts" | "get_ds" | "get_events" => LOOK,
        "set_image" | "set_env" | "set_resources" | "set_strategy" | "pause" | "resume" | "restart" | "annotate" | "label" | "patch" => EDIT,
        "scale" => &[Ask::Own(&["get"]), Ask::Scale, Ask::Rivals],
        "undo" => &[Ask::Own(&["get", "patch"]), Ask::Owned(&["list"]), Ask::Rivals],
        "checkpoint" => &[Ask::Own(&["get", "patch"]), Ask::Owned(&["list"]), Ask::Config],
        "unstick" => &[Ask::Own(&["get"]), Ask::Owned(&["list"]), Ask::Pods(&["get", "delete"])],
        "delete" => &[Ask::Own(&["get", "delete"])],
        "wait" | "watch" => FOLLOW,
        "guard" => &[Ask::Own(&["get", "list", "watch", "patch"]), Ask::Owned(&["list", "watch"]), Ask::Remember, Ask::Events, Ask::Logs],
        "for_each_workload" => &[Ask::Workloads],
        _ => &[],
    }
}

/// Reads what a script, with these arguments, needs.
///
/// # Errors
/// `usage` when it or a module of it does not parse, `not_found` for a module or manifest that is not there.
pub fn needs(engine: &Engine, folder: &Path, name: &str, text: &str, args: &[String]) -> Result<Needs> {
    let mut reader = Reader { engine, folder, needs: Needs::default(), named: Vec::new(), given: false, calls: Vec::new(), seen: BTreeSet::new() };
    for word in args {
        reader.name(word);
        reader.name(word.split_once('=').map_or("", |(_, value)| value));
    }
    reader.given = !reader.named.is_empty();
    reader.read(name, text)?;
    reader.finish()
}

/// A target by literal words: its namespace, kind and name.
type Named = (Option<String>, &'static Resource, String);

fn target(text: &str) -> Option<Named> {
    let parts: Vec<&str> = text.split('/').collect();
    let (namespace, kind, name) = match parts[..] {
        [kind, name] => (None, kind, name),
        [namespace, kind, name] => (Some(namespace.to_owned()), kind, name),
        _ => return None,
    };
    let fits = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-.".contains(c));
    Resource::known(kind).filter(|_| fits).map(|resource| (namespace, resource, name.to_owned()))
}

/// A call as far as its text tells.
struct Call {
    name: String,
    /// The text of its first argument (or receiver), or those of an array.
    first: Vec<String>,
    place: String,
    options: Vec<String>,
}

struct Reader<'a> {
    engine: &'a Engine,
    folder: &'a Path,
    needs: Needs,
    named: Vec<Named>,
    /// Whether the arguments name a target: then those are what the run knows.
    given: bool,
    calls: Vec<Call>,
    seen: BTreeSet<PathBuf>,
}

impl Reader<'_> {
    fn read(&mut self, name: &str, text: &str) -> Result<()> {
        let ast = check::parse(self.engine, name, text).map_err(|fault| fault.error)?;
        let mut imports = Vec::new();
        ast.walk(&mut |path| {
            self.node(path, name, &mut imports);
            true
        });
        for import in imports {
            self.import(&import)?;
        }
        Ok(())
    }

    /// Keeps a word that names a target.
    fn name(&mut self, word: &str) {
        if let Some(named) = target(word).filter(|named| !self.named.contains(named)) {
            self.named.push(named);
        }
    }

    fn node(&mut self, path: &[ASTNode], source: &str, imports: &mut Vec<String>) {
        match path.last() {
            Some(ASTNode::Stmt(Stmt::Import(import, _))) => imports.extend(literal(&import.0)),
            Some(ASTNode::Expr(Expr::FnCall(call, position))) | Some(ASTNode::Stmt(Stmt::FnCall(call, position))) => {
                self.call(call, None, format!("{source}:{position}"));
            }
            Some(ASTNode::Expr(Expr::MethodCall(call, position))) => {
                let receiver = path.iter().rev().nth(1).and_then(|parent| match parent {
                    ASTNode::Expr(Expr::Dot(dot, ..)) => Some(&dot.lhs),
                    _ => None,
                });
                self.call(call, receiver, format!("{source}:{position}"));
            }
            Some(ASTNode::Expr(Expr::StringConstant(text, _))) => self.name(text),
            _ => {}
        }
    }

    fn call(&mut self, call: &FnCallExpr, receiver: Option<&Expr>, place: String) {
        if find(&call.name).is_none() {
            return;
        }
        let mut arguments = receiver.into_iter().chain(&call.args);
        let options = call.args.iter().filter_map(|arg| match arg {
            Expr::Map(map, _) => Some(map.0.iter().map(|(key, _)| key.name.to_string()).collect::<Vec<_>>()),
            Expr::DynamicConstant(value, _) => value.read_lock::<rhai::Map>().map(|map| map.keys().map(ToString::to_string).collect()),
            _ => None,
        });
        let options = options.flatten().collect();
        let first = arguments.next().map(texts).unwrap_or_default();
        for word in &first {
            self.name(word);
        }
        self.calls.push(Call { name: call.name.to_string(), first, place, options });
    }

    fn import(&mut self, path: &str) -> Result<()> {
        if Standard::names().any(|name| name == path) {
            return match Standard::text(path) {
                Some(text) if self.seen.insert(PathBuf::from(path)) => self.read(path, text),
                _ => Ok(()),
            };
        }
        let file = Beside::new(self.folder).file(path)?;
        if !self.seen.insert(file.clone()) {
            return Ok(());
        }
        let text =
            std::fs::read_to_string(&file).map_err(|error| Error::not_found(format!("cannot read module {}: {}", file.display(), file_reason(&error))))?;
        let name = if path.ends_with(".rhai") { path.to_owned() } else { format!("{path}.rhai") };
        self.needs.files.insert(name, file);
        self.read(path, &text)
    }

    fn finish(mut self) -> Result<Needs> {
        for call in std::mem::take(&mut self.calls) {
            match call.name.as_str() {
                "get" => self.get(&call),
                "apply" => self.apply(&call)?,
                "use_context" | "on" => {
                    self.needs.unknown.push(format!("{}: {} leaves this cluster: another one needs a Role and a kubeconfig of its own", call.place, call.name))
                }
                "use_namespace" => self.needs.unknown.push(format!("{}: use_namespace leaves the namespace: add a Role there", call.place)),
                name => self.function(name, &call),
            }
        }
        Ok(self.needs)
    }

    fn function(&mut self, name: &str, call: &Call) {
        let asks = asks(name);
        let takes_target =
            find(name).and_then(|function| function.params.first()).is_some_and(|param| matches!(param.kind, function::Kind::Target | function::Kind::Targets));
        let all_namespaces = call.options.iter().any(|key| key == "all_namespaces");
        let literal: Vec<Named> = call.first.iter().filter_map(|word| target(word)).collect();
        let is_literal = !literal.is_empty();
        let targets: Vec<Named> = match literal {
            literal if !literal.is_empty() => literal,
            _ if takes_target && !asks.is_empty() => self.named.iter().filter(|(_, resource, _)| fits(name, resource)).cloned().collect(),
            _ => Vec::new(),
        };
        if let Some(resource) = list_of(name) {
            let namespace = targets.first().and_then(|(namespace, ..)| namespace.clone());
            self.need(namespace, resource, None, "", &["list"], all_namespaces);
            if call.first.is_empty() && targets.is_empty() {
                return;
            }
        }
        if !is_literal && takes_target && !asks.is_empty() {
            if targets.is_empty() {
                for resource in [&DEPLOYMENT, &STATEFUL_SET, &DAEMON_SET] {
                    self.asked(asks, None, resource, None, call);
                }
            }
            if !self.given {
                let names: Vec<String> = targets.iter().map(|(_, resource, name)| format!("{}/{name}", resource.singular)).collect();
                let covered = if names.is_empty() { "every workload".to_owned() } else { format!("{}, which the text names", names.join(", ")) };
                self.needs.unknown.push(format!(
                    "{}: the target of {name} is known only to the run: the Role covers {covered}; give the script's arguments after -- where they name it",
                    call.place
                ));
            }
        }
        for (namespace, resource, object) in targets {
            self.asked(asks, namespace, resource, Some(object), call);
        }
        if asks.contains(&Ask::Workloads) {
            for resource in [&DEPLOYMENT, &STATEFUL_SET, &DAEMON_SET] {
                self.need(None, resource, None, "", &["list"], all_namespaces);
            }
        }
    }

    fn asked(&mut self, asks: &[Ask], namespace: Option<String>, resource: &'static Resource, name: Option<String>, call: &Call) {
        let revisions =
            if *resource == DEPLOYMENT { Some(&REPLICA_SET) } else { (*resource == STATEFUL_SET || *resource == DAEMON_SET).then_some(&CONTROLLER_REVISION) };
        let mut need =
            |resource: &Resource, name: Option<String>, sub: &str, verbs: &[&'static str]| self.need(namespace.clone(), resource, name, sub, verbs, false);
        for ask in asks {
            match ask {
                Ask::Own(verbs) => need(resource, name.clone(), "", verbs),
                Ask::Scale => need(resource, name.clone(), "scale", &["patch"]),
                Ask::Owned(verbs) => {
                    if let Some(revisions) = revisions {
                        need(revisions, None, "", verbs);
                    }
                    need(&POD, None, "", verbs);
                }
                Ask::Remember => {
                    if let Some(revisions) = revisions {
                        need(revisions, None, "", &["patch"]);
                    }
                }
                Ask::Events => need(&EVENT, None, "", &["list"]),
                Ask::Logs => need(&POD, None, "log", &["get"]),
                Ask::Pods(verbs) => need(&POD, None, "", verbs),
                Ask::Rivals => need(&crate::resource::HORIZONTAL_POD_AUTOSCALER, None, "", &["list"]),
                Ask::Config => config(&mut need),
                Ask::Workloads => {}
            }
        }
        if call.options.iter().any(|key| key == "with_config") {
            config(&mut need);
        }
    }

    fn get(&mut self, call: &Call) {
        let all_namespaces = call.options.iter().any(|key| key == "all_namespaces");
        let Some(words) = call.first.first() else {
            self.needs.unknown.push(format!("{}: the kinds of get are known only to the run: add them", call.place));
            return;
        };
        if let Some((namespace, resource, name)) = target(words) {
            return self.need(namespace, resource, Some(name), "", &["get", "list"], false);
        }
        for kind in words.split(',') {
            match Resource::known(kind.trim()) {
                Some(resource) => self.need(None, resource, None, "", &["list"], all_namespaces),
                None => self.needs.unknown.push(format!("{}: {kind} is no kind that every cluster has: add a rule for it", call.place)),
            }
        }
    }

    fn apply(&mut self, call: &Call) -> Result<()> {
        let Some(source) = call.first.first() else {
            self.needs.unknown.push(format!("{}: what apply sends is known only to the run: add rules for it", call.place));
            return Ok(());
        };
        let manifests = if source.contains('\n') || source.contains('{') {
            manifest::parse("the given text", source)?
        } else {
            let path = self.folder.join(source);
            let path = if path.exists() { path } else { PathBuf::from(source) };
            if path.is_file() {
                self.needs.files.insert(source.clone(), path.clone());
            }
            manifest::read(&path)?
        };
        for (place, object) in manifests {
            let word = |key: &str| object["metadata"][key].as_str().map(str::to_owned);
            match Resource::of_object(&object) {
                Some(resource) => self.need(word("namespace"), resource, word("name"), "", &["get", "patch"], false),
                None => self.needs.unknown.push(format!(
                    "{place}: {} is no kind that every cluster has: add a rule for it",
                    object["kind"].as_str().unwrap_or("an object without a kind")
                )),
            }
            // A name cannot be checked before the object exists.
            if let Some(resource) = Resource::of_object(&object) {
                self.need(word("namespace"), resource, None, "", &["create"], false);
            }
        }
        if call.options.iter().any(|key| key == "prune_selector") {
            self.needs.unknown.push(format!("{}: apply with prune_selector lists and deletes: add those verbs for the kinds that it may prune", call.place));
        }
        Ok(())
    }

    fn need(&mut self, namespace: Option<String>, resource: &Resource, name: Option<String>, sub: &str, verbs: &[&'static str], everywhere: bool) {
        let plural = if sub.is_empty() { resource.plural.to_string() } else { format!("{}/{sub}", resource.plural) };
        let object = Object { namespace, group: resource.group.to_string(), resource: plural, name, namespaced: resource.namespaced && !everywhere };
        self.needs.verbs.entry(object).or_default().extend(verbs);
    }
}

fn config(need: &mut impl FnMut(&Resource, Option<String>, &str, &[&'static str])) {
    for resource in [&CONFIG_MAP, &SECRET] {
        need(resource, None, "", &["get", "list", "create", "patch"]);
    }
}

/// Whether a function could be meant for a kind when its target is not literal.
fn fits(function: &str, resource: &Resource) -> bool {
    let rolls = [&DEPLOYMENT, &STATEFUL_SET, &DAEMON_SET].contains(&resource);
    rolls || matches!(function, "object" | "describe" | "logs" | "annotate" | "label" | "patch" | "delete" | "events" | "can")
}

/// The kind that a `get_...` function lists.
fn list_of(function: &str) -> Option<&'static Resource> {
    function.strip_prefix("get_").and_then(Resource::known)
}

/// The texts of an argument: of a literal, a handle, or an array of them.
fn texts(argument: &Expr) -> Vec<String> {
    match argument {
        Expr::FnCall(handle, _) if matches!(handle.name.as_str(), "deploy" | "sts" | "ds") => {
            let words: Vec<String> = handle.args.iter().filter_map(literal).collect();
            match (&words[..], handle.args.len()) {
                ([name], 1) => vec![format!("{}/{name}", handle.name)],
                ([name, namespace], 2) => vec![format!("{namespace}/{}/{name}", handle.name)],
                _ => Vec::new(),
            }
        }
        Expr::Array(items, _) => items.iter().flat_map(texts).collect(),
        Expr::DynamicConstant(value, _) if value.is_array() => {
            value.read_lock::<rhai::Array>().map(|items| items.iter().filter_map(|item| item.clone().into_string().ok()).collect()).unwrap_or_default()
        }
        other => literal(other).into_iter().collect(),
    }
}

fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::StringConstant(text, _) => Some(text.to_string()),
        Expr::DynamicConstant(value, _) => value.clone().into_string().ok(),
        _ => None,
    }
}
