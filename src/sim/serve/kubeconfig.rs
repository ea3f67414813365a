//! The kubeconfig of a served cluster, as text and as a file.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::certificates::Credentials;
use crate::error::{Error, Result, file_reason};
use crate::sim::json::{Value, json};
use crate::sim::state::write_private;

/// The name of cluster, user and context.
const NAME: &str = "rollsh-sim";

/// How a file begins that is this program's alone.
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

/// The parts of a kubeconfig that lists entries by name.
const LISTS: [&str; 3] = ["clusters", "users", "contexts"];

/// What was done to a file, and what is to be taken back at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// The file is this program's alone, and stays.
    Alone,
    /// The entries were put beside another's, whose current context this was.
    Beside { current: Option<String> },
}

/// Writes the kubeconfig for its owner alone, at once or not at all: a new file, one that this program wrote, or into a kubeconfig of somebody's.
///
/// # Errors
/// `usage` when the file cannot be written, or when it holds something else.
pub fn write(path: &Path, text: &str) -> Result<Written> {
    let unwritable = |error: std::io::Error| Error::usage(format!("cannot write the kubeconfig {}: {}", path.display(), file_reason(&error)));
    let present = match fs::read_to_string(path) {
        Ok(present) => present,
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        Err(error) if error.kind() == ErrorKind::InvalidData => return Err(something_else(path)),
        Err(error) => return Err(unwritable(error)),
    };
    if present.trim().is_empty() || present.starts_with(MARK) {
        write_private(path, text).map_err(unwritable)?;
        return Ok(Written::Alone);
    }
    let mut config = parse(&present).ok_or_else(|| something_else(path))?;
    let ours = parse(text).ok_or_else(|| Error::script("the kubeconfig is none"))?;
    let current = config["current-context"].as_str().filter(|it| !it.is_empty() && *it != NAME).map(str::to_owned);
    take_out(&mut config);
    for list in LISTS {
        if !config[list].is_array() {
            config[list] = json!([]);
        }
        if let (Some(all), Some(ours)) = (config[list].as_array_mut(), ours[list].as_array()) {
            all.edit(|all| all.extend(ours.iter().cloned()));
        }
    }
    config["current-context"] = NAME.into();
    write_private(path, &yaml(&config)?).map_err(unwritable)?;
    Ok(Written::Beside { current })
}

/// Takes the entries out of somebody's kubeconfig again, unless another cluster of this program has put its own there meanwhile.
///
/// # Errors
/// `usage` when the file cannot be written.
pub fn take_back(path: &Path, written: &Written, url: &str) -> Result<()> {
    let Written::Beside { current } = written else { return Ok(()) };
    let Some(mut config) = fs::read_to_string(path).ok().and_then(|it| parse(&it)) else { return Ok(()) };
    let ours = config["clusters"].as_array().is_some_and(|all| all.iter().any(|it| it["name"] == NAME && it["cluster"]["server"] == url));
    if !ours {
        return Ok(());
    }
    take_out(&mut config);
    if config["current-context"] == NAME {
        config["current-context"] = current.as_deref().unwrap_or_default().into();
    }
    write_private(path, &yaml(&config)?)
        .map_err(|error| Error::usage(format!("cannot take the simulated cluster out of the kubeconfig {}: {}", path.display(), file_reason(&error))))
}

fn something_else(path: &Path) -> Error {
    Error::usage(format!("{} holds something else than a kubeconfig and is not overwritten", path.display()))
        .hint("name another file with --write-kubeconfig, and use it with KUBECONFIG or --kubeconfig")
}

fn parse(text: &str) -> Option<Value> {
    let config: Value = serde_saphyr::from_str(text).ok()?;
    let are_lists = LISTS.iter().all(|list| config[*list].is_array() || config[*list].is_null());
    (config["kind"] == "Config" && are_lists).then_some(config)
}

fn yaml(config: &Value) -> Result<String> {
    serde_saphyr::to_string(config).map_err(|error| Error::script(format!("cannot write YAML: {error}")))
}

fn take_out(config: &mut Value) {
    for list in LISTS {
        if let Some(all) = config[list].as_array_mut() {
            all.edit(|all| all.retain(|it| it["name"] != NAME));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn ours(url: &str) -> String {
        text(&Access { url, authority_pem: None, credentials: None, token: "t" })
    }

    fn names(config: &Value, list: &str) -> Vec<String> {
        config[list].as_array().into_iter().flatten().filter_map(|it| it["name"].as_str().map(str::to_owned)).collect()
    }

    #[test]
    fn the_file_is_its_owners_and_what_is_no_kubeconfig_is_not_overwritten() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config");
        let text = ours("http://127.0.0.1:1");
        for _ in 0..2 {
            assert_eq!(write(&file, &text).expect("written"), Written::Alone);
            assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 1);
        for other in ["apiVersion: v1\nkind: ConfigMap\n", "hello", "kind: Config\nclusters: 7\n"] {
            fs::write(&file, other).expect("written");
            assert!(write(&file, &text).expect_err("another's").message().contains("holds something else"));
            assert_eq!(fs::read_to_string(&file).expect("there"), other);
        }
        assert!(write(&folder.path().join("no/config"), &text).expect_err("no folder").message().contains("no such file"));
    }

    #[test]
    fn into_somebodys_kubeconfig_it_goes_beside_what_is_there_and_out_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("config");
        let before = "apiVersion: v1\nkind: Config\ncurrent-context: prod\nclusters: [{name: prod, cluster: {server: 'https://prod:6443'}}]\nusers: [{name: ann, user: {token: '0123'}}]\ncontexts: [{name: prod, context: {cluster: prod, user: ann}}]\nextensions: []\n";
        fs::write(&file, before).expect("written");
        let read = || parse(&fs::read_to_string(&file).expect("there")).expect("a kubeconfig");
        let mut written = Written::Alone;
        for url in ["http://127.0.0.1:1", "http://127.0.0.1:2"] {
            let again = write(&file, &ours(url)).expect("written");
            assert!(matches!(again, Written::Beside { .. }));
            if url.ends_with('1') {
                assert_eq!(again, Written::Beside { current: Some("prod".to_owned()) });
                written = again;
            }
            let config = read();
            assert_eq!((names(&config, "clusters"), names(&config, "contexts")), (vec!["prod".into(), NAME.into()], vec!["prod".into(), NAME.into()]));
            assert_eq!((&config["current-context"], &config["clusters"][1]["cluster"]["server"]), (&json!(NAME), &json!(url)));
            assert_eq!(config["users"][0]["user"]["token"], "0123", "a text stays a text");
        }
        take_back(&file, &written, "http://127.0.0.1:1").expect("nothing to do");
        assert_eq!(names(&read(), "users"), ["ann", NAME], "another one's entries are left");
        take_back(&file, &written, "http://127.0.0.1:2").expect("written");
        assert_eq!(read(), parse(before).expect("a kubeconfig"));
        assert_eq!(fs::metadata(&file).expect("there").permissions().mode() & 0o777, 0o600);
    }
}
