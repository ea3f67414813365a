//! Completion and hints: functions, options and kinds from what is known without a request, objects from the cluster.

use std::collections::BTreeSet;

use super::place::{Place, word_before};
use crate::functions::function::Kind;
use crate::functions::{self, find};
use crate::resource::Resource;
use crate::script::check;

/// Keywords of the language that one starts a statement with.
const KEYWORDS: &[&str] =
    &["let", "const", "if", "else", "for", "in", "while", "loop", "fn", "return", "throw", "try", "catch", "import", "switch", "true", "false"];

/// What there is to name; empty where that is not known soon.
pub trait Around {
    /// The objects of a kind, in a namespace or in the session's own.
    fn objects(&self, kind: &str, namespace: Option<&str>) -> Vec<String>;
    fn contexts(&self) -> Vec<String>;
}

pub struct Names {
    functions: BTreeSet<String>,
    variables: Vec<String>,
}

impl Names {
    pub fn of(engine: &rhai::Engine) -> Self {
        Self { functions: check::names(engine), variables: Vec::new() }
    }

    pub fn set_variables(&mut self, names: impl Iterator<Item = String>) {
        self.variables = names.collect();
    }

    /// Where the word before the cursor starts, and what it can become: our functions first, since they are what one is here for.
    pub fn complete(&self, line: &str, pos: usize, around: &impl Around) -> (usize, Vec<String>) {
        let place = Place::at_end(&line[..pos]);
        if let Some(text) = place.string {
            let (length, found) = in_string(&place, text, around);
            return (pos - length, found);
        }
        let (start, word) = word_before(line, pos);
        if let Some(call) = place.call.filter(|_| place.before_key) {
            let options = call.options.iter().map(|option| option.name).filter(|name| name.starts_with(word));
            return (start, options.map(|name| format!("{name}: ")).collect());
        }
        let method = line[..start].ends_with('.');
        if word.is_empty() {
            // After a point stands what can be done with a target.
            let targets = functions::all().filter(|function| method && function.params.first().is_some_and(|first| first.kind == Kind::Target));
            return (pos, targets.map(|function| format!("{}(", function.name)).collect());
        }
        let ours = functions::all().map(|function| function.name).filter(|name| name.starts_with(word));
        let mut found: Vec<String> = ours.map(|name| format!("{name}(")).collect();
        if !method {
            found.extend(self.variables.iter().filter(|name| name.starts_with(word)).cloned());
            found.extend(KEYWORDS.iter().filter(|name| name.starts_with(word)).map(|name| (*name).to_owned()));
        }
        if found.is_empty() {
            found.extend(self.functions.iter().filter(|name| name.starts_with(word)).map(|name| format!("{name}(")));
        }
        found.dedup();
        (start, found)
    }

    /// The parameters of the function that was just opened.
    pub fn hint(&self, line: &str, pos: usize) -> Option<String> {
        if pos < line.len() {
            return None;
        }
        let name = line.strip_suffix('(')?;
        let (_, word) = word_before(name, name.len());
        let function = find(word)?;
        let signature = function.signature();
        signature.get(word.len() + 1..).map(str::to_owned)
    }
}

/// The kinds that targets mostly are.
const KINDS: &[&str] = &["deploy", "sts", "ds", "rs", "pod"];

/// What the string before the cursor can become, and how much of its end that takes the place of.
fn in_string(place: &Place, text: &str, around: &impl Around) -> (usize, Vec<String>) {
    let names = |word: &str, names: Vec<String>| (word.len(), names.into_iter().filter(|name| name.starts_with(word)).collect());
    if place.key == Some("namespace") {
        return names(text, around.objects("namespaces", None));
    }
    let (Some(call), Some(param)) = (place.call, place.param()) else { return (0, Vec::new()) };
    match (call.name, param.name, param.kind) {
        (_, _, Kind::Target | Kind::Targets) => target(text, around),
        (_, "kinds", _) => {
            let word = text.rsplit(',').next().unwrap_or(text);
            if word.contains('/') { target(word, around) } else { names(word, Resource::common().map(|it| it.plural.to_string()).collect()) }
        }
        ("deploy" | "sts" | "ds", "name", _) => names(text, around.objects(call.name, None)),
        ("use_namespace", ..) | (_, "namespace", _) => names(text, around.objects("namespaces", None)),
        ("use_context", ..) => names(text, around.contexts()),
        _ => (0, Vec::new()),
    }
}

