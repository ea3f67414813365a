//! Where the cursor stands in a line: in which call, at which of its arguments, in which string.

use crate::functions::function::Param;
use crate::functions::{Function, find};

/// What is open at the end of a text.
#[derive(Default)]
pub struct Place<'a> {
    /// The innermost call of one of our functions.
    pub call: Option<&'static Function>,
    /// The parameter that the cursor is at, the target before a point counted.
    argument: usize,
    /// What is written of the string that the cursor is in.
    pub string: Option<&'a str>,
    /// The key whose value is written, in an options map.
    pub key: Option<&'a str>,
    /// Whether a key of an options map stands here.
    pub before_key: bool,
}

struct Open {
    bracket: char,
    at: usize,
    commas: usize,
    /// Where the present item of it begins.
    item: usize,
}

impl<'a> Place<'a> {
    pub fn at_end(text: &'a str) -> Self {
        let mut open: Vec<Open> = Vec::new();
        let mut quote: Option<(char, usize)> = None;
        let mut escaped = false;
        for (at, c) in text.char_indices() {
            match quote {
                Some(_) if escaped => escaped = false,
                Some(('"', _)) if c == '\\' => escaped = true,
                Some((end, _)) if c == end => quote = None,
                Some(_) => {}
                None => match c {
                    '"' | '`' => quote = Some((c, at + 1)),
                    '(' | '[' | '{' => open.push(Open { bracket: c, at, commas: 0, item: at + 1 }),
                    ')' | ']' | '}' => drop(open.pop()),
                    ',' => {
                        if let Some(last) = open.last_mut() {
                            last.commas += 1;
                            last.item = at + 1;
                        }
                    }
                    _ => {}
                },
            }
        }
        let mut place = Self { string: quote.map(|(_, start)| &text[start..]), ..Self::default() };
        let is_options = |it: &Open| it.bracket == '{' && text[..it.at].ends_with('#');
        if let Some(map) = open.last().filter(|it| is_options(it)) {
            match text[map.item..].split_once(':') {
                Some((key, _)) => place.key = Some(key.trim()),
                None => place.before_key = true,
            }
        }
        // Targets stand in an array too, and options in a map; what a block holds is not an argument.
        let around = open.iter().rev().find(|it| it.bracket != '[' && !is_options(it));
        if let Some(call) = around.filter(|it| it.bracket == '(') {
            let (start, name) = word_before(text, call.at);
            place.call = find(name);
            place.argument = call.commas + usize::from(text[..start].ends_with('.'));
        }
        place
    }

    /// The parameter that the cursor is at.
    pub fn param(&self) -> Option<&'static Param> {
        self.call?.params.get(self.argument)
    }
}

/// The word that ends at a position, and where it starts.
pub fn word_before(line: &str, pos: usize) -> (usize, &str) {
    let before = &line[..pos];
    let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at + before[at..].chars().next().map_or(1, char::len_utf8));
    (start, &before[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_open_call_its_argument_and_its_string_are_found() {
        let found = |text: &str| {
            let place = Place::at_end(text);
            (place.call.map(|it| it.name), place.param().map(|it| it.name), place.string.map(str::to_owned))
        };
        assert_eq!(found("undo(\"dep"), (Some("undo"), Some("target"), Some("dep".to_owned())));
        assert_eq!(found("wait([\"ds/a\", \"st"), (Some("wait"), Some("targets"), Some("st".to_owned())));
        assert_eq!(found("let w = deploy(\"we"), (Some("deploy"), Some("name"), Some("we".to_owned())));
        assert_eq!(found("w.set_image(\"a"), (Some("set_image"), Some("images"), Some("a".to_owned())));
        assert_eq!(found("guard(\"deploy/web\", || { wait(\"d"), (Some("wait"), Some("targets"), Some("d".to_owned())));
        assert_eq!(found("guard(\"deploy/web\", || { \"d"), (None, None, Some("d".to_owned())));
        assert_eq!(found("undo(\"a(\\\"b\") + \"c"), (None, None, Some("c".to_owned())));
    }

    #[test]
    fn keys_and_values_of_options_are_told_apart() {
        let found = |text: &str| {
            let place = Place::at_end(text);
            (place.call.map(|it| it.name), place.before_key, place.key.map(str::to_owned))
        };
        assert_eq!(found("wait(\"deploy/web\", #{ti"), (Some("wait"), true, None));
        assert_eq!(found("wait(\"deploy/web\", #{timeout: \"1m\", "), (Some("wait"), true, None));
        assert_eq!(found("get(\"pods\", #{namespace: \"k"), (Some("get"), false, Some("namespace".to_owned())));
    }
}
