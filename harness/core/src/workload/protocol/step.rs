//! Steps of a protocol: file-system calls, and the marks between them.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use unplug_vfs::{FileKind, OpenOptions, Vfs};

use super::content::{Content, Names};
use super::lexer::Lexer;

/// One step. Parses from a line and prints back to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step(pub(super) Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Create { file: String },
    Mkdir { dir: String },
    Write { file: String, offset: u64, content: Content },
    Append { file: String, content: Content },
    Truncate { file: String, len: u64 },
    Allocate { file: String, offset: u64, len: u64 },
    Rename { from: String, to: String },
    Link { existing: String, new: String },
    Unlink { file: String },
    Rmdir { dir: String },
    Fsync { file: String },
    Fdatasync { file: String },
    SyncDir { dir: String },
    Mark { name: String },
    Begin,
}

const VERBS: &str = "create, mkdir, write, append, truncate, allocate, rename, link, unlink, rmdir, fsync, \
                     fdatasync, sync_dir, mark or begin";

impl Step {
    pub(super) fn parse(line: &str, names: &Names) -> Result<Step, String> {
        let mut lexer = Lexer::new(line)?;
        let verb = lexer.peek_word().unwrap_or_default().to_string();
        if !verb.is_empty() {
            lexer.advance();
        }
        let lexer = &mut lexer;
        let kind = match verb.as_str() {
            "create" => Kind::Create { file: path(lexer, "a file")? },
            "mkdir" => Kind::Mkdir { dir: path(lexer, "a directory")? },
            "write" => Kind::Write {
                file: path(lexer, "a file")?,
                offset: lexer.number("an offset")?,
                content: Content::parse(lexer, names)?,
            },
            "append" => Kind::Append { file: path(lexer, "a file")?, content: Content::parse(lexer, names)? },
            "truncate" => Kind::Truncate { file: path(lexer, "a file")?, len: lexer.number("a length")? },
            "allocate" => Kind::Allocate {
                file: path(lexer, "a file")?,
                offset: lexer.number("an offset")?,
                len: lexer.number("a length")?,
            },
            "rename" => Kind::Rename { from: path(lexer, "the old name")?, to: path(lexer, "the new name")? },
            "link" => {
                Kind::Link { existing: path(lexer, "the old name")?, new: path(lexer, "the new name")? }
            }
            "unlink" => Kind::Unlink { file: path(lexer, "a file")? },
            "rmdir" => Kind::Rmdir { dir: path(lexer, "a directory")? },
            "fsync" => Kind::Fsync { file: path(lexer, "a file")? },
            "fdatasync" => Kind::Fdatasync { file: path(lexer, "a file")? },
            "sync_dir" => Kind::SyncDir { dir: directory(lexer)? },
            "mark" => Kind::Mark { name: lexer.word("the mark's name")? },
            "begin" => Kind::Begin,
            _ => return Err(format!("expected a step ({VERBS}), found `{line}`")),
        };
        lexer.end()?;
        Ok(Step(kind))
    }

    /// Makes the step's call.
    pub(super) fn run(&self, vfs: &dyn Vfs, root: &Path) -> io::Result<()> {
        let at = |path: &str| if path == "." { root.to_path_buf() } else { root.join(path) };
        let open = |file: &str| vfs.open(&at(file), OpenOptions::READ_WRITE);
        match &self.0 {
            Kind::Create { file } => vfs.open(&at(file), OpenOptions::CREATE_NEW).map(drop),
            Kind::Mkdir { dir } => vfs.create_dir(&at(dir)),
            Kind::Write { file, offset, content } => open(file)?.write_fully_at(content.bytes(), *offset),
            Kind::Append { file, content } => {
                let file = open(file)?;
                let end = file.len()?;
                file.write_fully_at(content.bytes(), end)
            }
            Kind::Truncate { file, len } => open(file)?.set_len(*len),
            Kind::Allocate { file, offset, len } => open(file)?.allocate(*offset, *len),
            Kind::Rename { from, to } => vfs.rename(&at(from), &at(to)),
            Kind::Link { existing, new } => vfs.hard_link(&at(existing), &at(new)),
            Kind::Unlink { file } => vfs.remove_file(&at(file)),
            Kind::Rmdir { dir } => vfs.remove_dir(&at(dir)),
            Kind::Fsync { file } => open(file)?.sync_all(),
            Kind::Fdatasync { file } => open(file)?.sync_data(),
            Kind::SyncDir { dir } => vfs.sync_dir(&at(dir)),
            Kind::Mark { .. } => Ok(()),
            Kind::Begin => sync_tree(vfs, root),
        }
    }
}

/// Makes everything below `dir` durable.
fn sync_tree(vfs: &dyn Vfs, dir: &Path) -> io::Result<()> {
    for entry in vfs.read_dir(dir)? {
        let path: PathBuf = dir.join(&entry.name);
        match entry.kind {
            FileKind::Directory => sync_tree(vfs, &path)?,
            FileKind::File => vfs.open(&path, OpenOptions::READ_WRITE)?.sync_all()?,
        }
    }
    vfs.sync_dir(dir)
}

/// A path below the root: names separated by `/`.
pub(super) fn path(lexer: &mut Lexer, what: &str) -> Result<String, String> {
    let word = lexer.peek_word().map(str::to_string);
    match word.filter(|word| word.split('/').all(|name| !matches!(name, "" | "." | ".."))) {
        Some(word) => {
            lexer.advance();
            Ok(word)
        }
        None => Err(lexer.expected(&format!("{what}, as a path without a leading `/` and without `..`"))),
    }
}

/// The same, or `.` for the root itself.
fn directory(lexer: &mut Lexer) -> Result<String, String> {
    if lexer.keyword(".") { Ok(".".to_string()) } else { path(lexer, "a directory") }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Create { file } => write!(f, "create {file}"),
            Kind::Mkdir { dir } => write!(f, "mkdir {dir}"),
            Kind::Write { file, offset, content } => write!(f, "write {file} {offset} {content}"),
            Kind::Append { file, content } => write!(f, "append {file} {content}"),
            Kind::Truncate { file, len } => write!(f, "truncate {file} {len}"),
            Kind::Allocate { file, offset, len } => write!(f, "allocate {file} {offset} {len}"),
            Kind::Rename { from, to } => write!(f, "rename {from} {to}"),
            Kind::Link { existing, new } => write!(f, "link {existing} {new}"),
            Kind::Unlink { file } => write!(f, "unlink {file}"),
            Kind::Rmdir { dir } => write!(f, "rmdir {dir}"),
            Kind::Fsync { file } => write!(f, "fsync {file}"),
            Kind::Fdatasync { file } => write!(f, "fdatasync {file}"),
            Kind::SyncDir { dir } => write!(f, "sync_dir {dir}"),
            Kind::Mark { name } => write!(f, "mark {name}"),
            Kind::Begin => f.write_str("begin"),
        }
    }
}
