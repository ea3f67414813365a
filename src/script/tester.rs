//! `rollsh test`: every `fn test_*()` of every `*_test.rhai`, each in a fresh simulated cluster on a virtual clock.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rhai::{Dynamic, Map, Scope};
use serde_json::Value;

use super::engine::{arguments, arguments_of};
use super::fault::Fault;
use super::run::{Ended, Host};
use super::{check, many};
use crate::error::{Error, Result, file_reason};
use crate::functions::value::halt;
use crate::render::screen::{Screen, captured_text};
use crate::session::{Halt, Interrupts, Policy, RanScript, Session, Settings};
use crate::sim::Options;

/// What to run, and how.
#[derive(Clone)]
pub struct Plan {
    /// Files and folders.
    pub paths: Vec<PathBuf>,
    /// Only tests whose file or name contains this.
    pub filter: Option<String>,
    /// How many at a time.
    pub jobs: usize,
    /// What each fresh cluster starts with.
    pub options: Options,
    pub interrupts: Interrupts,
}

/// One test and what came of it.
#[derive(Clone, Debug)]
pub struct Tested {
    pub file: PathBuf,
    pub name: String,
    /// `None`: passed; else why not, as it is shown.
    pub failure: Option<String>,
    /// What it printed: results, then all else.
    pub stdout: String,
    pub stderr: String,
    /// How much simulated time passed.
    pub simulated_s: f64,
}

/// A test file that was read.
struct File {
    path: PathBuf,
    text: String,
}

/// Runs all tests of a plan; results come in the order of files and tests, whatever the order in which they ran.
///
/// # Errors
/// `usage` when a path cannot be read or a file does not check: then nothing runs.
pub fn test(plan: &Plan) -> Result<Vec<Tested>> {
    let mut tests: Vec<(Arc<File>, String)> = Vec::new();
    for path in files(&plan.paths)? {
        let text = std::fs::read_to_string(&path).map_err(|error| Error::usage(format!("cannot read {}: {}", path.display(), file_reason(&error))))?;
        let file = Arc::new(File { path, text });
        for name in names(&file)? {
            let full = format!("{} {name}", file.path.display());
            if plan.filter.as_ref().is_none_or(|filter| full.contains(filter.as_str())) {
                tests.push((file.clone(), name));
            }
        }
    }
    many::each(&tests, plan.jobs, &plan.interrupts, |(file, name)| one(plan, file, name))
}

/// The test files below the paths, in the order of their names.
fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            below(path, &mut found)?;
        } else if path.is_file() {
            found.push(path.clone());
        } else {
            return Err(Error::usage(format!("cannot read {}: no such file or directory", path.display())));
        }
    }
    found.dedup();
    Ok(found)
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let unreadable = |error: std::io::Error| Error::usage(format!("cannot read {}: {}", folder.display(), file_reason(&error)));
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).map_err(unreadable)?.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    entries.sort();
    for entry in entries {
        let name = entry.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if entry.is_dir() && !entry.is_symlink() && !name.starts_with('.') && name != "target" {
            below(&entry, found)?;
        } else if name.ends_with("_test.rhai") {
            found.push(entry);
        }
    }
    Ok(())
}

/// The tests of a file, in its order.
fn names(file: &File) -> Result<Vec<String>> {
    let session = Session::simulated(Options::empty(), Settings::default(), Policy::default(), Screen::captured().0, Interrupts::default())?;
    let host = Host::new(&session, folder_of(&file.path).as_deref(), &Map::new());
    let name = file.path.display().to_string();
    let failed = |fault: &Fault| {
        let place = fault.position.map_or(String::new(), |(line, column)| format!(":{line}:{column}"));
        fault.error.hints().iter().fold(Error::usage(format!("{name}{place}: {}", fault.error.message())), |error, hint| error.hint(hint))
    };
    let ast = check::parse(host.engine(), &name, &file.text).map_err(|fault| failed(&fault))?;
    if let Some(problem) = check::problems(host.engine(), &ast, &name).first() {
        return Err(failed(problem));
    }
    let mut tests: Vec<String> = ast
        .iter_functions()
        .filter(|function| function.name.starts_with("test_") && function.params.is_empty())
        .map(|function| function.name.to_owned())
        .collect();
    let place = |test: &String| file.text.find(&format!("fn {test}")).unwrap_or(usize::MAX);
    tests.sort_by_key(place);
    Ok(tests)
}

