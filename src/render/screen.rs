//! The only place that writes to a terminal, a pipe or a captured buffer; what came from a cluster or a script is neutralised here.
//!
//! Reading from a terminal is `repl`'s; what is drawn in place is decided in `live` and written here.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use super::text::{Text, Tone};

/// Where a stream goes. Clones go to the same place.
#[derive(Clone)]
pub struct Sink {
    writer: Arc<Mutex<dyn Write + Send>>,
    terminal: bool,
    color: bool,
    /// Whether the cursor can be moved: a terminal that is not dumb.
    moves: bool,
    size: Size,
    closed: Arc<AtomicBool>,
}

#[derive(Clone)]
enum Size {
    None,
    Stdout,
    Stderr,
    /// Columns in the upper half, rows in the lower.
    Given(Arc<AtomicU32>),
}

/// What a terminal of given size is: for tests, and for embedders that draw into a window of their own.
#[derive(Clone, Debug)]
pub struct Window(Arc<AtomicU32>);

impl Window {
    pub fn new(columns: u16, rows: u16) -> Self {
        let window = Self(Arc::default());
        window.resize(columns, rows);
        window
    }

    pub fn resize(&self, columns: u16, rows: u16) {
        self.0.store(u32::from(columns) << 16 | u32::from(rows), Ordering::Relaxed);
    }
}

impl Sink {
    /// A pipe or a buffer: no colour, nothing drawn in place.
    pub fn new(writer: Arc<Mutex<dyn Write + Send>>) -> Self {
        Self { writer, terminal: false, color: false, moves: false, size: Size::None, closed: Arc::default() }
    }

    /// A terminal of the window's size, with or without colour.
    pub fn terminal(writer: Arc<Mutex<dyn Write + Send>>, window: &Window, color: bool) -> Self {
        Self { writer, terminal: true, color, moves: true, size: Size::Given(window.0.clone()), closed: Arc::default() }
    }

    /// Whether colours are on.
    pub fn colored(&self) -> bool {
        self.color
    }

    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    pub(super) fn moves(&self) -> bool {
        self.moves && self.size().is_some()
    }

    pub(super) fn size(&self) -> Option<(u16, u16)> {
        let size = match &self.size {
            Size::None => None,
            Size::Stdout => terminal_size::terminal_size_of(io::stdout()).map(|(width, height)| (width.0, height.0)),
            Size::Stderr => terminal_size::terminal_size_of(io::stderr()).map(|(width, height)| (width.0, height.0)),
            Size::Given(size) => Some(size.load(Ordering::Relaxed)).map(|size| ((size >> 16) as u16, size as u16)),
        };
        // Some terminals do not know their size and say 0 by 0.
        size.filter(|(columns, rows)| *columns > 0 && *rows > 0)
    }

    /// A reader that has gone away (`| head`) is no error of ours: what follows is dropped, and whoever wants to end early asks `closed`.
    fn write(&self, bytes: &[u8]) {
        if self.closed.load(Ordering::Relaxed) || bytes.is_empty() {
            return;
        }
        let mut writer = lock(&self.writer);
        if write_all(&mut *writer, bytes).and_then(|()| writer.flush()).is_err() {
            self.closed.store(true, Ordering::Relaxed);
        }
    }
}

