//! Scenario files: TOML with the workload as lines.
//!
//! ```toml
//! name = "compaction"
//! guards = "A compaction leaves the old epoch or the new one, never a mix."
//! subject = "engine"
//! depth = 2
//! options = { compact_ops = 8, sync = "manual" }
//! models = { posix = "held" }
//! ops = '''
//! put a 1   # comments are kept
//! repeat 20
//!   put k{i%4} fill({i},100)
//!   every 5 sync
//! end
//! compact
//! '''
//! ```
//!
//! | key | meaning |
//! |---|---|
//! | `name` | lower-case letters, digits, `-` |
//! | `guards` | one sentence: what breaks if this does not hold |
//! | `subject` | the store under test, by its name in the program's registry |
//! | `bug` | optional: a planted bug to switch on |
//! | `depth` | optional: crashes in a row, 1 to 8 (1) |
//! | `kill` | optional: whether the process is killed, too, and its successor loses power (false) |
//! | `faults` | optional: rules of what fails, such as `"sync_data wal-* #3 -> EIO"` (see [`crate::fault`]) |
//! | `sweep` | optional: instead, each call fails in turn, once with EIO, and with ENOSPC if it can; with `--sweep` in every way (false) |
//! | `cap` | optional: recoveries at one crash point after which it is probed |
//! | `limit` | optional: recoveries at one crash point after which it is given up |
//! | `options` | optional: texts, whole numbers and booleans for the subject |
//! | `models` | per model the verdict that must come out: `held` or `violated` |
//! | `ops` | the workload, one operation a line, `reopen` to close and open again, `lift` to end all faults |
//! | `requires` | optional: what must hold after a crash, for the subject `protocol` (see [`super::protocol`]) |
//!
//! `repeat N` … `end` runs the lines between them `N` times; in them `{i}` is the round, from 0, and `{i%K}`
//! its remainder. A line `every M LINE` there runs in each `M`-th round only. Blocks do not nest. `#` outside
//! quotes starts a comment.
//!
//! Lines of comment before the first key are kept, too.
//!
//! [`Scenario::parse`] and `Display` are inverse: a file in canonical form prints back byte for byte.

mod expand;
mod parse;

use std::fmt;

use crate::fault::Rule;
use crate::report::Verdict;

use super::{OptionValue, Options, protocol};
pub use expand::{Workload, split_comment};
pub use parse::ScenarioError;

/// A scenario file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The lines of comment that the file begins with, each ended.
    pub comment: String,
    /// Its name.
    pub name: String,
    /// What it guards, in a sentence.
    pub guards: String,
    /// The subject's name.
    pub subject: String,
    /// The planted bug's name.
    pub bug: Option<String>,
    /// Crashes in a row.
    pub depth: u32,
    /// Whether the process is killed, too.
    pub kill: bool,
    /// What fails.
    pub faults: Vec<Rule>,
    /// Whether each call fails in turn.
    pub sweep: bool,
    /// Recoveries at one crash point after which it is probed; the program's default if absent.
    pub cap: Option<u64>,
    /// Recoveries at one crash point after which it is given up; the program's default if absent.
    pub limit: Option<u64>,
    /// For the subject's factory.
    pub options: Options,
    /// Models with the declared verdict (held or violated), in the order of [`Model::NAMES`].
    ///
    /// [`Model::NAMES`]: crate::model::Model::NAMES
    pub models: Vec<(String, Verdict)>,
    /// The workload's text, each line ended.
    pub ops: String,
    /// Line of the file that holds the first line of `ops`, from 1.
    pub ops_line: usize,
    /// Requirements of a protocol, each line ended.
    pub requires: Option<String>,
    /// Line of the file that holds the first line of `requires`, from 1.
    pub requires_line: usize,
}

impl Scenario {
    /// Parses a file; `file` names it in errors.
    pub fn parse(file: &str, text: &str) -> Result<Scenario, ScenarioError> {
        parse::parse(file, text)
    }

    /// What the subject's factory gets: the options, and the requirements as an option of their own.
    pub fn factory_options(&self) -> Options {
        let mut options = self.options.clone();
        if let Some(requires) = &self.requires {
            options.set(protocol::REQUIRES, OptionValue::Text(requires.clone()));
        }
        options
    }

    /// The lines that run, blocks written out.
    pub fn expand(&self, file: &str) -> Result<Workload, ScenarioError> {
        expand::expand(file, self)
    }
}

/// A text as TOML prints it, on one line.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out + "\""
}

fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if bare { name.to_string() } else { quoted(name) }
}

fn table<V: fmt::Display>(pairs: impl Iterator<Item = (String, V)>) -> String {
    let pairs: Vec<String> = pairs.map(|(name, value)| format!("{} = {value}", key(&name))).collect();
    format!("{{ {} }}", pairs.join(", "))
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.comment)?;
        writeln!(f, "name = {}", quoted(&self.name))?;
        writeln!(f, "guards = {}", quoted(&self.guards))?;
        writeln!(f, "subject = {}", quoted(&self.subject))?;
        if let Some(bug) = &self.bug {
            writeln!(f, "bug = {}", quoted(bug))?;
        }
        if self.depth != 1 {
            writeln!(f, "depth = {}", self.depth)?;
        }
        if self.kill {
            writeln!(f, "kill = true")?;
        }
        match &self.faults[..] {
            [] => {}
            [rule] => writeln!(f, "faults = [{}]", quoted(&rule.to_string()))?,
            rules => {
                writeln!(f, "faults = [")?;
                rules.iter().try_for_each(|rule| writeln!(f, "    {},", quoted(&rule.to_string())))?;
                writeln!(f, "]")?;
            }
        }
        if self.sweep {
            writeln!(f, "sweep = true")?;
        }
        if let Some(cap) = self.cap {
            writeln!(f, "cap = {cap}")?;
        }
        if let Some(limit) = self.limit {
            writeln!(f, "limit = {limit}")?;
        }
        if !self.options.is_empty() {
            let options = self.options.iter().map(|(name, value)| (name.to_string(), value));
            writeln!(f, "options = {}", table(options))?;
        }
        let verdict = |verdict: &Verdict| match verdict {
            Verdict::Violated => "\"violated\"",
            _ => "\"held\"",
        };
        let models = self.models.iter().map(|(model, expected)| (model.clone(), verdict(expected)));
        writeln!(f, "models = {}", table(models))?;
        writeln!(f, "ops = '''\n{}'''", self.ops)?;
        match &self.requires {
            Some(requires) => writeln!(f, "requires = '''\n{requires}'''"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
