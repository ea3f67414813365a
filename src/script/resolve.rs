//! Modules: the standard library inside the program (`import "std/canary"`), and those beside the script: `import "lib/checks"` reads `lib/checks.rhai` in the script's folder, and nothing outside of it.
//!
//! Rhai's own file resolver is not confined: it follows `..`, absolute paths and symbolic links anywhere.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rhai::{Engine, EvalAltResult, Module, ModuleResolver, Position, Scope, Shared};

use crate::error::{Error, file_reason};

/// The modules that ship inside the program.
const STANDARD: &[(&str, &str)] = &[("std/arguments", include_str!("../../stdlib/arguments.rhai")), ("std/canary", include_str!("../../stdlib/canary.rhai"))];

/// Resolves modules of the standard library.
#[derive(Default)]
pub struct Standard {
    loaded: Mutex<BTreeMap<String, Shared<Module>>>,
}

impl Standard {
    pub fn names() -> impl Iterator<Item = &'static str> {
        STANDARD.iter().map(|(name, _)| *name)
    }

    /// The source of a module.
    pub fn text(name: &str) -> Option<&'static str> {
        STANDARD.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
    }
}

impl ModuleResolver for Standard {
    fn resolve(&self, engine: &Engine, _source: Option<&str>, path: &str, position: Position) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let name = path.strip_suffix(".rhai").unwrap_or(path);
        let Some((name, text)) = STANDARD.iter().find(|(known, _)| *known == name) else {
            if name.starts_with("std/") {
                let names = Self::names().collect::<Vec<_>>().join(", ");
                return Err(Error::not_found(format!("no module {path:?} in the standard library")).hint(format!("its modules: {names}")).into());
            }
            // The next resolver is asked.
            return Err(EvalAltResult::ErrorModuleNotFound(path.to_owned(), position).into());
        };
        if let Some(module) = self.loaded.lock().unwrap_or_else(PoisonError::into_inner).get(*name) {
            return Ok(module.clone());
        }
        let mut ast = engine.compile(text).map_err(|error| Error::usage(format!("module {path:?} does not parse: {error}")))?;
        ast.set_source(*name);
        let module: Shared<Module> = Module::eval_ast_as_new(Scope::new(), &ast, engine)?.into();
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).insert((*name).to_owned(), module.clone());
        Ok(module)
    }
}

/// Resolves modules below one folder.
pub struct Beside {
    folder: PathBuf,
    loaded: Mutex<BTreeMap<PathBuf, Shared<Module>>>,
}

impl Beside {
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), loaded: Mutex::default() }
    }

    /// The file of a module's name.
    ///
    /// # Errors
    /// `not_found`, and `denied` for a path that leads out of the folder.
    pub fn file(&self, path: &str) -> Result<PathBuf, Error> {
        let relative = Path::new(path);
        let inside = relative.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let outside = || Error::denied(format!("module {path:?} is outside of the script's folder")).hint("put it beside the script, or below");
        if !inside {
            return Err(outside());
        }
        let mut file = self.folder.join(relative);
        if file.extension().is_none_or(|ending| ending != "rhai") {
            file.as_mut_os_string().push(".rhai");
        }
        let real = file.canonicalize().map_err(|_| Error::not_found(format!("no module {path:?}: there is no {}", file.display())))?;
        let folder = self.folder.canonicalize().unwrap_or_else(|_| self.folder.clone());
        if real.starts_with(&folder) { Ok(real) } else { Err(outside()) }
    }
}

impl ModuleResolver for Beside {
    fn resolve(&self, engine: &Engine, _source: Option<&str>, path: &str, _position: Position) -> Result<Shared<Module>, Box<EvalAltResult>> {
        let file = self.file(path)?;
        if let Some(module) = self.loaded.lock().unwrap_or_else(PoisonError::into_inner).get(&file) {
            return Ok(module.clone());
        }
        let text =
            std::fs::read_to_string(&file).map_err(|error| Error::not_found(format!("cannot read module {}: {}", file.display(), file_reason(&error))))?;
        let mut ast = engine.compile(&text).map_err(|error| Error::usage(format!("module {path:?} does not parse: {error}")))?;
        ast.set_source(path);
        let module: Shared<Module> = Module::eval_ast_as_new(Scope::new(), &ast, engine)?.into();
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).insert(file, module.clone());
        Ok(module)
    }
}
