//! What the API server takes, warns of and refuses, in its words: some hundred requests with what a real control plane answered, one after the other.
//!
//! `tests/truth/refusals.json` was recorded on 1.36.3; on the simulated cluster always, and where `ROLLSH_TEST_KUBECONFIG` names a real one, on that too.
//!
//! Known to differ, and not in the recording: the differences that the real server shows when a pod is changed in what cannot change, its warning about keys of
//! TLS secrets that are none, and that it drops `maxUnavailable` of a StatefulSet's strategy, which is switched off there by default and works here.

#[path = "truth/server.rs"]
mod server;

use regex::Regex;
use serde::Deserialize;
use server::{Answer, Server};

/// The namespace of the recording.
const RECORDED: &str = "refused";

const METHODS: [&str; 4] = ["GET", "POST", "PUT", "PATCH"];
const TYPES: [&str; 7] = [
    "application/json",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "application/yaml",
    "text/plain",
];

/// A request and what a real server answered.
#[derive(Deserialize)]
struct Recorded {
    method: String,
    path: String,
    #[serde(rename = "type")]
    content_type: Option<String>,
    body: Option<String>,
    code: u16,
    message: Option<String>,
    #[serde(default)]
    causes: Vec<(String, String, String)>,
    warning: Option<String>,
}

/// What an answer says, without what differs from run to run.
#[derive(Debug, PartialEq)]
struct Said {
    code: u16,
    message: Option<String>,
    causes: Vec<(String, String, String)>,
    warning: Option<String>,
}

struct Masks(Vec<(Regex, &'static str)>);

impl Masks {
    fn new() -> Self {
        let masks = [
            ("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"),
            // The real server shows objects with the members of Go's structs in their order.
            (r#"(?s)Invalid value: \\?"\{.*\}\\?":"#, "Invalid value: OBJECT:"),
            (r"\b10\.96\.\d+\.\d+\b", "ADDRESS"),
            ("x{20,}", "XX"),
        ];
        Self(masks.map(|(pattern, mask)| (Regex::new(pattern).expect("a pattern"), mask)).into())
    }

    fn hide(&self, text: &str, namespace: &str) -> String {
        self.0.iter().fold(text.replace(namespace, RECORDED), |text, (pattern, mask)| pattern.replace_all(&text, *mask).into_owned())
    }
}

fn said(answer: &Answer, masks: &Masks, namespace: &str) -> Said {
    let body = &answer.body;
    let is_status = body["kind"] == "Status";
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let causes = body["details"]["causes"].as_array().filter(|_| is_status).into_iter().flatten();
    Said {
        code: answer.code,
        message: body["message"].as_str().filter(|_| is_status).map(|message| masks.hide(message, namespace)),
        causes: causes.map(|it| (text(&it["field"]), text(&it["reason"]), masks.hide(&text(&it["message"]), namespace))).collect(),
        warning: (!answer.warnings.is_empty()).then(|| answer.warnings.join(", ")),
    }
}

async fn compare(server: Server) {
    let masks = Masks::new();
    let recorded: Vec<Recorded> = serde_json::from_str(include_str!("truth/refusals.json")).expect("a recording");
    assert!(recorded.iter().filter(|it| it.code >= 400).count() > 400, "the recording is not whole");
    let mut differ = Vec::new();
    for it in recorded {
        let here = |text: &str| text.replace(RECORDED, &server.namespace);
        let (path, body) = (here(&it.path), here(it.body.as_deref().unwrap_or_default()));
        if path == "/api/v1/namespaces" && it.code == 201 {
            continue;
        }
        let ask = server::Ask {
            method: METHODS.into_iter().find(|known| *known == it.method).expect("a method"),
            path,
            content_type: TYPES.into_iter().find(|known| it.content_type.as_deref().is_none_or(|given| given == *known)).expect("a type"),
            agent: "truth/1",
            body,
        };
        let found = said(&server.send(&ask).await, &masks, &server.namespace);
        let wanted = Said { code: it.code, message: it.message.map(|it| masks.hide(&it, RECORDED)), causes: it.causes, warning: it.warning };
        if found != wanted {
            differ.push(format!("{} {} {}\n  recorded {wanted:?}\n  here     {found:?}", it.method, it.path, it.body.unwrap_or_default()));
        }
    }
    assert!(differ.is_empty(), "{} answers differ\n{}", differ.len(), differ.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn the_simulated_server_takes_and_refuses_what_the_real_one_does() {
    compare(Server::simulated("refusals", 0).await).await;
}

#[tokio::test]
async fn the_real_server_still_does_so() {
    let namespace = format!("refusals-{}", std::process::id());
    match Server::real(&namespace).await {
        Some(server) => {
            compare(server.clone()).await;
            server.end().await;
        }
        None => server::skipped("the_real_server_still_does_so"),
    }
}
