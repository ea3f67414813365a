//! What somebody meant who typed a kubectl command line: the call that does it here. Only for a hint; nothing runs.

/// The call of a command line in kubectl's words; `None` where it is not one that can be told for sure.
pub fn meant(line: &str) -> Option<String> {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    if words.first().is_some_and(|first| matches!(*first, "kubectl" | "k")) {
        words.remove(0);
    }
    let (flags, plain) = split(&words);
    let option = |key: &str, names: &[&str]| -> Option<String> {
        let (_, value) = flags.iter().find(|(name, _)| names.contains(name))?;
        Some(match value {
            Some(value) => format!("{key}: {value:?}"),
            None => format!("{key}: true"),
        })
    };
    let namespace = || option("namespace", &["-n", "--namespace"]);
    match plain.as_slice() {
        ["get", kinds] => {
            let wide = flags.contains(&("-o", Some("wide"))).then(|| "wide: true".to_owned());
            let everywhere = option("all_namespaces", &["-A", "--all-namespaces"]);
            Some(call("get", kinds, [option("selector", &["-l", "--selector"]), namespace(), everywhere, wide]))
        }
        ["get", kind, name] if !kind.contains(['/', ',']) => Some(call("get", &format!("{kind}/{name}"), [namespace()])),
        ["rollout", verb @ ("status" | "history" | "undo" | "pause" | "resume" | "restart"), target @ ..] => {
            let revision = flags.iter().find(|(name, _)| matches!(*name, "--to-revision" | "--revision")).and_then(|(_, value)| *value);
            let target = target_of(target)?;
            match revision {
                Some(revision) if revision.parse::<u64>().is_ok() => Some(format!("{verb}({target:?}, {revision})")),
                _ => Some(call(verb, &target, [])),
            }
        }
        ["scale", target @ ..] => {
            let (_, replicas) = flags.iter().find(|(name, _)| *name == "--replicas")?;
            Some(format!("scale({:?}, {})", target_of(target)?, (*replicas)?))
        }
        ["set", "image", target, images @ ..] if target.contains('/') && !images.is_empty() => match images {
            [one] => Some(format!("set_image({target:?}, {one:?})")),
            many => Some(format!("set_image({target:?}, {many:?})")),
        },
        ["describe", target @ ..] => Some(call("describe", &target_of(target)?, [])),
        ["delete", target @ ..] => Some(call("delete", &target_of(target)?, [])),
        ["logs", pod] if !pod.contains('/') => Some(call("logs", &format!("pod/{pod}"), [option("previous", &["-p", "--previous"])])),
        ["logs", target] => Some(call("logs", target, [option("previous", &["-p", "--previous"])])),
        ["events"] => Some("get_events()".to_owned()),
        ["config", "use-context", name] => Some(format!("use_context({name:?})")),
        ["config", "get-contexts"] => Some("contexts()".to_owned()),
        _ => None,
    }
}

/// Flags with their values, and all else.
fn split<'a>(words: &[&'a str]) -> (Vec<(&'a str, Option<&'a str>)>, Vec<&'a str>) {
    const WITH_VALUE: &[&str] = &["-n", "--namespace", "-l", "--selector", "-o", "--to-revision", "--revision", "--replicas"];
    let (mut flags, mut plain) = (Vec::new(), Vec::new());
    let mut words = words.iter().copied().peekable();
    while let Some(word) = words.next() {
        match word.strip_prefix('-') {
            None => plain.push(word),
            Some(_) => flags.push(match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None if WITH_VALUE.contains(&word) => (word, words.next()),
                None => (word, None),
            }),
        }
    }
    (flags, plain)
}

/// `deploy/web` of `deploy/web` and of `deploy web`.
fn target_of(words: &[&str]) -> Option<String> {
    match words {
        [one] if one.contains('/') => Some((*one).to_owned()),
        [kind, name] if !kind.contains('/') && !name.contains('/') => Some(format!("{kind}/{name}")),
        _ => None,
    }
}

fn call<const N: usize>(function: &str, argument: &str, options: [Option<String>; N]) -> String {
    let options: Vec<String> = options.into_iter().flatten().collect();
    match options.as_slice() {
        [] => format!("{function}({argument:?})"),
        given => format!("{function}({argument:?}, #{{{}}})", given.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubectl_line_is_told_as_a_call() {
        for (line, expected) in [
            ("get pods", r#"get("pods")"#),
            ("kubectl get deploy,rs,pods -n shop -l app=web", r#"get("deploy,rs,pods", #{selector: "app=web", namespace: "shop"})"#),
            ("k get po -A -o wide", r#"get("po", #{all_namespaces: true, wide: true})"#),
            ("kubectl get deploy web", r#"get("deploy/web")"#),
            ("rollout undo deploy/web", r#"undo("deploy/web")"#),
            ("kubectl rollout undo deployment web --to-revision=3", r#"undo("deployment/web", 3)"#),
            ("rollout history sts/db --revision 2", r#"history("sts/db", 2)"#),
            ("scale deploy/web --replicas=5", r#"scale("deploy/web", 5)"#),
            ("set image deploy/web web=shop/web:2", r#"set_image("deploy/web", "web=shop/web:2")"#),
            ("describe pod web-1", r#"describe("pod/web-1")"#),
            ("logs web-1 -p", r#"logs("pod/web-1", #{previous: true})"#),
        ] {
            assert_eq!(meant(line).as_deref(), Some(expected), "{line}");
        }
        for other in ["", "let x = 1", "rollout", "get", "scale deploy/web", "undo(deploy/web)", "for x in y {"] {
            assert_eq!(meant(other), None, "{other}");
        }
    }
}