fn write_all(writer: &mut (dyn Write + Send), mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match writer.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // Another process may have made the shared terminal non-blocking; what does not fit now fits when it has drained.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while somebody wrote leaves half a line behind, which is no reason to stop writing.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a captured stream holds so far.
pub type Captured = Arc<Mutex<Vec<u8>>>;

/// Takes out what a captured stream holds.
pub fn captured_text(captured: &Captured) -> String {
    String::from_utf8_lossy(&std::mem::take(&mut *lock(captured))).into_owned()
}

/// Results to one sink, all else to the other. Clones share the live region.
#[derive(Clone)]
pub struct Screen {
    pub out: Sink,
    pub err: Sink,
    pub quiet: bool,
    /// Whether box-drawing and the like can be shown; `false`: ASCII.
    pub unicode: bool,
    region: Arc<Mutex<Region>>,
}

impl Screen {
    pub fn new(out: Sink, err: Sink, quiet: bool) -> Self {
        Self { out, err, quiet, unicode: true, region: Arc::default() }
    }

    /// The process's own stdout and stderr.
    ///
    /// `color`: `None` means on a terminal that is not dumb, unless `NO_COLOR` is set and not empty.
    pub fn process(color: Option<bool>, quiet: bool) -> Self {
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let dumb = set("TERM").map_or(cfg!(unix), |term| term == "dumb");
        let colored = |terminal: bool| color.unwrap_or(terminal && !dumb && set("NO_COLOR").is_none());
        let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let sink = |writer, terminal, size| Sink { writer, terminal, color: colored(terminal), moves: terminal && !dumb, size, closed: Arc::default() };
        let mut screen =
            Self::new(sink(Arc::new(Mutex::new(io::stdout())), out, Size::Stdout), sink(Arc::new(Mutex::new(io::stderr())), err, Size::Stderr), quiet);
        // What goes to a file does not depend on the locale: the same run gives the same bytes.
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| set(name));
        let utf8 = locale.is_some_and(|locale| locale.to_lowercase().replace('-', "").contains("utf8"));
        screen.unicode = cfg!(windows) || utf8 || !(out || err);
        screen
    }

    /// Captured in memory: two buffers to read from.
    pub fn captured() -> (Self, Captured, Captured) {
        let (out, err) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        (Self::new(Sink::new(out.clone()), Sink::new(err.clone()), false), out, err)
    }

    /// A result: exactly this text to stdout (no newline is added), neutralised.
    pub fn print(&self, text: &str) {
        self.write(Stream::Out, &neutralise(text));
    }

    /// A result and a newline.
    pub fn print_line(&self, text: &str) {
        self.print(&format!("{text}\n"));
    }

    /// A styled result to stdout; a newline is added where the text does not end with one.
    pub fn show(&self, text: &Text) {
        self.write(Stream::Out, &line(text.written(self.out.color)));
    }

    /// A long result to stdout, written piece by piece as it is made: it never stands in memory as a whole.
    pub fn pieces(&self) -> Pieces<'_> {
        Pieces { screen: self, waiting: String::new() }
    }

    /// Progress or a notice: lines to stderr, neutralised, silent with `quiet`.
    pub fn notice(&self, text: &Text) {
        if !self.quiet {
            self.warn(text);
        }
    }

    /// A warning or an error: lines to stderr, neutralised, never silent.
    pub fn warn(&self, text: &Text) {
        self.write(Stream::Err, &line(text.written(self.err.color)));
    }

    /// Columns and rows of the terminal on stdout; `None` when it is none.
    pub fn size(&self) -> Option<(u16, u16)> {
        self.out.size()
    }

    /// Columns that a text for people should keep to: the terminal's, or 80 where there is none.
    pub fn columns(&self) -> usize {
        self.out.size().or_else(|| self.err.size()).map_or(80, |(columns, _)| usize::from(columns))
    }

    /// Whether stdout has gone away: nobody reads what is printed.
    pub fn closed(&self) -> bool {
        self.out.closed.load(Ordering::Relaxed)
    }

    pub(super) fn sink(&self, stream: Stream) -> &Sink {
        match stream {
            Stream::Out => &self.out,
            Stream::Err => &self.err,
        }
    }

    /// Writes what is already safe; a live region on the same terminal makes room and comes back below.
    fn write(&self, stream: Stream, safe: &str) {
        let region = lock(&self.region);
        let sink = self.sink(stream);
        let drawn = region.stream.map(|stream| self.sink(stream)).filter(|_| sink.terminal && !region.lines.is_empty());
        let Some(live) = drawn else { return sink.write(safe.as_bytes()) };
        live.write(region.erase(live.size()).as_bytes());
        sink.write(safe.as_bytes());
        // The region starts at the left edge, or it would overwrite what was just said.
        if !safe.ends_with('\n') && !safe.is_empty() {
            sink.write(b"\n");
        }
        live.write(region.draw().as_bytes());
    }

    /// Replaces the live region; the lines are cut and written by `live`.
    pub(super) fn replace_region(&self, stream: Stream, lines: Vec<Text>, size: (u16, u16)) {
        let mut region = lock(&self.region);
        let sink = self.sink(stream);
        // A frame of another region stays where it is, and this one begins below.
        let mut bytes = if region.stream == Some(stream) { region.return_to_top(size) } else { String::new() };
        let fewer = region.stream == Some(stream) && lines.len() < region.lines.len();
        region.stream = Some(stream);
        region.columns = size.0;
        region.widest = lines.iter().map(Text::width).max().unwrap_or(0);
        region.lines = lines.iter().map(|line| (line.written(sink.color), line.width() >= usize::from(size.0))).collect();
        bytes.push_str(&region.draw());
        if fewer {
            bytes.push_str(CLEAR_BELOW);
        }
        sink.write(bytes.as_bytes());
    }

    /// Lets go of the live region; its last frame stays on the terminal.
    pub(super) fn release_region(&self) {
        *lock(&self.region) = Region::default();
    }
}

