//! Words and numbers for people: ages, durations, counts, and text cut by display width. Sentences about rollouts stand in `account`.

use unicode_width::UnicodeWidthStr;

use super::screen::neutralise;

/// kubectl's age of a span in seconds (SEMANTICS 6.2): truncated, never rounded.
///
/// # Source
/// `HumanDuration` of apimachinery 0.36.
pub fn age(seconds: i64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let pair = |large: i64, large_unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{large}{large_unit}") } else { format!("{large}{large_unit}{small}{small_unit}") }
    };
    match seconds {
        ..=-2 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => pair(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => pair(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => pair(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => pair(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

/// How long something took or may take: `0.4s`, `12s`, `1m5s`, `1h30m`.
pub fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds <= 0.0 {
        return "0s".to_owned();
    }
    // One decimal where a person would notice it; 9.96 must not become "10.0s".
    if seconds < 9.95 {
        let tenths = format!("{seconds:.1}");
        return format!("{}s", tenths.strip_suffix(".0").unwrap_or(&tenths));
    }
    let whole = seconds.round() as i64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    match (hours, minutes, seconds) {
        (0, 0, s) => format!("{s}s"),
        (0, m, 0) => format!("{m}m"),
        (0, m, s) => format!("{m}m{s}s"),
        (h, 0, _) => format!("{h}h"),
        (h, m, _) => format!("{h}h{m}m"),
    }
}

/// `1 pod`, `3 pods`.
pub fn count(number: i64, noun: &str) -> String {
    let plural = match noun {
        _ if number == 1 => "",
        _ if noun.ends_with('s') || noun.ends_with('x') || noun.ends_with("ch") => "es",
        _ => "s",
    };
    format!("{number} {noun}{plural}")
}

/// `a`, `a and b`, `a, b and c`.
pub fn list<S: AsRef<str>>(items: &[S]) -> String {
    match items {
        [] => String::new(),
        [one] => one.as_ref().to_owned(),
        [most @ .., last] => {
            let most: Vec<&str> = most.iter().map(AsRef::as_ref).collect();
            format!("{} and {}", most.join(", "), last.as_ref())
        }
    }
}

/// Columns that a terminal needs for a text of one line, as it will be written (neutralised).
pub fn width(text: &str) -> usize {
    // ASCII without control characters, which is nearly all that comes from a cluster, is its own width.
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) { text.len() } else { UnicodeWidthStr::width(neutralise(text).as_ref()) }
}

/// A text cut to `columns`, with `...` at its end where something was cut off.
pub fn cut(text: &str, columns: usize) -> String {
    let text = neutralise(text);
    if width(&text) <= columns {
        return text.into_owned();
    }
    let dots = &"..."[..columns.min(3)];
    let mut end = 0;
    for (at, letter) in text.char_indices() {
        let next = at + letter.len_utf8();
        if UnicodeWidthStr::width(&text[..next]) + dots.len() > columns {
            break;
        }
        end = next;
    }
    // A base letter without the marks that belong to it would be another letter.
    while end > 0 && UnicodeWidthStr::width(&text[..end]) + dots.len() > columns {
        end = text[..end].char_indices().next_back().map_or(0, |(at, _)| at);
    }
    format!("{}{dots}", &text[..end])
}

/// A text cut to `columns` at its start, with `..` there: the ends of generated names are what tells them apart.
pub fn cut_start(text: &str, columns: usize) -> String {
    let text = neutralise(text);
    if width(&text) <= columns {
        return text.into_owned();
    }
    let tail: Vec<char> = take(text.chars().rev(), columns.saturating_sub(2)).collect();
    format!("..{}", tail.into_iter().rev().collect::<String>())
}

/// A text shortened to `columns` in its middle: what it is about stands at the start, and what went wrong at the end.
pub fn squeeze(text: &str, columns: usize) -> String {
    const GAP: &str = " ... ";
    let text = neutralise(text);
    if width(&text) <= columns || columns < 3 * GAP.len() {
        return cut(&text, columns);
    }
    let room = columns - GAP.len();
    let head: String = take(text.chars(), room / 2).collect();
    let tail: Vec<char> = take(text.chars().rev(), room - room / 2).collect();
    format!("{}{GAP}{}", head.trim_end(), tail.into_iter().rev().collect::<String>().trim_start())
}

/// The first characters that fit into so many columns.
fn take(letters: impl Iterator<Item = char>, columns: usize) -> impl Iterator<Item = char> {
    letters
        .scan(0, |used, letter| {
            *used += unicode_width::UnicodeWidthChar::width(letter).unwrap_or(0);
            Some((*used, letter))
        })
        .take_while(move |(used, _)| *used <= columns)
        .map(|(_, letter)| letter)
}

/// A text filled up with spaces to `columns`; a wider one stays as it is.
pub fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(missing))
}

/// Breaks a text into lines of at most `columns`, between words where it can.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split('\n') {
        let mut line = String::new();
        for word in paragraph.split(' ') {
            let mut word = neutralise(word).into_owned();
            let gap = usize::from(!line.is_empty());
            if width(&line) + gap + width(&word) <= columns {
                if gap == 1 {
                    line.push(' ');
                }
                line.push_str(&word);
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            while width(&word) > columns {
                let mut end = 0;
                for (at, letter) in word.char_indices() {
                    let next = at + letter.len_utf8();
                    if end > 0 && UnicodeWidthStr::width(&word[..next]) > columns {
                        break;
                    }
                    end = next;
                }
                let rest = word.split_off(end);
                lines.push(std::mem::replace(&mut word, rest));
            }
            line = word;
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shortened_where_it_says_least() {
        for (text, columns, squeezed, tail) in [
            ("short", 20, "short", "short"),
            ("failed to pull the image: it was not found", 24, "failed to ... not found", "..mage: it was not found"),
            ("日本語日本語日本語日本語", 17, "日本語 ... 日本語", "..語日本語日本語"),
        ] {
            assert_eq!((squeeze(text, columns).as_str(), cut_start(text, columns).as_str()), (squeezed, tail));
        }
    }

    #[test]
    fn an_age_is_kubectls_to_the_letter() {
        const M: i64 = 60;
        const H: i64 = 60 * M;
        const D: i64 = 24 * H;
        const Y: i64 = 365 * D;
        for (seconds, text) in [
            (i64::MIN, "<invalid>"),
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (1, "1s"),
            (119, "119s"),
            (120, "2m"),
            (121, "2m1s"),
            (599, "9m59s"),
            (10 * M, "10m"),
            (179 * M + 59, "179m"),
            (3 * H, "3h"),
            (3 * H + 59, "3h"),
            (3 * H + M, "3h1m"),
            (8 * H - 1, "7h59m"),
            (8 * H, "8h"),
            (26 * H, "26h"),
            (48 * H - 1, "47h"),
            (48 * H, "2d"),
            (50 * H, "2d2h"),
            (8 * D - 1, "7d23h"),
            (8 * D, "8d"),
            (2 * Y - 1, "729d"),
            (2 * Y, "2y"),
            (2 * Y + D, "2y1d"),
            (8 * Y - 1, "7y364d"),
            (8 * Y, "8y"),
            (100 * Y, "100y"),
        ] {
            assert_eq!(age(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn a_duration_has_a_decimal_only_where_one_notices() {
        for (seconds, text) in [
            (-1.0, "0s"),
            (f64::NAN, "0s"),
            (0.04, "0s"),
            (0.4, "0.4s"),
            (2.0, "2s"),
            (9.94, "9.9s"),
            (9.96, "10s"),
            (59.4, "59s"),
            (59.6, "1m"),
            (65.0, "1m5s"),
            (600.0, "10m"),
            (3600.0, "1h"),
            (5400.0, "1h30m"),
        ] {
            assert_eq!(duration(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn a_count_knows_its_plural() {
        assert_eq!(
            [count(0, "pod"), count(1, "pod"), count(2, "pod"), count(2, "replica set"), count(3, "batch")].join(" "),
            "0 pods 1 pod 2 pods 2 replica sets 3 batches"
        );
        assert_eq!([list::<&str>(&[]), list(&["a"]), list(&["a", "b"]), list(&["a", "b", "c"])], ["", "a", "a and b", "a, b and c"]);
    }

    #[test]
    fn text_is_cut_by_what_a_terminal_shows() {
        for (text, columns, shown) in [
            ("hello", 5, "hello"),
            ("hello world", 8, "hello..."),
            ("hello", 2, ".."),
            ("hello", 0, ""),
            ("日本語テキスト", 9, "日本語..."),
            ("日本語テキスト", 8, "日本..."),
            ("e\u{301}e\u{301}e\u{301}e\u{301}e\u{301}", 4, "e\u{301}..."),
            ("\u{1b}[31mred", 20, "^[[31mred"),
            ("\u{1b}[31mred", 6, "^[[..."),
        ] {
            let cut = cut(text, columns);
            assert_eq!(cut, shown, "{text:?} at {columns}");
            assert!(width(&cut) <= columns, "{text:?} at {columns}");
        }
        assert_eq!(pad("日本", 6), "日本  ");
        assert_eq!(pad("too long", 3), "too long");
    }

    #[test]
    fn text_is_wrapped_between_words_where_it_can() {
        assert_eq!(wrap("the quick brown fox", 10), ["the quick", "brown fox"]);
        assert_eq!(wrap("abcdefghij kl", 4), ["abcd", "efgh", "ij", "kl"]);
        assert_eq!(wrap("a\nb", 10), ["a", "b"]);
        assert_eq!(wrap("", 10), [""]);
    }
}
