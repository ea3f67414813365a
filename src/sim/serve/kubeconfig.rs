//! The kubeconfig of a served cluster, as text and as a file.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::certificates::Credentials;
use crate::error::{Error, Result, file_reason};

/// The name of cluster, user and context.
const NAME: &str = "rollsh-sim";

/// How a file begins that may be written over.
const MARK: &str = "# Written by rollsh sim; it is good for as long as that runs.\n";

/// What a client needs to know.
pub struct Access<'a> {
    pub url: &'a str,
    pub authority_pem: Option<&'a str>,
    pub credentials: Option<&'a Credentials>,
    pub token: &'a str,
}

/// The text of the kubeconfig.
pub fn text(access: &Access<'_>) -> String {
    let authority = access.authority_pem.map(|pem| format!("    certificate-authority-data: {}\n", STANDARD.encode(pem))).unwrap_or_default();
    let certificate = access.credentials.map(|it| {
        let (certificate, key) = (STANDARD.encode(&it.certificate_pem), STANDARD.encode(&it.key_pem));
        format!("    client-certificate-data: {certificate}\n    client-key-data: {key}\n")
    });
    let (url, token, certificate) = (access.url, access.token, certificate.unwrap_or_default());
    format!(
        "{MARK}apiVersion: v1
kind: Config
clusters:
- name: {NAME}
  cluster:
    server: {url}
{authority}users:
- name: {NAME}
  user:
{certificate}    token: {token}
contexts:
- name: {NAME}
  context:
    cluster: {NAME}
    namespace: default
    user: {NAME}
current-context: {NAME}
"
    )
}

/// Writes the kubeconfig for its owner alone, at once or not at all.
///
/// # Errors
/// `usage` when the file cannot be written, or when it holds something else.
pub fn write(path: &Path, text: &str) -> Result<()> {
    match fs::read(path) {
        Ok(present) if !present.is_empty() && !present.starts_with(MARK.as_bytes()) => {
            return Err(Error::usage(format!("{} holds something else and is not overwritten", path.display()))
                .hint("name another file with --write-kubeconfig, and use it with KUBECONFIG or --kubeconfig"));
        }
        _ => {}
    }
    let unwritable = |error: std::io::Error| Error::usage(format!("cannot write the kubeconfig {}: {}", path.display(), file_reason(&error)));
    let name = path.file_name().ok_or_else(|| Error::usage(format!("cannot write the kubeconfig {}: it is no file", path.display())))?;
    let part = path.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let written = (|| {
        let _ = fs::remove_file(&part);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&part, path)
    })();
    written.map_err(|error| {
        let _ = fs::remove_file(&part);
        unwritable(error)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_file_is_its_owners_and_nothing_else_is_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config");
        let text = text(&Access { url: "http://127.0.0.1:1", authority_pem: None, credentials: None, token: "t" });
        for _ in 0..2 {
            write(&file, &text).expect("written");
            assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
        fs::write(&file, "apiVersion: v1\n").expect("written");
        assert!(write(&file, &text).expect_err("another's").message().contains("holds something else"));
        assert!(write(&folder.path().join("no/config"), &text).expect_err("no folder").message().contains("no such file"));
    }
}
