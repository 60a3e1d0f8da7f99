//! The same store on the kernel's file system: reopening, locking, and a process that is killed.

#![allow(clippy::unwrap_used, reason = "a failed test is meant to panic")]

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use unplug_engine::{Options, Store, SyncPolicy, inspect};
use unplug_vfs::OsFs;

fn open(dir: &Path, options: Options) -> Store {
    Store::open(Arc::new(OsFs), dir, options).unwrap()
}

#[test]
fn a_store_in_a_real_directory_is_created_reopened_and_compacted() {
    let tmp = tempfile::tempdir().unwrap();
    let dir = tmp.path().join("db");
    let options = Options { segment_size: 64 << 10, sync: SyncPolicy::Manual, ..Options::default() };
    let mut expected = 0;
    for round in 0..4u32 {
        let mut store = open(&dir, options.clone());
        assert_eq!(store.len(), expected);
        for i in 0..700u32 {
            store.put(format!("{round}-{i}").as_bytes(), &[round as u8; 300]).unwrap();
        }
        expected = store.len();
        store.close().unwrap();
    }
    let reading = inspect::store(Arc::new(OsFs), &dir).unwrap();
    assert_eq!((reading.entries.len(), reading.stopped_at), (2800, None));
    assert!(open(&dir, options).epoch() > 1);
}

#[test]
fn a_real_lock_keeps_a_second_opener_out() {
    let tmp = tempfile::tempdir().unwrap();
    let first = open(tmp.path(), Options::default());
    let second = Store::open(Arc::new(OsFs), tmp.path(), Options::default());
    assert!(second.unwrap_err().is_locked());
    drop(first);
    open(tmp.path(), Options::default());
}

#[test]
fn a_file_in_the_directory_s_place_is_an_error() {
    let tmp = tempfile::tempdir().unwrap();
    let file = tmp.path().join("file");
    std::fs::write(&file, b"x").unwrap();
    for dir in [file.clone(), file.join("db"), tmp.path().join("missing").join("db")] {
        let error = Store::open(Arc::new(OsFs), &dir, Options::default()).unwrap_err();
        assert!(error.is_io(), "{error}");
    }
}

#[test]
fn an_empty_directory_that_was_there_stays_the_one_it_was() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, aside) = (tmp.path().join("db"), tmp.path().join(".db.renewed"));
    let of = |path: &Path| {
        let metadata = std::fs::metadata(path).unwrap();
        (metadata.ino(), metadata.permissions().mode() & 0o777)
    };
    // As somebody made it; and as a power loss left it between two renames.
    for made in [&dir, &aside] {
        std::fs::create_dir(made).unwrap();
        std::fs::set_permissions(made, Permissions::from_mode(0o700)).unwrap();
        let before = of(made);
        open(&dir, Options::default()).close().unwrap();
        assert_eq!(of(&dir), before);
        assert!(!aside.exists());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}

#[test]
fn only_an_empty_directory_is_put_back_in_the_store_s_place() {
    let tmp = tempfile::tempdir().unwrap();
    let (dir, aside) = (tmp.path().join("db"), tmp.path().join(".db.renewed"));
    std::fs::write(&aside, b"x").unwrap();
    open(&dir, Options::default()).close().unwrap();
    assert!(aside.is_file());

    std::fs::remove_file(&aside).unwrap();
    std::fs::remove_dir_all(&dir).unwrap();
    std::fs::create_dir(&aside).unwrap();
    std::fs::write(aside.join("file"), b"x").unwrap();
    open(&dir, Options::default()).close().unwrap();
    assert!(aside.join("file").exists());
}

const CHILD: &str = "UNPLUG_ENGINE_TEST_CHILD";

/// What the killed process runs: writes records, and notes each acknowledged one.
fn write_until_killed(dir: &Path) {
    let options = Options { segment_size: 8 << 10, compact_ops: Some(40), ..Options::default() };
    let mut store = open(&dir.join("db"), options);
    let note = std::fs::File::options().create(true).append(true).open(dir.join("acknowledged")).unwrap();
    for i in store.len() as u32.. {
        store.put(&i.to_be_bytes(), &[i as u8; 200]).unwrap();
        std::io::Write::write_all(&mut &note, b".").unwrap();
    }
}

#[test]
fn what_a_killed_process_was_told_is_there() {
    if let Ok(dir) = std::env::var(CHILD) {
        return write_until_killed(Path::new(&dir));
    }
    let tmp = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for kill in 0..5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "what_a_killed_process_was_told_is_there"])
            .env(CHILD, tmp.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let noted = || std::fs::metadata(tmp.path().join("acknowledged")).map_or(0, |m| m.len());
        while noted() < acknowledged + 50 && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(noted() >= acknowledged + 50, "kill {kill}: the process wrote too little to be killed");
        acknowledged = noted();
        let store = open(&tmp.path().join("db"), Options::default());
        let there = store.len() as u64;
        assert!(there == acknowledged || there == acknowledged + 1, "{there} of {acknowledged}");
        for i in 0..there as u32 {
            assert_eq!(store.get(&i.to_be_bytes()).as_deref(), Some(&[i as u8; 200][..]));
        }
        // The one record in flight counts from now on.
        std::fs::write(tmp.path().join("acknowledged"), vec![b'.'; there as usize]).unwrap();
        acknowledged = there;
    }
}
