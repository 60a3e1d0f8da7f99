//! What the killed process says, a line each.

use std::io::{self, Write};

/// A thing that was said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The store is being opened.
    Opening,
    /// The store is open.
    Ready,
    /// An operation begins.
    Issued(u64),
    /// An operation took effect; whether that was promised to be durable.
    Done(u64, bool),
    /// An operation, or opening the store, failed. The process goes no further.
    Failed(String),
}

impl Word {
    /// Says it, with one write, so that a kill cuts no line that anybody would believe.
    pub(super) fn say(&self, out: &mut impl Write) -> io::Result<()> {
        let line = match self {
            Word::Opening => "opening\n".to_string(),
            Word::Ready => "ready\n".to_string(),
            Word::Issued(op) => format!("issued {op}\n"),
            Word::Done(op, true) => format!("durable {op}\n"),
            Word::Done(op, false) => format!("done {op}\n"),
            Word::Failed(why) => format!("failed {}\n", why.replace('\n', " ")),
        };
        out.write_all(line.as_bytes())?;
        out.flush()
    }

    /// Reads a line without its end; None for anything else.
    pub(super) fn parse(line: &str) -> Option<Word> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        Some(match word {
            "opening" => Word::Opening,
            "ready" => Word::Ready,
            "issued" => Word::Issued(rest.parse().ok()?),
            "durable" => Word::Done(rest.parse().ok()?, true),
            "done" => Word::Done(rest.parse().ok()?, false),
            "failed" => Word::Failed(rest.to_string()),
            _ => return None,
        })
    }
}

/// What was said before the kill, added up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// The last operation issued; 0 for none.
    pub issued: u64,
    /// The last one that took effect.
    pub done: u64,
    /// The last one that was promised to be durable.
    pub durable: u64,
    /// Whether the store was being opened.
    pub opening: bool,
    /// How often it had been opened.
    pub opened: u64,
    /// What went wrong without a kill.
    pub failed: Option<String>,
}

impl Told {
    pub(super) fn add(&mut self, word: Word) {
        match word {
            Word::Opening => self.opening = true,
            Word::Ready => {
                self.opening = false;
                self.opened += 1;
            }
            Word::Issued(op) => self.issued = op,
            Word::Done(op, durable) => {
                self.done = op;
                if durable {
                    self.durable = op;
                }
            }
            Word::Failed(why) => self.failed = Some(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_understood() {
        let words = [
            Word::Opening,
            Word::Ready,
            Word::Issued(7),
            Word::Done(7, false),
            Word::Done(8, true),
            Word::Failed("no space left: free some".into()),
        ];
        let mut said = Vec::new();
        for word in &words {
            word.say(&mut said).unwrap();
        }
        let text = String::from_utf8(said).unwrap();
        let heard: Vec<Word> = text.lines().filter_map(Word::parse).collect();
        assert_eq!(heard, words);
        assert_eq!((Word::parse("issued x"), Word::parse("thread panicked")), (None, None));
    }

    #[test]
    fn words_add_up() {
        let mut told = Told::default();
        for word in [Word::Opening, Word::Ready, Word::Issued(1), Word::Done(1, true), Word::Issued(2)] {
            told.add(word);
        }
        let expected = Told { issued: 2, done: 1, durable: 1, opened: 1, ..Told::default() };
        assert_eq!(told, expected);
    }
}
