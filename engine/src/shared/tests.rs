//! The protocol under a scheduler that tries many orders of the threads, the same ones each time.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use shuttle::scheduler::RandomScheduler;
use shuttle::sync::{Condvar, Mutex, MutexGuard};
use shuttle::{Config, Runner, thread};
use unplug_vfs::{DirEntry, FileKind, Metadata, OpenOptions, Vfs, VfsFile, VfsLock};

use super::hub::{Hub, Inner};
use super::monitor::{Monitor, Place};
use crate::planted::Planted;
use crate::record::Batch;
use crate::{Options, Store, SyncPolicy};

struct ShuttleMonitor<T> {
    value: Mutex<T>,
    changed: [Condvar; 2],
}

impl<T> Monitor<T> for ShuttleMonitor<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        T: 'a;

    fn new(value: T) -> Self {
        ShuttleMonitor { value: Mutex::new(value), changed: [Condvar::new(), Condvar::new()] }
    }

    fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap()
    }

    fn wait<'a>(&'a self, place: Place, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.changed[place as usize].wait(guard).unwrap()
    }

    fn wait_for<'a>(&'a self, place: Place, guard: MutexGuard<'a, T>, _: Duration) -> MutexGuard<'a, T> {
        self.wait(place, guard)
    }

    fn notify(&self, place: Place) {
        self.changed[place as usize].notify_all();
    }

    fn gather<'a>(
        &'a self,
        mut guard: MutexGuard<'a, T>,
        _: Duration,
        enough: impl Fn(&T) -> bool,
    ) -> MutexGuard<'a, T> {
        for _ in 0..2 {
            if enough(&guard) {
                break;
            }
            drop(guard);
            thread::yield_now();
            guard = self.lock();
        }
        guard
    }
}

#[derive(Default)]
struct Content {
    now: Vec<u8>,
    /// As it was when the last sync began that has returned.
    synced: Vec<u8>,
}

/// Files that know what of them is durable. Writing and syncing lets others run.
#[derive(Clone, Default)]
struct SyncFs {
    files: Arc<StdMutex<BTreeMap<PathBuf, Arc<StdMutex<Content>>>>>,
    fails: Arc<AtomicBool>,
}

struct SyncFile(Arc<StdMutex<Content>>, Arc<AtomicBool>);
struct NoLock;
impl VfsLock for NoLock {}

impl SyncFs {
    /// What a power loss would leave, if names were always durable.
    fn durable(&self) -> SyncFs {
        let files = self.files.lock().unwrap();
        let copy = files.iter().map(|(path, content)| {
            let synced = content.lock().unwrap().synced.clone();
            (path.clone(), Arc::new(StdMutex::new(Content { now: synced.clone(), synced })))
        });
        SyncFs { files: Arc::new(StdMutex::new(copy.collect())), fails: Arc::default() }
    }
}

impl Vfs for SyncFs {
    fn open(&self, path: &Path, options: OpenOptions) -> io::Result<Box<dyn VfsFile>> {
        let mut files = self.files.lock().unwrap();
        if options.create_new || options.create {
            files.entry(path.to_path_buf()).or_default();
        }
        let content = files.get(path).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(SyncFile(content.clone(), self.fails.clone())))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut files = self.files.lock().unwrap();
        let content = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_path_buf(), content);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut files = self.files.lock().unwrap();
        files.remove(path).map(drop).ok_or(io::ErrorKind::NotFound.into())
    }

    fn create_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn remove_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn read_dir(&self, _: &Path) -> io::Result<Vec<DirEntry>> {
        let files = self.files.lock().unwrap();
        let name = |path: &PathBuf| path.file_name().unwrap().to_os_string();
        Ok(files.keys().map(|path| DirEntry { name: name(path), kind: FileKind::File }).collect())
    }

    fn metadata(&self, _: &Path) -> io::Result<Metadata> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn hard_link(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn VfsLock>> {
        Ok(Box::new(NoLock))
    }
}

impl VfsFile for SyncFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let content = self.0.lock().unwrap();
        let rest = content.now.get(offset as usize..).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<usize> {
        let mut content = self.0.lock().unwrap();
        let end = offset as usize + data.len();
        let len = content.now.len().max(end);
        content.now.resize(len, 0);
        content.now[offset as usize..end].copy_from_slice(data);
        Ok(data.len())
    }

    fn len(&self) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.lock().unwrap().now.resize(len as usize, 0);
        Ok(())
    }

    fn allocate(&self, _: u64, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        let before = self.0.lock().unwrap().now.clone();
        thread::yield_now();
        if self.1.load(Ordering::Relaxed) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.0.lock().unwrap().synced = before;
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }
}

