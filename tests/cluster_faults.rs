//! What a person is told when a kubeconfig does not fit to a real API server, whose own `ROLLSH_TEST_KUBECONFIG` names.
//!
//! Without it these tests say that they are skipped.

use std::path::PathBuf;

use rollsh::clock::Clock;
use rollsh::cluster::{Cluster, Connection};
use rollsh::error::ErrorKind;
use rollsh::resource::{Resource, Target};

/// The flags for the real cluster, or `None` when there is none.
#[expect(clippy::disallowed_macros, reason = "a skipped test must say so where a person reads it")]
fn connection(test: &str) -> Option<Connection> {
    let Some(path) = std::env::var_os("ROLLSH_TEST_KUBECONFIG") else {
        eprintln!("skipped: {test} needs a real API server; set ROLLSH_TEST_KUBECONFIG");
        return None;
    };
    Some(Connection { kubeconfig: Some(PathBuf::from(path)), ..Connection::default() })
}

fn known(name: &str) -> &'static Resource {
    Resource::known(name).expect("a known kind")
}

/// The kubeconfig of the tests with something replaced.
fn altered(change: impl Fn(String) -> String) -> Option<(tempfile::TempDir, Connection)> {
    let path = connection("a kubeconfig with a fault in it")?.kubeconfig?;
    let text = std::fs::read_to_string(path).expect("the kubeconfig of the tests");
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("config");
    std::fs::write(&file, change(text)).expect("a file");
    Some((dir, Connection { kubeconfig: Some(file), ..Connection::default() }))
}

fn replace_value(text: &str, key: &str, value: &str) -> String {
    let lines = text.lines().map(|line| match line.trim_start().strip_prefix(key) {
        Some(rest) if rest.starts_with(':') => format!("{}{key}: {value}", &line[..line.len() - line.trim_start().len()]),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

async fn fails_with(connection: &Connection, kind: ErrorKind, words: &str) {
    let cluster = Cluster::configured(connection, Clock::wall()).expect("it is read without a request");
    let error = cluster.get(&Target::new(known("ns"), None, "default")).await.expect_err("it cannot work");
    assert_eq!(error.kind(), kind, "{error}");
    assert!(error.message().contains(words), "{words:?} is not in {error}");
    assert!(!error.hints().is_empty(), "{error} has no hint");
}

#[tokio::test]
async fn a_wrong_name_in_the_certificate_is_named() {
    let Some((_dir, connection)) = altered(|text| text.replace("    server:", "    tls-server-name: wrong.example\n    server:")) else { return };
    fails_with(&connection, ErrorKind::Unreachable, "is not for this name, but for ").await;
}

#[tokio::test]
async fn a_foreign_authority_is_named() {
    // Any self-signed certificate that did not sign the server's will do.
    const FOREIGN: &str = concat!(
        "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUJmRENDQVNHZ0F3SUJBZ0lVVSt2V01aZEExOEl2Z2lFRkwwYVAwZUxkWXpFd0NnWUlLb1pJemowRUF3",
        "SXcKRWpFUU1BNEdBMVVFQXd3SFptOXlaV2xuYmpBZ0Z3MHlOakV4TWpNeE56RTFNakJhR0E4eU1UQXdNVEF5TmpFMwpNVFV5TUZvd0VqRVFNQTRHQTFVRUF3",
        "d0habTl5WldsbmJqQlpNQk1HQnlxR1NNNDlBZ0VHQ0NxR1NNNDlBd0VICkEwSUFCRzA2UW9EVlpCNnUxMHdhY2tzcnhBZWs4MkFib0k2YjdaQ002L1FQMzlp",
        "OWVXNDZPNVdJcFdpWlVBRm8KaFNpWXpPTlZTSVpUYTZZYk5DMHc5ZlUwOCsyalV6QlJNQjBHQTFVZERnUVdCQlFYWVUrRmtWazhVdHQ0MHhiVQpLRUdVUVdu",
        "UFl6QWZCZ05WSFNNRUdEQVdnQlFYWVUrRmtWazhVdHQ0MHhiVUtFR1VRV25QWXpBUEJnTlZIUk1CCkFmOEVCVEFEQVFIL01Bb0dDQ3FHU000OUJBTUNBMGtB",
        "TUVZQ0lRRExDY1MzemtERHNkbUhWNW9ReWwxMFU2RUsKbHlZRUIzLzRaVks5SUlxYUJnSWhBSnJnTjBBOTlFbE93NmU0dHpNRE5aSmp3NCt6ZXFGbk5CeHQ5",
        "dnpsSTQ3YgotLS0tLUVORCBDRVJUSUZJQ0FURS0tLS0tCg==",
    );
    let Some((_dir, connection)) = altered(|text| replace_value(&text, "certificate-authority-data", FOREIGN)) else { return };
    fails_with(&connection, ErrorKind::Unreachable, "is signed by an authority that is not trusted").await;
}

#[tokio::test]
async fn a_refused_connection_names_server_and_file() {
    let Some((_dir, connection)) = altered(|text| replace_value(&text, "server", "https://127.0.0.1:1")) else { return };
    fails_with(&connection, ErrorKind::Unreachable, "the API server https://127.0.0.1:1 (context ").await;
}

#[tokio::test]
async fn a_wrong_token_is_unauthorized() {
    let Some((_dir, connection)) = altered(|text| {
        let lines = text.lines().filter(|line| !line.contains("client-key-data"));
        let lines = lines.map(|line| if line.contains("client-certificate-data") { "    token: wrong" } else { line });
        lines.collect::<Vec<_>>().join("\n")
    }) else {
        return;
    };
    fails_with(&connection, ErrorKind::Unauthorized, "does not accept the credentials of user").await;
}
