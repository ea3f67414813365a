//! A region of the terminal that is redrawn in place, and keeps its last frame in the scrollback.
//!
//! No alternate screen and no hidden cursor: whatever ends the process, the terminal stays as it is and the last frame can be read.

mod frame;

pub use frame::{Canvas, Scene, rollout_frame, summary_frame};

use super::screen::{Screen, Stream, Text, Tone};

/// A live region; where there is no terminal every line that differs from the frame before is printed.
pub struct Live {
    screen: Screen,
    stream: Stream,
    last: Vec<Text>,
    said: Option<Text>,
}

impl Live {
    /// A region for progress: on stderr, silent with `quiet`.
    pub fn new(screen: &Screen) -> Self {
        Self::on(screen, Stream::Err)
    }

    /// A region that is itself the result: on stdout.
    pub fn of_results(screen: &Screen) -> Self {
        Self::on(screen, Stream::Out)
    }

    fn on(screen: &Screen, stream: Stream) -> Self {
        Self { screen: screen.clone(), stream, last: Vec::new(), said: None }
    }

    /// Whether frames are drawn in place.
    pub fn in_place(&self) -> bool {
        self.screen.sink(self.stream).moves()
    }

    /// Columns that a frame may have.
    pub fn columns(&self) -> usize {
        self.screen.sink(self.stream).size().map_or_else(|| self.screen.columns(), |(columns, _)| usize::from(columns))
    }

    /// What a frame can be drawn with.
    pub fn canvas(&self) -> Canvas {
        Canvas { columns: self.columns(), unicode: self.screen.unicode }
    }

    /// Shows a frame in place of the one before, cut to the terminal's width and height.
    pub fn draw(&mut self, frame: &[Text]) {
        let lines: Vec<Text> = frame.iter().flat_map(Text::lines).collect();
        let size = self.screen.sink(self.stream).size();
        match size.filter(|_| self.in_place()) {
            _ if self.stream == Stream::Err && self.screen.quiet => {}
            Some((columns, rows)) => self.screen.replace_region(self.stream, fit(&lines, columns, rows), (columns, rows)),
            None => {
                for line in lines.iter().filter(|line| !line.is_empty() && !self.last.contains(line)) {
                    self.write(line);
                }
            }
        }
        self.last = lines;
    }

    /// Shows a frame where frames are drawn in place, and elsewhere this one line, if it is another than the one before.
    pub fn draw_or_say(&mut self, frame: &[Text], line: &Text) {
        if self.in_place() {
            self.draw(frame);
        } else if self.said.as_ref() != Some(line) {
            self.write(line);
            self.said = Some(line.clone());
        }
    }

    fn write(&self, line: &Text) {
        match self.stream {
            Stream::Out => self.screen.show(line),
            Stream::Err => self.screen.notice(line),
        }
    }

    /// Leaves the last frame, with the cursor below it.
    pub fn finish(self) {}
}

impl Drop for Live {
    fn drop(&mut self) {
        if self.in_place() {
            self.screen.release_region();
        }
    }
}