/// How many bytes of a long result are written at once.
const CHUNK: usize = 64 << 10;

/// A result that is written in pieces; each is neutralised. What waits is written when this is dropped.
pub struct Pieces<'a> {
    screen: &'a Screen,
    waiting: String,
}

impl Pieces<'_> {
    /// Adds a piece.
    pub fn put(&mut self, tone: Tone, text: &str) {
        let safe = neutralise(text);
        if tone == Tone::Plain || !self.screen.out.color || safe.trim().is_empty() {
            self.waiting.push_str(&safe);
        } else {
            let style = tone.style();
            // Both prefix and suffix, around a piece that spans no line.
            let _ = std::fmt::Write::write_fmt(&mut self.waiting, format_args!("{}", style.paint(safe.as_ref())));
        }
        if self.waiting.len() >= CHUNK && self.waiting.ends_with('\n') {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if !self.waiting.is_empty() {
            self.screen.write(Stream::Out, &self.waiting);
            self.waiting.clear();
        }
    }
}

impl Drop for Pieces<'_> {
    fn drop(&mut self) {
        self.flush();
    }
}

/// Which of the two sinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Out,
    Err,
}

const CLEAR_LINE: &str = "\u{1b}[K";
const CLEAR_BELOW: &str = "\u{1b}[J";

/// The frame that stands on the terminal, with the cursor at the left edge of the line below it.
#[derive(Default)]
struct Region {
    stream: Option<Stream>,
    /// Bytes of a line, and whether it fills the terminal's width.
    lines: Vec<(String, bool)>,
    columns: u16,
    widest: usize,
}

impl Region {
    /// Goes up to the frame's first line. When the terminal became narrower than the frame its lines may have been wrapped or not, as the
    /// terminal likes: nobody knows how many rows they take, so the frame is left alone rather than something above it overwritten.
    fn return_to_top(&self, (columns, rows): (u16, u16)) -> String {
        if self.lines.is_empty() || (columns < self.columns && self.widest > usize::from(columns)) {
            return String::new();
        }
        let up = self.lines.len().min(usize::from(rows).saturating_sub(1));
        if up == 0 { "\r".to_owned() } else { format!("\r\u{1b}[{up}A") }
    }

    fn erase(&self, size: Option<(u16, u16)>) -> String {
        size.map_or(String::new(), |size| format!("{}{CLEAR_BELOW}", self.return_to_top(size)))
    }

    fn draw(&self) -> String {
        let mut bytes = String::new();
        for (line, full) in &self.lines {
            bytes.push_str(line);
            // After a line that fills the width the cursor still stands on its last cell, which clearing would take away.
            if !full {
                bytes.push_str(CLEAR_LINE);
            }
            bytes.push_str("\r\n");
        }
        bytes
    }
}

fn line(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// Control characters, bidirectional overrides and the like made visible; newline and tab stay, and a carriage return before a newline is dropped.
///
/// # Limits
/// Joiners and variation selectors stay between letters that need them (emoji, Indic scripts, Persian) and become visible beside ASCII, where
/// their only use is to make two names look alike. Doing it twice changes nothing more.
pub fn neutralise(text: &str) -> Cow<'_, str> {
    // Nearly everything is printable ASCII; the bytes tell without decoding.
    if text.bytes().all(|byte| matches!(byte, 0x20..0x7f | b'\n' | b'\t')) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    let mut before = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let after = letters.peek().copied();
        match letter {
            '\n' | '\t' => safe.push(letter),
            '\r' if after == Some('\n') => {}
            '\r' => safe.push_str("\\r"),
            // kubectl's own escape of ESC, and the same notation for the others.
            '\0'..' ' => safe.extend(['^', char::from(letter as u8 + b'@')]),
            '\u{7f}' => safe.push_str("^?"),
            _ if lies(before, letter, after) => safe.push_str(&format!("\\u{{{:x}}}", letter as u32)),
            _ => safe.push(letter),
        }
        before = Some(letter);
    }
    Cow::Owned(safe)
}