/// `kind/name` or `namespace/kind/name`, as far as it is written.
fn target(text: &str, around: &impl Around) -> (usize, Vec<String>) {
    let kinds = |word: &str| -> Vec<String> {
        let mostly = KINDS.iter().map(|kind| (*kind).to_owned());
        let others = Resource::common().flat_map(|it| [it.singular.to_string(), it.plural.to_string()]).filter(|_| !word.is_empty());
        let mut found: Vec<String> = mostly.chain(others).filter(|kind| kind.starts_with(word)).map(|kind| format!("{kind}/")).collect();
        let mut seen = BTreeSet::new();
        found.retain(|kind| seen.insert(kind.clone()));
        found
    };
    let objects = |kind: &str, namespace: Option<&str>, word: &str| -> Vec<String> {
        around.objects(kind, namespace).into_iter().filter(|name| name.starts_with(word)).collect()
    };
    match text.split('/').collect::<Vec<_>>().as_slice() {
        [word] => (word.len(), kinds(word)),
        [kind, word] if Resource::known(kind).is_some() => (word.len(), objects(kind, None, word)),
        // A kind that only this cluster has, or a namespace.
        [first, word] => {
            let found = objects(first, None, word);
            (word.len(), if found.is_empty() { kinds(word) } else { found })
        }
        [namespace, kind, word] => (word.len(), objects(kind, Some(namespace), word)),
        _ => (0, Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        let mut names = Names { functions: BTreeSet::from(["to_upper".to_owned()]), variables: Vec::new() };
        names.set_variables(["webby".to_owned()].into_iter());
        names
    }

    struct Shop;

    impl Around for Shop {
        fn objects(&self, kind: &str, namespace: Option<&str>) -> Vec<String> {
            let names: &[&str] = match (kind, namespace) {
                ("deploy" | "deployment", None | Some("shop")) => &["api", "web", "worker"],
                ("namespaces", None) => &["default", "shop"],
                ("widgets", None) => &["one"],
                _ => &[],
            };
            names.iter().map(|name| (*name).to_owned()).collect()
        }

        fn contexts(&self) -> Vec<String> {
            vec!["prod".to_owned()]
        }
    }

    fn completed(line: &str) -> (usize, Vec<String>) {
        names().complete(line, line.len(), &Shop)
    }

    fn whole(line: &str) -> Vec<String> {
        let (start, found) = completed(line);
        found.iter().map(|it| format!("{}{it}", &line[..start])).collect()
    }

    #[test]
    fn functions_come_first_and_no_function_is_completed_inside_a_string() {
        assert_eq!(completed("get_r"), (0, vec!["get_rs(".to_owned()]));
        assert_eq!(completed("x.und"), (2, vec!["undo(".to_owned()]));
        assert_eq!(completed("web"), (0, vec!["webby".to_owned()]));
        assert_eq!(completed("to_u"), (0, vec!["to_upper(".to_owned()]));
        assert_eq!(completed("undo(\"get_r").1, Vec::<String>::new());
        assert_eq!(completed("print(\"st").1, Vec::<String>::new());
    }

    #[test]
    fn a_target_is_completed_part_by_part() {
        assert_eq!(whole("undo(\"st"), ["undo(\"sts/", "undo(\"statefulset/", "undo(\"statefulsets/"]);
        assert_eq!(whole("wait([\"ds/agent\", \"deploy/w"), ["wait([\"ds/agent\", \"deploy/web", "wait([\"ds/agent\", \"deploy/worker"]);
        assert_eq!(whole("undo(\"shop/deploy/a"), ["undo(\"shop/deploy/api"]);
        assert_eq!(whole("undo(\"shop/st")[0], "undo(\"shop/sts/");
        assert_eq!(whole("describe(\"widgets/"), ["describe(\"widgets/one"]);
        assert_eq!(completed("undo(\"").1, ["deploy/", "sts/", "ds/", "rs/", "pod/"]);
        let (start, methods) = completed("w.");
        assert!(start == 2 && methods.contains(&"undo(".to_owned()) && !methods.contains(&"print(".to_owned()), "{methods:?}");
    }

    #[test]
    fn kinds_namespaces_contexts_handles_and_options_are_completed_where_they_stand() {
        assert_eq!(whole("get(\"deploy/web,po"), ["get(\"deploy/web,pods", "get(\"deploy/web,poddisruptionbudgets"]);
        assert_eq!(whole("use_namespace(\"sh"), ["use_namespace(\"shop"]);
        assert_eq!(whole("get(\"pods\", #{namespace: \"de"), ["get(\"pods\", #{namespace: \"default"]);
        assert_eq!(whole("use_context(\""), ["use_context(\"prod"]);
        assert_eq!(whole("let w = deploy(\"we"), ["let w = deploy(\"web"]);
        assert_eq!(whole("wait(\"deploy/web\", #{ti"), ["wait(\"deploy/web\", #{timeout: "]);
    }

    #[test]
    fn an_opened_function_shows_its_parameters() {
        assert_eq!(names().hint("undo(", 5).as_deref(), Some("target, [revision], [options])"));
        assert_eq!(names().hint("nope(", 5), None);
    }
}
