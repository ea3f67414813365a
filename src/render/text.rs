//! A text with styles, and what a colour means. Colour never carries a meaning alone: the words say it too.

use nu_ansi_term::{Color, Style};
use unicode_width::UnicodeWidthStr;

use super::screen::neutralise;

/// A text with styles, built by `render`; its strings are neutralised when they are written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text(pub Vec<(Style, String)>);

/// What a piece of text means; the only way to a colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    #[default]
    Plain,
    /// A heading, or the one word that matters.
    Strong,
    /// Beside the point: ages, separators, what is old.
    Dim,
    /// As it should be.
    Good,
    /// Not there yet, or worth a look.
    Watch,
    /// Broken.
    Bad,
    /// A name that one can type.
    Name,
}

/// What a state contains that says that something is broken.
const BAD: &[&str] = &[
    "Err",
    "BackOff",
    "Crash",
    "Fail",
    "fail",
    "Invalid",
    "Killed",
    "Evicted",
    "Lost",
    "Unknown",
    "Cannot",
    "Exceeded",
    "ExitCode:",
    "Signal:",
    "Degraded",
    "Unhealthy",
    "stalled",
    "missing",
    "deleted",
];

impl Tone {
    pub fn style(self) -> Style {
        match self {
            Tone::Plain => Style::new(),
            Tone::Strong => Style::new().bold(),
            Tone::Dim => Style::new().dimmed(),
            Tone::Good => Style::new().fg(Color::Green),
            Tone::Watch => Style::new().fg(Color::Yellow),
            Tone::Bad => Style::new().fg(Color::Red).bold(),
            Tone::Name => Style::new().fg(Color::Cyan),
        }
    }

    /// The tone of a word in kubectl's STATUS column, of a phase, or of the name of an outcome.
    pub fn of_state(state: &str) -> Tone {
        match state {
            "Running" | "Ready" | "Active" | "Bound" | "Available" | "complete" | "Complete" | "running" | "ready" | "True" => Tone::Good,
            "Completed" | "Succeeded" => Tone::Dim,
            "Pending" | "ContainerCreating" | "PodInitializing" | "Terminating" | "SchedulingGated" | "Released" | "NotReady" => Tone::Watch,
            "progressing" | "paused" | "unobserved" | "superseded" | "stopped" | "timeout" => Tone::Watch,
            _ if state.starts_with("Init:") && state[5..].starts_with(|c: char| c.is_ascii_digit()) => Tone::Watch,
            _ if BAD.iter().any(|part| state.contains(part)) => Tone::Bad,
            // A custom resource says what it likes: an unknown word is no bad word.
            _ => Tone::Plain,
        }
    }
}

impl Text {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn plain(text: impl Into<String>) -> Self {
        Self::of(Tone::Plain, text)
    }

    pub fn of(tone: Tone, text: impl Into<String>) -> Self {
        Self::new().with(tone, text)
    }

    /// Adds a piece.
    #[must_use]
    pub fn with(mut self, tone: Tone, text: impl Into<String>) -> Self {
        self.push(tone, text);
        self
    }

    /// Adds a plain piece.
    #[must_use]
    pub fn and(self, text: impl Into<String>) -> Self {
        self.with(Tone::Plain, text)
    }

    /// Adds a whole text.
    #[must_use]
    pub fn with_all(mut self, other: Text) -> Self {
        self.append(other);
        self
    }

    pub fn push(&mut self, tone: Tone, text: impl Into<String>) {
        let text = text.into();
        if !text.is_empty() {
            self.0.push((tone.style(), text));
        }
    }