/// Cuts lines to the width, and their number to what fits above the cursor's own row.
fn fit(lines: &[Text], columns: u16, rows: u16) -> Vec<Text> {
    let room = usize::from(rows).saturating_sub(1).max(1);
    let columns = usize::from(columns);
    let mut fitting: Vec<Text> = lines.iter().take(room).map(|line| line.cut(columns)).collect();
    if lines.len() > room {
        let hidden = lines.len() - (room - 1);
        fitting[room - 1] = Text::of(Tone::Dim, format!("... {hidden} more")).cut(columns);
    }
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::screen::{Sink, Window};
    use std::num::NonZero;
    use std::sync::{Arc, Mutex};

    fn cells(number: u16) -> NonZero<u16> {
        NonZero::new(number).expect("a terminal has cells")
    }

    /// A terminal that remembers what it shows: a parser fed with the bytes that were written.
    struct Seen {
        parser: vt100::Parser,
        bytes: Arc<Mutex<Vec<u8>>>,
        window: Window,
        screen: Screen,
    }

    impl Seen {
        fn new(columns: u16, rows: u16) -> Self {
            let (bytes, window) = (Arc::new(Mutex::new(Vec::new())), Window::new(columns, rows));
            let sink = Sink::terminal(bytes.clone(), &window, false);
            Self { parser: vt100::Parser::new(cells(rows), cells(columns), 100), bytes, window, screen: Screen::new(sink.clone(), sink, false) }
        }

        fn look(&mut self) -> String {
            let bytes = std::mem::take(&mut *self.bytes.lock().expect("no writer panicked"));
            // The kernel's side of a terminal does this to every newline.
            self.parser.process(String::from_utf8_lossy(&bytes).replace('\n', "\r\n").as_bytes());
            self.parser.screen().contents()
        }

        fn resize(&mut self, columns: u16, rows: u16) {
            self.look();
            self.window.resize(columns, rows);
            self.parser.screen_mut().set_size(cells(rows), cells(columns));
        }
    }

    fn frame(lines: &[&str]) -> Vec<Text> {
        lines.iter().map(|line| Text::plain(*line)).collect()
    }

    #[test]
    fn a_frame_stands_in_the_place_of_the_one_before() {
        for (columns, rows) in [(80, 24), (200, 50)] {
            let mut seen = Seen::new(columns, rows);
            seen.screen.print("$ watch\n");
            let mut live = Live::new(&seen.screen);
            live.draw(&frame(&["one long line", "two", "three"]));
            assert_eq!(seen.look(), "$ watch\none long line\ntwo\nthree");
            live.draw(&frame(&["1", "2"]));
            assert_eq!(seen.look(), "$ watch\n1\n2");
            live.draw(&frame(&["1", "2", "3", "4"]));
            live.finish();
            seen.screen.print("$ \n");
            assert_eq!(seen.look(), "$ watch\n1\n2\n3\n4\n$ ");
        }
    }

    #[test]
    fn a_frame_is_cut_to_the_terminal_and_never_scrolls_it() {
        let mut seen = Seen::new(10, 5);
        let mut live = Live::new(&seen.screen);
        for round in 0..3 {
            live.draw(&frame(&["0123456789", "0123456789ab", "日本語テキスト", "x", "y", "z", &round.to_string()]));
            assert_eq!(seen.look(), "0123456789\n0123456...\n日本語...\n... 4 more", "{round}");
        }
        live.draw(&frame(&["a"]));
        assert_eq!(seen.look(), "a");
    }

    #[test]
    fn what_is_said_meanwhile_stands_above_the_frame() {
        let mut seen = Seen::new(80, 24);
        let mut live = Live::new(&seen.screen);
        live.draw(&frame(&["frame", "end"]));
        seen.screen.warn(&Text::plain("warning: look"));
        seen.screen.print("no newline");
        seen.screen.print("");
        assert_eq!(seen.look(), "warning: look\nno newline\nframe\nend");
        live.draw(&frame(&["frame 2"]));
        drop(live);
        seen.screen.print("after\n");
        assert_eq!(seen.look(), "warning: look\nno newline\nframe 2\nafter");
    }

    #[test]
    fn a_terminal_resized_between_frames_loses_nothing_above_them() {
        let mut seen = Seen::new(40, 12);
        seen.screen.print("above\n");
        let mut live = Live::new(&seen.screen);
        live.draw(&frame(&["a line of thirty columns......", "b"]));
        seen.resize(60, 20);
        live.draw(&frame(&["wider", "b"]));
        assert_eq!(seen.look(), "above\nwider\nb");
        seen.resize(30, 12);
        live.draw(&frame(&["narrower, and nothing was cut", "b"]));
        assert_eq!(seen.look(), "above\nnarrower, and nothing was cut\nb");
        seen.resize(10, 12);
        live.draw(&frame(&["narrow", "b"]));
        assert!(seen.look().starts_with("above\n"), "{}", seen.look());
        assert!(seen.look().ends_with("narrow\nb"), "{}", seen.look());
    }

    #[test]
    fn escapes_in_a_frame_reach_no_terminal() {
        let mut seen = Seen::new(80, 24);
        let mut live = Live::new(&seen.screen);
        live.draw(&frame(&["\u{1b}[2J\u{1b}[1;1Hgone\r\u{7}", "\u{9b}31m\u{202e}evil"]));
        assert_eq!(seen.look(), "^[[2J^[[1;1Hgone\\r^G\n\\u{9b}31m\\u{202e}evil");
    }

    #[test]
    fn without_a_terminal_only_what_changed_is_printed() {
        let (screen, out, err) = Screen::captured();
        let mut live = Live::new(&screen);
        live.draw(&frame(&["head", "a 1", ""]));
        live.draw(&frame(&["head", "a 2"]));
        live.draw(&frame(&["head", "a 2"]));
        live.draw_or_say(&frame(&["head", "a 3"]), &Text::plain("a is 3"));
        live.draw_or_say(&frame(&["head", "a 3b"]), &Text::plain("a is 3"));
        live.finish();
        assert_eq!(String::from_utf8_lossy(&err.lock().expect("no panic")), "head\na 1\na 2\na is 3\n");
        let mut quiet = screen.clone();
        quiet.quiet = true;
        Live::new(&quiet).draw(&frame(&["silent"]));
        Live::of_results(&quiet).draw(&frame(&["result"]));
        assert_eq!(String::from_utf8_lossy(&err.lock().expect("no panic")), "head\na 1\na 2\na is 3\n");
        assert_eq!(String::from_utf8_lossy(&out.lock().expect("no panic")), "result\n");
    }
}