fn one(plan: &Plan, file: &File, name: &str) -> Tested {
    let (screen, out, err) = Screen::captured();
    let mut tested = Tested { file: file.path.clone(), name: name.to_owned(), failure: None, stdout: String::new(), stderr: String::new(), simulated_s: 0.0 };
    // A test may do all: what it runs on is its own.
    let policy = Policy { all: true, yes: true, ..Policy::default() };
    match Session::simulated(plan.options.clone(), Settings::default(), policy, screen, plan.interrupts.clone()) {
        Ok(session) => {
            let started = session.clock().now();
            let folder = folder_of(&file.path);
            session.set_runner(runner(folder.clone()));
            tested.failure = call(&session, folder.as_deref(), file, name);
            tested.simulated_s = session.clock().now().duration_since(started).as_secs_f64();
        }
        Err(error) => tested.failure = Some(error.message().to_owned()),
    }
    (tested.stdout, tested.stderr) = (captured_text(&out), captured_text(&err));
    tested
}

fn call(session: &Session, folder: Option<&Path>, file: &File, test: &str) -> Option<String> {
    let host = Host::new(session, folder, &arguments(&[]));
    let source = file.path.display().to_string();
    let shown = |fault: &Fault| fault.text(&file.text).words();
    let ast = match check::parse(host.engine(), &source, &file.text) {
        Ok(ast) => ast,
        Err(fault) => return Some(shown(&fault)),
    };
    match host.engine().call_fn::<Dynamic>(&mut Scope::new(), &ast, test, ()) {
        Ok(_) => None,
        Err(thrown) => match halt(&thrown) {
            Some(Halt::Exit(0)) => None,
            Some(Halt::Exit(code)) => Some(format!("the test ended itself with exit({code})")),
            Some(_) => Some("interrupted".to_owned()),
            None => Some(shown(&Fault::of_run(&thrown, &source))),
        },
    }
}

/// Runs a script on the session's cluster as `rollsh run` would, its output captured.
fn runner(folder: Option<PathBuf>) -> crate::session::Runner {
    Arc::new(move |session, file, args| {
        let beside = folder.as_ref().map(|folder| folder.join(file)).filter(|path| path.is_file());
        let path = beside.unwrap_or_else(|| PathBuf::from(file));
        let text = std::fs::read_to_string(&path).map_err(|error| Error::not_found(format!("cannot read {}: {}", path.display(), file_reason(&error))))?;
        let (screen, out, err) = Screen::captured();
        let inner = session.beside(Settings::default(), Policy { all: true, yes: true, ..Policy::default() }, screen);
        let ended = Host::new(&inner, folder_of(&path).as_deref(), &script_arguments(args)?).run(file, &text);
        if let Ended::Failed(fault) = &ended {
            inner.screen().warn(&fault.text(&text));
        }
        Ok(RanScript { exit_code: ended.exit_code(), stdout: captured_text(&out), stderr: captured_text(&err) })
    })
}

fn script_arguments(given: &Value) -> Result<Map> {
    match given {
        Value::Null => Ok(arguments(&[])),
        Value::Object(_) => {
            let mut args = arguments(&[]);
            args.extend(arguments_of(given));
            Ok(args)
        }
        Value::Array(words) => {
            let words: Vec<String> = words.iter().map(|word| word.as_str().map_or_else(|| word.to_string(), str::to_owned)).collect();
            Ok(arguments(&words))
        }
        _ => Err(Error::usage("the arguments of run must be an array of words or a map")),
    }
}

fn folder_of(file: &Path) -> Option<PathBuf> {
    file.parent().map(|folder| if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() })
}

/// The results as JUnit's XML, which every CI server reads.
pub fn junit(results: &[Tested]) -> String {
    let failures = results.iter().filter(|tested| tested.failure.is_some()).count();
    let mut xml = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{}\" failures=\"{failures}\">\n", results.len());
    let mut rest = results;
    while let Some(first) = rest.first() {
        let count = rest.iter().take_while(|tested| tested.file == first.file).count();
        let (suite, more) = rest.split_at(count);
        rest = more;
        let failed = suite.iter().filter(|tested| tested.failure.is_some()).count();
        let name = escaped(&first.file.display().to_string());
        let _ = writeln!(xml, "  <testsuite name=\"{name}\" tests=\"{count}\" failures=\"{failed}\">");
        for tested in suite {
            let _ = write!(xml, "    <testcase classname=\"{name}\" name=\"{}\" time=\"{:.3}\">", escaped(&tested.name), tested.simulated_s);
            if let Some(failure) = &tested.failure {
                let first = failure.lines().next().unwrap_or_default();
                let _ = write!(xml, "<failure message=\"{}\">{}</failure>", escaped(first), escaped(failure));
            }
            for (tag, text) in [("system-out", &tested.stdout), ("system-err", &tested.stderr)] {
                if !text.is_empty() {
                    let _ = write!(xml, "<{tag}>{}</{tag}>", escaped(text));
                }
            }
            xml.push_str("</testcase>\n");
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// Text for XML and HTML; what XML 1.0 cannot carry at all becomes a replacement character.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
