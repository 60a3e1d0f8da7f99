//! unplug pulls the plug on a storage engine at every instant, in every way a disk and a file system allow,
//! and proves what comes back.
//!
//! An engine that does its input and output through [`unplug_vfs::Vfs`] runs here unchanged on a simulated
//! [`disk`]. Each of its crashes leaves a disk that is not decided yet: its recovery runs on it, and every
//! question whose answer is not the same in all legal states is a branch. All branches are [explored](explore)
//! — all states, not a sample. After each recovery the [`oracle`] asks whether what came back is a state that
//! the workload went through, not older than what was acknowledged as durable, not newer than what was
//! issued; whether it stays; and whether the store still works.
//!
//! # A whole example
//!
//! A store of one number, replaced as a whole: write a new file, sync it, rename it over the old one, sync
//! the directory. The model of it is one line (`apply`).
//!
//! ```
//! use std::{io, path::{Path, PathBuf}, sync::Arc};
//! use unplug::subject::{Outcome, Subject, SubjectError};
//! use unplug_vfs::{OpenOptions, Vfs};
//!
//! struct Counter { sync_before_rename: bool }
//! struct Running { vfs: Arc<dyn Vfs>, dir: PathBuf, value: u32 }
//!
//! impl Counter {
//!     fn store(&self, s: &Running) -> io::Result<()> {
//!         let tmp = s.dir.join("tmp");
//!         let file = s.vfs.open(&tmp, OpenOptions::CREATE_TRUNCATE)?;
//!         file.write_fully_at(&s.value.to_le_bytes(), 0)?;
//!         if self.sync_before_rename {
//!             file.sync_all()?;
//!         }
//!         s.vfs.rename(&tmp, &s.dir.join("value"))?;
//!         s.vfs.sync_dir(&s.dir)
//!     }
//! }
//!
//! impl Subject for Counter {
//!     type Op = u32; // "add so much"
//!     type State = u32;
//!     type Store = Running;
//!
//!     fn parse_op(&self, line: &str) -> Result<u32, String> {
//!         line.parse().map_err(|_| "expected a number to add".to_string())
//!     }
//!
//!     fn open(&self, vfs: Arc<dyn Vfs>, root: &Path) -> Result<Running, SubjectError> {
//!         let mut bytes = [0; 4];
//!         match vfs.open(&root.join("value"), OpenOptions::READ) {
//!             Ok(file) if file.read_fully_at(&mut bytes, 0)? < 4 => return Err("value is cut short".into()),
//!             Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e.into()),
//!             _ => {}
//!         }
//!         Ok(Running { vfs, dir: root.to_path_buf(), value: u32::from_le_bytes(bytes) })
//!     }
//!
//!     fn execute(&self, store: &mut Running, add: &u32) -> Outcome {
//!         store.value += add;
//!         match self.store(store) {
//!             Ok(()) => Outcome::Acknowledged { durable: true },
//!             Err(e) => Outcome::Unknown(e.to_string()),
//!         }
//!     }
//!
//!     fn read(&self, store: &mut Running) -> Result<u32, SubjectError> {
//!         Ok(store.value)
//!     }
//!
//!     fn initial_state(&self) -> u32 {
//!         0
//!     }
//!
//!     fn apply(&self, state: &mut u32, add: &u32) {
//!         *state += add;
//!     }
//! }
//!
//! let right = unplug::CrashTest::new(Counter { sync_before_rename: true }).ops("1\n10\n100").depth(2).run();
//! right.assert_held();
//!
//! let wrong = unplug::CrashTest::new(Counter { sync_before_rename: false }).ops("1\n10\n100").run();
//! assert_eq!(wrong.violations[0].check, "liveness"); // the renamed file came back empty
//! ```
//!
//! # Where to go on
//!
//! [`subject`]: what to bring. [`disk`]: what the simulated disk does at a crash, and what is not modelled.
//! [`model`]: which file system it is. [`explore`]: how all states are covered. [`oracle`]: what is checked.
//! [`workload`]: workloads as text, and key-value stores ready to use.

pub mod advise;
mod check;
#[cfg(feature = "proptest")]
mod check_random;
pub mod disk;
pub mod explain;
pub mod explore;
pub mod fault;
pub mod fuzz;
pub mod materialise;
pub mod model;
pub mod observed;
pub mod oracle;
pub mod plain;
pub mod report;
pub mod shrink;
#[cfg(feature = "proptest")]
pub mod strategies;
pub mod subject;
pub mod trace;
pub mod workload;

pub use check::CrashTest;
#[cfg(feature = "proptest")]
pub use check_random::RandomWorkload;
