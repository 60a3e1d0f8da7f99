use super::*;
use crate::trace::{Event, ROOT};

fn put(fs: &MemFs, path: &str, data: &[u8]) {
    fs.open(Path::new(path), OpenOptions::CREATE_TRUNCATE).unwrap().write_fully_at(data, 0).unwrap();
}

fn calls(trace: &Trace) -> Vec<Call> {
    let call = |event: &Event| match &event.kind {
        EventKind::Call(call) => Some(call.clone()),
        EventKind::Mark(_) => None,
    };
    trace.events.iter().filter_map(call).collect()
}

#[test]
fn a_tree_shows_files_directories_and_hard_links() {
    let fs = MemFs::new();
    fs.create_dir(Path::new("d")).unwrap();
    put(&fs, "/d/f", b"abc");
    fs.hard_link(Path::new("./d/f"), Path::new("/g")).unwrap();
    put(&fs, "h", b"abc");

    let mut expected = Tree::new();
    expected.insert_file("d/f", "abc");
    assert!(expected.insert_link("d/f", "g"));
    expected.insert_file("h", "abc");
    assert_eq!(fs.tree(), expected);

    let mut without_link = expected.clone();
    without_link.insert_file("g", "abc");
    assert_ne!(expected, without_link);
    assert_eq!(MemFs::from_tree(&expected).tree(), expected);
}

#[test]
fn a_file_system_made_from_a_tree_leaves_the_tree_alone() {
    let mut tree = Tree::new();
    tree.insert_file("f", "abc");
    tree.insert_link("f", "g");
    let fs = MemFs::from_tree(&tree);
    fs.open(Path::new("g"), OpenOptions::READ_WRITE).unwrap().write_fully_at(b"X", 1).unwrap();
    assert_eq!(fs.tree().content("f"), Some(&b"aXc"[..]));
    assert_eq!(tree.content("f"), Some(&b"abc"[..]));
}

#[test]
fn a_tree_never_holds_a_file_above_another() {
    let mut tree = Tree::new();
    tree.insert_file("/a", "x");
    tree.insert_file("a/./b/../c", "y");
    assert_eq!(tree.iter().map(|(path, _)| path).collect::<Vec<_>>(), ["a", "a/b", "a/b/c"]);
    tree.insert_file("a", "z");
    assert_eq!(tree.len(), 1);
    assert!(!tree.insert_link("nothing", "b"));
}

#[test]
fn a_tree_survives_a_trip_through_a_real_directory() {
    let mut tree = Tree::new();
    tree.insert_dir("empty");
    tree.insert_file("d/f", "abc");
    tree.insert_link("d/f", "d/g");
    tree.insert_file("z", "");
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("image");
    tree.write_to(&target).unwrap();
    assert_eq!(Tree::read_from(&target).unwrap(), tree);
    let error = tree.write_to(&target).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
    assert!(error.to_string().starts_with("failed to write "), "{error}");
}

#[test]
fn recording_keeps_the_calls_that_took_effect_with_their_source_lines() {
    let mut tree = Tree::new();
    tree.insert_file("d/f", "abc");
    let fs = MemFs::recording_from_tree(&tree);
    fs.mark(Mark::Issued { op: 1 });
    let line = line!() + 1;
    let file = fs.open(Path::new("d/f"), OpenOptions::CREATE_TRUNCATE).unwrap();
    file.write_at(b"", 0).unwrap();
    file.write_at(b"xy", 3).unwrap();
    file.sync_data().unwrap();
    fs.open(Path::new("d"), OpenOptions::READ).err().unwrap();
    fs.rename(Path::new("d/f"), Path::new("g")).unwrap();
    fs.rename(Path::new("g"), Path::new("g")).unwrap();
    fs.sync_dir(Path::new("/")).unwrap();

    let trace = fs.take_trace();
    assert_eq!(trace.events[0].kind, EventKind::Mark(Mark::Issued { op: 1 }));
    assert_eq!(trace.events[1].source.map(|s| (s.file(), s.line())), Some((file!(), line)));
    let calls = calls(&trace);
    let (dir, inode) = (Inode(1), Inode(2));
    let Call::Write { data, .. } = calls[1] else { panic!("{calls:?}") };
    assert_eq!(trace.bytes(data), b"xy");
    let expected = [
        Call::SetLen { inode, len: 0 },
        Call::Write { inode, offset: 3, data },
        Call::SyncFile { inode, data_only: true },
        Call::Rename { from_dir: dir, from: "f".into(), to_dir: ROOT, to: "g".into(), inode },
        Call::SyncDir { dir: ROOT },
    ];
    assert_eq!(calls, expected);
    assert!(fs.take_trace().events.is_empty());
}

#[test]
fn a_fresh_file_never_reuses_an_inode_number() {
    let fs = MemFs::recording();
    for _ in 0..3 {
        put(&fs, "f", b"");
        fs.remove_file(Path::new("f")).unwrap();
    }
    let created = |call: &Call| if let Call::Create { inode, .. } = call { Some(*inode) } else { None };
    let inodes: Vec<Inode> = calls(&fs.take_trace()).iter().filter_map(created).collect();
    assert_eq!(inodes, [Inode(1), Inode(2), Inode(3)]);
}

#[test]
fn the_root_cannot_be_opened_moved_removed_or_made() {
    let fs = MemFs::new();
    let root = Path::new("/");
    let errno = |result: io::Result<()>| Errno::from_io_error(&result.unwrap_err());
    assert_eq!(errno(fs.open(root, OpenOptions::READ).map(drop)), Some(Errno::ISDIR));
    assert_eq!(errno(fs.rename(root, Path::new("x"))), Some(Errno::BUSY));
    assert_eq!(errno(fs.remove_dir(root)), Some(Errno::BUSY));
    assert_eq!(errno(fs.remove_file(root)), Some(Errno::ISDIR));
    assert_eq!(errno(fs.create_dir(root)), Some(Errno::EXIST));
    assert_eq!(errno(fs.hard_link(root, Path::new("x"))), Some(Errno::PERM));
    assert_eq!(errno(fs.create_dir(Path::new("../x"))), Some(Errno::INVAL));
    assert_eq!(errno(fs.create_dir(Path::new(""))), Some(Errno::NOENT));
    assert_eq!(errno(fs.create_dir(Path::new(&"n".repeat(256)))), Some(Errno::NAMETOOLONG));
    assert!(fs.tree().is_empty());
}

#[test]
fn a_file_past_the_largest_length_is_too_big() {
    let fs = MemFs::new();
    let file = fs.open(Path::new("f"), OpenOptions::CREATE).unwrap();
    for result in
        [file.write_at(b"x", LEN_MAX).map(drop), file.set_len(LEN_MAX + 1), file.allocate(LEN_MAX, 1)]
    {
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
    assert_eq!(file.len().unwrap(), 0);
}
