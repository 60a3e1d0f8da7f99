//! Random calls.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{FileFailurePersistence, TestRunner};
use rustix::io::Errno;
use unplug::plain::MemFs;
use unplug_vfs::OpenOptions;

use crate::calls::{Answer, SLOTS, Step};
use crate::{agreed, answers};

fn path() -> impl Strategy<Value = String> {
    let name = || prop::sample::select(vec!["a", "b", "c"]);
    prop_oneof![
        6 => name().prop_map(str::to_owned),
        6 => (name(), name()).prop_map(|(a, b)| format!("{a}/{b}")),
        2 => (name(), name(), name()).prop_map(|(a, b, c)| format!("{a}/{b}/{c}")),
        1 => Just(String::new()),
    ]
}

fn options() -> impl Strategy<Value = OpenOptions> {
    let any = any::<[bool; 5]>().prop_map(|[read, write, create, create_new, truncate]| OpenOptions {
        read,
        write,
        create,
        create_new,
        truncate,
    });
    prop_oneof![
        4 => Just(OpenOptions::CREATE),
        1 => Just(OpenOptions::CREATE_NEW),
        1 => Just(OpenOptions::CREATE_TRUNCATE),
        1 => Just(OpenOptions::READ),
        3 => any,
    ]
}

fn offset() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..700u64,
        2 => (0..20u64, 0..3u64).prop_map(|(sector, d)| (sector * 512 + d).saturating_sub(1)),
        1 => 0..20_000u64,
        1 => prop::sample::select(vec![1 << 63, u64::MAX]),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let slot = || 0..SLOTS;
    let len = || prop_oneof![0..700usize, 0..9_000usize];
    prop_oneof![
        8 => (slot(), path(), options()).prop_map(|(slot, path, options)| Step::Open { slot, path, options }),
        1 => slot().prop_map(|slot| Step::Close { slot }),
        4 => (slot(), offset(), len()).prop_map(|(slot, offset, len)| Step::Read { slot, offset, len }),
        1 => slot().prop_map(|slot| Step::ReadNothing { slot }),
        6 => (slot(), offset(), len(), any::<u8>())
            .prop_map(|(slot, offset, len, fill)| Step::Write { slot, offset, len, fill }),
        1 => slot().prop_map(|slot| Step::WriteNothing { slot }),
        2 => slot().prop_map(|slot| Step::Len { slot }),
        2 => (slot(), offset()).prop_map(|(slot, len)| Step::SetLen { slot, len }),
        2 => (slot(), offset(), 0..5_000u64)
            .prop_map(|(slot, offset, len)| Step::Allocate { slot, offset, len }),
        1 => (slot(), any::<bool>()).prop_map(|(slot, data_only)| Step::Sync { slot, data_only }),
        6 => (path(), path()).prop_map(|(from, to)| Step::Rename { from, to }),
        3 => path().prop_map(|path| Step::RemoveFile { path }),
        5 => path().prop_map(|path| Step::CreateDir { path }),
        3 => path().prop_filter("the base directory stays", |path| !path.is_empty())
            .prop_map(|path| Step::RemoveDir { path }),
        2 => path().prop_map(|path| Step::ReadDir { path }),
        2 => path().prop_map(|path| Step::Metadata { path }),
        4 => (path(), path()).prop_map(|(existing, new)| Step::HardLink { existing, new }),
        1 => path().prop_map(|path| Step::SyncDir { path }),
        2 => (slot(), path()).prop_map(|(slot, path)| Step::Lock { slot, path }),
        1 => slot().prop_map(|slot| Step::Unlock { slot }),
    ]
}

fn config() -> ProptestConfig {
    let regressions = FileFailurePersistence::Direct("tests/conformance/regressions");
    ProptestConfig { failure_persistence: Some(Box::new(regressions)), ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_calls_get_the_kernels_answers(steps in vec(step(), 1..80)) {
        agreed(&steps);
    }
}

/// The random calls are worth something only if they reach the rare answers.
#[test]
fn random_calls_reach_every_kind_of_answer() {
    let mut runner = TestRunner::deterministic();
    let mut reached = BTreeSet::new();
    for _ in 0..400 {
        let steps = vec(step(), 1..80).new_tree(&mut runner).unwrap().current();
        let answers = answers(&MemFs::new(), Path::new("/base"), &steps);
        for (step, (_, answer)) in steps.iter().zip(answers) {
            let call = format!("{step:?}");
            let call = call.split_once(' ').unwrap().0.to_owned();
            let answer = match answer {
                Answer::Error(_, errno) => errno,
                Answer::NoHandle => continue,
                _ => None,
            };
            reached.insert((call, answer));
        }
    }
    let errors: [(&str, &[Errno]); 17] = [
        ("Open", &[Errno::NOENT, Errno::EXIST, Errno::ISDIR, Errno::NOTDIR, Errno::INVAL]),
        ("Read", &[Errno::BADF, Errno::INVAL]),
        ("ReadNothing", &[Errno::BADF]),
        ("Write", &[Errno::BADF, Errno::INVAL]),
        ("WriteNothing", &[Errno::BADF]),
        ("SetLen", &[Errno::INVAL]),
        ("Allocate", &[Errno::BADF, Errno::INVAL]),
        ("Sync", &[]),
        ("Rename", &[Errno::NOENT, Errno::NOTDIR, Errno::ISDIR, Errno::NOTEMPTY, Errno::INVAL]),
        ("RemoveFile", &[Errno::NOENT, Errno::ISDIR, Errno::NOTDIR]),
        ("CreateDir", &[Errno::NOENT, Errno::EXIST, Errno::NOTDIR]),
        ("RemoveDir", &[Errno::NOENT, Errno::NOTDIR, Errno::NOTEMPTY]),
        ("ReadDir", &[Errno::NOENT, Errno::NOTDIR]),
        ("Metadata", &[Errno::NOENT, Errno::NOTDIR]),
        ("HardLink", &[Errno::NOENT, Errno::EXIST, Errno::PERM, Errno::NOTDIR]),
        ("SyncDir", &[Errno::NOENT, Errno::NOTDIR]),
        ("Lock", &[Errno::NOENT, Errno::NOTDIR, Errno::AGAIN]),
    ];
    for (call, errors) in errors {
        assert!(reached.contains(&(call.to_owned(), None)), "{call} never succeeded");
        for errno in errors {
            let answer = Some(errno.raw_os_error());
            assert!(reached.contains(&(call.to_owned(), answer)), "{call} never gave {errno:?}");
        }
    }
}
