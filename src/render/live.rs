//! A region of the terminal that is redrawn in place, and keeps its last frame in the scrollback.

use super::screen::{Screen, Text};

/// A live region; where there is no terminal every frame that differs from the one before is printed as lines.
pub struct Live {
    _screen: Screen,
}

impl Live {
    pub fn new(_screen: &Screen) -> Self {
        todo!()
    }

    /// Shows a frame in place of the one before, cut to the terminal's width and height.
    pub fn draw(&mut self, _frame: &[Text]) {
        todo!()
    }

    /// Leaves the last frame, with the cursor below it.
    pub fn finish(self) {}
}
