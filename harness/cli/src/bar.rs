//! Where lines of progress are drawn.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressDrawTarget, TermLike};

/// What a terminal shows where the cursor is when ^C is typed. A line of progress leaves as much room behind it:
/// else the echo is on the next line, and what clears that leaves the progress behind.
const ECHO: &str = "^C";

/// Redraws a second.
const RATE_HZ: u8 = 20;

/// Stderr, if it is a terminal and somebody wants to see progress.
pub(crate) fn target(quiet: bool) -> ProgressDrawTarget {
    if quiet || !io::stderr().is_terminal() {
        return ProgressDrawTarget::hidden();
    }
    ProgressDrawTarget::term_like_with_hz(Box::<Stderr>::default(), RATE_HZ)
}

/// The terminal behind stderr, but for room at the end of each line. Written to once a redraw.
#[derive(Debug, Default)]
struct Stderr {
    buffer: Mutex<String>,
}

impl Stderr {
    fn push(&self, text: &str) -> io::Result<()> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
        Ok(())
    }

    /// Moves the cursor; 0 would mean 1 to a terminal.
    fn travel(&self, n: usize, to: char) -> io::Result<()> {
        if n == 0 { Ok(()) } else { self.push(&format!("\x1b[{n}{to}")) }
    }
}

impl TermLike for Stderr {
    fn width(&self) -> u16 {
        let columns = terminal_size::terminal_size_of(io::stderr()).map_or(80, |(width, _)| width.0);
        columns.saturating_sub(ECHO.len() as u16).max(1)
    }

    fn height(&self) -> u16 {
        terminal_size::terminal_size_of(io::stderr()).map_or(24, |(_, height)| height.0)
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.travel(n, 'A')
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.travel(n, 'B')
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.travel(n, 'C')
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.travel(n, 'D')
    }

    fn write_line(&self, s: &str) -> io::Result<()> {
        self.push(s)?;
        self.push("\n")
    }

    fn write_str(&self, s: &str) -> io::Result<()> {
        self.push(s)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.push("\r\x1b[2K")
    }

    fn flush(&self) -> io::Result<()> {
        let text = std::mem::take(&mut *self.buffer.lock().unwrap_or_else(PoisonError::into_inner));
        let mut stderr = io::stderr().lock();
        stderr.write_all(text.as_bytes())?;
        stderr.flush()
    }
}
