//! Asks a disk whether a requirement holds. Asks only what decides it: on a disk that is not decided yet each
//! question may be a branch.

use std::io::{self, ErrorKind};
use std::path::Path;

use unplug_vfs::{OpenOptions, Vfs, VfsFile};

use super::content::Content;
use super::requirement::Predicate;

/// Evaluates predicates against a file system, and notes what it saw.
pub(super) struct Evaluation<'a> {
    pub vfs: &'a dyn Vfs,
    pub root: &'a Path,
    pub seen: Vec<String>,
}

/// How a file compares with a content.
enum Comparison {
    Same,
    /// The file ends after so many bytes, all of them as they should be.
    EndsAt(u64),
    DiffersAt(u64),
}

impl Evaluation<'_> {
    pub(super) fn holds(&mut self, predicate: &Predicate) -> io::Result<bool> {
        match predicate {
            Predicate::Exists(file) => self.exists(file),
            Predicate::Missing(file) => Ok(!self.exists(file)?),
            Predicate::Is(file, contents) => self.any(file, contents, |evaluation, open, content| {
                match compare(open, 0, content.bytes())? {
                    Comparison::Same if open.read_at(&mut [0], content.bytes().len() as u64)? > 0 => {
                        Ok(evaluation.note(format!("{file} goes on after {content}")))
                    }
                    other => Ok(evaluation.compared(file, content, &other)),
                }
            }),
            Predicate::PrefixOf(file, content) => {
                let contents = std::slice::from_ref(content);
                self.any(file, contents, |evaluation, open, content| {
                    match compare(open, 0, content.bytes())? {
                        Comparison::EndsAt(len) => {
                            evaluation.seen.push(format!("{file} has {len} bytes"));
                            Ok(true)
                        }
                        Comparison::Same if open.read_at(&mut [0], content.bytes().len() as u64)? > 0 => {
                            Ok(evaluation.note(format!("{file} goes on after {content}")))
                        }
                        other => Ok(evaluation.compared(file, content, &other)),
                    }
                })
            }
            Predicate::StartsWith(file, contents) => self.at(file, 0, contents),
            Predicate::At(file, offset, contents) => self.at(file, *offset, contents),
            Predicate::Not(inside) => Ok(!self.holds(inside)?),
            Predicate::And(parts) => {
                for part in parts {
                    if !self.holds(part)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Predicate::Or(parts) => {
                for part in parts {
                    if self.holds(part)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Predicate::If(condition, then) => Ok(!self.holds(condition)? || self.holds(then)?),
        }
    }

    fn note(&mut self, seen: String) -> bool {
        self.seen.push(seen);
        false
    }

    /// Opening asks for the name only; metadata would ask for the length, too.
    fn exists(&mut self, file: &str) -> io::Result<bool> {
        let there = match self.vfs.open(&self.root.join(file), OpenOptions::READ) {
            Ok(_) => true,
            Err(e) => match e.kind() {
                ErrorKind::IsADirectory => true,
                ErrorKind::NotFound | ErrorKind::NotADirectory => false,
                _ => return Err(e),
            },
        };
        self.seen.push(format!("{file} {}", if there { "exists" } else { "is missing" }));
        Ok(there)
    }

    /// Whether the file is there and `test` accepts it with one of the contents.
    fn any(
        &mut self,
        file: &str,
        contents: &[Content],
        mut test: impl FnMut(&mut Self, &dyn VfsFile, &Content) -> io::Result<bool>,
    ) -> io::Result<bool> {
        let open = match self.vfs.open(&self.root.join(file), OpenOptions::READ) {
            Ok(open) => open,
            Err(e) => {
                return match e.kind() {
                    ErrorKind::NotFound | ErrorKind::NotADirectory => {
                        Ok(self.note(format!("{file} is missing")))
                    }
                    ErrorKind::IsADirectory => Ok(self.note(format!("{file} is a directory"))),
                    _ => Err(e),
                };
            }
        };
        for content in contents {
            if test(self, &*open, content)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn at(&mut self, file: &str, offset: u64, contents: &[Content]) -> io::Result<bool> {
        self.any(file, contents, |evaluation, open, content| {
            let comparison = compare(open, offset, content.bytes())?;
            Ok(evaluation.compared(file, content, &comparison))
        })
    }

    fn compared(&mut self, file: &str, content: &Content, comparison: &Comparison) -> bool {
        match comparison {
            Comparison::Same => {
                self.seen.push(format!("{file} has {content}"));
                true
            }
            Comparison::EndsAt(at) => self.note(format!("{file} ends at byte {at} of {content}")),
            Comparison::DiffersAt(at) => self.note(format!("{file} differs at byte {at} of {content}")),
        }
    }
}

/// Compares the file's bytes from `offset` on with `wanted`, up to the first that differs.
fn compare(file: &dyn VfsFile, offset: u64, wanted: &[u8]) -> io::Result<Comparison> {
    let mut buffer = [0; 4096];
    let mut done = 0;
    while done < wanted.len() {
        let want = (wanted.len() - done).min(buffer.len());
        let got = match file.read_at(&mut buffer[..want], offset + done as u64) {
            Ok(got) => got,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        if got == 0 {
            return Ok(Comparison::EndsAt(done as u64));
        }
        if let Some(at) = (0..got).find(|at| buffer[*at] != wanted[done + at]) {
            return Ok(Comparison::DiffersAt((done + at) as u64));
        }
        done += got;
    }
    Ok(Comparison::Same)
}