    pub fn append(&mut self, mut other: Text) {
        self.0.append(&mut other.0);
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|(_, piece)| piece.is_empty())
    }

    /// The words without styles, as they were given (not neutralised).
    pub fn words(&self) -> String {
        self.0.iter().map(|(_, piece)| piece.as_str()).collect()
    }

    /// Columns that a terminal needs for a text of one line.
    pub fn width(&self) -> usize {
        super::words::width(&self.words())
    }

    /// A text of one line cut to `columns`, with `...` in the style of what was cut.
    #[must_use]
    pub fn cut(&self, columns: usize) -> Text {
        if self.width() <= columns {
            return self.clone();
        }
        let dots = &"..."[..columns.min(3)];
        let (mut kept, mut used, room) = (Text::new(), 0, columns - dots.len());
        for (style, piece) in &self.0 {
            let piece = neutralise(piece);
            let mut end = 0;
            for (at, letter) in piece.char_indices() {
                let next = at + letter.len_utf8();
                if used + UnicodeWidthStr::width(&piece[..next]) > room {
                    break;
                }
                end = next;
            }
            used += UnicodeWidthStr::width(&piece[..end]);
            let whole = end == piece.len();
            kept.0.push((*style, if whole { piece.into_owned() } else { format!("{}{dots}", &piece[..end]) }));
            if !whole {
                return kept;
            }
        }
        kept
    }

    /// The lines of a text; a newline at its end opens no further line.
    pub fn lines(&self) -> Vec<Text> {
        let mut lines = vec![Text::new()];
        for (style, piece) in &self.0 {
            for (nth, part) in piece.split('\n').enumerate() {
                if nth > 0 {
                    lines.push(Text::new());
                }
                if let Some(line) = lines.last_mut()
                    && !part.is_empty()
                {
                    line.0.push((*style, part.to_owned()));
                }
            }
        }
        if lines.len() > 1 && lines.last().is_some_and(|line| line.0.is_empty()) {
            lines.pop();
        }
        lines
    }

    /// Lines to one text, a newline after each.
    pub fn of_lines(lines: impl IntoIterator<Item = Text>) -> Text {
        let mut text = Text::new();
        for line in lines {
            text.append(line);
            text.push(Tone::Plain, "\n");
        }
        text
    }

    /// What goes to the terminal or the pipe: neutralised, with ANSI styles or without.
    pub fn written(&self, color: bool) -> String {
        let mut written = String::new();
        for (style, piece) in &self.0 {
            let piece = neutralise(piece);
            if !color || style.is_plain() {
                written.push_str(&piece);
                continue;
            }
            // A style never spans a newline: a pager or a cut line would bleed it into what follows.
            for (nth, part) in piece.split('\n').enumerate() {
                if nth > 0 {
                    written.push('\n');
                }
                if !part.is_empty() {
                    written.push_str(&style.paint(part).to_string());
                }
            }
        }
        written
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::plain(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::plain(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_are_written_only_with_colour_and_never_across_a_line() {
        let text = Text::of(Tone::Bad, "a\nb").and(" c");
        assert_eq!(text.written(false), "a\nb c");
        assert_eq!(text.written(true), "\u{1b}[1;31ma\u{1b}[0m\n\u{1b}[1;31mb\u{1b}[0m c");
    }

    #[test]
    fn an_escape_inside_a_styled_piece_stays_harmless() {
        assert_eq!(Text::of(Tone::Good, "\u{1b}[2Jx").written(true), "\u{1b}[32m^[[2Jx\u{1b}[0m");
    }

    #[test]
    fn a_text_is_cut_inside_the_piece_that_is_too_wide() {
        let text = Text::of(Tone::Good, "日本").with(Tone::Bad, "abcdef").and("ghi");
        for (columns, shown) in [(13, "日本abcdefghi"), (12, "日本abcde..."), (7, "日本..."), (6, "日..."), (2, "..")] {
            let cut = text.cut(columns);
            assert_eq!(cut.words(), shown, "{columns}");
            assert!(cut.width() <= columns, "{columns}");
        }
    }

    #[test]
    fn lines_keep_their_styles() {
        let text = Text::of(Tone::Good, "a\n\nb\n");
        assert_eq!(text.lines(), [Text::of(Tone::Good, "a"), Text::new(), Text::of(Tone::Good, "b")]);
        assert_eq!(Text::new().lines(), [Text::new()]);
    }

    #[test]
    fn a_state_has_a_tone() {
        for (state, tone) in [
            ("Running", Tone::Good),
            ("CrashLoopBackOff", Tone::Bad),
            ("Init:0/2", Tone::Watch),
            ("Init:Error", Tone::Bad),
            ("Init:", Tone::Plain),
            ("Synced", Tone::Plain),
            ("failed", Tone::Bad),
            ("CreateContainerConfigError", Tone::Bad),
            ("OOMKilled", Tone::Bad),
            ("ContainerCreating", Tone::Watch),
            ("Completed", Tone::Dim),
            ("", Tone::Plain),
        ] {
            assert_eq!(Tone::of_state(state), tone, "{state}");
        }
    }
}
