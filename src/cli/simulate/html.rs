//! The worlds of a simulation as one page of HTML that needs nothing else: no script, no font, no other file.

use std::fmt::Write;

use super::{meaning, tone};
use crate::render::screen::Tone;
use crate::render::words;
use crate::script::tester::escaped;
use crate::script::worlds::World;

const STYLE: &str = "\
body{font:15px/1.5 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em;color:#222;background:#fff}\
code,pre{font:13px/1.45 ui-monospace,monospace}pre{overflow-x:auto;background:#f5f5f5;padding:.6em;white-space:pre-wrap}\
table{border-collapse:collapse}td,th{padding:.15em .8em .15em 0;text-align:left;vertical-align:top}\
.strip{display:flex;flex-wrap:wrap;gap:3px;margin:1em 0}.strip a{min-width:2.2em;padding:.1em .3em;text-align:center;text-decoration:none;color:#fff;font-size:12px}\
.good{background:#2e7d32}.warn{background:#b26a00}.bad{background:#c62828}\
details{border-top:1px solid #ddd;padding:.4em 0}summary{cursor:pointer}summary b{padding:0 .4em;color:#fff}.concern{color:#c62828}\
@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}pre{background:#262626}details{border-color:#444}.concern{color:#ff8a80}}";

/// The page of a simulation of `command`.
pub fn page(command: &str, worlds: &[World]) -> String {
    let title = escaped(command);
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{title}</title><style>{STYLE}</style></head>\n\
         <body>\n<h1>{} simulated worlds</h1>\n<p><code>{title}</code></p>\n<p>Each square is a world and the exit code that the script ended with in it.</p>\n<div class=\"strip\">\n",
        worlds.len()
    );
    for world in worlds {
        let _ = writeln!(
            page,
            "<a class=\"{}\" href=\"#w{}\" title=\"seed {}: {}\">{}</a>",
            class(world),
            world.seed,
            world.seed,
            meaning(world.exit_code),
            world.exit_code
        );
    }
    page.push_str("</div>\n");
    for world in worlds {
        section(&mut page, world);
    }
    page.push_str("</body></html>\n");
    page
}

fn section(page: &mut String, world: &World) {
    let open = if world.concern.is_some() { " open" } else { "" };
    let _ = writeln!(
        page,
        "<details id=\"w{seed}\"{open}><summary>seed {seed} <b class=\"{}\">{}</b> {}, after {} and {} requests</summary>",
        class(world),
        world.exit_code,
        meaning(world.exit_code),
        words::duration(world.simulated_s),
        world.requests,
        seed = world.seed,
    );
    if let Some(concern) = &world.concern {
        let _ = writeln!(page, "<p class=\"concern\">{}</p>", escaped(concern));
    }
    let faults =
        if world.faults.is_empty() { "Nothing went wrong around it.".to_owned() } else { format!("What went wrong around it: {}.", world.faults.join("; ")) };
    let _ = writeln!(page, "<p>{}</p>", escaped(&faults));
    if !world.changes.is_empty() {
        page.push_str("<table><tr><th>after</th><th>change</th><th>of</th><th>result</th></tr>\n");
        for step in &world.changes {
            let cells = [words::duration(step.at_s), step.verb.clone(), step.target.clone(), step.result.clone()];
            row(page, &cells);
        }
        page.push_str("</table>\n");
    }
    let left: Vec<_> = world.workloads.iter().filter(|left| left.touched).collect();
    if !left.is_empty() {
        page.push_str("<table><tr><th>left</th><th>phase</th><th>images</th><th></th></tr>\n");
        for left in left {
            row(page, &[left.target.clone(), left.phase.name().to_owned(), left.images.join(", "), left.message.clone()]);
        }
        page.push_str("</table>\n");
    }
    for (title, text) in [("stdout", &world.stdout), ("stderr", &world.stderr)] {
        if !text.is_empty() {
            let _ = writeln!(page, "<p>{title}</p><pre>{}</pre>", escaped(text.trim_end()));
        }
    }
    page.push_str("</details>\n");
}

fn row(page: &mut String, cells: &[String]) {
    page.push_str("<tr>");
    for cell in cells {
        let _ = write!(page, "<td>{}</td>", escaped(cell));
    }
    page.push_str("</tr>\n");
}

fn class(world: &World) -> &'static str {
    match tone(world.exit_code) {
        _ if world.concern.is_some() => "bad",
        Tone::Good => "good",
        Tone::Watch => "warn",
        _ => "bad",
    }
}
