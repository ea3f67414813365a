//! Manifests from files, directories and text, each with the words for where it stands.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Error, Result, file_reason};
use crate::render::data;

/// An object and its place: `web.yaml, document 2`.
pub type Manifest = (String, Value);

/// The manifests of a file, or of the .yaml, .yml and .json files of a directory in the order of their names.
///
/// # Errors
/// `not_found` for what cannot be read, `invalid` for what is no object.
pub fn read(path: &Path) -> Result<Vec<Manifest>> {
    let mut manifests = Vec::new();
    for (place, text) in texts(path)? {
        manifests.extend(parse(&place, &text)?);
    }
    Ok(manifests)
}

/// The texts of a file, or of the .yaml, .yml and .json files of a directory in the order of their names, each with its place.
///
/// # Errors
/// `not_found` for what cannot be read.
pub fn texts(path: &Path) -> Result<Vec<(String, String)>> {
    let read = |file: PathBuf| match std::fs::read_to_string(&file) {
        Ok(text) => Ok((file.display().to_string(), text)),
        Err(error) => Err(unreadable(&file, &error)),
    };
    files(path)?.into_iter().map(read).collect()
}

/// The manifests of a text; the items of a List count one by one.
pub fn parse(place: &str, text: &str) -> Result<Vec<Manifest>> {
    let documents = data::parse_yaml(text).map_err(|error| Error::invalid(format!("{place}: {}", error.message())))?;
    let several = documents.len() > 1;
    let mut manifests = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        let place = if several { format!("{place}, document {}", index + 1) } else { place.to_owned() };
        if !document.is_object() {
            return Err(Error::invalid(format!("{place} is not an object")).hint("a manifest has apiVersion, kind and metadata"));
        }
        match document["items"].as_array().filter(|_| document["kind"].as_str().is_some_and(|kind| kind.ends_with("List"))) {
            Some(items) => manifests.extend(items.iter().enumerate().map(|(index, item)| (format!("{place}, item {}", index + 1), item.clone()))),
            None => manifests.push((place, document)),
        }
    }
    Ok(manifests)
}

fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(|error| unreadable(path, &error))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    let is_manifest = |file: &PathBuf| file.extension().is_some_and(|ending| ["yaml", "yml", "json"].iter().any(|known| ending.eq_ignore_ascii_case(known)));
    files.retain(|file| is_manifest(file) && file.is_file());
    files.sort();
    Ok(files)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::not_found(format!("cannot read {}: {}", path.display(), file_reason(error))).fact("path", path.display().to_string())
}