type TestHub = Hub<ShuttleMonitor<Inner>>;

fn hub(fs: &SyncFs, options: &Options) -> Arc<TestHub> {
    Arc::new(TestHub::new(Store::open(Arc::new(fs.clone()), Path::new("/db"), options.clone()).unwrap()))
}

fn write(hub: &TestHub, key: &str, value: &str) -> Result<(), crate::Error> {
    let mut batch = Batch::new();
    batch.put(key.as_bytes(), value.as_bytes());
    hub.write(batch.ops)
}

fn get(fs: &SyncFs, key: &str) -> Option<String> {
    let store = Store::open(Arc::new(fs.clone()), Path::new("/db"), Options::default()).unwrap();
    store.get(key.as_bytes()).map(|value| String::from_utf8(value.to_vec()).unwrap())
}

fn run(schedules: usize, test: impl Fn() + Send + Sync + 'static) {
    Runner::new(RandomScheduler::new_from_seed(7, schedules), Config::new()).run(test);
}

/// Three threads write; each looks at the disk when its write has returned. Says whether one of them found its
/// write missing.
fn a_returned_write_is_missing(planted: Planted, schedules: usize) -> bool {
    let missing = Arc::new(AtomicBool::new(false));
    let found = missing.clone();
    run(schedules, move || {
        let fs = SyncFs::default();
        let options = Options { planted, ..Options::default() };
        let hub = hub(&fs, &options);
        let threads: Vec<_> = (0..3)
            .map(|thread| {
                let (fs, hub, found) = (fs.clone(), hub.clone(), found.clone());
                thread::spawn(move || {
                    for i in 0..2 {
                        let (key, value) = (format!("k{thread}"), i.to_string());
                        write(&hub, &key, &value).unwrap();
                        // What is read is durable, and it is the newest.
                        let read = hub.memory().get(key.as_bytes()).map(|v| v.to_vec());
                        let missing = get(&fs.durable(), &key) != Some(value.clone())
                            || read != Some(value.into_bytes());
                        found.fetch_or(missing, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    missing.load(Ordering::Relaxed)
}

#[test]
fn whatever_the_order_of_threads_a_write_that_returned_is_durable_and_visible() {
    assert!(!a_returned_write_is_missing(Planted::None, 400));
}

#[test]
fn a_follower_that_is_answered_before_its_own_sync_is_found() {
    assert!(a_returned_write_is_missing(Planted::GroupAcknowledgedEarly, 400));
}

#[test]
fn memory_takes_the_writes_in_the_order_of_the_log_while_compactions_run() {
    for sync in [SyncPolicy::EveryWrite, SyncPolicy::EveryN(2), SyncPolicy::Manual] {
        run(150, move || {
            let fs = SyncFs::default();
            let options = Options { sync, segment_size: 1024, compact_ops: Some(3), ..Options::default() };
            let hub = hub(&fs, &options);
            let worker = hub.clone();
            let worker = thread::spawn(move || worker.work());
            let threads: Vec<_> = (0..2)
                .map(|thread| {
                    let hub = hub.clone();
                    thread::spawn(move || {
                        for i in 0..3 {
                            write(&hub, "shared", &format!("{thread}-{i}")).unwrap();
                        }
                        if thread == 0 {
                            hub.compact().unwrap();
                        }
                        hub.sync().unwrap();
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            hub.stop();
            worker.join().unwrap();
            let shown = hub.memory().get(b"shared").map(|v| String::from_utf8(v.to_vec()).unwrap());
            assert_eq!(get(&fs.durable(), "shared"), shown);
        });
    }
}

#[test]
fn a_failed_sync_fails_every_write_that_waited_for_it_and_all_later_ones() {
    run(200, || {
        let fs = SyncFs::default();
        let hub = hub(&fs, &Options::default());
        write(&hub, "k", "before").unwrap();
        fs.fails.store(true, Ordering::Relaxed);
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let hub = hub.clone();
                thread::spawn(move || write(&hub, "k", "after").unwrap_err())
            })
            .collect();
        for thread in threads {
            let error = thread.join().unwrap();
            assert!(error.is_io() || error.is_failed(), "{error}");
        }
        assert_eq!(hub.memory().get(b"k").map(|v| v.to_vec()), Some(b"before".to_vec()));
    });
}