/// Whether a character above ASCII shows other text than what is there.
pub(super) fn lies(before: Option<char>, letter: char, after: Option<char>) -> bool {
    let beside_ascii = |neighbour: Option<char>| neighbour.is_none_or(|neighbour| neighbour.is_ascii());
    match letter {
        // C1, soft hyphen, Arabic letter mark, Hangul fillers, Khmer inherent vowels, Mongolian separators.
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' => true,
        // Zero width space, direction marks, line and paragraph separators, overrides, isolates, invisible operators.
        '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => true,
        // Byte order mark, interlinear annotation, further fillers, musical and tag characters, selectors beyond the sixteen.
        '\u{3164}' | '\u{ffa0}' | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}' => true,
        '\u{200c}' | '\u{200d}' => beside_ascii(before) || beside_ascii(after),
        // A selector after a digit, # or * makes a keycap.
        '\u{fe00}'..='\u{fe0f}' => beside_ascii(before) && !before.is_some_and(|before| before.is_ascii_digit() || "#*".contains(before)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_mislead_a_terminal_is_made_visible() {
        for (text, safe) in [
            ("plain text\tand\nlines", "plain text\tand\nlines"),
            ("größe 日本 ✓ café", "größe 日本 ✓ café"),
            ("\u{1b}]0;title\u{7}", "^[]0;title^G"),
            ("progress\rdone", "progress\\rdone"),
            ("dos\r\nlines\r\n", "dos\nlines\n"),
            ("\r\r\n", "\\r\n"),
            ("\u{0}\u{8}\u{b}\u{c}\u{7f}", "^@^H^K^L^?"),
            ("\u{9b}31m\u{85}", "\\u{9b}31m\\u{85}"),
            ("\u{202e}gpj.exe\u{202c} \u{2066}x\u{2069}", "\\u{202e}gpj.exe\\u{202c} \\u{2066}x\\u{2069}"),
            ("we\u{200b}b \u{feff}x\u{ad}", "we\\u{200b}b \\u{feff}x\\u{ad}"),
            ("line\u{2028}par\u{2029}", "line\\u{2028}par\\u{2029}"),
            ("tag\u{e0041}", "tag\\u{e0041}"),
            ("web\u{200d}", "web\\u{200d}"),
            ("👨\u{200d}👩", "👨\u{200d}👩"),
            ("می\u{200c}خواهم", "می\u{200c}خواهم"),
            ("❤\u{fe0f} 1\u{fe0f}\u{20e3} a\u{fe0f}", "❤\u{fe0f} 1\u{fe0f}\u{20e3} a\\u{fe0f}"),
        ] {
            let once = neutralise(text);
            assert_eq!(once, safe, "{text:?}");
            assert_eq!(neutralise(&once), once, "{text:?} twice");
        }
    }

    #[test]
    fn no_control_character_but_newline_and_tab_gets_through() {
        for letter in ('\0'..='\u{ffff}').chain('\u{e0000}'..='\u{e0fff}').filter(|letter| letter.is_control() && !"\n\t".contains(*letter)) {
            let shown = neutralise(&format!("a{letter}b")).into_owned();
            assert!(!shown.contains(char::is_control), "{letter:?}");
        }
    }

    #[test]
    fn results_and_notices_go_their_ways() {
        let (screen, out, err) = Screen::captured();
        screen.print("a");
        screen.print("b\n");
        screen.show(&Text::of(Tone::Good, "c"));
        screen.notice(&Text::plain("n"));
        let quiet = Screen { quiet: true, ..screen };
        quiet.notice(&Text::plain("silent"));
        quiet.warn(&Text::of(Tone::Bad, "w\n"));
        assert_eq!(String::from_utf8_lossy(&lock(&out)), "ab\nc\n");
        assert_eq!(String::from_utf8_lossy(&lock(&err)), "n\nw\n");
        assert_eq!((quiet.size(), quiet.columns(), quiet.closed()), (None, 80, false));
    }

    /// Takes a few bytes at a time, is interrupted now and then, and closes after `room` bytes.
    struct Fussy {
        room: usize,
        calls: usize,
        taken: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Fussy {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            match self.calls % 3 {
                0 => return Err(io::ErrorKind::Interrupted.into()),
                1 => return Err(io::ErrorKind::WouldBlock.into()),
                _ => {}
            }
            let fits = bytes.len().min(3).min(self.room);
            if fits == 0 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.room -= fits;
            lock(&self.taken).extend_from_slice(&bytes[..fits]);
            Ok(fits)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_goes_away_ends_the_writing_and_nothing_else() {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let out = Sink::new(Arc::new(Mutex::new(Fussy { room: 8, calls: 0, taken: taken.clone() })));
        let (captured, _, err) = Screen::captured();
        let screen = Screen::new(out, captured.err, false);
        screen.print("hello\n");
        assert!(!screen.closed());
        screen.print("world\n");
        assert!(screen.closed());
        screen.print("dropped\n");
        screen.warn(&Text::plain("still heard"));
        assert_eq!(String::from_utf8_lossy(&lock(&taken)), "hello\nwo");
        assert_eq!(String::from_utf8_lossy(&lock(&err)), "still heard\n");
    }
}
