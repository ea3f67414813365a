//! The floors hold: a module imports only from lower floors, and neighbours on a floor do not know each other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// As the map in `src/lib.rs` draws them, lowest first. On one floor modules do not know each other, but for the bottom, where they may.
const FLOORS: &[&[&str]] = &[
    &["error", "clock", "resource", "proxy"],
    &["rollout", "sim"],
    &["cluster", "journal", "render", "probe"],
    &["session"],
    &["functions"],
    &["script"],
    &["repl"],
    &["cli"],
];

fn floor_of(module: &str) -> usize {
    FLOORS.iter().position(|floor| floor.contains(&module)).unwrap_or_else(|| panic!("module {module} is on no floor: put it on the map"))
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// Every module of the crate that a source names, in `use` and in paths, with the line; comments and strings aside.
fn named(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        let mut rest = code;
        while let Some(at) = rest.find("crate::") {
            rest = &rest[at + "crate::".len()..];
            if let Some(group) = rest.strip_prefix('{') {
                let names = group.split('}').next().unwrap_or_default();
                found.extend(names.split(',').map(|name| (number + 1, name.trim().split("::").next().unwrap_or_default().to_owned())));
            } else {
                let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                found.push((number + 1, name));
            }
        }
    }
    found.retain(|(_, name)| !name.is_empty());
    found
}

#[test]
fn a_module_imports_only_from_lower_floors() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut reached: BTreeMap<String, usize> = BTreeMap::new();
    let mut broken = Vec::new();
    for file in &files {
        let relative = file.strip_prefix(&root).expect("below src");
        let first = relative.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
        let module = first.trim_end_matches(".rs").to_owned();
        if module == "main" || module == "lib" {
            continue;
        }
        for (line, name) in named(&fs::read_to_string(file).expect("readable")) {
            if name == module {
                continue;
            }
            *reached.entry(name.clone()).or_default() += 1;
            let (from, to) = (floor_of(&module), floor_of(&name));
            let allowed = to < from || from == 0 && to == 0;
            if !allowed {
                broken.push(format!("{}:{line}: {module} (floor {from}) reaches for {name} (floor {to})", relative.display()));
            }
        }
    }
    assert!(reached.get("error").is_some_and(|count| *count > 20), "the scan found no imports: it does not see the code any more");
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn the_scan_sees_groups_paths_and_no_comments() {
    let text = "use crate::{error, sim::World};\nlet x = crate::cli::main(); // crate::repl\nuse crate::render::table;";
    let names: Vec<String> = named(text).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["error", "sim", "cli", "render"]);
}

#[test]
fn the_map_names_every_module() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).expect("readable");
    let map: String = lib.lines().filter(|line| line.starts_with("//!")).collect();
    for module in FLOORS.iter().flat_map(|floor| floor.iter()) {
        let declared = lib.contains(&format!("pub mod {module};"));
        assert!(!declared || map.contains(&format!("`{module}`")), "{module} is not on the map of src/lib.rs");
    }
}
