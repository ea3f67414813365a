//! The few commands whose end is known without running them: `sleep`, `true`, `false`, and a shell with these, `echo` and `exit`.

use std::time::Duration;

use super::super::controllers::object::list;
use crate::sim::json::Value;

/// How a container ends by itself, and what it writes before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    pub after: Duration,
    pub code: i64,
    pub log: String,
}

/// How the container ends if its command is one of those; `None` for all others.
pub fn ending(container: &Value) -> Option<Ending> {
    // Arguments alone are those of a program that the image names.
    let command: Option<Vec<&str>> = list(&container["command"]).iter().chain(list(&container["args"])).map(Value::as_str).collect();
    let command = command.filter(|_| !list(&container["command"]).is_empty())?;
    let mut ending = Ending { after: Duration::ZERO, code: 0, log: String::new() };
    match command.as_slice() {
        [shell, flag, script] if matches!(program(shell), "sh" | "bash" | "ash") && matches!(*flag, "-c" | "-ec" | "-ce") => {
            let stops = *flag != "-c";
            for line in script.split(['\n', ';']) {
                for (at, statement) in line.split("&&").enumerate() {
                    // What follows a failure on its line is not done.
                    if at > 0 && ending.code != 0 {
                        break;
                    }
                    let words: Vec<&str> = statement.split_whitespace().collect();
                    match words.as_slice() {
                        [] => {}
                        ["exit"] => return Some(ending),
                        ["exit", code] => return Some(Ending { code: code.parse().ok().filter(|it| (0..256).contains(it))?, ..ending }),
                        words => run(&mut ending, words)?,
                    }
                }
                if stops && ending.code != 0 {
                    break;
                }
            }
        }
        words => run(&mut ending, words)?,
    }
    Some(ending)
}

fn program(path: &str) -> &str {
    path.strip_prefix("/bin/").or_else(|| path.strip_prefix("/usr/bin/")).unwrap_or(path)
}

/// One statement, if it is known; what a shell would have to expand is not.
fn run(ending: &mut Ending, words: &[&str]) -> Option<()> {
    let (first, rest) = words.split_first()?;
    if rest.iter().any(|word| word.contains(['$', '`', '>', '<', '|', '&', '*', '(', '{', '#', '\\'])) {
        return None;
    }
    ending.code = 0;
    match (program(first), rest) {
        ("true" | ":", _) => {}
        ("false", _) => ending.code = 1,
        ("sleep", [time]) => ending.after = ending.after.checked_add(span(time)?)?,
        ("echo", words) => {
            let text = words.iter().map(|it| it.trim_matches(['"', '\''])).collect::<Vec<_>>().join(" ");
            ending.log.push_str(&text);
            ending.log.push('\n');
        }
        _ => return None,
    }
    Some(())
}

/// `300`, `0.5`, `2m`; what never ends has no end.
fn span(text: &str) -> Option<Duration> {
    let (number, unit) = match text.strip_suffix(['s', 'm', 'h', 'd']) {
        Some(number) => (number, &text[number.len()..]),
        None => (text, "s"),
    };
    let factor = match unit {
        "m" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        _ => 1.0,
    };
    number.bytes().all(|it| it.is_ascii_digit() || it == b'.').then_some(())?;
    Duration::try_from_secs_f64(number.parse::<f64>().ok()? * factor).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::json::json;

    #[test]
    fn what_ends_by_itself_is_known_and_nothing_else() {
        let of = |command: Value| {
            let ending = ending(&json!({ "command": command }))?;
            Some((ending.after.as_secs_f64(), ending.code, ending.log))
        };
        let known = |after: f64, code: i64, log: &str| Some((after, code, log.to_owned()));
        assert_eq!(of(json!(["sleep", "300"])), known(300.0, 0, ""));
        assert_eq!(of(json!(["/bin/false"])), known(0.0, 1, ""));
        assert_eq!(of(json!(["sh", "-c", "echo one two; sleep 1.5 && exit 3"])), known(1.5, 3, "one two\n"));
        assert_eq!(of(json!(["/bin/sh", "-c", "false && sleep 9; echo 'after'"])), known(0.0, 0, "after\n"));
        assert_eq!(of(json!(["sh", "-ec", "false\nsleep 9"])), known(0.0, 1, ""));
        for unknown in
            [json!(["sleep", "infinity"]), json!(["nginx"]), json!(["sh", "-c", "echo $HOME"]), json!(["sh", "-c", "while true; do sleep 1; done"]), json!([])]
        {
            assert_eq!(of(unknown.clone()), None, "{unknown}");
        }
        assert_eq!(ending(&json!({ "args": ["true"] })), None, "the image's own program");
    }
}
