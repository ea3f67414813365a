//! Faults between us and a real API server, whose kubeconfig `ROLLSH_TEST_KUBECONFIG` names: settings that do not fit, and cables that are pulled.
//!
//! Without it these tests say that they are skipped.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use rollsh::clock::Clock;
use rollsh::cluster::read::Selection;
use rollsh::cluster::watch::Event;
use rollsh::cluster::{Cluster, Connection};
use rollsh::error::ErrorKind;
use rollsh::resource::{Resource, Target};
use rollsh::rollout::change::{Change, Request};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

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

#[tokio::test]
async fn a_probe_takes_a_foreign_certificate_only_when_told_to() {
    let Some(connection) = connection("a_probe_takes_a_foreign_certificate_only_when_told_to") else { return };
    let cluster = Cluster::configured(&connection, Clock::wall()).expect("the kubeconfig of the tests is right");
    let mut request = rollsh::probe::Request::get(format!("{}/livez", cluster.server()));
    let error = rollsh::probe::http(request.clone()).await.expect_err("the system does not know this authority");
    assert_eq!(error.kind(), ErrorKind::Unreachable);
    assert!(error.message().contains("its certificate is not accepted"), "{error}");
    request.insecure = true;
    assert!(rollsh::probe::http(request).await.expect("an answer").status < 500);
}

/// A cable between us and the API server that can be pulled, on an address of its own.
struct Cable {
    address: std::net::SocketAddr,
    server: String,
    pulled: CancellationToken,
}

impl Cable {
    /// Lays a cable to the server of the tests. One that is `mute` carries requests and loses the answers once the connection is made.
    async fn lay(connection: &Connection, address: &str, mute: Arc<AtomicBool>) -> Self {
        let server = Cluster::configured(connection, Clock::wall()).expect("the kubeconfig of the tests is right").server().replace("https://", "");
        let listener = TcpListener::bind(address).await.expect("a port");
        let cable = Self { address: listener.local_addr().expect("an address"), server, pulled: CancellationToken::new() };
        let (server, pulled) = (cable.server.clone(), cable.pulled.clone());
        tokio::spawn(async move {
            loop {
                let near = tokio::select! {
                    () = pulled.cancelled() => return,
                    near = listener.accept() => near.expect("a connection").0,
                };
                let (server, pulled, mute) = (server.clone(), pulled.clone(), mute.clone());
                tokio::spawn(async move {
                    let far = TcpStream::connect(server).await.expect("the API server");
                    let ((mut near_in, mut near_out), (mut far_in, mut far_out)) = (near.into_split(), far.into_split());
                    let answers = async {
                        let mut bytes = vec![0; 1 << 16];
                        while let Ok(count) = far_in.read(&mut bytes).await {
                            if count == 0 || mute.load(Ordering::SeqCst) || near_out.write_all(&bytes[..count]).await.is_err() {
                                return;
                            }
                        }
                    };
                    tokio::select! {
                        () = pulled.cancelled() => {}
                        _ = tokio::io::copy(&mut near_in, &mut far_out) => {}
                        () = answers => {}
                    }
                });
            }
        });
        cable
    }

    fn connection(&self) -> (tempfile::TempDir, Connection) {
        let address = format!("https://{}", self.address);
        altered(move |text| replace_value(&text, "server", &address)).expect("a kubeconfig")
    }
}

fn config_map(name: &str) -> Target {
    Target::new(known("cm"), Some("default"), name)
}

fn apply(target: &Target, value: &str) -> Change {
    let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": target.name, "namespace": "default" }, "data": { "key": value } });
    Change {
        verb: "apply",
        target: target.clone(),
        request: Request::Apply { object, force: true },
        precondition: None,
        before: Value::Null,
        done: String::new(),
        warnings: Vec::new(),
    }
}

fn delete(target: &Target) -> Change {
    Change { request: Request::Delete { propagation: "Background" }, ..apply(target, "") }
}

#[tokio::test]
async fn a_watch_survives_a_cable_that_is_pulled_and_put_back() {
    let Some(direct) = connection("a_watch_survives_a_cable_that_is_pulled_and_put_back") else { return };
    let never = Arc::new(AtomicBool::new(false));
    let cable = Cable::lay(&direct, "127.0.0.1:0", never.clone()).await;
    let (_dir, through) = cable.connection();
    let (straight, watching) =
        (Cluster::configured(&direct, Clock::wall()).expect("straight"), Cluster::configured(&through, Clock::wall()).expect("through the cable"));
    let target = config_map("pulled-cable");
    straight.send(&apply(&target, "one"), false).await.expect("it is made");
    let selection = Selection { namespace: Some("default".into()), name: Some("pulled-cable".into()), ..Selection::default() };
    let mut events = watching.watch(known("cm"), &selection);
    assert!(matches!(events.next().await, Some(Ok(Event::Listed(objects))) if objects.len() == 1));

    let seen = tokio::spawn(async move {
        let event = events.next().await.expect("endless").expect("the outage is short");
        (event, events)
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    cable.pulled.cancel();
    straight.send(&apply(&target, "two"), false).await.expect("changed while nobody sees it");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let again = Cable::lay(&direct, &cable.address.to_string(), never).await;
    let (event, _events) = seen.await.expect("no panic");
    let Event::Applied(object) = event else { panic!("{event:?}") };
    assert_eq!(object["data"]["key"], "two");
    again.pulled.cancel();
    straight.send(&delete(&target), false).await.expect("tidied up");
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_made_once_and_said_to_be_uncertain() {
    let Some(direct) = connection("a_write_whose_answer_is_lost_is_made_once_and_said_to_be_uncertain") else { return };
    let mute = Arc::new(AtomicBool::new(false));
    let cable = Cable::lay(&direct, "127.0.0.1:0", mute.clone()).await;
    let (_dir, through) = cable.connection();
    let (straight, writing) =
        (Cluster::configured(&direct, Clock::wall()).expect("straight"), Cluster::configured(&through, Clock::wall()).expect("through the cable"));
    let target = config_map("lost-answer");
    writing.send(&apply(&target, "one"), false).await.expect("the cable works");
    mute.store(true, Ordering::SeqCst);
    let error = writing.send(&apply(&target, "two"), false).await.expect_err("the answer is lost");
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error}");
    assert!(error.message().contains("whether configmap/lost-answer was changed is not known"), "{error}");
    assert_eq!(straight.get(&target).await.expect("it is there")["data"]["key"], "two", "it was made all the same");
    straight.send(&delete(&target), false).await.expect("tidied up");
}
