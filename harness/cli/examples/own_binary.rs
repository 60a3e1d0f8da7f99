//! A binary of one's own with the whole command line: a tiny store, its model, a planted bug, a scenario.
//!
//! ```text
//! cargo run --example own_binary                        the suite
//! cargo run --example own_binary -- run --bug no-sync   the story of a lost write
//! cargo run --example own_binary -- list
//! ```

use std::fmt;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use unplug::subject::{AnySubject, Outcome, Subject, SubjectError};
use unplug_cli::{PlantedBug, Registry};
use unplug_vfs::{OpenOptions, Vfs, VfsFile};

/// A list of short texts in a file, one per sector: a byte for the length, then the text.
struct List {
    file: Box<dyn VfsFile>,
    items: Vec<String>,
}

const SLOT: u64 = 512;
const TEXT_LEN_MAX: usize = 255;

impl List {
    fn open(vfs: &dyn Vfs, root: &Path) -> Result<List, SubjectError> {
        let file = vfs.open(&root.join("list"), OpenOptions::CREATE)?;
        let mut items: Vec<String> = Vec::new();
        let mut slot = [0; SLOT as usize];
        while file.read_fully_at(&mut slot, items.len() as u64 * SLOT)? > 0 && slot[0] > 0 {
            items.push(String::from_utf8_lossy(&slot[1..=usize::from(slot[0])]).into_owned());
        }
        // Texts behind a lost one must not come back behind a new one; what was read must stay.
        file.set_len(items.len() as u64 * SLOT)?;
        file.sync_all()?;
        vfs.sync_dir(root)?;
        Ok(List { file, items })
    }

    fn push(&mut self, text: &str) -> std::io::Result<()> {
        let mut slot = [0; SLOT as usize];
        slot[0] = text.len() as u8;
        slot[1..=text.len()].copy_from_slice(text.as_bytes());
        self.file.write_fully_at(&slot, self.items.len() as u64 * SLOT)?;
        self.items.push(text.to_string());
        Ok(())
    }
}

/// An operation: one line of a scenario.
#[derive(Clone, Debug)]
enum Op {
    Push(String),
    Sync,
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Push(text) => write!(f, "push {text}"),
            Op::Sync => f.write_str("sync"),
        }
    }
}

/// The store under test. With the planted bug, `sync` does nothing.
struct ListSubject {
    no_sync: bool,
}

impl Subject for ListSubject {
    type Op = Op;
    type State = Vec<String>;
    type Store = List;

    fn parse_op(&self, line: &str) -> Result<Op, String> {
        match line.split_once(' ') {
            None if line == "sync" => Ok(Op::Sync),
            Some(("push", text)) if (1..=TEXT_LEN_MAX).contains(&text.len()) => Ok(Op::Push(text.into())),
            _ => Err(format!("expected `push TEXT` or `sync`, found `{line}`")),
        }
    }

    fn open(&self, vfs: Arc<dyn Vfs>, root: &Path) -> Result<List, SubjectError> {
        List::open(&*vfs, root)
    }

    fn execute(&self, store: &mut List, op: &Op) -> Outcome {
        let (result, durable) = match op {
            Op::Push(text) => (store.push(text), false),
            Op::Sync if self.no_sync => (Ok(()), true),
            Op::Sync => (store.file.sync_data(), true),
        };
        match result {
            Ok(()) => Outcome::Acknowledged { durable },
            Err(error) => Outcome::Unknown(error.to_string()),
        }
    }

    fn read(&self, store: &mut List) -> Result<Vec<String>, SubjectError> {
        Ok(store.items.clone())
    }

    fn initial_state(&self) -> Vec<String> {
        Vec::new()
    }

    fn apply(&self, state: &mut Vec<String>, op: &Op) {
        if let Op::Push(text) = op {
            state.push(text.clone());
        }
    }

    fn epilogue(&self) -> Vec<Op> {
        vec![Op::Push("again".into()), Op::Push("and again".into()), Op::Sync]
    }
}

const NO_SYNC: PlantedBug = PlantedBug {
    id: "no-sync",
    summary: "Syncing does nothing.",
    breaks: "Texts that were reported as safe are gone after power loss.",
    disables: &[],
    scenario: "no-sync",
    models: &["posix"],
    impossible: &[],
};

const APPEND: &str = "name = \"append\"
guards = \"Texts are lost from the end only, and never once they were synced.\"
subject = \"list\"
depth = 2
models = { posix = \"held\" }
ops = '''
push one
sync
repeat 5
  push more {i}
end
'''
";

const LOST: &str = "name = \"no-sync\"
guards = \"Finds a sync that does nothing.\"
subject = \"list\"
bug = \"no-sync\"
models = { posix = \"violated\" }
ops = '''
push one
sync
'''
";

/// Everything the program has.
pub fn registry() -> Registry {
    Registry::new("own_binary", "1.0")
        .subject("list", "short texts in a file", |options, bug| {
            options.reader().finish()?;
            Ok(Box::new(ListSubject { no_sync: bug == Some(NO_SYNC.id) }) as Box<dyn AnySubject>)
        })
        .bugs(&[NO_SYNC])
        .scenario("append", APPEND)
        .scenario("no-sync", LOST)
}

fn main() -> ExitCode {
    unplug_cli::main(registry())
}
