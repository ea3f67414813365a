//! The journal and the recovery of guards, as the program shows them; on a real control plane, since a simulated cluster ends with its process.

mod common;

use std::process::{Command, Output, Stdio};

use common::Shell;

struct Place {
    shell: Shell,
    kubeconfig: String,
    state: tempfile::TempDir,
}

impl Place {
    fn real() -> Option<Self> {
        let kubeconfig = common::kubeconfig();
        if kubeconfig.is_none() {
            common::skipped();
        }
        let kubeconfig = kubeconfig?.to_str().expect("text").to_owned();
        Some(Self { shell: Shell::real()?, kubeconfig, state: tempfile::tempdir().expect("a folder") })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rollsh"));
        command.env("XDG_STATE_HOME", self.state.path()).args(["--kubeconfig", &self.kubeconfig, "-n", &self.shell.namespace()]).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command().args(args).output().expect("it starts")
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_journal_tells_each_change_with_its_outcome_and_notices_a_forged_line() {
    let Some(place) = Place::real() else { return };
    assert!(place.run(&["eval", r#"annotate("deploy/web", #{"example.com/a": "b"})"#]).status.success());
    assert_eq!(place.run(&["eval", r#"patch("deploy/web", #{spec: #{replicas: -1}})"#]).status.code(), Some(1));
    let journal = place.run(&["journal"]);
    let lines: Vec<String> = text(&journal.stdout).lines().map(str::to_owned).collect();
    assert_eq!(journal.status.code(), Some(0), "{}", text(&journal.stderr));
    assert!(lines.len() == 3 && lines[1].contains("annotate") && lines[1].ends_with("done") && lines[2].ends_with("failed"), "{lines:?}");
    let file = place.state.path().join("rollsh/journal.jsonl");
    let forged = std::fs::read_to_string(&file).expect("the journal").replace("annotate", "nothing!");
    std::fs::write(&file, forged).expect("written");
    let journal = place.run(&["journal"]);
    assert_eq!(journal.status.code(), Some(1));
    assert!(text(&journal.stderr).contains("line 1"), "{}", text(&journal.stderr));
}

#[test]
fn recover_puts_back_what_a_killed_guard_left() {
    let Some(place) = Place::real() else { return };
    let script = r#"guard("deploy/web", || { set_image("deploy/web", "web=shop/web:4-neverready"); print("out"); sleep("1h") })"#;
    let mut child = place.command().args(["eval", script]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut first = [0; 4];
    std::io::Read::read_exact(child.stdout.as_mut().expect("piped"), &mut first).expect("the image is out");
    child.kill().expect("killed");
    child.wait().expect("it ended");
    let recovered = place.run(&["recover"]);
    assert_eq!(text(&recovered.stdout), "deployment/web put back\n", "{}", text(&recovered.stderr));
    assert_eq!(recovered.status.code(), Some(0));
    assert_eq!(place.shell.must(r#"print(status("deploy/web").images.web)"#), "shop/web:3\n");
    assert!(text(&place.run(&["recover"]).stderr).contains("nothing to recover"));
}
