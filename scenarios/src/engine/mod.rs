//! The bundled store as a subject.
//!
//! | option | meaning |
//! |---|---|
//! | `segment_size` | bytes of a log segment (the store's default) |
//! | `compact_ops` | compact after so many operations; 0: never (the store's default) |
//! | `compact_log_bytes` | compact after so many bytes of log; 0: never (the store's default) |
//! | `sync` | `"every-write"` (default) or `"manual"` |
//! | `recycle` | overwrite the files of retired segments (false) |
//! | `value_len` | length of the values that a recovered store is asked to take (100); the workload's own, so that the new records lie exactly where lost ones lay |

mod leaks;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use unplug::subject::{Outcome, Subject, SubjectError};
use unplug::workload::Options;
use unplug::workload::kv::{self, KvChange, KvOp, KvState};
use unplug_engine::{Batch, Error, Planted, Store, SyncPolicy};
use unplug_vfs::Vfs;

use crate::planted::{SyncFault, SyncFaultVfs};

/// Where the store lies below the root.
const DIR: &str = "store";

/// The bundled store.
pub struct Engine {
    options: unplug_engine::Options,
    sync_fault: Option<&'static SyncFault>,
    value_len: usize,
}

impl Engine {
    /// From a scenario's options, with a planted bug perhaps.
    pub fn new(options: &Options, bug: Option<&str>) -> Result<Engine, String> {
        let mut engine =
            Engine { options: unplug_engine::Options::default(), sync_fault: None, value_len: 100 };
        let never = |count: u64| (count > 0).then_some(count);
        let mut reader = options.reader();
        let to = &mut engine.options;
        if let Some(bytes) = reader.number("segment_size")? {
            if bytes < unplug_engine::Options::SEGMENT_SIZE_MIN {
                let min = unplug_engine::Options::SEGMENT_SIZE_MIN;
                return Err(format!("option `segment_size`: expected at least {min}, found {bytes}"));
            }
            to.segment_size = bytes;
        }
        if let Some(count) = reader.number("compact_ops")? {
            to.compact_ops = never(count);
        }
        if let Some(bytes) = reader.number("compact_log_bytes")? {
            to.compact_log_bytes = never(bytes);
        }
        if let Some(1) = reader.choice("sync", &["every-write", "manual"])? {
            to.sync = SyncPolicy::Manual;
        }
        if let Some(recycle) = reader.flag("recycle")? {
            to.recycle_segments = recycle;
        }
        if let Some(len) = reader.number("value_len")? {
            let max = unplug_engine::VALUE_BYTES_MAX;
            let fits = usize::try_from(len).ok().filter(|len| *len <= max);
            engine.value_len =
                fits.ok_or(format!("option `value_len`: expected at most {max}, found {len}"))?;
        }
        reader.finish()?;
        if let Some(bug) = bug {
            engine.sync_fault = SyncFault::by_name(bug);
            to.planted = match (engine.sync_fault, Planted::from_name(bug)) {
                (Some(_), _) => Planted::None,
                (None, Some(planted)) => planted,
                (None, None) => return Err(format!("the engine has no planted bug `{bug}`")),
            };
        }
        Ok(engine)
    }

    fn dir(root: &Path) -> PathBuf {
        root.join(DIR)
    }
}

/// What a call's result says about the promise.
fn outcome<T>(result: Result<T, Error>, durable: bool) -> Outcome {
    match result {
        Ok(_) => Outcome::Acknowledged { durable },
        Err(error) if error.is_refused() => Outcome::Refused(error.to_string()),
        Err(error) => Outcome::Unknown(error.to_string()),
    }
}

impl Subject for Engine {
    type Op = KvOp;
    type State = KvState;
    type Store = Store;

    fn parse_op(&self, line: &str) -> Result<KvOp, String> {
        line.parse()
    }

    fn open(&self, vfs: Arc<dyn Vfs>, root: &Path) -> Result<Store, SubjectError> {
        let vfs = match self.sync_fault {
            None => vfs,
            Some(fault) => Arc::new(SyncFaultVfs::new(vfs, fault)),
        };
        Ok(Store::open(vfs, &Engine::dir(root), self.options.clone())?)
    }

    fn execute(&self, store: &mut Store, op: &KvOp) -> Outcome {
        let durable = self.options.sync == SyncPolicy::EveryWrite;
        match op {
            KvOp::Change(KvChange::Put { key, value }) => {
                outcome(store.put(key.as_slice(), value.as_slice()), durable)
            }
            KvOp::Change(KvChange::Del { key }) => outcome(store.delete(key.as_slice()), durable),
            KvOp::Batch(changes) => {
                let mut batch = Batch::new();
                for change in changes {
                    match change {
                        KvChange::Put { key, value } => batch.put(key.as_slice(), value.as_slice()),
                        KvChange::Del { key } => batch.delete(key.as_slice()),
                    };
                }
                outcome(store.write(batch), durable)
            }
            KvOp::Sync => outcome(store.sync(), true),
            // A new epoch begins with a durable snapshot of everything.
            KvOp::Compact => outcome(store.compact(), true),
        }
    }

    fn read(&self, store: &mut Store) -> Result<KvState, SubjectError> {
        Ok(store.iter().collect())
    }

    fn close(&self, store: Store) -> Result<(), SubjectError> {
        Ok(store.close()?)
    }

    fn initial_state(&self) -> KvState {
        KvState::new()
    }

    fn apply(&self, state: &mut KvState, op: &KvOp) {
        state.apply(op);
    }

    fn diff(&self, allowed: &KvState, got: &KvState) -> Vec<String> {
        allowed.diff(got)
    }

    fn epilogue(&self) -> Vec<KvOp> {
        kv::epilogue(self.value_len)
    }

    fn simpler(&self, op: &KvOp) -> Vec<KvOp> {
        kv::simpler(op)
    }

    fn leaks(&self, vfs: &dyn Vfs, root: &Path) -> Result<Vec<String>, SubjectError> {
        leaks::leaks(vfs, &Engine::dir(root))
    }
}
