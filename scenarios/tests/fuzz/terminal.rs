//! The command in a terminal of 60 columns: a line that redraws itself, ^C typed on the keyboard.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

const COLUMNS: usize = 60;

/// Nothing takes so long that is not stuck.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a terminal shows, of the sequences that a line of progress uses.
#[derive(Default)]
struct Screen {
    rows: Vec<Vec<char>>,
    row: usize,
    /// `COLUMNS`: behind the last one; the next character goes to the next row.
    column: usize,
    /// A sequence that has begun.
    escape: Option<String>,
    /// How often a row was begun anew that had something in it.
    redraws: u32,
}

impl Screen {
    fn feed(&mut self, text: &str) {
        text.chars().for_each(|c| self.put(c));
    }

    fn put(&mut self, c: char) {
        if let Some(mut escape) = self.escape.take() {
            escape.push(c);
            match c {
                '[' if escape.len() == 1 => self.escape = Some(escape),
                'a'..='z' | 'A'..='Z' => self.control(&escape),
                _ => self.escape = Some(escape),
            }
            return;
        }
        match c {
            '\u{1b}' => self.escape = Some(String::new()),
            '\r' => self.column = 0,
            '\n' => self.row += 1,
            _ => {
                if self.column == COLUMNS {
                    (self.row, self.column) = (self.row + 1, 0);
                }
                let (at, row) = (self.column, self.row());
                row.resize(row.len().max(at + 1), ' ');
                row[at] = c;
                self.column += 1;
            }
        }
    }

    fn row(&mut self) -> &mut Vec<char> {
        let len = self.rows.len().max(self.row + 1);
        self.rows.resize(len, Vec::new());
        &mut self.rows[self.row]
    }

    fn control(&mut self, sequence: &str) {
        let (number, kind) = sequence[1..].split_at(sequence.len() - 2);
        let count = number.parse().unwrap_or(1);
        match kind {
            "A" => self.row = self.row.saturating_sub(count),
            "B" => self.row += count,
            "K" => {
                self.redraws += u32::from(!self.row().is_empty());
                self.row().clear();
            }
            "J" => {
                self.row();
                self.rows.truncate(self.row + 1);
            }
            // Colours, and whether the cursor shows.
            "m" | "h" | "l" => {}
            _ => panic!("a sequence that this test does not know: {sequence:?}"),
        }
    }

    fn text(&self) -> String {
        let rows = self.rows.iter().map(|row| row.iter().collect::<String>());
        rows.map(|row| row.trim_end().to_string() + "\n").collect::<String>().trim_end().to_string()
    }
}

/// The command in a terminal of its own.
struct Terminal {
    child: Child,
    keyboard: File,
    output: Receiver<String>,
    screen: Screen,
}

impl Terminal {
    /// None, with a word on why, where there is none to be had.
    fn start(args: &[&str]) -> Option<Terminal> {
        let (controller, end) = match pair() {
            Ok(pair) => pair,
            Err(e) => {
                not_tested(&format!("no pseudo-terminal on this machine: {e}"));
                return None;
            }
        };
        let stdio = || end.try_clone().unwrap();
        // It becomes the terminal that ^C is typed on: a session of its own, without code that is unsafe.
        let mut command = Command::new("setsid");
        command.args(["-c", env!("CARGO_BIN_EXE_unplug"), "fuzz"]).args(args);
        command.env_remove("COLUMNS").env_remove("NO_COLOR").env("TERM", "xterm-256color");
        command.stdin(stdio()).stdout(stdio()).stderr(stdio());
        let child = match command.spawn() {
            Ok(child) => child,
            Err(e) => {
                not_tested(&format!("`setsid` does not run on this machine: {e}"));
                return None;
            }
        };
        let keyboard = File::from(controller);
        let mut reader = keyboard.try_clone().unwrap();
        let (sender, output) = channel();
        std::thread::spawn(move || {
            let (mut buf, mut rest) = ([0; 4096], Vec::new());
            // An error: nobody has the other end any more.
            while let Ok(n) = reader.read(&mut buf) {
                rest.extend_from_slice(&buf[..n]);
                let whole = match std::str::from_utf8(&rest) {
                    Ok(text) => text.len(),
                    Err(e) => e.valid_up_to(),
                };
                let text = String::from_utf8(rest.drain(..whole).collect()).unwrap();
                if n == 0 || sender.send(text).is_err() {
                    break;
                }
            }
        });
        Some(Terminal { child, keyboard, output, screen: Screen::default() })
    }

