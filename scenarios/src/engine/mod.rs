//! The bundled store as a subject.
//!
//! | option | meaning |
//! |---|---|
//! | `segment_size` | bytes of a log segment (the store's default) |
//! | `compact_ops` | compact after so many operations; 0: never (the store's default) |
//! | `compact_log_bytes` | compact after so many bytes of log; 0: never (the store's default) |
//! | `compact_live_percent` | compact when fewer than so many of 100 entries on disk are live; 0: never (default) |
//! | `compaction_step` | compact in pieces of so many bytes, one with each write; 0: all at once (default) |
//! | `snapshot_chain` | so many snapshots in a row hold only what changed (0) |
//! | `sync` | `"every-write"` (default), `"every-n"`, `"interval"` or `"manual"` |
//! | `sync_writes` | the n of `"every-n"` (100) |
//! | `sync_period_s` | the period of `"interval"`, in seconds, of which one passes with each operation (5) |
//! | `write_buffer` | bytes of log that wait in the process (0) |
//! | `preallocate` | bytes by which a log segment grows, where writes are synced by their count; 0: as many as it needs (the store's default) |
//! | `group` | commit in groups: of so many writes in a row, the last comes while the sync of those before it runs; 0: one by one (default). Not together with faults |
//! | `retain` | so many log segments that a snapshot has replaced are kept (0) |
//! | `recycle` | overwrite the files of retired segments (false) |
//! | `value_len` | length of the values that a recovered store is asked to take (100); the workload's own, so that the new records lie exactly where lost ones lay |

mod generator;
mod leaks;
mod running;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use unplug::subject::{Outcome, Subject, SubjectError};
use unplug::workload::Options;
use unplug::workload::kv::{self, KvOp, KvState};
use unplug_engine::{Planted, Store, SyncPolicy};
use unplug_vfs::Vfs;

use crate::planted::{SyncFault, SyncFaultVfs};
pub use generator::generator;
pub use running::Running;

/// Longer chains only make recovery longer.
const SNAPSHOT_CHAIN_MAX: u32 = 100;

/// More of them only make recovery longer.
const RETAINED_MAX: u32 = 100;

/// Where the store lies below the root.
const DIR: &str = "store";

/// The bundled store.
pub struct Engine {
    options: unplug_engine::Options,
    sync_fault: Option<&'static SyncFault>,
    value_len: usize,
    group: u64,
    tick: Duration,
}

impl Engine {
    /// From a scenario's options, with a planted bug perhaps.
    pub fn new(options: &Options, bug: Option<&str>) -> Result<Engine, String> {
        let mut engine = Engine {
            options: unplug_engine::Options { compact_live_ratio: None, ..Default::default() },
            sync_fault: None,
            value_len: 100,
            group: 0,
            tick: Duration::from_secs(1),
        };
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
        if let Some(percent) = reader.number("compact_live_percent")? {
            to.compact_live_ratio = (percent > 0).then_some(percent as f64 / 100.0);
        }
        let writes = reader.number("sync_writes")?.unwrap_or(SyncPolicy::WRITES);
        let period = reader.number("sync_period_s")?.map_or(SyncPolicy::PERIOD, Duration::from_secs);
        to.sync = match reader.choice("sync", &["every-write", "manual", "every-n", "interval"])? {
            Some(1) => SyncPolicy::Manual,
            Some(2) if writes == 0 => return Err("option `sync_writes`: expected at least 1, found 0".into()),
            Some(2) => SyncPolicy::EveryN(writes),
            Some(3) => SyncPolicy::Interval(period),
            _ => SyncPolicy::EveryWrite,
        };
        if let Some(bytes) = reader.number("write_buffer")? {
            to.write_buffer_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        if let Some(bytes) = reader.number("preallocate")? {
            to.preallocate_bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        if let Some(bytes) = reader.number("compaction_step")? {
            to.compaction_step_bytes = never(bytes).map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        }
        if let Some(count) = reader.number("snapshot_chain")? {
            let fits = u32::try_from(count).ok().filter(|count| *count <= SNAPSHOT_CHAIN_MAX);
            to.snapshot_chain_max = fits.ok_or(format!(
                "option `snapshot_chain`: expected at most {SNAPSHOT_CHAIN_MAX}, found {count}"
            ))?;
        }
        if let Some(group) = reader.number("group")? {
            engine.group = group;
        }
        if let Some(count) = reader.number("retain")? {
            let fits = u32::try_from(count).ok().filter(|count| *count <= RETAINED_MAX);
            to.retain_segments =
                fits.ok_or(format!("option `retain`: expected at most {RETAINED_MAX}, found {count}"))?;
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

impl Subject for Engine {
    type Op = KvOp;
    type State = KvState;
    type Store = Running;

    fn parse_op(&self, line: &str) -> Result<KvOp, String> {
        line.parse()
    }

    fn open(&self, vfs: Arc<dyn Vfs>, root: &Path) -> Result<Running, SubjectError> {
        let vfs = match self.sync_fault {
            None => vfs,
            Some(fault) => Arc::new(SyncFaultVfs::new(vfs, fault)),
        };
        let store = Store::open(vfs, &Engine::dir(root), self.options.clone())?;
        Ok(Running::new(store, self.group, self.tick))
    }

    fn execute(&self, store: &mut Running, op: &KvOp) -> Outcome {
        store.execute(op)
    }

    fn read(&self, store: &mut Running) -> Result<KvState, SubjectError> {
        Ok(store.read())
    }

    fn close(&self, store: Running) -> Result<(), SubjectError> {
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
        leaks::leaks(vfs, &Engine::dir(root), self.options.retain_segments as usize)
    }
}