    /// Reads until the screen is as wanted.
    fn wait(&mut self, what: &str, wanted: impl Fn(&Screen) -> bool) {
        while !wanted(&self.screen) {
            match self.output.recv_timeout(PATIENCE) {
                Ok(text) => self.screen.feed(&text),
                Err(e) => {
                    let _ = self.child.kill();
                    panic!("no {what} ({e}):\n{}", self.screen.text());
                }
            }
        }
    }

    fn press_interrupt(&mut self) {
        self.keyboard.write_all(b"\x03").unwrap();
    }

    /// Reads to the end; the exit code and the screen.
    fn end(mut self) -> (Option<i32>, String) {
        loop {
            match self.output.recv_timeout(PATIENCE) {
                Ok(text) => self.screen.feed(&text),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(e) => {
                    let _ = self.child.kill();
                    panic!("it does not end ({e}):\n{}", self.screen.text());
                }
            }
        }
        (self.child.wait().unwrap().code(), self.screen.text())
    }
}

/// Past the test harness, which keeps what a test that passes has printed.
fn not_tested(why: &str) {
    let line = format!("fuzz in a terminal: not tested: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Both ends of a new pseudo-terminal: the test's and the program's.
fn pair() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&controller)?;
    unlockpt(&controller)?;
    let size = Winsize { ws_row: 24, ws_col: COLUMNS as u16, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&controller, size)?;
    let name = ptsname(&controller, Vec::new())?;
    let end = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    Ok((controller, end))
}

fn as_str(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The progress that shows, if it does.
fn progress(screen: &Screen) -> Option<String> {
    screen.text().lines().find(|line| line.contains(" bugs, ")).map(str::to_string)
}

#[test]
fn a_campaign_in_a_terminal_redraws_one_line_and_tells_what_it_has_when_ctrl_c_is_typed() {
    let tmp = tempfile::tempdir().unwrap();
    let corpus = tmp.path().join("corpus");
    let Some(mut terminal) = Terminal::start(&["--corpus", as_str(&corpus)]) else { return };
    terminal.wait("first line of progress", |screen| progress(screen).is_some());
    assert_eq!(terminal.screen.text().lines().next(), Some("seed 1"));
    terminal.wait("line that is drawn again", |screen| screen.redraws > 2 && progress(screen).is_some());
    let text = terminal.screen.text();
    assert_eq!(text.lines().count(), 2, "seed and progress, which neither wraps nor scrolls:\n{text}");

    terminal.press_interrupt();
    let (code, text) = terminal.end();
    assert_eq!(code, Some(0), "{text}");
    let told: Vec<&str> = text.lines().collect();
    assert_eq!(
        (told.len(), told[0], told[1]),
        (5, "seed 1", "interrupted"),
        "progress and echo are gone:\n{text}"
    );
    let done: u64 =
        told[2].strip_prefix("0 violations in ").unwrap().split(' ').next().unwrap().parse().unwrap();

    let cases = (done + 3).to_string();
    let (code, text) = Terminal::start(&["--corpus", as_str(&corpus), "--cases", &cases]).unwrap().end();
    assert_eq!(code, Some(0), "{text}");
    let told: Vec<&str> = text.lines().collect();
    assert_eq!(told[..2], ["seed 1", &*format!("going on after {done} cases")], "{text}");
    assert!(told[2].starts_with(&format!("0 violations in {cases} cases, ")), "{text}");
    assert_eq!(told.len(), 5, "the line of progress is gone:\n{text}");
}
